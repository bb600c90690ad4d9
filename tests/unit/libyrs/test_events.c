/* Callbacks: of documents, types and undo managers. */
#include "yrs_test.h"

typedef struct log {
  int calls;
  char text[400];
} log_t;

static void say(log_t *l, const char *format, ...)
{
  va_list args;
  size_t n = strlen(l->text);
  va_start(args, format);
  vsnprintf(l->text + n, sizeof l->text - n, format, args);
  va_end(args);
}

static void said(log_t *l, const char *want)
{
  assert_string_equal(l->text, want);
  l->text[0] = 0;
}

static void say_path(log_t *l, YPathSegment *path, uint32_t len)
{
  for (uint32_t i = 0; i < len; i++)
    if (path[i].tag == Y_EVENT_PATH_KEY)
      say(l, "/%s", path[i].value.key);
    else
      say(l, "/%u", path[i].value.index);
  ypath_destroy(path, len);
}

static void say_delta(log_t *l, YDeltaOut *d, uint32_t len)
{
  for (uint32_t i = 0; i < len; i++) {
    if (d[i].tag == Y_EVENT_CHANGE_ADD)
      say(l, "+%s", d[i].insert->tag == Y_JSON_STR ? youtput_read_string(d[i].insert) : "*");
    else
      say(l, "%c%u", d[i].tag == Y_EVENT_CHANGE_DELETE ? '-' : '=', d[i].len);
    for (uint32_t k = 0; k < d[i].attributes_len; k++)
      say(l, "{%s %d}", d[i].attributes[k].key, d[i].attributes[k].value.tag);
  }
  ytext_delta_destroy(d, len);
}

static void say_changes(log_t *l, YEventChange *d, uint32_t len)
{
  for (uint32_t i = 0; i < len; i++)
    if (d[i].tag == Y_EVENT_CHANGE_ADD)
      say(l, "+%u(%d)", d[i].len, d[i].values[0].tag);
    else
      say(l, "%c%u", d[i].tag == Y_EVENT_CHANGE_DELETE ? '-' : '=', d[i].len);
  yevent_delta_destroy(d, len);
}

static void say_keys(log_t *l, YEventKeyChange *k, uint32_t len)
{
  for (uint32_t i = 0; i < len; i++)
    say(l, "%s:%c%d%d ", k[i].key, k[i].tag == Y_EVENT_KEY_CHANGE_ADD ? 'a' : k[i].tag == Y_EVENT_KEY_CHANGE_DELETE ? 'd' : 'u',
        k[i].old_value != NULL ? k[i].old_value->tag : 0, k[i].new_value != NULL ? k[i].new_value->tag : 0);
  yevent_keys_destroy(k, len);
}

static void on_text(void *ctx, const YTextEvent *e)
{
  uint32_t n;
  assert_int_equal(ytype_kind(ytext_event_target(e)), Y_TEXT);
  YPathSegment *path = ytext_event_path(e, &n);
  say_path(ctx, path, n);
  YDeltaOut *d = ytext_event_delta(e, &n);
  say_delta(ctx, d, n);
  assert_non_null(e->txn);
}

static void on_array(void *ctx, const YArrayEvent *e)
{
  uint32_t n;
  assert_int_equal(ytype_kind(yarray_event_target(e)), Y_ARRAY);
  YPathSegment *path = yarray_event_path(e, &n);
  say_path(ctx, path, n);
  YEventChange *d = yarray_event_delta(e, &n);
  say_changes(ctx, d, n);
}

static void on_map(void *ctx, const YMapEvent *e)
{
  uint32_t n;
  assert_int_equal(ytype_kind(ymap_event_target(e)), Y_MAP);
  YPathSegment *path = ymap_event_path(e, &n);
  say_path(ctx, path, n);
  YEventKeyChange *k = ymap_event_keys(e, &n);
  say_keys(ctx, k, n);
}

