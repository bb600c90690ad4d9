/* The v2 encoding of documents: it must say what v1 says, in every state that a document can be in. */
#include "crdt_test.h"
#include "support/support.h"

#include "gesso/update.h"
#include "wire/writer.h"

#define NO_BYTES ((gesso_bytes){ NULL, 0 })

/* One item of every kind, of client 5, behind ids of client 9 (clock 0 and up): none of it can be applied before
 * client 9 is known. */
static gesso_bytes every_kind(void)
{
  static const uint8_t bytes[] = {
    1, 13, 5, 0,
    0x84, 9, 0, 5, 'a', 0xf0, 0x9f, 0x98, 0x80,            /* string */
    0x81, 5, 2, 3,                                         /* deleted */
    0x82, 5, 5, 2, 2, '1', '2', 9, 'u', 'n', 'd', 'e', 'f', 'i', 'n', 'e', 'd', /* json */
    0xc3, 5, 7, 9, 1, 2, 7, 8,                             /* binary */
    0x85, 5, 8, 7, '{', '"', 'e', '"', ':', '1', '}',      /* embed */
    0x86, 5, 9, 1, 'b', 4, 't', 'r', 'u', 'e',             /* format */
    0x07, 0, 9, 3, 3, 1, 'p',                              /* type, in an array of client 9 */
    0x87, 5, 11, 5, 1, 'h',
    0x87, 5, 12, 6,
    0x88, 5, 13, 3, 125, 1, 127, 117, 1, 119, 1, 's',      /* any */
    0x27, 0, 9, 4, 1, 'k', 1,                              /* a map in a map of client 9 */
    0xa9, 5, 17, 1, 'g', 118, 0,                           /* doc, with the map-key bit */
    0x00, 4,                                               /* gc */
    1, 5, 1, 0, 1
  };
  return (gesso_bytes){ bytes, sizeof bytes };
}

/* Client 9: three characters, an array, a map. */
static gesso_bytes what_it_waits_for(void)
{
  static const uint8_t bytes[] = { 1, 3, 9, 0, 0x04, 1, 1, 't', 3, 'x', 'y', 'z', 0x07, 1, 1, 'a', 0, 0x07, 1, 1, 'm', 1, 0 };
  return (gesso_bytes){ bytes, sizeof bytes };
}

static gesso_buffer v2_of(gesso_bytes v1)
{
  gesso_buffer out;
  assert_int_equal(gesso_update_v1_to_v2(v1, &out, NULL), GESSO_OK);
  return out;
}

static void apply_v2(gesso_doc *doc, gesso_bytes v1)
{
  gesso_buffer v2 = v2_of(v1);
  gesso_error why = { GESSO_OK, 0, "" };
  if (gesso_doc_apply_v2(doc, view(v2), &why) != GESSO_OK)
    fail_msg("apply v2: %s at byte %zu", why.message, why.offset);
  gesso_buffer_free(&v2);
  check(doc);
}

/* Both encodings of `b` are those of `a`, and its v2 state makes the same document. */
static void same_document(gesso_doc *a, gesso_doc *b)
{
  same_state(a, b);
  gesso_buffer x, y;
  assert_int_equal(gesso_doc_encode_v2(a, NO_BYTES, &x, NULL), GESSO_OK);
  assert_int_equal(gesso_doc_encode_v2(b, NO_BYTES, &y, NULL), GESSO_OK);
  assert_bytes_equal(view(x), view(y));
  gesso_doc *loaded = doc_of(77);
  assert_int_equal(gesso_doc_apply_v2(loaded, view(x), NULL), GESSO_OK);
  check(loaded);
  same_state(a, loaded);
  gesso_doc_destroy(loaded);
  gesso_buffer_free(&x);
  gesso_buffer_free(&y);
}

static void what_waits_is_kept_and_comes_in_later(void **state)
{
  (void)state;
  gesso_doc *one = doc_of(1), *two = doc_of(1);
  apply(one, every_kind());
  apply_v2(two, every_kind());
  gesso_doc_stats stats;
  gesso_doc_get_stats(two, &stats);
  assert_int_equal(stats.pending_structs, 13);
  same_document(one, two);
  apply(one, what_it_waits_for());
  apply_v2(two, what_it_waits_for());
  gesso_doc_get_stats(two, &stats);
  assert_int_equal(stats.pending_structs, 0);
  same_document(one, two);
  gesso_doc_destroy(one);
  gesso_doc_destroy(two);
}

static void a_diff_begins_in_the_middle(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  apply(doc, what_it_waits_for());
  apply(doc, every_kind());
  for (uint8_t clock = 0; clock < 24; clock++) {
    gesso_bytes sv = BYTES(2, 9, 1, 5, clock);
    gesso_buffer one, two, back;
    assert_int_equal(gesso_doc_encode_v1(doc, sv, &one, NULL), GESSO_OK);
    assert_int_equal(gesso_doc_encode_v2(doc, sv, &two, NULL), GESSO_OK);
    /* v2 has the map-key bit where v1 has it; what converts it leaves it out of both. */
    gesso_buffer again = v2_of(view(one));
    assert_int_equal(gesso_update_v2_to_v1(view(two), &back, NULL), GESSO_OK);
    gesso_buffer plain = v2_of(view(back));
    assert_bytes_equal(view(plain), view(again));
    gesso_buffer_free(&one);
    gesso_buffer_free(&two);
    gesso_buffer_free(&back);
    gesso_buffer_free(&again);
    gesso_buffer_free(&plain);
  }
  gesso_doc_destroy(doc);
}

