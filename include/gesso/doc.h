/* gesso/doc.h: a shared document, its updates and its state.
 *
 * A gesso_doc merges Yjs 13 updates (https://docs.yjs.dev; YATA, Nicolaescu et al. 2016). Bytes
 * that one Yjs document emits can be applied to a gesso_doc and the other way round.
 *
 * Threads: one thread at a time for each document; different documents are independent.
 * Ownership: what a call gives away is a gesso_buffer, freed with gesso_buffer_free. What it takes
 * is borrowed for the call only. */
#ifndef GESSO_DOC_H
#define GESSO_DOC_H

#include "gesso/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gesso_doc gesso_doc;

#define GESSO_DOC_NO_GC 1u       /* keep the content of what was deleted (Yjs gc: false) */
#define GESSO_DOC_AUTO_LOAD 2u   /* as a subdocument: to be loaded by everybody (Yjs autoLoad) */
#define GESSO_DOC_NO_LOAD 4u     /* as a subdocument: not to be loaded here yet (Yjs shouldLoad: false) */

typedef struct gesso_doc_options {
  size_t size;                  /* sizeof(gesso_doc_options): lets fields be added later */
  const gesso_allocator *alloc; /* NULL: malloc. Must outlive the document. */
  uint64_t client_id;           /* 1 .. 2^53-1; 0 picks 32 random bits, as Yjs does */
  size_t memory_max;            /* bytes; past this, apply and edits fail with GESSO_E_NOMEM. 0: no limit */
  uint32_t flags;               /* GESSO_DOC_* */
  uint32_t pending_structs_max; /* structs that wait for missing ones; 0: 1,000,000 */
  gesso_bytes guid;             /* copied; {NULL, 0}: a random UUID, made when it is first asked for */
  gesso_bytes collection_id;    /* copied; {NULL, 0}: none (Yjs collectionid) */
  gesso_bytes meta_json;        /* copied; {NULL, 0}: none (Yjs meta) */
} gesso_doc_options;

/* An empty document. NULL `options` means all defaults. NULL when memory is short, or when guid or collection_id is
 * no UTF-8 or meta_json no JSON. */
GESSO_API gesso_doc *gesso_doc_create(const gesso_doc_options *options);

/* Gives back a reference; the last one frees the document and everything in it. NULL is fine.
 * Subdocuments that somebody retained live on without their parent. */
GESSO_API void gesso_doc_destroy(gesso_doc *doc);
/* Takes one more reference, to be given back with gesso_doc_destroy. Returns `doc`. */
GESSO_API gesso_doc *gesso_doc_retain(gesso_doc *doc);

GESSO_API uint64_t gesso_doc_client_id(const gesso_doc *doc);

/* A pointer of the caller's that goes with the document: it is kept and given back, nothing else. NULL at first. */
GESSO_API void gesso_doc_set_data(gesso_doc *doc, void *data);
GESSO_API void *gesso_doc_data(const gesso_doc *doc);

/* --- Subdocuments. A document can be a value of another one: GESSO_VALUE_DOC puts it there, gesso/events.h tells of
 * those that come and go. The parent sends its guid, meta and the flags NO_GC and AUTO_LOAD; where they arrive,
 * an empty document of that guid is made when it is first looked at, and is the same one from then on. What is
 * inside it is synced by whoever calls gesso_doc_apply_v1 on it. It has its parent's client id.
 *
 * A parent holds a reference to its subdocuments. When one is removed, it gives that back at the end of the
 * transaction, after the callbacks; a subdocument that somebody retained lives on without a parent.
 *
 * Bytes are borrowed from the document. --- */
GESSO_API gesso_bytes gesso_doc_guid(gesso_doc *doc);
/* Its own, or that of the document around it. */
GESSO_API gesso_bytes gesso_doc_collection_id(const gesso_doc *doc);
GESSO_API gesso_bytes gesso_doc_meta_json(const gesso_doc *doc);
GESSO_API uint32_t gesso_doc_flags(const gesso_doc *doc); /* GESSO_DOC_*; NO_LOAD goes with gesso_doc_load */
/* The document that holds this one, or NULL. */
GESSO_API gesso_doc *gesso_doc_parent(const gesso_doc *doc);
/* Asks for a subdocument's content: the parent's subdocument observers are told it is to be loaded, unless it was
 * before. NOMEM: they were not. */
GESSO_API gesso_status gesso_doc_load(gesso_doc *doc);
/* All subdocuments that are in the document now, in no particular order, borrowed. Returns how many there are; at most
 * `max` of them are written. Those that there is no memory for are left out of both. Walks the whole document. */
GESSO_API size_t gesso_doc_subdocs(gesso_doc *doc, gesso_doc **out, size_t max);
/* Empties a subdocument here (Yjs: subdoc.destroy()): the parent keeps its place and gets a new, not loaded
 * document of the same guid, told as removed and added. USAGE: it has no parent, or its place was just deleted.
 * NOMEM: nothing happened, or all of it and the observers were not told. */
