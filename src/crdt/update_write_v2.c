/* Structs of a document as records, for updates in the v2 encoding. */
#include "crdt/content.h"
#include "crdt/pending.h"
#include "crdt/record.h"
#include "crdt/update.h"

static gs_wire_id wire_id(const gesso_doc *doc, gs_id id)
{
  return (gs_wire_id){ doc->clients[id.client].id, id.clock };
}

static gs_jstr key_text(const gesso_doc *doc, uint32_t key)
{
  return gs_jstr_of(gs_key_text(doc, key), GS_UNITS_UNKNOWN);
}

static void set_parent(const gesso_doc *doc, const gs_item *it, gs_record *rec)
{
  const gs_slot *slot = &doc->slots[it->slot];
  const gs_type *parent = &doc->types[slot->type];
  rec->has_root = parent->item == 0;
  if (rec->has_root) {
    rec->root = key_text(doc, parent->name);
  } else {
    const gs_item *holder = &doc->items[parent->item];
    rec->parent = wire_id(doc, (gs_id){ gs_client_of(holder), holder->clock });
  }
  if (rec->has_sub)
    rec->sub = key_text(doc, slot->key);
}

static void set_content(const gesso_doc *doc, const gs_item *it, gs_record *rec)
{
  gesso_bytes content;
  switch (rec->kind) {
  case GS_DELETED:
    return;
  case GS_TYPE:
    rec->type_kind = doc->types[it->c.type].kind;
    if (rec->type_kind == GESSO_XML_ELEMENT || rec->type_kind == GESSO_XML_HOOK)
      rec->text = key_text(doc, doc->types[it->c.type].name);
    if (rec->type_kind == GESSO_WEAK_LINK) {
      gs_reader rd = gs_reader_of(gs_key_text(doc, doc->types[it->c.type].name));
      gs_weak_record_read_v1(&rd, &rec->weak);
    }
    return;
  case GS_STRING:
    rec->text = gs_jstr_of(gs_content(doc, it), it->len);
    return;
  case GS_FORMAT:
  case GS_DOC: {
    content = gs_content(doc, it);
    gs_reader rd = gs_reader_of(content);
    rec->text = gs_jstr_of(gs_read_bytes(&rd), GS_UNITS_UNKNOWN);
    rec->value = rec->kind == GS_FORMAT ? gs_read_bytes(&rd) : (gesso_bytes){ rd.at, gs_reader_left(&rd) };
    return;
  }
  default:
    rec->value = gs_content(doc, it);
  }
}

static void put_record(const gesso_doc *doc, gs_writer *w, const gs_item *it, uint32_t offset)
{
  gs_record rec;
  rec.client = doc->clients[gs_client_of(it)].id;
  rec.clock = it->clock;
  rec.len = it->len;
  rec.kind = (uint8_t)gs_kind(it);
  rec.v2 = false;
  rec.raw.len = 0;
  if (rec.kind != GS_GC) {
    rec.has_origin = it->origin.client != 0;
    rec.has_right = it->right_origin.client != 0;
    rec.has_parent = !rec.has_origin && !rec.has_right;
    if (rec.has_origin)
      rec.origin = wire_id(doc, it->origin);
    if (rec.has_right)
      rec.right_origin = wire_id(doc, it->right_origin);
    rec.info_sub = doc->slots[it->slot].key != 0;
    rec.has_sub = rec.info_sub && rec.has_parent && offset == 0;
    if (rec.has_parent)
      set_parent(doc, it, &rec);
    set_content(doc, it, &rec);
  }
  gs_writer_put(w, &rec, offset, false);
}

void gs_put_item(const gesso_doc *doc, gs_writer *w, const gs_item *it, uint32_t offset)
{
  unsigned kind = gs_kind(it);
  bool anchored = it->origin.client != 0 || it->right_origin.client != 0;
  if (offset > 0 || !anchored || (kind != GS_STRING && kind != GS_DELETED && kind != GS_ANY)) {
    put_record(doc, w, it, offset);
    return;
  }
  /* What documents are full of, without the way through a record. */
  gs_columns_out *c = w->columns;
  gs_writer_begin(w, doc->clients[gs_client_of(it)].id, it->clock, it->len);
  bool key = w->keep_key_bit && doc->slots[it->slot].key != 0;
  gs_col_put_rle(&c->infos, (uint8_t)(kind | (it->origin.client != 0 ? 0x80u : 0) |
                                      (it->right_origin.client != 0 ? 0x40u : 0) | (key ? 0x20u : 0)));
  if (it->origin.client != 0) {
    gs_col_put_uint(&c->clients, doc->clients[it->origin.client].id);
    gs_col_put_diff(&c->lefts, it->origin.clock);
  }
  if (it->right_origin.client != 0) {
    gs_col_put_uint(&c->clients, doc->clients[it->right_origin.client].id);
    gs_col_put_diff(&c->rights, it->right_origin.clock);
  }
  gesso_bytes content = { NULL, 0 };
  if (kind != GS_DELETED)
    content = gs_content(doc, it);
  if (kind == GS_STRING) {
    gs_col_put_uint(&c->strings.lens, it->len);
    gs_buf_write(&c->strings.text, content.data, content.len);
    return;
  }
  gs_col_put_uint(&c->lens, it->len);
  gs_buf_write(&w->rest, content.data, content.len);
}

void gs_put_waiting(const gesso_doc *doc, gs_writer *w, const gs_pnode *node, uint32_t offset)
{
  gs_reader rd = gs_reader_of((gesso_bytes){ doc->pending->bytes + node->at, node->bytes });
  gs_record rec = { .client = doc->clients[node->client].id, .clock = node->clock };
  gs_record_read_v1(&rd, &rec);
  gs_writer_put(w, &rec, offset, false);
}

void gs_put_skip(const gesso_doc *doc, gs_writer *w, uint32_t client, uint32_t clock, uint32_t len)
{
  gs_record rec = { .kind = GS_SKIP, .client = doc->clients[client].id, .clock = clock, .len = len };
  gs_writer_put(w, &rec, 0, false);
}
