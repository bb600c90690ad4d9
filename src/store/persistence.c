/* The public calls: check the arguments, make an op, put it into the storage thread's queue. */
#include "store/store.h"
#include "wire/utf8.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const gesso_bytes none = { NULL, 0 };

/* --- opening --- */

static void free_handle(gesso_persistence *p)
{
  gs_backend_destroy(p->backend);
  gs_lockfile_release(&p->lockfile);
  if (p->event_fd >= 0)
    (void)close(p->event_fd);
  gs_boards_finish(&p->boards);
  gs_buf_finish(&p->row_buf);
  gs_op_free(p, p->reserved_close);
  (void)pthread_mutex_destroy(&p->lock);
  pthread_cond_t *conds[] = { &p->storage_wake, &p->sync_wake, &p->checkpoint_wake, &p->reader_wake, &p->folder_wake };
  for (size_t i = 0; i < GS_COUNT(conds); i++)
    (void)pthread_cond_destroy(conds[i]);
  gs_free(p->alloc, p, sizeof *p);
}

static void init_locks(gesso_persistence *p)
{
  pthread_condattr_t attr;
  (void)pthread_mutex_init(&p->lock, NULL);
  (void)pthread_condattr_init(&attr);
  (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_t *conds[] = { &p->storage_wake, &p->sync_wake, &p->checkpoint_wake, &p->reader_wake, &p->folder_wake };
  for (size_t i = 0; i < GS_COUNT(conds); i++)
    (void)pthread_cond_init(conds[i], &attr);
  (void)pthread_condattr_destroy(&attr);
}

static void fill_defaults(gesso_persistence_options *o)
{
  if (o->debounce_ms == 0)
    o->debounce_ms = 5000;
  if (o->max_wait_ms == 0)
    o->max_wait_ms = 30000;
  if (o->purge_after_ms == 0)
    o->purge_after_ms = (uint64_t)7 * 24 * 3600 * 1000;
  if (o->wal_bytes_max == 0)
    o->wal_bytes_max = (uint64_t)64 * 1024 * 1024;
  if (o->queue_bytes_max == 0)
    o->queue_bytes_max = (uint64_t)256 * 1024 * 1024;
  if (o->history_keep_ms == 0)
    o->history_keep_ms = (uint64_t)30 * 24 * 3600 * 1000;
  if (o->history_ratio == 0)
    o->history_ratio = 10;
  if (o->group_window_us == 0)
    o->group_window_us = 1000;
}

static gesso_status explain(gesso_buffer *why, gesso_status s, const char *text, const char *arg)
{
  if (why != NULL) {
    gs_buf b = gs_buf_make(why->alloc);
    gs_buf_printf(&b, "%s%s", text, arg);
    gesso_buffer_free(why);
    *why = gs_buf_take(&b);
    gs_buf_finish(&b);
  }
  return s;
}

gesso_status gs_persistence_open_with(const gesso_persistence_options *given, const gs_persistence_hooks *hooks,
                                      gesso_persistence **out, gesso_buffer *why)
{
  gesso_persistence_options o = { 0 };
  if (out == NULL)
    return GESSO_E_USAGE;
  *out = NULL;
  if (given == NULL || given->size < offsetof(gesso_persistence_options, folder) + sizeof(char *))
    return explain(why, GESSO_E_USAGE, "options.size is not set", "");
  memcpy(&o, given, GS_MIN(given->size, sizeof o));
  if (o.folder == NULL || o.folder[0] == '\0' || o.durability > GESSO_DURABILITY_MEMORY)
    return explain(why, GESSO_E_USAGE, "options.folder is not set, or options.durability is unknown", "");
  fill_defaults(&o);
  gesso_persistence *p = GS_NEW(o.alloc, gesso_persistence);
  if (p == NULL)
    return explain(why, GESSO_E_NOMEM, "not enough memory", "");
  p->alloc = o.alloc;
  p->options = o;
  p->options.folder = p->options.owner = p->options.address = NULL; /* borrowed for the call */
  p->clock = hooks != NULL && hooks->clock != NULL ? hooks->clock : gs_clock_system();
  p->read_only = (o.flags & GESSO_OPEN_READ_ONLY) != 0;
  p->lockfile = GS_LOCKFILE_NONE;
  p->event_fd = -1;
  p->open_why = "";
  p->row_buf = gs_buf_make(o.alloc);
  p->stats.durability = o.durability;
  (void)snprintf(p->owner, sizeof p->owner, "%s", o.owner == NULL ? "a program using libgesso" : o.owner);
  (void)snprintf(p->address, sizeof p->address, "%s", o.address == NULL ? "" : o.address);
  p->address_changed = !p->read_only;
  init_locks(p);

  gesso_status s = GESSO_OK;
  if (!p->read_only)
    s = gs_lockfile_take(&p->lockfile, o.folder, NULL, NULL, why);
  else if (!gs_data_folder_exists(o.folder))
    s = explain(why, GESSO_E_NOTFOUND, "there are no boards: no gesso.db in ", o.folder);
  if (s == GESSO_OK) {
    p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->backend = gs_backend_create(o.alloc, o.folder, p->read_only, hooks == NULL ? NULL : hooks->vfs);
    p->reserved_close = gs_op_create(p, GS_OP_CLOSE, none, none);
    if (p->event_fd < 0 || p->backend == NULL || p->reserved_close == NULL || !gs_boards_init(&p->boards, o.alloc))
      s = explain(why, GESSO_E_NOMEM, "not enough memory or descriptors", "");
  }
  if (s != GESSO_OK) {
    free_handle(p);
    return s;
  }
  /* It starts the others: that takes longer than a caller should wait. */
  p->has_storage_thread = pthread_create(&p->storage_thread, NULL, gs_storage_main, p) == 0;
  if (!p->has_storage_thread) {
    free_handle(p);
    return explain(why, GESSO_E_NOMEM, "cannot start the storage thread", "");
  }
  *out = p;
  return GESSO_OK;
}

gesso_status gesso_persistence_open(const gesso_persistence_options *options, gesso_persistence **out, gesso_buffer *why)
{
  return gs_persistence_open_with(options, NULL, out, why);
}

gesso_status gesso_persistence_set_address(gesso_persistence *p, const char *address)
{
  if (p == NULL || p->read_only)
    return GESSO_E_USAGE;
  (void)pthread_mutex_lock(&p->lock);
  (void)snprintf(p->address, sizeof p->address, "%s", address == NULL ? "" : address);
  p->address_changed = p->poked = true;
  (void)pthread_cond_signal(&p->storage_wake);
  (void)pthread_mutex_unlock(&p->lock);
  return GESSO_OK;
}

void gs_persistence_poke(gesso_persistence *p)
{
  (void)pthread_mutex_lock(&p->lock);
  p->poked = true;
  (void)pthread_cond_signal(&p->storage_wake);
  (void)pthread_mutex_unlock(&p->lock);
}

void gs_persistence_hold(gesso_persistence *p, bool hold)
{
  (void)pthread_mutex_lock(&p->lock);
  p->held = hold;
  (void)pthread_cond_signal(&p->storage_wake);
  (void)pthread_mutex_unlock(&p->lock);
}

/* --- handing in --- */

bool gs_board_name_ok(gesso_bytes name)
{
  return name.data != NULL && name.len >= 1 && name.len <= GESSO_BOARD_NAME_MAX &&
         memchr(name.data, '\0', name.len) == NULL && gs_utf8_invalid_at(name) == name.len;
}

/* Counts the arrival and enqueues; or refuses, and the op is gone. `held`: take it even when too much
 * is waiting. */
static gesso_status submit(gesso_persistence *p, gs_op *op, bool held)
{
  gesso_status s = GESSO_OK;
  bool append = op->kind == GS_OP_APPEND, wake = false;
  (void)pthread_mutex_lock(&p->lock);
  if (p->closing)
    s = GESSO_E_CLOSED;
  else if ((append || op->kind == GS_OP_CREATE) && !held && p->health == GESSO_E_FULL)
    s = GESSO_E_FULL;
  else if (append && !held && p->stats.queue_bytes != 0 && p->stats.queue_bytes + op->size > p->options.queue_bytes_max)
    s = GESSO_E_LIMIT; /* but not when nothing waits: one update larger than the limit would be refused for ever */
  if (s == GESSO_OK) {
    op->arrival = ++p->arrivals;
    if (append) {
      p->stats.queue_bytes += op->size;
      p->stats.queue_updates++;
    }
    wake = p->queue.first == NULL;
    gs_op_list_push(&p->queue, op);
  }
  (void)pthread_mutex_unlock(&p->lock);
  if (s != GESSO_OK)
    gs_op_free(p, op);
  else if (wake)
    (void)pthread_cond_signal(&p->storage_wake);
  return s;
}

static gesso_status make(gesso_persistence *p, gs_op_kind kind, gesso_bytes board, gesso_bytes data, void *ctx,
                         gs_op **out)
{
  bool writes = kind == GS_OP_APPEND || kind == GS_OP_CREATE || kind == GS_OP_DELETE || kind == GS_OP_UNDELETE ||
                kind == GS_OP_SAVE || kind == GS_OP_SAVE_DEBOUNCED || kind == GS_OP_VERSION_NAME ||
                kind == GS_OP_VERSION_RESTORE;
  bool named = kind <= GS_OP_SHOW || kind == GS_OP_SAVE || kind == GS_OP_SAVE_DEBOUNCED ||
               (kind >= GS_OP_VERSIONS && kind <= GS_OP_VERSION_RESTORE);
  if (p == NULL || (named && !gs_board_name_ok(board)) || (data.data == NULL && data.len != 0) || (writes && p->read_only))
    return GESSO_E_USAGE;
  *out = gs_op_create(p, kind, board, data);
  if (*out == NULL)
    return GESSO_E_NOMEM;
  (*out)->ctx = ctx;
  return GESSO_OK;
}

static gesso_status submit_simple(gesso_persistence *p, gs_op_kind kind, gesso_bytes board, uint32_t flags,
                                  gesso_persistence_fn fn, void *ctx)
{
  gs_op *op;
  gesso_status s = make(p, kind, board, none, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->flags = flags;
  op->fn.done = fn;
  return submit(p, op, false);
}

/* With durability `memory`, an update is safe as soon as it is handed in: the callbacks get an op of
 * their own, which is complete already. */
static gesso_status note_at_once(gesso_persistence *p, gs_op *op)
{
  gs_op *note = gs_op_create(p, GS_OP_NOTE, none, none);
  if (note == NULL)
    return GESSO_E_NOMEM;
  note->fn.done = op->fn.done;
  note->on_written = op->on_written;
  note->ctx = op->ctx;
  op->fn.done = op->on_written = NULL;
  gs_op_complete(p, note);
  return GESSO_OK;
}

gesso_status gs_append(gesso_persistence *p, gesso_bytes board, uint64_t generation, gesso_bytes update, uint32_t flags,
                       bool held, gesso_persistence_fn on_written, gesso_persistence_fn on_synced, void *ctx)
{
  gs_op *op;
  gesso_status s = make(p, GS_OP_APPEND, board, update, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->flags = flags | (held ? (uint32_t)GESSO_APPEND_PAST_QUOTA : 0u);
  op->generation = generation;
  op->on_written = on_written;
  op->fn.done = on_synced;
  if (p->options.durability == GESSO_DURABILITY_MEMORY && (s = note_at_once(p, op)) != GESSO_OK) {
    gs_op_free(p, op);
    return s;
  }
  return submit(p, op, held);
}

gesso_status gesso_board_persistence_append(gesso_persistence *p, gesso_bytes board, uint64_t generation,
                                            gesso_bytes update, uint32_t flags, gesso_persistence_fn on_written,
                                            gesso_persistence_fn on_synced, void *ctx)
{
  return gs_append(p, board, generation, update, flags & (GESSO_APPEND_TRUSTED | GESSO_APPEND_PAST_QUOTA), false,
                   on_written, on_synced, ctx);
}

gesso_status gesso_persistence_ready(gesso_persistence *p, gesso_persistence_ready_fn fn, void *ctx)
{
  gs_op *op;
  gesso_status s = make(p, GS_OP_READY, none, none, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->fn.ready = fn;
  return submit(p, op, false);
}

gesso_status gesso_persistence_flush_pending(gesso_persistence *p, gesso_persistence_flush_fn fn, void *ctx)
{
  gs_op *op;
  gesso_status s = make(p, GS_OP_FLUSH, none, none, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->fn.flush = fn;
  return submit(p, op, false);
}

/* Its op was made when the handle was: closing must not fail for want of memory. */
gesso_status gesso_persistence_close(gesso_persistence *p, gesso_persistence_flush_fn fn, void *ctx)
{
  if (p == NULL)
    return GESSO_E_USAGE;
  (void)pthread_mutex_lock(&p->lock);
  gs_op *op = p->reserved_close;
  p->reserved_close = NULL;
  if (op != NULL) {
    p->closing = true;
    op->arrival = ++p->arrivals;
    op->fn.flush = fn;
    op->ctx = ctx;
    gs_op_list_push(&p->queue, op);
    (void)pthread_cond_signal(&p->storage_wake);
  }
  (void)pthread_mutex_unlock(&p->lock);
  return op == NULL ? GESSO_E_CLOSED : GESSO_OK;
}

gesso_status gesso_board_persistence_load(gesso_persistence *p, gesso_bytes board, gesso_load_fn fn, void *ctx)
{
  gs_op *op;
  gesso_status s = make(p, GS_OP_LOAD, board, none, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->fn.load = fn;
  if (gs_op_result(p, op) == NULL) {
    gs_op_free(p, op);
    return GESSO_E_NOMEM;
  }
  return submit(p, op, false);
}

gesso_doc *gesso_board_load_take_doc(gesso_board_load *load)
{
  gesso_doc *doc = load->doc;
  load->doc = NULL;
  return doc;
}

gesso_status gesso_board_persistence_export(gesso_persistence *p, gesso_bytes board, int format, gesso_export_fn fn,
                                            void *ctx)
{
  gs_op *op;
  if ((format & ~GESSO_EXPORT_STORED) != GESSO_EXPORT_V1)
    return GESSO_E_USAGE;
  gesso_status s = make(p, GS_OP_EXPORT, board, none, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->flags = (uint32_t)format;
  op->fn.export_ = fn;
  return submit(p, op, false);
}

gesso_status gesso_board_persistence_show(gesso_persistence *p, gesso_bytes board, gesso_show_fn fn, void *ctx)
{
  gs_op *op;
  gesso_status s = make(p, GS_OP_SHOW, board, none, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->fn.show = fn;
  return submit(p, op, false);
}

gesso_status gesso_board_persistence_list(gesso_persistence *p, gesso_bytes after, size_t count_max, uint32_t flags,
                                          gesso_list_fn fn, void *ctx)
{
  gs_op *op;
  if (after.len > GESSO_BOARD_NAME_MAX || (after.data == NULL && after.len != 0))
    return GESSO_E_USAGE;
  gesso_status s = make(p, GS_OP_LIST, after, none, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->flags = flags;
  op->count = count_max == 0 || count_max > 1000 ? 1000 : count_max;
  op->fn.list = fn;
  return submit(p, op, false);
}

gesso_status gesso_board_persistence_versions(gesso_persistence *p, gesso_bytes board, gesso_versions_fn fn, void *ctx)
{
  gs_op *op;
  gesso_status s = make(p, GS_OP_VERSIONS, board, none, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->fn.versions = fn;
  return submit(p, op, false);
}

gesso_status gesso_board_persistence_version_get(gesso_persistence *p, gesso_bytes board, uint64_t id,
                                                 gesso_export_fn fn, void *ctx)
{
  gs_op *op;
  gesso_status s = id == 0 ? GESSO_E_USAGE : make(p, GS_OP_VERSION_GET, board, none, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->id = id;
  op->fn.export_ = fn;
  return submit(p, op, false);
}

gesso_status gesso_board_persistence_version_name(gesso_persistence *p, gesso_bytes board, uint64_t id,
                                                  gesso_bytes name, gesso_version_fn fn, void *ctx)
{
  gs_op *op;
  if ((name.len == 0 && id == 0) || (name.len != 0 && !gs_board_name_ok(name)))
    return GESSO_E_USAGE;
  gesso_status s = make(p, GS_OP_VERSION_NAME, board, name, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->id = id;
  op->fn.version = fn;
  return submit(p, op, false);
}

gesso_status gesso_board_persistence_version_restore(gesso_persistence *p, gesso_bytes board, uint64_t id,
                                                     gesso_restore_fn fn, void *ctx)
{
  gs_op *op;
  gesso_status s = id == 0 ? GESSO_E_USAGE : make(p, GS_OP_VERSION_RESTORE, board, none, ctx, &op);
  if (s != GESSO_OK)
    return s;
  op->id = id;
  op->fn.restore = fn;
  return submit(p, op, false);
}

gesso_status gesso_board_persistence_save(gesso_persistence *p, gesso_bytes board, gesso_persistence_fn fn, void *ctx)
{
  return submit_simple(p, GS_OP_SAVE, board, 0, fn, ctx);
}

gesso_status gesso_board_persistence_save_debounced(gesso_persistence *p, gesso_bytes board, gesso_persistence_fn fn,
                                                    void *ctx)
{
  return submit_simple(p, GS_OP_SAVE_DEBOUNCED, board, 0, fn, ctx);
}

gesso_status gesso_board_persistence_create(gesso_persistence *p, gesso_bytes board, gesso_persistence_fn fn, void *ctx)
{
  return submit_simple(p, GS_OP_CREATE, board, 0, fn, ctx);
}

gesso_status gesso_board_persistence_delete(gesso_persistence *p, gesso_bytes board, uint32_t flags,
                                            gesso_persistence_fn fn, void *ctx)
{
  return submit_simple(p, GS_OP_DELETE, board, flags & GESSO_DELETE_PURGE, fn, ctx);
}

gesso_status gesso_board_persistence_undelete(gesso_persistence *p, gesso_bytes board, gesso_persistence_fn fn, void *ctx)
{
  return submit_simple(p, GS_OP_UNDELETE, board, 0, fn, ctx);
}

/* --- completions --- */

int gesso_persistence_poll_fd(gesso_persistence *p)
{
  return p == NULL ? -1 : p->event_fd;
}

static void run_load(gs_op *op)
{
  gs_result *r = op->result;
  gesso_board_load *l = &r->load;
  if (l->message == NULL) { /* it never came to a reader */
    l->result = GESSO_LOAD_UNREADABLE;
    l->status = op->status == GESSO_OK ? GESSO_E_CLOSED : op->status;
    l->message = "the board was not read, as the data folder is closed or could not be opened";
    l->board = gs_op_name(op);
  }
  bool taken = l->doc != NULL;
  op->fn.load(op->ctx, l);
  if (taken && l->doc == NULL)
    r->built.doc = NULL;
}

static void run_event(gesso_persistence *p, gs_op *op)
{
  (void)pthread_mutex_lock(&p->lock);
  gesso_persistence_event_fn fn = p->event_fn;
  void *ctx = p->event_ctx;
  (void)pthread_mutex_unlock(&p->lock);
  if (fn == NULL)
    return;
  gesso_persistence_event e = { (gesso_persistence_event_kind)op->flags, op->status, gs_op_name(op),
                                (const char *)gs_op_data(op).data };
  fn(ctx, &e);
}

static const char *message_of(const gs_op *op)
{
  const gs_result *r = op->result;
  return op->status == GESSO_OK || r == NULL || r->why[0] == '\0' ? gesso_status_text(op->status) : r->why;
}

/* Runs the last callback of an op. */
static void run(gesso_persistence *p, gs_op *op)
{
  const gs_result *r = op->result;
  bool ok = op->status == GESSO_OK;
  switch (op->kind) {
  case GS_OP_LOAD:
    run_load(op);
    break;
  case GS_OP_EXPORT:
  case GS_OP_VERSION_GET:
    op->fn.export_(op->ctx, op->status, ok ? (gesso_bytes){ r->bytes.data, r->bytes.len } : none, message_of(op));
    break;
  case GS_OP_VERSIONS:
    op->fn.versions(op->ctx, op->status, ok ? r->versions : NULL, ok ? r->version_count : 0, ok ? op->count : 0);
    break;
  case GS_OP_VERSION_NAME:
    op->fn.version(op->ctx, op->status, ok ? op->id : 0);
    break;
  case GS_OP_VERSION_RESTORE:
    op->fn.restore(op->ctx, op->status, ok ? (gesso_bytes){ r->bytes.data, r->bytes.len } : none, ok ? op->need : 0,
                   message_of(op));
    break;
  case GS_OP_SHOW:
    op->fn.show(op->ctx, op->status, ok ? &r->infos[0] : NULL);
    break;
  case GS_OP_LIST:
    op->fn.list(op->ctx, op->status, ok ? r->info_ptrs : NULL, ok ? r->info_count : 0, ok ? r->more : 0);
    break;
  case GS_OP_FLUSH:
  case GS_OP_CLOSE:
    op->fn.flush(op->ctx, op->count);
    break;
  case GS_OP_READY:
    op->fn.ready(op->ctx, op->status, ok ? "the data folder is open" : p->open_why);
    break;
  case GS_OP_EVENT:
    run_event(p, op);
    break;
  default:
    op->fn.done(op->ctx, op->status);
    break;
  }
}

size_t gesso_persistence_dispatch(gesso_persistence *p)
{
  size_t n = 0;
  uint64_t count;
  if (p == NULL)
    return 0;
  while (read(p->event_fd, &count, sizeof count) < 0 && errno == EINTR)
    ;
  (void)pthread_mutex_lock(&p->lock);
  gs_done *d = p->done_first;
  p->done_first = p->done_last = NULL;
  (void)pthread_mutex_unlock(&p->lock);
  for (gs_done *next; d != NULL; d = next) {
    gs_op *op = d->op;
    next = d->next;
    if (!d->last) {
      op->on_written(op->ctx, op->written_status);
      n++;
      continue;
    }
    if (op->fn.done != NULL || op->kind == GS_OP_EVENT) {
      run(p, op);
      n++;
    }
    gs_op_free(p, op);
  }
  return n;
}

size_t gesso_persistence_wait(gesso_persistence *p, int timeout_ms)
{
  if (p == NULL)
    return 0;
  uint64_t end = timeout_ms < 0 ? UINT64_MAX : gs_clock_mono_ms(NULL) + (uint64_t)timeout_ms;
  while (true) {
    size_t n = gesso_persistence_dispatch(p);
    uint64_t now = gs_clock_mono_ms(NULL);
    if (n != 0 || (end != UINT64_MAX && now >= end))
      return n;
    struct pollfd fd = { p->event_fd, POLLIN, 0 };
    (void)poll(&fd, 1, end == UINT64_MAX ? -1 : (int)GS_MIN(end - now, (uint64_t)INT32_MAX));
  }
}

void gesso_persistence_destroy(gesso_persistence *p)
{
  if (p == NULL)
    return;
  gesso_status s = gesso_persistence_close(p, NULL, NULL);
  assert(s == GESSO_OK || s == GESSO_E_CLOSED);
  if (p->has_storage_thread)
    (void)pthread_join(p->storage_thread, NULL);
  for (gs_done *d = p->done_first, *next; d != NULL; d = next) {
    next = d->next;
    if (d->last)
      gs_op_free(p, d->op);
  }
  gs_attached_forget_all(p);
  free_handle(p);
}

/* --- health --- */

gesso_status gesso_persistence_get_stats(gesso_persistence *p, gesso_persistence_stats *stats)
{
  if (p == NULL || stats == NULL || stats->size == 0)
    return GESSO_E_USAGE;
  (void)pthread_mutex_lock(&p->lock);
  gesso_persistence_stats now = p->stats;
  now.health = p->health;
  now.used_bytes_max = p->options.total_bytes_max;
  now.board_bytes_max = p->options.board_bytes_max;
  (void)pthread_mutex_unlock(&p->lock);
  now.size = stats->size;
  now.boards_unsaved = atomic_load(&p->boards_unsaved);
  memcpy(stats, &now, GS_MIN(stats->size, sizeof now));
  return GESSO_OK;
}

void gesso_persistence_on_event(gesso_persistence *p, gesso_persistence_event_fn fn, void *ctx)
{
  (void)pthread_mutex_lock(&p->lock);
  p->event_fn = fn;
  p->event_ctx = ctx;
  (void)pthread_mutex_unlock(&p->lock);
}
