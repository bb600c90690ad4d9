/* A shape dragged for ten minutes at 60 Hz: 36,000 overwrites of one key on one board. The data folder
 * must hardly grow by it, and at no time be larger than what the store promises.
 *
 *   node growth.mjs [--gesso PATH] [--port N] [--overwrites N] */
import * as Y from 'yjs'
import { assert, option, runAll, sleep, test, until } from './lib/runner.mjs'
import { Raw, step1, update, visit } from './lib/raw.mjs'
import { Server } from './lib/server.mjs'

const overwrites = Number(option('overwrites', 36000))
const server = await new Server().start()

/* As many updates on their way as a fast client has, never more: the sender waits for echoes. */
const IN_FLIGHT = 16
const GROWTH_MAX = 200 * 1024

const kb = (n) => `${Math.round(n / 1024)} KB`

test(`${overwrites} overwrites of one position`, async () => {
  const doc = new Y.Doc()
  const shapes = doc.getMap('elements')
  const raw = new Raw(`${server.ws}/drag`)
  await raw.opened
  raw.send(step1())
  await raw.waitFor('step2')
  let echoed = 0
  const vector = new Map()
  raw.onmessage = (m) => {
    if (m.kind !== 'update') return
    for (const s of Y.decodeUpdate(m.body).structs) vector.set(s.id.client, s.id.clock + s.length)
    echoed = vector.get(doc.clientID) ?? 0
    raw.messages.length = raw.frames.length = 0
  }
  doc.on('update', (bytes) => raw.send(update(bytes)))
  doc.transact(() => {
    for (let i = 0; i < 100; i++) {
      const shape = new Y.Map()
      shape.set('b', { type: 'rectangle', stroke: '#1e1e1e', seed: i })
      shape.set('g', [i * 10, i * 5, 100, 80, 0])
      shapes.set(`shape-${i}`, shape)
    }
  })
  const clock = () => Y.getState(doc.store, doc.clientID)
  await until(() => echoed === clock(), 'the first board to be acknowledged')
  await sleep(10000)
  const before = server.diskBytes()
  let largest = before, limit = 0, sent = 0
  const dragged = shapes.get('shape-42')
  while (sent < overwrites) {
    while (sent < overwrites && clock() - echoed < IN_FLIGHT) {
      dragged.set('g', [sent % 1900, (sent * 7) % 1000, 100, 80, 0])
      sent++
    }
    if (sent % 2000 < IN_FLIGHT) {
      const size = server.diskBytes()
      largest = Math.max(largest, size)
      limit = Math.max(limit, await server.metric('store_journal_bytes_max'))
    }
    await sleep(0)
  }
  await until(() => echoed === clock(), 'the last overwrite to be acknowledged')
  largest = Math.max(largest, server.diskBytes())
  await sleep(10000)
  const after = server.diskBytes()
  console.log(`      ${kb(before)} before, ${kb(largest)} at most, ${kb(after)} after ten seconds of rest`)
  assert(after - before < GROWTH_MAX, `it grew by ${kb(after - before)}`)
  /* Compacted state x 1.3 + journal cap + one bound of the write-ahead log. */
  const promised = 1.3 * before + limit + 64 * 1024 * 1024
  assert(largest < promised, `${kb(largest)} in between, ${kb(promised)} promised`)
  raw.cut()
  const there = new Y.Doc()
  Y.applyUpdate(there, await visit(`${server.ws}/drag`))
  const i = overwrites - 1
  assert(JSON.stringify(there.getMap('elements').get('shape-42').get('g')) === JSON.stringify([i % 1900, (i * 7) % 1000, 100, 80, 0]),
    'the last position')
}, 300)

const failed = await runAll()
await server.discard()
process.exit(failed === 0 ? 0 : 1)
