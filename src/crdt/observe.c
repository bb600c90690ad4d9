#include "crdt/observe.h"
#include "crdt/edit.h"
#include "crdt/structs.h"

/* --- subscriptions --- */

static uint32_t *list_of(gesso_doc *doc, gs_sub_kind kind, uint32_t type)
{
  return kind == GS_SUB_TYPE || kind == GS_SUB_DEEP ? &doc->types[type].watch : &doc->observers->first[kind];
}

static bool needs_changes(gs_sub_kind kind)
{
  return kind == GS_SUB_TYPE || kind == GS_SUB_DEEP || kind == GS_SUB_END;
}

static void note_range(gesso_doc *doc, uint32_t client, uint32_t at, uint32_t end)
{
  if (at >= end)
    return;
  gs_pos p = gs_structs_find(doc, client, at);
  do {
    const gs_item *it = &doc->items[gs_struct_at(doc, client, p)];
    if (it->clock >= end)
      return;
    if (gs_kind(it) != GS_GC)
      gs_txn_changed(doc, doc->slots[it->slot].type, doc->slots[it->slot].key);
  } while (gs_pos_next(doc, client, &p));
}

/* Somebody subscribes in the middle of a transaction: what it did so far counts too. */
static void catch_up(gesso_doc *doc)
{
  const gs_txn *txn = &doc->txn;
  for (uint32_t i = 0; i < txn->ntouched; i++)
    note_range(doc, txn->touched[i], doc->clients[txn->touched[i]].before, doc->clients[txn->touched[i]].clock);
  for (uint32_t i = 0; i < txn->dels.n; i++)
    note_range(doc, txn->dels.v[i].client, txn->dels.v[i].clock, txn->dels.v[i].clock + txn->dels.v[i].len);
  if (txn->dels_lost)
    doc->observers->changed_lost = true;
}

static gesso_status subscribe(gesso_doc *doc, gs_sub sub, gesso_subscription *out)
{
  *out = 0;
  gs_observers *o = doc->observers;
  if (o == NULL) {
    o = GS_NEW(doc->alloc, gs_observers);
    if (o == NULL)
      return GESSO_E_NOMEM;
    o->nsubs = 1;
    o->queue_end = &o->queue;
    doc->observers = o;
  }
  /* So that those who must hear that memory was short can hear it. */
  if (!o->spare_used &&
      !gs_grow(doc->alloc, &o->spare.calls, &o->spare.calls_cap, (size_t)o->nsubs + 1, sizeof *o->spare.calls))
    return GESSO_E_NOMEM;
  uint32_t at = o->free_sub;
  if (at != 0)
    o->free_sub = o->subs[at].next;
  else if (gs_grow(doc->alloc, &o->subs, &o->subs_cap, (size_t)o->nsubs + 1, sizeof *o->subs))
    at = o->nsubs++;
  else
    return GESSO_E_NOMEM;
  sub.id = (uint64_t)++o->serial << 32 | at;
  sub.next = 0;
  o->subs[at] = sub;
  uint32_t *end = list_of(doc, sub.kind, sub.type);
  while (*end != 0)
    end = &o->subs[*end].next;
  *end = at;
  o->nlive++;
  if (needs_changes(sub.kind) && o->nwatch++ == 0) {
    doc->tracks = true;
    if (doc->txn.depth > 0)
      catch_up(doc);
  }
  *out = sub.id;
  return GESSO_OK;
}

const gs_sub *gs_sub_find(const gesso_doc *doc, gesso_subscription id)
{
  const gs_observers *o = doc->observers;
  uint32_t at = (uint32_t)id;
  if (o == NULL || at == 0 || at >= o->nsubs || o->subs[at].id != id)
    return NULL;
  return &o->subs[at];
}

void gesso_doc_unobserve(gesso_doc *doc, gesso_subscription subscription)
{
  const gs_sub *found = gs_sub_find(doc, subscription);
  if (found == NULL)
    return;
  gs_observers *o = doc->observers;
  uint32_t at = (uint32_t)subscription;
  uint32_t *link = list_of(doc, found->kind, found->type);
  while (*link != at)
    link = &o->subs[*link].next;
  *link = found->next;
  o->nlive--;
  if (needs_changes(found->kind) && --o->nwatch == 0) {
    gs_observe_forget(doc);
    doc->tracks = false;
  }
  o->subs[at] = (gs_sub){ .kind = GS_SUB_FREE, .next = o->free_sub };
  o->free_sub = at;
}

