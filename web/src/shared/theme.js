/* Light or dark: what was chosen on a board, else what the system says. */

const key = 'gesso:theme'

export function loadTheme() {
  try {
    const saved = localStorage.getItem(key)
    if (saved === 'light' || saved === 'dark') return saved
  } catch { /* no storage */ }
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
}

export function saveTheme(theme) {
  try {
    localStorage.setItem(key, theme)
  } catch { /* no storage */ }
}
