// Edits made through gesso's own calls.
//
// Twins: one script is run on a Yjs document and on a gesso document with the same client id; the
// content must be equal after every transaction, and each one's updates must give that content in the
// other. Mixed: gesso and Yjs clients edit one board together and exchange updates in any order; a
// fresh document of each kind that received everything must agree.
import * as Y from 'yjs'
import { Json, Kind, NewType } from './driver.mjs'
import { Random } from './random.mjs'
import { anyValue, clientId, makeEdit, openRoots } from './session.mjs'
import { expectEqual, gessoContent, parsed, plain, yjsContent, yjsStateVector } from './compare.mjs'

const keys = ['a', 'b', 'c', '1', 'ключ']
const whole = ['a', 'word ', 'é', '漢字', '\n', '"\\', 'a longer piece of text ']
const emoji = [...whole, '😀', 'x😀y', '👩‍👩‍👧']
const rootKind = { map: Kind.map, arr: Kind.array, txt: Kind.text }

// Strings are made well formed: until they travel, Yjs keeps lone surrogates that no UTF-8 can say.
function mended (v) {
  if (typeof v === 'string') return Buffer.from(v).toString()
  if (Array.isArray(v)) return v.map(mended)
  if (v === null || typeof v !== 'object' || v instanceof Uint8Array) return v
  return Object.fromEntries(Object.entries(v).map(([key, x]) => [mended(key), mended(x)]))
}

// What both sides can be told, bigints and undefined inside of others too: Yjs takes them in maps only.
function value (r) {
  if (r.chance(0.12)) return Uint8Array.from({ length: r.below(9) }, () => r.below(256))
  return mended(anyValue(r))
}

// The same as JSON, which gesso reads itself.
function jsonValue (r) {
  const v = plain(anyValue(r))
  return v === undefined ? null : mended(v)
}

// Up to five operations, now and then past the end of the text.
function delta (r, length, pieces, attributes) {
  return Array.from({ length: r.between(1, 5) }, () => {
    const some = r.chance(0.5) ? { attributes: attributes() } : {}
    const n = r.weighted([[1, 0], [6, r.below(length + 1)], [1, length + r.below(3)]])
    return r.weighted([
      [3, { insert: r.pick(['', ...pieces]), ...some }],
      [1, { insert: { image: r.pick(pieces) }, ...some }],
      [3, { retain: n, ...some }],
      [2, { delete: r.below(Math.min(6, length + 2)) }]
    ])
  })
}

// Formats are flat: Yjs compares them one level deep and by identity below that.
function attributes (r, flat) {
  const values = [true, null, 'red', 2.5]
  if (!flat) values.push({ href: 'x', n: 1 })
  const a = {}
  for (let i = r.between(1, 2); i > 0; i--) a[r.pick(['bold', 'italic', 'color'])] = r.pick(values)
  return a
}

const nested = [
  [Kind.map, () => new Y.Map()],
  [Kind.array, () => new Y.Array()],
  [Kind.text, () => new Y.Text()],
  [Kind.xmlElement, () => new Y.XmlElement('div')],
  [Kind.xmlFragment, () => new Y.XmlFragment()],
  [Kind.xmlText, () => new Y.XmlText()]
]

function nestedKindOf (type) {
  if (type instanceof Y.XmlText) return 'txt'
  if (type instanceof Y.Text) return 'txt'
  if (type instanceof Y.XmlFragment) return 'xml'
  if (type instanceof Y.Array) return 'arr'
  return 'map'
}

