// Yjs' side of the benchmark: node --expose-gc engine.mjs WORKLOAD FILE. The workloads are those of
// engine.c.
import { readFileSync } from 'node:fs'
import { Y } from './yjs.mjs'

const [workload, file, digesting] = process.argv.slice(2)
const data = readFileSync(file)
let at = 0
const u32 = () => { at += 4; return data.readUInt32LE(at - 4) }
const bytes = () => { const n = u32(); at += n; return data.subarray(at - n, at) }
const now = () => performance.now()
const say = result => console.log(JSON.stringify(result))
const cpuNow = () => { const u = process.cpuUsage(); return (u.user + u.system) / 1000 }
const median = list => [...list].sort((a, b) => a - b)[list.length >> 1]

function structs (doc) {
  let n = 0
  for (const list of doc.store.clients.values()) n += list.length
  return n
}

// The one of bench.h.
function digest (list) {
  let h = 2166136261
  for (const bytes of list) for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i], 16777619)
  return h >>> 0
}

// What `run` costs, once.
function measured (run) {
  const [start, cpu] = [now(), cpuNow()]
  run()
  return { ms: now() - start, cpu: cpuNow() - cpu }
}

// What is held when all garbage is gone: it takes some turns, and nothing of a call may be left on the stack.
async function used () {
  let held = Infinity
  for (let i = 0; i < 10; i++) {
    await new Promise(resolve => setTimeout(resolve, 5))
    await globalThis.gc({ type: 'major', execution: 'async' })
    const m = process.memoryUsage()
    if (Math.abs(m.heapUsed + m.external - held) < 1024) break
    held = m.heapUsed + m.external
  }
  return held
}

// The heap that is given back when what `make` returns is let go: a median, since code comes and goes as well.
async function heapOf (make) {
  const rounds = []
  for (let i = 0; i < 3; i++) {
    const kept = [make()]
    const held = await used()
    kept.length = 0
    rounds.push(held - await used())
  }
  return median(rounds)
}

// As many rounds as the machine code needs to settle, but no more than 30 seconds of them.
function settled (round) {
  const ms = []
  const cpu = []
  const end = now() + 30000
  while (ms.length < 60 && (now() < end || ms.length < 3)) {
    const once = measured(round)
    ms.push(once.ms)
    cpu.push(once.cpu)
  }
  const settledPart = cpu.slice(cpu.length >> 1) // the clock of CPU time is coarse: a mean, not a median
  return { first: ms[0], ms: median(ms.slice(ms.length >> 1)), cpu: settledPart.reduce((a, b) => a + b) / settledPart.length }
}

function readEdits () {
  const edits = []
  for (let n = u32(); n > 0; n--) edits.push([u32(), u32(), bytes().toString()])
  return edits
}

function readUpdates () {
  const updates = []
  for (let n = u32(); n > 0; n--) updates.push(bytes())
  return updates
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
  let bytes = 0
  const kept = []
  doc.on('update', digesting ? update => kept.push(update) : update => { bytes += update.length })
  const all = () => edits.forEach(edit => step(doc, edit))
  const cost = measured(() => once ? doc.transact(all) : all())
  return digesting ? { digest: digest(kept) } : { ...cost, bytes, length: doc.getText('text').length }
}

function remote (once) {
  const updates = readUpdates()
  const doc = new Y.Doc()
  doc.on('update', () => {})
  const all = () => updates.forEach(update => Y.applyUpdate(doc, update))
  const cost = measured(() => once ? doc.transact(all) : all())
  return { ...cost, structs: structs(doc), length: doc.getText('text').length }
}

function loaded () {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, data)
  return doc
}

// Bytes that `round` makes, many times over.
function made (round) {
  let out
  const cost = settled(() => { out = round() })
  return { ...cost, bytes: out.length, digest: digest([out]) }
}

const half = () => readFileSync(file + '.half')

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
    const cost = measured(() => {
      edits.forEach((edit, i) => editText(docs[i % 2].getText('text'), edit))
      log.forEach((list, i) => list.forEach(update => Y.applyUpdate(docs[1 - i], update, 'remote')))
    })
    const bytes = log.flat().reduce((n, update) => n + update.length, 0)
    return { ...cost, bytes, length: docs[0].getText('text').length }
  },
  // As two-users, but each makes all edits in one transaction, and what they have to exchange is an update each.
  'both-users' () {
    const [first, ...edits] = readEdits()
    const made = []
    const docs = [0, 1].map(i => {
      const doc = new Y.Doc()
      doc.clientID = i + 1
      return doc
    })
    editText(docs[0].getText('text'), first)
    Y.applyUpdate(docs[1], Y.encodeStateAsUpdate(docs[0]))
    docs.forEach(doc => doc.on('update', (update, origin) => { if (origin !== 'remote') made.push(update) }))
    const cost = measured(() => {
      docs.forEach((doc, i) => doc.transact(() => {
        for (let k = 0; k < edits.length / 2; k++) editText(doc.getText('text'), edits[i * edits.length / 2 + k])
      }))
      docs.forEach((doc, i) => Y.applyUpdate(doc, made[1 - i], 'remote'))
    })
    return { ...cost, bytes: made[0].length + made[1].length, length: docs[0].getText('text').length, digest: digest(made) }
  },
  'array-bulk' () {
    const numbers = readEdits().map(([, , digits]) => Number(digits))
    const doc = new Y.Doc()
    doc.clientID = 1
    let update
    doc.on('update', made => { update = made })
    const cost = measured(() => doc.getArray('array').insert(0, numbers))
    return { ...cost, bytes: update.length, digest: digest([update]) }
  },
  apply: () => remote(false),
  fold: () => remote(true),
  load: () => settled(() => loaded()),
  load2: () => settled(() => Y.applyUpdateV2(new Y.Doc(), data)),
  heap: async () => ({ heap: await heapOf(loaded), structs: structs(loaded()) }),
  async rooms () {
    const n = 1000
    const open = () => Array.from({ length: n }, loaded)
    loaded()
    const { ms, cpu } = measured(open)
    return { ms: ms / n, cpu: cpu / n, heap: await heapOf(open) / n }
  },
  encode () {
    const doc = loaded()
    return made(() => Y.encodeStateAsUpdate(doc))
  },
  encode2 () {
    const doc = loaded()
    return made(() => Y.encodeStateAsUpdateV2(doc))
  },
  'nothing-new' () {
    const doc = loaded()
    const sv = Y.encodeStateVector(doc)
    return made(() => Y.encodeStateAsUpdate(doc, sv))
  },
  diff () {
    const [doc, sv] = [loaded(), half()]
    return made(() => Y.encodeStateAsUpdate(doc, sv))
  },
  diff2 () {
    const [doc, sv] = [loaded(), half()]
    return made(() => Y.encodeStateAsUpdateV2(doc, sv))
  },
  merge () {
    const updates = readUpdates()
    return made(() => Y.mergeUpdates(updates))
  },
  merge2 () {
    const updates = readUpdates()
    return made(() => Y.mergeUpdatesV2(updates))
  },
  cut () {
    const sv = Y.encodeStateVectorFromUpdate(data)
    return made(() => Y.diffUpdate(data, sv))
  },
  'cut-half' () {
    const sv = half()
    return made(() => Y.diffUpdate(data, sv))
  },
  'cut-half2' () {
    const sv = half()
    return made(() => Y.diffUpdateV2(data, sv))
  },
  'vector-of': () => made(() => Y.encodeStateVectorFromUpdate(data))
}

say(await workloads[workload]())
