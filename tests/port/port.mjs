/* What other servers stored, in and out again.
 *
 *   node port.mjs [--gesso PATH] [--only TEXT] */
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import * as Y from 'yjs'
import { assert, option, runAll, test, until } from '../clients/lib/runner.mjs'
import { exported, fresh, importInto, run, sameBoards, sameDoc, start, vectorOf } from './gesso.mjs'
import {
  docsOf, fileYStore, hocuspocus, hocuspocusFetch, pycrdt, sample, samples, sql, sweetName, sweetPart, write, yleveldb, ysweet, ysweetOf
} from './make.mjs'

const good = (r, what = '') => assert(r.status === 0, () => `${what} ${r.status} ${r.out} ${r.err}`)
const bad = (r, what = '') => assert(r.status === 1, () => `${what} ${r.status} ${r.out} ${r.err}`)
const counts = (r, want) => {
  for (const [key, n] of Object.entries({ new: 0, merged: 0, same: 0, skipped: 0, damaged: 0, ...want }))
    assert(r.sum[key] === n, () => `${key}: ${JSON.stringify(r.sum)} ${r.out} ${r.err}`)
}
const checked = (folder) => good(run('check', '--quiet', folder), 'check')
const statesOf = (made) => new Map([...made].map(([name, s]) => [name, s.state]))

/* ---- plain updates ---- */

test('update files and folders of them: v1, v2 and compressed are told apart', () => {
  const made = samples(['one', 'two', 'three/deep', 'four'])
  const dir = fresh('src'), data = fresh('data')
  write(path.join(dir, 'one.bin'), made.get('one').state)
  write(path.join(dir, 'two.v2'), Y.encodeStateAsUpdateV2(made.get('two').doc))
  write(path.join(dir, 'three', 'deep.bin'), made.get('three/deep').state)
  write(path.join(dir, 'four'), zlib.gzipSync(made.get('four').state))
  write(path.join(dir, '.hidden'), 'nobody asks')
  const r = importInto(data, dir)
  good(r)
  counts(r, { new: 4 })
  sameBoards(data, docsOf(made))
  assert(r.of('one').state_vector && Object.keys(r.of('one').state_vector).length === 3, JSON.stringify(r.of('one')))
  checked(data)
})

test('one file: its name, another name, and names with %XX', () => {
  const data = fresh('data'), { doc, state } = sample(1)
  const v2 = write(fresh('plan.v2'), Y.encodeStateAsUpdateV2(doc))
  good(importInto(data, v2, '--from', 'v2'))
  good(importInto(data, v2, '--name', 'a/b c'))
  good(importInto(data, write(fresh('%C3%BC%2Fx.bin'), state)))
  good(importInto(data, v2, '--prefix', 'old/'))
  sameBoards(data, new Map(['plan', 'a/b c', 'ü/x', 'old/plan'].map((n) => [n, doc])))
  bad(importInto(data, v2, '--from', 'v1'), 'v2 read as v1')
})

test('every truncation of an update is refused, and changes nothing', () => {
  const { state } = sample(2, 1), dir = fresh('src'), data = fresh('data')
  for (let n = 0; n < state.length; n += 7) write(path.join(dir, `cut${n}.bin`), state.subarray(0, n))
  write(path.join(dir, 'text.md'), 'this is no update')
  const r = importInto(data, dir)
  bad(r)
  counts(r, { damaged: Math.ceil(state.length / 7) + 1 })
  assert(r.reports.every((l) => l.damage.length > 0 && /byte \d+|empty/.test(l.damage[0])), r.out)
  assert(JSON.parse(run('board', 'list', '--json', '--data', data).out).length === 0, 'there are boards')
})

test('documents that wait for updates go on waiting', () => {
  const { doc, updates } = sample(3), data = fresh('data')
  const late = updates.filter((_, i) => i !== 1)
  good(importInto(data, write(fresh('gap.bin'), Y.mergeUpdates(late))))
  const got = exported(data).get('gap')
  Y.applyUpdate(got, updates[1])
  sameDoc(got, doc, 'when the missing one came')
})

/* ---- what import does with boards that are there ---- */

