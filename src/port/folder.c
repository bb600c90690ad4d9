/* A folder of files, and of folders of files: each is read as what it is, and named by its path. */
#include "port/source.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

typedef struct folder {
  gs_port_source s;
  FTS *fts;
  size_t path_len;       /* of the folder itself, with its '/' */
  gs_port_source *inner; /* the file that is being read; NULL: the next one is to be found ... */
  bool refused;          /* ... or it could not be opened, or not be read on: why */
  bool told;             /* that is the document of this moment */
  gs_buf file, why;
} folder;

/* What an SQLite database has beside it, and what programs hide. */
static bool passed_over(const FTSENT *e)
{
  static const char *const endings[] = { "-wal", "-shm", "-journal" };
  if (e->fts_name[0] == '.')
    return true;
  for (size_t i = 0; i < GS_COUNT(endings); i++) {
    size_t n = strlen(endings[i]);
    char base[PATH_MAX];
    if (e->fts_namelen > n && strcmp(e->fts_name + e->fts_namelen - n, endings[i]) == 0 &&
        (size_t)snprintf(base, sizeof base, "%.*s", (int)(strlen(e->fts_accpath) - n), e->fts_accpath) < sizeof base) {
      struct stat st;
      if (stat(base, &st) == 0)
        return true;
    }
  }
  return false;
}

static void open_inner(folder *f, const char *path, bool leveldb)
{
  gs_buf name = gs_buf_make(NULL);
  gs_port_set(&f->file, path + f->path_len);
  gs_port_name_of_path(path + f->path_len, &name);
  gesso_status s = leveldb ? gs_port_open_yleveldb(path, &f->inner, &f->why)
                           : gs_port_open_file(path, gs_buf_bytes(&name), GS_PORT_ANY, &f->inner, &f->why);
  f->refused = s != GESSO_OK;
  if (f->refused)
    f->inner = NULL;
  gs_buf_finish(&name);
}

/* Opens the next file. False: there is none, or f->s.why. */
static bool find(folder *f)
{
  errno = 0;
  for (FTSENT *e; (e = fts_read(f->fts)) != NULL;) {
    switch (e->fts_info) {
    case FTS_D:
      if (e->fts_level > 0 && e->fts_name[0] == '.') {
        (void)fts_set(f->fts, e, FTS_SKIP);
      } else if (e->fts_level > 0 && gs_port_is_leveldb(e->fts_path)) {
        (void)fts_set(f->fts, e, FTS_SKIP);
        open_inner(f, e->fts_path, true);
        return true;
      }
      break;
    case FTS_F:
    case FTS_SL: /* to a folder: it cannot be opened as a file, and says so */
      if (passed_over(e))
        break;
      open_inner(f, e->fts_path, false);
      return true;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
    case FTS_SLNONE:
      gs_port_set(&f->file, (size_t)e->fts_pathlen > f->path_len ? e->fts_path + f->path_len : ".");
      (void)gs_port_because(&f->why, GESSO_E_IO, "it cannot be opened: %s",
                            strerror(e->fts_info == FTS_SLNONE ? ENOENT : e->fts_errno));
      f->refused = true;
      return true;
    default:
      break;
    }
  }
  return false;
}

static gesso_status next(gs_port_source *s, gs_port_doc *d)
{
  folder *f = (folder *)s;
  if (f->told)
    f->refused = f->told = false;
  for (;;) {
    if (f->inner != NULL) {
      gesso_status st = gs_port_next(f->inner, d);
      if (st == GESSO_OK) {
        gs_buf_write(&d->where, f->file.b.data, f->file.b.len);
        return d->where.err;
      }
      if (st != GESSO_E_NOTFOUND) {
        (void)gs_port_because(&f->why, st, "%s", gs_port_why(f->inner));
        f->refused = true;
      }
      gs_port_close(f->inner);
      f->inner = NULL;
    }
    if (!f->refused && !find(f))
      return errno == 0 ? GESSO_E_NOTFOUND
                        : gs_port_because(&s->why, GESSO_E_IO, "the folder cannot be read: %s", strerror(errno));
    if (f->refused) {
      /* It stands for a document that cannot be read, so that it is counted and told. */
      f->told = true;
      gs_port_doc_clear(d);
      gs_port_name_of_path(gs_port_text(&f->file), &d->name);
      gs_buf_write(&d->where, f->file.b.data, f->file.b.len);
      return d->name.err;
    }
  }
}

static void read_it(gs_port_source *s, gs_port_doc *d)
{
  folder *f = (folder *)s;
  if (f->told)
    gs_port_damage(d, "%s", gs_port_text(&f->why));
  else
    gs_port_read(f->inner, d);
}

static void close_it(gs_port_source *s)
{
  folder *f = (folder *)s;
  gs_port_close(f->inner);
  if (f->fts != NULL)
    (void)fts_close(f->fts);
  gs_buf_finish(&f->file);
  gs_buf_finish(&f->why);
  gs_free(NULL, f, sizeof *f);
}

static const gs_port_reader reader = { next, read_it, close_it };

static int by_name(const FTSENT **a, const FTSENT **b)
{
  return strcmp((*a)->fts_name, (*b)->fts_name);
}

gesso_status gs_port_open_folder(const char *path, gs_port_source **out, gs_buf *why)
{
  folder *f = GS_NEW(NULL, folder);
  char *clean = strdup(path);
  if (f == NULL || clean == NULL) {
    free(clean);
    gs_free(NULL, f, sizeof *f);
    return gs_port_because(why, GESSO_E_NOMEM, "out of memory");
  }
  f->s = (gs_port_source){ .reader = &reader, .kind = "a folder", .single = false };
  f->file = f->why = gs_buf_make(NULL);
  size_t n = strlen(clean);
  while (n > 1 && clean[n - 1] == '/')
    clean[--n] = '\0';
  f->path_len = n + (clean[n - 1] != '/');
  char *const paths[] = { clean, NULL };
  f->fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
  free(clean);
  if (f->fts == NULL) {
    gesso_status s = gs_port_because(why, GESSO_E_IO, "the folder cannot be read: %s", strerror(errno));
    close_it(&f->s);
    return s;
  }
  *out = &f->s;
  return GESSO_OK;
}
