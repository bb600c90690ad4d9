// Yjs 14 clients on the wire of Yjs 13. Not part of `make interop`, as that version is not out:
//
//   npm install @y/y@14.0.0-rc.7   in some folder outside this tree, then
//   node tests/interop/yjs14.mjs FOLDER DRIVER [sessions]
//
// Clients of Yjs 14 and one gesso document edit together, and everybody hears of the updates, v1 or v2, in any
// order. In the end a fresh Yjs 14 document that got every update from its author, and fresh ones that loaded
// gesso's state, must read alike, and gesso must read what they read.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { Driver, Kind } from './driver.mjs'
import { Random } from './random.mjs'

const [folder, path, count = '200'] = process.argv.slice(2)
const Y = await import(pathToFileURL(join(folder, 'node_modules/@y/y/src/index.js')))
const words = ['a', 'b ', 'lorem ', '漢字', '😀', 'x😀y', '\n']
const receive = (doc, { v2, bytes }) => v2 ? Y.applyUpdateV2(doc, bytes, 'remote') : Y.applyUpdate(doc, bytes, 'remote')
const value = r => r.pick([1, 2.5, 'text', true, null, { a: [1, 'b'] }, new Uint8Array([1, 2])])
const format = r => ({ [r.pick(['bold', 'link'])]: r.pick([true, null, 'x']) })

function editYjs (r, doc) {
  const text = doc.get('txt')
  const map = doc.get('map')
  const arr = doc.get('arr')
  const length = text.length
  r.pick([
    () => text.insert(r.below(length + 1), r.pick(words)),
    () => text.insert(r.below(length + 1), r.pick(words), format(r)),
    () => { if (length > 0) { const at = r.below(length); text.delete(at, r.between(1, Math.min(4, length - at))) } },
    () => { if (length > 0) { const at = r.below(length); text.format(at, r.between(1, length - at), format(r)) } },
    () => map.setAttr(r.pick(['a', 'b', 'c']), value(r)),
    () => map.deleteAttr(r.pick(['a', 'b', 'c'])),
    () => arr.insert(r.below(arr.length + 1), [value(r), value(r)]),
    () => { if (arr.length > 0) arr.delete(r.below(arr.length), 1) },
    () => map.setAttr('nested', new Y.Type(r.chance(0.5) ? 'div' : null)),
    () => { const t = map.getAttr('nested'); if (t instanceof Y.Type) { t.insert(0, [value(r)]); t.setAttr('k', 'v') } }
  ])()
}

async function editGesso (r, driver, root) {
  const length = await driver.length(0, root.txt)
  await r.pick([
    () => driver.textInsert(0, root.txt, r.below(length + 1), r.pick(words)),
    () => driver.textInsert(0, root.txt, r.below(length + 1), r.pick(words), { bold: true }),
    () => length > 0 && driver.textRemove(0, root.txt, length - 1, 1),
    () => length > 0 && driver.textFormat(0, root.txt, 0, length, { link: r.pick(['y', null]) }),
    () => driver.mapSet(0, root.map, r.pick(['a', 'b', 'c']), r.pick([1, 'gesso', { deep: [null] }])),
    () => driver.arrayInsert(0, root.arr, 0, [1, 'gesso'])
  ])()
}

const plain = v => JSON.parse(JSON.stringify(v, (_, x) => x instanceof Uint8Array ? { $bytes: Buffer.from(x).toString('base64') } : x))
const read = doc => Object.fromEntries(['txt', 'map', 'arr'].map(name => [name, plain(doc.get(name).toDeltaDeep())]))
const stateVector = doc => Object.fromEntries([...Y.decodeStateVector(Y.encodeStateVector(doc))].sort((a, b) => a[0] - b[0]))
const textOf = doc => doc.get('txt').toArray().join('')

function expect (what, want, got) {
  if (!isDeepStrictEqual(want, got)) throw new Error(`${what}\n  Yjs 14: ${JSON.stringify(want)}\n  other:  ${JSON.stringify(got)}`)
}

const seen = { v1: 0, v2: 0, sessions: 0 }

