#include "disk.h"

#include "os.h"
#include "trace.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

enum { SECTOR = 512, SHM_LOCKS = 8, SHM_REGIONS = 16, NAME = 48 };

typedef struct image {
  uint8_t *data;
  size_t len, cap;
} image;

/* A write or (data NULL) a truncation that no sync has covered. */
typedef struct change {
  struct change *next;
  uint64_t number;
  size_t offset, len; /* a truncation: to `offset` bytes */
  uint8_t data[];
} change;

typedef struct file {
  struct file *next;
  disk *disk;
  char name[NAME];        /* "": temporary */
  bool linked;            /* the name leads to it */
  bool certain;           /* the name would survive a power cut */
  image shown, durable;
  change *first, *last;
  size_t unsynced;
  uint32_t handles;
  uint32_t errors;        /* each failed sync is one; every handle is told once */
  /* locks of the database file */
  uint32_t shared;
  bool reserved, exclusive;
  /* shared memory */
  void *shm[SHM_REGIONS];
  uint32_t shm_handles, shm_shared[SHM_LOCKS];
  bool shm_exclusive[SHM_LOCKS];
} file;

struct disk {
  file *files; /* also those that were removed and may come back */
  disk_faults faults;
  uint64_t operations, fault_count, sync_failures, changes;
};

typedef struct handle {
  sqlite3_file base;
  file *f;
  int level;
  uint32_t errors_told;
  bool syncs_folder;      /* with its first sync, as SQLite's own VFS does for logs and journals */
  bool shm_open;
  uint16_t shm_shared, shm_exclusive;
} handle;

static disk *current;

static void *must(void *memory)
{
  if (memory == NULL)
    abort();
  return memory;
}

/* --- images --- */

static void image_resize(image *im, size_t len)
{
  if (len > im->cap) {
    im->cap = len + len / 2;
    im->data = must(realloc(im->data, im->cap));
  }
  if (len > im->len)
    memset(im->data + im->len, 0, len - im->len);
  im->len = len;
}

static void image_write(image *im, size_t offset, const uint8_t *data, size_t len)
{
  if (im->len < offset + len)
    image_resize(im, offset + len);
  memcpy(im->data + offset, data, len);
}

static image image_copy(const image *im)
{
  image copy = { NULL, 0, 0 };
  if (im->len != 0)
    image_write(&copy, 0, im->data, im->len);
  return copy;
}

static void apply(image *im, const change *c)
{
  if (c->len == 0)
    image_resize(im, c->offset);
  else
    image_write(im, c->offset, c->data, c->len);
}

/* Any of its sectors. */
static void apply_torn(image *im, const change *c)
{
  for (size_t at = 0; at < c->len; at += SECTOR)
    if (chance(50))
      image_write(im, c->offset + at, c->data + at, c->len - at < SECTOR ? c->len - at : SECTOR);
}

/* --- files --- */

static file *find_file(const disk *d, const char *name)
{
  file *f = d->files;
  while (f != NULL && !(f->linked && strcmp(f->name, name) == 0))
    f = f->next;
  return f;
}

static file *add_file(disk *d, const char *name)
{
  file *f = must(calloc(1, sizeof *f));
  f->disk = d;
  (void)snprintf(f->name, NAME, "%s", name);
  f->linked = true;
  f->next = d->files;
  d->files = f;
  return f;
}

static void drop_changes(file *f)
{
  for (change *c = f->first, *next; c != NULL; c = next) {
    next = c->next;
    free(c);
  }
  f->first = f->last = NULL;
  f->unsynced = 0;
}

static void free_shm(file *f)
{
  for (int i = 0; i < SHM_REGIONS; i++) {
    free(f->shm[i]);
    f->shm[i] = NULL;
  }
}

static void remove_file(file *f)
{
  file **at = &f->disk->files;
  while (*at != f)
    at = &(*at)->next;
  *at = f->next;
  drop_changes(f);
  free_shm(f);
  free(f->shown.data);
  free(f->durable.data);
  free(f);
}

/* Removed, closed, and nothing of it can come back. */
static void forget_if_gone(file *f)
{
  if (!f->linked && !f->certain && f->handles == 0)
    remove_file(f);
}

/* The folder is synced with the first sync of a new file: what was removed stays removed. */
static void settle_folder(disk *d)
{
  for (file *f = d->files, *next; f != NULL; f = next) {
    next = f->next;
    if (!f->linked) {
      f->certain = false;
      forget_if_gone(f);
    }
  }
}

