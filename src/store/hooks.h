/* Opening a data folder with a disk and a clock of one's own: for tests and simulations. */
#ifndef GS_STORE_HOOKS_H
#define GS_STORE_HOOKS_H

#include "base/clock.h"
#include "gesso/persistence.h"
#include "store/vfs.h"

typedef struct gs_persistence_hooks {
  const gs_clock *clock;       /* NULL: the machine's. Must be callable from several threads */
  const gs_vfs_hooks *vfs;     /* NULL: none */
} gs_persistence_hooks;

gesso_status gs_persistence_open_with(const gesso_persistence_options *options, const gs_persistence_hooks *hooks,
                                      gesso_persistence **out, gesso_buffer *why);

/* Makes the storage thread look at the clock: after a test has moved it. */
void gs_persistence_poke(gesso_persistence *p);

/* While this is true, what is handed in waits, so that all of it makes one group. */
void gs_persistence_hold(gesso_persistence *p, bool hold);

#endif
