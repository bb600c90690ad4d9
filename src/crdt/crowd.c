#include "crdt/crowd.h"
#include "crdt/structs.h"

#define CROWDS_MAX 32 /* the oldest goes when there are more */
#define NEAR_MAX 64   /* steps to a sibling that is looked for in the chain */
#define MAKE_COST 16  /* steps of a walk that take as long as adding a sibling */

gs_crowd *gs_crowd_find(gesso_doc *doc, uint32_t slot, gs_id origin)
{
  for (uint32_t i = 0; i < doc->ncrowds; i++)
    if (doc->crowds[i].slot == slot && gs_id_eq(doc->crowds[i].origin, origin))
      return &doc->crowds[i];
  return NULL;
}

static void drop(gesso_doc *doc, gs_crowd *c)
{
  gs_free(doc->alloc, c->v, c->cap * sizeof *c->v);
  gs_free(doc->alloc, c->memo, c->memo_cap * sizeof *c->memo);
  size_t behind = (size_t)(doc->crowds + doc->ncrowds - (c + 1));
  memmove(c, c + 1, behind * sizeof *c);
  doc->ncrowds--;
}

void gs_crowds_drop(gesso_doc *doc, uint32_t slot)
{
  for (uint32_t i = doc->ncrowds; i-- > 0;)
    if (doc->crowds[i].slot == slot)
      drop(doc, &doc->crowds[i]);
}

void gs_crowds_finish(gesso_doc *doc)
{
  while (doc->ncrowds > 0)
    drop(doc, &doc->crowds[doc->ncrowds - 1]);
  gs_free(doc->alloc, doc->crowds, doc->crowds_cap * sizeof *doc->crowds);
  doc->crowds = NULL;
  doc->crowds_cap = 0;
}

/* --- what items hang off --- */

static uint32_t hash_id(const gesso_doc *doc, gs_id id)
{
  uint64_t h = (((uint64_t)id.client << 32 | id.clock) ^ doc->hash_seed) * 0x9e3779b97f4a7c15u;
  return (uint32_t)(h >> 32);
}

static uint32_t memo_of(const gesso_doc *doc, const gs_crowd *c, gs_id id)
{
  uint32_t mask = c->memo_cap - 1;
  for (uint32_t h = hash_id(doc, id) & mask; c->memo[h].top != 0; h = (h + 1) & mask)
    if (gs_id_eq(c->memo[h].id, id))
      return c->memo[h].top;
  return 0;
}

static void put_memo(const gesso_doc *doc, gs_crowd_memo *memo, uint32_t cap, gs_crowd_memo m)
{
  uint32_t h = hash_id(doc, m.id) & (cap - 1);
  while (memo[h].top != 0)
    h = (h + 1) & (cap - 1);
  memo[h] = m;
}

static bool remember(gesso_doc *doc, gs_crowd *c, gs_id id, uint32_t top)
{
  if (c->nmemo + 1 > c->memo_cap / 4 * 3) {
    uint32_t cap = c->memo_cap == 0 ? 64 : c->memo_cap * 2;
    gs_crowd_memo *memo = gs_alloc_zero(doc->alloc, cap * sizeof *memo);
    if (memo == NULL)
      return false;
    for (uint32_t i = 0; i < c->memo_cap; i++)
      if (c->memo[i].top != 0)
        put_memo(doc, memo, cap, c->memo[i]);
    gs_free(doc->alloc, c->memo, c->memo_cap * sizeof *memo);
    c->memo = memo;
    c->memo_cap = cap;
  }
  put_memo(doc, c->memo, c->memo_cap, (gs_crowd_memo){ id, top });
  c->nmemo++;
  return true;
}

static gs_id first_id(const gs_item *it)
{
  return (gs_id){ gs_client_of(it), it->clock };
}

/* The sibling that an item is or hangs off, GS_OUTSIDE, or 0: nobody knows. What it is stays so for ever, and the way
 * is remembered. */
