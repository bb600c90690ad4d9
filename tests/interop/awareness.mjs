// Presence: three participants of y-protocols and three of gesso live through the same script. Updates between
// them are late, lost, repeated and forged, connections end, time passes. After every step both know the same of
// everybody and have reported the same, and what they send is the same bytes.
import * as Y from 'yjs'
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate, modifyAwarenessUpdate, removeAwarenessStates } from 'y-protocols/awareness'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { clock } from './clock.mjs'
import { bytes, nothing, number, string } from './driver.mjs'
import { Random } from './random.mjs'
import { expectEqual } from './compare.mjs'

const hex = b => Buffer.from(b).toString('hex')
const sorted = ids => [...ids].sort((a, b) => a - b)

// Keys that are no numbers, in the order in which they are set, and numbers with one way to write them: what
// JSON.stringify makes of it is what came in.
function randomState (r) {
  const state = {}
  for (let i = r.below(4); i > 0; i--) {
    state[r.pick(['name', 'cursor', 'colour', 'ü', 'a"b', 'deep'])] = r.pick([
      () => r.below(100),
      () => r.pick(['', 'Ada', '\u{1f600}', 'a\nb\u0001', '\\']),
      () => null,
      () => r.chance(0.5),
      () => [1, { x: r.below(5) }, []],
      () => ({ anchor: { type: null, tname: 't', item: { client: r.below(9), clock: r.below(9) }, assoc: 0 } })
    ])()
  }
  return state
}

function yjsParticipant (client) {
  const doc = new Y.Doc()
  doc.clientID = client
  const aw = new Awareness(doc)
  const check = aw._checkInterval._onTimeout
  clearInterval(aw._checkInterval)
  const told = []
  let changed = []
  aw.on('change', ({ updated }) => { changed = updated })
  let present = new Set(aw.states.keys())
  aw.on('update', ({ added, updated, removed }, origin) => {
    // Three things are told otherwise (docs/compat.md): y-protocols has one who comes back as updated, one who
    // is gone and told so again as removed, and ourselves as removed when a peer said so and we stayed.
    const back = updated.filter(id => !present.has(id))
    const stayed = removed.filter(id => aw.states.has(id))
    const gone = removed.filter(id => !stayed.includes(id) && (present.has(id) || origin === 'local'))
    const event = {
      origin,
      added: [...added, ...back],
      updated: [...updated.filter(id => !back.includes(id)), ...stayed],
      changed: changed.filter(id => !back.includes(id)),
      removed: gone
    }
    event.clients = [...event.added, ...event.updated, ...event.removed]
    if (event.clients.length > 0) told.push(event)
    changed = []
    present = new Set(aw.states.keys())
  })
  return { aw, told, check }
}

const asTold = events => events.map(({ origin, ...ids }) =>
  ({ origin, ...Object.fromEntries(Object.entries(ids).map(([group, list]) => [group, sorted(list)])) }))

function forged (r, clients) {
  const e = encoding.createEncoder()
  const about = r.shuffle([...clients]).slice(0, r.between(0, 4))
  encoding.writeVarUint(e, about.length)
  for (const client of about) {
    encoding.writeVarUint(e, client)
    encoding.writeVarUint(e, r.below(12))
    encoding.writeVarString(e, JSON.stringify(r.chance(0.35) ? null : randomState(r)))
  }
  return encoding.toUint8Array(e)
}

