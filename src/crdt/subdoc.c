#include "crdt/subdoc.h"
#include "crdt/content.h"
#include "crdt/observe.h"
#include "crdt/structs.h"
#include "wire/any.h"
#include "wire/json.h"
#include "wire/writer.h"

#include <math.h>
#include <sys/random.h>

/* --- the table --- */

static uint32_t place_in(const gs_subdoc_table *t, gs_id id)
{
  uint64_t h = (((uint64_t)id.client << 32 | id.clock) ^ t->seed) * 0x9e3779b97f4a7c15ULL;
  uint32_t at = (uint32_t)(h >> 32) & (t->cap - 1);
  while (t->v[at].id.client != 0 && !gs_id_eq(t->v[at].id, id))
    at = (at + 1) & (t->cap - 1);
  return at;
}

static gs_subdoc *find(const gesso_doc *doc, gs_id id)
{
  const gs_subdoc_table *t = doc->subdocs;
  if (t == NULL || t->cap == 0)
    return NULL;
  gs_subdoc *s = &t->v[place_in(t, id)];
  return s->id.client != 0 ? s : NULL;
}

bool gs_subdocs_reserve(gesso_doc *doc, size_t n)
{
  if (n == 0)
    return true;
  /* A few bytes of an update can ask for a document: what they cost counts, or a cap would mean nothing. */
  if (doc->mem.max != 0 && n > (doc->mem.max - GS_MIN(doc->mem.used, doc->mem.max)) / sizeof(gesso_doc))
    return false;
  if (doc->subdocs == NULL && (doc->subdocs = GS_NEW(doc->alloc, gs_subdoc_table)) == NULL)
    return false;
  gs_subdoc_table *t = doc->subdocs;
  if (t->cap == 0)
    t->seed = doc->hash_seed;
  if (!gs_grow(doc->alloc, &t->leaving, &t->leaving_cap, (size_t)t->nleaving + t->n + n, sizeof *t->leaving))
    return false;
  size_t need = ((size_t)t->n + n) / 3 * 4 + 4;
  if (need <= t->cap)
    return true;
  uint32_t cap = t->cap == 0 ? 8 : t->cap;
  while (cap < need) {
    if (cap > UINT32_MAX / 2)
      return false;
    cap *= 2;
  }
  gs_subdoc *v = gs_alloc_zero(doc->alloc, cap * sizeof *v);
  if (v == NULL)
    return false;
  gs_subdoc *old = t->v;
  uint32_t old_cap = t->cap;
  t->v = v;
  t->cap = cap;
  for (uint32_t i = 0; i < old_cap; i++)
    if (old[i].id.client != 0)
      t->v[place_in(t, old[i].id)] = old[i];
  gs_free(doc->alloc, old, old_cap * sizeof *old);
  return true;
}

static gs_id id_of(const gs_item *it)
{
  return (gs_id){ gs_client_of(it), it->clock };
}

/* Takes over one reference. */
static void insert_reserved(gesso_doc *doc, gs_id id, gesso_doc *handle)
{
  gs_subdoc_table *t = doc->subdocs;
  t->v[place_in(t, id)] = (gs_subdoc){ id, handle };
  t->n++;
  doc->mem.used += sizeof(gesso_doc);
  handle->parent = doc;
  handle->place = id;
}

/* Lets a handle go at the end of the transaction. Its place is the caller's. */
static void leave(gesso_doc *doc, gs_subdoc *s)
{
  gs_subdoc_table *t = doc->subdocs;
  doc->mem.used -= sizeof(gesso_doc);
  s->handle->parent = NULL;
  t->leaving[t->nleaving++] = s->handle;
  s->handle = NULL;
}

/* --- handles --- */

static bool truthy(const gs_node *n)
{
  switch (n->kind) {
  case GS_NODE_UNDEFINED:
  case GS_NODE_NULL:
    return false;
  case GS_NODE_BOOL:
  case GS_NODE_NUMBER:
    return n->number != 0 && !isnan(n->number);
  case GS_NODE_BIGINT:
    return n->bigint != 0;
  case GS_NODE_STRING:
    return n->len > 0;
  default:
    return true;
  }
}

