#include "gesso/persistence.h"
#include "store/sqlite_backend.h"
#include "store/migrate.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>

#define BOARD_COLUMNS                                                                                                  \
  "b.num, b.generation, b.created_at, max(b.updated_at, coalesce(s.updated_at, 0)), b.deleted_at, b.purged_at, "       \
  "s.upto, s.version, coalesce(s.len, length(s.state)), length(s.state), "                                             \
  "(SELECT count(*) FROM journal_aside a WHERE a.board = b.num AND a.id > coalesce(s.upto, 0)), b.board_id, "          \
  "s.updated_at, (SELECT sum(h.bytes) FROM history h WHERE h.board = b.num), "                                          \
  "(SELECT h.created_at FROM history h WHERE h.board = b.num ORDER BY h.id DESC LIMIT 1) "                              \
  "FROM boards b LEFT JOIN board_states s ON s.board_id = b.board_id "

/* What a damaged or forged row has instead of a name is nothing to hand out: callers rely on names. */
_Static_assert(GESSO_BOARD_NAME_MAX == 512, "the names that IS_NAME lets through");
#define IS_NAME(column)                                                                   \
  "typeof(" column ") = 'text' AND length(CAST(" column " AS BLOB)) BETWEEN 1 AND 512 " \
  "AND instr(" column ", char(0)) = 0 "

static const char *const sql[GS_STMTS] = {
  [GS_STMT_BEGIN] = "BEGIN IMMEDIATE",
  [GS_STMT_COMMIT] = "COMMIT",
  [GS_STMT_FIND] = "SELECT " BOARD_COLUMNS "WHERE b.board_id = ?1",
  [GS_STMT_FIND_NUMBER] = "SELECT " BOARD_COLUMNS "WHERE b.num = ?1",
  [GS_STMT_INSERT_BOARD] = "INSERT INTO boards(board_id, generation, created_at, updated_at) VALUES(?1, ?2, ?3, ?3)",
  [GS_STMT_REMOVE_BOARD] = "DELETE FROM boards WHERE board_id = ?1",
  [GS_STMT_SET_DELETED] = "UPDATE boards SET deleted_at = ?2 WHERE board_id = ?1",
  [GS_STMT_PURGE_STATE] = "DELETE FROM board_states WHERE board_id = ?1",
  [GS_STMT_PURGE_BOARD] = "UPDATE boards SET purged_at = ?2, title = NULL, owner = NULL, meta = NULL "
                          "WHERE board_id = ?1",
  [GS_STMT_PURGE_ASIDE] = "DELETE FROM journal_aside WHERE board = ?1",
  [GS_STMT_PURGE_HISTORY] = "DELETE FROM history WHERE board = ?1",
  [GS_STMT_EXPIRED] = "SELECT board_id FROM boards WHERE deleted_at IS NOT NULL AND purged_at IS NULL "
                      "AND deleted_at <= ?1 AND " IS_NAME("board_id") "LIMIT 1",
  [GS_STMT_PUT_ROW] = "INSERT INTO journal(id, board, enc, hash, data) VALUES(?1, ?2, ?3, ?4, ?5)",
  [GS_STMT_PUT_STATE] = "INSERT INTO board_states(board_id, updated_at, enc, len, upto, version, hash, sv, state) "
                        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(board_id) DO UPDATE SET "
                        "updated_at = ?2, enc = ?3, len = ?4, upto = ?5, version = ?6, hash = ?7, sv = ?8, state = ?9",
  [GS_STMT_CUT] = "DELETE FROM journal WHERE id < ?1",
  [GS_STMT_ASIDE_COPY] = "INSERT OR REPLACE INTO journal_aside SELECT id, board, enc, hash, data FROM journal "
                         "WHERE id = ?1",
  [GS_STMT_ASIDE_DROP] = "DELETE FROM journal WHERE id = ?1",
  [GS_STMT_PUT_VERSION] = "INSERT INTO history(board, created_at, kind, name, base, enc, len, hash, bytes, sv, data) "
                          "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 "
                          "WHERE ?5 IS NULL OR EXISTS (SELECT 1 FROM history WHERE id = ?5 AND board = ?1)",
  [GS_STMT_VERSIONS] = "SELECT id, created_at, kind, base, bytes, len, name FROM history WHERE board = ?1 ORDER BY id",
  [GS_STMT_SET_VERSION] = "UPDATE history SET kind = ?3, name = ?4 WHERE id = ?2 AND board = ?1",
  [GS_STMT_DROP_VERSION] = "DELETE FROM history WHERE id = ?1",
  [GS_STMT_OLD_VERSION] = "SELECT board FROM history WHERE kind IN (0, 2) AND created_at < ?1 LIMIT 1",
  [GS_STMT_LIST] = "SELECT " BOARD_COLUMNS "WHERE b.board_id > ?1 AND (?2 OR b.deleted_at IS NULL) AND "
                   IS_NAME("b.board_id") "ORDER BY b.board_id LIMIT ?3",
};

