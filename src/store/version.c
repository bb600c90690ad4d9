#include "store/version.h"

#include <xxhash.h>
#include <zstd.h>
#include <zstd_errors.h>

static const int level = 3;

#define MINUTES ((int64_t)60 * 1000)
#define HOURS (60 * MINUTES)
#define DAYS (24 * HOURS)
#define HISTORY_BYTES_MIN ((uint64_t)64 * 1024)

void gs_new_version_finish(gs_new_version *version)
{
  gesso_buffer_free(&version->sv);
  gesso_buffer_free(&version->data);
}

void gs_version_rows_finish(gs_version_rows *rows)
{
  gs_buf_finish(&rows->bytes);
  *rows = (gs_version_rows){ .bytes = { .b.alloc = rows->bytes.b.alloc } };
}

/* --- bytes --- */

static gesso_status copy(const gesso_allocator *al, gesso_bytes from, gesso_buffer *out)
{
  gs_buf b = gs_buf_make(al);
  gs_buf_write(&b, from.data, from.len);
  gesso_status s = b.err;
  if (s == GESSO_OK)
    *out = gs_buf_take(&b);
  gs_buf_finish(&b);
  return s;
}

/* The window must reach over both, or what comes first is out of sight of what is last. */
static int window_log(size_t bytes)
{
  int n = 17;
  while (n < 30 && (size_t)1 << n < bytes)
    n++;
  return n;
}

/* Appends nothing and is OK when it does not get shorter than `limit`. */
static gesso_status compress(const gesso_allocator *al, gesso_bytes update, gesso_bytes prefix, size_t limit,
                             gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = al };
  gs_buf b = gs_buf_make(al);
  size_t bound = ZSTD_compressBound(update.len);
  ZSTD_CCtx *cctx = ZSTD_createCCtx();
  if (cctx == NULL || !gs_buf_room(&b, bound)) {
    (void)ZSTD_freeCCtx(cctx);
    gs_buf_finish(&b);
    return GESSO_E_NOMEM;
  }
  (void)ZSTD_CCtx_setParameter(cctx, ZSTD_c_compressionLevel, level);
  if (prefix.len != 0) {
    (void)ZSTD_CCtx_setParameter(cctx, ZSTD_c_windowLog, window_log(update.len + prefix.len));
    (void)ZSTD_CCtx_setParameter(cctx, ZSTD_c_enableLongDistanceMatching, update.len + prefix.len > 1 << 20);
    (void)ZSTD_CCtx_refPrefix(cctx, prefix.data, prefix.len);
  }
  size_t n = ZSTD_compress2(cctx, b.b.data, bound, update.data, update.len);
  (void)ZSTD_freeCCtx(cctx);
  if (!ZSTD_isError(n) && n < limit) {
    gesso_bytes short_one = { b.b.data, n };
    gesso_status s = copy(al, short_one, out);
    gs_buf_finish(&b);
    return s;
  }
  bool nomem = ZSTD_isError(n) && ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation;
  gs_buf_finish(&b);
  return nomem ? GESSO_E_NOMEM : GESSO_OK;
}

gesso_status gs_version_make(const gesso_allocator *al, int enc, gesso_bytes update, gesso_bytes sv,
                             const gs_version_rows *base, gs_new_version *out)
{
  out->sv = out->data = (gesso_buffer){ .alloc = al };
  out->base = 0;
  out->len = update.len;
  gesso_status s = copy(al, sv, &out->sv);
  if (s == GESSO_OK)
    s = compress(al, update, (gesso_bytes){ NULL, 0 }, update.len, &out->data);
  out->enc = enc | GS_ENC_ZSTD;
  if (s == GESSO_OK && out->data.len == 0) {
    out->enc = enc;
    s = copy(al, update, &out->data);
  }
  gesso_buffer before = { .alloc = al }, delta = { .alloc = al };
  const char *why;
  /* A base that cannot be read is no base: the version stands by itself then. */
  if (s == GESSO_OK && base != NULL && gs_version_unpack(al, base, &before, &why) == GESSO_OK) {
    s = compress(al, update, (gesso_bytes){ before.data, before.len }, out->data.len / 2, &delta);
    if (s == GESSO_OK && delta.len != 0) {
      gesso_buffer_free(&out->data);
      out->data = delta;
      delta = (gesso_buffer){ .alloc = al };
      out->enc = enc | GS_ENC_DELTA;
      out->base = base->version.id;
    }
  }
  out->hash = XXH3_64bits(out->data.data, out->data.len);
  gesso_buffer_free(&before);
  gesso_buffer_free(&delta);
  if (s != GESSO_OK)
    gs_new_version_finish(out);
  return s;
}

