/* The document of one board: the stock y-websocket provider, and y-indexeddb for what was drawn
 * while the server was away. */
import * as Y from 'yjs'
import { WebsocketProvider } from 'y-websocket'
import { IndexeddbPersistence } from 'y-indexeddb'

export function openBoard(id) {
  const doc = new Y.Doc()
  let local = null
  try {
    if (globalThis.indexedDB) local = new IndexeddbPersistence(`gesso/${id}`, doc)
  } catch { /* no storage here: the board lives in memory and on the server */ }
  const origin = location.origin.replace(/^http/, 'ws')
  /* No BroadcastChannel: what a page shows of others has been through the server, also when the
   * other is a tab of the same browser. */
  const provider = new WebsocketProvider(origin, encodeURIComponent(id), doc, { disableBc: true })
  watchStorage(provider)
  return { doc, provider, local }
}

/* A server that cannot store changes says so (auth: denied); once it can, it asks for them (sync: step 1). Sets
 * `provider.readOnly` and tells with a 'status'. */
export function watchStorage(provider) {
  const [sync, , auth] = provider.messageHandlers
  const set = (readOnly) => {
    if (provider.readOnly === readOnly) return
    provider.readOnly = readOnly
    provider.emit('status', [{ status: provider.wsconnected ? 'connected' : 'disconnected' }])
  }
  provider.readOnly = false
  provider.messageHandlers[0] = (encoder, decoder, ...rest) => {
    const asks = decoder.arr[decoder.pos] === 0
    sync(encoder, decoder, ...rest)
    if (asks) set(false)
  }
  provider.messageHandlers[2] = (...all) => {
    auth(...all)
    set(true)
  }
}

/* Calls `tell` with 'connecting', 'connected', 'readonly', 'offline' or 'closed' (for good: the board was
 * deleted or is refused; `reason` says why), and again at every change. */
export function watchConnection(provider, tell) {
  let closed = null
  let state = ''
  let since = Date.now()
  const look = () => {
    let next = provider.readOnly ? 'readonly' : 'connected'
    if (closed) next = 'closed'
    /* `synced` may have become true before anybody listened, so the flag is looked at, not only the
     * event. A short gap is no news. */
    else if (!provider.synced) next = state === '' || (state === 'connecting' && Date.now() - since < 4000) ? 'connecting' : 'offline'
    if (next !== state) {
      state = next
      since = Date.now()
      tell(state, closed)
    }
  }
  const onClosed = (event) => {
    closed = { code: event.code, reason: event.reason }
    look()
  }
  provider.on('status', look)
  provider.on('sync', look)
  provider.on('closed', onClosed)
  const timer = setInterval(look, 1000)
  look()
  return () => {
    clearInterval(timer)
    provider.off('status', look)
    provider.off('sync', look)
    provider.off('closed', onClosed)
  }
}

export function onceSynced(provider, run) {
  if (provider.synced) return run()
  const listener = (synced) => {
    if (!synced) return
    provider.off('sync', listener)
    run()
  }
  provider.on('sync', listener)
}
