/* When states are folded, what that leaves of the journal, and rows that cannot be folded. */
#include "store_fixture.h"

#include <stdio.h>

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
  store_finish(*state);
  free(*state);
  return 0;
}

static void put(store *s, const char *board, uint64_t client, const char *key, const char *value)
{
  gesso_buffer u = update_set(client, key, value);
  assert_int_equal(store_append(s, board, (gesso_bytes){ u.data, u.len }), GESSO_OK);
  gesso_buffer_free(&u);
}

/* Moves the clock on in small steps, as far as the store has reached each. */
static void let_pass(store *s, uint64_t ms)
{
  for (uint64_t at = 0; at < ms; at += 100) {
    store_advance_ms(s, 100);
    assert_int_equal(store_flush(s), 0);
  }
}

/* Waits for folds that have been started to be stored. */
static uint64_t folds(store *s, uint64_t at_least)
{
  uint64_t n;
  while ((n = store_stats(s).folds) < at_least) {
    store_advance_ms(s, 60);
    (void)store_flush(s);
  }
  return n;
}

static void a_quiet_board_is_folded_after_the_debounce(void **state)
{
  store *s = *state;
  put(s, "b", 1, "k", "v");
  let_pass(s, 4500);
  assert_int_equal(store_stats(s).folds, 0);
  put(s, "b", 2, "l", "v");
  let_pass(s, 4500);
  assert_int_equal(store_stats(s).folds, 0); /* the second update began the wait anew */
  let_pass(s, 1000);
  assert_int_equal(folds(s, 1), 1);
  gesso_board_info info;
  assert_int_equal(store_show(s, "b", &info), GESSO_OK);
  assert_int_equal(info.journal_bytes, 0);
  assert_int_equal(info.version, 1);
}

static void a_busy_board_is_folded_after_the_ceiling(void **state)
{
  store *s = *state;
  for (int i = 0; i < 32; i++) {
    char key[8];
    (void)snprintf(key, sizeof key, "k%d", i);
    put(s, "b", (uint64_t)i + 1, key, "v");
    let_pass(s, 1000);
  }
  assert_true(folds(s, 1) >= 1);
}

static void a_journal_of_64_kb_is_folded_without_a_pause(void **state)
{
  store *s = *state;
  char value[4001];
  memset(value, 'x', sizeof value - 1);
  value[sizeof value - 1] = '\0';
  for (uint64_t i = 1; i <= 17; i++)
    put(s, "b", i, "k", value);
  store_advance_ms(s, 60);
  assert_int_equal(folds(s, 1), 1);
}

static void save_debounced_completes_with_the_fold_and_rows_since_stay(void **state)
{
  store *s = *state;
  bool done = false;
  put(s, "b", 1, "k", "v");
  assert_int_equal(gesso_board_persistence_save_debounced(s->p, text("b"), set_flag, &done), GESSO_OK);
  let_pass(s, 4000);
  assert_false(done);
  let_pass(s, 1500);
  store_wait_for(s, &done);
  put(s, "b", 2, "l", "v");
  loaded l = store_load(s, "b");
  assert_true(l.state_len > 0);
  assert_int_equal(l.update_count, 1);
  gesso_doc_destroy(l.doc);
}

static void a_state_is_not_rewritten_for_a_stroke(void **state)
{
  store *s = *state;
  static char value[60000];
  uint64_t x = 88172645463325252u;
  for (size_t i = 0; i + 1 < sizeof value; i++) { /* nothing that would compress to less than 40 KB */
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    value[i] = (char)(' ' + x % 94);
  }
  put(s, "b", 1, "k", value);
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  put(s, "b", 2, "l", "v");
  bool done = false;
  assert_int_equal(gesso_board_persistence_save_debounced(s->p, text("b"), set_flag, &done), GESSO_OK);
  let_pass(s, 4500);
  assert_false(done);
  let_pass(s, 1000);
  store_wait_for(s, &done); /* told after the wait, though nothing was rewritten */
  gesso_board_info info;
  assert_int_equal(store_show(s, "b", &info), GESSO_OK);
  assert_true(info.stored_bytes > 40000);
  assert_int_equal(info.version, 1);
  assert_int_equal(info.journal_updates, 1);
  uint64_t length = info.stored_bytes;
  store_advance_ms(s, (uint64_t)300 * 1000); /* but once in five minutes it is */
  assert_int_equal(folds(s, 2), 2);
  assert_int_equal(store_show(s, "b", &info), GESSO_OK);
  assert_int_equal(info.version, 2);
  assert_int_equal(info.stored_bytes, length); /* in the place of the one before */
  put(s, "b", 3, "n", value); /* as much as there is already is worth it */
  let_pass(s, 5500);
  assert_int_equal(folds(s, 3), 3);
}

