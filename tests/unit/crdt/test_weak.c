/* Weak links: what they point to, on the wire and after edits. */
#include "crdt_test.h"
#include "wire/writer.h"
#include "support/support.h"

#include "gesso/events.h"
#include "gesso/undo.h"
#include "gesso/update.h"
#include "gesso/weak.h"

static const gesso_bytes none = { NULL, 0 };

static gesso_value link_to(gesso_buffer source)
{
  return (gesso_value){ .kind = GESSO_VALUE_TYPE, .type = GESSO_WEAK_LINK, .bytes = view(source) };
}

/* Puts a link under a key of the root "links" and gives the source back. */
static gesso_type put(gesso_doc *doc, const char *key, gesso_buffer source)
{
  gesso_type links = gesso_doc_root(doc, str("links"), GESSO_MAP), made = 0;
  assert_int_equal(gesso_map_set(doc, links, str(key), link_to(source), &made), GESSO_OK);
  gesso_buffer_free(&source);
  return made;
}

static gesso_type quote(gesso_doc *doc, const char *key, gesso_type type, uint64_t first, uint64_t last, uint32_t flags)
{
  gesso_buffer source;
  assert_int_equal(gesso_type_quote(doc, type, first, last, flags, &source), GESSO_OK);
  return put(doc, key, source);
}

static gesso_type link_of(gesso_doc *doc, const char *key)
{
  return gesso_map_get_type(doc, gesso_doc_root(doc, str("links"), GESSO_MAP), str(key));
}

static void says(gesso_doc *doc, gesso_type link, const char *want)
{
  gesso_buffer b;
  assert_int_equal(gesso_weak_to_string(doc, link, &b), GESSO_OK);
  assert_int_equal(b.len, strlen(want));
  assert_memory_equal(b.data, want, b.len);
  gesso_buffer_free(&b);
}

static void says_xml(gesso_doc *doc, gesso_type link, const char *want)
{
  gesso_buffer b;
  assert_int_equal(gesso_weak_to_xml(doc, link, &b), GESSO_OK);
  char *got = strndup((const char *)b.data, b.len);
  assert_string_equal(got, want);
  free(got);
  gesso_buffer_free(&b);
}

static void insert(gesso_doc *doc, gesso_type text, uint64_t at, const char *s)
{
  assert_int_equal(gesso_text_insert(doc, text, at, str(s), none), GESSO_OK);
}

static void quotations_follow_the_text(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), in;
  uint64_t from = 0, end = 0;
  insert(doc, t, 0, "hello world!");
  gesso_type l = quote(doc, "l", t, 2, 10, 0);
  says(doc, l, "llo world");
  insert(doc, t, 5, " beautiful");
  says(doc, l, "llo beautiful world");
  insert(doc, t, 2, "<");
  insert(doc, t, 22, ">");
  says(doc, l, "llo beautiful world");
  assert_int_equal(gesso_weak_range(doc, l, &in, &from, &end), GESSO_OK);
  assert_int_equal(in, t);
  assert_int_equal(from, 3);
  assert_int_equal(end, 22);
  /* The first quoted unit goes, and the last. */
  assert_int_equal(gesso_text_remove(doc, t, 3, 1), GESSO_OK);
  assert_int_equal(gesso_text_remove(doc, t, 20, 1), GESSO_OK);
  says(doc, l, "lo beautiful worl");
  assert_int_equal(gesso_text_remove(doc, t, 0, gesso_type_length(doc, t)), GESSO_OK);
  says(doc, l, "");
  check(doc);
  gesso_doc_destroy(doc);
}

static void bounds_are_open_or_exclusive(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1), *other = doc_of(2);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_buffer b;
  insert(doc, t, 0, "abcdef");
  quote(doc, "exclusive", t, 1, 4, GESSO_QUOTE_AFTER_FIRST | GESSO_QUOTE_BEFORE_LAST);
  quote(doc, "all", t, 0, 0, GESSO_QUOTE_FROM_BEGIN | GESSO_QUOTE_TO_END);
  quote(doc, "head", t, 0, 2, GESSO_QUOTE_FROM_BEGIN);
  quote(doc, "tail", t, 3, 0, GESSO_QUOTE_TO_END);
  quote(doc, "one", t, 3, 3, 0);
  assert_int_equal(gesso_type_quote(doc, t, 0, 6, 0, &b), GESSO_E_USAGE);
  assert_int_equal(gesso_type_quote(doc, t, 4, 3, 0, &b), GESSO_E_USAGE);
  assert_int_equal(gesso_type_quote(doc, 77, 0, 1, 0, &b), GESSO_E_USAGE);
  insert(doc, t, 4, "4");
  insert(doc, t, 2, "2");
  insert(doc, t, 0, "0");
  insert(doc, t, gesso_type_length(doc, t), "9");
  pull(other, doc);
  for (int i = 0; i < 2; i++) {
    gesso_doc *d = i == 0 ? doc : other;
    says(d, link_of(d, "exclusive"), "2cd4");
    says(d, link_of(d, "all"), "0ab2cd4ef9");
    says(d, link_of(d, "head"), "0ab2c");
    says(d, link_of(d, "tail"), "d4ef9");
    says(d, link_of(d, "one"), "d");
    check(d);
  }
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
}

