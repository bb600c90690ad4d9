#include "sync/message.h"

#include "bytes.h"

/* The frames of a stock client and the reference server meeting over an empty document. */
static void the_captured_handshake_reads_as_it_was_meant(void **state)
{
  (void)state;
  gs_message m;

  gs_reader rd = gs_reader_of(BYTES(0x00, 0x00, 0x01, 0x00));
  assert_true(gs_message_next(&rd, &m));
  assert_int_equal(m.kind, GS_MESSAGE_STEP1);
  assert_int_equal(m.body.len, 1);
  assert_int_equal(m.body.data[0], 0);
  assert_false(gs_message_next(&rd, &m));
  assert_int_equal(rd.err, GESSO_OK);

  rd = gs_reader_of(BYTES(0x01, 0x07, 0x01, 0xe9, 0x07, 0x00, 0x02, 0x7b, 0x7d));
  assert_true(gs_message_next(&rd, &m));
  assert_int_equal(m.kind, GS_MESSAGE_AWARENESS);
  assert_int_equal(m.body.len, 7);

  rd = gs_reader_of(BYTES(0x00, 0x01, 0x02, 0x00, 0x00));
  assert_true(gs_message_next(&rd, &m));
  assert_int_equal(m.kind, GS_MESSAGE_STEP2);
  assert_int_equal(m.body.len, 2);

  rd = gs_reader_of(BYTES(0x00, 0x02, 0x02, 0x00, 0x00));
  assert_true(gs_message_next(&rd, &m));
  assert_int_equal(m.kind, GS_MESSAGE_UPDATE);
}

static void what_is_written_is_the_captured_frame(void **state)
{
  (void)state;
  gs_buf buf = gs_buf_make(NULL);
  gs_write_step1(&buf, BYTES(0x00));
  assert_bytes(&buf, 0x00, 0x00, 0x01, 0x00);
  gs_buf_clear(&buf);
  gs_write_step2(&buf, BYTES(0x00, 0x00));
  assert_bytes(&buf, 0x00, 0x01, 0x02, 0x00, 0x00);
  gs_buf_clear(&buf);
  gs_write_update(&buf, BYTES(0x00, 0x00));
  assert_bytes(&buf, 0x00, 0x02, 0x02, 0x00, 0x00);
  gs_buf_clear(&buf);
  gs_write_awareness(&buf, BYTES(0x00));
  assert_bytes(&buf, 0x01, 0x01, 0x00);
  assert_memory_equal(buf.b.data, gs_keep_alive, sizeof gs_keep_alive);
  gs_buf_clear(&buf);
  gs_write_denied(&buf, TEXT("no"));
  assert_bytes(&buf, 0x02, 0x00, 0x02, 'n', 'o');
  gs_buf_clear(&buf);
  gs_write_query(&buf);
  assert_bytes(&buf, 0x03);
  gs_buf_finish(&buf);
}

static void trailing_messages_are_read(void **state)
{
  (void)state;
  gs_message m;
  gs_reader rd = gs_reader_of(BYTES(0x00, 0x00, 0x01, 0x00, 0x03, 0x02, 0x00, 0x01, 'x', 0x01, 0x01, 0x00));
  assert_true(gs_message_next(&rd, &m));
  assert_int_equal(m.kind, GS_MESSAGE_STEP1);
  assert_true(gs_message_next(&rd, &m));
  assert_int_equal(m.kind, GS_MESSAGE_QUERY);
  assert_true(gs_message_next(&rd, &m));
  assert_int_equal(m.kind, GS_MESSAGE_DENIED);
  assert_memory_equal(m.body.data, "x", 1);
  assert_true(gs_message_next(&rd, &m));
  assert_int_equal(m.kind, GS_MESSAGE_AWARENESS);
  assert_false(gs_message_next(&rd, &m));
  assert_int_equal(rd.err, GESSO_OK);
}

static void an_unknown_type_takes_the_rest_of_the_frame(void **state)
{
  (void)state;
  gs_message m;
  gs_reader rd = gs_reader_of(BYTES(0x7d, 0x01, 0x02, 0x03));
  assert_true(gs_message_next(&rd, &m));
  assert_int_equal(m.kind, GS_MESSAGE_UNKNOWN);
  assert_int_equal(m.type, 125);
  assert_int_equal(m.body.len, 3);
  assert_false(gs_message_next(&rd, &m));
  assert_int_equal(rd.err, GESSO_OK);
}

static gesso_status error_of(gesso_bytes frame)
{
  gs_message m;
  gs_reader rd = gs_reader_of(frame);
  while (gs_message_next(&rd, &m))
    ;
  return rd.err;
}

static void malformed_frames_are_told_apart_from_their_end(void **state)
{
  (void)state;
  assert_int_equal(error_of((gesso_bytes){ NULL, 0 }), GESSO_E_TRUNCATED);
  assert_int_equal(error_of(BYTES(0x00)), GESSO_E_TRUNCATED);
  assert_int_equal(error_of(BYTES(0x00, 0x00)), GESSO_E_TRUNCATED);
  assert_int_equal(error_of(BYTES(0x00, 0x00, 0x02, 0x00)), GESSO_E_TRUNCATED);
  assert_int_equal(error_of(BYTES(0x00, 0x03, 0x01, 0x00)), GESSO_E_CORRUPT);
  assert_int_equal(error_of(BYTES(0x02, 0x01, 0x00)), GESSO_E_CORRUPT);
  assert_int_equal(error_of(BYTES(0x02, 0x00, 0x01, 0xff)), GESSO_E_CORRUPT);
  assert_int_equal(error_of(BYTES(0x80)), GESSO_E_TRUNCATED);
  assert_int_not_equal(error_of(BYTES(0x00, 0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)),
                       GESSO_OK);
  assert_int_not_equal(error_of(BYTES(0x00, 0x02, 0xff, 0xff, 0xff, 0xff, 0x0f)), GESSO_OK);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_captured_handshake_reads_as_it_was_meant),
    cmocka_unit_test(what_is_written_is_the_captured_frame),
    cmocka_unit_test(trailing_messages_are_read),
    cmocka_unit_test(an_unknown_type_takes_the_rest_of_the_frame),
    cmocka_unit_test(malformed_frames_are_told_apart_from_their_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
