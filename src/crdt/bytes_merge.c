/* Merging encoded updates, without a document: a merge of lists of structs that are in order already.
 *
 * The result is, byte for byte, what Yjs' mergeUpdates writes. It goes through all updates at once; from the
 * one whose next struct comes first (highest client, then lowest clock) it takes structs for as long as they
 * follow each other, then looks again. What is there already is left out, cut where it overlaps, and gaps
 * become skips.
 *
 * Yjs sorts all updates again at each turn. Since only the one in front has moved, and goes before those that
 * now begin alike, a heap with the turn as last key gives the same order. One thing is not the same: of a gc
 * range and an item that begin alike, Yjs' comparison puts each before the other, so that their order depends on
 * the sorting algorithm. For up to EXACT_MAX updates, which V8 sorts by insertion, that is followed here. */
#include "crdt/record.h"
#include "gesso/update.h"

enum { EXACT_MAX = 63 };

#define NONE UINT32_MAX

typedef struct head {
  uint64_t client, clock;
  int64_t place; /* of those that begin alike, the lowest is in front */
  uint32_t update;
  bool gc;
} head;

typedef struct merge {
  gs_records *in; /* one for each update, or more, see split */
  uint32_t n;
  head *heads;    /* exact: in order; else a heap. Those of `in` that have a struct */
  uint32_t nheads, heads_cap;
  bool exact;
  int64_t front_place;
  gs_deletes deletes;
  gs_writer out;
  gs_record last; /* a gc range or skip that may still grow, while last_open */
  bool last_open;
  uint64_t structs; /* v2: of all updates */
  size_t bytes;
  uint32_t failed; /* update whose error counts, or NONE */
  gs_reader why;   /* and its reader */
  bool out_of_order; /* some update's clients do not fall */
} merge;

/* --- which update is next --- */

/* As Yjs compares them: < 0 a first. */
static int compare(const head *a, const head *b)
{
  if (a->client != b->client)
    return a->client > b->client ? -1 : 1;
  if (a->clock != b->clock)
    return a->clock < b->clock ? -1 : 1;
  return a->gc == b->gc ? 0 : -1;
}

/* V8's Array.prototype.sort of up to 63 elements: a run at the front, the rest by binary insertion. */
static void sort_as_v8(head *v, uint32_t n)
{
  if (n < 2)
    return;
  bool falls = compare(&v[1], &v[0]) < 0;
  uint32_t run = 2;
  while (run < n && (compare(&v[run], &v[run - 1]) < 0) == falls)
    run++;
  for (uint32_t i = 0; falls && i < run / 2; i++) {
    head swap = v[i];
    v[i] = v[run - 1 - i];
    v[run - 1 - i] = swap;
  }
  for (; run < n; run++) {
    head pivot = v[run];
    uint32_t left = 0, right = run;
    while (left < right) {
      uint32_t mid = left + (right - left) / 2;
      if (compare(&pivot, &v[mid]) < 0)
        right = mid;
      else
        left = mid + 1;
    }
    memmove(&v[left + 1], &v[left], (run - left) * sizeof *v);
    v[left] = pivot;
  }
}

static bool goes_before(const head *a, const head *b)
{
  if (a->client != b->client)
    return a->client > b->client;
  return a->clock != b->clock ? a->clock < b->clock : a->place < b->place;
}

static void sift_down(head *v, uint32_t n, uint32_t at)
{
  head moving = v[at];
  for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && goes_before(&v[child + 1], &v[child]))
      child++;
    if (goes_before(&moving, &v[child]))
      break;
    v[at] = v[child];
  }
  v[at] = moving;
}

static void set_head(head *h, const gs_record *rec)
{
  h->client = rec->client;
  h->clock = rec->clock;
  h->gc = rec->kind == GS_GC;
}

/* The update in front has another struct in front now, or none. */
static void front_moved(merge *m, bool some)
{
  head *front = &m->heads[0];
  if (!some) {
    m->nheads--;
    if (m->exact)
      memmove(front, front + 1, m->nheads * sizeof *front);
    else
      *front = m->heads[m->nheads];
  } else {
    set_head(front, &m->in[front->update].rec);
    front->place = --m->front_place;
  }
  if (!m->exact && m->nheads > 0)
    sift_down(m->heads, m->nheads, 0);
}

/* --- reading and writing --- */

static void fail_if(merge *m, uint32_t update, const gs_reader *rd)
{
  if (rd->err == GESSO_OK || m->failed != NONE)
    return;
  m->failed = update;
  m->why = *rd;
}

/* The next struct of an update that is no skip. At its end its delete set is read. */
static bool next(merge *m, uint32_t update)
{
  gs_records *r = &m->in[update];
  bool some;
  r->total = m->structs;
  while ((some = gs_records_next(r)) && r->rec.kind == GS_SKIP)
    ;
  m->structs = r->total;
  if (!r->falling)
    m->out_of_order = true;
  if (some)
    return true;
  if (r->rd.err == GESSO_OK && !r->part)
    gs_deletes_read(r, &m->deletes);
  fail_if(m, update, &r->rd);
  gs_records_close(r);
  return false;
}

