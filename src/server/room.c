#include "server/room.h"

#include "gesso/types.h"
#include "server/limits.h"
#include "server/log.h"
#include "server/room_impl.h"
#include "sync/message.h"
#include "wire/utf8.h"
#include "wire/writer.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>

gs_counters *gs_room_counters(const gs_room *room)
{
  return room->rooms->counters;
}

void gs_room_close(gs_session *session, uint16_t code, const char *reason)
{
  if (session->closing)
    return;
  session->closing = true;
  session->ops->close(session, code, reason);
}

/* ---- loading ---------------------------------------------------------------------------------- */

static void log_room(const gs_room *room, gs_log_level level, const char *event, const char *why)
{
  gs_log line;
  gs_log_begin(&line, level, event);
  gs_log_bytes(&line, "board", gs_room_name(room));
  if (why != NULL)
    gs_log_text(&line, "why", why);
  gs_log_end(&line);
}

void gs_room_refuse(gs_room *room, uint16_t code, const char *reason)
{
  room->state = GS_ROOM_REFUSING;
  room->refused_ms = gs_loop_now_ms(room->rooms->loop);
  room->refuse_code = code;
  (void)snprintf(room->refuse_reason, sizeof room->refuse_reason, "%s", reason);
  for (gs_session *s = room->sessions; s != NULL; s = s->next) {
    if (s->early.b.len != 0)
      s->ops->resume(s); /* its answer to the close frame is to be read */
    gs_room_close(s, code, room->refuse_reason);
  }
  gs_rooms_touch(room->rooms, room);
}

void gs_room_deleted(gs_room *room)
{
  if (room->state == GS_ROOM_LOADING)
    room->deleted = true;
  else
    gs_room_refuse(room, 4404, "this board was deleted");
}

/* What the clients said while the board was being read. */
static void hear_early_frames(gs_room *room)
{
  for (gs_session *s = room->sessions; s != NULL; s = s->next) {
    if (s->early.b.len == 0)
      continue;
    gs_buf early = s->early;
    s->early = gs_buf_make(NULL);
    gs_reader rd = gs_reader_of(gs_buf_bytes(&early));
    while (gs_reader_left(&rd) != 0 && !s->closing) {
      uint32_t len = gs_read_u32be(&rd);
      gs_room_receive(s, gs_read_raw(&rd, len));
    }
    gs_buf_finish(&early);
    s->ops->resume(s);
  }
}

static void loaded(void *ctx, gesso_board_load *load)
{
  gs_room *room = ctx;
  gs_counters *counters = gs_room_counters(room);
  switch (room->deleted ? GESSO_LOAD_DELETED : load->result) {
  case GESSO_LOAD_FOUND:
    room->doc = gesso_board_load_take_doc(load);
    room->generation = load->generation;
    if (load->full != 0 && !room->full_heard)
      gs_room_set_full(room, true);
    break;
  case GESSO_LOAD_NEVER_EXISTED: {
    gesso_doc_options options = { .size = sizeof options, .memory_max = GS_LIMIT_DOC_MEMORY };
    room->doc = gesso_doc_create(&options);
    break;
  }
  case GESSO_LOAD_DELETED:
    gs_room_refuse(room, 4404, "this board was deleted");
    return;
  case GESSO_LOAD_UNREADABLE: {
    char reason[124];
    counters->rooms_unreadable++;
    log_room(room, GS_LOG_ERROR, "board_unreadable", load->message);
    (void)snprintf(reason, sizeof reason, "this board cannot be read: %s", load->message);
    gs_room_refuse(room, 4500, reason);
    return;
  }
  }
  if (room->doc == NULL) {
    log_room(room, GS_LOG_ERROR, "board_unreadable", "out of memory");
    gs_room_refuse(room, GS_WS_CODE_TRY_LATER, "the server is out of memory");
    return;
  }
  gesso_doc_stats stats;
  gesso_doc_get_stats(room->doc, &stats);
  room->had_pending = stats.pending_structs != 0 || stats.pending_delete_ranges != 0;
  room->state = GS_ROOM_LIVE;
  counters->rooms_loaded++;
  log_room(room, GS_LOG_DEBUG, "board_loaded", NULL);
  hear_early_frames(room);
  gs_rooms_touch(room->rooms, room);
}

