/* Array edits and look-ups; also the children of XML fragments and elements. */
#include "crdt/edit.h"
#include "crdt/seq.h"
#include "crdt/subdoc.h"
#include "wire/any.h"

/* Values on their way in. */
typedef struct incoming {
  gs_buf plain; /* those that are stored as Any, one after the other, and the contents of documents */
  size_t items; /* runs of plain values count as one */
  size_t types, docs, bytes;
} incoming;

static gesso_status take(gesso_doc *doc, const gesso_value *v, incoming *in)
{
  uint32_t name;
  switch (v->kind) {
  case GESSO_VALUE_BYTES:
    in->bytes += v->bytes.len;
    return v->bytes.data != NULL || v->bytes.len == 0 ? GESSO_OK : GESSO_E_USAGE;
  case GESSO_VALUE_TYPE:
    in->types++;
    return gs_value_type_name(doc, v, &name);
  case GESSO_VALUE_DOC:
    if (!gs_subdoc_may_join(doc, v->doc) || v->doc->joining)
      return GESSO_E_USAGE;
    v->doc->joining = true;
    in->docs++;
    gs_subdoc_content(v->doc, &in->plain);
    return in->plain.err;
  default:
    return gs_value_to_any(v, &in->plain);
  }
}

/* Puts values[i] and, of plain ones, those that follow it. Returns how many that was. */
static size_t put_run(gesso_doc *doc, uint32_t slot, gs_ix *left, gs_ix right, const gesso_value *values, size_t count,
                      gs_reader *plain)
{
  const gesso_value *v = values;
  const uint8_t *from = plain->at;
  size_t n = 1;
  if (v->kind == GESSO_VALUE_TYPE) {
    uint32_t name;
    if (gs_value_type_name(doc, v, &name) != GESSO_OK)
      name = 0; /* cannot be: `take` made the key */
    *left = gs_edit_insert_type_reserved(doc, slot, *left, right, v->type, name);
  } else if (v->kind == GESSO_VALUE_BYTES) {
    *left = gs_edit_insert_reserved(doc, slot, *left, right, GS_BINARY, 1, v->bytes);
  } else if (v->kind == GESSO_VALUE_DOC) {
    (void)gs_read_bytes(plain);
    gs_any_skip(plain);
    *left = gs_edit_insert_reserved(doc, slot, *left, right, GS_DOC, 1,
                                    (gesso_bytes){ from, (size_t)(plain->at - from) });
    gs_subdoc_join_reserved(doc, &doc->items[*left], v->doc);
  } else {
    for (n = 0; n < count && gs_value_is_any(values[n]); n++)
      gs_any_skip(plain);
    *left = gs_edit_insert_reserved(doc, slot, *left, right, GS_ANY, (uint32_t)n,
                                    (gesso_bytes){ from, (size_t)(plain->at - from) });
  }
  return n;
}

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
  /* Encode all values first: after that nothing can fail. */
  incoming in = { .plain = gs_edit_room(doc) };
  for (size_t i = 0; i < count && st == GESSO_OK; i++) {
    in.items += !gs_value_is_any(values[i]) || i == 0 || !gs_value_is_any(values[i - 1]);
    st = take(doc, &values[i], &in);
  }
  for (size_t i = 0; i < count && in.docs > 0; i++)
    if (values[i].kind == GESSO_VALUE_DOC && values[i].doc != NULL)
      values[i].doc->joining = false;
  gs_place at = { 0, 0 };
  if (st == GESSO_OK)
    st = gs_place_of(doc, array, index, &at);
  if (st == GESSO_OK && !gs_subdocs_reserve(doc, in.docs))
    st = GESSO_E_NOMEM;
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, in.items, in.bytes + in.plain.b.len, in.types, gs_place_cut_client(doc, at), 1);
  if (st == GESSO_OK) {
    gs_edit_begin(doc);
    gs_ix left, right;
    gs_place_go_reserved(doc, array, at, &left, &right);
    uint32_t slot = gs_slot_of_reserved(doc, array, 0);
    gs_reader plain = gs_reader_of(gs_buf_bytes(&in.plain));
    for (size_t i = 0; i < count;) {
      bool type = values[i].kind == GESSO_VALUE_TYPE;
      i += put_run(doc, slot, &left, right, values + i, count - i, &plain);
      if (type && made_out != NULL)
        *made_out = doc->items[left].c.type;
    }
    st = gesso_doc_commit(doc, NULL);
  }
  gs_edit_room_back(doc, &in.plain);
  return st;
}

