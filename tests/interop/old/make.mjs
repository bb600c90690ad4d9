// Makes one fixture: what some version of Yjs writes. That version is installed anywhere outside this tree:
//
//   npm install yjs@13.0.8   in some folder, then   node make.mjs FOLDER > yjs-13.0.8.json
//
// The script uses nothing that 13.0 did not have, asks no clock and no chance, so that it gives the same bytes
// every time. The JSON is what the same version reads from its own document.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const folder = join(process.argv[2], 'node_modules')
const versionOf = name => JSON.parse(readFileSync(join(folder, name, 'package.json'), 'utf8')).version
const Y = await import(pathToFileURL(join(folder, 'yjs/dist/yjs.mjs')))

const updates = []
function client (id, options) {
  const doc = new Y.Doc(options)
  doc.clientID = id
  doc.on('update', (update, origin) => { if (origin !== 'remote') updates.push(update) })
  return doc
}
const roots = doc => ({
  map: doc.getMap('map'), arr: doc.getArray('arr'), txt: doc.getText('txt'), xml: doc.getXmlFragment('xml'), more: doc.getMap('more')
})
const sync = (to, from) => Y.applyUpdate(to, Y.encodeStateAsUpdate(from, Y.encodeStateVector(to)), 'remote')

const a = client(7)
const b = client(4000000001)
const [ra, rb] = [roots(a), roots(b)]
ra.map.set('number', 1.5)
ra.map.set('large', 2 ** 40)
ra.map.set('text', 'é漢😀')
ra.map.set('object', { list: [1, null, true, { deep: 'x' }], '': 0 })
ra.map.set('bytes', new Uint8Array([0, 1, 254, 255]))
ra.arr.insert(0, [1, 'two', [3], { four: [null] }, false])
ra.txt.insert(0, 'one two three')
ra.txt.format(4, 3, { bold: true })
sync(b, a)
rb.txt.insert(13, ' four😀')
rb.txt.format(0, 7, { color: 'red' })
rb.txt.insertEmbed(3, { image: 'cat' })
rb.arr.delete(1, 2)
rb.map.set('number', 2)
rb.map.delete('text')
ra.txt.delete(2, 5)
ra.arr.insert(2, ['between'])
ra.map.set('number', 3)
const list = new Y.Array()
const inner = new Y.Map()
a.transact(() => {
  ra.more.set('list', list)
  list.insert(0, ['a', 'b', 'c'])
  ra.arr.insert(0, [inner])
  inner.set('x', 1)
  inner.set('x', 2)
})
const p = new Y.XmlElement('p')
const text = new Y.XmlText()
rb.xml.insert(0, [p, new Y.XmlElement('br')])
p.insert(0, [text])
p.setAttribute('class', 'wide')
text.insert(0, 'in <p>')
sync(a, b)
sync(b, a)
const undo = new Y.UndoManager([ra.txt, ra.more])
ra.txt.applyDelta([{ retain: 1 }, { insert: 'X', attributes: { bold: true } }, { delete: 2 }])
undo.stopCapturing()
ra.more.set('gone', 'soon')
undo.undo()
undo.undo()
undo.redo()
rb.txt.delete(0, 4)
rb.xml.delete(1, 1)
for (let i = 0; i < 20; i++) rb.txt.insert(rb.txt.length >> 1, String.fromCharCode(97 + i))
sync(a, b)
sync(b, a)

const plain = value => JSON.parse(JSON.stringify(value, (_, v) =>
  v instanceof Uint8Array ? { $bytes: Buffer.from(v).toString('base64') } : v))
const json = {
  map: plain(rb.map.toJSON()),
  arr: plain(rb.arr.toJSON()),
  txt: rb.txt.toString(),
  'txt as delta': plain(rb.txt.toDelta()),
  xml: rb.xml.toString(),
  more: plain(rb.more.toJSON())
}
const base64 = bytes => Buffer.from(bytes).toString('base64')
const fixture = { yjs: versionOf('yjs'), lib0: versionOf('lib0'), json, updates: updates.map(base64), state: base64(Y.encodeStateAsUpdate(b)) }
if (Y.encodeStateAsUpdateV2) fixture.stateV2 = base64(Y.encodeStateAsUpdateV2(b))
console.log(JSON.stringify(fixture, null, 1))
