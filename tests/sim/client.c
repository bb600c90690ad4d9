/* Clients as y-websocket has them: a document, an undo manager, a presence, and a connection that brings messages in
 * order, each when the seed says so, until it breaks. */
#include "sim.h"

#include "net/ws.h"
#include "server/room.h"
#include "server/room_impl.h"
#include "sync/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

client clients[CLIENTS_MAX];
uint32_t client_count;
static uint32_t queue_max;
static uint64_t next_id;

static const char remote[] = "server";

static gesso_bytes bytes_of(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

/* --- queues --- */

static void push(queue *q, message *m)
{
  m->next = NULL;
  if (q->first == NULL)
    q->first = m;
  else
    q->last->next = m;
  q->last = m;
  q->count++;
}

static message *pop(queue *q)
{
  message *m = q->first;
  if (m == NULL)
    return NULL;
  q->first = m->next;
  q->count--;
  return m;
}

static void drop(message *m)
{
  gs_frame_release(m->frame);
  free(m);
}

static void drop_all(queue *q)
{
  for (message *m; (m = pop(q)) != NULL;)
    drop(m);
}

static message *new_message(gesso_bytes data)
{
  message *m = malloc(sizeof *m + data.len);
  if (m == NULL)
    abort();
  *m = (message){ .len = data.len };
  if (data.len != 0)
    memcpy(m->data, data.data, data.len);
  return m;
}

static void say(client *c, void (*write)(gs_buf *, gesso_bytes), gesso_bytes body)
{
  gs_buf buf = gs_buf_make(NULL);
  write(&buf, body);
  push(&c->to_server, new_message(gs_buf_bytes(&buf)));
  gs_buf_finish(&buf);
}

/* --- what the server does to a client --- */

/* Whether this frame acknowledges what the client sent. */
static bool is_acknowledgement(const gs_session *session, const gs_frame *frame)
{
  for (const gs_batch *b = session->room->batches; b != NULL; b = b->next)
    for (uint32_t i = 0; b->frame == frame && i < b->contributor_count; i++)
      if (b->contributors[i] == session)
        return true;
  return false;
}

static bool takes(gs_session *session)
{
  client *c = (client *)session;
  if (!c->gap && c->to_client.count >= queue_max) {
    trace("client %llu is too slow: its queue is dropped", (unsigned long long)c->id);
    c->gap = true;
    drop_all(&c->to_client);
  }
  return !c->gap;
}

static bool send_frame(gs_session *session, gs_frame *frame)
{
  client *c = (client *)session;
  if (!takes(session))
    return false;
  gs_reader rd = gs_reader_of((gesso_bytes){ frame->data + frame->header_len, frame->len - frame->header_len });
  gs_message m;
  if (!gs_message_next(&rd, &m))
    violated("the server sends a malformed message");
  if (m.kind == GS_MESSAGE_UPDATE && is_acknowledgement(session, frame))
    model_acked(c->board, m.body);
  else if (m.kind == GS_MESSAGE_UPDATE || m.kind == GS_MESSAGE_STEP2)
    model_shown(c->board, m.body);
  message *out = new_message((gesso_bytes){ NULL, 0 });
  out->frame = gs_frame_retain(frame);
  push(&c->to_client, out);
  return true;
}

static void close_session(gs_session *session, uint16_t code, const char *reason)
{
  client *c = (client *)session;
  trace("client %llu is closed with %u: %s", (unsigned long long)c->id, code, reason);
  /* 4404 also comes from a load that was answered before the board was made again. */
  if (code != GS_WS_CODE_TRY_LATER && code != GS_WS_CODE_INTERNAL && code != 4404 && code != 4500)
    violated("client %llu is closed with %u: %s", (unsigned long long)c->id, code, reason);
  c->code = code;
}

static void pause_reading(gs_session *session)
{
  ((client *)session)->paused = true;
}

static void resume_reading(gs_session *session)
{
  ((client *)session)->paused = false;
}

static const gs_session_ops ops = { send_frame, takes, close_session, pause_reading, resume_reading };

/* --- documents --- */

static void on_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  client *c = ctx;
  (void)doc;
  (void)local;
  if (c->online && !(origin.len == sizeof remote - 1 && memcmp(origin.data, remote, origin.len) == 0))
    say(c, gs_write_update, update);
}

