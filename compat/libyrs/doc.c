/* Documents, transactions and root types. */
#include "impl.h"

static void forget(void *ctx, gesso_doc *gdoc)
{
  YDoc *doc = ctx;
  gesso_doc_set_data(gdoc, NULL);
  yrs_subscriptions_end(doc->subscriptions);
  for (uint32_t i = 0; i < doc->nbranches; i++)
    if (doc->branches[i] != NULL) {
      free(doc->branches[i]->name);
      free(doc->branches[i]);
    }
  for (size_t i = 0; i < doc->nlong_names; i++)
    free(doc->long_names[i]);
  free(doc->long_names);
  free(doc->branches);
  free(doc);
}

YDoc *yrs_doc_of(gesso_doc *gdoc, const YDoc *parent)
{
  if (gdoc == NULL)
    return NULL;
  YDoc *doc = gesso_doc_data(gdoc);
  if (doc != NULL)
    return doc;
  gesso_subscription id;
  doc = calloc(1, sizeof *doc);
  if (doc == NULL)
    return NULL;
  if (gesso_doc_observe_destroy(gdoc, forget, doc, &id) != GESSO_OK) {
    free(doc);
    return NULL;
  }
  doc->doc = gdoc;
  doc->flags = parent != NULL ? parent->flags & Y_OFFSET_UTF16 : Y_OFFSET_BYTES;
  gesso_doc_set_data(gdoc, doc);
  return doc;
}

Branch *yrs_branch(YDoc *doc, gesso_type type)
{
  if (type == 0)
    return NULL;
  if (type >= doc->nbranches) {
    uint32_t n = type < 16 ? 32 : type * 2;
    Branch **v = realloc(doc->branches, n * sizeof *v);
    if (v == NULL)
      return NULL;
    memset(v + doc->nbranches, 0, (n - doc->nbranches) * sizeof *v);
    doc->branches = v;
    doc->nbranches = n;
  }
  if (doc->branches[type] == NULL) {
    Branch *b = calloc(1, sizeof *b);
    if (b == NULL)
      return NULL;
    b->doc = doc;
    b->type = type;
    doc->branches[type] = b;
  }
  return doc->branches[type];
}

gesso_doc *yrs_writable(const Branch *branch, const YTransaction *txn)
{
  return branch != NULL && txn != NULL && txn->write && txn->doc == branch->doc ? branch->doc->doc : NULL;
}

YRS_API YOptions yoptions(void)
{
  YOptions o = { .flags = Y_OFFSET_BYTES | Y_SHOULD_LOAD };
  gesso_doc *doc = gesso_doc_create(NULL); /* knows how to choose an id */
  if (doc != NULL)
    o.id = gesso_doc_client_id(doc);
  gesso_doc_destroy(doc);
  return o;
}

YRS_API YDoc *ydoc_new(void)
{
  return ydoc_new_with_options((YOptions){ .flags = Y_OFFSET_BYTES | Y_SHOULD_LOAD });
}

YRS_API YDoc *ydoc_new_with_options(YOptions options)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = options.id & ((1ull << 53) - 1) };
  o.flags = ((options.flags & Y_SKIP_GC) != 0 ? GESSO_DOC_NO_GC : 0) |
            ((options.flags & Y_AUTO_LOAD) != 0 ? GESSO_DOC_AUTO_LOAD : 0) |
            ((options.flags & Y_SHOULD_LOAD) == 0 ? GESSO_DOC_NO_LOAD : 0);
  o.guid = yrs_str(options.guid);
  o.collection_id = yrs_str(options.collection_id);
  gesso_doc *gdoc = gesso_doc_create(&o);
  YDoc *doc = yrs_doc_of(gdoc, NULL);
  if (doc == NULL)
    gesso_doc_destroy(gdoc);
  else
    doc->flags = options.flags;
  return doc;
}

YRS_API YDoc *ydoc_clone(YDoc *doc)
{
  if (doc != NULL)
    (void)gesso_doc_retain(doc->doc);
  return doc;
}

YRS_API void ydoc_destroy(YDoc *doc)
{
  if (doc != NULL)
    gesso_doc_destroy(doc->doc);
}

YRS_API uint64_t ydoc_id(YDoc *doc)
{
  return gesso_doc_client_id(doc->doc);
}

YRS_API char *ydoc_guid(YDoc *doc)
{
  return yrs_string(gesso_doc_guid(doc->doc));
}

YRS_API char *ydoc_collection_id(YDoc *doc)
{
  gesso_bytes id = gesso_doc_collection_id(doc->doc);
  return id.data != NULL ? yrs_string(id) : NULL;
}

YRS_API uint8_t ydoc_should_load(YDoc *doc)
{
  return (gesso_doc_flags(doc->doc) & GESSO_DOC_NO_LOAD) == 0;
}

