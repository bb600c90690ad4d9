/* Cases in which other servers and stores of Yjs documents lost or damaged something. Those of rooms are in
 * tests/unit/server/test_room.c. docs/testing.md lists all of them. */
#include "store_fixture.h"

#include <stdio.h>
#include <zlib.h>

static int setup(void **state)
{
  store *s = malloc(sizeof *s);
  store_init(s);
  s->manual_clock = true;
  store_open(s);
  *state = s;
  return 0;
}

static int teardown(void **state)
{
  store *s = *state;
  atomic_store(&s->disk.hold_syncs, false);
  atomic_store(&s->disk.fail_writes, 0);
  store_finish(s);
  free(s);
  return 0;
}

static void put(store *s, const char *board, uint64_t client, const char *key)
{
  gesso_buffer u = update_set(client, key, "v");
  assert_int_equal(store_append(s, board, (gesso_bytes){ u.data, u.len }), GESSO_OK);
  gesso_buffer_free(&u);
}

static void expect_json(store *s, const char *board, const char *want)
{
  char json[4096];
  store_json(s, board, json);
  assert_string_equal(json, want);
}

static void reopen(store *s)
{
  assert_int_equal(store_close(s), 0);
  store_open(s);
}

static void on_status(void *ctx, gesso_status status)
{
  *(gesso_status *)ctx = status;
}

#define PENDING ((gesso_status)-1)

static void wait_status(store *s, const gesso_status *status)
{
  while (*status == PENDING)
    (void)gesso_persistence_wait(s->p, 100);
}

static void an_update_during_a_slow_save_is_kept(void **state)
{
  store *s = *state;
  put(s, "b", 1, "before");
  atomic_store(&s->disk.hold_syncs, true); /* the fold can be written, and is not synced */
  gesso_status saved = PENDING, synced = PENDING;
  assert_int_equal(gesso_board_persistence_save(s->p, text("b"), on_status, &saved), GESSO_OK);
  while (store_stats(s).folds == 0)
    (void)gesso_persistence_wait(s->p, 1);
  gesso_buffer u = update_set(2, "during", "v");
  assert_int_equal(gesso_board_persistence_append(s->p, text("b"), 0, (gesso_bytes){ u.data, u.len }, 0, NULL, on_status,
                                                  &synced),
                   GESSO_OK);
  gesso_buffer_free(&u);
  expect_json(s, "b", "{\"before\":\"v\",\"during\":\"v\"}"); /* who returns meanwhile has both */
  assert_int_equal(saved, PENDING);
  atomic_store(&s->disk.hold_syncs, false);
  wait_status(s, &saved);
  wait_status(s, &synced);
  assert_true(saved == GESSO_OK && synced == GESSO_OK);
  reopen(s);
  expect_json(s, "b", "{\"before\":\"v\",\"during\":\"v\"}");
}

static void a_stop_while_saves_are_pending_loses_nothing(void **state)
{
  store *s = *state;
  gesso_status saved[20], debounced[20];
  for (int i = 0; i < 20; i++) {
    char name[8];
    (void)snprintf(name, sizeof name, "b%d", i);
    gesso_buffer u = update_set(1, "k", "v");
    assert_int_equal(gesso_board_persistence_append(s->p, text(name), 0, (gesso_bytes){ u.data, u.len }, 0, NULL, NULL, NULL),
                     GESSO_OK);
    gesso_buffer_free(&u);
    saved[i] = debounced[i] = PENDING;
    assert_int_equal(gesso_board_persistence_save(s->p, text(name), on_status, &saved[i]), GESSO_OK);
    assert_int_equal(gesso_board_persistence_save_debounced(s->p, text(name), on_status, &debounced[i]), GESSO_OK);
  }
  assert_int_equal(store_close(s), 0);
  for (int i = 0; i < 20; i++) {
    assert_int_equal(saved[i], GESSO_OK);
    assert_int_equal(debounced[i], GESSO_OK);
  }
  store_open(s);
  expect_json(s, "b0", "{\"k\":\"v\"}");
  expect_json(s, "b19", "{\"k\":\"v\"}");
}

