/* Relative positions. Signed numbers travel as varUint 2n, or 2 * -n - 1 for negative ones. */
#include "driver.h"

static int32_t arg_signed(struct call *c)
{
  uint64_t n = arg(c);
  return n % 2 == 0 ? (int32_t)(n / 2) : (int32_t)-(int64_t)((n + 1) / 2);
}

static uint64_t as_unsigned(int32_t n)
{
  return n < 0 ? 2 * (uint64_t)-(int64_t)n - 1 : 2 * (uint64_t)n;
}

static void give_buffer(gs_buf *out, gesso_status s, gesso_buffer *b)
{
  if (s != GESSO_OK)
    broken("cannot write a position");
  gs_write_bytes(out, (gesso_bytes){ b->data, b->len });
  gesso_buffer_free(b);
}

static void give_position(gs_buf *out, const gesso_position *p)
{
  gesso_buffer b;
  give_buffer(out, gesso_position_encode(p, &b), &b);
  give_buffer(out, gesso_position_to_json(p, &b), &b);
}

static gesso_status do_type(struct call *c)
{
  gesso_position *p;
  gesso_place place;
  gesso_status s = gesso_position_from_json(NULL, arg_bytes(c), &p, &c->error);
  if (s == GESSO_OK)
    s = gesso_position_resolve(c->doc, p, 0, &place);
  gesso_position_destroy(p);
  return s == GESSO_OK ? give_number(c, place.type) : s;
}

static gesso_status do_create(struct call *c)
{
  gesso_bytes start = arg_bytes(c);
  uint64_t index = arg(c);
  int32_t assoc = arg_signed(c);
  gesso_position *p;
  gesso_place place;
  gesso_status s = gesso_position_from_json(NULL, start, &p, &c->error);
  if (s == GESSO_OK)
    s = gesso_position_resolve(c->doc, p, 0, &place);
  gesso_position_destroy(p);
  if (s == GESSO_OK)
    s = gesso_position_create(c->doc, place.type, index, assoc, &p);
  if (s != GESSO_OK)
    return s;
  gs_buf out = gs_buf_make(NULL);
  give_position(&out, p);
  gesso_position_destroy(p);
  c->result = gs_buf_take(&out);
  return GESSO_OK;
}

static gesso_status do_resolve(struct call *c)
{
  gesso_bytes text = arg_bytes(c);
  bool json = arg(c) != 0;
  uint32_t flags = (uint32_t)arg(c);
  gesso_position *p, *start;
  gesso_status s = json ? gesso_position_from_json(NULL, text, &p, &c->error)
                        : gesso_position_decode(NULL, text, &p, &c->error);
  if (s != GESSO_OK)
    return s;
  gesso_place place;
  s = gesso_position_resolve(c->doc, p, flags, &place);
  if (s == GESSO_OK) {
    gs_buf out = gs_buf_make(NULL);
    gs_write_varuint(&out, place.index);
    gs_write_varuint(&out, as_unsigned(place.assoc));
    /* Which type that is: the beginning of it, in the words of a position. */
    if (gesso_position_create(c->doc, place.type, 0, -1, &start) != GESSO_OK)
      broken("a position led to a type without a beginning");
    give_position(&out, start);
    gesso_position_destroy(start);
    give_position(&out, p);
    c->result = gs_buf_take(&out);
  }
  gesso_position_destroy(p);
  return s;
}

static gesso_status do_equal(struct call *c)
{
  gesso_position *a, *b;
  gesso_status s = gesso_position_from_json(NULL, arg_bytes(c), &a, &c->error);
  if (s != GESSO_OK)
    return s;
  s = gesso_position_from_json(NULL, arg_bytes(c), &b, &c->error);
  if (s == GESSO_OK)
    s = give_number(c, (uint64_t)gesso_position_equal(a, b));
  gesso_position_destroy(a);
  gesso_position_destroy(b);
  return s;
}

const struct command position_commands[] = {
  { "position_create", do_create, false },   /* b json of the type's beginning, n index, n assoc -> b bytes, b json */
  { "position_resolve", do_resolve, false }, /* b position, n is json, n flags -> n index, n assoc,
                                                b bytes, b json (of the type's beginning), b bytes, b json */
  { "position_type", do_type, false },       /* b json -> n type that it is in */
  { "position_equal", do_equal, true },      /* b json, b json -> n */
  { NULL, NULL, false },
};
