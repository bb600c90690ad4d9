/* Boards at rest: what the bytes in board_states and journal are, and the way from there to a
 * document and back.
 *
 * enc of a state        1   an update v1
 *                       2   an update v2: what is written, but for documents that v2 cannot hold
 *                    + 16   the same, compressed with zstd
 * enc of a journal row  1   one update v1
 *                      64   several updates v1 of one group, in order: varUint length and bytes each
 * Anything else was written by a newer gesso and is GESSO_E_VERSION: the board is unreadable here,
 * the row stays. */
#ifndef GS_STORE_STATE_H
#define GS_STORE_STATE_H

#include "base/buf.h"
#include "gesso/doc.h"

#include <stdbool.h>

enum { GS_ENC_V1 = 1, GS_ENC_V2 = 2, GS_ENC_ZSTD = 16, GS_ENC_LIST = 64 };

/* An update in its own encoding: GS_ENC_V1 or GS_ENC_V2. */
static inline int gs_enc_update(int enc)
{
  return enc & 15;
}
GESSO_MUST_USE gesso_status gs_apply(gesso_doc *doc, int enc, gesso_bytes update, gesso_error *error_out);
/* The whole document as one update, in the encoding that is chosen for it. LIMIT: too large for a row. */
GESSO_MUST_USE gesso_status gs_encode(gesso_doc *doc, int *enc_out, gesso_buffer *out);

/* An update v1 that brings nothing new, and may take something away: always wanted, even where there is no room. */
static inline bool gs_update_only_deletes(gesso_bytes update)
{
  return update.len != 0 && update.data[0] == 0;
}

#define GS_STATE_BYTES_MAX ((uint64_t)1000000000) /* SQLite's own limit for a value */

/* Can a zstd frame of `stored` bytes hold so many? A block takes 4 bytes at least and holds 128 KB at most: what a damaged
 * or forged row says of its length is not to be believed, and allocated, beyond that. */
static inline bool gs_zstd_may_hold(size_t stored, uint64_t len)
{
  return len <= GS_STATE_BYTES_MAX && len >> 17 <= stored / 4;
}

/* A row of board_states. */
typedef struct gs_stored_state {
  int enc;
  int64_t len;      /* bytes of the update before compression; -1: not known */
  bool has_hash;
  uint64_t hash;    /* XXH3 of `stored` */
  uint64_t upto;
  uint64_t version;
  gesso_bytes sv;   /* state vector; empty: not known */
  gesso_bytes stored;
} gs_stored_state;

/* A row of journal. */
typedef struct gs_stored_row {
  uint64_t id;
  int enc;
  uint32_t hash;
  gesso_bytes data;
} gs_stored_row;

/* The hash column of a journal row. */
uint32_t gs_row_hash(int enc, gesso_bytes data);

/* The update of a state, its checksum and length verified. CORRUPT, VERSION, NOMEM with *why. */
gesso_status gs_state_unpack(const gesso_allocator *al, const gs_stored_state *s, gesso_buffer *out, const char **why);

/* A board read and verified. */
typedef struct gs_built {
  const gesso_allocator *alloc;
  gesso_doc *doc;         /* state and journal applied */
  gesso_buffer state;     /* decompressed; empty when there is no row */
  int state_enc;          /* GS_ENC_V1 or GS_ENC_V2 */
  gesso_bytes *updates;   /* borrowed from the rows */
  uint32_t update_count, update_cap;
  const char *why;        /* static text; after a failure */
} gs_built;

/* `state` may be NULL (none yet). The rows' bytes are borrowed as long as `out` lives. On failure out->why says what is wrong
 * and the rest is to be finished all the same.
 * CORRUPT, TRUNCATED, RANGE, LIMIT, VERSION: the bytes; NOMEM. */
gesso_status gs_build(const gesso_allocator *al, uint64_t doc_memory_max, const gs_stored_state *state,
                      const gs_stored_row *rows, size_t row_count, gs_built *out);
void gs_built_finish(gs_built *built);

/* A new row of board_states. */
typedef struct gs_folded {
  int enc;
  uint64_t len, hash;
  gesso_buffer stored, sv;
} gs_folded;

/* The document as a state at rest, checked: what was encoded is decoded again, and state vector,
 * pending ids and delete set must be the same. Where they are not, and all that can be seen is (crdt/reread.h), the
 * document learns what was decoded and is encoded again. CORRUPT: they still are not (nothing may be stored).
 * LIMIT: too large for a row. */
gesso_status gs_fold(const gesso_allocator *al, uint64_t doc_memory_max, gesso_doc *doc, gs_folded *out,
                     const char **why);
void gs_folded_finish(gs_folded *folded);

/* Whether the bytes decode as an update v1; the status that says why not. */
gesso_status gs_update_check(const gesso_allocator *al, uint64_t doc_memory_max, gesso_bytes update);

#endif
