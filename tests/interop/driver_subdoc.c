/* Subdocuments. */
#include "driver.h"
#include "wire/json.h"

static gs_buf heard[SLOTS];

static gesso_status do_new_with(struct call *c)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = arg(c), .flags = (uint32_t)arg(c) };
  gesso_bytes *texts[] = { &o.guid, &o.collection_id, &o.meta_json };
  for (size_t i = 0; i < GS_COUNT(texts); i++) {
    gesso_bytes b = arg_bytes(c);
    if (b.len > 0)
      *texts[i] = b;
  }
  gesso_doc_destroy(*c->slot);
  *c->slot = gesso_doc_create(&o);
  return *c->slot != NULL ? GESSO_OK : GESSO_E_USAGE;
}

/* {"guid", "flags", "client", "collection", "meta"} */
static void put_doc(gs_buf *out, gesso_doc *doc)
{
  gesso_bytes collection = gesso_doc_collection_id(doc), meta = gesso_doc_meta_json(doc);
  gs_buf_puts(out, "{\"guid\":");
  gs_json_write_string(out, gesso_doc_guid(doc));
  gs_buf_printf(out, ",\"flags\":%u,\"client\":%llu,\"collection\":", gesso_doc_flags(doc),
                (unsigned long long)gesso_doc_client_id(doc));
  if (collection.data != NULL)
    gs_json_write_string(out, collection);
  else
    gs_buf_puts(out, "null");
  gs_buf_puts(out, ",\"meta\":");
  if (meta.len > 0)
    gs_buf_write(out, meta.data, meta.len);
  else
    gs_buf_puts(out, "null");
  gs_buf_put(out, '}');
}

static void put_list(gs_buf *out, gesso_doc *const *docs, size_t n, bool whole)
{
  gs_buf_put(out, '[');
  for (size_t i = 0; i < n; i++) {
    if (i > 0)
      gs_buf_put(out, ',');
    if (whole)
      put_doc(out, docs[i]);
    else
      gs_json_write_string(out, gesso_doc_guid(docs[i]));
  }
  gs_buf_put(out, ']');
}

static gesso_status do_subdocs(struct call *c)
{
  static gesso_doc *docs[1024];
  gs_buf out = gs_buf_make(NULL);
  put_list(&out, docs, gesso_doc_subdocs(c->doc, docs, GS_COUNT(docs)), true);
  c->result = gs_buf_take(&out);
  return GESSO_OK;
}

static gesso_status do_subdoc_take(struct call *c)
{
  static gesso_doc *docs[1024];
  gesso_bytes guid = arg_bytes(c);
  gesso_doc **to = slot_at(arg(c));
  size_t n = gesso_doc_subdocs(c->doc, docs, GS_COUNT(docs));
  for (size_t i = 0; i < n; i++) {
    gesso_bytes g = gesso_doc_guid(docs[i]);
    if (g.len == guid.len && memcmp(g.data, guid.data, g.len) == 0) {
      gesso_doc *old = *to;
      *to = gesso_doc_retain(docs[i]);
      gesso_doc_destroy(old);
      return GESSO_OK;
    }
  }
  return GESSO_E_NOTFOUND;
}

static gesso_status do_load(struct call *c)
{
  return gesso_doc_load(c->doc);
}

static gesso_status do_unload(struct call *c)
{
  return gesso_doc_unload(c->doc);
}

static gesso_status do_inside(struct call *c)
{
  return give_number(c, gesso_doc_parent(c->doc) != NULL);
}

static void on_subdocs(void *ctx, gesso_doc *doc, const gesso_subdocs *s)
{
  (void)doc;
  gs_buf *out = ctx;
  gs_buf_puts(out, out->b.len > 0 ? ",{\"added\":" : "{\"added\":");
  put_list(out, s->added, s->nadded, false);
  gs_buf_puts(out, ",\"removed\":");
  put_list(out, s->removed, s->nremoved, false);
  gs_buf_puts(out, ",\"loaded\":");
  put_list(out, s->loaded, s->nloaded, false);
  gs_buf_put(out, '}');
}

static gesso_status do_hear_subdocs(struct call *c)
{
  gesso_subscription id;
  uint64_t log = arg(c);
  gs_buf_finish(&heard[log]);
  (void)slot_at(log);
  return gesso_doc_observe_subdocs(c->doc, on_subdocs, &heard[log], &id);
}

static gesso_status do_heard_subdocs(struct call *c)
{
  gs_buf *log = &heard[arg(c)];
  gs_buf out = gs_buf_make(NULL);
  gs_buf_put(&out, '[');
  gs_buf_write(&out, log->b.data, log->b.len);
  gs_buf_put(&out, ']');
  c->result = gs_buf_take(&out);
  gs_buf_finish(log);
  return GESSO_OK;
}

const struct command subdoc_commands[] = {
  { .name = "new_with", .run = do_new_with, .without_doc = true }, /* n client, n flags, b guid, b collection, b meta */
  { .name = "subdocs", .run = do_subdocs }, /* -> text: what put_doc says of each */
  { .name = "subdoc_take", .run = do_subdoc_take }, /* b guid, n slot */
  { .name = "load", .run = do_load },
  { .name = "unload", .run = do_unload },
  { .name = "inside", .run = do_inside }, /* -> n */
  { .name = "hear_subdocs", .run = do_hear_subdocs }, /* n log */
  { .name = "heard_subdocs", .run = do_heard_subdocs }, /* n log -> text: the events since */
  { .name = NULL },
};
