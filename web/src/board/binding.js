/* Keeps Excalidraw's scene and the document the same.
 *
 * Three states of a shape meet here:
 *
 *   scene    what Excalidraw shows and edits (it changes shapes in place)
 *   shown    the values this binding last gave to the scene or took from it
 *   document what everybody has; somebody's running drag (presence) lies on top of it
 *
 * A value that differs between scene and shown was changed here and is written. A value that
 * differs between document and shown was changed elsewhere and is shown, unless it was also
 * changed here: then ours is about to be written and wins as the later one. Everything is decided
 * value by value, so two people who change different properties of one shape keep both.
 *
 * Rules that keep the board intact:
 *   - Nothing is read from or given to the scene before Excalidraw has finished its own start
 *     (`start` is called on its first onChange); an earlier scene would be wiped from the view.
 *   - A shape that is missing from onChange was not deleted. Only isDeleted deletes. (Opening a
 *     file or an unfinished start replaces the scene; the shapes are put back.) The one exception
 *     is a shape that this page was in the middle of drawing and Excalidraw dropped as too small.
 *   - What comes from elsewhere never enters the undo history (captureUpdate NEVER).
 *   - During a gesture the document is written once a second and at its end; in between, geometry
 *     travels in presence. Strokes append to the document 15 times a second. */
import * as Y from 'yjs'
import {
  baseOf, fieldsOf, geometryOf, inOrder, isLinear, isStroke, quantised, shapeOf, valueFor, withLive
} from './codec.js'

const gestureWriteMs = 1000
const strokeWriteMs = 66
const idleWriteMs = 200
const livePointsMax = 64
const purgeAfterMs = 24 * 3600 * 1000

const randomNonce = () => Math.floor(Math.random() * 2 ** 31)

export class Binding {
  /* `restore(shape)` is Excalidraw's restoreElements for one shape: the shape or undefined.
   * `never` is its CaptureUpdateAction.NEVER. `presence` shares and tells running drags.
   * `images` is told about pictures on the board. */
  constructor({ doc, api, restore, never, presence, images, clock = browserClock }) {
    Object.assign(this, { doc, api, restore, never, presence, images, clock })
    this.elements = doc.getMap('elements')
    this.shown = new Map()         /* id -> { version, nonce, fields, ints, points } */
    this.changedElsewhere = new Set()
    this.changedHere = new Set()
    this.drawing = null            /* id of the shape that is being drawn right now */
    this.inGesture = false
    this.started = false
    this.applyPlanned = false
    this.writeTimer = 0
    this.writeDue = Infinity
    this.lastWrite = -Infinity
    this.onEvents = (events, transaction) => this.noteEvents(events, transaction)
    this.elements.observeDeep(this.onEvents)
    this.presence?.onLive((ids) => this.note(ids))
  }

  start() {
    if (this.started) return
    this.started = true
    this.note(this.elements.keys())
    this.apply()
  }

  destroy() {
    this.flush()
    this.clock.cancel(this.writeTimer)
    this.elements.unobserveDeep(this.onEvents)
    this.started = false
  }

  /* ---- document -> scene ---- */

  noteEvents(events, transaction) {
    if (transaction.origin === this) return
    const ids = new Set()
    for (const event of events) {
      if (event.path.length > 0) ids.add(event.path[0])
      else for (const id of event.keysChanged) ids.add(id)
    }
    this.note(ids)
  }

  note(ids) {
    for (const id of ids) this.changedElsewhere.add(id)
    if (this.started && !this.applyPlanned && this.changedElsewhere.size > 0) {
      this.applyPlanned = true
      this.clock.soon(() => {
        this.applyPlanned = false
        this.apply()
      })
    }
  }

  /* Shapes whose object Excalidraw itself holds on to: replacing them would tear the gesture. */
  held(state) {
    const ids = new Set()
    for (const shape of [state.newElement, state.editingTextElement, state.resizingElement, state.multiElement])
      if (shape) ids.add(shape.id)
    if (state.editingLinearElement) ids.add(state.editingLinearElement.elementId)
    if (state.selectedLinearElement?.isDragging) ids.add(state.selectedLinearElement.elementId)
    return ids
  }