static bool is_key(const gs_node *n, const char *key)
{
  return n->key_len == strlen(key) && memcmp(n->key, key, n->key_len) == 0;
}

/* What `new Doc({guid, ...opts})` makes of stored options. */
static void read_options(const gs_tree *tree, gesso_doc_options *o, gs_buf *meta)
{
  bool load = false;
  o->flags = 0;
  for (uint32_t i = tree->nodes[0].kind == GS_NODE_OBJECT ? tree->nodes[0].child : 0; i != 0; i = tree->nodes[i].next) {
    const gs_node *n = &tree->nodes[i];
    if (is_key(n, "gc") && n->kind != GS_NODE_UNDEFINED && !truthy(n))
      o->flags |= GESSO_DOC_NO_GC;
    else if (is_key(n, "autoLoad") && truthy(n))
      o->flags |= GESSO_DOC_AUTO_LOAD;
    else if (is_key(n, "shouldLoad"))
      load = truthy(n);
    else if (is_key(n, "guid") && n->kind == GS_NODE_STRING)
      o->guid = (gesso_bytes){ n->data, n->len };
    else if (is_key(n, "collectionid") && n->kind == GS_NODE_STRING)
      o->collection_id = (gesso_bytes){ n->data, n->len };
    else if (is_key(n, "meta") && n->kind != GS_NODE_NULL && gs_tree_write_json_at(tree, i, meta))
      o->meta_json = gs_buf_bytes(meta);
  }
  if (!load && (o->flags & GESSO_DOC_AUTO_LOAD) == 0)
    o->flags |= GESSO_DOC_NO_LOAD;
}

static gesso_doc *make(gesso_doc *doc, const gs_item *it)
{
  gs_reader rd = gs_reader_of(gs_content(doc, it));
  gesso_doc_options o = { .size = sizeof o,
                          .alloc = doc->mem.inner,
                          .client_id = doc->client_id,
                          .memory_max = doc->mem.max,
                          .pending_structs_max = doc->pending_max };
  o.guid = gs_read_bytes(&rd);
  gs_tree tree;
  gs_buf meta = gs_buf_make(doc->mem.inner);
  gs_tree_init(&tree, doc->mem.inner);
  gs_any_to_tree(&rd, &tree);
  gesso_doc *handle = NULL;
  if (tree.err == GESSO_OK) {
    read_options(&tree, &o, &meta);
    if (meta.err == GESSO_OK)
      handle = gesso_doc_create(&o);
  }
  gs_tree_finish(&tree);
  gs_buf_finish(&meta);
  return handle;
}

gesso_doc *gs_subdoc_of(gesso_doc *doc, const gs_item *it)
{
  gs_id id = id_of(it);
  const gs_subdoc *s = find(doc, id);
  if (s != NULL)
    return s->handle;
  if (!gs_subdocs_reserve(doc, 1))
    return NULL;
  gesso_doc *handle = make(doc, it);
  if (handle == NULL)
    return NULL;
  insert_reserved(doc, id, handle);
  if (gs_is_deleted(it)) {
    doc->subdocs->dirty = true;
    doc->subdocs->stray = doc->subdocs->stray || (it->head & GS_ITEM_DELNOW) == 0;
  }
  return handle;
}

bool gs_subdoc_may_join(const gesso_doc *doc, const gesso_doc *subdoc)
{
  if (subdoc == NULL || subdoc->parent != NULL)
    return false;
  for (; doc != NULL; doc = doc->parent)
    if (doc == subdoc)
      return false;
  return true;
}