static uint32_t top_of(gesso_doc *doc, gs_crowd *c, gs_ix ix)
{
  gs_ix at = ix;
  uint32_t top = 0, steps = 0;
  for (;; steps++) {
    const gs_item *it = &doc->items[at];
    top = memo_of(doc, c, first_id(it));
    if (top != 0)
      break;
    if (gs_id_eq(it->origin, c->origin))
      return 0;
    if (it->origin.client == 0) {
      top = GS_OUTSIDE;
      break;
    }
    at = gs_struct_of(doc, it->origin);
    if (gs_kind(&doc->items[at]) == GS_GC || gs_kind(&doc->items[at]) == GS_RUN)
      return 0;
  }
  at = ix;
  for (uint32_t i = 0; i < steps; i++) {
    const gs_item *it = &doc->items[at];
    if (i % 32 == 0 && !remember(doc, c, first_id(it), top))
      break;
    at = gs_struct_of(doc, it->origin);
  }
  return top;
}

uint32_t gs_crowd_sibling(const gesso_doc *doc, const gs_crowd *c, const gs_item *it)
{
  return gs_id_eq(it->origin, c->origin) ? memo_of(doc, c, first_id(it)) : 0;
}

/* --- the tree in the order of the chain --- */

static uint64_t min_of(const gs_crowd *c, uint32_t i)
{
  return i != 0 ? c->v[i].min : UINT64_MAX;
}

static void find_min(gs_crowd *c, uint32_t i)
{
  gs_sibling *s = &c->v[i];
  uint64_t below = GS_MIN(min_of(c, s->left), min_of(c, s->right));
  s->min = GS_MIN(s->client, below);
}

static void rotate_up(gs_crowd *c, uint32_t i)
{
  gs_sibling *v = c->v;
  uint32_t p = v[i].up, g = v[p].up, moved;
  if (v[p].left == i) {
    moved = v[i].right;
    v[p].left = moved;
    v[i].right = p;
  } else {
    moved = v[i].left;
    v[p].right = moved;
    v[i].left = p;
  }
  if (moved != 0)
    v[moved].up = p;
  v[p].up = i;
  v[i].up = g;
  if (g == 0)
    c->root = i;
  else if (v[g].left == p)
    v[g].left = i;
  else
    v[g].right = i;
  find_min(c, p);
}

static void insert_in_order(gs_crowd *c, uint32_t i, uint32_t near)
{
  gs_sibling *v = c->v;
  uint32_t p = near != 0 ? v[near].right : c->root;
  if (near != 0 && p == 0) {
    v[near].right = i;
    v[i].up = near;
  } else if (p == 0) {
    c->root = i;
  } else {
    while (v[p].left != 0)
      p = v[p].left;
    v[p].left = i;
    v[i].up = p;
  }
  while (v[i].up != 0 && v[v[i].up].prio < v[i].prio)
    rotate_up(c, i);
  for (uint32_t k = i; k != 0; k = v[k].up)
    find_min(c, k);
}

static uint32_t next_in_order(const gs_crowd *c, uint32_t i)
{
  const gs_sibling *v = c->v;
  if (v[i].right != 0) {
    for (i = v[i].right; v[i].left != 0;)
      i = v[i].left;
    return i;
  }
  while (v[i].up != 0 && v[v[i].up].right == i)
    i = v[i].up;
  return v[i].up;
}

static uint32_t before_in_order(const gs_crowd *c, uint32_t i)
{
  const gs_sibling *v = c->v;
  if (v[i].left != 0) {
    for (i = v[i].left; v[i].right != 0;)
      i = v[i].right;
    return i;
  }
  while (v[i].up != 0 && v[v[i].up].left == i)
    i = v[i].up;
  return v[i].up;
}

static uint32_t last_in_order(const gs_crowd *c)
{
  uint32_t i = c->root;
  while (c->v[i].right != 0)
    i = c->v[i].right;
  return i;
}

/* The last one under i that has a lower client id; there is one. */
static uint32_t last_lower_under(const gs_crowd *c, uint32_t i, uint64_t client)
{
  for (;;) {
    const gs_sibling *s = &c->v[i];
    if (min_of(c, s->right) < client)
      i = s->right;
    else if (s->client < client)
      return i;
    else
      i = s->left;
  }
}

