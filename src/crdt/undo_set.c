/* Sets of clocks, in the order that undo works in. */
#include "crdt/structs.h"
#include "crdt/undo.h"

#include <stdlib.h>

static int by_rank(const void *a, const void *b, void *ctx)
{
  const gesso_doc *doc = ctx;
  uint32_t x = doc->clients[((const gs_idgroup *)a)->client].rank, y = doc->clients[((const gs_idgroup *)b)->client].rank;
  return x < y ? -1 : x > y;
}

static int by_del_rank(const void *a, const void *b, void *ctx)
{
  const gesso_doc *doc = ctx;
  uint32_t x = doc->clients[((const gs_idgroup *)a)->client].del_rank,
           y = doc->clients[((const gs_idgroup *)b)->client].del_rank;
  return x < y ? -1 : x > y;
}

static bool room(gesso_doc *doc, gs_idset *s, size_t ranges, size_t groups)
{
  *s = (gs_idset){ 0 };
  s->v = gs_alloc(doc->alloc, ranges * sizeof *s->v);
  s->g = gs_alloc(doc->alloc, groups * sizeof *s->g);
  s->by = gs_alloc(doc->alloc, groups * sizeof *s->by);
  s->cap = (uint32_t)ranges;
  s->g_cap = (uint32_t)groups;
  if ((ranges == 0 || s->v != NULL) && (groups == 0 || (s->g != NULL && s->by != NULL)))
    return true;
  gs_idset_finish(doc, s);
  return false;
}

/* Appends to the last group, joined with its last range where they touch or overlap. */
static void put(gs_idset *s, gs_range r)
{
  gs_idgroup *g = &s->g[s->ng - 1];
  gs_range *last = g->n > 0 ? &s->v[s->n - 1] : NULL;
  if (last != NULL && last->clock + last->len >= r.clock) {
    last->len = GS_MAX(last->clock + last->len, r.clock + r.len) - last->clock;
    return;
  }
  s->v[s->n++] = r;
  g->n++;
}

static void begin_group(gs_idset *s, uint32_t client)
{
  s->g[s->ng++] = (gs_idgroup){ client, s->n, 0 };
}

static int by_group_client(const void *a, const void *b, void *ctx)
{
  const gs_idset *s = ctx;
  uint32_t x = s->g[*(const uint32_t *)a].client, y = s->g[*(const uint32_t *)b].client;
  return x < y ? -1 : x > y;
}

/* No more groups come. */
static void end_groups(gs_idset *s)
{
  for (uint32_t i = 0; i < s->ng; i++)
    s->by[i] = i;
  if (s->ng > 1)
    qsort_r(s->by, s->ng, sizeof *s->by, by_group_client, s);
}

bool gs_idset_inserted(gesso_doc *doc, const gs_txn_view *txn, gs_idset *out)
{
  if (!room(doc, out, txn->ntouched, txn->ntouched))
    return false;
  for (uint32_t i = 0; i < txn->ntouched; i++) {
    uint32_t client = txn->touched[i], before = gs_before(doc, client), clock = doc->clients[client].clock;
    if (clock == before)
      continue;
    begin_group(out, client);
    put(out, (gs_range){ client, before, clock - before });
  }
  if (out->ng > 1)
    qsort_r(out->g, out->ng, sizeof *out->g, by_rank, doc);
  end_groups(out);
  return true;
}

bool gs_idset_deleted(gesso_doc *doc, const gs_txn_view *txn, gs_idset *out)
{
  const gs_ranges *d = txn->deleted;
  uint32_t groups = 0;
  for (uint32_t i = 0; i < d->n; i++)
    groups += i == 0 || d->v[i].client != d->v[i - 1].client;
  if (!room(doc, out, d->n, groups))
    return false;
  for (uint32_t i = 0; i < d->n; i++) {
    if (i == 0 || d->v[i].client != d->v[i - 1].client)
      begin_group(out, d->v[i].client);
    put(out, d->v[i]);
  }
  if (out->ng > 1)
    qsort_r(out->g, out->ng, sizeof *out->g, by_del_rank, doc);
  end_groups(out);
  return true;
}

