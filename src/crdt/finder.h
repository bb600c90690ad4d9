/* While a large update is integrated: where the structs of each client that has much of it are, so that a look-up is
 * not a search.
 *
 * A finder has the staged structs of the plan from the client's clock on, where they stand, before the first of them
 * is integrated: so there must be a plan whose rows stay as they are, and nobody may ask for a clock that is not there
 * yet. It has a bit for each clock at which one begins. Structs that come one after the other stand one after the
 * other, so counting bits leads to the struct; it is looked at before it is believed, and what was cut meanwhile is not
 * found. */
#ifndef GS_CRDT_FINDER_H
#define GS_CRDT_FINDER_H

#include "crdt/doc_impl.h"

struct gs_plan;

/* Makes them for what is worth it. Failing to get memory for them is no failure. */
void gs_finders_start(struct gs_plan *p);
void gs_finders_free(gesso_doc *doc);
static inline void gs_finders_stop(gesso_doc *doc)
{
  if (doc->finders != NULL)
    gs_finders_free(doc);
}

static inline const gs_finder_word *gs_finder_at(const gesso_doc *doc, gs_id id)
{
  uint32_t finder = doc->clients[id.client].finder;
  if (finder == 0)
    return NULL;
  const gs_finder *f = &doc->finders[finder];
  uint32_t word = (id.clock - f->base) / 64; /* past n, too, if the clock is before base */
  return word < f->n ? &f->v[word] : NULL;
}

/* Whether a struct is known to begin there. */
static inline bool gs_finder_begins(const gesso_doc *doc, gs_id id)
{
  const gs_finder_word *w = gs_finder_at(doc, id);
  return w != NULL && (w->begins >> (id.clock - doc->finders[doc->clients[id.client].finder].base) % 64 & 1) != 0;
}

/* The item with that clock if a finder knows, or 0. */
static inline gs_ix gs_finder_look(const gesso_doc *doc, gs_id id)
{
  const gs_finder_word *w = gs_finder_at(doc, id);
  if (w == NULL)
    return 0;
  unsigned bit = (id.clock - doc->finders[doc->clients[id.client].finder].base) % 64;
  gs_ix ix = w->before + (gs_ix)__builtin_popcountll(w->begins << (63 - bit));
  if (ix >= doc->nitems)
    return 0;
  const gs_item *it = &doc->items[ix];
  return gs_client_of(it) == id.client && id.clock - it->clock < it->len ? ix : 0;
}

#endif