test('a board that is there is merged with, never overwritten, and a second run changes nothing', () => {
  const a = sample(4), data = fresh('data'), other = new Y.Doc()
  other.clientID = 77
  other.getMap('m').set('mine', 1)
  other.getArray('a').push(['mine'])
  good(importInto(data, write(fresh('b.bin'), Y.encodeStateAsUpdate(other)), '--name', 'board'))
  const source = write(fresh('board.bin'), a.state)
  const first = importInto(data, source)
  good(first)
  counts(first, { merged: 1 })
  assert(/there/.test(first.of('board').why), first.out)
  Y.applyUpdate(other, a.state)
  sameBoards(data, new Map([['board', other]]))
  const again = importInto(data, source)
  good(again)
  counts(again, { same: 1 })
})

test('a deleted board and names that are none are skipped, with the reason', () => {
  const data = fresh('data'), dir = fresh('src'), { state } = sample(5)
  write(path.join(dir, 'gone.bin'), state)
  good(importInto(data, dir))
  good(run('board', 'delete', '--data', data, 'gone'))
  write(path.join(dir, `${'%41'.repeat(60)}%/${'%41'.repeat(60)}%/${'%41'.repeat(60)}%/${'long'.repeat(60)}%/${'long'.repeat(60)}.bin`), state)
  write(path.join(dir, '%FF.bin'), state)
  write(path.join(dir, 'ok.bin'), state)
  const r = importInto(data, dir)
  bad(r)
  counts(r, { new: 1, skipped: 3 })
  assert(/deleted/.test(r.of('gone').why), r.out)
  good(importInto(data, path.join(dir, 'gone.bin'), '--prefix', 'again-'))
})

test('a dry run says the same and writes nothing', () => {
  const made = samples(['new', 'there']), data = fresh('data'), dir = fresh('src')
  write(path.join(dir, 'there.bin'), made.get('there').state)
  const nowhere = importInto(data, dir, '--dry-run')
  good(nowhere)
  counts(nowhere, { new: 1 })
  assert(!fs.existsSync(data), 'the folder was made')
  good(importInto(data, dir))
  write(path.join(dir, 'new.bin'), made.get('new').state)
  const before = fs.statSync(path.join(data, 'gesso.db')).mtimeMs
  const r = importInto(data, dir, '--dry-run')
  good(r)
  counts(r, { new: 1, same: 1 })
  assert(fs.statSync(path.join(data, 'gesso.db')).mtimeMs === before, 'the database was touched')
  sameBoards(data, new Map([['there', made.get('there').doc]]))
})

test('killed in the midst, --resume goes on where it was', async () => {
  const dir = fresh('src'), data = fresh('data'), wanted = new Map()
  for (let i = 0; i < 600; i++) {
    const doc = new Y.Doc()
    doc.clientID = i + 1
    doc.getMap('m').set('n', i)
    const name = `d${String(i).padStart(4, '0')}`
    wanted.set(name, doc)
    write(path.join(dir, `${name}.bin`), Y.encodeStateAsUpdate(doc))
  }
  write(path.join(dir, 'd0001x.bin'), 'damaged, and told in the end')
  const first = start('import', '--quiet', dir, data)
  await until(() => fs.existsSync(path.join(data, 'import.progress')), 'a note of how far it came')
  first.child.kill('SIGKILL')
  await first.done
  const other = importInto(data, write(fresh('x.bin'), sample(1).state), '--resume')
  assert(other.status === 1 && /interrupted/.test(other.err), other.err)
  const r = importInto(data, dir, '--resume')
  bad(r, 'the damaged one counts, whichever run met it')
  assert(r.sum.passed >= 10 && r.sum.damaged === 1, JSON.stringify(r.sum))
  assert(r.sum.new + r.sum.same === 600, JSON.stringify(r.sum))
  sameBoards(data, wanted)
  assert(!fs.existsSync(path.join(data, 'import.progress')), 'the note stays')
  checked(data)
  const start2 = importInto(data, dir, '--resume')
  assert(/start/.test(start2.err) && start2.sum.same === 600, start2.err)
}, 60)

