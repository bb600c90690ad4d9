// What observers are told. One Yjs document and one gesso document with the same client id take the same updates
// from other Yjs clients and the same local edits; observers of types, deep ones, and of transactions stand at the
// same places in both and come and go together. Every call must be the same, in the same order: target, path, delta,
// keys with action, old and new value, origin.
//
// Two things differ by design (docs/compat.md). Yjs deletes formats that say nothing new while somebody reads a delta:
// here it is kept from it, so that reading changes neither document. And Yjs makes transactions in which nothing happens,
// to read a delta or to empty a subdocument: those are left out. Formats have no objects as values, whose equality is a
// matter of identity in Yjs.
import * as Y from 'yjs'
import { Kind, NO_GC } from './driver.mjs'
import { Random } from './random.mjs'
import { clientId, makeEdit, openRoots, roots, typesBelow } from './session.mjs'
import { expectEqual, gessoContent, parsed, receive, wellFormed, yjsContent, yjsStateVector } from './compare.mjs'
import { collectEdits } from './edits.mjs'

const nothing = () => undefined
const string = decoder => new TextDecoder().decode(decoder.arr.subarray(decoder.pos))
const number = decoder => {
  let n = 0
  for (let unit = 1; ; unit *= 128) {
    const byte = decoder.arr[decoder.pos++]
    n += (byte & 127) * unit
    if (byte < 128) return n
  }
}
const rootKind = { map: Kind.map, array: Kind.array, text: Kind.text, xml: Kind.xmlFragment }

const kindOf = type =>
  type instanceof Y.XmlText ? Kind.xmlText
    : type instanceof Y.Text ? Kind.text
      : type instanceof Y.XmlElement ? Kind.xmlElement
        : type instanceof Y.XmlFragment ? Kind.xmlFragment
          : type instanceof Y.XmlHook ? Kind.xmlHook
            : type instanceof Y.Array ? Kind.array : Kind.map

function nameOf (type) {
  if (type._item !== null) return `${type._item.id.client}:${type._item.id.clock}`
  for (const [name, root] of type.doc.share) if (root === type) return name
}

// A value in the words of driver_events.c.
function canonical (v) {
  if (v === undefined) return { $undefined: 1 }
  if (v === null || typeof v === 'boolean') return v
  if (typeof v === 'number') return Number.isFinite(v) ? v + 0 : null
  if (typeof v === 'bigint') return Number(v)
  if (typeof v === 'string') return wellFormed(v)
  if (v instanceof Uint8Array) return { $bytes: Buffer.from(v).toString('base64') }
  if (v instanceof Y.AbstractType) return { $type: kindOf(v) }
  if (v instanceof Y.Doc) return { $doc: 1 }
  if (Array.isArray(v)) return v.map(canonical)
  return Object.fromEntries(Object.entries(v).map(([key, x]) => [wellFormed(key), canonical(x)]))
}

// Yjs deletes items while it computes this. They are only marked as deleted, and live again afterwards.
function readDelta (event) {
  const remove = Y.Item.prototype.delete
  const marked = []
  Y.Item.prototype.delete = function () {
    if (this.deleted) return
    marked.push(this)
    this.markDeleted()
  }
  try {
    return event.changes.delta
  } finally {
    Y.Item.prototype.delete = remove
    for (const item of marked) item.deleted = false
  }
}

function describeChange (change, text) {
  const out = { ...change }
  if ('insert' in change) {
    if (text) {
      out.length = typeof change.insert === 'string' ? change.insert.length : 1
      out.insert = canonical(change.insert)
    } else {
      out.insert = change.insert.map(canonical)
    }
  }
  if (change.attributes) out.attributes = canonical(change.attributes)
  return out
}

function describe (event) {
  const { target, transaction } = event
  return {
    target: nameOf(target),
    at: nameOf(event.currentTarget),
    kind: kindOf(target),
    local: transaction.local,
    origin: transaction.origin ?? '',
    path: event.path.map(step => typeof step === 'string' ? wellFormed(step) : step),
    delta: readDelta(event).map(change => describeChange(change, target instanceof Y.Text)),
    keys: [...event.changes.keys].map(([key, { action, oldValue }]) => {
      const item = target._map.get(key)
      return [wellFormed(key), action, action === 'add' ? { $none: 1 } : canonical(oldValue),
        item.deleted ? { $none: 1 } : canonical(item.content.getContent()[item.length - 1])]
    })
  }
}

