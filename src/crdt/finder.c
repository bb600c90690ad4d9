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
  doc->finders[at] = (gs_finder){ .client = client, .base = c->clock, .end = c->clock, .n = n, .cap = n, .v = v };
  doc->nfinders = at + 1;
  c->finder = at;
}

/* Notes that one struct begins at each of n clocks from that one on. */
static inline void note(gs_finder *f, uint32_t clock, uint32_t n, gs_ix ix)
{
  for (uint32_t at = clock - f->base; n > 0;) {
    uint32_t word = at / 64, bits = GS_MIN(n, 64 - at % 64);
    for (; f->filled < word; f->v[++f->filled].before = ix - 1)
      ;
    if (f->v[word].begins == 0)
      f->v[word].before = ix - 1;
    f->v[word].begins |= (bits < 64 ? ((uint64_t)1 << bits) - 1 : UINT64_MAX) << at % 64;
    at += bits;
    ix += bits;
    n -= bits;
  }
}

/* The structs of one client among those of a row. */
static gs_ix add(gesso_doc *doc, gs_ix ix, gs_ix end, uint32_t client)
{
  uint32_t finder = doc->clients[client].finder;
  gs_finder *f = finder != 0 ? &doc->finders[finder] : NULL;
  uint32_t one_ago = 0, two_ago = 0; /* where those begin; 0: what was before is not known */
  bool known = false;
  for (; ix < end && gs_client_of(&doc->items[ix]) == client; ix++) {
    gs_item *it = &doc->items[ix];
    if (f == NULL || f->closed || (it->head & GS_IN_KNOWN) != 0)
      continue;
    bool first = f->last == 0, partly = first && it->clock < f->base;
    /* Counting leads to a struct only where they stand one after the other, and begin where the one before ends. With
     * others among them, of which there may be copies that are passed by, the finder is at its end. */
    if ((!first && ix != f->last + 1) || (!partly && it->clock != f->end)) {
      f->closed = true;
      f->n = f->filled + 1;
      continue;
    }
    f->last = ix;
    f->end = it->clock + it->len;
    if (partly)
      continue; /* of what is there in part the document has an item */
    uint32_t alike = gs_update_alike(doc, ix, end);
    if (alike > 2) { /* of those origins nobody asks */
      note(f, it->clock, alike, ix);
      f->last = ix += alike - 1;
      f->end += alike - 1;
      one_ago = f->end - 1;
      two_ago = f->end - 2;
      known = true;
      continue;
    }
    note(f, it->clock, 1, ix);
    /* Shapes are dragged by x and y, and each value is put behind the one before it: that is near. */
    uint32_t behind = it->origin.clock + 1;
    if ((behind == one_ago || behind == two_ago) && it->origin.client == client && (it->head & GS_IN_PARENT) == 0)
      it->left = ix - (behind == one_ago ? 2 : 3);
    two_ago = one_ago;
    one_ago = known ? it->clock : 0;
    known = true;
  }
  return ix;
}

void gs_finders_start(gs_plan *p)
{
  gesso_doc *doc = p->doc;
  /* Where everything is near they would be asked for little, and cost more than that. */
  if (p->up.near && p->up.end == p->up.own_end)
    return;
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
    gs_free(doc->alloc, f->v, f->cap * sizeof *f->v);
  }
  gs_free(doc->alloc, doc->finders, doc->finders_cap * sizeof *doc->finders);
  doc->finders = NULL;
  doc->nfinders = doc->finders_cap = 0;
}
