#include "crdt/format.h"
#include "crdt/content.h"
#include "crdt/ops.h"
#include "wire/reader.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

gs_attr gs_format_of(const gesso_doc *doc, const gs_item *it)
{
  gs_reader rd = gs_reader_of(gs_content(doc, it));
  gs_attr f;
  f.key = gs_read_bytes(&rd);
  f.value = gs_read_bytes(&rd);
  return f;
}

static uint32_t find(const gs_attrs *a, gesso_bytes key)
{
  uint32_t i = 0;
  while (i < a->n && !gs_bytes_eq(a->v[i].key, key))
    i++;
  return i;
}

gesso_bytes gs_attrs_get(const gs_attrs *a, gesso_bytes key)
{
  uint32_t i = find(a, key);
  return i < a->n ? a->v[i].value : (gesso_bytes){ (const uint8_t *)"null", 4 };
}

bool gs_attrs_has(const gs_attrs *a, gesso_bytes key)
{
  return find(a, key) < a->n;
}

static bool copy(gs_attrs *a, gesso_bytes *b)
{
  uint8_t *p = gs_alloc(a->alloc, b->len + 1);
  if (p == NULL)
    return false;
  if (b->len > 0)
    memcpy(p, b->data, b->len);
  b->data = p;
  return true;
}

static void drop(gs_attrs *a, gesso_bytes b)
{
  if (a->owned)
    gs_free(a->alloc, (void *)(uintptr_t)b.data, b.len + 1);
}

void gs_attrs_set(gs_attrs *a, gesso_bytes key, gesso_bytes value)
{
  uint32_t i = find(a, key);
  if (a->owned && !copy(a, &value)) {
    a->nomem = true;
    return;
  }
  if (i < a->n) {
    drop(a, a->v[i].value);
    a->v[i].value = value;
    return;
  }
  if (!gs_grow(a->alloc, &a->v, &a->cap, (size_t)a->n + 1, sizeof *a->v) || (a->owned && !copy(a, &key))) {
    drop(a, value);
    a->nomem = true;
    return;
  }
  a->v[a->n++] = (gs_attr){ key, value };
}

void gs_attrs_remove(gs_attrs *a, gesso_bytes key)
{
  uint32_t i = find(a, key);
  if (i == a->n)
    return;
  drop(a, a->v[i].key);
  drop(a, a->v[i].value);
  memmove(a->v + i, a->v + i + 1, (a->n - i - 1) * sizeof *a->v);
  a->n--;
}

void gs_attrs_copy(gs_attrs *to, const gs_attrs *from)
{
  for (uint32_t i = 0; i < to->n; i++) {
    drop(to, to->v[i].key);
    drop(to, to->v[i].value);
  }
  to->n = 0;
  to->nomem |= from->nomem;
  for (uint32_t i = 0; i < from->n; i++)
    gs_attrs_set(to, from->v[i].key, from->v[i].value);
}

void gs_attrs_update(gs_attrs *a, gs_attr f)
{
  if (gs_json_is_null(f.value))
    gs_attrs_remove(a, f.key);
  else
    gs_attrs_set(a, f.key, f.value);
}

void gs_attrs_finish(gs_attrs *a)
{
  for (uint32_t i = 0; i < a->n; i++) {
    drop(a, a->v[i].key);
    drop(a, a->v[i].value);
  }
  gs_free(a->alloc, a->v, a->cap * sizeof *a->v);
  a->v = NULL;
  a->n = a->cap = 0;
}

static bool is_live_format(const gs_item *it)
{
  return gs_kind(it) == GS_FORMAT && !gs_is_deleted(it);
}

/* Yjs compares with ===: two objects of equal text are different values unless they are the very same
 * one; it cannot matter here, as the same text is what a fresh document would have. */
