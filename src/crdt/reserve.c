/* What carrying out a plan needs is reserved here, to the last byte: afterwards nothing can fail. */
#include "crdt/content.h"
#include "crdt/ops.h"
#include "crdt/pending.h"
#include "crdt/plan.h"
#include "crdt/runs.h"
#include "gesso/update.h"

/* The struct of the document that has the id, none that is packed. 0: there is none yet, or memory is short. */
static gs_ix unpacked(gs_plan *p, gs_id id)
{
  gesso_doc *doc = p->doc;
  if (id.client == 0 || id.clock >= doc->clients[id.client].clock)
    return 0;
  gs_ix ix = gs_struct_of(doc, id);
  if (gs_kind(&doc->items[ix]) != GS_RUN)
    return ix;
  p->nomem = p->nomem || !gs_runs_unpack(doc, ix);
  return p->nomem ? 0 : gs_struct_of(doc, id);
}

/* The same for an origin: what is behind it may be looked at, too. */
static gs_ix unpacked_origin(gs_plan *p, gs_id id)
{
  gesso_doc *doc = p->doc;
  gs_ix ix = unpacked(p, id);
  if (ix == 0 || gs_kind(&doc->items[ix]) == GS_GC || !gs_runs_in_reach(doc, doc->items[ix].slot, ix))
    return ix;
  p->nomem = p->nomem || !gs_runs_unpack_slot(doc, doc->items[ix].slot);
  return ix;
}

/* Makes items again of the packed structs that executing the plan may meet. */
static bool unpack(gs_plan *p)
{
  gesso_doc *doc = p->doc;
  uint32_t row = 0;
  for (gs_ix ix = gs_plan_first(p, &row); ix != 0 && doc->nruns > 0 && !p->nomem; ix = gs_plan_next(p, &row, ix)) {
    const gs_item in = doc->items[ix];
    gs_id origin = gs_in_origin(&in), parent = gs_in_parent(&in);
    gs_ix left = unpacked_origin(p, origin);
    if (left != 0)
      doc->items[ix].left = left;
    (void)unpacked(p, in.right_origin);
    /* Of a struct that is known in part the rest goes behind that part. */
    uint32_t client = gs_client_of(&in), state = doc->clients[client].clock;
    if (in.clock < state)
      (void)unpacked_origin(p, (gs_id){ client, state - 1 });
    if (origin.client != 0 || gs_kind(&in) == GS_GC || p->nomem)
      continue;
    /* It goes to the front of its chain. */
    uint32_t slot = 0;
    if (in.right_origin.client != 0) {
      if (in.right_origin.clock < doc->clients[in.right_origin.client].clock)
        slot = doc->items[gs_struct_of(doc, in.right_origin)].slot;
      else if (!gs_runs_unpack_all(doc)) /* before one of the update, whose chain nobody knows yet: Yjs writes no such key */
        return false;
    } else if (in.left != 0) {
      uint32_t root = doc->keys[in.left].root;
      slot = root != 0 ? gs_slot_find(doc, root, in.slot) : 0;
    } else if (parent.clock < doc->clients[parent.client].clock) {
      const gs_item *holder = &doc->items[gs_struct_of(doc, parent)];
      slot = gs_kind(holder) == GS_TYPE ? gs_slot_find(doc, holder->c.type, in.slot) : 0;
    }
    if (slot != 0 && !gs_runs_unpack_slot(doc, slot))
      return false;
  }
  return !p->nomem;
}

static inline void will_cut(gs_plan *p, uint32_t client, uint32_t n)
{
  gs_client *c = &p->doc->clients[client];
  if (c->sim_epoch != p->epoch)
    c = gs_plan_client(p, client);
  c->cuts += n;
}

/* How many pieces more cuts can make of a client's structs: no more than there are clocks. */
static size_t pieces(const gesso_doc *doc, const gs_client *c)
{
  size_t most = (size_t)c->cuts * gs_cut_cost(doc), structs = c->appends;
  if (most <= c->nchunks)
    return most;
  for (uint32_t i = 0; i < c->nchunks; i++)
    structs += gs_chunks_of(doc, c)[i].n;
  return GS_MIN(most, c->sim - structs);
}

static bool has_astral(gesso_bytes content, uint32_t len)
{
  if (content.len != len)
    for (size_t i = 0; i < content.len; i++)
      if (content.data[i] >= 0xf0)
        return true;
  return false;
}

typedef struct need {
  size_t staged, pieces, appends, text, types, slots;
  size_t roots, nested, keys; /* of types and slots, at most */
  size_t late, late_dels;
} need;

typedef struct last_seen {
  const gs_item *before; /* that spelled its parent out */
  uint32_t root;         /* the last root that is new */
  gs_id left, right;     /* the last cuts: many may be at one place */
} last_seen;

/* Whether a struct of the document ends with its origin; notes which. */
static bool ends_with(gesso_doc *doc, gs_item *in, gs_id origin)
{
  if (origin.clock >= doc->clients[origin.client].clock)
    return false;
  if (in->left == 0)
    in->left = gs_struct_of(doc, origin);
  const gs_item *it = &doc->items[in->left];
  return it->clock + it->len - 1 == origin.clock || gs_kind(it) == GS_GC;
}

