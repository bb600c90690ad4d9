#include "sync/awareness.h"

#include "bytes.h"

#include <stdio.h>
#include <stdlib.h>

static const gs_awareness_limits roomy = {
  .ids_max = 100, .owner_ids_max = 50, .departed_max = 100, .state_len_max = 1000, .states_len_max = 10000,
};

typedef struct one {
  uint64_t client, clock;
  const char *state;
} one;

static gs_buf update_of(const one *entries, size_t n)
{
  gs_buf buf = gs_buf_make(NULL);
  gs_write_varuint(&buf, n);
  for (size_t i = 0; i < n; i++) {
    gs_write_varuint(&buf, entries[i].client);
    gs_write_varuint(&buf, entries[i].clock);
    gs_write_bytes(&buf, (gesso_bytes){ (const uint8_t *)entries[i].state, strlen(entries[i].state) });
  }
  return buf;
}

/* Applies one entry; 1 when it was taken. */
static uint32_t say(gs_awareness *aw, gs_awareness_owner *who, uint64_t now, uint64_t client, uint64_t clock,
                    const char *state)
{
  gs_buf u = update_of(&(one){ client, clock, state }, 1);
  gs_awareness_counts counts;
  assert_int_equal(gs_awareness_apply(aw, who, now, gs_buf_bytes(&u), &counts, NULL), GESSO_OK);
  assert_int_equal(counts.taken + counts.stale + counts.refused, 1);
  gs_buf_finish(&u);
  assert_true(gs_awareness_check(aw));
  return counts.taken;
}

/* The pending changes as text: "7@1 {} 8@2 null". */
static const char *changes(gs_awareness *aw)
{
  static char text[4096];
  gs_buf body = gs_buf_make(NULL);
  uint32_t n = gs_awareness_take_changes(aw, &body);
  gs_reader rd = gs_reader_of(gs_buf_bytes(&body));
  size_t len = 0;
  text[0] = '\0';
  if (n != 0)
    assert_int_equal(gs_read_varuint(&rd), n);
  for (uint32_t i = 0; i < n; i++) {
    unsigned long long client = gs_read_varuint(&rd), clock = gs_read_varuint(&rd);
    gesso_bytes state = gs_read_string(&rd);
    len += (size_t)snprintf(text + len, sizeof text - len, "%s%llu@%llu %.*s", i == 0 ? "" : " ", client, clock,
                            (int)state.len, (const char *)state.data);
  }
  assert_int_equal(rd.err, GESSO_OK);
  assert_int_equal(gs_reader_left(&rd), 0);
  gs_buf_finish(&body);
  assert_true(gs_awareness_check(aw));
  return text;
}

static void the_first_frame_of_a_stock_client_changes_nothing(void **state)
{
  (void)state;
  gs_awareness *aw = gs_awareness_create(NULL, &roomy);
  gs_awareness_owner a = { 0 };
  assert_int_equal(say(aw, &a, 0, 7, 0, "{}"), 0);
  assert_int_equal(say(aw, &a, 0, 7, 0, "null"), 0);
  assert_string_equal(changes(aw), "");
  assert_int_equal(a.count, 0);
  gs_awareness_destroy(aw);
}

static void only_what_is_newer_is_announced_once(void **state)
{
  (void)state;
  gs_awareness *aw = gs_awareness_create(NULL, &roomy);
  gs_awareness_owner a = { 0 }, b = { 0 };
  assert_int_equal(say(aw, &a, 0, 7, 1, "{\"x\":1}"), 1);
  assert_string_equal(changes(aw), "7@1 {\"x\":1}");
  assert_int_equal(say(aw, &b, 0, 7, 1, "{\"x\":1}"), 0); /* the echo that providers send back */
  assert_int_equal(say(aw, &b, 0, 7, 0, "{}"), 0);
  assert_string_equal(changes(aw), "");
  assert_int_equal(a.count, 1);
  assert_int_equal(b.count, 0);

  assert_int_equal(say(aw, &a, 1, 7, 2, "{\"x\":2}"), 1);
  assert_int_equal(say(aw, &a, 2, 7, 3, "{\"x\":3}"), 1);
  assert_string_equal(changes(aw), "7@3 {\"x\":3}"); /* two moves of one turn: the newer */
  gs_awareness_destroy(aw);
}

