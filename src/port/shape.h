/* One shape of a drawing, as JSON: what the whiteboard page keeps of it and can show (docs/whiteboard.md). */
#ifndef GS_PORT_SHAPE_H
#define GS_PORT_SHAPE_H

#include "wire/tree.h"

enum { GS_SHAPE_POINTS_MAX = 100000 };

/* The member of an object; NULL: there is none, or that is no object. Of equal keys the last. */
const gs_node *gs_shape_get(const gs_tree *tree, const gs_node *object, const char *key);
const gs_node *gs_shape_get_key(const gs_tree *tree, const gs_node *object, gesso_bytes key);

bool gs_node_is(const gs_node *node, const char *text); /* NULL is nothing */
bool gs_key_is(gesso_bytes key, const char *text);
int gs_node_compare(const gs_node *a, const gs_node *b); /* strings, by bytes */

bool gs_shape_is(const gs_tree *tree, const gs_node *shape, const char *type);

/* An id, a known kind, a place, and the points that its kind needs. */
bool gs_shape_can_be_shown(const gs_tree *tree, const gs_node *shape);

/* Is this a property that the document keeps? Not what is Excalidraw's own bookkeeping, nor points of strokes. */
bool gs_shape_keeps(gesso_bytes key, bool stroke);

/* Would the page take that value of that property? The rest is left out: the page then knows what to put there. */
bool gs_shape_value_ok(const gs_tree *tree, const gs_node *value);

/* A point: [x, y], finite and not out of the world. */
bool gs_shape_point(const gs_tree *tree, const gs_node *node, double xy[2]);

/* The points of a stroke as the integers that the document has. */
typedef struct gs_stroke {
  const gs_tree *tree;
  uint32_t point, pressure; /* nodes; 0: no more */
  bool has_pressure;
  double x, y;
} gs_stroke;

gs_stroke gs_stroke_of(const gs_tree *tree, const gs_node *shape);
/* The numbers of the next point, 2 or 3; 0: there is none. */
int gs_stroke_next(gs_stroke *s, double out[3]);

#endif
