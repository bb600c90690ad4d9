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

void gs_read_update(gs_reader *rd, gesso_doc *doc, gs_update *out)
{
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
