/* Subscriptions of documents and types. */
#include "impl.h"

#include "event.h"

YSubscription *yrs_subscription(YDoc *doc, void *state)
{
  YSubscription *s = calloc(1, sizeof *s);
  if (s == NULL)
    return NULL;
  s->doc = doc;
  s->state = state;
  s->next = doc->subscriptions;
  if (s->next != NULL)
    s->next->prev = s;
  doc->subscriptions = s;
  return s;
}

void yrs_subscriptions_end(YSubscription *list)
{
  for (YSubscription *s = list, *next; s != NULL; s = next) {
    next = s->next;
    s->doc = NULL;
    s->undo = NULL;
    s->next = s->prev = NULL;
  }
}

YRS_API void yunobserve(YSubscription *s)
{
  if (s == NULL)
    return;
  if (s->doc != NULL) {
    if (s->id != 0)
      gesso_doc_unobserve(s->doc->doc, s->id);
    if (s->doc->subscriptions == s)
      s->doc->subscriptions = s->next;
  }
  if (s->undo != NULL)
    yrs_undo_unobserve(s);
  if (s->next != NULL)
    s->next->prev = s->prev;
  if (s->prev != NULL)
    s->prev->next = s->next;
  free(s);
}

static YSubscription *unless_failed(YSubscription *s, gesso_status st)
{
  if (st == GESSO_OK)
    return s;
  yunobserve(s);
  return NULL;
}

/* --- Documents --- */

static void on_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  const YSubscription *s = ctx;
  (void)doc, (void)origin, (void)local;
  s->fn.bytes(s->state, (uint32_t)update.len, (const char *)update.data);
}

static YSubscription *observe_updates(YDoc *doc, int version, void *state, void (*cb)(void *, uint32_t, const char *))
{
  YSubscription *s = yrs_subscription(doc, state);
  if (s == NULL)
    return NULL;
  s->fn.bytes = cb;
  return unless_failed(s, gesso_doc_observe_update(doc->doc, version, on_update, s, &s->id));
}

YRS_API YSubscription *ydoc_observe_updates_v1(YDoc *doc, void *state, void (*cb)(void *, uint32_t, const char *))
{
  return observe_updates(doc, 1, state, cb);
}

YRS_API YSubscription *ydoc_observe_updates_v2(YDoc *doc, void *state, void (*cb)(void *, uint32_t, const char *))
{
  return observe_updates(doc, 2, state, cb);
}

/* The state before names every client that the state after does: one that is new stood at 0. */
static bool states(yrs_arena *a, const gesso_transaction *t, YAfterTransactionEvent *e)
{
  uint32_t n = (uint32_t)t->nafter;
  YStateVector *before = &e->before_state, *after = &e->after_state;
  before->entries_count = after->entries_count = n;
  before->client_ids = yrs_arena_new(a, n, sizeof(uint64_t));
  before->clocks = yrs_arena_new(a, n, sizeof(uint32_t));
  after->client_ids = yrs_arena_new(a, n, sizeof(uint64_t));
  after->clocks = yrs_arena_new(a, n, sizeof(uint32_t));
  if (a->failed)
    return false;
  for (uint32_t i = 0, k = 0; i < n; i++) {
    while (k < t->nbefore && t->before[k].client < t->after[i].client)
      k++;
    before->client_ids[i] = after->client_ids[i] = t->after[i].client;
    after->clocks[i] = (uint32_t)t->after[i].clock;
    if (k < t->nbefore && t->before[k].client == t->after[i].client)
      before->clocks[i] = (uint32_t)t->before[k].clock;
  }
  return true;
}

static bool deletions(yrs_arena *a, const gesso_transaction *t, YIdSet *set)
{
  YIdRange *ranges = yrs_arena_new(a, t->ndeleted, sizeof *ranges);
  set->client_ids = yrs_arena_new(a, t->ndeleted, sizeof(uint64_t));
  set->ranges = yrs_arena_new(a, t->ndeleted, sizeof(YIdRangeSeq));
  if (a->failed)
    return false;
  for (size_t i = 0; i < t->ndeleted; i++) {
    const gesso_clock_range *r = &t->deleted[i];
    ranges[i] = (YIdRange){ (uint32_t)r->clock, (uint32_t)r->end };
    if (i == 0 || t->deleted[i - 1].client != r->client) {
      set->client_ids[set->entries_count] = r->client;
      set->ranges[set->entries_count++].seq = &ranges[i];
    }
    set->ranges[set->entries_count - 1].len++;
  }
  return true;
}