static void equal_clock_removes_and_never_revives(void **state)
{
  (void)state;
  gs_awareness *aw = gs_awareness_create(NULL, &roomy);
  gs_awareness_owner a = { 0 };
  (void)say(aw, &a, 0, 7, 4, "{}");
  (void)changes(aw);
  assert_int_equal(say(aw, &a, 0, 7, 4, "{\"late\":1}"), 0);
  assert_int_equal(say(aw, &a, 0, 7, 4, " null "), 1);
  assert_string_equal(changes(aw), "7@4 null");
  assert_int_equal(say(aw, &a, 0, 7, 4, "null"), 0);
  assert_int_equal(say(aw, &a, 0, 7, 4, "{}"), 0); /* an echo does not bring it back */
  assert_int_equal(say(aw, &a, 0, 7, 5, "{}"), 1); /* the client itself does */
  assert_string_equal(changes(aw), "7@5 {}");
  gs_awareness_destroy(aw);
}

static void client_0_leaves_like_any_other(void **state)
{
  (void)state;
  gs_awareness *aw = gs_awareness_create(NULL, &roomy);
  gs_awareness_owner a = { 0 };
  (void)say(aw, &a, 0, 0, 1, "{}");
  assert_int_equal(say(aw, &a, 0, 0, 2, "null"), 1);
  assert_int_equal(gs_awareness_present(aw), 0);
  assert_string_equal(changes(aw), "0@2 null");
  gs_awareness_destroy(aw);
}

static void leaving_removes_exactly_what_the_connection_owns(void **state)
{
  (void)state;
  gs_awareness *aw = gs_awareness_create(NULL, &roomy);
  gs_awareness_owner old = { 0 }, fresh = { 0 }, other = { 0 };
  (void)say(aw, &old, 0, 7, 1, "{}");
  (void)say(aw, &old, 0, 8, 1, "{}");
  (void)say(aw, &other, 0, 9, 1, "{}");
  (void)say(aw, &fresh, 0, 7, 2, "{}"); /* client 7 came back before its old socket was missed */
  (void)changes(aw);
  gs_awareness_leave(aw, &old);
  assert_string_equal(changes(aw), "8@1 null");
  assert_int_equal(gs_awareness_present(aw), 2);
  gs_awareness_leave(aw, &old);
  gs_awareness_leave(aw, &fresh);
  assert_string_equal(changes(aw), "7@2 null");
  gs_awareness_leave(aw, &other);
  assert_string_equal(changes(aw), "9@1 null");
  assert_int_equal(gs_awareness_states_len(aw), 0);
  gs_awareness_destroy(aw);
}

static void states_expire_thirty_seconds_after_their_last_renewal(void **state)
{
  (void)state;
  gs_awareness *aw = gs_awareness_create(NULL, &roomy);
  gs_awareness_owner a = { 0 };
  assert_true(gs_awareness_next_expiry(aw) == UINT64_MAX);
  (void)say(aw, &a, 1000, 7, 1, "{}");
  (void)say(aw, &a, 2000, 8, 1, "{}");
  (void)say(aw, &a, 16000, 7, 2, "{}");
  (void)say(aw, &a, 20000, 8, 1, "{}"); /* not newer: no renewal */
  (void)changes(aw);
  assert_true(gs_awareness_next_expiry(aw) == 32000);
  gs_awareness_expire(aw, 31999);
  assert_string_equal(changes(aw), "");
  gs_awareness_expire(aw, 32000);
  assert_string_equal(changes(aw), "8@1 null");
  gs_awareness_expire(aw, 46000);
  assert_string_equal(changes(aw), "7@2 null");
  assert_int_equal(a.count, 0);
  gs_awareness_destroy(aw);
}

static void a_newcomer_gets_everybody_present(void **state)
{
  (void)state;
  gs_awareness *aw = gs_awareness_create(NULL, &roomy);
  gs_awareness_owner a = { 0 };
  gs_buf out = gs_buf_make(NULL);
  assert_int_equal(gs_awareness_encode(aw, &out), 0);
  assert_int_equal(out.b.len, 0);
  (void)say(aw, &a, 0, 1, 1, "{}");
  (void)say(aw, &a, 0, 2, 1, "{}");
  (void)say(aw, &a, 0, 1, 2, "null");
  assert_int_equal(gs_awareness_encode(aw, &out), 1);
  assert_bytes(&out, 1, 2, 1, 2, '{', '}');
  gs_buf_finish(&out);
  gs_awareness_destroy(aw);
}

