/* Undo managers do what gesso/undo.h says. */
#include "crdt_test.h"
#include "gesso/events.h"
#include "gesso/undo.h"
#include "wire/writer.h"

#include <stdbool.h>

#define NONE ((gesso_bytes){ NULL, 0 })

static uint64_t now_ms;

static uint64_t now(void *ctx)
{
  (void)ctx;
  return now_ms;
}

static gesso_undo *undo_of(gesso_doc *doc, gesso_type scope)
{
  gesso_undo_options o = { .size = sizeof o, .now_ms = now };
  gesso_undo *u = gesso_undo_create(doc, &o);
  assert_non_null(u);
  assert_int_equal(gesso_undo_add_scope(u, scope), GESSO_OK);
  return u;
}

static bool undo(gesso_undo *u)
{
  int changed;
  assert_int_equal(gesso_undo_undo(u, &changed), GESSO_OK);
  return changed;
}

static bool redo(gesso_undo *u)
{
  int changed;
  assert_int_equal(gesso_undo_redo(u, &changed), GESSO_OK);
  return changed;
}

static void set(gesso_doc *doc, gesso_type map, const char *key, const char *json)
{
  gesso_value v = { .kind = GESSO_VALUE_JSON, .bytes = str(json) };
  assert_int_equal(gesso_map_set(doc, map, str(key), v, NULL), GESSO_OK);
}

static void text_goes_and_comes_back(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(1), *b = doc_of(2);
  gesso_type t = gesso_doc_root(a, str("t"), GESSO_TEXT), tb = gesso_doc_root(b, str("t"), GESSO_TEXT);
  gesso_undo *u = undo_of(a, t);
  type_in(a, t, 0, "test");
  cut_out(a, t, 0, 4);
  assert_false(undo(u));
  reads_json(a, t, GESSO_TEXT, "\"\"");
  type_in(a, t, 0, "abc");
  pull(b, a);
  type_in(b, tb, 3, "xyz");
  cut_out(b, tb, 0, 1);
  assert_int_equal(gesso_doc_begin_with(a, str("b")), GESSO_OK);
  pull(a, b);
  assert_int_equal(gesso_doc_commit(a, NULL), GESSO_OK);
  reads_json(a, t, GESSO_TEXT, "\"bcxyz\"");
  assert_true(undo(u));
  reads_json(a, t, GESSO_TEXT, "\"xyz\"");
  assert_true(redo(u));
  reads_json(a, t, GESSO_TEXT, "\"bcxyz\"");
  check(a);
  pull(b, a);
  reads_json(b, tb, GESSO_TEXT, "\"bcxyz\"");
  gesso_undo_destroy(u);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
}

static void a_pause_begins_a_new_stack_item(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_undo *u = undo_of(doc, t);
  now_ms = 0; /* as good a time as any */
  type_in(doc, t, 0, "a");
  now_ms = 499;
  type_in(doc, t, 1, "b");
  now_ms = 998;
  type_in(doc, t, 2, "c");
  assert_int_equal(gesso_undo_depth(u, GESSO_UNDO), 1);
  now_ms = 1498;
  type_in(doc, t, 3, "d");
  assert_int_equal(gesso_undo_depth(u, GESSO_UNDO), 2);
  gesso_undo_stop_capturing(u);
  type_in(doc, t, 4, "e");
  assert_int_equal(gesso_undo_depth(u, GESSO_UNDO), 3);
  assert_true(undo(u));
  reads_json(doc, t, GESSO_TEXT, "\"abcd\"");
  assert_true(undo(u));
  assert_true(undo(u));
  assert_false(undo(u));
  assert_false(gesso_undo_can_undo(u));
  assert_int_equal(gesso_undo_depth(u, GESSO_REDO), 3);
  reads_json(doc, t, GESSO_TEXT, "\"\"");
  while (redo(u)) {
  }
  reads_json(doc, t, GESSO_TEXT, "\"abcde\"");
  check(doc);
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
}

static void a_nested_type_comes_back_with_what_was_in_it(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), sub, was;
  set(doc, m, "a", "0");
  gesso_undo *u = undo_of(doc, m);
  set(doc, m, "a", "1");
  assert_true(undo(u));
  reads_json(doc, m, GESSO_MAP, "{\"a\":0}");
  assert_true(redo(u));
  reads_json(doc, m, GESSO_MAP, "{\"a\":1}");
  gesso_value type = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
  gesso_undo_stop_capturing(u);
  assert_int_equal(gesso_map_set(doc, m, str("a"), type, &sub), GESSO_OK);
  set(doc, sub, "x", "42");
  gesso_undo_stop_capturing(u);
  assert_int_equal(gesso_map_remove(doc, m, str("a")), GESSO_OK);
  reads_json(doc, m, GESSO_MAP, "{}");
  assert_true(undo(u));
  reads_json(doc, m, GESSO_MAP, "{\"a\":{\"x\":42}}");
  was = sub;
  sub = gesso_map_get_type(doc, m, str("a"));
  assert_int_not_equal(sub, was);
  set(doc, sub, "y", "43");
  assert_true(undo(u));
  assert_true(undo(u));
  reads_json(doc, m, GESSO_MAP, "{\"a\":1}");
  check(doc);
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
}

