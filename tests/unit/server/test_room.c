/* Rooms on a real store whose disk is told to be late, to fail and to be full. The clients are
 * sessions that write down what they are sent. */
#include "store_fixture.h"

#include "gesso/types.h"
#include "server/limits.h"
#include "server/room.h"
#include "sync/message.h"
#include "wire/writer.h"

#include <stdio.h>

typedef struct world {
  store st;
  gs_manual_clock clock;
  gs_loop *loop;
  gs_counters counters;
  gs_rooms rooms;
} world;

/* ---- clients ----------------------------------------------------------------------------------- */

typedef struct client {
  gs_session s;
  char log[512];   /* kinds of messages in order: "step1 presence step2 " */
  gesso_doc *doc;  /* everything it was shown */
  uint32_t updates;
  uint16_t code;   /* closed with */
  bool paused;
  bool lagging;    /* does not read */
} client;

static bool client_send(gs_session *session, gs_frame *frame)
{
  client *c = (client *)session;
  static const char *const kinds[] = { "step1 ", "step2 ", "update ", "presence ", "denied ", "query ", "unknown " };
  gs_reader rd = gs_reader_of((gesso_bytes){ frame->data + frame->header_len, frame->len - frame->header_len });
  gs_message m;
  assert_true(gs_message_next(&rd, &m));
  assert_int_equal(gs_reader_left(&rd), 0); /* one message a frame */
  strncat(c->log, kinds[m.kind], sizeof c->log - strlen(c->log) - 1);
  if (m.kind == GS_MESSAGE_STEP2 || m.kind == GS_MESSAGE_UPDATE)
    assert_int_equal(gesso_doc_apply_v1(c->doc, m.body, NULL), GESSO_OK);
  c->updates += m.kind == GS_MESSAGE_UPDATE;
  return true;
}

static void client_close(gs_session *session, uint16_t code, const char *reason)
{
  client *c = (client *)session;
  assert_int_equal(c->code, 0);
  assert_true(reason[0] != '\0');
  c->code = code;
}

static void client_pause(gs_session *session)
{
  ((client *)session)->paused = true;
}

static void client_resume(gs_session *session)
{
  ((client *)session)->paused = false;
}

static bool client_takes(gs_session *session)
{
  return !((client *)session)->lagging;
}

static const gs_session_ops ops = { client_send, client_takes, client_close, client_pause, client_resume };

static client *join(world *w, const char *board)
{
  client *c = calloc(1, sizeof *c);
  c->s.ops = &ops;
  c->doc = gesso_doc_create(NULL);
  assert_non_null(c->doc);
  (void)gs_rooms_join(&w->rooms, text(board), &c->s);
  return c;
}

static void leave(client *c)
{
  gs_room_leave(&c->s);
  gesso_doc_destroy(c->doc);
  free(c);
}

static void say(client *c, void (*write)(gs_buf *, gesso_bytes), gesso_bytes body)
{
  gs_buf buf = gs_buf_make(NULL);
  write(&buf, body);
  gs_room_receive(&c->s, gs_buf_bytes(&buf));
  gs_buf_finish(&buf);
}

static void ask(client *c)
{
  say(c, gs_write_step1, (gesso_bytes){ (const uint8_t *)"", 1 });
}

static void set(client *c, uint64_t id, const char *key)
{
  gesso_buffer u = update_set(id, key, "v");
  say(c, gs_write_update, (gesso_bytes){ u.data, u.len });
  gesso_buffer_free(&u);
}

static bool doc_has(gesso_doc *doc, const char *key)
{
  gesso_buffer out = { 0 };
  gesso_status s = gesso_map_get_json(doc, gesso_doc_root(doc, text("m"), GESSO_MAP), text(key), &out);
  gesso_buffer_free(&out);
  return s == GESSO_OK;
}

static bool has(const client *c, const char *key)
{
  return doc_has(c->doc, key);
}

static void show(client *c, uint64_t id, uint64_t clock)
{
  gs_buf body = gs_buf_make(NULL);
  gs_write_varuint(&body, 1);
  gs_write_varuint(&body, id);
  gs_write_varuint(&body, clock);
  gs_write_bytes(&body, text("{}"));
  say(c, gs_write_awareness, gs_buf_bytes(&body));
  gs_buf_finish(&body);
}

/* ---- the world --------------------------------------------------------------------------------- */

