/* Decoders of other servers' files, byte by byte, and what a document on its way remembers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "port/base64.h"
#include "port/inflate.h"
#include "port/names.h"
#include "port/pycrdt_file.h"
#include "port/source.h"
#include "port/yleveldb_key.h"
#include "port/ysweet.h"
#include "support/support.h"

#include <zlib.h>

/* const d = new Y.Doc(); d.clientID = 1; d.getText('t').insert(0, 'a'); Y.encodeStateAsUpdate(d), and V2 of it */
static const uint8_t update_v1[] = { 1, 1, 1, 0, 4, 1, 1, 't', 1, 'a', 0 };
static const uint8_t sv_1_1[] = { 1, 1, 1 };

static gesso_bytes v1(void)
{
  return (gesso_bytes){ update_v1, sizeof update_v1 };
}

static gesso_buffer v2(void)
{
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_buffer out = { 0 };
  assert_int_equal(gesso_doc_apply_v1(doc, v1(), NULL), GESSO_OK);
  assert_int_equal(gesso_doc_encode_v2(doc, (gesso_bytes){ NULL, 0 }, &out, NULL), GESSO_OK);
  gesso_doc_destroy(doc);
  return out;
}

/* ---- y-sweet ---- */

static void put_le(gs_buf *out, uint64_t x)
{
  for (int i = 0; i < 8; i++)
    gs_buf_put(out, (uint8_t)(x >> (8 * i)));
}

static void put_entry(gs_buf *out, gesso_bytes key, gesso_bytes value)
{
  put_le(out, key.len);
  gs_buf_write(out, key.data, key.len);
  put_le(out, value.len);
  gs_buf_write(out, value.data, value.len);
}

static gs_buf sweet_file(uint64_t count, int swapped)
{
  gs_buf out = gs_buf_make(NULL);
  gesso_bytes name = BYTES(0, 0, 'd', 'o', 'c', 0), state = BYTES(0, 1, 0, 0, 0, 9, 0), number = BYTES(0, 0, 0, 9);
  put_le(&out, count);
  put_entry(&out, swapped ? state : name, swapped ? v1() : number);
  put_entry(&out, swapped ? name : state, swapped ? number : v1());
  return out;
}

static void a_torn_ysweet_file_is_refused_at_every_byte(void **state)
{
  (void)state;
  gs_buf file = sweet_file(2, 0);
  gs_ysweet_entry *entries;
  size_t count;
  gesso_error error;
  assert_true(gs_ysweet_looks_like(gs_buf_bytes(&file)));
  assert_int_equal(gs_ysweet_parse(gs_buf_bytes(&file), &entries, &count, &error), GESSO_OK);
  assert_int_equal(count, 2);
  assert_bytes_equal(entries[1].value, v1());
  gs_ysweet_free(entries, count);
  for (size_t n = 0; n < file.b.len; n++) {
    /* a copy of its own, so that reading past the end is seen */
    uint8_t *copy = malloc(n + 1);
    memcpy(copy, file.b.data, n);
    gesso_status s = gs_ysweet_parse((gesso_bytes){ copy, n }, &entries, &count, &error);
    assert_int_equal(s, GESSO_E_TRUNCATED);
    assert_null(entries);
    assert_true(error.offset <= n);
    free(copy);
  }
  gs_buf_put(&file, 0);
  assert_int_equal(gs_ysweet_parse(gs_buf_bytes(&file), &entries, &count, &error), GESSO_E_CORRUPT);
  gs_buf_finish(&file);
}

static void counts_lengths_and_the_order_of_keys_are_checked(void **state)
{
  (void)state;
  static const uint64_t wrong[] = { 1, 3, UINT32_MAX, UINT64_MAX, UINT64_C(1) << 63 };
  gs_ysweet_entry *entries;
  size_t count;
  for (size_t i = 0; i < GS_TEST_COUNT(wrong); i++) {
    gs_buf file = sweet_file(wrong[i], 0);
    assert_int_not_equal(gs_ysweet_parse(gs_buf_bytes(&file), &entries, &count, NULL), GESSO_OK);
    gs_buf_finish(&file);
  }
  gs_buf file = sweet_file(2, 1);
  assert_int_equal(gs_ysweet_parse(gs_buf_bytes(&file), &entries, &count, NULL), GESSO_E_CORRUPT);
  gs_buf_finish(&file);
}

/* ---- FileYStore ---- */

