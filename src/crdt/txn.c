/* Transactions: what changed, and what is done once when they end. */
#include "crdt/content.h"
#include "crdt/format.h"
#include "crdt/observe.h"
#include "crdt/ops.h"
#include "crdt/pending.h"
#include "crdt/runs.h"
#include "crdt/subdoc.h"
#include "crdt/undo.h"
#include "crdt/update.h"

#include <stdlib.h>

void gs_txn_touch_first_reserved(gesso_doc *doc, uint32_t client)
{
  gs_client *c = &doc->clients[client];
  c->epoch = doc->txn.epoch;
  c->before = c->clock;
  doc->txn.touched[doc->txn.ntouched++] = client;
}

void gs_txn_note_changed(gesso_doc *doc, uint32_t type, uint32_t key)
{
  gs_type *t = &doc->types[type];
  if (t->item != 0) {
    /* A type that was made in this transaction did not change, it was added. */
    const gs_item *it = &doc->items[t->item];
    if (gs_is_deleted(it) || it->clock >= gs_before(doc, gs_client_of(it)))
      return;
  }
  if (doc->tracks)
    gs_observe_changed(doc, type, key);
  if (!t->has_formatting || (t->kind != GESSO_TEXT && t->kind != GESSO_XML_TEXT) || t->fmt_listed)
    return;
  gs_txn *txn = &doc->txn;
  if (!gs_grow(doc->alloc, &txn->formatted, &txn->formatted_cap, (size_t)txn->nformatted + 1, sizeof(uint32_t))) {
    txn->fmt_lost = true;
    return;
  }
  t->fmt_listed = true;
  txn->formatted[txn->nformatted++] = type;
}

void gs_txn_note_deleted(gesso_doc *doc, uint32_t client, uint32_t clock, uint32_t len)
{
  gs_ranges *d = &doc->txn.dels;
  gs_client *c = &doc->clients[client];
  if (c->del_epoch != doc->txn.epoch) {
    c->del_epoch = doc->txn.epoch;
    c->del_rank = ++doc->txn.ndel_clients;
  }
  if (!gs_grow(doc->alloc, &d->v, &d->cap, (size_t)d->n + 1, sizeof(gs_range))) {
    doc->txn.dels_lost = true;
    return;
  }
  d->v[d->n++] = (gs_range){ client, clock, len };
}

void gs_txn_mergeable(gesso_doc *doc, gs_ix ix)
{
  gs_txn *txn = &doc->txn;
  const gs_item *it = &doc->items[ix];
  /* Without room the pieces stay apart, which costs memory and nothing else. */
  if (gs_grow(doc->alloc, &txn->merge, &txn->merge_cap, (size_t)txn->nmerge + 1, sizeof *txn->merge))
    txn->merge[txn->nmerge++] = (gs_cut){ { gs_client_of(it), it->clock }, ix };
}

/* The list of deletions had no room: what was deleted says so itself. */
static gesso_status find_deletions(gesso_doc *doc)
{
  gs_ranges *d = &doc->txn.dels;
  d->n = 0;
  for (uint32_t i = 1; i < doc->nitems; i++) {
    const gs_item *it = &doc->items[i];
    if (gs_kind(it) == GS_FREE || (it->head & GS_ITEM_DELNOW) == 0)
      continue;
    if (!gs_grow(doc->alloc, &d->v, &d->cap, (size_t)d->n + 1, sizeof(gs_range)))
      return GESSO_E_NOMEM;
    d->v[d->n++] = (gs_range){ gs_client_of(it), it->clock, it->len };
  }
  return GESSO_OK;
}

/* Whether the item is in something that goes, too, and is listed. */
static bool goes_with_holder(const gesso_doc *doc, const gs_item *it)
{
  gs_ix holder = doc->types[doc->slots[it->slot].type].item;
  return holder != 0 && (doc->items[holder].head & GS_ITEM_DELNOW) != 0 && !doc->txn.dels_lost;
}

/* Unpacks what the types that go have in runs, in them and in the types inside them, so that each is looked at once.
 * False: memory is short. `keep`: marks them instead. */
