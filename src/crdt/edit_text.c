/* Text edits. Plain text goes by the position index; text with formats is walked from its start (edit_rich.h). */
#include "crdt/edit_rich.h"
#include "crdt/read.h"
#include "crdt/seq.h"
#include "wire/utf8.h"

static uint32_t units_of(gesso_bytes utf8)
{
  return (uint32_t)gs_utf8_utf16_len(utf8);
}

void gs_edit_note_astral(gesso_doc *doc, gesso_bytes s, uint32_t units)
{
  if (doc->astral || units == s.len)
    return;
  for (size_t i = 0; i < s.len; i++)
    if (s.data[i] >= 0xf0)
      doc->astral = true;
}

/* Typing on where we typed last: the item before is ours, the newest, and would merge at commit. */
static bool append_in_place(gesso_doc *doc, gesso_type text, gs_ix left, gs_ix right, gesso_bytes utf8, uint32_t units)
{
  if (left == 0)
    return false;
  gs_item *l = &doc->items[left];
  gs_client *own = &doc->clients[doc->own];
  gs_id right_origin = { 0, 0 };
  if (right != 0)
    right_origin = (gs_id){ gs_client_of(&doc->items[right]), doc->items[right].clock };
  if (gs_client_of(l) != doc->own || gs_kind(l) != GS_STRING || gs_is_deleted(l) || l->clock + l->len != own->clock ||
      !gs_id_eq(l->right_origin, right_origin) || !gs_content_append(doc, l, utf8))
    return false;
  gs_txn_touch_reserved(doc, doc->own);
  l->len += units;
  own->clock += units;
  doc->types[text].length += units;
  gs_seq_resized(doc, text, left);
  gs_txn_changed(doc, text, 0);
  return true;
}

static gesso_status insert_plain(gesso_doc *doc, gesso_type text, uint64_t index, gesso_bytes utf8, uint32_t units)
{
  gs_place at;
  gesso_status st = gs_place_of(doc, text, index, &at);
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, 1, utf8.len, 0, gs_place_cut_client(doc, at), 1);
  if (st != GESSO_OK)
    return st;
  gs_edit_begin(doc);
  gs_ix left, right;
  gs_place_go_reserved(doc, text, at, &left, &right);
  while (right != 0 && gs_is_deleted(&doc->items[right])) {
    left = right;
    right = doc->items[right].right;
  }
  if (!append_in_place(doc, text, left, right, utf8, units))
    (void)gs_edit_insert_reserved(doc, gs_slot_of_reserved(doc, text, 0), left, right, GS_STRING, units, utf8);
  return gesso_doc_commit(doc, NULL);
}

/* Inserts at an index. No attributes: those of the text around it for strings, none for the rest. */
static gesso_status insert_rich(gesso_doc *doc, gesso_type text, uint64_t index, gs_rich_content *content,
                                gesso_bytes attributes)
{
  gs_place at;
  gesso_status st = gs_place_of(doc, text, index, &at);
  if (st != GESSO_OK)
    return st;
  gs_attrs want = { .alloc = doc->alloc, .owned = true };
  gs_rich r = gs_rich_start(doc, text);
  gs_rich_attrs_before(&r, at);
  if (attributes.len == 0 && content->kind == GS_STRING)
    gs_attrs_copy(&want, &r.attrs);
  else
    st = gs_rich_parse_attrs(doc, attributes, &want);
  if (st == GESSO_OK && want.nomem)
    st = GESSO_E_NOMEM;
  if (st == GESSO_OK)
    st = r.err;
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, 2 * ((size_t)want.n + r.attrs.n) + 1, content->bytes.len, content->kind == GS_TYPE,
                         gs_place_cut_client(doc, at), 1);
  if (st == GESSO_OK) {
    gs_edit_begin(doc);
    gs_place_go_reserved(doc, text, at, &r.left, &r.right);
    gs_rich_insert(&r, content, &want);
    st = gesso_doc_commit(doc, NULL);
    if (r.err != GESSO_OK)
      st = r.err;
  }
  gs_attrs_finish(&want);
  gs_rich_finish(&r);
  return st;
}

gesso_status gesso_text_insert(gesso_doc *doc, gesso_type text, uint64_t index, gesso_bytes utf8, gesso_bytes attributes)
{
  gesso_status st;
  const gs_type *t = gs_edit_type(doc, text, &st);
  if (t == NULL)
    return st;
  bool one = utf8.len == 1 && *utf8.data < 0x80; /* the usual keystroke */
  if ((!one && gs_utf8_invalid_at(utf8) != utf8.len) || index > t->length || utf8.len > GS_CLOCK_MAX / 2)
    return GESSO_E_USAGE;
  if (utf8.len == 0)
    return GESSO_OK;
  uint32_t units = one ? 1 : units_of(utf8);
  gs_edit_note_astral(doc, utf8, units);
  if (!t->has_formatting && attributes.len == 0)
    return insert_plain(doc, text, index, utf8, units);
  return insert_rich(doc, text, index, &(gs_rich_content){ .kind = GS_STRING, .len = units, .bytes = utf8 },
                     attributes);
}

