/* The command: its verbs on a data folder, beside a server and without one.
 *
 *   node cli.mjs [--gesso PATH] [--port N] [--only TEXT] */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import * as Y from 'yjs'
import { assert, option, runAll, test, until } from './lib/runner.mjs'
import { Raw, step1, update, visit } from './lib/raw.mjs'
import { Server, gesso } from './lib/server.mjs'

const server = new Server()
const folder = server.folder
const run = (...args) => {
  const r = spawnSync(gesso, args, { encoding: 'buffer' })
  return { status: r.status, out: r.stdout, text: String(r.stdout), err: String(r.stderr) }
}
const board = (verb, ...args) => run('board', verb, '--data', folder, ...args)

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

test('help and version, and what a wrong command line gets', async () => {
  assert(/^gesso \d+\.\d+\.\d+\n$/.test(run('--version').text), 'the version')
  for (const args of [['--help'], ['serve', '--help'], ['board', '--help'], ['board', 'list', '--help'], ['board', 'show', '--help'],
    ['board', 'export', '--help'], ['board', 'import', '--help'], ['board', 'delete', '--help'], ['migrate', '--help'],
    ['history', '--help'], ['history', 'list', '--help'], ['backup', '--help'], ['restore', '--help'], ['check', '--help'],
    ['repair', '--help'], ['compact', '--help'], ['doc', '--help']]) {
    const r = run(...args)
    assert(r.status === 0 && r.text.startsWith('Usage: gesso'), `gesso ${args.join(' ')}: ${r.status} ${r.text.slice(0, 80)}`)
  }
  for (const args of [[], ['nonsense'], ['board'], ['board', 'nonsense'], ['board', 'show'], ['board', 'list', '--nonsense'],
    ['serve', '--durability', 'hope'], ['serve', '--allow-origin', 'evil.example'], ['serve', 'extra'], ['migrate'],
    ['migrate', 'sideways'], ['migrate', 'up', '--to', '99'], ['check'], ['backup', folder],
    ['restore', folder, folder, folder], ['repair', '--nonsense', folder], ['compact']]) {
    const r = run(...args)
    assert(r.status === 2 && r.err.length > 0, `gesso ${args.join(' ')}: ${r.status} ${r.err}`)
  }
})

test('a data folder that is not there is not made by reading', async () => {
  const r = run('board', 'list', '--data', path.join(folder, 'nowhere'))
  assert(r.status === 1 && r.err.length > 0 && !fs.existsSync(path.join(folder, 'nowhere')), `${r.status} ${r.err}`)
})

test('import, list, show and export without a server', async () => {
  const file = path.join(folder, 'in.bin')
  fs.writeFileSync(file, stateOf((d) => { d.getText('t').insert(0, 'imported'); d.getMap('m').set('k', 1) }))
  assert(board('import', 'plan', file).status === 0, 'import')
  fs.writeFileSync(file, stateOf((d) => d.getMap('m').set('l', 2)))
  assert(board('import', 'plan', file).status === 0, 'a second import merges')
  fs.writeFileSync(file, 'this is no update')
  const bad = board('import', 'plan', file)
  assert(bad.status === 1 && /byte \d+/.test(bad.err), `${bad.status} ${bad.err}`)
  assert(board('import', 'plan', path.join(folder, 'no-such-file')).status === 1, 'a file that is not there')

  assert(board('list').text.includes('plan'), 'list')
  const [row] = JSON.parse(board('list', '--json').text)
  assert(row.id === 'plan' && row.deleted === null && row.state_bytes > 0, JSON.stringify(row))
  assert(JSON.parse(board('show', 'plan', '--json').text).generation === row.generation, 'show')
  const doc = read(board('export', 'plan').out)
  assert(doc.getText('t').toString() === 'imported' && doc.getMap('m').size === 2, 'export')
  const missing = board('show', 'nope')
  assert(missing.status === 1 && missing.err.includes('nope'), missing.err)
})

