#include "port/database.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

/* ? # and % mean something in SQLite's addresses of files. */
static char *address_of(const char *path, const char *tail)
{
  gs_buf b = gs_buf_make(NULL);
  gs_buf_puts(&b, "file:");
  for (const char *c = path; *c != '\0'; c++) {
    if (*c == '?' || *c == '#' || *c == '%')
      gs_buf_printf(&b, "%%%02X", (unsigned)*c);
    else
      gs_buf_put(&b, (uint8_t)*c);
  }
  gs_buf_puts(&b, tail);
  gs_buf_put(&b, '\0');
  char *address = b.err == GESSO_OK ? sqlite3_mprintf("%s", (const char *)b.b.data) : NULL;
  gs_buf_finish(&b);
  return address;
}

static int try_open(const char *path, const char *tail, sqlite3 **out)
{
  char *address = address_of(path, tail);
  int r = address == NULL ? SQLITE_NOMEM
                          : sqlite3_open_v2(address, out, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
  sqlite3_free(address);
  if (r == SQLITE_OK) {
    (void)sqlite3_busy_timeout(*out, 5000);
    (void)sqlite3_db_config(*out, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_exec(*out, "PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1", NULL, NULL, NULL);
    /* The read that makes the transaction begin. */
    r = sqlite3_exec(*out, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
  }
  return r;
}

static bool has_log(const char *path)
{
  char wal[PATH_MAX];
  FILE *f = (size_t)snprintf(wal, sizeof wal, "%s-wal", path) < sizeof wal ? fopen(wal, "re") : NULL;
  bool some = f != NULL && fgetc(f) != EOF;
  if (f != NULL)
    (void)fclose(f);
  return some;
}

gesso_status gs_database_open(const char *path, sqlite3 **out, gs_buf *why)
{
  *out = NULL;
  int r = try_open(path, "?mode=ro", out);
  if ((r == SQLITE_CANTOPEN || r == SQLITE_READONLY) && !has_log(path)) {
    /* A database with a write-ahead log in a folder that cannot be written: with no log there, nobody is at work. */
    (void)sqlite3_close(*out);
    *out = NULL;
    r = try_open(path, "?mode=ro&immutable=1", out);
  }
  if (r == SQLITE_OK)
    return GESSO_OK;
  gesso_status s = *out == NULL ? gs_port_because(why, GESSO_E_NOMEM, "out of memory") : gs_database_failed(*out, why);
  (void)sqlite3_close(*out);
  *out = NULL;
  return s;
}

gesso_status gs_database_failed(sqlite3 *db, gs_buf *why)
{
  int code = sqlite3_errcode(db) & 0xff;
  gesso_status s = code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR ? GESSO_E_CORRUPT
                   : code == SQLITE_NOMEM                                                  ? GESSO_E_NOMEM
                                                                                           : GESSO_E_IO;
  return gs_port_because(why, s, "SQLite says: %s", sqlite3_errmsg(db));
}

sqlite3_stmt *gs_database_prepare(sqlite3 *db, gs_buf *why, const char *sql, ...)
{
  va_list args;
  va_start(args, sql);
  char *text = sqlite3_vmprintf(sql, args);
  va_end(args);
  sqlite3_stmt *stmt = NULL;
  if (text == NULL)
    (void)gs_port_because(why, GESSO_E_NOMEM, "out of memory");
  else if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK)
    (void)gs_database_failed(db, why);
  sqlite3_free(text);
  return stmt;
}

bool gs_database_has_column(sqlite3 *db, const char *table, const char *column)
{
  return sqlite3_table_column_metadata(db, "main", table, column, NULL, NULL, NULL, NULL, NULL) == SQLITE_OK;
}

gesso_bytes gs_database_bytes(sqlite3_stmt *stmt, int column)
{
  const void *data = sqlite3_column_blob(stmt, column);
  int n = sqlite3_column_bytes(stmt, column);
  return (gesso_bytes){ data, data == NULL || n < 0 ? 0 : (size_t)n };
}
