/* Reading one board's rows on a connection of its own, beside the writer. */
#include "store/sqlite_backend.h"

#include <stdlib.h>

gs_board_reader *gs_board_reader_create(gs_backend *be)
{
  gs_board_reader *rd = GS_NEW(be->alloc, gs_board_reader);
  if (rd == NULL)
    return NULL;
  rd->be = be;
  (void)pthread_mutex_init(&rd->lock, NULL);
  (void)pthread_mutex_lock(&be->readers_lock);
  rd->next = be->readers;
  be->readers = rd;
  (void)pthread_mutex_unlock(&be->readers_lock);
  return rd;
}

void gs_board_reader_close(gs_board_reader *rd)
{
  sqlite3_stmt **all[] = { &rd->find, &rd->state, &rd->row, &rd->scan, &rd->aside, &rd->version, &rd->base };
  for (size_t i = 0; i < GS_COUNT(all); i++) {
    (void)sqlite3_finalize(*all[i]);
    *all[i] = NULL;
  }
  (void)sqlite3_close(rd->db);
  rd->db = NULL;
}

void gs_board_reader_destroy(gs_board_reader *rd)
{
  if (rd == NULL)
    return;
  gs_backend *be = rd->be;
  (void)pthread_mutex_lock(&be->readers_lock);
  for (gs_board_reader **at = &be->readers; *at != NULL; at = &(*at)->next) {
    if (*at == rd) {
      *at = rd->next;
      break;
    }
  }
  (void)pthread_mutex_unlock(&be->readers_lock);
  gs_board_reader_close(rd);
  (void)pthread_mutex_destroy(&rd->lock);
  gs_free(be->alloc, rd, sizeof *rd);
}

static int prepare(sqlite3 *db, sqlite3_stmt **st, const char *sql)
{
  return *st != NULL ? SQLITE_OK : sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
}

int gs_board_reader_open(gs_board_reader *rd)
{
  int rc = SQLITE_OK;
  if (rd->db == NULL)
    rc = gs_sql_open(rd->be->folder, gs_vfs_name(rd->be->vfs), GS_SQL_READER, &rd->db);
  if (rc == SQLITE_OK)
    rc = prepare(rd->db, &rd->find, "SELECT num, generation, deleted_at, purged_at FROM boards WHERE board_id = ?1");
  if (rc == SQLITE_OK)
    rc = prepare(rd->db, &rd->state,
                 "SELECT enc, len, upto, version, hash, sv, state FROM board_states WHERE board_id = ?1");
  if (rc == SQLITE_OK)
    rc = prepare(rd->db, &rd->row, "SELECT id, enc, hash, data FROM journal WHERE id = ?1 AND board = ?2");
  if (rc == SQLITE_OK)
    rc = prepare(rd->db, &rd->scan, "SELECT id, enc, hash, data FROM journal WHERE board = ?1 AND id > ?2 ORDER BY id");
  if (rc == SQLITE_OK)
    rc = prepare(rd->db, &rd->aside,
                 "SELECT id, enc, hash, data FROM journal_aside WHERE board = ?1 AND id > ?2 ORDER BY id");
  if (rc == SQLITE_OK)
    rc = prepare(rd->db, &rd->version,
                 "SELECT id, base, enc, len, hash, sv, data, kind FROM history WHERE board = ?1 AND id = ?2");
  if (rc == SQLITE_OK)
    rc = prepare(rd->db, &rd->base,
                 "SELECT id, base, enc, len, hash, sv, data, kind FROM history WHERE id = "
                 "(SELECT max(id) FROM history WHERE board = ?1 AND base IS NULL)");
  return rc;
}

/* While rows are gathered their bytes may still move: `data.data` holds an offset until the end. */
static gesso_bytes keep(gs_board_rows *out, sqlite3_stmt *st, int column)
{
  const void *p = sqlite3_column_blob(st, column);
  size_t n = (size_t)sqlite3_column_bytes(st, column);
  size_t at = out->bytes.b.len;
  gs_buf_write(&out->bytes, p, n);
  return (gesso_bytes){ (const uint8_t *)at, n }; /* NOLINT */
}

static int add_row(gs_board_rows *out, sqlite3_stmt *st)
{
  if (!gs_grow(out->alloc, &out->rows, &out->row_cap, (size_t)out->row_count + 1, sizeof *out->rows))
    return SQLITE_NOMEM;
  gs_stored_row *row = &out->rows[out->row_count++];
  row->id = (uint64_t)sqlite3_column_int64(st, 0);
  row->enc = sqlite3_column_int(st, 1);
  row->hash = (uint32_t)sqlite3_column_int64(st, 2);
  row->data = keep(out, st, 3);
  return out->bytes.err == GESSO_OK ? SQLITE_OK : SQLITE_NOMEM;
}

static int scan(gs_board_rows *out, sqlite3_stmt *st)
{
  (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)out->board.num);
  (void)sqlite3_bind_int64(st, 2, (sqlite3_int64)out->board.upto);
  int rc;
  while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
    rc = add_row(out, st);
    if (rc != SQLITE_OK)
      break;
  }
  (void)sqlite3_reset(st);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int fetch(gs_board_reader *rd, gs_board_rows *out, const uint64_t *ids, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (ids[i] <= out->board.upto)
      continue; /* folded since the caller looked */
    (void)sqlite3_bind_int64(rd->row, 1, (sqlite3_int64)ids[i]);
    (void)sqlite3_bind_int64(rd->row, 2, (sqlite3_int64)out->board.num);
    int rc = sqlite3_step(rd->row);
    if (rc == SQLITE_ROW)
      rc = add_row(out, rd->row);
    else if (rc == SQLITE_DONE)
      rc = SQLITE_NOTFOUND; /* set aside since */
    (void)sqlite3_reset(rd->row);
    if (rc != SQLITE_OK)
      return rc;
  }
  return SQLITE_OK;
}

