/* Work on encoded updates without a document. Bytes are v1 unless said; Yjs' own are in tests/interop. */
#include "crdt_test.h"
#include "support/support.h"

#include "gesso/update.h"

#include <stdbool.h>

#define NO_BYTES ((gesso_bytes){ NULL, 0 })

/* One struct of client 5: text `s` from clock `at` on, behind what stands before it. */
static gesso_bytes text_at(uint8_t out[64], uint8_t client, uint8_t at, const char *s)
{
  uint8_t *p = out;
  *p++ = 1;
  *p++ = 1;
  *p++ = client;
  *p++ = at;
  if (at == 0) {
    memcpy(p, "\x04\x01\x01t", 4);
    p += 4;
  } else {
    *p++ = 0x84;
    *p++ = client;
    *p++ = (uint8_t)(at - 1);
  }
  *p++ = (uint8_t)strlen(s);
  memcpy(p, s, strlen(s));
  p += strlen(s);
  *p++ = 0;
  return (gesso_bytes){ out, (size_t)(p - out) };
}

static gesso_buffer merged(bool v2, const gesso_bytes *updates, size_t n)
{
  gesso_buffer out;
  gesso_error why = { GESSO_OK, 0, "" };
  gesso_status st = (v2 ? gesso_update_merge_v2 : gesso_update_merge_v1)(updates, n, &out, NULL, &why);
  if (st != GESSO_OK)
    fail_msg("merge: %s at byte %zu", why.message, why.offset);
  return out;
}

static void merges_to(const gesso_bytes *updates, size_t n, gesso_bytes want)
{
  gesso_buffer got = merged(false, updates, n);
  assert_bytes_equal(view(got), want);
  gesso_buffer_free(&got);
}

static gesso_buffer as_v2(gesso_bytes v1)
{
  gesso_buffer out;
  assert_int_equal(gesso_update_v1_to_v2(v1, &out, NULL), GESSO_OK);
  return out;
}

static void says(gesso_bytes update, const char *want)
{
  gesso_buffer json;
  gesso_error why = { GESSO_OK, 0, "" };
  if (gesso_update_to_json_v1(update, &json, &why) != GESSO_OK)
    fail_msg("to_json: %s at byte %zu", why.message, why.offset);
  char *got = strndup((const char *)json.data, json.len);
  assert_string_equal(got, want);
  free(got);
  gesso_buffer_free(&json);
}

/* --- merge --- */

static void nothing_merges_to_the_empty_update(void **state)
{
  (void)state;
  merges_to(NULL, 0, BYTES(0, 0));
  gesso_buffer v2 = merged(true, NULL, 0);
  gesso_buffer want = as_v2(BYTES(0, 0));
  assert_bytes_equal(view(v2), view(want));
  gesso_buffer_free(&v2);
  gesso_buffer_free(&want);
}

static void one_update_comes_back_as_it_is(void **state)
{
  (void)state;
  /* Padded numbers too. */
  gesso_bytes one = BYTES(0x81, 0x00, 1, 5, 0, 0, 3, 0);
  merges_to(&one, 1, one);
}

static void structs_that_follow_each_other_stand_side_by_side(void **state)
{
  (void)state;
  uint8_t a[64], b[64];
  gesso_bytes updates[] = { text_at(b, 5, 3, "def"), text_at(a, 5, 0, "abc") };
  merges_to(updates, 2, BYTES(1, 2, 5, 0, 4, 1, 1, 't', 3, 'a', 'b', 'c', 0x84, 5, 2, 3, 'd', 'e', 'f', 0));
}

static void a_gap_becomes_a_skip(void **state)
{
  (void)state;
  uint8_t a[64], b[64];
  gesso_bytes updates[] = { text_at(a, 5, 0, "abc"), text_at(b, 5, 7, "h") };
  merges_to(updates, 2, BYTES(1, 3, 5, 0, 4, 1, 1, 't', 3, 'a', 'b', 'c', 10, 4, 0x84, 5, 6, 1, 'h', 0));
}

