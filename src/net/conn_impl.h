/* What a connection and its net are made of; for conn*.c and net.c only.
 *
 * The life of a connection, and what moves it on:
 *
 *   HTTP --request read--> ANSWERING --gs_conn_respond--> RESPONDING --written--> HTTP | LINGER
 *     |                        \--gs_conn_accept--> OPEN --gs_conn_close--> CLOSING
 *     |                                              |  peer's close, bad frame    | peer's close
 *     \--bad request--> LINGER <---------------------+-----------------------------/
 *   any --error, end of stream, timeout, gs_conn_abort--> DEAD --flush phase--> freed
 *
 * I1  memory is given back in the flush phase only (conn_work), when no function of the connection
 *     is on the stack
 * I2  callbacks are called from: reading (a ready socket or the ready timer), the connection's timer,
 *     conn_work, gs_net_destroy; never from a gs_conn_* function
 * I3  `told` is set before on_close is called; nothing is called for the connection afterwards
 * I4  queued == sum of the lengths of the queued frames - head_sent; net->stats.queue_bytes is the
 *     sum over all connections
 *     and likewise partial_bytes of `partial`
 * I5  bytes in `held` come before anything that is still in the socket: recv waits until it is gone
 * I6  epoll is edge-triggered: `readable` and `blocked` remember the edges */
#ifndef GS_NET_CONN_IMPL_H
#define GS_NET_CONN_IMPL_H

#include "net/conn.h"

enum {
  GS_CONN_HTTP,
  GS_CONN_ANSWERING,
  GS_CONN_RESPONDING,
  GS_CONN_OPEN,
  GS_CONN_CLOSING,
  GS_CONN_LINGER,
  GS_CONN_DEAD
};

#define GS_CHUNK_FRAMES 31
#define GS_IOV_MAX 64
#define GS_SEND_NOW_BYTES 4096 /* frames from this size on skip the cork when nothing is queued */

/* A piece of a send queue. 256 bytes, kept on a free list of the net. */
typedef struct gs_chunk {
  struct gs_chunk *next;
  gs_frame *frames[GS_CHUNK_FRAMES];
} gs_chunk;

/* Bytes that were read but cannot be handled yet. */
typedef struct gs_held {
  size_t at, len, capacity;
  uint8_t data[];
} gs_held;

struct gs_conn {
  gs_watch watch;
  gs_net *net;
  gs_timer timer;
  uint64_t id;
  void *user;
  gs_conn *work_next;  /* list of those that conn_work must see in this turn */
  gs_conn *ready_next; /* list of those to be read again in the next turn */

  gs_chunk *first, *last; /* the queue */
  uint8_t first_at;       /* index of the first frame in `first` */
  uint8_t last_end;       /* index behind the last frame in `last` */
  uint8_t state;
  uint32_t frames;
  size_t head_sent; /* bytes of the first frame that are written */
  size_t queued;
  size_t partial; /* bytes of http, held and ws as last added to net->stats.partial_bytes */
  gs_frame *pong; /* the answer to the latest ping, waiting for its turn */

  gs_http_parser *http; /* NULL when nothing of a request is there */
  gs_held *held;
  gs_ws_parser ws;

  uint32_t last_in_ms;  /* when a byte came; these three wrap around, differences count */
  uint32_t last_out_ms; /* when the kernel took a byte, or had nothing to take */
  uint32_t phase_ms;    /* when the state, or the wait for a pong, began */
  uint16_t close_code;  /* for on_close */

