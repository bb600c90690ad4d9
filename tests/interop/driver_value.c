/* Values as trees: what gesso_values, gesso_changes and deltas hold. They go back as lib0 Any; a shared type is
 * {"$type": kind, "$ref": type}, a document {"$doc": guid}. */
#include "driver.h"
#include "wire/tree.h"

#define CHANGES_MAX 64

static void put_string(gs_buf *out, const char *s)
{
  gs_write_bytes(out, (gesso_bytes){ (const uint8_t *)s, strlen(s) });
}

static void put_value(gs_buf *out, const gesso_value *v);

static void put_object(gs_buf *out, const gesso_bytes *keys, const gesso_value *items, size_t count)
{
  gs_buf_put(out, 118);
  gs_write_varuint(out, count);
  for (size_t i = 0; i < count; i++) {
    gs_write_bytes(out, keys[i]);
    put_value(out, &items[i]);
  }
}

static void put_value(gs_buf *out, const gesso_value *v)
{
  switch (v->kind) {
  case GESSO_VALUE_UNDEFINED:
    gs_buf_put(out, 127);
    break;
  case GESSO_VALUE_NULL:
    gs_buf_put(out, 126);
    break;
  case GESSO_VALUE_BOOL:
    gs_buf_put(out, v->number != 0 ? 120 : 121);
    break;
  case GESSO_VALUE_NUMBER:
    gs_any_write_number(out, v->number);
    break;
  case GESSO_VALUE_BIGINT:
    gs_buf_put(out, 122);
    gs_write_u64be(out, (uint64_t)v->integer);
    break;
  case GESSO_VALUE_STRING:
  case GESSO_VALUE_BYTES:
    gs_buf_put(out, v->kind == GESSO_VALUE_STRING ? 119 : 116);
    gs_write_bytes(out, v->bytes);
    break;
  case GESSO_VALUE_ARRAY:
    gs_buf_put(out, 117);
    gs_write_varuint(out, v->count);
    for (size_t i = 0; i < v->count; i++)
      put_value(out, &v->items[i]);
    break;
  case GESSO_VALUE_OBJECT:
    put_object(out, v->keys, v->items, v->count);
    break;
  case GESSO_VALUE_TYPE:
    gs_buf_put(out, 118);
    gs_write_varuint(out, 2);
    put_string(out, "$type");
    gs_any_write_number(out, v->type);
    put_string(out, "$ref");
    gs_any_write_number(out, v->ref);
    break;
  case GESSO_VALUE_DOC:
    gs_buf_put(out, 118);
    gs_write_varuint(out, 1);
    put_string(out, "$doc");
    gs_buf_put(out, 119);
    gs_write_bytes(out, gesso_doc_guid(v->doc));
    break;
  default:
    broken("a value of unknown kind was read");
  }
}

static gesso_status give(struct call *c, gs_buf *out)
{
  if (out->err != GESSO_OK)
    broken("out of memory");
  c->result = gs_buf_take(out);
  return GESSO_OK;
}

static gesso_status do_values(struct call *c)
{
  gesso_type type = arg_type(c);
  uint64_t index = arg(c), count = arg(c);
  gesso_values v;
  gesso_status s = gesso_array_get(c->doc, type, index, count, &v);
  if (s != GESSO_OK)
    return s;
  gs_buf out = gs_buf_make(NULL);
  put_value(&out, &(gesso_value){ .kind = GESSO_VALUE_ARRAY, .items = v.items, .count = v.count });
  gesso_values_free(&v);
  return give(c, &out);
}

static gesso_status do_entries(struct call *c)
{
  gesso_values v;
  gesso_status s = gesso_map_entries(c->doc, arg_type(c), &v);
  if (s != GESSO_OK)
    return s;
  gs_buf out = gs_buf_make(NULL);
  put_object(&out, v.keys, v.items, v.count);
  gesso_values_free(&v);
  return give(c, &out);
}

static gesso_status do_map_get(struct call *c)
{
  gesso_type map = arg_type(c);
  gesso_values v;
  gesso_status s = gesso_map_get(c->doc, map, arg_bytes(c), &v);
  if (s != GESSO_OK)
    return s;
  gs_buf out = gs_buf_make(NULL);
  put_value(&out, v.items);
  gesso_values_free(&v);
  return give(c, &out);
}

static gesso_status do_map_clear(struct call *c)
{
  return gesso_map_clear(c->doc, arg_type(c));
}