static bool go_through_types(gesso_doc *doc, bool keep)
{
  for (uint32_t i = 0; i < doc->txn.dels.n; i++) {
    gs_range r = doc->txn.dels.v[i];
    for (uint32_t clock = r.clock; clock < r.clock + r.len;) {
      gs_item *it = &doc->items[gs_struct_of(doc, (gs_id){ r.client, clock })];
      clock = it->clock + it->len;
      if (gs_kind(it) != GS_TYPE)
        continue;
      if (keep)
        it->head |= GS_ITEM_KEEP;
      else if (!goes_with_holder(doc, it) && !gs_runs_unpack_type(doc, it->c.type))
        return false;
    }
  }
  return true;
}

/* The items of a type that goes must be there to be collected. Without memory for them the types stay as they are:
 * deleted, and not collected. */
static void unpack_types(gesso_doc *doc)
{
  if (!go_through_types(doc, false))
    (void)go_through_types(doc, true);
}

/* gs_structs_find, from a place at or before it that is mostly near. */
static gs_pos find_on(const gesso_doc *doc, uint32_t client, uint32_t clock, gs_pos p)
{
  for (int steps = 0; steps < 4; steps++) {
    const gs_item *it = &doc->items[gs_struct_at(doc, client, p)];
    if (clock - it->clock < it->len)
      return p;
    if (!gs_pos_next(doc, client, &p))
      break;
  }
  return gs_structs_find(doc, client, clock);
}

/* So many ranges of deletions are not looked for twice: collect notes where the last struct of each is. */
enum { PLACES = 8 };

static void collect_item(gesso_doc *doc, gs_ix ix)
{
  gs_item *it = &doc->items[ix];
  it->head &= ~(uint32_t)GS_ITEM_DELNOW;
  if ((doc->flags & GESSO_DOC_NO_GC) == 0 && gs_kind(it) != GS_GC && gs_is_deleted(it) && gs_kind(it) != GS_DELETED &&
      (it->head & GS_ITEM_KEEP) == 0)
    gs_item_gc(doc, ix);
}

static void collect(gesso_doc *doc, gs_pos places[PLACES])
{
  if (doc->nruns > 0 && doc->txn.types_deleted && (doc->flags & GESSO_DOC_NO_GC) == 0)
    unpack_types(doc);
  gs_pos p = { 0, 0 };
  for (uint32_t i = 0; i < doc->txn.dels.n; i++) {
    gs_range r = doc->txn.dels.v[i];
    p = i > 0 && r.client == doc->txn.dels.v[i - 1].client ? find_on(doc, r.client, r.clock, p)
                                                          : gs_structs_find(doc, r.client, r.clock);
    bool more = true;
    do {
      const gs_chunk *ch = &gs_chunks_of(doc, &doc->clients[r.client])[p.chunk];
      const gs_ix *v = gs_chunk_v(doc, ch);
      for (; more && p.at < ch->n; p.at++) {
        more = doc->items[v[p.at]].clock < r.clock + r.len;
        if (!more)
          break;
        collect_item(doc, v[p.at]);
        if (i < PLACES)
          places[i] = p;
      }
      if (p.at == ch->n)
        p.at--;
    } while (more && gs_pos_next(doc, r.client, &p));
  }
}

/* gesso_doc_collect_garbage: everything that is deleted, whatever the document's flags say. */
static void collect_all(gesso_doc *doc)
{
  if (!gs_runs_forbid(doc))
    return; /* without memory to unpack them, types that went stay as they are */
  for (gs_ix ix = 1; ix < doc->nitems; ix++) {
    const gs_item *it = &doc->items[ix];
    unsigned kind = gs_kind(it);
    if (kind != GS_FREE && kind != GS_GC && kind != GS_DELETED && gs_is_deleted(it) && (it->head & GS_ITEM_KEEP) == 0)
      gs_item_gc(doc, ix);
  }
  for (uint32_t client = 1; client < doc->nclients; client++) {
    const gs_client *c = &doc->clients[client];
    if (c->nchunks == 0)
      continue;
    gs_pos p = { c->nchunks - 1, gs_chunks_of(doc, c)[c->nchunks - 1].n - 1u };
    do
      (void)gs_merge_lefts(doc, client, &p);
    while (gs_pos_prev(doc, client, &p));
  }
  gs_runs_allow(doc);
}

/* Whether the struct at p, which was there before something merged, has that clock. */
static bool is_at(const gesso_doc *doc, uint32_t client, gs_pos p, uint32_t clock)
{
  const gs_client *c = &doc->clients[client];
  if (p.chunk >= c->nchunks || p.at >= gs_chunks_of(doc, c)[p.chunk].n)
    return false;
  const gs_item *it = &doc->items[gs_struct_at(doc, client, p)];
  return clock >= it->clock && clock - it->clock < it->len;
}

