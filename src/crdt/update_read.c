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

static void read_content(gs_reader *rd, gesso_doc *doc, gs_in *in)
{
  const uint8_t *start = rd->at;
  in->len = 1;
  switch (in->kind) {
  case GS_GC:
  case GS_DELETED:
  case GS_SKIP:
    in->len = read_clock(rd);
    in->content = (gesso_bytes){ rd->at, 0 };
    break;
  case GS_JSON:
  case GS_ANY: {
    in->len = gs_read_count(rd, 1);
    start = rd->at;
    for (uint32_t i = 0; i < in->len && rd->err == GESSO_OK; i++) {
      if (in->kind == GS_ANY)
        gs_any_skip(rd);
      else
        (void)read_json(rd, true);
    }
    in->content = (gesso_bytes){ start, (size_t)(rd->at - start) };
    break;
  }
  case GS_BINARY:
    in->content = gs_read_bytes(rd);
    break;
  case GS_STRING:
    in->content = gs_read_string(rd);
    in->len = (uint32_t)gs_utf8_utf16_len(in->content);
    break;
  case GS_EMBED:
    in->content = read_json(rd, false);
    break;
  case GS_FORMAT:
    (void)gs_read_string(rd);
    (void)read_json(rd, false);
    in->content = (gesso_bytes){ start, (size_t)(rd->at - start) };
    break;
  case GS_TYPE: {
    uint64_t ref = gs_read_varuint(rd);
    if (ref > GESSO_WEAK_LINK)
      gs_reader_fail(rd, GESSO_E_CORRUPT, "an unknown shared type");
    in->type_kind = (uint8_t)ref;
    if (ref == GESSO_XML_ELEMENT || ref == GESSO_XML_HOOK)
      in->name = read_key(rd, doc);
    else if (ref == GESSO_WEAK_LINK)
      in->name = read_link(rd, doc);
    in->content = (gesso_bytes){ rd->at, 0 };
    break;
  }
  case GS_DOC:
    (void)gs_read_string(rd);
    gs_any_skip(rd);
    in->content = (gesso_bytes){ start, (size_t)(rd->at - start) };
    break;
  default:
    rd->at--;
    gs_reader_fail(rd, GESSO_E_CORRUPT, "an unknown kind of struct");
  }
  if (in->len == 0)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "a struct of length 0");
}

void gs_read_struct(gs_reader *rd, gesso_doc *doc, uint32_t client, uint32_t clock, gs_in *out)
{
  const uint8_t *start = rd->at;
  uint8_t info = gs_read_u8(rd);
  *out = (gs_in){ .client = client, .clock = clock, .kind = info & 31 };
  if (out->kind != GS_GC && out->kind != GS_SKIP) {
    if (info & ORIGIN)
      out->origin = read_id(rd, doc);
    if (info & RIGHT_ORIGIN)
      out->right_origin = read_id(rd, doc);
    out->has_sub = (info & MAP_KEY) != 0;
    if ((info & (ORIGIN | RIGHT_ORIGIN)) == 0) {
      out->has_parent = true;
      if (gs_read_varuint(rd) == 1)
        out->root = read_key(rd, doc);
      else
        out->parent = read_id(rd, doc);
      if (out->has_sub)
        out->sub = read_key(rd, doc);
    }
    /* What an item was put next to is older than the item. */
    if ((out->origin.client == client && out->origin.clock >= clock) ||
        (out->right_origin.client == client && out->right_origin.clock >= clock) ||
        (out->parent.client == client && out->parent.clock >= clock))
      gs_reader_fail(rd, GESSO_E_CORRUPT, "a struct refers to itself or a later one");
  }
  read_content(rd, doc, out);
  out->raw = (gesso_bytes){ start, (size_t)(rd->at - start) };
}

void gs_read_update(gs_reader *rd, gesso_doc *doc, gs_update *out)
{
  uint32_t nclients = gs_read_count(rd, 3);
  for (uint32_t i = 0; i < nclients && rd->err == GESSO_OK; i++) {
    uint32_t structs = gs_read_count(rd, 2);
    uint32_t client = read_client(rd, doc);
    uint32_t clock = read_clock(rd);
    if (rd->err != GESSO_OK)
      break;
    if (out->n + structs > GESSO_UPDATE_STRUCTS_MAX) {
      gs_reader_fail(rd, GESSO_E_LIMIT, "the update has too many structs");
      break;
    }
    gs_client *c = &doc->clients[client];
    if (c->in_end != 0) {
      gs_reader_fail(rd, GESSO_E_CORRUPT, "a client appears twice");
      break;
    }
    if (!gs_grow(doc->alloc, &out->clients, &out->clients_cap, (size_t)out->nclients + 1, sizeof(uint32_t)) ||
        !gs_grow(doc->alloc, &out->v, &out->cap, (size_t)out->n + structs, sizeof(gs_in))) {
      gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
      break;
    }
    out->clients[out->nclients++] = client;
    uint32_t first = out->n;
    for (uint32_t k = 0; k < structs && rd->err == GESSO_OK; k++) {
      gs_in *in = &out->v[out->n++];
      gs_read_struct(rd, doc, client, clock, in);
      if (in->len > GS_CLOCK_MAX - clock)
        gs_reader_fail(rd, GESSO_E_LIMIT, "a clock or length is past 2^31 - 1");
      clock += in->len;
    }
    c = &doc->clients[client];
    c->in_first = first;
    c->in_end = out->n != first ? out->n : 0;
  }
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

void gs_update_forget(gesso_doc *doc, gs_update *up)
{
  for (uint32_t i = 0; i < up->nclients; i++)
    if (up->clients[i] < doc->nclients) {
      doc->clients[up->clients[i]].in_first = 0;
      doc->clients[up->clients[i]].in_end = 0;
    }
  gs_buf_finish(&up->made);
  gs_buf_finish(&up->made_raw);
}
