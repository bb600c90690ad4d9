/* GET /api/boards. The store knows names, times and sizes; a title is part of the board's document.
 * It is read from the room when the board is in memory, else from a cache that is valid for as long
 * as the board has not changed, else from the stored board. */
#include "server/api.h"

#include "base/escape.h"
#include "server/limits.h"
#include "server/room.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* ---- cache ------------------------------------------------------------------------------------ */

enum {
  CACHE_SETS = 2048, /* a board may be in any slot of its set */
  CACHE_WAYS = 4
};

typedef struct title_slot {
  uint64_t generation; /* of the board; 0: empty */
  int64_t updated_ms;
  char *title;         /* NULL: it has none */
} title_slot;

typedef struct listing listing;

/* Boards are read for one listing at a time, since loads of visitors wait behind them. The next one mostly finds the
 * titles that it wants in the cache then. Nobody waits longer than GS_LIMIT_TITLE_WAIT_MS. */
struct gs_titles {
  listing *reading; /* may have been answered already: it goes on for those who ask next */
  listing *waiting;
  title_slot slots[CACHE_SETS * CACHE_WAYS];
};

gs_titles *gs_titles_create(void)
{
  return gs_alloc_zero(NULL, sizeof(gs_titles));
}

void gs_titles_destroy(gs_titles *titles)
{
  if (titles == NULL)
    return;
  for (size_t i = 0; i < GS_COUNT(titles->slots); i++)
    free(titles->slots[i].title);
  gs_free(NULL, titles, sizeof *titles);
}

/* The slot that holds the board, or the one to hold it. */
static title_slot *slot_of(gs_titles *titles, uint64_t generation)
{
  title_slot *set = &titles->slots[(generation * UINT64_C(0x9e3779b97f4a7c15) >> 53) * CACHE_WAYS];
  title_slot *found = &set[generation % CACHE_WAYS];
  for (size_t i = 0; i < CACHE_WAYS; i++) {
    if (set[i].generation == generation)
      return &set[i];
    if (set[i].generation == 0)
      found = &set[i];
  }
  return found;
}

/* ---- one listing ------------------------------------------------------------------------------ */

typedef struct row {
  listing *of;
  char *name;
  char *title;
  size_t name_len;
  uint64_t generation, bytes;
  int64_t created_ms, updated_ms;
  bool unknown; /* the title has to be read */
} row;

struct listing {
  gs_api *api;
  uint64_t conn_id;
  listing *next_waiting;
  gs_timer deadline; /* runs until it is answered */
  row *rows;
  size_t count, next;
  size_t loading;
  bool more;
};

static void free_listing(listing *l)
{
  for (size_t i = 0; i < l->count; i++) {
    free(l->rows[i].name);
    free(l->rows[i].title);
  }
  gs_free(NULL, l->rows, l->count * sizeof *l->rows);
  gs_free(NULL, l, sizeof *l);
}

static void respond(listing *l)
{
  gs_conn *conn = gs_api_waiting(l->api, l->conn_id);
  json_t *boards = json_array();
  for (size_t i = 0; conn != NULL && i < l->count; i++) {
    const row *r = &l->rows[i];
    gs_room *room = gs_rooms_find(l->api->rooms, (gesso_bytes){ (const uint8_t *)r->name, r->name_len });
    (void)json_array_append_new(
      boards, json_pack("{s:s#, s:s?, s:I, s:I, s:I, s:I}", "id", r->name, (int)r->name_len, "title", r->title,
                        "created", (json_int_t)r->created_ms, "updated", (json_int_t)r->updated_ms, "bytes",
                        (json_int_t)r->bytes, "online", (json_int_t)(room == NULL ? 0 : room->session_count)));
  }
  json_t *body = json_pack("{s:o, s:b}", "boards", boards, "more", (int)l->more);
  char *json = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
  if (conn != NULL && json != NULL) {
    gs_response r = { .status = 200, .content_type = "application/json",
                      .extra = "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n",
                      .body = { (const uint8_t *)json, strlen(json) } };
    (void)gs_conn_respond(conn, &r);
  } else if (conn != NULL) {
    gs_api_error(l->api, conn, 503, "the server is out of memory");
  }
  free(json);
  json_decref(body);
}

static char *text_of(gs_buf *buf)
{
  char *text = buf->err == GESSO_OK ? strndup((const char *)buf->b.data, buf->b.len) : NULL;
  gs_buf_finish(buf);
  return text;
}

/* What is known without asking the disk. */
static void look_up_title(gs_api *api, row *r)
{
  r->unknown = false;
  gs_room *room = gs_rooms_find(api->rooms, (gesso_bytes){ (const uint8_t *)r->name, r->name_len });
  gs_buf title = gs_buf_make(NULL);
  if (room != NULL && room->state == GS_ROOM_LIVE) {
    if (gs_room_title(room, &title))
      r->title = text_of(&title);
    gs_buf_finish(&title);
    return;
  }
  const title_slot *slot = slot_of(api->titles, r->generation);
  if (slot->generation == r->generation && slot->updated_ms == r->updated_ms)
    r->title = slot->title == NULL ? NULL : strdup(slot->title);
  else
    r->unknown = r->bytes != 0 && r->bytes <= GS_LIMIT_TITLE_BOARD_LEN;
}

