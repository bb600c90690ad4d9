/* What runs beside the writer: syncing its log, and copying the log into the database. */
#include "store/sqlite_backend.h"

gesso_status gs_backend_sync(gs_backend *be)
{
  (void)pthread_mutex_lock(&be->sync_lock);
  gesso_status s = GESSO_E_CLOSED;
  if (be->wal != NULL)
    s = gs_sql_status(be->wal->pMethods->xSync(be->wal, SQLITE_SYNC_NORMAL));
  (void)pthread_mutex_unlock(&be->sync_lock);
  return s;
}

/* When everything in the log has been copied, the next commit starts the log over, and SQLite syncs
 * the new log's header before that commit's pages. This little transaction is there to be the
 * one that waits, so that nobody's stroke does. */
int gs_log_start_over(sqlite3 *db)
{
  return gs_sql_exec(db, "UPDATE meta SET value = value + 1 WHERE key = 'wal_epoch'");
}

gesso_status gs_backend_checkpoint(gs_backend *be, gs_checkpoint_mode mode)
{
  (void)pthread_mutex_lock(&be->checkpoint_lock);
  int rc = SQLITE_OK;
  if (!atomic_load(&be->open) || be->read_only) {
    (void)pthread_mutex_unlock(&be->checkpoint_lock);
    return GESSO_E_CLOSED;
  }
  if (be->checkpointer == NULL) {
    rc = gs_sql_open(be->folder, gs_vfs_name(be->vfs), GS_SQL_WRITER, &be->checkpointer);
    if (rc == SQLITE_OK)
      (void)sqlite3_db_config(be->checkpointer, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  }
  int in_log = 0, copied = 0;
  if (rc == SQLITE_OK)
    rc = sqlite3_wal_checkpoint_v2(be->checkpointer, "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
  bool whole = rc == SQLITE_OK && in_log == copied;
  (void)pthread_mutex_lock(&be->write_lock);
  if (rc == SQLITE_OK && mode == GS_CHECKPOINT_TRUNCATE) {
    /* What is left now keeps the writer out; so does waiting for readers: not for long. */
    (void)sqlite3_busy_timeout(be->checkpointer, 50);
    rc = sqlite3_wal_checkpoint_v2(be->checkpointer, "main", SQLITE_CHECKPOINT_TRUNCATE, &in_log, &copied);
    whole = rc == SQLITE_OK;
  }
  if (whole) {
    rc = gs_log_start_over(be->checkpointer);
    if (rc == SQLITE_OK) {
      atomic_store_explicit(&be->wal_frames, 1, memory_order_relaxed);
      if (mode == GS_CHECKPOINT_TRUNCATE)
        atomic_store_explicit(&be->wal_file_frames, 1, memory_order_relaxed);
    }
  }
  (void)pthread_mutex_unlock(&be->write_lock);
  (void)pthread_mutex_unlock(&be->checkpoint_lock);
  return gs_sql_status(rc);
}

int gs_backend_refusal(gs_backend *be)
{
  return gs_vfs_refusal(be->vfs);
}

void gs_backend_get_sizes(gs_backend *be, gs_backend_sizes *out)
{
  uint64_t file_frames = atomic_load_explicit(&be->wal_file_frames, memory_order_relaxed);
  *out = (gs_backend_sizes){
    .wal_frames = atomic_load_explicit(&be->wal_frames, memory_order_relaxed),
    .wal_file_frames = file_frames,
    .wal_bytes = file_frames == 0 ? 0 : 32 + file_frames * (4096 + 24),
    .database_bytes = atomic_load_explicit(&be->database_pages, memory_order_relaxed) * 4096,
    .sync_failures = atomic_load(&gs_vfs_counts_of(be->vfs)->sync_failures),
  };
}