test('SIGTERM: it stops, says so, and nothing is lost', async () => {
  const dir = fresh('src'), data = fresh('data')
  const { state } = sample(6)
  for (let i = 0; i < 800; i++) write(path.join(dir, `d${i}.bin`), state)
  const first = start('import', '--quiet', dir, data)
  await until(() => fs.existsSync(path.join(data, 'gesso.db')), 'a beginning')
  await new Promise((resolve) => setTimeout(resolve, 300))
  first.child.kill('SIGTERM')
  const how = await first.done
  if (how.status === 0) return console.log('      it was through already')
  assert(how.status === 1 && /--resume/.test(how.err), `${how.status} ${how.signal} ${how.err}`)
  const rest = run('import', '--quiet', '--resume', dir, data)
  good(rest, 'the rest')
  assert(JSON.parse(run('board', 'list', '--json', '--data', data).out).length === 800, 'all boards')
}, 60)

/* ---- Hocuspocus ---- */

test('a database of @hocuspocus/extension-sqlite', async () => {
  const made = samples(['plan', 'with space', "o'brien", 'ü/ß', 'doc%20x']), file = fresh('db.sqlite'), data = fresh('data')
  await hocuspocus(file, statesOf(made))
  const r = importInto(data, file)
  good(r)
  counts(r, { new: 5 })
  sameBoards(data, docsOf(made))
  checked(data)
})

test('Hocuspocus: a table of another name with more columns, and damaged rows among good ones', async () => {
  const made = samples(['a', 'b', 'c']), file = fresh('db.sqlite'), data = fresh('data')
  const hex = (bytes) => `X'${Buffer.from(bytes).toString('hex')}'`
  const rows = {
    a: made.get('a').state, b: made.get('b').state, cut: made.get('a').state.subarray(0, 50), empty: new Uint8Array(0),
    zip: zlib.gzipSync(Buffer.from('no update')), c: made.get('c').state
  }
  sql(file, 'CREATE TABLE boards (id INTEGER PRIMARY KEY, name TEXT UNIQUE, updated TEXT, data BLOB)',
    ...Object.entries(rows).map(([name, bytes]) => `INSERT INTO boards (name, data) VALUES ('${name}', ${hex(bytes)})`),
    "INSERT INTO boards (name) VALUES ('null')")
  const r = importInto(data, file)
  bad(r)
  counts(r, { new: 3, damaged: 4 })
  for (const name of ['cut', 'empty', 'zip', 'null']) assert(r.of(name).damage.length > 0, r.out)
  sameBoards(data, docsOf(made))
})

test('Hocuspocus: a torn database is told, and what could be read before is there', async () => {
  const made = samples(Array.from({ length: 40 }, (_, i) => `d${i}`)), file = fresh('db.sqlite'), data = fresh('data')
  await hocuspocus(file, statesOf(made))
  const bytes = fs.readFileSync(file)
  const torn = Buffer.from(bytes)
  torn.fill(0x5a, 4096 * Math.floor(torn.length / 8192), 4096 * Math.floor(torn.length / 8192) + 4096)
  const r = importInto(data, write(fresh('torn.sqlite'), torn))
  bad(r)
  assert(r.err.length > 0 || r.sum.damaged > 0, r.out)
  const cut = importInto(fresh('data'), write(fresh('cut.sqlite'), bytes.subarray(0, 5000)))
  bad(cut)
  assert(cut.err.includes('SQLite'), cut.err)
  const none = fresh('none.sqlite')
  sql(none, 'CREATE TABLE t (x)')
  const other = importInto(fresh('data'), none)
  bad(other)
  assert(/Hocuspocus/.test(other.err), other.err)
})

test('out to Hocuspocus: the exact table, read by its own package, and back in', async () => {
  const made = samples(['plan', 'ü', "o'brien"]), file = fresh('in.sqlite'), data = fresh('data'), out = fresh('out.sqlite')
  await hocuspocus(file, statesOf(made))
  good(importInto(data, file))
  good(run('export', '--to', 'hocuspocus', '--output', out, data))
  const own = fresh('own.sqlite')
  await hocuspocus(own, new Map())
  const table = (f) => sql(f, 'SELECT sql FROM sqlite_schema').replace(/\s+/g, ' ')
  assert(table(out).replaceAll(' ', '') === table(own).replaceAll(' ', ''), `${table(out)}\n${table(own)}`)
  for (const [name, { doc }] of made) {
    const got = new Y.Doc()
    Y.applyUpdate(got, new Uint8Array(await hocuspocusFetch(out, name)))
    sameDoc(got, doc, name)
  }
  const refused = run('export', '--to', 'hocuspocus', '--output', out, data)
  assert(refused.status === 1 && /--force/.test(refused.err), refused.err)
  good(run('export', '--to', 'hocuspocus', '--force', '--output', out, data))
  const back = fresh('data')
  good(importInto(back, out))
  sameBoards(back, docsOf(made))
})