static void note_change(file *f, size_t offset, const uint8_t *data, size_t len)
{
  change *c = must(malloc(sizeof *c + len));
  *c = (change){ .number = ++f->disk->changes, .offset = offset, .len = len };
  if (len != 0)
    memcpy(c->data, data, len);
  if (f->first == NULL)
    f->first = c;
  else
    f->last->next = c;
  f->last = c;
  f->unsynced++;
}

static change *pop_change(file *f)
{
  change *c = f->first;
  f->first = c->next;
  if (f->first == NULL)
    f->last = NULL;
  f->unsynced--;
  return c;
}

/* --- the whole --- */

disk *disk_create(void)
{
  return must(calloc(1, sizeof(disk)));
}

void disk_destroy(disk *d)
{
  if (d == NULL)
    return;
  while (d->files != NULL) {
    if (d->files->handles != 0)
      violated("%s is still open", d->files->name);
    remove_file(d->files);
  }
  if (current == d)
    current = NULL;
  free(d);
}

void disk_use(disk *d)
{
  current = d;
}

void disk_set_faults(disk *d, const disk_faults *faults)
{
  d->faults = *faults;
}

uint64_t disk_fault_count(const disk *d)
{
  return d->fault_count;
}

uint64_t disk_sync_failures(const disk *d)
{
  return d->sync_failures;
}

bool disk_has(const disk *d, const char *name)
{
  const file *f = find_file(d, name);
  return f != NULL && f->shown.len != 0;
}

uint64_t disk_operations(const disk *d)
{
  return d->operations;
}

size_t disk_unsynced(const disk *d)
{
  size_t n = 0;
  for (const file *f = d->files; f != NULL; f = f->next)
    n += f->unsynced;
  return n;
}

disk *disk_after_kill(const disk *d)
{
  disk *to = disk_create();
  to->faults = d->faults;
  to->operations = d->operations;
  to->fault_count = d->fault_count;
  to->sync_failures = d->sync_failures;
  file **end = &to->files;
  for (const file *f = d->files; f != NULL; f = f->next) {
    if (f->name[0] == '\0' || (!f->linked && !f->certain))
      continue;
    file *copy = must(calloc(1, sizeof *copy));
    copy->disk = to;
    memcpy(copy->name, f->name, NAME);
    copy->linked = f->linked;
    copy->certain = f->certain;
    copy->shown = image_copy(&f->shown);
    copy->durable = image_copy(&f->durable);
    for (const change *c = f->first; c != NULL; c = c->next) {
      note_change(copy, c->offset, c->data, c->len);
      copy->last->number = c->number;
    }
    *end = copy;
    end = &copy->next;
  }
  to->changes = d->changes;
  return to;
}

typedef enum cut_kind { LOSE_ALL, KEEP_BEFORE, KEEP_SOME, KEEP_ALL } cut_kind;

static bool cut_file(const file *f, cut_kind kind, uint64_t moment, image *out)
{
  bool kept = false;
  *out = image_copy(&f->durable);
  for (const change *c = f->first; c != NULL; c = c->next) {
    uint32_t dice = kind == KEEP_SOME ? roll(100) : 0;
    if (kind == KEEP_ALL || (kind == KEEP_BEFORE && c->number < moment) || (kind == KEEP_SOME && dice < 45)) {
      apply(out, c);
      kept = true;
    } else if ((kind == KEEP_BEFORE && c->number == moment) || (kind == KEEP_SOME && dice < 60)) {
      apply_torn(out, c);
      kept = true;
    }
  }
  return kept;
}

disk *disk_after_power_cut(const disk *d)
{
  disk *to = disk_create();
  cut_kind kind = (cut_kind)roll(4);
  uint64_t oldest = d->changes;
  to->faults = d->faults;
  to->operations = d->operations;
  to->fault_count = d->fault_count;
  to->sync_failures = d->sync_failures;
  for (const file *f = d->files; f != NULL; f = f->next)
    if (f->first != NULL && f->first->number < oldest)
      oldest = f->first->number;
  uint64_t moment = oldest + roll((uint32_t)(d->changes - oldest + 1));
  for (const file *f = d->files; f != NULL; f = f->next) {
    if (f->name[0] == '\0' || !f->linked)
      continue;
    image found;
    bool there = cut_file(f, kind, moment, &found) || f->certain;
    if (there) {
      file *copy = add_file(to, f->name);
      copy->certain = true;
      copy->durable = found;
      copy->shown = image_copy(&found);
    } else {
      free(found.data);
    }
  }
  for (const file *f = d->files; f != NULL; f = f->next) {
    if (f->linked || !f->certain || find_file(to, f->name) != NULL || chance(50))
      continue;
    file *copy = add_file(to, f->name);
    copy->certain = true;
    (void)cut_file(f, kind, moment, &copy->durable);
    copy->shown = image_copy(&copy->durable);
  }
  return to;
}

