/* One board after the other, as many as fit into a fifth of a second in one view of the database: a reader that stays
 * longer would keep the writer's log from being emptied. */
#include "store/check.h"

#include "base/clock.h"
#include "store/explain.h"
#include "store/lockfile.h"
#include "store/migrate.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "store/version.h"

#include <stdlib.h>
#include <string.h>

#define VIEW_MS 200u

const char *gs_table_name(gs_table table)
{
  static const char *const names[GS_TABLES] = { "database", "board_states", "journal", "journal_aside", "history" };
  return names[table];
}

typedef struct row_of {
  uint64_t board, id;
} row_of;

typedef struct check {
  sqlite3 *db;
  uint64_t doc_memory_max;
  const gs_check_watch *watch;
  gs_check_counts *counts;
  row_of *rows; /* the journal as of this view, by board and id */
  uint32_t row_count, row_cap;
  sqlite3_stmt *next, *state, *row, *aside, *version, *versions;
  gs_buf name;
} check;

static void found(check *c, gs_table table, uint64_t key, gesso_status status, const char *why)
{
  gs_finding f = { table, key, gs_buf_bytes(&c->name), status, why };
  c->counts->findings++;
  if (c->watch->found != NULL)
    c->watch->found(c->watch->ctx, &f);
}

/* --- the database as a whole --- */

