/* Updates in v2 that declare many structs in few bytes: of every kind that a column can repeat. */
#ifndef TEST_SUPPORT_DECLARED_H
#define TEST_SUPPORT_DECLARED_H

#include "wire/columns.h"

enum {
  DECLARED_GC,
  DECLARED_DELETED,      /* each behind the one before */
  DECLARED_DELETED_APART, /* each at the front of one root */
  DECLARED_STRINGS,
  DECLARED_STRINGS_APART, /* each behind the first */
  DECLARED_ANY,
  DECLARED_KEY,          /* one key of a map again and again */
  DECLARED_JSON,
  DECLARED_BINARY,
  DECLARED_EMBEDS,
  DECLARED_FORMATS,      /* with one key that is named again */
  DECLARED_DOCS,
  DECLARED_TYPES,
  DECLARED_NODES,        /* XML elements with one name that is named again */
  DECLARED_NESTED,       /* each type inside the one before */
  DECLARED_BETWEEN,      /* between two neighbours in a long item that has been cut already */
  DECLARED_CUTTING,      /* ... that is cut for each */
  DECLARED_CLIENTS,      /* a client for each */
  DECLARED_WAITING,      /* for one that never comes */
  DECLARED_FAMILIES
};

static const char *const declared_names[DECLARED_FAMILIES] = {
  "gc", "deleted", "deleted, apart", "strings", "strings, apart", "any", "one key", "json", "binary", "embeds",
  "formats", "documents", "types", "nodes", "nested types", "between two", "cutting", "clients", "waiting",
};

typedef struct declared {
  gs_col_writer key_clocks, clients, lefts, rights, infos, parents, types, lens;
  gs_string_writer strings;
  gs_buf rest;
} declared;

static inline void declared_column(gs_buf *out, gs_col_writer *c)
{
  gs_write_bytes(out, gs_buf_bytes(&c->buf));
  gs_buf_finish(&c->buf);
}

static inline gs_buf declared_finish(declared *d)
{
  gs_buf out = gs_buf_make(NULL), strings = gs_buf_make(NULL);
  gs_buf_put(&d->rest, 0); /* nothing is deleted */
  gs_col_flush_diff(&d->key_clocks);
  gs_col_flush_uint(&d->clients);
  gs_col_flush_diff(&d->lefts);
  gs_col_flush_diff(&d->rights);
  gs_col_flush_uint(&d->types);
  gs_col_flush_uint(&d->lens);
  gs_col_flush_uint(&d->strings.lens);
  gs_write_bytes(&strings, gs_buf_bytes(&d->strings.text));
  gs_buf_write(&strings, d->strings.lens.buf.b.data, d->strings.lens.buf.b.len);
  gs_buf_put(&out, 0);
  declared_column(&out, &d->key_clocks);
  declared_column(&out, &d->clients);
  declared_column(&out, &d->lefts);
  declared_column(&out, &d->rights);
  declared_column(&out, &d->infos);
  gs_write_bytes(&out, gs_buf_bytes(&strings));
  declared_column(&out, &d->parents);
  declared_column(&out, &d->types);
  declared_column(&out, &d->lens);
  gs_buf_write(&out, d->rest.b.data, d->rest.b.len);
  gs_buf_finish(&strings);
  gs_buf_finish(&d->strings.text);
  gs_buf_finish(&d->strings.lens.buf);
  gs_buf_finish(&d->rest);
  return out;
}

static inline void declared_string(declared *d, const char *s)
{
  gs_strings_put(&d->strings, gs_jstr_of((gesso_bytes){ (const uint8_t *)s, strlen(s) }, strlen(s)));
}

static inline void declared_block(declared *d, uint64_t client, uint64_t structs)
{
  gs_write_varuint(&d->rest, structs);
  gs_col_put_uint(&d->clients, client);
  gs_write_varuint(&d->rest, 0);
}

static inline void declared_left(declared *d, uint64_t client, uint64_t clock)
{
  gs_col_put_uint(&d->clients, client);
  gs_col_put_diff(&d->lefts, clock);
}

static inline void declared_info(declared *d, unsigned kind, unsigned flags)
{
  gs_col_put_rle(&d->infos, (uint8_t)(kind | flags));
}

static inline void declared_in_root(declared *d)
{
  gs_col_put_rle(&d->parents, 1);
  declared_string(d, "");
}