uint32_t gs_format_gap(gesso_doc *doc, gs_ix start, gs_ix curr, const gs_attrs *start_attrs, gs_attrs *curr_attrs)
{
  gs_ix end = start;
  while (end != 0 && !gs_is_visible(&doc->items[end]))
    end = doc->items[end].right;
  uint32_t cleanups = 0;
  bool reached = false;
  for (gs_ix i = start; i != end; i = doc->items[i].right) {
    if (i == curr)
      reached = true;
    if (!is_live_format(&doc->items[i]))
      continue;
    gs_attr f = gs_format_of(doc, &doc->items[i]);
    gesso_bytes at_start = gs_attrs_get(start_attrs, f.key);
    /* Overwritten by a later one before the next content? */
    bool last = true;
    for (gs_ix k = doc->items[i].right; k != end && last; k = doc->items[k].right)
      last = !is_live_format(&doc->items[k]) || !gs_bytes_eq(gs_format_of(doc, &doc->items[k]).key, f.key);
    if (!last || gs_bytes_eq(at_start, f.value)) {
      gs_item_delete(doc, i);
      cleanups++;
      if (!reached && gs_bytes_eq(gs_attrs_get(curr_attrs, f.key), f.value) && !gs_bytes_eq(at_start, f.value))
        gs_attrs_update(curr_attrs, (gs_attr){ f.key, at_start });
    } else if (!reached) {
      gs_attrs_update(curr_attrs, f);
    }
  }
  return cleanups;
}

/* --- at the end of a transaction --- */

/* The keys of formats seen so far: the items that have them, by hash. A peer may bring any number. */
typedef struct key_set {
  const gesso_allocator *alloc;
  gs_ix *v;
  uint32_t n, cap;
} key_set;

static uint32_t place_of(const gesso_doc *doc, const key_set *set, gesso_bytes key)
{
  uint32_t h = (uint32_t)XXH3_64bits_withSeed(key.data, key.len, doc->hash_seed) & (set->cap - 1);
  while (set->v[h] != 0 && !gs_bytes_eq(gs_format_of(doc, &doc->items[set->v[h]]).key, key))
    h = (h + 1) & (set->cap - 1);
  return h;
}

static void clear_keys(key_set *set)
{
  gs_free(set->alloc, set->v, set->cap * sizeof *set->v);
  set->v = NULL;
  set->n = set->cap = 0;
}

static bool more_keys(const gesso_doc *doc, key_set *set)
{
  key_set grown = { .alloc = set->alloc, .n = set->n, .cap = set->cap == 0 ? 16 : set->cap * 2 };
  grown.v = gs_alloc_zero(set->alloc, grown.cap * sizeof *grown.v);
  if (grown.v == NULL)
    return false;
  for (uint32_t i = 0; i < set->cap; i++)
    if (set->v[i] != 0)
      grown.v[place_of(doc, &grown, gs_format_of(doc, &doc->items[set->v[i]]).key)] = set->v[i];
  clear_keys(set);
  *set = grown;
  return true;
}

static void unmark_gap(gesso_doc *doc, gs_ix at)
{
  for (gs_ix i = doc->items[at].right; i != 0 && (doc->items[i].head & GS_ITEM_BEFORE) != 0; i = doc->items[i].right)
    doc->items[i].head &= ~(uint32_t)GS_ITEM_BEFORE;
  for (gs_ix i = at; i != 0 && (doc->items[i].head & GS_ITEM_BEFORE) != 0; i = doc->items[i].left)
    doc->items[i].head &= ~(uint32_t)GS_ITEM_BEFORE;
}

/* Goes from `last` to the left as long as there is no content, and deletes every format whose key a later one
 * has; with `null_too` also those that end what never began. Marks what it has seen. */
static void keep_last_of_each_key(gesso_doc *doc, gs_ix last, bool null_too)
{
  key_set seen = { .alloc = doc->alloc };
  for (gs_ix i = last; i != 0 && !gs_is_visible(&doc->items[i]); i = doc->items[i].left) {
    doc->items[i].head |= GS_ITEM_BEFORE;
    if (!is_live_format(&doc->items[i]))
      continue;
    gs_attr f = gs_format_of(doc, &doc->items[i]);
    if (seen.n + 1 >= seen.cap / 4 * 3 && !more_keys(doc, &seen)) {
      unmark_gap(doc, last);
      break;
    }
    uint32_t place = place_of(doc, &seen, f.key);
    bool later = seen.v[place] != 0;
    if (!later) {
      seen.v[place] = i;
      seen.n++;
    }
    if (later || (null_too && gs_json_is_null(f.value)))
      gs_item_delete(doc, i);
  }
  clear_keys(&seen);
}

/* Content was deleted at `at`, no format came or went: of the formats around it only the last of each key
 * counts. Many deletions in one gap are one look. */
static void contextless_gap(gesso_doc *doc, gs_ix at)
{
  if (doc->items[at].head & GS_ITEM_BEFORE)
    return;
  while (doc->items[at].right != 0 && !gs_is_visible(&doc->items[doc->items[at].right]))
    at = doc->items[at].right;
  keep_last_of_each_key(doc, at, false);
}

