#include "crdt/edit.h"
#include "crdt/read.h"
#include "crdt/seq.h"
#include "wire/utf8.h"

gesso_type gesso_doc_root(gesso_doc *doc, gesso_bytes name, gesso_type_kind kind)
{
  if (gs_utf8_invalid_at(name) != name.len || (unsigned)kind > GESSO_XML_TEXT)
    return 0;
  uint32_t key = gs_key_of(doc, name);
  if (key == 0 || !gs_types_reserve(doc, 1, 0))
    return 0;
  uint32_t root = gs_root_reserved(doc, key);
  gs_type *t = &doc->types[root];
  if (t->kind == GS_KIND_UNKNOWN) {
    /* As in Yjs, a root that gets its kind late has forgotten the formats it saw before. */
    t->kind = (uint8_t)kind;
    t->has_formatting = false;
  }
  return root;
}

uint64_t gesso_type_length(gesso_doc *doc, gesso_type type)
{
  if (type == 0 || type >= doc->ntypes)
    return 0;
  const gs_type *t = &doc->types[type];
  if (t->kind != GESSO_MAP && t->kind != GESSO_XML_HOOK)
    return t->length;
  uint64_t n = 0;
  for (uint32_t s = t->maps; s != 0; s = doc->slots[s].next)
    n += doc->slots[s].tail != 0 && !gs_is_deleted(&doc->items[doc->slots[s].tail]);
  return n;
}

gs_type *gs_edit_type(gesso_doc *doc, gesso_type type, gesso_status *status)
{
  *status = GESSO_E_USAGE;
  if (type == 0 || type >= doc->ntypes)
    return NULL;
  gs_type *t = &doc->types[type];
  *status = GESSO_E_DELETED;
  if (t->dead || (t->item != 0 && gs_is_deleted(&doc->items[t->item])))
    return NULL;
  *status = GESSO_OK;
  return t;
}

gesso_status gs_edit_reserve(gesso_doc *doc, size_t items, size_t bytes, size_t types, uint32_t cut_client, size_t cuts)
{
  if (doc->own == 0 && (doc->own = gs_client_ix(doc, doc->client_id)) == 0)
    return GESSO_E_NOMEM;
  cuts = cut_client != 0 ? cuts * gs_cut_cost(doc) : 0;
  if (doc->clients[doc->own].clock > GS_CLOCK_MAX / 2)
    return GESSO_E_LIMIT;
  if (!gs_items_reserve(doc, items + cuts) || (bytes > 0 && !gs_text_reserve(doc, bytes)) ||
      !gs_types_reserve(doc, types, types + 1) ||
      !gs_grow(doc->alloc, &doc->txn.touched, &doc->txn.touched_cap, (size_t)doc->txn.ntouched + 1, sizeof(uint32_t)) ||
      !gs_structs_reserve(doc, doc->own, items, cut_client == doc->own ? cuts : 0) ||
      (cut_client != 0 && cut_client != doc->own && !gs_structs_reserve(doc, cut_client, 0, cuts)))
    return GESSO_E_NOMEM;
  return GESSO_OK;
}

gs_buf gs_edit_room(gesso_doc *doc)
{
  gs_buf buf = gs_buf_make(doc->alloc);
  if (doc->room.data != NULL) {
    buf.b = doc->room;
    gs_buf_clear(&buf);
    doc->room = (gesso_buffer){ 0 };
  }
  return buf;
}

void gs_edit_room_back(gesso_doc *doc, gs_buf *buf)
{
  enum { KEEP = 256 };
  if (doc->room.data == NULL && buf->b.capacity <= KEEP)
    doc->room = gs_buf_take(buf);
  gs_buf_finish(buf);
}

void gs_edit_begin(gesso_doc *doc)
{
  gesso_doc_begin(doc);
  doc->txn.local = true;
}

static gs_ix new_item(gesso_doc *doc, gs_ix left, gs_ix right, unsigned kind, uint32_t len)
{
  gs_txn_touch_reserved(doc, doc->own);
  gs_ix ix = gs_item_new_reserved(doc);
  gs_item *it = &doc->items[ix];
  it->head = doc->own << GS_CLIENT_SHIFT | kind;
  it->clock = doc->clients[doc->own].clock;
  it->len = len;
  if (left != 0)
    it->origin = gs_last_id(&doc->items[left]);
  if (right != 0)
    it->right_origin = (gs_id){ gs_client_of(&doc->items[right]), doc->items[right].clock };
  return ix;
}

gs_ix gs_edit_insert_reserved(gesso_doc *doc, uint32_t slot, gs_ix left, gs_ix right, unsigned kind, uint32_t len,
                              gesso_bytes content)
{
  gs_ix ix = new_item(doc, left, right, kind, len);
  gs_content_set_reserved(doc, &doc->items[ix], content);
  gs_integrate(doc, ix, slot, left, right);
  return ix;
}

gs_ix gs_edit_insert_type_reserved(gesso_doc *doc, uint32_t slot, gs_ix left, gs_ix right, unsigned type_kind,
                                   uint32_t name)
{
  gs_ix ix = new_item(doc, left, right, GS_TYPE, 1);
  doc->items[ix].c.type = gs_type_new_reserved(doc, type_kind, name, ix);
  gs_integrate(doc, ix, slot, left, right);
  return ix;
}

gesso_status gs_place_of(gesso_doc *doc, gesso_type type, uint64_t index, gs_place *out)
{
  *out = (gs_place){ 0, 0 };
  if (index > doc->types[type].length)
    return GESSO_E_USAGE;
  return index == 0 ? GESSO_OK : gs_seq_find_left(doc, type, (uint32_t)index, &out->item, &out->end);
}

void gs_place_go_reserved(gesso_doc *doc, gesso_type type, gs_place p, gs_ix *left, gs_ix *right)
{
  if (p.item == 0) {
    *left = 0;
    *right = gs_first(doc, type);
    return;
  }
  const gs_item *it = &doc->items[p.item];
  if (p.end < it->len) {
    *right = gs_cut_at(doc, p.item, p.end);
    *left = doc->items[*right].left;
  } else {
    *left = p.item;
    *right = it->right;
  }
}
