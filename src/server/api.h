/* The HTTP side of the server: the board API, health, metrics, the pages.
 *
 *   GET    /healthz                          200 {"status":"ok"}, or 503 with what is wrong
 *   GET    /metrics                          Prometheus text
 *   GET    /api/boards                       {"boards":[{id,title,created,updated,bytes,online}]}
 *   POST   /api/boards                       201 {"id"}: a new board with a random name
 *   DELETE /api/boards/<id>                  204; its clients are closed with 4404
 *   GET    /api/boards/<id>/export           the whole board as one update v1
 *   GET    /api/boards/<id>/versions         {"versions":[{id,created,kind,name,bytes,stored}],"stored"}
 *   POST   /api/boards/<id>/versions         {"name"} keeps the board as it is: {"id"}
 *   GET    /api/boards/<id>/versions/<n>     the version as one update v1
 *   PUT    /api/boards/<id>/versions/<n>     {"name"}; "" takes the name away
 *   POST   /api/boards/<id>/versions/<n>/restore   {"changed","before"}: by an ordinary edit; `before` leads back
 *   PUT    /api/boards/<id>/images/<sha256>  201, or 200 when it was there already
 *   GET    /api/boards/<id>/images/<sha256>
 *   GET    / , /b/<id> , /assets/...         the pages
 *
 * Ids are percent-decoded. Errors are {"error": "<sentence>"}. */
#ifndef GS_SERVER_API_H
#define GS_SERVER_API_H

#include "gesso/persistence.h"
#include "net/conn.h"
#include "server/assets.h"
#include "server/images.h"
#include "server/origin.h"
#include "server/rooms.h"

typedef struct gs_titles gs_titles;

typedef struct gs_api {
  gs_net *net;
  gs_rooms *rooms;
  gesso_persistence *store;
  gs_images *images;
  gs_titles *titles;
  const gs_origins *origins;
  gs_counters *counters;
  const gs_assets *assets;
  uint64_t started_ms;  /* on the loop's clock */
  uint32_t uploads;     /* images being received */
} gs_api;

uint64_t gs_api_head(gs_api *api, gs_conn *conn, const gs_http_request *req);
void gs_api_request(gs_api *api, gs_conn *conn, const gs_http_request *req);

/* Is this an HTTP connection that the API keeps a note on? Then the note is dropped. For on_close
 * and before an upgrade. */
bool gs_api_forget(gs_api *api, gs_conn *conn);

/* For the files of the API. `text` is made into a JSON string. */
void gs_api_error(gs_api *api, gs_conn *conn, int status, const char *text);

void gs_api_error_of_status(gs_api *api, gs_conn *conn, gesso_status s, const char *message);
/* Answers 503 when too many bytes wait for slow readers. */
bool gs_api_too_much_waits(gs_api *api, gs_conn *conn);

/* The connection that waits for an answer; NULL: it is gone. */
gs_conn *gs_api_waiting(gs_api *api, uint64_t id);

void gs_api_list(gs_api *api, gs_conn *conn, const gs_http_request *req);    /* board_list.c */
void gs_api_metrics(gs_api *api, gs_conn *conn);                             /* metrics.c */
void gs_api_page(gs_api *api, gs_conn *conn, const gs_http_request *req);    /* pages.c */
void gs_api_versions(gs_api *api, gs_conn *conn, const gs_http_request *req, gesso_bytes board); /* versions.c */
void gs_api_version(gs_api *api, gs_conn *conn, const gs_http_request *req, gesso_bytes board, uint64_t id);
void gs_api_restore(gs_api *api, gs_conn *conn, gesso_bytes board, uint64_t id);

gs_titles *gs_titles_create(void);
void gs_titles_destroy(gs_titles *titles);

#endif
