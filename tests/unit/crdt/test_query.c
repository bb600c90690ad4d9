/* Paths: what is one, and what they find. */
#include "crdt_test.h"
#include "support/support.h"

#include "gesso/query.h"

#include <math.h>

/* {"store": {"book": [{...}, {...}], "bicycle": {...}}, "list": [0, 1, 2, 3, 4], "page": <p class="c"><b></b>t</p>} */
static gesso_doc *library(void)
{
  gesso_doc *doc = doc_of(1);
  gesso_type store = gesso_doc_root(doc, str("store"), GESSO_MAP), books = 0, book = 0, p = 0;
  gesso_value type = { .kind = GESSO_VALUE_TYPE, .type = GESSO_ARRAY }, v[5];
  gesso_value json = { .kind = GESSO_VALUE_JSON, .bytes = str("{\"color\":\"red\",\"price\":399,\"tags\":[\"a\",[\"b\"]]}") };
  assert_int_equal(gesso_map_set(doc, store, str("book"), type, &books), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, store, str("bicycle"), json, NULL), GESSO_OK);
  for (int i = 0; i < 2; i++) {
    type.type = GESSO_MAP;
    assert_int_equal(gesso_array_insert(doc, books, (uint64_t)i, &type, 1, &book), GESSO_OK);
    gesso_value price = { .kind = GESSO_VALUE_NUMBER, .number = i == 0 ? 8.95 : 22.99 };
    gesso_value title = { .kind = GESSO_VALUE_STRING, .bytes = str(i == 0 ? "first" : "second") };
    assert_int_equal(gesso_map_set(doc, book, str("price"), price, NULL), GESSO_OK);
    assert_int_equal(gesso_map_set(doc, book, str("the title"), title, NULL), GESSO_OK);
  }
  for (int i = 0; i < 5; i++)
    v[i] = (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = i };
  assert_int_equal(gesso_array_insert(doc, gesso_doc_root(doc, str("list"), GESSO_ARRAY), 0, v, 5, NULL), GESSO_OK);
  gesso_value element = { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_ELEMENT, .bytes = str("p") };
  gesso_value class = { .kind = GESSO_VALUE_STRING, .bytes = str("c") };
  assert_int_equal(gesso_array_insert(doc, gesso_doc_root(doc, str("page"), GESSO_XML_FRAGMENT), 0, &element, 1, &p),
                   GESSO_OK);
  assert_int_equal(gesso_map_set(doc, p, str("class"), class, NULL), GESSO_OK);
  assert_int_equal(gesso_array_insert(doc, p, 0, &element, 1, NULL), GESSO_OK);
  return doc;
}

/* What a path finds, as words: numbers, strings, <kind> of types, {} and []. */
static void finds(gesso_doc *doc, const char *path, const char *want)
{
  static const char *const kinds[] = { "array", "map", "text", "element", "fragment", "hook", "xmltext", "link" };
  gesso_query *q = NULL;
  gesso_value v;
  gesso_status st;
  char got[400] = "";
  assert_int_equal(gesso_query_parse(NULL, str(path), &q, NULL), GESSO_OK);
  gesso_matches *m = gesso_query_run(doc, q, 0);
  assert_non_null(m);
  while ((st = gesso_matches_next(m, &v)) == GESSO_OK) {
    size_t n = strlen(got), room = sizeof got - n;
    const char *comma = n > 0 ? " " : "";
    if (v.kind == GESSO_VALUE_NUMBER)
      snprintf(got + n, room, "%s%g", comma, v.number);
    else if (v.kind == GESSO_VALUE_STRING)
      snprintf(got + n, room, "%s%.*s", comma, (int)v.bytes.len, (const char *)v.bytes.data);
    else if (v.kind == GESSO_VALUE_TYPE)
      snprintf(got + n, room, "%s<%s>", comma, kinds[v.type]);
    else
      snprintf(got + n, room, "%s%s", comma, v.kind == GESSO_VALUE_OBJECT ? "{}" : "[]");
  }
  assert_int_equal(st, GESSO_E_NOTFOUND);
  assert_int_equal(gesso_matches_next(m, &v), GESSO_E_NOTFOUND);
  assert_string_equal(got, want);
  gesso_matches_destroy(m);
  gesso_query_destroy(q);
}

static void members_and_elements(void **state)
{
  (void)state;
  gesso_doc *doc = library();
  finds(doc, "$", "");
  finds(doc, "$.store", "<map>");
  finds(doc, "store.book", "<array>");
  finds(doc, "$.store.book[0].price", "8.95");
  finds(doc, "$['store']['book'][-1]['the title']", "second");
  finds(doc, "$.store.book[2]", "");
  finds(doc, "$.store.book[-3]", "");
  finds(doc, "$.store.bicycle.color", "red");
  finds(doc, "$.store.bicycle.tags[1][0]", "b");
  finds(doc, "$.store.bicycle", "{}");
  finds(doc, "$.nothing.at.all", "");
  finds(doc, "$.store@.bicycle$.list[1]", "1");
  finds(doc, "$.page[0]", "<element>");
  finds(doc, "$.page[0].class", "c");
  finds(doc, "$.page[0][0].class", "");
  gesso_doc_destroy(doc);
}

