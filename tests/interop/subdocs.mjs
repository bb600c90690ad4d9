// Subdocuments: one script on a Yjs document and on a gesso document with the same client id, and a replica of
// each that receives the updates of Yjs. Updates, the subdocuments of all four and what their observers are told
// must be equal.
import * as Y from 'yjs'
import { DocIn, Kind, NewType, nothing, NO_GC, number, string } from './driver.mjs'
import { Random } from './random.mjs'
import { equalBytes, expectEqual, parsed, receive } from './compare.mjs'

const AUTO_LOAD = 2
const NO_LOAD = 4
const keys = ['a', 'b', 'c', 'd']
const MAIN = 0
const REPLICA = 1
const LATE = 2
const FIRST_SLOT = 8 // of handles

const json = read => decoder => parsed(read(decoder))

class Subdocs {
  constructor (driver) { this.driver = driver }
  create (slot, client, flags, guid, collection, meta) {
    return this.driver.call('new_with', slot, [client, flags, guid, collection, meta], nothing)
  }

  list (slot) { return this.driver.call('subdocs', slot, [], json(string)) }
  take (slot, guid, to) { return this.driver.call('subdoc_take', slot, [guid, to], nothing) }
  load (slot) { return this.driver.call('load', slot, [], nothing) }
  unload (slot) { return this.driver.call('unload', slot, [], nothing) }
  inside (slot) { return this.driver.call('inside', slot, [], number) }
  hear (slot) { return this.driver.call('hear_subdocs', slot, [slot], nothing) }
  heard (slot) { return this.driver.call('heard_subdocs', slot, [slot], json(string)) }
}

// What one step told: Yjs destroys what was removed, and tells of it a second time then.
function told (events) {
  const sum = { added: new Set(), removed: new Set(), loaded: new Set() }
  for (const e of events) for (const what in sum) for (const guid of e[what]) sum[what].add(guid)
  return Object.fromEntries(Object.entries(sum).map(([what, set]) => [what, [...set].sort()]))
}

function listen (doc) {
  const events = []
  const guids = set => [...set].map(d => d.guid)
  doc.on('subdocs', ({ added, removed, loaded }) => events.push({ added: guids(added), removed: guids(removed), loaded: guids(loaded) }))
  return () => events.splice(0)
}

const flagsOf = d => (d.gc ? 0 : NO_GC) | (d.autoLoad ? AUTO_LOAD : 0) | (d.shouldLoad ? 0 : NO_LOAD)
const byGuid = (a, b) => a.guid < b.guid ? -1 : 1

function described (doc) {
  return [...doc.getSubdocs()].map(d => ({ guid: d.guid, flags: flagsOf(d), client: d.clientID, collection: d.collectionid ?? null, meta: d.meta }))
    .sort(byGuid)
}

function options (r, seed, n) {
  const o = { guid: `doc ${seed}-${n}` }
  if (r.chance(0.3)) o.gc = false
  if (r.chance(0.3)) o.autoLoad = true
  if (r.chance(0.4)) o.shouldLoad = false
  if (r.chance(0.4)) o.meta = r.pick([1, 'text', { k: [1, null], 1: true }, [], false, { '': 'ключ' }])
  if (r.chance(0.3)) o.collectionid = 'one'
  return o
}

