/* Hocuspocus' SQLite databases: one row a document, `name` and `data`, which is the whole document as an update v1. */
#ifndef GS_PORT_HOCUSPOCUS_H
#define GS_PORT_HOCUSPOCUS_H

#include "base/buf.h"

typedef struct gs_hocuspocus_writer gs_hocuspocus_writer;

/* Makes a new database file, with the table that Hocuspocus makes. Nothing of it is to be used before it is finished.
 * `why` receives a sentence on failure. */
GESSO_MUST_USE gesso_status gs_hocuspocus_create(const char *path, gs_hocuspocus_writer **out, gs_buf *why);
GESSO_MUST_USE gesso_status gs_hocuspocus_add(gs_hocuspocus_writer *w, gesso_bytes name, gesso_bytes update_v1, gs_buf *why);
/* Commits and closes; the file is on the disk then. `w` is gone in either case. */
GESSO_MUST_USE gesso_status gs_hocuspocus_finish(gs_hocuspocus_writer *w, gs_buf *why);
/* Closes without a commit. NULL is fine. */
void gs_hocuspocus_discard(gs_hocuspocus_writer *w);

#endif
