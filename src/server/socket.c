#include "server/socket.h"

#include "server/limits.h"
#include "server/log.h"
#include "server/room.h"
#include "sync/dialect.h"
#include "sync/message.h"

#include <stddef.h>
#include <stdio.h>

/* What hangs on a WebSocket connection. HTTP connections have none. */
typedef struct gs_socket {
  gs_session session; /* the one session of this protocol */
  gs_conn *conn;
  gs_rooms *rooms;
  gs_timer timer;     /* until the first frame: its deadline; then the keep-alive */
  bool joined;
  size_t path_len;
  uint8_t path[];     /* '/' and the board's name */
} gs_socket;

static gs_socket *socket_of(gs_session *session)
{
  return (gs_socket *)((char *)session - offsetof(gs_socket, session));
}

static bool session_send(gs_session *session, gs_frame *frame)
{
  return gs_conn_send(socket_of(session)->conn, frame);
}

static bool session_takes(gs_session *session)
{
  return gs_conn_takes(socket_of(session)->conn);
}

static void session_close(gs_session *session, uint16_t code, const char *reason)
{
  gs_conn_close(socket_of(session)->conn, code, reason);
}

static void session_pause(gs_session *session)
{
  gs_conn_pause(socket_of(session)->conn);
}

static void session_resume(gs_session *session)
{
  gs_conn_resume(socket_of(session)->conn);
}

static const gs_session_ops ops = {
  .send = session_send,
  .takes = session_takes,
  .close = session_close,
  .pause = session_pause,
  .resume = session_resume,
};

/* Clients drop a connection that brought no data frame for 30 s; pings do not count for them. The
 * timer is not moved with every frame sent: when it fires, it looks how long ago the last one was. */
static void timer_fired(gs_timer *timer)
{
  gs_socket *so = (gs_socket *)((char *)timer - offsetof(gs_socket, timer));
  gs_loop *loop = so->rooms->loop;
  if (!so->joined) {
    so->rooms->counters->silent_closed++;
    gs_conn_close(so->conn, 4408, "nothing was said");
    return;
  }
  uint64_t silent_ms = gs_loop_now_ms(loop) - so->session.sent_ms;
  if (silent_ms >= GS_KEEP_ALIVE_MS) {
    gs_frame *frame = gs_frame_message(NULL, GS_WS_BINARY, (gesso_bytes){ gs_keep_alive, sizeof gs_keep_alive });
    if (frame != NULL && so->session.room != NULL)
      so->rooms->counters->keep_alives += gs_room_send(&so->session, frame);
    gs_frame_release(frame);
    silent_ms = 0;
  }
  gs_timer_set(loop, &so->timer, GS_KEEP_ALIVE_MS - silent_ms);
}

/* Browsers cannot see why an upgrade was refused, so it is accepted and closed with a reason. */
static void refuse(gs_conn *conn, uint16_t code, const char *reason)
{
  if (gs_conn_accept(conn, (gesso_bytes){ NULL, 0 }, NULL) == GESSO_OK)
    gs_conn_close(conn, code, reason);
}