static void on_event(void *ctx, const gesso_persistence_event *event)
{
  world *w = ctx;
  if (event->kind == GESSO_EVENT_BOARD_FULL || event->kind == GESSO_EVENT_BOARD_ROOM)
    gs_rooms_set_full(&w->rooms, event->board, event->kind == GESSO_EVENT_BOARD_FULL);
  if (event->kind == GESSO_EVENT_WRITES_FAIL && event->status == GESSO_E_FULL)
    gs_rooms_set_read_only(&w->rooms, true);
  if (event->kind == GESSO_EVENT_WRITES_WORK)
    gs_rooms_set_read_only(&w->rooms, false);
}

static void turn(world *w)
{
  assert_int_equal(gs_loop_turn(w->loop, 2), GESSO_OK);
}

/* A number of turns in which nothing is expected. */
static void some_turns(world *w)
{
  for (int i = 0; i < 20; i++)
    turn(w);
}

#define until(w, condition)                                       \
  do {                                                            \
    int turns_ = 0;                                               \
    while (!(condition)) {                                        \
      turn(w);                                                    \
      if (++turns_ > 10000)                                       \
        fail_msg("%s:%d: in vain: %s", __FILE__, __LINE__, #condition); \
    }                                                             \
  } while (0)

static void start(world *w)
{
  store_open(&w->st);
  gs_manual_clock_init(&w->clock, 1000000, 1700000000000);
  assert_int_equal(gs_loop_create(NULL, &w->clock.clock, &w->loop), GESSO_OK);
  assert_int_equal(gs_rooms_init(&w->rooms, w->loop, w->st.p, &w->counters), GESSO_OK);
  gesso_persistence_on_event(w->st.p, on_event, w);
}

/* Every session must have left. */
static void stop(world *w)
{
  gs_rooms_stop(&w->rooms);
  (void)store_close(&w->st);
  gs_rooms_finish(&w->rooms);
  gs_loop_destroy(w->loop);
  w->loop = NULL;
}

static int setup(void **state)
{
  world *w = calloc(1, sizeof *w);
  store_init(&w->st);
  start(w);
  *state = w;
  return 0;
}

static int teardown(void **state)
{
  world *w = *state;
  atomic_store(&w->st.disk.hold_syncs, false);
  atomic_store(&w->st.disk.fail_writes, 0);
  if (w->loop != NULL)
    stop(w);
  store_finish(&w->st);
  free(w);
  return 0;
}

static client *joined(world *w, const char *board)
{
  client *c = join(w, board);
  ask(c);
  until(w, strstr(c->log, "step2") != NULL || c->code != 0);
  return c;
}

/* ---- tests ------------------------------------------------------------------------------------- */

static void a_question_waits_until_the_board_is_loaded(void **state)
{
  world *w = *state;
  client *a = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1);
  leave(a);
  stop(w);
  start(w);

  client *b = join(w, "b");
  ask(b);
  show(b, 9, 1);
  assert_true(b->paused);
  assert_string_equal(b->log, "");
  until(w, strstr(b->log, "step2") != NULL);
  assert_false(b->paused);
  assert_true(has(b, "k"));
  assert_true(strncmp(b->log, "presence step1 ", 15) == 0 || strncmp(b->log, "step1 presence step2", 20) == 0);
  leave(b);
}

static void others_see_an_update_after_the_write_and_its_author_after_the_sync(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *b = joined(w, "b");
  atomic_store(&w->st.disk.hold_syncs, true);
  set(a, 1, "k");
  until(w, b->updates == 1);
  assert_true(has(b, "k"));
  some_turns(w);
  assert_int_equal(a->updates, 0);
  atomic_store(&w->st.disk.hold_syncs, false);
  until(w, a->updates == 1);
  assert_true(has(a, "k"));
  assert_int_equal(b->updates, 1);
  assert_int_equal(w->counters.acks, 1);
  leave(a);
  leave(b);
}

static void nothing_leaves_before_it_is_written_neither_to_those_here_nor_to_newcomers(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *b = joined(w, "b");
  atomic_store(&w->st.disk.fail_writes, -1);
  set(a, 1, "k");
  client *late = join(w, "b");
  ask(late);
  client *impatient = join(w, "b");
  ask(impatient);
  some_turns(w);
  assert_int_equal(b->updates, 0);
  assert_string_equal(late->log, "");
  leave(impatient); /* while its answer waits */
  atomic_store(&w->st.disk.fail_writes, 0);
  until(w, b->updates == 1 && a->updates == 1 && strstr(late->log, "step2") != NULL);
  assert_true(has(b, "k") && has(late, "k"));
  assert_int_equal(late->updates, 0); /* it was part of its answer */
  leave(a);
  leave(b);
  leave(late);
}

