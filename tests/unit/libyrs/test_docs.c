/* Documents, transactions, subdocuments, branches and what is exchanged. */
#include "yrs_test.h"

static void options_and_references(void **state)
{
  (void)state;
  YOptions o = yoptions();
  assert_true(o.id != 0 && o.id < 1ull << 53);
  assert_int_equal(o.flags, Y_OFFSET_BYTES | Y_SHOULD_LOAD);
  o.guid = "some-guid";
  o.collection_id = "shelf";
  o.flags = Y_AUTO_LOAD;
  YDoc *doc = ydoc_new_with_options(o), *same = ydoc_clone(doc), *other = ydoc_new();
  assert_int_equal(ydoc_id(same), o.id);
  assert_int_not_equal(ydoc_id(other), 0);
  is(ydoc_guid(same), "some-guid");
  is(ydoc_collection_id(doc), "shelf");
  assert_null(ydoc_collection_id(other));
  char *guid = ydoc_guid(other);
  assert_int_equal(strlen(guid), 36);
  ystring_destroy(guid);
  assert_int_equal(ydoc_should_load(doc), 0);
  assert_int_equal(ydoc_auto_load(doc), 1);
  assert_int_equal(ydoc_should_load(other), 1);
  assert_int_equal(ydoc_auto_load(other), 0);
  ydoc_destroy(doc);
  Branch *m = ymap(same, "m");
  assert_non_null(m);
  ydoc_destroy(same);
  ydoc_destroy(other);
  ydoc_destroy(NULL);
}

static void one_writer_or_many_readers(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1);
  YTransaction *r1 = ydoc_read_transaction(doc), *r2 = ydoc_read_transaction(doc);
  assert_non_null(r1);
  assert_non_null(r2);
  assert_int_equal(ytransaction_writeable(r1), 0);
  assert_null(ydoc_write_transaction(doc, 0, NULL));
  ytransaction_commit(r1);
  assert_null(ydoc_write_transaction(doc, 0, NULL));
  ytransaction_commit(r2);
  YTransaction *w = ydoc_write_transaction(doc, 2, "me");
  assert_int_equal(ytransaction_writeable(w), 1);
  assert_null(ydoc_write_transaction(doc, 0, NULL));
  assert_null(ydoc_read_transaction(doc));
  /* The transaction keeps the document. */
  ydoc_destroy(doc);
  Branch *t = ytext(doc, "t");
  ytext_insert(t, w, 0, "x", NULL);
  is(ytext_string(t, w), "x");
  ytransaction_commit(w);
}

static void a_reader_cannot_write(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1), *other = doc_of(2);
  Branch *t = ytext(doc, "t"), *a = yarray(doc, "a"), *m = ymap(doc, "m"), *x = yxmlfragment(doc, "x");
  YInput one = yinput_long(1);
  YTransaction *r = ydoc_read_transaction(doc), *foreign = begin(other);
  for (int i = 0; i < 2; i++) {
    YTransaction *txn = i == 0 ? r : foreign;
    ytext_insert(t, txn, 0, "x", NULL);
    yarray_insert_range(a, txn, 0, &one, 1);
    ymap_insert(m, txn, "k", &one);
    assert_null(yxmlelem_insert_elem(x, txn, 0, "p"));
    assert_null(yxmlelem_insert_text(x, txn, 0));
    assert_int_equal(ymap_remove(m, txn, "k"), 0);
  }
  assert_int_equal(ytransaction_apply(r, "\0\0", 2), ERR_CODE_OTHER);
  assert_int_equal(ytext_len(t, r) + yarray_len(a) + ymap_len(m, r) + yxmlelem_child_len(x, r), 0);
  ytransaction_commit(r);
  ytransaction_commit(foreign);
  ydoc_destroy(doc);
  ydoc_destroy(other);
}

