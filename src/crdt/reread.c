#include "crdt/reread.h"
#include "crdt/runs.h"
#include "crdt/structs.h"

/* Whether a later value of its key hides it anyway. */
static bool is_hidden(const gesso_doc *doc, gs_ix ix)
{
  const gs_item *it = &doc->items[ix];
  unsigned kind = gs_kind(it);
  const gs_slot *slot = &doc->slots[it->slot];
  return (kind == GS_STRING || kind == GS_ANY || kind == GS_JSON) && slot->key != 0 && slot->tail != ix;
}

/* Whether in the copy its key has a value that still waits in the document. */
static bool is_overwritten(const gesso_doc *doc, const gesso_doc *copy, const gs_item *it)
{
  uint32_t client = gs_client_find(copy, doc->clients[gs_client_of(it)].id);
  if (client == 0 || copy->clients[client].clock <= it->clock)
    return false;
  const gs_item *theirs = &copy->items[gs_struct_of(copy, (gs_id){ client, it->clock })];
  if (gs_kind(theirs) == GS_GC || copy->slots[theirs->slot].key == 0)
    return false;
  gs_ix tail = copy->slots[theirs->slot].tail;
  if (tail == 0)
    return false;
  gs_id last = gs_last_id(&copy->items[tail]);
  uint32_t ours = gs_client_find(doc, copy->clients[last.client].id);
  return ours == 0 || last.clock >= doc->clients[ours].clock;
}

/* The same of it, or of a type that it is in. */
static bool may_go(const gesso_doc *doc, const gesso_doc *copy, gs_ix ix)
{
  while (ix != 0 && !is_hidden(doc, ix) && !is_overwritten(doc, copy, &doc->items[ix]))
    ix = doc->types[doc->slots[doc->items[ix].slot].type].item;
  return ix != 0;
}

/* Whether the copy has all of these ids, and none of them deleted. */
static bool is_live(const gesso_doc *copy, uint32_t client, uint32_t clock, uint32_t len)
{
  if (client == 0 || copy->clients[client].clock < clock + len)
    return false;
  for (uint32_t end = clock + len; clock < end;) {
    const gs_item *it = &copy->items[gs_struct_of(copy, (gs_id){ client, clock })];
    if (gs_kind(it) == GS_GC || gs_is_deleted(it))
      return false;
    clock = it->clock + it->len;
  }
  return true;
}

bool gs_shows_all(const gesso_doc *doc, gesso_doc *copy)
{
  if (!gs_runs_unpack_all(copy))
    return false;
  for (uint32_t client = 1; client < doc->nclients; client++) {
    const gs_client *c = &doc->clients[client];
    uint32_t theirs = gs_client_find(copy, c->id);
    gs_pos p = { 0, 0 };
    if (c->nchunks == 0)
      continue;
    do {
      gs_ix ix = gs_struct_at(doc, client, p);
      const gs_item *it = &doc->items[ix];
      if (gs_kind(it) == GS_RUN || gs_kind(it) == GS_GC || gs_is_deleted(it))
        continue;
      if (!is_live(copy, theirs, it->clock, it->len) && !may_go(doc, copy, ix))
        return false;
    } while (gs_pos_next(doc, client, &p));
  }
  return true;
}