static void on_presence(void *ctx, gesso_awareness *awareness, const gesso_awareness_event *event)
{
  client *c = ctx;
  gesso_buffer out = { 0 };
  if (!c->online || event->nclients == 0)
    return;
  if (gesso_awareness_encode(awareness, event->clients, event->nclients, &out) == GESSO_OK)
    say(c, gs_write_awareness, (gesso_bytes){ out.data, out.len });
  gesso_buffer_free(&out);
}

static uint64_t now_ms(void *ctx)
{
  (void)ctx;
  return os_now_us() / 1000;
}

static void begin_client(client *c, board *b)
{
  *c = (client){ .board = b, .id = ++next_id };
  c->doc = new_doc(c->id);
  gesso_undo_options u = { .size = sizeof u, .capture_timeout_ms = 200, .now_ms = now_ms };
  gesso_awareness_options a = { .size = sizeof a, .client_id = c->id };
  gesso_subscription subscription;
  c->undo = gesso_undo_create(c->doc, &u);
  c->presence = gesso_awareness_create(&a, now_ms(NULL));
  if (c->undo == NULL || c->presence == NULL ||
      gesso_doc_observe_update(c->doc, 1, on_update, c, &subscription) != GESSO_OK ||
      gesso_undo_add_scope(c->undo, gesso_doc_root(c->doc, bytes_of("text"), GESSO_TEXT)) != GESSO_OK ||
      gesso_undo_add_scope(c->undo, gesso_doc_root(c->doc, bytes_of("shapes"), GESSO_MAP)) != GESSO_OK)
    abort();
  gesso_awareness_on_change(c->presence, on_presence, c);
}

static void end_client(client *c)
{
  gesso_undo_destroy(c->undo);
  gesso_awareness_destroy(c->presence);
  gesso_doc_destroy(c->doc);
}

void clients_begin(uint32_t count, uint32_t most)
{
  queue_max = most;
  next_id = 1000;
  client_count = count;
  for (uint32_t i = 0; i < count; i++)
    begin_client(&clients[i], &boards[i < board_count ? i : roll(board_count)]);
}

void clients_end(void)
{
  for (uint32_t i = 0; i < client_count; i++) {
    if (clients[i].online)
      client_disconnect(&clients[i], false);
    end_client(&clients[i]);
  }
  client_count = 0;
}

void client_replace(client *c)
{
  if (c->online)
    client_disconnect(c, false);
  board *b = c->board;
  end_client(c);
  begin_client(c, b);
  trace("client %llu comes new", (unsigned long long)c->id);
}

/* --- connections --- */

void client_connect(client *c)
{
  if (c->online || sv.state != UP)
    return;
  gesso_buffer vector = { 0 };
  c->session = (gs_session){ .ops = &ops, .early = gs_buf_make(NULL), .vector = gs_buf_make(NULL) };
  c->online = true;
  c->synced = c->paused = c->gap = false;
  c->code = 0;
  trace("client %llu connects to %s", (unsigned long long)c->id, c->board->name);
  if (gesso_doc_state_vector(c->doc, &vector) != GESSO_OK)
    abort();
  say(c, gs_write_step1, (gesso_bytes){ vector.data, vector.len });
  gesso_buffer_free(&vector);
  gesso_buffer mine = { 0 };
  if (gesso_awareness_encode(c->presence, &c->id, 1, &mine) == GESSO_OK)
    say(c, gs_write_awareness, (gesso_bytes){ mine.data, mine.len });
  gesso_buffer_free(&mine);
  (void)gs_rooms_join(&sv.rooms, board_name(c->board), &c->session);
}

