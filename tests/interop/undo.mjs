// Undo managers: one script on a Yjs document and on a gesso document with the same client id. Other Yjs
// documents edit along; their updates arrive on both sides under origins that some manager tracks or does
// not. After every step both sides must have told the same events in the same order, with the same updates
// byte for byte; stack sizes, content and the encoded state must be the same too.
import * as Y from 'yjs'
import { Kind, NO_GC, nothing, number, string } from './driver.mjs'
import { Random } from './random.mjs'
import { clientId, makeEdit, openRoots } from './session.mjs'
import { collectEdits } from './edits.mjs'
import { deleteSet, equalBytes, expectEqual, gessoContent, parsed, yjsContent, yjsStateVector } from './compare.mjs'

const rootKind = { map: Kind.map, arr: Kind.array, txt: Kind.text, xml: Kind.xmlFragment, more: Kind.map }
const pieces = ['a', 'word ', 'é', '漢字', '\n', '"\\', 'a longer piece of text ', '😀', 'x😀y']
const [IGNORE_REMOTE, KEEP_TYPES, KEEP_SOME, SKIP_ORIGIN] = [1, 2, 4, 8]
const LONG = 1e9 // a capture timeout that only the script's clock passes


// Names the types that gesso has not been asked for yet: after undo they are new ones.
async function nameTypes (driver, handles, type) {
  const children = []
  let index = 0
  for (let item = type._start; item !== null; item = item.right) {
    if (item.deleted) continue
    if (item.content instanceof Y.ContentType) children.push([item.content.type, index])
    if (item.countable) index += item.length
  }
  for (const [key, item] of type._map) {
    if (!item.deleted && item.content instanceof Y.ContentType) children.push([item.content.type, key])
  }
  for (const [child, at] of children) {
    if (!handles.has(child)) {
      const parent = handles.get(type)
      const handle = typeof at === 'string' ? await driver.mapGetType(0, parent, at) : await driver.arrayGetType(0, parent, at)
      if (handle === 0) throw new Error(`a type that only Yjs has, at ${at}`)
      handles.set(child, handle)
    }
    await nameTypes(driver, handles, child)
  }
}

const label = (origin, um) => origin === um ? 'self' : origin instanceof Y.UndoManager ? 'other' : origin ?? ''

// The twins: `log` collects what Yjs tells, in the words of driver_undo.c.
class Twins {
  constructor (driver, r, gc) {
    this.driver = driver
    this.r = r
    this.doc = new Y.Doc({ gc })
    this.doc.clientID = clientId(r) || 1
    this.log = []
    this.managers = []
    this.handles = new Map()
    this.clock = 5000
    this.pool = []
    this.doc.on('update', (update, origin) => {
      this.log.push(['update', Buffer.from(update).toString('hex')])
      this.pool.push(update)
    })
  }

  async open (gc) {
    await this.driver.create(0, this.doc.clientID, gc ? 0 : NO_GC)
    const top = openRoots(this.doc)
    for (const [name, kind] of Object.entries(rootKind)) this.handles.set(top[name], await this.driver.root(0, name, kind))
    await this.call('undo_watch')
    await this.call('undo_clock', [this.clock])
  }

  call (name, args = [], read = nothing) { return this.driver.call(name, 0, args, read) }

  async addManager () {
    const { r, doc } = this
    const roots = Object.values(openRoots(doc))
    const scope = r.weighted([
      [3, () => roots], [2, () => roots.filter(() => r.chance(0.5))], [2, () => [r.pick([...this.liveTypes()])]], [2, () => [doc]]
    ])()
    if (scope.length === 0) scope.push(roots[0])
    const origins = r.pick([[null], [null], [null, 'a'], ['a'], ['a', 'b']])
    const timeout = r.pick([0, LONG, LONG])
    let flags = r.chance(0.3) ? IGNORE_REMOTE : 0
    if (r.chance(0.25)) flags |= r.pick([KEEP_TYPES, KEEP_SOME])
    if (r.chance(0.3)) flags |= SKIP_ORIGIN
    const place = this.managers.length
    const um = new Y.UndoManager(scope, {
      doc,
      captureTimeout: timeout,
      trackedOrigins: new Set(origins),
      ignoreRemoteMapChanges: (flags & IGNORE_REMOTE) !== 0,
      captureTransaction: tr => !((flags & SKIP_ORIGIN) && tr.origin === 'skip'),
      deleteFilter: item => !((flags & KEEP_TYPES) && item.content instanceof Y.ContentType) &&
        !((flags & KEEP_SOME) && item.id.clock % 3 === 0)
    })
    this.managers.push(um)
    const told = event => ({ stackItem, type, origin, changedParentTypes }) => {
      const times = stackItem.meta.get('times') ?? 0
      stackItem.meta.set('times', times + 1)
      this.log.push([event, place, type, label(origin, um), changedParentTypes.size, times])
    }
    um.on('stack-item-added', told('added'))
    um.on('stack-item-updated', told('updated'))
    um.on('stack-item-popped', told('popped'))
    um.on('stack-cleared', e => this.log.push(['cleared', place, +e.undoStackCleared, +e.redoStackCleared]))
    await this.call('undo_new', [place, timeout, flags])
    for (const type of scope) await this.call('undo_scope', [place, type === doc ? 0 : this.handles.get(type)])
    for (const origin of origins) await this.call('undo_add_origin', [place, origin])
    if (!origins.includes(null)) await this.call('undo_remove_origin', [place, null])
  }

