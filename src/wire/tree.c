#include "wire/tree.h"
#include "wire/json.h"
#include "wire/number.h"
#include "wire/utf8.h"
#include "wire/writer.h"

#include <assert.h>
#include <float.h>
#include <math.h>

void gs_tree_init(gs_tree *tree, const gesso_allocator *al)
{
  tree->al = al;
  tree->nodes = NULL;
  tree->count = tree->cap = 0;
  tree->err = GESSO_OK;
  tree->proto_is_lost = false;
  tree->depth = 0;
}

void gs_tree_clear(gs_tree *tree)
{
  tree->count = tree->depth = 0;
  tree->err = GESSO_OK;
}

void gs_tree_finish(gs_tree *tree)
{
  gs_free(tree->al, tree->nodes, (size_t)tree->cap * sizeof *tree->nodes);
  gs_tree_init(tree, tree->al);
}

void gs_tree_add(gs_tree *tree, gs_node node, gesso_bytes key)
{
  if (tree->err != GESSO_OK)
    return;
  if (tree->count == UINT32_MAX || key.len > UINT32_MAX) {
    tree->err = GESSO_E_LIMIT;
    return;
  }
  if (!gs_grow(tree->al, &tree->nodes, &tree->cap, (size_t)tree->count + 1, sizeof *tree->nodes)) {
    tree->err = GESSO_E_NOMEM;
    return;
  }
  node.next = node.child = node.count = 0;
  node.key = key.data;
  node.key_len = (uint32_t)key.len;
  uint32_t ix = tree->count++;
  tree->nodes[ix] = node;
  if (tree->depth == 0)
    return;
  gs_node *parent = &tree->nodes[tree->open[tree->depth - 1]];
  uint32_t *last = &tree->last[tree->depth - 1];
  if (parent->count++ == 0)
    parent->child = ix;
  else
    tree->nodes[*last].next = ix;
  *last = ix;
}

bool gs_tree_open(gs_tree *tree, gs_node_kind kind, gesso_bytes key)
{
  if (tree->err == GESSO_OK && tree->depth == GS_ANY_DEPTH_MAX)
    tree->err = GESSO_E_LIMIT;
  gs_tree_add(tree, (gs_node){ .kind = kind }, key);
  if (tree->err != GESSO_OK)
    return false;
  tree->open[tree->depth] = tree->count - 1;
  tree->last[tree->depth] = 0;
  tree->depth++;
  return true;
}

/* --- the order of an object's keys --- */

/* A JavaScript array index: 0 .. 2^32 - 2, in its shortest form. */
static bool key_is_index(const gs_node *node, uint64_t *value_out)
{
  if (node->key_len == 0 || node->key_len > 10 || (node->key[0] == '0' && node->key_len > 1))
    return false;
  uint64_t value = 0;
  for (uint32_t i = 0; i < node->key_len; i++) {
    if (node->key[i] < '0' || node->key[i] > '9')
      return false;
    value = value * 10 + (uint64_t)(node->key[i] - '0');
  }
  *value_out = value;
  return value < UINT32_MAX;
}