sqlite3_stmt *gs_sql_stmt(gs_backend *be, gs_stmt which, int *rc)
{
  *rc = SQLITE_OK;
  if (be->writer == NULL)
    *rc = SQLITE_IOERR;
  else if (be->stmts[which] == NULL)
    *rc = sqlite3_prepare_v3(be->writer, sql[which], -1, SQLITE_PREPARE_PERSISTENT, &be->stmts[which], NULL);
  return *rc == SQLITE_OK ? be->stmts[which] : NULL;
}

gesso_status gs_sql_run(sqlite3_stmt *st, int rc)
{
  if (st == NULL)
    return gs_sql_status(rc);
  rc = sqlite3_step(st);
  int end = sqlite3_reset(st);
  (void)sqlite3_clear_bindings(st);
  return rc == SQLITE_DONE || rc == SQLITE_ROW ? GESSO_OK : gs_sql_status(end);
}

void gs_sql_bind_name(sqlite3_stmt *st, int at, gesso_bytes name)
{
  (void)sqlite3_bind_text(st, at, name.len == 0 ? "" : (const char *)name.data, (int)name.len, SQLITE_STATIC);
}

void gs_sql_bind_blob(sqlite3_stmt *st, int at, gesso_bytes b)
{
  (void)sqlite3_bind_blob64(st, at, b.len == 0 ? (const void *)"" : b.data, b.len, SQLITE_STATIC);
}

gesso_bytes gs_sql_column_bytes(sqlite3_stmt *st, int at)
{
  const void *p = sqlite3_column_blob(st, at);
  return (gesso_bytes){ p, (size_t)sqlite3_column_bytes(st, at) };
}

/* --- opening and closing --- */

static void begin_writing(gs_backend *be)
{
  (void)pthread_mutex_lock(&be->write_lock);
  be->writing = true;
}

static void end_writing(gs_backend *be)
{
  if (!be->writing)
    return;
  be->writing = false;
  (void)pthread_mutex_unlock(&be->write_lock);
}

gs_backend *gs_backend_create(const gesso_allocator *al, const char *folder, bool read_only, const gs_vfs_hooks *hooks)
{
  gs_backend *be = GS_NEW(al, gs_backend);
  if (be == NULL)
    return NULL;
  be->alloc = al;
  be->read_only = read_only;
  be->folder_size = strlen(folder) + 1;
  be->folder = gs_alloc(al, be->folder_size);
  be->vfs = gs_vfs_create(hooks);
  if (be->folder == NULL || be->vfs == NULL) {
    gs_free(al, be->folder, be->folder_size);
    gs_vfs_destroy(be->vfs);
    gs_free(al, be, sizeof *be);
    return NULL;
  }
  memcpy(be->folder, folder, be->folder_size);
  (void)pthread_mutex_init(&be->write_lock, NULL);
  (void)pthread_mutex_init(&be->sync_lock, NULL);
  (void)pthread_mutex_init(&be->checkpoint_lock, NULL);
  (void)pthread_mutex_init(&be->readers_lock, NULL);
  return be;
}

