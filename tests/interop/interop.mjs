// Sessions made by Yjs, read by gesso; and edits made by gesso, read by Yjs.
//
//   node interop.mjs --driver PATH [--gesso PATH] [--sessions 500] [--edits 200] [--positions 500] [--snapshots 500]
//                    [--bytes 2000] [--events 500] [--subdocs 200] [--undo 500] [--values 100] [--awareness 150] [--seed N] [--replay FILE]
//                    [--strict] [--failures DIR]
//
// With --seed only that one session runs. With --strict a session fails when the state is encoded to other
// bytes than Yjs'; otherwise one in a thousand may. A session that fails is cut down to the fewest updates that
// still fail, written to the failures folder and printed; --replay runs such a file again. The last
// line is "N passed, N failed".
import './clock.mjs'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import * as Y from 'yjs'
import { makeSession, openRoots } from './session.mjs'
import { Driver, NO_GC } from './driver.mjs'
import { Random } from './random.mjs'
import {
  deleteSet, equalBytes, expectEqual, gessoContent, openGessoRoots, parsed, receive, settle, wellFormed, yjsContent, yjsPending, yjsStateVector
} from './compare.mjs'
import { runAwareness } from './awareness.mjs'
import { checkCommand } from './command.mjs'
import { runEdits } from './edits.mjs'
import { runEvents } from './events.mjs'
import { runOld } from './old.mjs'
import { runSubdocs } from './subdocs.mjs'
import { runValues } from './values.mjs'
import { runPositions } from './positions.mjs'
import { runBytes } from './bytes.mjs'
import { runSnapshots } from './snapshots.mjs'
import { runUndo } from './undo.mjs'

