/* Helpers of the engine's unit tests. */
#ifndef CRDT_TEST_H
#define CRDT_TEST_H

#include "gesso/types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline gesso_bytes str(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

static inline gesso_doc *doc_of(uint64_t client_id)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = client_id };
  gesso_doc *doc = gesso_doc_create(&o);
  assert_non_null(doc);
  return doc;
}

static inline void check(gesso_doc *doc)
{
  gesso_error why = { GESSO_OK, 0, "" };
  if (gesso_doc_check(doc, &why) != GESSO_OK)
    fail_msg("gesso_doc_check: %s", why.message);
}

static inline gesso_buffer state_of(gesso_doc *doc)
{
  gesso_buffer b;
  assert_int_equal(gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &b, NULL), GESSO_OK);
  return b;
}

static inline gesso_bytes view(gesso_buffer b)
{
  return (gesso_bytes){ b.data, b.len };
}

static inline void same_state(gesso_doc *a, gesso_doc *b)
{
  gesso_buffer x = state_of(a), y = state_of(b);
  assert_int_equal(x.len, y.len);
  assert_memory_equal(x.data, y.data, x.len);
  gesso_buffer_free(&x);
  gesso_buffer_free(&y);
}

static inline void apply(gesso_doc *doc, gesso_bytes update)
{
  gesso_error why = { GESSO_OK, 0, "" };
  if (gesso_doc_apply_v1(doc, update, &why) != GESSO_OK)
    fail_msg("apply: %s at byte %zu", why.message, why.offset);
}

static inline void pull(gesso_doc *to, gesso_doc *from)
{
  gesso_buffer sv, diff;
  assert_int_equal(gesso_doc_state_vector(to, &sv), GESSO_OK);
  assert_int_equal(gesso_doc_encode_v1(from, view(sv), &diff, NULL), GESSO_OK);
  apply(to, view(diff));
  gesso_buffer_free(&sv);
  gesso_buffer_free(&diff);
}

static inline void reads_json(gesso_doc *doc, gesso_type type, gesso_type_kind as, const char *want)
{
  gesso_buffer b;
  assert_int_equal(gesso_type_to_json(doc, type, as, &b), GESSO_OK);
  char *got = strndup((const char *)b.data, b.len);
  assert_string_equal(got, want);
  free(got);
  gesso_buffer_free(&b);
}

static inline void reads_delta(gesso_doc *doc, gesso_type type, const char *want)
{
  gesso_buffer b;
  assert_int_equal(gesso_text_to_delta(doc, type, &b), GESSO_OK);
  char *got = strndup((const char *)b.data, b.len);
  assert_string_equal(got, want);
  free(got);
  gesso_buffer_free(&b);
}

static inline void type_in(gesso_doc *doc, gesso_type text, uint64_t at, const char *s)
{
  assert_int_equal(gesso_text_insert(doc, text, at, str(s), (gesso_bytes){ NULL, 0 }), GESSO_OK);
}

static inline void cut_out(gesso_doc *doc, gesso_type text, uint64_t at, uint64_t n)
{
  assert_int_equal(gesso_text_remove(doc, text, at, n), GESSO_OK);
}

#endif
