/* From a document to a drawing: what the whiteboard page reads out of it, as a file of Excalidraw. */
#include "port/excalidraw.h"

#include "gesso/types.h"
#include "port/base64.h"
#include "port/shape.h"
#include "wire/json.h"
#include "wire/number.h"

#include <math.h>
#include <stdlib.h>

typedef struct shown {
  const gs_tree *tree;
  const gs_node *map, *base, *index; /* index NULL: it has none */
} shown;

typedef struct writing {
  const gs_tree *tree;
  gs_buf *out;
  bool some; /* the object that is open has a member */
  shown *shapes;
  uint32_t count, cap;
  const gs_node **images; /* file ids */
  uint32_t nimages, images_cap;
} writing;

static const gs_node *get(const writing *w, const gs_node *object, const char *key)
{
  return gs_shape_get(w->tree, object, key);
}

static uint32_t node_of(const writing *w, const gs_node *n)
{
  return (uint32_t)(n - w->tree->nodes);
}

/* ---- which shapes, and in which order ---------------------------------------------------------- */

static bool is_deleted(const writing *w, const gs_node *map)
{
  const gs_node *d = get(w, map, "d");
  return d != NULL && d->kind == GS_NODE_NUMBER && d->number > 0;
}

/* The base has everything but the points of strokes. */
static bool can_be_shown(const writing *w, const gs_node *map)
{
  const gs_node *base = get(w, map, "b"), *x = get(w, base, "x"), *y = get(w, base, "y"), *p = get(w, map, "p");
  if (x == NULL || x->kind != GS_NODE_NUMBER || y == NULL || y->kind != GS_NODE_NUMBER)
    return false;
  if (gs_shape_is(w->tree, base, "freedraw"))
    return p != NULL && p->kind == GS_NODE_ARRAY;
  const gs_node *type = get(w, base, "type");
  return type != NULL && type->kind == GS_NODE_STRING;
}

static int by_order(const void *a, const void *b)
{
  const shown *x = a, *y = b;
  int order = 0;
  if (x->index != NULL && y->index != NULL)
    order = gs_node_compare(x->index, y->index);
  else if (x->index != y->index)
    return x->index == NULL ? 1 : -1;
  if (order != 0)
    return order;
  size_t n = GS_MIN(x->map->key_len, y->map->key_len);
  order = n != 0 ? memcmp(x->map->key, y->map->key, n) : 0;
  return order != 0 ? order : (x->map->key_len > y->map->key_len) - (x->map->key_len < y->map->key_len);
}

static gesso_status collect(writing *w, gs_drawing_counts *counts)
{
  for (uint32_t i = w->tree->nodes[0].child; i != 0; i = w->tree->nodes[i].next) {
    const gs_node *map = &w->tree->nodes[i];
    if (is_deleted(w, map)) {
      counts->deleted++;
    } else if (!can_be_shown(w, map)) {
      counts->refused++;
    } else {
      const gs_node *base = get(w, map, "b"), *own = get(w, map, "index"), *index = own != NULL ? own : get(w, base, "index");
      if (!gs_grow(NULL, &w->shapes, &w->cap, (size_t)w->count + 1, sizeof *w->shapes))
        return GESSO_E_NOMEM;
      w->shapes[w->count++] = (shown){ w->tree, map, base, index != NULL && index->kind == GS_NODE_STRING ? index : NULL };
      counts->shapes++;
    }
  }
  if (w->count != 0)
    qsort(w->shapes, w->count, sizeof *w->shapes, by_order);
  return GESSO_OK;
}

/* ---- one shape --------------------------------------------------------------------------------- */

static void put_key(writing *w, gesso_bytes key)
{
  gs_buf_puts(w->out, w->some ? "," : "");
  gs_json_write_string(w->out, key);
  gs_buf_put(w->out, ':');
  w->some = true;
}