void gs_subdoc_content(gesso_doc *subdoc, gs_buf *out)
{
  bool no_gc = (subdoc->flags & GESSO_DOC_NO_GC) != 0, load = (subdoc->flags & GESSO_DOC_AUTO_LOAD) != 0;
  static const uint8_t gc_false[] = { 2, 'g', 'c', 121 };
  static const uint8_t auto_load[] = { 8, 'a', 'u', 't', 'o', 'L', 'o', 'a', 'd', 120 };
  static const uint8_t meta[] = { 4, 'm', 'e', 't', 'a' };
  gs_write_bytes(out, gesso_doc_guid(subdoc));
  gs_buf_put(out, 118);
  gs_buf_put(out, (uint8_t)(no_gc + load + (subdoc->meta_json.len > 0)));
  if (no_gc)
    gs_buf_write(out, gc_false, sizeof gc_false);
  if (load)
    gs_buf_write(out, auto_load, sizeof auto_load);
  if (subdoc->meta_json.len > 0) {
    gs_buf_write(out, meta, sizeof meta);
    gesso_status st = gs_json_to_any(subdoc->meta_json, out);
    if (st != GESSO_OK && out->err == GESSO_OK)
      out->err = st;
  }
}

void gs_subdoc_join_reserved(gesso_doc *doc, const gs_item *it, gesso_doc *subdoc)
{
  insert_reserved(doc, id_of(it), gesso_doc_retain(subdoc));
  /* As in Yjs, so that whoever edits both documents has one client id. */
  subdoc->client_id = doc->client_id;
  subdoc->own = 0;
}

/* --- transactions --- */

static bool note(gesso_doc *doc, gs_subdoc_change change, const gs_item *it)
{
  gesso_doc *handle = gs_subdoc_of(doc, it);
  if (handle == NULL)
    return false;
  gs_observe_subdoc(doc, change, handle);
  return true;
}

/* One that was deleted at once was never there, but to be loaded is still said of it, as in Yjs. */
static bool note_new(gesso_doc *doc, const gs_item *it)
{
  gesso_doc *handle = gs_subdoc_of(doc, it);
  if (handle == NULL)
    return false;
  if (!gs_is_deleted(it))
    gs_observe_subdoc(doc, GS_SUBDOC_ADDED, handle);
  if ((handle->flags & GESSO_DOC_NO_LOAD) == 0)
    gs_observe_subdoc(doc, GS_SUBDOC_LOADED, handle);
  return true;
}

static bool note_all(gesso_doc *doc)
{
  bool ok = true;
  for (uint32_t i = 0; i < doc->txn.ntouched; i++) {
    uint32_t client = doc->txn.touched[i];
    const gs_client *c = &doc->clients[client];
    if (c->before == c->clock)
      continue;
    gs_pos p = gs_structs_find(doc, client, c->before);
    do {
      const gs_item *it = &doc->items[gs_struct_at(doc, client, p)];
      if (gs_kind(it) == GS_DOC)
        ok = note_new(doc, it) && ok;
    } while (gs_pos_next(doc, client, &p));
  }
  for (uint32_t i = 0; i < doc->txn.dels.n; i++) {
    gs_range r = doc->txn.dels.v[i];
    uint32_t end = GS_MIN(r.clock + r.len, gs_before(doc, r.client));
    if (r.clock >= end)
      continue;
    gs_pos p = gs_structs_find(doc, r.client, r.clock);
    do {
      const gs_item *it = &doc->items[gs_struct_at(doc, r.client, p)];
      if (it->clock >= end)
        break;
      if (gs_kind(it) == GS_DOC)
        ok = note(doc, GS_SUBDOC_REMOVED, it) && ok;
    } while (gs_pos_next(doc, r.client, &p));
  }
  return ok;
}

static void remove_at(gs_subdoc_table *t, uint32_t hole)
{
  t->n--;
  t->v[hole] = (gs_subdoc){ { 0, 0 }, NULL };
  /* What stands behind the hole must still be found. */
  for (uint32_t at = (hole + 1) & (t->cap - 1); t->v[at].id.client != 0; at = (at + 1) & (t->cap - 1)) {
    gs_subdoc s = t->v[at];
    t->v[at] = (gs_subdoc){ { 0, 0 }, NULL };
    t->v[place_in(t, s.id)] = s;
  }
}

