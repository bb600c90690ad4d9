/* Drawings in and out, and documents as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gesso/types.h"
#include "port/content.h"
#include "port/excalidraw.h"
#include "support/support.h"
#include "wire/json.h"

#include <stdio.h>

#define PLACE "\"x\":1,\"y\":2,\"width\":3,\"height\":4,\"angle\":0,"
#define SHAPE(id, type, more) "{\"id\":\"" id "\",\"type\":\"" type "\"," PLACE more "\"version\":7}"
#define FILE_OF(shapes) "{\"type\":\"excalidraw\",\"elements\":[" shapes "]}"

static gs_drawing_counts read_into(gesso_doc *doc, gesso_doc *board, const char *json)
{
  gs_drawing_counts c;
  gesso_error error;
  assert_int_equal(gs_drawing_read(CSTR(json), board, doc, NULL, &c, &error), GESSO_OK);
  assert_int_equal(gesso_doc_check(doc, &error), GESSO_OK);
  return c;
}

static void expect_json(gesso_doc *doc, const char *want)
{
  gs_buf json = gs_buf_make(NULL);
  assert_int_equal(gs_content_to_json(doc, &json), GESSO_OK);
  if (!gs_json_equal(NULL, gs_buf_bytes(&json), CSTR(want)))
    fail_msg("got %.*s, want %s", (int)json.b.len, (const char *)json.b.data, want);
  gs_buf_finish(&json);
}

static void a_stroke_becomes_integers_without_drift(void **state)
{
  (void)state;
  gesso_doc *doc = gesso_doc_create(NULL);
  gs_drawing_counts c = read_into(doc, NULL, FILE_OF(SHAPE("s", "freedraw",
    "\"index\":\"a0\",\"points\":[[0,0],[0.004,0.006],[0.008,0.012]],\"pressures\":[0.5,1],\"simulatePressure\":false,")));
  assert_int_equal(c.shapes, 1);
  expect_json(doc, "{\"elements\":{\"s\":{\"b\":{\"type\":\"freedraw\"," PLACE "\"index\":\"a0\","
                   "\"simulatePressure\":false},\"p\":[0,0,500,0,1,1000,1,0,500]}}}");
  gesso_doc_destroy(doc);
}

static void shapes_that_cannot_be_shown_are_counted(void **state)
{
  (void)state;
  static const char *const shapes[] = {
    SHAPE("", "text", ""), SHAPE("a", "blob", ""), SHAPE("a", "line", ""), SHAPE("a", "line", "\"points\":[[0,0]],"),
    SHAPE("a", "line", "\"points\":[[0,0],[1]],"), SHAPE("a", "line", "\"points\":[[0,0],[1,1e8]],"),
    "{\"id\":\"a\",\"type\":\"text\"}",
    "{\"id\":\"a\",\"type\":\"text\",\"x\":1e300,\"y\":0}", "null", "[]", "{}",
  };
  for (size_t i = 0; i < GS_TEST_COUNT(shapes); i++) {
    gesso_doc *doc = gesso_doc_create(NULL);
    gs_buf json = gs_buf_make(NULL);
    gs_buf_printf(&json, "{\"type\":\"excalidraw\",\"elements\":[%s]}", shapes[i]);
    gs_buf_put(&json, 0);
    gs_drawing_counts c = read_into(doc, NULL, (const char *)json.b.data);
    assert_int_equal(c.shapes, 0);
    assert_int_equal(c.refused, 1);
    gs_buf_finish(&json);
    gesso_doc_destroy(doc);
  }
}

static void values_that_the_page_would_refuse_are_left_out(void **state)
{
  (void)state;
  gesso_doc *doc = gesso_doc_create(NULL);
  gs_drawing_counts c = read_into(doc, NULL, FILE_OF(SHAPE("r", "rectangle",
    "\"index\":\"a0\",\"opacity\":900,\"strokeColor\":7,\"groupIds\":[\"g\"],\"locked\":\"yes\",\"link\":null,"
    "\"own\":{\"k\":1},\"__proto__\":1,")));
  assert_int_equal(c.shapes, 1);
  expect_json(doc, "{\"elements\":{\"r\":{\"b\":{\"type\":\"rectangle\"," PLACE "\"index\":\"a0\","
                   "\"groupIds\":[\"g\"],\"link\":null,\"own\":{\"k\":1}}}}}");
  gesso_doc_destroy(doc);
}

static void what_a_board_has_stays_as_it_is(void **state)
{
  (void)state;
  gesso_doc *board = gesso_doc_create(NULL), *more = gesso_doc_create(NULL);
  (void)read_into(board, NULL, FILE_OF(SHAPE("a", "text", "\"text\":\"old\",")));
  gs_drawing_counts c = read_into(more, board, FILE_OF(SHAPE("a", "text", "\"text\":\"new\",") "," SHAPE("b", "text", "")));
  assert_int_equal(c.there, 1);
  assert_int_equal(c.shapes, 1);
  gesso_buffer update = { 0 };
  assert_int_equal(gesso_doc_encode_v1(more, (gesso_bytes){ NULL, 0 }, &update, NULL), GESSO_OK);
  assert_int_equal(gesso_doc_apply_v1(board, (gesso_bytes){ update.data, update.len }, NULL), GESSO_OK);
  gesso_buffer_free(&update);
  gesso_buffer value = { 0 };
  gesso_type elements = gesso_doc_find_root(board, TEXT("elements"));
  assert_int_equal(gesso_type_length(board, elements), 2);
  assert_int_equal(gesso_map_get_json(board, gesso_map_get_type(board, elements, TEXT("a")), TEXT("b"), &value), GESSO_OK);
  assert_non_null(memmem(value.data, value.len, "old", 3));
  gesso_buffer_free(&value);
  gesso_doc_destroy(board);
  gesso_doc_destroy(more);
}

/* Without indexes the order of the file is the order of the drawing: it must survive thousands of shapes. */
static void shapes_without_an_index_get_one_in_their_order(void **state)
{
  (void)state;
  enum { N = 5000 };
  gs_buf json = gs_buf_make(NULL), out = gs_buf_make(NULL);
  gs_buf_puts(&json, "{\"type\":\"excalidraw\",\"elements\":[");
  for (int i = 0; i < N; i++)
    gs_buf_printf(&json, "%s{\"id\":\"%d\",\"type\":\"ellipse\",\"x\":%d,\"y\":0}", i == 0 ? "" : ",", (i * 7919) % N, i);
  gs_buf_puts(&json, "]}");
  gesso_doc *doc = gesso_doc_create(NULL);
  gs_drawing_counts c;
  assert_int_equal(gs_drawing_read(gs_buf_bytes(&json), NULL, doc, NULL, &c, NULL), GESSO_OK);
  assert_int_equal(c.shapes, N);
  assert_int_equal(gs_drawing_write(doc, NULL, &out, &c), GESSO_OK);
  gs_buf_put(&out, 0);
  const char *at = (const char *)out.b.data;
  for (int i = 0; i < N; i++) {
    char want[32];
    (void)snprintf(want, sizeof want, "\"x\":%d,", i);
    at = strstr(at, want);
    assert_non_null(at);
  }
  gs_buf_finish(&json);
  gs_buf_finish(&out);
  gesso_doc_destroy(doc);
}

