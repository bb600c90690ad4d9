/* Listeners, the table of connections, and the two lists that a turn works through. */
#include "net/conn_impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64
#define ACCEPT_PAUSE_MS 100
#define REFUSED_MAX 64u /* connections over the limit that are being told so at one time */
#define BACKLOG 4096

struct gs_listener {
  gs_watch watch;
  gs_net *net;
  gs_timer pause;
  gs_listener *next;
};

static_assert(sizeof(gs_conn) <= 320, "what an idle connection costs");

uint32_t gs_net_now(const gs_net *net)
{
  return (uint32_t)gs_loop_now_ms(net->loop);
}

gs_loop *gs_net_loop(const gs_net *net)
{
  return net->loop;
}

/* ---- what a turn works through --------------------------------------------------------------- */

void gs_net_add_work(gs_conn *conn)
{
  gs_net *net = conn->net;
  if (conn->in_work)
    return;
  conn->in_work = true;
  conn->work_next = NULL;
  if (net->work_first == NULL)
    net->work_first = conn;
  else
    net->work_last->work_next = conn;
  net->work_last = conn;
}

static void flush(gs_hook *hook)
{
  gs_net *net = (gs_net *)(void *)((char *)hook - offsetof(gs_net, flush_hook));
  while (net->work_first != NULL) {
    gs_conn *conn = net->work_first;
    net->work_first = conn->work_next;
    conn->in_work = false;
    gs_conn_work(conn);
  }
}

void gs_net_add_ready(gs_conn *conn)
{
  gs_net *net = conn->net;
  if (conn->in_ready)
    return;
  conn->in_ready = true;
  conn->ready_next = NULL;
  if (net->ready_first == NULL)
    net->ready_first = conn;
  else
    net->ready_last->ready_next = conn;
  net->ready_last = conn;
  if (!gs_timer_running(&net->ready_timer))
    gs_timer_set(net->loop, &net->ready_timer, 0);
}

static void ready_again(gs_timer *timer)
{
  gs_net *net = (gs_net *)(void *)((char *)timer - offsetof(gs_net, ready_timer));
  gs_conn *conn = net->ready_first;
  net->ready_first = NULL;
  while (conn != NULL) {
    gs_conn *next = conn->ready_next;
    conn->in_ready = false;
    if (conn->frames != 0 && !conn->blocked)
      gs_net_add_work(conn);
    gs_conn_read(conn);
    conn = next;
  }
}

static void remove_ready(gs_conn *conn)
{
  gs_net *net = conn->net;
  if (!conn->in_ready)
    return;
  gs_conn *before = NULL;
  for (gs_conn **at = &net->ready_first; *at != NULL; before = *at, at = &(*at)->ready_next)
    if (*at == conn) {
      *at = conn->ready_next;
      if (net->ready_last == conn)
        net->ready_last = before;
      return;
    }
}

/* ---- the table ------------------------------------------------------------------------------- */

static bool take_slot(gs_net *net, gs_conn *conn)
{
  const gesso_allocator *al = net->options.alloc;
  uint32_t slot;
  if (net->free_count != 0) {
    slot = net->free_slots[--net->free_count];
  } else {
    /* Room to give the slot back is taken together with it. */
    if (!gs_grow(al, &net->slots, &net->slot_cap, (size_t)net->slot_end + 1, sizeof *net->slots)
        || !gs_grow(al, &net->free_slots, &net->free_cap, (size_t)net->slot_end + 1,
                    sizeof *net->free_slots))
      return false;
    slot = net->slot_end++;
  }
  net->slots[slot] = conn;
  conn->id = (uint64_t)++net->serial << 32 | slot;
  return true;
}