static const gs_idgroup *group_of(const gs_idset *s, uint32_t client)
{
  uint32_t lo = 0, hi = s->ng;
  while (lo < hi) {
    uint32_t mid = lo + (hi - lo) / 2;
    if (s->g[s->by[mid]].client < client)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo < s->ng && s->g[s->by[lo]].client == client ? &s->g[s->by[lo]] : NULL;
}

bool gs_idset_union(gesso_doc *doc, const gs_idset *a, const gs_idset *b, gs_idset *out)
{
  if (!room(doc, out, (size_t)a->n + b->n, (size_t)a->ng + b->ng))
    return false;
  for (uint32_t i = 0; i < a->ng + b->ng; i++) {
    const gs_idgroup *x = i < a->ng ? &a->g[i] : &b->g[i - a->ng];
    const gs_idgroup *y = group_of(i < a->ng ? b : a, x->client);
    if (i >= a->ng && y != NULL)
      continue; /* came with a */
    begin_group(out, x->client);
    const gs_range *p = (i < a->ng ? a : b)->v + x->first, *p_end = p + x->n;
    const gs_range *q = y != NULL ? b->v + y->first : p_end, *q_end = y != NULL ? q + y->n : q;
    while (p < p_end || q < q_end) {
      bool from_p = q == q_end || (p < p_end && p->clock <= q->clock);
      put(out, from_p ? *p++ : *q++);
    }
  }
  end_groups(out);
  return true;
}

bool gs_idset_has(const gs_idset *s, gs_id id)
{
  const gs_idgroup *g = group_of(s, id.client);
  if (g == NULL)
    return false;
  uint32_t lo = g->first, hi = g->first + g->n;
  while (lo < hi) {
    uint32_t mid = lo + (hi - lo) / 2;
    if (s->v[mid].clock + s->v[mid].len <= id.clock)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo < g->first + g->n && s->v[lo].clock <= id.clock;
}

void gs_idset_finish(gesso_doc *doc, gs_idset *s)
{
  gs_free(doc->alloc, s->v, s->cap * sizeof *s->v);
  gs_free(doc->alloc, s->g, s->g_cap * sizeof *s->g);
  gs_free(doc->alloc, s->by, s->g_cap * sizeof *s->by);
  *s = (gs_idset){ 0 };
}

gs_ix gs_idset_next(gesso_doc *doc, gs_idset_walk *w, gesso_status *st)
{
  for (; w->group < w->set->ng; w->group++, w->range = 0, w->at = 0) {
    const gs_idgroup *g = &w->set->g[w->group];
    for (; w->range < g->n; w->range++, w->at = 0) {
      const gs_range *r = &w->set->v[g->first + w->range];
      if (w->at >= r->len)
        continue;
      gs_id id = { r->client, r->clock + w->at };
      gs_ix ix = gs_undo_clean_start(doc, id);
      const gs_item *it = &doc->items[ix];
      uint32_t end = r->clock + r->len;
      if (ix != 0 && it->clock + it->len > end && gs_kind(it) != GS_GC &&
          gs_undo_clean_start(doc, (gs_id){ r->client, end }) == 0)
        ix = 0;
      if (ix == 0) {
        *st = GESSO_E_NOMEM;
        return 0;
      }
      it = &doc->items[ix];
      w->at = it->clock + it->len - r->clock;
      return ix;
    }
  }
  return 0;
}

const char *gs_idset_check(const gesso_doc *doc, const gs_idset *s)
{
  uint32_t n = 0;
  for (uint32_t i = 0; i < s->ng; i++) {
    const gs_idgroup *g = &s->g[i];
    if (g->client == 0 || g->client >= doc->nclients || g->n == 0 || g->first > s->n || g->n > s->n - g->first ||
        group_of(s, g->client) != g)
      return "I10 the clients of an undo stack's set";
    n += g->n;
    for (uint32_t k = g->first; k < g->first + g->n; k++) {
      const gs_range *r = &s->v[k];
      if (r->client != g->client || r->len == 0 || r->clock + r->len > doc->clients[g->client].clock)
        return "I10 a range of an undo stack's set";
      if (k > g->first && s->v[k - 1].clock + s->v[k - 1].len >= r->clock)
        return "I10 the order of an undo stack's set";
    }
  }
  return n == s->n ? NULL : "I10 the number of ranges of an undo stack's set";
}
