#include "base/alloc.h"
#include "base/poison.h"

#include <stdlib.h>
#include <string.h>

void *gs_resize(const gesso_allocator *al, void *p, size_t old_size, size_t new_size)
{
  if (al != NULL)
    return al->resize(al->ctx, p, old_size, new_size);
  if (new_size == 0) {
    free(p);
    return NULL;
  }
  return realloc(p, new_size);
}

void *gs_alloc(const gesso_allocator *al, size_t n)
{
  return n == 0 ? NULL : gs_resize(al, NULL, 0, n);
}

void *gs_alloc_zero(const gesso_allocator *al, size_t n)
{
  if (n == 0)
    return NULL;
  if (al == NULL)
    return calloc(1, n);
  void *p = gs_resize(al, NULL, 0, n);
  if (p != NULL)
    memset(p, 0, n);
  return p;
}

void gs_free(const gesso_allocator *al, void *p, size_t size)
{
  if (p != NULL)
    p = gs_resize(al, p, size, 0);
}

bool gs_grow_slow(const gesso_allocator *al, void *items, uint32_t *cap, size_t need, size_t elem)
{
  if (need > UINT32_MAX)
    return false;
  size_t bytes = (size_t)*cap * elem;
  size_t want = (size_t)*cap + (bytes < 65536 ? *cap / 2 : *cap / 4);
  if (want < need || need * elem <= GS_EXACT_MAX)
    want = need;
  if (want > UINT32_MAX)
    want = UINT32_MAX;
  if (want > SIZE_MAX / elem)
    return false;
  void *p;
  memcpy(&p, items, sizeof p);
  p = gs_resize(al, p, bytes, want * elem);
  if (p == NULL)
    return false;
  memcpy(items, &p, sizeof p);
  *cap = (uint32_t)want;
  return true;
}