/* Whether a struct of the document begins with its right origin. */
static bool begins_with(const gesso_doc *doc, const gs_item *in, gs_id right)
{
  if (right.clock >= doc->clients[right.client].clock)
    return false;
  if ((in->head & GS_IN_PARENT) == 0 && in->left != 0) {
    gs_ix next = doc->items[in->left].right;
    if (next != 0 && next != GS_PACKED && gs_client_of(&doc->items[next]) == right.client && doc->items[next].clock == right.clock)
      return true;
  }
  const gs_item *it = &doc->items[gs_struct_of(doc, right)];
  return it->clock == right.clock || gs_kind(it) == GS_GC;
}

static inline void count_struct(gs_plan *p, need *n, gs_ix ix, last_seen *last)
{
  gesso_doc *doc = p->doc;
  gs_item *in = &doc->items[ix];
  unsigned kind = gs_kind(in);
  gs_id origin = gs_in_origin(in), right = in->right_origin;
  if (kind == GS_STRING && in->c.bytes != in->len && !doc->astral)
    doc->astral = has_astral(gs_in_content(doc, &p->up, ix), in->len);
  /* An origin that is the struct before this one ends where that one ends. */
  if (origin.client == 0)
    ; /* it cuts nothing */
  else if (origin.client == gs_client_of(in) && origin.clock + 1 == in->clock) {
    if (doc->clients[origin.client].clock == in->clock)
      in->left = gs_struct_last(doc, origin.client);
  } else if (in->left < p->up.first && !gs_finder_begins(doc, (gs_id){ origin.client, origin.clock + 1 }) &&
             !gs_id_eq(origin, last->left) && !ends_with(doc, in, origin)) {
    last->left = origin;
    will_cut(p, origin.client, 1);
  }
  if (right.client != 0 && !gs_finder_begins(doc, right) && !gs_id_eq(right, last->right) && !begins_with(doc, in, right)) {
    last->right = right;
    will_cut(p, right.client, 1);
  }
  if (in->head & GS_IN_KNOWN)
    return;
  n->appends++;
  if (kind == GS_TYPE)
    n->nested++;
  else if (in->c.bytes > GS_INLINE_MAX)
    n->text += in->c.bytes;
  if ((in->head & GS_IN_PARENT) == 0)
    return;
  bool same = last->before != NULL && last->before->left == in->left && gs_id_eq(last->before->origin, in->origin);
  if (in->left != 0 && in->left != last->root && doc->keys[in->left].root == 0) {
    n->roots++;
    last->root = in->left;
  }
  n->slots += !same || last->before->slot != in->slot;
  n->keys += in->slot != 0;
  last->before = in;
}

static void count_order(gs_plan *p, need *n)
{
  gesso_doc *doc = p->doc;
  last_seen last = { 0 };
  for (uint32_t i = 0; i < p->nrows; i++)
    for (gs_ix ix = p->rows[i].first, end = p->rows[i].end; ix < end;) {
      /* Of those that are alike the origins stand in this row, past the first ones, and are whole. */
      const gs_item *in = &doc->items[ix];
      uint32_t alike = gs_update_alike(doc, ix, end), asked = 1, sure = 0;
      if (alike > gs_alike_apart(in) && in->clock >= doc->clients[gs_client_of(in)].clock) {
        asked = gs_alike_apart(in);
        sure = alike - asked;
      }
      for (; asked > 0; asked--)
        count_struct(p, n, ix++, &last);
      n->appends += sure;
      ix += sure;
    }
  n->roots = GS_MIN(n->roots, doc->nkeys);
  n->types = n->nested + n->roots;
  n->slots = GS_MIN(n->slots, (doc->ntypes + n->types) * (GS_MIN(n->keys, doc->nkeys) + 1));
}

/* Whether deleting from that clock on, or up to it, may cut a live item. */
static inline bool may_cut(const gesso_doc *doc, uint32_t client, uint32_t clock, const gs_item *it)
{
  if (clock == doc->clients[client].clock || gs_finder_begins(doc, (gs_id){ client, clock }))
    return false;
  if (clock > doc->clients[client].clock)
    return true; /* it is among those of the update, as far as anybody knows */
  if (it == NULL || it->clock > clock || clock - it->clock >= it->len)
    it = &doc->items[gs_struct_of(doc, (gs_id){ client, clock })];
  return !gs_is_deleted(it) && it->clock < clock;
}

static void count_deletes(gs_plan *p, need *n)
{
  gesso_doc *doc = p->doc;
  for (uint32_t i = 0; i < p->up.dels.n; i++) {
    gs_range r = p->up.dels.v[i];
    const gs_client *c = &doc->clients[r.client];
    uint32_t state = c->sim_epoch == p->epoch ? c->sim : c->clock, end = r.clock + r.len;
    n->late_dels += end > state;
    const gs_item *it = r.clock < c->clock ? &doc->items[gs_struct_of(doc, (gs_id){ r.client, r.clock })] : NULL;
    /* One whole struct, most of the time. */
    if (it != NULL && it->clock == r.clock && it->len == r.len)
      continue;
    uint32_t cuts = (r.clock < state && may_cut(doc, r.client, r.clock, it)) + (end < state && may_cut(doc, r.client, end, it));
    if (cuts > 0)
      will_cut(p, r.client, cuts);
  }
}

