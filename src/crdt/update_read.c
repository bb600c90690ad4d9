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

/* A client id as it stood in the update last: comparing its bytes saves reading it. At first that is one that no client
 * has, 8 bytes that do not end a number. */
typedef struct seen {
  uint64_t bytes, mask;
  uint32_t ix; /* 0: none */
  unsigned n;
} seen;

#define SEEN_NONE { 0x8080808080808080u, UINT64_MAX, 0, 0 }

/* A key of up to 7 bytes as it stands in the update, with its length. */
typedef struct seen_key {
  uint64_t bytes, mask;
  uint32_t key;  /* 0: none */
  uint16_t n;    /* bytes it takes there */
  uint16_t next; /* the key that came after it */
} seen_key;

enum { SEEN_KEYS = 16 };

/* What the update named last. */
typedef struct lately {
  seen ids[2]; /* of left and of right neighbours, which mostly are of one client each */
  seen parent;
  uint32_t nkeys;          /* how many there were; the last SEEN_KEYS of them are kept */
  uint32_t key;            /* the last one that was named */
  seen_key keys[SEEN_KEYS]; /* objects mostly have the same keys in the same order */
} lately;

/* An id that takes n bytes, 1 .. 8. */
static seen seen_at(const uint8_t *p, unsigned n, uint32_t ix)
{
  static const uint8_t ones[16] = { 255, 255, 255, 255, 255, 255, 255, 255 };
  seen s = { .ix = ix, .n = n };
  memcpy(&s.mask, ones + 8 - n, sizeof s.mask);
  memcpy(&s.bytes, p, n);
  return s;
}

static bool see(const uint8_t *p, gesso_doc *doc, seen *s)
{
  uint64_t id;
  unsigned n = gs_varuint_at(p, &id);
  uint32_t ix = n != 0 ? gs_client_ix(doc, id) : 0;
  if (ix != 0)
    *s = seen_at(p, n, ix);
  return ix != 0;
}

/* A number of up to 4 bytes, most of which end with the first, second or third. Returns its length, 0: it is longer. */
static inline unsigned clock_at(const uint8_t *p, uint32_t *value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  uint32_t w;
  memcpy(&w, p, 4);
  uint32_t ends = ~w & 0x80808080u;
  w &= ends ^ (ends - 1);
  *value = (w & 0x7f) | (w >> 1 & 0x3f80) | (w >> 2 & 0x1fc000) | (w >> 3 & 0xfe00000);
  return ends != 0 ? ((unsigned)__builtin_ctz(ends) >> 3) + 1 : 0;
#else
  uint64_t v;
  unsigned n = gs_varuint_at(p, &v);
  *value = (uint32_t)v;
  return v <= GS_CLOCK_MAX ? n : 0;
#endif
}

/* Reads an id at *p and goes on. Of both numbers 8 bytes can be read. */
static inline __attribute__((always_inline)) bool id_at(const uint8_t **p, gesso_doc *doc, seen *s, gs_id *out)
{
  uint64_t bytes;
  memcpy(&bytes, *p, 8);
  if (((bytes ^ s->bytes) & s->mask) != 0 && !see(*p, doc, s))
    return false;
  out->client = s->ix;
  *p += s->n;
  unsigned n = clock_at(*p, &out->clock);
  *p += n;
  return n != 0 && s->ix != 0;
}

/* Reads a key at p that is not the one which came after the last one before. Returns what is behind it, or NULL. */
static __attribute__((noinline)) const uint8_t *after_other_key(const uint8_t *p, const uint8_t *limit, gesso_doc *doc, lately *l,
                                                                uint32_t *key)
{
  uint32_t len = *p, at = 0, n = GS_MIN(l->nkeys, SEEN_KEYS);
  gesso_bytes text = { p + 1, len };
  if (len >= 0x80 || (size_t)(limit - p) < (size_t)len + 1)
    return NULL;
  if (len >= 8)
    return gs_utf8_invalid_at(text) == len && (*key = gs_key_of(doc, text)) != 0 ? p + 1 + len : NULL;
  uint64_t bytes;
  memcpy(&bytes, p, 8);
  while (at < n && ((bytes ^ l->keys[at].bytes) & l->keys[at].mask) != 0)
    at++;
  if (at == n) {
    if (gs_utf8_invalid_at(text) != len || (*key = gs_key_of(doc, text)) == 0)
      return NULL;
    const seen s = seen_at(p, len + 1, *key);
    at = l->nkeys++ % SEEN_KEYS;
    l->keys[at] = (seen_key){ s.bytes, s.mask, *key, (uint16_t)(len + 1), 0 };
  }
  *key = l->keys[at].key;
  l->keys[l->key].next = (uint16_t)at;
  l->key = at;
  return p + 1 + len;
}

