/* The server's life. It does what src/server/server.c does, with clients that need no socket. */
#include "sim.h"

#include "server/limits.h"
#include "server/log.h"
#include "server/room.h"
#include "store/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

server sv;
static gesso_persistence_options options;
static const char *folder;

/* A call that waits for the store, with what is promised when it succeeds. */
typedef struct call {
  struct call *next;
  board *b;
  order what;
  gesso_doc *docs[BOARDS_MAX]; /* what is handed over by now */
} call;

static call *calls;

static call *new_call(board *b)
{
  call *c = calloc(1, sizeof *c);
  if (c == NULL)
    abort();
  c->b = b;
  c->next = calls;
  calls = c;
  return c;
}

static void end_call(call *c)
{
  call **at = &calls;
  while (*at != c)
    at = &(*at)->next;
  *at = c->next;
  for (int i = 0; i < BOARDS_MAX; i++)
    gesso_doc_destroy(c->docs[i]);
  free(c);
}

bool server_durable(void)
{
  return options.durability == GESSO_DURABILITY_DISK;
}

static gs_room *live_room(board *b)
{
  gs_room *room = sv.has_rooms ? gs_rooms_find(&sv.rooms, board_name(b)) : NULL;
  return room != NULL && room->state == GS_ROOM_LIVE ? room : NULL;
}

/* What the room has handed to the store, if that is everything it holds. */
static void note_handed_over(call *c, board *b)
{
  gs_room *room = live_room(b);
  if (room != NULL && room->refused == NULL && !room->in_transaction && b->fate == ALIVE && b->order == ORDER_NONE)
    c->docs[b - boards] = copy_doc(room->doc);
}

static void keep_promise(call *c)
{
  for (uint32_t i = 0; i < board_count; i++) {
    if (c->docs[i] == NULL || boards[i].fate != ALIVE || boards[i].order != ORDER_NONE)
      continue;
    gesso_buffer all = { 0 };
    if (gesso_doc_encode_v1(c->docs[i], (gesso_bytes){ NULL, 0 }, &all, NULL) != GESSO_OK)
      abort();
    if (server_durable())
      model_acked(&boards[i], (gesso_bytes){ all.data, all.len });
    gesso_buffer_free(&all);
  }
}

/* --- start and end --- */

void server_begin(const char *path, const gesso_persistence_options *o)
{
  folder = path;
  options = *o;
  options.size = sizeof options;
  options.folder = folder;
  sv = (server){ .state = DOWN, .disk = disk_create() };
  disk_use(sv.disk);
}

void server_end(void)
{
  disk_destroy(sv.disk);
  sv.disk = NULL;
}

static void still_failing(gs_timer *timer)
{
  (void)timer;
  gs_rooms_set_read_only(&sv.rooms, true);
}

static void on_event(void *ctx, const gesso_persistence_event *event)
{
  (void)ctx;
  trace("store: %s", event->message);
  if (event->kind == GESSO_EVENT_WRITES_FAIL && event->status == GESSO_E_FULL) {
    gs_rooms_set_read_only(&sv.rooms, true);
  } else if (event->kind == GESSO_EVENT_WRITES_FAIL) {
    gs_timer_set(sv.loop, &sv.fail_timer, GS_ROOM_READ_ONLY_MS);
  } else if (event->kind == GESSO_EVENT_WRITES_WORK) {
    gs_timer_stop(sv.loop, &sv.fail_timer);
    gs_rooms_set_read_only(&sv.rooms, false);
  }
}

static void on_ready(void *ctx, gesso_status status, const char *why)
{
  (void)ctx;
  trace("store: %s", why);
  sv.ready_known = true;
  sv.ready_status = status;
}

void server_start(void)
{
  if (sv.state != DOWN)
    return;
  gesso_buffer why = { 0 };
  sv.ready_known = sv.closed = false;
  sv.life++;
  trace("server: starts");
  if (gesso_persistence_open(&options, &sv.store, &why) != GESSO_OK)
    violated("the folder cannot be opened: %.*s", (int)why.len, (const char *)why.data);
  if (gesso_persistence_ready(sv.store, on_ready, NULL) != GESSO_OK)
    abort();
  sv.state = STARTING;
}

