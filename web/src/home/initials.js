/* What stands on a board's card: the first letters of its title on a tint that goes with them. It says
 * nothing of what is drawn on the board, and does not look as if it did. */

/* The letters of the first two words; of a title without words (an emoji, say) its first character. */
export function initials(title) {
  const words = (title ?? '').match(/[\p{L}\p{N}][\p{L}\p{M}\p{N}]*/gu) ?? []
  if (words.length === 0) return [...(title ?? '').trim()].slice(0, 1).join('')
  return words.slice(0, 2).map((word) => [...word][0]).join('').toLocaleUpperCase()
}

/* FNV-1a: the same words always have the same hue. */
export function hue(words) {
  let h = 0x811c9dc5
  for (let i = 0; i < words.length; i++) h = Math.imul(h ^ words.charCodeAt(i), 0x01000193)
  return ((h ^ (h >>> 15)) >>> 0) % 360
}

export function cover(board) {
  const span = document.createElement('span')
  span.className = 'cover'
  span.ariaHidden = 'true'
  span.textContent = initials(board.title)
  if (board.title) span.style.setProperty('--hue', hue(board.title))
  else span.classList.add('plain')
  return span
}
