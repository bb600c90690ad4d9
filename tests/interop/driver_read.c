/* Reading types. */
#include "driver.h"

static gesso_status do_root(struct call *c)
{
  gesso_bytes name = arg_bytes(c);
  return give_number(c, gesso_doc_root(c->doc, name, (gesso_type_kind)arg(c)));
}

static gesso_status do_to_json(struct call *c)
{
  gesso_type type = arg_type(c);
  return gesso_type_to_json(c->doc, type, (gesso_type_kind)arg(c), &c->result);
}

static gesso_status do_to_string(struct call *c)
{
  return gesso_text_to_string(c->doc, arg_type(c), &c->result);
}

static gesso_status do_to_delta(struct call *c)
{
  return gesso_text_to_delta(c->doc, arg_type(c), &c->result);
}

static gesso_status do_xml_to_string(struct call *c)
{
  gesso_type type = arg_type(c);
  return gesso_xml_to_string(c->doc, type, (gesso_type_kind)arg(c), &c->result);
}

static gesso_status do_length(struct call *c)
{
  return give_number(c, gesso_type_length(c->doc, arg_type(c)));
}

static gesso_status do_map_get_json(struct call *c)
{
  gesso_type map = arg_type(c);
  return gesso_map_get_json(c->doc, map, arg_bytes(c), &c->result);
}

static gesso_status do_map_get_type(struct call *c)
{
  gesso_type map = arg_type(c);
  return give_number(c, gesso_map_get_type(c->doc, map, arg_bytes(c)));
}

static gesso_status do_array_get_type(struct call *c)
{
  gesso_type array = arg_type(c);
  return give_number(c, gesso_array_get_type(c->doc, array, arg(c)));
}

const struct command read_commands[] = {
  { .name = "root", .run = do_root }, /* b name, n kind -> n type */
  { .name = "to_json", .run = do_to_json }, /* n type, n kind -> text */
  { .name = "to_string", .run = do_to_string }, /* n type -> text */
  { .name = "to_delta", .run = do_to_delta }, /* n type -> text */
  { .name = "xml_to_string", .run = do_xml_to_string }, /* n type, n kind -> text */
  { .name = "length", .run = do_length }, /* n type -> n */
  { .name = "map_get_json", .run = do_map_get_json }, /* n type, b key -> text */
  { .name = "map_get_type", .run = do_map_get_type }, /* n type, b key -> n type */
  { .name = "array_get_type", .run = do_array_get_type }, /* n type, n index -> n type */
  { .name = NULL },
};