void client_disconnect(client *c, bool deliver)
{
  while (deliver && !c->gap && client_hear(c))
    ;
  trace("client %llu is gone", (unsigned long long)c->id);
  gs_room_leave(&c->session);
  c->online = c->gap = c->paused = c->synced = false;
  drop_all(&c->to_server);
  drop_all(&c->to_client);
  uint64_t others[CLIENTS_MAX * 4], kept = 0;
  size_t n = gesso_awareness_clients(c->presence, others, CLIENTS_MAX * 4);
  for (size_t i = 0; i < n && i < CLIENTS_MAX * 4; i++)
    if (others[i] != c->id)
      others[kept++] = others[i];
  if (gesso_awareness_remove(c->presence, others, kept, bytes_of("closed"), now_ms(NULL)) != GESSO_OK)
    abort();
}

void clients_cut_off(bool deliver)
{
  for (uint32_t i = 0; i < client_count; i++)
    if (clients[i].online)
      client_disconnect(&clients[i], deliver && chance(50));
}

bool client_send_on(client *c)
{
  if (!c->online || c->paused || c->code != 0 || c->session.room == NULL || c->to_server.first == NULL || sv.state != UP)
    return false;
  message *m = pop(&c->to_server);
  trace_bytes("to server", c->board->name, (int64_t)c->id, m->data, m->len);
  gs_room_receive(&c->session, (gesso_bytes){ m->data, m->len });
  drop(m);
  return true;
}

static void receive_update(client *c, gesso_bytes update)
{
  if (gesso_doc_begin_with(c->doc, bytes_of(remote)) != GESSO_OK)
    abort();
  take(c->doc, update);
  (void)gesso_doc_commit(c->doc, NULL);
}

bool client_hear(client *c)
{
  message *in = pop(&c->to_client);
  if (in == NULL)
    return false;
  gs_frame *frame = in->frame;
  gs_reader rd = gs_reader_of((gesso_bytes){ frame->data + frame->header_len, frame->len - frame->header_len });
  gs_message m;
  if (!gs_message_next(&rd, &m))
    violated("the server sends a malformed message");
  trace_bytes("to client", c->board->name, (int64_t)c->id, frame->data, frame->len);
  gesso_buffer diff = { 0 };
  switch (m.kind) {
  case GS_MESSAGE_STEP1:
    if (gesso_doc_encode_v1(c->doc, m.body, &diff, NULL) != GESSO_OK)
      violated("the server's state vector cannot be read");
    if (c->online)
      say(c, gs_write_step2, (gesso_bytes){ diff.data, diff.len });
    gesso_buffer_free(&diff);
    break;
  case GS_MESSAGE_STEP2:
  case GS_MESSAGE_UPDATE:
    receive_update(c, m.body);
    c->synced = c->synced || m.kind == GS_MESSAGE_STEP2;
    break;
  case GS_MESSAGE_AWARENESS:
    if (gesso_awareness_apply(c->presence, m.body, bytes_of(remote), now_ms(NULL), NULL) != GESSO_OK)
      violated("the server sends a malformed presence");
    break;
  default:
    break;
  }
  drop(in);
  return true;
}

void client_drain(client *c)
{
  if (!c->online || !c->gap)
    return;
  trace("client %llu has caught up", (unsigned long long)c->id);
  c->gap = false;
  if (c->session.room != NULL && c->code == 0 && sv.state == UP)
    gs_room_resync(&c->session);
}

bool client_quiet(const client *c)
{
  return c->to_server.first == NULL && c->to_client.first == NULL && !c->gap && c->code == 0;
}

/* --- what people do --- */

static gesso_value number(double n)
{
  return (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = n };
}

static void expect_ok(gesso_status s)
{
  if (s != GESSO_OK)
    violated("an edit fails: %s", gesso_status_text(s));
}

static void edit_log(client *c)
{
  char entry[40];
  gesso_type log = gesso_doc_root(c->doc, bytes_of("log"), GESSO_ARRAY);
  uint64_t len = gesso_type_length(c->doc, log);
  int n = snprintf(entry, sizeof entry, "%llu.%u", (unsigned long long)c->id, c->logged++);
  gesso_value v = { .kind = GESSO_VALUE_STRING, .bytes = { (const uint8_t *)entry, (size_t)n } };
  expect_ok(gesso_array_insert(c->doc, log, roll((uint32_t)len + 1), &v, 1, NULL));
}

