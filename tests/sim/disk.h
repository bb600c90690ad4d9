/* The disk of a simulated machine: an SQLite VFS in memory, below the store's own (src/store/vfs.c).
 *
 * A file is twice there: what the kernel shows, and what is on the disk for certain; between the two lie the writes since
 * the last sync, in order. A sync covers the writes that were complete when it began.
 *
 *   kill -9       what the kernel shows stays, unsynced writes stay unsynced
 *   power cut     unsynced writes are lost: all of them; all after some moment, the one at that moment torn; any of them,
 *                 each perhaps torn at 512-byte sectors; or none. A file that was never synced may be gone, a file that was
 *                 removed may be back
 *   failed sync   the kernel calls the pages clean and shows them until it is told to forget; any of them may be
 *                 on the disk or not, and no later sync changes that */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct disk disk;

/* What goes wrong: per thousand operations of simulated threads. The stage's own operations never fail. */
typedef struct disk_faults {
  uint32_t write, sync, read;
  bool full;               /* no write succeeds that makes a file longer */
  bool full_is_told;       /* and whoever asks how much is left is told so */
  uint32_t slow_us;        /* each sync, and every 16th write, takes up to that long */
} disk_faults;

/* Registers the VFS as SQLite's default, once. */
void disk_register(void);

disk *disk_create(void);
void disk_destroy(disk *d);   /* nobody may have a file of it open */
/* The disk that SQLite sees from now on. Files that are open stay with theirs. */
void disk_use(disk *d);

void disk_set_faults(disk *d, const disk_faults *faults);
uint64_t disk_fault_count(const disk *d); /* that have happened */
uint64_t disk_sync_failures(const disk *d);

/* What a process would find after this one was killed at this moment, or after the power was cut. */
disk *disk_after_kill(const disk *d);
disk *disk_after_power_cut(const disk *d);

/* A file of that name that is not empty. */
bool disk_has(const disk *d, const char *name);
uint64_t disk_operations(const disk *d);
/* Writes that no sync has covered. */
size_t disk_unsynced(const disk *d);

#endif
