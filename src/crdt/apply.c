/* Applying an update: decode, plan, reserve, then change. Only the last step touches the document, and
 * it cannot fail. */
#include "crdt/content.h"
#include "crdt/finder.h"
#include "crdt/integrate.h"
#include "crdt/pending.h"
#include "crdt/plan.h"
#include "crdt/seq.h"

#include <assert.h>

enum {
  SCRATCH_MAX = 16, /* arrays of that many elements are not kept; a power of two */
  SMALL = 512       /* bytes of an update that is copied */
};

/* Structs and deletions for which position indexes are dropped: so many, and more than that part of what is there. */
#ifndef GS_RUNS_SMALL
enum { INDEX_DROP_MIN = 256, INDEX_DROP_PART = 8 };
#else
enum { INDEX_DROP_MIN = 4, INDEX_DROP_PART = 8 };
#endif

static void set_content(gesso_doc *doc, gs_item *it, gesso_bytes content, uint32_t offset)
{
  int pair = 0;
  if (offset > 0) {
    size_t skip = gs_content_offset(gs_kind(it), content, offset, &pair);
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

/* Free places are taken first, and the one where it was staged is free then: a document that gets many small updates
 * must not grow past what it holds. What finders know stays where it is. */
static inline bool staged_stay(const gesso_doc *doc)
{
  return doc->free_item == 0 || doc->nfinders > 0;
}

static inline gs_ix place_for(gesso_doc *doc, gs_ix staged)
{
  if (staged_stay(doc))
    return staged;
  gs_ix ix = gs_item_new_reserved(doc);
  doc->items[ix] = doc->items[staged];
  gs_item_free(doc, staged);
  return ix;
}

static void cut_at_origins(gesso_doc *doc, const gs_item *in)
{
  gs_id origin = gs_in_origin(in);
  if (origin.client != 0)
    (void)gs_clean_end(doc, origin);
  if (in->right_origin.client != 0)
    (void)gs_clean_start(doc, in->right_origin);
}

static inline bool begins_at(const gs_item *it, gs_id id)
{
  return gs_client_of(it) == id.client && it->clock == id.clock && gs_kind(it) != GS_GC;
}

/* The type that a struct spelled out last, by its item. */
typedef struct parent_seen {
  gs_id id;
  uint32_t type;
} parent_seen;

/* The slot of a struct that spells its parent out; 0: the parent was collected. */
static inline __attribute__((always_inline)) uint32_t slot_in_parent(gesso_doc *doc, const gs_item *in, parent_seen *seen)
{
  if (in->left != 0)
    return gs_slot_of_reserved(doc, gs_root_reserved(doc, in->left), in->slot);
  if (!gs_id_eq(in->origin, seen->id)) {
    uint32_t client = in->origin.client;
    bool last = in->origin.clock + 1 == doc->clients[client].clock;
    const gs_item *holder = &doc->items[last ? gs_struct_last(doc, client) : gs_struct_of(doc, in->origin)];
    if (gs_kind(holder) != GS_TYPE)
      return 0;
    *seen = (parent_seen){ in->origin, holder->c.type };
  }
  return gs_slot_of_reserved(doc, seen->type, in->slot);
}

/* What an item was inserted between, when it is there, begins and ends there, and has nothing between: its slot and
 * left neighbour. */
static inline bool find_neighbours(gesso_doc *doc, const gs_item *it, uint32_t client, uint32_t *slot, gs_ix *left_out)
{
  gs_ix left = 0, next;
  if (it->origin.client != 0) {
    left = it->origin.client == client && it->origin.clock + 1 == it->clock ? gs_struct_last(doc, client)
           : it->left != 0                                                  ? it->left
                                                                            : gs_finder_look(doc, it->origin);
    const gs_item *l = &doc->items[left];
    if (left == 0 || gs_client_of(l) != it->origin.client || l->clock + l->len - 1 != it->origin.clock ||
        gs_kind(l) == GS_GC || l->right == GS_PACKED)
      return false;
    next = l->right;
  } else {
    next = gs_finder_look(doc, it->right_origin);
    if (next == 0 || doc->items[next].left != 0)
      return false;
  }
  *left_out = left;
  *slot = doc->items[left != 0 ? left : next].slot;
  return next == 0 ? it->right_origin.client == 0 : begins_at(&doc->items[next], it->right_origin);
}

/* Integrates the first value of a key, of which a new map has one after the other. False, and nothing has changed: it is
 * for integrate_usual. */
static inline bool integrate_first(gesso_doc *doc, const gs_update *up, gs_ix ix, parent_seen *seen)
{
  enum { USUAL = 1u << GS_STRING | 1u << GS_ANY | 1u << GS_TYPE };
  gs_item *it = &doc->items[ix];
  uint32_t head = it->head, client = head >> GS_CLIENT_SHIFT, key = it->slot;
  unsigned kind = head & GS_KIND_MASK;
  if ((head & (GS_IN_PARENT | GS_IN_KNOWN)) != GS_IN_PARENT || key == 0 || (USUAL >> kind & 1) == 0 ||
      doc->clients[client].clock != it->clock || !staged_stay(doc))
    return false;
  uint32_t slot_ix = slot_in_parent(doc, it, seen);
  gs_slot *slot = &doc->slots[slot_ix];
  if (slot_ix == 0 || slot->head != 0)
    return false;
  const gesso_bytes content = gs_in_content(doc, up, ix);
  gs_txn_touch_reserved(doc, client);
  it->head = head & ~(uint32_t)(GS_IN_PARENT | GS_IN_MADE);
  it->origin = (gs_id){ 0, 0 };
  it->left = it->right = 0;
  it->slot = slot_ix;
  slot->head = slot->tail = ix;
  if (kind == GS_TYPE)
    it->c.type = gs_type_new_reserved(doc, it->c.bytes, it->c.at, ix);
  else
    gs_content_set_reserved(doc, it, content);
  gs_structs_append_reserved(doc, client, ix);
  const gs_type *type = &doc->types[slot->type];
  gs_txn_changed(doc, slot->type, key);
  if (type->item != 0 && gs_is_deleted(&doc->items[type->item]))
    gs_item_delete(doc, ix);
  return true;
}

/* Integrates a struct for which that is a matter of links. False, and nothing has changed: it is for integrate_in. */
static inline bool integrate_usual(gesso_doc *doc, const gs_update *up, gs_ix ix, parent_seen *seen)
{
  enum { USUAL = 1u << GS_DELETED | 1u << GS_STRING | 1u << GS_ANY | 1u << GS_TYPE };
  gs_item *it = &doc->items[ix];
  unsigned kind = gs_kind(it);
  uint32_t client = gs_client_of(it), slot;
  gs_ix left = 0;
  if ((USUAL >> kind & 1) == 0 || (it->head & GS_IN_KNOWN) != 0 || doc->clients[client].clock != it->clock)
    return false;
  if (it->head & GS_IN_PARENT) {
    slot = slot_in_parent(doc, it, seen);
    if (slot == 0 || doc->slots[slot].head != 0)
      return false;
  } else if (!find_neighbours(doc, it, client, &slot, &left)) {
    return false;
  }
  gs_txn_touch_reserved(doc, client);
  gesso_bytes content = gs_in_content(doc, up, ix);
  ix = place_for(doc, ix);
  it = &doc->items[ix];
  if (it->head & GS_IN_PARENT)
    it->origin = (gs_id){ 0, 0 };
  it->head &= ~(uint32_t)(GS_IN_PARENT | GS_IN_MADE);
  if (kind == GS_TYPE)
    it->c.type = gs_type_new_reserved(doc, it->c.bytes, it->c.at, ix);
  else if (kind != GS_DELETED)
    gs_content_set_reserved(doc, it, content);
  gs_integrate_behind(doc, ix, slot, left);
  return true;
}

/* Whether the last structs of a client are so many staged ones which stand from `first` on, each the last of its key
 * and no value. */
static bool end_keys(const gesso_doc *doc, uint32_t client, gs_ix first, uint32_t n)
{
  const gs_client *c = &doc->clients[client];
  const gs_chunk *ch = &gs_chunks_of(doc, c)[c->nchunks - 1];
  if (ch->n < n)
    return false;
  const gs_ix *v = gs_chunk_v(doc, ch) + ch->n - n;
  for (uint32_t i = 0; i < n; i++) {
    const gs_item *it = &doc->items[first + i];
    if (v[i] != first + i || it->right != 0 || !gs_is_deleted(it) || gs_kind(it) == GS_GC || doc->slots[it->slot].key == 0)
      return false;
  }
  return true;
}

/* Integrates n staged structs that are alike (gs_update_note_alike). False, and nothing has changed: the first of them
 * is not for here. */
static bool integrate_alike(gesso_doc *doc, gs_ix first, uint32_t n)
{
  const gs_item *in = &doc->items[first];
  uint32_t client = gs_client_of(in), clock = in->clock, apart = gs_alike_apart(in);
  if (doc->clients[client].clock != clock || !staged_stay(doc) || doc->clients[client].nchunks == 0 ||
      !end_keys(doc, client, first - apart, apart))
    return false;
  gs_txn_touch_reserved(doc, client);
  for (gs_ix ix = first; ix < first + n; ix++) {
    gs_item *it = &doc->items[ix], *left = it - apart;
    assert(left->right == 0);
    left->right = ix;
    it->left = ix - apart;
    it->right = 0;
    it->slot = left->slot;
    it->head |= GS_ITEM_DELETED | GS_ITEM_DELNOW;
  }
  gs_structs_append_row_reserved(doc, client, first, n);
  doc->ndeleted += n;
  gs_txn_deleted(doc, first, clock, n);
  doc->txn.ngone = GS_TXN_FEW + 1; /* not all of them are in `gone` */
  for (gs_ix ix = first; ix < first + GS_MIN(n, apart); ix++) {
    const gs_slot *slot = &doc->slots[doc->items[ix].slot];
    gs_txn_changed(doc, slot->type, slot->key);
  }
  for (gs_ix ix = first + n - GS_MIN(n, apart); ix < first + n; ix++)
    doc->slots[doc->items[ix].slot].tail = ix;
  return true;
}

static void integrate_in(gesso_doc *doc, const gs_update *up, gs_ix staged, parent_seen *seen)
{
  const gs_item in = doc->items[staged];
  const gesso_bytes content = gs_in_content(doc, up, staged);
  unsigned kind = gs_kind(&in);
  uint32_t client = gs_client_of(&in);
  if (in.head & GS_IN_KNOWN) {
    cut_at_origins(doc, &in);
    gs_item_free(doc, staged);
    return;
  }
  uint32_t offset = doc->clients[client].clock - in.clock;
  gs_txn_touch_reserved(doc, client);
  if (kind == GS_GC) {
    gs_integrate_gc(doc, place_for(doc, staged), client, in.len - offset);
    return;
  }
  /* With a part of it known, left is that part; its origin only tells whether it was collected. */
  gs_id origin = gs_in_origin(&in);
  gs_ix left = 0;
  if (origin.client == client && origin.clock + 1 == in.clock && offset == 0)
    left = gs_struct_last(doc, client);
  else if (origin.client != 0)
    left = offset > 0 ? gs_struct_of(doc, origin) : gs_clean_end(doc, origin);
  gs_ix right = in.right_origin.client != 0 ? gs_clean_start(doc, in.right_origin) : 0;
  bool lost = (left != 0 && gs_kind(&doc->items[left]) == GS_GC) || (right != 0 && gs_kind(&doc->items[right]) == GS_GC);
  uint32_t slot = 0;
  if (!lost && (in.head & GS_IN_PARENT) == 0) {
    slot = doc->items[left != 0 ? left : right].slot;
  } else if (!lost) {
    slot = slot_in_parent(doc, &in, seen);
    lost = slot == 0;
  }
  if (offset > 0 && !lost) {
    origin = (gs_id){ client, in.clock + offset - 1 };
    left = gs_clean_end(doc, origin);
    lost = gs_kind(&doc->items[left]) == GS_GC;
    slot = doc->items[left].slot;
  }
  gs_ix ix = place_for(doc, staged);
  if (lost) {
    gs_integrate_gc(doc, ix, client, in.len - offset);
    return;
  }
  gs_item *it = &doc->items[ix];
  if (ix == staged && kind == GS_DELETED && offset == 0 && (in.head & GS_IN_PARENT) == 0)
    ; /* it stands there as it will be: gs_integrate sets the rest */
  else
    *it = (gs_item){ .head = client << GS_CLIENT_SHIFT | kind,
                     .clock = in.clock + offset,
                     .len = in.len - offset,
                     .origin = origin,
                     .right_origin = in.right_origin };
  if (kind == GS_TYPE)
    it->c.type = gs_type_new_reserved(doc, in.c.bytes, in.c.at, ix);
  else if (kind != GS_DELETED)
    set_content(doc, it, content, offset);
  gs_integrate(doc, ix, slot, left, right);
}

/* Of the copies of what waits next the merge kept one, which may be another than the one the plan looked at. */
static void wait_for_kept_copy(gs_plan *p, uint32_t client)
{
  gesso_doc *doc = p->doc;
  uint32_t node = gs_waiting_at(doc, client, doc->clients[client].clock);
  gs_wait_no_more(doc, client);
  if (node == 0)
    return;
  gs_item in;
  gs_id dep;
  gs_pending_decode(doc, &doc->pending->structs.v[node], &in);
  if (gs_plan_blocks(p, &in, &dep)) {
    gs_wait_for(doc, client, dep.client, dep.clock);
    return;
  }
  gs_plan_push_ready(p, client);
  if (p->nomem)
    doc->pending->look_at_all = true;
}

/* The first of these clocks that finders do not know to be deleted: the structs of a state mostly are already. */
static uint32_t past_deleted(const gesso_doc *doc, uint32_t client, uint32_t at, uint32_t end)
{
  gs_ix ix = gs_finder_look(doc, (gs_id){ client, at });
  /* Past its last one there may be some that were passed by, and are no items: GS_IN_PARENT would look like deleted. */
  gs_ix last = ix != 0 ? doc->finders[doc->clients[client].finder].last : 0;
  for (; ix != 0 && at < end && ix <= last; ix++) {
    const gs_item *it = &doc->items[ix];
    if (gs_client_of(it) != client || it->clock > at || it->clock + it->len <= at || it->clock >= doc->clients[client].clock ||
        !gs_is_deleted(it))
      break;
    at = it->clock + it->len;
  }
  return at;
}

static void delete_all(gs_plan *p)
{
  gesso_doc *doc = p->doc;
  for (uint32_t i = 0; i < p->up.dels.n; i++) {
    gs_range r = p->up.dels.v[i];
    uint32_t state = doc->clients[r.client].clock, end = r.clock + r.len;
    if (r.clock < state)
      gs_delete_range(doc, r.client, past_deleted(doc, r.client, r.clock, end), GS_MIN(end, state));
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
    if (doc->clients[client].pending > 0)
      gs_pending_remove_known(doc, client);
  }
}

/* The staged structs of which nothing became a part of the document: some have to wait. */
static void put_aside(gs_plan *p)
{
  gesso_doc *doc = p->doc;
  gs_merge_order order = { 0 };
  for (uint32_t i = 0; i < p->up.nclients; i++) {
    const gs_client *c = &doc->clients[p->up.clients[i]];
    if (c->in_first < c->in_end)
      gs_pending_merge_reserved(doc, &doc->items[c->in_first], c->in_end - c->in_first, p->up.late.b.data, &order);
    for (gs_ix ix = c->in_end; ix-- > c->in_first;)
      gs_item_free(doc, ix);
  }
  for (gs_ix ix = p->passed.head, next; ix != 0; ix = next) {
    next = doc->items[ix].right;
    gs_item_free(doc, ix);
  }
}

/* An update that brings much for what is there: position indexes are made anew later, if anybody asks, which costs less
 * than to tell them of each struct. */
static void drop_indexes(const gs_plan *p)
{
  gesso_doc *doc = p->doc;
  size_t n = p->up.dels.n;
  for (uint32_t i = 0; i < p->nrows; i++)
    n += p->rows[i].end - p->rows[i].first;
  if (doc->leaf_of == NULL || n < INDEX_DROP_MIN || n < doc->nstructs / INDEX_DROP_PART)
    return;
  for (uint32_t t = 1; t < doc->ntypes; t++)
    gs_seq_drop(doc, t);
}

static void execute(gs_plan *p)
{
  gesso_doc *doc = p->doc;
  parent_seen seen = { { 0, 0 }, 0 };
  drop_indexes(p);
  /* Crowds want to know of each. */
  for (uint32_t i = 0; i < p->nrows; i++)
    for (gs_ix ix = p->rows[i].first; ix < p->rows[i].end; ix++) {
      uint32_t alike = gs_update_alike(doc, ix, p->rows[i].end);
      if (alike > 0) {
        doc->items[ix].c.at = 0;
        if (doc->ncrowds == 0 && integrate_alike(doc, ix, alike)) {
          ix += alike - 1;
          continue;
        }
        if (alike > 1)
          doc->items[ix + 1].c.at = alike - 1; /* that one may be */
      }
      if (doc->ncrowds > 0 || (!integrate_first(doc, &p->up, ix, &seen) && !integrate_usual(doc, &p->up, ix, &seen)))
        integrate_in(doc, &p->up, ix, &seen);
    }
  delete_all(p);
  gs_finders_stop(doc);
  put_aside(p);
  for (uint32_t i = 0; i < p->up.nclients; i++)
    wait_for_kept_copy(p, p->up.clients[i]);
  /* Only now: what was just put there may wait for what the plan found missing. */
  for (uint32_t i = 0; i < p->ninvolved; i++)
    if (doc->clients[p->involved[i]].pending == 0)
      gs_wait_no_more(doc, p->involved[i]);
  gs_pending_tidy(doc);
}

/* Some of what waited and was not looked at, since the update had another copy of it, need not wait. */
static void execute_kept_copies(gs_plan *p)
{
  const char *why;
  gs_plan_restart(p);
  gs_plan_go_on(p);
  if (gs_plan_reserve(p, &why) == GESSO_OK) {
    execute(p);
  } else {
    gs_update_drop(p->doc, &p->up);
    p->doc->pending->look_at_all = true;
  }
}

static void take_arrays(gs_plan *p)
{
  gs_scratch *s = &p->doc->scratch;
  p->up.dels = s->dels;
  p->up.clients = s->clients;
  p->up.clients_cap = s->clients_cap;
  p->ready = s->ready;
  p->ready_cap = s->ready_cap;
  p->involved = s->involved;
  p->involved_cap = s->involved_cap;
  p->rows = s->rows;
  p->rows_cap = s->rows_cap;
  *s = (gs_scratch){ 0 };
}

static void give_arrays(gs_plan *p)
{
  gs_scratch s = { .dels = { p->up.dels.v, 0, p->up.dels.cap },
                   .clients = p->up.clients,
                   .ready = p->ready,
                   .involved = p->involved,
                   .rows = p->rows,
                   .clients_cap = p->up.clients_cap,
                   .ready_cap = p->ready_cap,
                   .involved_cap = p->involved_cap,
                   .rows_cap = p->rows_cap };
  if ((s.dels.cap | s.clients_cap | s.ready_cap | s.involved_cap | s.rows_cap) < SCRATCH_MAX)
    p->doc->scratch = s;
  else
    gs_scratch_free(p->doc, &s);
}

void gs_scratch_free(gesso_doc *doc, const gs_scratch *s)
{
  gs_free(doc->alloc, s->dels.v, s->dels.cap * sizeof *s->dels.v);
  gs_free(doc->alloc, s->clients, s->clients_cap * sizeof *s->clients);
  gs_free(doc->alloc, s->ready, s->ready_cap * sizeof *s->ready);
  gs_free(doc->alloc, s->involved, s->involved_cap * sizeof *s->involved);
  gs_free(doc->alloc, s->rows, s->rows_cap * sizeof *s->rows);
}

/* Reads the update. A small one is copied to where more than its end can be read: `room` is that, and lives as long as
 * the plan. */
static gesso_status decode(gs_plan *p, gesso_bytes update, bool v2, uint8_t room[SMALL + GS_UPDATE_PAD], gesso_error *error_out)
{
  p->up.padded = !v2 && update.len <= SMALL;
  if (p->up.padded) {
    if (update.len > 0)
      memcpy(room, update.data, update.len);
    memset(room + update.len, 0, GS_UPDATE_PAD);
    update.data = room;
  }
  gs_reader rd = gs_reader_of(update);
  gs_update_begin(p->doc, &p->up, update);
  if (update.len > UINT32_MAX)
    gs_reader_fail(&rd, GESSO_E_LIMIT, "the update is larger than 4 GB");
  else if (v2)
    gs_read_update_v2(&rd, p->doc, &p->up);
  else
    gs_read_update(&rd, p->doc, &p->up);
  if (rd.err == GESSO_OK && gs_reader_left(&rd) > 0)
    gs_reader_fail(&rd, GESSO_E_CORRUPT, "there are bytes after the update");
  return gs_reader_status(&rd, error_out);
}

static gesso_status make_plan(gs_plan *p, uint32_t nclients, gesso_error *error_out)
{
  gesso_doc *doc = p->doc;
  const char *why;
  bool all = doc->pending->look_at_all;
  gs_plan_make(p, all);
  gesso_status st = gs_plan_reserve(p, &why);
  if (st == GESSO_OK)
    return st;
  if (all || p->nomem)
    doc->pending->look_at_all = true;
  else
    gs_plan_restore_waits(p, nclients);
  if (error_out != NULL)
    *error_out = (gesso_error){ st, 0, why };
  return st;
}

static gesso_status apply(gesso_doc *doc, gesso_bytes update, bool v2, gesso_error *error_out)
{
  uint32_t nclients = doc->nclients, nkeys = doc->nkeys, key_text_len = doc->key_text_len;
  gs_plan p = { .doc = doc, .epoch = ++doc->plan_epoch, .bytes = update.len };
  uint8_t room[SMALL + GS_UPDATE_PAD];
  take_arrays(&p);
  gesso_status st = decode(&p, update, v2, room, error_out);
  if (st == GESSO_OK)
    st = make_plan(&p, nclients, error_out);
  if (st == GESSO_OK) {
    gesso_doc_begin(doc);
    doc->txn.remote = true;
    execute(&p);
    if (p.nready > 0)
      execute_kept_copies(&p);
    gs_update_forget(doc, &p.up);
  } else {
    gs_update_drop(doc, &p.up);
    gs_update_forget(doc, &p.up);
    gs_clients_truncate(doc, nclients);
    gs_keys_truncate(doc, nkeys, key_text_len);
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
