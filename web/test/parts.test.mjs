import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { test } from 'node:test'
import * as Y from 'yjs'
import { baseOf, fieldsOf, inOrder, quantised, shapeOf, strokePoints, valueFor, withLive } from '../src/board/codec.js'
import { watchConnection, watchStorage } from '../src/board/connection.js'
import { colourId, colourOf, hues } from '../src/board/presence.js'
import { hue, initials } from '../src/home/initials.js'
import { ago, size } from '../src/home/words.js'
import { sha256, sha256Plain } from '../src/shared/sha256.js'
import { shapeLike, strokeLike, textLike } from './canvas.mjs'

function stored(shape, more = {}) {
  const map = new Y.Doc().getMap('elements').set(shape.id, new Y.Map())
  map.set('b', baseOf(shape))
  if (shape.points && shape.type === 'freedraw') map.set('p', Y.Array.from(quantised(shape)))
  for (const [key, value] of Object.entries(more)) map.set(key, value)
  return map
}

test('the plain SHA-256 is SHA-256', async () => {
  const sizes = [...Array(200).keys(), 1000, 65537]
  for (const n of sizes) {
    const bytes = Uint8Array.from({ length: n }, (_, i) => (i * 7 + n) & 255)
    const want = crypto.createHash('sha256').update(bytes).digest('hex')
    assert.equal(sha256Plain(bytes), want, `${n} bytes`)
    if (n % 50 === 0) assert.equal(await sha256(bytes), want)
  }
})

test('every kind of shape comes back as it was', () => {
  const shapes = [
    shapeLike('r', { roundness: { type: 3 }, groupIds: ['g'], link: 'https://example.org', customData: { a: 1 } }),
    textLike('t', 'two\nlines 😀'),
    shapeLike('l', { type: 'line', points: [[0, 0], [4, -3], [8, 2]], width: 8, height: 5, startBinding: null, endBinding: null, lastCommittedPoint: null }),
    strokeLike('f', [[0, 0], [1.25, -2.5], [3, 3]], { width: 3, height: 5.5 }),
    shapeLike('i', { type: 'image', fileId: 'ab', status: 'saved', scale: [1, -1], crop: null }),
    shapeLike('n', { type: 'frame', name: null })
  ]
  for (const shape of shapes) {
    const back = shapeOf(shape.id, stored(shape))
    const { version, versionNonce, updated, lastCommittedPoint, ...rest } = shape
    assert.deepEqual(back, rest)
  }
})

test('keys override the base, each by itself', () => {
  const words = textLike('t', 'old')
  const map = stored(words, { g: [1, 2, 3, 4, 0.5], t: ['new', 'new'], strokeColor: 'red', d: 0 })
  const back = shapeOf('t', map)
  assert.deepEqual([back.x, back.y, back.width, back.height, back.angle], [1, 2, 3, 4, 0.5])
  assert.deepEqual([back.text, back.originalText, back.strokeColor, back.isDeleted], ['new', 'new', 'red', false])
  map.set('d', 1700000000000)
  assert.equal(shapeOf('t', map).isDeleted, true)
})

test('values that cannot be are passed over', () => {
  const box = shapeLike('r')
  const bad = {
    g: [NaN, 0, 0, 0, 0], t: 7, l: [], strokeColor: 5, opacity: 1e9, groupIds: [1], index: {}, locked: 'yes', id: 'other',
    type: 'ellipse', isDeleted: true, version: 99, roundness: [], boundElements: [{ id: 5 }], nested: new Y.Map()
  }
  const back = shapeOf('r', stored(box, bad))
  const { version, versionNonce, updated, ...rest } = box
  assert.deepEqual(back, rest)
  for (const base of [null, 3, 'x', [], {}, { type: 'rectangle' }, { ...box, type: 'selection' }, { ...box, x: Infinity },
    { ...box, width: '9' }, { ...box, groupIds: 'a' }]) {
    const map = new Y.Doc().getMap('elements').set('r', new Y.Map())
    map.set('b', base)
    assert.equal(shapeOf('r', map), null, JSON.stringify(base))
  }
})

test('a hostile base does not reach object prototypes', () => {
  const map = new Y.Doc().getMap('elements').set('r', new Y.Map())
  map.set('b', JSON.parse(JSON.stringify(shapeLike('r')).replace('"x":0', '"x":0,"__proto__":{"polluted":1}')))
  map.set('__proto__', { polluted: 1 })
  assert.equal(shapeOf('r', map).polluted, undefined)
  assert.equal({}.polluted, undefined)
})

test('strokes stop where their numbers stop making sense', () => {
  assert.deepEqual(strokePoints([0, 0, 100, 100, NaN, 5, 1, 1], false).points, [[0, 0], [1, 1]])
  assert.deepEqual(strokePoints([0, 0, 1e12, 0, 1, 1], false).points, [[0, 0]])
  assert.deepEqual(strokePoints([0, 0, 5, 'x', 5], false).points, [[0, 0]])
  assert.deepEqual(strokePoints([0, 0, 9000, 1, 1, -5], true), { points: [[0, 0], [0.01, 0.01]], pressures: [1, 0] })
  assert.equal(strokePoints(Array(500000).fill(1), false).points.length, 100000)
})

