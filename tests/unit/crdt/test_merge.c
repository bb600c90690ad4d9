/* Documents that exchange updates end equal, whatever the order. */
#include "crdt_test.h"

#include "wire/writer.h"

#define NO_ATTRS ((gesso_bytes){ NULL, 0 })

static gesso_value number(double n)
{
  return (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = n };
}

static void typing_merges_into_one_struct(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(7);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  for (int i = 0; i < 100; i++)
    type_in(doc, t, (uint64_t)i, "x");
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  assert_int_equal(stats.structs, 1);
  assert_int_equal(gesso_type_length(doc, t), 100);
  check(doc);
  gesso_doc_destroy(doc);
}

static uint32_t next(uint32_t *seed, uint32_t below)
{
  *seed = *seed * 1664525u + 1013904223u;
  return (*seed >> 8) % below;
}

/* A removal inside of a larger transaction cuts, and merges at its end; one by itself need not. */
static void backspace_leaves_what_cutting_and_merging_leave(void **state)
{
  (void)state;
  static const char *const typed[] = { "a", "b", "words and ", "\xc3\xa9", "\xf0\x9f\x98\x80", "a longer piece of text" };
  gesso_doc *doc = doc_of(1), *other = doc_of(1), *peer = doc_of(2);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), o = gesso_doc_root(other, str("t"), GESSO_TEXT);
  gesso_type p = gesso_doc_root(peer, str("t"), GESSO_TEXT);
  uint32_t r = 3, caret = 0;
  for (int i = 0; i < 6000; i++) {
    uint32_t length = (uint32_t)gesso_type_length(doc, t), what = next(&r, 20);
    if (what == 0 || caret > length)
      caret = next(&r, length + 1);
    if (what < 11) {
      const char *s = typed[next(&r, i % 1000 < 700 ? 2 : 6)];
      type_in(doc, t, caret, s);
      type_in(other, o, caret, s);
      caret += (uint32_t)(gesso_type_length(doc, t) - length);
    } else if (caret > 0) {
      uint32_t n = 1 + next(&r, caret < 3 ? caret : 3);
      caret -= n;
      cut_out(doc, t, caret, n);
      gesso_doc_begin(other);
      cut_out(other, o, caret, n);
      assert_int_equal(gesso_doc_commit(other, NULL), GESSO_OK);
    }
    if (i % 100 == 0) { /* somebody else's structs, and positions looked up elsewhere */
      pull(peer, doc);
      type_in(peer, p, next(&r, (uint32_t)gesso_type_length(peer, p) + 1), "peer");
      pull(doc, peer);
      pull(other, peer);
    }
    if (i % 20 == 0) {
      check(doc);
      same_state(doc, other);
      assert_int_equal(gesso_text_bytes_of_utf16(doc, t, gesso_type_length(doc, t) / 2, &(uint64_t){ 0 }), GESSO_OK);
    }
    if (next(&r, 20) == 0 && length > 0)
      assert_int_equal(gesso_array_get_type(doc, t, next(&r, length / 2 + 1)), 0);
  }
  gesso_doc_stats a, b;
  gesso_doc_get_stats(doc, &a);
  gesso_doc_get_stats(other, &b);
  assert_int_equal(a.structs, b.structs);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
  gesso_doc_destroy(peer);
}

static void lower_client_goes_left(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(1), *b = doc_of(2);
  gesso_type ta = gesso_doc_root(a, str("t"), GESSO_TEXT), tb = gesso_doc_root(b, str("t"), GESSO_TEXT);
  type_in(a, ta, 0, "one");
  type_in(b, tb, 0, "two");
  pull(a, b);
  pull(b, a);
  reads_json(a, ta, GESSO_TEXT, "\"onetwo\"");
  reads_json(b, tb, GESSO_TEXT, "\"onetwo\"");
  same_state(a, b);
  check(a);
  check(b);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
}

