#include "store/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct gs_vfs {
  sqlite3_vfs base;
  sqlite3_vfs *real;
  gs_vfs_hooks hooks;
  gs_vfs_counts counts;
  atomic_bool in_doubt; /* a sync has failed */
  char name[40];
};

/* The real file's object lies behind ours in the memory that SQLite gives to xOpen. */
typedef struct vfs_file {
  sqlite3_file base;
  sqlite3_file *real;
  gs_vfs *vfs;
  const char *path; /* SQLite keeps it while the file is open */
} vfs_file;

static vfs_file *file_of(sqlite3_file *f)
{
  return (vfs_file *)(void *)f;
}

static int before(gs_vfs *vfs, gs_vfs_event *ev)
{
  return vfs->hooks.before == NULL ? SQLITE_OK : vfs->hooks.before(vfs->hooks.ctx, ev);
}

static int after(gs_vfs *vfs, const gs_vfs_event *ev, int rc)
{
  if (vfs->hooks.after != NULL)
    vfs->hooks.after(vfs->hooks.ctx, ev, rc);
  return rc;
}

/* Why a write failed. To SQLite, which looks at ENOSPC alone, the rest is a broken disk. */
static int judge(gs_vfs *vfs, int rc, int error)
{
  bool refused = rc != SQLITE_OK && (error == EROFS || error == EACCES || error == EPERM);
  if (refused || atomic_load_explicit(&vfs->counts.refusal, memory_order_relaxed) != 0)
    atomic_store(&vfs->counts.refusal, refused ? error : 0);
  return (rc & 0xff) == SQLITE_IOERR && (error == EDQUOT || error == EFBIG || error == ENOSPC) ? SQLITE_FULL : rc;
}

static int vfs_close(sqlite3_file *file)
{
  vfs_file *f = file_of(file);
  gs_vfs_event ev = { .op = GS_VFS_CLOSE, .path = f->path };
  (void)before(f->vfs, &ev);
  int rc = f->real->pMethods == NULL ? SQLITE_OK : f->real->pMethods->xClose(f->real);
  return after(f->vfs, &ev, rc);
}

static int vfs_read(sqlite3_file *file, void *into, int n, sqlite3_int64 offset)
{
  vfs_file *f = file_of(file);
  gs_vfs_event ev = { .op = GS_VFS_READ, .path = f->path, .offset = offset, .len = (size_t)n };
  int rc = before(f->vfs, &ev);
  if (rc == SQLITE_OK)
    rc = f->real->pMethods->xRead(f->real, into, n, offset);
  return after(f->vfs, &ev, rc);
}

static int vfs_write(sqlite3_file *file, const void *from, int n, sqlite3_int64 offset)
{
  vfs_file *f = file_of(file);
  gs_vfs_event ev = { GS_VFS_WRITE, f->path, offset, (size_t)n, from, (size_t)n };
  errno = 0;
  int rc = before(f->vfs, &ev);
  int todo = ev.allowed < (size_t)n ? (int)ev.allowed : n;
  if (rc == SQLITE_OK && todo < n)
    rc = SQLITE_IOERR_WRITE;
  if (rc == SQLITE_OK) {
    rc = f->real->pMethods->xWrite(f->real, from, n, offset);
  } else if (todo > 0 && todo < n) {
    int why = errno;
    (void)f->real->pMethods->xWrite(f->real, from, todo, offset);
    errno = why;
  }
  rc = judge(f->vfs, rc, errno);
  atomic_fetch_add_explicit(&f->vfs->counts.writes, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&f->vfs->counts.written_bytes, (uint64_t)n, memory_order_relaxed);
  return after(f->vfs, &ev, rc);
}

static int vfs_truncate(sqlite3_file *file, sqlite3_int64 size)
{
  vfs_file *f = file_of(file);
  gs_vfs_event ev = { .op = GS_VFS_TRUNCATE, .path = f->path, .offset = size };
  errno = 0;
  int rc = before(f->vfs, &ev);
  if (rc == SQLITE_OK)
    rc = f->real->pMethods->xTruncate(f->real, size);
  return after(f->vfs, &ev, judge(f->vfs, rc, errno));
}

