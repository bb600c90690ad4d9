/* Who is told what changed, and the noting of what changed for them.
 *
 * A document without subscriptions has no gs_observers. With some, the end of a transaction goes like this:
 *
 *   gs_observe_changes   before formats are cleaned up and anything is collected: end hooks; the events of types
 *                        are read into a delivery
 *   gs_observe_result    after all that: state vectors and updates join the delivery
 *   gs_observe_queue, gs_observe_deliver   when the transaction is over: the callbacks run. Transactions that they
 *                        make queue their own deliveries behind
 *
 * When all there is is one subscription to v1 updates, as in most documents, there is no delivery: it is called straight
 * away (gs_observe_only_update).
 *
 * Cleaning up formats after remote changes is a transaction of its own, whose delivery is queued behind.
 *
 * Preparing may fail for lack of memory; the transaction stands all the same. */
#ifndef GS_CRDT_OBSERVE_H
#define GS_CRDT_OBSERVE_H

#include "base/arena.h"
#include "crdt/doc_impl.h"
#include "gesso/events.h"

/* --- End hooks, for the undo manager --- */

/* A transaction that is about to end. Nothing of what it deleted was collected yet. Clients that got
 * structs: touched[], each from gs_before(doc, client) to its clock; an item of our own may begin before and reach past
 * it, when text was typed on. */
typedef struct gs_txn_view {
  bool local;
  gesso_bytes origin;
  const uint32_t *touched;
  uint32_t ntouched;
  const gs_ranges *deleted; /* by client index and clock, maximal */
  const uint32_t *changed;  /* types that changed and everything they are in, each once (Yjs: changedParentTypes) */
  size_t nchanged;
} gs_txn_view;

/* Runs at the end of each transaction, in the order of subscription. May set GS_ITEM_KEEP, must not edit and must not
 * call anybody else's code: what the user is told goes with gesso_doc_observe_transaction, which follows
 * each call of a hook in the same order. What it returns, the commit answers. */
typedef gesso_status (*gs_end_fn)(void *ctx, gesso_doc *doc, const gs_txn_view *txn);
GESSO_MUST_USE gesso_status gs_observe_end(gesso_doc *doc, gs_end_fn fn, void *ctx, gesso_subscription *out);

/* --- Subdocuments: told by the code that makes and removes them, inside a transaction --- */

typedef enum gs_subdoc_change { GS_SUBDOC_ADDED, GS_SUBDOC_REMOVED, GS_SUBDOC_LOADED } gs_subdoc_change;

/* Notes it for the subdocument observers, if there are any. Keeps a reference until they were told. */
void gs_observe_subdoc(gesso_doc *doc, gs_subdoc_change change, gesso_doc *subdoc);
/* What was noted is about to be told, or never will be. */
void gs_observe_subdocs_noted(gesso_doc *doc);

/* --- Inside: subscriptions --- */

typedef enum gs_sub_kind {
  GS_SUB_FREE,
  GS_SUB_TYPE,
  GS_SUB_DEEP,
  GS_SUB_END,
  GS_SUB_TRANSACTION,
  GS_SUB_UPDATE_V1,
  GS_SUB_UPDATE_V2,
  GS_SUB_SUBDOCS,
  GS_SUB_DESTROY,
  GS_SUB_KINDS
} gs_sub_kind;

typedef struct gs_sub {
  gesso_subscription id; /* its place in subs[] in the lower half */
  gs_sub_kind kind;
  uint32_t type; /* TYPE, DEEP */
  uint32_t next; /* TYPE, DEEP: on the same type; otherwise of the same kind */
  union {
    gesso_event_fn type;
    gesso_deep_fn deep;
    gs_end_fn end;
    gesso_transaction_fn transaction;
    gesso_update_fn update;
    gesso_subdocs_fn subdocs;
    gesso_destroy_fn destroy;
  } fn;
  void *ctx;
} gs_sub;

/* A type that changed (key GS_NO_KEY; next: the last of its keys), or a key of it that did (0: the sequence; next: the
 * next key of that type, the first after the last), in the order in which they first changed. */
typedef struct gs_changed {
  uint32_t type, key, next;
} gs_changed;
#define GS_NO_KEY UINT32_MAX

