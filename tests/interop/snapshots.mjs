// Snapshots: two Yjs clients edit; a third Yjs document and a gesso document hear everything in the same order
// and take snapshots on the way. Those must be the same bytes, and what is read through them later, or
// from documents restored to them, must be the same.
import * as Y from 'yjs'
import * as decoding from 'lib0/decoding'
import { Kind, NO_GC } from './driver.mjs'
import { Random } from './random.mjs'
import { makeEdit, openRoots, roots } from './session.mjs'
import { expectEqual, gessoContent, parsed, plain, yjsContent } from './compare.mjs'

const USAGE = 6
const NOTFOUND = 7
const USERS = 1
const rootKind = { map: Kind.map, array: Kind.array, text: Kind.text, xml: Kind.xmlFragment }
const hex = bytes => Buffer.from(bytes).toString('hex')
const text = decoder => Buffer.from(decoding.readTailAsUint8Array(decoder)).toString()
const bytes = decoder => decoding.readTailAsUint8Array(decoder)
const number = decoder => decoding.readVarUint(decoder)
const pair = decoder => ({ v1: hex(decoding.readVarUint8Array(decoder)), v2: hex(decoding.readVarUint8Array(decoder)) })
const yjsPair = s => ({ v1: hex(Y.encodeSnapshot(s)), v2: hex(Y.encodeSnapshotV2(s)) })

const beginning = type => Y.createRelativePositionFromTypeIndex(type, 0, -1)

function kindOf (type) {
  if (type instanceof Y.XmlText) return Kind.xmlText
  if (type instanceof Y.Text) return Kind.text
  if (type instanceof Y.XmlElement) return Kind.xmlElement
  if (type instanceof Y.XmlFragment) return Kind.xmlFragment
  if (type instanceof Y.Array) return Kind.array
  return Kind.map
}

// All types that are or were in a type, as long as they are not collected.
function * everInside (type) {
  yield type
  for (let item = type._start; item !== null; item = item.right) {
    if (item.content instanceof Y.ContentType) yield * everInside(item.content.type)
  }
  for (let item of type._map.values()) {
    for (; item !== null; item = item.left) if (item.content instanceof Y.ContentType) yield * everInside(item.content.type)
  }
}

// Yjs cuts items at the borders of a snapshot when it reads a text, and leaves them cut until the end of the
// transaction. Its other readers do not cut, and take items for all there or all gone.
function cutAt (doc, snapshot, read) {
  return doc.transact(() => {
    doc.getText('txt').toDelta(snapshot)
    return read()
  }, 'read')
}

const userChange = (type, id) => ({ user: id.client, type })

