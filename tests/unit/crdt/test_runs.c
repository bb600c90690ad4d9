/* Tombstones of alternate overwrites are packed, and come back when somebody refers to them. */
#include "crdt_test.h"
#include "gesso/events.h"
#include "gesso/snapshot.h"
#include "gesso/undo.h"

#include "support/support.h"
#include "wire/writer.h"

static gesso_value number(double n)
{
  return (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = n };
}

static gesso_type shape_in(gesso_doc *doc, const char *name)
{
  gesso_type made = 0;
  gesso_value v = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
  assert_int_equal(gesso_map_set(doc, gesso_doc_root(doc, str("shapes"), GESSO_MAP), str(name), v, &made), GESSO_OK);
  return made;
}

static gesso_type shape_of(gesso_doc *doc, const char *name)
{
  return gesso_map_get_type(doc, gesso_doc_root(doc, str("shapes"), GESSO_MAP), str(name));
}

static void drag(gesso_doc *doc, gesso_type shape, int steps)
{
  for (int i = 0; i < steps; i++) {
    assert_int_equal(gesso_map_set(doc, shape, str("x"), number(i), NULL), GESSO_OK);
    assert_int_equal(gesso_map_set(doc, shape, str("y"), number(-i), NULL), GESSO_OK);
  }
}

/* Short runs, which a build for tests makes, do not save much. */
#ifdef GS_RUNS_SMALL
#define LITTLE 4000000u
#else
#define LITTLE 200000u
#endif

static size_t memory_of(const gesso_doc *doc)
{
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  return (size_t)stats.memory_bytes;
}

static void a_long_drag_takes_little_memory(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(1), *b = doc_of(2);
  drag(a, shape_in(a, "s"), 36000);
  check(a);
  gesso_doc_stats stats;
  gesso_doc_get_stats(a, &stats);
  assert_int_equal(stats.structs, 72001);
  assert_int_equal(stats.deleted_structs, 71998);
  assert_true(stats.memory_bytes < LITTLE);
  pull(b, a);
  check(b);
  gesso_doc_get_stats(b, &stats);
  assert_int_equal(stats.structs, 72001);
  assert_true(stats.memory_bytes < LITTLE);
  same_state(a, b);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
}

/* Each type is looked at once for what it has in runs, however deep it is. */
static void deep_types_go_at_once(void **state)
{
  (void)state;
  enum { DEPTH = 200000 };
  gesso_doc *doc = doc_of(1);
  drag(doc, shape_in(doc, "s"), 1000);
  gs_buf b = gs_buf_make(NULL);
  static const uint8_t outer[] = { 7, 1, 1, 't', 0 }, all[] = { 0, 1, 9, 1, 0, 1 };
  gs_write_varuint(&b, 1);
  gs_write_varuint(&b, DEPTH);
  gs_buf_write(&b, (const uint8_t[]){ 9, 0 }, 2);
  gs_buf_write(&b, outer, sizeof outer);
  for (uint32_t i = 1; i < DEPTH; i++) {
    gs_buf_write(&b, (const uint8_t[]){ 7, 0, 9 }, 3);
    gs_write_varuint(&b, i - 1);
    gs_buf_put(&b, 0);
  }
  gs_buf_put(&b, 0);
  assert_int_equal(b.err, GESSO_OK);
  apply(doc, gs_buf_bytes(&b));
  apply(doc, (gesso_bytes){ all, sizeof all });
  check(doc);
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  assert_true(stats.structs < DEPTH); /* they were collected */
  gs_buf_finish(&b);
  gesso_doc_destroy(doc);
}

static void count_events(void *ctx, gesso_doc *doc, const gesso_event *events, size_t count)
{
  (void)doc;
  (void)events;
  *(size_t *)ctx += count;
}

