#include "sync/dialect.h"

#include "bytes.h"

static void first_frames_tell_the_protocol(void **state)
{
  (void)state;
  assert_int_equal(gs_dialect_of(TEXT("/board"), BYTES(0, 0, 1, 0)), GS_DIALECT_YWEBSOCKET);
  assert_int_equal(gs_dialect_of(TEXT("/board"), BYTES(1, 1, 0)), GS_DIALECT_YWEBSOCKET);
  assert_int_equal(gs_dialect_of(TEXT("/"), BYTES(1, 'd', 2, 0, 3, 't', 'o', 'k')), GS_DIALECT_HOCUSPOCUS);
  assert_int_equal(gs_dialect_of(TEXT("/d/x1/ws/x1"), BYTES(0, 0, 1, 0)), GS_DIALECT_YSWEET);
  assert_int_equal(gs_dialect_of(TEXT("/board"), BYTES(0xff)), GS_DIALECT_UNKNOWN);
  assert_int_equal(gs_dialect_of(TEXT("/board"), (gesso_bytes){ NULL, 0 }), GS_DIALECT_UNKNOWN);
}

static void paths_that_only_look_like_y_sweet_are_boards(void **state)
{
  (void)state;
  static const char *const paths[] = { "/d/x1/ws/x2", "/d/x1/ws/", "/d//ws/", "/d/x/w/x1", "/d/a/b/ws/a/b", "/d/" };
  for (size_t i = 0; i < GS_COUNT(paths); i++) {
    gesso_bytes path = { (const uint8_t *)paths[i], strlen(paths[i]) };
    assert_int_equal(gs_dialect_of(path, BYTES(0, 0, 1, 0)), GS_DIALECT_YWEBSOCKET);
  }
}

static void every_dialect_has_a_name(void **state)
{
  (void)state;
  assert_string_equal(gs_dialect_name(GS_DIALECT_YWEBSOCKET), "y-websocket");
  assert_string_equal(gs_dialect_name(GS_DIALECT_HOCUSPOCUS), "hocuspocus");
  assert_string_equal(gs_dialect_name(GS_DIALECT_YSWEET), "y-sweet");
  assert_string_equal(gs_dialect_name(GS_DIALECT_UNKNOWN), "unknown");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(first_frames_tell_the_protocol),
    cmocka_unit_test(paths_that_only_look_like_y_sweet_are_boards),
    cmocka_unit_test(every_dialect_has_a_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
