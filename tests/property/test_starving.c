/* One scenario with a bit of everything, again and again: each time another allocation fails, from the first
 * to the last. The call says NOMEM and the document is sound; a call that only reads is made again and works;
 * the rest of the scenario goes on; in the end what the document emits loads to what it holds, and no memory is
 * left.
 *
 *   test_starving [first failing allocation [how many]] */
#include "gesso/position.h"
#include "gesso/snapshot.h"
#include "gesso/undo.h"
#include "gesso/update.h"
#include "peers.h"
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>

struct scene {
  struct faulty memory;
  gesso_allocator al;
  gesso_doc *doc;
  gesso_undo *undo;
  gesso_snapshot *snapshot;
  gesso_type text, array, map, xml;
  gesso_buffer out;
};

static unsigned long failing;
static const char *step_now = "";

static _Noreturn void fail(const char *what)
{
  fprintf(stderr, "allocation %lu, %s: %s\n", failing, step_now, what);
  exit(1);
}

static const gesso_bytes none = { NULL, 0 };
static pool remote; /* what others made: applied in both encodings */
static gesso_buffer remote_v2[POOL_MAX];

/* --- edits --- */

static gesso_status open_roots(struct scene *s)
{
  s->text = gesso_doc_root(s->doc, TEXT("text"), GESSO_TEXT);
  s->array = gesso_doc_root(s->doc, TEXT("array"), GESSO_ARRAY);
  s->map = gesso_doc_root(s->doc, TEXT("map"), GESSO_MAP);
  s->xml = gesso_doc_root(s->doc, TEXT("other"), GESSO_TEXT);
  return s->text != 0 && s->array != 0 && s->map != 0 && s->xml != 0 ? GESSO_OK : GESSO_E_NOMEM;
}

static gesso_status watch(struct scene *s)
{
  gesso_undo_options o = { .size = sizeof o, .capture_timeout_ms = -1 };
  if (s->undo == NULL)
    s->undo = gesso_undo_create(s->doc, &o);
  if (s->undo == NULL)
    return GESSO_E_NOMEM;
  gesso_status st = gesso_undo_add_scope(s->undo, s->text);
  return st == GESSO_OK ? gesso_undo_add_scope(s->undo, s->map) : st;
}

static gesso_status write_text(struct scene *s)
{
  return gesso_text_insert(s->doc, s->text, 0, TEXT("a text that is long enough, \xf0\x9f\x98\x80 too"), none);
}

static gesso_status write_bold(struct scene *s)
{
  uint64_t middle = gesso_type_length(s->doc, s->text) / 2;
  return gesso_text_insert(s->doc, s->text, middle, TEXT("bold"), TEXT("{\"bold\":true}"));
}

static gesso_status format_text(struct scene *s)
{
  uint64_t length = gesso_type_length(s->doc, s->text);
  gesso_bytes format = TEXT("{\"bold\":null,\"color\":\"red\"}");
  return length < 4 ? GESSO_OK : gesso_text_format(s->doc, s->text, 1, length - 2, format);
}

static gesso_status embed(struct scene *s)
{
  return gesso_text_embed(s->doc, s->text, 0, TEXT("{\"image\":\"x\"}"), none);
}

static gesso_status cut_text(struct scene *s)
{
  uint64_t length = gesso_type_length(s->doc, s->text);
  return length < 8 ? GESSO_OK : gesso_text_remove(s->doc, s->text, length / 2, 3);
}

static gesso_status apply_delta(struct scene *s)
{
  gesso_bytes delta = TEXT("[{\"insert\":\"delta\",\"attributes\":{\"link\":\"y\"}}]");
  return gesso_text_apply_delta(s->doc, s->text, delta);
}

static gesso_status fill_array(struct scene *s)
{
  gesso_value v[3] = { { .kind = GESSO_VALUE_JSON, .bytes = TEXT("{\"deep\":[1,2.5,null]}") },
                       { .kind = GESSO_VALUE_BYTES, .bytes = TEXT("bytes that are longer") },
                       { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP } };
  return gesso_array_insert(s->doc, s->array, 0, v, 3, NULL);
}

static gesso_status shrink_array(struct scene *s)
{
  return gesso_type_length(s->doc, s->array) < 3 ? GESSO_OK : gesso_array_remove(s->doc, s->array, 1, 2);
}

static gesso_status set_key(struct scene *s)
{
  gesso_value value = { .kind = GESSO_VALUE_STRING, .bytes = TEXT("a value of some length") };
  return gesso_map_set(s->doc, s->map, TEXT("key"), value, NULL);
}

