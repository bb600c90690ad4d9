/* Observers that write down what they are told, as JSON, until somebody asks for it. */
#include "driver.h"

#include "wire/json.h"
#include "wire/number.h"

#include <stdlib.h>

/* What was told of one document. Goes with it. */
struct record {
  gs_buf text;
  struct listener *listeners;
};

struct listener {
  struct listener *next;
  struct record *record;
  uint64_t label; /* by which the other side knows it */
};

static struct record *records[SLOTS];

static void forget(void *ctx, gesso_doc *doc)
{
  struct record **slot = ctx, *r = *slot;
  (void)doc;
  for (struct listener *l = r->listeners, *next; l != NULL; l = next) {
    next = l->next;
    free(l);
  }
  gs_buf_finish(&r->text);
  free(r);
  *slot = NULL;
}

static struct record *record_of(struct call *c)
{
  struct record **slot = &records[c->slot - slot_at(0)];
  gesso_subscription sub;
  if (*slot == NULL) {
    *slot = calloc(1, sizeof **slot);
    if (*slot == NULL || gesso_doc_observe_destroy(c->doc, forget, slot, &sub) != GESSO_OK)
      broken("no memory to write down events");
  }
  return *slot;
}

/* --- as JSON --- */

static void put_id(gs_buf *out, gesso_doc *doc, gesso_type type)
{
  uint64_t client, clock;
  if (gesso_type_get_id(doc, type, &client, &clock) == GESSO_OK)
    gs_buf_printf(out, "\"%llu:%llu\"", (unsigned long long)client, (unsigned long long)clock);
  else
    gs_json_write_string(out, gesso_type_name(doc, type));
}

static void put_value(gs_buf *out, const gesso_value *v)
{
  switch (v->kind) {
  case GESSO_VALUE_UNDEFINED:
    gs_buf_puts(out, "{\"$undefined\":1}");
    return;
  case GESSO_VALUE_NULL:
    gs_buf_puts(out, "null");
    return;
  case GESSO_VALUE_BOOL:
    gs_buf_puts(out, v->number != 0 ? "true" : "false");
    return;
  case GESSO_VALUE_NUMBER:
    gs_number_write_json(out, v->number);
    return;
  case GESSO_VALUE_STRING:
    gs_json_write_string(out, v->bytes);
    return;
  case GESSO_VALUE_BYTES:
    gs_json_write_bytes(out, v->bytes);
    return;
  case GESSO_VALUE_BIGINT:
    gs_buf_printf(out, "%lld", (long long)v->integer);
    return;
  case GESSO_VALUE_TYPE:
    gs_buf_printf(out, "{\"$type\":%d}", (int)v->type);
    return;
  case GESSO_VALUE_DOC:
    gs_buf_puts(out, "{\"$doc\":1}");
    return;
  case GESSO_VALUE_ARRAY:
  case GESSO_VALUE_OBJECT:
    gs_buf_puts(out, v->kind == GESSO_VALUE_ARRAY ? "[" : "{");
    for (size_t i = 0; i < v->count; i++) {
      if (i > 0)
        gs_buf_puts(out, ",");
      if (v->kind == GESSO_VALUE_OBJECT) {
        gs_json_write_string(out, v->keys[i]);
        gs_buf_puts(out, ":");
      }
      put_value(out, &v->items[i]);
    }
    gs_buf_puts(out, v->kind == GESSO_VALUE_ARRAY ? "]" : "}");
    return;
  default:
    broken("a value of a kind that is not read");
  }
}

static void put_change(gs_buf *out, const gesso_event *e, const gesso_change *c)
{
  unsigned long long n = c->length;
  gs_buf_puts(out, "{");
  if (c->kind == GESSO_CHANGE_DELETE) {
    gs_buf_printf(out, "\"delete\":%llu", n);
  } else if (c->kind == GESSO_CHANGE_RETAIN) {
    gs_buf_printf(out, "\"retain\":%llu", n);
  } else if (e->kind == GESSO_TEXT || e->kind == GESSO_XML_TEXT) {
    gs_buf_printf(out, "\"length\":%llu,\"insert\":", n);
    put_value(out, c->values);
  } else {
    gs_buf_puts(out, "\"insert\":[");
    for (size_t i = 0; i < c->nvalues; i++) {
      gs_buf_puts(out, i > 0 ? "," : "");
      put_value(out, &c->values[i]);
    }
    gs_buf_puts(out, "]");
    if (c->length != c->nvalues)
      broken("the length of an insertion is not that of its values");
  }
  if (c->nattributes > 0) {
    gs_buf_puts(out, ",\"attributes\":");
    gesso_value all = { .kind = GESSO_VALUE_OBJECT, .keys = c->attribute_keys, .items = c->attribute_values,
                        .count = c->nattributes };
    put_value(out, &all);
  }
  gs_buf_puts(out, "}");
}

