#include "crdt/record.h"
#include "crdt/weak.h"
#include "gesso/update.h"
#include "wire/any.h"
#include "wire/json.h"
#include "wire/utf8.h"

enum { MAP_KEY = 0x20, RIGHT_ORIGIN = 0x40, ORIGIN = 0x80, KINDS = 31 };

static const char past_2_53[] = "a clock is larger than 2^53 - 1";

static void check_json(gs_reader *rd, gesso_bytes s, bool undefined_too)
{
  gesso_error why;
  if (rd->err != GESSO_OK || (undefined_too && s.len == 9 && memcmp(s.data, "undefined", 9) == 0) ||
      gs_json_check(s, GS_ANY_DEPTH_MAX, &why) == GESSO_OK)
    return;
  rd->at = s.data + why.offset;
  gs_reader_fail(rd, why.status, "a JSON value is malformed");
}

static void read_any(gs_reader *rd, gesso_bytes *out, uint64_t n)
{
  const uint8_t *from = rd->at;
  for (uint64_t i = 0; i < n && rd->err == GESSO_OK; i++)
    gs_any_skip(rd);
  *out = (gesso_bytes){ from, rd->err == GESSO_OK ? (size_t)(rd->at - from) : 0 };
}

static void read_type_kind(gs_reader *rd, gs_record *out, uint64_t ref)
{
  if (ref > GESSO_WEAK_LINK)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "an unknown shared type");
  out->type_kind = (uint8_t)ref;
}

static bool has_name(const gs_record *rec)
{
  return rec->type_kind == GESSO_XML_ELEMENT || rec->type_kind == GESSO_XML_HOOK;
}

/* The flags; true when ids and a parent follow. */
static bool read_info(gs_record *out, uint8_t info)
{
  out->kind = info & KINDS;
  bool item = out->kind != GS_GC && out->kind < GS_SKIP;
  out->has_origin = item && (info & ORIGIN) != 0;
  out->has_right = item && (info & RIGHT_ORIGIN) != 0;
  out->has_parent = item && !out->has_origin && !out->has_right;
  out->info_sub = item && (info & MAP_KEY) != 0;
  out->has_sub = out->info_sub && out->has_parent;
  out->has_root = false;
  out->len = 1;
  return item;
}

static void check_len(gs_reader *rd, const gs_record *rec)
{
  if (rd->err != GESSO_OK)
    return;
  if (rec->len == 0)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "a struct of length 0");
  else if (rec->len > GS_MAX_SAFE_INTEGER - rec->clock)
    gs_reader_fail(rd, GESSO_E_RANGE, past_2_53);
}

static gs_wire_id read_id(gs_reader *rd)
{
  gs_wire_id id;
  id.client = gs_read_varuint(rd);
  id.clock = gs_read_varuint(rd);
  return id;
}

static gs_jstr read_jstr(gs_reader *rd)
{
  return gs_jstr_of(gs_read_string(rd), GS_UNITS_UNKNOWN);
}

static void read_weak_end(gs_reader *rd, gs_strings *names, bool named, gs_wire_id *id, gs_jstr *name)
{
  if (!named)
    *id = read_id(rd);
  else
    *name = names != NULL ? gs_strings_next(rd, names) : read_jstr(rd);
}

/* v2 has the names of roots among its strings; v1 (names NULL) where they are used. */
static void read_weak(gs_reader *rd, gs_strings *names, gs_weak_record *out)
{
  *out = (gs_weak_record){ .flags = gs_read_u8(rd) };
  if (out->flags > GS_WEAK_FLAGS)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "an unknown kind of weak link");
  read_weak_end(rd, names, gs_weak_start_named(out->flags), &out->start, &out->start_name);
  if (gs_weak_has_end(out->flags))
    read_weak_end(rd, names, gs_weak_end_named(out->flags), &out->end, &out->end_name);
}

void gs_weak_record_read_v1(gs_reader *rd, gs_weak_record *out)
{
  read_weak(rd, NULL, out);
}

/* --- v1 --- */

