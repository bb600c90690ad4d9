#include "crdt/record.h"
#include "crdt/weak.h"
#include "wire/any.h"
#include "wire/json.h"
#include "wire/utf8.h"

enum { MAP_KEY = 0x20, RIGHT_ORIGIN = 0x40, ORIGIN = 0x80, COLUMN_BUFS = 10 };

/* --- contents, without their first `offset` elements --- */

static gs_jstr text_from(const gs_record *rec, uint64_t offset, bool replace)
{
  gs_jstr s = rec->text;
  if (offset == 0)
    return s;
  bool ascii = s.units == s.utf8.len && s.low == 0 && s.high == 0;
  if (s.units != GS_UNITS_UNKNOWN)
    s.units -= (size_t)offset;
  if (s.low != 0)
    offset--;
  s.low = 0;
  int pair = 0;
  size_t skip = (size_t)offset;
  if (!ascii)
    skip = gs_utf8_offset_of(s.utf8, (size_t)offset, &pair);
  if (pair) {
    const uint8_t *p = s.utf8.data + skip;
    s.low = replace ? 0xfffd : (uint16_t)(0xdc00 | (p[2] & 15) << 6 | (p[3] & 63));
    skip += 4;
  }
  s.utf8.data += skip;
  s.utf8.len -= skip;
  return s;
}

static gesso_bytes values_from(const gs_record *rec, uint64_t offset)
{
  gs_reader rd = gs_reader_of(rec->value);
  for (; offset > 0; offset--) {
    if (rec->kind == GS_ANY)
      gs_any_skip(&rd);
    else
      (void)gs_read_bytes(&rd);
  }
  return (gesso_bytes){ rd.at, gs_reader_left(&rd) };
}

/* JSON of a v1 update as the Any value of a v2 one, and back. */
static void json_to_any(gs_writer *w, gs_buf *out, gesso_bytes json)
{
  gesso_status st = gs_json_to_any(json, out);
  if (st != GESSO_OK && w->err == GESSO_OK)
    w->err = st;
}

static void any_to_json(gs_writer *w, gs_buf *out, gesso_bytes any)
{
  gs_buf json = gs_buf_make(out->b.alloc);
  gs_reader rd = gs_reader_of(any);
  if ((!gs_any_to_json(&rd, &json) || json.err != GESSO_OK) && w->err == GESSO_OK)
    w->err = json.err != GESSO_OK ? json.err : rd.err != GESSO_OK ? rd.err : GESSO_E_CORRUPT; /* undefined is no JSON */
  gs_write_bytes(out, gs_buf_bytes(&json));
  gs_buf_finish(&json);
}

/* --- v1 --- */

static void write_id(gs_buf *out, gs_wire_id id)
{
  gs_write_varuint(out, id.client);
  gs_write_varuint(out, id.clock);
}

static void write_jstr(gs_buf *out, gs_jstr s)
{
  gs_write_varuint(out, gs_jstr_bytes(s));
  gs_jstr_write(out, s);
}

static void write_weak_end(gs_buf *out, gs_string_writer *names, bool named, gs_wire_id id, gs_jstr name)
{
  if (!named) {
    gs_write_varuint(out, id.client);
    gs_write_varuint(out, id.clock);
  } else if (names != NULL) {
    gs_strings_put(names, name);
  } else {
    write_jstr(out, name);
  }
}

/* names NULL: v1 */
static void write_weak(gs_buf *out, gs_string_writer *names, const gs_weak_record *w)
{
  gs_buf_put(out, w->flags);
  write_weak_end(out, names, gs_weak_start_named(w->flags), w->start, w->start_name);
  if (gs_weak_has_end(w->flags))
    write_weak_end(out, names, gs_weak_end_named(w->flags), w->end, w->end_name);
}

void gs_weak_record_write_v1(gs_buf *out, const gs_weak_record *w)
{
  write_weak(out, NULL, w);
}

