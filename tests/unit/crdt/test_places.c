/* Places in texts, in UTF-16 units and in bytes, and nodes of XML. */
#include "crdt_test.h"
#include "gesso/events.h"

#include <stdbool.h>

#define NONE ((gesso_bytes){ NULL, 0 })

/* Both conversions everywhere in the text, compared with walking its delta. */
static void compare_everywhere(gesso_doc *doc, gesso_type t)
{
  gesso_changes d;
  assert_int_equal(gesso_text_get_delta(doc, t, &d), GESSO_OK);
  uint64_t units = 0, bytes = 0, got;
  for (size_t i = 0; i < d.count; i++) {
    const gesso_value *v = d.items[i].values;
    bool string = v->kind == GESSO_VALUE_STRING;
    for (size_t at = 0; at < (string ? v->bytes.len : 1);) {
      uint8_t lead = string ? v->bytes.data[at] : 0;
      size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      for (size_t k = 0; k < n; k++) {
        assert_int_equal(gesso_text_utf16_of_bytes(doc, t, bytes + k, &got), GESSO_OK);
        assert_int_equal(got, units);
      }
      for (size_t k = 0; k < (n == 4 ? 2 : 1); k++) {
        assert_int_equal(gesso_text_bytes_of_utf16(doc, t, units + k, &got), GESSO_OK);
        assert_int_equal(got, bytes);
      }
      at += n;
      bytes += n;
      units += n == 4 ? 2 : 1;
    }
  }
  assert_int_equal(gesso_text_utf16_of_bytes(doc, t, bytes, &got), GESSO_OK);
  assert_int_equal(got, units);
  assert_int_equal(gesso_text_bytes_of_utf16(doc, t, units, &got), GESSO_OK);
  assert_int_equal(got, bytes);
  assert_int_equal(gesso_text_utf16_of_bytes(doc, t, bytes + 1, &got), GESSO_E_USAGE);
  assert_int_equal(gesso_text_bytes_of_utf16(doc, t, units + 1, &got), GESSO_E_USAGE);
  gesso_changes_free(&d);
}

static uint32_t next(uint32_t *seed, uint32_t below)
{
  *seed = *seed * 1664525u + 1013904223u;
  return (*seed >> 8) % below;
}

static void units_and_bytes_name_the_same_places(void **state)
{
  (void)state;
  static const char *const pieces[] = {
    "a", "\xc3\xa9", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80", "plain text", "x\xf0\x9f\x98\x80y",
  };
  for (uint32_t seed = 1; seed <= 12; seed++) {
    uint32_t r = seed;
    gesso_doc *doc = doc_of(1), *other = doc_of(2);
    gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), u = gesso_doc_root(other, str("t"), GESSO_TEXT);
    compare_everywhere(doc, t);
    for (int i = 0; i < 300; i++) {
      /* Two clients, so that items do not all merge. */
      gesso_doc *at = next(&r, 3) == 0 ? other : doc;
      gesso_type text = at == doc ? t : u;
      uint32_t length = (uint32_t)gesso_type_length(at, text), where = next(&r, length + 1);
      uint32_t what = next(&r, 10);
      if (what < 6)
        type_in(at, text, where, pieces[next(&r, 6)]);
      else if (what < 7)
        assert_int_equal(gesso_text_embed(at, text, where, str("{}"), NONE), GESSO_OK);
      else if (what < 8 && where < length)
        assert_int_equal(gesso_text_format(at, text, where, 1, str("{\"b\":true}")), GESSO_OK);
      else if (where < length)
        cut_out(at, text, where, 1 + next(&r, length - where < 3 ? length - where : 3));
      if (next(&r, 5) == 0) {
        pull(doc, other);
        pull(other, doc);
      }
      if (i % 25 == 0) {
        check(doc);
        compare_everywhere(doc, t);
      }
    }
    pull(doc, other);
    check(doc);
    compare_everywhere(doc, t);
    gesso_doc_destroy(doc);
    gesso_doc_destroy(other);
  }
}

