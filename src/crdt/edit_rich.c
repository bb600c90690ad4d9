#include "crdt/edit_rich.h"
#include "crdt/read.h"
#include "wire/json.h"
#include "wire/utf8.h"
#include "wire/writer.h"

gs_rich gs_rich_start(gesso_doc *doc, gesso_type text)
{
  return (gs_rich){ .doc = doc,
                    .text = text,
                    .slot = doc->types[text].seq,
                    .right = gs_first(doc, text),
                    .attrs = { .alloc = doc->alloc, .owned = true } };
}

void gs_rich_finish(gs_rich *r)
{
  gs_attrs_finish(&r->attrs);
}

static void forward(gs_rich *r)
{
  const gs_item *it = &r->doc->items[r->right];
  if (gs_kind(it) == GS_FORMAT && !gs_is_deleted(it))
    gs_attrs_update(&r->attrs, gs_format_of(r->doc, it));
  if (r->attrs.nomem && r->err == GESSO_OK)
    r->err = GESSO_E_NOMEM;
  r->left = r->right;
  r->right = it->right;
}

void gs_rich_attrs_before(gs_rich *r, gs_place at)
{
  const gesso_doc *doc = r->doc;
  if (at.item == 0)
    return;
  for (gs_ix i = gs_first(doc, r->text); i != at.item; i = doc->items[i].right)
    if (gs_kind(&doc->items[i]) == GS_FORMAT && !gs_is_deleted(&doc->items[i]))
      gs_attrs_update(&r->attrs, gs_format_of(doc, &doc->items[i]));
  if (r->attrs.nomem && r->err == GESSO_OK)
    r->err = GESSO_E_NOMEM;
}

static void put(gs_rich *r, gs_rich_content *c)
{
  gesso_doc *doc = r->doc;
  if (r->err == GESSO_OK && c->bytes.len > GS_INLINE_MAX && !gs_text_reserve(doc, c->bytes.len))
    r->err = GESSO_E_NOMEM;
  if (r->err == GESSO_OK)
    r->err = gs_edit_reserve(doc, 1, 0, c->kind == GS_TYPE, 0, 0);
  if (r->err != GESSO_OK)
    return;
  if (r->slot == 0)
    r->slot = gs_slot_of_reserved(doc, r->text, 0);
  if (c->kind == GS_TYPE) {
    r->right = gs_edit_insert_type_reserved(doc, r->slot, r->left, r->right, c->type_kind, c->type_name);
    c->type_made = doc->items[r->right].c.type;
  } else {
    r->right = gs_edit_insert_reserved(doc, r->slot, r->left, r->right, c->kind, c->len, c->bytes);
  }
  forward(r);
}

static void put_format(gs_rich *r, gesso_bytes key, gesso_bytes value)
{
  gs_buf buf = gs_buf_make(r->doc->alloc);
  gs_write_bytes(&buf, key);
  gs_write_bytes(&buf, value);
  if (buf.err != GESSO_OK && r->err == GESSO_OK)
    r->err = buf.err;
  put(r, &(gs_rich_content){ .kind = GS_FORMAT, .len = 1, .bytes = gs_buf_bytes(&buf) });
  gs_buf_finish(&buf);
}

static void minimize(gs_rich *r, const gs_attrs *want)
{
  while (r->right != 0) {
    const gs_item *it = &r->doc->items[r->right];
    if (!gs_is_deleted(it)) {
      if (gs_kind(it) != GS_FORMAT)
        return;
      gs_attr f = gs_format_of(r->doc, it);
      if (!gs_bytes_eq(gs_attrs_get(want, f.key), f.value))
        return;
    }
    forward(r);
  }
}

static void put_attributes(gs_rich *r, const gs_attrs *want, gs_attrs *negated)
{
  for (uint32_t i = 0; i < want->n && r->err == GESSO_OK; i++) {
    gesso_bytes now = gs_attrs_get(&r->attrs, want->v[i].key);
    if (gs_bytes_eq(now, want->v[i].value))
      continue;
    gs_attrs_set(negated, want->v[i].key, now);
    put_format(r, want->v[i].key, want->v[i].value);
  }
}

static void put_negated(gs_rich *r, gs_attrs *negated)
{
  while (r->right != 0) {
    const gs_item *it = &r->doc->items[r->right];
    if (!gs_is_deleted(it)) {
      if (gs_kind(it) != GS_FORMAT)
        break;
      gs_attr f = gs_format_of(r->doc, it);
      if (!gs_attrs_has(negated, f.key) || !gs_bytes_eq(gs_attrs_get(negated, f.key), f.value))
        break;
      gs_attrs_remove(negated, f.key);
    }
    forward(r);
  }
  for (uint32_t i = 0; i < negated->n && r->err == GESSO_OK; i++)
    put_format(r, negated->v[i].key, negated->v[i].value);
  if (negated->nomem && r->err == GESSO_OK)
    r->err = GESSO_E_NOMEM;
}

void gs_rich_insert(gs_rich *r, gs_rich_content *content, gs_attrs *want)
{
  gs_attrs negated = { .alloc = r->doc->alloc, .owned = true };
  for (uint32_t i = 0; i < r->attrs.n; i++)
    if (!gs_attrs_has(want, r->attrs.v[i].key))
      gs_attrs_set(want, r->attrs.v[i].key, (gesso_bytes){ (const uint8_t *)"null", 4 });
  if (want->nomem && r->err == GESSO_OK)
    r->err = GESSO_E_NOMEM;
  if (r->err == GESSO_OK) {
    minimize(r, want);
    put_attributes(r, want, &negated);
    put(r, content);
    put_negated(r, &negated);
  }
  gs_attrs_finish(&negated);
}

