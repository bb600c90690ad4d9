/* Pictures on a board. Their bytes never enter the document: a picture is stored under the SHA-256
 * of its bytes, /api/boards/<board>/images/<hash>, and the shape's fileId is that hash.
 *
 * Going out, a picture is kept in this browser (IndexedDB) until the server has it, so one that was
 * pasted offline survives a reload. Coming in, a reader may ask before the writer's PUT ended, and
 * asks again after 100 ms, then twice that, and so on. */
import { getImage, putImage } from '../shared/api.js'
import { sha256 } from '../shared/sha256.js'

export const imageBytesMax = 10 * 1024 * 1024
const sideMax = 2400
const types = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/svg+xml', 'image/avif'])
const hashForm = /^[0-9a-f]{64}$/
const retryFirstMs = 100
const retryLastMs = 20000
/* How long a shape waits for its picture's upload before the board shows it to others. */
const uploadFirstMs = 2500

const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

export class Images {
  constructor({ board, getFiles, addFiles, replaceFileId }) {
    Object.assign(this, { board, getFiles, addFiles, replaceFileId })
    this.ours = new Set()          /* hashes that this page made or fetched */
    this.fetching = new Map()
    this.uploading = new Map()
    this.adopted = new Map()       /* file id of somewhere else -> promise of our hash, or null */
    this.wake = new Set()          /* resolvers of sleeping retries */
    this.closed = false
  }

  destroy() {
    this.closed = true
    this.retryNow()
  }

  /* The connection is back: whoever waits tries at once. */
  retryNow() {
    for (const wake of this.wake) wake()
    this.wake.clear()
  }

  isOurs(fileId) { return this.ours.has(fileId) || this.fetching.has(fileId) }

  /* ---- out ---- */

  /* Excalidraw asks for the id of a file that was dropped, pasted or chosen. Handing it the file
   * here too keeps the stored bytes and the shown picture the same. Errors are shown by Excalidraw. */
  async idFor(file) {
    if (!types.has(file.type)) throw new Error(`${file.type || 'This kind of file'} cannot be put on a board`)
    const blob = await shrink(file)
    if (blob.size > imageBytesMax)
      throw new Error(`The picture has ${(blob.size / 2 ** 20).toFixed(1)} MB; at most ${imageBytesMax / 2 ** 20} MB fit`)
    const hash = await this.keep(blob)
    await Promise.race([this.uploading.get(hash), sleep(uploadFirstMs)])
    return hash
  }

  async keep(blob) {
    const hash = await sha256(await blob.arrayBuffer())
    this.ours.add(hash)
    if (!this.getFiles()[hash]) this.addFiles([await fileOf(hash, blob)])
    await stash((store) => store.put(blob, [this.board, hash]))
    this.upload(hash, blob)
    return hash
  }

  upload(hash, blob) {
    if (!this.uploading.has(hash)) {
      this.uploading.set(hash, this.again(async () => {
        await putImage(this.board, hash, blob)
        await stash((store) => store.delete([this.board, hash]))
      }).catch((error) => console.warn(`picture ${hash} was not stored: ${error.message}`)))
    }
    return this.uploading.get(hash)
  }

  /* What an earlier visit could not hand over. */
  async resume() {
    const keys = (await stash((store) => store.getAllKeys())) ?? []
    for (const [board, hash] of keys) {
      if (board !== this.board) continue
      const blob = await stash((store) => store.get([board, hash]))
      if (blob) {
        this.ours.add(hash)
        this.upload(hash, blob)
      }
    }
  }

  /* A shape came with a file id that is not ours: pasted from another board or another program. */
  async adopt(fileId) {
    if (!this.adopted.has(fileId)) {
      const file = this.getFiles()[fileId]
      if (!file?.dataURL) return
      this.adopted.set(fileId, this.takeIn(fileId, file.dataURL))
    }
    const hash = await this.adopted.get(fileId)
    if (hash) this.replaceFileId(fileId, hash)
  }

  async takeIn(fileId, dataURL) {
    try {
      const blob = await (await fetch(dataURL)).blob()
      if (!types.has(blob.type) || blob.size > imageBytesMax) throw new Error(`${blob.type}, ${blob.size} bytes`)
      return await this.keep(blob)
    } catch (error) {
      console.warn(`picture ${fileId} cannot be put on this board: ${error.message}`)
      return null
    }
  }

  /* ---- in ---- */

  want(shape) {
    const hash = shape.fileId
    if (shape.type !== 'image' || shape.isDeleted || !hashForm.test(hash ?? '') || this.fetching.has(hash)) return
    if (this.ours.has(hash) && this.getFiles()[hash]) return
    this.fetching.set(hash, this.again(async () => {
      const blob = (await stash((store) => store.get([this.board, hash]))) ?? (await getImage(this.board, hash))
      if (!types.has(blob.type)) throw new Error(`the server sent ${blob.type}`)
      this.ours.add(hash)
      this.addFiles([await fileOf(hash, blob)])
    }).catch((error) => console.warn(`picture ${hash} cannot be shown: ${error.message}`))
      .finally(() => this.fetching.delete(hash)))
  }

  /* Runs `attempt` until it succeeds. What the server refuses for good (too large, wrong type) is
   * not tried again; 404 is what a reader gets who was faster than the writer. */
  async again(attempt) {
    for (let wait = retryFirstMs; ; wait = Math.min(wait * 2, retryLastMs)) {
      if (this.closed) return
      try {
        return await attempt()
      } catch (error) {
        if ([400, 403, 410, 413, 415, 422].includes(error.status)) throw error
      }
      await new Promise((resolve) => {
        this.wake.add(resolve)
        setTimeout(() => {
          this.wake.delete(resolve)
          resolve()
        }, wait)
      })
    }
  }
}

async function fileOf(hash, blob) {
  const dataURL = await new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result)
    reader.onerror = () => reject(reader.error)
    reader.readAsDataURL(blob)
  })
  return { id: hash, dataURL, mimeType: blob.type, created: Date.now(), lastRetrieved: Date.now() }
}

/* Photographs come in sizes that no board shows. Drawings, animations and small pictures stay as
 * they are. */
async function shrink(file) {
  if (!['image/png', 'image/jpeg', 'image/webp', 'image/avif'].includes(file.type)) return file
  let bitmap
  try {
    bitmap = await createImageBitmap(file)
  } catch {
    throw new Error('The picture cannot be read')
  }
  const scale = sideMax / Math.max(bitmap.width, bitmap.height)
  if (scale >= 1) return file
  const canvas = document.createElement('canvas')
  canvas.width = Math.round(bitmap.width * scale)
  canvas.height = Math.round(bitmap.height * scale)
  canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  const blob = await new Promise((done) => canvas.toBlob(done, file.type === 'image/avif' ? 'image/webp' : file.type, 0.9))
  return blob && blob.size < file.size ? blob : file
}

/* ---- pictures that the server does not have yet ---- */

let opening = null

function openStash() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('gesso-pictures', 1)
    request.onupgradeneeded = () => request.result.createObjectStore('pending')
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  return opening
}

/* One request on the store; undefined when this browser keeps nothing (private mode). */
async function stash(ask) {
  try {
    const db = await openStash()
    return await new Promise((resolve, reject) => {
      const request = ask(db.transaction('pending', 'readwrite').objectStore('pending'))
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
  } catch {
    return undefined
  }
}
