#include "crdt/plan.h"
#include "crdt/content.h"
#include "crdt/pending.h"
#include "crdt/structs.h"

#include <stdlib.h>

static inline bool push(gs_plan *p, uint32_t **v, uint32_t *n, uint32_t *cap, uint32_t x)
{
  if (*n == *cap && !gs_grow(p->doc->alloc, v, cap, (size_t)*n + 1, sizeof(uint32_t))) {
    p->nomem = true;
    return false;
  }
  (*v)[(*n)++] = x;
  return true;
}

void gs_plan_push_ready(gs_plan *p, uint32_t client)
{
  (void)push(p, &p->ready, &p->nready, &p->ready_cap, client);
}

static inline void put_by(gs_plan *p, gs_ix ix)
{
  p->doc->items[ix].right = 0;
  if (p->passed.head == 0)
    p->passed.head = ix;
  else
    p->doc->items[p->passed.tail].right = ix;
  p->passed.tail = ix;
}

static void add_row(gs_plan *p, gs_ix first, gs_ix end)
{
  if (p->nrows > 0 && p->rows[p->nrows - 1].end == first) {
    p->rows[p->nrows - 1].end = end;
    return;
  }
  if (p->nrows == p->rows_cap && !gs_grow(p->doc->alloc, &p->rows, &p->rows_cap, (size_t)p->nrows + 1, sizeof(gs_row))) {
    p->nomem = true;
    return;
  }
  p->rows[p->nrows++] = (gs_row){ first, end };
}

gs_client *gs_plan_client(gs_plan *p, uint32_t client)
{
  gs_client *c = &p->doc->clients[client];
  if (c->sim_epoch != p->epoch && push(p, &p->involved, &p->ninvolved, &p->involved_cap, client)) {
    c->sim_epoch = p->epoch;
    c->sim = c->clock;
    c->appends = c->cuts = 0;
    c->was_wait_client = c->wait_client;
    c->was_wait_clock = c->wait_clock;
  }
  return c;
}

void gs_plan_restore_waits(gs_plan *p, uint32_t nclients)
{
  gesso_doc *doc = p->doc;
  for (uint32_t i = 0; i < p->ninvolved; i++) {
    const gs_client *c = &doc->clients[p->involved[i]];
    if (p->involved[i] < nclients && c->was_wait_client != 0)
      gs_wait_for(doc, p->involved[i], c->was_wait_client, c->was_wait_clock);
    else
      gs_wait_no_more(doc, p->involved[i]);
  }
}

uint32_t gs_waiting_at(const gesso_doc *doc, uint32_t client, uint32_t clock)
{
  if (doc->clients[client].pending == 0)
    return 0;
  uint32_t node = gs_ptree_before(&doc->pending->structs, client, clock);
  const gs_pnode *nd = &doc->pending->structs.v[node];
  return node != 0 && nd->clock + nd->len > clock ? node : 0;
}

/* Stages it behind the structs of the update. 0 when memory is short. */
static gs_ix stage_waiting(gs_plan *p, uint32_t node)
{
  gesso_doc *doc = p->doc;
  if (!gs_items_room(doc, 1, UINT32_MAX)) {
    p->nomem = true;
    return 0;
  }
  gs_ix ix = gs_update_stage_reserved(doc, &p->up);
  gs_pending_decode(doc, &doc->pending->structs.v[node], &doc->items[ix]);
  return ix;
}

/* Whether a cut before this clock takes a character apart, which loses it (cut.c). */
static bool takes_apart(gesso_doc *doc, uint32_t client, uint32_t clock)
{
  if (clock >= doc->clients[client].clock)
    return false;
  const gs_item *it = &doc->items[gs_struct_of(doc, (gs_id){ client, clock })];
  int pair = 0;
  if (gs_kind(it) == GS_STRING && clock > it->clock && gs_content(doc, it).len != it->len)
    (void)gs_content_find(doc, it, clock - it->clock, &pair);
  return pair != 0;
}

/* Yjs cuts at the origins of a struct even when it has that struct, and joins what it cut again. That shows
 * where a character is lost to it. */
