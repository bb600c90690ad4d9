/* Snapshots: their bytes are those of Yjs; documents go back to them, and are read through them. */
#include "crdt_test.h"

#include "gesso/snapshot.h"
#include "support/support.h"

#include <stdbool.h>

#define NONE ((gesso_bytes){ NULL, 0 })

static gesso_doc *keeper(uint64_t client)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = client, .flags = GESSO_DOC_NO_GC };
  gesso_doc *doc = gesso_doc_create(&o);
  assert_non_null(doc);
  return doc;
}

static gesso_snapshot *now(gesso_doc *doc)
{
  gesso_snapshot *s;
  assert_int_equal(gesso_snapshot_create(doc, &s), GESSO_OK);
  return s;
}

static void is_text(gesso_buffer b, const char *want)
{
  char *got = strndup((const char *)b.data, b.len);
  assert_string_equal(got, want);
  free(got);
  gesso_buffer_free(&b);
}

static void was_json(gesso_doc *doc, const gesso_snapshot *s, gesso_type type, gesso_type_kind as, const char *want)
{
  gesso_buffer b;
  assert_int_equal(gesso_type_to_json_at(doc, s, type, as, &b), GESSO_OK);
  is_text(b, want);
}

static void was_delta(gesso_doc *doc, const gesso_snapshot *s, const gesso_snapshot *previous, gesso_type text,
                      uint32_t flags, const char *want)
{
  gesso_buffer b;
  assert_int_equal(gesso_text_to_delta_at(doc, s, previous, text, flags, &b), GESSO_OK);
  is_text(b, want);
}

static void push(gesso_doc *doc, gesso_type array, double n)
{
  gesso_value v = { .kind = GESSO_VALUE_NUMBER, .number = n };
  assert_int_equal(gesso_array_insert(doc, array, gesso_type_length(doc, array), &v, 1, NULL), GESSO_OK);
}

static void set(gesso_doc *doc, gesso_type map, const char *key, double n)
{
  gesso_value v = { .kind = GESSO_VALUE_NUMBER, .number = n };
  assert_int_equal(gesso_map_set(doc, map, str(key), v, NULL), GESSO_OK);
}

/* "hello world" by client 7 without "he" and " "; then client 300 writes one character and deletes it. */
static gesso_doc *sample(void)
{
  gesso_doc *doc = keeper(7), *other = doc_of(300);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), u = gesso_doc_root(other, str("t"), GESSO_TEXT);
  type_in(doc, t, 0, "hello world");
  cut_out(doc, t, 5, 1);
  cut_out(doc, t, 0, 2);
  pull(other, doc);
  type_in(other, u, 0, "x");
  cut_out(other, u, 0, 1);
  pull(doc, other);
  gesso_doc_destroy(other);
  return doc;
}

/* Y.encodeSnapshot(Y.snapshot(doc)) and Y.encodeSnapshotV2 of the same document */
static const uint8_t sample_v1[] = { 2, 0xac, 2, 1, 0, 1, 7, 2, 0, 2, 5, 1, 2, 0xac, 2, 1, 7, 11 };
static const uint8_t sample_v2[] = { 2, 0xac, 2, 1, 0, 0, 7, 2, 0, 1, 3, 0, 2, 0xac, 2, 1, 7, 11 };

