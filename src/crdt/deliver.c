/* From the end of a transaction to the callbacks. */
#include "crdt/event.h"
#include "crdt/observe.h"
#include "crdt/structs.h"
#include "crdt/update.h"
#include "crdt/weak.h"

#include <stdlib.h>

static gs_delivery *delivery_new(gesso_doc *doc)
{
  gs_observers *o = doc->observers;
  gs_delivery *d = &o->spare;
  if (o->spare_used)
    d = GS_NEW(doc->alloc, gs_delivery);
  else
    o->spare_used = true;
  return d;
}

static void forget_subdocs(gesso_doc *doc, gs_doc_list *list)
{
  for (uint32_t i = 0; i < list->n; i++)
    gesso_doc_destroy(list->v[i]);
  gs_free(doc->alloc, list->v, list->cap * sizeof(gesso_doc *));
  *list = (gs_doc_list){ 0 };
}

static void forget_transaction(gesso_doc *doc, gesso_transaction *t)
{
  if (t->after == NULL && t->before == NULL && t->deleted == NULL)
    return;
  gs_free(doc->alloc, (void *)(uintptr_t)t->before, t->nbefore * sizeof *t->before);
  gs_free(doc->alloc, (void *)(uintptr_t)t->after, t->nafter * sizeof *t->after);
  gs_free(doc->alloc, (void *)(uintptr_t)t->deleted, t->ndeleted * sizeof *t->deleted);
  *t = (gesso_transaction){ 0 };
}

enum { ROOM_MAX = 256 };

static void keep_room(gs_observers *o, gesso_buffer *update)
{
  if (update->data == NULL)
    return;
  if (o->room.data == NULL && update->capacity <= ROOM_MAX) {
    o->room = *update;
    *update = (gesso_buffer){ 0 };
  } else {
    gesso_buffer_free(update);
  }
}

/* Field by field, here and in gs_observe_call_only: what was just written in small pieces is slow to read in large ones. */
void gs_observe_room(gesso_doc *doc, gs_buf *out)
{
  gesso_buffer *room = &doc->observers->room;
  out->b.data = room->data;
  out->b.capacity = room->data != NULL ? room->capacity : 0;
  out->b.alloc = doc->mem.inner;
  out->max = 0;
  gs_buf_clear(out);
  room->data = NULL;
}

static void delivery_finish(gesso_doc *doc, gs_delivery *d)
{
  forget_transaction(doc, &d->transaction);
  gs_arena_finish(&d->arena);
  if (d->origin.data != NULL)
    gesso_buffer_free(&d->origin);
  keep_room(doc->observers, &d->update[0]);
  if (d->update[1].data != NULL)
    gesso_buffer_free(&d->update[1]);
  for (int i = 0; i < 3; i++)
    if (d->subdocs[i].cap > 0)
      forget_subdocs(doc, &d->subdocs[i]);
  if (d == &doc->observers->spare && d->calls_cap <= doc->observers->nsubs + 64) {
    d->ncalls = 0;
    doc->observers->spare_used = false;
    return;
  }
  gs_free(doc->alloc, d->calls, d->calls_cap * sizeof *d->calls);
  if (d == &doc->observers->spare) {
    *d = (gs_delivery){ 0 };
    doc->observers->spare_used = false;
  } else {
    gs_free(doc->alloc, d, sizeof *d);
  }
}

bool gs_call_later(gesso_doc *doc, gs_delivery *d, gesso_subscription sub, const gesso_event *events, size_t count)
{
  if (!gs_grow(doc->alloc, &d->calls, &d->calls_cap, (size_t)d->ncalls + 1, sizeof *d->calls))
    return false;
  d->calls[d->ncalls++] = (gs_call){ sub, events, count };
  return true;
}

static bool call_all(gesso_doc *doc, gs_delivery *d, gs_sub_kind kind)
{
  const gs_observers *o = doc->observers;
  for (uint32_t i = o->first[kind]; i != 0; i = o->subs[i].next)
    if (!gs_call_later(doc, d, o->subs[i].id, NULL, 0))
      return false;
  return true;
}

/* --- what changed --- */

