/* What other servers stored, in and out again.
 *
 *   node port.mjs [--gesso PATH] [--only TEXT] */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import * as Y from 'yjs'
import { assert, option, runAll, test, until } from '../clients/lib/runner.mjs'
import { Server } from '../clients/lib/server.mjs'
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

test('a disk that is full: it ends and says so, and goes on when there is room', () => {
  const small = fresh('small'), dir = fresh('src'), wanted = new Map()
  fs.mkdirSync(small)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small]).status !== 0)
    return console.log('      left out: no right to mount a small disk here')
  try {
    for (let i = 0; i < 40; i++) {
      const doc = new Y.Doc()
      doc.clientID = i + 1
      doc.getArray('a').push(Array.from({ length: 4 }, () => Buffer.from(crypto.getRandomValues(new Uint8Array(50000))).toString('base64')))
      wanted.set(`d${i}`, doc)
      write(path.join(dir, `d${i}.bin`), Y.encodeStateAsUpdate(doc))
    }
    const data = path.join(small, 'data'), r = importInto(data, dir)
    bad(r)
    assert(/--resume/.test(r.err) && r.sum.new < 40, r.err)
    assert(spawnSync('mount', ['-o', 'remount,size=64m', small]).status === 0, 'a larger disk')
    const rest = importInto(data, dir, '--resume')
    assert(rest.sum.new + rest.sum.same + rest.sum.merged >= 40 - rest.sum.passed, rest.out)
    sameBoards(data, wanted)
    checked(data)
  } finally {
    spawnSync('umount', [small])
  }
})

test('a data folder of gesso is no source, and says what is', () => {
  const data = fresh('data')
  good(importInto(data, write(fresh('a.bin'), sample(1).state)))
  const r = importInto(fresh('data'), data)
  assert(r.status === 1 && /gesso backup/.test(r.err), r.err)
})

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