static void put_node(writing *w, const char *key, const gs_node *value)
{
  put_key(w, (gesso_bytes){ (const uint8_t *)key, strlen(key) });
  if (!gs_tree_write_json_at(w->tree, node_of(w, value), w->out))
    gs_buf_puts(w->out, "null");
}

static void put_number(writing *w, const char *key, double x)
{
  put_key(w, (gesso_bytes){ (const uint8_t *)key, strlen(key) });
  gs_number_write_json(w->out, x);
}

typedef struct box {
  double left, top, right, bottom;
} box;

static void widen(box *b, double x, double y)
{
  b->left = fmin(b->left, x);
  b->right = fmax(b->right, x);
  b->top = fmin(b->top, y);
  b->bottom = fmax(b->bottom, y);
}

static void put_size(writing *w, const box *b)
{
  put_number(w, "width", b->right >= b->left ? b->right - b->left : 0);
  put_number(w, "height", b->bottom >= b->top ? b->bottom - b->top : 0);
}

static const gs_node *next_of(const writing *w, const gs_node *n)
{
  return n == NULL || n->next == 0 ? NULL : &w->tree->nodes[n->next];
}

static double number_of(const gs_node *n)
{
  return n != NULL && n->kind == GS_NODE_NUMBER ? n->number : 0;
}

/* The integers of a stroke become points, and pressures if it has them. */
static void put_stroke(writing *w, const shown *s)
{
  const gs_node *p = get(w, s->map, "p"), *own = get(w, s->map, "simulatePressure");
  const gs_node *simulated = own != NULL ? own : get(w, s->base, "simulatePressure");
  bool pressure = simulated != NULL && simulated->kind == GS_NODE_BOOL && simulated->number == 0;
  uint32_t stride = pressure ? 3 : 2;
  for (int what = 0; what < 2; what++) { /* points, then pressures */
    box b = { HUGE_VAL, HUGE_VAL, -HUGE_VAL, -HUGE_VAL };
    double x = 0, y = 0;
    const gs_node *n = p->child == 0 ? NULL : &w->tree->nodes[p->child];
    put_key(w, what == 0 ? (gesso_bytes){ (const uint8_t *)"points", 6 } : (gesso_bytes){ (const uint8_t *)"pressures", 9 });
    gs_buf_put(w->out, '[');
    for (uint32_t at = 0; at + stride <= p->count && (what == 0 || pressure); at += stride) {
      const gs_node *dx = n, *dy = next_of(w, dx), *pr = pressure ? next_of(w, dy) : NULL;
      n = next_of(w, pressure ? pr : dy);
      x += number_of(dx);
      y += number_of(dy);
      widen(&b, x / 100, y / 100);
      gs_buf_puts(w->out, at == 0 ? "" : ",");
      if (what == 1) {
        gs_number_write_json(w->out, fmin(1, fmax(0, number_of(pr) / 1000)));
        continue;
      }
      gs_buf_put(w->out, '[');
      gs_number_write_json(w->out, x / 100);
      gs_buf_put(w->out, ',');
      gs_number_write_json(w->out, y / 100);
      gs_buf_put(w->out, ']');
    }
    gs_buf_put(w->out, ']');
    if (what == 0)
      put_size(w, &b);
  }
}

static void put_line(writing *w, const shown *s)
{
  const gs_node *own = get(w, s->map, "l"), *points = own != NULL ? own : get(w, s->base, "points");
  box b = { HUGE_VAL, HUGE_VAL, -HUGE_VAL, -HUGE_VAL };
  double xy[2];
  if (points == NULL || points->kind != GS_NODE_ARRAY)
    return;
  for (uint32_t i = points->child; i != 0; i = w->tree->nodes[i].next)
    if (gs_shape_point(w->tree, &w->tree->nodes[i], xy))
      widen(&b, xy[0], xy[1]);
  put_node(w, "points", points);
  put_size(w, &b);
}

