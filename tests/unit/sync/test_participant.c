/* gesso/awareness.h: a participant does what Awareness of y-protocols does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gesso/awareness.h"
#include "support/support.h"

#include <stdbool.h>
#include <stdio.h>

#define NONE ((gesso_bytes){ NULL, 0 })

static gesso_bytes view(gesso_buffer b)
{
  return (gesso_bytes){ b.data, b.len };
}

static gesso_awareness *participant(uint64_t client)
{
  gesso_awareness_options o = { .size = sizeof o, .client_id = client };
  gesso_awareness *aw = gesso_awareness_create(&o, 1000);
  assert_non_null(aw);
  return aw;
}

static gesso_buffer about(gesso_awareness *aw, uint64_t client)
{
  gesso_buffer b;
  assert_int_equal(gesso_awareness_encode(aw, &client, 1, &b), GESSO_OK);
  return b;
}

static void tell(gesso_awareness *to, gesso_awareness *from, uint64_t client, uint64_t now_ms)
{
  gesso_buffer b = about(from, client);
  assert_int_equal(gesso_awareness_apply(to, view(b), TEXT("net"), now_ms, NULL), GESSO_OK);
  gesso_buffer_free(&b);
}

static void state_is(gesso_awareness *aw, uint64_t client, const char *want)
{
  gesso_bytes s = gesso_awareness_state(aw, client);
  if (want == NULL)
    assert_null(s.data);
  else
    assert_bytes_equal(s, CSTR(want));
}

/* Writes what is reported as text: "origin +1,2 ~3 (changed 3) -4". */
struct heard {
  char text[400];
  int events;
};

static void put(struct heard *h, const char *what, const uint64_t *ids, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    size_t at = strlen(h->text);
    (void)snprintf(h->text + at, sizeof h->text - at, "%s%llu", what, (unsigned long long)ids[i]);
  }
}

static void hear(void *ctx, gesso_awareness *aw, const gesso_awareness_event *e)
{
  struct heard *h = ctx;
  (void)aw;
  size_t at = strlen(h->text);
  (void)snprintf(h->text + at, sizeof h->text - at, "[%.*s", (int)e->origin.len, (const char *)e->origin.data);
  put(h, " +", e->added, e->nadded);
  put(h, " ~", e->updated, e->nupdated);
  put(h, " !", e->changed, e->nchanged);
  put(h, " -", e->removed, e->nremoved);
  at = strlen(h->text);
  (void)snprintf(h->text + at, sizeof h->text - at, "]");
  assert_int_equal(e->nclients, e->nadded + e->nupdated + e->nremoved);
  for (size_t i = 0; i < e->nadded; i++)
    assert_int_equal(e->clients[i], e->added[i]);
  for (size_t i = 0; i < e->nremoved; i++)
    assert_int_equal(e->clients[e->nadded + e->nupdated + i], e->removed[i]);
  h->events++;
}

static void heard(struct heard *h, const char *want)
{
  assert_string_equal(h->text, want);
  h->text[0] = 0;
}

static void it_speaks_as_y_protocols_does(void **state)
{
  (void)state;
  gesso_awareness *aw = participant(7), *b = participant(300);
  gesso_buffer u = about(aw, 7);
  assert_bytes_equal(view(u), BYTES(1, 7, 0, 2, '{', '}'));
  gesso_buffer_free(&u);
  assert_int_equal(gesso_awareness_set_local(aw, TEXT(" { \"name\" : \"\xc3\xa9\", \"n\": 1.50 } "), 1000), GESSO_OK);
  u = about(aw, 7);
  assert_bytes_equal(view(u), TEXT("\x01\x07\x01\x15{\"name\":\"\xc3\xa9\",\"n\":1.5}"));
  gesso_buffer_free(&u);
  assert_int_equal(gesso_awareness_set_local_field(aw, TEXT("n"), TEXT("[1, {}]"), 1000), GESSO_OK);
  assert_int_equal(gesso_awareness_set_local_field(aw, TEXT("z"), TEXT("null"), 1000), GESSO_OK);
  u = about(aw, 7);
  assert_bytes_equal(view(u), TEXT("\x01\x07\x03!{\"name\":\"\xc3\xa9\",\"n\":[1,{}],\"z\":null}"));
  gesso_buffer_free(&u);
  /* The other one thinks that we are gone, and says so with our clock: ours rises. */
  tell(b, aw, 7, 1000);
  const uint64_t us[] = { 7, 99 };
  assert_int_equal(gesso_awareness_remove(b, us, 2, TEXT("gone"), 1000), GESSO_OK);
  u = about(b, 7);
  assert_bytes_equal(view(u), TEXT("\x01\x07\x03\x04null"));
  gesso_buffer_free(&u);
  tell(aw, b, 7, 1000);
  u = about(aw, 7);
  assert_bytes_equal(view(u), TEXT("\x01\x07\x04!{\"name\":\"\xc3\xa9\",\"n\":[1,{}],\"z\":null}"));
  gesso_buffer_free(&u);
  tell(b, aw, 7, 1000);
  state_is(b, 7, "{\"name\":\"\xc3\xa9\",\"n\":[1,{}],\"z\":null}");
  assert_int_equal(gesso_awareness_set_local(aw, NONE, 1000), GESSO_OK);
  assert_int_equal(gesso_awareness_set_local(aw, TEXT(" null"), 1000), GESSO_OK);
  assert_int_equal(gesso_awareness_set_local_field(aw, TEXT("n"), TEXT("1"), 1000), GESSO_OK);
  u = about(aw, 7);
  assert_bytes_equal(view(u), TEXT("\x01\x07\x06\x04null"));
  gesso_buffer_free(&u);
  gesso_awareness_destroy(aw);
  gesso_awareness_destroy(b);
  gesso_awareness_destroy(NULL);
}

