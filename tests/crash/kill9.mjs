/* kill -9 in the midst of writing. 50 boards, each with a writer (20 updates a second) and a reader;
 * at a random moment the server is killed and all clients are gone with it, so nobody can bring back
 * what the server forgot. Whatever a reader had received must be there after the restart.
 *
 *   node kill9.mjs [--gesso PATH] [--kills N] [--boards N] [--rate PER_SECOND] [--seed N]
 *
 * A broadcast that leaves before its update is written loses some here. Each kill is checked to have
 * come within 50 ms after some reader received an update: otherwise it proved nothing and is repeated
 * (a machine that is busy with other things may need some of those).
 * Ends with "N passed, N failed"; each kill is one. */
import { createRequire } from 'node:module'
import { option, sleep } from '../clients/lib/runner.mjs'
import { Raw, step1, update, visit } from '../clients/lib/raw.mjs'
import { Server } from '../clients/lib/server.mjs'

const Y = createRequire(new URL('../clients/package.json', import.meta.url))('yjs')

const kills = Number(option('kills', 50))
const boardCount = Number(option('boards', 50))
const rate = Number(option('rate', 20))
const seed = Number(option('seed', Math.floor(Math.random() * 2 ** 31)))

let state = seed >>> 0
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}

/* What readers of a board have received, over all rounds, merged by Yjs. */
const boards = Array.from({ length: boardCount }, (_, i) => ({ name: `kill-${i}`, seen: new Y.Doc(), received: 0 }))

function write(writer) {
  const { doc } = writer
  doc.transact(() => {
    const n = writer.count++
    doc.getArray('log').push([n])
    doc.getMap('shapes').set(`shape ${n % 7}`, [n, n * 2])
    if (n % 5 === 4) doc.getArray('log').delete(0, 1)
  })
}

async function open(server, name) {
  const raw = new Raw(`${server.ws}/${name}`)
  await raw.opened
  raw.send(step1())
  const answer = await raw.waitFor('step2')
  return { raw, answer }
}

async function startBoard(server, board) {
  const reader = await open(server, board.name)
  Y.applyUpdate(board.seen, reader.answer.body)
  reader.raw.onmessage = (m) => {
    if (m.kind !== 'update') return
    board.received++
    board.lastReceived = performance.now()
    Y.applyUpdate(board.seen, m.body)
  }
  const w = await open(server, board.name)
  const writer = { raw: w.raw, doc: new Y.Doc(), count: 0 }
  Y.applyUpdate(writer.doc, w.answer.body)
  writer.doc.on('update', (bytes) => writer.raw.send(update(bytes)))
  const tick = () => {
    if (writer.stopped) return
    write(writer)
    writer.timer = setTimeout(tick, (1000 / rate) * (0.5 + random()))
  }
  writer.timer = setTimeout(tick, random() * (1000 / rate))
  board.sockets = [reader.raw, w.raw]
  board.writer = writer
}

/* Does `bytes` contain all of `doc`? Its state vector must not be behind, and merging `doc` into it
 * must change nothing: that finds missing deletions too. */
function missing(bytes, doc) {
  const there = new Y.Doc()
  Y.applyUpdate(there, bytes)
  const have = Y.decodeStateVector(Y.encodeStateVector(there))
  let lost = 0
  for (const [client, clock] of Y.decodeStateVector(Y.encodeStateVector(doc)))
    lost += Math.max(0, clock - (have.get(client) ?? 0))
  const before = JSON.stringify([there.getArray('log').toJSON(), there.getMap('shapes').toJSON()])
  Y.applyUpdate(there, Y.encodeStateAsUpdate(doc))
  const after = JSON.stringify([there.getArray('log').toJSON(), there.getMap('shapes').toJSON()])
  return { lost, different: before !== after }
}

const server = new Server()
let passed = 0, failed = 0, received = 0, repeats = 0
console.log(`seed ${seed}: ${kills} kills, ${boardCount} boards, ${rate} updates/s on each`)
for (let round = 0; round < kills; round++) {
  await server.start()
  await Promise.all(boards.map((b) => startBoard(server, b)))
  await sleep(300 + random() * 1200)
  const killed = server.kill()
  const at = performance.now()
  boards.forEach((b) => { b.writer.stopped = true; clearTimeout(b.writer.timer) })
  await killed
  /* What was sent before the kill is in the kernel and still arrives: it counts as received. */
  await Promise.all(boards.flatMap((b) => b.sockets.map((s) => s.gone)))
  const age = at - Math.max(...boards.map((b) => b.lastReceived ?? 0))
  const sum = boards.reduce((n, b) => n + b.received, 0)

  await server.start()
  const problems = []
  await Promise.all(boards.map(async (b) => {
    try {
      const { lost, different } = missing(await visit(`${server.ws}/${b.name}`), b.seen)
      if (lost !== 0 || different) problems.push(`${b.name}: ${lost} clocks missing${different ? ', content differs' : ''}`)
    } catch (error) {
      problems.push(`${b.name}: ${error.message}`)
    }
  }))
  if (sum === received) problems.push('no reader received anything')
  await server.kill()
  if (problems.length === 0 && !(age < 50)) {
    console.log(`again kill ${round + 1}: the last update was received ${Math.round(age)} ms before`)
    if (++repeats <= kills) round--
    else failed++
  } else if (problems.length === 0) {
    passed++
    console.log(`ok    kill ${round + 1}: ${sum - received} updates received, the last ${age.toFixed(1)} ms before`)
  } else {
    failed++
    console.log(`FAIL  kill ${round + 1}: ${problems.slice(0, 5).join('; ')}`)
    /* What is lost is lost: the next rounds look for their own. */
    for (const b of boards) b.seen = new Y.Doc()
  }
  received = sum
}
await server.discard()
console.log(`${received} updates were received by readers`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