static void a_file_store_is_read_in_both_versions(void **state)
{
  (void)state;
  static const uint8_t two[] = "VERSION:2\n\3abc\1m\x08" "12345678\0\0\x08" "12345678";
  static const uint8_t one[] = "VERSION:1\n\3abc\1m";
  gesso_bytes update;
  gs_reader rd = gs_reader_of((gesso_bytes){ two, sizeof two - 1 });
  assert_int_equal(gs_pycrdt_file_head(&rd), 2);
  assert_true(gs_pycrdt_file_next(&rd, 2, &update));
  assert_bytes_equal(update, TEXT("abc"));
  assert_true(gs_pycrdt_file_next(&rd, 2, &update));
  assert_int_equal(update.len, 0);
  assert_int_equal(gs_reader_left(&rd), 0);
  rd = gs_reader_of((gesso_bytes){ one, sizeof one - 1 });
  assert_int_equal(gs_pycrdt_file_head(&rd), 1);
  assert_true(gs_pycrdt_file_next(&rd, 1, &update) && gs_reader_left(&rd) == 0);
  rd = gs_reader_of((gesso_bytes){ two, 20 });
  assert_int_equal(gs_pycrdt_file_head(&rd), 2);
  assert_false(gs_pycrdt_file_next(&rd, 2, &update));
  assert_int_equal(rd.err, GESSO_E_TRUNCATED);
  rd = gs_reader_of(TEXT("VERSION:3\n"));
  assert_int_equal(gs_pycrdt_file_head(&rd), 0);
  assert_int_equal(rd.err, GESSO_E_VERSION);
}

/* ---- y-leveldb ---- */

static void keys_of_y_leveldb_are_told_apart(void **state)
{
  (void)state;
  gesso_bytes update = BYTES(0, 2, 'v', '1', 0, 1, 'd', 0, 6, 'u', 'p', 'd', 'a', 't', 'e', 1, 0, 0, 1, 5);
  gesso_bytes meta = BYTES(0, 2, 'v', '1', 0, 1, 'd', 0, 4, 'm', 'e', 't', 'a', 0, 2, 'k', 'y');
  gesso_bytes vector = BYTES(0, 5, 'v', '1', '_', 's', 'v', 0, 1, 'd');
  gs_ykey key;
  gesso_error error;
  assert_int_equal(gs_ykey_parse(update, &key, &error), GESSO_OK);
  assert_int_equal(key.kind, GS_YKEY_UPDATE);
  assert_int_equal(key.clock, 261);
  assert_bytes_equal(key.name, TEXT("d"));
  assert_int_equal(gs_ykey_parse(meta, &key, &error), GESSO_OK);
  assert_int_equal(key.kind, GS_YKEY_META);
  assert_bytes_equal(key.meta, TEXT("ky"));
  assert_int_equal(gs_ykey_parse(vector, &key, &error), GESSO_OK);
  assert_int_equal(key.kind, GS_YKEY_VECTOR);
  for (size_t n = 0; n < update.len; n++)
    assert_int_not_equal(gs_ykey_parse((gesso_bytes){ update.data, n }, &key, &error), GESSO_OK);
  assert_int_equal(gs_ykey_parse(BYTES(0, 2, 'v', '2', 0, 1, 'd'), &key, &error), GESSO_E_CORRUPT);
  assert_int_equal(gs_ykey_parse(BYTES(0, 5, 'v', '1', '_', 's', 'v', 0, 1, 'd', 0), &key, &error), GESSO_E_CORRUPT);
  gs_buf prefix = gs_buf_make(NULL);
  gs_ykey_prefix(&prefix, GS_YKEY_UPDATE, &(gesso_bytes){ (const uint8_t *)"d", 1 });
  assert_bytes_equal(gs_buf_bytes(&prefix), ((gesso_bytes){ update.data, update.len - 5 }));
  gs_buf_finish(&prefix);
}

/* ---- names ---- */

