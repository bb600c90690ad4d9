/* Undo managers: what they watch, and what they record. */
#include "crdt/undo.h"
#include "base/clock.h"
#include "crdt/ops.h"
#include "crdt/runs.h"

bool gs_undo_in_scope(gesso_undo *u, gs_ix ix)
{
  if (u->whole)
    return true;
  /* The next item asked for is usually in the same type, or in one that is in it. */
  const gesso_doc *doc = u->doc;
  uint32_t first = doc->slots[doc->items[ix].slot].type, type = first;
  bool in = false;
  while (type != 0 && type != u->asked && !in) {
    for (uint32_t i = 0; i < u->nscope && !in; i++)
      in = u->scope[i] == type;
    ix = doc->types[type].item;
    type = ix != 0 ? doc->slots[doc->items[ix].slot].type : 0;
  }
  u->asked_in = in || (type != 0 && u->asked_in);
  u->asked = first;
  return u->asked_in;
}

void gs_undo_keep(gesso_doc *doc, gs_ix ix, bool keep)
{
  while (ix != 0 && ((doc->items[ix].head & GS_ITEM_KEEP) != 0) != keep) {
    doc->items[ix].head ^= GS_ITEM_KEEP;
    ix = doc->types[doc->slots[doc->items[ix].slot].type].item;
  }
}

gs_ix gs_undo_clean_start(gesso_doc *doc, gs_id id)
{
  gs_ix ix = gs_struct_of(doc, id);
  if (doc->items[ix].clock == id.clock || gs_kind(&doc->items[ix]) == GS_GC)
    return ix;
  uint32_t cost = gs_cut_cost(doc);
  if (!gs_items_reserve(doc, cost) || !gs_structs_reserve(doc, id.client, 0, cost))
    return 0;
  return gs_clean_start(doc, id);
}

/* --- stacks --- */

void gs_stack_item_finish(gesso_undo *u, gesso_doc *doc, gs_stack_item *item)
{
  if (item->meta != NULL && u->o.free_meta != NULL)
    u->o.free_meta(u->o.ctx, item->meta);
  gs_idset_finish(doc, &item->deletions);
  gs_idset_finish(doc, &item->insertions);
}

gs_stack_item *gs_undo_find_item(gesso_undo *u, uint64_t serial)
{
  for (int which = 0; which < 2; which++)
    for (uint32_t i = u->stacks[which].n; i-- > 0;)
      if (u->stacks[which].v[i].serial == serial)
        return &u->stacks[which].v[i];
  return NULL;
}

/* Gives up what the items of a stack kept, and the items. Where memory is short a struct that is only partly
 * theirs stays kept. */
static void empty_stack(gesso_undo *u, gesso_undo_stack which)
{
  gs_stack *stack = &u->stacks[which];
  for (uint32_t i = 0; i < stack->n; i++) {
    gs_idset_walk w = { .set = &stack->v[i].deletions };
    gesso_status st = GESSO_OK;
    for (gs_ix ix; (ix = gs_idset_next(u->doc, &w, &st)) != 0;)
      if (gs_kind(&u->doc->items[ix]) != GS_GC && gs_undo_in_scope(u, ix))
        gs_undo_keep(u->doc, ix, false);
  }
  while (stack->n > 0) {
    gs_stack_item item = stack->v[--stack->n];
    gs_stack_item_finish(u, u->doc, &item);
  }
}

gesso_status gesso_undo_clear(gesso_undo *undo, int undo_stack, int redo_stack)
{
  if (undo->doc == NULL)
    return GESSO_E_CLOSED;
  if (!(undo_stack && undo->stacks[GESSO_UNDO].n > 0) && !(redo_stack && undo->stacks[GESSO_REDO].n > 0))
    return GESSO_OK;
  gesso_doc_begin(undo->doc);
  if (undo_stack)
    empty_stack(undo, GESSO_UNDO);
  if (redo_stack)
    empty_stack(undo, GESSO_REDO);
  gs_undo_tell(undo, (gesso_undo_event){ .event = GESSO_UNDO_CLEARED, .undo_cleared = undo_stack != 0,
                                         .redo_cleared = redo_stack != 0 }, NULL);
  return gesso_doc_commit(undo->doc, NULL);
}

/* --- recording --- */

