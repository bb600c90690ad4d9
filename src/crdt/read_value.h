/* Reading what shared types hold into gesso_value trees. Everything a value points to is copied into the arena,
 * so that it stays as it is when the document changes.
 *
 * All of these are NOMEM when memory is short, and nothing else: what is in a document was checked when it
 * came in. */
#ifndef GS_CRDT_READ_VALUE_H
#define GS_CRDT_READ_VALUE_H

#include "base/arena.h"
#include "crdt/doc_impl.h"

/* Elements i .. i + n - 1 of an item (of a string: UTF-16 units, each a value of its own) into out[n]. A deleted item
 * can be read until it is collected; what has no content is undefined. */
GESSO_MUST_USE gesso_status gs_read_values(gesso_doc *doc, const gs_item *it, uint32_t i, uint32_t n, gs_arena *arena,
                                           gesso_value *out);
/* Element i. */
GESSO_MUST_USE gesso_status gs_read_value(gesso_doc *doc, const gs_item *it, uint32_t i, gs_arena *arena,
                                          gesso_value *out);
/* The value of JSON text that was checked before: of a format (format.h) or an embed. */
GESSO_MUST_USE gesso_status gs_read_json_value(gesso_bytes json, gs_arena *arena, gesso_value *out);

#endif
