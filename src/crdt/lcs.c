/* Myers' greedy algorithm ("An O(ND) Difference Algorithm", 1986) up to DISTANCE_MAX differences. What differs
 * more is cut at elements that occur once on both sides, as patience diff does, and the pieces in
 * between are tried again. */
#include "crdt/lcs.h"

#include <stdlib.h>
#include <string.h>

#define DISTANCE_MAX 400
#define DEPTH_MAX 16

typedef struct lcs {
  const gesso_allocator *alloc;
  const uint64_t *a, *b;
  uint32_t *match;
  int32_t *trace; /* row d: the ends of diagonals -d .. d, d * d entries before it */
} lcs;

static void keep(lcs *l, uint32_t i, uint32_t j)
{
  l->match[j] = i + 1;
}

/* False: they are further apart than DISTANCE_MAX, and nothing was kept. */
static bool myers(lcs *l, uint32_t a0, uint32_t a1, uint32_t b0, uint32_t b1)
{
  int32_t n = (int32_t)(a1 - a0), m = (int32_t)(b1 - b0);
  const uint64_t *a = l->a + a0, *b = l->b + b0;
  for (int32_t d = 0; d <= DISTANCE_MAX; d++) {
    int32_t *row = l->trace + (size_t)d * (size_t)d + (size_t)d;
    const int32_t *up = d == 0 ? NULL : l->trace + (size_t)(d - 1) * (size_t)(d - 1) + (size_t)(d - 1);
    for (int32_t k = -d; k <= d; k++) {
      int32_t x = 0;
      if (((k + d) & 1) != 0) {
        row[k] = -1; /* not reached with d differences */
        continue;
      }
      if (d > 0) {
        int32_t down = k < d - 1 ? up[k + 1] : -1, right = k > -d + 1 ? up[k - 1] + 1 : -1;
        x = down > right ? down : right;
      }
      int32_t y = x - k;
      while (x < n && y >= 0 && y < m && a[x] == b[y]) {
        x++;
        y++;
      }
      row[k] = x;
      if (x < n || y < m)
        continue;
      /* Walk back along the rows. */
      for (; d > 0; d--) {
        up = l->trace + (size_t)(d - 1) * (size_t)(d - 1) + (size_t)(d - 1);
        int32_t down = k < d - 1 ? up[k + 1] : -1, right = k > -d + 1 ? up[k - 1] + 1 : -1;
        int32_t from = down > right ? down : right;
        for (int32_t at = x; at > from; at--)
          keep(l, a0 + (uint32_t)at - 1, b0 + (uint32_t)(at - k) - 1);
        x = down > right ? down : right - 1;
        k = down > right ? k + 1 : k - 1;
      }
      for (; x > 0; x--)
        keep(l, a0 + (uint32_t)x - 1, b0 + (uint32_t)x - 1);
      return true;
    }
  }
  return false;
}

typedef struct place {
  uint64_t hash;
  uint32_t at;
} place;

static int by_hash(const void *x, const void *y)
{
  uint64_t p = ((const place *)x)->hash, q = ((const place *)y)->hash;
  return p < q ? -1 : p > q;
}

/* Sorts the elements by hash and leaves only those that occur once. */
static uint32_t only_once(place *v, uint32_t n)
{
  uint32_t kept = 0;
  qsort(v, n, sizeof *v, by_hash);
  for (uint32_t i = 0; i < n;) {
    uint32_t end = i + 1;
    while (end < n && v[end].hash == v[i].hash)
      end++;
    if (end == i + 1)
      v[kept++] = v[i];
    i = end;
  }
  return kept;
}

typedef struct anchor {
  uint32_t i, j;
} anchor;

static int by_i(const void *x, const void *y)
{
  uint32_t p = ((const anchor *)x)->i, q = ((const anchor *)y)->i;
  return p < q ? -1 : p > q;
}