static void places_need_a_type(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  uint64_t got;
  assert_int_equal(gesso_text_utf16_of_bytes(doc, 0, 0, &got), GESSO_E_USAGE);
  assert_int_equal(gesso_text_bytes_of_utf16(doc, 5, 0, &got), GESSO_E_USAGE);
  gesso_doc_destroy(doc);
}

static gesso_type node(gesso_doc *doc, gesso_type parent, uint64_t at, const char *name)
{
  gesso_value v = { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_TEXT };
  if (name != NULL)
    v = (gesso_value){ .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_ELEMENT, .bytes = str(name) };
  gesso_type made;
  assert_int_equal(gesso_array_insert(doc, parent, at, &v, 1, &made), GESSO_OK);
  return made;
}

static void nodes_are_walked_in_order(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type root = gesso_doc_root(doc, str("x"), GESSO_XML_FRAGMENT);
  assert_int_equal(gesso_xml_walk_next(doc, root, root), 0);
  assert_int_equal(gesso_xml_first_child(doc, root), 0);
  gesso_type a = node(doc, root, 0, "a"), text = node(doc, root, 1, NULL), b = node(doc, root, 2, "b");
  gesso_type a1 = node(doc, a, 0, "a1"), a2 = node(doc, a, 1, "a2"), deep = node(doc, a2, 0, "deep");
  const gesso_type order[] = { a, a1, a2, deep, text, b, 0 };
  gesso_type at = root;
  for (size_t i = 0; i < 7; i++)
    assert_int_equal(at = gesso_xml_walk_next(doc, root, at), order[i]);
  const gesso_type in_a[] = { a1, a2, deep, 0 };
  at = a;
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(at = gesso_xml_walk_next(doc, a, at), in_a[i]);
  assert_int_equal(gesso_xml_next_sibling(doc, a), text);
  assert_int_equal(gesso_xml_prev_sibling(doc, b), text);
  assert_int_equal(gesso_array_remove(doc, root, 1, 1), GESSO_OK);
  assert_int_equal(gesso_xml_next_sibling(doc, a), b);
  assert_int_equal(gesso_xml_prev_sibling(doc, b), a);
  assert_int_equal(gesso_xml_prev_sibling(doc, a), 0);
  assert_int_equal(gesso_xml_next_sibling(doc, b), 0);
  assert_int_equal(gesso_xml_next_sibling(doc, text), 0);
  assert_int_equal(gesso_xml_walk_next(doc, root, text), 0);
  assert_int_equal(gesso_xml_first_child(doc, root), a);
  assert_int_equal(gesso_xml_next_sibling(doc, root), 0);
  assert_int_equal(gesso_xml_next_sibling(doc, 999), 0);
  assert_int_equal(gesso_xml_walk_next(doc, root, 999), 0);
  /* What is no type is passed over, and an attribute has no siblings. */
  gesso_value v = { .kind = GESSO_VALUE_NULL }, map = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
  gesso_type attribute;
  assert_int_equal(gesso_array_insert(doc, root, 0, &v, 1, NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, a, str("k"), map, &attribute), GESSO_OK);
  assert_int_equal(gesso_xml_first_child(doc, root), a);
  assert_int_equal(gesso_xml_next_sibling(doc, attribute), 0);
  gesso_doc_destroy(doc);
}