/* Cuts so that right ends after `len` of its units, or before them when that would cut a character in two. */
static void cut_right(gs_rich *r, uint64_t len)
{
  gesso_doc *doc = r->doc;
  const gs_item *it = &doc->items[r->right];
  if (!gs_is_visible(it) || len >= it->len)
    return;
  r->err = gs_edit_reserve(doc, 0, 0, 0, gs_client_of(it), 1);
  it = &doc->items[r->right];
  if (r->err == GESSO_OK)
    (void)gs_clean_start(doc, (gs_id){ gs_client_of(it), it->clock + (uint32_t)len });
}

static void put_line_breaks(gs_rich *r, uint64_t n)
{
  gs_buf breaks = gs_buf_make(r->doc->alloc);
  if (gs_buf_room(&breaks, n)) {
    memset(breaks.b.data, '\n', n);
    breaks.b.len = n;
  } else if (r->err == GESSO_OK) {
    r->err = breaks.err;
  }
  put(r, &(gs_rich_content){ .kind = GS_STRING, .len = (uint32_t)n, .bytes = gs_buf_bytes(&breaks) });
  gs_buf_finish(&breaks);
}

void gs_rich_retain(gs_rich *r, uint64_t len, const gs_attrs *want)
{
  gesso_doc *doc = r->doc;
  gs_attrs negated = { .alloc = doc->alloc, .owned = true };
  minimize(r, want);
  put_attributes(r, want, &negated);
  while (r->right != 0 && r->err == GESSO_OK) {
    const gs_item *it = &doc->items[r->right];
    bool live_format = gs_kind(it) == GS_FORMAT && !gs_is_deleted(it);
    if (len == 0 && (negated.n == 0 || !(gs_is_deleted(it) || live_format)))
      break;
    if (live_format) {
      gs_attr f = gs_format_of(doc, it);
      if (gs_attrs_has(want, f.key)) {
        if (gs_bytes_eq(gs_attrs_get(want, f.key), f.value)) {
          gs_attrs_remove(&negated, f.key);
        } else {
          if (len == 0)
            break;
          gs_attrs_set(&negated, f.key, f.value);
        }
        gs_item_delete(doc, r->right);
      }
    } else {
      cut_right(r, len);
      if (r->err != GESSO_OK)
        break;
      len -= gs_visible_len(&doc->items[r->right]);
    }
    forward(r);
  }
  if (len > 0 && r->err == GESSO_OK)
    put_line_breaks(r, len);
  put_negated(r, &negated);
  gs_attrs_finish(&negated);
}

void gs_rich_delete(gs_rich *r, uint64_t len)
{
  gesso_doc *doc = r->doc;
  gs_attrs before = { .alloc = doc->alloc, .owned = true };
  gs_attrs_copy(&before, &r->attrs);
  if (before.nomem && r->err == GESSO_OK)
    r->err = GESSO_E_NOMEM;
  gs_ix start = r->right;
  while (len > 0 && r->right != 0 && r->err == GESSO_OK) {
    unsigned kind = gs_kind(&doc->items[r->right]);
    if (kind == GS_STRING || kind == GS_EMBED || kind == GS_TYPE) {
      cut_right(r, len);
      if (r->err != GESSO_OK)
        break;
      len -= gs_visible_len(&doc->items[r->right]);
      gs_item_delete(doc, r->right);
    }
    forward(r);
  }
  if (start != 0 && r->err == GESSO_OK)
    (void)gs_format_gap(doc, start, r->right, &before, &r->attrs);
  gs_attrs_finish(&before);
}

gesso_status gs_rich_read_attrs(const gs_tree *tree, uint32_t node, gs_attrs *out)
{
  if (tree->nodes[node].kind != GS_NODE_OBJECT)
    return GESSO_E_USAGE;
  gs_buf key = gs_buf_make(out->alloc), value = key;
  gesso_status st = GESSO_OK;
  for (uint32_t i = tree->nodes[node].child; i != 0 && st == GESSO_OK; i = tree->nodes[i].next) {
    gs_buf_clear(&key);
    gs_buf_clear(&value);
    gs_buf_write(&key, tree->nodes[i].key, tree->nodes[i].key_len);
    if (!gs_tree_write_json_at(tree, i, &value))
      st = GESSO_E_USAGE;
    if (key.err != GESSO_OK || value.err != GESSO_OK) {
      st = GESSO_E_NOMEM;
      break;
    }
    gs_utf8_mend(key.b.data, key.b.len);
    gs_attrs_set(out, gs_buf_bytes(&key), gs_buf_bytes(&value));
    if (out->nomem)
      st = GESSO_E_NOMEM;
  }
  gs_buf_finish(&key);
  gs_buf_finish(&value);
  return st;
}

gesso_status gs_rich_parse_attrs(gesso_doc *doc, gesso_bytes json, gs_attrs *out)
{
  if (json.len == 0)
    return GESSO_OK;
  uint8_t *room = gs_alloc(doc->alloc, json.len + 1);
  if (room == NULL)
    return GESSO_E_NOMEM;
  gs_tree tree;
  gs_tree_init(&tree, doc->alloc);
  gesso_status st = gs_json_parse(json, &tree, room, NULL);
  if (st == GESSO_OK)
    st = gs_rich_read_attrs(&tree, 0, out);
  gs_tree_finish(&tree);
  gs_free(doc->alloc, room, json.len + 1);
  return st == GESSO_E_CORRUPT ? GESSO_E_USAGE : st;
}