/* ---- pycrdt-store ---- */

const rowsOf = (made, time = (i) => 1000 + i) => [...made].flatMap(([name, { updates }]) => updates.map((u, i) => [name, u, time(i)]))

test('SQLiteYStore: a row an update, in any order of time; plain, and compressed by zlib', () => {
  const made = samples(['json:notebook:1', 'a b', 'ü']), data = fresh('data'), file = fresh('ystore.db')
  pycrdt(file, rowsOf(made, (i) => 1000 - i), [])
  const r = importInto(data, file)
  good(r)
  counts(r, { new: 3 })
  assert(r.of('ü').updates === made.get('ü').updates.length, r.out)
  sameBoards(data, docsOf(made))
  const packed = fresh('packed.db'), other = fresh('data')
  pycrdt(packed, rowsOf(made).map(([name, u, t]) => [name, zlib.deflateSync(u), t]), undefined)
  good(importInto(other, packed))
  sameBoards(other, docsOf(made))
  checked(other)
})

test('SQLiteYStore: checkpoints with all rows, also those that look older; and without that table', () => {
  const made = samples(['d', 'only']), { updates } = made.get('d'), data = fresh('data'), file = fresh('ystore.db')
  const half = Y.mergeUpdates(updates.slice(0, 3))
  /* The clock stepped back: what came after the checkpoint has an earlier time. */
  pycrdt(file, updates.slice(2).map((u, i) => ['d', u, 500 + i]), [['d', zlib.deflateSync(half), 1000], ['only', made.get('only').state, 9]])
  const r = importInto(data, file)
  good(r)
  sameBoards(data, docsOf(made))
})

test('SQLiteYStore: the table of earlier versions, and the note of what was renamed', () => {
  const made = samples(['d']), data = fresh('data'), file = fresh('ystore.db')
  sql(file, 'CREATE TABLE yupdates (path TEXT NOT NULL, yupdate BLOB)',
    ...made.get('d').updates.map((u) => `INSERT INTO yupdates VALUES ('d', X'${Buffer.from(u).toString('hex')}')`))
  fs.copyFileSync(file, file.replace('.db', '(1).db'))
  good(importInto(data, file))
  sameBoards(data, docsOf(made))
  assert(run('import', file, data).out.includes('ystore(1).db'), 'the note')
})

test('SQLiteYStore: scars of the squash are told, damaged rows too, and what is beside them arrives', () => {
  const made = samples(['good', 'scarred', 'cut']), data = fresh('data'), file = fresh('ystore.db')
  const empty = new Uint8Array([0, 0])
  pycrdt(file, [
    ...rowsOf(new Map([['good', made.get('good')]])), ['lost', empty, 1], ['scarred', empty, 1],
    ...rowsOf(new Map([['scarred', made.get('scarred')]])),
    ...made.get('cut').updates.map((u, i) => ['cut', i === 2 ? zlib.deflateSync(u).subarray(0, 20) : u, i])
  ], [])
  const r = importInto(data, file)
  bad(r)
  counts(r, { new: 2, damaged: 2 })
  assert(/squash/.test(r.of('lost').damage[0]) && /warning.*squash/.test(r.of('scarred').notes[0]), r.out)
  assert(/row \d+ of yupdates: byte \d+/.test(r.of('cut').damage[0]), r.out)
  sameBoards(data, new Map([['good', made.get('good').doc], ['scarred', made.get('scarred').doc]]))
  const saved = importInto(data, file, '--salvage')
  bad(saved)
  assert(saved.of('cut').salvaged, saved.out)
  const rest = new Y.Doc()
  made.get('cut').updates.forEach((u, i) => { if (i !== 2) Y.applyUpdate(rest, u) })
  sameDoc(exported(data).get('cut'), rest, 'what was left of it')
})