static void what_a_turn_brings_goes_out_as_one_update(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *b = joined(w, "b"), *c = joined(w, "b");
  set(a, 1, "k");
  set(b, 2, "l");
  set(b, 3, "m");
  until(w, a->updates != 0 && b->updates != 0 && c->updates != 0);
  some_turns(w);
  assert_int_equal(a->updates, 1);
  assert_int_equal(b->updates, 1);
  assert_int_equal(c->updates, 1);
  assert_true(has(c, "k") && has(c, "l") && has(c, "m"));
  assert_int_equal(w->counters.batches, 1);
  leave(a);
  leave(b);
  leave(c);
}

static void authors_may_leave_while_their_update_is_under_way(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *b = joined(w, "b");
  atomic_store(&w->st.disk.hold_syncs, true);
  set(a, 1, "k");
  turn(w);
  leave(a);
  client *c = joined(w, "b");
  set(c, 2, "l");
  leave(c); /* in the turn of its update */
  atomic_store(&w->st.disk.hold_syncs, false);
  until(w, has(b, "k") && has(b, "l"));
  leave(b);
}

static void newcomers_share_one_encoded_state(void **state)
{
  world *w = *state;
  client *a = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1);
  client *many[20];
  uint64_t shared = w->counters.answers_shared;
  for (int i = 0; i < 20; i++)
    many[i] = join(w, "b"), ask(many[i]);
  for (int i = 0; i < 20; i++) {
    until(w, strstr(many[i]->log, "step2") != NULL);
    assert_true(has(many[i], "k"));
    leave(many[i]);
  }
  assert_int_equal(w->counters.answers_shared - shared, 19);
  leave(a);
}

static void a_full_disk_makes_boards_read_only_until_there_is_room(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *b = joined(w, "b");
  atomic_store(&w->st.disk.full, true);
  atomic_store(&w->st.disk.fail_writes, -1);
  set(a, 1, "accepted");
  until(w, w->rooms.read_only);
  until(w, strstr(a->log, "denied") != NULL && strstr(b->log, "denied") != NULL); /* before they draw in vain */
  a->log[0] = b->log[0] = '\0';
  set(a, 2, "missed");
  set(a, 3, "missed too");
  some_turns(w);
  assert_string_equal(a->log, ""); /* told already */
  assert_int_equal(w->counters.updates_missed, 2);
  assert_int_equal(b->updates, 0);

  atomic_store(&w->st.disk.fail_writes, 0);
  until(w, !w->rooms.read_only && strstr(a->log, "step1") != NULL && strstr(b->log, "step1") != NULL);
  set(a, 2, "missed"); /* as a client answers our step 1 */
  until(w, has(b, "accepted") && has(b, "missed"));
  some_turns(w);
  assert_true(strstr(b->log, "denied") == NULL);
  leave(a);
  leave(b);
}

static void newcomers_to_a_full_disk_see_what_is_stored(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *b = joined(w, "b");
  set(a, 1, "stored");
  until(w, a->updates == 1);
  atomic_store(&w->st.disk.full, true);
  atomic_store(&w->st.disk.fail_writes, -1);
  set(a, 2, "held");
  client *early = join(w, "b"); /* before anybody knows */
  ask(early);
  until(w, w->rooms.read_only);
  client *late = joined(w, "b");
  until(w, strstr(early->log, "denied") != NULL && strstr(late->log, "denied") != NULL);
  assert_true(has(early, "stored") && has(late, "stored"));
  assert_false(has(early, "held") || has(late, "held"));
  assert_int_equal(w->counters.answers_stored, 2);
  client *elsewhere = joined(w, "none"); /* nobody wrote on it yet */
  assert_true(strstr(elsewhere->log, "step2 denied") != NULL);

  atomic_store(&w->st.disk.fail_writes, 0);
  until(w, has(late, "held") && has(early, "held") && has(b, "held"));
  until(w, strstr(strstr(late->log, "denied"), "step1") != NULL);
  assert_int_equal(late->updates, 1);
  leave(a);
  leave(b);
  leave(early);
  leave(late);
  leave(elsewhere);
}