static void a_skip_is_filled_by_the_other_update(void **state)
{
  (void)state;
  uint8_t a[64], b[64], c[64];
  gesso_bytes apart[] = { text_at(a, 5, 0, "abc"), text_at(b, 5, 4, "e") };
  gesso_buffer gap = merged(false, apart, 2);
  gesso_bytes updates[] = { view(gap), text_at(c, 5, 3, "d") };
  merges_to(updates, 2, BYTES(1, 3, 5, 0, 4, 1, 1, 't', 3, 'a', 'b', 'c', 0x84, 5, 2, 1, 'd', 0x84, 5, 3, 1, 'e', 0));
  gesso_buffer_free(&gap);
}

static void what_overlaps_is_cut(void **state)
{
  (void)state;
  uint8_t a[64], b[64];
  gesso_bytes updates[] = { text_at(a, 5, 0, "abc"), text_at(b, 5, 1, "bcde") };
  merges_to(updates, 2, BYTES(1, 2, 5, 0, 4, 1, 1, 't', 3, 'a', 'b', 'c', 0x84, 5, 2, 2, 'd', 'e', 0));
}

static void a_cut_through_a_character_leaves_its_replacement(void **state)
{
  (void)state;
  uint8_t a[64], b[64];
  gesso_bytes updates[] = { text_at(a, 5, 0, "ab"), text_at(b, 5, 1, "\xf0\x9f\x98\x80z") };
  merges_to(updates, 2, BYTES(1, 2, 5, 0, 4, 1, 1, 't', 2, 'a', 'b', 0x84, 5, 1, 4, 0xef, 0xbf, 0xbd, 'z', 0));
}

static void gc_ranges_of_two_updates_become_one(void **state)
{
  (void)state;
  gesso_bytes updates[] = { BYTES(1, 1, 5, 0, 0, 3, 0), BYTES(1, 1, 5, 2, 0, 4, 0) };
  merges_to(updates, 2, BYTES(1, 1, 5, 0, 0, 6, 0));
}

static void higher_clients_go_first_and_delete_sets_are_joined(void **state)
{
  (void)state;
  gesso_bytes updates[] = { BYTES(1, 1, 5, 0, 0, 3, 2, 9, 1, 7, 1, 5, 2, 4, 1, 0, 2), BYTES(1, 1, 9, 0, 0, 2, 1, 5, 1, 2, 2) };
  merges_to(updates, 2, BYTES(2, 1, 9, 0, 0, 2, 1, 5, 0, 0, 3, 2, 9, 1, 7, 1, 5, 1, 0, 5));
}

/* Yjs loses structs here, as it takes clients to fall. */
static void clients_in_any_order_are_all_kept(void **state)
{
  (void)state;
  gesso_bytes rising = BYTES(3, 1, 1, 0, 0, 3, 1, 2, 0, 0, 3, 1, 2, 5, 0, 1, 0), falling = BYTES(2, 1, 2, 3, 0, 2, 1, 1, 3, 0, 1, 0);
  gesso_bytes updates[] = { rising, falling };
  gesso_bytes want = BYTES(2, 1, 2, 0, 0, 6, 1, 1, 0, 0, 4, 0);
  merges_to(updates, 2, want);
  gesso_buffer a = as_v2(rising), b = as_v2(falling), all = as_v2(want);
  gesso_bytes v2[] = { view(a), view(b) };
  gesso_buffer got = merged(true, v2, 2);
  assert_bytes_equal(view(got), view(all));
  gesso_buffer_free(&a);
  gesso_buffer_free(&b);
  gesso_buffer_free(&all);
  gesso_buffer_free(&got);
}

static void blocks_without_structs_are_left_out(void **state)
{
  (void)state;
  /* The last block is an empty one of a client that was there before. */
  gesso_bytes updates[] = { BYTES(3, 1, 1, 0, 0, 3, 1, 2, 0, 0, 3, 0, 2, 1, 0), BYTES(1, 1, 2, 3, 0, 2, 0) };
  merges_to(updates, 2, BYTES(2, 1, 2, 0, 0, 5, 1, 1, 0, 0, 3, 0));
}