static void changes_are_reported_once_each(void **state)
{
  (void)state;
  struct heard h = { "", 0 };
  gesso_awareness *aw = participant(1), *b = participant(2), *c = participant(3);
  gesso_awareness_on_change(aw, hear, &h);
  tell(aw, b, 2, 1000); /* clock 0 and {}: not news */
  heard(&h, "");
  assert_int_equal(gesso_awareness_set_local(b, TEXT("{\"x\":1,\"y\":[2]}"), 1000), GESSO_OK);
  tell(aw, b, 2, 1000);
  heard(&h, "[net +2]");
  tell(aw, b, 2, 1000);
  heard(&h, "");
  /* The same value in other words is a renewal. */
  assert_int_equal(gesso_awareness_apply(aw, TEXT("\x01\x02\x05\x12{\"y\":[2.0], \"x\":1}"), TEXT("z"), 1000, NULL), GESSO_OK);
  heard(&h, "[z ~2]");
  assert_int_equal(gesso_awareness_apply(aw, TEXT("\x02\x02\x06\x02{}\x03\x01\x01" "1"), TEXT("z"), 1000, NULL), GESSO_OK);
  heard(&h, "[z +3 ~2 !2]");
  assert_int_equal(gesso_awareness_apply(aw, TEXT("\x01\x03\x01\x04null"), NONE, 1000, NULL), GESSO_OK);
  heard(&h, "[ -3]");
  assert_int_equal(gesso_awareness_set_local(aw, TEXT("{}"), 1000), GESSO_OK);
  heard(&h, "[local ~1]");
  assert_int_equal(gesso_awareness_set_local(aw, TEXT("{\"a\":1}"), 1000), GESSO_OK);
  heard(&h, "[local ~1 !1]");
  assert_int_equal(gesso_awareness_set_local(aw, NONE, 1000), GESSO_OK);
  heard(&h, "[local -1]");
  assert_int_equal(gesso_awareness_set_local(aw, TEXT("5"), 1000), GESSO_OK);
  heard(&h, "[local +1]");
  const uint64_t ids[] = { 2, 2, 1, 3 };
  assert_int_equal(gesso_awareness_remove(aw, ids, 4, TEXT("end"), 1000), GESSO_OK);
  heard(&h, "[end -2 -1]");
  uint64_t clock;
  assert_int_equal(gesso_awareness_clock(aw, 1, &clock), GESSO_OK);
  assert_int_equal(clock, 5);
  assert_int_equal(gesso_awareness_clock(aw, 4, &clock), GESSO_E_NOTFOUND);
  gesso_awareness_on_change(aw, NULL, NULL);
  tell(aw, c, 3, 1000);
  gesso_awareness_destroy(aw);
  gesso_awareness_destroy(b);
  gesso_awareness_destroy(c);
}

