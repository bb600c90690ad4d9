/* What documents take: allocations of a load, bytes of what was loaded; and what short memory may cost besides time. */
#include "crdt_test.h"
#include "support/support.h"

#include <stdbool.h>

static uint32_t draw(uint32_t *seed, uint32_t below)
{
  *seed = *seed * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)*seed * below >> 32);
}

static gesso_doc *doc_in(struct faulty *f)
{
  static gesso_allocator alloc;
  alloc = (gesso_allocator){ faulty_resize, f };
  gesso_doc_options o = { .size = sizeof o, .client_id = 99, .alloc = &alloc };
  gesso_doc *doc = gesso_doc_create(&o);
  assert_non_null(doc);
  return doc;
}

/* A text in pieces: no two insertions are next to each other. */
static gesso_buffer text_of(uint32_t edits)
{
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  uint32_t seed = 1, length = 0;
  for (uint32_t i = 0; i < edits; i++) {
    assert_int_equal(gesso_text_insert(doc, t, draw(&seed, length + 1), str("abcd"), (gesso_bytes){ NULL, 0 }), GESSO_OK);
    length += 4;
    if (i % 3 == 2) {
      assert_int_equal(gesso_text_remove(doc, t, draw(&seed, length - 2), 2), GESSO_OK);
      length -= 2;
    }
  }
  gesso_buffer state = state_of(doc);
  gesso_doc_destroy(doc);
  return state;
}

static gesso_value number(double n)
{
  return (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = n };
}

static gesso_buffer shapes_of(uint32_t n)
{
  static const char *const keys[] = { "x", "y", "w", "h", "type", "color", "angle", "text" };
  gesso_doc *doc = doc_of(1);
  gesso_type all = gesso_doc_root(doc, str("shapes"), GESSO_MAP), shape;
  for (uint32_t i = 0; i < n; i++) {
    char name[24];
    snprintf(name, sizeof name, "shape-%u", i);
    gesso_value v = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
    assert_int_equal(gesso_map_set(doc, all, str(name), v, &shape), GESSO_OK);
    v = number(i);
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
      assert_int_equal(gesso_map_set(doc, shape, str(keys[k]), v, NULL), GESSO_OK);
  }
  gesso_buffer state = state_of(doc);
  gesso_doc_destroy(doc);
  return state;
}

static gesso_buffer clients_of(uint32_t n)
{
  gesso_doc *all = doc_of(1);
  for (uint32_t i = 0; i < n; i++) {
    gesso_doc *doc = doc_of(1000 + i);
    gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
    assert_int_equal(gesso_text_insert(doc, t, 0, str("ab"), (gesso_bytes){ NULL, 0 }), GESSO_OK);
    gesso_buffer state = state_of(doc);
    apply(all, view(state));
    gesso_buffer_free(&state);
    gesso_doc_destroy(doc);
  }
  gesso_buffer state = state_of(all);
  gesso_doc_destroy(all);
  return state;
}

static void load(gesso_buffer state, unsigned long calls_max, size_t bytes_max)
{
  struct faulty f = { 0 };
  gesso_doc *doc = doc_in(&f);
  apply(doc, view(state));
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  if (f.calls > calls_max || f.live / stats.structs > bytes_max)
    fail_msg("%llu structs: %lu allocations, %zu bytes", (unsigned long long)stats.structs, f.calls, f.live);
  check(doc);
  gesso_doc_destroy(doc);
  assert_int_equal(f.live, 0);
  gesso_buffer_free(&state);
}

#if defined(__SANITIZE_ADDRESS__) || defined(GS_RUNS_SMALL)
#define FEW 100000 /* there arrays grow by one */
#else
#define FEW 50
#endif

static void a_load_takes_few_allocations_and_little_memory(void **state)
{
  (void)state;
  load(text_of(300), FEW, 90);
  load(text_of(6000), FEW, 70);
  load(shapes_of(50), FEW, 110);
  load(shapes_of(1000), FEW + 20, 95);
  load(clients_of(400), FEW + 120, 300);
}

/* Of the keys that were set all are found again, and no other, whatever could not be allocated meanwhile. */
static void a_map_of_many_keys_bears_short_memory(void **state)
{
  (void)state;
  enum { KEYS = 60 };
  for (int after_too = 0; after_too < 2; after_too++)
    for (unsigned long n = 1;; n++) {
      struct faulty f = { 0 };
      gesso_doc *doc = doc_in(&f);
      gesso_type map = gesso_doc_root(doc, str("m"), GESSO_MAP);
      f.fail_at = f.calls + n;
      f.fail_after_too = after_too;
      bool set[KEYS];
      for (int i = 0; i < KEYS; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i);
        set[i] = gesso_map_set(doc, map, str(key), number(i), NULL) == GESSO_OK;
      }
      f.fail_at = 0;
      check(doc);
      for (int i = 0; i < KEYS; i++) {
        char key[8], want[8];
        snprintf(key, sizeof key, "k%d", i);
        snprintf(want, sizeof want, "%d", i);
        gesso_buffer json;
        assert_int_equal(gesso_map_get_json(doc, map, str(key), &json), set[i] ? GESSO_OK : GESSO_E_NOTFOUND);
        if (set[i]) {
          assert_int_equal(json.len, strlen(want));
          assert_memory_equal(json.data, want, json.len);
          gesso_buffer_free(&json);
        }
        assert_int_equal(gesso_map_set(doc, map, str(key), number(i), NULL), GESSO_OK);
      }
      check(doc);
      bool failed = f.failed != 0;
      gesso_doc_destroy(doc);
      assert_int_equal(f.live, 0);
      if (!failed)
        break;
    }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_load_takes_few_allocations_and_little_memory),
    cmocka_unit_test(a_map_of_many_keys_bears_short_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