static void a_malformed_update_changes_nothing(void **state)
{
  (void)state;
  gs_awareness *aw = gs_awareness_create(NULL, &roomy);
  gs_awareness_owner a = { 0 };
  static const struct {
    uint8_t bytes[12];
    size_t len;
  } bad[] = {
    { { 0 }, 0 },
    { { 1 }, 1 },
    { { 2, 7, 1, 2, '{', '}' }, 6 },                  /* one of two */
    { { 2, 7, 1, 2, '{', '}', 8, 1, 2, '{', ']' }, 11 }, /* the second is no JSON */
    { { 1, 7, 1, 1, 0xff }, 5 },                      /* no UTF-8 */
    { { 1, 7, 1, 2, '{', '}', 0 }, 7 },               /* something after it */
    { { 0xff, 0xff, 0xff, 0xff, 0x0f, 7, 1, 0 }, 8 }, /* more entries than bytes */
    { { 1, 7, 1, 0 }, 4 },                            /* empty state */
  };
  for (size_t i = 0; i < GS_COUNT(bad); i++) {
    gs_awareness_counts counts;
    gesso_error err = { 0 };
    assert_int_not_equal(gs_awareness_apply(aw, &a, 0, (gesso_bytes){ bad[i].bytes, bad[i].len }, &counts, &err),
                         GESSO_OK);
    assert_non_null(err.message);
    assert_int_equal(counts.taken, 0);
  }
  assert_string_equal(changes(aw), "");
  assert_int_equal(gs_awareness_present(aw), 0);
  gs_awareness_destroy(aw);
}

static void limits_leave_out_what_is_too_much_and_keep_the_rest(void **state)
{
  (void)state;
  gs_awareness_limits tight = {
    .ids_max = 3, .owner_ids_max = 2, .departed_max = 2, .state_len_max = 8, .states_len_max = 10,
  };
  gs_awareness *aw = gs_awareness_create(NULL, &tight);
  gs_awareness_owner a = { 0 }, b = { 0 };
  assert_int_equal(say(aw, &a, 0, 1, 1, "\"1234567\""), 0); /* 9 bytes */
  assert_int_equal(say(aw, &a, 0, 1, 1, "{}"), 1);
  assert_int_equal(say(aw, &a, 0, 2, 1, "{}"), 1);
  assert_int_equal(say(aw, &a, 0, 3, 1, "{}"), 0); /* a third id of one owner */
  assert_int_equal(say(aw, &b, 0, 3, 1, "{}"), 1);
  assert_int_equal(say(aw, &b, 0, 4, 1, "{}"), 0); /* a fourth id in the room */
  assert_int_equal(say(aw, &a, 0, 1, 2, "\"12345\""), 0); /* 11 bytes in all */
  assert_int_equal(say(aw, &a, 0, 1, 2, "\"1234\""), 1);
  assert_int_equal(gs_awareness_states_len(aw), 10);
  assert_int_equal(say(aw, &b, 0, 2, 2, "{}"), 1); /* taking an id over makes room for its old owner */
  assert_int_equal(a.count, 1);
  assert_int_equal(b.count, 2);
  gs_awareness_destroy(aw);
}

static void clocks_of_the_departed_are_bounded_oldest_first(void **state)
{
  (void)state;
  gs_awareness_limits tight = roomy;
  tight.departed_max = 2;
  gs_awareness *aw = gs_awareness_create(NULL, &tight);
  gs_awareness_owner a = { 0 };
  for (uint64_t id = 1; id <= 3; id++)
    (void)say(aw, &a, 0, id, 5, "{}");
  for (uint64_t id = 1; id <= 3; id++)
    (void)say(aw, &a, 0, id, 5, "null");
  assert_string_equal(changes(aw), "1@5 null 2@5 null 3@5 null");
  assert_int_equal(say(aw, &a, 0, 1, 4, "{}"), 1); /* forgotten */
  assert_int_equal(say(aw, &a, 0, 2, 5, "{}"), 0); /* remembered */
  assert_int_equal(say(aw, &a, 0, 3, 5, "{}"), 0);
  /* Farewells of strangers cannot pile up between two announcements either. */
  uint32_t taken = 0;
  for (uint64_t id = 100; id < 200; id++)
    taken += say(aw, &a, 0, id, 1, "null");
  assert_in_range(taken, 1, 2 * tight.departed_max);
  (void)changes(aw);
  gs_awareness_destroy(aw);
}

static uint32_t next_random(uint64_t *seed)
{
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*seed >> 33);
}