static void many_updates_in_any_order_merge_to_the_same(void **state)
{
  (void)state;
  enum { N = 200 };
  static uint8_t bytes[N][64];
  gesso_bytes updates[N], v2[N];
  gesso_buffer owned[N];
  char digit[2] = { 0 };
  for (int i = 0; i < N; i++) {
    int k = (i * 77) % N; /* clocks 0 .. 49 of four clients */
    digit[0] = (char)('0' + k % 10);
    updates[i] = text_at(bytes[i], (uint8_t)(1 + k % 4), (uint8_t)(k / 4), digit);
    owned[i] = as_v2(updates[i]);
    v2[i] = view(owned[i]);
  }
  gesso_buffer one = merged(false, updates, N), two = merged(true, v2, N), same;
  gesso_doc *doc = doc_of(99), *other = doc_of(98);
  for (int i = 0; i < N; i++)
    apply(doc, updates[i]);
  apply(other, view(one));
  same_state(doc, other);
  assert_int_equal(gesso_update_v2_to_v1(view(two), &same, NULL), GESSO_OK);
  assert_bytes_equal(view(same), view(one));
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
  gesso_buffer_free(&one);
  gesso_buffer_free(&two);
  gesso_buffer_free(&same);
  for (int i = 0; i < N; i++)
    gesso_buffer_free(&owned[i]);
}

static void a_bad_update_is_named(void **state)
{
  (void)state;
  uint8_t a[64], b[64];
  gesso_bytes updates[] = { text_at(a, 5, 0, "abc"), BYTES(1, 1, 5, 3, 0x1f, 0), text_at(b, 5, 1, "b") };
  gesso_buffer out;
  gesso_error why;
  size_t failed = 77;
  assert_int_equal(gesso_update_merge_v1(updates, 3, &out, &failed, &why), GESSO_E_CORRUPT);
  assert_int_equal(failed, 1);
  assert_int_equal(why.offset, 4);
  assert_null(out.data);
  updates[1] = BYTES(1, 1, 5, 3, 0, 1, 0, 0);
  assert_int_equal(gesso_update_merge_v1(updates, 3, &out, &failed, &why), GESSO_E_CORRUPT);
  assert_int_equal(failed, 1);
  assert_int_equal(why.offset, 7);
}

/* --- diff --- */

static void diffs_to(gesso_bytes update, gesso_bytes state_vector, gesso_bytes want)
{
  gesso_buffer got;
  assert_int_equal(gesso_update_diff_v1(update, state_vector, &got, NULL), GESSO_OK);
  assert_bytes_equal(view(got), want);
  gesso_buffer_free(&got);
}

static void a_diff_begins_in_the_middle_of_a_struct(void **state)
{
  (void)state;
  uint8_t a[64];
  gesso_bytes update = text_at(a, 5, 0, "abc");
  diffs_to(update, BYTES(2, 9, 1, 5, 1), BYTES(1, 1, 5, 1, 0x84, 5, 0, 2, 'b', 'c', 0));
  diffs_to(update, BYTES(1, 5, 3), BYTES(0, 0));
  diffs_to(update, NO_BYTES, update);
  diffs_to(update, BYTES(1, 7, 9), update);
}

static void a_diff_does_not_begin_with_a_skip(void **state)
{
  (void)state;
  gesso_bytes update = BYTES(1, 4, 5, 0, 0, 3, 10, 4, 0, 2, 10, 1, 1, 5, 1, 0, 1);
  diffs_to(BYTES(1, 3, 5, 0, 0, 3, 10, 4, 0, 2, 1, 5, 1, 0, 1), BYTES(1, 5, 4), BYTES(1, 1, 5, 7, 0, 2, 1, 5, 1, 0, 1));
  diffs_to(update, BYTES(1, 5, 2), BYTES(1, 4, 5, 2, 0, 1, 10, 4, 0, 2, 10, 1, 1, 5, 1, 0, 1));
}

static void half_a_character_survives_in_a_v2_diff(void **state)
{
  (void)state;
  uint8_t a[64];
  gesso_buffer v2 = as_v2(text_at(a, 5, 0, "\xf0\x9f\x98\x80")), diff, v1;
  assert_int_equal(gesso_update_diff_v2(view(v2), BYTES(1, 5, 1), &diff, NULL), GESSO_OK);
  assert_int_equal(gesso_update_v2_to_v1(view(diff), &v1, NULL), GESSO_OK);
  assert_bytes_equal(view(v1), BYTES(1, 1, 5, 1, 0x84, 5, 0, 3, 0xef, 0xbf, 0xbd, 0));
  gesso_buffer_free(&v2);
  gesso_buffer_free(&diff);
  gesso_buffer_free(&v1);
}

