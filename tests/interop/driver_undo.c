/* Undo managers: up to four for each slot, with a clock that the test sets, and a log of what they and the
 * document tell. */
#include "driver.h"

#define MANAGERS 4

enum { IGNORE_REMOTE = 1, KEEP_TYPES = 2, KEEP_SOME = 4, SKIP_ORIGIN = 8 };

struct manager {
  gesso_undo *undo;
  uint64_t place;
  uint64_t flags;
  struct manager_slot *slot;
};

static struct manager_slot {
  struct manager managers[MANAGERS];
  gesso_subscription updates;
  gs_buf log;
} slots[SLOTS];
static uint64_t clock_ms;

static struct manager_slot *slot_of(struct call *c)
{
  return &slots[c->slot - slot_at(0)];
}

static struct manager *manager_of(struct call *c)
{
  uint64_t at = arg(c);
  if (at >= MANAGERS)
    broken("no such undo manager");
  return &slot_of(c)->managers[at];
}

static uint64_t now(void *ctx)
{
  (void)ctx;
  return clock_ms;
}

static bool is(gesso_bytes a, const char *b)
{
  return a.len == strlen(b) && (a.len == 0 || memcmp(a.data, b, a.len) == 0);
}

static int capture(void *ctx, gesso_doc *doc, gesso_bytes origin, int local)
{
  (void)doc;
  (void)local;
  struct manager *m = ctx;
  return !((m->flags & SKIP_ORIGIN) && is(origin, "skip"));
}

static int filter(void *ctx, gesso_doc *doc, const gesso_undo_item *item)
{
  (void)doc;
  struct manager *m = ctx;
  if ((m->flags & KEEP_TYPES) && item->type != 0)
    return 0;
  return !((m->flags & KEEP_SOME) && item->clock % 3 == 0);
}

/* The log is JSON: arrays, each with a comma behind it. */
static void log_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  (void)doc;
  (void)origin;
  (void)local;
  struct manager_slot *s = ctx;
  gs_buf_puts(&s->log, "[\"update\",\"");
  for (size_t i = 0; i < update.len; i++)
    gs_buf_printf(&s->log, "%02x", update.data[i]);
  gs_buf_puts(&s->log, "\"],");
}

static void log_event(void *ctx, gesso_undo *undo, const gesso_undo_event *e)
{
  struct manager *m = ctx;
  gs_buf *log = &m->slot->log;
  if (e->event == GESSO_UNDO_CLEARED) {
    gs_buf_printf(log, "[\"cleared\",%d,%d,%d],", (int)m->place, e->undo_cleared, e->redo_cleared);
    return;
  }
  const char *name = e->event == GESSO_UNDO_ADDED ? "added" : e->event == GESSO_UNDO_UPDATED ? "updated" : "popped";
  gesso_bytes own = gesso_undo_origin(undo);
  bool by_undo = e->origin.len == own.len && memcmp(e->origin.data, own.data, own.len) == 0;
  gs_buf_printf(log, "[\"%s\",%d,\"%s\",\"%.*s\",%d,%d],", name, (int)m->place, e->stack == GESSO_UNDO ? "undo" : "redo",
                by_undo ? 4 : (int)e->origin.len, by_undo ? "self" : (const char *)e->origin.data, (int)e->nchanged,
                (int)(intptr_t)*e->meta);
  /* How often the item was told of. */
  *e->meta = (void *)((intptr_t)*e->meta + 1);
}

static gesso_status do_new(struct call *c)
{
  struct manager *m = manager_of(c);
  gesso_undo_destroy(m->undo);
  *m = (struct manager){ .place = (uint64_t)(m - slot_of(c)->managers), .slot = slot_of(c) };
  uint64_t timeout = arg(c);
  m->flags = arg(c);
  gesso_undo_options o = { .size = sizeof o, .ctx = m, .now_ms = now };
  o.capture_timeout_ms = timeout == 0 ? -1 : (int64_t)timeout;
  o.capture_transaction = capture;
  o.delete_filter = m->flags & (KEEP_TYPES | KEEP_SOME) ? filter : NULL;
  o.ignore_remote_map_changes = (m->flags & IGNORE_REMOTE) != 0;
  m->undo = gesso_undo_create(c->doc, &o);
  uint64_t sub;
  return m->undo == NULL ? GESSO_E_NOMEM : gesso_undo_observe(m->undo, 15, log_event, m, &sub);
}

