/* Undo managers. y-crdt makes them without a document and gives them one with the first scope; gesso's have one from
 * the start. Until then what was asked for waits here. */
#include "impl.h"

struct YUndoManager {
  gesso_undo *undo; /* NULL before the first scope */
  gesso_doc *doc;   /* retained with it */
  int64_t capture_timeout_ms;
  gesso_bytes *origins; /* copies */
  size_t norigins;
  YSubscription *subscriptions;
};

YRS_API YUndoManager *yundo_manager(const YUndoManagerOptions *options)
{
  YUndoManager *mgr = calloc(1, sizeof *mgr);
  if (mgr != NULL && options != NULL && options->capture_timeout_millis >= 0)
    mgr->capture_timeout_ms = options->capture_timeout_millis > 0 ? options->capture_timeout_millis : -1;
  return mgr;
}

YRS_API void yundo_manager_destroy(YUndoManager *mgr)
{
  if (mgr == NULL)
    return;
  yrs_subscriptions_end(mgr->subscriptions);
  gesso_undo_destroy(mgr->undo);
  gesso_doc_destroy(mgr->doc);
  for (size_t i = 0; i < mgr->norigins; i++)
    free((void *)(uintptr_t)mgr->origins[i].data);
  free(mgr->origins);
  free(mgr);
}

static const gesso_bytes no_origin = { NULL, 0 };

static void on_undo(void *ctx, gesso_undo *undo, const gesso_undo_event *event)
{
  const YSubscription *s = ctx;
  YUndoEvent e = { .kind = event->stack == GESSO_UNDO ? Y_KIND_UNDO : Y_KIND_REDO,
                   .origin = (const char *)event->origin.data,
                   .origin_len = (uint32_t)event->origin.len,
                   .meta = *event->meta };
  (void)undo;
  s->fn.undo(s->state, &e);
  *event->meta = e.meta;
}

/* Before there is a manager to observe, s->id holds the kind of event. */
static void connect_subscription(YUndoManager *mgr, YSubscription *s, gesso_undo_event_kind kind)
{
  uint64_t id = 0;
  s->id = gesso_undo_observe(mgr->undo, kind, on_undo, s, &id) == GESSO_OK ? id : 0;
}

static void connect_to(YUndoManager *mgr, YDoc *doc)
{
  gesso_undo_options o = { .size = sizeof o, .capture_timeout_ms = mgr->capture_timeout_ms };
  mgr->undo = gesso_undo_create(doc->doc, &o);
  if (mgr->undo == NULL)
    return;
  mgr->doc = gesso_doc_retain(doc->doc);
  for (size_t i = 0; i < mgr->norigins; i++)
    if (gesso_undo_add_origin(mgr->undo, mgr->origins[i]) != GESSO_OK)
      break;
  if (mgr->norigins > 0)
    gesso_undo_remove_origin(mgr->undo, no_origin);
  for (YSubscription *s = mgr->subscriptions; s != NULL; s = s->next)
    connect_subscription(mgr, s, (gesso_undo_event_kind)s->id);
}

YRS_API void yundo_manager_add_scope(YUndoManager *mgr, const YDoc *doc, const Branch *ytype)
{
  if (mgr->undo == NULL)
    connect_to(mgr, ytype->doc);
  if (mgr->undo != NULL && doc == ytype->doc && doc->doc == mgr->doc &&
      gesso_undo_add_scope(mgr->undo, ytype->type) != GESSO_OK)
    return;
}

static size_t find_origin(const YUndoManager *mgr, gesso_bytes origin)
{
  size_t i = 0;
  while (i < mgr->norigins &&
         (mgr->origins[i].len != origin.len || memcmp(mgr->origins[i].data, origin.data, origin.len) != 0))
    i++;
  return i;
}

/* As soon as an origin is asked for, transactions without one are not recorded any more. */
YRS_API void yundo_manager_add_origin(YUndoManager *mgr, uint32_t origin_len, const char *origin)
{
  gesso_bytes o = { (const uint8_t *)origin, origin_len };
  if (origin == NULL || find_origin(mgr, o) < mgr->norigins)
    return;
  gesso_bytes *v = realloc(mgr->origins, (mgr->norigins + 1) * sizeof *v);
  if (v == NULL)
    return;
  mgr->origins = v;
  v[mgr->norigins] = (gesso_bytes){ (const uint8_t *)yrs_string(o), origin_len };
  if (v[mgr->norigins].data == NULL || (mgr->undo != NULL && gesso_undo_add_origin(mgr->undo, o) != GESSO_OK)) {
    free((void *)(uintptr_t)v[mgr->norigins].data);
    return;
  }
  mgr->norigins++;
  if (mgr->undo != NULL)
    gesso_undo_remove_origin(mgr->undo, no_origin);
}

