/* What goes over the wire, frame by frame, and the HTTP API.
 *
 *   node protocol.mjs [--gesso PATH] [--port N] [--only TEXT] */
import crypto from 'node:crypto'
import http from 'node:http'
import * as Y from 'yjs'
import { assert, option, runAll, sleep, test, until } from './lib/runner.mjs'
import { Raw, awareness, step1, step2, update, visit } from './lib/raw.mjs'
import { Server } from './lib/server.mjs'

const server = await new Server().start()
const hex = (bytes) => Buffer.from(bytes).toString('hex')
const board = (name) => `${server.ws}/${name}`

/* One update of one client, and the document it came from. */
function edit(change, doc = new Y.Doc()) {
  let bytes
  doc.once('update', (u) => { bytes = u })
  doc.transact(() => change(doc))
  return { doc, bytes }
}

const contentOf = (bytes) => {
  const doc = new Y.Doc()
  Y.applyUpdate(doc, bytes)
  return doc
}

async function joined(name) {
  const raw = new Raw(board(name))
  await raw.opened
  raw.send(step1())
  await raw.waitFor('step2')
  return raw
}

test('nothing is said before the first frame; then step 1 and step 2, one message a frame', async () => {
  const raw = new Raw(board('handshake'))
  await raw.opened
  await sleep(200)
  assert(raw.frames.length === 0, 'the server spoke first')
  raw.send(Buffer.from('00000100', 'hex'))
  raw.send(awareness([[1001, 0, {}]]))
  await raw.waitFor('step2')
  assert(raw.frames.map(hex).join(' ') === '00000100 0001020000', raw.frames.map(hex).join(' '))
  await raw.close()
})

test('a newcomer gets presence between step 1 and step 2', async () => {
  const a = await joined('order')
  a.send(awareness([[7, 1, { n: 1 }]]))
  await a.waitFor('awareness')
  const b = await joined('order')
  assert(b.messages.map((m) => m.kind).join() === 'step1,awareness,step2', b.messages.map((m) => m.kind).join())
  assert(JSON.stringify(b.messages[1].entries) === '[[7,1,{"n":1}]]', 'the presence')
  assert([...a.messages, ...b.messages].every((m) => m.rest === 0), 'one message a frame')
  await Promise.all([a.close(), b.close()])
})

test('an update reaches the others, and comes back to its author as acknowledgement', async () => {
  const a = await joined('echo'), b = await joined('echo')
  const { bytes } = edit((d) => d.getText('t').insert(0, 'hello'))
  a.send(update(bytes))
  const [atB, atA] = [await b.waitFor('update'), await a.waitFor('update')]
  for (const m of [atA, atB]) assert(contentOf(m.body).getText('t').toString() === 'hello', 'the text')
  await Promise.all([a.close(), b.close()])
})

test('several messages in one frame are all heard', async () => {
  const raw = new Raw(board('trailing'))
  await raw.opened
  const { bytes } = edit((d) => d.getMap('m').set('k', 1))
  raw.send(Buffer.concat([step1(), update(bytes), awareness([[9, 3, { here: true }]])].map((b) => Buffer.from(b))))
  const answer = await raw.waitFor('step2')
  assert(contentOf(answer.body).getMap('m').get('k') === 1, 'the update is in the answer')
  await until(() => raw.all('awareness').some((m) => m.entries.length === 1), 'the presence')
  await raw.close()
})

test('a state vector is answered with what is missing', async () => {
  const a = await joined('diff')
  const one = edit((d) => d.getArray('a').push([1]))
  a.send(update(one.bytes))
  await a.waitFor('update')
  const vector = Y.encodeStateVector(one.doc)
  const two = edit((d) => d.getArray('a').push([2]), one.doc)
  a.send(update(two.bytes))
  await until(() => a.all('update').length === 2, 'the second acknowledgement')
  const b = new Raw(board('diff'))
  await b.opened
  b.send(step1(vector))
  const { body } = await b.waitFor('step2')
  assert(Y.decodeUpdate(body).structs.length === 1, 'one struct only')
  await Promise.all([a.close(), b.close()])
})

