/* gesso/snapshot.h: what a document held at some time, and reading it as it was.
 *
 * A snapshot is a state vector and a set of deletions: small, and of no use without the document, which still
 * has the content. Content that was deleted since is readable as long as it was not garbage collected, so a
 * document with a past is made with GESSO_DOC_NO_GC. Encodings are those of Yjs 13 (encodeSnapshot, V2). */
#ifndef GESSO_SNAPSHOT_H
#define GESSO_SNAPSHOT_H

#include "gesso/value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Never changes once made; belongs to no document and may outlive the one it was made from. Made with the
 * allocator of that document, or with the one given; threads may share it. */
typedef struct gesso_snapshot gesso_snapshot;

/* The document as it is now; what is pending does not count. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_snapshot_create(gesso_doc *doc, gesso_snapshot **out);
/* Before anything was inserted (Yjs: emptySnapshot). `alloc` NULL: malloc. NULL when memory is short. */
GESSO_API gesso_snapshot *gesso_snapshot_create_empty(const gesso_allocator *alloc);
/* NULL is fine. */
GESSO_API void gesso_snapshot_destroy(gesso_snapshot *snapshot);

/* NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_snapshot_encode_v1(const gesso_snapshot *snapshot, gesso_buffer *out);
GESSO_API GESSO_MUST_USE gesso_status gesso_snapshot_encode_v2(const gesso_snapshot *snapshot, gesso_buffer *out);
/* Reads a snapshot from whoever: takes memory proportional to the input, at most 24 bytes a byte. Ranges of
 * deletions are sorted and joined where they are not. `alloc` NULL: malloc.
 * Errors: TRUNCATED, CORRUPT (also a client twice in the state vector, or bytes behind), RANGE, NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_snapshot_decode_v1(const gesso_allocator *alloc, gesso_bytes bytes,
                                                               gesso_snapshot **out, gesso_error *error_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_snapshot_decode_v2(const gesso_allocator *alloc, gesso_bytes bytes,
                                                               gesso_snapshot **out, gesso_error *error_out);

/* 1 when both say the same (Yjs: equalSnapshots). */
GESSO_API int gesso_snapshot_equal(const gesso_snapshot *a, const gesso_snapshot *b);

/* *out: 1 when everything that the update inserts and deletes is in the snapshot (Yjs: snapshotContainsUpdate).
 * Errors: those of a malformed update, see gesso/update.h; NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_snapshot_contains_v1(const gesso_snapshot *snapshot, gesso_bytes update,
                                                                 int *out, gesso_error *error_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_snapshot_contains_v2(const gesso_snapshot *snapshot, gesso_bytes update,
                                                                 int *out, gesso_error *error_out);

/* --- Going back. USAGE: the document collects garbage. NOTFOUND: the snapshot is of another document or of a
 * later time: it names what is not there. NOMEM. --- */

/* The state at the snapshot as one update, for any document to apply (yrs: encode_state_from_snapshot). */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_encode_at_v1(gesso_doc *doc, const gesso_snapshot *snapshot,
                                                             gesso_buffer *out);
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_encode_at_v2(gesso_doc *doc, const gesso_snapshot *snapshot,
                                                             gesso_buffer *out);
/* A new document that holds what `doc` held (Yjs: createDocFromSnapshot). `options` as for gesso_doc_create; also
 * the errors of gesso_doc_apply_v1, where its limits are tighter. */
GESSO_API GESSO_MUST_USE gesso_status gesso_doc_create_at(gesso_doc *doc, const gesso_snapshot *snapshot,
                                                          const gesso_doc_options *options, gesso_doc **out);

/* --- Reading without going back: types as they were, and all that is inside them too. Nothing in the document
 * changes. What was garbage collected since is left out. Types that were made later read as empty.
 * Errors: USAGE (no such type), NOMEM, LIMIT (nesting). --- */

/* JSON as gesso_type_to_json gives it (Yjs: typeListToArraySnapshot, typeMapGetAllSnapshot). */
GESSO_API GESSO_MUST_USE gesso_status gesso_type_to_json_at(gesso_doc *doc, const gesso_snapshot *snapshot,
                                                            gesso_type type, gesso_type_kind as, gesso_buffer *out);
/* The entries of a map, or the attributes of an XML type, as a JSON object (Yjs: YXmlElement.getAttributes). */
GESSO_API GESSO_MUST_USE gesso_status gesso_map_to_json_at(gesso_doc *doc, const gesso_snapshot *snapshot,
                                                           gesso_type map, gesso_buffer *out);
/* One of them (Yjs: typeMapGetSnapshot). Also NOTFOUND: the key was not set. */
GESSO_API GESSO_MUST_USE gesso_status gesso_map_get_json_at(gesso_doc *doc, const gesso_snapshot *snapshot,
                                                            gesso_type map, gesso_bytes key, gesso_buffer *out);

#define GESSO_YCHANGE_USER 1u /* ychange names the client, and text is split by client */

/* The delta of a text as a JSON array (Yjs: YText.toDelta(snapshot, prevSnapshot)). With `previous` non-NULL it
 * shows what happened from there to `snapshot`: what was inserted has the attribute "ychange":{"type":"added"},
 * what was deleted is there with "ychange":{"type":"removed"}; with GESSO_YCHANGE_USER in `flags` that is
 * {"user":<client id>,"type":...}, where the client is the one that inserted. `snapshot` NULL: now. */
GESSO_API GESSO_MUST_USE gesso_status gesso_text_to_delta_at(gesso_doc *doc, const gesso_snapshot *snapshot,
                                                             const gesso_snapshot *previous, gesso_type text,
                                                             uint32_t flags, gesso_buffer *out);

#ifdef __cplusplus
}
#endif
#endif