/* As in Yjs: in a text that came back, the copies of neighbours are one item, which goes as a whole. */
static void a_copy_goes_with_the_one_it_merged_with(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), t;
  gesso_undo *u = undo_of(doc, m);
  gesso_value text = { .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT };
  assert_int_equal(gesso_map_set(doc, m, str("t"), text, &t), GESSO_OK);
  gesso_undo_stop_capturing(u);
  type_in(doc, t, 0, "bc");
  gesso_undo_stop_capturing(u);
  type_in(doc, t, 2, "d");
  gesso_undo_stop_capturing(u);
  cut_out(doc, t, 1, 1);
  reads_json(doc, m, GESSO_MAP, "{\"t\":\"bd\"}");
  while (undo(u))
    ;
  reads_json(doc, m, GESSO_MAP, "{}");
  for (int i = 0; i < 3; i++)
    assert_true(redo(u));
  reads_json(doc, m, GESSO_MAP, "{\"t\":\"bcd\"}");
  assert_true(redo(u));
  reads_json(doc, m, GESSO_MAP, "{\"t\":\"b\"}");
  assert_false(redo(u));
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
}

static void the_value_of_somebody_else_stays(void **state)
{
  (void)state;
  for (int ignore = 0; ignore < 2; ignore++) {
    gesso_doc *a = doc_of(1), *b = doc_of(2);
    gesso_type m = gesso_doc_root(a, str("m"), GESSO_MAP), mb = gesso_doc_root(b, str("m"), GESSO_MAP);
    set(a, m, "k", "0");
    gesso_undo_options o = { .size = sizeof o, .ignore_remote_map_changes = ignore };
    gesso_undo *u = gesso_undo_create(a, &o);
    assert_int_equal(gesso_undo_add_scope(u, m), GESSO_OK);
    set(a, m, "k", "1");
    pull(b, a);
    set(b, mb, "k", "2");
    assert_int_equal(gesso_doc_begin_with(a, str("b")), GESSO_OK);
    pull(a, b);
    assert_int_equal(gesso_doc_commit(a, NULL), GESSO_OK);
    assert_int_equal(undo(u), ignore);
    reads_json(a, m, GESSO_MAP, ignore ? "{\"k\":0}" : "{\"k\":2}");
    check(a);
    gesso_undo_destroy(u);
    gesso_doc_destroy(a);
    gesso_doc_destroy(b);
  }
}

static void formats_go_and_come_back(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  type_in(doc, t, 0, "word");
  gesso_undo *u = undo_of(doc, t);
  assert_int_equal(gesso_text_format(doc, t, 1, 2, str("{\"b\":true}")), GESSO_OK);
  reads_delta(doc, t, "[{\"insert\":\"w\"},{\"insert\":\"or\",\"attributes\":{\"b\":true}},{\"insert\":\"d\"}]");
  assert_true(undo(u));
  reads_delta(doc, t, "[{\"insert\":\"word\"}]");
  assert_true(redo(u));
  reads_delta(doc, t, "[{\"insert\":\"w\"},{\"insert\":\"or\",\"attributes\":{\"b\":true}},{\"insert\":\"d\"}]");
  check(doc);
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
}

static void only_scope_and_tracked_origins_count(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), o = gesso_doc_root(doc, str("o"), GESSO_TEXT);
  gesso_undo *u = undo_of(doc, t);
  assert_int_equal(gesso_undo_add_scope(u, 1000), GESSO_E_USAGE);
  type_in(doc, o, 0, "elsewhere");
  assert_false(gesso_undo_can_undo(u));
  assert_int_equal(gesso_doc_begin_with(doc, str("me")), GESSO_OK);
  type_in(doc, t, 0, "x");
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  assert_false(gesso_undo_can_undo(u));
  assert_int_equal(gesso_undo_add_origin(u, str("me")), GESSO_OK);
  gesso_undo_remove_origin(u, NONE);
  type_in(doc, t, 0, "y");
  assert_false(gesso_undo_can_undo(u));
  assert_int_equal(gesso_doc_begin_with(doc, str("me")), GESSO_OK);
  type_in(doc, t, 2, "z");
  type_in(doc, o, 0, "more ");
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  assert_true(undo(u));
  reads_json(doc, t, GESSO_TEXT, "\"yx\"");
  reads_json(doc, o, GESSO_TEXT, "\"more elsewhere\"");
  gesso_undo_remove_origin(u, str("me"));
  gesso_undo_remove_origin(u, str("nobody"));
  gesso_undo *all = undo_of(doc, 0);
  type_in(doc, t, 0, "1");
  type_in(doc, o, 0, "2");
  assert_true(undo(all));
  reads_json(doc, o, GESSO_TEXT, "\"more elsewhere\"");
  reads_json(doc, t, GESSO_TEXT, "\"yx\"");
  check(doc);
  gesso_undo_destroy(all);
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
}