const clocks = map => Object.fromEntries([...map].filter(([, clock]) => clock > 0).map(([client, clock]) => [client, clock]))

const rangesOf = tr => Object.fromEntries([...tr.deleteSet.clients].map(([client, items]) =>
  [client, items.map(d => [d.clock, d.clock + d.len])]))

const somethingHappened = entry => entry.label !== 1 || entry.origin !== '' || Object.keys(entry.deleted).length > 0 ||
  JSON.stringify(entry.before) !== JSON.stringify(entry.after)

class Twins {
  constructor (driver, r, seen) {
    Object.assign(this, { driver, r, seen, log: [], handles: new Map(), subscriptions: [], label: 10, sent: 0 })
    const gc = r.chance(0.8)
    this.doc = new Y.Doc({ gc })
    this.doc.clientID = clientId(r) || 1
    this.mirror = new Y.Doc() // hears of gesso what its update observer tells
    this.theirs = new Y.Doc() // hears what Yjs tells; not always what is here, where emojis are cut in halves
    this.updates = [] // what Yjs tells of local edits
    this.v2 = r.chance(0.5)
    this.flags = gc ? 0 : NO_GC
    this.doc.on('afterTransaction', tr => this.log.push({
      label: 1,
      local: tr.local,
      origin: tr.origin ?? '',
      before: clocks(tr.beforeState),
      after: clocks(tr.afterState),
      deleted: rangesOf(tr)
    }))
    this.doc.on('update', (bytes, origin, doc, tr) => {
      this.sent++
      Y.applyUpdate(this.theirs, bytes)
      if (tr.local) this.updates.push(bytes)
    })
  }

  call (name, args, read) { return this.driver.call(name, 0, args, read) }

  async open () {
    const top = openRoots(this.doc)
    await Promise.all([
      this.driver.create(0, this.doc.clientID, this.flags),
      ...Object.entries(roots).map(async ([name, kind]) => this.handles.set(top[name], await this.driver.root(0, name, rootKind[kind]))),
      this.call('observe_transaction', [1], number),
      this.call('observe_update', [this.v2 ? 2 : 1, 2], number)
    ])
    for (const type of Object.values(top)) {
      this.observe(type, this.r.chance(0.5))
      if (this.r.chance(0.3)) this.observe(type, this.r.chance(0.5))
    }
  }

  observe (type, deep) {
    const label = this.label++
    const told = events => this.log.push({ label, events: (deep ? events : [events]).map(describe) })
    if (deep) type.observeDeep(told)
    else type.observe(told)
    const id = this.call(deep ? 'observe_deep' : 'observe', [this.handles.get(type), label], number)
    id.catch(() => {})
    this.subscriptions.push({ type, deep, told, id })
  }

  async unobserve (i) {
    const [{ type, deep, told, id }] = this.subscriptions.splice(i, 1)
    if (deep) type.unobserveDeep(told)
    else type.unobserve(told)
    await this.call('unobserve', [await id], nothing)
  }

  // `run` makes one transaction in Yjs, `repeat` asks for the same in gesso.
  async transaction (run, repeat) {
    this.log = []
    this.sent = 0
    run()
    const done = repeat()
    const events = this.call('events', [], string)
    await Promise.all(done)
    await new Promise(setImmediate) // the handles of new types are noted
    const want = this.log.filter(somethingHappened)
    const got = parsed(await events)
    const updates = got.filter(entry => entry.label === 2)
    expectEqual('updates told', this.sent, updates.length)
    for (const { update } of updates) receive(this.mirror, { v2: this.v2, bytes: Buffer.from(update.$bytes, 'base64') })
    expectEqual('what observers are told', want, got.filter(entry => entry.label !== 2 && somethingHappened(entry)).map(e => ({ ...e })))
    this.seen.transactions++
    for (const { events } of want) {
      for (const e of events ?? []) {
        this.seen.events++
        this.seen.changes += e.delta.length
        this.seen.keys += e.keys.length
        this.seen.deep += e.path.length > 0
      }
    }
  }

