/* All boards in memory, by name, and what they share: the store, the loop, counters.
 *
 * Everything here belongs to the loop's thread. */
#ifndef GS_SERVER_ROOMS_H
#define GS_SERVER_ROOMS_H

#include "gesso/persistence.h"
#include "base/buf.h"
#include "net/loop.h"
#include "server/counters.h"
#include "server/session.h"

typedef struct gs_room gs_room;
typedef struct gs_rooms gs_rooms;

struct gs_rooms {
  gs_loop *loop;
  gesso_persistence *store;
  gs_counters *counters;
  gs_room **buckets;
  uint32_t bucket_count; /* power of two */
  uint64_t seed;         /* of the hashes of names */
  uint32_t count;
  uint32_t sessions;
  gs_room *turn_first;   /* rooms with something to do at the end of this turn */
  gs_hook hook;
  gs_watch store_watch;
  uint64_t hook_turn;    /* the turn in which the hook ran last */
  bool hook_ran;
  bool read_only;        /* the disk is full, or cannot be written */
  bool stopping;         /* nothing is taken any more */
};

/* Watches the store's completions and hooks into the loop's turns. */
GESSO_MUST_USE gesso_status gs_rooms_init(gs_rooms *rooms, gs_loop *loop, gesso_persistence *store,
                                          gs_counters *counters);

/* No session may be left, and the store must not call back any more: destroy it first. */
void gs_rooms_finish(gs_rooms *rooms);

/* Appends the name of the board that an address names: what stands in it with its escapes decoded. Sockets and API
 * mean the same board by it. False, with nothing promised about `out`: it cannot be a name, 1 to 512 bytes of UTF-8
 * without NUL (or memory is short). */
GESSO_MUST_USE bool gs_rooms_name(gesso_bytes address, gs_buf *out);

/* Lets a session into the board of that name, loading it if need be. The session may be closed on
 * the way (its ops->close is called then), but it is joined all the same until gs_room_leave. False:
 * it could not be joined and was told to close. */
bool gs_rooms_join(gs_rooms *rooms, gesso_bytes name, gs_session *session);

/* The room of that name, or NULL when the board is not in memory. */
gs_room *gs_rooms_find(const gs_rooms *rooms, gesso_bytes name);

/* The board was deleted: closes its clients with 4404. */
void gs_rooms_deleted(gs_rooms *rooms, gesso_bytes name);

/* The board was created anew: who was refused may come in. */
void gs_rooms_created(gs_rooms *rooms, gesso_bytes name);

/* Takes nothing more; what this turn brought is handed to the store. */
void gs_rooms_stop(gs_rooms *rooms);

/* The store takes nothing more, or takes updates again. */
void gs_rooms_set_read_only(gs_rooms *rooms, bool read_only);

/* A board has reached its quota, or is below it again. */
void gs_rooms_set_full(gs_rooms *rooms, gesso_bytes name, bool full);

/* Calls `visit` for every room. It must not add or drop rooms. */
void gs_rooms_each(gs_rooms *rooms, void (*visit)(void *ctx, gs_room *room), void *ctx);

/* For room.c: the room wants to be called at the end of this turn (or of the next, when it is too
 * late for this one). */
void gs_rooms_touch(gs_rooms *rooms, gs_room *room);

/* For room.c: takes the room out of the table and frees it. */
void gs_rooms_drop(gs_rooms *rooms, gs_room *room);

#endif
