/* Applying an update: decode, plan, reserve, then change. Only the last step touches the document, and
 * it cannot fail.
 *
 * The plan is found on clocks alone: which structs of the update, and which of those that wait since
 * earlier updates, have all they depend on, and in which order. It integrates exactly what Yjs would:
 * of each client the longest run of structs without a gap whose origins, right origins and parents are
 * there. The rest waits. */
#include "crdt/content.h"
#include "crdt/ops.h"
#include "crdt/pending.h"
#include "crdt/runs.h"
#include "crdt/update.h"

#include <assert.h>
#include <stdlib.h>

#define SCRATCH_MAX 8 /* elements of a scratch array that is kept */
#define FINDER_MIN 256 /* structs of one client that are worth a finder */

typedef struct plan {
  gesso_doc *doc;
  gs_update up;       /* decoded structs; those that came from pending are appended */
  uint32_t *order;    /* indexes into up.v, in order of integration */
  uint32_t norder, order_cap;
  uint32_t *ready;    /* clients to look at */
  uint32_t nready, ready_cap;
  uint32_t *involved; /* clients whose sim is valid */
  uint32_t ninvolved, involved_cap;
  uint32_t epoch;
  bool update_only;   /* what waits is not looked at yet */
  uint32_t *later;    /* clients to look at then */
  uint32_t nlater, later_cap;
  bool nomem;
} plan;

static inline bool push(plan *p, uint32_t **v, uint32_t *n, uint32_t *cap, uint32_t x)
{
  if (*n == *cap && !gs_grow(p->doc->alloc, v, cap, (size_t)*n + 1, sizeof(uint32_t))) {
    p->nomem = true;
    return false;
  }
  (*v)[(*n)++] = x;
  return true;
}

static gs_client *simulated(plan *p, uint32_t client)
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

/* The way back of a plan that is not carried out: who waited for what. */
static void restore_waits(plan *p, uint32_t nclients)
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

/* The waiting struct of the client that has this clock, or 0. */
static uint32_t waiting_at(const gesso_doc *doc, uint32_t client, uint32_t clock)
{
  if (doc->clients[client].pending == 0)
    return 0;
  uint32_t node = gs_ptree_before(&doc->pending->structs, client, clock);
  const gs_pnode *nd = &doc->pending->structs.v[node];
  return node != 0 && nd->clock + nd->len > clock ? node : 0;
}

