// gesso beside Yjs, and beside a build of y-crdt where there is one: each workload in processes of their own, the
// sides in turn. Rows are judged by the ratios within a round, of which the median counts: a machine changes its speed from
// one minute to the next, and neighbours share it.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { makeEdits, makeInput, need } from './input.mjs'
import { floors, long, quick } from './rows.mjs'
import { version } from './yjs.mjs'

const usage = `usage: node bench/run.mjs [options]
  --build DIR         where gesso is built (build)
  --all               what takes long in Yjs or y-crdt, too
  --only WORD,WORD    the rows whose name has one of the words; they are written to a file only if --out is there
  --rounds N          of each workload (3); a process that takes more than 5 seconds is not run again
  --cpu               compares CPU time, for a machine that has other work too; Yjs' has all its threads
  --peer LIBYRS.SO    a build of y-crdt's C library beside them
  --trace FILE        an editing trace in place of the seeded keystrokes
  --also FILE,FILE    with --all, more traces to type
  --out DIR           where the table is written (bench/results)`

function end (status, ...said) {
  said.forEach(line => console[status === 0 ? 'log' : 'error'](line))
  process.exit(status)
}

const here = dirname(fileURLToPath(import.meta.url))
function readOptions () {
  try {
    return parseArgs({
      options: {
        build: { type: 'string', default: join(here, '..', 'build') },
        trace: { type: 'string' },
        also: { type: 'string' },
        all: { type: 'boolean', default: false },
        rounds: { type: 'string', default: '3' },
        cpu: { type: 'boolean', default: false },
        only: { type: 'string' },
        peer: { type: 'string' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false }
      }
    }).values
  } catch (error) {
    end(2, error.message, usage)
  }
}
const options = readOptions()
if (options.help) end(0, usage)
const rounds = Number(options.rounds)
if (!(rounds >= 1)) end(2, `no number of rounds: ${options.rounds}`, usage)
const engine = join(options.build, 'bench', 'bench_engine')
const also = (options.also ?? '').split(',').filter(Boolean)
for (const file of [engine, options.peer, options.trace, ...also]) {
  if (file !== undefined && !existsSync(file)) end(2, `there is no ${file}`)
}

const folder = join(options.build, 'bench-input')
const paths = makeInput(folder, options.trace)
// Texts of a hundred times as much: Yjs would take long to type them.
paths.hundred = paths.edits.replace('edits.bin', 'hundred.state')
if (options.all && !existsSync(paths.hundred)) {
  writeFileSync(paths.hundred, execFileSync(engine, ['hundred', paths.edits], { maxBuffer: 1 << 28 }))
}
const typed = options.all ? also.map(file => [basename(file).split('.')[0], file]) : []
const more = typed.map(([name, file]) => [name, makeEdits(folder, file, name)])
const words = options.only?.split(',')
const rows = [...(options.all ? long(paths, more) : []), ...quick(paths), ...floors(paths)]
  .filter(([what]) => words === undefined || words.some(word => what.includes(word)))
if (rows.length === 0) end(2, `no row has ${options.only} in its name${options.all ? '' : '; some are there with --all only'}`)

for (const [, , path] of rows) if (dirname(path) === folder) need(folder, basename(path))

// --- one process for each side, workload and round

const SLOW_MS = 5000
// Yjs sorts all updates again for each that it merges, which is nothing to wait for.
const ofGesso = workload => workload.startsWith('floor') || workload === 'merge-all'
const seen = new Map() // each process is run once a round, whatever is read from it
const failing = []
function run (side, round, workload, file, ...more) {
  if (side !== 'gesso' && ofGesso(workload)) return {}
  const key = [side, round, workload, file, ...more].join(' ')
  if (!seen.has(key)) {
    const [command, args] = {
      gesso: [engine, [workload, file, ...more]],
      yjs: [process.execPath, ['--expose-gc', join(here, 'engine.mjs'), workload, file, ...more]],
      peer: [join(options.build, 'bench', 'bench_yrs'), [resolve(options.peer ?? ''), workload, file]]
    }[side]
    const start = performance.now()
    try {
      const got = JSON.parse(execFileSync(command, args, { encoding: 'utf8' }))
      seen.set(key, { ...got, slow: performance.now() - start > SLOW_MS })
    } catch (error) {
      if (side !== 'peer') throw error
      failing.push(`y-crdt fails: ${workload} ${basename(file)}`)
      seen.set(key, {})
    }
  }
  return seen.get(key)
}

// The sides in turn, until each has had its rounds.
function measure (workload, file) {
  const sides = options.peer ? ['gesso', 'yjs', 'peer'] : ['gesso', 'yjs']
  const figures = Object.fromEntries(sides.map(side => [side, []]))
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) {
      if (!figures[side].some(got => got.slow)) figures[side].push(run(side, round, workload, file))
    }
  }
  const middle = values => values.sort((a, b) => a - b)[values.length >> 1]
  // What else a machine does only ever adds: the least is what the code needs.
  const least = (side, name) => side in figures ? figures[side].map(got => got[name]).sort((a, b) => a - b)[0] : undefined
  // How many times what gesso needs in the same round. Who is slow was measured once.
  const times = (side, name) => {
    if (!(side in figures)) return undefined
    const [others, ours] = [figures[side], figures.gesso]
    const at = (got, round) => got[Math.min(round, got.length - 1)][name]
    return middle(Array.from({ length: Math.max(others.length, ours.length) }, (_, round) => at(others, round) / at(ours, round)))
  }
  return { least, times }
}

