/* Text, arrays, maps and XML, and the values in them. */
#include "yrs_test.h"

#include <math.h>

static void text_is_counted_as_asked(void **state)
{
  (void)state;
  YDoc *units = doc_of(1), *bytes = doc_with(2, Y_OFFSET_BYTES);
  Branch *u = ytext(units, "t"), *b = ytext(bytes, "t");
  YTransaction *tu = begin(units), *tb = begin(bytes);
  const char *s = "a\xc3\xa4\xf0\x9f\x98\x80z"; /* 1 + 2 + 4 + 1 bytes, 1 + 1 + 2 + 1 units */
  ytext_insert(u, tu, 0, s, NULL);
  ytext_insert(b, tb, 0, s, NULL);
  assert_int_equal(ytext_len(u, tu), 5);
  assert_int_equal(ytext_len(b, tb), 8);
  ytext_insert(u, tu, 2, "-", NULL);
  ytext_insert(b, tb, 3, "-", NULL);
  is(ytext_string(u, tu), "a\xc3\xa4-\xf0\x9f\x98\x80z");
  is(ytext_string(b, tb), "a\xc3\xa4-\xf0\x9f\x98\x80z");
  ytext_remove_range(u, tu, 1, 2);
  ytext_remove_range(b, tb, 1, 3);
  is(ytext_string(u, tu), "a\xf0\x9f\x98\x80z");
  is(ytext_string(b, tb), "a\xf0\x9f\x98\x80z");
  /* Half a character is all of it. */
  ytext_remove_range(u, tu, 1, 1);
  is(ytext_string(u, tu), "az");
  /* Past the end nothing happens. */
  ytext_insert(u, tu, 3, "x", NULL);
  ytext_remove_range(u, tu, 1, 2);
  ytext_remove_range(b, tb, 0, 99);
  is(ytext_string(u, tu), "az");
  assert_int_equal(ytext_len(b, tb), 6);
  ytransaction_commit(tu);
  ytransaction_commit(tb);
  ydoc_destroy(units);
  ydoc_destroy(bytes);
}

static void formats_and_embeds(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1);
  Branch *t = ytext(doc, "t");
  YTransaction *txn = begin(doc);
  char *keys[] = { (char *)"b", (char *)"size" };
  YInput values[] = { yinput_bool(Y_TRUE), yinput_float(1.5) }, attrs = yinput_json_map(keys, values, 2);
  YInput off[] = { yinput_null() }, unbold = yinput_json_map(keys, off, 1);
  YInput image = yinput_json("{\"src\":\"x \\u00e4\"}"), nested = yinput_ymap(keys, values, 2);
  uint32_t n;
  ytext_insert(t, txn, 0, "plain", NULL);
  ytext_insert(t, txn, 5, "rich\"\n", &attrs);
  ytext_format(t, txn, 7, 2, &unbold);
  ytext_insert_embed(t, txn, 0, &image, &attrs);
  ytext_insert_embed(t, txn, 1, &nested, NULL);
  YChunk *c = ytext_chunks(t, txn, &n);
  assert_int_equal(n, 6);
  assert_int_equal(c[0].data.tag, Y_JSON_MAP);
  assert_string_equal(youtput_read_string(youtput_read_json_map(&c[0].data)[0].value), "x \xc3\xa4");
  assert_int_equal(c[0].fmt_len, 2);
  assert_int_equal(c[1].data.tag, Y_MAP);
  is_num(ymap_get(youtput_read_ymap(&c[1].data), txn, "size"), 1.5);
  assert_string_equal(youtput_read_string(&c[2].data), "plain");
  assert_int_equal(c[2].fmt_len, 0);
  assert_null(c[2].fmt);
  assert_string_equal(youtput_read_string(&c[4].data), "ch");
  assert_int_equal(c[4].fmt_len, 1);
  assert_string_equal(c[4].fmt[0].key, "size");
  assert_true(*youtput_read_float(c[4].fmt[0].value) == 1.5);
  assert_string_equal(youtput_read_string(&c[5].data), "\"\n");
  ychunks_destroy(c, n);
  ychunks_destroy(NULL, 0);
  /* Formats that are no map do nothing. */
  ytext_insert(t, txn, 0, "x", &values[0]);
  ytext_format(t, txn, 0, 1, NULL);
  assert_int_equal(ytext_len(t, txn), 13);
  ytransaction_commit(txn);
  ydoc_destroy(doc);
}