/* What a state vector cuts off in the middle of a long text: counted from whichever end is nearer. */
static void a_diff_begins_at_any_unit_of_a_long_text(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(7);
  gesso_type text = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  char utf8[512] = "";
  uint32_t at[200], units = 0; /* where each unit begins; the second of a pair where its first does */
  size_t len = 0;
  for (int i = 0; i < 120; i++) {
    static const char *const chars[] = { "a", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xe2\x82\xac" };
    const char *c = chars[i * 7 / 3 % 4];
    at[units++] = (uint32_t)len;
    if (strlen(c) == 4)
      at[units++] = (uint32_t)len;
    memcpy(utf8 + len, c, strlen(c));
    len += strlen(c);
  }
  assert_int_equal(gesso_text_insert(doc, text, 0, (gesso_bytes){ (uint8_t *)utf8, len }, (gesso_bytes){ NULL, 0 }),
                   GESSO_OK);
  for (uint32_t k = 1; k < units; k++) {
    const uint8_t sv[] = { 1, 7, (uint8_t)(k | 0x80), (uint8_t)(k >> 7) };
    gesso_buffer diff;
    assert_int_equal(gesso_doc_encode_v1(doc, (gesso_bytes){ sv, sizeof sv }, &diff, NULL), GESSO_OK);
    bool cut = at[k] == at[k - 1];
    size_t from = cut ? at[k] + 4u : at[k], rest = len - from;
    const uint8_t *end = diff.data + diff.len - 1; /* before the delete set */
    assert_int_equal(*end, 0);
    assert_memory_equal(end - rest, utf8 + from, rest);
    if (cut)
      assert_memory_equal(end - rest - 3, "\xef\xbf\xbd", 3);
    assert_true(diff.len < rest + 20);
    gesso_buffer_free(&diff);
  }
  gesso_doc_destroy(doc);
}

static void forward(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  (void)doc;
  (void)origin;
  (void)local;
  apply(ctx, update);
}

/* Each update begins where the list ended before, wherever its bytes were moved to meanwhile and whatever was looked
 * for in between. */
static void a_long_list_is_cut_where_its_elements_begin(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1), *other = doc_of(2);
  gesso_subscription s;
  assert_int_equal(gesso_doc_observe_update(doc, 1, forward, other, &s), GESSO_OK);
  gesso_type list = gesso_doc_root(doc, str("l"), GESSO_ARRAY);
  gesso_value nested[] = { { .kind = GESSO_VALUE_NULL }, { .kind = GESSO_VALUE_STRING, .bytes = str("\xc3\xa9") } };
  uint32_t r = 5;
  for (uint32_t i = 0; i < 4000; i++) {
    const gesso_value values[] = {
      { .kind = GESSO_VALUE_NUMBER, .number = (double)(i * i * i) },
      { .kind = GESSO_VALUE_NUMBER, .number = i / 7.0 },
      { .kind = GESSO_VALUE_BOOL, .number = i % 2 },
      { .kind = GESSO_VALUE_STRING, .bytes = { (const uint8_t *)"0123456789abcdef0123456789abcdef", next(&r, 33) } },
      { .kind = GESSO_VALUE_ARRAY, .items = nested, .count = 2 },
    };
    size_t length = (size_t)gesso_type_length(doc, list);
    assert_int_equal(gesso_array_insert(doc, list, length, &values[next(&r, 5)], 1, NULL), GESSO_OK);
    if (i % 97 == 0) /* cuts it, and what comes after is another item */
      assert_int_equal(gesso_array_insert(doc, list, next(&r, (uint32_t)length + 1), &values[0], 1, NULL), GESSO_OK);
    if (i % 101 == 100)
      assert_int_equal(gesso_array_remove(doc, list, next(&r, (uint32_t)length), 1), GESSO_OK);
    if (i % 500 == 0) {
      check(doc);
      same_state(doc, other);
    }
  }
  same_state(doc, other);
  gesso_buffer a, b;
  assert_int_equal(gesso_type_to_json(doc, list, GESSO_ARRAY, &a), GESSO_OK);
  assert_int_equal(gesso_type_to_json(other, gesso_doc_root(other, str("l"), GESSO_ARRAY), GESSO_ARRAY, &b), GESSO_OK);
  assert_int_equal(a.len, b.len);
  assert_memory_equal(a.data, b.data, a.len);
  gesso_buffer_free(&a);
  gesso_buffer_free(&b);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_diff_begins_at_any_unit_of_a_long_text),
    cmocka_unit_test(a_long_list_is_cut_where_its_elements_begin),
    cmocka_unit_test(units_and_bytes_name_the_same_places),
    cmocka_unit_test(places_need_a_type),
    cmocka_unit_test(nodes_are_walked_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
