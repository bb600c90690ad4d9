/* Updates from v1 to v2 and back. The order of what is written is that of the document's bytes in both;
 * v2 only spreads it over columns (wire/columns.h):
 *
 *   varUint 0, then as varBytes: key clocks (diff), clients (uint), left clocks (diff), right clocks
 *   (diff), infos (rle), strings, parent infos (rle), type refs (uint), lengths (uint); then the rest.
 *
 * In the rest: the counts, first clocks, skip lengths, binaries, Any values and the delete set, whose
 * clocks are differences and whose lengths are one less. JSON of embeds and formats is Any in v2. */
#include "base/buf.h"
#include "crdt/doc_impl.h"
#include "gesso/update.h"
#include "wire/any.h"
#include "wire/columns.h"
#include "wire/json.h"
#include "wire/utf8.h"

enum { KINDS = 31, MAP_KEY = 0x20, RIGHT_ORIGIN = 0x40, ORIGIN = 0x80 };

/* Yjs' conversions forget the map-key bit of items whose key is not spelled out; readers ignore it there.
 * So do ours, for equal bytes; but not when a document is encoded, where Yjs keeps it. */
static uint8_t forget_key_bit(uint8_t info)
{
  unsigned kind = info & KINDS;
  bool plain = kind != GS_GC && kind != GS_SKIP && (info & (ORIGIN | RIGHT_ORIGIN)) != 0;
  return plain ? (uint8_t)(info & ~MAP_KEY) : info;
}

/* --- v2 to v1 --- */

typedef struct v2_in {
  gs_reader rest;
  gs_col_reader key_clocks, clients, lefts, rights, infos, parents, types, lens;
  gs_string_reader strings;
  gs_buf out;
  gesso_bytes (*keys)[3]; /* keys that may be named again by their number */
  uint32_t nkeys, keys_cap;
  size_t out_max;
} v2_in;

static bool failed(v2_in *x)
{
  return x->rest.err != GESSO_OK || x->key_clocks.rd.err != GESSO_OK || x->clients.rd.err != GESSO_OK ||
         x->lefts.rd.err != GESSO_OK || x->rights.rd.err != GESSO_OK || x->infos.rd.err != GESSO_OK ||
         x->parents.rd.err != GESSO_OK || x->types.rd.err != GESSO_OK || x->lens.rd.err != GESSO_OK ||
         x->strings.lens.rd.err != GESSO_OK || x->out.err != GESSO_OK;
}

/* A key that is named again, and a run of empty strings, take next to nothing in v2. */
static void write_parts(v2_in *x, gesso_bytes parts[3])
{
  size_t len = parts[0].len + parts[1].len + parts[2].len;
  if (x->out.b.len > x->out_max || len > x->out_max - x->out.b.len) {
    gs_reader_fail(&x->rest, GESSO_E_LIMIT, "the v1 form is out of all proportion");
    return;
  }
  gs_write_varuint(&x->out, len);
  for (int i = 0; i < 3; i++)
    gs_buf_write(&x->out, parts[i].data, parts[i].len);
}

static void copy_string(v2_in *x)
{
  gesso_bytes parts[3];
  gs_strings_next(&x->strings, parts);
  write_parts(x, parts);
}

static void copy_key(v2_in *x)
{
  uint64_t n = gs_col_diff(&x->key_clocks);
  if (n < x->nkeys) {
    write_parts(x, x->keys[n]);
    return;
  }
  if (!gs_grow(NULL, &x->keys, &x->keys_cap, (size_t)x->nkeys + 1, sizeof *x->keys)) {
    x->out.err = GESSO_E_NOMEM;
    return;
  }
  gs_strings_next(&x->strings, x->keys[x->nkeys]);
  write_parts(x, x->keys[x->nkeys++]);
}

static void copy_id(v2_in *x, gs_col_reader *clocks)
{
  gs_write_varuint(&x->out, gs_col_uint(&x->clients));
  gs_write_varuint(&x->out, gs_col_diff(clocks));
}

static void copy_any(v2_in *x)
{
  const uint8_t *from = x->rest.at;
  gs_any_skip(&x->rest);
  if (x->rest.err == GESSO_OK)
    gs_buf_write(&x->out, from, (size_t)(x->rest.at - from));
}