static int check_file(check *c)
{
  sqlite3_stmt *st = NULL;
  gs_buf_clear(&c->name);
  int rc = sqlite3_prepare_v2(c->db, "PRAGMA integrity_check(20)", -1, &st, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(st, 0);
    if (text != NULL && strcmp(text, "ok") != 0)
      found(c, GS_TABLE_DATABASE, 0, GESSO_E_CORRUPT, text);
    rc = SQLITE_OK;
  }
  (void)sqlite3_finalize(st);
  if ((rc & 0xff) == SQLITE_CORRUPT) {
    found(c, GS_TABLE_DATABASE, 0, GESSO_E_CORRUPT, sqlite3_errmsg(c->db));
    return SQLITE_OK; /* said; the rest may be readable all the same */
  }
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Rows for which a query has an answer are not as they must be. */
static int find_by(check *c, gs_table table, const char *sql, const char *why)
{
  sqlite3_stmt *st = NULL;
  gs_buf_clear(&c->name);
  int rc = sqlite3_prepare_v2(c->db, sql, -1, &st, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
    found(c, table, (uint64_t)sqlite3_column_int64(st, 0), GESSO_E_CORRUPT, why);
    rc = SQLITE_OK;
  }
  (void)sqlite3_finalize(st);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int check_orphans(check *c)
{
  static const struct {
    gs_table table;
    const char *sql, *why;
  } queries[] = {
    { GS_TABLE_STATES, "SELECT -rowid FROM board_states WHERE board_id NOT IN (SELECT board_id FROM boards)",
      "a state whose board there is not" },
    { GS_TABLE_ASIDE, "SELECT id FROM journal_aside WHERE board NOT IN (SELECT num FROM boards)",
      "a row set aside whose board there is not" },
    { GS_TABLE_ASIDE, "SELECT id FROM journal_aside WHERE id IN (SELECT id FROM journal)",
      "a row set aside that has the id of one in the journal" },
    { GS_TABLE_HISTORY, "SELECT id FROM history WHERE board NOT IN (SELECT num FROM boards)",
      "a version whose board there is not" },
  };
  int rc = SQLITE_OK;
  for (size_t i = 0; i < GS_COUNT(queries) && rc == SQLITE_OK; i++)
    rc = find_by(c, queries[i].table, queries[i].sql, queries[i].why);
  return rc;
}

/* --- one board --- */

/* Bytes may move while more are gathered: offsets until the end. */
static gesso_bytes keep(gs_buf *bytes, sqlite3_stmt *st, int column)
{
  const void *p = sqlite3_column_blob(st, column);
  size_t n = (size_t)sqlite3_column_bytes(st, column), at = bytes->b.len;
  gs_buf_write(bytes, p, n);
  return (gesso_bytes){ (const uint8_t *)at, n }; /* NOLINT */
}

static void settle(gesso_bytes *b, const gs_buf *bytes)
{
  b->data = bytes->b.data == NULL ? NULL : bytes->b.data + (size_t)b->data; /* NOLINT */
}

typedef struct board {
  uint64_t num, upto;
  bool purged, has_state;
  gs_stored_state state;
  gs_stored_row *rows;
  gs_table *tables;
  uint32_t n, cap, tables_cap;
  gs_buf bytes;
} board;

static int add_rows(check *c, board *b, sqlite3_stmt *st, gs_table table)
{
  int rc;
  while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
    if (!gs_grow(NULL, &b->rows, &b->cap, (size_t)b->n + 1, sizeof *b->rows) ||
        !gs_grow(NULL, &b->tables, &b->tables_cap, (size_t)b->n + 1, sizeof *b->tables))
      rc = SQLITE_NOMEM;
    if (rc == SQLITE_NOMEM)
      break;
    b->tables[b->n] = table;
    b->rows[b->n++] = (gs_stored_row){ .id = (uint64_t)sqlite3_column_int64(st, 0),
                                       .enc = sqlite3_column_int(st, 1),
                                       .hash = (uint32_t)sqlite3_column_int64(st, 2),
                                       .data = keep(&b->bytes, st, 3) };
    c->counts->bytes += b->rows[b->n - 1].data.len;
    if (b->bytes.err != GESSO_OK) {
      rc = SQLITE_NOMEM;
      break;
    }
  }
  (void)sqlite3_reset(st);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int read_rows(check *c, board *b)
{
  (void)sqlite3_bind_int64(c->aside, 1, (sqlite3_int64)b->num);
  (void)sqlite3_bind_int64(c->aside, 2, (sqlite3_int64)b->upto);
  int rc = add_rows(c, b, c->aside, GS_TABLE_ASIDE);
  c->counts->aside_rows += b->n;
  uint32_t lo = 0, hi = c->row_count;
  while (lo < hi) {
    uint32_t mid = (lo + hi) / 2;
    if (c->rows[mid].board < b->num)
      lo = mid + 1;
    else
      hi = mid;
  }
  for (; rc == SQLITE_OK && lo < c->row_count && c->rows[lo].board == b->num; lo++) {
    if (c->rows[lo].id <= b->upto || b->purged) {
      c->counts->dead_rows++;
      continue;
    }
    (void)sqlite3_bind_int64(c->row, 1, (sqlite3_int64)c->rows[lo].id);
    rc = add_rows(c, b, c->row, GS_TABLE_JOURNAL);
    c->counts->rows++;
  }
  return rc;
}

static int read_state(check *c, board *b)
{
  gesso_bytes name = gs_buf_bytes(&c->name);
  (void)sqlite3_bind_text(c->state, 1, (const char *)name.data, (int)name.len, SQLITE_STATIC);
  int rc = sqlite3_step(c->state);
  if (rc == SQLITE_ROW) {
    b->has_state = true;
    b->state = (gs_stored_state){
      .enc = sqlite3_column_int(c->state, 0),
      .len = sqlite3_column_type(c->state, 1) == SQLITE_NULL ? -1 : sqlite3_column_int64(c->state, 1),
      .upto = (uint64_t)sqlite3_column_int64(c->state, 2),
      .has_hash = sqlite3_column_type(c->state, 3) != SQLITE_NULL,
      .hash = (uint64_t)sqlite3_column_int64(c->state, 3),
      .sv = keep(&b->bytes, c->state, 4),
      .stored = keep(&b->bytes, c->state, 5),
    };
    b->upto = b->state.upto;
    c->counts->states++;
    c->counts->bytes += b->state.stored.len;
  }
  (void)sqlite3_reset(c->state);
  return rc == SQLITE_ROW || rc == SQLITE_DONE ? (b->bytes.err == GESSO_OK ? SQLITE_OK : SQLITE_NOMEM) : rc;
}

/* OK, or what is wrong with those rows together. */
static gesso_status build(const check *c, const gs_stored_state *state, const gs_stored_row *rows, size_t n,
                          const char **why)
{
  gs_built built;
  gesso_status s = gs_build(NULL, c->doc_memory_max, state, rows, n, &built);
  *why = built.why;
  gs_built_finish(&built);
  return s;
}

/* Which of a board's rows is it? */
static gesso_status blame(check *c, board *b)
{
  const char *why, *all;
  uint64_t before = c->counts->findings;
  gesso_status s = GESSO_OK, together = build(c, b->has_state ? &b->state : NULL, b->rows, b->n, &all);
  if (together == GESSO_OK || together == GESSO_E_NOMEM)
    return together;
  if (b->has_state && (s = build(c, &b->state, NULL, 0, &why)) != GESSO_OK && s != GESSO_E_NOMEM)
    found(c, GS_TABLE_STATES, b->num, s, why);
  for (uint32_t i = 0; i < b->n && s != GESSO_E_NOMEM; i++)
    if ((s = build(c, NULL, &b->rows[i], 1, &why)) != GESSO_OK && s != GESSO_E_NOMEM)
      found(c, b->tables[i], b->rows[i].id, s, why);
  if (s != GESSO_E_NOMEM && c->counts->findings == before)
    found(c, GS_TABLE_DATABASE, 0, together, all); /* each by itself is well */
  return s == GESSO_E_NOMEM ? s : GESSO_OK;
}

static int take_version(check *c, uint64_t num, uint64_t id, gs_buf *bytes, gs_stored_version *out)
{
  (void)sqlite3_bind_int64(c->version, 1, (sqlite3_int64)num);
  (void)sqlite3_bind_int64(c->version, 2, (sqlite3_int64)id);
  int rc = sqlite3_step(c->version);
  if (rc == SQLITE_ROW)
    *out = (gs_stored_version){
      .id = id,
      .base = (uint64_t)sqlite3_column_int64(c->version, 0),
      .enc = sqlite3_column_int(c->version, 1),
      .len = (uint64_t)sqlite3_column_int64(c->version, 2),
      .hash = (uint64_t)sqlite3_column_int64(c->version, 3),
      .sv = keep(bytes, c->version, 4),
      .data = keep(bytes, c->version, 5),
    };
  (void)sqlite3_reset(c->version);
  if (rc == SQLITE_ROW || rc == SQLITE_DONE)
    return bytes->err == GESSO_OK ? SQLITE_OK : SQLITE_NOMEM;
  return rc;
}

static int check_version(check *c, uint64_t num, uint64_t id)
{
  gs_version_rows rows = { .bytes = gs_buf_make(NULL) };
  gesso_doc *doc = NULL;
  const char *why = "";
  int rc = take_version(c, num, id, &rows.bytes, &rows.version);
  if (rc == SQLITE_OK && rows.version.base != 0)
    rc = take_version(c, num, rows.version.base, &rows.bytes, &rows.base);
  gesso_bytes *all[] = { &rows.version.sv, &rows.version.data, &rows.base.sv, &rows.base.data };
  for (size_t i = 0; i < GS_COUNT(all); i++)
    settle(all[i], &rows.bytes);
  if (rc == SQLITE_OK) {
    gesso_status s = gs_version_build(NULL, c->doc_memory_max, &rows, &doc, NULL, &why);
    if (s == GESSO_E_NOMEM)
      rc = SQLITE_NOMEM;
    else if (s != GESSO_OK)
      found(c, GS_TABLE_HISTORY, id, s, why);
  }
  c->counts->versions++;
  c->counts->bytes += rows.version.data.len;
  gesso_doc_destroy(doc);
  gs_version_rows_finish(&rows);
  return rc;
}

static int check_versions(check *c, uint64_t num)
{
  uint64_t *ids = NULL;
  uint32_t n = 0, cap = 0;
  (void)sqlite3_bind_int64(c->versions, 1, (sqlite3_int64)num);
  int rc;
  while ((rc = sqlite3_step(c->versions)) == SQLITE_ROW) {
    if (!gs_grow(NULL, &ids, &cap, (size_t)n + 1, sizeof *ids))
      break;
    ids[n++] = (uint64_t)sqlite3_column_int64(c->versions, 0);
  }
  (void)sqlite3_reset(c->versions);
  rc = rc == SQLITE_ROW ? SQLITE_NOMEM : rc == SQLITE_DONE ? SQLITE_OK : rc;
  for (uint32_t i = 0; i < n && rc == SQLITE_OK; i++)
    rc = check_version(c, num, ids[i]);
  gs_free(NULL, ids, (size_t)cap * sizeof *ids);
  return rc;
}

static int check_board(check *c, board *b)
{
  int rc = read_state(c, b);
  if (rc == SQLITE_OK)
    rc = read_rows(c, b);
  settle(&b->state.sv, &b->bytes);
  settle(&b->state.stored, &b->bytes);
  for (uint32_t i = 0; i < b->n; i++)
    settle(&b->rows[i].data, &b->bytes);
  if (rc == SQLITE_OK && blame(c, b) != GESSO_OK)
    rc = SQLITE_NOMEM;
  if (rc == SQLITE_OK)
    rc = check_versions(c, b->num);
  gs_free(NULL, b->rows, (size_t)b->cap * sizeof *b->rows);
  gs_free(NULL, b->tables, (size_t)b->tables_cap * sizeof *b->tables);
  gs_buf_finish(&b->bytes);
  return rc;
}

/* --- all boards --- */

static int by_board(const void *x, const void *y)
{
  const row_of *a = x, *b = y;
  if (a->board != b->board)
    return a->board < b->board ? -1 : 1;
  return a->id < b->id ? -1 : a->id > b->id;
}

static int index_journal(check *c)
{
  sqlite3_stmt *st = NULL;
  c->row_count = 0;
  int rc = sqlite3_prepare_v2(c->db, "SELECT board, id FROM journal", -1, &st, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
    rc = gs_grow(NULL, &c->rows, &c->row_cap, (size_t)c->row_count + 1, sizeof *c->rows) ? SQLITE_OK : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
      c->rows[c->row_count++] = (row_of){ (uint64_t)sqlite3_column_int64(st, 0), (uint64_t)sqlite3_column_int64(st, 1) };
  }
  (void)sqlite3_finalize(st);
  if (c->row_count > 1)
    qsort(c->rows, c->row_count, sizeof *c->rows, by_board);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* As many boards after `*after` as one view is for. SQLITE_DONE: there are no more. */
static int check_some(check *c, uint64_t *after, uint64_t total)
{
  uint64_t end = gs_clock_mono_ms(NULL) + VIEW_MS;
  int rc = gs_sql_exec(c->db, "BEGIN");
  if (rc == SQLITE_OK)
    rc = index_journal(c);
  while (rc == SQLITE_OK && gs_clock_mono_ms(NULL) < end) {
    board b = { .bytes = gs_buf_make(NULL) };
    (void)sqlite3_bind_int64(c->next, 1, (sqlite3_int64)*after);
    rc = sqlite3_step(c->next);
    if (rc == SQLITE_ROW) {
      b.num = *after = (uint64_t)sqlite3_column_int64(c->next, 0);
      gs_buf_clear(&c->name);
      gs_buf_write(&c->name, sqlite3_column_blob(c->next, 1), (size_t)sqlite3_column_bytes(c->next, 1));
      if (!gs_board_name_ok(gs_buf_bytes(&c->name))) {
        gs_buf_clear(&c->name);
        found(c, GS_TABLE_DATABASE, 0, GESSO_E_CORRUPT, "the name of a board is none: nobody can open it");
      }
      c->counts->deleted += sqlite3_column_type(c->next, 2) != SQLITE_NULL;
      b.purged = sqlite3_column_type(c->next, 3) != SQLITE_NULL;
      c->counts->boards++;
    }
    (void)sqlite3_reset(c->next);
    if (rc == SQLITE_ROW)
      rc = check_board(c, &b);
    if (c->watch->progress != NULL)
      c->watch->progress(c->watch->ctx, c->counts->boards, total);
  }
  (void)gs_sql_exec(c->db, "COMMIT");
  return rc;
}

static int prepare(check *c)
{
  const struct {
    sqlite3_stmt **st;
    const char *sql;
  } all[] = {
    { &c->next, "SELECT num, board_id, deleted_at, purged_at FROM boards WHERE num > ?1 ORDER BY num LIMIT 1" },
    { &c->state, "SELECT enc, len, upto, hash, sv, state FROM board_states WHERE board_id = ?1" },
    { &c->row, "SELECT id, enc, hash, data FROM journal WHERE id = ?1" },
    { &c->aside, "SELECT id, enc, hash, data FROM journal_aside WHERE board = ?1 AND id > ?2 ORDER BY id" },
    { &c->version, "SELECT base, enc, len, hash, sv, data FROM history WHERE board = ?1 AND id = ?2" },
    { &c->versions, "SELECT id FROM history WHERE board = ?1 ORDER BY id" },
  };
  int rc = SQLITE_OK;
  for (size_t i = 0; i < GS_COUNT(all) && rc == SQLITE_OK; i++)
    rc = sqlite3_prepare_v2(c->db, all[i].sql, -1, all[i].st, NULL);
  return rc;
}

static void finish(check *c)
{
  sqlite3_stmt *all[] = { c->next, c->state, c->row, c->aside, c->version, c->versions };
  for (size_t i = 0; i < GS_COUNT(all); i++)
    (void)sqlite3_finalize(all[i]);
  gs_free(NULL, c->rows, (size_t)c->row_cap * sizeof *c->rows);
  gs_buf_finish(&c->name);
}

static gesso_status check_with(sqlite3 *db, uint64_t doc_memory_max, const gs_check_watch *watch, gs_check_counts *counts)
{
  check c = { .db = db, .doc_memory_max = doc_memory_max, .watch = watch, .counts = counts, .name = gs_buf_make(NULL) };
  int64_t total = 0, quarantined = 0;
  uint64_t after = 0;
  *counts = (gs_check_counts){ 0 };
  int rc = check_file(&c);
  if (rc == SQLITE_OK)
    rc = prepare(&c);
  if (rc == SQLITE_OK)
    rc = check_orphans(&c);
  if (rc == SQLITE_OK)
    rc = gs_sql_int(db, "SELECT count(*) FROM boards", &total);
  if (rc == SQLITE_OK)
    rc = gs_sql_int(db, "SELECT count(*) FROM quarantine", &quarantined);
  counts->quarantined = (uint64_t)quarantined;
  while (rc == SQLITE_OK)
    rc = check_some(&c, &after, (uint64_t)total);
  finish(&c);
  return gs_sql_status(rc);
}

/* Opens the database; the writer's lock is the caller's business. */
static gesso_status open_checked(const char *folder, gs_sql_mode mode, sqlite3 **db, gesso_buffer *why)
{
  *db = NULL;
  if (!gs_data_folder_exists(folder))
    return gs_explain(why, GESSO_E_NOTFOUND, "%s holds no boards: there is no gesso.db in it", folder);
  int version = 0, rc = gs_sql_open(folder, NULL, mode, db);
  if (rc != SQLITE_OK)
    return gs_explain(why, gs_sql_status(rc), gs_sql_why(rc), folder);
  gesso_status s = gs_schema_version(*db, &version);
  if (s == GESSO_E_VERSION)
    return gs_explain(why, s, "%s was written by a newer gesso; use that one", folder);
  if (s == GESSO_E_CORRUPT)
    return gs_explain(why, s, "%s/gesso.db is not a database of gesso, or it is damaged", folder);
  if (s == GESSO_OK && version < GS_MIGRATIONS)
    return gs_explain(why, GESSO_E_VERSION, "%s has an older schema; run `gesso migrate up` first", folder);
  if (s != GESSO_OK)
    return gs_explain(why, s, "cannot read %s/gesso.db; check the disk and the rights", folder);
  return s;
}

gesso_status gs_check(const char *folder, uint64_t doc_memory_max, const gs_check_watch *watch, gs_check_counts *counts,
                      gesso_buffer *why)
{
  static const gs_check_watch nobody = { NULL, NULL, NULL };
  sqlite3 *db;
  *counts = (gs_check_counts){ 0 };
  gesso_status s = open_checked(folder, GS_SQL_READER, &db, why);
  if (s == GESSO_OK) {
    s = check_with(db, doc_memory_max, watch != NULL ? watch : &nobody, counts);
    if (s != GESSO_OK)
      s = gs_explain(why, s, "the check came to no end: %s", sqlite3_errmsg(db));
  }
  (void)sqlite3_close(db);
  return s;
}

/* --- repair --- */

typedef struct repair {
  const gs_check_watch *watch;
  gs_finding *v; /* `why` and board are not kept */
  uint32_t n, cap;
  bool nomem;
} repair;

static void note(void *ctx, const gs_finding *finding)
{
  repair *r = ctx;
  if (r->watch->found != NULL)
    r->watch->found(r->watch->ctx, finding);
  for (uint32_t i = 0; i < r->n; i++) /* an orphan may be damaged as well */
    if (r->v[i].table == finding->table && r->v[i].key == finding->key)
      return;
  if (!gs_grow(NULL, &r->v, &r->cap, (size_t)r->n + 1, sizeof *r->v)) {
    r->nomem = true;
    return;
  }
  r->v[r->n++] = *finding;
}

static void pass_on(void *ctx, uint64_t done, uint64_t total)
{
  const repair *r = ctx;
  if (r->watch->progress != NULL)
    r->watch->progress(r->watch->ctx, done, total);
}

/* Moves one row. */
static int move(sqlite3 *db, const gs_finding *f)
{
  static const char *const copies[GS_TABLES] = {
    [GS_TABLE_STATES] = "INSERT INTO quarantine(taken_at, source, key, board, board_id, reason, enc, len, hash, sv, upto, data)"
                        " SELECT %lld, 'board_states', b.num, b.num, s.board_id, %d, s.enc, s.len, s.hash, s.sv, s.upto, s.state"
                        " FROM board_states s LEFT JOIN boards b USING(board_id)"
                        " WHERE b.num = %lld OR (b.num IS NULL AND -s.rowid = %lld)",
    [GS_TABLE_JOURNAL] = "INSERT INTO quarantine(taken_at, source, key, board, board_id, reason, enc, hash, data)"
                         " SELECT %lld, 'journal', j.id, j.board, b.board_id, %d, j.enc, j.hash, j.data"
                         " FROM journal j LEFT JOIN boards b ON b.num = j.board WHERE j.id = %lld OR j.id = %lld",
    [GS_TABLE_ASIDE] = "INSERT INTO quarantine(taken_at, source, key, board, board_id, reason, enc, hash, data)"
                       " SELECT %lld, 'journal_aside', j.id, j.board, b.board_id, %d, j.enc, j.hash, j.data"
                       " FROM journal_aside j LEFT JOIN boards b ON b.num = j.board WHERE j.id = %lld OR j.id = %lld",
    [GS_TABLE_HISTORY] = "INSERT INTO quarantine(taken_at, source, key, board, board_id, reason, enc, len, hash, sv, base,"
                         " name, data) SELECT %lld, 'history', h.id, h.board, b.board_id, %d, h.enc, h.len, h.hash, h.sv, h.base,"
                         " h.name, h.data"
                         " FROM history h LEFT JOIN boards b ON b.num = h.board WHERE h.id = %lld OR h.id = %lld",
  };
  static const char *const drops[GS_TABLES] = {
    [GS_TABLE_STATES] = "DELETE FROM board_states WHERE board_id = (SELECT board_id FROM boards WHERE num = %lld)"
                        " OR (-rowid = %lld AND board_id NOT IN (SELECT board_id FROM boards))",
    [GS_TABLE_JOURNAL] = "DELETE FROM journal WHERE id = %lld OR id = %lld",
    [GS_TABLE_ASIDE] = "DELETE FROM journal_aside WHERE id = %lld OR id = %lld",
    [GS_TABLE_HISTORY] = "DELETE FROM history WHERE id = %lld OR id = %lld",
  };
  long long key = (long long)f->key;
  char *copy = sqlite3_mprintf(copies[f->table], (long long)gs_clock_wall_ms(NULL), (int)f->status, key, key); /* NOLINT */
  char *drop = sqlite3_mprintf(drops[f->table], key, key);                                               /* NOLINT */
  int rc = copy == NULL || drop == NULL ? SQLITE_NOMEM : gs_sql_exec(db, copy);
  if (rc == SQLITE_OK)
    rc = gs_sql_exec(db, drop);
  sqlite3_free(copy);
  sqlite3_free(drop);
  return rc;
}

static bool is_bad(const repair *r, uint64_t version)
{
  for (uint32_t i = 0; i < r->n; i++)
    if (r->v[i].table == GS_TABLE_HISTORY && r->v[i].key == version)
      return true;
  return false;
}

/* The newest version of the board that is well, as a state. Nothing of the journal counts as contained in it: what is
 * still there is applied once more. SQLITE_DONE: there is none. */
static int put_version(sqlite3 *db, const repair *r, uint64_t num)
{
  check c = { .db = db, .name = gs_buf_make(NULL) };
  gs_version_rows rows = { .bytes = gs_buf_make(NULL) };
  gesso_doc *doc = NULL;
  gs_folded folded = { 0 };
  const char *why;
  uint64_t id = 0;
  int rc = prepare(&c);
  (void)sqlite3_bind_int64(c.versions, 1, (sqlite3_int64)num);
  while (rc == SQLITE_OK && (rc = sqlite3_step(c.versions)) == SQLITE_ROW) {
    uint64_t at = (uint64_t)sqlite3_column_int64(c.versions, 0);
    id = is_bad(r, at) ? id : at;
    rc = SQLITE_OK;
  }
  rc = rc != SQLITE_DONE ? rc : id == 0 ? SQLITE_DONE : SQLITE_OK;
  if (rc == SQLITE_OK)
    rc = take_version(&c, num, id, &rows.bytes, &rows.version);
  if (rc == SQLITE_OK && rows.version.base != 0)
    rc = take_version(&c, num, rows.version.base, &rows.bytes, &rows.base);
  gesso_bytes *all[] = { &rows.version.sv, &rows.version.data, &rows.base.sv, &rows.base.data };
  for (size_t i = 0; i < GS_COUNT(all); i++)
    settle(all[i], &rows.bytes);
  if (rc == SQLITE_OK && (gs_version_build(NULL, 0, &rows, &doc, NULL, &why) != GESSO_OK ||
                          gs_fold(NULL, 0, doc, &folded, &why) != GESSO_OK))
    rc = SQLITE_NOMEM;
  sqlite3_stmt *st = NULL;
  if (rc == SQLITE_OK)
    rc = sqlite3_prepare_v2(db, "INSERT INTO board_states(board_id, updated_at, enc, len, upto, version, hash, sv, state)"
                                " SELECT board_id, ?2, ?3, ?4, 0, 0, ?5, ?6, ?7 FROM boards WHERE num = ?1", -1, &st, NULL);
  if (rc == SQLITE_OK) {
    (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)num);
    (void)sqlite3_bind_int64(st, 2, gs_clock_wall_ms(NULL));
    (void)sqlite3_bind_int(st, 3, folded.enc);
    (void)sqlite3_bind_int64(st, 4, (sqlite3_int64)folded.len);
    (void)sqlite3_bind_int64(st, 5, (sqlite3_int64)folded.hash);
    (void)sqlite3_bind_blob64(st, 6, folded.sv.data, folded.sv.len, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(st, 7, folded.stored.data, folded.stored.len, SQLITE_STATIC);
    rc = sqlite3_step(st);
    rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
  }
  (void)sqlite3_finalize(st);
  gs_folded_finish(&folded);
  gesso_doc_destroy(doc);
  gs_version_rows_finish(&rows);
  finish(&c);
  return rc;
}

/* The next id of the journal must stay above every `upto` there ever was. */
static int keep_ids(sqlite3 *db)
{
  return gs_sql_exec(db, "INSERT OR REPLACE INTO meta(key, value) VALUES('journal_ids', max("
                         " coalesce((SELECT max(upto) FROM quarantine), 0),"
                         " coalesce((SELECT max(upto) FROM board_states), 0),"
                         " coalesce((SELECT value FROM meta WHERE key = 'journal_ids'), 0)))");
}

static int repair_all(sqlite3 *db, const repair *r, gs_repair_counts *counts)
{
  int rc = gs_sql_exec(db, "BEGIN IMMEDIATE");
  for (uint32_t i = 0; i < r->n && rc == SQLITE_OK; i++) {
    if (r->v[i].table == GS_TABLE_DATABASE)
      continue;
    rc = move(db, &r->v[i]);
    counts->moved++;
  }
  for (uint32_t i = 0; i < r->n && rc == SQLITE_OK; i++) {
    if (r->v[i].table != GS_TABLE_STATES)
      continue;
    rc = put_version(db, r, r->v[i].key);
    counts->replaced += rc == SQLITE_OK;
    counts->emptied += rc == SQLITE_DONE;
    rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
  }
  if (rc == SQLITE_OK)
    rc = keep_ids(db);
  if (rc == SQLITE_OK)
    rc = gs_sql_exec(db, "COMMIT");
  if (rc != SQLITE_OK && !sqlite3_get_autocommit(db))
    (void)gs_sql_exec(db, "ROLLBACK");
  return rc;
}

gesso_status gs_repair(const char *folder, uint64_t doc_memory_max, const gs_check_watch *watch, gs_repair_counts *counts,
                       gesso_buffer *why)
{
  static const gs_check_watch nobody = { NULL, NULL, NULL };
  gs_lockfile lock = GS_LOCKFILE_NONE;
  repair r = { .watch = watch != NULL ? watch : &nobody };
  gs_check_watch mine = { note, pass_on, &r };
  gs_check_counts checked;
  sqlite3 *db = NULL;
  *counts = (gs_repair_counts){ 0 };
  if (!gs_data_folder_exists(folder))
    return gs_explain(why, GESSO_E_NOTFOUND, "%s holds no boards: there is no gesso.db in it", folder);
  gesso_status s = gs_lockfile_take(&lock, folder, "gesso repair", NULL, why);
  if (s != GESSO_OK)
    return s;
  s = open_checked(folder, GS_SQL_WRITER, &db, why);
  if (s == GESSO_OK) {
    s = check_with(db, doc_memory_max, &mine, &checked);
    if (s == GESSO_OK && r.nomem)
      s = GESSO_E_NOMEM;
    if (s == GESSO_OK)
      s = gs_sql_status(repair_all(db, &r, counts));
    if (s != GESSO_OK)
      s = gs_explain(why, s, "nothing was changed: %s", sqlite3_errmsg(db));
  }
  (void)sqlite3_close(db);
  gs_free(NULL, r.v, (size_t)r.cap * sizeof *r.v);
  gs_lockfile_release(&lock);
  return s;
}
