/* gesso/weak.h: links to an entry of a map and quotations of a part of a text or an array, as in yrs (y-crdt).
 *
 * A link is a shared type of kind GESSO_WEAK_LINK that names what it points to by ids: it follows the content as
 * others edit it, and quoted parts grow and shrink with it. It is written as a GESSO_VALUE_TYPE of that kind,
 * whose bytes say what it points to: what gesso_map_link and gesso_type_quote give, or gesso_weak_source.
 *
 * Only yrs and gesso know links: Yjs 13 refuses an update that holds one.
 *
 * A link may come before what it points to, and what it points to may be gone: it reads as empty then. Its observers
 * (gesso_type_observe) are told when a linked entry is set or removed, when something is inserted into a quoted part
 * or deleted from it; the event has no delta and no keys. */
#ifndef GESSO_WEAK_H
#define GESSO_WEAK_H

#include "gesso/value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A link to whatever is under `key`, now and later. NOTFOUND: nothing is. USAGE: no such type. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_map_link(gesso_doc *doc, gesso_type map, gesso_bytes key,
                                                     gesso_buffer *out);

#define GESSO_QUOTE_FROM_BEGIN 1u  /* `first` means nothing: from the beginning, also of what comes before it later */
#define GESSO_QUOTE_TO_END 2u      /* `last` means nothing: up to the end, also of what is appended later */
#define GESSO_QUOTE_AFTER_FIRST 4u /* without the element `first`; what is inserted behind it belongs to the quotation */
#define GESSO_QUOTE_BEFORE_LAST 8u /* without the element `last`; what is inserted in front of it belongs to it */

/* A quotation of the elements or UTF-16 units first .. last of a text, an array or the children of XML: both are in
 * it unless the flags say otherwise. USAGE: no such type, or one of the two is not there. DELETED, NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_type_quote(gesso_doc *doc, gesso_type type, uint64_t first, uint64_t last,
                                                       uint32_t flags, gesso_buffer *out);

/* What a link points to, to make another one of. Borrowed until the document changes; {NULL, 0}: it is no link. */
GESSO_API gesso_bytes gesso_weak_source(const gesso_doc *doc, gesso_type link);

/* --- Reading. All of them: USAGE (it is no link), NOMEM. --- */

/* What a link to a map entry points to: one value. Of a quotation, its first. NOTFOUND: it is not there. */
GESSO_API GESSO_MUST_USE gesso_status gesso_weak_get(gesso_doc *doc, gesso_type link, gesso_values *out);
/* All that is quoted, in order. Of text each UTF-16 unit is a value. */
GESSO_API GESSO_MUST_USE gesso_status gesso_weak_values(gesso_doc *doc, gesso_type link, gesso_values *out);
/* The quoted characters of a text. */
GESSO_API GESSO_MUST_USE gesso_status gesso_weak_to_string(gesso_doc *doc, gesso_type link, gesso_buffer *out);
/* The quoted part of XML text, with its formats as tags (gesso_xml_to_string). Also LIMIT (nesting). */
GESSO_API GESSO_MUST_USE gesso_status gesso_weak_to_xml(gesso_doc *doc, gesso_type link, gesso_buffer *out);
/* Where the quoted part is now: elements *from_out .. *end_out - 1 of *type_out. NOTFOUND: nowhere, or the link is
 * to a map entry. */
GESSO_API GESSO_MUST_USE gesso_status gesso_weak_range(gesso_doc *doc, gesso_type link, gesso_type *type_out,
                                                       uint64_t *from_out, uint64_t *end_out);

#ifdef __cplusplus
}
#endif
#endif
