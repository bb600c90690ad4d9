/* The scenes. Each gets { server, come } and throws when something is not as it should be. */
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import zlib from 'node:zlib'
import { Visitor, sameList, sleep, until, wave } from './stage.mjs'

export const tests = []
const test = (name, run) => tests.push([name, run])

/* Waits until all visitors show the same shapes, `count` of them, with the same values. */
async function agree(visitors, count) {
  let last = []
  await until(`${count} equal shapes on ${visitors.length} pages`, async () => {
    last = await Promise.all(visitors.map((v) => v.shapes()))
    const [first, ...others] = last.map((shapes) => JSON.stringify(rounded(shapes)))
    return last[0].length === count && others.every((o) => o === first)
  }).catch((error) => {
    throw new Error(`${error.message}\n${last.map((shapes) => JSON.stringify(rounded(shapes))).join('\n')}`)
  })
}

/* Strokes live in the document in 1/100 px; the page that draws one keeps its own decimals. */
const rounded = (shapes) => shapes.map((s) => ({
  ...s,
  x: Math.round(s.x * 10) / 10, y: Math.round(s.y * 10) / 10,
  width: Math.round(s.width * 10) / 10, height: Math.round(s.height * 10) / 10
})).sort((a, b) => (a.id < b.id ? -1 : 1))

async function two(come, server) {
  const id = await server.newBoard()
  const ada = await come('Ada')
  const ben = await come('Ben Bolt')
  await Promise.all([ada.board(id), ben.board(id)])
  return { id, ada, ben }
}

test('the home page makes, lists, finds and deletes boards', async ({ come, server }) => {
  const ada = await come('Ada')
  await ada.page.goto(server.url)
  await ada.page.locator('#new').click()
  await ada.page.waitForURL(/\/b\/[^/]+$/)
  await ada.ready()
  const id = ada.page.url().split('/b/')[1]
  await ada.page.fill('.bar .title', 'Kitchen plan')
  await ada.page.keyboard.press('Enter')
  await ada.rectangle(400, 300, 120, 80)
  await until('the title in the list', async () => {
    const { boards } = await (await fetch(`${server.url}/api/boards`)).json()
    return boards.find((b) => b.id === id)?.title === 'Kitchen plan'
  })
  const other = await server.newBoard()
  await ada.page.goto(server.url)
  const cards = ada.page.locator('.card')
  await ada.page.locator(`.card[data-id="${id}"]`).waitFor()
  await until('the title on the card', async () =>
    (await ada.page.locator(`.card[data-id="${id}"] .title`).textContent()) === 'Kitchen plan')
  await ada.page.fill('#search', 'kitchen')
  await until('one match', async () => (await cards.count()) === 1)
  await ada.page.fill('#search', 'no such board')
  await ada.page.locator('.notice').waitFor()
  await ada.page.fill('#search', '')
  await ada.page.locator(`.card[data-id="${id}"] .remove`).click()
  await ada.page.locator('dialog .danger').click()
  await until('the card to go', async () => (await ada.page.locator(`.card[data-id="${id}"]`).count()) === 0)
  const { boards } = await (await fetch(`${server.url}/api/boards`)).json()
  assert.ok(!boards.some((b) => b.id === id))
  assert.equal((await fetch(`${server.url}/api/boards/${other}`, { method: 'DELETE' })).status, 204)
})

test('a board may be called anything', async ({ come, server }) => {
  const name = 'Café 50% off? #1/2'
  const ada = await come('Ada')
  await ada.board(encodeURIComponent(name))
  const shape = await ada.rectangle(400, 300, 120, 80)
  await ada.page.goto(server.url)
  await ada.page.locator(`.card[data-id="${name}"] a`).click()
  await ada.ready()
  await until('the shape', async () => sameList(await ada.ids(), [shape]))
  await ada.page.goto(server.url)
  await ada.page.locator(`.card[data-id="${name}"] .remove`).click()
  await ada.page.locator('dialog .danger').click()
  await until('the card to go', async () => (await ada.page.locator(`.card[data-id="${name}"]`).count()) === 0)
})

