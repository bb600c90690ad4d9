#include "cli/fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_stdio(const char *path)
{
  return path == NULL || strcmp(path, "-") == 0;
}

static bool complain(const char *who, const char *what, const char *path)
{
  fprintf(stderr, "%s: cannot %s %s: %s\n", who, what, path, strerror(errno));
  return false;
}

bool gs_cli_read_file(const char *who, const char *path, gs_buf *out)
{
  bool from_stdin = is_stdio(path);
  const char *name = from_stdin ? "standard input" : path;
  int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return complain(who, "open", name);
  struct stat st;
  /* One byte more than the file has, so that the last read finds the end without growing. */
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
    (void)gs_buf_room(out, (size_t)st.st_size + 1);
  bool ok = true;
  while (ok) {
    size_t room = out->b.capacity - out->b.len;
    if (!gs_buf_room(out, room > 0 ? room : 65536)) {
      errno = ENOMEM;
      ok = complain(who, "read", name);
      break;
    }
    ssize_t n = read(fd, out->b.data + out->b.len, out->b.capacity - out->b.len);
    if (n == 0)
      break;
    if (n > 0)
      out->b.len += (size_t)n;
    else if (errno != EINTR)
      ok = complain(who, "read", name);
  }
  if (!from_stdin)
    (void)close(fd);
  return ok;
}

static bool write_all(int fd, gesso_bytes bytes)
{
  while (bytes.len > 0) {
    ssize_t n = write(fd, bytes.data, bytes.len);
    if (n < 0) {
      if (errno == EINTR)
        continue;
      return false;
    }
    bytes.data += n;
    bytes.len -= (size_t)n;
  }
  return true;
}

/* A pipe, a terminal, /dev/null: there is nothing to rename. */
static bool write_in_place(const char *who, const char *path, gesso_bytes bytes)
{
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return complain(who, "open", path);
  bool ok = write_all(fd, bytes);
  if (!ok)
    (void)complain(who, "write", path);
  (void)close(fd);
  return ok;
}

bool gs_cli_write_file(const char *who, const char *path, gesso_bytes bytes)
{
  if (is_stdio(path))
    return write_all(STDOUT_FILENO, bytes) || complain(who, "write", "standard output");
  struct stat st;
  mode_t mode = 0644;
  if (stat(path, &st) == 0) {
    if (!S_ISREG(st.st_mode))
      return write_in_place(who, path, bytes);
    mode = st.st_mode & 07777;
  } else {
    mode_t mask = umask(0);
    (void)umask(mask);
    mode = 0666 & ~mask;
  }
  size_t size = strlen(path) + 8;
  char *temp = malloc(size);
  if (temp == NULL)
    return complain(who, "write", path);
  (void)snprintf(temp, size, "%s.XXXXXX", path);
  int fd = mkostemp(temp, O_CLOEXEC);
  bool ok = fd >= 0 && write_all(fd, bytes) && fchmod(fd, mode) == 0 && fsync(fd) == 0;
  if (fd >= 0 && close(fd) != 0)
    ok = false;
  if (ok)
    ok = rename(temp, path) == 0;
  if (!ok) {
    (void)complain(who, "write", path);
    if (fd >= 0)
      (void)unlink(temp);
  }
  free(temp);
  return ok;
}
