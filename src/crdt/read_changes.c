/* Rich text as changes in memory (Yjs: YText.toDelta). */
#include "crdt/content.h"
#include "crdt/format.h"
#include "crdt/read.h"
#include "crdt/read_value.h"

void gesso_changes_free(gesso_changes *changes)
{
  if (changes == NULL)
    return;
  gs_arena_free_detached(changes->owner);
  *changes = (gesso_changes){ 0 };
}

typedef struct reader {
  gesso_doc *doc;
  gs_arena arena;
  gesso_change *v; /* a working copy; the arena gets it at the end */
  uint32_t n, cap;
  gs_attrs attrs;
  /* The attributes as values: made when the first change needs them, and the same for all until a format comes. */
  const gesso_bytes *keys;
  const gesso_value *values;
  bool known;
} reader;

static gesso_status read_attributes(reader *r)
{
  if (r->attrs.nomem)
    return GESSO_E_NOMEM;
  gesso_bytes *keys = gs_arena_array(&r->arena, r->attrs.n, sizeof *keys);
  gesso_value *values = gs_arena_array(&r->arena, r->attrs.n, sizeof *values);
  if (keys == NULL || values == NULL)
    return GESSO_E_NOMEM;
  for (uint32_t i = 0; i < r->attrs.n; i++) {
    keys[i] = r->attrs.v[i].key;
    if (!gs_arena_copy(&r->arena, &keys[i]))
      return GESSO_E_NOMEM;
    gesso_status st = gs_read_json_value(r->attrs.v[i].value, &r->arena, &values[i]);
    if (st != GESSO_OK)
      return st;
  }
  r->keys = keys;
  r->values = values;
  r->known = true;
  return GESSO_OK;
}

static gesso_status add_change(reader *r, uint64_t length, gesso_value value)
{
  gesso_status st = r->known ? GESSO_OK : read_attributes(r);
  if (st != GESSO_OK)
    return st;
  gesso_value *v = gs_arena_alloc(&r->arena, sizeof *v);
  if (v == NULL || !gs_grow(r->doc->mem.inner, &r->v, &r->cap, (size_t)r->n + 1, sizeof *r->v))
    return GESSO_E_NOMEM;
  *v = value;
  r->v[r->n++] = (gesso_change){ .kind = GESSO_CHANGE_INSERT,
                                 .length = length,
                                 .values = v,
                                 .nvalues = 1,
                                 .attribute_keys = r->keys,
                                 .attribute_values = r->values,
                                 .nattributes = r->attrs.n };
  return GESSO_OK;
}

/* The strings from `from` on, up to what ends a change, as one. */
static gesso_status add_text(reader *r, gs_ix from, gs_ix *next_out)
{
  const gesso_doc *doc = r->doc;
  uint64_t units = 0;
  size_t size = 0;
  gs_ix end = from;
  for (; end != 0; end = doc->items[end].right) {
    const gs_item *it = &doc->items[end];
    if (gs_is_deleted(it))
      continue;
    if (gs_kind(it) == GS_TYPE || gs_kind(it) == GS_EMBED || gs_kind(it) == GS_FORMAT)
      break;
    if (gs_kind(it) == GS_STRING) {
      units += it->len;
      size += gs_content(doc, it).len;
    }
  }
  uint8_t *text = gs_arena_alloc(&r->arena, size), *at = text;
  if (text == NULL)
    return GESSO_E_NOMEM;
  for (gs_ix i = from; i != end; i = doc->items[i].right)
    if (!gs_is_deleted(&doc->items[i]) && gs_kind(&doc->items[i]) == GS_STRING) {
      gesso_bytes c = gs_content(doc, &doc->items[i]);
      memcpy(at, c.data, c.len);
      at += c.len;
    }
  *next_out = end;
  return add_change(r, units, (gesso_value){ .kind = GESSO_VALUE_STRING, .bytes = { text, size } });
}

static gesso_status read_all(reader *r, gesso_type text)
{
  gesso_status st = GESSO_OK;
  for (gs_ix i = gs_first(r->doc, text), next; i != 0 && st == GESSO_OK; i = next) {
    const gs_item *it = &r->doc->items[i];
    next = it->right;
    if (gs_is_deleted(it))
      continue;
    if (gs_kind(it) == GS_STRING) {
      st = add_text(r, i, &next);
    } else if (gs_kind(it) == GS_FORMAT) {
      gs_attrs_update(&r->attrs, gs_format_of(r->doc, it));
      r->known = false;
    } else if (gs_kind(it) == GS_TYPE || gs_kind(it) == GS_EMBED) {
      gesso_value v;
      st = gs_read_value(r->doc, it, 0, &r->arena, &v);
      if (st == GESSO_OK)
        st = add_change(r, 1, v);
    }
  }
  return st;
}

gesso_status gesso_text_get_delta(gesso_doc *doc, gesso_type text, gesso_changes *out)
{
  *out = (gesso_changes){ 0 };
  if (text == 0 || text >= doc->ntypes)
    return GESSO_E_USAGE;
  reader r = { .doc = doc, .arena = gs_arena_make(doc->mem.inner), .attrs = { .alloc = doc->mem.inner } };
  gesso_status st = read_all(&r, text);
  gesso_change *items = st == GESSO_OK ? gs_arena_array(&r.arena, r.n, sizeof *items) : NULL;
  if (st == GESSO_OK && items == NULL)
    st = GESSO_E_NOMEM;
  if (st == GESSO_OK) {
    if (r.n > 0)
      memcpy(items, r.v, r.n * sizeof *items);
    *out = (gesso_changes){ .count = r.n, .items = items, .owner = gs_arena_detach(&r.arena) };
  }
  gs_free(doc->mem.inner, r.v, r.cap * sizeof *r.v);
  gs_attrs_finish(&r.attrs);
  gs_arena_finish(&r.arena);
  return st;
}
