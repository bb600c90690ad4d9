// gesso beside Yjs, in one run: each workload in processes of their own, the two in turn, medians.
//
//   node bench/run.mjs [--build build] [--trace FILE] [--also FILE,FILE] [--all] [--rounds 3] [--only words] [--out DIR]
//                      [--peer libyrs.so]
//
// --peer measures a libyrs, given by its path, in the same run: see yrs.c.
// --all runs what takes long in Yjs too. --also names more editing traces to type. Without --trace the text is
// a seeded keystroke history of the same shape as a real one. Ratios of one
// run count; figures move with the machine.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeEdits, makeInput } from './input.mjs'
import { version } from './yjs.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const { values: options } = parseArgs({
  options: {
    build: { type: 'string', default: join(here, '..', 'build') },
    trace: { type: 'string' },
    also: { type: 'string' },
    all: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    peer: { type: 'string' },
    out: { type: 'string', default: join(here, 'results') }
  }
})

const folder = join(options.build, 'bench-input')
const paths = makeInput(folder, options.trace)
const engine = join(options.build, 'bench', 'bench_engine')
const median = list => [...list].sort((a, b) => a - b)[list.length >> 1]
const also = (options.also ?? '').split(',').filter(Boolean).map(file => [basename(file).split('.')[0], file])

// What, workload, input, the figure, what it must be of Yjs (1 / n), and of a native yrs, and at most (KB, ms, pieces).
const quick = [
  ['text: apply every update', 'apply', paths.updates, 'ms', 15, 3],
  ['text: load, steady', 'load', paths.text, 'ms', 15, 3],
  ['text: load, first in a process', 'load', paths.text, 'first', 15, 3],
  ['text: heap after load', 'heap', paths.text, 'heap', 3, 3, paths.edits.includes('trace') ? 830 : undefined],
  ['text: allocations of a load', 'heap', paths.text, 'allocations', undefined, undefined, 50],
  ['text: encode the state', 'encode', paths.text, 'ms', 10, 2],
  ['text: encode the state, v2', 'encode2', paths.text, 'ms', 60, 2],
  ['text: diff with nothing new', 'nothing-new', paths.text, 'ms', 50, 10],
  ['text: diff for half of it', 'diff', paths.text, 'ms'],
  ['text: the bytes cut down to nothing new', 'cut', paths.text, 'ms', 15],
  ['6,000 random inserts', 'keystrokes', paths['random-inserts'], 'ms', 60, 20],
  ['6,000 random words', 'keystrokes', paths['random-words'], 'ms', 60, 20],
  ['6,000 inserts and deletes', 'keystrokes', paths['inserts-and-deletes'], 'ms', 60, 20],
  ['6,000 numbers into an array', 'array', paths.numbers, 'ms', 60, 20],
  ['two users, 6,000 edits each, then all updates', 'two-users', paths['two-users'], 'ms', 30, 100],
  ['6,000 appends', 'keystrokes', paths.appends, 'ms', 60, 3],
  ['6,000 values of one key', 'overwrite', paths.numbers, 'ms', 60, 3],
  ['1,540 clients, one key', 'apply', paths['crowd-key.updates'], 'ms', 12, 5],
  ['1,540 clients, one position', 'apply', paths['crowd-position.updates'], 'ms', 12, 5],
  ['2,000 updates in random order', 'apply', paths['out-of-order.updates'], 'ms', 12, undefined, 10],
  ['whiteboard: apply every update', 'apply', paths.boardUpdates, 'ms', 20, 3],
  ['whiteboard: load, steady', 'load', paths.board, 'ms', 15, 3],
  ['whiteboard: load v2, steady', 'load2', paths['board.state2'], 'ms', 15, 4],
  ['whiteboard: encode the state, v2', 'encode2', paths.board, 'ms', 60, 2],
  ['whiteboard: merge the bytes of 2,000 updates', 'merge', paths['some.updates'], 'ms', 50],
  ['whiteboard: heap after load', 'heap', paths.board, 'heap', 6, 6, 2400],
  ['50 shapes: load, steady', 'load', paths['50-shapes.state'], 'ms', 20, 4],
  ['1,000 rooms of 50 shapes: open one', 'rooms', paths['50-shapes.state'], 'ms', 20, 4],
  ['1,000 rooms of 50 shapes: heap of one', 'rooms', paths['50-shapes.state'], 'heap', 4, 4]
]
// Texts of a hundred times as much, made when they are wanted.
function hundred () {
  const path = paths.edits.replace('edits.bin', 'hundred.state')
  if (options.all && (options.trace || !existsSync(path))) {
    writeFileSync(path, execFileSync(engine, ['hundred', paths.edits], { maxBuffer: 1 << 28 }))
  }
  return path
}
const long = [
  ['text: a transaction and an update a keystroke', 'keystrokes', paths.edits, 'ms', 30, 150],
  ['text: all keystrokes in one transaction', 'once', paths.edits, 'ms', 25, 1500],
  ...also.map(([name, file]) => [`${name}: a transaction a keystroke`, 'keystrokes', makeEdits(folder, file, name),
    'ms', name.startsWith('svelte') ? 45 : 25, name.startsWith('svelte') ? 30 : 60]),
  ['text: fold every update in one transaction', 'fold', paths.updates, 'ms', 8, 30],
  ['text x 100: load, steady', 'load', hundred(), 'ms', 15, 3],
  ['text x 100: heap', 'heap', hundred(), 'heap', 3, 3, options.trace ? 90 * 1024 : undefined],
  ['text: diff for half of it, v2', 'diff2', paths.text, 'ms'],
  ['text: the bytes cut down to half', 'cut-half', paths.text, 'ms'],
  ['6,000 characters as one string', 'keystrokes', paths['one-string'], 'ms'],
  ['6,000 prepends', 'keystrokes', paths.prepends, 'ms'],
  ['6,000 characters as one string, all deleted', 'keystrokes', paths['string-and-back'], 'ms'],
  ['6,000 numbers appended', 'array', paths['numbers-appended'], 'ms'],
  ['6,000 numbers at once', 'array-bulk', paths.numbers, 'ms'],
  ['6,000 numbers prepended', 'array', paths['numbers-prepended'], 'ms'],
  ['two users, a string of 6,000 each', 'two-users', paths['two-strings'], 'ms'],
  ['two users, 6,000 random inserts each', 'two-users', paths['two-inserts'], 'ms'],
  ['two users, 6,000 random words each', 'two-users', paths['two-words'], 'ms'],
  ['1,540 clients, an object under one key', 'apply', paths['crowd-object.updates'], 'ms', 12, 5],
  ['1,540 clients, a string under one key', 'apply', paths['crowd-string.updates'], 'ms', 12, 5],
  ['1,540 clients, one position of an array', 'apply', paths['crowd-array.updates'], 'ms', 12, 5],
  ['whiteboard: fold every update in one transaction', 'fold', paths.boardUpdates, 'ms'],
  ['whiteboard: encode the state', 'encode', paths.board, 'ms', 10, 2],
  ['whiteboard: diff with nothing new', 'nothing-new', paths.board, 'ms', 50, 10],
  ['whiteboard: diff for half of it', 'diff', paths.board, 'ms'],
  ['whiteboard: diff for half of it, v2', 'diff2', paths.board, 'ms'],
  ['whiteboard: the bytes cut down to half', 'cut-half', paths.board, 'ms'],
  ['100,000 shapes: load, steady', 'load', paths['100000-shapes.state'], 'ms', 15, 4],
  ['100,000 shapes: heap', 'heap', paths['100000-shapes.state'], 'heap', 4, 4, 100 * 1024]
]
// What no engine can do without: the bytes are copied, or looked at one by one.
const floors = [
  ['floor: the bytes of the text copied', 'floor-copy', paths.text, 'ms'],
  ['floor: the bytes of the text read as numbers', 'floor-scan', paths.text, 'ms'],
  ['floor: the bytes of the whiteboard copied', 'floor-copy', paths.board, 'ms'],
  ['floor: the bytes of the whiteboard read as numbers', 'floor-scan', paths.board, 'ms']
]
const rows = [...(options.all ? long : []), ...quick, ...floors].filter(row => !options.only || row[0].includes(options.only))

