/* Both documents are read as lists of elements: the values of an array, the characters of a text each with
 * its formats, the types among them. An element is compared by a hash of all that can be read of it; a
 * type that lives in both documents under one id, in the same place, counts as the same element
 * whatever is in it, and is gone into afterwards. */
#include "crdt/make_equal.h"

#include "crdt/edit.h"
#include "crdt/format.h"
#include "crdt/lcs.h"
#include "crdt/read.h"
#include "wire/any.h"
#include "wire/json.h"

#include <stdlib.h>
#include <xxhash.h>

typedef struct element {
  unsigned kind;     /* GS_ANY ... */
  uint32_t units;    /* how much of the sequence's length it is */
  uint32_t type;     /* GS_TYPE */
  uint32_t attrs;    /* into list.attrs; 0: none */
  uint32_t at, len;  /* its bytes, in list.bytes */
} element;

typedef struct list {
  element *v;
  uint64_t *hash;
  uint32_t n, cap, hash_cap;
  gs_buf bytes;
  gs_buf attrs;      /* offset 0 is unused; each: u32 length, JSON object */
  bool text;
} list;

typedef struct job {
  gesso_doc *doc, *want;
  const gesso_allocator *alloc;
} job;

/* --- reading --- */

static void list_finish(const job *j, list *l)
{
  gs_free(j->alloc, l->v, (size_t)l->cap * sizeof *l->v);
  gs_free(j->alloc, l->hash, (size_t)l->hash_cap * sizeof *l->hash);
  gs_buf_finish(&l->bytes);
  gs_buf_finish(&l->attrs);
}

static gesso_bytes bytes_of(const list *l, const element *e)
{
  return (gesso_bytes){ e->len == 0 ? (const uint8_t *)"" : l->bytes.b.data + e->at, e->len };
}

static gesso_bytes attrs_of(const list *l, uint32_t at)
{
  uint32_t len;
  if (at == 0)
    return (gesso_bytes){ (const uint8_t *)"{}", 2 };
  memcpy(&len, l->attrs.b.data + at, sizeof len);
  return (gesso_bytes){ l->attrs.b.data + at + sizeof len, len };
}

static gesso_status add(const job *j, list *l, element e, gesso_bytes bytes)
{
  if (!gs_grow(j->alloc, &l->v, &l->cap, (size_t)l->n + 1, sizeof *l->v))
    return GESSO_E_NOMEM;
  if (l->bytes.b.len + bytes.len > UINT32_MAX)
    return GESSO_E_LIMIT;
  e.at = (uint32_t)l->bytes.b.len;
  e.len = (uint32_t)bytes.len;
  gs_buf_write(&l->bytes, bytes.data, bytes.len);
  l->v[l->n++] = e;
  return l->bytes.err;
}

static int by_key(const void *a, const void *b)
{
  const gs_attr *x = a, *y = b;
  int c = memcmp(x->key.data, y->key.data, GS_MIN(x->key.len, y->key.len));
  return c != 0 ? c : (x->key.len > y->key.len) - (x->key.len < y->key.len);
}

/* The formats that apply from here on as one JSON object, keys in order. */
static gesso_status note_attrs(list *l, gs_attrs *attrs, uint32_t *out)
{
  *out = 0;
  if (attrs->n == 0)
    return GESSO_OK;
  if (l->attrs.b.len == 0)
    gs_buf_put(&l->attrs, 0);
  *out = (uint32_t)l->attrs.b.len;
  gs_buf_write(&l->attrs, "\0\0\0", 4);
  qsort(attrs->v, attrs->n, sizeof *attrs->v, by_key);
  for (uint32_t i = 0; i < attrs->n; i++) {
    gs_buf_put(&l->attrs, i == 0 ? '{' : ',');
    gs_json_write_string(&l->attrs, attrs->v[i].key);
    gs_buf_put(&l->attrs, ':');
    gs_buf_write(&l->attrs, attrs->v[i].value.data, attrs->v[i].value.len);
  }
  gs_buf_put(&l->attrs, '}');
  if (l->attrs.err != GESSO_OK)
    return l->attrs.err;
  uint32_t len = (uint32_t)(l->attrs.b.len - *out - sizeof len);
  memcpy(l->attrs.b.data + *out, &len, sizeof len);
  return GESSO_OK;
}

