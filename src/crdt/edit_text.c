/* Text edits. Plain text goes by the position index; text with formats is walked from its start, as
 * what applies at a position is the sum of all formats before it. The rich part follows the
 * decisions of Yjs' YText one by one, so that both put the same items into the document. */
#include "crdt/edit.h"
#include "crdt/format.h"
#include "crdt/read.h"
#include "crdt/seq.h"
#include "wire/any.h"
#include "wire/json.h"
#include "wire/utf8.h"
#include "wire/writer.h"

static uint32_t units_of(gesso_bytes utf8)
{
  return (uint32_t)gs_utf8_utf16_len(utf8);
}

static bool is_astral(gesso_bytes s, uint32_t units)
{
  if (units != s.len)
    for (size_t i = 0; i < s.len; i++)
      if (s.data[i] >= 0xf0)
        return true;
  return false;
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

/* --- rich text --- */

typedef struct pos {
  gesso_doc *doc;
  uint32_t slot;
  gs_ix left, right;
  gs_attrs attrs; /* what applies here */
  gesso_status err;
} pos;

static void forward(pos *p)
{
  const gs_item *r = &p->doc->items[p->right];
  if (gs_kind(r) == GS_FORMAT && !gs_is_deleted(r))
    gs_attrs_update(&p->attrs, gs_format_of(p->doc, r));
  p->left = p->right;
  p->right = r->right;
}

/* Sums up the formats before a place. */
static void attrs_before(gesso_doc *doc, gesso_type text, gs_place at, gs_attrs *attrs)
{
  if (at.item == 0)
    return;
  for (gs_ix i = gs_first(doc, text); i != at.item; i = doc->items[i].right)
    if (gs_kind(&doc->items[i]) == GS_FORMAT && !gs_is_deleted(&doc->items[i]))
      gs_attrs_update(attrs, gs_format_of(doc, &doc->items[i]));
}

static void put(pos *p, unsigned kind, uint32_t len, gesso_bytes content)
{
  if (p->err == GESSO_OK && content.len > GS_INLINE_MAX && !gs_text_reserve(p->doc, content.len))
    p->err = GESSO_E_NOMEM;
  if (p->err == GESSO_OK)
    p->err = gs_edit_reserve(p->doc, 1, 0, 0, 0, 0);
  if (p->err != GESSO_OK)
    return;
  p->right = gs_edit_insert_reserved(p->doc, p->slot, p->left, p->right, kind, len, content);
  forward(p);
}

static void put_format(pos *p, gesso_bytes key, gesso_bytes value)
{
  gs_buf buf = gs_buf_make(p->doc->alloc);
  gs_write_bytes(&buf, key);
  gs_write_bytes(&buf, value);
  if (buf.err != GESSO_OK && p->err == GESSO_OK)
    p->err = buf.err;
  put(p, GS_FORMAT, 1, gs_buf_bytes(&buf));
  gs_buf_finish(&buf);
}

static void minimize(pos *p, const gs_attrs *want)
{
  while (p->right != 0) {
    const gs_item *r = &p->doc->items[p->right];
    if (!gs_is_deleted(r)) {
      if (gs_kind(r) != GS_FORMAT)
        return;
      gs_attr f = gs_format_of(p->doc, r);
      if (!gs_bytes_eq(gs_attrs_get(want, f.key), f.value))
        return;
    }
    forward(p);
  }
}

static void put_attributes(pos *p, const gs_attrs *want, gs_attrs *negated)
{
  for (uint32_t i = 0; i < want->n && p->err == GESSO_OK; i++) {
    gesso_bytes now = gs_attrs_get(&p->attrs, want->v[i].key);
    if (gs_bytes_eq(now, want->v[i].value))
      continue;
    gs_attrs_set(negated, want->v[i].key, now);
    put_format(p, want->v[i].key, want->v[i].value);
  }
}

static void put_negated(pos *p, gs_attrs *negated)
{
  while (p->right != 0) {
    const gs_item *r = &p->doc->items[p->right];
    if (!gs_is_deleted(r)) {
      if (gs_kind(r) != GS_FORMAT)
        break;
      gs_attr f = gs_format_of(p->doc, r);
      if (!gs_attrs_has(negated, f.key) || !gs_bytes_eq(gs_attrs_get(negated, f.key), f.value))
        break;
      gs_attrs_remove(negated, f.key);
    }
    forward(p);
  }
  for (uint32_t i = 0; i < negated->n && p->err == GESSO_OK; i++)
    put_format(p, negated->v[i].key, negated->v[i].value);
}

/* The attributes of a JSON object, each value as JSON text. */
static gesso_status read_attributes(gesso_doc *doc, gesso_bytes json, gs_attrs *out)
{
  gs_buf any = gs_buf_make(doc->alloc), value = gs_buf_make(doc->alloc);
  gesso_status st = gs_json_to_any(json, &any);
  if (st == GESSO_OK) {
    gs_reader rd = gs_reader_of(gs_buf_bytes(&any));
    if (gs_read_u8(&rd) != 118)
      st = GESSO_E_USAGE;
    uint64_t n = st == GESSO_OK ? gs_read_varuint(&rd) : 0;
    for (uint64_t i = 0; i < n && st == GESSO_OK; i++) {
      gesso_bytes key = gs_read_bytes(&rd);
      gs_buf_clear(&value);
      (void)gs_any_to_json(&rd, &value);
      gs_attrs_set(out, key, gs_buf_bytes(&value));
      st = value.err != GESSO_OK ? value.err : out->nomem ? GESSO_E_NOMEM : GESSO_OK;
    }
  } else if (st == GESSO_E_CORRUPT) {
    st = GESSO_E_USAGE;
  }
  gs_buf_finish(&any);
  gs_buf_finish(&value);
  return st;
}

static gesso_status insert_rich(gesso_doc *doc, gesso_type text, uint64_t index, unsigned kind, uint32_t len,
                                gesso_bytes content, gesso_bytes attributes)
{
  gs_place at;
  gs_attrs want = { .alloc = doc->alloc, .owned = true }, negated = want;
  pos p = { .doc = doc, .attrs = { .alloc = doc->alloc, .owned = true } };
  gesso_status st = gs_place_of(doc, text, index, &at);
  if (st != GESSO_OK)
    return st;
  attrs_before(doc, text, at, &p.attrs);
  if (attributes.len > 0)
    st = read_attributes(doc, attributes, &want);
  else if (kind == GS_STRING)
    gs_attrs_copy(&want, &p.attrs);
  for (uint32_t i = 0; i < p.attrs.n; i++)
    if (!gs_attrs_has(&want, p.attrs.v[i].key))
      gs_attrs_set(&want, p.attrs.v[i].key, (gesso_bytes){ (const uint8_t *)"null", 4 });
  if (st == GESSO_OK && (want.nomem || p.attrs.nomem))
    st = GESSO_E_NOMEM;
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, 2 * want.n + 1, content.len, 0, gs_place_cut_client(doc, at), 1);
  if (st == GESSO_OK) {
    gs_edit_begin(doc);
    gs_place_go_reserved(doc, text, at, &p.left, &p.right);
    p.slot = gs_slot_of_reserved(doc, text, 0);
    minimize(&p, &want);
    put_attributes(&p, &want, &negated);
    put(&p, kind, len, content);
    put_negated(&p, &negated);
    st = gesso_doc_commit(doc, NULL);
    if (p.err != GESSO_OK)
      st = p.err;
  }
  gs_attrs_finish(&want);
  gs_attrs_finish(&negated);
  gs_attrs_finish(&p.attrs);
  return st;
}

