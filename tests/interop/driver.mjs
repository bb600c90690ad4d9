// The other end of driver.c: each method queues one command; flush() sends what is queued and
// resolves the promises in order.
import { spawn } from 'node:child_process'
import * as encoding from 'lib0/encoding'
import * as decoding from 'lib0/decoding'

export const Kind = { array: 0, map: 1, text: 2, xmlElement: 3, xmlFragment: 4, xmlHook: 5, xmlText: 6 }
export const Value = { undefined: 0, null: 1, bool: 2, number: 3, string: 4, bytes: 5, json: 6, type: 7, bigint: 8, array: 9, object: 10, doc: 11 }
export const NO_GC = 1

const utf8 = new TextEncoder()
const text = new TextDecoder('utf-8', { fatal: true })
const none = new Uint8Array(0)
const asBytes = x => x == null ? none : typeof x === 'string' ? utf8.encode(x) : x

export class GessoError extends Error {
  constructor (status, offset, message) {
    super(message)
    this.status = status
    this.offset = offset
  }
}

// What an answer holds.
export const nothing = () => undefined
export const bytes = decoder => decoding.readTailAsUint8Array(decoder)
export const string = decoder => text.decode(decoding.readTailAsUint8Array(decoder))
export const number = decoder => decoding.readVarUint(decoder)
export const any = decoder => decoding.readAny(decoder)