test('an update that waits for a missing one is kept, and survives kill -9', async () => {
  const doc = new Y.Doc()
  const one = edit((d) => d.getText('t').insert(0, 'first '), doc)
  const two = edit((d) => d.getText('t').insert(6, 'second'), doc)
  const a = await joined('pending')
  a.send(update(two.bytes))
  await until(async () => (await server.metric('batches_raw_total')) > 0, 'the waiting update to be journalled')
  await until(async () => (await server.metric('store_boards_unsaved')) === 0, 'the sync')
  await server.kill()
  a.cut()
  await server.start()
  const b = await joined('pending')
  b.send(update(one.bytes))
  await b.waitFor('update')
  const text = contentOf(await visit(board('pending'))).getText('t').toString()
  assert(text === 'first second', text)
  await b.close()
})

test('presence: only what is newer is sent on, once', async () => {
  const a = await joined('newer'), b = await joined('newer')
  a.send(awareness([[7, 0, {}]]))
  a.send(awareness([[7, 1, { x: 1 }]]))
  await b.waitFor('awareness')
  b.send(awareness([[7, 1, { x: 1 }]])) /* stock providers send back what they receive */
  b.send(awareness([[7, 0, {}]]))
  a.send(awareness([[8, 1, { end: true }]]))
  await until(() => b.all('awareness').some((m) => m.entries.some(([id]) => id === 8)), 'the marker')
  const seen = b.all('awareness').flatMap((m) => m.entries).filter(([id]) => id === 7)
  assert(JSON.stringify(seen) === '[[7,1,{"x":1}]]', JSON.stringify(seen))
  /* On close exactly the ids of that connection go, with the clock that is held and null. */
  b.messages.length = 0
  a.cut()
  await until(() => b.all('awareness').flatMap((m) => m.entries).length === 2, 'both farewells')
  const gone = b.all('awareness').flatMap((m) => m.entries).sort((x, y) => x[0] - y[0])
  assert(JSON.stringify(gone) === '[[7,1,null],[8,1,null]]', JSON.stringify(gone))
  await b.close()
})

test('the late end of an old socket removes nobody who came back', async () => {
  const old = await joined('back'), other = await joined('back')
  old.send(awareness([[7, 1, { n: 1 }]]))
  await other.waitFor('awareness')
  const fresh = await joined('back')
  fresh.send(awareness([[7, 2, { n: 2 }]]))
  await until(() => other.all('awareness').flatMap((m) => m.entries).some(([, clock]) => clock === 2), 'the new state')
  old.cut()
  fresh.send(awareness([[8, 1, {}]]))
  await until(() => other.all('awareness').flatMap((m) => m.entries).some(([id]) => id === 8), 'the marker')
  await sleep(100)
  assert(!other.all('awareness').flatMap((m) => m.entries).some(([, , state]) => state === null), 'somebody was removed')
  await Promise.all([fresh.close(), other.close()])
})

test('query awareness is answered', async () => {
  const a = await joined('query')
  a.send(awareness([[7, 1, {}]]))
  await a.waitFor('awareness')
  a.messages.length = 0
  a.send(Buffer.from([3]))
  const { entries } = await a.waitFor('awareness')
  assert(entries.length === 1 && entries[0][0] === 7, 'everybody')
  await a.close()
})

test('a socket and the API mean the same board by a path, its escapes decoded', async () => {
  const { bytes } = edit((d) => d.getText('t').insert(0, 'named'))
  const names = {
    'a b': ['a%20b', '%61%20b'], 'deep/er/name': ['deep/er/name', 'deep%2Fer%2fname'], 'café': ['caf%C3%A9', 'caf%c3%a9'],
    '100%': ['100%', '100%25'], '%00': ['%2500'], 'what? #1 + 1': ['what%3F%20%231%20+%201']
  }
  for (const [name, paths] of Object.entries(names)) {
    const a = await joined(`${paths[0]}?token=ignored`)
    a.send(update(bytes))
    await a.waitFor('update')
    for (const path of [...paths, encodeURIComponent(name)])
      assert(contentOf(await visit(board(path))).getText('t').toString() === 'named', path)
    const exported = await fetch(`${server.http}/api/boards/${encodeURIComponent(name)}/export`)
    assert(exported.status === 200, `${name}: ${exported.status}`)
    await a.close()
  }
  const { boards } = await (await fetch(`${server.http}/api/boards`)).json()
  for (const name of Object.keys(names)) assert(boards.filter((b) => b.id === name).length === 1, name)
  for (const path of ['%00', 'a%00b', '%ff', 'caf%C3', 'x'.repeat(513)]) {
    assert((await fetch(`${server.http}/api/boards/${path}/export`)).status === 400, path)
    const raw = new Raw(board(path))
    assert((await raw.gone).code === 4400, `${path}: ${raw.closed.code}`)
  }
})

