/* Local edits: what the files edit_*.c share. */
#ifndef GS_CRDT_EDIT_H
#define GS_CRDT_EDIT_H

#include "base/arena.h"
#include "crdt/content.h"
#include "crdt/ops.h"
#include "crdt/seq.h"
#include "wire/tree.h"

/* The type, or 0 with *status set: it does not exist (USAGE) or is deleted (DELETED). */
gs_type *gs_edit_type(gesso_doc *doc, gesso_type type, gesso_status *status);

/* Makes room for `items` new items of our own with `bytes` of content that is not inline, `types` types and
 * slots, and for `cuts` cuts of structs of `cut_client` (0: none). Nothing changes. NOMEM, LIMIT. */
GESSO_MUST_USE gesso_status gs_edit_reserve(gesso_doc *doc, size_t items, size_t bytes, size_t types,
                                            uint32_t cut_client, size_t cuts);
/* Begins the transaction; the caller commits with gesso_doc_commit(doc, NULL). */
void gs_edit_begin(gesso_doc *doc);

/* A buffer for the values on their way in, which small edits hand on from one to the next. */
gs_buf gs_edit_room(gesso_doc *doc);
void gs_edit_room_back(gesso_doc *doc, gs_buf *buf);

/* A new item of ours between left and right of the slot. Content as content.h says; for GS_TYPE `name`. */
gs_ix gs_edit_insert_reserved(gesso_doc *doc, uint32_t slot, gs_ix left, gs_ix right, unsigned kind, uint32_t len,
                              gesso_bytes content);
gs_ix gs_edit_insert_type_reserved(gesso_doc *doc, uint32_t slot, gs_ix left, gs_ix right, unsigned type_kind,
                                   uint32_t name);

/* To be told of every string before it goes in: whether it has characters outside the BMP. */
void gs_edit_note_astral(gesso_doc *doc, gesso_bytes s, uint32_t units);

/* Appends the value as lib0 Any. USAGE: it is malformed, or a type or document. LIMIT: nested too deep. NOMEM. */
GESSO_MUST_USE gesso_status gs_value_to_any(const gesso_value *value, gs_buf *out);
/* Appends the value as JSON text. USAGE also for what JSON does not have: bytes, bigints, undefined as a whole. */
GESSO_MUST_USE gesso_status gs_value_to_json(const gesso_value *value, gs_buf *out);
/* Adds the value to an empty tree; JSON in it takes room in the arena. `json`: only what JSON has. Errors as above. */
GESSO_MUST_USE gesso_status gs_value_to_tree(const gesso_value *value, gs_tree *tree, gs_arena *rooms, bool json);
/* The node name of a GESSO_VALUE_TYPE as a key; 0 for the kinds that have none. USAGE: it is no type. NOMEM. */
GESSO_MUST_USE gesso_status gs_value_type_name(gesso_doc *doc, const gesso_value *value, uint32_t *name_out);
/* Whether a value is stored as Any (and not as binary content or a type). */
static inline bool gs_value_is_any(gesso_value v)
{
  return v.kind != GESSO_VALUE_BYTES && v.kind != GESSO_VALUE_TYPE && v.kind != GESSO_VALUE_DOC;
}

/* Where an insertion at `index` goes: behind `end` elements of `item` (item 0: at the front). */
GESSO_MUST_USE gesso_status gs_place_of(gesso_doc *doc, gesso_type type, uint64_t index, gs_place *out);
/* Whether going there takes a cut, and of whose structs. */
static inline uint32_t gs_place_cut_client(const gesso_doc *doc, gs_place p)
{
  return p.item != 0 && p.end < doc->items[p.item].len ? gs_client_of(&doc->items[p.item]) : 0;
}
/* Cuts there if need be; room was reserved. */
void gs_place_go_reserved(gesso_doc *doc, gesso_type type, gs_place p, gs_ix *left, gs_ix *right);

#endif