test('pages come with a strict policy and every file from this server', async ({ come, server }) => {
  for (const address of ['/', '/b/some-board']) {
    const response = await fetch(server.url + address)
    assert.equal(response.status, 200)
    const policy = response.headers.get('content-security-policy') ?? ''
    assert.match(policy, /default-src 'none'/)
    assert.match(policy, /script-src 'self'(;|$)/)
    assert.doesNotMatch(policy, /unsafe-eval|https?:|\*/)
    assert.doesNotMatch(await response.text(), /<script(?![^>]*\bsrc=)[^>]*>[^<]/)
  }
  const id = await server.newBoard()
  const ada = await come('Ada')
  const violations = []
  await ada.page.exposeFunction('noteViolation', (what) => violations.push(what))
  await ada.page.addInitScript(() => document.addEventListener('securitypolicyviolation', (event) =>
    window.noteViolation(`${event.violatedDirective} ${event.blockedURI}`)))
  await ada.board(id)
  /* Every font family once, in letters of several scripts. */
  for (const [i, family] of [1, 2, 3, 5, 6, 7, 8, 9].entries()) {
    const text = await ada.write(350 + (i % 2) * 330, 200 + Math.floor(i / 2) * 90, `Größe żółć ${family}`)
    await ada.change(text, { fontFamily: family })
  }
  await ada.write(350, 620, '白板 доска')
  await sleep(500)
  assert.deepEqual(violations, [])
})

test('two people draw on one board and see all of it', async ({ come, server }) => {
  const { ada, ben } = await two(come, server)
  const waits = []
  const seen = async (who, id) => {
    const start = Date.now()
    await until(`${who.name} to see ${id}`, () => who.sees(id))
    waits.push(Date.now() - start)
  }
  await seen(ben, await ada.rectangle(320, 200, 160, 100))
  await seen(ada, await ben.ellipse(560, 200, 140, 100))
  await seen(ben, await ada.arrow(490, 250, 60, 10))
  await seen(ada, await ben.stroke(wave(320, 420)))
  await seen(ben, await ada.write(600, 420, 'grüße 😀'))
  await agree([ada, ben], 5)
  const text = (await ben.shapes()).find((s) => s.type === 'text')
  assert.equal(text.text, 'grüße 😀')
  console.log(`     seen by the other page at most ${Math.max(...waits)} ms after the pointer went up`)
})

test('a stroke is seen while it grows', async ({ come, server }) => {
  const { ada, ben } = await two(come, server)
  const points = wave(320, 300, 80)
  await ada.tool('p')
  await ada.page.mouse.move(...points[0])
  await ada.page.mouse.down()
  const lengths = new Set()
  for (const [i, point] of points.entries()) {
    await ada.page.mouse.move(...point)
    await sleep(12)
    if (i % 8 === 7) lengths.add((await ben.shapes())[0]?.points ?? 0)
  }
  const [during] = await ben.shapes()
  assert.ok(during, 'nothing to see before the pointer went up')
  assert.ok(lengths.size >= 3, `the stroke had only ${[...lengths]} points on the way`)
  await ada.page.mouse.up()
  await agree([ada, ben], 1)
  const [shape] = await ben.shapes()
  assert.equal(shape.points, (await ada.shapes())[0].points)
  const stored = await ada.inDocument(shape.id)
  assert.ok(stored.p.every(Number.isInteger))
  assert.equal(stored.p.length, 2 * shape.points)
})