static void on_xml(void *ctx, const YXmlEvent *e)
{
  uint32_t n;
  assert_non_null(yxmlelem_event_target(e));
  YPathSegment *path = yxmlelem_event_path(e, &n);
  say_path(ctx, path, n);
  YEventKeyChange *k = yxmlelem_event_keys(e, &n);
  say_keys(ctx, k, n);
  YEventChange *d = yxmlelem_event_delta(e, &n);
  say_changes(ctx, d, n);
}

static void on_xml_text(void *ctx, const YXmlTextEvent *e)
{
  uint32_t n;
  assert_int_equal(ytype_kind(yxmltext_event_target(e)), Y_XML_TEXT);
  YPathSegment *path = yxmltext_event_path(e, &n);
  say_path(ctx, path, n);
  YEventKeyChange *k = yxmltext_event_keys(e, &n);
  say_keys(ctx, k, n);
  YDeltaOut *d = yxmltext_event_delta(e, &n);
  say_delta(ctx, d, n);
}

static void texts_tell_their_deltas(void **state)
{
  (void)state;
  YDoc *doc = doc_with(1, Y_OFFSET_BYTES);
  Branch *t = ytext(doc, "t");
  log_t l = { 0, "" };
  char *key = (char *)"size";
  YInput big = yinput_long(9), attrs = yinput_json_map(&key, &big, 1);
  YSubscription *s = ytext_observe(t, &l, on_text);
  YTransaction *txn = begin(doc);
  ytext_insert(t, txn, 0, "\xc3\xa4\xc3\xb6x", NULL);
  ytransaction_commit(txn);
  said(&l, "+\xc3\xa4\xc3\xb6x");
  txn = begin(doc);
  ytext_insert(t, txn, 4, "!", &attrs);
  ytext_remove_range(t, txn, 5, 1);
  ytransaction_commit(txn);
  said(&l, "=4+!{size -6}-1");
  txn = begin(doc);
  ytext_format(t, txn, 0, 2, &attrs);
  ytransaction_commit(txn);
  said(&l, "=2{size -6}");
  yunobserve(s);
  txn = begin(doc);
  ytext_insert(t, txn, 0, "x", NULL);
  ytransaction_commit(txn);
  said(&l, "");
  ydoc_destroy(doc);
}

static void sequences_and_keys(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1);
  Branch *a = yarray(doc, "a"), *m = ymap(doc, "m"), *f = yxmlfragment(doc, "x");
  log_t l = { 0, "" };
  YTransaction *txn = begin(doc);
  Branch *p = yxmlelem_insert_elem(f, txn, 0, "p"), *t = yxmlelem_insert_text(p, txn, 0);
  ytransaction_commit(txn);
  YSubscription *s[] = { yarray_observe(a, &l, on_array), ymap_observe(m, &l, on_map), yxmlelem_observe(p, &l, on_xml),
                         yxmltext_observe(t, &l, on_xml_text) };
  YInput in[] = { yinput_long(1), yinput_string("x"), yinput_bool(0) };
  txn = begin(doc);
  yarray_insert_range(a, txn, 0, in, 3);
  ytransaction_commit(txn);
  said(&l, "+3(-6)");
  txn = begin(doc);
  yarray_remove_range(a, txn, 1, 1);
  ytransaction_commit(txn);
  said(&l, "=1-1");
  txn = begin(doc);
  ymap_insert(m, txn, "k", &in[0]);
  ytransaction_commit(txn);
  said(&l, "k:a0-6 ");
  txn = begin(doc);
  ymap_insert(m, txn, "k", &in[1]);
  ytransaction_commit(txn);
  said(&l, "k:u-6-5 ");
  txn = begin(doc);
  ymap_remove(m, txn, "k");
  ytransaction_commit(txn);
  said(&l, "k:d-50 ");
  txn = begin(doc);
  yxmlelem_insert_attr(p, txn, "id", &in[1]);
  yxmlelem_insert_elem(p, txn, 1, "b");
  ytransaction_commit(txn);
  said(&l, "id:a0-5 =1+1(4)");
  txn = begin(doc);
  yxmltext_insert_attr(t, txn, "id", &in[1]);
  yxmltext_insert(t, txn, 0, "hi", NULL);
  ytransaction_commit(txn);
  said(&l, "id:a0-5 +hi");
  for (int i = 0; i < 4; i++)
    yunobserve(s[i]);
  ydoc_destroy(doc);
}

