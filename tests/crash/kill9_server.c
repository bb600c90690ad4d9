/* kill -9 of `gesso serve` itself under 10,000 updates a second over 500 boards. Each board has a client that writes and one that
 * receives. At a random moment the server is killed, and everybody is gone with it: nobody can bring back what it forgot. What the
 * second client had been sent until then must be there after the restart, every struct and every deletion.
 *
 * usage: kill9_server --gesso PATH [--kills N] [--boards N] [--rate PER_SECOND] [--seed N] [--durability PROFILE] [--expect-loss 1]
 *
 * A kill counts when somebody had received something within the 50 ms before it; otherwise the machine was busy with other things,
 * it proved nothing, and there is one more. With --durability memory updates are shown before they are written: that some are lost
 * then is what --expect-loss asks for, within so many kills. */
#include "power_cut.h"
#include "store_fixture.h"

#include "net/ws.h"
#include "store/check.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BOARDS_MAX = 2000, EVENTS = 512, KILLS_IN_A_FOLDER = 20, AGE_MAX_US = 50000 };

typedef struct link {
  int fd; /* -1: none */
  uint32_t board;
  bool writer, open, synced;
  gs_ws_parser parser;
  uint8_t head[1024]; /* the answer to the upgrade */
  size_t head_len;
  gs_buf out;
  size_t sent;
} link_t;

typedef struct board {
  link_t writer, reader;
  gesso_doc *doc;   /* the writer's */
  gesso_doc *seen;  /* everything that readers were sent, in all rounds */
  gesso_doc *there; /* what the server has after the restart */
} board;

static const char *gesso, *durability;
static uint32_t kills, board_count, rate, expect_loss;
static uint64_t seed, rng;
static board boards[BOARDS_MAX];
static char folder[200];
static int epoll_fd, log_fd;
static pid_t server;
static uint16_t port;
static uint64_t received, last_received_us, next_client = 1;
static bool looking; /* step 2 is for `there` */
static const gs_ws_limits limits = { 1u << 26, 1u << 26, true };

/* --- the server --- */

static void start_server(void)
{
  int fds[2];
  char log[4096];
  size_t len = 0;
  assert_int_equal(pipe(fds), 0);
  (void)fflush(NULL);
  server = fork();
  assert_true(server >= 0);
  if (server == 0) {
    (void)dup2(fds[1], STDERR_FILENO);
    (void)close(fds[0]);
    (void)close(fds[1]);
    (void)execl(gesso, gesso, "serve", "--listen", "127.0.0.1:0", "--data", folder, "--durability", durability, (char *)NULL);
    _exit(127);
  }
  (void)close(fds[1]);
  for (;;) {
    ssize_t n = read(fds[0], log + len, sizeof log - 1 - len);
    if (n <= 0)
      fail_msg("the server did not start: %.*s", (int)len, log);
    len += (size_t)n;
    log[len] = '\0';
    const char *at = strstr(log, "127.0.0.1:");
    if (strstr(log, "event=listening") != NULL && at != NULL && strchr(at, '\n') != NULL) {
      port = (uint16_t)atoi(at + strlen("127.0.0.1:"));
      break;
    }
  }
  log_fd = fds[0];
  assert_int_equal(fcntl(log_fd, F_SETFL, O_NONBLOCK), 0);
}

/* What the server says later is of no interest, but it must not wait for us to read it. */
static void drain_log(void)
{
  char bytes[4096];
  while (read(log_fd, bytes, sizeof bytes) > 0)
    ;
}

static void kill_server(void)
{
  int status;
  assert_int_equal(kill(server, SIGKILL), 0);
  assert_int_equal(waitpid(server, &status, 0), server);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  (void)close(log_fd);
}

/* --- connections --- */

