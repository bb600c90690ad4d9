// Makes the input of the benchmarks, the same from the same seed.
//
//   edits.bin     u32 count, then each edit: u32 position, u32 removed, u32 length and UTF-8
//   updates.bin   u32 count, then each update: u32 length and bytes
//   *.state       one v1 update; *.state.half the state vector of a peer who has half of it
// All numbers are little endian.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { Random } from '../tests/interop/random.mjs'
import { Y } from './yjs.mjs'

const u32 = n => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b }
const packed = list => Buffer.concat(list.flatMap(b => [u32(b.length), b]))

// A keystroke history of the shape of a real one (a LaTeX paper, written in an editor): 259,778 single
// characters, 70 % typed in runs of 29 on average and half of them shorter than 10, 30 % removed in
// runs; half of the runs go on where the last one ended, few go far away.
function typedHistory (seed) {
  const r = new Random(seed)
  const normal = () => Math.sqrt(-2 * Math.log(1 - r.next())) * Math.cos(2 * Math.PI * r.next())
  const words = 'the of and replicated data types in a \\cite{ } paper with text, for each.\n'.split('')
  const edits = []
  let length = 0
  let at = 0
  while (edits.length < 259778) {
    if (!r.chance(0.5)) {
      const far = Math.round(10 ** (r.next() ** 1.6 * 4))
      at = Math.max(0, Math.min(length, at + (r.chance(0.5) ? far : -far)))
    }
    if (r.chance(0.6) || length < 50) {
      for (let n = Math.ceil(Math.exp(2.2 + 1.48 * normal())); n > 0; n--) {
        edits.push([at, 0, r.pick(words)])
        at++
        length++
      }
    } else {
      for (let n = Math.ceil(Math.exp(0.7 + 1.75 * normal())); n > 0 && at > 0; n--) {
        at--
        edits.push([at, 1, ''])
        length--
      }
    }
  }
  return edits.slice(0, 259778)
}

function traceHistory (path) {
  const raw = readFileSync(path)
  const trace = JSON.parse(path.endsWith('.gz') ? gunzipSync(raw) : raw)
  if (trace.startContent) throw new Error('a trace that starts with content is not supported')
  return trace.txns.flatMap(t => t.patches)
}

// 1,000 shapes of one map each, x and y dragged at 60 Hz by four clients who take turns and sync.
function whiteboard (seed) {
  const r = new Random(seed)
  const updates = []
  const docs = Array.from({ length: 4 }, (_, i) => {
    const doc = new Y.Doc()
    doc.clientID = 1000 + i * 7919
    doc.on('update', (update, origin) => {
      if (origin === 'remote') return
      updates.push(Buffer.from(update))
      for (const other of docs) if (other !== doc) Y.applyUpdate(other, update, 'remote')
    })
    return doc
  })
  for (let i = 0; i < 1000; i++) {
    const doc = docs[i % 4]
    doc.transact(() => {
      const shape = new Y.Map()
      doc.getMap('shapes').set(`shape-${i}`, shape)
      const at = { x: r.below(4000), y: r.below(3000), w: 100, h: 60, type: 'rectangle', color: '#1e1e1e' }
      for (const [key, value] of Object.entries(at)) shape.set(key, value)
    })
  }
  // A drag is about half a second; two of the clients drag at the same time.
  for (let drag = 0; drag < 420; drag++) {
    const who = [docs[drag % 4], docs[(drag + 1) % 4]]
    const what = who.map(doc => doc.getMap('shapes').get(`shape-${r.below(1000)}`))
    let [x, y] = [r.below(4000), r.below(3000)]
    for (let frame = 0; frame < 30; frame++) {
      x += r.between(-9, 9)
      y += r.between(-9, 9)
      who.forEach((doc, i) => doc.transact(() => {
        what[i].set('x', x + i)
        what[i].set('y', y + i)
      }))
    }
  }
  return { updates, state: Buffer.from(Y.encodeStateAsUpdate(docs[0])) }
}

const packEdits = edits => Buffer.concat([u32(edits.length), ...edits.flatMap(([at, removed, added]) => {
  const b = Buffer.from(added)
  return [u32(at), u32(removed), u32(b.length), b]
})])
const packUpdates = updates => Buffer.concat([u32(updates.length), packed(updates)])

