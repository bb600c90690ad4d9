#include "server/api.h"

#include "server/limits.h"
#include "server/log.h"
#include "server/room.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Set as the `user` of a connection whose image is being received; WebSockets have others. */
static char upload_mark;

static const char secure_headers[] = "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";

void gs_api_error(gs_api *api, gs_conn *conn, int status, const char *text)
{
  api->counters->api_errors++;
  json_t *body = json_pack("{s:s}", "error", text);
  char *json = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
  gs_response r = { .status = status, .content_type = "application/json", .extra = secure_headers };
  if (json != NULL)
    r.body = (gesso_bytes){ (const uint8_t *)json, strlen(json) };
  (void)gs_conn_respond(conn, &r);
  free(json);
  json_decref(body);
}

gs_conn *gs_api_waiting(gs_api *api, uint64_t id)
{
  return gs_net_find(api->net, id);
}

void gs_api_error_of_status(gs_api *api, gs_conn *conn, gesso_status s, const char *message)
{
  switch (s) {
  case GESSO_E_NOTFOUND:
    gs_api_error(api, conn, 404, "there is no such board");
    break;
  case GESSO_E_DELETED:
    gs_api_error(api, conn, 410, "this board was deleted");
    break;
  case GESSO_E_USAGE:
    gs_api_error(api, conn, 400, "this is no name for a board: 1 to 512 bytes of UTF-8");
    break;
  case GESSO_E_FULL:
    gs_api_error(api, conn, 507, "the server has no room left");
    break;
  case GESSO_E_NOMEM:
  case GESSO_E_BUSY:
  case GESSO_E_LIMIT:
  case GESSO_E_CLOSED:
    gs_api_error(api, conn, 503, "the server is busy; try again");
    break;
  default:
    gs_api_error(api, conn, 500, message != NULL ? message : gesso_status_text(s));
    break;
  }
}

/* Images and exports are not shared between those who ask for them: many slow readers would fill the
 * memory. */
bool gs_api_too_much_waits(gs_api *api, gs_conn *conn)
{
  gs_net_stats stats;
  gs_net_get_stats(api->net, &stats);
  if (stats.queue_bytes < GS_LIMIT_QUEUES_LEN)
    return false;
  gs_api_error_of_status(api, conn, GESSO_E_BUSY, NULL);
  return true;
}

/* ---- work that completes later ---------------------------------------------------------------- */

/* One request that waits for the store. */
typedef struct call {
  gs_api *api;
  uint64_t conn_id;
  size_t name_len;
  uint8_t name[];
} call;

static call *make_call(gs_api *api, gs_conn *conn, gesso_bytes name)
{
  call *c = gs_alloc(NULL, sizeof *c + name.len);
  if (c == NULL) {
    gs_api_error(api, conn, 503, "the server is out of memory");
    return NULL;
  }
  c->api = api;
  c->conn_id = gs_conn_id(conn);
  c->name_len = name.len;
  memcpy(c->name, name.data, name.len);
  return c;
}

static void free_call(call *c)
{
  gs_free(NULL, c, sizeof *c + c->name_len);
}

static void accepted_or_error(call *c, gs_conn *conn, gesso_status s)
{
  if (s == GESSO_OK)
    return;
  gs_api_error_of_status(c->api, conn, s, NULL);
  free_call(c);
}

static void created(void *ctx, gesso_status s)
{
  call *c = ctx;
  gesso_bytes name = { c->name, c->name_len };
  gs_conn *conn = gs_api_waiting(c->api, c->conn_id);
  if (s == GESSO_OK)
    gs_rooms_created(c->api->rooms, name);
  if (conn != NULL && s == GESSO_OK) {
    char json[64];
    int n = snprintf(json, sizeof json, "{\"id\":\"%.*s\"}", (int)name.len, (const char *)name.data);
    gs_response r = { .status = 201, .content_type = "application/json", .extra = secure_headers,
                      .body = { (const uint8_t *)json, (size_t)n } };
    (void)gs_conn_respond(conn, &r);
  } else if (conn != NULL) {
    gs_api_error_of_status(c->api, conn, s, NULL);
  }
  free_call(c);
}

