/* The API of a board's history. A restore is made by the store, from what is stored, and comes to the room as one
 * more client's update: everybody who is there sees it as somebody's edit. */
#include "server/api.h"

#include "server/log.h"
#include "server/room.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static const char headers[] = "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";

/* One request that waits for the store. */
typedef struct call {
  gs_api *api;
  uint64_t conn_id;
  size_t name_len;
  uint8_t name[];
} call;

static call *make_call(gs_api *api, gs_conn *conn, gesso_bytes board)
{
  call *c = gs_alloc(NULL, sizeof *c + board.len);
  if (c == NULL) {
    gs_api_error(api, conn, 503, "the server is out of memory");
    return NULL;
  }
  *c = (call){ .api = api, .conn_id = gs_conn_id(conn), .name_len = board.len };
  memcpy(c->name, board.data, board.len);
  return c;
}

static void free_call(call *c)
{
  gs_free(NULL, c, sizeof *c + c->name_len);
}

static void not_ok(gs_api *api, gs_conn *conn, gesso_status s, const char *message)
{
  if (s == GESSO_E_NOTFOUND)
    gs_api_error(api, conn, 404, "there is no such board, or no such version of it");
  else if (s == GESSO_E_USAGE)
    gs_api_error(api, conn, 400, "a version's name is 1 to 512 bytes of UTF-8");
  else if (s == GESSO_E_LIMIT)
    gs_api_error(api, conn, 409, "the board has too many named versions, or is too large");
  else
    gs_api_error_of_status(api, conn, s, message);
}

static void accepted(call *c, gs_conn *conn, gesso_status s)
{
  if (s == GESSO_OK)
    return;
  not_ok(c->api, conn, s, NULL);
  free_call(c);
}

static void respond(gs_conn *conn, int status, json_t *body)
{
  char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
  gs_response r = { .status = text == NULL ? 503 : status, .content_type = "application/json", .extra = headers };
  if (text != NULL)
    r.body = (gesso_bytes){ (const uint8_t *)text, strlen(text) };
  (void)gs_conn_respond(conn, &r);
  free(text);
  json_decref(body);
}

/* ---- list, fetch ------------------------------------------------------------------------------ */

static void listed(void *ctx, gesso_status s, const gesso_board_version *versions, size_t count, uint64_t stored)
{
  static const char *const kinds[] = { "auto", "named", "before-restore" };
  call *c = ctx;
  gs_conn *conn = gs_api_waiting(c->api, c->conn_id);
  if (conn != NULL && s != GESSO_OK)
    not_ok(c->api, conn, s, NULL);
  if (conn != NULL && s == GESSO_OK) {
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++) {
      const gesso_board_version *v = &versions[i];
      json_t *name = v->name.len == 0 ? json_null() : json_stringn((const char *)v->name.data, v->name.len);
      (void)json_array_append_new(
        rows, json_pack("{s:I, s:I, s:s, s:o, s:I, s:I}", "id", (json_int_t)v->id, "created", (json_int_t)v->created_ms,
                        "kind", (unsigned)v->kind < GS_COUNT(kinds) ? kinds[v->kind] : "", "name", name, "bytes",
                        (json_int_t)v->state_bytes, "stored", (json_int_t)v->stored_bytes));
    }
    respond(conn, 200, json_pack("{s:o, s:I}", "versions", rows, "stored", (json_int_t)stored));
  }
  free_call(c);
}

static void fetched(void *ctx, gesso_status s, gesso_bytes update, const char *message)
{
  call *c = ctx;
  gs_conn *conn = gs_api_waiting(c->api, c->conn_id);
  if (conn != NULL && s != GESSO_OK)
    not_ok(c->api, conn, s, message);
  if (conn != NULL && s == GESSO_OK && !gs_api_too_much_waits(c->api, conn)) {
    gs_response r = {
      .status = 200,
      .content_type = "application/octet-stream",
      .extra = "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nContent-Disposition: attachment\r\n",
      .body = update,
    };
    (void)gs_conn_respond(conn, &r);
  }
  free_call(c);
}

/* ---- name --------------------------------------------------------------------------------------- */

static void named(void *ctx, gesso_status s, uint64_t id)
{
  call *c = ctx;
  gs_conn *conn = gs_api_waiting(c->api, c->conn_id);
  if (conn != NULL && s == GESSO_OK)
    respond(conn, 200, json_pack("{s:I}", "id", (json_int_t)id));
  else if (conn != NULL)
    not_ok(c->api, conn, s, NULL);
  free_call(c);
}

