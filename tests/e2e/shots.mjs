/* The screenshots of the documentation: a board with two people on it, and the list of boards. */
import path from 'node:path'
import { Visitor, sleep, until, wave } from './stage.mjs'

const look = (who, style) => who.page.evaluate((part) => window.gesso.excalidraw.updateScene({ appState: part }), style)

const styles = {
  blue: { currentItemStrokeColor: '#1971c2', currentItemBackgroundColor: '#a5d8ff', currentItemFillStyle: 'solid' },
  green: { currentItemStrokeColor: '#2f9e44', currentItemBackgroundColor: '#b2f2bb', currentItemFillStyle: 'hachure' },
  yellow: { currentItemStrokeColor: '#f08c00', currentItemBackgroundColor: '#ffec99', currentItemFillStyle: 'solid' },
  red: { currentItemStrokeColor: '#e03131', currentItemBackgroundColor: 'transparent' },
  plain: { currentItemStrokeColor: '#1e1e1e', currentItemBackgroundColor: 'transparent' }
}

async function labelled(who, kind, style, x, y, w, h, words) {
  await look(who, styles[style])
  await who[kind](x, y, w, h)
  await who.tool('v')
  await who.page.mouse.dblclick(x + w / 2, y + h / 2)
  await who.page.keyboard.type(words)
  await who.page.keyboard.press('Escape')
  await who.page.keyboard.press('Escape')
}

async function title(who, words) {
  await who.page.fill('.bar .title', words)
  await who.page.keyboard.press('Enter')
}

export async function takeShots({ server, browser, folder }) {
  const shoot = (who, name) => who.page.screenshot({ path: path.join(folder, `${name}.png`) })

  const id = await server.newBoard()
  const ada = await Visitor.come(browser, server, 'Ada', { hue: 21 })
  const ben = await Visitor.come(browser, server, 'Ben', { hue: 4 })
  await Promise.all([ada.board(id), ben.board(id)])
  await title(ada, 'How a stroke travels')
  await look(ada, { ...styles.plain, currentItemFontSize: 36 })
  await ada.write(300, 150, 'Nobody loses a stroke')
  await look(ada, { currentItemFontSize: 20 })
  await labelled(ada, 'rectangle', 'blue', 300, 260, 170, 90, 'page')
  await labelled(ada, 'rectangle', 'green', 580, 260, 170, 90, 'server')
  await labelled(ben, 'ellipse', 'yellow', 860, 245, 190, 120, 'journal')
  await look(ada, styles.plain)
  await ada.arrow(482, 305, 86, 0)
  await ada.arrow(762, 305, 86, 0)
  await labelled(ben, 'rectangle', 'blue', 580, 470, 170, 90, 'other pages')
  await look(ben, styles.plain)
  await ben.arrow(665, 362, 0, 96)
  await look(ada, styles.red)
  await ada.stroke(wave(305, 215, 62, 6, 5))
  await look(ben, styles.plain)
  await ben.write(870, 410, 'written first,')
  await ben.write(870, 450, 'shown to others after')
  await look(ben, { ...styles.green, currentItemBackgroundColor: 'transparent' })
  await ben.stroke(Array.from({ length: 66 }, (_, i) => {
    const turn = (i / 63) * 2 * Math.PI, bump = 1 + 0.09 * Math.abs(Math.sin(turn * 4))
    return [385 + 88 * bump * Math.cos(turn), 515 + 48 * bump * Math.sin(turn)]
  }))
  await ben.write(338, 503, 'latecomers')
  await look(ben, styles.plain)
  await ben.arrow(570, 515, -78, 0)
  await until('all of it', async () => (await ada.shapes()).length === (await ben.shapes()).length)

  for (const who of [ada, ben]) {
    await who.tool('v')
    await who.page.mouse.click(1180, 720)
  }
  await ben.select(665, 471)
  const cat = await Visitor.come(browser, server, 'Cleo', { hue: 30 })
  await cat.board(id)
  await cat.page.mouse.move(1100, 330)
  await ben.page.mouse.move(520, 560)
  await ada.page.mouse.move(1000, 620)
  await sleep(800)
  await shoot(ada, 'board')

  const phone = await Visitor.come(browser, server, 'Dora', {
    viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'dark'
  })
  await phone.board(id)
  await sleep(800)
  await shoot(phone, 'board-phone')
  await phone.page.goto(server.url)
  for (const words of ['Kitchen, second try', 'Sprint 12', 'Seating plan']) {
    const other = await server.newBoard()
    await cat.board(other)
    await cat.rectangle(400, 300, 100, 80)
    await title(cat, words)
    await sleep(300)
  }
  const home = await Visitor.come(browser, server, 'Home', { viewport: { width: 1280, height: 720 } })
  await home.page.goto(server.url)
  await home.page.locator('.card').first().waitFor()
  await sleep(500)
  await shoot(home, 'home')
  await phone.page.reload()
  await phone.page.locator('.card').first().waitFor()
  await sleep(500)
  await shoot(phone, 'home-phone')
  for (const who of [ada, ben, cat, phone, home]) await who.leave()
}
