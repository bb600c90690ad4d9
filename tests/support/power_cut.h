/* A disk that remembers what a power cut would leave. It keeps, for each file, what has been synced
 * and the writes since; at chosen moments it puts what would be found after the cut into a folder of
 * its own, while the run goes on.
 *
 * What a cut may do with writes that were not synced: lose all of them; keep those before some moment
 * and tear the last; keep any subset, each torn at 512-byte sectors; keep all of them. A file exists after
 * the cut if it was synced once. A removed file is gone.
 *
 * A sync covers the writes that were complete when it began, and counts when it has ended. */
#ifndef POWER_CUT_H
#define POWER_CUT_H

#include "store/vfs.h"

#include <pthread.h>

enum { POWER_FILES = 4 };

typedef struct power_write {
  struct power_write *next;
  bool truncate;
  int64_t offset;
  size_t len;
  uint64_t number; /* order among all files */
  uint8_t data[];
} power_write;

typedef struct power_file {
  char name[32];
  bool synced_once;
  uint8_t *durable;
  size_t durable_len, durable_cap;
  power_write *first, *last;
} power_file;

typedef struct power_disk {
  gs_vfs_hooks hooks;
  pthread_mutex_t lock;
  power_file files[POWER_FILES];
  uint64_t operations, rng;
  uint32_t cut_first, cut_every; /* at each of the first operations, then at every so many */
  uint32_t cuts, cuts_max;
  char folder[200];     /* <folder>/cut<n>/ */
  /* Called right before cut n is taken, under the lock: to note what has been acknowledged so far. */
  void (*on_cut)(void *ctx, uint32_t n);
  void *ctx;
} power_disk;

void power_disk_init(power_disk *d, uint64_t seed, const char *folder, uint32_t cut_first,
                     uint32_t cut_every, uint32_t cuts_max);
void power_disk_finish(power_disk *d);

uint64_t power_random(uint64_t *state); /* xorshift; for the test as well */

#endif
