/* VACUUM INTO reads one view of the database and writes a new one without gaps: the online backup of SQLite begins
 * anew with every commit of somebody else, and comes to no end beside a busy writer. */
#include "store/backup.h"

#include "base/clock.h"
#include "store/explain.h"
#include "store/lockfile.h"
#include "store/migrate.h"
#include "store/sqlite.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gesso_status status_of_errno(void)
{
  return errno == ENOSPC || errno == EDQUOT ? GESSO_E_FULL : GESSO_E_IO;
}

/* "<a>/<b>"; false: too long. */
static bool join(char out[PATH_MAX], const char *a, const char *b)
{
  int n = snprintf(out, PATH_MAX, "%s/%s", a, b);
  return n > 0 && n < PATH_MAX;
}

static bool sync_path(const char *path, int flags)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
  bool ok = fd >= 0 && fsync(fd) == 0;
  if (fd >= 0)
    (void)close(fd);
  return ok;
}

static bool copy_file(const char *from, const char *to, uint64_t *bytes)
{
  static const size_t piece = (size_t)1 << 24;
  int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  bool ok = in >= 0 && out >= 0;
  while (ok) {
    ssize_t n = copy_file_range(in, NULL, out, NULL, piece, 0);
    if (n == 0)
      break;
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
      uint8_t buf[65536];
      n = read(in, buf, sizeof buf);
      if (n == 0)
        break;
      for (ssize_t at = 0; n > 0 && at < n;) {
        ssize_t w = write(out, buf + at, (size_t)(n - at));
        if (w < 0 && errno != EINTR)
          n = -1;
        at += w > 0 ? w : 0;
      }
    }
    ok = n > 0;
    *bytes += ok ? (uint64_t)n : 0;
  }
  ok = ok && fsync(out) == 0;
  int error = errno;
  if (in >= 0)
    (void)close(in);
  if (out >= 0)
    ok = close(out) == 0 && ok;
  errno = ok ? errno : error;
  return ok;
}

/* A folder with its files and folders; what is not there is nothing. Temporary files are left out. */
static bool copy_folder(const char *from, const char *to, unsigned depth, uint64_t *bytes)
{
  DIR *dir = opendir(from);
  if (dir == NULL)
    return errno == ENOENT;
  bool ok = mkdir(to, 0777) == 0;
  for (const struct dirent *e; ok && (e = readdir(dir)) != NULL;) {
    char a[PATH_MAX], b[PATH_MAX];
    struct stat st;
    if (e->d_name[0] == '.' || strncmp(e->d_name, "tmp-", 4) == 0)
      continue;
    ok = join(a, from, e->d_name) && join(b, to, e->d_name) && lstat(a, &st) == 0;
    if (ok && S_ISDIR(st.st_mode))
      ok = depth < 8 && copy_folder(a, b, depth + 1, bytes);
    else if (ok && S_ISREG(st.st_mode))
      ok = copy_file(a, b, bytes);
  }
  (void)closedir(dir);
  return ok && sync_path(to, O_DIRECTORY);
}

/* What an attempt that failed left behind. */
static void remove_folder(const char *path, unsigned depth)
{
  DIR *dir = opendir(path);
  for (const struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
    char a[PATH_MAX];
    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || !join(a, path, e->d_name))
      continue;
    if (unlink(a) != 0 && depth < 8)
      remove_folder(a, depth + 1);
  }
  if (dir != NULL)
    (void)closedir(dir);
  (void)rmdir(path);
}

static int vacuum_into(sqlite3 *db, const char *path)
{
  char *sql = sqlite3_mprintf("VACUUM INTO %Q", path);
  int rc = sql == NULL ? SQLITE_NOMEM : gs_sql_exec(db, sql);
  sqlite3_free(sql);
  return rc;
}

static gesso_status open_source(const char *folder, sqlite3 **db, gesso_buffer *why)
{
  int version = 0;
  *db = NULL;
  if (!gs_data_folder_exists(folder))
    return gs_explain(why, GESSO_E_NOTFOUND, "%s holds no boards: there is no gesso.db in it", folder);
  int rc = gs_sql_open(folder, NULL, GS_SQL_READER, db);
  if (rc != SQLITE_OK)
    return gs_explain(why, gs_sql_status(rc), gs_sql_why(rc), folder);
  gesso_status s = gs_schema_version(*db, &version);
  if (s == GESSO_E_VERSION)
    return gs_explain(why, s, "%s was written by a newer gesso; use that one", folder);
  if (s == GESSO_E_CORRUPT)
    return gs_explain(why, s, "%s/gesso.db is not a database of gesso, or it is damaged", folder);
  return s == GESSO_OK ? s : gs_explain(why, s, "cannot read %s/gesso.db; check the disk and the rights", folder);
}

