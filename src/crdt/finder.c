#include "crdt/plan.h"
#include "crdt/structs.h"

#define WORTH_IT 256 /* structs of one client */

static void start(gesso_doc *doc, uint32_t client)
{
  gs_client *c = &doc->clients[client];
  uint32_t shift = 0, span = c->sim - c->clock;
  while (span >> shift > c->appends * 2)
    shift++;
  uint32_t n = (span >> shift) + 1, at = GS_MAX(doc->nfinders, 1);
  if (!gs_grow(doc->alloc, &doc->finders, &doc->finders_cap, (size_t)at + 1, sizeof *doc->finders))
    return;
  gs_ix *v = gs_alloc_zero(doc->alloc, n * sizeof *v);
  if (v == NULL)
    return;
  doc->finders[at] = (gs_finder){ .client = client, .base = c->clock, .shift = shift, .n = n, .v = v };
  doc->nfinders = at + 1;
  c->finder = at;
}

static void add_row(gesso_doc *doc, gs_row row)
{
  const gs_finder *f = NULL;
  uint32_t client = 0;
  for (gs_ix ix = row.first; ix < row.end; ix++) {
    const gs_item *it = &doc->items[ix];
    if (gs_client_of(it) != client) {
      client = gs_client_of(it);
      uint32_t finder = doc->clients[client].finder;
      f = finder != 0 ? &doc->finders[finder] : NULL;
    }
    /* Of what is there in part or as a whole the document has items. */
    if (f == NULL || it->clock < f->base || (it->head & GS_IN_KNOWN) != 0)
      continue;
    uint32_t first = it->clock - f->base, last = (first + it->len - 1) >> f->shift;
    first = (first + (1u << f->shift) - 1) >> f->shift;
    for (uint32_t i = first; i <= last && i < f->n; i++)
      f->v[i] = ix;
  }
}

void gs_finders_start(gs_plan *p)
{
  gesso_doc *doc = p->doc;
  for (uint32_t i = 0; i < p->ninvolved; i++)
    if (doc->clients[p->involved[i]].appends >= WORTH_IT)
      start(doc, p->involved[i]);
  for (uint32_t i = 0; doc->nfinders > 0 && i < p->nrows; i++)
    add_row(doc, p->rows[i]);
}

void gs_finders_stop(gesso_doc *doc)
{
  for (uint32_t i = 1; i < doc->nfinders; i++) {
    gs_finder *f = &doc->finders[i];
    doc->clients[f->client].finder = 0;
    gs_free(doc->alloc, f->v, f->n * sizeof *f->v);
  }
  gs_free(doc->alloc, doc->finders, doc->finders_cap * sizeof *doc->finders);
  doc->finders = NULL;
  doc->nfinders = doc->finders_cap = 0;
}
