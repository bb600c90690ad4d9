/* Updates from peers that mean no good, and memory that runs out: all or nothing. */
#include "crdt_test.h"

#include "gesso/update.h"
#include "support/declared.h"
#include "wire/writer.h"

/* A document with something of everything in it. */
static gesso_doc *sample(uint64_t client)
{
  gesso_doc *doc = doc_of(client);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY), made;
  type_in(doc, t, 0, "some text with an \xf0\x9f\x98\x80 in it");
  assert_int_equal(gesso_text_format(doc, t, 5, 4, str("{\"bold\":true}")), GESSO_OK);
  cut_out(doc, t, 3, 2);
  gesso_value v[4] = { { .kind = GESSO_VALUE_JSON, .bytes = str("{\"deep\":[1,2.5,null]}") },
                       { .kind = GESSO_VALUE_BYTES, .bytes = str("bytes that are longer") },
                       { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_ELEMENT, .bytes = str("p") },
                       { .kind = GESSO_VALUE_BOOL, .number = 1 } };
  assert_int_equal(gesso_array_insert(doc, a, 0, v, 4, NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, m, str("key"), v[0], NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, m, str("nested"), (gesso_value){ .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT }, &made),
                   GESSO_OK);
  type_in(doc, made, 0, "inside");
  return doc;
}

static void every_truncation_is_refused_and_changes_nothing(void **state)
{
  (void)state;
  gesso_doc *from = sample(1);
  gesso_buffer all = state_of(from);
  gesso_doc *doc = doc_of(2);
  type_in(doc, gesso_doc_root(doc, str("t"), GESSO_TEXT), 0, "mine");
  gesso_buffer before = state_of(doc);
  for (size_t n = 0; n < all.len; n++) {
    uint8_t *exact = malloc(n + 1); /* so that a read past the end is seen */
    memcpy(exact, all.data, n);
    exact = realloc(exact, n > 0 ? n : 1);
    gesso_error why = { GESSO_OK, 0, NULL };
    assert_int_not_equal(gesso_doc_apply_v1(doc, (gesso_bytes){ exact, n }, &why), GESSO_OK);
    assert_int_not_equal(why.status, GESSO_OK);
    assert_true(why.offset <= n);
    assert_non_null(why.message);
    free(exact);
  }
  check(doc);
  gesso_buffer after = state_of(doc);
  assert_int_equal(before.len, after.len);
  assert_memory_equal(before.data, after.data, after.len);
  gesso_buffer_free(&before);
  gesso_buffer_free(&after);
  gesso_buffer_free(&all);
  gesso_doc_destroy(from);
  gesso_doc_destroy(doc);
}

/* One struct of client 1, whose root's name or whose key is the last there is, behind `filler` letters of another. */
static gs_buf cut_behind_name(bool keyed, size_t len, size_t filler)
{
  static const uint8_t other[] = { 1, 9, 0, 4, 1, 1, 't' }, own[] = { 1, 1, 0, 0x28, 1 };
  gs_buf b = gs_buf_make(NULL);
  gs_write_varuint(&b, filler > 0 ? 2 : 1);
  if (filler > 0) {
    gs_buf_write(&b, other, sizeof other);
    gs_write_varuint(&b, filler);
    while (filler-- > 0)
      gs_buf_put(&b, 'x');
  }
  gs_buf_write(&b, own, sizeof own);
  if (keyed)
    gs_buf_puts(&b, "\001r");
  gs_write_varuint(&b, len);
  while (len-- > 0)
    gs_buf_put(&b, 'k');
  assert_int_equal(b.err, GESSO_OK);
  return b;
}

static void names_at_the_very_end_are_not_read_past(void **state)
{
  (void)state;
  for (size_t len = 0; len < 128; len++)
    for (int i = 0; i < 4; i++) {
      gs_buf b = cut_behind_name(i % 2 != 0, len, i / 2 * 700);
      uint8_t *exact = malloc(b.b.len); /* so that a read past the end is seen */
      memcpy(exact, b.b.data, b.b.len);
      gesso_doc *doc = doc_of(2);
      assert_int_equal(gesso_doc_apply_v1(doc, (gesso_bytes){ exact, b.b.len }, NULL), GESSO_E_TRUNCATED);
      gesso_doc_destroy(doc);
      free(exact);
      gs_buf_finish(&b);
    }
}

