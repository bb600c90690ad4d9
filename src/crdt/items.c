/* The pool of items. */
#include "base/poison.h"
#include "crdt/doc_impl.h"

#include <assert.h>

bool gs_items_room(gesso_doc *doc, size_t n, size_t most)
{
  size_t need = (size_t)doc->nitems + n;
  if (need > doc->items_cap) {
    size_t want = (size_t)doc->items_cap + doc->items_cap / (doc->items_cap < 1024 ? 2 : 4);
    if (need * sizeof(gs_item) <= GS_EXACT_MAX)
      want = need;
    want = GS_MAX(need, GS_MIN(want, doc->nitems + GS_MAX(most, doc->nitems / 8)));
    gs_item *p = want < UINT32_MAX
                   ? gs_resize(doc->alloc, doc->items, doc->items_cap * sizeof *p, want * sizeof *p)
                   : NULL;
    if (p == NULL)
      return false;
    doc->items = p;
    doc->items_cap = (uint32_t)want;
  }
  if (doc->leaf_of != NULL && doc->leaf_of_cap < doc->items_cap) {
    uint32_t *p = gs_resize(doc->alloc, doc->leaf_of, doc->leaf_of_cap * sizeof *p, doc->items_cap * sizeof *p);
    if (p == NULL)
      return false;
    doc->leaf_of = p;
    doc->leaf_of_cap = doc->items_cap;
  }
  return doc->redone == NULL || gs_redone_reserve(doc);
}

bool gs_items_grow(gesso_doc *doc, size_t n)
{
  n -= doc->nfree_items;
  return gs_items_room(doc, n, n > doc->nitems / 8 ? n : UINT32_MAX);
}

bool gs_redone_reserve(gesso_doc *doc)
{
  if (doc->redone_cap >= doc->items_cap)
    return true;
  gs_id *p = gs_resize(doc->alloc, doc->redone, doc->redone_cap * sizeof *p, doc->items_cap * sizeof *p);
  if (p == NULL)
    return false;
  memset(p + doc->redone_cap, 0, (doc->items_cap - doc->redone_cap) * sizeof *p);
  doc->redone = p;
  doc->redone_cap = doc->items_cap;
  return true;
}

gs_ix gs_item_new_reserved(gesso_doc *doc)
{
  gs_ix ix = doc->free_item;
  if (ix != 0) {
    doc->free_item = doc->items[ix].right;
    doc->nfree_items--;
  } else {
    assert(doc->nitems < doc->items_cap);
    ix = doc->nitems++;
  }
  memset(&doc->items[ix], 0, sizeof(gs_item));
  return ix;
}

void gs_item_free(gesso_doc *doc, gs_ix ix)
{
  doc->items[ix].head = GS_FREE;
  if (ix + 1 == doc->nitems) {
    doc->nitems--;
    return;
  }
  doc->items[ix].right = doc->free_item;
  doc->free_item = ix;
  doc->nfree_items++;
}