static void an_emoji_cut_in_halves_is_two_replacement_characters(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(1), *b = doc_of(2);
  gesso_type t = gesso_doc_root(a, str("t"), GESSO_TEXT), u = gesso_doc_root(b, str("t"), GESSO_TEXT);
  type_in(a, t, 0, "ab\xf0\x9f\x98\x80""cd");
  pull(b, a);
  type_in(a, t, 3, "-");
  check(a);
  reads_json(a, t, GESSO_TEXT, "\"ab\xef\xbf\xbd-\xef\xbf\xbd""cd\"");
  pull(b, a);
  check(b);
  reads_json(b, u, GESSO_TEXT, "\"ab\xef\xbf\xbd-\xef\xbf\xbd""cd\"");
  assert_int_equal(gesso_type_length(b, u), 7);
  gesso_doc_stats stats;
  gesso_doc_get_stats(b, &stats);
  assert_int_equal(stats.structs, 3);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
}

static void overwriting_a_key_keeps_one_tombstone(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  for (int i = 0; i < 1000; i++)
    assert_int_equal(gesso_map_set(doc, m, str("k"), number(i), NULL), GESSO_OK);
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  assert_int_equal(stats.structs, 2);
  reads_json(doc, m, GESSO_MAP, "{\"k\":999}");
  check(doc);
  gesso_doc_destroy(doc);
}

static void deleting_a_nested_type_collects_its_children(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), at = m;
  gesso_value nested = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
  for (int i = 0; i < 5000; i++)
    assert_int_equal(gesso_map_set(doc, at, str("n"), nested, &at), GESSO_OK);
  assert_int_equal(gesso_map_remove(doc, m, str("n")), GESSO_OK);
  check(doc);
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  assert_int_equal(stats.structs, 2);
  assert_int_equal(gesso_map_set(doc, at, str("n"), nested, NULL), GESSO_E_DELETED);
  gesso_doc_destroy(doc);
}

static void updates_wait_for_what_is_missing(void **state)
{
  (void)state;
  enum { N = 400 };
  gesso_doc *a = doc_of(1), *b = doc_of(2);
  gesso_type t = gesso_doc_root(a, str("t"), GESSO_TEXT);
  gesso_buffer updates[N];
  for (int i = 0; i < N; i++) {
    gesso_doc_begin(a);
    type_in(a, t, (uint64_t)(i / 2), "abc");
    assert_int_equal(gesso_doc_commit(a, &updates[i]), GESSO_OK);
  }
  /* Every third, then the rest from the back. */
  for (int i = 0; i < N; i += 3) {
    apply(b, view(updates[i]));
    check(b);
  }
  gesso_doc_stats stats;
  gesso_doc_get_stats(b, &stats);
  assert_true(stats.pending_structs > 100);
  /* What waits is part of the state: a copy made from it catches up just as well. */
  gesso_doc *c = doc_of(3);
  gesso_buffer half = state_of(b);
  apply(c, view(half));
  same_state(b, c);
  for (int i = N - 1; i >= 0; i--)
    if (i % 3 != 0) {
      apply(b, view(updates[i]));
      apply(c, view(updates[i]));
    }
  check(b);
  check(c);
  same_state(a, b);
  same_state(a, c);
  gesso_doc_get_stats(b, &stats);
  assert_int_equal(stats.pending_structs, 0);
  for (int i = 0; i < N; i++)
    gesso_buffer_free(&updates[i]);
  gesso_buffer_free(&half);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
  gesso_doc_destroy(c);
}

static void a_deletion_waits_for_its_text(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(1), *b = doc_of(2);
  gesso_type t = gesso_doc_root(a, str("t"), GESSO_TEXT);
  gesso_buffer typed, deleted, pending;
  gesso_doc_begin(a);
  type_in(a, t, 0, "hello");
  assert_int_equal(gesso_doc_commit(a, &typed), GESSO_OK);
  gesso_doc_begin(a);
  cut_out(a, t, 1, 3);
  assert_int_equal(gesso_doc_commit(a, &deleted), GESSO_OK);
  apply(b, view(deleted));
  assert_int_equal(gesso_doc_pending_json(b, &pending), GESSO_OK);
  assert_memory_equal(pending.data, "{\"structs\":{},\"deletes\":{\"1\":[[1,4]]}}", pending.len);
  apply(b, view(typed));
  reads_json(b, gesso_doc_root(b, str("t"), GESSO_TEXT), GESSO_TEXT, "\"ho\"");
  same_state(a, b);
  gesso_buffer_free(&typed);
  gesso_buffer_free(&deleted);
  gesso_buffer_free(&pending);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
}