static void flush_link(link_t *l)
{
  while (l->fd >= 0 && l->sent < l->out.b.len) {
    ssize_t n = send(l->fd, l->out.b.data + l->sent, l->out.b.len - l->sent, MSG_NOSIGNAL);
    if (n <= 0)
      return; /* full: later; gone: the reading side finds out */
    l->sent += (size_t)n;
  }
  gs_buf_clear(&l->out);
  l->sent = 0;
}

static void send_sync(link_t *l, uint32_t kind, gesso_bytes body)
{
  static const uint8_t mask[4] = { 0, 0, 0, 0 };
  uint8_t header[GS_WS_HEADER_MAX];
  uint8_t start[16];
  gs_buf head = gs_buf_make(NULL);
  gs_write_varuint(&head, 0);
  gs_write_varuint(&head, kind);
  gs_write_varuint(&head, body.len);
  assert_true(head.err == GESSO_OK && head.b.len <= sizeof start);
  memcpy(start, head.b.data, head.b.len);
  size_t start_len = head.b.len;
  gs_buf_finish(&head);
  size_t n = gs_ws_write_header(header, GS_WS_BINARY, true, start_len + body.len, mask);
  gs_buf_write(&l->out, header, n);
  gs_buf_write(&l->out, start, start_len);
  gs_buf_write(&l->out, body.data, body.len);
  assert_int_equal(l->out.err, GESSO_OK);
}

static void connect_link(link_t *l, uint32_t b, bool writer)
{
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
  char request[300];
  int one = 1;
  *l = (link_t){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .board = b, .writer = writer, .out = gs_buf_make(NULL) };
  assert_true(l->fd >= 0);
  assert_int_equal(connect(l->fd, (const struct sockaddr *)(const void *)&to, sizeof to), 0);
  (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  assert_int_equal(fcntl(l->fd, F_SETFL, O_NONBLOCK), 0);
  struct epoll_event ev = { .events = EPOLLIN, .data = { .ptr = l } };
  assert_int_equal(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, l->fd, &ev), 0);
  int n = snprintf(request, sizeof request,
                   "GET /board-%u HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                   "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", b, port);
  gs_buf_write(&l->out, request, (size_t)n);
  flush_link(l);
}

static void close_link(link_t *l)
{
  if (l->fd < 0)
    return;
  (void)close(l->fd);
  l->fd = -1;
  gs_buf_finish(&l->out);
  gs_ws_parser_finish(&l->parser, NULL);
}

static void on_message(link_t *l, gesso_bytes message)
{
  gs_reader rd = gs_reader_of(message);
  board *b = &boards[l->board];
  uint64_t channel = gs_read_varuint(&rd), kind = channel == 0 ? gs_read_varuint(&rd) : 0;
  if (channel != 0 || kind == 0)
    return;
  gesso_bytes body = gs_read_bytes(&rd);
  assert_int_equal(rd.err, GESSO_OK);
  gesso_doc *into = kind == 1 && looking ? b->there : l->writer ? (kind == 1 ? b->doc : NULL) : b->seen;
  if (into != NULL)
    assert_int_equal(gesso_doc_apply_v1(into, body, NULL), GESSO_OK);
  l->synced = l->synced || kind == 1;
  if (kind == 2 && !l->writer)
    last_received_us = gs_clock_mono_us(NULL);
}

static void feed(link_t *l, uint8_t *data, size_t len)
{
  while (len != 0) {
    size_t used = 0;
    gs_ws_item item;
    gs_ws_event ev = gs_ws_parser_feed(&l->parser, &limits, NULL, data, len, &used, &item);
    data += used;
    len -= used;
    if (ev == GS_WS_ON_MESSAGE)
      on_message(l, item.payload);
    else if (ev == GS_WS_ON_CLOSE || ev == GS_WS_FAILED)
      fail_msg("board %u: the server closed with %u %.*s", l->board, item.code, (int)item.payload.len,
               (const char *)item.payload.data);
    else if (ev == GS_WS_MORE)
      return;
  }
}

static void on_head(link_t *l, uint8_t *data, size_t len)
{
  size_t had = l->head_len, n = GS_MIN(len, sizeof l->head - 1 - had);
  memcpy(l->head + had, data, n);
  l->head_len += n;
  l->head[l->head_len] = '\0';
  const char *end = strstr((const char *)l->head, "\r\n\r\n");
  if (end == NULL) {
    assert_true(l->head_len < sizeof l->head - 1);
    return;
  }
  if (strncmp((const char *)l->head, "HTTP/1.1 101", 12) != 0)
    fail_msg("board %u: %s", l->board, (const char *)l->head);
  l->open = true;
  static const uint8_t nothing = 0;
  send_sync(l, 0, (gesso_bytes){ &nothing, 1 });
  flush_link(l);
  size_t taken = (size_t)(end + 4 - (const char *)l->head) - had;
  feed(l, data + taken, len - taken);
}

/* False when the server has gone. */
static bool read_link(link_t *l)
{
  static uint8_t bytes[1 << 16];
  for (;;) {
    ssize_t n = recv(l->fd, bytes, sizeof bytes, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
      return false;
    if (n < 0)
      return true;
    if (l->open)
      feed(l, bytes, (size_t)n);
    else
      on_head(l, bytes, (size_t)n);
    if ((size_t)n < sizeof bytes)
      return true;
  }
}

static void read_all(int timeout_ms)
{
  struct epoll_event events[EVENTS];
  int n = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);
  for (int i = 0; i < n; i++) {
    if (!read_link(events[i].data.ptr))
      fail_msg("the server has gone by itself");
  }
  drain_log();
}

/* --- a round --- */

static void on_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  (void)doc;
  (void)origin;
  if (local)
    send_sync(ctx, 2, update);
}

