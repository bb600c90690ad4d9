/* One writer for each data folder. The lock is flock(2) on <folder>/gesso.lock, which the kernel
 * drops with the process, whatever way it ends; the text in the file says who has it. */
#ifndef GS_STORE_LOCKFILE_H
#define GS_STORE_LOCKFILE_H

#include "gesso/base.h"

#include <stdbool.h>

typedef struct gs_lockfile {
  int fd; /* -1: not held */
} gs_lockfile;

#define GS_LOCKFILE_NONE ((gs_lockfile){ -1 })

/* Makes the folder with its parents, then takes the lock: OK, BUSY (a second writer in this or
 * another process), IO, USAGE (path too long). `why` (may be NULL) receives a sentence on failure.
 * With `owner` NULL the file is not described yet: writing to it may take longer than locking it. */
gesso_status gs_lockfile_take(gs_lockfile *lock, const char *folder, const char *owner, const char *address,
                              gesso_buffer *why);

/* Writes who holds the lock and where its API answers. `address` may be NULL. */
void gs_lockfile_describe(gs_lockfile *lock, const char *owner, const char *address);

void gs_lockfile_release(gs_lockfile *lock);

/* Whether there is a gesso.db in it. */
bool gs_data_folder_exists(const char *folder);

#endif
