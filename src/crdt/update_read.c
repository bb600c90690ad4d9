#include "crdt/structs.h"
#include "crdt/update.h"
#include "crdt/weak.h"
#include "gesso/update.h"
#include "wire/any.h"
#include "wire/json.h"
#include "wire/utf8.h"

enum { MAP_KEY = 0x20, RIGHT_ORIGIN = 0x40, ORIGIN = 0x80 };

static uint32_t read_clock(gs_reader *rd)
{
  const uint8_t *start = rd->at;
  uint64_t clock = gs_read_varuint(rd);
  if (clock > GS_CLOCK_MAX) {
    rd->at = start;
    gs_reader_fail(rd, GESSO_E_LIMIT, "a clock or length is past 2^31 - 1");
    return 0;
  }
  return (uint32_t)clock;
}

static uint32_t read_client(gs_reader *rd, gesso_doc *doc)
{
  uint64_t id = gs_read_varuint(rd);
  if (rd->err != GESSO_OK)
    return 0;
  uint32_t ix = gs_client_ix(doc, id);
  if (ix == 0)
    gs_reader_fail(rd, doc->nclients >= GS_CLIENTS_MAX ? GESSO_E_LIMIT : GESSO_E_NOMEM,
                   doc->nclients >= GS_CLIENTS_MAX ? "the document has too many clients" : "out of memory");
  return ix;
}

static gs_id read_id(gs_reader *rd, gesso_doc *doc)
{
  gs_id id;
  id.client = read_client(rd, doc);
  id.clock = read_clock(rd);
  return id;
}

static uint32_t read_key(gs_reader *rd, gesso_doc *doc)
{
  gesso_bytes s = gs_read_string(rd);
  if (rd->err != GESSO_OK)
    return 0;
  uint32_t key = gs_key_of(doc, s);
  if (key == 0)
    gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
  return key;
}

/* What a weak link points to is kept as its bytes (weak.h). */
static uint32_t read_link(gs_reader *rd, gesso_doc *doc)
{
  const uint8_t *from = rd->at;
  gs_weak_source source;
  gs_weak_read(rd, &source);
  if (rd->err != GESSO_OK)
    return 0;
  uint32_t key = gs_key_of(doc, (gesso_bytes){ from, (size_t)(rd->at - from) });
  if (key == 0)
    gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
  return key;
}

static gesso_bytes read_json(gs_reader *rd, bool undefined_too)
{
  gesso_bytes s = gs_read_bytes(rd);
  if (rd->err != GESSO_OK || (undefined_too && s.len == 9 && memcmp(s.data, "undefined", 9) == 0))
    return s;
  gesso_error why;
  if (gs_json_check(s, GS_ANY_DEPTH_MAX, &why) != GESSO_OK) {
    rd->at = s.data + why.offset;
    gs_reader_fail(rd, why.status, "a JSON value is malformed");
  }
  return s;
}

static void read_content(gs_reader *rd, gesso_doc *doc, gs_item *in, unsigned kind)
{
  const uint8_t *start = rd->at;
  gesso_bytes content = { start, 0 };
  in->len = 1;
  switch (kind) {
  case GS_GC:
  case GS_DELETED:
  case GS_SKIP:
    in->len = read_clock(rd);
    break;
  case GS_JSON:
  case GS_ANY: {
    in->len = gs_read_count(rd, 1);
    start = rd->at;
    for (uint32_t i = 0; i < in->len && rd->err == GESSO_OK; i++) {
      if (kind == GS_ANY)
        gs_any_skip(rd);
      else
        (void)read_json(rd, true);
    }
    content = (gesso_bytes){ start, (size_t)(rd->at - start) };
    break;
  }
  case GS_BINARY:
    content = gs_read_bytes(rd);
    break;
  case GS_STRING:
    content = gs_read_string(rd);
    in->len = (uint32_t)gs_utf8_utf16_len(content);
    break;
  case GS_EMBED:
    content = read_json(rd, false);
    break;
  case GS_FORMAT:
    (void)gs_read_string(rd);
    (void)read_json(rd, false);
    content = (gesso_bytes){ start, (size_t)(rd->at - start) };
    break;
  case GS_TYPE: {
    uint64_t ref = gs_read_varuint(rd);
    if (ref > GESSO_WEAK_LINK)
      gs_reader_fail(rd, GESSO_E_CORRUPT, "an unknown shared type");
    in->c.bytes = (uint32_t)ref;
    if (ref == GESSO_XML_ELEMENT || ref == GESSO_XML_HOOK)
      in->c.at = read_key(rd, doc);
    else if (ref == GESSO_WEAK_LINK)
      in->c.at = read_link(rd, doc);
    break;
  }
  case GS_DOC:
    (void)gs_read_string(rd);
    gs_any_skip(rd);
    content = (gesso_bytes){ start, (size_t)(rd->at - start) };
    break;
  default:
    break;
  }
  if (in->len == 0)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "a struct of length 0");
  if (kind == GS_TYPE || content.len == 0)
    return;
  in->c.at = (uint32_t)(content.data - rd->begin);
  in->c.bytes = (uint32_t)content.len;
}

