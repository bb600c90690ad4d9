/* Parts of encoded updates: what a peer lacks, state vectors, delete sets, and what an update speaks of. */
#include "crdt/record.h"
#include "gesso/update.h"

#include <stdlib.h>

/* --- what a peer lacks --- */

typedef struct known {
  uint64_t client, clock;
  uint32_t place; /* in the state vector: of one client the last counts */
} known;

typedef struct known_clocks {
  known *v;
  uint32_t n, cap;
} known_clocks;

static int by_client(const void *a, const void *b)
{
  const known *x = a, *y = b;
  if (x->client != y->client)
    return x->client < y->client ? -1 : 1;
  return x->place < y->place ? 1 : -1;
}

static gesso_status read_state_vector(gesso_bytes bytes, known_clocks *out, gesso_error *error_out)
{
  gs_reader rd = gs_reader_of(bytes);
  uint32_t n = bytes.len == 0 ? 0 : gs_read_count(&rd, 2);
  if (n > 0 && !gs_grow(NULL, &out->v, &out->cap, n, sizeof *out->v))
    gs_reader_fail(&rd, GESSO_E_NOMEM, "out of memory");
  for (uint32_t i = 0; i < n && rd.err == GESSO_OK; i++) {
    known *k = &out->v[out->n++];
    k->client = gs_read_varuint(&rd);
    k->clock = gs_read_varuint(&rd);
    k->place = i;
  }
  if (rd.err != GESSO_OK) {
    if (error_out != NULL)
      *error_out = (gesso_error){ rd.err, rd.err_offset, "the state vector is malformed" };
    return rd.err;
  }
  if (out->n > 1)
    qsort(out->v, out->n, sizeof *out->v, by_client);
  return GESSO_OK;
}

static uint64_t known_clock(const known_clocks *sv, uint64_t client)
{
  uint32_t from = 0, to = sv->n;
  while (from < to) {
    uint32_t mid = from + (to - from) / 2;
    if (sv->v[mid].client < client)
      from = mid + 1;
    else
      to = mid;
  }
  return from < sv->n && sv->v[from].client == client ? sv->v[from].clock : 0;
}

static gesso_status diff(gesso_bytes update, gesso_bytes state_vector, bool v2, gesso_buffer *out,
                         gesso_error *error_out)
{
  *out = (gesso_buffer){ 0 };
  known_clocks sv = { 0 };
  gesso_status st = read_state_vector(state_vector, &sv, error_out);
  if (st == GESSO_OK) {
    gs_records r;
    gs_writer w;
    gs_records_open(&r, NULL, update, v2);
    gs_writer_open(&w, NULL, v2);
    const gs_record *rec = &r.rec;
    uint64_t client = 0, have = 0;
    bool some = false, began = false; /* this client's known clock is at hand; something of it was written */
    while (w.err == GESSO_OK && gs_records_next(&r)) {
      if (!some || rec->client != client) {
        client = rec->client;
        have = known_clock(&sv, client);
        some = true;
        began = false;
      }
      if (v2)
        w.max = gs_proportion(update.len, r.total);
      if (began) {
        gs_writer_put(&w, rec, 0, false);
      } else if (rec->kind != GS_SKIP && rec->clock + rec->len > have) {
        /* What is written of a client does not begin with a skip. */
        gs_writer_put(&w, rec, have > rec->clock ? have - rec->clock : 0, false);
        began = true;
      }
    }
    st = gs_copy_rest(&r, &w, out, error_out);
  }
  gs_free(NULL, sv.v, sv.cap * sizeof *sv.v);
  return st;
}

gesso_status gesso_update_diff_v1(gesso_bytes update, gesso_bytes state_vector, gesso_buffer *out,
                                  gesso_error *error_out)
{
  return diff(update, state_vector, false, out, error_out);
}

gesso_status gesso_update_diff_v2(gesso_bytes update, gesso_bytes state_vector, gesso_buffer *out,
                                  gesso_error *error_out)
{
  return diff(update, state_vector, true, out, error_out);
}

/* --- the delete set --- */

/* Closes the reader and hands the buffer out, when both went well. */
static gesso_status hand_out(gs_records *r, gs_buf *buf, gesso_buffer *out, gesso_error *error_out)
{
  gesso_status st = gs_records_status(r, buf->err, error_out);
  if (st == GESSO_OK)
    *out = gs_buf_take(buf);
  gs_buf_finish(buf);
  gs_records_close(r);
  return st;
}

