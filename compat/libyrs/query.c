/* JSONPath: gesso/query.h in other words. */
#include "impl.h"

struct YJsonPathIter {
  YDoc *doc;
  gesso_query *query;
  gesso_matches *matches;
};

YRS_API void yjson_path_iter_destroy(YJsonPathIter *it)
{
  if (it == NULL)
    return;
  gesso_matches_destroy(it->matches);
  gesso_query_destroy(it->query);
  free(it);
}

YRS_API YJsonPathIter *ytransaction_json_path(YTransaction *txn, const char *json_path)
{
  YJsonPathIter *it = calloc(1, sizeof *it);
  if (it == NULL)
    return NULL;
  it->doc = txn->doc;
  if (gesso_query_parse(NULL, yrs_str(json_path), &it->query, NULL) == GESSO_OK)
    it->matches = gesso_query_run(it->doc->doc, it->query, 0);
  if (it->matches == NULL) {
    yjson_path_iter_destroy(it);
    it = NULL;
  }
  return it;
}

YRS_API YOutput *yjson_path_iter_next(YJsonPathIter *it)
{
  gesso_value v;
  if (gesso_matches_next(it->matches, &v) != GESSO_OK)
    return NULL;
  return v.kind == GESSO_VALUE_TYPE ? yrs_output_type(it->doc, v.ref) : yrs_output_new(it->doc, &v);
}
