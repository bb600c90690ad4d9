// The workloads of the table: what it is called, workload of engine.c, input, the figure that is compared, what it must be of Yjs
// (1 / n), what of y-crdt, and what at most whatever they need (KB, ms, pieces).

// What `make bench` runs.
export const quick = paths => [
  ['text: apply every update', 'apply', paths.updates, 'ms', 15, 3],
  ['text: load, steady', 'load', paths.text, 'ms', 15, 3],
  ['text: load, first in a process', 'load', paths.text, 'first', 15, 3],
  ['text: load v2, steady', 'load2', paths.text2, 'ms'],
  ['text: heap after load', 'heap', paths.text, 'heap', 3, 3, paths.b4 ? 830 : undefined],
  ['text: allocations of a load', 'heap', paths.text, 'allocations', undefined, undefined, 50],
  ['text: encode the state', 'encode', paths.text, 'ms', 10, 2],
  // Yjs is compared where it has not warmed up: a server encodes a board now and then. Settled it takes a tenth of that.
  ['text: encode the state, v2', 'encode2', paths.text, 'ms', undefined, 2],
  ['text: encode the state, v2, first in a process', 'encode2', paths.text, 'first', 60],
  ['text: diff with nothing new', 'nothing-new', paths.text, 'ms', 50, 10],
  ['text: diff for half of it', 'diff', paths.text, 'ms'],
  ['text: the bytes cut down to nothing new', 'cut', paths.text, 'ms', 15],
  ['6,000 random inserts', 'keystrokes', paths['random-inserts'], 'ms', 60, 20],
  ['6,000 random words', 'keystrokes', paths['random-words'], 'ms', 60, 20],
  ['6,000 inserts and deletes', 'keystrokes', paths['inserts-and-deletes'], 'ms', 60, 20],
  ['6,000 numbers into an array', 'array', paths.numbers, 'ms', 60, 20],
  ['two users at once, 12,000 edits each', 'both-users', paths['both-edits'], 'ms', 30, 100],
  ['6,000 appends', 'keystrokes', paths.appends, 'ms', 60, 3],
  ['6,000 values of one key', 'overwrite', paths.numbers, 'ms', 60, 3],
  ['1,540 clients, one key', 'apply', paths['crowd-key.updates'], 'ms', 12, 5],
  ['1,540 clients, one position', 'apply', paths['crowd-position.updates'], 'ms', 12, 5],
  ['2,000 updates in random order', 'apply', paths['out-of-order.updates'], 'ms', 12, undefined, 10],
  ['whiteboard: apply every update', 'apply', paths.boardUpdates, 'ms', 20, 3],
  ['whiteboard: load, steady', 'load', paths.board, 'ms', 15, 3],
  ['whiteboard: load v2, steady', 'load2', paths['board.state2'], 'ms', 15, 4],
  ['whiteboard: encode the state, v2', 'encode2', paths.board, 'ms', undefined, 2],
  ['whiteboard: merge the bytes of 2,000 updates', 'merge', paths['some.updates'], 'ms', 50],
  ['whiteboard: heap after load', 'heap', paths.board, 'heap', 6, 6, 2400],
  ['50 shapes: load, steady', 'load', paths['50-shapes.state'], 'ms', 20, 4],
  ['1,000 rooms of 50 shapes: open one', 'rooms', paths['50-shapes.state'], 'ms', 20, 4],
  ['1,000 rooms of 50 shapes: heap of one', 'rooms', paths['50-shapes.state'], 'heap', 4, 4]
]