void gs_backend_destroy(gs_backend *be)
{
  if (be == NULL)
    return;
  gs_backend_close(be, false);
  assert(be->readers == NULL);
  (void)pthread_mutex_destroy(&be->write_lock);
  (void)pthread_mutex_destroy(&be->sync_lock);
  (void)pthread_mutex_destroy(&be->checkpoint_lock);
  (void)pthread_mutex_destroy(&be->readers_lock);
  gs_vfs_destroy(be->vfs);
  gs_free(be->alloc, be->folder, be->folder_size);
  gs_free(be->alloc, be, sizeof *be);
}

static int on_commit(void *ctx, sqlite3 *db, const char *schema, int frames)
{
  gs_backend *be = ctx;
  (void)schema;
  (void)db;
  atomic_store_explicit(&be->wal_frames, (uint64_t)frames, memory_order_relaxed);
  if (atomic_load_explicit(&be->wal_file_frames, memory_order_relaxed) < (uint64_t)frames)
    atomic_store_explicit(&be->wal_file_frames, (uint64_t)frames, memory_order_relaxed);
  return SQLITE_OK;
}

gesso_status gs_backend_walk(gs_backend *be, gs_journal_row_fn fn, void *ctx)
{
  sqlite3_stmt *st = NULL;
  int rc = sqlite3_prepare_v2(be->writer, "SELECT id, board, length(data) FROM journal ORDER BY id", -1, &st, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
    fn(ctx, (uint64_t)sqlite3_column_int64(st, 0), (uint64_t)sqlite3_column_int64(st, 1),
       (uint32_t)sqlite3_column_int64(st, 2));
    rc = SQLITE_OK;
  }
  (void)sqlite3_finalize(st);
  return gs_sql_status(rc);
}

/* An id that repeats one, or that is not above the `upto` of some state, would be taken for folded
 * and its update lost without a word. */
static int next_id(sqlite3 *db, uint64_t *out)
{
  /* A folder from elsewhere can say what it likes; ids that begin again below an `upto` would be lost. */
  int64_t top = -1;
  int rc = gs_sql_int(db,
                      "SELECT CASE WHEN typeof(top) = 'integer' AND top BETWEEN 0 AND 0x3fffffffffffffff THEN top ELSE -1 END"
                      " FROM (SELECT max(coalesce((SELECT max(id) FROM journal), 0),"
                      " coalesce((SELECT max(id) FROM journal_aside), 0),"
                      " coalesce((SELECT max(upto) FROM board_states), 0),"
                      /* what a repair took away had been given ids, too */
                      " coalesce((SELECT value FROM meta WHERE key = 'journal_ids'), 0)) AS top)",
                      &top);
  if (rc == SQLITE_OK && top < 0)
    return SQLITE_CORRUPT;
  *out = (uint64_t)top + 1;
  return rc;
}

/* A sync that failed, here or in an earlier process, leaves the kernel with pages that it calls clean and that the disk
 * may not have. Only the log: the pages of the database that matter are copied out of it once more, as the next open
 * builds a new index of the log in which nothing counts as copied yet. */
static void distrust_log(gs_backend *be)
{
  char path[PATH_MAX];
  (void)snprintf(path, sizeof path, "%s/gesso.db-wal", be->folder);
  gs_vfs_forget(path);
  gs_vfs_trust(be->vfs);
}

/* Tables that are missing or of another kind would otherwise be found by the first write, which would be tried for ever. */
static int prepare_all(gs_backend *be)
{
  int rc = SQLITE_OK;
  for (int i = 0; i < GS_STMTS && rc == SQLITE_OK; i++)
    (void)gs_sql_stmt(be, (gs_stmt)i, &rc);
  return rc;
}