// The small families of crdt-benchmarks, N = 6000.
const N = 6000
const letters = (r, n) => Array.from({ length: n }, () => String.fromCharCode(97 + r.below(26))).join('')
const word = r => letters(r, r.between(2, 9))
const small = {
  'random-inserts': r => Array.from({ length: N }, (_, i) => [r.below(i + 1), 0, String.fromCharCode(97 + r.below(26))]),
  'random-words' (r) {
    let length = 0
    return Array.from({ length: N }, () => {
      const w = word(r)
      const at = r.below(length + 1)
      length += w.length
      return [at, 0, w]
    })
  },
  'inserts-and-deletes' (r) {
    let length = 0
    return Array.from({ length: N }, (_, i) => {
      if (length > 0 && r.chance(0.5)) {
        const at = r.below(length)
        const n = Math.min(length - at, r.between(1, 9))
        length -= n
        return [at, n, '']
      }
      const w = word(r)
      const at = r.below(length + 1)
      length += w.length
      return [at, 0, w]
    })
  },
  numbers: r => Array.from({ length: N }, (_, i) => [r.below(i + 1), 0, String(r.below(1000000))]),
  appends: () => Array.from({ length: N }, (_, i) => [i, 0, 'a']),
  // Every other edit is the other user's; each of them sees only his own text.
  'two-users' (r) {
    const lengths = [0, 0]
    return Array.from({ length: 2 * N }, (_, i) => {
      const u = i % 2
      if (lengths[u] > 9 && r.chance(0.4)) {
        const n = r.between(1, 9)
        lengths[u] -= n
        return [r.below(lengths[u] + 1), n, '']
      }
      const w = word(r)
      const at = r.below(lengths[u] + 1)
      lengths[u] += w.length
      return [at, 0, w]
    })
  },
  'one-string': r => [[0, 0, letters(r, N)]],
  prepends: r => Array.from({ length: N }, () => [0, 0, letters(r, 1)]),
  'string-and-back': r => [[0, 0, letters(r, N)], [0, N, '']],
  'numbers-appended': r => Array.from({ length: N }, (_, i) => [i, 0, String(r.below(1000000))]),
  'numbers-prepended': r => Array.from({ length: N }, () => [0, 0, String(r.below(1000000))]),
  'both-strings': r => both(r, 1, () => [[0, 0, letters(r, N)]]),
  'both-inserts': r => both(r, N, length => [[r.below(length + 1), 0, letters(r, 1)]]),
  'both-words': r => both(r, N, length => [[r.below(length + 1), 0, letters(r, r.between(3, 9))]]),
  'both-edits': r => both(r, N, length => {
    const at = r.below(length + 1)
    const first = letters(r, r.between(3, 9))
    const left = length + first.length - at
    return [[at, 0, first], r.chance(0.5) ? [at, 0, word(r)] : [at, r.between(1, Math.min(9, left)), '']]
  })
}

// What both users have, then the edits of one, then as many of the other, who does not see them.
function both (r, steps, edit) {
  const edits = [[0, 0, letters(r, 100)]]
  for (let user = 0; user < 2; user++) {
    let length = 100
    for (let i = 0; i < steps; i++) {
      for (const [at, removed, added] of edit(length)) {
        edits.push([at, removed, added])
        length += added.length - removed
      }
    }
  }
  return edits
}

// An update of each of `n` clients who do not know of each other.
function crowd (n, edit) {
  return Array.from({ length: n }, (_, i) => {
    const doc = new Y.Doc()
    doc.clientID = 1000 + ((i * 7919) % 100003) // in no order
    edit(doc, i)
    return Buffer.from(Y.encodeStateAsUpdate(doc))
  })
}

function shapes (n, r) {
  const doc = new Y.Doc()
  doc.clientID = 1
  doc.transact(() => {
    const all = doc.getMap('shapes')
    for (let i = 0; i < n; i++) {
      const shape = new Y.Map()
      all.set(`shape-${i}`, shape)
      const at = { x: r.below(4000), y: r.below(3000), w: r.below(400), h: r.below(300), type: 'rectangle', color: '#1e1e1e', angle: 0, text: word(r) }
      for (const [key, value] of Object.entries(at)) shape.set(key, value)
    }
  })
  return doc
}