static void on_deep(void *ctx, uint32_t n, const YEvent *events)
{
  for (uint32_t i = 0; i < n; i++) {
    say(ctx, "%d", events[i].tag);
    switch (events[i].tag) {
    case Y_ARRAY:
      on_array(ctx, &events[i].content.array);
      break;
    case Y_MAP:
      on_map(ctx, &events[i].content.map);
      break;
    case Y_TEXT:
      on_text(ctx, &events[i].content.text);
      break;
    case Y_XML_ELEM:
      on_xml(ctx, &events[i].content.xml_elem);
      break;
    default:
      fail();
    }
    say(ctx, ";");
  }
}

static void deep_observers_see_all(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1), *other = doc_of(2);
  Branch *m = ymap(doc, "m");
  log_t l = { 0, "" };
  char *key = (char *)"t";
  YInput t = yinput_ytext((char *)"x"), inner[] = { yinput_ymap(&key, &t, 1), yinput_yxmlelem((char *)"p") };
  YInput list = yinput_yarray(inner, 2);
  YTransaction *txn = begin(doc);
  ymap_insert(m, txn, "list", &list);
  ytransaction_commit(txn);
  YSubscription *s = yobserve_deep(m, &l, on_deep);
  txn = begin(doc);
  YOutput *o1 = ymap_get(m, txn, "list"), *o2 = yarray_get(youtput_read_yarray(o1), txn, 0);
  YOutput *o3 = ymap_get(youtput_read_ymap(o2), txn, "t"), *o4 = yarray_get(youtput_read_yarray(o1), txn, 1);
  ytext_insert(youtput_read_ytext(o3), txn, 1, "y", NULL);
  ymap_insert(m, txn, "k", &t);
  yxmlelem_insert_elem(youtput_read_yxmlelem(o4), txn, 0, "b");
  ytransaction_commit(txn);
  said(&l, "2k:a03 ;4/list/1+1(4);3/list/0/t=1+y;");
  youtput_destroy(o1);
  youtput_destroy(o2);
  youtput_destroy(o3);
  youtput_destroy(o4);
  /* The same of changes from elsewhere. */
  YSubscription *s2 = yobserve_deep(ymap(other, "m"), &l, on_deep);
  pull(other, doc);
  assert_non_null(strstr(l.text, "2list:a01 k:a03 ;"));
  yunobserve(s2);
  yunobserve(s);
  ydoc_destroy(doc);
  ydoc_destroy(other);
}

static void on_link(void *ctx, const YWeakLinkEvent *e)
{
  assert_non_null(e->inner);
  ((log_t *)ctx)->calls++;
}

static void links_tell_of_what_they_quote(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1);
  Branch *t = ytext(doc, "t"), *m = ymap(doc, "m");
  log_t l = { 0, "" };
  uint32_t from = 1, to = 2;
  YTransaction *txn = begin(doc);
  ytext_insert(t, txn, 0, "abcd", NULL);
  YInput in = yinput_weak(ytext_quote(t, txn, &from, &to, 0, 0));
  ymap_insert(m, txn, "q", &in);
  YOutput *out = ymap_get(m, txn, "q");
  YSubscription *s = yweak_observe(youtput_read_yweak(out), &l, on_link);
  youtput_destroy(out);
  ytransaction_commit(txn);
  l.calls = 0;
  txn = begin(doc);
  ytext_insert(t, txn, 4, "x", NULL);
  ytransaction_commit(txn);
  assert_int_equal(l.calls, 0);
  txn = begin(doc);
  ytext_insert(t, txn, 2, "x", NULL);
  ytransaction_commit(txn);
  assert_int_equal(l.calls, 1);
  yunobserve(s);
  ydoc_destroy(doc);
}