static void new_writer(board *b)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = next_client++ };
  gesso_subscription s;
  gesso_doc_destroy(b->doc);
  b->doc = gesso_doc_create(&o);
  assert_non_null(b->doc);
  assert_int_equal(gesso_doc_observe_update(b->doc, 1, on_update, &b->writer, &s), GESSO_OK);
}

static void wait_for_sync(void)
{
  bool all = false;
  while (!all) {
    read_all(100);
    all = true;
    for (uint32_t i = 0; i < board_count; i++)
      all = all && (boards[i].reader.fd < 0 || boards[i].reader.synced) && (boards[i].writer.fd < 0 || boards[i].writer.synced);
  }
}

static uint32_t draw(board *b, uint32_t n)
{
  char key[16], value[32];
  gesso_type map = gesso_doc_root(b->doc, text("m"), GESSO_MAP), log = gesso_doc_root(b->doc, text("log"), GESSO_ARRAY);
  (void)snprintf(key, sizeof key, "k%u", n % 11);
  (void)snprintf(value, sizeof value, "[%u,%u]", n, n * 2);
  gesso_value v = { .kind = GESSO_VALUE_JSON, .bytes = text(value) };
  if (n % 5 == 4 && gesso_type_length(b->doc, log) > 0)
    assert_int_equal(gesso_array_remove(b->doc, log, 0, 1), GESSO_OK);
  else if (n % 5 == 3)
    assert_int_equal(gesso_array_insert(b->doc, log, gesso_type_length(b->doc, log), &v, 1, NULL), GESSO_OK);
  else
    assert_int_equal(gesso_map_set(b->doc, map, text(key), v, NULL), GESSO_OK);
  flush_link(&b->writer);
  return 1;
}

