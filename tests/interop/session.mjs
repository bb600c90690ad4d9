// A random session made by Yjs: 2 to 5 clients edit all shared types and exchange updates; what
// comes out is a list of updates in the order in which somebody received them.
import * as Y from 'yjs'
import { Random } from './random.mjs'

// The root types of every session, and how they are read.
export const roots = { map: 'map', arr: 'array', txt: 'text', xml: 'xml', more: 'map' }

export function openRoots (doc) {
  return {
    map: doc.getMap('map'),
    arr: doc.getArray('arr'),
    txt: doc.getText('txt'),
    xml: doc.getXmlFragment('xml'),
    more: doc.getMap('more')
  }
}

const words = ['a', 'b', 'lorem', 'ipsum ', ' ', '\n', 'é', 'ß', '漢字', 'Ω≈', '😀', '👩‍👩‍👧', '🇩🇪', 'x😀y', '"', '\\', '<&>',
  '\u0000', '\u2028', '\ud83d', '\ude00', 'longer text that is worth splitting in two']
const keys = ['a', 'b', 'c', 'key', '0', '10', '2', 'ключ', '😀', '', 'x y', 'length']
// As keys of plain objects these would break Yjs itself.
const mapKeys = [...keys, 'toString', 'constructor']
const formats = ['bold', 'italic', 'color', 'link', 'size']

function anyNumber (r) {
  return r.pick([
    () => r.below(100), () => -r.below(100000), () => r.next(), () => Math.fround(r.next()), () => r.next() * 1e300,
    () => -r.next() * 1e-300, () => 2 ** 31 - 1 + r.below(3), () => -(2 ** 31) + 1 - r.below(3), () => 2 ** r.between(30, 60),
    () => -0, () => NaN, () => Infinity, () => -Infinity, () => 5e-324, () => Number.MAX_SAFE_INTEGER, () => 1e21
  ])()
}

function anyString (r) {
  let s = ''
  for (let i = r.below(4); i >= 0; i--) s += r.pick(words)
  return s
}

// Formats and embeds travel as JSON text. A lone surrogate in one survives in Yjs only as long as the
// struct never had to wait for another (waiting structs are kept in the v2 encoding, which loses it):
// docs/compat.md. So none are put there.
function cleanString (r) {
  return anyString(r).replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '?')
}

// A value for lib0 Any: every tag, nested.
export function anyValue (r, depth = 0) {
  return r.weighted([
    [2, () => anyNumber(r)],
    [2, () => anyString(r)],
    [1, () => null],
    [1, () => r.chance(0.5)],
    [depth > 0 ? 1 : 0, () => undefined],
    [depth > 0 ? 0.7 : 0, () => BigInt.asIntN(64, BigInt(Math.floor(r.next() * 2 ** 53)) * BigInt(r.below(5000) - 2500))],
    [depth > 0 ? 0.7 : 0, () => anyBytes(r)],
    [depth > 3 ? 0 : 1, () => Array.from({ length: r.below(4) }, () => anyValue(r, depth + 1))],
    [depth > 3 ? 0 : 1, () => anyObject(r, depth)]
  ])()
}

function anyObject (r, depth) {
  const o = {}
  for (let i = r.below(4); i > 0; i--) o[r.pick(keys)] = anyValue(r, depth + 1)
  return o
}

function anyBytes (r) {
  return Uint8Array.from({ length: r.below(20) }, () => r.below(256))
}

// What JSON can say.
function jsonValue (r, string = cleanString, depth = 0) {
  return r.weighted([
    [2, () => r.between(-1000, 1000) / r.pick([1, 1, 4, 3])],
    [2, () => string(r)],
    [1, () => null],
    [1, () => r.chance(0.5)],
    [depth > 2 ? 0 : 1, () => Array.from({ length: r.below(3) }, () => jsonValue(r, string, depth + 1))],
    [depth > 2 ? 0 : 1, () => {
      const entries = Array.from({ length: r.below(3) }, () => [r.pick(keys), jsonValue(r, string, depth + 1)])
      return Object.fromEntries(entries)
    }]
  ])()
}