/* Everything that only memory held. */
static void forget_memory(void)
{
  if (sv.state == DOWN)
    return;
  gesso_persistence_destroy(sv.store);
  sv.store = NULL;
  if (sv.has_rooms) {
    gs_rooms_finish(&sv.rooms);
    gs_loop_destroy(sv.loop);
    sv.loop = NULL;
    sv.has_rooms = false;
  }
  while (calls != NULL)
    end_call(calls);
  sv.state = DOWN;
}

static void on_closed(void *ctx, uint64_t failed_boards)
{
  trace("store: closed, %llu boards not written", (unsigned long long)failed_boards);
  if (failed_boards == 0)
    keep_promise(ctx);
  end_call(ctx);
  sv.closed = true;
  sv.unwritten = failed_boards;
}

void server_stop(void)
{
  if (sv.state != UP)
    return;
  trace("server: stops");
  gs_rooms_stop(&sv.rooms);
  call *c = new_call(NULL);
  for (uint32_t i = 0; i < board_count; i++)
    note_handed_over(c, &boards[i]);
  if (gesso_persistence_close(sv.store, on_closed, c) != GESSO_OK)
    abort();
  sv.state = STOPPING;
}

/* A sync has failed, and what the disk lost by it is perhaps not written again: until that is so only what was synced is
 * certain. When nothing waits for a sync any more, it is so. */
static bool lost_a_sync(void)
{
  gesso_persistence_stats stats = { .size = sizeof stats };
  uint64_t failures = disk_sync_failures(sv.disk);
  bool good = sv.closed && sv.unwritten == 0;
  if (sv.state == UP && gesso_persistence_get_stats(sv.store, &stats) == GESSO_OK)
    good = stats.queue_updates == 0;
  if (good)
    sv.sync_failures_made_good = failures;
  return failures != sv.sync_failures_made_good;
}

/* Nothing of the process is left. */
static void look_again(bool power)
{
  bool lost = lost_a_sync() || power;
  forget_memory();
  model_after_crash(lost, server_durable());
  sv.sync_failures_made_good = disk_sync_failures(sv.disk);
}

static void go_up(void)
{
  if (sv.ready_status != GESSO_OK) {
    if (sv.ready_status == GESSO_E_CORRUPT || sv.ready_status == GESSO_E_VERSION)
      violated("the database cannot be opened: %s", gesso_status_text(sv.ready_status));
    look_again(false);
    return;
  }
  model_opened(server_durable());
  sv.counters = (gs_counters){ 0 };
  if (gs_loop_create(NULL, NULL, &sv.loop) != GESSO_OK ||
      gs_rooms_init(&sv.rooms, sv.loop, sv.store, &sv.counters) != GESSO_OK)
    abort();
  sv.fail_timer = (gs_timer){ .fire = still_failing };
  gesso_persistence_on_event(sv.store, on_event, NULL);
  gesso_persistence_stats stats = { .size = sizeof stats };
  if (gesso_persistence_get_stats(sv.store, &stats) == GESSO_OK && stats.health != GESSO_OK)
    gs_rooms_set_read_only(&sv.rooms, true);
  sv.has_rooms = sv.was_up = true;
  sv.state = UP;
  trace("server: is up");
}

void server_kill(bool power)
{
  trace("server: %s", power ? "the power is cut" : "is killed");
  clients_cut_off(true);
  /* What is left of the process comes to its end on a disk that nobody will ever see. */
  static const disk_faults none;
  disk *after = power ? disk_after_power_cut(sv.disk) : disk_after_kill(sv.disk);
  disk_set_faults(sv.disk, &none);
  look_again(power);
  disk_destroy(sv.disk);
  sv.disk = after;
  disk_use(after);
  server_check(power ? "after a power cut" : "after a kill");
}

