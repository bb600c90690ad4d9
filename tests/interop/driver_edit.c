/* Edits. */
#include "driver.h"

#define VALUES_MAX 256

/* n value kind, n type kind, 8 bytes of double, b bytes */
static gesso_value read_value(struct call *c)
{
  gesso_value v = { .kind = (gesso_value_kind)arg(c), .type = (gesso_type_kind)arg(c) };
  uint64_t bits = gs_read_u64be(&c->rd);
  memcpy(&v.number, &bits, sizeof bits);
  v.bytes = arg_bytes(c);
  return v;
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
  gesso_value value = read_value(c);
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
  uint64_t index = arg(c), count = arg(c);
  static gesso_value values[VALUES_MAX];
  if (count > VALUES_MAX)
    broken("too many values");
  for (uint64_t i = 0; i < count; i++)
    values[i] = read_value(c);
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
