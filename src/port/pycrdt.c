/* SQLiteYStore of pycrdt-store and ypy-websocket: a table of updates, and since 0.1.3 one of checkpoints.
 *
 *   yupdates(path, yupdate, metadata, timestamp)     older ones lack metadata, and timestamp
 *   ycheckpoints(path, checkpoint, timestamp)        the state before `timestamp`
 *
 * All rows are applied beside the checkpoint, also those before it: applying too much changes nothing, and a clock that
 * was set back made rows look older than they are. Both may be compressed, by callbacks of the application.
 *
 * An empty update (00 00) among the rows can be a scar: the stock squash writes one in place of everything that it
 * deletes when no compression is set. */
#include "port/database.h"


typedef struct pycrdt {
  gs_port_source s;
  sqlite3 *db;
  sqlite3_stmt *paths, *rows, *checkpoint; /* the last may be NULL */
} pycrdt;

static gesso_status next(gs_port_source *s, gs_port_doc *d)
{
  pycrdt *y = (pycrdt *)s;
  int r = sqlite3_step(y->paths);
  if (r == SQLITE_DONE)
    return GESSO_E_NOTFOUND;
  if (r != SQLITE_ROW)
    return gs_database_failed(y->db, &s->why);
  gesso_bytes path = gs_database_bytes(y->paths, 0);
  gs_buf_write(&d->name, path.data, path.len);
  return d->name.err;
}

static void step_failed(pycrdt *y, gs_port_doc *d, const char *table)
{
  gs_buf why = gs_buf_make(NULL);
  (void)gs_database_failed(y->db, &why);
  gs_port_damage(d, "%s: %s", table, gs_port_text(&why));
  gs_buf_finish(&why);
}

static void read_it(gs_port_source *s, gs_port_doc *d)
{
  pycrdt *y = (pycrdt *)s;
  uint64_t n = 0;
  int r;
  if (y->checkpoint != NULL) {
    (void)sqlite3_reset(y->checkpoint);
    (void)sqlite3_bind_value(y->checkpoint, 1, sqlite3_column_value(y->paths, 0));
    while ((r = sqlite3_step(y->checkpoint)) == SQLITE_ROW)
      (void)gs_port_apply(d, gs_database_bytes(y->checkpoint, 0), GS_PORT_ANY, "its checkpoint");
    if (r != SQLITE_DONE)
      step_failed(y, d, "ycheckpoints");
  }
  (void)sqlite3_reset(y->rows);
  (void)sqlite3_bind_value(y->rows, 1, sqlite3_column_value(y->paths, 0));
  while ((r = sqlite3_step(y->rows)) == SQLITE_ROW) {
    n++;
    (void)gs_port_apply(d, gs_database_bytes(y->rows, 0), GS_PORT_ANY, "row %lld of yupdates",
                        (long long)sqlite3_column_int64(y->rows, 1));
  }
  if (r != SQLITE_DONE)
    step_failed(y, d, "yupdates");
  if (d->empty_updates == 0)
    return;
  static const char scar[] = "pycrdt-store's squash writes such rows in place of what it deletes, if no compression is set";
  if (d->empty_updates == d->updates)
    gs_port_damage(d, "nothing but empty updates (00 00) in %llu rows: %s", (unsigned long long)n, scar);
  else
    gs_port_note(d, "warning: %llu of %llu rows are empty updates (00 00): %s", (unsigned long long)d->empty_updates,
                 (unsigned long long)n, scar);
}

static void close_it(gs_port_source *s)
{
  pycrdt *y = (pycrdt *)s;
  (void)sqlite3_finalize(y->paths);
  (void)sqlite3_finalize(y->rows);
  (void)sqlite3_finalize(y->checkpoint);
  (void)sqlite3_close(y->db);
  gs_free(NULL, y, sizeof *y);
}

static const gs_port_reader reader = { next, read_it, close_it };

static gesso_status prepare(pycrdt *y, gs_buf *why)
{
  if (!gs_database_has_column(y->db, "yupdates", "path") || !gs_database_has_column(y->db, "yupdates", "yupdate"))
    return gs_port_because(why, GESSO_E_NOTFOUND, "there is no table 'yupdates' with the columns 'path' and 'yupdate'");
  bool timed = gs_database_has_column(y->db, "yupdates", "timestamp");
  bool checkpoints = gs_database_has_column(y->db, "ycheckpoints", "path") &&
                     gs_database_has_column(y->db, "ycheckpoints", "checkpoint");
  y->paths = gs_database_prepare(y->db, why, "SELECT path FROM yupdates %s ORDER BY path",
                                 checkpoints ? "UNION SELECT path FROM ycheckpoints" : "GROUP BY path");
  y->rows = y->paths == NULL ? NULL
                             : gs_database_prepare(y->db, why, "SELECT yupdate, rowid FROM yupdates WHERE path = ? ORDER BY %srowid",
                                                   timed ? "timestamp, " : "");
  if (y->rows == NULL)
    return GESSO_E_CORRUPT;
  if (checkpoints) {
    y->checkpoint = gs_database_prepare(y->db, why, "SELECT checkpoint FROM ycheckpoints WHERE path = ?");
    if (y->checkpoint == NULL)
      return GESSO_E_CORRUPT;
  }
  return GESSO_OK;
}

gesso_status gs_port_open_pycrdt(const char *path, gs_port_source **out, gs_buf *why)
{
  pycrdt *y = GS_NEW(NULL, pycrdt);
  if (y == NULL)
    return gs_port_because(why, GESSO_E_NOMEM, "out of memory");
  y->s = (gs_port_source){ .reader = &reader, .kind = "an SQLiteYStore", .single = false };
  gesso_status s = gs_database_open(path, &y->db, why);
  if (s == GESSO_OK)
    s = prepare(y, why);
  if (s != GESSO_OK) {
    close_it(&y->s);
    return s;
  }
  *out = &y->s;
  return GESSO_OK;
}
