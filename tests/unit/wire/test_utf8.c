/* Every form of UTF-8, compared with the plainest code that could do it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/support.h"
#include "wire/utf8.h"

/* Code point at s[i], its length in *n; -1 when it is not UTF-8. From the table in RFC 3629. */
static long slow_decode(const uint8_t *s, size_t left, size_t *n)
{
  static const struct { uint8_t mask, lead; long min; } forms[] = {
    { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };
  for (size_t f = 0; f < 4; f++) {
    if ((s[0] & forms[f].mask) != forms[f].lead)
      continue;
    if (left < f + 1)
      return -1;
    long cp = s[0] & ~forms[f].mask & 0xff;
    for (size_t i = 1; i <= f; i++) {
      if ((s[i] & 0xc0) != 0x80)
        return -1;
      cp = cp << 6 | (s[i] & 0x3f);
    }
    *n = f + 1;
    return cp < forms[f].min || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) ? -1 : cp;
  }
  return -1;
}

static size_t slow_invalid_at(gesso_bytes s)
{
  size_t i = 0, n;
  while (i < s.len && slow_decode(s.data + i, s.len - i, &n) >= 0)
    i += n;
  return i;
}

static size_t slow_units(gesso_bytes s)
{
  size_t units = 0, n;
  for (size_t i = 0; i < s.len; i += n)
    units += slow_decode(s.data + i, s.len - i, &n) > 0xffff ? 2 : 1;
  return units;
}

static size_t slow_offset_of(gesso_bytes s, size_t units, int *split)
{
  size_t i = 0, n;
  *split = 0;
  for (; i < s.len && units > 0; i += n) {
    size_t wide = slow_decode(s.data + i, s.len - i, &n) > 0xffff ? 2 : 1;
    if (wide > units) {
      *split = 1;
      break;
    }
    units -= wide;
  }
  return i;
}

static uint32_t next_random(uint32_t *seed)
{
  *seed = *seed * 1664525u + 1013904223u;
  return *seed >> 8;
}

static void every_three_byte_start_is_judged_alike(void **state)
{
  (void)state;
  /* The first two bytes decide everything that can be wrong with a character's start. */
  for (unsigned a = 0; a < 256; a++) {
    for (unsigned b = 0; b < 256; b++) {
      uint8_t s[24] = "abcdefghijklmnopq";
      s[17] = (uint8_t)a;
      s[18] = (uint8_t)b;
      s[19] = 0x80;
      s[20] = 0xbf;
      s[21] = 'z';
      for (size_t len = 17; len <= 22; len++) {
        gesso_bytes in = { s, len };
        assert_int_equal(gs_utf8_invalid_at(in), slow_invalid_at(in));
      }
    }
  }
}

static void lengths_and_offsets_agree_with_the_slow_way(void **state)
{
  (void)state;
  static const char *const chars[] = { "a", "z", "\xc3\xa9", "\xdf\xbf", "\xe0\xa0\x80", "\xe2\x82\xac",
                                       "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf" };
  uint32_t seed = 7;
  for (int round = 0; round < 400; round++) {
    uint8_t buf[400];
    size_t len = 0, chars_wanted = next_random(&seed) % 80;
    uint32_t mix = next_random(&seed) % 3;
    for (size_t i = 0; i < chars_wanted; i++) {
      const char *c = chars[mix == 0 ? next_random(&seed) % 2 : next_random(&seed) % GS_TEST_COUNT(chars)];
      memcpy(buf + len, c, strlen(c));
      len += strlen(c);
    }
    gesso_bytes in = { buf, len };
    size_t units = slow_units(in);
    assert_int_equal(gs_utf8_invalid_at(in), len);
    assert_int_equal(gs_utf8_utf16_len(in), units);
    for (size_t u = 0; u <= units + 1; u++) {
      int split = -1, slow_split;
      size_t want = slow_offset_of(in, u, &slow_split);
      assert_int_equal(gs_utf8_offset_of(in, u, &split), want);
      assert_int_equal(split, slow_split);
    }
  }
}

static void nothing_is_valid(void **state)
{
  (void)state;
  int split = -1;
  assert_int_equal(gs_utf8_invalid_at((gesso_bytes){ NULL, 0 }), 0);
  assert_int_equal(gs_utf8_utf16_len((gesso_bytes){ NULL, 0 }), 0);
  assert_int_equal(gs_utf8_offset_of((gesso_bytes){ NULL, 0 }, 3, &split), 0);
  assert_int_equal(split, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_three_byte_start_is_judged_alike),
    cmocka_unit_test(lengths_and_offsets_agree_with_the_slow_way),
    cmocka_unit_test(nothing_is_valid),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
