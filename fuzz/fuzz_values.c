/* Reading what a hostile update made: all values, deltas, subdocuments, places and nodes; and editing it with a delta from
 * anywhere. Nothing may crash or hang, what was read must agree with lengths, and the document must stay whole.
 *
 * The first byte chooses: 1 no gc, 2 subdocuments are observed, 4 positions are counted in bytes before editing. The
 * rest is cut in an update and a delta in JSON by a length in the next two bytes. */
#include "fuzz.h"
#include "gesso/events.h"
#include "gesso/types.h"

#include <string.h>

enum { MEMORY_MAX = 64 << 20, TYPES_MAX = 2000, SUBDOCS_MAX = 16 };

static unsigned touched;

static gesso_bytes str(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

static void touch(gesso_bytes b)
{
  for (size_t i = 0; i < b.len; i++)
    touched += b.data[i];
}

static void check(gesso_doc *doc)
{
  gesso_error why;
  if (gesso_doc_check(doc, &why) != GESSO_OK) {
    fprintf(stderr, "%s\n", why.message);
    FUZZ_CHECK(0);
  }
}

/* Types that were seen and are still to be read: references can be few enough to follow all, or are left out. */
typedef struct reader {
  gesso_doc *doc;
  gesso_type types[TYPES_MAX];
  size_t n;
} reader;

static void note_type(reader *r, gesso_type type)
{
  if (type != 0 && r->n < TYPES_MAX)
    r->types[r->n++] = type;
}

static void touch_value(reader *r, const gesso_value *v)
{
  FUZZ_CHECK(v->kind <= GESSO_VALUE_DOC && v->kind != GESSO_VALUE_JSON);
  touch(v->bytes);
  for (size_t i = 0; i < v->count; i++) {
    if (v->kind == GESSO_VALUE_OBJECT)
      touch(v->keys[i]);
    touch_value(r, &v->items[i]);
  }
  if (v->kind == GESSO_VALUE_TYPE) {
    FUZZ_CHECK(v->ref != 0);
    note_type(r, v->ref);
  }
  if (v->kind == GESSO_VALUE_DOC) {
    FUZZ_CHECK(gesso_doc_parent(v->doc) == r->doc);
    touch(gesso_doc_guid(v->doc));
    touch(gesso_doc_meta_json(v->doc));
    touch(gesso_doc_collection_id(v->doc));
  }
}

static int fine(gesso_status st)
{
  FUZZ_CHECK(st == GESSO_OK || st == GESSO_E_NOMEM);
  return st == GESSO_OK;
}

static void read_places(gesso_doc *doc, gesso_type type)
{
  uint64_t bytes, units, length = gesso_type_length(doc, type);
  gesso_type_kind kind;
  if (gesso_type_get_kind(doc, type, &kind) != GESSO_OK || (kind != GESSO_TEXT && kind != GESSO_XML_TEXT))
    return;
  for (uint64_t at = 0; at <= length && at < 50; at++) {
    if (!fine(gesso_text_bytes_of_utf16(doc, type, at, &bytes)) ||
        !fine(gesso_text_utf16_of_bytes(doc, type, bytes, &units)))
      return;
    FUZZ_CHECK(units == at || units + 1 == at); /* the second half of a character goes to its start */
  }
  FUZZ_CHECK(gesso_text_bytes_of_utf16(doc, type, length + 1, &bytes) != GESSO_OK);
}

static void read_type(reader *r, gesso_type type)
{
  gesso_values v;
  gesso_changes d;
  gesso_type_kind kind;
  if (gesso_type_get_kind(r->doc, type, &kind) != GESSO_OK)
    return;
  touch(gesso_type_name(r->doc, type));
  FUZZ_CHECK(!gesso_type_is_deleted(r->doc, type));
  if (fine(gesso_array_get(r->doc, type, 0, UINT64_MAX, &v))) {
    FUZZ_CHECK(kind == GESSO_MAP || kind == GESSO_XML_HOOK || v.count == gesso_type_length(r->doc, type));
    for (size_t i = 0; i < v.count; i++)
      touch_value(r, &v.items[i]);
    gesso_values_free(&v);
  }
  if (fine(gesso_map_entries(r->doc, type, &v))) {
    FUZZ_CHECK((kind != GESSO_MAP && kind != GESSO_XML_HOOK) || v.count == gesso_type_length(r->doc, type));
    for (size_t i = 0; i < v.count; i++) {
      touch(v.keys[i]);
      touch_value(r, &v.items[i]);
    }
    gesso_values_free(&v);
  }
  if (fine(gesso_text_get_delta(r->doc, type, &d))) {
    for (size_t i = 0; i < d.count; i++)
      touch(d.items[i].values->bytes);
    gesso_changes_free(&d);
  }
  size_t steps = 0;
  for (gesso_type at = type; (at = gesso_xml_walk_next(r->doc, type, at)) != 0 && steps < TYPES_MAX; steps++)
    FUZZ_CHECK(!gesso_type_is_deleted(r->doc, at));
}

static void on_subdocs(void *ctx, gesso_doc *doc, const gesso_subdocs *s)
{
  (void)ctx;
  (void)doc;
  FUZZ_CHECK(s->nadded + s->nremoved + s->nloaded > 0);
  for (size_t i = 0; i < s->nremoved; i++)
    touch(gesso_doc_guid(s->removed[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const gesso_type_kind kinds[] = { GESSO_TEXT, GESSO_ARRAY, GESSO_MAP, GESSO_XML_FRAGMENT };
  static const char *const roots[] = { "t", "a", "r", "" };
  if (size < 3)
    return 0;
  uint8_t how = data[0];
  size_t cut = (size_t)data[1] << 8 | data[2];
  data += 3;
  size -= 3;
  if (cut > size)
    cut = size;
  gesso_doc_options o = { .size = sizeof o, .client_id = 77, .memory_max = MEMORY_MAX,
                          .flags = how & 1 ? GESSO_DOC_NO_GC : 0 };
  gesso_doc *doc = gesso_doc_create(&o);
  FUZZ_CHECK(doc != NULL);
  gesso_subscription sub;
  gesso_type t = 0;
  for (size_t i = 0; i < 4; i++) {
    gesso_type root = gesso_doc_root(doc, str(roots[i]), kinds[i]);
    t = i == 0 ? root : t;
  }
  FUZZ_CHECK((how & 2) == 0 || gesso_doc_observe_subdocs(doc, on_subdocs, NULL, &sub) == GESSO_OK);
  gesso_bytes first = fuzz_own(data, cut);
  (void)!gesso_doc_apply_v1(doc, first, NULL);
  fuzz_free(first);

  reader r = { .doc = doc };
  for (size_t i = 0; i < 4; i++)
    note_type(&r, gesso_doc_find_root(doc, str(roots[i])));
  for (size_t i = 0; i < r.n; i++)
    read_type(&r, r.types[i]);
  gesso_doc *subdocs[SUBDOCS_MAX];
  size_t n = gesso_doc_subdocs(doc, subdocs, SUBDOCS_MAX);
  if (n > 0)
    (void)gesso_doc_load(subdocs[0]);
  if (n > 1 && n <= SUBDOCS_MAX)
    (void)gesso_doc_unload(subdocs[n - 1]);
  check(doc);

  for (size_t i = 0; i < r.n && (how & 4) != 0; i++)
    read_places(doc, r.types[i]);
  gesso_buffer update;
  gesso_doc_begin(doc);
  gesso_bytes delta = fuzz_own(data + cut, size - cut);
  (void)!gesso_text_apply_delta(doc, t, delta);
  fuzz_free(delta);
  (void)gesso_doc_commit(doc, &update);
  gesso_buffer_free(&update);
  check(doc);
  if (how & 4)
    read_places(doc, t);
  gesso_type a = gesso_doc_find_root(doc, str("a"));
  (void)!gesso_array_remove(doc, a, 0, gesso_type_length(doc, a));
  (void)!gesso_map_clear(doc, gesso_doc_find_root(doc, str("r")));
  check(doc);
  gesso_doc_destroy(doc);
  return 0;
}