static void names_become_file_names_and_come_back(void **state)
{
  (void)state;
  static const char *const pairs[][2] = {
    { "plan", "plan" }, { "a/b c", "a%2Fb%20c" }, { "..", "%2E." }, { "50%", "50%25" }, { "\xc3\xbc", "%C3%BC" }, { "", "" },
  };
  gs_buf out = gs_buf_make(NULL);
  for (size_t i = 0; i < GS_TEST_COUNT(pairs); i++) {
    gs_buf_clear(&out);
    gs_port_encode_name(CSTR(pairs[i][0]), &out);
    assert_bytes_equal(gs_buf_bytes(&out), CSTR(pairs[i][1]));
    gs_buf_clear(&out);
    assert_true(gs_port_decode_name(CSTR(pairs[i][1]), &out));
    assert_bytes_equal(gs_buf_bytes(&out), CSTR(pairs[i][0]));
  }
  /* What is no such encoding stays as it is. */
  gs_buf_clear(&out);
  assert_false(gs_port_decode_name(TEXT("100%.bin%41"), &out));
  assert_bytes_equal(gs_buf_bytes(&out), TEXT("100%.bin%41"));
  uint8_t longest[512];
  memset(longest, '/', sizeof longest);
  gs_buf file = gs_buf_make(NULL);
  gs_port_encode_name((gesso_bytes){ longest, sizeof longest }, &file);
  size_t part = 0;
  for (size_t i = 0; i < file.b.len; i++) {
    part = file.b.data[i] == '/' ? 0 : part + 1;
    assert_true(part <= 210);
  }
  gs_buf_clear(&out);
  assert_true(gs_port_decode_name(gs_buf_bytes(&file), &out));
  assert_bytes_equal(gs_buf_bytes(&out), ((gesso_bytes){ longest, sizeof longest }));
  gs_buf_finish(&file);
  gs_buf_finish(&out);
}

static void paths_give_names(void **state)
{
  (void)state;
  static const char *const pairs[][2] = {
    { "plan.bin", "plan" }, { "a/b.v2", "a/b" }, { "notes.md", "notes.md" }, { "x/data.ysweet", "x" }, { ".bin", ".bin" },
    { "a%2Fb.excalidraw", "a/b" }, { "v1.v1", "v1" },
  };
  gs_buf out = gs_buf_make(NULL);
  for (size_t i = 0; i < GS_TEST_COUNT(pairs); i++) {
    gs_buf_clear(&out);
    gs_port_name_of_path(pairs[i][0], &out);
    assert_bytes_equal(gs_buf_bytes(&out), CSTR(pairs[i][1]));
  }
  gs_buf_finish(&out);
}

static void base64_goes_both_ways(void **state)
{
  (void)state;
  gs_buf text = gs_buf_make(NULL), back = gs_buf_make(NULL);
  for (size_t n = 0; n < 40; n++) {
    uint8_t bytes[40];
    for (size_t i = 0; i < n; i++)
      bytes[i] = (uint8_t)(i * 89 + n * 7);
    gs_buf_clear(&text);
    gs_buf_clear(&back);
    gs_base64_encode((gesso_bytes){ bytes, n }, &text);
    assert_int_equal(text.b.len, (n + 2) / 3 * 4);
    assert_true(gs_base64_decode(gs_buf_bytes(&text), &back));
    assert_bytes_equal(gs_buf_bytes(&back), ((gesso_bytes){ bytes, n }));
  }
  gs_buf_clear(&text);
  gs_base64_encode(TEXT("light w"), &text);
  assert_bytes_equal(gs_buf_bytes(&text), TEXT("bGlnaHQgdw=="));
  assert_false(gs_base64_decode(TEXT("a!bc"), &back));
  assert_false(gs_base64_decode(TEXT("a"), &back));
  gs_buf_finish(&text);
  gs_buf_finish(&back);
}

/* ---- documents on their way ---- */

static void updates_are_told_apart_by_their_bytes(void **state)
{
  (void)state;
  gs_port_doc d;
  gs_port_doc_init(&d);
  uint8_t packed[100];
  uLongf packed_len = sizeof packed;
  assert_int_equal(compress(packed, &packed_len, update_v1, sizeof update_v1), Z_OK);
  gesso_buffer other = v2();
  assert_true(gs_port_apply(&d, v1(), GS_PORT_ANY, "one"));
  assert_true(gs_port_apply(&d, (gesso_bytes){ packed, packed_len }, GS_PORT_ANY, "two"));
  assert_true(gs_port_apply(&d, (gesso_bytes){ other.data, other.len }, GS_PORT_ANY, "three"));
  assert_true(gs_port_apply(&d, BYTES(0, 0), GS_PORT_ANY, "four"));
  assert_int_equal(d.updates, 4);
  assert_int_equal(d.inflated, 1);
  assert_int_equal(d.v2, 1);
  assert_int_equal(d.empty_updates, 1);
  assert_false(d.damaged);
  assert_false(gs_port_apply(&d, (gesso_bytes){ packed, packed_len - 3 }, GS_PORT_ANY, "row %d", 5));
  assert_false(gs_port_apply(&d, (gesso_bytes){ NULL, 0 }, GS_PORT_ANY, "row %d", 6));
  assert_false(gs_port_apply(&d, (gesso_bytes){ other.data, other.len }, GS_PORT_V1, "row %d", 7));
  assert_true(d.damaged);
  gs_buf_put(&d.damage, 0);
  assert_non_null(strstr((const char *)d.damage.b.data, "row 5: byte "));
  assert_non_null(strstr((const char *)d.damage.b.data, "row 6: it is empty"));
  gesso_buffer_free(&other);
  gs_port_doc_finish(&d);
}

