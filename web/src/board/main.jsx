import '../shared/base.css'
import '@excalidraw/excalidraw/index.css'
import './board.css'
import { createRoot } from 'react-dom/client'
import { Board } from './Board.jsx'

/* The raw path is the id: see shared/api.js. */
const id = location.pathname.replace(/^\/b\//, '')

createRoot(document.getElementById('root')).render(<Board id={id} />)
