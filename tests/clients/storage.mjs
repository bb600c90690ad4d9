/* The store under the real server: a stop with a thousand dirty boards, a backup under load, a disk that fills up.
 *
 *   node storage.mjs [--gesso PATH] [--port N] [--only TEXT] */
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import * as Y from 'yjs'
import { assert, option, runAll, sleep, test, until } from './lib/runner.mjs'
import { Raw, step1, update, visit } from './lib/raw.mjs'
import { Server, gesso } from './lib/server.mjs'

const stateOf = (build) => {
  const doc = new Y.Doc()
  build(doc)
  return Y.encodeStateAsUpdate(doc)
}
const read = (bytes) => {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, bytes)
  return doc
}
const exported = (folder, name) =>
  read(spawnSync(gesso, ['board', 'export', '--data', folder, name], { encoding: 'buffer', maxBuffer: 1 << 28 }).stdout)
const clean = (folder) => {
  const r = spawnSync(gesso, ['check', '--quiet', folder], { encoding: 'utf8' })
  assert(r.status === 0, `check: ${r.stdout} ${r.stderr}`)
}

test('SIGTERM with 1,000 dirty boards: it exits at once, and nothing that was received is lost', async () => {
  const server = new Server()
  await server.start()
  const writers = []
  for (let i = 0; i < 1000; i += 50)
    writers.push(...await Promise.all(Array.from({ length: 50 }, async (_, k) => {
      const raw = new Raw(`${server.ws}/b${i + k}`)
      await raw.opened
      raw.send(step1())
      await raw.waitFor('step2')
      return raw
    })))
  writers.forEach((raw, i) => { for (let n = 0; n < 3; n++) raw.send(update(stateOf((d) => d.getMap('m').set(`k${n}`, i)))) })
  await until(() => writers.every((raw) => raw.all('update').length > 0), 'an acknowledgement for each', 50)
  const received = writers.map((raw) => raw.all('update').map((m) => m.body))
  const begun = Date.now()
  const how = await server.stop()
  const took = Date.now() - begun
  assert(how.code === 0, `${how.code} ${server.log.slice(-300)}`)
  console.log(`      1,000 dirty boards: it took ${took} ms`)
  for (let i = 0; i < 1000; i += 97) {
    const there = exported(server.folder, `b${i}`)
    const want = new Y.Doc()
    received[i].forEach((u) => Y.applyUpdate(want, u))
    for (const [key, value] of want.getMap('m').entries()) assert(there.getMap('m').get(key) === value, `b${i}: ${key}`)
  }
  clean(server.folder)
  await server.discard()
}, 120)

test('a backup under load holds everything that was acknowledged before it began', async () => {
  const server = new Server()
  await server.start()
  const boards = await Promise.all(Array.from({ length: 10 }, async (_, b) => {
    const raw = new Raw(`${server.ws}/load${b}`)
    await raw.opened
    raw.send(step1())
    await raw.waitFor('step2')
    const board = { raw, acked: new Y.Doc(), doc: new Y.Doc(), n: 0 }
    raw.onmessage = (m) => { if (m.kind === 'update') Y.applyUpdate(board.acked, m.body) } /* only the writer is here */
    board.doc.on('update', (bytes) => raw.send(update(bytes)))
    board.timer = setInterval(() => { for (let i = 0; i < 10; i++) board.doc.getArray('log').push([board.n++]) }, 5)
    return board
  }))
  await until(() => boards.every((b) => b.acked.getArray('log').length > 100), 'some load')
  for (let round = 0; round < 3; round++) {
    const before = boards.map((b) => b.acked.getArray('log').length)
    const out = path.join(server.folder, `backup${round}`), back = path.join(server.folder, `back${round}`)
    const run = (...args) => new Promise((resolve) => {
      const child = spawn(gesso, args, { stdio: ['ignore', 'ignore', 'pipe'] })
      let err = ''
      child.stderr.on('data', (bytes) => { err += bytes })
      child.on('exit', (status) => resolve({ status, err }))
    })
    const made = await run('backup', server.folder, out)
    assert(made.status === 0, made.err)
    const restored = await run('restore', out, back)
    assert(restored.status === 0, restored.err)
    boards.forEach((b, i) => {
      const log = exported(back, `load${i}`).getArray('log').toJSON()
      assert(log.length >= before[i], `load${i}: ${log.length} of ${before[i]}`)
      assert(log.every((n, at) => n === at), `load${i} has holes`)
    })
    await sleep(100)
  }
  boards.forEach((b) => clearInterval(b.timer))
  await server.stop()
  await server.discard()
})

