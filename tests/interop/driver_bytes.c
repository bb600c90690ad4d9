/* Encoded updates without a document. The first argument is the encoding: 1 or 2. */
#include "driver.h"

enum { UPDATES_MAX = 4096 };

static gesso_status do_merge(struct call *c)
{
  static gesso_bytes updates[UPDATES_MAX];
  bool v2 = arg(c) == 2;
  uint64_t n = arg(c);
  if (n > UPDATES_MAX)
    broken("too many updates");
  for (uint64_t i = 0; i < n; i++)
    updates[i] = arg_bytes(c);
  return (v2 ? gesso_update_merge_v2 : gesso_update_merge_v1)(updates, (size_t)n, &c->result, NULL, &c->error);
}

static gesso_status do_diff(struct call *c)
{
  bool v2 = arg(c) == 2;
  gesso_bytes update = arg_bytes(c);
  return (v2 ? gesso_update_diff_v2 : gesso_update_diff_v1)(update, arg_bytes(c), &c->result, &c->error);
}

static gesso_status do_state_vector(struct call *c)
{
  bool v2 = arg(c) == 2;
  return (v2 ? gesso_update_state_vector_v2 : gesso_update_state_vector_v1)(arg_bytes(c), &c->result, &c->error);
}

static gesso_status do_delete_set(struct call *c)
{
  bool v2 = arg(c) == 2;
  return (v2 ? gesso_update_delete_set_v2 : gesso_update_delete_set_v1)(arg_bytes(c), &c->result, &c->error);
}

static gesso_status do_meta(struct call *c)
{
  static gesso_update_span spans[UPDATES_MAX];
  bool v2 = arg(c) == 2;
  size_t n;
  gesso_status s = (v2 ? gesso_update_meta_v2 : gesso_update_meta_v1)(arg_bytes(c), spans, UPDATES_MAX, &n, &c->error);
  if (s != GESSO_OK)
    return s;
  gs_buf out = gs_buf_make(NULL);
  gs_write_varuint(&out, n);
  for (size_t i = 0; i < n && i < UPDATES_MAX; i++) {
    gs_write_varuint(&out, spans[i].client);
    gs_write_varuint(&out, spans[i].from);
    gs_write_varuint(&out, spans[i].to);
  }
  c->result = gs_buf_take(&out);
  return GESSO_OK;
}

static gesso_status do_convert(struct call *c)
{
  bool v2 = arg(c) == 2;
  return (v2 ? gesso_update_v2_to_v1 : gesso_update_v1_to_v2)(arg_bytes(c), &c->result, &c->error);
}

static gesso_status do_obfuscate(struct call *c)
{
  bool v2 = arg(c) == 2;
  uint32_t keep = (uint32_t)arg(c);
  return (v2 ? gesso_update_obfuscate_v2 : gesso_update_obfuscate_v1)(arg_bytes(c), keep, &c->result, &c->error);
}

static gesso_status do_to_json(struct call *c)
{
  bool v2 = arg(c) == 2;
  return (v2 ? gesso_update_to_json_v2 : gesso_update_to_json_v1)(arg_bytes(c), &c->result, &c->error);
}

const struct command bytes_commands[] = {
  { "bytes_merge", do_merge, true },               /* n encoding, n count, b... -> update */
  { "bytes_diff", do_diff, true },                 /* n encoding, b update, b state vector -> update */
  { "bytes_state_vector", do_state_vector, true }, /* n encoding, b update -> bytes */
  { "bytes_delete_set", do_delete_set, true },     /* n encoding, b update -> bytes */
  { "bytes_meta", do_meta, true },                 /* n encoding, b update -> n count, (n client, n from, n to)... */
  { "bytes_convert", do_convert, true },           /* n encoding, b update -> update in the other one */
  { "bytes_obfuscate", do_obfuscate, true },       /* n encoding, n keep, b update -> update */
  { "bytes_to_json", do_to_json, true },           /* n encoding, b update -> text */
  { NULL, NULL, false },
};