/* Writes for so long, then kills; returns how many updates were sent. */
static uint32_t write_and_kill(uint64_t for_us, uint64_t *age_us)
{
  uint64_t begin = gs_clock_mono_us(NULL), now;
  uint32_t sent = 0;
  uint64_t last = 0;
  /* To find what is shown too early the best moment is that of a reception. */
  while ((now = gs_clock_mono_us(NULL)) < begin + for_us || (expect_loss != 0 && last == last_received_us)) {
    last = last_received_us;
    uint64_t due = (now - begin) * rate / 1000000;
    for (int burst = 0; sent < due && burst < 200; burst++)
      sent += draw(&boards[power_random(&rng) % board_count], sent);
    for (uint32_t i = 0; i < board_count; i++)
      flush_link(&boards[i].writer);
    read_all(sent < due ? 0 : 1);
  }
  *age_us = gs_clock_mono_us(NULL) - last_received_us;
  kill_server();
  /* What the kernel had taken still arrives: it was received. */
  for (uint32_t i = 0; i < board_count; i++) {
    while (read_link(&boards[i].reader))
      (void)usleep(100);
    close_link(&boards[i].reader);
    close_link(&boards[i].writer);
  }
  return sent;
}

static uint64_t clocks_seen(void)
{
  uint64_t sum = 0;
  for (uint32_t i = 0; i < board_count; i++) {
    gesso_buffer sv;
    assert_int_equal(gesso_doc_state_vector(boards[i].seen, &sv), GESSO_OK);
    gs_reader rd = gs_reader_of((gesso_bytes){ sv.data, sv.len });
    for (uint64_t n = gs_read_varuint(&rd); n > 0; n--) {
      (void)gs_read_varuint(&rd);
      sum += gs_read_varuint(&rd);
    }
    gesso_buffer_free(&sv);
  }
  return sum;
}

/* How many clocks of `seen` are beyond those of `there`. */
static uint64_t clocks_missing(gesso_doc *seen, gesso_doc *there)
{
  gesso_buffer a, b;
  uint64_t lost = 0;
  assert_int_equal(gesso_doc_state_vector(seen, &a), GESSO_OK);
  assert_int_equal(gesso_doc_state_vector(there, &b), GESSO_OK);
  gs_reader ra = gs_reader_of((gesso_bytes){ a.data, a.len });
  for (uint64_t n = gs_read_varuint(&ra); n > 0; n--) {
    uint64_t client = gs_read_varuint(&ra), clock = gs_read_varuint(&ra), have = 0;
    gs_reader rb = gs_reader_of((gesso_bytes){ b.data, b.len });
    for (uint64_t m = gs_read_varuint(&rb); m > 0; m--) {
      uint64_t other = gs_read_varuint(&rb), other_clock = gs_read_varuint(&rb);
      if (other == client)
        have = other_clock;
    }
    lost += clock > have ? clock - have : 0;
  }
  gesso_buffer_free(&a);
  gesso_buffer_free(&b);
  return lost;
}

/* Its state with all deletions; an update that adds nothing leaves it as it is. */
static gesso_buffer whole(gesso_doc *doc)
{
  gesso_buffer out;
  assert_int_equal(gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &out, NULL), GESSO_OK);
  return out;
}

static uint64_t lost_of(board *b)
{
  uint64_t lost = clocks_missing(b->seen, b->there);
  gesso_buffer seen = whole(b->seen), before = whole(b->there);
  assert_int_equal(gesso_doc_apply_v1(b->there, (gesso_bytes){ seen.data, seen.len }, NULL), GESSO_OK);
  gesso_buffer after = whole(b->there);
  bool same = before.len == after.len && memcmp(before.data, after.data, after.len) == 0;
  gesso_buffer_free(&seen);
  gesso_buffer_free(&before);
  gesso_buffer_free(&after);
  return lost == 0 && !same ? 1 : lost; /* a deletion */
}

/* Visits every board of the server that was started again. The readers stay for the next round. */
static uint64_t look(void)
{
  uint64_t lost = 0;
  looking = true;
  for (uint32_t i = 0; i < board_count; i++) {
    boards[i].there = gesso_doc_create(NULL);
    connect_link(&boards[i].reader, i, false);
    if (i % 50 == 49)
      read_all(0);
  }
  wait_for_sync();
  looking = false;
  for (uint32_t i = 0; i < board_count; i++) {
    lost += lost_of(&boards[i]);
    gesso_doc_destroy(boards[i].seen);
    boards[i].seen = boards[i].there; /* which holds all that was seen, and what nobody was sent in time */
    boards[i].there = NULL;
  }
  return lost;
}