static gesso_status subscribe_type(gesso_doc *doc, gs_sub sub, gesso_subscription *out)
{
  gesso_status st;
  *out = 0;
  return gs_edit_type(doc, sub.type, &st) != NULL ? subscribe(doc, sub, out) : st;
}

gesso_status gesso_type_observe(gesso_doc *doc, gesso_type type, gesso_event_fn fn, void *ctx,
                                gesso_subscription *out)
{
  return subscribe_type(doc, (gs_sub){ .kind = GS_SUB_TYPE, .type = type, .fn.type = fn, .ctx = ctx }, out);
}

gesso_status gesso_type_observe_deep(gesso_doc *doc, gesso_type type, gesso_deep_fn fn, void *ctx,
                                     gesso_subscription *out)
{
  return subscribe_type(doc, (gs_sub){ .kind = GS_SUB_DEEP, .type = type, .fn.deep = fn, .ctx = ctx }, out);
}

gesso_status gesso_doc_observe_update(gesso_doc *doc, int version, gesso_update_fn fn, void *ctx,
                                      gesso_subscription *out)
{
  *out = 0;
  if (version != 1 && version != 2)
    return GESSO_E_USAGE;
  gs_sub_kind kind = version == 1 ? GS_SUB_UPDATE_V1 : GS_SUB_UPDATE_V2;
  return subscribe(doc, (gs_sub){ .kind = kind, .fn.update = fn, .ctx = ctx }, out);
}

gesso_status gesso_doc_observe_transaction(gesso_doc *doc, gesso_transaction_fn fn, void *ctx,
                                           gesso_subscription *out)
{
  return subscribe(doc, (gs_sub){ .kind = GS_SUB_TRANSACTION, .fn.transaction = fn, .ctx = ctx }, out);
}

gesso_status gesso_doc_observe_subdocs(gesso_doc *doc, gesso_subdocs_fn fn, void *ctx, gesso_subscription *out)
{
  return subscribe(doc, (gs_sub){ .kind = GS_SUB_SUBDOCS, .fn.subdocs = fn, .ctx = ctx }, out);
}

gesso_status gesso_doc_observe_destroy(gesso_doc *doc, gesso_destroy_fn fn, void *ctx, gesso_subscription *out)
{
  return subscribe(doc, (gs_sub){ .kind = GS_SUB_DESTROY, .fn.destroy = fn, .ctx = ctx }, out);
}

gesso_status gs_observe_end(gesso_doc *doc, gs_end_fn fn, void *ctx, gesso_subscription *out)
{
  return subscribe(doc, (gs_sub){ .kind = GS_SUB_END, .fn.end = fn, .ctx = ctx }, out);
}

/* --- what changed --- */

static uint32_t *hash_place(const gesso_doc *doc, uint32_t type, uint32_t key)
{
  const gs_observers *o = doc->observers;
  uint64_t h = (((uint64_t)type << 32 | key) ^ doc->hash_seed) * 0x9e3779b97f4a7c15ULL;
  uint32_t mask = o->hash_cap - 1, at = (uint32_t)(h >> 32) & mask;
  while (o->hash[at] != 0) {
    const gs_changed *c = &o->changed[o->hash[at] - 1];
    if (c->type == type && c->key == key)
      break;
    at = (at + 1) & mask;
  }
  return &o->hash[at];
}

static bool hash_room(gesso_doc *doc)
{
  gs_observers *o = doc->observers;
  if (o->hash_cap / 4 * 3 > o->nchanged + 2)
    return true;
  uint32_t cap = o->hash_cap == 0 ? 32 : o->hash_cap * 2;
  uint32_t *hash = cap > o->hash_cap ? gs_alloc_zero(doc->alloc, cap * sizeof *hash) : NULL;
  if (hash == NULL)
    return false;
  gs_free(doc->alloc, o->hash, o->hash_cap * sizeof *o->hash);
  o->hash = hash;
  o->hash_cap = cap;
  for (uint32_t i = 0; i < o->nchanged; i++)
    *hash_place(doc, o->changed[i].type, o->changed[i].key) = i + 1;
  return true;
}