const { values: options } = parseArgs({
  options: {
    driver: { type: 'string' },
    gesso: { type: 'string' },
    sessions: { type: 'string', default: '500' },
    edits: { type: 'string', default: '200' },
    subdocs: { type: 'string', default: '200' },
    values: { type: 'string', default: '100' },
    positions: { type: 'string', default: '500' },
    awareness: { type: 'string', default: '150' },
    bytes: { type: 'string', default: '2000' },
    snapshots: { type: 'string', default: '500' },
    undo: { type: 'string', default: '500' },
    events: { type: 'string', default: '500' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    replay: { type: 'string' },
    strict: { type: 'boolean', default: false },
    failures: { type: 'string', default: 'failures' }
  }
})
if (!options.driver) {
  console.error('interop: --driver PATH is missing: the program made from driver.c')
  process.exit(2)
}

const bytesSeen = { equal: 0, all: 0, diffs: 0, different: [] }
let shrinking = false
const prefixes = { all: 0, stalled: 0, sessions: new Set(), ends: [] }

const waitingOf = doc => ({ stateVector: yjsStateVector(doc), ...yjsPending(doc) })

// The whole comparison of one delivery. `delivery` is any list of updates, in any order.
async function checkDelivery (driver, { seed, delivery, gc, opened }) {
  const r = new Random(seed * 7919 + 1)
  const mark = r.below(delivery.length + 1) // where the diffs start from
  const deliver = (slot, { v2, bytes }) => v2 ? driver.applyV2(slot, bytes) : driver.apply(slot, bytes)
  await Promise.all([driver.create(0, 1, gc ? 0 : NO_GC), driver.create(1, 2), driver.create(2, 3)])
  if (opened) await openGessoRoots(driver, 0)
  const newReference = () => {
    const doc = new Y.Doc({ gc })
    if (opened) openRoots(doc)
    return doc
  }
  // Everything is asked for at once; the answers are compared as they come.
  const answers = delivery.map(update => ({
    applied: deliver(0, update),
    sv: driver.stateVectorJson(0),
    pending: driver.pending(0),
    checked: driver.check(0)
  }))
  answers.forEach(a => Object.values(a).forEach(p => p.catch(() => {})))
  let reference = newReference()
  const behind = new Y.Doc()
  const settled = newReference()
  let settledUpTo = 0
  let stateVectorAtMark = Y.encodeStateVector(reference)
  for (let i = 0; i < delivery.length; i++) {
    if (i === mark) stateVectorAtMark = Y.encodeStateVector(reference)
    if (i < mark) receive(behind, delivery[i])
    receive(reference, delivery[i])
    const at = `after update ${i + 1} of ${delivery.length}`
    await answers[i].applied
    await answers[i].checked
    const got = { stateVector: parsed(await answers[i].sv), ...parsed(await answers[i].pending) }
    if (!shrinking) prefixes.all++
    if (isDeepStrictEqual(waitingOf(reference), got)) continue
    // Only one difference is allowed: Yjs keeps something waiting that it could integrate.
    while (settledUpTo <= i) {
      receive(settled, delivery[settledUpTo++])
      settle(settled)
    }
    expectEqual(`state vector and pending ranges ${at}`, waitingOf(settled), got)
    if (!shrinking) {
      prefixes.stalled++
      prefixes.sessions.add(seed)
    }
    if (i === delivery.length - 1) {
      reference = settled
      if (!shrinking) prefixes.ends.push(seed)
    }
  }
  if (mark === delivery.length) stateVectorAtMark = Y.encodeStateVector(reference)

  // The strings of a v2 update stand in one row: two lone halves of characters that meet there survive,
  // which none does in v1. gesso keeps text as UTF-8 and has U+FFFD for both.
  const wanted = delivery.some(u => u.v2) ? wellFormed : v => v
  const content = wanted(yjsContent(reference))
  const same = async (what, slot, doc = reference) => {
    const want = wanted(yjsContent(doc))
    const got = await gessoContent(driver, slot)
    for (const name of Object.keys(want)) expectEqual(`${what}: ${name}`, want[name], wanted(got[name]))
    expectEqual(`${what}: state vector`, yjsStateVector(doc), parsed(await driver.stateVectorJson(slot)))
    expectEqual(`${what}: pending`, yjsPending(doc), parsed(await driver.pending(slot)))
  }
  const sameInYjs = (what, doc) => {
    settle(doc)
    const got = wanted(yjsContent(doc))
    for (const name of Object.keys(content)) expectEqual(`${what}: ${name}`, content[name], got[name])
    expectEqual(`${what}: state vector`, yjsStateVector(reference), yjsStateVector(doc))
    expectEqual(`${what}: pending`, yjsPending(reference), yjsPending(doc))
  }
  await same('content', 0)

  // Our state in Yjs, and Yjs' state in ours; every second session in v2.
  const v2 = seed % 2 === 0
  const theirs = [Y.encodeStateAsUpdate(reference), Y.encodeStateAsUpdateV2(reference)]
  const ours = [await driver.encode(0, null), await driver.encodeV2(0, null)]
  expectEqual('delete set', deleteSet(theirs[0]), deleteSet(ours[0]))
  const loaded = new Y.Doc()
  receive(loaded, { v2, bytes: ours[+v2] })
  sameInYjs('our state loaded by Yjs', loaded)
  await deliver(1, { v2, bytes: theirs[+v2] })
  await driver.check(1)
  // Not the reference: of what waits the state has only one copy, and not always the one that got in.
  const reloaded = new Y.Doc()
  receive(reloaded, { v2, bytes: theirs[+v2] })
  settle(reloaded)
  await same("Yjs' state loaded by us", 1, reloaded)

  // Diffs from the middle of the delivery, both ways.
  const theirDiffs = [Y.encodeStateAsUpdate(reference, stateVectorAtMark), Y.encodeStateAsUpdateV2(reference, stateVectorAtMark)]
  const ourDiffs = [await driver.encode(0, stateVectorAtMark), await driver.encodeV2(0, stateVectorAtMark)]
  receive(behind, { v2, bytes: ourDiffs[+v2] })
  sameInYjs('our diff applied by Yjs', behind)
  await Promise.all(delivery.slice(0, mark).map(update => deliver(2, update)))
  const ourStateVector = await driver.stateVector(2)
  await driver.apply(2, Y.encodeStateAsUpdate(reference, ourStateVector))
  await driver.check(2)
  await same("Yjs' diff applied by us", 2)

  if (options.strict) for (const i of [0, 1]) expectEqual(`bytes of the state, v${i + 1}`, theirs[i], new Uint8Array(ours[i]))
  if (!shrinking) {
    bytesSeen.all++
    if (theirDiffs.every((bytes, i) => equalBytes(bytes, ourDiffs[i]))) bytesSeen.diffs++
    const different = theirs.findIndex((bytes, i) => !equalBytes(bytes, ours[i]))
    if (different < 0) bytesSeen.equal++
    else bytesSeen.different.push({ seed, encoding: different + 1, theirs: theirs[different], ours: ours[different] })
  }
  return { reference, content, stateVectorAtMark }
}

// Drops updates as long as it still fails: halves first, then single ones.
async function shrink (session, fails) {
  let list = session.delivery
  for (let size = list.length >> 1; size >= 1; size >>= 1) {
    for (let from = 0; from < list.length;) {
      const without = [...list.slice(0, from), ...list.slice(from + size)]
      if (without.length > 0 && await fails({ ...session, delivery: without })) list = without
      else from += size
    }
  }
  return { ...session, delivery: list }
}

let driver = new Driver(options.driver)

async function attempt (session) {
  try {
    const result = await checkDelivery(driver, session)
    return { error: null, result }
  } catch (error) {
    if (driver.dead) driver = new Driver(options.driver)
    return { error }
  }
}

function report (session, error) {
  mkdirSync(options.failures, { recursive: true })
  const file = join(options.failures, `session-${session.seed}.json`)
  const updates = session.delivery.map(u => (u.v2 ? 'v2 ' : 'v1 ') + Buffer.from(u.bytes).toString('hex'))
  writeFileSync(file, JSON.stringify({ seed: session.seed, gc: session.gc, opened: session.opened, updates }, null, 1) + '\n')
  console.log(`FAILED session ${session.seed}: ${error.message}${error.what ? '' : '\n' + error.stack}`)
  console.log(`  ${updates.length} updates are left of it in ${file}; again: make interop REPLAY=${file}`)
  for (const [i, u] of updates.slice(0, 6).entries()) console.log(`  ${i + 1}: ${u.length > 400 ? u.slice(0, 400) + '...' : u}`)
}

let passed = 0
let failed = 0

async function runSession (session, sample) {
  let { error, result } = await attempt(session)
  if (!error && sample) {
    try {
      checkCommand(options.gesso, session, result)
    } catch (e) {
      failed++
      console.log(`FAILED session ${session.seed} through the command: ${e.message}`)
      return
    }
  }
  if (!error) {
    passed++
    return
  }
  failed++
  if (failed > 8) {
    console.log(`FAILED session ${session.seed}: ${error.message.slice(0, 200)}`)
    return
  }
  shrinking = true
  const small = await shrink(session, async s => (await attempt(s)).error !== null)
  error = (await attempt(small)).error ?? error
  shrinking = false
  report(small, error)
}

const started = Date.now()
if (options.replay) {
  const file = JSON.parse(readFileSync(options.replay, 'utf8'))
  const delivery = file.updates.map(u => ({ v2: u.startsWith('v2 '), bytes: new Uint8Array(Buffer.from(u.slice(3), 'hex')) }))
  await runSession({ seed: file.seed, gc: file.gc, opened: file.opened, delivery }, false)
} else {
  const first = Number(options.seed ?? options.first)
  const count = options.seed ? 1 : Number(options.sessions)
  let updates = 0
  for (let seed = first; seed < first + count; seed++) {
    const session = makeSession(seed)
    updates += session.delivery.length
    await runSession(session, options.gesso && (seed % 20 === 0 || options.seed))
  }
  console.log(`${count} sessions, ${updates} updates delivered, ${((Date.now() - started) / 1000).toFixed(1)} s`)
  const suites = [
    [runAwareness, options.awareness],
    [runBytes, options.bytes],
    [runEdits, options.edits],
    [runEvents, options.events],
    [runOld, 1],
    [runPositions, options.positions],
    [runSnapshots, options.snapshots],
    [runSubdocs, options.subdocs],
    [runUndo, options.undo],
    [runValues, options.values]
  ]
  for (const [runSuite, number] of suites) {
    const scripts = options.seed ? 0 : Number(number)
    if (scripts === 0) continue
    const since = Date.now()
    const result = await runSuite(() => {
      if (driver.dead) driver = new Driver(options.driver)
      return driver
    }, first, scripts)
    passed += result.passed
    failed += result.failed
    console.log(`  ${((Date.now() - since) / 1000).toFixed(1)} s`)
  }
}
if (prefixes.all > 0) {
  console.log(`after ${prefixes.all} prefixes state vector and pending ranges are those of Yjs, but for ${prefixes.stalled} in ` +
    `${prefixes.sessions.size} sessions where Yjs holds back structs that nothing is missing for (docs/compat.md)`)
  if (prefixes.ends.length > 0) console.log(`  to their end in ${prefixes.ends.length}: ${prefixes.ends.slice(0, 20).join(', ')}`)
}
if (bytesSeen.all > 0) {
  console.log(`encoded states equal to Yjs' byte for byte, v1 and v2: ${bytesSeen.equal} of ${bytesSeen.all}; diffs: ${bytesSeen.diffs}`)
  const { different } = bytesSeen
  if (different.length > 0) console.log(`  different: ${different.map(d => `${d.seed} (v${d.encoding})`).slice(0, 50).join(', ')}`)
  if (options.seed || options.replay) {
    for (const d of different) {
      console.log(`  Yjs:   ${Buffer.from(d.theirs).toString('hex')}\n  gesso: ${Buffer.from(d.ours).toString('hex')}`)
    }
  }
  // What docs/compat.md tells of is rarer than one session in a thousand.
  if (different.length > Math.floor(bytesSeen.all / 1000)) {
    failed++
    console.log('FAILED too many states are encoded to other bytes')
  }
}
if (await driver.close() !== 0) {
  failed++
  console.log('FAILED the driver did not end cleanly')
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