  apply() {
    if (!this.started || this.changedElsewhere.size === 0) return
    const held = this.held(this.api.getAppState())
    const scene = this.api.getSceneElementsIncludingDeleted()
    const places = new Map(scene.map((shape, i) => [shape.id, i]))
    const next = scene.slice()
    let changed = false, reorder = false

    for (const id of this.changedElsewhere) {
      const at = places.get(id)
      const here = at === undefined ? undefined : scene[at]
      if (here && held.has(id)) continue
      this.changedElsewhere.delete(id)
      const result = this.merged(id, here)
      if (!result || result === here) continue
      changed = true
      if (here) {
        next[at] = result
        reorder ||= here.index !== result.index
      } else {
        places.set(id, next.length)
        next.push(result)
        reorder = true
      }
    }
    if (!changed) return
    this.rebind(next, places)
    if (reorder) next.sort(inOrder)
    this.api.updateScene({ elements: next, captureUpdate: this.never })
  }

  /* The shape as the scene shall have it: a new object, `here` itself when nothing changes for the
   * scene, or undefined when there is nothing to show. Updates `shown`. */
  merged(id, here) {
    const ymap = this.elements.get(id)
    if (!(ymap instanceof Y.Map)) {
      /* Purged from the document after its deletion. */
      this.shown.delete(id)
      if (!here || here.isDeleted) return here
      return { ...here, isDeleted: true, version: here.version + 1, versionNonce: randomNonce() }
    }
    let wanted = shapeOf(id, ymap)
    if (!wanted) return here
    if (wanted.isDeleted && !here) return undefined
    const live = this.presence?.liveOf(id)
    if (live) wanted = withLive(wanted, live)
    wanted = this.restore({ ...wanted, version: 1, versionNonce: randomNonce(), updated: this.clock.now() })
    if (!wanted) return here

    const before = this.shown.get(id)
    if (!here || !before) {
      if (here) wanted = { ...wanted, version: here.version + 1 }
      this.remember(wanted)
      this.images?.want(wanted)
      return wanted
    }
    const fields = fieldsOf(wanted), ours = fieldsOf(here)
    const result = { ...here }
    let differs = false, dirty = false
    const take = (key) => {
      for (const name of propertiesOf(key)) if (name in wanted) result[name] = wanted[name]
      differs = true
    }
    for (const [key, value] of fields) {
      if (ours.get(key) === value) continue
      if (ours.get(key) === before.fields.get(key)) take(key)
      else dirty = true
    }
    let ints = null, points = before.points
    if (isStroke(wanted)) {
      ints = quantised(wanted)
      const touched = here.points !== before.points && !sameInts(quantised(here), before.ints)
      if (touched) dirty = true
      else if (!sameInts(ints, before.ints)) {
        take('p')
        points = wanted.points
      }
    }
    if (differs) {
      result.version = here.version + 1
      result.versionNonce = randomNonce()
      result.updated = this.clock.now()
      this.images?.want(result)
    }
    /* A shape with changes of its own is not settled: the next onChange must look at it again. */
    const settled = dirty ? { version: before.version, nonce: before.nonce }
      : { version: result.version, nonce: result.versionNonce }
    this.shown.set(id, { ...settled, fields, ints, points })
    if (dirty) this.changedHere.add(id)
    else this.changedHere.delete(id)
    return differs ? result : here
  }

  remember(shape) {
    this.shown.set(shape.id, {
      version: shape.version,
      nonce: shape.versionNonce,
      fields: fieldsOf(shape),
      ints: isStroke(shape) ? quantised(shape) : null,
      points: shape.points
    })
  }

  /* Two people who bind an arrow or a label to one shape each write its boundElements, and one list
   * wins. The arrows and labels know where they belong, so the list is completed from them. */
  rebind(next, places) {
    for (const shape of next) {
      if (shape.isDeleted) continue
      const kind = shape.type === 'text' ? 'text' : 'arrow'
      for (const target of [shape.containerId, shape.startBinding?.elementId, shape.endBinding?.elementId]) {
        const at = target == null ? undefined : places.get(target)
        if (at === undefined || next[at].boundElements?.some((bound) => bound.id === shape.id)) continue
        const whole = {
          ...next[at],
          boundElements: [...(next[at].boundElements ?? []), { id: shape.id, type: kind }],
          version: next[at].version + 1,
          versionNonce: randomNonce()
        }
        const shown = this.shown.get(target)
        if (shown && shown.version === next[at].version && shown.nonce === next[at].versionNonce) {
          shown.version = whole.version
          shown.nonce = whole.versionNonce
        }
        shown?.fields.set('boundElements', JSON.stringify(whole.boundElements))
        next[at] = whole
      }
    }
  }