test('a drag is seen live and hardly written', async ({ come, server }) => {
  const { ada, ben } = await two(come, server)
  const id = await ada.rectangle(320, 300, 120, 80)
  await until('the shape', () => ben.sees(id))
  const start = await ben.sees(id)
  await ben.page.evaluate((key) => {
    window.seenAt = new Set()
    window.writes = 0
    window.gesso.excalidraw.onChange(() => window.seenAt.add(window.gesso.excalidraw.getSceneElements().find((s) => s.id === key)?.x))
    window.gesso.doc.getMap('elements').get(key).observe(() => window.writes++)
  }, id)
  await ada.select(380, 301)
  await ada.page.mouse.move(380, 301)
  await ada.page.mouse.down()
  for (let i = 1; i <= 60; i++) {
    await ada.page.mouse.move(380 + i * 5, 301 + i)
    await sleep(15)
  }
  const seen = await ben.page.evaluate(() => ({ places: window.seenAt.size, writes: window.writes }))
  assert.ok(seen.places >= 8, `only ${seen.places} places were seen`)
  await ada.page.mouse.up()
  await until('the end of the drag', async () => Math.abs((await ben.sees(id)).x - start.x - 300) < 1)
  await until('the end in the document', async () => Math.abs((await ben.inDocument(id)).g[0] - start.x - 300) < 1)
  const writes = await ben.page.evaluate(() => window.writes)
  assert.ok(writes < seen.places, `${writes} writes for ${seen.places} places`)
  await agree([ada, ben], 1)
  console.log(`     ${seen.places} places seen during the drag, ${writes} writes to the document`)
})

test('a drag whose hand vanishes falls back to what was written', async ({ come, server }) => {
  const { ada, ben } = await two(come, server)
  const id = await ada.rectangle(320, 300, 120, 80)
  await until('the shape', () => ben.sees(id))
  await ada.select(380, 301)
  await ada.page.mouse.down()
  await ada.page.mouse.move(420, 320, { steps: 4 })
  await sleep(100)
  await ada.page.mouse.move(700, 450, { steps: 20 })
  await until('the live place', async () => (await ben.sees(id)).x > 500)
  await ada.leave()
  await until('the written place', async () =>
    Math.abs((await ben.sees(id)).x - ((await ben.inDocument(id)).g ?? [(await ben.inDocument(id)).b.x])[0]) < 0.01)
})

test('cursors carry names, and a name can be changed', async ({ come, server }) => {
  const { ada, ben } = await two(come, server)
  await ada.page.mouse.move(500, 400)
  const person = (who) => who.page.evaluate(() =>
    [...window.gesso.excalidraw.getAppState().collaborators.values()].map((c) => ({ name: c.username, x: c.pointer?.x })))
  await until('the cursor', async () => (await person(ben))[0]?.x !== undefined)
  assert.equal((await person(ben))[0].name, 'Ada')
  await ada.page.locator('.me .name').click()
  await ada.page.fill('#my-name', 'Ada Lovelace')
  await ada.page.keyboard.press('Enter')
  await until('the new name', async () => (await person(ben))[0]?.name === 'Ada Lovelace')
  await ada.page.reload()
  await ada.ready()
  assert.equal(await ada.page.locator('.me .words').textContent(), 'Ada Lovelace')
  await ada.leave()
  await until('the cursor to go', async () => (await person(ben)).length === 0)
})

test('a person can be followed', async ({ come, server }) => {
  const { ada, ben } = await two(come, server)
  await ada.rectangle(320, 200, 160, 100)
  await until('the avatar', async () => (await ben.page.locator('.UserList .Avatar, .UserList__collaborator').count()) > 0)
  await ben.page.locator('.UserList .Avatar').first().click()
  await until('to follow', () => ben.page.evaluate(() => Boolean(window.gesso.excalidraw.getAppState().userToFollow)))
  await ada.page.mouse.move(700, 500)
  await ada.page.mouse.wheel(0, 900)
  const scroll = (who) => who.page.evaluate(() => window.gesso.excalidraw.getAppState().scrollY)
  await until('to come along', async () => Math.abs((await scroll(ben)) - (await scroll(ada))) < 3 && (await scroll(ada)) < -500)
})

