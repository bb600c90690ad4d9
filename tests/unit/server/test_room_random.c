/* Random days of a board: clients draw, leave without a word, come back with what they drew meanwhile,
 * read slowly; the disk is late, fails and fills up; the server is stopped and started. In the end,
 * when all is well again, everybody must hold the same, and all that anybody ever drew.
 *
 * `GESSO_SEED=n` runs one day again, `GESSO_DAYS=n` more of them. */
#include "store_fixture.h"

#include "gesso/types.h"
#include "server/limits.h"
#include "server/room.h"
#include "sync/message.h"
#include "wire/writer.h"

#include <stdio.h>

enum { PEERS = 6, STEPS = 400 };

typedef struct peer {
  gs_session s;
  gesso_doc *doc;
  uint64_t id;
  uint32_t drawn;      /* keys "<id>.<n>" it set, n below this */
  bool online, closed, synced;
  gs_buf inbox;        /* what it was sent and has not read: u32be length, bytes */
} peer;

typedef struct world {
  store st;
  gs_manual_clock clock;
  gs_loop *loop;
  gs_counters counters;
  gs_rooms rooms;
  peer peers[PEERS];
  uint64_t seed;
} world;

static uint32_t roll(world *w, uint32_t n)
{
  w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(w->seed >> 33) % n;
}

/* ---- peers ------------------------------------------------------------------------------------- */

static bool peer_send(gs_session *session, gs_frame *frame)
{
  peer *p = (peer *)session;
  gs_write_u32be(&p->inbox, (uint32_t)(frame->len - frame->header_len));
  gs_buf_write(&p->inbox, frame->data + frame->header_len, frame->len - frame->header_len);
  return true;
}

static void peer_close(gs_session *session, uint16_t code, const char *reason)
{
  peer *p = (peer *)session;
  if (code != GS_WS_CODE_TRY_LATER && code != GS_WS_CODE_INTERNAL)
    fail_msg("closed with %u: %s", code, reason);
  p->closed = true;
}

static void peer_pause(gs_session *session)
{
  (void)session;
}

static bool peer_takes(gs_session *session)
{
  (void)session;
  return true;
}

static const gs_session_ops ops = { peer_send, peer_takes, peer_close, peer_pause, peer_pause };

static void say(peer *p, void (*write)(gs_buf *, gesso_bytes), gesso_bytes body)
{
  if (p->s.room == NULL)
    return;
  gs_buf buf = gs_buf_make(NULL);
  write(&buf, body);
  gs_room_receive(&p->s, gs_buf_bytes(&buf));
  gs_buf_finish(&buf);
}

static void come(world *w, peer *p)
{
  gesso_buffer vector = { 0 };
  memset(&p->s, 0, sizeof p->s);
  p->s.ops = &ops;
  p->online = true;
  p->closed = p->synced = false;
  (void)gs_rooms_join(&w->rooms, text("b"), &p->s);
  assert_int_equal(gesso_doc_state_vector(p->doc, &vector), GESSO_OK);
  say(p, gs_write_step1, (gesso_bytes){ vector.data, vector.len });
  gesso_buffer_free(&vector);
}

static void go(peer *p)
{
  gs_room_leave(&p->s);
  p->online = false;
  gs_buf_clear(&p->inbox);
}

static void hear(peer *p)
{
  gs_buf inbox = p->inbox;
  p->inbox = gs_buf_make(NULL);
  gs_reader all = gs_reader_of(gs_buf_bytes(&inbox));
  while (gs_reader_left(&all) != 0 && p->online) {
    gs_reader rd = gs_reader_of(gs_read_raw(&all, gs_read_u32be(&all)));
    gs_message m;
    assert_true(gs_message_next(&rd, &m));
    if (m.kind == GS_MESSAGE_STEP1) {
      gesso_buffer diff = { 0 };
      assert_int_equal(gesso_doc_encode_v1(p->doc, m.body, &diff, NULL), GESSO_OK);
      say(p, gs_write_step2, (gesso_bytes){ diff.data, diff.len });
      gesso_buffer_free(&diff);
    } else if (m.kind == GS_MESSAGE_STEP2 || m.kind == GS_MESSAGE_UPDATE) {
      assert_int_equal(gesso_doc_apply_v1(p->doc, m.body, NULL), GESSO_OK);
      p->synced |= m.kind == GS_MESSAGE_STEP2;
    }
  }
  gs_buf_finish(&inbox);
}

