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

void gs_ranges_normalise(gs_ranges *r)
{
  bool sorted = true;
  for (uint32_t i = 1; i < r->n && sorted; i++)
    sorted = by_client_and_clock(&r->v[i - 1], &r->v[i]) <= 0;
  if (!sorted)
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