struct faulty {
  unsigned long calls, fail_at;
  size_t live, peak;
};

static void *faulty_resize(void *ctx, void *p, size_t old_size, size_t new_size)
{
  struct faulty *f = ctx;
  if (new_size > old_size && ++f->calls == f->fail_at)
    return NULL;
  f->live += new_size - old_size;
  if (f->live > f->peak)
    f->peak = f->live;
  if (new_size == 0) {
    free(p);
    return NULL;
  }
  return realloc(p, new_size);
}

static void every_allocation_failure_changes_nothing(void **state)
{
  (void)state;
  gesso_doc *one = sample(1), *two = sample(2);
  gesso_buffer first = state_of(one);
  pull(two, one);
  cut_out(two, gesso_doc_root(two, str("t"), GESSO_TEXT), 2, 8);
  gesso_buffer second = state_of(two);
  bool failed = true;
  for (unsigned long n = 1; failed; n++) {
    struct faulty f = { 0, 0, 0, 0 };
    gesso_allocator al = { faulty_resize, &f };
    gesso_doc_options o = { .size = sizeof o, .client_id = 9, .alloc = &al };
    gesso_doc *doc = gesso_doc_create(&o);
    apply(doc, view(first));
    type_in(doc, gesso_doc_root(doc, str("t"), GESSO_TEXT), 1, "zz"); /* makes a position index */
    gesso_buffer before = state_of(doc);
    f.calls = 0;
    f.fail_at = n;
    gesso_status st = gesso_doc_apply_v1(doc, view(second), NULL);
    failed = f.calls >= n;
    f.fail_at = 0;
    check(doc);
    if (st != GESSO_OK) {
      assert_int_equal(st, GESSO_E_NOMEM);
      gesso_buffer after = state_of(doc);
      assert_int_equal(before.len, after.len);
      assert_memory_equal(before.data, after.data, after.len);
      gesso_buffer_free(&after);
      apply(doc, view(second));
      check(doc);
    }
    gesso_buffer_free(&before);
    gesso_doc_destroy(doc);
    assert_int_equal(f.live, 0);
  }
  gesso_buffer_free(&first);
  gesso_buffer_free(&second);
  gesso_doc_destroy(one);
  gesso_doc_destroy(two);
}

static gesso_status try_bytes(gs_buf *b, gesso_doc_stats *stats)
{
  gesso_doc *doc = doc_of(1);
  gesso_status st = gesso_doc_apply_v1(doc, gs_buf_bytes(b), NULL);
  check(doc);
  gesso_doc_get_stats(doc, stats);
  gesso_doc_destroy(doc);
  gs_buf_finish(b);
  return st;
}

static void huge_clocks_lengths_and_counts_are_limits(void **state)
{
  (void)state;
  gesso_doc_stats stats;
  const uint64_t huge = 9007199254740991u;
  gs_buf b = gs_buf_make(NULL);
  gs_write_varuint(&b, 1); /* one client, one struct at clock 2^53-1 */
  gs_write_varuint(&b, 1);
  gs_write_varuint(&b, 5);
  gs_write_varuint(&b, huge);
  gs_buf_write(&b, "\x00\x01\x00", 3);
  assert_int_equal(try_bytes(&b, &stats), GESSO_E_LIMIT);

  gs_write_varuint(&b, 1); /* a gc range of that length */
  gs_write_varuint(&b, 1);
  gs_write_varuint(&b, 5);
  gs_write_varuint(&b, 0);
  gs_buf_put(&b, 0);
  gs_write_varuint(&b, huge);
  gs_buf_put(&b, 0);
  assert_int_equal(try_bytes(&b, &stats), GESSO_E_LIMIT);

  gs_write_varuint(&b, 1); /* 2^32 structs claimed in 20 bytes */
  gs_write_varuint(&b, (uint64_t)1 << 32);
  gs_buf_write(&b, "\x05\x00\x00\x01\x00\x01\x00\x01\x00\x01", 10);
  assert_int_equal(try_bytes(&b, &stats), GESSO_E_RANGE);

  gs_write_varuint(&b, 1); /* an Any of 2^32 elements */
  gs_write_varuint(&b, 1);
  gs_buf_write(&b, "\x05\x00\x08\x01\x01t", 6);
  gs_write_varuint(&b, (uint64_t)1 << 32);
  gs_buf_write(&b, "\x7f\x7f\x00", 3);
  assert_int_equal(try_bytes(&b, &stats), GESSO_E_RANGE);
}