test('a subprotocol that is offered is selected', async () => {
  const raw = new Raw(board('protocols'), { protocols: ['one', 'two'] })
  await raw.opened
  assert(raw.socket.protocol === 'one', raw.socket.protocol)
  await raw.close()
})

/* ---- refusals ---------------------------------------------------------------------------------- */

test('pages of other origins are closed with 4403, those of our own are let in', async () => {
  const foreign = new Raw(board('origin'), { origin: 'https://evil.example' })
  assert((await foreign.gone).code === 4403, `code ${foreign.closed?.code}`)
  const own = new Raw(board('origin'), { origin: server.http })
  await own.opened
  own.send(step1())
  await own.waitFor('step2')
  await own.close()
  /* A foreign name that resolves to this machine: Host and Origin agree, and are foreign. */
  const rebound = new Raw(board('origin'), { origin: 'http://evil.example:1', headers: { Host: 'evil.example:1' } })
  assert((await rebound.gone).code === 4403, `code ${rebound.closed?.code}`)
})

test('no board name: 4400', async () => {
  const raw = new Raw(`${server.ws}/`)
  assert((await raw.gone).code === 4400, `code ${raw.closed?.code}`)
})

test('other protocols are told so: 4400', async () => {
  const raw = new Raw(board('hocuspocus'))
  await raw.opened
  raw.send(Buffer.from('016402000374 6f6b'.replace(' ', ''), 'hex'))
  const { code, reason } = await raw.gone
  assert(code === 4400 && reason.includes('hocuspocus'), `${code} ${reason}`)
})

/* ---- HTTP -------------------------------------------------------------------------------------- */

const api = (method, path, body, headers = {}) => fetch(server.http + path, { method, body, headers })

test('boards are made, listed with their titles, exported and deleted', async () => {
  const made = await api('POST', '/api/boards', '{}', { 'Content-Type': 'application/json' })
  assert(made.status === 201, `status ${made.status}`)
  const { id } = await made.json()
  assert(/^[A-Za-z0-9_-]{16}$/.test(id), id)
  const a = await joined(id)
  const { bytes } = edit((d) => { d.getMap('meta').set('title', 'Plan "Å" \u{1f600}'); d.getMap('elements').set('e', 1) })
  a.send(update(bytes))
  await a.waitFor('update')
  const list = async () => (await (await api('GET', '/api/boards')).json()).boards.find((b) => b.id === id)
  let row = await list()
  assert(row.title.startsWith('Plan "Å"'), row.title)
  assert(row.online === 1 && row.bytes > 0 && row.created > 1.6e12 && row.updated >= row.created, JSON.stringify(row))
  await a.close()
  /* Read from the disk, once the board has left memory. */
  await until(async () => (await server.metric('boards_in_memory')) === 0, 'the boards to leave memory')
  row = await list()
  assert(row.title.startsWith('Plan "Å"') && row.online === 0, JSON.stringify(row))

  const exported = await api('GET', `/api/boards/${id}/export`)
  assert(exported.status === 200, `status ${exported.status}`)
  assert(contentOf(new Uint8Array(await exported.arrayBuffer())).getMap('elements').get('e') === 1, 'the content')

  const here = await joined(id)
  const gone = await api('DELETE', `/api/boards/${id}`)
  assert(gone.status === 204, `status ${gone.status}`)
  assert((await here.gone).code === 4404, `code ${here.closed.code}`)
  const late = new Raw(board(id))
  await late.opened
  late.send(step1())
  assert((await late.gone).code === 4404, `code ${late.closed.code}`)
  assert(await list() === undefined, 'it is still listed')
  assert((await api('GET', `/api/boards/${id}/export`)).status === 410, 'export of a deleted board')
  assert((await api('DELETE', '/api/boards/never-was')).status === 404, 'deleting what is not there')
}, 60)