void gs_record_read_v1(gs_reader *rd, gs_record *out)
{
  const uint8_t *start = rd->at;
  out->v2 = false;
  if (read_info(out, gs_read_u8(rd))) {
    if (out->has_origin)
      out->origin = read_id(rd);
    if (out->has_right)
      out->right_origin = read_id(rd);
    if (out->has_parent) {
      out->has_root = gs_read_varuint(rd) == 1;
      if (out->has_root)
        out->root = read_jstr(rd);
      else
        out->parent = read_id(rd);
      if (out->has_sub)
        out->sub = read_jstr(rd);
    }
  }
  switch (out->kind) {
  case GS_GC:
  case GS_SKIP:
  case GS_DELETED:
    out->len = gs_read_varuint(rd);
    break;
  case GS_JSON: {
    out->len = gs_read_count(rd, 1);
    const uint8_t *from = rd->at;
    for (uint64_t i = 0; i < out->len && rd->err == GESSO_OK; i++)
      check_json(rd, gs_read_bytes(rd), true);
    out->value = (gesso_bytes){ from, rd->err == GESSO_OK ? (size_t)(rd->at - from) : 0 };
    break;
  }
  case GS_ANY:
    out->len = gs_read_count(rd, 1);
    read_any(rd, &out->value, out->len);
    break;
  case GS_BINARY:
    out->value = gs_read_bytes(rd);
    break;
  case GS_STRING: {
    gesso_bytes s = gs_read_string(rd);
    out->len = gs_utf8_utf16_len(s);
    out->text = gs_jstr_of(s, (size_t)out->len);
    break;
  }
  case GS_FORMAT:
    out->text = read_jstr(rd);
    /* fall through */
  case GS_EMBED:
    out->value = gs_read_bytes(rd);
    check_json(rd, out->value, false);
    break;
  case GS_TYPE:
    read_type_kind(rd, out, gs_read_varuint(rd));
    if (has_name(out))
      out->text = read_jstr(rd);
    else if (out->type_kind == GESSO_WEAK_LINK)
      read_weak(rd, NULL, &out->weak);
    break;
  case GS_DOC:
    out->text = read_jstr(rd);
    read_any(rd, &out->value, 1);
    break;
  default:
    rd->at = start;
    gs_reader_fail(rd, GESSO_E_CORRUPT, "an unknown kind of struct");
  }
  check_len(rd, out);
  out->raw = (gesso_bytes){ start, rd->err == GESSO_OK ? (size_t)(rd->at - start) : 0 };
}

/* --- v2 --- */

static gs_wire_id next_id(gs_reader *rd, gs_columns *c, gs_col *clocks)
{
  gs_wire_id id;
  id.client = gs_col_uint(rd, &c->clients);
  id.clock = gs_col_diff(rd, clocks);
  return id;
}

static gs_jstr next_key(const gesso_allocator *al, gs_reader *rd, gs_columns *c)
{
  uint64_t n = gs_col_diff(rd, &c->key_clocks);
  if (n < c->nkeys)
    return c->keys[n];
  gs_jstr key = gs_strings_next(rd, &c->strings);
  if (rd->err != GESSO_OK)
    return key;
  if (!gs_grow(al, &c->keys, &c->keys_cap, (size_t)c->nkeys + 1, sizeof *c->keys))
    gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
  else
    c->keys[c->nkeys++] = key;
  return key;
}

/* JSON texts have no end of a number of their own here; an empty one is no JSON, so they take bytes. */
static void read_json_strings(gs_reader *rd, gs_columns *c, gs_record *out)
{
  out->json = c->strings;
  for (uint64_t i = 0; i < out->len && rd->err == GESSO_OK; i++) {
    gs_jstr s = gs_strings_next(rd, &c->strings);
    if (s.low != 0 || s.high != 0)
      gs_reader_fail(rd, GESSO_E_CORRUPT, "a JSON value is malformed");
    check_json(rd, s.utf8, true);
  }
}

