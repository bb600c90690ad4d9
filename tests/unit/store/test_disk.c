/* What the store does while the disk lies. */
#include "store_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

static int setup(void **state)
{
  store *s = malloc(sizeof *s);
  store_init(s);
  store_open(s);
  *state = s;
  return 0;
}

static int teardown(void **state)
{
  store *s = *state;
  atomic_store(&s->disk.fail_syncs, 0);
  atomic_store(&s->disk.fail_writes, 0);
  store_finish(s);
  free(s);
  return 0;
}

/* A completion for what must succeed in the end: sets the bool at ctx. */
static void set_ok(void *ctx, gesso_status status)
{
  assert_int_equal(status, GESSO_OK);
  *(bool *)ctx = true;
}

static void send(store *s, const char *board, uint64_t client, const char *key, gesso_persistence_fn written,
                 gesso_persistence_fn synced, void *ctx)
{
  gesso_buffer u = update_set(client, key, "v");
  assert_int_equal(
    gesso_board_persistence_append(s->p, text(board), 0, (gesso_bytes){ u.data, u.len }, 0, written, synced, ctx),
    GESSO_OK);
  gesso_buffer_free(&u);
}

static bool has_key(store *s, const char *board, const char *key)
{
  char json[4096], want[64];
  store_json(s, board, json);
  (void)snprintf(want, sizeof want, "\"%s\":", key);
  if (strstr(json, want) == NULL)
    print_message("%s is not in %s: %s\n", want, board, json);
  return strstr(json, want) != NULL;
}

static void flush_counts_boards_that_could_not_be_written(void **state)
{
  store *s = *state;
  bool done[4] = { false };
  assert_int_equal(store_flush(s), 0);
  send(s, "a", 1, "k", NULL, set_ok, &done[0]);
  assert_int_equal(store_flush(s), 0);
  assert_true(done[0] || (store_wait_for(s, &done[0]), true));

  atomic_store(&s->disk.fail_writes, -1);
  send(s, "a", 2, "l", NULL, set_ok, &done[1]);
  send(s, "b", 3, "m", NULL, set_ok, &done[2]);
  send(s, "b", 4, "n", NULL, set_ok, &done[3]);
  assert_int_equal(store_flush(s), 2);
  assert_false(done[1] || done[2] || done[3]);
  assert_int_equal(store_flush(s), 2); /* later calls are accepted, and told the same */
  assert_int_equal(store_stats(s).health, GESSO_E_IO);

  atomic_store(&s->disk.fail_writes, 0);
  for (int i = 1; i < 4; i++)
    store_wait_for(s, &done[i]);
  assert_int_equal(store_flush(s), 0);
  assert_true(has_key(s, "a", "k") && has_key(s, "a", "l") && has_key(s, "b", "m") && has_key(s, "b", "n"));
  (void)store_close(s);
  store_open(s);
  assert_true(has_key(s, "a", "k") && has_key(s, "a", "l") && has_key(s, "b", "m") && has_key(s, "b", "n"));
}

static void a_failed_sync_is_not_believed_when_it_works_the_second_time(void **state)
{
  store *s = *state;
  bool first = false, written = false, synced = false;
  send(s, "a", 1, "k", NULL, set_ok, &first);
  store_wait_for(s, &first);

  atomic_store(&s->disk.fail_syncs, 1);
  uint64_t commits = store_stats(s).commits;
  send(s, "a", 2, "l", set_ok, NULL, &written);
  send(s, "b", 3, "m", NULL, set_ok, &synced);
  store_wait_for(s, &written);
  store_wait_for(s, &synced);
  gesso_persistence_stats st = store_stats(s);
  assert_int_equal(atomic_load(&s->disk.failed_syncs), 1);
  assert_int_equal(st.reopens, 1);
  assert_true(st.commits >= commits + 2); /* written, and written again from memory */
  assert_int_equal(store_flush(s), 0);
  while (store_stats(s).health != GESSO_OK)
    (void)gesso_persistence_wait(s->p, 1);
  assert_true(has_key(s, "a", "k") && has_key(s, "a", "l") && has_key(s, "b", "m"));
  (void)store_close(s);
  store_open(s);
  assert_true(has_key(s, "a", "k") && has_key(s, "a", "l") && has_key(s, "b", "m"));
}