  * liveTypes () {
    for (const type of this.handles.keys()) {
      let item = type._item
      while (item !== null && !item.deleted) item = item.parent._item
      if (item === null) yield type
    }
  }

  // Local edits; now and then undo in their midst.
  async edit () {
    const { r, driver, doc } = this
    for (const root of Object.values(openRoots(doc))) await nameTypes(driver, this.handles, root)
    const origin = r.pick([null, null, 'a', 'b', 'skip'])
    const live = new Map([...this.liveTypes()].map(type => [type, this.handles.get(type)]))
    const later = []
    const within = this.managers.length > 0 && r.chance(0.05) ? r.below(this.managers.length) : -1
    const undo = r.chance(0.6)
    let changed
    doc.transact(() => {
      collectEdits(r, later, doc, live, pieces, r.between(1, 3))
      if (within >= 0) changed = (undo ? this.managers[within].undo() : this.managers[within].redo()) !== null
    }, origin)
    await this.call('begin_origin', [origin])
    for (const step of later) await step(driver)
    if (within >= 0) expectEqual('undo in a transaction', changed, await this.call(undo ? 'undo' : 'redo', [within], number) === 1)
    await driver.commit(0)
    for (const [type, handle] of live) this.handles.set(type, handle)
  }

  async hear (update) {
    let origin = this.r.pick([null, 'a', 'remote', 'remote'])
    // When a redo stack is cleared and formats are cleaned up after it, Yjs records the two in another order in
    // a manager of the whole document: docs/compat.md.
    if (this.managers.some(um => um.scope.includes(this.doc)) && this.managers.some(um => um.canRedo())) origin = 'remote'
    Y.applyUpdate(this.doc, update, origin)
    await this.call('begin_origin', [origin])
    await this.driver.apply(0, update)
    await this.driver.commit(0)
  }

  async undo () {
    const place = this.r.below(this.managers.length)
    const um = this.managers[place]
    const undo = this.r.chance(0.6)
    for (let i = this.r.between(1, 3); i > 0; i--) {
      const changed = (undo ? um.undo() : um.redo()) !== null
      expectEqual(`${undo ? 'undo' : 'redo'} ${place}`, changed, await this.call(undo ? 'undo' : 'redo', [place], number) === 1)
    }
  }

  async settings () {
    const { r } = this
    const place = r.below(this.managers.length)
    const um = this.managers[place]
    await r.weighted([
      [4, () => { um.stopCapturing(); return this.call('undo_stop', [place]) }],
      [4, () => {
        this.clock += 2 * LONG
        // Yjs has the machine's clock; as if its last change had been earlier.
        for (const m of this.managers) if (m.lastChange > 0) m.lastChange -= 2 * LONG
        return this.call('undo_clock', [this.clock])
      }],
      [1, () => {
        const which = r.pick([[true, true], [true, false], [false, true]])
        um.clear(...which)
        return this.call('undo_clear', [place, ...which.map(Number)])
      }],
      [1, () => { um.addTrackedOrigin('b'); return this.call('undo_add_origin', [place, 'b']) }],
      [1, () => { um.removeTrackedOrigin('b'); return this.call('undo_remove_origin', [place, 'b']) }],
      [1, () => {
        const type = r.pick([...this.liveTypes()])
        um.addToScope(type)
        return this.call('undo_scope', [place, this.handles.get(type)])
      }]
    ])()
  }