test('the title is shared', async ({ come, server }) => {
  const { ada, ben } = await two(come, server)
  await ada.page.fill('.bar .title', 'Plan B – “draft”')
  await ada.page.keyboard.press('Enter')
  await until('the title', async () => (await ben.page.inputValue('.bar .title')) === 'Plan B – “draft”')
  assert.equal(await ben.page.title(), 'Plan B – “draft” · gesso')
  /* Letters that are Excalidraw's shortcuts must not have drawn anything. */
  assert.deepEqual(await ada.ids(), [])
})

test('undo takes back one\'s own work only', async ({ come, server }) => {
  const { ada, ben } = await two(come, server)
  const mine = await ada.rectangle(320, 200, 120, 80)
  const second = await ada.ellipse(320, 350, 120, 80)
  const theirs = await ben.rectangle(600, 200, 120, 80)
  await until('all', async () => (await ada.ids()).length === 3)
  await ben.change(mine, { strokeColor: '#e03131' })
  await until('the colour', async () => (await ada.sees(mine)).stroke === '#e03131')
  await ada.tool('v')
  await ada.page.keyboard.press('Control+z')
  await until('the ellipse to go', async () => sameList(await ben.ids(), [mine, theirs].sort()))
  await ada.page.keyboard.press('Control+z')
  await until('the rectangle to go', async () => sameList(await ben.ids(), [theirs]))
  for (let i = 0; i < 3; i++) await ada.page.keyboard.press('Control+z')
  await sleep(300)
  assert.deepEqual(await ben.ids(), [theirs])
  await ada.page.keyboard.press('Control+Shift+z')
  await ada.page.keyboard.press('Control+Shift+z')
  await until('all again', async () => sameList(await ben.ids(), [mine, second, theirs].sort()))
  assert.equal((await ben.sees(mine)).stroke, '#e03131')
  await agree([ada, ben], 3)
})

test('a killed server loses nothing that any page had shown', async ({ come, server }) => {
  const { id, ada, ben } = await two(come, server)
  await ada.rectangle(320, 180, 160, 90)
  await ben.ellipse(560, 180, 140, 90)
  await ada.write(330, 320, 'before the crash')
  await agree([ada, ben], 3)

  const points = wave(320, 450, 90, 6, 40)
  await ada.tool('p')
  await ada.page.mouse.move(...points[0])
  await ada.page.mouse.down()
  for (const point of points.slice(0, 45)) {
    await ada.page.mouse.move(...point)
    await sleep(8)
  }
  await until('the half stroke', async () => (await ben.shapes()).some((s) => s.type === 'freedraw'))
  Visitor.outage = true
  await server.kill()
  const shownByBen = await ben.shapes()
  for (const point of points.slice(45)) {
    await ada.page.mouse.move(...point)
    await sleep(4)
  }
  await ada.page.mouse.up()
  await Promise.all([ada.waitFor('offline'), ben.waitFor('offline')])
  assert.match(await ada.page.locator('.connection').textContent(), /changes kept/)
  const offline = await ben.rectangle(720, 420, 120, 80)

  /* The disk alone, in front of a visitor who knows nothing: a server on a copy of the killed one's
   * data, which Ada and Ben never reach. */
  const copy = await server.copy()
  const eve = await come('Eve', { server: copy })
  await eve.board(id)
  await until('what was on the disk', async () => (await eve.ids()).length >= 4)
  const known = new Map((await eve.shapes()).map((s) => [s.id, s]))
  for (const shape of shownByBen) {
    assert.ok(known.has(shape.id), `the ${shape.type} that Ben saw is gone`)
    if (shape.points) assert.ok(known.get(shape.id).points >= shape.points, 'the stroke lost points that Ben had seen')
  }
  await eve.leave()
  assert.equal(await copy.stop(), 0)
  copy.forget()

  await server.start()
  await Promise.all([ada.waitFor('connected'), ben.waitFor('connected')])
  const fay = await come('Fay')
  await fay.board(id)
  await agree([ada, ben, fay], 5)
  assert.ok(await fay.sees(offline))
  const stroke = (await ada.shapes()).find((s) => s.type === 'freedraw')
  assert.equal((await fay.sees(stroke.id)).points, stroke.points)
  assert.ok(stroke.points >= 80, `the stroke has ${stroke.points} points`)
})

