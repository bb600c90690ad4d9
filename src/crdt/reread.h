/* What reading a document's own encoding again may change: nothing, unless an update told structs of one id in two ways,
 * or deleted a part of one value of a key. A later value of a key deletes the one before it when it is integrated, so of
 * a value that was cut in two only the last part is live once both parts are read; and what waited for one telling of a
 * struct need not wait for the other. Yjs does the same with its own encodings. */
#ifndef GS_CRDT_REREAD_H
#define GS_CRDT_REREAD_H

#include "gesso/doc.h"

#include <stdbool.h>

/* Whether everything that can be seen in `doc` can be seen in `copy`, which was read from its encoding: what is deleted
 * in the copy alone are values of keys that have a later one, or had one waiting. False, too, without memory to look. */
bool gs_shows_all(const gesso_doc *doc, gesso_doc *copy);

#endif