static void a_malformed_state_vector_is_told_apart(void **state)
{
  (void)state;
  gesso_buffer out;
  gesso_error why;
  assert_int_equal(gesso_update_diff_v1(BYTES(0, 0), BYTES(2, 1), &out, &why), GESSO_E_RANGE);
  assert_string_equal(why.message, "the state vector is malformed");
  assert_null(out.data);
}

/* --- state vector, delete set, spans --- */

static void a_state_vector_ends_at_the_first_gap(void **state)
{
  (void)state;
  gesso_buffer out;
  /* 9: 0..3, gap; 5: from 2 on; 3: 0..2 */
  gesso_bytes update = BYTES(3, 3, 9, 0, 0, 3, 10, 4, 0, 2, 1, 5, 2, 0, 1, 1, 3, 0, 0, 2, 0);
  assert_int_equal(gesso_update_state_vector_v1(update, &out, NULL), GESSO_OK);
  assert_bytes_equal(view(out), BYTES(2, 9, 3, 3, 2));
  gesso_buffer_free(&out);
  gesso_buffer v2 = as_v2(update);
  assert_int_equal(gesso_update_state_vector_v2(view(v2), &out, NULL), GESSO_OK);
  assert_bytes_equal(view(out), BYTES(2, 9, 3, 3, 2));
  gesso_buffer_free(&out);
  gesso_buffer_free(&v2);
}

static void spans_tell_first_and_last_clocks(void **state)
{
  (void)state;
  gesso_bytes update = BYTES(2, 3, 9, 1, 0, 3, 10, 4, 0, 2, 1, 5, 2, 0, 1, 0);
  gesso_update_span spans[2];
  size_t n;
  assert_int_equal(gesso_update_meta_v1(update, spans, 2, &n, NULL), GESSO_OK);
  assert_int_equal(n, 2);
  assert_true(spans[0].client == 9 && spans[0].from == 1 && spans[0].to == 10);
  assert_true(spans[1].client == 5 && spans[1].from == 2 && spans[1].to == 3);
  spans[1].client = 77;
  assert_int_equal(gesso_update_meta_v1(update, spans, 1, &n, NULL), GESSO_OK);
  assert_int_equal(n, 2);
  assert_int_equal(spans[1].client, 77);
  assert_int_equal(gesso_update_meta_v1(update, NULL, 0, &n, NULL), GESSO_OK);
  assert_int_equal(n, 2);
}

static void a_delete_set_is_sorted_and_joined(void **state)
{
  (void)state;
  gesso_bytes update = BYTES(0, 3, 5, 2, 8, 2, 0, 3, 9, 1, 1, 1, 5, 2, 3, 2, 4, 0);
  gesso_buffer out;
  assert_int_equal(gesso_update_delete_set_v1(update, &out, NULL), GESSO_OK);
  assert_bytes_equal(view(out), BYTES(2, 9, 1, 1, 1, 5, 2, 0, 5, 8, 2));
  gesso_buffer_free(&out);
  /* v2 cannot hold ranges out of order: there they are put in order. */
  gesso_buffer v2 = as_v2(update), v1;
  assert_int_equal(gesso_update_delete_set_v2(view(v2), &out, NULL), GESSO_OK);
  assert_bytes_equal(view(out), BYTES(2, 9, 1, 1, 0, 5, 2, 0, 4, 3, 1));
  assert_int_equal(gesso_update_v2_to_v1(view(v2), &v1, NULL), GESSO_OK);
  assert_bytes_equal(view(v1), BYTES(0, 2, 9, 1, 1, 1, 5, 2, 0, 5, 8, 2));
  gesso_buffer_free(&out);
  gesso_buffer_free(&v2);
  gesso_buffer_free(&v1);
}

/* --- JSON, obfuscation --- */

