/* Boards at rest, as a folder from elsewhere may hold them: states, journal rows and versions whose checksums are right
 * and whose bytes are a stranger's. Reading them must never crash, hang or take more memory than the limits allow,
 * and say why where it fails. What was read is stored again, and read back as the same.
 *
 * The first byte: 1 a version instead of a board, 2 the update at rest is compressed here, 4 a state vector that does
 * not fit is recorded, 8 the length is taken from the input, 16 the version is wanted as update v1. Then: encoding, and
 * two bytes of length before each of: the first update, and the journal rows (their encoding in front) or the second
 * update. */
#include "fuzz.h"

#include "store/state.h"
#include "store/version.h"
#include "wire/reader.h"

#include <xxhash.h>
#include <zstd.h>

enum { VERSION = 1, COMPRESS = 2, WRONG_SV = 4, OTHER_LEN = 8, AS_V1 = 16 };
enum { MEMORY_MAX = 512 << 20, DOC_MEMORY_MAX = 64 << 20, ROWS_MAX = 8 };

static gesso_bytes view(gesso_buffer b)
{
  return (gesso_bytes){ b.data, b.len };
}

static gesso_bytes next_part(gs_reader *in)
{
  size_t len = (size_t)gs_read_u8(in) << 8;
  len |= gs_read_u8(in);
  gesso_bytes raw = gs_read_raw(in, GS_MIN(len, gs_reader_left(in)));
  return fuzz_own(raw.data, raw.len);
}

/* As it would be stored: `prefix` is what a delta refers to. */
static gesso_bytes compressed(gesso_bytes update, gesso_bytes prefix)
{
  size_t bound = ZSTD_compressBound(update.len);
  uint8_t *room = malloc(bound);
  ZSTD_CCtx *cctx = ZSTD_createCCtx();
  FUZZ_CHECK(room != NULL && cctx != NULL);
  if (prefix.len > 0)
    (void)ZSTD_CCtx_refPrefix(cctx, prefix.data, prefix.len);
  size_t n = ZSTD_compress2(cctx, room, bound, update.data, update.len);
  FUZZ_CHECK(!ZSTD_isError(n));
  (void)ZSTD_freeCCtx(cctx);
  gesso_bytes out = fuzz_own(room, n);
  free(room);
  return out;
}

static gesso_bytes state_vector_of(gesso_doc *doc, gesso_buffer *out)
{
  FUZZ_CHECK(gesso_doc_state_vector(doc, out) == GESSO_OK);
  return view(*out);
}

static void same_state_vector(gesso_doc *a, gesso_doc *b)
{
  gesso_buffer x, y;
  FUZZ_CHECK(fuzz_same(state_vector_of(a, &x), state_vector_of(b, &y)));
  gesso_buffer_free(&x);
  gesso_buffer_free(&y);
}

static void explained(gesso_status s, const char *why)
{
  FUZZ_CHECK(why != NULL && (s == GESSO_OK || why[0] != '\0'));
  FUZZ_CHECK(s != GESSO_E_USAGE && s != GESSO_E_IO && s != GESSO_E_CLOSED);
}

/* --- boards --- */

static void fold_and_read(gesso_doc *doc, const fuzz_memory *fm)
{
  gs_folded folded;
  gs_built again;
  const char *why = NULL;
  gesso_status s = gs_fold(&fm->alloc, DOC_MEMORY_MAX, doc, &folded, &why);
  FUZZ_CHECK(why != NULL);
  FUZZ_CHECK(s == GESSO_OK || s == GESSO_E_NOMEM);
  if (s != GESSO_OK)
    return;
  gs_stored_state state = { .enc = folded.enc, .len = (int64_t)folded.len, .has_hash = true, .hash = folded.hash,
                            .sv = view(folded.sv), .stored = fuzz_own(folded.stored.data, folded.stored.len) };
  s = gs_build(&fm->alloc, DOC_MEMORY_MAX, &state, NULL, 0, &again);
  FUZZ_CHECK(s == GESSO_OK || s == GESSO_E_NOMEM);
  if (s == GESSO_OK)
    same_state_vector(doc, again.doc);
  gs_built_finish(&again);
  fuzz_free(state.stored);
  gs_folded_finish(&folded);
}

