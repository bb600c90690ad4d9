/* What every scene of the play needs: a server that can be killed, a browser, visitors that keep an
 * eye on themselves. */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { chromium } from 'playwright-core'

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

/* How long anything may take before the test gives up; no test expects a speed. */
export const patience = 20000

export async function until(what, ask, ms = patience) {
  const start = Date.now()
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() - start > ms) throw new Error(`waited ${ms} ms for ${what}`)
    await sleep(15)
  }
}

let nextPort = Number(process.env.GESSO_E2E_PORT) || 0

/* GESSO_E2E_PORT names the first of the ports to take; else the system chooses. */
function freePort() {
  if (nextPort > 0) return Promise.resolve(nextPort++)
  return new Promise((resolve, reject) => {
    const probe = net.createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

export class Server {
  constructor(binary) {
    this.binary = binary
    this.data = fs.mkdtempSync(path.join(os.tmpdir(), 'gesso-e2e-'))
    this.log = []
    this.child = null
  }

  async start() {
    this.port ??= await freePort()
    this.url = `http://127.0.0.1:${this.port}`
    const child = spawn(this.binary, ['serve', '--listen', `127.0.0.1:${this.port}`, '--data', this.data], {
      stdio: ['ignore', 'pipe', 'pipe']
    })
    this.child = child
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes) => this.log.push(String(bytes)))
    let ended = null
    child.on('exit', (code, signal) => { ended = `${code ?? signal}` })
    child.on('error', (error) => { ended = error.message })
    await until('the server to listen', async () => {
      if (ended !== null) throw new Error(`the server ended (${ended}):\n${this.log.join('')}`)
      try {
        return (await fetch(`${this.url}/healthz`)).ok
      } catch {
        return false
      }
    })
  }

  end(signal) {
    const child = this.child
    this.child = null
    if (!child) return Promise.resolve(null)
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode ?? child.signalCode)
    return new Promise((done) => {
      child.on('exit', (code, why) => done(code ?? why))
      child.kill(signal)
    })
  }

  /* A server of its own on a copy of this one's data. This one must not be running. */
  async copy() {
    const other = new Server(this.binary)
    fs.cpSync(this.data, other.data, { recursive: true })
    await other.start()
    return other
  }

  forget() { fs.rmSync(this.data, { recursive: true, force: true }) }

  /* No farewell of any kind. */
  kill() { return this.end('SIGKILL') }
  stop() { return this.end('SIGTERM') }

  async newBoard() {
    const response = await fetch(`${this.url}/api/boards`, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}'
    })
    if (response.status !== 201) throw new Error(`POST /api/boards: ${response.status} ${await response.text()}`)
    return (await response.json()).id
  }
}

export async function launch() {
  const args = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--font-render-hinting=none']
  if (process.getuid?.() === 0) args.push('--no-sandbox')
  return chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args })
}

/* One person with a browser profile of their own. Console errors and requests to other hosts are
 * collected in `complaints`; while `server` is away, failing connections are no complaint. */
export class Visitor {
  static complaints = []
  static outage = false

  static async come(browser, server, name, options = {}) {
    const visitor = new Visitor()
    visitor.server = options.server ?? server
    visitor.name = name
    visitor.context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-US', ...options, server: undefined, hue: undefined })
    await visitor.context.addInitScript(([who, hue]) => {
      if (!localStorage.getItem('gesso:user'))
        localStorage.setItem('gesso:user', JSON.stringify({ id: `e2e-${who}`, name: who, hue }))
    }, [name, options.hue ?? name.length * 7])
    await visitor.open()
    return visitor
  }

  async open() {
    const page = await this.context.newPage()
    page.setDefaultTimeout(patience)
    const complain = (what) => Visitor.complaints.push(`${this.name}: ${what}`)
    page.on('console', (message) => {
      if (message.type() !== 'error') return
      const words = message.text()
      if (Visitor.outage && /ERR_|WebSocket connection to/.test(words)) return
      complain(`console: ${words} (${message.location().url})`)
    })
    page.on('pageerror', (error) => complain(`exception: ${error.stack ?? error.message}`))
    page.on('request', (request) => {
      const url = request.url()
      if (!/^(data|blob):/.test(url) && !url.startsWith(this.server.url)) complain(`asked another host: ${url}`)
    })
    page.on('websocket', (socket) => {
      if (!socket.url().startsWith(this.server.url.replace('http', 'ws'))) complain(`socket to another host: ${socket.url()}`)
    })
    this.page = page
    return page
  }