static void folded_rows_are_cut_from_the_front_when_the_store_is_idle(void **state)
{
  store *s = *state;
  for (uint64_t i = 1; i <= 20; i++)
    put(s, "b", i, "k", "v");
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  while (store_stats(s).journal_rows != 0) {
    store_advance_ms(s, 600);
    (void)store_flush(s);
  }
  assert_int_equal(store_stats(s).journal_bytes, 0);
}

static void the_cap_folds_the_owners_of_the_oldest_rows(void **state)
{
  store *s = *state;
  (void)store_close(s);
  s->options.journal_bytes_max = 20000;
  s->options.debounce_ms = s->options.max_wait_ms = 3600 * 1000;
  store_open(s);
  char value[3001], board[8];
  memset(value, 'x', sizeof value - 1);
  value[sizeof value - 1] = '\0';
  for (int i = 0; i < 10; i++) { /* no board alone has enough to be folded */
    (void)snprintf(board, sizeof board, "b%d", i);
    put(s, board, 1, "k", value);
  }
  assert_true(folds(s, 3) >= 3);
  while (store_stats(s).journal_bytes > 20000) {
    store_advance_ms(s, 100);
    (void)store_flush(s);
  }
  gesso_board_info info;
  assert_int_equal(store_show(s, "b0", &info), GESSO_OK);
  assert_int_equal(info.version, 1);
  assert_int_equal(store_show(s, "b9", &info), GESSO_OK);
  assert_int_equal(info.version, 0);
}

static void put_bytes(store *s, const char *board, const uint8_t *update, size_t len)
{
  assert_int_equal(store_append(s, board, (gesso_bytes){ update, len }), GESSO_OK);
}

static gesso_buffer value_of(gesso_doc *doc, const char *key)
{
  gesso_buffer json = { 0 };
  assert_int_equal(gesso_map_get_json(doc, gesso_doc_root(doc, text("m"), GESSO_MAP), text(key), &json), GESSO_OK);
  return json;
}

/* Encoded and read again, the first part of the value would be deleted, too: the second part is a later value. */
static void a_value_cut_in_two_is_folded_and_shown_as_before(void **state)
{
  store *s = *state;
  static const uint8_t value[] = { 1, 1, 1, 0, 0x24, 1, 1, 'm', 1, 'k', 5, 'a', 'b', 'c', 'd', 'e', 0 };
  static const uint8_t deleted[] = { 0, 1, 1, 1, 2, 1 };
  put_bytes(s, "b", value, sizeof value);
  put_bytes(s, "b", deleted, sizeof deleted);
  loaded before = store_load(s, "b");
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  loaded after = store_load(s, "b");
  assert_int_equal(after.update_count, 0);
  gesso_buffer old = value_of(before.doc, "k"), new = value_of(after.doc, "k");
  assert_int_equal(old.len, new.len);
  assert_memory_equal(old.data, new.data, old.len);
  gesso_buffer_free(&old);
  gesso_buffer_free(&new);
  gesso_doc_destroy(before.doc);
  gesso_doc_destroy(after.doc);
}

/* What waits for the struct that its client told otherwise, too, waits no more once it is read again. */
static void structs_told_in_two_ways_are_folded(void **state)
{
  store *s = *state;
  static const uint8_t waits[] = { 1, 2, 2, 0, 0x08, 1, 1, 'a', 1, 0x7d, 1, 0x88, 1, 29, 2, 0x7d, 1, 0x7d, 1, 0 };
  static const uint8_t otherwise[] = { 1, 1, 2, 0, 0x08, 1, 1, 'a', 2, 0x7d, 1, 0x7d, 1, 0 };
  put_bytes(s, "b", waits, sizeof waits);
  put_bytes(s, "b", otherwise, sizeof otherwise);
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  loaded l = store_load(s, "b");
  assert_int_equal(l.update_count, 0);
  assert_int_equal(gesso_type_length(l.doc, gesso_doc_root(l.doc, text("a"), GESSO_ARRAY)), 3);
  gesso_doc_destroy(l.doc);
}

