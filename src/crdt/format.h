/* Rich text: format items and the attributes they amount to.
 *
 * Attributes are a small list of (key, JSON text) pairs. Two values are equal when their JSON texts
 * are: both come from JSON.stringify in practice. */
#ifndef GS_CRDT_FORMAT_H
#define GS_CRDT_FORMAT_H

#include "crdt/doc_impl.h"
#include "wire/json.h"

typedef struct gs_attr {
  gesso_bytes key, value; /* borrowed, or copies of gs_attrs.owned */
} gs_attr;

typedef struct gs_attrs {
  const gesso_allocator *alloc;
  bool owned; /* keeps copies: for edits, during which the document's text moves */
  gs_attr *v;
  uint32_t n, cap;
  bool nomem;
} gs_attrs;

static inline bool gs_bytes_eq(gesso_bytes a, gesso_bytes b)
{
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Key and value of a format item. Borrowed from the document's text: they move when it grows. */
gs_attr gs_format_of(const gesso_doc *doc, const gs_item *it);

/* The value of a key, or "null" (Yjs: attrs.get(key) ?? null). */
gesso_bytes gs_attrs_get(const gs_attrs *a, gesso_bytes key);
bool gs_attrs_has(const gs_attrs *a, gesso_bytes key);
void gs_attrs_set(gs_attrs *a, gesso_bytes key, gesso_bytes value);
void gs_attrs_remove(gs_attrs *a, gesso_bytes key);
void gs_attrs_copy(gs_attrs *to, const gs_attrs *from);
/* null removes, everything else sets (Yjs: updateCurrentAttributes). */
void gs_attrs_update(gs_attrs *a, gs_attr f);
void gs_attrs_finish(gs_attrs *a);

/* Deletes the format items between two pieces of content that do nothing (Yjs: cleanupFormattingGap).
 * `curr` is where the caller stands. Returns how many. */
uint32_t gs_format_gap(gesso_doc *doc, gs_ix start, gs_ix curr, const gs_attrs *start_attrs, gs_attrs *curr_attrs);

/* Whether the running transaction brought remote changes to text that has formats. */
bool gs_format_is_due(const gesso_doc *doc);
/* After remote changes: deletes the formats that they made redundant, as every Yjs client does
 * (Yjs: cleanupYTextAfterTransaction). `deleted` is what the transaction deleted. Leaves them when memory is
 * short. */
void gs_format_cleanup(gesso_doc *doc, const gs_ranges *deleted);

#endif