static void a_board_nobody_stored_yet_can_be_joined_while_the_disk_is_full(void **state)
{
  world *w = *state;
  client *a = joined(w, "b");
  atomic_store(&w->st.disk.full, true);
  atomic_store(&w->st.disk.fail_writes, -1);
  set(a, 1, "held");
  until(w, w->rooms.read_only);
  client *late = joined(w, "b");
  assert_true(strstr(late->log, "step2 denied") != NULL);
  assert_false(has(late, "held"));
  leave(late);
  atomic_store(&w->st.disk.fail_writes, 0);
  until(w, a->updates == 1);
  leave(a);
}

static void set_noise(client *c, uint64_t id, const char *key, size_t len)
{
  gesso_buffer u = update_noise(id, key, len);
  say(c, gs_write_update, (gesso_bytes){ u.data, u.len });
  gesso_buffer_free(&u);
}

static void a_full_board_takes_deletions_only_until_there_is_room(void **state)
{
  world *w = *state;
  stop(w);
  w->st.options.board_bytes_max = 60000;
  start(w);
  client *a = joined(w, "b"), *b = joined(w, "b"), *other = joined(w, "c");
  set_noise(a, 1, "large", 40000);
  until(w, a->updates == 1);
  set_noise(b, 2, "large too", 40000); /* what is on its way when the quota is reached is still taken */
  until(w, strstr(a->log, "denied") != NULL && strstr(b->log, "denied") != NULL && b->updates == 2);
  set(a, 3, "missed");
  set(other, 4, "k"); /* nobody else's concern */
  until(w, other->updates == 1);
  assert_int_equal(w->counters.updates_missed, 1);
  assert_int_equal(a->code, 0);
  client *late = joined(w, "b");
  assert_true(has(late, "large too") && strstr(late->log, "step2 denied") != NULL);
  assert_int_equal(w->counters.answers_stored, 0);

  /* The same after a restart: the size is found out by loading it. */
  leave(a), leave(b), leave(late), leave(other);
  stop(w);
  start(w);
  a = joined(w, "b"), b = joined(w, "b");
  assert_true(strstr(a->log, "step2 denied") != NULL);
  set(a, 5, "missed");
  some_turns(w);
  assert_int_equal(b->updates, 0);

  gesso_buffer del = { 0 };
  gesso_doc_begin(b->doc);
  assert_int_equal(gesso_map_remove(b->doc, gesso_doc_root(b->doc, text("m"), GESSO_MAP), text("large")), GESSO_OK);
  assert_int_equal(gesso_doc_commit(b->doc, &del), GESSO_OK);
  a->log[0] = '\0';
  say(b, gs_write_update, (gesso_bytes){ del.data, del.len });
  gesso_buffer_free(&del);
  until(w, a->updates == 1 && !has(a, "large"));
  assert_int_equal(store_save(&w->st, "b"), GESSO_OK); /* or a pause of five seconds */
  until(w, strstr(a->log, "step1") != NULL);
  set(a, 5, "missed");
  until(w, has(b, "missed"));
  leave(a);
  leave(b);
}

static void an_update_that_waits_for_another_is_journalled(void **state)
{
  world *w = *state;
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_buffer first = { 0 }, second = { 0 };
  gesso_type t = gesso_doc_root(doc, text("t"), GESSO_TEXT);
  gesso_doc_begin(doc);
  assert_int_equal(gesso_text_insert(doc, t, 0, text("one "), (gesso_bytes){ 0 }), GESSO_OK);
  assert_int_equal(gesso_doc_commit(doc, &first), GESSO_OK);
  gesso_doc_begin(doc);
  assert_int_equal(gesso_text_insert(doc, t, 4, text("two"), (gesso_bytes){ 0 }), GESSO_OK);
  assert_int_equal(gesso_doc_commit(doc, &second), GESSO_OK);

  client *a = joined(w, "b");
  say(a, gs_write_update, (gesso_bytes){ second.data, second.len });
  until(w, w->counters.batches_raw == 1);
  assert_int_equal(store_flush(&w->st), 0);
  leave(a);
  stop(w);
  start(w);

  client *b = joined(w, "b");
  say(b, gs_write_update, (gesso_bytes){ first.data, first.len });
  until(w, b->updates == 1);
  gesso_buffer out = { 0 };
  assert_int_equal(gesso_text_to_string(b->doc, gesso_doc_root(b->doc, text("t"), GESSO_TEXT), &out), GESSO_OK);
  assert_int_equal(out.len, 7);
  assert_memory_equal(out.data, "one two", 7);
  gesso_buffer_free(&out);
  gesso_buffer_free(&first);
  gesso_buffer_free(&second);
  gesso_doc_destroy(doc);
  leave(b);
}

