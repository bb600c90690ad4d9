/* One client on one board: what a room knows of whoever it speaks to. A socket of today's protocol
 * carries exactly one session; one that carries several boards will have several.
 *
 * A session is made by its transport (socket.c), which also frees it, after gs_room_leave. */
#ifndef GS_SERVER_SESSION_H
#define GS_SERVER_SESSION_H

#include "base/buf.h"
#include "net/ws.h"
#include "sync/awareness.h"

#include <stdbool.h>

typedef struct gs_session gs_session;
struct gs_room;

/* None of these calls back into the room before it returns. */
typedef struct gs_session_ops {
  /* Queues a frame, retaining it. False: it was not queued and the client's stream has a gap; what
   * is to be done about it is between transport and room (gs_room_resync), or the end is near. */
  bool (*send)(gs_session *session, gs_frame *frame);
  /* Whether `send` would queue a frame now. False has the same consequences as a send that failed. */
  bool (*takes)(gs_session *session);
  /* Begins to close. gs_room_leave follows, in another call. */
  void (*close)(gs_session *session, uint16_t code, const char *reason);
  /* Stop and go on reading from the client. */
  void (*pause)(gs_session *session);
  void (*resume)(gs_session *session);
} gs_session_ops;

struct gs_session {
  const gs_session_ops *ops;
  struct gs_room *room;        /* NULL: not joined */
  gs_session *prev, *next;     /* in the room */
  gs_awareness_owner presence; /* the ids that this connection brought */

  uint64_t sent_ms;      /* when it was last sent something: see the keep-alive */
  uint64_t from_seq;     /* batches up to this one are part of the state that it was sent */
  uint64_t batch_seq;    /* the latest batch it contributed to */
  uint64_t batch_mark;   /* scratch of one broadcast: who contributed to the batch */

  gs_buf early;          /* frames that came while the board was loading: u32be length, bytes */
  gs_buf vector;         /* the state vector of its step 1, while `has_vector` */
  gs_session *next_asking;
  gs_session *next_waiting;
  gs_frame *answer_step1, *answer_step2; /* while `waits` for the write of batch answer_seq */
  uint64_t answer_seq;

  bool asks;             /* in room->asking: is to be answered at the end of the turn */
  bool has_vector;       /* ... with what is missing from a peer with that state vector */
  bool asks_all;         /* ... with the whole state, after its queue was dropped */
  bool asks_step1;       /* ... with our step 1, so that it sends what we missed */
  bool asks_presence;    /* ... is to be sent everybody's presence */
  bool waits;            /* in room->waiting */
  bool stored_only;      /* it was sent what is stored, which may be less than what others saw */
  bool missed;           /* it was told that the board is read-only: updates of it may not have been taken */
  bool closing;          /* ops->close was called */
};

#endif
