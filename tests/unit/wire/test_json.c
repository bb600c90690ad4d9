/* JSON as JSON.parse and JSON.stringify do it, numbers included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/support.h"
#include "wire/json.h"
#include "wire/number.h"
#include "wire/tree.h"

#include <math.h>
#include <stdio.h>

static void what_json_parse_refuses_is_refused(void **state)
{
  (void)state;
  static const char *const bad[] = {
    "", " ", "nul", "nulll", "True", "undefined", "NaN", "Infinity", "+1", "01", "-", "-a", "1.", ".5", "1e", "1e+",
    "0x10", "1 2", "[", "]", "[1,]", "[,1]", "[1 2]", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",
    "{'a':1}", "{1:1}", "{\"a\" 1}", "[1}", "{\"a\":1]", "\"", "\"a", "\"\\\"", "\"\\x41\"", "\"\\u12\"",
    "\"\\u12g4\"", "\"\\", "\"\t\"", "\"\n\"", "'a'", "/**/1", "1//", "\xef\xbb\xbf" "1", "\xc2\xa0" "1", "\"\xff\"",
    "\"\xed\xa0\x80\"", "[[]", "{\"a\":{}", "[1,2,",
  };
  for (size_t i = 0; i < GS_TEST_COUNT(bad); i++) {
    gs_buf out = gs_buf_make(NULL);
    assert_int_equal(gs_json_check(CSTR(bad[i]), GS_ANY_DEPTH_MAX, NULL), GESSO_E_CORRUPT);
    assert_int_equal(gs_json_to_any(CSTR(bad[i]), &out), GESSO_E_CORRUPT);
    assert_int_equal(out.b.len, 0);
    gs_buf_finish(&out);
  }
  assert_int_equal(gs_json_check(BYTES('"', 0, '"'), GS_ANY_DEPTH_MAX, NULL), GESSO_E_CORRUPT);
}

static void error_tells_its_offset(void **state)
{
  (void)state;
  gesso_error error;
  assert_int_equal(gs_json_check(TEXT("{\"a\": [1, 2 3]}"), GS_ANY_DEPTH_MAX, &error), GESSO_E_CORRUPT);
  assert_int_equal(error.offset, 12);
  assert_non_null(error.message);
}

static void text_is_made_canonical(void **state)
{
  (void)state;
  static const struct { const char *in, *out; } cases[] = {
    { " \t\r\n1 ", "1" },
    { "-0", "0" },
    { "1E2", "100" },
    { "1e400", "null" },
    { "0.10", "0.1" },
    { "1e-7", "1e-7" },
    { "123456789012345678901234567890", "1.2345678901234568e+29" },
    { "[ 1 , \"a\" , null,true ,false , {} , [ ] ]", "[1,\"a\",null,true,false,{},[]]" },
    { "{ \"b\" : 1 , \"a\" : { \"c\" : [ ] } }", "{\"b\":1,\"a\":{\"c\":[]}}" },
    { "{\"a\":1,\"b\":2,\"\\u0061\":3}", "{\"a\":3,\"b\":2}" },
    { "{\"x\":0,\"10\":1,\"9\":2,\"01\":3,\"4294967295\":4,\"4294967294\":5}",
      "{\"9\":2,\"10\":1,\"4294967294\":5,\"x\":0,\"01\":3,\"4294967295\":4}" },
    { "{\"__proto__\":1}", "{\"__proto__\":1}" },
    { "\"\\u0041\\/\\b\\f\\n\\r\\t\\\"\\\\\\u0000\\u001f\\u007f\"", "\"A/\\b\\f\\n\\r\\t\\\"\\\\\\u0000\\u001f\x7f\"" },
    { "\"\\uD83D\\uDE00\"", "\"\xf0\x9f\x98\x80\"" },
    { "\"\\ud83d\\ud83d\\ude00\"", "\"\\ud83d\xf0\x9f\x98\x80\"" },
    { "\"x\\ude00\\ud83dy\"", "\"x\\ude00\\ud83dy\"" },
    { "\"\\u2028\\u00e9\"", "\"\xe2\x80\xa8\xc3\xa9\"" },
  };
  for (size_t i = 0; i < GS_TEST_COUNT(cases); i++) {
    gs_buf out = gs_buf_make(NULL);
    assert_int_equal(gs_json_check(CSTR(cases[i].in), GS_ANY_DEPTH_MAX, NULL), GESSO_OK);
    assert_int_equal(gs_json_minify(CSTR(cases[i].in), &out), GESSO_OK);
    assert_bytes_equal(gs_buf_bytes(&out), CSTR(cases[i].out));
    gs_buf_finish(&out);
  }
}

