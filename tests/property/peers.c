#include "peers.h"
#include "base/buf.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static _Noreturn void broken(const char *what, gesso_status s)
{
  fprintf(stderr, "%s: %s\n", what, gesso_status_text(s));
  abort();
}

static void must(const char *what, gesso_status s)
{
  if (s != GESSO_OK)
    broken(what, s);
}

/* splitmix64 */
uint32_t random_below(random_source *r, uint32_t n)
{
  uint64_t z = (r->state += 0x9e3779b97f4a7c15u);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return (uint32_t)(((z >> 32) * n) >> 32);
}

bool random_chance(random_source *r, uint32_t percent)
{
  return random_below(r, 100) < percent;
}

void pool_free(pool *p)
{
  for (uint32_t i = 0; i < p->count; i++)
    gesso_buffer_free(&p->updates[i]);
  p->count = 0;
}

gesso_doc *peer_doc(uint64_t client_id, const gesso_allocator *alloc)
{
  gesso_doc_options options = { .size = sizeof options, .client_id = client_id, .alloc = alloc };
  return gesso_doc_create(&options);
}

static gesso_bytes text_of(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

#define PICK(r, list) ((list)[random_below((r), (uint32_t)(sizeof(list) / sizeof((list)[0])))])

/* Under A, M and T only arrays, maps and texts are ever put, so that who finds one there knows its kind. */
static const char *const keys[] = { "a", "b", "\xd0\xba", "A", "M", "T" };
static const char *const ascii[] = { "a", "bc", "one word ", "\n", "a longer piece of text, which will be split" };
static const char *const wide[] = { "a", "\xf0\x9f\x98\x80", "x\xf0\x9f\x98\x80y\xc3\xa9", "\xe6\xbc\xa2\xe5\xad\x97" };
static const char *const formats[] = { "{\"b\":true}", "{\"b\":null}", "{\"i\":true,\"c\":\"red\"}", "{\"c\":null}" };

static gesso_value random_value(random_source *r)
{
  gesso_value v = { .kind = GESSO_VALUE_NULL };
  switch (random_below(r, 8)) {
  case 0:
    v.kind = GESSO_VALUE_NUMBER;
    v.number = random_below(r, 1000) / 8.0;
    break;
  case 1:
    v.kind = GESSO_VALUE_STRING;
    v.bytes = text_of(PICK(r, wide));
    break;
  case 2:
    v.kind = GESSO_VALUE_BYTES;
    v.bytes = text_of(PICK(r, ascii));
    break;
  case 3:
    v.kind = GESSO_VALUE_JSON;
    v.bytes = text_of("{\"x\":[1,2.5,{\"y\":null}],\"7\":\"seven\"}");
    break;
  case 4:
    v.kind = GESSO_VALUE_BOOL;
    v.number = 1;
    break;
  case 5:
  case 6:
    v.kind = GESSO_VALUE_TYPE;
    v.type = (gesso_type_kind)random_below(r, 3); /* array, map, text */
    break;
  default:
    break;
  }
  return v;
}

static void edit_map(gesso_doc *doc, random_source *r, gesso_type map)
{
  const char *name = PICK(r, keys);
  gesso_bytes key = text_of(name);
  if (random_chance(r, 75)) {
    gesso_value value = random_value(r);
    if (*name == 'A' || *name == 'M' || *name == 'T')
      value = (gesso_value){ .kind = GESSO_VALUE_TYPE,
                             .type = *name == 'A' ? GESSO_ARRAY : *name == 'M' ? GESSO_MAP : GESSO_TEXT };
    else if (value.kind == GESSO_VALUE_TYPE)
      value.kind = GESSO_VALUE_UNDEFINED;
    must("map set", gesso_map_set(doc, map, key, value, NULL));
  } else {
    gesso_status s = gesso_map_remove(doc, map, key);
    if (s != GESSO_E_NOTFOUND)
      must("map remove", s);
  }
}

/* Some keys are overwritten in turn, as by who drags a shape. */
static void drag(gesso_doc *doc, random_source *r, gesso_type map)
{
  static const char *const sides[] = { "x", "y", "width", "height" };
  uint32_t n = 1 + random_below(r, 4);
  gesso_value value = { .kind = GESSO_VALUE_NUMBER };
  for (uint32_t steps = 2 + random_below(r, 12); steps > 0; steps--)
    for (uint32_t i = 0; i < n; i++) {
      value.number = random_below(r, 1000);
      must("drag", gesso_map_set(doc, map, text_of(sides[i]), value, NULL));
    }
}

static void edit_array(gesso_doc *doc, random_source *r, gesso_type array)
{
  uint32_t length = (uint32_t)gesso_type_length(doc, array);
  if (length == 0 || random_chance(r, 65)) {
    gesso_value values[3];
    uint32_t n = 1 + random_below(r, 3);
    for (uint32_t i = 0; i < n; i++)
      values[i] = random_value(r);
    must("array insert", gesso_array_insert(doc, array, random_below(r, length + 1), values, n, NULL));
  } else {
    uint32_t at = random_below(r, length);
    must("array remove", gesso_array_remove(doc, array, at, 1 + random_below(r, GS_MIN(length - at, 3u))));
  }
}

static void edit_text(gesso_doc *doc, random_source *r, gesso_type text, bool whole_characters)
{
  uint32_t length = (uint32_t)gesso_type_length(doc, text);
  gesso_bytes none = { NULL, 0 };
  if (length == 0 || random_chance(r, 45)) {
    const char *s = whole_characters || random_chance(r, 50) ? PICK(r, ascii) : PICK(r, wide);
    gesso_bytes format = random_chance(r, 25) ? text_of(PICK(r, formats)) : none;
    must("text insert", gesso_text_insert(doc, text, random_below(r, length + 1), text_of(s), format));
    return;
  }
  uint32_t at = random_below(r, length);
  uint32_t count = 1 + random_below(r, GS_MIN(length - at, 9u));
  if (random_chance(r, 50))
    must("text remove", gesso_text_remove(doc, text, at, count));
  else if (random_chance(r, 80))
    must("text format", gesso_text_format(doc, text, at, count, text_of(PICK(r, formats))));
  else
    must("text embed", gesso_text_embed(doc, text, at, text_of("{\"image\":\"x\"}"), none));
}

/* Some map, at the root or below it: nested ones are edited too. */
static gesso_type some_map(gesso_doc *doc, random_source *r)
{
  gesso_type map = gesso_doc_root(doc, text_of("map"), GESSO_MAP);
  while (random_chance(r, 40)) {
    gesso_type inner = gesso_map_get_type(doc, map, text_of("M"));
    if (inner == 0)
      break;
    map = inner;
  }
  return map;
}

/* The root of that name, or a type of its kind that lives under `nested_key` in some map. */
static gesso_type some_type(gesso_doc *doc, random_source *r, const char *root, gesso_type_kind kind,
                            const char *nested_key)
{
  gesso_type nested = random_chance(r, 30) ? gesso_map_get_type(doc, some_map(doc, r), text_of(nested_key)) : 0;
  return nested != 0 ? nested : gesso_doc_root(doc, text_of(root), kind);
}

int peer_edit(gesso_doc *doc, random_source *r, pool *p, bool whole_characters)
{
  gesso_doc_begin(doc);
  for (uint32_t edits = 1 + random_below(r, 4); edits > 0; edits--) {
    switch (random_below(r, 5)) {
    case 0:
      (random_chance(r, 25) ? drag : edit_map)(doc, r, some_map(doc, r));
      break;
    case 1:
      edit_array(doc, r, some_type(doc, r, "array", GESSO_ARRAY, "A"));
      break;
    case 2:
      edit_text(doc, r, gesso_doc_root(doc, text_of("other"), GESSO_TEXT), whole_characters);
      break;
    default:
      edit_text(doc, r, some_type(doc, r, "text", GESSO_TEXT, "T"), whole_characters);
      break;
    }
  }
  gesso_buffer update = { 0 };
  must("commit", gesso_doc_commit(doc, &update));
  if (update.len == 0 || p->count == POOL_MAX) {
    gesso_buffer_free(&update);
    return -1;
  }
  p->updates[p->count] = update;
  return (int)p->count++;
}

gesso_buffer peer_content(gesso_doc *doc)
{
  static const struct { const char *name; gesso_type_kind kind; } roots[] = {
    { "map", GESSO_MAP }, { "array", GESSO_ARRAY }, { "text", GESSO_TEXT }, { "other", GESSO_TEXT } };
  gs_buf out = gs_buf_make(NULL);
  gs_buf_put(&out, '[');
  for (size_t i = 0; i < GS_COUNT(roots); i++) {
    gesso_type type = gesso_doc_root(doc, text_of(roots[i].name), roots[i].kind);
    gesso_buffer json = { 0 };
    must("read", gesso_type_to_json(doc, type, roots[i].kind, &json));
    gs_buf_write(&out, json.data, json.len);
    gs_buf_put(&out, ',');
    gesso_buffer_free(&json);
    if (roots[i].kind != GESSO_TEXT)
      continue;
    must("delta", gesso_text_to_delta(doc, type, &json));
    gs_buf_write(&out, json.data, json.len);
    gs_buf_put(&out, ',');
    gesso_buffer_free(&json);
  }
  gesso_buffer sv = { 0 };
  must("state vector", gesso_doc_state_vector_json(doc, &sv));
  gs_buf_write(&out, sv.data, sv.len);
  gesso_buffer_free(&sv);
  gs_buf_put(&out, ']');
  return gs_buf_take(&out);
}

bool same_content(gesso_buffer a, gesso_buffer b)
{
  size_t flags = JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
  json_error_t error;
  json_t *x = json_loadb((const char *)a.data, a.len, flags, &error);
  if (x == NULL)
    broken(error.text, GESSO_E_CORRUPT);
  json_t *y = json_loadb((const char *)b.data, b.len, flags, &error);
  if (y == NULL)
    broken(error.text, GESSO_E_CORRUPT);
  bool same = json_equal(x, y) != 0;
  json_decref(x);
  json_decref(y);
  return same;
}
