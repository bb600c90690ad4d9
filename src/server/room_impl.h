/* Between room.c (who comes and goes, what they say) and room_turn.c (what becomes of it). */
#ifndef GS_SERVER_ROOM_IMPL_H
#define GS_SERVER_ROOM_IMPL_H

#include "server/room.h"

/* One turn's update on its way to the disk. */
struct gs_batch {
  gs_batch *next;
  gs_room *room;
  uint64_t seq;
  gs_frame *frame;            /* what clients are sent; NULL: nothing was integrated */
  gesso_buffer *parts;        /* what is journalled; each is freed once the store has taken it */
  uint32_t part_count, parts_taken;
  uint32_t parts_written, parts_synced;
  gesso_status failed;        /* why the store gave it up, after having taken it */
  gesso_status refused;       /* why the store did not take it at the last attempt */
  gs_session **contributors;  /* NULL: left meanwhile */
  uint32_t contributor_count;
};

gs_counters *gs_room_counters(const gs_room *room);

/* What was encoded for newcomers is out of date. */
void gs_room_forget_state(gs_room *room);
void gs_room_forget_presence(gs_room *room);

/* The session's answer, wherever it waits, is not wanted any more. */
void gs_room_cancel_answers(gs_room *room, gs_session *session);

/* Tells a client that it draws in vain, once until it does not any more. */
void gs_room_deny(gs_session *session, const char *why);

/* Frees batches that never completed. */
void gs_room_free_batches(gs_room *room);

/* Sets the timer to what is due next. */
void gs_room_schedule(gs_room *room);

/* Begins to close a session; once. */
void gs_room_close(gs_session *session, uint16_t code, const char *reason);

#endif
