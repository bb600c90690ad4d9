/* The send queue. All writing to sockets is gs_conn_write, which is where another transport goes. */
#include "net/conn_impl.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define FREE_CHUNKS_MAX 256u
#define WRITES_PER_TURN 8

static gs_chunk *take_chunk(gs_net *net)
{
  gs_chunk *chunk = net->free_chunks;
  if (chunk == NULL)
    return gs_alloc(net->options.alloc, sizeof *chunk);
  net->free_chunks = chunk->next;
  net->free_chunk_count--;
  return chunk;
}

static void give_chunk(gs_net *net, gs_chunk *chunk)
{
  if (net->free_chunk_count >= FREE_CHUNKS_MAX) {
    gs_free(net->options.alloc, chunk, sizeof *chunk);
    return;
  }
  chunk->next = net->free_chunks;
  net->free_chunks = chunk;
  net->free_chunk_count++;
}

void gs_net_free_chunks(gs_net *net)
{
  while (net->free_chunks != NULL) {
    gs_chunk *chunk = net->free_chunks;
    net->free_chunks = chunk->next;
    gs_free(net->options.alloc, chunk, sizeof *chunk);
  }
  net->free_chunk_count = 0;
}

bool gs_conn_push(gs_conn *conn, gs_frame *frame)
{
  if (frame->len == 0) {
    gs_frame_release(frame);
    return true;
  }
  if (conn->last == NULL || conn->last_end == GS_CHUNK_FRAMES) {
    gs_chunk *chunk = take_chunk(conn->net);
    if (chunk == NULL) {
      gs_frame_release(frame);
      return false;
    }
    chunk->next = NULL;
    if (conn->last == NULL) {
      conn->first = chunk;
      conn->first_at = 0;
    } else {
      conn->last->next = chunk;
    }
    conn->last = chunk;
    conn->last_end = 0;
  }
  if (conn->frames == 0)
    conn->last_out_ms = gs_net_now(conn->net);
  conn->last->frames[conn->last_end++] = frame;
  conn->frames++;
  conn->queued += frame->len;
  conn->net->stats.queue_bytes += frame->len;
  return true;
}

static void pop(gs_conn *conn)
{
  gs_frame *frame = conn->first->frames[conn->first_at++];
  if (frame->opcode == GS_WS_PONG)
    conn->pong_queued = false;
  gs_frame_release(frame);
  conn->head_sent = 0;
  conn->frames--;
  bool last = conn->first == conn->last;
  if (conn->first_at < (last ? conn->last_end : GS_CHUNK_FRAMES))
    return;
  gs_chunk *done = conn->first;
  conn->first = done->next;
  conn->first_at = 0;
  if (last) {
    conn->first = conn->last = NULL;
    conn->last_end = 0;
  }
  give_chunk(conn->net, done);
}

/* `n` bytes of the queue are written. */
static void advance(gs_conn *conn, size_t n)
{
  conn->queued -= n;
  conn->net->stats.queue_bytes -= n;
  while (n != 0) {
    size_t left = conn->first->frames[conn->first_at]->len - conn->head_sent;
    if (n < left) {
      conn->head_sent += n;
      return;
    }
    n -= left;
    pop(conn);
  }
}

static int gather(const gs_conn *conn, struct iovec iov[GS_IOV_MAX], size_t *total)
{
  int n = 0;
  size_t skip = conn->head_sent;
  unsigned at = conn->first_at;
  *total = 0;
  for (const gs_chunk *chunk = conn->first; chunk != NULL; chunk = chunk->next, at = 0) {
    unsigned end = chunk == conn->last ? conn->last_end : GS_CHUNK_FRAMES;
    for (; at < end; at++) {
      if (n == GS_IOV_MAX)
        return n;
      const gs_frame *frame = chunk->frames[at];
      /* sendmsg does not write through iov_base; the type has no const form. */
      iov[n].iov_base = (void *)(uintptr_t)(frame->data + skip);
      iov[n].iov_len = frame->len - skip;
      *total += iov[n++].iov_len;
      skip = 0;
    }
  }
  return n;
}

