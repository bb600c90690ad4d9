/* Applying an update must never crash, hang, pass its memory cap, or change the document when it fails;
 * when it succeeds the document must hold all invariants, encode to something that loads to the
 * same, and take the same updates in the other order to the same end.
 *
 * The first byte chooses: 1 no gc, 2 the target has content before, 4 edit after, 8 everything is observed. The rest is
 * cut in two updates by a length in the next two bytes. */
#include "fuzz.h"
#include "gesso/events.h"
#include "gesso/types.h"
#include "gesso/weak.h"

#include <stdlib.h>
#include <string.h>

enum { MEMORY_MAX = 64 << 20 };

static gesso_bytes str(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

static unsigned touched;
static int lost; /* an update of which the mirror has nothing */

static void touch(gesso_bytes b)
{
  for (size_t i = 0; i < b.len; i++)
    touched += b.data[i];
}

static void touch_value(const gesso_value *v)
{
  touch(v->bytes);
  for (size_t i = 0; i < v->count; i++) {
    if (v->keys != NULL)
      touch(v->keys[i]);
    touch_value(&v->items[i]);
  }
}

/* Follows the weak links in the root "r", wherever they lead. */
static void touch_links(gesso_doc *doc)
{
  gesso_values all, got;
  if (gesso_map_entries(doc, gesso_doc_find_root(doc, str("r")), &all) != GESSO_OK)
    return;
  for (size_t i = 0; i < all.count; i++) {
    if (all.items[i].kind != GESSO_VALUE_TYPE || all.items[i].type != GESSO_WEAK_LINK)
      continue;
    gesso_type link = all.items[i].ref, type;
    gesso_buffer b;
    uint64_t from, end;
    if (gesso_weak_values(doc, link, &got) == GESSO_OK)
      for (size_t k = 0; k < got.count; k++)
        touch_value(&got.items[k]);
    gesso_values_free(&got);
    if (gesso_weak_to_string(doc, link, &b) == GESSO_OK)
      touch((gesso_bytes){ b.data, b.len });
    gesso_buffer_free(&b);
    if (gesso_weak_to_xml(doc, link, &b) == GESSO_OK)
      touch((gesso_bytes){ b.data, b.len });
    gesso_buffer_free(&b);
    gesso_type_kind kind;
    if (gesso_weak_range(doc, link, &type, &from, &end) != GESSO_OK)
      continue;
    FUZZ_CHECK(from <= end);
    /* The length of a map is that of its keys, though it may have elements as well. */
    if (gesso_type_get_kind(doc, type, &kind) == GESSO_OK && kind != GESSO_MAP && kind != GESSO_XML_HOOK)
      FUZZ_CHECK(end <= gesso_type_length(doc, type));
  }
  gesso_values_free(&all);
}

/* Reads every byte that an event points to. */
static void on_deep(void *ctx, gesso_doc *doc, const gesso_event *events, size_t count)
{
  (void)ctx;
  FUZZ_CHECK(count > 0);
  touch_links(doc);
  for (size_t i = 0; i < count; i++) {
    const gesso_event *e = &events[i];
    FUZZ_CHECK(i == 0 || events[i - 1].path_length <= e->path_length);
    FUZZ_CHECK((e->path_length == 0) == (e->target == e->observed) && !gesso_type_is_deleted(doc, e->target));
    for (size_t k = 0; k < e->path_length; k++)
      touch(e->path[k].key);
    for (size_t k = 0; k < e->delta_length; k++) {
      const gesso_change *c = &e->delta[k];
      for (size_t j = 0; j < c->nvalues; j++)
        touch_value(&c->values[j]);
      for (size_t j = 0; j < c->nattributes; j++) {
        touch(c->attribute_keys[j]);
        touch_value(&c->attribute_values[j]);
      }
    }
    for (size_t k = 0; k < e->keys_length; k++) {
      touch(e->keys[k].key);
      if (e->keys[k].old_value != NULL)
        touch_value(e->keys[k].old_value);
      if (e->keys[k].new_value != NULL)
        touch_value(e->keys[k].new_value);
    }
  }
}

static void on_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  (void)doc;
  (void)origin;
  (void)local;
  gesso_status st = update.len > 0 ? gesso_doc_apply_v2(ctx, update, NULL) : GESSO_E_NOMEM;
  FUZZ_CHECK(st == GESSO_OK || st == GESSO_E_NOMEM);
  lost |= st != GESSO_OK;
}

static void observe(gesso_doc *doc, gesso_doc *mirror)
{
  static const gesso_type_kind kinds[] = { GESSO_TEXT, GESSO_ARRAY, GESSO_MAP, GESSO_XML_FRAGMENT };
  static const char *const roots[] = { "t", "a", "r", "" };
  gesso_subscription sub;
  for (size_t i = 0; i < 4; i++)
    FUZZ_CHECK(gesso_type_observe_deep(doc, gesso_doc_root(doc, str(roots[i]), kinds[i]), on_deep, NULL, &sub) ==
               GESSO_OK);
  FUZZ_CHECK(gesso_doc_observe_update(doc, 2, on_update, mirror, &sub) == GESSO_OK);
}

