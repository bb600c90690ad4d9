/* Reading any path, and going along it through a document, must never crash, hang or leak, also where memory ends; and
 * an error must name a byte of the path.
 *
 * The first byte gives the memory that the reading of the path may take. */
#include "fuzz.h"
#include "gesso/query.h"
#include "gesso/types.h"

static gesso_bytes text(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

/* Nested maps, arrays, XML and JSON with the names a, b and c. */
static gesso_doc *some_document(void)
{
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_type a = gesso_doc_root(doc, text("a"), GESSO_MAP), b = gesso_doc_root(doc, text("b"), GESSO_ARRAY), made = 0;
  gesso_type c = gesso_doc_root(doc, text("c"), GESSO_XML_FRAGMENT);
  gesso_value map = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
  gesso_value json = { .kind = GESSO_VALUE_JSON, .bytes = text("{\"a\":[1,{\"b\":2},[3,\"x\"]],\"c d\":null}") };
  gesso_value element = { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_ELEMENT, .bytes = text("p") };
  gesso_value list[3] = { json, map, { .kind = GESSO_VALUE_NUMBER, .number = 7 } };
  FUZZ_CHECK(gesso_map_set(doc, a, text("b"), map, &made) == GESSO_OK);
  FUZZ_CHECK(gesso_map_set(doc, made, text("c"), json, NULL) == GESSO_OK);
  FUZZ_CHECK(gesso_array_insert(doc, b, 0, list, 3, &made) == GESSO_OK);
  FUZZ_CHECK(gesso_map_set(doc, made, text("a"), json, NULL) == GESSO_OK);
  FUZZ_CHECK(gesso_array_insert(doc, c, 0, &element, 1, &made) == GESSO_OK);
  FUZZ_CHECK(gesso_map_set(doc, made, text("a"), json, NULL) == GESSO_OK);
  return doc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static gesso_doc *doc;
  if (doc == NULL)
    doc = some_document();
  if (size == 0 || size > 256)
    return 0;
  fuzz_memory mem;
  fuzz_memory_init(&mem, data[0] < 128 ? (size_t)data[0] * 16 : 1u << 20);
  gesso_bytes path = fuzz_own(data + 1, size - 1);
  gesso_query *q = NULL;
  gesso_error why = { GESSO_OK, 0, NULL };
  gesso_status st = gesso_query_parse(&mem.alloc, path, &q, &why);
  fuzz_free(path);
  if (st != GESSO_OK) {
    FUZZ_CHECK(q == NULL && why.status == st && why.offset <= path.len && why.message != NULL);
    FUZZ_CHECK(mem.held == 0);
    return 0;
  }
  gesso_matches *m = gesso_query_run(doc, q, 10000);
  FUZZ_CHECK(m != NULL);
  gesso_value v;
  for (int i = 0; i < 1000 && (st = gesso_matches_next(m, &v)) == GESSO_OK; i++)
    FUZZ_CHECK(v.kind != GESSO_VALUE_TYPE || gesso_type_length(doc, v.ref) < 100);
  FUZZ_CHECK(st == GESSO_OK || st == GESSO_E_NOTFOUND || st == GESSO_E_LIMIT);
  gesso_matches_destroy(m);
  gesso_query_destroy(q);
  FUZZ_CHECK(mem.held == 0);
  return 0;
}