static void put_event(gs_buf *out, gesso_doc *doc, const gesso_event *e)
{
  gs_buf_puts(out, "{\"target\":");
  put_id(out, doc, e->target);
  gs_buf_puts(out, ",\"at\":");
  put_id(out, doc, e->observed);
  gs_buf_printf(out, ",\"kind\":%d,\"local\":%s,\"origin\":", (int)e->kind, e->local ? "true" : "false");
  gs_json_write_string(out, e->origin);
  gs_buf_puts(out, ",\"path\":[");
  for (size_t i = 0; i < e->path_length; i++) {
    gs_buf_puts(out, i > 0 ? "," : "");
    if (e->path[i].is_key)
      gs_json_write_string(out, e->path[i].key);
    else
      gs_buf_printf(out, "%llu", (unsigned long long)e->path[i].index);
  }
  gs_buf_puts(out, "],\"delta\":[");
  for (size_t i = 0; i < e->delta_length; i++) {
    gs_buf_puts(out, i > 0 ? "," : "");
    put_change(out, e, &e->delta[i]);
  }
  gs_buf_puts(out, "],\"keys\":[");
  for (size_t i = 0; i < e->keys_length; i++) {
    const gesso_key_change *k = &e->keys[i];
    gs_buf_puts(out, i > 0 ? ",[" : "[");
    gs_json_write_string(out, k->key);
    gs_buf_puts(out, k->action == GESSO_KEY_ADD ? ",\"add\"" : k->action == GESSO_KEY_UPDATE ? ",\"update\"" : ",\"delete\"");
    for (int now = 0; now < 2; now++) {
      gs_buf_puts(out, ",");
      const gesso_value *v = now ? k->new_value : k->old_value;
      if (v != NULL)
        put_value(out, v);
      else
        gs_buf_puts(out, "{\"$none\":1}");
    }
    gs_buf_puts(out, "]");
  }
  gs_buf_puts(out, "]}");
}

static gs_buf *entry(struct listener *l)
{
  gs_buf *out = &l->record->text;
  gs_buf_printf(out, "%s{\"label\":%llu,", out->b.len > 0 ? "," : "", (unsigned long long)l->label);
  return out;
}

static void on_deep(void *ctx, gesso_doc *doc, const gesso_event *events, size_t count)
{
  gs_buf *out = entry(ctx);
  gs_buf_puts(out, "\"events\":[");
  for (size_t i = 0; i < count; i++) {
    gs_buf_puts(out, i > 0 ? "," : "");
    put_event(out, doc, &events[i]);
  }
  gs_buf_puts(out, "]}");
}

static void on_event(void *ctx, gesso_doc *doc, const gesso_event *event)
{
  on_deep(ctx, doc, event, 1);
}

static void put_clocks(gs_buf *out, const gesso_clock *v, size_t n)
{
  gs_buf_puts(out, "{");
  for (size_t i = 0; i < n; i++)
    gs_buf_printf(out, "%s\"%llu\":%llu", i > 0 ? "," : "", (unsigned long long)v[i].client,
                  (unsigned long long)v[i].clock);
  gs_buf_puts(out, "}");
}

