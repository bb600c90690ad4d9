/* Undo and redo: deleting what was inserted, and inserting copies of what was deleted where it was.
 *
 * A copy stands before the deleted item that it replaces, between the nearest neighbours that are in the
 * same type now, themselves or as copies. Of a deleted item, doc->redone leads to its copy, from there to the
 * copy of the copy, and so on (Yjs: redoItem, followRedone). */
#include "crdt/edit.h"
#include "crdt/undo.h"

typedef struct replay {
  gesso_undo *u;
  gesso_doc *doc;
  const gs_stack_item *item;
  gs_ix *to_delete, *to_redo, *chain;
  uint32_t ndelete, delete_cap, nredo, redo_cap, nchain, chain_cap;
  gesso_status st; /* the first thing that failed */
  bool changed;
  /* The last one that came back outside of keys, where, and its neighbours there: to those of the next one in the chain it
   * is a long way, when they came back with what they are in. The left one is named by its last id, since it may be cut. */
  gs_ix last, last_holder, last_right;
  gs_id last_left;
} replay;

static bool push(replay *r, gs_ix **v, uint32_t *n, uint32_t *cap, gs_ix ix)
{
  if (!gs_grow(r->doc->alloc, v, cap, (size_t)*n + 1, sizeof ix)) {
    r->st = GESSO_E_NOMEM;
    return false;
  }
  (*v)[(*n)++] = ix;
  return true;
}

static bool is_gc(const replay *r, gs_ix ix)
{
  return gs_kind(&r->doc->items[ix]) == GS_GC;
}

/* The item that holds the type in which ix is; 0 in roots. */
static gs_ix holder_of(const replay *r, gs_ix ix)
{
  return r->doc->types[r->doc->slots[r->doc->items[ix].slot].type].item;
}

static gs_id id_of(const replay *r, gs_ix ix)
{
  return (gs_id){ gs_client_of(&r->doc->items[ix]), r->doc->items[ix].clock };
}

static gs_ix clean_start(replay *r, gs_id id)
{
  gs_ix ix = gs_undo_clean_start(r->doc, id);
  if (ix == 0)
    r->st = GESSO_E_NOMEM;
  return ix;
}

/* The direct copy of an item that has one; 0 when it was collected with what it is in. */
static gs_ix copy_of(replay *r, gs_ix ix)
{
  ix = clean_start(r, gs_redone(r->doc, ix));
  return ix != 0 && !is_gc(r, ix) ? ix : 0;
}

/* What stands for an item now (Yjs: followRedone and a cut). As there, of an item whose copy was cut since
 * only the part that stands for its front. */
static gs_ix follow(replay *r, gs_ix ix)
{
  gs_id id = id_of(r, ix);
  for (;;) {
    gs_ix at = gs_struct_of(r->doc, id);
    uint32_t diff = id.clock - r->doc->items[at].clock;
    gs_id next = is_gc(r, at) ? (gs_id){ 0, 0 } : gs_redone(r->doc, at);
    if (next.client == 0)
      return clean_start(r, id);
    id = (gs_id){ next.client, next.clock + diff };
  }
}

/* The item, or the first of its copies, that is in the type that `holder` holds; 0: none is. */
static gs_ix trace(replay *r, gs_ix ix, gs_ix holder)
{
  while (ix != 0 && holder_of(r, ix) != holder)
    ix = gs_redone(r->doc, ix).client != 0 ? copy_of(r, ix) : 0;
  return ix;
}

static bool is_to_be_redone(const replay *r, gs_ix ix)
{
  gs_id id = id_of(r, ix);
  return gs_idset_has(&r->item->deletions, id) && !gs_idset_has(&r->item->insertions, id) && gs_undo_in_scope(r->u, ix);
}

static bool deleted_by_stack(const gs_stack *stack, gs_id id)
{
  for (uint32_t i = 0; i < stack->n; i++)
    if (gs_idset_has(&stack->v[i].deletions, id))
      return true;
  return false;
}

/* Whether that value of a key may be overwritten: it goes with this or another stack item. */
static bool may_replace(const replay *r, gs_ix ix)
{
  gs_id id = id_of(r, ix);
  return gs_redone(r->doc, ix).client != 0 || gs_idset_has(&r->item->insertions, id) ||
         deleted_by_stack(&r->u->stacks[GESSO_UNDO], id) || deleted_by_stack(&r->u->stacks[GESSO_REDO], id);
}

/* After which value of its key an item comes back. False: somebody else's value stands there. */
static bool find_left_of_key(replay *r, gs_ix ix, gs_ix *left)
{
  gesso_doc *doc = r->doc;
  gs_ix at = ix;
  while (doc->items[at].right != 0 && may_replace(r, doc->items[at].right)) {
    at = doc->items[at].right;
    while (gs_redone(doc, at).client != 0)
      if ((at = copy_of(r, at)) == 0)
        return false;
  }
  *left = at;
  return doc->items[at].right == 0;
}

