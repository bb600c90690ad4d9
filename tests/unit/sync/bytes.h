/* What the tests of src/sync share. */
#ifndef TESTS_SYNC_BYTES_H
#define TESTS_SYNC_BYTES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "wire/reader.h"
#include "wire/writer.h"

#define BYTES(...) \
  ((gesso_bytes){ (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) })
#define TEXT(s) ((gesso_bytes){ (const uint8_t *)(s), sizeof(s) - 1 })

#define assert_bytes(buf, ...)                                                  \
  do {                                                                          \
    static const uint8_t want_[] = { __VA_ARGS__ };                             \
    assert_int_equal((buf)->err, GESSO_OK);                                     \
    assert_int_equal((buf)->b.len, sizeof want_);                               \
    assert_memory_equal((buf)->b.data, want_, sizeof want_);                    \
  } while (0)

#endif
