/* Helpers of the tests of compat/libyrs, which see nothing but its header. */
#ifndef YRS_TEST_H
#define YRS_TEST_H

#include "libyrs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static inline YDoc *doc_with(uint64_t id, uint8_t flags)
{
  YOptions o = yoptions();
  o.id = id;
  o.flags = flags;
  YDoc *doc = ydoc_new_with_options(o);
  assert_non_null(doc);
  return doc;
}

static inline YDoc *doc_of(uint64_t id)
{
  return doc_with(id, Y_OFFSET_UTF16 | Y_SHOULD_LOAD);
}

static inline YTransaction *begin(YDoc *doc)
{
  YTransaction *txn = ydoc_write_transaction(doc, 0, NULL);
  assert_non_null(txn);
  return txn;
}

/* A string that the library gave, compared and given back. */
static inline void is(char *got, const char *want)
{
  assert_non_null(got);
  assert_string_equal(got, want);
  ystring_destroy(got);
}

static inline void is_long(YOutput *out, int64_t want)
{
  assert_non_null(out);
  assert_int_equal(out->tag, Y_JSON_INT);
  assert_int_equal(*youtput_read_long(out), want);
  youtput_destroy(out);
}

static inline void is_num(YOutput *out, double want)
{
  assert_non_null(out);
  assert_int_equal(out->tag, Y_JSON_NUM);
  assert_true(*youtput_read_float(out) == want);
  youtput_destroy(out);
}

static inline void is_str(YOutput *out, const char *want)
{
  assert_non_null(out);
  assert_int_equal(out->tag, Y_JSON_STR);
  assert_int_equal(out->len, strlen(want));
  assert_string_equal(youtput_read_string(out), want);
  youtput_destroy(out);
}

/* Everything of one document into another. */
static inline void pull(YDoc *to, YDoc *from)
{
  uint32_t sv_len, len;
  YTransaction *t = ydoc_read_transaction(to);
  char *sv = ytransaction_state_vector_v1(t, &sv_len);
  ytransaction_commit(t);
  t = ydoc_read_transaction(from);
  char *diff = ytransaction_state_diff_v1(t, sv, sv_len, &len);
  ytransaction_commit(t);
  t = begin(to);
  assert_int_equal(ytransaction_apply(t, diff, len), 0);
  ytransaction_commit(t);
  ybinary_destroy(sv, sv_len);
  ybinary_destroy(diff, len);
}

#endif