static void deltas(void **state)
{
  (void)state;
  YDoc *doc = doc_with(1, Y_OFFSET_BYTES);
  Branch *t = ytext(doc, "t");
  YTransaction *txn = begin(doc);
  char *bold = (char *)"b";
  YInput yes = yinput_bool(Y_TRUE), attrs = yinput_json_map(&bold, &yes, 1), word = yinput_string("\xc3\xb6!");
  YInput array[] = { yinput_long(1) }, list = yinput_yarray(array, 1);
  uint32_t n;
  ytext_insert(t, txn, 0, "\xc3\xa4" "bcdef", NULL);
  YDeltaIn d[] = { ydelta_input_retain(2, NULL), ydelta_input_delete(1),       ydelta_input_insert(&word, &attrs),
                   ydelta_input_retain(2, &attrs), ydelta_input_insert(&list, NULL) };
  ytext_insert_delta(t, txn, d, 5);
  YChunk *c = ytext_chunks(t, txn, &n);
  assert_int_equal(n, 4);
  assert_string_equal(youtput_read_string(&c[0].data), "\xc3\xa4");
  assert_string_equal(youtput_read_string(&c[1].data), "\xc3\xb6!cd");
  assert_int_equal(c[1].fmt_len, 1);
  assert_int_equal(yarray_len(youtput_read_yarray(&c[2].data)), 1);
  assert_int_equal(c[2].fmt_len, 0);
  assert_string_equal(youtput_read_string(&c[3].data), "ef");
  ychunks_destroy(c, n);
  ytransaction_commit(txn);
  ydoc_destroy(doc);
}

static void arrays(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1);
  Branch *a = yarray(doc, "a");
  YTransaction *txn = begin(doc);
  char *key = (char *)"k";
  YInput one = yinput_long(1), text = yinput_ytext((char *)"t");
  YInput in[] = { one, yinput_string("two"), yinput_ymap(&key, &text, 1), yinput_undefined(), yinput_yxmlelem((char *)"p"),
                  yinput_yxmltext((char *)"x"), yinput_binary("\0\1", 2) };
  yarray_insert_range(a, txn, 0, in, 7);
  assert_int_equal(yarray_len(a), 7);
  is_long(yarray_get(a, txn, 0), 1);
  is_str(yarray_get(a, txn, 1), "two");
  YOutput *out = yarray_get(a, txn, 2);
  YOutput *inner = ymap_get(youtput_read_ymap(out), txn, "k");
  is(ytext_string(youtput_read_ytext(inner), txn), "t");
  youtput_destroy(inner);
  youtput_destroy(out);
  out = yarray_get(a, txn, 3);
  assert_int_equal(out->tag, Y_JSON_UNDEF);
  youtput_destroy(out);
  out = yarray_get(a, txn, 4);
  is(yxmlelem_tag(youtput_read_yxmlelem(out)), "p");
  youtput_destroy(out);
  out = yarray_get(a, txn, 5);
  is(yxmltext_string(youtput_read_yxmltext(out), txn), "x");
  youtput_destroy(out);
  out = yarray_get(a, txn, 6);
  assert_int_equal(out->len, 2);
  assert_memory_equal(youtput_read_binary(out), "\0\1", 2);
  assert_null(youtput_read_string(out));
  assert_null(youtput_read_ydoc(out));
  assert_null(youtput_read_yweak(out));
  youtput_destroy(out);
  assert_null(yarray_get(a, txn, 7));
  is(yarray_get_json(a, txn, 2), "{\"k\":\"t\"}");
  is(yarray_get_json(a, txn, 3), "null");
  assert_null(yarray_get_json(a, txn, 7));
  YArrayIter *i = yarray_iter(a, txn);
  int n = 0;
  while ((out = yarray_iter_next(i)) != NULL) {
    youtput_destroy(out);
    n++;
  }
  assert_int_equal(n, 7);
  yarray_iter_destroy(i);
  yarray_remove_range(a, txn, 1, 6);
  yarray_remove_range(a, txn, 0, 2);
  yarray_insert_range(a, txn, 2, &one, 1);
  assert_int_equal(yarray_len(a), 1);
  ytransaction_commit(txn);
  ydoc_destroy(doc);
}