/* Copies database and images into the new folder `to`. */
static gesso_status copy_all(const char *from, const char *to, uint64_t *bytes, gesso_buffer *why)
{
  char path[PATH_MAX], images[PATH_MAX], their_images[PATH_MAX];
  sqlite3 *db;
  struct stat st;
  gesso_status s = open_source(from, &db, why);
  if (s == GESSO_OK && (!join(path, to, "gesso.db") || !join(images, to, "images") || !join(their_images, from, "images")))
    s = gs_explain(why, GESSO_E_USAGE, "the path %s is too long", to);
  if (s == GESSO_OK) {
    int rc = vacuum_into(db, path);
    if (rc != SQLITE_OK)
      s = gs_explain(why, gs_sql_status(rc), "the database could not be copied: %s", sqlite3_errmsg(db));
  }
  (void)sqlite3_close(db);
  if (s == GESSO_OK && !sync_path(path, 0))
    s = gs_explain(why, status_of_errno(), "the copy could not be brought onto the disk: %s", strerror(errno));
  if (s == GESSO_OK && stat(path, &st) == 0)
    *bytes += (uint64_t)st.st_size;
  if (s == GESSO_OK && !copy_folder(their_images, images, 0, bytes))
    s = gs_explain(why, status_of_errno(), "the images could not be copied: %s", strerror(errno));
  if (s == GESSO_OK && !sync_path(to, O_DIRECTORY))
    s = gs_explain(why, status_of_errno(), "the copy could not be brought onto the disk: %s", strerror(errno));
  return s;
}

/* Renames and makes that last. */
static bool rename_synced(const char *from, const char *to)
{
  char parent[PATH_MAX];
  if (rename(from, to) != 0)
    return false;
  (void)snprintf(parent, sizeof parent, "%s", to);
  char *slash = strrchr(parent, '/');
  if (slash == NULL)
    return sync_path(".", O_DIRECTORY);
  slash[slash == parent] = '\0';
  return sync_path(parent, O_DIRECTORY);
}

gesso_status gs_backup(const char *folder, const char *out, uint64_t *bytes_out, gesso_buffer *why)
{
  char part[PATH_MAX], target[PATH_MAX];
  struct stat st;
  size_t len = strlen(out);
  *bytes_out = 0;
  while (len > 1 && out[len - 1] == '/')
    len--;
  int n = snprintf(target, sizeof target, "%.*s", (int)len, out);
  int m = snprintf(part, sizeof part, "%.*s.part", (int)len, out);
  if (len == 0 || n < 0 || (size_t)n >= sizeof target || m < 0 || (size_t)m >= sizeof part)
    return gs_explain(why, GESSO_E_USAGE, "%s is no path for a backup", out);
  if (lstat(target, &st) == 0)
    return gs_explain(why, GESSO_E_USAGE, "%s is there already; a backup wants a new folder", target);
  if (!gs_data_folder_exists(folder))
    return gs_explain(why, GESSO_E_NOTFOUND, "%s holds no boards: there is no gesso.db in it", folder);
  remove_folder(part, 0); /* of an attempt that was killed */
  if (mkdir(part, 0777) != 0)
    return gs_explain(why, status_of_errno(), "the folder for the backup cannot be made: %s", strerror(errno));
  gesso_status s = copy_all(folder, part, bytes_out, why);
  if (s == GESSO_OK && !rename_synced(part, target))
    s = gs_explain(why, status_of_errno(), "the backup could not be brought onto the disk: %s", strerror(errno));
  if (s != GESSO_OK)
    remove_folder(part, 0);
  return s;
}

