#include "conn_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct server srv;
static struct peer *peers;

/* ---- the server ------------------------------------------------------------------------------ */

static uint64_t on_head(void *owner, gs_conn *conn, const gs_http_request *req)
{
  (void)conn;
  (void)req;
  return ((struct server *)owner)->body_max;
}

static void on_request(void *owner, gs_conn *conn, const gs_http_request *req)
{
  struct server *s = owner;
  s->requests++;
  s->last = conn;
  if (gs_http_is(req->path, "/later")) {
    s->waiting = conn;
  } else if (gs_http_is(req->path, "/body")) {
    (void)gs_conn_respond(conn, &(gs_response){ .status = 200, .body = req->body });
  } else if (gs_http_is(req->path, "/big")) {
    static uint8_t big[12u << 20];
    memset(big, 'b', sizeof big);
    gs_frame *frame = gs_frame_bytes_static(&s->memory.alloc, (gesso_bytes){ big, sizeof big });
    assert_int_equal(gs_conn_respond(conn, &(gs_response){ .status = 200, .body_frame = frame }), GESSO_OK);
    gs_frame_release(frame);
  } else {
    (void)gs_conn_respond_json(conn, 200, "{}");
  }
}

static void on_upgrade(void *owner, gs_conn *conn, const gs_http_request *req)
{
  struct server *s = owner;
  s->upgrades++;
  s->last = conn;
  if (gs_http_is(req->path, "/later"))
    s->waiting = conn;
  else if (gs_http_is(req->path, "/refuse"))
    assert_int_equal(gs_conn_respond_json(conn, 403, "{\"error\":\"no\"}"), GESSO_OK);
  else
    (void)gs_conn_accept(conn, (gesso_bytes){ NULL, 0 }, NULL);
}

static void on_message(void *owner, gs_conn *conn, gs_ws_opcode opcode, gesso_bytes payload)
{
  struct server *s = owner;
  assert_true(gs_conn_open(conn));
  s->messages++;
  if (s->message != NULL) {
    s->message(conn, opcode, payload);
    return;
  }
  gs_frame *frame = gs_frame_message(&s->memory.alloc, opcode, payload);
  if (frame == NULL)
    return;
  (void)gs_conn_send(conn, frame);
  gs_frame_release(frame);
}

static void on_full(void *owner, gs_conn *conn)
{
  struct server *s = owner;
  s->fulls++;
  if (s->full != NULL)
    s->full(conn);
}

static void on_drain(void *owner, gs_conn *conn)
{
  struct server *s = owner;
  s->drains++;
  if (s->drained != NULL)
    s->drained(conn);
}

static void on_close(void *owner, gs_conn *conn, uint16_t code, gesso_bytes reason)
{
  struct server *s = owner;
  assert_null(gs_net_find(s->net, gs_conn_id(conn)));
  s->closes++;
  s->close_code = code;
  (void)snprintf(s->close_reason, sizeof s->close_reason, "%.*s", (int)reason.len, (const char *)reason.data);
  if (s->waiting == conn)
    s->waiting = NULL;
}

void server_start(const gs_net_options *options)
{
  static const gs_net_callbacks callbacks = { on_head, on_request, on_upgrade, on_message,
                                              on_full, on_drain,   on_close };
  gs_net_options o = options != NULL ? *options : (gs_net_options){ 0 };
  unsigned long fail_at = srv.memory.fail_at;
  srv = (struct server){ .body_max = 1000 };
  gs_manual_clock_init(&srv.clock, 5000000000, 1700000000000);
  test_allocator_init(&srv.memory);
  if (o.alloc == NULL)
    o.alloc = &srv.memory.alloc;
  srv.memory.fail_at = fail_at;
  assert_int_equal(gs_loop_create(NULL, &srv.clock.clock, &srv.loop), GESSO_OK);
  if (gs_net_create(srv.loop, &o, &callbacks, &srv, &srv.net) != GESSO_OK)
    return;
  const char *why = NULL;
  if (gs_net_listen(srv.net, "127.0.0.1:0", false, &srv.port, &why) != GESSO_OK)
    assert_int_not_equal(fail_at, 0);
}

void server_stop(void)
{
  while (peers != NULL)
    peer_close(peers);
  gs_net_destroy(srv.net);
  gs_loop_destroy(srv.loop);
  assert_int_equal(srv.memory.live, 0);
}

gs_net_stats server_stats(void)
{
  gs_net_stats stats;
  gs_net_get_stats(srv.net, &stats);
  return stats;
}