test('SQLiteYStore: rooms of pycrdt-websocket, whose names begin with a slash', () => {
  const made = samples(['/room', 'other', '/']), data = fresh('data'), kept = fresh('data'), file = fresh('ystore.db')
  pycrdt(file, rowsOf(made), undefined)
  good(importInto(data, file, '--strip-slash'))
  const { doc } = made.get('/room')
  sameBoards(data, new Map([['room', doc], ['other', made.get('other').doc], ['/', made.get('/').doc]]))
  good(importInto(kept, file))
  sameBoards(kept, docsOf(made))
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
  const made = samples(['plan', 'my%20caf%c3%a9', 'a/b', 'ü', '50% off', '%00%']), folder = fresh('db'), data = fresh('data')
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
  counts(r, { new: 7 })
  assert(r.of('plan').notes.some((n) => n.includes('title') && n.includes('"Plan"')), r.out)
  assert(r.of('a/b').updates === 1 && r.of('ü').updates > 1, r.out)
  /* y-websocket's server knew it by its path; the others cannot have been in one. */
  made.set('my café', made.get('my%20caf%c3%a9'))
  made.delete('my%20caf%c3%a9')
  sameBoards(data, docsOf(made))
  assert(fs.readdirSync(folder).sort().join() === before, 'the folder was changed')
  assert(importInto(data, folder).sum.same === 7, 'a second run')
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

/* ---- Excalidraw ---- */

const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==', 'base64')
const shape = (id, type, more = {}) => ({
  id, type, x: 10, y: 20, width: 100, height: 50, angle: 0, strokeColor: '#1e1e1e', backgroundColor: 'transparent', fillStyle: 'solid',
  strokeWidth: 2, strokeStyle: 'solid', roughness: 1, opacity: 100, groupIds: [], frameId: null, roundness: null, seed: 7, version: 12,
  versionNonce: 99, isDeleted: false, boundElements: null, updated: 1700000000000, link: null, locked: false, ...more
})
const scene = (indexed = true) => {
  const elements = [
    shape('box', 'rectangle', { roundness: { type: 3 }, boundElements: [{ id: 'words', type: 'text' }], customData: { k: [1] } }),
    shape('words', 'text', { text: 'Grüße', originalText: 'Grüße', fontSize: 20, fontFamily: 5, textAlign: 'left', verticalAlign: 'top',
      containerId: 'box', autoResize: true, lineHeight: 1.25 }),
    shape('pen', 'freedraw', { width: 3.25, height: 4.5, points: [[0, 0], [1.005, 2.5], [3.25, -2]], pressures: [], simulatePressure: true }),
    shape('felt', 'freedraw', { width: 2, height: 2, points: [[0, 0], [2, 2]], pressures: [0.25, 1], simulatePressure: false }),
    shape('arrow', 'arrow', { width: 30, height: 40, points: [[0, 0], [30, 40]], startBinding: null, startArrowhead: null, elbowed: false,
      endBinding: { elementId: 'box', focus: 0.1, gap: 2, fixedPoint: null }, endArrowhead: 'arrow', lastCommittedPoint: null }),
    shape('photo', 'image', { fileId: 'f1', status: 'saved', scale: [1, 1], crop: null }),
    shape('gone', 'ellipse', { isDeleted: true })
  ]
  if (indexed) elements.forEach((e, i) => { e.index = `a${i}` })
  return {
    type: 'excalidraw', version: 2, source: 'https://excalidraw.com', elements, appState: { gridSize: 20 },
    files: { f1: { mimeType: 'image/png', id: 'f1', dataURL: `data:image/png;base64,${png.toString('base64')}`, created: 1 } }
  }
}
const drawing = (file, data) => write(file, JSON.stringify(data))

test('an .excalidraw file: every shape as the whiteboard page stores and reads it', async () => {
  const { shapeOf } = await import('../../web/src/board/codec.js')
  const data = fresh('data'), file = drawing(fresh('My drawing.excalidraw'), scene())
  const r = importInto(data, file)
  good(r)
  counts(r, { new: 1 })
  const doc = exported(data).get('My drawing'), elements = doc.getMap('elements')
  assert([...elements.keys()].sort().join() === 'arrow,box,felt,pen,photo,words', [...elements.keys()].join())
  const hash = elements.get('photo').get('b').fileId
  assert(fs.readFileSync(path.join(data, 'images', hash.slice(0, 2), hash)).equals(png), 'the image')
  for (const want of scene().elements.filter((e) => !e.isDeleted)) {
    const got = shapeOf(want.id, elements.get(want.id))
    assert(got !== null, `${want.id} cannot be shown`)
    for (const [key, value] of Object.entries(want)) {
      if (['version', 'versionNonce', 'updated', 'lastCommittedPoint', 'isDeleted', 'status', 'fileId', 'width', 'height'].includes(key)) continue
      const expected = want.id === 'pen' && key === 'points' ? [[0, 0], [1, 2.5], [3.25, -2]] : value
      assert(JSON.stringify(got[key]) === JSON.stringify(expected) || (key === 'points' && want.id === 'pen' &&
        Math.abs(got.points[1][0] - 1.005) < 0.01), () => `${want.id}.${key}: ${JSON.stringify(got[key])}`)
    }
  }
  assert(elements.get('pen').get('b').points === undefined, 'points of strokes are not in the base')
  assert(doc.getMap('meta').get('title') === 'My drawing', 'the title')
})

test('a drawing is added to a board without touching its shapes; older files get an order', () => {
  const data = fresh('data'), file = drawing(fresh('plan.excalidraw'), scene(false))
  good(importInto(data, file))
  const first = exported(data).get('plan')
  const order = (doc) => [...doc.getMap('elements').values()].map((s) => s.get('b')).sort((a, b) => (a.index < b.index ? -1 : 1)).map((b) => b.type)
  assert(order(first).join() === 'rectangle,text,freedraw,freedraw,arrow,image', order(first).join())
  const again = importInto(data, file)
  good(again)
  counts(again, { same: 1 })
  const next = scene()
  next.elements[0].strokeColor = '#ff0000'
  next.elements.push(shape('new', 'diamond', { index: 'b00' }))
  const r = importInto(data, drawing(file, next))
  good(r)
  counts(r, { merged: 1 })
  assert(r.reports[0].notes.some((n) => n.startsWith('6 shapes are there')), r.out)
  const doc = exported(data).get('plan')
  assert(doc.getMap('elements').get('box').get('b').strokeColor === '#1e1e1e' && doc.getMap('elements').has('new'), 'merged')
})

test('a drawing goes out and in again: the same shapes and images', () => {
  const data = fresh('data'), back = fresh('data'), out = fresh('out')
  good(importInto(data, drawing(fresh('plan.excalidraw'), scene())))
  good(run('export', '--to', 'excalidraw', '--output', out, data))
  const file = path.join(out, 'plan.excalidraw'), got = JSON.parse(fs.readFileSync(file))
  const strip = ({ version, versionNonce, updated, lastCommittedPoint, status, fileId, ...rest }) =>
    JSON.stringify(Object.entries(rest).sort((a, b) => (a[0] < b[0] ? -1 : 1)))
  for (const [i, want] of scene().elements.filter((e) => !e.isDeleted).entries()) {
    if (want.id === 'pen') want.points[1][0] = 1.01
    if (want.id === 'pen') Object.assign(got.elements[i].points[1], { 0: 1.01 })
    assert(strip(got.elements[i]) === strip(want), () => `${want.id}\n got ${strip(got.elements[i])}\nwant ${strip(want)}`)
  }
  const [stored] = Object.values(got.files)
  assert(stored.dataURL === scene().files.f1.dataURL && got.elements.find((e) => e.id === 'photo').fileId === stored.id, 'the image')
  good(importInto(back, out))
  const elements = (folder) => JSON.stringify(Object.entries(exported(folder).get('plan').getMap('elements').toJSON()).map(([id, s]) =>
    [id, s.p, s.b.type, s.b.fileId, s.b.points, s.b.index]).sort())
  assert(elements(back) === elements(data), `${elements(back)}\n${elements(data)}`)
})

test('damaged drawings: no JSON, no drawing, shapes and images that are none', () => {
  const dir = fresh('src'), data = fresh('data'), odd = scene()
  drawing(path.join(dir, 'other.excalidraw'), { type: 'excalidrawlib', library: [] })
  write(path.join(dir, 'torn.excalidraw'), JSON.stringify(scene()).slice(0, 300))
  odd.elements.push(shape('a', 'blob'), shape('', 'text'), shape('far', 'text', { x: 1e9 }), shape('dot', 'freedraw', { points: [[0, 0]] }),
    shape('box', 'ellipse'), 7, null)
  odd.files = {}
  drawing(path.join(dir, 'odd.excalidraw'), odd)
  const r = importInto(data, dir)
  bad(r)
  counts(r, { damaged: 3 })
  assert(r.of('odd').damage.some((l) => l.startsWith('7 shapes')) && r.of('odd').damage.some((l) => l.startsWith('1 images')), r.out)
  const saved = importInto(data, path.join(dir, 'odd.excalidraw'), '--salvage')
  assert(saved.of('odd').salvaged, saved.out)
  assert(exported(data).get('odd').getMap('elements').size === 6, 'what was left')
})

/* ---- out ---- */

test('v1, v2 and JSON: all boards and named ones, any name, nothing overwritten', () => {
  const names = ['plan', 'a/b', '..', '.hidden', 'ü%41', 'x'.repeat(512), 'ß'.repeat(256), 'A', 'a']
  const made = samples(names), dir = fresh('db.sqlite'), data = fresh('data')
  sql(dir, 'CREATE TABLE documents (name, data)', ...[...made].map(([n, s]) =>
    `INSERT INTO documents VALUES ('${n}', X'${Buffer.from(s.state).toString('hex')}')`))
  good(importInto(data, dir))
  sameBoards(data, docsOf(made))
  for (const [name, doc] of exported(data, 'v2')) sameDoc(doc, made.get(name).doc, name)
  for (const to of ['v1', 'v2']) {
    const out = fresh('out'), back = fresh('data')
    good(run('export', '--to', to, '--output', out, data))
    good(importInto(back, out))
    sameBoards(back, docsOf(made))
    const twice = run('export', '--to', to, '--output', out, data)
    assert(twice.status === 1 && twice.err.split('--force').length === names.length + 1, twice.err)
    good(run('export', '--to', to, '--force', '--output', out, data))
  }
  const out = fresh('out')
  good(run('export', '--to', 'json', '--output', out, data, 'plan'))
  const json = JSON.parse(fs.readFileSync(path.join(out, 'plan.json'))), { doc } = made.get('plan')
  const want = { t: doc.getText('t').toDelta(), m: doc.getMap('m').toJSON(), a: doc.getArray('a').toJSON(), x: doc.getXmlFragment('x').toString() }
  const same = (a, b) => JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort())
  assert(same({ ...json, m: 0 }, { ...want, m: 0 }) && same(json.m, want.m), () => `${JSON.stringify(json)}\n${JSON.stringify(want)}`)
  assert(fs.readdirSync(out).length === 1, 'only the one that was named')
  const missing = run('export', '--to', 'v1', '--output', fresh('out'), data, 'nope', 'plan')
  assert(missing.status === 1 && /nope.*no such board/.test(missing.err), missing.err)
  const plain = importInto(fresh('data'), out)
  assert(plain.status === 1, 'JSON is no source')
})

test('export and a dry run work beside the server; an import names the one who has the folder', async () => {
  const data = fresh('data'), source = write(fresh('plan.bin'), sample(1).state)
  good(importInto(data, source))
  const server = await new Server({ folder: data }).start()
  const refused = run('import', source, data)
  assert(refused.status === 1 && /gesso serve/.test(refused.err), refused.err)
  counts(importInto(data, source, '--dry-run'), { same: 1 })
  good(run('export', '--to', 'v1', '--output', fresh('out'), data))
  await server.stop()
})

test('help, and command lines that are wrong', () => {
  for (const verb of ['import', 'export']) {
    const r = run(verb, '--help')
    assert(r.status === 0 && r.out.startsWith('Usage: gesso'), r.out)
  }
  for (const args of [['import'], ['import', 'a'], ['import', 'a', 'b', 'c'], ['import', '--from', 'nonsense', 'a', 'b'], ['export'],
    ['export', 'a'], ['export', '--to', 'nonsense', '-o', 'x', 'a'], ['export', '--to', 'v1', 'a']]) {
    const r = run(...args)
    assert(r.status === 2 && r.err.length > 0, `${args.join(' ')}: ${r.status} ${r.err}`)
  }
  const r = run('import', fresh('nowhere'), fresh('data'))
  assert(r.status === 1 && /No such file/.test(r.err), r.err)
})

const failed = await runAll(option('only'))
process.exit(failed === 0 ? 0 : 1)