static void bytes_are_those_of_yjs(void **state)
{
  (void)state;
  gesso_doc *doc = sample();
  gesso_snapshot *s = now(doc), *back;
  gesso_buffer v1, v2;
  assert_int_equal(gesso_snapshot_encode_v1(s, &v1), GESSO_OK);
  assert_int_equal(gesso_snapshot_encode_v2(s, &v2), GESSO_OK);
  assert_bytes_equal(view(v1), ((gesso_bytes){ sample_v1, sizeof sample_v1 }));
  assert_bytes_equal(view(v2), ((gesso_bytes){ sample_v2, sizeof sample_v2 }));
  assert_int_equal(gesso_snapshot_decode_v1(NULL, view(v1), &back, NULL), GESSO_OK);
  assert_true(gesso_snapshot_equal(s, back));
  gesso_snapshot_destroy(back);
  assert_int_equal(gesso_snapshot_decode_v2(NULL, view(v2), &back, NULL), GESSO_OK);
  assert_true(gesso_snapshot_equal(s, back));
  gesso_snapshot_destroy(back);
  for (size_t len = 0; len < v1.len; len++) {
    gesso_error why = { GESSO_OK, 0, NULL };
    assert_int_not_equal(gesso_snapshot_decode_v1(NULL, (gesso_bytes){ v1.data, len }, &back, &why), GESSO_OK);
    assert_null(back);
    assert_true(why.status != GESSO_OK && why.offset <= len && why.message != NULL);
    assert_int_not_equal(gesso_snapshot_decode_v2(NULL, (gesso_bytes){ v2.data, len }, &back, &why), GESSO_OK);
    assert_true(why.status != GESSO_OK && why.offset <= len && why.message != NULL);
  }
  gesso_snapshot *empty = gesso_snapshot_create_empty(NULL);
  assert_false(gesso_snapshot_equal(s, empty));
  gesso_buffer_free(&v1);
  assert_int_equal(gesso_snapshot_encode_v1(empty, &v1), GESSO_OK);
  assert_bytes_equal(view(v1), BYTES(0, 0));
  gesso_buffer_free(&v1);
  gesso_buffer_free(&v2);
  gesso_snapshot_destroy(empty);
  gesso_snapshot_destroy(s);
  gesso_snapshot_destroy(NULL);
  gesso_doc_destroy(doc);
}

static void strange_snapshots_are_put_in_order_or_refused(void **state)
{
  (void)state;
  /* Clients and ranges in any order, ranges that overlap or are empty, a client twice among the deletes. */
  gesso_bytes odd = BYTES(3, 7, 3, 5, 1, 0, 2, 1, 1, 0xac, 2, 1, 0, 1, 7, 1, 9, 0, 2, 7, 11, 0xac, 2, 1);
  gesso_snapshot *s;
  gesso_buffer b;
  assert_int_equal(gesso_snapshot_decode_v1(NULL, odd, &s, NULL), GESSO_OK);
  assert_int_equal(gesso_snapshot_encode_v1(s, &b), GESSO_OK);
  assert_bytes_equal(view(b), ((gesso_bytes){ sample_v1, sizeof sample_v1 }));
  gesso_buffer_free(&b);
  gesso_snapshot_destroy(s);
  const struct {
    bool v2;
    gesso_bytes bytes;
    gesso_status status;
  } bad[] = {
    { false, BYTES(0, 0, 0), GESSO_E_CORRUPT },
    { false, BYTES(0, 2, 7, 1, 7, 2), GESSO_E_CORRUPT },
    { false, BYTES(0xff, 0xff, 0xff, 0xff, 0x0f, 0), GESSO_E_CORRUPT },
    { false, BYTES(1, 7, 0xff, 0xff, 0xff, 0x7f, 0, 1, 0), GESSO_E_CORRUPT },
    { false, BYTES(1, 7, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0), GESSO_E_RANGE },
    { true, BYTES(1, 7, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 0), GESSO_E_RANGE },
    { true, BYTES(1, 7, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0),
      GESSO_E_RANGE },
  };
  for (size_t i = 0; i < GS_TEST_COUNT(bad); i++) {
    gesso_error why;
    gesso_status st = bad[i].v2 ? gesso_snapshot_decode_v2(NULL, bad[i].bytes, &s, &why)
                                : gesso_snapshot_decode_v1(NULL, bad[i].bytes, &s, &why);
    assert_null(s);
    assert_int_equal(why.status, st);
    if (bad[i].status == GESSO_E_RANGE)
      assert_int_equal(st, GESSO_E_RANGE);
    else
      assert_int_not_equal(st, GESSO_OK);
  }
}

