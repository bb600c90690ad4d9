/* Walking through types as they are, or as they were at a snapshot. */
#include "crdt/read.h"
#include "crdt/snapshot.h"

static void look_up(gs_view *v, const gesso_doc *doc, uint32_t client)
{
  const gesso_snapshot *s = v->snap;
  uint64_t id = doc->clients[client].id;
  v->client = client;
  v->state = gs_snapshot_clock(s, id);
  uint32_t bound[2];
  for (int i = 0; i < 2; i++) {
    /* The first range of a client below id, or of id itself. */
    uint32_t lo = 0, hi = s->ndeletes;
    while (lo < hi) {
      uint32_t mid = lo + (hi - lo) / 2;
      if (s->deletes[mid].client > id || (i == 1 && s->deletes[mid].client == id))
        lo = mid + 1;
      else
        hi = mid;
    }
    bound[i] = lo;
  }
  v->first = bound[0];
  v->end = bound[1];
}

static uint64_t state_of(gs_view *v, const gesso_doc *doc, uint32_t client)
{
  if (v->client != client)
    look_up(v, doc, client);
  return v->state;
}

bool gs_view_shows(gs_view *v, const gesso_doc *doc, uint32_t client, uint32_t clock, uint32_t *until)
{
  *until = UINT32_MAX;
  if (clock >= state_of(v, doc, client))
    return false;
  uint64_t next = v->state;
  bool there = true;
  /* The first range that ends behind the clock. */
  uint32_t lo = v->first, hi = v->end;
  while (lo < hi) {
    uint32_t mid = lo + (hi - lo) / 2;
    if (v->snap->deletes[mid].end <= clock)
      lo = mid + 1;
    else
      hi = mid;
  }
  if (lo < v->end) {
    const gs_snap_range *r = &v->snap->deletes[lo];
    there = r->clock > clock;
    next = GS_MIN(next, there ? r->clock : r->end);
  }
  *until = (uint32_t)GS_MIN(next, UINT32_MAX);
  return there;
}

/* The first part at or after element `from` of that item or of those to its right. */
static gs_piece piece_from(const gesso_doc *doc, gs_view *view, gs_ix ix, uint32_t from)
{
  for (; ix != 0; ix = doc->items[ix].right, from = 0) {
    const gs_item *it = &doc->items[ix];
    if (view == NULL) {
      if (from == 0 && !gs_is_deleted(it))
        return (gs_piece){ ix, 0, it->len };
      continue;
    }
    while (from < it->len) {
      uint32_t until;
      bool there = gs_view_shows(view, doc, gs_client_of(it), it->clock + from, &until);
      uint32_t end = GS_MIN(it->len, until - it->clock);
      if (there)
        return (gs_piece){ ix, from, end };
      from = end;
    }
  }
  return (gs_piece){ 0, 0, 0 };
}

gs_piece gs_piece_first(const gesso_doc *doc, gs_view *view, uint32_t type)
{
  return piece_from(doc, view, gs_first(doc, type), 0);
}

gs_piece gs_piece_next(const gesso_doc *doc, gs_view *view, gs_piece p)
{
  return piece_from(doc, view, p.ix, p.end);
}

gs_piece gs_piece_of_slot(const gesso_doc *doc, gs_view *view, uint32_t slot)
{
  gs_ix ix = doc->slots[slot].tail;
  if (view == NULL) {
    const gs_item *it = &doc->items[ix];
    return ix == 0 || gs_is_deleted(it) ? (gs_piece){ 0, 0, 0 } : (gs_piece){ ix, it->len - 1, it->len };
  }
  /* The last element that was known then is the value, or was deleted; there is no older one to fall back on. */
  for (; ix != 0; ix = doc->items[ix].left) {
    const gs_item *it = &doc->items[ix];
    uint64_t state = state_of(view, doc, gs_client_of(it));
    if (state <= it->clock)
      continue;
    uint32_t at = (uint32_t)GS_MIN(state - it->clock, it->len) - 1, until;
    if (!gs_view_shows(view, doc, gs_client_of(it), it->clock + at, &until))
      break;
    return (gs_piece){ ix, at, at + 1 };
  }
  return (gs_piece){ 0, 0, 0 };
}
