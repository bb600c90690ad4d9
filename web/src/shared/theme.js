/* Light or dark: what was chosen on a board, else what the system says. */

const key = 'gesso:theme'

const ofSystem = () => (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')

export function loadTheme() {
  try {
    const saved = localStorage.getItem(key)
    if (saved === 'light' || saved === 'dark') return saved
  } catch { /* no storage */ }
  return ofSystem()
}

/* Only a choice against the system is remembered, so that the page follows the system otherwise. */
export function saveTheme(theme) {
  try {
    if (theme === ofSystem()) localStorage.removeItem(key)
    else localStorage.setItem(key, theme)
  } catch { /* no storage */ }
}