/* The same where it was for a parent that is not there, and behind the value of a key: read again it is the next value. */
static void a_value_that_waited_is_shown_once_it_is_folded(void **state)
{
  store *s = *state;
  static const uint8_t value[] = { 1, 1, 2, 0, 0x28, 1, 1, 'm', 1, 'k', 2, 0x7d, 1, 0x7d, 2, 0 };
  static const uint8_t otherwise[] = { 1, 1, 2, 1, 0x08, 0, 1, 0, 2, 0x7d, 3, 0x7d, 4, 0 };
  put_bytes(s, "b", value, sizeof value);
  put_bytes(s, "b", otherwise, sizeof otherwise);
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  loaded l = store_load(s, "b");
  assert_int_equal(l.update_count, 0);
  gesso_buffer json = value_of(l.doc, "k");
  assert_int_equal(json.len, 1);
  assert_int_equal(json.data[0], '4');
  gesso_buffer_free(&json);
  gesso_doc_destroy(l.doc);
}

static void a_damaged_journal_row_makes_the_board_unreadable_and_stays(void **state)
{
  store *s = *state;
  put(s, "bad", 1, "k", "v");
  put(s, "good", 1, "k", "v");
  (void)store_close(s);
  store_sql(s, "UPDATE journal SET data = zeroblob(length(data)) WHERE board = 1");
  store_open(s);
  loaded l = store_load(s, "bad");
  assert_int_equal(l.result, GESSO_LOAD_UNREADABLE);
  assert_int_equal(l.status, GESSO_E_CORRUPT);
  assert_non_null(strstr(l.message, "damaged"));
  assert_int_equal(store_save(s, "bad"), GESSO_E_CORRUPT);
  assert_int_equal(store_stats(s).folds_failed, 1);
  assert_int_equal(store_save(s, "good"), GESSO_OK);
  put(s, "bad", 2, "l", "v"); /* what still comes is kept as well */
  (void)store_close(s);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM journal WHERE board = 1"), 2);
  store_open(s);
}

static void rows_of_an_unreadable_board_are_set_aside_when_the_journal_is_full(void **state)
{
  store *s = *state;
  put(s, "bad", 1, "k", "v");
  (void)store_close(s);
  store_sql(s, "UPDATE journal SET hash = hash + 1");
  s->options.journal_bytes_max = 10000;
  store_open(s);
  assert_int_equal(store_save(s, "bad"), GESSO_E_CORRUPT);
  char value[3001], board[8];
  memset(value, 'x', sizeof value - 1);
  value[sizeof value - 1] = '\0';
  for (int i = 0; i < 8; i++) {
    (void)snprintf(board, sizeof board, "b%d", i);
    put(s, board, 1, "k", value);
    let_pass(s, 200);
  }
  while (store_stats(s).journal_bytes > 10000) {
    store_advance_ms(s, 100);
    (void)store_flush(s);
  }
  loaded l = store_load(s, "bad");
  assert_int_equal(l.result, GESSO_LOAD_UNREADABLE); /* not an empty board */
  (void)store_close(s);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM journal_aside"), 1);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM journal WHERE board = 1"), 0);
  /* Somebody repairs it. */
  store_sql(s, "UPDATE journal_aside SET hash = hash - 1");
  store_open(s);
  char json[4096];
  store_json(s, "bad", json);
  assert_string_equal(json, "{\"k\":\"v\"}");
}

static void an_unknown_encoding_is_refused_and_kept(void **state)
{
  store *s = *state;
  put(s, "b", 1, "k", "v");
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  (void)store_close(s);
  store_sql(s, "UPDATE board_states SET enc = 7");
  store_open(s);
  loaded l = store_load(s, "b");
  assert_int_equal(l.result, GESSO_LOAD_UNREADABLE);
  assert_int_equal(l.status, GESSO_E_VERSION);
  put(s, "b", 2, "l", "v");
  assert_int_equal(store_save(s, "b"), GESSO_E_VERSION);
  (void)store_close(s);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM board_states WHERE enc = 7"), 1);
  store_open(s);
}