/* The last one before `end` (0: of all) that has a lower client id; 0: none has. */
static uint32_t last_lower(const gs_crowd *c, uint32_t end, uint64_t client)
{
  const gs_sibling *v = c->v;
  if (end == 0)
    return min_of(c, c->root) < client ? last_lower_under(c, c->root, client) : 0;
  if (min_of(c, v[end].left) < client)
    return last_lower_under(c, v[end].left, client);
  for (uint32_t i = end, p; (p = v[i].up) != 0; i = p) {
    if (v[p].right != i)
      continue;
    if (v[p].client < client)
      return p;
    if (min_of(c, v[p].left) < client)
      return last_lower_under(c, v[p].left, client);
  }
  return 0;
}

/* --- the tree by right origin and client --- */

static bool comes_before(const gs_sibling *s, gs_id right_origin, uint64_t client)
{
  if (s->right_origin.client != right_origin.client)
    return s->right_origin.client < right_origin.client;
  if (s->right_origin.clock != right_origin.clock)
    return s->right_origin.clock < right_origin.clock;
  return s->client < client;
}

/* The first that has this right origin and no lower client id. Those with one right origin stand in the order of
 * their clients, and of one client the newer first: a new one goes before the first that is not lower. */
static uint32_t first_not_lower(const gs_crowd *c, gs_id right_origin, uint64_t client)
{
  uint32_t found = 0;
  for (uint32_t i = c->by_right; i != 0;) {
    if (comes_before(&c->v[i], right_origin, client)) {
      i = c->v[i].more;
    } else {
      found = i;
      i = c->v[i].less;
    }
  }
  return found != 0 && gs_id_eq(c->v[found].right_origin, right_origin) ? found : 0;
}

static void insert_by_right(gs_crowd *c, uint32_t i)
{
  gs_sibling *v = c->v, *s = &v[i];
  uint32_t *link = &c->by_right;
  while (*link != 0 && v[*link].prio >= s->prio)
    link = comes_before(&v[*link], s->right_origin, s->client) ? &v[*link].more : &v[*link].less;
  uint32_t below = *link;
  *link = i;
  uint32_t *less = &s->less, *more = &s->more;
  while (below != 0) {
    if (comes_before(&v[below], s->right_origin, s->client)) {
      *less = below;
      less = &v[below].more;
      below = *less;
    } else {
      *more = below;
      more = &v[below].less;
      below = *more;
    }
  }
  *less = *more = 0;
}

/* --- making and adding --- */

static uint32_t random32(gesso_doc *doc)
{
  doc->rng += 0x9e3779b97f4a7c15u;
  uint64_t z = (doc->rng ^ (doc->rng >> 30)) * 0xbf58476d1ce4e5b9u;
  return (uint32_t)(z >> 32);
}

static bool add(gesso_doc *doc, gs_crowd *c, const gs_item *self, uint32_t near)
{
  if (!gs_grow(doc->alloc, &c->v, &c->cap, (size_t)c->n + 1, sizeof *c->v) || !remember(doc, c, first_id(self), c->n))
    return false;
  uint32_t i = c->n++;
  uint64_t client = doc->clients[gs_client_of(self)].id;
  c->v[i] = (gs_sibling){ .id = first_id(self), .right_origin = self->right_origin, .client = client, .min = client,
                          .prio = random32(doc) };
  insert_in_order(c, i, near);
  insert_by_right(c, i);
  return true;
}

void gs_crowd_add(gesso_doc *doc, gs_crowd *c, const gs_item *self, uint32_t near)
{
  if (!add(doc, c, self, near))
    drop(doc, c);
}

static void unmark(gesso_doc *doc, gs_ix from, gs_ix end, uint32_t marks)
{
  for (gs_ix i = from; i != end && i != 0; i = doc->items[i].right)
    doc->items[i].head &= ~marks;
}

/* Marks and adds what stands behind the element. RIVAL is what hangs off the last sibling. False: what is not there
 * yet would not find its place with this. */
