/* Subdocuments: documents that are values in another one.
 *
 * What a document stores of a subdocument is the content of its item: guid and options (content.h). The document itself,
 * its handle, is made when somebody wants to see it, or is the one that was put in. The parent keeps handles in a
 * side table by the id of their item and holds a reference to each; a document whose subdocuments nobody looks at
 * has no table and does nothing for them.
 *
 * A handle whose item was deleted leaves the table at the end of the transaction, and is let go when all
 * callbacks of it have run. */
#ifndef GS_CRDT_SUBDOC_H
#define GS_CRDT_SUBDOC_H

#include "crdt/doc_impl.h"

typedef struct gs_subdoc {
  gs_id id; /* of the item; client 0: a free place */
  gesso_doc *handle;
} gs_subdoc;

typedef struct gs_subdoc_table {
  gs_subdoc *v; /* a hash table */
  uint32_t n, cap;
  uint64_t seed; /* the document's */
  gesso_doc **leaving;
  uint32_t nleaving, leaving_cap; /* invariant: leaving_cap >= nleaving + n */
  bool dirty; /* some item of a subdocument was deleted */
  bool stray; /* ... before its handle was made */
} gs_subdoc_table;

/* The handle of a GS_DOC item. Borrowed from the table. NULL: memory is short. */
gesso_doc *gs_subdoc_of(gesso_doc *doc, const gs_item *it);

/* Whether it may be put into `doc`: it is in no document, and not around this one. */
bool gs_subdoc_may_join(const gesso_doc *doc, const gesso_doc *subdoc);
/* Appends the content of its item. */
void gs_subdoc_content(gesso_doc *subdoc, gs_buf *out);
/* Room for n more handles. */
GESSO_MUST_USE bool gs_subdocs_reserve(gesso_doc *doc, size_t n);
/* Makes it the handle of a new item. */
void gs_subdoc_join_reserved(gesso_doc *doc, const gs_item *it, gesso_doc *subdoc);

/* To be told of every GS_DOC item that is deleted. */
static inline void gs_subdoc_deleted(gesso_doc *doc)
{
  if (doc->subdocs != NULL)
    doc->subdocs->dirty = true;
}

/* The end of a transaction, before anything is collected, its deletions normalised: notes for the observers what
 * came and went, and takes what was deleted out of the table. */
GESSO_MUST_USE gesso_status gs_subdocs_end(gesso_doc *doc);
/* After the callbacks. */
void gs_subdocs_leave(gesso_doc *doc);

void gs_subdocs_destroy(gesso_doc *doc);
/* NULL, or what is wrong. */
const char *gs_subdocs_check(const gesso_doc *doc);

#endif
