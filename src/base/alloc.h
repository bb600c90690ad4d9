/* Allocation through gesso_allocator. NULL means malloc. */
#ifndef GS_BASE_ALLOC_H
#define GS_BASE_ALLOC_H

#include "gesso/base.h"

#include <stdbool.h>

/* n == 0 returns NULL. */
GESSO_MUST_USE void *gs_alloc(const gesso_allocator *al, size_t n);
GESSO_MUST_USE void *gs_alloc_zero(const gesso_allocator *al, size_t n);
GESSO_MUST_USE void *gs_resize(const gesso_allocator *al, void *p, size_t old_size, size_t new_size);
void gs_free(const gesso_allocator *al, void *p, size_t size);

/* Makes room for `need` elements of `elem` bytes in *items (capacity *cap elements), growing by
 * half (a quarter past 64 KB). Returns false, with nothing changed, when memory is short. */
GESSO_MUST_USE bool gs_grow_slow(const gesso_allocator *al, void *items, uint32_t *cap, size_t need, size_t elem);
GESSO_MUST_USE static inline bool gs_grow(const gesso_allocator *al, void *items, uint32_t *cap, size_t need, size_t elem)
{
  return need <= *cap || gs_grow_slow(al, items, cap, need, elem);
}

#define GS_NEW(al, T) ((T *)gs_alloc_zero((al), sizeof(T)))
#define GS_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define GS_MIN(a, b) ((a) < (b) ? (a) : (b))
#define GS_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