static void what_waits_can_be_taken_along(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(1), *b = doc_of(2), *c = doc_of(3);
  gesso_type t = gesso_doc_root(a, str("t"), GESSO_TEXT);
  gesso_buffer first, second, waiting, missing;
  gesso_doc_begin(a);
  type_in(a, t, 0, "hello");
  assert_int_equal(gesso_doc_commit(a, &first), GESSO_OK);
  gesso_doc_begin(a);
  type_in(a, t, 5, " world");
  cut_out(a, t, 0, 1);
  assert_int_equal(gesso_doc_commit(a, &second), GESSO_OK);
  assert_int_equal(gesso_doc_pending_update_v1(b, &waiting), GESSO_OK);
  assert_int_equal(waiting.len, 0);
  assert_int_equal(gesso_doc_pending_missing(b, &missing), GESSO_OK);
  assert_int_equal(missing.len, 1);
  gesso_buffer_free(&missing);
  apply(b, view(second));
  assert_int_equal(gesso_doc_pending_update_v1(b, &waiting), GESSO_OK);
  assert_int_equal(gesso_doc_pending_missing(b, &missing), GESSO_OK);
  const uint8_t client_1_clock_4[] = { 1, 1, 4 };
  assert_int_equal(missing.len, 3);
  assert_memory_equal(missing.data, client_1_clock_4, 3);
  apply(c, view(first));
  apply(c, view(waiting));
  reads_json(c, gesso_doc_root(c, str("t"), GESSO_TEXT), GESSO_TEXT, "\"hello world\"");
  gesso_buffer_free(&first);
  gesso_buffer_free(&second);
  gesso_buffer_free(&waiting);
  gesso_buffer_free(&missing);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
  gesso_doc_destroy(c);
}

/* Whoever came first: what is compared must not depend on it. */
static void those_who_wait_are_told_in_order_of_their_ids(void **state)
{
  (void)state;
  gesso_doc *b = doc_of(9);
  static const uint64_t ids[] = { 5, 3, 7 };
  for (size_t i = 0; i < 3; i++) {
    gesso_doc *a = doc_of(ids[i]);
    gesso_type t = gesso_doc_root(a, str("t"), GESSO_TEXT);
    gesso_buffer second;
    type_in(a, t, 0, "hello");
    gesso_doc_begin(a);
    type_in(a, t, 5, " world");
    cut_out(a, t, 0, 1);
    assert_int_equal(gesso_doc_commit(a, &second), GESSO_OK);
    apply(b, view(second));
    gesso_buffer_free(&second);
    gesso_doc_destroy(a);
  }
  static const char want[] = "{\"structs\":{\"3\":[[5,11]],\"5\":[[5,11]],\"7\":[[5,11]]},"
                             "\"deletes\":{\"3\":[[0,1]],\"5\":[[0,1]],\"7\":[[0,1]]}}";
  gesso_buffer pending;
  assert_int_equal(gesso_doc_pending_json(b, &pending), GESSO_OK);
  assert_int_equal(pending.len, sizeof want - 1);
  assert_memory_equal(pending.data, want, pending.len);
  gesso_buffer_free(&pending);
  gesso_doc_destroy(b);
}

/* Cuts fill the last row of structs before all that is appended is in; what goes on in the next one leaves a full row
 * behind, in which something is cut after that. */
