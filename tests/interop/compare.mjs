// Reading a Yjs document and a gesso document into the same plain values, and comparing those.
import * as Y from 'yjs'
import { isDeepStrictEqual } from 'node:util'
import { Kind } from './driver.mjs'
import { roots } from './session.mjs'

export class Mismatch extends Error {
  constructor (what, want, got) {
    super(`${what}\n  Yjs:   ${show(want)}\n  gesso: ${show(got)}`)
    this.what = what
  }
}

function show (v) {
  const text = v instanceof Uint8Array ? Buffer.from(v).toString('hex') : JSON.stringify(v, (_, x) => typeof x === 'bigint' ? `${x}n` : x)
  return text === undefined ? 'undefined' : text.length > 2000 ? text.slice(0, 2000) + ' ...' : text
}

// What JSON makes of a value, in the same words as `gesso doc json`: undefined left out of objects and
// null in arrays, bytes as {"$bytes": ...}, bigints as numbers, no negative zero.
export function plain (value) {
  const text = JSON.stringify(value, (_, v) =>
    v instanceof Uint8Array ? { $bytes: Buffer.from(v).toString('base64') } : typeof v === 'bigint' ? Number(v) : v)
  return text === undefined ? undefined : parsed(text)
}

export function parsed (text) {
  return JSON.parse(text, (_, v) => Object.is(v, -0) ? 0 : v)
}

// The same with U+FFFD for every lone half of a character.
export function wellFormed (v) {
  if (typeof v === 'string') return Buffer.from(v).toString()
  if (Array.isArray(v)) return v.map(wellFormed)
  if (v === null || typeof v !== 'object') return v
  return Object.fromEntries(Object.entries(v).map(([key, x]) => [wellFormed(key), wellFormed(x)]))
}

export function expectEqual (what, want, got) {
  if (!isDeepStrictEqual(want, got)) throw new Mismatch(what, want, got)
}

// --- content ---

export function yjsContent (doc) {
  const out = {}
  for (const [name, type] of Object.entries(roots)) {
    if (type === 'map') out[name] = plain(doc.getMap(name).toJSON())
    else if (type === 'array') out[name] = plain(doc.getArray(name).toJSON())
    else if (type === 'xml') out[name] = plain(doc.getXmlFragment(name).toString())
    else {
      out[name] = plain(doc.getText(name).toString())
      out[name + ' as delta'] = plain(doc.getText(name).toDelta())
    }
  }
  return out
}

const rootKind = { map: Kind.map, array: Kind.array, text: Kind.text, xml: Kind.xmlFragment }

export const openGessoRoots = (driver, slot) =>
  Promise.all(Object.entries(roots).map(([name, type]) => driver.root(slot, name, rootKind[type])))

export async function gessoContent (driver, slot) {
  const out = {}
  for (const [name, type] of Object.entries(roots)) {
    const handle = await driver.root(slot, name, rootKind[type])
    if (type === 'xml') out[name] = await driver.xmlToString(slot, handle, Kind.xmlFragment)
    else if (type === 'text') {
      out[name] = await driver.toString_(slot, handle)
      out[name + ' as delta'] = parsed(await driver.toDelta(slot, handle))
    } else out[name] = parsed(await driver.toJson(slot, handle, rootKind[type]))
  }
  return out
}

// --- updates ---

// One delivered update: { v2: whether it is in that encoding, bytes }
export const receive = (doc, { v2, bytes }) => v2 ? Y.applyUpdateV2(doc, bytes) : Y.applyUpdate(doc, bytes)

export const equalBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0

// What an encoded state says is deleted: {client: [[from, to], ...]}
export function deleteSet (state) {
  const ranges = new Map()
  Y.decodeUpdate(state).ds.clients.forEach((items, client) => {
    for (const d of items) add(ranges, client, d.clock, d.len)
  })
  return normal(ranges)
}

// --- what is waiting ---

// {client: [[from, to], ...]}, sorted, as few ranges as possible. Ids below `known` are left out: Yjs
// sometimes goes on keeping structs among the waiting ones that it has integrated.
function normal (ranges, known = new Map()) {
  const out = {}
  for (const client of [...ranges.keys()].sort((a, b) => a - b)) {
    const list = ranges.get(client).sort((a, b) => a[0] - b[0])
    const merged = []
    for (let [from, to] of list) {
      from = Math.max(from, known.get(client) ?? 0)
      if (from >= to) continue
      const last = merged[merged.length - 1]
      if (last && from <= last[1]) last[1] = Math.max(last[1], to)
      else merged.push([from, to])
    }
    if (merged.length > 0) out[client] = merged
  }
  return out
}

function add (ranges, client, from, len) {
  if (len === 0) return
  if (!ranges.has(client)) ranges.set(client, [])
  ranges.get(client).push([from, from + len])
}

export function yjsPending (doc) {
  const structs = new Map()
  const deletes = new Map()
  const store = doc.store
  if (store.pendingStructs) {
    for (const s of Y.decodeUpdateV2(store.pendingStructs.update).structs) {
      if (!(s instanceof Y.Skip)) add(structs, s.id.client, s.id.clock, s.length)
    }
  }
  if (store.pendingDs) {
    Y.decodeUpdateV2(store.pendingDs).ds.clients.forEach((items, client) => {
      for (const d of items) add(deletes, client, d.clock, d.len)
    })
  }
  return { structs: normal(structs, Y.decodeStateVector(Y.encodeStateVector(doc))), deletes: normal(deletes) }
}

export function yjsStateVector (doc) {
  const out = {}
  const sv = Y.decodeStateVector(Y.encodeStateVector(doc))
  for (const client of [...sv.keys()].sort((a, b) => a - b)) out[client] = sv.get(client)
  return out
}

// Yjs looks at what it keeps waiting only when the one id arrives that it noted for a whole group of
// structs, and that note can name a later id than the one really missing. Meanwhile structs wait that
// nothing is missing for. It also waits for what structs need that it has integrated long ago, from
// another copy. This makes it look again, at one client after the other so that none is held back by
// the rest, and only at what is new, until nothing more comes of it.
export function settle (doc) {
  for (;;) {
    const waiting = doc.store.pendingStructs
    if (!waiting) return
    const before = JSON.stringify(yjsStateVector(doc))
    const clients = [...new Set(Y.decodeUpdateV2(waiting.update).structs.map(s => s.id.client))]
    doc.store.pendingStructs = null
    for (const client of clients) {
      const known = new Map(clients.map(c => [c, c === client ? Y.getState(doc.store, c) : 2 ** 31]))
      Y.applyUpdateV2(doc, Y.diffUpdateV2(waiting.update, Y.encodeStateVector(known)))
    }
    if (JSON.stringify(yjsStateVector(doc)) === before) return
  }
}
