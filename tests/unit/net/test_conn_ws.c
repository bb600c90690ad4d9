/* Connections after the upgrade: messages, the send queue, pings, and the ways in which it ends. */
#include "conn_test.h"

#include <stdio.h>
#include <sys/socket.h>

static int setup(void **state)
{
  (void)state;
  server_start(NULL);
  return 0;
}

static int teardown(void **state)
{
  (void)state;
  server_stop();
  return 0;
}

/* ---- the handshake --------------------------------------------------------------------------- */

static void the_handshake_is_that_of_the_rfc(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  peer_upgrade(&p, "/a%20b?x=1", "Sec-WebSocket-Protocol: chat, superchat\r\n");
  UNTIL(p.in.b.len > 4 && memcmp(p.in.b.data + p.in.b.len - 4, "\r\n\r\n", 4) == 0);
  gs_buf_put(&p.in, 0);
  const char *text = (char *)p.in.b.data;
  assert_non_null(strstr(text, "HTTP/1.1 101 Switching Protocols\r\n"));
  assert_non_null(strstr(text, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  assert_non_null(strstr(text, "\r\nSec-WebSocket-Protocol: chat\r\n"));
  gs_buf_clear(&p.in);
  assert_int_equal(server_stats().websockets, 1);
}

static void messages_may_come_right_behind_the_handshake(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  static const char both[] = "GET /x HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                             "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
  peer_send(&p, both, sizeof both - 1);
  expect_response(&p, 101, "");
  expect_frame(&p, GS_WS_TEXT, bytes_of("Hello"));
}

static void an_upgrade_may_be_accepted_later(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  peer_upgrade(&p, "/later", "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n");
  UNTIL(srv.waiting != NULL);
  peer_frame(&p, 0x81, bytes_of("early"));
  server_settle();
  assert_int_equal(srv.messages, 0);
  assert_int_equal(gs_conn_accept(srv.waiting, bytes_of("c"), NULL), GESSO_E_USAGE);
  assert_int_equal(gs_conn_accept(srv.waiting, bytes_of("b"), "X-Y: z\r\n"), GESSO_OK);
  assert_int_equal(gs_conn_accept(srv.waiting, bytes_of("b"), NULL), GESSO_E_USAGE);
  UNTIL(p.in.b.len > 100);
  gs_buf_put(&p.in, 0);
  assert_non_null(strstr((char *)p.in.b.data, "\r\nSec-WebSocket-Protocol: b\r\nX-Y: z\r\n\r\n"));
  p.in.b.len--;
  assert_int_equal(peer_response(&p, NULL), 101);
  expect_frame(&p, GS_WS_TEXT, bytes_of("early"));
}

static void upgrades_are_refused(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  peer_upgrade(&p, "/refuse", "");
  expect_response(&p, 403, "{\"error\":\"no\"}");
  UNTIL(p.eof);
  peer_close(&p);
  UNTIL(srv.closes == 1);
  peer_open(&p);
  peer_puts(&p, "GET / HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  UNTIL(p.eof);
  gs_buf_put(&p.in, 0);
  assert_non_null(strstr((char *)p.in.b.data, "HTTP/1.1 426 "));
  assert_non_null(strstr((char *)p.in.b.data, "\r\nSec-WebSocket-Version: 13\r\n"));
  assert_int_equal(srv.upgrades, 1);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void messages_of_every_size_come_back(void **state)
{
  (void)state;
  static uint8_t payload[300000];
  uint64_t seed = 11;
  static struct peer p;
  peer_socket(&p, "/");
  for (size_t i = 0; i < sizeof payload; i++)
    payload[i] = (uint8_t)test_random(&seed);
  static const size_t sizes[] = { 0, 1, 125, 126, 4095, 4096, 65500, 65535, 65536, 200000, sizeof payload };
  for (size_t i = 0; i < GS_COUNT(sizes); i++) {
    peer_frame(&p, 0x82, (gesso_bytes){ payload, sizes[i] });
    expect_frame(&p, GS_WS_BINARY, (gesso_bytes){ payload, sizes[i] });
  }
  /* Many at once, fragmented, in one stream. */
  for (int i = 0; i < 50; i++) {
    peer_frame(&p, 0x02, (gesso_bytes){ payload + i, 1000 });
    peer_frame(&p, 0x00, (gesso_bytes){ payload + i + 1000, 70 });
    peer_frame(&p, 0x80, (gesso_bytes){ payload + i + 1070, 2000 });
  }
  for (int i = 0; i < 50; i++)
    expect_frame(&p, GS_WS_BINARY, (gesso_bytes){ payload + i, 3070 });
  assert_int_equal(server_stats().messages_in, GS_COUNT(sizes) + 50);
  assert_int_equal(server_stats().messages_out, GS_COUNT(sizes) + 50);
}

#define CROWD 100
static struct peer crowd[CROWD];
static gs_frame *shared;

static void send_shared(void *ctx, gs_conn *conn)
{
  for (int i = 0; i < *(int *)ctx; i++)
    assert_true(gs_conn_send(conn, shared));
}

static void one_frame_reaches_everybody_in_one_write_each(void **state)
{
  (void)state;
  for (int i = 0; i < CROWD; i++)
    peer_socket(&crowd[i], "/");
  server_settle();
  uint64_t writes = server_stats().writes;
  size_t live = srv.memory.live;
  shared = gs_frame_message(&srv.memory.alloc, GS_WS_BINARY, bytes_of("to all"));
  int times = 50;
  gs_net_each(srv.net, send_shared, &times);
  assert_int_equal(server_stats().writes, writes); /* corked */
  assert_int_equal(shared->refs, 1 + CROWD * times);
  assert_int_equal(server_stats().queue_bytes, CROWD * times * shared->len);
  for (int i = 0; i < CROWD; i++)
    for (int k = 0; k < times; k++)
      expect_frame(&crowd[i], GS_WS_BINARY, bytes_of("to all"));
  assert_int_equal(server_stats().writes, writes + CROWD);
  assert_int_equal(shared->refs, 1);
  gs_frame_release(shared);
  /* Chunks stay on the free list, within its bound. */
  assert_true(srv.memory.live - live <= 256 * 256);
}

static void big_frames_go_out_at_once_and_in_order(void **state)
{
  (void)state;
  static uint8_t payload[5000];
  static struct peer p;
  peer_socket(&p, "/");
  server_settle();
  gs_frame *big = gs_frame_message(NULL, GS_WS_BINARY, (gesso_bytes){ payload, sizeof payload });
  gs_frame *small = gs_frame_message(NULL, GS_WS_TEXT, bytes_of("small"));
  uint64_t writes = server_stats().writes;
  assert_true(gs_conn_send(srv.last, big));
  assert_int_equal(server_stats().writes, writes + 1);
  assert_true(gs_conn_send(srv.last, small));
  assert_true(gs_conn_send(srv.last, big)); /* something is queued: behind it */
  assert_int_equal(server_stats().writes, writes + 1);
  expect_frame(&p, GS_WS_BINARY, (gesso_bytes){ payload, sizeof payload });
  expect_frame(&p, GS_WS_TEXT, bytes_of("small"));
  expect_frame(&p, GS_WS_BINARY, (gesso_bytes){ payload, sizeof payload });
  assert_int_equal(server_stats().writes, writes + 2);
  gs_frame_release(big);
  gs_frame_release(small);
}

/* ---- slow peers ------------------------------------------------------------------------------ */

/* Sends numbered 10,000-byte messages until one is refused; returns how many went in. */
static unsigned fill_queue(gs_conn *conn)
{
  static uint8_t payload[10000];
  for (unsigned n = 0;; n++) {
    memcpy(payload, &n, sizeof n);
    gs_frame *frame = gs_frame_message(&srv.memory.alloc, GS_WS_BINARY, (gesso_bytes){ payload, sizeof payload });
    bool sent = gs_conn_send(conn, frame);
    gs_frame_release(frame);
    if (!sent)
      return n;
    assert_true(n < 100000);
  }
}

static size_t dropped;

static void drop(gs_conn *conn)
{
  dropped = gs_conn_drop_queue(conn);
  gs_frame *frame = gs_frame_message(&srv.memory.alloc, GS_WS_TEXT, bytes_of("too early"));
  assert_false(gs_conn_send(conn, frame));
  gs_frame_release(frame);
}

static void resync(gs_conn *conn)
{
  gs_frame *frame = gs_frame_message(&srv.memory.alloc, GS_WS_TEXT, bytes_of("resync"));
  assert_true(gs_conn_send(conn, frame));
  gs_frame_release(frame);
}

static void a_full_queue_is_dropped_and_the_peer_resynced(void **state)
{
  (void)state;
  server_stop();
  server_start(&(gs_net_options){ .queue_max = 500000 });
  static struct peer p;
  peer_socket(&p, "/");
  p.stalled = true;
  srv.full = drop;
  srv.drained = resync;
  unsigned sent = fill_queue(srv.last);
  assert_in_range(server_stats().queue_bytes, 500000, 511000);
  peer_frame(&p, 0x89, bytes_of("are you there"));
  UNTIL(srv.fulls == 1);
  server_settle();
  assert_int_equal(srv.fulls, 1);
  assert_int_equal(srv.drains, 0);
  assert_true(dropped >= 480000);
  assert_true(gs_conn_queued(srv.last) < 11000);
  gs_conn_drop_queue(srv.last); /* again: only the begun frame and control frames are left */
  p.stalled = false;

  unsigned got = 0;
  bool pong = false, synced = false;
  gs_buf payload = gs_buf_make(NULL);
  while (!synced) {
    int op = -1;
    UNTIL((op = peer_take_frame(&p, &payload)) >= 0);
    if (op == GS_WS_PONG) {
      pong = true;
    } else if (op == GS_WS_TEXT) {
      assert_bytes(gs_buf_bytes(&payload), bytes_of("resync"));
      synced = true;
    } else {
      unsigned n;
      assert_int_equal(payload.b.len, 10000);
      memcpy(&n, payload.b.data, sizeof n);
      assert_int_equal(n, got); /* a prefix, without a gap */
      got++;
    }
  }
  assert_true(pong);
  assert_true(got < sent);
  assert_int_equal(srv.drains, 1);
  peer_frame(&p, 0x82, bytes_of("still alive"));
  expect_frame(&p, GS_WS_BINARY, bytes_of("still alive"));
  gs_buf_finish(&payload);
}

static void a_full_queue_that_nobody_minds_closes_the_connection(void **state)
{
  (void)state;
  server_stop();
  server_start(&(gs_net_options){ .queue_max = 500000 });
  static struct peer p;
  peer_socket(&p, "/");
  p.stalled = true;
  (void)fill_queue(srv.last);
  UNTIL(srv.fulls == 1);
  p.stalled = false;
  gs_buf payload = gs_buf_make(NULL);
  int op = -1;
  UNTIL(((op = peer_take_frame(&p, &payload)) >= 0 && op != GS_WS_BINARY) || p.eof);
  assert_int_equal(op, GS_WS_CLOSE);
  assert_int_equal(payload.b.data[0] << 8 | payload.b.data[1], GS_WS_CODE_TRY_LATER);
  gs_buf_finish(&payload);
}

static void an_empty_queue_takes_a_frame_of_any_size(void **state)
{
  (void)state;
  server_stop();
  server_start(&(gs_net_options){ .queue_max = 1000 });
  static uint8_t payload[8u << 20];
  static struct peer p;
  peer_socket(&p, "/");
  gs_frame *frame = gs_frame_message(NULL, GS_WS_BINARY, (gesso_bytes){ payload, sizeof payload });
  assert_true(gs_conn_send(srv.last, frame));
  expect_frame(&p, GS_WS_BINARY, (gesso_bytes){ payload, sizeof payload });
  assert_int_equal(srv.fulls, 0);
  gs_frame_release(frame);
}

static void a_stalled_socket_ends(void **state)
{
  (void)state;
  static struct peer p;
  peer_socket(&p, "/");
  p.stalled = true;
  (void)fill_queue(srv.last);
  srv.full = drop;
  UNTIL(srv.fulls == 1);
  for (int i = 0; i < 29; i++) { /* it talks all the time, but takes nothing */
    peer_frame(&p, 0x8a, bytes_of(""));
    server_pass_ms(1000);
  }
  assert_int_equal(srv.closes, 0);
  server_pass_ms(2000);
  UNTIL(srv.closes == 1);
  assert_int_equal(srv.close_code, GS_WS_CODE_ABNORMAL);
}

static void a_flood_of_pings_is_answered_by_few_pongs(void **state)
{
  (void)state;
  static struct peer p;
  peer_socket(&p, "/");
  p.stalled = true;
  uint8_t payload[125] = { 0 };
  size_t most = 0;
  for (uint32_t i = 0; i < 20000; i++) {
    memcpy(payload, &i, sizeof i);
    peer_frame(&p, 0x89, (gesso_bytes){ payload, sizeof payload });
    most = GS_MAX(most, srv.memory.live);
  }
  server_settle();
  assert_true(server_stats().queue_bytes <= 127);
  assert_true(most < 200000);
  p.stalled = false;
  uint32_t last = 0, next;
  gs_buf got = gs_buf_make(NULL);
  while (last != 19999) { /* the latest is answered */
    int op = -1;
    UNTIL((op = peer_take_frame(&p, &got)) >= 0);
    assert_int_equal(op, GS_WS_PONG);
    memcpy(&next, got.b.data, sizeof next);
    assert_true(next >= last);
    last = next;
  }
  gs_buf_finish(&got);
}

static void pausing_stops_messages_and_resuming_brings_them(void **state)
{
  (void)state;
  static struct peer p;
  peer_socket(&p, "/");
  srv.message = NULL;
  gs_conn_pause(srv.last);
  for (int i = 0; i < 10; i++)
    peer_frame(&p, 0x81, bytes_of("held"));
  server_settle();
  assert_int_equal(srv.messages, 0);
  server_pass_ms(600000); /* no ping is sent and none is missed */
  assert_int_equal(srv.closes, 0);
  gs_conn_resume(srv.last);
  for (int i = 0; i < 10; i++)
    expect_frame(&p, GS_WS_TEXT, bytes_of("held"));
}

static void pause_inside(gs_conn *conn, gs_ws_opcode opcode, gesso_bytes payload)
{
  (void)opcode;
  (void)payload;
  gs_conn_pause(conn);
}

static void pausing_takes_effect_within_a_batch(void **state)
{
  (void)state;
  static struct peer p;
  peer_socket(&p, "/");
  srv.message = pause_inside;
  uint8_t two[] = { 0x82, 0x81, 0, 0, 0, 0, 'a', 0x82, 0x81, 0, 0, 0, 0, 'b' };
  peer_send(&p, two, sizeof two);
  UNTIL(srv.messages == 1);
  server_settle();
  assert_int_equal(srv.messages, 1);
  gs_conn_resume(srv.last);
  UNTIL(srv.messages == 2);
}

/* ---- pings and ends -------------------------------------------------------------------------- */

static void quiet_peers_are_pinged_and_dead_ones_dropped(void **state)
{
  (void)state;
  static struct peer alive, dead;
  peer_socket(&alive, "/");
  peer_socket(&dead, "/");
  UNTIL(server_stats().websockets == 2);
  server_pass_ms(24000);
  assert_int_equal(alive.in.b.len + dead.in.b.len, 0);
  server_pass_ms(1100);
  expect_frame(&alive, GS_WS_PING, bytes_of(""));
  expect_frame(&dead, GS_WS_PING, bytes_of(""));
  peer_frame(&alive, 0x8a, bytes_of(""));
  server_settle();
  server_pass_ms(20100);
  UNTIL(dead.eof);
  assert_int_equal(srv.closes, 1);
  assert_int_equal(srv.close_code, GS_WS_CODE_ABNORMAL);
  assert_int_equal(server_stats().timeouts, 1);
  for (int i = 0; i < 10; i++) { /* for ever */
    server_pass_ms(25100);
    expect_frame(&alive, GS_WS_PING, bytes_of(""));
    peer_frame(&alive, 0x8a, bytes_of(""));
    server_settle();
  }
  assert_int_equal(srv.closes, 1);
}

static void the_peer_may_close(void **state)
{
  (void)state;
  static struct peer p;
  peer_socket(&p, "/");
  peer_frame(&p, 0x81, bytes_of("last"));
  peer_frame(&p, 0x88, bytes_of("\x0f\xa1" "done"));
  UNTIL(srv.closes == 1);
  assert_int_equal(srv.close_code, 4001);
  assert_string_equal(srv.close_reason, "done");
  gs_buf got = gs_buf_make(NULL);
  int op = -1;
  UNTIL((op = peer_take_frame(&p, &got)) == GS_WS_CLOSE || p.eof);
  assert_int_equal(op, GS_WS_CLOSE);
  assert_bytes(gs_buf_bytes(&got), bytes_of("\x0f\xa1"));
  UNTIL(p.eof);
  peer_close(&p);
  UNTIL(server_stats().lingering == 0);
  assert_int_equal(srv.closes, 1);
  gs_buf_finish(&got);

  peer_socket(&p, "/");
  peer_frame(&p, 0x88, bytes_of(""));
  expect_frame(&p, GS_WS_CLOSE, bytes_of(""));
  UNTIL(srv.closes == 2);
  assert_int_equal(srv.close_code, GS_WS_CODE_NONE);
}

static void the_server_may_close(void **state)
{
  (void)state;
  static struct peer p;
  peer_socket(&p, "/");
  gs_frame *frame = gs_frame_message(NULL, GS_WS_TEXT, bytes_of("queued before"));
  assert_true(gs_conn_send(srv.last, frame));
  gs_conn_close(srv.last, 4404, "gone");
  gs_conn_close(srv.last, 4000, "not this");
  assert_false(gs_conn_send(srv.last, frame));
  assert_false(gs_conn_open(srv.last));
  gs_frame_release(frame);
  expect_frame(&p, GS_WS_TEXT, bytes_of("queued before"));
  expect_frame(&p, GS_WS_CLOSE, bytes_of("\x11\x34gone"));
  peer_frame(&p, 0x81, bytes_of("said before it saw that"));
  server_settle();
  assert_int_equal(srv.closes, 0);
  peer_frame(&p, 0x88, bytes_of("\x11\x34"));
  UNTIL(srv.closes == 1);
  assert_int_equal(srv.messages, 0);
  assert_int_equal(srv.close_code, 4404);
  UNTIL(p.eof);
}

static void a_close_that_is_not_answered_ends_all_the_same(void **state)
{
  (void)state;
  static struct peer p;
  peer_socket(&p, "/");
  gs_conn_close(srv.last, 4403, NULL);
  expect_close(&p, 4403);
  server_pass_ms(2900);
  assert_int_equal(srv.closes, 0);
  server_pass_ms(200);
  UNTIL(srv.closes == 1);
  assert_int_equal(srv.close_code, 4403);
  UNTIL(p.eof);
  assert_int_equal(server_stats().connections + server_stats().lingering, 0);
}

static void bad_frames_close_with_a_reason(void **state)
{
  (void)state;
  static const struct { unsigned first; const char *payload; uint16_t code; } bad[] = {
    { 0xc1, "x", 1002 }, { 0x81, "\xff", 1007 }, { 0x80, "x", 1002 }, { 0x88, "x", 1002 },
  };
  for (size_t i = 0; i < GS_COUNT(bad); i++) {
    static struct peer p;
    peer_socket(&p, "/");
    peer_frame(&p, bad[i].first, bytes_of(bad[i].payload));
    expect_close(&p, bad[i].code);
    UNTIL(srv.closes == i + 1);
    assert_int_equal(srv.close_code, bad[i].code);
    assert_true(strlen(srv.close_reason) > 5);
    UNTIL(p.eof);
    peer_close(&p);
  }
  assert_int_equal(server_stats().bad_frames, GS_COUNT(bad));
}

static void too_big_a_message_is_1009(void **state)
{
  (void)state;
  server_stop();
  server_start(&(gs_net_options){ .frame_max = 1000, .message_max = 1500 });
  static uint8_t payload[1001];
  static struct peer p;
  peer_socket(&p, "/");
  peer_frame(&p, 0x82, (gesso_bytes){ payload, 1000 });
  expect_frame(&p, GS_WS_BINARY, (gesso_bytes){ payload, 1000 });
  peer_frame(&p, 0x82, (gesso_bytes){ payload, 1001 });
  expect_close(&p, GS_WS_CODE_TOO_BIG);
}

static void incomplete_messages_share_a_limit(void **state)
{
  (void)state;
  server_stop();
  server_start(&(gs_net_options){ .partial_max = 1300000 });
  static uint8_t payload[400000];
  size_t empty = server_stats().partial_bytes;
  for (int i = 0; i < 3; i++) {
    peer_socket(&crowd[i], "/");
    peer_frame(&crowd[i], 0x02, (gesso_bytes){ payload, sizeof payload });
    server_settle();
  }
  assert_int_equal(server_stats().short_of_memory, 1);
  int closed = 0;
  for (int i = 0; i < 3; i++) {
    gs_buf got = gs_buf_make(NULL);
    if (peer_take_frame(&crowd[i], &got) == GS_WS_CLOSE) {
      assert_int_equal(got.b.data[0] << 8 | got.b.data[1], GS_WS_CODE_TRY_LATER);
      closed++;
    } else {
      peer_frame(&crowd[i], 0x80, bytes_of(""));
      expect_frame(&crowd[i], GS_WS_BINARY, (gesso_bytes){ payload, sizeof payload });
    }
    gs_buf_finish(&got);
  }
  assert_int_equal(closed, 1);
  server_settle();
  assert_int_equal(server_stats().partial_bytes, empty);

  srv.body_max = 2000000;
  static struct peer p;
  peer_open(&p);
  peer_puts(&p, "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 1900000\r\n\r\n");
  for (int i = 0; i < 5 && !p.eof; i++) {
    peer_send(&p, payload, 366000);
    server_settle();
  }
  expect_response(&p, 503, NULL);
  peer_close(&p);
  for (int i = 0; i < 3; i++)
    peer_close(&crowd[i]);
  UNTIL(server_stats().connections + server_stats().lingering == 0);
  assert_int_equal(server_stats().partial_bytes, 0);
}

static void abort_inside(gs_conn *conn, gs_ws_opcode opcode, gesso_bytes payload)
{
  (void)opcode;
  (void)payload;
  gs_conn_abort(conn);
  assert_int_equal(srv.closes, 0); /* not from inside the call */
}

static void aborting_is_reported_once(void **state)
{
  (void)state;
  static struct peer p;
  peer_socket(&p, "/");
  srv.message = abort_inside;
  uint64_t id = gs_conn_id(srv.last);
  assert_ptr_equal(gs_net_find(srv.net, id), srv.last);
  peer_frame(&p, 0x81, bytes_of("one"));
  peer_frame(&p, 0x81, bytes_of("two"));
  UNTIL(p.eof);
  assert_int_equal(srv.messages, 1);
  assert_int_equal(srv.closes, 1);
  assert_int_equal(srv.close_code, GS_WS_CODE_ABNORMAL);
  assert_null(gs_net_find(srv.net, id));
  static struct peer q;
  peer_socket(&q, "/"); /* takes the same slot */
  assert_int_equal((uint32_t)gs_conn_id(srv.last), (uint32_t)id);
  assert_null(gs_net_find(srv.net, id));
}

static void peers_that_vanish_are_reported(void **state)
{
  (void)state;
  struct linger hard = { 1, 0 };
  static struct peer p;
  peer_socket(&p, "/");
  peer_close(&p); /* the stream ends without a close frame */
  UNTIL(srv.closes == 1);
  assert_int_equal(srv.close_code, GS_WS_CODE_ABNORMAL);

  peer_socket(&p, "/");
  p.stalled = true;
  srv.full = drop;
  (void)fill_queue(srv.last);
  assert_int_equal(setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
  peer_close(&p); /* a reset while bytes are queued: no SIGPIPE */
  UNTIL(srv.closes == 2);
  assert_int_equal(server_stats().connections, 0);
  assert_int_equal(server_stats().queue_bytes, 0);

  peer_socket(&p, "/");
  gs_conn *conn = srv.last;
  assert_int_equal(setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
  peer_close(&p);
  (void)fill_queue(conn); /* writing finds out first */
  UNTIL(srv.closes == 3);
}

static void shutdown_says_goodbye(void **state)
{
  (void)state;
  for (int i = 0; i < 5; i++)
    peer_socket(&crowd[i], "/");
  gs_net_shutdown(srv.net, GS_WS_CODE_GOING_AWAY, "the server stops");
  for (int i = 0; i < 5; i++) {
    expect_close(&crowd[i], GS_WS_CODE_GOING_AWAY);
    if (i != 4)
      peer_frame(&crowd[i], 0x88, bytes_of("\x03\xe9"));
  }
  UNTIL(srv.closes == 4);
  assert_false(gs_net_idle(srv.net));
  server_pass_ms(3100);
  UNTIL(gs_net_idle(srv.net));
  assert_int_equal(srv.closes, 5);
}

static void destroying_reports_every_connection(void **state)
{
  (void)state;
  for (int i = 0; i < 3; i++)
    peer_socket(&crowd[i], "/");
  peer_frame(&crowd[0], 0x01, bytes_of("incomplete"));
  crowd[1].stalled = true;
  srv.full = drop;
  (void)fill_queue(srv.last);
  gs_conn_close(srv.last, 4000, "");
  server_settle();
  /* teardown destroys, and finds no memory left */
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void an_idle_connection_is_small(void **state)
{
  (void)state;
  size_t empty = srv.memory.live;
  peer_socket(&crowd[0], "/");
  server_settle();
  size_t before = srv.memory.live;
  for (int i = 1; i < CROWD; i++)
    peer_socket(&crowd[i], "/");
  server_settle();
  size_t each = (srv.memory.live - before) / (CROWD - 1);
  assert_in_range(each, 1, 400);
  peer_frame(&crowd[7], 0x82, bytes_of("some traffic"));
  expect_frame(&crowd[7], GS_WS_BINARY, bytes_of("some traffic"));
  server_settle();
  assert_true(srv.memory.live - before <= (CROWD - 1) * 400 + 256);
  for (int i = 0; i < CROWD; i++)
    peer_close(&crowd[i]);
  UNTIL(srv.closes == CROWD);
  assert_int_equal(srv.memory.live, empty);
}

/* A little session, with the nth allocation and all after it failing: whatever happens, nothing
 * crashes and nothing leaks. */
static void every_allocation_may_fail(void **state)
{
  (void)state;
  server_stop();
  for (unsigned long n = 1; n < 60; n++) {
    srv.memory.fail_at = n;
    server_start(NULL);
    if (srv.net != NULL && srv.port != 0) {
      static struct peer p, q;
      peer_open(&p);
      peer_puts(&p, "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc");
      server_settle();
      peer_open(&q);
      peer_upgrade(&q, "/", "Sec-WebSocket-Protocol: a\r\n");
      server_settle();
      peer_frame(&q, 0x02, bytes_of("frag"));
      peer_frame(&q, 0x89, bytes_of("ping"));
      server_settle();
      peer_frame(&q, 0x80, bytes_of("ment"));
      server_settle();
      peer_frame(&q, 0x88, bytes_of("\x03\xe8"));
      server_settle();
    }
    server_stop();
  }
  srv.memory.fail_at = 0;
  server_start(NULL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(the_handshake_is_that_of_the_rfc),
    T(messages_may_come_right_behind_the_handshake),
    T(an_upgrade_may_be_accepted_later),
    T(upgrades_are_refused),
    T(messages_of_every_size_come_back),
    T(one_frame_reaches_everybody_in_one_write_each),
    T(big_frames_go_out_at_once_and_in_order),
    T(a_full_queue_is_dropped_and_the_peer_resynced),
    T(a_full_queue_that_nobody_minds_closes_the_connection),
    T(an_empty_queue_takes_a_frame_of_any_size),
    T(a_stalled_socket_ends),
    T(a_flood_of_pings_is_answered_by_few_pongs),
    T(pausing_stops_messages_and_resuming_brings_them),
    T(pausing_takes_effect_within_a_batch),
    T(quiet_peers_are_pinged_and_dead_ones_dropped),
    T(the_peer_may_close),
    T(the_server_may_close),
    T(a_close_that_is_not_answered_ends_all_the_same),
    T(bad_frames_close_with_a_reason),
    T(too_big_a_message_is_1009),
    T(incomplete_messages_share_a_limit),
    T(aborting_is_reported_once),
    T(peers_that_vanish_are_reported),
    T(shutdown_says_goodbye),
    T(destroying_reports_every_connection),
    T(an_idle_connection_is_small),
    T(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
