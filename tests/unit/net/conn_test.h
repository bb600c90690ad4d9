/* A server under test and its peers, in one thread: the tests turn the loop themselves, so nothing
 * depends on how fast anything is, and time is a manual clock's. */
#ifndef GS_TEST_CONN_H
#define GS_TEST_CONN_H

#include "net_test.h"

#include "net/conn.h"

/* ---- the server ------------------------------------------------------------------------------ */

struct server {
  gs_manual_clock clock;
  test_allocator memory;
  gs_loop *loop;
  gs_net *net;
  uint16_t port;
  gs_conn *last;         /* of the latest on_request or on_upgrade */
  gs_conn *waiting;      /* a request to "/later": the test answers */
  unsigned requests, upgrades, messages, fulls, drains, closes;
  uint16_t close_code;
  char close_reason[128];
  uint64_t body_max;     /* what on_head allows */
  void (*full)(gs_conn *conn);
  void (*drained)(gs_conn *conn);
  void (*message)(gs_conn *conn, gs_ws_opcode opcode, gesso_bytes payload); /* NULL: echo */
};

extern struct server srv;

/* Group-less setup: `options` may be NULL. */
void server_start(const gs_net_options *options);
void server_stop(void);
gs_net_stats server_stats(void);

/* One turn, waiting at most a millisecond of real time, then every peer reads. */
void server_turn(void);

/* Turns until `cond`; a test that waits for what never comes fails instead of hanging. */
#define UNTIL(cond)                      \
  do {                                   \
    for (int n_ = 0; !(cond); n_++) {    \
      if (n_ == 20000)                   \
        fail_msg("waited for " #cond);   \
      server_turn();                     \
    }                                    \
  } while (0)

/* Some turns, for what must not happen. */
#define SETTLE_TURNS 10
void server_settle(void);
void server_pass_ms(uint64_t ms);

/* ---- a peer ---------------------------------------------------------------------------------- */

struct peer {
  int fd;
  bool eof;     /* the server closed, or the connection broke */
  bool stalled; /* does not read */
  gs_buf in;    /* bytes read and not yet taken by a peer_... call */
  struct peer *next;
};

/* Connects and takes part in server_turn until peer_close, or server_stop, which comes after the test
 * function has returned: peers must be static. */
void peer_open(struct peer *p);
void peer_close(struct peer *p);
void peer_send(struct peer *p, const void *data, size_t len);
void peer_puts(struct peer *p, const char *text);

/* Is a whole response in? If so its status, and its body in *body (until the next call). */
int peer_response(struct peer *p, gs_buf *body);
/* Waits for one and checks it. NULL body: any. */
void expect_response(struct peer *p, int status, const char *body);

/* Handshake on `path`, with further header lines. */
void peer_upgrade(struct peer *p, const char *path, const char *extra);
/* peer_open, peer_upgrade, and the 101 read. */
void peer_socket(struct peer *p, const char *path);

void peer_frame(struct peer *p, unsigned first_byte, gesso_bytes payload);
/* Takes one unmasked frame off the input: its opcode, or -1 when none is whole. */
int peer_take_frame(struct peer *p, gs_buf *payload);
void expect_frame(struct peer *p, int opcode, gesso_bytes payload);
void expect_close(struct peer *p, uint16_t code);

#endif