static void write_content_v1(gs_writer *w, const gs_record *rec, uint64_t offset, bool replace)
{
  gs_buf *out = &w->rest;
  gesso_bytes values;
  switch (rec->kind) {
  case GS_DELETED:
    gs_write_varuint(out, rec->len - offset);
    break;
  case GS_JSON:
    gs_write_varuint(out, rec->len - offset);
    if (rec->v2) {
      gs_reader rd = gs_reader_of((gesso_bytes){ NULL, 0 });
      gs_strings strings = rec->json;
      for (uint64_t i = 0; i < rec->len; i++) {
        gs_jstr s = gs_strings_next(&rd, &strings);
        if (i >= offset)
          write_jstr(out, s);
      }
      break;
    }
    values = values_from(rec, offset);
    gs_buf_write(out, values.data, values.len);
    break;
  case GS_ANY:
    gs_write_varuint(out, rec->len - offset);
    values = values_from(rec, offset);
    gs_buf_write(out, values.data, values.len);
    break;
  case GS_BINARY:
    gs_write_bytes(out, rec->value);
    break;
  case GS_STRING:
    write_jstr(out, text_from(rec, offset, replace));
    break;
  case GS_FORMAT:
    write_jstr(out, rec->text);
    /* fall through */
  case GS_EMBED:
    if (rec->v2)
      any_to_json(w, out, rec->value);
    else
      gs_write_bytes(out, rec->value);
    break;
  case GS_TYPE:
    gs_write_varuint(out, rec->type_kind);
    if (rec->type_kind == GESSO_XML_ELEMENT || rec->type_kind == GESSO_XML_HOOK)
      write_jstr(out, rec->text);
    else if (rec->type_kind == GESSO_WEAK_LINK)
      write_weak(out, NULL, &rec->weak);
    break;
  case GS_DOC:
    write_jstr(out, rec->text);
    gs_buf_write(out, rec->value.data, rec->value.len);
    break;
  }
}

static uint8_t info_of(const gs_writer *w, const gs_record *rec, uint64_t offset)
{
  bool key = w->keep_key_bit ? rec->info_sub : rec->has_sub;
  return (uint8_t)(rec->kind | (rec->has_origin || offset > 0 ? ORIGIN : 0) | (rec->has_right ? RIGHT_ORIGIN : 0) |
                   (key ? MAP_KEY : 0));
}

static void write_v1(gs_writer *w, const gs_record *rec, uint64_t offset, bool replace)
{
  gs_buf *out = &w->rest;
  if (rec->kind == GS_GC || rec->kind == GS_SKIP) {
    gs_buf_put(out, rec->kind);
    gs_write_varuint(out, rec->len - offset);
    return;
  }
  gs_buf_put(out, info_of(w, rec, offset));
  if (offset == 0 && rec->raw.len > 0) {
    gs_buf_write(out, rec->raw.data + 1, rec->raw.len - 1);
    return;
  }
  if (offset > 0)
    write_id(out, (gs_wire_id){ rec->client, rec->clock + offset - 1 });
  else if (rec->has_origin)
    write_id(out, rec->origin);
  if (rec->has_right)
    write_id(out, rec->right_origin);
  if (rec->has_parent && offset == 0) {
    gs_write_varuint(out, rec->has_root);
    if (rec->has_root)
      write_jstr(out, rec->root);
    else
      write_id(out, rec->parent);
    if (rec->has_sub)
      write_jstr(out, rec->sub);
  }
  write_content_v1(w, rec, offset, replace);
}

/* --- v2 --- */

static void put_id(gs_columns_out *c, gs_col_writer *clocks, gs_wire_id id)
{
  gs_col_put_uint(&c->clients, id.client);
  gs_col_put_diff(clocks, id.clock);
}

/* Yjs gives every key a new number, though it could name one again. */
static void put_key(gs_columns_out *c, gs_jstr s)
{
  gs_col_put_diff(&c->key_clocks, c->nkeys++);
  gs_strings_put(&c->strings, s);
}

static void put_json_strings(gs_columns_out *c, const gs_record *rec, uint64_t offset)
{
  gs_reader rd = gs_reader_of(rec->value);
  gs_strings strings = rec->json;
  for (uint64_t i = 0; i < rec->len; i++) {
    gs_jstr s = rec->v2 ? gs_strings_next(&rd, &strings) : gs_jstr_of(gs_read_bytes(&rd), GS_UNITS_UNKNOWN);
    if (i >= offset)
      gs_strings_put(&c->strings, s);
  }
}

