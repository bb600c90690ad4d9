/* Snapshots: made, written, read, compared. */
#include "crdt/snapshot.h"

#include "crdt/record.h"
#include "crdt/update.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <stdlib.h>

static gesso_status failed(gesso_status status, const char *message, gesso_error *error_out)
{
  if (error_out != NULL)
    *error_out = (gesso_error){ status, 0, message };
  return status;
}

gesso_snapshot *gesso_snapshot_create_empty(const gesso_allocator *alloc)
{
  gesso_snapshot *s = GS_NEW(alloc, gesso_snapshot);
  if (s != NULL)
    s->alloc = alloc;
  return s;
}

void gesso_snapshot_destroy(gesso_snapshot *s)
{
  if (s == NULL)
    return;
  gs_free(s->alloc, s->states, s->states_cap * sizeof *s->states);
  gs_free(s->alloc, s->deletes, s->deletes_cap * sizeof *s->deletes);
  gs_free(s->alloc, s, sizeof *s);
}

uint64_t gs_snapshot_clock(const gesso_snapshot *s, uint64_t client)
{
  uint32_t lo = 0, hi = s->nstates;
  while (lo < hi) {
    uint32_t mid = lo + (hi - lo) / 2;
    if (s->states[mid].client > client)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo < s->nstates && s->states[lo].client == client ? s->states[lo].clock : 0;
}

/* --- order --- */

static int state_order(const void *a, const void *b)
{
  uint64_t x = ((const gs_snap_state *)a)->client, y = ((const gs_snap_state *)b)->client;
  return x < y ? 1 : x > y ? -1 : 0;
}

static int range_order(const void *a, const void *b)
{
  const gs_snap_range *x = a, *y = b;
  if (x->client != y->client)
    return x->client < y->client ? 1 : -1;
  return x->clock < y->clock ? -1 : x->clock > y->clock;
}

/* What Yjs writes is in order already, and is only looked through. */
static void sort(void *v, uint32_t n, size_t size, int (*order)(const void *, const void *))
{
  const char *p = v;
  for (uint32_t i = 1; i < n; i++)
    if (order(p + (i - 1) * size, p + i * size) > 0) {
      qsort(v, n, size, order);
      return;
    }
}

static void normalise(gesso_snapshot *s)
{
  sort(s->states, s->nstates, sizeof *s->states, state_order);
  sort(s->deletes, s->ndeletes, sizeof *s->deletes, range_order);
  uint32_t n = 0;
  for (uint32_t i = 0; i < s->ndeletes; i++) {
    gs_snap_range r = s->deletes[i];
    if (n > 0 && s->deletes[n - 1].client == r.client && s->deletes[n - 1].end >= r.clock)
      s->deletes[n - 1].end = GS_MAX(s->deletes[n - 1].end, r.end);
    else
      s->deletes[n++] = r;
  }
  s->ndeletes = n;
}

gesso_status gesso_snapshot_create(gesso_doc *doc, gesso_snapshot **out)
{
  *out = NULL;
  gesso_snapshot *s = gesso_snapshot_create_empty(doc->mem.inner);
  uint32_t nstates = 0;
  for (uint32_t i = 1; i < doc->nclients; i++)
    nstates += doc->clients[i].clock > 0;
  if (s == NULL || !gs_find_deleted(doc) ||
      (nstates > 0 && !gs_grow(s->alloc, &s->states, &s->states_cap, nstates, sizeof *s->states)) ||
      (doc->deleted.n > 0 && !gs_grow(s->alloc, &s->deletes, &s->deletes_cap, doc->deleted.n, sizeof *s->deletes))) {
    gesso_snapshot_destroy(s);
    return GESSO_E_NOMEM;
  }
  for (uint32_t i = 1; i < doc->nclients; i++)
    if (doc->clients[i].clock > 0)
      s->states[s->nstates++] = (gs_snap_state){ doc->clients[i].id, doc->clients[i].clock };
  for (uint32_t i = 0; i < doc->deleted.n; i++) {
    gs_range r = doc->deleted.v[i];
    s->deletes[s->ndeletes++] = (gs_snap_range){ doc->clients[r.client].id, r.clock, (uint64_t)r.clock + r.len };
  }
  normalise(s);
  *out = s;
  return GESSO_OK;
}

int gesso_snapshot_equal(const gesso_snapshot *a, const gesso_snapshot *b)
{
  if (a->nstates != b->nstates || a->ndeletes != b->ndeletes)
    return 0;
  for (uint32_t i = 0; i < a->nstates; i++)
    if (a->states[i].client != b->states[i].client || a->states[i].clock != b->states[i].clock)
      return 0;
  for (uint32_t i = 0; i < a->ndeletes; i++) {
    const gs_snap_range *x = &a->deletes[i], *y = &b->deletes[i];
    if (x->client != y->client || x->clock != y->clock || x->end != y->end)
      return 0;
  }
  return 1;
}

/* --- reading --- */

static uint64_t add_up(gs_reader *rd, uint64_t a, uint64_t b)
{
  if (b > GS_MAX_SAFE_INTEGER - a)
    gs_reader_fail(rd, GESSO_E_RANGE, "a clock is past 2^53 - 1");
  return a + b;
}

static void read_deletes(gs_reader *rd, gesso_snapshot *s, bool v2)
{
  uint32_t clients = gs_read_count(rd, 2);
  for (uint32_t i = 0; i < clients && rd->err == GESSO_OK; i++) {
    uint64_t client = gs_read_varuint(rd), at = 0;
    uint32_t n = gs_read_count(rd, 2);
    if (!gs_grow(s->alloc, &s->deletes, &s->deletes_cap, (size_t)s->ndeletes + n, sizeof *s->deletes)) {
      gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
      return;
    }
    for (uint32_t k = 0; k < n && rd->err == GESSO_OK; k++) {
      gs_snap_range r = { client, add_up(rd, at, gs_read_varuint(rd)), 0 };
      r.end = add_up(rd, r.clock, gs_read_varuint(rd) + v2);
      if (r.end > r.clock)
        s->deletes[s->ndeletes++] = r;
      if (v2)
        at = r.end;
    }
  }
}

static void read_states(gs_reader *rd, gesso_snapshot *s)
{
  uint32_t n = gs_read_count(rd, 2);
  if (n > 0 && !gs_grow(s->alloc, &s->states, &s->states_cap, n, sizeof *s->states)) {
    gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
    return;
  }
  for (uint32_t i = 0; i < n && rd->err == GESSO_OK; i++) {
    uint64_t client = gs_read_varuint(rd);
    s->states[s->nstates++] = (gs_snap_state){ client, gs_read_varuint(rd) };
  }
}

static gesso_status decode(const gesso_allocator *alloc, gesso_bytes bytes, bool v2, gesso_snapshot **out,
                           gesso_error *error_out)
{
  *out = NULL;
  gesso_snapshot *s = gesso_snapshot_create_empty(alloc);
  if (s == NULL)
    return failed(GESSO_E_NOMEM, "out of memory", error_out);
  gs_reader rd = gs_reader_of(bytes);
  read_deletes(&rd, s, v2);
  read_states(&rd, s);
  if (gs_reader_left(&rd) > 0)
    gs_reader_fail(&rd, GESSO_E_CORRUPT, "bytes after the snapshot");
  if (rd.err == GESSO_OK) {
    normalise(s);
    for (uint32_t i = 1; i < s->nstates; i++)
      if (s->states[i].client == s->states[i - 1].client)
        gs_reader_fail(&rd, GESSO_E_CORRUPT, "a client appears twice in the state vector");
  }
  if (rd.err != GESSO_OK) {
    gesso_snapshot_destroy(s);
    return gs_reader_status(&rd, error_out);
  }
  *out = s;
  return GESSO_OK;
}

gesso_status gesso_snapshot_decode_v1(const gesso_allocator *alloc, gesso_bytes bytes, gesso_snapshot **out,
                                      gesso_error *error_out)
{
  return decode(alloc, bytes, false, out, error_out);
}

gesso_status gesso_snapshot_decode_v2(const gesso_allocator *alloc, gesso_bytes bytes, gesso_snapshot **out,
                                      gesso_error *error_out)
{
  return decode(alloc, bytes, true, out, error_out);
}

/* --- writing --- */

static uint32_t end_of_client(const gesso_snapshot *s, uint32_t i)
{
  uint32_t end = i;
  while (end < s->ndeletes && s->deletes[end].client == s->deletes[i].client)
    end++;
  return end;
}

void gs_write_snapshot_deletes(const gesso_snapshot *s, gs_buf *out, bool v2)
{
  uint32_t clients = 0;
  for (uint32_t i = 0; i < s->ndeletes; i = end_of_client(s, i))
    clients++;
  gs_write_varuint(out, clients);
  for (uint32_t i = 0, end; i < s->ndeletes; i = end) {
    end = end_of_client(s, i);
    gs_write_varuint(out, s->deletes[i].client);
    gs_write_varuint(out, end - i);
    uint64_t at = 0;
    for (uint32_t k = i; k < end; k++) {
      const gs_snap_range *r = &s->deletes[k];
      gs_write_varuint(out, r->clock - at);
      gs_write_varuint(out, r->end - r->clock - v2);
      if (v2)
        at = r->end;
    }
  }
}

static gesso_status encode(const gesso_snapshot *s, bool v2, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = s->alloc };
  gs_buf buf = gs_buf_make(s->alloc);
  gs_write_snapshot_deletes(s, &buf, v2);
  gs_write_varuint(&buf, s->nstates);
  for (uint32_t i = 0; i < s->nstates; i++) {
    gs_write_varuint(&buf, s->states[i].client);
    gs_write_varuint(&buf, s->states[i].clock);
  }
  gesso_status st = buf.err;
  if (st == GESSO_OK)
    *out = gs_buf_take(&buf);
  gs_buf_finish(&buf);
  return st;
}

