/* A file that holds one update: what Y.encodeStateAsUpdate gave, in either encoding, or compressed. */
#include "port/source.h"

typedef struct update_file {
  gs_port_source s;
  gs_port_format as;
  gs_buf name, bytes;
  bool done;
} update_file;

static gesso_status next(gs_port_source *s, gs_port_doc *d)
{
  update_file *f = (update_file *)s;
  if (f->done)
    return GESSO_E_NOTFOUND;
  f->done = true;
  gs_buf_write(&d->name, f->name.b.data, f->name.b.len);
  return d->name.err;
}

static void read_it(gs_port_source *s, gs_port_doc *d)
{
  update_file *f = (update_file *)s;
  if (!gs_port_apply(d, gs_buf_bytes(&f->bytes), f->as, "the file") && f->bytes.b.len > 1 && f->bytes.b.data[0] == 0 &&
      f->as == GS_PORT_V1)
    gs_port_damage(d, "it may be an update in the v2 encoding: --from v2");
}

static void close_it(gs_port_source *s)
{
  update_file *f = (update_file *)s;
  gs_buf_finish(&f->name);
  gs_buf_finish(&f->bytes);
  gs_free(NULL, f, sizeof *f);
}

static const gs_port_reader reader = { next, read_it, close_it };

gesso_status gs_port_open_update(const char *path, gesso_bytes name, gs_port_format as, gs_buf *file, gs_port_source **out,
                                 gs_buf *why)
{
  (void)path;
  update_file *f = GS_NEW(NULL, update_file);
  if (f == NULL) {
    gs_buf_finish(file);
    return gs_port_because(why, GESSO_E_NOMEM, "out of memory");
  }
  f->s = (gs_port_source){ .reader = &reader, .kind = "a Yjs update", .single = true };
  f->as = as;
  f->name = gs_buf_make(NULL);
  gs_buf_write(&f->name, name.data, name.len);
  f->bytes = *file;
  *file = gs_buf_make(NULL);
  *out = &f->s;
  return GESSO_OK;
}
