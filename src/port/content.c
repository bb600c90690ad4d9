#include "port/content.h"

#include "crdt/doc_impl.h"
#include "wire/json.h"

static bool is_xml(unsigned kind)
{
  return kind >= GESSO_XML_ELEMENT && kind <= GESSO_XML_TEXT;
}

gesso_type_kind gs_content_kind(const gesso_doc *doc, gesso_type root)
{
  const gs_type *t = &doc->types[root];
  if (t->kind != GS_KIND_UNKNOWN)
    return (gesso_type_kind)t->kind;
  for (gs_ix ix = t->seq == 0 ? 0 : doc->slots[t->seq].head; ix != 0; ix = doc->items[ix].right) {
    const gs_item *it = &doc->items[ix];
    if (gs_kind(it) == GS_STRING || gs_kind(it) == GS_FORMAT || gs_kind(it) == GS_EMBED)
      return GESSO_TEXT;
    if (gs_kind(it) == GS_TYPE && is_xml(doc->types[it->c.type].kind))
      return GESSO_XML_FRAGMENT;
    if (gs_is_visible(it))
      return GESSO_ARRAY;
  }
  return t->maps != 0 ? GESSO_MAP : t->seq != 0 ? GESSO_ARRAY : GESSO_MAP;
}

/* Text that a string says in full. */
static bool is_plain(const gesso_doc *doc, gesso_type root)
{
  const gs_type *t = &doc->types[root];
  for (gs_ix ix = t->seq == 0 ? 0 : doc->slots[t->seq].head; ix != 0; ix = doc->items[ix].right)
    if (!gs_is_deleted(&doc->items[ix]) && gs_kind(&doc->items[ix]) != GS_STRING)
      return false;
  return true;
}

gesso_status gs_content_to_json(gesso_doc *doc, gs_buf *out)
{
  bool first = true;
  gs_buf_put(out, '{');
  uint32_t nkeys = doc->nkeys;
  for (uint32_t k = 1; k < nkeys; k++) {
    gesso_type root = doc->keys[k].root;
    if (root == 0)
      continue;
    gesso_type_kind kind = gs_content_kind(doc, root);
    gesso_buffer value = { 0 };
    gesso_status s = kind == GESSO_TEXT && !is_plain(doc, root) ? gesso_text_to_delta(doc, root, &value)
                                                                : gesso_type_to_json(doc, root, kind, &value);
    if (s != GESSO_OK)
      return s;
    gs_buf_puts(out, first ? "" : ",\n ");
    gs_json_write_string(out, gs_key_text(doc, k));
    gs_buf_puts(out, ": ");
    gs_buf_write(out, value.data, value.len);
    gesso_buffer_free(&value);
    first = false;
  }
  gs_buf_puts(out, "}\n");
  return out->err;
}