static void cuts_and_appends_share_the_room_that_was_reserved(void **state)
{
  (void)state;
  enum { LETTERS = 60, CUTS = 40, KEYS = 190 };
  gesso_doc *a = doc_of(1), *b = doc_of(2);
  gesso_type t = gesso_doc_root(a, str("t"), GESSO_TEXT), m = gesso_doc_root(a, str("m"), GESSO_MAP);
  gesso_buffer typed, changed;
  char letters[LETTERS + 1];
  memset(letters, 'a', LETTERS);
  letters[LETTERS] = '\0';
  gesso_doc_begin(a);
  type_in(a, t, 0, letters);
  assert_int_equal(gesso_doc_commit(a, &typed), GESSO_OK);
  apply(b, view(typed));
  gesso_doc_begin(a);
  for (uint32_t i = 0; i < CUTS; i++)
    type_in(a, t, 2 * i + 1, "x");
  for (uint32_t i = 0; i < KEYS; i++) {
    char key[8];
    (void)snprintf(key, sizeof key, "%u", i);
    assert_int_equal(gesso_map_set(a, m, str(key), (gesso_value){ .kind = GESSO_VALUE_NULL }, NULL), GESSO_OK);
  }
  cut_out(a, t, 2 * CUTS + 5, 1);
  assert_int_equal(gesso_doc_commit(a, &changed), GESSO_OK);
  apply(b, view(changed));
  same_state(a, b);
  gesso_buffer_free(&typed);
  gesso_buffer_free(&changed);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
}

static void a_transaction_gives_one_update(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(1), *b = doc_of(2), *c = doc_of(3);
  gesso_type t = gesso_doc_root(a, str("t"), GESSO_TEXT), arr = gesso_doc_root(b, str("a"), GESSO_ARRAY);
  type_in(a, t, 0, "text");
  gesso_value three[3] = { number(1), number(2.5), { .kind = GESSO_VALUE_STRING, .bytes = str("x") } };
  assert_int_equal(gesso_array_insert(b, arr, 0, three, 3, NULL), GESSO_OK);
  assert_int_equal(gesso_array_remove(b, arr, 1, 1), GESSO_OK);
  gesso_buffer sa = state_of(a), sb = state_of(b), both;
  gesso_doc_begin(c);
  apply(c, view(sa));
  apply(c, view(sb));
  assert_int_equal(gesso_doc_commit(c, &both), GESSO_OK);
  gesso_doc *d = doc_of(4);
  apply(d, view(both));
  same_state(c, d);
  reads_json(d, gesso_doc_root(d, str("a"), GESSO_ARRAY), GESSO_ARRAY, "[1,\"x\"]");
  /* Nothing new: no update. */
  gesso_buffer_free(&both);
  gesso_doc_begin(c);
  apply(c, view(sa));
  assert_int_equal(gesso_doc_commit(c, &both), GESSO_OK);
  assert_int_equal(both.len, 0);
  gesso_buffer_free(&sa);
  gesso_buffer_free(&sb);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
  gesso_doc_destroy(c);
  gesso_doc_destroy(d);
}

static void formats_begin_and_end(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  type_in(doc, t, 0, "hello world");
  assert_int_equal(gesso_text_format(doc, t, 6, 5, str("{\"bold\":true}")), GESSO_OK);
  reads_delta(doc, t, "[{\"insert\":\"hello \"},{\"insert\":\"world\",\"attributes\":{\"bold\":true}}]");
  assert_int_equal(gesso_text_insert(doc, t, 11, str("!"), NO_ATTRS), GESSO_OK);
  reads_delta(doc, t, "[{\"insert\":\"hello \"},{\"insert\":\"world!\",\"attributes\":{\"bold\":true}}]");
  assert_int_equal(gesso_text_embed(doc, t, 0, str("{ \"image\": 1 }"), NO_ATTRS), GESSO_OK);
  assert_int_equal(gesso_text_format(doc, t, 7, 6, str("{\"bold\":null}")), GESSO_OK);
  reads_delta(doc, t, "[{\"insert\":{\"image\":1}},{\"insert\":\"hello world!\"}]");
  cut_out(doc, t, 0, 13);
  reads_delta(doc, t, "[]");
  check(doc);
  gesso_doc_destroy(doc);
}

