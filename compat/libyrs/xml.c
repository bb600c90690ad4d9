/* XML elements, fragments and texts, as far as they are not arrays, maps and texts. */
#include "impl.h"

struct YXmlTreeWalker {
  const Branch *root;
  gesso_type at;
};

static gesso_type_kind kind_of(const Branch *xml)
{
  gesso_type_kind kind;
  return gesso_type_get_kind(xml->doc->doc, xml->type, &kind) == GESSO_OK ? kind : GESSO_XML_FRAGMENT;
}

static char *string_of(const Branch *xml)
{
  gesso_buffer b;
  gesso_status st = gesso_xml_to_string(xml->doc->doc, xml->type, kind_of(xml), &b);
  return yrs_take_string(st, &b);
}

YRS_API char *yxmlelem_tag(const Branch *xml)
{
  return kind_of(xml) == GESSO_XML_ELEMENT ? yrs_string(gesso_type_name(xml->doc->doc, xml->type)) : NULL;
}

YRS_API char *yxmlelem_string(const Branch *xml, const YTransaction *txn)
{
  (void)txn;
  return string_of(xml);
}

YRS_API char *yxmltext_string(const Branch *txt, const YTransaction *txn)
{
  (void)txn;
  return string_of(txt);
}

YRS_API YOutput *yxml_next_sibling(const Branch *xml, const YTransaction *txn)
{
  (void)txn;
  return yrs_output_type(xml->doc, gesso_xml_next_sibling(xml->doc->doc, xml->type));
}

YRS_API YOutput *yxml_prev_sibling(const Branch *xml, const YTransaction *txn)
{
  (void)txn;
  return yrs_output_type(xml->doc, gesso_xml_prev_sibling(xml->doc->doc, xml->type));
}

YRS_API Branch *yxmlelem_parent(const Branch *xml)
{
  return yrs_branch(xml->doc, gesso_type_parent(xml->doc->doc, xml->type));
}

YRS_API uint32_t yxmlelem_child_len(const Branch *xml, const YTransaction *txn)
{
  (void)txn;
  return yarray_len(xml);
}

YRS_API YOutput *yxmlelem_first_child(const Branch *xml)
{
  return yrs_output_type(xml->doc, gesso_xml_first_child(xml->doc->doc, xml->type));
}

YRS_API YXmlTreeWalker *yxmlelem_tree_walker(const Branch *xml, const YTransaction *txn)
{
  YXmlTreeWalker *w = calloc(1, sizeof *w);
  (void)txn;
  if (w != NULL)
    *w = (YXmlTreeWalker){ xml, xml->type };
  return w;
}

YRS_API void yxmlelem_tree_walker_destroy(YXmlTreeWalker *walker)
{
  free(walker);
}

YRS_API YOutput *yxmlelem_tree_walker_next(YXmlTreeWalker *w)
{
  if (w->at != 0)
    w->at = gesso_xml_walk_next(w->root->doc->doc, w->root->type, w->at);
  return yrs_output_type(w->root->doc, w->at);
}

static Branch *insert(const Branch *xml, YTransaction *txn, uint32_t index, gesso_value v)
{
  gesso_doc *doc = yrs_writable(xml, txn);
  gesso_type made = 0;
  if (doc == NULL || gesso_array_insert(doc, xml->type, index, &v, 1, &made) != GESSO_OK)
    return NULL;
  return yrs_branch(xml->doc, made);
}

YRS_API Branch *yxmlelem_insert_elem(const Branch *xml, YTransaction *txn, uint32_t index, const char *name)
{
  gesso_value v = { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_ELEMENT, .bytes = yrs_str(name) };
  return insert(xml, txn, index, v);
}

YRS_API Branch *yxmlelem_insert_text(const Branch *xml, YTransaction *txn, uint32_t index)
{
  return insert(xml, txn, index, (gesso_value){ .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_TEXT });
}

YRS_API void yxmlelem_remove_range(const Branch *xml, YTransaction *txn, uint32_t index, uint32_t len)
{
  yarray_remove_range(xml, txn, index, len);
}

YRS_API const YOutput *yxmlelem_get(const Branch *xml, const YTransaction *txn, uint32_t index)
{
  (void)txn;
  return yrs_output_type(xml->doc, gesso_array_get_type(xml->doc->doc, xml->type, index));
}

YRS_API uint32_t yxmltext_len(const Branch *txt, const YTransaction *txn)
{
  return ytext_len(txt, txn);
}

YRS_API void yxmltext_insert(const Branch *txt, YTransaction *txn, uint32_t index, const char *str, const YInput *attrs)
{
  ytext_insert(txt, txn, index, str, attrs);
}

YRS_API void yxmltext_insert_embed(const Branch *txt, YTransaction *txn, uint32_t index, const YInput *content,
                                   const YInput *attrs)
{
  ytext_insert_embed(txt, txn, index, content, attrs);
}

YRS_API void yxmltext_format(const Branch *txt, YTransaction *txn, uint32_t index, uint32_t len, const YInput *attrs)
{
  ytext_format(txt, txn, index, len, attrs);
}

YRS_API void yxmltext_remove_range(const Branch *txt, YTransaction *txn, uint32_t idx, uint32_t len)
{
  ytext_remove_range(txt, txn, idx, len);
}