static void root_types_without_number(void **state)
{
  (void)state;
  enum { N = 100000 };
  gs_buf b = gs_buf_make(NULL);
  gs_write_varuint(&b, 1);
  gs_write_varuint(&b, N);
  gs_write_varuint(&b, 5);
  gs_write_varuint(&b, 0);
  for (int i = 0; i < N; i++) {
    char name[16];
    int n = snprintf(name, sizeof name, "root-%d", i);
    gs_buf_write(&b, "\x04\x01", 2);
    gs_write_bytes(&b, (gesso_bytes){ (const uint8_t *)name, (size_t)n });
    gs_buf_write(&b, "\x01x", 2);
  }
  gs_buf_put(&b, 0);
  gesso_doc_stats stats;
  assert_int_equal(try_bytes(&b, &stats), GESSO_OK);
  assert_int_equal(stats.structs, N);
}

static void deep_nesting_takes_no_stack(void **state)
{
  (void)state;
  enum { N = 100000 };
  gs_buf b = gs_buf_make(NULL);
  gs_write_varuint(&b, 1);
  gs_write_varuint(&b, N);
  gs_write_varuint(&b, 5);
  gs_write_varuint(&b, 0);
  for (int i = 0; i < N; i++) {
    gs_buf_put(&b, 7);
    if (i == 0) {
      gs_buf_write(&b, "\x01\x01r", 3);
    } else {
      gs_buf_write(&b, "\x00\x05", 2);
      gs_write_varuint(&b, (uint64_t)i - 1);
    }
    gs_buf_put(&b, GESSO_ARRAY);
  }
  gs_buf_write(&b, "\x00", 1);
  gesso_doc *doc = doc_of(1);
  apply(doc, gs_buf_bytes(&b));
  check(doc);
  gesso_buffer out;
  gesso_type root = gesso_doc_root(doc, str("r"), GESSO_ARRAY);
  assert_int_equal(gesso_type_to_json(doc, root, GESSO_ARRAY, &out), GESSO_E_LIMIT);
  assert_int_equal(gesso_array_remove(doc, root, 0, 1), GESSO_OK);
  check(doc);
  gs_buf_finish(&b);
  gesso_doc_destroy(doc);
}

static void delete_ranges_without_number_wait(void **state)
{
  (void)state;
  enum { N = 200000 };
  gs_buf b = gs_buf_make(NULL);
  gs_write_varuint(&b, 0);
  gs_write_varuint(&b, 1);
  gs_write_varuint(&b, 5);
  gs_write_varuint(&b, N);
  for (int i = N; i-- > 0;) {
    gs_write_varuint(&b, (uint64_t)i * 2);
    gs_write_varuint(&b, 1);
  }
  gesso_doc_stats stats;
  assert_int_equal(try_bytes(&b, &stats), GESSO_OK);
  assert_int_equal(stats.pending_delete_ranges, N);
}

static void more_than_may_wait_is_refused(void **state)
{
  (void)state;
  gesso_doc_options o = { .size = sizeof o, .client_id = 1, .pending_structs_max = 10 };
  gesso_doc *doc = gesso_doc_create(&o);
  for (int i = 1; i <= 11; i++) {
    uint8_t gap[] = { 1, 1, 5, (uint8_t)(i * 2), 4, 1, 1, 't', 1, 'x', 0 };
    assert_int_equal(gesso_doc_apply_v1(doc, (gesso_bytes){ gap, sizeof gap }, NULL), i <= 10 ? GESSO_OK : GESSO_E_LIMIT);
  }
  check(doc);
  gesso_doc_destroy(doc);
}

