/* The versions of boards in SQLite. */
#include "store/sqlite_backend.h"

gesso_status gs_backend_put_version(gs_backend *be, uint64_t num, const gs_new_version *v, uint64_t *id_out)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_PUT_VERSION, &rc);
  if (st != NULL) {
    (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)num);
    (void)sqlite3_bind_int64(st, 2, v->created_ms);
    (void)sqlite3_bind_int(st, 3, v->kind);
    if (v->name.len != 0) /* unbound is NULL */
      gs_sql_bind_name(st, 4, v->name);
    if (v->base != 0)
      (void)sqlite3_bind_int64(st, 5, (sqlite3_int64)v->base);
    (void)sqlite3_bind_int(st, 6, v->enc);
    (void)sqlite3_bind_int64(st, 7, (sqlite3_int64)v->len);
    (void)sqlite3_bind_int64(st, 8, (sqlite3_int64)v->hash);
    (void)sqlite3_bind_int64(st, 9, (sqlite3_int64)v->data.len);
    gs_sql_bind_blob(st, 10, (gesso_bytes){ v->sv.data, v->sv.len });
    gs_sql_bind_blob(st, 11, (gesso_bytes){ v->data.data, v->data.len });
  }
  gesso_status s = gs_sql_run(st, rc);
  if (s == GESSO_OK && sqlite3_changes(be->writer) == 0)
    return GESSO_E_NOTFOUND;
  if (s == GESSO_OK)
    *id_out = (uint64_t)sqlite3_last_insert_rowid(be->writer);
  return s;
}

gesso_status gs_backend_set_version(gs_backend *be, uint64_t num, uint64_t id, gs_version_kind kind, gesso_bytes name)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_SET_VERSION, &rc);
  if (st != NULL) {
    (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)num);
    (void)sqlite3_bind_int64(st, 2, (sqlite3_int64)id);
    (void)sqlite3_bind_int(st, 3, kind);
    if (name.len != 0)
      gs_sql_bind_name(st, 4, name);
  }
  gesso_status s = gs_sql_run(st, rc);
  return s == GESSO_OK && sqlite3_changes(be->writer) == 0 ? GESSO_E_NOTFOUND : s;
}

gesso_status gs_backend_drop_version(gs_backend *be, uint64_t id)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_DROP_VERSION, &rc);
  if (st != NULL)
    (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)id);
  return gs_sql_run(st, rc);
}

gesso_status gs_backend_old_version(gs_backend *be, int64_t before_ms, uint64_t *num_out)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_OLD_VERSION, &rc);
  if (st == NULL)
    return gs_sql_status(rc);
  (void)sqlite3_bind_int64(st, 1, before_ms);
  rc = sqlite3_step(st);
  if (rc == SQLITE_ROW)
    *num_out = (uint64_t)sqlite3_column_int64(st, 0);
  (void)sqlite3_reset(st);
  return rc == SQLITE_DONE ? GESSO_E_NOTFOUND : gs_sql_status(rc);
}

gesso_status gs_backend_versions(gs_backend *be, uint64_t num, gs_version_row_fn fn, void *ctx)
{
  int rc;
  sqlite3_stmt *st = gs_sql_stmt(be, GS_STMT_VERSIONS, &rc);
  if (st == NULL)
    return gs_sql_status(rc);
  (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)num);
  gesso_status s = GESSO_OK;
  while (s == GESSO_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
    gs_version_row row = {
      .id = (uint64_t)sqlite3_column_int64(st, 0),
      .created_ms = sqlite3_column_int64(st, 1),
      .kind = (gs_version_kind)sqlite3_column_int(st, 2),
      .base = (uint64_t)sqlite3_column_int64(st, 3),
      .bytes = (uint64_t)sqlite3_column_int64(st, 4),
      .len = (uint64_t)sqlite3_column_int64(st, 5),
    };
    s = fn(ctx, &row, gs_sql_column_bytes(st, 6));
  }
  int end = sqlite3_reset(st);
  return s != GESSO_OK ? s : gs_sql_status(end);
}

/* --- reading the content of one --- */