static void of_a_struct_that_is_partly_known_the_rest_is_taken(void **state)
{
  (void)state;
  static const uint8_t first[] = { 1, 1, 5, 0, 4, 1, 1, 't', 8, 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 0 };
  static const uint8_t second[] = { 1, 1, 5, 5, 0x84, 5, 4, 5, 'f', 'g', 'h', 'i', 'j', 0 };
  gesso_doc *doc = doc_of(1);
  apply(doc, (gesso_bytes){ first, sizeof first });
  apply(doc, (gesso_bytes){ second, sizeof second });
  check(doc);
  reads_json(doc, gesso_doc_root(doc, str("t"), GESSO_TEXT), GESSO_TEXT, "\"abcdefghij\"");
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  assert_int_equal(stats.structs, 1);
  gesso_doc_destroy(doc);
}

/* What waited begins inside of what comes now, and somebody else's letters go there: a place to cut, though a struct
 * was said to begin at it. */
static void what_waits_may_overlap_what_comes(void **state)
{
  (void)state;
  enum { CLIENTS = 40, LETTERS = 300, OTHER = 1000 };
  gs_buf waits = gs_buf_make(NULL), comes = gs_buf_make(NULL);
  gs_write_varuint(&waits, CLIENTS);
  gs_write_varuint(&comes, CLIENTS + 1);
  for (unsigned c = 1; c <= CLIENTS; c++) {
    gs_write_varuint(&waits, LETTERS + 1);
    gs_write_varuint(&waits, c);
    gs_write_varuint(&waits, 3);
    for (unsigned i = 0; i <= LETTERS; i++) {
      gs_buf_put(&waits, 0x84);
      gs_write_varuint(&waits, c);
      gs_write_varuint(&waits, i == 0 ? 2 : i + 6);
      gesso_bytes letters = i == 0 ? str("defgh") : str("x");
      gs_write_varuint(&waits, letters.len);
      gs_buf_write(&waits, letters.data, letters.len);
    }
    static const uint8_t root[] = { 4, 1, 1, 't', 5, 'a', 'b', 'c', 'd', 'e' };
    gs_write_varuint(&comes, 1);
    gs_write_varuint(&comes, c);
    gs_write_varuint(&comes, 0);
    gs_buf_write(&comes, root, sizeof root);
  }
  gs_write_varuint(&comes, CLIENTS);
  gs_write_varuint(&comes, OTHER);
  gs_write_varuint(&comes, 0);
  for (unsigned c = 1; c <= CLIENTS; c++) {
    gs_buf_put(&comes, 0xc4);
    gs_write_varuint(&comes, c);
    gs_write_varuint(&comes, 2);
    gs_write_varuint(&comes, c);
    gs_write_varuint(&comes, 3);
    gs_write_varuint(&comes, 1);
    gs_buf_put(&comes, '-');
  }
  gs_buf_put(&waits, 0);
  gs_buf_put(&comes, 0);
  gesso_doc *doc = doc_of(7777);
  apply(doc, gs_buf_bytes(&waits));
  apply(doc, gs_buf_bytes(&comes));
  check(doc);
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  assert_int_equal(stats.pending_structs, 0);
  char want[CLIENTS * (LETTERS + 16)], *at = want;
  *at++ = '"';
  for (unsigned c = 1; c <= CLIENTS; c++) {
    memcpy(at, "abc-defgh", 9);
    memset(at + 9, 'x', LETTERS);
    at += 9 + LETTERS;
  }
  memcpy(at, "\"", 2);
  reads_json(doc, gesso_doc_root(doc, str("t"), GESSO_TEXT), GESSO_TEXT, want);
  gs_buf_finish(&waits);
  gs_buf_finish(&comes);
  gesso_doc_destroy(doc);
}

/* Somebody waits for an id that we then took by editing, and others who use our id go on from there. */
static void who_waits_for_an_edit_of_ours_is_not_forgotten(void **state)
{
  (void)state;
  static const uint8_t waits[] = { 1, 1, 6, 0, 0x84, 5, 2, 1, 'w', 0 };
  static const uint8_t goes_on[] = { 1, 2, 5, 4, 0x84, 5, 3, 1, 'e', 0x84, 5, 4, 1, 'f', 0 };
  gesso_doc *doc = doc_of(5);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  apply(doc, (gesso_bytes){ waits, sizeof waits });
  type_in(doc, t, 0, "abcd");
  apply(doc, (gesso_bytes){ goes_on, sizeof goes_on });
  check(doc);
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  assert_int_equal(stats.pending_structs, 0);
  reads_json(doc, t, GESSO_TEXT, "\"abcdefw\"");
  gesso_doc_destroy(doc);
}

