#include "sync/json_check.h"

#include "bytes.h"

static void every_kind_of_value_is_accepted(void **state)
{
  (void)state;
  static const char *const good[] = {
    "null", "true", "false", "0", "-0", "12.5", "1e9", "-1.25E-7", "\"\"", "\"a\\u00e9\\ud800\\n\\\"\"",
    "{}", "[]", " { } ", "[[[]]]", "{\"a\":1,\"b\":[1,2,{\"c\":null}]}", "\t[1 , 2]\r\n", "{\"\":{}}",
    "\"\xc3\xa9\"",
  };
  for (size_t i = 0; i < GS_COUNT(good); i++)
    if (!gs_json_is_valid((gesso_bytes){ (const uint8_t *)good[i], strlen(good[i]) }))
      fail_msg("refused: %s", good[i]);
}

static void everything_else_is_refused(void **state)
{
  (void)state;
  static const char *const bad[] = {
    "", " ", "nul", "nulll", "tru", "01", "-", "1.", ".5", "1e", "+1", "\"", "\"\\x\"", "\"\\u12g4\"",
    "\"a\nb\"", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",
    "{\"a\":1]", "[1}", "1 2", "{} {}", "[1 2]", "{1:2}", "undefined", "NaN", "'a'", "\"\\", "\"\\u12",
  };
  for (size_t i = 0; i < GS_COUNT(bad); i++)
    if (gs_json_is_valid((gesso_bytes){ (const uint8_t *)bad[i], strlen(bad[i]) }))
      fail_msg("accepted: %s", bad[i]);
  assert_false(gs_json_is_valid((gesso_bytes){ NULL, 0 }));
  assert_false(gs_json_is_valid(BYTES('"', '\\', 0, '"')));
}

static void nesting_has_a_limit(void **state)
{
  (void)state;
  char text[2 * (GS_JSON_DEPTH_MAX + 1)];
  for (size_t depth = GS_JSON_DEPTH_MAX; depth <= GS_JSON_DEPTH_MAX + 1; depth++) {
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    bool ok = gs_json_is_valid((gesso_bytes){ (const uint8_t *)text, 2 * depth });
    assert_int_equal(ok, depth == GS_JSON_DEPTH_MAX);
  }
}

static void null_is_known_with_space_around_it(void **state)
{
  (void)state;
  assert_true(gs_json_is_null(TEXT("null")));
  assert_true(gs_json_is_null(TEXT(" null\n")));
  assert_false(gs_json_is_null(TEXT("nul")));
  assert_false(gs_json_is_null(TEXT("\"null\"")));
  assert_false(gs_json_is_null(TEXT("null,")));
  assert_false(gs_json_is_null((gesso_bytes){ NULL, 0 }));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_kind_of_value_is_accepted),
    cmocka_unit_test(everything_else_is_refused),
    cmocka_unit_test(nesting_has_a_limit),
    cmocka_unit_test(null_is_known_with_space_around_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
