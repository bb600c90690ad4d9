/* How one shape lives in the document, and back.
 *
 * `elements` is a Y.Map from shape id to a Y.Map with these keys:
 *
 *   b   the whole shape as it was made, plain JSON; never written again
 *   g   [x, y, width, height, angle]: geometry is one value, so that a move and a resize made at
 *       the same time cannot tear into a mixture
 *   t   [text, originalText] of a text
 *   l   [[x, y], ...] points of a line or an arrow
 *   p   Y.Array of integers, the points of a freehand stroke: differences in 1/100 px, two numbers
 *       a point (dx, dy), or three when the pen reports pressure (dx, dy, pressure in 1/1000)
 *   d   time of deletion in ms; 0 or absent: the shape is there. A deleted shape keeps its data, so
 *       an edit made at the same time is not lost when the deletion is undone
 *   *   any other property under its own name, present once it differs from b
 *
 * version, versionNonce and updated are Excalidraw's own bookkeeping. They change with every touch
 * and are never written: two keys written in turn leave tombstones that no Yjs engine can merge.
 * The width and height of lines and strokes follow from their points; g carries them unread.
 *
 * Everything that comes out of a document was written by somebody else: `shapeOf` checks types and
 * ranges and answers null for what cannot be drawn. The document is not touched by that. */

export const kinds = new Set([
  'rectangle', 'diamond', 'ellipse', 'arrow', 'line', 'freedraw', 'text', 'image', 'frame', 'magicframe',
  'embeddable', 'iframe'
])

const coordinateMax = 1e7
const pointsMax = 100000

/* Properties that have a group key, that are identity, or that are nobody else's business. */
const notSingle = new Set([
  'id', 'type', 'x', 'y', 'width', 'height', 'angle', 'text', 'originalText', 'points', 'pressures',
  'isDeleted', 'version', 'versionNonce', 'updated', 'lastCommittedPoint', 'status',
  'b', 'g', 't', 'l', 'p', 'd', '__proto__', 'constructor', 'prototype'
])

export const isStroke = (shape) => shape.type === 'freedraw'
export const isLinear = (shape) => shape.type === 'line' || shape.type === 'arrow'
const hasPressure = (shape) => isStroke(shape) && shape.simulatePressure === false

/* ---- from the canvas to the document ---- */

export function baseOf(shape) {
  const base = {}
  for (const [key, value] of Object.entries(shape)) {
    if (value === undefined || key === 'id' || key === 'isDeleted' || key === 'version' ||
        key === 'versionNonce' || key === 'updated' || key === 'lastCommittedPoint' || key === 'status')
      continue
    if (isStroke(shape) && (key === 'points' || key === 'pressures')) continue
    base[key] = value
  }
  return JSON.parse(JSON.stringify(base))
}

export const geometryOf = (shape) => [shape.x, shape.y, shape.width, shape.height, shape.angle]

/* The shape's values by document key, each in a form that `===` compares. `p` is left out: strokes
 * grow point by point and are compared by `quantised`. For shapes whose size follows from their
 * points, g compares by place and angle alone. */
export function fieldsOf(shape) {
  const fields = new Map()
  fields.set('g', JSON.stringify(isStroke(shape) || isLinear(shape)
    ? [shape.x, shape.y, shape.angle] : geometryOf(shape)))
  fields.set('d', Boolean(shape.isDeleted))
  if (shape.type === 'text') fields.set('t', JSON.stringify([shape.text, shape.originalText]))
  if (isLinear(shape)) fields.set('l', JSON.stringify(shape.points))
  for (const key in shape) {
    if (notSingle.has(key)) continue
    const value = shape[key]
    if (value === undefined) continue
    fields.set(key, value !== null && typeof value === 'object' ? JSON.stringify(value) : value)
  }
  return fields
}

/* What is written under a key when fieldsOf says that it changed. */
export function valueFor(shape, key, nowMs) {
  switch (key) {
    case 'g': return geometryOf(shape)
    case 't': return [shape.text, shape.originalText]
    case 'l': return shape.points.map(([x, y]) => [x, y])
    case 'd': return shape.isDeleted ? nowMs : 0
    default: {
      const value = shape[key]
      return value !== null && typeof value === 'object' ? JSON.parse(JSON.stringify(value)) : value
    }
  }
}