static void merge_deleted(gesso_doc *doc, const gs_pos places[PLACES])
{
  for (uint32_t i = doc->txn.dels.n; i-- > 0;) {
    gs_range r = doc->txn.dels.v[i];
    if (r.clock >= gs_before(doc, r.client))
      continue; /* merge_new looks at all of it */
    uint32_t last = r.clock + r.len - 1;
    gs_pos p = i < PLACES && is_at(doc, r.client, places[i], last) ? places[i] : gs_structs_find(doc, r.client, last);
    (void)gs_pos_next(doc, r.client, &p);
    gs_ix ix = gs_struct_at(doc, r.client, p);
    while (doc->items[ix].clock >= r.clock) {
      gs_pos before = p;
      if (!gs_pos_prev(doc, r.client, &before))
        break;
      gs_ix left = gs_struct_at(doc, r.client, before);
      if (gs_may_merge(doc, left, ix)) {
        (void)gs_merge_lefts(doc, r.client, &p);
        if (!gs_pos_prev(doc, r.client, &p))
          break;
        left = gs_struct_at(doc, r.client, p);
      } else {
        p = before;
      }
      ix = left;
    }
  }
}

static void merge_new(gesso_doc *doc)
{
  for (uint32_t i = 0; i < doc->txn.ntouched; i++) {
    uint32_t client = doc->txn.touched[i];
    const gs_client *c = &doc->clients[client];
    if (c->before == c->clock)
      continue;
    gs_pos p = { c->nchunks - 1, gs_chunks_of(doc, c)[c->nchunks - 1].n - 1u };
    gs_ix ix = gs_struct_at(doc, client, p);
    if (doc->items[ix].clock < c->before)
      continue; /* it grew */
    while (doc->items[ix].clock + doc->items[ix].len > c->before) {
      /* Mostly there is nothing to merge, and the one before is in the same chunk. */
      const gs_ix *v = gs_chunk_v(doc, &gs_chunks_of(doc, c)[p.chunk]);
      while (p.at > 0 && doc->items[ix].clock > c->before && !gs_may_merge(doc, v[p.at - 1], ix))
        ix = v[--p.at];
      gs_pos before = p;
      if (!gs_pos_prev(doc, client, &before))
        break;
      gs_ix left = gs_struct_at(doc, client, before);
      if (!gs_may_merge(doc, left, ix)) {
        p = before;
        ix = left;
        continue;
      }
      (void)gs_merge_lefts(doc, client, &p);
      if (!gs_pos_prev(doc, client, &p))
        break;
      ix = gs_struct_at(doc, client, p);
    }
  }
}

/* Whether the struct at p may merge into the one before it. */
static bool may_merge_left(const gesso_doc *doc, uint32_t client, gs_pos p)
{
  gs_ix ix = gs_struct_at(doc, client, p);
  return gs_pos_prev(doc, client, &p) && gs_may_merge(doc, gs_struct_at(doc, client, p), ix);
}

/* Whether two neighbours in a chain, which are no gc ranges, may merge. */
static inline bool joins(const gesso_doc *doc, gs_ix left, gs_ix right)
{
  if (left == 0 || left == GS_PACKED || right == 0 || right == GS_PACKED)
    return false;
  const gs_item *l = &doc->items[left], *r = &doc->items[right];
  const uint32_t same = ~(uint32_t)0 << GS_CLIENT_SHIFT | GS_ITEM_DELETED | GS_KIND_MASK;
  return ((l->head ^ r->head) & same) == 0 && l->clock + l->len == r->clock && gs_mergeable(doc, left, right);
}

static void merge_at(gesso_doc *doc, gs_ix ix)
{
  gs_pos p = gs_structs_place(doc, ix);
  (void)gs_merge_lefts(doc, gs_client_of(&doc->items[ix]), &p);
}

