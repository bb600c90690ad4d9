// A small seeded generator (mulberry32): the same seed gives the same session everywhere.
export class Random {
  constructor (seed) { this.state = seed >>> 0 }

  next () {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  below (n) { return Math.floor(this.next() * n) }
  between (low, high) { return low + this.below(high - low + 1) }
  chance (p) { return this.next() < p }
  pick (list) { return list[this.below(list.length)] }

  // One of the functions in [[weight, function], ...]
  weighted (choices) {
    let at = this.next() * choices.reduce((sum, c) => sum + c[0], 0)
    for (const [weight, choice] of choices) {
      at -= weight
      if (at < 0) return choice
    }
    return choices[0][1]
  }

  shuffle (list) {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      const t = list[i]
      list[i] = list[j]
      list[j] = t
    }
    return list
  }
}
