/* While a large update is integrated: for each client that has much of it, an item for every few clocks, so that a
 * look-up is a step or two and not a search.
 *
 * A finder has the staged structs of the plan from the client's clock on, where they stand, before the first of them
 * is integrated: so there must be a plan whose rows stay as they are, and nobody may ask for a clock that is not there
 * yet. Structs that came one after the other stand one after the other, which is what the steps go by; whatever is
 * found is looked at before it is believed, and what was cut meanwhile is not found. */
#ifndef GS_CRDT_FINDER_H
#define GS_CRDT_FINDER_H

#include "crdt/doc_impl.h"

struct gs_plan;

/* Makes them for what is worth it. Failing to get memory for them is no failure. */
void gs_finders_start(struct gs_plan *p);
void gs_finders_stop(gesso_doc *doc);

/* The item with that clock if a finder knows, or 0. */
static inline gs_ix gs_finder_look(const gesso_doc *doc, gs_id id)
{
  uint32_t finder = doc->clients[id.client].finder;
  if (finder == 0)
    return 0;
  const gs_finder *f = &doc->finders[finder];
  uint32_t stretch = (id.clock - f->base) >> f->shift; /* past n, too, if the clock is before base */
  if (stretch >= f->n)
    return 0;
  gs_ix ix = f->v[stretch];
  if (ix == 0)
    return 0;
  const gs_item *end = doc->items + GS_MIN(ix + 8, doc->nitems);
  for (const gs_item *it = &doc->items[ix]; it < end; it++) {
    if (gs_client_of(it) != id.client || it->clock > id.clock)
      return 0;
    if (id.clock - it->clock < it->len)
      return (gs_ix)(it - doc->items);
  }
  return 0;
}

#endif
