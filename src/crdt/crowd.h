/* Crowds: an index over conflicting siblings, the items of one chain that were put behind the same element.
 *
 * Of a new item that YATA (integrate.c) would walk past thousands of siblings to place, the place follows from these:
 * its siblings in the order of the chain, which of them have lower client ids, and which have its right origin. So
 * once walks were long a crowd is made of the siblings there: a tree of them in their order, each with the lowest
 * client id below it, and a tree of them by right origin and client.
 *
 * As long as nobody lies about what he saw, everything that hangs off a sibling follows it without a gap. An item that
 * names a right origin inside of what hangs off a sibling may tear that apart; then most places are still known, and
 * the others are looked for as before. gs_crowd_place says which it is.
 *
 * Siblings are named by id: they may be cut, and merged into the element before them, and come back. A crowd is only
 * kept to save time: when memory is short it is dropped, and none is made as long as those before saved less than they
 * cost (doc->crowd_wasted). */
#ifndef GS_CRDT_CROWD_H
#define GS_CRDT_CROWD_H

#include "crdt/doc_impl.h"

typedef struct gs_sibling {
  gs_id id, right_origin;
  uint64_t client;  /* client id */
  uint64_t min;     /* lowest client id of it and those below it in the order */
  uint32_t up, left, right; /* in the order of the chain */
  uint32_t less, more;      /* by right origin and client */
  uint32_t prio;
} gs_sibling;

/* What an item hangs off, by the id of its first element. */
typedef struct gs_crowd_memo {
  gs_id id;
  uint32_t top; /* index of a sibling; GS_OUTSIDE: none. 0: a free place */
} gs_crowd_memo;

#define GS_OUTSIDE UINT32_MAX

typedef struct gs_crowd {
  uint32_t slot;
  gs_id origin; /* the element; client 0: the front of the chain */
  bool torn;
  gs_sibling *v; /* v[0] is unused */
  uint32_t n, cap, root, by_right;
  gs_crowd_memo *memo;
  uint32_t nmemo, memo_cap;
} gs_crowd;

/* Steps of a walk that make it long: doc->crowd_min. */
#define GS_CROWD_MIN 64

gs_crowd *gs_crowd_find(gesso_doc *doc, uint32_t slot, gs_id origin);
/* Makes a crowd of what stands in the slot behind `left` (0: of all of it), which ends with the origin. */
void gs_crowd_make(gesso_doc *doc, uint32_t slot, gs_id origin, gs_ix left);
/* Where an item that is not linked yet goes between left and right, its neighbours when it was made: *left_out, and the
 * sibling before it, *near_out (0: none); and whether right hangs off a sibling and the walk would get there. False: this
 * crowd cannot tell. */
bool gs_crowd_place(gesso_doc *doc, gs_crowd *c, const gs_item *self, gs_ix left, gs_ix right, gs_ix *left_out,
                    uint32_t *near_out, bool *inside_out);
/* The index here of a sibling. 0: it is none, as far as is known. */
uint32_t gs_crowd_sibling(const gesso_doc *doc, const gs_crowd *c, const gs_item *it);
/* Adds an item that was just linked, behind its sibling `near` (0: before all). May drop the crowd. */
void gs_crowd_add(gesso_doc *doc, gs_crowd *c, const gs_item *self, uint32_t near);
/* An item with that origin was put into the middle of what hangs off one of its siblings. May drop crowds. */
void gs_crowd_tear(gesso_doc *doc, uint32_t slot, gs_id origin);
void gs_crowds_drop(gesso_doc *doc, uint32_t slot);
void gs_crowds_finish(gesso_doc *doc);

/* I11. NULL, or what is wrong. */
const char *gs_crowds_check(const gesso_doc *doc);

#endif