/* Takes the handles of deleted items out of the table, wherever they are in it. */
static void sweep(gesso_doc *doc)
{
  gs_subdoc_table *t = doc->subdocs;
  for (uint32_t i = 0; i < t->cap;) {
    gs_subdoc *s = &t->v[i];
    const gs_item *it = s->id.client != 0 ? &doc->items[gs_struct_of(doc, s->id)] : NULL;
    if (it == NULL || (gs_kind(it) == GS_DOC && !gs_is_deleted(it))) {
      i++;
      continue;
    }
    leave(doc, s);
    remove_at(t, i); /* another one may stand there now */
  }
}

/* The same for what the transaction deleted. */
static void sweep_deleted(gesso_doc *doc)
{
  gs_subdoc_table *t = doc->subdocs;
  for (uint32_t i = 0; i < doc->txn.dels.n && t->n > 0; i++) {
    gs_range r = doc->txn.dels.v[i];
    gs_pos p = gs_structs_find(doc, r.client, r.clock);
    do {
      const gs_item *it = &doc->items[gs_struct_at(doc, r.client, p)];
      if (it->clock >= r.clock + r.len)
        break;
      gs_subdoc *s = gs_kind(it) == GS_DOC ? find(doc, id_of(it)) : NULL;
      if (s == NULL)
        continue;
      leave(doc, s);
      remove_at(t, (uint32_t)(s - t->v));
    } while (gs_pos_next(doc, r.client, &p));
  }
}

gesso_status gs_subdocs_end(gesso_doc *doc)
{
  gesso_status st = GESSO_OK;
  if (gs_observes(doc, GS_SUB_SUBDOCS) && !note_all(doc))
    st = GESSO_E_NOMEM;
  gs_subdoc_table *t = doc->subdocs;
  if (t == NULL || !t->dirty)
    return st;
  if (t->stray || doc->txn.dels_lost)
    sweep(doc);
  else
    sweep_deleted(doc);
  t->dirty = t->stray = false;
  return st;
}

void gs_subdocs_leave(gesso_doc *doc)
{
  gs_subdoc_table *t = doc->subdocs;
  while (t->nleaving > 0)
    gesso_doc_destroy(t->leaving[--t->nleaving]);
}

void gs_subdocs_destroy(gesso_doc *doc)
{
  gs_subdoc_table *t = doc->subdocs;
  if (t == NULL)
    return;
  doc->subdocs = NULL;
  for (uint32_t i = 0; i < t->cap; i++)
    if (t->v[i].id.client != 0) {
      t->v[i].handle->parent = NULL;
      gesso_doc_destroy(t->v[i].handle);
    }
  while (t->nleaving > 0)
    gesso_doc_destroy(t->leaving[--t->nleaving]);
  gs_free(doc->alloc, t->v, t->cap * sizeof *t->v);
  gs_free(doc->alloc, t->leaving, t->leaving_cap * sizeof(gesso_doc *));
  gs_free(doc->alloc, t, sizeof *t);
}

const char *gs_subdocs_check(const gesso_doc *doc)
{
  const gs_subdoc_table *t = doc->subdocs;
  uint32_t n = 0;
  if (t == NULL)
    return NULL;
  for (uint32_t i = 0; i < t->cap; i++) {
    const gs_subdoc *s = &t->v[i];
    if (s->id.client == 0)
      continue;
    n++;
    if (find(doc, s->id) != s)
      return "subdocuments: one that is not found";
    if (s->handle->parent != doc || !gs_id_eq(s->handle->place, s->id))
      return "subdocuments: a handle that is elsewhere";
    const gs_item *it = &doc->items[gs_struct_of(doc, s->id)];
    if (!t->dirty && (gs_kind(it) != GS_DOC || gs_is_deleted(it)))
      return "subdocuments: one without its item";
  }
  if (n != t->n || t->leaving_cap < t->nleaving + t->n)
    return "subdocuments: counts";
  return NULL;
}

/* --- the public calls --- */