gesso_status gs_backend_open(gs_backend *be, bool no_migrate, gs_journal_row_fn fn, void *ctx, uint64_t *next,
                             const char **why)
{
  assert(be->writer == NULL);
  *why = "the database cannot be opened; check the disk, the folder's rights and the room left";
  if (!be->read_only)
    distrust_log(be);
  int rc = gs_sql_open(be->folder, gs_vfs_name(be->vfs), be->read_only ? GS_SQL_READER : GS_SQL_WRITER, &be->writer);
  if (rc != SQLITE_OK) {
    gesso_status s = gs_sql_status(rc);
    if (be->read_only || s == GESSO_E_CORRUPT)
      *why = gs_sql_why(rc);
    return s;
  }
  int version = 0;
  gesso_status held = GESSO_OK; /* why it cannot be written */
  uint64_t sync_failures = atomic_load(&gs_vfs_counts_of(be->vfs)->sync_failures);
  gesso_status s = gs_schema_version(be->writer, &version);
  if (s == GESSO_E_VERSION)
    *why = "the data folder was written by a newer gesso; use that one";
  if (s == GESSO_OK && version < GS_MIGRATIONS) {
    if (no_migrate || be->read_only) {
      *why = "the data folder has an older schema; run `gesso migrate up`";
      s = GESSO_E_VERSION;
    } else {
      s = gs_sql_status(gs_schema_up(be->writer, be->folder, GS_MIGRATIONS));
    }
  }
  if (s == GESSO_OK && !be->read_only)
    s = gs_sql_status(prepare_all(be));
  if (s == GESSO_OK && !be->read_only) {
    /* Connections that only close must not checkpoint: after a failed sync the log is evidence. */
    (void)sqlite3_db_config(be->writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_wal_hook(be->writer, on_commit, be);
    /* What an earlier process had written but not synced gets onto the disk here. A reader of
     * another process may hold the log: then it is synced instead, which is as good. */
    rc = sqlite3_wal_checkpoint_v2(be->writer, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    held = (rc & 0xff) == SQLITE_BUSY ? GESSO_OK : gs_sql_status(rc);
    int began = rc == SQLITE_OK ? gs_log_start_over(be->writer) : rc;
    if (rc == SQLITE_OK)
      held = gs_sql_status(began);
    if (began == SQLITE_ERROR)
      s = held; /* the same of the table that it writes */
    atomic_store(&be->wal_frames, 1);
    atomic_store(&be->wal_file_frames, rc == SQLITE_OK ? 1 : 2);
  }
  if (s == GESSO_E_CORRUPT)
    *why = "gesso.db is not a database of gesso, or it is damaged";
  /* After a failed sync what the kernel shows is not to be believed, not by readers either. */
  if (s == GESSO_OK && atomic_load(&gs_vfs_counts_of(be->vfs)->sync_failures) != sync_failures)
    s = held != GESSO_OK ? held : GESSO_E_IO;
  if (s == GESSO_OK)
    s = gs_backend_walk(be, fn, ctx);
  if (s == GESSO_OK)
    s = gs_sql_status(next_id(be->writer, next));
  int64_t pages = 0;
  if (s == GESSO_OK)
    s = gs_sql_status(gs_sql_int(be->writer, "PRAGMA page_count", &pages));
  atomic_store(&be->database_pages, (uint64_t)pages);
  if (s == GESSO_OK && !be->read_only && held == GESSO_OK) {
    (void)pthread_mutex_lock(&be->sync_lock);
    rc = sqlite3_file_control(be->writer, "main", SQLITE_FCNTL_JOURNAL_POINTER, &be->wal);
    if (rc != SQLITE_OK || be->wal == NULL || be->wal->pMethods == NULL)
      be->wal = NULL;
    bool ok = be->wal != NULL;
    (void)pthread_mutex_unlock(&be->sync_lock);
    if (!ok)
      s = GESSO_E_IO;
    /* The log may hold frames that nobody synced, when a foreign reader kept it from being emptied. */
    if (s == GESSO_OK)
      s = gs_backend_sync(be);
  }
  if (s != GESSO_OK) {
    gs_backend_close(be, false);
    return s;
  }
  atomic_store(&be->open, true);
  if (held == GESSO_OK)
    *why = "";
  return held;
}

bool gs_backend_is_open(const gs_backend *be)
{
  return atomic_load(&be->open);
}

void gs_backend_close(gs_backend *be, bool last)
{
  atomic_store(&be->open, false);
  end_writing(be); /* of a transaction that goes with the connection */
  (void)pthread_mutex_lock(&be->sync_lock);
  be->wal = NULL;
  (void)pthread_mutex_unlock(&be->sync_lock);

  (void)pthread_mutex_lock(&be->checkpoint_lock);
  (void)sqlite3_close(be->checkpointer);
  be->checkpointer = NULL;
  (void)pthread_mutex_unlock(&be->checkpoint_lock);

  (void)pthread_mutex_lock(&be->readers_lock);
  for (gs_board_reader *rd = be->readers; rd != NULL; rd = rd->next) {
    (void)pthread_mutex_lock(&rd->lock);
    gs_board_reader_close(rd);
    (void)pthread_mutex_unlock(&rd->lock);
  }
  (void)pthread_mutex_unlock(&be->readers_lock);

  for (int i = 0; i < GS_STMTS; i++) {
    (void)sqlite3_finalize(be->stmts[i]);
    be->stmts[i] = NULL;
  }
  if (be->writer != NULL && last)
    (void)sqlite3_db_config(be->writer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
  (void)sqlite3_close(be->writer);
  be->writer = NULL;
}

/* --- transactions --- */

gesso_status gs_backend_begin(gs_backend *be)
{
  int rc;
  begin_writing(be);
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_BEGIN, &rc);
  gesso_status s = gs_sql_run(st, rc);
  if (s != GESSO_OK)
    end_writing(be);
  return s;
}

gesso_status gs_backend_commit(gs_backend *be)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_COMMIT, &rc);
  gesso_status s = gs_sql_run(st, rc);
  if (s == GESSO_OK)
    end_writing(be);
  return s;
}

