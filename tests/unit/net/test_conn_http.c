/* Connections over real sockets: accepting, HTTP, and the ways in which it ends. */
#include "conn_test.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void requests_are_answered_and_the_connection_kept(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  peer_puts(&p, "GET /a HTTP/1.1\r\nHost: t\r\n\r\n");
  expect_response(&p, 200, "{}");
  peer_puts(&p, "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhe");
  server_settle();
  peer_puts(&p, "llo");
  expect_response(&p, 200, "hello");
  assert_false(p.eof);
  assert_int_equal(server_stats().requests, 2);
  assert_int_equal(server_stats().connections, 1);
  peer_puts(&p, "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
  expect_response(&p, 200, NULL);
  UNTIL(p.eof);
  assert_int_equal(srv.closes, 0); /* it only lingers */
  peer_close(&p);
  UNTIL(srv.closes == 1);
  assert_int_equal(srv.close_code, 0);
  assert_int_equal(server_stats().connections + server_stats().lingering, 0);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  for (int i = 0; i < 200; i++) {
    char text[200], body[20];
    int n = snprintf(body, sizeof body, "number %d", i);
    (void)snprintf(text, sizeof text, "PUT /body HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n%s", n, body);
    peer_puts(&p, text);
  }
  for (int i = 0; i < 200; i++) {
    char body[20];
    (void)snprintf(body, sizeof body, "number %d", i);
    expect_response(&p, 200, body);
  }
}

static void an_answer_may_come_later(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  peer_puts(&p, "GET /later HTTP/1.1\r\nHost: t\r\n\r\nGET /next HTTP/1.1\r\nHost: t\r\n\r\n");
  UNTIL(srv.waiting != NULL);
  server_pass_ms(3600000); /* the owner has all the time it wants */
  assert_int_equal(srv.requests, 1);
  assert_int_equal(gs_conn_respond_json(srv.waiting, 201, "\"made\""), GESSO_OK);
  assert_int_equal(gs_conn_respond_json(srv.waiting, 201, "\"twice\""), GESSO_E_USAGE);
  expect_response(&p, 201, "\"made\"");
  expect_response(&p, 200, "{}");
}