async function runScript (driver, seed, seen) {
  const r = new Random(seed * 7919 + 11)
  const s = new Subdocs(driver)
  const gc = r.chance(0.7)
  const collectionid = r.chance(0.5) ? 'parents' : null
  const id = r.between(1, 2 ** 32)
  const doc = new Y.Doc({ gc, collectionid })
  const replica = new Y.Doc({ gc, collectionid })
  doc.clientID = id
  replica.clientID = 7
  const updates = []
  doc.on('update', u => updates.push(u))
  const heard = [listen(doc), listen(replica)]
  await s.create(MAIN, id, gc ? 0 : NO_GC, null, collectionid, null)
  await s.create(REPLICA, 7, gc ? 0 : NO_GC, null, collectionid, null)
  await s.hear(MAIN)
  if (r.chance(0.9)) await s.hear(REPLICA)
  else heard[1] = null // nobody listens there
  const map = doc.getMap('m')
  const arr = doc.getArray('a')
  const m = await driver.root(MAIN, 'm', Kind.map)
  const a = await driver.root(MAIN, 'a', Kind.array)
  let made = 0
  let slot = FIRST_SLOT
  const fresh = () => {
    const o = options(r, seed, made++)
    const d = new Y.Doc(o)
    const to = slot
    slot = slot + 1 === 60 ? FIRST_SLOT : slot + 1
    return [d, to, () => s.create(to, 0, flagsOf(d), o.guid, o.collectionid, o.meta === undefined ? null : JSON.stringify(o.meta))]
  }
  for (let step = r.between(5, 40); step > 0; step--) {
    const later = []
    const edit = () => {
      const [d, to, create] = fresh()
      const key = r.pick(keys)
      const at = r.below(arr.length + 1)
      const from = arr.length > 0 ? r.below(arr.length) : -1
      r.weighted([
        [3, () => { map.set(key, d); later.push(create, () => driver.mapSet(MAIN, m, key, new DocIn(to))) }],
        [1, () => {
          // One inside a type that is new as well, and goes with it.
          map.set(key, new Y.Map([['in', d]]))
          later.push(create, async () => {
            const inner = await driver.mapSet(MAIN, m, key, new NewType(Kind.map))
            await driver.mapSet(MAIN, inner, 'in', new DocIn(to))
          })
        }],
        [1, () => { map.set(key, 1); later.push(() => driver.mapSet(MAIN, m, key, 1)) }],
        [3, () => {
          const [e, next, createNext] = fresh()
          arr.insert(at, [1, d, e, 'x'])
          later.push(create, createNext, () => driver.arrayInsert(MAIN, a, at, [1, new DocIn(to), new DocIn(next), 'x']))
        }],
        [from >= 0 ? 3 : 0, () => {
          const n = r.between(1, Math.min(4, arr.length - from))
          arr.delete(from, n)
          later.push(() => driver.arrayRemove(MAIN, a, from, n))
        }],
        [map.has(key) ? 1 : 0, () => { map.delete(key); later.push(() => driver.mapRemove(MAIN, m, key)) }]
      ])()
    }
    const before = updates.length
    const subdocs = [...doc.getSubdocs()]
    const one = subdocs.length > 0 ? r.pick(subdocs) : null
    if (one !== null && r.chance(0.15)) {
      one.load()
      await s.take(MAIN, one.guid, 63)
      await s.load(63)
    } else if (one !== null && r.chance(0.1)) {
      one.destroy()
      await s.take(MAIN, one.guid, 63)
      await s.unload(63)
      expectEqual('parent of what was unloaded', 0, await s.inside(63))
    } else {
      const n = r.chance(0.6) ? 1 : r.between(2, 4)
      doc.transact(() => { for (let i = 0; i < n; i++) edit() })
      await driver.begin(MAIN)
      for (const run of later) await run()
      const ours = await driver.commit(MAIN)
      const theirs = updates[before] ?? new Uint8Array(0)
      if (!equalBytes(ours, theirs)) expectEqual('update', Buffer.from(theirs).toString('hex'), Buffer.from(ours).toString('hex'))
      seen.updates++
    }
    for (const u of updates.slice(before)) {
      Y.applyUpdate(replica, u)
      await driver.apply(REPLICA, u)
    }
    for (const [which, d] of [doc, replica].entries()) {
      expectEqual(`subdocuments of ${which}`, described(d), (await s.list(which)).sort(byGuid))
      await driver.check(which)
      if (heard[which] === null) continue
      const want = told(heard[which]())
      expectEqual(`events of ${which}`, want, told(await s.heard(which)))
      seen.events += want.added.length + want.removed.length + want.loaded.length
    }
  }
  // All at once, through whatever encoding, in documents that hear of it.
  const late = new Y.Doc({ collectionid: 'late' })
  late.clientID = 5
  const lateHeard = listen(late)
  await s.create(LATE, 5, 0, null, 'late', null)
  await s.hear(LATE)
  const v2 = r.chance(0.5)
  const state = v2 ? Y.encodeStateAsUpdateV2(doc) : Y.encodeStateAsUpdate(doc)
  receive(late, { v2, bytes: state })
  await (v2 ? driver.applyV2(LATE, state) : driver.apply(LATE, state))
  expectEqual('subdocuments of a late comer', described(late), (await s.list(LATE)).sort(byGuid))
  expectEqual('events of a late comer', told(lateHeard()), told(await s.heard(LATE)))
}

export async function runSubdocs (getDriver, first, count) {
  const seen = { updates: 0, events: 0 }
  const result = { passed: 0, failed: 0 }
  for (let seed = first; seed < first + count; seed++) {
    try {
      await runScript(getDriver(), seed, seen)
      result.passed++
    } catch (error) {
      result.failed++
      if (result.failed < 10) console.log(`FAILED subdocuments ${seed}: ${error.message}${error.what ? '' : '\n' + error.stack}`)
    }
  }
  console.log(`${count} scripts with subdocuments: ${seen.updates} transactions equal byte for byte, ${seen.events} things told of them`)
  return result
}