void gs_backend_rollback(gs_backend *be)
{
  if (be->writer != NULL && !sqlite3_get_autocommit(be->writer))
    (void)gs_sql_exec(be->writer, "ROLLBACK");
  end_writing(be);
}

/* --- boards --- */

static void board_row_of(sqlite3_stmt *st, gs_board_row *out)
{
  *out = (gs_board_row){
    .exists = true,
    .num = (uint64_t)sqlite3_column_int64(st, 0),
    .generation = (uint64_t)sqlite3_column_int64(st, 1),
    .created_ms = sqlite3_column_int64(st, 2),
    .updated_ms = sqlite3_column_int64(st, 3),
    .deleted_ms = sqlite3_column_int64(st, 4),
    .purged_ms = sqlite3_column_int64(st, 5),
    .has_state = sqlite3_column_type(st, 6) != SQLITE_NULL,
    .upto = (uint64_t)sqlite3_column_int64(st, 6),
    .version = (uint64_t)sqlite3_column_int64(st, 7),
    .state_bytes = (uint64_t)sqlite3_column_int64(st, 8),
    .stored_bytes = (uint64_t)sqlite3_column_int64(st, 9),
    .aside_rows = (uint64_t)sqlite3_column_int64(st, 10),
    .state_ms = sqlite3_column_int64(st, 12),
    .history_bytes = (uint64_t)sqlite3_column_int64(st, 13),
    .version_ms = sqlite3_column_int64(st, 14),
  };
}

static gesso_status find(sqlite3_stmt *st, int rc, gesso_buffer *name_out, gs_board_row *out)
{
  *out = (gs_board_row){ 0 };
  if (st == NULL)
    return gs_sql_status(rc);
  gesso_status s = GESSO_OK;
  rc = sqlite3_step(st);
  if (rc == SQLITE_ROW) {
    board_row_of(st, out);
    if (name_out != NULL) {
      gesso_bytes name = gs_sql_column_bytes(st, 11);
      gs_buf b = { .b = *name_out };
      gs_buf_clear(&b);
      gs_buf_write(&b, name.data, name.len);
      *name_out = b.b;
      s = b.err;
    }
  }
  int end = sqlite3_reset(st);
  (void)sqlite3_clear_bindings(st);
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? s : gs_sql_status(end);
}

