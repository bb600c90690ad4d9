/* Messages of the sync protocol and presence, from hostile peers.
 *
 * Must never: crash, read outside the input, hold more than the limits of the presence table allow,
 * relay an entry that is not newer, or lose count. The input is a row of frames, each with a length
 * byte pair and a selector for who sends it; between frames peers leave and time passes. The first
 * byte says whether clocks of the departed are forgotten soon; if not, somebody who hears every
 * announcement must hold what the table holds. What a frame says is written again and must read the
 * same; the table copied through its own encoding must be equal. A participant of the public API hears every frame, too:
 * it must stay present whatever the others say, and what it reports must add up to what it holds. */
#include "fuzz.h"

#include "gesso/awareness.h"
#include "sync/awareness.h"
#include "sync/dialect.h"
#include "sync/message.h"
#include "wire/writer.h"

enum { OWNERS = 4, IDS_MAX = 6, OWNER_IDS_MAX = 3, DEPARTED_MAX = 4, STATE_MAX = 64, STATES_MAX = 128 };
enum { MEMORY_MAX = 16 << 20 }; /* far more than an input of libFuzzer's size can ask for */

enum { SELF = 7 };

/* How many the participant holds, by what it reported. */
static void count(void *ctx, gesso_awareness *self, const gesso_awareness_event *e)
{
  size_t *present = (size_t *)ctx;
  gesso_buffer b;
  FUZZ_CHECK(gesso_awareness_encode(self, e->clients, e->nclients, &b) == GESSO_OK && b.len > 0);
  gesso_buffer_free(&b);
  FUZZ_CHECK(e->nclients == e->nadded + e->nupdated + e->nremoved && e->nclients > 0 && e->nchanged <= e->nupdated);
  *present += e->nadded;
  FUZZ_CHECK(*present >= e->nremoved);
  *present -= e->nremoved;
}

static gesso_bytes as_it_is(void *ctx, uint64_t client, gesso_bytes state)
{
  (void)ctx;
  (void)client;
  return state;
}

static void take_part(gesso_awareness *self, gesso_bytes body, uint64_t now, gesso_status want)
{
  gesso_error err = { 0 };
  gesso_buffer copy = { 0 }, again = { 0 };
  gesso_status st = gesso_awareness_apply(self, body, (gesso_bytes){ NULL, 0 }, now, &err);
  FUZZ_CHECK(st == want || want == GESSO_E_NOMEM);
  FUZZ_CHECK(st == GESSO_OK || (err.offset <= body.len && err.message != NULL));
  FUZZ_CHECK(gesso_awareness_modify(body, as_it_is, NULL, &copy, &err) == st);
  if (st != GESSO_OK)
    return;
  gesso_bytes read = { copy.data, copy.len };
  FUZZ_CHECK(gesso_awareness_modify(read, as_it_is, NULL, &again, NULL) == GESSO_OK);
  FUZZ_CHECK(fuzz_same(read, (gesso_bytes){ again.data, again.len }));
  gesso_buffer_free(&copy);
  gesso_buffer_free(&again);
}

static void check_self(gesso_awareness *self, size_t present)
{
  gesso_buffer b;
  FUZZ_CHECK(gesso_awareness_state(self, SELF).len > 0);
  FUZZ_CHECK(gesso_awareness_clients(self, NULL, 0) == present && present <= IDS_MAX);
  uint64_t ids[IDS_MAX];
  for (size_t i = gesso_awareness_clients(self, ids, IDS_MAX); i-- > 0;)
    FUZZ_CHECK(gesso_awareness_state(self, ids[i]).len <= STATE_MAX);
  FUZZ_CHECK(gesso_awareness_to_json(self, &b) == GESSO_OK);
  gesso_buffer_free(&b);
}

/* Writes a message again and reads it back. */
static void round_trip(const gs_message *m)
{
  gs_buf buf = gs_buf_make(NULL);
  switch (m->kind) {
  case GS_MESSAGE_STEP1:
    gs_write_step1(&buf, m->body);
    break;
  case GS_MESSAGE_STEP2:
    gs_write_step2(&buf, m->body);
    break;
  case GS_MESSAGE_UPDATE:
    gs_write_update(&buf, m->body);
    break;
  case GS_MESSAGE_AWARENESS:
    gs_write_awareness(&buf, m->body);
    break;
  case GS_MESSAGE_DENIED:
    gs_write_denied(&buf, m->body);
    break;
  case GS_MESSAGE_QUERY:
    gs_write_query(&buf);
    break;
  case GS_MESSAGE_UNKNOWN:
    gs_buf_finish(&buf);
    return;
  }
  gs_message again;
  gs_reader rd = gs_reader_of(gs_buf_bytes(&buf));
  FUZZ_CHECK(gs_message_next(&rd, &again));
  FUZZ_CHECK(again.kind == m->kind && fuzz_same(again.body, m->body));
  FUZZ_CHECK(!gs_message_next(&rd, &again) && rd.err == GESSO_OK);
  gs_buf_finish(&buf);
}

static void announce(gs_awareness *aw, gs_awareness *listener, gs_awareness_owner *ear, uint64_t now, bool forgets)
{
  gs_buf body = gs_buf_make(NULL);
  gs_awareness_counts counts = { 0 };
  uint32_t n = gs_awareness_take_changes(aw, &body);
  if (n != 0) {
    FUZZ_CHECK(gs_awareness_apply(listener, ear, now, gs_buf_bytes(&body), &counts, NULL) == GESSO_OK);
    FUZZ_CHECK(counts.refused == 0 && counts.taken + counts.stale == n);
  }
  /* A clock that was forgotten may be taken again where others still remember it. */
  FUZZ_CHECK(forgets || gs_awareness_present(listener) == gs_awareness_present(aw));
  FUZZ_CHECK(forgets || gs_awareness_states_len(listener) == gs_awareness_states_len(aw));
  gs_buf_finish(&body);
}

