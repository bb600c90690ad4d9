/* Listeners and connections: HTTP first, WebSocket after the owner has accepted an upgrade.
 *
 *   accept -> head -> body -> request -> response -> head ...        (keep-alive)
 *                 \-> upgrade -> open -> closing -> lingering -> gone
 *                            \-> response (refused)
 *
 * One gs_net belongs to one loop and its thread, and so does each of its connections; nothing here
 * may be called from another thread (post a task with the connection's id instead).
 *
 * Who may be called when: callbacks run while sockets are read, while timers run and in the flush
 * phase. No gs_conn_* function calls a callback before it returns, so owners may call all of them
 * anywhere, on any of their connections, also inside callbacks. A gs_conn pointer is good until
 * on_close for it has returned.
 *
 * Sending is corked: frames are queued, the connection is marked, and at the end of the turn one
 * sendmsg takes up to 64 of them. Only a frame of 4 KB or more that finds an empty queue goes out at
 * once. */
#ifndef GS_NET_CONN_H
#define GS_NET_CONN_H

#include "net/http.h"
#include "net/loop.h"
#include "net/ws.h"

#include <stdbool.h>

typedef struct gs_net gs_net;
typedef struct gs_conn gs_conn;

/* 0 in a field means the default given here. */
typedef struct gs_net_options {
  const gesso_allocator *alloc;  /* NULL: malloc */
  uint32_t connections_max;      /* 10,000; past it a new one is answered 503 and closed */
  uint64_t frame_max;            /* 16 MiB */
  uint64_t message_max;          /* 16 MiB */
  uint64_t partial_max;          /* 256 MiB held for incomplete messages and requests of all
                                    connections; whoever goes past it is closed with 1013, or 503 */
  uint32_t queue_max;            /* 4 MiB; see gs_conn_send */
  uint32_t head_timeout_ms;      /* 10 s from the first byte awaited to the end of the head */
  uint32_t body_timeout_ms;      /* 60 s for the body */
  uint32_t keep_alive_ms;        /* 30 s between two requests */
  uint32_t stall_ms;             /* 30 s in which the peer takes nothing of what is queued */
  uint32_t ping_ms;              /* 25 s without a byte from the peer: ping it */
  uint32_t pong_ms;              /* 20 s after the ping without a byte: it is gone (1006) */
  uint32_t close_ms;             /* 3 s for the peer to answer a close frame */
  uint32_t linger_ms;            /* 1 s to read what the peer still sends after our last byte */
  uint32_t receive_size;         /* 64 KiB; one buffer for all connections */
} gs_net_options;

typedef struct gs_net_callbacks {
  /* A head is complete and a body is announced: how long may the body be? Longer ones are answered
   * 413. NULL, or 0: no body is accepted. */
  uint64_t (*on_head)(void *owner, gs_conn *conn, const gs_http_request *req);

  /* A complete request. Answer with gs_conn_respond, now or in a later turn; `req` stays valid until
   * then. No further request of the connection is read before the answer was sent. */
  void (*on_request)(void *owner, gs_conn *conn, const gs_http_request *req);

  /* A correct WebSocket handshake (others are answered 400 or 426 without asking). Answer with
   * gs_conn_accept, or refuse with gs_conn_respond; now or later; `req` stays valid until then.
   * The path is not decoded. NULL: all are answered 404. */
  void (*on_upgrade)(void *owner, gs_conn *conn, const gs_http_request *req);

  /* A complete message, `payload` borrowed for the call. Text is valid UTF-8. Not called once
   * gs_conn_close or gs_conn_abort was. */
  void (*on_message)(void *owner, gs_conn *conn, gs_ws_opcode opcode, gesso_bytes payload);

  /* A frame was refused because queue_max bytes were waiting: the peer's stream now has a gap.
   * Called once, in the flush phase. Either gs_conn_drop_queue and wait for on_drain, or
   * gs_conn_close; if neither was called, the connection is closed with 1013. */
  void (*on_full)(void *owner, gs_conn *conn);

  /* After gs_conn_drop_queue: what was left has been written, frames are accepted again. The place
   * to send the peer one message with all that it missed. */
  void (*on_drain)(void *owner, gs_conn *conn);

  /* The last word about a connection: called exactly once for each connection that any callback
   * was called with. `code` is what the peer sent, or what we closed with, or GS_WS_CODE_ABNORMAL;
   * for a connection that was never upgraded it is 0. `reason` is the peer's, or says what was wrong
   * with its frames; borrowed for the call. */
  void (*on_close)(void *owner, gs_conn *conn, uint16_t code, gesso_bytes reason);
} gs_net_callbacks;

/* `callbacks` is copied, `owner` is handed to each of them. The loop must outlive the net. */
GESSO_MUST_USE gesso_status gs_net_create(gs_loop *loop, const gs_net_options *options,
                                          const gs_net_callbacks *callbacks, void *owner,
                                          gs_net **net_out);

/* Closes everything at once, calling on_close (GS_WS_CODE_ABNORMAL or 0) where it is due. */
void gs_net_destroy(gs_net *net);

/* Listens on "127.0.0.1:1234", "[::1]:1234", "localhost:1234" or "*:1234" (every address). Port 0
 * picks one. Several listeners are fine. `reuse_port`: other loops (or processes) listen on the same
 * address and the kernel shares the connections out. On failure *why, if given, is static text. */
GESSO_MUST_USE gesso_status gs_net_listen(gs_net *net, const char *address, bool reuse_port,
                                          uint16_t *port_out, const char **why);

/* Stops listening, closes idle HTTP connections, sends every WebSocket a close frame with `code`
 * and lets requests that are being answered finish. Run the loop until gs_net_idle, or for as long
 * as you like, then gs_net_destroy. */