function newType (r) {
  return r.pick([
    () => new Y.Map(r.chance(0.5) ? [[r.pick(keys), anyValue(r)]] : []),
    () => Y.Array.from(r.chance(0.5) ? [1, 'two', { three: 3 }] : []),
    () => new Y.Text(r.chance(0.5) ? anyString(r) : ''),
    () => new Y.XmlElement(r.pick(['div', 'P', 'x-y'])),
    () => new Y.XmlText(r.chance(0.5) ? anyString(r) : ''),
    () => new Y.XmlFragment()
  ])()
}

function subdocument (r) {
  const guid = `doc-${r.below(1000)}`
  const meta = jsonValue(r)
  return new Y.Doc(r.pick([{ guid }, { guid, gc: false }, { guid, autoLoad: true, meta }, { guid, shouldLoad: false, collectionid: 'c' }]))
}

function mapValue (r) {
  return r.weighted([
    [5, () => anyValue(r)],
    [0.7, () => undefined],
    [0.7, () => 12345678901234567n * BigInt(r.below(3) - 1)],
    [1, () => anyBytes(r)],
    [1.5, () => newType(r)],
    [0.4, () => subdocument(r)]
  ])()
}

function arrayValues (r) {
  return Array.from({ length: r.between(1, 4) }, () => r.weighted([
    [5, () => { const v = anyValue(r); return typeof v === 'bigint' ? 0 : v }],
    [1, () => anyBytes(r)],
    [1, () => newType(r)],
    [0.3, () => subdocument(r)]
  ])())
}

// flat: no objects, whose equality is a matter of identity in Yjs (docs/compat.md)
function format (r, flat) {
  const attributes = {}
  for (let i = r.between(1, 2); i > 0; i--) {
    attributes[r.pick(formats)] = r.weighted([
      [3, () => true], [2, () => null], [1, () => r.pick(['red', 'blue'])], [1, () => jsonValue(r, cleanString, flat ? 3 : 0)],
      [flat ? 0 : 1, () => ({ href: cleanString(r) })]
    ])()
  }
  return attributes
}

function embed (r) {
  return r.chance(0.8) ? { image: cleanString(r), w: jsonValue(r) } : newType(r)
}

// --- edits ---

function editMap (r, map) {
  const present = [...map.keys()]
  r.weighted([
    [6, () => map.set(r.pick(mapKeys), mapValue(r))],
    [present.length > 0 ? 2 : 0, () => map.delete(r.pick(present))],
    [present.length > 0 ? 0.1 : 0, () => map.clear()],
    [present.length > 0 ? 2 : 0, () => map.set(r.pick(present), anyValue(r))]
  ])()
}

function editArray (r, arr) {
  const length = arr.length
  r.weighted([
    [4, () => arr.insert(r.below(length + 1), arrayValues(r))],
    [2, () => arr.push(arrayValues(r))],
    [length > 0 ? 2 : 0, () => { const at = r.below(length); arr.delete(at, r.between(1, Math.min(length - at, 4))) }]
  ])()
}

function editText (r, text, flat) {
  const length = text.length
  const at = r.below(length + 1)
  const range = length > 0 ? (() => { const from = r.below(length); return [from, r.between(1, Math.min(length - from, 12))] })() : null
  r.weighted([
    [5, () => text.insert(at, anyString(r))],
    [1.5, () => text.insert(at, anyString(r), format(r, flat))],
    [range ? 3 : 0, () => text.delete(...range)],
    // Exactly one code unit: this is what cuts emoji in halves.
    [range ? 1.5 : 0, () => text.delete(range[0], 1)],
    [range ? 2.5 : 0, () => text.format(...range, format(r, flat))],
    [0.8, () => text.insertEmbed(at, embed(r), r.chance(0.5) ? format(r, flat) : {})],
    [0.3, () => text.setAttribute(r.pick(keys), jsonValue(r))],
    [0.5, () => text.applyDelta([{ retain: at }, { insert: anyString(r), attributes: format(r, flat) }])]
  ])()
}

function newXml (r) {
  return r.weighted([
    [4, () => new Y.XmlElement(r.pick(['p', 'div', 'UL', 'a-b']))],
    [3, () => new Y.XmlText(anyString(r))],
    [0.5, () => new Y.XmlHook(r.pick(['hook', 'custom']))]
  ])()
}

