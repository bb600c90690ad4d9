/* Making and freeing documents, and what they report about themselves. */
#include "crdt/crowd.h"
#include "crdt/doc_impl.h"
#include "crdt/observe.h"
#include "crdt/content.h"
#include "crdt/plan.h"
#include "crdt/seq.h"
#include "crdt/structs.h"
#include "crdt/subdoc.h"
#include "crdt/update.h"
#include "wire/json.h"
#include "wire/utf8.h"

#include <stdlib.h>
#include <sys/random.h>

/* Every allocation of a document goes through here, so that its cap holds and its size is known. */
static void *counted_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  gesso_doc *doc = ctx;
  if (new_size > old_size && doc->mem.max != 0 && doc->mem.used + (new_size - old_size) > doc->mem.max)
    return NULL;
  void *p = gs_resize(doc->mem.inner, ptr, old_size, new_size);
  if (p != NULL || new_size == 0)
    doc->mem.used += new_size - old_size;
  return p;
}

static bool keep_text(gesso_doc *doc, gesso_bytes *to, gesso_bytes text)
{
  if (text.data == NULL)
    return true;
  uint8_t *p = gs_utf8_invalid_at(text) == text.len ? gs_alloc(doc->alloc, text.len + 1) : NULL;
  if (p == NULL)
    return false;
  if (text.len > 0)
    memcpy(p, text.data, text.len);
  *to = (gesso_bytes){ p, text.len };
  return true;
}

/* What it is known by as a subdocument. */
static bool keep_identity(gesso_doc *doc, const gesso_doc_options *o)
{
  if (!keep_text(doc, &doc->guid, o->guid) || !keep_text(doc, &doc->collection_id, o->collection_id))
    return false;
  if (o->meta_json.data == NULL)
    return true;
  gs_buf json = gs_buf_make(doc->mem.inner);
  bool ok = gs_json_minify(o->meta_json, &json) == GESSO_OK;
  if (ok && !(json.b.len == 4 && memcmp(json.b.data, "null", 4) == 0))
    ok = keep_text(doc, &doc->meta_json, gs_buf_bytes(&json));
  gs_buf_finish(&json);
  return ok;
}

static void drop_text(gesso_doc *doc, gesso_bytes text)
{
  if (text.data != NULL && text.data != (const uint8_t *)doc->uuid)
    gs_free(doc->alloc, (void *)(uintptr_t)text.data, text.len + 1);
}

