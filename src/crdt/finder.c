#include "crdt/plan.h"
#include "crdt/structs.h"

/* Structs of a client that are worth it, and clocks for each of them, at most: a finder takes 16 bytes for 64. */
#ifndef GS_RUNS_SMALL
enum { WORTH_IT = 256 };
#else
enum { WORTH_IT = 2 }; /* for tests: the updates of a few edits */
#endif
enum { CLOCKS_MAX = 64 };

static void start(gesso_doc *doc, uint32_t client)
{
  gs_client *c = &doc->clients[client];
  uint32_t span = c->sim - c->clock, n = span / 64 + 1, at = GS_MAX(doc->nfinders, 1);
  if (span / CLOCKS_MAX > c->appends)
    return;
  if (!gs_grow(doc->alloc, &doc->finders, &doc->finders_cap, (size_t)at + 1, sizeof *doc->finders))
    return;
  gs_finder_word *v = gs_alloc_zero(doc->alloc, n * sizeof *v);
  if (v == NULL)
    return;
  doc->finders[at] = (gs_finder){ .client = client, .base = c->clock, .n = n, .v = v };
  doc->nfinders = at + 1;
  c->finder = at;
}

/* The structs of one client among those of a row. */
static gs_ix add(gesso_doc *doc, gs_ix ix, gs_ix end, uint32_t client)
{
  uint32_t finder = doc->clients[client].finder;
  gs_finder *f = finder != 0 ? &doc->finders[finder] : NULL;
  for (; ix < end && gs_client_of(&doc->items[ix]) == client; ix++) {
    const gs_item *it = &doc->items[ix];
    /* Of what is there in part or as a whole the document has items. */
    if (f == NULL || it->clock < f->base || (it->head & GS_IN_KNOWN) != 0)
      continue;
    uint32_t at = it->clock - f->base, word = at / 64;
    for (; f->filled < word; f->v[++f->filled].before = ix - 1)
      ;
    if (f->v[word].begins == 0)
      f->v[word].before = ix - 1;
    f->v[word].begins |= (uint64_t)1 << at % 64;
  }
  return ix;
}

void gs_finders_start(gs_plan *p)
{
  gesso_doc *doc = p->doc;
  for (uint32_t i = 0; i < p->ninvolved; i++)
    if (doc->clients[p->involved[i]].appends >= WORTH_IT)
      start(doc, p->involved[i]);
  for (uint32_t i = 0; doc->nfinders > 0 && i < p->nrows; i++)
    for (gs_ix ix = p->rows[i].first; ix < p->rows[i].end;)
      ix = add(doc, ix, p->rows[i].end, gs_client_of(&doc->items[ix]));
  /* What begins last may reach over some more. */
  for (uint32_t i = 1; i < doc->nfinders; i++) {
    gs_finder *f = &doc->finders[i];
    gs_ix last = f->v[f->filled].before + (gs_ix)__builtin_popcountll(f->v[f->filled].begins);
    while (f->filled + 1 < f->n)
      f->v[++f->filled].before = last;
  }
}

void gs_finders_free(gesso_doc *doc)
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