static void a_malformed_update_closes_its_sender_only(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *b = joined(w, "b");
  set(a, 1, "k");
  static const uint8_t noise[] = { 1, 1, 200, 7, 9 };
  say(b, gs_write_update, (gesso_bytes){ noise, sizeof noise });
  assert_int_equal(b->code, 4400);
  set(b, 2, "after the end");
  until(w, a->updates == 1);
  assert_true(has(a, "k") && !has(a, "after the end"));
  assert_int_equal(a->code, 0);
  assert_int_equal(w->counters.updates_bad, 1);
  leave(a);
  leave(b);
}

static void deleted_boards_are_refused(void **state)
{
  world *w = *state;
  client *a = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1);
  assert_int_equal(store_delete(&w->st, "b", 0), GESSO_OK);
  gs_rooms_deleted(&w->rooms, text("b"));
  assert_int_equal(a->code, 4404);
  client *b = join(w, "b"); /* while the room still refuses */
  assert_int_equal(b->code, 4404);
  leave(a);
  leave(b);
  some_turns(w);
  gs_manual_clock_advance_ms(&w->clock, GS_ROOM_LINGER_MS + 1000);
  until(w, w->rooms.count == 0);
  client *c = joined(w, "b"); /* and when the store is asked */
  assert_int_equal(c->code, 4404);
  assert_int_equal(store_create(&w->st, "b"), GESSO_OK);
  gs_rooms_created(&w->rooms, text("b"));
  client *d = joined(w, "b"); /* beside those who have not left yet */
  assert_int_equal(d->code, 0);
  assert_false(has(d, "k"));
  leave(c);
  leave(d);
}

static void a_board_deleted_while_it_loads_is_refused(void **state)
{
  world *w = *state;
  client *a = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1);
  leave(a);
  stop(w);
  start(w);
  client *b = join(w, "b");
  ask(b);
  gs_rooms_deleted(&w->rooms, text("b"));
  until(w, b->code != 0);
  assert_int_equal(b->code, 4404);
  assert_string_equal(b->log, "");
  leave(b);
}

static void a_board_deleted_behind_our_back_is_noticed_by_the_next_update(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *b = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1);
  assert_int_equal(store_delete(&w->st, "b", 0), GESSO_OK);
  set(a, 2, "l");
  until(w, a->code == 4404 && b->code == 4404);
  assert_false(has(b, "l"));
  leave(a);
  leave(b);
}

static void an_unreadable_board_is_refused_and_stays(void **state)
{
  world *w = *state;
  client *a = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1);
  assert_int_equal(store_save(&w->st, "b"), GESSO_OK);
  leave(a);
  stop(w);
  store_sql(&w->st, "UPDATE board_states SET state = x'00112233'");
  start(w);
  client *b = joined(w, "b");
  assert_int_equal(b->code, 4500);
  assert_string_equal(b->log, "");
  leave(b);
  stop(w);
  assert_int_equal(store_sql_int(&w->st, "SELECT count(*) FROM board_states WHERE state = x'00112233'"), 1);
}

/* Its clients come back every few seconds, so it is never without somebody for long. */
static void a_refused_board_is_looked_at_again(void **state)
{
  world *w = *state;
  client *a = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1);
  assert_int_equal(store_save(&w->st, "b"), GESSO_OK);
  leave(a);
  stop(w);
  store_sql(&w->st, "CREATE TABLE kept AS SELECT * FROM board_states");
  store_sql(&w->st, "UPDATE board_states SET state = x'00112233'");
  start(w);
  client *b = joined(w, "b");
  assert_int_equal(b->code, 4500);
  store_sql(&w->st, "UPDATE board_states SET state = (SELECT state FROM kept)");
  client *c = joined(w, "b");
  assert_int_equal(c->code, 4500); /* the same room */
  leave(b);
  gs_manual_clock_advance_ms(&w->clock, GS_ROOM_LINGER_MS);
  some_turns(w);
  client *d = joined(w, "b");
  assert_int_equal(d->code, 0);
  assert_true(has(d, "k"));
  leave(c);
  leave(d);
  some_turns(w);
  gs_manual_clock_advance_ms(&w->clock, GS_ROOM_LINGER_MS + 1000);
  until(w, w->rooms.count == 0);
}

