/* Observers of types. What deltas and keys say is compared with Yjs in tests/interop/events.mjs; here is how they
 * are told: order, edits and subscriptions from callbacks, what items that grew in place tell, short memory. */
#include "crdt_test.h"
#include "gesso/events.h"
#include "wire/writer.h"

#include <stdbool.h>

#define NOTHING ((gesso_bytes){ NULL, 0 })

struct story {
  char text[4096];
  size_t n;
  const char *name;
  gesso_type type;
  gesso_subscription self, other;
  int left;
};

static void tell(struct story *s, const char *fmt, ...)
{
  va_list ap;
  va_start(ap, fmt);
  s->n += (size_t)vsnprintf(s->text + s->n, sizeof s->text - s->n, fmt, ap);
  va_end(ap);
  assert_true(s->n < sizeof s->text);
}

static void tell_value(struct story *s, const gesso_value *v)
{
  if (v == NULL)
    tell(s, "-");
  else if (v->kind == GESSO_VALUE_STRING)
    tell(s, "'%.*s'", (int)v->bytes.len, (const char *)v->bytes.data);
  else if (v->kind == GESSO_VALUE_NUMBER)
    tell(s, "%g", v->number);
  else if (v->kind == GESSO_VALUE_TYPE)
    tell(s, "<%d>", (int)v->ref);
  else
    tell(s, "?%d", (int)v->kind);
}

static void tell_event(struct story *s, const gesso_event *e)
{
  static const char *const kinds[] = { "", "+", "-", "=" };
  tell(s, "%d@%d", (int)e->target, (int)e->observed);
  for (size_t i = 0; i < e->path_length; i++) {
    if (e->path[i].is_key)
      tell(s, "/%.*s", (int)e->path[i].key.len, (const char *)e->path[i].key.data);
    else
      tell(s, "/%d", (int)e->path[i].index);
  }
  for (size_t i = 0; i < e->delta_length; i++) {
    const gesso_change *c = &e->delta[i];
    tell(s, "%s%d", kinds[c->kind], (int)c->length);
    for (size_t k = 0; k < c->nvalues; k++)
      tell_value(s, &c->values[k]);
    for (size_t k = 0; k < c->nattributes; k++) {
      tell(s, ",%.*s:", (int)c->attribute_keys[k].len, (const char *)c->attribute_keys[k].data);
      tell_value(s, &c->attribute_values[k]);
    }
  }
  for (size_t i = 0; i < e->keys_length; i++) {
    const gesso_key_change *k = &e->keys[i];
    tell(s, ",%.*s", (int)k->key.len, (const char *)k->key.data);
    assert_int_equal(k->action == GESSO_KEY_ADD, k->old_value == NULL);
    assert_int_equal(k->action == GESSO_KEY_REMOVE, k->new_value == NULL);
    tell_value(s, k->old_value);
    tell(s, ">");
    tell_value(s, k->new_value);
  }
}

static void on_event(void *ctx, gesso_doc *doc, const gesso_event *e)
{
  struct story *s = ctx;
  (void)doc;
  tell(s, "%s(", s->name != NULL ? s->name : "");
  tell_event(s, e);
  tell(s, ")");
}

static void on_deep(void *ctx, gesso_doc *doc, const gesso_event *events, size_t count)
{
  struct story *s = ctx;
  (void)doc;
  tell(s, "[");
  for (size_t i = 0; i < count; i++) {
    if (i > 0)
      tell(s, " ");
    tell_event(s, &events[i]);
  }
  tell(s, "]");
}

static void told(struct story *s, const char *want)
{
  assert_string_equal(s->text, want);
  s->n = 0;
  s->text[0] = 0;
}

static gesso_subscription watch(gesso_doc *doc, gesso_type type, gesso_event_fn fn, struct story *s)
{
  gesso_subscription sub;
  assert_int_equal(gesso_type_observe(doc, type, fn, s, &sub), GESSO_OK);
  return sub;
}

static gesso_subscription watch_deep(gesso_doc *doc, gesso_type type, struct story *s)
{
  gesso_subscription sub;
  assert_int_equal(gesso_type_observe_deep(doc, type, on_deep, s, &sub), GESSO_OK);
  return sub;
}

static const gesso_value fresh_map = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
static const gesso_value fresh_array = { .kind = GESSO_VALUE_TYPE, .type = GESSO_ARRAY };
static const gesso_value fresh_text = { .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT };

static gesso_value number(double n)
{
  return (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = n };
}

static void set(gesso_doc *doc, gesso_type map, const char *key, gesso_value v)
{
  assert_int_equal(gesso_map_set(doc, map, str(key), v, NULL), GESSO_OK);
}