/* Many connections and ids against a table that is an array and nothing else. */
static void it_agrees_with_a_naive_table(void **state)
{
  (void)state;
  enum { IDS = 40, OWNERS = 7, STEPS = 20000 };
  struct {
    uint64_t clock, updated;
    int owner; /* -1: departed */
    bool changed;
  } naive[IDS] = { 0 };
  for (int i = 0; i < IDS; i++)
    naive[i].owner = -1;
  gs_awareness *aw = gs_awareness_create(NULL, &roomy);
  gs_awareness_owner owners[OWNERS] = { 0 };
  uint64_t seed = 8123, now = 0;
  for (int step = 0; step < STEPS; step++) {
    now += next_random(&seed) % 700;
    uint32_t what = next_random(&seed) % 100, owner = next_random(&seed) % OWNERS;
    if (what < 80) {
      uint32_t id = next_random(&seed) % IDS;
      uint64_t clock = naive[id].clock + next_random(&seed) % 3;
      clock -= clock > 0 ? next_random(&seed) % 2 : 0;
      bool leaves = next_random(&seed) % 4 == 0;
      bool newer = clock > naive[id].clock || (clock == naive[id].clock && leaves && naive[id].owner >= 0);
      assert_int_equal(say(aw, &owners[owner], now, id + 1, clock, leaves ? "null" : "[1]"), newer);
      if (newer) {
        naive[id].clock = clock;
        naive[id].updated = now;
        naive[id].owner = leaves ? -1 : (int)owner;
        naive[id].changed = true;
      }
    } else if (what < 85) {
      gs_awareness_leave(aw, &owners[owner]);
      for (int i = 0; i < IDS; i++)
        if (naive[i].owner == (int)owner)
          naive[i].owner = -1, naive[i].changed = true;
    } else if (what < 90) {
      gs_awareness_expire(aw, now);
      for (int i = 0; i < IDS; i++)
        if (naive[i].owner >= 0 && naive[i].updated + GS_AWARENESS_EXPIRE_MS <= now)
          naive[i].owner = -1, naive[i].changed = true;
    } else {
      gs_buf body = gs_buf_make(NULL);
      uint32_t n = gs_awareness_take_changes(aw, &body), want = 0;
      gs_reader rd = gs_reader_of(gs_buf_bytes(&body));
      (void)(n != 0 ? gs_read_varuint(&rd) : 0);
      for (uint32_t i = 0; i < n; i++) {
        uint64_t id = gs_read_varuint(&rd) - 1;
        assert_true(id < IDS && naive[id].changed);
        assert_int_equal(gs_read_varuint(&rd), naive[id].clock);
        assert_int_equal(gs_read_string(&rd).len, naive[id].owner < 0 ? 4 : 3);
      }
      for (int i = 0; i < IDS; i++)
        want += naive[i].changed, naive[i].changed = false;
      assert_int_equal(n, want);
      gs_buf_finish(&body);
    }
    uint32_t present = 0, owned = 0;
    for (int i = 0; i < IDS; i++)
      present += naive[i].owner >= 0, owned += naive[i].owner == (int)owner;
    assert_int_equal(gs_awareness_present(aw), present);
    assert_int_equal(owners[owner].count, owned);
    assert_true(gs_awareness_check(aw));
  }
  gs_awareness_destroy(aw);
}

struct faulty {
  unsigned long calls, fail_at;
  size_t live;
};

static void *faulty_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  struct faulty *f = ctx;
  if (new_size == 0) {
    f->live -= old_size;
    free(ptr);
    return NULL;
  }
  if (++f->calls == f->fail_at)
    return NULL;
  void *p = realloc(ptr, new_size);
  f->live += new_size - old_size;
  return p;
}

static void it_survives_every_allocation_failure(void **state)
{
  (void)state;
  for (unsigned long n = 1;; n++) {
    struct faulty f = { .fail_at = n };
    gesso_allocator al = { faulty_resize, &f };
    bool failed = false;
    gs_awareness *aw = gs_awareness_create(&al, &roomy);
    if (aw != NULL) {
      gs_awareness_owner a = { 0 };
      for (uint64_t id = 1; id <= 30; id++) {
        gs_buf u = update_of(&(one){ id, 1, "{\"cursor\":1}" }, 1);
        gs_awareness_counts counts;
        failed |= gs_awareness_apply(aw, &a, id, gs_buf_bytes(&u), &counts, NULL) != GESSO_OK;
        assert_true(gs_awareness_check(aw));
        gs_buf_finish(&u);
      }
      gs_awareness_leave(aw, &a);
      assert_true(gs_awareness_check(aw));
      gs_awareness_destroy(aw);
    } else {
      failed = true;
    }
    assert_int_equal(f.live, 0);
    if (!failed)
      break;
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_first_frame_of_a_stock_client_changes_nothing),
    cmocka_unit_test(only_what_is_newer_is_announced_once),
    cmocka_unit_test(equal_clock_removes_and_never_revives),
    cmocka_unit_test(client_0_leaves_like_any_other),
    cmocka_unit_test(leaving_removes_exactly_what_the_connection_owns),
    cmocka_unit_test(states_expire_thirty_seconds_after_their_last_renewal),
    cmocka_unit_test(a_newcomer_gets_everybody_present),
    cmocka_unit_test(a_malformed_update_changes_nothing),
    cmocka_unit_test(limits_leave_out_what_is_too_much_and_keep_the_rest),
    cmocka_unit_test(clocks_of_the_departed_are_bounded_oldest_first),
    cmocka_unit_test(it_agrees_with_a_naive_table),
    cmocka_unit_test(it_survives_every_allocation_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
