// Relative positions: two Yjs documents are edited and exchange updates; a gesso document beside each
// hears the same. Positions made in both must be the same bytes and JSON; read again later, on either
// side, they must lead to the same place.
import * as Y from 'yjs'
import * as decoding from 'lib0/decoding'
import { GessoError, Kind, NewType, NO_GC } from './driver.mjs'
import { Random } from './random.mjs'
import { makeEdit, openRoots, roots } from './session.mjs'
import { expectEqual } from './compare.mjs'

const NOTFOUND = 7
const FOLLOW_UNDONE = 1
const rootKind = { map: Kind.map, array: Kind.array, text: Kind.text, xml: Kind.xmlFragment }
const unsigned = n => n < 0 ? 2 * -n - 1 : 2 * n
const signed = n => n % 2 === 0 ? n / 2 : -(n + 1) / 2
const hex = bytes => Buffer.from(bytes).toString('hex')

const readPosition = decoder => ({
  bytes: hex(decoding.readVarUint8Array(decoder)),
  json: decoding.readVarString(decoder)
})
const readPlace = decoder => ({
  index: decoding.readVarUint(decoder),
  assoc: signed(decoding.readVarUint(decoder)),
  type: readPosition(decoder).json,
  position: readPosition(decoder)
})

const yjsPosition = p => ({ bytes: hex(Y.encodeRelativePosition(p)), json: JSON.stringify(Y.relativePositionToJSON(p)) })

function yjsPlace (doc, p, follow = false) {
  const place = Y.createAbsolutePositionFromRelativePosition(p, doc, follow)
  if (place === null) return null
  return {
    index: place.index,
    assoc: place.assoc,
    type: nameOf(place.type)
  }
}

async function gessoPlace (driver, slot, position, json, again, follow = false) {
  try {
    const { index, assoc, type, position: read } =
      await driver.call('position_resolve', slot, [position, json ? 1 : 0, follow ? FOLLOW_UNDONE : 0], readPlace)
    if (again) expectEqual('a position that was read and written', again, read)
    return { index, assoc, type }
  } catch (error) {
    if (error instanceof GessoError && error.status === NOTFOUND) return null
    throw error
  }
}

function * below (type) {
  yield type
  for (let item = type._start; item !== null; item = item.right) {
    if (!item.deleted && item.content instanceof Y.ContentType) yield * below(item.content.type)
  }
  for (const item of type._map.values()) {
    if (!item.deleted && item.content instanceof Y.ContentType) yield * below(item.content.type)
  }
}

// The beginning of a type, as JSON: names the type to gesso.
const nameOf = type => JSON.stringify(Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(type, 0, -1)))

async function checkPositions (driver, seed, seen) {
  const r = new Random(seed * 32452843 + 11)
  const gc = r.chance(0.6)
  const docs = []
  // The driver answers in order, so nothing has to wait until the end.
  const answers = []
  for (let slot = 0; slot < 2; slot++) {
    const doc = new Y.Doc({ gc })
    doc.clientID = slot + 1 + r.below(2 ** 32 - 2)
    openRoots(doc)
    driver.create(slot, 5 + slot, gc ? 0 : NO_GC)
    for (const [name, type] of Object.entries(roots)) answers.push(driver.root(slot, name, rootKind[type]))
    const updates = []
    doc.on('update', update => updates.push(update))
    docs.push({ slot, doc, updates })
  }
  const hear = ({ slot, updates }) => {
    for (const update of updates.splice(0)) answers.push(driver.apply(slot, update))
  }
  const positions = []
  const read = ({ slot, doc }, p) => {
    const form = yjsPosition(p)
    const want = yjsPlace(doc, p)
    const bare = Y.decodeRelativePosition(Y.encodeRelativePosition(p))
    answers.push(gessoPlace(driver, slot, form.json, true, form).then(got => expectEqual('place by JSON', want, got)))
    answers.push(gessoPlace(driver, slot, Y.encodeRelativePosition(p), false, yjsPosition(bare))
      .then(got => expectEqual('place by bytes', want, got)))
    seen.places++
    if (want === null) seen.nowhere++
  }
  for (let i = r.between(10, 40); i > 0; i--) {
    const here = r.pick(docs)
    const there = docs[1 - here.slot]
    if (r.chance(0.45)) {
      here.doc.transact(() => { for (let k = r.between(1, 3); k > 0; k--) makeEdit(r, here.doc) })
      hear(here)
    } else if (r.chance(0.3)) {
      Y.applyUpdate(there.doc, Y.encodeStateAsUpdate(here.doc, Y.encodeStateVector(there.doc)))
      hear(there)
    } else {
      const type = r.pick(Object.values(openRoots(here.doc)).flatMap(root => [...below(root)]))
      const length = type instanceof Y.Map || type instanceof Y.XmlHook ? 0 : type.length
      const index = r.chance(0.2) ? length : r.below(length + 1)
      const assoc = r.pick([0, 0, -1, -1, 1, 63, -64, 300, -100000])
      const p = Y.createRelativePositionFromTypeIndex(type, index, assoc)
      const want = yjsPosition(p)
      answers.push(driver.call('position_create', here.slot, [nameOf(type), index, unsigned(assoc)], readPosition)
        .then(made => expectEqual(`position ${index} of ${length}, association ${assoc}`, want, made)))
      positions.push(p)
      seen.made++
      read(here, p)
    }
    if (positions.length > 0) {
      read(here, r.pick(positions))
      read(there, r.pick(positions))
    }
  }
  for (const p of positions) for (const side of docs) read(side, p)
  for (const a of positions.slice(0, 5)) {
    for (const b of positions.slice(0, 5)) {
      const want = Y.compareRelativePositions(a, b)
      answers.push(driver.call('position_equal', 0, [yjsPosition(a).json, yjsPosition(b).json], decoding.readVarUint)
        .then(same => expectEqual('whether two positions are equal', want, same === 1)))
    }
  }
  for (const { slot } of docs) answers.push(driver.check(slot))
  await Promise.all(answers)
}

