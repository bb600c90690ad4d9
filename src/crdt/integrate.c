/* YATA: where a new item goes among items that were inserted concurrently at the same place. */
#include "crdt/content.h"
#include "crdt/crowd.h"
#include "crdt/integrate.h"

/* Where does `self` go?
 *
 *     left (its origin) | b b b b | self? | c/b  c/b | right
 *
 * Walk o from left's right neighbour towards right. BEFORE marks every o seen so far; RIVAL marks those
 * that self is still undecided against (a subset).
 *
 *   case 1  o.origin == self.origin: both were put after the same element. The lower client id goes
 *           left. If o is higher and has the same right_origin too: self is left of o, stop.
 *   case 2  o.origin is marked BEFORE: o hangs off something that is left of self. If that is not a
 *           RIVAL, it is already settled left of self, and so is o.
 *   else    o belongs to something left of origin: nothing further concerns self. Stop.
 *
 * The marks stand in the items, so the scan allocates nothing; they are wiped at the end. What it found out besides
 * the place is for crowds (crowd.h). */
typedef struct scan {
  uint32_t steps;
  gs_ix near;  /* the last sibling before the place; 0: none */
  bool inside; /* right hangs off a sibling */
} scan;

/* What has the origin of an item that has one: mostly what is before it. */
static const gs_item *origin_of(const gesso_doc *doc, const gs_item *it)
{
  if (it->left != 0 && it->left != GS_PACKED && gs_id_eq(it->origin, gs_last_id(&doc->items[it->left])))
    return &doc->items[it->left];
  return &doc->items[gs_struct_of(doc, it->origin)];
}

static gs_ix settle(gesso_doc *doc, const gs_item *self, gs_ix left, gs_ix right, gs_ix first, scan *found)
{
  uint64_t self_client = doc->clients[gs_client_of(self)].id;
  gs_ix o = first, rivals = first, sibling = 0;
  while (o != 0 && o != right) {
    gs_item *it = &doc->items[o];
    found->steps++;
    it->head |= GS_ITEM_BEFORE | GS_ITEM_RIVAL;
    bool settled = false;
    if (gs_id_eq(self->origin, it->origin)) {
      sibling = o;
      if (doc->clients[gs_client_of(it)].id < self_client)
        settled = true;
      else if (gs_id_eq(self->right_origin, it->right_origin))
        break;
    } else if (it->origin.client != 0) {
      const gs_item *base = origin_of(doc, it);
      if ((base->head & GS_ITEM_BEFORE) == 0)
        break;
      settled = (base->head & GS_ITEM_RIVAL) == 0;
    } else {
      break;
    }
    if (settled) {
      left = o;
      found->near = sibling;
      for (gs_ix r = rivals;; r = doc->items[r].right) {
        doc->items[r].head &= ~(uint32_t)GS_ITEM_RIVAL;
        if (r == o)
          break;
      }
      rivals = it->right;
    }
    o = it->right;
  }
  if (o != 0 && o == right && !gs_id_eq(self->origin, doc->items[o].origin) && doc->items[o].origin.client != 0)
    found->inside = (origin_of(doc, &doc->items[o])->head & GS_ITEM_BEFORE) != 0;
  for (gs_ix i = first; i != 0; i = doc->items[i].right) {
    doc->items[i].head &= ~(uint32_t)(GS_ITEM_BEFORE | GS_ITEM_RIVAL);
    if (i == o)
      break;
  }
  return left;
}

/* The left neighbour of an item that is put between left and right, where others are already. */
static gs_ix find_place(gesso_doc *doc, const gs_item *it, uint32_t slot, gs_ix left, gs_ix right, gs_crowd *crowd,
                        uint32_t *near_out, uint32_t *steps_out)
{
  gs_ix first = left != 0 ? doc->items[left].right : doc->slots[slot].head, place;
  scan found = { 0 };
  if (first == 0)
    return left;
  if (crowd == NULL || !gs_crowd_place(doc, crowd, it, left, right, &place, near_out, &found.inside)) {
    found.inside = false;
    place = settle(doc, it, left, right, first, &found);
    *near_out = crowd != NULL && found.near != 0 ? gs_crowd_sibling(doc, crowd, &doc->items[found.near]) : 0;
    *steps_out = found.steps;
    if (crowd != NULL && found.near != 0 && *near_out == 0)
      gs_crowds_drop(doc, slot);
  } else {
    doc->crowd_wasted -= GS_MIN(doc->crowd_wasted, crowd->n);
  }
  if (found.inside && doc->ncrowds > 0 && place != left && place == doc->items[right].left)
    gs_crowd_tear(doc, slot, it->origin);
  return place;
}

/* A slot that has something in runs has no crowds, since their order is not to be followed there. Nor has one where
 * left does not end with the origin: the right origin is in the same piece, and cut it again. */
static gs_crowd *crowd_at(gesso_doc *doc, uint32_t slot, gs_id origin, gs_ix left)
{
  if (doc->ncrowds == 0)
    return NULL;
  if (gs_slot_run(doc, slot) != 0 || (left != 0 && !gs_id_eq(gs_last_id(&doc->items[left]), origin)))
    gs_crowds_drop(doc, slot);
  return gs_crowd_find(doc, slot, origin);
}

/* To make one the whole chain is followed, and it may come to nothing: walks must have cost as much as that, and as what
 * earlier ones cost that were dropped before they were of use. A peer can have them dropped as often as he likes. */
static bool crowd_pays(gesso_doc *doc, uint32_t steps)
{
  if (steps < doc->crowd_min)
    return false;
  doc->crowd_walked += steps;
  if (doc->crowd_walked * GS_CROWD_MIN < (doc->nitems + doc->crowd_wasted) * doc->crowd_min)
    return false;
  doc->crowd_walked = 0;
  return true;
}

void gs_integrate(gesso_doc *doc, gs_ix ix, uint32_t slot_ix, gs_ix left, gs_ix right)
{
  gs_item *it = &doc->items[ix];
  bool conflict = left == 0 ? right == 0 || doc->items[right].left != 0 : doc->items[left].right != right;
  uint32_t near = 0, steps = 0;
  gs_ix from = left;
  if (conflict)
    left = find_place(doc, it, slot_ix, left, right, crowd_at(doc, slot_ix, it->origin, left), &near, &steps);
  gs_integrate_behind(doc, ix, slot_ix, left);
  gs_crowd *crowd = crowd_at(doc, slot_ix, it->origin, from);
  if (crowd != NULL)
    gs_crowd_add(doc, crowd, it, near);
  else if (crowd_pays(doc, steps))
    gs_crowd_make(doc, slot_ix, it->origin, from);
}

void gs_integrate_gc(gesso_doc *doc, gs_ix ix, uint32_t client, uint32_t len)
{
  doc->items[ix] = (gs_item){ .head = client << GS_CLIENT_SHIFT | GS_ITEM_DELETED | GS_GC,
                              .clock = doc->clients[client].clock,
                              .len = len };
  doc->ndeleted++;
  doc->deleted_known = false;
  gs_structs_append_reserved(doc, client, ix);
}