static int read_board(gs_board_reader *rd, gesso_bytes name, uint64_t num, const uint64_t *ids, size_t id_count,
                      gs_board_rows *out)
{
  (void)sqlite3_bind_text(rd->find, 1, (const char *)name.data, (int)name.len, SQLITE_STATIC);
  int rc = sqlite3_step(rd->find);
  if (rc == SQLITE_ROW) {
    out->board.exists = true;
    out->board.num = (uint64_t)sqlite3_column_int64(rd->find, 0);
    out->board.generation = (uint64_t)sqlite3_column_int64(rd->find, 1);
    out->board.deleted_ms = sqlite3_column_int64(rd->find, 2);
    out->board.purged_ms = sqlite3_column_int64(rd->find, 3);
  }
  (void)sqlite3_reset(rd->find);
  (void)sqlite3_clear_bindings(rd->find);
  if (rc != SQLITE_ROW || out->board.purged_ms != 0)
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;

  (void)sqlite3_bind_text(rd->state, 1, (const char *)name.data, (int)name.len, SQLITE_STATIC);
  rc = sqlite3_step(rd->state);
  if (rc == SQLITE_ROW) {
    gs_stored_state *s = &out->state;
    out->board.has_state = true;
    s->enc = sqlite3_column_int(rd->state, 0);
    s->len = sqlite3_column_type(rd->state, 1) == SQLITE_NULL ? -1 : sqlite3_column_int64(rd->state, 1);
    s->upto = out->board.upto = (uint64_t)sqlite3_column_int64(rd->state, 2);
    s->version = out->board.version = (uint64_t)sqlite3_column_int64(rd->state, 3);
    s->has_hash = sqlite3_column_type(rd->state, 4) != SQLITE_NULL;
    s->hash = (uint64_t)sqlite3_column_int64(rd->state, 4);
    s->sv = keep(out, rd->state, 5);
    s->stored = keep(out, rd->state, 6);
  }
  (void)sqlite3_reset(rd->state);
  (void)sqlite3_clear_bindings(rd->state);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE)
    return rc;
  if (out->bytes.err != GESSO_OK)
    return SQLITE_NOMEM;

  rc = scan(out, rd->aside);
  uint32_t aside = out->row_count;
  if (rc == SQLITE_OK && ids != NULL && num == out->board.num) {
    rc = fetch(rd, out, ids, id_count);
    if (rc != SQLITE_NOTFOUND)
      return rc;
    out->row_count = aside;
    rc = SQLITE_OK;
  }
  return rc == SQLITE_OK ? scan(out, rd->scan) : rc;
}

static void settle(gesso_bytes *b, const uint8_t *base)
{
  b->data = base == NULL ? NULL : base + (size_t)b->data; /* NOLINT */
}

static int by_id(const void *a, const void *b)
{
  uint64_t x = ((const gs_stored_row *)a)->id, y = ((const gs_stored_row *)b)->id;
  return x < y ? -1 : x > y;
}

gesso_status gs_board_reader_read(gs_board_reader *rd, gesso_bytes name, uint64_t num, const uint64_t *ids,
                                  size_t id_count, gs_board_rows *out)
{
  *out = (gs_board_rows){ .alloc = rd->be->alloc, .bytes = gs_buf_make(rd->be->alloc) };
  (void)pthread_mutex_lock(&rd->lock);
  if (!atomic_load(&rd->be->open)) {
    (void)pthread_mutex_unlock(&rd->lock);
    return GESSO_E_CLOSED;
  }
  int rc = gs_board_reader_open(rd);
  if (rc == SQLITE_OK)
    rc = gs_sql_exec(rd->db, "BEGIN");
  if (rc == SQLITE_OK) {
    rc = read_board(rd, name, num, ids, id_count, out);
    int end = gs_sql_exec(rd->db, "COMMIT");
    if (rc == SQLITE_OK)
      rc = end;
    if (!sqlite3_get_autocommit(rd->db))
      (void)gs_sql_exec(rd->db, "ROLLBACK");
  }
  if (rc != SQLITE_OK)
    gs_board_reader_close(rd); /* opened afresh the next time */
  (void)pthread_mutex_unlock(&rd->lock);
  if (rc == SQLITE_OK) {
    settle(&out->state.sv, out->bytes.b.data);
    settle(&out->state.stored, out->bytes.b.data);
    for (uint32_t i = 0; i < out->row_count; i++)
      settle(&out->rows[i].data, out->bytes.b.data);
    if (out->row_count > 1)
      qsort(out->rows, out->row_count, sizeof *out->rows, by_id);
  }
  return gs_sql_status(rc);
}

void gs_board_rows_finish(gs_board_rows *rows)
{
  gs_free(rows->alloc, rows->rows, (size_t)rows->row_cap * sizeof *rows->rows);
  gs_buf_finish(&rows->bytes);
  *rows = (gs_board_rows){ .alloc = rows->alloc };
}