/* While rows are gathered their bytes may still move: `data` holds an offset until the end. */
static gesso_bytes keep(gs_buf *bytes, sqlite3_stmt *st, int column)
{
  const void *p = sqlite3_column_blob(st, column);
  size_t n = (size_t)sqlite3_column_bytes(st, column), at = bytes->b.len;
  gs_buf_write(bytes, p, n);
  return (gesso_bytes){ (const uint8_t *)at, n }; /* NOLINT */
}

static int take(sqlite3_stmt *st, gs_buf *bytes, gs_stored_version *out)
{
  int rc = sqlite3_step(st);
  if (rc == SQLITE_ROW) {
    *out = (gs_stored_version){
      .id = (uint64_t)sqlite3_column_int64(st, 0),
      .base = (uint64_t)sqlite3_column_int64(st, 1),
      .enc = sqlite3_column_int(st, 2),
      .len = (uint64_t)sqlite3_column_int64(st, 3),
      .hash = (uint64_t)sqlite3_column_int64(st, 4),
      .sv = keep(bytes, st, 5),
      .data = keep(bytes, st, 6),
      .kind = (gs_version_kind)sqlite3_column_int(st, 7),
    };
    rc = bytes->err == GESSO_OK ? SQLITE_ROW : SQLITE_NOMEM;
  }
  (void)sqlite3_reset(st);
  return rc;
}

static int read_version(gs_board_reader *rd, uint64_t num, uint64_t id, gs_version_rows *out)
{
  sqlite3_stmt *st = id == 0 ? rd->base : rd->version;
  (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)num);
  if (id != 0)
    (void)sqlite3_bind_int64(st, 2, (sqlite3_int64)id);
  int rc = take(st, &out->bytes, &out->version);
  if (rc == SQLITE_ROW && id != 0 && out->version.kind == GS_VERSION_BASE)
    rc = SQLITE_DONE; /* gone, but for others */
  if (rc == SQLITE_ROW && out->version.base != 0) {
    (void)sqlite3_bind_int64(rd->version, 1, (sqlite3_int64)num);
    (void)sqlite3_bind_int64(rd->version, 2, (sqlite3_int64)out->version.base);
    rc = take(rd->version, &out->bytes, &out->base);
    if (rc == SQLITE_DONE)
      rc = SQLITE_ROW; /* the caller finds out that it is missing */
  }
  return rc;
}

static void settle(gesso_bytes *b, const uint8_t *base)
{
  b->data = base == NULL ? NULL : base + (size_t)b->data; /* NOLINT */
}

static int number_of(gs_board_reader *rd, gesso_bytes name, uint64_t *out)
{
  gs_sql_bind_name(rd->find, 1, name);
  int rc = sqlite3_step(rd->find);
  if (rc == SQLITE_ROW)
    *out = (uint64_t)sqlite3_column_int64(rd->find, 0);
  (void)sqlite3_reset(rd->find);
  return rc;
}

gesso_status gs_board_reader_version(gs_board_reader *rd, gesso_bytes name, uint64_t num, uint64_t id,
                                     gs_version_rows *out)
{
  *out = (gs_version_rows){ .bytes = gs_buf_make(rd->be->alloc) };
  (void)pthread_mutex_lock(&rd->lock);
  if (!atomic_load(&rd->be->open)) {
    (void)pthread_mutex_unlock(&rd->lock);
    return GESSO_E_CLOSED;
  }
  int rc = gs_board_reader_open(rd);
  if (rc == SQLITE_OK)
    rc = gs_sql_exec(rd->db, "BEGIN");
  if (rc == SQLITE_OK) {
    rc = name.len != 0 ? number_of(rd, name, &num) : SQLITE_ROW;
    if (rc == SQLITE_ROW)
      rc = read_version(rd, num, id, out);
    if (!sqlite3_get_autocommit(rd->db))
      (void)gs_sql_exec(rd->db, "COMMIT");
  }
  if (rc != SQLITE_ROW && rc != SQLITE_DONE)
    gs_board_reader_close(rd);
  (void)pthread_mutex_unlock(&rd->lock);
  if (rc == SQLITE_DONE)
    return GESSO_E_NOTFOUND;
  gesso_bytes *all[] = { &out->version.sv, &out->version.data, &out->base.sv, &out->base.data };
  for (size_t i = 0; i < GS_COUNT(all); i++)
    settle(all[i], out->bytes.b.data);
  return gs_sql_status(rc);
}