static void begin_folder(void)
{
  const char *tmp = getenv("TMPDIR");
  (void)snprintf(folder, sizeof folder, "%.160s/gesso-kill9-XXXXXX", tmp != NULL ? tmp : "/tmp");
  assert_non_null(mkdtemp(folder));
  start_server();
  for (uint32_t i = 0; i < board_count; i++) {
    boards[i].writer.fd = -1;
    boards[i].seen = gesso_doc_create(NULL);
    connect_link(&boards[i].reader, i, false);
  }
}

static void end_folder(void)
{
  gs_check_counts counts;
  kill_server();
  assert_int_equal(gs_check(folder, 0, NULL, &counts, NULL), GESSO_OK);
  assert_int_equal(counts.findings, 0);
  for (uint32_t i = 0; i < board_count; i++) {
    close_link(&boards[i].reader);
    gesso_doc_destroy(boards[i].doc);
    gesso_doc_destroy(boards[i].seen);
    boards[i].doc = boards[i].seen = NULL;
  }
  remove_folder(folder);
}

static void nothing_that_was_received_is_lost(void **state)
{
  (void)state;
  uint64_t lost = 0, sent = 0, sent_us = 0;
  uint32_t round = 0, again = 0;
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  for (uint32_t i = 0; round < kills && again <= kills && (expect_loss == 0 || lost == 0); i++) {
    if (i % KILLS_IN_A_FOLDER == 0) {
      if (i != 0)
        end_folder();
      begin_folder();
    }
    for (uint32_t b = 0; b < board_count; b++) {
      new_writer(&boards[b]);
      connect_link(&boards[b].writer, b, true);
      if (b % 50 == 49)
        read_all(0);
    }
    wait_for_sync();
    uint64_t age_us, for_us = 100000 + power_random(&rng) % 500000, had = clocks_seen();
    sent += write_and_kill(for_us, &age_us);
    sent_us += for_us;
    received += clocks_seen() - had; /* four of five updates; the others only delete */
    start_server();
    lost += look();
    if (age_us < AGE_MAX_US)
      round++;
    else
      again++;
    if (lost != 0 && expect_loss == 0)
      fail_msg("kill %u (seed %llu): %llu updates lost", round, (unsigned long long)seed, (unsigned long long)lost);
  }
  end_folder();
  (void)close(epoll_fd);
  print_message("%u kills of the server (seed %llu; %u more came too late after a reception), %u boards, %.0f updates a second: "
                "%llu structs of updates had been received, %llu lost\n",
                round, (unsigned long long)seed, again, board_count, (double)sent / (double)sent_us * 1e6,
                (unsigned long long)received, (unsigned long long)lost);
  assert_true(again <= kills);
  assert_true(received > 0);
  assert_int_equal(lost != 0, expect_loss != 0);
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
  for (int i = 1; i + 1 < argc; i++) {
    if (strcmp(argv[i], name) == 0)
      return argv[i + 1];
  }
  return otherwise;
}

int main(int argc, char **argv)
{
  gesso = option(argc, argv, "--gesso", "build/gesso");
  durability = option(argc, argv, "--durability", "disk");
  kills = (uint32_t)atoi(option(argc, argv, "--kills", "10"));
  board_count = (uint32_t)GS_MIN(atoi(option(argc, argv, "--boards", "500")), BOARDS_MAX);
  rate = (uint32_t)atoi(option(argc, argv, "--rate", "10000"));
  seed = strtoull(option(argc, argv, "--seed", "20261"), NULL, 10);
  expect_loss = (uint32_t)atoi(option(argc, argv, "--expect-loss", "0"));
  rng = seed * 2 + 1;
  (void)signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_that_was_received_is_lost) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
