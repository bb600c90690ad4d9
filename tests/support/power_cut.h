/* A disk that remembers all that was done to it, so that afterwards the power can be cut at any moment of the run: after
 * each write and each sync, what would be found then is put into a folder of its own.
 *
 * What a cut may do with writes that were not synced: lose all of them; keep those before some moment and tear
 * the last; keep any subset, each torn at 512-byte sectors; keep all of them. A file exists after the cut if it was
 * synced once, or some write to it was kept. A removed file is gone.
 *
 * A sync covers the writes that were complete when it began, and counts when it has ended. */
#ifndef POWER_CUT_H
#define POWER_CUT_H

#include "store/vfs.h"

#include <pthread.h>

enum { POWER_FILES = 8 };

typedef enum power_kind { POWER_WRITE, POWER_TRUNCATE, POWER_SYNC, POWER_DELETE, POWER_NOTE } power_kind;

typedef struct power_event {
  power_kind kind;
  int file;
  int64_t offset;
  size_t len;
  uint64_t number;  /* of the operation, from 1; a sync: of the last one that it covers is in `covers` */
  uint64_t covers;
  uint8_t *data;
  int note;         /* POWER_NOTE: the test's own */
  uint64_t value;
} power_event;

typedef struct power_disk {
  gs_vfs_hooks hooks;
  pthread_mutex_t lock;
  char names[POWER_FILES][40];
  power_event *events;
  size_t count, cap;
  uint64_t operations;
  uint64_t writes, syncs;
} power_disk;

void power_disk_init(power_disk *d);
void power_disk_finish(power_disk *d);
uint64_t power_operations(power_disk *d);
/* Something that the run wants to know at each cut: in order with the operations. Any thread. */
void power_note(power_disk *d, int note, uint64_t value);

/* Goes through what was recorded. After each operation for which `wanted` is true, the folder <base>/cut is made
 * with what a cut would leave, and `check` is called, which removes it. */
typedef struct power_replay {
  const char *base;
  uint64_t seed;
  bool (*wanted)(void *ctx, uint64_t operation);
  void (*note)(void *ctx, int note, uint64_t value);
  void (*check)(void *ctx, const char *folder, uint64_t operation);
  void *ctx;
} power_replay;

void power_disk_replay(const power_disk *d, const power_replay *r);

uint64_t power_random(uint64_t *state); /* xorshift; for the test as well */

#endif