/* Every kind of struct once. */
static gesso_bytes all_kinds(void)
{
  static const uint8_t bytes[] = {
    1, 15, 5, 0,
    0x00, 2,                                               /* gc */
    0x01, 1, 1, 't', 3,                                    /* deleted */
    0x82, 5, 4, 2, 2, '1', '2', 9, 'u', 'n', 'd', 'e', 'f', 'i', 'n', 'e', 'd', /* json */
    0xc3, 5, 6, 9, 1, 2, 7, 8,                             /* binary */
    0x24, 0, 5, 2, 1, 'k', 3, 'a', '"', 'b',               /* string in a map */
    0x85, 5, 10, 8, '{', '"', 'e', '"', ':', '1', ' ', '}', /* embed */
    0x86, 5, 11, 1, 'b', 4, 't', 'r', 'u', 'e',            /* format */
    0x86, 5, 12, 1, 'b', 4, 'n', 'u', 'l', 'l',            /* format, its end */
    0x86, 5, 13, 1, 'c', 7, '{', '"', 'a', '"', ':', '1', '}',
    0x07, 1, 1, 'x', 3, 1, 'p',                            /* type */
    0x87, 5, 15, 5, 1, 'p',                                /* a hook of the same name */
    0x87, 5, 16, 6,
    0x88, 5, 17, 3, 125, 1, 127, 117, 1, 119, 1, 's',      /* any */
    0x29, 1, 1, 'm', 1, 'k', 1, 'g', 118, 0,               /* doc */
    0x0a, 9,                                               /* skip */
    1, 5, 1, 0, 2
  };
  return (gesso_bytes){ bytes, sizeof bytes };
}

static void json_tells_everything(void **state)
{
  (void)state;
  says(all_kinds(),
       "{\"structs\":[{\"id\":[5,0],\"length\":2,\"kind\":\"gc\"},"
       "{\"id\":[5,2],\"length\":3,\"kind\":\"deleted\",\"parent\":\"t\"},"
       "{\"id\":[5,5],\"length\":2,\"kind\":\"json\",\"origin\":[5,4],\"values\":[12,null]},"
       "{\"id\":[5,7],\"length\":1,\"kind\":\"binary\",\"origin\":[5,6],\"rightOrigin\":[9,1],\"value\":{\"$bytes\":\"Bwg=\"}},"
       "{\"id\":[5,8],\"length\":3,\"kind\":\"string\",\"parent\":[5,2],\"parentSub\":\"k\",\"value\":\"a\\\"b\"},"
       "{\"id\":[5,11],\"length\":1,\"kind\":\"embed\",\"origin\":[5,10],\"value\":{\"e\":1}},"
       "{\"id\":[5,12],\"length\":1,\"kind\":\"format\",\"origin\":[5,11],\"key\":\"b\",\"value\":true},"
       "{\"id\":[5,13],\"length\":1,\"kind\":\"format\",\"origin\":[5,12],\"key\":\"b\",\"value\":null},"
       "{\"id\":[5,14],\"length\":1,\"kind\":\"format\",\"origin\":[5,13],\"key\":\"c\",\"value\":{\"a\":1}},"
       "{\"id\":[5,15],\"length\":1,\"kind\":\"type\",\"parent\":\"x\",\"type\":\"xmlElement\",\"name\":\"p\"},"
       "{\"id\":[5,16],\"length\":1,\"kind\":\"type\",\"origin\":[5,15],\"type\":\"xmlHook\",\"name\":\"p\"},"
       "{\"id\":[5,17],\"length\":1,\"kind\":\"type\",\"origin\":[5,16],\"type\":\"xmlText\"},"
       "{\"id\":[5,18],\"length\":3,\"kind\":\"any\",\"origin\":[5,17],\"values\":[1,null,[\"s\"]]},"
       "{\"id\":[5,21],\"length\":1,\"kind\":\"doc\",\"parent\":\"m\",\"parentSub\":\"k\",\"guid\":\"g\",\"options\":{}},"
       "{\"id\":[5,22],\"length\":9,\"kind\":\"skip\"}],\"deletes\":{\"5\":[[0,2]]}}");
  gesso_buffer v2 = as_v2(all_kinds()), one, two;
  assert_int_equal(gesso_update_to_json_v1(all_kinds(), &one, NULL), GESSO_OK);
  assert_int_equal(gesso_update_to_json_v2(view(v2), &two, NULL), GESSO_OK);
  assert_bytes_equal(view(two), view(one));
  gesso_buffer_free(&v2);
  gesso_buffer_free(&one);
  gesso_buffer_free(&two);
}

static void obfuscated(uint32_t keep, const char *want)
{
  gesso_buffer out, v2 = as_v2(all_kinds()), out2, back;
  assert_int_equal(gesso_update_obfuscate_v1(all_kinds(), keep, &out, NULL), GESSO_OK);
  says(view(out), want);
  assert_int_equal(gesso_update_obfuscate_v2(view(v2), keep, &out2, NULL), GESSO_OK);
  assert_int_equal(gesso_update_v2_to_v1(view(out2), &back, NULL), GESSO_OK);
  says(view(back), want);
  gesso_buffer_free(&out);
  gesso_buffer_free(&v2);
  gesso_buffer_free(&out2);
  gesso_buffer_free(&back);
}

