#include "base/arena.h"
#include "base/poison.h"

#include <string.h>

#define FIRST_BLOCK 512u
#define LARGEST_BLOCK 65536u

/* Knows its allocator, so that a detached chain can be freed by itself. */
typedef struct gs_arena_block {
  struct gs_arena_block *before;
  const gesso_allocator *al;
  size_t size, used; /* with this header */
} block;

static const size_t align = _Alignof(max_align_t);
#define HEADER ((sizeof(block) + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t))

void *gs_arena_alloc(gs_arena *arena, size_t n)
{
  if (n > SIZE_MAX / 2)
    return NULL;
  size_t part = (n + align - 1) / align * align + GS_RED_ZONE;
  block *b = arena->last;
  if (b == NULL || b->size - b->used < part) {
    size_t size = b == NULL ? FIRST_BLOCK : GS_MIN(b->size * 2, (size_t)LARGEST_BLOCK);
    size = GS_MAX(size, HEADER + part);
    block *fresh = gs_alloc(arena->al, size);
    if (fresh == NULL)
      return NULL;
    *fresh = (block){ .before = b, .al = arena->al, .size = size, .used = HEADER };
    arena->last = b = fresh;
    GS_POISON((uint8_t *)b + HEADER, size - HEADER);
  }
  uint8_t *p = (uint8_t *)b + b->used;
  b->used += part;
  GS_UNPOISON(p, n);
  return p;
}

void *gs_arena_array(gs_arena *arena, size_t count, size_t elem)
{
  if (elem != 0 && count > SIZE_MAX / 2 / elem)
    return NULL;
  void *p = gs_arena_alloc(arena, count * elem);
  if (p != NULL)
    memset(p, 0, count * elem);
  return p;
}

bool gs_arena_copy(gs_arena *arena, gesso_bytes *bytes)
{
  uint8_t *p = gs_arena_alloc(arena, bytes->len);
  if (p == NULL)
    return false;
  if (bytes->len > 0)
    memcpy(p, bytes->data, bytes->len);
  bytes->data = p;
  return true;
}

void gs_arena_finish(gs_arena *arena)
{
  gs_arena_free_detached(gs_arena_detach(arena));
}

void *gs_arena_detach(gs_arena *arena)
{
  void *handle = arena->last;
  arena->last = NULL;
  return handle;
}

void gs_arena_free_detached(void *handle)
{
  for (block *b = handle, *before; b != NULL; b = before) {
    before = b->before;
    GS_UNPOISON(b, b->size);
    gs_free(b->al, b, b->size);
  }
}
