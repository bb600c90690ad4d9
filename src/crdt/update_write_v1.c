/* Structs of a document, and of updates that wait, as the v1 encoding has them. */
#include "crdt/content.h"
#include "crdt/record.h"
#include "crdt/runs.h"
#include "crdt/update.h"

enum { MAP_KEY = 0x20, RIGHT_ORIGIN = 0x40, ORIGIN = 0x80 };

static void write_id(const gesso_doc *doc, gs_buf *out, gs_id id)
{
  gs_write_varuint(out, doc->clients[id.client].id);
  gs_write_varuint(out, id.clock);
}

/* Elements offset .. end - 1 of a content of `len` elements. */
static void write_content(gs_buf *out, unsigned kind, uint32_t len, gesso_bytes content, uint32_t offset, uint32_t end)
{
  gesso_bytes parts[3] = { content };
  uint32_t nparts = 1;
  int pair;
  switch (kind) {
  case GS_GC:
  case GS_DELETED:
  case GS_SKIP:
    gs_write_varuint(out, end - offset);
    return;
  case GS_JSON:
  case GS_ANY:
    gs_write_varuint(out, end - offset);
    if (end < len)
      parts[0].len = gs_content_offset(kind, content, end, &pair);
    if (offset > 0) {
      size_t skip = gs_content_offset(kind, content, offset, &pair);
      parts[0].data += skip;
      parts[0].len -= skip;
    }
    break;
  case GS_STRING: {
    /* Half of a surrogate pair leaves as U+FFFD. */
    if (offset > 0 || end < len)
      nparts = gs_string_parts(content, len, offset, end, parts);
    size_t bytes = 0;
    for (uint32_t i = 0; i < nparts; i++)
      bytes += parts[i].len;
    gs_write_varuint(out, bytes);
    break;
  }
  case GS_BINARY:
  case GS_EMBED:
    gs_write_varuint(out, content.len);
    break;
  default:
    break;
  }
  for (uint32_t i = 0; i < nparts; i++)
    gs_buf_write(out, parts[i].data, parts[i].len);
}

static void write_type(const gesso_doc *doc, gs_buf *out, unsigned kind, uint32_t name)
{
  gs_write_varuint(out, kind);
  if (kind == GESSO_XML_ELEMENT || kind == GESSO_XML_HOOK)
    gs_write_bytes(out, gs_key_text(doc, name));
  else if (kind == GESSO_WEAK_LINK)
    gs_buf_write(out, gs_key_text(doc, name).data, gs_key_text(doc, name).len);
}

void gs_write_struct(gesso_doc *doc, gs_buf *out, const gs_item *it, uint32_t offset, uint32_t end, bool merged)
{
  unsigned kind = gs_kind(it);
  if (kind == GS_GC) {
    gs_buf_put(out, GS_GC);
    gs_write_varuint(out, end - offset);
    return;
  }
  gs_id origin = offset > 0 ? (gs_id){ gs_client_of(it), it->clock + offset - 1 } : it->origin;
  const gs_slot *slot = &doc->slots[it->slot];
  gs_buf_put(out, (uint8_t)(kind | (origin.client != 0 ? ORIGIN : 0) |
                            (it->right_origin.client != 0 ? RIGHT_ORIGIN : 0) |
                            (slot->key != 0 && !(merged && (origin.client != 0 || it->right_origin.client != 0)) ? MAP_KEY
                                                                                                                : 0)));
  if (origin.client != 0)
    write_id(doc, out, origin);
  if (it->right_origin.client != 0)
    write_id(doc, out, it->right_origin);
  if (origin.client == 0 && it->right_origin.client == 0) {
    const gs_type *parent = &doc->types[slot->type];
    if (parent->item == 0) {
      gs_write_varuint(out, 1);
      gs_write_bytes(out, gs_key_text(doc, parent->name));
    } else {
      const gs_item *holder = &doc->items[parent->item];
      gs_write_varuint(out, 0);
      write_id(doc, out, (gs_id){ gs_client_of(holder), holder->clock });
    }
    if (slot->key != 0)
      gs_write_bytes(out, gs_key_text(doc, slot->key));
  }
  if (kind == GS_TYPE)
    write_type(doc, out, doc->types[it->c.type].kind, doc->types[it->c.type].name);
  else if (offset > 0 && (kind == GS_ANY || kind == GS_JSON)) {
    /* What was appended to a long item: its front is not read again for each. */
    int pair;
    size_t skip = gs_content_find(doc, it, offset, &pair);
    gesso_bytes content = gs_content(doc, it);
    write_content(out, kind, it->len - offset, (gesso_bytes){ content.data + skip, content.len - skip }, 0, end - offset);
  } else {
    write_content(out, kind, it->len, gs_content(doc, it), offset, end);
  }
}

