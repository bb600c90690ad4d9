/* Links and quotations: gesso/weak.h in other words. */
#include "impl.h"

struct YWeakIter {
  YDoc *doc;
  gesso_values values;
  size_t at;
};

static const Weak *weak_of(gesso_status st, gesso_buffer *source)
{
  Weak *w = st == GESSO_OK ? calloc(1, sizeof *w) : NULL;
  if (w != NULL)
    w->source = *source;
  else
    gesso_buffer_free(source);
  return w;
}

YRS_API void yweak_destroy(const Weak *weak)
{
  Weak *w = (Weak *)(uintptr_t)weak;
  if (w == NULL)
    return;
  gesso_buffer_free(&w->source);
  free(w);
}

YRS_API const Weak *ymap_link(const Branch *map, const YTransaction *txn, const char *key)
{
  gesso_buffer b;
  (void)txn;
  gesso_status st = gesso_map_link(map->doc->doc, map->type, yrs_str(key), &b);
  return weak_of(st, &b);
}

/* `text`: indexes are in the program's units. */
static const Weak *quote(const Branch *b, const YTransaction *txn, const uint32_t *start, const uint32_t *end,
                         bool start_exclusive, bool end_exclusive, bool text)
{
  gesso_buffer source = { 0 };
  uint64_t first = start != NULL ? *start : 0, last = end != NULL ? *end : 0;
  gesso_doc *doc = yrs_writable(b, txn);
  if (doc == NULL || (text && !yrs_index_in(b->doc, b->type, first, &first)) ||
      (text && end != NULL && !yrs_index_in(b->doc, b->type, last, &last)))
    return NULL;
  uint32_t flags = (start == NULL ? GESSO_QUOTE_FROM_BEGIN : start_exclusive ? GESSO_QUOTE_AFTER_FIRST : 0) |
                   (end == NULL ? GESSO_QUOTE_TO_END : end_exclusive ? GESSO_QUOTE_BEFORE_LAST : 0);
  gesso_status st = gesso_type_quote(doc, b->type, first, last, flags, &source);
  return weak_of(st, &source);
}

YRS_API const Weak *ytext_quote(const Branch *text, YTransaction *txn, uint32_t *start_index, uint32_t *end_index,
                                int8_t start_exclusive, int8_t end_exclusive)
{
  return quote(text, txn, start_index, end_index, start_exclusive != 0, end_exclusive != 0, true);
}

YRS_API const Weak *yarray_quote(const Branch *array, YTransaction *txn, uint32_t *start_index, uint32_t *end_index,
                                 int8_t start_exclusive, int8_t end_exclusive)
{
  return quote(array, txn, start_index, end_index, start_exclusive != 0, end_exclusive != 0, false);
}

YRS_API YOutput *yweak_deref(const Branch *map_link, const YTransaction *txn)
{
  gesso_values v;
  (void)txn;
  if (gesso_weak_get(map_link->doc->doc, map_link->type, &v) != GESSO_OK)
    return NULL;
  YOutput *out = yrs_output_new(map_link->doc, &v.items[0]);
  gesso_values_free(&v);
  return out;
}

/* The end index is that of the last quoted element, as y-crdt has it, not the one after it. */
YRS_API void yweak_read(const Branch *text_link, const YTransaction *txn, Branch **out_branch,
                        uint32_t *out_start_index, uint32_t *out_end_index)
{
  YDoc *doc = text_link->doc;
  gesso_type type;
  gesso_type_kind kind;
  uint64_t from, end;
  (void)txn;
  if (gesso_weak_range(doc->doc, text_link->type, &type, &from, &end) != GESSO_OK ||
      gesso_type_get_kind(doc->doc, type, &kind) != GESSO_OK)
    return;
  if (end > from)
    end--;
  if ((kind == GESSO_TEXT || kind == GESSO_XML_TEXT) &&
      (!yrs_index_out(doc, type, from, &from) || !yrs_index_out(doc, type, end, &end)))
    return;
  Branch *b = yrs_branch(doc, type);
  if (b == NULL)
    return;
  *out_branch = b;
  *out_start_index = (uint32_t)from;
  *out_end_index = (uint32_t)end;
}

YRS_API YWeakIter *yweak_iter(const Branch *array_link, const YTransaction *txn)
{
  YWeakIter *it = calloc(1, sizeof *it);
  (void)txn;
  if (it == NULL)
    return NULL;
  it->doc = array_link->doc;
  if (gesso_weak_values(it->doc->doc, array_link->type, &it->values) != GESSO_OK) {
    free(it);
    it = NULL;
  }
  return it;
}

YRS_API void yweak_iter_destroy(YWeakIter *it)
{
  if (it == NULL)
    return;
  gesso_values_free(&it->values);
  free(it);
}

YRS_API YOutput *yweak_iter_next(YWeakIter *it)
{
  return it->at < it->values.count ? yrs_output_new(it->doc, &it->values.items[it->at++]) : NULL;
}

YRS_API char *yweak_string(const Branch *text_link, const YTransaction *txn)
{
  gesso_buffer b;
  (void)txn;
  gesso_status st = gesso_weak_to_string(text_link->doc->doc, text_link->type, &b);
  return yrs_take_string(st, &b);
}

YRS_API char *yweak_xml_string(const Branch *xml_text_link, const YTransaction *txn)
{
  gesso_buffer b;
  (void)txn;
  gesso_status st = gesso_weak_to_xml(xml_text_link->doc->doc, xml_text_link->type, &b);
  return yrs_take_string(st, &b);
}