static void later_changes_lie_over_the_shape_as_it_was_made(void **state)
{
  (void)state;
  gesso_doc *doc = gesso_doc_create(NULL);
  (void)read_into(doc, NULL, FILE_OF(SHAPE("t", "text", "\"index\":\"a1\",\"text\":\"a\",\"originalText\":\"a\",") ","
                                     SHAPE("l", "line", "\"index\":\"a2\",\"points\":[[0,0],[1,1]],")));
  gesso_type elements = gesso_doc_find_root(doc, TEXT("elements"));
  gesso_type t = gesso_map_get_type(doc, elements, TEXT("t")), l = gesso_map_get_type(doc, elements, TEXT("l"));
  const struct {
    gesso_type map;
    const char *key, *json;
  } edits[] = { { t, "g", "[10,20,30,40,1]" }, { t, "t", "[\"b\",\"c\"]" }, { t, "strokeColor", "\"red\"" }, { t, "x", "99" },
                { l, "l", "[[0,0],[5,-6]]" } };
  for (size_t i = 0; i < GS_TEST_COUNT(edits); i++)
    assert_int_equal(gesso_map_set(doc, edits[i].map, CSTR(edits[i].key),
                                   (gesso_value){ .kind = GESSO_VALUE_JSON, .bytes = CSTR(edits[i].json) }, NULL), GESSO_OK);
  gs_buf out = gs_buf_make(NULL);
  gs_drawing_counts c;
  assert_int_equal(gs_drawing_write(doc, NULL, &out, &c), GESSO_OK);
  const char *want = "{\"type\":\"excalidraw\",\"version\":2,\"source\":\"gesso\",\"appState\":{},\"files\":{},\"elements\":["
    "{\"id\":\"t\",\"type\":\"text\",\"x\":10,\"y\":20,\"width\":30,\"height\":40,\"angle\":1,\"index\":\"a1\","
    "\"text\":\"b\",\"originalText\":\"c\",\"strokeColor\":\"red\",\"isDeleted\":false,"
    "\"version\":1,\"versionNonce\":1,\"updated\":1},"
    "{\"id\":\"l\",\"type\":\"line\",\"x\":1,\"y\":2,\"width\":5,\"height\":6,\"angle\":0,\"index\":\"a2\",\"points\":[[0,0],[5,-6]],"
    "\"isDeleted\":false,\"version\":1,\"versionNonce\":1,\"updated\":1}]}";
  if (!gs_json_equal(NULL, gs_buf_bytes(&out), CSTR(want)))
    fail_msg("got %.*s", (int)out.b.len, (const char *)out.b.data);
  gs_buf_finish(&out);
  gesso_doc_destroy(doc);
}