/* --- metadata and observers --- */

struct story {
  char text[1024];
  size_t len;
  uint64_t mine;
  int freed;
};

static void on_event(void *ctx, gesso_undo *u, const gesso_undo_event *e)
{
  struct story *s = ctx;
  gesso_bytes own = gesso_undo_origin(u);
  bool by_undo = e->origin.len == own.len && memcmp(e->origin.data, own.data, own.len) == 0;
  const char *origin = e->origin.len == 0 ? "-" : by_undo ? "own" : "other";
  if (e->event == GESSO_UNDO_CLEARED) {
    assert_null(e->meta);
    s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "(cleared%s%s)", e->undo_cleared ? " undo" : "",
                               e->redo_cleared ? " redo" : "");
    return;
  }
  s->len += (size_t)snprintf(s->text + s->len, sizeof s->text - s->len, "(%s %s %s %zu %d)",
                             e->event == GESSO_UNDO_ADDED     ? "added"
                             : e->event == GESSO_UNDO_UPDATED ? "updated"
                                                              : "popped",
                             e->stack == GESSO_UNDO ? "undo" : "redo", origin, e->nchanged, (int)(intptr_t)*e->meta);
  *e->meta = (void *)((intptr_t)*e->meta + 1);
}

static void on_free(void *ctx, void *meta)
{
  struct story *s = ctx;
  s->freed += (int)(intptr_t)meta;
}

static void told(struct story *s, const char *want)
{
  assert_string_equal(s->text, want);
  s->len = 0;
  s->text[0] = '\0';
}

static void observers_hear_of_stack_items_and_keep_metadata(void **state)
{
  (void)state;
  struct story s = { .len = 0 };
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), t;
  gesso_undo_options o = { .size = sizeof o, .now_ms = now, .free_meta = on_free, .ctx = &s };
  gesso_undo *u = gesso_undo_create(doc, &o);
  assert_int_equal(gesso_undo_add_scope(u, m), GESSO_OK);
  uint64_t all, none;
  assert_int_equal(gesso_undo_observe(u, 15, on_event, &s, &all), GESSO_OK);
  assert_int_equal(gesso_undo_observe(u, 0, on_event, &s, &none), GESSO_OK);
  gesso_value type = { .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT };
  assert_int_equal(gesso_map_set(doc, m, str("t"), type, &t), GESSO_OK);
  told(&s, "(added undo - 1 0)");
  type_in(doc, t, 0, "a");
  told(&s, "(updated undo - 2 1)");
  assert_ptr_equal(*gesso_undo_meta(u, GESSO_UNDO, 0), (void *)2);
  assert_null(gesso_undo_meta(u, GESSO_UNDO, 1));
  assert_null(gesso_undo_meta(u, GESSO_REDO, 0));
  assert_true(undo(u));
  told(&s, "(added redo own 1 0)(popped undo own 1 2)");
  assert_int_equal(s.freed, 3);
  assert_true(redo(u));
  told(&s, "(added undo own 1 0)(popped redo own 1 1)");
  assert_int_equal(s.freed, 5);
  assert_true(undo(u));
  told(&s, "(added redo own 1 0)(popped undo own 1 1)");
  assert_int_equal(s.freed, 7);
  /* Undo has ended the capturing: the last edit is no part of what was typed before. */
  set(doc, m, "x", "1");
  told(&s, "(cleared redo)(added undo - 1 0)");
  assert_int_equal(s.freed, 8);
  assert_int_equal(gesso_undo_clear(u, 1, 1), GESSO_OK);
  told(&s, "(cleared undo redo)");
  assert_int_equal(gesso_undo_clear(u, 1, 1), GESSO_OK);
  told(&s, "");
  assert_int_equal(s.freed, 9);
  gesso_undo_unobserve(u, all);
  gesso_undo_unobserve(u, all);
  set(doc, m, "x", "2");
  told(&s, "");
  gesso_undo_destroy(u);
  assert_int_equal(s.freed, 9);
  gesso_doc_destroy(doc);
}