static void a_state_vector_tells_what_is_missing(void **state)
{
  (void)state;
  gs_port_doc d;
  gs_port_doc_init(&d);
  assert_true(gs_port_apply(&d, v1(), GS_PORT_V1, "it"));
  gs_port_expect(&d, (gesso_bytes){ sv_1_1, sizeof sv_1_1 }, "here");
  gs_port_expect(&d, BYTES(0), "here");
  assert_false(d.damaged);
  gs_port_expect(&d, BYTES(1, 1, 2), "here");
  assert_true(d.damaged);
  gs_port_doc_clear(&d);
  assert_false(d.damaged);
  gs_port_expect(&d, (gesso_bytes){ sv_1_1, sizeof sv_1_1 }, "an empty one");
  assert_true(d.damaged);
  gs_port_doc_clear(&d);
  gs_port_expect(&d, BYTES(200, 1, 1), "a count past the end");
  assert_true(d.damaged);
  gs_port_doc_clear(&d);
  gs_port_expect(&d, BYTES(1, 1, 1, 7), "bytes after it");
  assert_true(d.damaged);
  gs_port_doc_finish(&d);
}

static void damage_is_bounded_and_moves_no_cursor(void **state)
{
  (void)state;
  gs_port_doc d;
  gs_port_doc_init(&d);
  for (int i = 0; i < 10000; i++)
    gs_port_damage(&d, "row %d \033[2J\r", i);
  assert_true(d.damage.b.len < 5000);
  assert_null(memchr(d.damage.b.data, 033, d.damage.b.len));
  gs_port_doc_finish(&d);
}

static void what_is_packed_cannot_grow_without_end(void **state)
{
  (void)state;
  enum { PLAIN = 5 << 20 };
  uint8_t *plain = calloc(1, PLAIN), *packed = malloc(compressBound(PLAIN));
  uLongf n = compressBound(PLAIN);
  assert_int_equal(compress(packed, &n, plain, PLAIN), Z_OK);
  gs_buf out = gs_buf_make(NULL);
  assert_int_equal(gs_inflate((gesso_bytes){ packed, n }, PLAIN - 1, &out), GESSO_E_LIMIT);
  assert_true(out.b.capacity < 4 * (size_t)PLAIN);
  gs_buf_clear(&out);
  assert_int_equal(gs_inflate((gesso_bytes){ packed, n }, PLAIN + 1, &out), GESSO_OK);
  assert_int_equal(out.b.len, PLAIN);
  gs_buf_clear(&out);
  assert_int_equal(gs_inflate((gesso_bytes){ packed, n / 2 }, PLAIN + 1, &out), GESSO_E_TRUNCATED);
  gs_buf_finish(&out);
  free(plain);
  free(packed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_torn_ysweet_file_is_refused_at_every_byte),
    cmocka_unit_test(counts_lengths_and_the_order_of_keys_are_checked),
    cmocka_unit_test(a_file_store_is_read_in_both_versions),
    cmocka_unit_test(keys_of_y_leveldb_are_told_apart),
    cmocka_unit_test(names_become_file_names_and_come_back),
    cmocka_unit_test(paths_give_names),
    cmocka_unit_test(base64_goes_both_ways),
    cmocka_unit_test(updates_are_told_apart_by_their_bytes),
    cmocka_unit_test(a_state_vector_tells_what_is_missing),
    cmocka_unit_test(damage_is_bounded_and_moves_no_cursor),
    cmocka_unit_test(what_is_packed_cannot_grow_without_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