static void read_on(gs_titles *titles);

static void board_read(void *ctx, gesso_board_load *load)
{
  row *r = ctx;
  listing *l = r->of;
  gs_titles *titles = l->api->titles;
  gs_buf title = gs_buf_make(NULL);
  if (load->result == GESSO_LOAD_FOUND && load->doc != NULL) {
    if (gs_doc_title(load->doc, &title))
      r->title = text_of(&title);
    title_slot *slot = slot_of(titles, r->generation);
    free(slot->title);
    *slot = (title_slot){ r->generation, r->updated_ms, r->title == NULL ? NULL : strdup(r->title) };
  }
  gs_buf_finish(&title);
  l->loading--;
  read_on(titles);
}

/* Takes the next listing: what the ones before it read is known by now. */
static bool take_next(gs_titles *titles)
{
  listing *l = titles->reading = titles->waiting;
  if (l == NULL)
    return false;
  titles->waiting = l->next_waiting;
  for (size_t i = 0; i < l->count; i++)
    if (l->rows[i].unknown)
      look_up_title(l->api, &l->rows[i]);
  return true;
}

/* A bounded number at a time; after the last one the list is sent, unless its deadline did that. */
static void read_on(gs_titles *titles)
{
  while (titles->reading != NULL || take_next(titles)) {
    listing *l = titles->reading;
    while (l->next < l->count && l->loading < GS_LIMIT_TITLE_LOADS) {
      row *r = &l->rows[l->next++];
      gesso_bytes name = { (const uint8_t *)r->name, r->name_len };
      if (r->unknown && gesso_board_persistence_load(l->api->store, name, board_read, r) == GESSO_OK)
        l->loading++;
    }
    if (l->loading != 0)
      return;
    if (gs_timer_running(&l->deadline)) {
      gs_timer_stop(l->api->rooms->loop, &l->deadline);
      respond(l);
    }
    free_listing(l);
    titles->reading = NULL;
  }
}

/* It has waited long enough: titles that are not known by now are null. */
static void deadline_passed(gs_timer *timer)
{
  listing *l = (listing *)((char *)timer - offsetof(listing, deadline));
  respond(l);
  gs_titles *titles = l->api->titles;
  if (l == titles->reading)
    return;
  listing **at = &titles->waiting;
  while (*at != l)
    at = &(*at)->next_waiting;
  *at = l->next_waiting;
  free_listing(l);
}

static void listed(void *ctx, gesso_status status, const gesso_board_info *const *boards, size_t count, int more)
{
  listing *l = ctx;
  if (status == GESSO_OK && count != 0) {
    l->rows = gs_alloc_zero(NULL, count * sizeof *l->rows);
    status = l->rows == NULL ? GESSO_E_NOMEM : GESSO_OK;
  }
  if (status != GESSO_OK) {
    gs_conn *conn = gs_api_waiting(l->api, l->conn_id);
    if (conn != NULL)
      gs_api_error(l->api, conn, 503, "the boards cannot be listed now; try again");
    free_listing(l);
    return;
  }
  bool known = true;
  l->more = more != 0;
  l->count = count;
  for (size_t i = 0; i < count; i++) {
    const gesso_board_info *info = boards[i];
    row *r = &l->rows[i];
    *r = (row){
      .of = l,
      .name = strndup((const char *)info->board.data, info->board.len),
      .name_len = info->board.len,
      .generation = info->generation,
      .bytes = info->state_bytes + info->journal_bytes,
      .created_ms = info->created_ms,
      .updated_ms = info->updated_ms,
    };
    if (r->name == NULL)
      r->name_len = 0;
    else
      look_up_title(l->api, r);
    known = known && !r->unknown;
  }
  if (known) {
    respond(l);
    free_listing(l);
    return;
  }
  gs_timer_set(l->api->rooms->loop, &l->deadline, GS_LIMIT_TITLE_WAIT_MS);
  listing **last = &l->api->titles->waiting;
  while (*last != NULL)
    last = &(*last)->next_waiting;
  *last = l;
  read_on(l->api->titles);
}

/* `?after=<id>` goes on where an answer with "more": true ended. */
void gs_api_list(gs_api *api, gs_conn *conn, const gs_http_request *req)
{
  gs_buf after = gs_buf_make(NULL);
  gesso_bytes raw = gs_http_query_get(req->query, "after");
  if (raw.data != NULL && !gs_unescape(&after, raw, true)) {
    gs_buf_finish(&after);
    gs_api_error(api, conn, 400, "`after` is not an id");
    return;
  }
  listing *l = GS_NEW(NULL, listing);
  if (l != NULL)
    *l = (listing){ .api = api, .conn_id = gs_conn_id(conn), .deadline = { .fire = deadline_passed } };
  if (l == NULL || gesso_board_persistence_list(api->store, gs_buf_bytes(&after), GS_LIMIT_LIST_BOARDS, 0, listed,
                                                l) != GESSO_OK) {
    gs_free(NULL, l, sizeof *l);
    gs_api_error(api, conn, 503, "the boards cannot be listed now; try again");
  }
  gs_buf_finish(&after);
}
