#include "port/hocuspocus.h"

#include "port/database.h"

#include <stdlib.h>

/* ---- reading ----------------------------------------------------------------------------------- */

typedef struct hocuspocus {
  gs_port_source s;
  sqlite3 *db;
  gs_buf tables; /* names, each ended by NUL: users give it other ones */
  size_t at;     /* of the table that comes next */
  const char *table;
  sqlite3_stmt *rows;
  uint64_t row;
} hocuspocus;

static gesso_status next(gs_port_source *s, gs_port_doc *d)
{
  hocuspocus *h = (hocuspocus *)s;
  for (;;) {
    if (h->rows == NULL) {
      if (h->at == h->tables.b.len)
        return GESSO_E_NOTFOUND;
      h->table = (const char *)h->tables.b.data + h->at;
      h->at += strlen(h->table) + 1;
      h->row = 0;
      h->rows = gs_database_prepare(h->db, &s->why, "SELECT name, data FROM main.\"%w\"", h->table);
      if (h->rows == NULL)
        return GESSO_E_CORRUPT;
    }
    int r = sqlite3_step(h->rows);
    if (r != SQLITE_ROW && r != SQLITE_DONE)
      return gs_database_failed(h->db, &s->why);
    if (r == SQLITE_DONE) {
      (void)sqlite3_finalize(h->rows);
      h->rows = NULL;
      continue;
    }
    h->row++;
    gesso_bytes name = gs_database_bytes(h->rows, 0);
    gs_buf_write(&d->name, name.data, name.len);
    return d->name.err;
  }
}

static void read_it(gs_port_source *s, gs_port_doc *d)
{
  hocuspocus *h = (hocuspocus *)s;
  if (sqlite3_column_type(h->rows, 1) == SQLITE_NULL) {
    gs_port_damage(d, "row %llu of '%s': there is no data", (unsigned long long)h->row, h->table);
    return;
  }
  gesso_bytes data = gs_database_bytes(h->rows, 1);
  if (data.data == NULL && sqlite3_errcode(h->db) == SQLITE_NOMEM)
    gs_port_damage(d, "row %llu of '%s': out of memory", (unsigned long long)h->row, h->table);
  else
    (void)gs_port_apply(d, data, GS_PORT_ANY, "row %llu of '%s'", (unsigned long long)h->row, h->table);
}

static void close_it(gs_port_source *s)
{
  hocuspocus *h = (hocuspocus *)s;
  (void)sqlite3_finalize(h->rows);
  (void)sqlite3_close(h->db);
  gs_buf_finish(&h->tables);
  gs_free(NULL, h, sizeof *h);
}

static const gs_port_reader reader = { next, read_it, close_it };

static gesso_status find_tables(hocuspocus *h, gs_buf *why)
{
  sqlite3_stmt *all = gs_database_prepare(h->db, why, "SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name");
  if (all == NULL)
    return GESSO_E_CORRUPT;
  int r;
  while ((r = sqlite3_step(all)) == SQLITE_ROW) {
    const char *table = (const char *)sqlite3_column_text(all, 0);
    if (table != NULL && gs_database_has_column(h->db, table, "name") && gs_database_has_column(h->db, table, "data"))
      gs_buf_write(&h->tables, table, strlen(table) + 1);
  }
  gesso_status s = r == SQLITE_DONE ? h->tables.err : gs_database_failed(h->db, why);
  (void)sqlite3_finalize(all);
  if (s == GESSO_OK && h->tables.b.len == 0)
    s = gs_port_because(why, GESSO_E_NOTFOUND, "no table has the columns 'name' and 'data'");
  return s;
}

gesso_status gs_port_open_hocuspocus(const char *path, gs_port_source **out, gs_buf *why)
{
  hocuspocus *h = GS_NEW(NULL, hocuspocus);
  if (h == NULL)
    return gs_port_because(why, GESSO_E_NOMEM, "out of memory");
  h->s = (gs_port_source){ .reader = &reader, .kind = "a Hocuspocus database", .single = false };
  h->tables = gs_buf_make(NULL);
  gesso_status s = gs_database_open(path, &h->db, why);
  if (s == GESSO_OK)
    s = find_tables(h, why);
  if (s != GESSO_OK) {
    close_it(&h->s);
    return s;
  }
  *out = &h->s;
  return GESSO_OK;
}

/* ---- writing ----------------------------------------------------------------------------------- */

struct gs_hocuspocus_writer {
  sqlite3 *db;
  sqlite3_stmt *insert;
};

gesso_status gs_hocuspocus_create(const char *path, gs_hocuspocus_writer **out, gs_buf *why)
{
  static const char schema[] =
    "PRAGMA synchronous = FULL; BEGIN; CREATE TABLE \"documents\" (\"name\" varchar(255) NOT NULL, \"data\" blob NOT NULL, "
    "UNIQUE(name))";
  gs_hocuspocus_writer *w = GS_NEW(NULL, gs_hocuspocus_writer);
  *out = NULL;
  if (w == NULL)
    return gs_port_because(why, GESSO_E_NOMEM, "out of memory");
  gesso_status s = GESSO_OK;
  if (sqlite3_open_v2(path, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
      sqlite3_exec(w->db, schema, NULL, NULL, NULL) != SQLITE_OK)
    s = w->db == NULL ? gs_port_because(why, GESSO_E_NOMEM, "out of memory") : gs_database_failed(w->db, why);
  if (s == GESSO_OK) {
    w->insert = gs_database_prepare(w->db, why, "INSERT INTO \"documents\" (\"name\", \"data\") VALUES (?, ?)");
    s = w->insert != NULL ? GESSO_OK : GESSO_E_IO;
  }
  if (s != GESSO_OK) {
    gs_hocuspocus_discard(w);
    return s;
  }
  *out = w;
  return GESSO_OK;
}

gesso_status gs_hocuspocus_add(gs_hocuspocus_writer *w, gesso_bytes name, gesso_bytes update_v1, gs_buf *why)
{
  (void)sqlite3_reset(w->insert);
  if (sqlite3_bind_text64(w->insert, 1, (const char *)name.data, name.len, SQLITE_STATIC, SQLITE_UTF8) != SQLITE_OK ||
      sqlite3_bind_blob64(w->insert, 2, update_v1.data, update_v1.len, SQLITE_STATIC) != SQLITE_OK ||
      sqlite3_step(w->insert) != SQLITE_DONE)
    return gs_database_failed(w->db, why);
  return GESSO_OK;
}

gesso_status gs_hocuspocus_finish(gs_hocuspocus_writer *w, gs_buf *why)
{
  (void)sqlite3_finalize(w->insert);
  w->insert = NULL;
  gesso_status s = sqlite3_exec(w->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? GESSO_OK : gs_database_failed(w->db, why);
  gs_hocuspocus_discard(w);
  return s;
}

void gs_hocuspocus_discard(gs_hocuspocus_writer *w)
{
  if (w == NULL)
    return;
  (void)sqlite3_finalize(w->insert);
  (void)sqlite3_close(w->db);
  gs_free(NULL, w, sizeof *w);
}
