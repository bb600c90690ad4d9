/* check, repair, backup, restore and compact: what they see, what they move, what they promise. */
#include "store_fixture.h"
#include "store/backup.h"
#include "store/check.h"
#include "store/migrate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int setup(void **state)
{
  store *s = malloc(sizeof *s);
  store_init(s);
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

/* Boards with a state, a journal, versions, one that is deleted and one that is purged. */
static void fill(store *s)
{
  store_open(s);
  for (int i = 0; i < 5; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "b%d", i);
    put(s, name, 1, "k", "one");
    assert_int_equal(store_save(s, name), GESSO_OK);
    put(s, name, 2, "l", "two");
    assert_int_equal(store_version_name(s, name, 0, "kept", NULL), GESSO_OK);
    put(s, name, 3, "m", "three");
  }
  assert_int_equal(store_delete(s, "b3", 0), GESSO_OK);
  assert_int_equal(store_delete(s, "b4", GESSO_DELETE_PURGE), GESSO_OK);
}

typedef struct seen {
  int count;
  gs_table table;
  char board[32], why[200];
  uint64_t done, total;
} seen;

static void on_found(void *ctx, const gs_finding *f)
{
  seen *s = ctx;
  s->count++;
  s->table = f->table;
  (void)snprintf(s->board, sizeof s->board, "%.*s", (int)f->board.len, f->board.len == 0 ? "" : (const char *)f->board.data);
  (void)snprintf(s->why, sizeof s->why, "%s", f->why);
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
  ((seen *)ctx)->done = done;
  ((seen *)ctx)->total = total;
}

static seen check(const store *s, gs_check_counts *counts)
{
  seen out = { 0 };
  gs_check_counts mine;
  gs_check_watch watch = { on_found, on_progress, &out };
  assert_int_equal(gs_check(s->folder, 0, &watch, counts != NULL ? counts : &mine, NULL), GESSO_OK);
  return out;
}

static void a_sound_folder_is_clean_also_beside_its_writer(void **state)
{
  store *s = *state;
  gs_check_counts counts;
  fill(s);
  seen got = check(s, &counts);
  assert_int_equal(got.count, 0);
  assert_int_equal(counts.boards, 5);
  assert_int_equal(counts.deleted, 2);
  assert_int_equal(counts.versions, 4);
  assert_int_equal(counts.states, 4);
  assert_int_equal(counts.rows, 8);
  assert_int_equal(got.done, 5);
  assert_int_equal(got.total, 5);
  (void)store_close(s);
  assert_int_equal(check(s, NULL).count, 0);
}

/* Each kind of damage is seen, named, and taken away by a repair; what is left can be read. */
static void damage(store *s, const char *sql, gs_table table, const char *board, const char *json)
{
  gs_check_counts counts;
  gs_repair_counts repaired;
  store_sql(s, sql);
  seen got = check(s, &counts);
  assert_int_equal(got.count, 1);
  assert_int_equal(got.table, table);
  assert_string_equal(got.board, board);
  assert_int_equal(counts.findings, 1);
  gesso_buffer why = { 0 };
  assert_int_equal(gs_repair(s->folder, 0, NULL, &repaired, &why), GESSO_OK);
  gesso_buffer_free(&why);
  assert_int_equal(repaired.moved, 1);
  assert_int_equal(check(s, &counts).count, 0);
  assert_true(counts.quarantined >= 1);
  if (json == NULL)
    return;
  char now[4096];
  store_open(s);
  store_json(s, "b1", now);
  assert_int_equal(strlen(now), strlen(json)); /* keys come in any order */
  put(s, "b1", 9, "n", "after"); /* with an id that no row ever had */
  assert_int_equal(store_save(s, "b1"), GESSO_OK);
  store_json(s, "b1", now);
  assert_non_null(strstr(now, "after"));
  (void)store_close(s);
}

static void a_row_that_fails_its_checksum_goes_to_quarantine(void **state)
{
  store *s = *state;
  fill(s);
  (void)store_close(s);
  damage(s, "UPDATE journal SET hash = hash + 1 WHERE id = (SELECT max(id) FROM journal j JOIN boards b ON b.num = j.board "
            "WHERE board_id = 'b1')", GS_TABLE_JOURNAL, "b1", "{\"k\":\"one\",\"l\":\"two\"}");
}

static void a_damaged_state_gives_way_to_the_newest_version(void **state)
{
  store *s = *state;
  fill(s);
  (void)store_close(s);
  damage(s, "UPDATE board_states SET state = zeroblob(length(state)) WHERE board_id = 'b1'", GS_TABLE_STATES, "b1",
         "{\"k\":\"one\",\"l\":\"two\",\"m\":\"three\"}");
}