/* ---- life ------------------------------------------------------------------------------------- */

static void timer_fired(gs_timer *timer)
{
  gs_room *room = (gs_room *)((char *)timer - offsetof(gs_room, timer));
  uint64_t now = gs_loop_now_ms(room->rooms->loop);
  if (gs_awareness_next_expiry(room->presence) <= now) {
    gs_awareness_expire(room->presence, now);
    gs_rooms_touch(room->rooms, room);
  }
  if (room->refused != NULL)
    gs_room_retry(room);
  if (room->step2 != NULL && !room->step2_used)
    gs_room_forget_state(room); /* as large as the board, and nobody came for it */
  room->step2_used = false;
  bool idle = room->sessions == NULL && room->state != GS_ROOM_LOADING && room->batches == NULL && !room->in_turn &&
              !room->reads_stored;
  if (idle && room->empty_ms + GS_ROOM_LINGER_MS <= now) {
    if (room->unsaved && room->state == GS_ROOM_LIVE)
      (void)!gesso_board_persistence_save(room->rooms->store, gs_room_name(room), NULL, NULL);
    log_room(room, GS_LOG_DEBUG, "board_unloaded", NULL);
    gs_rooms_drop(room->rooms, room);
    return;
  }
  gs_room_schedule(room);
}

/* A timer that runs early is left alone: it looks again and sets itself. */
void gs_room_schedule(gs_room *room)
{
  uint64_t now = gs_loop_now_ms(room->rooms->loop);
  uint64_t due = gs_awareness_next_expiry(room->presence);
  if (room->refused != NULL)
    due = GS_MIN(due, now + GS_ROOM_RETRY_MS);
  if (room->step2 != NULL)
    due = GS_MIN(due, now + GS_ROOM_ENCODED_MS);
  if (room->empty_ms != UINT64_MAX)
    due = GS_MIN(due, GS_MAX(room->empty_ms + GS_ROOM_LINGER_MS, now + 100));
  if (due == UINT64_MAX || (gs_timer_running(&room->timer) && room->timer_ms <= due))
    return;
  room->timer_ms = due;
  gs_timer_set(room->rooms->loop, &room->timer, due > now ? due - now : 0);
}

gs_room *gs_room_create(gs_rooms *rooms, gesso_bytes name)
{
  static const gs_awareness_limits limits = {
    .ids_max = GS_LIMIT_PRESENCE_IDS,
    .owner_ids_max = GS_LIMIT_PRESENCE_IDS_PER_CONNECTION,
    .departed_max = GS_LIMIT_PRESENCE_DEPARTED,
    .state_len_max = GS_LIMIT_PRESENCE_STATE_LEN,
    .states_len_max = GS_LIMIT_PRESENCE_STATES_LEN,
    .clock_max = GS_LIMIT_PRESENCE_CLOCK,
  };
  gs_room *room = gs_alloc_zero(NULL, sizeof *room + name.len);
  if (room == NULL)
    return NULL;
  room->rooms = rooms;
  room->state = GS_ROOM_LOADING;
  room->timer.fire = timer_fired;
  room->empty_ms = gs_loop_now_ms(rooms->loop);
  room->raw = gs_buf_make(NULL);
  room->name_len = name.len;
  memcpy(room->name, name.data, name.len);
  room->presence = gs_awareness_create(NULL, &limits);
  if (room->presence == NULL ||
      gesso_board_persistence_load(rooms->store, name, loaded, room) != GESSO_OK) {
    gs_awareness_destroy(room->presence);
    gs_free(NULL, room, sizeof *room + name.len);
    return NULL;
  }
  return room;
}