/* Puts it behind the structs of the update. -1 when memory is short. */
static int64_t decode_waiting(plan *p, uint32_t node)
{
  if (!gs_grow(p->doc->alloc, &p->up.v, &p->up.cap, (size_t)p->up.n + 1, sizeof(gs_in))) {
    p->nomem = true;
    return -1;
  }
  gs_in *in = &p->up.v[p->up.n];
  gs_pending_decode(p->doc, &p->doc->pending->structs.v[node], in);
  in->pending = node;
  return p->up.n++;
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
static bool known_but_cuts(plan *p, const gs_in *in)
{
  gesso_doc *doc = p->doc;
  if (!doc->astral || in->kind == GS_GC || in->kind == GS_SKIP)
    return false;
  return (in->origin.client != 0 && takes_apart(doc, in->origin.client, in->origin.clock + 1)) ||
         (in->right_origin.client != 0 && takes_apart(doc, in->right_origin.client, in->right_origin.clock));
}

/* Of two copies the one that waits is taken if it goes on where others that wait end. */
static bool goes_on(const plan *p, uint32_t node, uint32_t clock)
{
  const gs_ptree *t = &p->doc->pending->structs;
  const gs_pnode *nd = &t->v[node];
  if (nd->clock != clock || clock == 0)
    return nd->clock < clock;
  uint32_t before = gs_ptree_before(t, nd->client, clock - 1);
  return before != 0 && t->v[before].clock + t->v[before].len == clock;
}

/* The next struct of the client at its simulated clock: an index into up.v, or -1. */
static int64_t next_struct(plan *p, uint32_t client)
{
  gs_client *c = &p->doc->clients[client];
  int64_t fresh = -1;
  while (c->in_first < c->in_end && fresh < 0) {
    gs_in *in = &p->up.v[c->in_first];
    if (in->kind == GS_SKIP)
      c->in_first++;
    else if (in->clock + in->len <= c->clock && (in->known = known_but_cuts(p, in)))
      return c->in_first;
    else if (in->clock + in->len <= c->sim)
      c->in_first++;
    else if (in->clock <= c->sim)
      fresh = c->in_first;
    else
      break;
  }
  uint32_t node = p->update_only ? 0 : waiting_at(p->doc, client, c->sim);
  return node != 0 && (fresh < 0 || goes_on(p, node, c->sim)) ? decode_waiting(p, node) : fresh;
}

static bool missing(plan *p, uint32_t self, gs_id dep, gs_id *out)
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

static bool blocked(plan *p, const gs_in *in, gs_id *dep)
{
  return missing(p, in->client, in->origin, dep) || missing(p, in->client, in->right_origin, dep) ||
         missing(p, in->client, in->parent, dep);
}

static void plan_client(plan *p, uint32_t client)
{
  gesso_doc *doc = p->doc;
  (void)simulated(p, client);
  gs_wait_no_more(doc, client);
  for (;;) {
    int64_t i = next_struct(p, client);
    if (i < 0 || p->nomem)
      return;
    gs_id dep;
    if (p->up.v[i].known && blocked(p, &p->up.v[i], &dep)) {
      doc->clients[client].in_first++;
      continue;
    }
    if (blocked(p, &p->up.v[i], &dep)) {
      if (p->up.v[i].pending != 0)
        p->up.n--;
      gs_wait_for(doc, client, dep.client, dep.clock);
      return;
    }
    const gs_in *in = &p->up.v[i];
    gs_client *c = &doc->clients[client];
    if (in->pending == 0)
      c->in_first++;
    if (!push(p, &p->order, &p->norder, &p->order_cap, (uint32_t)i))
      return;
    if (in->known)
      continue;
    c->sim = in->clock + in->len;
    c->appends++;
    for (uint32_t w = c->waiters, next; w != 0; w = next) {
      next = doc->clients[w].wait_next;
      if (doc->clients[w].wait_clock < c->sim) {
        (void)simulated(p, w);
        gs_wait_no_more(doc, w);
        if (!push(p, &p->ready, &p->nready, &p->ready_cap, w))
          return;
      }
    }
  }
}

/* As in Yjs first the update goes as far as it gets by itself. The rest is put to what waits, and of all that is
 * taken what can be: which of two copies it is depends on it. */
static void plan_all(plan *p)
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
    while (p->nready > 0 && !p->nomem)
      plan_client(p, p->ready[--p->nready]);
  }
}

static int higher_id_first(const void *a, const void *b, void *ctx)
{
  const gesso_doc *doc = ctx;
  uint64_t x = doc->clients[*(const uint32_t *)a].id, y = doc->clients[*(const uint32_t *)b].id;
  return x < y ? 1 : x > y ? -1 : 0;
}

static void look_at_all(plan *p)
{
  gesso_doc *doc = p->doc;
  for (uint32_t i = 1; i < doc->nclients; i++) {
    gs_client *c = &doc->clients[i];
    c->wait_client = c->wait_next = c->wait_prev = c->waiters = 0;
  }
  for (uint32_t i = 1; i < doc->nclients; i++)
    if (doc->clients[i].pending > 0)
      (void)push(p, &p->ready, &p->nready, &p->ready_cap, i);
  doc->pending->look_at_all = false;
}

static bool unpack_around(gesso_doc *doc, gs_id id, bool origin)
{
  if (id.client == 0 || id.clock >= doc->clients[id.client].clock)
    return true;
  gs_ix ix = gs_struct_of(doc, id);
  const gs_item *it = &doc->items[ix];
  if (gs_kind(it) == GS_RUN)
    return gs_runs_unpack(doc, ix);
  return !origin || gs_kind(it) == GS_GC || !gs_runs_in_reach(doc, it->slot, ix) || gs_runs_unpack_slot(doc, it->slot);
}

/* Makes items again of the packed structs that executing the plan may meet. */
static bool unpack(plan *p)
{
  gesso_doc *doc = p->doc;
  for (uint32_t i = 0; i < p->norder && doc->nruns > 0; i++) {
    const gs_in *in = &p->up.v[p->order[i]];
    if (!unpack_around(doc, in->origin, true) || !unpack_around(doc, in->right_origin, false))
      return false;
    /* Of a struct that is known in part the rest goes behind that part. */
    uint32_t state = doc->clients[in->client].clock;
    if (in->clock < state && !unpack_around(doc, (gs_id){ in->client, state - 1 }, true))
      return false;
    if (in->origin.client != 0 || in->kind == GS_GC)
      continue;
    /* It goes to the front of its chain. */
    uint32_t slot = 0;
    if (in->right_origin.client != 0) {
      if (in->right_origin.clock < doc->clients[in->right_origin.client].clock)
        slot = doc->items[gs_struct_of(doc, in->right_origin)].slot;
    } else if (in->root != 0) {
      uint32_t root = doc->keys[in->root].root;
      slot = root != 0 ? gs_slot_find(doc, root, in->sub) : 0;
    } else if (in->parent.clock < doc->clients[in->parent.client].clock) {
      const gs_item *holder = &doc->items[gs_struct_of(doc, in->parent)];
      slot = gs_kind(holder) == GS_TYPE ? gs_slot_find(doc, holder->c.type, in->sub) : 0;
    }
    if (slot != 0 && !gs_runs_unpack_slot(doc, slot))
      return false;
  }
  return true;
}