static bool gather(gesso_doc *doc, gs_crowd *c, gs_ix first)
{
  gs_ix o = first, rivals = first;
  bool past_end = false;
  for (; o != 0; o = doc->items[o].right) {
    gs_item *it = &doc->items[o];
    bool sibling = gs_id_eq(it->origin, c->origin);
    const gs_item *base = NULL;
    if (!sibling && it->left != 0 && gs_id_eq(it->origin, gs_last_id(&doc->items[it->left])))
      base = &doc->items[it->left]; /* most need no search */
    else if (!sibling && it->origin.client != 0)
      base = &doc->items[gs_struct_of(doc, it->origin)];
    bool hangs = !sibling && base != NULL && (base->head & GS_ITEM_BEFORE) != 0;
    if (past_end && (sibling || hangs))
      return false; /* torn by something from outside */
    if (!sibling && !hangs) {
      past_end = true;
      continue;
    }
    if (hangs && (base->head & GS_ITEM_RIVAL) == 0)
      c->torn = true;
    if (sibling) {
      unmark(doc, rivals, o, GS_ITEM_RIVAL);
      rivals = o;
      if (!add(doc, c, it, c->n - 1))
        return false;
    }
    it->head |= GS_ITEM_BEFORE | GS_ITEM_RIVAL;
  }
  return true;
}

void gs_crowd_make(gesso_doc *doc, uint32_t slot, gs_id origin, gs_ix left)
{
  if (gs_slot_run(doc, slot) != 0)
    return;
  if (doc->ncrowds == CROWDS_MAX)
    drop(doc, &doc->crowds[0]);
  if (!gs_grow(doc->alloc, &doc->crowds, &doc->crowds_cap, (size_t)doc->ncrowds + 1, sizeof(gs_crowd)))
    return;
  gs_crowd *c = &doc->crowds[doc->ncrowds++];
  *c = (gs_crowd){ .slot = slot, .origin = origin, .n = 1 };
  gs_ix first = left != 0 ? doc->items[left].right : doc->slots[slot].head;
  bool ok = gather(doc, c, first);
  unmark(doc, first, 0, GS_ITEM_BEFORE | GS_ITEM_RIVAL);
  doc->crowd_wasted += (uint64_t)c->n * MAKE_COST;
  if (!ok)
    drop(doc, c);
}

void gs_crowd_tear(gesso_doc *doc, uint32_t slot, gs_id origin)
{
  for (uint32_t i = doc->ncrowds; i-- > 0;) {
    gs_crowd *c = &doc->crowds[i];
    if (c->slot != slot)
      continue;
    /* All of a chain hangs off its front: nothing comes into it from outside. */
    if (c->origin.client == 0 || gs_id_eq(c->origin, origin))
      c->torn = true;
    else
      drop(doc, c);
  }
}

/* --- places --- */

static gs_ix item_of(const gesso_doc *doc, const gs_crowd *c, uint32_t i)
{
  gs_ix ix = gs_struct_of(doc, c->v[i].id);
  return doc->items[ix].clock == c->v[i].id.clock ? ix : 0;
}

/* The last of what hangs off the last sibling, which goes no further than `right`. */
static gs_ix end_of_last(gesso_doc *doc, gs_ix from, gs_ix right)
{
  gs_ix end = from;
  doc->items[from].head |= GS_ITEM_BEFORE;
  for (gs_ix o = doc->items[from].right; o != 0 && o != right; o = doc->items[o].right) {
    gs_item *it = &doc->items[o];
    if (it->origin.client == 0 || (doc->items[gs_struct_of(doc, it->origin)].head & GS_ITEM_BEFORE) == 0)
      break;
    it->head |= GS_ITEM_BEFORE;
    end = o;
  }
  unmark(doc, from, doc->items[end].right, GS_ITEM_BEFORE);
  return end;
}

/* Behind all that hangs off the sibling j, none of which is torn. */
static bool behind(gesso_doc *doc, gs_crowd *c, uint32_t j, gs_ix left, gs_ix right, gs_ix *left_out, uint32_t *near_out)
{
  *near_out = j;
  *left_out = left;
  if (j == 0)
    return true;
  uint32_t next = next_in_order(c, j);
  gs_ix ix = item_of(doc, c, next != 0 ? next : j);
  if (ix != 0)
    *left_out = next != 0 ? doc->items[ix].left : end_of_last(doc, ix, right);
  return ix != 0;
}

