#include "crdt/read_value.h"
#include "crdt/content.h"
#include "crdt/subdoc.h"
#include "wire/any.h"
#include "wire/json.h"
#include "wire/utf8.h"

/* A string of a tree may hold lone surrogates as three bytes each; TextEncoder makes U+FFFD of them. */
static bool copy_string(gs_arena *arena, gesso_bytes *s)
{
  if (!gs_arena_copy(arena, s))
    return false;
  gs_utf8_mend((uint8_t *)(uintptr_t)s->data, s->len);
  return true;
}

/* Recursion is as deep as the tree: GS_ANY_DEPTH_MAX at most. */
static bool from_node(const gs_tree *tree, const gs_node *node, gs_arena *arena, gesso_value *out)
{
  *out = (gesso_value){ .kind = GESSO_VALUE_UNDEFINED };
  switch (node->kind) {
  case GS_NODE_UNDEFINED:
    return true;
  case GS_NODE_NULL:
    out->kind = GESSO_VALUE_NULL;
    return true;
  case GS_NODE_BOOL:
    out->kind = GESSO_VALUE_BOOL;
    out->number = node->number;
    return true;
  case GS_NODE_NUMBER:
    out->kind = GESSO_VALUE_NUMBER;
    out->number = node->number;
    return true;
  case GS_NODE_BIGINT:
    out->kind = GESSO_VALUE_BIGINT;
    out->integer = node->bigint;
    return true;
  case GS_NODE_STRING:
    out->kind = GESSO_VALUE_STRING;
    out->bytes = (gesso_bytes){ node->data, node->len };
    return copy_string(arena, &out->bytes);
  case GS_NODE_BYTES:
    out->kind = GESSO_VALUE_BYTES;
    out->bytes = (gesso_bytes){ node->data, node->len };
    return gs_arena_copy(arena, &out->bytes);
  case GS_NODE_ARRAY:
  case GS_NODE_OBJECT:
    break;
  }
  gesso_value *items = gs_arena_array(arena, node->count, sizeof *items);
  gesso_bytes *keys = NULL;
  if (items == NULL)
    return false;
  if (node->kind == GS_NODE_OBJECT && (keys = gs_arena_array(arena, node->count, sizeof *keys)) == NULL)
    return false;
  uint32_t n = 0;
  for (uint32_t i = node->child; i != 0; i = tree->nodes[i].next, n++) {
    const gs_node *child = &tree->nodes[i];
    if (keys != NULL) {
      keys[n] = (gesso_bytes){ child->key, child->key_len };
      if (!copy_string(arena, &keys[n]))
        return false;
    }
    if (!from_node(tree, child, arena, &items[n]))
      return false;
  }
  out->kind = keys != NULL ? GESSO_VALUE_OBJECT : GESSO_VALUE_ARRAY;
  out->items = items;
  out->keys = keys;
  out->count = node->count;
  return true;
}

static gesso_status from_tree(const gs_tree *tree, gs_arena *arena, gesso_value *out)
{
  if (tree->err != GESSO_OK)
    return tree->err;
  return from_node(tree, &tree->nodes[0], arena, out) ? GESSO_OK : GESSO_E_NOMEM;
}

static gesso_status read_json(gesso_bytes json, gs_tree *tree, gs_arena *arena, gesso_value *out)
{
  *out = (gesso_value){ .kind = GESSO_VALUE_UNDEFINED };
  if (json.len == 9 && memcmp(json.data, "undefined", 9) == 0)
    return GESSO_OK;
  uint8_t *room = gs_alloc(arena->al, json.len + 1);
  if (room == NULL)
    return GESSO_E_NOMEM;
  gs_tree_clear(tree);
  gesso_status st = gs_json_parse(json, tree, room, NULL);
  if (st == GESSO_OK)
    st = from_tree(tree, arena, out);
  gs_free(arena->al, room, json.len + 1);
  return st;
}

gesso_status gs_read_json_value(gesso_bytes json, gs_arena *arena, gesso_value *out)
{
  gs_tree tree;
  gs_tree_init(&tree, arena->al);
  gesso_status st = read_json(json, &tree, arena, out);
  gs_tree_finish(&tree);
  return st;
}

static const uint8_t half[] = { 0xef, 0xbf, 0xbd };

/* Each UTF-16 unit as a string of its own (JavaScript: s.split('')). */
static gesso_status split_string(gesso_doc *doc, const gs_item *it, uint32_t i, uint32_t n, gs_arena *arena,
                                 gesso_value *out)
{
  int tail;
  size_t at = gs_content_find(doc, it, i, &tail);
  gesso_bytes s = gs_content(doc, it);
  for (uint32_t k = 0; k < n; k++) {
    gesso_bytes unit = { half, sizeof half };
    uint8_t lead = s.data[at];
    if (lead < 0xf0) {
      unit = (gesso_bytes){ s.data + at, lead < 0x80 ? 1 : lead < 0xe0 ? 2 : 3 };
      at += unit.len;
    } else {
      at += tail ? 4 : 0;
      tail = !tail;
    }
    out[k] = (gesso_value){ .kind = GESSO_VALUE_STRING, .bytes = unit };
    if (!gs_arena_copy(arena, &out[k].bytes))
      return GESSO_E_NOMEM;
  }
  return GESSO_OK;
}

gesso_status gs_read_values(gesso_doc *doc, const gs_item *it, uint32_t i, uint32_t n, gs_arena *arena, gesso_value *out)
{
  gesso_status st = GESSO_OK;
  unsigned kind = gs_kind(it);
  gesso_bytes c = gs_kind_has_bytes(kind) ? gs_content(doc, it) : (gesso_bytes){ NULL, 0 };
  gs_reader rd = gs_reader_of(c);
  gs_tree tree;
  gs_tree_init(&tree, arena->al);
  for (uint32_t k = 0; k < n; k++)
    out[k] = (gesso_value){ .kind = GESSO_VALUE_UNDEFINED };
  switch (kind) {
  case GS_ANY:
  case GS_JSON: {
    int pair;
    rd.at += gs_content_find(doc, it, i, &pair);
    for (uint32_t k = 0; k < n && st == GESSO_OK; k++) {
      if (kind == GS_JSON) {
        st = read_json(gs_read_bytes(&rd), &tree, arena, &out[k]);
      } else {
        gs_tree_clear(&tree);
        gs_any_to_tree(&rd, &tree);
        st = rd.err != GESSO_OK ? rd.err : from_tree(&tree, arena, &out[k]);
      }
    }
    break;
  }
  case GS_STRING:
    st = split_string(doc, it, i, n, arena, out);
    break;
  case GS_EMBED:
    st = read_json(c, &tree, arena, out);
    break;
  case GS_BINARY:
    out->kind = GESSO_VALUE_BYTES;
    out->bytes = c;
    st = gs_arena_copy(arena, &out->bytes) ? GESSO_OK : GESSO_E_NOMEM;
    break;
  case GS_TYPE:
    out->kind = GESSO_VALUE_TYPE;
    out->ref = it->c.type;
    out->type = (gesso_type_kind)doc->types[it->c.type].kind;
    break;
  case GS_DOC:
    out->kind = GESSO_VALUE_DOC;
    out->doc = gs_subdoc_of(doc, it);
    st = out->doc != NULL ? GESSO_OK : GESSO_E_NOMEM;
    break;
  default:
    break;
  }
  gs_tree_finish(&tree);
  return st;
}

gesso_status gs_read_value(gesso_doc *doc, const gs_item *it, uint32_t i, gs_arena *arena, gesso_value *out)
{
  return gs_read_values(doc, it, i, 1, arena, out);
}
