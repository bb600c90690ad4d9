/* Positions stay with what they stand next to; their bytes and JSON are those of Yjs. */
#include "crdt_test.h"

#include "gesso/position.h"
#include "gesso/undo.h"
#include "support/support.h"

#include <stdbool.h>

static gesso_position *at(gesso_doc *doc, gesso_type type, uint64_t index, int32_t assoc)
{
  gesso_position *p;
  assert_int_equal(gesso_position_create(doc, type, index, assoc, &p), GESSO_OK);
  return p;
}

static void stands(gesso_doc *doc, const gesso_position *p, gesso_type type, uint64_t index)
{
  gesso_place place;
  assert_int_equal(gesso_position_resolve(doc, p, 0, &place), GESSO_OK);
  assert_int_equal(place.type, type);
  assert_int_equal(place.index, index);
  assert_int_equal(place.assoc, gesso_position_assoc(p));
}

static void it_sticks_to_what_is_behind_it_or_in_front_of_it(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(7);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  type_in(doc, t, 0, "abcd");
  gesso_position *behind = at(doc, t, 2, 0), *front = at(doc, t, 2, -1);
  gesso_position *end = at(doc, t, 4, 0), *start = at(doc, t, 0, -1), *after_d = at(doc, t, 4, -1);
  type_in(doc, t, 2, "--");
  stands(doc, behind, t, 4);
  stands(doc, front, t, 2);
  type_in(doc, t, 6, "e");
  type_in(doc, t, 0, "_");
  stands(doc, end, t, 8);
  stands(doc, start, t, 0);
  stands(doc, after_d, t, 7);
  /* c goes, and b: both stay where those stood. */
  cut_out(doc, t, 5, 1);
  stands(doc, behind, t, 5);
  cut_out(doc, t, 2, 1);
  stands(doc, front, t, 2);
  check(doc);
  gesso_position *all[] = { behind, front, end, start, after_d };
  for (size_t i = 0; i < GS_TEST_COUNT(all); i++)
    gesso_position_destroy(all[i]);
  gesso_position_destroy(NULL);
  gesso_doc_destroy(doc);
}