test('FileYStore: versions 1 and 2, torn ends and unknown versions', () => {
  const made = samples(['room', 'old']), dir = fresh('src'), data = fresh('data')
  const room = fileYStore(made.get('room').updates)
  write(path.join(dir, 'room.y'), room)
  write(path.join(dir, 'old.y'), fileYStore(made.get('old').updates, { version: 1 }))
  const r = importInto(data, dir)
  good(r)
  sameBoards(data, docsOf(made))
  for (const [name, bytes] of [['torn', room.subarray(0, room.length - 5)], ['seven', Buffer.from('VERSION:7\nabc')],
    ['nothing', Buffer.from('VERSION:2\n')], ['zip', fileYStore([zlib.deflateSync(made.get('room').state)])]]) {
    const one = importInto(fresh('data'), write(fresh(`${name}.y`), bytes))
    if (name === 'zip') good(one)
    else {
      bad(one, name)
      assert(one.of(name).damage.length > 0, one.out)
    }
  }
})

/* ---- y-sweet ---- */

test('y-sweet: a store of folders, states with and without updates that wait', () => {
  const made = samples(['plan', 'late']), dir = fresh('store'), data = fresh('data'), { updates } = made.get('late')
  write(path.join(dir, 'plan', 'data.ysweet'), ysweetOf(made.get('plan').doc))
  const half = new Y.Doc()
  updates.slice(0, 3).forEach((u) => Y.applyUpdate(half, u))
  write(path.join(dir, 'late', 'data.ysweet'), ysweet([
    sweetName('doc', 7), sweetPart(7, [0], Y.encodeStateAsUpdate(half)), sweetPart(7, [1], Y.encodeStateVector(half)),
    ...updates.slice(3).map((u, i) => sweetPart(7, [2, 0, 0, 0, i, 0], u)), sweetPart(7, [3, 0x61, 0], Buffer.from('x'))
  ]))
  const r = importInto(data, dir)
  good(r)
  counts(r, { new: 2 })
  assert(/left out/.test(r.of('late').notes[0]), r.out)
  sameBoards(data, docsOf(made))
  const single = fresh('data')
  good(importInto(single, path.join(dir, 'plan', 'data.ysweet')))
  sameBoards(single, new Map([['plan', made.get('plan').doc]]))
  good(importInto(single, path.join(dir, 'plan', 'data.ysweet'), '--name', 'other'))
})

test('y-sweet: every torn length fails loudly; numbers that two names share, missing updates, content without a name', () => {
  const { doc, state } = sample(1), other = sample(2), whole = ysweetOf(doc)
  const dir = fresh('store'), data = fresh('data')
  const cuts = [0, 1, 8, 15, 16, 20, 30, 40, Math.floor(whole.length / 2), whole.length - 1]
  cuts.forEach((n) => write(path.join(dir, `cut${n}`, 'data.ysweet'), whole.subarray(0, n)))
  write(path.join(dir, 'longer', 'data.ysweet'), Buffer.concat([whole, Buffer.from([0])]))
  const huge = Buffer.from(whole)
  huge.writeBigUInt64LE(2n ** 63n, 0)
  write(path.join(dir, 'huge', 'data.ysweet'), huge)
  write(path.join(dir, 'twins', 'data.ysweet'), ysweet([sweetName('a', 1), sweetName('b', 1), sweetPart(1, [0], state)]))
  write(path.join(dir, 'nameless', 'data.ysweet'), ysweet([sweetName('doc', 1), sweetPart(1, [0], state), sweetPart(2, [0], state)]))
  const more = new Y.Doc()
  Y.applyUpdate(more, state)
  Y.applyUpdate(more, other.state)
  write(path.join(dir, 'behind', 'data.ysweet'), ysweet([sweetName('doc', 1), sweetPart(1, [0], state),
    sweetPart(1, [1], Y.encodeStateVector(more))]))
  const r = importInto(data, dir)
  bad(r)
  counts(r, { damaged: cuts.length + 6, new: 1 })
  for (const n of cuts) assert(/byte \d+/.test(r.of(`cut${n}`).damage[0]), r.out)
  assert(/mixed/.test(r.of('twins/a').damage[0]) && /mixed/.test(r.of('twins/b').damage[0]), r.out)
  assert(/no name/.test(r.of('nameless/2').damage[0]), r.out)
  assert(/state vector/.test(r.of('behind').damage[0]), r.out)
  sameBoards(data, new Map([['nameless', doc]]))
})