// One edit on both sides. `handles` maps Yjs types to gesso's.
export async function editTwin (r, driver, slot, doc, handles, pieces, flat) {
  const live = [...handles.keys()].filter(t => t.doc === doc && (t._item === null || !t._item.deleted))
  const type = r.chance(0.5) ? r.pick(live.slice(0, 3)) : r.pick(live)
  const handle = handles.get(type)
  const child = async (make, put) => {
    const [kind, create] = r.pick(nested)
    const fresh = create()
    put(fresh)
    handles.set(fresh, await make(new NewType(kind, kind === Kind.xmlElement ? 'div' : '')))
  }
  const length = type instanceof Y.Map ? 0 : type.length
  const at = r.below(length + 1)
  const from = length > 0 ? r.below(length) : 0
  const count = length > 0 ? r.between(1, Math.min(8, length - from)) : 0
  switch (nestedKindOf(type)) {
    case 'map': {
      const key = r.pick(keys)
      if (r.chance(0.2) && type.has(key)) {
        type.delete(key)
        await driver.mapRemove(slot, handle, key)
      } else if (r.chance(0.03)) {
        type.clear()
        await driver.mapClear(slot, handle)
      } else if (r.chance(0.1)) {
        const v = BigInt.asIntN(64, BigInt(r.below(2 ** 50)) * BigInt(r.between(-1e6, 1e6)))
        type.set(key, v)
        await driver.mapSet(slot, handle, key, v)
      } else if (r.chance(0.2)) {
        const v = jsonValue(r)
        type.set(key, v)
        await driver.mapSet(slot, handle, key, new Json(JSON.stringify(v)))
      } else if (r.chance(0.15)) {
        await child(v => driver.mapSet(slot, handle, key, v), fresh => type.set(key, fresh))
      } else {
        const v = value(r)
        type.set(key, v)
        await driver.mapSet(slot, handle, key, v)
      }
      return
    }
    case 'arr':
      if (r.chance(0.3) && length > 0) {
        type.delete(from, count)
        await driver.arrayRemove(slot, handle, from, count)
      } else if (r.chance(0.15)) {
        await child(v => driver.arrayInsert(slot, handle, at, [v]), fresh => type.insert(at, [fresh]))
      } else {
        const json = r.chance(0.2)
        const values = Array.from({ length: r.between(1, 4) }, () => json ? jsonValue(r) : value(r))
        type.insert(at, values)
        await driver.arrayInsert(slot, handle, at, json ? values.map(v => new Json(JSON.stringify(v))) : values)
      }
      return
    case 'xml':
      if (r.chance(0.3) && length > 0) {
        type.delete(from, 1)
        await driver.arrayRemove(slot, handle, from, 1)
      } else {
        const [kind, fresh] = r.chance(0.5) ? [Kind.xmlElement, new Y.XmlElement('p')] : [Kind.xmlText, new Y.XmlText()]
        type.insert(at, [fresh])
        handles.set(fresh, await driver.arrayInsert(slot, handle, at, [new NewType(kind, 'p')]))
      }
      return
    default: {
      const action = r.below(10)
      const format = type instanceof Y.XmlText ? { b: flat ? 'v' : { k: 'v' } } : attributes(r, flat)
      if (action < 4 || length === 0) {
        const s = r.pick(pieces)
        type.insert(at, s)
        await driver.textInsert(slot, handle, at, s)
      } else if (action < 5) {
        const s = r.pick(pieces)
        type.insert(at, s, { ...format })
        await driver.textInsert(slot, handle, at, s, format)
      } else if (r.chance(0.25)) {
        const ops = delta(r, length, pieces, () => type instanceof Y.XmlText ? { ...format } : attributes(r))
        type.applyDelta(structuredClone(ops))
        await (r.chance(0.5) ? driver.textApplyDelta(slot, handle, ops) : driver.textApplyChanges(slot, handle, ops))
      } else if (r.chance(0.1)) {
        await child(v => driver.textEmbedValue(slot, handle, at, v, format), fresh => type.insertEmbed(at, fresh, { ...format }))
      } else if (action < 7) {
        type.delete(from, count)
        await driver.textRemove(slot, handle, from, count)
      } else if (action < 9) {
        type.format(from, count, { ...format })
        await driver.textFormat(slot, handle, from, count, format)
      } else {
        type.insertEmbed(at, { image: 'x' }, { ...format })
        await driver.textEmbed(slot, handle, at, { image: 'x' }, format)
      }
    }
  }
}

