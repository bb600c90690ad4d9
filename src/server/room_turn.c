/* From a turn's input to the disk, and from there to the clients. The invariants are in room.h. */
#include "server/limits.h"
#include "server/log.h"
#include "server/room.h"
#include "server/room_impl.h"
#include "sync/message.h"
#include "wire/writer.h"

#include <assert.h>

/* ---- sending ---------------------------------------------------------------------------------- */

bool gs_room_send(gs_session *session, gs_frame *frame)
{
  if (session->closing || !session->ops->send(session, frame))
    return false;
  session->sent_ms = gs_loop_now_ms(session->room->rooms->loop);
  return true;
}

static gs_frame *make_frame(void (*write)(gs_buf *, gesso_bytes), gesso_bytes body)
{
  gs_buf buf = gs_buf_make(NULL);
  if (!gs_buf_room(&buf, GS_FRAME_ROOM + 16 + body.len))
    return NULL;
  gs_frame_begin(&buf);
  write(&buf, body);
  return gs_frame_end(&buf, GS_WS_BINARY);
}

void gs_room_forget_state(gs_room *room)
{
  gs_frame_release(room->step1);
  gs_frame_release(room->step2);
  room->step1 = room->step2 = NULL;
}

void gs_room_forget_presence(gs_room *room)
{
  gs_frame_release(room->everybody);
  room->everybody = NULL;
}

/* Out of memory: whoever is here starts again from a fresh connection, nothing is lost by it. */
static void send_everybody_away(gs_room *room, const char *why)
{
  for (gs_session *s = room->sessions; s != NULL; s = s->next)
    gs_room_close(s, GS_WS_CODE_TRY_LATER, why);
}

/* ---- batches ---------------------------------------------------------------------------------- */

static void free_batch(gs_batch *batch)
{
  for (uint32_t i = batch->parts_taken; i < batch->part_count; i++)
    gesso_buffer_free(&batch->parts[i]);
  gs_free(NULL, batch->parts, batch->part_count * sizeof *batch->parts);
  gs_free(NULL, batch->contributors, batch->contributor_count * sizeof *batch->contributors);
  gs_frame_release(batch->frame);
  gs_free(NULL, batch, sizeof *batch);
}

void gs_room_free_batches(gs_room *room)
{
  for (gs_batch *b = room->batches, *next; b != NULL; b = next) {
    next = b->next;
    free_batch(b);
  }
  room->batches = room->batches_last = room->refused = NULL;
}

static void release_answers(gs_room *room);

/* Everybody who did not contribute, and is not sent the content in another way, is shown it now. */
static void broadcast(gs_batch *batch)
{
  gs_room *room = batch->room;
  if (batch->frame == NULL || room->state != GS_ROOM_LIVE)
    return;
  gs_counters *counters = gs_room_counters(room);
  counters->broadcasts++;
  for (uint32_t i = 0; i < batch->contributor_count; i++)
    if (batch->contributors[i] != NULL)
      batch->contributors[i]->batch_mark = batch->seq;
  for (gs_session *s = room->sessions; s != NULL; s = s->next)
    if (s->batch_mark != batch->seq && s->from_seq < batch->seq)
      counters->deliveries += gs_room_send(s, batch->frame);
}

static void acknowledge(gs_batch *batch)
{
  if (batch->frame == NULL || batch->room->state != GS_ROOM_LIVE)
    return;
  gs_counters *counters = gs_room_counters(batch->room);
  for (uint32_t i = 0; i < batch->contributor_count; i++)
    if (batch->contributors[i] != NULL && gs_room_send(batch->contributors[i], batch->frame)) {
      counters->deliveries++;
      counters->acks++;
    }
}

static void store_failed(gs_batch *batch)
{
  gs_room *room = batch->room;
  if (room->state != GS_ROOM_LIVE || room->rooms->stopping)
    return;
  if (batch->failed == GESSO_E_DELETED) {
    gs_room_refuse(room, 4404, "this board was deleted");
    return;
  }
  gs_log line;
  gs_log_begin(&line, GS_LOG_ERROR, "update_not_stored");
  gs_log_bytes(&line, "board", gs_room_name(room));
  gs_log_text(&line, "why", gesso_status_text(batch->failed));
  gs_log_end(&line);
  /* The document in memory holds what the store does not: it must not be shown or built upon. */
  gs_room_refuse(room, GS_WS_CODE_INTERNAL, "the server could not store a change");
}

