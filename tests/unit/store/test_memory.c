/* Every allocation fails once: nothing that was acknowledged is lost, nothing leaks, nothing hangs. */
#include "store_fixture.h"

#include <stdio.h>

typedef struct scarce {
  gesso_allocator allocator;
  atomic_ulong calls, fail_at;
  atomic_long live;
} scarce;

static void *resize(void *ctx, void *p, size_t old_size, size_t new_size)
{
  scarce *f = ctx;
  if (new_size != 0 && atomic_fetch_add(&f->calls, 1) + 1 == atomic_load(&f->fail_at))
    return NULL;
  if (new_size == 0) {
    free(p);
    p = NULL;
  } else {
    p = realloc(p, new_size);
    assert_non_null(p);
  }
  atomic_fetch_add(&f->live, (long)new_size - (long)old_size);
  return p;
}

typedef struct told {
  bool done;
  gesso_status status;
} told;

static void tell(void *ctx, gesso_status status)
{
  *(told *)ctx = (told){ true, status };
}

/* Hands an update in until it is taken; true when it was acknowledged. */
static bool append(store *s, uint64_t client, const char *key)
{
  gesso_buffer u = update_set(client, key, "v");
  told t = { false, GESSO_OK };
  gesso_status taken = gesso_board_persistence_append(s->p, text("b"), 0, (gesso_bytes){ u.data, u.len }, 0, NULL, tell, &t);
  assert_true(taken == GESSO_OK || taken == GESSO_E_NOMEM);
  if (taken == GESSO_OK)
    store_wait_for(s, &t.done);
  gesso_buffer_free(&u);
  return taken == GESSO_OK && t.status == GESSO_OK;
}

static void on_ready(void *ctx, gesso_status status, const char *message)
{
  (void)message;
  *(told *)ctx = (told){ true, status };
}

static bool open_folder(store *s)
{
  told ready = { false, GESSO_E_NOMEM };
  s->options.folder = s->folder;
  if (gesso_persistence_open(&s->options, &s->p, NULL) != GESSO_OK) {
    s->p = NULL;
    return false;
  }
  if (gesso_persistence_ready(s->p, on_ready, &ready) == GESSO_OK)
    store_wait_for(s, &ready.done);
  return ready.status == GESSO_OK;
}

static void on_load(void *ctx, gesso_board_load *load)
{
  *(told *)ctx = (told){ true, load->status };
}

/* A session that may fail anywhere. Returns which updates were acknowledged. */
static unsigned session(store *s)
{
  unsigned acked = 0;
  if (!open_folder(s)) {
    gesso_persistence_destroy(s->p);
    s->p = NULL;
    return 0;
  }
  acked |= append(s, 1, "a") ? 1 : 0;
  acked |= append(s, 2, "b") ? 2 : 0;
  told saved = { false, GESSO_OK }, loaded_ = { false, GESSO_OK };
  if (gesso_board_persistence_save(s->p, text("b"), tell, &saved) == GESSO_OK)
    store_wait_for(s, &saved.done);
  acked |= append(s, 3, "c") ? 4 : 0;
  if (gesso_board_persistence_load(s->p, text("b"), on_load, &loaded_) == GESSO_OK) {
    store_wait_for(s, &loaded_.done);
    assert_true(loaded_.status == GESSO_OK || loaded_.status == GESSO_E_NOMEM || loaded_.status == GESSO_E_NOTFOUND);
  }
  gesso_persistence_destroy(s->p);
  s->p = NULL;
  return acked;
}

static void every_allocation_may_fail(void **state)
{
  (void)state;
  for (unsigned long n = 1;; n++) {
    scarce f = { .allocator = { resize, &f } };
    atomic_store(&f.fail_at, n);
    store s;
    store_init(&s);
    s.options.alloc = &f.allocator;
    unsigned acked = session(&s);
    assert_int_equal(atomic_load(&f.live), 0);
    bool failed = atomic_load(&f.calls) >= n;
    s.options.alloc = NULL;
    char json[4096];
    store_open(&s);
    store_json(&s, "b", json);
    assert_true((acked & 1) == 0 || strstr(json, "\"a\"") != NULL);
    assert_true((acked & 2) == 0 || strstr(json, "\"b\"") != NULL);
    assert_true((acked & 4) == 0 || strstr(json, "\"c\"") != NULL);
    store_finish(&s);
    if (!failed) {
      print_message("%lu allocations\n", n - 1);
      assert_int_equal(acked, 7);
      break;
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = { cmocka_unit_test(every_allocation_may_fail) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
