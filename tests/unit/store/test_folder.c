/* The data folder: its schema, its one writer and its readers. */
#include "store/lockfile.h"
#include "store/migrate.h"
#include "store_fixture.h"

#include <stdio.h>
#include <unistd.h>

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

static void put(store *s, const char *board, const char *key)
{
  gesso_buffer u = update_set((uint64_t)key[0], key, "v"); /* each key by a client of its own */
  assert_int_equal(store_append(s, board, (gesso_bytes){ u.data, u.len }), GESSO_OK);
  gesso_buffer_free(&u);
}

static bool has_table(const store *s, const char *name)
{
  char sql[128];
  (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '%s'", name);
  return store_sql_int(s, sql) == 1;
}

static void migrations_walk_down_and_up_again(void **state)
{
  store *s = *state;
  int from, to;
  gs_migration_info steps[GS_MIGRATIONS];
  assert_int_equal(gs_migrate_up(s->folder, 0, &from, &to, NULL), GESSO_OK);
  assert_int_equal(from, 0);
  assert_int_equal(to, GS_MIGRATIONS);
  assert_int_equal(gs_migrate_status(s->folder, steps, &to, NULL), GESSO_OK);
  assert_true(steps[3].applied && steps[3].applied_ms > 0);
  assert_string_equal(steps[2].name, "board_states");

  static const char *const tables[] = { "migrations", "boards", "board_states", "journal", "history", "quarantine" };
  for (int n = GS_MIGRATIONS; n >= 1; n--) {
    assert_int_equal(gs_migrate_down(s->folder, -1, 0, &from, &to, NULL), GESSO_OK);
    assert_int_equal(from, n);
    assert_int_equal(to, n - 1);
    for (int i = 1; i <= GS_MIGRATIONS; i++)
      assert_int_equal(has_table(s, tables[i - 1]), i < n);
  }
  for (int n = 1; n <= GS_MIGRATIONS; n++) {
    assert_int_equal(gs_migrate_up(s->folder, n, &from, &to, NULL), GESSO_OK);
    assert_int_equal(to, n);
    for (int i = 1; i <= GS_MIGRATIONS; i++)
      assert_int_equal(has_table(s, tables[i - 1]), i <= n);
  }
  store_open(s);
  put(s, "b", "k");
}

static void board_states_goes_with_its_board(void **state)
{
  store *s = *state;
  store_open(s);
  put(s, "b", "k");
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  (void)store_close(s);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM pragma_table_info('board_states') "
                                    "WHERE (name = 'board_id' AND pk = 1) OR (name = 'state' AND \"notnull\" = 1) "
                                    "OR (name = 'updated_at' AND \"notnull\" = 1)"),
                   3);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM pragma_foreign_key_list('board_states') "
                                    "WHERE \"table\" = 'boards' AND \"from\" = 'board_id' AND on_delete = 'CASCADE'"),
                   1);
  store_sql(s, "PRAGMA foreign_keys=ON; DELETE FROM boards");
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM board_states"), 0);
}

static void going_down_does_not_drop_content_unless_told_to(void **state)
{
  store *s = *state;
  int from, to;
  gesso_buffer why = { 0 };
  store_open(s);
  put(s, "b", "k");
  (void)store_close(s);
  assert_int_equal(gs_migrate_down(s->folder, 3, 0, &from, &to, &why), GESSO_E_USAGE); /* unfolded updates */
  assert_true(why.len > 0);
  gesso_buffer_free(&why);
  assert_int_equal(to, GS_MIGRATIONS);
  store_open(s);
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  (void)store_close(s);
  assert_int_equal(gs_migrate_down(s->folder, 3, 0, &from, &to, NULL), GESSO_OK); /* all folded: nothing is lost */
  assert_int_equal(gs_migrate_down(s->folder, 2, 0, &from, &to, NULL), GESSO_E_USAGE);
  store_open(s); /* comes up by itself */
  char json[4096];
  store_json(s, "b", json);
  assert_string_equal(json, "{\"k\":\"v\"}");
  put(s, "b", "l"); /* with an id above the state's upto, though the journal is new */
  store_json(s, "b", json);
  assert_non_null(strstr(json, "\"l\""));
  (void)store_close(s);
  assert_int_equal(gs_migrate_down(s->folder, 2, GS_MIGRATE_DISCARD, &from, &to, NULL), GESSO_OK);
  assert_int_equal(gs_migrate_up(s->folder, 0, &from, &to, NULL), GESSO_OK);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM boards"), 1);
}

/* Ids that begin again at 1 below such an `upto` would count as folded, and go with the next cut of the journal. */
static void ids_that_cannot_go_on_are_refused(void **state)
{
  store *s = *state;
  static const char *const tops[] = { "9223372036854775807", "'high'", "-1" };
  for (int i = 0; i < 3; i++) {
    store_open(s);
    put(s, "b", "k");
    assert_int_equal(store_save(s, "b"), GESSO_OK);
    (void)store_close(s);
    char sql[200];
    (void)snprintf(sql, sizeof sql, "UPDATE board_states SET upto = %s", tops[i]);
    int64_t upto = store_sql_int(s, "SELECT max(upto) FROM board_states");
    store_sql(s, sql);
    assert_int_equal(store_try_open(s), i < 2 ? GESSO_E_CORRUPT : GESSO_OK);
    (void)store_close(s);
    (void)snprintf(sql, sizeof sql, "UPDATE board_states SET upto = %lld", (long long)upto);
    store_sql(s, sql);
  }
}