static void a_memory_cap_holds(void **state)
{
  (void)state;
  gesso_doc *from = doc_of(1);
  gesso_type t = gesso_doc_root(from, str("t"), GESSO_TEXT);
  for (int i = 0; i < 2000; i++)
    type_in(from, t, 0, "a text that is not short at all");
  gesso_buffer all = state_of(from);
  gesso_doc_options o = { .size = sizeof o, .client_id = 2, .memory_max = 32 * 1024 };
  gesso_doc *doc = gesso_doc_create(&o);
  assert_int_equal(gesso_doc_apply_v1(doc, view(all), NULL), GESSO_E_NOMEM);
  check(doc);
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  assert_int_equal(stats.structs, 0);
  assert_true(stats.memory_bytes <= o.memory_max);
  gesso_buffer_free(&all);
  gesso_doc_destroy(from);
  gesso_doc_destroy(doc);
}

static void structs_that_make_no_sense_are_refused(void **state)
{
  (void)state;
  static const struct {
    const char *bytes;
    size_t len;
    gesso_status want;
  } cases[] = {
    { "\x01\x01\x05\x00\x84\x05\x00\x01x\x00", 10, GESSO_E_CORRUPT },      /* its own origin */
    { "\x01\x01\x05\x00\x0b\x01\x00", 7, GESSO_E_CORRUPT },                /* kind 11 */
    { "\x01\x01\x05\x00\x00\x00\x00", 7, GESSO_E_CORRUPT },                /* length 0 */
    { "\x01\x01\x05\x00\x07\x01\x01r\x08\x00", 10, GESSO_E_CORRUPT },      /* type 8 */
    { "\x01\x01\x05\x00\x07\x01\x01r\x07\x40\x01\x01\x00", 13, GESSO_E_CORRUPT }, /* a link with unknown flags */
    { "\x01\x01\x05\x00\x07\x01\x01r\x07\x01\x01\x00", 12, GESSO_E_TRUNCATED }, /* a link without its end */
    { "\x01\x01\x05\x00\x04\x01\x01r\x01\xff\x00", 11, GESSO_E_CORRUPT },  /* not UTF-8 */
    { "\x01\x01\x05\x00\x05\x01\x01r\x02{]\x00", 12, GESSO_E_CORRUPT },    /* not JSON */
    { "\x01\x01\x05\x00\x08\x01\x01r\x01\x01\x00", 11, GESSO_E_CORRUPT },  /* not an Any */
    { "\x02\x01\x05\x00\x00\x01\x01\x05\x01\x00\x01\x00", 12, GESSO_E_CORRUPT }, /* a client twice */
    { "\x00\x00\x00", 3, GESSO_E_CORRUPT },                                /* more than an update */
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    gesso_doc *doc = doc_of(1);
    assert_int_equal(gesso_doc_apply_v1(doc, (gesso_bytes){ (const uint8_t *)cases[i].bytes, cases[i].len }, NULL),
                     cases[i].want);
    check(doc);
    gesso_doc_destroy(doc);
  }
}

static void a_refused_update_forgets_nobody_who_waits(void **state)
{
  (void)state;
  gesso_doc_options o = { .size = sizeof o, .client_id = 1, .pending_structs_max = 1 };
  gesso_doc *doc = gesso_doc_create(&o);
  /* 6:0 waits for 5:0. */
  static const uint8_t waits[] = { 1, 1, 6, 0, 0x84, 5, 0, 1, 'b', 0 };
  apply(doc, (gesso_bytes){ waits, sizeof waits });
  /* 5:0 comes, and with it 7:1, for which there is no room: all of it is refused. */
  static const uint8_t refused[] = { 2, 1, 7, 1, 4, 1, 1, 't', 1, 'x', 1, 5, 0, 4, 1, 1, 't', 1, 'a', 0 };
  for (int i = 0; i < 3; i++)
    assert_int_equal(gesso_doc_apply_v1(doc, (gesso_bytes){ refused, sizeof refused }, NULL), GESSO_E_LIMIT);
  check(doc);
  static const uint8_t missing[] = { 1, 1, 5, 0, 4, 1, 1, 't', 1, 'a', 0 };
  apply(doc, (gesso_bytes){ missing, sizeof missing });
  check(doc);
  gesso_buffer text = { 0 };
  assert_int_equal(gesso_text_to_string(doc, gesso_doc_root(doc, str("t"), GESSO_TEXT), &text), GESSO_OK);
  assert_int_equal(text.len, 2);
  assert_memory_equal(text.data, "ab", 2);
  gesso_buffer_free(&text);
  gesso_doc_destroy(doc);
}