static void edit_text(client *c)
{
  static const char *const words[] = { "a", "stroke ", "\xc3\xa9", "longer words that fill a line, " };
  gesso_type text = gesso_doc_root(c->doc, bytes_of("text"), GESSO_TEXT);
  uint64_t len = gesso_type_length(c->doc, text);
  if (len > 40 || (len > 4 && chance(30))) {
    uint32_t from = roll((uint32_t)len);
    expect_ok(gesso_text_remove(c->doc, text, from, 1 + roll((uint32_t)(len - from))));
  } else if (len > 2 && chance(15)) {
    expect_ok(gesso_text_format(c->doc, text, 0, 1 + roll((uint32_t)len),
                                chance(50) ? bytes_of("{\"bold\":true}") : bytes_of("{\"bold\":null}")));
  } else {
    expect_ok(gesso_text_insert(c->doc, text, roll((uint32_t)len + 1), bytes_of(words[roll(4)]), (gesso_bytes){ NULL, 0 }));
  }
}

static void edit_map(client *c)
{
  char key[24];
  gesso_type map = gesso_doc_root(c->doc, bytes_of("map"), GESSO_MAP);
  (void)snprintf(key, sizeof key, "k%u", roll(6));
  if (chance(20)) {
    gesso_status s = gesso_map_remove(c->doc, map, bytes_of(key));
    if (s != GESSO_E_NOTFOUND)
      expect_ok(s);
  } else {
    expect_ok(gesso_map_set(c->doc, map, bytes_of(key), number(roll(1000)), NULL));
  }
}

/* A drag: the same two keys, again and again. */
static void drag_shape(client *c)
{
  char key[24];
  gesso_type shapes = gesso_doc_root(c->doc, bytes_of("shapes"), GESSO_MAP);
  (void)snprintf(key, sizeof key, "s%u", roll(5));
  gesso_type shape = gesso_map_get_type(c->doc, shapes, bytes_of(key));
  if (shape != 0 && chance(8)) {
    expect_ok(gesso_map_remove(c->doc, shapes, bytes_of(key)));
    return;
  }
  if (shape == 0)
    expect_ok(gesso_map_set(c->doc, shapes, bytes_of(key), (gesso_value){ .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP },
                            &shape));
  for (uint32_t n = 1 + roll(8); n != 0; n--) {
    expect_ok(gesso_map_set(c->doc, shape, bytes_of("x"), number(c->drags), NULL));
    expect_ok(gesso_map_set(c->doc, shape, bytes_of("y"), number(c->drags++ * 2), NULL));
  }
}

void client_edit(client *c)
{
  static void (*const kinds[])(client *) = { edit_log, edit_text, edit_map, drag_shape };
  uint32_t kind = roll(4);
  trace("client %llu edits (%u)%s", (unsigned long long)c->id, kind, c->online ? "" : " offline");
  gesso_doc_begin(c->doc);
  for (uint32_t n = 1 + roll(3); n != 0; n--)
    kinds[kind](c);
  expect_ok(gesso_doc_commit(c->doc, NULL));
}

void client_undo(client *c)
{
  int changed = 0;
  bool back = chance(70);
  expect_ok(back ? gesso_undo_undo(c->undo, &changed) : gesso_undo_redo(c->undo, &changed));
  trace("client %llu %s: %d", (unsigned long long)c->id, back ? "undoes" : "does again", changed);
}

void client_point(client *c)
{
  char json[40];
  (void)snprintf(json, sizeof json, "{\"cursor\":%u}", roll(100));
  trace("client %llu points", (unsigned long long)c->id);
  if (gesso_awareness_set_local(c->presence, bytes_of(json), now_ms(NULL)) != GESSO_OK)
    abort();
}

void client_tick(client *c)
{
  if (gesso_awareness_next_tick(c->presence) <= now_ms(NULL) &&
      gesso_awareness_tick(c->presence, now_ms(NULL)) != GESSO_OK)
    abort();
}