gesso_bytes gesso_doc_guid(gesso_doc *doc)
{
  if (doc->guid.data == NULL) {
    static const char hex[] = "0123456789abcdef";
    uint8_t r[16];
    if (getrandom(r, sizeof r, GRND_NONBLOCK) != (ssize_t)sizeof r)
      for (size_t i = 0; i < sizeof r; i++)
        r[i] = (uint8_t)((doc->rng = doc->rng * 6364136223846793005ULL + 1442695040888963407ULL) >> 56);
    r[6] = (r[6] & 0x0f) | 0x40; /* RFC 9562, version 4 */
    r[8] = (r[8] & 0x3f) | 0x80;
    char *to = doc->uuid;
    for (size_t i = 0; i < sizeof r; i++) {
      if (i == 4 || i == 6 || i == 8 || i == 10)
        *to++ = '-';
      *to++ = hex[r[i] >> 4];
      *to++ = hex[r[i] & 15];
    }
    doc->guid = (gesso_bytes){ (const uint8_t *)doc->uuid, sizeof doc->uuid };
  }
  return doc->guid;
}

gesso_bytes gesso_doc_collection_id(const gesso_doc *doc)
{
  while (doc->collection_id.data == NULL && doc->parent != NULL)
    doc = doc->parent;
  return doc->collection_id;
}

gesso_bytes gesso_doc_meta_json(const gesso_doc *doc)
{
  return doc->meta_json;
}

uint32_t gesso_doc_flags(const gesso_doc *doc)
{
  return doc->flags;
}

gesso_doc *gesso_doc_parent(const gesso_doc *doc)
{
  return doc->parent;
}

static void begin_in_parent(gesso_doc *parent)
{
  if (parent->txn.depth == 0)
    parent->txn.local = true;
  gesso_doc_begin(parent);
}

gesso_status gesso_doc_load(gesso_doc *doc)
{
  if ((doc->flags & GESSO_DOC_NO_LOAD) == 0)
    return GESSO_OK;
  doc->flags &= ~(uint32_t)GESSO_DOC_NO_LOAD;
  gesso_doc *parent = doc->parent;
  if (parent == NULL)
    return GESSO_OK;
  begin_in_parent(parent);
  gs_observe_subdoc(parent, GS_SUBDOC_LOADED, doc);
  return gesso_doc_commit(parent, NULL);
}

size_t gesso_doc_subdocs(gesso_doc *doc, gesso_doc **out, size_t max)
{
  size_t n = 0;
  for (gs_ix ix = 1; ix < doc->nitems; ix++) {
    const gs_item *it = &doc->items[ix];
    if (gs_kind(it) != GS_DOC || gs_is_deleted(it))
      continue;
    if (n < max) {
      out[n] = gs_subdoc_of(doc, it);
      if (out[n] == NULL)
        continue;
    }
    n++;
  }
  return n;
}

gesso_status gesso_doc_unload(gesso_doc *subdoc)
{
  gesso_doc *parent = subdoc->parent;
  if (parent == NULL)
    return GESSO_E_USAGE;
  gs_id id = subdoc->place;
  const gs_item *it = &parent->items[gs_struct_of(parent, id)];
  if (gs_is_deleted(it))
    return GESSO_E_USAGE;
  gesso_doc *fresh = make(parent, it);
  gs_subdoc_table *t = parent->subdocs;
  if (fresh == NULL ||
      !gs_grow(parent->alloc, &t->leaving, &t->leaving_cap, (size_t)t->nleaving + t->n + 1, sizeof *t->leaving)) {
    gesso_doc_destroy(fresh);
    return GESSO_E_NOMEM;
  }
  fresh->flags |= GESSO_DOC_NO_LOAD;
  begin_in_parent(parent);
  gs_subdoc *s = find(parent, id);
  leave(parent, s);
  s->handle = fresh;
  fresh->parent = parent;
  fresh->place = id;
  parent->mem.used += sizeof(gesso_doc);
  /* Of one that this very transaction put there nobody has heard. */
  if (id.clock < gs_before(parent, id.client)) {
    gs_observe_subdoc(parent, GS_SUBDOC_REMOVED, subdoc);
    gs_observe_subdoc(parent, GS_SUBDOC_ADDED, fresh);
  }
  return gesso_doc_commit(parent, NULL);
}
