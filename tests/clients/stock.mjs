/* Stock y-websocket providers, every version that people run, against a gesso of our own.
 *
 *   node stock.mjs [--gesso PATH] [--port N] [--silence SECONDS] [--only TEXT]
 *
 * Ends with "N passed, N failed". The silence (120 s by default) runs for all versions at once. */
import { createRequire } from 'node:module'
import { WebsocketProvider as v21 } from 'y-websocket-2.1'
import { WebsocketProvider as v30 } from 'y-websocket-3.0'
import { WebsocketProvider as v31 } from 'y-websocket-3.1'
import WebSocket from 'ws'
import * as Y from 'yjs'
import { assert, option, runAll, sleep, test, until } from './lib/runner.mjs'
import { Raw, awareness } from './lib/raw.mjs'
import { Server } from './lib/server.mjs'

/* 1.5 is CommonJS to node 18, and a provider and its document must come from the same Yjs. */
const require = createRequire(import.meta.url)
const { WebsocketProvider: v15 } = require('y-websocket-1.5')
const { Doc: Doc15 } = require('yjs')

const versions = { 1.5: v15, 2.1: v21, '3.0': v30, 3.1: v31 }
const names = Object.keys(versions).sort()
process.setMaxListeners(100)
const silence = Number(option('silence', 120))
const server = await new Server().start()

/* Clients of one process must not find each other without the server: no broadcast channel. */
function connect(version, board, doc = new (version === '1.5' ? Doc15 : Y.Doc)()) {
  const provider = new versions[version](server.ws, board, doc, { WebSocketPolyfill: WebSocket, disableBc: true, maxBackoffTime: 500 })
  const client = { provider, doc, text: doc.getText('t'), map: doc.getMap('m'), closes: 0, syncs: 0 }
  provider.on('connection-close', () => { client.closes++ })
  provider.on('sync', (synced) => { if (synced) client.syncs++ })
  return client
}

const synced = (...clients) => until(() => clients.every((c) => c.provider.synced), 'all clients to be synced')
const leave = (...clients) => clients.forEach((c) => { c.provider.destroy(); c.doc.destroy() })
const stateOf = (c) => JSON.stringify([c.text.toString(), Object.entries(c.map.toJSON()).sort()])
const equal = (what, ...clients) => until(() => clients.every((c) => stateOf(c) === stateOf(clients[0])),
  () => `${what}: ${clients.map(stateOf).join(' | ')}`)

for (const version of names) {
  test(`y-websocket ${version} syncs both ways`, async () => {
    const a = connect(version, `sync-${version}`)
    a.text.insert(0, 'before the connection')
    await synced(a)
    const b = connect(version, `sync-${version}`)
    await synced(b)
    await equal('what was written first', a, b)
    a.text.insert(0, 'a\u{1f600}')
    b.map.set('from b', { nested: [1, 'two', null] })
    await until(() => b.text.toString().startsWith('a\u{1f600}') && a.map.has('from b'), 'the changes of the other')
    a.text.delete(0, 1)
    await equal('after a deletion', a, b)
    leave(a, b)
  })

  test(`y-websocket ${version} stays when a stranger says the last word for it`, async () => {
    const a = connect(version, `last-word-${version}`), b = connect(version, `last-word-${version}`)
    await synced(a, b)
    const stranger = new Raw(`${server.ws}/last-word-${version}`)
    await stranger.opened
    for (const clock of [2 ** 53 - 1, 2 ** 52])
      for (const state of ['{"mine":1}', 'null']) stranger.send(awareness([[a.doc.clientID, clock, state]]))
    await until(() => a.provider.awareness.meta.get(a.doc.clientID).clock > 2 ** 52, 'the stranger to be outdone')
    a.text.insert(0, 'still here')
    await equal('after it', a, b)
    assert(a.closes === 0 && b.closes === 0 && !stranger.closed, 'somebody was disconnected')
    leave(a, b)
    stranger.cut()
  })

  test(`y-websocket ${version} shows presence, and its end`, async () => {
    const a = connect(version, `presence-${version}`), b = connect(version, `presence-${version}`)
    await synced(a, b)
    a.provider.awareness.setLocalStateField('user', { name: 'Ada' })
    b.provider.awareness.setLocalStateField('user', { name: 'Ben' })
    const sees = (who, id, name) => who.provider.awareness.getStates().get(id)?.user?.name === name
    await until(() => sees(b, a.doc.clientID, 'Ada') && sees(a, b.doc.clientID, 'Ben'), 'both to see each other')
    const late = connect(version, `presence-${version}`)
    await until(() => sees(late, a.doc.clientID, 'Ada') && sees(late, b.doc.clientID, 'Ben'), 'a newcomer to see both')
    /* A socket that breaks says no farewell: the server does. */
    const id = a.doc.clientID
    a.provider.shouldConnect = false
    a.provider.ws.terminate()
    await until(() => !b.provider.awareness.getStates().has(id) && !late.provider.awareness.getStates().has(id), 'the end of Ada')
    leave(a, b, late)
  })

  test(`y-websocket ${version} merges what was drawn offline`, async () => {
    const a = connect(version, `offline-${version}`), b = connect(version, `offline-${version}`)
    await synced(a, b)
    a.provider.disconnect()
    a.text.insert(0, 'offline ')
    b.text.insert(0, 'online ')
    a.provider.connect()
    await until(() => a.text.length === 15 && b.text.length === 15, 'both parts on both sides')
    await equal('after the reunion', a, b)
    leave(a, b)
  })
}