static void put_content_v2(gs_writer *w, const gs_record *rec, uint64_t offset, bool replace)
{
  gs_columns_out *c = w->columns;
  gs_buf *rest = &w->rest;
  switch (rec->kind) {
  case GS_DELETED:
    gs_col_put_uint(&c->lens, rec->len - offset);
    break;
  case GS_JSON:
    gs_col_put_uint(&c->lens, rec->len - offset);
    put_json_strings(c, rec, offset);
    break;
  case GS_ANY: {
    gs_col_put_uint(&c->lens, rec->len - offset);
    gesso_bytes values = values_from(rec, offset);
    gs_buf_write(rest, values.data, values.len);
    break;
  }
  case GS_BINARY:
    gs_write_bytes(rest, rec->value);
    break;
  case GS_STRING:
    gs_strings_put(&c->strings, text_from(rec, offset, replace));
    break;
  case GS_FORMAT:
    put_key(c, rec->text);
    /* fall through */
  case GS_EMBED:
    if (rec->v2)
      gs_buf_write(rest, rec->value.data, rec->value.len);
    else
      json_to_any(w, rest, rec->value);
    break;
  case GS_TYPE:
    gs_col_put_uint(&c->types, rec->type_kind);
    if (rec->type_kind == GESSO_XML_ELEMENT || rec->type_kind == GESSO_XML_HOOK)
      put_key(c, rec->text);
    else if (rec->type_kind == GESSO_WEAK_LINK)
      write_weak(rest, &c->strings, &rec->weak);
    break;
  case GS_DOC:
    gs_strings_put(&c->strings, rec->text);
    gs_buf_write(rest, rec->value.data, rec->value.len);
    break;
  }
}

static void write_v2(gs_writer *w, const gs_record *rec, uint64_t offset, bool replace)
{
  gs_columns_out *c = w->columns;
  if (rec->kind == GS_GC || rec->kind == GS_SKIP) {
    gs_col_put_rle(&c->infos, rec->kind);
    if (rec->kind == GS_GC)
      gs_col_put_uint(&c->lens, rec->len - offset);
    else
      gs_write_varuint(&w->rest, rec->len - offset);
    return;
  }
  gs_col_put_rle(&c->infos, info_of(w, rec, offset));
  if (offset > 0)
    put_id(c, &c->lefts, (gs_wire_id){ rec->client, rec->clock + offset - 1 });
  else if (rec->has_origin)
    put_id(c, &c->lefts, rec->origin);
  if (rec->has_right)
    put_id(c, &c->rights, rec->right_origin);
  if (rec->has_parent && offset == 0) {
    gs_col_put_rle(&c->parents, rec->has_root);
    if (rec->has_root)
      gs_strings_put(&c->strings, rec->root);
    else
      put_id(c, &c->lefts, rec->parent);
    if (rec->has_sub)
      gs_strings_put(&c->strings, rec->sub);
  }
  put_content_v2(w, rec, offset, replace);
}

static void bufs_of(gs_columns_out *c, gs_buf *out[COLUMN_BUFS])
{
  gs_buf *all[COLUMN_BUFS] = { &c->key_clocks.buf, &c->clients.buf, &c->lefts.buf, &c->rights.buf, &c->infos.buf,
                               &c->parents.buf,    &c->types.buf,   &c->lens.buf,  &c->strings.text,
                               &c->strings.lens.buf };
  memcpy(out, all, sizeof all);
}

/* What stands in an update one after the other; lengths before columns take ten bytes at most. */
enum { PIECES_MAX = 32 };
typedef struct pieces {
  gesso_bytes v[PIECES_MAX];
  uint8_t lengths[PIECES_MAX][10];
  uint32_t n;
  size_t size;
} pieces;

static void add_piece(pieces *all, gesso_bytes b)
{
  all->v[all->n++] = b;
  all->size += b.len;
}

static void add_length(pieces *all, size_t n)
{
  uint8_t *bytes = all->lengths[all->n];
  add_piece(all, (gesso_bytes){ bytes, (size_t)(gs_put_varuint(bytes, n) - bytes) });
}

static void add_column(pieces *all, const gs_buf *column)
{
  add_length(all, column->b.len);
  add_piece(all, gs_buf_bytes(column));
}

