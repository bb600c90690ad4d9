/* Where there is no room: a disk that is full or nearly so, one that must not be written, quotas. */
#include "store_fixture.h"

#include <errno.h>
#include <stdio.h>

typedef struct events {
  int fail, work, full, room;
  gesso_status status;
  char message[300], board[64];
} events;

typedef struct world {
  store st;
  events ev;
} world;

static void on_event(void *ctx, const gesso_persistence_event *e)
{
  events *ev = ctx;
  ev->fail += e->kind == GESSO_EVENT_WRITES_FAIL;
  ev->work += e->kind == GESSO_EVENT_WRITES_WORK;
  ev->full += e->kind == GESSO_EVENT_BOARD_FULL;
  ev->room += e->kind == GESSO_EVENT_BOARD_ROOM;
  if (e->kind == GESSO_EVENT_WRITES_FAIL) {
    ev->status = e->status;
    (void)snprintf(ev->message, sizeof ev->message, "%s", e->message);
  }
  if (e->board.len != 0)
    (void)snprintf(ev->board, sizeof ev->board, "%.*s", (int)e->board.len, (const char *)e->board.data);
}

static int setup(void **state)
{
  world *w = calloc(1, sizeof *w);
  store_init(&w->st);
  w->st.manual_clock = true;
  *state = w;
  return 0;
}

static void mend(world *w)
{
  atomic_store(&w->st.disk.hold_syncs, false);
  atomic_store(&w->st.disk.fail_syncs, 0);
  atomic_store(&w->st.disk.fail_writes, 0);
  atomic_store(&w->st.disk.room, -1);
}

static int teardown(void **state)
{
  world *w = *state;
  mend(w);
  store_finish(&w->st);
  free(w);
  return 0;
}

static void start(world *w)
{
  w->ev = (events){ 0 };
  store_open(&w->st);
  gesso_persistence_on_event(w->st.p, on_event, &w->ev);
}