GESSO_API gesso_status gesso_doc_unload(gesso_doc *subdoc);

/* Integrates a v1 update from an untrusted peer: all of it or, on failure, none of it.
 * Structs and deletions whose dependencies are missing are kept pending, which is GESSO_OK: they
 * are applied by themselves once the missing ones arrive, and are part of gesso_doc_encode_v1.
 * Errors: TRUNCATED, CORRUPT, RANGE (the bytes are no update), LIMIT (a clock or length past 2^31,
 * more than GESSO_UPDATE_STRUCTS_MAX structs, too many pending ones, values nested too deep, memory
 * out of all proportion: see GESSO_UPDATE_STRUCTS_MAX), NOMEM.
 * `error_out` may be NULL. */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_apply_v1(gesso_doc *doc, gesso_bytes update,
                                                         gesso_error *error_out);

/* The same for an update in the v2 encoding. */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_apply_v2(gesso_doc *doc, gesso_bytes update,
                                                         gesso_error *error_out);

/* Groups edits and applied updates: between begin and commit nothing is garbage collected or
 * emitted. Nests: only the outermost commit ends the transaction. Every edit or apply outside a
 * transaction is one of its own. USAGE from commit without begin. */
GESSO_API void gesso_doc_begin(gesso_doc *doc);
/* The same with an origin, copied (any bytes: who or what makes these changes), which events and undo
 * managers get to see. Inside a running transaction the origin of the outer one stays. NOMEM: nothing was begun. */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_begin_with(gesso_doc *doc, gesso_bytes origin);

/* Ends the transaction. With `update_out` non-NULL and the outermost commit, *update_out receives
 * one v1 update of everything integrated since begin (new structs, and the deletions made in this
 * transaction and by the cleaning up of formats after it), or an empty buffer when nothing changed; what went pending is not in it.
 * NOMEM: the transaction has ended all the same, only the update could not be built, or not all of the
 * observers (gesso/events.h) were told. */
GESSO_API gesso_status gesso_doc_commit(gesso_doc *doc, gesso_buffer *update_out);

/* Gives up the content of everything that is deleted, also where GESSO_DOC_NO_GC kept it; what an undo manager
 * wants stays. Inside a transaction this happens when it ends. */
GESSO_API void gesso_doc_collect_garbage(gesso_doc *doc);

/* The document as one v1 update: what is missing from the peer whose encoded state vector is given
 * ({NULL, 0} or the byte 00: everything), the whole delete set, and the pending parts.
 * Errors: those of a malformed state vector; NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_encode_v1(gesso_doc *doc, gesso_bytes state_vector,
                                                          gesso_buffer *out, gesso_error *error_out);

/* The same in the v2 encoding. */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_encode_v2(gesso_doc *doc, gesso_bytes state_vector,
                                                          gesso_buffer *out, gesso_error *error_out);

/* The encoded state vector (y-protocols sync step 1). Pending structs do not count. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_state_vector(gesso_doc *doc, gesso_buffer *out);

/* Writes the state vector as JSON, {"<client id>": clock}, clients in ascending order. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_state_vector_json(gesso_doc *doc, gesso_buffer *out);

/* What is waiting for missing dependencies, as JSON:
 * {"structs": {"<client id>": [[clock, end], ...]}, "deletes": {"<client id>": [[clock, end], ...]}}
 * with half-open, sorted, maximal ranges, clients in ascending order. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_pending_json(gesso_doc *doc, gesso_buffer *out);

/* The structs that wait, as one v1 update without deletions (Yjs: store.pendingStructs.update); empty when none
 * wait. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_pending_update_v1(gesso_doc *doc, gesso_buffer *out);
/* What they wait for, in the form of an encoded state vector: client ids, and of each the lowest clock that some
 * struct wants to see integrated before it (Yjs: store.pendingStructs.missing). NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_pending_missing(gesso_doc *doc, gesso_buffer *out);

typedef struct gesso_doc_stats {
  uint64_t structs;               /* items and gc ranges, integrated */
  uint64_t deleted_structs;       /* those of them that are deleted */
  uint64_t clients;               /* in the state vector */
  uint64_t pending_structs;       /* waiting for missing dependencies */
  uint64_t pending_bytes;
  uint64_t pending_delete_ranges;
  uint64_t memory_bytes;          /* held from the allocator */
} gesso_doc_stats;

GESSO_API void gesso_doc_get_stats(const gesso_doc *doc, gesso_doc_stats *out);

/* Walks the whole document and compares every link, length, clock and cached value with what it
 * must be. OK, or CORRUPT with the invariant's name in error_out->message. For tests and tools. */
GESSO_API gesso_status gesso_doc_check(gesso_doc *doc, gesso_error *error_out);

#ifdef __cplusplus
}
#endif
#endif