/* The sibling at that item or before it. */
static bool sibling_before(gesso_doc *doc, gs_crowd *c, gs_ix ix, uint32_t *near_out)
{
  for (uint32_t n = 0; n < NEAR_MAX && ix != 0; n++, ix = doc->items[ix].left)
    if (gs_id_eq(doc->items[ix].origin, c->origin)) {
      *near_out = gs_crowd_sibling(doc, c, &doc->items[ix]);
      return *near_out != 0;
    }
  return false;
}

bool gs_crowd_place(gesso_doc *doc, gs_crowd *c, const gs_item *self, gs_ix left, gs_ix right, gs_ix *left_out,
                    uint32_t *near_out, bool *inside_out)
{
  uint64_t client = doc->clients[gs_client_of(self)].id;
  uint32_t top = right != 0 ? top_of(doc, c, right) : GS_OUTSIDE;
  if (top == 0)
    return false;
  /* The walk ends at the right origin, or before a sibling that has it too and whose client is not lower. */
  bool inside = top != GS_OUTSIDE && !gs_id_eq(c->v[top].id, first_id(&doc->items[right]));
  uint32_t stop = first_not_lower(c, self->right_origin, client);
  if (stop == 0 && top != GS_OUTSIDE && !inside)
    stop = top;
  *inside_out = inside && stop == 0;
  gs_ix end = stop != 0 ? item_of(doc, c, stop) : inside ? right : 0;
  if (stop != 0 && end == 0)
    return false;
  if (end == 0 && c->torn && c->origin.client != 0)
    return false;
  gs_ix last = end != 0 ? doc->items[end].left : c->torn ? doc->slots[c->slot].tail : 0;
  if (last == 0 && end == 0)
    return behind(doc, c, last_lower(c, 0, client), left, right, left_out, near_out);
  *left_out = left;
  *near_out = 0;
  if (last == left)
    return true;
  uint32_t last_top = top_of(doc, c, last);
  if (last_top == 0 || last_top == GS_OUTSIDE)
    return false;
  if (c->v[last_top].client < client) {
    /* What hangs off a lower sibling goes before the new one, wherever it stands. */
    *left_out = last;
    if (stop != 0 || end == 0)
      *near_out = stop != 0 ? before_in_order(c, stop) : last_in_order(c);
    else if (!sibling_before(doc, c, last, near_out))
      return false;
    return true;
  }
  return !c->torn && behind(doc, c, last_lower(c, stop != 0 ? stop : last_top, client), left, right, left_out, near_out);
}

/* --- checking --- */

static const char *check_crowd(const gesso_doc *doc, const gs_crowd *c)
{
  if (c->slot == 0 || c->slot >= doc->nslots || c->n < 2)
    return "I11 a crowd of nothing";
  uint32_t n = 1, i = c->root;
  while (c->v[i].left != 0)
    i = c->v[i].left;
  for (gs_ix ix = doc->slots[c->slot].head; ix != 0 && ix != GS_PACKED; ix = doc->items[ix].right) {
    const gs_item *it = &doc->items[ix];
    if (!gs_id_eq(it->origin, c->origin))
      continue;
    while (i != 0 && !gs_id_eq(c->v[i].id, first_id(it)) && n == 1)
      i = next_in_order(c, i), n++; /* the first may be merged into the element before it */
    if (i == 0 || !gs_id_eq(c->v[i].id, first_id(it)))
      return "I11 the order of a crowd";
    i = next_in_order(c, i);
    n++;
  }
  for (i = 1; i < c->n; i++) {
    const gs_sibling *s = &c->v[i];
    uint64_t below = GS_MIN(min_of(c, s->left), min_of(c, s->right));
    if (s->min != GS_MIN(s->client, below) || (s->up != 0 && c->v[s->up].prio < s->prio) ||
        memo_of(doc, c, s->id) != i)
      return "I11 a sibling";
  }
  return NULL;
}

const char *gs_crowds_check(const gesso_doc *doc)
{
  const char *why = NULL;
  for (uint32_t i = 0; i < doc->ncrowds && why == NULL; i++)
    if (gs_slot_run(doc, doc->crowds[i].slot) == 0)
      why = check_crowd(doc, &doc->crowds[i]);
  return why;
}