/* --- turns --- */

static void on_audit(void *ctx, gesso_board_load *load)
{
  model_audit(ctx, load->result, load->status, load->message, load->doc);
}

/* Each board once after each start, and each room whenever it was loaded. */
static void audit(void)
{
  for (uint32_t i = 0; i < board_count; i++) {
    board *b = &boards[i];
    if (sv.state == UP && !b->audited && !b->audit_running)
      b->audit_running = gesso_board_persistence_load(sv.store, board_name(b), on_audit, b) == GESSO_OK;
    gs_room *room = live_room(b);
    if (room != NULL && b->room_seen != room && b->audited && b->fate == ALIVE && b->order == ORDER_NONE)
      model_holds("the room", b, room->doc, b->shown);
    b->room_seen = room;
  }
}

void server_turn(void)
{
  (void)lost_a_sync();
  switch (sv.state) {
  case DOWN:
    break;
  case STARTING:
    (void)gesso_persistence_dispatch(sv.store);
    if (sv.ready_known)
      go_up();
    break;
  case UP:
  case STOPPING:
    if (gs_loop_turn(sv.loop, 0) != GESSO_OK)
      abort();
    if (sv.closed) { /* everything is looked at again */
      clients_cut_off(true);
      look_again(false);
      trace("server: is down");
    }
    break;
  }
  audit();
}

/* --- orders --- */

static void on_order(void *ctx, gesso_status status)
{
  call *c = ctx;
  trace("order %d for %s: %s", (int)c->what, c->b->name, gesso_status_text(status));
  model_order_done(c->b, c->what, status);
  if (status == GESSO_OK && c->what == ORDER_DELETE)
    gs_rooms_deleted(&sv.rooms, board_name(c->b));
  else if (status == GESSO_OK)
    gs_rooms_created(&sv.rooms, board_name(c->b));
  end_call(c);
}

void server_order(board *b, order what, bool purge)
{
  if (sv.state != UP || !b->audited || b->order != ORDER_NONE || (b->fate == ALIVE) != (what == ORDER_DELETE))
    return;
  call *c = new_call(b);
  gesso_status s;
  c->what = what;
  trace("order %d for %s%s", (int)what, b->name, purge ? ", for good" : "");
  if (what == ORDER_DELETE)
    s = gesso_board_persistence_delete(sv.store, board_name(b), purge ? GESSO_DELETE_PURGE : 0, on_order, c);
  else if (what == ORDER_CREATE)
    s = gesso_board_persistence_create(sv.store, board_name(b), on_order, c);
  else
    s = gesso_board_persistence_undelete(sv.store, board_name(b), on_order, c);
  if (s != GESSO_OK) {
    end_call(c);
    return;
  }
  b->order = what;
  b->purge = b->purge || purge;
}

static bool bad_answer(gesso_status s)
{
  return s == GESSO_E_CORRUPT || s == GESSO_E_TRUNCATED || s == GESSO_E_RANGE || s == GESSO_E_VERSION || s == GESSO_E_USAGE;
}

static void on_saved(void *ctx, gesso_status status)
{
  call *c = ctx;
  trace("saved %s: %s", c->b->name, gesso_status_text(status));
  if (bad_answer(status))
    violated("%s cannot be saved: %s", c->b->name, gesso_status_text(status));
  if (status == GESSO_OK)
    keep_promise(c);
  end_call(c);
}

void server_save(board *b)
{
  if (sv.state != UP)
    return;
  call *c = new_call(b);
  note_handed_over(c, b);
  trace("save %s", b->name);
  if (gesso_board_persistence_save(sv.store, board_name(b), on_saved, c) != GESSO_OK)
    end_call(c);
}

static void on_flushed(void *ctx, uint64_t failed_boards)
{
  trace("flushed, %llu boards not written", (unsigned long long)failed_boards);
  if (failed_boards == 0)
    keep_promise(ctx);
  end_call(ctx);
}

