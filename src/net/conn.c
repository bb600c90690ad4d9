/* One connection from its first byte to its last; conn_impl.h has the states and the rules. */
#include "net/conn_impl.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static const gesso_bytes nothing = { NULL, 0 };

/* ---- ends ------------------------------------------------------------------------------------ */

void gs_conn_tell(gs_conn *conn, uint16_t code, gesso_bytes reason)
{
  gs_net *net = conn->net;
  if (conn->told)
    return;
  conn->told = true;
  if (conn->known && net->callbacks.on_close != NULL)
    net->callbacks.on_close(net->owner, conn, code, reason);
}

static void set_state(gs_conn *conn, uint8_t state)
{
  gs_net_stats *stats = &conn->net->stats;
  uint8_t old = conn->state;
  bool was_socket = old == GS_CONN_OPEN || old == GS_CONN_CLOSING;
  bool is_socket = state == GS_CONN_OPEN || state == GS_CONN_CLOSING;
  if (was_socket != is_socket)
    stats->websockets += is_socket ? 1u : (uint64_t)-1;
  if (old < GS_CONN_LINGER && state >= GS_CONN_LINGER)
    stats->connections--;
  if (old != GS_CONN_LINGER && state == GS_CONN_LINGER)
    stats->lingering++;
  if (old == GS_CONN_LINGER && state != GS_CONN_LINGER)
    stats->lingering--;
  conn->state = state;
  conn->phase_ms = gs_net_now(conn->net);
}

void gs_conn_die(gs_conn *conn, uint16_t code)
{
  if (conn->state == GS_CONN_DEAD)
    return;
  if (conn->close_code == 0)
    conn->close_code = code;
  set_state(conn, GS_CONN_DEAD);
  gs_net_add_work(conn);
}

static uint16_t broken_code(const gs_conn *conn)
{
  return conn->state == GS_CONN_OPEN ? GS_WS_CODE_ABNORMAL : 0;
}

static bool shut_down(gs_conn *conn)
{
  if (!conn->shut) {
    conn->shut = true;
    return shutdown(conn->watch.fd, SHUT_WR) == 0;
  }
  return true;
}

void gs_conn_linger(gs_conn *conn)
{
  if (conn->state >= GS_CONN_LINGER)
    return;
  set_state(conn, GS_CONN_LINGER);
  conn->paused = false;
  gs_net_add_work(conn);
  gs_net_add_ready(conn);
  gs_conn_arm(conn);
}

/* ---- timer ----------------------------------------------------------------------------------- */

static uint32_t since(const gs_conn *conn, uint32_t then_ms)
{
  return gs_net_now(conn->net) - then_ms;
}

/* What is left of `limit` after `gone`; 0 when it is over. */
static uint32_t rest(uint32_t limit, uint32_t gone)
{
  return gone < limit ? limit - gone : 0;
}

static uint32_t http_limit(const gs_conn *conn)
{
  const gs_net_options *o = &conn->net->options;
  if (conn->in_body)
    return o->body_timeout_ms;
  return conn->http == NULL && conn->served ? o->keep_alive_ms : o->head_timeout_ms;
}

/* Milliseconds until the timer must look again; 0: something is over. UINT32_MAX: no limit. */
static uint32_t time_left(const gs_conn *conn)
{
  const gs_net_options *o = &conn->net->options;
  uint32_t left = UINT32_MAX;
  if (conn->state != GS_CONN_HTTP && conn->state != GS_CONN_ANSWERING && conn->frames != 0)
    left = rest(o->stall_ms, since(conn, conn->last_out_ms));
  switch (conn->state) {
  case GS_CONN_HTTP:
    return rest(http_limit(conn), since(conn, conn->phase_ms));
  case GS_CONN_OPEN:
    if (!conn->paused) {
      uint32_t quiet = conn->pinged ? rest(o->pong_ms, since(conn, conn->phase_ms))
                                    : rest(o->ping_ms, since(conn, conn->last_in_ms));
      left = GS_MIN(left, quiet);
    } else {
      left = GS_MIN(left, o->ping_ms);
    }
    return left;
  case GS_CONN_CLOSING:
    return conn->frames != 0 ? left : rest(o->close_ms, since(conn, conn->phase_ms));
  case GS_CONN_LINGER:
    return conn->frames != 0 ? left : rest(o->linger_ms, since(conn, conn->phase_ms));
  default:
    return left;
  }
}