/* Unpacking goes through the types by the same links as the gathering of events, and leaves none behind. */
static void events_are_told_after_a_look_at_a_snapshot(void **state)
{
  (void)state;
  static const char *const names[] = { "a", "b", "c", "d" };
  gesso_doc *doc = doc_of(1);
  gesso_snapshot *then;
  gesso_subscription sub;
  gesso_buffer json;
  size_t told = 0;
  for (int i = 0; i < 4; i++)
    drag(doc, shape_in(doc, names[i]), 400);
  assert_int_equal(gesso_snapshot_create(doc, &then), GESSO_OK);
  assert_int_equal(gesso_map_to_json_at(doc, then, gesso_doc_root(doc, str("shapes"), GESSO_MAP), &json), GESSO_OK);
  gesso_buffer_free(&json);
  gesso_snapshot_destroy(then);
  for (int i = 0; i < 4; i++)
    assert_int_equal(gesso_type_observe_deep(doc, shape_of(doc, names[i]), count_events, &told, &sub), GESSO_OK);
  for (int i = 0; i < 4; i++) {
    drag(doc, shape_of(doc, names[i]), 1);
    assert_int_equal(told, 2 * (i + 1));
  }
  check(doc);
  gesso_doc_destroy(doc);
}

/* Nobody's client writes this: a value that goes in front of one of the same update, whose key has packed ones. */
static void in_front_of_a_new_value_unpacks(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(1), *plain = doc_of(2);
  gesso_undo *u = gesso_undo_create(plain, NULL); /* where one watches nothing is packed */
  drag(a, shape_in(a, "s"), 1000);
  pull(plain, a);
  /* The last x stands at clock 1999: after the shape x and y come in turn. */
  static const uint8_t update[] = { 1, 2, 9, 0, 0x88, 1, 0xcf, 0x0f, 1, 126, 0x48, 9, 0, 1, 126, 0 };
  apply(a, (gesso_bytes){ update, sizeof update });
  check(a);
  apply(plain, (gesso_bytes){ update, sizeof update });
  same_state(a, plain);
  gesso_undo_destroy(u);
  gesso_doc_destroy(a);
  gesso_doc_destroy(plain);
}

/* A text has attributes too, and what is deleted of those says nothing of its formats. */
static void attributes_of_a_formatted_text(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(1), *b = doc_of(2);
  gesso_type t = gesso_doc_root(a, str("t"), GESSO_XML_TEXT), u = gesso_doc_root(b, str("t"), GESSO_XML_TEXT);
  assert_int_equal(gesso_text_insert(a, t, 0, str("bold"), str("{\"b\":true}")), GESSO_OK);
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(gesso_map_set(a, t, str("x"), number(1), NULL), GESSO_OK);
    assert_int_equal(gesso_map_set(a, t, str("y"), number(2), NULL), GESSO_OK);
  }
  pull(b, a);
  assert_int_equal(gesso_map_set(b, u, str("x"), number(3), NULL), GESSO_OK);
  pull(a, b);
  check(a);
  same_state(a, b);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
}

/* A client that was away overwrites what it still sees: its origin is a packed struct. */
static void an_old_origin_unpacks(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(5), *late = doc_of(9), *early = doc_of(3), *plain = doc_of(11);
  gesso_type s = shape_in(a, "s"), other = shape_in(a, "other");
  drag(a, s, 40);
  drag(a, other, 300);
  pull(late, a);
  pull(early, a);
  drag(a, s, 3000);
  size_t packed = memory_of(a);
  drag(late, shape_of(late, "s"), 2);
  drag(early, shape_of(early, "s"), 2);
  /* One that gets it all at once, before anything is packed, is the second opinion. */
  gesso_doc *docs[] = { late, early, a };
  for (int i = 0; i < 3; i++)
    pull(plain, docs[i]);
  pull(a, late);
  check(a);
  assert_true(memory_of(a) > packed);
  pull(a, early);
  check(a);
  pull(late, a);
  pull(early, a);
  check(late);
  check(early);
  check(plain);
  same_state(a, late);
  same_state(a, early);
  same_state(a, plain);
  reads_json(a, shape_of(a, "s"), GESSO_MAP, "{\"x\":1,\"y\":-1}");
  gesso_doc_destroy(a);
  gesso_doc_destroy(late);
  gesso_doc_destroy(early);
  gesso_doc_destroy(plain);
}