static void arrays_and_nested_types_are_quoted(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), a = 0;
  gesso_value type = { .kind = GESSO_VALUE_TYPE, .type = GESSO_ARRAY }, v[4];
  gesso_values got;
  assert_int_equal(gesso_map_set(doc, m, str("a"), type, &a), GESSO_OK);
  for (int i = 0; i < 4; i++)
    v[i] = (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = i + 1 };
  assert_int_equal(gesso_array_insert(doc, a, 0, v, 4, NULL), GESSO_OK);
  gesso_type l = quote(doc, "l", a, 1, 3, GESSO_QUOTE_BEFORE_LAST), all = quote(doc, "all", a, 0, 0, 3);
  assert_int_equal(gesso_weak_values(doc, l, &got), GESSO_OK);
  assert_int_equal(got.count, 2);
  assert_true(got.items[0].number == 2 && got.items[1].number == 3);
  gesso_values_free(&got);
  assert_int_equal(gesso_weak_get(doc, l, &got), GESSO_OK);
  assert_true(got.count == 1 && got.items[0].number == 2);
  gesso_values_free(&got);
  assert_int_equal(gesso_array_remove(doc, a, 1, 2), GESSO_OK);
  assert_int_equal(gesso_weak_get(doc, l, &got), GESSO_E_NOTFOUND);
  assert_int_equal(gesso_weak_values(doc, all, &got), GESSO_OK);
  assert_int_equal(got.count, 2);
  gesso_values_free(&got);
  /* With the array its quotations are gone. */
  assert_int_equal(gesso_map_remove(doc, m, str("a")), GESSO_OK);
  assert_int_equal(gesso_weak_values(doc, all, &got), GESSO_OK);
  assert_int_equal(got.count, 0);
  gesso_values_free(&got);
  check(doc);
  gesso_doc_destroy(doc);
}

static void map_links_show_what_is_set_later(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1), *other = doc_of(2);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  gesso_value one = { .kind = GESSO_VALUE_NUMBER, .number = 1 }, two = { .kind = GESSO_VALUE_NUMBER, .number = 2 };
  gesso_buffer source;
  gesso_values got;
  assert_int_equal(gesso_map_link(doc, m, str("k"), &source), GESSO_E_NOTFOUND);
  assert_int_equal(gesso_map_set(doc, m, str("k"), one, NULL), GESSO_OK);
  assert_int_equal(gesso_map_link(doc, m, str("k"), &source), GESSO_OK);
  gesso_type l = put(doc, "l", source);
  assert_int_equal(gesso_map_set(doc, m, str("k"), two, NULL), GESSO_OK);
  pull(other, doc);
  for (int i = 0; i < 2; i++) {
    gesso_doc *d = i == 0 ? doc : other;
    assert_int_equal(gesso_weak_get(d, link_of(d, "l"), &got), GESSO_OK);
    assert_true(got.count == 1 && got.items[0].number == 2);
    gesso_values_free(&got);
  }
  /* A link to the link leads to it. */
  assert_int_equal(gesso_map_link(doc, gesso_doc_root(doc, str("links"), GESSO_MAP), str("l"), &source), GESSO_OK);
  gesso_type ll = put(doc, "ll", source);
  assert_int_equal(gesso_weak_get(doc, ll, &got), GESSO_OK);
  assert_int_equal(got.items[0].ref, l);
  gesso_values_free(&got);
  assert_int_equal(gesso_map_remove(doc, m, str("k")), GESSO_OK);
  assert_int_equal(gesso_weak_get(doc, l, &got), GESSO_E_NOTFOUND);
  assert_int_equal(gesso_weak_get(doc, m, &got), GESSO_E_USAGE);
  reads_json(doc, gesso_doc_root(doc, str("links"), GESSO_MAP), GESSO_MAP, "{}");
  check(doc);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
}