/* What `n` cuts in a client's structs may take. */
static inline void will_cut(plan *p, uint32_t client, uint32_t n, size_t *items)
{
  gs_client *c = &p->doc->clients[client];
  if (c->sim_epoch != p->epoch)
    c = simulated(p, client);
  uint32_t cost = n * gs_cut_cost(p->doc);
  c->cuts += cost;
  *items += cost;
}

static bool has_astral(const gs_in *in)
{
  if (in->kind == GS_STRING && in->content.len != in->len)
    for (size_t i = 0; i < in->content.len; i++)
      if (in->content.data[i] >= 0xf0)
        return true;
  return false;
}

/* Reserves everything that executing the plan can need. */
static gesso_status reserve(plan *p)
{
  gesso_doc *doc = p->doc;
  size_t items = 0, text = 0, types = 0, slots = 0;
  if (p->nomem || !unpack(p))
    return GESSO_E_NOMEM;
  for (uint32_t i = 0; i < p->norder && !doc->astral; i++)
    doc->astral = has_astral(&p->up.v[p->order[i]]);
  for (uint32_t i = 0; i < p->norder; i++) {
    const gs_in *in = &p->up.v[p->order[i]];
    items += !in->known;
    /* An origin that is the struct before this one ends where that one ends. */
    if (in->origin.client != 0 && !(in->origin.client == in->client && in->origin.clock + 1 == in->clock))
      will_cut(p, in->origin.client, 1, &items);
    if (in->right_origin.client != 0)
      will_cut(p, in->right_origin.client, 1, &items);
    if (in->known)
      continue;
    if (in->content.len > GS_INLINE_MAX)
      text += in->content.len;
    types += in->kind == GS_TYPE;
    if (in->has_parent) {
      slots++;
      types += in->root != 0 && doc->keys[in->root].root == 0;
    }
  }
  /* What stays behind. */
  if (!gs_update_make_raw(doc, &p->up))
    return GESSO_E_NOMEM;
  size_t late = 0, late_bytes = 0, late_dels = 0;
  for (uint32_t i = 0; i < p->up.nclients; i++) {
    const gs_client *c = &doc->clients[p->up.clients[i]];
    for (uint32_t k = c->in_first; k < c->in_end; k++)
      if (p->up.v[k].kind != GS_SKIP) {
        late++;
        late_bytes += p->up.v[k].raw.len;
      }
  }
  if (late > 0 && late + doc->pending->structs.count > doc->pending_max)
    return GESSO_E_LIMIT;
  for (uint32_t i = 0; i < p->up.dels.n; i++) {
    gs_range r = p->up.dels.v[i];
    const gs_client *c = &doc->clients[r.client];
    uint32_t state = c->sim_epoch == p->epoch ? c->sim : c->clock;
    if (r.clock < state)
      will_cut(p, r.client, 2, &items);
    late_dels += r.clock + r.len > state;
  }
  if (late_dels > 0 && late_dels + doc->pending->dels.count > doc->pending_max)
    return GESSO_E_LIMIT;
  if (doc->pending->dels.count > 0)
    for (uint32_t i = 0; i < p->ninvolved; i++) {
      uint32_t client = p->involved[i];
      uint32_t node = gs_ptree_from(&doc->pending->dels, client, 0);
      for (; node != 0 && doc->pending->dels.v[node].clock < doc->clients[client].sim;
           node = gs_ptree_after(&doc->pending->dels, client, node)) {
        will_cut(p, client, 2, &items);
        late_dels++;
      }
    }
  if (p->nomem || items > UINT32_MAX / 2 || text > UINT32_MAX / 2)
    return GESSO_E_NOMEM;
  if (!gs_items_reserve(doc, items) || (text > 0 && !gs_text_reserve(doc, text)) ||
      !gs_types_reserve(doc, types, slots) || !gs_pending_reserve(doc, late, late_bytes, late_dels) ||
      !gs_grow(doc->alloc, &doc->txn.touched, &doc->txn.touched_cap,
               (size_t)doc->txn.ntouched + p->ninvolved, sizeof(uint32_t)))
    return GESSO_E_NOMEM;
  for (uint32_t i = 0; i < p->ninvolved; i++) {
    const gs_client *c = &doc->clients[p->involved[i]];
    if (!gs_structs_reserve(doc, p->involved[i], c->appends, c->cuts))
      return GESSO_E_NOMEM;
  }
  return GESSO_OK;
}

