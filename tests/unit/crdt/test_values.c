/* Values as they are read: every kind of content, all of a tree. */
#include "crdt_test.h"

/* An update with one item of client 1 in the sequence of the root "a": `content` is a kind and its bytes. */
static void put(gesso_doc *doc, uint8_t kind, const void *content, size_t len)
{
  uint8_t u[512] = { 1, 1, 1, 0, kind, 1, 1, 'a' };
  assert_true(len < sizeof u - 9);
  memcpy(u + 8, content, len);
  u[8 + len] = 0;
  apply(doc, (gesso_bytes){ u, 9 + len });
}

#define PUT(doc, kind, bytes) put(doc, kind, bytes, sizeof(bytes) - 1)

static void is_text(gesso_bytes b, const char *want)
{
  assert_int_equal(b.len, strlen(want));
  assert_memory_equal(b.data, want, b.len);
}

static gesso_values all_of(gesso_doc *doc, gesso_type type)
{
  gesso_values v;
  assert_int_equal(gesso_array_get(doc, type, 0, UINT64_MAX, &v), GESSO_OK);
  return v;
}

static void any_values_are_read_as_trees(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(9);
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  PUT(doc, 8,
      "\x0a"
      "\x7f\x7e\x78\x79\x7d\x41"                              /* undefined null true false -1 */
      "\x77\x02hi"                                            /* "hi" */
      "\x74\x03\x00\x01\xff"                                  /* bytes */
      "\x7a\xff\xff\xff\xff\xff\xff\xff\xfe"                  /* -2n */
      "\x75\x02\x7e\x75\x00"                                  /* [null, []] */
      "\x76\x03\x01" "b\x7e\x01" "2\x78\x01" "b\x77\x01" "x"  /* {b: null, 2: true, b: "x"} */);
  gesso_values v = all_of(doc, a);
  assert_int_equal(v.count, 10);
  assert_int_equal(v.items[0].kind, GESSO_VALUE_UNDEFINED);
  assert_int_equal(v.items[1].kind, GESSO_VALUE_NULL);
  assert_int_equal(v.items[2].kind, GESSO_VALUE_BOOL);
  assert_true(v.items[2].number != 0);
  assert_true(v.items[3].number == 0);
  assert_int_equal(v.items[4].kind, GESSO_VALUE_NUMBER);
  assert_true(v.items[4].number == -1);
  is_text(v.items[5].bytes, "hi");
  assert_int_equal(v.items[6].kind, GESSO_VALUE_BYTES);
  assert_int_equal(v.items[6].bytes.len, 3);
  assert_memory_equal(v.items[6].bytes.data, "\0\1\377", 3);
  assert_int_equal(v.items[7].kind, GESSO_VALUE_BIGINT);
  assert_true(v.items[7].integer == -2);
  const gesso_value *list = &v.items[8], *object = &v.items[9];
  assert_int_equal(list->kind, GESSO_VALUE_ARRAY);
  assert_int_equal(list->count, 2);
  assert_int_equal(list->items[1].kind, GESSO_VALUE_ARRAY);
  assert_int_equal(list->items[1].count, 0);
  assert_int_equal(object->kind, GESSO_VALUE_OBJECT);
  assert_int_equal(object->count, 2);
  is_text(object->keys[0], "2");
  is_text(object->keys[1], "b");
  is_text(object->items[1].bytes, "x");
  gesso_values_free(&v);
  gesso_values_free(&v);

  assert_int_equal(gesso_array_get(doc, a, 5, 2, &v), GESSO_OK);
  assert_int_equal(v.count, 2);
  is_text(v.items[0].bytes, "hi");
  gesso_values_free(&v);
  assert_int_equal(gesso_array_get(doc, a, 10, 2, &v), GESSO_OK);
  assert_int_equal(v.count, 0);
  gesso_values_free(&v);
  assert_int_equal(gesso_array_get(doc, 99, 0, 1, &v), GESSO_E_USAGE);

  gesso_buffer json;
  assert_int_equal(gesso_array_get_json(doc, a, 9, &json), GESSO_OK);
  is_text(view(json), "{\"2\":true,\"b\":\"x\"}");
  gesso_buffer_free(&json);
  assert_int_equal(gesso_array_get_json(doc, a, 0, &json), GESSO_E_NOTFOUND);
  assert_int_equal(gesso_array_get_json(doc, a, 10, &json), GESSO_E_NOTFOUND);
  gesso_doc_destroy(doc);
}

static void old_json_strings_and_binary_are_read(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(9);
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  PUT(doc, 2, "\x03\x09undefined\x0e{\"k\":\"\\ud800\"}\x03" "1.5");
  gesso_values v = all_of(doc, a);
  assert_int_equal(v.count, 3);
  assert_int_equal(v.items[0].kind, GESSO_VALUE_UNDEFINED);
  is_text(v.items[1].keys[0], "k");
  is_text(v.items[1].items[0].bytes, "\xef\xbf\xbd");
  assert_true(v.items[2].number == 1.5);
  gesso_values_free(&v);
  gesso_doc_destroy(doc);

  doc = doc_of(9);
  a = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  PUT(doc, 4, "\x08" "a\xc3\xa9\xf0\x9f\x98\x80z");
  v = all_of(doc, a);
  assert_int_equal(v.count, 5);
  is_text(v.items[0].bytes, "a");
  is_text(v.items[1].bytes, "\xc3\xa9");
  is_text(v.items[2].bytes, "\xef\xbf\xbd");
  is_text(v.items[3].bytes, "\xef\xbf\xbd");
  is_text(v.items[4].bytes, "z");
  gesso_values_free(&v);
  assert_int_equal(gesso_array_get(doc, a, 3, 1, &v), GESSO_OK);
  is_text(v.items[0].bytes, "\xef\xbf\xbd");
  gesso_values_free(&v);
  gesso_doc_destroy(doc);

  doc = doc_of(9);
  a = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  PUT(doc, 3, "\x02\x05\x06");
  v = all_of(doc, a);
  assert_int_equal(v.items[0].kind, GESSO_VALUE_BYTES);
  assert_memory_equal(v.items[0].bytes.data, "\5\6", 2);
  gesso_values_free(&v);
  gesso_doc_destroy(doc);
}