static gesso_status do_drop(struct call *c)
{
  struct manager *m = manager_of(c);
  gesso_undo_destroy(m->undo);
  m->undo = NULL;
  return GESSO_OK;
}

static gesso_status do_scope(struct call *c)
{
  struct manager *m = manager_of(c);
  return gesso_undo_add_scope(m->undo, arg_type(c));
}

static gesso_status do_add_origin(struct call *c)
{
  struct manager *m = manager_of(c);
  return gesso_undo_add_origin(m->undo, arg_bytes(c));
}

static gesso_status do_remove_origin(struct call *c)
{
  struct manager *m = manager_of(c);
  gesso_undo_remove_origin(m->undo, arg_bytes(c));
  return GESSO_OK;
}

static gesso_status changed(struct call *c, gesso_status s, const int *changed)
{
  return s == GESSO_OK ? give_number(c, (uint64_t)*changed) : s;
}

static gesso_status do_undo(struct call *c)
{
  int yes;
  return changed(c, gesso_undo_undo(manager_of(c)->undo, &yes), &yes);
}

static gesso_status do_redo(struct call *c)
{
  int yes;
  return changed(c, gesso_undo_redo(manager_of(c)->undo, &yes), &yes);
}

static gesso_status do_stop(struct call *c)
{
  gesso_undo_stop_capturing(manager_of(c)->undo);
  return GESSO_OK;
}

static gesso_status do_clear(struct call *c)
{
  struct manager *m = manager_of(c);
  int undo = (int)arg(c);
  return gesso_undo_clear(m->undo, undo, (int)arg(c));
}

static gesso_status do_depths(struct call *c)
{
  const gesso_undo *u = manager_of(c)->undo;
  return give_number(c, gesso_undo_depth(u, GESSO_UNDO) * 10000 + gesso_undo_depth(u, GESSO_REDO));
}

static gesso_status do_clock(struct call *c)
{
  clock_ms = arg(c);
  return GESSO_OK;
}

static gesso_status do_begin_origin(struct call *c)
{
  return gesso_doc_begin_with(c->doc, arg_bytes(c));
}

static gesso_status do_watch(struct call *c)
{
  struct manager_slot *s = slot_of(c);
  gs_buf_finish(&s->log);
  s->log = gs_buf_make(NULL);
  return gesso_doc_observe_update(c->doc, 1, log_update, s, &s->updates);
}

static gesso_status do_log(struct call *c)
{
  struct manager_slot *s = slot_of(c);
  c->result = gs_buf_take(&s->log);
  s->log = gs_buf_make(NULL);
  return GESSO_OK;
}

const struct command undo_commands[] = {
  { "undo_new", do_new, false },       /* n manager, n capture timeout, n flags */
  { "undo_drop", do_drop, true },      /* n manager */
  { "undo_scope", do_scope, false },   /* n manager, n type (0: the document) */
  { "undo_add_origin", do_add_origin, false },       /* n manager, b origin */
  { "undo_remove_origin", do_remove_origin, false }, /* n manager, b origin */
  { "undo", do_undo, false },          /* n manager -> n changed */
  { "redo", do_redo, false },          /* n manager -> n changed */
  { "undo_stop", do_stop, false },     /* n manager */
  { "undo_clear", do_clear, false },   /* n manager, n undo stack, n redo stack */
  { "undo_depths", do_depths, false }, /* n manager -> n undo items * 10000 + redo items */
  { "undo_clock", do_clock, true },    /* n ms */
  { "undo_watch", do_watch, false },   /* begins the log */
  { "undo_log", do_log, false },       /* -> text, and empties it */
  { "begin_origin", do_begin_origin, false }, /* b origin */
  { NULL, NULL, false },
};