static gesso_status undo_delta(const gesso_allocator *al, const gs_version_rows *rows, gesso_buffer *out,
                               const char **why)
{
  const gs_stored_version *v = &rows->version;
  const gs_version_rows alone = { .version = rows->base };
  gesso_buffer before = { .alloc = al };
  if (v->base == 0 || rows->base.base != 0 || (rows->base.enc & GS_ENC_DELTA) != 0) {
    *why = "the version is damaged: what it refers to is missing";
    return GESSO_E_CORRUPT;
  }
  gesso_status s = gs_version_unpack(al, &alone, &before, why);
  if (s != GESSO_OK)
    return s;
  gs_buf b = gs_buf_make(al);
  ZSTD_DCtx *dctx = ZSTD_createDCtx();
  size_t n = 0;
  if (dctx == NULL || !gs_buf_room(&b, (size_t)v->len + 1)) {
    *why = "not enough memory for the version";
    s = GESSO_E_NOMEM;
  } else {
    (void)ZSTD_DCtx_setParameter(dctx, ZSTD_d_windowLogMax, 30);
    (void)ZSTD_DCtx_refPrefix(dctx, before.data, before.len);
    n = ZSTD_decompressDCtx(dctx, b.b.data, (size_t)v->len, v->data.data, v->data.len);
    if (ZSTD_isError(n) || n != v->len) {
      *why = "the version is damaged: it cannot be decompressed";
      s = GESSO_E_CORRUPT;
    }
  }
  (void)ZSTD_freeDCtx(dctx);
  if (s == GESSO_OK) {
    b.b.len = n;
    *out = gs_buf_take(&b);
  }
  gs_buf_finish(&b);
  gesso_buffer_free(&before);
  return s;
}

gesso_status gs_version_unpack(const gesso_allocator *al, const gs_version_rows *rows, gesso_buffer *out,
                               const char **why)
{
  const gs_stored_version *v = &rows->version;
  *out = (gesso_buffer){ .alloc = al };
  *why = "";
  if (v->enc != (GS_ENC_V1 | GS_ENC_DELTA) && v->enc != (GS_ENC_V2 | GS_ENC_DELTA)) {
    gs_stored_state as_state = { .enc = v->enc, .len = (int64_t)v->len, .has_hash = true, .hash = v->hash,
                                 .stored = v->data };
    return gs_state_unpack(al, &as_state, out, why);
  }
  if (XXH3_64bits(v->data.data, v->data.len) != v->hash) {
    *why = "the version is damaged: its checksum does not match";
    return GESSO_E_CORRUPT;
  }
  if (!gs_zstd_may_hold(v->data.len, v->len)) {
    *why = "the version is damaged: its length is impossible";
    return GESSO_E_CORRUPT;
  }
  return undo_delta(al, rows, out, why);
}

gesso_status gs_version_build(const gesso_allocator *al, uint64_t doc_memory_max, const gs_version_rows *rows,
                              gesso_doc **doc_out, gesso_buffer *update_v1_out, const char **why)
{
  *doc_out = NULL;
  gesso_buffer update = { .alloc = al }, sv = { .alloc = al };
  gesso_status s = gs_version_unpack(al, rows, &update, why);
  if (s != GESSO_OK)
    return s;
  gesso_doc_options o = { .size = sizeof o, .alloc = al, .memory_max = (size_t)doc_memory_max };
  gesso_doc *doc = gesso_doc_create(&o);
  *why = "not enough memory for the version";
  s = doc == NULL ? GESSO_E_NOMEM
                  : gs_apply(doc, gs_enc_update(rows->version.enc), (gesso_bytes){ update.data, update.len }, NULL);
  if (s != GESSO_OK && s != GESSO_E_NOMEM)
    *why = "the version is damaged: it cannot be decoded";
  if (s == GESSO_OK)
    s = gesso_doc_state_vector(doc, &sv);
  gesso_bytes want = rows->version.sv;
  if (s == GESSO_OK && want.len != 0 && (sv.len != want.len || memcmp(sv.data, want.data, sv.len) != 0)) {
    *why = "the version is damaged: it gives another state vector than was recorded";
    s = GESSO_E_CORRUPT;
  }
  if (s == GESSO_OK && update_v1_out != NULL)
    s = gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, update_v1_out, NULL);
  gesso_buffer_free(&sv);
  gesso_buffer_free(&update);
  if (s == GESSO_OK) {
    *doc_out = doc;
    *why = "";
  } else {
    gesso_doc_destroy(doc);
  }
  return s;
}