static void any_to_json(v2_in *x)
{
  gs_buf json = gs_buf_make(NULL);
  if (!gs_any_to_json(&x->rest, &json) && x->rest.err == GESSO_OK && json.err == GESSO_OK)
    gs_reader_fail(&x->rest, GESSO_E_CORRUPT, "a format or embed is undefined");
  if (json.err != GESSO_OK)
    x->out.err = json.err;
  gs_write_bytes(&x->out, gs_buf_bytes(&json));
  gs_buf_finish(&json);
}

static void copy_struct_v2(v2_in *x)
{
  uint8_t info = forget_key_bit(gs_col_rle(&x->infos));
  unsigned kind = info & KINDS;
  gs_buf_put(&x->out, info);
  if (kind == GS_GC) {
    gs_write_varuint(&x->out, gs_col_uint(&x->lens));
    return;
  }
  if (kind == GS_SKIP) {
    gs_write_varuint(&x->out, gs_read_varuint(&x->rest));
    return;
  }
  if (info & ORIGIN)
    copy_id(x, &x->lefts);
  if (info & RIGHT_ORIGIN)
    copy_id(x, &x->rights);
  if ((info & (ORIGIN | RIGHT_ORIGIN)) == 0) {
    bool root = gs_col_rle(&x->parents) == 1;
    gs_write_varuint(&x->out, root);
    if (root)
      copy_string(x);
    else
      copy_id(x, &x->lefts);
    if (info & MAP_KEY)
      copy_string(x);
  }
  switch (kind) {
  case GS_DELETED:
    gs_write_varuint(&x->out, gs_col_uint(&x->lens));
    break;
  case GS_JSON:
  case GS_ANY: {
    uint64_t n = gs_col_uint(&x->lens);
    gs_write_varuint(&x->out, n);
    for (uint64_t i = 0; i < n && !failed(x); i++) {
      if (kind == GS_JSON)
        copy_string(x);
      else
        copy_any(x);
    }
    break;
  }
  case GS_BINARY:
    gs_write_bytes(&x->out, gs_read_bytes(&x->rest));
    break;
  case GS_STRING:
    copy_string(x);
    break;
  case GS_EMBED:
    any_to_json(x);
    break;
  case GS_FORMAT:
    copy_key(x);
    any_to_json(x);
    break;
  case GS_TYPE: {
    uint64_t ref = gs_col_uint(&x->types);
    gs_write_varuint(&x->out, ref);
    if (ref == GESSO_XML_ELEMENT || ref == GESSO_XML_HOOK)
      copy_key(x);
    break;
  }
  case GS_DOC:
    copy_string(x);
    copy_any(x);
    break;
  default:
    gs_reader_fail(&x->infos.rd, GESSO_E_CORRUPT, "an unknown kind of struct");
  }
}

/* The first error of all columns, by its place in the input. */
static gesso_status first_error(v2_in *x, gesso_error *error_out)
{
  const gs_reader *all[] = { &x->rest, &x->key_clocks.rd, &x->clients.rd, &x->lefts.rd, &x->rights.rd,
                             &x->infos.rd, &x->parents.rd, &x->types.rd, &x->lens.rd, &x->strings.lens.rd };
  for (size_t i = 0; i < GS_COUNT(all); i++)
    if (all[i]->err != GESSO_OK)
      return gs_reader_status(all[i], error_out);
  if (x->out.err != GESSO_OK && error_out != NULL)
    *error_out = (gesso_error){ x->out.err, 0, gesso_status_text(x->out.err) };
  return x->out.err;
}