void gs_room_destroy(gs_room *room)
{
  assert(room->sessions == NULL);
  gs_timer_stop(room->rooms->loop, &room->timer);
  gs_room_forget_state(room);
  gs_room_forget_presence(room);
  gs_room_free_batches(room);
  gesso_doc_destroy(room->doc);
  gs_awareness_destroy(room->presence);
  gs_buf_finish(&room->raw);
  gs_free(NULL, room->contributors, room->contributor_capacity * sizeof *room->contributors);
  gs_free(NULL, room, sizeof *room + room->name_len);
}

void gs_room_join(gs_room *room, gs_session *session)
{
  assert(session->room == NULL);
  session->room = room;
  session->prev = NULL;
  session->next = room->sessions;
  if (room->sessions != NULL)
    room->sessions->prev = session;
  room->sessions = session;
  room->session_count++;
  room->rooms->sessions++;
  room->empty_ms = UINT64_MAX;
  session->from_seq = room->seq;
  session->sent_ms = gs_loop_now_ms(room->rooms->loop);
  gs_room_counters(room)->joins++;
  if (room->state == GS_ROOM_REFUSING)
    gs_room_close(session, room->refuse_code, room->refuse_reason);
}

void gs_room_leave(gs_session *session)
{
  gs_room *room = session->room;
  if (room == NULL)
    return;
  gs_room_cancel_answers(room, session);
  for (gs_batch *b = room->batches; b != NULL; b = b->next)
    for (uint32_t i = 0; i < b->contributor_count; i++)
      if (b->contributors[i] == session)
        b->contributors[i] = NULL;
  for (uint32_t i = 0; i < room->contributor_count; i++)
    if (room->contributors[i] == session)
      room->contributors[i] = NULL;
  gs_buf_finish(&session->early);
  gs_buf_finish(&session->vector);
  gs_awareness_leave(room->presence, &session->presence);

  if (session->prev != NULL)
    session->prev->next = session->next;
  else
    room->sessions = session->next;
  if (session->next != NULL)
    session->next->prev = session->prev;
  session->room = NULL;
  room->session_count--;
  room->rooms->sessions--;
  if (room->sessions == NULL)
    room->empty_ms = gs_loop_now_ms(room->rooms->loop);
  gs_rooms_touch(room->rooms, room);
}

/* ---- what a client says ----------------------------------------------------------------------- */

static void refuse_input(gs_session *session, const char *what, const gesso_error *err)
{
  char reason[124];
  uint16_t code = 4400;
  if (err->status == GESSO_E_LIMIT)
    code = 4413;
  else if (err->status == GESSO_E_NOMEM)
    code = GS_WS_CODE_TRY_LATER;
  (void)snprintf(reason, sizeof reason, "%s: %s at byte %zu", what,
                 err->message != NULL ? err->message : gesso_status_text(err->status), err->offset);
  log_room(session->room, GS_LOG_WARN, "input_refused", reason);
  gs_room_close(session, code, reason);
}

const char *gs_room_read_only(const gs_room *room, gesso_bytes update)
{
  if (room->refused != NULL || room->rooms->read_only)
    return "the server cannot store changes at the moment; they stay with you until it can";
  if (room->full && (update.len == 0 || update.data[0] != 0)) /* a first byte of 0: nothing but deletions */
    return "this board is full; changes stay with you until something was deleted";
  return NULL;
}

void gs_room_deny(gs_session *session, const char *why)
{
  if (session->missed)
    return;
  session->missed = true;
  gs_buf buf = gs_buf_make(NULL);
  gs_frame_begin(&buf);
  gs_write_denied(&buf, (gesso_bytes){ (const uint8_t *)why, strlen(why) });
  gs_frame *frame = gs_frame_end(&buf, GS_WS_BINARY);
  if (frame != NULL)
    (void)gs_room_send(session, frame);
  gs_frame_release(frame);
}

void gs_room_set_full(gs_room *room, bool full)
{
  room->full = full;
  room->full_heard = room->state == GS_ROOM_LOADING;
  gs_room_counters(room)->rooms_full += full;
  log_room(room, full ? GS_LOG_WARN : GS_LOG_INFO, full ? "board_full" : "board_has_room", NULL);
  gs_room_retry(room);
}

