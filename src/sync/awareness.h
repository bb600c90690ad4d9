/* Presence of one board: for each client id a clock and a JSON state, by the rules of y-protocols.
 *
 *   awareness update = varUint n, then n times: varUint client, varUint clock, varString state
 *
 * A state is JSON text; `null` says that the client is gone. An entry is taken when
 *   - its clock is higher than the one we hold, an unknown client counting as clock 0, or
 *   - the clocks are equal, the entry says null, and we hold a state.
 * So the first frame of every stock client (clock 0, {}) changes nothing, and nor does its farewell
 * when it never showed a state.
 *
 * What is taken is announced to everybody once, by gs_awareness_take_changes; what is not newer goes
 * nowhere. Stock clients send back every change that they receive: passing frames on as they came
 * would make N times N frames out of each cursor move.
 *
 * Owners. An id belongs to the connection whose frame brought its current clock. When that
 * connection ends, exactly its ids are removed, with the clock we hold and null: receivers drop
 * the state, and a client that comes back goes on at its own next clock. The late end of an old,
 * half open connection removes nobody who meanwhile came back through another.
 *
 *   absent -> present     gs_awareness_apply, a state
 *   present -> departed   gs_awareness_apply with null, gs_awareness_leave, gs_awareness_expire
 *   departed -> present   gs_awareness_apply, a higher clock: echoes of old states are not taken
 *   departed -> absent    the oldest, when there are more than departed_max
 *
 * Time is an argument, in milliseconds of a clock that does not step back. */
#ifndef GS_SYNC_AWARENESS_H
#define GS_SYNC_AWARENESS_H

#include "base/buf.h"
#include "wire/reader.h"

#define GS_AWARENESS_EXPIRE_MS 30000 /* a state that was not renewed for so long is gone: stock clients renew every 15 s */

/* Arrays and objects inside each other in one state. States are relayed as text and never built into values; one
 * that a client cannot parse would throw in the middle of its message handler, so it is refused here. */
#define GS_AWARENESS_DEPTH_MAX 128

typedef struct gs_awareness gs_awareness;

typedef struct gs_awareness_limits {
  uint32_t ids_max;       /* present at a time */
  uint32_t owner_ids_max; /* present at a time and brought by one connection */
  uint32_t departed_max;  /* clocks remembered of those who left */
  uint32_t state_len_max; /* one state */
  uint32_t states_len_max; /* all states together */
  uint64_t clock_max;      /* 0: 2^53 - 1 */
} gs_awareness_limits;

/* What one connection owns. Zeroed by its holder at first; must stay in place while it owns ids. */
typedef struct gs_awareness_owner {
  uint32_t first; /* chain of entries, 1-based; 0: none */
  uint32_t count;
} gs_awareness_owner;

typedef struct gs_awareness_counts {
  uint32_t taken;   /* entries that were newer */
  uint32_t stale;   /* entries that were not */
  uint32_t refused; /* entries past a limit */
} gs_awareness_counts;

/* NULL when memory is short. */
gs_awareness *gs_awareness_create(const gesso_allocator *al, const gs_awareness_limits *limits);
void gs_awareness_destroy(gs_awareness *aw);

/* Takes what is newer in an awareness update (the body, without its length). A malformed update
 * (including a state that is no JSON) changes nothing: TRUNCATED, CORRUPT, RANGE. Entries past a
 * limit are left out one by one and counted. NOMEM: entries before the failure were taken. */
GESSO_MUST_USE gesso_status gs_awareness_apply(gs_awareness *aw, gs_awareness_owner *owner, uint64_t now_ms,
                                               gesso_bytes update, gs_awareness_counts *counts,
                                               gesso_error *error_out);

/* The connection ended: removes what it owns. */
void gs_awareness_leave(gs_awareness *aw, gs_awareness_owner *owner);

/* Removes the states that were not renewed for GS_AWARENESS_EXPIRE_MS. */
void gs_awareness_expire(gs_awareness *aw, uint64_t now_ms);

/* When gs_awareness_expire has something to do next; UINT64_MAX: never. */
uint64_t gs_awareness_next_expiry(const gs_awareness *aw);

/* Appends the awareness update of everything that changed since the last call, newest states only,
 * and returns the number of its entries; appends nothing and returns 0 when nothing changed. */
uint32_t gs_awareness_take_changes(gs_awareness *aw, gs_buf *out);

/* Appends the awareness update of everybody present and returns how many that are; appends nothing
 * when nobody is. */
uint32_t gs_awareness_encode(const gs_awareness *aw, gs_buf *out);

/* --- for a participant with a state of its own, see participant.c --- */

/* Told of everything that is taken, while the state before is still there; an empty state: not present. */
typedef void (*gs_awareness_taken_fn)(void *ctx, uint64_t client, gesso_bytes before, gesso_bytes after);
void gs_awareness_listen(gs_awareness *aw, gs_awareness_taken_fn fn, void *ctx);
/* Nobody may say that this client is gone: its clock rises instead. */
void gs_awareness_defend(gs_awareness *aw, uint64_t client);

/* Sets a state and its clock, whatever they were. LIMIT, NOMEM. */
GESSO_MUST_USE gesso_status gs_awareness_set(gs_awareness *aw, gs_awareness_owner *owner, uint64_t now_ms,
                                             uint64_t client, uint64_t clock, gesso_bytes state);
/* Removes the state of a client, if it has one. */
void gs_awareness_remove(gs_awareness *aw, uint64_t client);
/* The clock and state of a client; false: unknown. An empty state: not present. */
bool gs_awareness_find(const gs_awareness *aw, uint64_t client, uint64_t *clock, gesso_bytes *state);
/* Appends the entry of a client; false: unknown. */
bool gs_awareness_encode_client(const gs_awareness *aw, uint64_t client, gs_buf *out);
/* Everybody present, in the order of their last renewal: *cursor is 0 at first. False at the end. */
bool gs_awareness_each(const gs_awareness *aw, uint32_t *cursor, uint64_t *client, gesso_bytes *state);
/* As gs_awareness_take_changes, but nobody wants to know. */
void gs_awareness_drop_changes(gs_awareness *aw);

/* Reads one entry of an update: client, clock, and a state that is JSON. */
void gs_awareness_read_entry(gs_reader *rd, uint64_t *client, uint64_t *clock, gesso_bytes *state);

uint32_t gs_awareness_present(const gs_awareness *aw);
size_t gs_awareness_states_len(const gs_awareness *aw);

/* Walks everything and compares it with what is counted. For tests and the fuzzer. */
bool gs_awareness_check(const gs_awareness *aw);

#endif
