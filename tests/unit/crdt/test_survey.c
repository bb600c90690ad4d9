/* survey.h: what a document consists of, and the warning of alternating keys. */
#include "crdt_test.h"

#include "crdt/survey.h"
#include "wire/writer.h"

static void put_number(gesso_doc *doc, gesso_type map, const char *key, double n)
{
  gesso_value v = { .kind = GESSO_VALUE_NUMBER, .number = n };
  assert_int_equal(gesso_map_set(doc, map, str(key), v, NULL), GESSO_OK);
}

static void two_keys_in_turn_are_warned_of(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type shapes = gesso_doc_root(doc, str("shapes"), GESSO_MAP), shape;
  gesso_value v = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
  assert_int_equal(gesso_map_set(doc, shapes, str("rect"), v, &shape), GESSO_OK);
  for (int i = 0; i < 5000; i++) {
    put_number(doc, shape, "x", i);
    put_number(doc, shape, "y", i);
  }
  gs_survey s;
  assert_int_equal(gs_doc_survey(doc, &s), GESSO_OK);
  assert_int_equal(s.clients, 1);
  assert_int_equal(s.types, 2);
  assert_int_equal(s.live, 3);
  assert_int_equal(s.tombstones, 9998);
  assert_int_equal(s.alternating, 9997);
  assert_int_equal(s.worst, shape);
  assert_true(gs_survey_warns(&s));
  gs_buf path = gs_buf_make(NULL);
  gs_type_path(doc, s.worst, &path);
  gs_buf_put(&path, '\0');
  assert_string_equal(path.b.data, "shapes/rect");
  gs_buf_finish(&path);
  gesso_doc_destroy(doc);
}

static void one_key_is_not(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type shapes = gesso_doc_root(doc, str("shapes"), GESSO_MAP);
  for (int i = 0; i < 5000; i++)
    put_number(doc, shapes, "rect", i);
  type_in(doc, gesso_doc_root(doc, str("t"), GESSO_TEXT), 0, "text");
  gs_survey s;
  assert_int_equal(gs_doc_survey(doc, &s), GESSO_OK);
  assert_int_equal(s.alternating, 0);
  assert_int_equal(s.live, 2);
  assert_false(gs_survey_warns(&s));
  gesso_doc_destroy(doc);
}

static void the_path_of_a_deep_type_takes_no_stack(void **state)
{
  (void)state;
  enum { DEPTH = 500000 };
  gesso_doc *doc = doc_of(1);
  gs_buf b = gs_buf_make(NULL), path = gs_buf_make(NULL);
  gs_write_varuint(&b, 1);
  gs_write_varuint(&b, DEPTH);
  gs_buf_write(&b, (const uint8_t[]){ 9, 0, 7, 1, 1, 't', 0 }, 7);
  for (uint32_t i = 1; i < DEPTH; i++) {
    gs_buf_write(&b, (const uint8_t[]){ 7, 0, 9 }, 3);
    gs_write_varuint(&b, i - 1);
    gs_buf_put(&b, 0);
  }
  gs_buf_put(&b, 0);
  apply(doc, gs_buf_bytes(&b));
  gs_type_path(doc, gesso_doc_find_type(doc, 9, DEPTH - 1), &path);
  assert_int_equal(path.err, GESSO_OK);
  assert_int_equal(path.b.len, 1 + 2 * (size_t)DEPTH);
  assert_memory_equal(path.b.data, "t/0/0/0", 7);
  gs_buf_finish(&path);
  gs_buf_finish(&b);
  gesso_doc_destroy(doc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(two_keys_in_turn_are_warned_of),
    cmocka_unit_test(one_key_is_not),
    cmocka_unit_test(the_path_of_a_deep_type_takes_no_stack),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
