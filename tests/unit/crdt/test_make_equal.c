/* make_equal.h and lcs.h: what stays, what is made anew, how much is said. */
#include "crdt_test.h"

#include "crdt/lcs.h"
#include "crdt/make_equal.h"

static gesso_doc *copy_of(gesso_doc *doc, uint64_t client)
{
  gesso_doc *out = doc_of(client);
  gesso_buffer state = state_of(doc);
  apply(out, view(state));
  gesso_buffer_free(&state);
  return out;
}

/* Makes `doc` equal to `want` and returns the size of the update. */
static size_t make_equal(gesso_doc *doc, gesso_doc *want)
{
  gesso_buffer update;
  assert_int_equal(gs_doc_make_equal(doc, want, &update), GESSO_OK);
  check(doc);
  size_t n = update.len;
  gesso_buffer_free(&update);
  return n;
}

static gesso_value number(double n)
{
  return (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = n };
}

static gesso_value a_new(gesso_type_kind kind, const char *name)
{
  return (gesso_value){ .kind = GESSO_VALUE_TYPE, .type = kind, .bytes = str(name) };
}

static void set(gesso_doc *doc, gesso_type map, const char *key, gesso_value v)
{
  assert_int_equal(gesso_map_set(doc, map, str(key), v, NULL), GESSO_OK);
}

static void a_type_that_both_have_is_edited_in_place(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type array = gesso_doc_root(doc, str("a"), GESSO_ARRAY), shape;
  for (int i = 0; i < 3; i++) {
    gesso_value v = a_new(GESSO_MAP, "");
    assert_int_equal(gesso_array_insert(doc, array, (uint64_t)i, &v, 1, &shape), GESSO_OK);
    set(doc, shape, "x", number(i));
  }
  gesso_doc *earlier = copy_of(doc, 2);
  shape = gesso_array_get_type(doc, array, 1);
  set(doc, shape, "x", number(100));
  assert_int_equal(gesso_array_remove(doc, array, 0, 1), GESSO_OK);
  make_equal(doc, earlier);
  reads_json(doc, array, GESSO_ARRAY, "[{\"x\":0},{\"x\":1},{\"x\":2}]");
  assert_int_equal(gesso_array_get_type(doc, array, 1), shape);
  assert_false(gesso_array_get_type(doc, array, 0) == 0);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(earlier);
}

static void what_is_equal_is_not_written_again(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type text = gesso_doc_root(doc, str("t"), GESSO_TEXT), map = gesso_doc_root(doc, str("m"), GESSO_MAP);
  for (int i = 0; i < 1000; i++) {
    char key[16];
    (void)snprintf(key, sizeof key, "k%d", i);
    type_in(doc, text, gesso_type_length(doc, text), key);
    set(doc, map, key, number(i));
  }
  gesso_doc *earlier = copy_of(doc, 2);
  assert_int_equal(make_equal(doc, earlier), 0);
  set(doc, map, "k7", number(-1));
  set(doc, map, "new", number(1));
  cut_out(doc, text, 500, 3);
  type_in(doc, text, 20, "some more");
  size_t said = make_equal(doc, earlier);
  assert_in_range(said, 1, 150);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(earlier);
}

static void xml_with_its_attributes_comes_back(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type root = gesso_doc_root(doc, str("x"), GESSO_XML_FRAGMENT), p, text;
  gesso_value v = a_new(GESSO_XML_ELEMENT, "p"), t = a_new(GESSO_XML_TEXT, "");
  assert_int_equal(gesso_array_insert(doc, root, 0, &v, 1, &p), GESSO_OK);
  set(doc, p, "class", (gesso_value){ .kind = GESSO_VALUE_STRING, .bytes = str("big") });
  assert_int_equal(gesso_array_insert(doc, p, 0, &t, 1, &text), GESSO_OK);
  assert_int_equal(gesso_text_insert(doc, text, 0, str("hello"), str("{\"b\":true}")), GESSO_OK);
  type_in(doc, text, 5, "!");
  gesso_buffer want, got;
  assert_int_equal(gesso_xml_to_string(doc, root, GESSO_XML_FRAGMENT, &want), GESSO_OK);
  gesso_doc *earlier = copy_of(doc, 2);
  assert_int_equal(gesso_array_remove(doc, root, 0, 1), GESSO_OK);
  v = a_new(GESSO_XML_ELEMENT, "h1");
  assert_int_equal(gesso_array_insert(doc, root, 0, &v, 1, &p), GESSO_OK);
  make_equal(doc, earlier);
  assert_int_equal(gesso_xml_to_string(doc, root, GESSO_XML_FRAGMENT, &got), GESSO_OK);
  assert_int_equal(got.len, want.len);
  assert_memory_equal(got.data, want.data, got.len);
  gesso_buffer_free(&want);
  gesso_buffer_free(&got);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(earlier);
}