static void copy_deletes_v2(v2_in *x)
{
  uint64_t total = 0;
  uint32_t nclients = gs_read_count(&x->rest, 2);
  gs_write_varuint(&x->out, nclients);
  for (uint32_t i = 0; i < nclients && !failed(x); i++) {
    gs_write_varuint(&x->out, gs_read_varuint(&x->rest));
    uint32_t n = gs_read_count(&x->rest, 2);
    gs_write_varuint(&x->out, n);
    total += n;
    if (total > GESSO_UPDATE_STRUCTS_MAX)
      gs_reader_fail(&x->rest, GESSO_E_LIMIT, "too many delete ranges");
    uint64_t clock = 0;
    for (uint32_t k = 0; k < n && !failed(x); k++) {
      clock += gs_read_varuint(&x->rest);
      uint64_t len = gs_read_varuint(&x->rest) + 1;
      if (clock > GS_MAX_SAFE_INTEGER || len > GS_MAX_SAFE_INTEGER)
        gs_reader_fail(&x->rest, GESSO_E_RANGE, "a clock is larger than 2^53 - 1");
      gs_write_varuint(&x->out, clock);
      gs_write_varuint(&x->out, len);
      clock += len;
    }
  }
}

gesso_status gesso_update_v2_to_v1(gesso_bytes v2, gesso_buffer *out, gesso_error *error_out)
{
  v2_in x = { .rest = gs_reader_of(v2), .out = gs_buf_make(NULL) };
  *out = (gesso_buffer){ 0 };
  gs_reader *rd = &x.rest;
  (void)gs_read_varuint(rd); /* a flag of no meaning yet; Yjs ignores it too */
  x.key_clocks = gs_col_open(rd);
  x.clients = gs_col_open(rd);
  x.lefts = gs_col_open(rd);
  x.rights = gs_col_open(rd);
  x.infos = gs_col_open(rd);
  x.strings = gs_strings_open(rd);
  x.parents = gs_col_open(rd);
  x.types = gs_col_open(rd);
  x.lens = gs_col_open(rd);
  uint64_t total = 0;
  uint32_t nclients = gs_read_count(rd, 2);
  gs_write_varuint(&x.out, nclients);
  for (uint32_t i = 0; i < nclients && !failed(&x); i++) {
    uint64_t n = gs_read_varuint(rd);
    total += GS_MIN(n, GS_MAX_SAFE_INTEGER);
    if (total > GESSO_UPDATE_STRUCTS_MAX)
      gs_reader_fail(rd, GESSO_E_LIMIT, "too many structs");
    x.out_max = v2.len * 16 + (size_t)total * 64 + (1u << 20);
    gs_write_varuint(&x.out, n);
    gs_write_varuint(&x.out, gs_col_uint(&x.clients));
    gs_write_varuint(&x.out, gs_read_varuint(rd));
    for (uint64_t k = 0; k < n && !failed(&x); k++)
      copy_struct_v2(&x);
  }
  if (!failed(&x))
    copy_deletes_v2(&x);
  gesso_status st = first_error(&x, error_out);
  if (st == GESSO_OK)
    *out = gs_buf_take(&x.out);
  gs_buf_finish(&x.out);
  gs_free(NULL, x.keys, x.keys_cap * sizeof *x.keys);
  return st;
}

/* --- v1 to v2 --- */

typedef struct v2_out {
  gs_reader in;
  gs_col_writer key_clocks, clients, lefts, rights, infos, parents, types, lens, string_lens;
  gs_buf strings, rest;
  uint64_t nkeys;
  bool keep_key_bit;
} v2_out;

static void put_string(v2_out *x, gesso_bytes s)
{
  gs_buf_write(&x->strings, s.data, s.len);
  gs_col_put_uint(&x->string_lens, gs_utf8_utf16_len(s));
}

/* Yjs gives every key a new number, though it could name one again. */
static void put_key(v2_out *x, gesso_bytes s)
{
  gs_col_put_diff(&x->key_clocks, x->nkeys++);
  put_string(x, s);
}

static void put_id(v2_out *x, gs_col_writer *clocks)
{
  gs_col_put_uint(&x->clients, gs_read_varuint(&x->in));
  gs_col_put_diff(clocks, gs_read_varuint(&x->in));
}

static void put_any(v2_out *x)
{
  const uint8_t *from = x->in.at;
  gs_any_skip(&x->in);
  if (x->in.err == GESSO_OK)
    gs_buf_write(&x->rest, from, (size_t)(x->in.at - from));
}