gesso_status gesso_text_insert(gesso_doc *doc, gesso_type text, uint64_t index, gesso_bytes utf8, gesso_bytes attributes)
{
  gesso_status st;
  const gs_type *t = gs_edit_type(doc, text, &st);
  if (t == NULL)
    return st;
  if (gs_utf8_invalid_at(utf8) != utf8.len || index > t->length || utf8.len > GS_CLOCK_MAX / 2)
    return GESSO_E_USAGE;
  if (utf8.len == 0)
    return GESSO_OK;
  uint32_t units = units_of(utf8);
  if (!doc->astral && is_astral(utf8, units))
    doc->astral = true;
  if (!t->has_formatting && attributes.len == 0)
    return insert_plain(doc, text, index, utf8, units);
  return insert_rich(doc, text, index, GS_STRING, units, utf8, attributes);
}

gesso_status gesso_text_embed(gesso_doc *doc, gesso_type text, uint64_t index, gesso_bytes embed_json,
                              gesso_bytes attributes)
{
  gesso_status st;
  if (gs_edit_type(doc, text, &st) == NULL)
    return st;
  gs_buf json = gs_buf_make(doc->alloc);
  st = gs_json_minify(embed_json, &json);
  if (st == GESSO_E_CORRUPT)
    st = GESSO_E_USAGE;
  if (st == GESSO_OK)
    st = insert_rich(doc, text, index, GS_EMBED, 1, gs_buf_bytes(&json), attributes);
  gs_buf_finish(&json);
  return st;
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
  gs_attrs start = { .alloc = doc->alloc, .owned = true }, now = start;
  gs_place at;
  gesso_doc_begin(doc);
  st = gs_place_of(doc, text, index, &at);
  if (st == GESSO_OK) {
    attrs_before(doc, text, at, &start);
    gs_attrs_copy(&now, &start);
    st = start.nomem || now.nomem ? GESSO_E_NOMEM : gesso_array_remove(doc, text, index, count);
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
      (void)gs_format_gap(doc, first, curr, &start, &now);
  }
  gs_attrs_finish(&start);
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
  gs_attrs want = { .alloc = doc->alloc, .owned = true }, negated = want;
  pos p = { .doc = doc, .attrs = { .alloc = doc->alloc, .owned = true } };
  gs_place from, to;
  st = read_attributes(doc, attributes, &want);
  if (st == GESSO_OK)
    st = gs_place_of(doc, text, index, &from);
  if (st == GESSO_OK)
    st = gs_place_of(doc, text, index + count, &to);
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, 2 * want.n + 2 * gs_cut_cost(doc), 0, 0, gs_place_cut_client(doc, to), 2);
  if (st == GESSO_OK)
    st = gs_edit_reserve(doc, 2 * want.n + 4 * gs_cut_cost(doc), 0, 0, gs_place_cut_client(doc, from), 2);
  if (st == GESSO_OK) {
    attrs_before(doc, text, from, &p.attrs);
    gs_edit_begin(doc);
    gs_ix end_left, end;
    gs_place_go_reserved(doc, text, to, &end_left, &end);
    gs_place_go_reserved(doc, text, from, &p.left, &p.right);
    p.slot = gs_slot_of_reserved(doc, text, 0);
    uint64_t left = count;
    minimize(&p, &want);
    put_attributes(&p, &want, &negated);
    while (p.right != 0 && p.err == GESSO_OK) {
      const gs_item *r = &doc->items[p.right];
      bool live_format = gs_kind(r) == GS_FORMAT && !gs_is_deleted(r);
      if (left == 0 && (negated.n == 0 || !(gs_is_deleted(r) || live_format)))
        break;
      if (live_format) {
        gs_attr f = gs_format_of(doc, r);
        if (gs_attrs_has(&want, f.key)) {
          if (gs_bytes_eq(gs_attrs_get(&want, f.key), f.value)) {
            gs_attrs_remove(&negated, f.key);
          } else {
            if (left == 0)
              break;
            gs_attrs_set(&negated, f.key, f.value);
          }
          gs_item_delete(doc, p.right);
        }
      } else {
        left -= GS_MIN(left, gs_visible_len(r));
      }
      forward(&p);
    }
    put_negated(&p, &negated);
    st = gesso_doc_commit(doc, NULL);
    if (p.err != GESSO_OK)
      st = p.err;
    else if (p.attrs.nomem || negated.nomem)
      st = GESSO_E_NOMEM;
  }
  gs_attrs_finish(&want);
  gs_attrs_finish(&negated);
  gs_attrs_finish(&p.attrs);
  return st;
}
