/* gesso_doc_collect_garbage, ids of types, and the pointer that a document carries. */
#include "crdt_test.h"

static gesso_doc *keeping_doc(void)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = 7, .flags = GESSO_DOC_NO_GC };
  gesso_doc *doc = gesso_doc_create(&o);
  assert_non_null(doc);
  return doc;
}

static size_t size_of(gesso_doc *doc)
{
  gesso_buffer b = state_of(doc);
  size_t len = b.len;
  gesso_buffer_free(&b);
  return len;
}

static void fill(gesso_doc *doc)
{
  gesso_type list = gesso_doc_root(doc, str("list"), GESSO_ARRAY), inner = 0;
  gesso_value map = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
  gesso_value word = { .kind = GESSO_VALUE_STRING, .bytes = str("a word that does not fit inline") };
  for (int i = 0; i < 10; i++) {
    assert_int_equal(gesso_array_insert(doc, list, 0, &map, 1, &inner), GESSO_OK);
    assert_int_equal(gesso_map_set(doc, inner, str("k"), word, NULL), GESSO_OK);
  }
  assert_int_equal(gesso_array_remove(doc, list, 2, 6), GESSO_OK);
}

static void collects_what_no_gc_kept(void **state)
{
  (void)state;
  gesso_doc *doc = keeping_doc(), *plain = doc_of(9);
  fill(doc);
  size_t before = size_of(doc);
  gesso_doc_collect_garbage(doc);
  check(doc);
  assert_true(size_of(doc) < before / 2);
  pull(plain, doc);
  check(plain);
  reads_json(plain, gesso_doc_root(plain, str("list"), GESSO_ARRAY), GESSO_ARRAY,
             "[{\"k\":\"a word that does not fit inline\"},{\"k\":\"a word that does not fit inline\"},"
             "{\"k\":\"a word that does not fit inline\"},{\"k\":\"a word that does not fit inline\"}]");
  gesso_doc_collect_garbage(doc);
  check(doc);
  same_state(doc, plain);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(plain);
}

static void waits_for_the_commit(void **state)
{
  (void)state;
  gesso_doc *doc = keeping_doc();
  gesso_type text = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_doc_begin(doc);
  assert_int_equal(gesso_text_insert(doc, text, 0, str("some words"), (gesso_bytes){ NULL, 0 }), GESSO_OK);
  gesso_doc_collect_garbage(doc);
  assert_int_equal(gesso_text_remove(doc, text, 4, 6), GESSO_OK);
  gesso_buffer update;
  assert_int_equal(gesso_doc_commit(doc, &update), GESSO_OK);
  check(doc);
  gesso_doc *other = doc_of(3);
  apply(other, view(update));
  reads_json(other, gesso_doc_root(other, str("t"), GESSO_TEXT), GESSO_TEXT, "\"some\"");
  same_state(doc, other);
  gesso_buffer_free(&update);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
}

static void types_have_ids(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(5), *other = doc_of(6);
  gesso_type root = gesso_doc_root(doc, str("m"), GESSO_MAP), made = 0;
  gesso_value text = { .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT };
  assert_int_equal(gesso_map_set(doc, root, str("x"), text, NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, root, str("y"), text, &made), GESSO_OK);
  uint64_t client = 0, clock = 0;
  assert_int_equal(gesso_type_get_id(doc, root, &client, &clock), GESSO_E_NOTFOUND);
  assert_int_equal(gesso_type_get_id(doc, 99, &client, &clock), GESSO_E_USAGE);
  assert_int_equal(gesso_type_get_id(doc, made, &client, &clock), GESSO_OK);
  assert_int_equal(client, 5);
  assert_int_equal(clock, 1);
  assert_int_equal(gesso_doc_find_type(doc, 5, 1), made);
  assert_int_equal(gesso_doc_find_type(doc, 5, 2), 0);
  assert_int_equal(gesso_doc_find_type(doc, 4, 1), 0);
  assert_int_equal(gesso_doc_find_type(other, 5, 1), 0);
  pull(other, doc);
  assert_int_equal(gesso_doc_find_type(other, 5, 1),
                   gesso_map_get_type(other, gesso_doc_root(other, str("m"), GESSO_MAP), str("y")));
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
}

static void carries_a_pointer(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  assert_null(gesso_doc_data(doc));
  gesso_doc_set_data(doc, &doc);
  assert_ptr_equal(gesso_doc_data(doc), &doc);
  gesso_doc_destroy(doc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(collects_what_no_gc_kept),
    cmocka_unit_test(waits_for_the_commit),
    cmocka_unit_test(types_have_ids),
    cmocka_unit_test(carries_a_pointer),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