static void a_damaged_state_without_versions_leaves_the_journal(void **state)
{
  store *s = *state;
  fill(s);
  (void)store_close(s);
  store_sql(s, "DELETE FROM history");
  store_sql(s, "UPDATE board_states SET upto = 1000000 WHERE board_id = 'b1'"); /* everything in it is folded */
  gs_repair_counts repaired;
  store_sql(s, "UPDATE board_states SET sv = x'00' WHERE board_id = 'b1'");
  seen got = check(s, NULL);
  assert_int_equal(got.count, 1);
  assert_non_null(strstr(got.why, "state vector"));
  assert_int_equal(gs_repair(s->folder, 0, NULL, &repaired, NULL), GESSO_OK);
  assert_int_equal(repaired.emptied, 1);
  store_open(s);
  put(s, "b1", 9, "n", "after");
  (void)store_close(s);
  assert_true(store_sql_int(s, "SELECT max(id) FROM journal") > 1000000);
}

static void a_damaged_version_goes_to_quarantine(void **state)
{
  store *s = *state;
  fill(s);
  (void)store_close(s);
  damage(s, "UPDATE history SET data = zeroblob(length(data)) WHERE id = 2", GS_TABLE_HISTORY, "b1", NULL);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM quarantine WHERE source = 'history' AND name = 'kept'"), 1);
}

static void rows_of_nobody_go_to_quarantine(void **state)
{
  store *s = *state;
  fill(s);
  (void)store_close(s);
  damage(s, "INSERT INTO journal_aside SELECT 999, 999, enc, hash, data FROM journal LIMIT 1", GS_TABLE_ASIDE, "", NULL);
  damage(s, "PRAGMA foreign_keys=OFF; INSERT INTO board_states(board_id, updated_at, state) VALUES('nobody', 0, x'0000')",
         GS_TABLE_STATES, "", NULL);
}

static void a_torn_page_of_the_database_is_seen(void **state)
{
  store *s = *state;
  char path[256];
  fill(s);
  (void)store_close(s);
  (void)snprintf(path, sizeof path, "%s/gesso.db", s->folder);
  int64_t root = store_sql_int(s, "SELECT rootpage FROM sqlite_schema WHERE name = 'history'");
  FILE *f = fopen(path, "r+b");
  assert_int_equal(fseek(f, (long)(root - 1) * 4096 + 2, SEEK_SET), 0);
  assert_int_equal(fwrite("\xff\xff\xff\xff\xff\xff", 1, 6, f), 6);
  (void)fclose(f);
  seen out = { 0 };
  gs_check_counts counts;
  gs_check_watch watch = { on_found, NULL, &out };
  gesso_buffer why = { 0 };
  gesso_status st = gs_check(s->folder, 0, &watch, &counts, &why);
  assert_true(out.count > 0 && out.table == GS_TABLE_DATABASE);
  assert_true(st == GESSO_OK || (st == GESSO_E_CORRUPT && why.len > 0));
  gesso_buffer_free(&why);
}

static void copy_file(const char *from, const char *to, const char *name)
{
  char path[300], bytes[4096];
  (void)snprintf(path, sizeof path, "%s/%s", from, name);
  FILE *in = fopen(path, "rb");
  (void)snprintf(path, sizeof path, "%s/%s", to, name);
  FILE *out = fopen(path, "wb");
  assert_true(in != NULL && out != NULL);
  for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) != 0;)
    assert_int_equal(fwrite(bytes, 1, n, out), n);
  (void)fclose(in);
  assert_int_equal(fclose(out), 0);
}

/* Such a journal of SQLite's is there before the database is made, and after other programs' writes. */
static void what_a_stopped_writer_left_half_done_is_told_and_taken_back(void **state)
{
  store *s = *state;
  char path[300];
  fill(s);
  (void)store_close(s);
  (void)snprintf(path, sizeof path, "%s/gesso.db", s->folder);
  sqlite3 *db;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode=DELETE; PRAGMA cache_size=1; BEGIN; DELETE FROM history;"
                                    "UPDATE board_states SET hash = hash + 1", NULL, NULL, NULL), SQLITE_OK);
  store other;
  store_init(&other);
  assert_true(mkdir(other.folder, 0700) == 0 || errno == EEXIST);
  copy_file(s->folder, other.folder, "gesso.db");
  copy_file(s->folder, other.folder, "gesso.db-journal");
  assert_int_equal(sqlite3_close(db), SQLITE_OK);

  gs_check_counts counts;
  gs_repair_counts repaired;
  gesso_buffer why = { 0 };
  assert_int_equal(gs_check(other.folder, 0, NULL, &counts, &why), GESSO_E_IO);
  assert_non_null(memmem(why.data, why.len, "gesso repair", 12));
  assert_int_equal(gs_repair(other.folder, 0, NULL, &repaired, NULL), GESSO_OK);
  assert_int_equal(gs_check(other.folder, 0, NULL, &counts, NULL), GESSO_OK);
  assert_int_equal(counts.findings, 0);
  assert_true(counts.versions > 0);
  gesso_buffer_free(&why);
  store_finish(&other);
}

