#include "store/sqlite.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* These count only before the first table, and before WAL. SQLite writes the second one each time it is told, which a
 * disk may not have room for. */
static const char new_database_pragmas[] = "PRAGMA page_size=4096;"
                                           "PRAGMA auto_vacuum=INCREMENTAL;";

static const char writer_pragmas[] = "PRAGMA journal_mode=WAL;"
                                     "PRAGMA synchronous=NORMAL;"      /* we sync the WAL after each group */
                                     "PRAGMA wal_autocheckpoint=0;"    /* we checkpoint beside the writer */
                                     "PRAGMA journal_size_limit=67108864;"
                                     "PRAGMA secure_delete=FAST;"      /* Debian's ON doubles every replacement */
                                     "PRAGMA foreign_keys=ON;"
                                     "PRAGMA mmap_size=0;";            /* a disk error is an error, not SIGBUS */

static const char reader_pragmas[] = "PRAGMA user_version;"            /* looks into the file: does it open? */
                                     "PRAGMA foreign_keys=ON;"
                                     "PRAGMA mmap_size=0;";

int gs_sql_exec(sqlite3 *db, const char *sql)
{
  return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int gs_sql_int(sqlite3 *db, const char *sql, int64_t *out)
{
  sqlite3_stmt *st = NULL;
  *out = 0;
  int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
  if (rc != SQLITE_OK)
    return rc;
  rc = sqlite3_step(st);
  if (rc == SQLITE_ROW)
    *out = sqlite3_column_int64(st, 0);
  int end = sqlite3_finalize(st);
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : end;
}

int gs_sql_open(const char *folder, const char *vfs, gs_sql_mode mode, sqlite3 **out)
{
  char path[PATH_MAX];
  *out = NULL;
  int n = snprintf(path, sizeof path, "%s/gesso.db", folder);
  if (n < 0 || (size_t)n >= sizeof path)
    return SQLITE_CANTOPEN;
  int flags = mode == GS_SQL_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  sqlite3 *db = NULL;
  int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, vfs);
  if (rc == SQLITE_OK) {
    (void)sqlite3_extended_result_codes(db, 1);
    (void)sqlite3_busy_timeout(db, 5000);
    /* A folder may have come from anywhere: what its schema says is not to run with our rights. */
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    int64_t vacuum = 2;
    if (mode == GS_SQL_WRITER)
      rc = gs_sql_int(db, "PRAGMA auto_vacuum", &vacuum);
    if (rc == SQLITE_OK && vacuum != 2)
      rc = gs_sql_exec(db, new_database_pragmas);
    if (rc == SQLITE_OK)
      rc = gs_sql_exec(db, mode == GS_SQL_WRITER ? writer_pragmas : reader_pragmas);
  }
  if (rc != SQLITE_OK) {
    (void)sqlite3_close(db);
    return rc;
  }
  *out = db;
  return SQLITE_OK;
}

const char *gs_sql_why(int rc)
{
  if (rc == SQLITE_READONLY_ROLLBACK)
    return "its writer was stopped in the midst of a change, which the next one takes back: start the server, or run "
           "`gesso repair`";
  if (gs_sql_status(rc) == GESSO_E_CORRUPT)
    return "gesso.db is not a database of gesso, or it is damaged";
  return "gesso.db cannot be read; check the disk and the rights";
}

gesso_status gs_sql_status(int rc)
{
  switch (rc & 0xff) {
  case SQLITE_OK:
  case SQLITE_ROW:
  case SQLITE_DONE:
    return GESSO_OK;
  case SQLITE_NOMEM:
    return GESSO_E_NOMEM;
  case SQLITE_FULL:
    return GESSO_E_FULL;
  case SQLITE_ERROR: /* our SQL is right: it is the schema that is not ours */
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return GESSO_E_CORRUPT;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return GESSO_E_BUSY;
  case SQLITE_TOOBIG:
    return GESSO_E_LIMIT;
  default:
    return GESSO_E_IO;
  }
}
