/* Documents inside documents: who holds them, what is told of them, and when they go. */
#include "crdt/subdoc.h"
#include "crdt_test.h"
#include "gesso/events.h"
#include "wire/writer.h"

static gesso_doc *made_of(const char *guid, uint32_t flags)
{
  gesso_doc_options o = { .size = sizeof o, .flags = flags, .guid = str(guid) };
  gesso_doc *doc = gesso_doc_create(&o);
  assert_non_null(doc);
  return doc;
}

static gesso_value of(gesso_doc *doc)
{
  return (gesso_value){ .kind = GESSO_VALUE_DOC, .doc = doc };
}

static void is_text(gesso_bytes b, const char *want)
{
  assert_int_equal(b.len, strlen(want));
  assert_memory_equal(b.data, want, b.len);
}

/* The subdocument under a key, borrowed. */
static gesso_doc *at(gesso_doc *doc, const char *key)
{
  gesso_values v;
  assert_int_equal(gesso_map_get(doc, gesso_doc_find_root(doc, str("m")), str(key), &v), GESSO_OK);
  assert_int_equal(v.items[0].kind, GESSO_VALUE_DOC);
  gesso_doc *found = v.items[0].doc;
  gesso_values_free(&v);
  return found;
}

static gesso_doc *parent_of(const char *key, gesso_doc *subdoc)
{
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  assert_int_equal(gesso_map_set(doc, m, str(key), of(subdoc), NULL), GESSO_OK);
  return doc;
}

static void a_document_knows_what_it_is_called(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1), *other = doc_of(2);
  gesso_bytes guid = gesso_doc_guid(doc);
  assert_int_equal(guid.len, 36);
  for (size_t i = 0; i < 36; i++)
    assert_true(i == 8 || i == 13 || i == 18 || i == 23 ? guid.data[i] == '-'
                                                        : strchr("0123456789abcdef", guid.data[i]) != NULL);
  assert_int_equal(guid.data[14], '4');
  assert_non_null(strchr("89ab", guid.data[19]));
  assert_ptr_equal(gesso_doc_guid(doc).data, guid.data);
  assert_memory_not_equal(gesso_doc_guid(other).data, guid.data, 36);
  assert_null(gesso_doc_meta_json(doc).data);
  assert_null(gesso_doc_collection_id(doc).data);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);

  gesso_doc_options o = { .size = sizeof o, .guid = str("g"), .collection_id = str("c") };
  o.meta_json = str(" { \"a\" : 1 } ");
  doc = gesso_doc_create(&o);
  is_text(gesso_doc_guid(doc), "g");
  is_text(gesso_doc_collection_id(doc), "c");
  is_text(gesso_doc_meta_json(doc), "{\"a\":1}");
  gesso_doc_destroy(doc);
  o.meta_json = str("null");
  doc = gesso_doc_create(&o);
  assert_null(gesso_doc_meta_json(doc).data);
  gesso_doc_destroy(doc);
  o.meta_json = str("{");
  assert_null(gesso_doc_create(&o));
  o.meta_json = str("1");
  o.guid = str("\xff");
  assert_null(gesso_doc_create(&o));
}

static void references_are_counted(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  assert_ptr_equal(gesso_doc_retain(doc), doc);
  gesso_doc_destroy(doc);
  check(doc);
  gesso_doc_destroy(doc);
}

static void one_that_was_put_in_is_the_one_that_is_read(void **state)
{
  (void)state;
  gesso_doc_options o = { .size = sizeof o, .guid = str("sub"), .meta_json = str("[7]") };
  o.flags = GESSO_DOC_NO_GC | GESSO_DOC_AUTO_LOAD;
  gesso_doc *sub = gesso_doc_create(&o);
  gesso_doc *doc = parent_of("k", sub);
  assert_ptr_equal(at(doc, "k"), sub);
  assert_ptr_equal(gesso_doc_parent(sub), doc);
  assert_int_equal(gesso_doc_client_id(sub), 1);
  gesso_type t = gesso_doc_root(sub, str("t"), GESSO_TEXT);
  type_in(sub, t, 0, "inside");
  gesso_doc_destroy(sub); /* ours: the parent has its own */
  reads_json(at(doc, "k"), t, GESSO_TEXT, "\"inside\"");

  gesso_doc *far = doc_of(2);
  (void)gesso_doc_root(far, str("m"), GESSO_MAP);
  pull(far, doc);
  gesso_doc *copy = at(far, "k");
  assert_ptr_equal(at(far, "k"), copy);
  is_text(gesso_doc_guid(copy), "sub");
  is_text(gesso_doc_meta_json(copy), "[7]");
  assert_int_equal(gesso_doc_flags(copy), GESSO_DOC_NO_GC | GESSO_DOC_AUTO_LOAD);
  assert_int_equal(gesso_doc_client_id(copy), 2);
  gesso_doc *all[2];
  assert_int_equal(gesso_doc_subdocs(far, NULL, 0), 1);
  assert_int_equal(gesso_doc_subdocs(far, all, 2), 1);
  assert_ptr_equal(all[0], copy);
  check(doc);
  check(far);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(far);
}

