/* What the sqlite_*.c files share. */
#ifndef GS_STORE_SQLITE_BACKEND_H
#define GS_STORE_SQLITE_BACKEND_H

#include "store/backend.h"
#include "store/sqlite.h"

#include <pthread.h>
#include <stdatomic.h>

typedef enum gs_stmt {
  GS_STMT_BEGIN,
  GS_STMT_COMMIT,
  GS_STMT_FIND,
  GS_STMT_FIND_NUMBER,
  GS_STMT_INSERT_BOARD,
  GS_STMT_REMOVE_BOARD,
  GS_STMT_SET_DELETED,
  GS_STMT_PURGE_STATE,
  GS_STMT_PURGE_BOARD,
  GS_STMT_PURGE_ASIDE,
  GS_STMT_PURGE_HISTORY,
  GS_STMT_EXPIRED,
  GS_STMT_PUT_ROW,
  GS_STMT_PUT_STATE,
  GS_STMT_CUT,
  GS_STMT_ASIDE_COPY,
  GS_STMT_ASIDE_DROP,
  GS_STMT_PUT_VERSION,
  GS_STMT_VERSIONS,
  GS_STMT_SET_VERSION,
  GS_STMT_DROP_VERSION,
  GS_STMT_OLD_VERSION,
  GS_STMT_LIST,
  GS_STMTS
} gs_stmt;

/* Locks, in the order in which they are taken: sync_lock, checkpoint_lock, a reader's lock,
 * readers_lock. Each is held while its connection works; close takes all of them. The last one is
 * write_lock: of SQLite's lock for writing, among our own threads, as SQLite waits for it by sleeping
 * for milliseconds. */
struct gs_backend {
  const gesso_allocator *alloc;
  char *folder;
  size_t folder_size;
  bool read_only;
  gs_vfs *vfs;

  sqlite3 *writer;
  sqlite3_stmt *stmts[GS_STMTS];
  pthread_mutex_t write_lock; /* the storage thread holds it for a transaction */
  bool writing;               /* it does; the storage thread's own */

  pthread_mutex_t sync_lock;
  sqlite3_file *wal; /* of the writer's connection; valid while sync_lock is held and it is not NULL */

  pthread_mutex_t checkpoint_lock;
  sqlite3 *checkpointer;

  atomic_bool open;
  pthread_mutex_t readers_lock;
  gs_board_reader *readers;

  atomic_uint_fast64_t wal_frames;      /* in use */
  atomic_uint_fast64_t wal_file_frames; /* as long as the file is: what a log that starts over leaves behind counts */
  atomic_uint_fast64_t database_pages;
};

struct gs_board_reader {
  gs_backend *be;
  gs_board_reader *next;
  pthread_mutex_t lock;
  sqlite3 *db;
  sqlite3_stmt *find, *state, *row, *scan, *aside, *version, *base;
};

/* A statement of the writer's connection, made when it is first needed. NULL with *rc. */
sqlite3_stmt *gs_sql_stmt(gs_backend *be, gs_stmt which, int *rc);
/* Runs a statement that gives no rows, whose parameters are bound. `st` NULL: `rc` says why. */
gesso_status gs_sql_run(sqlite3_stmt *st, int rc);
void gs_sql_bind_name(sqlite3_stmt *st, int at, gesso_bytes name);
void gs_sql_bind_blob(sqlite3_stmt *st, int at, gesso_bytes b);
gesso_bytes gs_sql_column_bytes(sqlite3_stmt *st, int at);

/* Opens the reader's connection if need be and prepares a statement of it. */
int gs_board_reader_open(gs_board_reader *rd);
void gs_board_reader_close(gs_board_reader *rd);
/* The first transaction of an emptied log. */
int gs_log_start_over(sqlite3 *db);

#endif
