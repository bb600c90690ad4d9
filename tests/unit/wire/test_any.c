/* lib0 Any. The bytes were written by lib0 0.2.120's writeAny from the JavaScript beside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/support.h"
#include "wire/any.h"

#include <stdio.h>

struct vector {
  const char *js;
  gesso_bytes bytes;
  const char *json; /* NULL: undefined, nothing is written */
};

#define V(js, json, ...) { js, { (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) }, json }

static const struct vector vectors[] = {
  V("undefined", NULL, 0x7f),
  V("null", "null", 0x7e),
  V("true", "true", 0x78),
  V("false", "false", 0x79),
  V("0", "0", 0x7d, 0x00),
  V("-0", "0", 0x7d, 0x40),
  V("63", "63", 0x7d, 0x3f),
  V("64", "64", 0x7d, 0x80, 0x01),
  V("-64", "-64", 0x7d, 0xc0, 0x01),
  V("2147483647", "2147483647", 0x7d, 0xbf, 0xff, 0xff, 0xff, 0x0f),
  V("2147483648", "2147483648", 0x7c, 0x4f, 0x00, 0x00, 0x00),
  V("-2147483648", "-2147483648", 0x7c, 0xcf, 0x00, 0x00, 0x00),
  V("1.5", "1.5", 0x7c, 0x3f, 0xc0, 0x00, 0x00),
  V("0.1", "0.1", 0x7b, 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a),
  V("NaN", "null", 0x7b, 0x7f, 0xf8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00),
  V("-Infinity", "null", 0x7c, 0xff, 0x80, 0x00, 0x00),
  V("16777217.5", "16777217.5", 0x7b, 0x41, 0x70, 0x00, 0x00, 0x18, 0x00, 0x00, 0x00),
  V("1e21", "1e+21", 0x7b, 0x44, 0x4b, 0x1a, 0xe4, 0xd6, 0xe2, 0xef, 0x50),
  V("5e-324", "5e-324", 0x7b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01),
  V("''", "\"\"", 0x77, 0x00),
  V("'a\\u00e9\\u{1f600}'", "\"a\xc3\xa9\xf0\x9f\x98\x80\"", 0x77, 0x07, 0x61, 0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80),
  V("12345678901234567890n", "-6101065172474983726", 0x7a, 0xab, 0x54, 0xa9, 0x8c, 0xeb, 0x1f, 0x0a, 0xd2),
  V("-1n", "-1", 0x7a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
  V("[1, undefined, [null]]", "[1,null,[null]]", 0x75, 0x03, 0x7d, 0x01, 0x7f, 0x75, 0x01, 0x7e),
  V("{ b: undefined, a: [{}], 10: 1, 9: 2 }", "{\"9\":2,\"10\":1,\"a\":[{}]}", 0x76, 0x04, 0x01, 0x39, 0x7d, 0x02,
    0x02, 0x31, 0x30, 0x7d, 0x01, 0x01, 0x62, 0x7f, 0x01, 0x61, 0x75, 0x01, 0x76, 0x00),
  V("new Uint8Array([0, 255, 7, 8])", "{\"$bytes\":\"AP8HCA==\"}", 0x74, 0x04, 0x00, 0xff, 0x07, 0x08),
  V("new Uint8Array(0)", "{\"$bytes\":\"\"}", 0x74, 0x00),
  /* Not what writeAny gives, but what readAny makes of it: */
  V("{ a: 1, b: 2, a: 3 }", "{\"a\":3,\"b\":2}", 0x76, 0x03, 0x01, 'a', 0x7d, 1, 0x01, 'b', 0x7d, 2, 0x01, 'a', 0x7d, 3),
  V("{ a: 1, a: undefined }", "{}", 0x76, 0x02, 0x01, 'a', 0x7d, 1, 0x01, 'a', 0x7f),
  V("obj['__proto__'] = 1", "{}", 0x76, 0x01, 0x09, '_', '_', 'p', 'r', 'o', 't', 'o', '_', '_', 0x7d, 1),
};

static void values_print_as_json_stringify_prints_them(void **state)
{
  (void)state;
  for (size_t i = 0; i < GS_TEST_COUNT(vectors); i++) {
    const struct vector *v = &vectors[i];
    gs_buf out = gs_buf_make(NULL);
    gs_reader rd = gs_reader_of(v->bytes);
    bool written = gs_any_to_json(&rd, &out);
    assert_int_equal(rd.err, GESSO_OK);
    assert_int_equal(gs_reader_left(&rd), 0);
    assert_int_equal(written, v->json != NULL);
    if (written)
      assert_bytes_equal(gs_buf_bytes(&out), CSTR(v->json));
    gs_buf_finish(&out);

    rd = gs_reader_of(v->bytes);
    gs_any_skip(&rd);
    assert_int_equal(rd.err, GESSO_OK);
    assert_int_equal(gs_reader_left(&rd), 0);
  }
}

/* Both walks must give the same verdict, at the same byte. */
static gesso_status verdict_of(gesso_bytes bytes)
{
  gs_reader skip = gs_reader_of(bytes), read = skip;
  gs_any_skip(&skip);
  gs_buf out = gs_buf_make(NULL);
  (void)gs_any_to_json(&read, &out);
  gs_buf_finish(&out);
  assert_int_equal(skip.err, read.err);
  assert_int_equal(skip.err_offset, read.err_offset);
  if (skip.err == GESSO_OK)
    assert_ptr_equal(skip.at, read.at);
  return skip.err;
}

static void no_prefix_of_a_value_is_one(void **state)
{
  (void)state;
  for (size_t i = 0; i < GS_TEST_COUNT(vectors); i++)
    for (size_t len = 0; len < vectors[i].bytes.len; len++)
      assert_int_not_equal(verdict_of((gesso_bytes){ vectors[i].bytes.data, len }), GESSO_OK);
}

static void other_tags_are_corrupt(void **state)
{
  (void)state;
  for (unsigned tag = 0; tag < 256; tag++) {
    uint8_t bytes[10] = { (uint8_t)tag };
    gesso_status want = tag >= 116 && tag <= 127 ? GESSO_OK : GESSO_E_CORRUPT;
    assert_int_equal(verdict_of((gesso_bytes){ bytes, sizeof bytes }), want);
  }
}

static void nesting_has_a_limit(void **state)
{
  (void)state;
  static uint8_t deep[2 * GS_ANY_DEPTH_MAX + 4];
  for (size_t i = 0; i < sizeof deep; i += 2) {
    deep[i] = 117;
    deep[i + 1] = 1;
  }
  size_t at_limit = (size_t)2 * GS_ANY_DEPTH_MAX;
  deep[at_limit] = 126;
  assert_int_equal(verdict_of((gesso_bytes){ deep, at_limit + 1 }), GESSO_OK);
  deep[at_limit] = 117;
  assert_int_equal(verdict_of((gesso_bytes){ deep, at_limit + 2 }), GESSO_E_LIMIT);
}

static void counts_past_the_input_are_refused(void **state)
{
  (void)state;
  assert_int_equal(verdict_of(BYTES(117, 0xff, 0xff, 0xff, 0x7f, 126)), GESSO_E_RANGE);
  assert_int_equal(verdict_of(BYTES(118, 2, 0, 126)), GESSO_E_RANGE);
  assert_int_equal(verdict_of(BYTES(119, 2, 0xc3, 0x28)), GESSO_E_CORRUPT);
}

static void bytes_after_the_value_are_left_alone(void **state)
{
  (void)state;
  gs_reader rd = gs_reader_of(BYTES(117, 1, 118, 0, 125, 9));
  gs_any_skip(&rd);
  assert_int_equal(gs_reader_offset(&rd), 4);
}

static void many_keys_are_put_in_order(void **state)
{
  (void)state;
  /* 600 keys k0..k199, each three times; the last round wins, the first gives the place. */
  gs_buf any = gs_buf_make(NULL), want = gs_buf_make(NULL), out = gs_buf_make(NULL);
  gs_buf_write(&any, "\x76\xd8\x04", 3);
  gs_buf_put(&want, '{');
  for (int i = 0; i < 600; i++) {
    char key[8];
    int len = snprintf(key, sizeof key, "k%d", i % 200);
    gs_buf_put(&any, (uint8_t)len);
    gs_buf_puts(&any, key);
    gs_buf_put(&any, 125);
    gs_buf_put(&any, (uint8_t)(i / 200));
    if (i < 200)
      gs_buf_printf(&want, "%s\"%s\":2", i == 0 ? "" : ",", key);
  }
  gs_buf_put(&want, '}');
  gs_reader rd = gs_reader_of(gs_buf_bytes(&any));
  assert_true(gs_any_to_json(&rd, &out));
  assert_bytes_equal(gs_buf_bytes(&out), gs_buf_bytes(&want));
  gs_buf_finish(&any);
  gs_buf_finish(&want);
  gs_buf_finish(&out);
}

static void memory_may_run_out_anywhere(void **state)
{
  (void)state;
  const gesso_bytes bytes = vectors[GS_TEST_COUNT(vectors) - 3].bytes;
  for (unsigned long n = 1;; n++) {
    struct faulty f = { .fail_at = n };
    gesso_allocator al = { faulty_resize, &f };
    gs_buf out = gs_buf_make(&al);
    gs_reader rd = gs_reader_of(bytes);
    (void)gs_any_to_json(&rd, &out);
    assert_int_equal(rd.err, GESSO_OK);
    assert_int_equal(out.err, f.failed ? GESSO_E_NOMEM : GESSO_OK);
    gs_buf_finish(&out);
    assert_int_equal(f.live, 0);
    if (!f.failed)
      break;
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(values_print_as_json_stringify_prints_them),
    cmocka_unit_test(no_prefix_of_a_value_is_one),
    cmocka_unit_test(other_tags_are_corrupt),
    cmocka_unit_test(nesting_has_a_limit),
    cmocka_unit_test(counts_past_the_input_are_refused),
    cmocka_unit_test(bytes_after_the_value_are_left_alone),
    cmocka_unit_test(many_keys_are_put_in_order),
    cmocka_unit_test(memory_may_run_out_anywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