static void roots_that_nobody_named_a_kind_of_are_compared_too(void **state)
{
  (void)state;
  gesso_doc *source = doc_of(1), *doc = doc_of(2);
  set(source, gesso_doc_root(source, str("m"), GESSO_MAP), "k", number(1));
  type_in(source, gesso_doc_root(source, str("t"), GESSO_TEXT), 0, "text");
  type_in(doc, gesso_doc_root(doc, str("gone"), GESSO_TEXT), 0, "old");
  gesso_doc *want = copy_of(source, 3), *have = copy_of(doc, 4);
  make_equal(have, want);
  reads_json(have, gesso_doc_root(have, str("m"), GESSO_MAP), GESSO_MAP, "{\"k\":1}");
  reads_json(have, gesso_doc_root(have, str("t"), GESSO_TEXT), GESSO_TEXT, "\"text\"");
  reads_json(have, gesso_doc_root(have, str("gone"), GESSO_TEXT), GESSO_TEXT, "\"\"");
  gesso_doc *all[] = { source, doc, want, have };
  for (size_t i = 0; i < 4; i++)
    gesso_doc_destroy(all[i]);
}

static void characters_outside_the_bmp_stay_whole(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type text = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  type_in(doc, text, 0, "\xf0\x9f\x98\x80 and \xf0\x9f\x98\x81");
  gesso_doc *earlier = copy_of(doc, 2);
  cut_out(doc, text, 0, gesso_type_length(doc, text));
  type_in(doc, text, 0, "\xf0\x9f\x98\x82 or \xf0\x9f\x98\x81\xf0\x9f\x98\x81");
  make_equal(doc, earlier);
  reads_json(doc, text, GESSO_TEXT, "\"\xf0\x9f\x98\x80 and \xf0\x9f\x98\x81\"");
  gesso_doc_destroy(doc);
  gesso_doc_destroy(earlier);
}

static void nesting_ends_with_a_limit(void **state)
{
  (void)state;
  gesso_doc *deep = doc_of(1), *doc = doc_of(2);
  gesso_type map = gesso_doc_root(deep, str("m"), GESSO_MAP);
  for (int i = 0; i < 1100; i++)
    assert_int_equal(gesso_map_set(deep, map, str("k"), a_new(GESSO_MAP, ""), &map), GESSO_OK);
  assert_int_equal(gs_doc_make_equal(doc, deep, NULL), GESSO_E_LIMIT);
  check(doc);
  gesso_doc_destroy(deep);
  gesso_doc_destroy(doc);
}

/* --- lcs --- */

static uint32_t kept(const uint32_t *match, uint32_t n)
{
  uint32_t count = 0, last = 0;
  for (uint32_t j = 0; j < n; j++) {
    if (match[j] == 0)
      continue;
    assert_true(match[j] > last);
    last = match[j];
    count++;
  }
  return count;
}

static uint32_t longest(const uint64_t *a, uint32_t na, const uint64_t *b, uint32_t nb)
{
  static uint32_t t[64][64];
  memset(t, 0, sizeof t);
  for (uint32_t i = 1; i <= na; i++)
    for (uint32_t j = 1; j <= nb; j++)
      t[i][j] = a[i - 1] == b[j - 1] ? t[i - 1][j - 1] + 1 : t[i - 1][j] > t[i][j - 1] ? t[i - 1][j] : t[i][j - 1];
  return t[na][nb];
}