const made = {
  'crowd-key.updates': () => packUpdates(crowd(1540, (doc, i) => doc.getMap('map').set('key', i))),
  'crowd-object.updates': () => packUpdates(crowd(1540, (doc, i) => doc.getMap('map').set('key', { name: 'user ' + i, address: 'here' }))),
  'crowd-long-string.updates': () => packUpdates(crowd(1540, (doc, i) => doc.getMap('map').set('key', String(i).repeat(1540)))),
  'crowd-array.updates': () => packUpdates(crowd(1540, (doc, i) => doc.getArray('array').insert(0, ['user ' + i]))),
  'crowd-position.updates': () => packUpdates(crowd(1540, (doc, i) => doc.getText('text').insert(0, 'user ' + i))),
  'out-of-order.updates' () {
    const updates = []
    const doc = new Y.Doc()
    doc.clientID = 1
    doc.on('update', update => updates.push(Buffer.from(update)))
    const r = new Random(11)
    for (let i = 0; i < 2000; i++) doc.getText('text').insert(r.below(i + 1), 'x')
    return packUpdates(r.shuffle(updates))
  },
  '100000-shapes.state': () => Buffer.from(Y.encodeStateAsUpdate(shapes(100000, new Random(12)))),
  '100000-shapes.state2': folder => Buffer.from(Y.convertUpdateFormatV1ToV2(readFileSync(need(folder, '100000-shapes.state')))),
  '50-shapes.state': () => Buffer.from(Y.encodeStateAsUpdate(shapes(50, new Random(13)))),
  // Few enough for Yjs to merge them: it sorts all of them for each one.
  'some.updates' (folder) {
    const updates = readFileSync(join(folder, 'board-updates.bin'))
    let at = 4
    for (let i = 0; i < 2000; i++) at += 4 + updates.readUInt32LE(at)
    return Buffer.concat([u32(2000), updates.subarray(4, at)])
  },
  'some.updates2' (folder) {
    const updates = readFileSync(need(folder, 'some.updates'))
    const list = []
    for (let at = 4; at < updates.length; at += 4 + list.at(-1).length) {
      list.push(updates.subarray(at + 4, at + 4 + updates.readUInt32LE(at)))
    }
    return packUpdates(list.map(update => Buffer.from(Y.convertUpdateFormatV1ToV2(update))))
  },
  'board.state2': folder => Buffer.from(Y.convertUpdateFormatV1ToV2(readFileSync(join(folder, 'board.state'))))
}

// Makes one of those if it is missing, and returns the path. Any other file is there already.
export function need (folder, name) {
  const path = join(folder, name)
  if (name in made && !existsSync(path)) writeFileSync(path, made[name](folder))
  return path
}

// Makes what every run begins with if it is missing in `folder`, and returns the paths of all.
export function makeInput (folder, trace) {
  mkdirSync(folder, { recursive: true })
  const name = trace ? `${basename(trace).split('.')[0]}-${statSync(trace).size}` : 'typed'
  const paths = {
    b4: name.startsWith('automerge-paper'),
    edits: join(folder, `${name}-edits.bin`),
    updates: join(folder, `${name}-updates.bin`),
    text: join(folder, `${name}.state`),
    text2: join(folder, `${name}.state2`),
    boardUpdates: join(folder, 'board-updates.bin'),
    board: join(folder, 'board.state')
  }
  if (!existsSync(paths.text)) {
    const edits = trace ? traceHistory(trace) : typedHistory(1)
    writeFileSync(paths.edits, packEdits(edits))
    const doc = new Y.Doc()
    doc.clientID = 1
    const updates = []
    doc.on('update', update => updates.push(Buffer.from(update)))
    const text = doc.getText('text')
    for (const [at, removed, added] of edits) {
      if (removed) text.delete(at, removed)
      if (added) text.insert(at, added)
    }
    writeFileSync(paths.updates, packUpdates(updates))
    writeFileSync(paths.text, Y.encodeStateAsUpdate(doc))
  }
  if (!existsSync(paths.text2)) writeFileSync(paths.text2, Y.convertUpdateFormatV1ToV2(readFileSync(paths.text)))
  if (!existsSync(paths.board)) {
    const { updates, state } = whiteboard(2)
    writeFileSync(paths.boardUpdates, packUpdates(updates))
    writeFileSync(paths.board, state)
  }
  const halves = [[paths.text, paths.text], [paths.text, paths.text2], [paths.board, paths.board]]
  for (const [state, of] of halves) {
    if (existsSync(of + '.half')) continue
    const sv = Y.decodeStateVector(Y.encodeStateVectorFromUpdate(readFileSync(state)))
    writeFileSync(of + '.half', Y.encodeStateVector(new Map([...sv].map(([client, clock]) => [client, clock >> 1]))))
  }
  let seed = 20
  for (const [name, make] of Object.entries(small)) {
    paths[name] = join(folder, name + '.edits')
    if (!existsSync(paths[name])) writeFileSync(paths[name], packEdits(make(new Random(seed))))
    seed++
  }
  for (const name of Object.keys(made)) paths[name] = join(folder, name)
  return paths
}

// The edits of an editing trace as a file of their own.
export function makeEdits (folder, trace, name) {
  const path = join(folder, `${name}.edits`)
  if (!existsSync(path)) writeFileSync(path, packEdits(traceHistory(trace)))
  return path
}