static void count_waiting_deletes(gs_plan *p, need *n)
{
  gesso_doc *doc = p->doc;
  const gs_ptree *t = &doc->pending->dels;
  if (t->count == 0)
    return;
  for (uint32_t i = 0; i < p->ninvolved; i++) {
    uint32_t client = p->involved[i];
    uint32_t node = gs_ptree_from(t, client, 0);
    for (; node != 0 && t->v[node].clock < doc->clients[client].sim; node = gs_ptree_after(t, client, node)) {
      will_cut(p, client, 2);
      n->late_dels++;
    }
  }
}

/* An update in v2 can be a few bytes and declare millions of structs: there is an end to what those may take. */
static bool out_of_proportion(const gs_plan *p, const need *n)
{
  size_t structs = n->staged * sizeof(gs_item) + n->appends * 2 * sizeof(gs_ix);
  size_t cuts = n->pieces * (sizeof(gs_item) + 2 * sizeof(gs_ix) + 2 * sizeof(gs_cut)); /* see gs_txn_mergeable */
  size_t types = n->types * sizeof(gs_type) + n->slots * (sizeof(gs_slot) + 2 * sizeof(uint32_t));
  size_t waiting = n->late * (sizeof(gs_pnode) + 16);
  return structs + cuts + types + waiting > (size_t)GESSO_UPDATE_STRUCTS_MAX * 64 + p->bytes * 100;
}

/* Room for the pieces, and of what was set aside while nobody knew how many structs would come no more than that. */
static bool reserve_items(gesso_doc *doc, const need *n)
{
  if (!gs_items_reserve(doc, n->pieces))
    return false;
  size_t cap = doc->nitems + (n->pieces > doc->nfree_items ? n->pieces - doc->nfree_items : 0);
  if (n->staged > 4096 && doc->items_cap > cap + cap / 32) {
    gs_item *items = gs_resize(doc->alloc, doc->items, doc->items_cap * sizeof *items, cap * sizeof *items);
    if (items != NULL) {
      doc->items = items;
      doc->items_cap = (uint32_t)cap;
    }
  }
  return true;
}

static bool reserve_all(gs_plan *p, const need *n)
{
  gesso_doc *doc = p->doc;
  if (!gs_update_write_late(doc, &p->up) || !reserve_items(doc, n) || (n->text > 0 && !gs_text_reserve(doc, n->text)) ||
      !gs_types_reserve(doc, n->types, n->slots) || !gs_pending_reserve(doc, n->late, p->up.late.b.len, n->late_dels) ||
      !gs_grow(doc->alloc, &doc->txn.touched, &doc->txn.touched_cap, (size_t)doc->txn.ntouched + p->ninvolved,
               sizeof(uint32_t)))
    return false;
  for (uint32_t i = 0; i < p->ninvolved; i++) {
    const gs_client *c = &doc->clients[p->involved[i]];
    if (!gs_structs_reserve(doc, p->involved[i], c->appends, pieces(doc, c)))
      return false;
  }
  /* After all else, and of what may still be taken there are the ranges of overwritten values. */
  return gs_slot_hash_allowed(doc, n->slots, n->staged * 2 * sizeof(gs_range));
}

static gesso_status reserve(gs_plan *p, const char **why)
{
  gesso_doc *doc = p->doc;
  need n = { .staged = p->up.end - p->up.first };
  *why = "out of memory";
  if (p->nomem || !unpack(p))
    return GESSO_E_NOMEM;
  gs_finders_start(p);
  count_order(p, &n);
  for (uint32_t i = 0; i < p->up.nclients; i++) {
    const gs_client *c = &doc->clients[p->up.clients[i]];
    n.late += c->in_end - c->in_first;
  }
  count_deletes(p, &n);
  bool waits = (n.late > 0 && n.late + doc->pending->structs.count > doc->pending_max) ||
               (n.late_dels > 0 && n.late_dels + doc->pending->dels.count > doc->pending_max);
  if (waits) {
    *why = "too many structs wait for missing ones";
    return GESSO_E_LIMIT;
  }
  count_waiting_deletes(p, &n);
  for (uint32_t i = 0; i < p->ninvolved; i++)
    n.pieces += pieces(doc, &doc->clients[p->involved[i]]);
  if (p->nomem || n.pieces > UINT32_MAX / 2 || n.text > UINT32_MAX / 2)
    return GESSO_E_NOMEM;
  if (out_of_proportion(p, &n)) {
    *why = "the update asks for memory out of all proportion";
    return GESSO_E_LIMIT;
  }
  return reserve_all(p, &n) ? GESSO_OK : GESSO_E_NOMEM;
}

gesso_status gs_plan_reserve(gs_plan *p, const char **why)
{
  gesso_status st = reserve(p, why);
  if (st != GESSO_OK)
    gs_finders_stop(p->doc);
  return st;
}