static void an_empty_board_leaves_memory_and_comes_back_the_same(void **state)
{
  world *w = *state;
  client *a = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1);
  leave(a);
  some_turns(w);
  assert_int_equal(w->rooms.count, 1); /* a reload would find it */
  gs_manual_clock_advance_ms(&w->clock, GS_ROOM_LINGER_MS + 1000);
  until(w, w->rooms.count == 0);
  client *b = joined(w, "b");
  assert_true(has(b, "k"));
  assert_int_equal(w->counters.rooms_loaded, 2);
  leave(b);
}

static void a_board_nobody_wrote_on_is_not_made(void **state)
{
  world *w = *state;
  client *a = joined(w, "never");
  say(a, gs_write_step2, (gesso_bytes){ (const uint8_t *)"\0", 2 });
  leave(a);
  some_turns(w);
  assert_int_equal(store_load(&w->st, "never").result, GESSO_LOAD_NEVER_EXISTED);
}

static void nothing_is_encoded_for_a_client_that_does_not_read(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *slow = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1);
  slow->log[0] = '\0';
  slow->lagging = true;
  ask(slow);
  some_turns(w);
  assert_string_equal(slow->log, "");
  slow->lagging = false;
  gs_room_resync(&slow->s);
  until(w, strstr(slow->log, "step2") != NULL);
  assert_true(has(slow, "k"));
  leave(a);
  leave(slow);
}

static void a_slow_client_is_sent_the_whole_state(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *slow = joined(w, "b");
  show(a, 7, 1);
  set(a, 1, "k");
  until(w, a->updates == 1);
  slow->log[0] = '\0';
  gs_room_resync(&slow->s);
  until(w, strstr(slow->log, "step2") != NULL);
  assert_string_equal(slow->log, "step1 presence step2 ");
  assert_true(has(slow, "k"));
  leave(a);
  leave(slow);
}

static void presence_is_announced_once_a_turn_and_ends_with_the_connection(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *b = joined(w, "b");
  a->log[0] = b->log[0] = '\0';
  show(a, 7, 1);
  show(a, 7, 2);
  show(a, 8, 1);
  turn(w);
  assert_string_equal(a->log, "presence "); /* its own too: that feeds its watchdog */
  assert_string_equal(b->log, "presence ");
  show(b, 7, 2); /* the echo of a stock provider */
  turn(w);
  assert_string_equal(a->log, "presence ");
  leave(a);
  turn(w);
  assert_string_equal(b->log, "presence presence ");
  leave(b);
}

static void sessions_may_leave_while_the_board_is_loading(void **state)
{
  world *w = *state;
  client *a = join(w, "b");
  ask(a);
  set(a, 1, "unheard");
  leave(a);
  client *b = joined(w, "b");
  assert_false(has(b, "unheard"));
  leave(b);
}

static void the_title_is_read_from_the_document(void **state)
{
  (void)state;
  gesso_doc *doc = gesso_doc_create(NULL);
  gs_buf title = gs_buf_make(NULL);
  assert_false(gs_doc_title(doc, &title));
  gesso_type meta = gesso_doc_root(doc, text("meta"), GESSO_MAP);
  gesso_value v = { .kind = GESSO_VALUE_STRING, .bytes = text("Plan \"A\" \xc3\xa9\\") };
  assert_int_equal(gesso_map_set(doc, meta, text("title"), v, NULL), GESSO_OK);
  assert_true(gs_doc_title(doc, &title));
  assert_int_equal(title.b.len, v.bytes.len);
  assert_memory_equal(title.b.data, v.bytes.data, v.bytes.len);

  gs_buf_clear(&title);
  v = (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = 5 };
  assert_int_equal(gesso_map_set(doc, meta, text("title"), v, NULL), GESSO_OK);
  assert_false(gs_doc_title(doc, &title));

  static uint8_t lots[4 * GS_LIMIT_TITLE_LEN];
  for (size_t i = 0; i < sizeof lots; i += 2)
    memcpy(lots + i, "\xc3\xa9", 2);
  lots[0] = lots[1] = 'x'; /* so that the cut falls into a character, or not, but never halves one */
  v = (gesso_value){ .kind = GESSO_VALUE_STRING, .bytes = { lots, sizeof lots } };
  assert_int_equal(gesso_map_set(doc, meta, text("title"), v, NULL), GESSO_OK);
  assert_true(gs_doc_title(doc, &title));
  assert_in_range(title.b.len, GS_LIMIT_TITLE_LEN - 2, GS_LIMIT_TITLE_LEN);
  assert_memory_equal(title.b.data, lots, title.b.len);
  assert_int_equal(title.b.len % 2, 0);
  gs_buf_finish(&title);
  gesso_doc_destroy(doc);
}