static void a_plain_row_without_checksums_is_readable(void **state)
{
  store *s = *state;
  char sql[400], *at = sql;
  put(s, "b", 1, "k", "v");
  (void)store_close(s);
  /* The columns that board_states must have, and nothing else: an update v1. */
  gesso_buffer u = update_set(1, "k", "v");
  at += sprintf(at, "INSERT INTO board_states(board_id, updated_at, state) VALUES('b', 0, x'");
  for (size_t i = 0; i < u.len; i++)
    at += sprintf(at, "%02x", u.data[i]);
  (void)sprintf(at, "'); DELETE FROM journal");
  gesso_buffer_free(&u);
  store_sql(s, sql);
  store_open(s);
  char json[4096];
  store_json(s, "b", json);
  assert_string_equal(json, "{\"k\":\"v\"}");
}

static void the_trash_is_emptied_when_its_time_is_over(void **state)
{
  store *s = *state;
  gesso_board_info info;
  put(s, "b", 1, "k", "v");
  assert_int_equal(store_delete(s, "b", 0), GESSO_OK);
  store_advance_ms(s, (uint64_t)6 * 24 * 3600 * 1000);
  assert_int_equal(store_show(s, "b", &info), GESSO_OK);
  assert_true(info.deleted_ms != 0 && info.purged_ms == 0);
  do {
    store_advance_ms(s, (uint64_t)12 * 3600 * 1000);
    assert_int_equal(store_show(s, "b", &info), GESSO_OK);
  } while (info.purged_ms == 0);
  assert_true(info.purged_ms - info.deleted_ms >= (int64_t)7 * 24 * 3600 * 1000);
  assert_int_equal(store_undelete(s, "b"), GESSO_E_DELETED);
}

/* One shape is dragged 36,000 times; at 60 a second that is ten minutes. With two keys, x and y in turn, no Yjs
 * document can merge what is overwritten. */
static void drag(store *s, bool two_keys)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = 5 };
  gesso_doc *doc = gesso_doc_create(&o);
  gesso_type m = gesso_doc_root(doc, text("m"), GESSO_MAP);
  put(s, "b", 1, "k", "v");
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  int64_t before = store_file_size(s, "gesso.db") + store_file_size(s, "gesso.db-wal"), peak = 0;
  assert_int_equal(gesso_board_persistence_attach(s->p, text("b"), 0, doc, NULL, NULL, NULL), GESSO_OK);
  for (int i = 0; i < 36000; i++) {
    char value[64];
    (void)snprintf(value, sizeof value, two_keys ? "%d" : "{\"x\":%d,\"y\":%d}", i, i * 7 % 1000);
    gesso_value v = { .kind = GESSO_VALUE_JSON, .bytes = text(value) };
    gesso_doc_begin(doc);
    assert_int_equal(gesso_map_set(doc, m, text(two_keys ? "x" : "shape"), v, NULL), GESSO_OK);
    if (two_keys)
      assert_int_equal(gesso_map_set(doc, m, text("y"), v, NULL), GESSO_OK);
    assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
    if (i % 6 == 5) {
      store_advance_ms(s, 100);
      if (i % 60 == 59)
        assert_int_equal(store_flush(s), 0);
      int64_t size = store_file_size(s, "gesso.db") + store_file_size(s, "gesso.db-wal");
      peak = GS_MAX(peak, size);
    }
  }
  assert_int_equal(gesso_board_persistence_detach(s->p, doc), GESSO_OK);
  gesso_doc_destroy(doc);
  let_pass(s, 10000);
  int64_t grown = 0;
  for (int i = 0; i < 20000; i++) { /* the last steps are other threads', which have no such clock */
    store_advance_ms(s, 100);
    (void)gesso_persistence_wait(s->p, 1);
    grown = store_file_size(s, "gesso.db") + store_file_size(s, "gesso.db-wal") - before;
    if (grown <= 16 * 1024 && store_stats(s).journal_rows == 0)
      break;
  }
  gesso_persistence_stats stats = store_stats(s);
  (void)store_close(s);
  store_open(s);
  uint64_t t0 = gs_clock_mono_us(NULL);
  loaded l = store_load(s, "b");
  uint64_t us = gs_clock_mono_us(NULL) - t0;
  gesso_doc_stats st;
  gesso_doc_get_stats(l.doc, &st);
  print_message("36,000 drags of %s: %lld KB more than before, %lld KB at most, %llu folds; loaded in %llu us, %llu KB in memory\n",
                two_keys ? "x and y" : "one key", (long long)grown / 1024, (long long)(peak - before) / 1024,
                (unsigned long long)stats.folds, (unsigned long long)us, (unsigned long long)st.memory_bytes / 1024);
  if (grown > 16 * 1024)
    print_message("database %lld, log %lld bytes; %llu rows, %llu live bytes, %llu checkpoints\n",
                  (long long)store_file_size(s, "gesso.db"), (long long)store_file_size(s, "gesso.db-wal"),
                  (unsigned long long)stats.journal_rows, (unsigned long long)stats.journal_live_bytes,
                  (unsigned long long)stats.checkpoints);
  assert_true(grown <= 16 * 1024 && peak < 16 * 1024 * 1024);
  assert_int_equal(l.update_count, 0);
  assert_true(st.memory_bytes < 1024 * 1024);
  gesso_doc_destroy(l.doc);
}

