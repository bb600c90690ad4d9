/* One document on its way from a source: applying what was found, and remembering what was wrong with it. */
#include "port/source.h"

#include "gesso/update.h"
#include "port/inflate.h"
#include "wire/reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Lines of notes and of damage that are kept; a table may have millions of bad rows. */
enum { TEXT_MAX = 4000, LINE_MAX_ = 600 };

void gs_port_doc_init(gs_port_doc *d)
{
  *d = (gs_port_doc){ .name = gs_buf_make(NULL), .where = gs_buf_make(NULL), .notes = gs_buf_make(NULL),
                      .damage = gs_buf_make(NULL), .drawing = gs_buf_make(NULL) };
}

void gs_port_doc_clear(gs_port_doc *d)
{
  gesso_doc_destroy(d->doc);
  d->doc = NULL;
  d->damaged = false;
  d->updates = d->bytes = d->empty_updates = d->inflated = d->v2 = 0;
  gs_buf_clear(&d->name);
  gs_buf_clear(&d->where);
  gs_buf_clear(&d->notes);
  gs_buf_clear(&d->damage);
  gs_buf_finish(&d->drawing);
}

void gs_port_doc_finish(gs_port_doc *d)
{
  gs_port_doc_clear(d);
  gs_buf_finish(&d->name);
  gs_buf_finish(&d->where);
  gs_buf_finish(&d->notes);
  gs_buf_finish(&d->damage);
}

/* What is said comes from the source in part: bytes that could move a terminal's cursor do not get through. */
static void add_line(gs_buf *text, const char *fmt, va_list args)
{
  char line[LINE_MAX_];
  if (text->b.len > TEXT_MAX)
    return;
  (void)vsnprintf(line, sizeof line, fmt, args);
  for (char *c = line; *c != '\0'; c++)
    if ((unsigned char)*c < ' ' || *c == 0x7f)
      *c = '?';
  gs_buf_puts(text, line);
  gs_buf_put(text, '\n');
  if (text->b.len > TEXT_MAX)
    gs_buf_puts(text, "... and more of that kind\n");
}

void gs_port_note(gs_port_doc *d, const char *fmt, ...)
{
  va_list args;
  va_start(args, fmt);
  add_line(&d->notes, fmt, args);
  va_end(args);
}

void gs_port_damage(gs_port_doc *d, const char *fmt, ...)
{
  va_list args;
  d->damaged = true;
  va_start(args, fmt);
  add_line(&d->damage, fmt, args);
  va_end(args);
}

void gs_port_set(gs_buf *text, const char *what)
{
  gs_buf_clear(text);
  gs_buf_write(text, what, strlen(what) + 1);
  if (text->err == GESSO_OK)
    text->b.len--;
}

gesso_status gs_port_because(gs_buf *why, gesso_status status, const char *fmt, ...)
{
  char line[LINE_MAX_];
  va_list args;
  va_start(args, fmt);
  (void)vsnprintf(line, sizeof line, fmt, args);
  va_end(args);
  gs_port_set(why, line);
  return status;
}

static bool is_v2(gesso_bytes update)
{
  gesso_buffer sv = { 0 };
  bool ok = gesso_update_state_vector_v2(update, &sv, NULL) == GESSO_OK;
  gesso_buffer_free(&sv);
  return ok;
}

/* Neither format has a mark. A v2 update begins with 00, and a v1 update only when it has no structs. */
static gesso_status apply_any(gs_port_doc *d, gesso_bytes update, gesso_error *error)
{
  bool may_be_v2 = update.len > 2 && update.data[0] == 0 && is_v2(update);
  if (!may_be_v2) {
    gesso_status s = gesso_doc_apply_v1(d->doc, update, error);
    if (s != GESSO_E_TRUNCATED && s != GESSO_E_CORRUPT && s != GESSO_E_RANGE)
      return s;
    if (!gs_looks_deflated(update))
      return s;
    gs_buf plain = gs_buf_make(NULL);
    gesso_status unpacked = gs_inflate(update, GS_PORT_INFLATED_MAX, &plain);
    if (unpacked == GESSO_OK) {
      s = gesso_doc_apply_v1(d->doc, gs_buf_bytes(&plain), error);
      if (s != GESSO_OK)
        error->message = "compressed, but what is inside is no update";
      else
        d->inflated++;
    } else if (unpacked == GESSO_E_NOMEM || unpacked == GESSO_E_LIMIT) {
      s = unpacked;
      *error = (gesso_error){ s, 0, "what is compressed there is too large" };
    }
    gs_buf_finish(&plain);
    return s;
  }
  gesso_buffer sv = { 0 };
  if (gesso_update_state_vector_v1(update, &sv, NULL) == GESSO_OK) {
    gesso_buffer_free(&sv);
    *error = (gesso_error){ GESSO_E_CORRUPT, 0, "these bytes are an update in both encodings: say which with --from v1 or v2" };
    return GESSO_E_CORRUPT;
  }
  gesso_status s = gesso_doc_apply_v2(d->doc, update, error);
  d->v2 += s == GESSO_OK;
  return s;
}

