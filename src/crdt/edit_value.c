/* Values on their way into a document. */
#include "crdt/edit.h"
#include "crdt/weak.h"
#include "wire/json.h"
#include "wire/utf8.h"
#include "wire/writer.h"

typedef struct builder {
  gs_tree *tree;
  gs_arena *rooms; /* of JSON inside values: the tree borrows from them */
  bool json;       /* only what JSON has */
} builder;

static bool is_text(gesso_bytes s)
{
  return s.len == 0 || (s.data != NULL && s.len <= UINT32_MAX && gs_utf8_invalid_at(s) == s.len);
}

static gesso_status add(builder *b, const gesso_value *v, gesso_bytes key);

static gesso_status add_children(builder *b, const gesso_value *v, gesso_bytes key)
{
  bool object = v->kind == GESSO_VALUE_OBJECT;
  if (v->count > 0 && (v->items == NULL || (object && v->keys == NULL)))
    return GESSO_E_USAGE;
  if (!gs_tree_open(b->tree, object ? GS_NODE_OBJECT : GS_NODE_ARRAY, key))
    return b->tree->err;
  for (size_t i = 0; i < v->count; i++) {
    gesso_bytes k = object ? v->keys[i] : (gesso_bytes){ NULL, 0 };
    gesso_status st = is_text(k) ? add(b, &v->items[i], k) : GESSO_E_USAGE;
    if (st != GESSO_OK)
      return st;
  }
  gs_tree_close(b->tree);
  return b->tree->err;
}

/* Recursion ends where the tree says LIMIT: GS_ANY_DEPTH_MAX. */
static gesso_status add(builder *b, const gesso_value *v, gesso_bytes key)
{
  gs_node node = { .kind = GS_NODE_UNDEFINED };
  switch (v->kind) {
  case GESSO_VALUE_UNDEFINED:
    break;
  case GESSO_VALUE_NULL:
    node.kind = GS_NODE_NULL;
    break;
  case GESSO_VALUE_BOOL:
  case GESSO_VALUE_NUMBER:
    node.kind = v->kind == GESSO_VALUE_BOOL ? GS_NODE_BOOL : GS_NODE_NUMBER;
    node.number = v->number;
    break;
  case GESSO_VALUE_BIGINT:
    if (b->json)
      return GESSO_E_USAGE;
    node.kind = GS_NODE_BIGINT;
    node.bigint = v->integer;
    break;
  case GESSO_VALUE_STRING:
  case GESSO_VALUE_BYTES:
    if (v->kind == GESSO_VALUE_STRING ? !is_text(v->bytes) : b->json || (v->bytes.data == NULL && v->bytes.len > 0))
      return GESSO_E_USAGE;
    if (v->bytes.len > UINT32_MAX)
      return GESSO_E_LIMIT;
    node.kind = v->kind == GESSO_VALUE_STRING ? GS_NODE_STRING : GS_NODE_BYTES;
    node.data = v->bytes.data;
    node.len = (uint32_t)v->bytes.len;
    break;
  case GESSO_VALUE_JSON: {
    if (v->bytes.data == NULL)
      return GESSO_E_USAGE;
    uint8_t *room = gs_arena_alloc(b->rooms, v->bytes.len + 1);
    if (room == NULL)
      return GESSO_E_NOMEM;
    gesso_status st = gs_json_parse_member(v->bytes, b->tree, room, key);
    return st == GESSO_E_CORRUPT ? GESSO_E_USAGE : st;
  }
  case GESSO_VALUE_ARRAY:
  case GESSO_VALUE_OBJECT:
    return add_children(b, v, key);
  case GESSO_VALUE_TYPE:
  case GESSO_VALUE_DOC:
  default:
    return GESSO_E_USAGE;
  }
  gs_tree_add(b->tree, node, key);
  return b->tree->err;
}

gesso_status gs_value_to_tree(const gesso_value *v, gs_tree *tree, gs_arena *rooms, bool json)
{
  builder b = { .tree = tree, .rooms = rooms, .json = json };
  return add(&b, v, (gesso_bytes){ NULL, 0 });
}

static gesso_status convert(const gesso_value *v, gs_buf *out, bool json)
{
  gs_tree tree;
  gs_arena rooms = gs_arena_make(out->b.alloc);
  gs_tree_init(&tree, out->b.alloc);
  gesso_status st = gs_value_to_tree(v, &tree, &rooms, json);
  if (st == GESSO_OK && !json)
    gs_tree_write_any(&tree, out);
  else if (st == GESSO_OK && !gs_tree_write_json(&tree, out))
    st = GESSO_E_USAGE;
  gs_tree_finish(&tree);
  gs_arena_finish(&rooms);
  return st != GESSO_OK ? st : out->err;
}

gesso_status gs_value_to_any(const gesso_value *v, gs_buf *out)
{
  switch (v->kind) {
  case GESSO_VALUE_NUMBER: /* the commonest kinds need no tree */
    gs_any_write_number(out, v->number);
    return out->err;
  case GESSO_VALUE_STRING:
    if (!is_text(v->bytes))
      return GESSO_E_USAGE;
    gs_buf_put(out, 119);
    gs_write_bytes(out, v->bytes);
    return out->err;
  case GESSO_VALUE_BYTES: /* binary content when it stands alone */
    return GESSO_E_USAGE;
  default:
    return convert(v, out, false);
  }
}

gesso_status gs_value_to_json(const gesso_value *v, gs_buf *out)
{
  return convert(v, out, true);
}

gesso_status gs_value_type_name(gesso_doc *doc, const gesso_value *v, uint32_t *name_out)
{
  *name_out = 0;
  if ((unsigned)v->type > GESSO_WEAK_LINK)
    return GESSO_E_USAGE;
  if (v->type != GESSO_XML_ELEMENT && v->type != GESSO_XML_HOOK && v->type != GESSO_WEAK_LINK)
    return GESSO_OK;
  if (v->type == GESSO_WEAK_LINK ? !gs_weak_is_source(v->bytes) : !is_text(v->bytes))
    return GESSO_E_USAGE;
  *name_out = gs_key_of(doc, v->bytes);
  return *name_out != 0 ? GESSO_OK : GESSO_E_NOMEM;
}
