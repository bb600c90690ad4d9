/* SHA-256 (FIPS 180-4) as lower-case hex.
 *
 * crypto.subtle exists only on https and localhost; a colleague who opens http://192.168.x.y has
 * none, and images are named by their hash there too. */

function primes(count) {
  const found = []
  for (let n = 2; found.length < count; n++) if (found.every((p) => n % p !== 0)) found.push(n)
  return found
}

/* The standard's constants are the first 32 bits of the fractions of square and cube roots. */
const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0
const initial = primes(8).map((p) => fraction(Math.sqrt(p)))
const rounds = primes(64).map((p) => fraction(Math.cbrt(p)))

const turn = (x, n) => (x >>> n) | (x << (32 - n))

export function sha256Plain(bytes) {
  const length = bytes.length
  const padded = new Uint8Array(((length + 8) >> 6 << 6) + 64)
  padded.set(bytes)
  padded[length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(length / 2 ** 29))
  view.setUint32(padded.length - 4, (length << 3) >>> 0)

  const state = Int32Array.from(initial)
  const w = new Int32Array(64)
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i)
    for (let i = 16; i < 64; i++) {
      const s0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ (w[i - 15] >>> 3)
      const s1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ (w[i - 2] >>> 10)
      w[i] = w[i - 16] + s0 + w[i - 7] + s1
    }
    let [a, b, c, d, e, f, g, h] = state
    for (let i = 0; i < 64; i++) {
      const big1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)
      const t1 = (h + big1 + ((e & f) ^ (~e & g)) + rounds[i] + w[i]) | 0
      const big0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)
      const t2 = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0
    }
    const sum = [a, b, c, d, e, f, g, h]
    for (let i = 0; i < 8; i++) state[i] += sum[i]
  }
  return hex(new Uint8Array(Uint32Array.from(state).buffer), true)
}

function hex(bytes, littleEndianWords = false) {
  let out = ''
  for (let i = 0; i < bytes.length; i++)
    out += bytes[littleEndianWords ? (i & ~3) | (3 - (i & 3)) : i].toString(16).padStart(2, '0')
  return out
}

export async function sha256(bytes) {
  if (globalThis.crypto?.subtle)
    return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
  return sha256Plain(bytes)
}
