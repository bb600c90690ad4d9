/* JSON text as JSON.parse reads it and JSON.stringify writes it.
 *
 * Accepted is what RFC 8259 allows and JSON.parse accepts: one value, white space around it, valid
 * UTF-8, no byte order mark. Refused on top of that: more levels than asked for, or GS_ANY_DEPTH_MAX (LIMIT). */
#ifndef GS_WIRE_JSON_H
#define GS_WIRE_JSON_H

#include "wire/tree.h"

/* OK, CORRUPT, or LIMIT: more than `depth_max` (at most GS_ANY_DEPTH_MAX) arrays and objects inside each other.
 * Allocates nothing. `error_out` may be NULL; its offset is that of what is wrong. */
GESSO_MUST_USE gesso_status gs_json_check(gesso_bytes text, unsigned depth_max, gesso_error *error_out);

/* Is it `null`, white space around it aside? */
bool gs_json_is_null(gesso_bytes text);

/* Whether two texts say the same value: members of objects in any order. False also when one is malformed or
 * memory is short. */
bool gs_json_equal(const gesso_allocator *al, gesso_bytes a, gesso_bytes b);

/* Reads the value into an empty tree. `room` takes text.len + 1 bytes of unescaped strings; the tree lives no
 * longer than it and `text`. Errors as above, and NOMEM. */
GESSO_MUST_USE gesso_status gs_json_parse(gesso_bytes text, gs_tree *tree, uint8_t *room, gesso_error *error_out);
/* The same into the open array or object of a tree, under `key`. */
GESSO_MUST_USE gesso_status gs_json_parse_member(gesso_bytes text, gs_tree *tree, uint8_t *room, gesso_bytes key);

/* Appends the value of `text` as lib0 Any, byte for byte what lib0's writeAny(JSON.parse(text)) gives
 * (one exception: two keys that differ in lone surrogates only). Errors as above, and NOMEM. */
GESSO_MUST_USE gesso_status gs_json_to_any(gesso_bytes text, gs_buf *out);

/* Appends JSON.stringify(JSON.parse(text)). */
GESSO_MUST_USE gesso_status gs_json_minify(gesso_bytes text, gs_buf *out);

/* Appends a string with its quotes, escaped as JSON.stringify does. Lone surrogates that came as
 * three bytes (WTF-8) are written \udxxx. */
void gs_json_write_string(gs_buf *out, gesso_bytes utf8);

/* Appends {"$bytes":"<base64>"}. */
void gs_json_write_bytes(gs_buf *out, gesso_bytes bytes);

#endif
