/* Hostile and broken clients, with two bystanders drawing on another board and one on the same: after
 * every case the bystanders must still be connected and hear each other, and the hostile one must have
 * been refused where the case says so.
 *
 *   node hostile.mjs [--gesso PATH] [--port N] [--only TEXT] */
import crypto from 'node:crypto'
import net from 'node:net'
import * as Y from 'yjs'
import { assert, option, runAll, sleep, test, until } from './lib/runner.mjs'
import { Raw, awareness, step1, step2, update, visit } from './lib/raw.mjs'
import { Server } from './lib/server.mjs'

const server = await new Server().start()

/* ---- bystanders -------------------------------------------------------------------------------- */

class Bystander {
  async join(board) {
    this.doc = new Y.Doc()
    this.raw = new Raw(`${server.ws}/${board}`)
    await this.raw.opened
    this.raw.onmessage = (m) => {
      if (m.kind === 'update' || m.kind === 'step2') Y.applyUpdate(this.doc, m.body, 'remote')
      this.raw.messages.length = this.raw.frames.length = 0
    }
    this.doc.on('update', (bytes, origin) => { if (origin !== 'remote') this.raw.send(update(bytes)) })
    this.raw.send(step1())
    await sleep(20)
    return this
  }
}

const quiet = [await new Bystander().join('bystanders'), await new Bystander().join('bystanders')]
const near = [await new Bystander().join('target'), await new Bystander().join('target')]
let marks = 0

async function undisturbed() {
  const mark = `mark ${++marks}`
  for (const [a, b] of [quiet, near]) {
    a.doc.getMap('marks').set(mark, marks)
    await until(() => b.doc.getMap('marks').has(mark), `${mark} at a bystander`)
    assert(!a.raw.closed && !b.raw.closed, () => `a bystander was closed: ${JSON.stringify(a.raw.closed ?? b.raw.closed)}`)
    a.doc.getMap('marks').delete(mark)
  }
  assert(server.process.exitCode === null && server.process.signalCode === null, () => `the server ended: ${server.log}`)
}

const hostile = (name, run, seconds) => test(name, async () => { await run(); await undisturbed() }, seconds)

/* ---- sockets ----------------------------------------------------------------------------------- */

/* A socket that says what it is told and collects what comes. */
function tcp() {
  const socket = net.connect(server.port, '127.0.0.1')
  const it = { socket, bytes: Buffer.alloc(0), ended: false }
  socket.on('error', () => {})
  socket.on('data', (data) => { it.bytes = Buffer.concat([it.bytes, data]) })
  socket.on('close', () => { it.ended = true })
  it.opened = new Promise((resolve) => socket.on('connect', resolve))
  it.text = () => it.bytes.toString('latin1')
  it.end = (what) => until(() => it.ended, what ?? 'the server to hang up')
  return it
}