static void small_differences_are_minimal(void **state)
{
  (void)state;
  uint64_t a[40], b[40], rng = 88172645463325252u;
  uint32_t match[40];
  for (int round = 0; round < 20000; round++) {
    uint32_t na = (uint32_t)(rng % 40), nb = (uint32_t)(rng >> 32) % 40, letters = 1 + (uint32_t)(rng >> 16) % 6;
    for (int i = 0; i < 40; i++) {
      rng ^= rng << 13;
      rng ^= rng >> 7;
      rng ^= rng << 17;
      a[i] = rng % letters;
      b[i] = (rng >> 20) % letters;
    }
    assert_true(gs_lcs(NULL, a, na, b, nb, match));
    for (uint32_t j = 0; j < nb; j++)
      assert_true(match[j] == 0 || a[match[j] - 1] == b[j]);
    assert_int_equal(kept(match, nb), longest(a, na, b, nb));
  }
}

static void large_differences_are_found_by_what_is_unique(void **state)
{
  (void)state;
  enum { N = 60000 };
  uint64_t *a = malloc(N * sizeof *a), *b = malloc(N * sizeof *b);
  uint32_t *match = malloc(N * sizeof *match);
  for (uint64_t i = 0; i < N; i++) { /* every third is another one, and the rest is turned by half */
    a[i] = i;
    b[i] = i % 3 == 0 ? N + i : (i + N / 2) % N;
  }
  assert_true(gs_lcs(NULL, a, N, b, N, match));
  assert_int_equal(kept(match, N), N / 2 / 3 * 2);
  for (uint64_t i = 0; i < N; i++)
    b[i] = N + i % 7; /* nothing at all in common */
  assert_true(gs_lcs(NULL, a, N, b, N, match));
  assert_int_equal(kept(match, N), 0);
  free(a);
  free(b);
  free(match);
}

/* --- memory --- */

struct scarce {
  unsigned long left;
  bool failed;
};

static void *scarce_resize(void *ctx, void *p, size_t old, size_t n)
{
  struct scarce *s = ctx;
  (void)old;
  if (n == 0) {
    free(p);
    return NULL;
  }
  if (s->left == 0) {
    s->failed = true;
    return NULL;
  }
  s->left--;
  return realloc(p, n);
}

static void want_of_memory_leaves_a_sound_document(void **state)
{
  (void)state;
  gesso_doc *want = doc_of(1), *from = doc_of(2);
  type_in(want, gesso_doc_root(want, str("t"), GESSO_TEXT), 0, "what is wanted");
  set(want, gesso_doc_root(want, str("m"), GESSO_MAP), "k", a_new(GESSO_ARRAY, ""));
  assert_int_equal(gesso_text_insert(want, gesso_doc_root(want, str("t"), GESSO_TEXT), 3, str("rich"), str("{\"b\":1}")),
                   GESSO_OK);
  type_in(from, gesso_doc_root(from, str("t"), GESSO_TEXT), 0, "what there is");
  gesso_buffer start = state_of(from);
  for (unsigned long n = 1;; n++) {
    struct scarce s = { .left = 100000 };
    gesso_allocator al = { scarce_resize, &s };
    gesso_doc_options o = { .size = sizeof o, .client_id = 3, .alloc = &al };
    gesso_doc *doc = gesso_doc_create(&o);
    apply(doc, view(start));
    s.left = n;
    gesso_status st = gs_doc_make_equal(doc, want, NULL);
    assert_true(st == GESSO_OK || (st == GESSO_E_NOMEM && s.failed));
    s.left = 100000;
    check(doc);
    gesso_doc_destroy(doc);
    if (!s.failed)
      break;
  }
  gesso_buffer_free(&start);
  gesso_doc_destroy(want);
  gesso_doc_destroy(from);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_type_that_both_have_is_edited_in_place),
    cmocka_unit_test(what_is_equal_is_not_written_again),
    cmocka_unit_test(xml_with_its_attributes_comes_back),
    cmocka_unit_test(roots_that_nobody_named_a_kind_of_are_compared_too),
    cmocka_unit_test(characters_outside_the_bmp_stay_whole),
    cmocka_unit_test(nesting_ends_with_a_limit),
    cmocka_unit_test(small_differences_are_minimal),
    cmocka_unit_test(large_differences_are_found_by_what_is_unique),
    cmocka_unit_test(want_of_memory_leaves_a_sound_document),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
