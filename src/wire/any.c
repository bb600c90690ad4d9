#include "wire/any.h"
#include "wire/json.h"
#include "wire/number.h"

static const char unknown_tag[] = "a value has an unknown type tag";
static const char too_deep[] = "a value is nested too deeply";

/* Everything but arrays and objects. */
static void skip_scalar(gs_reader *rd, uint8_t tag)
{
  switch (tag) {
  case 127:
  case 126:
  case 121:
  case 120:
    break;
  case 125:
    (void)gs_read_varint(rd, NULL);
    break;
  case 124:
    (void)gs_read_raw(rd, 4);
    break;
  case 123:
  case 122:
    (void)gs_read_raw(rd, 8);
    break;
  case 119:
    (void)gs_read_string(rd);
    break;
  case 116:
    (void)gs_read_bytes(rd);
    break;
  default:
    rd->at--;
    gs_reader_fail(rd, GESSO_E_CORRUPT, unknown_tag);
  }
}

void gs_any_skip_slow(gs_reader *rd)
{
  /* For each open container how many values it still holds; the top bit marks objects. */
  uint64_t left[GS_ANY_DEPTH_MAX];
  const uint64_t object = (uint64_t)1 << 63;
  unsigned depth = 0;
  for (;;) {
    uint8_t tag = gs_read_u8(rd);
    if (rd->err != GESSO_OK)
      return;
    if (tag == 118 || tag == 117) {
      if (depth == GS_ANY_DEPTH_MAX) {
        rd->at--;
        gs_reader_fail(rd, GESSO_E_LIMIT, too_deep);
        return;
      }
      uint32_t count = gs_read_count(rd, tag == 118 ? 2 : 1);
      left[depth++] = count | (tag == 118 ? object : 0);
    } else {
      skip_scalar(rd, tag);
    }
    if (rd->err != GESSO_OK)
      return;
    while (depth > 0 && (left[depth - 1] & ~object) == 0)
      depth--;
    if (depth == 0)
      return;
    if ((left[depth - 1]-- & object) != 0)
      (void)gs_read_string(rd);
  }
}

/* Everything but arrays and objects, as a node. */
static gs_node read_scalar(gs_reader *rd, uint8_t tag)
{
  gs_node node = { .kind = GS_NODE_UNDEFINED };
  gesso_bytes bytes = { NULL, 0 };
  switch (tag) {
  case 126:
    node.kind = GS_NODE_NULL;
    break;
  case 125: {
    bool negative = false;
    int64_t value = gs_read_varint(rd, &negative);
    node.kind = GS_NODE_NUMBER;
    node.number = value == 0 && negative ? -0.0 : (double)value;
    break;
  }
  case 124: {
    uint32_t bits = gs_read_u32be(rd);
    float value;
    memcpy(&value, &bits, sizeof value);
    node.kind = GS_NODE_NUMBER;
    node.number = (double)value;
    break;
  }
  case 123: {
    uint64_t bits = gs_read_u64be(rd);
    node.kind = GS_NODE_NUMBER;
    memcpy(&node.number, &bits, sizeof node.number);
    break;
  }
  case 122:
    node.kind = GS_NODE_BIGINT;
    node.bigint = (int64_t)gs_read_u64be(rd);
    break;
  case 121:
  case 120:
    node.kind = GS_NODE_BOOL;
    node.number = tag == 120;
    break;
  case 119:
  case 116:
    bytes = tag == 119 ? gs_read_string(rd) : gs_read_bytes(rd);
    if (bytes.len > UINT32_MAX) {
      gs_reader_fail(rd, GESSO_E_LIMIT, "a value is larger than 4 GB");
      bytes.len = 0;
    }
    node.kind = tag == 119 ? GS_NODE_STRING : GS_NODE_BYTES;
    node.data = bytes.data;
    node.len = (uint32_t)bytes.len;
    break;
  default:
    skip_scalar(rd, tag); /* undefined, or an unknown tag */
  }
  return node;
}

void gs_any_to_tree(gs_reader *rd, gs_tree *tree)
{
  tree->proto_is_lost = true;
  uint32_t left[GS_ANY_DEPTH_MAX];
  gesso_bytes key = { NULL, 0 };
  for (;;) {
    uint8_t tag = gs_read_u8(rd);
    if (tag == 118 || tag == 117) {
      uint32_t depth = tree->depth;
      if (depth == GS_ANY_DEPTH_MAX) {
        rd->at--;
        gs_reader_fail(rd, GESSO_E_LIMIT, too_deep);
        return;
      }
      left[depth] = gs_read_count(rd, tag == 118 ? 2 : 1);
      gs_tree_open(tree, tag == 118 ? GS_NODE_OBJECT : GS_NODE_ARRAY, key);
    } else {
      gs_node node = read_scalar(rd, tag);
      gs_tree_add(tree, node, key);
    }
    if (rd->err != GESSO_OK || tree->err != GESSO_OK)
      return;
    while (tree->depth > 0 && left[tree->depth - 1] == 0)
      gs_tree_close(tree);
    if (tree->depth == 0 || tree->err != GESSO_OK)
      return;
    left[tree->depth - 1]--;
    key = (gesso_bytes){ NULL, 0 };
    if (tree->nodes[tree->open[tree->depth - 1]].kind == GS_NODE_OBJECT)
      key = gs_read_string(rd);
  }
}

bool gs_any_to_json(gs_reader *rd, gs_buf *out)
{
  gs_tree tree;
  gs_tree_init(&tree, out->b.alloc);
  gs_any_to_tree(rd, &tree);
  bool written = false;
  if (tree.err != GESSO_OK && out->err == GESSO_OK)
    out->err = tree.err;
  if (rd->err == GESSO_OK && tree.err == GESSO_OK)
    written = gs_tree_write_json(&tree, out);
  gs_tree_finish(&tree);
  return written;
}