static void everything_unsynced_is_done_again_after_a_failed_sync(void **state)
{
  store *s = *state;
  bool done[6] = { false };
  send(s, "old", 1, "k", NULL, set_ok, &done[0]);
  send(s, "gone", 1, "k", NULL, set_ok, &done[1]);
  store_wait_for(s, &done[0]);
  store_wait_for(s, &done[1]);
  atomic_store(&s->disk.fail_syncs, 3);
  assert_int_equal(gesso_board_persistence_delete(s->p, text("gone"), 0, set_ok, &done[2]), GESSO_OK);
  assert_int_equal(gesso_board_persistence_delete(s->p, text("old"), 0, set_ok, &done[3]), GESSO_OK);
  assert_int_equal(gesso_board_persistence_create(s->p, text("old"), set_ok, &done[4]), GESSO_OK);
  send(s, "old", 2, "new", NULL, set_ok, &done[5]);
  for (int i = 2; i < 6; i++)
    store_wait_for(s, &done[i]);
  assert_true(store_stats(s).reopens >= 1);
  assert_int_equal(store_load(s, "gone").result, GESSO_LOAD_DELETED);
  char json[4096];
  store_json(s, "old", json);
  assert_string_equal(json, "{\"new\":\"v\"}");
  (void)store_close(s);
  store_open(s);
  assert_int_equal(store_load(s, "gone").result, GESSO_LOAD_DELETED);
  store_json(s, "old", json);
  assert_string_equal(json, "{\"new\":\"v\"}");
}

static void a_save_survives_a_failed_sync(void **state)
{
  store *s = *state;
  bool done = false;
  send(s, "a", 1, "k", NULL, set_ok, &done);
  store_wait_for(s, &done);
  atomic_store(&s->disk.fail_syncs, 1);
  assert_int_equal(store_save(s, "a"), GESSO_OK);
  (void)store_close(s);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM board_states"), 1);
  store_open(s);
  assert_true(has_key(s, "a", "k"));
}

typedef struct events {
  int fail, work;
  gesso_status status;
} events;

static void on_event(void *ctx, const gesso_persistence_event *e)
{
  events *ev = ctx;
  ev->fail += e->kind == GESSO_EVENT_WRITES_FAIL;
  ev->work += e->kind == GESSO_EVENT_WRITES_WORK;
  if (e->kind == GESSO_EVENT_WRITES_FAIL)
    ev->status = e->status;
}

static void a_full_disk_refuses_updates_until_there_is_room(void **state)
{
  store *s = *state;
  bool done[2] = { false };
  events ev = { 0, 0, GESSO_OK };
  gesso_persistence_on_event(s->p, on_event, &ev);
  send(s, "a", 1, "k", NULL, set_ok, &done[0]);
  store_wait_for(s, &done[0]);
  atomic_store(&s->disk.full, true);
  atomic_store(&s->disk.tear, true);
  atomic_store(&s->disk.fail_writes, -1);
  send(s, "a", 2, "l", NULL, set_ok, &done[1]); /* taken before anybody knew: held */
  while (ev.fail == 0)
    (void)gesso_persistence_wait(s->p, -1);
  assert_int_equal(ev.status, GESSO_E_FULL);
  gesso_buffer u = update_set(3, "m", "v");
  assert_int_equal(store_append(s, "a", (gesso_bytes){ u.data, u.len }), GESSO_E_FULL);
  assert_false(done[1]);
  assert_int_equal(store_flush(s), 1);
  loaded l = store_load(s, "none"); /* reading goes on */
  assert_int_equal(l.result, GESSO_LOAD_NEVER_EXISTED);

  atomic_store(&s->disk.fail_writes, 0);
  store_wait_for(s, &done[1]);
  while (ev.work == 0)
    (void)gesso_persistence_wait(s->p, -1);
  assert_int_equal(store_append(s, "a", (gesso_bytes){ u.data, u.len }), GESSO_OK);
  assert_true(has_key(s, "a", "k") && has_key(s, "a", "l") && has_key(s, "a", "m"));
  gesso_buffer_free(&u);
}

static void on_status(void *ctx, gesso_status status)
{
  *(gesso_status *)ctx = status;
}

static void closing_with_a_dead_disk_says_what_was_lost(void **state)
{
  store *s = *state;
  bool done = false;
  send(s, "a", 1, "k", NULL, set_ok, &done);
  store_wait_for(s, &done);
  atomic_store(&s->disk.fail_writes, -1);
  gesso_status lost = GESSO_OK;
  send(s, "a", 2, "l", NULL, on_status, &lost);
  assert_int_equal(store_close(s), 1);
  assert_int_equal(lost, GESSO_E_IO);
  atomic_store(&s->disk.fail_writes, 0);
  store_open(s);
  assert_true(has_key(s, "a", "k"));
  assert_false(has_key(s, "a", "l"));
}

static void closing_does_not_wait_for_a_fold_that_finds_no_room(void **state)
{
  store *s = *state;
  bool done = false;
  send(s, "a", 1, "k", NULL, set_ok, &done);
  store_wait_for(s, &done);
  atomic_store(&s->disk.full, true);
  atomic_store(&s->disk.fail_writes, -1);
  gesso_status saved = GESSO_OK;
  assert_int_equal(gesso_board_persistence_save(s->p, text("a"), on_status, &saved), GESSO_OK);
  assert_int_equal(store_close(s), 0); /* the updates are safe in the journal */
  assert_int_equal(saved, GESSO_E_FULL);
  atomic_store(&s->disk.fail_writes, 0);
  store_open(s);
  assert_true(has_key(s, "a", "k"));
}

