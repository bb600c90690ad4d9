/* WebSocket frames (RFC 6455): bytes in, messages out, and back. No sockets.
 *
 * The parser works on the caller's receive buffer, unmasks in place and hands a message that lies
 * in it whole straight on. It owns memory only while a message is incomplete. Every check is made
 * at the byte that decides it, so that how the bytes were cut makes no difference to the events. */
#ifndef GS_NET_WS_H
#define GS_NET_WS_H

#include "base/buf.h"

#include <stdatomic.h>
#include <stdbool.h>

typedef enum gs_ws_opcode {
  GS_WS_CONTINUATION = 0,
  GS_WS_TEXT = 1,
  GS_WS_BINARY = 2,
  GS_WS_CLOSE = 8,
  GS_WS_PING = 9,
  GS_WS_PONG = 10
} gs_ws_opcode;

/* Close codes (RFC 6455 7.4.1) that this code sends or reports itself. */
enum {
  GS_WS_CODE_NORMAL = 1000,
  GS_WS_CODE_GOING_AWAY = 1001,
  GS_WS_CODE_PROTOCOL = 1002,
  GS_WS_CODE_UNSUPPORTED = 1003,
  GS_WS_CODE_NONE = 1005,     /* never on the wire: a close frame without a code */
  GS_WS_CODE_ABNORMAL = 1006, /* never on the wire: the connection broke */
  GS_WS_CODE_BAD_DATA = 1007,
  GS_WS_CODE_POLICY = 1008,
  GS_WS_CODE_TOO_BIG = 1009,
  GS_WS_CODE_INTERNAL = 1011,
  GS_WS_CODE_TRY_LATER = 1013
};

#define GS_WS_CONTROL_MAX 125u /* payload of a control frame */
#define GS_WS_REASON_MAX 123u  /* bytes of text in a close frame */
#define GS_WS_HEADER_MAX 14u

/* May this code be in a close frame? 1000-1003, 1007-1014, 3000-4999. */
bool gs_ws_code_ok(uint32_t code);

/* ---- UTF-8 in pieces ------------------------------------------------------------------------- */

/* Zeroed: at the start of a character. */
typedef struct gs_utf8_stream {
  uint8_t need;   /* continuation bytes still missing */
  uint8_t lo, hi; /* range of the next one */
} gs_utf8_stream;

/* False at the first byte that cannot be part of UTF-8. */
bool gs_utf8_stream_feed(gs_utf8_stream *us, const uint8_t *data, size_t len);

/* ---- parser ---------------------------------------------------------------------------------- */

typedef struct gs_ws_limits {
  uint64_t frame_max;   /* payload bytes of one data frame */
  uint64_t message_max; /* of all fragments of a message together */
  bool client;          /* read as a client does: frames must not be masked */
} gs_ws_limits;

typedef enum gs_ws_event {
  GS_WS_MORE,       /* everything was used */
  GS_WS_ON_MESSAGE, /* opcode TEXT (valid UTF-8) or BINARY, payload */
  GS_WS_ON_PING,    /* payload: to be sent back in a pong */
  GS_WS_ON_PONG,    /* payload */
  GS_WS_ON_CLOSE,   /* code (GS_WS_CODE_NONE when the frame has none) and reason in payload */
  GS_WS_FAILED      /* code is what to close with, `why` static text */
} gs_ws_event;

typedef struct gs_ws_item {
  gs_ws_opcode opcode;
  uint16_t code;
  gesso_bytes payload; /* valid until the next feed, and until the fed bytes are gone */
  const char *why;
} gs_ws_item;

/* Treat as private. Zeroed: at the start of a frame. It is part of every connection, so it is small. */
typedef struct gs_ws_parser {
  uint8_t *message;         /* collected payload of the incomplete message */
  uint32_t message_len, message_cap;
  uint8_t *control;         /* collected payload of the incomplete control frame */
  uint64_t left;            /* payload bytes of the current frame still to come */
  uint8_t header[GS_WS_HEADER_MAX];
  uint8_t header_len, header_need;
  uint8_t mask_at;          /* which of the four mask bytes is next */
  uint8_t message_opcode;   /* of the message under way, 0 when there is none */
  uint8_t state;
  uint8_t control_len;
  bool message_done, control_done; /* handed out by the last feed: to be freed by the next */
  gs_utf8_stream utf8;
} gs_ws_parser;