gesso_status gs_backend_find(gs_backend *be, gesso_bytes name, gs_board_row *out)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_FIND, &rc);
  if (st != NULL)
    gs_sql_bind_name(st, 1, name);
  return find(st, rc, NULL, out);
}

gesso_status gs_backend_find_number(gs_backend *be, uint64_t num, gesso_buffer *name_out, gs_board_row *out)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_FIND_NUMBER, &rc);
  if (st != NULL)
    (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)num);
  return find(st, rc, name_out, out);
}

gesso_status gs_backend_insert_board(gs_backend *be, gesso_bytes name, uint64_t generation, int64_t now_ms,
                                     uint64_t *num_out)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_INSERT_BOARD, &rc);
  if (st != NULL) {
    gs_sql_bind_name(st, 1, name);
    (void)sqlite3_bind_int64(st, 2, (sqlite3_int64)generation);
    (void)sqlite3_bind_int64(st, 3, now_ms);
  }
  gesso_status s = gs_sql_run(st, rc);
  if (s == GESSO_OK)
    *num_out = (uint64_t)sqlite3_last_insert_rowid(be->writer);
  return s;
}

static gesso_status run_name(gs_backend *be, gs_stmt which, gesso_bytes name)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, which, &rc);
  if (st != NULL)
    gs_sql_bind_name(st, 1, name);
  return gs_sql_run(st, rc);
}

static gesso_status run_name_time(gs_backend *be, gs_stmt which, gesso_bytes name, int64_t ms)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, which, &rc);
  if (st != NULL) {
    gs_sql_bind_name(st, 1, name);
    if (ms != 0)
      (void)sqlite3_bind_int64(st, 2, ms); /* unbound is NULL */
  }
  return gs_sql_run(st, rc);
}

static gesso_status run_number(gs_backend *be, gs_stmt which, uint64_t n)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, which, &rc);
  if (st != NULL)
    (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)n);
  return gs_sql_run(st, rc);
}

gesso_status gs_backend_remove_board(gs_backend *be, gesso_bytes name)
{
  return run_name(be, GS_STMT_REMOVE_BOARD, name);
}

gesso_status gs_backend_set_deleted(gs_backend *be, gesso_bytes name, int64_t deleted_ms)
{
  return run_name_time(be, GS_STMT_SET_DELETED, name, deleted_ms);
}

gesso_status gs_backend_purge(gs_backend *be, gesso_bytes name, uint64_t num, int64_t now_ms)
{
  gesso_status s = run_name(be, GS_STMT_PURGE_STATE, name);
  if (s == GESSO_OK)
    s = run_name_time(be, GS_STMT_PURGE_BOARD, name, now_ms);
  if (s == GESSO_OK)
    s = run_number(be, GS_STMT_PURGE_ASIDE, num);
  if (s == GESSO_OK)
    s = run_number(be, GS_STMT_PURGE_HISTORY, num);
  return s;
}

gesso_status gs_backend_expired(gs_backend *be, int64_t before_ms, gesso_buffer *name_out)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_EXPIRED, &rc);
  if (st == NULL)
    return gs_sql_status(rc);
  (void)sqlite3_bind_int64(st, 1, before_ms);
  rc = sqlite3_step(st);
  gesso_status s = rc == SQLITE_DONE ? GESSO_E_NOTFOUND : rc == SQLITE_ROW ? GESSO_OK : gs_sql_status(rc);
  if (rc == SQLITE_ROW) {
    gesso_bytes name = gs_sql_column_bytes(st, 0);
    gs_buf b = { .b = *name_out };
    gs_buf_clear(&b);
    gs_buf_write(&b, name.data, name.len);
    *name_out = b.b;
    s = b.err;
  }
  (void)sqlite3_reset(st);
  return s;
}