/* Between which items of the type that `holder` holds an item of it comes back. */
static void find_neighbours(replay *r, gs_ix ix, gs_ix holder, gs_ix *left, gs_ix *right)
{
  gesso_doc *doc = r->doc;
  bool known = r->last != 0 && r->last_holder == holder;
  if (known && doc->items[ix].right == r->last)
    *left = r->last_left.client != 0 ? gs_struct_of(doc, r->last_left) : 0;
  else
    for (gs_ix i = doc->items[ix].left; i != 0 && *left == 0 && r->st == GESSO_OK; i = doc->items[i].left)
      *left = trace(r, i, holder);
  if (known && doc->items[ix].left == r->last)
    *right = r->last_right;
  else
    for (gs_ix i = ix; i != 0 && *right == 0 && r->st == GESSO_OK; i = doc->items[i].right)
      *right = trace(r, i, holder);
  r->last = *right != ix ? ix : 0;
  r->last_holder = holder;
  r->last_left = *left != 0 ? gs_last_id(&doc->items[*left]) : (gs_id){ 0, 0 };
  r->last_right = *right;
}

/* Inserts the copy of an item; what it is in is there, itself or as a copy. 0: it cannot come back, or r->st. */
static gs_ix redo_one(replay *r, gs_ix ix)
{
  gesso_doc *doc = r->doc;
  const gs_slot *slot = &doc->slots[doc->items[ix].slot];
  uint32_t type = slot->type, key = slot->key;
  gs_ix holder = doc->types[type].item, left = 0, right = 0;
  if (holder != 0 && gs_is_deleted(&doc->items[holder])) {
    while (gs_redone(doc, holder).client != 0)
      if ((holder = copy_of(r, holder)) == 0)
        return 0;
    if (gs_kind(&doc->items[holder]) != GS_TYPE)
      return 0;
    type = doc->items[holder].c.type;
  }
  if (key == 0) {
    find_neighbours(r, ix, holder, &left, &right);
  } else {
    if (doc->items[ix].right != 0 && !r->u->o.ignore_remote_map_changes && !find_left_of_key(r, ix, &left))
      return 0;
    if (left == 0 || holder_of(r, left) != holder) {
      uint32_t now = gs_slot_find(doc, type, key);
      left = now != 0 ? doc->slots[now].tail : 0;
    }
  }
  if (r->st != GESSO_OK)
    return 0;
  const gs_item *it = &doc->items[ix];
  size_t bytes = gs_kind_has_bytes(gs_kind(it)) ? gs_content(doc, it).len : 0;
  r->st = gs_edit_reserve(doc, 1, bytes, 1, 0, 0);
  if (r->st == GESSO_OK && !gs_redone_reserve(doc))
    r->st = GESSO_E_NOMEM;
  if (r->st != GESSO_OK)
    return 0;
  it = &doc->items[ix];
  uint32_t into = gs_slot_of_reserved(doc, type, key);
  gs_id id = { doc->own, doc->clients[doc->own].clock };
  gs_ix made;
  if (gs_kind(it) == GS_TYPE) {
    const gs_type *t = &doc->types[it->c.type];
    made = gs_edit_insert_type_reserved(doc, into, left, right, t->kind, t->name);
  } else {
    gesso_bytes content = bytes > 0 ? gs_content(doc, it) : (gesso_bytes){ NULL, 0 };
    made = gs_edit_insert_reserved(doc, into, left, right, gs_kind(it), it->len, content);
  }
  doc->redone[ix] = id;
  gs_undo_keep(doc, made, true);
  return made;
}

/* Whether the item is back, now or since before. What it is in comes back first, if that is part of the
 * same stack item. */
static bool redo(replay *r, gs_ix ix)
{
  if (gs_redone(r->doc, ix).client != 0)
    return clean_start(r, gs_redone(r->doc, ix)) != 0;
  r->nchain = 0;
  for (;;) {
    if (!push(r, &r->chain, &r->nchain, &r->chain_cap, ix))
      return false;
    ix = holder_of(r, ix);
    if (ix == 0 || !gs_is_deleted(&r->doc->items[ix]) || gs_redone(r->doc, ix).client != 0)
      break;
    if (!is_to_be_redone(r, ix))
      return false;
  }
  while (r->nchain > 0)
    if (redo_one(r, r->chain[--r->nchain]) == 0)
      return false;
  return true;
}