static bool known_but_cuts(gs_plan *p, const gs_item *in)
{
  gesso_doc *doc = p->doc;
  if (!doc->astral || gs_kind(in) == GS_GC)
    return false;
  gs_id origin = gs_in_origin(in);
  return (origin.client != 0 && takes_apart(doc, origin.client, origin.clock + 1)) ||
         (in->right_origin.client != 0 && takes_apart(doc, in->right_origin.client, in->right_origin.clock));
}

/* Of two copies the one that waits is taken if it goes on where others that wait end. */
static bool goes_on(const gs_plan *p, uint32_t node, uint32_t clock)
{
  const gs_ptree *t = &p->doc->pending->structs;
  const gs_pnode *nd = &t->v[node];
  if (nd->clock != clock || clock == 0)
    return nd->clock < clock;
  uint32_t before = gs_ptree_before(t, nd->client, clock - 1);
  return before != 0 && t->v[before].clock + t->v[before].len == clock;
}

/* The next struct of the client at its simulated clock, or 0. */
static gs_ix next_struct(gs_plan *p, uint32_t client)
{
  gesso_doc *doc = p->doc;
  gs_client *c = &doc->clients[client];
  gs_ix fresh = 0;
  while (c->in_first < c->in_end && fresh == 0) {
    gs_item *in = &doc->items[c->in_first];
    uint32_t end = in->clock + in->len;
    if (end <= c->clock && known_but_cuts(p, in)) {
      in->head |= GS_IN_KNOWN;
      return c->in_first;
    }
    if (end <= c->sim)
      put_by(p, c->in_first++);
    else if (in->clock <= c->sim)
      fresh = c->in_first;
    else
      break;
  }
  uint32_t node = p->update_only ? 0 : gs_waiting_at(doc, client, c->sim);
  return node != 0 && (fresh == 0 || goes_on(p, node, c->sim)) ? stage_waiting(p, node) : fresh;
}

static bool missing(const gs_plan *p, uint32_t self, gs_id dep, gs_id *out)
{
  if (dep.client == 0 || dep.client == self)
    return false;
  const gs_client *c = &p->doc->clients[dep.client];
  uint32_t state = c->sim_epoch == p->epoch ? c->sim : c->clock;
  if (dep.clock < state)
    return false;
  *out = dep;
  return true;
}

bool gs_plan_blocks(const gs_plan *p, const gs_item *in, gs_id *dep)
{
  /* `origin` may be the parent. */
  return missing(p, gs_client_of(in), in->origin, dep) || missing(p, gs_client_of(in), in->right_origin, dep);
}

static inline bool is_there(const gs_plan *p, uint32_t self, gs_id dep)
{
  if (dep.client == 0 || dep.client == self)
    return true;
  const gs_client *c = &p->doc->clients[dep.client];
  return dep.clock < (c->sim_epoch == p->epoch ? c->sim : c->clock);
}

/* What plan_client does with structs that follow one another, miss nothing, and for which nobody waits. */
static void plan_row(gs_plan *p, uint32_t client)
{
  gesso_doc *doc = p->doc;
  gs_client *c = &doc->clients[client];
  gs_ix ix = c->in_first;
  if (c->pending > 0 && !p->update_only)
    return;
  uint32_t wanted = UINT32_MAX; /* the first clock for which somebody does */
  for (uint32_t w = c->waiters; w != 0; w = doc->clients[w].wait_next)
    wanted = GS_MIN(wanted, doc->clients[w].wait_clock);
  if (wanted < c->sim)
    return; /* it came by an edit of ours, and nobody told who waits */
  if (p->up.alone && wanted == UINT32_MAX && ix < c->in_end && doc->items[ix].clock == c->sim) {
    const gs_item *last = &doc->items[c->in_end - 1];
    c->sim = last->clock + last->len;
    ix = c->in_end;
  }
  for (; ix < c->in_end; ix++) {
    const gs_item *in = &doc->items[ix];
    if (in->clock != c->sim || in->len > wanted - c->sim || !is_there(p, client, in->origin) ||
        !is_there(p, client, in->right_origin))
      break;
    c->sim += in->len;
    uint32_t alike = gs_update_alike(doc, ix, c->in_end);
    if (alike > 1 && alike - 1 <= wanted - c->sim) {
      c->sim += alike - 1;
      ix += alike - 1;
    }
  }
  if (ix == c->in_first)
    return;
  add_row(p, c->in_first, ix);
  c->appends += ix - c->in_first;
  c->in_first = ix;
}