gs_conn *gs_conn_adopt(gs_net *net, int fd)
{
  gs_conn *conn = GS_NEW(net->options.alloc, gs_conn);
  if (conn != NULL && take_slot(net, conn)) {
    const int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    conn->net = net;
    conn->watch = (gs_watch){ fd, gs_conn_ready };
    conn->timer.fire = gs_conn_fire;
    conn->last_in_ms = conn->phase_ms = gs_net_now(net);
    net->stats.connections++;
    if (gs_loop_watch(net->loop, &conn->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
        == GESSO_OK) {
      gs_conn_arm(conn);
      return conn;
    }
    net->stats.connections--;
    conn->state = GS_CONN_DEAD;
    gs_conn_free(conn);
    return NULL;
  }
  gs_free(net->options.alloc, conn, sizeof *conn);
  (void)close(fd);
  return NULL;
}

/* Nobody is left: what the crowd needed is given back. Ids go on from `serial`. */
static void give_back_tables(gs_net *net)
{
  const gesso_allocator *al = net->options.alloc;
  gs_free(al, net->slots, net->slot_cap * sizeof *net->slots);
  gs_free(al, net->free_slots, net->free_cap * sizeof *net->free_slots);
  net->slots = NULL;
  net->free_slots = NULL;
  net->slot_cap = net->slot_end = net->free_cap = net->free_count = 0;
  gs_net_free_chunks(net);
}

void gs_conn_free(gs_conn *conn)
{
  gs_net *net = conn->net;
  uint32_t slot = (uint32_t)conn->id;
  gs_timer_stop(net->loop, &conn->timer);
  remove_ready(conn);
  gs_loop_unwatch(net->loop, &conn->watch);
  (void)close(conn->watch.fd);
  net->slots[slot] = NULL;
  net->free_slots[net->free_count++] = slot;
  if (net->free_count == net->slot_end)
    give_back_tables(net);
  gs_free(net->options.alloc, conn, sizeof *conn);
}

gs_conn *gs_net_find(gs_net *net, uint64_t id)
{
  uint32_t slot = (uint32_t)id;
  if (slot >= net->slot_end || net->slots[slot] == NULL)
    return NULL;
  gs_conn *conn = net->slots[slot];
  return conn->id == id && !conn->told ? conn : NULL;
}

void gs_net_each(gs_net *net, void (*visit)(void *ctx, gs_conn *conn), void *ctx)
{
  for (uint32_t i = 0; i < net->slot_end; i++)
    if (net->slots[i] != NULL && net->slots[i]->known && !net->slots[i]->told)
      visit(ctx, net->slots[i]);
}

/* ---- accepting ------------------------------------------------------------------------------- */

/* One too many: it is told so, if not too many others are just being told. */
static void turn_away(gs_net *net, int fd)
{
  net->stats.refused++;
  if (net->stats.lingering >= REFUSED_MAX) {
    (void)close(fd);
    return;
  }
  gs_conn *conn = gs_conn_adopt(net, fd);
  if (conn != NULL)
    gs_conn_refuse(conn, 503, "too many connections");
}

/* There are no descriptors left. The spare one makes room to take the connection and hang up on it,
 * so that the listener does not stay ready for ever. */
static bool hang_up_on_one(gs_listener *listener, bool *empty)
{
  gs_net *net = listener->net;
  *empty = false;
  if (net->spare_fd < 0)
    return false;
  (void)close(net->spare_fd);
  int fd = accept4(listener->watch.fd, NULL, NULL, SOCK_CLOEXEC);
  if (fd >= 0) {
    net->stats.refused++;
    (void)close(fd);
  } else {
    *empty = errno == EAGAIN; /* without a descriptor, accept does not even look */
  }
  net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  return fd >= 0;
}

static void listener_ready(gs_watch *watch, uint32_t events)
{
  (void)events;
  gs_listener *listener = (gs_listener *)(void *)((char *)watch - offsetof(gs_listener, watch));
  gs_net *net = listener->net;
  for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
    int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      if (net->stats.connections >= net->options.connections_max) {
        turn_away(net, fd);
      } else if (gs_conn_adopt(net, fd) != NULL) {
        net->stats.accepted++;
      } else {
        net->stats.refused++;
      }
      continue;
    }
    if (errno == EAGAIN)
      return;
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
      continue; /* this one connection is gone already */
    bool empty = false;
    if (errno == EMFILE && hang_up_on_one(listener, &empty))
      continue;
    if (empty)
      return;
    gs_loop_unwatch(net->loop, watch);
    gs_timer_set(net->loop, &listener->pause, ACCEPT_PAUSE_MS);
    return;
  }
}