  async board(id) {
    await this.page.goto(`${this.server.url}/b/${id}`)
    await this.ready()
  }

  async ready() {
    await this.page.waitForFunction(() => window.gesso?.binding.started && window.gesso.provider.synced)
  }

  leave() { return this.context.close() }

  /* ---- looking ---- */

  shapes() {
    return this.page.evaluate(() => window.gesso.excalidraw.getSceneElements().map((s) => ({
      id: s.id, type: s.type, x: s.x, y: s.y, width: s.width, height: s.height, stroke: s.strokeColor,
      text: s.text, points: s.points?.length, fileId: s.fileId
    })))
  }

  async ids() { return (await this.shapes()).map((s) => s.id).sort() }

  async sees(id) { return (await this.shapes()).find((s) => s.id === id) }

  inDocument(id) {
    return this.page.evaluate((key) => window.gesso.doc.getMap('elements').get(key)?.toJSON(), id)
  }

  state() { return this.page.locator('.connection').getAttribute('data-state') }

  async waitFor(state) {
    await until(`${this.name} to be ${state}`, async () => (await this.state()) === state)
  }

  /* ---- drawing; every verb gives the id of the shape it made ---- */

  async made(type, act) {
    const before = new Set(await this.ids())
    await act()
    const shape = await until(`a new ${type}`, async () =>
      (await this.shapes()).find((s) => s.type === type && !before.has(s.id)))
    return shape.id
  }

  async tool(key) {
    await this.page.keyboard.press('Escape')
    await this.page.keyboard.press(key)
  }

  box(key, type, x, y, w, h) {
    return this.made(type, async () => {
      await this.tool(key)
      await this.drag(x, y, x + w, y + h)
    })
  }

  rectangle(x, y, w, h) { return this.box('r', 'rectangle', x, y, w, h) }
  ellipse(x, y, w, h) { return this.box('o', 'ellipse', x, y, w, h) }
  arrow(x, y, w, h) { return this.box('a', 'arrow', x, y, w, h) }

  write(x, y, words) {
    return this.made('text', async () => {
      await this.tool('t')
      await this.page.mouse.click(x, y)
      await this.page.keyboard.type(words)
      await this.page.keyboard.press('Escape')
    })
  }

  stroke(points) {
    return this.made('freedraw', async () => {
      await this.tool('p')
      await this.page.mouse.move(...points[0])
      await this.page.mouse.down()
      for (const point of points.slice(1)) await this.page.mouse.move(...point)
      await this.page.mouse.up()
    })
  }

  async drag(fromX, fromY, toX, toY, steps = 6) {
    await this.page.mouse.move(fromX, fromY)
    await this.page.mouse.down()
    await this.page.mouse.move(toX, toY, { steps })
    await this.page.mouse.up()
  }

  async select(x, y) {
    await this.tool('v')
    await this.page.mouse.click(x, y)
  }

  /* Changes properties of a shape as Excalidraw's own panel does: a local, undoable change. */
  change(id, part) {
    return this.page.evaluate(([key, change]) => {
      const api = window.gesso.excalidraw
      api.updateScene({
        elements: api.getSceneElementsIncludingDeleted().map((s) => s.id === key
          ? { ...s, ...change, version: s.version + 1, versionNonce: Math.floor(Math.random() * 2 ** 31) } : s),
        captureUpdate: 'IMMEDIATELY'
      })
    }, [id, part])
  }
}

export const wave = (x, y, n = 30, step = 6, height = 25) =>
  Array.from({ length: n }, (_, i) => [x + i * step, y + height * Math.sin(i / 3)])

export const sameList = (a, b) => a.length === b.length && a.every((v, i) => v === b[i])