static int key_compare(const gs_node *a, const gs_node *b)
{
  uint32_t len = GS_MIN(a->key_len, b->key_len);
  int order = len != 0 ? memcmp(a->key, b->key, len) : 0;
  return order != 0 ? order : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

struct member {
  uint32_t node;  /* the value that counts */
  uint32_t place; /* where its key first stood */
};

static bool by_key(const gs_node *nodes, struct member a, struct member b)
{
  int order = key_compare(&nodes[a.node], &nodes[b.node]);
  return order != 0 ? order < 0 : a.place < b.place;
}

static bool by_place(const gs_node *nodes, struct member a, struct member b)
{
  uint64_t ia = 0, ib = 0;
  bool na = key_is_index(&nodes[a.node], &ia), nb = key_is_index(&nodes[b.node], &ib);
  if (na != nb)
    return na;
  return na ? ia < ib : a.place < b.place;
}

/* Heap sort: in place, no worst case a peer could aim at. */
static void sort(const gs_node *nodes, struct member *m, uint32_t n,
                 bool (*before)(const gs_node *, struct member, struct member))
{
  for (uint32_t built = n / 2, end = n; end > 1;) {
    uint32_t at;
    struct member sinking;
    if (built > 0) {
      at = --built;
      sinking = m[at];
    } else {
      at = 0;
      sinking = m[--end];
      m[end] = m[0];
      if (end == 1) {
        m[0] = sinking;
        break;
      }
    }
    for (uint32_t kid; (kid = 2 * at + 1) < end; at = kid) {
      if (kid + 1 < end && before(nodes, m[kid], m[kid + 1]))
        kid++;
      if (!before(nodes, sinking, m[kid]))
        break;
      m[at] = m[kid];
    }
    m[at] = sinking;
  }
}

static bool key_is_proto(const gs_node *node)
{
  return node->key_len == 9 && memcmp(node->key, "__proto__", 9) == 0;
}

/* True when the children already are in the order of a JavaScript object: small objects only, the
 * rest is told by sorting. */
static bool in_order(const gs_tree *tree, const gs_node *object)
{
  if (object->count > 12)
    return false;
  for (uint32_t a = object->child; a != 0; a = tree->nodes[a].next) {
    const gs_node *node = &tree->nodes[a];
    uint64_t index;
    if (key_is_index(node, &index) || (tree->proto_is_lost && key_is_proto(node)))
      return false;
    for (uint32_t b = object->child; b != a; b = tree->nodes[b].next)
      if (node->key_len == tree->nodes[b].key_len && key_compare(node, &tree->nodes[b]) == 0)
        return false;
  }
  return true;
}

static void settle_object(gs_tree *tree, gs_node *object)
{
  if (object->count == 0 || in_order(tree, object))
    return;
  size_t size = (size_t)object->count * sizeof(struct member);
  struct member *m = gs_alloc(tree->al, size);
  if (m == NULL) {
    tree->err = GESSO_E_NOMEM;
    return;
  }
  uint32_t n = 0, kept = 0;
  for (uint32_t i = object->child; i != 0; i = tree->nodes[i].next, n++)
    m[n] = (struct member){ i, n };
  sort(tree->nodes, m, n, by_key);
  for (uint32_t i = 0; i < n; i++) {
    if (tree->proto_is_lost && key_is_proto(&tree->nodes[m[i].node]))
      continue;
    if (kept != 0 && key_compare(&tree->nodes[m[kept - 1].node], &tree->nodes[m[i].node]) == 0)
      m[kept - 1].node = m[i].node;
    else
      m[kept++] = m[i];
  }
  sort(tree->nodes, m, kept, by_place);
  object->count = kept;
  object->child = kept != 0 ? m[0].node : 0;
  for (uint32_t i = 0; i < kept; i++)
    tree->nodes[m[i].node].next = i + 1 < kept ? m[i + 1].node : 0;
  gs_free(tree->al, m, size);
}

void gs_tree_close(gs_tree *tree)
{
  if (tree->err != GESSO_OK)
    return;
  assert(tree->depth > 0);
  gs_node *node = &tree->nodes[tree->open[--tree->depth]];
  if (node->kind == GS_NODE_OBJECT)
    settle_object(tree, node);
}

/* --- comparing --- */

/* The members of an object by key; NULL when memory is short. */
static struct member *members_of(const gs_tree *tree, const gs_node *object)
{
  struct member *m = gs_alloc(tree->al, object->count * sizeof *m);
  if (m == NULL)
    return NULL;
  uint32_t n = 0;
  for (uint32_t i = object->child; i != 0; i = tree->nodes[i].next, n++)
    m[n] = (struct member){ i, n };
  sort(tree->nodes, m, n, by_key);
  return m;
}

static bool equal_nodes(const gs_tree *a, const gs_node *x, const gs_tree *b, const gs_node *y);

static bool equal_objects(const gs_tree *a, const gs_node *x, const gs_tree *b, const gs_node *y)
{
  struct member *m = members_of(a, x), *n = members_of(b, y);
  bool equal = m != NULL && n != NULL;
  for (uint32_t i = 0; equal && i < x->count; i++) {
    const gs_node *p = &a->nodes[m[i].node], *q = &b->nodes[n[i].node];
    equal = key_compare(p, q) == 0 && equal_nodes(a, p, b, q);
  }
  gs_free(a->al, m, x->count * sizeof *m);
  gs_free(b->al, n, y->count * sizeof *n);
  return equal;
}

/* As deep as the trees are. */
static bool equal_nodes(const gs_tree *a, const gs_node *x, const gs_tree *b, const gs_node *y)
{
  if (x->kind != y->kind)
    return false;
  switch (x->kind) {
  case GS_NODE_UNDEFINED:
  case GS_NODE_NULL:
    return true;
  case GS_NODE_BOOL:
  case GS_NODE_NUMBER:
    return x->number == y->number;
  case GS_NODE_BIGINT:
    return x->bigint == y->bigint;
  case GS_NODE_STRING:
  case GS_NODE_BYTES:
    return x->len == y->len && (x->len == 0 || memcmp(x->data, y->data, x->len) == 0);
  case GS_NODE_ARRAY:
    if (x->count != y->count)
      return false;
    for (uint32_t i = x->child, k = y->child; i != 0; i = a->nodes[i].next, k = b->nodes[k].next)
      if (!equal_nodes(a, &a->nodes[i], b, &b->nodes[k]))
        return false;
    return true;
  case GS_NODE_OBJECT:
    return x->count == y->count && (x->count == 0 || equal_objects(a, x, b, y));
  }
  return false;
}

bool gs_tree_equal(const gs_tree *a, const gs_tree *b)
{
  return a->count > 0 && b->count > 0 && equal_nodes(a, &a->nodes[0], b, &b->nodes[0]);
}

/* --- writing JSON --- */

static void write_base64(gs_buf *out, gesso_bytes bytes)
{
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.len; i += 3) {
    size_t n = GS_MIN(bytes.len - i, (size_t)3);
    uint32_t v = (uint32_t)bytes.data[i] << 16;
    if (n > 1)
      v |= (uint32_t)bytes.data[i + 1] << 8;
    if (n > 2)
      v |= bytes.data[i + 2];
    char quad[4] = { digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=',
                     n > 2 ? digits[v & 63] : '=' };
    gs_buf_write(out, quad, 4);
  }
}