static void updates_out_of_order_are_saved_and_wait_for_the_missing_one(void **state)
{
  store *s = *state;
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_buffer parts[3] = { { 0 } };
  static const char *const words[] = { "one ", "two ", "three" };
  gesso_type t = gesso_doc_root(doc, text("t"), GESSO_TEXT);
  for (int i = 0; i < 3; i++) {
    gesso_doc_begin(doc);
    assert_int_equal(gesso_text_insert(doc, t, gesso_type_length(doc, t), text(words[i]), (gesso_bytes){ 0 }), GESSO_OK);
    assert_int_equal(gesso_doc_commit(doc, &parts[i]), GESSO_OK);
  }
  gesso_doc_destroy(doc);
  static const int order[] = { 2, 1, 0 };
  for (int i = 0; i < 3; i++) {
    gesso_bytes u = { parts[order[i]].data, parts[order[i]].len };
    assert_int_equal(store_append(s, "b", u), GESSO_OK);
    assert_int_equal(store_save(s, "b"), GESSO_OK); /* what waits is part of the state */
    reopen(s);
  }
  loaded l = store_load(s, "b");
  gesso_buffer out = { 0 };
  assert_int_equal(gesso_text_to_string(l.doc, gesso_doc_root(l.doc, text("t"), GESSO_TEXT), &out), GESSO_OK);
  assert_int_equal(out.len, strlen("one two three"));
  assert_memory_equal(out.data, "one two three", out.len);
  gesso_buffer_free(&out);
  gesso_doc_destroy(l.doc);
  for (int i = 0; i < 3; i++)
    gesso_buffer_free(&parts[i]);
}

/* What others have stored in place of a state. */
typedef struct offered {
  const char *what;
  gesso_buffer bytes;
} offered;

enum { OFFERED = 5 };

static void make_offered(offered out[OFFERED])
{
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_buffer v1 = { 0 }, cut = { 0 }, zipped = { 0 };
  gesso_type m = gesso_doc_root(doc, text("m"), GESSO_MAP);
  gesso_value v = { .kind = GESSO_VALUE_STRING, .bytes = text("a value of some length") };
  assert_int_equal(gesso_map_set(doc, m, text("k"), v, NULL), GESSO_OK);
  memset(out, 0, OFFERED * sizeof *out);
  out[0].what = "an empty blob";
  out[1].what = "a state vector";
  assert_int_equal(gesso_doc_state_vector(doc, &out[1].bytes), GESSO_OK);
  assert_int_equal(gesso_doc_encode_v1(doc, (gesso_bytes){ 0 }, &v1, NULL), GESSO_OK);
  gesso_doc_destroy(doc);
  out[2].what = "a v2 update";
  assert_int_equal(gesso_update_v1_to_v2((gesso_bytes){ v1.data, v1.len }, &out[2].bytes, NULL), GESSO_OK);
  out[3].what = "a truncated update";
  cut = (gesso_buffer){ malloc(v1.len - 3), v1.len - 3, v1.len - 3, NULL };
  memcpy(cut.data, v1.data, cut.len);
  out[3].bytes = cut;
  out[4].what = "a gzip blob";
  z_stream z = { 0 };
  zipped = (gesso_buffer){ malloc(1000), 1000, 1000, NULL };
  assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  z.next_in = v1.data, z.avail_in = (uInt)v1.len, z.next_out = zipped.data, z.avail_out = 1000;
  assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
  zipped.len = z.total_out;
  (void)deflateEnd(&z);
  out[4].bytes = zipped;
  gesso_buffer_free(&v1);
}

static void bytes_that_are_no_update_are_not_taken_for_one(void **state)
{
  store *s = *state;
  offered o[OFFERED];
  make_offered(o);
  put(s, "b", 1, "a");
  for (int i = 0; i < OFFERED; i++) {
    if (store_append(s, "b", (gesso_bytes){ o[i].bytes.data, o[i].bytes.len }) == GESSO_OK)
      fail_msg("%s was taken", o[i].what);
    if (store_append(s, "new", (gesso_bytes){ o[i].bytes.data, o[i].bytes.len }) == GESSO_OK)
      fail_msg("%s was taken for a new board", o[i].what);
  }
  expect_json(s, "b", "{\"a\":\"v\"}");
  assert_int_equal(store_load(s, "new").result, GESSO_LOAD_NEVER_EXISTED);
  assert_int_equal(store_save(s, "b"), GESSO_OK);

  /* Put into the database by somebody else, without a checksum. */
  (void)store_close(s);
  for (int i = 0; i < OFFERED; i++) {
    char sql[4096], hex[2001] = "";
    for (size_t k = 0; k < o[i].bytes.len; k++)
      (void)snprintf(hex + 2 * k, 3, "%02x", o[i].bytes.data[k]);
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO boards(board_id, generation, created_at, updated_at) VALUES('o%d', 7, 1, 1);"
                   "INSERT INTO board_states(board_id, state, updated_at) VALUES('o%d', x'%s', 1)", i, i, hex);
    store_sql(s, sql);
  }
  store_open(s);
  for (int i = 0; i < OFFERED; i++) {
    char name[8];
    (void)snprintf(name, sizeof name, "o%d", i);
    loaded l = store_load(s, name);
    if (l.result != GESSO_LOAD_UNREADABLE)
      fail_msg("%s was opened: %d", o[i].what, (int)l.result);
    put(s, name, 2, "later"); /* it is kept, and does not replace what cannot be read */
    assert_int_not_equal(store_save(s, name), GESSO_OK);
    assert_int_equal(store_load(s, name).result, GESSO_LOAD_UNREADABLE);
  }
  (void)store_close(s);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM board_states WHERE updated_at = 1"), OFFERED);
  store_open(s);
  for (int i = 0; i < OFFERED; i++)
    gesso_buffer_free(&o[i].bytes);
}

