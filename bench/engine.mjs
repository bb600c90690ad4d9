// Yjs' side of the benchmark: node --expose-gc engine.mjs WORKLOAD FILE. The workloads are those of
// engine.c.
import { readFileSync } from 'node:fs'
import { Y } from './yjs.mjs'

const [workload, file] = process.argv.slice(2)
const data = readFileSync(file)
let at = 0
const u32 = () => { at += 4; return data.readUInt32LE(at - 4) }
const bytes = () => { const n = u32(); at += n; return data.subarray(at - n, at) }
const now = () => performance.now()
const say = result => console.log(JSON.stringify(result))
const median = list => [...list].sort((a, b) => a - b)[list.length >> 1]

function structs (doc) {
  let n = 0
  for (const list of doc.store.clients.values()) n += list.length
  return n
}

// As many rounds as the machine code needs to settle, but no more than 30 seconds of them.
function settled (round) {
  const ms = []
  const end = now() + 30000
  while (ms.length < 60 && (now() < end || ms.length < 3)) {
    const start = now()
    round()
    ms.push(now() - start)
  }
  return { first: ms[0], ms: median(ms.slice(ms.length >> 1)) }
}

function readEdits () {
  const edits = []
  for (let n = u32(); n > 0; n--) edits.push([u32(), u32(), bytes().toString()])
  return edits
}

function editText (text, [at, removed, added]) {
  if (removed !== 0) text.delete(at, removed)
  if (added !== '') text.insert(at, added)
}

// One transaction for each of the steps, or one for all.
function local (step, once = false) {
  const edits = readEdits()
  const doc = new Y.Doc()
  doc.clientID = 1
  let updateBytes = 0
  let updates = 0
  doc.on('update', update => { updateBytes += update.length; updates++ })
  const start = now()
  const all = () => edits.forEach(edit => step(doc, edit))
  if (once) doc.transact(all)
  else all()
  return { ms: now() - start, updates, bytes: updateBytes, length: doc.getText('text').length }
}

function remote (once) {
  const updates = []
  for (let n = u32(); n > 0; n--) updates.push(bytes())
  const doc = new Y.Doc()
  doc.on('update', () => {})
  const start = now()
  const all = () => updates.forEach(update => Y.applyUpdate(doc, update))
  if (once) doc.transact(all)
  else all()
  return { ms: now() - start, structs: structs(doc) }
}

const workloads = {
  keystrokes: () => local((doc, edit) => editText(doc.getText('text'), edit)),
  once: () => local((doc, edit) => editText(doc.getText('text'), edit), true),
  array: () => local((doc, [at, removed, added]) => {
    if (removed !== 0) doc.getArray('array').delete(at, removed)
    else doc.getArray('array').insert(at, [Number(added)])
  }),
  overwrite: () => local((doc, [, , added]) => doc.getMap('map').set('key', Number(added))),
  'two-users' () {
    const edits = readEdits()
    const log = [[], []]
    const docs = log.map((list, i) => {
      const doc = new Y.Doc()
      doc.clientID = i + 1
      doc.on('update', (update, origin) => { if (origin !== 'remote') list.push(update) })
      return doc
    })
    const start = now()
    edits.forEach((edit, i) => editText(docs[i % 2].getText('text'), edit))
    log.forEach((list, i) => list.forEach(update => Y.applyUpdate(docs[1 - i], update, 'remote')))
    return { ms: now() - start, length: docs[0].getText('text').length }
  },
  apply: () => remote(false),
  fold: () => remote(true),
  load2 () {
    return settled(() => Y.applyUpdateV2(new Y.Doc(), data))
  },
  encode2 () {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, data)
    let length = 0
    const { ms } = settled(() => { length = Y.encodeStateAsUpdateV2(doc).length })
    return { ms, bytes: length }
  },
  load () {
    return settled(() => Y.applyUpdate(new Y.Doc(), data))
  },
  heap () {
    // The second load is measured: the first one brings the code into memory.
    Y.applyUpdate(new Y.Doc(), data)
    const used = () => {
      for (let i = 0; i < 4; i++) globalThis.gc()
      const m = process.memoryUsage()
      return m.heapUsed + m.external
    }
    const before = used()
    const doc = new Y.Doc()
    Y.applyUpdate(doc, data)
    return { bytes: used() - before, structs: structs(doc) }
  },
  encode () {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, data)
    let length = 0
    const { ms } = settled(() => { length = Y.encodeStateAsUpdate(doc).length })
    return { ms, bytes: length }
  },
  merge () {
    const updates = []
    for (let n = u32(); n > 0; n--) updates.push(bytes())
    let length = 0
    const { ms } = settled(() => { length = Y.mergeUpdates(updates).length })
    return { ms, bytes: length }
  },
  cut () {
    const sv = Y.encodeStateVectorFromUpdate(data)
    let length = 0
    const { ms } = settled(() => { length = Y.diffUpdate(data, sv).length })
    return { ms, bytes: length }
  },
  'nothing-new' () {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, data)
    const sv = Y.encodeStateVector(doc)
    let length = 0
    const { ms } = settled(() => { length = Y.encodeStateAsUpdate(doc, sv).length })
    return { ms, bytes: length }
  }
}

say(workloads[workload]())