void gs_json_write_bytes(gs_buf *out, gesso_bytes bytes)
{
  gs_buf_puts(out, "{\"$bytes\":\"");
  write_base64(out, bytes);
  gs_buf_puts(out, "\"}");
}

/* Recursion is as deep as the tree: GS_ANY_DEPTH_MAX at most. */
static void write_json(const gs_tree *tree, const gs_node *node, gs_buf *out)
{
  bool first = true;
  switch (node->kind) {
  case GS_NODE_UNDEFINED:
  case GS_NODE_NULL:
    gs_buf_puts(out, "null");
    break;
  case GS_NODE_BOOL:
    gs_buf_puts(out, node->number != 0 ? "true" : "false");
    break;
  case GS_NODE_NUMBER:
    gs_number_write_json(out, node->number);
    break;
  case GS_NODE_BIGINT:
    gs_buf_printf(out, "%lld", (long long)node->bigint);
    break;
  case GS_NODE_STRING:
    gs_json_write_string(out, (gesso_bytes){ node->data, node->len });
    break;
  case GS_NODE_BYTES:
    gs_json_write_bytes(out, (gesso_bytes){ node->data, node->len });
    break;
  case GS_NODE_ARRAY:
    gs_buf_put(out, '[');
    for (uint32_t i = node->child; i != 0; i = tree->nodes[i].next) {
      if (!first)
        gs_buf_put(out, ',');
      first = false;
      write_json(tree, &tree->nodes[i], out);
    }
    gs_buf_put(out, ']');
    break;
  case GS_NODE_OBJECT:
    gs_buf_put(out, '{');
    for (uint32_t i = node->child; i != 0; i = tree->nodes[i].next) {
      const gs_node *member = &tree->nodes[i];
      if (member->kind == GS_NODE_UNDEFINED)
        continue;
      if (!first)
        gs_buf_put(out, ',');
      first = false;
      gs_json_write_string(out, (gesso_bytes){ member->key, member->key_len });
      gs_buf_put(out, ':');
      write_json(tree, member, out);
    }
    gs_buf_put(out, '}');
    break;
  }
}

