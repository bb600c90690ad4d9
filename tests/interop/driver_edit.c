/* Edits. */
#include "driver.h"

#define VALUES_MAX 4096
#define DEPTH_MAX 1000

/* What the values of one command point to. */
static gesso_value items[VALUES_MAX];
static gesso_bytes keys[VALUES_MAX];
static size_t used;

static gesso_value read_value(struct call *c, unsigned depth)
{
  gesso_value v = { .kind = (gesso_value_kind)arg(c) };
  uint64_t bits;
  if (depth > DEPTH_MAX)
    broken("a value is nested too deeply");
  switch (v.kind) {
  case GESSO_VALUE_BOOL:
  case GESSO_VALUE_NUMBER:
    bits = gs_read_u64be(&c->rd);
    memcpy(&v.number, &bits, sizeof bits);
    break;
  case GESSO_VALUE_STRING:
  case GESSO_VALUE_BYTES:
  case GESSO_VALUE_JSON:
    v.bytes = arg_bytes(c);
    break;
  case GESSO_VALUE_TYPE:
    v.type = (gesso_type_kind)arg(c);
    v.bytes = arg_bytes(c);
    break;
  case GESSO_VALUE_BIGINT:
    v.integer = (int64_t)gs_read_u64be(&c->rd);
    break;
  case GESSO_VALUE_ARRAY:
  case GESSO_VALUE_OBJECT:
    v.count = arg(c);
    if (v.count > VALUES_MAX - used)
      broken("too many values");
    v.items = items + used;
    v.keys = keys + used;
    used += v.count;
    for (size_t i = 0, at = (size_t)(v.items - items); i < v.count; i++) {
      if (v.kind == GESSO_VALUE_OBJECT)
        keys[at + i] = arg_bytes(c);
      items[at + i] = read_value(c, depth + 1);
    }
    break;
  case GESSO_VALUE_DOC:
    v.doc = *slot_at(arg(c));
    break;
  default:
    break;
  }
  return v;
}

/* n kind, then what it has: 8 bytes (a double, or an integer), b bytes, n type and b name, n count and values (objects:
 * each after its b key), n slot of a document. The next command may reuse what it points to. */
gesso_value arg_value(struct call *c)
{
  used = 0;
  return read_value(c, 0);
}

/* n count, v... */
const gesso_value *arg_values(struct call *c, size_t *count_out)
{
  static gesso_value list[256];
  *count_out = arg(c);
  if (*count_out > GS_COUNT(list))
    broken("too many values");
  used = 0;
  for (size_t i = 0; i < *count_out; i++)
    list[i] = read_value(c, 0);
  return list;
}

/* `type` is read when the call has filled it, not when the arguments are put together. */
static gesso_status made(struct call *c, gesso_status s, const gesso_type *type)
{
  return s == GESSO_OK ? give_number(c, *type) : s;
}

static gesso_status do_map_set(struct call *c)
{
  gesso_type map = arg_type(c), type = 0;
  gesso_bytes key = arg_bytes(c);
  gesso_value value = arg_value(c);
  return made(c, gesso_map_set(c->doc, map, key, value, &type), &type);
}

static gesso_status do_map_remove(struct call *c)
{
  gesso_type map = arg_type(c);
  return gesso_map_remove(c->doc, map, arg_bytes(c));
}

static gesso_status do_array_insert(struct call *c)
{
  gesso_type array = arg_type(c), type = 0;
  uint64_t index = arg(c);
  size_t count;
  const gesso_value *values = arg_values(c, &count);
  return made(c, gesso_array_insert(c->doc, array, index, values, count, &type), &type);
}

static gesso_status do_array_remove(struct call *c)
{
  gesso_type array = arg_type(c);
  uint64_t index = arg(c);
  return gesso_array_remove(c->doc, array, index, arg(c));
}

static gesso_status do_text_insert(struct call *c)
{
  gesso_type text = arg_type(c);
  uint64_t index = arg(c);
  gesso_bytes utf8 = arg_bytes(c);
  return gesso_text_insert(c->doc, text, index, utf8, arg_bytes(c));
}

static gesso_status do_text_embed(struct call *c)
{
  gesso_type text = arg_type(c);
  uint64_t index = arg(c);
  gesso_bytes embed = arg_bytes(c);
  return gesso_text_embed(c->doc, text, index, embed, arg_bytes(c));
}

static gesso_status do_text_remove(struct call *c)
{
  gesso_type text = arg_type(c);
  uint64_t index = arg(c);
  return gesso_text_remove(c->doc, text, index, arg(c));
}

static gesso_status do_text_format(struct call *c)
{
  gesso_type text = arg_type(c);
  uint64_t index = arg(c), count = arg(c);
  return gesso_text_format(c->doc, text, index, count, arg_bytes(c));
}

const struct command edit_commands[] = {
  { .name = "map_set", .run = do_map_set }, /* n type, b key, v value -> n type */
  { .name = "map_remove", .run = do_map_remove }, /* n type, b key */
  { .name = "array_insert", .run = do_array_insert }, /* n type, n index, n count, v... -> n type */
  { .name = "array_remove", .run = do_array_remove }, /* n type, n index, n count */
  { .name = "text_insert", .run = do_text_insert }, /* n type, n index, b utf8, b attributes */
  { .name = "text_embed", .run = do_text_embed }, /* n type, n index, b json, b attributes */
  { .name = "text_remove", .run = do_text_remove }, /* n type, n index, n count */
  { .name = "text_format", .run = do_text_format }, /* n type, n index, n count, b attributes */
  { .name = NULL },
};