static void merge_cuts(gesso_doc *doc)
{
  for (uint32_t i = doc->txn.nmerge; i-- > 0;) {
    gs_id id = doc->txn.merge[i].id;
    gs_ix ix = doc->txn.merge[i].ix;
    const gs_item *it = &doc->items[ix];
    if (gs_kind(it) != GS_FREE && gs_kind(it) != GS_GC && gs_client_of(it) == id.client && it->clock == id.clock) {
      if (joins(doc, ix, it->right))
        merge_at(doc, it->right);
      else if (joins(doc, it->left, ix))
        merge_at(doc, ix);
      continue;
    }
    gs_pos p = gs_structs_find(doc, id.client, id.clock), next = p;
    if (gs_pos_next(doc, id.client, &next) && gs_may_merge(doc, gs_struct_at(doc, id.client, p), gs_struct_at(doc, id.client, next)) &&
        gs_merge_lefts(doc, id.client, &next) > 0)
      p = next;
    if (may_merge_left(doc, id.client, p))
      (void)gs_merge_lefts(doc, id.client, &p);
  }
}

/* --- transactions that deleted and cut little: all of that is known, and need not be looked for --- */

static bool few_changed(const gesso_doc *doc)
{
  const gs_txn *txn = &doc->txn;
  return txn->ngone <= GS_TXN_FEW && txn->nmerge <= GS_TXN_FEW && !txn->dels_lost && !txn->types_deleted;
}

/* What collect, merge_deleted and merge_cuts do. */
static void tidy_few(gesso_doc *doc)
{
  const gs_txn *txn = &doc->txn;
  gs_ix v[4 * GS_TXN_FEW];
  uint32_t n = 0;
  for (uint32_t i = 0; i < txn->ngone; i++)
    collect_item(doc, txn->gone[i]);
  for (uint32_t i = 0; i < txn->ngone + txn->nmerge; i++) {
    gs_ix ix = i < txn->ngone ? txn->gone[i] : txn->merge[i - txn->ngone].ix;
    gs_ix right = doc->items[ix].right;
    if (joins(doc, doc->items[ix].left, ix))
      v[n++] = ix;
    if (joins(doc, ix, right))
      v[n++] = right;
  }
  while (n-- > 0)
    if (gs_kind(&doc->items[v[n]]) != GS_FREE)
      merge_at(doc, v[n]);
}

enum { LOCAL_KEEPS = 4 }; /* arrays for chunks that local edits promise to the next one */

/* Gives back what a large update reserved and did not need. */
static void trim(gesso_doc *doc)
{
  if (doc->items_cap > 64 && doc->items_cap / 2 > doc->nitems) {
    uint32_t cap = doc->nitems + doc->nitems / 8;
    gs_item *p = gs_resize(doc->alloc, doc->items, doc->items_cap * sizeof *p, cap * sizeof *p);
    if (p != NULL) {
      doc->items = p;
      doc->items_cap = cap;
    }
  }
  if (doc->slots_cap > 64 && doc->slots_cap / 2 > doc->nslots) {
    uint32_t cap = doc->nslots + doc->nslots / 8;
    gs_slot *p = gs_resize(doc->alloc, doc->slots, doc->slots_cap * sizeof *p, cap * sizeof *p);
    if (p != NULL) {
      doc->slots = p;
      doc->slots_cap = cap;
    }
  }
  if (gs_structs_untidy(doc, doc->txn.local ? LOCAL_KEEPS : 0))
    gs_structs_tidy(doc);
  gs_txn *txn = &doc->txn;
  if (txn->dels.cap > 1024) {
    gs_free(doc->alloc, txn->dels.v, txn->dels.cap * sizeof *txn->dels.v);
    txn->dels = (gs_ranges){ 0 };
  }
  if (txn->merge_cap > 1024) {
    gs_free(doc->alloc, txn->merge, txn->merge_cap * sizeof *txn->merge);
    txn->merge = NULL;
    txn->merge_cap = 0;
  }
}

static bool changed(const gesso_doc *doc)
{
  const gs_txn *txn = &doc->txn;
  if (txn->dels.n > 0)
    return true;
  for (uint32_t i = 0; i < txn->ntouched; i++)
    if (doc->clients[txn->touched[i]].before != doc->clients[txn->touched[i]].clock)
      return true;
  return false;
}

static int by_first_deletion(const void *a, const void *b, void *ctx)
{
  const gesso_doc *doc = ctx;
  const gs_range *x = a, *y = b;
  if (x->client == y->client)
    return x->clock < y->clock ? -1 : x->clock > y->clock;
  return doc->clients[x->client].del_rank < doc->clients[y->client].del_rank ? -1 : 1;
}

/* Deletes redundant formats, before anything is collected. As in Yjs that is a transaction of its own: what it
 * deletes is handed back, and the transaction that is about to end knows nothing of it. */
