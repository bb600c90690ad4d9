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

// what, workload, input, the figure, unit, what it must be of Yjs (1 / n), and of a native yrs
const quick = [
  ['text: apply every update', 'apply', paths.updates, 'ms', 'ms', 15, 3],
  ['text: load, steady', 'load', paths.text, 'ms', 'ms', 15, 3],
  ['text: load, first in a process', 'load', paths.text, 'first', 'ms', 15, 3],
  ['text: heap after load', 'heap', paths.text, 'bytes', 'KB', 3, 3],
  ['text: encode the state', 'encode', paths.text, 'ms', 'ms', 10, 2],
  ['text: encode the state, v2', 'encode2', paths.text, 'ms', 'ms', 60, 2],
  ['text: diff with nothing new', 'nothing-new', paths.text, 'ms', 'ms', 50, 10],
  ['text: the bytes cut down to nothing new', 'cut', paths.text, 'ms', 'ms', 15],
  ['6,000 random inserts', 'keystrokes', paths['random-inserts'], 'ms', 'ms', 60, 20],
  ['6,000 random words', 'keystrokes', paths['random-words'], 'ms', 'ms', 60, 20],
  ['6,000 inserts and deletes', 'keystrokes', paths['inserts-and-deletes'], 'ms', 'ms', 60, 20],
  ['6,000 numbers into an array', 'array', paths.numbers, 'ms', 'ms', 60, 20],
  ['two users, 6,000 edits each, then all updates', 'two-users', paths['two-users'], 'ms', 'ms', 30, 100],
  ['6,000 appends', 'keystrokes', paths.appends, 'ms', 'ms', 60, 3],
  ['6,000 values of one key', 'overwrite', paths.numbers, 'ms', 'ms', 60, 3],
  ['1,540 clients, one key', 'apply', paths['crowd-key.updates'], 'ms', 'ms', 12, 5],
  ['1,540 clients, one position', 'apply', paths['crowd-position.updates'], 'ms', 'ms', 12, 5],
  ['2,000 updates in random order', 'apply', paths['out-of-order.updates'], 'ms', 'ms', 12],
  ['whiteboard: apply every update', 'apply', paths.boardUpdates, 'ms', 'ms', 20, 3],
  ['whiteboard: load, steady', 'load', paths.board, 'ms', 'ms', 15, 3],
  ['whiteboard: encode the state, v2', 'encode2', paths.board, 'ms', 'ms', 60, 2],
  ['whiteboard: merge the bytes of 2,000 updates', 'merge', paths['some.updates'], 'ms', 'ms', 50],
  ['whiteboard: load v2, steady', 'load2', paths['board.state2'], 'ms', 'ms', 15, 4],
  ['whiteboard: heap after load', 'heap', paths.board, 'bytes', 'KB', 6, 6],
  ['50 shapes: load, steady', 'load', paths['50-shapes.state'], 'ms', 'ms', 20, 4],
  ['50 shapes: heap', 'heap', paths['50-shapes.state'], 'bytes', 'KB', 4, 4]
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
  ['text: a transaction and an update a keystroke', 'keystrokes', paths.edits, 'ms', 'ms', 30, 150],
  ['text: all keystrokes in one transaction', 'once', paths.edits, 'ms', 'ms', 25, 1500],
  ...also.map(([name, file]) => [`${name}: a transaction a keystroke`, 'keystrokes', makeEdits(folder, file, name),
    'ms', 'ms', name.startsWith('svelte') ? 45 : 25, name.startsWith('svelte') ? 30 : 60]),
  ['text: fold every update in one transaction', 'fold', paths.updates, 'ms', 'ms', 8, 30],
  ['text x 100: load, steady', 'load', hundred(), 'ms', 'ms', 15, 3],
  ['text x 100: heap', 'heap', hundred(), 'bytes', 'KB', 3, 3],
  ['100,000 shapes: load, steady', 'load', paths['100000-shapes.state'], 'ms', 'ms', 15, 4],
  ['100,000 shapes: heap', 'heap', paths['100000-shapes.state'], 'bytes', 'KB', 4, 4]
]
const rows = [...(options.all ? long : []), ...quick].filter(row => !options.only || row[0].includes(options.only))

const seen = new Map() // each process is run once a round, whatever is read from it
function run (side, round, workload, file) {
  const key = `${side} ${round} ${workload} ${file}`
  if (!seen.has(key)) {
    const [command, args] = {
      gesso: [engine, [workload, file]],
      yjs: [process.execPath, ['--expose-gc', join(here, 'engine.mjs'), workload, file]],
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
const heads = ['workload'.padEnd(46), 'Yjs'.padStart(11), 'gesso'.padStart(11), ' ratio    must    ']
if (options.peer) heads.push('peer'.padStart(11), ' ratio    must    ')
say(heads.join(' '))
const show = (value, unit) => (unit === 'KB' ? (value / 1024).toFixed(0) : value < 10 ? value.toFixed(3) : value.toFixed(1)) + ' ' + unit
const missed = []
function compare (theirs, ours, must) {
  if (theirs === undefined) return ''.padEnd(17)
  const ratio = theirs / ours
  return ` 1/${ratio.toFixed(1).padEnd(6)} ${must ? (ratio < must ? '*' : ' ') + '1/' + must : ''}`.padEnd(17)
}
for (const [what, workload, file, figure, unit, must, mustOfPeer] of rows) {
  const figures = { yjs: [], gesso: [], peer: [] }
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const side of options.peer ? ['gesso', 'yjs', 'peer'] : ['gesso', 'yjs']) figures[side].push(run(side, round, workload, file)[figure])
  }
  const [ours, theirs, peers] = [median(figures.gesso), median(figures.yjs), options.peer ? median(figures.peer) : undefined]
  if (theirs / ours < must || peers / ours < mustOfPeer) missed.push(what)
  const parts = [what.padEnd(46), show(theirs, unit).padStart(11), show(ours, unit).padStart(11), compare(theirs, ours, must)]
  if (peers !== undefined) parts.push(show(peers, unit).padStart(11), compare(peers, ours, mustOfPeer))
  say(parts.join(' ').trimEnd())
}
say('')
say(missed.length === 0 ? 'every row is what it must be' : `* short of what it must be: ${missed.length} of ${rows.length}`)
say('')
for (const [name, file] of [['text', paths.text], ['whiteboard', paths.board]]) {
  const a = run('yjs', 0, 'heap', file)
  const b = run('gesso', 0, 'heap', file)
  say(`${name}: state ${readFileSync(file).length} bytes, structs ${a.structs} in Yjs, ${b.structs} in gesso`)
}
mkdirSync(options.out, { recursive: true })
const out = join(options.out, `${date}-engine${options.trace ? '-trace' : ''}${options.all ? '-all' : ''}.txt`)
writeFileSync(out, lines.join('\n') + '\n')
console.log(`written to ${out}`)
