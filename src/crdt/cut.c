/* Cutting items in two. */
#include "crdt/content.h"
#include "crdt/ops.h"
#include "crdt/seq.h"

#include <assert.h>

/* Makes `right` the item after `left`, for the clocks from left's new length on. The contents are
 * the caller's. */
static void link_cut(gesso_doc *doc, gs_ix left_ix, gs_ix right_ix, uint32_t at, gs_pos pos)
{
  gs_item *l = &doc->items[left_ix], *r = &doc->items[right_ix];
  r->head = l->head & ~(uint32_t)(GS_ITEM_INLINE | GS_ITEM_SLACK | GS_ITEM_BEFORE | GS_ITEM_RIVAL);
  r->clock = l->clock + at;
  r->len = l->len - at;
  r->origin = (gs_id){ gs_client_of(l), r->clock - 1 };
  r->right_origin = l->right_origin;
  r->slot = l->slot;
  r->left = left_ix;
  r->right = l->right;
  l->right = right_ix;
  l->len = at;
  if (gs_redone(doc, left_ix).client != 0)
    doc->redone[right_ix] = (gs_id){ doc->redone[left_ix].client, doc->redone[left_ix].clock + at };
  gs_slot *slot = &doc->slots[r->slot];
  if (r->right == 0)
    slot->tail = right_ix;
  else if (r->right != GS_PACKED)
    doc->items[r->right].left = right_ix;
  gs_structs_insert_reserved(doc, gs_client_of(l), pos, right_ix);
  if (gs_is_deleted(l))
    doc->ndeleted++;
  if ((l->head & GS_ITEM_DELNOW) != 0) /* nobody noted the piece */
    doc->txn.ngone = GS_TXN_FEW + 1;
  gs_txn_mergeable(doc, right_ix);
}

static void index_cut(gesso_doc *doc, gs_ix left_ix, gs_ix right_ix)
{
  const gs_slot *slot = &doc->slots[doc->items[left_ix].slot];
  if (slot->key == 0)
    gs_seq_cut(doc, slot->type, left_ix, right_ix);
}

/* Shares the content of an item that stands in it, whose first bytes stay. */
static void share_inline(gs_item *it, gs_item *rest, size_t bytes)
{
  static const uint8_t ones[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
  uint8_t all[16] = { 0 };
  uint64_t stays, mask;
  uint8_t n = it->c.in[7];
  memcpy(all, it->c.in, 7);
  memcpy(rest->c.in, all + bytes, 8);
  rest->c.in[7] = (uint8_t)(n - bytes);
  memcpy(&stays, all, 8);
  memcpy(&mask, ones + 8 - bytes, 8);
  stays &= mask;
  memcpy(it->c.in, &stays, 8);
  it->c.in[7] = (uint8_t)bytes;
  rest->head |= GS_ITEM_INLINE;
}

static void take_inline(gesso_doc *doc, gs_item *it, const uint8_t *bytes, size_t n)
{
  uint8_t tmp[GS_INLINE_MAX];
  memcpy(tmp, bytes, n);
  gs_content_set_reserved(doc, it, (gesso_bytes){ tmp, n });
}

/* Cuts the item after `at` elements (0 < at < len) at its place in the struct list. Returns the new
 * right part. */
static gs_ix cut(gesso_doc *doc, gs_ix ix, uint32_t at, gs_pos pos)
{
  gs_item *it = &doc->items[ix];
  unsigned kind = gs_kind(it);
  assert(at > 0 && at < it->len);
  int pair = 0;
  size_t bytes = 0;
  if (kind == GS_STRING && gs_content(doc, it).len == it->len)
    bytes = at; /* ASCII */
  else if (gs_kind_has_bytes(kind))
    bytes = gs_content_find(doc, it, at, &pair);
  if (pair) {
    /* Units at - 1 and at are one character. Cut before and after it, then in its middle. */
    gs_ix mid = ix;
    if (at > 1) {
      mid = cut(doc, ix, at - 1, pos);
      pos = gs_structs_find(doc, gs_client_of(&doc->items[mid]), doc->items[mid].clock);
    }
    if (doc->items[mid].len > 2)
      (void)cut(doc, mid, 2, pos);
    pos = gs_structs_find(doc, gs_client_of(&doc->items[mid]), doc->items[mid].clock);
    gs_ix half = gs_item_new_reserved(doc);
    link_cut(doc, mid, half, 1, pos);
    static const uint8_t replacement[3] = { 0xef, 0xbf, 0xbd };
    gs_content_drop(doc, &doc->items[mid]);
    gs_content_set_reserved(doc, &doc->items[mid], (gesso_bytes){ replacement, 3 });
    gs_content_set_reserved(doc, &doc->items[half], (gesso_bytes){ replacement, 3 });
    index_cut(doc, mid, half);
    return half;
  }
  gs_ix right_ix = gs_item_new_reserved(doc);
  it = &doc->items[ix];
  link_cut(doc, ix, right_ix, at, pos);
  gs_item *r = &doc->items[right_ix];
  if (gs_kind_has_bytes(kind)) {
    gesso_bytes all = gs_content(doc, it);
    size_t rest = all.len - bytes;
    if (it->head & GS_ITEM_INLINE) {
      share_inline(it, r, bytes);
    } else {
      gs_item was = *it;
      gs_content_drop(doc, it); /* counts all of it as garbage; what is still used is taken off below */
      if (rest <= GS_INLINE_MAX) {
        take_inline(doc, r, doc->text + was.c.at + bytes, rest);
      } else {
        r->c.at = was.c.at + (uint32_t)bytes;
        r->c.bytes = (uint32_t)rest;
        doc->text_garbage -= (uint32_t)rest;
      }
      if (bytes <= GS_INLINE_MAX) {
        take_inline(doc, it, doc->text + was.c.at, bytes);
      } else {
        it->c.at = was.c.at;
        it->c.bytes = (uint32_t)bytes;
        doc->text_garbage -= (uint32_t)bytes;
      }
    }
  }
  index_cut(doc, ix, right_ix);
  return right_ix;
}

gs_ix gs_cut_at(gesso_doc *doc, gs_ix ix, uint32_t at)
{
  return cut(doc, ix, at, gs_structs_place(doc, ix));
}

gs_ix gs_clean_start(gesso_doc *doc, gs_id id)
{
  gs_ix known = gs_finder_look(doc, id);
  if (known != 0 && doc->items[known].clock == id.clock)
    return known;
  gs_pos pos = gs_structs_find(doc, id.client, id.clock);
  gs_ix ix = gs_struct_at(doc, id.client, pos);
  const gs_item *it = &doc->items[ix];
  if (it->clock == id.clock || gs_kind(it) == GS_GC || gs_kind(it) == GS_RUN)
    return ix;
  return cut(doc, ix, id.clock - it->clock, pos);
}

gs_ix gs_clean_end(gesso_doc *doc, gs_id id)
{
  gs_ix known = gs_finder_look(doc, id);
  if (known != 0 && doc->items[known].clock + doc->items[known].len - 1 == id.clock)
    return known;
  gs_pos pos = gs_structs_find(doc, id.client, id.clock);
  gs_ix ix = gs_struct_at(doc, id.client, pos);
  const gs_item *it = &doc->items[ix];
  if (id.clock != it->clock + it->len - 1 && gs_kind(it) != GS_GC && gs_kind(it) != GS_RUN) {
    gs_ix right = cut(doc, ix, id.clock - it->clock + 1, pos);
    return doc->items[right].left;
  }
  return ix;
}