static void note_longest(void *ctx, gesso_status status, const gesso_board_info *const *boards, size_t count, int more)
{
  size_t *longest = ctx;
  assert_int_equal(status, GESSO_OK);
  assert_int_equal(more, 0);
  *longest = 0;
  for (size_t i = 0; i < count; i++)
    *longest = boards[i]->board.len > *longest ? boards[i]->board.len : *longest;
}

static void names_that_are_none_are_told_and_not_handed_out(void **state)
{
  store *s = *state;
  static const char *const names[] = { "zeroblob(3000)", "hex(zeroblob(300))", "''", "'a' || char(0)" };
  fill(s);
  (void)store_close(s);
  for (size_t i = 0; i < GS_COUNT(names); i++) {
    char sql[300];
    (void)snprintf(sql, sizeof sql, "PRAGMA foreign_keys=OFF; UPDATE board_states SET board_id = %s WHERE board_id = 'b0';"
                                    "UPDATE boards SET board_id = %s WHERE board_id = 'b0'", names[i], names[i]);
    store_sql(s, sql);
    seen out = { 0 };
    gs_check_counts counts;
    gs_check_watch watch = { on_found, NULL, &out };
    assert_int_equal(gs_check(s->folder, 0, &watch, &counts, NULL), GESSO_OK);
    assert_int_equal(counts.findings, 1);
    assert_non_null(strstr(out.why, "name"));
    size_t longest = SIZE_MAX;
    store_open(s);
    assert_int_equal(gesso_board_persistence_list(s->p, (gesso_bytes){ NULL, 0 }, 0, 0, note_longest, &longest), GESSO_OK);
    while (longest == SIZE_MAX)
      (void)gesso_persistence_wait(s->p, -1);
    assert_int_equal(longest, 2);
    (void)store_close(s);
    (void)snprintf(sql, sizeof sql, "PRAGMA foreign_keys=OFF; UPDATE board_states SET board_id = 'b0' WHERE board_id = %s;"
                                    "UPDATE boards SET board_id = 'b0' WHERE board_id = %s", names[i], names[i]);
    store_sql(s, sql);
  }
}

static void what_cannot_be_checked_is_told(void **state)
{
  store *s = *state;
  gs_check_counts counts;
  gs_repair_counts repaired;
  gesso_buffer why = { 0 };
  assert_int_equal(gs_check(s->folder, 0, NULL, &counts, &why), GESSO_E_NOTFOUND);
  assert_true(why.len > 0);
  fill(s);
  assert_int_equal(gs_repair(s->folder, 0, NULL, &repaired, &why), GESSO_E_BUSY);
  (void)store_close(s);
  store_sql(s, "PRAGMA user_version=99");
  assert_int_equal(gs_check(s->folder, 0, NULL, &counts, &why), GESSO_E_VERSION);
  gesso_buffer_free(&why);
}

/* --- backup --- */