static void nobody_pays_for_what_nobody_looks_at(void **state)
{
  (void)state;
  gesso_doc *sub = made_of("sub", 0), *doc = parent_of("k", sub), *far = doc_of(2);
  pull(far, doc);
  assert_null(far->subdocs);
  assert_int_equal(gesso_map_remove(doc, gesso_doc_find_root(doc, str("m")), str("k")), GESSO_OK);
  pull(far, doc);
  assert_null(far->subdocs);
  check(far);
  gesso_doc_destroy(sub);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(far);
}

static void a_document_is_in_one_place_only(void **state)
{
  (void)state;
  gesso_doc *a = made_of("a", 0), *b = made_of("b", 0), *c = made_of("c", 0);
  gesso_type in_a = gesso_doc_root(a, str("l"), GESSO_ARRAY), in_b = gesso_doc_root(b, str("l"), GESSO_ARRAY);
  gesso_type in_c = gesso_doc_root(c, str("l"), GESSO_ARRAY);
  gesso_value self = of(a), vb = of(b), vc = of(c), twice[] = { of(b), of(b) }, nothing = of(NULL);
  assert_int_equal(gesso_array_insert(a, in_a, 0, &self, 1, NULL), GESSO_E_USAGE);
  assert_int_equal(gesso_array_insert(a, in_a, 0, &nothing, 1, NULL), GESSO_E_USAGE);
  assert_int_equal(gesso_array_insert(a, in_a, 0, twice, 2, NULL), GESSO_E_USAGE);
  assert_int_equal(gesso_array_insert(a, in_a, 0, &vb, 1, NULL), GESSO_OK);
  assert_int_equal(gesso_array_insert(a, in_a, 0, &vb, 1, NULL), GESSO_E_USAGE);
  assert_int_equal(gesso_array_insert(c, in_c, 0, &vb, 1, NULL), GESSO_E_USAGE);
  assert_int_equal(gesso_array_insert(b, in_b, 0, &vc, 1, NULL), GESSO_OK);
  assert_int_equal(gesso_array_insert(c, in_c, 0, &self, 1, NULL), GESSO_E_USAGE);
  assert_int_equal(gesso_doc_unload(a), GESSO_E_USAGE);
  check(a);
  gesso_doc_destroy(c);
  gesso_doc_destroy(b);
  gesso_doc_destroy(a);
}

/* What observers were told, as text: "+a -b !c" for added, removed, loaded; "x" for a document that went. */
typedef struct story {
  char text[512];
} story;

static void tell(story *s, char sign, gesso_doc *doc)
{
  gesso_bytes guid = gesso_doc_guid(doc);
  size_t n = strlen(s->text);
  (void)snprintf(s->text + n, sizeof s->text - n, "%s%c%.*s", n > 0 ? " " : "", sign, (int)guid.len,
                 (const char *)guid.data);
}

static void on_subdocs(void *ctx, gesso_doc *doc, const gesso_subdocs *e)
{
  (void)doc;
  for (size_t i = 0; i < e->nadded; i++)
    tell(ctx, '+', e->added[i]);
  for (size_t i = 0; i < e->nremoved; i++)
    tell(ctx, '-', e->removed[i]);
  for (size_t i = 0; i < e->nloaded; i++)
    tell(ctx, '!', e->loaded[i]);
}

static void on_destroy(void *ctx, gesso_doc *doc)
{
  tell(ctx, 'x', doc);
}

static void told(story *s, const char *want)
{
  assert_string_equal(s->text, want);
  s->text[0] = 0;
}