// --- the table

const lines = []
const say = line => { lines.push(line); console.log(line) }
const git = (...args) => {
  try {
    return execFileSync('git', args, { encoding: 'utf8', cwd: here, stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return '?'
  }
}
const commit = git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--', '../src', '../include') ? ' and changes' : '')
const date = new Date().toISOString().slice(0, 10)
say(`gesso beside Yjs ${version}${options.peer ? ' and y-crdt' : ''}, ${date}, commit ${commit}`)
const clock = options.cpu ? 'CPU time' : 'time'
say(`machine: ${cpus().length} x ${cpus()[0]?.model.trim()}; node ${process.version}`)
say(`${clock}, the least of ${rounds} rounds; ratios: the median of those within a round, that of the least in brackets`)
say(`text: ${options.trace ? `the editing trace ${basename(options.trace)}` : 'seeded keystroke history'}, ` +
  `${readFileSync(paths.edits).readUInt32LE(0)} edits; whiteboard: 1,000 shapes, ${readFileSync(paths.boardUpdates).readUInt32LE(0)} updates`)
say('')
const heads = ['workload'.padEnd(50), 'Yjs'.padStart(11), 'gesso'.padStart(11), ' ratio             must   ']
if (options.peer) heads.push('y-crdt'.padStart(11), ' ratio             must   ')
heads.push('CPU, Yjs', ...(options.peer ? ['  y-crdt'] : []), '   gesso', '  allocs', ' heap KB', '     bytes')
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
// Every byte that a local edit emits is compared, in runs of their own.
const digested = ['keystrokes', 'once', 'array', 'array-bulk', 'overwrite']
function digests (workload, file) {
  const more = digested.includes(workload) ? ['digest'] : []
  return ['gesso', 'yjs'].map(side => run(side, 0, workload, file, ...more).digest)
}
// The ratio, that of the least, and what it must be: with a * where it falls short, with a ~ where it is so near that the
// next run may say otherwise.
const CLOSE = 1.1
function compare (ratio, ofLeast, must) {
  if (!(ratio > 0)) return ''.padEnd(26)
  const mark = ratio < must ? '*' : ratio < must * CLOSE ? '~' : ' '
  return ` 1/${ratio.toFixed(1).padEnd(6)} ${`(1/${ofLeast.toFixed(1)})`.padEnd(10)} ${must ? mark + '1/' + must : ''}`.padEnd(26)
}

const missed = []
const differing = []
for (const [what, workload, file, figure, mustOfYjs, mustOfPeer, most] of rows) {
  const { least: of, times } = measure(workload, file)
  const name = figure === 'ms' && options.cpu ? 'cpu' : figure
  const [ours, theirs, peers] = ['gesso', 'yjs', 'peer'].map(side => of(side, name))
  const [timesYjs, timesPeer] = ['yjs', 'peer'].map(side => times(side, name))
  const short = []
  if (timesYjs < mustOfYjs) short.push(`1/${timesYjs.toFixed(1)} of Yjs, must be 1/${mustOfYjs}`)
  if (timesPeer < mustOfPeer) short.push(`1/${timesPeer.toFixed(1)} of y-crdt, must be 1/${mustOfPeer}`)
  if (ours > (figure === 'heap' ? most * 1024 : most)) short.push(`${show(ours, figure).trim()}, must be ${most} at most`)
  if (short.length > 0) missed.push(`${what}: ${short.join('; ')}`)
  const [a, b] = digests(workload, file)
  if (a !== b && a !== undefined && b !== undefined) differing.push(what)
  // Whoever has another text in the end did not do the same work.
  const [length, ofYjs, ofPeer] = ['gesso', 'yjs', 'peer'].map(side => of(side, 'length'))
  if (ofYjs !== undefined && ofYjs !== length) differing.push(`${what} (length)`)
  if (ofPeer !== undefined && ofPeer !== length) failing.push(`${what}: the text of y-crdt has ${ofPeer} characters, that of gesso ${length}`)
  const parts = [what.padEnd(50), show(theirs, figure), show(ours, figure), compare(timesYjs, theirs / ours, mustOfYjs)]
  if (options.peer) parts.push(show(peers, figure), compare(timesPeer, peers / ours, mustOfPeer))
  parts.push(small(of('yjs', 'cpu'), 'cpu'))
  if (options.peer) parts.push(small(of('peer', 'cpu'), 'cpu'))
  parts.push(small(of('gesso', 'cpu'), 'cpu'), small(of('gesso', 'allocations')),
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
failing.forEach(say)
if (differing.length > 0) say(`OTHER BYTES than Yjs: ${differing.join('; ')}`)
say('')
for (const [name, file] of [['text', paths.text], ['whiteboard', paths.board]]) {
  if (words !== undefined) continue
  const a = run('yjs', 0, 'heap', file)
  const b = run('gesso', 0, 'heap', file)
  say(`${name}: state ${readFileSync(file).length} bytes, structs ${a.structs} in Yjs, ${b.structs} in gesso`)
}
if (words === undefined || options.out !== undefined) {
  const out = options.out ?? join(here, 'results')
  mkdirSync(out, { recursive: true })
  const path = join(out, `${date}-engine${options.trace ? '-trace' : ''}${options.all ? '-all' : ''}.txt`)
  writeFileSync(path, lines.join('\n') + '\n')
  console.log(`written to ${path}`)
}
if (differing.length > 0) process.exitCode = 1