static void bytes_and_json_are_those_of_yjs(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(7);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), a = gesso_doc_root(doc, str("a"), GESSO_ARRAY), n;
  type_in(doc, t, 0, "hello");
  gesso_value text = { .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT };
  assert_int_equal(gesso_array_insert(doc, a, 0, &text, 1, &n), GESSO_OK);
  type_in(doc, n, 0, "xy");
  /* Y.encodeRelativePosition and JSON.stringify(Y.relativePositionToJSON(p)) of the same places */
  const struct {
    gesso_type type;
    uint64_t index;
    int32_t assoc;
    size_t len;
    uint8_t bytes[6];
    const char *json;
  } cases[] = {
    { t, 0, 0, 4, { 0, 7, 0, 0 }, "{\"tname\":\"t\",\"item\":{\"client\":7,\"clock\":0},\"assoc\":0}" },
    { t, 2, -1, 4, { 0, 7, 1, 0x41 }, "{\"tname\":\"t\",\"item\":{\"client\":7,\"clock\":1},\"assoc\":-1}" },
    { t, 5, 0, 4, { 1, 1, 't', 0 }, "{\"tname\":\"t\",\"assoc\":0}" },
    { t, 0, -1, 4, { 1, 1, 't', 0x41 }, "{\"tname\":\"t\",\"assoc\":-1}" },
    { n, 1, 0, 4, { 0, 7, 7, 0 }, "{\"type\":{\"client\":7,\"clock\":5},\"item\":{\"client\":7,\"clock\":7},\"assoc\":0}" },
    { n, 2, 0, 4, { 2, 7, 5, 0 }, "{\"type\":{\"client\":7,\"clock\":5},\"assoc\":0}" },
    { n, 0, -5, 4, { 2, 7, 5, 0x45 }, "{\"type\":{\"client\":7,\"clock\":5},\"assoc\":-5}" },
    { t, 2, 1000, 5, { 0, 7, 2, 0xa8, 0x0f }, "{\"tname\":\"t\",\"item\":{\"client\":7,\"clock\":2},\"assoc\":1000}" },
  };
  for (size_t i = 0; i < GS_TEST_COUNT(cases); i++) {
    gesso_position *p = at(doc, cases[i].type, cases[i].index, cases[i].assoc), *back;
    gesso_buffer b;
    assert_int_equal(gesso_position_encode(p, &b), GESSO_OK);
    assert_int_equal(b.len, cases[i].len);
    assert_memory_equal(b.data, cases[i].bytes, b.len);
    assert_int_equal(gesso_position_decode(NULL, view(b), &back, NULL), GESSO_OK);
    stands(doc, back, cases[i].type, cases[i].index);
    gesso_position_destroy(back);
    /* Every part of it is refused, but for the one without the association, which then is 0. */
    for (size_t len = 0; len < b.len - 1; len++) {
      gesso_error why = { GESSO_OK, 0, NULL };
      gesso_status st = gesso_position_decode(NULL, (gesso_bytes){ b.data, len }, &back, &why);
      if (len == 3) {
        assert_int_equal(st, GESSO_OK);
        gesso_position_destroy(back);
        continue;
      }
      assert_int_equal(st, GESSO_E_TRUNCATED);
      assert_null(back);
      assert_true(why.offset <= len && why.message != NULL);
    }
    gesso_buffer_free(&b);
    assert_int_equal(gesso_position_to_json(p, &b), GESSO_OK);
    assert_int_equal(b.len, strlen(cases[i].json));
    assert_memory_equal(b.data, cases[i].json, b.len);
    assert_int_equal(gesso_position_from_json(NULL, view(b), &back, NULL), GESSO_OK);
    assert_true(gesso_position_equal(p, back));
    gesso_position_destroy(back);
    gesso_buffer_free(&b);
    gesso_position_destroy(p);
  }
  gesso_doc_destroy(doc);
}

static void what_is_no_position_is_refused(void **state)
{
  (void)state;
  const struct {
    gesso_bytes bytes;
    gesso_status status;
    size_t offset;
  } bad[] = {
    { { NULL, 0 }, GESSO_E_TRUNCATED, 0 },
    { BYTES(3, 0, 0), GESSO_E_CORRUPT, 1 },
    { BYTES(1, 2, 0xc3, 0x28), GESSO_E_CORRUPT, 2 },
    { BYTES(0, 7, 0, 0, 0), GESSO_E_CORRUPT, 4 },
    { BYTES(0, 7, 0, 0x80, 0x80, 0x80, 0x80, 0x20), GESSO_E_RANGE, 8 },
    { BYTES(2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0), GESSO_E_RANGE, 1 },
  };
  for (size_t i = 0; i < GS_TEST_COUNT(bad); i++) {
    gesso_position *p;
    gesso_error why;
    assert_int_equal(gesso_position_decode(NULL, bad[i].bytes, &p, &why), bad[i].status);
    assert_null(p);
    assert_int_equal(why.status, bad[i].status);
    assert_int_equal(why.offset, bad[i].offset);
  }
  const struct {
    const char *json;
    gesso_status status;
    size_t offset;
  } no[] = {
    { "", GESSO_E_CORRUPT, 0 },
    { "{\"tname\": 't'}", GESSO_E_CORRUPT, 10 },
    { "[]", GESSO_E_CORRUPT, 0 },
    { "{}", GESSO_E_CORRUPT, 0 },
    { "{\"tname\":null,\"assoc\":0}", GESSO_E_CORRUPT, 0 },
    { "{\"tname\":5}", GESSO_E_CORRUPT, 0 },
    { "{\"tname\":\"\\ud800\"}", GESSO_E_CORRUPT, 0 },
    { "{\"item\":{\"client\":1}}", GESSO_E_CORRUPT, 0 },
    { "{\"item\":[1,2]}", GESSO_E_CORRUPT, 0 },
    { "{\"item\":{\"client\":1,\"clock\":-1}}", GESSO_E_CORRUPT, 0 },
    { "{\"item\":{\"client\":1,\"clock\":1.5}}", GESSO_E_CORRUPT, 0 },
    { "{\"item\":{\"client\":1e400,\"clock\":1}}", GESSO_E_CORRUPT, 0 },
    { "{\"tname\":\"t\",\"assoc\":0.5}", GESSO_E_RANGE, 0 },
    { "{\"tname\":\"t\",\"assoc\":2147483648}", GESSO_E_RANGE, 0 },
    { "{\"tname\":\"t\",\"assoc\":\"0\"}", GESSO_E_RANGE, 0 },
  };
  for (size_t i = 0; i < GS_TEST_COUNT(no); i++) {
    gesso_position *p;
    gesso_error why;
    if (gesso_position_from_json(NULL, str(no[i].json), &p, &why) != no[i].status)
      fail_msg("%s", no[i].json);
    assert_null(p);
    assert_int_equal(why.offset, no[i].offset);
  }
  static const char *const fine[] = {
    "{\"tname\":\"\"}", " {\"type\":null,\"tname\":\"t\",\"item\":null,\"assoc\":null,\"more\":[1]} ",
    "{\"item\":{\"client\":9007199254740991,\"clock\":9007199254740991},\"assoc\":-2147483648}",
  };
  for (size_t i = 0; i < GS_TEST_COUNT(fine); i++) {
    gesso_position *p;
    assert_int_equal(gesso_position_from_json(NULL, str(fine[i]), &p, NULL), GESSO_OK);
    gesso_position_destroy(p);
  }
}

