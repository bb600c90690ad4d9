/* The store under the real server: a stop with a thousand dirty boards, a backup under load, disks that fill up, quotas.
 *
 *   node storage.mjs [--gesso PATH] [--port N] [--only TEXT] */
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { WebsocketProvider } from 'y-websocket-3.1'
import WebSocket from 'ws'
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
  await server.start()
  for (let i = 0; i < 1000; i += 50)
    await Promise.all(received.slice(i, i + 50).map(async (updates, k) => {
      const there = read(await visit(`${server.ws}/b${i + k}`))
      const want = new Y.Doc()
      updates.forEach((u) => Y.applyUpdate(want, u))
      assert(want.getMap('m').size > 0, `b${i + k}: nothing to look for`)
      for (const [key, value] of want.getMap('m').entries()) assert(there.getMap('m').get(key) === value, `b${i + k}: ${key}`)
    }))
  await server.stop()
  clean(server.folder)
  await server.discard()
}, 120)

test('a folder that everybody lists at once is read once for its titles', async () => {
  const server = new Server()
  await server.start()
  for (let i = 0; i < 200; i += 50)
    await Promise.all(Array.from({ length: 50 }, async (_, k) => {
      const raw = new Raw(`${server.ws}/b${i + k}`)
      await raw.opened
      raw.send(step1())
      raw.send(update(stateOf((d) => d.getMap('meta').set('title', `title ${i + k}`))))
      await raw.waitFor('update')
      await raw.close()
    }))
  await server.stop()
  await server.start()
  const list = async () => (await (await fetch(`${server.http}/api/boards`)).json()).boards
  for (const boards of await Promise.all(Array.from({ length: 30 }, list)))
    assert(boards.length === 200, `${boards.length} boards`)
  await until(async () => (await list()).every((b) => b.title === `title ${b.id.slice(1)}`), 'all titles')
  const loads = await server.metric('store_loads_total')
  assert(loads < 400, `${loads} loads`)
  await server.discard()
}, 60)

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

/* A stock client. */
function stock(server, name) {
  const doc = new Y.Doc()
  const provider = new WebsocketProvider(server.ws, name, doc, { WebSocketPolyfill: WebSocket, disableBc: true, maxBackoffTime: 500 })
  const client = { doc, provider, map: doc.getMap('m'), denied: 0, closes: 0 }
  provider.messageHandlers[2] = () => { client.denied++ }
  provider.on('connection-close', () => { client.closes++ })
  client.leave = () => { provider.destroy(); doc.destroy() }
  return client
}
const noise = (bytes) => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString('base64')
const healthy = async (server) => (await fetch(`${server.http}/healthz`)).status === 200
const sorted = (client) => JSON.stringify([...client.map.entries()].sort(([a], [b]) => (a < b ? -1 : 1)))
const equal = (a, b) => sorted(a) === sorted(b)

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
    const one = stock(server, 'plan'), two = stock(server, 'plan')
    await until(() => one.map.size === 50 && two.map.size === 50, 'two stock clients to see it')

    const filler = path.join(folder, 'filler')
    const fd = fs.openSync(filler, 'w')
    try { for (;;) fs.writeSync(fd, Buffer.alloc(65536)) } catch (error) { assert(error.code === 'ENOSPC', String(error)) }
    fs.closeSync(fd)
    await until(() => {
      doc.getMap('m').set(`k${n++}`, noise(30000))
      return raw.has('denied')
    }, 'that the client is told', 40)
    const health = await fetch(`${server.http}/healthz`)
    assert(health.status === 503, `health ${health.status}`)
    const other = await join('calm') /* reading goes on where nothing waits for the disk */
    assert(read(other.all('step2')[0].body).getMap('m').get('k') === 1, 'a reader of another board')
    const late = await join('plan') /* and where something does, too */
    const shown = read(late.all('step2')[0].body).getMap('m')
    assert(shown.get('k49') === doc.getMap('m').get('k49'), 'a newcomer to the board')
    await until(() => one.denied > 0 && two.denied > 0 && late.has('denied'), 'that everybody is told')
    for (let i = 0; i < 20; i++) {
      one.map.set(`one${i}`, i)
      two.map.set(`two${i}`, i)
      one.map.set('both', `one${i}`)
      two.map.set('both', `two${i}`)
    }
    await sleep(300)
    assert(!one.map.has('two0') && !two.map.has('one0'), 'nothing is shown that is not stored')
    assert([raw, calm, other, late].every((r) => r.closed === null) && one.closes + two.closes === 0, 'nobody is disconnected')

    fs.unlinkSync(filler)
    await until(async () => (await fetch(`${server.http}/healthz`)).status === 200, 'that it heals', 40)
    doc.getMap('m').set('after', 1)
    await until(() => [...doc.getMap('m').keys()].every((key) => acked.getMap('m').has(key)),
      () => `everything acknowledged in the end: ${acked.getMap('m').size}`, 40)
    await until(() => equal(one, two) && one.map.has('two19') && one.map.has('one19') && one.map.get('after') === 1,
      'two clients to agree', 40)
    assert(one.closes + two.closes === 0, 'the stock clients are never disconnected')
    await server.kill()
    await server.start()
    const there = read(await visit(`${server.ws}/plan`)).getMap('m')
    for (const [key, value] of acked.getMap('m').entries()) assert(there.get(key) === value, `${key} is missing`)
    assert(there.get('both') === one.map.get('both') && there.size === one.map.size, 'what the two agreed upon is stored')
    one.leave()
    two.leave()
    assert((await server.stop()).code === 0, 'the stop')
    clean(server.folder)
  } finally {
    await server.discard()
    spawnSync('umount', [folder])
    fs.rmSync(folder, { recursive: true, force: true })
  }
}, 150)

