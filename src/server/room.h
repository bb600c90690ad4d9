/* A board in memory, and its clients.
 *
 *   absent -> loading     gs_room_create: the store is asked, frames of clients wait
 *   loading -> live       the store's answer: found, or never existed
 *   loading -> refusing   deleted (4404) or unreadable (4500): never opened empty in its place
 *   live -> refusing      deleted meanwhile
 *   live -> absent        nobody is here, nothing is on its way to the disk, GS_ROOM_LINGER_MS passed
 *   refusing -> absent    the same; then a newcomer makes the store look again. So does one who comes
 *                         GS_ROOM_LINGER_MS after the refusal: those who were refused keep coming back,
 *                         and the board must not stay refused for as long as they do
 *
 * What a turn brings is one transaction. At the end of the turn it gives one merged update, a batch:
 *
 *   made -> handed over -> written -> synced -> freed
 *                            |          '-- sent to those who contributed to it: their acknowledgement
 *                            '-- sent to everybody else
 *
 *   I1  nothing of a batch leaves this process before it is written. That includes answers to step 1:
 *       an answer waits until all batches that it contains are.
 *   I2  batches are written in the order of their numbers: written_seq is the last one that is.
 *   I3  what a turn brought is in its batch, also what waits for missing updates: then the updates are
 *       journalled as they came, since the merged one contains only what was integrated.
 *   I4  while the store refuses a batch (disk full, too much waiting), it is the last one: updates are
 *       not taken.
 *
 * A board is read-only while the disk takes nothing, or while it is full itself: gs_room_read_only() is the only place that
 * decides. Updates are refused before anything is done with them. Everybody is told (`denied`), and is asked (step 1) for
 * what was refused once updates are taken again. Who comes meanwhile is shown what is stored: an answer that waits
 * by I1 would wait for as long as the disk does. */
#ifndef GS_SERVER_ROOM_H
#define GS_SERVER_ROOM_H

#include "gesso/doc.h"
#include "server/rooms.h"

typedef enum gs_room_state { GS_ROOM_LOADING, GS_ROOM_LIVE, GS_ROOM_REFUSING } gs_room_state;

typedef struct gs_batch gs_batch;

struct gs_room {
  gs_rooms *rooms;
  gs_room *next_in_hash;
  gs_room *turn_next;
  bool in_turn;
  bool forgotten;        /* refusing, and the store is to be asked again: not found any more */
  bool in_transaction;
  bool had_pending;      /* something waited for missing updates after the last turn */
  bool deleted;          /* while it was loading */
  bool step2_used;       /* since the timer looked last */
  bool unsaved;          /* updates were journalled since the last save */
  bool full;             /* the board has reached its quota */
  bool told;             /* everybody was told that it is read-only */
  bool full_heard;       /* ... the store said so, or the contrary, while it was loading */
  bool reads_stored;     /* the store was asked for what is stored, up to stored_seq */
  gs_room_state state;
  uint16_t refuse_code;
  gesso_doc *doc;        /* live */
  gs_awareness *presence;
  uint64_t generation;
  gs_session *sessions;
  uint32_t session_count;

  uint64_t seq;          /* the last batch made */
  uint64_t written_seq;  /* I2 */
  uint64_t stored_seq;
  gs_batch *batches, *batches_last; /* not yet synced, oldest first */
  gs_batch *refused;     /* I4: the last batch, not yet taken by the store */

  gs_buf raw;            /* this turn's updates as they came: u32be length, bytes */
  gs_session **contributors;
  uint32_t contributor_count, contributor_capacity;
  gs_session *asking;    /* to be answered at the end of the turn */
  gs_session *waiting;   /* answered once answer_seq is written */

  gs_frame *step1, *step2; /* of the state as of now, shared by newcomers; NULL: not encoded */
  gs_frame *everybody;     /* presence of all, likewise */

  gs_timer timer;        /* presence expiry, retry, linger */
  uint64_t timer_ms;     /* when it fires, while it runs */
  uint64_t empty_ms;     /* since when nobody is here; UINT64_MAX: somebody is */
  uint64_t refused_ms;   /* since when it is refusing */
  char refuse_reason[124];
  size_t name_len;
  uint8_t name[];
};

/* Asks the store for the board. NULL when memory is short or the store takes nothing more. */
gs_room *gs_room_create(gs_rooms *rooms, gesso_bytes name);
void gs_room_destroy(gs_room *room);

void gs_room_join(gs_room *room, gs_session *session);
void gs_room_leave(gs_session *session);

/* One frame of the client. What is wrong with it closes this session and concerns nobody else. */
void gs_room_receive(gs_session *session, gesso_bytes frame);

/* An update that no client sent: an edit of the server's own. The room is live. A board that is full takes it: going
 * back to an earlier version is a way to make room. FULL: it cannot be stored at the moment; what is wrong with the update; NOMEM. */
gesso_status gs_room_edit(gs_room *room, gesso_bytes update);

/* The client was too slow and frames for it were dropped; now it is ready for what replaces them. */
void gs_room_resync(gs_session *session);

/* The end of the turn: one merged update, the answers, one presence message. */
void gs_room_turn(gs_room *room);

/* Closes everybody with this code, and newcomers too until the room is dropped. */
void gs_room_refuse(gs_room *room, uint16_t code, const char *reason);

/* The board was deleted: refused with 4404, if need be as soon as the load is back. */
void gs_room_deleted(gs_room *room);

/* Why an update is not taken now: a sentence for clients; NULL: it is taken. An empty one asks about any. */
const char *gs_room_read_only(const gs_room *room, gesso_bytes update);

/* The board may have become read-only, or not be it any more: tries again what the store refused, tells everybody, or
 * asks those who missed for what they have. */
void gs_room_retry(gs_room *room);

/* The board has reached its quota, or is below it again. */
void gs_room_set_full(gs_room *room, bool full);

/* A frame to one client. */
bool gs_room_send(gs_session *session, gs_frame *frame);

/* Appends the board's title (`meta.title`), at most GS_LIMIT_TITLE_LEN bytes of UTF-8 text. False,
 * with nothing appended, when it has none. */
bool gs_room_title(gs_room *room, gs_buf *out);
bool gs_doc_title(gesso_doc *doc, gs_buf *out);

static inline gesso_bytes gs_room_name(const gs_room *room)
{
  return (gesso_bytes){ room->name, room->name_len };
}

#endif