void gs_write_in(gesso_doc *doc, gs_buf *out, const gs_item *in, gesso_bytes content, uint32_t offset)
{
  unsigned kind = gs_kind(in);
  if (kind == GS_GC) {
    gs_buf_put(out, GS_GC);
    gs_write_varuint(out, in->len - offset);
    return;
  }
  bool parent = (in->head & GS_IN_PARENT) != 0;
  gs_id origin = offset > 0 ? (gs_id){ gs_client_of(in), in->clock + offset - 1 } : gs_in_origin(in);
  gs_buf_put(out, (uint8_t)(kind | (origin.client != 0 ? ORIGIN : 0) | (in->right_origin.client != 0 ? RIGHT_ORIGIN : 0) |
                            (parent && in->slot != 0 ? MAP_KEY : 0)));
  if (origin.client != 0)
    write_id(doc, out, origin);
  if (in->right_origin.client != 0)
    write_id(doc, out, in->right_origin);
  if (parent && offset == 0) {
    gs_write_varuint(out, in->left != 0);
    if (in->left != 0)
      gs_write_bytes(out, gs_key_text(doc, in->left));
    else
      write_id(doc, out, in->origin);
    if (in->slot != 0)
      gs_write_bytes(out, gs_key_text(doc, in->slot));
  }
  if (kind == GS_TYPE)
    write_type(doc, out, in->c.bytes, in->c.at);
  else
    write_content(out, kind, in->len, content, offset, in->len);
}

/* --- all structs of a client from a clock on --- */

/* Clients as they are written. Few come again and again, so that each is encoded once. */
enum { KNOWN = 32 };
typedef struct known_id {
  uint64_t bytes; /* at most eight: ids end below 2^53 */
  uint32_t client, len;
} known_id;

/* Where structs go: there is room up to `limit`. */
typedef struct pen {
  gs_buf *out;
  uint8_t *at, *limit;
  bool merged;
  known_id ids[KNOWN]; /* by the lowest bits of the client; zero bytes for none */
} pen;

/* What a struct takes at most, besides its content and names, with what may be scribbled over behind it. */
enum { STRUCT_MAX = 64, STRUCT_USUAL = 16 };

/* Room for `need` bytes, and for `more` structs that are likely to follow. */
static inline bool pen_room(pen *p, size_t need, uint32_t more)
{
  if ((size_t)(p->limit - p->at) >= need)
    return true;
  p->out->b.len = (size_t)(p->at - p->out->b.data);
  need += (size_t)more * STRUCT_USUAL;
  if (!gs_buf_room(p->out, need))
    return false;
  p->at = p->out->b.data + p->out->b.len;
  p->limit = p->at + need;
  return true;
}

static void pen_learn(const gesso_doc *doc, known_id *known, uint32_t client)
{
  uint8_t bytes[16] = { 0 };
  *known = (known_id){ .client = client };
  if (client != 0)
    known->len = (uint32_t)(gs_put_varuint(bytes, doc->clients[client].id) - bytes);
  memcpy(&known->bytes, bytes, sizeof known->bytes);
}

static inline const known_id *pen_client(const gesso_doc *doc, pen *p, uint32_t client)
{
  known_id *known = &p->ids[client % KNOWN];
  if (known->client != client)
    pen_learn(doc, known, client);
  return known;
}

/* An id, or nothing when there is none, without a branch. */
static inline uint8_t *put_id(const gesso_doc *doc, pen *p, uint8_t *at, gs_id id)
{
  const known_id *known = pen_client(doc, p, id.client);
  memcpy(at, &known->bytes, sizeof known->bytes);
  at += known->len;
  return at + (gs_put_varuint56(at, id.clock) - at) * (id.client != 0);
}

static uint8_t *put_bytes(uint8_t *at, gesso_bytes bytes)
{
  at = gs_put_varuint56(at, bytes.len);
  if (bytes.len > 0)
    memcpy(at, bytes.data, bytes.len);
  return at + bytes.len;
}

static uint8_t *put_parent(const gesso_doc *doc, pen *p, uint8_t *at, const gs_slot *slot)
{
  const gs_type *parent = &doc->types[slot->type];
  *at++ = parent->item == 0;
  if (parent->item == 0) {
    at = put_bytes(at, gs_key_text(doc, parent->name));
  } else {
    const gs_item *holder = &doc->items[parent->item];
    at = put_id(doc, p, at, (gs_id){ gs_client_of(holder), holder->clock });
  }
  return slot->key != 0 ? put_bytes(at, gs_key_text(doc, slot->key)) : at;
}