static void set_content(gesso_doc *doc, gs_item *it, const gs_in *in, uint32_t offset)
{
  gesso_bytes content = in->content;
  int pair = 0;
  if (offset > 0) {
    size_t skip = gs_content_offset(in->kind, content, offset, &pair);
    content.data += skip + (pair ? 1 : 0);
    content.len -= skip + (pair ? 1 : 0);
  }
  gs_content_set_reserved(doc, it, content);
  if (pair) {
    /* It begins with the second half of a character: four bytes became three, of U+FFFD. */
    uint8_t *at = it->head & GS_ITEM_INLINE ? it->c.in : doc->text + it->c.at;
    memcpy(at, "\xef\xbf\xbd", 3);
  }
}

static void integrate_in(gesso_doc *doc, const gs_in *in)
{
  if (in->known) {
    if (in->origin.client != 0)
      (void)gs_clean_end(doc, in->origin);
    if (in->right_origin.client != 0)
      (void)gs_clean_start(doc, in->right_origin);
    return;
  }
  uint32_t offset = doc->clients[in->client].clock - in->clock;
  gs_txn_touch_reserved(doc, in->client);
  if (in->kind == GS_GC) {
    gs_integrate_gc(doc, in->client, in->len - offset);
    return;
  }
  /* With a part of it known, left is that part; its origin only tells whether it was collected. */
  gs_ix left = 0;
  if (in->origin.client != 0)
    left = offset > 0 ? gs_struct_of(doc, in->origin) : gs_clean_end(doc, in->origin);
  gs_ix right = in->right_origin.client != 0 ? gs_clean_start(doc, in->right_origin) : 0;
  bool lost = (left != 0 && gs_kind(&doc->items[left]) == GS_GC) || (right != 0 && gs_kind(&doc->items[right]) == GS_GC);
  uint32_t slot = 0;
  if (!lost && !in->has_parent) {
    slot = doc->items[left != 0 ? left : right].slot;
  } else if (!lost && in->root != 0) {
    slot = gs_slot_of_reserved(doc, gs_root_reserved(doc, in->root), in->sub);
  } else if (!lost) {
    const gs_item *holder = &doc->items[gs_struct_of(doc, in->parent)];
    if (gs_kind(holder) == GS_TYPE)
      slot = gs_slot_of_reserved(doc, holder->c.type, in->sub);
    else
      lost = true; /* the parent was collected */
  }
  gs_id origin = in->origin;
  if (offset > 0 && !lost) {
    origin = (gs_id){ in->client, in->clock + offset - 1 };
    left = gs_clean_end(doc, origin);
    lost = gs_kind(&doc->items[left]) == GS_GC;
    slot = doc->items[left].slot;
  }
  if (lost) {
    gs_integrate_gc(doc, in->client, in->len - offset);
    return;
  }
  gs_ix ix = gs_item_new_reserved(doc);
  gs_item *it = &doc->items[ix];
  it->head = in->client << GS_CLIENT_SHIFT | in->kind;
  it->clock = in->clock + offset;
  it->len = in->len - offset;
  it->origin = origin;
  it->right_origin = in->right_origin;
  if (in->kind == GS_TYPE)
    it->c.type = gs_type_new_reserved(doc, in->type_kind, in->name, ix);
  else if (in->kind != GS_DELETED)
    set_content(doc, it, in, offset);
  gs_integrate(doc, ix, slot, left, right);
}

/* Of a large update the client with the most structs gets a finder. */
static void start_finder(plan *p)
{
  gesso_doc *doc = p->doc;
  uint32_t best = 0, structs = FINDER_MIN;
  for (uint32_t i = 0; i < p->ninvolved; i++)
    if (doc->clients[p->involved[i]].appends >= structs) {
      best = p->involved[i];
      structs = doc->clients[best].appends;
    }
  if (best != 0)
    gs_finder_start(doc, best, structs, doc->clients[best].sim);
}

