/* A canvas that behaves as Excalidraw does where the binding can tell: shapes are changed in place
 * with a new version, onChange follows every change, updateScene replaces the list. */
import * as Y from 'yjs'
import { Binding } from '../src/board/binding.js'
import { inOrder } from '../src/board/codec.js'

export class Clock {
  constructor() {
    this.time = 1_000_000
    this.timers = []
    this.next = 1
  }

  now = () => this.time
  later = (run, ms) => {
    this.timers.push({ id: this.next, at: this.time + ms, run })
    return this.next++
  }
  cancel = (id) => { this.timers = this.timers.filter((t) => t.id !== id) }
  soon = (run) => { run() }

  pass(ms) {
    const end = this.time + ms
    for (;;) {
      const due = this.timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0]
      if (!due) break
      this.cancel(due.id)
      this.time = due.at
      due.run()
    }
    this.time = end
  }
}

let nonce = 1

export class Canvas {
  constructor() {
    this.scene = []
    this.state = { cursorButton: 'up', newElement: null, editingTextElement: null, resizingElement: null, multiElement: null }
    this.listener = () => {}
    this.updates = []
    this.files = {}
  }

  getSceneElementsIncludingDeleted = () => this.scene
  getAppState = () => this.state
  updateScene = ({ elements, captureUpdate }) => {
    this.updates.push(captureUpdate)
    this.scene = [...elements]
    this.changed()
  }

  changed() { this.listener(this.scene, this.state) }

  add(shape) {
    this.scene = [...this.scene, shape].sort(inOrder)
    this.changed()
    return shape
  }

  /* In place, as Excalidraw's mutateElement does. */
  touch(id, part) {
    const shape = this.get(id)
    Object.assign(shape, part)
    shape.version++
    shape.versionNonce = nonce++
    this.changed()
    return shape
  }

  get(id) { return this.scene.find((s) => s.id === id) }
  press() { this.state = { ...this.state, cursorButton: 'down' } }
  release(part = {}) {
    this.state = { ...this.state, cursorButton: 'up', newElement: null, ...part }
    this.changed()
  }
}

export const shapeLike = (id, part = {}) => ({
  id, type: 'rectangle', x: 0, y: 0, width: 100, height: 50, angle: 0, strokeColor: '#1e1e1e',
  backgroundColor: 'transparent', fillStyle: 'solid', strokeWidth: 2, strokeStyle: 'solid', roughness: 1,
  opacity: 100, groupIds: [], frameId: null, index: 'a0', roundness: null, seed: 1, version: 1, versionNonce: nonce++,
  isDeleted: false, boundElements: null, updated: 1, link: null, locked: false, ...part
})

export const strokeLike = (id, points, part = {}) =>
  shapeLike(id, { type: 'freedraw', points, pressures: [], simulatePressure: true, lastCommittedPoint: null, ...part })

export const textLike = (id, words, part = {}) => shapeLike(id, {
  type: 'text', text: words, originalText: words, fontSize: 20, fontFamily: 5, textAlign: 'left', verticalAlign: 'top',
  containerId: null, autoResize: true, lineHeight: 1.25, ...part
})

/* Presence between two seats without a network: live drags are handed over at once. */
class Room {
  constructor() { this.seats = [] }

  presenceFor() {
    const seat = { live: {}, listeners: [], lives: () => Object.assign({}, ...this.seats.filter((s) => s !== seat).map((s) => s.live)) }
    this.seats.push(seat)
    const tell = (ids) => this.seats.filter((s) => s !== seat).forEach((s) => s.listeners.forEach((run) => run(ids)))
    return {
      onLive: (run) => seat.listeners.push(run),
      liveOf: (id) => seat.lives()[id],
      setLive: (live) => {
        seat.live = live
        tell(Object.keys(live))
      },
      endLive: () => {
        const ids = Object.keys(seat.live)
        seat.live = {}
        tell(ids)
      }
    }
  }
}

/* People at one board, each with a document, a canvas and a binding. `online(false)` holds updates
 * back in both directions until `online(true)`. */
export function table(count, options = {}) {
  const clock = new Clock()
  const room = new Room()
  const seats = Array.from({ length: count }, () => {
    const doc = new Y.Doc()
    const canvas = new Canvas()
    const binding = new Binding({
      doc, api: canvas, restore: (s) => ({ ...s }), never: 'NEVER', presence: room.presenceFor(), clock, ...options
    })
    canvas.listener = (scene, state) => binding.sceneChanged(scene, state)
    return { doc, canvas, binding, shapes: doc.getMap('elements'), updates: 0 }
  })
  let up = true
  for (const from of seats) {
    from.doc.on('update', (update, origin) => {
      if (origin === 'wire') return
      from.updates++
      if (up) for (const to of seats) if (to !== from) Y.applyUpdate(to.doc, update, 'wire')
    })
  }
  const online = (now) => {
    up = now
    if (!up) return
    for (const from of seats)
      for (const to of seats) if (to !== from) Y.applyUpdate(to.doc, Y.encodeStateAsUpdate(from.doc, Y.encodeStateVector(to.doc)), 'wire')
  }
  const start = () => seats.forEach(({ binding, canvas }) => {
    binding.start()
    canvas.changed()
  })
  if (!options.late) start()
  return { seats, clock, online, start }
}
