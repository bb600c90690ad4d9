/* The page of one board: our slim bar on top, Excalidraw below, and the parts that tie it to the
 * document. All of the tying happens in `connect`, once Excalidraw has given its API away. */
import { useCallback, useEffect, useMemo, useRef, useState } from 'react'
import {
  CaptureUpdateAction, Excalidraw, MainMenu, getVisibleSceneBounds, languages, restoreElements, zoomToFitBounds
} from '@excalidraw/excalidraw'
import { Binding } from './binding.js'
import { Images } from './images.js'
import { Presence, hues } from './presence.js'
import { onceSynced, openBoard, watchConnection } from './connection.js'
import { Bar } from './Bar.jsx'
import { loadUser, saveUser } from '../shared/user.js'
import { loadTheme, saveTheme } from '../shared/theme.js'
import { loadLibrary, loadView, saveLibrary, saveView } from './view.js'

const titleMax = 200

/* What of Excalidraw makes no sense here: files replace the scene, the background is nobody's
 * property, and the address of a board needs no dialog. */
const uiOptions = {
  canvasActions: {
    changeViewBackgroundColor: false,
    clearCanvas: false,
    loadScene: false,
    saveToActiveFile: false,
    toggleTheme: true
  }
}

function language() {
  const wanted = navigator.languages ?? [navigator.language]
  for (const tag of wanted) {
    const exact = languages.find(({ code }) => code.toLowerCase() === tag.toLowerCase())
    const near = languages.find(({ code }) => code.split('-')[0] === tag.split('-')[0])
    if (exact || near) return (exact ?? near).code
  }
  return 'en'
}

const restoreOne = (shape) => restoreElements([shape], null)[0]