static void branches_are_named_alike_everywhere(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1), *other = doc_of(2);
  Branch *m = ymap(doc, "m\xc3\xa4p");
  YTransaction *txn = begin(doc);
  YInput inner = yinput_ytext((char *)"hi");
  ymap_insert(m, txn, "t", &inner);
  YOutput *out = ymap_get(m, txn, "t");
  Branch *t = youtput_read_ytext(out);
  youtput_destroy(out);
  assert_ptr_equal(ymap(doc, "m\xc3\xa4p"), m);
  assert_ptr_equal(ytype_get(txn, "m\xc3\xa4p"), m);
  assert_null(ytype_get(txn, "nothing"));
  assert_int_equal(ytype_kind(m), Y_MAP);
  assert_int_equal(ytype_kind(t), Y_TEXT);
  assert_int_equal(ytype_kind(NULL), 0);
  YBranchId root = ybranch_id(m), nested = ybranch_id(t);
  assert_int_equal(root.client_or_len, -4);
  assert_memory_equal(root.variant.name, "m\xc3\xa4p", 4);
  assert_int_equal(nested.client_or_len, 1);
  assert_int_equal(nested.variant.clock, 0);
  assert_ptr_equal(ybranch_get(&root, txn), m);
  assert_ptr_equal(ybranch_get(&nested, txn), t);
  is(ybranch_json(m, txn), "{\"t\":\"hi\"}");
  is(ybranch_json(t, txn), "\"hi\"");
  assert_null(ybranch_json(NULL, txn));
  ytransaction_commit(txn);
  pull(other, doc);
  txn = begin(other);
  is(ytext_string(ybranch_get(&nested, txn), txn), "hi");
  nested.variant.clock = 77;
  assert_null(ybranch_get(&nested, txn));
  ytransaction_commit(txn);
  txn = begin(doc);
  assert_int_equal(ybranch_alive(t), 1);
  ymap_remove_all(m, txn);
  assert_int_equal(ybranch_alive(t), 0);
  assert_int_equal(ybranch_alive(m), 1);
  assert_int_equal(ybranch_alive(NULL), 0);
  ytransaction_commit(txn);
  ydoc_destroy(doc);
  ydoc_destroy(other);
}

static void updates_in_both_encodings(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1), *v1 = doc_of(2), *v2 = doc_of(3);
  Branch *t = ytext(doc, "t");
  uint32_t len1, len2, n;
  YTransaction *txn = begin(doc);
  ytext_insert(t, txn, 0, "hello", NULL);
  char *u1 = ytransaction_state_diff_v1(txn, NULL, 0, &len1), *u2 = ytransaction_state_diff_v2(txn, NULL, 0, &len2);
  assert_null(ytransaction_state_diff_v1(txn, "\xff", 1, &n));
  assert_null(ytransaction_state_diff_v2(txn, "\xff", 1, &n));
  ytransaction_commit(txn);
  txn = begin(v1);
  assert_int_equal(ytransaction_apply(txn, u1, len1 - 1), ERR_CODE_EOS);
  assert_int_equal(ytransaction_apply(txn, "\x01\x01\x05\x00\x0b\x01\x00", 7), ERR_CODE_UNEXPECTED_VALUE);
  assert_int_equal(ytransaction_apply(txn, u1, len1), 0);
  is(ytext_string(ytext(v1, "t"), txn), "hello");
  ytransaction_commit(txn);
  txn = begin(v2);
  assert_int_not_equal(ytransaction_apply_v2(txn, u1, len1), 0);
  assert_int_equal(ytransaction_apply_v2(txn, u2, len2), 0);
  is(ytext_string(ytext(v2, "t"), txn), "hello");
  ytransaction_commit(txn);
  char *d1 = yupdate_debug_v1(u1, len1), *d2 = yupdate_debug_v2(u2, len2);
  assert_non_null(strstr(d1, "hello"));
  assert_string_equal(d1, d2);
  assert_null(yupdate_debug_v1("\xff", 1));
  assert_null(yupdate_debug_v2("\xff", 1));
  ystring_destroy(d1);
  ystring_destroy(d2);
  ybinary_destroy(u1, len1);
  ybinary_destroy(u2, len2);
  ydoc_destroy(doc);
  ydoc_destroy(v1);
  ydoc_destroy(v2);
}

static void keep_update(void *ctx, uint32_t len, const char *bytes)
{
  char **slot = ctx;
  slot[0] = malloc(len);
  memcpy(slot[0], bytes, len);
  *(uint32_t *)(void *)slot[1] = len;
}

