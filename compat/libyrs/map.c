/* Maps, and the attributes of XML types, which are one too. */
#include "impl.h"

struct YMapIter {
  YDoc *doc;
  gesso_values entries;
  size_t at;
};

struct YXmlAttrIter {
  YMapIter entries;
};

static bool begin(YMapIter *it, const Branch *map)
{
  it->doc = map->doc;
  return gesso_map_entries(map->doc->doc, map->type, &it->entries) == GESSO_OK;
}

YRS_API YMapIter *ymap_iter(const Branch *map, const YTransaction *txn)
{
  YMapIter *it = calloc(1, sizeof *it);
  (void)txn;
  if (it != NULL && !begin(it, map)) {
    free(it);
    it = NULL;
  }
  return it;
}

YRS_API void ymap_iter_destroy(YMapIter *it)
{
  if (it == NULL)
    return;
  gesso_values_free(&it->entries);
  free(it);
}

YRS_API YMapEntry *ymap_iter_next(YMapIter *it)
{
  if (it->at == it->entries.count)
    return NULL;
  size_t at = it->at++;
  YMapEntry *entry = calloc(1, sizeof *entry);
  if (entry == NULL)
    return NULL;
  entry->key = yrs_string(it->entries.keys[at]);
  entry->value = yrs_output_new(it->doc, &it->entries.items[at]);
  if (entry->key == NULL || entry->value == NULL) {
    ymap_entry_destroy(entry);
    entry = NULL;
  }
  return entry;
}

YRS_API uint32_t ymap_len(const Branch *map, const YTransaction *txn)
{
  (void)txn;
  return (uint32_t)gesso_type_length(map->doc->doc, map->type);
}

YRS_API void ymap_insert(const Branch *map, YTransaction *txn, const char *key, const YInput *value)
{
  if (yrs_writable(map, txn) != NULL)
    yrs_ignore(yrs_map_put(map->doc, map->type, yrs_str(key), value));
}

YRS_API uint8_t ymap_remove(const Branch *map, YTransaction *txn, const char *key)
{
  gesso_doc *doc = yrs_writable(map, txn);
  return doc != NULL && gesso_map_remove(doc, map->type, yrs_str(key)) == GESSO_OK;
}

YRS_API YOutput *ymap_get(const Branch *map, const YTransaction *txn, const char *key)
{
  gesso_values v;
  (void)txn;
  if (gesso_map_get(map->doc->doc, map->type, yrs_str(key), &v) != GESSO_OK)
    return NULL;
  YOutput *out = yrs_output_new(map->doc, &v.items[0]);
  gesso_values_free(&v);
  return out;
}

YRS_API char *ymap_get_json(const Branch *map, const YTransaction *txn, const char *key)
{
  gesso_buffer b;
  (void)txn;
  gesso_status st = gesso_map_get_json(map->doc->doc, map->type, yrs_str(key), &b);
  return yrs_take_string(st, &b);
}

YRS_API void ymap_remove_all(const Branch *map, YTransaction *txn)
{
  gesso_doc *doc = yrs_writable(map, txn);
  if (doc != NULL)
    yrs_ignore(gesso_map_clear(doc, map->type));
}

YRS_API void yxmlelem_insert_attr(const Branch *xml, YTransaction *txn, const char *name, const YInput *value)
{
  ymap_insert(xml, txn, name, value);
}

YRS_API void yxmlelem_remove_attr(const Branch *xml, YTransaction *txn, const char *name)
{
  (void)ymap_remove(xml, txn, name);
}

YRS_API YOutput *yxmlelem_get_attr(const Branch *xml, const YTransaction *txn, const char *name)
{
  return ymap_get(xml, txn, name);
}

YRS_API void yxmltext_insert_attr(const Branch *txt, YTransaction *txn, const char *name, const YInput *value)
{
  ymap_insert(txt, txn, name, value);
}

YRS_API void yxmltext_remove_attr(const Branch *txt, YTransaction *txn, const char *name)
{
  (void)ymap_remove(txt, txn, name);
}

YRS_API YOutput *yxmltext_get_attr(const Branch *txt, const YTransaction *txn, const char *name)
{
  return ymap_get(txt, txn, name);
}

YRS_API YXmlAttrIter *yxmlelem_attr_iter(const Branch *xml, const YTransaction *txn)
{
  YXmlAttrIter *it = calloc(1, sizeof *it);
  (void)txn;
  if (it != NULL && !begin(&it->entries, xml)) {
    free(it);
    it = NULL;
  }
  return it;
}

YRS_API YXmlAttrIter *yxmltext_attr_iter(const Branch *xml, const YTransaction *txn)
{
  return yxmlelem_attr_iter(xml, txn);
}

YRS_API void yxmlattr_iter_destroy(YXmlAttrIter *it)
{
  if (it == NULL)
    return;
  gesso_values_free(&it->entries.entries);
  free(it);
}

YRS_API YXmlAttr *yxmlattr_iter_next(YXmlAttrIter *it)
{
  YMapEntry *entry = ymap_iter_next(&it->entries);
  YXmlAttr *attr = entry != NULL ? calloc(1, sizeof *attr) : NULL;
  if (attr == NULL) {
    ymap_entry_destroy(entry);
    return NULL;
  }
  *attr = (YXmlAttr){ entry->key, entry->value };
  free(entry);
  return attr;
}