static void part_written(void *ctx, gesso_status status)
{
  gs_batch *batch = ctx;
  gs_room *room = batch->room;
  if (status != GESSO_OK && batch->failed == GESSO_OK)
    batch->failed = status;
  if (++batch->parts_written < batch->part_count)
    return;
  if (batch->failed != GESSO_OK) {
    store_failed(batch);
    return;
  }
  if (room->state != GS_ROOM_LIVE)
    return;
  assert(batch->seq == room->written_seq + 1); /* I2 */
  room->written_seq = batch->seq;
  broadcast(batch);
  release_answers(room);
}

static void part_synced(void *ctx, gesso_status status)
{
  gs_batch *batch = ctx;
  gs_room *room = batch->room;
  if (status != GESSO_OK && batch->failed == GESSO_OK)
    batch->failed = status;
  if (++batch->parts_synced < batch->part_count)
    return;
  if (batch->failed == GESSO_OK)
    acknowledge(batch);
  assert(room->batches == batch);
  room->batches = batch->next;
  if (room->batches == NULL) {
    room->batches_last = NULL;
    gs_room_schedule(room);
  }
  free_batch(batch);
}

/* Hands over what the store has not taken yet. False: it refused. */
static bool hand_over(gs_batch *batch)
{
  gs_room *room = batch->room;
  while (batch->parts_taken < batch->part_count) {
    gesso_buffer *part = &batch->parts[batch->parts_taken];
    gesso_status s = gesso_board_persistence_append(room->rooms->store, gs_room_name(room), room->generation,
                                                    (gesso_bytes){ part->data, part->len },
                                                    GESSO_APPEND_TRUSTED | GESSO_APPEND_PAST_QUOTA,
                                                    part_written, part_synced, batch);
    if (s != GESSO_OK) {
      batch->refused = s;
      return false;
    }
    gesso_buffer_free(part);
    batch->parts_taken++;
  }
  return true;
}

static void store_refused(gs_room *room, gs_batch *batch)
{
  gs_room_counters(room)->batches_refused++;
  room->refused = batch; /* I4 */
  gs_rooms_touch(room->rooms, room); /* everybody is to be told */
  gs_log line;
  gs_log_begin(&line, GS_LOG_WARN, "board_read_only");
  gs_log_bytes(&line, "board", gs_room_name(room));
  gs_log_text(&line, "why", gesso_status_text(batch->refused));
  gs_log_end(&line);
  gs_room_schedule(room);
}

/* The raw updates of the turn, one part each. */
static bool take_raw_parts(gs_room *room, gs_batch *batch)
{
  uint32_t count = 0;
  gs_reader rd = gs_reader_of(gs_buf_bytes(&room->raw));
  while (gs_reader_left(&rd) != 0) {
    (void)gs_read_raw(&rd, gs_read_u32be(&rd));
    count++;
  }
  batch->parts = gs_alloc_zero(NULL, count * sizeof *batch->parts);
  if (batch->parts == NULL)
    return false;
  batch->part_count = count;
  rd = gs_reader_of(gs_buf_bytes(&room->raw));
  for (uint32_t i = 0; i < count; i++) {
    gesso_bytes raw = gs_read_raw(&rd, gs_read_u32be(&rd));
    gs_buf copy = gs_buf_make(NULL);
    gs_buf_write(&copy, raw.data, raw.len);
    if (copy.err != GESSO_OK)
      return false;
    batch->parts[i] = gs_buf_take(&copy);
  }
  return true;
}

static bool take_contributors(gs_room *room, gs_batch *batch)
{
  if (room->contributor_count == 0)
    return true;
  size_t bytes = room->contributor_count * sizeof *batch->contributors;
  batch->contributors = gs_alloc(NULL, bytes);
  if (batch->contributors == NULL)
    return false;
  memcpy(batch->contributors, room->contributors, bytes);
  batch->contributor_count = room->contributor_count;
  return true;
}