/* --- what goes wrong --- */

static bool fault(disk *d, const char *what, const char *name, uint32_t permille)
{
  if (os_on_stage() || !chance_permille(permille))
    return false;
  d->fault_count++;
  trace("disk: %s of %s fails", what, name);
  return true;
}

static void operation(file *f, const char *what, int64_t at, const void *data, size_t len)
{
  f->disk->operations++;
  if (!os_on_stage())
    trace_bytes(what, f->name, at, data, len);
  os_yield();
}

static void take_time(const disk *d)
{
  if (d->faults.slow_us != 0)
    os_sleep_us(1 + roll(d->faults.slow_us));
}

/* --- SQLite's methods of a file --- */

static file *file_of(sqlite3_file *base)
{
  return ((handle *)(void *)base)->f;
}

static int file_read(sqlite3_file *base, void *into, int n, sqlite3_int64 offset)
{
  file *f = file_of(base);
  operation(f, "read", offset, NULL, (size_t)n);
  if (fault(f->disk, "a read", f->name, f->disk->faults.read))
    return SQLITE_IOERR_READ;
  size_t at = (size_t)offset, want = (size_t)n;
  size_t there = at >= f->shown.len ? 0 : f->shown.len - at < want ? f->shown.len - at : want;
  if (there != 0)
    memcpy(into, f->shown.data + at, there);
  if (there == want)
    return SQLITE_OK;
  memset((uint8_t *)into + there, 0, want - there);
  return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *from, int n, sqlite3_int64 offset)
{
  file *f = file_of(base);
  disk *d = f->disk;
  size_t at = (size_t)offset, len = (size_t)n;
  operation(f, "write", offset, from, len);
  if (roll(16) == 0)
    take_time(d);
  int rc = SQLITE_OK;
  if (fault(d, "a write", f->name, d->faults.write)) {
    rc = SQLITE_IOERR_WRITE;
    len = chance(50) ? 0 : roll((uint32_t)len);
  } else if (d->faults.full && !os_on_stage() && at + len > f->shown.len) {
    trace("disk: no room for %s", f->name);
    d->fault_count++;
    rc = SQLITE_FULL;
    len = at < f->shown.len ? f->shown.len - at : 0;
  }
  if (len != 0) {
    image_write(&f->shown, at, from, len);
    if (f->name[0] != '\0')
      note_change(f, at, from, len);
  }
  return rc;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
  file *f = file_of(base);
  operation(f, "truncate", size, NULL, 0);
  if (fault(f->disk, "a truncation", f->name, f->disk->faults.write))
    return SQLITE_IOERR_TRUNCATE;
  image_resize(&f->shown, (size_t)size);
  note_change(f, (size_t)size, NULL, 0);
  return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
  (void)flags;
  file *f = file_of(base);
  uint64_t covers = f->disk->changes;
  operation(f, "sync", (int64_t)f->unsynced, NULL, 0);
  take_time(f->disk);
  bool failed = fault(f->disk, "a sync", f->name, f->disk->faults.sync);
  while (f->first != NULL && f->first->number <= covers) {
    change *c = pop_change(f);
    if (!failed || chance(50))
      apply(&f->durable, c);
    free(c);
  }
  f->disk->sync_failures += failed;
  f->errors += failed;
  handle *h = (handle *)(void *)base;
  if (h->errors_told != f->errors) { /* perhaps it was somebody else's sync that failed meanwhile */
    h->errors_told = f->errors;
    return SQLITE_IOERR_FSYNC;
  }
  if (h->syncs_folder || (!f->certain && f->linked))
    settle_folder(f->disk);
  h->syncs_folder = false;
  f->certain = f->linked;
  return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
  *size = (sqlite3_int64)file_of(base)->shown.len;
  return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
  handle *h = (handle *)(void *)base;
  file *f = h->f;
  if (h->level >= level)
    return SQLITE_OK;
  if (h->level == SQLITE_LOCK_NONE) {
    if (f->exclusive)
      return SQLITE_BUSY;
    f->shared++;
    h->level = SQLITE_LOCK_SHARED;
  }
  if (level >= SQLITE_LOCK_RESERVED && h->level < SQLITE_LOCK_RESERVED) {
    if (f->reserved)
      return SQLITE_BUSY;
    f->reserved = true;
    h->level = SQLITE_LOCK_RESERVED;
  }
  if (level == SQLITE_LOCK_EXCLUSIVE) {
    if (f->shared > 1)
      return SQLITE_BUSY;
    f->exclusive = true;
    h->level = SQLITE_LOCK_EXCLUSIVE;
  }
  return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level)
{
  handle *h = (handle *)(void *)base;
  file *f = h->f;
  if (h->level >= SQLITE_LOCK_EXCLUSIVE && level < SQLITE_LOCK_EXCLUSIVE)
    f->exclusive = false;
  if (h->level >= SQLITE_LOCK_RESERVED && level < SQLITE_LOCK_RESERVED)
    f->reserved = false;
  if (h->level >= SQLITE_LOCK_SHARED && level < SQLITE_LOCK_SHARED)
    f->shared--;
  if (level < h->level)
    h->level = level;
  return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *base, int *out)
{
  *out = file_of(base)->reserved;
  return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *argument)
{
  (void)base;
  (void)op;
  (void)argument;
  return SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *base)
{
  (void)base;
  return 4096;
}