static void close_last(merge *m)
{
  if (m->last_open)
    gs_writer_put(&m->out, &m->last, 0, false);
  m->last_open = false;
}

static void open_last(merge *m, uint8_t kind, uint64_t client, uint64_t clock, uint64_t len)
{
  close_last(m);
  m->last = (gs_record){ .kind = kind, .client = client, .clock = clock, .len = len };
  m->last_open = true;
}

static void take(merge *m, const gs_record *rec, uint64_t offset)
{
  if (rec->v2)
    m->out.max = gs_proportion(m->bytes, m->structs);
  if (rec->kind == GS_GC) {
    open_last(m, GS_GC, rec->client, rec->clock + offset, rec->len - offset);
    return;
  }
  close_last(m);
  gs_writer_put(&m->out, rec, offset, true);
}

static void merge_structs(merge *m)
{
  bool some = false; /* something was taken: `client` has it up to `end` */
  uint64_t client = 0, end = 0;
  while (m->nheads > 0 && m->out.err == GESSO_OK && m->failed == NONE && !m->out_of_order) {
    if (m->exact)
      sort_as_v8(m->heads, m->nheads);
    uint32_t front = m->heads[0].update;
    const gs_record *rec = &m->in[front].rec;
    uint64_t first = rec->client;
    bool moved = false, alive = true;
    while (some && alive && rec->client == client && rec->clock + rec->len <= end) {
      alive = next(m, front);
      moved = true;
    }
    if (!alive || rec->client != first || (moved && rec->clock > end)) {
      front_moved(m, alive);
      continue;
    }
    if (!some || first != client) {
      take(m, rec, 0);
      some = true;
      client = first;
      end = rec->clock + rec->len;
      alive = next(m, front);
      moved = true;
    } else if (rec->clock > end) {
      open_last(m, GS_SKIP, client, end, rec->clock - end);
      end = rec->clock;
    } else if (m->last_open && m->last.kind == GS_GC && rec->kind == GS_GC) {
      /* It grows; the update in front is looked at again, to leave out what it now covers. */
      m->last.len += rec->clock + rec->len - end;
      end = rec->clock + rec->len;
    } else {
      take(m, rec, end - rec->clock);
      end = rec->clock + rec->len;
      alive = next(m, front);
      moved = true;
    }
    while (alive && rec->client == client && rec->clock == end) {
      take(m, rec, 0);
      end += rec->len;
      alive = next(m, front);
      moved = true;
    }
    if (moved)
      front_moved(m, alive);
  }
  close_last(m);
}

static void run(merge *m)
{
  m->exact = m->n <= EXACT_MAX;
  if (m->n > 0 && !gs_grow(NULL, &m->heads, &m->heads_cap, m->n, sizeof *m->heads))
    m->out.err = GESSO_E_NOMEM;
  for (uint32_t i = 0; i < m->n && m->out.err == GESSO_OK && m->failed == NONE; i++) {
    if (!next(m, i))
      continue;
    head *h = &m->heads[m->nheads++];
    *h = (head){ .place = i, .update = i };
    set_head(h, &m->in[i].rec);
  }
  for (uint32_t i = m->exact ? 0 : m->nheads / 2; i-- > 0;)
    sift_down(m->heads, m->nheads, i);
  merge_structs(m);
  if (m->out.err == GESSO_OK && !gs_deletes_union(&m->deletes))
    m->out.err = GESSO_E_NOMEM;
}

static void finish(merge *m, uint32_t cap)
{
  for (uint32_t i = 0; i < m->n; i++)
    gs_records_close(&m->in[i]);
  gs_free(NULL, m->in, cap * sizeof *m->in);
  gs_free(NULL, m->heads, m->heads_cap * sizeof *m->heads);
  gs_deletes_finish(&m->deletes);
}

/* Closes the writer: fills *out or says why not. */
static gesso_status outcome(merge *m, gesso_buffer *out, size_t *failed_out, gesso_error *error_out)
{
  static const gs_records fine = { .rd = { .err = GESSO_OK } };
  if (m->failed == NONE)
    return gs_records_status(&fine, gs_finish_with(&m->out, &m->deletes, out), error_out);
  gs_writer_close(&m->out);
  if (failed_out != NULL)
    *failed_out = m->failed;
  return gs_reader_status(&m->why, error_out);
}

/* --- updates whose clients do not fall --- */

/* Yjs writes none and loses structs when it merges one. Each stretch of falling clients is taken as an update
 * of its own. v1 only. */
