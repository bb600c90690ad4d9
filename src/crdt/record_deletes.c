#include "crdt/record.h"
#include "gesso/update.h"

void gs_deletes_read(gs_records *r, gs_deletes *out)
{
  gs_reader *rd = &r->rd;
  bool v2 = r->columns != NULL;
  uint64_t total = 0;
  uint32_t nclients = gs_read_count(rd, 2);
  for (uint32_t i = 0; i < nclients && rd->err == GESSO_OK; i++) {
    uint64_t client = gs_read_varuint(rd);
    uint32_t n = gs_read_count(rd, 2);
    total += n;
    if (v2 && total > GESSO_UPDATE_STRUCTS_MAX)
      gs_reader_fail(rd, GESSO_E_LIMIT, "too many delete ranges");
    if (rd->err == GESSO_OK && !gs_grow(NULL, &out->v, &out->cap, (size_t)out->n + n, sizeof *out->v))
      gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
    uint64_t at = 0;
    for (uint32_t k = 0; k < n && rd->err == GESSO_OK; k++) {
      gs_delete d = { .client = client };
      d.clock = gs_read_varuint(rd);
      d.len = gs_read_varuint(rd);
      if (v2) {
        d.clock += at;
        d.len++;
        at = d.clock + d.len;
      }
      if (d.clock > GS_MAX_SAFE_INTEGER || d.len > GS_MAX_SAFE_INTEGER - d.clock)
        gs_reader_fail(rd, GESSO_E_RANGE, "a clock is larger than 2^53 - 1");
      if (d.len > 0 && rd->err == GESSO_OK)
        out->v[out->n++] = d;
    }
  }
  if (rd->err == GESSO_OK && gs_reader_left(rd) > 0)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "there are bytes after the update");
}

static bool before(const gs_delete *a, const gs_delete *b, bool clocks)
{
  return a->client != b->client ? a->client > b->client : clocks && a->clock < b->clock;
}

static uint32_t run_end(const gs_delete *v, uint32_t n, uint32_t at, bool clocks)
{
  if (at < n)
    at++;
  while (at < n && !before(&v[at], &v[at - 1], clocks))
    at++;
  return at;
}

/* Merges neighbouring runs until there is one. Each update brings a set that is in order or nearly so. */
static bool sort(gs_deletes *d, bool clocks)
{
  uint32_t n = d->n;
  if (run_end(d->v, n, 0, clocks) == n)
    return true;
  size_t bytes = n * sizeof *d->v;
  gs_delete *from = d->v, *tmp = gs_alloc(NULL, bytes), *to = tmp;
  if (tmp == NULL)
    return false;
  while (run_end(from, n, 0, clocks) < n) {
    uint32_t out = 0;
    for (uint32_t a = 0; a < n;) {
      uint32_t b = run_end(from, n, a, clocks), a_end = b, b_end = run_end(from, n, b, clocks);
      while (a < a_end && b < b_end)
        to[out++] = before(&from[b], &from[a], clocks) ? from[b++] : from[a++];
      while (a < a_end)
        to[out++] = from[a++];
      while (b < b_end)
        to[out++] = from[b++];
      a = b_end;
    }
    gs_delete *swap = from;
    from = to;
    to = swap;
  }
  if (from != d->v)
    memcpy(d->v, from, bytes);
  gs_free(NULL, tmp, bytes);
  return true;
}

bool gs_deletes_by_client(gs_deletes *d, bool v2)
{
  if (!sort(d, false))
    return false;
  for (uint32_t i = 1; v2 && i < d->n; i++)
    if (d->v[i].client == d->v[i - 1].client && d->v[i].clock < d->v[i - 1].clock + d->v[i - 1].len)
      return gs_deletes_union(d);
  return true;
}

bool gs_deletes_union(gs_deletes *d)
{
  if (!sort(d, true))
    return false;
  uint32_t n = 0;
  for (uint32_t i = 0; i < d->n; i++) {
    gs_delete *last = n > 0 ? &d->v[n - 1] : NULL;
    if (last != NULL && last->client == d->v[i].client && last->clock + last->len >= d->v[i].clock)
      last->len = GS_MAX(last->len, d->v[i].clock + d->v[i].len - last->clock);
    else
      d->v[n++] = d->v[i];
  }
  d->n = n;
  return true;
}

void gs_deletes_write(gs_buf *out, bool v2, const gs_deletes *d)
{
  uint32_t nclients = 0;
  for (uint32_t i = 0; i < d->n; i++)
    nclients += i == 0 || d->v[i].client != d->v[i - 1].client;
  gs_write_varuint(out, nclients);
  for (uint32_t i = 0, end; i < d->n; i = end) {
    for (end = i; end < d->n && d->v[end].client == d->v[i].client;)
      end++;
    gs_write_varuint(out, d->v[i].client);
    gs_write_varuint(out, end - i);
    uint64_t at = 0;
    for (uint32_t k = i; k < end; k++) {
      gs_write_varuint(out, d->v[k].clock - at);
      gs_write_varuint(out, v2 ? d->v[k].len - 1 : d->v[k].len);
      if (v2)
        at = d->v[k].clock + d->v[k].len;
    }
  }
}

void gs_deletes_finish(gs_deletes *d)
{
  gs_free(NULL, d->v, d->cap * sizeof *d->v);
  *d = (gs_deletes){ 0 };
}