/* Ends the turn's transaction and sends what came of it on its way. */
static void commit(gs_room *room)
{
  gesso_buffer merged = { 0 };
  gesso_status s = gesso_doc_commit(room->doc, &merged);
  room->in_transaction = false;

  gesso_doc_stats stats;
  gesso_doc_get_stats(room->doc, &stats);
  bool pending = stats.pending_structs != 0 || stats.pending_delete_ranges != 0;
  bool raw = room->raw.b.len != 0 && (s != GESSO_OK || pending || room->had_pending); /* I3 */
  room->had_pending = pending;
  if (merged.len == 0 && !raw)
    goto done;

  gs_room_forget_state(room);
  room->unsaved = true;
  gs_batch *batch = gs_alloc_zero(NULL, sizeof *batch);
  bool ok = batch != NULL;
  if (ok) {
    batch->room = room;
    batch->seq = room->seq + 1;
    ok = take_contributors(room, batch);
    if (ok && merged.len != 0)
      ok = (batch->frame = make_frame(gs_write_update, (gesso_bytes){ merged.data, merged.len })) != NULL;
    if (ok && raw)
      ok = take_raw_parts(room, batch);
    else if (ok && (batch->parts = gs_alloc_zero(NULL, sizeof *batch->parts)) != NULL)
      batch->part_count = 1, batch->parts[0] = merged, merged = (gesso_buffer){ 0 };
    else
      ok = false;
  }
  if (!ok) {
    /* In the document but not on its way to the disk: this copy of the board is of no use. Clients
     * come back to a fresh one and bring what the store lacks. */
    if (batch != NULL)
      free_batch(batch);
    gs_room_refuse(room, GS_WS_CODE_TRY_LATER, "the server is out of memory");
    goto done;
  }
  room->seq = batch->seq;
  if (room->batches_last != NULL)
    room->batches_last->next = batch;
  else
    room->batches = batch;
  room->batches_last = batch;
  gs_room_counters(room)->batches++;
  gs_room_counters(room)->batches_raw += raw;
  if (s != GESSO_OK)
    send_everybody_away(room, "the server is out of memory");
  if (!hand_over(batch))
    store_refused(room, batch);
done:
  gesso_buffer_free(&merged);
  gs_buf_clear(&room->raw);
  room->contributor_count = 0;
}

/* ---- answers ---------------------------------------------------------------------------------- */

static bool is_empty_vector(gesso_bytes vector)
{
  return vector.len == 0 || (vector.len == 1 && vector.data[0] == 0);
}

static void drop_answer(gs_session *session)
{
  gs_frame_release(session->answer_step1);
  gs_frame_release(session->answer_step2);
  session->answer_step1 = session->answer_step2 = NULL;
}

static void unlink_waiting(gs_room *room, gs_session *session)
{
  gs_session **link = &room->waiting;
  while (*link != session)
    link = &(*link)->next_waiting;
  *link = session->next_waiting;
  session->waits = false;
}

void gs_room_cancel_answers(gs_room *room, gs_session *session)
{
  drop_answer(session);
  if (session->waits)
    unlink_waiting(room, session);
  if (session->asks) {
    gs_session **link = &room->asking;
    while (*link != session)
      link = &(*link)->next_asking;
    *link = session->next_asking;
    session->asks = false;
  }
}

/* Everybody's presence, if anybody is present. */
static void send_presence(gs_session *session)
{
  gs_room *room = session->room;
  if (room->everybody == NULL) {
    gs_buf body = gs_buf_make(NULL);
    if (gs_awareness_encode(room->presence, &body) != 0 && body.err == GESSO_OK)
      room->everybody = make_frame(gs_write_awareness, gs_buf_bytes(&body));
    gs_buf_finish(&body);
  }
  if (room->everybody != NULL)
    gs_room_counters(room)->presence_out += gs_room_send(session, room->everybody);
}

/* Our step 1, then presence, then step 2, as the stock server does; and if need be that we take nothing. */
static void send_answer(gs_session *session)
{
  gs_room *room = session->room;
  if (session->answer_step1 != NULL)
    (void)gs_room_send(session, session->answer_step1);
  if (session->asks_presence)
    send_presence(session);
  session->asks_presence = false;
  if (session->answer_step2 != NULL)
    gs_room_counters(room)->answers += gs_room_send(session, session->answer_step2);
  bool asked = session->answer_step1 != NULL;
  drop_answer(session);
  const char *why = gs_room_read_only(room, (gesso_bytes){ NULL, 0 });
  if (why != NULL) {
    session->missed = session->missed && !asked;
    gs_room_deny(session, why);
  }
}