static int file_characteristics(sqlite3_file *base)
{
  (void)base;
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as SQLite's own VFS says of every disk */
}

static int shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
  handle *h = (handle *)(void *)base;
  file *f = h->f;
  if (!h->shm_open) {
    h->shm_open = true;
    f->shm_handles++;
  }
  *out = NULL;
  if (region >= SHM_REGIONS)
    return SQLITE_IOERR_SHMSIZE;
  if (f->shm[region] == NULL && extend)
    f->shm[region] = must(calloc(1, (size_t)size));
  *out = f->shm[region];
  return SQLITE_OK;
}

static int shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
  handle *h = (handle *)(void *)base;
  file *f = h->f;
  os_yield();
  for (int i = offset; i < offset + n && (flags & SQLITE_SHM_LOCK) != 0; i++) {
    bool mine = ((h->shm_shared | h->shm_exclusive) >> i & 1) != 0;
    bool others = f->shm_exclusive[i] || ((flags & SQLITE_SHM_EXCLUSIVE) != 0 && f->shm_shared[i] != 0);
    if (!mine && others)
      return SQLITE_BUSY;
  }
  for (int i = offset; i < offset + n; i++) {
    uint16_t bit = (uint16_t)(1u << i);
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
      f->shm_shared[i] -= (h->shm_shared & bit) != 0;
      if ((h->shm_exclusive & bit) != 0)
        f->shm_exclusive[i] = false;
      h->shm_shared &= (uint16_t)~bit;
      h->shm_exclusive &= (uint16_t)~bit;
    } else if ((flags & SQLITE_SHM_SHARED) != 0 && (h->shm_shared & bit) == 0) {
      f->shm_shared[i]++;
      h->shm_shared |= bit;
    } else if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
      f->shm_exclusive[i] = true;
      h->shm_exclusive |= bit;
    }
  }
  return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *base)
{
  (void)base;
}

static int shm_unmap(sqlite3_file *base, int remove)
{
  handle *h = (handle *)(void *)base;
  (void)remove;
  if (!h->shm_open)
    return SQLITE_OK;
  (void)shm_lock(base, 0, SHM_LOCKS, SQLITE_SHM_UNLOCK | SQLITE_SHM_SHARED);
  h->shm_open = false;
  if (--h->f->shm_handles == 0)
    free_shm(h->f); /* the first to come back begins with an empty one, as SQLite's own VFS has it */
  return SQLITE_OK;
}

static int file_close(sqlite3_file *base)
{
  file *f = file_of(base);
  (void)shm_unmap(base, 0);
  (void)file_unlock(base, SQLITE_LOCK_NONE);
  f->handles--;
  if (f->name[0] == '\0')
    f->linked = f->certain = false;
  forget_if_gone(f);
  base->pMethods = NULL;
  return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
  .iVersion = 2,
  .xClose = file_close,
  .xRead = file_read,
  .xWrite = file_write,
  .xTruncate = file_truncate,
  .xSync = file_sync,
  .xFileSize = file_size,
  .xLock = file_lock,
  .xUnlock = file_unlock,
  .xCheckReservedLock = file_check_reserved,
  .xFileControl = file_control,
  .xSectorSize = file_sector_size,
  .xDeviceCharacteristics = file_characteristics,
  .xShmMap = shm_map,
  .xShmLock = shm_lock,
  .xShmBarrier = shm_barrier,
  .xShmUnmap = shm_unmap,
};

