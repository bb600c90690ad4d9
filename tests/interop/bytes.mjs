// Work on encoded updates without a document: merge, diff, conversion and the rest, in both encodings,
// beside Yjs on the same random bytes. The updates come from sessions: single ones, states with gc
// ranges and waiting parts, merged ones with gaps, overlapping ones, diffs that cut structs. Results must
// be the same bytes; what is not is counted under its reason (docs/compat.md). Merged updates are loaded,
// too: what the documents hold then and what waits in them must be the same.
import * as Y from 'yjs'
import * as decoding from 'lib0/decoding'
import { NO_GC } from './driver.mjs'
import { Random } from './random.mjs'
import { makeSession } from './session.mjs'
import { expectEqual, parsed, plain, settle, yjsPending, yjsStateVector } from './compare.mjs'

const INPUTS_PER_SESSION = 20
const hex = bytes => Buffer.from(bytes).toString('hex')
const bytes = decoder => decoding.readTailAsUint8Array(decoder)
const string = decoder => new TextDecoder().decode(bytes(decoder))
const spans = decoder => Array.from({ length: decoding.readVarUint(decoder) }, () =>
  [decoding.readVarUint(decoder), decoding.readVarUint(decoder), decoding.readVarUint(decoder)])

const yjs = {
  1: {
    merge: Y.mergeUpdates,
    diff: Y.diffUpdate,
    stateVector: Y.encodeStateVectorFromUpdate,
    meta: Y.parseUpdateMeta,
    convert: Y.convertUpdateFormatV1ToV2,
    obfuscate: Y.obfuscateUpdate,
    decode: Y.decodeUpdate,
    apply: Y.applyUpdate,
    state: Y.encodeStateAsUpdate,
    readSnapshot: Y.decodeSnapshot
  },
  2: {
    merge: Y.mergeUpdatesV2,
    diff: Y.diffUpdateV2,
    stateVector: u => Y.encodeStateVectorFromUpdateV2(u),
    meta: u => Y.parseUpdateMetaV2(u),
    convert: Y.convertUpdateFormatV2ToV1,
    obfuscate: Y.obfuscateUpdateV2,
    decode: u => Y.decodeUpdateV2(u),
    apply: Y.applyUpdateV2,
    state: Y.encodeStateAsUpdateV2,
    readSnapshot: Y.decodeSnapshotV2
  }
}

// --- what gesso_update_to_json gives, made of what Yjs decodes ---

const id = x => [x.client, x.clock]
const kinds = new Map([
  [Y.ContentDeleted, () => ({ kind: 'deleted' })],
  [Y.ContentJSON, c => ({ kind: 'json', values: c.arr })],
  [Y.ContentBinary, c => ({ kind: 'binary', value: c.content })],
  [Y.ContentString, c => ({ kind: 'string', value: c.str })],
  [Y.ContentEmbed, c => ({ kind: 'embed', value: c.embed })],
  [Y.ContentFormat, c => ({ kind: 'format', key: c.key, value: c.value })],
  [Y.ContentAny, c => ({ kind: 'any', values: c.arr })],
  [Y.ContentDoc, c => ({ kind: 'doc', guid: c.doc.guid, options: c.opts })],
  [Y.ContentType, c => ({ kind: 'type', ...typeOf(c.type) })]
])

function typeOf (type) {
  if (type instanceof Y.XmlText) return { type: 'xmlText' }
  if (type instanceof Y.XmlElement) return { type: 'xmlElement', name: type.nodeName }
  if (type instanceof Y.XmlHook) return { type: 'xmlHook', name: type.hookName }
  if (type instanceof Y.XmlFragment) return { type: 'xmlFragment' }
  return { type: type instanceof Y.Text ? 'text' : type instanceof Y.Map ? 'map' : 'array' }
}

function structJson (s) {
  const out = { id: id(s.id), length: s.length }
  if (s instanceof Y.GC) return { ...out, kind: 'gc' }
  if (s instanceof Y.Skip) return { ...out, kind: 'skip' }
  Object.assign(out, kinds.get(s.content.constructor)(s.content))
  if (s.origin) out.origin = id(s.origin)
  if (s.rightOrigin) out.rightOrigin = id(s.rightOrigin)
  if (!s.origin && !s.rightOrigin) out.parent = typeof s.parent === 'string' ? s.parent : id(s.parent)
  if (s.parentSub !== null) out.parentSub = s.parentSub
  return out
}

