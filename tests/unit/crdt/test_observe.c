/* Subscriptions to documents: updates, transactions, the end. Events of types are in test_events.c. */
#include "crdt/observe.h"
#include "crdt_test.h"

#define NOTHING ((gesso_bytes){ NULL, 0 })

/* What the callbacks of a test saw, one word after the other. */
struct story {
  char text[512];
  gesso_doc *mirror;
  gesso_subscription self, other;
  gesso_type type;
  int left;
};

static void tell(struct story *s, const char *word)
{
  if (s->text[0] != 0)
    strcat(s->text, " ");
  strcat(s->text, word);
}

static void mirror_v1(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  struct story *s = ctx;
  (void)doc;
  apply(s->mirror, update);
  char word[64];
  (void)snprintf(word, sizeof word, "%s:%.*s", local ? "local" : "remote", (int)origin.len, (const char *)origin.data);
  tell(s, word);
}

static void mirror_v2(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  struct story *s = ctx;
  (void)doc;
  (void)origin;
  (void)local;
  assert_int_equal(gesso_doc_apply_v2(s->mirror, update, NULL), GESSO_OK);
  tell(s, "v2");
}

static void updates_carry_all_of_it_in_both_encodings(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1), *peer = doc_of(2);
  struct story one = { .mirror = doc_of(10) }, two = { .mirror = doc_of(11) };
  gesso_subscription a, b;
  assert_int_equal(gesso_doc_observe_update(doc, 3, mirror_v1, &one, &a), GESSO_E_USAGE);
  assert_int_equal(gesso_doc_observe_update(doc, 1, mirror_v1, &one, &a), GESSO_OK);
  assert_int_equal(gesso_doc_observe_update(doc, 2, mirror_v2, &two, &b), GESSO_OK);
  assert_true(a != 0 && b != 0 && a != b);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  type_in(doc, t, 0, "plain");
  assert_int_equal(gesso_doc_begin_with(doc, str("me")), GESSO_OK);
  assert_int_equal(gesso_doc_begin_with(doc, str("inner")), GESSO_OK);
  type_in(doc, t, 5, " and more");
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  cut_out(doc, t, 0, 2);
  gesso_buffer update;
  assert_int_equal(gesso_doc_commit(doc, &update), GESSO_OK);
  assert_true(update.len > 0); /* the one who commits and the observers both get it */
  gesso_buffer_free(&update);
  type_in(peer, gesso_doc_root(peer, str("t"), GESSO_TEXT), 0, "there ");
  pull(doc, peer);
  assert_int_equal(gesso_doc_begin_with(doc, str("idle")), GESSO_OK);
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  type_in(doc, t, 0, "-");
  same_state(doc, one.mirror);
  same_state(doc, two.mirror);
  assert_string_equal(one.text, "local: local:me remote: local:");
  assert_string_equal(two.text, "v2 v2 v2 v2");
  gesso_doc_unobserve(doc, a);
  gesso_doc_unobserve(doc, a);
  gesso_doc_unobserve(doc, 12345);
  type_in(doc, t, 0, "-");
  assert_string_equal(one.text, "local: local:me remote: local:");
  gesso_doc_destroy(doc);
  gesso_doc_destroy(peer);
  gesso_doc_destroy(one.mirror);
  gesso_doc_destroy(two.mirror);
}

static void tell_transaction(void *ctx, gesso_doc *doc, const gesso_transaction *t)
{
  struct story *s = ctx;
  (void)doc;
  char word[128] = "";
  size_t n = 0;
  for (size_t i = 0; i < t->nbefore; i++)
    n += (size_t)snprintf(word + n, sizeof word - n, "%d@%d,", (int)t->before[i].client, (int)t->before[i].clock);
  n += (size_t)snprintf(word + n, sizeof word - n, ">");
  for (size_t i = 0; i < t->nafter; i++)
    n += (size_t)snprintf(word + n, sizeof word - n, "%d@%d,", (int)t->after[i].client, (int)t->after[i].clock);
  for (size_t i = 0; i < t->ndeleted; i++)
    n += (size_t)snprintf(word + n, sizeof word - n, "-%d@%d..%d", (int)t->deleted[i].client, (int)t->deleted[i].clock,
                          (int)t->deleted[i].end);
  tell(s, word);
}

static void transactions_say_what_they_made_and_deleted(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(7), *peer = doc_of(3);
  struct story s = { .left = 0 };
  gesso_subscription sub;
  assert_int_equal(gesso_doc_observe_transaction(doc, tell_transaction, &s, &sub), GESSO_OK);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  type_in(doc, t, 0, "abcdef");
  cut_out(doc, t, 1, 2);
  type_in(peer, gesso_doc_root(peer, str("t"), GESSO_TEXT), 0, "xy");
  pull(doc, peer);
  gesso_doc_begin(doc);
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  assert_string_equal(s.text, ">7@6, 7@6,>7@6,-7@1..3 7@6,>3@2,7@6, 3@2,7@6,>3@2,7@6,");
  gesso_doc_destroy(doc);
  gesso_doc_destroy(peer);
}