/* The longest run of anchors, sorted by i, whose j ascend; written to the front. */
static bool ascending(const gesso_allocator *al, anchor *v, uint32_t *n)
{
  uint32_t count = *n, len = 0;
  uint32_t *tails = gs_alloc(al, (size_t)count * 2 * sizeof *tails + sizeof *tails), *before;
  if (tails == NULL)
    return false;
  before = tails + count;
  for (uint32_t x = 0; x < count; x++) {
    uint32_t lo = 0, hi = len;
    while (lo < hi) {
      uint32_t mid = (lo + hi) / 2;
      if (v[tails[mid]].j < v[x].j)
        lo = mid + 1;
      else
        hi = mid;
    }
    before[x] = lo == 0 ? UINT32_MAX : tails[lo - 1];
    tails[lo] = x;
    if (lo == len)
      len++;
  }
  uint32_t x = len == 0 ? UINT32_MAX : tails[len - 1];
  for (uint32_t at = len; at > 0; at--) {
    tails[at - 1] = x;
    x = before[x];
  }
  for (uint32_t at = 0; at < len; at++)
    v[at] = v[tails[at]];
  gs_free(al, tails, (size_t)count * 2 * sizeof *tails + sizeof *tails);
  *n = len;
  return true;
}

static bool common(lcs *l, uint32_t a0, uint32_t a1, uint32_t b0, uint32_t b1, unsigned depth);

static bool by_anchors(lcs *l, uint32_t a0, uint32_t a1, uint32_t b0, uint32_t b1, unsigned depth)
{
  uint32_t na = a1 - a0, nb = b1 - b0, n = 0;
  size_t size = ((size_t)na + nb) * sizeof(place);
  place *pa = gs_alloc(l->alloc, size), *pb;
  if (pa == NULL)
    return false;
  pb = pa + na;
  for (uint32_t i = 0; i < na; i++)
    pa[i] = (place){ l->a[a0 + i], a0 + i };
  for (uint32_t j = 0; j < nb; j++)
    pb[j] = (place){ l->b[b0 + j], b0 + j };
  uint32_t ua = only_once(pa, na), ub = only_once(pb, nb);
  size_t anchors_size = (size_t)GS_MIN(ua, ub) * sizeof(anchor) + sizeof(anchor);
  anchor *v = gs_alloc(l->alloc, anchors_size);
  bool ok = v != NULL;
  for (uint32_t x = 0, y = 0; ok && x < ua && y < ub;) {
    if (pa[x].hash == pb[y].hash)
      v[n++] = (anchor){ pa[x++].at, pb[y++].at };
    else if (pa[x].hash < pb[y].hash)
      x++;
    else
      y++;
  }
  gs_free(l->alloc, pa, size);
  if (ok) {
    qsort(v, n, sizeof *v, by_i);
    ok = ascending(l->alloc, v, &n);
  }
  for (uint32_t x = 0; ok && x < n; x++) {
    keep(l, v[x].i, v[x].j);
    ok = common(l, a0, v[x].i, b0, v[x].j, depth + 1);
    a0 = v[x].i + 1;
    b0 = v[x].j + 1;
  }
  if (ok && n != 0)
    ok = common(l, a0, a1, b0, b1, depth + 1);
  gs_free(l->alloc, v, anchors_size);
  return ok;
}

static bool common(lcs *l, uint32_t a0, uint32_t a1, uint32_t b0, uint32_t b1, unsigned depth)
{
  while (a0 < a1 && b0 < b1 && l->a[a0] == l->b[b0])
    keep(l, a0++, b0++);
  while (a0 < a1 && b0 < b1 && l->a[a1 - 1] == l->b[b1 - 1])
    keep(l, --a1, --b1);
  if (a0 == a1 || b0 == b1 || myers(l, a0, a1, b0, b1) || depth == DEPTH_MAX)
    return true;
  return by_anchors(l, a0, a1, b0, b1, depth);
}

bool gs_lcs(const gesso_allocator *al, const uint64_t *a, uint32_t na, const uint64_t *b, uint32_t nb, uint32_t *match)
{
  size_t size = (size_t)(DISTANCE_MAX + 1) * (DISTANCE_MAX + 1) * sizeof(int32_t);
  lcs l = { .alloc = al, .a = a, .b = b, .match = match };
  if (nb != 0)
    memset(match, 0, (size_t)nb * sizeof *match);
  if (na == 0 || nb == 0)
    return true;
  l.trace = gs_alloc(al, size);
  if (l.trace == NULL)
    return false;
  bool ok = common(&l, 0, na, 0, nb, 0);
  gs_free(al, l.trace, size);
  return ok;
}
