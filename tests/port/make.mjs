/* Documents, and files as other servers write them. */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { assert } from '../clients/lib/runner.mjs'

/* A document that several people made, with everything in it: each edit is one update. */
export function sample(seed, edits = 6) {
  const doc = new Y.Doc({ gc: true })
  const updates = []
  doc.on('update', (update) => updates.push(update))
  for (let i = 0; i < edits; i++) {
    doc.clientID = seed * 100 + 1 + (i % 3)
    doc.transact(() => {
      doc.getText('t').insert(0, `${seed}:${i} ✎ `, i % 2 ? { bold: true } : undefined)
      doc.getMap('m').set(`k${i}`, { n: i, list: [1, 2.5, null, 'ü'], big: 2 ** 40 + i })
      const inner = new Y.Map()
      doc.getMap('m').set('inner', inner)
      inner.set('at', i)
      doc.getArray('a').push([i, `e${i}`, true])
      const node = new Y.XmlElement('p')
      node.setAttribute('n', String(i))
      doc.getXmlFragment('x').push([node])
    })
    if (i > 1) doc.transact(() => { doc.getArray('a').delete(0, 1); doc.getText('t').delete(0, 2) })
  }
  return { doc, updates, state: Y.encodeStateAsUpdate(doc) }
}

export const samples = (names) => new Map(names.map((name, i) => [name, sample(i + 1)]))
export const docsOf = (made) => new Map([...made].map(([name, s]) => [name, s.doc]))

const hex = (bytes) => `X'${Buffer.from(bytes).toString('hex')}'`
const quoted = (text) => `'${text.replaceAll("'", "''")}'`

export function sql(file, ...statements) {
  const r = spawnSync('sqlite3', ['-bail', file], { input: statements.join(';\n') + ';\n', encoding: 'utf8' })
  assert(r.status === 0, `sqlite3: ${r.stderr}`)
  return r.stdout
}

/* ---- Hocuspocus ---- */

/* By its own extension; when its native part cannot be loaded, the same table by the sqlite3 command. */
export async function hocuspocus(file, states) {
  const { SQLite, schema } = await import('@hocuspocus/extension-sqlite')
  const extension = new SQLite({ database: file })
  try {
    await extension.onConfigure()
  } catch (error) {
    console.log(`      better-sqlite3 cannot be loaded here (${error.message.split('\n')[0]}): written with sqlite3`)
    sql(file, schema, ...[...states].map(([name, state]) => `INSERT INTO documents VALUES (${quoted(name)}, ${hex(state)})`))
    return
  }
  for (const [name, state] of states)
    await extension.configuration.store({ documentName: name, state: Buffer.from(state) })
  extension.db.close()
}

/* What it would give to a server that asks for that document. */
export async function hocuspocusFetch(file, name) {
  const { SQLite } = await import('@hocuspocus/extension-sqlite')
  const extension = new SQLite({ database: file })
  try {
    await extension.onConfigure()
  } catch {
    const out = sql(file, `SELECT hex(data) FROM documents WHERE name = ${quoted(name)}`).trim()
    return out === '' ? null : Buffer.from(out, 'hex')
  }
  const data = await extension.configuration.fetch({ documentName: name })
  extension.db.close()
  return data
}

/* ---- y-leveldb ---- */

/* Stores the updates one by one; `more(persistence)` does what else is to be done. */
export async function yleveldb(folder, made, more = async () => {}) {
  const { LeveldbPersistence } = await import('y-leveldb')
  const persistence = new LeveldbPersistence(folder)
  for (const [name, { updates }] of made)
    for (const update of updates) await persistence.storeUpdate(name, update)
  await more(persistence)
  await persistence.destroy()
}

/* ---- pycrdt-store ---- */

const schema2 = [
  'CREATE TABLE yupdates (path TEXT NOT NULL, yupdate BLOB, metadata BLOB, timestamp REAL NOT NULL)',
  'CREATE INDEX idx_yupdates_path_timestamp ON yupdates (path, timestamp)',
  'PRAGMA user_version = 2'
]
const checkpoints = 'CREATE TABLE ycheckpoints (path TEXT PRIMARY KEY, checkpoint BLOB NOT NULL, timestamp REAL NOT NULL)'

/* rows: [path, update, timestamp]; saved: [path, checkpoint, timestamp], undefined: a file without that table. */
export function pycrdt(file, rows, saved) {
  sql(file, ...schema2, ...(saved ? [checkpoints] : []), 'BEGIN',
    ...rows.map(([name, update, time]) => `INSERT INTO yupdates VALUES (${quoted(name)}, ${hex(update)}, X'', ${time})`),
    ...(saved ?? []).map(([name, state, time]) => `INSERT INTO ycheckpoints VALUES (${quoted(name)}, ${hex(state)}, ${time})`), 'COMMIT')
}

export function fileYStore(updates, { version = 2, metadata = new Uint8Array([1, 2]) } = {}) {
  const out = encoding.createEncoder()
  encoding.writeUint8Array(out, Buffer.from(`VERSION:${version}\n`))
  updates.forEach((update, i) => {
    encoding.writeVarUint8Array(out, update)
    encoding.writeVarUint8Array(out, metadata)
    if (version < 2) return
    const time = Buffer.alloc(8)
    time.writeDoubleLE(1.7e9 + i)
    encoding.writeVarUint8Array(out, time)
  })
  return Buffer.from(encoding.toUint8Array(out))
}

/* ---- y-sweet ---- */

const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b }
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(n)); return b }

export const sweetName = (name, oid) => [Buffer.concat([Buffer.from([0, 0]), Buffer.from(name), Buffer.from([0])]), u32(oid)]
export const sweetPart = (oid, tail, value) => [Buffer.concat([Buffer.from([0, 1]), u32(oid), Buffer.from(tail)]), Buffer.from(value)]

export function ysweet(entries) {
  const all = [...entries].sort((a, b) => Buffer.compare(a[0], b[0]))
  return Buffer.concat([u64(all.length), ...all.flatMap(([key, value]) => [u64(key.length), key, u64(value.length), value])])
}

/* As the server writes it: one document, its state and state vector, nothing that waits. */
export const ysweetOf = (doc, oid = 1) => ysweet([
  sweetName('doc', oid), sweetPart(oid, [0], Y.encodeStateAsUpdate(doc)), sweetPart(oid, [1], Y.encodeStateVector(doc))
])

export function write(file, bytes) {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, bytes)
  return file
}