enum { ID_LEN = 16 }; /* 96 random bits: the name is the key to the board */

static bool random_id(uint8_t out[ID_LEN])
{
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  uint8_t bytes[ID_LEN];
  if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
    return false;
  for (size_t i = 0; i < ID_LEN; i++)
    out[i] = (uint8_t)letters[bytes[i] & 63];
  return true;
}

static void create_board(gs_api *api, gs_conn *conn, const gs_http_request *req)
{
  if (req->body.len != 0) {
    json_t *body = json_loadb((const char *)req->body.data, req->body.len, 0, NULL);
    bool ok = json_is_object(body);
    json_decref(body);
    if (!ok) {
      gs_api_error(api, conn, 400, "the body is not a JSON object");
      return;
    }
  }
  uint8_t id[ID_LEN];
  if (!random_id(id)) {
    gs_api_error(api, conn, 503, "the system gave no random numbers");
    return;
  }
  call *c = make_call(api, conn, (gesso_bytes){ id, ID_LEN });
  if (c != NULL)
    accepted_or_error(c, conn, gesso_board_persistence_create(api->store, (gesso_bytes){ id, ID_LEN }, created, c));
}

static void deleted(void *ctx, gesso_status s)
{
  call *c = ctx;
  gesso_bytes name = { c->name, c->name_len };
  gs_conn *conn = gs_api_waiting(c->api, c->conn_id);
  if (s == GESSO_OK) {
    gs_log line;
    gs_log_begin(&line, GS_LOG_INFO, "board_deleted");
    gs_log_bytes(&line, "board", name);
    gs_log_end(&line);
    gs_rooms_deleted(c->api->rooms, name);
  }
  if (conn != NULL && s == GESSO_OK) {
    gs_response r = { .status = 204, .extra = secure_headers };
    (void)gs_conn_respond(conn, &r);
  } else if (conn != NULL) {
    gs_api_error_of_status(c->api, conn, s, NULL);
  }
  free_call(c);
}

static void delete_board(gs_api *api, gs_conn *conn, gesso_bytes name)
{
  call *c = make_call(api, conn, name);
  if (c != NULL)
    accepted_or_error(c, conn, gesso_board_persistence_delete(api->store, name, 0, deleted, c));
}

static void exported(void *ctx, gesso_status s, gesso_bytes update, const char *message)
{
  call *c = ctx;
  gs_conn *conn = gs_api_waiting(c->api, c->conn_id);
  if (conn != NULL && s == GESSO_OK && !gs_api_too_much_waits(c->api, conn)) {
    gs_response r = {
      .status = 200,
      .content_type = "application/octet-stream",
      .extra = "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Disposition: attachment\r\n",
      .body = update,
    };
    (void)gs_conn_respond(conn, &r);
  } else if (conn != NULL && s != GESSO_OK) {
    gs_api_error_of_status(c->api, conn, s, message);
  }
  free_call(c);
}

static void export_board(gs_api *api, gs_conn *conn, gesso_bytes name)
{
  int format = GESSO_EXPORT_V1 | (api->rooms->read_only ? GESSO_EXPORT_STORED : 0);
  call *c = make_call(api, conn, name);
  if (c != NULL)
    accepted_or_error(c, conn, gesso_board_persistence_export(api->store, name, format, exported, c));
}

/* ---- images ----------------------------------------------------------------------------------- */

