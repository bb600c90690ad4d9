#include "store/state.h"

#include "crdt/reread.h"
#include "gesso/update.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <xxhash.h>
#include <zstd.h>

static const int zstd_level = 3; /* 19 gains 2 to 5 points for fifty times the work */

uint32_t gs_row_hash(int enc, gesso_bytes data)
{
  return (uint32_t)XXH3_64bits_withSeed(data.data, data.len, (XXH64_hash_t)enc);
}

static gesso_doc *new_doc(const gesso_allocator *al, uint64_t memory_max)
{
  gesso_doc_options o = { .size = sizeof o, .alloc = al, .memory_max = (size_t)memory_max };
  return gesso_doc_create(&o);
}

gesso_status gs_apply(gesso_doc *doc, int enc, gesso_bytes update, gesso_error *error_out)
{
  return enc == GS_ENC_V2 ? gesso_doc_apply_v2(doc, update, error_out) : gesso_doc_apply_v1(doc, update, error_out);
}

gesso_status gs_encode(gesso_doc *doc, int *enc_out, gesso_buffer *out)
{
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  /* A reader refuses more structs than that in a v2 update, where they may take no bytes at all. */
  *enc_out = stats.structs + stats.pending_structs < GESSO_UPDATE_STRUCTS_MAX / 2 ? GS_ENC_V2 : GS_ENC_V1;
  gesso_status s = *enc_out == GS_ENC_V2 ? gesso_doc_encode_v2(doc, (gesso_bytes){ NULL, 0 }, out, NULL)
                                         : gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, out, NULL);
  if (s == GESSO_OK && out->len > GS_STATE_BYTES_MAX) {
    gesso_buffer_free(out);
    s = GESSO_E_LIMIT;
  }
  return s;
}

/* --- reading --- */

gesso_status gs_state_unpack(const gesso_allocator *al, const gs_stored_state *s, gesso_buffer *out, const char **why)
{
  if (s->has_hash && XXH3_64bits(s->stored.data, s->stored.len) != s->hash) {
    *why = "the stored state is damaged: its checksum does not match";
    return GESSO_E_CORRUPT;
  }
  int enc = s->enc & ~GS_ENC_ZSTD;
  if (enc != GS_ENC_V1 && enc != GS_ENC_V2) {
    *why = "the stored state is in an encoding that this gesso does not know; use a newer one";
    return GESSO_E_VERSION;
  }
  uint64_t len = s->stored.len;
  if (s->enc & GS_ENC_ZSTD) {
    len = ZSTD_getFrameContentSize(s->stored.data, s->stored.len);
    if (len == ZSTD_CONTENTSIZE_ERROR || len == ZSTD_CONTENTSIZE_UNKNOWN ||
        !gs_zstd_may_hold(s->stored.len, len)) {
      *why = "the stored state is damaged: it cannot be decompressed";
      return GESSO_E_CORRUPT;
    }
  }
  if (s->len >= 0 && len != (uint64_t)s->len) {
    *why = "the stored state is damaged: it has not the length that was recorded";
    return GESSO_E_CORRUPT;
  }
  gs_buf b = gs_buf_make(al);
  if (!gs_buf_room(&b, (size_t)len + 1)) {
    *why = "not enough memory for the stored state";
    return GESSO_E_NOMEM;
  }
  if (s->enc & GS_ENC_ZSTD) {
    size_t n = ZSTD_decompress(b.b.data, (size_t)len, s->stored.data, s->stored.len);
    if (ZSTD_isError(n) || n != len) {
      gs_buf_finish(&b);
      *why = "the stored state is damaged: it cannot be decompressed";
      return GESSO_E_CORRUPT;
    }
    b.b.len = n;
  } else {
    gs_buf_write(&b, s->stored.data, s->stored.len);
  }
  *out = gs_buf_take(&b);
  return GESSO_OK;
}

static gesso_status add_update(gs_built *out, gesso_bytes update)
{
  if (!gs_grow(out->alloc, &out->updates, &out->update_cap, (size_t)out->update_count + 1, sizeof *out->updates)) {
    out->why = "not enough memory for the journal";
    return GESSO_E_NOMEM;
  }
  out->updates[out->update_count++] = update;
  gesso_error e = { 0 };
  gesso_status s = gesso_doc_apply_v1(out->doc, update, &e);
  if (s == GESSO_E_NOMEM)
    out->why = "not enough memory for the document";
  else if (s != GESSO_OK)
    out->why = "an update in the journal cannot be decoded";
  return s;
}

