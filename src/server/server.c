/* starting -> serving -> stopping -> done
 *
 * Stopping: nothing more is taken; what the turn brought is handed to the store; sockets are sent
 * 1001, so that clients come back by themselves; the store finishes everything and closes. The exit
 * status tells whether all of it reached the disk. */
#include "server/server.h"

#include "net/conn.h"
#include "server/api.h"
#include "server/limits.h"
#include "server/log.h"
#include "server/rooms.h"
#include "server/socket.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
  STOP_LOOK_MS = 10,     /* how often a stopping server looks whether it is done */
  STOP_SOCKETS_MS = 400, /* sockets that have not closed by then are cut */
  STOP_TELL_MS = 5000,   /* how often it says that it waits for the disk */
  TIDY_MS = 10000,       /* how often it looks whether memory can be given back */
  TIDY_BUSY_LOOKS = 6    /* while connections and boards keep going, only every so many looks */
};

typedef struct server {
  gs_loop *loop;
  gesso_persistence *store;
  gs_rooms rooms;
  gs_net *net;
  gs_api api;
  gs_origins origins;
  gs_assets assets;
  gs_counters counters;
  gs_watch signals;
  gs_timer stop_timer, tidy_timer, fail_timer;
  uint64_t gone, tidied; /* connections and boards that have gone: at the last look, and when it was tidied */
  unsigned looks;        /* since it was tidied */
  uint64_t stop_ms, told_ms;
  uint64_t unwritten; /* boards that could not be written */
  bool stopping, store_closed, cut_short;
} server;

/* ---- the network's callbacks ------------------------------------------------------------------- */

static uint64_t on_head(void *owner, gs_conn *conn, const gs_http_request *req)
{
  return gs_api_head(&((server *)owner)->api, conn, req);
}

static void on_request(void *owner, gs_conn *conn, const gs_http_request *req)
{
  gs_api_request(&((server *)owner)->api, conn, req);
}

static void on_upgrade(void *owner, gs_conn *conn, const gs_http_request *req)
{
  server *sv = owner;
  (void)gs_api_forget(&sv->api, conn);
  gs_socket_upgrade(&sv->rooms, &sv->origins, conn, req);
}

static void on_message(void *owner, gs_conn *conn, gs_ws_opcode opcode, gesso_bytes payload)
{
  gs_socket_message(&((server *)owner)->rooms, conn, opcode, payload);
}

static void on_full(void *owner, gs_conn *conn)
{
  gs_socket_full(&((server *)owner)->rooms, conn);
}

static void on_drain(void *owner, gs_conn *conn)
{
  gs_socket_drain(&((server *)owner)->rooms, conn);
}

static void on_close(void *owner, gs_conn *conn, uint16_t code, gesso_bytes reason)
{
  server *sv = owner;
  (void)reason;
  if (!gs_api_forget(&sv->api, conn))
    gs_socket_close(&sv->rooms, conn, code);
}

/* ---- the store's events ------------------------------------------------------------------------ */

static void store_event(void *ctx, const gesso_persistence_event *event)
{
  server *sv = ctx;
  static const char *const names[] = { "", "writes_fail", "writes_work", "fold_failed", "board_lost" };
  if (event->kind == GESSO_EVENT_BOARD_FULL || event->kind == GESSO_EVENT_BOARD_ROOM) {
    gs_rooms_set_full(&sv->rooms, event->board, event->kind == GESSO_EVENT_BOARD_FULL);
    return;
  }
  gs_log line;
  unsigned kind = (unsigned)event->kind;
  gs_log_begin(&line, event->kind == GESSO_EVENT_WRITES_WORK ? GS_LOG_INFO : GS_LOG_ERROR,
               kind < GS_COUNT(names) ? names[kind] : "store");
  if (event->board.len != 0)
    gs_log_bytes(&line, "board", event->board);
  gs_log_text(&line, "why", event->message != NULL ? event->message : gesso_status_text(event->status));
  gs_log_end(&line);
  if (event->kind == GESSO_EVENT_WRITES_FAIL && event->status == GESSO_E_FULL) {
    gs_rooms_set_read_only(&sv->rooms, true);
  } else if (event->kind == GESSO_EVENT_WRITES_FAIL) {
    /* It may be one sync that failed, and be over before anybody is told. */
    gs_timer_set(sv->loop, &sv->fail_timer, GS_ROOM_READ_ONLY_MS);
  } else if (event->kind == GESSO_EVENT_WRITES_WORK) {
    gs_timer_stop(sv->loop, &sv->fail_timer);
    gs_rooms_set_read_only(&sv->rooms, false);
  }
}