bool gs_tree_write_json_at(const gs_tree *tree, uint32_t node, gs_buf *out)
{
  if (node >= tree->count || tree->nodes[node].kind == GS_NODE_UNDEFINED)
    return false;
  write_json(tree, &tree->nodes[node], out);
  return true;
}

bool gs_tree_write_json(const gs_tree *tree, gs_buf *out)
{
  return gs_tree_write_json_at(tree, 0, out);
}

/* --- writing Any --- */

/* A string as TextEncoder would write it. */
static void write_var_string(gs_buf *out, const uint8_t *data, uint32_t len)
{
  gs_write_varuint(out, len);
  size_t at = out->b.len;
  gs_buf_write(out, data, len);
  if (out->err == GESSO_OK && len > 0)
    gs_utf8_mend(out->b.data + at, len);
}

void gs_any_write_number(gs_buf *out, double value)
{
  if (fabs(value) <= 2147483647.0 && value == trunc(value)) {
    gs_buf_put(out, 125);
    gs_write_varint(out, (uint64_t)fabs(value), signbit(value) != 0);
    return;
  }
  /* Converting past FLT_MAX is undefined in C unless the infinities say so. */
  bool in_range = isinf(value) || fabs(value) <= (double)FLT_MAX;
  float narrow = in_range ? (float)value : 0;
  if (in_range && (double)narrow == value) {
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    gs_buf_put(out, 124);
    gs_write_u32be(out, bits);
  } else {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    gs_buf_put(out, 123);
    gs_write_u64be(out, bits);
  }
}

static void write_any(const gs_tree *tree, const gs_node *node, gs_buf *out)
{
  switch (node->kind) {
  case GS_NODE_UNDEFINED:
    gs_buf_put(out, 127);
    break;
  case GS_NODE_NULL:
    gs_buf_put(out, 126);
    break;
  case GS_NODE_BOOL:
    gs_buf_put(out, node->number != 0 ? 120 : 121);
    break;
  case GS_NODE_NUMBER:
    gs_any_write_number(out, node->number);
    break;
  case GS_NODE_BIGINT:
    gs_buf_put(out, 122);
    gs_write_u64be(out, (uint64_t)node->bigint);
    break;
  case GS_NODE_STRING:
    gs_buf_put(out, 119);
    write_var_string(out, node->data, node->len);
    break;
  case GS_NODE_BYTES:
    gs_buf_put(out, 116);
    gs_write_bytes(out, (gesso_bytes){ node->data, node->len });
    break;
  case GS_NODE_ARRAY:
    gs_buf_put(out, 117);
    gs_write_varuint(out, node->count);
    for (uint32_t i = node->child; i != 0; i = tree->nodes[i].next)
      write_any(tree, &tree->nodes[i], out);
    break;
  case GS_NODE_OBJECT:
    gs_buf_put(out, 118);
    gs_write_varuint(out, node->count);
    for (uint32_t i = node->child; i != 0; i = tree->nodes[i].next) {
      write_var_string(out, tree->nodes[i].key, tree->nodes[i].key_len);
      write_any(tree, &tree->nodes[i], out);
    }
    break;
  }
}

void gs_tree_write_any(const gs_tree *tree, gs_buf *out)
{
  if (tree->count != 0)
    write_any(tree, &tree->nodes[0], out);
}