/* What a folder brings along does not run here. */
static void triggers_of_a_folder_do_not_run(void **state)
{
  store *s = *state;
  store_open(s);
  put(s, "b", "k");
  (void)store_close(s);
  store_sql(s, "CREATE TRIGGER eats AFTER INSERT ON journal BEGIN DELETE FROM journal; DELETE FROM boards; END");
  store_open(s);
  put(s, "b", "l");
  char json[200];
  store_json(s, "b", json);
  assert_non_null(strstr(json, "\"k\""));
  assert_non_null(strstr(json, "\"l\""));
  (void)store_close(s);
  store_sql(s, "DROP TRIGGER eats");
}

static void a_newer_schema_is_refused_untouched(void **state)
{
  store *s = *state;
  int from, to;
  store_open(s);
  put(s, "b", "k");
  (void)store_close(s);
  store_sql(s, "PRAGMA user_version=99");
  assert_int_equal(store_try_open(s), GESSO_E_VERSION);
  assert_int_equal(gesso_board_persistence_save(s->p, text("b"), NULL, NULL), GESSO_OK);
  assert_int_equal(store_load(s, "b").status, GESSO_E_VERSION);
  (void)store_close(s);
  assert_int_equal(gs_migrate_down(s->folder, -1, 0, &from, &to, NULL), GESSO_E_VERSION);
  assert_int_equal(store_sql_int(s, "PRAGMA user_version"), 99);
}

static void tables_that_are_not_ours_are_refused(void **state)
{
  store *s = *state;
  static const char *const changes[][2] = {
    { "ALTER TABLE boards RENAME TO b2; CREATE VIEW boards AS SELECT * FROM b2", "DROP VIEW boards; ALTER TABLE b2 RENAME TO boards" },
    { "ALTER TABLE journal RENAME COLUMN enc TO cne", "ALTER TABLE journal RENAME COLUMN cne TO enc" },
    { "ALTER TABLE meta RENAME TO m2", "ALTER TABLE m2 RENAME TO meta" },
  };
  store_open(s);
  put(s, "b", "k");
  (void)store_close(s);
  for (size_t i = 0; i < GS_COUNT(changes); i++) {
    char sql[300];
    (void)snprintf(sql, sizeof sql, "PRAGMA legacy_alter_table=ON; %s", changes[i][0]);
    store_sql(s, sql);
    assert_int_equal(store_try_open(s), GESSO_E_CORRUPT);
    (void)store_close(s);
    (void)snprintf(sql, sizeof sql, "PRAGMA legacy_alter_table=ON; %s", changes[i][1]);
    store_sql(s, sql);
  }
  store_open(s);
  char json[4096];
  store_json(s, "b", json);
  assert_non_null(strstr(json, "\"k\""));
}

static void somebody_elses_database_is_refused_untouched(void **state)
{
  store *s = *state;
  store_sql(s, "CREATE TABLE theirs(x)");
  assert_int_equal(store_try_open(s), GESSO_E_CORRUPT);
  (void)store_close(s);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM sqlite_schema"), 1);
}

static void a_second_writer_is_refused_and_told_whom_to_ask(void **state)
{
  store *s = *state;
  s->options.owner = "gesso serve";
  s->options.address = "http://127.0.0.1:4321";
  store_open(s);
  gesso_persistence_options o = { .size = sizeof o, .folder = s->folder };
  gesso_persistence *second = NULL;
  gesso_buffer why = { 0 };
  assert_int_equal(gesso_persistence_open(&o, &second, &why), GESSO_E_BUSY);
  assert_null(second);
  char message[512], pid[32];
  assert_true(why.len < sizeof message);
  memcpy(message, why.data, why.len);
  message[why.len] = '\0';
  (void)snprintf(pid, sizeof pid, "process %ld", (long)getpid());
  assert_non_null(strstr(message, pid));
  assert_non_null(strstr(message, "gesso serve"));
  assert_non_null(strstr(message, "http://127.0.0.1:4321/api/boards/"));
  gesso_buffer_free(&why);
  int from, to;
  assert_int_equal(gs_migrate_up(s->folder, 0, &from, &to, NULL), GESSO_E_BUSY);
  (void)store_close(s);
  assert_int_equal(gesso_persistence_open(&o, &second, NULL), GESSO_OK);
  gesso_persistence_destroy(second);
}

