#include "server/rooms.h"

#include "base/escape.h"
#include "base/seed.h"
#include "net/http.h"
#include "server/limits.h"
#include "server/log.h"
#include "server/room.h"
#include "wire/utf8.h"

#include <stddef.h>
#include <sys/epoll.h>
#include <xxhash.h>

static bool same_name(gesso_bytes a, gesso_bytes b)
{
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static gs_room **slot_of(const gs_rooms *rooms, gesso_bytes name)
{
  return &rooms->buckets[XXH3_64bits_withSeed(name.data, name.len, rooms->seed) & (rooms->bucket_count - 1)];
}

static bool grow(gs_rooms *rooms, uint32_t count)
{
  gs_room **fresh = gs_alloc_zero(NULL, count * sizeof *fresh);
  if (fresh == NULL)
    return false;
  gs_room **old = rooms->buckets;
  uint32_t old_count = rooms->bucket_count;
  rooms->buckets = fresh;
  rooms->bucket_count = count;
  for (uint32_t i = 0; i < old_count; i++)
    for (gs_room *room = old[i], *next; room != NULL; room = next) {
      next = room->next_in_hash;
      gs_room **slot = slot_of(rooms, gs_room_name(room));
      room->next_in_hash = *slot;
      *slot = room;
    }
  gs_free(NULL, old, old_count * sizeof *old);
  return true;
}

gs_room *gs_rooms_find(const gs_rooms *rooms, gesso_bytes name)
{
  gs_room *room = *slot_of(rooms, name);
  while (room != NULL && (room->forgotten || !same_name(gs_room_name(room), name)))
    room = room->next_in_hash;
  return room;
}

void gs_rooms_touch(gs_rooms *rooms, gs_room *room)
{
  if (room->in_turn)
    return;
  room->in_turn = true;
  room->turn_next = rooms->turn_first;
  rooms->turn_first = room;
  /* Connections also end in the flush phase, after the hook: then the next turn must come at once. */
  if (rooms->hook_ran && rooms->hook_turn == gs_loop_turns(rooms->loop))
    gs_loop_again(rooms->loop);
}

static void end_of_turn(gs_hook *hook)
{
  gs_rooms *rooms = (gs_rooms *)((char *)hook - offsetof(gs_rooms, hook));
  while (rooms->turn_first != NULL) {
    gs_room *room = rooms->turn_first;
    rooms->turn_first = room->turn_next;
    room->in_turn = false;
    gs_room_turn(room);
  }
  rooms->hook_turn = gs_loop_turns(rooms->loop);
  rooms->hook_ran = true;
}

static void store_ready(gs_watch *watch, uint32_t events)
{
  (void)events;
  gs_rooms *rooms = (gs_rooms *)((char *)watch - offsetof(gs_rooms, store_watch));
  (void)gesso_persistence_dispatch(rooms->store);
}

gesso_status gs_rooms_init(gs_rooms *rooms, gs_loop *loop, gesso_persistence *store, gs_counters *counters)
{
  *rooms = (gs_rooms){
    .loop = loop,
    .store = store,
    .counters = counters,
    .seed = gs_hash_seed(rooms),
    .hook = { .run = end_of_turn },
    .store_watch = { .fd = gesso_persistence_poll_fd(store), .ready = store_ready },
  };
  if (!grow(rooms, 64))
    return GESSO_E_NOMEM;
  gesso_status s = gs_loop_watch(loop, &rooms->store_watch, EPOLLIN);
  if (s != GESSO_OK) {
    gs_free(NULL, rooms->buckets, rooms->bucket_count * sizeof *rooms->buckets);
    rooms->buckets = NULL;
    return s;
  }
  gs_loop_add_hook(loop, &rooms->hook, GS_PHASE_WORK);
  return GESSO_OK;
}

void gs_rooms_finish(gs_rooms *rooms)
{
  if (rooms->buckets == NULL)
    return;
  gs_loop_remove_hook(rooms->loop, &rooms->hook, GS_PHASE_WORK);
  rooms->turn_first = NULL;
  for (uint32_t i = 0; i < rooms->bucket_count; i++)
    for (gs_room *room = rooms->buckets[i], *next; room != NULL; room = next) {
      next = room->next_in_hash;
      gs_room_destroy(room);
    }
  gs_free(NULL, rooms->buckets, rooms->bucket_count * sizeof *rooms->buckets);
  rooms->buckets = NULL;
}

bool gs_rooms_name(gesso_bytes address, gs_buf *out)
{
  size_t at = out->b.len;
  if (!gs_unescape(out, address, false))
    return false;
  gesso_bytes name = { out->b.data + at, out->b.len - at };
  return name.len != 0 && name.len <= GESSO_BOARD_NAME_MAX && gs_utf8_invalid_at(name) == name.len;
}

bool gs_rooms_join(gs_rooms *rooms, gesso_bytes name, gs_session *session)
{
  gs_room *room = gs_rooms_find(rooms, name);
  if (room != NULL && room->state == GS_ROOM_REFUSING && room->refused == NULL &&
      gs_loop_now_ms(rooms->loop) >= room->refused_ms + GS_ROOM_LINGER_MS) {
    room->forgotten = true; /* perhaps it can be opened by now */
    room = NULL;
  }
  if (room == NULL) {
    if (rooms->count >= GS_LIMIT_ROOMS) {
      rooms->counters->rooms_refused++;
      session->ops->close(session, GS_WS_CODE_TRY_LATER, "too many boards are open");
      return false;
    }
    if (rooms->count >= rooms->bucket_count)
      (void)grow(rooms, rooms->bucket_count * 2); /* without it the chains are longer, that is all */
    room = rooms->stopping ? NULL : gs_room_create(rooms, name);
    if (room == NULL) {
      session->ops->close(session, GS_WS_CODE_TRY_LATER, "the board cannot be opened now");
      return false;
    }
    gs_room **slot = slot_of(rooms, name);
    room->next_in_hash = *slot;
    *slot = room;
    rooms->count++;
  }
  gs_room_join(room, session);
  return true;
}

void gs_rooms_drop(gs_rooms *rooms, gs_room *room)
{
  gs_room **link = slot_of(rooms, gs_room_name(room));
  while (*link != room)
    link = &(*link)->next_in_hash;
  *link = room->next_in_hash;
  rooms->count--;
  rooms->counters->rooms_unloaded++;
  gs_room_destroy(room);
}

void gs_rooms_deleted(gs_rooms *rooms, gesso_bytes name)
{
  gs_room *room = gs_rooms_find(rooms, name);
  if (room != NULL && room->state != GS_ROOM_REFUSING)
    gs_room_deleted(room);
}

void gs_rooms_created(gs_rooms *rooms, gesso_bytes name)
{
  gs_room *room = gs_rooms_find(rooms, name);
  if (room != NULL && room->state == GS_ROOM_REFUSING)
    room->forgotten = true; /* dropped once the last of those it refused has gone */
}

void gs_rooms_stop(gs_rooms *rooms)
{
  end_of_turn(&rooms->hook);
  rooms->stopping = true;
}

void gs_rooms_each(gs_rooms *rooms, void (*visit)(void *ctx, gs_room *room), void *ctx)
{
  for (uint32_t i = 0; i < rooms->bucket_count; i++)
    for (gs_room *room = rooms->buckets[i], *next; room != NULL; room = next) {
      next = room->next_in_hash;
      visit(ctx, room);
    }
}

void gs_rooms_set_full(gs_rooms *rooms, gesso_bytes name, bool full)
{
  gs_room *room = gs_rooms_find(rooms, name);
  if (room != NULL && room->state != GS_ROOM_REFUSING)
    gs_room_set_full(room, full);
}

static void retry(void *ctx, gs_room *room)
{
  (void)ctx;
  gs_room_retry(room);
}

void gs_rooms_set_read_only(gs_rooms *rooms, bool read_only)
{
  if (rooms->read_only == read_only)
    return;
  rooms->read_only = read_only;
  gs_log_event(read_only ? GS_LOG_ERROR : GS_LOG_INFO, read_only ? "boards_read_only" : "boards_writable", "why",
               read_only ? "nothing can be stored" : "everything is stored again");
  gs_rooms_each(rooms, retry, NULL);
}