/* Of the copies of what waits next the merge kept one, which may be another than the one the plan looked at. */
static void wait_for_kept_copy(plan *p, uint32_t client)
{
  gesso_doc *doc = p->doc;
  uint32_t node = waiting_at(doc, client, doc->clients[client].clock);
  gs_wait_no_more(doc, client);
  if (node == 0)
    return;
  gs_in in;
  gs_id dep;
  gs_pending_decode(doc, &doc->pending->structs.v[node], &in);
  if (blocked(p, &in, &dep))
    gs_wait_for(doc, client, dep.client, dep.clock);
  else if (!push(p, &p->ready, &p->nready, &p->ready_cap, client))
    doc->pending->look_at_all = true;
}

static void execute(plan *p)
{
  gesso_doc *doc = p->doc;
  start_finder(p);
  for (uint32_t i = 0; i < p->norder; i++) {
    gs_in *in = &p->up.v[p->order[i]];
    if (in->pending != 0) {
      /* Its bytes may have moved when room was made. */
      uint32_t node = in->pending;
      gs_pending_decode(doc, &doc->pending->structs.v[node], in);
    }
    integrate_in(doc, in);
  }
  gs_finder_stop(doc);
  for (uint32_t i = 0; i < p->up.dels.n; i++) {
    gs_range r = p->up.dels.v[i];
    uint32_t state = doc->clients[r.client].clock, end = r.clock + r.len;
    if (r.clock < state)
      gs_delete_range(doc, r.client, r.clock, GS_MIN(end, state));
    if (end > state)
      gs_pending_add_delete_reserved(doc, (gs_range){ r.client, GS_MAX(r.clock, state), end - GS_MAX(r.clock, state) });
  }
  for (uint32_t i = 0; i < p->ninvolved; i++) {
    uint32_t client = p->involved[i];
    uint32_t state = doc->clients[client].clock, node;
    while (doc->pending->dels.count > 0 && (node = gs_ptree_from(&doc->pending->dels, client, 0)) != 0 &&
           doc->pending->dels.v[node].clock < state) {
      uint32_t at = doc->pending->dels.v[node].clock, end = at + doc->pending->dels.v[node].len;
      gs_ptree_remove(&doc->pending->dels, client, at);
      gs_delete_range(doc, client, at, GS_MIN(end, state));
      if (end > state)
        gs_pending_add_delete_reserved(doc, (gs_range){ client, state, end - state });
    }
    while (doc->clients[client].pending > 0 && (node = gs_ptree_from(&doc->pending->structs, client, 0)) != 0 &&
           doc->pending->structs.v[node].clock + doc->pending->structs.v[node].len <= state)
      gs_pending_remove(doc, node);
  }
  gs_merge_order order = { 0 };
  for (uint32_t i = 0; i < p->up.nclients; i++) {
    const gs_client *c = &doc->clients[p->up.clients[i]];
    if (c->in_first < c->in_end)
      gs_pending_merge_reserved(doc, &p->up.v[c->in_first], c->in_end - c->in_first, &order);
  }
  for (uint32_t i = 0; i < p->up.nclients; i++)
    wait_for_kept_copy(p, p->up.clients[i]);
  /* Only now: what was just put there may wait for what the plan found missing. */
  for (uint32_t i = 0; i < p->ninvolved; i++)
    if (doc->clients[p->involved[i]].pending == 0)
      gs_wait_no_more(doc, p->involved[i]);
  gs_pending_tidy(doc);
}

/* Some of what waited and was not looked at, since the update had another copy of it, need not wait. */
static void execute_kept_copies(plan *p)
{
  gesso_doc *doc = p->doc;
  for (uint32_t i = 0; i < p->up.nclients; i++)
    doc->clients[p->up.clients[i]].in_first = doc->clients[p->up.clients[i]].in_end = 0;
  p->up.nclients = p->up.dels.n = p->norder = p->ninvolved = 0;
  p->epoch = ++doc->plan_epoch;
  while (p->nready > 0 && !p->nomem)
    plan_client(p, p->ready[--p->nready]);
  if (reserve(p) == GESSO_OK)
    execute(p);
  else
    doc->pending->look_at_all = true;
}

static gesso_status fail(gesso_error *error_out, gesso_status st, const char *message)
{
  if (error_out != NULL)
    *error_out = (gesso_error){ st, 0, message };
  return st;
}

