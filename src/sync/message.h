/* The messages of y-websocket (npm 1.5 to 3.1), which y-sweet and pycrdt share.
 *
 *   frame   = message, and nothing after it on what we send: clients up to 3.1 read one message a
 *             frame and ignore the rest. From clients several messages in one frame are accepted.
 *   message = varUint type, body
 *
 *   type  name             body                                      written by           read by
 *   0     sync             varUint 0, varBytes(state vector)         gs_write_step1       gs_message_next
 *                          varUint 1, varBytes(update)               gs_write_step2
 *                          varUint 2, varBytes(update)               gs_write_update
 *   1     awareness        varBytes(awareness update)                gs_write_awareness
 *   2     auth             varUint 0, varString reason               gs_write_denied
 *   3     query awareness  nothing                                   gs_write_query
 *   other unknown          the rest of the frame; skipped, as clients and stock servers do
 *
 * Updates on the wire are always v1; `00 00` is the empty one. */
#ifndef GS_SYNC_MESSAGE_H
#define GS_SYNC_MESSAGE_H

#include "base/buf.h"
#include "wire/reader.h"

typedef enum gs_message_kind {
  GS_MESSAGE_STEP1,     /* body: an encoded state vector */
  GS_MESSAGE_STEP2,     /* body: an update */
  GS_MESSAGE_UPDATE,    /* body: an update */
  GS_MESSAGE_AWARENESS, /* body: an awareness update, see awareness.h */
  GS_MESSAGE_DENIED,    /* body: the reason, UTF-8 */
  GS_MESSAGE_QUERY,     /* no body */
  GS_MESSAGE_UNKNOWN    /* body: the rest of the frame */
} gs_message_kind;

typedef struct gs_message {
  gs_message_kind kind;
  uint64_t type;    /* as on the wire */
  gesso_bytes body; /* borrowed from the frame */
} gs_message;

/* Reads the next message of a frame. False at the end of the frame and on malformed bytes, which
 * rd->err tells apart. An empty frame is malformed. */
GESSO_MUST_USE bool gs_message_next(gs_reader *rd, gs_message *out);

/* Each appends one message. */
void gs_write_step1(gs_buf *buf, gesso_bytes state_vector);
void gs_write_step2(gs_buf *buf, gesso_bytes update);
void gs_write_update(gs_buf *buf, gesso_bytes update);
void gs_write_awareness(gs_buf *buf, gesso_bytes awareness_update);
void gs_write_denied(gs_buf *buf, gesso_bytes reason);
void gs_write_query(gs_buf *buf);

/* An awareness message about nobody: counted by the 30 s watchdog of every stock client, changes
 * nothing there. */
extern const uint8_t gs_keep_alive[3];

#endif