async function openHandles (driver, slot, doc) {
  const handles = new Map()
  const top = openRoots(doc)
  for (const [name, kind] of Object.entries(rootKind)) handles.set(top[name], await driver.root(slot, name, kind))
  return handles
}

const equalBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0

async function checkTwins (driver, seed, seen) {
  const r = new Random(seed * 104729 + 5)
  const id = clientId(r) || 1
  const doc = new Y.Doc()
  doc.clientID = id
  const updates = []
  doc.on('update', u => updates.push(u))
  const mirrored = new Y.Doc() // receives what gesso emits
  await driver.create(0, id)
  await driver.create(1, 9) // receives what Yjs emits
  const handles = await openHandles(driver, 0, doc)
  const pieces = r.chance(0.5) ? whole : emoji
  for (let i = r.between(5, 40); i > 0; i--) {
    const before = updates.length
    const edits = r.chance(0.6) ? 1 : r.between(2, 5)
    await driver.begin(0)
    const later = []
    doc.transact(() => { collectEdits(r, later, doc, handles, pieces, edits) })
    for (const run of later) await run(driver)
    await new Promise(setImmediate) // the handles of new types are noted
    const ours = await driver.commit(0)
    const theirs = updates.slice(before)
    if (ours.length > 0) Y.applyUpdate(mirrored, ours)
    for (const u of theirs) await driver.apply(1, u)
    seen.transactions++
    if (theirs.length === 0 ? ours.length === 0 : theirs.length === 1 && equalBytes(ours, theirs[0])) seen.equal++
    else if (seen.example === null) seen.example = { seed, theirs: theirs[0] ?? new Uint8Array(0), ours }
    const want = yjsContent(doc)
    expectEqual('twin content', want, await gessoContent(driver, 0))
  }
  await driver.check(0)
  await driver.check(1)
  const fromYjs = new Y.Doc()
  for (const u of updates) Y.applyUpdate(fromYjs, u)
  const want = yjsContent(fromYjs)
  expectEqual('what Yjs emitted, in gesso', want, await gessoContent(driver, 1))
  const mirror = yjsContent(mirrored)
  expectEqual('what gesso emitted, in Yjs', want, mirror)
  expectEqual('state vector of the twins', yjsStateVector(doc), parsed(await driver.stateVectorJson(0)))
}

// Edits of one transaction: Yjs' side now, since its transactions cannot wait; gesso's side is put
// into `later`, in the same order.
export function collectEdits (r, later, doc, handles, pieces, count, flat = false) {
  const record = new Proxy({}, {
    get: (_, name) => (...args) => new Promise(resolve => {
      later.push(async driver => resolve(await driver[name](...args)))
    })
  })
  for (let i = 0; i < count; i++) editTwin(r, record, 0, doc, handles, pieces, flat)
}