static void json_to_any(v2_out *x)
{
  gesso_bytes json = gs_read_bytes(&x->in);
  if (x->in.err != GESSO_OK)
    return;
  gesso_status st = gs_json_to_any(json, &x->rest);
  if (st != GESSO_OK)
    gs_reader_fail(&x->in, st, "a JSON value is malformed");
}

static void copy_struct_v1(v2_out *x)
{
  uint8_t info = gs_read_u8(&x->in);
  unsigned kind = info & KINDS;
  gs_col_put_rle(&x->infos, x->keep_key_bit ? info : forget_key_bit(info));
  if (kind == GS_GC) {
    gs_col_put_uint(&x->lens, gs_read_varuint(&x->in));
    return;
  }
  if (kind == GS_SKIP) {
    gs_write_varuint(&x->rest, gs_read_varuint(&x->in));
    return;
  }
  if (info & ORIGIN)
    put_id(x, &x->lefts);
  if (info & RIGHT_ORIGIN)
    put_id(x, &x->rights);
  if ((info & (ORIGIN | RIGHT_ORIGIN)) == 0) {
    bool root = gs_read_varuint(&x->in) == 1;
    gs_col_put_rle(&x->parents, root);
    if (root)
      put_string(x, gs_read_string(&x->in));
    else
      put_id(x, &x->lefts);
    if (info & MAP_KEY)
      put_string(x, gs_read_string(&x->in));
  }
  switch (kind) {
  case GS_DELETED:
    gs_col_put_uint(&x->lens, gs_read_varuint(&x->in));
    break;
  case GS_JSON:
  case GS_ANY: {
    uint32_t n = gs_read_count(&x->in, 1);
    gs_col_put_uint(&x->lens, n);
    for (uint32_t i = 0; i < n && x->in.err == GESSO_OK; i++) {
      if (kind == GS_JSON)
        put_string(x, gs_read_string(&x->in));
      else
        put_any(x);
    }
    break;
  }
  case GS_BINARY:
    gs_write_bytes(&x->rest, gs_read_bytes(&x->in));
    break;
  case GS_STRING:
    put_string(x, gs_read_string(&x->in));
    break;
  case GS_EMBED:
    json_to_any(x);
    break;
  case GS_FORMAT:
    put_key(x, gs_read_string(&x->in));
    json_to_any(x);
    break;
  case GS_TYPE: {
    uint64_t ref = gs_read_varuint(&x->in);
    gs_col_put_uint(&x->types, ref);
    if (ref == GESSO_XML_ELEMENT || ref == GESSO_XML_HOOK)
      put_key(x, gs_read_string(&x->in));
    break;
  }
  case GS_DOC:
    put_string(x, gs_read_string(&x->in));
    put_any(x);
    break;
  default:
    gs_reader_fail(&x->in, GESSO_E_CORRUPT, "an unknown kind of struct");
  }
}

static void copy_deletes_v1(v2_out *x)
{
  uint32_t nclients = gs_read_count(&x->in, 2);
  gs_write_varuint(&x->rest, nclients);
  for (uint32_t i = 0; i < nclients && x->in.err == GESSO_OK; i++) {
    gs_write_varuint(&x->rest, gs_read_varuint(&x->in));
    uint32_t n = gs_read_count(&x->in, 2);
    gs_write_varuint(&x->rest, n);
    uint64_t at = 0;
    for (uint32_t k = 0; k < n && x->in.err == GESSO_OK; k++) {
      uint64_t clock = gs_read_varuint(&x->in), len = gs_read_varuint(&x->in);
      if (x->in.err == GESSO_OK && (clock < at || len == 0))
        gs_reader_fail(&x->in, GESSO_E_CORRUPT, "delete ranges out of order cannot be written as v2");
      gs_write_varuint(&x->rest, clock - at);
      gs_write_varuint(&x->rest, len - 1);
      at = clock + len;
    }
  }
}