static void maps(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1);
  Branch *m = ymap(doc, "m");
  YTransaction *txn = begin(doc);
  YInput v = yinput_float(NAN);
  ymap_insert(m, txn, "nan", &v);
  v = yinput_string("s");
  ymap_insert(m, txn, "s", &v);
  YInput values[] = { yinput_long(INT64_MIN), yinput_json("[true,null]") };
  char *keys[] = { (char *)"i", (char *)"j" };
  v = yinput_json_map(keys, values, 2);
  ymap_insert(m, txn, "o", &v);
  assert_int_equal(ymap_len(m, txn), 3);
  YOutput *out = ymap_get(m, txn, "nan");
  assert_true(isnan(*youtput_read_float(out)));
  youtput_destroy(out);
  out = ymap_get(m, txn, "o");
  assert_int_equal(out->len, 2);
  for (uint32_t i = 0; i < 2; i++) {
    const YMapEntry *e = &youtput_read_json_map(out)[i];
    if (e->key[0] == 'i') {
      assert_true(*youtput_read_long(e->value) == INT64_MIN);
    } else {
      assert_int_equal(e->value->len, 2);
      assert_int_equal(*youtput_read_bool(&youtput_read_json_array(e->value)[0]), Y_TRUE);
      assert_int_equal(youtput_read_json_array(e->value)[1].tag, Y_JSON_NULL);
    }
  }
  youtput_destroy(out);
  is(ymap_get_json(m, txn, "s"), "\"s\"");
  assert_null(ymap_get_json(m, txn, "none"));
  assert_null(ymap_get(m, txn, "none"));
  YMapIter *it = ymap_iter(m, txn);
  int n = 0;
  for (YMapEntry *e; (e = ymap_iter_next(it)) != NULL; n++)
    ymap_entry_destroy(e);
  ymap_iter_destroy(it);
  ymap_entry_destroy(NULL);
  assert_int_equal(n, 3);
  assert_int_equal(ymap_remove(m, txn, "s"), 1);
  assert_int_equal(ymap_remove(m, txn, "s"), 0);
  /* What is no JSON is not set. */
  v = yinput_json("{\"a\":}");
  ymap_insert(m, txn, "bad", &v);
  assert_int_equal(ymap_len(m, txn), 2);
  ymap_remove_all(m, txn);
  assert_int_equal(ymap_len(m, txn), 0);
  ytransaction_commit(txn);
  ydoc_destroy(doc);
}

