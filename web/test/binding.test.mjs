import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { shapeLike, strokeLike, table, textLike } from './canvas.mjs'

const [boxId, otherId] = ['box', 'other']

test('a new shape reaches the others, outside of their undo history', () => {
  const { seats: [ada, ben] } = table(2)
  ada.canvas.add(shapeLike(boxId))
  assert.equal(ben.canvas.get(boxId).width, 100)
  assert.deepEqual(ben.canvas.updates, ['NEVER'])
  assert.deepEqual(Object.keys(ada.shapes.get(boxId).toJSON()), ['b'])
})

test('version, nonce and time are never written', () => {
  const { seats: [ada] } = table(1)
  ada.canvas.add(shapeLike(boxId))
  ada.canvas.touch(boxId, { strokeColor: 'red' })
  const stored = JSON.stringify(ada.shapes.toJSON())
  assert.doesNotMatch(stored, /version|updated|isDeleted/)
})

test('nothing is shown or taken before the canvas has started', () => {
  const { seats: [ada, ben], start } = table(2, { late: true })
  ada.canvas.add(shapeLike(boxId))
  assert.equal(ada.shapes.size, 0)
  Y.applyUpdate(ben.doc, (() => {
    const doc = new Y.Doc()
    const map = new Y.Map()
    map.set('b', shapeLike(otherId))
    doc.getMap('elements').set(otherId, map)
    return Y.encodeStateAsUpdate(doc)
  })())
  assert.equal(ben.canvas.scene.length, 0)
  start()
  assert.ok(ben.canvas.get(otherId))
})

test('a shape that is missing from the scene is put back, not deleted', () => {
  const { seats: [ada, ben], clock } = table(2)
  ada.canvas.add(shapeLike(boxId))
  ada.canvas.add(shapeLike(otherId, { index: 'a1' }))
  clock.pass(1000)
  ada.canvas.scene = []
  ada.canvas.changed()
  assert.equal(ada.canvas.scene.length, 2)
  assert.equal(ben.canvas.scene.filter((s) => !s.isDeleted).length, 2)
})

test('different properties of one shape, changed apart, are all kept', () => {
  const { seats: [ada, ben], online, clock } = table(2)
  ada.canvas.add(shapeLike(boxId))
  online(false)
  ada.canvas.touch(boxId, { strokeColor: 'red' })
  ben.canvas.touch(boxId, { x: 70, y: 80 })
  clock.pass(1000)
  online(true)
  for (const { canvas } of [ada, ben]) {
    const { strokeColor, x, y } = canvas.get(boxId)
    assert.deepEqual({ strokeColor, x, y }, { strokeColor: 'red', x: 70, y: 80 })
  }
})

test('geometry is one value: a move and a resize never mix', () => {
  const { seats: [ada, ben], online, clock } = table(2)
  ada.canvas.add(shapeLike(boxId))
  online(false)
  ada.canvas.touch(boxId, { x: 500 })
  ben.canvas.touch(boxId, { width: 300, height: 300 })
  clock.pass(1000)
  online(true)
  const place = ({ canvas }) => { const { x, width, height } = canvas.get(boxId); return [x, width, height] }
  assert.deepEqual(place(ada), place(ben))
  assert.ok([[500, 100, 50], [0, 300, 300]].some((whole) => String(whole) === String(place(ada))), String(place(ada)))
})

test('a deletion keeps what others change meanwhile, and can be taken back', () => {
  const { seats: [ada, ben], online, clock } = table(2)
  ada.canvas.add(shapeLike(boxId))
  online(false)
  ada.canvas.touch(boxId, { isDeleted: true })
  ben.canvas.touch(boxId, { strokeColor: 'red' })
  clock.pass(1000)
  online(true)
  assert.equal(ben.canvas.get(boxId).isDeleted, true)
  ada.canvas.touch(boxId, { isDeleted: false })
  clock.pass(1000)
  assert.equal(ben.canvas.get(boxId).isDeleted, false)
  assert.equal(ben.canvas.get(boxId).strokeColor, 'red')
  assert.equal(ada.canvas.get(boxId).strokeColor, 'red')
})

