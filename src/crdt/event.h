/* The events of types, read at the end of a transaction as Yjs reads them (YEvent, YTextEvent). */
#ifndef GS_CRDT_EVENT_H
#define GS_CRDT_EVENT_H

#include "base/arena.h"
#include "crdt/doc_impl.h"
#include "gesso/events.h"

/* Types that were deleted and roots without a kind have no events, as in Yjs. */
bool gs_type_tells(const gesso_doc *doc, uint32_t type);

/* The type that holds it; 0 for roots. */
static inline uint32_t gs_type_holder(const gesso_doc *doc, uint32_t type)
{
  gs_ix item = doc->types[type].item;
  return item != 0 ? doc->slots[doc->items[item].slot].type : 0;
}

/* How much of an item was there before the running transaction: nothing, all, or, when it grew in place, a part. */
static inline uint32_t gs_item_old(const gesso_doc *doc, const gs_item *it)
{
  uint32_t before = gs_before(doc, gs_client_of(it));
  return before <= it->clock ? 0 : before - it->clock < it->len ? before - it->clock : it->len;
}

/* What happened to the sequence, and to `n` keys (those that are as they were are left out). */
GESSO_MUST_USE gesso_status gs_event_delta(gesso_doc *doc, uint32_t type, gs_arena *arena, gesso_event *out);
GESSO_MUST_USE gesso_status gs_event_keys(gesso_doc *doc, uint32_t type, const uint32_t *keys, uint32_t n,
                                          gs_arena *arena, gesso_event *out);
/* From the root to the type. LIMIT: that is more than the steps that are left. */
GESSO_MUST_USE gesso_status gs_event_path(gesso_doc *doc, uint32_t type, size_t *steps_left, gs_arena *arena,
                                          gesso_event *out);

#endif