test('a file that may not grow any more is a full disk, also for a server that starts', async () => {
  const server = new Server({ prefix: ['prlimit', '--fsize=300000:unlimited'] })
  await server.start()
  const one = stock(server, 'plan'), two = stock(server, 'plan')
  let n = 0
  await until(() => {
    one.map.set(`k${n++}`, noise(6000))
    return one.denied > 0 && two.denied > 0
  }, 'that both are told', 40)
  const stored = two.map.size
  assert(stored > 0 && stored < n, `${stored} of ${n}`)
  two.map.set('two', 1)
  await server.stop()
  await server.start()
  await until(() => one.provider.wsconnected && two.provider.wsconnected, 'both to be back')
  const late = read(await visit(`${server.ws}/plan`))
  assert(late.getMap('m').size >= stored, `it can still be read: ${late.getMap('m').size} of ${stored}`)
  const lift = spawnSync('prlimit', ['--pid', String(server.process.pid), '--fsize=unlimited'])
  assert(lift.status === 0, String(lift.stderr))
  await until(() => equal(one, two) && one.map.size === n + 1, () => `both to agree: ${one.map.size}, ${two.map.size} of ${n + 1}`, 40)
  await until(() => healthy(server), 'that it heals', 40)
  one.leave()
  two.leave()
  assert((await server.stop()).code === 0, 'the stop')
  clean(server.folder)
  await server.discard()
})

test('a board at its quota takes deletions only, and all boards stop at the quota of the folder', async () => {
  const server = new Server({ args: ['--board-quota', '100K', '--total-quota', '1M', '--history-days', '0'] })
  await server.start()
  const one = stock(server, 'large'), two = stock(server, 'large'), other = stock(server, 'other')
  let n = 0
  await until(async () => {
    one.map.set(`k${n++}`, noise(6000))
    return (await server.metric('updates_missed_total')) > 10 /* compacting makes room at first */
  }, 'that the board is full')
  assert(one.denied > 0 && two.denied > 0, 'both are told')
  const kept = one.map.size
  two.map.set('two', 1)
  other.map.set('k', 1)
  assert(other.denied === 0 && (await healthy(server)), 'only one board is full')
  assert((await server.metric('store_boards_filled_total')) > 0 && (await server.metric('store_board_bytes_max')) === 102400, 'metrics')
  one.doc.transact(() => { for (let i = 0; i < n - 3; i++) one.map.delete(`k${i}`) })
  await until(() => one.map.get('two') === 1 && equal(one, two), () => `that there is room again: ${kept} ${one.map.size} ${two.map.size}`)
  one.leave()
  two.leave()

  const many = []
  await until(() => {
    if (many.length < 100) many.push(stock(server, `b${many.length}`))
    many.at(-1).map.set('k', noise(30000))
    return other.denied > 0
  }, 'that the folder is full', 40)
  assert(!(await healthy(server)) && (await fetch(`${server.http}/api/boards`, { method: 'POST' })).status === 507, 'and tells so')
  assert((await server.metric('store_used_bytes_max')) === 1 << 20, 'metrics')
  other.map.set('late', 1)
  for (const [i, client] of many.entries()) {
    client.leave()
    if (i < many.length - 1) {
      const { status } = await fetch(`${server.http}/api/boards/b${i}`, { method: 'DELETE' })
      assert(status === 204 || status === 404, `deleting: ${status}`) /* none, if all that it had was refused */
    }
  }
  await until(() => healthy(server), 'that deleting boards heals it', 40)
  const stored = async () => read(await visit(`${server.ws}/other`)).getMap('m').get('late') === 1
  await until(stored, 'that what was refused is stored')
  other.leave()
  assert((await server.stop()).code === 0, 'the stop')
  await server.discard()
})

process.setMaxListeners(200) /* each stock client has one */
const failed = await runAll(option('only'))
process.exit(failed === 0 ? 0 : 1)
