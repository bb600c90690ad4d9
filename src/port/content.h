/* A document's content as JSON: an object of all its root types. */
#ifndef GS_PORT_CONTENT_H
#define GS_PORT_CONTENT_H

#include "base/buf.h"
#include "gesso/types.h"

/* What a root looks like. Nothing in an update says what a root is, so this goes by what is in it: members only make a
 * map, text or formats a text, XML nodes a fragment; other elements, or nothing, an array or a map. */
gesso_type_kind gs_content_kind(const gesso_doc *doc, gesso_type root);

/* Appends {"<root>": value, ...}, in the order in which the roots came; texts with formats or embeds as their delta.
 * NOMEM, LIMIT. */
GESSO_MUST_USE gesso_status gs_content_to_json(gesso_doc *doc, gs_buf *out);

#endif