static gesso_status add_row(gs_built *out, const gs_stored_row *row)
{
  if (row->enc != GS_ENC_V1 && row->enc != GS_ENC_LIST) {
    out->why = "the journal holds an encoding that this gesso does not know; use a newer one";
    return GESSO_E_VERSION;
  }
  if (gs_row_hash(row->enc, row->data) != row->hash) {
    out->why = "a row of the journal is damaged: its checksum does not match";
    return GESSO_E_CORRUPT;
  }
  if (row->enc == GS_ENC_V1)
    return add_update(out, row->data);
  gs_reader rd = gs_reader_of(row->data);
  while (rd.err == GESSO_OK && gs_reader_left(&rd) > 0) {
    gesso_bytes update = gs_read_bytes(&rd);
    if (rd.err != GESSO_OK)
      break;
    gesso_status s = add_update(out, update);
    if (s != GESSO_OK)
      return s;
  }
  if (rd.err != GESSO_OK)
    out->why = "a row of the journal is damaged: it ends too early";
  return rd.err;
}

gesso_status gs_build(const gesso_allocator *al, uint64_t doc_memory_max, const gs_stored_state *state,
                      const gs_stored_row *rows, size_t row_count, gs_built *out)
{
  *out = (gs_built){ .alloc = al, .why = "" };
  out->state.alloc = al;
  out->state_enc = state == NULL ? GS_ENC_V1 : gs_enc_update(state->enc);
  out->doc = new_doc(al, doc_memory_max);
  if (out->doc == NULL) {
    out->why = "not enough memory for the document";
    return GESSO_E_NOMEM;
  }
  gesso_status s = GESSO_OK;
  if (state != NULL) {
    s = gs_state_unpack(al, state, &out->state, &out->why);
    if (s != GESSO_OK)
      return s;
    gesso_error e = { 0 };
    s = gs_apply(out->doc, out->state_enc, (gesso_bytes){ out->state.data, out->state.len }, &e);
    if (s != GESSO_OK) {
      out->why = s == GESSO_E_NOMEM ? "not enough memory for the document"
                                    : "the stored state is damaged: it cannot be decoded";
      return s;
    }
    if (state->sv.len != 0) {
      gesso_buffer sv = { .alloc = al };
      s = gesso_doc_state_vector(out->doc, &sv);
      if (s == GESSO_OK && (sv.len != state->sv.len || memcmp(sv.data, state->sv.data, sv.len) != 0)) {
        out->why = "the stored state is damaged: it gives another state vector than was recorded";
        s = GESSO_E_CORRUPT;
      }
      gesso_buffer_free(&sv);
    }
  }
  for (size_t i = 0; s == GESSO_OK && i < row_count; i++)
    s = add_row(out, &rows[i]);
  return s;
}

void gs_built_finish(gs_built *built)
{
  gesso_doc_destroy(built->doc);
  gesso_buffer_free(&built->state);
  gs_free(built->alloc, built->updates, (size_t)built->update_cap * sizeof *built->updates);
  *built = (gs_built){ .alloc = built->alloc };
}

/* --- writing --- */

