import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'
import react from '@vitejs/plugin-react'

const here = path.dirname(fileURLToPath(import.meta.url))
const excalidraw = path.join(here, 'node_modules/@excalidraw/excalidraw')
const version = JSON.parse(fs.readFileSync(path.join(excalidraw, 'package.json'), 'utf8')).version

/* The canvas fonts are fetched by name at run time, so they keep their names; the version in the
 * folder is what lets them be cached for ever. */
const fontBase = `/assets/excalidraw-${version}/`

/* Assistant is the user interface's font: the style sheet carries it. Xiaolai (CJK handwriting) is
 * 12.7 MB in 209 files: too much for the binary, the system's CJK font is drawn instead. */
const fontsLeftOut = new Set(['Assistant', 'Xiaolai'])

/* Replaces exactly `times` occurrences or fails the build: a silent miss would let the page ask
 * other hosts for fonts after an upgrade of Excalidraw. */
function replaceExactly(code, pattern, by, times) {
  const found = code.match(pattern)?.length ?? 0
  if (found !== times) throw new Error(`expected ${times} matches of ${pattern}, found ${found}`)
  return code.replace(pattern, by)
}

function selfHostedFonts() {
  return {
    name: 'gesso-self-hosted-fonts',
    apply: 'build',
    enforce: 'pre',
    transform(code, id) {
      if (!id.includes('@excalidraw/excalidraw/dist/prod/') || !code.includes('ASSETS_FALLBACK_URL'))
        return null
      /* Every font face gets this URL as its last source. */
      code = replaceExactly(code, /`https:\/\/esm\.sh\/(?:\$\{[^}]*\{[^}]*\}[^}]*\{[^}]*\}[^}]*\}|[^`])*`/g,
        `(location.origin+${JSON.stringify(fontBase)})`, 1)
      const cjk = code.match(/([\w$]+)="Xiaolai"/)
      if (!cjk) throw new Error('the CJK fallback font has another name now')
      const name = cjk[1].replace(/\$/g, '\\$')
      code = replaceExactly(code, new RegExp(`\\(${name},\\.\\.\\.[\\w$]+\\)`, 'g'), `(${cjk[1]})`, 1)
      this.info('fonts come from our own host')
      return { code, map: null }
    },
    generateBundle() {
      const root = path.join(excalidraw, 'dist/prod/fonts')
      for (const family of fs.readdirSync(root).sort()) {
        if (fontsLeftOut.has(family)) continue
        for (const file of fs.readdirSync(path.join(root, family)).sort()) {
          this.emitFile({
            type: 'asset',
            fileName: `${fontBase.slice(1)}fonts/${family}/${file}`,
            source: fs.readFileSync(path.join(root, family, file))
          })
        }
      }
    }
  }
}

export default defineConfig({
  plugins: [react(), selfHostedFonts()],
  resolve: { alias: { '@excalidraw/mermaid-to-excalidraw': path.join(here, 'stubs/mermaid.js') } },
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4000,
    reportCompressedSize: false,
    rollupOptions: {
      input: { index: path.join(here, 'index.html'), board: path.join(here, 'board.html') }
    }
  }
})
