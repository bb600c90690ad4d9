/* Converting an update between v1 and v2 must never crash, hang or write more than its input justifies; what was
 * converted converts back to something that converts to the same bytes again.
 *
 * The first byte chooses the direction. */
#include "fuzz.h"
#include "gesso/update.h"

#include <string.h>

static int same(gesso_buffer a, gesso_buffer b)
{
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static gesso_bytes view(gesso_buffer b)
{
  return (gesso_bytes){ b.data, b.len };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  gesso_bytes in = { data + 1, size - 1 };
  gesso_error why = { GESSO_OK, 0, NULL };
  gesso_buffer v1 = { 0 }, v2 = { 0 }, v1_again = { 0 }, v2_again = { 0 };
  gesso_status st = data[0] & 1 ? gesso_update_v2_to_v1(in, &v1, &why) : gesso_update_v1_to_v2(in, &v2, &why);
  if (st != GESSO_OK) {
    FUZZ_CHECK(why.status == st && why.offset <= in.len && why.message != NULL);
    return 0;
  }
  /* From v2 the first way there may still fail: v1 can say things, such as ranges out of order, that v2 cannot. */
  if (data[0] & 1)
    st = gesso_update_v1_to_v2(view(v1), &v2, NULL);
  if (st == GESSO_OK) {
    FUZZ_CHECK(gesso_update_v2_to_v1(view(v2), &v1_again, NULL) == GESSO_OK);
    FUZZ_CHECK(gesso_update_v1_to_v2(view(v1_again), &v2_again, NULL) == GESSO_OK);
    FUZZ_CHECK(same(v2, v2_again));
  }
  gesso_buffer_free(&v1);
  gesso_buffer_free(&v2);
  gesso_buffer_free(&v1_again);
  gesso_buffer_free(&v2_again);
  return 0;
}