static void on_update(void *ctx, uint32_t len, const char *bytes)
{
  say(ctx, "u%d", bytes[0] == 0 && len > 10 ? 2 : 1);
}

static void on_transaction(void *ctx, YAfterTransactionEvent *e)
{
  say(ctx, "t%u", e->after_state.entries_count);
  for (uint32_t i = 0; i < e->after_state.entries_count; i++)
    say(ctx, " %llu:%u-%u", (unsigned long long)e->after_state.client_ids[i], e->before_state.clocks[i],
        e->after_state.clocks[i]);
  for (uint32_t i = 0; i < e->delete_set.entries_count; i++)
    for (uint32_t k = 0; k < e->delete_set.ranges[i].len; k++)
      say(ctx, " del %llu:%u-%u", (unsigned long long)e->delete_set.client_ids[i], e->delete_set.ranges[i].seq[k].start,
          e->delete_set.ranges[i].seq[k].end);
}

static void documents_tell_of_transactions(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1), *other = doc_of(2);
  Branch *t = ytext(doc, "t");
  log_t l = { 0, "" }, u = { 0, "" };
  YTransaction *txn = begin(other);
  ytext_insert(ytext(other, "t"), txn, 0, "xy", NULL);
  ytransaction_commit(txn);
  YSubscription *s[] = { ydoc_observe_after_transaction(doc, &l, on_transaction),
                         ydoc_observe_updates_v1(doc, &u, on_update), ydoc_observe_updates_v2(doc, &u, on_update) };
  txn = begin(doc);
  ytext_insert(t, txn, 0, "abc", NULL);
  ytransaction_commit(txn);
  said(&l, "t1 1:0-3");
  said(&u, "u1u2");
  pull(doc, other);
  said(&l, "t2 1:3-3 2:0-2");
  said(&u, "u1u2");
  txn = begin(doc);
  char *text = ytext_string(t, txn);
  ytext_remove_range(t, txn, (uint32_t)(strchr(text, 'a') - text), 1);
  ytext_remove_range(t, txn, (uint32_t)(strchr(text, 'c') - text) - 1, 1);
  ystring_destroy(text);
  ytransaction_commit(txn);
  said(&l, "t2 1:3-3 2:2-2 del 1:0-1 del 1:2-3");
  said(&u, "u1u2");
  txn = begin(doc);
  ytransaction_commit(txn);
  said(&u, "");
  /* Subscriptions may outlive the document. */
  ydoc_destroy(doc);
  for (int i = 0; i < 3; i++)
    yunobserve(s[i]);
  yunobserve(NULL);
  ydoc_destroy(other);
}

static void try_to_write(void *ctx, const YTextEvent *e)
{
  YDoc **docs = ctx;
  assert_null(ydoc_write_transaction(docs[0], 0, NULL));
  assert_null(ydoc_read_transaction(docs[0]));
  assert_int_equal(ytext_len(ytext_event_target(e), NULL), 1);
  docs[1] = NULL;
}

static void callbacks_run_inside_the_transaction(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1), *docs[] = { doc, doc };
  Branch *t = ytext(doc, "t");
  YSubscription *s = ytext_observe(t, docs, try_to_write);
  YTransaction *txn = begin(doc);
  ytext_insert(t, txn, 0, "x", NULL);
  assert_non_null(docs[1]);
  ytransaction_commit(txn);
  assert_null(docs[1]);
  yunobserve(s);
  ydoc_destroy(doc);
}

static void on_undo(void *ctx, const YUndoEvent *e)
{
  log_t *l = ctx;
  YUndoEvent *event = (YUndoEvent *)(uintptr_t)e;
  say(l, "%c%.*s%s ", e->kind == Y_KIND_UNDO ? 'u' : 'r', (int)e->origin_len, e->origin != NULL ? e->origin : "",
      e->meta != NULL ? "*" : "");
  event->meta = l;
}