static gesso_doc *make(uint8_t how)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = 77, .memory_max = MEMORY_MAX,
                          .flags = how & 1 ? GESSO_DOC_NO_GC : 0 };
  gesso_doc *doc = gesso_doc_create(&o);
  FUZZ_CHECK(doc != NULL);
  gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  if (how & 2) {
    FUZZ_CHECK(gesso_text_insert(doc, t, 0, str("h\xf0\x9f\x98\x80llo"), (gesso_bytes){ NULL, 0 }) == GESSO_OK);
    FUZZ_CHECK(gesso_text_insert(doc, t, 1, str("b"), str("{\"bold\":true}")) == GESSO_OK);
  }
  return doc;
}

static gesso_buffer state_of(gesso_doc *doc)
{
  gesso_buffer b;
  FUZZ_CHECK(gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &b, NULL) == GESSO_OK);
  return b;
}

static void check(gesso_doc *doc)
{
  gesso_error why;
  if (gesso_doc_check(doc, &why) != GESSO_OK) {
    fprintf(stderr, "%s\n", why.message);
    FUZZ_CHECK(0);
  }
}

static int same(gesso_buffer a, gesso_buffer b)
{
  return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static gesso_status apply(gesso_doc *doc, gesso_bytes update)
{
  gesso_buffer before = state_of(doc);
  gesso_error why = { GESSO_OK, 0, NULL };
  gesso_status st = gesso_doc_apply_v1(doc, update, &why);
  check(doc);
  if (st != GESSO_OK) {
    gesso_buffer after = state_of(doc);
    FUZZ_CHECK(same(before, after));
    FUZZ_CHECK(why.status == st && why.offset <= update.len && why.message != NULL);
    gesso_buffer_free(&after);
  }
  gesso_buffer_free(&before);
  return st;
}

static void read_everything(gesso_doc *doc)
{
  static const gesso_type_kind kinds[] = { GESSO_ARRAY, GESSO_MAP, GESSO_TEXT, GESSO_XML_ELEMENT, GESSO_XML_FRAGMENT,
                                           GESSO_XML_TEXT };
  static const char *const roots[] = { "t", "a", "r", "" };
  for (size_t i = 0; i < 4; i++) {
    gesso_type root = gesso_doc_root(doc, str(roots[i]), GESSO_TEXT);
    gesso_buffer out;
    for (size_t k = 0; k < 6; k++) {
      gesso_status st = gesso_type_to_json(doc, root, kinds[k], &out);
      FUZZ_CHECK(st == GESSO_OK || st == GESSO_E_LIMIT || st == GESSO_E_NOMEM);
      gesso_buffer_free(&out);
    }
    (void)!gesso_text_to_delta(doc, root, &out);
    gesso_buffer_free(&out);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 3)
    return 0;
  uint8_t how = data[0];
  size_t cut = (size_t)data[1] << 8 | data[2];
  data += 3;
  size -= 3;
  if (cut > size)
    cut = size;
  gesso_bytes one = fuzz_own(data, cut), two = fuzz_own(data + cut, size - cut);
  gesso_doc *doc = make(how);
  gesso_doc *mirror = NULL;
  lost = 0;
  if (how & 8) {
    mirror = make(0);
    observe(doc, mirror);
  }
  gesso_status a = apply(doc, one), b = apply(doc, two);
  if (a == GESSO_OK || b == GESSO_OK) {
    gesso_buffer all = state_of(doc);
    gesso_doc *copy = make(how & 1);
    gesso_status st = gesso_doc_apply_v1(copy, (gesso_bytes){ all.data, all.len }, NULL);
    FUZZ_CHECK(st == GESSO_OK || st == GESSO_E_NOMEM);
    check(copy);
    gesso_buffer sv, sv2;
    FUZZ_CHECK(gesso_doc_state_vector(doc, &sv) == GESSO_OK && gesso_doc_state_vector(copy, &sv2) == GESSO_OK);
    /* A pending struct of which a part is known loses its dependency on what the first part followed when it
     * is encoded without that part (as in Yjs), so a copy of a hostile state may get further. */
    gesso_doc_stats stats;
    gesso_doc_get_stats(doc, &stats);
    FUZZ_CHECK(st != GESSO_OK || stats.pending_structs > 0 || same(sv, sv2));
    gesso_buffer_free(&sv);
    gesso_buffer_free(&sv2);
    gesso_buffer_free(&all);
    gesso_doc_destroy(copy);
    read_everything(doc);
  }
  if (how & 4) {
    gesso_type t = gesso_doc_root(doc, str("t"), GESSO_TEXT);
    uint64_t n = gesso_type_length(doc, t);
    (void)!gesso_text_insert(doc, t, n / 2, str("x\xf0\x9f\x98\x80"), (gesso_bytes){ NULL, 0 });
    check(doc);
    (void)!gesso_text_format(doc, t, n / 3, gesso_type_length(doc, t) / 3, str("{\"i\":1}"));
    check(doc);
    (void)!gesso_text_remove(doc, t, n / 4, n / 2);
    check(doc);
  }
  if (mirror != NULL) {
    gesso_buffer sv, sv2;
    check(mirror);
    FUZZ_CHECK(gesso_doc_state_vector(doc, &sv) == GESSO_OK && gesso_doc_state_vector(mirror, &sv2) == GESSO_OK);
    /* What was there before was not told. */
    FUZZ_CHECK(lost || (how & 2) || same(sv, sv2));
    gesso_buffer_free(&sv);
    gesso_buffer_free(&sv2);
    gesso_doc_destroy(mirror);
  }
  gesso_doc_destroy(doc);
  fuzz_free(one);
  fuzz_free(two);
  return 0;
}
