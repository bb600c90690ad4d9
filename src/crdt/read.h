/* Reading shared types as text. Used by the files read_*.c only. */
#ifndef GS_CRDT_READ_H
#define GS_CRDT_READ_H

#include "crdt/doc_impl.h"

/* Types inside each other that a reader follows; deeper ends with GESSO_E_LIMIT. */
#define GS_READ_DEPTH_MAX 1000

/* The kind to read a type as: its own, or for an untyped root the one asked for. */
unsigned gs_read_kind(const gesso_doc *doc, uint32_t type, unsigned as);

void gs_read_json(gesso_doc *doc, uint32_t type, unsigned as, gs_buf *out, unsigned depth);
void gs_read_delta(gesso_doc *doc, uint32_t type, gs_buf *out, unsigned depth);
/* The characters of a text, as they are (json: escaped, without quotes). */
void gs_read_text(gesso_doc *doc, uint32_t type, gs_buf *out, bool json);
/* What JavaScript's String(type) gives: XML, text, or "[object Object]". */
void gs_read_xml(gesso_doc *doc, uint32_t type, unsigned as, gs_buf *out, unsigned depth);
/* Element i of a content as JSON. False, and nothing written, for undefined. */
bool gs_read_element_json(gesso_doc *doc, const gs_item *it, uint32_t i, gs_buf *out, unsigned depth);

/* The live item under a key of a map, or 0. */
gs_ix gs_map_item(const gesso_doc *doc, gesso_type map, gesso_bytes key);

/* First item of the sequence, or 0. */
static inline gs_ix gs_first(const gesso_doc *doc, uint32_t type)
{
  uint32_t seq = doc->types[type].seq;
  return seq != 0 ? doc->slots[seq].head : 0;
}

#endif
