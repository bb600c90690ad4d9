/* Map edits and look-ups. */
#include "crdt/edit.h"
#include "crdt/read.h"
#include "crdt/subdoc.h"
#include "wire/utf8.h"

gesso_status gesso_map_set(gesso_doc *doc, gesso_type map, gesso_bytes key, gesso_value value, gesso_type *made_out)
{
  gesso_status st;
  if (made_out != NULL)
    *made_out = 0;
  if (gs_edit_type(doc, map, &st) == NULL)
    return st;
  if (gs_utf8_invalid_at(key) != key.len)
    return GESSO_E_USAGE;
  gs_buf buf = gs_edit_room(doc);
  uint32_t name = 0, k = gs_key_of(doc, key);
  gesso_bytes content = value.bytes;
  unsigned kind = GS_BINARY;
  if (gs_value_is_any(value)) {
    st = gs_value_to_any(&value, &buf);
    content = gs_buf_bytes(&buf);
    kind = GS_ANY;
  } else if (value.kind == GESSO_VALUE_TYPE) {
    content.len = 0;
    st = gs_value_type_name(doc, &value, &name);
  } else if (value.kind == GESSO_VALUE_DOC && gs_subdoc_may_join(doc, value.doc)) {
    gs_subdoc_content(value.doc, &buf);
    st = buf.err;
    content = gs_buf_bytes(&buf);
    kind = GS_DOC;
  } else if (value.kind == GESSO_VALUE_DOC || (content.data == NULL && content.len > 0)) {
    st = GESSO_E_USAGE;
  }
  if (st == GESSO_OK && (k == 0 || !gs_subdocs_reserve(doc, kind == GS_DOC)))
    st = GESSO_E_NOMEM;
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, 1, content.len, 1, 0, 0);
  if (st == GESSO_OK) {
    gs_edit_begin(doc);
    uint32_t slot = gs_slot_of_reserved(doc, map, k);
    gs_ix left = doc->slots[slot].tail;
    if (value.kind == GESSO_VALUE_TYPE) {
      gs_ix ix = gs_edit_insert_type_reserved(doc, slot, left, 0, value.type, name);
      if (made_out != NULL)
        *made_out = doc->items[ix].c.type;
    } else {
      gs_ix ix = gs_edit_insert_reserved(doc, slot, left, 0, kind, 1, content);
      if (kind == GS_DOC)
        gs_subdoc_join_reserved(doc, &doc->items[ix], value.doc);
    }
    st = gesso_doc_commit(doc, NULL);
  }
  gs_edit_room_back(doc, &buf);
  return st;
}

gs_ix gs_map_item(const gesso_doc *doc, gesso_type map, gesso_bytes key)
{
  if (map == 0 || map >= doc->ntypes)
    return 0;
  uint32_t k = gs_key_find(doc, key);
  uint32_t slot = k != 0 ? gs_slot_find(doc, map, k) : 0;
  gs_ix ix = slot != 0 ? doc->slots[slot].tail : 0;
  return ix != 0 && !gs_is_deleted(&doc->items[ix]) ? ix : 0;
}

gesso_status gesso_map_remove(gesso_doc *doc, gesso_type map, gesso_bytes key)
{
  gesso_status st;
  if (gs_edit_type(doc, map, &st) == NULL)
    return st;
  gs_ix ix = gs_map_item(doc, map, key);
  if (ix == 0)
    return GESSO_E_NOTFOUND;
  gs_edit_begin(doc);
  gs_item_delete(doc, ix);
  return gesso_doc_commit(doc, NULL);
}

gesso_status gesso_map_clear(gesso_doc *doc, gesso_type map)
{
  gesso_status st;
  if (gs_edit_type(doc, map, &st) == NULL)
    return st;
  gs_edit_begin(doc);
  for (uint32_t s = doc->types[map].maps; s != 0; s = doc->slots[s].next)
    if (doc->slots[s].tail != 0)
      gs_item_delete(doc, doc->slots[s].tail);
  return gesso_doc_commit(doc, NULL);
}

gesso_status gesso_map_get_json(gesso_doc *doc, gesso_type map, gesso_bytes key, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  gs_ix ix = gs_map_item(doc, map, key);
  if (ix == 0)
    return GESSO_E_NOTFOUND;
  gs_buf buf = gs_buf_make(doc->mem.inner);
  bool defined = gs_read_element_json(doc, NULL, &doc->items[ix], doc->items[ix].len - 1, &buf, 0);
  gesso_status st = buf.err != GESSO_OK ? buf.err : defined ? GESSO_OK : GESSO_E_NOTFOUND;
  if (st == GESSO_OK)
    *out = gs_buf_take(&buf);
  gs_buf_finish(&buf);
  return st;
}

gesso_type gesso_map_get_type(gesso_doc *doc, gesso_type map, gesso_bytes key)
{
  gs_ix ix = gs_map_item(doc, map, key);
  return ix != 0 && gs_kind(&doc->items[ix]) == GS_TYPE ? doc->items[ix].c.type : 0;
}