test('what two people change on one shape offline is all kept', async ({ come, server }) => {
  const { ada, ben } = await two(come, server)
  const shared = await ada.rectangle(320, 200, 160, 100)
  const doomed = await ada.ellipse(320, 400, 100, 80)
  await agree([ada, ben], 2)
  const before = await ben.sees(shared)
  Visitor.outage = true
  await server.kill()
  await Promise.all([ada.waitFor('offline'), ben.waitFor('offline')])
  await ada.change(shared, { strokeColor: '#2f9e44', opacity: 60 })
  await ada.change(doomed, { isDeleted: true })
  await ben.select(400, 201)
  await ben.drag(400, 201, 500, 261)
  await ben.change(doomed, { backgroundColor: '#ffc9c9' })
  const a = await ada.stroke(wave(600, 200))
  const b = await ben.write(650, 450, 'made offline')
  await server.start()
  await Promise.all([ada.waitFor('connected'), ben.waitFor('connected')])
  await agree([ada, ben], 3)
  assert.deepEqual(await ada.ids(), [shared, a, b].sort())
  const after = await ada.sees(shared)
  assert.equal(after.stroke, '#2f9e44')
  assert.ok(Math.abs(after.x - before.x - 100) < 1 && Math.abs(after.y - before.y - 60) < 1, 'the move was lost')
  /* The deletion taken back brings the colour that was given to it meanwhile. */
  await ada.change(doomed, { isDeleted: false })
  await agree([ada, ben], 4)
  assert.equal((await ada.inDocument(doomed)).backgroundColor, '#ffc9c9')
})

test('what was drawn offline outlives the page', async ({ come, server }) => {
  const { id, ada, ben } = await two(come, server)
  const first = await ada.rectangle(320, 200, 160, 100)
  await agree([ada, ben], 1)
  Visitor.outage = true
  await server.kill()
  await ada.waitFor('offline')
  const second = await ada.ellipse(560, 200, 120, 90)
  await sleep(600)
  await ada.page.close()
  await server.start()
  await ada.open()
  await ada.board(id)
  await ben.waitFor('connected')
  await agree([ada, ben], 2)
  assert.deepEqual(await ben.ids(), [first, second].sort())
})

test('pictures go over HTTP and reach everybody', async ({ come, server }) => {
  const { id, ada, ben } = await two(come, server)
  const png = picture(90, 60)
  await ada.made('image', () => drop(ada, png, 'dots.png', 'image/png'))
  const hash = crypto.createHash('sha256').update(png).digest('hex')
  await until('the picture at Ben\'s', () => ben.page.evaluate((key) => Boolean(window.gesso.excalidraw.getFiles()[key]), hash))
  await agree([ada, ben], 1)
  assert.equal((await ben.shapes())[0].fileId, hash)
  const response = await fetch(`${server.url}/api/boards/${id}/images/${hash}`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'image/png')
  assert.ok(Buffer.from(await response.arrayBuffer()).equals(png))
  const stored = JSON.stringify(await ada.inDocument((await ada.shapes())[0].id))
  assert.ok(stored.length < 2000 && !stored.includes('base64'), 'the picture itself is in the document')
  const wrong = await fetch(`${server.url}/api/boards/${id}/images/${'0'.repeat(64)}`, {
    method: 'PUT', body: png, headers: { 'Content-Type': 'image/png' }
  })
  assert.ok(wrong.status >= 400 && wrong.status < 500, `a wrong hash was answered with ${wrong.status}`)
})