void gs_socket_upgrade(gs_rooms *rooms, const gs_origins *origins, gs_conn *conn, const gs_http_request *req)
{
  gesso_bytes path = req->path;
  if (!gs_origin_ok(origins, req, false)) {
    gs_log line;
    gs_log_begin(&line, GS_LOG_WARN, "origin_refused");
    gs_log_bytes(&line, "origin", gs_http_get(req, "Origin"));
    gs_log_bytes(&line, "host", req->host);
    gs_log_text(&line, "hint", "start with --allow-origin to let it in");
    gs_log_end(&line);
    rooms->counters->origins_refused++;
    refuse(conn, 4403, "this page's origin is not allowed here");
    return;
  }
  if (path.len < 2) {
    refuse(conn, 4400, "no board was named: connect to /<name>");
    return;
  }
  gs_buf name = gs_buf_make(NULL);
  gs_buf_put(&name, '/');
  if (!gs_rooms_name((gesso_bytes){ path.data + 1, path.len - 1 }, &name)) {
    refuse(conn, 4400, "this is no name for a board: 1 to 512 bytes of UTF-8");
    gs_buf_finish(&name);
    return;
  }
  gs_socket *so = gs_alloc_zero(NULL, sizeof *so + name.b.len);
  if (so == NULL) {
    gs_buf_finish(&name);
    refuse(conn, GS_WS_CODE_TRY_LATER, "the server is out of memory");
    return;
  }
  so->session.ops = &ops;
  so->session.early = gs_buf_make(NULL);
  so->session.vector = gs_buf_make(NULL);
  so->conn = conn;
  so->rooms = rooms;
  so->timer.fire = timer_fired;
  so->path_len = name.b.len;
  memcpy(so->path, name.b.data, name.b.len);
  gs_buf_finish(&name);
  if (gs_conn_accept(conn, (gesso_bytes){ NULL, 0 }, NULL) != GESSO_OK) {
    gs_free(NULL, so, sizeof *so + so->path_len);
    return;
  }
  gs_conn_set_user(conn, so);
  gs_timer_set(rooms->loop, &so->timer, GS_LIMIT_FIRST_FRAME_MS);
}

static bool join(gs_socket *so, gesso_bytes first_frame)
{
  gesso_bytes path = { so->path, so->path_len };
  gs_dialect dialect = gs_dialect_of(path, first_frame);
  if (dialect != GS_DIALECT_YWEBSOCKET) {
    char reason[124];
    (void)snprintf(reason, sizeof reason, "this server speaks the y-websocket protocol, not %s",
                   dialect == GS_DIALECT_UNKNOWN ? "what this frame is" : gs_dialect_name(dialect));
    so->rooms->counters->dialects_refused++;
    gs_conn_close(so->conn, 4400, reason);
    return false;
  }
  so->joined = true;
  gs_timer_set(so->rooms->loop, &so->timer, GS_KEEP_ALIVE_MS);
  return gs_rooms_join(so->rooms, (gesso_bytes){ path.data + 1, path.len - 1 }, &so->session);
}

void gs_socket_message(gs_rooms *rooms, gs_conn *conn, gs_ws_opcode opcode, gesso_bytes payload)
{
  gs_socket *so = gs_conn_user(conn);
  if (so == NULL)
    return;
  if (opcode != GS_WS_BINARY) {
    rooms->counters->messages_bad++;
    gs_conn_close(conn, GS_WS_CODE_UNSUPPORTED, "messages are binary");
    return;
  }
  if (!so->joined && !join(so, payload))
    return;
  if (so->session.room != NULL)
    gs_room_receive(&so->session, payload);
}

void gs_socket_full(gs_rooms *rooms, gs_conn *conn)
{
  (void)rooms;
  gs_socket *so = gs_conn_user(conn);
  if (so != NULL && so->session.room != NULL)
    (void)gs_conn_drop_queue(conn);
}

void gs_socket_drain(gs_rooms *rooms, gs_conn *conn)
{
  (void)rooms;
  gs_socket *so = gs_conn_user(conn);
  if (so != NULL)
    gs_room_resync(&so->session);
}

void gs_socket_close(gs_rooms *rooms, gs_conn *conn, uint16_t code)
{
  gs_socket *so = gs_conn_user(conn);
  if (so == NULL)
    return;
  gs_log line;
  gs_log_begin(&line, GS_LOG_DEBUG, "socket_closed");
  gs_log_bytes(&line, "board", (gesso_bytes){ so->path + 1, so->path_len - 1 });
  gs_log_number(&line, "code", code);
  gs_log_end(&line);
  gs_room_leave(&so->session);
  gs_timer_stop(rooms->loop, &so->timer);
  gs_conn_set_user(conn, NULL);
  gs_free(NULL, so, sizeof *so + so->path_len);
}
