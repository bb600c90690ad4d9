/* Local edits: what the files edit_*.c share. */
#ifndef GS_CRDT_EDIT_H
#define GS_CRDT_EDIT_H

#include "crdt/content.h"
#include "crdt/ops.h"

/* The type, or 0 with *status set: it does not exist (USAGE) or is deleted (DELETED). */
gs_type *gs_edit_type(gesso_doc *doc, gesso_type type, gesso_status *status);

/* Makes room for `items` new items of our own with `bytes` of content that is not inline, `types` types and
 * slots, and for `cuts` cuts of structs of `cut_client` (0: none). Nothing changes. NOMEM, LIMIT. */
GESSO_MUST_USE gesso_status gs_edit_reserve(gesso_doc *doc, size_t items, size_t bytes, size_t types,
                                            uint32_t cut_client, size_t cuts);
/* Begins the transaction; the caller commits with gesso_doc_commit(doc, NULL). */
void gs_edit_begin(gesso_doc *doc);

/* A new item of ours between left and right of the slot. Content as content.h says; for GS_TYPE `name`. */
gs_ix gs_edit_insert_reserved(gesso_doc *doc, uint32_t slot, gs_ix left, gs_ix right, unsigned kind, uint32_t len,
                              gesso_bytes content);
gs_ix gs_edit_insert_type_reserved(gesso_doc *doc, uint32_t slot, gs_ix left, gs_ix right, unsigned type_kind,
                                   uint32_t name);

/* Appends the value as lib0 Any. USAGE: it is none, or malformed. NOMEM. */
GESSO_MUST_USE gesso_status gs_value_to_any(gesso_value value, gs_buf *out);
/* Whether a value is stored as Any (and not as binary content or a type). */
static inline bool gs_value_is_any(gesso_value v)
{
  return v.kind != GESSO_VALUE_BYTES && v.kind != GESSO_VALUE_TYPE;
}

/* Where an insertion at `index` goes: behind `end` elements of `item` (item 0: at the front). */
typedef struct gs_place {
  gs_ix item;
  uint32_t end;
} gs_place;

GESSO_MUST_USE gesso_status gs_place_of(gesso_doc *doc, gesso_type type, uint64_t index, gs_place *out);
/* Whether going there takes a cut, and of whose structs. */
static inline uint32_t gs_place_cut_client(const gesso_doc *doc, gs_place p)
{
  return p.item != 0 && p.end < doc->items[p.item].len ? gs_client_of(&doc->items[p.item]) : 0;
}
/* Cuts there if need be; room was reserved. */
void gs_place_go_reserved(gesso_doc *doc, gesso_type type, gs_place p, gs_ix *left, gs_ix *right);

#endif