  bool in_work : 1;
  bool in_ready : 1;
  bool readable : 1;    /* there may be bytes in the socket */
  bool hung_up : 1;     /* EPOLLRDHUP was seen: read on until the end */
  bool peer_done : 1;   /* its stream has ended */
  bool blocked : 1;     /* the socket is full; EPOLLOUT will tell */
  bool paused : 1;
  bool known : 1;       /* a callback was called with it */
  bool told : 1;        /* on_close was called */
  bool upgrade : 1;     /* the request in hand is a handshake */
  bool served : 1;      /* at least one request was answered */
  bool in_body : 1;     /* the head is complete, the body is not */
  bool last_request : 1; /* no keep-alive after the response */
  bool full : 1;        /* on_full is due */
  bool lagging : 1;     /* the queue was dropped, on_drain is due */
  bool pong_queued : 1;
  bool pinged : 1;      /* a pong, or anything, is awaited since phase_ms */
  bool shut : 1;        /* our direction is closed */
  bool failed : 1;      /* writing failed: conn_work lets it die */
};

typedef struct gs_listener gs_listener;

struct gs_net {
  gs_loop *loop;
  gs_net_options options;
  gs_ws_limits ws_limits;
  gs_net_callbacks callbacks;
  void *owner;
  gs_hook flush_hook;
  gs_timer ready_timer;

  gs_conn *work_first, *work_last;
  gs_conn *ready_first, *ready_last;

  gs_conn **slots; /* connection id & 0xffffffff is an index here */
  uint32_t slot_cap, slot_end;
  uint32_t *free_slots;
  uint32_t free_cap, free_count;
  uint32_t serial;

  gs_listener *listeners;
  int spare_fd; /* given up for a moment when there are no descriptors left */
  bool stopping;

  gs_chunk *free_chunks;
  uint32_t free_chunk_count;
  gs_frame *ping;
  uint8_t *receive;
  gs_net_stats stats;
};

/* ---- net.c ----------------------------------------------------------------------------------- */

/* Takes over a connected, non-blocking socket. NULL: the socket is closed. */
gs_conn *gs_conn_adopt(gs_net *net, int fd);
/* Frees it and its slot. */
void gs_conn_free(gs_conn *conn);
void gs_net_add_work(gs_conn *conn);
/* Reads it again in the next turn. */
void gs_net_add_ready(gs_conn *conn);
uint32_t gs_net_now(const gs_net *net);

/* ---- conn.c ---------------------------------------------------------------------------------- */

extern void gs_conn_ready(gs_watch *watch, uint32_t events);
extern void gs_conn_fire(gs_timer *timer);
void gs_conn_read(gs_conn *conn);
/* The flush phase of one connection. May free it. */
void gs_conn_work(gs_conn *conn);
/* Calls on_close if it is due. */
void gs_conn_tell(gs_conn *conn, uint16_t code, gesso_bytes reason);
/* Reading and writing are over; conn_work does the rest. */
void gs_conn_die(gs_conn *conn, uint16_t code);
/* What is queued is still written, then the peer may finish talking. */
void gs_conn_linger(gs_conn *conn);
/* Starts the timer that the connection's state asks for. */
void gs_conn_arm(gs_conn *conn);

/* ---- conn_http.c ----------------------------------------------------------------------------- */

/* Reads requests until one is in hand or the bytes are used up; returns how many were. */
size_t gs_conn_feed_http(gs_conn *conn, const uint8_t *data, size_t len);
void gs_conn_free_http(gs_conn *conn);
/* Answers with an error of our own and closes. */
void gs_conn_refuse(gs_conn *conn, int status, const char *why);

/* ---- conn_send.c ----------------------------------------------------------------------------- */

/* Takes over a reference. False, with the reference given back, when memory is short. */
bool gs_conn_push(gs_conn *conn, gs_frame *frame);
/* Writes what the socket takes. Sets blocked or failed. Calls nobody. */
void gs_conn_write(gs_conn *conn);
/* Drops what need not go out: everything but a begun frame and, if `keep_control`, control frames. */
size_t gs_conn_cut_queue(gs_conn *conn, bool keep_control);
/* Gives back the chunks that no queue uses. */
void gs_net_free_chunks(gs_net *net);
/* Gives back the queue's memory, written or not. */
void gs_conn_free_queue(gs_conn *conn);

#endif