static void lists(void **state)
{
  (void)state;
  gesso_doc *doc = library();
  finds(doc, "$.store.book[*].price", "8.95 22.99");
  finds(doc, "$.store.book.*['the title']", "first second");
  finds(doc, "$.list[*]", "0 1 2 3 4");
  finds(doc, "$.list[1:3]", "1 2");
  finds(doc, "$.list[:2]", "0 1");
  finds(doc, "$.list[3:]", "3 4");
  finds(doc, "$.list[::2]", "0 2 4");
  finds(doc, "$.list[1:9:3]", "1 4");
  finds(doc, "$.list[3:1]", "");
  finds(doc, "$.list[0, 4,-2,9]", "0 4 3");
  finds(doc, "$.store['bicycle', 'no', 'book']", "{} <array>");
  finds(doc, "$['list','store'][1]", "1");
  finds(doc, "$.*[0].class", "c");
  finds(doc, "$.store.bicycle.tags[*]", "a []");
  finds(doc, "$.store.book[*].price[*]", "");
  gesso_doc_destroy(doc);
}

static void descending(void **state)
{
  (void)state;
  gesso_doc *doc = library();
  finds(doc, "$..class", "c");
  finds(doc, "$.store.book..price", "8.95 22.99");
  finds(doc, "$.store..tags[0]", "a");
  finds(doc, "$.store.bicycle.tags..[0]", "b");
  finds(doc, "$.list..", "0 1 2 3 4");
  finds(doc, "$..nowhere", "");
  gesso_doc_destroy(doc);
}

static void what_is_no_path(void **state)
{
  (void)state;
  static const struct {
    const char *path;
    gesso_status want;
    size_t offset;
  } bad[] = {
    { "$.", GESSO_E_CORRUPT, 2 },        { "$.1", GESSO_E_CORRUPT, 2 },        { "$[", GESSO_E_CORRUPT, 2 },
    { "$[]", GESSO_E_CORRUPT, 2 },       { "$[1", GESSO_E_CORRUPT, 3 },        { "$['a]", GESSO_E_CORRUPT, 2 },
    { "$['a' 1]", GESSO_E_CORRUPT, 6 },  { "$['a',1]", GESSO_E_CORRUPT, 6 },   { "$[1,'a']", GESSO_E_CORRUPT, 4 },
    { "$[?(@.x)]", GESSO_E_CORRUPT, 2 }, { "$ .a", GESSO_E_CORRUPT, 1 },       { "$[1:2:0]", GESSO_E_RANGE, 6 },
    { "$[9999999999]", GESSO_E_RANGE, 2 }, { "$[-]", GESSO_E_CORRUPT, 3 },     { "$.\xff", GESSO_E_CORRUPT, 2 },
    { "$.*]", GESSO_E_CORRUPT, 3 },      { "$[1:2:3:4]", GESSO_E_CORRUPT, 7 },
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    gesso_query *q = (gesso_query *)&q;
    gesso_error why = { GESSO_OK, 0, NULL };
    assert_int_equal(gesso_query_parse(NULL, str(bad[i].path), &q, &why), bad[i].want);
    assert_null(q);
    assert_int_equal(why.offset, bad[i].offset);
    assert_non_null(why.message);
  }
  gesso_query *q = NULL;
  assert_int_equal(gesso_query_parse(NULL, str(""), &q, NULL), GESSO_OK);
  gesso_query_destroy(q);
  assert_int_equal(gesso_query_parse(NULL, str("$['a]b:,.c']"), &q, NULL), GESSO_OK);
  gesso_query_destroy(q);
}

static void edits_between_two_matches(void **state)
{
  (void)state;
  gesso_doc *doc = library();
  gesso_query *q = NULL;
  gesso_value v;
  gesso_type list = gesso_doc_root(doc, str("list"), GESSO_ARRAY);
  assert_int_equal(gesso_query_parse(NULL, str("$.list[*]"), &q, NULL), GESSO_OK);
  gesso_matches *m = gesso_query_run(doc, q, 0);
  assert_int_equal(gesso_matches_next(m, &v), GESSO_OK);
  assert_int_equal(gesso_array_remove(doc, list, 0, 5), GESSO_OK);
  int n = 1;
  while (gesso_matches_next(m, &v) == GESSO_OK)
    assert_true(v.number == n++);
  assert_int_equal(n, 5);
  gesso_matches_destroy(m);
  gesso_query_destroy(q);
  gesso_doc_destroy(doc);
}

