/* The insides of a snapshot, and looking at a document through one.
 *
 *   snapshot v1 = delete set, state vector; each by falling client ids
 *   snapshot v2 = the same, but the clock of a range counts from the end of the one before it (of the same
 *                 client), and its length is one less */
#ifndef GS_CRDT_SNAPSHOT_H
#define GS_CRDT_SNAPSHOT_H

#include "crdt/doc_impl.h"
#include "gesso/snapshot.h"

/* Clients and clocks as on the wire: up to 2^53 - 1, whether the document knows them or not. */
typedef struct gs_snap_state {
  uint64_t client, clock;
} gs_snap_state;

typedef struct gs_snap_range {
  uint64_t client, clock, end;
} gs_snap_range;

struct gesso_snapshot {
  const gesso_allocator *alloc;
  gs_snap_state *states; /* by falling client */
  uint32_t nstates, states_cap;
  gs_snap_range *deletes; /* by falling client and rising clock; none touch */
  uint32_t ndeletes, deletes_cap;
};

/* What its state vector says of a client; 0 where it says nothing. */
uint64_t gs_snapshot_clock(const gesso_snapshot *s, uint64_t client);
/* Writes the delete set. */
void gs_write_snapshot_deletes(const gesso_snapshot *s, gs_buf *out, bool v2);

/* Looking through a snapshot, item after item: remembers what it says of the last client. */
typedef struct gs_view {
  const gesso_snapshot *snap;
  uint32_t client; /* 0: none yet */
  uint64_t state;
  uint32_t first, end; /* its deletes */
} gs_view;

static inline gs_view gs_view_of(const gesso_snapshot *snap)
{
  return (gs_view){ .snap = snap };
}

/* Whether the element was there. *until: where that may change, a clock past `clock` (Yjs would cut there). */
bool gs_view_shows(gs_view *v, const gesso_doc *doc, uint32_t client, uint32_t clock, uint32_t *until);

/* A part of an item that is there: elements from .. end - 1 of items[ix]. With a view: was there at the
 * snapshot; an item can have several such parts. Without one (NULL): is not deleted now. */
typedef struct gs_piece {
  gs_ix ix; /* 0: no more */
  uint32_t from, end;
} gs_piece;

/* The first one in a sequence, and the next. Formats count, too. */
gs_piece gs_piece_first(const gesso_doc *doc, gs_view *view, uint32_t type);
gs_piece gs_piece_next(const gesso_doc *doc, gs_view *view, gs_piece p);
/* The value of a map slot: one element, `from`. */
gs_piece gs_piece_of_slot(const gesso_doc *doc, gs_view *view, uint32_t slot);

#endif
