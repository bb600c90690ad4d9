/* Snapshots. They travel in their v1 encoding; empty bytes stand for none. */
#include "driver.h"

static gesso_snapshot *arg_snapshot(struct call *c)
{
  gesso_bytes bytes = arg_bytes(c);
  gesso_snapshot *s;
  if (bytes.len == 0)
    return NULL;
  if (gesso_snapshot_decode_v1(NULL, bytes, &s, NULL) != GESSO_OK)
    broken("no snapshot");
  return s;
}

static gesso_status give_snapshot(struct call *c, gesso_snapshot *s)
{
  gesso_buffer v1, v2;
  if (gesso_snapshot_encode_v1(s, &v1) != GESSO_OK || gesso_snapshot_encode_v2(s, &v2) != GESSO_OK)
    broken("cannot write a snapshot");
  gs_buf out = gs_buf_make(NULL);
  gs_write_bytes(&out, (gesso_bytes){ v1.data, v1.len });
  gs_write_bytes(&out, (gesso_bytes){ v2.data, v2.len });
  gesso_buffer_free(&v1);
  gesso_buffer_free(&v2);
  gesso_snapshot_destroy(s);
  c->result = gs_buf_take(&out);
  return GESSO_OK;
}

static gesso_status do_create(struct call *c)
{
  gesso_snapshot *s;
  gesso_status st = gesso_snapshot_create(c->doc, &s);
  return st == GESSO_OK ? give_snapshot(c, s) : st;
}

static gesso_status do_recode(struct call *c)
{
  gesso_snapshot *s;
  gesso_bytes bytes = arg_bytes(c);
  gesso_status st = arg(c) != 0 ? gesso_snapshot_decode_v2(NULL, bytes, &s, &c->error)
                                : gesso_snapshot_decode_v1(NULL, bytes, &s, &c->error);
  return st == GESSO_OK ? give_snapshot(c, s) : st;
}

static gesso_status do_equal(struct call *c)
{
  gesso_snapshot *a = arg_snapshot(c), *b = arg_snapshot(c);
  gesso_status st = give_number(c, (uint64_t)gesso_snapshot_equal(a, b));
  gesso_snapshot_destroy(a);
  gesso_snapshot_destroy(b);
  return st;
}

static gesso_status do_encode_at(struct call *c)
{
  gesso_snapshot *s = arg_snapshot(c);
  gesso_status st = arg(c) != 0 ? gesso_doc_encode_at_v2(c->doc, s, &c->result)
                                : gesso_doc_encode_at_v1(c->doc, s, &c->result);
  gesso_snapshot_destroy(s);
  return st;
}

static gesso_status do_restore(struct call *c)
{
  gesso_snapshot *s = arg_snapshot(c);
  gesso_doc **to = slot_at(arg(c));
  gesso_doc_options options = { .size = sizeof options, .client_id = 1 };
  gesso_doc_destroy(*to);
  gesso_status st = gesso_doc_create_at(c->doc, s, &options, to);
  gesso_snapshot_destroy(s);
  return st;
}

static gesso_status do_json(struct call *c)
{
  gesso_snapshot *s = arg_snapshot(c);
  gesso_type type = arg_type(c);
  gesso_status st = gesso_type_to_json_at(c->doc, s, type, (gesso_type_kind)arg(c), &c->result);
  gesso_snapshot_destroy(s);
  return st;
}

static gesso_status do_map(struct call *c)
{
  gesso_snapshot *s = arg_snapshot(c);
  gesso_status st = gesso_map_to_json_at(c->doc, s, arg_type(c), &c->result);
  gesso_snapshot_destroy(s);
  return st;
}

static gesso_status do_map_get(struct call *c)
{
  gesso_snapshot *s = arg_snapshot(c);
  gesso_type map = arg_type(c);
  gesso_status st = gesso_map_get_json_at(c->doc, s, map, arg_bytes(c), &c->result);
  gesso_snapshot_destroy(s);
  return st;
}

static gesso_status do_delta(struct call *c)
{
  gesso_snapshot *s = arg_snapshot(c), *previous = arg_snapshot(c);
  gesso_type text = arg_type(c);
  gesso_status st = gesso_text_to_delta_at(c->doc, s, previous, text, (uint32_t)arg(c), &c->result);
  gesso_snapshot_destroy(s);
  gesso_snapshot_destroy(previous);
  return st;
}

static gesso_status do_contains(struct call *c)
{
  gesso_snapshot *s = arg_snapshot(c);
  gesso_bytes update = arg_bytes(c);
  int in = 0;
  gesso_status st = arg(c) != 0 ? gesso_snapshot_contains_v2(s, update, &in, &c->error)
                                : gesso_snapshot_contains_v1(s, update, &in, &c->error);
  gesso_snapshot_destroy(s);
  return st == GESSO_OK ? give_number(c, (uint64_t)in) : st;
}

const struct command snapshot_commands[] = {
  { "snapshot_create", do_create, false },       /* -> b v1, b v2 */
  { "snapshot_recode", do_recode, true },        /* b snapshot, n is v2 -> b v1, b v2 */
  { "snapshot_equal", do_equal, true },          /* b snapshot, b snapshot -> n */
  { "snapshot_contains", do_contains, true },    /* b snapshot, b update, n is v2 -> n */
  { "snapshot_encode_at", do_encode_at, false }, /* b snapshot, n as v2 -> update */
  { "snapshot_restore", do_restore, false },     /* b snapshot, n slot for the new document */
  { "snapshot_json", do_json, false },           /* b snapshot, n type, n kind -> text */
  { "snapshot_map", do_map, false },             /* b snapshot, n type -> text */
  { "snapshot_map_get", do_map_get, false },     /* b snapshot, n type, b key -> text */
  { "snapshot_delta", do_delta, false },         /* b snapshot, b previous, n type, n flags -> text */
  { NULL, NULL, false },
};
