/* A little drawing for a board's card, always the same for the same id. */

/* FNV-1a, then a xorshift generator: nothing here needs to be unpredictable. */
function generator(seed) {
  let h = 0x811c9dc5
  for (let i = 0; i < seed.length; i++) h = Math.imul(h ^ seed.charCodeAt(i), 0x01000193)
  /* Neighbouring ids must not begin alike. */
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35) ^ (h >>> 16)
  h ||= 1
  return () => {
    h ^= h << 13
    h ^= h >>> 17
    h ^= h << 5
    return (h >>> 0) / 2 ** 32
  }
}

const ns = 'http://www.w3.org/2000/svg'

function shape(name, attributes) {
  const node = document.createElementNS(ns, name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  return node
}

export function sketch(id) {
  const random = generator(id)
  const between = (low, high) => low + random() * (high - low)
  const svg = shape('svg', { viewBox: '0 0 250 150', 'aria-hidden': 'true' })
  svg.classList.add('sketch')
  const hue = Math.floor(random() * 360)
  const pen = { fill: 'none', 'stroke-width': 2.4, 'stroke-linecap': 'round', 'stroke-linejoin': 'round' }

  const x = between(30, 60), y = between(28, 50), w = between(56, 82), h = between(38, 56)
  svg.append(shape('rect', {
    ...pen, x, y, width: w, height: h, rx: 7,
    stroke: `hsl(${hue} 60% 58%)`, fill: `hsl(${hue} 70% 60% / 16%)`
  }))
  const cx = between(168, 202), cy = between(70, 104), r = between(20, 30)
  svg.append(shape('ellipse', {
    ...pen, cx, cy, rx: r * 1.25, ry: r,
    stroke: `hsl(${hue + 140} 50% 52%)`, fill: `hsl(${hue + 140} 60% 55% / 16%)`
  }))
  const fromX = x + w + 6, fromY = y + h / 2, toX = cx - r * 1.25 - 8, toY = cy
  const tip = Math.atan2(toY - fromY, toX - fromX)
  const barb = (turn) => `${toX - 9 * Math.cos(tip + turn)} ${toY - 9 * Math.sin(tip + turn)}`
  svg.append(shape('path', {
    ...pen, stroke: 'var(--muted)',
    d: `M${fromX} ${fromY}Q${(fromX + toX) / 2} ${fromY + between(-18, 6)} ${toX} ${toY}M${barb(0.5)}L${toX} ${toY}L${barb(-0.5)}`
  }))
  let line = `M${between(24, 40)} ${between(116, 128)}`
  for (let i = 0; i < 5; i++) line += `q${between(6, 12)} ${between(-16, -8)} ${between(14, 20)} ${between(-4, 4)}`
  svg.append(shape('path', { ...pen, stroke: `hsl(${hue + 70} 60% 55%)`, d: line }))
  return svg
}
