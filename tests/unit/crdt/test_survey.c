/* survey.h: what a document consists of, and the warning of alternating keys. */
#include "crdt_test.h"

#include "crdt/survey.h"

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

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(two_keys_in_turn_are_warned_of),
    cmocka_unit_test(one_key_is_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
