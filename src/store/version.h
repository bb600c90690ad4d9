/* A board's history: states that it had, kept as versions. What their bytes are, and which of them stay.
 *
 * enc of a version   as of a state (state.h); or + 32: the update compressed with zstd, with the update of another
 *                    version of the board, its base, as what comes before (ZSTD_refPrefix). A base has no
 *                    base itself. */
#ifndef GS_STORE_VERSION_H
#define GS_STORE_VERSION_H

#include "store/state.h"

enum { GS_ENC_DELTA = 32 };

typedef enum gs_version_kind { /* as stored, and the first three as in gesso_version_kind */
  GS_VERSION_AUTO = 0,
  GS_VERSION_NAMED = 1,
  GS_VERSION_RESTORE = 2,
  GS_VERSION_BASE = 3 /* gone, but for others that refer to it */
} gs_version_kind;

/* A row of `history` without its content. */
typedef struct gs_version_row {
  uint64_t id, base; /* base 0: none */
  int64_t created_ms;
  gs_version_kind kind;
  uint64_t bytes, len; /* as stored; the update itself */
  bool out;            /* gs_history_thin: does not stay */
} gs_version_row;

/* A row to be. */
typedef struct gs_new_version {
  gs_version_kind kind;
  int64_t created_ms;
  gesso_bytes name;
  uint64_t base;
  int enc;
  uint64_t len, hash;
  gesso_buffer sv, data;
} gs_new_version;

void gs_new_version_finish(gs_new_version *version);

/* A row as stored. */
typedef struct gs_stored_version {
  uint64_t id, base;
  gs_version_kind kind;
  int enc;
  uint64_t len, hash; /* hash: XXH3 of `data` */
  gesso_bytes sv, data;
} gs_stored_version;

typedef struct gs_version_rows {
  gs_stored_version version, base; /* base: when version.base != 0 */
  gs_buf bytes;                    /* what both point into */
} gs_version_rows;

void gs_version_rows_finish(gs_version_rows *rows);

/* Makes a version of an update of that encoding, out->kind, created_ms and name left alone. `base` (may be NULL) is one without
 * a base; it is referred to when that saves half. `sv` is copied. NOMEM, LIMIT. */
gesso_status gs_version_make(const gesso_allocator *al, int enc, gesso_bytes update, gesso_bytes sv,
                             const gs_version_rows *base, gs_new_version *out);

/* The update of a version in its encoding, its checksum and length verified. CORRUPT, VERSION, NOMEM with *why. */
gesso_status gs_version_unpack(const gesso_allocator *al, const gs_version_rows *rows, gesso_buffer *out,
                               const char **why);

/* The same, decoded: the state vector must be the recorded one. `update_v1_out` may be NULL. */
gesso_status gs_version_build(const gesso_allocator *al, uint64_t doc_memory_max, const gs_version_rows *rows,
                              gesso_doc **doc_out, gesso_buffer *update_v1_out, const char **why);

typedef struct gs_history_policy {
  uint64_t keep_ms;  /* versions made by itself stay no longer */
  uint32_t ratio;    /* a board's history takes at most so many times its state */
} gs_history_policy;

/* Is the state that a fold is about to replace to be kept? It is when the last version is at least 5 minutes
 * older, or when it was the board's state for 5 minutes. `last_ms`: of the version made last, or when the
 * board was made. Clocks may have been set back. */
bool gs_history_due(int64_t last_ms, int64_t state_ms, int64_t now_ms);

/* Marks which rows do not stay: of those made by itself one for each 5 minutes of the last hour stays, one for each
 * hour of the last day, one for each day until they are older than keep_ms, always the last one of its
 * time; those before a restore stay as long; named ones always. Then those that are closest to their
 * neighbours for their age leave until the rest fits. A row that others refer to becomes GS_VERSION_BASE
 * instead of leaving: `out` stays false, and `kind` says it. */
void gs_history_thin(const gs_history_policy *policy, gs_version_row *rows, size_t count, uint64_t state_bytes,
                     int64_t now_ms);

#endif