/* Members that are written one by one: identity, groups, and Excalidraw's bookkeeping. */
static bool is_special(gesso_bytes key, bool points)
{
  static const char *const always[] = { "id", "x", "y", "angle", "text", "originalText", "isDeleted", "version", "versionNonce",
                                        "updated", "status", "lastCommittedPoint", "b", "g", "t", "l", "p", "d" };
  static const char *const with_points[] = { "points", "pressures", "width", "height" };
  for (size_t i = 0; i < GS_COUNT(always); i++)
    if (gs_key_is(key, always[i]))
      return true;
  for (size_t i = 0; points && i < GS_COUNT(with_points); i++)
    if (gs_key_is(key, with_points[i]))
      return true;
  return false;
}

static void put_rest(writing *w, const shown *s, bool points, bool geometry)
{
  for (uint32_t i = s->base->child; i != 0; i = w->tree->nodes[i].next) {
    const gs_node *n = &w->tree->nodes[i];
    gesso_bytes key = { n->key, n->key_len };
    if (is_special(key, points) || (geometry && (gs_key_is(key, "width") || gs_key_is(key, "height"))) ||
        gs_shape_get_key(w->tree, s->map, key) != NULL)
      continue;
    put_key(w, key);
    if (!gs_tree_write_json_at(w->tree, i, w->out))
      gs_buf_puts(w->out, "null");
  }
  for (uint32_t i = s->map->child; i != 0; i = w->tree->nodes[i].next) {
    const gs_node *n = &w->tree->nodes[i];
    gesso_bytes key = { n->key, n->key_len };
    /* Two members of these names are no properties of shapes here: geometry is one value. */
    if (is_special(key, true))
      continue;
    put_key(w, key);
    if (!gs_tree_write_json_at(w->tree, i, w->out))
      gs_buf_puts(w->out, "null");
  }
}

static void put_shape(writing *w, const shown *s)
{
  static const char *const geometry[] = { "x", "y", "width", "height", "angle" };
  bool stroke = gs_shape_is(w->tree, s->base, "freedraw");
  bool line = gs_shape_is(w->tree, s->base, "line") || gs_shape_is(w->tree, s->base, "arrow");
  const gs_node *g = get(w, s->map, "g"), *t = get(w, s->map, "t"), *n;
  bool moved = g != NULL && g->kind == GS_NODE_ARRAY && g->count == 5;
  gs_buf_put(w->out, '{');
  w->some = false;
  put_key(w, (gesso_bytes){ (const uint8_t *)"id", 2 });
  gs_json_write_string(w->out, (gesso_bytes){ s->map->key, s->map->key_len });
  put_rest(w, s, stroke || line, moved);
  n = moved ? &w->tree->nodes[g->child] : NULL;
  for (size_t i = 0; i < GS_COUNT(geometry); i++) {
    const gs_node *value = n != NULL ? n : get(w, s->base, geometry[i]);
    if (value != NULL && (i < 2 || i == 4 || (moved && !stroke && !line)))
      put_node(w, geometry[i], value);
    n = next_of(w, n);
  }
  const gs_node *text = get(w, s->base, "text"), *original = get(w, s->base, "originalText");
  if (t != NULL && t->kind == GS_NODE_ARRAY && t->count == 2) {
    text = &w->tree->nodes[t->child];
    original = next_of(w, text);
  }
  if (text != NULL)
    put_node(w, "text", text);
  if (original != NULL)
    put_node(w, "originalText", original);
  if (stroke)
    put_stroke(w, s);
  if (line)
    put_line(w, s);
  if (gs_shape_is(w->tree, s->base, "image"))
    gs_buf_puts(w->out, ",\"status\":\"saved\"");
  gs_buf_puts(w->out, ",\"isDeleted\":false,\"version\":1,\"versionNonce\":1,\"updated\":1}");
}

/* ---- images ------------------------------------------------------------------------------------ */

static int by_id(const void *a, const void *b)
{
  return gs_node_compare(*(const gs_node *const *)a, *(const gs_node *const *)b);
}

