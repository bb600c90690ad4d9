/* What the tests of the network layer share. */
#ifndef GS_TEST_NET_H
#define GS_TEST_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

/* xorshift64*: the same numbers on every machine. Seeds must not be 0. */
static inline uint64_t test_random(uint64_t *state)
{
  uint64_t x = *state;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *state = x;
  return x * 2685821657736338717ull;
}

static inline uint32_t test_below(uint64_t *state, uint32_t n)
{
  return (uint32_t)((test_random(state) >> 32) * n >> 32);
}

static inline gesso_bytes bytes_of(const char *text)
{
  return (gesso_bytes){ (const uint8_t *)text, strlen(text) };
}

static inline void assert_bytes(gesso_bytes got, gesso_bytes want)
{
  assert_int_equal(got.len, want.len);
  if (want.len != 0)
    assert_memory_equal(got.data, want.data, want.len);
}

/* Counts what lives; fails its nth allocation and all after it (0: none). */
typedef struct test_allocator {
  gesso_allocator alloc;
  unsigned long calls, fail_at;
  size_t live, live_max;
} test_allocator;

static inline void *test_resize(void *ctx, void *p, size_t old_size, size_t new_size)
{
  test_allocator *ta = ctx;
  if (new_size == 0) {
    ta->live -= old_size;
    free(p);
    return NULL;
  }
  ta->calls++;
  if (ta->fail_at != 0 && ta->calls >= ta->fail_at)
    return NULL;
  void *q = realloc(p, new_size);
  if (q == NULL)
    return NULL;
  ta->live += new_size - old_size;
  if (ta->live > ta->live_max)
    ta->live_max = ta->live;
  return q;
}

static inline void test_allocator_init(test_allocator *ta)
{
  *ta = (test_allocator){ .alloc = { test_resize, ta } };
}

/* The same bytes right before a page that must not be touched, so that reading past the end stops
 * even a build without sanitizers. */
uint8_t *guarded_copy(const void *data, size_t len);
void guarded_free(uint8_t *copy, size_t len);

#endif