static bool note_contributor(gs_room *room, gs_session *session)
{
  if (session->batch_seq == room->seq + 1)
    return true;
  if (!gs_grow(NULL, &room->contributors, &room->contributor_capacity, (size_t)room->contributor_count + 1,
               sizeof *room->contributors))
    return false;
  room->contributors[room->contributor_count++] = session;
  session->batch_seq = room->seq + 1;
  return true;
}

/* Into the turn's transaction. `session` may be NULL. */
static gesso_status take_update(gs_room *room, gs_session *session, gesso_bytes update, gesso_error *err)
{
  /* Room for the copy first: after the update is in the document it must reach the journal (I3). */
  *err = (gesso_error){ .status = GESSO_E_NOMEM, .message = "out of memory" };
  size_t raw_len = room->raw.b.len;
  gs_write_u32be(&room->raw, (uint32_t)update.len);
  gs_buf_write(&room->raw, update.data, update.len);
  gesso_status s = room->raw.err;
  if (s == GESSO_OK && session != NULL && !note_contributor(room, session))
    s = GESSO_E_NOMEM;
  if (s == GESSO_OK) {
    if (!room->in_transaction) {
      gesso_doc_begin(room->doc);
      room->in_transaction = true;
      gs_rooms_touch(room->rooms, room);
    }
    s = gesso_doc_apply_v1(room->doc, update, err);
  }
  if (s != GESSO_OK) {
    room->raw.b.len = raw_len;
    room->raw.err = GESSO_OK;
    err->status = s;
  }
  return s;
}

gesso_status gs_room_edit(gs_room *room, gesso_bytes update)
{
  gesso_error err;
  if (room->refused != NULL || room->rooms->read_only)
    return GESSO_E_FULL;
  return take_update(room, NULL, update, &err);
}

static void receive_update(gs_session *session, gesso_bytes update)
{
  gs_room *room = session->room;
  gs_counters *counters = gs_room_counters(room);
  gesso_error err;
  if (update.len == 2 && update.data[0] == 0 && update.data[1] == 0)
    return; /* the empty one: every handshake has it */
  counters->updates_in++;
  counters->update_bytes_in += update.len;
  const char *why = gs_room_read_only(room, update);
  if (why != NULL) {
    counters->updates_missed++;
    gs_room_deny(session, why);
    gs_rooms_touch(room->rooms, room);
    return;
  }
  if (take_update(room, session, update, &err) != GESSO_OK) {
    counters->updates_bad++;
    refuse_input(session, "update refused", &err);
  }
}

static void ask(gs_room *room, gs_session *session)
{
  if (!session->asks) {
    session->asks = true;
    session->next_asking = room->asking;
    room->asking = session;
  }
  gs_rooms_touch(room->rooms, room);
}

static void receive_presence(gs_session *session, gesso_bytes body)
{
  gs_room *room = session->room;
  gs_counters *counters = gs_room_counters(room);
  gs_awareness_counts counts;
  gesso_error err = { 0 };
  counters->presence_in++;
  gesso_status s = gs_awareness_apply(room->presence, &session->presence, gs_loop_now_ms(room->rooms->loop), body,
                                      &counts, &err);
  counters->presence_taken += counts.taken;
  counters->presence_refused += counts.refused;
  if (counts.taken != 0)
    gs_rooms_touch(room->rooms, room);
  if (s != GESSO_OK) {
    counters->messages_bad++;
    refuse_input(session, "presence refused", &err);
  }
}

static void receive_message(gs_session *session, const gs_message *m)
{
  gs_room *room = session->room;
  switch (m->kind) {
  case GS_MESSAGE_STEP1:
    gs_buf_clear(&session->vector);
    gs_buf_write(&session->vector, m->body.data, m->body.len);
    session->has_vector = true;
    ask(room, session);
    break;
  case GS_MESSAGE_STEP2:
  case GS_MESSAGE_UPDATE:
    receive_update(session, m->body);
    break;
  case GS_MESSAGE_AWARENESS:
    receive_presence(session, m->body);
    break;
  case GS_MESSAGE_QUERY:
    session->asks_presence = true;
    ask(room, session);
    break;
  case GS_MESSAGE_DENIED:
    break; /* has a meaning only from us to them */
  case GS_MESSAGE_UNKNOWN:
    gs_room_counters(room)->messages_unknown++;
    break;
  }
}