static gs_frame *shared_step1(gs_room *room)
{
  if (room->step1 == NULL) {
    gesso_buffer vector = { 0 };
    if (gesso_doc_state_vector(room->doc, &vector) == GESSO_OK)
      room->step1 = make_frame(gs_write_step1, (gesso_bytes){ vector.data, vector.len });
    gesso_buffer_free(&vector);
  }
  return room->step1;
}

/* What is missing from a peer with that state vector. NULL with *err. */
static gs_frame *encode_step2(gs_room *room, gesso_bytes vector, gesso_error *err)
{
  bool whole = is_empty_vector(vector);
  room->step2_used |= whole;
  if (whole && room->step2 != NULL) {
    gs_room_counters(room)->answers_shared++;
    return gs_frame_retain(room->step2);
  }
  gesso_buffer update = { 0 };
  gs_frame *frame = NULL;
  if (gesso_doc_encode_v1(room->doc, vector, &update, err) == GESSO_OK) {
    frame = make_frame(gs_write_step2, (gesso_bytes){ update.data, update.len });
    if (frame == NULL)
      *err = (gesso_error){ .status = GESSO_E_NOMEM, .message = "out of memory" };
  }
  gesso_buffer_free(&update);
  if (frame != NULL && whole)
    room->step2 = gs_frame_retain(frame);
  return frame;
}

static void refuse_vector(gs_session *session, const gesso_error *err)
{
  if (err->status == GESSO_E_NOMEM) {
    gs_room_close(session, GS_WS_CODE_TRY_LATER, "the server is out of memory");
    return;
  }
  gs_room_counters(session->room)->messages_bad++;
  gs_room_close(session, 4400, "message refused: malformed state vector");
}

static void answer(gs_room *room, gs_session *session)
{
  bool has_vector = session->has_vector;
  bool all = session->asks_all, step1 = session->asks_step1 || has_vector;
  session->has_vector = session->asks_all = session->asks_step1 = false;
  if (session->closing)
    return;
  if ((has_vector || all) && !session->ops->takes(session)) {
    /* It does not read: encoding the board for it again and again would take everybody's time. Once it
     * reads it is sent everything. */
    session->asks_presence = false;
    gs_buf_finish(&session->vector);
    return;
  }
  if (has_vector || all) {
    gesso_error err = { 0 };
    gesso_bytes vector = all ? (gesso_bytes){ NULL, 0 } : gs_buf_bytes(&session->vector);
    if (session->waits)
      unlink_waiting(room, session);
    drop_answer(session);
    session->answer_step2 = encode_step2(room, vector, &err);
    gs_buf_finish(&session->vector);
    if (session->answer_step2 == NULL) {
      refuse_vector(session, &err);
      return;
    }
    if (all && !has_vector && session->answer_step2->len > GS_LIMIT_RESYNC_LEN) {
      drop_answer(session);
      gs_room_counters(room)->slow_closed++;
      gs_room_close(session, GS_WS_CODE_TRY_LATER, "too slow; connect again");
      return;
    }
    session->from_seq = room->seq;
    session->asks_presence = true;
  }
  if (step1) {
    gs_frame *frame = shared_step1(room);
    if (frame != NULL && session->answer_step1 == NULL)
      session->answer_step1 = gs_frame_retain(frame);
  }
  session->answer_seq = room->seq;
  if (room->written_seq >= session->answer_seq) {
    send_answer(session);
  } else if (!session->waits) {
    session->waits = true;
    session->next_waiting = room->waiting;
    room->waiting = session;
  }
}

static void answer_all(gs_room *room)
{
  /* Those who came first are at the end of the list: turn it round. */
  gs_session *in_order = NULL;
  for (gs_session *s = room->asking, *next; s != NULL; s = next) {
    next = s->next_asking;
    s->next_asking = in_order;
    in_order = s;
  }
  room->asking = NULL;
  for (gs_session *s = in_order, *next; s != NULL; s = next) {
    next = s->next_asking;
    s->asks = false;
    answer(room, s);
  }
}

static void release_answers(gs_room *room)
{
  gs_session *s = room->waiting;
  room->waiting = NULL;
  for (gs_session *next; s != NULL; s = next) {
    next = s->next_waiting;
    if (s->answer_seq <= room->written_seq) {
      s->waits = false;
      send_answer(s);
    } else {
      s->next_waiting = room->waiting;
      room->waiting = s;
    }
  }
}

