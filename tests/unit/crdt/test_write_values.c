/* Values and deltas as they are written: what is refused, and what memory failures leave. */
#include "crdt_test.h"

#define NONE ((gesso_bytes){ NULL, 0 })

static gesso_value number(double n)
{
  return (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = n };
}

static gesso_value text(const char *s)
{
  return (gesso_value){ .kind = GESSO_VALUE_STRING, .bytes = str(s) };
}

static gesso_value json(const char *s)
{
  return (gesso_value){ .kind = GESSO_VALUE_JSON, .bytes = str(s) };
}

static void trees_are_written(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  gesso_value list[] = { number(1), { .kind = GESSO_VALUE_UNDEFINED }, json("[{\"x\":\"\\u00e9\"}]") };
  gesso_bytes keys[] = { str("b"), str("7"), str("b") };
  gesso_value members[] = { number(0), { .kind = GESSO_VALUE_ARRAY, .items = list, .count = 3 }, text("last") };
  gesso_value object = { .kind = GESSO_VALUE_OBJECT, .keys = keys, .items = members, .count = 3 };
  assert_int_equal(gesso_map_set(doc, m, str("k"), object, NULL), GESSO_OK);
  reads_json(doc, m, GESSO_MAP, "{\"k\":{\"7\":[1,null,[{\"x\":\"\xc3\xa9\"}]],\"b\":\"last\"}}");
  gesso_value big = { .kind = GESSO_VALUE_BIGINT, .integer = INT64_MIN };
  assert_int_equal(gesso_map_set(doc, m, str("k"), big, NULL), GESSO_OK);
  gesso_values v;
  assert_int_equal(gesso_map_get(doc, m, str("k"), &v), GESSO_OK);
  assert_int_equal(v.items[0].kind, GESSO_VALUE_BIGINT);
  assert_true(v.items[0].integer == INT64_MIN);
  gesso_values_free(&v);
  check(doc);
  gesso_doc_destroy(doc);
}

static void nesting_has_a_limit(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  static gesso_value at[514];
  at[0] = number(1);
  for (int i = 1; i < 514; i++)
    at[i] = (gesso_value){ .kind = GESSO_VALUE_ARRAY, .items = &at[i - 1], .count = 1 };
  assert_int_equal(gesso_map_set(doc, m, str("k"), at[512], NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, m, str("k"), at[513], NULL), GESSO_E_LIMIT);
  gesso_values v;
  assert_int_equal(gesso_map_get(doc, m, str("k"), &v), GESSO_OK);
  const gesso_value *x = v.items;
  for (int i = 0; i < 512; i++)
    x = x->items;
  assert_true(x->number == 1);
  gesso_values_free(&v);
  at[0] = json("[[1]]");
  assert_int_equal(gesso_map_set(doc, m, str("k"), at[510], NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, m, str("k"), at[511], NULL), GESSO_E_LIMIT);
  gesso_doc_destroy(doc);
}

static void malformed_values_change_nothing(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), a = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_value type = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
  gesso_bytes bad_key = str("\xff");
  gesso_value bad[] = {
    text("\xed\xa0\x80"),
    json("[1,"),
    json(""),
    { .kind = GESSO_VALUE_JSON },
    { .kind = GESSO_VALUE_STRING, .bytes = { NULL, 3 } },
    { .kind = GESSO_VALUE_BYTES, .bytes = { NULL, 3 } },
    { .kind = GESSO_VALUE_ARRAY, .count = 1 },
    { .kind = GESSO_VALUE_OBJECT, .count = 1, .items = &type },
    { .kind = GESSO_VALUE_ARRAY, .count = 1, .items = &type },
    { .kind = GESSO_VALUE_OBJECT, .count = 1, .items = &bad[1], .keys = &bad_key },
    { .kind = GESSO_VALUE_TYPE, .type = (gesso_type_kind)7 },
    { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_ELEMENT, .bytes = bad_key },
    { .kind = (gesso_value_kind)99 },
    { .kind = GESSO_VALUE_DOC },
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    gesso_value two[] = { number(1), bad[i] };
    assert_int_equal(gesso_map_set(doc, m, str("k"), bad[i], NULL), GESSO_E_USAGE);
    assert_int_equal(gesso_array_insert(doc, a, 0, two, 2, NULL), GESSO_E_USAGE);
    assert_int_equal(gesso_text_embed_value(doc, t, 0, bad[i], NONE, NULL), GESSO_E_USAGE);
  }
  gesso_value no_json[] = {
    { .kind = GESSO_VALUE_BIGINT },
    { .kind = GESSO_VALUE_UNDEFINED },
    { .kind = GESSO_VALUE_BYTES },
  };
  for (size_t i = 0; i < 3; i++)
    assert_int_equal(gesso_text_embed_value(doc, t, 0, no_json[i], NONE, NULL), GESSO_E_USAGE);
  gesso_buffer sv;
  assert_int_equal(gesso_doc_state_vector(doc, &sv), GESSO_OK);
  assert_int_equal(sv.len, 1);
  gesso_buffer_free(&sv);
  gesso_doc_destroy(doc);
}

