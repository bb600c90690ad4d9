/* Relative positions.
 *
 *   position = varUint 0, item id            next to that element
 *            | varUint 1, varString          at an end of the root type of that name
 *            | varUint 2, item id            at an end of the type that this item holds
 *              then varInt assoc, or nothing for 0; an id is varUint client, varUint clock
 *
 * JSON and a freshly made position also name the type next to the element; the bytes do not. */
#include "gesso/position.h"

#include "crdt/runs.h"
#include "crdt/seq.h"
#include "wire/json.h"
#include "wire/reader.h"
#include "wire/tree.h"
#include "wire/utf8.h"
#include "wire/writer.h"

/* As it travels: the client is no index, the clock may be any JavaScript integer. */
typedef struct wire_id {
  bool some;
  uint64_t client, clock;
} wire_id;

struct gesso_position {
  const gesso_allocator *alloc;
  wire_id item, type;
  bool has_name;
  int32_t assoc;
  size_t name_len;
  uint8_t name[];
};

static gesso_bytes name_of(const gesso_position *p)
{
  return (gesso_bytes){ p->name, p->name_len };
}

static gesso_position *make(const gesso_allocator *alloc, gesso_bytes name)
{
  gesso_position *p = gs_alloc_zero(alloc, sizeof *p + name.len);
  if (p == NULL)
    return NULL;
  p->alloc = alloc;
  p->name_len = name.len;
  if (name.len > 0)
    memcpy(p->name, name.data, name.len);
  return p;
}

void gesso_position_destroy(gesso_position *p)
{
  if (p != NULL)
    gs_free(p->alloc, p, sizeof *p + p->name_len);
}

int32_t gesso_position_assoc(const gesso_position *p)
{
  return p->assoc;
}

static bool same_id(wire_id a, wire_id b)
{
  return a.some == b.some && a.client == b.client && a.clock == b.clock;
}

int gesso_position_equal(const gesso_position *a, const gesso_position *b)
{
  return same_id(a->item, b->item) && same_id(a->type, b->type) && a->has_name == b->has_name &&
         a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0 && a->assoc == b->assoc;
}

static wire_id to_wire(const gesso_doc *doc, const gs_item *it, uint32_t offset)
{
  return (wire_id){ true, doc->clients[gs_client_of(it)].id, (uint64_t)it->clock + offset };
}

gesso_status gesso_position_create(gesso_doc *doc, gesso_type type, uint64_t index, int32_t assoc, gesso_position **out)
{
  *out = NULL;
  if (type == 0 || type >= doc->ntypes)
    return GESSO_E_USAGE;
  const gs_type *t = &doc->types[type];
  if (t->dead)
    return GESSO_E_DELETED;
  if (index > t->length)
    return GESSO_E_USAGE;
  gs_ix at = 0;
  uint32_t offset = 0;
  if (assoc >= 0 || index > 0) {
    gesso_status st = gs_seq_find(doc, type, (uint32_t)(assoc < 0 ? index - 1 : index), &at, &offset);
    if (st != GESSO_OK)
      return st;
  }
  bool root = doc->types[type].item == 0;
  gesso_position *p = make(doc->mem.inner, root ? gs_key_text(doc, doc->types[type].name) : (gesso_bytes){ NULL, 0 });
  if (p == NULL)
    return GESSO_E_NOMEM;
  p->has_name = root;
  if (!root)
    p->type = to_wire(doc, &doc->items[doc->types[type].item], 0);
  if (at != 0)
    p->item = to_wire(doc, &doc->items[at], offset);
  p->assoc = assoc;
  *out = p;
  return GESSO_OK;
}

/* --- where it is now --- */

/* The struct that has that id, and how far into it that is; NULL when there is none yet. A packed one stands in
 * *w. `follow`: what brought it back instead, if something did (Yjs: followRedone). */
static const gs_item *struct_of(const gesso_doc *doc, wire_id id, bool follow, gs_walk *w, uint32_t *offset)
{
  gs_id at = { gs_client_find(doc, id.client), (uint32_t)id.clock };
  if (at.client == 0 || id.clock >= doc->clients[at.client].clock)
    return NULL;
  for (;;) {
    gs_walk_start(w, doc, at.client, at.clock);
    const gs_item *it = gs_walk_next(w);
    *offset = at.clock - it->clock;
    gs_id next = { 0, 0 };
    if (follow && it != &w->packed.item && gs_kind(it) != GS_GC)
      next = gs_redone(doc, (gs_ix)(it - doc->items));
    if (next.client == 0)
      return it;
    at = (gs_id){ next.client, next.clock + *offset };
  }
}