/* {"name": "..."}; id 0: the board as it is. */
static void name_version(gs_api *api, gs_conn *conn, const gs_http_request *req, gesso_bytes board, uint64_t id)
{
  json_t *body = json_loadb((const char *)req->body.data, req->body.len, 0, NULL);
  json_t *name = json_object_get(body, "name");
  if (!json_is_string(name)) {
    gs_api_error(api, conn, 400, "the body is to be {\"name\": \"...\"}");
  } else {
    gesso_bytes text = { (const uint8_t *)json_string_value(name), json_string_length(name) };
    call *c = make_call(api, conn, board);
    if (c != NULL)
      accepted(c, conn, gesso_board_persistence_version_name(api->store, board, id, text, named, c));
  }
  json_decref(body);
}

/* ---- restore ------------------------------------------------------------------------------------ */

typedef struct restored {
  call *c;
  uint64_t before;
} restored;

static void answer_restore(gs_api *api, uint64_t conn_id, uint64_t before)
{
  gs_conn *conn = gs_api_waiting(api, conn_id);
  if (conn == NULL)
    return;
  json_t *id = before == 0 ? json_null() : json_integer((json_int_t)before);
  respond(conn, 200, json_pack("{s:b, s:o}", "changed", before != 0, "before", id));
}

static void appended(void *ctx, gesso_status s)
{
  restored *r = ctx;
  gs_conn *conn = gs_api_waiting(r->c->api, r->c->conn_id);
  if (s == GESSO_OK)
    answer_restore(r->c->api, r->c->conn_id, r->before);
  else if (conn != NULL)
    not_ok(r->c->api, conn, s, NULL);
  free_call(r->c);
  gs_free(NULL, r, sizeof *r);
}

static void append(call *c, gesso_bytes board, gesso_bytes update, uint64_t before)
{
  restored *r = gs_alloc(NULL, sizeof *r);
  gesso_status s = GESSO_E_NOMEM;
  if (r != NULL) {
    *r = (restored){ c, before };
    s = gesso_board_persistence_append(c->api->store, board, 0, update, 0, NULL, appended, r);
  }
  if (s == GESSO_OK)
    return;
  gs_free(NULL, r, r == NULL ? 0 : sizeof *r);
  gs_conn *conn = gs_api_waiting(c->api, c->conn_id);
  if (conn != NULL)
    not_ok(c->api, conn, s, NULL);
  free_call(c);
}

static void restoring(void *ctx, gesso_status s, gesso_bytes update, uint64_t before, const char *message)
{
  call *c = ctx;
  gesso_bytes board = { c->name, c->name_len };
  gs_conn *conn = gs_api_waiting(c->api, c->conn_id);
  if (s == GESSO_OK && update.len != 0) {
    gs_room *room = gs_rooms_find(c->api->rooms, board);
    gs_log line;
    gs_log_begin(&line, GS_LOG_INFO, "board_restored");
    gs_log_bytes(&line, "board", board);
    gs_log_number(&line, "before", before);
    gs_log_end(&line);
    if (room == NULL || room->state == GS_ROOM_REFUSING) {
      append(c, board, update, before);
      return;
    }
    /* While it is being loaded it may be read without what is appended now. */
    s = room->state == GS_ROOM_LOADING ? GESSO_E_BUSY : gs_room_edit(room, update);
  }
  if (s == GESSO_OK)
    answer_restore(c->api, c->conn_id, update.len == 0 ? 0 : before);
  else if (conn != NULL)
    not_ok(c->api, conn, s, message);
  free_call(c);
}

/* ---- routes ------------------------------------------------------------------------------------- */

void gs_api_versions(gs_api *api, gs_conn *conn, const gs_http_request *req, gesso_bytes board)
{
  if (req->method == GS_HTTP_POST) {
    name_version(api, conn, req, board, 0);
    return;
  }
  call *c = make_call(api, conn, board);
  if (c != NULL)
    accepted(c, conn, gesso_board_persistence_versions(api->store, board, listed, c));
}

void gs_api_version(gs_api *api, gs_conn *conn, const gs_http_request *req, gesso_bytes board, uint64_t id)
{
  if (req->method == GS_HTTP_PUT) {
    name_version(api, conn, req, board, id);
    return;
  }
  call *c = make_call(api, conn, board);
  if (c != NULL)
    accepted(c, conn, gesso_board_persistence_version_get(api->store, board, id, fetched, c));
}

void gs_api_restore(gs_api *api, gs_conn *conn, gesso_bytes board, uint64_t id)
{
  call *c = make_call(api, conn, board);
  if (c != NULL)
    accepted(c, conn, gesso_board_persistence_version_restore(api->store, board, id, restoring, c));
}
