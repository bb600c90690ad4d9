/* Reading shared types as text. Used by the files read_*.c only. */
#ifndef GS_CRDT_READ_H
#define GS_CRDT_READ_H

#include "crdt/snapshot.h"

/* Types inside each other that a reader follows; deeper ends with GESSO_E_LIMIT. */
#define GS_READ_DEPTH_MAX 1000

/* All readers take a view: NULL reads what is there now, otherwise what was there at its snapshot. Packed runs in
 * a type must have been unpacked before it is read through a view. */

/* The kind to read a type as: its own, or for an untyped root the one asked for. */
unsigned gs_read_kind(const gesso_doc *doc, uint32_t type, unsigned as);

void gs_read_json(gesso_doc *doc, gs_view *view, uint32_t type, unsigned as, gs_buf *out, unsigned depth);
/* The entries of a map, or the attributes of an XML type. */
void gs_read_map(gesso_doc *doc, gs_view *view, uint32_t type, gs_buf *out, unsigned depth);
/* With `since` the changes from there to the view are marked: see gesso_text_to_delta_at. */
void gs_read_delta(gesso_doc *doc, gs_view *view, gs_view *since, uint32_t type, bool users, gs_buf *out, unsigned depth);
/* The characters of a text, as they are (json: escaped, without quotes). */
void gs_read_text(gesso_doc *doc, gs_view *view, uint32_t type, gs_buf *out, bool json);
/* What JavaScript's String(type) gives: XML, text, or "[object Object]". */
void gs_read_xml(gesso_doc *doc, gs_view *view, uint32_t type, unsigned as, gs_buf *out, unsigned depth);
/* Element i of a content as JSON. False, and nothing written, for undefined. */
bool gs_read_element_json(gesso_doc *doc, gs_view *view, const gs_item *it, uint32_t i, gs_buf *out, unsigned depth);

/* The live item under a key of a map, or 0. */
gs_ix gs_map_item(const gesso_doc *doc, gesso_type map, gesso_bytes key);

/* First item of the sequence, or 0. */
static inline gs_ix gs_first(const gesso_doc *doc, uint32_t type)
{
  uint32_t seq = doc->types[type].seq;
  return seq != 0 ? doc->slots[seq].head : 0;
}

#endif