static void diffs_begin_inside_a_run(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(5), *b = doc_of(6);
  gesso_type s = shape_in(a, "s");
  for (int i = 0; i < 60; i++) {
    drag(a, s, 17);
    pull(b, a);
    check(b);
  }
  same_state(a, b);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
}

static void a_shape_that_is_removed_goes_with_its_runs(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(5), *b = doc_of(6);
  gesso_type s = shape_in(a, "s");
  drag(a, shape_in(a, "kept"), 200);
  drag(a, s, 1000);
  pull(b, a);
  assert_int_equal(gesso_map_remove(a, gesso_doc_root(a, str("shapes"), GESSO_MAP), str("s")), GESSO_OK);
  check(a);
  pull(b, a);
  check(b);
  same_state(a, b);
  gesso_doc_stats stats;
  gesso_doc_get_stats(a, &stats);
  assert_true(stats.structs < 500);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
}

/* The conflict that unpacks, with every allocation failing in turn: nothing happened, or all of it. */
static void memory_runs_out_while_unpacking(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(5), *late = doc_of(9);
  gesso_type s = shape_in(a, "s");
  pull(late, a);
  drag(a, s, 400);
  drag(late, shape_of(late, "s"), 1);
  gesso_buffer base, update, want;
  assert_int_equal(gesso_doc_encode_v1(a, (gesso_bytes){ NULL, 0 }, &base, NULL), GESSO_OK);
  assert_int_equal(gesso_doc_encode_v1(late, (gesso_bytes){ NULL, 0 }, &update, NULL), GESSO_OK);
  pull(a, late);
  assert_int_equal(gesso_doc_encode_v1(a, (gesso_bytes){ NULL, 0 }, &want, NULL), GESSO_OK);
  for (unsigned long n = 1;; n++) {
    struct faulty f = { 0 };
    gesso_allocator al = { faulty_resize, &f };
    gesso_doc_options o = { .size = sizeof o, .alloc = &al, .client_id = 77 };
    gesso_doc *doc = gesso_doc_create(&o);
    assert_int_equal(gesso_doc_apply_v1(doc, (gesso_bytes){ base.data, base.len }, NULL), GESSO_OK);
    f.calls = 0;
    f.fail_at = n;
    gesso_status st = gesso_doc_apply_v1(doc, (gesso_bytes){ update.data, update.len }, NULL);
    f.fail_at = 0;
    check(doc);
    gesso_buffer got;
    assert_int_equal(gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &got, NULL), GESSO_OK);
    const gesso_buffer *must = st == GESSO_OK ? &want : &base;
    assert_int_equal(got.len, must->len);
    assert_memory_equal(got.data, must->data, got.len);
    gesso_buffer_free(&got);
    gesso_doc_destroy(doc);
    assert_int_equal(f.live, 0);
    if (!f.failed)
      break;
  }
  gesso_buffer_free(&base);
  gesso_buffer_free(&update);
  gesso_buffer_free(&want);
  gesso_doc_destroy(a);
  gesso_doc_destroy(late);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_long_drag_takes_little_memory),
    cmocka_unit_test(deep_types_go_at_once),
    cmocka_unit_test(events_are_told_after_a_look_at_a_snapshot),
    cmocka_unit_test(in_front_of_a_new_value_unpacks),
    cmocka_unit_test(attributes_of_a_formatted_text),
    cmocka_unit_test(an_old_origin_unpacks),
    cmocka_unit_test(diffs_begin_inside_a_run),
    cmocka_unit_test(a_shape_that_is_removed_goes_with_its_runs),
    cmocka_unit_test(memory_runs_out_while_unpacking),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
