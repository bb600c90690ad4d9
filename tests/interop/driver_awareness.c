/* Participants of awareness, in places of their own beside the documents. What they report is written
 * down as JSON until it is fetched. */
#include "driver.h"

#include <stdio.h>

#define PLACES 8

static struct {
  gesso_awareness *aw;
  gs_buf told; /* events, a comma behind each */
} places[PLACES];

static size_t arg_place(struct call *c)
{
  uint64_t n = arg(c);
  if (n >= PLACES)
    broken("unknown participant");
  return (size_t)n;
}

static gesso_awareness *arg_aw(struct call *c)
{
  gesso_awareness *aw = places[arg_place(c)].aw;
  if (aw == NULL)
    broken("no such participant");
  return aw;
}

static void put_ids(gs_buf *out, const char *name, const uint64_t *ids, size_t n)
{
  char number[32];
  gs_buf_puts(out, name);
  for (size_t i = 0; i < n; i++) {
    (void)snprintf(number, sizeof number, "%s%llu", i > 0 ? "," : "", (unsigned long long)ids[i]);
    gs_buf_puts(out, number);
  }
  gs_buf_puts(out, "]");
}

static void on_change(void *ctx, gesso_awareness *aw, const gesso_awareness_event *e)
{
  gs_buf *out = ctx;
  (void)aw;
  gs_buf_puts(out, "{\"origin\":\"");
  gs_buf_write(out, e->origin.data, e->origin.len); /* plain words, in these tests */
  put_ids(out, "\",\"clients\":[", e->clients, e->nclients);
  put_ids(out, ",\"added\":[", e->added, e->nadded);
  put_ids(out, ",\"updated\":[", e->updated, e->nupdated);
  put_ids(out, ",\"changed\":[", e->changed, e->nchanged);
  put_ids(out, ",\"removed\":[", e->removed, e->nremoved);
  gs_buf_puts(out, "},");
}

static gesso_status do_new(struct call *c)
{
  size_t place = arg_place(c);
  gesso_awareness_options o = { .size = sizeof o, .client_id = arg(c) };
  gesso_awareness_destroy(places[place].aw);
  gs_buf_finish(&places[place].told);
  places[place].told = gs_buf_make(NULL);
  places[place].aw = gesso_awareness_create(&o, arg(c));
  if (places[place].aw == NULL)
    broken("cannot make a participant");
  gesso_awareness_on_change(places[place].aw, on_change, &places[place].told);
  return GESSO_OK;
}

static gesso_status do_drop(struct call *c)
{
  size_t place = arg_place(c);
  gesso_awareness_destroy(places[place].aw);
  places[place].aw = NULL;
  gs_buf_finish(&places[place].told);
  return GESSO_OK;
}

static gesso_status do_set_local(struct call *c)
{
  gesso_awareness *aw = arg_aw(c);
  gesso_bytes json = arg_bytes(c);
  return gesso_awareness_set_local(aw, json, arg(c));
}

static gesso_status do_set_field(struct call *c)
{
  gesso_awareness *aw = arg_aw(c);
  gesso_bytes key = arg_bytes(c), json = arg_bytes(c);
  return gesso_awareness_set_local_field(aw, key, json, arg(c));
}

static gesso_status do_apply(struct call *c)
{
  gesso_awareness *aw = arg_aw(c);
  gesso_bytes update = arg_bytes(c), origin = arg_bytes(c);
  return gesso_awareness_apply(aw, update, origin, arg(c), &c->error);
}

/* The ids behind their number. */
static size_t arg_ids(struct call *c, uint64_t ids[64])
{
  uint64_t n = arg(c);
  if (n > 64)
    broken("too many clients");
  for (uint64_t i = 0; i < n; i++)
    ids[i] = arg(c);
  return (size_t)n;
}

static gesso_status do_remove(struct call *c)
{
  uint64_t ids[64];
  gesso_awareness *aw = arg_aw(c);
  size_t n = arg_ids(c, ids);
  gesso_bytes origin = arg_bytes(c);
  return gesso_awareness_remove(aw, ids, n, origin, arg(c));
}

static gesso_status do_tick(struct call *c)
{
  gesso_awareness *aw = arg_aw(c);
  return gesso_awareness_tick(aw, arg(c));
}

static gesso_status do_encode(struct call *c)
{
  uint64_t ids[64];
  gesso_awareness *aw = arg_aw(c);
  bool all = arg(c) != 0;
  size_t n = arg_ids(c, ids);
  return gesso_awareness_encode(aw, all ? NULL : ids, n, &c->result);
}

static gesso_status do_json(struct call *c)
{
  return gesso_awareness_to_json(arg_aw(c), &c->result);
}

static gesso_status do_clock(struct call *c)
{
  uint64_t clock;
  gesso_awareness *aw = arg_aw(c);
  gesso_status s = gesso_awareness_clock(aw, arg(c), &clock);
  return s == GESSO_OK ? give_number(c, clock) : s;
}

static gesso_status do_told(struct call *c)
{
  gs_buf *told = &places[arg_place(c)].told;
  c->result = gs_buf_take(told);
  *told = gs_buf_make(NULL);
  return GESSO_OK;
}

static gesso_bytes rename_all(void *ctx, uint64_t client, gesso_bytes state)
{
  (void)ctx;
  (void)state;
  return client % 2 == 0 ? (gesso_bytes){ NULL, 0 } : (gesso_bytes){ (const uint8_t *)"{\"name\":\"odd\"}", 14 };
}

static gesso_status do_modify(struct call *c)
{
  return gesso_awareness_modify(arg_bytes(c), rename_all, NULL, &c->result, &c->error);
}

/* n is the participant's place. */
const struct command awareness_commands[] = {
  { "aw_new", do_new, true },             /* n, n client, n now */
  { "aw_drop", do_drop, true },           /* n */
  { "aw_set_local", do_set_local, true }, /* n, b json, n now */
  { "aw_set_field", do_set_field, true }, /* n, b key, b json, n now */
  { "aw_apply", do_apply, true },         /* n, b update, b origin, n now */
  { "aw_remove", do_remove, true },       /* n, n count, n clients ..., b origin, n now */
  { "aw_tick", do_tick, true },           /* n, n now */
  { "aw_encode", do_encode, true },       /* n, n all, n count, n clients ... -> awareness update */
  { "aw_json", do_json, true },           /* n -> json */
  { "aw_clock", do_clock, true },         /* n, n client -> n */
  { "aw_told", do_told, true },           /* n -> what was reported since the last time */
  { "aw_modify", do_modify, true },       /* b update -> update in which odd clients have the name "odd" */
  { NULL, NULL, false },
};
