/* What two sequences have in common, in order: for edits that turn one into the other. */
#ifndef GS_CRDT_LCS_H
#define GS_CRDT_LCS_H

#include "base/alloc.h"
#include "gesso/base.h"

#include <stdbool.h>

/* Elements are given by hashes. match[j] becomes i + 1 where b[j] stays as a[i], 0 where b[j] is new; the i
 * ascend. Minimal where the two differ by up to some hundred elements; beyond that good, and never
 * quadratic. False: no memory. */
GESSO_MUST_USE bool gs_lcs(const gesso_allocator *al, const uint64_t *a, uint32_t na, const uint64_t *b, uint32_t nb,
                           uint32_t *match);

#endif