/* ---- while the disk takes nothing --------------------------------------------------------------- */

static void ask_those_who_missed(gs_room *room)
{
  for (gs_session *s = room->sessions; s != NULL; s = s->next)
    if (s->missed || s->stored_only) {
      s->asks_all = s->asks_all || s->stored_only;
      s->missed = s->stored_only = false;
      s->asks_step1 = true;
      if (!s->asks) {
        s->asks = true;
        s->next_asking = room->asking;
        room->asking = s;
      }
      gs_rooms_touch(room->rooms, room); /* in this turn still */
    }
}

/* Those who wait for the write of something are sent what is stored without it. After a failed sync that is even less
 * than what was written and shown: they are sent all of it once the disk takes something again. */
static void show_stored(void *ctx, gesso_status status, gesso_bytes update, const char *message)
{
  gs_room *room = ctx;
  (void)message;
  room->reads_stored = false;
  gs_room_schedule(room);
  bool held = room->refused != NULL || room->rooms->read_only;
  if (!held || room->state != GS_ROOM_LIVE || (status != GESSO_OK && status != GESSO_E_NOTFOUND))
    return; /* not held any more: what they wait for is being written */
  static const uint8_t empty[] = { 0, 0 };
  if (status != GESSO_OK)
    update = (gesso_bytes){ empty, sizeof empty };
  gs_frame *frame = make_frame(gs_write_step2, update);
  while (frame != NULL && room->waiting != NULL) {
    gs_session *s = room->waiting;
    unlink_waiting(room, s);
    drop_answer(s);
    s->answer_step2 = gs_frame_retain(frame);
    s->from_seq = room->stored_seq;
    s->stored_only = true;
    gs_room_counters(room)->answers_stored++;
    send_answer(s);
  }
  gs_frame_release(frame);
}

static void tell_or_ask(gs_room *room)
{
  const char *why = gs_room_read_only(room, (gesso_bytes){ NULL, 0 });
  if (why == NULL && room->told)
    ask_those_who_missed(room);
  for (gs_session *s = room->sessions; why != NULL && !room->told && s != NULL; s = s->next)
    if (!s->waits) /* those are told with their answer */
      gs_room_deny(s, why);
  room->told = why != NULL;
  bool held = room->refused != NULL || room->rooms->read_only;
  if (!held || room->waiting == NULL || room->reads_stored)
    return;
  room->stored_seq = room->written_seq;
  room->reads_stored = gesso_board_persistence_export(room->rooms->store, gs_room_name(room),
                                                      GESSO_EXPORT_V1 | GESSO_EXPORT_STORED, show_stored,
                                                      room) == GESSO_OK;
}

void gs_room_retry(gs_room *room)
{
  if (room->refused != NULL && hand_over(room->refused)) {
    room->refused = NULL;
    gs_log line;
    gs_log_begin(&line, GS_LOG_INFO, "board_writable");
    gs_log_bytes(&line, "board", gs_room_name(room));
    gs_log_end(&line);
  }
  if (room->state == GS_ROOM_LIVE)
    gs_rooms_touch(room->rooms, room);
}

/* ---- the end of the turn ----------------------------------------------------------------------- */

/* What is newer, once, to everybody: its author's watchdog is fed by it too. */
static void announce_presence(gs_room *room)
{
  gs_buf body = gs_buf_make(NULL);
  if (gs_awareness_take_changes(room->presence, &body) != 0) {
    gs_room_forget_presence(room);
    gs_frame *frame = body.err == GESSO_OK ? make_frame(gs_write_awareness, gs_buf_bytes(&body)) : NULL;
    if (frame != NULL)
      for (gs_session *s = room->sessions; s != NULL; s = s->next)
        gs_room_counters(room)->presence_out += gs_room_send(s, frame);
    gs_frame_release(frame);
  }
  gs_buf_finish(&body);
}

void gs_room_turn(gs_room *room)
{
  if (room->in_transaction)
    commit(room);
  announce_presence(room);
  if (room->state == GS_ROOM_LIVE) {
    answer_all(room);
    tell_or_ask(room);
  }
  gs_room_schedule(room);
}