static gs_ranges clean_formats(gesso_doc *doc, bool *lost)
{
  gs_txn *txn = &doc->txn;
  gs_ranges dels = txn->dels;
  bool was_lost = txn->dels_lost;
  txn->dels = (gs_ranges){ 0 };
  txn->dels_lost = false;
  txn->ndel_clients = 0;
  txn->ngone = GS_TXN_FEW + 1;
  txn->epoch++;
  /* It matters to Yjs what it looks at first, and so it does here. */
  if (dels.n > 1)
    qsort_r(dels.v, dels.n, sizeof *dels.v, by_first_deletion, doc);
  gs_format_cleanup(doc, &dels);
  gs_ranges_normalise(doc->alloc, &dels);
  txn->epoch--;
  gs_ranges cleaned = txn->dels;
  *lost = txn->dels_lost;
  txn->dels = dels;
  txn->dels_lost = was_lost;
  gs_ranges_normalise(doc->alloc, &cleaned);
  return cleaned;
}

/* The update of the transaction, in which that of the cleanup after it is told too. */
static gesso_status write_both(gesso_doc *doc, const gs_ranges *cleaned, gesso_buffer *out)
{
  gs_ranges *d = &doc->txn.dels;
  if (!gs_grow(doc->alloc, &d->v, &d->cap, (size_t)d->n + cleaned->n, sizeof *d->v))
    return GESSO_E_NOMEM;
  memcpy(d->v + d->n, cleaned->v, cleaned->n * sizeof *d->v);
  d->n += cleaned->n;
  gs_ranges_normalise(doc->alloc, d);
  gs_buf buf = gs_buf_make(doc->mem.inner);
  gs_write_txn(doc, &buf);
  gesso_status st = buf.err;
  if (st == GESSO_OK)
    *out = gs_buf_take(&buf);
  gs_buf_finish(&buf);
  return st;
}

static gesso_status write_updates(gesso_doc *doc, gs_delivery *d, const gs_ranges *cleaned, gesso_buffer *update_out)
{
  gesso_status st = GESSO_OK;
  gesso_buffer *own_out = cleaned->n == 0 ? update_out : NULL;
  gs_buf buf;
  if (d != NULL && own_out == NULL)
    gs_observe_room(doc, &buf);
  else
    buf = gs_buf_make(doc->mem.inner);
  if ((own_out != NULL || gs_observes(doc, GS_SUB_UPDATE_V1) || gs_observes(doc, GS_SUB_UPDATE_V2)) && changed(doc)) {
    gs_write_txn(doc, &buf);
    st = buf.err;
  }
  if (d != NULL) {
    gesso_status told = gs_observe_result(doc, d, &buf, own_out);
    if (told != GESSO_OK)
      st = told;
  }
  if (own_out != NULL && buf.err == GESSO_OK)
    *own_out = gs_buf_take(&buf);
  else if (update_out != NULL && cleaned->n > 0) {
    gesso_status both = write_both(doc, cleaned, update_out);
    if (both != GESSO_OK)
      st = both;
  }
  gs_buf_finish(&buf);
  return st;
}