static bool same_bytes(gesso_bytes a, gesso_bytes b)
{
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool tracks_origin(const gesso_undo *u, gesso_bytes origin)
{
  if (origin.len == 0)
    return u->no_origin;
  if (same_bytes(origin, gesso_undo_origin(u)))
    return true;
  for (uint32_t i = 0; i < u->norigins; i++)
    if (same_bytes(origin, u->origins[i]))
      return true;
  return false;
}

static bool concerns(const gesso_undo *u, const gs_txn_view *txn)
{
  if (u->whole)
    return true;
  for (uint32_t i = 0; i < u->nscope; i++)
    for (size_t k = 0; k < txn->nchanged; k++)
      if (u->scope[i] == txn->changed[k])
        return true;
  return false;
}

/* Puts the transaction on the stack, or into the item that is on top. */
static gesso_status record(gesso_undo *u, gs_stack *stack, const gs_txn_view *txn, bool join)
{
  gesso_doc *doc = u->doc;
  gs_idset ins, del, joined_ins = { 0 }, joined_del = { 0 };
  if (!gs_idset_inserted(doc, txn, &ins))
    return GESSO_E_NOMEM;
  bool ok = gs_idset_deleted(doc, txn, &del);
  gs_stack_item *top = join ? &stack->v[stack->n - 1] : NULL;
  if (ok && join)
    ok = gs_idset_union(doc, &top->deletions, &del, &joined_del) &&
         gs_idset_union(doc, &top->insertions, &ins, &joined_ins);
  else if (ok)
    ok = gs_grow(doc->alloc, &stack->v, &stack->cap, (size_t)stack->n + 1, sizeof *stack->v);
  if (ok && !join) {
    stack->v[stack->n++] = (gs_stack_item){ .deletions = del, .insertions = ins, .serial = ++u->serials };
    return GESSO_OK;
  }
  if (ok) {
    gs_idset_finish(doc, &top->deletions);
    gs_idset_finish(doc, &top->insertions);
    top->deletions = joined_del;
    top->insertions = joined_ins;
  } else {
    gs_idset_finish(doc, &joined_del);
  }
  gs_idset_finish(doc, &ins);
  gs_idset_finish(doc, &del);
  return ok ? GESSO_OK : GESSO_E_NOMEM;
}

static void keep_deleted(gesso_undo *u, const gs_ranges *deleted)
{
  gesso_doc *doc = u->doc;
  for (uint32_t i = 0; i < deleted->n; i++) {
    gs_range r = deleted->v[i];
    gs_pos p = gs_structs_find(doc, r.client, r.clock);
    do {
      gs_ix ix = gs_struct_at(doc, r.client, p);
      if (doc->items[ix].clock >= r.clock + r.len)
        break;
      if (gs_kind(&doc->items[ix]) != GS_GC && gs_undo_in_scope(u, ix))
        gs_undo_keep(doc, ix, true);
    } while (gs_pos_next(doc, r.client, &p));
  }
}

static uint64_t now_ms(const gesso_undo *u)
{
  return u->o.now_ms != NULL ? u->o.now_ms(u->o.ctx) : gs_clock_mono_ms(NULL);
}

static gesso_status at_end(void *ctx, gesso_doc *doc, const gs_txn_view *txn)
{
  gesso_undo *u = ctx;
  gs_undo_turn(u);
  bool own = same_bytes(txn->origin, gesso_undo_origin(u));
  if (u->wants_popped && own) {
    u->wants_popped = false;
    gs_undo_popped *p = &u->popped;
    if (gs_grow(doc->alloc, &p->types, &p->cap, txn->nchanged, sizeof *p->types)) {
      p->n = (uint32_t)txn->nchanged;
      if (p->n > 0)
        memcpy(p->types, txn->changed, txn->nchanged * sizeof *p->types);
    }
  }
  if ((u->o.capture_transaction != NULL && !u->o.capture_transaction(u->o.ctx, doc, txn->origin, txn->local)) ||
      !concerns(u, txn) || !tracks_origin(u, txn->origin))
    return GESSO_OK;
  bool told = true;
  if (u->undoing) {
    u->capturing = false;
  } else if (!u->redoing && u->stacks[GESSO_REDO].n > 0) {
    empty_stack(u, GESSO_REDO);
    /* In Yjs that is a transaction of its own, which a manager of the whole document records. */
    doc->undo_echoes++;
    told = gs_undo_note_event(u, (gesso_undo_event){ .event = GESSO_UNDO_CLEARED, .redo_cleared = 1 }, 0);
  }
  gesso_undo_stack which = u->undoing ? GESSO_REDO : GESSO_UNDO;
  gs_stack *stack = &u->stacks[which];
  uint64_t now = now_ms(u);
  bool join = u->capturing && stack->n > 0 && !u->undoing && !u->redoing && u->o.capture_timeout_ms > 0 &&
              now - u->last_ms < (uint64_t)u->o.capture_timeout_ms;
  gesso_status st = record(u, stack, txn, join);
  if (!u->undoing && !u->redoing) {
    u->capturing = st == GESSO_OK;
    u->last_ms = now;
  }
  if (st != GESSO_OK)
    return st;
  keep_deleted(u, txn->deleted);
  told &= gs_undo_note_event(u, (gesso_undo_event){ .event = join ? GESSO_UNDO_UPDATED : GESSO_UNDO_ADDED,
                                                    .stack = which, .origin = txn->origin,
                                                    .changed = txn->changed, .nchanged = txn->nchanged },
                             stack->v[stack->n - 1].serial);
  return told ? GESSO_OK : GESSO_E_NOMEM;
}

void gs_undo_echo(gesso_doc *doc)
{
  bool recorded = false;
  for (const gesso_undo *u = doc->undo; u != NULL; u = u->next)
    recorded |= u->whole && u->no_origin;
  uint32_t n = recorded ? doc->undo_echoes : 0;
  doc->undo_echoes = 0;
  while (n-- > 0) {
    gesso_doc_begin(doc);
    (void)gesso_doc_commit(doc, NULL);
  }
}

/* --- the manager --- */

static void detach(gesso_undo *u)
{
  gesso_doc *doc = u->doc;
  if (doc == NULL)
    return;
  gesso_undo **link = &doc->undo;
  while (*link != u)
    link = &(*link)->next;
  *link = u->next;
  if (u->forbids_runs)
    gs_runs_allow(doc);
  gesso_doc_unobserve(doc, u->end_sub);
  gesso_doc_unobserve(doc, u->transaction_sub);
  gesso_doc_unobserve(doc, u->destroy_sub);
  for (int which = 0; which < 2; which++) {
    gs_stack *stack = &u->stacks[which];
    while (stack->n > 0)
      gs_stack_item_finish(u, doc, &stack->v[--stack->n]);
    gs_free(doc->alloc, stack->v, stack->cap * sizeof *stack->v);
    *stack = (gs_stack){ 0 };
  }
  for (uint32_t i = 0; i < u->norigins; i++)
    gs_free(doc->alloc, (void *)(uintptr_t)u->origins[i].data, u->origins[i].len);
  gs_free(doc->alloc, u->origins, u->origins_cap * sizeof *u->origins);
  gs_free(doc->alloc, u->scope, u->scope_cap * sizeof *u->scope);
  gs_undo_notes_drop(u);
  gs_free(doc->alloc, u->subs, u->subs_cap * sizeof *u->subs);
  u->subs = NULL;
  u->scope = NULL;
  u->origins = NULL;
  u->nsubs = u->subs_cap = u->nscope = u->scope_cap = u->norigins = u->origins_cap = 0;
  u->doc = NULL;
}

static void doc_goes(void *ctx, gesso_doc *doc)
{
  (void)doc;
  detach(ctx);
}

gesso_undo *gesso_undo_create(gesso_doc *doc, const gesso_undo_options *options)
{
  gesso_undo *u = GS_NEW(doc->mem.inner, gesso_undo);
  if (u == NULL)
    return NULL;
  if (options != NULL)
    memcpy(&u->o, options, GS_MIN(options->size, sizeof u->o));
  if (u->o.capture_timeout_ms == 0)
    u->o.capture_timeout_ms = 500;
  u->alloc = doc->mem.inner;
  u->doc = doc;
  u->self = u;
  u->no_origin = true;
  u->notes_end = &u->notes;
  /* Managers record in the order in which they were made. */
  gesso_undo **link = &doc->undo;
  while (*link != NULL)
    link = &(*link)->next;
  *link = u;
  if (!(u->forbids_runs = gs_runs_forbid(doc)) || gs_observe_end(doc, at_end, u, &u->end_sub) != GESSO_OK ||
      gesso_doc_observe_destroy(doc, doc_goes, u, &u->destroy_sub) != GESSO_OK) {
    gesso_undo_destroy(u);
    return NULL;
  }
  return u;
}

void gesso_undo_destroy(gesso_undo *undo)
{
  if (undo == NULL)
    return;
  detach(undo);
  undo->ended = true;
  gs_undo_free(undo);
}

void gs_undo_free(gesso_undo *u)
{
  if (u->popping == 0)
    gs_free(u->alloc, u, sizeof *u);
}

gesso_status gesso_undo_add_scope(gesso_undo *undo, gesso_type type)
{
  gesso_doc *doc = undo->doc;
  if (doc == NULL)
    return GESSO_E_CLOSED;
  if (type >= doc->ntypes)
    return GESSO_E_USAGE;
  if (type == 0) {
    undo->whole = true;
    return GESSO_OK;
  }
  for (uint32_t i = 0; i < undo->nscope; i++)
    if (undo->scope[i] == type)
      return GESSO_OK;
  if (!gs_grow(doc->alloc, &undo->scope, &undo->scope_cap, (size_t)undo->nscope + 1, sizeof *undo->scope))
    return GESSO_E_NOMEM;
  undo->scope[undo->nscope++] = type;
  undo->asked = 0;
  return GESSO_OK;
}

gesso_status gesso_undo_add_origin(gesso_undo *undo, gesso_bytes origin)
{
  if (undo->doc == NULL)
    return GESSO_E_CLOSED;
  if (tracks_origin(undo, origin))
    return GESSO_OK;
  if (origin.len == 0) {
    undo->no_origin = true;
    return GESSO_OK;
  }
  const gesso_allocator *al = undo->doc->alloc;
  uint8_t *copy = gs_alloc(al, origin.len);
  if (copy == NULL ||
      !gs_grow(al, &undo->origins, &undo->origins_cap, (size_t)undo->norigins + 1, sizeof *undo->origins)) {
    gs_free(al, copy, origin.len);
    return GESSO_E_NOMEM;
  }
  memcpy(copy, origin.data, origin.len);
  undo->origins[undo->norigins++] = (gesso_bytes){ copy, origin.len };
  return GESSO_OK;
}

void gesso_undo_remove_origin(gesso_undo *undo, gesso_bytes origin)
{
  if (origin.len == 0) {
    undo->no_origin = false;
    return;
  }
  for (uint32_t i = 0; i < undo->norigins; i++)
    if (same_bytes(origin, undo->origins[i])) {
      gs_free(undo->doc->alloc, (void *)(uintptr_t)undo->origins[i].data, undo->origins[i].len);
      undo->origins[i] = undo->origins[--undo->norigins];
      return;
    }
}

gesso_bytes gesso_undo_origin(const gesso_undo *undo)
{
  return (gesso_bytes){ (const uint8_t *)&undo->self, sizeof undo->self };
}

int gesso_undo_can_undo(const gesso_undo *undo)
{
  return undo->stacks[GESSO_UNDO].n > 0;
}

int gesso_undo_can_redo(const gesso_undo *undo)
{
  return undo->stacks[GESSO_REDO].n > 0;
}

size_t gesso_undo_depth(const gesso_undo *undo, gesso_undo_stack stack)
{
  return stack == GESSO_UNDO || stack == GESSO_REDO ? undo->stacks[stack].n : 0;
}

void gesso_undo_stop_capturing(gesso_undo *undo)
{
  undo->capturing = false;
}

void **gesso_undo_meta(gesso_undo *undo, gesso_undo_stack stack, size_t index)
{
  return index < gesso_undo_depth(undo, stack) ? &undo->stacks[stack].v[index].meta : NULL;
}

const char *gs_undo_check(const gesso_doc *doc)
{
  for (uint32_t i = 1; i < doc->nitems; i++) {
    gs_id id = gs_redone(doc, i);
    if (id.client == 0)
      continue;
    const gs_item *it = &doc->items[i];
    if (gs_kind(it) == GS_FREE || gs_kind(it) == GS_GC || !gs_is_deleted(it))
      return "I9 a redone id where none can be";
    if (id.client >= doc->nclients || id.clock + it->len > doc->clients[id.client].clock)
      return "I9 a redone id that is not there";
  }
  for (const gesso_undo *u = doc->undo; u != NULL; u = u->next)
    for (int which = 0; which < 2; which++)
      for (uint32_t i = 0; i < u->stacks[which].n; i++) {
        const char *why = gs_idset_check(doc, &u->stacks[which].v[i].deletions);
        if (why == NULL)
          why = gs_idset_check(doc, &u->stacks[which].v[i].insertions);
        if (why != NULL)
          return why;
      }
  return NULL;
}