test('a drag is shown live and written once a second and at its end', () => {
  const { seats: [ada, ben], clock } = table(2)
  ada.canvas.add(shapeLike(boxId))
  clock.pass(5000)
  const before = ada.updates
  ada.canvas.press()
  const seen = new Set()
  for (let i = 1; i <= 300; i++) {
    ada.canvas.touch(boxId, { x: i })
    clock.pass(10)
    seen.add(ben.canvas.get(boxId).x)
  }
  assert.equal(seen.size, 300)
  assert.ok(ada.updates - before <= 4, `${ada.updates - before} writes in three seconds`)
  ada.canvas.touch(boxId, { x: 301 })
  ada.canvas.release()
  assert.equal(ada.shapes.get(boxId).get('g')[0], 301)
  assert.equal(ben.canvas.get(boxId).x, 301)
})

test('a live drag of somebody else is never written by those who watch', () => {
  const { seats: [ada, ben], clock } = table(2)
  ada.canvas.add(shapeLike(boxId))
  clock.pass(5000)
  ada.canvas.press()
  ada.canvas.touch(boxId, { x: 10 })
  ada.canvas.touch(boxId, { x: 20 })
  ben.canvas.touch(boxId, { strokeColor: 'red' })
  clock.pass(500)
  assert.equal(ben.canvas.get(boxId).x, 20)
  assert.equal(ben.updates, 1)
  const written = ben.shapes.get(boxId).toJSON()
  assert.equal(written.strokeColor, 'red')
  assert.equal(written.g[0], 10)
})

test('an own drag is not torn by what arrives meanwhile', () => {
  const { seats: [ada, ben], clock } = table(2)
  ada.canvas.add(shapeLike(boxId))
  clock.pass(5000)
  ada.canvas.press()
  ada.canvas.touch(boxId, { x: 10 })
  clock.pass(100)
  ada.canvas.touch(boxId, { x: 20 })
  ben.canvas.touch(boxId, { x: 900, strokeColor: 'red' })
  clock.pass(300)
  assert.equal(ada.canvas.get(boxId).x, 20)
  assert.equal(ada.canvas.get(boxId).strokeColor, 'red')
  ada.canvas.release()
  clock.pass(1000)
  assert.equal(ben.canvas.get(boxId).x, 20)
  assert.equal(ada.canvas.get(boxId).x, 20)
})

test('a change made in place just before something arrives is still written', () => {
  const { seats: [ada, ben], clock } = table(2)
  ada.canvas.add(shapeLike(boxId))
  clock.pass(5000)
  /* Changed, but onChange has not come yet. */
  Object.assign(ada.canvas.get(boxId), { opacity: 40, version: 9, versionNonce: 99 })
  ben.canvas.touch(boxId, { strokeColor: 'red' })
  clock.pass(1000)
  assert.equal(ben.canvas.get(boxId).opacity, 40)
  assert.equal(ada.canvas.get(boxId).strokeColor, 'red')
})

test('a shape that Excalidraw holds is left alone until it lets go', () => {
  const { seats: [ada, ben], clock } = table(2)
  const words = textLike('note', 'one')
  ada.canvas.add(words)
  clock.pass(5000)
  const held = ada.canvas.get('note')
  ada.canvas.state = { ...ada.canvas.state, editingTextElement: held }
  ada.canvas.changed()
  ben.canvas.touch('note', { strokeColor: 'red' })
  clock.pass(1000)
  assert.equal(ada.canvas.get('note'), held)
  assert.equal(held.strokeColor, '#1e1e1e')
  ada.canvas.release({ editingTextElement: null })
  assert.equal(ada.canvas.get('note').strokeColor, 'red')
})

test('text is one value and is written while it is typed', () => {
  const { seats: [ada, ben], clock } = table(2)
  const words = textLike('note', '')
  ada.canvas.state = { ...ada.canvas.state, newElement: words, editingTextElement: words }
  ada.canvas.add(words)
  clock.pass(3000)
  assert.equal(ada.shapes.size, 0, 'an empty text is nobody\'s business')
  for (const typed of ['h', 'he', 'hel', 'hell', 'hello']) {
    ada.canvas.touch('note', { text: typed, originalText: typed })
    clock.pass(400)
  }
  assert.match(ben.canvas.get('note').text, /^hell?/)
  ada.canvas.release({ editingTextElement: null })
  assert.equal(ben.canvas.get('note').text, 'hello')
  assert.deepEqual(ada.shapes.get('note').get('t'), ['hello', 'hello'])
})