/* One column: the text, as varBytes, and the lengths of its strings. Returns which piece the text is. */
static uint32_t add_strings(pieces *all, const gs_string_writer *strings)
{
  uint8_t bytes[10];
  size_t length = (size_t)(gs_put_varuint(bytes, strings->text.b.len) - bytes);
  add_length(all, length + strings->text.b.len + strings->lens.buf.b.len);
  add_column(all, &strings->text);
  add_piece(all, gs_buf_bytes(&strings->lens.buf));
  return all->n - 2;
}

/* All pieces in `base`, which holds the one at `own` already: it is moved there, and the others are put around it. */
static void put_around(gs_buf *base, const pieces *all, uint32_t own)
{
  size_t held = base->b.len, at = 0;
  if (!gs_buf_room(base, all->size - held))
    return;
  for (uint32_t i = 0; i < own; i++)
    at += all->v[i].len;
  memmove(base->b.data + at, base->b.data, held);
  base->b.len = 0;
  for (uint32_t i = 0; i < all->n; i++) {
    if (i == own)
      base->b.len += held;
    else
      gs_buf_write(base, all->v[i].data, all->v[i].len);
  }
}

/* The update is made where most of its bytes are already, in the text or in the rest: a new buffer would take as much
 * memory again, and the first touch of a page costs more than moving what it holds. */
static gesso_status put_together(gs_columns_out *c, gs_buf *rest, gesso_buffer *out)
{
  static const uint8_t feature = 0;
  gs_col_flush_diff(&c->key_clocks);
  gs_col_flush_uint(&c->clients);
  gs_col_flush_diff(&c->lefts);
  gs_col_flush_diff(&c->rights);
  gs_col_flush_uint(&c->types);
  gs_col_flush_uint(&c->lens);
  gs_strings_flush(&c->strings);
  gs_col_flush_uint(&c->strings.lens);
  gs_buf *bufs[COLUMN_BUFS];
  bufs_of(c, bufs);
  gesso_status st = rest->err;
  for (int i = 0; i < COLUMN_BUFS; i++)
    st = st == GESSO_OK ? bufs[i]->err : st;
  if (st != GESSO_OK)
    return st;
  pieces all = { .n = 0 };
  add_piece(&all, (gesso_bytes){ &feature, 1 });
  add_column(&all, &c->key_clocks.buf);
  add_column(&all, &c->clients.buf);
  add_column(&all, &c->lefts.buf);
  add_column(&all, &c->rights.buf);
  add_column(&all, &c->infos.buf);
  uint32_t text = add_strings(&all, &c->strings);
  add_column(&all, &c->parents.buf);
  add_column(&all, &c->types.buf);
  add_column(&all, &c->lens.buf);
  add_piece(&all, gs_buf_bytes(rest));
  bool by_text = c->strings.text.b.len >= rest->b.len;
  gs_buf *base = by_text ? &c->strings.text : rest;
  put_around(base, &all, by_text ? text : all.n - 1);
  if (base->err == GESSO_OK)
    *out = gs_buf_take(base);
  return base->err;
}

/* --- updates --- */

void gs_writer_open(gs_writer *w, const gesso_allocator *al, bool v2)
{
  *w = (gs_writer){ .rest = gs_buf_make(al) };
  if (v2 && (w->columns = GS_NEW(al, gs_columns_out)) == NULL)
    w->err = GESSO_E_NOMEM;
  gs_buf *bufs[COLUMN_BUFS];
  if (w->columns != NULL)
    bufs_of(w->columns, bufs);
  for (int i = 0; w->columns != NULL && i < COLUMN_BUFS; i++)
    bufs[i]->b.alloc = al;
  gs_buf_put(&w->rest, 0); /* for the number of blocks, which mostly is one byte */
}

void gs_writer_expect(gs_writer *w, size_t structs, size_t text)
{
  gs_columns_out *c = w->columns;
  /* What a struct of a text takes. Where it takes less, memory that nobody touches costs nothing. */
  gs_buf_expect(&c->lefts.buf, structs * 4);
  gs_buf_expect(&c->rights.buf, structs * 4);
  gs_buf_expect(&c->infos.buf, structs * 2);
  gs_buf_expect(&c->lens.buf, structs * 2);
  gs_buf_expect(&c->strings.lens.buf, structs * 2);
  gs_buf_expect(&c->strings.text, structs * 8 + text); /* with all other columns, in the end */
}