const upgradeHead = (path, extra = '') =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${crypto.randomBytes(16).toString('base64')}\r\n${extra}\r\n`

async function upgraded(path = '/target') {
  const it = tcp()
  await it.opened
  it.socket.write(upgradeHead(path))
  await until(() => it.text().includes('\r\n\r\n'), 'the answer to the upgrade')
  assert(it.text().startsWith('HTTP/1.1 101 '), it.text().slice(0, 80))
  it.bytes = it.bytes.subarray(it.text().indexOf('\r\n\r\n') + 4)
  return it
}

/* A frame as a client sends it; `first` is the byte with FIN, reserved bits and opcode. */
function frame(first, payload, { masked = true, length } = {}) {
  const n = length ?? BigInt(payload.length)
  const mask = Buffer.from([1, 2, 3, 4])
  let head
  if (n < 126n) head = Buffer.from([first, Number(n)])
  else if (n < 65536n) head = Buffer.from([first, 126, Number(n >> 8n), Number(n & 255n)])
  else {
    head = Buffer.alloc(10)
    head[0] = first
    head[1] = 127
    head.writeBigUInt64BE(n, 2)
  }
  if (!masked) return Buffer.concat([head, payload])
  head[1] |= 0x80
  return Buffer.concat([head, mask, Buffer.from(payload.map((b, i) => b ^ mask[i & 3]))])
}

/* The code of the close frame that the server sent, 0 if there is none. */
function closeCode(it) {
  for (let at = 0; at + 2 <= it.bytes.length;) {
    let n = it.bytes[at + 1] & 127, head = 2
    if (n === 126) [n, head] = [it.bytes.readUInt16BE(at + 2), 4]
    else if (n === 127) [n, head] = [Number(it.bytes.readBigUInt64BE(at + 2)), 10]
    if ((it.bytes[at] & 15) === 8) return n >= 2 ? it.bytes.readUInt16BE(at + head) : 1005
    at += head + n
  }
  return 0
}

const step1Frame = () => frame(0x82, Buffer.from(step1()))

/* ---- broken frames ----------------------------------------------------------------------------- */

const badFrames = {
  'an unmasked frame': [frame(0x82, Buffer.from('x'), { masked: false }), 1002],
  'reserved bits': [frame(0xf2, Buffer.from('x')), 1002],
  'an unknown opcode': [frame(0x83, Buffer.from('x')), 1002],
  'a fragmented ping': [frame(0x09, Buffer.from('x')), 1002],
  'a ping of 126 bytes': [frame(0x89, Buffer.alloc(126)), 1002],
  'a continuation of nothing': [frame(0x80, Buffer.from('x')), 1002],
  'a close frame with half a code': [frame(0x88, Buffer.from([3])), 1002],
  'a close frame with code 1005': [frame(0x88, Buffer.from([3, 237])), 1002],
  'a length of 2^63': [frame(0x82, Buffer.from('x'), { length: 1n << 63n }), 1002],
  'a length of 2^40': [frame(0x82, Buffer.from('x'), { length: 1n << 40n }), 1009],
  'a length just past the limit': [frame(0x82, Buffer.from('x'), { length: (16n << 20n) + 1n }), 1009],
  'text that is no UTF-8': [frame(0x81, Buffer.from([0xff, 0xfe])), 1007],
  'a text message': [frame(0x81, Buffer.from('hello')), 1003]
}
for (const [name, [bytes, code]] of Object.entries(badFrames))
  hostile(`frame: ${name} is closed with ${code}`, async () => {
    const it = await upgraded()
    it.socket.write(step1Frame())
    it.socket.write(bytes)
    await until(() => closeCode(it) !== 0 || it.ended, 'a close frame')
    assert(closeCode(it) === code, `code ${closeCode(it)}`)
    it.socket.destroy()
  })

hostile('frame: 20,000 pings', async () => {
  const it = await upgraded()
  it.socket.write(Buffer.concat(Array.from({ length: 20000 }, () => frame(0x89, Buffer.from('ping')))))
  await sleep(100)
  it.socket.destroy()
})

hostile('frame: a message in 10,000 fragments of a byte', async () => {
  const it = await upgraded()
  const message = Buffer.concat([Buffer.from(awareness([[9, 1, { filler: 'x'.repeat(9980) }]]))])
  it.socket.write(Buffer.concat([...message].map((b, i) =>
    frame((i === 0 ? 2 : 0) | (i === message.length - 1 ? 0x80 : 0), Buffer.from([b])))))
  await sleep(100)
  it.socket.destroy()
})

/* ---- broken HTTP ------------------------------------------------------------------------------- */

const badHeads = {
  garbage: ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', '400'],
  'a head of 20 KB': [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20000)}\r\n\r\n`, '431'],
  'two lengths': ['POST /api/boards HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', '400'],
  'a length and chunks': ['POST /api/boards HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', '400'],
  'no host': ['GET / HTTP/1.1\r\n\r\n', '400'],
  'a body that is too long': ['POST /api/boards HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n', '413'],
  'an upgrade without a key': [upgradeHead('/x').replace(/Sec-WebSocket-Key.*\r\n/, ''), '400'],
  'an old WebSocket': [upgradeHead('/x').replace('Version: 13', 'Version: 8'), '426'],
  'a path with a NUL': ['GET /api/boards/%00/export HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', '400'],
  'a way out of the folder': ['GET /assets/../../../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', '404'],
  'the same, escaped': ['GET /assets/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n', '404']
}
for (const [name, [head, status]] of Object.entries(badHeads))
  hostile(`HTTP: ${name} is answered ${status}`, async () => {
    const it = tcp()
    await it.opened
    it.socket.write(head, 'latin1')
    await until(() => it.bytes.length > 12 || it.ended, 'an answer')
    assert(it.text().startsWith(`HTTP/1.1 ${status} `), it.text().slice(0, 60))
    it.socket.destroy()
  })