static void documents_that_are_removed_meanwhile_are_held(void **state)
{
  (void)state;
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  for (int i = 0; i < 3; i++) {
    const char guid[] = { (char)('x' + i), 0 };
    gesso_doc_options o = { .size = sizeof o, .guid = str(guid) };
    gesso_doc *sub = gesso_doc_create(&o);
    assert_int_equal(gesso_array_insert(doc, a, (uint64_t)i, &(gesso_value){ .kind = GESSO_VALUE_DOC, .doc = sub }, 1, NULL),
                     GESSO_OK);
    gesso_doc_destroy(sub);
  }
  gesso_query *q;
  assert_int_equal(gesso_query_parse(NULL, str("$.a[*]"), &q, NULL), GESSO_OK);
  gesso_matches *m = gesso_query_run(doc, q, 0);
  for (int i = 0; i < 3; i++) {
    gesso_value v;
    assert_int_equal(gesso_matches_next(m, &v), GESSO_OK);
    assert_int_equal(v.kind, GESSO_VALUE_DOC);
    gesso_bytes guid = gesso_doc_guid(v.doc);
    assert_true(guid.len == 1 && guid.data[0] == 'x' + i);
    if (i == 0)
      assert_int_equal(gesso_array_remove(doc, a, 0, 3), GESSO_OK);
  }
  gesso_matches_destroy(m);
  gesso_query_destroy(q);
  gesso_doc_destroy(doc);
}

static void places_are_limited(void **state)
{
  (void)state;
  gesso_doc *doc = library();
  gesso_query *q = NULL;
  gesso_value v;
  assert_int_equal(gesso_query_parse(NULL, str("$.list[*]"), &q, NULL), GESSO_OK);
  gesso_matches *m = gesso_query_run(doc, q, 3);
  for (int i = 0; i < 3; i++)
    assert_int_equal(gesso_matches_next(m, &v), GESSO_OK);
  assert_int_equal(gesso_matches_next(m, &v), GESSO_E_LIMIT);
  gesso_matches_destroy(m);
  gesso_query_destroy(q);
  /* One that would take longer than anybody waits. */
  assert_int_equal(gesso_query_parse(NULL, str("$..$..$..$..$..$..$..$..$..$..$..$..nothing"), &q, NULL), GESSO_OK);
  m = gesso_query_run(doc, q, 10000);
  assert_int_equal(gesso_matches_next(m, &v), GESSO_E_LIMIT);
  gesso_matches_destroy(m);
  gesso_query_destroy(q);
  gesso_doc_destroy(doc);
}

/* Each allocation of reading and following a path fails once; whoever tries again gets all matches. */
static void memory_ends_and_comes_back(void **state)
{
  (void)state;
  const char *path = "$.list[0,4,-2]";
  for (unsigned long n = 1;; n++) {
    struct faulty f = { .fail_at = n };
    gesso_allocator al = { faulty_resize, &f };
    gesso_query *q = NULL;
    gesso_error why;
    gesso_status st = gesso_query_parse(&al, str(path), &q, &why);
    if (st != GESSO_OK) {
      assert_int_equal(st, GESSO_E_NOMEM);
      assert_int_equal(why.status, GESSO_E_NOMEM);
      assert_null(q);
    }
    gesso_query_destroy(q);
    assert_int_equal(f.live, 0);
    if (!f.failed)
      break;
  }
  for (unsigned long n = 0;; n++) {
    struct faulty f = { .fail_at = 0 };
    gesso_allocator al = { faulty_resize, &f };
    gesso_doc_options o = { .size = sizeof o, .alloc = &al };
    gesso_doc *doc = gesso_doc_create(&o);
    gesso_query *q = NULL;
    gesso_value v[5], got;
    for (int i = 0; i < 5; i++)
      v[i] = (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = i };
    assert_int_equal(gesso_array_insert(doc, gesso_doc_root(doc, str("list"), GESSO_ARRAY), 0, v, 5, NULL), GESSO_OK);
    assert_int_equal(gesso_query_parse(NULL, str(path), &q, NULL), GESSO_OK);
    f.calls = 0;
    f.fail_at = n + 1;
    gesso_matches *m = gesso_query_run(doc, q, 0);
    if (m == NULL)
      m = gesso_query_run(doc, q, 0);
    assert_non_null(m);
    double sum = 0;
    gesso_status st;
    while ((st = gesso_matches_next(m, &got)) != GESSO_E_NOTFOUND) {
      assert_true(st == GESSO_OK || st == GESSO_E_NOMEM);
      sum += st == GESSO_OK ? got.number : 0;
    }
    assert_true(sum == 7);
    gesso_matches_destroy(m);
    gesso_query_destroy(q);
    gesso_doc_destroy(doc);
    assert_int_equal(f.live, 0);
    if (!f.failed)
      break;
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(members_and_elements), cmocka_unit_test(lists),
    cmocka_unit_test(descending),           cmocka_unit_test(what_is_no_path),
    cmocka_unit_test(edits_between_two_matches), cmocka_unit_test(memory_ends_and_comes_back),
    cmocka_unit_test(places_are_limited),   cmocka_unit_test(documents_that_are_removed_meanwhile_are_held),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
