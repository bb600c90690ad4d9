"""Boards on disk from Python, through ctypes and an asyncio event loop.

usage: ctypes_demo.py LIBGESSO_SO

The five verbs of board persistence as coroutines. Nothing here blocks the loop: each call hands its
work to the library's threads, and the loop is told by a descriptor when something has completed."""

import asyncio
import ctypes as c
import itertools
import json
import sys
import tempfile


class Bytes(c.Structure):
    _fields_ = [("data", c.c_char_p), ("len", c.c_size_t)]


class Buffer(c.Structure):
    _fields_ = [("data", c.c_void_p), ("len", c.c_size_t), ("capacity", c.c_size_t), ("alloc", c.c_void_p)]


class Options(c.Structure):
    _fields_ = [
        ("size", c.c_size_t), ("alloc", c.c_void_p), ("folder", c.c_char_p), ("flags", c.c_uint32),
        ("durability", c.c_uint32), ("debounce_ms", c.c_uint32), ("max_wait_ms", c.c_uint32),
        ("purge_after_ms", c.c_uint64), ("journal_bytes_max", c.c_uint64), ("wal_bytes_max", c.c_uint64),
        ("queue_bytes_max", c.c_uint64), ("doc_memory_max", c.c_uint64), ("group_window_us", c.c_uint32),
        ("owner", c.c_char_p), ("address", c.c_char_p)]


class Load(c.Structure):
    _fields_ = [
        ("result", c.c_int), ("status", c.c_int), ("message", c.c_char_p), ("board", Bytes),
        ("generation", c.c_uint64), ("state", Bytes), ("updates", c.c_void_p), ("update_count", c.c_size_t),
        ("doc", c.c_void_p), ("state_version", c.c_uint32), ("pad", c.c_uint32)]


class Value(c.Structure):
    _fields_ = [("kind", c.c_int), ("type", c.c_int), ("number", c.c_double), ("bytes", Bytes)]


DONE = c.CFUNCTYPE(None, c.c_void_p, c.c_int)
COUNT = c.CFUNCTYPE(None, c.c_void_p, c.c_uint64)
LOAD = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(Load))
READY = c.CFUNCTYPE(None, c.c_void_p, c.c_int, c.c_char_p)
MAP, VALUE_JSON = 1, 6
RESULTS = ["found", "never existed", "deleted", "unreadable"]

lib = None


def open_library(path):
    global lib
    lib = c.CDLL(path)
    P, B, V = c.c_void_p, Bytes, c.c_void_p
    for name, result, args in [
        ("gesso_persistence_open", c.c_int, [c.POINTER(Options), c.POINTER(P), c.POINTER(Buffer)]),
        ("gesso_persistence_ready", c.c_int, [P, READY, V]),
        ("gesso_persistence_poll_fd", c.c_int, [P]),
        ("gesso_persistence_dispatch", c.c_size_t, [P]),
        ("gesso_persistence_close", c.c_int, [P, COUNT, V]),
        ("gesso_persistence_destroy", None, [P]),
        ("gesso_persistence_flush_pending", c.c_int, [P, COUNT, V]),
        ("gesso_board_persistence_load", c.c_int, [P, B, LOAD, V]),
        ("gesso_board_load_take_doc", c.c_void_p, [c.POINTER(Load)]),
        ("gesso_board_persistence_save", c.c_int, [P, B, DONE, V]),
        ("gesso_board_persistence_save_debounced", c.c_int, [P, B, DONE, V]),
        ("gesso_board_persistence_delete", c.c_int, [P, B, c.c_uint32, DONE, V]),
        ("gesso_board_persistence_attach", c.c_int, [P, B, c.c_uint64, V, V, V, V]),
        ("gesso_board_persistence_detach", c.c_int, [P, V]),
        ("gesso_doc_create", c.c_void_p, [V]),
        ("gesso_doc_destroy", None, [V]),
        ("gesso_doc_root", c.c_uint32, [V, B, c.c_int]),
        ("gesso_map_set", c.c_int, [V, c.c_uint32, B, Value, V]),
        ("gesso_type_to_json", c.c_int, [V, c.c_uint32, c.c_int, c.POINTER(Buffer)]),
        ("gesso_buffer_free", None, [c.POINTER(Buffer)]),
        ("gesso_status_text", c.c_char_p, [c.c_int]),
    ]:
        f = getattr(lib, name)
        f.restype, f.argtypes = result, args


def text(s):
    b = s.encode()
    return Bytes(b, len(b))


def check(status):
    if status != 0:
        raise RuntimeError(lib.gesso_status_text(status).decode())


