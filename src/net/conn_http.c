/* The HTTP side of a connection: requests in, responses out, and the step over to WebSocket. */
#include "net/conn_impl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void gs_conn_free_http(gs_conn *conn)
{
  if (conn->http == NULL)
    return;
  gs_http_parser_finish(conn->http);
  gs_free(conn->net->options.alloc, conn->http, sizeof *conn->http);
  conn->http = NULL;
}

/* Queues the head of a response and what `body` holds. False: memory is short. */
static bool push_response(gs_conn *conn, const gs_http_head_options *head, gesso_bytes body,
                          gs_frame *body_frame)
{
  gs_buf out = gs_buf_make(conn->net->options.alloc);
  gs_http_write_head(&out, head);
  gs_buf_write(&out, body.data, body.len);
  gs_frame *frame = gs_frame_bytes_buf(&out);
  if (frame == NULL || !gs_conn_push(conn, frame))
    return false;
  return body_frame == NULL || gs_conn_push(conn, gs_frame_retain(body_frame));
}

static void refuse(gs_conn *conn, int status, const char *why, const char *extra, bool no_body)
{
  char json[160];
  int n = snprintf(json, sizeof json, "{\"error\":\"%s\"}", why);
  gesso_bytes body = { (const uint8_t *)json, (size_t)n };
  gs_http_head_options head = {
    .status = status,
    .content_type = "application/json",
    .extra = extra,
    .body_len = body.len,
    .minor = 1,
    .wall_ms = gs_clock_wall_ms(gs_loop_clock(conn->net->loop)),
  };
  if (no_body)
    body.len = 0;
  if (push_response(conn, &head, body, NULL))
    gs_conn_linger(conn);
  else
    gs_conn_die(conn, 0);
}

void gs_conn_refuse(gs_conn *conn, int status, const char *why)
{
  refuse(conn, status, why, NULL, false);
  gs_conn_tell(conn, 0, (gesso_bytes){ NULL, 0 });
}

static void head_read(gs_conn *conn)
{
  gs_net *net = conn->net;
  const gs_http_request *req = &conn->http->request;
  uint64_t body_max = 0;
  if (!req->has_body || req->upgrade)
    return; /* a handshake has no body: 0 it is */
  if (net->callbacks.on_head != NULL) {
    conn->known = true;
    body_max = net->callbacks.on_head(net->owner, conn, req);
  }
  gs_http_parser_allow_body(conn->http, body_max);
  conn->in_body = true;
  conn->phase_ms = gs_net_now(net);
  gs_conn_arm(conn);
  if (conn->state != GS_CONN_HTTP || !req->expect_continue || body_max == 0)
    return;
  static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
  gs_frame *frame = gs_frame_bytes_static(
    net->options.alloc, (gesso_bytes){ (const uint8_t *)go_on, sizeof go_on - 1 });
  if (frame == NULL || !gs_conn_push(conn, frame))
    gs_conn_die(conn, 0);
  gs_net_add_work(conn);
}

static void request_read(gs_conn *conn)
{
  gs_net *net = conn->net;
  const gs_http_request *req = &conn->http->request;
  conn->in_body = false;
  net->stats.requests++;
  if (req->upgrade) {
    const char *why;
    int status = gs_http_check_upgrade(req, &why);
    if (status == 101 && net->callbacks.on_upgrade == NULL) {
      status = 404;
      why = "no WebSocket here";
    }
    if (status != 101) {
      net->stats.bad_requests++;
      refuse(conn, status, why,
             status == 426   ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             : status == 405 ? "Allow: GET\r\n"
                             : NULL,
             req->method == GS_HTTP_HEAD);
      gs_conn_tell(conn, 0, (gesso_bytes){ NULL, 0 });
      return;
    }
  }
  conn->state = GS_CONN_ANSWERING;
  conn->upgrade = req->upgrade;
  gs_timer_stop(net->loop, &conn->timer);
  conn->known = true;
  if (req->upgrade)
    net->callbacks.on_upgrade(net->owner, conn, req);
  else if (net->callbacks.on_request != NULL)
    net->callbacks.on_request(net->owner, conn, req);
  else
    (void)gs_conn_respond_json(conn, 404, "{\"error\":\"nothing here\"}");
}