/* The place of the entry in changed[], made when there is none. */
static uint32_t entry(gesso_doc *doc, uint32_t type, uint32_t key)
{
  gs_observers *o = doc->observers;
  uint32_t *place = hash_place(doc, type, key);
  if (*place == 0) {
    o->changed[o->nchanged++] = (gs_changed){ type, key, 0 };
    *place = o->nchanged;
  }
  return *place - 1;
}

bool gs_observe_has_changed(const gesso_doc *doc, uint32_t type, uint32_t key)
{
  const gs_observers *o = doc->observers;
  return o->changed_lost || (o->nchanged > 0 && *hash_place(doc, type, key) != 0);
}

void gs_observe_changed(gesso_doc *doc, uint32_t type, uint32_t key)
{
  gs_observers *o = doc->observers;
  if (o->nchanged > 0 && o->changed[o->nchanged - 1].type == type && o->changed[o->nchanged - 1].key == key)
    return;
  if (o->changed_lost || !hash_room(doc) ||
      !gs_grow(doc->alloc, &o->changed, &o->changed_cap, (size_t)o->nchanged + 2, sizeof *o->changed)) {
    o->changed_lost = true;
    return;
  }
  uint32_t head = entry(doc, type, GS_NO_KEY), before = o->nchanged, mine = entry(doc, type, key);
  if (mine < before)
    return;
  /* A ring, of which the head knows the last. */
  gs_changed *h = &o->changed[head];
  uint32_t last = h->next;
  if (last == 0) {
    o->changed[mine].next = mine;
  } else {
    o->changed[mine].next = o->changed[last].next;
    o->changed[last].next = mine;
  }
  h->next = mine;
}

void gs_observe_forget(gesso_doc *doc)
{
  gs_observers *o = doc->observers;
  if (o->nchanged > 0)
    memset(o->hash, 0, o->hash_cap * sizeof *o->hash);
  o->nchanged = 0;
  o->changed_lost = false;
  if (o->changed_cap > 1024) {
    gs_free(doc->alloc, o->changed, o->changed_cap * sizeof *o->changed);
    gs_free(doc->alloc, o->hash, o->hash_cap * sizeof *o->hash);
    o->changed = NULL;
    o->hash = NULL;
    o->changed_cap = o->hash_cap = 0;
  }
}

/* Made and removed in one transaction: nobody hears of it. */
static void take_back(gs_doc_list *added, gesso_doc *subdoc)
{
  uint32_t i = 0;
  while (added->v[i] != subdoc)
    i++;
  memmove(added->v + i, added->v + i + 1, (--added->n - i) * sizeof *added->v);
  subdoc->noted &= ~(1u << GS_SUBDOC_ADDED);
  gesso_doc_destroy(subdoc);
}

/* Each is removed once and added once; it may be loaded, and said so of once more when it is found to be new. */
void gs_observe_subdoc(gesso_doc *doc, gs_subdoc_change change, gesso_doc *subdoc)
{
  if (!gs_observes(doc, GS_SUB_SUBDOCS))
    return;
  gs_observers *o = doc->observers;
  gs_doc_list *list = &o->subdocs[change];
  unsigned noted = subdoc->noted_in == doc ? subdoc->noted : 0;
  if (change == GS_SUBDOC_REMOVED && (noted & 1u << GS_SUBDOC_ADDED) != 0) {
    take_back(&o->subdocs[GS_SUBDOC_ADDED], subdoc);
    return;
  }
  if ((noted & 1u << change) != 0)
    return;
  if (!gs_grow(doc->alloc, &list->v, &list->cap, (size_t)list->n + 1, sizeof(gesso_doc *))) {
    o->subdocs_lost = true;
    return;
  }
  list->v[list->n++] = gesso_doc_retain(subdoc);
  subdoc->noted_in = doc;
  subdoc->noted = noted | 1u << change;
}

void gs_observe_subdocs_noted(gesso_doc *doc)
{
  for (int k = 0; k < 3; k++) {
    const gs_doc_list *list = &doc->observers->subdocs[k];
    for (uint32_t i = 0; i < list->n; i++)
      if (list->v[i]->noted_in == doc)
        list->v[i]->noted_in = NULL;
  }
}