static void still_failing(gs_timer *timer)
{
  server *sv = (server *)((char *)timer - offsetof(server, fail_timer));
  gs_rooms_set_read_only(&sv->rooms, true);
}

typedef struct readiness {
  bool known;
  gesso_status status;
  char message[400];
} readiness;

static void store_ready(void *ctx, gesso_status status, const char *message)
{
  readiness *r = ctx;
  r->known = true;
  r->status = status;
  (void)snprintf(r->message, sizeof r->message, "%s", message);
}

static bool open_store(server *sv, const gs_server_options *options)
{
  gesso_persistence_options o = {
    .size = sizeof o,
    .folder = options->folder,
    .durability = (uint32_t)options->durability,
    .doc_memory_max = GS_LIMIT_DOC_MEMORY,
    .owner = "gesso serve",
    .flags = options->no_history ? GESSO_OPEN_NO_HISTORY : 0,
    .history_keep_ms = (uint64_t)options->history_days * 24 * 3600 * 1000,
    .board_bytes_max = options->board_quota == 0            ? GS_LIMIT_BOARD_STORED_LEN
                       : options->board_quota == UINT64_MAX ? 0
                                                            : options->board_quota,
    .total_bytes_max = options->total_quota,
  };
  gesso_buffer why = { 0 };
  gesso_status s = gesso_persistence_open(&o, &sv->store, &why);
  if (s != GESSO_OK) {
    fprintf(stderr, "gesso serve: cannot open the data folder %s: %.*s\n", options->folder,
            why.data != NULL ? (int)why.len : (int)strlen(gesso_status_text(s)),
            why.data != NULL ? (const char *)why.data : gesso_status_text(s));
    gesso_buffer_free(&why);
    return false;
  }
  readiness r = { 0 };
  s = gesso_persistence_ready(sv->store, store_ready, &r);
  while (s == GESSO_OK && !r.known)
    (void)gesso_persistence_wait(sv->store, -1);
  if (s == GESSO_OK)
    s = r.status;
  if (s != GESSO_OK) {
    fprintf(stderr, "gesso serve: cannot open the data folder %s: %s\n", options->folder,
            r.known ? r.message : gesso_status_text(s));
    return false;
  }
  return true;
}

/* ---- giving memory back -------------------------------------------------------------------------- */

/* The C library keeps what a crowd's boards and connections held. Once they have gone and it is quiet,
 * the kernel gets it back. */
static void tidy(gs_timer *timer)
{
  server *sv = (server *)((char *)timer - offsetof(server, tidy_timer));
  gs_net_stats net;
  gs_net_get_stats(sv->net, &net);
  uint64_t gone = net.accepted - net.connections + sv->counters.rooms_unloaded;
  bool quiet = gone == sv->gone;
  sv->gone = gone;
  if (gone != sv->tidied && (quiet || ++sv->looks >= TIDY_BUSY_LOOKS)) {
    sv->tidied = gone;
    sv->looks = 0;
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
  }
  gs_timer_set(sv->loop, timer, TIDY_MS);
}

/* ---- stopping ---------------------------------------------------------------------------------- */

static void store_closed(void *ctx, uint64_t failed_boards)
{
  server *sv = ctx;
  sv->unwritten = failed_boards;
  sv->store_closed = true;
}

static void stop_tick(gs_timer *timer)
{
  server *sv = (server *)((char *)timer - offsetof(server, stop_timer));
  uint64_t now = gs_loop_now_ms(sv->loop);
  bool sockets_done = gs_net_idle(sv->net) || now >= sv->stop_ms + STOP_SOCKETS_MS;
  if (sv->store_closed && sockets_done) {
    gs_loop_stop(sv->loop);
    return;
  }
  if (!sv->store_closed && now >= sv->told_ms + STOP_TELL_MS) {
    sv->told_ms = now;
    gs_log_event(GS_LOG_WARN, "stopping", "waits_for", "the disk; a second signal leaves what is not written");
  }
  gs_timer_set(sv->loop, timer, STOP_LOOK_MS);
}