static void put(gesso_doc *doc, gesso_type array, uint64_t at, gesso_value v)
{
  assert_int_equal(gesso_array_insert(doc, array, at, &v, 1, NULL), GESSO_OK);
}

static void text_that_grows_in_place_tells_of_the_new_part_only(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 0 };
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  watch(doc, t, on_event, &s);
  type_in(doc, t, 0, "ab");
  told(&s, "(1@1+2'ab')");
  type_in(doc, t, 2, "cd\xc3\xa9");
  told(&s, "(1@1=2+3'cd\xc3\xa9')");
  gesso_doc_begin(doc);
  type_in(doc, t, 5, "fg");
  cut_out(doc, t, 4, 2); /* the last old unit and the first new one */
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  told(&s, "(1@1=4-1+1'g')");
  assert_int_equal(gesso_text_insert(doc, t, 5, str("!"), str("{\"b\":1}")), GESSO_OK);
  told(&s, "(1@1=5+1'!',b:1)");
  assert_int_equal(gesso_text_format(doc, t, 0, 2, str("{\"b\":2}")), GESSO_OK);
  told(&s, "(1@1=2,b:2)");
  gesso_doc_begin(doc);
  type_in(doc, t, 0, "x");
  cut_out(doc, t, 0, 1);
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  told(&s, "(1@1)");
  gesso_doc_destroy(doc);
}

static void keys_say_what_was_there(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 0 };
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  watch(doc, m, on_event, &s);
  set(doc, m, "a", number(1));
  told(&s, "(1@1,a->1)");
  set(doc, m, "a", fresh_map);
  told(&s, "(1@1,a1><2>)");
  gesso_doc_begin(doc);
  set(doc, m, "b", number(3));
  assert_int_equal(gesso_map_remove(doc, m, str("b")), GESSO_OK);
  set(doc, m, "a", number(4));
  set(doc, m, "a", number(5));
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  told(&s, "(1@1,a<2>>5)");
  assert_int_equal(gesso_map_remove(doc, m, str("a")), GESSO_OK);
  told(&s, "(1@1,a5>-)");
  gesso_subscription sub;
  assert_int_equal(gesso_type_observe(doc, 2, on_event, &s, &sub), GESSO_E_DELETED);
  assert_int_equal(gesso_type_observe_deep(doc, 9, on_deep, &s, &sub), GESSO_E_USAGE);
  gesso_doc_destroy(doc);
}

static void types_come_first_then_the_deep_ones_by_length_of_path(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 0 };
  gesso_type root = gesso_doc_root(doc, str("m"), GESSO_MAP), list, map, text;
  assert_int_equal(gesso_map_set(doc, root, str("list"), fresh_array, &list), GESSO_OK);
  put(doc, list, 0, number(0));
  assert_int_equal(gesso_array_insert(doc, list, 1, &fresh_map, 1, &map), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, map, str("t"), fresh_text, &text), GESSO_OK);
  watch_deep(doc, root, &s);
  watch_deep(doc, list, &s);
  watch_deep(doc, text, &s);
  watch(doc, text, on_event, &s);
  watch(doc, root, on_event, &s);
  gesso_doc_begin(doc);
  type_in(doc, text, 0, "hi");
  set(doc, map, "k", number(1));
  put(doc, list, 0, number(7));
  set(doc, root, "x", number(2));
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  told(&s, "(4@4+2'hi')(1@1,x->2)"
           "[4@4+2'hi']"
           "[2@2+17 3@2/2,k->1 4@2/2/t+2'hi']"
           "[1@1,x->2 2@1/list+17 3@1/list/2,k->1 4@1/list/2/t+2'hi']");
  /* What was deleted with what it was in says nothing of its own. */
  gesso_doc_begin(doc);
  type_in(doc, text, 0, "gone");
  assert_int_equal(gesso_array_remove(doc, list, 2, 1), GESSO_OK);
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  told(&s, "[2@2=2-1][2@1/list=2-1]");
  /* New types are part of what they were put into. */
  gesso_doc_begin(doc);
  assert_int_equal(gesso_map_set(doc, root, str("new"), fresh_array, &list), GESSO_OK);
  put(doc, list, 0, number(1));
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  told(&s, "(1@1,new-><5>)[1@1,new-><5>]");
  check(doc);
  gesso_doc_destroy(doc);
}

/* --- edits and subscriptions from callbacks --- */