static uint32_t next_random(uint32_t *x)
{
  *x = *x * 1664525u + 1013904223u;
  return *x >> 8;
}

/* Long contents are cut where they are asked to be, wherever that is. */
static void long_contents_are_cut_in_the_right_place(void **state)
{
  (void)state;
  enum { N = 4000, CUTS = 1500 };
  static const char *const pieces[] = { "a", "\xc3\xa9", "\xe6\xbc\xa2", "\xf0\x9f\x98\x80" };
  uint32_t x = 7, n = N;
  static uint8_t kind[N];
  static int number[N];
  static gesso_value values[N];
  gs_buf all = gs_buf_make(NULL);
  for (int i = 0; i < N; i++) {
    kind[i] = (uint8_t)(next_random(&x) % 4);
    gs_buf_puts(&all, pieces[kind[i]]);
    number[i] = (int)(next_random(&x) % 100000);
    values[i] = (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = number[i] };
  }
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), a = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  assert_int_equal(gesso_text_insert(doc, t, 0, gs_buf_bytes(&all), (gesso_bytes){ NULL, 0 }), GESSO_OK);
  assert_int_equal(gesso_array_insert(doc, a, 0, values, N, NULL), GESSO_OK);
  gs_buf_finish(&all);
  for (int i = 0; i < CUTS; i++) {
    uint32_t at = next_random(&x) % n, units = 0;
    for (uint32_t k = 0; k < at; k++)
      units += kind[k] == 3 ? 2 : 1;
    cut_out(doc, t, units, kind[at] == 3 ? 2 : 1);
    assert_int_equal(gesso_array_remove(doc, a, at, 1), GESSO_OK);
    n--;
    memmove(kind + at, kind + at + 1, n - at);
    memmove(number + at, number + at + 1, (n - at) * sizeof *number);
  }
  check(doc);
  gs_buf text = gs_buf_make(NULL), json = gs_buf_make(NULL);
  gs_buf_put(&json, '[');
  for (uint32_t i = 0; i < n; i++) {
    gs_buf_puts(&text, pieces[kind[i]]);
    gs_buf_printf(&json, "%s%d", i == 0 ? "" : ",", number[i]);
  }
  gs_buf_put(&json, ']');
  gesso_buffer got = { 0 };
  assert_int_equal(gesso_text_to_string(doc, t, &got), GESSO_OK);
  assert_int_equal(got.len, text.b.len);
  assert_memory_equal(got.data, text.b.data, got.len);
  gesso_buffer_free(&got);
  assert_int_equal(gesso_type_to_json(doc, a, GESSO_ARRAY, &got), GESSO_OK);
  assert_int_equal(got.len, json.b.len);
  assert_memory_equal(got.data, json.b.data, got.len);
  gesso_buffer_free(&got);
  gs_buf_finish(&text);
  gs_buf_finish(&json);
  gesso_doc_destroy(doc);
}

/* What waits, root types, delete ranges and clients cost memory in proportion to their bytes. */
static void memory_is_bounded_by_the_input(void **state)
{
  (void)state;
  enum { N = 20000 };
  for (int way = 0; way < 4; way++) {
    gs_buf b = gs_buf_make(NULL);
    gs_write_varuint(&b, way == 3 ? 0 : way == 2 ? N : 1);
    for (uint64_t i = 0; i < N && way < 3; i++) {
      if (way == 2 || i == 0) {
        gs_write_varuint(&b, way == 2 ? 1 : N);
        gs_write_varuint(&b, 1000 + i);
        gs_write_varuint(&b, way == 0 ? 1 : 0); /* 0: all of it waits */
      }
      char name[16];
      int n = snprintf(name, sizeof name, "%llu", (unsigned long long)i);
      gs_buf_write(&b, "\x04\x01", 2);
      gs_write_bytes(&b, (gesso_bytes){ (const uint8_t *)name, way == 1 ? (size_t)n : 1 });
      gs_buf_write(&b, "\x01x", 2);
    }
    gs_write_varuint(&b, way == 3 ? 1 : 0);
    if (way == 3) {
      gs_write_varuint(&b, 5);
      gs_write_varuint(&b, N);
      for (uint64_t i = N; i-- > 0;) {
        gs_write_varuint(&b, 2 * i);
        gs_write_varuint(&b, 1);
      }
    }
    size_t len = b.b.len;
    struct faulty f = { 0, 0, 0, 0 };
    gesso_allocator al = { faulty_resize, &f };
    gesso_doc_options o = { .size = sizeof o, .client_id = 1, .alloc = &al };
    gesso_doc *doc = gesso_doc_create(&o);
    apply(doc, gs_buf_bytes(&b));
    assert_true(f.peak < 100 * len + 65536);
    gesso_doc_destroy(doc);
    assert_int_equal(f.live, 0);
    gs_buf_finish(&b);
  }
}