test('a disk that fills up: boards are read-only, nothing acknowledged is lost, and it heals', async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gesso-full-'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', folder]).status !== 0) {
    fs.rmdirSync(folder)
    console.log('      left out: no right to mount a small disk here')
    return
  }
  const server = new Server({ folder: path.join(folder, 'data') })
  try {
    await server.start()
    const join = async (name) => {
      const raw = new Raw(`${server.ws}/${name}`)
      await raw.opened
      raw.send(step1())
      await raw.waitFor('step2')
      return raw
    }
    const calm = await join('calm')
    calm.send(update(stateOf((d) => d.getMap('m').set('k', 1))))
    await calm.waitFor('update')
    const raw = await join('plan')
    const doc = new Y.Doc()
    const acked = new Y.Doc()
    raw.onmessage = (m) => {
      if (m.kind === 'update') Y.applyUpdate(acked, m.body)
      if (m.kind === 'step1') raw.send(update(Y.encodeStateAsUpdate(doc, m.body)))
    }
    doc.on('update', (bytes) => raw.send(update(bytes)))
    let n = 0
    for (; n < 50; n++) doc.getMap('m').set(`k${n}`, 'x'.repeat(1000))
    await until(() => acked.getMap('m').size === 50, 'the first acknowledgements')

    const filler = path.join(folder, 'filler')
    const fd = fs.openSync(filler, 'w')
    try { for (;;) fs.writeSync(fd, Buffer.alloc(65536)) } catch (error) { assert(error.code === 'ENOSPC', String(error)) }
    fs.closeSync(fd)
    const random = () => Buffer.from(crypto.getRandomValues(new Uint8Array(30000))).toString('base64')
    await until(() => {
      doc.getMap('m').set(`k${n++}`, random())
      return raw.has('denied')
    }, 'that the client is told', 40)
    const health = await fetch(`${server.http}/healthz`)
    assert(health.status === 503, `health ${health.status}`)
    const other = await join('calm') /* reading goes on where nothing waits for the disk */
    assert(read(other.all('step2')[0].body).getMap('m').get('k') === 1, 'a reader of another board')
    assert([raw, calm, other].every((r) => r.closed === null), 'nobody is disconnected')

    fs.unlinkSync(filler)
    await until(async () => (await fetch(`${server.http}/healthz`)).status === 200, 'that it heals', 40)
    doc.getMap('m').set('after', 1)
    await until(() => acked.getMap('m').get('after') === 1 && acked.getMap('m').size === doc.getMap('m').size,
      () => `everything acknowledged in the end: ${acked.getMap('m').size} of ${doc.getMap('m').size}`, 40)
    await server.kill()
    await server.start()
    const there = read(await visit(`${server.ws}/plan`)).getMap('m')
    for (const [key, value] of acked.getMap('m').entries()) assert(there.get(key) === value, `${key} is missing`)
    assert((await server.stop()).code === 0, 'the stop')
    clean(server.folder)
  } finally {
    await server.discard()
    spawnSync('umount', [folder])
    fs.rmSync(folder, { recursive: true, force: true })
  }
}, 150)

const failed = await runAll(option('only'))
process.exit(failed === 0 ? 0 : 1)