gesso_status gesso_position_resolve(gesso_doc *doc, const gesso_position *p, uint32_t flags, gesso_place *out)
{
  *out = (gesso_place){ 0, 0, p->assoc };
  bool follow = (flags & GESSO_POSITION_FOLLOW_UNDONE) != 0;
  gs_walk w;
  uint32_t offset;
  if (p->item.some) {
    const gs_item *it = struct_of(doc, p->item, follow, &w, &offset);
    if (it == NULL || gs_kind(it) == GS_GC)
      return GESSO_E_NOTFOUND;
    const gs_slot *slot = &doc->slots[it->slot];
    out->type = slot->type;
    const gs_type *t = &doc->types[out->type];
    if (t->item != 0 && gs_is_deleted(&doc->items[t->item]))
      return GESSO_OK;
    out->index = gs_is_visible(it) ? (uint64_t)offset + (p->assoc < 0) : 0;
    if (slot->key == 0)
      out->index += gs_seq_index_of(doc, out->type, (gs_ix)(it - doc->items));
    return GESSO_OK;
  }
  if (p->has_name) {
    uint32_t key = gs_key_find(doc, name_of(p));
    out->type = key != 0 ? doc->keys[key].root : 0;
  } else {
    const gs_item *it = struct_of(doc, p->type, follow, &w, &offset);
    out->type = it != NULL && gs_kind(it) == GS_TYPE ? it->c.type : 0;
  }
  if (out->type == 0)
    return GESSO_E_NOTFOUND;
  out->index = p->assoc >= 0 ? doc->types[out->type].length : 0;
  return GESSO_OK;
}

/* --- bytes --- */

static gesso_status failed(gesso_status status, size_t offset, const char *message, gesso_error *error_out)
{
  if (error_out != NULL)
    *error_out = (gesso_error){ status, offset, message };
  return status;
}

static gesso_status hand_out(gs_buf *buf, gesso_buffer *out)
{
  gesso_status st = buf->err;
  if (st == GESSO_OK)
    *out = gs_buf_take(buf);
  gs_buf_finish(buf);
  return st;
}

static wire_id read_id(gs_reader *rd)
{
  wire_id id = { .some = true };
  id.client = gs_read_varuint(rd);
  id.clock = gs_read_varuint(rd);
  return id;
}

gesso_status gesso_position_decode(const gesso_allocator *alloc, gesso_bytes bytes, gesso_position **out,
                                   gesso_error *error_out)
{
  *out = NULL;
  gs_reader rd = gs_reader_of(bytes);
  wire_id item = { false, 0, 0 }, type = { false, 0, 0 };
  gesso_bytes name = { NULL, 0 };
  uint64_t tag = gs_read_varuint(&rd);
  if (tag == 0)
    item = read_id(&rd);
  else if (tag == 1)
    name = gs_read_string(&rd);
  else if (tag == 2)
    type = read_id(&rd);
  else
    gs_reader_fail(&rd, GESSO_E_CORRUPT, "an unknown kind of position");
  int64_t assoc = 0;
  if (gs_reader_left(&rd) > 0) {
    assoc = gs_read_varint(&rd, NULL);
    if (assoc < INT32_MIN || assoc > INT32_MAX)
      gs_reader_fail(&rd, GESSO_E_RANGE, "the association of a position is past 32 bits");
  }
  if (gs_reader_left(&rd) > 0)
    gs_reader_fail(&rd, GESSO_E_CORRUPT, "bytes after the position");
  if (rd.err != GESSO_OK)
    return gs_reader_status(&rd, error_out);
  gesso_position *p = make(alloc, name);
  if (p == NULL)
    return failed(GESSO_E_NOMEM, 0, "out of memory", error_out);
  p->item = item;
  p->type = type;
  p->has_name = tag == 1;
  p->assoc = (int32_t)assoc;
  *out = p;
  return GESSO_OK;
}

static void write_id(gs_buf *out, wire_id id)
{
  gs_write_varuint(out, id.client);
  gs_write_varuint(out, id.clock);
}

gesso_status gesso_position_encode(const gesso_position *p, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = p->alloc };
  gs_buf buf = gs_buf_make(p->alloc);
  if (p->item.some) {
    gs_write_varuint(&buf, 0);
    write_id(&buf, p->item);
  } else if (p->has_name) {
    gs_write_varuint(&buf, 1);
    gs_write_bytes(&buf, name_of(p));
  } else {
    gs_write_varuint(&buf, 2);
    write_id(&buf, p->type);
  }
  gs_write_varint(&buf, (uint64_t)(p->assoc < 0 ? -(int64_t)p->assoc : p->assoc), p->assoc < 0);
  return hand_out(&buf, out);
}

/* --- JSON --- */