static void edit_from_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  struct story *s = ctx;
  (void)update;
  (void)origin;
  (void)local;
  check(doc);
  tell(s, "[");
  if (s->left-- > 0)
    type_in(doc, s->type, 0, "x");
  tell(s, "]");
}

static void tell_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  (void)doc;
  (void)update;
  (void)origin;
  (void)local;
  tell(ctx, "told");
}

static void what_callbacks_edit_is_told_after_what_is_being_told(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 2 };
  s.type = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_subscription a, b;
  assert_int_equal(gesso_doc_observe_update(doc, 1, edit_from_update, &s, &a), GESSO_OK);
  assert_int_equal(gesso_doc_observe_update(doc, 1, tell_update, &s, &b), GESSO_OK);
  type_in(doc, s.type, 0, "y");
  assert_string_equal(s.text, "[ ] told [ ] told [ ] told");
  reads_json(doc, s.type, GESSO_TEXT, "\"xxy\"");
  check(doc);
  gesso_doc_destroy(doc);
}

static void end_and_begin(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  struct story *s = ctx;
  (void)update;
  (void)origin;
  (void)local;
  tell(s, "once");
  gesso_doc_unobserve(doc, s->self);
  gesso_doc_unobserve(doc, s->other);
  for (int i = 0; i < 40; i++)
    assert_int_equal(gesso_doc_observe_update(doc, 1, tell_update, s, &s->other), GESSO_OK);
}

static void subscriptions_end_and_begin_in_callbacks(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 0 };
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  assert_int_equal(gesso_doc_observe_update(doc, 1, end_and_begin, &s, &s.self), GESSO_OK);
  assert_int_equal(gesso_doc_observe_update(doc, 1, tell_update, &s, &s.other), GESSO_OK);
  type_in(doc, t, 0, "a");
  assert_string_equal(s.text, "once"); /* the other one ended before its turn, the new ones come later */
  s.text[0] = 0;
  type_in(doc, t, 0, "b");
  assert_int_equal(strlen(s.text), 40 * 5 - 1);
  gesso_doc_destroy(doc);
}

static void tell_destroy(void *ctx, gesso_doc *doc)
{
  struct story *s = ctx;
  char word[64];
  (void)snprintf(word, sizeof word, "gone:%d", (int)gesso_type_length(doc, s->type));
  tell(s, word);
  gesso_doc_unobserve(doc, s->self);
  gesso_doc_destroy(gesso_doc_retain(doc));
}

static void the_last_reference_tells_that_it_goes(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 0 };
  s.type = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  type_in(doc, s.type, 0, "abc");
  gesso_subscription b;
  assert_int_equal(gesso_doc_observe_destroy(doc, tell_destroy, &s, &s.self), GESSO_OK);
  assert_int_equal(gesso_doc_observe_destroy(doc, tell_destroy, &s, &b), GESSO_OK);
  assert_ptr_equal(gesso_doc_retain(doc), doc);
  gesso_doc_destroy(doc);
  assert_string_equal(s.text, "");
  gesso_doc_destroy(doc);
  assert_string_equal(s.text, "gone:3 gone:3");
}

/* --- the hook of the undo manager --- */

static gesso_status look(void *ctx, gesso_doc *doc, const gs_txn_view *v)
{
  struct story *s = ctx;
  char word[128];
  size_t n = (size_t)snprintf(word, sizeof word, "%.*s%s", (int)v->origin.len, (const char *)v->origin.data,
                              v->local ? "+" : "");
  for (uint32_t i = 0; i < v->ntouched; i++)
    n += (size_t)snprintf(word + n, sizeof word - n, "%d..%d", (int)gs_before(doc, v->touched[i]),
                          (int)doc->clients[v->touched[i]].clock);
  for (uint32_t i = 0; i < v->deleted->n; i++)
    n += (size_t)snprintf(word + n, sizeof word - n, "-%d:%d", (int)v->deleted->v[i].clock, (int)v->deleted->v[i].len);
  n += (size_t)snprintf(word + n, sizeof word - n, "(");
  for (size_t i = 0; i < v->nchanged; i++)
    n += (size_t)snprintf(word + n, sizeof word - n, "%d", (int)v->changed[i]);
  (void)snprintf(word + n, sizeof word - n, ")");
  tell(s, word);
  return s->left-- > 0 ? GESSO_OK : GESSO_E_NOMEM;
}

