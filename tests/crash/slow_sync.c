/* For LD_PRELOAD: every sync of this process takes GESSO_SYNC_DELAY_MS longer, and fails while the
 * file named by GESSO_SYNC_FAIL exists. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fsync(int fd);
int fdatasync(int fd);

static int slowly(long call, int fd)
{
  const char *delay = getenv("GESSO_SYNC_DELAY_MS"), *fail = getenv("GESSO_SYNC_FAIL");
  long ms = delay == NULL ? 0 : atol(delay);
  struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };
  (void)nanosleep(&ts, NULL);
  if (fail != NULL && access(fail, F_OK) == 0) {
    errno = EIO;
    return -1;
  }
  return (int)syscall(call, fd);
}

__attribute__((visibility("default"))) int fsync(int fd)
{
  return slowly(SYS_fsync, fd);
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
  return slowly(SYS_fdatasync, fd);
}
