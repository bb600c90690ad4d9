#include "port/shape.h"

#include <math.h>
#include <string.h>

static const double coordinate_max = 1e7;

const gs_node *gs_shape_get_key(const gs_tree *tree, const gs_node *object, gesso_bytes key)
{
  const gs_node *found = NULL;
  if (object == NULL || object->kind != GS_NODE_OBJECT)
    return NULL;
  for (uint32_t i = object->child; i != 0; i = tree->nodes[i].next) {
    const gs_node *n = &tree->nodes[i];
    if (n->key_len == key.len && (key.len == 0 || memcmp(n->key, key.data, key.len) == 0))
      found = n;
  }
  return found;
}

const gs_node *gs_shape_get(const gs_tree *tree, const gs_node *object, const char *key)
{
  return gs_shape_get_key(tree, object, (gesso_bytes){ (const uint8_t *)key, strlen(key) });
}

bool gs_node_is(const gs_node *node, const char *text)
{
  return node != NULL && node->kind == GS_NODE_STRING && gs_key_is((gesso_bytes){ node->data, node->len }, text);
}

bool gs_key_is(gesso_bytes key, const char *text)
{
  return key.len == strlen(text) && memcmp(key.data, text, key.len) == 0;
}

int gs_node_compare(const gs_node *a, const gs_node *b)
{
  size_t n = GS_MIN(a->len, b->len);
  int order = n != 0 ? memcmp(a->data, b->data, n) : 0;
  return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

bool gs_shape_is(const gs_tree *tree, const gs_node *shape, const char *type)
{
  return gs_node_is(gs_shape_get(tree, shape, "type"), type);
}

/* ---- what values may be ------------------------------------------------------------------------ */

static bool number_between(const gs_node *n, double low, double high)
{
  return n != NULL && n->kind == GS_NODE_NUMBER && isfinite(n->number) && n->number >= low && n->number <= high;
}

static bool is_place(const gs_node *n)
{
  return number_between(n, -coordinate_max, coordinate_max);
}

bool gs_shape_point(const gs_tree *tree, const gs_node *node, double xy[2])
{
  if (node->kind != GS_NODE_ARRAY || node->count != 2)
    return false;
  const gs_node *x = &tree->nodes[node->child], *y = &tree->nodes[x->next];
  if (!is_place(x) || !is_place(y))
    return false;
  xy[0] = x->number;
  xy[1] = y->number;
  return true;
}

static bool points_ok(const gs_tree *tree, const gs_node *points)
{
  double xy[2];
  if (points == NULL || points->kind != GS_NODE_ARRAY || points->count < 2 || points->count > GS_SHAPE_POINTS_MAX)
    return false;
  for (uint32_t i = points->child; i != 0; i = tree->nodes[i].next)
    if (!gs_shape_point(tree, &tree->nodes[i], xy))
      return false;
  return true;
}

bool gs_shape_can_be_shown(const gs_tree *tree, const gs_node *shape)
{
  static const char *const kinds[] = { "rectangle", "diamond", "ellipse", "arrow", "line", "freedraw", "text", "image", "frame",
                                       "magicframe", "embeddable", "iframe" };
  const gs_node *id = gs_shape_get(tree, shape, "id"), *type = gs_shape_get(tree, shape, "type");
  bool known = false;
  for (size_t i = 0; i < GS_COUNT(kinds); i++)
    known |= gs_node_is(type, kinds[i]);
  if (!known || id == NULL || id->kind != GS_NODE_STRING || id->len == 0 || !is_place(gs_shape_get(tree, shape, "x")) ||
      !is_place(gs_shape_get(tree, shape, "y")))
    return false;
  bool has_points = gs_node_is(type, "freedraw") || gs_node_is(type, "line") || gs_node_is(type, "arrow");
  return !has_points || points_ok(tree, gs_shape_get(tree, shape, "points"));
}

bool gs_shape_keeps(gesso_bytes key, bool stroke)
{
  static const char *const left_out[] = { "id", "isDeleted", "version", "versionNonce", "updated", "lastCommittedPoint", "status",
                                          "__proto__", "constructor", "prototype" };
  for (size_t i = 0; i < GS_COUNT(left_out); i++)
    if (gs_key_is(key, left_out[i]))
      return false;
  return !stroke || (!gs_key_is(key, "points") && !gs_key_is(key, "pressures"));
}

static bool has_text(const gs_tree *tree, const gs_node *object, const char *key)
{
  const gs_node *n = gs_shape_get(tree, object, key);
  return n != NULL && n->kind == GS_NODE_STRING;
}

static bool number_or_none(const gs_tree *tree, const gs_node *object, const char *key)
{
  const gs_node *n = gs_shape_get(tree, object, key);
  return n == NULL || number_between(n, -HUGE_VAL, HUGE_VAL);
}

static bool binding_ok(const gs_tree *tree, const gs_node *v)
{
  double xy[2];
  const gs_node *fixed = gs_shape_get(tree, v, "fixedPoint");
  return has_text(tree, v, "elementId") && number_or_none(tree, v, "focus") && number_or_none(tree, v, "gap") &&
         (fixed == NULL || fixed->kind == GS_NODE_NULL || gs_shape_point(tree, fixed, xy));
}

static bool bound_ok(const gs_tree *tree, const gs_node *v)
{
  return has_text(tree, v, "id") && (gs_shape_is(tree, v, "arrow") || gs_shape_is(tree, v, "text"));
}

static bool segment_ok(const gs_tree *tree, const gs_node *v)
{
  double xy[2];
  const gs_node *start = gs_shape_get(tree, v, "start"), *end = gs_shape_get(tree, v, "end"), *index = gs_shape_get(tree, v, "index");
  return start != NULL && gs_shape_point(tree, start, xy) && end != NULL && gs_shape_point(tree, end, xy) &&
         number_between(index, -HUGE_VAL, HUGE_VAL);
}

static bool crop_ok(const gs_tree *tree, const gs_node *v)
{
  static const char *const keys[] = { "x", "y", "width", "height", "naturalWidth", "naturalHeight" };
  for (size_t i = 0; i < GS_COUNT(keys); i++)
    if (!is_place(gs_shape_get(tree, v, keys[i])))
      return false;
  return true;
}

static bool text_ok(const gs_tree *tree, const gs_node *v)
{
  (void)tree;
  return v->kind == GS_NODE_STRING;
}

static bool finite_ok(const gs_tree *tree, const gs_node *v)
{
  (void)tree;
  return number_between(v, -HUGE_VAL, HUGE_VAL);
}

static bool array_of(const gs_tree *tree, const gs_node *v, bool (*ok)(const gs_tree *, const gs_node *))
{
  if (v->kind != GS_NODE_ARRAY)
    return false;
  for (uint32_t i = v->child; i != 0; i = tree->nodes[i].next)
    if (!ok(tree, &tree->nodes[i]))
      return false;
  return true;
}

typedef struct rule {
  const char *key;
  enum { IS_PLACE, IS_BETWEEN, IS_TEXT, IS_BOOL, IS_OBJECT, IS_POINTS, IS_ITEM, IS_ARRAY } what;
  bool or_null;
  double low, high;
  bool (*item)(const gs_tree *, const gs_node *);
} rule;

static const rule rules[] = {
  { .key = "x" }, { .key = "y" }, { .key = "width" }, { .key = "height" },
  { .key = "angle", .what = IS_BETWEEN, .low = -1e4, .high = 1e4 },
  { .key = "strokeColor", .what = IS_TEXT }, { .key = "backgroundColor", .what = IS_TEXT },
  { .key = "fillStyle", .what = IS_TEXT }, { .key = "strokeStyle", .what = IS_TEXT },
  { .key = "strokeWidth", .what = IS_BETWEEN, .high = 1000 }, { .key = "roughness", .what = IS_BETWEEN, .high = 100 },
  { .key = "opacity", .what = IS_BETWEEN, .high = 100 },
  { .key = "seed", .what = IS_BETWEEN, .low = -HUGE_VAL, .high = HUGE_VAL },
  { .key = "roundness", .what = IS_OBJECT, .or_null = true },
  { .key = "groupIds", .what = IS_ARRAY, .item = text_ok },
  { .key = "frameId", .what = IS_TEXT, .or_null = true }, { .key = "index", .what = IS_TEXT, .or_null = true },
  { .key = "boundElements", .what = IS_ARRAY, .or_null = true, .item = bound_ok },
  { .key = "link", .what = IS_TEXT, .or_null = true }, { .key = "locked", .what = IS_BOOL },
  { .key = "text", .what = IS_TEXT }, { .key = "originalText", .what = IS_TEXT },
  { .key = "fontSize", .what = IS_BETWEEN, .low = 0.01, .high = 10000 },
  { .key = "fontFamily", .what = IS_BETWEEN, .low = -HUGE_VAL, .high = HUGE_VAL },
  { .key = "textAlign", .what = IS_TEXT }, { .key = "verticalAlign", .what = IS_TEXT },
  { .key = "containerId", .what = IS_TEXT, .or_null = true }, { .key = "autoResize", .what = IS_BOOL },
  { .key = "lineHeight", .what = IS_BETWEEN, .low = 0.1, .high = 100 },
  { .key = "points", .what = IS_POINTS },
  { .key = "startBinding", .what = IS_ITEM, .or_null = true, .item = binding_ok },
  { .key = "endBinding", .what = IS_ITEM, .or_null = true, .item = binding_ok },
  { .key = "startArrowhead", .what = IS_TEXT, .or_null = true }, { .key = "endArrowhead", .what = IS_TEXT, .or_null = true },
  { .key = "elbowed", .what = IS_BOOL },
  { .key = "fixedSegments", .what = IS_ARRAY, .or_null = true, .item = segment_ok },
  { .key = "startIsSpecial", .what = IS_BOOL, .or_null = true }, { .key = "endIsSpecial", .what = IS_BOOL, .or_null = true },
  { .key = "simulatePressure", .what = IS_BOOL },
  { .key = "fileId", .what = IS_TEXT, .or_null = true }, { .key = "scale", .what = IS_ARRAY, .item = finite_ok },
  { .key = "crop", .what = IS_ITEM, .or_null = true, .item = crop_ok }, { .key = "name", .what = IS_TEXT, .or_null = true },
};

bool gs_shape_value_ok(const gs_tree *tree, const gs_node *v)
{
  const rule *r = NULL;
  for (size_t i = 0; i < GS_COUNT(rules) && r == NULL; i++)
    if (gs_key_is((gesso_bytes){ v->key, v->key_len }, rules[i].key))
      r = &rules[i];
  if (r == NULL || (r->or_null && v->kind == GS_NODE_NULL))
    return true;
  switch (r->what) {
  case IS_PLACE:
    return is_place(v);
  case IS_BETWEEN:
    return number_between(v, r->low, r->high);
  case IS_TEXT:
    return v->kind == GS_NODE_STRING;
  case IS_BOOL:
    return v->kind == GS_NODE_BOOL;
  case IS_OBJECT:
    return v->kind == GS_NODE_OBJECT;
  case IS_POINTS:
    return points_ok(tree, v);
  case IS_ITEM:
    return v->kind == GS_NODE_OBJECT && r->item(tree, v);
  case IS_ARRAY:
    return array_of(tree, v, r->item);
  }
  return false;
}

/* ---- strokes ----------------------------------------------------------------------------------- */

gs_stroke gs_stroke_of(const gs_tree *tree, const gs_node *shape)
{
  const gs_node *points = gs_shape_get(tree, shape, "points"), *pressures = gs_shape_get(tree, shape, "pressures");
  const gs_node *simulated = gs_shape_get(tree, shape, "simulatePressure");
  gs_stroke s = { .tree = tree, .point = points == NULL ? 0 : points->child };
  s.has_pressure = simulated != NULL && simulated->kind == GS_NODE_BOOL && simulated->number == 0;
  s.pressure = pressures != NULL && pressures->kind == GS_NODE_ARRAY ? pressures->child : 0;
  return s;
}

static double rounded(double x)
{
  return floor(x + 0.5); /* as Math.round */
}

int gs_stroke_next(gs_stroke *s, double out[3])
{
  double xy[2];
  if (s->point == 0 || !gs_shape_point(s->tree, &s->tree->nodes[s->point], xy))
    return 0;
  s->point = s->tree->nodes[s->point].next;
  double x = rounded(xy[0] * 100), y = rounded(xy[1] * 100);
  /* Differences between rounded places: rounding does not add up along the stroke. */
  out[0] = x - s->x;
  out[1] = y - s->y;
  s->x = x;
  s->y = y;
  if (!s->has_pressure)
    return 2;
  const gs_node *pressure = s->pressure == 0 ? NULL : &s->tree->nodes[s->pressure];
  out[2] = rounded((number_between(pressure, 0, 1) ? pressure->number : 0.5) * 1000);
  s->pressure = pressure == NULL ? 0 : pressure->next;
  return 3;
}