/* 5,000 formats that name one key of 5,000 bytes; one struct of 2^40 empty strings. */
static void a_small_v2_update_cannot_become_a_huge_one(void **state)
{
  (void)state;
  gs_buf b = gs_buf_make(NULL);
  gs_buf_write(&b, "\0\x03\x01\x86\x27\x03\x45\x86\x27\x04\0\x03\x84\x27\0\x03\x06\0\x86\x8e\x27\x89\x27t", 24);
  for (int i = 0; i < 5000; i++)
    gs_buf_put(&b, 'k');
  gs_buf_write(&b, "\x01\x88\x4e\x01\x01\0\0\x01\x88\x27\0", 11);
  for (int i = 0; i < 5000; i++)
    gs_buf_put(&b, 'x');
  gs_buf_put(&b, 0);
  static const char run[] = "\0\0\x01\x05\0\0\x01\x02\x0b\x01t\x01\x40\xff\xff\xff\xff\xff\xff\x07\x01\x01\0\x06"
                            "\x80\x80\x80\x80\x80\x40\x01\x01\0\0";
  gesso_bytes cases[] = { gs_buf_bytes(&b), { (const uint8_t *)run, sizeof run - 1 } };
  /* The second is 2^40 JSON texts, all of them empty: the first is none. */
  const gesso_status want[] = { GESSO_E_LIMIT, GESSO_E_CORRUPT };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    gesso_buffer v1 = { 0 };
    gesso_doc *doc = doc_of(1);
    assert_int_equal(gesso_update_v2_to_v1(cases[i], &v1, NULL), want[i]);
    assert_int_equal(gesso_doc_apply_v2(doc, cases[i], NULL), want[i]);
    assert_null(v1.data);
    gesso_doc_destroy(doc);
  }
  gs_buf_finish(&b);
}

/* A few bytes of v2 declare as many structs as they like. */
static void memory_is_bounded_by_the_structs_declared(void **state)
{
  (void)state;
  enum { N = 100000 };
  for (int family = 0; family < DECLARED_FAMILIES; family++) {
    gs_buf b = declared_update(family, N);
    struct faulty f = { 0, 0, 0, 0 };
    gesso_allocator al = { faulty_resize, &f };
    gesso_doc_options o = { .size = sizeof o, .client_id = N + 1, .alloc = &al };
    gesso_doc *doc = gesso_doc_create(&o);
    size_t before = f.live;
    assert_int_equal(gesso_doc_apply_v2(doc, gs_buf_bytes(&b), NULL), GESSO_OK);
    size_t each = 64;
    if (family == DECLARED_TYPES || family == DECLARED_NODES)
      each += 64; /* what is made is two: a struct and a type, or a struct and half of another */
    else if (family == DECLARED_NESTED || family == DECLARED_CUTTING)
      each += 96;
    else if (family == DECLARED_WAITING)
      each += 32;
    if (f.peak - before > each * N + 50 * b.b.len + 65536)
      fail_msg("%s: %zu bytes for a struct", declared_names[family], (f.peak - before) / N);
    if (family != DECLARED_CLIENTS)
      check(doc);
    gesso_doc_destroy(doc);
    assert_int_equal(f.live, 0);
    gs_buf_finish(&b);
  }
}

