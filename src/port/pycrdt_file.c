#include "port/pycrdt_file.h"

#include "port/source.h"

unsigned gs_pycrdt_file_head(gs_reader *rd)
{
  static const char magic[] = "VERSION:";
  gesso_bytes b = gs_read_raw(rd, sizeof magic - 1);
  if (rd->err != GESSO_OK || memcmp(b.data, magic, sizeof magic - 1) != 0) {
    gs_reader_fail(rd, GESSO_E_CORRUPT, "it does not begin with VERSION:");
    return 0;
  }
  uint8_t version = gs_read_u8(rd);
  if ((version != '1' && version != '2') || gs_read_u8(rd) != '\n') {
    gs_reader_fail(rd, GESSO_E_VERSION, "its version is not known: 1 and 2 are");
    return 0;
  }
  return version - '0';
}

bool gs_pycrdt_file_next(gs_reader *rd, unsigned version, gesso_bytes *update)
{
  *update = gs_read_bytes(rd);
  (void)gs_read_bytes(rd);
  if (version >= 2 && gs_read_bytes(rd).len != 8)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "a time does not have 8 bytes");
  return rd->err == GESSO_OK;
}

typedef struct pycrdt_file {
  gs_port_source s;
  gs_buf name, file;
  bool done;
} pycrdt_file;

static gesso_status next(gs_port_source *s, gs_port_doc *d)
{
  pycrdt_file *f = (pycrdt_file *)s;
  if (f->done)
    return GESSO_E_NOTFOUND;
  f->done = true;
  gs_buf_write(&d->name, f->name.b.data, f->name.b.len);
  return d->name.err;
}

static void read_it(gs_port_source *s, gs_port_doc *d)
{
  pycrdt_file *f = (pycrdt_file *)s;
  gs_reader rd = gs_reader_of(gs_buf_bytes(&f->file));
  unsigned version = gs_pycrdt_file_head(&rd);
  uint64_t n = 0;
  gesso_bytes update;
  while (rd.err == GESSO_OK && gs_reader_left(&rd) != 0 && gs_pycrdt_file_next(&rd, version, &update))
    (void)gs_port_apply(d, update, GS_PORT_ANY, "update %llu", (unsigned long long)++n);
  if (rd.err != GESSO_OK)
    gs_port_damage(d, "byte %zu of %zu: %s", rd.err_offset, f->file.b.len,
                   rd.err == GESSO_E_TRUNCATED ? "it ends within an update" : rd.err_why);
  else if (n == 0)
    gs_port_damage(d, "there is no update in it");
}

static void close_it(gs_port_source *s)
{
  pycrdt_file *f = (pycrdt_file *)s;
  gs_buf_finish(&f->name);
  gs_buf_finish(&f->file);
  gs_free(NULL, f, sizeof *f);
}

static const gs_port_reader reader = { next, read_it, close_it };

gesso_status gs_port_open_pycrdt_file(const char *path, gesso_bytes name, gs_buf *file, gs_port_source **out, gs_buf *why)
{
  (void)path;
  pycrdt_file *f = GS_NEW(NULL, pycrdt_file);
  if (f == NULL) {
    gs_buf_finish(file);
    return gs_port_because(why, GESSO_E_NOMEM, "out of memory");
  }
  f->s = (gs_port_source){ .reader = &reader, .kind = "a FileYStore", .single = true };
  f->name = gs_buf_make(NULL);
  gs_buf_write(&f->name, name.data, name.len);
  f->file = *file;
  *file = gs_buf_make(NULL);
  *out = &f->s;
  return GESSO_OK;
}