const seen = new Map() // each process is run once a round, whatever is read from it
function run (side, round, workload, file, ...more) {
  if (side !== 'gesso' && workload.startsWith('floor')) return {}
  const key = [side, round, workload, file, ...more].join(' ')
  if (!seen.has(key)) {
    const [command, args] = {
      gesso: [engine, [workload, file, ...more]],
      yjs: [process.execPath, ['--expose-gc', join(here, 'engine.mjs'), workload, file, ...more]],
      peer: [join(options.build, 'bench', 'bench_yrs'), [resolve(options.peer ?? ''), workload, file]]
    }[side]
    seen.set(key, JSON.parse(execFileSync(command, args, { encoding: 'utf8' })))
  }
  return seen.get(key)
}

const lines = []
const say = line => { lines.push(line); console.log(line) }
const git = (...args) => {
  try { return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() } catch { return '?' }
}
const commit = git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', 'src', 'include') ? ' and changes' : '')
const date = new Date().toISOString().slice(0, 10)
say(`gesso beside Yjs ${version}, ${date}, commit ${commit}`)
say(`machine: ${cpus().length} x ${cpus()[0]?.model.trim()}; node ${process.version}; ${options.rounds} rounds, medians`)
say(`text: ${options.trace ? 'an editing trace' : 'seeded keystroke history'}, ${readFileSync(paths.edits).readUInt32LE(0)} edits; ` +
  `whiteboard: 1,000 shapes, ${readFileSync(paths.boardUpdates).readUInt32LE(0)} updates`)