/* The types that changed and all they are in. work_next marks what is listed, and is free for that between the end of
 * the edits and the collection. */
static bool changed_types(gesso_doc *doc, uint32_t **out, uint32_t *n, uint32_t *cap)
{
  const gs_observers *o = doc->observers;
  const uint32_t listed = UINT32_MAX;
  bool ok = !o->changed_lost;
  for (uint32_t i = 0; i < o->nchanged && ok; i++) {
    uint32_t type = o->changed[i].type;
    if (o->changed[i].key != GS_NO_KEY || !gs_type_tells(doc, type))
      continue;
    for (; type != 0 && doc->types[type].work_next != listed && ok; type = gs_type_holder(doc, type)) {
      ok = gs_grow(doc->alloc, out, cap, (size_t)*n + 1, sizeof **out);
      if (ok) {
        doc->types[type].work_next = listed;
        (*out)[(*n)++] = type;
      }
    }
  }
  for (uint32_t i = 0; i < *n; i++)
    doc->types[(*out)[i]].work_next = 0;
  return ok;
}

static gesso_status run_end_hooks(gesso_doc *doc)
{
  const gs_observers *o = doc->observers;
  if (o->first[GS_SUB_END] == 0)
    return GESSO_OK;
  uint32_t *types = NULL, n = 0, cap = 0;
  gesso_status st = changed_types(doc, &types, &n, &cap) ? GESSO_OK : GESSO_E_NOMEM;
  gs_txn_view view = { .local = doc->txn.local,
                       .origin = { doc->txn.origin.data, doc->txn.origin.len },
                       .touched = doc->txn.touched,
                       .ntouched = doc->txn.ntouched,
                       .deleted = &doc->txn.dels,
                       .changed = types,
                       .nchanged = n };
  for (uint32_t i = o->first[GS_SUB_END]; i != 0 && st == GESSO_OK; i = o->subs[i].next)
    st = o->subs[i].fn.end(o->subs[i].ctx, doc, &view);
  gs_free(doc->alloc, types, cap * sizeof *types);
  return st;
}

gs_delivery *gs_observe_changes(gesso_doc *doc, gesso_status *st)
{
  bool known = *st == GESSO_OK; /* which items were deleted; otherwise nobody is told half of it */
  if (known)
    *st = run_end_hooks(doc);
  gs_delivery *d = delivery_new(doc);
  if (d == NULL) {
    *st = GESSO_E_NOMEM;
    return NULL;
  }
  d->local = doc->txn.local;
  d->origin = doc->txn.origin;
  doc->txn.origin = (gesso_buffer){ 0 };
  d->arena = gs_arena_make(doc->alloc);
  gesso_status events = GESSO_OK;
  if (known && doc->tracks)
    events = gs_weak_note_changes(doc) ? gs_gather_events(doc, d) : GESSO_E_NOMEM;
  if (events != GESSO_OK) {
    *st = events;
    d->ncalls = 0;
  }
  return d;
}

/* --- what came of it --- */

static int by_client(const void *a, const void *b)
{
  uint64_t x = ((const gesso_clock *)a)->client, y = ((const gesso_clock *)b)->client;
  return x < y ? -1 : x > y;
}

static int by_client_and_clock(const void *a, const void *b)
{
  const gesso_clock_range *x = a, *y = b;
  if (x->client != y->client)
    return x->client < y->client ? -1 : 1;
  return x->clock < y->clock ? -1 : x->clock > y->clock;
}

static bool state_vector(gesso_doc *doc, bool before, const gesso_clock **out, size_t *count)
{
  size_t n = 0;
  for (uint32_t i = 1; i < doc->nclients; i++)
    n += (before ? gs_before(doc, i) : doc->clients[i].clock) > 0;
  gesso_clock *v = gs_alloc(doc->alloc, n * sizeof *v);
  if (n > 0 && v == NULL)
    return false;
  *out = v;
  for (uint32_t i = 1; i < doc->nclients; i++) {
    uint32_t clock = before ? gs_before(doc, i) : doc->clients[i].clock;
    if (clock > 0)
      v[(*count)++] = (gesso_clock){ doc->clients[i].id, clock };
  }
  if (n > 1)
    qsort(v, n, sizeof *v, by_client);
  return true;
}