static void half_a_character_arrives_as_its_replacement(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_buffer v2 = v2_of(BYTES(1, 1, 5, 0, 4, 1, 1, 't', 5, 0xf0, 0x9f, 0x98, 0x80, 'z', 0)), half;
  assert_int_equal(gesso_update_diff_v2(view(v2), BYTES(1, 5, 1), &half, NULL), GESSO_OK);
  apply(doc, BYTES(1, 1, 5, 0, 4, 1, 1, 't', 1, 'a', 0));
  assert_int_equal(gesso_doc_apply_v2(doc, view(half), NULL), GESSO_OK);
  check(doc);
  reads_json(doc, gesso_doc_root(doc, str("t"), GESSO_TEXT), GESSO_TEXT, "\"a\xef\xbf\xbdz\"");
  gesso_buffer_free(&v2);
  gesso_buffer_free(&half);
  gesso_doc_destroy(doc);
}

static void every_truncation_leaves_the_document_alone(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  apply(doc, what_it_waits_for());
  gesso_buffer before = state_of(doc), v2 = v2_of(every_kind());
  for (size_t len = 0; len < v2.len; len++) {
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, v2.data, len);
    gesso_error why = { GESSO_OK, 0, NULL };
    gesso_status st = gesso_doc_apply_v2(doc, (gesso_bytes){ copy, len }, &why);
    assert_int_not_equal(st, GESSO_OK);
    assert_int_equal(why.status, st);
    assert_true(why.offset <= len);
    free(copy);
    gesso_buffer after = state_of(doc);
    assert_bytes_equal(view(after), view(before));
    gesso_buffer_free(&after);
  }
  check(doc);
  gesso_buffer_free(&before);
  gesso_buffer_free(&v2);
  gesso_doc_destroy(doc);
}

static void short_memory_leaves_the_document_alone(void **state)
{
  (void)state;
  gesso_buffer v2 = v2_of(every_kind()), first = v2_of(what_it_waits_for());
  for (unsigned long n = 1;; n++) {
    struct faulty f = { 0 };
    gesso_allocator al = { faulty_resize, &f };
    gesso_doc_options o = { .size = sizeof o, .client_id = 1, .alloc = &al };
    gesso_doc *doc = gesso_doc_create(&o);
    assert_non_null(doc);
    f.fail_at = f.calls + n;
    int failed = 0;
    gesso_buffer out = { 0 };
    /* What waits, what it waits for, and the state of it all. */
    for (int step = 0; step < 3; step++) {
      gesso_bytes bytes = step == 0 ? view(v2) : view(first);
      f.failed = 0;
      gesso_status st = step < 2 ? gesso_doc_apply_v2(doc, bytes, NULL) : gesso_doc_encode_v2(doc, NO_BYTES, &out, NULL);
      failed |= f.failed;
      if (st == GESSO_OK)
        continue;
      assert_int_equal(st, GESSO_E_NOMEM);
      assert_true(f.failed);
      check(doc);
      /* Again, with memory. */
      st = step < 2 ? gesso_doc_apply_v2(doc, bytes, NULL) : gesso_doc_encode_v2(doc, NO_BYTES, &out, NULL);
      assert_int_equal(st, GESSO_OK);
    }
    gesso_doc *want = doc_of(2);
    apply(want, what_it_waits_for());
    apply(want, every_kind());
    gesso_buffer expected;
    assert_int_equal(gesso_doc_encode_v2(want, NO_BYTES, &expected, NULL), GESSO_OK);
    assert_bytes_equal(view(out), view(expected));
    gesso_buffer_free(&expected);
    gesso_buffer_free(&out);
    gesso_doc_destroy(want);
    gesso_doc_destroy(doc);
    assert_int_equal(f.live, 0);
    if (!failed)
      break;
  }
  gesso_buffer_free(&v2);
  gesso_buffer_free(&first);
}

/* One item between two characters and n - 1 keys of a map in a map: as many structs as a chunk takes, each of which
 * names an id. */
static void a_full_chunk_of_ids_is_written_as_it_is(void **state)
{
  (void)state;
  static const uint8_t before[] = { 2, 2, 9, 0, 0x04, 1, 1, 't', 3, 'x', 'y', 'z', 0x27, 1, 1, 'm', 1, 'n', 1 };
  static const uint8_t between[] = { 5, 0, 0xc4, 9, 0, 9, 1, 1, 'q' };
  static const uint32_t sizes[] = { 8, 255, 256, 257, 512 };
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    gs_buf b = gs_buf_make(NULL);
    gs_buf_write(&b, before, sizeof before);
    gs_write_varuint(&b, sizes[i]);
    gs_buf_write(&b, between, sizeof between);
    for (uint32_t k = 1; k < sizes[i]; k++) {
      const uint8_t in_map[] = { 0x28, 0, 9, 3, 2, (uint8_t)('A' + k / 64), (uint8_t)('0' + k % 64), 1, 125, 1 };
      gs_buf_write(&b, in_map, sizeof in_map);
    }
    gs_buf_put(&b, 0);
    assert_int_equal(b.err, GESSO_OK);
    gesso_doc *a = doc_of(1), *other = doc_of(2);
    apply(a, gs_buf_bytes(&b));
    apply(other, gs_buf_bytes(&b));
    same_document(a, other);
    gesso_doc_destroy(a);
    gesso_doc_destroy(other);
    gs_buf_finish(&b);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_waits_is_kept_and_comes_in_later),
    cmocka_unit_test(a_diff_begins_in_the_middle),
    cmocka_unit_test(a_full_chunk_of_ids_is_written_as_it_is),
    cmocka_unit_test(half_a_character_arrives_as_its_replacement),
    cmocka_unit_test(every_truncation_leaves_the_document_alone),
    cmocka_unit_test(short_memory_leaves_the_document_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