static void what_waits_is_shown(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1), *late = doc_of(2), *third = doc_of(3);
  Branch *t = ytext(doc, "t");
  YTransaction *txn = begin(doc);
  ytext_insert(t, txn, 0, "hello", NULL);
  ytransaction_commit(txn);
  uint32_t len = 0;
  char *slot[2] = { NULL, (char *)&len };
  YSubscription *sub = ydoc_observe_updates_v1(doc, slot, keep_update);
  txn = begin(doc);
  ytext_insert(t, txn, 5, " world", NULL);
  ytext_remove_range(t, txn, 0, 2);
  ytext_remove_range(t, txn, 1, 1);
  ytransaction_commit(txn);
  yunobserve(sub);
  txn = begin(late);
  assert_null(ytransaction_pending_update(txn));
  assert_null(ytransaction_pending_ds(txn));
  assert_int_equal(ytransaction_apply(txn, slot[0], len), 0);
  YPendingUpdate *p = ytransaction_pending_update(txn);
  YIdSet *ds = ytransaction_pending_ds(txn);
  assert_non_null(p);
  assert_int_equal(p->missing.entries_count, 1);
  assert_int_equal(p->missing.client_ids[0], 1);
  assert_int_equal(p->missing.clocks[0], 4);
  assert_non_null(ds);
  assert_int_equal(ds->entries_count, 1);
  assert_int_equal(ds->client_ids[0], 1);
  assert_int_equal(ds->ranges[0].len, 2);
  assert_true(ds->ranges[0].seq[0].start == 0 && ds->ranges[0].seq[0].end == 2);
  assert_true(ds->ranges[0].seq[1].start == 3 && ds->ranges[0].seq[1].end == 4);
  ytransaction_commit(txn);
  /* The pending part is an update of its own, without the deletions. */
  txn = ydoc_read_transaction(doc);
  ytransaction_commit(txn);
  txn = begin(third);
  assert_int_equal(ytransaction_apply(txn, p->update_v1, p->update_len), 0);
  assert_null(ytransaction_pending_ds(txn));
  ytransaction_commit(txn);
  ypending_update_destroy(p);
  ydelete_set_destroy(ds);
  ypending_update_destroy(NULL);
  ydelete_set_destroy(NULL);
  pull(late, doc);
  txn = ydoc_read_transaction(late);
  is(ytext_string(ytext(late, "t"), txn), "lo world");
  ytransaction_commit(txn);
  free(slot[0]);
  ydoc_destroy(doc);
  ydoc_destroy(late);
  ydoc_destroy(third);
}

static void snapshots_and_collecting(void **state)
{
  (void)state;
  YDoc *doc = doc_with(1, Y_OFFSET_UTF16 | Y_SKIP_GC), *then = doc_of(2), *plain = doc_of(3);
  Branch *t = ytext(doc, "t");
  uint32_t len, at1_len, at2_len, n, before, after;
  YTransaction *txn = begin(doc);
  ytext_insert(t, txn, 0, "a text that was there once", NULL);
  char *snapshot = ytransaction_snapshot(txn, &len);
  ytransaction_commit(txn);
  txn = begin(doc);
  ytext_remove_range(t, txn, 1, 25);
  char *at1 = ytransaction_encode_state_from_snapshot_v1(txn, snapshot, len, &at1_len);
  char *at2 = ytransaction_encode_state_from_snapshot_v2(txn, snapshot, len, &at2_len);
  assert_null(ytransaction_encode_state_from_snapshot_v1(txn, "\xff", 1, &n));
  ytransaction_commit(txn);
  txn = begin(plain);
  assert_null(ytransaction_encode_state_from_snapshot_v1(txn, snapshot, len, &n));
  ytransaction_commit(txn);
  txn = begin(then);
  assert_int_equal(ytransaction_apply(txn, at1, at1_len), 0);
  assert_int_equal(ytransaction_apply_v2(txn, at2, at2_len), 0);
  is(ytext_string(ytext(then, "t"), txn), "a text that was there once");
  ytransaction_commit(txn);
  txn = begin(doc);
  char *state_before = ytransaction_state_diff_v1(txn, NULL, 0, &before);
  ytransaction_force_gc(txn);
  ytransaction_commit(txn);
  txn = ydoc_read_transaction(doc);
  char *state_after = ytransaction_state_diff_v1(txn, NULL, 0, &after);
  assert_true(after + 20 < before);
  is(ytext_string(t, txn), "a");
  ytransaction_commit(txn);
  ybinary_destroy(state_before, before);
  ybinary_destroy(state_after, after);
  ybinary_destroy(snapshot, len);
  ybinary_destroy(at1, at1_len);
  ybinary_destroy(at2, at2_len);
  ydoc_destroy(doc);
  ydoc_destroy(then);
  ydoc_destroy(plain);
}