static bool filter_lets_go(const replay *r, gs_ix ix)
{
  const gesso_undo_options *o = &r->u->o;
  if (o->delete_filter == NULL)
    return true;
  const gs_item *it = &r->doc->items[ix];
  const gs_slot *slot = &r->doc->slots[it->slot];
  gesso_undo_item item = {
    .parent = slot->type,
    .key = slot->key != 0 ? gs_key_text(r->doc, slot->key) : (gesso_bytes){ NULL, 0 },
    .type = gs_kind(it) == GS_TYPE ? it->c.type : 0,
    .client = r->doc->clients[gs_client_of(it)].id,
    .clock = it->clock,
    .length_utf16 = it->len,
  };
  return o->delete_filter(o->ctx, r->doc, &item) != 0;
}

static void play(replay *r)
{
  gesso_doc *doc = r->doc;
  gs_idset_walk w = { .set = &r->item->insertions };
  for (gs_ix ix; (ix = gs_idset_next(doc, &w, &r->st)) != 0;) {
    if (!is_gc(r, ix) && gs_redone(doc, ix).client != 0 && (ix = follow(r, ix)) == 0)
      return;
    if (!gs_is_deleted(&doc->items[ix]) && gs_undo_in_scope(r->u, ix) &&
        !push(r, &r->to_delete, &r->ndelete, &r->delete_cap, ix))
      return;
  }
  w = (gs_idset_walk){ .set = &r->item->deletions };
  for (gs_ix ix; r->st == GESSO_OK && (ix = gs_idset_next(doc, &w, &r->st)) != 0;)
    /* What was inserted and deleted between two stack items stays away. */
    if (!is_gc(r, ix) && is_to_be_redone(r, ix) && !push(r, &r->to_redo, &r->nredo, &r->redo_cap, ix))
      return;
  for (uint32_t i = 0; i < r->nredo && r->st == GESSO_OK; i++)
    r->changed |= redo(r, r->to_redo[i]);
  if (r->st != GESSO_OK)
    return;
  /* Children before what they are in, so that the filter sees them there. */
  for (uint32_t i = r->ndelete; i-- > 0;)
    if (filter_lets_go(r, r->to_delete[i])) {
      gs_item_delete(doc, r->to_delete[i]);
      r->changed = true;
    }
}

static gesso_status pop(gesso_undo *u, gesso_undo_stack which, int *changed_out)
{
  if (changed_out != NULL)
    *changed_out = 0;
  gesso_doc *doc = u->doc;
  if (doc == NULL)
    return GESSO_E_CLOSED;
  gs_stack *stack = &u->stacks[which];
  bool *running = which == GESSO_UNDO ? &u->undoing : &u->redoing;
  gs_stack_item item = { 0 };
  bool changed = false;
  gesso_status st = gesso_doc_begin_with(doc, gesso_undo_origin(u));
  if (st != GESSO_OK)
    return st;
  doc->txn.local = true;
  *running = true;
  u->wants_popped = true;
  gs_undo_popped outer = u->popped;
  u->popped = (gs_undo_popped){ 0 };
  while (stack->n > 0 && !changed && st == GESSO_OK) {
    item = stack->v[--stack->n];
    replay r = { .u = u, .doc = doc, .item = &item };
    play(&r);
    gs_free(doc->alloc, r.to_delete, r.delete_cap * sizeof(gs_ix));
    gs_free(doc->alloc, r.to_redo, r.redo_cap * sizeof(gs_ix));
    gs_free(doc->alloc, r.chain, r.chain_cap * sizeof(gs_ix));
    st = r.st;
    changed = st == GESSO_OK && r.changed;
    if (st != GESSO_OK)
      stack->v[stack->n++] = item; /* its place is still there */
    else if (!changed)
      gs_stack_item_finish(u, doc, &item);
  }
  u->popping++; /* an observer of the document may destroy the manager */
  gesso_status ended = gesso_doc_commit(doc, NULL);
  *running = false;
  u->wants_popped = false;
  if (changed) {
    gs_undo_tell(u, (gesso_undo_event){ .event = GESSO_UNDO_POPPED, .stack = which, .origin = gesso_undo_origin(u),
                                        .changed = u->popped.types, .nchanged = u->popped.n },
                 &item);
    gs_stack_item_finish(u, doc, &item);
    if (changed_out != NULL)
      *changed_out = 1;
  }
  gs_free(doc->alloc, u->popped.types, u->popped.cap * sizeof *u->popped.types);
  u->popped = outer;
  u->popping--;
  if (u->ended)
    gs_undo_free(u);
  return st != GESSO_OK ? st : ended;
}

gesso_status gesso_undo_undo(gesso_undo *undo, int *changed_out)
{
  return pop(undo, GESSO_UNDO, changed_out);
}

gesso_status gesso_undo_redo(gesso_undo *undo, int *changed_out)
{
  return pop(undo, GESSO_REDO, changed_out);
}