test('a stroke grows by appending integers 15 times a second', () => {
  const { seats: [ada, ben], clock } = table(2)
  const points = [[0, 0], [0.004, 0]]
  const stroke = strokeLike('line', points)
  ada.canvas.press()
  ada.canvas.state.newElement = stroke
  ada.canvas.add(stroke)
  const array = ada.shapes.get('line').get('p')
  const before = ada.updates
  let all = points
  for (let i = 1; i <= 100; i++) {
    all = [...all, [i * 1.001, Math.sin(i)]]
    ada.canvas.touch('line', { points: all })
    clock.pass(10)
  }
  assert.ok(ada.updates - before <= 17, `${ada.updates - before} writes in one second`)
  assert.ok(ben.canvas.get('line').points.length > 80)
  ada.canvas.release()
  assert.equal(ada.shapes.get('line').get('p'), array, 'the array was replaced')
  assert.equal(array.length, 204)
  assert.ok(array.toArray().every(Number.isInteger))
  const [x, y] = ben.canvas.get('line').points.at(-1)
  assert.ok(Math.abs(x - 100.1) < 0.006 && Math.abs(y - Math.sin(100)) < 0.006)
  assert.ok(!ada.shapes.get('line').has('g'), 'a stroke that was only drawn needs no geometry of its own')
})

test('a pen keeps its pressure', () => {
  const { seats: [ada, ben] } = table(2)
  ada.canvas.add(strokeLike('line', [[0, 0], [3, 4]], { simulatePressure: false, pressures: [0.25, 0.75] }))
  assert.deepEqual(ada.shapes.get('line').get('p').toArray(), [0, 0, 250, 300, 400, 750])
  assert.deepEqual(ben.canvas.get('line').pressures, [0.25, 0.75])
})

test('a resized stroke is written whole', () => {
  const { seats: [ada, ben], clock } = table(2)
  ada.canvas.add(strokeLike('line', [[0, 0], [10, 10]]))
  ada.canvas.touch('line', { x: 5, points: [[0, 0], [20, 30]] })
  clock.pass(1000)
  assert.deepEqual(ben.canvas.get('line').points, [[0, 0], [20, 30]])
  assert.equal(ben.canvas.get('line').x, 5)
  assert.equal(ben.canvas.get('line').height, 30)
})

test('a new shape is written when it can be seen, and taken back when it came to nothing', () => {
  const { seats: [ada, ben], clock } = table(2)
  const box = shapeLike(boxId, { width: 0, height: 0 })
  ada.canvas.press()
  ada.canvas.state.newElement = box
  ada.canvas.add(box)
  clock.pass(2000)
  assert.equal(ada.shapes.size, 0)
  ada.canvas.touch(boxId, { width: 5, height: 5 })
  assert.ok(ben.canvas.get(boxId))
  /* The pointer went back to where it came from: Excalidraw drops the shape. */
  ada.canvas.scene = []
  ada.canvas.release()
  assert.equal(ada.canvas.scene.length, 0)
  assert.equal(ben.canvas.get(boxId).isDeleted, true)
})

test('arrows bound to one shape at the same time are both known to it', () => {
  const arrow = (id) => shapeLike(id, {
    type: 'arrow', points: [[0, 0], [50, 0]], startBinding: { elementId: boxId, focus: 0, gap: 1 }, endBinding: null,
    startArrowhead: null, endArrowhead: 'arrow', elbowed: false, index: id
  })
  const { seats: [ada, ben], online, clock } = table(2)
  ada.canvas.add(shapeLike(boxId))
  online(false)
  for (const [seat, id] of [[ada, 'b1'], [ben, 'b2']]) {
    seat.canvas.add(arrow(id))
    seat.canvas.touch(boxId, { boundElements: [{ id, type: 'arrow' }] })
  }
  clock.pass(1000)
  online(true)
  clock.pass(1000)
  for (const { canvas } of [ada, ben])
    assert.deepEqual(canvas.get(boxId).boundElements.map((b) => b.id).sort(), ['b1', 'b2'])
})

test('the order is the same everywhere, also for equal indexes', () => {
  const { seats: [ada, ben], online, clock } = table(2)
  online(false)
  ada.canvas.add(shapeLike('x', { index: 'a1' }))
  ben.canvas.add(shapeLike('a', { index: 'a1' }))
  ben.canvas.add(shapeLike('c', { index: 'a0' }))
  clock.pass(1000)
  online(true)
  for (const { canvas } of [ada, ben]) assert.deepEqual(canvas.scene.map((s) => s.id), ['c', 'a', 'x'])
})