hostile('HTTP: a hundred heads that never end', async () => {
  const all = Array.from({ length: 100 }, tcp)
  await Promise.all(all.map((it) => it.opened))
  all.forEach((it) => it.socket.write('GET /x HTTP/1.1\r\nHost: '))
  await undisturbed()
  all.forEach((it) => it.socket.write('y'))
  await undisturbed()
  all.forEach((it) => it.socket.destroy())
})

hostile('500 sockets come and go', async () => {
  for (let i = 0; i < 5; i++) {
    const all = await Promise.all(Array.from({ length: 100 }, () => upgraded(`/flood-${i}`)))
    all.forEach((it) => { it.socket.write(step1Frame()); it.socket.destroy() })
  }
})

hostile('a board name of 513 bytes is closed with 4400', async () => {
  const raw = new Raw(`${server.ws}/${'n'.repeat(513)}`)
  assert((await raw.gone).code === 4400, `code ${raw.closed?.code}`)
})

/* ---- broken messages --------------------------------------------------------------------------- */

async function closedWith(code, ...messages) {
  const raw = new Raw(`${server.ws}/target`)
  await raw.opened
  raw.send(step1())
  messages.forEach((m) => raw.send(m))
  const how = await raw.gone
  assert(how.code === code, `closed with ${how.code} ${how.reason} instead of ${code}`)
  assert(how.reason.length > 0, 'without a reason')
}

const real = (() => {
  const doc = new Y.Doc()
  doc.getText('t').insert(0, 'hello')
  doc.getMap('m').set('k', { a: [1, 2, 3] })
  doc.getText('t').delete(1, 2)
  return Buffer.from(Y.encodeStateAsUpdate(doc))
})()

/* The same in each run: some noise says that a clock is past all limits, which is closed with another code. */
const noise = Buffer.concat([...Array(13).keys()].map((i) => crypto.createHash('sha256').update(`noise ${i}`).digest()))

const badMessages = {
  'an empty message': Buffer.alloc(0),
  'an unknown kind of sync': Buffer.from([0, 9, 0]),
  'a step 1 that ends early': Buffer.from([0, 0, 50, 1]),
  'a state vector that is none': Buffer.from(step1(Buffer.from([5, 1, 2]))),
  'a length of 2^53': Buffer.concat([Buffer.from([0, 2]), Buffer.from('ffffffffffffff0f', 'hex')]),
  'an update of noise': Buffer.from(update(noise)),
  'an update with 2^32 clients': Buffer.from(update(Buffer.from('ffffffff0f01', 'hex'))),
  'an update that ends in the middle': Buffer.from(update(real.subarray(0, real.length >> 1))),
  'an update with something after it': Buffer.from(update(Buffer.concat([real, Buffer.from([1])]))),
  'presence that is no JSON': Buffer.from(awareness([[7, 1, '{"a":']])),
  'presence that ends early': Buffer.from([1, 3, 5, 7, 1]),
  'presence with a number past 2^53': Buffer.concat([Buffer.from([1, 12, 1]), Buffer.from('ffffffffffffffffff01', 'hex'), Buffer.from([1])])
}
for (const [name, bytes] of Object.entries(badMessages))
  hostile(`message: ${name} is closed with 4400`, async () => {
    if (bytes.length === 0) {
      const raw = new Raw(`${server.ws}/target`)
      await raw.opened
      raw.send(step1())
      raw.send(bytes)
      assert((await raw.gone).code === 4400, `code ${raw.closed.code}`)
    } else {
      await closedWith(4400, bytes)
    }
  })

hostile('message: an update whose clock is past 2^31 is closed with 4413', () =>
  closedWith(4413, update(Buffer.from('010101ffffffff0f040101740161' + '00', 'hex'))))

hostile('message: every truncation of an update leaves the board as it was', async () => {
  const before = await visit(`${server.ws}/target`)
  for (let n = 1; n < real.length; n += 3) {
    const raw = new Raw(`${server.ws}/target`)
    await raw.opened
    raw.send(update(real.subarray(0, n)))
    await raw.gone
  }
  const [a, b] = [before, await visit(`${server.ws}/target`)].map((bytes) => {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, bytes)
    return JSON.stringify([doc.getText('t').toString(), doc.getMap('m').toJSON()])
  })
  assert(a === b, `${a} became ${b}`)
})

