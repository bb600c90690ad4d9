/* Memory that is given back all at once: many small results of one reading. */
#ifndef GS_BASE_ARENA_H
#define GS_BASE_ARENA_H

#include "base/alloc.h"

struct gs_arena_block;

typedef struct gs_arena {
  const gesso_allocator *al;
  struct gs_arena_block *last; /* the block that is being filled; earlier ones hang off it */
} gs_arena;

static inline gs_arena gs_arena_make(const gesso_allocator *al)
{
  return (gs_arena){ .al = al };
}

/* n bytes, aligned for everything, not zeroed; never NULL for n == 0. NULL: memory is short. */
GESSO_MUST_USE void *gs_arena_alloc(gs_arena *arena, size_t n);
/* An array of zeroed elements. */
GESSO_MUST_USE void *gs_arena_array(gs_arena *arena, size_t count, size_t elem);
/* A copy of bytes. False: memory is short. */
GESSO_MUST_USE bool gs_arena_copy(gs_arena *arena, gesso_bytes *bytes);

/* Frees everything in it. */
void gs_arena_finish(gs_arena *arena);

/* Hands the memory on as one handle, NULL when there is none, and leaves the arena empty. */
void *gs_arena_detach(gs_arena *arena);
void gs_arena_free_detached(void *handle);

#endif