#define ROOM_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* ---- where other servers lost something (docs/testing.md has the list) --------------------------- */

/* Everybody has left, and time passes until all rooms are dropped: not before everything is stored. */
static void unload(world *w)
{
  for (int i = 0; w->rooms.count != 0; i++) {
    if (i > 3000)
      fail_msg("a room stays in memory");
    gs_manual_clock_advance_ms(&w->clock, 1000);
    turn(w);
    turn(w); /* nothing is due: the disk has its time, too */
  }
}

static void a_store_that_fails_once_while_the_last_client_leaves_loses_nothing(void **state)
{
  world *w = *state;
  client *a = joined(w, "b");
  set(a, 1, "before");
  until(w, a->updates == 1);
  atomic_store(&w->st.disk.fail_writes, 1);
  set(a, 2, "last");
  leave(a); /* in the turn of its update */
  unload(w);
  assert_int_equal(store_stats(&w->st).write_failures, 1);
  client *b = joined(w, "b");
  assert_true(has(b, "last"));
  leave(b);
}

static void who_leaves_and_returns_during_a_save_finds_everything(void **state)
{
  world *w = *state;
  client *a = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1);
  leave(a);
  atomic_store(&w->st.disk.hold_syncs, true);
  unload(w);
  until(w, store_stats(&w->st).folds == 1); /* the save that leaving asked for */
  client *b = joined(w, "b");
  assert_true(has(b, "k"));
  set(b, 2, "l");
  leave(b);
  client *c = joined(w, "b");
  assert_true(has(c, "k") && has(c, "l"));
  atomic_store(&w->st.disk.hold_syncs, false);
  assert_int_equal(store_flush(&w->st), 0);
  leave(c);
  stop(w);
  start(w);
  c = joined(w, "b");
  assert_true(has(c, "k") && has(c, "l"));
  leave(c);
}

static void who_comes_and_goes_on_a_board_that_failed_to_load_changes_nothing(void **state)
{
  world *w = *state;
  client *a = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1);
  assert_int_equal(store_save(&w->st, "b"), GESSO_OK);
  leave(a);
  stop(w);
  store_sql(&w->st, "CREATE TABLE kept AS SELECT * FROM board_states");
  store_sql(&w->st, "UPDATE board_states SET state = x'00112233'");
  start(w);
  for (int i = 0; i < 3; i++) {
    client *b = joined(w, "b");
    assert_int_equal(b->code, 4500);
    set(b, 2, "in vain");
    leave(b);
    unload(w);
  }
  assert_int_equal(store_stats(&w->st).updates_appended, 0);
  store_sql(&w->st, "UPDATE board_states SET state = (SELECT state FROM kept)");
  a = joined(w, "b");
  assert_true(has(a, "k") && !has(a, "in vain"));
  leave(a);
}

static void a_board_deleted_with_clients_and_a_save_pending_stays_deleted(void **state)
{
  world *w = *state;
  client *a = joined(w, "b"), *b = joined(w, "b");
  set(a, 1, "k");
  until(w, a->updates == 1 && b->updates == 1);
  atomic_store(&w->st.disk.hold_syncs, true);
  bool saved = false, gone = false;
  assert_int_equal(gesso_board_persistence_save(w->st.p, text("b"), set_flag, &saved), GESSO_OK);
  set(b, 2, "l");
  turn(w);
  assert_int_equal(gesso_board_persistence_delete(w->st.p, text("b"), 0, set_flag, &gone), GESSO_OK);
  set(a, 3, "m"); /* nobody told the room yet */
  turn(w);
  gs_rooms_deleted(&w->rooms, text("b"));
  assert_true(a->code == 4404 && b->code == 4404);
  atomic_store(&w->st.disk.hold_syncs, false);
  until(w, saved && gone);
  leave(a);
  leave(b);
  stop(w);
  start(w);
  a = joined(w, "b");
  assert_int_equal(a->code, 4404);
  leave(a);
}