static void reading_works_beside_a_writer(void **state)
{
  store *s = *state;
  store_open(s);
  put(s, "b", "k");
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  put(s, "b", "l");

  store reader = *s;
  reader.options.flags = GESSO_OPEN_READ_ONLY;
  store_open(&reader);
  loaded l = store_load(&reader, "b");
  assert_int_equal(l.result, GESSO_LOAD_FOUND);
  assert_int_equal(l.update_count, 1);
  gesso_doc_destroy(l.doc);
  assert_int_equal(gesso_board_persistence_save(reader.p, text("b"), NULL, NULL), GESSO_E_USAGE);
  put(s, "b", "m"); /* the reader sees what comes later, too */
  gesso_board_info info;
  assert_int_equal(store_show(&reader, "b", &info), GESSO_OK);
  assert_int_equal(info.journal_updates, 2);
  assert_int_equal(info.version, 1);
  char json[4096];
  store_json(&reader, "b", json);
  assert_non_null(strstr(json, "\"m\""));
  (void)store_close(&reader);
  put(s, "b", "n");
}

static void reading_nothing_says_so(void **state)
{
  store *s = *state;
  gesso_persistence_options o = { .size = sizeof o, .folder = s->folder, .flags = GESSO_OPEN_READ_ONLY };
  gesso_persistence *p = NULL;
  gesso_buffer why = { 0 };
  assert_int_equal(gesso_persistence_open(&o, &p, &why), GESSO_E_NOTFOUND);
  assert_true(why.len > 0);
  gesso_buffer_free(&why);
  assert_false(gs_data_folder_exists(s->folder));
}

static void a_folder_left_by_a_killed_process_opens(void **state)
{
  store *s = *state;
  store_open(s);
  put(s, "b", "k");
  /* As kill -9 leaves it: the files as they are at this moment, log included. */
  char command[1000];
  (void)snprintf(command, sizeof command, "mkdir %s/k && cp %s/gesso.* %s/k/ && rm %s/k/gesso.db-shm", s->folder,
                 s->folder, s->folder, s->folder);
  assert_int_equal(system(command), 0); /* NOLINT */
  store killed = *s;
  (void)snprintf(killed.folder, sizeof killed.folder, "%.190s/k", s->folder);
  store_open(&killed);
  char json[4096];
  store_json(&killed, "b", json);
  assert_string_equal(json, "{\"k\":\"v\"}");
  store_finish(&killed);
}

static void destroy_closes_what_was_not_closed(void **state)
{
  store *s = *state;
  store_open(s);
  gesso_buffer u = update_set(1, "k", "v");
  assert_int_equal(gesso_board_persistence_append(s->p, text("b"), 0, (gesso_bytes){ u.data, u.len }, 0, NULL, NULL, NULL),
                   GESSO_OK);
  assert_int_equal(gesso_board_persistence_load(s->p, text("b"), NULL, NULL), GESSO_OK);
  gesso_persistence_destroy(s->p);
  gesso_buffer_free(&u);
  store_open(s);
  char json[4096];
  store_json(s, "b", json);
  assert_string_equal(json, "{\"k\":\"v\"}");
}

static void durability_memory_answers_at_once_and_is_written_all_the_same(void **state)
{
  store *s = *state;
  s->options.durability = GESSO_DURABILITY_MEMORY;
  store_open(s);
  atomic_store(&s->disk.hold_syncs, true);
  put(s, "b", "k");
  bool flags[2] = { false, false };
  gesso_buffer u = update_set(7, "m", "v");
  assert_int_equal(gesso_board_persistence_append(s->p, text("b"), 0, (gesso_bytes){ u.data, u.len }, 0, set_flag, NULL, &flags[0]),
                   GESSO_OK);
  assert_int_equal(gesso_board_persistence_append(s->p, text("b"), 0, (gesso_bytes){ u.data, u.len }, 0, NULL, set_flag, &flags[1]),
                   GESSO_OK);
  gesso_buffer_free(&u);
  store_wait_for(s, &flags[0]);
  store_wait_for(s, &flags[1]);
  atomic_store(&s->disk.hold_syncs, false);
  (void)store_close(s);
  s->options.durability = GESSO_DURABILITY_OS;
  store_open(s);
  atomic_store(&s->disk.hold_syncs, true);
  put(s, "b", "l");
  atomic_store(&s->disk.hold_syncs, false);
  char json[4096];
  store_json(s, "b", json);
  assert_non_null(strstr(json, "\"l\""));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(migrations_walk_down_and_up_again),
    T(board_states_goes_with_its_board),
    T(going_down_does_not_drop_content_unless_told_to),
    T(ids_that_cannot_go_on_are_refused),
    T(triggers_of_a_folder_do_not_run),
    T(a_newer_schema_is_refused_untouched),
    T(tables_that_are_not_ours_are_refused),
    T(somebody_elses_database_is_refused_untouched),
    T(a_second_writer_is_refused_and_told_whom_to_ask),
    T(reading_works_beside_a_writer),
    T(reading_nothing_says_so),
    T(a_folder_left_by_a_killed_process_opens),
    T(destroy_closes_what_was_not_closed),
    T(durability_memory_answers_at_once_and_is_written_all_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
