/* What unit tests share: byte literals and an allocator that fails when it is told to.
 * Include after cmocka.h. */
#ifndef GS_TESTS_SUPPORT_H
#define GS_TESTS_SUPPORT_H

#include "gesso/base.h"

#include <stdlib.h>
#include <string.h>

#define BYTES(...) ((gesso_bytes){ (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) })
#define TEXT(s) ((gesso_bytes){ (const uint8_t *)(s), sizeof(s) - 1 })
#define CSTR(s) ((gesso_bytes){ (const uint8_t *)(s), strlen(s) })
#define GS_TEST_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define assert_bytes_equal(got, want)                                                                        \
  do {                                                                                                       \
    gesso_bytes got_ = (got), want_ = (want);                                                                \
    assert_int_equal(got_.len, want_.len);                                                                   \
    if (got_.len != 0)                                                                                       \
      assert_memory_equal(got_.data, want_.data, got_.len);                                                  \
  } while (0)

/* The lies this allocator tells: its nth growing call (fail_at, from 1) returns NULL, and with
 * fail_after_too every later one as well. It counts the bytes that are out. */
struct faulty {
  unsigned long fail_at; /* 0: never */
  unsigned long calls;
  size_t live;
  int failed;
  int fail_after_too;
};

static inline void *faulty_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  struct faulty *f = ctx;
  if (new_size > old_size) {
    f->calls++;
    if (f->fail_at != 0 && (f->calls == f->fail_at || (f->fail_after_too && f->calls > f->fail_at))) {
      f->failed = 1;
      return NULL;
    }
  }
  f->live += new_size;
  f->live -= old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  void *p = realloc(ptr, new_size);
  if (p == NULL)
    abort();
  return p;
}

#endif