static void a_place_that_is_not_there_is_not_found(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(7), *other = doc_of(8);
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY), n;
  gesso_value text = { .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT };
  assert_int_equal(gesso_array_insert(doc, a, 0, &text, 1, &n), GESSO_OK);
  type_in(doc, n, 0, "xy");
  gesso_position *inside = at(doc, n, 1, 0), *end = at(doc, n, 2, 0), *root = at(doc, a, 1, 0);
  gesso_place place;
  assert_int_equal(gesso_position_resolve(other, inside, 0, &place), GESSO_E_NOTFOUND);
  assert_int_equal(gesso_position_resolve(other, end, 0, &place), GESSO_E_NOTFOUND);
  assert_int_equal(gesso_position_resolve(other, root, 0, &place), GESSO_E_NOTFOUND);
  pull(other, doc);
  stands(other, root, gesso_doc_root(other, str("a"), GESSO_ARRAY), 1);
  assert_int_equal(gesso_position_resolve(other, inside, 0, &place), GESSO_OK);
  assert_int_equal(place.index, 1);
  /* The text goes, and with garbage collection all that was in it. */
  assert_int_equal(gesso_array_remove(doc, a, 0, 1), GESSO_OK);
  assert_int_equal(gesso_position_resolve(doc, inside, 0, &place), GESSO_E_NOTFOUND);
  assert_int_equal(gesso_position_resolve(doc, end, 0, &place), GESSO_E_NOTFOUND);
  stands(doc, root, a, 0);
  gesso_position *p;
  assert_int_equal(gesso_position_create(doc, n, 0, 0, &p), GESSO_E_DELETED);
  assert_int_equal(gesso_position_create(doc, a, 1, 0, &p), GESSO_E_USAGE);
  assert_int_equal(gesso_position_create(doc, 0, 0, 0, &p), GESSO_E_USAGE);
  assert_int_equal(gesso_position_create(doc, 1000, 0, 0, &p), GESSO_E_USAGE);
  assert_null(p);
  gesso_position_destroy(inside);
  gesso_position_destroy(end);
  gesso_position_destroy(root);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
}