static void board(gs_reader *in, uint8_t how, int enc, const fuzz_memory *fm)
{
  uint64_t other_len = how & OTHER_LEN ? gs_read_varuint(in) : 0;
  gesso_bytes update = next_part(in);
  gesso_bytes stored = how & COMPRESS ? compressed(update, (gesso_bytes){ NULL, 0 }) : fuzz_own(update.data, update.len);
  static const uint8_t wrong[] = { 1, 2, 3 };
  gs_stored_state state = { .enc = enc, .len = how & OTHER_LEN ? (int64_t)other_len : -1, .has_hash = true,
                            .hash = XXH3_64bits(stored.data, stored.len), .stored = stored };
  if (how & WRONG_SV)
    state.sv = (gesso_bytes){ wrong, sizeof wrong };
  gs_stored_row rows[ROWS_MAX];
  size_t n = 0;
  for (; n < ROWS_MAX && gs_reader_left(in) > 0; n++) {
    rows[n] = (gs_stored_row){ .id = n + 1, .enc = gs_read_u8(in) };
    rows[n].data = next_part(in);
    rows[n].hash = gs_row_hash(rows[n].enc, rows[n].data);
  }
  /* An update that is not there is no state. */
  const gs_stored_state *first = update.len > 0 ? &state : NULL;
  gs_built built;
  gesso_status s = gs_build(&fm->alloc, DOC_MEMORY_MAX, first, rows, n, &built);
  explained(s, built.why);
  if (built.doc != NULL)
    FUZZ_CHECK(gesso_doc_check(built.doc, NULL) == GESSO_OK);
  if (s == GESSO_OK) {
    for (uint32_t i = 0; i < built.update_count; i++) {
      gesso_bytes u = built.updates[i];
      bool inside = false;
      for (size_t k = 0; k < n && !inside; k++)
        inside = u.data >= rows[k].data.data && u.data + u.len <= rows[k].data.data + rows[k].data.len;
      FUZZ_CHECK(inside);
    }
    FUZZ_CHECK(first == NULL || (how & WRONG_SV) == 0);
    FUZZ_CHECK(first == NULL || state.len < 0 || built.state.len == (uint64_t)state.len);
    fold_and_read(built.doc, fm);
  }
  gs_built_finish(&built);
  for (size_t k = 0; k < n; k++)
    fuzz_free(rows[k].data);
  fuzz_free(stored);
  fuzz_free(update);
}

/* --- versions --- */

static void make_and_unpack(int enc, gesso_bytes update, const gs_version_rows *base, const fuzz_memory *fm)
{
  gs_new_version made = { .kind = GS_VERSION_AUTO };
  gesso_status s = gs_version_make(&fm->alloc, enc, update, (gesso_bytes){ NULL, 0 }, base, &made);
  FUZZ_CHECK(s == GESSO_OK || s == GESSO_E_NOMEM);
  if (s != GESSO_OK)
    return;
  gs_version_rows rows = { .version = { .id = 2, .base = made.base, .enc = made.enc, .len = made.len, .hash = made.hash,
                                        .data = fuzz_own(made.data.data, made.data.len) } };
  if (made.base != 0)
    rows.base = base->version;
  gesso_buffer back;
  const char *why;
  s = gs_version_unpack(&fm->alloc, &rows, &back, &why);
  FUZZ_CHECK(s == GESSO_OK || s == GESSO_E_NOMEM);
  FUZZ_CHECK(s != GESSO_OK || fuzz_same(view(back), update));
  gesso_buffer_free(&back);
  fuzz_free(rows.version.data);
  gs_new_version_finish(&made);
}

static void version(gs_reader *in, uint8_t how, int enc, const fuzz_memory *fm)
{
  uint64_t other_len = how & OTHER_LEN ? gs_read_varuint(in) : 0;
  int base_enc = gs_read_u8(in);
  gesso_bytes before = next_part(in), update = next_part(in);
  gesso_bytes data = how & COMPRESS ? compressed(update, enc & GS_ENC_DELTA ? before : (gesso_bytes){ NULL, 0 })
                                    : fuzz_own(update.data, update.len);
  static const uint8_t wrong[] = { 1, 2, 3 };
  gs_version_rows rows = {
    .version = { .id = 2, .base = enc & GS_ENC_DELTA ? 1 : 0, .enc = enc, .data = data,
                 .len = how & OTHER_LEN ? other_len : update.len, .hash = XXH3_64bits(data.data, data.len) },
    .base = { .id = 1, .enc = base_enc, .data = before, .len = before.len,
              .hash = XXH3_64bits(before.data, before.len) },
  };
  if (how & WRONG_SV)
    rows.version.sv = (gesso_bytes){ wrong, sizeof wrong };
  gesso_doc *doc = NULL;
  gesso_buffer v1 = { 0 }, out;
  const char *why = NULL;
  gesso_status s = gs_version_build(&fm->alloc, DOC_MEMORY_MAX, &rows, &doc, how & AS_V1 ? &v1 : NULL, &why);
  explained(s, why);
  FUZZ_CHECK((s == GESSO_OK) == (doc != NULL));
  if (s == GESSO_OK) {
    FUZZ_CHECK((how & WRONG_SV) == 0 && gesso_doc_check(doc, NULL) == GESSO_OK);
    gesso_doc_destroy(doc);
  }
  gesso_buffer_free(&v1);
  s = gs_version_unpack(&fm->alloc, &rows, &out, &why);
  explained(s, why);
  /* As a base of others, and with one. */
  if (s == GESSO_OK) {
    FUZZ_CHECK(out.len == rows.version.len);
    make_and_unpack(gs_enc_update(enc), view(out), NULL, fm);
  }
  gs_version_rows base = { .version = rows.base };
  make_and_unpack(GS_ENC_V1, update, &base, fm);
  gesso_buffer_free(&out);
  fuzz_free(data);
  fuzz_free(update);
  fuzz_free(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 4)
    return 0;
  fuzz_memory fm;
  fuzz_memory_init(&fm, MEMORY_MAX);
  gs_reader in = gs_reader_of((gesso_bytes){ data, size });
  uint8_t how = gs_read_u8(&in);
  int enc = gs_read_u8(&in);
  if (how & VERSION)
    version(&in, how, enc, &fm);
  else
    board(&in, how, enc, &fm);
  FUZZ_CHECK(fm.held == 0);
  return 0;
}