static gesso_status delete_set(gesso_bytes update, bool v2, gesso_buffer *out, gesso_error *error_out)
{
  *out = (gesso_buffer){ 0 };
  gs_records r;
  gs_deletes d = { 0 };
  gs_buf buf = gs_buf_make(NULL);
  gs_records_open(&r, NULL, update, v2);
  while (gs_records_next(&r))
    ;
  gs_deletes_read(&r, &d);
  if (!gs_deletes_union(&d))
    buf.err = GESSO_E_NOMEM;
  gs_deletes_write(&buf, v2, &d);
  gs_deletes_finish(&d);
  return hand_out(&r, &buf, out, error_out);
}

gesso_status gesso_update_delete_set_v1(gesso_bytes update, gesso_buffer *out, gesso_error *error_out)
{
  return delete_set(update, false, out, error_out);
}

gesso_status gesso_update_delete_set_v2(gesso_bytes update, gesso_buffer *out, gesso_error *error_out)
{
  return delete_set(update, true, out, error_out);
}

/* --- the state vector --- */

static gesso_status state_vector_of(gesso_bytes update, bool v2, gesso_buffer *out, gesso_error *error_out)
{
  *out = (gesso_buffer){ 0 };
  gs_records r;
  gs_deletes d = { 0 };
  gs_buf list = gs_buf_make(NULL), buf = gs_buf_make(NULL);
  gs_records_open(&r, NULL, update, v2);
  uint64_t client = 0, clock = 0;
  uint32_t n = 0;
  bool some = false, gap = false;
  for (bool more = true; more;) {
    more = gs_records_next(&r);
    if (!more || !some || r.rec.client != client) {
      if (clock > 0) {
        n++;
        gs_write_varuint(&list, client);
        gs_write_varuint(&list, clock);
      }
      client = r.rec.client;
      clock = 0;
      gap = r.rec.clock != 0;
      some = true;
    }
    gap = gap || r.rec.kind == GS_SKIP;
    if (!gap)
      clock = r.rec.clock + r.rec.len;
  }
  gs_deletes_read(&r, &d);
  gs_deletes_finish(&d);
  gs_write_varuint(&buf, n);
  gs_buf_write(&buf, list.b.data, list.b.len);
  if (list.err != GESSO_OK)
    buf.err = list.err;
  gs_buf_finish(&list);
  return hand_out(&r, &buf, out, error_out);
}

gesso_status gesso_update_state_vector_v1(gesso_bytes update, gesso_buffer *out, gesso_error *error_out)
{
  return state_vector_of(update, false, out, error_out);
}

gesso_status gesso_update_state_vector_v2(gesso_bytes update, gesso_buffer *out, gesso_error *error_out)
{
  return state_vector_of(update, true, out, error_out);
}

/* --- spans --- */

static gesso_status meta(gesso_bytes update, bool v2, gesso_update_span *spans, size_t max, size_t *count_out,
                         gesso_error *error_out)
{
  gs_records r;
  gs_deletes d = { 0 };
  size_t n = 0;
  uint64_t client = 0;
  *count_out = 0;
  gs_records_open(&r, NULL, update, v2);
  while (gs_records_next(&r)) {
    if (n == 0 || r.rec.client != client) {
      client = r.rec.client;
      if (n < max)
        spans[n] = (gesso_update_span){ client, r.rec.clock, 0 };
      n++;
    }
    if (n <= max)
      spans[n - 1].to = r.rec.clock + r.rec.len;
  }
  gs_deletes_read(&r, &d);
  gs_deletes_finish(&d);
  gesso_status st = gs_records_status(&r, GESSO_OK, error_out);
  gs_records_close(&r);
  if (st == GESSO_OK)
    *count_out = n;
  return st;
}

gesso_status gesso_update_meta_v1(gesso_bytes update, gesso_update_span *spans, size_t max, size_t *count_out,
                                  gesso_error *error_out)
{
  return meta(update, false, spans, max, count_out, error_out);
}

gesso_status gesso_update_meta_v2(gesso_bytes update, gesso_update_span *spans, size_t max, size_t *count_out,
                                  gesso_error *error_out)
{
  return meta(update, true, spans, max, count_out, error_out);
}
