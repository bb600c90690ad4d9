/* Documents whose updates are journalled by themselves. */
#include "gesso/events.h"
#include "store/store.h"

struct gs_attached {
  gs_attached *next;
  gesso_persistence *p;
  gesso_doc *doc;
  gesso_subscription updates;
  uint64_t generation;
  gesso_persistence_fn on_written, on_synced;
  void *ctx;
  bool gap;            /* an update could not be copied: the next one carries the whole document */
  uint32_t references; /* under p->lock: one of the list, one for each update on its way */
  bool lost;           /* the event is out */
  uint32_t name_len;
  uint8_t name[];
};

static void release(gesso_persistence *p, gs_attached *a)
{
  (void)pthread_mutex_lock(&p->lock);
  bool last = --a->references == 0;
  (void)pthread_mutex_unlock(&p->lock);
  if (last)
    gs_free(p->alloc, a, sizeof *a + a->name_len);
}

static void on_written(void *ctx, gesso_status status)
{
  gs_attached *a = ctx;
  if (a->on_written != NULL)
    a->on_written(a->ctx, status);
}

static void on_synced(void *ctx, gesso_status status)
{
  gs_attached *a = ctx;
  if (status == GESSO_E_DELETED && !a->lost) {
    a->lost = true;
    gs_emit_event(a->p, GESSO_EVENT_ATTACHED_LOST, status, (gesso_bytes){ a->name, a->name_len },
                  "the board of an attached document was deleted: its updates are not stored");
  }
  if (a->on_synced != NULL)
    a->on_synced(a->ctx, status);
  release(a->p, a);
}

static gesso_status append(gs_attached *a, gesso_bytes update)
{
  gesso_persistence *p = a->p;
  (void)pthread_mutex_lock(&p->lock);
  a->references++;
  (void)pthread_mutex_unlock(&p->lock);
  gesso_status s = gs_append(p, (gesso_bytes){ a->name, a->name_len }, a->generation, update, GESSO_APPEND_TRUSTED,
                             true, on_written, on_synced, a);
  if (s != GESSO_OK)
    release(p, a);
  return s;
}

/* The document holds the update already, so dropping it is no answer: what could not be copied now
 * is made good by the whole document later. */
static gesso_status close_gap(gs_attached *a)
{
  gesso_buffer all = { .alloc = a->p->alloc };
  gesso_status s = gesso_doc_encode_v1(a->doc, (gesso_bytes){ NULL, 0 }, &all, NULL);
  if (s == GESSO_OK)
    s = append(a, (gesso_bytes){ all.data, all.len });
  gesso_buffer_free(&all);
  a->gap = a->gap && s != GESSO_OK;
  return s;
}

static void on_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  gs_attached *a = ctx;
  (void)doc;
  (void)origin;
  (void)local;
  if (a->gap || update.len == 0) {
    a->gap = true;
    (void)close_gap(a);
    return;
  }
  gesso_status s = append(a, update);
  a->gap = s == GESSO_E_NOMEM;
}

gesso_status gesso_board_persistence_attach(gesso_persistence *p, gesso_bytes board, uint64_t generation, gesso_doc *doc,
                                            gesso_persistence_fn written, gesso_persistence_fn synced, void *ctx)
{
  if (p == NULL || doc == NULL || !gs_board_name_ok(board) || p->read_only)
    return GESSO_E_USAGE;
  gs_attached *a = gs_alloc_zero(p->alloc, sizeof *a + board.len);
  if (a == NULL)
    return GESSO_E_NOMEM;
  a->p = p;
  a->doc = doc;
  a->generation = generation;
  a->on_written = written;
  a->on_synced = synced;
  a->ctx = ctx;
  a->references = 1;
  a->name_len = (uint32_t)board.len;
  memcpy(a->name, board.data, board.len);
  gesso_status s = gesso_doc_observe_update(doc, 1, on_update, a, &a->updates);
  if (s != GESSO_OK) {
    gs_free(p->alloc, a, sizeof *a + a->name_len);
    return s;
  }
  (void)pthread_mutex_lock(&p->lock);
  bool closing = p->closing;
  if (!closing) {
    a->next = p->attached;
    p->attached = a;
  }
  (void)pthread_mutex_unlock(&p->lock);
  if (!closing)
    return GESSO_OK;
  gesso_doc_unobserve(doc, a->updates);
  gs_free(p->alloc, a, sizeof *a + a->name_len);
  return GESSO_E_CLOSED;
}

gesso_status gesso_board_persistence_detach(gesso_persistence *p, gesso_doc *doc)
{
  gs_attached *found = NULL;
  if (p == NULL || doc == NULL)
    return GESSO_E_USAGE;
  (void)pthread_mutex_lock(&p->lock);
  for (gs_attached **at = &p->attached; *at != NULL; at = &(*at)->next) {
    if ((*at)->doc == doc) {
      found = *at;
      *at = found->next;
      break;
    }
  }
  (void)pthread_mutex_unlock(&p->lock);
  if (found == NULL)
    return GESSO_E_NOTFOUND;
  gesso_doc_unobserve(doc, found->updates);
  gesso_status s = found->gap ? close_gap(found) : GESSO_OK;
  release(p, found);
  return s;
}

void gs_attached_forget_all(gesso_persistence *p)
{
  for (gs_attached *a = p->attached, *next; a != NULL; a = next) {
    next = a->next;
    gs_free(p->alloc, a, sizeof *a + a->name_len);
  }
  p->attached = NULL;
}