static void edit_once(void *ctx, gesso_doc *doc, const gesso_event *e)
{
  struct story *s = ctx;
  check(doc);
  on_event(s, doc, e);
  if (s->left-- > 0) {
    tell(s, "<");
    cut_out(doc, s->type, 0, gesso_type_length(doc, s->type));
    type_in(doc, s->type, 0, "new");
    tell(s, ">");
  }
}

static void edits_of_callbacks_are_told_after_and_change_no_event(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 1 };
  s.type = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  watch(doc, s.type, edit_once, &s);
  watch(doc, s.type, on_event, &s);
  watch_deep(doc, s.type, &s);
  type_in(doc, s.type, 0, "old");
  told(&s, "(1@1+3'old')<>(1@1+3'old')[1@1+3'old']"
           "(1@1-3)(1@1-3)[1@1-3]"
           "(1@1+3'new')(1@1+3'new')[1@1+3'new']");
  reads_json(doc, s.type, GESSO_TEXT, "\"new\"");
  check(doc);
  gesso_doc_destroy(doc);
}

static void delete_what_is_watched(void *ctx, gesso_doc *doc, const gesso_event *e)
{
  struct story *s = ctx;
  on_event(s, doc, e);
  if (s->left-- > 0)
    assert_int_equal(gesso_map_remove(doc, gesso_doc_find_root(doc, str("m")), str("t")), GESSO_OK);
}

static void an_event_outlives_its_target(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 1 };
  gesso_type m = gesso_doc_root(doc, str("m"), GESSO_MAP), t;
  assert_int_equal(gesso_map_set(doc, m, str("t"), fresh_text, &t), GESSO_OK);
  watch(doc, t, delete_what_is_watched, &s);
  watch(doc, t, on_event, &s);
  watch_deep(doc, m, &s);
  type_in(doc, t, 0, "a text longer than what stands in an item");
  told(&s, "(2@2+41'a text longer than what stands in an item')(2@2+41'a text longer than what stands in an item')"
           "[2@1/t+41'a text longer than what stands in an item'][1@1,t<2>>-]");
  assert_int_equal(gesso_type_is_deleted(doc, t), 1);
  check(doc);
  gesso_doc_destroy(doc);
}

static void end_myself(void *ctx, gesso_doc *doc, const gesso_event *e)
{
  struct story *s = ctx;
  on_event(s, doc, e);
  gesso_doc_unobserve(doc, s->self);
  gesso_doc_unobserve(doc, s->other);
  s->other = watch(doc, s->type, on_event, s);
}

static void subscriptions_end_and_begin_in_callbacks(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .name = "a" };
  s.type = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  s.self = watch(doc, s.type, end_myself, &s);
  s.other = watch_deep(doc, s.type, &s);
  type_in(doc, s.type, 0, "1");
  told(&s, "a(1@1+1'1')");
  type_in(doc, s.type, 0, "2");
  told(&s, "a(1@1+1'2')");
  gesso_doc_unobserve(doc, s.other);
  type_in(doc, s.type, 0, "3");
  told(&s, "");
  gesso_doc_destroy(doc);
}

static void a_subscription_inside_a_transaction_hears_all_of_it(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 0 };
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT), m = gesso_doc_root(doc, str("m"), GESSO_MAP);
  type_in(doc, t, 0, "abc");
  set(doc, m, "k", number(1));
  gesso_doc_begin(doc);
  cut_out(doc, t, 0, 1);
  set(doc, m, "k", number(2));
  watch(doc, t, on_event, &s);
  watch(doc, m, on_event, &s);
  type_in(doc, t, 2, "d");
  assert_int_equal(gesso_doc_commit(doc, NULL), GESSO_OK);
  told(&s, "(2@2,k1>2)(1@1-1=2+1'd')");
  gesso_doc_destroy(doc);
}

/* The formats that a remote change made redundant go in a transaction behind it, which has events of its own, as in
 * Yjs; the events after it are right. */
static void cleaned_formats_are_told_apart(void **state)
{
  (void)state;
  gesso_doc *a = doc_of(1), *b = doc_of(2);
  struct story s = { .left = 0 };
  gesso_type t = gesso_doc_root(a, str("t"), GESSO_TEXT), u = gesso_doc_root(b, str("t"), GESSO_TEXT);
  type_in(a, t, 0, "abcdef");
  pull(b, a);
  assert_int_equal(gesso_text_format(a, t, 0, 3, str("{\"b\":true}")), GESSO_OK);
  assert_int_equal(gesso_text_format(b, u, 0, 3, str("{\"b\":true}")), GESSO_OK);
  watch(a, t, on_event, &s);
  gesso_doc_stats before, after;
  gesso_doc_get_stats(a, &before);
  pull(a, b);
  gesso_doc_get_stats(a, &after);
  assert_true(after.deleted_structs > before.deleted_structs);
  told(&s, "(1@1)(1@1=3,b:?2)");
  type_in(a, t, 6, "!");
  told(&s, "(1@1=6+1'!')");
  reads_delta(a, t, "[{\"insert\":\"abc\",\"attributes\":{\"b\":true}},{\"insert\":\"def!\"}]");
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
}