  /* ---- scene -> document ---- */

  /* Excalidraw's onChange: called after every render, so the first look must be cheap. */
  sceneChanged(scene, state) {
    if (!this.started) return
    for (const shape of scene) {
      const shown = this.shown.get(shape.id)
      if (!shown || shown.version !== shape.version || shown.nonce !== shape.versionNonce)
        this.changedHere.add(shape.id)
    }
    this.putBackMissing(scene)
    this.endOfDrawing(scene, state)

    const gesture = state.cursorButton === 'down' || this.held(state).size > 0
    const ended = this.inGesture && !gesture
    this.inGesture = gesture
    if (gesture) this.shareLive(scene)
    if (ended) {
      this.write(scene, state)
      this.presence?.endLive()
      if (this.changedElsewhere.size > 0) this.note([])
      return
    }
    if (this.changedHere.size === 0) return
    let wait = idleWriteMs
    if (gesture) wait = state.newElement?.type === 'freedraw' ? strokeWriteMs : gestureWriteMs
    /* A new shape does not wait: presence can only move what others have. */
    if (state.newElement && !this.elements.has(state.newElement.id)) wait = 0
    this.planWrite(this.lastWrite + wait)
  }

  planWrite(due) {
    const now = this.clock.now()
    if (due <= now) return this.write()
    if (due >= this.writeDue) return
    this.clock.cancel(this.writeTimer)
    this.writeDue = due
    this.writeTimer = this.clock.later(() => this.write(), due - now)
  }

  /* Writes what waits, without regard to the pace: the page is about to go away. */
  flush() {
    if (this.started && this.changedHere.size > 0) this.write()
  }

  write(scene = this.api.getSceneElementsIncludingDeleted(), state = this.api.getAppState()) {
    this.clock.cancel(this.writeTimer)
    this.writeDue = Infinity
    if (this.changedHere.size === 0) return
    const waiting = []
    this.doc.transact(() => {
      for (const shape of scene) {
        if (!this.changedHere.has(shape.id)) continue
        const ymap = this.elements.get(shape.id)
        if (ymap instanceof Y.Map) this.writeChanges(shape, ymap)
        else if (!this.create(shape, state)) waiting.push(shape.id)
      }
    }, this)
    this.changedHere = new Set(waiting)
    this.lastWrite = this.clock.now()
  }

  /* True when the shape needs no further attention. */
  create(shape, state) {
    if (shape.isDeleted) return true
    if (shape.type === 'image' && !this.images?.isOurs(shape.fileId)) {
      /* Its bytes are not named or not stored yet; `adopt` gives it a file id of ours. */
      if (shape.fileId) this.images?.adopt(shape.fileId)
      return false
    }
    if (state.newElement?.id === shape.id && tooSmall(shape)) return false
    if (shape.type === 'text' && !shape.text.trim()) return false
    if ((isStroke(shape) || isLinear(shape)) && shape.points.length < 2) return false
    const ymap = new Y.Map()
    ymap.set('b', baseOf(shape))
    if (isStroke(shape)) ymap.set('p', Y.Array.from(quantised(shape)))
    this.elements.set(shape.id, ymap)
    this.remember(shape)
    return true
  }

  writeChanges(shape, ymap) {
    const shown = this.shown.get(shape.id)
    if (!shown) {
      /* A shape of the board that the scene got from somewhere else (an opened file, a paste that
       * kept ids): the document's values stand. */
      this.changedElsewhere.add(shape.id)
      this.note([shape.id])
      return
    }
    const fields = fieldsOf(shape)
    for (const [key, value] of fields)
      if (shown.fields.get(key) !== value) ymap.set(key, valueFor(shape, key, this.clock.now()))
    if (isStroke(shape) && shape.points !== shown.points) this.writeStroke(shape, ymap, shown.ints)
    this.remember(shape)
  }

