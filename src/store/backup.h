/* Copies of a data folder. */
#ifndef GS_STORE_BACKUP_H
#define GS_STORE_BACKUP_H

#include "gesso/base.h"

#include <sqlite3.h>
#include <stdbool.h>

/* Copies the boards of `folder` as of one moment, and its images, into the new folder `out`, which appears when the
 * copy is whole and on the disk. Works beside a writer: everything that was acknowledged before the call is in it.
 * USAGE (`out` is there already, or a path is too long), NOTFOUND, VERSION, CORRUPT, IO, FULL with a sentence in
 * `why` (may be NULL). *bytes_out: how much was written. */
gesso_status gs_backup(const char *folder, const char *out, uint64_t *bytes_out, gesso_buffer *why);

/* The way back: copies a backup, or any data folder that nobody writes to, into `folder`, which is made. When there are
 * boards in it already: USAGE, or with `replace` they move into the folder `replaced-<time>` inside it first.
 * BUSY (somebody has it open for writing) and the rest as above. */
gesso_status gs_backup_restore(const char *backup, const char *folder, bool replace, gesso_buffer *why);

/* Copies the database into <folder>/backups/<name>, before it is changed. */
gesso_status gs_backup_before(sqlite3 *db, const char *folder, const char *name);

/* Rewrites the whole database without gaps. In a folder that nobody has open for writing. */
gesso_status gs_store_vacuum(const char *folder, uint64_t *before_out, uint64_t *after_out, gesso_buffer *why);

#endif
