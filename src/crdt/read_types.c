/* Reading shared types as values, and what a type says about itself. */
#include "crdt/edit.h"
#include "crdt/read.h"
#include "crdt/read_value.h"
#include "crdt/seq.h"
#include "wire/utf8.h"

void gesso_values_free(gesso_values *values)
{
  if (values == NULL)
    return;
  gs_arena_free_detached(values->owner);
  *values = (gesso_values){ 0 };
}

/* --- types --- */

static const gs_type *type_of(const gesso_doc *doc, gesso_type type)
{
  return type != 0 && type < doc->ntypes ? &doc->types[type] : NULL;
}

gesso_type gesso_doc_find_root(const gesso_doc *doc, gesso_bytes name)
{
  uint32_t key = gs_key_find(doc, name);
  return key != 0 ? doc->keys[key].root : 0;
}

gesso_status gesso_type_get_kind(const gesso_doc *doc, gesso_type type, gesso_type_kind *out)
{
  const gs_type *t = type_of(doc, type);
  if (t == NULL)
    return GESSO_E_USAGE;
  if (t->kind == GS_KIND_UNKNOWN)
    return GESSO_E_NOTFOUND;
  *out = (gesso_type_kind)t->kind;
  return GESSO_OK;
}

gesso_type gesso_type_parent(const gesso_doc *doc, gesso_type type)
{
  const gs_type *t = type_of(doc, type);
  if (t == NULL || t->item == 0)
    return 0;
  return doc->slots[doc->items[t->item].slot].type;
}

int gesso_type_is_deleted(const gesso_doc *doc, gesso_type type)
{
  const gs_type *t = type_of(doc, type);
  /* What is inside a deleted type is deleted with it. */
  return t != NULL && (t->dead || (t->item != 0 && gs_is_deleted(&doc->items[t->item])));
}

gesso_bytes gesso_type_name(const gesso_doc *doc, gesso_type type)
{
  const gs_type *t = type_of(doc, type);
  if (t == NULL || t->dead || (t->item != 0 && t->kind != GESSO_XML_ELEMENT && t->kind != GESSO_XML_HOOK))
    return (gesso_bytes){ NULL, 0 };
  return gs_key_text(doc, t->name);
}

/* --- maps --- */

static gesso_status hand_out(gs_arena *arena, gesso_status st, gesso_value *items, gesso_bytes *keys, size_t count,
                             gesso_values *out)
{
  if (st != GESSO_OK) {
    gs_arena_finish(arena);
    return st;
  }
  out->count = count;
  out->items = items;
  out->keys = keys;
  out->owner = gs_arena_detach(arena);
  return GESSO_OK;
}

gesso_status gesso_map_get(gesso_doc *doc, gesso_type map, gesso_bytes key, gesso_values *out)
{
  *out = (gesso_values){ 0 };
  gs_ix ix = gs_map_item(doc, map, key);
  if (ix == 0)
    return GESSO_E_NOTFOUND;
  gs_arena arena = gs_arena_make(doc->mem.inner);
  gesso_value *v = gs_arena_alloc(&arena, sizeof *v);
  gesso_status st = GESSO_E_NOMEM;
  if (v != NULL)
    st = gs_read_value(doc, &doc->items[ix], doc->items[ix].len - 1, &arena, v);
  return hand_out(&arena, st, v, NULL, 1, out);
}

gesso_status gesso_map_entries(gesso_doc *doc, gesso_type map, gesso_values *out)
{
  *out = (gesso_values){ 0 };
  const gs_type *t = type_of(doc, map);
  if (t == NULL)
    return GESSO_E_USAGE;
  gs_arena arena = gs_arena_make(doc->mem.inner);
  size_t max = 0, n = 0;
  for (uint32_t s = t->maps; s != 0; s = doc->slots[s].next)
    max++;
  gesso_value *items = gs_arena_array(&arena, max, sizeof *items);
  gesso_bytes *keys = gs_arena_array(&arena, max, sizeof *keys);
  gesso_status st = items != NULL && keys != NULL ? GESSO_OK : GESSO_E_NOMEM;
  for (uint32_t s = doc->types[map].maps; s != 0 && st == GESSO_OK; s = doc->slots[s].next) {
    gs_ix ix = doc->slots[s].tail;
    if (ix == 0 || gs_is_deleted(&doc->items[ix]))
      continue;
    keys[n] = gs_key_text(doc, doc->slots[s].key);
    st = gs_arena_copy(&arena, &keys[n]) ? GESSO_OK : GESSO_E_NOMEM;
    if (st == GESSO_OK)
      st = gs_read_value(doc, &doc->items[ix], doc->items[ix].len - 1, &arena, &items[n++]);
  }
  return hand_out(&arena, st, items, keys, n, out);
}