void gs_read_struct(gs_reader *rd, gesso_doc *doc, uint32_t client, uint32_t clock, gs_item *out)
{
  uint8_t info = gs_read_u8(rd);
  unsigned kind = info & 31;
  if (kind > GS_SKIP) {
    if (rd->err == GESSO_OK)
      rd->at--;
    gs_reader_fail(rd, GESSO_E_CORRUPT, "an unknown kind of struct");
    return;
  }
  *out = (gs_item){ .head = client << GS_CLIENT_SHIFT | kind, .clock = clock };
  if (kind != GS_GC && kind != GS_SKIP) {
    if (info & ORIGIN)
      out->origin = read_id(rd, doc);
    if (info & RIGHT_ORIGIN)
      out->right_origin = read_id(rd, doc);
    if ((info & (ORIGIN | RIGHT_ORIGIN)) == 0) {
      out->head |= GS_IN_PARENT;
      if (gs_read_varuint(rd) == 1)
        out->left = read_key(rd, doc);
      else
        out->origin = read_id(rd, doc);
      if (info & MAP_KEY)
        out->slot = read_key(rd, doc);
    }
    /* What an item was put next to is older than the item. */
    if ((out->origin.client == client && out->origin.clock >= clock) ||
        (out->right_origin.client == client && out->right_origin.clock >= clock))
      gs_reader_fail(rd, GESSO_E_CORRUPT, "a struct refers to itself or a later one");
  }
  read_content(rd, doc, out, kind);
}

/* --- the usual structs, read with few branches --- */

/* A client id as it stood in the update last: comparing its bytes saves reading it. n == 0: there was none yet. */
typedef struct seen {
  uint64_t bytes, mask;
  uint32_t ix;
  unsigned n;
} seen;

static unsigned client_at(const uint8_t *p, gesso_doc *doc, seen *s, uint32_t *ix)
{
  uint64_t bytes, id;
  memcpy(&bytes, p, 8);
  if (s->n != 0 && ((bytes ^ s->bytes) & s->mask) == 0) {
    *ix = s->ix;
    return s->n;
  }
  unsigned n = gs_varuint_at(p, &id);
  if (n == 0 || (*ix = gs_client_ix(doc, id)) == 0)
    return 0;
  uint64_t mask = 0;
  memset(&mask, 0xff, n);
  *s = (seen){ bytes, mask, *ix, n };
  return n;
}

/* Reads an id at *p and goes on. Of both numbers 8 bytes can be read. */
static inline bool id_at(const uint8_t **p, gesso_doc *doc, seen *s, gs_id *out)
{
  uint64_t clock;
  unsigned n = client_at(*p, doc, s, &out->client);
  unsigned m = gs_varuint_at(*p + n, &clock);
  *p += n + m;
  out->clock = (uint32_t)clock;
  return n != 0 && m != 0 && clock <= GS_CLOCK_MAX;
}

/* Reads one struct as gs_read_struct does if it is a usual one without fault. False: it is for gs_read_struct, and
 * nothing was read. */