static void json_input(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1);
  Branch *m = ymap(doc, "m");
  YTransaction *txn = begin(doc);
  static const struct {
    const char *json;
    int8_t tag;
    double number;
    int64_t integer;
    const char *string;
  } cases[] = {
    { "9007199254740991", Y_JSON_NUM, 9007199254740991.0, 0, NULL },
    { "9007199254740993", Y_JSON_INT, 0, 9007199254740993, NULL },
    { "-36028797018963968", Y_JSON_INT, 0, -36028797018963968, NULL },
    { "1e400", Y_JSON_NUM, INFINITY, 0, NULL },
    { "-0.5e1", Y_JSON_NUM, -5, 0, NULL },
    { "\"\\ud83d\\ude00\\n\\\"\\u00e9\"", Y_JSON_STR, 0, 0, "\xf0\x9f\x98\x80\n\"\xc3\xa9" },
    { "\"\\ud83dx\"", Y_JSON_STR, 0, 0, "\xef\xbf\xbdx" },
    { " null ", Y_JSON_NULL, 0, 0, NULL },
    { "[]", Y_JSON_ARR, 0, 0, NULL },
    { "{}", Y_JSON_MAP, 0, 0, NULL },
  };
  static const char *const bad[] = { "", " ", "[1,]", "{1:2}", "01", "1.", "nul", "\"\\x\"", "\"", "[1 2]", "1 2", "-", "\"\t\"" };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    YInput in = yinput_json(cases[i].json);
    ymap_insert(m, txn, "k", &in);
    YOutput *out = ymap_get(m, txn, "k");
    assert_non_null(out);
    assert_int_equal(out->tag, cases[i].tag);
    if (out->tag == Y_JSON_NUM)
      assert_true(*youtput_read_float(out) == cases[i].number);
    if (out->tag == Y_JSON_INT)
      assert_true(*youtput_read_long(out) == cases[i].integer);
    if (out->tag == Y_JSON_STR)
      assert_string_equal(youtput_read_string(out), cases[i].string);
    youtput_destroy(out);
  }
  ymap_remove_all(m, txn);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    YInput in = yinput_json(bad[i]);
    ymap_insert(m, txn, "k", &in);
    assert_int_equal(ymap_len(m, txn), 0);
  }
  /* As deep as it may get, and deeper. */
  char deep[1200];
  memset(deep, '[', 600);
  memset(deep + 600, ']', 599);
  deep[1199] = 0;
  YInput in = yinput_json(deep);
  ymap_insert(m, txn, "k", &in);
  assert_int_equal(ymap_len(m, txn), 0);
  ytransaction_commit(txn);
  ydoc_destroy(doc);
}

