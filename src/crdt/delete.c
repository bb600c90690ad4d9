/* Deleting items, and giving up what they held. */
#include "crdt/content.h"
#include "crdt/ops.h"
#include "crdt/seq.h"
#include "crdt/subdoc.h"

static void mark_deleted(gesso_doc *doc, gs_ix ix)
{
  gs_item *it = &doc->items[ix];
  const gs_slot *slot = &doc->slots[it->slot];
  bool counted = gs_is_visible(it) && slot->key == 0;
  it->head |= GS_ITEM_DELETED | GS_ITEM_DELNOW;
  doc->ndeleted++;
  if (counted) {
    doc->types[slot->type].length -= it->len;
    gs_seq_resized(doc, slot->type, ix);
  }
  gs_txn_deleted(doc, ix, it->clock, it->len);
  gs_txn_changed(doc, slot->type, slot->key);
  if (gs_kind(it) == GS_DOC) {
    gs_subdoc_deleted(doc);
    if (doc->undo != NULL && it->clock < gs_before(doc, gs_client_of(it)))
      doc->undo_echoes++; /* Yjs destroys the subdocument in a transaction of its own */
  }
}

/* The value of the first key from that slot on. */
static gs_ix value_from(const gesso_doc *doc, uint32_t slot)
{
  while (slot != 0 && doc->slots[slot].tail == 0)
    slot = doc->slots[slot].next;
  return slot != 0 ? doc->slots[slot].tail : 0;
}

static gs_ix first_child(const gesso_doc *doc, uint32_t type)
{
  uint32_t seq = doc->types[type].seq;
  return seq != 0 && doc->slots[seq].head != 0 ? doc->slots[seq].head : value_from(doc, doc->types[type].maps);
}

static gs_ix next_child(const gesso_doc *doc, gs_ix ix)
{
  const gs_slot *slot = &doc->slots[doc->items[ix].slot];
  if (slot->key != 0)
    return value_from(doc, slot->next);
  return doc->items[ix].right != 0 ? doc->items[ix].right : value_from(doc, doc->types[slot->type].maps);
}

/* Children go in the order of Yjs, depth first, the sequence before the keys: the order of deletions decides
 * which ids their redone copies get. The way back up is in the types, so depth costs no stack. */
void gs_item_delete(gesso_doc *doc, gs_ix ix)
{
  if (gs_is_deleted(&doc->items[ix]))
    return;
  mark_deleted(doc, ix);
  if (gs_kind(&doc->items[ix]) != GS_TYPE)
    return;
  doc->txn.types_deleted = true;
  gs_ix holder = ix, child = first_child(doc, doc->items[ix].c.type);
  for (;;) {
    while (child == 0) {
      if (holder == ix)
        return;
      child = next_child(doc, holder);
      holder = doc->types[doc->slots[doc->items[holder].slot].type].item;
    }
    const gs_item *it = &doc->items[child];
    if (!gs_is_deleted(it)) {
      mark_deleted(doc, child);
      if (gs_kind(it) == GS_TYPE) {
        holder = child;
        child = first_child(doc, it->c.type);
        continue;
      }
    } else if (it->clock < gs_before(doc, gs_client_of(it))) {
      gs_txn_mergeable(doc, child); /* a gc range soon, and may merge then */
    }
    child = next_child(doc, child);
  }
}

void gs_delete_range(gesso_doc *doc, uint32_t client, uint32_t at, uint32_t end)
{
  if (at >= end)
    return;
  gs_pos pos = gs_structs_find(doc, client, at);
  const gs_item *first = &doc->items[gs_struct_at(doc, client, pos)];
  if (!gs_is_deleted(first) && first->clock < at) {
    (void)gs_clean_start(doc, (gs_id){ client, at });
    pos = gs_structs_find(doc, client, at);
  }
  do {
    gs_ix ix = gs_struct_at(doc, client, pos);
    const gs_item *it = &doc->items[ix];
    uint32_t clock = it->clock;
    if (clock >= end)
      break;
    /* Not before: a type that was just deleted may have taken this one along, whole. */
    if (!gs_is_deleted(it) && clock + it->len > end) {
      (void)gs_clean_start(doc, (gs_id){ client, end });
      pos = gs_structs_find(doc, client, clock);
      ix = gs_struct_at(doc, client, pos);
    }
    gs_item_delete(doc, ix);
  } while (gs_pos_next(doc, client, &pos));
}

static void to_gc(gesso_doc *doc, gs_ix ix, uint32_t *work)
{
  gs_item *it = &doc->items[ix];
  if (gs_kind(it) == GS_TYPE) {
    doc->types[it->c.type].work_next = *work;
    *work = it->c.type;
  } else {
    gs_content_drop(doc, it);
  }
  if (!gs_is_deleted(it))
    doc->ndeleted++;
  *it = (gs_item){ .head = gs_client_of(it) << GS_CLIENT_SHIFT | GS_ITEM_DELETED | GS_GC |
                           (it->head & GS_ITEM_DELNOW),
                   .clock = it->clock,
                   .len = it->len };
  if (doc->redone != NULL)
    doc->redone[ix] = (gs_id){ 0, 0 };
}

void gs_item_gc(gesso_doc *doc, gs_ix ix)
{
  gs_item *it = &doc->items[ix];
  uint32_t work = 0;
  if (gs_kind(it) == GS_TYPE) {
    work = it->c.type;
    doc->types[work].work_next = 0;
    memset(&it->c, 0, sizeof it->c);
  } else {
    gs_content_drop(doc, it);
  }
  gs_set_kind(it, GS_DELETED);
  while (work != 0) {
    uint32_t type = work;
    work = doc->types[type].work_next;
    if (doc->types[type].seq != 0)
      for (gs_ix i = doc->slots[doc->types[type].seq].head, next; i != 0; i = next) {
        next = doc->items[i].right;
        to_gc(doc, i, &work);
      }
    for (uint32_t s = doc->types[type].maps; s != 0; s = doc->slots[s].next)
      for (gs_ix i = doc->slots[s].tail, next; i != 0; i = next) {
        next = doc->items[i].left;
        to_gc(doc, i, &work);
      }
    gs_slots_release(doc, type);
    doc->types[type].dead = true;
    doc->types[type].item = 0;
  }
}