gesso_status gesso_text_embed_value(gesso_doc *doc, gesso_type text, uint64_t index, gesso_value value,
                                    gesso_bytes attributes, gesso_type *made_out)
{
  gesso_status st;
  if (made_out != NULL)
    *made_out = 0;
  if (gs_edit_type(doc, text, &st) == NULL)
    return st;
  gs_buf json = gs_buf_make(doc->alloc);
  gs_rich_content content = { .kind = GS_EMBED, .len = 1 };
  if (value.kind == GESSO_VALUE_TYPE) {
    content.kind = GS_TYPE;
    content.type_kind = value.type;
    st = gs_value_type_name(doc, &value, &content.type_name);
  } else {
    st = gs_value_to_json(&value, &json);
    content.bytes = gs_buf_bytes(&json);
  }
  if (st == GESSO_OK)
    st = insert_rich(doc, text, index, &content, attributes);
  if (made_out != NULL)
    *made_out = content.type_made;
  gs_buf_finish(&json);
  return st;
}

gesso_status gesso_text_embed(gesso_doc *doc, gesso_type text, uint64_t index, gesso_bytes embed_json,
                              gesso_bytes attributes)
{
  gesso_value value = { .kind = GESSO_VALUE_JSON, .bytes = embed_json };
  return gesso_text_embed_value(doc, text, index, value, attributes, NULL);
}

gesso_status gesso_text_remove(gesso_doc *doc, gesso_type text, uint64_t index, uint64_t count)
{
  gesso_status st;
  const gs_type *t = gs_edit_type(doc, text, &st);
  if (t == NULL)
    return st;
  if (!t->has_formatting || count == 0)
    return gesso_array_remove(doc, text, index, count);
  if (index > t->length || count > t->length - index)
    return GESSO_E_USAGE;
  gs_rich r = gs_rich_start(doc, text);
  gs_attrs now = { .alloc = doc->alloc, .owned = true };
  gs_place at;
  gesso_doc_begin(doc);
  st = gs_place_of(doc, text, index, &at);
  if (st == GESSO_OK) {
    gs_rich_attrs_before(&r, at);
    gs_attrs_copy(&now, &r.attrs);
    st = now.nomem ? GESSO_E_NOMEM : gesso_array_remove(doc, text, index, count);
  }
  if (st == GESSO_OK)
    st = gs_place_of(doc, text, index, &at);
  if (st == GESSO_OK) {
    /* What was deleted follows the place; so do the formats in between. */
    gs_ix first = at.item == 0 ? gs_first(doc, text) : doc->items[at.item].right;
    gs_ix curr = first;
    while (curr != 0 && !gs_is_visible(&doc->items[curr])) {
      if (gs_kind(&doc->items[curr]) == GS_FORMAT && !gs_is_deleted(&doc->items[curr]))
        gs_attrs_update(&now, gs_format_of(doc, &doc->items[curr]));
      curr = doc->items[curr].right;
    }
    if (first != 0)
      (void)gs_format_gap(doc, first, curr, &r.attrs, &now);
  }
  gs_rich_finish(&r);
  gs_attrs_finish(&now);
  gesso_status committed = gesso_doc_commit(doc, NULL);
  return st != GESSO_OK ? st : committed;
}

gesso_status gesso_text_format(gesso_doc *doc, gesso_type text, uint64_t index, uint64_t count, gesso_bytes attributes)
{
  gesso_status st;
  const gs_type *t = gs_edit_type(doc, text, &st);
  if (t == NULL)
    return st;
  if (index > t->length || count > t->length - index)
    return GESSO_E_USAGE;
  if (count == 0)
    return GESSO_OK;
  gs_attrs want = { .alloc = doc->alloc, .owned = true };
  gs_rich r = gs_rich_start(doc, text);
  gs_place from, to;
  st = gs_rich_parse_attrs(doc, attributes, &want);
  if (st == GESSO_OK)
    st = gs_place_of(doc, text, index, &from);
  if (st == GESSO_OK)
    st = gs_place_of(doc, text, index + count, &to);
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, 2 * want.n + 2 * gs_cut_cost(doc), 0, 0, gs_place_cut_client(doc, to), 2);
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, 2 * want.n + 4 * gs_cut_cost(doc), 0, 0, gs_place_cut_client(doc, from), 2);
  if (st == GESSO_OK) {
    gs_rich_attrs_before(&r, from);
    st = r.err;
  }
  if (st == GESSO_OK) {
    gs_edit_begin(doc);
    gs_ix end_left, end;
    gs_place_go_reserved(doc, text, to, &end_left, &end);
    gs_place_go_reserved(doc, text, from, &r.left, &r.right);
    gs_rich_retain(&r, count, &want);
    st = gesso_doc_commit(doc, NULL);
    if (r.err != GESSO_OK)
      st = r.err;
  }
  gs_attrs_finish(&want);
  gs_rich_finish(&r);
  return st;
}