/* Clients draw whether or not they are connected; what they draw offline goes out with their step 2. */
static void draw(world *w, peer *p)
{
  char key[32];
  gesso_buffer update = { 0 };
  gesso_type map = gesso_doc_root(p->doc, text("m"), GESSO_MAP);
  gesso_type log = gesso_doc_root(p->doc, text("t"), GESSO_TEXT);
  gesso_value v = { .kind = GESSO_VALUE_NUMBER, .number = (double)roll(w, 1000) };
  gesso_doc_begin(p->doc);
  (void)snprintf(key, sizeof key, "%u.%u", (unsigned)p->id, p->drawn++);
  assert_int_equal(gesso_map_set(p->doc, map, text(key), v, NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(p->doc, map, text("shared"), v, NULL), GESSO_OK);
  uint64_t len = gesso_type_length(p->doc, log);
  assert_int_equal(gesso_text_insert(p->doc, log, len == 0 ? 0 : roll(w, (uint32_t)len), text("ab"), (gesso_bytes){ 0 }),
                   GESSO_OK);
  if (len > 10)
    assert_int_equal(gesso_text_remove(p->doc, log, roll(w, (uint32_t)len - 3), 3), GESSO_OK);
  assert_int_equal(gesso_doc_commit(p->doc, &update), GESSO_OK);
  if (p->online)
    say(p, gs_write_update, (gesso_bytes){ update.data, update.len });
  gesso_buffer_free(&update);
}

/* ---- the world --------------------------------------------------------------------------------- */

static void on_event(void *ctx, const gesso_persistence_event *event)
{
  world *w = ctx;
  if (event->kind == GESSO_EVENT_WRITES_FAIL && event->status == GESSO_E_FULL)
    gs_rooms_set_read_only(&w->rooms, true);
  if (event->kind == GESSO_EVENT_WRITES_WORK)
    gs_rooms_set_read_only(&w->rooms, false);
}

static void start(world *w)
{
  store_open(&w->st);
  gs_manual_clock_init(&w->clock, w->clock.us + 1000000, 1700000000000);
  assert_int_equal(gs_loop_create(NULL, &w->clock.clock, &w->loop), GESSO_OK);
  assert_int_equal(gs_rooms_init(&w->rooms, w->loop, w->st.p, &w->counters), GESSO_OK);
  gesso_persistence_on_event(w->st.p, on_event, w);
}

static void heal(world *w)
{
  atomic_store(&w->st.disk.hold_syncs, false);
  atomic_store(&w->st.disk.fail_syncs, 0);
  atomic_store(&w->st.disk.fail_writes, 0);
}

static void stop(world *w)
{
  heal(w);
  gs_rooms_stop(&w->rooms);
  assert_int_equal(store_close(&w->st), 0);
  for (int i = 0; i < PEERS; i++)
    if (w->peers[i].online)
      go(&w->peers[i]);
  gs_rooms_finish(&w->rooms);
  gs_loop_destroy(w->loop);
}

static void turn(world *w, int wait_ms)
{
  assert_int_equal(gs_loop_turn(w->loop, wait_ms), GESSO_OK);
  gs_manual_clock_advance_ms(&w->clock, 1 + roll(w, 20));
  for (int i = 0; i < PEERS; i++)
    if (w->peers[i].closed)
      go(&w->peers[i]), w->peers[i].closed = false;
}

static void step(world *w)
{
  peer *p = &w->peers[roll(w, PEERS)];
  uint32_t what = roll(w, 100);
  if (what < 40)
    draw(w, p);
  else if (what < 65)
    hear(p);
  else if (what < 72)
    p->online ? go(p) : come(w, p);
  else if (what < 74 && p->online)
    gs_buf_clear(&p->inbox), gs_room_resync(&p->s); /* its queue was dropped */
  else if (what < 77)
    atomic_store(&w->st.disk.hold_syncs, roll(w, 2) != 0);
  else if (what < 79)
    atomic_store(&w->st.disk.fail_syncs, (int)roll(w, 2));
  else if (what < 81)
    atomic_store(&w->st.disk.full, roll(w, 2) != 0), atomic_store(&w->st.disk.fail_writes, roll(w, 3) == 0 ? -1 : 0);
  else if (what < 82)
    gs_manual_clock_advance_ms(&w->clock, GS_ROOM_LINGER_MS + 1000);
  else if (what < 83 && roll(w, 4) == 0)
    stop(w), start(w);
  else
    turn(w, roll(w, 3) == 0 ? 1 : 0);
}

static void json_of(gesso_doc *doc, gesso_buffer *map, gesso_buffer *log)
{
  assert_int_equal(gesso_text_to_string(doc, gesso_doc_root(doc, text("t"), GESSO_TEXT), log), GESSO_OK);
  (void)!gesso_map_get_json(doc, gesso_doc_root(doc, text("m"), GESSO_MAP), text("shared"), map); /* may not be set yet */
}

static bool equal(gesso_doc *a, gesso_doc *b)
{
  gesso_buffer map[2] = { { 0 } }, log[2] = { { 0 } }, vector[2] = { { 0 } };
  json_of(a, &map[0], &log[0]);
  json_of(b, &map[1], &log[1]);
  assert_int_equal(gesso_doc_state_vector_json(a, &vector[0]), GESSO_OK);
  assert_int_equal(gesso_doc_state_vector_json(b, &vector[1]), GESSO_OK);
  bool same = true;
  gesso_buffer *all[] = { map, log, vector };
  for (int i = 0; i < 3; i++) {
    gesso_buffer *x = &all[i][0], *y = &all[i][1]; /* both without data when nobody has met yet */
    same = same && x->len == y->len && (x->len == 0 || memcmp(x->data, y->data, x->len) == 0);
    gesso_buffer_free(x);
    gesso_buffer_free(y);
  }
  return same;
}

static void everybody_draws_once_more_and_meets(world *w)
{
  heal(w);
  bool done = false;
  for (int i = 0; i < PEERS; i++) {
    if (!w->peers[i].online)
      come(w, &w->peers[i]);
    draw(w, &w->peers[i]);
  }
  for (int turns = 0; !done; turns++) {
    if (turns > 20000)
      fail_msg("they do not meet");
    turn(w, 1);
    done = true;
    for (int i = 0; i < PEERS; i++) {
      if (!w->peers[i].online)
        come(w, &w->peers[i]);
      hear(&w->peers[i]);
      done = done && w->peers[i].synced && equal(w->peers[0].doc, w->peers[i].doc);
    }
    done = done && !w->rooms.read_only;
  }
}

static void one_day(uint64_t seed)
{
  world *w = calloc(1, sizeof *w);
  w->seed = seed;
  store_init(&w->st);
  start(w);
  for (int i = 0; i < PEERS; i++) {
    peer *p = &w->peers[i];
    p->id = (uint64_t)i + 1;
    gesso_doc_options options = { .size = sizeof options, .client_id = p->id };
    p->doc = gesso_doc_create(&options);
    p->inbox = gs_buf_make(NULL);
    assert_non_null(p->doc);
  }
  for (int i = 0; i < STEPS; i++)
    step(w);
  everybody_draws_once_more_and_meets(w);
  for (int i = 0; i < PEERS; i++)
    for (uint32_t n = 0; n < w->peers[i].drawn; n++) {
      char key[32];
      gesso_buffer out = { 0 };
      gesso_doc *doc = w->peers[0].doc;
      (void)snprintf(key, sizeof key, "%d.%u", i + 1, n);
      assert_int_equal(gesso_map_get_json(doc, gesso_doc_root(doc, text("m"), GESSO_MAP), text(key), &out), GESSO_OK);
      gesso_buffer_free(&out);
    }
  stop(w);
  /* What is on the disk is what they hold. */
  store_open(&w->st);
  loaded l = store_load(&w->st, "b");
  assert_int_equal(l.result, GESSO_LOAD_FOUND);
  assert_true(equal(w->peers[0].doc, l.doc));
  gesso_doc_destroy(l.doc);
  for (int i = 0; i < PEERS; i++) {
    gesso_doc_destroy(w->peers[i].doc);
    gs_buf_finish(&w->peers[i].inbox);
  }
  store_finish(&w->st);
  free(w);
}

static void after_any_day_everybody_holds_all_that_was_drawn(void **state)
{
  (void)state;
  const char *only = getenv("GESSO_SEED"), *days = getenv("GESSO_DAYS");
  uint64_t first = only != NULL ? strtoull(only, NULL, 10) : 1;
  uint64_t count = only != NULL ? 1 : days != NULL ? strtoull(days, NULL, 10) : 12;
  for (uint64_t seed = first; seed < first + count; seed++) {
    print_message("GESSO_SEED=%llu\n", (unsigned long long)seed);
    one_day(seed);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test(after_any_day_everybody_holds_all_that_was_drawn) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