/* Deletes the end of a string where what was behind it, and of the same client, was deleted before: that becomes longer.
 * It is what would come of a cut and of merging at commit, done at once. False: it is another case. */
static bool backspace(gesso_doc *doc, gesso_type type, gs_place from, uint32_t count)
{
  gs_item *it = &doc->items[from.item], *gone = &doc->items[it->right];
  gs_ranges *dels = &doc->txn.dels;
  if (from.end == 0 || it->right == 0 || from.end + count != it->len || gs_kind(it) != GS_STRING ||
      gs_kind(gone) != GS_DELETED || gs_client_of(it) != gs_client_of(gone) || gone->clock != it->clock + it->len)
    return false;
  if (doc->txn.depth > 0 || doc->tracks || doc->redone != NULL || (doc->flags & GESSO_DOC_NO_GC) != 0 ||
      ((it->head | gone->head) & GS_ITEM_KEEP) != 0 || gs_content(doc, it).len != it->len ||
      !gs_id_eq(gone->origin, gs_last_id(it)) || !gs_id_eq(gone->right_origin, it->right_origin) ||
      !gs_grow(doc->alloc, &dels->v, &dels->cap, 1, sizeof *dels->v))
    return false;
  uint32_t client = gs_client_of(it);
  gs_edit_begin(doc);
  gs_structs_move_start(doc, client, gone->clock, count);
  gs_content_shorten(doc, it, from.end);
  it->len = from.end;
  gone->clock -= count;
  gone->len += count;
  gone->origin.clock -= count;
  doc->types[type].length -= count;
  gs_seq_resized(doc, type, from.item);
  gs_txn_deleted(doc, it->right, gone->clock, count);
  return true;
}

gesso_status gesso_array_remove(gesso_doc *doc, gesso_type array, uint64_t index, uint64_t count)
{
  gesso_status st;
  if (gs_edit_type(doc, array, &st) == NULL || count == 0)
    return st;
  uint32_t length = doc->types[array].length;
  if (index > length || count > length - index)
    return GESSO_E_USAGE;
  /* Cuts at both ends, each reserved before the first. What was deleted before the first element is not walked over. */
  gs_place from, to;
  st = gs_seq_find(doc, array, (uint32_t)index, &from.item, &from.end);
  to = (gs_place){ from.item, from.end + (uint32_t)count };
  if (st == GESSO_OK && to.end > doc->items[from.item].len)
    st = gs_place_of(doc, array, index + count, &to);
  if (st != GESSO_OK)
    return st;
  if (backspace(doc, array, from, (uint32_t)count))
    return gesso_doc_commit(doc, NULL);
  uint32_t cut_from = from.end > 0 ? gs_client_of(&doc->items[from.item]) : 0, cut_to = gs_place_cut_client(doc, to);
  st = gs_edit_reserve(doc, 0, 0, 0, cut_from != 0 ? cut_from : cut_to, 2);
  if (st == GESSO_OK && cut_from != 0 && cut_to != 0 && cut_to != cut_from)
    st = gs_edit_reserve(doc, 0, 0, 0, cut_to, 2);
  if (st != GESSO_OK)
    return st;
  gs_edit_begin(doc);
  gs_ix left, right;
  /* The far end first: the near cut then leaves the left part's place as it is. */
  gs_place_go_reserved(doc, array, to, &left, &right);
  gs_ix ix = from.item;
  if (from.end > 0) /* the far cut may have been through a character that the near one goes through, too */
    ix = from.end < doc->items[ix].len ? gs_cut_at(doc, ix, from.end) : doc->items[ix].right;
  for (uint32_t more = (uint32_t)count;;) {
    more -= gs_visible_len(&doc->items[ix]);
    if (gs_is_visible(&doc->items[ix]))
      gs_item_delete(doc, ix);
    if (more == 0)
      break;
    ix = gs_seq_next(doc, array, ix);
  }
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