static void listener_again(gs_timer *timer)
{
  gs_listener *listener = (gs_listener *)(void *)((char *)timer - offsetof(gs_listener, pause));
  if (listener->net->spare_fd < 0)
    listener->net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (gs_loop_watch(listener->net->loop, &listener->watch, EPOLLIN) != GESSO_OK)
    gs_timer_set(listener->net->loop, timer, ACCEPT_PAUSE_MS);
}

static gesso_status add_listener(gs_net *net, int fd)
{
  gs_listener *listener = GS_NEW(net->options.alloc, gs_listener);
  if (listener == NULL)
    return GESSO_E_NOMEM;
  listener->net = net;
  listener->watch = (gs_watch){ fd, listener_ready };
  listener->pause.fire = listener_again;
  if (gs_loop_watch(net->loop, &listener->watch, EPOLLIN) != GESSO_OK) {
    gs_free(net->options.alloc, listener, sizeof *listener);
    return GESSO_E_IO;
  }
  listener->next = net->listeners;
  net->listeners = listener;
  return GESSO_OK;
}

static void remove_listeners(gs_net *net)
{
  while (net->listeners != NULL) {
    gs_listener *listener = net->listeners;
    net->listeners = listener->next;
    if (gs_timer_running(&listener->pause))
      gs_timer_stop(net->loop, &listener->pause);
    else
      gs_loop_unwatch(net->loop, &listener->watch);
    (void)close(listener->watch.fd);
    gs_free(net->options.alloc, listener, sizeof *listener);
  }
}

/* "host:port", "[v6]:port", "*:port" */
static bool split_address(const char *address, char host[256], char port[8])
{
  const char *colon = strrchr(address, ':');
  if (colon == NULL || strlen(colon + 1) == 0 || strlen(colon + 1) > 5
      || strspn(colon + 1, "0123456789") != strlen(colon + 1) || strtol(colon + 1, NULL, 10) > 65535)
    return false;
  (void)snprintf(port, 8, "%s", colon + 1);
  size_t len = (size_t)(colon - address);
  if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
    address++;
    len -= 2;
  } else if (memchr(address, ':', len) != NULL) {
    return false; /* an IPv6 address without its brackets */
  }
  if (len == 0 || len > 255)
    return false;
  memcpy(host, address, len);
  host[len] = '\0';
  return true;
}

static int open_listener(const struct addrinfo *ai, bool any, bool reuse_port)
{
  const int one = 1, zero = 0;
  int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (ai->ai_family == AF_INET6)
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, any ? &zero : &one, sizeof one);
  if ((reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0)
      || bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
  }
  return fd;
}

static uint16_t port_of(int fd)
{
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } a = { .any = { .sa_family = AF_UNSPEC } };
  socklen_t len = sizeof a;
  if (getsockname(fd, &a.any, &len) != 0)
    return 0;
  return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

static const char *why_not(int error)
{
  switch (error) {
  case EADDRINUSE: return "the address is in use by another process";
  case EACCES: return "not allowed to use this port (below 1024 needs a privilege)";
  case EADDRNOTAVAIL: return "this machine has no such address";
  default: return "cannot listen there";
  }
}