function editXml (r, xml) {
  const length = xml.length
  const element = xml instanceof Y.XmlElement
  r.weighted([
    [4, () => xml.insert(r.below(length + 1), Array.from({ length: r.between(1, 2) }, () => newXml(r)))],
    [length > 0 ? 1 : 0, () => { const at = r.below(length); xml.delete(at, r.between(1, Math.min(length - at, 2))) }],
    [element ? 3 : 0, () => xml.setAttribute(r.pick(['id', 'class', 'z', 'A']), r.chance(0.7) ? anyString(r) : jsonValue(r))],
    [element ? 0.5 : 0, () => xml.removeAttribute(r.pick(['id', 'class']))]
  ])()
}

// Everything that can be edited below (and with) a type.
export function * typesBelow (type) {
  yield type
  for (let item = type._start; item !== null; item = item.right) {
    if (!item.deleted && item.content instanceof Y.ContentType) yield * typesBelow(item.content.type)
  }
  for (const item of type._map.values()) {
    if (!item.deleted && item.content instanceof Y.ContentType) yield * typesBelow(item.content.type)
  }
}

// XML texts render their formats as tags, for which Yjs expects objects of attributes.
function editXmlText (r, text, flat) {
  const length = text.length
  const values = () => flat ? [true, null, 'ab'] : [true, {}, null, { k: 'v' }, { z: '1', a: cleanString(r) }, 'ab']
  const tag = () => ({ [r.pick(['b', 'i', 'A', 'span'])]: r.pick(values()) })
  const from = r.below(length + 1)
  r.weighted([
    [4, () => text.insert(from, anyString(r))],
    [1, () => text.insert(from, anyString(r), tag())],
    [length > 0 ? 2 : 0, () => text.delete(r.below(length), 1)],
    [from < length ? 2 : 0, () => text.format(from, r.between(1, length - from), tag())],
    [0.3, () => text.setAttribute('k', anyString(r))],
    [0.2, () => text.insertEmbed(from, { e: 1 })]
  ])()
}

// ContentJSON is written by no public call any more, but old documents are full of it.
function insertOldJson (r, doc, parent) {
  const values = Array.from({ length: r.between(1, 3) }, () => r.chance(0.15) ? undefined : jsonValue(r, anyString))
  const id = Y.createID(doc.clientID, Y.getState(doc.store, doc.clientID))
  doc.transact(tr => {
    if (parent instanceof Y.Map) {
      const key = r.pick(keys)
      const left = parent._map.get(key) ?? null
      new Y.Item(id, left, left && left.lastId, null, null, parent, key, new Y.ContentJSON([values[0]])).integrate(tr, 0)
    } else {
      let left = null
      for (let item = parent._start; item !== null && r.chance(0.6); item = item.right) left = item
      const right = left === null ? parent._start : left.right
      new Y.Item(id, left, left && left.lastId, right, right && right.id, parent, null, new Y.ContentJSON(values)).integrate(tr, 0)
      // The positions that Yjs remembers know nothing of this insertion.
      if (parent._searchMarker !== null) parent._searchMarker = []
    }
  })
}

// One random edit somewhere in the document.
export function makeEdit (r, doc, { flat = false } = {}) {
  const top = openRoots(doc)
  const types = Object.values(top).flatMap(root => [...typesBelow(root)])
  // Roots twice as often as what lies below them.
  const type = r.chance(0.5) ? r.pick(Object.values(top)) : r.pick(types)
  if (type instanceof Y.XmlText) editXmlText(r, type, flat)
  else if (type instanceof Y.Text) editText(r, type, flat)
  else if (type instanceof Y.XmlFragment) editXml(r, type)
  else if (type instanceof Y.Array) {
    if (r.chance(0.08)) insertOldJson(r, doc, type)
    else editArray(r, type)
  } else if (r.chance(0.04)) insertOldJson(r, doc, type)
  else editMap(r, type)
}

export function clientId (r) {
  return r.weighted([
    [4, () => r.below(2 ** 32)],
    [2, () => 1 + r.below(300)],
    [2, () => Math.floor(r.next() * 2 ** 53)],
    [1, () => 2 ** 53 - 1 - r.below(10)]
  ])()
}

// The same update in the v2 encoding, as Yjs emitted it there.
const twinOf = new WeakMap()