#define HIDDEN_HEAD                                                                                                   \
  "{\"structs\":[{\"id\":[5,0],\"length\":2,\"kind\":\"gc\"},"                                                        \
  "{\"id\":[5,2],\"length\":3,\"kind\":\"deleted\",\"parent\":\"t\"},"                                                \
  "{\"id\":[5,5],\"length\":2,\"kind\":\"json\",\"origin\":[5,4],\"values\":[1,1]},"                                  \
  "{\"id\":[5,7],\"length\":1,\"kind\":\"binary\",\"origin\":[5,6],\"rightOrigin\":[9,1],\"value\":{\"$bytes\":\"Ag==\"}}," \
  "{\"id\":[5,8],\"length\":3,\"kind\":\"string\",\"parent\":[5,2],\"parentSub\":\"3\",\"value\":\"333\"},"           \
  "{\"id\":[5,11],\"length\":1,\"kind\":\"embed\",\"origin\":[5,10],\"value\":{}},"
#define HIDDEN_TAIL                                                                                        \
  "{\"id\":[5,17],\"length\":1,\"kind\":\"type\",\"origin\":[5,16],\"type\":\"xmlText\"},"                  \
  "{\"id\":[5,18],\"length\":3,\"kind\":\"any\",\"origin\":[5,17],\"values\":[11,11,11]},"

static void contents_and_keys_are_replaced_by_numbers(void **state)
{
  (void)state;
  obfuscated(0, HIDDEN_HEAD
             "{\"id\":[5,12],\"length\":1,\"kind\":\"format\",\"origin\":[5,11],\"key\":\"5\",\"value\":{\"i\":5}},"
             "{\"id\":[5,13],\"length\":1,\"kind\":\"format\",\"origin\":[5,12],\"key\":\"5\",\"value\":null},"
             "{\"id\":[5,14],\"length\":1,\"kind\":\"format\",\"origin\":[5,13],\"key\":\"7\",\"value\":{\"i\":7}},"
             "{\"id\":[5,15],\"length\":1,\"kind\":\"type\",\"parent\":\"x\",\"type\":\"xmlElement\",\"name\":\"node-8\"},"
             "{\"id\":[5,16],\"length\":1,\"kind\":\"type\",\"origin\":[5,15],\"type\":\"xmlHook\",\"name\":\"node-8\"}," HIDDEN_TAIL
             "{\"id\":[5,21],\"length\":1,\"kind\":\"doc\",\"parent\":\"m\",\"parentSub\":\"3\",\"guid\":\"12\",\"options\":{}},"
             "{\"id\":[5,22],\"length\":9,\"kind\":\"skip\"}],\"deletes\":{\"5\":[[0,2]]}}");
}

static void parts_can_be_kept(void **state)
{
  (void)state;
  obfuscated(GESSO_KEEP_FORMATTING | GESSO_KEEP_SUBDOCS | GESSO_KEEP_XML_NAMES, HIDDEN_HEAD
             "{\"id\":[5,12],\"length\":1,\"kind\":\"format\",\"origin\":[5,11],\"key\":\"b\",\"value\":true},"
             "{\"id\":[5,13],\"length\":1,\"kind\":\"format\",\"origin\":[5,12],\"key\":\"b\",\"value\":null},"
             "{\"id\":[5,14],\"length\":1,\"kind\":\"format\",\"origin\":[5,13],\"key\":\"c\",\"value\":{\"a\":1}},"
             "{\"id\":[5,15],\"length\":1,\"kind\":\"type\",\"parent\":\"x\",\"type\":\"xmlElement\",\"name\":\"p\"},"
             "{\"id\":[5,16],\"length\":1,\"kind\":\"type\",\"origin\":[5,15],\"type\":\"xmlHook\",\"name\":\"p\"}," HIDDEN_TAIL
             "{\"id\":[5,21],\"length\":1,\"kind\":\"doc\",\"parent\":\"m\",\"parentSub\":\"3\",\"guid\":\"g\",\"options\":{}},"
             "{\"id\":[5,22],\"length\":9,\"kind\":\"skip\"}],\"deletes\":{\"5\":[[0,2]]}}");
}