static void image_put(void *ctx, uint64_t id, gs_image_answer *answer)
{
  gs_api *api = ctx;
  gs_conn *conn = gs_api_waiting(api, id);
  if (answer->status == GESSO_OK)
    api->counters->images_stored++;
  else
    api->counters->images_refused++;
  if (conn == NULL)
    return;
  if (answer->status == GESSO_OK)
    (void)gs_conn_respond_json(conn, answer->existed ? 200 : 201, "{}");
  else if (answer->status == GESSO_E_CORRUPT)
    gs_api_error(api, conn, 400, "the image does not have this SHA-256, or is not of the type it says");
  else if (answer->status == GESSO_E_FULL)
    gs_api_error(api, conn, 507, "there is no room for more images");
  else
    gs_api_error_of_status(api, conn, answer->status, "the image could not be stored");
}

static void put_image(gs_api *api, gs_conn *conn, const gs_http_request *req, gesso_bytes hash)
{
  gs_image_type type = gs_image_type_of_mime(gs_http_get(req, "Content-Type"));
  if (type == GS_IMAGE_NONE) {
    api->counters->images_refused++;
    gs_api_error(api, conn, 415, "images are PNG, JPEG, GIF, WebP, AVIF or SVG; say which in Content-Type");
    return;
  }
  gesso_status s = gs_images_put(api->images, hash, type, req->body, image_put, api, gs_conn_id(conn));
  if (s != GESSO_OK)
    gs_api_error_of_status(api, conn, s, NULL);
}

static void image_got(void *ctx, uint64_t id, gs_image_answer *answer)
{
  gs_api *api = ctx;
  gs_conn *conn = gs_api_waiting(api, id);
  if (conn == NULL || (answer->status == GESSO_OK && gs_api_too_much_waits(api, conn)))
    return;
  if (answer->status == GESSO_OK) {
    api->counters->images_served++;
    gs_buf buf = { .b = answer->bytes };
    answer->bytes = (gesso_buffer){ 0 };
    gs_frame *frame = gs_frame_bytes_buf(&buf);
    gs_response r = {
      .status = 200,
      .content_type = gs_image_mime(answer->type),
      /* An SVG can hold scripts: opened by itself it runs nothing and reaches nothing. */
      .extra = "X-Content-Type-Options: nosniff\r\n"
               "Content-Security-Policy: sandbox; default-src 'none'; style-src 'unsafe-inline'\r\n"
               "Cross-Origin-Resource-Policy: same-origin\r\n"
               "Cache-Control: private, max-age=31536000, immutable\r\n",
      .body_frame = frame,
    };
    if (frame != NULL)
      (void)gs_conn_respond(conn, &r);
    else
      gs_api_error(api, conn, 503, "the server is out of memory");
    gs_frame_release(frame);
  } else if (answer->status == GESSO_E_NOTFOUND) {
    gs_api_error(api, conn, 404, "there is no such image (yet)");
  } else {
    gs_api_error_of_status(api, conn, answer->status, "the image could not be read");
  }
}

static void get_image(gs_api *api, gs_conn *conn, gesso_bytes hash)
{
  gesso_status s = gs_images_get(api->images, hash, image_got, api, gs_conn_id(conn));
  if (s != GESSO_OK)
    gs_api_error_of_status(api, conn, s, NULL);
}

/* ---- routes ----------------------------------------------------------------------------------- */

typedef enum route_kind {
  ROUTE_NONE,
  ROUTE_HEALTH,
  ROUTE_METRICS,
  ROUTE_BOARDS,
  ROUTE_BOARD,
  ROUTE_EXPORT,
  ROUTE_VERSIONS,
  ROUTE_VERSION,
  ROUTE_RESTORE,
  ROUTE_IMAGE,
  ROUTE_PAGE,
  ROUTE_BAD /* an id that cannot be decoded, a hash that is none */
} route_kind;

typedef struct route {
  route_kind kind;
  gs_buf name;      /* the board's, decoded */
  gesso_bytes hash;
  uint64_t version;
} route;

static bool take_prefix(gesso_bytes *path, const char *prefix)
{
  size_t n = strlen(prefix);
  if (path->len < n || memcmp(path->data, prefix, n) != 0)
    return false;
  path->data += n;
  path->len -= n;
  return true;
}

