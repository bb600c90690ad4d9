/* Running the command on folders of one test, and comparing what comes out with Yjs' own documents. */
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import * as Y from 'yjs'
import { assert, option } from '../clients/lib/runner.mjs'

export const gesso = path.resolve(option('gesso', new URL('../../build/gesso', import.meta.url).pathname))

export const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'gesso-port-'))
process.on('exit', () => fs.rmSync(scratch, { recursive: true, force: true }))
let serial = 0
/* A path in which nothing is yet. */
export const fresh = (name = 'x') => path.join(fs.mkdtempSync(path.join(scratch, `${serial++}-`)), name)

export function run(...args) {
  const r = spawnSync(gesso, args, { encoding: 'utf8', maxBuffer: 1 << 28, timeout: 60000, killSignal: 'SIGKILL' })
  return { status: r.status, out: r.stdout, err: r.stderr }
}

export function start(...args) {
  const child = spawn(gesso, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const done = new Promise((resolve) => {
    let err = ''
    child.stderr.on('data', (bytes) => { err += bytes })
    child.on('exit', (status, signal) => resolve({ status, signal, err }))
  })
  return { child, done }
}

/* What an import said: its exit status, a report for each board, the sum. */
export function importInto(folder, source, ...args) {
  const r = run('import', '--json', ...args, source, folder)
  const lines = r.out.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line))
  const sum = lines.pop()
  return { ...r, sum, reports: lines, of: (board) => lines.find((l) => l.board === board) }
}

/* Exports everything and reads the files back: a Map from board to Y.Doc. */
export function exported(folder, to = 'v1') {
  const out = fresh('out')
  const r = run('export', '--to', to, '--output', out, folder)
  assert(r.status === 0, `export: ${r.status} ${r.err}`)
  const docs = new Map()
  const walk = (dir, name) => {
    for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
      if (entry.isDirectory()) {
        walk(path.join(dir, entry.name), name + entry.name.slice(0, -1))
        continue
      }
      const doc = new Y.Doc()
      const apply = to === 'v2' ? Y.applyUpdateV2 : Y.applyUpdate
      apply(doc, fs.readFileSync(path.join(dir, entry.name)))
      docs.set(decodeURIComponent(name + entry.name.replace(/\.(bin|v2)$/, '')), doc)
    }
  }
  walk(out, '')
  return docs
}

export const vectorOf = (doc) => {
  const entries = [...Y.decodeStateVector(Y.encodeStateVector(doc))]
  return JSON.stringify(entries.sort((a, b) => a[0] - b[0]))
}

/* The roots that our samples have. */
export const contentOf = (doc) => JSON.stringify({
  t: doc.getText('t').toDelta(), m: sorted(doc.getMap('m').toJSON()), a: doc.getArray('a').toJSON(),
  x: doc.getXmlFragment('x').toString()
})

function sorted(value) {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map(sorted)
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
}

/* By JSON and by state vector. */
export function sameDoc(got, want, what) {
  assert(got !== undefined, `${what}: there is no such board`)
  assert(contentOf(got) === contentOf(want), () => `${what}: content\n got ${contentOf(got)}\nwant ${contentOf(want)}`)
  assert(vectorOf(got) === vectorOf(want), () => `${what}: state vector\n got ${vectorOf(got)}\nwant ${vectorOf(want)}`)
}

/* All of them, and no other. */
export function sameBoards(folder, wanted) {
  const got = exported(folder)
  for (const [name, doc] of wanted) sameDoc(got.get(name), doc, name)
  const others = [...got.keys()].filter((name) => !wanted.has(name))
  assert(others.length === 0, `boards that nobody asked for: ${others}`)
}