static void copy_through_encoding(gs_awareness *aw, const gs_awareness_limits *roomy)
{
  gs_buf all = gs_buf_make(NULL);
  gs_awareness *copy = gs_awareness_create(NULL, roomy);
  gs_awareness_owner owner = { 0 };
  gs_awareness_counts counts = { 0 };
  uint32_t n = gs_awareness_encode(aw, &all);
  if (n != 0)
    FUZZ_CHECK(gs_awareness_apply(copy, &owner, 0, gs_buf_bytes(&all), &counts, NULL) == GESSO_OK);
  FUZZ_CHECK(counts.taken == n && gs_awareness_states_len(copy) == gs_awareness_states_len(aw));
  gs_awareness_destroy(copy);
  gs_buf_finish(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  gs_awareness_limits tight = {
    .ids_max = IDS_MAX, .owner_ids_max = OWNER_IDS_MAX, .departed_max = DEPARTED_MAX,
    .state_len_max = STATE_MAX, .states_len_max = STATES_MAX,
  };
  static const gs_awareness_limits roomy = {
    .ids_max = 100000, .owner_ids_max = 100000, .departed_max = 1000000,
    .state_len_max = 1 << 20, .states_len_max = 1 << 24,
  };
  gs_reader in = gs_reader_of((gesso_bytes){ data, size });
  bool forgets = (gs_read_u8(&in) & 1) != 0;
  if (!forgets)
    tight.departed_max = roomy.departed_max;
  fuzz_memory memory;
  fuzz_memory_init(&memory, MEMORY_MAX);
  gs_awareness *aw = gs_awareness_create(&memory.alloc, &tight), *listener = gs_awareness_create(NULL, &roomy);
  gs_awareness_owner owners[OWNERS] = { 0 }, ear = { 0 };
  gesso_awareness_options options = {
    .size = sizeof options, .alloc = &memory.alloc, .client_id = SELF,
    .clients_max = IDS_MAX, .state_bytes_max = STATE_MAX, .states_bytes_max = STATES_MAX,
  };
  gesso_awareness *self = gesso_awareness_create(&options, 0);
  size_t present = 1;
  gesso_awareness_on_change(self, count, &present);
  uint64_t now = 0;
  while (gs_reader_left(&in) != 0) {
    uint8_t what = gs_read_u8(&in);
    gs_awareness_owner *who = &owners[what % OWNERS];
    now += (uint64_t)(what >> 6) * 4000;
    if ((what & 0x3c) == 0x3c) {
      gs_awareness_leave(aw, who);
      FUZZ_CHECK(who->count == 0);
      const uint64_t gone[] = { what >> 6, 1, (what >> 6) + 256 };
      FUZZ_CHECK(gesso_awareness_remove(self, gone, 3, (gesso_bytes){ NULL, 0 }, now) == GESSO_OK);
    } else if ((what & 0x3c) == 0x38) {
      gs_awareness_expire(aw, now);
      FUZZ_CHECK(gs_awareness_next_expiry(aw) > now);
      FUZZ_CHECK(gesso_awareness_tick(self, now) == GESSO_OK && gesso_awareness_next_tick(self) > now);
    } else if ((what & 0x3c) == 0x34) {
      announce(aw, listener, &ear, now, forgets);
      const uint8_t digit = '0' + (what & 3);
      gesso_status s = gesso_awareness_set_local_field(self, (gesso_bytes){ &digit, 1 }, (gesso_bytes){ &digit, 1 }, now);
      FUZZ_CHECK(s == GESSO_OK || s == GESSO_E_LIMIT || s == GESSO_E_USAGE);
    } else {
      size_t len = (size_t)gs_read_u8(&in) | (size_t)(gs_read_u8(&in) & 3) << 8;
      gesso_bytes raw = gs_read_raw(&in, GS_MIN(len, gs_reader_left(&in)));
      gesso_bytes frame = fuzz_own(raw.data, raw.len);
      (void)gs_dialect_of(frame, frame);
      gs_reader rd = gs_reader_of(frame);
      gs_message m;
      while (gs_message_next(&rd, &m)) {
        round_trip(&m);
        if (m.kind != GS_MESSAGE_AWARENESS)
          continue;
        gs_awareness_counts counts;
        gesso_error err = { 0 };
        gesso_status s = gs_awareness_apply(aw, who, now, m.body, &counts, &err);
        FUZZ_CHECK(s == GESSO_OK || (counts.taken == 0 && err.offset <= m.body.len && err.message != NULL));
        take_part(self, m.body, now, s);
      }
      FUZZ_CHECK(rd.err == GESSO_OK || rd.err_offset <= frame.len);
      fuzz_free(frame);
    }
    FUZZ_CHECK(gs_awareness_check(aw));
    check_self(self, present);
    FUZZ_CHECK(gs_awareness_present(aw) <= IDS_MAX && gs_awareness_states_len(aw) <= STATES_MAX);
    for (size_t i = 0; i < OWNERS; i++)
      FUZZ_CHECK(owners[i].count <= OWNER_IDS_MAX);
  }
  announce(aw, listener, &ear, now, forgets);
  copy_through_encoding(aw, &roomy);
  gs_awareness_destroy(aw);
  gs_awareness_destroy(listener);
  gesso_awareness_destroy(self);
  FUZZ_CHECK(memory.held == 0);
  return 0;
}
