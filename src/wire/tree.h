/* One JavaScript value, held as a tree while it goes from lib0 Any or JSON to the other.
 *
 * Objects are put into the order that a JavaScript object has: keys that are array indexes first,
 * ascending, then the others in order of first appearance; of equal keys the last value wins and
 * stands where the first one stood. Strings are borrowed from the input where they can be, so a tree
 * lives no longer than what it was read from. */
#ifndef GS_WIRE_TREE_H
#define GS_WIRE_TREE_H

#include "base/buf.h"

/* Arrays and objects inside each other: deeper is GESSO_E_LIMIT, in Any and in JSON. */
#define GS_ANY_DEPTH_MAX 512

typedef enum gs_node_kind {
  GS_NODE_UNDEFINED,
  GS_NODE_NULL,
  GS_NODE_BOOL,   /* number != 0 */
  GS_NODE_NUMBER, /* number */
  GS_NODE_BIGINT, /* bigint */
  GS_NODE_STRING, /* data, len: UTF-8, lone surrogates as three bytes (WTF-8) */
  GS_NODE_BYTES,  /* data, len */
  GS_NODE_ARRAY,  /* child, count */
  GS_NODE_OBJECT  /* child, count; each child has a key */
} gs_node_kind;

typedef struct gs_node {
  gs_node_kind kind;
  uint32_t next;  /* index of the next sibling; 0: none (node 0 is the root, nobody's sibling) */
  uint32_t child; /* index of the first child; 0: none */
  uint32_t count; /* children */
  const uint8_t *key;
  uint32_t key_len;
  uint32_t len;
  union {
    const uint8_t *data;
    double number;
    int64_t bigint;
  };
} gs_node;

typedef struct gs_tree {
  const gesso_allocator *al;
  gs_node *nodes;
  uint32_t count, cap;
  gesso_status err;  /* the first failure: NOMEM or LIMIT */
  bool proto_is_lost; /* drop the key "__proto__": assigning it in JavaScript makes no property */
  uint32_t depth;
  uint32_t open[GS_ANY_DEPTH_MAX]; /* containers being filled */
  uint32_t last[GS_ANY_DEPTH_MAX]; /* and the newest child of each */
} gs_tree;

/* Makes an empty tree. Field by field, since most of the struct need not be zeroed. */
void gs_tree_init(gs_tree *tree, const gesso_allocator *al);
void gs_tree_finish(gs_tree *tree);
/* Empties it and keeps its memory. */
void gs_tree_clear(gs_tree *tree);

/* Adds a value to the innermost open container (or as the root). `key` counts inside objects only. */
void gs_tree_add(gs_tree *tree, gs_node node, gesso_bytes key);
/* Adds an array or object and opens it; false when that fails. Close it with gs_tree_close. */
bool gs_tree_open(gs_tree *tree, gs_node_kind kind, gesso_bytes key);
void gs_tree_close(gs_tree *tree);

/* Whether both hold the same value; members of objects may stand in another order. False also when memory for
 * sorting them is short. */
bool gs_tree_equal(const gs_tree *a, const gs_tree *b);

/* As JSON.stringify: undefined is left out of objects and null in arrays, bytes are
 * {"$bytes": "<base64>"}, bigints are numbers. False, and nothing written, for an undefined root. */
bool gs_tree_write_json(const gs_tree *tree, gs_buf *out);
/* The same for one value inside it. */
bool gs_tree_write_json_at(const gs_tree *tree, uint32_t node, gs_buf *out);

/* As lib0's writeAny: lone surrogates become U+FFFD. */
void gs_tree_write_any(const gs_tree *tree, gs_buf *out);

/* One number as lib0's writeAny: integers up to 2^31 - 1 as varInt, else float32 if exact, else float64. */
void gs_any_write_number(gs_buf *out, double value);

#endif