static void id_to_json(gs_buf *out, const char *key, wire_id id)
{
  if (id.some)
    gs_buf_printf(out, "\"%s\":{\"client\":%llu,\"clock\":%llu},", key, (unsigned long long)id.client,
                  (unsigned long long)id.clock);
}

gesso_status gesso_position_to_json(const gesso_position *p, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = p->alloc };
  gs_buf buf = gs_buf_make(p->alloc);
  gs_buf_put(&buf, '{');
  id_to_json(&buf, "type", p->type);
  if (p->has_name) {
    gs_buf_puts(&buf, "\"tname\":");
    gs_json_write_string(&buf, name_of(p));
    gs_buf_put(&buf, ',');
  }
  id_to_json(&buf, "item", p->item);
  gs_buf_printf(&buf, "\"assoc\":%d}", (int)p->assoc);
  return hand_out(&buf, out);
}

/* The member of an object; NULL when it is missing or null, which says the same. */
static const gs_node *member(const gs_tree *tree, const gs_node *object, const char *key)
{
  for (uint32_t i = object->child; i != 0; i = tree->nodes[i].next) {
    const gs_node *n = &tree->nodes[i];
    if (n->key_len == strlen(key) && memcmp(n->key, key, n->key_len) == 0)
      return n->kind == GS_NODE_NULL ? NULL : n;
  }
  return NULL;
}

static bool is_integer(const gs_node *n, double min, double max)
{
  return n != NULL && n->kind == GS_NODE_NUMBER && n->number >= min && n->number <= max &&
         n->number == (double)(int64_t)n->number;
}

/* False when it is there and no id. */
static bool json_to_id(const gs_tree *tree, const gs_node *n, wire_id *out)
{
  if (n == NULL)
    return true;
  if (n->kind != GS_NODE_OBJECT)
    return false;
  const gs_node *client = member(tree, n, "client"), *clock = member(tree, n, "clock");
  if (!is_integer(client, 0, (double)GS_MAX_SAFE_INTEGER) || !is_integer(clock, 0, (double)GS_MAX_SAFE_INTEGER))
    return false;
  *out = (wire_id){ true, (uint64_t)client->number, (uint64_t)clock->number };
  return true;
}

static gesso_status json_to_position(const gs_tree *tree, const gesso_allocator *alloc, gesso_position **out,
                                     gesso_error *error_out)
{
  const gs_node *root = &tree->nodes[0];
  wire_id item = { false, 0, 0 }, type = { false, 0, 0 };
  if (root->kind != GS_NODE_OBJECT)
    return failed(GESSO_E_CORRUPT, 0, "a position is a JSON object", error_out);
  const gs_node *name = member(tree, root, "tname"), *assoc = member(tree, root, "assoc");
  if (!json_to_id(tree, member(tree, root, "item"), &item) || !json_to_id(tree, member(tree, root, "type"), &type))
    return failed(GESSO_E_CORRUPT, 0, "an id is an object of client and clock", error_out);
  gesso_bytes text = { NULL, 0 };
  if (name != NULL && name->kind == GS_NODE_STRING && name->len > 0)
    text = (gesso_bytes){ name->data, name->len };
  /* Half a surrogate pair has no form in the bytes, and no root has such a name. */
  if (name != NULL && (name->kind != GS_NODE_STRING || gs_utf8_invalid_at(text) != text.len))
    return failed(GESSO_E_CORRUPT, 0, "the name of a root is a string", error_out);
  if (assoc != NULL && !is_integer(assoc, INT32_MIN, INT32_MAX))
    return failed(GESSO_E_RANGE, 0, "the association of a position is an integer of 32 bits", error_out);
  if (!item.some && !type.some && name == NULL)
    return failed(GESSO_E_CORRUPT, 0, "a position names an item, a type or a root", error_out);
  gesso_position *p = make(alloc, text);
  if (p == NULL)
    return failed(GESSO_E_NOMEM, 0, "out of memory", error_out);
  p->item = item;
  p->type = type;
  p->has_name = name != NULL;
  p->assoc = assoc != NULL ? (int32_t)assoc->number : 0;
  *out = p;
  return GESSO_OK;
}

gesso_status gesso_position_from_json(const gesso_allocator *alloc, gesso_bytes json, gesso_position **out,
                                      gesso_error *error_out)
{
  *out = NULL;
  uint8_t *room = gs_alloc(alloc, json.len + 1);
  if (room == NULL)
    return failed(GESSO_E_NOMEM, 0, "out of memory", error_out);
  gs_tree tree;
  gs_tree_init(&tree, alloc);
  gesso_status st = gs_json_parse(json, &tree, room, error_out);
  if (st == GESSO_OK)
    st = json_to_position(&tree, alloc, out, error_out);
  gs_tree_finish(&tree);
  gs_free(alloc, room, json.len + 1);
  return st;
}
