// Everything that a session leaves behind, read as trees of values: arrays, entries of maps and attributes, deltas.
// Kinds that JSON cannot tell apart (bigint, bytes, undefined, types) must be those of Yjs.
import * as Y from 'yjs'
import { makeSession, openRoots, roots } from './session.mjs'
import { expectEqual, receive } from './compare.mjs'
import { Kind, NO_GC } from './driver.mjs'

const rootKind = { map: Kind.map, array: Kind.array, text: Kind.text, xml: Kind.xmlFragment }
const kinds = [[Y.XmlHook, Kind.xmlHook], [Y.XmlText, Kind.xmlText], [Y.XmlElement, Kind.xmlElement],
  [Y.XmlFragment, Kind.xmlFragment], [Y.Text, Kind.text], [Y.Map, Kind.map], [Y.Array, Kind.array]]

function kindOf (type) {
  return kinds.find(([constructor]) => type instanceof constructor)[1]
}

// Yjs' values in the words of the driver. Formats and embeds are JSON there: no lone halves of characters, no -0.
function told (v) {
  if (typeof v === 'string') return Buffer.from(v).toString()
  if (v instanceof Uint8Array) return Uint8Array.from(v)
  if (v instanceof Y.AbstractType) return { $type: kindOf(v) }
  if (v instanceof Y.Doc) return { $doc: v.guid }
  if (Array.isArray(v)) return v.map(told)
  if (v === null || typeof v !== 'object') return v
  return Object.fromEntries(Object.entries(v).map(([key, x]) => [told(key), told(x)]))
}

// What JSON text makes of a value: formats and embeds.
const json = v => v instanceof Y.AbstractType ? told(v) : told(JSON.parse(JSON.stringify(v) ?? 'null'))

// Takes the handles out of what gesso said and notes them.
function taken (v, refs) {
  if (v instanceof Uint8Array) return Uint8Array.from(v)
  if (Array.isArray(v)) return v.map(x => taken(x, refs))
  if (v === null || typeof v !== 'object') return v
  if ('$ref' in v) {
    refs.push(v.$ref)
    return { $type: v.$type }
  }
  return Object.fromEntries(Object.entries(v).map(([key, x]) => [key, taken(x, refs)]))
}

// Types inside a list of Yjs' values, in order: gesso's come in the same one.
const typesIn = list => list.filter(v => v instanceof Y.AbstractType)

async function compareType (driver, type, ref, seen, path) {
  seen.types++
  const walk = async (values, refs) => {
    const inner = typesIn(values)
    expectEqual(`${path}: number of types`, inner.length, refs.length)
    for (let i = 0; i < inner.length; i++) await compareType(driver, inner[i], refs[i], seen, `${path}/${i}`)
  }
  if (type instanceof Y.Text) {
    const refs = []
    const want = type.toDelta()
    const got = taken(await driver.getDelta(0, ref), refs)
    const lengths = want.map(op => typeof op.insert === 'string' ? op.insert.length : 1)
    expectEqual(`${path}: lengths of a delta`, lengths, got.map(op => op.length))
    expectEqual(`${path}: delta`, want.map(op => op.attributes ? { insert: json(op.insert), attributes: json(op.attributes) } : { insert: json(op.insert) }),
      got.map(({ length, ...op }) => op))
    seen.values += want.length
    await walk(want.map(op => op.insert), refs)
  } else if (!(type instanceof Y.Map)) {
    const refs = []
    const want = type.toArray()
    const got = taken(await driver.values(0, ref), refs)
    expectEqual(`${path}: values`, told(want), got)
    const at = want.length >> 1
    expectEqual(`${path}: some values`, told(want.slice(at, at + 3)), taken(await driver.values(0, ref, at, 3), []))
    seen.values += want.length
    await walk(want, refs)
  }
  if (type instanceof Y.XmlFragment) {
    const nodes = [...type.createTreeWalker(() => true)]
    expectEqual(`${path}: nodes in order`, nodes.map(kindOf), await driver.walk(0, ref))
    seen.nodes += nodes.length
  }
  const entries = [...type._map].filter(([, item]) => !item.deleted).map(([key, item]) => [key, item.content.getContent()[item.length - 1]])
  if (type instanceof Y.Array || type instanceof Y.XmlFragment && !(type instanceof Y.XmlElement)) return
  const got = await driver.entries(0, ref)
  expectEqual(`${path}: keys`, entries.map(([key]) => told(key)).sort(), Object.keys(got).sort())
  for (const [key, value] of entries) {
    const refs = []
    expectEqual(`${path}: entry ${key}`, told(value), taken(got[told(key)], refs))
    expectEqual(`${path}: value of ${key}`, told(value), taken(await driver.mapGet(0, ref, key), []))
    seen.values++
    await walk([value], refs)
  }
}

export async function runValues (getDriver, first, count) {
  const seen = { types: 0, values: 0, nodes: 0 }
  const result = { passed: 0, failed: 0 }
  for (let seed = first; seed < first + count; seed++) {
    const driver = getDriver()
    try {
      const { delivery, gc } = makeSession(seed)
      const doc = new Y.Doc({ gc })
      await driver.create(0, 1, gc ? 0 : NO_GC)
      for (const update of delivery) {
        receive(doc, update)
        await (update.v2 ? driver.applyV2(0, update.bytes) : driver.apply(0, update.bytes))
      }
      const top = openRoots(doc)
      for (const [name, kind] of Object.entries(roots)) {
        await compareType(driver, top[name], await driver.root(0, name, rootKind[kind]), seen, name)
      }
      result.passed++
    } catch (error) {
      result.failed++
      if (result.failed < 10) console.log(`FAILED values ${seed}: ${error.message}${error.what ? '' : '\n' + error.stack}`)
    }
  }
  console.log(`${count} sessions read as values: ${seen.types} types, ${seen.values} values in them, ${seen.nodes} nodes of XML walked`)
  return result
}