static bool transaction_of(gesso_doc *doc, gs_delivery *d)
{
  gesso_transaction *t = &d->transaction;
  const gs_ranges *dels = &doc->txn.dels;
  t->local = d->local;
  t->origin = (gesso_bytes){ d->origin.data, d->origin.len };
  if (!state_vector(doc, true, &t->before, &t->nbefore) || !state_vector(doc, false, &t->after, &t->nafter))
    return false;
  gesso_clock_range *v = gs_alloc(doc->alloc, dels->n * sizeof *v);
  if (dels->n > 0 && v == NULL)
    return false;
  t->deleted = v;
  t->ndeleted = dels->n;
  for (uint32_t i = 0; i < dels->n; i++)
    v[i] = (gesso_clock_range){ doc->clients[dels->v[i].client].id, dels->v[i].clock,
                                (uint64_t)dels->v[i].clock + dels->v[i].len };
  if (dels->n > 1)
    qsort(v, dels->n, sizeof *v, by_client_and_clock);
  return true;
}

/* Those who cannot have the update are told so with an empty one. */
static gesso_status updates_of(gesso_doc *doc, gs_delivery *d, gs_buf *update, gesso_buffer *update_out)
{
  gesso_status st = update->err;
  d->update[1] = (gesso_buffer){ .alloc = doc->mem.inner };
  if (st == GESSO_OK && gs_observes(doc, GS_SUB_UPDATE_V2))
    st = gs_write_txn_v2(doc, &d->update[1]);
  if (update->err == GESSO_OK && gs_observes(doc, GS_SUB_UPDATE_V1)) {
    gs_buf copy = gs_buf_make(doc->mem.inner);
    if (update_out != NULL)
      gs_buf_write(&copy, update->b.data, update->b.len);
    if (copy.err == GESSO_OK)
      d->update[0] = gs_buf_take(update_out != NULL ? &copy : update);
    else
      st = copy.err;
    gs_buf_finish(&copy);
  }
  if (!call_all(doc, d, GS_SUB_UPDATE_V1) || !call_all(doc, d, GS_SUB_UPDATE_V2))
    st = GESSO_E_NOMEM;
  return st;
}

static gesso_status subdocs_of(gesso_doc *doc, gs_delivery *d)
{
  gs_observers *o = doc->observers;
  bool any = false, lost = o->subdocs_lost;
  if (!lost && o->subdocs[0].cap == 0 && o->subdocs[1].cap == 0 && o->subdocs[2].cap == 0)
    return GESSO_OK;
  gs_observe_subdocs_noted(doc);
  for (int i = 0; i < 3; i++) {
    d->subdocs[i] = o->subdocs[i];
    any = any || o->subdocs[i].n > 0;
    o->subdocs[i] = (gs_doc_list){ 0 };
  }
  o->subdocs_lost = false;
  return !lost && (!any || call_all(doc, d, GS_SUB_SUBDOCS)) ? GESSO_OK : GESSO_E_NOMEM;
}

gesso_status gs_observe_result(gesso_doc *doc, gs_delivery *d, gs_buf *update, gesso_buffer *update_out)
{
  gesso_status st = GESSO_OK, s;
  if (gs_observes(doc, GS_SUB_TRANSACTION) && (!transaction_of(doc, d) || !call_all(doc, d, GS_SUB_TRANSACTION)))
    st = GESSO_E_NOMEM;
  if ((update->b.len > 0 || update->err != GESSO_OK) && (s = updates_of(doc, d, update, update_out)) != GESSO_OK)
    st = s;
  if ((s = subdocs_of(doc, d)) != GESSO_OK)
    st = s;
  return st;
}

/* --- the callbacks --- */