static void on_transaction(void *ctx, gesso_doc *doc, const gesso_transaction *t)
{
  gs_buf *out = entry(ctx);
  (void)doc;
  gs_buf_printf(out, "\"local\":%s,\"origin\":", t->local ? "true" : "false");
  gs_json_write_string(out, t->origin);
  gs_buf_puts(out, ",\"before\":");
  put_clocks(out, t->before, t->nbefore);
  gs_buf_puts(out, ",\"after\":");
  put_clocks(out, t->after, t->nafter);
  gs_buf_puts(out, ",\"deleted\":{");
  for (size_t i = 0; i < t->ndeleted; i++) {
    const gesso_clock_range *d = &t->deleted[i];
    bool first = i == 0 || d[-1].client != d->client;
    if (first)
      gs_buf_printf(out, "%s\"%llu\":[", i > 0 ? "]," : "", (unsigned long long)d->client);
    gs_buf_printf(out, "%s[%llu,%llu]", first ? "" : ",", (unsigned long long)d->clock, (unsigned long long)d->end);
  }
  gs_buf_puts(out, t->ndeleted > 0 ? "]}}" : "}}");
}

static void on_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  gs_buf *out = entry(ctx);
  (void)doc;
  gs_buf_printf(out, "\"local\":%s,\"origin\":", local ? "true" : "false");
  gs_json_write_string(out, origin);
  gs_buf_puts(out, ",\"update\":");
  gs_json_write_bytes(out, update);
  gs_buf_puts(out, "}");
}

/* --- commands --- */

static struct listener *listen(struct call *c)
{
  struct record *r = record_of(c);
  struct listener *l = calloc(1, sizeof *l);
  if (l == NULL)
    broken("no memory for a listener");
  *l = (struct listener){ r->listeners, r, arg(c) };
  r->listeners = l;
  return l;
}

static gesso_status subscribed(struct call *c, gesso_status s, const gesso_subscription *sub)
{
  return s == GESSO_OK ? give_number(c, *sub) : s;
}

static gesso_status do_observe(struct call *c)
{
  gesso_subscription sub;
  gesso_type type = arg_type(c);
  return subscribed(c, gesso_type_observe(c->doc, type, on_event, listen(c), &sub), &sub);
}

static gesso_status do_observe_deep(struct call *c)
{
  gesso_subscription sub;
  gesso_type type = arg_type(c);
  return subscribed(c, gesso_type_observe_deep(c->doc, type, on_deep, listen(c), &sub), &sub);
}

static gesso_status do_observe_transaction(struct call *c)
{
  gesso_subscription sub;
  return subscribed(c, gesso_doc_observe_transaction(c->doc, on_transaction, listen(c), &sub), &sub);
}

static gesso_status do_observe_update(struct call *c)
{
  gesso_subscription sub;
  int version = (int)arg(c);
  return subscribed(c, gesso_doc_observe_update(c->doc, version, on_update, listen(c), &sub), &sub);
}

static gesso_status do_unobserve(struct call *c)
{
  gesso_doc_unobserve(c->doc, arg(c));
  return GESSO_OK;
}

static gesso_status do_events(struct call *c)
{
  struct record *r = record_of(c);
  gs_buf out = gs_buf_make(NULL);
  gs_buf_puts(&out, "[");
  gs_buf_write(&out, r->text.b.data, r->text.b.len);
  gs_buf_puts(&out, "]");
  gs_buf_clear(&r->text);
  c->result = gs_buf_take(&out);
  return GESSO_OK;
}

static gesso_status do_begin_with(struct call *c)
{
  return gesso_doc_begin_with(c->doc, arg_bytes(c));
}

static gesso_status do_find_type(struct call *c)
{
  uint64_t client = arg(c);
  return give_number(c, gesso_doc_find_type(c->doc, client, arg(c)));
}

const struct command event_commands[] = {
  { .name = "observe", .run = do_observe }, /* n type, n label -> n subscription */
  { .name = "observe_deep", .run = do_observe_deep }, /* n type, n label -> n subscription */
  { .name = "observe_transaction", .run = do_observe_transaction }, /* n label -> n subscription */
  { .name = "observe_update", .run = do_observe_update }, /* n version, n label -> n subscription */
  { .name = "unobserve", .run = do_unobserve }, /* n subscription */
  { .name = "events", .run = do_events }, /* -> text: what was told since the last time */
  { .name = "begin_with", .run = do_begin_with }, /* b origin */
  { .name = "find_type", .run = do_find_type }, /* n client, n clock -> n type */
  { .name = NULL },
};