/* Reads a key at *p and goes on; up to `limit` can be read. */
static inline bool key_at(const uint8_t **p, const uint8_t *limit, gesso_doc *doc, lately *l, uint32_t *key)
{
  if (limit - *p < 8)
    return false;
  uint32_t at = l->keys[l->key].next;
  const seen_key *k = &l->keys[at];
  uint64_t bytes;
  memcpy(&bytes, *p, 8);
  if (((bytes ^ k->bytes) & k->mask) != 0) {
    const uint8_t *after = after_other_key(*p, limit, doc, l, key);
    *p = after;
    return after != NULL;
  }
  *key = k->key;
  *p += k->n;
  l->key = at;
  return k->key != 0;
}

/* Reads the parent that is spelled out. */
static inline bool parent_at(const uint8_t **p, const uint8_t *limit, gesso_doc *doc, lately *l, bool keyed, gs_item *out)
{
  out->head |= GS_IN_PARENT;
  uint8_t root = *(*p)++;
  if (root > 1 || (root != 0 ? !key_at(p, limit, doc, l, &out->left) : !id_at(p, doc, &l->parent, &out->origin)))
    return false;
  return !keyed || key_at(p, limit, doc, l, &out->slot);
}

/* What is behind a small value, of which 8 bytes can be read, or NULL: it is another or has a fault. */
static inline const uint8_t *after_small(const uint8_t *p, const uint8_t *end)
{
  switch (*p) {
  case 119: { /* a string */
    uint32_t len = p[1];
    gesso_bytes s = { p + 2, len };
    return len < 0x80 && len <= (size_t)(end - s.data) && (gs_utf8_is_ascii(s) || gs_utf8_invalid_at(s) == len) ? s.data + len
                                                                                                                : NULL;
  }
  case 125: { /* an integer */
    uint32_t value;
    unsigned n = clock_at(p + 1, &value);
    return n != 0 ? p + 1 + n : NULL;
  }
  case 120:
  case 121:
  case 126:
  case 127:
    return p + 1;
  default:
    return NULL;
  }
}

/* The values of an Any content from p on, or NULL: they are for gs_read_struct. */
static const uint8_t *after_values(const gs_reader *rd, const uint8_t *p, uint32_t n)
{
  const uint8_t *after;
  for (; n > 0 && rd->end - p >= 8 && (after = after_small(p, rd->end)) != NULL; n--)
    p = after;
  if (n == 0)
    return p;
  gs_reader values = *rd;
  values.at = p;
  for (; n > 0 && values.err == GESSO_OK; n--)
    gs_any_skip(&values);
  return values.err == GESSO_OK ? values.at : NULL;
}

/* UTF-16 units of the bytes, 0: they are no UTF-8. */
static uint32_t units_of(gesso_bytes s)
{
  if (gs_utf8_is_ascii(s))
    return (uint32_t)s.len;
  return gs_utf8_invalid_at(s) == s.len ? (uint32_t)gs_utf8_utf16_len(s) : 0;
}

/* Reads one struct as gs_read_struct does if it is a usual one without fault. False: it is for gs_read_struct, and
 * nothing was read. */
static inline bool read_usual(gs_reader *rd, gesso_doc *doc, lately *l, uint32_t client, uint32_t clock, bool padded,
                              gs_item *out)
{
  enum { USUAL = 1u << GS_GC | 1u << GS_DELETED | 1u << GS_STRING | 1u << GS_ANY | 1u << GS_TYPE };
  enum { TYPES = 1u << GESSO_ARRAY | 1u << GESSO_MAP | 1u << GESSO_TEXT | 1u << GESSO_XML_FRAGMENT | 1u << GESSO_XML_TEXT };
  const uint8_t *p = rd->at;
  if (gs_reader_left(rd) < (padded ? 1 : GS_UPDATE_PAD))
    return false;
  uint8_t info = *p++;
  unsigned kind = info & 31;
  if ((USUAL >> kind & 1) == 0)
    return false;
  *out = (gs_item){ .head = client << GS_CLIENT_SHIFT | kind, .clock = clock };
  if (kind != GS_GC) {
    if ((info & ORIGIN) != 0 && !id_at(&p, doc, &l->ids[0], &out->origin))
      return false;
    if ((info & RIGHT_ORIGIN) != 0 && !id_at(&p, doc, &l->ids[1], &out->right_origin))
      return false;
    const uint8_t *limit = rd->end + (padded ? GS_UPDATE_PAD : 0);
    if ((info & (ORIGIN | RIGHT_ORIGIN)) == 0 &&
        (!parent_at(&p, limit, doc, l, (info & MAP_KEY) != 0, out) || limit - p < 16))
      return false;
    if ((out->origin.client == client && out->origin.clock >= clock) ||
        (out->right_origin.client == client && out->right_origin.clock >= clock))
      return false;
  }
  uint32_t len = *p;
  unsigned n = len < 0x80 ? 1 : clock_at(p, &len);
  p += n;
  if (n == 0 || p > rd->end)
    return false;
  if (kind == GS_TYPE) {
    if (len > GESSO_XML_TEXT || (TYPES >> len & 1) == 0)
      return false;
    out->len = 1;
    out->c.bytes = len;
    rd->at = p;
    return true;
  }
  if (len == 0)
    return false;
  out->len = len;
  if (kind >= GS_STRING) {
    const uint8_t *content = p;
    if (len > (size_t)(rd->end - p))
      return false;
    if (kind == GS_STRING) {
      p += len;
      if ((out->len = units_of((gesso_bytes){ content, len })) == 0)
        return false;
    } else if ((p = after_values(rd, p, len)) == NULL) {
      return false;
    }
    out->c.at = (uint32_t)(content - rd->begin);
    out->c.bytes = (uint32_t)(p - content);
  }
  rd->at = p;
  return true;
}