static void formats_in_force_become_tags(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type f = gesso_doc_root(doc, str("x"), GESSO_XML_FRAGMENT), t = 0;
  gesso_value type = { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_TEXT };
  assert_int_equal(gesso_array_insert(doc, f, 0, &type, 1, &t), GESSO_OK);
  insert(doc, t, 0, "abcdefgh");
  assert_int_equal(gesso_text_format(doc, t, 1, 3, str("{\"b\":true}")), GESSO_OK);
  assert_int_equal(gesso_text_format(doc, t, 5, 2, str("{\"i\":{\"x\":1}}")), GESSO_OK);
  says_xml(doc, quote(doc, "l", t, 2, 5, 0), "<b>cd</b>e<i x=\"1\">f</i>");
  gesso_doc_destroy(doc);
}

/* As yrs encodes TypeRef::WeakLink: a quotation of b .. c, and one of everything in a root. */
static void the_wire_form_is_that_of_yrs(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1), *other = doc_of(2);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  gesso_buffer source, v1, v2, back, json;
  insert(doc, t, 0, "abc");
  assert_int_equal(gesso_type_quote(doc, t, 1, 2, 0, &source), GESSO_OK);
  const uint8_t want[] = { 1 | 4, 1, 1, 1, 2 };
  assert_int_equal(source.len, sizeof want);
  assert_memory_equal(source.data, want, sizeof want);
  assert_int_equal(gesso_map_set(doc, m, str("l"), link_to(source), NULL), GESSO_OK);
  gesso_buffer_free(&source);
  assert_int_equal(gesso_type_quote(doc, t, 0, 0, 3, &source), GESSO_OK);
  const uint8_t open[] = { 1 | 4 | 8 | 16 | 32, 1, 't', 1, 't' };
  assert_int_equal(source.len, sizeof open);
  assert_memory_equal(source.data, open, sizeof open);
  assert_int_equal(gesso_map_set(doc, m, str("all"), link_to(source), NULL), GESSO_OK);
  gesso_buffer_free(&source);
  v1 = state_of(doc);
  const uint8_t structs[] = { 1, 3, 1, 0, 4, 1, 1, 't', 3, 'a', 'b', 'c', 0x27, 1, 1, 'm', 1, 'l', 7, 5, 1, 1, 1, 2,
                              0x27, 1, 1, 'm', 3, 'a', 'l', 'l', 7, 61, 1, 't', 1, 't', 0 };
  assert_int_equal(v1.len, sizeof structs);
  assert_memory_equal(v1.data, structs, sizeof structs);
  /* v2 and back. */
  assert_int_equal(gesso_doc_encode_v2(doc, none, &v2, NULL), GESSO_OK);
  assert_int_equal(gesso_update_v2_to_v1(view(v2), &back, NULL), GESSO_OK);
  assert_int_equal(back.len, v1.len);
  assert_memory_equal(back.data, v1.data, v1.len);
  assert_int_equal(gesso_doc_apply_v2(other, view(v2), NULL), GESSO_OK);
  same_state(doc, other);
  says(other, gesso_map_get_type(other, gesso_doc_root(other, str("m"), GESSO_MAP), str("all")), "abc");
  assert_int_equal(gesso_update_to_json_v2(view(v2), &json, NULL), GESSO_OK);
  char *text = strndup((const char *)json.data, json.len);
  assert_non_null(strstr(text, "\"type\":\"weakLink\",\"flags\":5,\"first\":[1,1],\"last\":[1,2]"));
  assert_non_null(strstr(text, "\"type\":\"weakLink\",\"flags\":61,\"first\":\"t\",\"last\":\"t\""));
  free(text);
  gesso_buffer_free(&json);
  gesso_buffer_free(&v1);
  gesso_buffer_free(&v2);
  gesso_buffer_free(&back);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
}

static void what_is_no_source_is_refused(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  const uint8_t bad[][4] = { { 1 }, { 0, 1 }, { 64, 1, 1 }, { 0, 1, 1, 0 }, { 8 | 32, 9, 'x' } };
  const size_t lens[] = { 1, 2, 3, 4, 3 };
  for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
    gesso_value v = { .kind = GESSO_VALUE_TYPE, .type = GESSO_WEAK_LINK, .bytes = { bad[i], lens[i] } };
    assert_int_equal(gesso_map_set(doc, m, str("l"), v, NULL), GESSO_E_USAGE);
  }
  /* One that points nowhere is fine, and reads as empty. */
  const uint8_t nowhere[] = { 5, 9, 9, 9, 12 };
  gesso_value v = { .kind = GESSO_VALUE_TYPE, .type = GESSO_WEAK_LINK, .bytes = { nowhere, sizeof nowhere } };
  gesso_type l = 0;
  assert_int_equal(gesso_map_set(doc, m, str("l"), v, &l), GESSO_OK);
  says(doc, l, "");
  gesso_values got;
  assert_int_equal(gesso_weak_get(doc, l, &got), GESSO_E_NOTFOUND);
  gesso_doc_destroy(doc);
}