static void one_huge_shape_is_stored_whole(void **state)
{
  store *s = *state;
  gesso_buffer huge = update_noise(1, "huge", 30u << 20);
  assert_int_equal(store_append(s, "b", (gesso_bytes){ huge.data, huge.len }), GESSO_OK);
  put(s, "b", 2, "small");
  for (int i = 0; i < 2; i++) { /* from the journal, and from the state */
    loaded l = store_load(s, "b");
    assert_int_equal(l.result, GESSO_LOAD_FOUND);
    gesso_buffer json = { 0 };
    gesso_type m = gesso_doc_root(l.doc, text("m"), GESSO_MAP);
    assert_int_equal(gesso_map_get_json(l.doc, m, text("huge"), &json), GESSO_OK);
    assert_true(json.len >= 30u << 20);
    gesso_buffer_free(&json);
    gesso_doc_destroy(l.doc);
    assert_int_equal(store_save(s, "b"), GESSO_OK);
    reopen(s);
  }
  gesso_buffer_free(&huge);
}

static void a_clock_that_steps_harms_no_board(void **state)
{
  static const int64_t day = 24 * 3600 * 1000;
  static const int64_t steps[] = { -400 * day, 4000 * day, -3000 * day };
  store *s = *state;
  gesso_board_info before, after;
  put(s, "b", 1, "k0");
  char want[200] = "{\"k0\":\"v\"";
  assert_int_equal(store_show(s, "b", &before), GESSO_OK);
  for (int i = 0; i < 3; i++) {
    char key[8];
    (void)snprintf(key, sizeof key, "k%d", i + 1);
    atomic_fetch_add(&s->clock.wall_ms, steps[i]);
    store_advance_ms(s, 1000);
    put(s, "b", (uint64_t)i + 2, key);
    (void)snprintf(want + strlen(want), sizeof want - strlen(want), ",\"%s\":\"v\"", key);
    uint64_t folds = store_stats(s).folds;
    while (store_stats(s).folds == folds) { /* by itself, after a pause */
      store_advance_ms(s, 1000);
      (void)gesso_persistence_wait(s->p, 2);
    }
    char json[4096];
    store_json(s, "b", json);
    assert_int_equal(strlen(json), strlen(want) + 1);
    reopen(s);
    assert_int_equal(store_show(s, "b", &after), GESSO_OK);
    assert_int_equal(after.number, before.number);
    assert_int_equal(after.generation, before.generation);
    assert_int_equal(after.deleted_ms, 0);
  }
  assert_int_equal(after.version, 3);
  /* What is deleted at a time that lies ahead can be brought back, and goes in the end. */
  assert_int_equal(store_delete(s, "b", 0), GESSO_OK);
  atomic_fetch_add(&s->clock.wall_ms, -100 * day);
  assert_int_equal(store_undelete(s, "b"), GESSO_OK);
  loaded l = store_load(s, "b");
  assert_int_equal(l.result, GESSO_LOAD_FOUND);
  gesso_doc_destroy(l.doc);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(an_update_during_a_slow_save_is_kept),
    T(a_stop_while_saves_are_pending_loses_nothing),
    T(updates_out_of_order_are_saved_and_wait_for_the_missing_one),
    T(bytes_that_are_no_update_are_not_taken_for_one),
    T(one_huge_shape_is_stored_whole),
    T(a_clock_that_steps_harms_no_board),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