static void texts_show_what_changed_since(void **state)
{
  (void)state;
  gesso_doc *doc = sample();
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_snapshot *first = now(doc), *empty = gesso_snapshot_create_empty(NULL);
  type_in(doc, t, 3, "NEW");
  cut_out(doc, t, 0, 1);
  assert_int_equal(gesso_text_format(doc, t, 0, 2, str("{\"bold\":true}")), GESSO_OK);
  gesso_snapshot *last = now(doc);
  cut_out(doc, t, 0, 10);
  was_delta(doc, first, NULL, t, 0, "[{\"insert\":\"lloworld\"}]");
  was_delta(doc, empty, NULL, t, 0, "[]");
  was_delta(doc, NULL, NULL, t, 0, "[]");
  /* toDelta(last, first) of Yjs, without and with a function for the users */
  was_delta(doc, last, first, t, 0,
            "[{\"insert\":\"l\",\"attributes\":{\"ychange\":{\"type\":\"removed\"}}},"
            "{\"insert\":\"lo\",\"attributes\":{\"bold\":true}},"
            "{\"insert\":\"NEW\",\"attributes\":{\"ychange\":{\"type\":\"added\"}}},{\"insert\":\"world\"}]");
  was_delta(doc, last, first, t, GESSO_YCHANGE_USER,
            "[{\"insert\":\"l\",\"attributes\":{\"ychange\":{\"user\":7,\"type\":\"removed\"}}},"
            "{\"insert\":\"lo\",\"attributes\":{\"bold\":true}},"
            "{\"insert\":\"NEW\",\"attributes\":{\"ychange\":{\"user\":7,\"type\":\"added\"}}},{\"insert\":\"world\"}]");
  was_delta(doc, NULL, first, t, GESSO_YCHANGE_USER,
            "[{\"insert\":\"lloworld\",\"attributes\":{\"ychange\":{\"user\":7,\"type\":\"removed\"}}}]");
  check(doc);
  gesso_snapshot_destroy(first);
  gesso_snapshot_destroy(last);
  gesso_snapshot_destroy(empty);
  gesso_doc_destroy(doc);
}

static void arrays_maps_and_xml_read_as_they_were(void **state)
{
  (void)state;
  gesso_doc *doc = keeper(7);
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY), m = gesso_doc_root(doc, str("m"), GESSO_MAP), el, inner;
  gesso_type x = gesso_doc_root(doc, str("x"), GESSO_XML_FRAGMENT);
  gesso_value p = { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_ELEMENT, .bytes = str("p") };
  gesso_value text = { .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT };
  push(doc, a, 1);
  push(doc, a, 2);
  set(doc, m, "k", 1);
  set(doc, m, "gone", 1);
  assert_int_equal(gesso_array_insert(doc, x, 0, &p, 1, &el), GESSO_OK);
  set(doc, el, "w", 1);
  assert_int_equal(gesso_map_set(doc, m, str("inner"), text, &inner), GESSO_OK);
  type_in(doc, inner, 0, "deep");
  gesso_snapshot *s = now(doc);
  /* 1 to 3 are one item now, and "k" is one of two deleted values. */
  push(doc, a, 3);
  assert_int_equal(gesso_array_remove(doc, a, 0, 2), GESSO_OK);
  set(doc, m, "k", 2);
  set(doc, m, "k", 3);
  assert_int_equal(gesso_map_remove(doc, m, str("gone")), GESSO_OK);
  set(doc, el, "w", 2);
  type_in(doc, inner, 2, "--");
  assert_int_equal(gesso_map_remove(doc, m, str("inner")), GESSO_OK);
  assert_int_equal(gesso_array_remove(doc, x, 0, 1), GESSO_OK);
  was_json(doc, s, a, GESSO_ARRAY, "[1,2]");
  was_json(doc, s, x, GESSO_XML_FRAGMENT, "\"<p w=\\\"1\\\"></p>\"");
  was_json(doc, s, inner, GESSO_TEXT, "\"deep\"");
  gesso_buffer b;
  assert_int_equal(gesso_map_get_json_at(doc, s, m, str("k"), &b), GESSO_OK);
  is_text(b, "1");
  assert_int_equal(gesso_map_get_json_at(doc, s, m, str("gone"), &b), GESSO_OK);
  is_text(b, "1");
  assert_int_equal(gesso_map_get_json_at(doc, s, m, str("inner"), &b), GESSO_OK);
  is_text(b, "\"deep\"");
  assert_int_equal(gesso_map_get_json_at(doc, s, m, str("never"), &b), GESSO_E_NOTFOUND);
  assert_int_equal(gesso_map_to_json_at(doc, s, el, &b), GESSO_OK);
  is_text(b, "{\"w\":1}");
  assert_int_equal(gesso_type_to_json_at(doc, s, 0, GESSO_MAP, &b), GESSO_E_USAGE);
  assert_int_equal(gesso_type_to_json_at(doc, s, 99, GESSO_MAP, &b), GESSO_E_USAGE);
  gesso_snapshot *later = now(doc);
  was_json(doc, later, a, GESSO_ARRAY, "[3]");
  was_json(doc, later, m, GESSO_MAP, "{\"k\":3}");
  was_json(doc, later, inner, GESSO_TEXT, "\"\"");
  gesso_snapshot *empty = gesso_snapshot_create_empty(NULL);
  was_json(doc, empty, m, GESSO_MAP, "{}");
  check(doc);
  gesso_snapshot_destroy(s);
  gesso_snapshot_destroy(later);
  gesso_snapshot_destroy(empty);
  gesso_doc_destroy(doc);
}