async function script (driver, seed, seen) {
  const r = new Random(seed * 15485863 + 5)
  const ids = [0, 1, 2].map(i => 1 + i + 3 * r.below(r.pick([3, 1000, 2 ** 31, 2 ** 51])))
  const strangers = [0, 1, 2, 3].map(() => 1 + r.below(2 ** 53 - 1)).filter(id => !ids.includes(id))
  clock.now = 1_000_000 + r.below(1000)
  const all = ids.map(yjsParticipant)
  const call = (name, place, args, read = nothing) => driver.call(name, 0, [place, ...args], read)
  await Promise.all(ids.map((id, i) => call('aw_new', i, [id, clock.now])))
  for (const { told } of all) told.length = 0 // nobody hears of one's own beginning
  const onTheWay = []
  for (let step = r.between(20, 60); step > 0; step--) {
    const i = r.below(3)
    const { aw } = all[i]
    const known = [...aw.meta.keys()]
    const received = (update, origin) => {
      applyAwarenessUpdate(aw, update, origin)
      return call('aw_apply', i, [update, origin, clock.now])
    }
    await r.weighted([
      [4, () => {
        const state = r.chance(0.2) ? null : randomState(r)
        aw.setLocalState(state)
        return call('aw_set_local', i, [JSON.stringify(state), clock.now])
      }],
      [2, () => {
        const [key, value] = [r.pick(['name', 'cursor', 'new']), r.below(50)]
        aw.setLocalStateField(key, value)
        return call('aw_set_field', i, [key, JSON.stringify(value), clock.now])
      }],
      [5, async () => {
        const about = r.chance(0.5) ? [ids[i]] : r.shuffle([...known]).slice(0, r.between(0, known.length))
        const update = encodeAwarenessUpdate(aw, about)
        expectEqual('an awareness update', hex(update), hex(await call('aw_encode', i, [0, about.length, ...about], bytes)))
        onTheWay.push(update)
        seen.updates++
      }],
      [onTheWay.length > 0 ? 7 : 0, () => {
        const at = r.below(onTheWay.length)
        return received(r.chance(0.6) ? onTheWay.splice(at, 1)[0] : onTheWay[at], 'peer')
      }],
      [2, () => received(forged(r, [...ids, ...strangers]), 'forged')],
      [1, () => {
        const gone = r.shuffle([...known, r.pick(strangers)]).slice(0, r.between(1, 3))
        removeAwarenessStates(aw, gone, 'closed')
        return call('aw_remove', i, [gone.length, ...gone, 'closed', clock.now])
      }],
      [3, () => {
        clock.now += r.pick([1, 3000, 14_999, 15_000, 29_999, 30_000, r.below(40_000)])
        for (const { check } of all) check()
        return Promise.all(all.map((_, k) => call('aw_tick', k, [clock.now])))
      }],
      [1, async () => {
        const update = forged(r, [...ids, ...strangers])
        // y-protocols hands the function the state alone: the odd ones are known by their place.
        const odd = oddPlaces(update)
        let at = 0
        const want = modifyAwarenessUpdate(update, state => odd[at++] ? { name: 'odd' } : state)
        expectEqual('a modified update', hex(want), hex(await driver.call('aw_modify', 0, [update], bytes)))
      }]
    ])()
    for (let k = 0; k < 3; k++) {
      const { aw, told } = all[k]
      const what = `${seed}, participant ${k}, ${step} steps before the end`
      const want = Object.fromEntries([...aw.states].map(([id, state]) => [String(id), state]))
      expectEqual(`states of ${what}`, want, JSON.parse(await call('aw_json', k, [], string)))
      const got = JSON.parse(`[${(await call('aw_told', k, [], string)).slice(0, -1)}]`)
      expectEqual(`events of ${what}`, asTold(told), asTold(got))
      seen.events += told.length
      told.length = 0
      for (const [id, { clock }] of aw.meta) expectEqual(`clock of ${id}, ${what}`, clock, await call('aw_clock', k, [id], number))
    }
  }
  await Promise.all(ids.map((_, i) => call('aw_drop', i, [])))
}

function oddPlaces (update) {
  const odd = []
  const d = decoding.createDecoder(update)
  for (let n = decoding.readVarUint(d); n > 0; n--) {
    odd.push(decoding.readVarUint(d) % 2 === 1)
    decoding.readVarUint(d)
    decoding.readVarString(d)
  }
  return odd
}

export async function runAwareness (getDriver, first, count) {
  const result = { passed: 0, failed: 0 }
  const seen = { events: 0, updates: 0 }
  for (let seed = first; seed < first + count; seed++) {
    try {
      await script(getDriver(), seed, seen)
      result.passed++
    } catch (error) {
      result.failed++
      if (result.failed < 10) console.log(`FAILED awareness ${seed}: ${error.message}${error.what ? '' : '\n' + error.stack}`)
    }
  }
  clock.now = null
  console.log(`${count} scripts of awareness: ${seen.updates} updates equal byte for byte, ${seen.events} events`)
  return result
}
