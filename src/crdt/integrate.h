/* The part of an integration that is the same whatever stood in the way: for integrate.c and for the usual structs of
 * an update (apply.c). */
#ifndef GS_CRDT_INTEGRATE_H
#define GS_CRDT_INTEGRATE_H

#include "crdt/ops.h"
#include "crdt/seq.h"

/* Puts a new item, complete but for left, right and slot, behind `left` (0: at the head) in its chain and at the end of
 * its client's structs. */
static inline void gs_integrate_behind(gesso_doc *doc, gs_ix ix, uint32_t slot_ix, gs_ix left)
{
  gs_item *it = &doc->items[ix];
  gs_slot *slot = &doc->slots[slot_ix];
  it->slot = slot_ix;
  it->left = left;
  if (left != 0) {
    it->right = doc->items[left].right;
    doc->items[left].right = ix;
  } else {
    it->right = slot->head;
    slot->head = ix;
  }
  uint32_t type = slot->type, key = slot->key;
  if (it->right != 0)
    doc->items[it->right].left = ix;
  else
    slot->tail = ix;
  if (key != 0 && it->right == 0 && left != 0 && !gs_is_deleted(&doc->items[left]))
    gs_item_delete(doc, left); /* the new item is the value of this key now */
  gs_structs_append_reserved(doc, gs_client_of(it), ix);
  unsigned kind = gs_kind(it);
  if (kind == GS_DELETED) {
    it->head |= GS_ITEM_DELETED | GS_ITEM_DELNOW;
    doc->ndeleted++;
    gs_txn_deleted(doc, ix, it->clock, it->len);
  } else if (kind == GS_FORMAT) {
    doc->types[type].has_formatting = true;
  } else if (kind == GS_TYPE) {
    doc->types[it->c.type].item = ix;
  }
  if (key == 0) {
    doc->types[type].length += gs_visible_len(it);
    if (doc->types[type].index != NULL)
      gs_seq_inserted(doc, type, ix);
  }
  gs_txn_changed(doc, type, key);
  if (gs_is_deleted(it))
    return;
  gs_ix holder = doc->types[type].item;
  if ((holder != 0 && gs_is_deleted(&doc->items[holder])) || (key != 0 && it->right != 0))
    gs_item_delete(doc, ix);
}

#endif
