/* Opening SQLite the way the store wants it, and its result codes in our words. */
#ifndef GS_STORE_SQLITE_H
#define GS_STORE_SQLITE_H

#include "gesso/base.h"

#include <sqlite3.h>

typedef enum gs_sql_mode {
  GS_SQL_WRITER, /* makes the file when there is none */
  GS_SQL_READER
} gs_sql_mode;

/* Opens <folder>/gesso.db with every pragma set. `vfs` NULL: the system's own. On failure *out is
 * NULL. A connection belongs to one thread at a time. */
int gs_sql_open(const char *folder, const char *vfs, gs_sql_mode mode, sqlite3 **out);

int gs_sql_exec(sqlite3 *db, const char *sql);
/* The first column of the first row; 0 when there is none. */
int gs_sql_int(sqlite3 *db, const char *sql, int64_t *out);

gesso_status gs_sql_status(int rc);
/* Why gs_sql_open failed, in words for people; static. */
const char *gs_sql_why(int rc);

#endif