async function session (driver, seed) {
  const r = new Random(seed)
  const pool = []
  const clients = Array.from({ length: r.between(1, 3) }, (_, i) => {
    const doc = new Y.Doc()
    doc.clientID = 100 + i + r.below(2 ** 31)
    for (const name of ['txt', 'map', 'arr']) doc.get(name)
    const peer = { doc, known: new Set() }
    const emit = v2 => (bytes, origin) => {
      if (origin === 'remote' || peer.v2 !== v2) return
      peer.known.add(pool.length)
      pool.push({ v2, bytes })
    }
    doc.on('update', emit(false))
    doc.on('updateV2', emit(true))
    return peer
  })
  await driver.create(0, 99)
  const root = { txt: await driver.root(0, 'txt', Kind.text), map: await driver.root(0, 'map', Kind.map), arr: await driver.root(0, 'arr', Kind.array) }
  const known = new Set()
  for (let i = r.between(10, 60); i > 0; i--) {
    const peer = r.pick(clients)
    if (r.chance(0.25)) {
      await driver.begin(0)
      await editGesso(r, driver, root)
      const bytes = await driver.commit(0)
      if (bytes.length > 0) {
        known.add(pool.length)
        pool.push({ v2: false, bytes })
      }
    } else if (r.chance(0.6)) {
      peer.v2 = r.chance(0.5)
      peer.doc.transact(() => editYjs(r, peer.doc))
    } else {
      for (const k of r.shuffle([...pool.keys()].filter(k => !peer.known.has(k))).slice(0, 4)) {
        peer.known.add(k)
        receive(peer.doc, pool[k])
      }
      for (const k of r.shuffle([...pool.keys()].filter(k => !known.has(k))).slice(0, 4)) {
        known.add(k)
        await (pool[k].v2 ? driver.applyV2(0, pool[k].bytes) : driver.apply(0, pool[k].bytes))
      }
    }
  }
  const reference = new Y.Doc()
  await driver.create(1, 98)
  await driver.root(1, 'txt', Kind.text) // a text that was asked for is cleaned of formats that do nothing
  for (const update of pool) {
    receive(reference, update)
    await (update.v2 ? driver.applyV2(1, update.bytes) : driver.apply(1, update.bytes))
  }
  const want = read(reference)
  const state = await driver.encode(1, null)
  const state2 = await driver.encodeV2(1, null)
  for (const [what, v2, bytes] of [['our v1 state in Yjs 14', false, state], ['our v2 state in Yjs 14', true, state2]]) {
    const loaded = new Y.Doc()
    receive(loaded, { v2, bytes })
    expect(what, want, read(loaded))
    expect(`${what}: state vector`, stateVector(reference), stateVector(loaded))
  }
  expect('state vector', stateVector(reference), JSON.parse(await driver.stateVectorJson(1)))
  for (const [what, slot, encode] of [['v1', 2, Y.encodeStateAsUpdate], ['v2', 3, Y.encodeStateAsUpdateV2]]) {
    await driver.create(slot, 97)
    const bytes = encode(reference)
    await (what === 'v2' ? driver.applyV2(slot, bytes) : driver.apply(slot, bytes))
    await driver.check(slot)
    const back = new Y.Doc()
    receive(back, { v2: false, bytes: await driver.encode(slot, null) })
    expect(`${what} of Yjs 14 in gesso and back`, want, read(back))
    const ours = what === 'v2' ? state2 : state
    if (Buffer.compare(Buffer.from(bytes), Buffer.from(ours)) === 0) seen[what]++
  }
  const txt = await driver.root(1, 'txt', Kind.text)
  expect('text', textOf(reference), await driver.toString_(1, txt))
  const map = await driver.root(1, 'map', Kind.map)
  for (const key of ['a', 'b', 'c']) {
    if (!reference.get('map').hasAttr(key)) continue
    expect(`map ${key}`, plain(reference.get('map').getAttr(key)), JSON.parse(await driver.mapGetJson(1, map, key)))
  }
  seen.sessions++
}

const driver = new Driver(path)
let failed = 0
for (let seed = 1; seed <= Number(count); seed++) {
  try {
    await session(driver, seed)
  } catch (error) {
    if (failed++ < 5) console.log(`FAILED session ${seed}: ${error.stack}`)
  }
}
await driver.close()
console.log(`states equal to those of Yjs 14 byte for byte: ${seen.v1} in v1, ${seen.v2} in v2`)
console.log(`${seen.sessions} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