void gs_ws_parser_finish(gs_ws_parser *wp, const gesso_allocator *alloc);

/* Takes bytes up to the next event; *used tells how many. `data` is written to. `limits` and `alloc`
 * are the same in every call. After FAILED or ON_CLOSE nothing more is read. */
gs_ws_event gs_ws_parser_feed(gs_ws_parser *wp, const gs_ws_limits *limits,
                              const gesso_allocator *alloc, uint8_t *data, size_t len, size_t *used,
                              gs_ws_item *item);

/* Bytes of memory held for the incomplete message. */
size_t gs_ws_parser_memory(const gs_ws_parser *wp);

/* XORs data with the mask, beginning with mask byte `at` (0-3); returns where the next byte goes on. */
unsigned gs_ws_mask(uint8_t *data, size_t len, const uint8_t mask[4], unsigned at);

/* ---- frames ---------------------------------------------------------------------------------- */

/* Bytes on their way to any number of connections: encoded once, shared, never copied again, freed
 * by the last release. The count may be changed from any thread; the bytes do not change after the
 * making. Used for WebSocket messages and for pieces of HTTP responses alike. */
typedef struct gs_frame {
  const uint8_t *data; /* as it goes over the wire, header included */
  size_t len;
  _Atomic uint32_t refs;
  uint8_t header_len;  /* data[header_len ..] is the payload */
  uint8_t opcode;      /* of a WebSocket frame; 0 for other bytes */
  uint8_t flags;       /* the connection layer's */
  void (*release)(struct gs_frame *frame); /* frees the frame when the last reference goes */
  const gesso_allocator *alloc;
  void *owner; /* what data lives in, for release */
  size_t capacity;
} gs_frame;

/* One unfragmented, unmasked frame with a copy of the payload; the caller has the one reference.
 * NULL when memory is short. */
GESSO_MUST_USE gs_frame *gs_frame_message(const gesso_allocator *alloc, gs_ws_opcode opcode,
                                          gesso_bytes payload);

/* The same without the copy: let an encoder write behind GS_FRAME_ROOM reserved bytes, then
 *
 *   gs_buf buf = gs_buf_make(alloc);
 *   gs_frame_begin(&buf);
 *   gs_write_varuint(&buf, ...);
 *   gs_frame *frame = gs_frame_end(&buf, GS_WS_BINARY);
 *
 * gs_frame_end takes the memory of `buf` (which is empty afterwards) and returns NULL, freeing it,
 * if the buffer latched an error. */
#define GS_FRAME_ROOM 10u
void gs_frame_begin(gs_buf *buf);
GESSO_MUST_USE gs_frame *gs_frame_end(gs_buf *buf, gs_ws_opcode opcode);

/* Plain bytes, no WebSocket header. _copy copies, _static borrows memory that lives for ever
 * (embedded files), _buf takes the buffer's memory. */
GESSO_MUST_USE gs_frame *gs_frame_bytes_copy(const gesso_allocator *alloc, gesso_bytes bytes);
GESSO_MUST_USE gs_frame *gs_frame_bytes_static(const gesso_allocator *alloc, gesso_bytes bytes);
GESSO_MUST_USE gs_frame *gs_frame_bytes_buf(gs_buf *buf);

/* A close frame; `reason` is cut to GS_WS_REASON_MAX bytes at a character. Code GS_WS_CODE_NONE
 * makes an empty one. */
GESSO_MUST_USE gs_frame *gs_frame_close(const gesso_allocator *alloc, uint16_t code,
                                        gesso_bytes reason);

static inline gs_frame *gs_frame_retain(gs_frame *frame)
{
  atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
  return frame;
}

/* NULL is fine. */
static inline void gs_frame_release(gs_frame *frame)
{
  if (frame == NULL)
    return;
  if (atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) == 1)
    frame->release(frame);
}

/* Writes a frame header for a payload of `len` bytes; returns its length (2, 4 or 10; with a mask
 * 4 more). `mask` NULL: unmasked, as a server sends. */
size_t gs_ws_write_header(uint8_t out[GS_WS_HEADER_MAX], gs_ws_opcode opcode, bool fin, uint64_t len,
                          const uint8_t mask[4]);

#endif