test('images are stored by their hash and served in a sandbox', async () => {
  const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), crypto.randomBytes(200000)])
  const hash = crypto.createHash('sha256').update(png).digest('hex')
  const at = `/api/boards/some-board/images/${hash}`
  assert((await api('GET', at)).status === 404, 'not there yet')
  assert((await api('PUT', at, png, { 'Content-Type': 'image/png' })).status === 201, 'stored')
  assert((await api('PUT', at, png, { 'Content-Type': 'image/png' })).status === 200, 'there already')
  const got = await api('GET', at)
  assert(got.status === 200 && got.headers.get('content-type') === 'image/png', 'served')
  assert(got.headers.get('x-content-type-options') === 'nosniff', 'nosniff')
  assert(got.headers.get('content-security-policy').startsWith("sandbox; default-src 'none'"), 'sandbox')
  assert(Buffer.from(await got.arrayBuffer()).equals(png), 'the same bytes')

  const other = crypto.createHash('sha256').update('other').digest('hex')
  assert((await api('PUT', `/api/boards/b/images/${other}`, png, { 'Content-Type': 'image/png' })).status === 400, 'wrong hash')
  assert((await api('PUT', at, png, { 'Content-Type': 'image/gif' })).status === 400, 'wrong type')
  assert((await api('PUT', at, png, { 'Content-Type': 'text/html' })).status === 415, 'no image type')
  assert((await api('PUT', '/api/boards/b/images/xyz', 'small', { 'Content-Type': 'image/png' })).status === 400, 'no hash')
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>')
  const svgHash = crypto.createHash('sha256').update(svg).digest('hex')
  assert((await api('PUT', `/api/boards/b/images/${svgHash}`, svg, { 'Content-Type': 'image/svg+xml' })).status === 201, 'svg')
})

test('what is wrong is answered with a reason in JSON', async () => {
  for (const [method, path, status, body] of [
    ['GET', '/api/nothing', 404], ['PUT', '/api/boards', 405], ['POST', '/healthz', 405], ['GET', '/api/boards/x', 405],
    ['POST', '/api/boards', 400, 'no json'], ['GET', '/api/boards/%ff/export', 400], ['GET', '/api/boards//export', 400],
    ['GET', '/api/boards/never-was/export', 404], ['DELETE', `/api/boards/${'x'.repeat(513)}`, 400]
  ]) {
    const r = await api(method, path, body)
    assert(r.status === status, `${method} ${path}: ${r.status} instead of ${status}`)
    assert(typeof (await r.json()).error === 'string', `${method} ${path}: no reason`)
  }
})

test('foreign pages can change nothing over HTTP', async () => {
  const evil = { Origin: 'https://evil.example' }
  assert((await api('POST', '/api/boards', undefined, evil)).status === 403, 'POST')
  assert((await api('DELETE', '/api/boards/x', undefined, evil)).status === 403, 'DELETE')
  const rebound = await new Promise((resolve, reject) => {
    http.get({ port: server.port, host: '127.0.0.1', path: '/api/boards', headers: { Host: 'evil.example' } }, resolve).on('error', reject)
  })
  rebound.resume()
  assert(rebound.statusCode === 403, `a rebound name: ${rebound.statusCode}`)
})

test('health and metrics', async () => {
  assert((await (await api('GET', '/healthz')).json()).status === 'ok', 'healthz')
  assert(await server.metric('net_requests_total') > 0, 'a counter')
  const text = await (await api('GET', '/metrics')).text()
  assert(text.includes('gesso_durability_info{profile="disk"} 1'), 'the durability profile')
})

const failed = await runAll(option('only'))
await server.discard()
process.exit(failed === 0 ? 0 : 1)