static void what_was_collected_is_left_out(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(7);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  type_in(doc, t, 0, "abc");
  set(doc, m, "x", 0);
  set(doc, m, "y", 0);
  gesso_snapshot *s = now(doc);
  cut_out(doc, t, 1, 1);
  /* Enough old values for them to be packed. */
  for (int i = 1; i < 2000; i++) {
    set(doc, m, "x", i);
    set(doc, m, "y", i);
  }
  gesso_snapshot *half = now(doc);
  for (int i = 0; i < 600; i++) {
    set(doc, m, "y", -i);
    set(doc, m, "x", -i);
  }
  was_delta(doc, s, NULL, t, 0, "[{\"insert\":\"ac\"}]");
  was_json(doc, s, m, GESSO_MAP, "{}");
  was_json(doc, half, m, GESSO_MAP, "{}");
  check(doc);
  gesso_buffer b;
  gesso_doc *back;
  assert_int_equal(gesso_doc_encode_at_v1(doc, s, &b), GESSO_E_USAGE);
  assert_int_equal(gesso_doc_encode_at_v2(doc, s, &b), GESSO_E_USAGE);
  assert_int_equal(gesso_doc_create_at(doc, s, NULL, &back), GESSO_E_USAGE);
  assert_null(back);
  gesso_snapshot_destroy(s);
  gesso_snapshot_destroy(half);
  gesso_doc_destroy(doc);
}

static void documents_go_back(void **state)
{
  (void)state;
  gesso_doc *doc = keeper(7), *fresh = keeper(8), *back, *again = doc_of(9);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_snapshot *empty = gesso_snapshot_create_empty(NULL);
  type_in(doc, t, 0, "one \xf0\x9f\x98\x80 two");
  gesso_snapshot *s = now(doc);
  gesso_buffer state_then = state_of(doc), b;
  type_in(doc, t, 10, " three");
  cut_out(doc, t, 0, 6);
  assert_int_equal(gesso_doc_create_at(doc, s, NULL, &back), GESSO_OK);
  gesso_buffer state_back = state_of(back);
  assert_bytes_equal(view(state_back), view(state_then));
  reads_json(back, gesso_doc_root(back, str("t"), GESSO_TEXT), GESSO_TEXT, "\"one \xf0\x9f\x98\x80 two\"");
  assert_int_equal(gesso_doc_encode_at_v2(doc, s, &b), GESSO_OK);
  assert_int_equal(gesso_doc_apply_v2(again, view(b), NULL), GESSO_OK);
  same_state(back, again);
  gesso_buffer_free(&b);
  gesso_buffer_free(&state_back);
  gesso_buffer_free(&state_then);
  gesso_doc_destroy(back);
  assert_int_equal(gesso_doc_create_at(fresh, s, NULL, &back), GESSO_E_NOTFOUND);
  assert_int_equal(gesso_doc_create_at(doc, empty, NULL, &back), GESSO_OK);
  reads_json(back, gesso_doc_root(back, str("t"), GESSO_TEXT), GESSO_TEXT, "\"\"");
  gesso_doc_destroy(back);
  gesso_snapshot_destroy(s);
  /* One that deletes what was never there, far away. */
  const gesso_bytes far = BYTES(1, 7, 1, 2, 0xff, 0xff, 0xff, 0xff, 0x7f, 0);
  assert_int_equal(gesso_snapshot_decode_v1(NULL, far, &s, NULL), GESSO_OK);
  assert_int_equal(gesso_doc_create_at(doc, s, NULL, &back), GESSO_E_NOTFOUND);
  gesso_snapshot_destroy(s);
  /* A snapshot from elsewhere that ends in the middle of a character. */
  assert_int_equal(gesso_snapshot_decode_v1(NULL, BYTES(0, 1, 7, 5), &s, NULL), GESSO_OK);
  assert_int_equal(gesso_doc_create_at(doc, s, NULL, &back), GESSO_OK);
  reads_json(back, gesso_doc_root(back, str("t"), GESSO_TEXT), GESSO_TEXT, "\"one \xef\xbf\xbd\"");
  was_json(doc, s, t, GESSO_TEXT, "\"one \xef\xbf\xbd\"");
  check(back);
  gesso_doc_destroy(back);
  gesso_snapshot_destroy(s);
  gesso_snapshot_destroy(empty);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(fresh);
  gesso_doc_destroy(again);
}