YRS_API void yundo_manager_remove_origin(YUndoManager *mgr, uint32_t origin_len, const char *origin)
{
  gesso_bytes o = { (const uint8_t *)origin, origin_len };
  size_t i = origin != NULL ? find_origin(mgr, o) : mgr->norigins;
  if (i == mgr->norigins)
    return;
  if (mgr->undo != NULL) {
    gesso_undo_remove_origin(mgr->undo, o);
    if (mgr->norigins == 1 && gesso_undo_add_origin(mgr->undo, no_origin) != GESSO_OK)
      return;
  }
  free((void *)(uintptr_t)mgr->origins[i].data);
  mgr->origins[i] = mgr->origins[--mgr->norigins];
}

YRS_API void yundo_manager_clear(YUndoManager *mgr)
{
  if (mgr->undo != NULL)
    (void)gesso_undo_clear(mgr->undo, 1, 1);
}

YRS_API void yundo_manager_stop(YUndoManager *mgr)
{
  if (mgr->undo != NULL)
    gesso_undo_stop_capturing(mgr->undo);
}

/* Its transactions are write transactions like others: none while another one is open. */
static uint8_t run(YUndoManager *mgr, gesso_status (*step)(gesso_undo *, int *))
{
  YDoc *doc = mgr->undo != NULL ? gesso_doc_data(mgr->doc) : NULL;
  YTransaction own = { doc, true };
  int changed = 0;
  if (doc == NULL || doc->writer != NULL || doc->readers > 0)
    return Y_FALSE;
  doc->writer = &own;
  gesso_status st = step(mgr->undo, &changed);
  doc->writer = NULL;
  return st == GESSO_OK && changed;
}

YRS_API uint8_t yundo_manager_undo(YUndoManager *mgr)
{
  return run(mgr, gesso_undo_undo);
}

YRS_API uint8_t yundo_manager_redo(YUndoManager *mgr)
{
  return run(mgr, gesso_undo_redo);
}

YRS_API uint32_t yundo_manager_undo_stack_len(YUndoManager *mgr)
{
  return mgr->undo != NULL ? (uint32_t)gesso_undo_depth(mgr->undo, GESSO_UNDO) : 0;
}

YRS_API uint32_t yundo_manager_redo_stack_len(YUndoManager *mgr)
{
  return mgr->undo != NULL ? (uint32_t)gesso_undo_depth(mgr->undo, GESSO_REDO) : 0;
}

void yrs_undo_unobserve(YSubscription *s)
{
  YUndoManager *mgr = s->undo;
  if (mgr->undo != NULL && s->id != 0)
    gesso_undo_unobserve(mgr->undo, s->id);
  if (mgr->subscriptions == s)
    mgr->subscriptions = s->next;
}

static YSubscription *observe(YUndoManager *mgr, gesso_undo_event_kind kind, void *state,
                              void (*callback)(void *, const YUndoEvent *))
{
  YSubscription *s = calloc(1, sizeof *s);
  if (s == NULL)
    return NULL;
  s->undo = mgr;
  s->id = kind;
  s->state = state;
  s->fn.undo = callback;
  s->next = mgr->subscriptions;
  if (s->next != NULL)
    s->next->prev = s;
  mgr->subscriptions = s;
  if (mgr->undo != NULL)
    connect_subscription(mgr, s, kind);
  return s;
}

YRS_API YSubscription *yundo_manager_observe_added(YUndoManager *mgr, void *state,
                                                   void (*callback)(void *, const YUndoEvent *))
{
  return observe(mgr, GESSO_UNDO_ADDED, state, callback);
}

YRS_API YSubscription *yundo_manager_observe_popped(YUndoManager *mgr, void *state,
                                                    void (*callback)(void *, const YUndoEvent *))
{
  return observe(mgr, GESSO_UNDO_POPPED, state, callback);
}