/* Any type may be asked for as any kind: what others call a text has formats, and for an array those have no values. */
static void formats_in_an_array_have_no_values(void **state)
{
  (void)state;
  gesso_doc *doc = doc_of(1);
  struct story s = { .left = 0 };
  gesso_type a = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  watch(doc, a, on_event, &s);
  assert_int_equal(gesso_text_insert(doc, a, 0, str("x"), str("{\"b\":true}")), GESSO_OK);
  told(&s, "(1@1+1'x')");
  check(doc);
  gesso_doc_destroy(doc);
}

/* --- short memory --- */

struct meter {
  long left; /* allocations until one fails; < 0: none does */
};

static void *metered(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  struct meter *m = ctx;
  (void)old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  if (m->left == 0)
    return NULL;
  if (m->left > 0)
    m->left--;
  return realloc(ptr, new_size);
}

static void count_call(void *ctx, gesso_doc *doc, const gesso_transaction *t)
{
  struct story *s = ctx;
  (void)doc;
  (void)t;
  s->left++;
}

static void on_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  struct story *s = ctx;
  (void)doc;
  (void)origin;
  (void)local;
  s->left += update.len == 0 ? 1000 : 1;
}

/* Whatever allocation fails once the edits are made: the document is right, the answer is NOMEM when somebody was
 * left out, and who is called is called with all of it. */
static void short_memory_leaves_out_callbacks_and_nothing_else(void **state)
{
  (void)state;
  bool all = false;
  int failures = 0;
  for (long n = 0; !all; n++) {
    assert_true(n < 2000);
    struct meter m = { -1 };
    gesso_allocator al = { metered, &m };
    gesso_doc_options o = { .size = sizeof o, .client_id = 1, .alloc = &al };
    gesso_doc *doc = gesso_doc_create(&o);
    assert_non_null(doc);
    struct story s = { .left = 0 }, later = { .left = 0 }, updates = { .left = 0 };
    gesso_type root = gesso_doc_root(doc, str("m"), GESSO_MAP), list, text;
    assert_int_equal(gesso_map_set(doc, root, str("l"), fresh_array, &list), GESSO_OK);
    assert_int_equal(gesso_array_insert(doc, list, 0, &fresh_text, 1, &text), GESSO_OK);
    type_in(doc, text, 0, "bold and plain");
    m.left = n; /* subscribing may fail as well */
    gesso_subscription sub;
    gesso_status st[] = {
      gesso_type_observe_deep(doc, root, on_deep, &s, &sub),
      gesso_type_observe(doc, text, on_event, &s, &sub),
      gesso_doc_observe_transaction(doc, count_call, &later, &sub),
      gesso_doc_observe_update(doc, 1, on_update, &updates, &sub),
      gesso_doc_observe_update(doc, 2, on_update, &updates, &sub),
    };
    bool subscribed = true;
    for (size_t i = 0; i < 5; i++)
      subscribed = subscribed && st[i] == GESSO_OK;
    m.left = -1;
    gesso_doc_begin(doc);
    set(doc, root, "k", number(1));
    put(doc, list, 0, number(2));
    assert_int_equal(gesso_text_format(doc, text, 0, 4, str("{\"b\":\"a value that is not short\"}")), GESSO_OK);
    type_in(doc, text, 14, " text");
    s.n = 0;
    s.text[0] = 0;
    later.left = updates.left = 0;
    m.left = subscribed ? n : -1;
    gesso_status end = gesso_doc_commit(doc, NULL);
    m.left = -1;
    check(doc);
    reads_delta(doc, text, "[{\"insert\":\"bold\",\"attributes\":{\"b\":\"a value that is not short\"}},"
                           "{\"insert\":\" and plain text\"}]");
    if (subscribed) {
      const char *want = "(3@3=4,b:'a value that is not short'=10+5' text')"
                         "[1@1,k->1 2@1/l+12 3@1/l/1=4,b:'a value that is not short'=10+5' text']";
      bool events = strcmp(s.text, want) == 0;
      assert_true(events || s.text[0] == 0);
      assert_true(later.left <= 1);
      assert_true(updates.left == 2 || updates.left == 1001 || updates.left == 2000);
      all = end == GESSO_OK;
      failures += !all;
      assert_int_equal(end == GESSO_OK, events && later.left == 1 && updates.left == 2);
      if (!all)
        assert_int_equal(end, GESSO_E_NOMEM);
    }
    /* The next transaction is told as if nothing had happened. */
    s.n = 0;
    s.text[0] = 0;
    later.left = 0;
    set(doc, root, "k", number(2));
    if (subscribed) {
      told(&s, "[1@1,k1>2]");
      assert_int_equal(later.left, 1);
    }
    gesso_doc_destroy(doc);
  }
  assert_true(failures > 10);
}

