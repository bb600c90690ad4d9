// gesso beside Yjs, in one run: each workload in processes of their own, the two in turn, medians.
//
//   node bench/run.mjs [--build build] [--trace FILE] [--rounds 3] [--only words] [--out bench/results]
//
// Without --trace the text is a seeded keystroke history of the same shape as a real one. Ratios of one
// run count; figures move with the machine.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeInput } from './input.mjs'
import { version } from './yjs.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const { values: options } = parseArgs({
  options: {
    build: { type: 'string', default: join(here, '..', 'build') },
    trace: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    out: { type: 'string', default: join(here, 'results') }
  }
})

const paths = makeInput(join(options.build, 'bench-input'), options.trace)
const engine = join(options.build, 'bench', 'bench_engine')
const median = list => [...list].sort((a, b) => a - b)[list.length >> 1]

// what, workload, input, the figure, unit, what it must be of Yjs (1 / n)
const rows = [
  ['text: a transaction and an update a keystroke', 'keystrokes', paths.edits, 'ms', 'ms', 30],
  ['text: apply every update', 'apply', paths.updates, 'ms', 'ms', 15],
  ['text: load, steady', 'load', paths.text, 'ms', 'ms', 15],
  ['text: load, first in a process', 'load', paths.text, 'first', 'ms', 15],
  ['text: heap after load', 'heap', paths.text, 'bytes', 'KB', 3],
  ['text: encode the state', 'encode', paths.text, 'ms', 'ms', 10],
  ['text: diff with nothing new', 'nothing-new', paths.text, 'ms', 'ms', 50],
  ['whiteboard: apply every update', 'apply', paths.boardUpdates, 'ms', 'ms', 20],
  ['whiteboard: load, steady', 'load', paths.board, 'ms', 'ms', 15],
  ['whiteboard: heap after load', 'heap', paths.board, 'bytes', 'KB', 6]
].filter(row => !options.only || row[0].includes(options.only))

const seen = new Map() // each process is run once a round, whatever is read from it
function run (side, round, workload, file) {
  const key = `${side} ${round} ${workload} ${file}`
  if (!seen.has(key)) {
    const [command, args] = side === 'gesso'
      ? [engine, [workload, file]]
      : [process.execPath, ['--expose-gc', join(here, 'engine.mjs'), workload, file]]
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
say('workload                                            Yjs        gesso     ratio   must     3x must')
const show = (value, unit) => (unit === 'KB' ? (value / 1024).toFixed(0) : value < 10 ? value.toFixed(3) : value.toFixed(1)) + ' ' + unit
let missed = 0
for (const [what, workload, file, figure, unit, must] of rows) {
  const theirs = []
  const ours = []
  for (let round = 0; round < Number(options.rounds); round++) {
    ours.push(run('gesso', round, workload, file)[figure])
    theirs.push(run('yjs', round, workload, file)[figure])
  }
  const ratio = median(theirs) / median(ours)
  const verdict = ratio >= must ? 'reached  reached' : ratio >= must / 3 ? `1/${must}     reached` : `1/${must}     MISSED`
  if (ratio < must / 3) missed++
  say(`${what.padEnd(46)} ${show(median(theirs), unit).padStart(11)} ${show(median(ours), unit).padStart(11)}  1/${ratio.toFixed(1).padEnd(6)} ${verdict}`)
}
say('')
for (const [name, file] of [['text', paths.text], ['whiteboard', paths.board]]) {
  const a = run('yjs', 0, 'heap', file)
  const b = run('gesso', 0, 'heap', file)
  say(`${name}: state ${readFileSync(file).length} bytes, structs ${a.structs} in Yjs, ${b.structs} in gesso`)
}
mkdirSync(options.out, { recursive: true })
const out = join(options.out, `${date}-engine${options.trace ? '-trace' : ''}.txt`)
writeFileSync(out, lines.join('\n') + '\n')
console.log(`written to ${out}`)
process.exit(missed === 0 ? 0 : 1)
