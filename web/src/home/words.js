/* Times and sizes in words. */

const steps = [
  [60, 'second', 1],
  [3600, 'minute', 60],
  [86400, 'hour', 3600],
  [30 * 86400, 'day', 86400],
  [365 * 86400, 'month', 30 * 86400],
  [Infinity, 'year', 365 * 86400]
]

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

export function ago(thenMs, nowMs) {
  if (!Number.isFinite(thenMs)) return ''
  const seconds = Math.max(0, Math.round((nowMs - thenMs) / 1000))
  if (seconds < 10) return 'just now'
  const [, unit, length] = steps.find(([below]) => seconds < below)
  return relative.format(-Math.floor(seconds / length), unit)
}

export function size(bytes) {
  if (!Number.isFinite(bytes) || bytes <= 0) return 'empty'
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} KB`
  return `${(bytes / 1e6).toFixed(1)} MB`
}