static void count_event(void *ctx, gesso_doc *doc, const gesso_event *event)
{
  (void)doc;
  assert_int_equal(event->kind, GESSO_WEAK_LINK);
  assert_int_equal(event->delta_length, 0);
  assert_int_equal(event->keys_length, 0);
  ++*(int *)ctx;
}

static void observers_hear_of_quoted_changes_only(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1), *other = doc_of(2);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  gesso_value one = { .kind = GESSO_VALUE_NUMBER, .number = 1 };
  gesso_subscription s;
  gesso_buffer source;
  int quoted = 0, linked = 0;
  insert(doc, t, 0, "abcdef");
  assert_int_equal(gesso_map_set(doc, m, str("k"), one, NULL), GESSO_OK);
  gesso_type l = quote(doc, "q", t, 2, 3, 0);
  assert_int_equal(gesso_map_link(doc, m, str("k"), &source), GESSO_OK);
  gesso_type k = put(doc, "k", source);
  assert_int_equal(gesso_type_observe(doc, l, count_event, &quoted, &s), GESSO_OK);
  assert_int_equal(gesso_type_observe(doc, k, count_event, &linked, &s), GESSO_OK);
  insert(doc, t, 6, "x");
  insert(doc, t, 2, "x");
  assert_int_equal(gesso_map_set(doc, m, str("other"), one, NULL), GESSO_OK);
  assert_int_equal(quoted + linked, 0);
  insert(doc, t, 4, "x");
  assert_int_equal(quoted, 1);
  says(doc, l, "cxd");
  pull(other, doc);
  gesso_type t2 = gesso_doc_root(other, str("t"), GESSO_TEXT);
  assert_int_equal(gesso_text_remove(other, t2, 3, 1), GESSO_OK);
  pull(doc, other);
  assert_int_equal(quoted, 2);
  says(doc, l, "xd");
  assert_int_equal(gesso_map_set(doc, m, str("k"), one, NULL), GESSO_OK);
  assert_int_equal(linked, 1);
  assert_int_equal(gesso_map_remove(doc, m, str("k")), GESSO_OK);
  assert_int_equal(linked, 2);
  assert_int_equal(quoted, 2);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
}

static void undo_brings_a_link_back(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1), *other = doc_of(2);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), links = gesso_doc_root(doc, str("links"), GESSO_MAP);
  insert(doc, t, 0, "abcd");
  quote(doc, "l", t, 1, 2, 0);
  gesso_undo *undo = gesso_undo_create(doc, NULL);
  assert_non_null(undo);
  assert_int_equal(gesso_undo_add_scope(undo, links), GESSO_OK);
  assert_int_equal(gesso_map_remove(doc, links, str("l")), GESSO_OK);
  assert_int_equal(link_of(doc, "l"), 0);
  int changed = 0;
  assert_int_equal(gesso_undo_undo(undo, &changed), GESSO_OK);
  assert_int_equal(changed, 1);
  pull(other, doc);
  says(doc, link_of(doc, "l"), "bc");
  says(other, link_of(other, "l"), "bc");
  check(doc);
  gesso_undo_destroy(undo);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
}