static void end_and_undo(void *ctx, gesso_undo *u, const gesso_undo_event *e)
{
  struct story *s = ctx;
  gesso_undo_unobserve(u, s->mine);
  on_event(ctx, u, e);
  *e->meta = (void *)10; /* of an item that the next line takes away */
  assert_int_equal(gesso_undo_undo(u, NULL), GESSO_OK);
}

static void an_observer_may_undo_and_end_itself(void **state)
{
  (void)state;
  struct story s = { .len = 0 };
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_undo_options o = { .size = sizeof o, .now_ms = now, .free_meta = on_free, .ctx = &s };
  gesso_undo *u = gesso_undo_create(doc, &o);
  assert_int_equal(gesso_undo_add_scope(u, t), GESSO_OK);
  assert_int_equal(gesso_undo_observe(u, GESSO_UNDO_ADDED, end_and_undo, &s, &s.mine), GESSO_OK);
  type_in(doc, t, 0, "never seen");
  told(&s, "(added undo - 1 0)");
  reads_json(doc, t, GESSO_TEXT, "\"\"");
  assert_int_equal(s.freed, 10);
  type_in(doc, t, 0, "seen");
  told(&s, "");
  check(doc);
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
}

static void end_manager(void *ctx, gesso_doc *doc, const gesso_event *e)
{
  (void)doc;
  (void)e;
  gesso_undo **u = ctx;
  gesso_undo_destroy(*u);
  *u = NULL;
}

static void an_observer_of_the_document_may_end_the_manager_that_undoes(void **state)
{
  (void)state;
  struct story s = { .len = 0 };
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_undo_options o = { .size = sizeof o, .now_ms = now, .free_meta = on_free, .ctx = &s };
  gesso_undo *u = gesso_undo_create(doc, &o);
  assert_int_equal(gesso_undo_add_scope(u, t), GESSO_OK);
  uint64_t all;
  assert_int_equal(gesso_undo_observe(u, 15, on_event, &s, &all), GESSO_OK);
  type_in(doc, t, 0, "taken back");
  s.len = 0;
  *gesso_undo_meta(u, GESSO_UNDO, 0) = (void *)7;
  s.freed = 0;
  gesso_subscription sub;
  assert_int_equal(gesso_type_observe(doc, t, end_manager, &u, &sub), GESSO_OK);
  int changed = 0;
  assert_int_equal(gesso_undo_undo(u, &changed), GESSO_OK);
  assert_null(u);
  assert_true(changed);
  assert_int_equal(s.freed, 7);
  reads_json(doc, t, GESSO_TEXT, "\"\"");
  check(doc);
  gesso_doc_destroy(doc);
}

/* Of each client that wrote in a step its range is found at once: 100000 clients that are searched one by one take
 * minutes. */
static void steps_of_many_clients_are_recorded_and_undone(void **state)
{
  (void)state;
  enum { CLIENTS = 100000 };
  gesso_doc *doc = doc_of(1);
  gesso_undo_options o = { .size = sizeof o, .now_ms = now };
  gesso_undo *u = gesso_undo_create(doc, &o);
  assert_int_equal(gesso_undo_add_scope(u, 0), GESSO_OK);
  gs_buf b = gs_buf_make(NULL);
  for (uint8_t clock = 0; clock < 2; clock++) {
    gs_buf_clear(&b);
    gs_write_varuint(&b, CLIENTS);
    for (uint32_t i = 0; i < CLIENTS; i++) {
      gs_buf_put(&b, 1);
      gs_write_varuint(&b, 1000 + i);
      gs_buf_write(&b, (const uint8_t[]){ clock, 4, 1, 1, 't', 1, 'x' }, 7);
    }
    gs_buf_put(&b, 0);
    apply(doc, gs_buf_bytes(&b));
  }
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  assert_int_equal(gesso_undo_depth(u, GESSO_UNDO), 1);
  assert_int_equal(gesso_type_length(doc, t), 2 * CLIENTS);
  assert_true(undo(u));
  assert_int_equal(gesso_type_length(doc, t), 0);
  assert_true(redo(u));
  assert_int_equal(gesso_type_length(doc, t), 2 * CLIENTS);
  check(doc);
  gs_buf_finish(&b);
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
}

/* --- what is kept --- */

static uint64_t bytes_of(gesso_doc *doc)
{
  gesso_buffer b = state_of(doc);
  uint64_t n = b.len;
  gesso_buffer_free(&b);
  return n;
}

struct nested {
  gesso_type expected[3]; /* of the undo that is told, by how many came before it */
  int depth;
};

static void undo_inside(void *ctx, gesso_undo *u, const gesso_undo_event *e)
{
  struct nested *n = ctx;
  gesso_type mine = n->expected[n->depth++];
  assert_int_equal(e->nchanged, 1);
  assert_int_equal(e->changed[0], mine);
  if (n->depth < 3)
    assert_true(undo(u));
  assert_int_equal(e->changed[0], mine); /* the event is the callback's until it returns */
}