test('stats tell what a board consists of, and warn of keys that are written in turn', async () => {
  const file = path.join(folder, 'drag.bin')
  fs.writeFileSync(file, stateOf((d) => {
    for (let i = 0; i < 2000; i++) d.getMap('shape').set(i % 2 ? 'x' : 'y', i)
  }))
  assert(board('import', 'drag', file).status === 0, 'import')
  const stats = JSON.parse(board('stats', 'drag', '--json').text)
  assert(stats.live === 2 && stats.tombstones === 1998 && stats.clients === 1, JSON.stringify(stats))
  assert(stats.warning.kind === 'alternating-keys' && stats.warning.type === 'shape', JSON.stringify(stats.warning))
  assert(board('stats', 'drag').text.includes('in turn'), 'the warning')
  assert(JSON.parse(board('stats', 'plan', '--json').text).warning === null, 'no warning')
})

test('a server shows what was imported; the verbs that read work beside it, those that write are told the API call', async () => {
  await server.start()
  assert(read(await visit(`${server.ws}/plan`)).getText('t').toString() === 'imported', 'the board over the wire')
  const raw = new Raw(`${server.ws}/fresh`)
  await raw.opened
  raw.send(step1())
  raw.send(update(stateOf((d) => d.getText('t').insert(0, 'just now'))))
  await raw.waitFor('update')
  assert(read(board('export', 'fresh').out).getText('t').toString() === 'just now', 'export beside the server')
  assert(board('list').text.includes('fresh') && board('show', 'fresh').status === 0, 'list and show beside the server')
  for (const r of [board('import', 'fresh', path.join(folder, 'in.bin')), run('migrate', 'down', '--data', folder)])
    assert(r.status === 1, `status ${r.status}: ${r.err}`)
  const busy = board('delete', 'fresh')
  assert(busy.err.includes('gesso serve') && busy.err.includes(String(server.port)), `it names process and address: ${busy.err}`)
  const second = run('serve', '--data', folder, '--listen', '127.0.0.1:0')
  assert(second.status === 1 && second.err.includes('gesso serve'), `a second server: ${second.status} ${second.err}`)
  assert(run('migrate', 'status', '--data', folder).text.includes('applied'), 'migrate status beside the server')
  await raw.close()
})

test('check and backup work beside the server; repair, restore and compact do not', async () => {
  const copy = path.join(folder, 'copy')
  const checked = run('check', folder)
  assert(checked.status === 0 && checked.text.includes('All is well'), `${checked.status} ${checked.text} ${checked.err}`)
  assert(JSON.parse(run('check', '--json', folder).text).findings.length === 0, 'check --json')
  const made = run('backup', folder, copy)
  assert(made.status === 0 && fs.existsSync(path.join(copy, 'gesso.db')), made.err)
  assert(run('backup', folder, copy).status === 1, 'a backup over another one')
  for (const args of [['repair', folder], ['compact', folder], ['restore', '--replace', copy, folder]]) {
    const r = run(...args)
    assert(r.status === 1 && r.err.includes('gesso serve'), `${args[0]}: ${r.status} ${r.err}`)
  }
  const back = path.join(folder, 'back')
  assert(run('restore', copy, back).status === 0, 'restore')
  assert(run('restore', copy, back).status === 1, 'restore over boards')
  assert(run('restore', '--replace', copy, back).status === 0, 'restore --replace')
  assert(read(run('board', 'export', '--data', back, 'fresh').out).getText('t').toString() === 'just now', 'the restored board')
  assert(run('compact', back).status === 0 && run('check', back).status === 0, 'compact')
  assert(run('repair', back).text.includes('nothing to repair'), 'repair')
  assert(run('check', path.join(folder, 'nowhere')).status === 1, 'check of nothing')
})

test('a port that is taken is named', async () => {
  const other = fs.mkdtempSync(path.join(folder, 'other-'))
  const r = run('serve', '--data', other, '--listen', `127.0.0.1:${server.port}`)
  assert(r.status === 1 && r.err.includes('--listen'), `${r.status} ${r.err}`)
})

