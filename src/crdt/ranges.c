/* Lists of clock ranges: delete sets. */
#include "crdt/doc_impl.h"

#include <stdlib.h>

static int by_client_and_clock(const void *a, const void *b)
{
  const gs_range *x = a, *y = b;
  if (x->client != y->client)
    return x->client < y->client ? -1 : 1;
  return x->clock < y->clock ? -1 : x->clock > y->clock;
}

enum { FEW = 32, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

static void sort_few(gs_range *v, uint32_t n)
{
  for (uint32_t i = 1; i < n; i++) {
    gs_range x = v[i];
    uint32_t at = i;
    for (; at > 0 && by_client_and_clock(&v[at - 1], &x) > 0; at--)
      v[at] = v[at - 1];
    v[at] = x;
  }
}

static inline uint64_t key_of(const gs_range *r)
{
  return (uint64_t)r->client << 32 | r->clock;
}

/* By one digit after the other, the lowest first; those that are the same everywhere are passed by. False: memory is
 * short. */
static bool sort_many(const gesso_allocator *alloc, gs_range *v, uint32_t n)
{
  gs_range *other = gs_alloc(alloc, n * sizeof *v), *from = v, *to = other;
  if (other == NULL)
    return false;
  uint64_t all = UINT64_MAX, any = 0;
  for (uint32_t i = 0; i < n; i++) {
    all &= key_of(&v[i]);
    any |= key_of(&v[i]);
  }
  for (unsigned shift = 0; shift < 64; shift += DIGIT_BITS) {
    uint32_t at[DIGITS] = { 0 };
    if (((all ^ any) >> shift & (DIGITS - 1)) == 0)
      continue;
    for (uint32_t i = 0; i < n; i++)
      at[key_of(&from[i]) >> shift & (DIGITS - 1)]++;
    for (uint32_t d = 0, before = 0, here; d < DIGITS; d++, before += here) {
      here = at[d];
      at[d] = before;
    }
    for (uint32_t i = 0; i < n; i++)
      to[at[key_of(&from[i]) >> shift & (DIGITS - 1)]++] = from[i];
    gs_range *was = from;
    from = to;
    to = was;
  }
  if (from != v)
    memcpy(v, from, n * sizeof *v);
  gs_free(alloc, other, n * sizeof *v);
  return true;
}

void gs_ranges_normalise(const gesso_allocator *alloc, gs_ranges *r)
{
  bool sorted = true;
  for (uint32_t i = 1; i < r->n && sorted; i++)
    sorted = by_client_and_clock(&r->v[i - 1], &r->v[i]) <= 0;
  if (!sorted && r->n <= FEW)
    sort_few(r->v, r->n);
  else if (!sorted && (r->n < DIGITS / 4 || !sort_many(alloc, r->v, r->n)))
    qsort(r->v, r->n, sizeof *r->v, by_client_and_clock);
  uint32_t n = 0;
  for (uint32_t i = 0; i < r->n; i++) {
    gs_range x = r->v[i];
    if (n > 0 && r->v[n - 1].client == x.client && r->v[n - 1].clock + r->v[n - 1].len >= x.clock) {
      uint32_t end = GS_MAX(r->v[n - 1].clock + r->v[n - 1].len, x.clock + x.len);
      r->v[n - 1].len = end - r->v[n - 1].clock;
    } else {
      r->v[n++] = x;
    }
  }
  r->n = n;
}
