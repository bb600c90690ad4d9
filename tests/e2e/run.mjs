#!/usr/bin/env node
/* The whiteboard end to end: the real server, its real database, real Chromium pages.
 *
 *   node run.mjs [path of the gesso binary] [--shots DIR] [--only words]
 *
 * --shots writes the screenshots of the documentation. Needs Debian's chromium package. */
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Server, Visitor, launch } from './stage.mjs'
import { tests } from './play.mjs'
import { takeShots } from './shots.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const args = process.argv.slice(2)
const option = (name) => {
  const at = args.indexOf(name)
  return at < 0 ? undefined : args.splice(at, 2)[1]
}
const shots = option('--shots')
const only = option('--only')
const binary = path.resolve(args[0] ?? path.join(here, '../../build/gesso'))

if (!fs.existsSync(binary)) {
  console.error(`${binary} is not there. Build it with "make build", or give its path.`)
  process.exit(2)
}

const server = new Server(binary)
let passed = 0, failed = 0
let browser
try {
  await server.start()
  browser = await launch()
  for (const [name, run] of tests) {
    if (only && !name.includes(only)) continue
    const start = Date.now()
    const visitors = []
    Visitor.complaints = []
    Visitor.outage = false
    const come = async (who, options) => {
      const visitor = await Visitor.come(browser, server, who, options)
      visitors.push(visitor)
      return visitor
    }
    let problem = null
    try {
      await run({ server, browser, come })
      if (Visitor.complaints.length > 0) throw new Error(`the browser complained:\n  ${Visitor.complaints.join('\n  ')}`)
    } catch (error) {
      problem = error
      if (Visitor.complaints.length > 0) console.log(`  ${Visitor.complaints.join('\n  ')}`)
    }
    if (problem && process.env.GESSO_E2E_KEEP)
      for (const visitor of visitors)
        await visitor.page.screenshot({ path: path.join(process.env.GESSO_E2E_KEEP, `${visitor.name}.png`) }).catch(() => {})
    for (const visitor of visitors) await visitor.leave().catch(() => {})
    if (!server.child) await server.start()
    if (problem) failed++
    else passed++
    console.log(`${problem ? 'FAIL' : 'ok  '} ${name} (${Date.now() - start} ms)`)
    if (problem) console.log(`     ${String(problem.stack ?? problem).replace(/\n/g, '\n     ')}`)
  }
  if (shots) {
    /* On boards of their own, without what the scenes left behind. */
    const clean = new Server(binary)
    await clean.start()
    await takeShots({ server: clean, browser, folder: path.resolve(shots) })
    await clean.stop()
    clean.forget()
  }
} catch (error) {
  failed++
  console.error(error)
} finally {
  await browser?.close().catch(() => {})
  const status = await server.stop()
  if (status !== null && status !== 0) {
    failed++
    console.log(`FAIL the server ended with ${status}`)
  }
  if (failed > 0) console.log(server.log.join('').split('\n').slice(-40).join('\n'))
  server.forget()
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
