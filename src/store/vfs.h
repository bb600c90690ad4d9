/* The only way from the store to the disk: a SQLite VFS that stands in front of the system's own and
 * hands everything on. It counts, and a test can put hooks into it that delay, fail, tear or record what
 * passes. Once a sync has failed every other one fails, of any file, until gs_vfs_trust: the kernel would say
 * that all is well, and the database would be made of pages of the log that the disk does not have. */
#ifndef GS_STORE_VFS_H
#define GS_STORE_VFS_H

#include "gesso/base.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef enum gs_vfs_op {
  GS_VFS_OPEN,     /* the file is made when it does not exist */
  GS_VFS_CLOSE,
  GS_VFS_READ,
  GS_VFS_WRITE,
  GS_VFS_TRUNCATE, /* to `offset` bytes */
  GS_VFS_SYNC,
  GS_VFS_DELETE
} gs_vfs_op;

typedef struct gs_vfs_event {
  gs_vfs_op op;
  const char *path;     /* "" for a temporary file without a name */
  int64_t offset;
  size_t len;
  const uint8_t *data;  /* WRITE */
  size_t allowed;       /* WRITE: `before` may lower it; so many bytes reach the file all the same */
} gs_vfs_event;

/* The lies that a test may tell: any operation may be late, any may fail, a write may stop half way,
 * a sync may fail and lose what it should have kept. Called from every storage thread at once.
 *   before   an SQLite result code other than 0 makes the operation fail with it
 *            (of a write, `errno` tells why: see gs_vfs_refusal)
 *   after    is told how it went
 *   room     bytes left on the disk; negative: ask the system. Any hook may be NULL */
typedef struct gs_vfs_hooks {
  int (*before)(void *ctx, gs_vfs_event *event);
  void (*after)(void *ctx, const gs_vfs_event *event, int rc);
  void *ctx;
  int64_t (*room)(void *ctx);
} gs_vfs_hooks;

typedef struct gs_vfs_counts {
  atomic_uint_fast64_t writes, written_bytes, syncs, sync_failures;
  atomic_int refusal;
} gs_vfs_counts;

typedef struct gs_vfs gs_vfs;

/* Registers a VFS under a name of its own. `hooks` may be NULL; they are copied. NULL: no memory. */
gs_vfs *gs_vfs_create(const gs_vfs_hooks *hooks);

/* After every database that was opened through it is closed. NULL is fine. */
void gs_vfs_destroy(gs_vfs *vfs);

/* For sqlite3_open_v2. */
const char *gs_vfs_name(const gs_vfs *vfs);

gs_vfs_counts *gs_vfs_counts_of(gs_vfs *vfs);

/* Syncs are tried again. After every database that was opened through it is closed, and the kernel has forgotten. */
void gs_vfs_trust(gs_vfs *vfs);

/* The errno of the last write or truncation, if the system refused it: EROFS, EACCES, EPERM. 0 after one that was not
 * refused. A user's quota and the limit of a file's size are a full disk to SQLite and everybody else. */
int gs_vfs_refusal(gs_vfs *vfs);

/* Room that is left for us where `folder` lies, and the size of that file system. False: it cannot be told. */
bool gs_vfs_room(const gs_vfs *vfs, const char *folder, uint64_t *left, uint64_t *size);

/* Asks the kernel to forget its copy of a file, so that the next read comes from the disk. */
void gs_vfs_forget(const char *path);

#endif