static void an_undo_inside_the_report_of_another_leaves_its_event(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct nested n = { .depth = 0 };
  gesso_undo *u = NULL;
  uint64_t id;
  for (int i = 2; i >= 0; i--) {
    const char name[] = { (char)('a' + i), 0 };
    n.expected[i] = gesso_doc_root(doc, str(name), GESSO_MAP);
    if (u == NULL)
      u = undo_of(doc, n.expected[i]);
    assert_int_equal(gesso_undo_add_scope(u, n.expected[i]), GESSO_OK);
    set(doc, n.expected[i], "k", "1");
    gesso_undo_stop_capturing(u);
  }
  assert_int_equal(gesso_undo_observe(u, GESSO_UNDO_POPPED, undo_inside, &n, &id), GESSO_OK);
  assert_true(undo(u));
  assert_int_equal(n.depth, 3);
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
}

static void what_may_come_back_is_not_collected_until_it_is_cleared(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1), *plain = doc_of(2);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_undo *u = undo_of(doc, t);
  type_in(doc, t, 0, "a long piece of text that is worth its place");
  uint64_t with = bytes_of(doc);
  gesso_undo_stop_capturing(u);
  cut_out(doc, t, 0, 44);
  assert_true(bytes_of(doc) >= with);
  gesso_doc_collect_garbage(doc);
  assert_true(bytes_of(doc) >= with);
  check(doc);
  assert_int_equal(gesso_undo_clear(u, 1, 0), GESSO_OK);
  /* As in Yjs nothing is collected at once; the next document that loads it does. */
  pull(plain, doc);
  assert_true(bytes_of(plain) < 30);
  gesso_doc_collect_garbage(doc);
  assert_true(bytes_of(doc) < 30);
  assert_false(undo(u));
  check(doc);
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(plain);
}

static int keeps_types(void *ctx, gesso_doc *doc, const gesso_undo_item *item)
{
  int *asked = ctx;
  ++*asked;
  assert_int_equal(item->client, 1);
  gesso_type_kind kind;
  if (item->type == 0)
    return 1;
  assert_int_equal(gesso_type_get_kind(doc, item->type, &kind), GESSO_OK);
  assert_int_equal(item->length_utf16, 1);
  return kind != GESSO_TEXT;
}

static void the_filter_decides_what_is_deleted(void **state)
{
  (void)state;
  int asked = 0;
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), t, a;
  gesso_undo_options o = { .size = sizeof o, .delete_filter = keeps_types, .ctx = &asked };
  gesso_undo *u = gesso_undo_create(doc, &o);
  assert_int_equal(gesso_undo_add_scope(u, m), GESSO_OK);
  gesso_doc_begin(doc);
  gesso_value type = { .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT };
  assert_int_equal(gesso_map_set(doc, m, str("t"), type, &t), GESSO_OK);
  type_in(doc, t, 0, "gone");
  type.type = GESSO_ARRAY;
  assert_int_equal(gesso_map_set(doc, m, str("a"), type, &a), GESSO_OK);
  set(doc, m, "x", "1");
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  assert_true(undo(u));
  assert_int_equal(asked, 4);
  reads_json(doc, m, GESSO_MAP, "{\"t\":\"\"}");
  assert_true(redo(u));
  reads_json(doc, m, GESSO_MAP, "{\"t\":\"gone\",\"a\":[],\"x\":1}");
  check(doc);
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
}

/* Neither what Ann and Bob do nor what comes from elsewhere. */
static int mine(void *ctx, gesso_doc *doc, gesso_bytes origin, int local)
{
  (void)ctx;
  (void)doc;
  return origin.len != 3 && local;
}

