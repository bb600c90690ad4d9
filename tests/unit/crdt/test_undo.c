/* Undo managers do what gesso/undo.h says. */
#include "crdt_test.h"
#include "gesso/undo.h"

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

static int undo(gesso_undo *u)
{
  int changed;
  assert_int_equal(gesso_undo_undo(u, &changed), GESSO_OK);
  return changed;
}

static int redo(gesso_undo *u)
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

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(text_goes_and_comes_back),
    cmocka_unit_test(a_pause_begins_a_new_stack_item),
    cmocka_unit_test(a_nested_type_comes_back_with_what_was_in_it),
    cmocka_unit_test(the_value_of_somebody_else_stays),
    cmocka_unit_test(formats_go_and_come_back),
    cmocka_unit_test(only_scope_and_tracked_origins_count),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