static void peer_read(struct peer *p)
{
  static uint8_t buf[65536];
  while (!p->eof && !p->stalled) {
    ssize_t n = recv(p->fd, buf, sizeof buf, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
      return;
    if (n <= 0)
      p->eof = true;
    else
      gs_buf_write(&p->in, buf, (size_t)n);
  }
}

static void turn(int wait_ms)
{
  assert_int_equal(gs_loop_turn(srv.loop, wait_ms), GESSO_OK);
  for (struct peer *p = peers; p != NULL; p = p->next)
    peer_read(p);
}

void server_turn(void)
{
  turn(1);
}

void server_settle(void)
{
  for (int i = 0; i < SETTLE_TURNS - 1; i++)
    turn(0);
  turn(1);
}

void server_pass_ms(uint64_t ms)
{
  gs_manual_clock_advance_ms(&srv.clock, ms);
  server_settle();
}

/* ---- a peer ---------------------------------------------------------------------------------- */

void peer_open(struct peer *p)
{
  const int one = 1;
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(srv.port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  *p = (struct peer){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .in = gs_buf_make(NULL) };
  assert_true(p->fd >= 0);
  (void)setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  assert_int_equal(connect(p->fd, (struct sockaddr *)&to, sizeof to), 0);
  p->next = peers;
  peers = p;
}

void peer_close(struct peer *p)
{
  for (struct peer **at = &peers; *at != NULL; at = &(*at)->next)
    if (*at == p) {
      *at = p->next;
      (void)close(p->fd);
      gs_buf_finish(&p->in);
      return;
    }
}

void peer_send(struct peer *p, const void *data, size_t len)
{
  const uint8_t *at = data;
  for (int tries = 0; len != 0; tries++) {
    ssize_t n = send(p->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN)
      return; /* the server is gone: the test will notice */
    if (n > 0) {
      at += n;
      len -= (size_t)n;
      continue;
    }
    assert_true(tries < 20000);
    server_turn();
  }
}

void peer_puts(struct peer *p, const char *text)
{
  peer_send(p, text, strlen(text));
}

static void take(struct peer *p, size_t n)
{
  memmove(p->in.b.data, p->in.b.data + n, p->in.b.len - n);
  p->in.b.len -= n;
}

int peer_response(struct peer *p, gs_buf *body)
{
  size_t head = 0;
  for (size_t i = 3; i < p->in.b.len && head == 0; i++)
    if (memcmp(p->in.b.data + i - 3, "\r\n\r\n", 4) == 0)
      head = i + 1;
  if (head == 0)
    return 0;
  char *text = strndup((char *)p->in.b.data, head);
  int status = 0;
  unsigned long len = 0;
  assert_int_equal(sscanf(text, "HTTP/1.1 %3d", &status), 1);
  const char *field = strstr(text, "\r\nContent-Length: ");
  if (field != NULL)
    assert_int_equal(sscanf(field, "\r\nContent-Length: %lu", &len), 1);
  free(text);
  if (p->in.b.len < head + len)
    return 0;
  if (body != NULL) {
    gs_buf_clear(body);
    gs_buf_write(body, p->in.b.data + head, len);
  }
  take(p, head + len);
  return status;
}

void expect_response(struct peer *p, int status, const char *body)
{
  gs_buf got = gs_buf_make(NULL);
  int s = 0;
  UNTIL((s = peer_response(p, &got)) != 0 || p->eof);
  assert_int_equal(s, status);
  if (body != NULL)
    assert_bytes(gs_buf_bytes(&got), bytes_of(body));
  gs_buf_finish(&got);
}

void peer_upgrade(struct peer *p, const char *path, const char *extra)
{
  char text[1000];
  (void)snprintf(text, sizeof text,
                 "GET %s HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
                 path, extra);
  peer_puts(p, text);
}

void peer_socket(struct peer *p, const char *path)
{
  peer_open(p);
  peer_upgrade(p, path, "");
  expect_response(p, 101, "");
}

void peer_frame(struct peer *p, unsigned first_byte, gesso_bytes payload)
{
  static const uint8_t mask[4] = { 0x11, 0x22, 0x33, 0x44 };
  uint8_t header[GS_WS_HEADER_MAX];
  gs_buf out = gs_buf_make(NULL);
  size_t n = gs_ws_write_header(header, GS_WS_BINARY, true, payload.len, mask);
  header[0] = (uint8_t)first_byte;
  gs_buf_write(&out, header, n);
  gs_buf_write(&out, payload.data, payload.len);
  (void)gs_ws_mask(out.b.data + n, payload.len, mask, 0);
  peer_send(p, out.b.data, out.b.len);
  gs_buf_finish(&out);
}

int peer_take_frame(struct peer *p, gs_buf *payload)
{
  const uint8_t *d = p->in.b.data;
  size_t have = p->in.b.len, head = 2, len;
  if (have < 2)
    return -1;
  assert_true((d[0] & 0x80) != 0);
  len = d[1];
  if (len == 126)
    head = 4;
  else if (len == 127)
    head = 10;
  if (have < head)
    return -1;
  if (head > 2)
    len = 0;
  for (size_t i = 2; i < head; i++)
    len = len << 8 | d[i];
  if (have - head < len)
    return -1;
  int opcode = d[0] & 0x0f;
  gs_buf_clear(payload);
  gs_buf_write(payload, d + head, len);
  take(p, head + len);
  return opcode;
}

void expect_frame(struct peer *p, int opcode, gesso_bytes payload)
{
  gs_buf got = gs_buf_make(NULL);
  int op = -1;
  UNTIL((op = peer_take_frame(p, &got)) >= 0 || p->eof);
  assert_int_equal(op, opcode);
  assert_bytes(gs_buf_bytes(&got), payload);
  gs_buf_finish(&got);
}

void expect_close(struct peer *p, uint16_t code)
{
  gs_buf got = gs_buf_make(NULL);
  int op = -1;
  UNTIL((op = peer_take_frame(p, &got)) >= 0 || p->eof);
  assert_int_equal(op, GS_WS_CLOSE);
  assert_true(got.b.len >= 2);
  assert_int_equal(got.b.data[0] << 8 | got.b.data[1], code);
  gs_buf_finish(&got);
}
