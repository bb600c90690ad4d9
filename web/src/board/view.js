/* What this browser remembers by itself: where it last looked at on a board, and the shapes that
 * were put into the library. */

const keyOf = (id) => `gesso:view:${id}`
let timer = 0

export function loadView(id) {
  try {
    const view = JSON.parse(localStorage.getItem(keyOf(id)))
    if (view && [view.x, view.y, view.zoom].every(Number.isFinite)) return view
  } catch { /* no storage, or something else in it */ }
  return null
}

export function saveView(id, view) {
  clearTimeout(timer)
  timer = setTimeout(() => {
    try {
      localStorage.setItem(keyOf(id), JSON.stringify(view))
    } catch { /* no storage */ }
  }, 500)
}

const libraryKey = 'gesso:library'

export function loadLibrary() {
  try {
    const items = JSON.parse(localStorage.getItem(libraryKey))
    return Array.isArray(items) ? items : []
  } catch {
    return []
  }
}

export function saveLibrary(items) {
  try {
    localStorage.setItem(libraryKey, JSON.stringify(items))
  } catch { /* no storage, or the library is larger than it */ }
}