void gs_conn_arm(gs_conn *conn)
{
  uint32_t left = time_left(conn);
  if (left == UINT32_MAX)
    gs_timer_stop(conn->net->loop, &conn->timer);
  else
    gs_timer_set(conn->net->loop, &conn->timer, left);
}

static void send_ping(gs_conn *conn)
{
  conn->pinged = true;
  conn->phase_ms = gs_net_now(conn->net);
  if (!gs_conn_push(conn, gs_frame_retain(conn->net->ping)))
    conn->failed = true;
  gs_net_add_work(conn);
}

void gs_conn_fire(gs_timer *timer)
{
  gs_conn *conn = (gs_conn *)(void *)((char *)timer - offsetof(gs_conn, timer));
  gs_net *net = conn->net;
  const gs_net_options *o = &net->options;
  if (conn->state == GS_CONN_DEAD)
    return;
  if (time_left(conn) != 0) {
    gs_conn_arm(conn);
    return;
  }
  bool stalled = conn->frames != 0 && since(conn, conn->last_out_ms) >= o->stall_ms;
  if (conn->state == GS_CONN_OPEN && !stalled && !conn->pinged) {
    send_ping(conn);
    gs_conn_arm(conn);
    return;
  }
  if (conn->state == GS_CONN_HTTP && conn->http != NULL) {
    net->stats.timeouts++;
    gs_conn_refuse(conn, 408, "the request took too long");
    return;
  }
  bool usual = (conn->state == GS_CONN_HTTP || conn->state == GS_CONN_LINGER) && !stalled;
  if (!usual)
    net->stats.timeouts++;
  uint16_t code = conn->state == GS_CONN_CLOSING ? conn->close_code : broken_code(conn);
  gs_conn_die(conn, code);
  gs_conn_tell(conn, conn->close_code, nothing);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void queue_pong(gs_conn *conn, gesso_bytes payload)
{
  gs_frame *pong = gs_frame_message(conn->net->options.alloc, GS_WS_PONG, payload);
  if (pong == NULL)
    return; /* no memory for a pong: the next ping gets one */
  gs_frame_release(conn->pong);
  conn->pong = pong;
  gs_net_add_work(conn);
}

/* The WebSocket is over: say so with a close frame, tell the owner, let the peer hang up. */
static void end_socket(gs_conn *conn, uint16_t code, gesso_bytes reason, bool say_why)
{
  if (conn->state == GS_CONN_OPEN) {
    (void)gs_conn_cut_queue(conn, false);
    gs_frame *frame =
      gs_frame_close(conn->net->options.alloc, code, say_why ? reason : nothing);
    if (frame == NULL || !gs_conn_push(conn, frame))
      conn->failed = true;
    conn->close_code = code;
  }
  gs_conn_linger(conn);
  gs_conn_tell(conn, conn->close_code, reason);
}

static size_t feed_socket(gs_conn *conn, uint8_t *data, size_t len)
{
  gs_net *net = conn->net;
  size_t at = 0;
  for (;;) {
    if ((conn->state != GS_CONN_OPEN && conn->state != GS_CONN_CLOSING) || conn->paused)
      return at;
    gs_ws_item item = { 0 };
    size_t used = 0;
    gs_ws_event ev = gs_ws_parser_feed(&conn->ws, &net->ws_limits, net->options.alloc,
                                       len != at ? data + at : data, len - at, &used, &item);
    at += used;
    switch (ev) {
    case GS_WS_MORE:
      return at;
    case GS_WS_ON_MESSAGE:
      if (conn->state != GS_CONN_OPEN)
        break;
      net->stats.messages_in++;
      if (net->callbacks.on_message != NULL)
        net->callbacks.on_message(net->owner, conn, item.opcode, item.payload);
      break;
    case GS_WS_ON_PING:
      if (conn->state == GS_CONN_OPEN)
        queue_pong(conn, item.payload);
      break;
    case GS_WS_ON_PONG:
      break; /* any byte shows that the peer is there */
    case GS_WS_ON_CLOSE:
      /* RFC 6455 5.5.1: answer with the same code. */
      end_socket(conn, item.code, item.payload, false);
      return at;
    case GS_WS_FAILED:
      net->stats.bad_frames++;
      end_socket(conn, item.code, (gesso_bytes){ (const uint8_t *)item.why, strlen(item.why) },
                 true);
      return at;
    }
  }
}

/* Handles bytes in the order in which they came; returns how many. */
static size_t feed(gs_conn *conn, uint8_t *data, size_t len)
{
  size_t at = 0;
  if (conn->state == GS_CONN_HTTP)
    at = gs_conn_feed_http(conn, data, len);
  if (conn->state == GS_CONN_OPEN || conn->state == GS_CONN_CLOSING)
    at += feed_socket(conn, data + at, len - at);
  return conn->state >= GS_CONN_LINGER ? len : at;
}

static void free_held(gs_conn *conn)
{
  if (conn->held != NULL)
    gs_free(conn->net->options.alloc, conn->held, sizeof *conn->held + conn->held->capacity);
  conn->held = NULL;
}

static void hold(gs_conn *conn, const uint8_t *data, size_t len)
{
  conn->held = gs_alloc(conn->net->options.alloc, sizeof *conn->held + len);
  if (conn->held == NULL) {
    gs_conn_die(conn, broken_code(conn));
    return;
  }
  *conn->held = (gs_held){ .len = len, .capacity = len };
  memcpy(conn->held->data, data, len);
}

/* Brings the account of incomplete input up to date. */
static void account(gs_conn *conn)
{
  size_t now = gs_ws_parser_memory(&conn->ws);
  if (conn->http != NULL)
    now += sizeof *conn->http + conn->http->head.capacity + conn->http->body.capacity;
  if (conn->held != NULL)
    now += sizeof *conn->held + conn->held->capacity;
  conn->net->stats.partial_bytes += now;
  conn->net->stats.partial_bytes -= conn->partial;
  conn->partial = now;
}

/* Incomplete input of all connections together is bounded. Whoever was just read and holds more than
 * a receive buffer's worth has to go. */
static void check_memory(gs_conn *conn)
{
  gs_net *net = conn->net;
  account(conn);
  if (net->stats.partial_bytes <= net->options.partial_max || conn->partial <= net->options.receive_size)
    return;
  if (conn->state == GS_CONN_HTTP) {
    net->stats.short_of_memory++;
    gs_conn_refuse(conn, 503, "too much is being received at once");
  } else if (conn->state == GS_CONN_OPEN) {
    static const char why[] = "too much is being received at once";
    net->stats.short_of_memory++;
    end_socket(conn, GS_WS_CODE_TRY_LATER, (gesso_bytes){ (const uint8_t *)why, sizeof why - 1 }, true);
  }
}

static bool may_read(const gs_conn *conn)
{
  return conn->state != GS_CONN_ANSWERING && conn->state != GS_CONN_RESPONDING
         && conn->state != GS_CONN_DEAD && !conn->paused;
}

/* The peer sends no more (`clean`), or the connection broke. */
static void end_of_stream(gs_conn *conn, bool clean)
{
  if (clean && conn->state == GS_CONN_LINGER && conn->frames != 0) {
    conn->peer_done = true; /* it may still be reading our last words */
    conn->readable = false;
    return;
  }
  uint16_t code = conn->state == GS_CONN_CLOSING ? conn->close_code : broken_code(conn);
  gs_conn_die(conn, code);
  gs_conn_tell(conn, conn->close_code, nothing);
}

void gs_conn_read(gs_conn *conn)
{
  gs_net *net = conn->net;
  if (!may_read(conn))
    return;
  if (conn->held != NULL) {
    gs_held *held = conn->held;
    held->at += feed(conn, held->data + held->at, held->len - held->at);
    if (held->at < held->len)
      return;
    free_held(conn);
    if (!may_read(conn))
      return;
  }
  if (!conn->readable)
    return;
  ssize_t n = recv(conn->watch.fd, net->receive, net->options.receive_size, MSG_DONTWAIT);
  net->stats.reads++;
  if (n < 0) {
    if (errno == EINTR)
      gs_net_add_ready(conn);
    else if (errno == EAGAIN)
      conn->readable = false;
    else
      end_of_stream(conn, false);
    return;
  }
  if (n == 0) {
    end_of_stream(conn, true);
    return;
  }
  net->stats.bytes_in += (uint64_t)n;
  conn->last_in_ms = gs_net_now(net);
  conn->pinged = false;
  /* A short read has emptied the socket, unless the end of the stream is waiting behind it. */
  if ((size_t)n < net->options.receive_size && !conn->hung_up)
    conn->readable = false;
  size_t used = feed(conn, net->receive, (size_t)n);
  if (used < (size_t)n)
    hold(conn, net->receive + used, (size_t)n - used);
  else if (conn->readable && may_read(conn))
    gs_net_add_ready(conn);
  check_memory(conn);
}

void gs_conn_ready(gs_watch *watch, uint32_t events)
{
  gs_conn *conn = (gs_conn *)(void *)((char *)watch - offsetof(gs_conn, watch));
  if ((events & EPOLLOUT) != 0 && conn->blocked) {
    conn->blocked = false;
    gs_net_add_work(conn);
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0)
    return;
  conn->readable = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
    conn->hung_up = true;
  if (may_read(conn))
    gs_conn_read(conn);
  else if ((events & (EPOLLHUP | EPOLLERR)) != 0 && conn->state != GS_CONN_DEAD)
    end_of_stream(conn, false); /* nobody is left to answer */
}

/* ---- the flush phase ------------------------------------------------------------------------- */

static void overflow(gs_conn *conn)
{
  gs_net *net = conn->net;
  conn->full = false;
  net->stats.overflows++;
  if (net->callbacks.on_full != NULL) {
    net->callbacks.on_full(net->owner, conn);
    gs_loop_again(net->loop);
  }
  if (conn->state != GS_CONN_OPEN || conn->lagging)
    return;
  (void)gs_conn_cut_queue(conn, true);
  gs_conn_close(conn, GS_WS_CODE_TRY_LATER, "too slow");
}

/* All that was queued is written. */
static void drained(gs_conn *conn)
{
  gs_net *net = conn->net;
  switch (conn->state) {
  case GS_CONN_RESPONDING:
    gs_conn_free_http(conn);
    conn->served = true;
    if (conn->last_request || net->stopping) {
      gs_conn_linger(conn);
      return;
    }
    set_state(conn, GS_CONN_HTTP);
    gs_net_add_ready(conn);
    gs_conn_arm(conn);
    return;
  case GS_CONN_OPEN:
    if (!conn->lagging)
      return;
    conn->lagging = false;
    if (net->callbacks.on_drain != NULL) {
      net->callbacks.on_drain(net->owner, conn);
      gs_loop_again(net->loop);
    }
    return;
  case GS_CONN_CLOSING:
  case GS_CONN_LINGER:
    if (conn->state == GS_CONN_LINGER && conn->shut)
      return;
    conn->phase_ms = gs_net_now(net);
    if (conn->state == GS_CONN_LINGER && (!shut_down(conn) || conn->peer_done))
      gs_conn_die(conn, 0);
    else
      gs_conn_arm(conn);
    return;
  default:
    return;
  }
}

static void bury(gs_conn *conn)
{
  if (!conn->told && conn->known)
    gs_loop_again(conn->net->loop);
  gs_conn_tell(conn, conn->close_code, nothing);
  free_held(conn);
  gs_conn_free_http(conn);
  gs_conn_free_queue(conn);
  gs_ws_parser_finish(&conn->ws, conn->net->options.alloc);
  account(conn);
  gs_conn_free(conn);
}

void gs_conn_work(gs_conn *conn)
{
  if (conn->state == GS_CONN_DEAD) {
    bury(conn);
    return;
  }
  if (conn->state >= GS_CONN_OPEN)
    gs_conn_free_http(conn);
  if (conn->state >= GS_CONN_LINGER)
    gs_ws_parser_finish(&conn->ws, conn->net->options.alloc);
  account(conn);
  if (conn->pong != NULL && !conn->pong_queued && conn->state == GS_CONN_OPEN) {
    conn->pong_queued = gs_conn_push(conn, conn->pong);
    conn->pong = NULL;
  }
  bool waiting = conn->frames != 0;
  if (waiting && !conn->blocked)
    gs_conn_write(conn);
  if (conn->failed) {
    uint16_t code = conn->state == GS_CONN_CLOSING ? conn->close_code : broken_code(conn);
    gs_conn_die(conn, code); /* comes back here in this same phase */
    return;
  }
  if (conn->full)
    overflow(conn);
  if (conn->frames != 0) {
    if (!conn->blocked)
      gs_net_add_ready(conn); /* more than one turn's share */
    else if (conn->state != GS_CONN_OPEN)
      gs_conn_arm(conn);
    return;
  }
  if (waiting || conn->lagging || conn->state >= GS_CONN_CLOSING)
    drained(conn);
}

/* ---- public ---------------------------------------------------------------------------------- */

uint64_t gs_conn_id(const gs_conn *conn)
{
  return conn->id;
}

void gs_conn_set_user(gs_conn *conn, void *user)
{
  conn->user = user;
}

void *gs_conn_user(const gs_conn *conn)
{
  return conn->user;
}

gs_net *gs_conn_net(const gs_conn *conn)
{
  return conn->net;
}

bool gs_conn_open(const gs_conn *conn)
{
  return conn->state == GS_CONN_OPEN;
}

void gs_conn_peer(const gs_conn *conn, char out[GS_CONN_PEER_MAX])
{
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_storage room;
  } a;
  socklen_t len = sizeof a;
  char text[INET6_ADDRSTRLEN];
  (void)snprintf(out, GS_CONN_PEER_MAX, "?");
  if (conn->state == GS_CONN_DEAD || getpeername(conn->watch.fd, &a.any, &len) != 0)
    return;
  if (a.any.sa_family == AF_INET && inet_ntop(AF_INET, &a.v4.sin_addr, text, sizeof text) != NULL)
    (void)snprintf(out, GS_CONN_PEER_MAX, "%s:%u", text, ntohs(a.v4.sin_port));
  else if (a.any.sa_family == AF_INET6
           && inet_ntop(AF_INET6, &a.v6.sin6_addr, text, sizeof text) != NULL)
    (void)snprintf(out, GS_CONN_PEER_MAX, "[%s]:%u", text, ntohs(a.v6.sin6_port));
}