/* Cleans a whole text (Yjs: cleanupYTextFormatting). Yjs walks from each piece of content to the next, but its
 * gap begins at a piece of content and so ends there: only what stands before the first piece is cleaned. */
static void full_cleanup(gesso_doc *doc, uint32_t type)
{
  uint32_t seq = doc->types[type].seq;
  gs_ix last = 0, i = seq != 0 ? doc->slots[seq].head : 0;
  for (; i != 0 && !gs_is_visible(&doc->items[i]); i = doc->items[i].right)
    last = i;
  if (i == 0 || last == 0)
    return;
  keep_last_of_each_key(doc, last, true);
  unmark_gap(doc, last);
}

bool gs_format_is_due(const gesso_doc *doc)
{
  if (!doc->txn.remote)
    return false;
  if (doc->txn.fmt_lost)
    return true;
  for (uint32_t i = 0; i < doc->txn.nformatted; i++) {
    const gs_type *t = &doc->types[doc->txn.formatted[i]];
    if (t->has_formatting && !t->dead && (t->item == 0 || !gs_is_deleted(&doc->items[t->item])))
      return true;
  }
  return false;
}

static void unmark_gaps(gesso_doc *doc, const gs_ranges *deleted)
{
  for (uint32_t i = 0; i < deleted->n; i++) {
    gs_range r = deleted->v[i];
    gs_pos p = gs_structs_find(doc, r.client, r.clock);
    do {
      gs_ix ix = gs_struct_at(doc, r.client, p);
      if (doc->items[ix].clock >= r.clock + r.len)
        break;
      if (doc->items[ix].head & GS_ITEM_BEFORE)
        unmark_gap(doc, ix);
    } while (gs_pos_next(doc, r.client, &p));
  }
}

void gs_format_cleanup(gesso_doc *doc, const gs_ranges *deleted)
{
  const gs_txn *txn = &doc->txn;
  uint32_t *full = NULL, nfull = 0, cap = 0;
  /* Texts that got a format, or lost one: all of them is looked through. work_next marks membership. */
  const uint32_t listed = UINT32_MAX;
  for (uint32_t i = 0; i < txn->ntouched; i++) {
    uint32_t client = txn->touched[i];
    const gs_client *c = &doc->clients[client];
    if (c->before == c->clock)
      continue;
    gs_pos p = gs_structs_find(doc, client, c->before);
    do {
      const gs_item *it = &doc->items[gs_struct_at(doc, client, p)];
      if (!is_live_format(it))
        continue;
      gs_type *t = &doc->types[doc->slots[it->slot].type];
      if (t->work_next == listed)
        continue;
      if (!gs_grow(doc->alloc, &full, &cap, (size_t)nfull + 1, sizeof *full))
        goto out;
      t->work_next = listed;
      full[nfull++] = doc->slots[it->slot].type;
    } while (gs_pos_next(doc, client, &p));
  }
  for (uint32_t i = 0; i < deleted->n; i++) {
    gs_range r = deleted->v[i];
    gs_pos p = gs_structs_find(doc, r.client, r.clock);
    do {
      gs_ix ix = gs_struct_at(doc, r.client, p);
      const gs_item *it = &doc->items[ix];
      if (it->clock >= r.clock + r.len)
        break;
      if (gs_kind(it) == GS_GC)
        continue;
      uint32_t type = doc->slots[it->slot].type;
      gs_type *t = &doc->types[type];
      if (!t->has_formatting || t->work_next == listed)
        continue;
      if (gs_kind(it) == GS_FORMAT) {
        if (!gs_grow(doc->alloc, &full, &cap, (size_t)nfull + 1, sizeof *full)) {
          unmark_gaps(doc, deleted);
          goto out;
        }
        t->work_next = listed;
        full[nfull++] = type;
      } else if (doc->slots[it->slot].key == 0) { /* of a key at most one is live; and others may be packed */
        contextless_gap(doc, ix);
      }
    } while (gs_pos_next(doc, r.client, &p));
  }
  unmark_gaps(doc, deleted);
  for (uint32_t i = 0; i < nfull; i++) {
    doc->types[full[i]].work_next = 0;
    full_cleanup(doc, full[i]);
  }
  nfull = 0;
out:
  for (uint32_t i = 0; i < nfull; i++)
    doc->types[full[i]].work_next = 0;
  gs_free(doc->alloc, full, cap * sizeof *full);
}