YRS_API uint8_t ydoc_auto_load(YDoc *doc)
{
  return (gesso_doc_flags(doc->doc) & GESSO_DOC_AUTO_LOAD) != 0;
}

YRS_API void ydoc_load(YDoc *doc, YTransaction *parent_txn)
{
  if (parent_txn != NULL && parent_txn->write)
    (void)gesso_doc_load(doc->doc);
}

YRS_API void ydoc_clear(YDoc *doc, YTransaction *parent_txn)
{
  gesso_doc *gdoc = gesso_doc_retain(doc->doc);
  if (parent_txn != NULL && parent_txn->write && gesso_doc_parent(gdoc) != NULL)
    (void)gesso_doc_unload(gdoc);
  for (YSubscription *s = doc->subscriptions, *next; s != NULL; s = next) {
    next = s->next;
    if (s->id == 0)
      s->fn.clear(s->state, doc);
    else
      gesso_doc_unobserve(gdoc, s->id);
  }
  yrs_subscriptions_end(doc->subscriptions);
  doc->subscriptions = NULL;
  gesso_doc_destroy(gdoc);
}

static YTransaction *transaction(YDoc *doc, bool write)
{
  YTransaction *txn = doc->writer == NULL && (!write || doc->readers == 0) ? calloc(1, sizeof *txn) : NULL;
  if (txn == NULL)
    return NULL;
  (void)gesso_doc_retain(doc->doc);
  txn->doc = doc;
  txn->write = write;
  if (write)
    doc->writer = txn;
  else
    doc->readers++;
  return txn;
}

static void end(YTransaction *txn)
{
  YDoc *doc = txn->doc;
  if (txn->write)
    doc->writer = NULL;
  else
    doc->readers--;
  free(txn);
  gesso_doc_destroy(doc->doc);
}

YRS_API YTransaction *ydoc_read_transaction(YDoc *doc)
{
  return transaction(doc, false);
}

YRS_API YTransaction *ydoc_write_transaction(YDoc *doc, uint32_t origin_len, const char *origin)
{
  YTransaction *txn = transaction(doc, true);
  if (txn == NULL)
    return NULL;
  gesso_bytes o = { (const uint8_t *)origin, origin_len };
  if (origin_len == 0) {
    gesso_doc_begin(doc->doc);
  } else if (gesso_doc_begin_with(doc->doc, o) != GESSO_OK) {
    end(txn);
    txn = NULL;
  }
  return txn;
}

YRS_API void ytransaction_commit(YTransaction *txn)
{
  if (txn == NULL)
    return;
  if (txn->write)
    (void)gesso_doc_commit(txn->doc->doc, NULL);
  end(txn);
}

YRS_API void ytransaction_force_gc(YTransaction *txn)
{
  if (txn->write)
    gesso_doc_collect_garbage(txn->doc->doc);
}

YRS_API uint8_t ytransaction_writeable(YTransaction *txn)
{
  return txn->write;
}

YRS_API YDoc **ytransaction_subdocs(YTransaction *txn, uint32_t *len)
{
  gesso_doc *gdoc = txn->doc->doc;
  size_t n = gesso_doc_subdocs(gdoc, NULL, 0), m = 0;
  *len = 0;
  gesso_doc **docs = yrs_array(n, sizeof *docs);
  YDoc **out = yrs_array(n, sizeof *out);
  if (docs == NULL || out == NULL) {
    free(docs);
    free(out);
    return NULL;
  }
  (void)gesso_doc_subdocs(gdoc, docs, n);
  for (size_t i = 0; i < n; i++) {
    out[m] = yrs_doc_of(docs[i], txn->doc);
    m += out[m] != NULL;
  }
  free(docs);
  *len = (uint32_t)m;
  return out;
}

static Branch *root(YDoc *doc, const char *name, gesso_type_kind kind)
{
  return yrs_branch(doc, gesso_doc_root(doc->doc, yrs_str(name), kind));
}

YRS_API Branch *ytype_get(YTransaction *txn, const char *name)
{
  return yrs_branch(txn->doc, gesso_doc_find_root(txn->doc->doc, yrs_str(name)));
}

YRS_API Branch *ytext(YDoc *doc, const char *name)
{
  return root(doc, name, GESSO_TEXT);
}

YRS_API Branch *yarray(YDoc *doc, const char *name)
{
  return root(doc, name, GESSO_ARRAY);
}

YRS_API Branch *ymap(YDoc *doc, const char *name)
{
  return root(doc, name, GESSO_MAP);
}

YRS_API Branch *yxmlfragment(YDoc *doc, const char *name)
{
  return root(doc, name, GESSO_XML_FRAGMENT);
}