gesso_status gs_backend_list(gs_backend *be, gesso_bytes after, size_t max, bool deleted_too, gs_list_row_fn fn,
                             void *ctx)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_LIST, &rc);
  if (st == NULL)
    return gs_sql_status(rc);
  gs_sql_bind_name(st, 1, after);
  (void)sqlite3_bind_int(st, 2, deleted_too);
  (void)sqlite3_bind_int64(st, 3, (sqlite3_int64)max);
  gesso_status s = GESSO_OK;
  while (s == GESSO_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
    gs_board_row row;
    board_row_of(st, &row);
    s = fn(ctx, gs_sql_column_bytes(st, 11), &row);
  }
  int end = sqlite3_reset(st);
  (void)sqlite3_clear_bindings(st);
  return s != GESSO_OK ? s : gs_sql_status(end);
}

/* --- rows --- */

gesso_status gs_backend_put_row(gs_backend *be, uint64_t num, const gs_stored_row *row)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_PUT_ROW, &rc);
  if (st != NULL) {
    (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)row->id);
    (void)sqlite3_bind_int64(st, 2, (sqlite3_int64)num);
    (void)sqlite3_bind_int(st, 3, row->enc);
    (void)sqlite3_bind_int64(st, 4, row->hash);
    gs_sql_bind_blob(st, 5, row->data);
  }
  return gs_sql_run(st, rc);
}

gesso_status gs_backend_put_state(gs_backend *be, gesso_bytes name, const gs_folded *state, uint64_t upto,
                                  uint64_t version, int64_t now_ms)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_PUT_STATE, &rc);
  if (st != NULL) {
    gs_sql_bind_name(st, 1, name);
    (void)sqlite3_bind_int64(st, 2, now_ms);
    (void)sqlite3_bind_int(st, 3, state->enc);
    (void)sqlite3_bind_int64(st, 4, (sqlite3_int64)state->len);
    (void)sqlite3_bind_int64(st, 5, (sqlite3_int64)upto);
    (void)sqlite3_bind_int64(st, 6, (sqlite3_int64)version);
    (void)sqlite3_bind_int64(st, 7, (sqlite3_int64)state->hash);
    gs_sql_bind_blob(st, 8, (gesso_bytes){ state->sv.data, state->sv.len });
    gs_sql_bind_blob(st, 9, (gesso_bytes){ state->stored.data, state->stored.len });
  }
  return gs_sql_run(st, rc);
}

gesso_status gs_backend_cut(gs_backend *be, uint64_t below)
{
  return run_number(be, GS_STMT_CUT, below);
}

gesso_status gs_backend_set_aside(gs_backend *be, uint64_t id)
{
  gesso_status s = run_number(be, GS_STMT_ASIDE_COPY, id);
  return s == GESSO_OK ? run_number(be, GS_STMT_ASIDE_DROP, id) : s;
}

gesso_status gs_backend_get_room(gs_backend *be, gs_backend_room *out)
{
  int64_t pages = 0, gone = 0;
  *out = (gs_backend_room){ 0 };
  int rc = gs_sql_int(be->writer, "PRAGMA page_count", &pages);
  if (rc == SQLITE_OK)
    rc = gs_sql_int(be->writer, "PRAGMA freelist_count", &gone);
  out->used_bytes = (uint64_t)(pages - gone) * 4096;
  out->disk_known = gs_vfs_room(be->vfs, be->folder, &out->disk_left, &out->disk_size);
  return gs_sql_status(rc);
}

gesso_status gs_backend_vacuum(gs_backend *be, int pages, int64_t *left)
{
  char text[64];
  *left = 0;
  if (be->writer == NULL)
    return GESSO_E_IO;
  int rc = SQLITE_OK;
  (void)snprintf(text, sizeof text, "PRAGMA incremental_vacuum(%d)", pages);
  if (pages > 0) { /* to SQLite 0 means all of them */
    begin_writing(be);
    rc = gs_sql_exec(be->writer, text);
    end_writing(be);
  }
  if (rc == SQLITE_OK)
    rc = gs_sql_int(be->writer, "PRAGMA freelist_count", left);
  int64_t total = 0;
  if (rc == SQLITE_OK)
    rc = gs_sql_int(be->writer, "PRAGMA page_count", &total);
  if (rc == SQLITE_OK)
    atomic_store_explicit(&be->database_pages, (uint64_t)total, memory_order_relaxed);
  return gs_sql_status(rc);
}