/* What was deleted is kept in bytes once it was asked for twice, until something else is deleted. */
static void what_was_deleted_is_told_as_often_as_asked(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1), *other = doc_of(2);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), u = gesso_doc_root(other, str("t"), GESSO_TEXT);
  for (int n = 0; n < 6; n++) {
    type_in(doc, t, 0, "abcdef");
    if (n % 2 == 0)
      cut_out(doc, t, 1, 2);
    pull(other, doc);
    if (n == 3)
      cut_out(other, u, 0, 1);
    pull(doc, other);
    gesso_buffer v2, want, got, sv;
    assert_int_equal(gesso_doc_encode_v2(doc, (gesso_bytes){ NULL, 0 }, &v2, NULL), GESSO_OK);
    gesso_doc *fresh = doc_of(3);
    assert_int_equal(gesso_doc_apply_v2(fresh, view(v2), NULL), GESSO_OK);
    assert_int_equal(gesso_doc_state_vector(doc, &sv), GESSO_OK);
    for (int v = 0; v < 2; v++) {
      gesso_bytes have = v == 0 ? (gesso_bytes){ NULL, 0 } : view(sv);
      assert_int_equal(gesso_doc_encode_v1(fresh, have, &want, NULL), GESSO_OK);
      for (int asked = 0; asked < 3; asked++) {
        assert_int_equal(gesso_doc_encode_v1(doc, have, &got, NULL), GESSO_OK);
        assert_int_equal(got.len, want.len);
        assert_memory_equal(got.data, want.data, want.len);
        gesso_buffer_free(&got);
      }
      gesso_buffer_free(&want);
    }
    gesso_buffer_free(&v2);
    gesso_buffer_free(&sv);
    gesso_doc_destroy(fresh);
  }
  gesso_doc_destroy(doc);
  gesso_doc_destroy(other);
}

static void our_client_id_in_foreign_hands_is_given_up(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(5), *b = doc_of(5);
  type_in(a, gesso_doc_root(a, str("t"), GESSO_TEXT), 0, "longer");
  type_in(b, gesso_doc_root(b, str("t"), GESSO_TEXT), 0, "x");
  pull(b, a);
  assert_true(gesso_doc_client_id(b) != 5);
  check(b);
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(typing_merges_into_one_struct),
    cmocka_unit_test(backspace_leaves_what_cutting_and_merging_leave),
    cmocka_unit_test(lower_client_goes_left),
    cmocka_unit_test(an_emoji_cut_in_halves_is_two_replacement_characters),
    cmocka_unit_test(overwriting_a_key_keeps_one_tombstone),
    cmocka_unit_test(deleting_a_nested_type_collects_its_children),
    cmocka_unit_test(updates_wait_for_what_is_missing),
    cmocka_unit_test(a_deletion_waits_for_its_text),
    cmocka_unit_test(what_waits_can_be_taken_along),
    cmocka_unit_test(those_who_wait_are_told_in_order_of_their_ids),
    cmocka_unit_test(cuts_and_appends_share_the_room_that_was_reserved),
    cmocka_unit_test(a_transaction_gives_one_update),
    cmocka_unit_test(formats_begin_and_end),
    cmocka_unit_test(of_a_struct_that_is_partly_known_the_rest_is_taken),
    cmocka_unit_test(what_waits_may_overlap_what_comes),
    cmocka_unit_test(who_waits_for_an_edit_of_ours_is_not_forgotten),
    cmocka_unit_test(what_was_deleted_is_told_as_often_as_asked),
    cmocka_unit_test(our_client_id_in_foreign_hands_is_given_up),
  };
  return cmocka_run_group_tests_name("merging", tests, NULL, NULL);
}
