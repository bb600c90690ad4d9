/* The server's HTTP API, as far as the pages use it. */

async function call(method, path, body, headers = {}) {
  const response = await fetch(path, { method, body, headers })
  if (!response.ok) {
    const error = new Error(await reason(response))
    error.status = response.status
    throw error
  }
  return response
}

/* Errors come as {"error": "..."}; a proxy in between may answer with anything. */
async function reason(response) {
  try {
    const { error } = await response.json()
    if (typeof error === 'string') return error
    if (typeof error?.message === 'string') return error.message
  } catch { /* not JSON */ }
  return `the server answered ${response.status}`
}

/* A board's id may be anything: it is escaped in all addresses, /b/<id>, ws://host/<id> and the API's. */
const boardPath = (id) => `/api/boards/${encodeURIComponent(id)}`

/* The server answers in portions; a list of thousands is shown as far as anybody scrolls. */
const portionsMax = 20

export async function listBoards() {
  const all = []
  for (let i = 0, after = ''; i < portionsMax; i++) {
    const { boards, more } = await (await call('GET', `/api/boards${after}`)).json()
    all.push(...boards)
    if (!more || boards.length === 0) break
    after = `?after=${encodeURIComponent(boards.at(-1).id)}`
  }
  return all
}

export async function createBoard() {
  const response = await call('POST', '/api/boards', '{}', { 'Content-Type': 'application/json' })
  return (await response.json()).id
}

export const deleteBoard = (id) => call('DELETE', boardPath(id))

export const putImage = (board, hash, blob) =>
  call('PUT', `${boardPath(board)}/images/${hash}`, blob, { 'Content-Type': blob.type })

export const getImage = async (board, hash) =>
  (await call('GET', `${boardPath(board)}/images/${hash}`)).blob()
