/* A row of tests, one after the other, and their count at the end. */

const tests = []

export const test = (name, run, seconds = 60) => tests.push({ name, run, seconds })

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export function assert(condition, what) {
  if (!condition) throw new Error(typeof what === 'function' ? what() : what)
}

/* Looks again and again until `condition` holds. The time is only there to end a test that fails. */
export async function until(condition, what, seconds = 30) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain: ${typeof what === 'function' ? what() : what}`)
    await sleep(10)
  }
}

/* Runs what was registered; `together` runs all at once. Answers the number that failed. */
async function runOne({ name, run, seconds }) {
  let timer
  const started = Date.now()
  try {
    await Promise.race([run(), new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not done after ${seconds} s`)), seconds * 1000)
    })])
    console.log(`ok    ${name} (${Date.now() - started} ms)`)
    return true
  } catch (error) {
    console.log(`FAIL  ${name}: ${error.stack ?? error}`)
    return false
  } finally {
    clearTimeout(timer)
  }
}

export async function runAll(only) {
  let passed = 0, failed = 0
  for (const t of tests) {
    if (only && !t.name.includes(only)) continue
    if (await runOne(t)) passed++
    else failed++
  }
  console.log(`${passed} passed, ${failed} failed`)
  return failed
}

/* `--name value` and `--flag` of the command line. */
export function option(name, fallback) {
  const at = process.argv.indexOf(`--${name}`)
  if (at < 0) return fallback
  return process.argv[at + 1] === undefined || process.argv[at + 1].startsWith('--') ? true : process.argv[at + 1]
}