/* ---- floods ------------------------------------------------------------------------------------ */

hostile('flood: 20,000 presence frames', async () => {
  const raw = new Raw(`${server.ws}/target`)
  await raw.opened
  for (let i = 1; i <= 20000; i++) raw.send(awareness([[4242, i, { i }]]))
  await undisturbed()
  raw.cut()
})

hostile('flood: one frame with 100,000 presence ids', async () => {
  const raw = new Raw(`${server.ws}/target`)
  await raw.opened
  raw.send(awareness(Array.from({ length: 100000 }, (_, i) => [i + 10, 1, '{}'])))
  await undisturbed()
  assert(await server.metric('presence_refused_total') > 90000, 'most of them must be refused')
  raw.cut()
})

/* Products of this number's multiples with 2^64 / golden ratio, the usual way to hash a number, have 16 zeros in the middle: a
 * table that is indexed by them has all of these in one place, and asking 600,000 times for one that is not there takes
 * more than a minute. */
hostile('flood: 20,000 presence ids that a table without a secret puts into one place', async () => {
  const id = (i) => 59089785814 * (i + 1)
  const raw = new Raw(`${server.ws}/target`)
  await raw.opened
  raw.send(awareness(Array.from({ length: 20000 }, (_, i) => [id(i), 1, 'null'])))
  raw.send(awareness(Array.from({ length: 600000 }, () => [id(20000), 0, 'null'])))
  await undisturbed()
  raw.cut()
})

hostile('flood: presence states of 300 KB', async () => {
  const raw = new Raw(`${server.ws}/target`)
  await raw.opened
  const refused = await server.metric('presence_refused_total')
  for (let i = 1; i <= 20; i++) raw.send(awareness([[1000000 + i, 1, JSON.stringify('x'.repeat(300000))]]))
  await until(async () => await server.metric('presence_refused_total') >= refused + 20, 'all of them to be refused')
  raw.cut()
})

hostile('flood: 20,000 questions and 20,000 messages of unknown type', async () => {
  const raw = new Raw(`${server.ws}/target`)
  await raw.opened
  for (let i = 0; i < 20000; i++) {
    raw.send(i % 2 ? step1() : Buffer.from([3]))
    raw.send(Buffer.from([99, 1, 2]))
  }
  await undisturbed()
  raw.cut()
})

hostile('flood: 5,000 updates that wait for one that never comes', async () => {
  const doc = new Y.Doc()
  const updates = []
  doc.on('update', (bytes) => updates.push(bytes))
  for (let i = 0; i < 5001; i++) doc.getArray('a').push([i])
  const raw = new Raw(`${server.ws}/waiting`)
  await raw.opened
  updates.slice(1).reverse().forEach((bytes) => raw.send(update(bytes)))
  await undisturbed()
  raw.send(update(updates[0]))
  await until(() => raw.messages.some((m) => m.kind === 'update'), 'the released updates')
  const there = new Y.Doc()
  Y.applyUpdate(there, await visit(`${server.ws}/waiting`))
  assert(there.getArray('a').length === 5001, `${there.getArray('a').length} elements`)
  raw.cut()
}, 120)

/* Nothing is read, but bytes keep coming: what is queued for it has a bound, and it is told everything
 * once it reads again. */
hostile('a reader that stalls is caught up afterwards', async () => {
  const stalled = await upgraded('/stalled')
  stalled.socket.write(step1Frame())
  await sleep(50)
  stalled.socket.pause()
  const writer = await new Bystander().join('stalled')
  const map = writer.doc.getMap('big')
  let queued = 0
  for (let i = 0; i < 400; i++) {
    map.set('k', crypto.randomBytes(48 * 1024).toString('base64'))
    if (i % 20 === 0) {
      await undisturbed()
      queued = Math.max(queued, await server.metric('net_queue_bytes'))
    }
  }
  map.set('end', 'seen')
  await undisturbed()
  assert(queued < 8 << 20, `${queued} bytes were queued`)
  stalled.socket.resume()
  await until(() => stalled.bytes.includes('seen') || closeCode(stalled) === 1013, 'the state, or the advice to come back', 60)
  stalled.socket.destroy()
  writer.raw.cut()
}, 180)

const failed = await runAll(option('only'))
await server.discard()
process.exit(failed === 0 ? 0 : 1)