/* The board is still being read: its answer must not come before that, so neither may the question. */
static void keep_for_later(gs_session *session, gesso_bytes frame)
{
  if (session->early.b.len + frame.len > GS_LIMIT_EARLY_LEN) {
    gs_room_close(session, GS_WS_CODE_TOO_BIG, "too much was said before the board was loaded");
    return;
  }
  if (session->early.b.len == 0)
    session->ops->pause(session);
  gs_write_u32be(&session->early, (uint32_t)frame.len);
  gs_buf_write(&session->early, frame.data, frame.len);
  if (session->early.err != GESSO_OK)
    gs_room_close(session, GS_WS_CODE_TRY_LATER, "the server is out of memory");
}

void gs_room_receive(gs_session *session, gesso_bytes frame)
{
  gs_room *room = session->room;
  if (session->closing || room->rooms->stopping)
    return;
  if (room->state == GS_ROOM_LOADING) {
    keep_for_later(session, frame);
    return;
  }
  if (room->state == GS_ROOM_REFUSING)
    return;
  gs_reader rd = gs_reader_of(frame);
  gs_message m;
  while (!session->closing && gs_message_next(&rd, &m))
    receive_message(session, &m);
  gesso_error err = { 0 };
  if (!session->closing && gs_reader_status(&rd, &err) != GESSO_OK) {
    gs_room_counters(room)->messages_bad++;
    refuse_input(session, "message refused", &err);
  }
}

void gs_room_resync(gs_session *session)
{
  gs_room *room = session->room;
  if (room == NULL || room->state != GS_ROOM_LIVE)
    return;
  gs_room_counters(room)->resyncs++;
  session->asks_all = true;
  session->asks_step1 = true; /* ours may have been among what was dropped */
  session->asks_presence = true;
  ask(room, session);
}

/* ---- the title -------------------------------------------------------------------------------- */

/* The text of a JSON string, whose form the engine vouches for. Cut at GS_LIMIT_TITLE_LEN. */
static void unquote(gs_buf *out, gesso_bytes json)
{
  gs_buf text = gs_buf_make(NULL);
  const uint8_t *p = json.data + 1, *end = json.data + json.len - 1;
  while (p < end && text.b.len < GS_LIMIT_TITLE_LEN) {
    if (*p != '\\') {
      gs_buf_put(&text, *p++);
      continue;
    }
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *at = strchr(from, p[1]);
    if (p[1] == 'u') {
      gs_buf_put(&text, ' '); /* a control character or half of a pair: nothing for a title */
      p += 6;
    } else {
      gs_buf_put(&text, at != NULL ? (uint8_t)to[at - from] : p[1]);
      p += 2;
    }
  }
  gesso_bytes whole = gs_buf_bytes(&text);
  whole.len = gs_utf8_invalid_at(whole); /* the cut may have gone through a character */
  gs_buf_write(out, whole.data, whole.len);
  gs_buf_finish(&text);
}

bool gs_doc_title(gesso_doc *doc, gs_buf *out)
{
  static const uint8_t meta[] = "meta", title[] = "title";
  gesso_type map = gesso_doc_root(doc, (gesso_bytes){ meta, sizeof meta - 1 }, GESSO_MAP);
  gesso_buffer json = { 0 };
  size_t before = out->b.len;
  if (map != 0 &&
      gesso_map_get_json(doc, map, (gesso_bytes){ title, sizeof title - 1 }, &json) == GESSO_OK &&
      json.len >= 2 && json.data[0] == '"')
    unquote(out, (gesso_bytes){ json.data, json.len });
  gesso_buffer_free(&json);
  return out->b.len > before;
}

bool gs_room_title(gs_room *room, gs_buf *out)
{
  return room->state == GS_ROOM_LIVE && gs_doc_title(room->doc, out);
}