static int vfs_sync(sqlite3_file *file, int flags)
{
  vfs_file *f = file_of(file);
  gs_vfs_event ev = { .op = GS_VFS_SYNC, .path = f->path };
  if (atomic_load(&f->vfs->in_doubt))
    return SQLITE_IOERR_FSYNC;
  int rc = before(f->vfs, &ev);
  if (rc == SQLITE_OK)
    rc = f->real->pMethods->xSync(f->real, flags);
  atomic_fetch_add_explicit(&f->vfs->counts.syncs, 1, memory_order_relaxed);
  if (rc != SQLITE_OK) {
    atomic_store(&f->vfs->in_doubt, true);
    atomic_fetch_add(&f->vfs->counts.sync_failures, 1);
  } else if (atomic_load(&f->vfs->in_doubt)) {
    rc = SQLITE_IOERR_FSYNC; /* the kernel tells of a failure once, and somebody else has heard it */
  }
  return after(f->vfs, &ev, rc);
}

static int vfs_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
  vfs_file *f = file_of(file);
  return f->real->pMethods->xFileSize(f->real, size);
}

static int vfs_lock(sqlite3_file *file, int level)
{
  vfs_file *f = file_of(file);
  return f->real->pMethods->xLock(f->real, level);
}

static int vfs_unlock(sqlite3_file *file, int level)
{
  vfs_file *f = file_of(file);
  return f->real->pMethods->xUnlock(f->real, level);
}

static int vfs_check_reserved(sqlite3_file *file, int *out)
{
  vfs_file *f = file_of(file);
  return f->real->pMethods->xCheckReservedLock(f->real, out);
}

static int vfs_control(sqlite3_file *file, int op, void *arg)
{
  vfs_file *f = file_of(file);
  return f->real->pMethods->xFileControl(f->real, op, arg);
}

static int vfs_sector_size(sqlite3_file *file)
{
  vfs_file *f = file_of(file);
  return f->real->pMethods->xSectorSize(f->real);
}

static int vfs_characteristics(sqlite3_file *file)
{
  vfs_file *f = file_of(file);
  return f->real->pMethods->xDeviceCharacteristics(f->real);
}

static int vfs_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
  vfs_file *f = file_of(file);
  return f->real->pMethods->xShmMap(f->real, page, size, extend, out);
}

static int vfs_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
  vfs_file *f = file_of(file);
  return f->real->pMethods->xShmLock(f->real, offset, n, flags);
}

static void vfs_shm_barrier(sqlite3_file *file)
{
  vfs_file *f = file_of(file);
  f->real->pMethods->xShmBarrier(f->real);
}

static int vfs_shm_unmap(sqlite3_file *file, int delete_it)
{
  vfs_file *f = file_of(file);
  return f->real->pMethods->xShmUnmap(f->real, delete_it);
}

/* Version 2: no xFetch, so that every read passes here (and a disk error is no SIGBUS). */
static const sqlite3_io_methods methods = {
  .iVersion = 2,
  .xClose = vfs_close,
  .xRead = vfs_read,
  .xWrite = vfs_write,
  .xTruncate = vfs_truncate,
  .xSync = vfs_sync,
  .xFileSize = vfs_file_size,
  .xLock = vfs_lock,
  .xUnlock = vfs_unlock,
  .xCheckReservedLock = vfs_check_reserved,
  .xFileControl = vfs_control,
  .xSectorSize = vfs_sector_size,
  .xDeviceCharacteristics = vfs_characteristics,
  .xShmMap = vfs_shm_map,
  .xShmLock = vfs_shm_lock,
  .xShmBarrier = vfs_shm_barrier,
  .xShmUnmap = vfs_shm_unmap,
};

static gs_vfs *vfs_of(sqlite3_vfs *base)
{
  return (gs_vfs *)(void *)base;
}

static int vfs_open(sqlite3_vfs *base, const char *path, sqlite3_file *file, int flags, int *flags_out)
{
  gs_vfs *vfs = vfs_of(base);
  vfs_file *f = file_of(file);
  *f = (vfs_file){ .real = (sqlite3_file *)(void *)(f + 1), .vfs = vfs, .path = path == NULL ? "" : path };
  gs_vfs_event ev = { .op = GS_VFS_OPEN, .path = f->path };
  int rc = before(vfs, &ev);
  if (rc == SQLITE_OK)
    rc = vfs->real->xOpen(vfs->real, path, f->real, flags, flags_out);
  if (rc == SQLITE_OK)
    f->base.pMethods = &methods; /* on failure it stays NULL, and SQLite does not call xClose */
  return after(vfs, &ev, rc);
}