gesso_status gesso_snapshot_encode_v1(const gesso_snapshot *s, gesso_buffer *out)
{
  return encode(s, false, out);
}

gesso_status gesso_snapshot_encode_v2(const gesso_snapshot *s, gesso_buffer *out)
{
  return encode(s, true, out);
}

/* --- updates --- */

/* Whether one range holds all of it: ranges that touch were joined. */
static bool covers(const gesso_snapshot *s, const gs_delete *d)
{
  uint32_t lo = 0, hi = s->ndeletes;
  while (lo < hi) {
    uint32_t mid = lo + (hi - lo) / 2;
    const gs_snap_range *r = &s->deletes[mid];
    if (r->client > d->client || (r->client == d->client && r->end <= d->clock))
      lo = mid + 1;
    else
      hi = mid;
  }
  const gs_snap_range *r = lo < s->ndeletes ? &s->deletes[lo] : NULL;
  return r != NULL && r->client == d->client && r->clock <= d->clock && d->clock + d->len <= r->end;
}

static gesso_status contains(const gesso_snapshot *s, gesso_bytes update, bool v2, int *out, gesso_error *error_out)
{
  gs_records r;
  gs_deletes d = { 0 };
  bool in = true;
  gs_records_open(&r, s->alloc, update, v2);
  while (gs_records_next(&r))
    in = in && r.rec.clock + r.rec.len <= gs_snapshot_clock(s, r.rec.client);
  gs_deletes_read(&r, &d);
  for (uint32_t i = 0; i < d.n; i++)
    in = in && covers(s, &d.v[i]);
  gs_deletes_finish(&d);
  gesso_status st = gs_records_status(&r, GESSO_OK, error_out);
  gs_records_close(&r);
  *out = st == GESSO_OK && in;
  return st;
}

gesso_status gesso_snapshot_contains_v1(const gesso_snapshot *s, gesso_bytes update, int *out, gesso_error *error_out)
{
  return contains(s, update, false, out, error_out);
}

gesso_status gesso_snapshot_contains_v2(const gesso_snapshot *s, gesso_bytes update, int *out, gesso_error *error_out)
{
  return contains(s, update, true, out, error_out);
}