struct heap {
  size_t live, peak;
};

static void *counted(void *ctx, void *p, size_t old_size, size_t new_size)
{
  struct heap *h = ctx;
  h->live += new_size - old_size;
  h->peak = h->live > h->peak ? h->live : h->peak;
  if (new_size == 0) {
    free(p);
    return NULL;
  }
  return realloc(p, new_size);
}

static void count_deep(void *ctx, gesso_doc *doc, const gesso_event *events, size_t count)
{
  (void)doc;
  *(size_t *)ctx += count;
  for (size_t i = 0; i < count; i++)
    assert_int_equal(events[i].path_length, i);
}

/* Types one inside the other, and then a value in each of them. */
static gesso_doc *changed_at_all_depths(const gesso_allocator *al, uint32_t depth, size_t *told)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = 1, .alloc = al };
  gesso_doc *doc = gesso_doc_create(&o);
  gesso_subscription sub;
  gs_buf b = gs_buf_make(NULL);
  for (int values = 0; values < 2; values++) {
    gs_buf_clear(&b);
    gs_write_varuint(&b, 1);
    gs_write_varuint(&b, depth);
    gs_buf_write(&b, (const uint8_t[]){ (uint8_t)(8 + values), 0 }, 2);
    for (uint32_t i = 0; i < depth; i++) {
      gs_buf_put(&b, values ? 8 : 7);
      gs_buf_write(&b, i == 0 ? (const uint8_t[]){ 1, 1, 't' } : (const uint8_t[]){ 0, 8 }, i == 0 ? 3 : 2);
      if (i > 0)
        gs_write_varuint(&b, i - 1);
      gs_buf_write(&b, (const uint8_t[]){ (uint8_t)values, 126 }, values ? 2 : 1);
    }
    gs_buf_put(&b, 0);
    if (values)
      assert_int_equal(gesso_type_observe_deep(doc, gesso_doc_root(doc, str("t"), GESSO_ARRAY), count_deep, told, &sub),
                       GESSO_OK);
    apply(doc, gs_buf_bytes(&b));
  }
  gs_buf_finish(&b);
  return doc;
}

static void deep_changes_take_no_memory_without_end(void **state)
{
  (void)state;
  struct heap heap = { 0, 0 };
  gesso_allocator al = { counted, &heap };
  size_t told = 0;
  gesso_doc_destroy(changed_at_all_depths(&al, 1000, &told));
  assert_int_equal(told, 1000);
  heap.peak = told = 0;
  gesso_doc *doc = changed_at_all_depths(&al, 8000, &told);
  assert_int_equal(told, 0);
  assert_true(heap.peak < 150000000); /* those paths have 32 million steps */
  gesso_value one = { .kind = GESSO_VALUE_NUMBER, .number = 1 };
  assert_int_equal(gesso_array_insert(doc, gesso_doc_find_root(doc, str("t")), 0, &one, 1, NULL), GESSO_OK);
  assert_int_equal(told, 1);
  check(doc);
  gesso_doc_destroy(doc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(text_that_grows_in_place_tells_of_the_new_part_only),
    cmocka_unit_test(keys_say_what_was_there),
    cmocka_unit_test(types_come_first_then_the_deep_ones_by_length_of_path),
    cmocka_unit_test(edits_of_callbacks_are_told_after_and_change_no_event),
    cmocka_unit_test(an_event_outlives_its_target),
    cmocka_unit_test(subscriptions_end_and_begin_in_callbacks),
    cmocka_unit_test(a_subscription_inside_a_transaction_hears_all_of_it),
    cmocka_unit_test(cleaned_formats_are_told_apart),
    cmocka_unit_test(formats_in_an_array_have_no_values),
    cmocka_unit_test(deep_changes_take_no_memory_without_end),
    cmocka_unit_test(short_memory_leaves_out_callbacks_and_nothing_else),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
