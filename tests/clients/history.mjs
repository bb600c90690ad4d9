/* A board's history through the API and the command: named, listed, fetched, restored while people draw.
 *
 *   node history.mjs [--gesso PATH] [--port N] [--only TEXT] */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import * as Y from 'yjs'
import { assert, option, runAll, test, until } from './lib/runner.mjs'
import { Raw, step1, update } from './lib/raw.mjs'
import { Server, gesso } from './lib/server.mjs'

const server = new Server()
const api = async (method, where, body) => {
  const r = await fetch(`${server.http}/api/boards/${where}`, { method, body: body && JSON.stringify(body) })
  const bytes = new Uint8Array(await r.arrayBuffer())
  const json = () => JSON.parse(new TextDecoder().decode(bytes))
  return { status: r.status, bytes, json }
}
const run = (...args) => {
  const r = spawnSync(gesso, ['history', ...args, '--data', server.folder], { encoding: 'buffer' })
  return { status: r.status, out: r.stdout, text: String(r.stdout), err: String(r.stderr) }
}

/* A client that stays connected and keeps its document. */
async function join(name) {
  const raw = new Raw(`${server.ws}/${name}`)
  await raw.opened
  const doc = new Y.Doc()
  doc.on('update', (bytes, origin) => { if (origin !== raw) raw.send(update(bytes)) })
  raw.onmessage = (m) => { if (m.kind === 'update' || m.kind === 'step2') Y.applyUpdate(doc, m.body, raw) }
  raw.send(step1())
  await raw.waitFor('step2')
  return { raw, doc, shapes: doc.getMap('shapes'), text: doc.getText('text'), list: doc.getArray('list') }
}

let a, b, first, back

test('a board is named, drawn on and restored, and everybody stays connected', async () => {
  await server.start()
  a = await join('plan')
  b = await join('plan')
  a.doc.transact(() => {
    a.shapes.set('rect', { x: 1 })
    a.shapes.set('group', new Y.Map([['name', 'all']]))
    a.text.insert(0, 'hello world', { bold: true })
    a.list.push([1, 2, 3])
  })
  await until(() => b.shapes.has('group'), 'the drawing at b')
  first = (await api('POST', 'plan/versions', { name: 'as shown' })).json().id
  assert(first > 0, 'an id')
  const group = b.shapes.get('group')
  b.doc.transact(() => {
    b.shapes.delete('rect')
    b.shapes.set('circle', 1)
    group.set('name', 'none')
    b.text.delete(0, 6)
    b.list.insert(1, ['x'])
  })
  await until(() => a.shapes.has('circle') && a.list.length === 4, 'what b drew')
  const r = await api('POST', `plan/versions/${first}/restore`)
  assert(r.status === 200 && r.json().changed === true, `${r.status}`)
  back = r.json().before
  for (const who of [a, b]) {
    await until(() => who.shapes.has('rect') && !who.shapes.has('circle'), 'the restored shapes')
    assert(who.text.toString() === 'hello world' && who.list.toJSON().join() === '1,2,3', `${who.text} ${who.list.toJSON()}`)
    assert(who.shapes.get('group').get('name') === 'all', 'inside the group')
    assert(JSON.stringify(who.text.toDelta()) === '[{"insert":"hello world","attributes":{"bold":true}}]', 'formats')
    assert(who.raw.closed === null, 'nobody is disconnected')
  }
  assert(b.shapes.get('group') === group, 'a type that was there all the time is the same one')
})

test('the restore is taken back by restoring what was before it', async () => {
  const r = await api('POST', `plan/versions/${back}/restore`)
  assert(r.status === 200 && r.json().changed, `${r.status}`)
  await until(() => a.shapes.has('circle') && a.text.toString() === 'world' && a.list.length === 4, 'what b drew, again')
  const again = await api('POST', `plan/versions/${back}/restore`)
  assert(again.json().changed === false && again.json().before === null, 'nothing is left to do')
})

test('versions are listed, fetched and renamed', async () => {
  const { versions, stored } = (await api('GET', 'plan/versions')).json()
  assert(versions.map((v) => v.kind).join() === 'named,before-restore,before-restore' && stored > 0, JSON.stringify(versions))
  assert(versions[0].name === 'as shown' && versions[0].id === first, 'the name')
  const doc = new Y.Doc()
  Y.applyUpdate(doc, (await api('GET', `plan/versions/${first}`)).bytes)
  assert(doc.getText('text').toString() === 'hello world', 'the version')
  assert((await api('PUT', `plan/versions/${first}`, { name: 'v1' })).status === 200, 'rename')
  assert((await api('GET', 'plan/versions')).json().versions[0].name === 'v1', 'renamed')
})

test('what cannot be is answered with a reason', async () => {
  const answers = [
    [404, await api('GET', 'nope/versions')], [404, await api('GET', 'plan/versions/99999')],
    [404, await api('POST', 'plan/versions/99999/restore')], [404, await api('GET', 'plan/versions/x')],
    [404, await api('GET', 'plan/versions/0')], [400, await api('POST', 'plan/versions', {})],
    [400, await api('POST', 'plan/versions', { name: '' })], [405, await api('DELETE', 'plan/versions')],
    [405, await api('GET', `plan/versions/${first}/restore`)]
  ]
  for (const [status, r] of answers) assert(r.status === status && r.json().error, `${r.status} for ${status}`)
})

test('a board that nobody has open is restored all the same', async () => {
  await Promise.all([a.raw.close(), b.raw.close()])
  await server.stop()
  await server.start()
  assert((await api('POST', `plan/versions/${first}/restore`)).json().changed, 'restored')
  const c = await join('plan')
  assert(c.text.toString() === 'hello world' && c.shapes.has('rect'), c.text.toString())
  await c.raw.close()
})

test('the command: list and show beside the server, name and restore without it', async () => {
  assert(JSON.parse(run('list', 'plan', '--json').text).versions.length === 4, 'list --json')
  assert(run('list', 'plan').text.includes('v1'), 'list')
  const busy = run('restore', 'plan', String(first))
  assert(busy.status === 1 && busy.err.includes('gesso serve'), busy.err)
  const file = path.join(server.folder, 'v.bin')
  assert(run('show', 'plan', String(first), '-o', file).status === 0 && fs.statSync(file).size > 0, 'show')
  await server.stop()
  const named = run('name', 'plan', 'from the command')
  assert(named.status === 0 && /^\d+\n$/.test(named.text), named.err)
  assert(run('name', 'plan', named.text.trim(), 'another').status === 0, 'rename')
  assert(run('restore', 'plan', String(back)).text.includes('leads back'), 'restore')
  assert(run('restore', 'plan', String(back)).text.includes('already'), 'restore again')
  for (const args of [['show', 'plan', '99999', '-o', file], ['list', 'nope'], ['restore', 'plan', '99999']])
    assert(run(...args).status === 1, args.join(' '))
  for (const args of [[], ['list'], ['restore', 'plan', 'x'], ['nonsense']])
    assert(run(...args).status === 2, args.join(' '))
})

const failed = await runAll(option('only'))
await server.discard()
process.exit(failed === 0 ? 0 : 1)