/* Each allocation of making, reading and watching links fails once: NOMEM, nothing lost, nothing kept. */
static void memory_ends_at_every_place(void **state)
{
  (void)state;
  for (unsigned long n = 1;; n++) {
    struct faulty f = { .fail_at = 0 };
    gesso_allocator al = { faulty_resize, &f };
    gesso_doc_options o = { .size = sizeof o, .alloc = &al, .client_id = 1 };
    gesso_doc *doc = gesso_doc_create(&o);
    gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
    insert(doc, t, 0, "abcdef");
    gesso_type l = quote(doc, "l", t, 1, 3, 0);
    int events = 0;
    gesso_subscription s;
    assert_int_equal(gesso_type_observe(doc, l, count_event, &events, &s), GESSO_OK);
    f.calls = 0;
    f.fail_at = n;
    gesso_buffer b = { 0 };
    gesso_values v = { 0 };
    gesso_status st[5];
    st[0] = gesso_type_quote(doc, t, 0, 2, 0, &b);
    gesso_buffer_free(&b);
    st[1] = gesso_weak_values(doc, l, &v);
    gesso_values_free(&v);
    st[2] = gesso_weak_to_string(doc, l, &b);
    gesso_buffer_free(&b);
    st[3] = gesso_weak_to_xml(doc, l, &b);
    gesso_buffer_free(&b);
    st[4] = gesso_text_insert(doc, t, 2, str("x"), none);
    int nomem = 0;
    for (int i = 0; i < 5; i++) {
      assert_true(st[i] == GESSO_OK || st[i] == GESSO_E_NOMEM);
      nomem += st[i] == GESSO_E_NOMEM;
    }
    assert_true(nomem <= 1);
    f.fail_at = 0;
    check(doc);
    assert_true(st[4] != GESSO_OK || events == 1);
    says(doc, l, gesso_type_length(doc, t) == 7 ? "bxcd" : "bcd");
    gesso_doc_destroy(doc);
    assert_int_equal(f.live, 0);
    if (!f.failed)
      break;
  }
}

static void count_events(void *ctx, gesso_doc *doc, const gesso_event *events, size_t count)
{
  (void)doc;
  (void)events;
  *(size_t *)ctx += count;
}

static void put_item(gs_buf *b, unsigned kind, const char *root, uint8_t client, uint32_t clock)
{
  gs_buf_put(b, (uint8_t)(clock == 0 ? kind : 0x80 | kind));
  if (clock == 0) {
    gs_write_varuint(b, 1);
    gs_write_bytes(b, str(root));
  } else {
    gs_buf_put(b, client);
    gs_write_varuint(b, clock - 1);
  }
}

/* All that quote one array are told of it by one look at the array: one for each of them takes minutes. */
static void many_quotations_are_looked_at_together(void **state)
{
  (void)state;
  enum { MANY = 20000, CHANGES = 30 };
  size_t told = 0;
  gesso_subscription sub;
  gesso_doc *doc = doc_of(1);
  gs_buf b = gs_buf_make(NULL);
  for (uint8_t client = 5; client < 7; client++) {
    gs_buf_clear(&b);
    gs_write_varuint(&b, 1);
    gs_write_varuint(&b, MANY);
    gs_buf_write(&b, (const uint8_t[]){ client, 0 }, 2);
    for (uint32_t i = 0; i < MANY; i++) {
      put_item(&b, client == 5 ? 3 : 7, client == 5 ? "a" : "w", client, i);
      if (client == 5) {
        gs_buf_write(&b, (const uint8_t[]){ 1, 'x' }, 2);
      } else {
        gs_buf_write(&b, (const uint8_t[]){ 7, 5, 5, 0, 5 }, 5); /* a weak link from the first to the last */
        gs_write_varuint(&b, MANY - 1);
      }
    }
    gs_buf_put(&b, 0);
    apply(doc, gs_buf_bytes(&b));
  }
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY), w = gesso_doc_root(doc, str("w"), GESSO_ARRAY);
  assert_int_equal(gesso_type_observe_deep(doc, w, count_events, &told, &sub), GESSO_OK);
  gesso_value one = { .kind = GESSO_VALUE_NUMBER, .number = 1 };
  for (uint64_t i = 0; i < CHANGES; i++)
    assert_int_equal(gesso_array_insert(doc, a, MANY + i, &one, 1, NULL), GESSO_OK);
  assert_int_equal(told, 0);
  assert_int_equal(gesso_array_insert(doc, a, MANY - 1, &one, 1, NULL), GESSO_OK);
  assert_int_equal(told, MANY);
  check(doc);
  gs_buf_finish(&b);
  gesso_doc_destroy(doc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(many_quotations_are_looked_at_together),
    cmocka_unit_test(quotations_follow_the_text),
    cmocka_unit_test(bounds_are_open_or_exclusive),
    cmocka_unit_test(arrays_and_nested_types_are_quoted),
    cmocka_unit_test(map_links_show_what_is_set_later),
    cmocka_unit_test(formats_in_force_become_tags),
    cmocka_unit_test(the_wire_form_is_that_of_yrs),
    cmocka_unit_test(what_is_no_source_is_refused),
    cmocka_unit_test(observers_hear_of_quoted_changes_only),
    cmocka_unit_test(undo_brings_a_link_back),
    cmocka_unit_test(memory_ends_at_every_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