bool gs_port_apply(gs_port_doc *d, gesso_bytes update, gs_port_format as, const char *where, ...)
{
  char place[200];
  va_list args;
  va_start(args, where);
  (void)vsnprintf(place, sizeof place, where, args);
  va_end(args);
  if (update.len == 0) {
    gs_port_damage(d, "%s: it is empty: no bytes at all, not even those of an empty update", place);
    return false;
  }
  if (d->doc == NULL && (d->doc = gesso_doc_create(NULL)) == NULL) {
    gs_port_damage(d, "%s: out of memory", place);
    return false;
  }
  gesso_error error = { 0 };
  gesso_status s = as == GS_PORT_V1   ? gesso_doc_apply_v1(d->doc, update, &error)
                   : as == GS_PORT_V2 ? gesso_doc_apply_v2(d->doc, update, &error)
                                      : apply_any(d, update, &error);
  if (s != GESSO_OK) {
    gs_port_damage(d, "%s: byte %zu of %zu: %s", place, error.offset, update.len,
                   error.message != NULL ? error.message : gesso_status_text(s));
    return false;
  }
  d->updates++;
  d->bytes += update.len;
  d->empty_updates += update.len == 2 && update.data[0] == 0 && update.data[1] == 0;
  return true;
}

/* ---- state vectors ----------------------------------------------------------------------------- */

typedef struct clock_of {
  uint64_t client, clock;
} clock_of;

static int by_client(const void *a, const void *b)
{
  const clock_of *x = a, *y = b;
  return (x->client > y->client) - (x->client < y->client);
}

/* NULL with *n 0 when there is none or when it is malformed: rd->err tells. */
static clock_of *read_clocks(gs_reader *rd, size_t *n)
{
  uint32_t count = gs_read_count(rd, 2);
  clock_of *clocks = gs_alloc(NULL, count * sizeof *clocks);
  *n = 0;
  if (count != 0 && clocks == NULL) {
    gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
    return NULL;
  }
  for (uint32_t i = 0; i < count; i++) {
    clocks[i].client = gs_read_varuint(rd);
    clocks[i].clock = gs_read_varuint(rd);
  }
  if (rd->err == GESSO_OK && gs_reader_left(rd) != 0)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "bytes after the state vector");
  if (rd->err != GESSO_OK) {
    gs_free(NULL, clocks, count * sizeof *clocks);
    return NULL;
  }
  *n = count;
  if (count != 0)
    qsort(clocks, count, sizeof *clocks, by_client);
  return clocks;
}

void gs_port_expect(gs_port_doc *d, gesso_bytes state_vector, const char *where)
{
  gs_reader rd = gs_reader_of(state_vector);
  size_t nwant, nhave = 0;
  clock_of *want = read_clocks(&rd, &nwant), *have = NULL;
  gesso_buffer mine = { 0 };
  if (rd.err != GESSO_OK) {
    gs_port_damage(d, "%s: the state vector is none: byte %zu: %s", where, rd.err_offset, rd.err_why);
    return;
  }
  if (d->doc != NULL && gesso_doc_state_vector(d->doc, &mine) == GESSO_OK) {
    gs_reader own = gs_reader_of((gesso_bytes){ mine.data, mine.len });
    have = read_clocks(&own, &nhave);
  }
  for (size_t i = 0; i < nwant; i++) {
    const clock_of *found = have == NULL ? NULL : bsearch(&want[i], have, nhave, sizeof *have, by_client);
    uint64_t clock = found == NULL ? 0 : found->clock;
    if (clock < want[i].clock)
      gs_port_damage(d, "%s: its state vector has client %llu up to %llu, its updates only up to %llu", where,
                     (unsigned long long)want[i].client, (unsigned long long)want[i].clock, (unsigned long long)clock);
  }
  gs_free(NULL, want, nwant * sizeof *want);
  gs_free(NULL, have, nhave * sizeof *have);
  gesso_buffer_free(&mine);
}