static void undo_by_origin(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1);
  Branch *t = ytext(doc, "t"), *m = ymap(doc, "m");
  YUndoManagerOptions o = { .capture_timeout_millis = 0 };
  YUndoManager *mgr = yundo_manager(&o), *idle = yundo_manager(NULL);
  log_t added = { 0, "" }, popped = { 0, "" };
  assert_int_equal(yundo_manager_undo(idle), Y_FALSE);
  assert_int_equal(yundo_manager_undo_stack_len(idle) + yundo_manager_redo_stack_len(idle), 0);
  yundo_manager_clear(idle);
  yundo_manager_stop(idle);
  yundo_manager_destroy(idle);
  yundo_manager_destroy(NULL);
  yundo_manager_add_origin(mgr, 2, "me");
  yundo_manager_add_origin(mgr, 2, "me");
  YSubscription *a = yundo_manager_observe_added(mgr, &added, on_undo);
  yundo_manager_add_scope(mgr, doc, t);
  YSubscription *p = yundo_manager_observe_popped(mgr, &popped, on_undo);
  for (int i = 0; i < 3; i++) {
    YTransaction *txn = ydoc_write_transaction(doc, i == 1 ? 0 : 2, "me");
    ytext_insert(t, txn, (uint32_t)i, i == 0 ? "a" : i == 1 ? "b" : "c", NULL);
    YInput v = yinput_long(i);
    ymap_insert(m, txn, "k", &v);
    ytransaction_commit(txn);
  }
  assert_int_equal(yundo_manager_undo_stack_len(mgr), 2);
  said(&added, "ume ume ");
  YTransaction *txn = begin(doc);
  assert_int_equal(yundo_manager_undo(mgr), Y_FALSE);
  ytransaction_commit(txn);
  assert_int_equal(yundo_manager_undo(mgr), Y_TRUE);
  txn = begin(doc);
  is(ytext_string(t, txn), "ab");
  is_long(ymap_get(m, txn, "k"), 2);
  ytransaction_commit(txn);
  assert_int_equal(yundo_manager_undo(mgr), Y_TRUE);
  assert_int_equal(yundo_manager_undo(mgr), Y_FALSE);
  assert_int_equal(yundo_manager_redo_stack_len(mgr), 2);
  assert_int_equal(yundo_manager_redo(mgr), Y_TRUE);
  txn = begin(doc);
  is(ytext_string(t, txn), "ab");
  ytransaction_commit(txn);
  assert_non_null(strstr(popped.text, "u"));
  assert_non_null(strstr(popped.text, "*"));
  yundo_manager_clear(mgr);
  assert_int_equal(yundo_manager_undo_stack_len(mgr) + yundo_manager_redo_stack_len(mgr), 0);
  /* Without origins those without one count again. */
  yundo_manager_remove_origin(mgr, 2, "me");
  yundo_manager_remove_origin(mgr, 2, "me");
  txn = ydoc_write_transaction(doc, 2, "me");
  ytext_insert(t, txn, 0, "x", NULL);
  ytransaction_commit(txn);
  assert_int_equal(yundo_manager_undo_stack_len(mgr), 0);
  txn = begin(doc);
  ytext_insert(t, txn, 0, "y", NULL);
  ytransaction_commit(txn);
  assert_int_equal(yundo_manager_undo_stack_len(mgr), 1);
  yunobserve(a);
  ydoc_destroy(doc);
  yundo_manager_destroy(mgr);
  yunobserve(p);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(texts_tell_their_deltas),
    cmocka_unit_test(sequences_and_keys),
    cmocka_unit_test(deep_observers_see_all),
    cmocka_unit_test(links_tell_of_what_they_quote),
    cmocka_unit_test(documents_tell_of_transactions),
    cmocka_unit_test(callbacks_run_inside_the_transaction),
    cmocka_unit_test(undo_by_origin),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