static gesso_status put_images(writing *w, const gs_drawing_images *images, gs_drawing_counts *counts)
{
  for (uint32_t i = 0; i < w->count; i++) {
    const gs_node *own = get(w, w->shapes[i].map, "fileId"), *id = own != NULL ? own : get(w, w->shapes[i].base, "fileId");
    if (!gs_shape_is(w->tree, w->shapes[i].base, "image") || id == NULL || id->kind != GS_NODE_STRING)
      continue;
    if (!gs_grow(NULL, &w->images, &w->images_cap, (size_t)w->nimages + 1, sizeof *w->images))
      return GESSO_E_NOMEM;
    w->images[w->nimages++] = id;
  }
  if (w->nimages != 0)
    qsort(w->images, w->nimages, sizeof(const gs_node *), by_id);
  w->some = false;
  gs_buf image = gs_buf_make(NULL);
  for (uint32_t i = 0; i < w->nimages; i++) {
    gesso_bytes id = { w->images[i]->data, w->images[i]->len };
    const char *mime = NULL;
    if (i > 0 && gs_node_compare(w->images[i - 1], w->images[i]) == 0)
      continue;
    gs_buf_clear(&image);
    if (images == NULL || !images->get(images->ctx, id, &image, &mime)) {
      counts->images_missing++;
      continue;
    }
    counts->images++;
    put_key(w, id);
    gs_buf_printf(w->out, "{\"mimeType\":\"%s\",\"id\":", mime);
    gs_json_write_string(w->out, id);
    gs_buf_printf(w->out, ",\"created\":1,\"dataURL\":\"data:%s;base64,", mime);
    gs_base64_encode(gs_buf_bytes(&image), w->out);
    gs_buf_puts(w->out, "\"}");
  }
  gs_buf_finish(&image);
  return GESSO_OK;
}

/* ---- all of it --------------------------------------------------------------------------------- */

gesso_status gs_drawing_write(gesso_doc *doc, const gs_drawing_images *images, gs_buf *out, gs_drawing_counts *counts)
{
  gesso_buffer json = { 0 };
  gs_tree tree;
  *counts = (gs_drawing_counts){ 0 };
  gesso_type root = gesso_doc_find_root(doc, (gesso_bytes){ (const uint8_t *)"elements", 8 });
  if (root == 0)
    return GESSO_E_NOTFOUND;
  gesso_status s = gesso_type_to_json(doc, root, GESSO_MAP, &json);
  if (s != GESSO_OK)
    return s;
  gs_tree_init(&tree, NULL);
  tree.proto_is_lost = true;
  uint8_t *room = gs_alloc(NULL, json.len + 1);
  s = room == NULL ? GESSO_E_NOMEM : gs_json_parse((gesso_bytes){ json.data, json.len }, &tree, room, NULL);
  if (s == GESSO_OK && tree.nodes[0].kind != GS_NODE_OBJECT)
    s = GESSO_E_NOTFOUND;
  writing w = { .tree = &tree, .out = out };
  if (s == GESSO_OK)
    s = collect(&w, counts);
  if (s == GESSO_OK) {
    gs_buf_puts(out, "{\"type\":\"excalidraw\",\"version\":2,\"source\":\"gesso\",\"elements\":[\n");
    for (uint32_t i = 0; i < w.count; i++) {
      gs_buf_puts(out, i == 0 ? "" : ",\n");
      put_shape(&w, &w.shapes[i]);
    }
    gs_buf_puts(out, "\n],\"appState\":{},\"files\":{");
    s = put_images(&w, images, counts);
    gs_buf_puts(out, "}}\n");
  }
  gs_free(NULL, w.shapes, w.cap * sizeof *w.shapes);
  gs_free(NULL, w.images, w.images_cap * sizeof *w.images);
  gs_tree_finish(&tree);
  gs_free(NULL, room, json.len + 1);
  gesso_buffer_free(&json);
  return s != GESSO_OK ? s : out->err;
}
