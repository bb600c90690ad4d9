#include "store/lockfile.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static gesso_status make_folder(const char *folder)
{
  char path[PATH_MAX];
  size_t n = strlen(folder);
  if (n == 0 || n + 32 > sizeof path)
    return GESSO_E_USAGE;
  memcpy(path, folder, n + 1);
  for (char *p = path + 1; *p != '\0'; p++) {
    if (*p != '/')
      continue;
    *p = '\0';
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
      return GESSO_E_IO;
    *p = '/';
  }
  if (mkdir(path, 0777) != 0 && errno != EEXIST)
    return GESSO_E_IO;
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? GESSO_OK : GESSO_E_IO;
}

/* The value of `key` in the lock file's lines, or `otherwise`. */
static void field(const char *text, const char *key, const char *otherwise, char *out, size_t out_size)
{
  const char *p = strstr(text, key);
  if (p == NULL) {
    (void)snprintf(out, out_size, "%s", otherwise);
    return;
  }
  p += strlen(key);
  (void)snprintf(out, out_size, "%.*s", (int)strcspn(p, "\n"), p);
}

static void explain_busy(gs_buf *why, const char *folder, int fd)
{
  char text[1024], pid[32], owner[200], address[400];
  ssize_t n = pread(fd, text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = '\0';
  field(text, "pid ", "unknown", pid, sizeof pid);
  field(text, "owner ", "a program using gesso", owner, sizeof owner);
  field(text, "address ", "", address, sizeof address);
  gs_buf_printf(why, "%s is open for writing by process %s (%s)", folder, pid, owner);
  if (address[0] != '\0') {
    gs_buf_printf(why,
                  ". Use its API instead: POST %s/api/boards makes a board, DELETE %s/api/boards/<name> deletes one, "
                  "and any Yjs client can draw on it. list, show and export work on the folder while it runs",
                  address, address);
  } else {
    gs_buf_puts(why, ". Ask that program, or stop it first. list, show and export work while it runs");
  }
}

gesso_status gs_lockfile_take(gs_lockfile *lock, const char *folder, const char *owner, const char *address,
                              gesso_buffer *why_out)
{
  *lock = GS_LOCKFILE_NONE;
  gs_buf why = gs_buf_make(why_out == NULL ? NULL : why_out->alloc);
  char path[PATH_MAX];
  int fd = -1;
  gesso_status s = make_folder(folder);
  if (s == GESSO_E_USAGE) {
    gs_buf_puts(&why, "the path of the data folder is empty or too long");
  } else if (s != GESSO_OK) {
    gs_buf_printf(&why, "cannot make the data folder %s: %s", folder, strerror(errno));
  } else {
    (void)snprintf(path, sizeof path, "%s/gesso.lock", folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
      s = GESSO_E_IO;
      gs_buf_printf(&why, "cannot write %s: %s", path, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      s = errno == EWOULDBLOCK ? GESSO_E_BUSY : GESSO_E_IO;
      if (s == GESSO_E_BUSY)
        explain_busy(&why, folder, fd);
      else
        gs_buf_printf(&why, "cannot lock %s: %s", path, strerror(errno));
    }
  }
  if (s == GESSO_OK) {
    lock->fd = fd;
    if (owner != NULL)
      gs_lockfile_describe(lock, owner, address);
  } else if (fd >= 0) {
    (void)close(fd);
  }
  if (s != GESSO_OK && why_out != NULL) {
    gesso_buffer_free(why_out);
    *why_out = gs_buf_take(&why);
  }
  gs_buf_finish(&why);
  return s;
}

void gs_lockfile_describe(gs_lockfile *lock, const char *owner, const char *address)
{
  if (lock->fd < 0)
    return;
  char text[1024];
  int n = snprintf(text, sizeof text, "pid %ld\nowner %.*s\n", (long)getpid(), (int)strcspn(owner, "\n"), owner);
  if (n > 0 && (size_t)n < sizeof text && address != NULL && address[0] != '\0')
    n += snprintf(text + n, sizeof text - (size_t)n, "address %.*s\n", (int)strcspn(address, "\n"), address);
  if (n < 0 || (size_t)n >= sizeof text)
    n = (int)sizeof text - 1;
  /* Only for people: a reader that sees half of it loses nothing. */
  if (ftruncate(lock->fd, 0) != 0 || pwrite(lock->fd, text, (size_t)n, 0) != n)
    return;
}

void gs_lockfile_release(gs_lockfile *lock)
{
  if (lock->fd >= 0) {
    /* The text goes, the file stays: removing it would let two writers lock two different files. */
    if (ftruncate(lock->fd, 0) != 0)
      errno = 0;
    (void)close(lock->fd);
  }
  *lock = GS_LOCKFILE_NONE;
}

bool gs_data_folder_exists(const char *folder)
{
  char path[PATH_MAX];
  struct stat st;
  if (strlen(folder) + 32 > sizeof path)
    return false;
  (void)snprintf(path, sizeof path, "%s/gesso.db", folder);
  return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}