size_t gs_conn_feed_http(gs_conn *conn, const uint8_t *data, size_t len)
{
  gs_net *net = conn->net;
  size_t at = 0;
  bool again = false;
  while (conn->state == GS_CONN_HTTP && (at < len || again)) {
    if (conn->http == NULL) {
      conn->http = gs_alloc(net->options.alloc, sizeof *conn->http);
      if (conn->http == NULL) {
        gs_conn_die(conn, 0);
        return len;
      }
      gs_http_parser_init(conn->http, net->options.alloc);
      if (conn->served) { /* the wait for this request is over, the time for its head begins */
        conn->phase_ms = gs_net_now(net);
        gs_conn_arm(conn);
      }
    }
    size_t used = 0;
    gs_http_event ev =
      gs_http_parser_feed(conn->http, at < len ? data + at : data, len - at, &used);
    at += used;
    again = false;
    switch (ev) {
    case GS_HTTP_MORE:
      break;
    case GS_HTTP_ON_HEAD:
      head_read(conn);
      again = true;
      break;
    case GS_HTTP_ON_DONE:
      request_read(conn);
      break;
    case GS_HTTP_FAILED:
      net->stats.bad_requests++;
      gs_conn_refuse(conn, conn->http->error_status, conn->http->error_text);
      break;
    }
  }
  return at;
}

/* ---- public ---------------------------------------------------------------------------------- */

gesso_status gs_conn_respond(gs_conn *conn, const gs_response *response)
{
  if (conn->state != GS_CONN_ANSWERING)
    return conn->state == GS_CONN_DEAD ? GESSO_E_CLOSED : GESSO_E_USAGE;
  gs_net *net = conn->net;
  const gs_http_request *req = &conn->http->request;
  bool bodiless = response->status == 204 || response->status == 304;
  bool send_body = !bodiless && req->method != GS_HTTP_HEAD;
  gs_frame *body_frame = response->body_frame;
  if (!req->keep_alive || response->close || conn->upgrade || conn->hung_up || net->stopping)
    conn->last_request = true;
  gs_http_head_options head = {
    .status = response->status,
    .content_type = response->content_type,
    .extra = response->extra,
    .body_len = body_frame != NULL ? body_frame->len : response->body.len,
    .keep_alive = !conn->last_request,
    .minor = req->minor,
    .wall_ms = gs_clock_wall_ms(gs_loop_clock(net->loop)),
  };
  conn->state = GS_CONN_RESPONDING;
  conn->upgrade = false;
  gesso_bytes body = send_body && body_frame == NULL ? response->body : (gesso_bytes){ NULL, 0 };
  if (!push_response(conn, &head, body, send_body ? body_frame : NULL)) {
    gs_conn_die(conn, 0);
    return GESSO_E_NOMEM;
  }
  gs_net_add_work(conn);
  return GESSO_OK;
}

gesso_status gs_conn_respond_json(gs_conn *conn, int status, const char *json)
{
  return gs_conn_respond(conn, &(gs_response){
                                 .status = status,
                                 .content_type = "application/json",
                                 .body = { (const uint8_t *)json, strlen(json) },
                               });
}

static bool is_offered(const gs_http_request *req, gesso_bytes protocol)
{
  gesso_bytes offered;
  for (uint32_t i = 0; gs_http_offered_protocol(req, i, &offered); i++)
    if (offered.len == protocol.len && memcmp(offered.data, protocol.data, protocol.len) == 0)
      return true;
  return false;
}

gesso_status gs_conn_accept(gs_conn *conn, gesso_bytes protocol, const char *extra)
{
  if (conn->state != GS_CONN_ANSWERING || !conn->upgrade)
    return conn->state == GS_CONN_DEAD ? GESSO_E_CLOSED : GESSO_E_USAGE;
  gs_net *net = conn->net;
  const gs_http_request *req = &conn->http->request;
  if (protocol.len == 0)
    (void)gs_http_offered_protocol(req, 0, &protocol);
  else if (!is_offered(req, protocol))
    return GESSO_E_USAGE;
  gs_buf out = gs_buf_make(net->options.alloc);
  gs_frame *frame = NULL;
  if (gs_http_write_upgrade(&out, req, protocol, extra))
    frame = gs_frame_bytes_buf(&out);
  gs_buf_finish(&out);
  if (frame == NULL || !gs_conn_push(conn, frame)) {
    gs_conn_die(conn, 0);
    return GESSO_E_NOMEM;
  }
  conn->state = GS_CONN_OPEN;
  conn->upgrade = false;
  conn->last_in_ms = gs_net_now(net);
  net->stats.websockets++;
  net->stats.upgrades++;
  gs_net_add_work(conn);
  /* Frames may have come right behind the handshake, and may be held. */
  gs_net_add_ready(conn);
  gs_conn_arm(conn);
  if (net->stopping)
    gs_conn_close(conn, GS_WS_CODE_GOING_AWAY, NULL);
  return GESSO_OK;
}