static void record_read_v2(gs_records *r)
{
  gs_reader *rd = &r->rd;
  gs_columns *c = r->columns;
  gs_record *out = &r->rec;
  out->v2 = true;
  out->raw = (gesso_bytes){ rd->at, 0 };
  if (read_info(out, gs_col_rle(rd, &c->infos))) {
    if (out->has_origin)
      out->origin = next_id(rd, c, &c->lefts);
    if (out->has_right)
      out->right_origin = next_id(rd, c, &c->rights);
    if (out->has_parent) {
      out->has_root = gs_col_rle(rd, &c->parents) == 1;
      if (out->has_root)
        out->root = gs_strings_next(rd, &c->strings);
      else
        out->parent = next_id(rd, c, &c->lefts);
      if (out->has_sub)
        out->sub = gs_strings_next(rd, &c->strings);
    }
  }
  switch (out->kind) {
  case GS_GC:
  case GS_DELETED:
    out->len = gs_col_uint(rd, &c->lens);
    break;
  case GS_SKIP:
    out->len = gs_read_varuint(rd);
    break;
  case GS_JSON:
    out->len = gs_col_uint(rd, &c->lens);
    read_json_strings(rd, c, out);
    break;
  case GS_ANY:
    out->len = gs_col_uint(rd, &c->lens);
    read_any(rd, &out->value, out->len);
    break;
  case GS_BINARY:
    out->value = gs_read_bytes(rd);
    break;
  case GS_STRING:
    out->text = gs_strings_next(rd, &c->strings);
    out->len = out->text.units;
    break;
  case GS_FORMAT:
    out->text = next_key(r->alloc, rd, c);
    /* fall through */
  case GS_EMBED:
    read_any(rd, &out->value, 1);
    break;
  case GS_TYPE:
    read_type_kind(rd, out, gs_col_uint(rd, &c->types));
    out->text = has_name(out) ? next_key(r->alloc, rd, c) : (gs_jstr){ .units = 0 };
    if (out->type_kind == GESSO_WEAK_LINK)
      read_weak(rd, &c->strings, &out->weak);
    break;
  case GS_DOC:
    out->text = gs_strings_next(rd, &c->strings);
    read_any(rd, &out->value, 1);
    break;
  default:
    gs_reader_fail(rd, GESSO_E_CORRUPT, "an unknown kind of struct");
  }
  check_len(rd, out);
}

/* --- updates --- */

static bool open_columns(gs_records *r)
{
  gs_columns *c = GS_NEW(r->alloc, gs_columns);
  if (c == NULL)
    return false;
  gs_reader *rd = &r->rd;
  (void)gs_read_varuint(rd); /* a flag of no meaning yet; Yjs ignores it too */
  c->key_clocks = gs_col_open(rd);
  c->clients = gs_col_open(rd);
  c->lefts = gs_col_open(rd);
  c->rights = gs_col_open(rd);
  c->infos = gs_col_open(rd);
  c->strings = gs_strings_open(rd);
  c->parents = gs_col_open(rd);
  c->types = gs_col_open(rd);
  c->lens = gs_col_open(rd);
  r->columns = c;
  return true;
}

void gs_records_open(gs_records *r, const gesso_allocator *al, gesso_bytes update, bool v2)
{
  *r = (gs_records){ .alloc = al, .rd = gs_reader_of(update), .falling = true };
  if (v2 && !open_columns(r))
    gs_reader_fail(&r->rd, GESSO_E_NOMEM, "out of memory");
  r->clients = gs_read_count(&r->rd, v2 ? 2 : 3);
}

static void next_block(gs_records *r)
{
  if (r->columns == NULL) {
    r->structs = gs_read_count(&r->rd, 2);
    r->client = gs_read_varuint(&r->rd);
  } else {
    r->structs = gs_read_varuint(&r->rd);
    r->total += r->structs;
    if (r->total > GESSO_UPDATE_STRUCTS_MAX)
      gs_reader_fail(&r->rd, GESSO_E_LIMIT, "too many structs");
    r->client = gs_col_uint(&r->rd, &r->columns->clients);
  }
  r->clock = gs_read_varuint(&r->rd);
  if (r->structs == 0)
    return;
  if (r->blocks++ > 0 && r->client >= r->last)
    r->falling = false;
  r->last = r->client;
}

bool gs_records_next(gs_records *r)
{
  while (r->structs == 0) {
    if (r->clients == 0 || r->rd.err != GESSO_OK)
      return false;
    r->clients--;
    next_block(r);
    if (r->rd.err != GESSO_OK)
      return false;
  }
  r->structs--;
  r->rec.client = r->client;
  r->rec.clock = r->clock;
  if (r->columns == NULL)
    gs_record_read_v1(&r->rd, &r->rec);
  else
    record_read_v2(r);
  r->clock += r->rec.len;
  return r->rd.err == GESSO_OK;
}

void gs_records_close(gs_records *r)
{
  if (r->columns != NULL)
    gs_free(r->alloc, r->columns->keys, r->columns->keys_cap * sizeof *r->columns->keys);
  gs_free(r->alloc, r->columns, sizeof *r->columns);
  r->columns = NULL;
}

gesso_status gs_records_status(const gs_records *r, gesso_status written, gesso_error *error_out)
{
  if (r->rd.err != GESSO_OK)
    return gs_reader_status(&r->rd, error_out);
  if (written != GESSO_OK && error_out != NULL)
    *error_out = (gesso_error){ written, 0, written == GESSO_E_LIMIT ? "the result is out of all proportion"
                                                                      : gesso_status_text(written) };
  return written;
}