static gesso_status set_type(struct scene *s)
{
  gesso_type made = 0;
  gesso_value value = { .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT };
  gesso_status st = gesso_map_set(s->doc, s->map, TEXT("key"), value, &made);
  return st == GESSO_OK ? gesso_text_insert(s->doc, made, 0, TEXT("inside"), none) : st;
}

static gesso_status transaction(struct scene *s)
{
  gesso_doc_begin(s->doc);
  gesso_status st = write_text(s), other = cut_text(s);
  gesso_status end = gesso_doc_commit(s->doc, &s->out);
  return st != GESSO_OK ? st : other != GESSO_OK ? other : end;
}

static gesso_status undo(struct scene *s)
{
  return s->undo != NULL ? gesso_undo_undo(s->undo, NULL) : GESSO_OK;
}

static gesso_status redo(struct scene *s)
{
  return s->undo != NULL ? gesso_undo_redo(s->undo, NULL) : GESSO_OK;
}

static gesso_status hear(struct scene *s)
{
  for (uint32_t i = 0; i < remote.count; i += 2) {
    gesso_bytes update = { remote.updates[i].data, remote.updates[i].len };
    gesso_status st = gesso_doc_apply_v1(s->doc, update, NULL);
    if (st != GESSO_OK)
      return st;
  }
  return GESSO_OK;
}

static gesso_status hear_v2(struct scene *s)
{
  for (uint32_t i = 1; i < remote.count; i += 2) {
    gesso_status st = gesso_doc_apply_v2(s->doc, (gesso_bytes){ remote_v2[i].data, remote_v2[i].len }, NULL);
    if (st != GESSO_OK)
      return st;
  }
  return GESSO_OK;
}

/* --- reading --- */

static gesso_status encode(struct scene *s)
{
  return gesso_doc_encode_v1(s->doc, none, &s->out, NULL);
}

static gesso_status encode_v2(struct scene *s)
{
  return gesso_doc_encode_v2(s->doc, none, &s->out, NULL);
}

static gesso_status state_vector(struct scene *s)
{
  return gesso_doc_state_vector(s->doc, &s->out);
}

static gesso_status pending(struct scene *s)
{
  return gesso_doc_pending_json(s->doc, &s->out);
}

static gesso_status delta(struct scene *s)
{
  return gesso_text_to_delta(s->doc, s->text, &s->out);
}

static gesso_status json(struct scene *s)
{
  return gesso_type_to_json(s->doc, s->map, GESSO_MAP, &s->out);
}

static gesso_status take_snapshot(struct scene *s)
{
  return s->snapshot != NULL ? GESSO_OK : gesso_snapshot_create(s->doc, &s->snapshot);
}

static gesso_status read_snapshot(struct scene *s)
{
  gesso_buffer bytes = { 0 };
  gesso_status st = gesso_snapshot_encode_v1(s->snapshot, &bytes);
  gesso_snapshot *copy = NULL;
  if (st == GESSO_OK)
    st = gesso_snapshot_decode_v1(&s->al, (gesso_bytes){ bytes.data, bytes.len }, &copy, NULL);
  gesso_buffer_free(&bytes);
  if (st == GESSO_OK && !gesso_snapshot_equal(copy, s->snapshot))
    fail("a snapshot that was encoded is another one");
  gesso_snapshot_destroy(copy);
  return st;
}

static gesso_status go_back(struct scene *s)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = 5, .alloc = &s->al };
  gesso_doc *old = NULL;
  gesso_status st = gesso_doc_create_at(s->doc, s->snapshot, &o, &old);
  gesso_doc_destroy(old);
  return st;
}

static gesso_status look_back(struct scene *s)
{
  return gesso_text_to_delta_at(s->doc, NULL, s->snapshot, s->text, 0, &s->out);
}

static gesso_status place(struct scene *s)
{
  gesso_position *position = NULL;
  uint64_t middle = gesso_type_length(s->doc, s->text) / 2;
  gesso_status st = gesso_position_create(s->doc, s->text, middle, 0, &position);
  if (st == GESSO_OK)
    st = gesso_position_encode(position, &s->out);
  gesso_position_destroy(position);
  return st;
}