typedef struct gs_doc_list {
  gesso_doc **v;
  uint32_t n, cap;
} gs_doc_list;

/* A callback that is due: nothing happens when the subscription has ended since. */
typedef struct gs_call {
  gesso_subscription sub;
  const gesso_event *events; /* TYPE, DEEP */
  size_t count;
} gs_call;

typedef struct gs_delivery {
  struct gs_delivery *next;
  gs_call *calls;
  uint32_t ncalls, calls_cap;
  gs_arena arena; /* holds the events */
  bool local;
  gesso_buffer origin;
  gesso_transaction transaction;
  gesso_buffer update[2]; /* v1, v2 */
  gs_doc_list subdocs[3];
} gs_delivery;

typedef struct gs_observers {
  gs_sub *subs; /* [0] is unused */
  uint32_t nsubs, subs_cap, free_sub, serial;
  uint32_t nlive;
  uint32_t first[GS_SUB_KINDS]; /* of each kind but TYPE and DEEP */
  uint32_t nwatch;              /* subscriptions that need to know which types changed */

  gs_changed *changed;
  uint32_t nchanged, changed_cap;
  uint32_t *hash; /* places in changed[] + 1 */
  uint32_t hash_cap;
  bool changed_lost; /* there was no memory to note one */

  gs_doc_list subdocs[3]; /* gs_subdoc_change */
  bool subdocs_lost;

  gs_delivery spare; /* saves the usual delivery an allocation */
  gesso_buffer room; /* and its update another one */
  bool spare_used, delivering;
  gs_delivery *queue, **queue_end;
} gs_observers;

/* The subscription, or NULL when it has ended. */
const gs_sub *gs_sub_find(const gesso_doc *doc, gesso_subscription id);

/* Notes a change. Only while doc->tracks. */
void gs_observe_changed(gesso_doc *doc, uint32_t type, uint32_t key);
bool gs_observe_has_changed(const gesso_doc *doc, uint32_t type, uint32_t key);
/* Forgets what changed. */
void gs_observe_forget(gesso_doc *doc);

/* See above. The deletions are normalised. NULL: nobody is to be told anything, or *st is NOMEM. */
gs_delivery *gs_observe_changes(gesso_doc *doc, gesso_status *st);
/* `update` is the v1 update of the transaction, empty when nothing changed, or latched its failure. It is left where it
 * is when update_out says that the caller wants it too. */
GESSO_MUST_USE gesso_status gs_observe_result(gesso_doc *doc, gs_delivery *d, gs_buf *update, gesso_buffer *update_out);
/* Adds a callback to a delivery. False when memory is short. */
GESSO_MUST_USE bool gs_call_later(gesso_doc *doc, gs_delivery *d, gesso_subscription sub, const gesso_event *events,
                                  size_t count);
/* Reads the events of types and adds their callbacks (gather.c). */
GESSO_MUST_USE gesso_status gs_gather_events(gesso_doc *doc, gs_delivery *d);
void gs_observe_queue(gesso_doc *doc, gs_delivery *d);
/* Runs what is queued, unless that is being done. */
void gs_observe_deliver(gesso_doc *doc);

/* Whether the only subscription is one to v1 updates and could be called now. Nothing is kept for it then:
 * gs_observe_call_only, when the transaction is over, takes the place of all of the above. */
static inline bool gs_observe_only_update(const gesso_doc *doc)
{
  const gs_observers *o = doc->observers;
  return o->nlive == 1 && o->first[GS_SUB_UPDATE_V1] != 0 && !o->delivering && o->queue == NULL &&
         doc->txn.origin.data == NULL;
}
/* `update`, which it takes, is empty when nothing changed, or latched why there is none. */
void gs_observe_call_only(gesso_doc *doc, gs_buf *update, bool local);
/* A buffer for the next v1 update, used by one after the other. */
void gs_observe_room(gesso_doc *doc, gs_buf *out);

static inline bool gs_observes(const gesso_doc *doc, gs_sub_kind kind)
{
  return doc->observers != NULL && doc->observers->first[kind] != 0;
}

/* Tells that the document goes, and frees everything. */
void gs_observers_destroy(gesso_doc *doc);

#endif