class Client {
  constructor (r, id, pool) {
    this.doc = new Y.Doc({ gc: r.chance(0.8) })
    this.doc.clientID = id
    this.known = new Set()
    const top = openRoots(this.doc)
    this.doc.on('update', (update, origin) => {
      if (origin === 'remote') return
      this.known.add(pool.length)
      pool.push(update)
    })
    this.doc.on('updateV2', (update, origin) => {
      if (origin !== 'remote') twinOf.set(pool[pool.length - 1], update)
    })
    if (r.chance(0.35)) {
      this.undo = new Y.UndoManager(Object.values(top), { captureTimeout: 0 })
    }
  }
}

// All updates of a session, and what somebody received: shuffled, repeated, now and then merged or
// replaced by a whole state. Of the sessions a third is in v1, a third in v2 and a third in both; a quarter
// is for documents that keep deleted content; half for documents that know from the start which root is a text, as
// only those are cleaned of formats that do nothing.
export function makeSession (seed) {
  const r = new Random(seed)
  const pool = []
  const ids = new Set()
  const clients = Array.from({ length: r.between(2, 5) }, () => {
    let id
    do id = clientId(r); while (ids.has(id) || id === 0)
    ids.add(id)
    return new Client(r, id, pool)
  })
  const states = []
  const edits = r.weighted([[3, 20], [4, 50], [2, 120]])
  for (let i = 0; i < edits; i++) {
    const client = r.pick(clients)
    r.weighted([
      [8, () => {
        const n = r.chance(0.8) ? 1 : r.between(2, 6)
        client.doc.transact(() => { for (let j = 0; j < n; j++) makeEdit(r, client.doc) })
      }],
      [client.undo ? 1 : 0, () => client.undo.undo()],
      [client.undo ? 0.7 : 0, () => client.undo.redo()],
      // Hear a few updates, in whatever order.
      [4, () => {
        const unknown = r.shuffle([...pool.keys()].filter(k => !client.known.has(k)))
        for (const k of unknown.slice(0, r.between(1, 6))) {
          client.known.add(k)
          Y.applyUpdate(client.doc, pool[k], 'remote')
        }
      }],
      // Sync with another client.
      [1.5, () => {
        const other = r.pick(clients)
        const known = Y.encodeStateVector(client.doc)
        const update = Y.encodeStateAsUpdate(other.doc, known)
        twinOf.set(update, Y.encodeStateAsUpdateV2(other.doc, known))
        states.push(update)
        Y.applyUpdate(client.doc, update, 'remote')
        for (const k of other.known) client.known.add(k)
      }]
    ])()
  }
  let delivery = [...pool]
  if (r.chance(0.7)) {
    r.shuffle(delivery)
  } else if (r.chance(0.5)) {
    // Nearly in order: neighbours change places.
    for (let i = 1; i < delivery.length; i++) {
      if (r.chance(0.3)) [delivery[i - 1], delivery[i]] = [delivery[i], delivery[i - 1]]
    }
  }
  const repeats = r.pick([0, 0.1, 0.4])
  for (let i = 0; i < pool.length * repeats; i++) delivery.splice(r.below(delivery.length + 1), 0, r.pick(pool))
  for (const state of states) if (r.chance(0.4)) delivery.splice(r.below(delivery.length + 1), 0, state)
  if (r.chance(0.3) && pool.length > 2) {
    for (let i = 0; i < 3; i++) {
      const some = Array.from({ length: r.between(2, 5) }, () => r.pick(pool))
      const merged = Y.mergeUpdates(some)
      twinOf.set(merged, Y.mergeUpdatesV2(some.map(update => twinOf.get(update))))
      delivery.splice(r.below(delivery.length + 1), 0, merged)
    }
  }
  // Some sessions end with updates missing for ever.
  if (r.chance(0.15)) delivery = delivery.filter(() => !r.chance(0.1))
  const modes = new Random(seed * 31 + 7)
  const share = modes.pick([0, 0.5, 1])
  const gc = modes.chance(0.75)
  delivery = delivery.map(update => modes.chance(share) ? { v2: true, bytes: twinOf.get(update) } : { v2: false, bytes: update })
  return { seed, gc, opened: modes.chance(0.5), delivery }
}