void server_flush(void)
{
  if (sv.state != UP)
    return;
  call *c = new_call(NULL);
  for (uint32_t i = 0; i < board_count; i++)
    note_handed_over(c, &boards[i]);
  trace("flush");
  if (gesso_persistence_flush_pending(sv.store, on_flushed, c) != GESSO_OK)
    end_call(c);
}

/* --- versions --- */

static void on_named(void *ctx, gesso_status status, uint64_t id)
{
  call *c = ctx;
  board *b = c->b;
  trace("version %llu of %s: %s", (unsigned long long)id, b->name, gesso_status_text(status));
  if (bad_answer(status))
    violated("%s: no version can be made: %s", b->name, gesso_status_text(status));
  if (status == GESSO_OK && b->fate == ALIVE && b->order == ORDER_NONE && b->version_count < VERSIONS_MAX)
    b->versions[b->version_count++] = id;
  end_call(c);
}

void server_name_version(board *b)
{
  if (sv.state != UP || !b->audited)
    return;
  call *c = new_call(b);
  trace("name a version of %s", b->name);
  if (gesso_board_persistence_version_name(sv.store, board_name(b), 0, (gesso_bytes){ (const uint8_t *)"v", 1 }, on_named,
                                           c) != GESSO_OK)
    end_call(c);
}

/* As the API has it: into the room, when there is one. */
static void on_restore(void *ctx, gesso_status status, gesso_bytes update, uint64_t before, const char *why)
{
  call *c = ctx;
  board *b = c->b;
  (void)before;
  trace("restore of %s: %s", b->name, why);
  if (bad_answer(status) || (status == GESSO_E_NOTFOUND && b->fate == ALIVE && b->order == ORDER_NONE))
    violated("%s: a named version cannot be restored: %s", b->name, why);
  if (status == GESSO_OK && update.len != 0) {
    gs_room *room = gs_rooms_find(&sv.rooms, board_name(b));
    if (room == NULL || room->state == GS_ROOM_REFUSING)
      (void)!gesso_board_persistence_append(sv.store, board_name(b), 0, update, 0, NULL, NULL, NULL);
    else if (room->state == GS_ROOM_LIVE)
      (void)!gs_room_edit(room, update);
    b->restored = true;
  }
  end_call(c);
}

void server_restore_version(board *b)
{
  if (sv.state != UP || !b->audited || b->version_count == 0 || b->fate != ALIVE || b->order != ORDER_NONE)
    return;
  call *c = new_call(b);
  uint64_t id = b->versions[roll(b->version_count)];
  trace("restore version %llu of %s", (unsigned long long)id, b->name);
  if (gesso_board_persistence_version_restore(sv.store, board_name(b), id, on_restore, c) != GESSO_OK)
    end_call(c);
}

/* --- gesso check --- */

static void on_finding(void *ctx, const gs_finding *finding)
{
  violated("gesso check %s: %s %llu of %.*s: %s", (const char *)ctx, gs_table_name(finding->table),
           (unsigned long long)finding->key, (int)finding->board.len, (const char *)finding->board.data, finding->why);
}

void server_check(const char *when)
{
  gs_check_counts counts;
  gesso_buffer why = { 0 };
  disk *copy = disk_after_kill(sv.disk);
  disk_use(copy);
  gs_check_watch watch = { .found = on_finding, .ctx = (void *)(uintptr_t)when };
  gesso_status s = gs_check(folder, 0, &watch, &counts, &why);
  /* A folder that the server had no time to fill is none yet. A journal left by the power cut, of SQLite's turn to its
   * write-ahead log, is for the next writer: who only reads cannot roll it back. */
  if (s != GESSO_OK && sv.was_up && !(s == GESSO_E_IO && disk_has(sv.disk, "gesso.db-journal")))
    violated("gesso check %s: %.*s", when, (int)why.len, (const char *)why.data);
  if (s != GESSO_OK)
    trace("check %s: %.*s", when, (int)why.len, (const char *)why.data);
  gesso_buffer_free(&why);
  disk_use(sv.disk);
  disk_destroy(copy);
}