say('')
if (options.peer) say(`peer: ${options.peer}`)
const heads = ['workload'.padEnd(50), 'Yjs'.padStart(11), 'gesso'.padStart(11), ' ratio    must    ']
if (options.peer) heads.push('peer'.padStart(11), ' ratio    must    ')
heads.push('CPU, Yjs', '   gesso', '  allocs', ' heap KB', '     bytes')
say(heads.join(' '))
const units = { heap: 'KB', allocations: '  ' }
const number = value => value < 0.01 ? value.toFixed(4) : value < 10 ? value.toFixed(3) : value.toFixed(1)
function show (value, figure) {
  if (value === undefined) return '-'.padStart(11)
  const text = figure === 'heap' ? (value / 1024).toFixed(0) : figure === 'allocations' ? String(value) : number(value)
  return `${text} ${units[figure] ?? 'ms'}`.padStart(11)
}
const small = (value, figure) => value === undefined ? '-'.padStart(8)
  : (figure === 'heap' ? (value / 1024).toFixed(0) : figure === 'cpu' ? number(value) : String(value)).padStart(8)
const missed = []
const differing = []
// Every byte that a local edit emits is compared, in runs of their own.
const digested = ['keystrokes', 'once', 'array', 'array-bulk', 'overwrite']
function digests (workload, file) {
  const more = digested.includes(workload) ? ['digest'] : []
  return ['gesso', 'yjs'].map(side => run(side, 0, workload, file, ...more).digest)
}
// The ratio and what it must be, with a * where it falls short.
function compare (theirs, ours, must) {
  if (theirs === undefined) return ''.padEnd(17)
  const ratio = theirs / ours
  return ` 1/${ratio.toFixed(1).padEnd(6)} ${must ? (ratio < must ? '*' : ' ') + '1/' + must : ''}`.padEnd(17)
}
for (const [what, workload, file, figure, must, mustOfPeer, most] of rows) {
  const sides = options.peer ? ['gesso', 'yjs', 'peer'] : ['gesso', 'yjs']
  const figures = {}
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const side of sides) (figures[side] ??= []).push(run(side, round, workload, file))
  }
  const of = (side, name) => side in figures ? median(figures[side].map(got => got[name])) : undefined
  const [ours, theirs, peers] = ['gesso', 'yjs', 'peer'].map(side => of(side, figure))
  const most1 = most && figure === 'heap' ? most * 1024 : most
  if (theirs / ours < must) missed.push(`${what}: 1/${(theirs / ours).toFixed(1)} of Yjs, must be 1/${must}`)
  if (peers / ours < mustOfPeer) missed.push(`${what}: 1/${(peers / ours).toFixed(1)} of the peer, must be 1/${mustOfPeer}`)
  if (ours > most1) missed.push(`${what}: ${show(ours, figure).trim()}, must be ${most} at most`)
  const [a, b] = digests(workload, file)
  if (a !== b && a !== undefined && b !== undefined) differing.push(what)
  const parts = [what.padEnd(50), show(theirs, figure), show(ours, figure), compare(theirs, ours, must)]
  if (options.peer) parts.push(show(peers, figure), compare(peers, ours, mustOfPeer))
  parts.push(small(of('yjs', 'cpu'), 'cpu'), small(of('gesso', 'cpu'), 'cpu'), small(of('gesso', 'allocations')),
    small(of('gesso', 'heap'), 'heap'), String(of('gesso', 'bytes') ?? '-').padStart(10))
  if (b !== undefined) parts.push(a === b ? '=' : '!')
  say(parts.join(' ').trimEnd())
}
say('')
say('CPU in ms; allocs and heap of gesso; bytes that gesso made (of a load: read), = the same as those of Yjs')
say('')
if (missed.length === 0) say('every row is what it must be')
else {
  say(`short of what it must be: ${missed.length}`)
  missed.forEach(line => say('  ' + line))
}
if (differing.length > 0) say(`OTHER BYTES than Yjs: ${differing.join('; ')}`)
say('')
for (const [name, file] of [['text', paths.text], ['whiteboard', paths.board]]) {
  if (options.only) continue
  const a = run('yjs', 0, 'heap', file)
  const b = run('gesso', 0, 'heap', file)
  say(`${name}: state ${readFileSync(file).length} bytes, structs ${a.structs} in Yjs, ${b.structs} in gesso`)
}
mkdirSync(options.out, { recursive: true })
const out = join(options.out, `${date}-engine${options.trace ? '-trace' : ''}${options.all ? '-all' : ''}.txt`)
writeFileSync(out, lines.join('\n') + '\n')
console.log(`written to ${out}`)
if (differing.length > 0) process.exitCode = 1