void gs_conn_close(gs_conn *conn, uint16_t code, const char *reason)
{
  conn->last_request = true;
  switch (conn->state) {
  case GS_CONN_HTTP:
    gs_conn_die(conn, 0);
    return;
  case GS_CONN_OPEN: {
    gesso_bytes text = { (const uint8_t *)reason, reason == NULL ? 0 : strlen(reason) };
    gs_frame *frame = gs_frame_close(conn->net->options.alloc, code, text);
    conn->close_code = code;
    if (frame == NULL || !gs_conn_push(conn, frame))
      conn->failed = true;
    set_state(conn, GS_CONN_CLOSING);
    conn->full = conn->lagging = false;
    if (conn->paused)
      gs_conn_resume(conn);
    gs_net_add_work(conn);
    gs_conn_arm(conn);
    return;
  }
  default:
    return;
  }
}

void gs_conn_abort(gs_conn *conn)
{
  gs_conn_die(conn, broken_code(conn));
}

void gs_conn_pause(gs_conn *conn)
{
  if (conn->state == GS_CONN_OPEN)
    conn->paused = true;
}

void gs_conn_resume(gs_conn *conn)
{
  if (!conn->paused)
    return;
  conn->paused = false;
  conn->pinged = false;
  conn->last_in_ms = gs_net_now(conn->net);
  gs_net_add_ready(conn);
}