static void maps_are_read_by_key_and_whole(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), made;
  gesso_value one = { .kind = GESSO_VALUE_NUMBER, .number = 1 };
  gesso_value nested = { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_ELEMENT, .bytes = str("p") };
  assert_int_equal(gesso_map_set(doc, m, str("one"), one, NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, m, str("gone"), one, NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, m, str("p"), nested, &made), GESSO_OK);
  assert_int_equal(gesso_map_remove(doc, m, str("gone")), GESSO_OK);
  gesso_values v;
  assert_int_equal(gesso_map_get(doc, m, str("gone"), &v), GESSO_E_NOTFOUND);
  gesso_values_free(&v);
  assert_int_equal(gesso_map_get(doc, m, str("p"), &v), GESSO_OK);
  assert_int_equal(v.count, 1);
  assert_int_equal(v.items[0].kind, GESSO_VALUE_TYPE);
  assert_int_equal(v.items[0].type, GESSO_XML_ELEMENT);
  assert_int_equal(v.items[0].ref, made);
  gesso_values_free(&v);
  assert_int_equal(gesso_map_entries(doc, m, &v), GESSO_OK);
  assert_int_equal(v.count, 2);
  for (size_t i = 0; i < v.count; i++)
    if (v.keys[i].len == 3)
      assert_true(v.items[i].number == 1);
    else
      is_text(v.keys[i], "p");
  gesso_values_free(&v);
  assert_int_equal(gesso_map_clear(doc, m), GESSO_OK);
  assert_int_equal(gesso_map_entries(doc, m, &v), GESSO_OK);
  assert_int_equal(v.count, 0);
  gesso_values_free(&v);
  assert_int_equal(gesso_type_length(doc, m), 0);
  check(doc);
  gesso_doc_destroy(doc);
}

static void types_tell_what_they_are(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  assert_int_equal(gesso_doc_find_root(doc, str("m")), 0);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), p, inner;
  assert_int_equal(gesso_doc_find_root(doc, str("m")), m);
  gesso_value element = { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_ELEMENT, .bytes = str("p") };
  gesso_value text = { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_TEXT };
  assert_int_equal(gesso_map_set(doc, m, str("k"), element, &p), GESSO_OK);
  assert_int_equal(gesso_array_insert(doc, p, 0, &text, 1, &inner), GESSO_OK);
  gesso_type_kind kind;
  assert_int_equal(gesso_type_get_kind(doc, inner, &kind), GESSO_OK);
  assert_int_equal(kind, GESSO_XML_TEXT);
  assert_int_equal(gesso_type_get_kind(doc, 0, &kind), GESSO_E_USAGE);
  assert_int_equal(gesso_type_parent(doc, inner), p);
  assert_int_equal(gesso_type_parent(doc, p), m);
  assert_int_equal(gesso_type_parent(doc, m), 0);
  is_text(gesso_type_name(doc, m), "m");
  is_text(gesso_type_name(doc, p), "p");
  assert_null(gesso_type_name(doc, inner).data);
  assert_false(gesso_type_is_deleted(doc, inner));
  assert_int_equal(gesso_map_remove(doc, m, str("k")), GESSO_OK);
  assert_true(gesso_type_is_deleted(doc, inner));
  assert_true(gesso_type_is_deleted(doc, p));
  assert_null(gesso_type_name(doc, p).data);
  assert_int_equal(gesso_type_parent(doc, inner), 0);

  gesso_doc *other = doc_of(2);
  PUT(other, 4, "\x01x");
  gesso_type a = gesso_doc_find_root(other, str("a"));
  assert_int_not_equal(a, 0);
  assert_int_equal(gesso_type_get_kind(other, a, &kind), GESSO_E_NOTFOUND);
  gesso_doc_destroy(other);
  gesso_doc_destroy(doc);
}

static void a_root_shows_itself_as_any_kind(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type a = gesso_doc_root(doc, str("r"), GESSO_ARRAY);
  gesso_value x = { .kind = GESSO_VALUE_NUMBER, .number = 1 };
  assert_int_equal(gesso_doc_root(doc, str("r"), GESSO_MAP), a);
  assert_int_equal(gesso_array_insert(doc, a, 0, &x, 1, NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, a, str("k"), x, NULL), GESSO_OK);
  reads_json(doc, a, GESSO_ARRAY, "[1]");
  reads_json(doc, a, GESSO_MAP, "{\"k\":1}");
  gesso_type_kind kind;
  assert_int_equal(gesso_type_get_kind(doc, a, &kind), GESSO_OK);
  assert_int_equal(kind, GESSO_ARRAY);
  assert_int_equal(gesso_doc_root(doc, str("other"), (gesso_type_kind)7), 0);
  assert_int_equal(gesso_doc_root(doc, str("\xff"), GESSO_MAP), 0);
  check(doc);
  gesso_doc_destroy(doc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(any_values_are_read_as_trees),
    cmocka_unit_test(old_json_strings_and_binary_are_read),
    cmocka_unit_test(maps_are_read_by_key_and_whole),
    cmocka_unit_test(types_tell_what_they_are),
    cmocka_unit_test(a_root_shows_itself_as_any_kind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
