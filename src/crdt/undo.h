/* The insides of a gesso_undo (Yjs: UndoManager, StackItem).
 *
 * undo.c       scope, origins, and recording: an end hook (observe.h) that runs before garbage collection
 * undo_redo.c  undo and redo: what comes back, where
 * undo_tell.c  observers
 * undo_set.c   the sets of clocks that stack items are made of
 *
 * Besides the stacks a manager leaves two things in the document: GS_ITEM_KEEP on deleted items (and on what
 * they are in) that may come back, and doc->redone, the id of what brought an item back. */
#ifndef GS_CRDT_UNDO_H
#define GS_CRDT_UNDO_H

#include "crdt/observe.h"
#include "gesso/undo.h"

/* --- undo_set.c --- */

typedef struct gs_idgroup {
  uint32_t client, first, n; /* v[first] .. v[first + n - 1] */
} gs_idgroup;

/* Clocks by client (Yjs: DeleteSet). The groups stand in the order in which Yjs would have come to know the
 * clients: it is the order in which undo works, and decides which ids its items get. */
typedef struct gs_idset {
  gs_range *v; /* each group sorted, maximal */
  uint32_t n, cap;
  gs_idgroup *g;
  uint32_t *by; /* the groups by client index */
  uint32_t ng, g_cap;
} gs_idset;

/* What the transaction inserted, and what it deleted. False: memory is short; *out is empty then. */
GESSO_MUST_USE bool gs_idset_inserted(gesso_doc *doc, const gs_txn_view *txn, gs_idset *out);
GESSO_MUST_USE bool gs_idset_deleted(gesso_doc *doc, const gs_txn_view *txn, gs_idset *out);
/* Both together (Yjs: mergeDeleteSets). */
GESSO_MUST_USE bool gs_idset_union(gesso_doc *doc, const gs_idset *a, const gs_idset *b, gs_idset *out);
bool gs_idset_has(const gs_idset *s, gs_id id);
void gs_idset_finish(gesso_doc *doc, gs_idset *s);
/* I10. NULL, or what is wrong. */
const char *gs_idset_check(const gesso_doc *doc, const gs_idset *s);

/* --- the manager --- */

typedef struct gs_stack_item {
  gs_idset deletions, insertions;
  void *meta;
  uint64_t serial; /* names it */
} gs_stack_item;

typedef struct gs_stack {
  gs_stack_item *v; /* the oldest first */
  uint32_t n, cap;
} gs_stack;

typedef struct gs_undo_sub {
  uint64_t id;
  unsigned events;
  gesso_undo_fn fn; /* NULL: ended while observers were being told */
  void *ctx;
} gs_undo_sub;

/* An event that waits for the observers of its transaction to be told. */
typedef struct gs_undo_note {
  struct gs_undo_note *next;
  uint64_t turn;      /* of the transaction, see gesso_undo.turns */
  uint64_t item;      /* serial */
  gesso_undo_event event;
  uint32_t bytes;     /* of this note with what the event points to */
} gs_undo_note;

/* What the transaction of the running undo or redo changed. One that a callback calls has its own. */
typedef struct gs_undo_popped {
  uint32_t *types;
  uint32_t n, cap;
} gs_undo_popped;

struct gesso_undo {
  gesso_doc *doc; /* NULL: it was destroyed */
  const gesso_allocator *alloc; /* the manager's own; everything in it comes from the document's */
  gesso_undo *next; /* of the same document */
  gesso_undo *self; /* these bytes are its origin */
  gesso_undo_options o;

  bool whole; /* the whole document is in scope */
  uint32_t *scope;
  uint32_t nscope, scope_cap;
  uint32_t asked; /* the type that gs_undo_in_scope was asked about last, and what it said */
  bool asked_in;
  bool no_origin; /* "none" is tracked */
  gesso_bytes *origins;
  uint32_t norigins, origins_cap;

  gs_stack stacks[2]; /* by gesso_undo_stack */
  uint64_t serials;
  bool undoing, redoing;
  uint32_t popping; /* calls of undo and redo that are on their way */
  bool ended;       /* by an observer meanwhile: the last of them frees it */
  bool capturing; /* last_ms counts (Yjs: lastChange > 0) */
  uint64_t last_ms;

  bool forbids_runs; /* it walks chains: runs.h */
  gesso_subscription end_sub, transaction_sub, destroy_sub;
  gs_undo_sub *subs;
  uint32_t nsubs, subs_cap, telling;
  uint64_t sub_ids;
  gs_undo_note *notes, **notes_end;
  uint64_t turns, told; /* transactions that ended; those whose observers were told */
  bool wants_popped;    /* the running undo or redo waits for its transaction's end */
  gs_undo_popped popped;
};

/* Whether the item is in something that the manager watches (Yjs: isParentOf). */
bool gs_undo_in_scope(gesso_undo *u, gs_ix ix);
/* Marks the item and all it is in as wanted or not (Yjs: keepItem). */
void gs_undo_keep(gesso_doc *doc, gs_ix ix, bool keep);
/* The struct that begins with id, or the gc range that holds it. 0: memory is short. */
gs_ix gs_undo_clean_start(gesso_doc *doc, gs_id id);
/* Steps through the structs of a set, cut to its ranges (Yjs: iterateDeletedStructs). */
typedef struct gs_idset_walk {
  const gs_idset *set;
  uint32_t group, range;
  uint32_t at; /* clocks of the range that were passed */
} gs_idset_walk;
/* The next struct; 0 at the end, or with *st NOMEM. */
gs_ix gs_idset_next(gesso_doc *doc, gs_idset_walk *w, gesso_status *st);

/* Takes the stack item's memory back; its meta was handed out before. */
void gs_stack_item_finish(gesso_undo *u, gesso_doc *doc, gs_stack_item *item);
gs_stack_item *gs_undo_find_item(gesso_undo *u, uint64_t serial);

/* Runs the empty transactions that Yjs makes when it clears redo stacks or destroys subdocuments, if anybody would
 * record them: a manager of a whole document does. */
void gs_undo_echo(gesso_doc *doc);

/* Frees the manager, which is detached, unless undo or redo still needs it. */
void gs_undo_free(gesso_undo *u);

/* --- undo_tell.c --- */

/* Calls the observers. `item` may have ended. */
void gs_undo_tell(gesso_undo *u, gesso_undo_event event, gs_stack_item *item);
/* Notes an event to be told when the observers of this transaction are. False: memory is short. */
GESSO_MUST_USE bool gs_undo_note_event(gesso_undo *u, gesso_undo_event event, uint64_t item);
/* A transaction is about to end. */
void gs_undo_turn(gesso_undo *u);
void gs_undo_notes_drop(gesso_undo *u);

/* I9, I10 for everything that undo left in a document. NULL, or what is wrong. */
const char *gs_undo_check(const gesso_doc *doc);

#endif