/* ---- y-leveldb ---- */

const leveldb = !/without LevelDB/.test(run('import', '--dry-run', '--from', 'y-leveldb', '.', '/nonexistent/data').err)
const testLeveldb = (name, body) => test(name, leveldb ? body : () => console.log('      left out: this gesso was built without LevelDB'))

testLeveldb('y-leveldb: what its own package stored; flushed, with metadata, and many updates', async () => {
  const made = samples(['plan', 'my%20room', 'a/b', 'ü']), folder = fresh('db'), data = fresh('data')
  const big = sample(50, 120)
  made.set('big', big)
  await yleveldb(folder, made, async (p) => {
    await p.flushDocument('a/b')
    await p.setMeta('plan', 'title', { text: 'Plan', n: [1, 2, 3] })
    await p.storeUpdate('gone', made.get('plan').state)
    await p.clearDocument('gone')
  })
  const before = fs.readdirSync(folder).sort().join()
  const r = importInto(data, folder)
  good(r)
  counts(r, { new: 5 })
  assert(r.of('plan').notes.some((n) => n.includes('title') && n.includes('"Plan"')), r.out)
  assert(r.of('a/b').updates === 1 && r.of('ü').updates > 1, r.out)
  sameBoards(data, docsOf(made))
  assert(fs.readdirSync(folder).sort().join() === before, 'the folder was changed')
  assert(importInto(data, folder).sum.same === 5, 'a second run')
})

testLeveldb('y-leveldb: damaged values, an index without content, keys of somebody else, a torn folder, a server at work', async () => {
  const made = samples(['fine', 'cut', 'short']), folder = fresh('db'), data = fresh('data')
  await yleveldb(folder, made)
  const { Level } = await import('level')
  const db = new Level(folder, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const key = (...parts) => Buffer.concat(parts.map((p) => typeof p === 'number'
    ? Buffer.from([1, p >>> 24, p >>> 16 & 255, p >>> 8 & 255, p & 255])
    : Buffer.concat([Buffer.from([0, Buffer.byteLength(p)]), Buffer.from(p)])))
  await db.put(key('v1', 'cut', 'update', 2), Buffer.from(made.get('cut').updates[2].subarray(0, 30)))
  await db.del(key('v1', 'short', 'update', 8))
  const vector = Y.encodeStateVector(made.get('short').doc)
  await db.put(key('v1_sv', 'short'), Buffer.concat([Buffer.from([5, vector.length]), vector]))
  await db.put(key('v1_sv', 'ghost'), Buffer.concat([Buffer.from([0, vector.length]), vector]))
  await db.put(Buffer.from('somebody else'), Buffer.from('x'))
  const busy = importInto(data, folder)
  bad(busy)
  assert(/stop that server/.test(busy.err), busy.err)
  await db.close()
  const r = importInto(data, folder)
  bad(r)
  counts(r, { new: 1, damaged: 4 })
  assert(/update 2: byte \d+/.test(r.of('cut').damage[0]), r.out)
  assert(/state vector/.test(r.of('short').damage[0]) && /state vector/.test(r.of('ghost').damage[0]), r.out)
  assert(/1 keys/.test(r.of('?').damage[0]), r.out)
  sameBoards(data, new Map([['fine', made.get('fine').doc]]))
  const log = fs.readdirSync(folder).filter((f) => f.endsWith('.ldb') || f.endsWith('.log')).map((f) => path.join(folder, f))
  const largest = log.sort((a, b) => fs.statSync(b).size - fs.statSync(a).size)[0]
  const bytes = fs.readFileSync(largest)
  bytes.fill(0xa5, Math.floor(bytes.length / 3), Math.floor(bytes.length / 3) + 64)
  fs.writeFileSync(largest, bytes)
  const torn = importInto(fresh('data'), folder)
  bad(torn)
  assert(/LevelDB says/.test(torn.err + torn.out), torn.err + torn.out)
  fs.rmSync(path.join(folder, fs.readdirSync(folder).find((f) => f.startsWith('MANIFEST'))))
  assert(/LevelDB says/.test(importInto(fresh('data'), folder).err), 'without a manifest')
})

const failed = await runAll(option('only'))
process.exit(failed === 0 ? 0 : 1)