static gesso_status do_get_delta(struct call *c)
{
  gesso_changes d;
  gesso_status s = gesso_text_get_delta(c->doc, arg_type(c), &d);
  if (s != GESSO_OK)
    return s;
  gs_buf out = gs_buf_make(NULL);
  gs_buf_put(&out, 117);
  gs_write_varuint(&out, d.count);
  for (size_t i = 0; i < d.count; i++) {
    const gesso_change *x = &d.items[i];
    gs_buf_put(&out, 118);
    gs_write_varuint(&out, x->nattributes > 0 ? 3 : 2);
    put_string(&out, "length");
    gs_any_write_number(&out, (double)x->length);
    put_string(&out, "insert");
    put_value(&out, x->values);
    if (x->nattributes > 0) {
      put_string(&out, "attributes");
      put_object(&out, x->attribute_keys, x->attribute_values, x->nattributes);
    }
  }
  gesso_changes_free(&d);
  return give(c, &out);
}

static gesso_status do_apply_delta(struct call *c)
{
  gesso_type text = arg_type(c);
  return gesso_text_apply_delta(c->doc, text, arg_bytes(c));
}

/* All values of a command are one list: for each change its insertion, if it is one, and its attributes. */
static gesso_status do_apply_changes(struct call *c)
{
  gesso_type text = arg_type(c);
  size_t count = arg(c), nvalues, at = 0;
  static gesso_change changes[CHANGES_MAX];
  if (count > CHANGES_MAX)
    broken("too many changes");
  for (size_t i = 0; i < count; i++)
    changes[i] = (gesso_change){ .kind = (gesso_change_kind)arg(c), .length = arg(c) };
  const gesso_value *values = arg_values(c, &nvalues);
  for (size_t i = 0; i < count && at < nvalues; i++) {
    if (changes[i].kind == GESSO_CHANGE_INSERT) {
      changes[i].values = &values[at++];
      changes[i].nvalues = 1;
    }
    const gesso_value *attributes = &values[at++];
    changes[i].attribute_keys = attributes->keys;
    changes[i].attribute_values = attributes->items;
    changes[i].nattributes = attributes->count;
  }
  return gesso_text_apply_changes(c->doc, text, changes, count);
}

static gesso_status do_embed_value(struct call *c)
{
  gesso_type text = arg_type(c), made = 0;
  uint64_t index = arg(c);
  gesso_value value = arg_value(c);
  gesso_status s = gesso_text_embed_value(c->doc, text, index, value, arg_bytes(c), &made);
  return s == GESSO_OK ? give_number(c, made) : s;
}

/* Kinds in document order, and of each whether its siblings say the same of it: 0, or 100 more. */
static gesso_status do_walk(struct call *c)
{
  gesso_type root = arg_type(c);
  gs_buf list = gs_buf_make(NULL), out = gs_buf_make(NULL);
  uint64_t n = 0;
  for (gesso_type at = root; (at = gesso_xml_walk_next(c->doc, root, at)) != 0; n++) {
    gesso_type_kind kind;
    gesso_type next = gesso_xml_next_sibling(c->doc, at), prev = gesso_xml_prev_sibling(c->doc, at);
    if (gesso_type_get_kind(c->doc, at, &kind) != GESSO_OK)
      broken("a type without a kind");
    bool odd = next != 0 && gesso_xml_prev_sibling(c->doc, next) != at;
    odd = odd || (prev == 0 ? gesso_xml_first_child(c->doc, gesso_type_parent(c->doc, at)) != at
                            : gesso_xml_next_sibling(c->doc, prev) != at);
    gs_any_write_number(&list, kind + (odd ? 100 : 0));
  }
  gs_buf_put(&out, 117);
  gs_write_varuint(&out, n);
  gs_buf_write(&out, list.b.data, list.b.len);
  gs_buf_finish(&list);
  return give(c, &out);
}

const struct command value_commands[] = {
  { .name = "values", .run = do_values }, /* n type, n index, n count -> any */
  { .name = "entries", .run = do_entries }, /* n type -> any */
  { .name = "map_get", .run = do_map_get }, /* n type, b key -> any */
  { .name = "map_clear", .run = do_map_clear }, /* n type */
  { .name = "walk", .run = do_walk }, /* n type -> any: kinds */
  { .name = "get_delta", .run = do_get_delta }, /* n type -> any: [{length, insert, attributes?}] */
  { .name = "apply_delta", .run = do_apply_delta }, /* n type, b json */
  { .name = "apply_changes", .run = do_apply_changes }, /* n type, n count, (n kind, n length)..., n count, v... */
  { .name = "embed_value", .run = do_embed_value }, /* n type, n index, v value, b attributes -> n type */
  { .name = NULL },
};
