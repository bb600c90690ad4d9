/* Walking through XML. Only shared types are nodes: what else an element may hold is passed over. */
#include "crdt/read.h"

/* The first type from an item on, in either direction. */
static gesso_type type_from(const gesso_doc *doc, gs_ix ix, bool back)
{
  while (ix != 0) {
    const gs_item *it = &doc->items[ix];
    if (gs_kind(it) == GS_TYPE && !gs_is_deleted(it))
      return it->c.type;
    ix = back ? it->left : it->right;
  }
  return 0;
}

/* The item that holds a type in a sequence, or 0. */
static gs_ix item_of(const gesso_doc *doc, gesso_type type)
{
  if (type == 0 || type >= doc->ntypes || doc->types[type].item == 0)
    return 0;
  gs_ix ix = doc->types[type].item;
  return doc->slots[doc->items[ix].slot].key == 0 ? ix : 0;
}

gesso_type gesso_xml_next_sibling(const gesso_doc *doc, gesso_type xml)
{
  gs_ix ix = item_of(doc, xml);
  return ix != 0 ? type_from(doc, doc->items[ix].right, false) : 0;
}

gesso_type gesso_xml_prev_sibling(const gesso_doc *doc, gesso_type xml)
{
  gs_ix ix = item_of(doc, xml);
  return ix != 0 ? type_from(doc, doc->items[ix].left, true) : 0;
}

gesso_type gesso_xml_first_child(const gesso_doc *doc, gesso_type xml)
{
  return xml != 0 && xml < doc->ntypes ? type_from(doc, gs_first(doc, xml), false) : 0;
}

gesso_type gesso_xml_walk_next(const gesso_doc *doc, gesso_type root, gesso_type at)
{
  if (at == 0 || at >= doc->ntypes || doc->types[at].dead)
    return 0;
  /* Elements and fragments have nodes inside; text has text. */
  unsigned kind = doc->types[at].kind;
  if (at == root || kind == GESSO_XML_ELEMENT || kind == GESSO_XML_FRAGMENT) {
    gesso_type child = gesso_type_is_deleted(doc, at) ? 0 : gesso_xml_first_child(doc, at);
    if (child != 0)
      return child;
  }
  for (; at != 0 && at != root; at = gesso_type_parent(doc, at)) {
    gesso_type next = gesso_xml_next_sibling(doc, at);
    if (next != 0)
      return next;
  }
  return 0;
}