static void xml(void **state)
{
  (void)state;
  YDoc *doc = doc_of(1);
  Branch *f = yxmlfragment(doc, "x");
  YTransaction *txn = begin(doc);
  Branch *p = yxmlelem_insert_elem(f, txn, 0, "p"), *q = yxmlelem_insert_elem(f, txn, 1, "q");
  Branch *t = yxmlelem_insert_text(p, txn, 0), *b = yxmlelem_insert_elem(p, txn, 1, "b");
  char *key = (char *)"i";
  YInput yes = yinput_bool(Y_TRUE), italic = yinput_json_map(&key, &yes, 1), v = yinput_string("c"), e = yinput_json("{}");
  assert_int_equal(ytype_kind(f), Y_XML_FRAG);
  assert_int_equal(ytype_kind(p), Y_XML_ELEM);
  assert_int_equal(ytype_kind(t), Y_XML_TEXT);
  assert_null(yxmlelem_tag(f));
  yxmltext_insert(t, txn, 0, "hello", NULL);
  yxmltext_format(t, txn, 1, 3, &italic);
  yxmltext_insert_embed(t, txn, 5, &e, NULL);
  assert_int_equal(yxmltext_len(t, txn), 6);
  yxmltext_remove_range(t, txn, 5, 1);
  yxmltext_insert(t, txn, 5, "!", NULL);
  yxmlelem_insert_attr(p, txn, "class", &v);
  yxmltext_insert_attr(t, txn, "lang", &v);
  is(yxmltext_string(t, txn), "h<i>ell</i>o!");
  is(yxmlelem_string(f, txn), "<p class=\"c\">h<i>ell</i>o!<b></b></p><q></q>");
  is_str(yxmlelem_get_attr(p, txn, "class"), "c");
  is_str(yxmltext_get_attr(t, txn, "lang"), "c");
  YXmlAttrIter *i = yxmlelem_attr_iter(p, txn);
  YXmlAttr *attr = yxmlattr_iter_next(i);
  assert_string_equal(attr->name, "class");
  assert_string_equal(youtput_read_string(attr->value), "c");
  yxmlattr_destroy(attr);
  assert_null(yxmlattr_iter_next(i));
  yxmlattr_iter_destroy(i);
  i = yxmltext_attr_iter(t, txn);
  yxmlattr_destroy(yxmlattr_iter_next(i));
  yxmlattr_destroy(NULL);
  yxmlattr_iter_destroy(i);
  yxmlelem_remove_attr(p, txn, "class");
  yxmltext_remove_attr(t, txn, "lang");
  assert_null(yxmlelem_get_attr(p, txn, "class"));
  assert_null(yxmltext_get_attr(t, txn, "lang"));
  assert_ptr_equal(yxmlelem_parent(b), p);
  assert_ptr_equal(yxmlelem_parent(p), f);
  assert_null(yxmlelem_parent(f));
  YOutput *out = yxmlelem_first_child(p);
  assert_ptr_equal(youtput_read_yxmltext(out), t);
  youtput_destroy(out);
  out = yxml_next_sibling(t, txn);
  assert_ptr_equal(youtput_read_yxmlelem(out), b);
  youtput_destroy(out);
  out = yxml_prev_sibling(b, txn);
  assert_ptr_equal(youtput_read_yxmltext(out), t);
  youtput_destroy(out);
  assert_null(yxml_next_sibling(q, txn));
  assert_null(yxml_prev_sibling(p, txn));
  assert_null(yxmlelem_first_child(q));
  assert_int_equal(yxmlelem_child_len(f, txn), 2);
  out = (YOutput *)(uintptr_t)yxmlelem_get(f, txn, 1);
  assert_ptr_equal(youtput_read_yxmlelem(out), q);
  youtput_destroy(out);
  assert_null(yxmlelem_get(f, txn, 2));
  YXmlTreeWalker *w = yxmlelem_tree_walker(f, txn);
  const Branch *order[] = { p, t, b, q };
  for (int k = 0; k < 4; k++) {
    out = yxmlelem_tree_walker_next(w);
    assert_ptr_equal(out->value.y_type, order[k]);
    youtput_destroy(out);
  }
  assert_null(yxmlelem_tree_walker_next(w));
  assert_null(yxmlelem_tree_walker_next(w));
  yxmlelem_tree_walker_destroy(w);
  yxmlelem_remove_range(f, txn, 0, 1);
  is(yxmlelem_string(f, txn), "<q></q>");
  assert_int_equal(ybranch_alive(t), 0);
  ytransaction_commit(txn);
  ydoc_destroy(doc);
}