enum { FAR_PART = 16 }; /* of all structs as many may have a parent that is not near */

/* What gs_update.alone and near want to know, of one client. */
typedef struct reach {
  uint32_t client;
  uint32_t is;  /* IS_ALONE and IS_NEAR, as far as it was read: one word, which is looked at after each struct */
  uint32_t far; /* parents that are neither the struct before nor the parent before */
  gs_id parent;
} reach;

enum { IS_ALONE = 1, IS_NEAR = 2 };

static inline void watch(reach *r, const gs_item *in)
{
  uint32_t no = gs_kind(in) == GS_SKIP ? IS_ALONE | IS_NEAR : 0;
  if (in->right_origin.client != 0)
    no |= IS_NEAR | (in->right_origin.client != r->client ? IS_ALONE : 0);
  if (in->origin.client != 0) {
    bool own = in->origin.client == r->client, before = own && in->origin.clock + 1 == in->clock;
    no |= own ? 0 : IS_ALONE;
    if (in->head & GS_IN_PARENT) {
      r->far += !before && !gs_id_eq(in->origin, r->parent);
      r->parent = in->origin;
    } else if (!before) {
      no |= IS_NEAR;
    }
  }
  r->is &= ~no;
}

/* Whether a struct is as the one before it: see gs_update_note_alike. */
static inline bool is_alike(const gs_item *in, uint32_t client)
{
  const gs_item *before = in - 1;
  return in->head == before->head && in->len == 1 && before->clock + 1 == in->clock && in->right_origin.client == 0 &&
         in->origin.client == client && before->origin.client == client && gs_alike_apart(in) == gs_alike_apart(before);
}

/* Reads the structs of one client, for which there is room. */
static void read_structs(gs_reader *rd, gesso_doc *doc, gs_update *out, lately *l, uint32_t n, uint32_t client, uint32_t clock)
{
  const uint32_t deleted = client << GS_CLIENT_SHIFT | GS_DELETED;
  gs_ix at = out->end, alike = at; /* from that one on, if there are some */
  reach r = { .client = client, .is = (out->alone ? IS_ALONE : 0) | (out->near ? IS_NEAR : 0) };
  for (; n > 0 && rd->err == GESSO_OK; n--) {
    gs_item *in = &doc->items[at];
    if (!read_usual(rd, doc, l, client, clock, out->padded, in))
      gs_read_struct(rd, doc, client, clock, in);
    if (rd->err != GESSO_OK)
      break;
    if (in->len > GS_CLOCK_MAX - clock)
      gs_reader_fail(rd, GESSO_E_LIMIT, "a clock or length is past 2^31 - 1");
    clock += in->len;
    if (in->head != deleted || at == out->end || !is_alike(in, client)) {
      if (at > alike)
        gs_update_note_alike(doc, alike, at - alike);
      alike = at + 1;
    }
    at += gs_kind(in) != GS_SKIP;
    if (r.is != 0)
      watch(&r, in);
  }
  out->alone = (r.is & IS_ALONE) != 0;
  out->near = (r.is & IS_NEAR) != 0 && r.far <= (at - out->end) / FAR_PART;
  if (at > alike)
    gs_update_note_alike(doc, alike, at - alike);
  doc->nitems = out->end = at;
}

void gs_read_update(gs_reader *rd, gesso_doc *doc, gs_update *out)
{
  lately l;
  l.ids[0] = l.ids[1] = l.parent = (seen)SEEN_NONE;
  l.nkeys = l.key = 0;
  l.keys[0] = (seen_key){ .mask = UINT64_MAX }; /* none: that of these bytes is looked for */
  uint32_t nclients = gs_read_count(rd, 3);
  uint32_t declared = 0;
  out->alone = out->near = true;
  for (uint32_t i = 0; i < nclients && rd->err == GESSO_OK; i++) {
    uint32_t structs = gs_read_count(rd, 2);
    const uint8_t *id = rd->at;
    uint32_t client = read_client(rd, doc);
    size_t bytes = (size_t)(rd->at - id);
    uint32_t clock = read_clock(rd);
    if (rd->err != GESSO_OK)
      break;
    /* Most neighbours of the first structs are of the same client. */
    if (l.ids[0].ix == 0 && bytes <= 8)
      l.ids[0] = l.ids[1] = l.parent = seen_at(id, (unsigned)bytes, client);
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
    if (rd->err == GESSO_OK)
      read_structs(rd, doc, out, &l, structs, client, clock);
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
  out->near = out->near && out->dels.n == 0;
}