test('pictures that come with other ids are taken in, every time', async ({ come, server }) => {
  const { id, ada, ben } = await two(come, server)
  const png = picture(30, 30)
  const hash = crypto.createHash('sha256').update(png).digest('hex')
  for (const name of ['first', 'second']) {
    await ada.page.evaluate(([shape, dataURL]) => {
      const api = window.gesso.excalidraw
      api.addFiles([{ id: 'from-elsewhere', dataURL, mimeType: 'image/png', created: 1 }])
      api.updateScene({
        elements: [...api.getSceneElementsIncludingDeleted(), {
          id: shape, type: 'image', x: 400, y: 300, width: 30, height: 30, angle: 0, strokeColor: 'transparent',
          backgroundColor: 'transparent', fillStyle: 'solid', strokeWidth: 1, strokeStyle: 'solid', roughness: 1, opacity: 100,
          groupIds: [], frameId: null, roundness: null, seed: 1, version: 1, versionNonce: 1, isDeleted: false,
          boundElements: null, updated: 1, link: null, locked: false, status: 'pending', fileId: 'from-elsewhere', scale: [1, 1], crop: null
        }],
        captureUpdate: 'IMMEDIATELY'
      })
    }, [name, `data:image/png;base64,${png.toString('base64')}`])
    await until(`the ${name} picture at Ben's`, async () => (await ben.sees(name))?.fileId === hash)
  }
  await until('its bytes', async () => (await fetch(`${server.url}/api/boards/${id}/images/${hash}`)).ok)
})

test('a picture pasted offline is handed over later', async ({ come, server }) => {
  const { ada, ben } = await two(come, server)
  Visitor.outage = true
  await server.kill()
  await ada.waitFor('offline')
  const png = picture(40, 40)
  await ada.made('image', () => drop(ada, png, 'offline.png', 'image/png'))
  const hash = crypto.createHash('sha256').update(png).digest('hex')
  await until('the file id', async () => (await ada.shapes())[0].fileId === hash)
  await server.start()
  await ben.waitFor('connected')
  await until('the picture at Ben\'s', () => ben.page.evaluate((key) => Boolean(window.gesso.excalidraw.getFiles()[key]), hash))
  await agree([ada, ben], 1)
})

test('a deleted board says so on the pages that show it', async ({ come, server }) => {
  const { id, ada } = await two(come, server)
  await ada.rectangle(320, 200, 160, 100)
  await sleep(200)
  assert.equal((await fetch(`${server.url}/api/boards/${id}`, { method: 'DELETE' })).status, 204)
  await ada.waitFor('closed')
  assert.match(await ada.page.locator('.connection').textContent(), /deleted/)
})