test('rounding does not add up along a stroke', () => {
  const points = Array.from({ length: 10000 }, (_, i) => [i * 0.0149, i * 0.333])
  const back = strokePoints(quantised(strokeLike('f', points)), false).points
  back.forEach(([x, y], i) => assert.ok(Math.abs(x - points[i][0]) < 0.0051 && Math.abs(y - points[i][1]) < 0.0051))
})

test('fields tell what changed, and only that', () => {
  const box = shapeLike('r')
  const before = fieldsOf(box)
  const after = fieldsOf({ ...box, x: 5, version: 2, versionNonce: 3, updated: 4 })
  assert.deepEqual([...after].filter(([key, value]) => before.get(key) !== value).map(([key]) => key), ['g'])
  const stroke = strokeLike('f', [[0, 0], [1, 1]])
  assert.deepEqual(fieldsOf(stroke), fieldsOf({ ...stroke, width: 9, points: [[0, 0], [9, 9]] }))
  assert.deepEqual(valueFor(box, 'g', 0), [0, 0, 100, 50, 0])
  assert.equal(valueFor({ ...box, isDeleted: true }, 'd', 77), 77)
})

test('live geometry moves, scales and rejects', () => {
  assert.equal(withLive(shapeLike('r'), [5, 6, 7, 8, 0]).width, 7)
  const stroke = strokeLike('f', [[0, 0], [10, 20]], { width: 10, height: 20 })
  assert.deepEqual(withLive(stroke, [1, 2, 20, 10, 0]).points, [[0, 0], [20, 10]])
  const line = shapeLike('l', { type: 'line', points: [[0, 0], [10, 0]], width: 10, height: 0 })
  assert.deepEqual(withLive(line, [1, 2, 5, 5, 0, [[0, 0], [5, 5]]]).points, [[0, 0], [5, 5]])
  assert.deepEqual(withLive(line, [1, 2, 20, 0, 0, 'x']).points, [[0, 0], [20, 0]])
  for (const bad of [[], [1, 2], ['a', 0, 0, 0, 0], [NaN, 0, 0, 0, 0], [1e9, 0, 0, 0, 0]])
    assert.equal(withLive(stroke, bad), stroke)
})

test('the order is total', () => {
  const of = (id, index) => ({ id, index })
  const list = [of('b', 'a1'), of('a', 'a1'), of('c', null), of('d', 'a0')]
  assert.deepEqual(list.sort(inOrder).map((s) => s.id), ['d', 'a', 'b', 'c'])
})

test('everybody has the colour that was drawn for them', () => {
  const shown = (id) => {
    let hash = 0
    for (let i = 0; i < id.length; i++) hash = (hash << 5) - hash + id.charCodeAt(i)
    return Math.abs(hash) % hues
  }
  for (let hue = 0; hue < hues; hue++) {
    assert.equal(shown(colourId('person-1', hue)), hue)
    assert.equal(colourOf(hue), `hsl(${hue * 10} 100% 83%)`)
  }
  assert.notEqual(colourId('a', 3), colourId('b', 3))
})

test('times and sizes read well', () => {
  const now = 1e12
  assert.equal(ago(now - 3000, now), 'just now')
  assert.equal(ago(now + 9000, now), 'just now')
  assert.equal(ago(now - 59_000, now), '59 seconds ago')
  assert.equal(ago(now - 60_000, now), '1 minute ago')
  assert.equal(ago(now - 3 * 86400_000, now), '3 days ago')
  assert.equal(ago(undefined, now), '')
  assert.deepEqual([0, 999, 1500, 123_456, 2_500_000, NaN].map(size), ['empty', '999 B', '1.5 KB', '123 KB', '2.5 MB', 'empty'])
})

test('initials of titles', () => {
  assert.equal(initials('Team retro'), 'TR')
  assert.equal(initials('  plan: the next quarter'), 'PT')
  assert.equal(initials('übung'), 'Ü')
  assert.equal(initials('日本 語'), '日語')
  assert.equal(initials('🚀!'), '🚀')
  assert.equal(initials(null), '')
  assert.ok(['', 'a', 'Team retro', '日本'].every((t) => hue(t) >= 0 && hue(t) < 360))
})

test('a server that stores nothing is told from one that does', () => {
  const handled = [], told = [], listeners = []
  const provider = {
    synced: true, wsconnected: true,
    messageHandlers: [() => handled.push('sync'), () => {}, () => handled.push('auth'), () => {}],
    on: (name, f) => name === 'status' && listeners.push(f), off: () => {}, emit: () => listeners.forEach((f) => f())
  }
  watchStorage(provider)
  const stop = watchConnection(provider, (state) => told.push(state))
  const sync = (kind) => provider.messageHandlers[0]({}, { arr: [0, kind], pos: 1 })
  provider.messageHandlers[2]({}, {})
  sync(1)
  sync(2)
  assert.deepEqual(told, ['connected', 'readonly'])
  sync(0)
  sync(0)
  assert.deepEqual(told, ['connected', 'readonly', 'connected'])
  assert.deepEqual(handled, ['auth', 'sync', 'sync', 'sync', 'sync'])
  stop()
})
