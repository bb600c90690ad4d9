/* Somebody else's SQLite database, read only and as of one moment. */
#ifndef GS_PORT_DATABASE_H
#define GS_PORT_DATABASE_H

#include "port/source.h"

#include <sqlite3.h>

/* With a read transaction. On failure *out is NULL. */
gesso_status gs_database_open(const char *path, sqlite3 **out, gs_buf *why);

/* `sql` is a format of SQLite's own printf (%w: a name inside quotes). NULL on failure: `why` says it. */
sqlite3_stmt *gs_database_prepare(sqlite3 *db, gs_buf *why, const char *sql, ...);

bool gs_database_has_column(sqlite3 *db, const char *table, const char *column);

/* The status of a failed step, with a sentence. */
gesso_status gs_database_failed(sqlite3 *db, gs_buf *why);

/* Borrowed until the statement moves; a text's bytes count as bytes. */
gesso_bytes gs_database_bytes(sqlite3_stmt *stmt, int column);

#endif
