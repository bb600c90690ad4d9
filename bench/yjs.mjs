// Loads the Yjs that the interop suite pins: the peer of every table.
import { createRequire } from 'node:module'

const require = createRequire(new URL('../tests/interop/package.json', import.meta.url))
export const Y = require('yjs')
export const version = require('yjs/package.json').version
