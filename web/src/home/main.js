/* The list of boards. No framework: one list, drawn again when the server's answer changed. */
import '../shared/base.css'
import './home.css'
import { createBoard, deleteBoard, listBoards } from '../shared/api.js'
import { loadTheme } from '../shared/theme.js'
import { cover } from './initials.js'
import { ago, size } from './words.js'

const refreshMs = 5000

document.documentElement.dataset.theme = loadTheme()

const $ = (id) => document.getElementById(id)
const list = $('boards')
let boards = []
let shown = ''
let askedOnce = false

function card(board) {
  const item = document.createElement('li')
  item.className = 'card'
  item.dataset.id = board.id

  const link = document.createElement('a')
  link.href = `/b/${encodeURIComponent(board.id)}`
  link.append(cover(board))

  const words = document.createElement('span')
  words.className = 'words'
  const title = document.createElement('span')
  title.className = board.title ? 'title' : 'title untitled'
  title.textContent = board.title || 'Untitled board'
  const facts = document.createElement('span')
  facts.className = 'facts'
  const when = document.createElement('span')
  when.textContent = ago(board.updated, Date.now())
  when.title = new Date(board.updated).toLocaleString()
  facts.append(when, text(size(board.bytes)))
  if (board.online > 0) {
    const online = text(`${board.online} here`)
    online.className = 'online'
    facts.append(online)
  }
  words.append(title, facts)
  link.append(words)

  const remove = document.createElement('button')
  remove.type = 'button'
  remove.className = 'remove'
  remove.ariaLabel = `Delete ${title.textContent}`
  remove.title = 'Delete'
  remove.append(icon('M4 7h16M9 7V4h6v3m-8 0 1 13h8l1-13M10 11v6m4-6v6'))
  remove.addEventListener('click', () => askToDelete(board))
  item.append(link, remove)
  return item
}

function text(words) {
  const span = document.createElement('span')
  span.textContent = words
  return span
}

function icon(path) {
  const ns = 'http://www.w3.org/2000/svg'
  const svg = document.createElementNS(ns, 'svg')
  svg.setAttribute('viewBox', '0 0 24 24')
  svg.setAttribute('width', '19')
  svg.setAttribute('height', '19')
  const d = document.createElementNS(ns, 'path')
  d.setAttribute('d', path)
  for (const [name, value] of Object.entries({
    fill: 'none', stroke: 'currentColor', 'stroke-width': '1.7', 'stroke-linecap': 'round', 'stroke-linejoin': 'round'
  }))
    d.setAttribute(name, value)
  svg.append(d)
  return svg
}

function draw() {
  const wanted = $('search').value.trim().toLowerCase()
  const fitting = boards
    .filter((b) => !wanted || `${b.title ?? 'untitled board'} ${b.id}`.toLowerCase().includes(wanted))
    .sort((a, b) => b.updated - a.updated)

  /* Only a list that looks different is drawn again: focus and hover survive the refreshes. */
  const looks = JSON.stringify(fitting.map((b) => [b.id, b.title, ago(b.updated, Date.now()), size(b.bytes), b.online]))
  if (looks !== shown) {
    shown = looks
    const focused = document.activeElement?.closest?.('.card')?.dataset.id
    list.replaceChildren(...fitting.map(card))
    if (focused) list.querySelector(`[data-id="${CSS.escape(focused)}"] a`)?.focus()
  }
  $('empty').hidden = boards.length > 0 || !askedOnce
  list.setAttribute('aria-busy', String(!askedOnce))
  if (askedOnce && boards.length > 0 && fitting.length === 0) notice(`No board matches “${$('search').value.trim()}”.`)
  else if ($('notice').dataset.kind === 'search') notice('')
  $('notice').dataset.kind = askedOnce && boards.length > 0 && fitting.length === 0 ? 'search' : ''
}

function notice(words) {
  $('notice').textContent = words
  $('notice').hidden = !words
}

async function refresh() {
  try {
    boards = await listBoards()
    askedOnce = true
    if ($('notice').dataset.kind === 'offline') notice('')
    draw()
  } catch (error) {
    notice(`The list of boards cannot be read (${error.message}). Trying again.`)
    $('notice').dataset.kind = 'offline'
  }
}

async function make(button) {
  button.disabled = true
  try {
    location.href = `/b/${await createBoard()}`
  } catch (error) {
    notice(`The board could not be made: ${error.message}.`)
    button.disabled = false
  }
}

function askToDelete(board) {
  const dialog = $('confirm')
  $('confirm-text').textContent =
    `“${board.title || 'Untitled board'}” disappears for everybody who has its address.`
  dialog.returnValue = 'keep'
  dialog.onclose = async () => {
    if (dialog.returnValue !== 'delete') return
    try {
      await deleteBoard(board.id)
      await refresh()
    } catch (error) {
      notice(`The board could not be deleted: ${error.message}.`)
    }
  }
  dialog.showModal()
}

$('new').addEventListener('click', (event) => make(event.currentTarget))
$('first').addEventListener('click', (event) => make(event.currentTarget))
$('search').addEventListener('input', draw)
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && refresh())
addEventListener('pageshow', (event) => {
  /* Back from a board through the browser's cache: the button was left disabled. */
  $('new').disabled = $('first').disabled = false
  if (event.persisted) refresh()
})
setInterval(() => document.visibilityState === 'visible' && refresh(), refreshMs)
refresh()