void gs_net_shutdown(gs_net *net, uint16_t code, const char *reason);

/* No connection is left (lingering ones count as left behind). */
bool gs_net_idle(const gs_net *net);

/* Calls `visit` for every connection that the owner knows (a callback was called with it and
 * on_close was not). Inside, every gs_conn_* function may be called. */
void gs_net_each(gs_net *net, void (*visit)(void *ctx, gs_conn *conn), void *ctx);

gs_loop *gs_net_loop(const gs_net *net);

/* ---- a connection ---------------------------------------------------------------------------- */

/* A name that is never used again, for whoever must not hold the pointer: tasks of other threads. */
uint64_t gs_conn_id(const gs_conn *conn);

/* The connection with this id, or NULL if on_close was called for it. */
gs_conn *gs_net_find(gs_net *net, uint64_t id);

/* One pointer for the owner. NULL at first. */
void gs_conn_set_user(gs_conn *conn, void *user);
void *gs_conn_user(const gs_conn *conn);

gs_net *gs_conn_net(const gs_conn *conn);

/* "127.0.0.1:40312" or "[::1]:40312"; "?" when the socket cannot say any more. Asked of the kernel,
 * so keep it if it is needed often. */
#define GS_CONN_PEER_MAX 64
void gs_conn_peer(const gs_conn *conn, char out[GS_CONN_PEER_MAX]);

typedef struct gs_response {
  int status;
  const char *content_type; /* NULL: none */
  const char *extra;        /* further header lines, each ended by CR LF; NULL: none */
  gesso_bytes body;         /* copied */
  gs_frame *body_frame;     /* instead of `body`: retained, not copied */
  bool close;               /* do not keep the connection */
} gs_response;

/* Answers the request in hand (on_request, on_upgrade). Content-Length, Date, Connection and the
 * rules for HEAD, 204 and 304 are seen to. GESSO_E_USAGE if there is no request in hand;
 * GESSO_E_NOMEM: the connection is being dropped. */
gesso_status gs_conn_respond(gs_conn *conn, const gs_response *response);

/* The same for a small JSON body: gs_conn_respond_json(c, 404, "{\"error\":\"no such board\"}"). */
gesso_status gs_conn_respond_json(gs_conn *conn, int status, const char *json);

/* Accepts the upgrade in hand. `protocol` is one of those the client offered; empty picks the first
 * that was offered (a client that offers some gives up if none is selected). `extra` as above.
 * Frames may be sent from here on. */
gesso_status gs_conn_accept(gs_conn *conn, gesso_bytes protocol, const char *extra);

/* Upgraded, and neither side has begun to close. */
bool gs_conn_open(const gs_conn *conn);

/* Queues a frame, taking a reference of its own. False if it was not queued, because
 *  - the connection is not open any more (nothing to do: on_close comes), or
 *  - queue_max bytes or more were already waiting (on_full comes at the end of the turn), or
 *  - the queue was dropped and the rest is not written yet (on_drain comes).
 * A queue below queue_max takes a frame of any size: what it can hold is queue_max and one frame. */
bool gs_conn_send(gs_conn *conn, gs_frame *frame);

/* Whether gs_conn_send would take a frame now: asked before one is made at some cost. When it would not, the
 * same follows as from a send that failed. */
bool gs_conn_takes(gs_conn *conn);

/* Bytes queued and not yet taken by the kernel. */
size_t gs_conn_queued(const gs_conn *conn);

/* Forgets the queued frames, but for one that is partly written and for control frames, and returns
 * the number of bytes dropped. Frames are refused until what is left has been written and on_drain
 * was called (in the flush phase of this turn at the earliest). */
size_t gs_conn_drop_queue(gs_conn *conn);

/* Begins the closing handshake: what is queued, then a close frame; on_close follows when the peer
 * has answered, or after close_ms. `reason` is cut to fit. On a connection that has not been
 * upgraded: closes it after the response under way. A second call does nothing. */
void gs_conn_close(gs_conn *conn, uint16_t code, const char *reason);

/* Cuts the connection without a word. on_close (GS_WS_CODE_ABNORMAL) comes in this turn's flush phase. */
void gs_conn_abort(gs_conn *conn);

/* Stops reading from the peer, which then fills its own buffers and waits; and goes on. The ping
 * clock stands still meanwhile. */
void gs_conn_pause(gs_conn *conn);
void gs_conn_resume(gs_conn *conn);

/* ---- counters -------------------------------------------------------------------------------- */

typedef struct gs_net_stats {
  uint64_t connections; /* now, those lingering excluded */
  uint64_t websockets;  /* now */
  uint64_t lingering;   /* now */
  uint64_t queue_bytes; /* now, over all connections; a shared frame counts in each */
  uint64_t partial_bytes; /* now, held for incomplete messages and requests */
  uint64_t accepted;    /* all others since the start */
  uint64_t refused;     /* over connections_max, or no descriptor or memory left */
  uint64_t requests;
  uint64_t upgrades;
  uint64_t bad_requests; /* the HTTP parser refused them */
  uint64_t bad_frames;   /* the WebSocket parser refused them */
  uint64_t timeouts;     /* dropped by any of the time limits */
  uint64_t overflows;    /* on_full calls */
  uint64_t short_of_memory; /* closed because of partial_max */
  uint64_t bytes_in, bytes_out;
  uint64_t messages_in, messages_out; /* data frames handed on, data frames queued */
  uint64_t reads, writes;             /* system calls */
} gs_net_stats;

void gs_net_get_stats(const gs_net *net, gs_net_stats *out);

#endif