gesso_status gs_txn_end(gesso_doc *doc, gesso_buffer *update_out)
{
  gs_txn *txn = &doc->txn;
  gesso_status st = GESSO_OK, s;
  if (txn->dels_lost)
    st = find_deletions(doc);
  if (txn->dels.n > 1)
    gs_ranges_normalise(doc->alloc, &txn->dels);
  bool clean = txn->remote && gs_format_is_due(doc), cleaned_lost = false;
  bool only = doc->observers != NULL && update_out == NULL && !clean && st == GESSO_OK && gs_observe_only_update(doc);
  gs_delivery *d = NULL;
  gs_buf update; /* for the only one */
  if (doc->observers != NULL && !only) {
    d = gs_observe_changes(doc, &st);
    gs_observe_forget(doc);
  }
  gs_ranges cleaned = clean ? clean_formats(doc, &cleaned_lost) : (gs_ranges){ 0 };
  if ((doc->subdocs != NULL || (doc->observers != NULL && !only)) && (s = gs_subdocs_end(doc)) != GESSO_OK)
    st = s;
  if (few_changed(doc)) {
    tidy_few(doc);
    merge_new(doc);
  } else {
    gs_pos places[PLACES];
    collect(doc, places);
    merge_deleted(doc, places);
    merge_new(doc);
    merge_cuts(doc);
  }
  if (txn->gc_all)
    collect_all(doc);
  if (gs_text_is_waste(doc))
    gs_text_compact(doc);

  /* What waits of ids that we took by editing will not be missed. */
  if (txn->local && doc->own != 0 && doc->clients[doc->own].pending > 0) {
    gs_pending_remove_known(doc, doc->own);
    if (doc->clients[doc->own].pending == 0)
      gs_wait_no_more(doc, doc->own);
  }

  /* Somebody else writes under our client id (Yjs: "Changed the client-id ..."): take another. */
  if (txn->remote && !txn->local && doc->own != 0 && doc->clients[doc->own].epoch == txn->epoch &&
      doc->clients[doc->own].before != doc->clients[doc->own].clock)
    gs_doc_new_client_id(doc);

  if (!doc->deleted_known && doc->deleted.cap > 0)
    gs_forget_deleted(doc);
  if (only) {
    gs_observe_room(doc, &update);
    if (changed(doc))
      gs_write_txn(doc, &update);
    if (update.err != GESSO_OK)
      st = update.err;
  } else if ((update_out != NULL || d != NULL) && (s = write_updates(doc, d, &cleaned, update_out)) != GESSO_OK) {
    st = s;
  }
  for (uint32_t i = 0; i < txn->nformatted; i++)
    doc->types[txn->formatted[i]].fmt_listed = false;
  if (txn->dels_lost && !cleaned_lost)
    for (uint32_t i = 1; i < doc->nitems; i++)
      doc->items[i].head &= ~(uint32_t)GS_ITEM_DELNOW;
  for (uint32_t i = 0; i < txn->ntouched; i++)
    gs_runs_pack(doc, txn->touched[i]);
  if (gs_items_are_waste(doc))
    gs_items_compact(doc);
  trim(doc);
  if (txn->origin.data != NULL)
    gesso_buffer_free(&txn->origin);
  txn->ntouched = txn->nmerge = txn->nformatted = 0;
  txn->dels.n = txn->ndel_clients = txn->ngone = 0;
  bool local = txn->local;
  txn->local = txn->remote = txn->dels_lost = txn->fmt_lost = txn->gc_all = txn->types_deleted = false;
  txn->epoch++;
  if (d != NULL)
    gs_observe_queue(doc, d);
  if (clean && (cleaned.n > 0 || cleaned_lost || doc->observers != NULL)) {
    gs_free(doc->alloc, txn->dels.v, txn->dels.cap * sizeof *txn->dels.v);
    txn->dels = cleaned;
    txn->dels_lost = cleaned_lost;
    txn->ngone = GS_TXN_FEW + 1;
    txn->local = true;
    s = gs_txn_end(doc, NULL);
    return s != GESSO_OK ? s : st;
  }
  if (cleaned.v != NULL)
    gs_free(doc->alloc, cleaned.v, cleaned.cap * sizeof *cleaned.v);
  if (only)
    gs_observe_call_only(doc, &update, local);
  else if (d != NULL)
    gs_observe_deliver(doc);
  if (doc->subdocs != NULL && (doc->observers == NULL || !doc->observers->delivering))
    gs_subdocs_leave(doc);
  if (doc->undo_echoes > 0)
    gs_undo_echo(doc);
  return st;
}

void gesso_doc_begin(gesso_doc *doc)
{
  doc->txn.depth++;
}

gesso_status gesso_doc_begin_with(gesso_doc *doc, gesso_bytes origin)
{
  if (doc->txn.depth == 0 && origin.len > 0) {
    gs_buf copy = gs_buf_make(doc->alloc);
    gs_buf_write(&copy, origin.data, origin.len);
    if (copy.err != GESSO_OK)
      return copy.err;
    doc->txn.origin = gs_buf_take(&copy);
  }
  doc->txn.depth++;
  return GESSO_OK;
}

gesso_status gesso_doc_commit(gesso_doc *doc, gesso_buffer *update_out)
{
  if (update_out != NULL)
    *update_out = (gesso_buffer){ .alloc = doc->mem.inner };
  if (doc->txn.depth == 0)
    return GESSO_E_USAGE;
  if (--doc->txn.depth > 0)
    return GESSO_OK;
  return gs_txn_end(doc, update_out);
}

void gesso_doc_collect_garbage(gesso_doc *doc)
{
  gesso_doc_begin(doc);
  doc->txn.gc_all = true;
  (void)gesso_doc_commit(doc, NULL);
}
