#include "impl.h"

struct YArrayIter {
  const Branch *array;
  uint64_t at;
};

YRS_API uint32_t yarray_len(const Branch *array)
{
  return (uint32_t)gesso_type_length(array->doc->doc, array->type);
}

YRS_API YOutput *yarray_get(const Branch *array, const YTransaction *txn, uint32_t index)
{
  gesso_values v;
  YOutput *out = NULL;
  (void)txn;
  if (gesso_array_get(array->doc->doc, array->type, index, 1, &v) != GESSO_OK)
    return NULL;
  if (v.count == 1)
    out = yrs_output_new(array->doc, &v.items[0]);
  gesso_values_free(&v);
  return out;
}

YRS_API char *yarray_get_json(const Branch *array, const YTransaction *txn, uint32_t index)
{
  gesso_buffer b;
  (void)txn;
  gesso_status st = gesso_array_get_json(array->doc->doc, array->type, index, &b);
  if (st == GESSO_E_NOTFOUND && index < yarray_len(array))
    return yrs_string(yrs_str("null")); /* undefined */
  return yrs_take_string(st, &b);
}

YRS_API void yarray_insert_range(const Branch *array, YTransaction *txn, uint32_t index, const YInput *items,
                                 uint32_t items_len)
{
  gesso_doc *doc = yrs_writable(array, txn);
  gesso_status st = doc != NULL ? GESSO_OK : GESSO_E_USAGE;
  for (uint32_t i = 0, n; i < items_len && st == GESSO_OK; i += n) {
    yrs_arena a = { 0 };
    gesso_value *v = yrs_arena_new(&a, items_len - i, sizeof *v);
    gesso_type made = 0;
    /* Plain values go in together, shared types one by one, since they are filled. */
    for (n = 0; v != NULL && i + n < items_len && items[i + n].tag <= 0; n++)
      if (!yrs_value(&a, &items[i + n], &v[n]))
        break;
    if (v != NULL && n == 0 && items[i].tag > 0 && yrs_value(&a, &items[i], v))
      n = 1;
    st = n > 0 ? gesso_array_insert(doc, array->type, index + i, v, n, &made) : GESSO_E_USAGE;
    yrs_arena_free(&a);
    if (items[i].tag > 0)
      yrs_used(&items[i]);
    if (st == GESSO_OK)
      yrs_fill(array->doc, made, &items[i]);
  }
}

YRS_API void yarray_remove_range(const Branch *array, YTransaction *txn, uint32_t index, uint32_t len)
{
  gesso_doc *doc = yrs_writable(array, txn);
  if (doc != NULL)
    yrs_ignore(gesso_array_remove(doc, array->type, index, len));
}

YRS_API YArrayIter *yarray_iter(const Branch *array, YTransaction *txn)
{
  YArrayIter *it = calloc(1, sizeof *it);
  (void)txn;
  if (it != NULL)
    it->array = array;
  return it;
}

YRS_API void yarray_iter_destroy(YArrayIter *iter)
{
  free(iter);
}

YRS_API YOutput *yarray_iter_next(YArrayIter *it)
{
  if (it->at >= yarray_len(it->array))
    return NULL;
  return yarray_get(it->array, NULL, (uint32_t)it->at++);
}