/* --- bytes of strangers --- */

static gesso_status any_call(int which, bool v2, gesso_bytes in, gesso_buffer *out, gesso_error *why)
{
  size_t n;
  switch (which) {
  case 0:
    return (v2 ? gesso_update_merge_v2 : gesso_update_merge_v1)((gesso_bytes[]){ in, in }, 2, out, NULL, why);
  case 1:
    return (v2 ? gesso_update_diff_v2 : gesso_update_diff_v1)(in, NO_BYTES, out, why);
  case 2:
    return (v2 ? gesso_update_state_vector_v2 : gesso_update_state_vector_v1)(in, out, why);
  case 3:
    return (v2 ? gesso_update_delete_set_v2 : gesso_update_delete_set_v1)(in, out, why);
  case 4:
    return (v2 ? gesso_update_obfuscate_v2 : gesso_update_obfuscate_v1)(in, 0, out, why);
  case 5:
    return (v2 ? gesso_update_to_json_v2 : gesso_update_to_json_v1)(in, out, why);
  case 6:
    return (v2 ? gesso_update_v2_to_v1 : gesso_update_v1_to_v2)(in, out, why);
  default:
    return (v2 ? gesso_update_meta_v2 : gesso_update_meta_v1)(in, NULL, 0, &n, why);
  }
}

static void every_truncation_is_refused_with_its_offset(void **state)
{
  (void)state;
  gesso_buffer v2 = as_v2(all_kinds());
  for (int encoding = 0; encoding < 2; encoding++) {
    gesso_bytes whole = encoding == 0 ? all_kinds() : view(v2);
    for (size_t len = 0; len <= whole.len; len++) {
      /* A copy of just that size, so that a sanitizer sees what is read past it. */
      uint8_t *copy = malloc(len > 0 ? len : 1);
      assert_non_null(copy);
      memcpy(copy, whole.data, len);
      for (int which = 0; which < 8; which++) {
        gesso_buffer out = { 0 };
        gesso_error why = { GESSO_OK, 0, NULL };
        gesso_status st = any_call(which, encoding == 1, (gesso_bytes){ copy, len }, &out, &why);
        if (len == whole.len) {
          assert_int_equal(st, GESSO_OK);
        } else {
          assert_int_not_equal(st, GESSO_OK);
          assert_int_equal(why.status, st);
          assert_true(why.offset <= len);
          assert_non_null(why.message);
          assert_null(out.data);
        }
        gesso_buffer_free(&out);
      }
      free(copy);
    }
  }
  gesso_buffer_free(&v2);
}

static void refused(int which, bool v2, gesso_bytes in, gesso_status want)
{
  gesso_buffer out = { 0 };
  gesso_error why = { GESSO_OK, 0, NULL };
  assert_int_equal(any_call(which, v2, in, &out, &why), want);
  assert_int_equal(why.status, want);
  assert_null(out.data);
}

static void numbers_past_2_53_are_refused(void **state)
{
  (void)state;
#define MAX_SAFE 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f
  for (int which = 0; which < 8; which++) {
    refused(which, false, BYTES(1, 1, 5, MAX_SAFE, 0, 1, 0), GESSO_E_RANGE);
    refused(which, false, BYTES(0, 1, 5, 1, MAX_SAFE, 1), GESSO_E_RANGE);
    refused(which, false, BYTES(1, 1, 5, 0, 0, 0, 0), GESSO_E_CORRUPT); /* length 0 */
    refused(which, false, BYTES(0, 0, 0), GESSO_E_CORRUPT);             /* a byte too many */
  }
  merges_to((gesso_bytes[]){ BYTES(1, 1, 5, MAX_SAFE, 0, 1, 0) }, 0, BYTES(0, 0));
}