static void a_slow_disk_holds_the_acknowledgement_only(void **state)
{
  store *s = *state;
  bool written[3] = { false }, synced = false;
  send(s, "a", 1, "k", NULL, set_ok, &synced);
  store_wait_for(s, &synced);
  synced = false;
  atomic_store(&s->disk.hold_syncs, true);
  send(s, "a", 2, "l", NULL, set_ok, &synced);
  for (int i = 0; i < 3; i++) {
    char key[8];
    (void)snprintf(key, sizeof key, "w%d", i);
    send(s, "a", (uint64_t)i + 3, key, set_ok, NULL, &written[i]);
    store_wait_for(s, &written[i]);
  }
  assert_false(synced); /* three commits went through while the first sync was under way */
  atomic_store(&s->disk.hold_syncs, false);
  store_wait_for(s, &synced);
}

static void too_much_in_the_queue_is_refused(void **state)
{
  store *s = *state;
  (void)store_close(s);
  s->options.queue_bytes_max = 4000;
  store_open(s);
  atomic_store(&s->disk.hold_syncs, true);
  gesso_buffer u = update_set(1, "k", "v");
  gesso_status st = GESSO_OK;
  int taken = 0;
  bool done[100] = { false };
  while (st == GESSO_OK && taken < 100) {
    st = gesso_board_persistence_append(s->p, text("a"), 0, (gesso_bytes){ u.data, u.len }, 0, NULL, set_ok, &done[taken]);
    taken += st == GESSO_OK;
  }
  assert_int_equal(st, GESSO_E_LIMIT);
  assert_true(taken > 0);
  atomic_store(&s->disk.hold_syncs, false);
  for (int i = 0; i < taken; i++)
    store_wait_for(s, &done[i]);
  assert_int_equal(store_append(s, "a", (gesso_bytes){ u.data, u.len }), GESSO_OK);
  assert_int_equal(store_stats(s).queue_bytes, 0);
  gesso_buffer_free(&u);
}

static void an_update_larger_than_the_queue_is_taken_when_nothing_waits(void **state)
{
  store *s = *state;
  static char long_value[5000];
  memset(long_value, 'v', sizeof long_value - 1);
  (void)store_close(s);
  s->options.queue_bytes_max = 4000;
  store_open(s);
  gesso_buffer u = update_set(1, "k", long_value);
  assert_int_equal(store_append(s, "a", (gesso_bytes){ u.data, u.len }), GESSO_OK);
  assert_int_equal(store_stats(s).queue_bytes, 0);
  gesso_buffer_free(&u);
}

static int fail_once(void *ctx, gs_vfs_event *event)
{
  int *left = ctx;
  return event->op == GS_VFS_SYNC && *left > 0 && (*left)-- > 0 ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

/* The kernel says once that a sync failed and then that all is well: SQLite would copy a log that is not on the disk. */
static void after_a_failed_sync_none_is_believed(void **state)
{
  const store *s = *state;
  int left = 0;
  gs_vfs_hooks hooks = { .before = fail_once, .ctx = &left };
  gs_vfs *vfs = gs_vfs_create(&hooks);
  char path[240];
  sqlite3 *db;
  (void)snprintf(path, sizeof path, "%s/other.db", s->folder);
  assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, gs_vfs_name(vfs)), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE t(a)", NULL, NULL, NULL),
                   SQLITE_OK);
  left = 1;
  for (int i = 0; i < 3; i++)
    assert_int_equal(sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) & 0xff, SQLITE_IOERR);
  assert_int_equal(atomic_load(&gs_vfs_counts_of(vfs)->sync_failures), 1);
  gs_vfs_trust(vfs);
  assert_int_equal(sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
  gs_vfs_destroy(vfs);
  (void)unlink(path);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(flush_counts_boards_that_could_not_be_written),
    T(a_failed_sync_is_not_believed_when_it_works_the_second_time),
    T(everything_unsynced_is_done_again_after_a_failed_sync),
    T(a_save_survives_a_failed_sync),
    T(a_full_disk_refuses_updates_until_there_is_room),
    T(closing_with_a_dead_disk_says_what_was_lost),
    T(closing_does_not_wait_for_a_fold_that_finds_no_room),
    T(a_slow_disk_holds_the_acknowledgement_only),
    T(too_much_in_the_queue_is_refused),
    T(after_a_failed_sync_none_is_believed),
    T(an_update_larger_than_the_queue_is_taken_when_nothing_waits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