// What takes long in the others. `more` are the editing traces that are typed besides, [name, path of the edits].
export const long = (paths, more) => [
  ['text: a transaction and an update a keystroke', 'keystrokes', paths.edits, 'ms', 30, 150],
  ['text: all keystrokes in one transaction', 'once', paths.edits, 'ms', 25, 1500],
  ...more.map(([name, path]) => [`${name}: a transaction a keystroke`, 'keystrokes', path,
    'ms', name.startsWith('svelte') ? 45 : 25, name.startsWith('svelte') ? 30 : 60]),
  ['text: fold every update in one transaction', 'fold', paths.updates, 'ms', 8, 30],
  ['text x 100: load, steady', 'load', paths.hundred, 'ms', 15, 3.175],
  ['text x 100: heap', 'heap', paths.hundred, 'heap', 3, 2.85, paths.b4 ? 90 * 1024 : undefined],
  ['text: diff for half of it, v2', 'diff2', paths.text, 'ms'],
  ['text: the bytes cut down to half', 'cut-half', paths.text, 'ms'],
  ['text: the bytes cut down to half, v2', 'cut-half2', paths.text2, 'ms'],
  ['text: the state vector of the bytes', 'vector-of', paths.text, 'ms'],
  ['text: merge the bytes of every update', 'merge-all', paths.updates, 'ms'],
  ['6,000 characters as one string', 'keystrokes', paths['one-string'], 'ms'],
  ['6,000 prepends', 'keystrokes', paths.prepends, 'ms'],
  ['6,000 characters as one string, all deleted', 'keystrokes', paths['string-and-back'], 'ms'],
  ['6,000 numbers appended', 'array', paths['numbers-appended'], 'ms'],
  ['6,000 numbers at once', 'array-bulk', paths.numbers, 'ms'],
  ['6,000 numbers prepended', 'array', paths['numbers-prepended'], 'ms'],
  ['two users at once, a string of 6,000 each', 'both-users', paths['both-strings'], 'ms'],
  ['two users at once, 6,000 random inserts each', 'both-users', paths['both-inserts'], 'ms'],
  ['two users at once, 6,000 random words each', 'both-users', paths['both-words'], 'ms'],
  ['two users, 6,000 edits each, then all updates', 'two-users', paths['two-users'], 'ms'],
  ['1,540 clients, an object under one key', 'apply', paths['crowd-object.updates'], 'ms', 12, 5],
  ['1,540 clients, a string of 5 KB under one key', 'apply', paths['crowd-long-string.updates'], 'ms', 12, 5],
  ['1,540 clients, one position of an array', 'apply', paths['crowd-array.updates'], 'ms', 12, 5],
  ['1,540 clients at once, one key', 'fold', paths['crowd-key.updates'], 'ms', 12, 5],
  ['1,540 clients at once, an object under one key', 'fold', paths['crowd-object.updates'], 'ms', 12, 5],
  ['1,540 clients at once, 5 KB under one key', 'fold', paths['crowd-long-string.updates'], 'ms', 12, 5],
  ['1,540 clients at once, one position of an array', 'fold', paths['crowd-array.updates'], 'ms', 12, 5],
  ['1,540 clients at once, one position', 'fold', paths['crowd-position.updates'], 'ms', 12, 5],
  ['whiteboard: fold every update in one transaction', 'fold', paths.boardUpdates, 'ms'],
  ['whiteboard: encode the state', 'encode', paths.board, 'ms', 10, 2],
  ['whiteboard: diff with nothing new', 'nothing-new', paths.board, 'ms', 50, 10],
  ['whiteboard: diff for half of it', 'diff', paths.board, 'ms'],
  ['whiteboard: diff for half of it, v2', 'diff2', paths.board, 'ms'],
  ['whiteboard: the bytes cut down to half', 'cut-half', paths.board, 'ms'],
  ['whiteboard: merge the bytes of 2,000 updates, v2', 'merge2', paths['some.updates2'], 'ms'],
  ['whiteboard: merge the bytes of every update', 'merge-all', paths.boardUpdates, 'ms'],
  ['100,000 shapes: load, steady', 'load', paths['100000-shapes.state'], 'ms', 15, 4],
  ['100,000 shapes: load v2, steady', 'load2', paths['100000-shapes.state2'], 'ms'],
  ['100,000 shapes: heap', 'heap', paths['100000-shapes.state'], 'heap', 4, 4, 100 * 1024]
]

// What no engine can do without: the bytes are copied, or looked at one by one.
export const floors = paths => [
  ['floor: the bytes of the text copied', 'floor-copy', paths.text, 'ms'],
  ['floor: the bytes of the text read as numbers', 'floor-scan', paths.text, 'ms'],
  ['floor: the bytes of the whiteboard copied', 'floor-copy', paths.board, 'ms'],
  ['floor: the bytes of the whiteboard read as numbers', 'floor-scan', paths.board, 'ms']
]