static void states_time_out_and_ours_is_renewed(void **state)
{
  (void)state;
  struct heard h = { "", 0 };
  gesso_awareness *aw = participant(1), *b = participant(2);
  gesso_awareness_on_change(aw, hear, &h);
  assert_int_equal(gesso_awareness_set_local(b, TEXT("{\"x\":1}"), 1000), GESSO_OK);
  tell(aw, b, 2, 3000);
  heard(&h, "[net +2]");
  assert_true(gesso_awareness_next_tick(aw) == 16000);
  assert_int_equal(gesso_awareness_tick(aw, 15999), GESSO_OK);
  heard(&h, "");
  assert_int_equal(gesso_awareness_tick(aw, 16000), GESSO_OK);
  heard(&h, "[local ~1]");
  assert_true(gesso_awareness_next_tick(aw) == 31000);
  /* Asleep for a minute. */
  assert_int_equal(gesso_awareness_tick(aw, 80000), GESSO_OK);
  heard(&h, "[local ~1][timeout -2]");
  state_is(aw, 1, "{}");
  state_is(aw, 2, NULL);
  assert_int_equal(gesso_awareness_set_local(aw, NONE, 80000), GESSO_OK);
  assert_true(gesso_awareness_next_tick(aw) == UINT64_MAX);
  /* A clock that steps back does no harm. */
  tell(aw, b, 2, 5);
  assert_int_equal(gesso_awareness_tick(aw, 0), GESSO_OK);
  gesso_awareness_destroy(aw);
  gesso_awareness_destroy(b);
}

static gesso_bytes shout(void *ctx, uint64_t client, gesso_bytes s)
{
  static char text[64];
  int *bad = ctx;
  if (client == 3)
    return NONE;
  int n = snprintf(text, sizeof text, "%s[%.*s]", *bad ? "," : "", (int)s.len, (const char *)s.data);
  return (gesso_bytes){ (const uint8_t *)text, (size_t)n };
}

static void states_are_read_and_modified(void **state)
{
  (void)state;
  gesso_awareness *aw = participant(1);
  gesso_buffer b;
  const gesso_bytes update = TEXT("\x02\x02\x06\x02{}\x03\x01\x01" "1");
  assert_int_equal(gesso_awareness_apply(aw, update, NONE, 1000, NULL), GESSO_OK);
  assert_int_equal(gesso_awareness_to_json(aw, &b), GESSO_OK);
  assert_bytes_equal(view(b), TEXT("{\"1\":{},\"2\":{},\"3\":1}"));
  gesso_buffer_free(&b);
  uint64_t ids[2];
  assert_int_equal(gesso_awareness_clients(aw, ids, 2), 3);
  assert_int_equal(ids[1], 2);
  assert_int_equal(gesso_awareness_encode(aw, NULL, 0, &b), GESSO_OK);
  assert_bytes_equal(view(b), TEXT("\x03\x01\x00\x02{}\x02\x06\x02{}\x03\x01\x01" "1"));
  gesso_buffer_free(&b);
  const uint64_t unknown = 9;
  assert_int_equal(gesso_awareness_encode(aw, &unknown, 1, &b), GESSO_E_NOTFOUND);
  int bad = 0;
  assert_int_equal(gesso_awareness_modify(update, shout, &bad, &b, NULL), GESSO_OK);
  assert_bytes_equal(view(b), TEXT("\x02\x02\x06\x04[{}]\x03\x01\x01" "1"));
  gesso_buffer_free(&b);
  bad = 1;
  gesso_error why;
  assert_int_equal(gesso_awareness_modify(update, shout, &bad, &b, &why), GESSO_E_USAGE);
  assert_int_equal(why.offset, 4);
  bad = 0;
  for (size_t len = 0; len < update.len; len++) {
    assert_int_not_equal(gesso_awareness_modify((gesso_bytes){ update.data, len }, shout, &bad, &b, &why), GESSO_OK);
    assert_int_not_equal(gesso_awareness_apply(aw, (gesso_bytes){ update.data, len }, NONE, 1000, &why), GESSO_OK);
    assert_true(why.offset <= len);
  }
  gesso_awareness_destroy(aw);
}

static void encode_all(void *ctx, gesso_awareness *aw, const gesso_awareness_event *e)
{
  gesso_buffer *b = ctx;
  gesso_buffer_free(b);
  assert_int_equal(gesso_awareness_encode(aw, e->clients, e->nclients, b), GESSO_OK);
}

