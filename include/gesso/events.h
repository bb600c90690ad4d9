/* gesso/events.h: being told what changed.
 *
 * Callbacks run at the end of a transaction, when the document is whole again: they may read and edit it,
 * subscribe and unsubscribe (a subscription may end itself). What they edit is a transaction of its own, and its
 * callbacks run after those of the transaction that is being reported, in order. A subscription that ended is not
 * called any more; one that was made by a callback hears of the next transaction first, one that was made inside a
 * transaction hears of all of it. A callback must not give back the last reference to the document.
 *
 * What an event points to was read before garbage collection, belongs to the event and ends with the call. It tells
 * of its own transaction only, also when another callback has edited the document since.
 *
 * Order, as in Yjs: observers of types in the order in which the types changed first, deep observers, transaction
 * observers, update observers of version 1, then 2, subdocument observers. The delta, keys and paths are those of
 * Yjs 13 (YEvent.delta, .changes.keys, .path). Reading them changes nothing. Redundant formats are cleaned up after
 * remote changes in a local transaction of its own without origin, as in Yjs.
 *
 * A document without observers pays nothing for them. If memory runs out while events are gathered, the
 * transaction stands, gesso_doc_commit (or the edit) answers NOMEM, and the callbacks that could not be
 * prepared are not called. The same with LIMIT where the paths of all events together are longer than a million
 * steps and 64 for each: types that are nested thousands deep and all change at once. gesso_doc_apply_v1 and _v2
 * answer OK all the same, for the update is in. */
#ifndef GESSO_EVENTS_H
#define GESSO_EVENTS_H

#include "gesso/value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Names a subscription of one document; never 0. */
typedef uint64_t gesso_subscription;

/* Ends a subscription. Unknown ones are ignored. */
GESSO_API void gesso_doc_unobserve(gesso_doc *doc, gesso_subscription subscription);

/* A step on the way from one type to another inside it. */
typedef struct gesso_path_step {
  int is_key;       /* 1: key, a key of a map or attribute; 0: index, of an array, fragment or text */
  gesso_bytes key;
  uint64_t index;
} gesso_path_step;

typedef enum gesso_key_action {
  GESSO_KEY_ADD = 4, /* the numbers are those of libyrs */
  GESSO_KEY_REMOVE = 5,
  GESSO_KEY_UPDATE = 6
} gesso_key_action;

typedef struct gesso_key_change {
  gesso_bytes key;
  gesso_key_action action;
  const gesso_value *old_value; /* NULL for ADD. A type that was deleted reads as empty. */
  const gesso_value *new_value; /* NULL for REMOVE */
} gesso_key_change;

typedef struct gesso_event {
  gesso_type target;    /* the type that changed */
  gesso_type_kind kind;
  gesso_type observed;  /* the type that the subscription is on */
  int local;            /* an edit of this document was part of the transaction */
  gesso_bytes origin;   /* of the transaction; {NULL, 0}: none */
  const gesso_path_step *path; /* from observed to target */
  size_t path_length;
  const gesso_change *delta; /* changes of the sequence; may be empty though it was edited, when nothing came of it */
  size_t delta_length;
  const gesso_key_change *keys; /* changes of keys: maps, XML attributes; those that came to nothing are left out */
  size_t keys_length;
} gesso_event;

/* `type` changed: itself, not what is inside it. */
typedef void (*gesso_event_fn)(void *ctx, gesso_doc *doc, const gesso_event *event);
/* USAGE: no such type. DELETED. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_type_observe(gesso_doc *doc, gesso_type type, gesso_event_fn fn,
                                                         void *ctx, gesso_subscription *out);

/* `type` or anything inside it changed: all events of the transaction, shortest path first. */
typedef void (*gesso_deep_fn)(void *ctx, gesso_doc *doc, const gesso_event *events, size_t count);
GESSO_API GESSO_MUST_USE gesso_status gesso_type_observe_deep(gesso_doc *doc, gesso_type type, gesso_deep_fn fn,
                                                              void *ctx, gesso_subscription *out);

/* The update of a transaction that changed something, borrowed for the call. `version` 1 or 2 chooses
 * its encoding; anything else is USAGE. An empty update says that one could not be built for lack of memory (or, in v2,
 * has a clock or id that v2 cannot hold): only the document itself has what is missing. */
typedef void (*gesso_update_fn)(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local);
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_observe_update(gesso_doc *doc, int version, gesso_update_fn fn,
                                                               void *ctx, gesso_subscription *out);

typedef struct gesso_clock {
  uint64_t client;
  uint64_t clock;
} gesso_clock;

typedef struct gesso_clock_range {
  uint64_t client;
  uint64_t clock, end; /* half open */
} gesso_clock_range;

typedef struct gesso_transaction {
  int local;
  gesso_bytes origin;
  const gesso_clock *before; /* state vectors, clients in ascending order */
  size_t nbefore;
  const gesso_clock *after;
  size_t nafter;
  const gesso_clock_range *deleted; /* what the transaction deleted: by client and clock, maximal */
  size_t ndeleted;
} gesso_transaction;

/* A transaction ended, also one that changed nothing (Yjs: afterTransaction). NOMEM from this and from the others
 * below. */
typedef void (*gesso_transaction_fn)(void *ctx, gesso_doc *doc, const gesso_transaction *transaction);
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_observe_transaction(gesso_doc *doc, gesso_transaction_fn fn,
                                                                    void *ctx, gesso_subscription *out);

/* Subdocuments that were added, removed, or are to be loaded (Yjs: subdocs). Borrowed for the call;
 * gesso_doc_retain keeps one. */
typedef struct gesso_subdocs {
  gesso_doc *const *added;
  size_t nadded;
  gesso_doc *const *removed;
  size_t nremoved;
  gesso_doc *const *loaded;
  size_t nloaded;
} gesso_subdocs;

typedef void (*gesso_subdocs_fn)(void *ctx, gesso_doc *doc, const gesso_subdocs *subdocs);
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_observe_subdocs(gesso_doc *doc, gesso_subdocs_fn fn, void *ctx,
                                                                gesso_subscription *out);

/* The document is about to be destroyed: its last reference was given back. */
typedef void (*gesso_destroy_fn)(void *ctx, gesso_doc *doc);
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_observe_destroy(gesso_doc *doc, gesso_destroy_fn fn, void *ctx,
                                                                gesso_subscription *out);

#ifdef __cplusplus
}
#endif
#endif