static void links(void **state)
{
  (void)state;
  YDoc *doc = doc_with(1, Y_OFFSET_BYTES);
  Branch *t = ytext(doc, "t"), *m = ymap(doc, "m"), *a = yarray(doc, "a"), *at = NULL;
  Branch *x = yxmlfragment(doc, "x");
  YTransaction *txn = begin(doc);
  YInput items[] = { yinput_long(1), yinput_long(2), yinput_long(3) };
  uint32_t from = 2, to = 4, beyond = 9;
  ytext_insert(t, txn, 0, "\xc3\xa4" "bcd", NULL);
  yarray_insert_range(a, txn, 0, items, 3);
  ymap_insert(m, txn, "k", &items[2]);
  assert_null(ytext_quote(t, txn, &from, &beyond, 0, 0));
  assert_null(ymap_link(m, txn, "none"));
  const Weak *unused = ymap_link(m, txn, "k");
  yweak_destroy(unused);
  yweak_destroy(NULL);
  YInput in = yinput_weak(ytext_quote(t, txn, &from, &to, 0, 0));
  ymap_insert(m, txn, "text", &in);
  in = yinput_weak(yarray_quote(a, txn, NULL, &from, 0, 1));
  ymap_insert(m, txn, "array", &in);
  in = yinput_weak(ymap_link(m, txn, "k"));
  yarray_insert_range(a, txn, 3, &in, 1);
  YOutput *out = ymap_get(m, txn, "text");
  Branch *text = youtput_read_yweak(out);
  youtput_destroy(out);
  out = ymap_get(m, txn, "array");
  Branch *array = youtput_read_yweak(out);
  youtput_destroy(out);
  out = yarray_get(a, txn, 3);
  Branch *entry = youtput_read_yweak(out);
  youtput_destroy(out);
  assert_int_equal(ytype_kind(text), Y_WEAK_LINK);
  assert_null(ybranch_json(text, txn));
  is(yweak_string(text, txn), "bcd");
  uint32_t first = 77, last = 77;
  yweak_read(text, txn, &at, &first, &last);
  assert_ptr_equal(at, t);
  assert_int_equal(first, 2);
  assert_int_equal(last, 4);
  YWeakIter *i = yweak_iter(array, txn);
  is_long(yweak_iter_next(i), 1);
  is_long(yweak_iter_next(i), 2);
  assert_null(yweak_iter_next(i));
  yweak_iter_destroy(i);
  is_long(yweak_deref(entry, txn), 3);
  assert_int_equal(ymap_remove(m, txn, "k"), 1);
  assert_null(yweak_deref(entry, txn));
  Branch *xt = yxmlelem_insert_text(x, txn, 0);
  char *key = (char *)"b";
  YInput yes = yinput_bool(Y_TRUE), bold = yinput_json_map(&key, &yes, 1);
  yxmltext_insert(xt, txn, 0, "abcd", NULL);
  yxmltext_format(xt, txn, 1, 2, &bold);
  from = 2;
  to = 3;
  in = yinput_weak(ytext_quote(xt, txn, &from, &to, 0, 0));
  ymap_insert(m, txn, "xml", &in);
  out = ymap_get(m, txn, "xml");
  is(yweak_xml_string(youtput_read_yweak(out), txn), "<b>c</b>d");
  youtput_destroy(out);
  ytransaction_commit(txn);
  ydoc_destroy(doc);
}

static void places(void **state)
{
  (void)state;
  YDoc *doc = doc_with(1, Y_OFFSET_BYTES), *other = doc_with(2, Y_OFFSET_BYTES);
  Branch *t = ytext(doc, "t"), *at = NULL;
  YTransaction *txn = begin(doc);
  ytext_insert(t, txn, 0, "\xc3\xa4" "bc", NULL);
  YStickyIndex *pos = ysticky_index_from_index(t, txn, 2, 0), *left = ysticky_index_from_index(t, txn, 2, -7);
  assert_null(ysticky_index_from_index(t, txn, 9, 0));
  assert_int_equal(ysticky_index_assoc(pos), 0);
  assert_int_equal(ysticky_index_assoc(left), -1);
  uint32_t len, index = 77;
  char *bytes = ysticky_index_encode(pos, &len), *json = ysticky_index_to_json(left);
  YStickyIndex *a = ysticky_index_decode(bytes, len), *b = ysticky_index_from_json(json);
  assert_null(ysticky_index_decode("\xff", 1));
  assert_null(ysticky_index_from_json("nothing"));
  ytext_insert(t, txn, 2, "\xc3\xb6", NULL);
  ysticky_index_read(a, txn, &at, &index);
  assert_ptr_equal(at, t);
  assert_int_equal(index, 4);
  ysticky_index_read(b, txn, &at, &index);
  assert_int_equal(index, 2);
  ytransaction_commit(txn);
  /* Elsewhere it is not known. */
  txn = begin(other);
  index = 77;
  ysticky_index_read(a, txn, &at, &index);
  assert_int_equal(index, 77);
  ytransaction_commit(txn);
  ysticky_index_destroy(pos);
  ysticky_index_destroy(left);
  ysticky_index_destroy(a);
  ysticky_index_destroy(b);
  ybinary_destroy(bytes, len);
  ystring_destroy(json);
  ydoc_destroy(doc);
  ydoc_destroy(other);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(text_is_counted_as_asked), cmocka_unit_test(formats_and_embeds), cmocka_unit_test(deltas),
    cmocka_unit_test(arrays),                   cmocka_unit_test(maps),               cmocka_unit_test(json_input),
    cmocka_unit_test(xml),                      cmocka_unit_test(links),              cmocka_unit_test(places),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