static void limits_hold(void **state)
{
  (void)state;
  gesso_awareness_options o = { .size = sizeof o, .client_id = 1, .clients_max = 2, .state_bytes_max = 8 };
  gesso_awareness *aw = gesso_awareness_create(&o, 0);
  assert_int_equal(gesso_awareness_set_local(aw, TEXT("\"1234567\""), 0), GESSO_E_LIMIT);
  assert_int_equal(gesso_awareness_set_local(aw, TEXT("{,}"), 0), GESSO_E_USAGE);
  assert_int_equal(gesso_awareness_set_local(aw, (gesso_bytes){ (const uint8_t *)"", 0 }, 0), GESSO_E_USAGE);
  assert_int_equal(gesso_awareness_set_local_field(aw, TEXT("\xff"), TEXT("1"), 0), GESSO_E_USAGE);
  state_is(aw, 1, "{}");
  char deep[300];
  memset(deep, '[', 129);
  memset(deep + 129, ']', 129);
  assert_int_equal(gesso_awareness_set_local(aw, (gesso_bytes){ (const uint8_t *)deep, 258 }, 0), GESSO_E_LIMIT);
  assert_int_equal(gesso_awareness_apply(aw, TEXT("\x03\x02\x01\x01" "1\x03\x01\x01" "1\x02\x02\x09\"1234567\""), NONE, 0, NULL),
                   GESSO_OK);
  state_is(aw, 2, "1");
  state_is(aw, 3, NULL);
  assert_int_equal(gesso_awareness_set_local(aw, TEXT("5"), 0), GESSO_OK);
  assert_int_equal(gesso_awareness_set_local_field(aw, TEXT("x"), TEXT("5"), 0), GESSO_E_USAGE);
  /* More leave in one update than are remembered: still there for the callback, then forgotten. */
  gesso_buffer b = { 0 };
  gesso_awareness_on_change(aw, encode_all, &b);
  const gesso_bytes five = TEXT("\x05\x02\x02\x04null\x05\x01\x01" "1\x05\x02\x04null\x06\x01\x01" "1\x06\x02\x04null");
  assert_int_equal(gesso_awareness_apply(aw, five, NONE, 0, NULL), GESSO_OK);
  assert_bytes_equal(view(b), TEXT("\x05\x05\x02\x04null\x06\x02\x04null\x02\x02\x04null\x05\x02\x04null\x06\x02\x04null"));
  gesso_buffer_free(&b);
  uint64_t clock;
  assert_int_equal(gesso_awareness_clock(aw, 2, &clock), GESSO_E_NOTFOUND);
  assert_int_equal(gesso_awareness_clock(aw, 6, &clock), GESSO_OK);
  gesso_awareness_destroy(aw);
  o.client_id = 0;
  assert_null(gesso_awareness_create(&o, 0));
}

static void short_memory_loses_no_report(void **state)
{
  (void)state;
  for (unsigned long n = 1;; n++) {
    struct faulty f = { .fail_at = n };
    gesso_allocator al = { faulty_resize, &f };
    struct heard h = { "", 0 };
    gesso_awareness_options o = { .size = sizeof o, .client_id = 1, .alloc = &al };
    gesso_awareness *aw = gesso_awareness_create(&o, 0);
    bool failed = aw == NULL;
    if (aw != NULL) {
      gesso_awareness_on_change(aw, hear, &h);
      failed |= gesso_awareness_set_local(aw, TEXT("{\"a\":{\"b\":1,\"c\":[]}}"), 0) != GESSO_OK;
      failed |= gesso_awareness_set_local_field(aw, TEXT("d"), TEXT("2"), 0) != GESSO_OK;
      for (uint8_t id = 2; id < 12; id++) {
        int before = h.events;
        gesso_status st = gesso_awareness_apply(aw, BYTES(1, id, 1, 2, '1', '2'), NONE, id, NULL);
        failed |= st != GESSO_OK;
        assert_int_equal(h.events - before, gesso_awareness_state(aw, id).len > 0);
        h.text[0] = 0;
      }
      failed |= gesso_awareness_tick(aw, 100000) != GESSO_OK;
      gesso_buffer b = { 0 };
      failed |= gesso_awareness_to_json(aw, &b) != GESSO_OK;
      gesso_buffer_free(&b);
      gesso_awareness_destroy(aw);
    }
    assert_int_equal(f.live, 0);
    if (!failed && !f.failed)
      break;
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_speaks_as_y_protocols_does),
    cmocka_unit_test(changes_are_reported_once_each),
    cmocka_unit_test(states_time_out_and_ours_is_renewed),
    cmocka_unit_test(states_are_read_and_modified),
    cmocka_unit_test(limits_hold),
    cmocka_unit_test(short_memory_loses_no_report),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