static const struct step {
  const char *name;
  gesso_status (*run)(struct scene *s);
  bool again; /* it can be made again when memory was short */
} steps[] = {
  { "open roots", open_roots, true },
  { "watch", watch, true },
  { "write text", write_text, false },
  { "write bold", write_bold, false },
  { "hear", hear, true },
  { "format", format_text, false },
  { "embed", embed, false },
  { "fill array", fill_array, false },
  { "set key", set_key, false },
  { "set type", set_type, false },
  { "take snapshot", take_snapshot, true },
  { "cut text", cut_text, false },
  { "undo", undo, false },
  { "undo", undo, false },
  { "redo", redo, false },
  { "transaction", transaction, false },
  { "hear v2", hear_v2, true },
  { "apply delta", apply_delta, false },
  { "shrink array", shrink_array, false },
  { "undo", undo, false },
  { "read snapshot", read_snapshot, true },
  { "go back", go_back, true },
  { "look back", look_back, true },
  { "encode", encode, true },
  { "encode v2", encode_v2, true },
  { "state vector", state_vector, true },
  { "pending", pending, true },
  { "delta", delta, true },
  { "json", json, true },
  { "place", place, true },
};

static void expect_sound(struct scene *s)
{
  gesso_error error = { 0 };
  if (gesso_doc_check(s->doc, &error) != GESSO_OK)
    fail(error.message);
}

/* What the document emits loads to what it holds. */
static void expect_reload(struct scene *s)
{
  step_now = "reload";
  gesso_buffer state = { 0 };
  if (gesso_doc_encode_v1(s->doc, none, &state, NULL) != GESSO_OK)
    fail("encode");
  gesso_doc *fresh = peer_doc(999, NULL);
  if (gesso_doc_apply_v1(fresh, (gesso_bytes){ state.data, state.len }, NULL) != GESSO_OK)
    fail("apply");
  gesso_buffer a = peer_content(s->doc), b = peer_content(fresh);
  if (!same_content(a, b))
    fail("the contents differ");
  gesso_buffer_free(&a);
  gesso_buffer_free(&b);
  gesso_buffer_free(&state);
  gesso_doc_destroy(fresh);
}

/* False when nothing failed, since the scenario needs fewer allocations. */
static bool run(unsigned long nth)
{
  struct scene s = { .memory = { .fail_at = nth } };
  failing = nth;
  s.al = (gesso_allocator){ faulty_resize, &s.memory };
  gesso_doc_options o = { .size = sizeof o, .client_id = 7, .alloc = &s.al, .flags = GESSO_DOC_NO_GC };
  step_now = "create";
  s.doc = gesso_doc_create(&o);
  if (s.doc == NULL)
    s.doc = gesso_doc_create(&o);
  for (size_t i = 0; i < GS_TEST_COUNT(steps); i++) {
    step_now = steps[i].name;
    int before = s.memory.failed;
    gesso_status st = steps[i].run(&s);
    gesso_buffer_free(&s.out);
    if (st != GESSO_OK && (st != GESSO_E_NOMEM || before == s.memory.failed))
      fail(gesso_status_text(st));
    if (before != s.memory.failed)
      expect_sound(&s);
    if (st == GESSO_OK || !steps[i].again)
      continue;
    if (steps[i].run(&s) != GESSO_OK)
      fail("fails again");
    gesso_buffer_free(&s.out);
  }
  s.memory.fail_at = 0;
  expect_sound(&s);
  expect_reload(&s);
  step_now = "destroy";
  gesso_undo_destroy(s.undo);
  gesso_snapshot_destroy(s.snapshot);
  gesso_doc_destroy(s.doc);
  if (s.memory.live != 0)
    fail("memory is left");
  return s.memory.failed != 0;
}

int main(int argc, char **argv)
{
  unsigned long first = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
  unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : argc > 1 ? 1 : 1000000;
  gesso_doc *peer = peer_doc(3, NULL);
  random_source r = { 11 };
  for (int i = 0; i < 12; i++)
    (void)peer_edit(peer, &r, &remote, true);
  for (uint32_t i = 0; i < remote.count; i++) {
    gesso_bytes update = { remote.updates[i].data, remote.updates[i].len };
    if (gesso_update_v1_to_v2(update, &remote_v2[i], NULL) != GESSO_OK)
      fail("convert");
  }
  unsigned long n = first;
  while (n < first + count && run(n))
    n++;
  printf("%lu allocations\n", n - first);
  for (uint32_t i = 0; i < remote.count; i++)
    gesso_buffer_free(&remote_v2[i]);
  pool_free(&remote);
  gesso_doc_destroy(peer);
  return 0;
}
