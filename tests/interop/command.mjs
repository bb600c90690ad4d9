// One session through the real command: the updates as files, `gesso doc` over them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as Y from 'yjs'
import { expectEqual, parsed, yjsContent, yjsPending, yjsStateVector } from './compare.mjs'
import { roots } from './session.mjs'

function run (gesso, args) {
  const child = spawnSync(gesso, ['doc', ...args], { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (child.status !== 0) throw new Error(`gesso doc ${args.join(' ')}: exit ${child.status ?? child.signal}: ${child.stderr}`)
  return child.stdout
}

export function checkCommand (gesso, session, { reference, content, stateVectorAtMark }) {
  if (!session.gc || session.delivery.some(u => u.v2)) return // the command collects garbage and reads v1
  const dir = mkdtempSync(join(tmpdir(), 'gesso-interop-'))
  try {
    const files = session.delivery.map(({ bytes }, i) => {
      const file = join(dir, `${i}.bin`)
      writeFileSync(file, bytes)
      return file
    })
    const state = join(dir, 'state.bin')
    run(gesso, ['merge', '-o', state, ...files])
    const loaded = new Y.Doc()
    Y.applyUpdate(loaded, readFileSync(state))
    expectEqual('gesso doc merge', yjsContent(reference), yjsContent(loaded))
    const state2 = join(dir, 'state.v2')
    run(gesso, ['merge', '--v2', '-o', state2, ...files])
    const loaded2 = new Y.Doc()
    Y.applyUpdateV2(loaded2, readFileSync(state2))
    expectEqual('gesso doc merge --v2', yjsContent(reference), yjsContent(loaded2))
    // The same bytes as Yjs makes of the same v1 state.
    if (Buffer.compare(Buffer.from(Y.encodeStateAsUpdateV2(loaded)), Buffer.from(Y.encodeStateAsUpdateV2(loaded2))) !== 0) {
      throw new Error('gesso doc merge --v2: Yjs makes another document of it than of the v1 state')
    }

    const views = Object.entries(roots).map(([name, type]) => ['--root', `${name}:${type}`]).flat()
    const all = parsed(run(gesso, ['json', ...views, state]))
    all['txt as delta'] = parsed(run(gesso, ['json', '--root', 'txt:delta', state])).txt
    expectEqual('gesso doc json', content, { ...content, ...all })

    expectEqual('gesso doc state-vector', yjsStateVector(reference), parsed(run(gesso, ['state-vector', state])))
    const sv = join(dir, 'sv.bin')
    run(gesso, ['state-vector', '--binary', '-o', sv, state])
    expectEqual('gesso doc state-vector --binary', Y.decodeStateVector(Y.encodeStateVector(reference)),
      Y.decodeStateVector(readFileSync(sv)))
    expectEqual('gesso doc pending', yjsPending(reference), parsed(run(gesso, ['pending', state])))

    writeFileSync(sv, stateVectorAtMark)
    const diff = join(dir, 'diff.bin')
    run(gesso, ['diff', '--from', sv, '-o', diff, state])
    run(gesso, ['check', diff])
    run(gesso, ['check', state])
    const broken = join(dir, 'broken.bin')
    writeFileSync(broken, readFileSync(state).subarray(0, -1))
    const refused = spawnSync(gesso, ['doc', 'check', broken], { encoding: 'utf8' })
    expectEqual('gesso doc check of a cut file', 1, refused.status)
    if (!/byte \d+/.test(refused.stderr)) throw new Error(`gesso doc check names no offset: ${refused.stderr}`)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
