/* What every fuzz target shares. A target is one file, fuzz_<name>.c, whose first comment says what
 * must never happen; a FUZZ_CHECK that is false stops the run and keeps the input. */
#ifndef GS_FUZZ_H
#define GS_FUZZ_H

#include "gesso/base.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(what)                                                                   \
  do {                                                                                     \
    if (!(what)) {                                                                         \
      fprintf(stderr, "FUZZ_CHECK failed: %s:%d: %s\n", __FILE__, __LINE__, #what);        \
      abort();                                                                             \
    }                                                                                      \
  } while (0)

/* An allocator that counts what is held and refuses to pass `max`. At the end of a run `held` must
 * be 0 again. */
typedef struct fuzz_memory {
  gesso_allocator alloc;
  size_t held, max;
} fuzz_memory;

static inline void *fuzz_resize(void *ctx, void *p, size_t old_size, size_t new_size)
{
  fuzz_memory *fm = (fuzz_memory *)ctx;
  FUZZ_CHECK(fm->held >= old_size);
  if (new_size > old_size && fm->held - old_size > fm->max - (new_size < fm->max ? new_size : fm->max))
    return NULL;
  void *q = NULL;
  if (new_size == 0)
    free(p);
  else if ((q = realloc(p, new_size)) == NULL)
    return NULL;
  fm->held += new_size - old_size;
  return q;
}

static inline void fuzz_memory_init(fuzz_memory *fm, size_t max)
{
  *fm = (fuzz_memory){ { fuzz_resize, fm }, 0, max };
}

static inline bool fuzz_same(gesso_bytes a, gesso_bytes b)
{
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* A part of the input in memory of its own, so that a sanitizer sees every read past its end. */
static inline gesso_bytes fuzz_own(const uint8_t *data, size_t size)
{
  uint8_t *own = (uint8_t *)malloc(size > 0 ? size : 1);
  FUZZ_CHECK(own != NULL);
  if (size > 0)
    memcpy(own, data, size);
  return (gesso_bytes){ own, size };
}

static inline void fuzz_free(gesso_bytes own)
{
  free((void *)(uintptr_t)own.data);
}

#endif