static gesso_status to_v2(gesso_bytes v1, bool keep_key_bit, gesso_buffer *out, gesso_error *error_out)
{
  v2_out x = { .in = gs_reader_of(v1), .keep_key_bit = keep_key_bit };
  *out = (gesso_buffer){ 0 };
  uint32_t nclients = gs_read_count(&x.in, 3);
  gs_write_varuint(&x.rest, nclients);
  for (uint32_t i = 0; i < nclients && x.in.err == GESSO_OK; i++) {
    uint32_t n = gs_read_count(&x.in, 2);
    gs_write_varuint(&x.rest, n);
    gs_col_put_uint(&x.clients, gs_read_varuint(&x.in));
    gs_write_varuint(&x.rest, gs_read_varuint(&x.in));
    for (uint32_t k = 0; k < n && x.in.err == GESSO_OK; k++)
      copy_struct_v1(&x);
  }
  copy_deletes_v1(&x);
  if (x.in.err == GESSO_OK && gs_reader_left(&x.in) > 0)
    gs_reader_fail(&x.in, GESSO_E_CORRUPT, "there are bytes after the update");

  gs_col_flush_diff(&x.key_clocks);
  gs_col_flush_uint(&x.clients);
  gs_col_flush_diff(&x.lefts);
  gs_col_flush_diff(&x.rights);
  gs_col_flush_uint(&x.types);
  gs_col_flush_uint(&x.lens);
  gs_col_flush_uint(&x.string_lens);
  gs_buf text = gs_buf_make(NULL);
  gs_write_bytes(&text, gs_buf_bytes(&x.strings));
  gs_buf_write(&text, x.string_lens.buf.b.data, x.string_lens.buf.b.len);

  gs_buf buf = gs_buf_make(NULL);
  gs_buf *columns[] = { &x.key_clocks.buf, &x.clients.buf, &x.lefts.buf, &x.rights.buf, &x.infos.buf,
                        &text, &x.parents.buf, &x.types.buf, &x.lens.buf };
  gesso_status st = gs_reader_status(&x.in, error_out);
  if (st == GESSO_OK) {
    gs_buf_put(&buf, 0);
    for (size_t i = 0; i < GS_COUNT(columns); i++) {
      gs_write_bytes(&buf, gs_buf_bytes(columns[i]));
      st = st == GESSO_OK ? columns[i]->err : st;
    }
    gs_buf_write(&buf, x.rest.b.data, x.rest.b.len);
    gesso_status late[] = { x.strings.err, x.string_lens.buf.err, x.rest.err, buf.err };
    for (size_t i = 0; i < GS_COUNT(late); i++)
      st = st == GESSO_OK ? late[i] : st;
    if (st == GESSO_OK)
      *out = gs_buf_take(&buf);
    else if (error_out != NULL)
      *error_out = (gesso_error){ st, 0, gesso_status_text(st) };
  }
  for (size_t i = 0; i < GS_COUNT(columns); i++)
    gs_buf_finish(columns[i]);
  gs_buf_finish(&x.strings);
  gs_buf_finish(&x.string_lens.buf);
  gs_buf_finish(&x.rest);
  gs_buf_finish(&buf);
  return st;
}

gesso_status gesso_update_v1_to_v2(gesso_bytes v1, gesso_buffer *out, gesso_error *error_out)
{
  return to_v2(v1, false, out, error_out);
}

/* --- documents --- */

gesso_status gesso_doc_apply_v2(gesso_doc *doc, gesso_bytes update, gesso_error *error_out)
{
  gesso_buffer v1;
  gesso_status st = gesso_update_v2_to_v1(update, &v1, error_out);
  if (st != GESSO_OK)
    return st;
  st = gesso_doc_apply_v1(doc, (gesso_bytes){ v1.data, v1.len }, error_out);
  if (st != GESSO_OK && error_out != NULL)
    error_out->offset = 0; /* a place in bytes that the caller never saw */
  gesso_buffer_free(&v1);
  return st;
}

gesso_status gesso_doc_encode_v2(gesso_doc *doc, gesso_bytes state_vector, gesso_buffer *out, gesso_error *error_out)
{
  gesso_buffer v1;
  *out = (gesso_buffer){ 0 };
  gesso_status st = gesso_doc_encode_v1(doc, state_vector, &v1, error_out);
  if (st != GESSO_OK)
    return st;
  st = to_v2((gesso_bytes){ v1.data, v1.len }, true, out, error_out);
  gesso_buffer_free(&v1);
  return st;
}