static void plan_client(gs_plan *p, uint32_t client)
{
  gesso_doc *doc = p->doc;
  (void)gs_plan_client(p, client);
  gs_wait_no_more(doc, client);
  if (p->nomem)
    return;
  for (;;) {
    plan_row(p, client);
    gs_ix ix = next_struct(p, client);
    if (ix == 0 || p->nomem)
      return;
    gs_client *c = &doc->clients[client];
    const gs_item *in = &doc->items[ix];
    bool known = (in->head & GS_IN_KNOWN) != 0, waited = ix >= p->up.own_end;
    gs_id dep;
    if (gs_plan_blocks(p, in, &dep)) {
      if (known) {
        put_by(p, c->in_first++);
        continue;
      }
      if (waited)
        gs_update_unstage(doc, &p->up);
      gs_wait_for(doc, client, dep.client, dep.clock);
      return;
    }
    if (!waited)
      c->in_first++;
    add_row(p, ix, ix + 1);
    if (known)
      continue;
    c->sim = in->clock + in->len;
    c->appends++;
    for (uint32_t w = c->waiters, next; w != 0; w = next) {
      next = doc->clients[w].wait_next;
      if (doc->clients[w].wait_clock < c->sim) {
        (void)gs_plan_client(p, w);
        gs_wait_no_more(doc, w);
        gs_plan_push_ready(p, w);
        if (p->nomem)
          return;
      }
    }
  }
}

void gs_plan_go_on(gs_plan *p)
{
  while (p->nready > 0 && !p->nomem)
    plan_client(p, p->ready[--p->nready]);
}

/* As in Yjs first the update goes as far as it gets by itself. The rest is put to what waits, and of all that is
 * taken what can be: which of two copies it is depends on it. */
static void plan_all(gs_plan *p)
{
  gesso_doc *doc = p->doc;
  p->update_only = doc->pending->structs.count > 0;
  while (p->nready > 0 && !p->nomem) {
    uint32_t client = p->ready[--p->nready];
    plan_client(p, client);
    if (p->update_only && (doc->clients[client].pending > 0 || doc->clients[client].in_first < doc->clients[client].in_end))
      (void)push(p, &p->later, &p->nlater, &p->later_cap, client);
  }
  p->update_only = false;
  while (p->nlater > 0 && !p->nomem) {
    plan_client(p, p->later[--p->nlater]);
    gs_plan_go_on(p);
  }
}

static int higher_id_first(const void *a, const void *b, void *ctx)
{
  const gesso_doc *doc = ctx;
  uint64_t x = doc->clients[*(const uint32_t *)a].id, y = doc->clients[*(const uint32_t *)b].id;
  return x < y ? 1 : x > y ? -1 : 0;
}

static void look_at_all(gs_plan *p)
{
  gesso_doc *doc = p->doc;
  for (uint32_t i = 1; i < doc->nclients; i++) {
    gs_client *c = &doc->clients[i];
    c->wait_client = c->wait_next = c->wait_prev = c->waiters = 0;
  }
  for (uint32_t i = 1; i < doc->nclients; i++)
    if (doc->clients[i].pending > 0)
      gs_plan_push_ready(p, i);
  doc->pending->look_at_all = false;
}

void gs_plan_make(gs_plan *p, bool all)
{
  gs_update *up = &p->up;
  /* Of many clients that wrote at one place the highest goes first, as in Yjs: each that follows then finds its
   * place at once. In the other order it would walk past all before it. */
  if (up->nclients > 1)
    qsort_r(up->clients, up->nclients, sizeof *up->clients, higher_id_first, p->doc);
  if (all)
    look_at_all(p);
  for (uint32_t i = up->nclients; i-- > 0 && !p->nomem;)
    gs_plan_push_ready(p, up->clients[i]);
  plan_all(p);
}

void gs_plan_restart(gs_plan *p)
{
  gesso_doc *doc = p->doc;
  gs_update_forget(doc, &p->up);
  gs_update_begin(doc, &p->up, (gesso_bytes){ NULL, 0 });
  p->up.nclients = p->up.dels.n = p->ninvolved = p->nrows = 0;
  p->passed = (gs_in_list){ 0, 0 };
  p->epoch = ++doc->plan_epoch;
}
