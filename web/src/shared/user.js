/* Who sits at this browser: a name that can be changed, a colour that stays. */

const key = 'gesso:user'

const colours = ['Amber', 'Azure', 'Copper', 'Coral', 'Crimson', 'Emerald', 'Golden', 'Indigo', 'Ivory', 'Jade',
  'Olive', 'Ochre', 'Pearl', 'Ruby', 'Sable', 'Scarlet', 'Silver', 'Teal', 'Umber', 'Violet']
const animals = ['Badger', 'Beaver', 'Crane', 'Falcon', 'Finch', 'Fox', 'Gecko', 'Heron', 'Ibis', 'Lark', 'Lynx',
  'Marten', 'Newt', 'Otter', 'Owl', 'Raven', 'Robin', 'Seal', 'Swift', 'Wren']

const pick = (list) => list[Math.floor(Math.random() * list.length)]

function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => b.toString(16).padStart(2, '0')).join('')
}

export function loadUser(hues) {
  let saved = null
  try {
    saved = JSON.parse(localStorage.getItem(key))
  } catch { /* storage is closed, or holds something else */ }
  const user = {
    id: typeof saved?.id === 'string' ? saved.id : randomId(),
    name: typeof saved?.name === 'string' && saved.name.trim() ? saved.name.slice(0, 60) : `${pick(colours)} ${pick(animals)}`,
    hue: Number.isInteger(saved?.hue) ? saved.hue : Math.floor(Math.random() * hues)
  }
  saveUser(user)
  return user
}

export function saveUser(user) {
  try {
    localStorage.setItem(key, JSON.stringify(user))
  } catch { /* private mode: the name lasts as long as the page */ }
}