class Board:
    """A document: a map of shapes."""

    def __init__(self, doc=None):
        self.doc = doc or lib.gesso_doc_create(None)
        self.shapes = lib.gesso_doc_root(self.doc, text("shapes"), MAP)

    def set(self, name, value):
        check(lib.gesso_map_set(self.doc, self.shapes, text(name), Value(VALUE_JSON, 0, 0, text(json.dumps(value))), None))

    def json(self):
        out = Buffer()
        check(lib.gesso_type_to_json(self.doc, self.shapes, MAP, out))
        value = json.loads(c.string_at(out.data, out.len))
        lib.gesso_buffer_free(out)
        return value

    def close(self):
        lib.gesso_doc_destroy(self.doc)


class BoardPersistence:
    def __init__(self, folder, debounce_seconds=5.0):
        o = Options(size=c.sizeof(Options), folder=folder.encode(), debounce_ms=int(debounce_seconds * 1000))
        self.handle, why = c.c_void_p(), Buffer()
        if lib.gesso_persistence_open(o, self.handle, why) != 0:
            raise RuntimeError(c.string_at(why.data, why.len).decode())
        self.numbers, self.waiting = itertools.count(1), {}
        # ctypes' callbacks must live as long as they may be called: one of each kind is enough.
        self.on_done = DONE(self._done)
        self.on_count = COUNT(self._done)
        self.on_load = LOAD(self._load)
        self.on_ready = READY(lambda number, status, message: self._done(number, status))
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(lib.gesso_persistence_poll_fd(self.handle),
                             lambda: lib.gesso_persistence_dispatch(self.handle))

    def _done(self, number, value):
        self.waiting.pop(number).set_result(value)

    def _load(self, number, load):
        doc = lib.gesso_board_load_take_doc(load)
        self.waiting.pop(number).set_result((RESULTS[load.contents.result], Board(doc) if doc else None))

    def _start(self, verb, *args):
        number = next(self.numbers)
        future = self.waiting[number] = self.loop.create_future()
        try:
            check(verb(self.handle, *args, number))
        except Exception:
            del self.waiting[number]
            raise
        return future

    async def ready(self):
        check(await self._start(lib.gesso_persistence_ready, self.on_ready))

    async def load(self, board):
        return await self._start(lib.gesso_board_persistence_load, text(board), self.on_load)

    async def save(self, board):
        check(await self._start(lib.gesso_board_persistence_save, text(board), self.on_done))

    def save_debounced(self, board):
        return self._start(lib.gesso_board_persistence_save_debounced, text(board), self.on_done)

    async def delete(self, board):
        check(await self._start(lib.gesso_board_persistence_delete, text(board), 0, self.on_done))

    async def flush_pending(self):
        return await self._start(lib.gesso_persistence_flush_pending, self.on_count)

    def attach(self, name, board):
        check(lib.gesso_board_persistence_attach(self.handle, text(name), 0, board.doc, None, None, None))

    def detach(self, board):
        check(lib.gesso_board_persistence_detach(self.handle, board.doc))

    async def close(self):
        failed = await self._start(lib.gesso_persistence_close, self.on_count)
        self.loop.remove_reader(lib.gesso_persistence_poll_fd(self.handle))
        lib.gesso_persistence_destroy(self.handle)
        return failed


async def main(folder):
    store = BoardPersistence(folder)
    await store.ready()
    assert await store.load("plan") == ("never existed", None)
    drawn = Board()
    store.attach("plan", drawn)
    for i in range(100):
        drawn.set("shape%d" % (i % 7), {"x": i, "label": "pâté 🎨"})
    await store.save("plan")
    drawn.set("last", True)
    assert await store.flush_pending() == 0
    want = drawn.json()
    store.detach(drawn)
    drawn.close()
    try:
        BoardPersistence(folder)
        raise AssertionError("a second writer was let in")
    except RuntimeError as e:
        assert "open for writing by process" in str(e), e
    assert await store.close() == 0

    store = BoardPersistence(folder)
    result, again = await store.load("plan")
    assert result == "found" and again.json() == want, (result, again and again.json())
    store.attach("plan", again)
    again.set("late", 1)
    pending = store.save_debounced("plan")
    await store.delete("plan")
    assert lib.gesso_status_text(await pending) == b"deleted"
    assert lib.gesso_status_text(await pending) == b"deleted"
    assert (await store.load("plan"))[0] == "deleted"
    store.detach(again)
    again.close()
    assert await store.close() == 0
    print("ctypes: load, save, save_debounced, delete, flush_pending: ok")


if __name__ == "__main__":
    open_library(sys.argv[1])
    with tempfile.TemporaryDirectory() as data:
        asyncio.run(main(data))