static void roots_are_shown_as_what_is_in_them(void **state)
{
  (void)state;
  gesso_doc *made = gesso_doc_create(NULL), *doc = gesso_doc_create(NULL);
  gesso_type text = gesso_doc_root(made, TEXT("text"), GESSO_TEXT), rich = gesso_doc_root(made, TEXT("rich"), GESSO_TEXT);
  gesso_type list = gesso_doc_root(made, TEXT("list"), GESSO_ARRAY), xml = gesso_doc_root(made, TEXT("xml"), GESSO_XML_FRAGMENT);
  gesso_type map = gesso_doc_root(made, TEXT("map"), GESSO_MAP);
  gesso_value one = { .kind = GESSO_VALUE_NUMBER, .number = 1 };
  gesso_value p = { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_ELEMENT, .bytes = TEXT("p") };
  assert_int_equal(gesso_text_insert(made, text, 0, TEXT("ab"), (gesso_bytes){ NULL, 0 }), GESSO_OK);
  assert_int_equal(gesso_text_insert(made, rich, 0, TEXT("ab"), TEXT("{\"bold\":true}")), GESSO_OK);
  assert_int_equal(gesso_array_insert(made, list, 0, &one, 1, NULL), GESSO_OK);
  assert_int_equal(gesso_array_insert(made, xml, 0, &p, 1, NULL), GESSO_OK);
  assert_int_equal(gesso_map_set(made, map, TEXT("k"), one, NULL), GESSO_OK);
  gesso_buffer update = { 0 };
  assert_int_equal(gesso_doc_encode_v1(made, (gesso_bytes){ NULL, 0 }, &update, NULL), GESSO_OK);
  assert_int_equal(gesso_doc_apply_v1(doc, (gesso_bytes){ update.data, update.len }, NULL), GESSO_OK);
  expect_json(doc, "{\"text\":\"ab\","
                   "\"rich\":[{\"insert\":\"ab\",\"attributes\":{\"bold\":true}}],\"list\":[1],"
                   "\"xml\":\"<p></p>\",\"map\":{\"k\":1}}");
  gesso_buffer_free(&update);
  gesso_doc_destroy(made);
  gesso_doc_destroy(doc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_stroke_becomes_integers_without_drift),
    cmocka_unit_test(shapes_that_cannot_be_shown_are_counted),
    cmocka_unit_test(values_that_the_page_would_refuse_are_left_out),
    cmocka_unit_test(what_a_board_has_stays_as_it_is),
    cmocka_unit_test(shapes_without_an_index_get_one_in_their_order),
    cmocka_unit_test(later_changes_lie_over_the_shape_as_it_was_made),
    cmocka_unit_test(roots_are_shown_as_what_is_in_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