static void call(gesso_doc *doc, const gs_delivery *d, const gs_call *c)
{
  const gs_sub *found = gs_sub_find(doc, c->sub);
  if (found == NULL)
    return;
  gs_sub sub = *found; /* the callback may subscribe, which moves them */
  gesso_bytes origin = { d->origin.data, d->origin.len };
  switch (sub.kind) {
  case GS_SUB_TYPE:
    sub.fn.type(sub.ctx, doc, c->events);
    return;
  case GS_SUB_DEEP:
    sub.fn.deep(sub.ctx, doc, c->events, c->count);
    return;
  case GS_SUB_TRANSACTION:
    sub.fn.transaction(sub.ctx, doc, &d->transaction);
    return;
  case GS_SUB_UPDATE_V1:
  case GS_SUB_UPDATE_V2: {
    const gesso_buffer *u = &d->update[sub.kind == GS_SUB_UPDATE_V2];
    sub.fn.update(sub.ctx, doc, (gesso_bytes){ u->data, u->len }, origin, d->local);
    return;
  }
  case GS_SUB_SUBDOCS: {
    const gs_doc_list *l = d->subdocs;
    gesso_subdocs s = { l[GS_SUBDOC_ADDED].v,  l[GS_SUBDOC_ADDED].n,  l[GS_SUBDOC_REMOVED].v,
                        l[GS_SUBDOC_REMOVED].n, l[GS_SUBDOC_LOADED].v, l[GS_SUBDOC_LOADED].n };
    sub.fn.subdocs(sub.ctx, doc, &s);
    return;
  }
  default:
    return;
  }
}

void gs_observe_queue(gesso_doc *doc, gs_delivery *d)
{
  gs_observers *o = doc->observers;
  d->next = NULL;
  *o->queue_end = d;
  o->queue_end = &d->next;
}

void gs_observe_deliver(gesso_doc *doc)
{
  gs_observers *o = doc->observers;
  if (o->delivering)
    return;
  o->delivering = true;
  for (gs_delivery *d; (d = o->queue) != NULL;) {
    for (uint32_t i = 0; i < d->ncalls; i++)
      call(doc, d, &d->calls[i]);
    o->queue = d->next;
    if (o->queue == NULL)
      o->queue_end = &o->queue;
    delivery_finish(doc, d);
  }
  o->delivering = false;
}

void gs_observe_call_only(gesso_doc *doc, gs_buf *update, bool local)
{
  gs_observers *o = doc->observers;
  if (update->b.len > 0 || update->err != GESSO_OK) {
    const gs_sub *sub = &o->subs[o->first[GS_SUB_UPDATE_V1]];
    o->delivering = true;
    gesso_bytes bytes = update->err == GESSO_OK ? gs_buf_bytes(update) : (gesso_bytes){ NULL, 0 };
    sub->fn.update(sub->ctx, doc, bytes, (gesso_bytes){ NULL, 0 }, local);
    o->delivering = false;
  }
  if (o->room.data == NULL && update->b.capacity <= ROOM_MAX) {
    GS_POISON_AFTER(update->b.data, update->b.capacity, update->b.capacity);
    o->room.data = update->b.data;
    o->room.capacity = update->b.capacity;
    o->room.alloc = update->b.alloc;
  } else {
    gs_buf_finish(update);
  }
  if (o->queue != NULL)
    gs_observe_deliver(doc);
}

void gs_observers_destroy(gesso_doc *doc)
{
  gs_observers *o = doc->observers;
  if (o == NULL)
    return;
  for (uint32_t i = o->first[GS_SUB_DESTROY]; i != 0;) {
    gs_sub sub = o->subs[i];
    sub.fn.destroy(sub.ctx, doc);
    /* It may have ended itself or others: go on with what is still there after it. */
    i = o->first[GS_SUB_DESTROY];
    while (i != 0 && o->subs[i].id <= sub.id)
      i = o->subs[i].next;
  }
  gs_free(doc->alloc, o->spare.calls, o->spare.calls_cap * sizeof *o->spare.calls);
  gesso_buffer_free(&o->room);
  gs_observe_subdocs_noted(doc);
  for (int i = 0; i < 3; i++)
    forget_subdocs(doc, &o->subdocs[i]);
  gs_free(doc->alloc, o->subs, o->subs_cap * sizeof *o->subs);
  gs_free(doc->alloc, o->changed, o->changed_cap * sizeof *o->changed);
  gs_free(doc->alloc, o->hash, o->hash_cap * sizeof *o->hash);
  gs_free(doc->alloc, o, sizeof *o);
  doc->observers = NULL;
}