static void observers_hear_of_them(void **state)
{
  (void)state;
  story s = { "" }, far_s = { "" };
  gesso_subscription id;
  gesso_doc *doc = doc_of(1), *far = doc_of(2);
  gesso_doc *a = made_of("a", GESSO_DOC_NO_LOAD), *b = made_of("b", GESSO_DOC_AUTO_LOAD);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  (void)gesso_doc_root(far, str("m"), GESSO_MAP);
  assert_int_equal(gesso_doc_observe_subdocs(doc, on_subdocs, &s, &id), GESSO_OK);
  assert_int_equal(gesso_doc_observe_subdocs(far, on_subdocs, &far_s, &id), GESSO_OK);
  assert_int_equal(gesso_doc_observe_destroy(a, on_destroy, &s, &id), GESSO_OK);
  gesso_doc_begin(doc);
  assert_int_equal(gesso_map_set(doc, m, str("a"), of(a), NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, m, str("b"), of(b), NULL), GESSO_OK);
  told(&s, "");
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  told(&s, "+a +b !b");
  pull(far, doc);
  told(&far_s, "+a +b !b");
  assert_int_equal(gesso_doc_load(a), GESSO_OK);
  assert_int_equal(gesso_doc_load(a), GESSO_OK);
  told(&s, "!a");
  assert_int_equal(gesso_doc_flags(a), 0);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
  told(&s, "");
  assert_int_equal(gesso_map_set(doc, m, str("a"), (gesso_value){ .kind = GESSO_VALUE_NULL }, NULL), GESSO_OK);
  told(&s, "-a xa");
  pull(far, doc);
  told(&far_s, "-a");
  check(doc);
  check(far);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(far);
}

static void one_that_was_kept_outlives_its_place(void **state)
{
  (void)state;
  gesso_doc *sub = made_of("sub", 0), *doc = parent_of("k", sub);
  gesso_type m = gesso_doc_find_root(doc, str("m"));
  type_in(sub, gesso_doc_root(sub, str("t"), GESSO_TEXT), 0, "kept");
  assert_int_equal(gesso_map_remove(doc, m, str("k")), GESSO_OK);
  assert_null(gesso_doc_parent(sub));
  assert_int_equal(gesso_doc_subdocs(doc, NULL, 0), 0);
  assert_int_equal(gesso_map_set(doc, m, str("again"), of(sub), NULL), GESSO_OK);
  assert_ptr_equal(at(doc, "again"), sub);
  check(doc);
  gesso_doc_destroy(doc);
  assert_null(gesso_doc_parent(sub));
  reads_json(sub, gesso_doc_find_root(sub, str("t")), GESSO_TEXT, "\"kept\"");
  gesso_doc_destroy(sub);
}

static void unloading_puts_an_empty_one_in_its_place(void **state)
{
  (void)state;
  story s = { "" };
  gesso_subscription id;
  gesso_doc *sub = made_of("sub", GESSO_DOC_AUTO_LOAD), *doc = parent_of("k", sub);
  type_in(sub, gesso_doc_root(sub, str("t"), GESSO_TEXT), 0, "text");
  assert_int_equal(gesso_doc_observe_subdocs(doc, on_subdocs, &s, &id), GESSO_OK);
  assert_int_equal(gesso_doc_unload(sub), GESSO_OK);
  told(&s, "+sub -sub");
  assert_null(gesso_doc_parent(sub));
  gesso_doc *fresh = at(doc, "k");
  assert_ptr_not_equal(fresh, sub);
  is_text(gesso_doc_guid(fresh), "sub");
  assert_int_equal(gesso_doc_flags(fresh), GESSO_DOC_AUTO_LOAD | GESSO_DOC_NO_LOAD);
  assert_int_equal(gesso_doc_find_root(fresh, str("t")), 0);
  assert_int_equal(gesso_doc_load(fresh), GESSO_OK);
  told(&s, "!sub");
  check(doc);
  gesso_doc_destroy(sub);
  gesso_doc_destroy(doc);
}

/* Whoever reads an old value in an event gets a document, though its item is about to be collected. */
static void on_type(void *ctx, gesso_doc *doc, const gesso_event *e)
{
  (void)doc;
  for (size_t i = 0; i < e->keys_length; i++)
    if (e->keys[i].old_value != NULL && e->keys[i].old_value->kind == GESSO_VALUE_DOC)
      tell(ctx, '<', e->keys[i].old_value->doc);
}

static void old_values_in_events_can_be_read(void **state)
{
  (void)state;
  story s = { "" };
  gesso_subscription id;
  gesso_doc *sub = made_of("sub", 0), *doc = parent_of("k", sub), *far = doc_of(2);
  gesso_type m = gesso_doc_root(far, str("m"), GESSO_MAP);
  assert_int_equal(gesso_type_observe(far, m, on_type, &s, &id), GESSO_OK);
  pull(far, doc);
  told(&s, "");
  assert_int_equal(gesso_map_clear(doc, gesso_doc_find_root(doc, str("m"))), GESSO_OK);
  pull(far, doc);
  told(&s, "<sub");
  check(far);
  gesso_doc_destroy(sub);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(far);
}

