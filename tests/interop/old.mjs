// Updates that old versions of Yjs wrote (old/make.mjs), read by gesso: one by one, last first, as a state, and as a
// v2 state where there is one.
import { readdirSync, readFileSync } from 'node:fs'
import * as Y from 'yjs'
import { expectEqual, gessoContent, yjsStateVector, parsed } from './compare.mjs'

const folder = new URL('./old/', import.meta.url)
const bytes = text => new Uint8Array(Buffer.from(text, 'base64'))

async function checkFixture (driver, fixture) {
  const updates = fixture.updates.map(bytes)
  const ways = [
    ['its updates', updates, false],
    ['its updates, last first', [...updates].reverse(), false],
    ['its state', [bytes(fixture.state)], false]
  ]
  if (fixture.stateV2) ways.push(['its v2 state', [bytes(fixture.stateV2)], true])
  for (const [what, list, v2] of ways) {
    const reference = new Y.Doc()
    await driver.create(0, 1)
    for (const update of list) {
      await (v2 ? driver.applyV2(0, update) : driver.apply(0, update))
      if (v2) Y.applyUpdateV2(reference, update)
      else Y.applyUpdate(reference, update)
    }
    await driver.check(0)
    const got = await gessoContent(driver, 0)
    for (const name of Object.keys(fixture.json)) expectEqual(`${what}: ${name}`, fixture.json[name], got[name])
    expectEqual(`${what}: state vector`, yjsStateVector(reference), parsed(await driver.stateVectorJson(0)))
    expectEqual(`${what}: encoded`, Y.encodeStateAsUpdate(reference), new Uint8Array(await driver.encode(0, null)))
  }
}

export async function runOld (getDriver) {
  const result = { passed: 0, failed: 0 }
  const versions = []
  for (const file of readdirSync(folder).filter(name => name.endsWith('.json')).sort()) {
    const fixture = JSON.parse(readFileSync(new URL(file, folder), 'utf8'))
    versions.push(fixture.yjs)
    try {
      await checkFixture(getDriver(), fixture)
      result.passed++
    } catch (error) {
      result.failed++
      console.log(`FAILED what Yjs ${fixture.yjs} wrote: ${error.message}${error.what ? '' : '\n' + error.stack}`)
    }
  }
  console.log(`updates and states that Yjs ${versions.join(', ')} wrote`)
  return result
}