static bool is_text(gesso_bytes b, const char *text)
{
  return b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

/* "<number>" or "<number>/restore" */
static route_kind version_route(gesso_bytes path, uint64_t *out)
{
  size_t i = 0;
  *out = 0;
  for (; i < path.len && path.data[i] >= '0' && path.data[i] <= '9' && i < 18; i++)
    *out = *out * 10 + (uint64_t)(path.data[i] - '0');
  gesso_bytes rest = { path.data + i, path.len - i };
  if (*out == 0)
    return ROUTE_NONE;
  return rest.len == 0 ? ROUTE_VERSION : is_text(rest, "/restore") ? ROUTE_RESTORE : ROUTE_NONE;
}

static route route_of(gesso_bytes path)
{
  route r = { .kind = ROUTE_NONE, .name = gs_buf_make(NULL) };
  if (is_text(path, "/healthz")) {
    r.kind = ROUTE_HEALTH;
  } else if (is_text(path, "/metrics")) {
    r.kind = ROUTE_METRICS;
  } else if (is_text(path, "/api/boards")) {
    r.kind = ROUTE_BOARDS;
  } else if (take_prefix(&path, "/api/boards/")) {
    const uint8_t *slash = memchr(path.data, '/', path.len);
    gesso_bytes id = { path.data, slash == NULL ? path.len : (size_t)(slash - path.data) };
    gesso_bytes rest = { path.data + id.len, path.len - id.len };
    if (is_text(rest, ""))
      r.kind = ROUTE_BOARD;
    else if (is_text(rest, "/export"))
      r.kind = ROUTE_EXPORT;
    else if (is_text(rest, "/versions"))
      r.kind = ROUTE_VERSIONS;
    else if (take_prefix(&rest, "/versions/"))
      r.kind = version_route(rest, &r.version);
    else if (take_prefix(&rest, "/images/"))
      r.kind = ROUTE_IMAGE, r.hash = rest;
    if (r.kind != ROUTE_NONE && !gs_rooms_name(id, &r.name))
      r.kind = ROUTE_BAD;
    if (r.kind == ROUTE_IMAGE && !gs_image_hash_ok(r.hash))
      r.kind = ROUTE_BAD;
  } else if (!take_prefix(&path, "/api/")) {
    r.kind = ROUTE_PAGE;
  }
  return r;
}

static bool is_get(const gs_http_request *req)
{
  return req->method == GS_HTTP_GET || req->method == GS_HTTP_HEAD;
}

bool gs_api_forget(gs_api *api, gs_conn *conn)
{
  if (gs_conn_user(conn) != &upload_mark)
    return false;
  gs_conn_set_user(conn, NULL);
  api->uploads--;
  return true;
}

uint64_t gs_api_head(gs_api *api, gs_conn *conn, const gs_http_request *req)
{
  route r = route_of(req->path);
  gs_buf_finish(&r.name);
  /* A small body is read even where none is wanted, so that the answer tells what is wrong. */
  if (r.kind != ROUTE_IMAGE || req->method != GS_HTTP_PUT || api->uploads >= GS_LIMIT_UPLOADS ||
      !gs_origin_ok(api->origins, req, false))
    return GS_LIMIT_JSON_BODY_LEN;
  if (gs_conn_user(conn) == NULL) {
    gs_conn_set_user(conn, &upload_mark);
    api->uploads++;
  }
  return GS_LIMIT_IMAGE_LEN;
}

static void health(gs_api *api, gs_conn *conn)
{
  gesso_persistence_stats stats = { .size = sizeof stats };
  if (gesso_persistence_get_stats(api->store, &stats) != GESSO_OK || stats.health != GESSO_OK)
    gs_api_error(api, conn, 503,
                 stats.health == GESSO_E_FULL ? "there is no room left; boards are read-only"
                                              : "the disk fails; changes are kept in memory and tried again");
  else
    (void)gs_conn_respond_json(conn, 200, "{\"status\":\"ok\"}");
}

static void wrong_method(gs_api *api, gs_conn *conn, const char *allow)
{
  api->counters->api_errors++;
  static const char json[] = "{\"error\":\"this method is not for this address\"}";
  gs_response r = { .status = 405, .content_type = "application/json", .extra = allow,
                    .body = { (const uint8_t *)json, sizeof json - 1 } };
  (void)gs_conn_respond(conn, &r);
}

static void serve(gs_api *api, gs_conn *conn, const gs_http_request *req, const route *r)
{
  gesso_bytes name = gs_buf_bytes(&r->name);
  switch (r->kind) {
  case ROUTE_HEALTH:
    if (is_get(req))
      health(api, conn);
    else
      wrong_method(api, conn, "Allow: GET\r\n");
    break;
  case ROUTE_METRICS:
    if (is_get(req))
      gs_api_metrics(api, conn);
    else
      wrong_method(api, conn, "Allow: GET\r\n");
    break;
  case ROUTE_BOARDS:
    if (is_get(req))
      gs_api_list(api, conn, req);
    else if (req->method == GS_HTTP_POST)
      create_board(api, conn, req);
    else
      wrong_method(api, conn, "Allow: GET, POST\r\n");
    break;
  case ROUTE_BOARD:
    if (req->method == GS_HTTP_DELETE)
      delete_board(api, conn, name);
    else
      wrong_method(api, conn, "Allow: DELETE\r\n");
    break;
  case ROUTE_EXPORT:
    if (is_get(req))
      export_board(api, conn, name);
    else
      wrong_method(api, conn, "Allow: GET\r\n");
    break;
  case ROUTE_VERSIONS:
    if (is_get(req) || req->method == GS_HTTP_POST)
      gs_api_versions(api, conn, req, name);
    else
      wrong_method(api, conn, "Allow: GET, POST\r\n");
    break;
  case ROUTE_VERSION:
    if (is_get(req) || req->method == GS_HTTP_PUT)
      gs_api_version(api, conn, req, name, r->version);
    else
      wrong_method(api, conn, "Allow: GET, PUT\r\n");
    break;
  case ROUTE_RESTORE:
    if (req->method == GS_HTTP_POST)
      gs_api_restore(api, conn, name, r->version);
    else
      wrong_method(api, conn, "Allow: POST\r\n");
    break;
  case ROUTE_IMAGE:
    if (is_get(req))
      get_image(api, conn, r->hash);
    else if (req->method == GS_HTTP_PUT)
      put_image(api, conn, req, r->hash);
    else
      wrong_method(api, conn, "Allow: GET, PUT\r\n");
    break;
  case ROUTE_PAGE:
    if (is_get(req))
      gs_api_page(api, conn, req);
    else
      wrong_method(api, conn, "Allow: GET\r\n");
    break;
  case ROUTE_BAD:
    gs_api_error(api, conn, 400, "the address holds a board id or an image hash that cannot be one");
    break;
  case ROUTE_NONE:
    gs_api_error(api, conn, 404, "there is nothing at this address");
    break;
  }
}

void gs_api_request(gs_api *api, gs_conn *conn, const gs_http_request *req)
{
  (void)gs_api_forget(api, conn);
  route r = route_of(req->path);
  if (r.kind != ROUTE_PAGE)
    api->counters->api_requests++;
  bool open_to_all = r.kind == ROUTE_HEALTH || r.kind == ROUTE_METRICS || r.kind == ROUTE_PAGE;
  if (!open_to_all && !gs_origin_ok(api->origins, req, is_get(req))) {
    api->counters->origins_refused++;
    gs_api_error(api, conn, 403, "this origin or host is not allowed here; see --allow-origin");
  } else {
    serve(api, conn, req, &r);
  }
  gs_buf_finish(&r.name);
}
