/* The y-websocket protocol by hand: every frame seen, nothing sent by itself. */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import WebSocket from 'ws'
import { until } from './runner.mjs'

export const step1 = (vector = new Uint8Array([0])) => sync(0, vector)
export const step2 = (update) => sync(1, update)
export const update = (bytes) => sync(2, bytes)

function sync(kind, bytes) {
  const e = encoding.createEncoder()
  encoding.writeVarUint(e, 0)
  encoding.writeVarUint(e, kind)
  encoding.writeVarUint8Array(e, bytes)
  return encoding.toUint8Array(e)
}

/* entries: [client, clock, state] */
export function awareness(entries) {
  const body = encoding.createEncoder()
  encoding.writeVarUint(body, entries.length)
  for (const [client, clock, state] of entries) {
    encoding.writeVarUint(body, client)
    encoding.writeVarUint(body, clock)
    encoding.writeVarString(body, typeof state === 'string' ? state : JSON.stringify(state))
  }
  const e = encoding.createEncoder()
  encoding.writeVarUint(e, 1)
  encoding.writeVarUint8Array(e, encoding.toUint8Array(body))
  return encoding.toUint8Array(e)
}

/* {kind: 'step1' | 'step2' | 'update' | 'awareness' | 'denied' | 'query' | 'unknown', body, entries} */
export function parse(frame) {
  const d = decoding.createDecoder(frame)
  switch (decoding.readVarUint(d)) {
    case 0: {
      const kind = ['step1', 'step2', 'update'][decoding.readVarUint(d)]
      return { kind, body: decoding.readVarUint8Array(d), rest: frame.length - d.pos }
    }
    case 1: {
      const body = decoding.readVarUint8Array(d)
      const b = decoding.createDecoder(body)
      const entries = []
      for (let n = decoding.readVarUint(b); n > 0; n--)
        entries.push([decoding.readVarUint(b), decoding.readVarUint(b), JSON.parse(decoding.readVarString(b))])
      return { kind: 'awareness', body, entries, rest: frame.length - d.pos }
    }
    case 2:
      return { kind: 'denied', code: decoding.readVarUint(d), reason: decoding.readVarString(d), rest: frame.length - d.pos }
    case 3:
      return { kind: 'query', rest: frame.length - d.pos }
    default:
      return { kind: 'unknown', rest: 0 }
  }
}

export class Raw {
  constructor(url, options = {}) {
    this.frames = []
    this.messages = []
    this.closed = null
    this.socket = new WebSocket(url, options.protocols ?? [], { perMessageDeflate: false, ...options })
    this.socket.binaryType = 'nodebuffer'
    this.socket.on('error', () => {})
    this.socket.on('message', (data) => {
      const frame = new Uint8Array(data)
      this.frames.push(frame)
      const m = parse(frame)
      this.messages.push(m)
      this.onmessage?.(m)
    })
    this.opened = new Promise((resolve) => this.socket.on('open', () => resolve(true)))
    this.gone = new Promise((resolve) => this.socket.on('close', (code, reason) => {
      this.closed = { code, reason: String(reason) }
      resolve(this.closed)
    }))
  }

  send(bytes) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(bytes)
  }

  has(kind) { return this.messages.some((m) => m.kind === kind) }
  all(kind) { return this.messages.filter((m) => m.kind === kind) }
  waitFor(kind, what = `a message of kind ${kind}`) {
    return until(() => this.messages.find((m) => m.kind === kind), what)
  }

  close() {
    this.socket.close()
    return this.gone
  }

  cut() { this.socket.terminate() }
}

/* Everything that a newcomer is given, as one update. */
export async function visit(url) {
  const raw = new Raw(url)
  await Promise.race([raw.opened, raw.gone])
  raw.send(step1())
  const answer = await Promise.race([
    raw.waitFor('step2'),
    raw.gone.then((how) => { throw new Error(`closed: ${how.code} ${how.reason}`) })
  ])
  raw.cut()
  return answer.body
}
