/* Where this browser last looked at on a board. */

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
