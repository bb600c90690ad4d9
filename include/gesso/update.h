/* gesso/update.h: work on encoded updates, without a document.
 *
 * What goes in is borrowed for the call; what comes out belongs to the caller: gesso_buffer_free. Nothing is
 * given away on failure. Input is checked in full, as far as that goes without a document: that the ids which
 * structs name exist is for a document to find out.
 *
 * All calls take the v1 or the v2 encoding, as their names say, and can fail with
 *   TRUNCATED, CORRUPT, RANGE   the bytes are no such update; error_out->offset is a byte of the input
 *   LIMIT                       see GESSO_UPDATE_STRUCTS_MAX; or values nested too deep
 *   NOMEM                       out of memory
 * `error_out` may be NULL. Clocks and client ids keep their values up to 2^53 - 1.
 *
 * A v2 update can be much smaller than what it says: a run of equal structs takes a few bytes, a long string
 * can be named again and again. What is made of a v2 update is limited to 16 times its bytes, 64 bytes a struct
 * and 1 MB; more is LIMIT. */
#ifndef GESSO_UPDATE_H
#define GESSO_UPDATE_H

#include "gesso/doc.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Structs in one update that is applied, in the v2 updates of one call here; delete ranges in a v2 update.
 * To apply an update takes at most 64 bytes of memory for each struct that it declares, about as much again for a
 * shared type and for a cut in an item that is there, and a hundred times its own bytes; in all no more than 64 bytes
 * times this number and a hundred times its bytes: more is LIMIT. */
#define GESSO_UPDATE_STRUCTS_MAX 4000000u

/* Rewrites an update in the other encoding (Yjs: convertUpdateFormatV1ToV2, ...V2ToV1). CORRUPT also where v1
 * cannot say something: a format or an embed that is undefined. */
GESSO_API GESSO_MUST_USE gesso_status gesso_update_v1_to_v2(gesso_bytes v1, gesso_buffer *out,
                                                            gesso_error *error_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_update_v2_to_v1(gesso_bytes v2, gesso_buffer *out,
                                                            gesso_error *error_out);

/* Merges `n` updates into one that says the same as all of them (Yjs: mergeUpdates, mergeUpdatesV2). Where
 * structs are missing in between, the result has a gap (a skip) and waits for them like its parts would. One
 * update comes back as it is, none gives the empty update. Takes O(bytes x log n).
 * *failed_out, unless NULL: on failure the index of the update that error_out speaks of. */
GESSO_API GESSO_MUST_USE gesso_status gesso_update_merge_v1(const gesso_bytes *updates, size_t n, gesso_buffer *out,
                                                            size_t *failed_out, gesso_error *error_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_update_merge_v2(const gesso_bytes *updates, size_t n, gesso_buffer *out,
                                                            size_t *failed_out, gesso_error *error_out);

/* What of an update a peer with that encoded state vector lacks (Yjs: diffUpdate, diffUpdateV2): the structs from
 * its clocks on, and the whole delete set. {NULL, 0} is the empty state vector. Where the state vector is
 * malformed error_out->message says so and the offset is one in it. */
GESSO_API GESSO_MUST_USE gesso_status gesso_update_diff_v1(gesso_bytes update, gesso_bytes state_vector,
                                                           gesso_buffer *out, gesso_error *error_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_update_diff_v2(gesso_bytes update, gesso_bytes state_vector,
                                                           gesso_buffer *out, gesso_error *error_out);

/* The encoded state vector of a document that applied this update alone (Yjs: encodeStateVectorFromUpdate ...):
 * of each client what follows from clock 0 on without a gap. State vectors look the same beside v1 and v2. */
GESSO_API GESSO_MUST_USE gesso_status gesso_update_state_vector_v1(gesso_bytes update, gesso_buffer *out,
                                                                   gesso_error *error_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_update_state_vector_v2(gesso_bytes update, gesso_buffer *out,
                                                                   gesso_error *error_out);

/* The encoded delete set of an update, sorted, with neighbouring ranges joined; v1 gives the v1 encoding of
 * delete sets and v2 the v2 one (as in a snapshot). */
GESSO_API GESSO_MUST_USE gesso_status gesso_update_delete_set_v1(gesso_bytes update, gesso_buffer *out,
                                                                 gesso_error *error_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_update_delete_set_v2(gesso_bytes update, gesso_buffer *out,
                                                                 gesso_error *error_out);

/* What an update says of one client: its first clock, and the one after its last; there may be gaps between. */
typedef struct gesso_update_span {
  uint64_t client, from, to;
} gesso_update_span;

/* The spans of all clients with structs, in the order of the update (Yjs: parseUpdateMeta). Writes `max` of them
 * at most; *count_out is how many there are. `spans` may be NULL when `max` is 0. */
GESSO_API GESSO_MUST_USE gesso_status gesso_update_meta_v1(gesso_bytes update, gesso_update_span *spans, size_t max,
                                                           size_t *count_out, gesso_error *error_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_update_meta_v2(gesso_bytes update, gesso_update_span *spans, size_t max,
                                                           size_t *count_out, gesso_error *error_out);

/* Makes an update that can be shown to others (Yjs: obfuscateUpdate, obfuscateUpdateV2): all contents and map
 * keys are replaced by numbers, texts by as many digits. The structure, the client ids and the names of roots
 * stay. `keep` leaves parts as they are. */
#define GESSO_KEEP_FORMATTING 1u /* keys and values of text formats (Yjs: formatting: false) */
#define GESSO_KEEP_SUBDOCS 2u    /* ids and options of subdocuments (subdocs: false) */
#define GESSO_KEEP_XML_NAMES 4u  /* names of XML elements and hooks (yxml: false) */
GESSO_API GESSO_MUST_USE gesso_status gesso_update_obfuscate_v1(gesso_bytes update, uint32_t keep, gesso_buffer *out,
                                                                gesso_error *error_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_update_obfuscate_v2(gesso_bytes update, uint32_t keep, gesso_buffer *out,
                                                                gesso_error *error_out);

/* All of an update as JSON, for people and tools (Yjs: decodeUpdate, logUpdate):
 *
 *   {"structs": [struct, ...], "deletes": {"<client>": [[clock, length], ...], ...}}
 *
 * A struct is {"id": [client, clock], "length": n, "kind": ...}, where kind is "gc", "skip", "deleted", "json",
 * "binary", "string", "embed", "format", "type", "any" or "doc". Items also have "origin": [client, clock] and
 * "rightOrigin" where they are set, and where neither is: "parent", the name of a root or the id of an item, and
 * "parentSub", the key in a map. Contents:
 *
 *   json, any  "values": [...]           embed   "value": ...
 *   binary     "value": {"$bytes": ...}  format  "key": "...", "value": ...
 *   string     "value": "..."            doc     "guid": "...", "options": {...}
 *   type       "type": "array", "map", "text", "xmlElement", "xmlFragment", "xmlHook", "xmlText" or "weakLink"; "name": "..."
 *              weakLink: "flags": n, "first" and "last": [client, clock] or the name of a root
 *
 * The result is limited to 16 times the input and 64 MB: LIMIT. */
GESSO_API GESSO_MUST_USE gesso_status gesso_update_to_json_v1(gesso_bytes update, gesso_buffer *out,
                                                              gesso_error *error_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_update_to_json_v2(gesso_bytes update, gesso_buffer *out,
                                                              gesso_error *error_out);

#ifdef __cplusplus
}
#endif
#endif
