/* Undo is the way back: after any edits, undoing them all leaves what there was at the start, redoing them all
 * what there was at the end, and each step on the way what there was at that step. Others see the same.
 *
 * Once there and back: what is undone again after that can lose elements in Yjs, and so here, when a copy was cut
 * while it came back itself.
 *
 * One step can take too much in Yjs, and so here. In a type that came back itself the copies of two neighbours
 * merge into one item when the clock of the right one follows that of the left one. A step that takes back an
 * element takes the item that stands for it: cut in front of the element, but not behind it, so that the copy
 * behind goes too, though the step did not insert it. In a new text in a map, type "bc", type "d" behind it, remove
 * "c", each a step of its own; undo all, redo all: "d" goes with "c". A run ends at such a step.
 *
 *   test_undo [first seed [how many]] */
#include "peers.h"
#include "base/buf.h"
#include "crdt/structs.h"
#include "crdt/undo.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define EDITS_MAX 24

static uint64_t seed_now;

static _Noreturn void fail(const char *what, const char *detail)
{
  fprintf(stderr, "seed %" PRIu64 ": %s: %s\n", seed_now, what, detail);
  exit(1);
}

static void must(const char *what, gesso_status s)
{
  if (s != GESSO_OK)
    fail(what, gesso_status_text(s));
}

/* The content without the state vector, which stands last and only grows. */
static gesso_buffer content_of(gesso_doc *doc)
{
  gesso_error error = { 0 };
  if (gesso_doc_check(doc, &error) != GESSO_OK)
    fail("check", error.message);
  gesso_buffer b = peer_content(doc);
  while (b.data[b.len - 1] != '{')
    b.len--;
  b.data[b.len - 1] = '0';
  b.data[b.len++] = ']';
  return b;
}

/* Whether the content is the one that is wanted. Unless it `may_differ` it must be. */
static bool expect_content(gesso_doc *doc, gesso_buffer want, const char *when, bool may_differ)
{
  gesso_buffer got = content_of(doc);
  bool same = same_content(want, got);
  if (!same && !may_differ) {
    fprintf(stderr, "want %.*s\ngot  %.*s\n", (int)want.len, (const char *)want.data, (int)got.len, (const char *)got.data);
    fail(when, "the content is another");
  }
  gesso_buffer_free(&got);
  return same;
}

static void keep(gesso_buffer *place, gesso_buffer content)
{
  gesso_buffer_free(place);
  *place = content;
}

/* What stands for an element now: its copy, or the copy of that, or itself. */
static gs_id stand_in(const gesso_doc *doc, gs_id id)
{
  for (;;) {
    gs_ix at = gs_struct_of(doc, id);
    gs_id copy = gs_redone(doc, at);
    if (copy.client == 0)
      return id;
    id = (gs_id){ copy.client, copy.clock + id.clock - doc->items[at].clock };
  }
}

static bool stands_for_any(const gesso_doc *doc, gs_id id, const gs_idset *of)
{
  for (uint32_t i = 0; i < of->n; i++)
    for (uint32_t k = 0; k < of->v[i].len; k++) {
      gs_id other = stand_in(doc, (gs_id){ of->v[i].client, of->v[i].clock + k });
      if (other.client == id.client && other.clock == id.clock)
        return true;
    }
  return false;
}

/* Whether taking that back takes elements that it did not insert: a struct's copy goes on behind what stands for
 * the struct. */
static bool takes_too_much(const gesso_doc *doc, const gs_idset *inserted)
{
  for (uint32_t i = 0; i < inserted->n; i++) {
    gs_range r = inserted->v[i];
    while (r.len > 0) {
      gs_id first = { r.client, r.clock };
      const gs_item *it = &doc->items[gs_struct_of(doc, first)];
      uint32_t len = GS_MIN(it->clock + it->len - r.clock, r.len);
      gs_id id = stand_in(doc, first);
      const gs_item *copy = &doc->items[gs_struct_of(doc, id)];
      if ((id.client != first.client || id.clock != first.clock) && !gs_is_deleted(copy))
        for (uint32_t at = id.clock + len; at < copy->clock + copy->len; at++)
          if (!stands_for_any(doc, (gs_id){ id.client, at }, inserted))
            return true;
      r.clock += len;
      r.len -= len;
    }
  }
  return false;
}

/* All the way back, or forth. seen[stack][n] is the content that goes with n items in that stack: what the one
 * that is taken from must lead to, and noted for the other. Items that make no difference are dropped on the way.
 * False: a step took too much. */