async function checkSnapshots (driver, seed, seen) {
  const r = new Random(seed * 49979687 + 7)
  const gc = r.chance(0.15)
  const answers = []
  const compare = (what, want, got) => answers.push(got.then(value => expectEqual(what, want, value)))
  const queue = []
  const clients = [1, 2].map(k => {
    const doc = new Y.Doc({ gc })
    doc.clientID = k === 1 ? r.between(1, 2 ** 32 - 1) : r.between(1, 300)
    openRoots(doc)
    doc.on('update', (update, origin) => { if (origin !== 'remote') queue.push(update) })
    return doc
  })
  const reference = new Y.Doc({ gc })
  openRoots(reference)
  driver.create(0, 4, gc ? 0 : NO_GC)
  for (const [name, type] of Object.entries(roots)) answers.push(driver.root(0, name, rootKind[type]))
  const updates = []
  const hear = () => {
    for (const update of queue.splice(0)) {
      updates.push(update)
      Y.applyUpdate(reference, update)
      answers.push(driver.apply(0, update))
    }
  }
  const snapshots = []
  const take = () => {
    const s = Y.snapshot(reference)
    compare('a snapshot', yjsPair(s), driver.call('snapshot_create', 0, [], pair))
    compare('a snapshot read from v1', yjsPair(s), driver.call('snapshot_recode', 0, [Y.encodeSnapshot(s), 0], pair))
    compare('a snapshot read from v2', yjsPair(s), driver.call('snapshot_recode', 0, [Y.encodeSnapshotV2(s), 1], pair))
    snapshots.push({ s, bytes: Y.encodeSnapshot(s), after: updates.length })
    seen.snapshots++
  }
  take()
  for (let i = r.between(6, 24); i > 0; i--) {
    const doc = r.pick(clients)
    doc.transact(() => { for (let k = r.between(1, 3); k > 0; k--) makeEdit(r, doc) })
    if (r.chance(0.4)) {
      const other = clients.find(c => c !== doc)
      Y.applyUpdate(other, Y.encodeStateAsUpdate(doc, Y.encodeStateVector(other)), 'remote')
    }
    if (r.chance(0.8)) hear()
    if (r.chance(0.3)) take()
  }
  hear()
  take()
  await Promise.all(answers.splice(0))

  // Which gesso type is which.
  const types = r.shuffle([...new Set(Object.values(openRoots(reference)).flatMap(root => [...everInside(root)]))]).slice(0, 16)
  const handles = await Promise.all(types.map(type => driver.call('position_type', 0,
    [JSON.stringify(Y.relativePositionToJSON(beginning(type)))], number)))

  const last = snapshots[snapshots.length - 1].s
  const restoredDocs = new Map()
  const restore = s => {
    if (gc) return null
    if (!restoredDocs.has(s)) restoredDocs.set(s, Y.createDocFromSnapshot(reference, s))
    return restoredDocs.get(s)
  }
  for (let i = 0; i < 2; i++) {
    const { s, bytes: at } = r.pick(snapshots)
    const { s: previous, bytes: before } = r.pick(snapshots)
    compare('whether two snapshots are equal', Y.equalSnapshots(s, previous),
      driver.call('snapshot_equal', 0, [at, before], number).then(n => n === 1))
    for (const update of [r.pick(updates), r.pick(updates), Y.mergeUpdates(updates.slice(0, r.between(1, updates.length)))]) {
      const want = Y.snapshotContainsUpdate(s, update)
      compare('whether an update is in a snapshot', want,
        driver.call('snapshot_contains', 0, [at, update, 0], number).then(n => n === 1))
      compare('whether a v2 update is in a snapshot', want,
        driver.call('snapshot_contains', 0, [at, Y.convertUpdateFormatV1ToV2(update), 1], number).then(n => n === 1))
      seen[want ? 'contained' : 'new']++
    }
    let restored = null
    if (gc) {
      answers.push(driver.call('snapshot_restore', 0, [at, 1], number).then(
        () => { throw new Error('a document that collects garbage went back') },
        error => expectEqual('going back with garbage collection', USAGE, error.status)))
    } else {
      restored = restore(s)
      seen.restored++
      answers.push(driver.call('snapshot_restore', 0, [at, 1], () => {}).then(() => driver.check(1)))
      compare('the state of the restored document', hex(Y.encodeStateAsUpdate(restored)),
        driver.encode(1, null).then(hex))
      const state = hex(Y.encodeStateAsUpdate(restored))
      compare('the state at a snapshot, v1', state, driver.call('snapshot_encode_at', 0, [at, 0], bytes).then(update => {
        const doc = new Y.Doc()
        Y.applyUpdate(doc, update)
        return hex(Y.encodeStateAsUpdate(doc))
      }))
      compare('the state at a snapshot, v2', state, driver.call('snapshot_encode_at', 0, [at, 1], bytes).then(update => {
        const doc = new Y.Doc()
        Y.applyUpdateV2(doc, update)
        return hex(Y.encodeStateAsUpdate(doc))
      }))
      openRoots(restored)
    }
    // The same type in a restored document, if it was there.
    const then = (type, doc = restored) => {
      const found = doc && Y.createAbsolutePositionFromRelativePosition(beginning(type), doc, false)?.type
      return found && (found._item === null || !found._item.deleted) ? found : null
    }
    // A value as it was: types inside it come from the first of the restored documents that has them.
    let lost = false
    const asOf = (value, ...docs) => {
      if (!(value instanceof Y.AbstractType)) return value
      const type = [...docs, restored].map(doc => then(value, doc)).find(found => found)
      if (!type) lost = true
      return type ? type.toJSON() : null
    }
    const elements = list => plain(list.map(v => asOf(v)))
    const entries = object => plain(Object.fromEntries(Object.entries(object).map(([k, v]) => [k, asOf(v)])))
    for (const [k, type] of types.entries()) {
      const handle = handles[k]
      const json = () => driver.call('snapshot_json', 0, [at, handle, kindOf(type)], text).then(parsed)
      if (restored && then(type)) {
        compare(`a ${type.constructor.name} at a snapshot`, plain(then(type).toJSON()), json())
        seen.read++
      }
      if (type instanceof Y.Text) {
        const deltas = r.shuffle([
          [s, undefined, 0], [s, previous, 0], [s, previous, USERS], [undefined, previous, r.pick([0, USERS])]
        ]).slice(0, 2)
        for (const [now, since, flags] of deltas) {
          lost = false
          const shown = now ?? last
          // Without a snapshot Yjs shows what was deleted since, and does not mark it: docs/compat.md.
          const want = type.toDelta(shown, since, flags === USERS ? userChange : undefined)
            .map(op => ({ ...op, insert: asOf(op.insert, restore(shown), since && restore(since)) }))
          if (lost) continue
          compare('a delta', plain(want), driver.call('snapshot_delta', 0,
            [now ? at : null, since ? before : null, handle, flags], text).then(parsed))
          seen.deltas++
        }
        continue
      }
      lost = false
      if (type instanceof Y.Array) {
        const want = elements(cutAt(reference, s, () => Y.typeListToArraySnapshot(type, s)))
        if (!lost) compare('typeListToArraySnapshot', want, json())
      } else if (type instanceof Y.Map || type instanceof Y.XmlElement) {
        const all = cutAt(reference, s, () => type instanceof Y.Map ? Y.typeMapGetAllSnapshot(type, s) : type.getAttributes(s))
        const want = entries(all)
        if (lost) continue
        compare('typeMapGetAllSnapshot', want, driver.call('snapshot_map', 0, [at, handle], text).then(parsed))
        for (const key of r.shuffle([...type._map.keys()]).slice(0, 2)) {
          const value = plain(asOf(cutAt(reference, s, () => Y.typeMapGetSnapshot(type, key, s))))
          const got = driver.call('snapshot_map_get', 0, [at, handle, key], text).then(parsed,
            error => { if (error.status === NOTFOUND) return undefined; throw error })
          compare('typeMapGetSnapshot', value, got)
        }
      }
      seen.read++
    }
  }
  if (!gc) {
    const { s, bytes: at } = r.pick(snapshots)
    const restored = Y.createDocFromSnapshot(reference, s)
    answers.push(driver.call('snapshot_restore', 0, [at, 1], () => {}))
    answers.push(gessoContent(driver, 1).then(got => expectEqual('a restored document', yjsContent(restored), got)))
  }
  answers.push(driver.check(0))
  await Promise.all(answers)
}

export async function runSnapshots (getDriver, first, count) {
  const seen = { snapshots: 0, restored: 0, read: 0, deltas: 0, contained: 0, new: 0 }
  const result = { passed: 0, failed: 0 }
  for (let seed = first; seed < first + count; seed++) {
    try {
      await checkSnapshots(getDriver(), seed, seen)
      result.passed++
    } catch (error) {
      result.failed++
      if (result.failed < 10) console.log(`FAILED snapshots ${seed}: ${error.message}${error.what ? '' : '\n' + error.stack}`)
    }
  }
  console.log(`${count} scripts of snapshots: ${seen.snapshots} taken, equal byte for byte; ${seen.restored} documents restored, ` +
    `equal byte for byte; ${seen.read} types and ${seen.deltas} deltas read; ${seen.contained} updates contained, ${seen.new} not`)
  return result
}