/* Memory that is out of all proportion is refused before anything is done. */
static void what_declared_structs_may_take_has_an_end(void **state)
{
  (void)state;
  gs_buf b = declared_update(DECLARED_NESTED, 3000000);
  struct faulty f = { 0, 0, 0, 0 };
  gesso_allocator al = { faulty_resize, &f };
  gesso_doc_options o = { .size = sizeof o, .client_id = 1, .alloc = &al };
  gesso_doc *doc = gesso_doc_create(&o);
  assert_int_equal(gesso_doc_apply_v2(doc, gs_buf_bytes(&b), NULL), GESSO_E_LIMIT);
  assert_true(f.peak < (size_t)64 * GESSO_UPDATE_STRUCTS_MAX);
  check(doc);
  gesso_doc_destroy(doc);
  assert_int_equal(f.live, 0);
  gs_buf_finish(&b);
}

static void *adding_resize(void *ctx, void *p, size_t old_size, size_t new_size)
{
  size_t *sum = ctx;
  *sum += new_size;
  (void)old_size;
  if (new_size == 0) {
    free(p);
    return NULL;
  }
  return realloc(p, new_size);
}

static void between(gs_buf *b, uint64_t origin, uint64_t right)
{
  gs_buf_write(b, (const uint8_t[]){ 0xc4, 10 }, 2);
  gs_write_varuint(b, origin);
  gs_buf_put(b, 10);
  gs_write_varuint(b, right);
  gs_buf_write(b, (const uint8_t[]){ 1, 'x' }, 2);
}

/* Two write at one place, and after each character of the second comes one whose right origin stands before its origin,
 * for which the index over the first one's has to go. It is not made again and again. */
static void an_index_that_is_of_no_use_is_not_made_again(void **state)
{
  (void)state;
  enum { EACH = 3000, LETTERS = 2 * EACH + 100 };
  size_t sum = 0;
  gesso_allocator al = { adding_resize, &sum };
  gesso_doc_options o = { .size = sizeof o, .client_id = 77, .alloc = &al };
  gesso_doc *doc = gesso_doc_create(&o);
  gs_buf b = gs_buf_make(NULL);
  gs_buf_write(&b, (const uint8_t[]){ 1, 1, 10, 0, 4, 1, 1, 't' }, 8);
  gs_write_varuint(&b, LETTERS);
  for (size_t i = 0; i < LETTERS; i++)
    gs_buf_put(&b, 'a');
  gs_buf_put(&b, 0);
  apply(doc, gs_buf_bytes(&b));
  for (uint8_t client = 5; client <= 50; client += 45) {
    gs_buf_clear(&b);
    gs_write_varuint(&b, 1);
    gs_write_varuint(&b, client == 5 ? EACH : 2 * EACH);
    gs_buf_write(&b, (const uint8_t[]){ client, 0 }, 2);
    for (uint64_t i = 0; i < EACH; i++) {
      between(&b, 0, 1);
      if (client == 50)
        between(&b, LETTERS - 2 * i - 2, LETTERS - 2 * i - 3);
    }
    gs_buf_put(&b, 0);
    apply(doc, gs_buf_bytes(&b));
  }
  check(doc);
  assert_true(sum < 200000000);
  gs_buf_finish(&b);
  gesso_doc_destroy(doc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(an_index_that_is_of_no_use_is_not_made_again),
    cmocka_unit_test(every_truncation_is_refused_and_changes_nothing),
    cmocka_unit_test(names_at_the_very_end_are_not_read_past),
    cmocka_unit_test(every_allocation_failure_changes_nothing),
    cmocka_unit_test(huge_clocks_lengths_and_counts_are_limits),
    cmocka_unit_test(root_types_without_number),
    cmocka_unit_test(deep_nesting_takes_no_stack),
    cmocka_unit_test(delete_ranges_without_number_wait),
    cmocka_unit_test(more_than_may_wait_is_refused),
    cmocka_unit_test(a_memory_cap_holds),
    cmocka_unit_test(structs_that_make_no_sense_are_refused),
    cmocka_unit_test(a_refused_update_forgets_nobody_who_waits),
    cmocka_unit_test(long_contents_are_cut_in_the_right_place),
    cmocka_unit_test(memory_is_bounded_by_the_input),
    cmocka_unit_test(memory_is_bounded_by_the_structs_declared),
    cmocka_unit_test(what_declared_structs_may_take_has_an_end),
    cmocka_unit_test(a_small_v2_update_cannot_become_a_huge_one),
  };
  return cmocka_run_group_tests_name("hostile updates", tests, NULL, NULL);
}