/* lib0 0.2.120: writeAny(encoder, JSON.parse(text)) */
static void any_is_written_as_lib0_writes_it(void **state)
{
  (void)state;
  const struct { const char *json; gesso_bytes any; } cases[] = {
#define C(json, ...) { json, { (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) } }
    C("-0", 0x7d, 0x40),
    C("-64", 0x7d, 0xc0, 0x01),
    C("2147483647", 0x7d, 0xbf, 0xff, 0xff, 0xff, 0x0f),
    C("2147483648", 0x7c, 0x4f, 0x00, 0x00, 0x00),
    C("1.5", 0x7c, 0x3f, 0xc0, 0x00, 0x00),
    C("0.1", 0x7b, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a),
    C("-1e999", 0x7c, 0xff, 0x80, 0x00, 0x00),
    C("3.5e38", 0x7b, 0x47, 0xf0, 0x74, 0xf8, 0xc4, 0xd3, 0xcd, 0x7b),
    C("\"\\ud83d\"", 0x77, 0x03, 0xef, 0xbf, 0xbd),
    C("[true,false,null]", 0x75, 0x03, 0x78, 0x79, 0x7e),
    C("{\"a\":[{}],\"10\":1,\"9\":2}", 0x76, 0x03, 0x01, 0x39, 0x7d, 0x02, 0x02, 0x31, 0x30, 0x7d, 0x01, 0x01, 0x61,
      0x75, 0x01, 0x76, 0x00),
#undef C
  };
  for (size_t i = 0; i < GS_TEST_COUNT(cases); i++) {
    gs_buf out = gs_buf_make(NULL);
    assert_int_equal(gs_json_to_any(CSTR(cases[i].json), &out), GESSO_OK);
    assert_bytes_equal(gs_buf_bytes(&out), cases[i].any);
    gs_buf_finish(&out);
  }
}

