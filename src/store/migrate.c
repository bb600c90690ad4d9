#include "store/migrate.h"

#include "base/buf.h"
#include "base/clock.h"
#include "store/backup.h"
#include "store/explain.h"
#include "store/lockfile.h"
#include "store/sqlite.h"

#include <stdio.h>

typedef struct migration {
  const char *name, *up, *down;
} migration;

/* A step that has been released is never changed: a correction is a new step. */
static const migration steps[GS_MIGRATIONS] = {
  { "base",
    "CREATE TABLE migrations(number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL);"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    /* Rewritten after each full checkpoint; see gs_log_start_over(). */
    "INSERT INTO meta(key, value) VALUES('wal_epoch', 0);"
    "PRAGMA application_id=0x67736f31;",
    "DROP TABLE meta;"
    "DROP TABLE migrations;"
    "PRAGMA application_id=0;" },

  { "boards",
    /* AUTOINCREMENT: a number is never given again, or a new board would inherit an old one's rows.
     * `title`, `owner` and `meta` belong to the application above. */
    "CREATE TABLE boards("
    " num INTEGER PRIMARY KEY AUTOINCREMENT,"
    " board_id TEXT NOT NULL UNIQUE,"
    " generation INTEGER NOT NULL,"
    " created_at INTEGER NOT NULL,"
    " updated_at INTEGER NOT NULL,"
    " deleted_at INTEGER,"
    " purged_at INTEGER,"
    " title TEXT, owner TEXT, meta TEXT);"
    "CREATE INDEX boards_in_trash ON boards(deleted_at) WHERE deleted_at IS NOT NULL AND purged_at IS NULL;",
    "DROP TABLE boards;" },

  { "board_states",
    /* The blob comes last, so that the other columns are read without walking its pages.
     *   enc    what `state` is: see state.h
     *   len    bytes of the update before compression; NULL: not known
     *   upto   journal rows of the board with id <= upto are contained in the state
     *   hash   XXH3 of `state` as stored; sv: state vector of the document. NULL: not checked */
    "CREATE TABLE board_states("
    " board_id TEXT PRIMARY KEY NOT NULL REFERENCES boards(board_id) ON DELETE CASCADE,"
    " updated_at INTEGER NOT NULL,"
    " enc INTEGER NOT NULL DEFAULT 1,"
    " len INTEGER,"
    " upto INTEGER NOT NULL DEFAULT 0,"
    " version INTEGER NOT NULL DEFAULT 0,"
    " hash INTEGER,"
    " sv BLOB,"
    " state BLOB NOT NULL);",
    "DROP TABLE board_states;" },

  { "journal",
    /* Order of arrival and no other index: what belongs to whom is known in memory. */
    "CREATE TABLE journal("
    " id INTEGER PRIMARY KEY,"
    " board INTEGER NOT NULL,"
    " enc INTEGER NOT NULL,"
    " hash INTEGER NOT NULL,"
    " data BLOB NOT NULL);"
    /* Rows of boards that cannot be read, moved here so that they do not hold up the cutting of the
     * journal. They stay part of their board. */
    "CREATE TABLE journal_aside("
    " id INTEGER PRIMARY KEY,"
    " board INTEGER NOT NULL,"
    " enc INTEGER NOT NULL,"
    " hash INTEGER NOT NULL,"
    " data BLOB NOT NULL);"
    "CREATE INDEX journal_aside_board ON journal_aside(board, id);",
    "DROP TABLE journal_aside;"
    "DROP TABLE journal;" },

  { "history",
    /*   kind   0 made by itself, 1 named, 2 before a restore, 3 gone but for those that refer to it
     *   base   id of the version that `data` is a difference to; NULL: none
     *   enc, len, hash, sv    as in board_states; see version.h
     *   bytes  length of `data`, so that the index answers what the history takes */
    "CREATE TABLE history("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " board INTEGER NOT NULL REFERENCES boards(num) ON DELETE CASCADE,"
    " created_at INTEGER NOT NULL,"
    " kind INTEGER NOT NULL,"
    " name TEXT,"
    " base INTEGER,"
    " enc INTEGER NOT NULL,"
    " len INTEGER NOT NULL,"
    " hash INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL,"
    " sv BLOB NOT NULL,"
    " data BLOB NOT NULL);"
    "CREATE INDEX history_board ON history(board, id, created_at, bytes);"
    "CREATE INDEX history_age ON history(created_at) WHERE kind IN (0, 2);",
    "DROP TABLE history;" },

  { "quarantine",
    /* The columns of whichever table the row is from; reason: a gesso_status. */
    "CREATE TABLE quarantine("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " taken_at INTEGER NOT NULL,"
    " source TEXT NOT NULL,"
    " key INTEGER,"
    " board INTEGER,"
    " board_id TEXT,"
    " reason INTEGER NOT NULL,"
    " enc INTEGER, len INTEGER, hash INTEGER, upto INTEGER, base INTEGER, name TEXT, sv BLOB,"
    " data BLOB);",
    "DROP TABLE quarantine;" },
};