export function Board({ id }) {
  const board = useMemo(() => openBoard(id), [id])
  const [user, setUser] = useState(() => loadUser(hues))
  const [theme, setTheme] = useState(loadTheme)
  const [connection, setConnection] = useState({ state: 'connecting', closed: null })
  const [title, setTitle] = useState('')
  const [people, setPeople] = useState([])
  const presence = useMemo(() => new Presence(board.provider.awareness, user), [board])
  const parts = useRef(null)
  const frame = useRef(null)

  useEffect(() => watchConnection(board.provider, (state, closed) => {
    setConnection({ state, closed })
    if (state === 'connected') parts.current?.images.retryNow()
  }), [board])

  /* The title lives in the document, so that the server's list and every page tell the same. */
  useEffect(() => {
    const meta = board.doc.getMap('meta')
    const look = () => {
      const value = meta.get('title')
      setTitle(typeof value === 'string' ? value.slice(0, titleMax) : '')
    }
    meta.observe(look)
    look()
    return () => meta.unobserve(look)
  }, [board])

  useEffect(() => {
    document.title = `${title || 'Untitled board'} · gesso`
  }, [title])

  useEffect(() => {
    document.documentElement.dataset.theme = theme
    saveTheme(theme)
  }, [theme])

  const rename = useCallback((words) => {
    const meta = board.doc.getMap('meta')
    const next = words.trim().slice(0, titleMax)
    if (next !== (meta.get('title') ?? '')) meta.set('title', next)
  }, [board])

  const changeUser = useCallback((part) => {
    setUser((before) => {
      const next = { ...before, ...part }
      saveUser(next)
      presence.setUser(next)
      return next
    })
  }, [presence])

  const connect = useCallback((api) => {
    if (!api || parts.current) return
    const images = new Images({
      board: id,
      getFiles: () => api.getFiles(),
      addFiles: (files) => api.addFiles(files),
      replaceFileId: (from, to) => api.updateScene({
        elements: api.getSceneElementsIncludingDeleted().map((shape) => shape.fileId === from
          ? { ...shape, fileId: to, version: shape.version + 1, versionNonce: Math.floor(Math.random() * 2 ** 31) }
          : shape),
        captureUpdate: CaptureUpdateAction.NEVER
      })
    })
    const binding = new Binding({
      doc: board.doc, api, presence, images, restore: restoreOne, never: CaptureUpdateAction.NEVER
    })
    parts.current = { api, binding, images }

    let first = true
    api.onChange((scene, state) => {
      /* Excalidraw calls this only after its own start; before that the scene is not ours. */
      if (first) {
        first = false
        binding.start()
        images.resume()
        showSomething(api, id)
        onceSynced(board.provider, () => {
          binding.purge()
          binding.apply()
          showSomething(api, id)
        })
      }
      binding.sceneChanged(scene, state)
      presence.setSelection(Object.keys(state.selectedElementIds))
      setTheme(state.theme)
    })
    api.onScrollChange((x, y, zoom) => {
      saveView(id, { x, y, zoom: zoom.value })
      presence.setView(getVisibleSceneBounds(api.getAppState()))
    })
    api.onUserFollow(({ userToFollow, action }) => action === 'FOLLOW' && follow(Number(userToFollow.socketId)))

    const follow = (client) => {
      const bounds = presence.viewOf(client)
      if (!bounds) return
      const { scrollX, scrollY, zoom } = zoomToFitBounds({
        appState: api.getAppState(), bounds, fitToViewport: true, viewportZoomFactor: 1
      }).appState
      api.updateScene({ appState: { scrollX, scrollY, zoom } })
    }

    let names = ''
    const showPeople = () => {
      const others = presence.collaborators()
      api.updateScene({ collaborators: others })
      const followed = api.getAppState().userToFollow
      if (followed) follow(Number(followed.socketId))
      /* Cursors move all the time, people come and go rarely: the bar hears of the latter. */
      const list = [...others.values()].map(({ username, socketId }) => ({ name: username, key: socketId }))
      if (JSON.stringify(list) === names) return
      names = JSON.stringify(list)
      setPeople(list)
    }
    presence.onPeople(showPeople)
    showPeople()

    /* For the browser's console and for tests. */
    window.gesso = { doc: board.doc, provider: board.provider, excalidraw: api, binding, presence, images }
  }, [board, id, presence])

  useEffect(() => {
    const leave = () => parts.current?.binding.flush()
    const hide = () => document.visibilityState === 'hidden' && leave()
    addEventListener('pagehide', leave)
    document.addEventListener('visibilitychange', hide)
    return () => {
      removeEventListener('pagehide', leave)
      document.removeEventListener('visibilitychange', hide)
    }
  }, [])

  /* Excalidraw tells where the pointer is, not that it left. */
  useEffect(() => {
    const gone = () => presence.setPointer(null, 'up')
    const element = frame.current
    element.addEventListener('pointerleave', gone)
    return () => element.removeEventListener('pointerleave', gone)
  }, [presence])

  const initialData = useMemo(() => {
    const view = loadView(id)
    return {
      appState: view ? { scrollX: view.x, scrollY: view.y, zoom: { value: view.zoom } } : {},
      libraryItems: loadLibrary()
    }
  }, [id])

  return (
    <div className="page">
      <Bar title={title} rename={rename} connection={connection} user={user} changeUser={changeUser} people={people} />
      <div className="frame" ref={frame}>
        <Excalidraw
          excalidrawAPI={connect}
          initialData={initialData}
          theme={theme}
          langCode={useMemo(language, [])}
          name={title || 'board'}
          UIOptions={uiOptions}
          isCollaborating
          handleKeyboardGlobally
          autoFocus
          aiEnabled={false}
          validateEmbeddable={false}
          viewModeEnabled={connection.state === 'closed'}
          generateIdForFile={(file) => parts.current.images.idFor(file)}
          onLibraryChange={saveLibrary}
          onPointerUpdate={({ pointer, button }) => presence.setPointer(pointer, button)}
        >
          <MainMenu>
            <MainMenu.ItemLink href="/" target="_self">All boards</MainMenu.ItemLink>
            <MainMenu.Separator />
            <MainMenu.DefaultItems.SearchMenu />
            <MainMenu.DefaultItems.Export />
            <MainMenu.DefaultItems.SaveAsImage />
            <MainMenu.DefaultItems.Help />
            <MainMenu.Separator />
            <MainMenu.DefaultItems.ToggleTheme />
          </MainMenu>
        </Excalidraw>
      </div>
    </div>
  )
}

/* A visitor who comes for the first time must not look at an empty corner of a full board. Drawing
 * thousands of shapes at once takes seconds, so a very full board is not shown whole. */
const placed = new Set()
const fitMax = 1500

function showSomething(api, id) {
  if (placed.has(id) || loadView(id)) return
  const shapes = api.getSceneElements()
  if (shapes.length === 0) return
  placed.add(id)
  const { scrollX, scrollY, width, height, zoom } = api.getAppState()
  const inside = shapes.every(({ x, y, width: w, height: h }) =>
    (x + scrollX) * zoom.value >= 0 && (y + scrollY) * zoom.value >= 0 &&
    (x + w + scrollX) * zoom.value <= width && (y + h + scrollY) * zoom.value <= height)
  if (!inside) api.scrollToContent(shapes, { fitToContent: shapes.length <= fitMax, animate: false })
}