/* Waits for what happens by the clock. */
#define until(w, condition)                            \
  do {                                                 \
    int i_ = 0;                                        \
    while (!(condition)) {                             \
      if (i_++ > 5000)                                 \
        fail_msg("in vain: %s", #condition);           \
      store_advance_ms(&(w)->st, 100);                 \
      (void)gesso_persistence_wait((w)->st.p, 1);      \
    }                                                  \
  } while (0)

static gesso_status put(world *w, const char *board, uint64_t client, const char *key, size_t len)
{
  gesso_buffer u = len == 0 ? update_set(client, key, "v") : update_noise(client, key, len);
  gesso_status s = store_append(&w->st, board, (gesso_bytes){ u.data, u.len });
  gesso_buffer_free(&u);
  return s;
}

/* Handed in, and held until the disk takes it. */
static void put_later(world *w, const char *board, uint64_t client, const char *key, bool *done)
{
  gesso_buffer u = update_set(client, key, "v");
  assert_int_equal(gesso_board_persistence_append(w->st.p, text(board), 0, (gesso_bytes){ u.data, u.len }, 0, NULL,
                                                  set_flag, done),
                   GESSO_OK);
  gesso_buffer_free(&u);
}

static bool has(world *w, const char *board, const char *key)
{
  loaded l = store_load(&w->st, board);
  if (l.result != GESSO_LOAD_FOUND)
    return false;
  gesso_buffer out = { 0 };
  gesso_status s = gesso_map_get_json(l.doc, gesso_doc_root(l.doc, text("m"), GESSO_MAP), text(key), &out);
  gesso_buffer_free(&out);
  gesso_doc_destroy(l.doc);
  return s == GESSO_OK;
}

/* An update that takes m[key] away from the board as it is stored. */
static gesso_buffer update_remove(world *w, const char *board, const char *key)
{
  loaded l = store_load(&w->st, board);
  gesso_buffer out = { 0 };
  assert_int_equal(l.result, GESSO_LOAD_FOUND);
  gesso_doc_begin(l.doc);
  assert_int_equal(gesso_map_remove(l.doc, gesso_doc_root(l.doc, text("m"), GESSO_MAP), text(key)), GESSO_OK);
  assert_int_equal(gesso_doc_commit(l.doc, &out), GESSO_OK);
  gesso_doc_destroy(l.doc);
  return out;
}

static void updates_are_refused_before_the_disk_is_full(void **state)
{
  world *w = *state;
  w->st.options.reserve_bytes = 1000000;
  start(w);
  assert_int_equal(put(w, "a", 1, "k", 0), GESSO_OK);
  atomic_store(&w->st.disk.room, 999999);
  until(w, w->ev.fail == 1);
  assert_int_equal(w->ev.status, GESSO_E_FULL);
  assert_non_null(strstr(w->ev.message, "nearly full"));
  assert_int_equal(put(w, "a", 2, "l", 0), GESSO_E_FULL);
  assert_int_equal(store_create(&w->st, "b"), GESSO_E_FULL);
  assert_int_equal(store_stats(&w->st).disk_left_bytes, 999999);
  assert_int_equal(store_stats(&w->st).write_failures, 0);
  assert_true(has(w, "a", "k"));
  assert_int_equal(store_save(&w->st, "a"), GESSO_OK); /* what makes room goes on */
  assert_int_equal(store_delete(&w->st, "a", 0), GESSO_OK);
  assert_int_equal(store_undelete(&w->st, "a"), GESSO_OK);

  atomic_store(&w->st.disk.room, 1500000); /* not enough to take what everybody held back meanwhile */
  store_advance_ms(&w->st, 2000);
  assert_int_equal(store_flush(&w->st), 0);
  assert_int_equal(put(w, "a", 2, "l", 0), GESSO_E_FULL);
  atomic_store(&w->st.disk.room, 2000000);
  until(w, w->ev.work == 1);
  assert_int_equal(put(w, "a", 2, "l", 0), GESSO_OK);
  assert_int_equal(w->ev.fail, 1);
}

static void users_quotas_and_file_size_limits_are_a_full_disk(void **state)
{
  static const int errors[] = { EDQUOT, EFBIG, ENOSPC };
  world *w = *state;
  start(w);
  assert_int_equal(put(w, "a", 1, "k", 0), GESSO_OK);
  for (size_t i = 0; i < GS_COUNT(errors); i++) {
    bool done = false;
    w->ev = (events){ 0 };
    atomic_store(&w->st.disk.error, errors[i]);
    atomic_store(&w->st.disk.fail_writes, -1);
    put_later(w, "a", 2 + i, "l", &done);
    until(w, w->ev.fail == 1);
    assert_int_equal(w->ev.status, GESSO_E_FULL);
    assert_int_equal(put(w, "a", 9, "m", 0), GESSO_E_FULL);
    atomic_store(&w->st.disk.fail_writes, 0);
    until(w, w->ev.work == 1 && done);
  }
  assert_int_equal(store_stats(&w->st).reopens, 0);
  assert_true(has(w, "a", "l"));
}

static void a_folder_that_must_not_be_written_can_be_read(void **state)
{
  static const int errors[] = { EROFS, EACCES, EPERM };
  world *w = *state;
  start(w);
  assert_int_equal(put(w, "a", 1, "k", 0), GESSO_OK);
  for (size_t i = 0; i < GS_COUNT(errors); i++) {
    bool done = false;
    char key[8] = { (char)('l' + i), '\0' };
    w->ev = (events){ 0 };
    atomic_store(&w->st.disk.error, errors[i]);
    atomic_store(&w->st.disk.fail_writes, -1);
    put_later(w, "b", 2 + i, key, &done);
    until(w, w->ev.fail == 1);
    assert_int_equal(w->ev.status, GESSO_E_IO);
    assert_non_null(strstr(w->ev.message, strerror(errors[i])));
    assert_non_null(strstr(w->ev.message, "right to write")); /* what to do */
    assert_true(has(w, "a", "k"));
    assert_int_equal(store_flush(&w->st), 1);
    assert_false(done);
    atomic_store(&w->st.disk.fail_writes, 0);
    until(w, w->ev.work == 1 && done);
    assert_true(has(w, "b", key));
  }
  assert_int_equal(store_stats(&w->st).reopens, 0);
}

static void boards_can_be_read_when_the_database_can_only_be_opened_for_that(void **state)
{
  world *w = *state;
  bool done = false;
  start(w);
  assert_int_equal(put(w, "a", 1, "k", 0), GESSO_OK);
  atomic_store(&w->st.disk.error, EROFS);
  atomic_store(&w->st.disk.hold_syncs, true);
  uint64_t commits = store_stats(&w->st).commits;
  put_later(w, "b", 2, "l", &done);
  until(w, store_stats(&w->st).commits > commits);
  atomic_store(&w->st.disk.fail_syncs, 1); /* it must be reopened, and cannot */
  atomic_store(&w->st.disk.fail_writes, -1);
  atomic_store(&w->st.disk.hold_syncs, false);
  until(w, store_stats(&w->st).reopens >= 2);
  assert_true(has(w, "a", "k"));
  assert_int_equal(store_load(&w->st, "never").result, GESSO_LOAD_NEVER_EXISTED);
  assert_true(store_stats(&w->st).health == GESSO_E_IO);
  atomic_store(&w->st.disk.fail_writes, 0);
  until(w, done && w->ev.work == 1);
  assert_true(has(w, "a", "k") && has(w, "b", "l"));
}

static void on_export(void *ctx, gesso_status status, gesso_bytes update, const char *message)
{
  loaded *l = ctx;
  assert_non_null(message);
  l->status = status;
  l->doc = gesso_doc_create(NULL);
  if (status == GESSO_OK)
    assert_int_equal(gesso_doc_apply_v1(l->doc, update, NULL), GESSO_OK);
}

/* "k", "l", ...: the keys of m in what is stored, each a letter. */
static void stored_keys(world *w, const char *board, char out[8])
{
  loaded l = { .status = (gesso_status)-1 };
  assert_int_equal(gesso_board_persistence_export(w->st.p, text(board), GESSO_EXPORT_V1 | GESSO_EXPORT_STORED, on_export, &l),
                   GESSO_OK);
  until(w, l.status != (gesso_status)-1);
  size_t n = 0;
  for (char key[2] = "k"; key[0] <= 'n'; key[0]++) {
    gesso_buffer json = { 0 };
    if (gesso_map_get_json(l.doc, gesso_doc_root(l.doc, text("m"), GESSO_MAP), text(key), &json) == GESSO_OK)
      out[n++] = key[0];
    gesso_buffer_free(&json);
  }
  out[n] = '\0';
  gesso_doc_destroy(l.doc);
}

static void what_is_stored_can_be_read_while_the_rest_is_held(void **state)
{
  world *w = *state;
  char keys[8];
  bool done = false;
  start(w);
  assert_int_equal(put(w, "a", 1, "k", 0), GESSO_OK);
  atomic_store(&w->st.disk.full, true);
  atomic_store(&w->st.disk.fail_writes, -1);
  put_later(w, "a", 2, "l", &done);
  until(w, w->ev.fail == 1);
  stored_keys(w, "a", keys);
  assert_string_equal(keys, "k");
  stored_keys(w, "no board", keys);
  assert_string_equal(keys, "");
  atomic_store(&w->st.disk.fail_writes, 0);
  until(w, done);
  stored_keys(w, "a", keys);
  assert_string_equal(keys, "kl");
}

static void a_folder_on_a_full_disk_is_opened_for_reading(void **state)
{
  world *w = *state;
  start(w);
  assert_int_equal(put(w, "a", 1, "k", 0), GESSO_OK);
  (void)store_close(&w->st);
  atomic_store(&w->st.disk.full, true);
  atomic_store(&w->st.disk.fail_writes, -1);
  start(w);
  assert_int_equal(store_stats(&w->st).health, GESSO_E_FULL);
  assert_true(has(w, "a", "k"));
  assert_int_equal(put(w, "a", 2, "l", 0), GESSO_E_FULL);
  atomic_store(&w->st.disk.fail_writes, 0);
  until(w, store_stats(&w->st).health == GESSO_OK);
  assert_int_equal(put(w, "a", 2, "l", 0), GESSO_OK);
  assert_true(has(w, "a", "k") && has(w, "a", "l"));
}

static void a_board_at_its_quota_takes_deletions_only(void **state)
{
  world *w = *state;
  w->st.options.board_bytes_max = 20000;
  start(w);
  assert_int_equal(put(w, "a", 1, "k", 15000), GESSO_OK);
  assert_int_equal(w->ev.full, 0);
  assert_int_equal(put(w, "a", 2, "l", 15000), GESSO_OK); /* the one that reaches it is taken */
  until(w, w->ev.full == 1);
  assert_string_equal(w->ev.board, "a");
  assert_int_equal(put(w, "a", 3, "m", 0), GESSO_E_LIMIT);
  assert_int_equal(put(w, "b", 3, "m", 0), GESSO_OK);
  assert_int_equal(store_stats(&w->st).boards_filled, 1);
  loaded l = store_load(&w->st, "a");
  assert_true(l.full);
  gesso_doc_destroy(l.doc);
  gesso_buffer u = update_set(4, "n", "v"); /* on its way already, says the caller */
  bool done = false;
  assert_int_equal(gesso_board_persistence_append(w->st.p, text("a"), 0, (gesso_bytes){ u.data, u.len },
                                                  GESSO_APPEND_PAST_QUOTA, NULL, set_flag, &done),
                   GESSO_OK);
  gesso_buffer_free(&u);
  until(w, done);
  assert_true(has(w, "a", "n") && !has(w, "a", "m"));
  assert_int_equal(store_save(&w->st, "a"), GESSO_OK);
  assert_int_equal(w->ev.room, 0); /* folding alone was not enough */

  gesso_buffer del = update_remove(w, "a", "k");
  assert_int_equal(store_append(&w->st, "a", (gesso_bytes){ del.data, del.len }), GESSO_OK);
  gesso_buffer_free(&del);
  until(w, w->ev.room == 1); /* by the fold after a pause */
  assert_string_equal(w->ev.board, "a");
  assert_int_equal(put(w, "a", 3, "m", 0), GESSO_OK);
  l = store_load(&w->st, "a");
  assert_false(l.full);
  gesso_doc_destroy(l.doc);
  assert_int_equal(w->ev.fail, 0);
}

static void attached_documents_do_not_lose_what_a_quota_refuses_others(void **state)
{
  world *w = *state;
  w->st.options.board_bytes_max = 1000;
  start(w);
  gesso_doc *doc = gesso_doc_create(NULL);
  assert_int_equal(gesso_board_persistence_attach(w->st.p, text("a"), 0, doc, NULL, NULL, NULL), GESSO_OK);
  gesso_value v = { .kind = GESSO_VALUE_STRING, .bytes = text("twenty bytes or more") };
  for (int i = 0; i < 100; i++) {
    char key[16];
    (void)snprintf(key, sizeof key, "k%d", i);
    assert_int_equal(gesso_map_set(doc, gesso_doc_root(doc, text("m"), GESSO_MAP), text(key), v, NULL), GESSO_OK);
  }
  assert_int_equal(store_flush(&w->st), 0);
  assert_int_equal(gesso_board_persistence_detach(w->st.p, doc), GESSO_OK);
  gesso_doc_destroy(doc);
  assert_true(has(w, "a", "k0") && has(w, "a", "k99"));
  assert_int_equal(put(w, "a", 2, "l", 0), GESSO_E_LIMIT);
}

static void the_quota_of_the_folder_empties_the_trash_first(void **state)
{
  world *w = *state;
  w->st.options.total_bytes_max = 1000000;
  start(w);
  char name[16];
  uint64_t n = 0;
  gesso_status s = GESSO_OK;
  for (; s == GESSO_OK && n < 500; n++) {
    (void)snprintf(name, sizeof name, "b%d", (int)n);
    for (int i = 0; i < 10 && (i == 0 || s == GESSO_E_FULL); i++) { /* compacting may make room */
      s = put(w, name, n + 1, "k", 8000);
      store_advance_ms(&w->st, 1500);
      assert_int_equal(store_flush(&w->st), 0);
    }
    if (n == 3)
      assert_int_equal(store_delete(&w->st, "b3", 0), GESSO_OK);
  }
  assert_int_equal(s, GESSO_E_FULL);
  assert_int_equal(w->ev.status, GESSO_E_FULL);
  assert_non_null(strstr(w->ev.message, "quota"));
  gesso_persistence_stats st = store_stats(&w->st);
  assert_in_range(st.used_bytes, 980000, 1300000); /* looked at once a second */
  assert_int_equal(st.used_bytes_max, 1000000);
  assert_int_equal(store_create(&w->st, "one more"), GESSO_E_FULL);
  gesso_board_info info;
  until(w, store_show(&w->st, "b3", &info) == GESSO_OK && info.purged_ms != 0);
  assert_true(has(w, "b0", "k")); /* nothing but the trash */

  s = GESSO_E_FULL;
  for (uint64_t i = 0; i < n && s == GESSO_E_FULL; i++) {
    (void)snprintf(name, sizeof name, "b%d", (int)i);
    assert_int_equal(store_delete(&w->st, name, 0), GESSO_OK);
    for (int k = 0; k < 3; k++) {
      store_advance_ms(&w->st, 5000);
      (void)gesso_persistence_wait(w->st.p, 5);
      assert_int_equal(store_flush(&w->st), 0);
    }
    s = put(w, "one more", 1, "k", 0);
  }
  assert_int_equal(s, GESSO_OK);
  (void)snprintf(name, sizeof name, "b%d", (int)n - 2);
  assert_true(has(w, name, "k")); /* a few were enough */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(updates_are_refused_before_the_disk_is_full),
    T(users_quotas_and_file_size_limits_are_a_full_disk),
    T(a_folder_that_must_not_be_written_can_be_read),
    T(boards_can_be_read_when_the_database_can_only_be_opened_for_that),
    T(what_is_stored_can_be_read_while_the_rest_is_held),
    T(a_folder_on_a_full_disk_is_opened_for_reading),
    T(a_board_at_its_quota_takes_deletions_only),
    T(attached_documents_do_not_lose_what_a_quota_refuses_others),
    T(the_quota_of_the_folder_empties_the_trash_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
