#include "port/ysweet.h"

#include "port/source.h"
#include "wire/reader.h"

#include <stdlib.h>

/* ---- the file ---------------------------------------------------------------------------------- */

static uint64_t read_u64le(gs_reader *rd)
{
  gesso_bytes b = gs_read_raw(rd, 8);
  uint64_t x = 0;
  for (size_t i = b.len; i > 0; i--)
    x = x << 8 | b.data[i - 1];
  return x;
}

static gesso_bytes read_block(gs_reader *rd)
{
  uint64_t len = read_u64le(rd);
  if (len > gs_reader_left(rd)) {
    gs_reader_fail(rd, GESSO_E_TRUNCATED, "a length reaches past the end of the file: it is torn");
    return (gesso_bytes){ NULL, 0 };
  }
  return gs_read_raw(rd, (size_t)len);
}

static int compare(gesso_bytes a, gesso_bytes b)
{
  size_t n = GS_MIN(a.len, b.len);
  int order = n != 0 ? memcmp(a.data, b.data, n) : 0;
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

gesso_status gs_ysweet_parse(gesso_bytes file, gs_ysweet_entry **entries, size_t *count, gesso_error *error)
{
  enum { ENTRY_MIN = 16 }; /* two lengths */
  gs_reader rd = gs_reader_of(file);
  uint64_t n = read_u64le(&rd);
  *entries = NULL;
  *count = 0;
  if (n > gs_reader_left(&rd) / ENTRY_MIN)
    gs_reader_fail(&rd, GESSO_E_TRUNCATED, "it has fewer entries than it says: it is torn");
  gs_ysweet_entry *all = rd.err == GESSO_OK ? gs_alloc(NULL, (size_t)n * sizeof *all) : NULL;
  if (rd.err == GESSO_OK && n != 0 && all == NULL)
    gs_reader_fail(&rd, GESSO_E_NOMEM, "out of memory");
  for (size_t i = 0; i < n && rd.err == GESSO_OK; i++) {
    all[i].key = read_block(&rd);
    all[i].value = read_block(&rd);
    if (rd.err == GESSO_OK && i > 0 && compare(all[i - 1].key, all[i].key) >= 0)
      gs_reader_fail(&rd, GESSO_E_CORRUPT, "its keys are not in order");
  }
  if (rd.err == GESSO_OK && gs_reader_left(&rd) != 0)
    gs_reader_fail(&rd, GESSO_E_CORRUPT, "there are bytes after the last entry");
  if (rd.err != GESSO_OK) {
    gs_free(NULL, all, (size_t)n * sizeof *all);
    return gs_reader_status(&rd, error);
  }
  *entries = all;
  *count = (size_t)n;
  return GESSO_OK;
}

void gs_ysweet_free(gs_ysweet_entry *entries, size_t count)
{
  gs_free(NULL, entries, count * sizeof *entries);
}

bool gs_ysweet_looks_like(gesso_bytes file)
{
  gs_reader rd = gs_reader_of(file);
  uint64_t n = read_u64le(&rd), len = read_u64le(&rd);
  gesso_bytes key = gs_read_raw(&rd, 2);
  return rd.err == GESSO_OK && n != 0 && n < UINT32_MAX && len >= 3 && len < UINT32_MAX && key.data[0] == 0 && key.data[1] <= 1;
}

/* ---- its documents ----------------------------------------------------------------------------- */

enum { KEY_NAME = 0, KEY_DOC = 1, SUB_STATE = 0, SUB_VECTOR = 1, SUB_UPDATE = 2, SUB_META = 3 };

typedef struct ysweet {
  gs_port_source s;
  gs_buf name, file; /* the name: of the folder that the file stands in */
  gs_ysweet_entry *entries;
  size_t count, at;
  uint32_t *oids, noids, oids_cap;
  uint32_t oid;      /* of the document of this moment */
  bool orphan;       /* it has content and no name */
  gesso_error error; /* the file cannot be read: the one document says so */
  bool done;
} ysweet;

static uint32_t u32be(const uint8_t *b)
{
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool is_name(const gs_ysweet_entry *e)
{
  return e->key.len >= 3 && e->key.data[0] == 0 && e->key.data[1] == KEY_NAME && e->key.data[e->key.len - 1] == 0 &&
         e->value.len == 4;
}

/* Something of a document: its number and what it is. */
static bool is_part(const gs_ysweet_entry *e, uint32_t *oid, uint8_t *sub)
{
  if (e->key.len < 7 || e->key.data[0] != 0 || e->key.data[1] != KEY_DOC)
    return false;
  *oid = u32be(e->key.data + 2);
  *sub = e->key.data[6];
  return true;
}

/* The first part of that document; the others follow. */
static size_t first_part(const ysweet *y, uint32_t oid)
{
  uint8_t key[6] = { 0, KEY_DOC, (uint8_t)(oid >> 24), (uint8_t)(oid >> 16), (uint8_t)(oid >> 8), (uint8_t)oid };
  size_t low = 0, high = y->count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (compare(y->entries[mid].key, (gesso_bytes){ key, sizeof key }) < 0)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

static int by_number(const void *a, const void *b)
{
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

/* The numbers of all names, sorted. */
static bool collect_numbers(ysweet *y)
{
  for (size_t i = 0; i < y->count; i++) {
    if (!is_name(&y->entries[i]))
      continue;
    if (!gs_grow(NULL, &y->oids, &y->oids_cap, (size_t)y->noids + 1, sizeof *y->oids))
      return false;
    y->oids[y->noids++] = u32be(y->entries[i].value.data);
  }
  if (y->noids != 0)
    qsort(y->oids, y->noids, sizeof *y->oids, by_number);
  return true;
}

/* How many names have this number: 0, 1, or 2 for more than one. */
static size_t names_of(const ysweet *y, uint32_t oid)
{
  const uint32_t *found = y->noids == 0 ? NULL : bsearch(&oid, y->oids, y->noids, sizeof *y->oids, by_number);
  if (found == NULL)
    return 0;
  bool twice = (found > y->oids && found[-1] == oid) || (found + 1 < y->oids + y->noids && found[1] == oid);
  return twice ? 2 : 1;
}

static gesso_status next(gs_port_source *s, gs_port_doc *d)
{
  ysweet *y = (ysweet *)s;
  uint32_t oid;
  uint8_t sub;
  if (y->error.status != GESSO_OK) {
    if (y->done)
      return GESSO_E_NOTFOUND;
    y->done = true;
    gs_buf_write(&d->name, y->name.b.data, y->name.b.len);
    return d->name.err;
  }
  for (; y->at < y->count; y->at++) {
    const gs_ysweet_entry *e = &y->entries[y->at];
    if (is_name(e)) {
      gesso_bytes name = { e->key.data + 2, e->key.len - 3 };
      y->oid = u32be(e->value.data);
      y->orphan = false;
      y->at++;
      gs_buf_write(&d->name, y->name.b.data, y->name.b.len);
      if (name.len != 3 || memcmp(name.data, "doc", 3) != 0) {
        gs_buf_put(&d->name, '/');
        gs_buf_write(&d->name, name.data, name.len);
      }
      return d->name.err;
    }
    if (is_part(e, &oid, &sub) && names_of(y, oid) == 0) {
      y->oid = oid;
      y->orphan = true;
      while (y->at < y->count && is_part(&y->entries[y->at], &oid, &sub) && oid == y->oid)
        y->at++;
      gs_buf_write(&d->name, y->name.b.data, y->name.b.len);
      gs_buf_printf(&d->name, "/%u", (unsigned)y->oid);
      return d->name.err;
    }
  }
  return GESSO_E_NOTFOUND;
}

static void read_it(gs_port_source *s, gs_port_doc *d)
{
  ysweet *y = (ysweet *)s;
  if (y->error.status != GESSO_OK) {
    gs_port_damage(d, "byte %zu of %zu: %s", y->error.offset, y->file.b.len,
                   y->error.message != NULL ? y->error.message : gesso_status_text(y->error.status));
    return;
  }
  if (y->orphan)
    gs_port_damage(d, "it has content (number %u) and no name", (unsigned)y->oid);
  else if (names_of(y, y->oid) > 1)
    gs_port_damage(d, "several names have its number (%u): their contents are mixed", (unsigned)y->oid);
  const gs_ysweet_entry *vector = NULL;
  uint64_t meta = 0;
  uint32_t oid;
  uint8_t sub;
  bool found = false;
  for (size_t i = first_part(y, y->oid); i < y->count && is_part(&y->entries[i], &oid, &sub) && oid == y->oid; i++) {
    const gs_ysweet_entry *e = &y->entries[i];
    if (sub == SUB_STATE && e->key.len == 7) {
      (void)gs_port_apply(d, e->value, GS_PORT_V1, "its state");
      found = true;
    } else if (sub == SUB_VECTOR && e->key.len == 7) {
      vector = e;
    } else if (sub == SUB_UPDATE && e->key.len == 12) {
      (void)gs_port_apply(d, e->value, GS_PORT_V1, "update %u", (unsigned)u32be(e->key.data + 7));
      found = true;
    } else if (sub == SUB_META) {
      meta++;
    } else {
      gs_port_damage(d, "an entry of a kind that is not known (%u)", sub);
    }
  }
  if (!found)
    gs_port_damage(d, "there is neither a state nor an update of it");
  if (vector != NULL)
    gs_port_expect(d, vector->value, "the file");
  if (meta != 0)
    gs_port_note(d, "%llu values that the application kept beside it are left out", (unsigned long long)meta);
}

static void close_it(gs_port_source *s)
{
  ysweet *y = (ysweet *)s;
  gs_ysweet_free(y->entries, y->count);
  gs_free(NULL, y->oids, y->oids_cap * sizeof *y->oids);
  gs_buf_finish(&y->name);
  gs_buf_finish(&y->file);
  gs_free(NULL, y, sizeof *y);
}

static const gs_port_reader reader = { next, read_it, close_it };

gesso_status gs_port_open_ysweet(const char *path, gesso_bytes name, gs_buf *file, gs_port_source **out, gs_buf *why)
{
  (void)path;
  ysweet *y = GS_NEW(NULL, ysweet);
  if (y == NULL) {
    gs_buf_finish(file);
    return gs_port_because(why, GESSO_E_NOMEM, "out of memory");
  }
  y->s = (gs_port_source){ .reader = &reader, .kind = "a y-sweet file", .single = true };
  y->name = gs_buf_make(NULL);
  gs_buf_write(&y->name, name.data, name.len);
  y->file = *file;
  *file = gs_buf_make(NULL);
  y->error.status = gs_ysweet_parse(gs_buf_bytes(&y->file), &y->entries, &y->count, &y->error);
  if (y->error.status == GESSO_OK && y->count == 0)
    y->error = (gesso_error){ GESSO_E_CORRUPT, 0, "there is nothing in it" };
  if (y->error.status == GESSO_OK && !collect_numbers(y))
    y->error = (gesso_error){ GESSO_E_NOMEM, 0, NULL };
  *out = &y->s;
  return GESSO_OK;
}