test('a picture is shown to others once its bytes have a name', () => {
  const adopted = []
  const known = new Set()
  const images = { isOurs: (id) => known.has(id), adopt: (id) => adopted.push(id), want() {} }
  const { seats: [ada, ben], clock } = table(2, { images })
  ada.canvas.add(shapeLike('pic', { type: 'image', fileId: null, status: 'pending', scale: [1, 1], crop: null }))
  clock.pass(1000)
  ada.canvas.touch('pic', { fileId: 'foreign' })
  clock.pass(1000)
  assert.ok(!ben.canvas.get('pic'))
  assert.ok(adopted.includes('foreign'))
  known.add('hash')
  ada.canvas.touch('pic', { fileId: 'hash', status: 'error' })
  clock.pass(1000)
  assert.equal(ben.canvas.get('pic').fileId, 'hash')
  assert.equal(ben.canvas.get('pic').status, 'saved')
  assert.ok(!('status' in ada.shapes.get('pic').toJSON().b))
})

test('shapes deleted a day ago leave the document', () => {
  const { seats: [ada, ben], clock } = table(2)
  ada.canvas.add(shapeLike(boxId))
  ada.canvas.add(shapeLike(otherId, { index: 'a1' }))
  ada.canvas.touch(boxId, { isDeleted: true })
  clock.pass(23 * 3600 * 1000)
  assert.equal(ben.binding.purge(), 0)
  clock.pass(2 * 3600 * 1000)
  assert.equal(ben.binding.purge(), 1)
  assert.ok(!ada.shapes.has(boxId))
  assert.ok(ada.shapes.has(otherId))
  /* Somebody undoes that old deletion: the shape is made again. */
  ada.canvas.touch(boxId, { isDeleted: false })
  clock.pass(1000)
  assert.equal(ben.canvas.get(boxId).isDeleted, false)
})

test('a long drag leaves few structs in the document', () => {
  const { seats: [ada], clock } = table(1)
  ada.canvas.add(shapeLike(boxId))
  ada.canvas.press()
  for (let i = 0; i < 36000; i++) {
    ada.canvas.touch(boxId, { x: i, y: i })
    clock.pass(16)
  }
  ada.canvas.release()
  const structs = [...ada.doc.store.clients.values()].reduce((n, list) => n + list.length, 0)
  assert.ok(structs < 10, `${structs} structs`)
  assert.ok(Y.encodeStateAsUpdate(ada.doc).length < 1000)
})

test('people who draw at random end with the same board', () => {
  for (let seed = 1; seed <= 40; seed++) {
    let state = seed * 2654435761 >>> 0
    const random = (n) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * n)
    }
    const { seats, online, clock } = table(3)
    const ids = []
    for (let step = 0; step < 60; step++) {
      const { canvas } = seats[random(3)]
      const shape = canvas.scene[random(canvas.scene.length || 1)]
      switch (random(8)) {
        case 0: {
          const id = `s${seed}-${ids.length}`
          ids.push(id)
          canvas.add(random(2) ? shapeLike(id, { index: `a${random(4)}` })
            : strokeLike(id, [[0, 0], [random(50), 3]], { index: `a${random(4)}` }))
          break
        }
        case 1: if (shape) canvas.touch(shape.id, { x: random(1000), y: random(1000) }); break
        case 2: if (shape) canvas.touch(shape.id, { strokeColor: `#${random(1000)}` }); break
        case 3: if (shape) canvas.touch(shape.id, { isDeleted: random(2) === 0 }); break
        case 4: if (shape?.points) canvas.touch(shape.id, { points: [...shape.points, [random(50), random(50)]] }); break
        case 5: online(false); break
        case 6: online(true); break
        default: clock.pass(random(400))
      }
    }
    seats.forEach(({ canvas }) => canvas.release())
    clock.pass(5000)
    online(true)
    clock.pass(5000)
    const look = ({ canvas }) => JSON.stringify(canvas.scene.filter((s) => !s.isDeleted).map((s) =>
      [s.id, s.x, s.y, s.strokeColor, s.points?.map((p) => p.map((v) => Math.round(v * 100)))]))
    assert.equal(look(seats[1]), look(seats[0]), `seed ${seed}`)
    assert.equal(look(seats[2]), look(seats[0]), `seed ${seed}`)
    /* And a late visitor sees what they see. */
    const late = table(1).seats[0]
    Y.applyUpdate(late.doc, Y.encodeStateAsUpdate(seats[0].doc))
    assert.equal(look(late), look(seats[0]), `seed ${seed}, late`)
  }
})