typedef struct told {
  int added, removed, loaded, cleared;
} told;

static void on_subdocs(void *ctx, YSubdocsEvent *e)
{
  told *t = ctx;
  t->added += (int)e->added_len;
  t->removed += (int)e->removed_len;
  t->loaded += (int)e->loaded_len;
  for (uint32_t i = 0; i < e->added_len; i++)
    is(ydoc_guid(e->added[i]), "sub");
}

static void on_clear(void *ctx, YDoc *doc)
{
  is(ydoc_guid(doc), "sub");
  ((told *)ctx)->cleared++;
}

static void subdocuments(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1), *other = doc_of(2);
  YOptions o = yoptions();
  o.guid = "sub";
  o.flags = Y_OFFSET_UTF16;
  YDoc *sub = ydoc_new_with_options(o);
  told t = { 0, 0, 0, 0 };
  YSubscription *s = ydoc_observe_subdocs(doc, &t, on_subdocs), *c = ydoc_observe_clear(sub, &t, on_clear);
  Branch *m = ymap(doc, "m");
  YTransaction *txn = begin(doc);
  YInput in = yinput_ydoc(sub);
  uint32_t n;
  ymap_insert(m, txn, "d", &in);
  YDoc **all = ytransaction_subdocs(txn, &n);
  assert_int_equal(n, 1);
  assert_ptr_equal(all[0], sub);
  free(all);
  YOutput *out = ymap_get(m, txn, "d");
  assert_ptr_equal(youtput_read_ydoc(out), sub);
  youtput_destroy(out);
  ytransaction_commit(txn);
  assert_true(t.added == 1 && t.loaded == 0 && t.removed == 0);
  pull(other, doc);
  txn = begin(other);
  out = ymap_get(ymap(other, "m"), txn, "d");
  YDoc *copy = youtput_read_ydoc(out);
  is(ydoc_guid(copy), "sub");
  /* It counts as its parent does. */
  Branch *text = ytext(copy, "t");
  YTransaction *inner = begin(copy);
  ytext_insert(text, inner, 0, "\xc3\xa4", NULL);
  assert_int_equal(ytext_len(text, inner), 1);
  ytransaction_commit(inner);
  youtput_destroy(out);
  ytransaction_commit(txn);
  txn = begin(doc);
  ydoc_load(sub, txn);
  ytransaction_commit(txn);
  assert_int_equal(t.loaded, 1);
  txn = begin(doc);
  ydoc_clear(sub, txn);
  ytransaction_commit(txn);
  assert_true(t.added == 2 && t.removed == 1 && t.cleared == 1);
  yunobserve(c);
  yunobserve(s);
  ydoc_destroy(sub);
  ydoc_destroy(doc);
  ydoc_destroy(other);
}

static void paths(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1);
  Branch *m = ymap(doc, "m");
  YTransaction *txn = begin(doc);
  YInput in = yinput_json("{\"list\":[1,{\"x\":2},12345678901234567890]}");
  ymap_insert(m, txn, "json", &in);
  YJsonPathIter *i = ytransaction_json_path(txn, "$.m.json.list[0,1].x");
  is_num(yjson_path_iter_next(i), 2);
  assert_null(yjson_path_iter_next(i));
  yjson_path_iter_destroy(i);
  i = ytransaction_json_path(txn, "$.m");
  YOutput *out = yjson_path_iter_next(i);
  assert_ptr_equal(youtput_read_ymap(out), m);
  youtput_destroy(out);
  yjson_path_iter_destroy(i);
  assert_null(ytransaction_json_path(txn, "$.["));
  yjson_path_iter_destroy(NULL);
  ytransaction_commit(txn);
  ydoc_destroy(doc);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(options_and_references),
    cmocka_unit_test(one_writer_or_many_readers),
    cmocka_unit_test(a_reader_cannot_write),
    cmocka_unit_test(branches_are_named_alike_everywhere),
    cmocka_unit_test(updates_in_both_encodings),
    cmocka_unit_test(what_waits_is_shown),
    cmocka_unit_test(snapshots_and_collecting),
    cmocka_unit_test(subdocuments),
    cmocka_unit_test(paths),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