gesso_doc *gesso_doc_create(const gesso_doc_options *options)
{
  gesso_doc_options o = { 0 };
  if (options != NULL)
    memcpy(&o, options, GS_MIN(options->size, sizeof o));
  gesso_doc *doc = GS_NEW(o.alloc, gesso_doc);
  if (doc == NULL)
    return NULL;
  doc->mem.inner = o.alloc;
  doc->mem.outer = (gesso_allocator){ counted_resize, doc };
  doc->mem.max = o.memory_max;
  doc->mem.used = sizeof *doc;
  doc->alloc = &doc->mem.outer;
  doc->flags = o.flags;
  doc->pending_max = o.pending_structs_max != 0 ? o.pending_structs_max : 1000000;
  uint64_t seed[2] = { 0, 0 };
  if (getrandom(seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
    seed[0] ^= (uint64_t)(uintptr_t)doc * 0x9e3779b97f4a7c15ULL;
  doc->rng = seed[1];
  doc->hash_seed = seed[0] * 0x9e3779b97f4a7c15ULL ^ seed[1];
  doc->client_id = o.client_id != 0 ? o.client_id : (seed[0] & 0xffffffffu) | 1u;
  doc->crowd_min = GS_CROWD_MIN;
  doc->nitems = doc->nclients = doc->ntypes = doc->nslots = doc->nkeys = 1;
  doc->txn.epoch = doc->refs = 1;
  doc->pending = GS_NEW(doc->alloc, gs_pending);
  if (doc->pending == NULL) {
    gs_free(o.alloc, doc, sizeof *doc);
    return NULL;
  }
  if (!keep_identity(doc, &o)) {
    gesso_doc_destroy(doc);
    return NULL;
  }
  return doc;
}

void gesso_doc_destroy(gesso_doc *doc)
{
  if (doc == NULL)
    return;
  if (doc->refs > 1) {
    doc->refs--;
    return;
  }
  gs_observers_destroy(doc);
  gs_subdocs_destroy(doc);
  drop_text(doc, doc->guid);
  drop_text(doc, doc->collection_id);
  drop_text(doc, doc->meta_json);
  const gesso_allocator *al = doc->alloc;
  for (uint32_t i = 1; i < doc->ntypes; i++)
    gs_seq_drop(doc, i);
  gs_pending_finish(doc);
  gs_crowds_finish(doc);
  gs_free(al, doc->items, doc->items_cap * sizeof *doc->items);
  gs_free(al, doc->words.v, doc->words.cap * sizeof *doc->words.v);
  gs_free(al, doc->clients, doc->clients_cap * sizeof *doc->clients);
  gs_free(al, doc->client_hash, doc->client_hash_cap * sizeof *doc->client_hash);
  gs_free(al, doc->types, doc->types_cap * sizeof *doc->types);
  gs_free(al, doc->slots, doc->slots_cap * sizeof *doc->slots);
  gs_free(al, doc->slot_runs, doc->slot_runs_cap * sizeof *doc->slot_runs);
  gs_free(al, doc->slot_hash, doc->slot_hash_cap * sizeof *doc->slot_hash);
  gs_free(al, doc->keys, doc->keys_cap * sizeof *doc->keys);
  gs_free(al, doc->key_hash, doc->key_hash_cap * sizeof *doc->key_hash);
  gs_free(al, doc->key_text, doc->key_text_cap);
  gs_text_forget_blocks(doc);
  gs_free(al, doc->text, doc->text_cap);
  gs_forget_deleted(doc);
  gs_free(al, doc->weak.v, doc->weak.cap * sizeof *doc->weak.v);
  gs_free(al, doc->leaf_of, doc->leaf_of_cap * sizeof *doc->leaf_of);
  gs_free(al, doc->redone, doc->redone_cap * sizeof *doc->redone);
  gs_scratch_free(doc, &doc->scratch);
  gesso_buffer_free(&doc->room);
  gs_free(al, doc->txn.touched, doc->txn.touched_cap * sizeof *doc->txn.touched);
  gs_free(al, doc->txn.dels.v, doc->txn.dels.cap * sizeof *doc->txn.dels.v);
  gs_free(al, doc->txn.merge, doc->txn.merge_cap * sizeof *doc->txn.merge);
  gesso_buffer_free(&doc->txn.origin);
  gs_free(al, doc->txn.formatted, doc->txn.formatted_cap * sizeof *doc->txn.formatted);
  gs_free(doc->mem.inner, doc, sizeof *doc);
}

gesso_doc *gesso_doc_retain(gesso_doc *doc)
{
  doc->refs++;
  return doc;
}

void gs_doc_new_client_id(gesso_doc *doc)
{
  do {
    uint64_t r = doc->rng;
    if (getrandom(&r, sizeof r, GRND_NONBLOCK) != (ssize_t)sizeof r)
      r = doc->rng * 0x9e3779b97f4a7c15ULL;
    doc->rng += r | 1;
    doc->client_id = (r & 0xffffffffu) | 1u;
  } while (gs_client_find(doc, doc->client_id) != 0);
  doc->own = 0;
}

uint64_t gesso_doc_client_id(const gesso_doc *doc)
{
  return doc->client_id;
}

void gesso_doc_set_data(gesso_doc *doc, void *data)
{
  doc->data = data;
}

void *gesso_doc_data(const gesso_doc *doc)
{
  return doc->data;
}

void gesso_doc_get_stats(const gesso_doc *doc, gesso_doc_stats *out)
{
  *out = (gesso_doc_stats){
    .structs = doc->nstructs + doc->npacked,
    .deleted_structs = doc->ndeleted + doc->npacked,
    .pending_structs = doc->pending->structs.count,
    .pending_bytes = doc->pending->bytes_len - doc->pending->garbage,
    .pending_delete_ranges = doc->pending->dels.count,
    .memory_bytes = doc->mem.used,
  };
  for (uint32_t i = 1; i < doc->nclients; i++)
    out->clients += doc->clients[i].clock > 0;
}

typedef struct waiting_client {
  uint64_t id;
  uint32_t client;
} waiting_client;

static int by_waiting_id(const void *a, const void *b)
{
  uint64_t x = ((const waiting_client *)a)->id, y = ((const waiting_client *)b)->id;
  return x < y ? -1 : x > y;
}

/* The range that begins with that node, and those that go on where it ends; returns the node behind it. Of a struct whose
 * first part is known by now only the rest waits. */
static uint32_t next_range(const gs_ptree *t, uint32_t client, uint32_t node, uint32_t known, uint32_t *at, uint32_t *end)
{
  *at = t->v[node].clock;
  *end = *at + t->v[node].len;
  while ((node = gs_ptree_after(t, client, node)) != 0 && t->v[node].clock <= *end)
    *end = GS_MAX(*end, t->v[node].clock + t->v[node].len);
  *at = GS_MIN(GS_MAX(*at, known), *end);
  return node;
}

/* `v` has room for all clients. */
static void write_ranges(const gesso_doc *doc, gs_buf *buf, const gs_ptree *t, waiting_client *v)
{
  uint32_t n = 0;
  for (uint32_t client = 1; client < doc->nclients; client++)
    if (gs_ptree_from(t, client, 0) != 0)
      v[n++] = (waiting_client){ doc->clients[client].id, client };
  if (n > 1)
    qsort(v, n, sizeof *v, by_waiting_id);
  gs_buf_put(buf, '{');
  for (uint32_t i = 0; i < n; i++) {
    uint32_t client = v[i].client, node = gs_ptree_from(t, client, 0);
    uint32_t known = t == &doc->pending->structs ? doc->clients[client].clock : 0, at, end;
    gs_buf_printf(buf, "%s\"%llu\":[", i == 0 ? "" : ",", (unsigned long long)v[i].id);
    bool first = true;
    while (node != 0) {
      node = next_range(t, client, node, known, &at, &end);
      if (at == end)
        continue;
      gs_buf_printf(buf, "%s[%u,%u]", first ? "" : ",", at, end);
      first = false;
    }
    gs_buf_put(buf, ']');
  }
  gs_buf_put(buf, '}');
}

gesso_status gesso_doc_pending_json(gesso_doc *doc, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  waiting_client *v = gs_alloc(doc->mem.inner, doc->nclients * sizeof *v);
  if (v == NULL)
    return GESSO_E_NOMEM;
  gs_buf buf = gs_buf_make(doc->mem.inner);
  gs_buf_puts(&buf, "{\"structs\":");
  write_ranges(doc, &buf, &doc->pending->structs, v);
  gs_buf_puts(&buf, ",\"deletes\":");
  write_ranges(doc, &buf, &doc->pending->dels, v);
  gs_buf_put(&buf, '}');
  gs_free(doc->mem.inner, v, doc->nclients * sizeof *v);
  gesso_status st = buf.err;
  if (st == GESSO_OK)
    *out = gs_buf_take(&buf);
  gs_buf_finish(&buf);
  return st;
}