static void every_user_has_a_manager(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_undo *ann = undo_of(doc, t), *bob = undo_of(doc, t);
  gesso_undo_options o = { .size = sizeof o, .capture_timeout_ms = -1, .capture_transaction = mine };
  gesso_undo *local = gesso_undo_create(doc, &o);
  assert_int_equal(gesso_undo_add_scope(local, t), GESSO_OK);
  gesso_undo_remove_origin(ann, NONE);
  gesso_undo_remove_origin(bob, NONE);
  assert_int_equal(gesso_undo_add_origin(ann, str("ann")), GESSO_OK);
  assert_int_equal(gesso_undo_add_origin(bob, str("bob")), GESSO_OK);
  const char *who[] = { "ann", "bob", "ann" }, *what[] = { "A", "B", "a" };
  for (int i = 0; i < 3; i++) {
    assert_int_equal(gesso_doc_begin_with(doc, str(who[i])), GESSO_OK);
    type_in(doc, t, gesso_type_length(doc, t), what[i]);
    assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  }
  type_in(doc, t, 3, "1");
  type_in(doc, t, 4, "2");
  reads_json(doc, t, GESSO_TEXT, "\"ABa12\"");
  assert_int_equal(gesso_undo_depth(local, GESSO_UNDO), 2);
  assert_true(undo(ann));
  reads_json(doc, t, GESSO_TEXT, "\"B12\"");
  assert_true(undo(bob));
  reads_json(doc, t, GESSO_TEXT, "\"12\"");
  assert_true(undo(local));
  assert_true(redo(ann));
  reads_json(doc, t, GESSO_TEXT, "\"Aa1\"");
  assert_true(redo(bob));
  assert_true(redo(local));
  reads_json(doc, t, GESSO_TEXT, "\"ABa12\"");
  check(doc);
  gesso_undo_destroy(bob);
  gesso_undo_destroy(ann);
  gesso_undo_destroy(local);
  gesso_doc_destroy(doc);
}

static void a_manager_may_outlive_its_document(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_undo *u = undo_of(doc, t);
  struct story s = { .len = 0 };
  uint64_t id;
  assert_int_equal(gesso_undo_add_origin(u, str("me")), GESSO_OK);
  assert_int_equal(gesso_undo_observe(u, 15, on_event, &s, &id), GESSO_OK);
  type_in(doc, t, 0, "x");
  gesso_doc_destroy(doc);
  assert_int_equal(gesso_undo_undo(u, NULL), GESSO_E_CLOSED);
  assert_int_equal(gesso_undo_redo(u, NULL), GESSO_E_CLOSED);
  assert_int_equal(gesso_undo_clear(u, 1, 1), GESSO_E_CLOSED);
  assert_int_equal(gesso_undo_add_scope(u, 0), GESSO_E_CLOSED);
  assert_int_equal(gesso_undo_add_origin(u, str("you")), GESSO_E_CLOSED);
  assert_int_equal(gesso_undo_observe(u, 15, on_event, &s, &id), GESSO_E_CLOSED);
  gesso_undo_remove_origin(u, str("me"));
  gesso_undo_unobserve(u, 1);
  gesso_undo_stop_capturing(u);
  assert_false(gesso_undo_can_undo(u));
  assert_int_equal(gesso_undo_depth(u, GESSO_UNDO), 0);
  assert_null(gesso_undo_meta(u, GESSO_UNDO, 0));
  gesso_undo_destroy(u);
  gesso_undo_destroy(NULL);
}

static void deep_nesting_comes_back(void **state)
{
  (void)state;
  enum { DEEP = 100000 };
  gesso_doc *doc = doc_of(1);
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY), in = a;
  gesso_undo *u = undo_of(doc, a);
  gesso_value type = { .kind = GESSO_VALUE_TYPE, .type = GESSO_ARRAY };
  gesso_doc_begin(doc);
  for (int i = 0; i < DEEP; i++)
    assert_int_equal(gesso_array_insert(doc, in, 0, &type, 1, &in), GESSO_OK);
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  gesso_undo_stop_capturing(u);
  assert_int_equal(gesso_array_remove(doc, a, 0, 1), GESSO_OK);
  assert_int_equal(gesso_type_length(doc, a), 0);
  assert_true(undo(u));
  in = a;
  int depth = 0;
  while ((in = gesso_array_get_type(doc, in, 0)) != 0)
    depth++;
  assert_int_equal(depth, DEEP);
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
}

static gesso_buffer json_of_key(gesso_doc *doc, gesso_type m, const char *key)
{
  gesso_buffer json = { 0 };
  assert_int_equal(gesso_map_get_json(doc, m, str(key), &json), GESSO_OK);
  return json;
}