test('nonsense in the document disturbs nobody', async ({ come, server }) => {
  const { ada, ben } = await two(come, server)
  const good = await ada.rectangle(320, 200, 160, 100)
  const line = await ada.arrow(320, 400, 120, 40)
  await until('both', async () => (await ben.ids()).length === 2)
  await ada.page.evaluate(([box, arrow]) => {
    const { doc } = window.gesso
    const shapes = doc.getMap('elements')
    const YMap = shapes.get(box).constructor
    const bad = [
      5, null, 'words', [], { type: 'rectangle' }, { type: 'rectangle', x: NaN, y: 0 }, { type: 'spaceship', x: 0, y: 0 },
      { type: 'rectangle', x: 1e300, y: 0, width: 1, height: 1 }, { type: 'text', x: 0, y: 0, text: 7 },
      { type: 'line', x: 0, y: 0, points: [[0, 'a'], [1, 1]] }, { type: 'freedraw', x: 0, y: 0 },
      { type: 'image', x: 0, y: 0, width: 9, height: 9, fileId: '../../etc/passwd' },
      { type: 'rectangle', x: 0, y: 0, width: 1, height: 1, groupIds: 'none', __proto__: { isDeleted: true } }
    ]
    doc.transact(() => {
      shapes.set('not-a-map', 1)
      bad.forEach((base, i) => {
        const map = new YMap()
        map.set('b', base)
        shapes.set(`bad-${i}`, map)
      })
      const target = shapes.get(box)
      target.set('g', ['left', 0, 0, 0, 0])
      target.set('strokeColor', 17)
      target.set('d', 'yesterday')
      target.set('isDeleted', true)
      shapes.get(arrow).set('l', [[0, 0]])
      doc.getMap('meta').set('title', { not: 'words' })
    })
    window.gesso.provider.awareness.setLocalState({
      user: { name: 'x'.repeat(1e4), hue: 'red', id: {} }, cursor: { x: 'left' }, sel: 'all', live: { [box]: [1, 2], other: 'x', [arrow]: [NaN, 0, 0, 0, 0] }
    })
  }, [good, line])
  await sleep(500)
  const own = await ben.ellipse(600, 300, 100, 80)
  await until('Ada to see it', () => ada.sees(own))
  /* What cannot be used is as if it had not been written: the shape looks as when it was made. */
  const shape = await ben.sees(good)
  assert.ok(shape && shape.x === 320 && shape.stroke === '#1e1e1e', JSON.stringify(shape))
  const fay = await come('Fay')
  await fay.board(await ben.page.evaluate(() => location.pathname.slice(3)))
  await until('the good shapes', async () => {
    const ids = await fay.ids()
    return ids.includes(good) && ids.includes(line) && ids.includes(own)
  })
})

test('opening many shapes that are already there shows all of them', async ({ come, server }) => {
  const id = await server.newBoard()
  const ada = await come('Ada')
  await ada.board(id)
  await ada.rectangle(320, 200, 30, 30)
  /* Copies through Excalidraw, so that they are as real as the first. */
  await ada.page.keyboard.press('Control+a')
  for (let i = 0; i < 8; i++) {
    await ada.page.keyboard.press('Control+d')
    await ada.page.keyboard.press('Control+a')
  }
  await until('256 shapes', async () => (await ada.ids()).length === 256)
  const ben = await come('Ben Bolt')
  await ben.board(id)
  await agree([ada, ben], 256)
  /* The order from bottom to top is everybody's. */
  const order = (who) => who.page.evaluate(() => window.gesso.excalidraw.getSceneElements().map((s) => s.id).join())
  assert.equal(await order(ada), await order(ben))
})

/* A picture file dropped on the canvas. */
function drop(who, bytes, name, type) {
  return who.page.evaluate(async ([base64, fileName, mime]) => {
    const data = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))
    const transfer = new DataTransfer()
    transfer.items.add(new File([data], fileName, { type: mime }))
    const target = document.querySelector('.excalidraw')
    target.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true, clientX: 640, clientY: 400 }))
  }, [bytes.toString('base64'), name, type])
}

/* A small PNG made here: 8 bit RGB, no filter. */
export function picture(width, height) {
  const rows = Buffer.alloc(height * (1 + 3 * width))
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = y * (1 + 3 * width) + 1 + 3 * x
      const inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (Math.min(width, height) / 2.4) ** 2
      rows[at] = inside ? 240 : 90
      rows[at + 1] = inside ? 170 : 130 + ((x * 90) / width | 0)
      rows[at + 2] = inside ? 60 : 200
    }
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const out = Buffer.alloc(8 + data.length + 4)
    out.writeUInt32BE(data.length, 0)
    body.copy(out, 4)
    out.writeUInt32BE(crc32(body), 8 + data.length)
    return out
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(width, 0)
  head.writeUInt32BE(height, 4)
  head.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head),
    chunk('IDAT', zlib.deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}

function crc32(bytes) {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}