  async compare (step, seen) {
    const theirs = this.log.splice(0)
    const ours = JSON.parse(`[${(await this.call('undo_log', [], string)).replace(/,$/, '')}]`)
    expectEqual(`${step}: what was told`, theirs, ours)
    seen.updates += theirs.filter(e => e[0] === 'update').length
    seen.events += theirs.filter(e => e[0] !== 'update').length
    for (const [place, um] of this.managers.entries()) {
      expectEqual(`${step}: stacks of ${place}`, um.undoStack.length * 10000 + um.redoStack.length,
        await this.call('undo_depths', [place], number))
    }
    await this.driver.check(0)
  }

  async compareContent (step, seen) {
    const want = yjsContent(this.doc)
    const got = await gessoContent(this.driver, 0)
    for (const name of Object.keys(want)) expectEqual(`${step}: ${name}`, want[name], got[name])
    expectEqual(`${step}: state vector`, yjsStateVector(this.doc), parsed(await this.driver.stateVectorJson(0)))
    const theirs = Y.encodeStateAsUpdate(this.doc)
    const ours = new Uint8Array(await this.driver.encode(0, null))
    expectEqual(`${step}: deletions`, deleteSet(theirs), deleteSet(ours))
    seen.states++
    if (equalBytes(theirs, ours)) return
    seen.different++
    // Only in how many structs the two halves of a character stand that undo cut: docs/compat.md.
    const text = state => Y.decodeUpdate(state).structs.map(s => s.content instanceof Y.ContentString ? s.content.str : '').join('')
    expectEqual(`${step}: text in the state`, text(theirs), text(ours))
    if (!text(theirs).includes('\ufffd')) expectEqual(`${step}: bytes of the state`, theirs, ours)
  }
}

async function checkUndo (driver, seed, seen) {
  const r = new Random(seed * 49979687 + 13)
  const gc = r.chance(0.8)
  const twins = new Twins(driver, r, gc)
  await twins.open(gc)
  const others = Array.from({ length: r.between(1, 2) }, (_, i) => {
    const doc = new Y.Doc({ gc: r.chance(0.7) })
    doc.clientID = 1 + r.below(2 ** 32 - 2)
    openRoots(doc)
    const other = { doc, heard: 0, said: [] }
    doc.on('update', (update, origin) => { if (origin !== 'twins') other.said.push(update) })
    return other
  })
  await twins.addManager()
  if (r.chance(0.4)) await twins.addManager()
  for (let i = 1, steps = r.between(10, 60); i <= steps; i++) {
    const [what, act] = r.weighted([
      [5, ['edit', () => twins.edit()]],
      [3, ['others', async () => {
        const other = r.pick(others)
        for (const update of twins.pool.slice(other.heard)) Y.applyUpdate(other.doc, update, 'twins')
        other.heard = twins.pool.length
        other.doc.transact(() => { for (let k = r.between(1, 3); k > 0; k--) makeEdit(r, other.doc) })
      }]],
      [3, ['hear', async () => { for (const update of r.pick(others).said.splice(0)) await twins.hear(update) }]],
      [4, ['undo', () => twins.undo()]],
      [2, ['settings', () => twins.settings()]]
    ])
    const step = `step ${i} of ${steps}, ${what}`
    try {
      await act()
      await twins.compare(step, seen)
      if (i === steps || seen.everything) await twins.compareContent(step, seen)
    } catch (error) {
      if (!error.what) error.message = `${step}: ${error.message}`
      throw error
    }
  }
  for (const [place, um] of twins.managers.entries()) {
    um.destroy()
    await twins.call('undo_drop', [place])
  }
}

// `everything`: the state is compared after each step, not only at the end.
export async function runUndo (getDriver, first, count, everything = false) {
  const seen = { updates: 0, events: 0, states: 0, different: 0, everything }
  const result = { passed: 0, failed: 0 }
  for (let seed = first; seed < first + count; seed++) {
    try {
      await checkUndo(getDriver(), seed, seen)
      result.passed++
    } catch (error) {
      result.failed++
      if (result.failed < 10) console.log(`FAILED undo ${seed}: ${error.message}${error.what ? '' : '\n' + error.stack}`)
    }
  }
  console.log(`${count} scripts of undo: ${seen.updates} updates equal to Yjs' byte for byte, ${seen.events} events; ` +
    `states: ${seen.states - seen.different} of ${seen.states}`)
  return result
}