static int vfs_delete(sqlite3_vfs *base, const char *path, int sync_dir)
{
  gs_vfs *vfs = vfs_of(base);
  gs_vfs_event ev = { .op = GS_VFS_DELETE, .path = path };
  int rc = before(vfs, &ev);
  if (rc == SQLITE_OK)
    rc = vfs->real->xDelete(vfs->real, path, sync_dir);
  return after(vfs, &ev, rc);
}

static int vfs_access(sqlite3_vfs *base, const char *path, int flags, int *out)
{
  sqlite3_vfs *real = vfs_of(base)->real;
  return real->xAccess(real, path, flags, out);
}

static int vfs_full_pathname(sqlite3_vfs *base, const char *path, int n, char *out)
{
  sqlite3_vfs *real = vfs_of(base)->real;
  return real->xFullPathname(real, path, n, out);
}

static int vfs_randomness(sqlite3_vfs *base, int n, char *out)
{
  sqlite3_vfs *real = vfs_of(base)->real;
  return real->xRandomness(real, n, out);
}

static int vfs_sleep(sqlite3_vfs *base, int us)
{
  sqlite3_vfs *real = vfs_of(base)->real;
  return real->xSleep(real, us);
}

static int vfs_time(sqlite3_vfs *base, double *out)
{
  sqlite3_vfs *real = vfs_of(base)->real;
  return real->xCurrentTime(real, out);
}

static int vfs_time_i64(sqlite3_vfs *base, sqlite3_int64 *out)
{
  sqlite3_vfs *real = vfs_of(base)->real;
  return real->xCurrentTimeInt64(real, out);
}

static int vfs_last_error(sqlite3_vfs *base, int n, char *out)
{
  sqlite3_vfs *real = vfs_of(base)->real;
  return real->xGetLastError == NULL ? 0 : real->xGetLastError(real, n, out);
}

gs_vfs *gs_vfs_create(const gs_vfs_hooks *hooks)
{
  sqlite3_vfs *real = sqlite3_vfs_find(NULL);
  if (real == NULL)
    return NULL;
  gs_vfs *vfs = calloc(1, sizeof *vfs);
  if (vfs == NULL)
    return NULL;
  (void)snprintf(vfs->name, sizeof vfs->name, "gesso-%p", (void *)vfs);
  vfs->real = real;
  if (hooks != NULL)
    vfs->hooks = *hooks;
  vfs->base = (sqlite3_vfs){
    .iVersion = 2,
    .szOsFile = (int)sizeof(vfs_file) + real->szOsFile,
    .mxPathname = real->mxPathname,
    .zName = vfs->name,
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_pathname,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_last_error,
    .xCurrentTimeInt64 = vfs_time_i64,
  };
  if (sqlite3_vfs_register(&vfs->base, 0) != SQLITE_OK) {
    free(vfs);
    return NULL;
  }
  return vfs;
}

void gs_vfs_destroy(gs_vfs *vfs)
{
  if (vfs == NULL)
    return;
  (void)sqlite3_vfs_unregister(&vfs->base);
  free(vfs);
}

const char *gs_vfs_name(const gs_vfs *vfs)
{
  return vfs->name;
}

gs_vfs_counts *gs_vfs_counts_of(gs_vfs *vfs)
{
  return &vfs->counts;
}

void gs_vfs_trust(gs_vfs *vfs)
{
  atomic_store(&vfs->in_doubt, false);
}

int gs_vfs_refusal(gs_vfs *vfs)
{
  return atomic_load(&vfs->counts.refusal);
}

bool gs_vfs_room(const gs_vfs *vfs, const char *folder, uint64_t *left, uint64_t *size)
{
  struct statvfs st;
  int64_t told = vfs->hooks.room == NULL ? -1 : vfs->hooks.room(vfs->hooks.ctx);
  if (statvfs(folder, &st) != 0)
    return false;
  *size = (uint64_t)st.f_blocks * st.f_frsize;
  *left = told >= 0 ? (uint64_t)told : (uint64_t)st.f_bavail * st.f_frsize;
  return st.f_blocks != 0; /* some file systems that are not on a disk know no sizes */
}

void gs_vfs_forget(const char *path)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  (void)close(fd); /* SQLite's locks on a database file would go with this; see the caller */
}
