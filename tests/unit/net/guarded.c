#include "net_test.h"

#include <sys/mman.h>
#include <unistd.h>

static size_t whole_pages(size_t len)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return (len + page - 1) / page * page;
}

uint8_t *guarded_copy(const void *data, size_t len)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = whole_pages(len);
  uint8_t *base = mmap(NULL, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_true(base != MAP_FAILED);
  assert_int_equal(mprotect(base + room, page, PROT_NONE), 0);
  if (len != 0)
    memcpy(base + room - len, data, len);
  return base + room - len;
}

void guarded_free(uint8_t *copy, size_t len)
{
  size_t page = (size_t)sysconf(_SC_PAGESIZE), room = whole_pages(len);
  assert_int_equal(munmap(copy + len - room, room + page), 0);
}