static void many_come_and_go(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  uint32_t seed = 1;
  for (int i = 0; i < 300; i++) {
    char guid[16];
    (void)snprintf(guid, sizeof guid, "%d", i);
    gesso_doc *sub = made_of(guid, 0);
    gesso_value v = of(sub);
    uint64_t length = gesso_type_length(doc, a);
    seed = seed * 1103515245u + 12345u;
    assert_int_equal(gesso_array_insert(doc, a, seed / 65536 % (length + 1), &v, 1, NULL), GESSO_OK);
    gesso_doc_destroy(sub);
    if (seed % 3 == 0)
      assert_int_equal(gesso_array_remove(doc, a, seed / 4096 % (length + 1), 1), GESSO_OK);
    if (i % 10 == 0)
      check(doc);
  }
  gesso_values v;
  assert_int_equal(gesso_array_get(doc, a, 0, 1000, &v), GESSO_OK);
  assert_int_equal(v.count, gesso_type_length(doc, a));
  assert_int_equal(doc->subdocs->n, v.count);
  gesso_values_free(&v);
  assert_int_equal(gesso_array_remove(doc, a, 0, gesso_type_length(doc, a)), GESSO_OK);
  assert_int_equal(doc->subdocs->n, 0);
  check(doc);
  gesso_doc_destroy(doc);
}

/* A hostile update with a great many of them: who reads it stays within the cap. */
static void the_cap_holds_for_handles(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  for (int i = 0; i < 200; i++) {
    gesso_doc *sub = made_of("x", 0);
    gesso_value v = of(sub);
    assert_int_equal(gesso_array_insert(doc, a, 0, &v, 1, NULL), GESSO_OK);
    gesso_doc_destroy(sub);
  }
  gesso_buffer state_update = state_of(doc);
  gesso_doc_options o = { .size = sizeof o, .client_id = 2, .memory_max = 100000 };
  gesso_doc *far = gesso_doc_create(&o);
  apply(far, view(state_update));
  gesso_values v;
  assert_int_equal(gesso_array_get(far, gesso_doc_find_root(far, str("a")), 0, 200, &v), GESSO_E_NOMEM);
  gesso_doc_stats stats;
  gesso_doc_get_stats(far, &stats);
  assert_true(stats.memory_bytes <= 100000);
  check(far);
  gesso_buffer_free(&state_update);
  gesso_doc_destroy(far);
  gesso_doc_destroy(doc);
}

/* --- memory failures --- */

typedef struct scarce {
  gesso_allocator al;
  long left; /* allocations that still succeed */
  long held; /* bytes */
} scarce;

static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  scarce *s = ctx;
  if (new_size > old_size && s->left-- <= 0)
    return NULL;
  s->held += (long)new_size - (long)old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

static gesso_status scenario(scarce *s, gesso_doc *doc, gesso_doc *far)
{
  static story heard;
  heard.text[0] = 0;
  gesso_subscription id;
  gesso_doc_options o = { .size = sizeof o, .alloc = &s->al, .guid = str("a guid"), .collection_id = str("c") };
  o.meta_json = str("{\"a\":[1]}");
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY), m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  gesso_doc *sub[3] = { gesso_doc_create(&o), gesso_doc_create(&o), gesso_doc_create(&o) };
  gesso_status st = a != 0 && m != 0 && sub[0] != NULL && sub[1] != NULL && sub[2] != NULL ? GESSO_OK : GESSO_E_NOMEM;
  gesso_value values[] = { of(sub[0]), of(sub[1]) };
  gesso_buffer update = { 0 };
  gesso_values read;
  if (st == GESSO_OK)
    st = gesso_doc_observe_subdocs(doc, on_subdocs, &heard, &id);
  if (st == GESSO_OK)
    st = gesso_array_insert(doc, a, 0, values, 2, NULL);
  if (st == GESSO_OK)
    st = gesso_map_set(doc, m, str("k"), of(sub[2]), NULL);
  if (st == GESSO_OK)
    st = gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &update, NULL);
  if (st == GESSO_OK)
    st = gesso_doc_observe_subdocs(far, on_subdocs, &heard, &id);
  if (st == GESSO_OK)
    st = gesso_doc_apply_v1(far, view(update), NULL);
  gesso_buffer_free(&update);
  if (st == GESSO_OK) {
    st = gesso_array_get(far, gesso_doc_find_root(far, str("a")), 0, 2, &read);
    if (st == GESSO_OK && gesso_doc_parent(read.items[1].doc) != NULL)
      st = gesso_doc_unload(read.items[1].doc);
    if (read.owner != NULL)
      gesso_values_free(&read);
  }
  if (st == GESSO_OK)
    st = gesso_doc_unload(sub[2]);
  if (st == GESSO_OK)
    st = gesso_map_clear(doc, m);
  if (st == GESSO_OK)
    st = gesso_array_remove(doc, a, 0, 1);
  for (int i = 0; i < 3; i++)
    gesso_doc_destroy(sub[i]);
  return st;
}