static size_t parent_bytes(const gesso_doc *doc, const gs_slot *slot)
{
  const gs_type *parent = &doc->types[slot->type];
  size_t name = parent->item == 0 ? gs_key_text(doc, parent->name).len : 0;
  return name + (slot->key != 0 ? gs_key_text(doc, slot->key).len : 0);
}

/* One for which gs_is_common. */
static GS_ALWAYS_INLINE bool put_common(const gesso_doc *doc, pen *p, const gs_item *it, uint32_t more)
{
  unsigned kind = gs_kind(it);
  bool has_bytes = kind == GS_STRING || kind == GS_ANY;
  uint32_t bytes = has_bytes ? gs_content_bytes(it) : 0, number = kind == GS_STRING ? bytes : it->len;
  bool anchored = (it->origin.client | it->right_origin.client) != 0;
  if (kind == GS_GC) {
    if (!pen_room(p, STRUCT_MAX, more))
      return false;
    *p->at++ = GS_GC;
    p->at = gs_put_varuint56(p->at, it->len);
    return true;
  }
  const gs_slot *slot = &doc->slots[it->slot];
  if (!pen_room(p, STRUCT_MAX + bytes + (anchored ? 0 : parent_bytes(doc, slot)), more))
    return false;
  uint8_t *at = p->at;
  *at++ = (uint8_t)(kind | (it->origin.client != 0 ? ORIGIN : 0) | (it->right_origin.client != 0 ? RIGHT_ORIGIN : 0) |
                    (slot->key != 0 && !(p->merged && anchored) ? MAP_KEY : 0));
  if (anchored)
    at = put_id(doc, p, put_id(doc, p, at, it->origin), it->right_origin);
  else
    at = put_parent(doc, p, at, slot);
  if (kind == GS_TYPE)
    number = doc->types[it->c.type].kind;
  at = gs_put_length(at, number);
  gs_content_copy(doc, at, it, bytes);
  p->at = at + bytes;
  return true;
}

/* What is unusual goes past the pen. */
static void put_unusual(gesso_doc *doc, pen *p, const gs_item *it, uint32_t from)
{
  p->out->b.len = (size_t)(p->at - p->out->b.data);
  gs_write_struct(doc, p->out, it, it->clock < from ? from - it->clock : 0, it->len, p->merged);
  p->at = p->limit = p->out->b.data + p->out->b.len;
}

/* Packed tombstones, most of which follow the one before them at their key. */
static void put_run(gesso_doc *doc, pen *p, const gs_item *run, uint32_t from)
{
  enum { PLAIN_MAX = 16 }; /* bytes, and what is scribbled over behind the last one */
  gs_run_reader r = gs_run_open(doc, run);
  uint8_t info = GS_DELETED | ORIGIN | (p->merged ? 0 : MAP_KEY);
  gs_packed packed;
  while (gs_run_next(&r, &packed)) {
    if (packed.item.clock + packed.item.len <= from)
      continue;
    if (packed.item.clock < from)
      put_unusual(doc, p, &packed.item, from);
    else
      (void)put_common(doc, p, &packed.item, r.left_over);
    if (!pen_room(p, ((size_t)r.left_over + 1) * PLAIN_MAX, 0))
      return;
    uint8_t *at = p->at;
    known_id own = *pen_client(doc, p, r.client); /* the one before stands in the run too */
    for (gs_id origin; gs_run_plain(&r, &origin);) {
      *at++ = info;
      memcpy(at, &own.bytes, sizeof own.bytes);
      at = gs_put_varuint56(at + own.len, origin.clock);
      *at++ = 1;
    }
    p->at = at;
  }
}

void gs_write_items(gesso_doc *doc, gs_buf *out, uint32_t client, uint32_t from, bool merged)
{
  if (!gs_buf_room(out, STRUCT_MAX))
    return;
  pen p = { .out = out, .at = out->b.data + out->b.len, .limit = out->b.data + out->b.len, .merged = merged };
  gs_pos pos = gs_structs_find(doc, client, from);
  const gs_client *c = &doc->clients[client];
  for (; pos.chunk < c->nchunks; pos = (gs_pos){ pos.chunk + 1, 0 }) {
    const gs_chunk *ch = &gs_chunks_of(doc, c)[pos.chunk];
    const gs_ix *v = gs_chunk_v(doc, ch);
    for (uint32_t i = pos.at; i < ch->n; i++) {
      const gs_item *it = &doc->items[v[i]];
      if (it->clock >= from && gs_is_common(doc, it)) {
        if (!put_common(doc, &p, it, ch->n - i))
          return; /* the error is latched */
        continue;
      }
      if (gs_kind(it) == GS_RUN)
        put_run(doc, &p, it, from);
      else
        put_unusual(doc, &p, it, from);
      if (out->err != GESSO_OK)
        return;
    }
  }
  out->b.len = (size_t)(p.at - out->b.data);
}