test('all versions meet on one board', async () => {
  const clients = names.map((v) => connect(v, 'meeting'))
  await synced(...clients)
  clients.forEach((c, i) => { c.text.insert(0, names[i]); c.map.set(names[i], i) })
  await until(() => clients.every((c) => c.map.size === names.length), 'every key everywhere')
  await equal('the meeting', ...clients)
  leave(...clients)
})

test('kill -9: all versions come back by themselves, nothing is lost, a newcomer sees it all', async () => {
  const pairs = names.map((v) => [connect(v, `kill-${v}`), connect(v, `kill-${v}`)])
  await synced(...pairs.flat())
  for (const [a, b] of pairs) {
    a.text.insert(0, 'seen by b')
    await until(() => b.text.toString() === 'seen by b', 'the update at the other client')
  }
  await server.kill()
  await until(() => pairs.flat().every((c) => !c.provider.wsconnected), 'everybody to notice')
  pairs.forEach(([a, b]) => { a.map.set('while', 'down'); b.map.set('also', 'b') })
  await server.start()
  await synced(...pairs.flat())
  for (const [a, b] of pairs) {
    await until(() => a.map.size === 2 && b.map.size === 2, 'what was drawn while the server was down')
    await equal('after the restart', a, b)
  }
  for (const v of names) {
    const visitor = connect(v, `kill-${v}`)
    await synced(visitor)
    assert(visitor.text.toString() === 'seen by b' && visitor.map.size === 2, 'the newcomer sees everything')
    leave(visitor)
  }
  leave(...pairs.flat())
})

test('kill -9 with everybody gone: what was seen is there', async () => {
  const clients = names.map((v) => [connect(v, `gone-${v}`), connect(v, `gone-${v}`)])
  await synced(...clients.flat())
  for (const [a, b] of clients) {
    a.text.insert(0, 'kept')
    await until(() => b.text.toString() === 'kept', 'the update at the other client')
  }
  await server.kill()
  leave(...clients.flat())
  await server.start()
  for (const v of names) {
    const visitor = connect(v, `gone-${v}`)
    await synced(visitor)
    assert(visitor.text.toString() === 'kept', `${v}: the text is "${visitor.text}"`)
    leave(visitor)
  }
})

test('a clean stop: exit status 0, and everything is there afterwards', async () => {
  const [a, b] = [connect('3.1', 'stop'), connect('3.1', 'stop')]
  await synced(a, b)
  a.text.insert(0, 'written just before the stop')
  await until(() => b.text.length > 0, 'the update at the other client')
  const how = await server.stop()
  assert(how.code === 0, `exit status ${how.code} ${how.signal}: ${server.log}`)
  leave(a, b)
  await server.start()
  const visitor = connect('3.1', 'stop')
  await synced(visitor)
  assert(visitor.text.toString() === 'written just before the stop', 'the text')
  leave(visitor)
})

test(`${silence} s of silence: every version stays connected`, async () => {
  const clients = names.map((v) => connect(v, `silence-${v}`))
  /* Presence is renewed every 15 s and feeds the watchdog; without it only the server's keep-alive does. */
  const mute = names.map((v) => connect(v, `mute-${v}`))
  mute.forEach((c) => c.provider.awareness.setLocalState(null))
  await synced(...clients, ...mute)
  await sleep(silence * 1000)
  for (const c of [...clients, ...mute])
    assert(c.closes === 0 && c.provider.wsconnected, 'a client was disconnected')
  leave(...clients, ...mute)
}, silence + 60)

const failed = await runAll(option('only'))
await server.discard()
process.exit(failed === 0 ? 0 : 1)