/* A stroke's points as the integers that `p` holds. Differences are taken between rounded places,
 * so rounding does not add up along the stroke. */
export function quantised(shape) {
  const withPressure = hasPressure(shape)
  const out = []
  let lastX = 0, lastY = 0
  for (let i = 0; i < shape.points.length; i++) {
    const x = Math.round(shape.points[i][0] * 100), y = Math.round(shape.points[i][1] * 100)
    out.push(x - lastX, y - lastY)
    if (withPressure) out.push(Math.round((shape.pressures[i] ?? 0.5) * 1000))
    lastX = x
    lastY = y
  }
  return out
}

/* ---- from the document to the canvas ---- */

const finite = (v) => typeof v === 'number' && Number.isFinite(v)
const place = (v) => finite(v) && Math.abs(v) <= coordinateMax
const isPoint = (p) => Array.isArray(p) && p.length === 2 && place(p[0]) && place(p[1])
const text = (v) => typeof v === 'string'
const textOrNull = (v) => v === null || text(v)
const bool = (v) => typeof v === 'boolean'
const objectOrNull = (v) => v === null || (typeof v === 'object' && !Array.isArray(v))
const between = (low, high) => (v) => finite(v) && v >= low && v <= high
const arrayOf = (check) => (v) => Array.isArray(v) && v.every(check)
const orNull = (check) => (v) => v === null || check(v)
const isBinding = (v) => v !== null && typeof v === 'object' && text(v.elementId) && finite(v.focus ?? 0) &&
  finite(v.gap ?? 0) && (v.fixedPoint == null || isPoint(v.fixedPoint))
const isBound = (v) => v !== null && typeof v === 'object' && text(v.id) && (v.type === 'arrow' || v.type === 'text')
const isSegment = (v) => v !== null && typeof v === 'object' && isPoint(v.start) && isPoint(v.end) && finite(v.index)
const isCrop = (v) => v !== null && typeof v === 'object' &&
  ['x', 'y', 'width', 'height', 'naturalWidth', 'naturalHeight'].every((k) => place(v[k]))

/* A property that fails its check keeps the base's value; a base that fails is dropped whole. */
const checks = {
  x: place, y: place, width: place, height: place, angle: between(-1e4, 1e4),
  strokeColor: text, backgroundColor: text, fillStyle: text, strokeStyle: text,
  strokeWidth: between(0, 1000), roughness: between(0, 100), opacity: between(0, 100), seed: finite,
  roundness: objectOrNull, groupIds: arrayOf(text), frameId: textOrNull, index: textOrNull,
  boundElements: orNull(arrayOf(isBound)), link: textOrNull, locked: bool,
  text, originalText: text, fontSize: between(0.01, 10000), fontFamily: finite, textAlign: text,
  verticalAlign: text, containerId: textOrNull, autoResize: bool, lineHeight: between(0.1, 100),
  points: (v) => arrayOf(isPoint)(v) && v.length >= 2 && v.length <= pointsMax,
  startBinding: orNull(isBinding), endBinding: orNull(isBinding), startArrowhead: textOrNull,
  endArrowhead: textOrNull, elbowed: bool, fixedSegments: orNull(arrayOf(isSegment)),
  startIsSpecial: orNull(bool), endIsSpecial: orNull(bool), simulatePressure: bool,
  fileId: textOrNull, scale: (v) => Array.isArray(v) && v.length === 2 && v.every(finite),
  crop: orNull(isCrop), name: textOrNull
}

const passes = (key, value) => !Object.hasOwn(checks, key) || checks[key](value)

export function isGeometry(v) {
  return Array.isArray(v) && v.length === 5 && v.slice(0, 4).every(place) && checks.angle(v[4])
}

