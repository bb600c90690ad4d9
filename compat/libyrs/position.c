/* Sticky indexes: gesso/position.h in other words. */
#include "impl.h"

static gesso_position *inner(const YStickyIndex *pos)
{
  return (gesso_position *)(uintptr_t)pos;
}

static YStickyIndex *outer(gesso_status st, gesso_position *pos)
{
  return st == GESSO_OK ? (YStickyIndex *)pos : NULL;
}

/* Indexes of text are in the program's units. */
static bool is_text(const YDoc *doc, gesso_type type)
{
  gesso_type_kind kind;
  return gesso_type_get_kind(doc->doc, type, &kind) == GESSO_OK && (kind == GESSO_TEXT || kind == GESSO_XML_TEXT);
}

YRS_API void ysticky_index_destroy(YStickyIndex *pos)
{
  gesso_position_destroy(inner(pos));
}

YRS_API int8_t ysticky_index_assoc(const YStickyIndex *pos)
{
  return gesso_position_assoc(inner(pos)) >= 0 ? 0 : -1;
}

YRS_API YStickyIndex *ysticky_index_from_index(const Branch *branch, YTransaction *txn, uint32_t index, int8_t assoc)
{
  YDoc *doc = branch->doc;
  gesso_position *pos = NULL;
  uint64_t at = index;
  (void)txn;
  if (is_text(doc, branch->type) && !yrs_index_in(doc, branch->type, index, &at))
    return NULL;
  gesso_status st = gesso_position_create(doc->doc, branch->type, at, assoc >= 0 ? 0 : -1, &pos);
  return outer(st, pos);
}

YRS_API char *ysticky_index_encode(const YStickyIndex *pos, uint32_t *len)
{
  gesso_buffer b;
  gesso_status st = gesso_position_encode(inner(pos), &b);
  return yrs_take_bytes(st, &b, len);
}

YRS_API YStickyIndex *ysticky_index_decode(const char *binary, uint32_t len)
{
  gesso_position *pos = NULL;
  gesso_status st = gesso_position_decode(NULL, (gesso_bytes){ (const uint8_t *)binary, len }, &pos, NULL);
  return outer(st, pos);
}

YRS_API char *ysticky_index_to_json(const YStickyIndex *pos)
{
  gesso_buffer b;
  gesso_status st = gesso_position_to_json(inner(pos), &b);
  return yrs_take_string(st, &b);
}

YRS_API YStickyIndex *ysticky_index_from_json(const char *json)
{
  gesso_position *pos = NULL;
  gesso_status st = gesso_position_from_json(NULL, yrs_str(json), &pos, NULL);
  return outer(st, pos);
}

YRS_API void ysticky_index_read(const YStickyIndex *pos, const YTransaction *txn, Branch **out_branch,
                                uint32_t *out_index)
{
  YDoc *doc = txn->doc;
  gesso_place place;
  if (gesso_position_resolve(doc->doc, inner(pos), GESSO_POSITION_FOLLOW_UNDONE, &place) != GESSO_OK)
    return;
  uint64_t index = place.index;
  Branch *b = yrs_branch(doc, place.type);
  if (b == NULL || (is_text(doc, place.type) && !yrs_index_out(doc, place.type, place.index, &index)))
    return;
  *out_branch = b;
  *out_index = (uint32_t)index;
}