/* --- arrays --- */

gesso_status gesso_array_get(gesso_doc *doc, gesso_type array, uint64_t index, uint64_t count, gesso_values *out)
{
  *out = (gesso_values){ 0 };
  const gs_type *t = type_of(doc, array);
  if (t == NULL)
    return GESSO_E_USAGE;
  if (index >= t->length || count == 0)
    return GESSO_OK;
  uint32_t want = (uint32_t)GS_MIN(count, t->length - index), n = 0, offset = 0;
  gs_ix ix = gs_first(doc, array);
  if (index > 0 && gs_seq_find(doc, array, (uint32_t)index, &ix, &offset) != GESSO_OK)
    return GESSO_E_NOMEM;
  gs_arena arena = gs_arena_make(doc->mem.inner);
  gesso_value *items = gs_arena_array(&arena, want, sizeof *items);
  gesso_status st = items != NULL ? GESSO_OK : GESSO_E_NOMEM;
  for (; n < want && st == GESSO_OK; ix = doc->items[ix].right) {
    const gs_item *it = &doc->items[ix];
    if (!gs_is_visible(it))
      continue;
    uint32_t here = GS_MIN(it->len - offset, want - n);
    st = gs_read_values(doc, it, offset, here, &arena, items + n);
    n += here;
    offset = 0;
  }
  return hand_out(&arena, st, items, NULL, n, out);
}

gesso_status gesso_array_get_json(gesso_doc *doc, gesso_type array, uint64_t index, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  gs_ix ix;
  uint32_t offset;
  if (type_of(doc, array) == NULL)
    return GESSO_E_USAGE;
  if (index >= doc->types[array].length)
    return GESSO_E_NOTFOUND;
  if (gs_seq_find(doc, array, (uint32_t)index, &ix, &offset) != GESSO_OK)
    return GESSO_E_NOMEM;
  gs_buf buf = gs_buf_make(doc->mem.inner);
  bool defined = gs_read_element_json(doc, NULL, &doc->items[ix], offset, &buf, 0);
  gesso_status st = buf.err != GESSO_OK ? buf.err : defined ? GESSO_OK : GESSO_E_NOTFOUND;
  if (st == GESSO_OK)
    *out = gs_buf_take(&buf);
  gs_buf_finish(&buf);
  return st;
}

/* --- text in bytes --- */

gesso_status gesso_text_utf16_of_bytes(gesso_doc *doc, gesso_type text, uint64_t offset_bytes, uint64_t *out_utf16)
{
  if (type_of(doc, text) == NULL)
    return GESSO_E_USAGE;
  gs_place at;
  gesso_status st = gs_seq_measure(doc, text, true, offset_bytes, &at, out_utf16);
  if (st != GESSO_OK || at.item == 0)
    return st;
  if (gs_kind(&doc->items[at.item]) != GS_STRING) {
    *out_utf16 += at.end;
    return GESSO_OK;
  }
  gesso_bytes c = gs_content(doc, &doc->items[at.item]);
  size_t n = at.end;
  while (n > 0 && (c.data[n] & 0xc0) == 0x80)
    n--;
  *out_utf16 += gs_utf8_utf16_len((gesso_bytes){ c.data, n });
  return GESSO_OK;
}

gesso_status gesso_text_bytes_of_utf16(gesso_doc *doc, gesso_type text, uint64_t index_utf16, uint64_t *out_bytes)
{
  if (type_of(doc, text) == NULL)
    return GESSO_E_USAGE;
  gs_place at;
  gesso_status st = gs_seq_measure(doc, text, false, index_utf16, &at, out_bytes);
  if (st != GESSO_OK || at.item == 0)
    return st;
  if (gs_kind(&doc->items[at.item]) != GS_STRING) {
    *out_bytes += at.end;
    return GESSO_OK;
  }
  int pair;
  *out_bytes += gs_content_find(doc, &doc->items[at.item], at.end, &pair);
  return GESSO_OK;
}
