#!/usr/bin/env node
/* Builds the page and packs it into one file that the binary carries: web/dist/gesso.pack.
 *
 *   node tools/pack.mjs               npm ci (when needed), vite build, pack
 *   node tools/pack.mjs --only DIR OUT   pack the files of DIR into OUT, nothing else
 *
 * The same sources and the same node give the same bytes. Nothing is built when the pack is newer
 * than every source of the page. The format is described at the top of src/server/assets.c. */
import { spawnSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import zlib from 'node:zlib'

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..')
const web = path.join(root, 'web')

const identity = 0, gzip = 1, brotli = 2
const immutable = 1

const mimes = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.wasm': 'application/wasm'
}
const compressible = new Set(['.html', '.js', '.css', '.svg', '.json', '.webmanifest', '.txt', '.wasm'])

function filesUnder(folder, prefix = '') {
  const found = []
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const name = `${prefix}/${entry.name}`
    if (entry.isDirectory()) found.push(...filesUnder(path.join(folder, entry.name), name))
    else if (entry.isFile() && !name.endsWith('.pack')) found.push(name)
  }
  return found
}

export function pack(folder) {
  const names = filesUnder(folder).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  const entries = []
  for (const name of names) {
    const extension = path.extname(name)
    const mime = mimes[extension]
    if (!mime) throw new Error(`${name}: no media type is known for ${extension}; add it to tools/pack.mjs`)
    const raw = fs.readFileSync(path.join(folder, name))
    const etag = crypto.createHash('sha256').update(raw).digest('hex').slice(0, 20)
    const flags = name.startsWith('/assets/') ? immutable : 0
    const add = (encoding, body) => entries.push({ name, mime, etag, flags, encoding, body, rawLength: raw.length })
    if (!compressible.has(extension)) {
      add(identity, raw)
      continue
    }
    /* gzip is always there: identity is made from it. The header's fixed fields hold no time. */
    add(gzip, zlib.gzipSync(raw, { level: 9 }))
    add(brotli, zlib.brotliCompressSync(raw, {
      params: {
        [zlib.constants.BROTLI_PARAM_QUALITY]: 11,
        [zlib.constants.BROTLI_PARAM_SIZE_HINT]: raw.length,
        [zlib.constants.BROTLI_PARAM_MODE]: zlib.constants.BROTLI_MODE_TEXT
      }
    }))
  }

  const strings = []
  const places = new Map()
  let stringBytes = 0
  const place = (words) => {
    if (!places.has(words)) {
      const bytes = Buffer.from(`${words}\0`)
      places.set(words, stringBytes)
      strings.push(bytes)
      stringBytes += bytes.length
    }
    return places.get(words)
  }
  const headSize = 16, entrySize = 32
  for (const entry of entries) [entry.name, entry.mime, entry.etag].forEach(place)
  const index = Buffer.alloc(headSize + entrySize * entries.length)
  index.write('GESSOPK1', 0, 'latin1')
  index.writeUInt32LE(entries.length, 8)
  index.writeUInt32LE(stringBytes, 12)
  const bodies = []
  let at = index.length + stringBytes
  entries.forEach((entry, i) => {
    const to = headSize + entrySize * i
    index.writeUInt32LE(place(entry.name), to)
    index.writeUInt32LE(place(entry.mime), to + 4)
    index.writeUInt32LE(place(entry.etag), to + 8)
    index.writeUInt32LE(at, to + 12)
    index.writeUInt32LE(entry.body.length, to + 16)
    index.writeUInt32LE(entry.rawLength, to + 20)
    index.writeUInt8(entry.encoding, to + 24)
    index.writeUInt8(entry.flags, to + 25)
    bodies.push(entry.body)
    at += entry.body.length
  })
  return { bytes: Buffer.concat([index, ...strings, ...bodies]), files: names.length, bodies: entries.length }
}

function write(folder, out) {
  const packed = pack(folder)
  const temporary = `${out}.part`
  fs.writeFileSync(temporary, packed.bytes)
  fs.renameSync(temporary, out)
  console.log(`${path.relative(process.cwd(), out)}: ${packed.files} files, ${packed.bodies} bodies, ${packed.bytes.length} bytes`)
}

function run(command, args) {
  const done = spawnSync(command, args, { cwd: web, stdio: 'inherit' })
  if (done.error) throw done.error
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${done.status ?? done.signal}`)
}

/* A folder counts by its files: its own time changes with every build output next to them. */
const newest = (paths) => Math.max(...paths.map((p) => {
  const at = fs.statSync(p)
  if (!at.isDirectory()) return at.mtimeMs
  return Math.max(...filesUnder(p).map((name) => fs.statSync(path.join(p, name)).mtimeMs))
}))

function build() {
  const out = path.join(web, 'dist/gesso.pack')
  const sources = ['src', 'public', 'stubs', 'index.html', 'board.html', 'vite.config.js', 'package.json', 'package-lock.json']
    .map((name) => path.join(web, name))
  sources.push(fileURLToPath(import.meta.url))
  const fresh = newest(sources)
  const isFresh = (file) => fs.existsSync(file) && fs.statSync(file).mtimeMs > fresh
  if (isFresh(out)) {
    console.log('web/dist/gesso.pack is up to date')
    return
  }
  const installed = path.join(web, 'node_modules/.package-lock.json')
  if (!fs.existsSync(installed) || fs.statSync(installed).mtimeMs < newest([path.join(web, 'package-lock.json')]))
    run('npm', ['ci'])
  /* vite writes the html files last. */
  if (!isFresh(path.join(web, 'dist/index.html')))
    run(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn'])
  write(path.join(web, 'dist'), out)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    if (process.argv[2] === '--only') write(process.argv[3], process.argv[4])
    else build()
  } catch (error) {
    console.error(`pack: ${error.message}`)
    process.exit(1)
  }
}