  // Handles for types that came from elsewhere.
  async discover () {
    const types = Object.values(openRoots(this.doc)).flatMap(root => [...typesBelow(root)]).filter(type => !this.handles.has(type))
    await Promise.all(types.map(async type => {
      const { client, clock } = type._item.id
      const handle = await this.call('find_type', [client, clock], number)
      if (handle === 0) throw new Error(`there is no type ${client}:${clock}`)
      this.handles.set(type, handle)
    }))
  }

  live () {
    return [...this.handles.keys()].filter(type => type._item === null || !type._item.deleted)
  }
}

async function checkScript (driver, seed, seen) {
  const r = new Random(seed * 6364136 + 11)
  const twins = new Twins(driver, r, seen)
  await twins.open()
  const pool = []
  let heard = 0 // by the twins
  const peers = Array.from({ length: 2 }, (_, i) => {
    const doc = new Y.Doc()
    doc.clientID = 5000 + i
    openRoots(doc)
    const peer = { doc, heard: 0 }
    doc.on('update', (bytes, origin) => { if (origin !== 'pool') pool.push({ from: peer, bytes }) })
    return peer
  })
  const pieces = ['a', 'word ', 'é', '漢字', '\n', 'a longer piece of text ']
  for (let i = r.between(5, 16); i > 0; i--) {
    const peer = r.pick(peers)
    if (r.chance(0.7)) peer.doc.transact(() => { for (let k = r.between(1, 4); k > 0; k--) makeEdit(r, peer.doc, { flat: true }) })
    if (r.chance(0.4)) {
      const until = r.between(peer.heard, pool.length)
      for (; peer.heard < until; peer.heard++) {
        if (pool[peer.heard].from !== peer) Y.applyUpdate(peer.doc, pool[peer.heard].bytes, 'pool')
      }
    }
    if (r.chance(0.3) && heard < pool.length) {
      // Some of what is new, one by one, as one update, or as one transaction.
      const news = []
      for (let n = r.between(1, 4); n > 0 && heard < pool.length; heard++, n--) if (pool[heard].from !== twins) news.push(pool[heard].bytes)
      const origin = r.pick(['', 'net', 'ключ'])
      const deliver = bytes => twins.transaction(
        () => twins.doc.transact(() => bytes.forEach(b => Y.applyUpdate(twins.doc, b)), origin || null, false),
        () => [twins.call('begin_with', [origin], nothing), ...bytes.map(b => driver.apply(0, b)), driver.commit(0)])
      if (news.length === 0) continue
      if (r.chance(0.4)) for (const bytes of news) await deliver([bytes])
      else await deliver(r.chance(0.5) ? news : [Y.mergeUpdates(news)])
      await twins.discover()
    } else {
      const later = []
      await twins.transaction(
        () => { twins.doc.transact(() => collectEdits(r, later, twins.doc, twins.handles, pieces, r.between(1, 4), true), 'me') },
        () => [twins.call('begin_with', ['me'], nothing), ...later.map(edit => edit(driver)), driver.commit(0)])
      for (const bytes of twins.updates.splice(0)) pool.push({ from: twins, bytes })
    }
    if (r.chance(0.3)) twins.observe(r.pick(twins.live()), r.chance(0.5))
    if (r.chance(0.2) && twins.subscriptions.length > 0) await twins.unobserve(r.below(twins.subscriptions.length))
  }
  await driver.check(0)
  const want = yjsContent(twins.doc)
  expectEqual('content', wellFormed(want), wellFormed(await gessoContent(driver, 0)))
  expectEqual('what the update observer told', wellFormed(yjsContent(twins.theirs)), wellFormed(yjsContent(twins.mirror)))
}

export async function runEvents (getDriver, first, count) {
  const seen = { transactions: 0, events: 0, changes: 0, keys: 0, deep: 0 }
  const result = { passed: 0, failed: 0 }
  for (let seed = first; seed < first + count; seed++) {
    try {
      await checkScript(getDriver(), seed, seen)
      result.passed++
    } catch (error) {
      result.failed++
      if (result.failed < 10) console.log(`FAILED events ${seed}: ${error.message}${error.what ? '' : '\n' + error.stack}`)
    }
  }
  console.log(`${count} scripts of events: ${seen.transactions} transactions, ${seen.events} events (${seen.deep} from further down) with ` +
    `${seen.changes} changes and ${seen.keys} keys as in Yjs`)
  return result
}