static void deltas_are_applied_and_read(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  static const char first[] = "[{\"insert\":\"plain \"},{\"insert\":\"bold\",\"attributes\":{\"b\":true}},"
                              "{\"insert\":{\"img\":1}},{\"insert\":\"\"},{},{\"insert\":\" \\ud83d\\ude00\"}]";
  static const char second[] = "[{\"retain\":3},{\"delete\":4},{\"retain\":2,\"attributes\":{\"b\":null,\"c\":[1]}}]";
  assert_int_equal(gesso_text_apply_delta(doc, t, str(first)), GESSO_OK);
  reads_delta(doc, t, "[{\"insert\":\"plain \"},{\"insert\":\"bold\",\"attributes\":{\"b\":true}},"
                      "{\"insert\":{\"img\":1}},{\"insert\":\" \xf0\x9f\x98\x80\"}]");
  assert_int_equal(gesso_text_apply_delta(doc, t, str(second)), GESSO_OK);
  gesso_changes d;
  assert_int_equal(gesso_text_get_delta(doc, t, &d), GESSO_OK);
  assert_int_equal(d.count, 5);
  assert_int_equal(d.items[1].kind, GESSO_CHANGE_INSERT);
  assert_int_equal(d.items[1].length, 2);
  assert_int_equal(d.items[1].nattributes, 1);
  assert_int_equal(d.items[1].attribute_values[0].kind, GESSO_VALUE_ARRAY);
  assert_int_equal(d.items[3].values[0].kind, GESSO_VALUE_OBJECT);
  assert_int_equal(d.items[4].length, 3);
  gesso_changes_free(&d);
  gesso_changes_free(&d);

  gesso_value img = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP }, yes = { .kind = GESSO_VALUE_BOOL, .number = 1 };
  gesso_bytes key = str("b");
  gesso_value hello = text("hello");
  gesso_change changes[] = {
    { .kind = GESSO_CHANGE_INSERT,
      .values = &hello,
      .nvalues = 1,
      .attribute_keys = &key,
      .attribute_values = &yes,
      .nattributes = 1 },
    { .kind = GESSO_CHANGE_INSERT, .values = &img, .nvalues = 1 },
    { .kind = GESSO_CHANGE_DELETE, .length = 1000 },
    { .kind = GESSO_CHANGE_RETAIN, .length = 2 },
  };
  assert_int_equal(gesso_text_apply_changes(doc, t, changes, 4), GESSO_OK);
  reads_delta(doc, t, "[{\"insert\":\"hello\",\"attributes\":{\"b\":true}},{\"insert\":{}},{\"insert\":\"\\n\\n\"}]");
  check(doc);
  gesso_doc_destroy(doc);
}