/* The arrays of a plan, with their sizes of an element. */
#define PLAN_ARRAYS(p)                                                                                                 \
  { { &(p)->up.v, &(p)->up.cap, sizeof(gs_in) },                                                                       \
    { &(p)->up.dels.v, &(p)->up.dels.cap, sizeof(gs_range) },                                                          \
    { &(p)->up.clients, &(p)->up.clients_cap, sizeof(uint32_t) },                                                      \
    { &(p)->order, &(p)->order_cap, sizeof(uint32_t) },                                                                \
    { &(p)->ready, &(p)->ready_cap, sizeof(uint32_t) },                                                                \
    { &(p)->involved, &(p)->involved_cap, sizeof(uint32_t) } }

typedef struct array_ref {
  void *v; /* of any pointer */
  uint32_t *cap;
  size_t elem;
} array_ref;

static void take_arrays(plan *p)
{
  const array_ref refs[GS_SCRATCHES] = PLAN_ARRAYS(p);
  for (int i = 0; i < GS_SCRATCHES; i++) {
    gs_scratch *s = &p->doc->scratch[i];
    memcpy(refs[i].v, &s->v, sizeof s->v);
    *refs[i].cap = s->cap;
    *s = (gs_scratch){ 0 };
  }
}

static void give_arrays(plan *p)
{
  const array_ref refs[GS_SCRATCHES] = PLAN_ARRAYS(p);
  for (int i = 0; i < GS_SCRATCHES; i++) {
    gs_scratch *s = &p->doc->scratch[i];
    memcpy(&s->v, refs[i].v, sizeof s->v);
    s->cap = *refs[i].cap;
    if (s->cap > SCRATCH_MAX) {
      gs_free(p->doc->alloc, s->v, s->cap * refs[i].elem);
      *s = (gs_scratch){ 0 };
    }
  }
}

static gesso_status apply(gesso_doc *doc, gesso_bytes update, bool v2, gesso_error *error_out)
{
  uint32_t nclients = doc->nclients, nkeys = doc->nkeys, key_text_len = doc->key_text_len;
  plan p = { .doc = doc, .epoch = ++doc->plan_epoch };
  take_arrays(&p);
  gs_reader rd = gs_reader_of(update);
  if (v2)
    gs_read_update_v2(&rd, doc, &p.up);
  else
    gs_read_update(&rd, doc, &p.up);
  if (rd.err == GESSO_OK && gs_reader_left(&rd) > 0)
    gs_reader_fail(&rd, GESSO_E_CORRUPT, "there are bytes after the update");
  gesso_status st = gs_reader_status(&rd, error_out);
  if (st != GESSO_OK)
    goto out;
  /* Of many clients that wrote at one place the highest goes first, as in Yjs: each that follows then finds its
   * place at once. In the other order it would walk past all before it. */
  if (p.up.nclients > 1)
    qsort_r(p.up.clients, p.up.nclients, sizeof *p.up.clients, higher_id_first, doc);
  bool all = doc->pending->look_at_all;
  if (all)
    look_at_all(&p);
  for (uint32_t i = p.up.nclients; i-- > 0 && !p.nomem;)
    (void)push(&p, &p.ready, &p.nready, &p.ready_cap, p.up.clients[i]);
  plan_all(&p);
  st = reserve(&p);
  if (st != GESSO_OK) {
    if (all || p.nomem)
      doc->pending->look_at_all = true;
    else
      restore_waits(&p, nclients);
    st = fail(error_out, st, st == GESSO_E_LIMIT ? "too many structs wait for missing ones" : "out of memory");
    goto out;
  }
  gesso_doc_begin(doc);
  doc->txn.remote = true;
  execute(&p);
  if (p.nready > 0)
    execute_kept_copies(&p);
out:
  if (st != GESSO_OK) {
    gs_update_forget(doc, &p.up);
    gs_clients_truncate(doc, nclients);
    gs_keys_truncate(doc, nkeys, key_text_len);
  } else {
    gs_update_forget(doc, &p.up);
  }
  give_arrays(&p);
  gs_free(doc->alloc, p.later, p.later_cap * sizeof(uint32_t));
  if (st == GESSO_OK)
    (void)gesso_doc_commit(doc, NULL);
  return st;
}

gesso_status gesso_doc_apply_v1(gesso_doc *doc, gesso_bytes update, gesso_error *error_out)
{
  return apply(doc, update, false, error_out);
}

gesso_status gesso_doc_apply_v2(gesso_doc *doc, gesso_bytes update, gesso_error *error_out)
{
  return apply(doc, update, true, error_out);
}