/* What is in the folder goes into a folder of its own. */
static gesso_status set_aside(const char *folder, gesso_buffer *why)
{
  static const char *const names[] = { "gesso.db-wal", "gesso.db-shm", "gesso.db", "images" };
  char name[64], aside[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
  (void)snprintf(name, sizeof name, "replaced-%lld", (long long)gs_clock_wall_ms(NULL));
  if (!join(aside, folder, name) || mkdir(aside, 0777) != 0)
    return gs_explain(why, status_of_errno(), "the boards that are there cannot be moved: %s", strerror(errno));
  /* The log first would leave a database without it, if the power went now: the other way round. */
  for (size_t i = GS_COUNT(names); i-- > 0;) {
    bool ok = join(from, folder, names[i]) && join(to, aside, names[i]);
    if (ok && rename(from, to) != 0 && errno != ENOENT)
      ok = false;
    if (!ok)
      return gs_explain(why, status_of_errno(), "the boards that are there cannot be moved: %s", strerror(errno));
  }
  return GESSO_OK;
}

gesso_status gs_backup_restore(const char *backup, const char *folder, bool replace, gesso_buffer *why)
{
  char part[PATH_MAX], from[PATH_MAX], to[PATH_MAX];
  gs_lockfile lock = GS_LOCKFILE_NONE;
  uint64_t bytes = 0;
  if (!gs_data_folder_exists(backup))
    return gs_explain(why, GESSO_E_NOTFOUND, "%s is no backup: there is no gesso.db in it", backup);
  gesso_status s = gs_lockfile_take(&lock, folder, "gesso restore", NULL, why);
  if (s != GESSO_OK)
    return s;
  if (gs_data_folder_exists(folder) && !replace)
    s = gs_explain(why, GESSO_E_USAGE, "there are boards in %s already; --replace moves them out of the way", folder);
  if (s == GESSO_OK && !join(part, folder, "restore.part"))
    s = gs_explain(why, GESSO_E_USAGE, "the path %s is too long", folder);
  if (s == GESSO_OK) {
    remove_folder(part, 0);
    if (mkdir(part, 0777) != 0)
      s = gs_explain(why, status_of_errno(), "the folder cannot be written to: %s", strerror(errno));
    else
      s = copy_all(backup, part, &bytes, why);
    if (s == GESSO_OK && gs_data_folder_exists(folder))
      s = set_aside(folder, why);
    /* The database last: before that there are no boards in the folder. */
    static const char *const names[] = { "images", "gesso.db" };
    for (size_t i = 0; i < GS_COUNT(names) && s == GESSO_OK; i++)
      if (!join(from, part, names[i]) || !join(to, folder, names[i]) ||
          (!rename_synced(from, to) && !(i == 0 && errno == ENOENT)))
        s = gs_explain(why, status_of_errno(), "the restored boards could not be put in place: %s", strerror(errno));
    remove_folder(part, 0);
  }
  gs_lockfile_release(&lock);
  return s;
}

gesso_status gs_backup_before(sqlite3 *db, const char *folder, const char *name)
{
  char dir[PATH_MAX], path[PATH_MAX];
  if (!join(dir, folder, "backups") || !join(path, dir, name))
    return GESSO_E_USAGE;
  if (mkdir(dir, 0777) != 0 && errno != EEXIST)
    return status_of_errno();
  int rc = vacuum_into(db, path);
  if (rc != SQLITE_OK)
    return gs_sql_status(rc);
  return sync_path(path, 0) && sync_path(dir, O_DIRECTORY) ? GESSO_OK : GESSO_E_IO;
}

gesso_status gs_store_vacuum(const char *folder, uint64_t *before_out, uint64_t *after_out, gesso_buffer *why)
{
  gs_lockfile lock = GS_LOCKFILE_NONE;
  sqlite3 *db = NULL;
  int64_t before = 0, after = 0;
  int version = 0;
  if (!gs_data_folder_exists(folder))
    return gs_explain(why, GESSO_E_NOTFOUND, "%s holds no boards: there is no gesso.db in it", folder);
  gesso_status s = gs_lockfile_take(&lock, folder, "gesso compact", NULL, why);
  if (s != GESSO_OK)
    return s;
  int rc = gs_sql_open(folder, NULL, GS_SQL_WRITER, &db);
  s = rc != SQLITE_OK ? gs_sql_status(rc) : gs_schema_version(db, &version);
  if (s == GESSO_OK) {
    rc = gs_sql_int(db, "PRAGMA page_count", &before);
    if (rc == SQLITE_OK)
      rc = gs_sql_exec(db, "VACUUM");
    if (rc == SQLITE_OK)
      rc = gs_sql_int(db, "PRAGMA page_count", &after);
    if (rc == SQLITE_OK)
      rc = sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    s = (rc & 0xff) == SQLITE_BUSY && after != 0 ? GESSO_OK : gs_sql_status(rc);
  }
  if (s != GESSO_OK)
    (void)gs_explain(why, s, "the database could not be compacted: %s", db != NULL ? sqlite3_errmsg(db) : gesso_status_text(s));
  (void)sqlite3_close(db);
  gs_lockfile_release(&lock);
  *before_out = (uint64_t)before * 4096;
  *after_out = (uint64_t)after * 4096;
  return s;
}