static void an_update_is_in_a_snapshot_or_not(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(7);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  type_in(doc, t, 0, "abc");
  gesso_snapshot *before = now(doc);
  cut_out(doc, t, 1, 1);
  gesso_snapshot *after = now(doc), *empty = gesso_snapshot_create_empty(NULL);
  gesso_buffer all = state_of(doc), v2;
  assert_int_equal(gesso_doc_encode_v2(doc, NONE, &v2, NULL), GESSO_OK);
  const struct {
    const gesso_snapshot *s;
    int in;
  } cases[] = { { before, 0 }, { after, 1 }, { empty, 0 } };
  for (size_t i = 0; i < GS_TEST_COUNT(cases); i++) {
    int in = -1;
    assert_int_equal(gesso_snapshot_contains_v1(cases[i].s, view(all), &in, NULL), GESSO_OK);
    assert_int_equal(in, cases[i].in);
    assert_int_equal(gesso_snapshot_contains_v2(cases[i].s, view(v2), &in, NULL), GESSO_OK);
    assert_int_equal(in, cases[i].in);
    gesso_error why = { GESSO_OK, 0, NULL };
    assert_int_not_equal(gesso_snapshot_contains_v1(cases[i].s, (gesso_bytes){ all.data, all.len - 1 }, &in, &why), GESSO_OK);
    assert_int_equal(in, 0);
    assert_true(why.status != GESSO_OK && why.offset <= all.len);
  }
  gesso_buffer_free(&all);
  gesso_buffer_free(&v2);
  gesso_snapshot_destroy(before);
  gesso_snapshot_destroy(after);
  gesso_snapshot_destroy(empty);
  gesso_doc_destroy(doc);
}

static void short_memory_changes_nothing(void **state)
{
  (void)state;
  gesso_doc *source = sample();
  gesso_buffer all = state_of(source);
  for (unsigned long n = 1;; n++) {
    struct faulty f = { 0 };
    gesso_allocator al = { faulty_resize, &f };
    gesso_doc_options o = { .size = sizeof o, .client_id = 1, .alloc = &al, .flags = GESSO_DOC_NO_GC };
    gesso_doc *doc = gesso_doc_create(&o), *back = NULL;
    apply(doc, view(all));
    gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
    f.fail_at = f.calls + n;
    gesso_snapshot *s = NULL, *read = NULL;
    gesso_buffer v2 = { 0 }, delta = { 0 };
    bool failed = gesso_snapshot_create(doc, &s) != GESSO_OK;
    assert_true(failed == (s == NULL));
    if (s != NULL) {
      failed |= gesso_snapshot_encode_v2(s, &v2) != GESSO_OK ||
                gesso_snapshot_decode_v2(&al, view(v2), &read, NULL) != GESSO_OK;
      failed |= gesso_text_to_delta_at(doc, s, s, t, GESSO_YCHANGE_USER, &delta) != GESSO_OK;
      failed |= gesso_doc_create_at(doc, s, &o, &back) != GESSO_OK;
    }
    f.fail_at = 0;
    check(doc);
    gesso_buffer after = state_of(doc);
    assert_bytes_equal(view(after), view(all));
    gesso_buffer_free(&after);
    gesso_buffer_free(&v2);
    gesso_buffer_free(&delta);
    gesso_snapshot_destroy(s);
    gesso_snapshot_destroy(read);
    gesso_doc_destroy(back);
    gesso_doc_destroy(doc);
    assert_int_equal(f.live, 0);
    if (!failed && !f.failed)
      break;
  }
  gesso_buffer_free(&all);
  gesso_doc_destroy(source);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(bytes_are_those_of_yjs),
    cmocka_unit_test(strange_snapshots_are_put_in_order_or_refused),
    cmocka_unit_test(texts_show_what_changed_since),
    cmocka_unit_test(arrays_maps_and_xml_read_as_they_were),
    cmocka_unit_test(what_was_collected_is_left_out),
    cmocka_unit_test(documents_go_back),
    cmocka_unit_test(an_update_is_in_a_snapshot_or_not),
    cmocka_unit_test(short_memory_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