test('SIGTERM under load: exit status 0 within a second, nothing acknowledged is lost', async () => {
  const seen = new Y.Doc()
  const raws = await Promise.all([0, 1, 2, 3].map(async (i) => {
    const raw = new Raw(`${server.ws}/load`)
    await raw.opened
    raw.send(step1())
    await raw.waitFor('step2')
    const doc = new Y.Doc()
    doc.on('update', (bytes) => raw.send(update(bytes)))
    raw.onmessage = (m) => { if (m.kind === 'update') Y.applyUpdate(seen, m.body) }
    raw.timer = setInterval(() => { for (let n = 0; n < 5; n++) doc.getArray(`a${i}`).push([n]) }, 5)
    return raw
  }))
  await until(() => seen.share.size === 4, 'updates of all four')
  const started = Date.now()
  const how = await server.stop()
  const took = Date.now() - started
  raws.forEach((r) => clearInterval(r.timer))
  assert(how.code === 0, `${how.code} ${how.signal} ${server.log}`)
  console.log(`      it took ${took} ms`)
  await Promise.all(raws.map((r) => r.gone))
  assert(raws.every((r) => r.closed.code === 1001), raws.map((r) => r.closed.code).join())
  await server.start()
  const there = read(await visit(`${server.ws}/load`))
  for (const name of ['a0', 'a1', 'a2', 'a3']) {
    const [kept, shown] = [there.getArray(name).length, seen.getArray(name).length]
    assert(kept >= shown, `${name}: ${kept} of ${shown}`)
  }
  assert((await server.stop()).code === 0, 'the second stop')
})

test('SIGINT stops it as well', async () => {
  await server.start()
  server.process.kill('SIGINT')
  assert((await server.exited).code === 0, server.log)
})

test('delete, and what remains of it', async () => {
  assert(board('delete', 'plan').status === 0, 'delete')
  assert(!board('list').text.includes('plan') && board('list', '--deleted').text.includes('plan'), 'list')
  const r = board('export', 'plan')
  assert(r.status === 1 && r.err.includes('deleted'), r.err)
  fs.writeFileSync(path.join(folder, 'in.bin'), stateOf((d) => d.getMap('m').set('late', 1)))
  const late = board('import', 'plan', path.join(folder, 'in.bin'))
  assert(late.status === 1 && late.err.includes('deleted'), `import into a deleted board: ${late.status} ${late.err}`)
  assert(board('delete', 'fresh', '--purge').status === 0, 'purge')
  assert(board('delete', 'nope').status === 1, 'a board that never was')
})

test('a folder that is not there is made by nothing but an import', async () => {
  const nowhere = path.join(folder, 'nowhere')
  for (const args of [['compact', nowhere], ['repair', nowhere], ['board', 'delete', '--data', nowhere, 'b'],
    ['history', 'name', '--data', nowhere, 'b', 'n'], ['history', 'restore', '--data', nowhere, 'b', '1']]) {
    const r = run(...args)
    assert(r.status === 1 && r.err.includes('no gesso.db'), `gesso ${args.join(' ')}: ${r.status} ${r.err}`)
    assert(!fs.existsSync(nowhere), `gesso ${args.join(' ')} made it`)
  }
})

test('migrations go down and up', async () => {
  const status = () => run('migrate', 'status', '--data', folder).text
  assert((status().match(/ applied /g) ?? []).length === 6, status())
  const refused = run('migrate', 'down', '--data', folder, '--to', '0')
  assert(refused.status === 1 && refused.err.length > 0, 'content is not dropped without being told to')
  const down = run('migrate', 'down', '--data', folder, '--to', '2', '--discard-content')
  assert(down.status === 0, down.err)
  assert((status().match(/ applied /g) ?? []).length === 2, status())
  assert(run('migrate', 'up', '--data', folder).status === 0, 'up')
  assert((status().match(/ applied /g) ?? []).length === 6, status())
})

const failed = await runAll(option('only'))
await server.discard()
process.exit(failed === 0 ? 0 : 1)