static size_t char_len(uint8_t lead)
{
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

static gesso_status read_item(const job *j, gesso_doc *doc, const gs_item *it, uint32_t attrs, list *l)
{
  unsigned kind = gs_kind(it);
  element e = { .kind = kind, .units = 1, .attrs = attrs };
  if (kind == GS_TYPE) {
    e.type = it->c.type;
    return add(j, l, e, (gesso_bytes){ NULL, 0 });
  }
  gesso_bytes c = gs_content(doc, it);
  gesso_status s = GESSO_OK;
  gs_reader rd = gs_reader_of(c);
  switch (kind) {
  case GS_STRING:
    for (size_t at = 0; at < c.len && s == GESSO_OK; at += char_len(c.data[at])) {
      size_t n = char_len(c.data[at]);
      e.units = n == 4 ? 2 : 1;
      s = add(j, l, e, (gesso_bytes){ c.data + at, GS_MIN(n, c.len - at) });
    }
    return s;
  case GS_ANY:
  case GS_JSON:
    for (uint32_t i = 0; i < it->len && s == GESSO_OK; i++) {
      const uint8_t *from = rd.at;
      if (kind == GS_ANY)
        gs_any_skip(&rd);
      else
        (void)gs_read_bytes(&rd);
      s = add(j, l, e, (gesso_bytes){ from, (size_t)(rd.at - from) });
    }
    return s;
  default:
    return add(j, l, e, c);
  }
}

static gesso_status read_sequence(const job *j, gesso_doc *doc, uint32_t type, list *l)
{
  gs_attrs attrs = { .alloc = j->alloc };
  gesso_status s = GESSO_OK;
  uint32_t now = 0;
  bool stale = false;
  unsigned kind = doc->types[type].kind;
  l->text = kind == GESSO_TEXT || kind == GESSO_XML_TEXT;
  for (gs_ix ix = gs_first(doc, type); ix != 0 && s == GESSO_OK; ix = doc->items[ix].right) {
    const gs_item *it = &doc->items[ix];
    if (gs_is_deleted(it))
      continue;
    if (gs_kind(it) == GS_FORMAT) {
      gs_attrs_update(&attrs, gs_format_of(doc, it));
      stale = l->text = true;
    } else if (gs_is_countable(it)) {
      if (stale)
        s = attrs.nomem ? GESSO_E_NOMEM : note_attrs(l, &attrs, &now);
      stale = false;
      l->text = l->text || gs_kind(it) == GS_STRING || gs_kind(it) == GS_EMBED;
      if (s == GESSO_OK)
        s = read_item(j, doc, it, now, l);
    }
  }
  gs_attrs_finish(&attrs);
  return s;
}

/* --- hashes --- */

static uint64_t mix(uint64_t h, uint64_t v)
{
  uint64_t both[2] = { h, v };
  return XXH3_64bits(both, sizeof both);
}

static gesso_status hash_type(const job *j, gesso_doc *doc, uint32_t type, unsigned depth, uint64_t *out);

static gesso_status hash_element(const job *j, gesso_doc *doc, const list *l, const element *e, unsigned depth,
                                 uint64_t *out)
{
  gesso_bytes c = bytes_of(l, e), attrs = attrs_of(l, e->attrs);
  uint64_t h = XXH3_64bits_withSeed(c.data, c.len, e->kind);
  gesso_status s = GESSO_OK;
  if (e->kind == GS_TYPE)
    s = hash_type(j, doc, e->type, depth, &h);
  *out = e->attrs == 0 ? h : mix(h, XXH3_64bits(attrs.data, attrs.len));
  return s;
}

/* A hash of all that can be read inside a type; the order of keys does not count. */
static gesso_status hash_type(const job *j, gesso_doc *doc, uint32_t type, unsigned depth, uint64_t *out)
{
  const gs_type *t = &doc->types[type];
  gesso_bytes name = t->item != 0 && t->name != 0 ? gs_key_text(doc, t->name) : (gesso_bytes){ (const uint8_t *)"", 0 };
  uint64_t h = XXH3_64bits_withSeed(name.data, name.len, 0x7970u + t->kind), keys = 0, e = 0;
  if (depth > GS_READ_DEPTH_MAX)
    return GESSO_E_LIMIT;
  list l = { .bytes = gs_buf_make(j->alloc), .attrs = gs_buf_make(j->alloc) };
  gesso_status s = read_sequence(j, doc, type, &l);
  for (uint32_t i = 0; i < l.n && s == GESSO_OK; i++) {
    s = hash_element(j, doc, &l, &l.v[i], depth + 1, &e);
    h = mix(h, e);
  }
  for (uint32_t slot = t->maps; slot != 0 && s == GESSO_OK; slot = doc->slots[slot].next) {
    gs_ix ix = doc->slots[slot].tail;
    if (ix == 0 || gs_is_deleted(&doc->items[ix]))
      continue;
    gesso_bytes key = gs_key_text(doc, doc->slots[slot].key);
    l.n = 0;
    s = read_item(j, doc, &doc->items[ix], 0, &l);
    if (s == GESSO_OK && l.n != 0)
      s = hash_element(j, doc, &l, &l.v[l.n - 1], depth + 1, &e);
    keys += mix(XXH3_64bits(key.data, key.len), e);
  }
  *out = mix(h, keys);
  list_finish(j, &l);
  return s;
}

/* The type that is the same one in the other document: alive, in the sequence of `parent`. 0: none. */
static uint32_t twin(const gesso_doc *doc, uint32_t type, const gesso_doc *other, uint32_t parent)
{
  const gs_item *it = &doc->items[doc->types[type].item];
  uint32_t client = gs_client_find(other, doc->clients[gs_client_of(it)].id);
  if (client == 0 || it->clock >= other->clients[client].clock)
    return 0;
  gs_ix ix = gs_struct_of(other, (gs_id){ client, it->clock });
  const gs_item *o = &other->items[ix];
  if (gs_kind(o) != GS_TYPE || gs_is_deleted(o) || o->clock != it->clock || o->slot != other->types[parent].seq)
    return 0;
  return other->types[o->c.type].kind == doc->types[type].kind ? o->c.type : 0;
}

static gesso_status hash_list(const job *j, gesso_doc *doc, list *l, const gesso_doc *other, uint32_t parent)
{
  if (!gs_grow(j->alloc, &l->hash, &l->hash_cap, l->n, sizeof *l->hash))
    return GESSO_E_NOMEM;
  gesso_status s = GESSO_OK;
  for (uint32_t i = 0; i < l->n && s == GESSO_OK; i++) {
    const element *e = &l->v[i];
    if (e->kind == GS_TYPE && twin(doc, e->type, other, parent) != 0) {
      const gs_item *it = &doc->items[doc->types[e->type].item];
      l->hash[i] = mix(mix(doc->clients[gs_client_of(it)].id, it->clock), e->attrs == 0 ? 0 : 1);
      if (e->attrs != 0) {
        gesso_bytes attrs = attrs_of(l, e->attrs);
        l->hash[i] = mix(l->hash[i], XXH3_64bits(attrs.data, attrs.len));
      }
    } else {
      s = hash_element(j, doc, l, e, 0, &l->hash[i]);
    }
  }
  return s;
}

static bool same(const list *a, const element *x, const list *b, const element *y)
{
  return x->kind == y->kind && (x->attrs == 0) == (y->attrs == 0) && gs_bytes_eq(bytes_of(a, x), bytes_of(b, y)) &&
         gs_bytes_eq(attrs_of(a, x->attrs), attrs_of(b, y->attrs));
}

/* --- writing --- */

static gesso_status equal_type(job *j, uint32_t type, uint32_t want, unsigned depth);

/* Copies a type of `want` to the place between left and right. */
static gesso_status put_type(job *j, uint32_t slot, gs_ix left, gs_ix right, uint32_t want, unsigned depth, gs_ix *out)
{
  const gs_type *t = &j->want->types[want];
  unsigned kind = t->kind;
  gesso_bytes name = t->name != 0 ? gs_key_text(j->want, t->name) : (gesso_bytes){ (const uint8_t *)"", 0 };
  uint32_t key = gs_key_of(j->doc, name);
  gesso_status s = key == 0 ? GESSO_E_NOMEM : gs_edit_reserve(j->doc, 1, 0, 1, 0, 0);
  if (s != GESSO_OK)
    return s;
  *out = gs_edit_insert_type_reserved(j->doc, slot, left, right, kind, key);
  uint32_t made = j->doc->items[*out].c.type;
  return equal_type(j, made, want, depth + 1);
}

static gesso_status put_map_value(job *j, uint32_t type, gesso_bytes key, const list *l, const element *e, unsigned depth)
{
  gesso_doc *doc = j->doc;
  gs_ix made;
  uint32_t k = gs_key_of(doc, key);
  gesso_status s = k == 0 ? GESSO_E_NOMEM : gs_edit_reserve(doc, 1, e->len, 1, 0, 0);
  if (s != GESSO_OK)
    return s;
  uint32_t slot = gs_slot_of_reserved(doc, type, k);
  if (e->kind == GS_TYPE)
    return put_type(j, slot, doc->slots[slot].tail, 0, e->type, depth, &made);
  (void)gs_edit_insert_reserved(doc, slot, doc->slots[slot].tail, 0, e->kind, e->units, bytes_of(l, e));
  return GESSO_OK;
}

static gs_ix live_tail(const gesso_doc *doc, uint32_t slot)
{
  gs_ix ix = slot != 0 ? doc->slots[slot].tail : 0;
  return ix != 0 && !gs_is_deleted(&doc->items[ix]) ? ix : 0;
}

/* The value of one key, as one element; n == 0 when it is not set. */
static gesso_status read_value(const job *j, gesso_doc *doc, uint32_t slot, list *l)
{
  gs_ix ix = live_tail(doc, slot);
  l->n = 0;
  gs_buf_clear(&l->bytes);
  return ix == 0 ? GESSO_OK : read_item(j, doc, &doc->items[ix], 0, l);
}

static gesso_status equal_key(job *j, uint32_t type, gesso_bytes key, uint32_t want_slot, list *a, list *b,
                              unsigned depth)
{
  uint32_t k = gs_key_find(j->doc, key), slot = k != 0 ? gs_slot_find(j->doc, type, k) : 0;
  gesso_status s = read_value(j, j->doc, slot, a);
  if (s == GESSO_OK)
    s = read_value(j, j->want, want_slot, b);
  if (s != GESSO_OK || b->n == 0)
    return s;
  const element *y = &b->v[b->n - 1], *x = a->n == 0 ? NULL : &a->v[a->n - 1];
  if (x != NULL && x->kind == GS_TYPE && y->kind == GS_TYPE) {
    const gs_type *tx = &j->doc->types[x->type], *ty = &j->want->types[y->type];
    gesso_bytes nx = tx->name != 0 ? gs_key_text(j->doc, tx->name) : (gesso_bytes){ NULL, 0 };
    gesso_bytes ny = ty->name != 0 ? gs_key_text(j->want, ty->name) : (gesso_bytes){ NULL, 0 };
    if (tx->kind == ty->kind && gs_bytes_eq(nx, ny))
      return equal_type(j, x->type, y->type, depth + 1);
  } else if (x != NULL && same(a, x, b, y)) {
    return GESSO_OK;
  }
  return put_map_value(j, type, key, b, y, depth);
}

static gesso_status equal_map(job *j, uint32_t type, uint32_t want, unsigned depth)
{
  gesso_status s = GESSO_OK;
  for (uint32_t slot = j->doc->types[type].maps; slot != 0; slot = j->doc->slots[slot].next) {
    uint32_t k = gs_key_find(j->want, gs_key_text(j->doc, j->doc->slots[slot].key));
    gs_ix ix = live_tail(j->doc, slot);
    if (ix != 0 && (want == 0 || k == 0 || live_tail(j->want, gs_slot_find(j->want, want, k)) == 0))
      gs_item_delete(j->doc, ix);
  }
  list a = { .bytes = gs_buf_make(j->alloc), .attrs = gs_buf_make(j->alloc) }, b = a;
  for (uint32_t slot = want == 0 ? 0 : j->want->types[want].maps; slot != 0 && s == GESSO_OK;
       slot = j->want->slots[slot].next)
    s = equal_key(j, type, gs_key_text(j->want, j->want->slots[slot].key), slot, &a, &b, depth);
  list_finish(j, &a);
  list_finish(j, &b);
  return s;
}

/* Puts elements [from, to) of the list, which are values and types, at an index. */
static gesso_status put_values(job *j, uint32_t type, uint64_t index, const list *l, uint32_t from, uint32_t to,
                               unsigned depth)
{
  gesso_doc *doc = j->doc;
  gs_place at;
  gesso_status s = gs_place_of(doc, type, index, &at);
  if (s == GESSO_OK)
    s = gs_edit_reserve(doc, 1, 0, 1, gs_place_cut_client(doc, at), 1);
  if (s != GESSO_OK)
    return s;
  gs_ix left, right;
  gs_place_go_reserved(doc, type, at, &left, &right);
  uint32_t slot = gs_slot_of_reserved(doc, type, 0);
  for (uint32_t i = from; i < to && s == GESSO_OK;) {
    const element *e = &l->v[i];
    if (e->kind == GS_TYPE) {
      s = put_type(j, slot, left, right, e->type, depth, &left);
      i++;
      continue;
    }
    uint32_t n = 1, bytes = e->len;
    if (e->kind == GS_ANY || e->kind == GS_JSON)
      for (; i + n < to && l->v[i + n].kind == e->kind; n++)
        bytes += l->v[i + n].len; /* they follow each other in list.bytes */
    s = gs_edit_reserve(doc, 1, bytes, 0, 0, 0);
    if (s == GESSO_OK)
      left = gs_edit_insert_reserved(doc, slot, left, right, e->kind, n == 1 ? e->units : n,
                                     (gesso_bytes){ bytes_of(l, e).data, bytes });
    i += n;
  }
  return s;
}

/* The same into a text: characters, embeds and types with their formats. */
static gesso_status put_text(job *j, uint32_t type, uint64_t index, const list *l, uint32_t from, uint32_t to,
                             bool plain, unsigned depth)
{
  gesso_status s = GESSO_OK;
  for (uint32_t i = from; i < to && s == GESSO_OK;) {
    const element *e = &l->v[i];
    gesso_bytes attrs = plain ? (gesso_bytes){ NULL, 0 } : attrs_of(l, e->attrs);
    uint32_t n = 1, bytes = e->len, units = e->units;
    if (e->kind == GS_STRING) {
      for (; i + n < to && l->v[i + n].kind == GS_STRING && l->v[i + n].attrs == e->attrs; n++) {
        bytes += l->v[i + n].len;
        units += l->v[i + n].units;
      }
      s = gesso_text_insert(j->doc, type, index, (gesso_bytes){ bytes_of(l, e).data, bytes }, attrs);
    } else if (e->kind == GS_EMBED) {
      s = gesso_text_embed(j->doc, type, index, bytes_of(l, e), attrs);
    } else {
      s = put_values(j, type, index, l, i, i + 1, depth);
      if (s == GESSO_OK && e->attrs != 0)
        s = gesso_text_format(j->doc, type, index, 1, attrs);
    }
    index += units;
    i += n;
  }
  return s;
}

typedef struct pair {
  uint32_t type, want;
} pair;

/* Takes out what is not matched, puts in what is new, from front to end. */
static gesso_status change(job *j, uint32_t type, const list *a, const list *b, const uint32_t *match, unsigned depth)
{
  bool text = a->text || b->text, plain = a->attrs.b.len == 0 && b->attrs.b.len == 0 && !j->doc->types[type].has_formatting;
  uint64_t index = 0;
  gesso_status s = GESSO_OK;
  for (uint32_t x = 0, y = 0; (x < a->n || y < b->n) && s == GESSO_OK;) {
    uint32_t keep = y, upto = a->n;
    uint64_t gone = 0;
    while (keep < b->n && match[keep] == 0)
      keep++;
    if (keep < b->n)
      upto = match[keep] - 1;
    for (; x < upto; x++)
      gone += a->v[x].units;
    if (gone != 0)
      s = text ? gesso_text_remove(j->doc, type, index, gone) : gesso_array_remove(j->doc, type, index, gone);
    if (s == GESSO_OK && keep > y)
      s = text ? put_text(j, type, index, b, y, keep, plain, depth) : put_values(j, type, index, b, y, keep, depth);
    for (; y < keep; y++)
      index += b->v[y].units;
    if (y < b->n) {
      index += b->v[y++].units;
      x++;
    }
  }
  return s;
}

static gesso_status equal_sequence(job *j, uint32_t type, uint32_t want, unsigned depth)
{
  list a = { .bytes = gs_buf_make(j->alloc), .attrs = gs_buf_make(j->alloc) }, b = a;
  uint32_t *match = NULL, match_cap = 0, pairs_cap = 0, pair_count = 0;
  pair *pairs = NULL;
  gesso_status s = read_sequence(j, j->doc, type, &a);
  if (s == GESSO_OK && want != 0)
    s = read_sequence(j, j->want, want, &b);
  if (s != GESSO_OK || (a.n == 0 && b.n == 0))
    goto done;
  if (want != 0)
    s = hash_list(j, j->doc, &a, j->want, want);
  if (s == GESSO_OK && want != 0)
    s = hash_list(j, j->want, &b, j->doc, type);
  if (s == GESSO_OK && (!gs_grow(j->alloc, &match, &match_cap, (size_t)b.n + 1, sizeof *match) ||
                        !gs_lcs(j->alloc, a.hash, a.n, b.hash, b.n, match)))
    s = GESSO_E_NOMEM;
  for (uint32_t y = 0; y < b.n && s == GESSO_OK; y++) {
    if (match[y] == 0)
      continue;
    const element *x = &a.v[match[y] - 1], *e = &b.v[y];
    if (!same(&a, x, &b, e)) {
      match[y] = 0; /* equal hashes of what differs */
    } else if (e->kind == GS_TYPE) {
      if (!gs_grow(j->alloc, &pairs, &pairs_cap, (size_t)pair_count + 1, sizeof *pairs))
        s = GESSO_E_NOMEM;
      else
        pairs[pair_count++] = (pair){ x->type, e->type };
    }
  }
  if (s == GESSO_OK)
    s = change(j, type, &a, &b, match, depth);
  for (uint32_t i = 0; i < pair_count && s == GESSO_OK; i++)
    s = equal_type(j, pairs[i].type, pairs[i].want, depth + 1);
done:
  gs_free(j->alloc, match, (size_t)match_cap * sizeof *match);
  gs_free(j->alloc, pairs, (size_t)pairs_cap * sizeof *pairs);
  list_finish(j, &a);
  list_finish(j, &b);
  return s;
}

/* `want` 0: empty. */
static gesso_status equal_type(job *j, uint32_t type, uint32_t want, unsigned depth)
{
  if (depth > GS_READ_DEPTH_MAX)
    return GESSO_E_LIMIT;
  gesso_status s = equal_map(j, type, want, depth);
  return s == GESSO_OK ? equal_sequence(j, type, want, depth) : s;
}

static bool is_root(const gesso_doc *doc, uint32_t type)
{
  return doc->types[type].item == 0 && !doc->types[type].dead;
}

/* Every root of either document. */
static gesso_status equal_roots(job *j)
{
  gesso_status s = GESSO_OK;
  gesso_doc *doc = j->doc;
  for (uint32_t type = 1; type < doc->ntypes && s == GESSO_OK; type++) {
    if (!is_root(doc, type))
      continue;
    uint32_t key = gs_key_find(j->want, gs_key_text(doc, doc->types[type].name));
    s = equal_type(j, type, key == 0 ? 0 : j->want->keys[key].root, 0);
  }
  for (uint32_t want = 1; want < j->want->ntypes && s == GESSO_OK; want++) {
    if (!is_root(j->want, want))
      continue;
    uint32_t key = gs_key_of(doc, gs_key_text(j->want, j->want->types[want].name));
    if (key == 0 || !gs_types_reserve(doc, 1, 0))
      s = GESSO_E_NOMEM;
    else if (doc->keys[key].root == 0)
      s = equal_type(j, gs_root_reserved(doc, key), want, 0);
  }
  return s;
}

gesso_status gs_doc_make_equal(gesso_doc *doc, gesso_doc *want, gesso_buffer *update_out)
{
  job j = { .doc = doc, .want = want, .alloc = doc->mem.inner };
  gesso_buffer unused = { 0 }, *update = update_out != NULL ? update_out : &unused;
  *update = (gesso_buffer){ .alloc = doc->mem.inner };
  doc->astral = doc->astral || want->astral;
  gs_edit_begin(doc);
  gesso_status s = equal_roots(&j);
  gesso_status committed = gesso_doc_commit(doc, update);
  gesso_buffer_free(&unused);
  return s != GESSO_OK ? s : committed;
}