gesso_status gs_schema_version(sqlite3 *db, int *out)
{
  int64_t version = 0, app = 0, tables = 0;
  *out = 0;
  int rc = gs_sql_int(db, "PRAGMA user_version", &version);
  if (rc == SQLITE_OK)
    rc = gs_sql_int(db, "PRAGMA application_id", &app);
  if (rc == SQLITE_OK)
    rc = gs_sql_int(db, "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'", &tables);
  if (rc != SQLITE_OK)
    return gs_sql_status(rc);
  *out = (int)version;
  if (app != GS_APPLICATION_ID && (app != 0 || version != 0 || tables != 0))
    return GESSO_E_CORRUPT;
  return version > GS_MIGRATIONS || version < 0 ? GESSO_E_VERSION : GESSO_OK;
}

/* A copy to go back to by hand, whatever the step may do. */
static int backup_before(sqlite3 *db, const char *folder, int version, int number, bool up)
{
  char name[80];
  int64_t boards = 0;
  if (version < 2) /* there are no boards yet */
    return SQLITE_OK;
  int rc = gs_sql_int(db, "SELECT count(*) FROM boards", &boards);
  if (rc != SQLITE_OK || boards == 0)
    return rc;
  (void)snprintf(name, sizeof name, "%s-%03d-%lld.db", up ? "before" : "before-taking-back", number,
                 (long long)gs_clock_wall_ms(NULL));
  gesso_status s = gs_backup_before(db, folder, name);
  return s == GESSO_OK ? SQLITE_OK : s == GESSO_E_FULL ? SQLITE_FULL : SQLITE_IOERR;
}

static int step(sqlite3 *db, const char *folder, int version_now, int number, bool up)
{
  const migration *m = &steps[number - 1];
  int rc = backup_before(db, folder, version_now, number, up);
  if (rc == SQLITE_OK)
    rc = gs_sql_exec(db, "BEGIN IMMEDIATE");
  if (rc != SQLITE_OK)
    return rc;
  rc = gs_sql_exec(db, up ? m->up : m->down);
  char *sql = NULL;
  if (rc == SQLITE_OK) {
    int version = up ? number : number - 1;
    if (up) {
      sql = sqlite3_mprintf("INSERT INTO migrations VALUES(%d, %Q, %lld); PRAGMA user_version=%d", number, m->name,
                            (long long)gs_clock_wall_ms(NULL), version);
    } else if (version > 0) {
      sql = sqlite3_mprintf("DELETE FROM migrations WHERE number = %d; PRAGMA user_version=%d", number, version);
    } else {
      sql = sqlite3_mprintf("PRAGMA user_version=0");
    }
    rc = sql == NULL ? SQLITE_NOMEM : gs_sql_exec(db, sql);
    sqlite3_free(sql);
  }
  if (rc == SQLITE_OK)
    rc = gs_sql_exec(db, "COMMIT");
  if (rc != SQLITE_OK && !sqlite3_get_autocommit(db))
    (void)gs_sql_exec(db, "ROLLBACK");
  return rc;
}

int gs_schema_up(sqlite3 *db, const char *folder, int target)
{
  int64_t version = 0;
  int rc = gs_sql_int(db, "PRAGMA user_version", &version);
  for (int n = (int)version + 1; rc == SQLITE_OK && n <= target; n++)
    rc = step(db, folder, n - 1, n, true);
  return rc;
}

int gs_schema_down(sqlite3 *db, const char *folder, int target)
{
  int64_t version = 0;
  int rc = gs_sql_int(db, "PRAGMA user_version", &version);
  for (int n = (int)version; rc == SQLITE_OK && n > target; n--)
    rc = step(db, folder, n, n, false);
  return rc;
}

/* --- the verbs --- */

static gesso_status explain_version(gesso_buffer *why, const char *folder, gesso_status s)
{
  switch (s) {
  case GESSO_E_VERSION:
    return gs_explain(why, s, "%s was written by a newer gesso; use that one", folder);
  case GESSO_E_CORRUPT:
    return gs_explain(why, s, "%s/gesso.db is not a database of gesso", folder);
  default:
    return gs_explain(why, s, "cannot read %s/gesso.db; check the disk and the rights", folder);
  }
}

static gesso_status open_for(const char *folder, bool write, gs_lockfile *lock, sqlite3 **db, int *version,
                             gesso_buffer *why)
{
  *db = NULL;
  if (write) {
    gesso_status s = gs_lockfile_take(lock, folder, "gesso migrate", NULL, why);
    if (s != GESSO_OK)
      return s;
  } else if (!gs_data_folder_exists(folder)) {
    return gs_explain(why, GESSO_E_NOTFOUND, "%s holds no boards: there is no gesso.db in it", folder);
  }
  int rc = gs_sql_open(folder, NULL, write ? GS_SQL_WRITER : GS_SQL_READER, db);
  if (rc != SQLITE_OK)
    return gs_explain(why, gs_sql_status(rc), gs_sql_why(rc), folder);
  gesso_status s = gs_schema_version(*db, version);
  return s == GESSO_OK ? s : explain_version(why, folder, s);
}