static void nesting_has_a_limit(void **state)
{
  (void)state;
  char deep[2 * GS_ANY_DEPTH_MAX + 2];
  memset(deep, '[', GS_ANY_DEPTH_MAX);
  memset(deep + GS_ANY_DEPTH_MAX, ']', GS_ANY_DEPTH_MAX);
  gesso_bytes in = { (const uint8_t *)deep, (size_t)2 * GS_ANY_DEPTH_MAX };
  assert_int_equal(gs_json_check(in, GS_ANY_DEPTH_MAX, NULL), GESSO_OK);
  memset(deep, '[', GS_ANY_DEPTH_MAX + 1);
  memset(deep + GS_ANY_DEPTH_MAX + 1, ']', GS_ANY_DEPTH_MAX + 1);
  in.len += 2;
  assert_int_equal(gs_json_check(in, GS_ANY_DEPTH_MAX, NULL), GESSO_E_LIMIT);
  /* A smaller limit, with an object among the arrays. */
  gesso_bytes three = TEXT(" [ [{\"a\":1}], [2]]");
  assert_int_equal(gs_json_check(three, 3, NULL), GESSO_OK);
  gesso_error error;
  assert_int_equal(gs_json_check(three, 2, &error), GESSO_E_LIMIT);
  assert_int_equal(error.offset, 4);
  assert_int_equal(gs_json_check(TEXT("1"), 0, NULL), GESSO_OK);
  assert_int_equal(gs_json_check(TEXT("[]"), 0, NULL), GESSO_E_LIMIT);
  gs_buf out = gs_buf_make(NULL);
  assert_int_equal(gs_json_minify(in, &out), GESSO_E_LIMIT);
  gs_buf_finish(&out);
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

static void numbers_print_as_in_javascript(void **state)
{
  (void)state;
  static const struct { double value; const char *text; } cases[] = {
    { 0, "0" }, { -0.0, "0" }, { 1, "1" }, { -1, "-1" }, { 123.456, "123.456" }, { 0.1 + 0.2, "0.30000000000000004" },
    { 1e20, "100000000000000000000" }, { 1e21, "1e+21" }, { 123456789012345680000.0, "123456789012345680000" },
    { 1e-6, "0.000001" }, { 1e-7, "1e-7" }, { 1.5e-10, "1.5e-10" }, { 5e-324, "5e-324" },
    { 2.2250738585072014e-308, "2.2250738585072014e-308" }, { 1.7976931348623157e308, "1.7976931348623157e+308" },
    { 9007199254740992.0, "9007199254740992" }, { 9007199254740994.0, "9007199254740994" },
    { 0x1p-44, "5.684341886080802e-14" }, { 0x1p-1074, "5e-324" }, { 0x1p100, "1.2676506002282294e+30" },
    { -1234567.125, "-1234567.125" }, { (double)0.1f, "0.10000000149011612" },
    { (double)INFINITY, "Infinity" }, { -(double)INFINITY, "-Infinity" }, { (double)NAN, "NaN" },
  };
  for (size_t i = 0; i < GS_TEST_COUNT(cases); i++) {
    char text[GS_NUMBER_TEXT_MAX];
    size_t len = gs_number_format(cases[i].value, text);
    assert_string_equal(text, cases[i].text);
    assert_int_equal(len, strlen(cases[i].text));
  }
}

static void printed_numbers_read_back(void **state)
{
  (void)state;
  uint64_t seed = 42;
  for (int i = 0; i < 20000; i++) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    double value, back;
    memcpy(&value, &seed, sizeof value);
    if (!isfinite(value))
      continue;
    char text[GS_NUMBER_TEXT_MAX];
    gesso_bytes in = { (const uint8_t *)text, gs_number_format(value, text) };
    assert_int_equal(gs_number_parse(NULL, in, &back), GESSO_OK);
    assert_true(back == value);
  }
}

static void long_numbers_are_read_whole(void **state)
{
  (void)state;
  char text[300];
  memset(text, '0', sizeof text);
  text[0] = '1';
  gs_buf out = gs_buf_make(NULL);
  assert_int_equal(gs_json_minify((gesso_bytes){ (const uint8_t *)text, sizeof text }, &out), GESSO_OK);
  assert_bytes_equal(gs_buf_bytes(&out), TEXT("1e+299"));
  gs_buf_finish(&out);
}

static void memory_may_run_out_anywhere(void **state)
{
  (void)state;
  const gesso_bytes text = TEXT(
    "{\"b\":[1,2,{\"\\u0041\":\"x\\n\"}],\"2\":0.1,\"1\":null,\"b\":\"a text that does not fit into the first small block\","
    "\"n\":0.0000000000000000000000000000000000000000000000000000000000000000000001}");
  for (int to_any = 0; to_any < 2; to_any++) {
    for (unsigned long n = 1;; n++) {
      struct faulty f = { .fail_at = n };
      gesso_allocator al = { faulty_resize, &f };
      gs_buf out = gs_buf_make(&al);
      gesso_status s = to_any ? gs_json_to_any(text, &out) : gs_json_minify(text, &out);
      assert_int_equal(s, f.failed ? GESSO_E_NOMEM : GESSO_OK);
      gs_buf_finish(&out);
      assert_int_equal(f.live, 0);
      if (!f.failed)
        break;
    }
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_json_parse_refuses_is_refused),
    cmocka_unit_test(error_tells_its_offset),
    cmocka_unit_test(text_is_made_canonical),
    cmocka_unit_test(any_is_written_as_lib0_writes_it),
    cmocka_unit_test(nesting_has_a_limit),
    cmocka_unit_test(null_is_known_with_space_around_it),
    cmocka_unit_test(numbers_print_as_in_javascript),
    cmocka_unit_test(printed_numbers_read_back),
    cmocka_unit_test(long_numbers_are_read_whole),
    cmocka_unit_test(memory_may_run_out_anywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