static void on_transaction(void *ctx, gesso_doc *doc, const gesso_transaction *t)
{
  const YSubscription *s = ctx;
  YAfterTransactionEvent e = { .delete_set = { 0, NULL, NULL } };
  yrs_arena a = { 0 };
  (void)doc;
  if (states(&a, t, &e) && deletions(&a, t, &e.delete_set))
    s->fn.transaction(s->state, &e);
  yrs_arena_free(&a);
}

YRS_API YSubscription *ydoc_observe_after_transaction(YDoc *doc, void *state,
                                                      void (*cb)(void *, YAfterTransactionEvent *))
{
  YSubscription *s = yrs_subscription(doc, state);
  if (s == NULL)
    return NULL;
  s->fn.transaction = cb;
  return unless_failed(s, gesso_doc_observe_transaction(doc->doc, on_transaction, s, &s->id));
}

static YDoc **docs_of(yrs_arena *a, const YDoc *parent, gesso_doc *const *from, size_t n, uint32_t *len)
{
  YDoc **out = yrs_arena_new(a, n, sizeof *out);
  for (size_t i = 0; out != NULL && i < n; i++)
    if ((out[*len] = yrs_doc_of(from[i], parent)) != NULL)
      ++*len;
  return out;
}

static void on_subdocs(void *ctx, gesso_doc *doc, const gesso_subdocs *d)
{
  const YSubscription *s = ctx;
  YSubdocsEvent e = { 0 };
  yrs_arena a = { 0 };
  (void)doc;
  e.added = docs_of(&a, s->doc, d->added, d->nadded, &e.added_len);
  e.removed = docs_of(&a, s->doc, d->removed, d->nremoved, &e.removed_len);
  e.loaded = docs_of(&a, s->doc, d->loaded, d->nloaded, &e.loaded_len);
  if (!a.failed)
    s->fn.subdocs(s->state, &e);
  yrs_arena_free(&a);
}

YRS_API YSubscription *ydoc_observe_subdocs(YDoc *doc, void *state, void (*cb)(void *, YSubdocsEvent *))
{
  YSubscription *s = yrs_subscription(doc, state);
  if (s == NULL)
    return NULL;
  s->fn.subdocs = cb;
  return unless_failed(s, gesso_doc_observe_subdocs(doc->doc, on_subdocs, s, &s->id));
}

/* ydoc_clear itself calls these. */
YRS_API YSubscription *ydoc_observe_clear(YDoc *doc, void *state, void (*cb)(void *, YDoc *))
{
  YSubscription *s = yrs_subscription(doc, state);
  if (s != NULL)
    s->fn.clear = cb;
  return s;
}

/* --- Types --- */

static yrs_event event_of(const YSubscription *s, const gesso_event *e)
{
  return (yrs_event){ s->doc, e };
}

static const TransactionMut *running(const YSubscription *s)
{
  return (const TransactionMut *)(const void *)s->doc->writer;
}

static YSubscription *observe(const Branch *b, void *state, gesso_event_fn fn)
{
  YSubscription *s = yrs_subscription(b->doc, state);
  if (s == NULL)
    return NULL;
  return unless_failed(s, gesso_type_observe(b->doc->doc, b->type, fn, s, &s->id));
}

static void on_text(void *ctx, gesso_doc *doc, const gesso_event *event)
{
  const YSubscription *s = ctx;
  yrs_event inner = event_of(s, event);
  (void)doc;
  s->fn.text(s->state, &(YTextEvent){ &inner, running(s) });
}

YRS_API YSubscription *ytext_observe(const Branch *txt, void *state, void (*cb)(void *, const YTextEvent *))
{
  YSubscription *s = observe(txt, state, on_text);
  if (s != NULL)
    s->fn.text = cb;
  return s;
}

static void on_map(void *ctx, gesso_doc *doc, const gesso_event *event)
{
  const YSubscription *s = ctx;
  yrs_event inner = event_of(s, event);
  (void)doc;
  s->fn.map(s->state, &(YMapEvent){ &inner, running(s) });
}

YRS_API YSubscription *ymap_observe(const Branch *map, void *state, void (*cb)(void *, const YMapEvent *))
{
  YSubscription *s = observe(map, state, on_map);
  if (s != NULL)
    s->fn.map = cb;
  return s;
}