static void split(merge *m, gesso_bytes update, uint32_t ix, uint32_t *cap)
{
  gs_records r, start, at;
  gs_records_open(&r, NULL, update, false);
  start = at = r;
  for (bool some = true; some;) {
    bool boundary = r.structs == 0;
    if (boundary)
      at = r;
    some = gs_records_next(&r);
    if (some && (!boundary || r.falling))
      continue;
    if (!gs_grow(NULL, &m->in, cap, (size_t)m->n + 1, sizeof *m->in)) {
      m->out.err = GESSO_E_NOMEM;
      return;
    }
    if (some)
      start.clients -= at.clients;
    start.part = true;
    m->in[m->n++] = start;
    start = at;
    start.blocks = 0;
    start.falling = r.falling = true;
  }
  gs_deletes_read(&r, &m->deletes);
  fail_if(m, ix, &r.rd);
}

static gesso_status merge_out_of_order(const gesso_bytes *updates, uint32_t n, gesso_buffer *out, size_t *failed_out,
                                       gesso_error *error_out)
{
  merge m = { .failed = NONE };
  uint32_t cap = 0;
  gs_writer_open(&m.out, NULL, false);
  for (uint32_t i = 0; i < n && m.out.err == GESSO_OK && m.failed == NONE; i++)
    split(&m, updates[i], i, &cap);
  run(&m);
  gesso_status st = outcome(&m, out, failed_out, error_out);
  finish(&m, cap);
  return st;
}

/* The same for v2, by way of v1: columns cannot be entered in their middle. */
static gesso_status merge_out_of_order_v2(const gesso_bytes *updates, uint32_t n, gesso_buffer *out,
                                          size_t *failed_out, gesso_error *error_out)
{
  gesso_buffer *v1 = gs_alloc_zero(NULL, n * sizeof *v1), all = { 0 };
  gesso_bytes *views = gs_alloc_zero(NULL, n * sizeof *views);
  gesso_status st = v1 != NULL && views != NULL ? GESSO_OK : GESSO_E_NOMEM;
  for (uint32_t i = 0; i < n && st == GESSO_OK; i++) {
    st = gesso_update_v2_to_v1(updates[i], &v1[i], error_out);
    views[i] = (gesso_bytes){ v1[i].data, v1[i].len };
    if (st != GESSO_OK && failed_out != NULL)
      *failed_out = i;
  }
  if (st == GESSO_OK)
    st = merge_out_of_order(views, n, &all, failed_out, error_out);
  if (st == GESSO_OK)
    st = gesso_update_v1_to_v2((gesso_bytes){ all.data, all.len }, out, error_out);
  for (uint32_t i = 0; v1 != NULL && i < n; i++)
    gesso_buffer_free(&v1[i]);
  gesso_buffer_free(&all);
  gs_free(NULL, v1, n * sizeof *v1);
  gs_free(NULL, views, n * sizeof *views);
  return st;
}

/* --- the public calls --- */

static gesso_status merge_updates(const gesso_bytes *updates, size_t n, bool v2, gesso_buffer *out,
                                  size_t *failed_out, gesso_error *error_out)
{
  *out = (gesso_buffer){ 0 };
  if (failed_out != NULL)
    *failed_out = 0;
  merge m = { .failed = NONE, .bytes = 0 };
  gs_writer_open(&m.out, NULL, v2);
  m.in = n < NONE ? gs_alloc_zero(NULL, n * sizeof *m.in) : NULL;
  if (n > 0 && m.in == NULL) {
    m.out.err = GESSO_E_NOMEM;
  } else {
    m.n = (uint32_t)n;
    for (uint32_t i = 0; i < m.n; i++) {
      m.bytes += updates[i].len;
      gs_records_open(&m.in[i], NULL, updates[i], v2);
    }
    run(&m);
  }
  bool out_of_order = m.out_of_order && m.failed == NONE && m.out.err == GESSO_OK && n > 1;
  gesso_status st = GESSO_OK;
  if (out_of_order)
    gs_writer_close(&m.out);
  else
    st = outcome(&m, out, failed_out, error_out);
  finish(&m, m.n);
  if (out_of_order)
    return v2 ? merge_out_of_order_v2(updates, (uint32_t)n, out, failed_out, error_out)
              : merge_out_of_order(updates, (uint32_t)n, out, failed_out, error_out);
  if (st == GESSO_OK && n == 1) {
    /* As it is: Yjs does not even look into it. */
    gs_buf same = gs_buf_make(NULL);
    gs_buf_write(&same, updates[0].data, updates[0].len);
    st = same.err;
    gesso_buffer_free(out);
    *out = gs_buf_take(&same);
  }
  return st;
}

gesso_status gesso_update_merge_v1(const gesso_bytes *updates, size_t n, gesso_buffer *out, size_t *failed_out,
                                   gesso_error *error_out)
{
  return merge_updates(updates, n, false, out, failed_out, error_out);
}

gesso_status gesso_update_merge_v2(const gesso_bytes *updates, size_t n, gesso_buffer *out, size_t *failed_out,
                                   gesso_error *error_out)
{
  return merge_updates(updates, n, true, out, failed_out, error_out);
}