// One text and one array with nested texts, edited on both sides, with an undo manager on both: places
// that were undone and redone are followed, or not.
async function checkUndone (driver, seed, seen) {
  const r = new Random(seed * 86028121 + 1)
  const doc = new Y.Doc({ gc: r.chance(0.7) })
  doc.clientID = 1 + r.below(2 ** 32 - 1)
  const txt = doc.getText('txt')
  const arr = doc.getArray('arr')
  const um = new Y.UndoManager([txt, arr], { captureTimeout: 0 })
  driver.create(0, doc.clientID, doc.gc ? 0 : NO_GC)
  const handles = [await driver.root(0, 'txt', Kind.text), await driver.root(0, 'arr', Kind.array)]
  const answers = [driver.call('undo_new', 0, [0, 0, 0], () => {})]
  for (const handle of handles) answers.push(driver.call('undo_scope', 0, [0, handle], () => {}))
  const positions = []
  for (let i = r.between(12, 24); i > 0; i--) {
    const at = (type, more) => r.below(type.length + more)
    r.weighted([
      [3, () => {
        const [index, s] = [at(txt, 1), r.pick(['a', 'bcd', 'efghij'])]
        txt.insert(index, s)
        answers.push(driver.textInsert(0, handles[0], index, s))
      }],
      [txt.length > 0 ? 3 : 0, () => {
        const index = at(txt, 0)
        const count = r.between(1, txt.length - index)
        txt.delete(index, count)
        answers.push(driver.textRemove(0, handles[0], index, count))
      }],
      [2, () => {
        const index = at(arr, 1)
        const values = r.chance(0.4) ? [new Y.Text()] : [1, 'two', 3]
        arr.insert(index, values)
        answers.push(driver.arrayInsert(0, handles[1], index, values.map(v => v instanceof Y.Text ? new NewType(Kind.text) : v)))
      }],
      [arr.length > 0 ? 2 : 0, () => {
        const index = at(arr, 0)
        arr.delete(index, 1)
        answers.push(driver.arrayRemove(0, handles[1], index, 1))
      }],
      [3, () => { um.undo(); answers.push(driver.call('undo', 0, [0], () => {})) }],
      [2, () => { um.redo(); answers.push(driver.call('redo', 0, [0], () => {})) }]
    ])()
    const nested = arr.toArray().filter(v => v instanceof Y.Text)
    const type = r.pick([txt, txt, arr, ...nested])
    positions.push(Y.createRelativePositionFromTypeIndex(type, at(type, 1), r.pick([0, -1])))
    for (const p of [positions[positions.length - 1], r.pick(positions), r.pick(positions)]) {
      for (const follow of [true, false]) {
        const want = yjsPlace(doc, p, follow)
        answers.push(gessoPlace(driver, 0, yjsPosition(p).json, true, null, follow)
          .then(got => expectEqual(follow ? 'place, undone deletions followed' : 'place beside undo', want, got)))
        seen.places++
        if (follow && JSON.stringify(want) !== JSON.stringify(yjsPlace(doc, p))) seen.followed++
      }
    }
  }
  answers.push(driver.check(0))
  await Promise.all(answers)
}

export async function runPositions (getDriver, first, count) {
  const seen = { made: 0, places: 0, nowhere: 0, followed: 0 }
  const result = { passed: 0, failed: 0 }
  for (let seed = first; seed < first + count; seed++) {
    try {
      await checkPositions(getDriver(), seed, seen)
      await checkUndone(getDriver(), seed, seen)
      result.passed++
    } catch (error) {
      result.failed++
      if (result.failed < 10) console.log(`FAILED positions ${seed}: ${error.message}${error.what ? '' : '\n' + error.stack}`)
    }
  }
  console.log(`${count} scripts of relative positions: ${seen.made} made, equal byte for byte; ${seen.places} times read, ` +
    `${seen.nowhere} of them to no place, ${seen.followed} elsewhere because of undo`)
  return result
}