static void on_array(void *ctx, gesso_doc *doc, const gesso_event *event)
{
  const YSubscription *s = ctx;
  yrs_event inner = event_of(s, event);
  (void)doc;
  s->fn.array(s->state, &(YArrayEvent){ &inner, running(s) });
}

YRS_API YSubscription *yarray_observe(const Branch *array, void *state, void (*cb)(void *, const YArrayEvent *))
{
  YSubscription *s = observe(array, state, on_array);
  if (s != NULL)
    s->fn.array = cb;
  return s;
}

static void on_xml(void *ctx, gesso_doc *doc, const gesso_event *event)
{
  const YSubscription *s = ctx;
  yrs_event inner = event_of(s, event);
  (void)doc;
  s->fn.xml(s->state, &(YXmlEvent){ &inner, running(s) });
}

YRS_API YSubscription *yxmlelem_observe(const Branch *xml, void *state, void (*cb)(void *, const YXmlEvent *))
{
  YSubscription *s = observe(xml, state, on_xml);
  if (s != NULL)
    s->fn.xml = cb;
  return s;
}

static void on_xml_text(void *ctx, gesso_doc *doc, const gesso_event *event)
{
  const YSubscription *s = ctx;
  yrs_event inner = event_of(s, event);
  (void)doc;
  s->fn.xml_text(s->state, &(YXmlTextEvent){ &inner, running(s) });
}

YRS_API YSubscription *yxmltext_observe(const Branch *xml, void *state, void (*cb)(void *, const YXmlTextEvent *))
{
  YSubscription *s = observe(xml, state, on_xml_text);
  if (s != NULL)
    s->fn.xml_text = cb;
  return s;
}

static YEvent deep_event(const yrs_event *inner, const TransactionMut *txn)
{
  YEvent e = { .tag = Y_MAP, .content.map = { inner, txn } };
  switch (inner->event->kind) {
  case GESSO_ARRAY:
    e.tag = Y_ARRAY;
    e.content.array = (YArrayEvent){ inner, txn };
    break;
  case GESSO_TEXT:
    e.tag = Y_TEXT;
    e.content.text = (YTextEvent){ inner, txn };
    break;
  case GESSO_XML_ELEMENT:
  case GESSO_XML_FRAGMENT:
    e.tag = inner->event->kind == GESSO_XML_ELEMENT ? Y_XML_ELEM : Y_XML_FRAG;
    e.content.xml_elem = (YXmlEvent){ inner, txn };
    break;
  case GESSO_XML_TEXT:
    e.tag = Y_XML_TEXT;
    e.content.xml_text = (YXmlTextEvent){ inner, txn };
    break;
  case GESSO_WEAK_LINK:
    e.tag = Y_WEAK_LINK;
    e.content.weak = (YWeakLinkEvent){ inner, txn };
    break;
  default:
    break;
  }
  return e;
}

static void on_deep(void *ctx, gesso_doc *doc, const gesso_event *events, size_t count)
{
  const YSubscription *s = ctx;
  yrs_arena a = { 0 };
  yrs_event *inner = yrs_arena_new(&a, count, sizeof *inner);
  YEvent *out = yrs_arena_new(&a, count, sizeof *out);
  (void)doc;
  if (inner != NULL && out != NULL) {
    for (size_t i = 0; i < count; i++) {
      inner[i] = event_of(s, &events[i]);
      out[i] = deep_event(&inner[i], running(s));
    }
    s->fn.deep(s->state, (uint32_t)count, out);
  }
  yrs_arena_free(&a);
}

YRS_API YSubscription *yobserve_deep(Branch *ytype, void *state, void (*cb)(void *, uint32_t, const YEvent *))
{
  YSubscription *s = yrs_subscription(ytype->doc, state);
  if (s == NULL)
    return NULL;
  s->fn.deep = cb;
  return unless_failed(s, gesso_type_observe_deep(ytype->doc->doc, ytype->type, on_deep, s, &s->id));
}

static void on_weak(void *ctx, gesso_doc *doc, const gesso_event *event)
{
  const YSubscription *s = ctx;
  yrs_event inner = event_of(s, event);
  (void)doc;
  s->fn.weak(s->state, &(YWeakLinkEvent){ &inner, running(s) });
}

YRS_API YSubscription *yweak_observe(const Branch *weak, void *state, void (*cb)(void *, const YWeakLinkEvent *))
{
  YSubscription *s = observe(weak, state, on_weak);
  if (s != NULL)
    s->fn.weak = cb;
  return s;
}