/* Of what comes back with the list it is in, each finds its neighbours, whatever the order in which they were made. */
static void lists_come_back_in_their_order(void **state)
{
  (void)state;
  enum { N = 300 };
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), lists[2], made;
  gesso_undo *u = undo_of(doc, m);
  gesso_value array = { .kind = GESSO_VALUE_TYPE, .type = GESSO_ARRAY }, map = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
  gesso_doc_begin(doc);
  assert_int_equal(gesso_map_set(doc, m, str("a"), array, &lists[0]), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, m, str("b"), array, &lists[1]), GESSO_OK);
  uint32_t x = 1;
  for (int i = 0; i < 2 * N; i++) {
    gesso_type list = lists[i % 3 == 0];
    uint64_t len = gesso_type_length(doc, list);
    x = x * 1664525u + 1013904223u;
    /* To the end, to the front, and anywhere. */
    uint64_t at = i < N / 2 ? len : i < N ? 0 : (x >> 8) % (len + 1);
    char number[16];
    (void)snprintf(number, sizeof number, "%d", i);
    assert_int_equal(gesso_array_insert(doc, list, at, &map, 1, &made), GESSO_OK);
    set(doc, made, "i", number);
    if (i % 5 == 0)
      assert_int_equal(gesso_array_remove(doc, list, (x >> 16) % (len + 1), 1), GESSO_OK);
  }
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  gesso_undo_stop_capturing(u);
  gesso_buffer before[2] = { json_of_key(doc, m, "a"), json_of_key(doc, m, "b") };
  gesso_doc_begin(doc);
  assert_int_equal(gesso_map_remove(doc, m, str("a")), GESSO_OK);
  assert_int_equal(gesso_map_remove(doc, m, str("b")), GESSO_OK);
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  for (int round = 0; round < 3; round++) {
    assert_true(undo(u));
    gesso_buffer after[2] = { json_of_key(doc, m, "a"), json_of_key(doc, m, "b") };
    for (int i = 0; i < 2; i++) {
      assert_int_equal(after[i].len, before[i].len);
      assert_memory_equal(after[i].data, before[i].data, before[i].len);
      gesso_buffer_free(&after[i]);
    }
    check(doc);
    assert_true(redo(u));
    reads_json(doc, m, GESSO_MAP, "{}");
  }
  gesso_buffer_free(&before[0]);
  gesso_buffer_free(&before[1]);
  gesso_undo_destroy(u);
  gesso_doc_destroy(doc);
}

/* --- short memory --- */

struct meter {
  long left; /* allocations until one fails; < 0: none does */
};

static void *metered(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  struct meter *m = ctx;
  (void)old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  if (new_size > old_size && m->left >= 0 && m->left-- == 0)
    return NULL;
  return realloc(ptr, new_size);
}

static void may_fail(gesso_status st)
{
  assert_true(st == GESSO_OK || st == GESSO_E_NOMEM || st == GESSO_E_NOTFOUND || st == GESSO_E_USAGE);
}

/* A board with something of each kind, edited and cleared by two users. */
static void edit_all(gesso_doc *doc, gesso_type m, gesso_type t)
{
  gesso_value type = { .kind = GESSO_VALUE_TYPE, .type = GESSO_ARRAY }, n[40];
  gesso_type a = 0, sub = 0;
  for (int i = 0; i < 40; i++)
    n[i] = (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = i };
  gesso_doc_begin(doc);
  if (gesso_map_set(doc, m, str("list"), type, &a) == GESSO_OK) {
    may_fail(gesso_array_insert(doc, a, 0, n, 40, NULL));
    may_fail(gesso_array_remove(doc, a, 3, 2));
    type.type = GESSO_MAP;
    if (gesso_array_insert(doc, a, 5, &type, 1, &sub) == GESSO_OK)
      may_fail(gesso_map_set(doc, sub, str("deep"), (gesso_value){ .kind = GESSO_VALUE_JSON, .bytes = str("{\"x\":[1,2,3]}") }, NULL));
  }
  may_fail(gesso_text_insert(doc, t, 0, str("some \xf0\x9f\x98\x80 text for this board"), NONE));
  may_fail(gesso_text_format(doc, t, 2, 9, str("{\"b\":true}")));
  (void)gesso_doc_commit(doc, NULL);
}

static void same_json(gesso_doc *a, gesso_type in_a, gesso_doc *b, gesso_type in_b, gesso_type_kind kind)
{
  gesso_buffer x, y;
  assert_int_equal(gesso_type_to_json(a, in_a, kind, &x), GESSO_OK);
  assert_int_equal(gesso_type_to_json(b, in_b, kind, &y), GESSO_OK);
  assert_int_equal(x.len, y.len);
  assert_memory_equal(x.data, y.data, x.len);
  gesso_buffer_free(&x);
  gesso_buffer_free(&y);
}