gesso_status gs_net_listen(gs_net *net, const char *address, bool reuse_port, uint16_t *port_out,
                           const char **why)
{
  char host[256], port[8];
  const char *unused;
  struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                            .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
  struct addrinfo *found = NULL;
  if (why == NULL)
    why = &unused;
  *why = NULL;
  if (!split_address(address, host, port)) {
    *why = "the address must look like 127.0.0.1:1234, [::1]:1234, localhost:1234 or *:1234";
    return GESSO_E_USAGE;
  }
  bool any = strcmp(host, "*") == 0;
  int last_error = EADDRNOTAVAIL;
  bool pick = strcmp(port, "0") == 0;
  uint16_t bound = 0;
  if (getaddrinfo(any ? NULL : host, port, &hints, &found) != 0) {
    *why = "no such host";
    return GESSO_E_NOTFOUND;
  }
  /* The IPv6 wildcard takes IPv4 as well, so for "*" it is tried first and is enough. A name takes
   * all its addresses, but a picked port only one. */
  for (int pass = 0; pass < 2; pass++)
    for (const struct addrinfo *ai = found; ai != NULL; ai = ai->ai_next) {
      if ((ai->ai_family == AF_INET6) != (pass == 0) || (bound != 0 && (any || pick)))
        continue;
      int fd = open_listener(ai, any, reuse_port);
      if (fd < 0) {
        last_error = errno;
        continue;
      }
      if (add_listener(net, fd) != GESSO_OK) {
        (void)close(fd);
        last_error = ENOMEM;
        continue;
      }
      if (bound == 0)
        bound = port_of(fd);
    }
  freeaddrinfo(found);
  if (bound == 0) {
    *why = why_not(last_error);
    return last_error == EADDRINUSE ? GESSO_E_BUSY : GESSO_E_IO;
  }
  if (port_out != NULL)
    *port_out = bound;
  return GESSO_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

#define DEFAULT(field, value)  \
  do {                         \
    if (o->field == 0)         \
      o->field = (value);      \
  } while (0)

static void set_defaults(gs_net_options *o)
{
  DEFAULT(connections_max, 10000);
  DEFAULT(frame_max, 16u << 20);
  DEFAULT(message_max, 16u << 20);
  DEFAULT(partial_max, 256u << 20);
  DEFAULT(queue_max, 4u << 20);
  DEFAULT(head_timeout_ms, 10000);
  DEFAULT(body_timeout_ms, 60000);
  DEFAULT(keep_alive_ms, 30000);
  DEFAULT(stall_ms, 30000);
  DEFAULT(ping_ms, 25000);
  DEFAULT(pong_ms, 20000);
  DEFAULT(close_ms, 3000);
  DEFAULT(linger_ms, 1000);
  DEFAULT(receive_size, 65536);
}

gesso_status gs_net_create(gs_loop *loop, const gs_net_options *options,
                           const gs_net_callbacks *callbacks, void *owner, gs_net **net_out)
{
  *net_out = NULL;
  const gesso_allocator *alloc = options != NULL ? options->alloc : NULL;
  gs_net *net = GS_NEW(alloc, gs_net);
  if (net == NULL)
    return GESSO_E_NOMEM;
  if (options != NULL)
    net->options = *options;
  set_defaults(&net->options);
  net->ws_limits.frame_max = net->options.frame_max;
  net->ws_limits.message_max = net->options.message_max;
  net->loop = loop;
  net->callbacks = *callbacks;
  net->owner = owner;
  net->flush_hook.run = flush;
  net->ready_timer.fire = ready_again;
  net->receive = gs_alloc(alloc, net->options.receive_size);
  net->ping = gs_frame_message(alloc, GS_WS_PING, (gesso_bytes){ NULL, 0 });
  net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  gs_loop_add_hook(loop, &net->flush_hook, GS_PHASE_FLUSH);
  if (net->receive == NULL || net->ping == NULL) {
    gs_net_destroy(net);
    return GESSO_E_NOMEM;
  }
  *net_out = net;
  return GESSO_OK;
}

void gs_net_destroy(gs_net *net)
{
  if (net == NULL)
    return;
  const gesso_allocator *al = net->options.alloc;
  net->stopping = true;
  remove_listeners(net);
  for (uint32_t i = 0; i < net->slot_end; i++)
    if (net->slots[i] != NULL)
      gs_conn_abort(net->slots[i]);
  flush(&net->flush_hook);
  gs_timer_stop(net->loop, &net->ready_timer);
  gs_loop_remove_hook(net->loop, &net->flush_hook, GS_PHASE_FLUSH);
  if (net->spare_fd >= 0)
    (void)close(net->spare_fd);
  give_back_tables(net);
  gs_frame_release(net->ping);
  gs_free(al, net->receive, net->options.receive_size);
  gs_free(al, net, sizeof *net);
}

void gs_net_shutdown(gs_net *net, uint16_t code, const char *reason)
{
  net->stopping = true;
  remove_listeners(net);
  for (uint32_t i = 0; i < net->slot_end; i++) {
    gs_conn *conn = net->slots[i];
    /* A request that has begun to arrive is still answered. */
    if (conn != NULL && (conn->state != GS_CONN_HTTP || conn->http == NULL))
      gs_conn_close(conn, code, reason);
  }
}

bool gs_net_idle(const gs_net *net)
{
  return net->stats.connections == 0;
}

void gs_net_get_stats(const gs_net *net, gs_net_stats *out)
{
  *out = net->stats;
}
