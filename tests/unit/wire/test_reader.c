/* The cursor and the writer beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/support.h"
#include "wire/reader.h"
#include "wire/writer.h"

static void error_latches_with_its_offset(void **state)
{
  (void)state;
  gs_reader rd = gs_reader_of(BYTES(0x05, 0x80));
  assert_int_equal(gs_read_varuint(&rd), 5);
  assert_int_equal(gs_read_varuint(&rd), 0);
  assert_int_equal(rd.err, GESSO_E_TRUNCATED);
  assert_int_equal(rd.err_offset, 2);
  assert_int_equal(gs_read_u8(&rd), 0);
  assert_int_equal(gs_read_u64be(&rd), 0);
  assert_int_equal(gs_read_string(&rd).len, 0);
  gesso_error error;
  assert_int_equal(gs_reader_status(&rd, &error), GESSO_E_TRUNCATED);
  assert_int_equal(error.offset, 2);
  assert_non_null(error.message);
}

static void numbers_round_trip_up_to_2_53(void **state)
{
  (void)state;
  for (unsigned bit = 0; bit <= 53; bit++) {
    for (int delta = -1; delta <= 1; delta++) {
      uint64_t n = ((uint64_t)1 << bit) + (uint64_t)(int64_t)delta;
      if (n > GS_MAX_SAFE_INTEGER)
        continue;
      gs_buf buf = gs_buf_make(NULL);
      gs_write_varuint(&buf, n);
      gs_write_varint(&buf, n, false);
      gs_write_varint(&buf, n, true);
      gs_reader rd = gs_reader_of(gs_buf_bytes(&buf));
      assert_int_equal(gs_read_varuint(&rd), n);
      bool negative = true;
      assert_int_equal(gs_read_varint(&rd, &negative), n);
      assert_false(negative);
      assert_int_equal(gs_read_varint(&rd, &negative), -(int64_t)n);
      assert_true(negative);
      assert_int_equal(rd.err, GESSO_OK);
      assert_int_equal(gs_reader_left(&rd), 0);
      gs_buf_finish(&buf);
    }
  }
}

static void larger_numbers_are_out_of_range(void **state)
{
  (void)state;
  /* 2^53 */
  gs_reader rd = gs_reader_of(BYTES(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10));
  (void)gs_read_varuint(&rd);
  assert_int_equal(rd.err, GESSO_E_RANGE);
  rd = gs_reader_of(BYTES(0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20));
  (void)gs_read_varint(&rd, NULL);
  assert_int_equal(rd.err, GESSO_E_RANGE);
  uint8_t endless[64];
  memset(endless, 0xff, sizeof endless);
  rd = gs_reader_of((gesso_bytes){ endless, sizeof endless });
  (void)gs_read_varuint(&rd);
  assert_int_equal(rd.err, GESSO_E_RANGE);
}

static void padded_numbers_read_as_lib0_reads_them(void **state)
{
  (void)state;
  gs_reader rd = gs_reader_of(BYTES(0x85, 0x80, 0x00));
  assert_int_equal(gs_read_varuint(&rd), 5);
  assert_int_equal(rd.err, GESSO_OK);
  assert_int_equal(gs_reader_left(&rd), 0);
}

static void count_that_cannot_fit_is_refused(void **state)
{
  (void)state;
  gs_reader rd = gs_reader_of(BYTES(0x03, 1, 2, 3));
  assert_int_equal(gs_read_count(&rd, 1), 3);
  rd = gs_reader_of(BYTES(0x03, 1, 2, 3));
  assert_int_equal(gs_read_count(&rd, 2), 0);
  assert_int_equal(rd.err, GESSO_E_RANGE);
  assert_int_equal(rd.err_offset, 0);
}

static void limit_is_told_from_corruption(void **state)
{
  (void)state;
  gs_reader rd = gs_reader_of(BYTES(0x05, 0x06));
  assert_int_equal(gs_read_varuint_max(&rd, 5, "too many"), 5);
  assert_int_equal(gs_read_varuint_max(&rd, 5, "too many"), 0);
  assert_int_equal(rd.err, GESSO_E_LIMIT);
  assert_int_equal(rd.err_offset, 1);
  assert_string_equal(rd.err_why, "too many");
}

static void strings_are_checked(void **state)
{
  (void)state;
  gs_reader rd = gs_reader_of(BYTES(3, 'a', 0xc3, 0xa9, 2, 0xff, 0xff));
  assert_bytes_equal(gs_read_string(&rd), TEXT("a\xc3\xa9"));
  assert_int_equal(gs_read_string(&rd).len, 0);
  assert_int_equal(rd.err, GESSO_E_CORRUPT);
  assert_int_equal(rd.err_offset, 5);
  rd = gs_reader_of(BYTES(4, 'a', 'b', 'c'));
  assert_int_equal(gs_read_bytes(&rd).len, 0);
  assert_int_equal(rd.err, GESSO_E_TRUNCATED);
}

static void empty_input_has_nothing(void **state)
{
  (void)state;
  gs_reader rd = gs_reader_of((gesso_bytes){ NULL, 0 });
  assert_int_equal(gs_reader_left(&rd), 0);
  assert_int_equal(gs_read_raw(&rd, 0).len, 0);
  assert_int_equal(rd.err, GESSO_OK);
  assert_int_equal(gs_read_varint(&rd, NULL), 0);
  assert_int_equal(rd.err, GESSO_E_TRUNCATED);
}

static void big_endian_numbers(void **state)
{
  (void)state;
  gs_buf buf = gs_buf_make(NULL);
  gs_write_u32be(&buf, 0x01020304u);
  gs_write_u64be(&buf, 0x05060708090a0b0cu);
  assert_bytes_equal(gs_buf_bytes(&buf), BYTES(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  gs_reader rd = gs_reader_of(gs_buf_bytes(&buf));
  assert_int_equal(gs_read_u32be(&rd), 0x01020304u);
  assert_int_equal(gs_read_u64be(&rd), 0x05060708090a0b0cu);
  gs_buf_finish(&buf);
}

static void buffer_latches_its_limit(void **state)
{
  (void)state;
  struct faulty f = { 0 };
  gesso_allocator al = { faulty_resize, &f };
  gs_buf buf = gs_buf_make(&al);
  buf.max = 200;
  uint8_t block[150] = { 0 };
  gs_write_bytes(&buf, (gesso_bytes){ block, sizeof block });
  assert_int_equal(buf.err, GESSO_OK);
  gs_write_bytes(&buf, (gesso_bytes){ block, sizeof block });
  assert_int_equal(buf.err, GESSO_E_LIMIT);
  size_t len = buf.b.len;
  gs_buf_puts(&buf, "more, which does not fit either, whatever the room that is left would be like in the end");
  assert_int_equal(buf.err, GESSO_E_LIMIT);
  assert_true(buf.b.len <= 200 && len <= buf.b.len);
  gs_buf_finish(&buf);
  assert_int_equal(f.live, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(error_latches_with_its_offset),
    cmocka_unit_test(numbers_round_trip_up_to_2_53),
    cmocka_unit_test(larger_numbers_are_out_of_range),
    cmocka_unit_test(padded_numbers_read_as_lib0_reads_them),
    cmocka_unit_test(count_that_cannot_fit_is_refused),
    cmocka_unit_test(limit_is_told_from_corruption),
    cmocka_unit_test(strings_are_checked),
    cmocka_unit_test(empty_input_has_nothing),
    cmocka_unit_test(big_endian_numbers),
    cmocka_unit_test(buffer_latches_its_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