static void a_backup_holds_what_was_acknowledged_and_comes_back(void **state)
{
  store *s = *state;
  char out[256], back[256], image[300], json[4096], was[4096];
  uint64_t bytes;
  gesso_buffer why = { 0 };
  fill(s);
  (void)snprintf(image, sizeof image, "%s/images", s->folder);
  assert_int_equal(mkdir(image, 0777), 0);
  (void)snprintf(image, sizeof image, "%s/images/ab", s->folder);
  assert_int_equal(mkdir(image, 0777), 0);
  (void)snprintf(image, sizeof image, "%s/images/ab/abcd", s->folder);
  FILE *f = fopen(image, "wb");
  assert_int_equal(fwrite("picture", 1, 7, f), 7);
  (void)fclose(f);
  store_json(s, "b0", was);
  (void)snprintf(out, sizeof out, "%s/copy", s->folder);
  assert_int_equal(gs_backup(s->folder, out, &bytes, &why), GESSO_OK); /* while it is open */
  assert_true(bytes > 4096);
  assert_int_equal(gs_backup(s->folder, out, &bytes, &why), GESSO_E_USAGE);
  assert_true(why.len > 0);
  put(s, "b0", 8, "later", "x");

  store copy;
  memset(&copy, 0, sizeof copy);
  copy.disk.hooks = (gs_vfs_hooks){ 0 };
  copy.options = (gesso_persistence_options){ .size = sizeof copy.options };
  (void)snprintf(copy.folder, sizeof copy.folder, "%.190s", out);
  assert_int_equal(check(&copy, NULL).count, 0);

  (void)snprintf(back, sizeof back, "%s/back", s->folder);
  assert_int_equal(gs_backup_restore(out, back, false, &why), GESSO_OK);
  assert_int_equal(gs_backup_restore(out, back, false, &why), GESSO_E_USAGE);
  assert_int_equal(gs_backup_restore(out, back, true, &why), GESSO_OK);
  (void)snprintf(copy.folder, sizeof copy.folder, "%.190s", back);
  store_open(&copy);
  store_json(&copy, "b0", json);
  assert_string_equal(json, was);
  assert_int_equal(gs_backup_restore(out, back, true, &why), GESSO_E_BUSY);
  (void)store_close(&copy);
  (void)snprintf(image, sizeof image, "%.190s/images/ab/abcd", back);
  struct stat st;
  assert_int_equal(stat(image, &st), 0);
  assert_int_equal(st.st_size, 7);
  assert_int_equal(gs_backup_restore(s->folder, out, false, &why), GESSO_E_USAGE);
  (void)snprintf(image, sizeof image, "%s/nothing", s->folder);
  assert_int_equal(gs_backup_restore(image, back, true, &why), GESSO_E_NOTFOUND);
  gesso_buffer_free(&why);
}

static void compacting_gives_gaps_back(void **state)
{
  store *s = *state;
  uint64_t before, after;
  static char big[300000];
  memset(big, 'x', sizeof big - 1);
  fill(s);
  for (uint64_t i = 0; i < 8; i++)
    put(s, "b0", 100 + i, "big", big);
  assert_int_equal(store_save(s, "b0"), GESSO_OK);
  gesso_buffer why = { 0 };
  assert_int_equal(gs_store_vacuum(s->folder, &before, &after, &why), GESSO_E_BUSY);
  gesso_buffer_free(&why);
  (void)store_close(s);
  assert_int_equal(gs_store_vacuum(s->folder, &before, &after, NULL), GESSO_OK);
  assert_true(after <= before && after > 0);
  assert_int_equal(check(s, NULL).count, 0);
  store_open(s);
  char json[4096];
  store_json(s, "b2", json);
  assert_non_null(strstr(json, "three"));
}

static void a_step_of_the_schema_leaves_a_copy_to_go_back_to(void **state)
{
  store *s = *state;
  int from, to;
  char path[600], command[700];
  fill(s);
  (void)store_close(s);
  store_sql(s, "DELETE FROM history");
  assert_int_equal(gs_migrate_down(s->folder, -1, 0, &from, &to, NULL), GESSO_OK);
  assert_int_equal(gs_migrate_down(s->folder, -1, 0, &from, &to, NULL), GESSO_OK);
  store_open(s); /* comes up by itself: two steps */
  (void)store_close(s);
  (void)snprintf(path, sizeof path, "%s/backups", s->folder);
  (void)snprintf(command, sizeof command, "test $(ls '%s' | wc -l) -eq 4", path);
  assert_int_equal(system(command), 0); /* NOLINT */
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_sound_folder_is_clean_also_beside_its_writer, setup, teardown),
    cmocka_unit_test_setup_teardown(a_row_that_fails_its_checksum_goes_to_quarantine, setup, teardown),
    cmocka_unit_test_setup_teardown(a_damaged_state_gives_way_to_the_newest_version, setup, teardown),
    cmocka_unit_test_setup_teardown(a_damaged_state_without_versions_leaves_the_journal, setup, teardown),
    cmocka_unit_test_setup_teardown(a_damaged_version_goes_to_quarantine, setup, teardown),
    cmocka_unit_test_setup_teardown(rows_of_nobody_go_to_quarantine, setup, teardown),
    cmocka_unit_test_setup_teardown(a_torn_page_of_the_database_is_seen, setup, teardown),
    cmocka_unit_test_setup_teardown(what_a_stopped_writer_left_half_done_is_told_and_taken_back, setup, teardown),
    cmocka_unit_test_setup_teardown(names_that_are_none_are_told_and_not_handed_out, setup, teardown),
    cmocka_unit_test_setup_teardown(what_cannot_be_checked_is_told, setup, teardown),
    cmocka_unit_test_setup_teardown(a_backup_holds_what_was_acknowledged_and_comes_back, setup, teardown),
    cmocka_unit_test_setup_teardown(compacting_gives_gaps_back, setup, teardown),
    cmocka_unit_test_setup_teardown(a_step_of_the_schema_leaves_a_copy_to_go_back_to, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
