/* Making one document read like another by ordinary edits: how a board goes back to an earlier version
 * while people draw on it. */
#ifndef GS_CRDT_MAKE_EQUAL_H
#define GS_CRDT_MAKE_EQUAL_H

#include "gesso/doc.h"

/* Edits `doc`, in one transaction, until every root reads as in `want`: keys are set and removed, what differs
 * in arrays, texts and XML is taken out and put in, and what both have stays as it is. Shared types that both
 * documents know as the same one are edited in place; others are made anew. Formats count as part of
 * the text they are on. Subdocuments are put in by their guid. What waits for missing updates in `want` is not
 * part of it.
 *
 * *update_out (may be NULL) receives the transaction's update v1; it is empty when there was nothing to do.
 * NOMEM, LIMIT (types nested too deep): `doc` is then somewhere in between. */
GESSO_MUST_USE gesso_status gs_doc_make_equal(gesso_doc *doc, gesso_doc *want, gesso_buffer *update_out);

#endif
