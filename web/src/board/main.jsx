import '../shared/base.css'
import '@excalidraw/excalidraw/index.css'
import './board.css'
import { createRoot } from 'react-dom/client'
import { Board } from './Board.jsx'

function idOf(part) {
  try {
    return decodeURIComponent(part)
  } catch {
    return part /* a % that somebody typed stands for itself */
  }
}

const id = idOf(location.pathname.replace(/^\/b\//, ''))

createRoot(document.getElementById('root')).render(<Board id={id} />)