void gs_conn_write(gs_conn *conn)
{
  gs_net *net = conn->net;
  for (int round = 0; round < WRITES_PER_TURN && conn->frames != 0; round++) {
    struct iovec iov[GS_IOV_MAX];
    size_t total;
    struct msghdr msg = { .msg_iov = iov };
    msg.msg_iovlen = (size_t)gather(conn, iov, &total);
    ssize_t n = sendmsg(conn->watch.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    net->stats.writes++;
    if (n < 0) {
      if (errno == EINTR)
        continue;
      if (errno == EAGAIN || errno == ENOBUFS)
        conn->blocked = true;
      else
        conn->failed = true;
      break;
    }
    net->stats.bytes_out += (uint64_t)n;
    conn->last_out_ms = gs_net_now(net);
    advance(conn, (size_t)n);
    if ((size_t)n < total) {
      conn->blocked = true; /* the kernel noted it, too: EPOLLOUT comes when there is room */
      break;
    }
  }
  if (conn->blocked && conn->state >= GS_CONN_OPEN)
    gs_conn_arm(conn);
}

size_t gs_conn_cut_queue(gs_conn *conn, bool keep_control)
{
  size_t dropped = 0;
  gs_chunk *chunk = conn->first;
  const gs_chunk *old_last = conn->last;
  unsigned at = conn->first_at, old_end = conn->last_end;
  bool begun = conn->head_sent != 0;
  /* The kept frames move to the front of the same chunks: the write position never passes the read
   * position. */
  gs_chunk *to = chunk;
  unsigned to_at = at;
  uint32_t kept = 0;
  for (; chunk != NULL; chunk = chunk->next, at = 0) {
    unsigned end = chunk == old_last ? old_end : GS_CHUNK_FRAMES;
    for (; at < end; at++) {
      gs_frame *frame = chunk->frames[at];
      if (!begun && !(keep_control && frame->opcode >= GS_WS_CLOSE)) {
        if (frame->opcode == GS_WS_PONG)
          conn->pong_queued = false;
        dropped += frame->len;
        gs_frame_release(frame);
        continue;
      }
      begun = false;
      if (to_at == GS_CHUNK_FRAMES) {
        to = to->next;
        to_at = 0;
      }
      to->frames[to_at++] = frame;
      kept++;
    }
  }
  gs_chunk *rest;
  if (kept == 0) {
    rest = conn->first;
    conn->first = conn->last = NULL;
    conn->first_at = conn->last_end = 0;
  } else {
    rest = to->next;
    to->next = NULL;
    conn->last = to;
    conn->last_end = (uint8_t)to_at;
  }
  while (rest != NULL) {
    gs_chunk *next = rest->next;
    give_chunk(conn->net, rest);
    rest = next;
  }
  conn->frames = kept;
  conn->queued -= dropped;
  conn->net->stats.queue_bytes -= dropped;
  return dropped;
}

void gs_conn_free_queue(gs_conn *conn)
{
  conn->net->stats.queue_bytes -= conn->queued;
  conn->queued = 0;
  while (conn->frames != 0)
    pop(conn);
  gs_frame_release(conn->pong);
  conn->pong = NULL;
}

/* ---- public ---------------------------------------------------------------------------------- */

bool gs_conn_takes(gs_conn *conn)
{
  if (conn->state != GS_CONN_OPEN || conn->lagging || conn->full || conn->failed)
    return false;
  gs_net *net = conn->net;
  /* Full within one turn is not full yet: the socket has not been asked. */
  if (conn->queued >= net->options.queue_max && !conn->blocked)
    gs_conn_write(conn);
  if (conn->failed || conn->queued >= net->options.queue_max) {
    conn->full = !conn->failed;
    gs_net_add_work(conn);
    return false;
  }
  return true;
}

bool gs_conn_send(gs_conn *conn, gs_frame *frame)
{
  if (!gs_conn_takes(conn))
    return false;
  gs_net *net = conn->net;
  bool now = frame->len >= GS_SEND_NOW_BYTES && conn->frames == 0 && !conn->blocked;
  if (!gs_conn_push(conn, gs_frame_retain(frame))) {
    conn->failed = true;
    gs_net_add_work(conn);
    return false;
  }
  net->stats.messages_out++;
  if (now)
    gs_conn_write(conn);
  if ((conn->frames != 0 && !conn->blocked) || conn->failed)
    gs_net_add_work(conn);
  return true;
}

size_t gs_conn_queued(const gs_conn *conn)
{
  return conn->queued;
}

size_t gs_conn_drop_queue(gs_conn *conn)
{
  if (conn->state != GS_CONN_OPEN)
    return 0;
  size_t dropped = gs_conn_cut_queue(conn, true);
  conn->full = false;
  conn->lagging = true;
  gs_net_add_work(conn);
  return dropped;
}