static void a_peer_that_leaves_while_it_waits_is_reported(void **state)
{
  (void)state;
  static struct peer p;
  struct linger hard = { 1, 0 };
  peer_open(&p);
  peer_puts(&p, "GET /later HTTP/1.1\r\nHost: t\r\n\r\n");
  UNTIL(srv.waiting != NULL);
  assert_int_equal(setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
  peer_close(&p); /* RST */
  UNTIL(srv.closes == 1);
  assert_null(srv.waiting);
}

static void half_closed_peers_get_their_answer(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  peer_puts(&p, "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
  expect_response(&p, 200, "{}");
  UNTIL(p.eof);
  peer_close(&p);
  peer_open(&p);
  peer_puts(&p, "GARBAGE\r\n");
  assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
  expect_response(&p, 400, NULL);
  UNTIL(p.eof);
}

static void head_and_bodiless_answers_have_no_body(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  peer_puts(&p, "HEAD / HTTP/1.1\r\nHost: t\r\n\r\n");
  UNTIL(p.in.b.len > 4 && memcmp(p.in.b.data + p.in.b.len - 4, "\r\n\r\n", 4) == 0);
  gs_buf_put(&p.in, 0);
  assert_non_null(strstr((char *)p.in.b.data, "Content-Length: 2\r\n"));
  gs_buf_clear(&p.in);
  peer_puts(&p, "GET /later HTTP/1.1\r\nHost: t\r\n\r\n");
  UNTIL(srv.waiting != NULL);
  assert_int_equal(gs_conn_respond(srv.waiting, &(gs_response){ .status = 304, .body = bytes_of("not sent") }),
                   GESSO_OK);
  expect_response(&p, 304, "");
  server_settle();
  assert_int_equal(p.in.b.len, 0);
}

static void big_answers_arrive_whole(void **state)
{
  (void)state;
  static struct peer p;
  gs_buf body = gs_buf_make(NULL);
  peer_open(&p);
  p.stalled = true;
  peer_puts(&p, "GET /big HTTP/1.1\r\nHost: t\r\n\r\nGET / HTTP/1.1\r\nHost: t\r\n\r\n");
  UNTIL(server_stats().queue_bytes != 0);
  server_settle();
  assert_int_equal(srv.requests, 1); /* the next one waits for the first one's bytes */
  p.stalled = false;
  UNTIL(peer_response(&p, &body) == 200);
  assert_int_equal(body.b.len, 12u << 20);
  for (size_t i = 0; i < body.b.len; i++)
    if (body.b.data[i] != 'b')
      fail_msg("byte %zu", i);
  expect_response(&p, 200, "{}");
  assert_int_equal(server_stats().queue_bytes, 0);
  gs_buf_finish(&body);
}

static void bodies_are_bounded_by_the_owner(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  peer_puts(&p, "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 1001\r\n\r\n");
  expect_response(&p, 413, NULL);
  UNTIL(p.eof);
  peer_close(&p);
  peer_open(&p);
  peer_puts(&p, "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n");
  expect_response(&p, 100, "");
  char body[1001];
  memset(body, 'x', 1000);
  body[1000] = 0;
  peer_puts(&p, body);
  expect_response(&p, 200, body);
  srv.body_max = 0;
  peer_puts(&p, "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
  expect_response(&p, 413, NULL);
  assert_int_equal(srv.requests, 1);
}

static void bad_requests_are_told_why(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  peer_puts(&p, "GET / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  expect_response(&p, 400, "{\"error\":\"both Content-Length and Transfer-Encoding\"}");
  UNTIL(p.eof);
  assert_int_equal(server_stats().bad_requests, 1);
  assert_int_equal(srv.closes, 0); /* the owner never heard of it */
  peer_close(&p);
  UNTIL(server_stats().lingering == 0);
  assert_int_equal(srv.closes, 0);
}

static void a_refused_upload_still_reads_the_answer(void **state)
{
  (void)state;
  static struct peer p;
  static uint8_t junk[2000000];
  peer_open(&p);
  peer_puts(&p, "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 2000000\r\n\r\n");
  peer_send(&p, junk, sizeof junk); /* all of it is read and dropped: no reset overtakes the answer */
  expect_response(&p, 413, NULL);
}

static void slow_heads_and_idle_connections_end(void **state)
{
  (void)state;
  static struct peer idle, slow, body, kept;
  peer_open(&idle);
  peer_open(&slow);
  peer_puts(&slow, "GET / HT");
  peer_open(&kept);
  peer_puts(&kept, "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  expect_response(&kept, 200, NULL);
  UNTIL(server_stats().connections == 3);
  server_settle();
  server_pass_ms(9000);
  peer_puts(&slow, "TP/1.1\r\nX: "); /* more bytes do not buy more time */
  server_pass_ms(1001);
  expect_response(&slow, 408, NULL);
  UNTIL(slow.eof && idle.eof);
  assert_false(kept.eof);
  assert_int_equal(idle.in.b.len, 0);

  peer_open(&body);
  peer_puts(&body, "POST /body HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n123");
  UNTIL(server_stats().connections == 2);
  server_settle();
  server_pass_ms(19000);
  assert_false(kept.eof);
  server_pass_ms(1100);
  UNTIL(kept.eof);
  assert_int_equal(kept.in.b.len, 0);
  assert_false(body.eof);
  server_pass_ms(41000);
  expect_response(&body, 408, NULL);
  server_pass_ms(2000);
  assert_int_equal(server_stats().connections + server_stats().lingering, 0);
}

static void a_peer_that_takes_nothing_is_dropped(void **state)
{
  (void)state;
  static struct peer p;
  peer_open(&p);
  p.stalled = true;
  peer_puts(&p, "GET /big HTTP/1.1\r\nHost: t\r\n\r\n");
  UNTIL(server_stats().queue_bytes != 0);
  server_settle();
  server_pass_ms(29000);
  assert_int_equal(srv.closes, 0);
  server_pass_ms(1500);
  UNTIL(srv.closes == 1);
  assert_int_equal(server_stats().queue_bytes, 0);
}

static void too_many_connections_are_turned_away(void **state)
{
  (void)state;
  server_stop();
  server_start(&(gs_net_options){ .connections_max = 2 });
  static struct peer a, b, c;
  peer_open(&a);
  peer_open(&b);
  UNTIL(server_stats().connections == 2);
  peer_open(&c);
  expect_response(&c, 503, "{\"error\":\"too many connections\"}");
  UNTIL(c.eof);
  assert_int_equal(server_stats().refused, 1);
  peer_puts(&a, "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  expect_response(&a, 200, NULL);
  peer_close(&a);
  peer_close(&c);
  UNTIL(server_stats().connections == 1);
  peer_open(&c);
  peer_puts(&c, "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  expect_response(&c, 200, NULL);
}

static void no_descriptors_left_does_not_spin(void **state)
{
  (void)state;
  enum { MANY = 40 };
  struct rlimit old, low;
  static struct peer p[MANY];
  for (int i = 0; i < MANY; i++)
    peer_open(&p[i]);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
  low = old;
  low.rlim_cur = (rlim_t)p[MANY - 1].fd + 11; /* room for ten more */
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
  UNTIL(server_stats().accepted + server_stats().refused == MANY);
  gs_net_stats stats = server_stats();
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
  assert_true(stats.accepted >= 5);
  assert_true(stats.refused >= 20);
  int gone = 0;
  server_settle();
  for (int i = 0; i < MANY; i++)
    gone += p[i].eof;
  assert_int_equal(gone, stats.refused);
  /* Nothing is pending, so the loop sleeps. */
  uint64_t turns = gs_loop_turns(srv.loop), reads = server_stats().reads;
  server_settle();
  assert_int_equal(gs_loop_turns(srv.loop) - turns, SETTLE_TURNS);
  assert_int_equal(server_stats().reads, reads);
  static struct peer late;
  peer_open(&late);
  peer_puts(&late, "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  expect_response(&late, 200, NULL);
}

static void addresses_are_checked(void **state)
{
  (void)state;
  static const char *const bad[] = { "",       "1234",        "127.0.0.1",   "127.0.0.1:",  "127.0.0.1:x", ":1",
                                     "::1:80", "127.0.0.1:-1", "127.0.0.1:65536", "[]:1" };
  uint16_t port;
  const char *why;
  for (size_t i = 0; i < GS_COUNT(bad); i++) {
    assert_int_equal(gs_net_listen(srv.net, bad[i], false, &port, &why), GESSO_E_USAGE);
    assert_non_null(why);
  }
  char taken[40];
  (void)snprintf(taken, sizeof taken, "127.0.0.1:%u", srv.port);
  assert_int_equal(gs_net_listen(srv.net, taken, false, &port, &why), GESSO_E_BUSY);
  assert_int_equal(gs_net_listen(srv.net, "192.0.2.1:0", false, &port, &why), GESSO_E_IO);
  assert_int_equal(gs_net_listen(srv.net, "localhost:0", false, &port, NULL), GESSO_OK);
  assert_int_not_equal(port, srv.port);
}

static void shutting_down_finishes_what_was_begun(void **state)
{
  (void)state;
  static struct peer idle, asked, half;
  peer_open(&idle);
  peer_puts(&idle, "GET / HTTP/1.1\r\nHost: t\r\n\r\n");
  expect_response(&idle, 200, NULL);
  peer_open(&asked);
  peer_puts(&asked, "GET /later HTTP/1.1\r\nHost: t\r\n\r\n");
  peer_open(&half);
  peer_puts(&half, "GET / HTTP/1.1\r\nHo");
  UNTIL(srv.waiting != NULL && server_stats().connections == 3);
  server_settle();
  gs_net_shutdown(srv.net, GS_WS_CODE_GOING_AWAY, "stopping");
  UNTIL(idle.eof);
  assert_false(gs_net_idle(srv.net));
  peer_puts(&half, "st: t\r\n\r\n");
  expect_response(&half, 200, NULL);
  UNTIL(half.eof);
  assert_int_equal(gs_conn_respond_json(srv.waiting, 200, "{}"), GESSO_OK);
  expect_response(&asked, 200, NULL);
  UNTIL(asked.eof);
  assert_true(gs_net_idle(srv.net));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(requests_are_answered_and_the_connection_kept),
    T(pipelined_requests_are_answered_in_order),
    T(an_answer_may_come_later),
    T(a_peer_that_leaves_while_it_waits_is_reported),
    T(half_closed_peers_get_their_answer),
    T(head_and_bodiless_answers_have_no_body),
    T(big_answers_arrive_whole),
    T(bodies_are_bounded_by_the_owner),
    T(bad_requests_are_told_why),
    T(a_refused_upload_still_reads_the_answer),
    T(slow_heads_and_idle_connections_end),
    T(a_peer_that_takes_nothing_is_dropped),
    T(too_many_connections_are_turned_away),
    T(no_descriptors_left_does_not_spin),
    T(addresses_are_checked),
    T(shutting_down_finishes_what_was_begun),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
