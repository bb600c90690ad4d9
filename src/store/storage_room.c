/* Whether there is room, and what is said when there is not.
 *
 *   writable --- reserve or total reached: gs_storage_look_at_room() ---> no room
 *   writable --- a write fails: gs_storage_failed() -------------------> failing
 *   failing  --- it works again, see turn() --> no room or writable
 *   no room  --- gs_storage_look_at_room() finds enough and a bit ----> writable
 *
 * "No room" refuses appends before the disk is really full, so that folds, deletions and the emptying of the log, which
 * make room, still can be written. A single board that has reached its quota concerns nobody else: gs_storage_weigh(). */
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#define LOOK_MS 1000u
#define RESERVE_MAX ((uint64_t)32 * 1024 * 1024)
#define RESERVE_SHARE 128u /* of the file system */

void gs_storage_set_health(gesso_persistence *p, gesso_status status, const char *why)
{
  (void)pthread_mutex_lock(&p->lock);
  gesso_status was = p->health;
  p->health = status;
  (void)pthread_mutex_unlock(&p->lock);
  if (status != GESSO_OK && was != status)
    gs_emit_event(p, GESSO_EVENT_WRITES_FAIL, status, (gesso_bytes){ NULL, 0 }, why);
  else if (status == GESSO_OK && was != GESSO_OK)
    gs_emit_event(p, GESSO_EVENT_WRITES_WORK, GESSO_OK, (gesso_bytes){ NULL, 0 },
                  "writing to the data folder works again: everything that was held is stored");
}

static const char *no_room_text(const gesso_persistence *p)
{
  return p->no_room == GS_ROOM_TOTAL
           ? "the boards have reached the quota of the data folder: new updates are refused until boards are deleted or the "
             "quota is raised"
           : "the disk is nearly full: new updates are refused until there is room; the rest of it is for making room";
}

void gs_storage_tell_failure(gesso_persistence *p, gesso_status status)
{
  char text[300];
  const char *why = "writing to the data folder fails: updates are held in memory and tried again; check the disk";
  int refusal = status == GESSO_E_IO ? gs_backend_refusal(p->backend) : 0;
  if (status == GESSO_E_FULL) {
    why = "the disk is full: updates are held in memory and new ones refused until there is room";
  } else if (refusal != 0) {
    (void)snprintf(text, sizeof text,
                   "the system does not let the data folder be written (%s): updates are held in memory and tried again; "
                   "mount it for writing, or give its owner the right to write",
                   strerror(refusal));
    why = text;
  }
  gs_storage_set_health(p, status == GESSO_E_FULL ? GESSO_E_FULL : GESSO_E_IO, why);
}

static uint64_t reserve_of(const gesso_persistence *p, uint64_t disk_size)
{
  return p->options.reserve_bytes != 0 ? p->options.reserve_bytes : GS_MIN(RESERVE_MAX, disk_size / RESERVE_SHARE);
}

uint64_t gs_storage_look_at_room(gesso_persistence *p, uint64_t now)
{
  uint64_t since = p->stats.updates_bytes - p->room_at_bytes; /* nobody else writes this figure */
  bool soon = p->no_room != GS_ROOM_ENOUGH || since != 0;
  if (now < p->next_room_ms && since < RESERVE_MAX / 8)
    return soon ? p->next_room_ms : UINT64_MAX;
  gs_backend_room room;
  if (gs_backend_get_room(p->backend, &room) != GESSO_OK)
    return now + LOOK_MS;
  p->next_room_ms = now + LOOK_MS;
  p->room_at_bytes = p->stats.updates_bytes;
  /* Well again only with a bit more than what it was not well with: what is refused meanwhile comes all at once. */
  uint64_t total = p->options.total_bytes_max, reserve = reserve_of(p, room.disk_size);
  if (p->no_room != GS_ROOM_ENOUGH) {
    total -= total / 64;
    reserve *= 2;
  }
  if (total != 0 && room.used_bytes >= total)
    p->no_room = GS_ROOM_TOTAL;
  else if (room.disk_known && room.disk_left < reserve)
    p->no_room = GS_ROOM_DISK;
  else
    p->no_room = GS_ROOM_ENOUGH;
  (void)pthread_mutex_lock(&p->lock);
  p->stats.used_bytes = room.used_bytes;
  p->stats.disk_left_bytes = room.disk_known ? room.disk_left : 0;
  (void)pthread_mutex_unlock(&p->lock);
  return p->no_room != GS_ROOM_ENOUGH ? p->next_room_ms : UINT64_MAX;
}

void gs_storage_tell_room(gesso_persistence *p)
{
  gs_storage_set_health(p, p->no_room == GS_ROOM_ENOUGH ? GESSO_OK : GESSO_E_FULL, no_room_text(p));
}

bool gs_board_has_room(const gesso_persistence *p, uint64_t stored_bytes, uint64_t state_bytes, uint64_t journal_bytes)
{
  uint64_t max = p->options.board_bytes_max;
  return (max == 0 || stored_bytes + journal_bytes < max) && state_bytes + journal_bytes < GS_STATE_BYTES_MAX / 10 * 9;
}

bool gs_storage_has_room(const gesso_persistence *p, const gs_board *b)
{
  return gs_board_has_room(p, b->row.stored_bytes, b->row.state_bytes, b->live_bytes + b->batch_bytes);
}

void gs_storage_weigh(gesso_persistence *p, const gs_board *b, bool had_room)
{
  bool has_room = gs_storage_has_room(p, b);
  if (has_room == had_room)
    return;
  (void)pthread_mutex_lock(&p->lock);
  p->stats.boards_filled += !has_room;
  (void)pthread_mutex_unlock(&p->lock);
  gs_emit_event(p, has_room ? GESSO_EVENT_BOARD_ROOM : GESSO_EVENT_BOARD_FULL, has_room ? GESSO_OK : GESSO_E_LIMIT,
                gs_board_name(b),
                has_room ? "the board is below its quota again" : "the board has reached its quota: only deletions are taken");
}