static bool go(gesso_doc *doc, gesso_undo *u, gesso_buffer seen[2][EDITS_MAX + 1], bool back)
{
  gesso_undo_stack from = back ? GESSO_UNDO : GESSO_REDO, to = back ? GESSO_REDO : GESSO_UNDO;
  keep(&seen[to][gesso_undo_depth(u, to)], content_of(doc));
  while (gesso_undo_depth(u, from) > 0) {
    size_t before = gesso_undo_depth(u, to), top = gesso_undo_depth(u, from);
    bool too_much[EDITS_MAX + 1];
    for (size_t i = 0; i < top; i++)
      too_much[i] = takes_too_much(doc, &u->stacks[from].v[i].insertions);
    int changed = 0;
    must("undo", back ? gesso_undo_undo(u, &changed) : gesso_undo_redo(u, &changed));
    if (gesso_undo_depth(u, to) != before + (changed != 0))
      fail("undo", "the other stack has not got what was done");
    size_t now = gesso_undo_depth(u, from);
    if (!expect_content(doc, seen[from][now], back ? "undo" : "redo", changed && too_much[now]))
      return false;
    keep(&seen[to][gesso_undo_depth(u, to)], content_of(doc));
  }
  return true;
}

static void run(uint64_t seed)
{
  seed_now = seed;
  random_source r = { seed * 31 + 7 };
  static pool updates;
  gesso_doc_options o = { .size = sizeof o, .client_id = 5, .flags = random_chance(&r, 25) ? GESSO_DOC_NO_GC : 0 };
  gesso_doc *doc = gesso_doc_create(&o), *other = peer_doc(9, NULL), *witness = peer_doc(3, NULL);
  /* What was there before: by somebody else, and by ourselves. */
  for (uint32_t i = random_below(&r, 8); i > 0; i--)
    (void)peer_edit(other, &r, &updates, true);
  for (uint32_t i = 0; i < updates.count; i++)
    must("apply", gesso_doc_apply_v1(doc, (gesso_bytes){ updates.updates[i].data, updates.updates[i].len }, NULL));
  for (uint32_t i = random_below(&r, 4); i > 0; i--)
    (void)peer_edit(doc, &r, &updates, true);
  /* Without this a key that was set and removed within one stack item blocks older ones, as in Yjs: the item is in
   * no stack any more once that was undone, and so looks like somebody else's. */
  gesso_undo_options uo = { .size = sizeof uo, .ignore_remote_map_changes = 1 };
  uo.capture_timeout_ms = random_chance(&r, 50) ? -1 : 1000000000;
  gesso_undo *u = gesso_undo_create(doc, &uo);
  gesso_buffer start = content_of(doc); /* makes the roots */
  static const char *const roots[] = { "map", "array", "text", "other" };
  for (size_t i = 0; i < 4; i++) {
    gesso_type root = gesso_doc_find_root(doc, (gesso_bytes){ (const uint8_t *)roots[i], strlen(roots[i]) });
    must("scope", gesso_undo_add_scope(u, root));
  }
  gesso_buffer seen[2][EDITS_MAX + 1] = { { start } };
  for (uint32_t i = 1 + random_below(&r, EDITS_MAX); i > 0; i--) {
    (void)peer_edit(doc, &r, &updates, true);
    keep(&seen[GESSO_UNDO][gesso_undo_depth(u, GESSO_UNDO)], content_of(doc));
    if (random_chance(&r, 40))
      gesso_undo_stop_capturing(u);
  }
  gesso_buffer end = content_of(doc);
  if (go(doc, u, seen, true)) {
    expect_content(doc, seen[GESSO_UNDO][0], "all undone", false);
    if (go(doc, u, seen, false))
      expect_content(doc, end, "all redone", false);
  }
  keep(&end, content_of(doc));
  gesso_buffer state = { 0 };
  must("encode", gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &state, NULL));
  must("apply", gesso_doc_apply_v1(witness, (gesso_bytes){ state.data, state.len }, NULL));
  expect_content(witness, end, "what others see", false);
  gesso_buffer_free(&state);
  gesso_buffer_free(&end);
  for (size_t k = 0; k <= EDITS_MAX; k++) {
    gesso_buffer_free(&seen[GESSO_UNDO][k]);
    gesso_buffer_free(&seen[GESSO_REDO][k]);
  }
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
  gesso_doc_destroy(witness);
  pool_free(&updates);
}

int main(int argc, char **argv)
{
  uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 400;
  for (uint64_t seed = first; seed < first + count; seed++)
    run(seed);
  printf("%" PRIu64 " seeds\n", count);
  return 0;
}