/* --- which stay --- */

bool gs_history_due(int64_t last_ms, int64_t state_ms, int64_t now_ms)
{
  if (last_ms > now_ms) /* the clock was set back: begin anew */
    return true;
  return state_ms > last_ms && (state_ms - last_ms >= 5 * MINUTES || now_ms - state_ms >= 5 * MINUTES);
}

static int64_t slot_of(int64_t created_ms, int64_t now_ms)
{
  int64_t age = now_ms - created_ms;
  int64_t size = age < HOURS ? 5 * MINUTES : age < DAYS ? HOURS : DAYS;
  return created_ms / size * size + size; /* ends of slots: those of different sizes may meet, which merges them */
}

static bool referred_to(const gs_version_row *rows, size_t count, uint64_t id)
{
  for (size_t i = 0; i < count; i++)
    if (!rows[i].out && rows[i].base == id)
      return true;
  return false;
}

/* What is out and referred to counts all the same. */
static uint64_t bytes_that_stay(const gs_version_row *rows, size_t count)
{
  uint64_t sum = 0;
  for (size_t i = 0; i < count; i++)
    if (!rows[i].out || referred_to(rows, count, rows[i].id))
      sum += rows[i].bytes;
  return sum;
}

/* The one that would be missed least: where they are closest together for their age. The first and the last are
 * the ends of what can be gone back to, and stay as long as there are others. */
static gs_version_row *missed_least(gs_version_row *rows, size_t count, gs_version_kind kind, int64_t now_ms)
{
  gs_version_row *best = NULL, *row = NULL, *before = NULL;
  double best_cost = 0;
  for (size_t i = 0; i <= count; i++) {
    if (i < count && (rows[i].out || rows[i].kind == GS_VERSION_BASE))
      continue;
    /* `row` has `before` and rows[i] next to it */
    if (row != NULL && row->kind == kind) {
      double age = (double)(now_ms - row->created_ms) + (double)MINUTES;
      bool end = before == NULL || i == count;
      double cost = end ? 1e300 : (double)(rows[i].created_ms - before->created_ms) / age;
      if (best == NULL || cost < best_cost) {
        best = row;
        best_cost = cost;
      }
    }
    before = row;
    row = i < count ? &rows[i] : NULL;
  }
  return best;
}

void gs_history_thin(const gs_history_policy *policy, gs_version_row *rows, size_t count, uint64_t state_bytes,
                     int64_t now_ms)
{
  for (size_t i = 0; i < count; i++) {
    int64_t age = now_ms - rows[i].created_ms;
    bool by_itself = rows[i].kind == GS_VERSION_AUTO || rows[i].kind == GS_VERSION_RESTORE;
    rows[i].out = rows[i].kind == GS_VERSION_BASE || (by_itself && age > 0 && (uint64_t)age > policy->keep_ms);
    /* Someone later in the same time? */
    for (size_t k = i + 1; k < count && !rows[i].out && rows[i].kind == GS_VERSION_AUTO; k++)
      rows[i].out = rows[k].kind == GS_VERSION_AUTO && rows[k].created_ms >= rows[i].created_ms &&
                    slot_of(rows[k].created_ms, now_ms) == slot_of(rows[i].created_ms, now_ms);
  }
  uint64_t max = GS_MAX(HISTORY_BYTES_MIN, state_bytes * policy->ratio);
  while (bytes_that_stay(rows, count) > max) {
    gs_version_row *row = missed_least(rows, count, GS_VERSION_AUTO, now_ms);
    if (row == NULL)
      row = missed_least(rows, count, GS_VERSION_RESTORE, now_ms);
    if (row == NULL)
      break;
    row->out = true;
  }
  for (size_t i = 0; i < count; i++)
    if (rows[i].out && referred_to(rows, count, rows[i].id)) {
      rows[i].out = false;
      rows[i].kind = GS_VERSION_BASE;
    }
}
