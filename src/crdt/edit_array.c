/* Array edits and look-ups; also the children of XML fragments and elements. */
#include "crdt/edit.h"
#include "crdt/seq.h"
#include "wire/any.h"

gesso_status gesso_array_insert(gesso_doc *doc, gesso_type array, uint64_t index, const gesso_value *values,
                                size_t count, gesso_type *made_out)
{
  gesso_status st;
  if (made_out != NULL)
    *made_out = 0;
  if (gs_edit_type(doc, array, &st) == NULL || count == 0)
    return st;
  if (index > doc->types[array].length || count > GS_CLOCK_MAX / 2)
    return GESSO_E_USAGE;
  /* Encode all values first: after that nothing can fail. `items` counts runs of plain values as one. */
  gs_buf buf = gs_buf_make(doc->alloc);
  size_t items = 0, types = 0, bytes = 0;
  uint32_t name;
  for (size_t i = 0; i < count && st == GESSO_OK; i++) {
    const gesso_value *v = &values[i];
    if (!gs_value_is_any(*v) || i == 0 || !gs_value_is_any(values[i - 1]))
      items++;
    if (gs_value_is_any(*v))
      st = gs_value_to_any(v, &buf);
    else if (v->kind == GESSO_VALUE_BYTES && (v->bytes.data != NULL || v->bytes.len == 0))
      bytes += v->bytes.len;
    else if (v->kind == GESSO_VALUE_TYPE)
      st = gs_value_type_name(doc, v, &name);
    else
      st = GESSO_E_USAGE;
    types += v->kind == GESSO_VALUE_TYPE;
  }
  gs_place at = { 0, 0 };
  if (st == GESSO_OK)
    st = gs_place_of(doc, array, index, &at);
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, items, bytes + buf.b.len, types, gs_place_cut_client(doc, at), 1);
  if (st == GESSO_OK) {
    gs_edit_begin(doc);
    gs_ix left, right;
    gs_place_go_reserved(doc, array, at, &left, &right);
    uint32_t slot = gs_slot_of_reserved(doc, array, 0);
    gs_reader rd = gs_reader_of(gs_buf_bytes(&buf));
    for (size_t i = 0; i < count;) {
      const gesso_value *v = &values[i];
      if (v->kind == GESSO_VALUE_TYPE) {
        name = v->type == GESSO_XML_ELEMENT || v->type == GESSO_XML_HOOK ? gs_key_find(doc, v->bytes) : 0;
        left = gs_edit_insert_type_reserved(doc, slot, left, right, v->type, name);
        if (made_out != NULL)
          *made_out = doc->items[left].c.type;
        i++;
      } else if (v->kind == GESSO_VALUE_BYTES) {
        left = gs_edit_insert_reserved(doc, slot, left, right, GS_BINARY, 1, v->bytes);
        i++;
      } else {
        const uint8_t *from = rd.at;
        uint32_t n = 0;
        for (; i < count && gs_value_is_any(values[i]); i++, n++)
          gs_any_skip(&rd);
        left = gs_edit_insert_reserved(doc, slot, left, right, GS_ANY, n,
                                       (gesso_bytes){ from, (size_t)(rd.at - from) });
      }
    }
    st = gesso_doc_commit(doc, NULL);
  }
  gs_buf_finish(&buf);
  return st;
}

gesso_status gesso_array_remove(gesso_doc *doc, gesso_type array, uint64_t index, uint64_t count)
{
  gesso_status st;
  if (gs_edit_type(doc, array, &st) == NULL || count == 0)
    return st;
  uint32_t length = doc->types[array].length;
  if (index > length || count > length - index)
    return GESSO_E_USAGE;
  /* Cuts at both ends, each reserved before the first. */
  gs_place from, to;
  st = gs_place_of(doc, array, index, &from);
  if (st == GESSO_OK)
    st = gs_place_of(doc, array, index + count, &to);
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, gs_cut_cost(doc), 0, 0, gs_place_cut_client(doc, to), 2);
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, 2 * gs_cut_cost(doc), 0, 0, gs_place_cut_client(doc, from), 2);
  if (st != GESSO_OK)
    return st;
  gs_edit_begin(doc);
  gs_ix left, right;
  /* The far end first: the near cut then leaves the left part's place as it is. */
  gs_place_go_reserved(doc, array, to, &left, &right);
  gs_ix end = right;
  gs_place_go_reserved(doc, array, from, &left, &right);
  for (gs_ix i = right; i != end; i = doc->items[i].right)
    if (gs_is_visible(&doc->items[i]))
      gs_item_delete(doc, i);
  return gesso_doc_commit(doc, NULL);
}

gesso_type gesso_array_get_type(gesso_doc *doc, gesso_type array, uint64_t index)
{
  gs_ix ix;
  uint32_t offset;
  if (array == 0 || array >= doc->ntypes || index >= doc->types[array].length ||
      gs_seq_find(doc, array, (uint32_t)index, &ix, &offset) != GESSO_OK)
    return 0;
  return gs_kind(&doc->items[ix]) == GS_TYPE ? doc->items[ix].c.type : 0;
}
