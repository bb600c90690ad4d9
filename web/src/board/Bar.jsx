/* The bar above the canvas: way home, title, connection, who is here, one's own name, share. */
import { useEffect, useRef, useState } from 'react'
import { colourOf } from './presence.js'

const states = {
  connecting: ['wait', 'Connecting', 'Connecting to the server'],
  connected: ['ok', 'Connected', 'Every change is sent at once'],
  readonly: ['wait', 'Not stored – changes kept',
    'The server cannot store changes at the moment, or this board is full. They are kept in this browser and sent when it can.'],
  offline: ['wait', 'Offline – changes kept', 'The server cannot be reached. You can go on drawing: changes are kept in this browser and sent when it is back.'],
  closed: ['bad', 'Closed', 'The server does not serve this board any more']
}

function closedWords({ code, reason }) {
  if (code === 4404) return 'This board was deleted'
  if (code === 4401 || code === 4403) return reason || 'You may not see this board'
  return reason || `The server closed this board (${code})`
}

export function Bar({ title, rename, connection, user, changeUser, people }) {
  const [kind, words, hint] = states[connection.state]
  return (
    <header className="bar">
      <a className="home" href="/" title="All boards" aria-label="All boards">
        <img src="/favicon.svg" alt="" width="24" height="24" />
      </a>
      <Title title={title} rename={rename} />
      <span className={`connection ${kind}`} role="status" data-state={connection.state} title={hint}>
        <span className="words">{connection.closed ? closedWords(connection.closed) : words}</span>
      </span>
      <span className="space" />
      {people.length > 0 && (
        <span className="people" title={people.map(({ name }) => name).join(', ')}>
          {people.length === 1 ? '1 other here' : `${people.length} others here`}
        </span>
      )}
      <Me user={user} changeUser={changeUser} />
      <Share />
    </header>
  )
}

/* Excalidraw listens to the whole page's keys; what is typed here is not for it. */
const keepKeys = (event) => {
  if (event.key === 'Enter' || event.key === 'Escape') event.currentTarget.blur()
  event.stopPropagation()
}

function Title({ title, rename }) {
  const [draft, setDraft] = useState(null)
  const cancelled = useRef(false)
  return (
    <input
      className="title"
      aria-label="Title of this board"
      placeholder="Untitled board"
      maxLength={200}
      spellCheck={false}
      autoComplete="off"
      value={draft ?? title}
      onFocus={() => {
        cancelled.current = false
        setDraft(title)
      }}
      onChange={(event) => setDraft(event.target.value)}
      onKeyDown={(event) => {
        cancelled.current = event.key === 'Escape'
        keepKeys(event)
      }}
      onBlur={() => {
        if (!cancelled.current && draft !== null) rename(draft)
        setDraft(null)
      }}
    />
  )
}

function Me({ user, changeUser }) {
  const [open, setOpen] = useState(false)
  const [draft, setDraft] = useState(user.name)
  const box = useRef(null)

  useEffect(() => {
    if (!open) return undefined
    const outside = (event) => !box.current?.contains(event.target) && setOpen(false)
    document.addEventListener('pointerdown', outside, true)
    return () => document.removeEventListener('pointerdown', outside, true)
  }, [open])

  const save = (event) => {
    event.preventDefault()
    if (draft.trim()) changeUser({ name: draft.trim().slice(0, 60) })
    setOpen(false)
  }

  return (
    <span className="me" ref={box}>
      <button
        type="button"
        className="name"
        aria-expanded={open}
        title="Your name, as others see it"
        onClick={() => {
          setDraft(user.name)
          setOpen(!open)
        }}
      >
        <span className="dot" style={{ background: colourOf(user.hue) }}>{[...user.name][0]?.toUpperCase()}</span>
        <span className="words">{user.name}</span>
      </button>
      {open && (
        <form className="popover" onSubmit={save}>
          <label htmlFor="my-name">Your name</label>
          <span className="row">
            <input
              id="my-name"
              autoFocus
              maxLength={60}
              autoComplete="nickname"
              value={draft}
              onChange={(event) => setDraft(event.target.value)}
              onKeyDown={(event) => {
                if (event.key === 'Escape') setOpen(false)
                event.stopPropagation()
              }}
            />
            <button type="submit" className="primary">Save</button>
          </span>
        </form>
      )}
    </span>
  )
}

function Share() {
  const [done, setDone] = useState('')
  const copy = async () => {
    /* The clipboard needs https or localhost; elsewhere the address is shown to be copied by hand. */
    try {
      if (navigator.share && matchMedia('(pointer: coarse)').matches) {
        await navigator.share({ url: location.href })
        return
      }
      await navigator.clipboard.writeText(location.href)
      setDone('Address copied')
      setTimeout(() => setDone(''), 2000)
    } catch (error) {
      if (error?.name !== 'AbortError') window.prompt('The address of this board', location.href)
    }
  }
  return <button type="button" className="share primary" onClick={copy}>{done || 'Share'}</button>
}