/* --- SQLite's methods of a file system --- */

static const char *name_of(const char *path)
{
  const char *slash = path == NULL ? NULL : strrchr(path, '/');
  return path == NULL ? "" : slash == NULL ? path : slash + 1;
}

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *flags_out)
{
  (void)vfs;
  handle *h = (handle *)(void *)base;
  const char *name = name_of(path);
  *h = (handle){ 0 };
  os_yield();
  if (fault(current, "an open", name, current->faults.write / 4))
    return SQLITE_CANTOPEN;
  file *f = name[0] == '\0' ? NULL : find_file(current, name);
  if (f == NULL) {
    if (name[0] != '\0' && (flags & SQLITE_OPEN_CREATE) == 0)
      return SQLITE_CANTOPEN;
    f = add_file(current, name);
  }
  h->f = f;
  h->errors_told = f->errors;
  h->syncs_folder = (flags & SQLITE_OPEN_CREATE) != 0 && (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0;
  f->handles++;
  base->pMethods = &methods;
  if (flags_out != NULL)
    *flags_out = flags;
  return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
  (void)vfs;
  file *f = find_file(current, name_of(path));
  os_yield();
  if (f == NULL)
    return SQLITE_IOERR_DELETE_NOENT;
  trace_bytes("delete", f->name, sync_folder, NULL, 0);
  f->linked = false;
  if (sync_folder)
    f->certain = false;
  forget_if_gone(f);
  return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
  (void)vfs;
  (void)flags;
  const file *f = find_file(current, name_of(path));
  *out = f != NULL && (flags != SQLITE_ACCESS_EXISTS || f->shown.len != 0); /* SQLite's own says so of empty ones */
  return SQLITE_OK;
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *path, int n, char *out)
{
  (void)vfs;
  size_t len = strlen(path);
  if (len >= (size_t)n)
    return SQLITE_CANTOPEN;
  memcpy(out, path, len + 1);
  return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int n, char *out)
{
  (void)vfs;
  for (int i = 0; i < n; i++)
    out[i] = (char)(trace_random() >> 24);
  return n;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
  (void)vfs;
  if (os_on_stage())
    os_advance_us((uint64_t)us);
  os_sleep_us((uint64_t)us);
  return us;
}

static int vfs_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
  (void)vfs;
  *out = (sqlite3_int64)os_wall_ms() + INT64_C(210866760000000); /* since noon in Greenwich on 24 November 4714 BC */
  return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *vfs, double *out)
{
  sqlite3_int64 ms;
  (void)vfs_time_ms(vfs, &ms);
  *out = (double)ms / 86400000.0;
  return SQLITE_OK;
}

static int vfs_last_error(sqlite3_vfs *vfs, int n, char *out)
{
  (void)vfs;
  (void)n;
  (void)out;
  return 0;
}

void disk_register(void)
{
  static sqlite3_vfs vfs = {
    .iVersion = 2,
    .szOsFile = sizeof(handle),
    .mxPathname = 1024,
    .zName = "sim",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_pathname,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_last_error,
    .xCurrentTimeInt64 = vfs_time_ms,
  };
  if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
    abort();
}

/* --- what the store asks of the kernel itself; the names that --wrap gives. NOLINTBEGIN --- */

void __wrap_gs_vfs_forget(const char *path);
int __wrap_statvfs(const char *path, struct statvfs *out);
int __wrap_statvfs64(const char *path, struct statvfs *out); /* its name where offsets of 64 bits are asked for */

/* A terabyte, half of it free, or nothing: unless that comes as a surprise. */
int __wrap_statvfs(const char *path, struct statvfs *out)
{
  (void)path;
  fsblkcnt_t all = (fsblkcnt_t)1 << 28, left = current->faults.full && current->faults.full_is_told ? 0 : all / 2;
  *out = (struct statvfs){ .f_bsize = 4096, .f_frsize = 4096, .f_blocks = all, .f_bfree = left, .f_bavail = left };
  return 0;
}

int __wrap_statvfs64(const char *path, struct statvfs *out)
{
  return __wrap_statvfs(path, out);
}

/* The clean part of what the kernel shows goes; what is still to be written stays. */
void __wrap_gs_vfs_forget(const char *path)
{
  file *f = find_file(current, name_of(path));
  if (f == NULL)
    return;
  free(f->shown.data);
  f->shown = image_copy(&f->durable);
  for (const change *c = f->first; c != NULL; c = c->next)
    apply(&f->shown, c);
}
/* NOLINTEND */