static void end_hooks_see_ranges_and_all_types_around(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 5 };
  gesso_type map = gesso_doc_root(doc, str("m"), GESSO_MAP), text, other = gesso_doc_root(doc, str("o"), GESSO_ARRAY);
  gesso_value fresh = { .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT }, null = { .kind = GESSO_VALUE_NULL };
  gesso_subscription sub;
  assert_int_equal(gs_observe_end(doc, look, &s, &sub), GESSO_OK);
  assert_int_equal(gesso_doc_begin_with(doc, str("me")), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, map, str("k"), fresh, &text), GESSO_OK);
  type_in(doc, text, 0, "abc"); /* part of what was added: no change of its own */
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  assert_int_equal(text, 3);
  type_in(doc, text, 3, "d");
  gesso_doc_begin(doc);
  assert_int_equal(gesso_array_insert(doc, other, 0, &null, 1, NULL), GESSO_OK);
  cut_out(doc, text, 1, 2);
  type_in(doc, text, 1, "z");
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  assert_int_equal(gesso_map_remove(doc, map, str("k")), GESSO_OK);
  assert_string_equal(s.text, "me+0..4(1) +4..5(31) +5..7-2:2(231) +-0:2-4:1-6:1(1)");
  s.text[0] = 0;
  s.left = 0;
  assert_int_equal(gesso_map_set(doc, map, str("k"), null, NULL), GESSO_E_NOMEM);
  gesso_doc_unobserve(doc, sub);
  assert_int_equal(gesso_map_set(doc, map, str("k"), null, NULL), GESSO_OK);
  assert_string_equal(s.text, "+7..8(1)");
  assert_false(doc->tracks);
  check(doc);
  gesso_doc_destroy(doc);
}

static void a_hook_that_comes_late_sees_the_whole_transaction(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 5 };
  gesso_type map = gesso_doc_root(doc, str("m"), GESSO_MAP), text = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  gesso_value null = { .kind = GESSO_VALUE_NULL };
  type_in(doc, text, 0, "abc");
  gesso_subscription sub;
  gesso_doc_begin(doc);
  cut_out(doc, text, 1, 1);
  assert_int_equal(gesso_map_set(doc, map, str("k"), null, NULL), GESSO_OK);
  assert_int_equal(gs_observe_end(doc, look, &s, &sub), GESSO_OK);
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  assert_string_equal(s.text, "+3..4-1:1(12)");
  gesso_doc_destroy(doc);
}

/* --- subdocuments: what the engine notes for them --- */

static void tell_list(struct story *s, const char *what, gesso_doc *const *v, size_t n)
{
  char word[64];
  for (size_t i = 0; i < n; i++) {
    (void)snprintf(word, sizeof word, "%s%d", what, (int)gesso_doc_client_id(v[i]));
    tell(s, word);
  }
}

static void tell_subdocs(void *ctx, gesso_doc *doc, const gesso_subdocs *d)
{
  struct story *s = ctx;
  (void)doc;
  tell_list(s, "+", d->added, d->nadded);
  tell_list(s, "-", d->removed, d->nremoved);
  tell_list(s, "!", d->loaded, d->nloaded);
  tell(s, ".");
}

static void subdocuments_live_until_they_were_told(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1), *kept = doc_of(2), *brief = doc_of(3), *old = doc_of(4);
  struct story s = { .left = 0 };
  gesso_subscription sub;
  gs_observe_subdoc(doc, GS_SUBDOC_ADDED, kept); /* nobody listens */
  assert_int_equal(gesso_doc_observe_subdocs(doc, tell_subdocs, &s, &sub), GESSO_OK);
  gesso_doc_begin(doc);
  gs_observe_subdoc(doc, GS_SUBDOC_ADDED, kept);
  gs_observe_subdoc(doc, GS_SUBDOC_ADDED, brief);
  gs_observe_subdoc(doc, GS_SUBDOC_LOADED, kept);
  gs_observe_subdoc(doc, GS_SUBDOC_LOADED, kept);
  gs_observe_subdoc(doc, GS_SUBDOC_REMOVED, brief);
  gs_observe_subdoc(doc, GS_SUBDOC_REMOVED, old);
  gesso_doc_destroy(brief);
  gesso_doc_destroy(old);
  gesso_doc_destroy(kept); /* the last reference of ours */
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  assert_string_equal(s.text, "+2 -4 !2 .");
  gesso_doc_begin(doc);
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  assert_string_equal(s.text, "+2 -4 !2 .");
  gesso_doc_begin(doc);
  gesso_doc *late = doc_of(5);
  gs_observe_subdoc(doc, GS_SUBDOC_ADDED, late);
  gesso_doc_destroy(late);
  gesso_doc_destroy(doc); /* with something still to tell */
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(updates_carry_all_of_it_in_both_encodings),
    cmocka_unit_test(transactions_say_what_they_made_and_deleted),
    cmocka_unit_test(what_callbacks_edit_is_told_after_what_is_being_told),
    cmocka_unit_test(subscriptions_end_and_begin_in_callbacks),
    cmocka_unit_test(the_last_reference_tells_that_it_goes),
    cmocka_unit_test(end_hooks_see_ranges_and_all_types_around),
    cmocka_unit_test(subdocuments_live_until_they_were_told),
    cmocka_unit_test(a_hook_that_comes_late_sees_the_whole_transaction),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