export class Driver {
  constructor (path) {
    this.child = spawn(path, [], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.waiting = []
    this.out = encoding.createEncoder()
    this.chunks = []
    this.have = 0
    this.dead = null
    this.child.stdin.on('error', () => {})
    this.child.stdout.on('data', chunk => this.receive(chunk))
    this.closed = new Promise(resolve => this.child.on('close', (code, signal) => {
      this.dead = new Error(`the driver ended with ${signal ?? code}`)
      for (const w of this.waiting) w.reject(this.dead)
      this.waiting = []
      resolve(code ?? 1)
    }))
  }

  receive (chunk) {
    let buf = this.rest?.length ? Buffer.concat([this.rest, chunk]) : chunk
    while (buf.length >= 4) {
      const len = buf.readUInt32LE(0)
      if (buf.length < 4 + len) break
      this.settle(new Uint8Array(buf.subarray(4, 4 + len)))
      buf = buf.subarray(4 + len)
    }
    this.rest = buf
  }

  settle (answer) {
    const w = this.waiting.shift()
    const decoder = decoding.createDecoder(answer)
    const status = decoding.readUint8(decoder)
    if (status === 0) {
      w.resolve(w.read(decoder))
    } else {
      const offset = decoding.readVarUint(decoder)
      w.reject(new GessoError(status, offset, `${string(decoder)} (${w.name}, ${JSON.stringify(w.args).slice(0, 300)})`))
    }
  }

  // args: numbers as varUint, strings and Uint8Arrays as bytes, {value: ...} as a value
  call (name, slot, args, read) {
    if (this.dead) return Promise.reject(this.dead)
    const e = encoding.createEncoder()
    encoding.writeVarUint8Array(e, utf8.encode(name))
    encoding.writeVarUint(e, slot)
    for (const a of args) {
      if (typeof a === 'number') {
        encoding.writeVarUint(e, a)
      } else if (a != null && typeof a === 'object' && 'value' in a) {
        writeValue(e, a.value)
      } else {
        encoding.writeVarUint8Array(e, asBytes(a))
      }
    }
    const command = encoding.toUint8Array(e)
    encoding.writeUint32(this.out, command.length)
    encoding.writeUint8Array(this.out, command)
    const promise = new Promise((resolve, reject) => this.waiting.push({ resolve, reject, read, name, args }))
    if (!this.scheduled) {
      this.scheduled = true
      queueMicrotask(() => this.flush())
    }
    return promise
  }

  flush () {
    this.scheduled = false
    encoding.writeUint32(this.out, 0)
    this.child.stdin.write(encoding.toUint8Array(this.out))
    this.out = encoding.createEncoder()
  }

  async close () {
    this.child.stdin.end()
    return this.closed
  }

  create (slot, clientId = 0, flags = 0) { return this.call('new', slot, [clientId, flags], nothing) }
  drop (slot) { return this.call('drop', slot, [], nothing) }
  apply (slot, update) { return this.call('apply', slot, [update], nothing) }
  applyV2 (slot, update) { return this.call('apply_v2', slot, [update], nothing) }
  encode (slot, stateVector) { return this.call('encode', slot, [stateVector], bytes) }
  encodeV2 (slot, stateVector) { return this.call('encode_v2', slot, [stateVector], bytes) }
  stateVector (slot) { return this.call('state_vector', slot, [], bytes) }
  stateVectorJson (slot) { return this.call('state_vector_json', slot, [], string) }
  pending (slot) { return this.call('pending', slot, [], string) }
  check (slot) { return this.call('check', slot, [], nothing) }
  root (slot, name, kind) { return this.call('root', slot, [name, kind], number) }
  toJson (slot, type, kind) { return this.call('to_json', slot, [type, kind], string) }
  toString_ (slot, type) { return this.call('to_string', slot, [type], string) }
  toDelta (slot, type) { return this.call('to_delta', slot, [type], string) }
  xmlToString (slot, type, kind) { return this.call('xml_to_string', slot, [type, kind], string) }
  length (slot, type) { return this.call('length', slot, [type], number) }
  begin (slot) { return this.call('begin', slot, [], nothing) }
  commit (slot) { return this.call('commit', slot, [], bytes) }
  mapSet (slot, type, key, value) { return this.call('map_set', slot, [type, key, { value }], number) }
  mapRemove (slot, type, key) { return this.call('map_remove', slot, [type, key], nothing) }
  mapGetJson (slot, type, key) { return this.call('map_get_json', slot, [type, key], string) }
  mapGetType (slot, type, key) { return this.call('map_get_type', slot, [type, key], number) }
  arrayInsert (slot, type, index, values) {
    return this.call('array_insert', slot, [type, index, values.length, ...values.map(value => ({ value }))], number)
  }

  arrayRemove (slot, type, index, count) { return this.call('array_remove', slot, [type, index, count], nothing) }
  arrayGetType (slot, type, index) { return this.call('array_get_type', slot, [type, index], number) }
  textInsert (slot, type, index, str, attributes) {
    return this.call('text_insert', slot, [type, index, str, attributes && JSON.stringify(attributes)], nothing)
  }

  textEmbed (slot, type, index, embed, attributes) {
    return this.call('text_embed', slot, [type, index, JSON.stringify(embed), attributes && JSON.stringify(attributes)], nothing)
  }

  textRemove (slot, type, index, count) { return this.call('text_remove', slot, [type, index, count], nothing) }
  textFormat (slot, type, index, count, attributes) {
    return this.call('text_format', slot, [type, index, count, JSON.stringify(attributes)], nothing)
  }

  values (slot, type, index = 0, count = 2 ** 32) { return this.call('values', slot, [type, index, count], any) }
  entries (slot, type) { return this.call('entries', slot, [type], any) }
  mapGet (slot, type, key) { return this.call('map_get', slot, [type, key], any) }
  mapClear (slot, type) { return this.call('map_clear', slot, [type], nothing) }
  walk (slot, type) { return this.call('walk', slot, [type], any) }
  getDelta (slot, type) { return this.call('get_delta', slot, [type], any) }
  textApplyDelta (slot, type, delta) { return this.call('apply_delta', slot, [type, JSON.stringify(delta)], nothing) }
  textEmbedValue (slot, type, index, value, attributes) {
    return this.call('embed_value', slot, [type, index, { value }, attributes && JSON.stringify(attributes)], number)
  }

  // The same delta as gesso_change; inserts may be a NewType.
  textApplyChanges (slot, type, delta) {
    const kinds = delta.flatMap(op => 'insert' in op ? [1, 0] : 'delete' in op ? [2, op.delete] : [3, op.retain])
    const values = delta.flatMap(op => [...('insert' in op ? [op.insert] : []), op.attributes ?? {}])
    const args = [type, delta.length, ...kinds, values.length, ...values.map(value => ({ value }))]
    return this.call('apply_changes', slot, args, nothing)
  }

  stats (slot) { return this.call('stats', slot, [], string) }
}

// A new, empty shared type as a value: new NewType(Kind.map)
export class NewType {
  constructor (kind, nodeName = '') {
    this.kind = kind
    this.nodeName = nodeName
  }
}

// The document in a slot as a value.
export class DocIn {
  constructor (slot) {
    this.slot = slot
  }
}

// JSON text as a value, to be read by gesso.
export class Json {
  constructor (text) {
    this.text = text
  }
}

function writeValue (e, v) {
  const kind = k => encoding.writeVarUint(e, k)
  const data = bytes => encoding.writeVarUint8Array(e, bytes)
  if (v === undefined) {
    kind(Value.undefined)
  } else if (v === null) {
    kind(Value.null)
  } else if (typeof v === 'boolean') {
    kind(Value.bool)
    encoding.writeFloat64(e, v ? 1 : 0)
  } else if (typeof v === 'number') {
    kind(Value.number)
    encoding.writeFloat64(e, v)
  } else if (typeof v === 'bigint') {
    kind(Value.bigint)
    encoding.writeBigInt64(e, v)
  } else if (typeof v === 'string') {
    kind(Value.string)
    data(utf8.encode(v))
  } else if (v instanceof Uint8Array) {
    kind(Value.bytes)
    data(v)
  } else if (v instanceof NewType) {
    kind(Value.type)
    encoding.writeVarUint(e, v.kind)
    data(utf8.encode(v.nodeName))
  } else if (v instanceof DocIn) {
    kind(Value.doc)
    encoding.writeVarUint(e, v.slot)
  } else if (v instanceof Json) {
    kind(Value.json)
    data(utf8.encode(v.text))
  } else if (Array.isArray(v)) {
    kind(Value.array)
    encoding.writeVarUint(e, v.length)
    for (const x of v) writeValue(e, x)
  } else {
    kind(Value.object)
    const entries = Object.entries(v)
    encoding.writeVarUint(e, entries.length)
    for (const [key, x] of entries) {
      data(utf8.encode(key))
      writeValue(e, x)
    }
  }
}
