/* Joining structs that follow each other in every respect (Yjs: mergeWith, tryToMergeWithLefts). */
#include "crdt/content.h"
#include "crdt/ops.h"
#include "crdt/seq.h"

bool gs_mergeable(const gesso_doc *doc, gs_ix left_ix, gs_ix right_ix)
{
  const gs_item *l = &doc->items[left_ix], *r = &doc->items[right_ix];
  unsigned kind = gs_kind(l);
  if (kind != gs_kind(r) || gs_is_deleted(l) != gs_is_deleted(r) || l->len + r->len > GS_CLOCK_MAX)
    return false;
  if (kind == GS_GC)
    return true;
  if (l->right != right_ix || !gs_id_eq(r->origin, gs_last_id(l)) ||
      !gs_id_eq(l->right_origin, r->right_origin) || gs_redone(doc, left_ix).client != 0 ||
      gs_redone(doc, right_ix).client != 0)
    return false;
  return kind == GS_STRING || kind == GS_ANY || kind == GS_JSON || kind == GS_DELETED;
}

uint32_t gs_merge_lefts(gesso_doc *doc, uint32_t client, gs_pos *p)
{
  /* Find the first of the run, then join from left to right: a long run costs its length once. */
  gs_pos first = *p, before = *p;
  uint32_t run = 0;
  while (gs_pos_prev(doc, client, &before) &&
         gs_mergeable(doc, gs_struct_at(doc, client, before), gs_struct_at(doc, client, first))) {
    first = before;
    run++;
  }
  uint32_t merged = 0;
  gs_ix left_ix = gs_struct_at(doc, client, first);
  for (uint32_t i = 0; i < run; i++) {
    gs_pos next = first;
    (void)gs_pos_next(doc, client, &next);
    gs_ix right_ix = gs_struct_at(doc, client, next);
    gs_item *l = &doc->items[left_ix], *r = &doc->items[right_ix];
    if (gs_kind_has_bytes(gs_kind(l)) && !gs_content_join(doc, l, r)) {
      /* No memory to join: they stay two, which is just as right. */
      first = next;
      left_ix = right_ix;
      continue;
    }
    if (gs_kind(l) != GS_GC) {
      gs_slot *slot = &doc->slots[l->slot];
      bool indexed = slot->key == 0 && doc->types[slot->type].index != NULL, shown = gs_is_visible(r);
      if (indexed)
        gs_seq_removed(doc, slot->type, right_ix);
      l->right = r->right;
      if (l->right == 0)
        slot->tail = left_ix;
      else if (l->right != GS_PACKED)
        doc->items[l->right].left = left_ix;
      l->len += r->len;
      if (indexed && shown)
        gs_seq_resized(doc, slot->type, left_ix);
    } else {
      l->len += r->len;
    }
    l->head |= r->head & (GS_ITEM_KEEP | GS_ITEM_DELNOW);
    if (gs_is_deleted(r))
      doc->ndeleted--;
    gs_structs_remove(doc, client, next);
    gs_item_free(doc, right_ix);
    merged++;
  }
  *p = first;
  return merged;
}
