/* What can happen to structs: cut, integrate, delete, collect, merge. None of it can fail; what it
 * needs was reserved before. */
#ifndef GS_CRDT_OPS_H
#define GS_CRDT_OPS_H

#include "crdt/doc_impl.h"
#include "crdt/structs.h"

/* Items and struct places that one cut may take. A cut through a surrogate pair makes U+FFFD of both
 * halves, as Yjs does, each in an item of its own until the transaction's end merges them. */
static inline uint32_t gs_cut_cost(const gesso_doc *doc)
{
  return doc->astral ? 3 : 1;
}

/* Cuts so that a struct begins at id, and returns it (Yjs: getItemCleanStart). gc ranges and runs are not cut. */
gs_ix gs_clean_start(gesso_doc *doc, gs_id id);
/* Cuts so that a struct ends with id, and returns it (Yjs: getItemCleanEnd). */
gs_ix gs_clean_end(gesso_doc *doc, gs_id id);

/* Cuts an item after `at` elements, 0 < at < len, and returns the piece behind. */
gs_ix gs_cut_at(gesso_doc *doc, gs_ix ix, uint32_t at);

/* Deletes a live item and, if it holds a type, everything in it (Yjs: Item.delete). */
void gs_item_delete(gesso_doc *doc, gs_ix ix);
/* Deletes what is live in the clocks at .. end of a client. end <= the client's clock. */
void gs_delete_range(gesso_doc *doc, uint32_t client, uint32_t at, uint32_t end);
/* Frees the content of a deleted item; the children of a type become gc ranges (Yjs: Item.gc). */
void gs_item_gc(gesso_doc *doc, gs_ix ix);

/* A quick look, that says no where gs_merge_lefts would find nothing to do between the two, neighbours in clocks. */
static inline bool gs_may_merge(const gesso_doc *doc, gs_ix left, gs_ix right)
{
  const gs_item *l = &doc->items[left], *r = &doc->items[right];
  return ((l->head ^ r->head) & (GS_KIND_MASK | GS_ITEM_DELETED)) == 0 && (l->right == right || gs_kind(l) == GS_GC);
}

/* Whether two neighbours in clocks may become one struct. */
bool gs_mergeable(const gesso_doc *doc, gs_ix left, gs_ix right);
/* Merges the struct at *p into its left neighbours as far as possible. *p then names the struct that
 * holds it. Returns how many were merged (Yjs: tryToMergeWithLefts). */
uint32_t gs_merge_lefts(gesso_doc *doc, uint32_t client, gs_pos *p);

/* Puts a new item, complete but for left, right and slot, into its place among its siblings and at the
 * end of its client's structs (Yjs: Item.integrate). left and right are where it was inserted. */
void gs_integrate(gesso_doc *doc, gs_ix ix, uint32_t slot, gs_ix left, gs_ix right);
/* Makes a gc range of the place and appends it. */
void gs_integrate_gc(gesso_doc *doc, gs_ix ix, uint32_t client, uint32_t len);

#endif