static bool same(const gesso_buffer *a, const gesso_buffer *b)
{
  return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* State vector, pending ids, and delete set: the last is what a diff against the document's own
 * state vector consists of. */
typedef struct summary {
  gesso_buffer sv, pending, deletes;
} summary;

static gesso_status summarize(const gesso_allocator *al, gesso_doc *doc, summary *out)
{
  *out = (summary){ { .alloc = al }, { .alloc = al }, { .alloc = al } };
  gesso_status s = gesso_doc_state_vector(doc, &out->sv);
  if (s == GESSO_OK)
    s = gesso_doc_pending_json(doc, &out->pending);
  if (s == GESSO_OK)
    s = gesso_doc_encode_v1(doc, (gesso_bytes){ out->sv.data, out->sv.len }, &out->deletes, NULL);
  return s;
}

static void summary_finish(summary *s)
{
  gesso_buffer_free(&s->sv);
  gesso_buffer_free(&s->pending);
  gesso_buffer_free(&s->deletes);
}

/* A state that takes as many bytes as the one it replaces is written over it: SQLite then has no page to free and none to
 * find. So lengths go in steps, of a 16th at most, and a frame that decoders skip fills up the step. `room` is enough. */
static size_t fill_up(uint8_t *frame, size_t n)
{
  static const uint8_t skippable[4] = { 0x50, 0x2a, 0x4d, 0x18 };
  size_t step = 64;
  while (step * 32 <= n)
    step *= 2;
  size_t fill = (step - n % step) % step;
  if (fill == 0)
    return n;
  fill += fill < 8 ? step : 0;
  memset(frame + n, 0, fill);
  memcpy(frame + n, skippable, 4);
  for (int i = 0; i < 4; i++)
    frame[n + 4 + (size_t)i] = (uint8_t)((fill - 8) >> (8 * i));
  return n + fill;
}

static gesso_status compress(const gesso_allocator *al, int enc, gesso_buffer *update, gs_folded *out)
{
  size_t bound = ZSTD_compressBound(update->len);
  gs_buf b = gs_buf_make(al);
  if (!gs_buf_room(&b, bound + bound / 8 + 128))
    return GESSO_E_NOMEM;
  size_t n = ZSTD_compress(b.b.data, bound, update->data, update->len, zstd_level);
  if (!ZSTD_isError(n) && n < update->len) {
    b.b.len = fill_up(b.b.data, n);
    out->stored = gs_buf_take(&b);
    out->enc = enc | GS_ENC_ZSTD;
  } else {
    out->stored = *update;
    *update = (gesso_buffer){ .alloc = al };
    out->enc = enc;
  }
  gs_buf_finish(&b);
  return GESSO_OK;
}

/* An encoding, what it is of, and what comes of reading it. */
typedef struct draft {
  gesso_buffer update;
  int enc;
  summary mine, again;
  gesso_doc *copy;
} draft;

static gesso_status draft_of(const gesso_allocator *al, uint64_t doc_memory_max, gesso_doc *doc, draft *out,
                             const char **why)
{
  *out = (draft){ .update = { .alloc = al }, .enc = GS_ENC_V1 };
  gesso_status s = gs_encode(doc, &out->enc, &out->update);
  if (s == GESSO_E_LIMIT)
    *why = "the board is too large to be stored";
  if (s == GESSO_OK)
    s = summarize(al, doc, &out->mine);
  if (s == GESSO_OK)
    s = (out->copy = new_doc(al, doc_memory_max)) == NULL ? GESSO_E_NOMEM : GESSO_OK;
  if (s != GESSO_OK)
    return s;
  s = gs_apply(out->copy, out->enc, (gesso_bytes){ out->update.data, out->update.len }, NULL);
  if (s != GESSO_OK && s != GESSO_E_NOMEM) {
    *why = "the folded state did not decode; the journal is kept";
    s = GESSO_E_CORRUPT;
  }
  return s == GESSO_OK ? summarize(al, out->copy, &out->again) : s;
}

static bool reads_the_same(const draft *d)
{
  return same(&d->mine.sv, &d->again.sv) && same(&d->mine.pending, &d->again.pending) &&
         same(&d->mine.deletes, &d->again.deletes);
}

static void draft_finish(draft *d)
{
  gesso_doc_destroy(d->copy);
  gesso_buffer_free(&d->update);
  summary_finish(&d->mine);
  summary_finish(&d->again);
}

/* What was read from the encoding, to the document as an update. */
static gesso_status learn(gesso_doc *doc, const draft *d)
{
  int enc = d->enc;
  gesso_buffer update = { .alloc = d->update.alloc };
  gesso_status s = gs_encode(d->copy, &enc, &update);
  if (s == GESSO_OK)
    s = gs_apply(doc, enc, (gesso_bytes){ update.data, update.len }, NULL);
  gesso_buffer_free(&update);
  return s;
}

/* How often a document may learn from its own encoding; hostile updates seen so far took one time. */
enum { LESSONS = 3 };

gesso_status gs_fold(const gesso_allocator *al, uint64_t doc_memory_max, gesso_doc *doc, gs_folded *out,
                     const char **why)
{
  *out = (gs_folded){ .stored = { .alloc = al }, .sv = { .alloc = al } };
  *why = "not enough memory to fold the board";
  draft d;
  gesso_status s = draft_of(al, doc_memory_max, doc, &d, why);
  for (int i = 0; i < LESSONS && s == GESSO_OK && !reads_the_same(&d) && gs_shows_all(doc, d.copy); i++) {
    s = learn(doc, &d);
    if (s == GESSO_OK) {
      draft_finish(&d);
      s = draft_of(al, doc_memory_max, doc, &d, why);
    }
  }
  if (s == GESSO_OK && !reads_the_same(&d)) {
    *why = "the folded state decoded to something else; the journal is kept";
    s = GESSO_E_CORRUPT;
  }
  if (s == GESSO_OK) {
    out->len = d.update.len;
    s = compress(al, d.enc, &d.update, out);
  }
  if (s == GESSO_OK) {
    out->hash = XXH3_64bits(out->stored.data, out->stored.len);
    out->sv = d.mine.sv;
    d.mine.sv = (gesso_buffer){ .alloc = al };
    *why = "";
  }
  draft_finish(&d);
  if (s != GESSO_OK)
    gs_folded_finish(out);
  return s;
}

void gs_folded_finish(gs_folded *folded)
{
  gesso_buffer_free(&folded->stored);
  gesso_buffer_free(&folded->sv);
}

gesso_status gs_update_check(const gesso_allocator *al, uint64_t doc_memory_max, gesso_bytes update)
{
  gesso_doc *doc = new_doc(al, doc_memory_max);
  if (doc == NULL)
    return GESSO_E_NOMEM;
  gesso_status s = gesso_doc_apply_v1(doc, update, NULL);
  gesso_doc_destroy(doc);
  return s;
}