/* A room that is made anew from the store is the same document, not another one with the same content: who returns with
 * everything brings nothing new. */
static void a_returning_client_does_not_double_the_content(void **state)
{
  world *w = *state;
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_buffer all = { 0 }, out = { 0 };
  gesso_type t = gesso_doc_root(doc, text("t"), GESSO_TEXT);
  assert_int_equal(gesso_text_insert(doc, t, 0, text("only once"), (gesso_bytes){ 0 }), GESSO_OK);
  assert_int_equal(gesso_doc_encode_v1(doc, (gesso_bytes){ 0 }, &all, NULL), GESSO_OK);
  gesso_doc_destroy(doc);
  for (int i = 0; i < 4; i++) {
    client *a = joined(w, "b");
    say(a, gs_write_step2, (gesso_bytes){ all.data, all.len });
    if (i == 0)
      until(w, a->updates == 1);
    some_turns(w);
    client *b = joined(w, "b");
    assert_int_equal(gesso_text_to_string(b->doc, gesso_doc_root(b->doc, text("t"), GESSO_TEXT), &out), GESSO_OK);
    assert_int_equal(out.len, strlen("only once"));
    gesso_buffer_free(&out);
    leave(a);
    leave(b);
    if (i == 1)
      assert_int_equal(store_save(&w->st, "b"), GESSO_OK);
    unload(w);
  }
  assert_int_equal(store_stats(&w->st).updates_appended, 1);
  gesso_buffer_free(&all);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    ROOM_TEST(a_question_waits_until_the_board_is_loaded),
    ROOM_TEST(others_see_an_update_after_the_write_and_its_author_after_the_sync),
    ROOM_TEST(nothing_leaves_before_it_is_written_neither_to_those_here_nor_to_newcomers),
    ROOM_TEST(what_a_turn_brings_goes_out_as_one_update),
    ROOM_TEST(authors_may_leave_while_their_update_is_under_way),
    ROOM_TEST(newcomers_share_one_encoded_state),
    ROOM_TEST(a_full_disk_makes_boards_read_only_until_there_is_room),
    ROOM_TEST(newcomers_to_a_full_disk_see_what_is_stored),
    ROOM_TEST(a_board_nobody_stored_yet_can_be_joined_while_the_disk_is_full),
    ROOM_TEST(a_full_board_takes_deletions_only_until_there_is_room),
    ROOM_TEST(an_update_that_waits_for_another_is_journalled),
    ROOM_TEST(a_malformed_update_closes_its_sender_only),
    ROOM_TEST(deleted_boards_are_refused),
    ROOM_TEST(a_board_deleted_while_it_loads_is_refused),
    ROOM_TEST(a_board_deleted_behind_our_back_is_noticed_by_the_next_update),
    ROOM_TEST(an_unreadable_board_is_refused_and_stays),
    ROOM_TEST(a_refused_board_is_looked_at_again),
    ROOM_TEST(an_empty_board_leaves_memory_and_comes_back_the_same),
    ROOM_TEST(a_board_nobody_wrote_on_is_not_made),
    ROOM_TEST(nothing_is_encoded_for_a_client_that_does_not_read),
    ROOM_TEST(a_slow_client_is_sent_the_whole_state),
    ROOM_TEST(presence_is_announced_once_a_turn_and_ends_with_the_connection),
    ROOM_TEST(sessions_may_leave_while_the_board_is_loading),
    ROOM_TEST(a_store_that_fails_once_while_the_last_client_leaves_loses_nothing),
    ROOM_TEST(who_leaves_and_returns_during_a_save_finds_everything),
    ROOM_TEST(who_comes_and_goes_on_a_board_that_failed_to_load_changes_nothing),
    ROOM_TEST(a_board_deleted_with_clients_and_a_save_pending_stays_deleted),
    ROOM_TEST(a_returning_client_does_not_double_the_content),
    cmocka_unit_test(the_title_is_read_from_the_document),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