static void malformed_deltas_change_nothing(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  type_in(doc, t, 0, "abc");
  static const char *const bad[] = {
    "", "{}", "[1]", "[null]",
    "[{\"insert\":null}]", "[{\"retain\":-1}]", "[{\"retain\":1.5}]", "[{\"delete\":\"1\"}]",
    "[{\"insert\":\"x\",\"attributes\":[]}]", "[{\"insert\":\"x\"},{\"retain\":1e300}]",
    "[{\"insert\":\"x\"},{\"delete\":true}]",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(gesso_text_apply_delta(doc, t, str(bad[i])), GESSO_E_USAGE);
  assert_int_equal(gesso_text_apply_delta(doc, t, str("[{\"insert\":\"x\"},{\"retain\":70000}]")), GESSO_E_LIMIT);
  gesso_value two[] = { text("x"), text("y") };
  gesso_change odd[] = {
    { .kind = GESSO_CHANGE_INSERT, .values = two, .nvalues = 2 },
    { .kind = GESSO_CHANGE_INSERT },
    { .kind = (gesso_change_kind)0 },
    { .kind = GESSO_CHANGE_RETAIN, .length = 1, .nattributes = 1 },
  };
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(gesso_text_apply_changes(doc, t, &odd[i], 1), GESSO_E_USAGE);
  reads_json(doc, t, GESSO_TEXT, "\"abc\"");
  gesso_doc_destroy(doc);
}

/* --- memory failures --- */

typedef struct scarce {
  gesso_allocator al;
  long left; /* allocations that still succeed */
  long held; /* bytes */
} scarce;

static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  scarce *s = ctx;
  if (new_size > old_size && s->left-- <= 0)
    return NULL;
  s->held += (long)new_size - (long)old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

static gesso_status edit_everything(gesso_doc *doc)
{
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  if (m == 0 || t == 0 || a == 0)
    return GESSO_E_NOMEM;
  static const char first[] = "[{\"insert\":\"some text\",\"attributes\":{\"b\":true}},{\"insert\":{\"e\":[1]}},"
                              "{\"insert\":\"and more of it\",\"attributes\":{\"c\":\"red\"}},{\"retain\":3}]";
  static const char second[] = "[{\"retain\":3},{\"delete\":4},{\"retain\":9,\"attributes\":{\"b\":null}}]";
  gesso_value list[] = { number(1), text("a piece of text that is long enough"), json("{\"k\":[1,2,\"\\n\"]}") };
  gesso_bytes keys[] = { str("3"), str("b"), str("1") };
  gesso_value object = { .kind = GESSO_VALUE_OBJECT, .keys = keys, .items = list, .count = 3 };
  gesso_value values[] = { object, { .kind = GESSO_VALUE_BYTES, .bytes = str("0123456789") }, object };
  gesso_status st = gesso_map_set(doc, m, str("k"), object, NULL);
  if (st == GESSO_OK)
    st = gesso_array_insert(doc, a, 0, values, 3, NULL);
  if (st == GESSO_OK)
    st = gesso_text_apply_delta(doc, t, str(first));
  if (st == GESSO_OK)
    st = gesso_text_apply_delta(doc, t, str(second));
  if (st == GESSO_OK)
    st = gesso_text_embed_value(doc, t, 2, object, str("{\"x\":{}}"), NULL);
  return st;
}

static gesso_status read_everything(gesso_doc *doc)
{
  gesso_values v;
  gesso_changes d;
  gesso_status st = gesso_map_entries(doc, gesso_doc_find_root(doc, str("m")), &v);
  if (st != GESSO_OK)
    return st;
  gesso_values_free(&v);
  if ((st = gesso_array_get(doc, gesso_doc_find_root(doc, str("a")), 1, 9, &v)) != GESSO_OK)
    return st;
  gesso_values_free(&v);
  if ((st = gesso_text_get_delta(doc, gesso_doc_find_root(doc, str("t")), &d)) == GESSO_OK)
    gesso_changes_free(&d);
  return st;
}

static void memory_failures_leave_a_whole_document(void **state)
{
  (void)state;
  for (int reading = 0; reading < 2; reading++) {
    gesso_status st = GESSO_E_NOMEM;
    long n = 0;
    for (; st == GESSO_E_NOMEM; n++) {
      scarce s = { .left = reading ? 1000000 : n };
      s.al = (gesso_allocator){ resize, &s };
      gesso_doc_options o = { .size = sizeof o, .alloc = &s.al, .client_id = 1 };
      gesso_doc *doc = gesso_doc_create(&o);
      if (doc != NULL) {
        st = edit_everything(doc);
        if (reading) {
          assert_int_equal(st, GESSO_OK);
          s.left = n;
          st = read_everything(doc);
        }
        s.left = 1000000;
        check(doc);
        gesso_doc_destroy(doc);
      }
      assert_int_equal(s.held, 0);
    }
    assert_int_equal(st, GESSO_OK);
    assert_true(n > (reading ? 10 : 60));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(trees_are_written),
    cmocka_unit_test(nesting_has_a_limit),
    cmocka_unit_test(malformed_values_change_nothing),
    cmocka_unit_test(deltas_are_applied_and_read),
    cmocka_unit_test(malformed_deltas_change_nothing),
    cmocka_unit_test(memory_failures_leave_a_whole_document),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