// Peers of both kinds on one board.
async function checkMixed (driver, seed) {
  const r = new Random(seed * 15485863 + 3)
  const pool = []
  const peers = []
  for (let slot = 0; slot < 2; slot++) {
    const id = 1000 + slot + (clientId(r) % 2 ** 50)
    await driver.create(slot, id)
    const handles = {}
    for (const [name, kind] of Object.entries(rootKind)) handles[name] = await driver.root(slot, name, kind)
    peers.push({ slot, handles, known: new Set() })
  }
  for (let i = r.between(1, 2); i > 0; i--) {
    const doc = new Y.Doc()
    doc.clientID = 10 + i
    const peer = { doc, known: new Set() }
    doc.on('update', (update, origin) => {
      if (origin === 'remote') return
      peer.known.add(pool.length)
      pool.push(update)
    })
    openRoots(doc)
    peers.push(peer)
  }
  const hear = async (peer, k) => {
    peer.known.add(k)
    if (peer.doc) Y.applyUpdate(peer.doc, pool[k], 'remote')
    else await driver.apply(peer.slot, pool[k])
  }
  for (let i = r.between(20, 60); i > 0; i--) {
    const peer = r.pick(peers)
    if (r.chance(0.4)) {
      for (const k of r.shuffle([...pool.keys()].filter(k => !peer.known.has(k))).slice(0, 5)) await hear(peer, k)
    } else if (peer.doc) {
      makeEdit(r, peer.doc)
    } else {
      await driver.begin(peer.slot)
      await editGesso(r, driver, peer)
      const update = await driver.commit(peer.slot)
      if (update.length > 0) {
        peer.known.add(pool.length)
        pool.push(update)
      }
    }
  }
  // Fresh documents, each with everything in an order of its own.
  const reference = new Y.Doc()
  await driver.create(4, 77)
  for (const update of r.shuffle([...pool])) Y.applyUpdate(reference, update)
  for (const update of r.shuffle([...pool])) await driver.apply(4, update)
  await driver.check(4)
  expectEqual('mixed peers: state vector', yjsStateVector(reference), parsed(await driver.stateVectorJson(4)))
  // Orders differ, and with them which halves of cut characters are lost: one more pair, same order.
  const again = new Y.Doc()
  await driver.create(5, 78)
  for (const update of pool) {
    Y.applyUpdate(again, update)
    await driver.apply(5, update)
  }
  const want = yjsContent(again)
  const got = await gessoContent(driver, 5)
  for (const name of Object.keys(want)) expectEqual(`mixed peers: ${name}`, want[name], got[name])
  for (const peer of peers) {
    for (const k of pool.keys()) if (!peer.known.has(k)) await hear(peer, k)
    if (!peer.doc) {
      await driver.check(peer.slot)
      expectEqual('mixed peers: live state vector', yjsStateVector(reference), parsed(await driver.stateVectorJson(peer.slot)))
    }
  }
}

// An edit by gesso alone; lengths come from gesso.
async function editGesso (r, driver, { slot, handles }) {
  for (let i = r.between(1, 3); i > 0; i--) {
    const name = r.pick(['map', 'arr', 'txt', 'txt'])
    const type = handles[name]
    const length = await driver.length(slot, type)
    const at = r.below(length + 1)
    if (name === 'map') {
      if (r.chance(0.8)) await driver.mapSet(slot, type, r.pick(keys), value(r))
      else await driver.mapRemove(slot, type, r.pick(keys)).catch(e => { if (e.status !== 7) throw e })
    } else if (name === 'arr') {
      if (r.chance(0.7) || length === 0) await driver.arrayInsert(slot, type, at, [value(r), value(r)])
      else await driver.arrayRemove(slot, type, r.below(length), 1)
    } else if (r.chance(0.6) || length === 0) {
      await driver.textInsert(slot, type, at, r.pick(emoji), r.chance(0.3) ? attributes(r) : undefined)
    } else {
      const from = r.below(length)
      const count = r.between(1, length - from)
      if (r.chance(0.5)) await driver.textRemove(slot, type, from, Math.min(count, 3))
      else await driver.textFormat(slot, type, from, count, attributes(r))
    }
  }
}

export async function runEdits (getDriver, first, count) {
  const seen = { transactions: 0, equal: 0, example: null }
  const result = { passed: 0, failed: 0 }
  for (let seed = first; seed < first + count; seed++) {
    for (const [what, check] of [['twins', checkTwins], ['mixed', checkMixed]]) {
      try {
        await check(getDriver(), seed, seen)
        result.passed++
      } catch (error) {
        result.failed++
        if (result.failed < 10) console.log(`FAILED ${what} ${seed}: ${error.message}${error.what ? '' : '\n' + error.stack}`)
      }
    }
  }
  console.log(`${count} scripts of edits, alone and among Yjs clients`)
  console.log(`updates of edits equal to Yjs' byte for byte: ${seen.equal} of ${seen.transactions} transactions`)
  if (seen.example) {
    const hex = b => Buffer.from(b).toString('hex')
    console.log(`  different, for example, in twins ${seen.example.seed}:`)
    console.log(`    Yjs:   ${hex(seen.example.theirs)}\n    gesso: ${hex(seen.example.ours)}`)
  }
  return result
}