/* v2: 4,000,001 gc ranges of length 1, in 20 bytes; the same spread over two updates of one merge. */
static void a_v2_update_of_too_many_structs_is_refused(void **state)
{
  (void)state;
#define GC_RUN(n0, n1, n2, n3) \
  BYTES(0, 0, 1, 5, 0, 0, 1, 0, 2, 0, 0, 0, 0, 6, 0x41, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, n0, n1, n2, n3, 0, 0)
  for (int which = 0; which < 8; which++)
    refused(which, true, GC_RUN(0x81, 0x92, 0xf4, 0x01), GESSO_E_LIMIT);
  gesso_bytes half = GC_RUN(0x81, 0x89, 0xfa, 0x00), both[] = { half, half, half };
  gesso_buffer out;
  assert_int_equal(gesso_update_merge_v2(both, 3, &out, NULL, NULL), GESSO_E_LIMIT);
  assert_int_equal(gesso_update_merge_v2(both, 1, &out, NULL, NULL), GESSO_OK);
  gesso_buffer_free(&out);
}

/* One name of 20,000 bytes, named by 4,000 elements: as v1, and as Yjs writes v2, that is 80 MB. */
static void a_name_that_is_named_again_and_again_is_limited(void **state)
{
  (void)state;
  static uint8_t in[21000];
  uint8_t *p = in;
#define PUT(...) (memcpy(p, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })), \
                  p += sizeof((const uint8_t[]){ __VA_ARGS__ }))
  PUT(0, 3, 1, 0x9e, 0x1f);             /* key clocks: 0, 4,000 times */
  PUT(4, 0x45, 0xff, 0xff, 0x03);       /* clients: 5 */
  PUT(3, 1, 0x9e, 0x1f);                /* left clocks */
  PUT(0, 1, 0x87);                      /* right clocks, infos */
  PUT(0xa6, 0x9c, 0x01);                /* strings: 20,006 bytes */
  PUT(0xa0, 0x9c, 0x01);
  memset(p, 'n', 20000);
  p += 20000;
  PUT(0xa0, 0xb8, 0x02);
  PUT(0, 3, 0x43, 0xff, 0x1f, 0);       /* parents, types: XML elements, lengths */
  PUT(1, 0xa0, 0x1f, 1, 0);             /* 4,000 structs from clock 1 on */
  refused(6, true, (gesso_bytes){ in, (size_t)(p - in) }, GESSO_E_LIMIT);
  refused(0, true, (gesso_bytes){ in, (size_t)(p - in) }, GESSO_E_LIMIT);
  refused(1, true, (gesso_bytes){ in, (size_t)(p - in) }, GESSO_E_LIMIT);
  refused(5, true, (gesso_bytes){ in, (size_t)(p - in) }, GESSO_E_LIMIT);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(nothing_merges_to_the_empty_update),
    cmocka_unit_test(one_update_comes_back_as_it_is),
    cmocka_unit_test(structs_that_follow_each_other_stand_side_by_side),
    cmocka_unit_test(a_gap_becomes_a_skip),
    cmocka_unit_test(a_skip_is_filled_by_the_other_update),
    cmocka_unit_test(what_overlaps_is_cut),
    cmocka_unit_test(a_cut_through_a_character_leaves_its_replacement),
    cmocka_unit_test(gc_ranges_of_two_updates_become_one),
    cmocka_unit_test(higher_clients_go_first_and_delete_sets_are_joined),
    cmocka_unit_test(clients_in_any_order_are_all_kept),
    cmocka_unit_test(blocks_without_structs_are_left_out),
    cmocka_unit_test(many_updates_in_any_order_merge_to_the_same),
    cmocka_unit_test(a_bad_update_is_named),
    cmocka_unit_test(a_diff_begins_in_the_middle_of_a_struct),
    cmocka_unit_test(a_diff_does_not_begin_with_a_skip),
    cmocka_unit_test(half_a_character_survives_in_a_v2_diff),
    cmocka_unit_test(a_malformed_state_vector_is_told_apart),
    cmocka_unit_test(a_state_vector_ends_at_the_first_gap),
    cmocka_unit_test(spans_tell_first_and_last_clocks),
    cmocka_unit_test(a_delete_set_is_sorted_and_joined),
    cmocka_unit_test(json_tells_everything),
    cmocka_unit_test(contents_and_keys_are_replaced_by_numbers),
    cmocka_unit_test(parts_can_be_kept),
    cmocka_unit_test(every_truncation_is_refused_with_its_offset),
    cmocka_unit_test(numbers_past_2_53_are_refused),
    cmocka_unit_test(a_v2_update_of_too_many_structs_is_refused),
    cmocka_unit_test(a_name_that_is_named_again_and_again_is_limited),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
