/* gesso/undo.h: undo and redo (Yjs: UndoManager).
 *
 * A gesso_undo watches one document and remembers what transactions of certain origins did to certain types.
 * Undo takes back the newest of that and leaves what others did in the meantime. Several managers may watch
 * one document.
 *
 * What was deleted and may come back is kept from garbage collection. What comes back is new content with new
 * ids, as other clients see it too; a shared type that comes back is a new type, with a new gesso_type. As in Yjs
 * a step that takes back part of a nested type which came back itself can take along the element behind it.
 *
 * Threads: those of the document. Ownership: the caller's; a manager that outlives its document has empty
 * stacks and answers CLOSED.
 *
 * If memory runs out while a transaction is being recorded, the transaction stands, gesso_doc_commit (or the
 * edit) answers NOMEM, and that transaction cannot be undone. */
#ifndef GESSO_UNDO_H
#define GESSO_UNDO_H

#include "gesso/value.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gesso_undo gesso_undo;

typedef enum gesso_undo_stack {
  GESSO_UNDO = 0, /* the numbers are those of libyrs */
  GESSO_REDO = 1
} gesso_undo_stack;

/* An item that undo or redo is about to delete. */
typedef struct gesso_undo_item {
  gesso_type parent;     /* the type it is in */
  gesso_bytes key;       /* its key there; {NULL, 0} in arrays, text and children of XML */
  gesso_type type;       /* the type that it holds, or 0 */
  uint64_t client;       /* its id */
  uint64_t clock;
  uint64_t length_utf16; /* of text; elements of anything else */
} gesso_undo_item;

typedef struct gesso_undo_options {
  size_t size; /* sizeof(gesso_undo_options): lets fields be added later */
  /* Transactions that follow the last one within that time are undone together with it.
   * 0: 500. Negative: never, each has a stack item of its own (Yjs captureTimeout: 0). */
  int64_t capture_timeout_ms;
  /* Milliseconds since any moment. NULL: the machine's monotonic clock. */
  uint64_t (*now_ms)(void *ctx);
  /* 0: that transaction is not recorded. NULL: all are. Runs in the middle of a commit, as now_ms and free_meta may:
   * none of them must change the document or call the manager. */
  int (*capture_transaction)(void *ctx, gesso_doc *doc, gesso_bytes origin, int local);
  /* 0: undo and redo leave that item where it is. NULL: none is left. Must not change the document. */
  int (*delete_filter)(void *ctx, gesso_doc *doc, const gesso_undo_item *item);
  /* Called for each metadata pointer that is not NULL when its stack item ends: it was popped, and its
   * observers have run; it was cleared; the manager or the document is destroyed. */
  void (*free_meta)(void *ctx, void *meta);
  void *ctx; /* of the four functions */
  /* Not 0: also takes back the value of a key that somebody else has set since. Otherwise theirs stays. */
  int ignore_remote_map_changes;
} gesso_undo_options;

/* A manager without scope. The origin "none" is tracked, and the manager's own. NULL options: all defaults.
 * NULL when memory is short. */
GESSO_API gesso_undo *gesso_undo_create(gesso_doc *doc, const gesso_undo_options *options);
/* NULL is fine. Not from one of its own callbacks. What it kept from garbage collection stays in the
 * document (clear it first to change that), as in Yjs. */
GESSO_API void gesso_undo_destroy(gesso_undo *undo);

/* Watches a type and what is inside it, or with type 0 the whole document. Again is fine.
 * USAGE: no such type. NOMEM, CLOSED. */
GESSO_API GESSO_MUST_USE gesso_status gesso_undo_add_scope(gesso_undo *undo, gesso_type type);

/* Transactions of that origin are recorded from now on, or no longer. {NULL, 0} stands for "no origin". The
 * own origin stays tracked. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_undo_add_origin(gesso_undo *undo, gesso_bytes origin);
GESSO_API void gesso_undo_remove_origin(gesso_undo *undo, gesso_bytes origin);
/* The origin of the transactions that this manager makes. Borrowed from it. */
GESSO_API gesso_bytes gesso_undo_origin(const gesso_undo *undo);

/* Takes back, or does again, the newest stack item that still makes a difference; those that make none are
 * dropped on the way. *changed_out (may be NULL) tells whether there was one.
 *
 * NOMEM, LIMIT: it stopped on the way. The document is whole, holds the part that was done, and has emitted
 * it; the stack item is still there, so that another call does the rest. *changed_out is 1 beside NOMEM
 * when it was done and popped, and only the update or the observers fell short. CLOSED. */
GESSO_API GESSO_MUST_USE gesso_status gesso_undo_undo(gesso_undo *undo, int *changed_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_undo_redo(gesso_undo *undo, int *changed_out);

GESSO_API int gesso_undo_can_undo(const gesso_undo *undo);
GESSO_API int gesso_undo_can_redo(const gesso_undo *undo);
/* How many items a stack has. */
GESSO_API size_t gesso_undo_depth(const gesso_undo *undo, gesso_undo_stack stack);

/* The next transaction begins a new stack item, however soon it comes. */
GESSO_API void gesso_undo_stop_capturing(gesso_undo *undo);

/* Empties the stacks asked for: what they kept may be collected. An item that two stacks or two managers
 * want is given up by the first of them that is cleared, as in Yjs. CLOSED; NOMEM as for any transaction. */
GESSO_API gesso_status gesso_undo_clear(gesso_undo *undo, int undo_stack, int redo_stack);

/* Where a stack item keeps what the caller wants to find again, such as a selection: NULL at first. `index`
 * counts from the oldest. NULL when there is no such item; valid until the stack changes. */
GESSO_API void **gesso_undo_meta(gesso_undo *undo, gesso_undo_stack stack, size_t index);

typedef enum gesso_undo_event_kind {
  GESSO_UNDO_ADDED = 1,   /* a new stack item (Yjs: stack-item-added) */
  GESSO_UNDO_UPDATED = 2, /* the newest stack item took one more transaction in (stack-item-updated) */
  GESSO_UNDO_POPPED = 4,  /* undo or redo has run (stack-item-popped) */
  GESSO_UNDO_CLEARED = 8  /* stacks were emptied (stack-cleared) */
} gesso_undo_event_kind;

typedef struct gesso_undo_event {
  gesso_undo_event_kind event;
  /* ADDED, UPDATED: the stack that the item is in. POPPED: UNDO for undo, REDO for redo. */
  gesso_undo_stack stack;
  void **meta;               /* the item's metadata, to read and to set; NULL for CLEARED */
  gesso_bytes origin;        /* of the transaction; {NULL, 0}: none */
  const gesso_type *changed; /* the types that the transaction changed, and all types that hold them */
  size_t nchanged;
  int undo_cleared, redo_cleared; /* CLEARED */
} gesso_undo_event;

/* Runs at the end of the transaction, after the observers of types. The event ends with the call. May
 * read and edit the document and the manager's settings. */
typedef void (*gesso_undo_fn)(void *ctx, gesso_undo *undo, const gesso_undo_event *event);

/* `events`: the kinds that are wanted, or'ed. *out names the subscription among those of this manager. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_undo_observe(gesso_undo *undo, unsigned events, gesso_undo_fn fn,
                                                         void *ctx, uint64_t *out);
/* Unknown ones are ignored. May be called from the callback itself. */
GESSO_API void gesso_undo_unobserve(gesso_undo *undo, uint64_t subscription);

#ifdef __cplusplus
}
#endif
#endif