enum { DECLARED_HAS_KEY = 0x20, DECLARED_HAS_RIGHT = 0x40, DECLARED_HAS_LEFT = 0x80 };

static inline void declared_content(declared *d, unsigned kind, int family)
{
  switch (kind) {
  case 1:
    gs_col_put_uint(&d->lens, 1);
    break;
  case 2:
    gs_col_put_uint(&d->lens, 1);
    declared_string(d, "1");
    break;
  case 3:
    gs_write_varuint(&d->rest, 0);
    break;
  case 4:
    declared_string(d, "x");
    break;
  case 6:
    gs_col_put_diff(&d->key_clocks, 0);
    gs_buf_put(&d->rest, 0x78);
    break;
  case 5:
    gs_buf_put(&d->rest, 0x78);
    break;
  case 7:
    gs_col_put_uint(&d->types, family == DECLARED_NODES ? 3 : 1);
    if (family == DECLARED_NODES)
      gs_col_put_diff(&d->key_clocks, 0);
    break;
  case 8:
    gs_col_put_uint(&d->lens, 1);
    gs_buf_put(&d->rest, 0x7e);
    break;
  default:
    declared_string(d, "");
    gs_buf_put(&d->rest, 0x7e);
  }
}

/* An update that declares n structs, a few more or less. */
static inline gs_buf declared_update(int family, uint32_t n)
{
  static const unsigned kinds[DECLARED_FAMILIES] = { 0, 1, 1, 4, 4, 8, 8, 2, 3, 5, 6, 9, 7, 7, 7, 1, 1, 0, 1 };
  declared d = { .rest = gs_buf_make(NULL) };
  unsigned kind = kinds[family];
  bool other = family == DECLARED_BETWEEN || family == DECLARED_CUTTING;
  gs_write_varuint(&d.rest, family == DECLARED_CLIENTS ? n : other ? 2 : 1);
  if (other) {
    /* The long item of client 9, or its two parts. */
    declared_block(&d, 9, family == DECLARED_BETWEEN ? 2 : 1);
    declared_info(&d, 1, 0);
    declared_in_root(&d);
    gs_col_put_uint(&d.lens, n);
    if (family == DECLARED_BETWEEN) {
      declared_info(&d, 1, DECLARED_HAS_LEFT);
      declared_left(&d, 9, n - 1);
      gs_col_put_uint(&d.lens, n);
    }
  }
  if (family != DECLARED_CLIENTS)
    declared_block(&d, 5, n);
  for (uint32_t i = 0; i < n; i++) {
    if (family == DECLARED_CLIENTS)
      declared_block(&d, 1 + i, 1);
    if (kind == 0) {
      declared_info(&d, 0, 0);
      gs_col_put_uint(&d.lens, 1);
      continue;
    }
    if (family == DECLARED_BETWEEN) {
      declared_info(&d, kind, DECLARED_HAS_LEFT | DECLARED_HAS_RIGHT);
      declared_left(&d, 9, n - 1);
      gs_col_put_uint(&d.clients, 9);
      gs_col_put_diff(&d.rights, n);
    } else if (family == DECLARED_CUTTING) {
      declared_info(&d, kind, DECLARED_HAS_LEFT);
      declared_left(&d, 9, i);
    } else if (family == DECLARED_WAITING) {
      declared_info(&d, kind, DECLARED_HAS_LEFT);
      declared_left(&d, 9, 0);
    } else if (i == 0 || family == DECLARED_DELETED_APART) {
      declared_info(&d, kind, family == DECLARED_KEY ? DECLARED_HAS_KEY : 0);
      declared_in_root(&d);
      if (family == DECLARED_KEY)
        declared_string(&d, "");
    } else if (family == DECLARED_NESTED) {
      declared_info(&d, kind, 0);
      gs_col_put_rle(&d.parents, 0);
      declared_left(&d, 5, i - 1);
    } else {
      declared_info(&d, kind, DECLARED_HAS_LEFT);
      declared_left(&d, 5, family == DECLARED_STRINGS_APART ? 0 : i - 1);
    }
    if (i == 0 && (family == DECLARED_FORMATS || family == DECLARED_NODES))
      declared_string(&d, "bold"); /* it has number 0 from here on */
    declared_content(&d, kind, family);
  }
  return declared_finish(&d);
}

#endif