static void undo_survives_short_memory(void **state)
{
  (void)state;
  unsigned failures = 0;
  for (int which = 0; which < 3; which++)
    for (long n = 0;; n++) {
      struct meter meter = { -1 };
      gesso_allocator alloc = { metered, &meter };
      gesso_doc_options d = { .size = sizeof d, .client_id = 1, .alloc = &alloc };
      gesso_doc *doc = gesso_doc_create(&d);
      gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
      gesso_undo *u = undo_of(doc, m);
      assert_int_equal(gesso_undo_add_scope(u, t), GESSO_OK);
      struct story s = { .len = 0 };
      uint64_t id;
      assert_int_equal(gesso_undo_observe(u, GESSO_UNDO_POPPED, on_event, &s, &id), GESSO_OK);
      edit_all(doc, m, t);
      gesso_undo_stop_capturing(u);
      if (which > 0) {
        assert_int_equal(gesso_map_remove(doc, m, str("list")), GESSO_OK);
        cut_out(doc, t, 0, 20);
      }
      gesso_undo_stop_capturing(u);
      if (which > 1)
        assert_true(undo(u));
      int changed = -1;
      meter.left = n;
      gesso_status st = which > 1 ? gesso_undo_redo(u, &changed) : gesso_undo_undo(u, &changed);
      bool enough = meter.left >= 0;
      meter.left = -1;
      check(doc);
      if (enough) {
        assert_int_equal(st, GESSO_OK);
        assert_int_equal(changed, 1);
      }
      if (st != GESSO_OK) {
        failures++;
        assert_int_equal(st, GESSO_E_NOMEM);
        /* Stopped on the way: a second call does the rest. */
        if (!changed)
          assert_true(which > 1 ? redo(u) : undo(u));
      }
      check(doc);
      gesso_buffer b;
      assert_int_equal(gesso_type_to_json(doc, t, GESSO_TEXT, &b), GESSO_OK);
      assert_int_equal(b.len, which == 0 ? 2 : which == 1 ? 31 : 9);
      gesso_buffer_free(&b);
      assert_int_equal(gesso_map_get_type(doc, m, str("list")) != 0, which == 1);
      /* Others see the same. */
      gesso_doc *other = doc_of(2);
      gesso_type om = gesso_doc_root(other, str("m"), GESSO_MAP), ot = gesso_doc_root(other, str("t"), GESSO_TEXT);
      pull(other, doc);
      same_json(doc, m, other, om, GESSO_MAP);
      same_json(doc, t, other, ot, GESSO_TEXT);
      gesso_doc_destroy(other);
      gesso_undo_destroy(u);
      gesso_doc_destroy(doc);
      if (enough)
        break;
    }
  assert_true(failures > 20);
}

static void recording_survives_short_memory(void **state)
{
  (void)state;
  for (long n = 0;; n++) {
    struct meter meter = { -1 };
    gesso_allocator alloc = { metered, &meter };
    gesso_doc_options d = { .size = sizeof d, .client_id = 1, .alloc = &alloc };
    gesso_doc *doc = gesso_doc_create(&d);
    gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
    meter.left = n;
    gesso_undo *u = gesso_undo_create(doc, NULL);
    if (u != NULL && gesso_undo_add_scope(u, m) == GESSO_OK && gesso_undo_add_scope(u, t) == GESSO_OK &&
        gesso_undo_add_origin(u, str("somebody")) == GESSO_OK) {
      uint64_t id;
      struct story s = { .len = 0 };
      may_fail(gesso_undo_observe(u, 15, on_event, &s, &id));
      for (int i = 0; i < 3; i++) {
        edit_all(doc, m, t);
        check(doc);
        gesso_undo_stop_capturing(u);
        may_fail(gesso_map_remove(doc, m, str("list")));
        may_fail(gesso_undo_undo(u, NULL));
        check(doc);
        (void)gesso_undo_clear(u, 0, 1);
      }
    }
    bool enough = meter.left >= 0;
    meter.left = -1;
    check(doc);
    gesso_undo_destroy(u);
    gesso_doc_destroy(doc);
    if (enough)
      break;
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(text_goes_and_comes_back),
    cmocka_unit_test(a_pause_begins_a_new_stack_item),
    cmocka_unit_test(a_nested_type_comes_back_with_what_was_in_it),
    cmocka_unit_test(a_copy_goes_with_the_one_it_merged_with),
    cmocka_unit_test(the_value_of_somebody_else_stays),
    cmocka_unit_test(formats_go_and_come_back),
    cmocka_unit_test(only_scope_and_tracked_origins_count),
    cmocka_unit_test(observers_hear_of_stack_items_and_keep_metadata),
    cmocka_unit_test(an_observer_may_undo_and_end_itself),
    cmocka_unit_test(steps_of_many_clients_are_recorded_and_undone),
    cmocka_unit_test(an_observer_of_the_document_may_end_the_manager_that_undoes),
    cmocka_unit_test(an_undo_inside_the_report_of_another_leaves_its_event),
    cmocka_unit_test(what_may_come_back_is_not_collected_until_it_is_cleared),
    cmocka_unit_test(the_filter_decides_what_is_deleted),
    cmocka_unit_test(every_user_has_a_manager),
    cmocka_unit_test(a_manager_may_outlive_its_document),
    cmocka_unit_test(undo_survives_short_memory),
    cmocka_unit_test(recording_survives_short_memory),
    cmocka_unit_test(lists_come_back_in_their_order),
    cmocka_unit_test(deep_nesting_comes_back), /* last: it leaves a heap where MALLOC_PERTURB_ is slow */
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