  writeStroke(shape, ymap, before) {
    const ints = quantised(shape)
    const stroke = ymap.get('p')
    const grows = stroke instanceof Y.Array && stroke.length === before.length && ints.length >= before.length &&
      before.every((v, i) => v === ints[i])
    if (!grows) ymap.set('p', Y.Array.from(ints))
    else if (ints.length > before.length) stroke.push(ints.slice(before.length))
  }

  /* Shapes of the board that vanished from the scene come back; see the rules at the top. */
  putBackMissing(scene) {
    if (scene.length >= this.shown.size) return
    const here = new Set(scene.map((shape) => shape.id))
    const missing = []
    for (const id of this.shown.keys()) {
      if (here.has(id) || id === this.drawing) continue
      this.shown.delete(id)
      missing.push(id)
    }
    this.note(missing)
  }

  /* A drag of a few pixels makes no shape: Excalidraw takes it out of the scene, and what was
   * already written of it is deleted. */
  endOfDrawing(scene, state) {
    const before = this.drawing
    this.drawing = state.newElement?.id ?? state.multiElement?.id ?? null
    if (before === null || before === this.drawing) return
    const ymap = this.elements.get(before)
    if (!(ymap instanceof Y.Map) || scene.some((shape) => shape.id === before)) return
    this.shown.delete(before)
    this.changedHere.delete(before)
    this.doc.transact(() => ymap.set('d', this.clock.now()), this)
  }

  shareLive(scene) {
    if (!this.presence || this.changedHere.size === 0) return
    const live = {}
    for (const shape of scene) {
      if (!this.changedHere.has(shape.id) || shape.isDeleted) continue
      const shown = this.shown.get(shape.id)
      if (!shown || (isStroke(shape) && shape.id === this.drawing)) continue
      const fields = fieldsOf(shape)
      const moved = fields.get('g') !== shown.fields.get('g')
      const reshaped = isLinear(shape) && fields.get('l') !== shown.fields.get('l')
      if (!moved && !reshaped && !(isStroke(shape) && shape.points !== shown.points)) continue
      live[shape.id] = geometryOf(shape)
      if (reshaped && shape.points.length <= livePointsMax) live[shape.id].push(shape.points)
    }
    this.presence.setLive(live)
  }

  /* Shapes that were deleted a day ago are taken out of the document. Called once after the first
   * sync; a clock that is wrong by years must not empty the board's undo, so times in the future stay. */
  purge() {
    const old = []
    const now = this.clock.now()
    for (const [id, ymap] of this.elements) {
      const d = ymap instanceof Y.Map ? ymap.get('d') : 0
      if (typeof d === 'number' && d > 0 && now - d > purgeAfterMs) old.push(id)
    }
    if (old.length === 0) return 0
    this.doc.transact(() => old.forEach((id) => this.elements.delete(id)), this)
    this.note(old)
    return old.length
  }
}

function propertiesOf(key) {
  switch (key) {
    case 'g': return ['x', 'y', 'width', 'height', 'angle']
    case 't': return ['text', 'originalText']
    case 'l': return ['points', 'width', 'height']
    case 'p': return ['points', 'pressures', 'width', 'height']
    case 'd': return ['isDeleted']
    default: return [key]
  }
}

/* Excalidraw's own rule for shapes that are dropped when the pointer goes up. */
function tooSmall(shape) {
  if (isStroke(shape) || isLinear(shape)) return shape.points.length < 2
  return shape.width === 0 && shape.height === 0
}

function sameInts(a, b) {
  return a.length === b.length && a.every((v, i) => v === b[i])
}

const browserClock = {
  now: () => Date.now(),
  later: (run, ms) => setTimeout(run, ms),
  cancel: (timer) => clearTimeout(timer),
  /* Once per frame; a hidden page gets no frames, so a timer stands by. */
  soon(run) {
    let done = false
    const once = () => {
      if (done) return
      done = true
      run()
    }
    requestAnimationFrame(once)
    setTimeout(once, 100)
  }
}