/* The fold is compared with what it was made of, in which the clients stand in another order. */
static void a_board_with_updates_of_many_that_wait_is_folded(void **state)
{
  store *s = *state;
  for (uint64_t client = 5; client >= 3; client--) {
    gesso_doc_options o = { .size = sizeof o, .client_id = client };
    gesso_doc *doc = gesso_doc_create(&o);
    gesso_type m = gesso_doc_root(doc, text("m"), GESSO_MAP);
    gesso_value v = { .kind = GESSO_VALUE_BOOL, .number = 1 };
    gesso_buffer second = { 0 };
    assert_int_equal(gesso_map_set(doc, m, text("first"), v, NULL), GESSO_OK);
    gesso_doc_begin(doc);
    assert_int_equal(gesso_map_set(doc, m, text("second"), v, NULL), GESSO_OK);
    assert_int_equal(gesso_doc_commit(doc, &second), GESSO_OK);
    assert_int_equal(store_append(s, "b", (gesso_bytes){ second.data, second.len }), GESSO_OK);
    assert_int_equal(store_save(s, "b"), GESSO_OK);
    gesso_buffer_free(&second);
    gesso_doc_destroy(doc);
  }
  assert_int_equal(store_stats(s).folds_failed, 0);
}

static void dragging_one_shape_does_not_fill_the_disk(void **state)
{
  drag(*state, false);
}

static void dragging_by_two_keys_does_not_either(void **state)
{
  drag(*state, true);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(a_quiet_board_is_folded_after_the_debounce),
    T(a_busy_board_is_folded_after_the_ceiling),
    T(a_journal_of_64_kb_is_folded_without_a_pause),
    T(save_debounced_completes_with_the_fold_and_rows_since_stay),
    T(a_state_is_not_rewritten_for_a_stroke),
    T(folded_rows_are_cut_from_the_front_when_the_store_is_idle),
    T(the_cap_folds_the_owners_of_the_oldest_rows),
    T(a_value_cut_in_two_is_folded_and_shown_as_before),
    T(structs_told_in_two_ways_are_folded),
    T(a_value_that_waited_is_shown_once_it_is_folded),
    T(a_damaged_journal_row_makes_the_board_unreadable_and_stays),
    T(rows_of_an_unreadable_board_are_set_aside_when_the_journal_is_full),
    T(an_unknown_encoding_is_refused_and_kept),
    T(a_plain_row_without_checksums_is_readable),
    T(the_trash_is_emptied_when_its_time_is_over),
    T(a_board_with_updates_of_many_that_wait_is_folded),
    T(dragging_one_shape_does_not_fill_the_disk),
    T(dragging_by_two_keys_does_not_either),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