const updateJson = ({ structs, ds }) => plain({
  structs: structs.map(structJson),
  deletes: Object.fromEntries([...ds.clients].map(([client, items]) => [client, items.map(d => [d.clock, d.len])]))
})

const deletesOf = ds => [...ds.clients].map(([client, items]) => [client, items.map(d => [d.clock, d.len])]).sort((a, b) => a[0] - b[0])

// --- input ---

let last = { number: 0, updates: [] }

// All updates that a session's peers might have sent or kept, as [v1, v2].
function updatesOf (number, gc) {
  if (last.number === number) return last.updates
  const session = makeSession(number)
  const both = ({ v2, bytes }) => v2 ? [Y.convertUpdateFormatV2ToV1(bytes), bytes] : [bytes, Y.convertUpdateFormatV1ToV2(bytes)]
  const updates = session.delivery.map(both)
  // States of peers that have heard some of it: gc ranges, and parts that wait.
  const r = new Random(number * 31 + 5)
  for (let i = 0; i < 12; i++) {
    const doc = new Y.Doc({ gc: r.chance(0.8) })
    const share = i % 2 === 1 ? 1 : r.next()
    for (const [u] of r.shuffle([...updates.keys()]).filter(() => r.chance(share)).map(k => updates[k])) Y.applyUpdate(doc, u)
    const from = i % 2 === 1 ? beginnings(r, updates) : r.chance(0.4) ? someStateVector(r, doc) : undefined
    updates.push([Y.encodeStateAsUpdate(doc, from), Y.encodeStateAsUpdateV2(doc, from)])
  }
  last = { number, updates }
  return updates
}

// Clocks with which updates begin: what is collected in one update and not yet in another then begins alike.
function beginnings (r, updates) {
  const out = new Map()
  for (let i = r.between(3, 12); i > 0; i--) {
    for (const [client, clock] of Y.parseUpdateMeta(r.pick(updates)[0]).from) out.set(client, clock)
  }
  return Y.encodeStateVector(out)
}

// Clocks that somebody might have, in the middle of structs as well.
function someStateVector (r, doc) {
  const out = new Map()
  for (const [client, clock] of Y.decodeStateVector(Y.encodeStateVector(doc))) {
    if (r.chance(0.8)) out.set(client, r.chance(0.3) ? clock : r.below(clock + 2))
  }
  return Y.encodeStateVector(out)
}

function makeInput (seed) {
  const r = new Random(seed * 48271 + 3)
  const updates = updatesOf(Math.ceil(seed / INPUTS_PER_SESSION))
  const encoding = r.pick([1, 2])
  const count = r.weighted([[5, r.between(2, 6)], [4, r.between(2, 30)], [1, r.between(40, 120)], [0.2, 1], [0.1, 0]])
  let list = Array.from({ length: count }, () => r.pick(updates)[encoding - 1])
  const fragments = r.pick([0, 0.3, 0.8])
  // Merged with gaps, and cut off in front.
  list = list.map(u => {
    if (!r.chance(fragments)) return u
    const some = Array.from({ length: r.between(1, 4) }, () => r.pick(updates)[encoding - 1])
    const merged = yjs[encoding].merge([u, ...some])
    const clocks = new Map([...yjs[encoding].meta(merged).to].filter(() => r.chance(0.6)).map(([c, n]) => [c, r.below(n + 1)]))
    return r.chance(0.5) ? merged : yjs[encoding].diff(merged, Y.encodeStateVector(clocks))
  })
  return { r, encoding, list }
}

// --- comparison ---

class Different extends Error {}

function sameBytes (what, want, got) {
  if (Buffer.compare(Buffer.from(want), Buffer.from(got)) !== 0) {
    throw new Different(`${what}\n  Yjs:   ${hex(want).slice(0, 3000)}\n  gesso: ${hex(got).slice(0, 3000)}`)
  }
}

// With more than 63 updates V8 sorts otherwise, and items and gc ranges that begin alike end up in another order.
const maySortOtherwise = list => list.length > 63

