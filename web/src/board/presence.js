/* What others do at this moment: cursors, names, selections and running drags, over y-protocols'
 * awareness. The local state is
 *
 *   { user: {id, name, hue}, cursor: {x, y, tool} | null, button: 'up' | 'down', sel: [id, ...],
 *     view: [left, top, right, bottom] | null, live: {id: [x, y, width, height, angle, points?]} | null }
 *
 * and goes out at most 30 times a second. */

const paceMs = 33
const selectedMax = 200
const liveMax = 200
/* The document's update waits in the server for its write to the disk, presence does not. Without
 * this pause peers would see a dragged shape jump back for a moment at the end of the drag. */
const liveLingerMs = 300

export class Presence {
  constructor(awareness, user) {
    this.awareness = awareness
    this.state = { user, cursor: null, button: 'up', sel: [], view: null, live: null }
    this.timer = 0
    this.lingerTimer = 0
    this.lastSent = -Infinity
    this.liveListeners = new Set()
    this.peopleListeners = new Set()
    this.lives = new Map()       /* shape id -> live geometry of somebody else */
    this.onChange = ({ added, updated, removed }) => this.changed(added, updated, removed)
    awareness.on('change', this.onChange)
    awareness.setLocalState(this.state)
  }

  destroy() {
    clearTimeout(this.timer)
    clearTimeout(this.lingerTimer)
    this.awareness.off('change', this.onChange)
  }

  onLive(listener) { this.liveListeners.add(listener) }
  onPeople(listener) { this.peopleListeners.add(listener) }
  liveOf(id) { return this.lives.get(id) }

  setUser(user) { this.update({ user }) }

  setPointer(cursor, button) { this.update({ cursor, button }) }

  /* What this page shows of the board, for those who follow. */
  setView(view) { this.update({ view: view.map(Math.round) }) }

  viewOf(client) {
    const view = this.awareness.getStates().get(client)?.view
    return Array.isArray(view) && view.length === 4 && view.every(Number.isFinite) && view[2] > view[0] && view[3] > view[1]
      ? view : null
  }

  setSelection(ids) {
    const sel = ids.slice(0, selectedMax)
    if (sel.length !== this.state.sel.length || sel.some((id, i) => id !== this.state.sel[i])) this.update({ sel })
  }

  setLive(live) {
    clearTimeout(this.lingerTimer)
    const ids = Object.keys(live)
    if (ids.length === 0) return
    this.update({ live: ids.length <= liveMax ? live : Object.fromEntries(ids.slice(0, liveMax).map((id) => [id, live[id]])) })
  }

  endLive() {
    if (!this.state.live) return
    clearTimeout(this.lingerTimer)
    this.lingerTimer = setTimeout(() => this.update({ live: null }), liveLingerMs)
  }

  update(part) {
    this.state = { ...this.state, ...part }
    if (this.timer) return
    const wait = Math.max(0, this.lastSent + paceMs - Date.now())
    this.timer = setTimeout(() => {
      this.timer = 0
      this.lastSent = Date.now()
      this.awareness.setLocalState(this.state)
    }, wait)
  }

  changed(added, updated, removed) {
    const others = [...added, ...updated, ...removed].some((id) => id !== this.awareness.clientID)
    if (!others) return
    const lives = new Map()
    for (const [client, state] of this.awareness.getStates()) {
      if (client === this.awareness.clientID || state?.live == null || typeof state.live !== 'object') continue
      for (const [id, live] of Object.entries(state.live).slice(0, liveMax)) if (Array.isArray(live)) lives.set(id, live)
    }
    const touched = new Set()
    for (const [id, live] of lives) if (this.lives.get(id) !== live) touched.add(id)
    for (const id of this.lives.keys()) if (!lives.has(id)) touched.add(id)
    this.lives = lives
    if (touched.size > 0) for (const listener of this.liveListeners) listener(touched)
    for (const listener of this.peopleListeners) listener()
  }

  /* The others as Excalidraw's collaborators. Every field comes from somebody else. */
  collaborators() {
    const people = new Map()
    for (const [client, state] of this.awareness.getStates()) {
      if (client === this.awareness.clientID || typeof state?.user?.name !== 'string') continue
      const { user, cursor, button, sel } = state
      const person = {
        id: colourId(typeof user.id === 'string' ? user.id.slice(0, 40) : String(client), Number(user.hue) | 0),
        socketId: String(client),
        username: user.name.slice(0, 60),
        button: button === 'down' ? 'down' : 'up',
        selectedElementIds: {}
      }
      if (Array.isArray(sel))
        for (const id of sel.slice(0, selectedMax)) if (typeof id === 'string') person.selectedElementIds[id] = true
      if (cursor && Number.isFinite(cursor.x) && Number.isFinite(cursor.y))
        person.pointer = { x: cursor.x, y: cursor.y, tool: cursor.tool === 'laser' ? 'laser' : 'pointer' }
      people.set(String(client), person)
    }
    return people
  }
}

/* Excalidraw 0.18 takes a person's colour from a hash of the id: one of 37 hues, ten degrees apart.
 * The last character is chosen so that everybody shows the colour that the person was given. */
export const hues = 37
export const colourOf = (hue) => `hsl(${(((hue % hues) + hues) % hues) * 10} 100% 83%)`

export function colourId(id, hue) {
  const wanted = ((hue % hues) + hues) % hues
  for (let code = 0x21; code < 0x21 + 2 * hues; code++) {
    const candidate = id + String.fromCharCode(code)
    let hash = 0
    for (let i = 0; i < candidate.length; i++) hash = (hash << 5) - hash + candidate.charCodeAt(i)
    if (Math.abs(hash) % hues === wanted) return candidate
  }
  return id
}