/* Puts a number before what was written from `at` on. */
static void insert_number(gs_buf *buf, size_t at, uint64_t n)
{
  uint8_t bytes[10];
  size_t len = (size_t)(gs_put_varuint(bytes, n) - bytes);
  if (!gs_buf_room(buf, len))
    return;
  memmove(buf->b.data + at + len, buf->b.data + at, buf->b.len - at);
  memcpy(buf->b.data + at, bytes, len);
  buf->b.len += len;
}

static void end_block(gs_writer *w)
{
  if (w->written > 0)
    insert_number(&w->rest, w->block, w->written);
  w->written = 0;
}

void gs_writer_block(gs_writer *w, uint64_t client, uint64_t clock)
{
  end_block(w);
  w->client = client;
  w->block = w->rest.b.len;
  w->blocks++;
  if (w->columns == NULL)
    gs_write_varuint(&w->rest, client);
  else
    gs_col_put_uint(&w->columns->clients, client);
  gs_write_varuint(&w->rest, clock);
}

void gs_writer_put(gs_writer *w, const gs_record *rec, uint64_t offset, bool replace)
{
  if (w->err != GESSO_OK)
    return;
  gs_writer_begin(w, rec->client, rec->clock + offset, rec->len - offset);
  if (w->columns == NULL)
    write_v1(w, rec, offset, replace);
  else
    write_v2(w, rec, offset, replace);
  size_t size = w->rest.b.len + (w->columns != NULL ? w->columns->strings.text.b.len : 0);
  if (w->err == GESSO_OK && w->max != 0 && size > w->max)
    w->err = GESSO_E_LIMIT;
}

void gs_writer_end_structs(gs_writer *w)
{
  end_block(w);
  if (w->rest.err != GESSO_OK || w->rest.b.len == 0)
    return;
  if (w->blocks < 0x80) {
    w->rest.b.data[0] = (uint8_t)w->blocks;
  } else {
    w->rest.b.data[0] = (uint8_t)(w->blocks | 0x80);
    insert_number(&w->rest, 1, w->blocks >> 7);
  }
}

gesso_status gs_writer_finish(gs_writer *w, gesso_buffer *out)
{
  gesso_status st = w->err != GESSO_OK ? w->err : w->rest.err;
  if (st == GESSO_OK && w->columns != NULL)
    st = put_together(w->columns, &w->rest, out);
  else if (st == GESSO_OK)
    *out = gs_buf_take(&w->rest);
  gs_writer_close(w);
  return st;
}

void gs_writer_close(gs_writer *w)
{
  gs_buf *bufs[COLUMN_BUFS];
  if (w->columns != NULL)
    bufs_of(w->columns, bufs);
  for (int i = 0; w->columns != NULL && i < COLUMN_BUFS; i++)
    gs_buf_finish(bufs[i]);
  gs_free(w->rest.b.alloc, w->columns, sizeof *w->columns);
  w->columns = NULL;
  gs_buf_finish(&w->rest);
}

gesso_status gs_finish_with(gs_writer *w, const gs_deletes *d, gesso_buffer *out)
{
  gs_writer_end_structs(w);
  gs_deletes_write(&w->rest, w->columns != NULL, d);
  return gs_writer_finish(w, out);
}

gesso_status gs_copy_rest(gs_records *r, gs_writer *w, gesso_buffer *out, gesso_error *error_out)
{
  gs_deletes d = { 0 };
  gesso_status written = GESSO_OK;
  if (r->rd.err == GESSO_OK && w->err == GESSO_OK)
    gs_deletes_read(r, &d);
  if (r->rd.err == GESSO_OK && w->err == GESSO_OK && !gs_deletes_by_client(&d, w->columns != NULL))
    w->err = GESSO_E_NOMEM;
  if (r->rd.err == GESSO_OK)
    written = gs_finish_with(w, &d, out);
  else
    gs_writer_close(w);
  gs_deletes_finish(&d);
  gesso_status st = gs_records_status(r, written, error_out);
  gs_records_close(r);
  return st;
}
