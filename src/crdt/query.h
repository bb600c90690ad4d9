/* Paths of gesso/query.h, read. */
#ifndef GS_CRDT_QUERY_H
#define GS_CRDT_QUERY_H

#include "base/alloc.h"
#include "gesso/query.h"

#include <stdbool.h>

typedef enum gs_step_kind {
  GS_STEP_ROOT,
  GS_STEP_CURRENT,
  GS_STEP_MEMBERS, /* one or more names */
  GS_STEP_INDEXES, /* one or more indexes */
  GS_STEP_SLICE,
  GS_STEP_ALL,
  GS_STEP_DESCEND
} gs_step_kind;

typedef struct gs_step {
  gs_step_kind kind;
  uint32_t first, count;   /* MEMBERS: in names; INDEXES: in indexes */
  uint32_t from, to, step; /* SLICE */
} gs_step;

struct gesso_query {
  const gesso_allocator *alloc;
  gs_step *steps;
  uint32_t nsteps, steps_cap;
  gesso_bytes *names; /* in `text` */
  uint32_t nnames, names_cap;
  int32_t *indexes;
  uint32_t nindexes, indexes_cap;
  uint8_t *text; /* the path */
  size_t text_len;
};

#endif