async function loadBoth (driver, { encoding, merged, ours, gc }) {
  const { apply, state } = yjs[encoding]
  const doc = new Y.Doc({ gc })
  apply(doc, merged)
  settle(doc)
  await driver.create(0, 1, gc ? 0 : NO_GC)
  await (encoding === 1 ? driver.apply(0, ours) : driver.applyV2(0, ours))
  await driver.check(0)
  expectEqual('state vector of the merged update', yjsStateVector(doc), parsed(await driver.stateVectorJson(0)))
  expectEqual('pending parts of the merged update', yjsPending(doc), parsed(await driver.pending(0)))
  const ourState = encoding === 1 ? await driver.encode(0, null) : await driver.encodeV2(0, null)
  const again = new Y.Doc({ gc })
  apply(again, ourState)
  settle(again)
  return [state(doc), state(again), ourState]
}

async function checkInput (driver, seed, seen) {
  const { r, encoding, list } = makeInput(seed)
  const theirs = yjs[encoding]
  const call = (name, args, read) => driver.call(name, 0, [encoding, ...args], read)

  const merged = theirs.merge(list)
  const ours = await call('bytes_merge', [list.length, ...list], bytes)
  let same = true
  try {
    sameBytes(`merge of ${list.length} updates, v${encoding}`, merged, ours)
  } catch (error) {
    if (!maySortOtherwise(list)) throw error
    same = false
    seen.sorted++
  }
  seen.updates += list.length
  seen.structs += theirs.decode(merged).structs.length
  if (theirs.decode(merged).structs.some(s => s instanceof Y.Skip)) seen.gaps++
  if (theirs.decode(merged).structs.some(s => s instanceof Y.GC)) seen.gc++

  const [want, got, direct] = await loadBoth(driver, { encoding, merged, ours, gc: r.chance(0.7) })
  if (same) sameBytes('state of the merged update', want, got)
  if (Buffer.compare(Buffer.from(want), Buffer.from(direct)) === 0) seen.states++

  const all = await Promise.all([
    call('bytes_convert', [merged], bytes),
    call('bytes_state_vector', [merged], bytes),
    call('bytes_meta', [merged], spans),
    call('bytes_delete_set', [merged], bytes),
    call('bytes_to_json', [merged], string)
  ])
  sameBytes(`convert v${encoding}`, theirs.convert(merged), all[0])
  sameBytes('state vector', theirs.stateVector(merged), all[1])
  const { from, to } = theirs.meta(merged)
  expectEqual('meta', [...from].map(([client, clock]) => [client, clock, to.get(client)]), all[2])
  const decoded = theirs.decode(merged)
  const snapshot = theirs.readSnapshot(new Uint8Array([...all[3], 0]))
  expectEqual('delete set', deletesOf(Y.mergeDeleteSets([decoded.ds])), deletesOf(snapshot.ds))
  expectEqual('JSON', updateJson(decoded), parsed(all[4]))

  const clocks = new Map([...to].filter(() => r.chance(0.8)).map(([c, n]) => [c, r.below(n + 2)]))
  const one = r.chance(0.7) || list.length === 0 ? merged : r.pick(list)
  const stateVector = Y.encodeStateVector(clocks)
  sameBytes(`diff v${encoding}`, theirs.diff(one, stateVector), await call('bytes_diff', [one, stateVector], bytes))

  const options = { formatting: r.chance(0.7), subdocs: r.chance(0.7), yxml: r.chance(0.7) }
  const keep = (options.formatting ? 0 : 1) | (options.subdocs ? 0 : 2) | (options.yxml ? 0 : 4)
  sameBytes(`obfuscate v${encoding}`, theirs.obfuscate(one, options), await call('bytes_obfuscate', [keep, one], bytes))
}

export async function runBytes (getDriver, first, count) {
  const seen = { updates: 0, structs: 0, gaps: 0, gc: 0, sorted: 0, states: 0 }
  const result = { passed: 0, failed: 0 }
  for (let seed = first; seed < first + count; seed++) {
    try {
      await checkInput(getDriver(), seed, seen)
      result.passed++
    } catch (error) {
      result.failed++
      if (result.failed < 10) {
        console.log(`FAILED encoded updates ${seed}: ${error.message}${error.what || error instanceof Different ? '' : '\n' + error.stack}`)
      }
    }
  }
  console.log(`${count} inputs of encoded updates: ${seen.updates} updates merged into ${seen.structs} structs, ${seen.gaps} with gaps, ` +
    `${seen.gc} with gc ranges; merge, diff, conversion and the rest equal byte for byte, but for ${seen.sorted} merges of more than 63 updates`)
  console.log(`  documents that loaded the merged update encode to Yjs' bytes: ${seen.states} of ${count}`)
  return result
}