/* The points of a stroke from its integers; stops at the first number that is none. */
export function strokePoints(integers, withPressure) {
  const stride = withPressure ? 3 : 2
  const points = [], pressures = []
  let x = 0, y = 0
  const end = Math.min(integers.length, pointsMax * stride)
  for (let i = 0; i + stride <= end; i += stride) {
    if (!finite(integers[i]) || !finite(integers[i + 1])) break
    x += integers[i]
    y += integers[i + 1]
    if (Math.abs(x) > coordinateMax * 100 || Math.abs(y) > coordinateMax * 100) break
    points.push([x / 100, y / 100])
    if (withPressure) pressures.push(finite(integers[i + 2]) ? Math.min(1, Math.max(0, integers[i + 2] / 1000)) : 0.5)
  }
  return { points, pressures }
}

function sizeOf(points) {
  let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity
  for (const [x, y] of points) {
    if (x < left) left = x
    if (x > right) right = x
    if (y < top) top = y
    if (y > bottom) bottom = y
  }
  return { width: right - left, height: bottom - top }
}

/* The raw shape that a Y.Map describes, or null. It still lacks version, versionNonce and updated,
 * which the caller counts, and goes through Excalidraw's own restore afterwards. */
export function shapeOf(id, ymap) {
  const base = ymap.get('b')
  if (base === null || typeof base !== 'object' || Array.isArray(base) || !kinds.has(base.type)) return null
  const shape = { id }
  for (const [key, value] of Object.entries(base)) {
    if (key === '__proto__' || key === 'constructor' || key === 'prototype') continue
    if (!passes(key, value)) return null
    shape[key] = value
  }
  shape.id = id
  if (!place(shape.x) || !place(shape.y)) return null

  for (const [key, value] of ymap.entries()) {
    if (notSingle.has(key) || value === undefined || typeof value?.toJSON === 'function') continue
    if (passes(key, value)) shape[key] = value
  }

  const g = ymap.get('g')
  if (isGeometry(g)) [shape.x, shape.y, shape.width, shape.height, shape.angle] = g

  if (shape.type === 'text') {
    const t = ymap.get('t')
    if (Array.isArray(t) && t.length === 2 && t.every(text)) [shape.text, shape.originalText] = t
  }
  if (isLinear(shape)) {
    const l = ymap.get('l')
    if (checks.points(l)) shape.points = l
    if (!Array.isArray(shape.points)) return null
    Object.assign(shape, sizeOf(shape.points))
  }
  if (isStroke(shape)) {
    const p = ymap.get('p')
    if (typeof p?.toArray !== 'function') return null
    const { points, pressures } = strokePoints(p.toArray(), hasPressure(shape))
    if (points.length < 2) return null
    Object.assign(shape, { points, pressures }, sizeOf(points))
  }
  if (shape.type === 'image') shape.status = 'saved'
  shape.isDeleted = finite(ymap.get('d')) && ymap.get('d') > 0
  return shape
}

/* `shape` where somebody is dragging it at this moment: geometry [x, y, width, height, angle], and
 * for lines the points. Strokes (and lines without points) are scaled into the new size. */
export function withLive(shape, live) {
  const geometry = live.slice(0, 5)
  if (!isGeometry(geometry)) return shape
  const [x, y, width, height, angle] = geometry
  const moved = { ...shape, x, y, angle }
  if (isLinear(shape) && checks.points(live[5])) {
    moved.points = live[5]
    return Object.assign(moved, sizeOf(moved.points))
  }
  if (isStroke(shape) || isLinear(shape)) {
    const sx = shape.width > 0 ? width / shape.width : 1, sy = shape.height > 0 ? height / shape.height : 1
    if (Math.abs(sx - 1) > 1e-6 || Math.abs(sy - 1) > 1e-6) {
      moved.points = shape.points.map(([px, py]) => [px * sx, py * sy])
      Object.assign(moved, sizeOf(moved.points))
    }
    return moved
  }
  return Object.assign(moved, { width, height })
}

/* Bottom to top: Excalidraw's fractional index, ties by id, so that everybody draws one order. */
export function inOrder(a, b) {
  if (a.index !== b.index) {
    if (a.index == null) return 1
    if (b.index == null) return -1
    return a.index < b.index ? -1 : 1
  }
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}