static void memory_failures_leave_whole_documents(void **state)
{
  (void)state;
  gesso_status st = GESSO_E_NOMEM;
  long n = 0;
  for (; st == GESSO_E_NOMEM; n++) {
    scarce s = { .left = n };
    s.al = (gesso_allocator){ resize, &s };
    gesso_doc_options o = { .size = sizeof o, .alloc = &s.al, .client_id = 1 };
    gesso_doc *doc = gesso_doc_create(&o);
    o.client_id = 2;
    gesso_doc *far = gesso_doc_create(&o);
    if (doc != NULL && far != NULL) {
      st = scenario(&s, doc, far);
      check(doc);
      check(far);
    }
    s.left = 1000000;
    gesso_doc_destroy(doc);
    gesso_doc_destroy(far);
    assert_int_equal(s.held, 0);
  }
  assert_int_equal(st, GESSO_OK);
  assert_true(n > 80);
}

static void count_them(void *ctx, gesso_doc *doc, const gesso_subdocs *s)
{
  (void)doc;
  size_t *n = ctx;
  n[0] += s->nadded;
  n[1] += s->nremoved;
}

/* What comes and goes costs what it is, not what else is there: with a table that is looked through for each of them
 * this takes a minute. */
static void many_come_at_once_and_go_one_by_one(void **state)
{
  (void)state;
  enum { MANY = 30000 };
  size_t n[2] = { 0, 0 };
  gesso_subscription sub;
  gesso_doc *doc = doc_of(1);
  gs_buf b = gs_buf_make(NULL);
  assert_int_equal(gesso_doc_observe_subdocs(doc, count_them, n, &sub), GESSO_OK);
  gs_write_varuint(&b, 1);
  gs_write_varuint(&b, MANY);
  gs_buf_write(&b, (const uint8_t[]){ 9, 0 }, 2);
  for (uint32_t i = 0; i < MANY; i++) {
    gs_buf_write(&b, i == 0 ? (const uint8_t[]){ 9, 1, 1, 'a' } : (const uint8_t[]){ 0x89, 9 }, i == 0 ? 4 : 2);
    if (i > 0)
      gs_write_varuint(&b, i - 1);
    gs_buf_write(&b, (const uint8_t[]){ 1, 'g', 118, 0 }, 4);
  }
  gs_buf_put(&b, 0);
  apply(doc, gs_buf_bytes(&b));
  assert_int_equal(n[0], MANY);
  for (uint32_t i = 0; i < MANY; i++) {
    gs_buf_clear(&b);
    gs_buf_write(&b, (const uint8_t[]){ 0, 1, 9, 1 }, 4);
    gs_write_varuint(&b, i * 7919 % MANY);
    gs_buf_put(&b, 1);
    apply(doc, gs_buf_bytes(&b));
    if (i % 5000 == 0)
      check(doc);
  }
  assert_int_equal(n[1], MANY);
  check(doc);
  gs_buf_finish(&b);
  gesso_doc_destroy(doc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_document_knows_what_it_is_called),
    cmocka_unit_test(references_are_counted),
    cmocka_unit_test(one_that_was_put_in_is_the_one_that_is_read),
    cmocka_unit_test(nobody_pays_for_what_nobody_looks_at),
    cmocka_unit_test(a_document_is_in_one_place_only),
    cmocka_unit_test(observers_hear_of_them),
    cmocka_unit_test(one_that_was_kept_outlives_its_place),
    cmocka_unit_test(unloading_puts_an_empty_one_in_its_place),
    cmocka_unit_test(old_values_in_events_can_be_read),
    cmocka_unit_test(many_come_and_go),
    cmocka_unit_test(the_cap_holds_for_handles),
    cmocka_unit_test(many_come_at_once_and_go_one_by_one),
    cmocka_unit_test(memory_failures_leave_whole_documents),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