gesso_status gs_migrate_status(const char *folder, gs_migration_info out[GS_MIGRATIONS], int *version_out,
                               gesso_buffer *why)
{
  gs_lockfile lock = GS_LOCKFILE_NONE;
  sqlite3 *db;
  int version = 0;
  gesso_status s = open_for(folder, false, &lock, &db, &version, why);
  for (int i = 0; i < GS_MIGRATIONS; i++)
    out[i] = (gs_migration_info){ i + 1, steps[i].name, i < version, 0 };
  if (s == GESSO_OK && version > 0) {
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, "SELECT number, applied_at FROM migrations", -1, &st, NULL) == SQLITE_OK) {
      while (sqlite3_step(st) == SQLITE_ROW) {
        int n = sqlite3_column_int(st, 0);
        if (n >= 1 && n <= version)
          out[n - 1].applied_ms = sqlite3_column_int64(st, 1);
      }
    }
    (void)sqlite3_finalize(st);
  }
  *version_out = version;
  (void)sqlite3_close(db);
  return s;
}

gesso_status gs_migrate_up(const char *folder, int target, int *from_out, int *to_out, gesso_buffer *why)
{
  if (target < 0 || target > GS_MIGRATIONS)
    return gs_explain(why, GESSO_E_USAGE, "there is no such step; see `gesso migrate status --data %s`", folder);
  gs_lockfile lock = GS_LOCKFILE_NONE;
  sqlite3 *db;
  int version = 0;
  gesso_status s = open_for(folder, true, &lock, &db, &version, why);
  *from_out = *to_out = version;
  if (s == GESSO_OK) {
    int rc = gs_schema_up(db, folder, target == 0 ? GS_MIGRATIONS : target);
    if (rc != SQLITE_OK)
      s = gs_explain(why, gs_sql_status(rc), "the step failed and was undone: %s", sqlite3_errmsg(db));
    (void)gs_schema_version(db, to_out);
  }
  (void)sqlite3_close(db);
  gs_lockfile_release(&lock);
  return s;
}

/* Would going from `version` down to `target` drop something that somebody drew? */
static int content_below(sqlite3 *db, int version, int target, const char **what)
{
  static const struct {
    int number;
    const char *sql, *what;
  } holds[] = {
    { 6, "SELECT count(*) FROM quarantine", "a repair has put rows into quarantine" },
    { 5, "SELECT count(*) FROM history", "there are earlier versions of boards; `gesso history show` can save them" },
    { 4,
      "SELECT count(*) FROM (SELECT 1 FROM journal j JOIN boards b ON b.num = j.board"
      " LEFT JOIN board_states s ON s.board_id = b.board_id"
      " WHERE j.id > coalesce(s.upto, 0) AND b.purged_at IS NULL UNION ALL SELECT 1 FROM journal_aside)",
      "the journal holds updates that no state contains yet; `gesso board export` can save them" },
    { 3, "SELECT count(*) FROM board_states", "board_states holds the content of boards; `gesso board export` can save it" },
    { 2, "SELECT count(*) FROM boards", "there are boards; `gesso board export` can save them" },
  };
  *what = NULL;
  for (size_t i = 0; i < GS_COUNT(holds); i++) {
    int64_t n = 0;
    if (holds[i].number > version || holds[i].number <= target)
      continue;
    int rc = gs_sql_int(db, holds[i].sql, &n);
    if (rc != SQLITE_OK)
      return rc;
    if (n != 0) {
      *what = holds[i].what;
      return SQLITE_OK;
    }
  }
  return SQLITE_OK;
}

gesso_status gs_migrate_down(const char *folder, int target, uint32_t flags, int *from_out, int *to_out,
                             gesso_buffer *why)
{
  gs_lockfile lock = GS_LOCKFILE_NONE;
  sqlite3 *db = NULL;
  int version = 0;
  *from_out = *to_out = 0;
  if (!gs_data_folder_exists(folder))
    return gs_explain(why, GESSO_E_NOTFOUND, "%s holds no boards: there is no gesso.db in it", folder);
  gesso_status s = open_for(folder, true, &lock, &db, &version, why);
  *from_out = *to_out = version;
  if (target == -1)
    target = version - 1;
  if (s == GESSO_OK && (target < 0 || target > version))
    s = gs_explain(why, GESSO_E_USAGE, "there is no such step below; see `gesso migrate status --data %s`", folder);
  if (s == GESSO_OK && (flags & GS_MIGRATE_DISCARD) == 0) {
    const char *what;
    int rc = content_below(db, version, target, &what);
    if (rc != SQLITE_OK)
      s = gs_explain(why, gs_sql_status(rc), "cannot tell what would be lost: %s", sqlite3_errmsg(db));
    else if (what != NULL)
      s = gs_explain(why, GESSO_E_USAGE, "nothing was changed, as content would be lost: %s", what);
  }
  if (s == GESSO_OK) {
    int rc = gs_schema_down(db, folder, target);
    if (rc != SQLITE_OK)
      s = gs_explain(why, gs_sql_status(rc), "the step failed and was undone: %s", sqlite3_errmsg(db));
    (void)gs_schema_version(db, to_out);
  }
  (void)sqlite3_close(db);
  gs_lockfile_release(&lock);
  return s;
}
