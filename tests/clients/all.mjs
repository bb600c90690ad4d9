/* Everything in this folder, and the sum of it. The two minutes of silence run beside the rest.
 *
 *   node all.mjs [--gesso PATH] [--silence SECONDS] */
import { spawn } from 'node:child_process'

const own = process.argv.slice(2)

function run(script) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [new URL(script, import.meta.url).pathname, ...own], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    child.stdout.on('data', (bytes) => { out += bytes })
    child.on('exit', (code) => {
      const count = /(\d+) passed, (\d+) failed\s*$/.exec(out)
      console.log(`--- ${script}\n${out.trim()}`)
      resolve(count ? [Number(count[1]), Number(count[2])] : [0, 1, console.log(`FAIL  ${script} ended with ${code} and no count`)])
    })
  })
}

const beside = run('stock.mjs')
const counts = []
for (const script of ['protocol.mjs', 'cli.mjs', 'history.mjs', 'hostile.mjs', 'storage.mjs', 'growth.mjs']) counts.push(await run(script))
counts.push(await beside)
const failed = counts.reduce((n, c) => n + c[1], 0)
console.log(`${counts.reduce((n, c) => n + c[0], 0)} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