static void what_was_undone_is_followed(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(7);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_undo_options o = { .size = sizeof o, .capture_timeout_ms = -1 };
  gesso_undo *undo = gesso_undo_create(doc, &o);
  assert_int_equal(gesso_undo_add_scope(undo, t), GESSO_OK);
  type_in(doc, t, 0, "one two");
  gesso_position *p = at(doc, t, 5, 0); /* w */
  cut_out(doc, t, 4, 3);
  stands(doc, p, t, 4);
  assert_int_equal(gesso_undo_undo(undo, NULL), GESSO_OK);
  reads_json(doc, t, GESSO_TEXT, "\"one two\"");
  gesso_place place;
  assert_int_equal(gesso_position_resolve(doc, p, GESSO_POSITION_FOLLOW_UNDONE, &place), GESSO_OK);
  assert_int_equal(place.index, 5);
  assert_int_equal(gesso_position_resolve(doc, p, 0, &place), GESSO_OK);
  assert_int_not_equal(place.index, 5);
  /* Again and again, through a chain of copies. */
  for (int i = 0; i < 3; i++) {
    assert_int_equal(gesso_undo_redo(undo, NULL), GESSO_OK);
    assert_int_equal(gesso_undo_undo(undo, NULL), GESSO_OK);
  }
  assert_int_equal(gesso_position_resolve(doc, p, GESSO_POSITION_FOLLOW_UNDONE, &place), GESSO_OK);
  assert_int_equal(place.index, 5);
  check(doc);
  gesso_position_destroy(p);
  gesso_undo_destroy(undo);
  gesso_doc_destroy(doc);
}

static void short_memory_makes_no_position(void **state)
{
  (void)state;
  gesso_doc *source = doc_of(7);
  type_in(source, gesso_doc_root(source, str("t"), GESSO_TEXT), 0, "hello");
  type_in(source, gesso_doc_root(source, str("t"), GESSO_TEXT), 2, "--");
  for (unsigned long n = 1;; n++) {
    struct faulty f = { 0 };
    gesso_allocator al = { faulty_resize, &f };
    gesso_doc_options o = { .size = sizeof o, .client_id = 1, .alloc = &al };
    gesso_doc *doc = gesso_doc_create(&o);
    pull(doc, source);
    gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
    f.fail_at = f.calls + n;
    gesso_position *p, *q = NULL, *r = NULL;
    bool failed = gesso_position_create(doc, t, 4, 0, &p) != GESSO_OK;
    assert_true(failed == (p == NULL));
    gesso_place place;
    if (p == NULL)
      p = at(source, gesso_doc_root(source, str("t"), GESSO_TEXT), 4, 0);
    /* Resolving does without an index if it must. */
    assert_int_equal(gesso_position_resolve(doc, p, 0, &place), GESSO_OK);
    assert_int_equal(place.index, 4);
    gesso_buffer b = { 0 }, json = { 0 };
    failed |= gesso_position_encode(p, &b) != GESSO_OK || gesso_position_decode(&al, view(b), &q, NULL) != GESSO_OK;
    failed |= gesso_position_to_json(p, &json) != GESSO_OK ||
              gesso_position_from_json(&al, view(json), &r, NULL) != GESSO_OK;
    check(doc);
    gesso_buffer_free(&b);
    gesso_buffer_free(&json);
    gesso_position_destroy(p);
    gesso_position_destroy(q);
    gesso_position_destroy(r);
    gesso_doc_destroy(doc);
    assert_int_equal(f.live, 0);
    if (!failed && f.calls < f.fail_at)
      break;
  }
  gesso_doc_destroy(source);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_sticks_to_what_is_behind_it_or_in_front_of_it),
    cmocka_unit_test(bytes_and_json_are_those_of_yjs),
    cmocka_unit_test(what_is_no_position_is_refused),
    cmocka_unit_test(a_place_that_is_not_there_is_not_found),
    cmocka_unit_test(what_was_undone_is_followed),
    cmocka_unit_test(short_memory_makes_no_position),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