static void begin_stop(server *sv)
{
  gs_log_event(GS_LOG_INFO, "stopping", "why", "signal");
  sv->stopping = true;
  sv->stop_ms = sv->told_ms = gs_loop_now_ms(sv->loop);
  gs_rooms_stop(&sv->rooms);
  gs_net_shutdown(sv->net, GS_WS_CODE_GOING_AWAY, "the server is stopping; connect again");
  if (gesso_persistence_close(sv->store, store_closed, sv) != GESSO_OK)
    sv->store_closed = true;
  gs_timer_set(sv->loop, &sv->stop_timer, STOP_LOOK_MS);
}

static void on_signal(gs_watch *watch, uint32_t events)
{
  (void)events;
  server *sv = (server *)((char *)watch - offsetof(server, signals));
  struct signalfd_siginfo info;
  while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info) {
    if (!sv->stopping) {
      begin_stop(sv);
    } else {
      sv->cut_short = !sv->store_closed;
      gs_loop_stop(sv->loop);
    }
  }
}

/* Before any thread is started, so that all of them inherit it. */
static int take_signals(void)
{
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  struct sigaction ignore = { .sa_handler = SIG_IGN };
  sigaction(SIGPIPE, &ignore, NULL);
  sigaction(SIGXFSZ, &ignore, NULL); /* a file that may grow no more is a full disk */
  if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
    return -1;
  return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* ---- starting ---------------------------------------------------------------------------------- */

/* Each client is a descriptor: take as many as the system grants without asking. */
static void raise_descriptor_limit(void)
{
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
}

static bool start_network(server *sv, const gs_server_options *options)
{
  static const gs_net_callbacks callbacks = {
    .on_head = on_head,
    .on_request = on_request,
    .on_upgrade = on_upgrade,
    .on_message = on_message,
    .on_full = on_full,
    .on_drain = on_drain,
    .on_close = on_close,
  };
  gs_net_options net_options = {
    .connections_max = GS_LIMIT_CONNECTIONS,
    .frame_max = GS_LIMIT_MESSAGE_LEN,
    .message_max = GS_LIMIT_MESSAGE_LEN,
    .queue_max = GS_LIMIT_SEND_QUEUE_LEN,
  };
  if (gs_net_create(sv->loop, &net_options, &callbacks, sv, &sv->net) != GESSO_OK)
    return false;
  sv->api.net = sv->net;
  const char *why = NULL;
  uint16_t port = 0;
  gesso_status s = gs_net_listen(sv->net, options->listen, false, &port, &why);
  if (s != GESSO_OK) {
    fprintf(stderr, "gesso serve: cannot listen on %s: %s. Choose another with --listen ADDRESS:PORT.\n",
            options->listen, why != NULL ? why : gesso_status_text(s));
    return false;
  }
  char url[128];
  const char *colon = strrchr(options->listen, ':');
  size_t host_len = colon == NULL ? strlen(options->listen) : (size_t)(colon - options->listen);
  bool any = host_len == 1 && options->listen[0] == '*';
  (void)snprintf(url, sizeof url, "http://%.*s:%u", any ? 9 : (int)GS_MIN(host_len, 100u),
                 any ? "127.0.0.1" : options->listen, (unsigned)port);
  (void)gesso_persistence_set_address(sv->store, url);

  static const char *const profiles[] = { "disk", "os", "memory" };
  gs_log line;
  gs_log_begin(&line, GS_LOG_INFO, "listening");
  gs_log_text(&line, "url", url);
  gs_log_text(&line, "data", options->folder);
  gs_log_text(&line, "durability", profiles[options->durability]);
  gs_log_text(&line, "version", gesso_version());
  gs_log_end(&line);
  return true;
}

static bool start(server *sv, const gs_server_options *options)
{
  raise_descriptor_limit();
  sv->signals = (gs_watch){ .fd = take_signals(), .ready = on_signal };
  if (sv->signals.fd < 0) {
    fprintf(stderr, "gesso serve: cannot take signals: %s\n", strerror(errno));
    return false;
  }
  gesso_status s = gs_assets_open(&sv->assets, NULL, gs_assets_embedded(), options->web_dir);
  if (s != GESSO_OK) {
    fprintf(stderr, "gesso serve: cannot serve the page from %s: %s\n",
            options->web_dir != NULL ? options->web_dir : "the program", gesso_status_text(s));
    return false;
  }
  if (!open_store(sv, options))
    return false;
  sv->origins = (gs_origins){
    .allowed = options->allow_origins,
    .allowed_count = options->allow_origin_count,
    .loopback = gs_is_loopback(options->listen),
  };
  sv->stop_timer.fire = stop_tick;
  sv->tidy_timer.fire = tidy;
  sv->fail_timer.fire = still_failing;
  if (gs_loop_create(NULL, NULL, &sv->loop) != GESSO_OK ||
      gs_loop_watch(sv->loop, &sv->signals, EPOLLIN) != GESSO_OK ||
      gs_rooms_init(&sv->rooms, sv->loop, sv->store, &sv->counters) != GESSO_OK) {
    fprintf(stderr, "gesso serve: cannot make the event loop: %s\n", strerror(errno));
    return false;
  }
  sv->api = (gs_api){
    .rooms = &sv->rooms,
    .store = sv->store,
    .images = gs_images_create(sv->loop, options->folder, GS_LIMIT_IMAGES_TOTAL_LEN),
    .titles = gs_titles_create(),
    .origins = &sv->origins,
    .counters = &sv->counters,
    .assets = &sv->assets,
    .started_ms = gs_loop_now_ms(sv->loop),
  };
  gesso_persistence_on_event(sv->store, store_event, sv);
  gesso_persistence_stats stats = { .size = sizeof stats };
  if (gesso_persistence_get_stats(sv->store, &stats) == GESSO_OK && stats.health != GESSO_OK)
    gs_rooms_set_read_only(&sv->rooms, true); /* it was told before anybody listened */
  if (sv->api.images == NULL || sv->api.titles == NULL) {
    fprintf(stderr, "gesso serve: out of memory\n");
    return false;
  }
  if (!start_network(sv, options))
    return false;
  gs_timer_set(sv->loop, &sv->tidy_timer, TIDY_MS);
  return true;
}

static void finish(server *sv)
{
  if (sv->net != NULL)
    gs_net_destroy(sv->net);
  gs_images_stop(sv->api.images);
  gesso_persistence_destroy(sv->store);
  gs_rooms_finish(&sv->rooms);
  if (sv->loop != NULL)
    gs_loop_destroy(sv->loop);
  gs_images_destroy(sv->api.images);
  gs_titles_destroy(sv->api.titles);
  gs_assets_close(&sv->assets);
  if (sv->signals.fd >= 0)
    close(sv->signals.fd);
}

int gs_server_run(const gs_server_options *options)
{
  server sv = { .signals = { .fd = -1 } };
  if (!start(&sv, options)) {
    finish(&sv);
    return 1;
  }
  gesso_status s = gs_loop_run(sv.loop);
  int exit_status = 0;
  if (s != GESSO_OK) {
    gs_log_event(GS_LOG_ERROR, "stopped", "why", "the event loop failed");
    exit_status = 1;
  } else if (sv.cut_short) {
    gs_log_event(GS_LOG_ERROR, "stopped", "why", "a second signal came before everything was written");
    _exit(1); /* waiting for the disk is what the second signal refused to do */
  } else if (sv.unwritten != 0) {
    gs_log line;
    gs_log_begin(&line, GS_LOG_ERROR, "stopped");
    gs_log_text(&line, "why", "some boards could not be written");
    gs_log_number(&line, "boards", sv.unwritten);
    gs_log_end(&line);
    exit_status = 1;
  } else {
    gs_log_event(GS_LOG_INFO, "stopped", "why", "signal; everything is written");
  }
  finish(&sv);
  return exit_status;
}
