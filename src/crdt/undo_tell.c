/* The observers of undo managers.
 *
 * Recording happens in the midst of a transaction's end, where nobody else's code may run. What there is to
 * tell is noted, and told by a transaction observer, which runs when the document is whole again: once for
 * each transaction, in the same order. A manager without observers has none. */
#include "crdt/undo.h"

void gs_undo_tell(gesso_undo *u, gesso_undo_event event, gs_stack_item *item)
{
  /* The stacks may move while observers run: the metadata is lent, and put back by name. */
  uint64_t serial = item != NULL ? item->serial : 0;
  void *meta = item != NULL ? item->meta : NULL, *was = meta;
  bool popped = event.event == GESSO_UNDO_POPPED;
  event.meta = event.event != GESSO_UNDO_CLEARED ? &meta : NULL;
  u->telling++;
  for (uint32_t i = 0, n = u->nsubs; i < n && i < u->nsubs; i++)
    if (u->subs[i].fn != NULL && (u->subs[i].events & (unsigned)event.event) != 0)
      u->subs[i].fn(u->subs[i].ctx, u, &event);
  u->telling--;
  if (u->telling == 0) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < u->nsubs; i++)
      if (u->subs[i].fn != NULL)
        u->subs[n++] = u->subs[i];
    u->nsubs = n;
  }
  if (!popped)
    item = serial != 0 ? gs_undo_find_item(u, serial) : NULL;
  if (item != NULL)
    item->meta = meta;
  else if (meta != was && meta != NULL && u->o.free_meta != NULL)
    u->o.free_meta(u->o.ctx, meta);
}

static void note_free(gesso_undo *u, gs_undo_note *note)
{
  gs_free(u->doc->alloc, note, note->bytes);
}

static void tell_first(gesso_undo *u)
{
  gs_undo_note *note = u->notes;
  u->notes = note->next;
  if (u->notes == NULL)
    u->notes_end = &u->notes;
  gs_stack_item *item = gs_undo_find_item(u, note->item);
  if (item != NULL || note->event.event == GESSO_UNDO_CLEARED)
    gs_undo_tell(u, note->event, item);
  note_free(u, note);
}

/* The transaction observer. */
static void tell_notes(void *ctx, gesso_doc *doc, const gesso_transaction *transaction)
{
  (void)doc;
  (void)transaction;
  gesso_undo *u = ctx;
  u->told++;
  while (u->notes != NULL && u->notes->turn <= u->told)
    tell_first(u);
}

void gs_undo_turn(gesso_undo *u)
{
  /* With no observers at work those of all earlier transactions have run, or could not. */
  const gs_observers *o = u->doc->observers;
  if (!o->delivering && o->queue == NULL)
    u->told = u->turns;
  u->turns++;
}

bool gs_undo_note_event(gesso_undo *u, gesso_undo_event event, uint64_t item)
{
  unsigned wanted = 0;
  for (uint32_t i = 0; i < u->nsubs; i++)
    wanted |= u->subs[i].fn != NULL ? u->subs[i].events : 0;
  if ((wanted & (unsigned)event.event) == 0)
    return true;
  size_t types = event.nchanged * sizeof *event.changed, bytes = sizeof(gs_undo_note) + types + event.origin.len;
  gs_undo_note *note = bytes <= UINT32_MAX ? gs_alloc(u->doc->alloc, bytes) : NULL;
  if (note == NULL)
    return false;
  *note = (gs_undo_note){ .turn = u->turns, .item = item, .event = event, .bytes = (uint32_t)bytes };
  gesso_type *changed = (gesso_type *)(note + 1);
  uint8_t *origin = (uint8_t *)changed + types;
  if (types > 0)
    memcpy(changed, event.changed, types);
  if (event.origin.len > 0)
    memcpy(origin, event.origin.data, event.origin.len);
  note->event.changed = changed;
  note->event.origin = (gesso_bytes){ event.origin.len > 0 ? origin : NULL, event.origin.len };
  *u->notes_end = note;
  u->notes_end = &note->next;
  return true;
}

void gs_undo_notes_drop(gesso_undo *u)
{
  while (u->notes != NULL) {
    gs_undo_note *next = u->notes->next;
    note_free(u, u->notes);
    u->notes = next;
  }
  u->notes_end = &u->notes;
}

gesso_status gesso_undo_observe(gesso_undo *undo, unsigned events, gesso_undo_fn fn, void *ctx, uint64_t *out)
{
  *out = 0;
  gesso_doc *doc = undo->doc;
  if (doc == NULL)
    return GESSO_E_CLOSED;
  if (!gs_grow(doc->alloc, &undo->subs, &undo->subs_cap, (size_t)undo->nsubs + 1, sizeof *undo->subs))
    return GESSO_E_NOMEM;
  if (undo->transaction_sub == 0) {
    gesso_status st = gesso_doc_observe_transaction(doc, tell_notes, undo, &undo->transaction_sub);
    if (st != GESSO_OK)
      return st;
  }
  undo->subs[undo->nsubs++] = (gs_undo_sub){ .id = *out = ++undo->sub_ids, .events = events, .fn = fn, .ctx = ctx };
  return GESSO_OK;
}

void gesso_undo_unobserve(gesso_undo *undo, uint64_t subscription)
{
  uint32_t live = 0;
  for (uint32_t i = 0; i < undo->nsubs; i++) {
    if (undo->subs[i].id == subscription)
      undo->subs[i].fn = NULL;
    live += undo->subs[i].fn != NULL;
  }
  if (undo->telling == 0) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < undo->nsubs; i++)
      if (undo->subs[i].fn != NULL)
        undo->subs[n++] = undo->subs[i];
    undo->nsubs = n;
  }
  if (live == 0 && undo->doc != NULL) {
    gesso_doc_unobserve(undo->doc, undo->transaction_sub);
    undo->transaction_sub = 0;
    if (undo->telling == 0)
      gs_undo_notes_drop(undo);
  }
}