static bool read_usual(gs_reader *rd, gesso_doc *doc, seen ids[2], uint32_t client, uint32_t clock, gs_item *out)
{
  enum { USUAL = 1u << GS_GC | 1u << GS_DELETED | 1u << GS_STRING | 1u << GS_ANY };
  enum { SURE = 64 }; /* more than the numbers before a content can take */
  const uint8_t *p = rd->at;
  if (gs_reader_left(rd) < SURE)
    return false;
  uint8_t info = *p++;
  unsigned kind = info & 31;
  if ((USUAL >> kind & 1) == 0 || (kind != GS_GC && (info & (ORIGIN | RIGHT_ORIGIN)) == 0))
    return false;
  gs_item in = { .head = client << GS_CLIENT_SHIFT | kind, .clock = clock };
  if (kind != GS_GC && (((info & ORIGIN) != 0 && !id_at(&p, doc, &ids[0], &in.origin)) ||
                        ((info & RIGHT_ORIGIN) != 0 && !id_at(&p, doc, &ids[1], &in.right_origin)) ||
                        (in.origin.client == client && in.origin.clock >= clock) ||
                        (in.right_origin.client == client && in.right_origin.clock >= clock)))
    return false;
  uint64_t len;
  unsigned n = gs_varuint_at(p, &len);
  p += n;
  if (n == 0 || len == 0 || len > GS_CLOCK_MAX)
    return false;
  in.len = (uint32_t)len;
  if (kind == GS_STRING) {
    gesso_bytes s = { p, (size_t)len };
    if (len > (size_t)(rd->end - p))
      return false;
    if (!gs_utf8_is_ascii(s)) {
      if (gs_utf8_invalid_at(s) != s.len)
        return false;
      in.len = (uint32_t)gs_utf8_utf16_len(s);
    }
    in.c.at = (uint32_t)(p - rd->begin);
    in.c.bytes = (uint32_t)len;
    p += len;
  } else if (kind == GS_ANY) {
    if (len > (size_t)(rd->end - p))
      return false;
    gs_reader values = *rd;
    values.at = p;
    for (; len > 0 && values.err == GESSO_OK; len--)
      gs_any_skip(&values);
    if (values.err != GESSO_OK)
      return false;
    in.c.at = (uint32_t)(p - rd->begin);
    in.c.bytes = (uint32_t)(values.at - p);
    p = values.at;
  }
  rd->at = p;
  *out = in;
  return true;
}

void gs_read_update(gs_reader *rd, gesso_doc *doc, gs_update *out)
{
  seen ids[2] = { { 0, 0, 0, 0 }, { 0, 0, 0, 0 } };
  uint32_t nclients = gs_read_count(rd, 3);
  uint32_t declared = 0;
  for (uint32_t i = 0; i < nclients && rd->err == GESSO_OK; i++) {
    uint32_t structs = gs_read_count(rd, 2);
    uint32_t client = read_client(rd, doc);
    uint32_t clock = read_clock(rd);
    if (rd->err != GESSO_OK)
      break;
    if (structs > GESSO_UPDATE_STRUCTS_MAX - declared) {
      gs_reader_fail(rd, GESSO_E_LIMIT, "the update has too many structs");
      break;
    }
    declared += structs;
    if (structs == 0)
      continue;
    gs_update_client(rd, doc, out, client);
    if (rd->err != GESSO_OK)
      break;
    if (!gs_items_room(doc, structs, structs))
      gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
    for (uint32_t k = 0; k < structs && rd->err == GESSO_OK; k++) {
      gs_item *in = &doc->items[gs_update_stage_reserved(doc, out)];
      if (!read_usual(rd, doc, ids, client, clock, in))
        gs_read_struct(rd, doc, client, clock, in);
      if (rd->err != GESSO_OK)
        break;
      if (in->len > GS_CLOCK_MAX - clock)
        gs_reader_fail(rd, GESSO_E_LIMIT, "a clock or length is past 2^31 - 1");
      clock += in->len;
      if (gs_kind(in) == GS_SKIP)
        gs_update_unstage(doc, out);
    }
    doc->clients[client].in_end = out->end;
  }
  out->own_end = out->end;
  uint32_t ndel = gs_read_count(rd, 2);
  for (uint32_t i = 0; i < ndel && rd->err == GESSO_OK; i++) {
    uint32_t client = read_client(rd, doc);
    uint32_t ranges = gs_read_count(rd, 2);
    if (rd->err != GESSO_OK)
      break;
    if (!gs_grow(doc->alloc, &out->dels.v, &out->dels.cap, (size_t)out->dels.n + ranges, sizeof(gs_range))) {
      gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
      break;
    }
    for (uint32_t k = 0; k < ranges && rd->err == GESSO_OK; k++) {
      gs_range r = { .client = client };
      r.clock = read_clock(rd);
      r.len = read_clock(rd);
      if (r.len > GS_CLOCK_MAX - r.clock)
        gs_reader_fail(rd, GESSO_E_LIMIT, "a clock or length is past 2^31 - 1");
      if (r.len > 0)
        out->dels.v[out->dels.n++] = r;
    }
  }
}
