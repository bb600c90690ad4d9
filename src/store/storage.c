/* The storage thread: takes what callers handed in, writes it in groups, and sends the rest on.
 *
 *   queue --> todo --+-- writes ------> one transaction --> unsynced --> (sync thread) --> done
 *                    |                      | failed: stays in todo, in order, tried again
 *                    '-- the others --> after the group: to a worker, a fold, the database, or done
 *
 * While writing fails, everything that depends on what could not be written waits in todo; reading
 * boards that have nothing unwritten goes on. */
#include "store/store.h"

#include <stdlib.h>
#include <time.h>

#define GROUP_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define GROUP_OPS_MAX 8192u
#define BACKOFF_MIN_MS 50u
#define BACKOFF_MAX_MS 5000u

static bool is_write(const gs_op *op)
{
  return op->kind <= GS_OP_UNDELETE;
}

static uint64_t now_ms(const gesso_persistence *p)
{
  return gs_clock_mono_ms(p->clock);
}

/* --- after a commit --- */

void gs_storage_await_sync(gesso_persistence *p, gs_op_list *ops)
{
  if (ops->first == NULL)
    return;
  bool done;
  (void)pthread_mutex_lock(&p->lock);
  if (p->options.durability != GESSO_DURABILITY_DISK)
    p->synced_seq = p->commit_seq;
  done = p->synced_seq >= p->commit_seq;
  if (!done) {
    for (gs_op *op = ops->first; op != NULL; op = op->next)
      op->seq = p->commit_seq;
    gs_op_list_push_all(&p->unsynced, ops);
    (void)pthread_cond_signal(&p->sync_wake);
  }
  (void)pthread_mutex_unlock(&p->lock);
  if (done)
    gs_op_complete_all(p, ops);
}

/* --- failure --- */

static void count_boards(const gs_op_list *list, uint64_t before, uint64_t mark, uint64_t *count)
{
  for (const gs_op *op = list->first; op != NULL; op = op->next) {
    if (op->arrival < before && is_write(op) && op->counted && op->board->mark != mark) {
      op->board->mark = mark;
      (*count)++;
    }
  }
}

/* A flush that saw an attempt fail is answered: how many boards hold something that is not safe? */
static void answer_flushes(gesso_persistence *p)
{
  gs_op_list rest = { NULL, NULL }, answered = { NULL, NULL };
  for (gs_op *op; (op = gs_op_list_pop(&p->todo)) != NULL;) {
    if (op->kind != GS_OP_FLUSH) {
      gs_op_list_push(&rest, op);
      continue;
    }
    op->count = p->failed_saves - op->need;
    p->marks++;
    count_boards(&rest, op->arrival, p->marks, &op->count);
    (void)pthread_mutex_lock(&p->lock);
    count_boards(&p->unsynced, op->arrival, p->marks, &op->count);
    (void)pthread_mutex_unlock(&p->lock);
    gs_op_list_push(&answered, op);
  }
  p->todo = rest;
  gs_op_complete_all(p, &answered);
}

void gs_storage_failed(gesso_persistence *p, gesso_status status)
{
  (void)pthread_mutex_lock(&p->lock);
  p->stats.write_failures++;
  (void)pthread_mutex_unlock(&p->lock);
  p->failing = true;
  p->next_room_ms = 0; /* look before saying that all is well again */
  /* A full disk, a lack of rights, short memory and a foreign lock pass; anything else may have left the connection,
   * or the kernel's copy of the log, in a state that says less than what is on the disk. */
  bool refused = status == GESSO_E_IO && gs_backend_refusal(p->backend) != 0;
  if (status != GESSO_E_FULL && status != GESSO_E_NOMEM && status != GESSO_E_BUSY && !refused)
    p->must_reopen = true;
  p->backoff_ms = p->backoff_ms == 0 ? BACKOFF_MIN_MS : GS_MIN(p->backoff_ms * 2, BACKOFF_MAX_MS);
  p->retry_at_ms = now_ms(p) + p->backoff_ms;
  gs_storage_tell_failure(p, status);
}

/* --- opening --- */

static void on_row(void *ctx, uint64_t id, uint64_t num, uint32_t bytes)
{
  gesso_persistence *p = ctx;
  if (!gs_journal_reserve(&p->boards, 1)) {
    p->open_status = GESSO_E_NOMEM;
    return;
  }
  gs_journal_note(&p->boards, NULL, id, bytes);
  /* Whose it is is found out afterwards; until then the number stands in for the board. */
  gs_journal_entry_at(&p->boards, p->boards.journal.end - 1)->board = (gs_board *)(uintptr_t)num; /* NOLINT */
}

typedef struct owner {
  uint64_t num;
  gs_board *board; /* NULL: gone or purged */
} owner;

static int by_num(const void *a, const void *b)
{
  uint64_t x = ((const owner *)a)->num, y = ((const owner *)b)->num;
  return x < y ? -1 : x > y;
}

static gesso_status find_owner(gesso_persistence *p, owner *o)
{
  gesso_buffer name = { .alloc = p->alloc };
  gs_board_row row;
  gesso_status s = gs_backend_find_number(p->backend, o->num, &name, &row);
  if (s == GESSO_OK && row.exists && row.purged_ms == 0 && name.len != 0) {
    o->board = gs_boards_get(&p->boards, (gesso_bytes){ name.data, name.len });
    if (o->board == NULL) {
      s = GESSO_E_NOMEM;
    } else {
      o->board->row = row;
      o->board->known = true;
      o->board->dirty_since_ms = o->board->changed_ms = now_ms(p);
      o->board->changed_wall_ms = row.updated_ms;
    }
  }
  gesso_buffer_free(&name);
  return s;
}

/* Turns the numbers that on_row left into boards. */
static gesso_status index_rows(gesso_persistence *p)
{
  gs_journal *j = &p->boards.journal;
  owner *owners = NULL;
  uint32_t n = 0, cap = 0;
  gesso_status s = GESSO_OK;
  uint64_t last = 0;
  for (uint64_t at = j->head; at < j->end && s == GESSO_OK; at++) {
    uint64_t num = (uintptr_t)gs_journal_entry_at(&p->boards, at)->board;
    if (num == last)
      continue;
    last = num;
    if (n != 0 && n % 4096 == 0) { /* keep the list of candidates short */
      qsort(owners, n, sizeof *owners, by_num);
      uint32_t unique = 0;
      for (uint32_t i = 0; i < n; i++) {
        if (unique == 0 || owners[unique - 1].num != owners[i].num)
          owners[unique++] = owners[i];
      }
      n = unique;
    }
    if (!gs_grow(p->alloc, &owners, &cap, (size_t)n + 1, sizeof *owners))
      s = GESSO_E_NOMEM;
    else
      owners[n++] = (owner){ num, NULL };
  }
  if (n > 1)
    qsort(owners, n, sizeof *owners, by_num);
  uint32_t unique = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (unique == 0 || owners[unique - 1].num != owners[i].num)
      owners[unique++] = owners[i];
  }
  for (uint32_t i = 0; i < unique && s == GESSO_OK; i++)
    s = find_owner(p, &owners[i]);
  for (uint64_t at = j->head; at < j->end; at++) {
    gs_journal_entry *e = gs_journal_entry_at(&p->boards, at);
    owner key = { (uintptr_t)e->board, NULL };
    e->board = NULL;
    owner *o = s == GESSO_OK ? bsearch(&key, owners, unique, sizeof *owners, by_num) : NULL;
    if (o != NULL && o->board != NULL && e->id > o->board->row.upto)
      gs_journal_give(&p->boards, at, o->board);
  }
  gs_free(p->alloc, owners, (size_t)cap * sizeof *owners);
  return s;
}

static void forget_row(void *ctx, gs_board *b)
{
  (void)ctx;
  b->known = false;
}

/* With a status other than OK it may be open for reading all the same: `opened`. */
static gesso_status open_backend(gesso_persistence *p)
{
  gs_journal_clear(&p->boards);
  gs_boards_each(&p->boards, forget_row, NULL);
  p->epoch++; /* folds that were made from the database as it was do not count */
  p->open_status = GESSO_OK;
  gesso_status s = gs_backend_open(p->backend, (p->options.flags & GESSO_OPEN_NO_MIGRATE) != 0, on_row, p, &p->next_id,
                                   &p->open_why);
  bool readable = gs_backend_is_open(p->backend);
  gesso_status index = p->open_status;
  if (readable && index == GESSO_OK)
    index = index_rows(p);
  if (readable && index != GESSO_OK) {
    s = index;
    readable = false;
    p->open_why = "not enough memory for the index of the journal";
  }
  if (!readable) {
    gs_journal_clear(&p->boards);
    gs_backend_close(p->backend, false);
  }
  gs_backend_sizes sizes;
  gs_backend_get_sizes(p->backend, &sizes);
  p->sync_failures_seen = sizes.sync_failures;
  p->opened = readable;
  p->must_reopen = s != GESSO_OK;
  p->free_pages = 1; /* unknown: look */
  return s;
}

static void take_saves_back(void *ctx, gs_board *b)
{
  gs_op_list_push_all(ctx, &b->saves);
  b->fold_forced = false;
}

/* A failed sync is never asked for again: what the kernel still holds may be less than what it took.
 * Close, forget its copy, recover what is really there, make that safe, and write everything that
 * was not acknowledged once more. The rows get new ids by that, so saves that wait for one ask again. */
static void reopen(gesso_persistence *p)
{
  gs_op_list again = { NULL, NULL };
  gs_backend_close(p->backend, false);
  p->opened = false;
  (void)pthread_mutex_lock(&p->lock);
  gs_op_list_push_all(&again, &p->unsynced);
  p->stats.reopens++;
  (void)pthread_mutex_unlock(&p->lock);
  gs_boards_each(&p->boards, take_saves_back, &again);
  gs_op_list_push_all(&again, &p->todo);
  p->todo = again;
  gesso_status s = open_backend(p);
  if (s != GESSO_OK) {
    gs_storage_failed(p, s);
    p->must_reopen = true;
    answer_flushes(p);
    return;
  }
  (void)pthread_mutex_lock(&p->lock);
  p->synced_seq = p->commit_seq;
  p->sync_failed = false;
  (void)pthread_cond_signal(&p->sync_wake);
  (void)pthread_mutex_unlock(&p->lock);
}

/* --- reading --- */

static gesso_status add_info(gesso_persistence *p, gs_result *r, gesso_bytes name, const gs_board_row *row)
{
  if (!gs_grow(p->alloc, &r->infos, &r->info_cap, (size_t)r->info_count + 1, sizeof *r->infos))
    return GESSO_E_NOMEM;
  gesso_board_info *info = &r->infos[r->info_count++];
  *info = (gesso_board_info){
    .board = { NULL, name.len }, /* settled at the end: the names still move */
    .generation = row->generation,
    .number = row->num,
    .state_bytes = row->state_bytes,
    .stored_bytes = row->stored_bytes,
    .version = row->version,
    .created_ms = row->created_ms,
    .updated_ms = row->updated_ms,
    .deleted_ms = row->deleted_ms,
    .purged_ms = row->purged_ms,
    .history_bytes = row->history_bytes,
  };
  const gs_board *b = gs_boards_find(&p->boards, name);
  if (b != NULL && b->known && b->row.num == row->num && b->live_rows != 0) {
    info->journal_bytes = b->live_bytes;
    info->journal_updates = b->live_rows;
    info->updated_ms = GS_MAX(info->updated_ms, b->changed_wall_ms);
  }
  gs_buf_write(&r->names, name.data, name.len);
  return r->names.err;
}

static gesso_status settle_infos(gesso_persistence *p, gs_result *r)
{
  size_t at = 0;
  if (r->info_count == 0)
    return GESSO_OK;
  r->info_ptrs = gs_alloc(p->alloc, (size_t)r->info_count * sizeof *r->info_ptrs);
  if (r->info_ptrs == NULL)
    return GESSO_E_NOMEM;
  for (uint32_t i = 0; i < r->info_count; i++) {
    r->infos[i].board.data = r->names.b.data + at;
    at += r->infos[i].board.len;
    r->info_ptrs[i] = &r->infos[i];
  }
  return GESSO_OK;
}

typedef struct lister {
  gesso_persistence *p;
  gs_op *op;
} lister;

static gesso_status on_list_row(void *ctx, gesso_bytes name, const gs_board_row *row)
{
  lister *l = ctx;
  if (l->op->result->info_count == l->op->count) {
    l->op->result->more = 1;
    return GESSO_OK;
  }
  return add_info(l->p, l->op->result, name, row);
}

static gesso_status look(gesso_persistence *p, gs_op *op)
{
  gs_result *r = gs_op_result(p, op);
  if (r == NULL)
    return GESSO_E_NOMEM;
  gesso_status s;
  if (op->kind == GS_OP_SHOW) {
    gs_board_row row;
    s = gs_backend_find(p->backend, gs_op_name(op), &row);
    if (s == GESSO_OK)
      s = row.exists ? add_info(p, r, gs_op_name(op), &row) : GESSO_E_NOTFOUND;
  } else {
    lister l = { p, op };
    s = gs_backend_list(p->backend, gs_op_name(op), (size_t)op->count + 1, (op->flags & GESSO_LIST_DELETED) != 0,
                        on_list_row, &l);
  }
  return s == GESSO_OK ? settle_infos(p, r) : s;
}

gesso_status gs_storage_give_ids(gesso_persistence *p, gs_op *op)
{
  gs_free(p->alloc, op->ids, (size_t)op->id_count * sizeof *op->ids);
  op->ids = NULL;
  op->id_count = 0;
  op->num = 0;
  const gs_board *b = gs_boards_find(&p->boards, gs_op_name(op));
  if (b == NULL)
    return GESSO_OK; /* no live rows, or nothing at all: the search in the journal would find none */
  op->num = b->row.num;
  if (b->live_rows == 0)
    return GESSO_OK;
  op->ids = gs_alloc(p->alloc, (size_t)b->live_rows * sizeof *op->ids);
  if (op->ids == NULL)
    return GESSO_E_NOMEM;
  op->id_count = b->live_rows;
  gs_board_ids(&p->boards, b, op->ids);
  return GESSO_OK;
}

static void send_to_reader(gesso_persistence *p, gs_op *op)
{
  op->status = gs_storage_give_ids(p, op);
  (void)pthread_mutex_lock(&p->lock);
  gs_op_list_push(&p->reader_jobs, op);
  (void)pthread_cond_signal(&p->reader_wake);
  (void)pthread_mutex_unlock(&p->lock);
}

/* Beside a writer the journal is the writer's: look again before each answer. */
static void refresh(gesso_persistence *p)
{
  gs_journal_clear(&p->boards);
  gs_boards_each(&p->boards, forget_row, NULL);
  gesso_status s = gs_backend_walk(p->backend, on_row, p);
  if (s == GESSO_OK)
    s = index_rows(p);
  if (s != GESSO_OK)
    gs_journal_clear(&p->boards);
}

/* An op that is no write. False: it has to wait. */
static bool handle_other(gesso_persistence *p, gs_op *op, bool blocked)
{
  gs_board *b;
  if (op->kind == GS_OP_CLOSE) {
    p->close_op = op;
    return true;
  }
  if (!p->opened || (blocked && op->kind == GS_OP_FOLD))
    return false;
  if (op->kind == GS_OP_FOLD) {
    gesso_status s = gs_storage_fold_done(p, op);
    if (s == GESSO_OK)
      return true;
    gs_storage_failed(p, s);
    return false;
  }
  if (p->read_only)
    refresh(p);
  switch (op->kind) {
  case GS_OP_LOAD:
  case GS_OP_EXPORT:
  case GS_OP_VERSION_GET:
    b = gs_boards_find(&p->boards, gs_op_name(op));
    if (op->kind == GS_OP_EXPORT && (op->flags & GESSO_EXPORT_STORED) != 0)
      b = NULL;
    if (blocked && b != NULL && gs_storage_has_unsaved(p, gs_op_name(op)))
      return false;
    send_to_reader(p, op);
    return true;
  case GS_OP_SHOW:
  case GS_OP_LIST:
    op->status = look(p, op);
    gs_op_complete(p, op);
    return true;
  case GS_OP_VERSIONS:
    op->status = gs_storage_versions(p, op);
    gs_op_complete(p, op);
    return true;
  case GS_OP_VERSION_NAME:
  case GS_OP_VERSION_RESTORE:
    return gs_storage_version_op(p, op, blocked);
  case GS_OP_SAVE:
  case GS_OP_SAVE_DEBOUNCED:
    if (blocked && gs_storage_has_unsaved(p, gs_op_name(op)))
      return false;
    gs_storage_save(p, op);
    return true;
  default:
    op->status = GESSO_OK; /* READY */
    gs_op_complete(p, op);
    return true;
  }
}

bool gs_storage_has_unsaved(gesso_persistence *p, gesso_bytes name)
{
  for (const gs_op *op = p->todo.first; op != NULL; op = op->next) {
    if (is_write(op) && op->name_len == name.len && memcmp(op->bytes, name.data, name.len) == 0)
      return true;
  }
  return false;
}

/* --- a turn --- */

gesso_status gs_storage_count(gesso_persistence *p, gs_op *op)
{
  if (op->counted)
    return GESSO_OK;
  op->board = gs_boards_get(&p->boards, gs_op_name(op));
  if (op->board == NULL)
    return GESSO_E_NOMEM;
  op->counted = true;
  if (atomic_fetch_add(&op->board->unsaved, 1) == 0)
    atomic_fetch_add(&p->boards_unsaved, 1);
  return GESSO_OK;
}

/* Ops that came in: each write counts as unsaved work of its board from here on (or, when memory is
 * short, from the attempt on that finds some). */
static void take_in(gesso_persistence *p, gs_op_list *incoming)
{
  for (gs_op *op; (op = gs_op_list_pop(incoming)) != NULL;) {
    if (is_write(op))
      (void)gs_storage_count(p, op);
    if (op->kind == GS_OP_FLUSH || op->kind == GS_OP_CLOSE) {
      p->retry_at_ms = 0;            /* try at once */
      op->need = p->failed_saves;    /* those that failed before were told so */
    }
    if (op->kind == GS_OP_FOLD || op->back) {
      p->folds_running--;
      p->folding_bytes -= op->kind == GS_OP_FOLD ? op->count : 0;
      p->look_at_boards = true; /* some may have waited for one to end */
    }
    gs_op_list_push(&p->todo, op);
  }
}

/* The flush waits for the sync of what is before it, and for the saves that were asked for. */
static void finish_flush(gesso_persistence *p, gs_op *op)
{
  gs_op_list one = { NULL, NULL };
  op->count = p->failed_saves - op->need;
  gs_op_list_push(&one, op);
  gs_storage_await_sync(p, &one);
}

typedef struct waiting_save {
  uint64_t before;
  bool found;
} waiting_save;

static void look_for_save(void *ctx, gs_board *b)
{
  waiting_save *w = ctx;
  for (const gs_op *op = b->saves.first; op != NULL; op = op->next)
    w->found = w->found || (op->kind == GS_OP_SAVE && op->arrival < w->before);
}

static bool saves_pending_before(gesso_persistence *p, uint64_t arrival)
{
  waiting_save w = { arrival, false };
  gs_boards_each(&p->boards, look_for_save, &w);
  return w.found;
}

/* Writes the group of todo's writes up to some limit. False: it failed. */
static bool write_todo(gesso_persistence *p)
{
  while (true) {
    gs_op_list group = { NULL, NULL }, rest = { NULL, NULL };
    size_t bytes = 0;
    uint32_t n = 0;
    for (gs_op *op; (op = gs_op_list_pop(&p->todo)) != NULL;) {
      bool fits = bytes < GROUP_BYTES_MAX && n < GROUP_OPS_MAX;
      if (is_write(op) && fits) {
        bytes += op->data_len;
        n++;
        gs_op_list_push(&group, op);
      } else {
        gs_op_list_push(&rest, op);
      }
    }
    p->todo = rest;
    if (group.first == NULL)
      return true;
    gesso_status s = gs_storage_write_group(p, &group);
    if (s != GESSO_OK) {
      /* All writes come back in front: they are older than those that did not fit, and what waits
       * behind them is not a write of an earlier arrival. */
      gs_op_list_push_all(&group, &p->todo);
      p->todo = group;
      gs_storage_failed(p, s);
      return false;
    }
  }
}

static void handle_others(gesso_persistence *p, bool blocked)
{
  gs_op_list all = p->todo;
  p->todo = (gs_op_list){ NULL, NULL };
  gs_op_list writes = { NULL, NULL };
  /* The writes stay in todo, where gs_storage_has_unsaved looks for them. */
  for (gs_op *op; (op = gs_op_list_pop(&all)) != NULL;)
    gs_op_list_push(is_write(op) ? &p->todo : &writes, op);
  gs_op_list others = writes, later = { NULL, NULL };
  for (gs_op *op; (op = gs_op_list_pop(&others)) != NULL;) {
    if (op->kind == GS_OP_FLUSH) {
      if (blocked || saves_pending_before(p, op->arrival))
        gs_op_list_push(&later, op);
      else
        finish_flush(p, op);
    } else if (!handle_other(p, op, blocked)) {
      gs_op_list_push(&later, op);
      blocked = blocked || p->failing;
    }
  }
  gs_op_list_push_all(&p->todo, &later);
}

static void turn(gesso_persistence *p)
{
  uint64_t now = now_ms(p);
  bool wait = p->failing && now < p->retry_at_ms;
  bool tried = false;
  if (!wait && p->must_reopen) {
    reopen(p);
    tried = true;
  }
  bool ok = !wait && p->opened && !p->must_reopen;
  if (ok) {
    tried = true;
    ok = write_todo(p);
  }
  if (ok)
    p->failing = false;
  handle_others(p, !ok); /* a fold may find that there is no room for it: it waits, and a close does not wait for it */
  if (ok && !p->must_reopen && !p->failing) {
    (void)pthread_mutex_lock(&p->lock);
    bool all_synced = p->unsynced.first == NULL && !p->sync_failed;
    (void)pthread_mutex_unlock(&p->lock);
    if (all_synced)
      p->backoff_ms = 0;
    if (all_synced && !p->read_only) {
      (void)gs_storage_look_at_room(p, now);
      gs_storage_tell_room(p);
    }
  } else if (tried) {
    answer_flushes(p);
  }
}

/* --- the end --- */

/* Nothing more can be done for what is left: tell how it ended. */
static void give_up(gesso_persistence *p, gs_op_list *list, gesso_status status)
{
  for (gs_op *op = list->first; op != NULL; op = op->next)
    op->status = status;
  gs_op_complete_all(p, list);
}

static void cancel_saves_of(void *ctx, gs_board *b)
{
  gesso_persistence *p = ctx;
  gs_storage_cancel_saves(p, b, p->failing ? p->health : GESSO_OK);
}

static bool workers_idle(gesso_persistence *p)
{
  (void)pthread_mutex_lock(&p->lock);
  bool idle = p->reader_jobs.first == NULL && !p->reader_running && p->queue.first == NULL;
  (void)pthread_mutex_unlock(&p->lock);
  return idle && p->folds_running == 0;
}

/* With a close asked for: true when everything is done that can be. */
static bool finished(gesso_persistence *p)
{
  if (p->close_op == NULL)
    return false;
  bool stuck = p->failing;
  if (!stuck && (p->todo.first != NULL || saves_pending_before(p, UINT64_MAX)))
    return false;
  (void)pthread_mutex_lock(&p->lock);
  bool synced = p->unsynced.first == NULL;
  (void)pthread_mutex_unlock(&p->lock);
  return (synced || stuck) && workers_idle(p);
}

static bool start_thread(pthread_t *thread, bool *has, void *(*fn)(void *), gesso_persistence *p)
{
  *has = pthread_create(thread, NULL, fn, p) == 0;
  return *has;
}

static bool start_workers(gesso_persistence *p)
{
  return start_thread(&p->reader_thread, &p->has_reader_thread, gs_reader_main, p) &&
         (p->read_only || (start_thread(&p->sync_thread, &p->has_sync_thread, gs_sync_main, p) &&
                           start_thread(&p->checkpoint_thread, &p->has_checkpoint_thread, gs_checkpoint_main, p) &&
                           start_thread(&p->folder_thread, &p->has_folder_thread, gs_folder_main, p)));
}

static void stop_workers(gesso_persistence *p)
{
  (void)pthread_mutex_lock(&p->lock);
  p->sync_exit = p->checkpoint_exit = p->workers_exit = true;
  (void)pthread_cond_broadcast(&p->sync_wake);
  (void)pthread_cond_broadcast(&p->checkpoint_wake);
  (void)pthread_cond_broadcast(&p->reader_wake);
  (void)pthread_cond_broadcast(&p->folder_wake);
  (void)pthread_mutex_unlock(&p->lock);
  if (p->has_sync_thread)
    (void)pthread_join(p->sync_thread, NULL);
  if (p->has_checkpoint_thread)
    (void)pthread_join(p->checkpoint_thread, NULL);
  if (p->has_reader_thread)
    (void)pthread_join(p->reader_thread, NULL);
  if (p->has_folder_thread)
    (void)pthread_join(p->folder_thread, NULL);
}

static void finish(gesso_persistence *p)
{
  gs_op_list held = { NULL, NULL };
  uint64_t failed = 0;
  stop_workers(p);
  (void)pthread_mutex_lock(&p->lock);
  gesso_status why = p->health != GESSO_OK ? p->health : GESSO_E_CLOSED;
  gs_op_list_push_all(&held, &p->unsynced);
  gs_op_list_push_all(&p->todo, &p->queue);
  gs_op_list_push_all(&p->todo, &p->reader_jobs);
  gs_op_list_push_all(&p->todo, &p->folder_jobs);
  (void)pthread_mutex_unlock(&p->lock);
  gs_op_list_push_all(&held, &p->todo);
  p->marks++;
  count_boards(&held, UINT64_MAX, p->marks, &failed);
  for (gs_op *op = held.first; op != NULL; op = op->next)
    op->count = failed; /* flushes among them */
  gs_boards_each(&p->boards, cancel_saves_of, p);
  give_up(p, &held, p->opened || why != GESSO_E_CLOSED ? why : p->open_status);
  if (p->opened)
    gs_backend_close(p->backend, true);
  gs_lockfile_release(&p->lockfile);
  p->opened = false;
  (void)pthread_mutex_lock(&p->lock);
  p->closed = true;
  (void)pthread_mutex_unlock(&p->lock);
  if (p->close_op != NULL) {
    p->close_op->count = failed + p->failed_saves - p->close_op->need;
    gs_op_complete(p, p->close_op);
  }
}

/* The folder cannot be used: every call gets to hear it, until somebody closes the handle. */
static void refuse_all(gesso_persistence *p)
{
  while (p->close_op == NULL) {
    gs_op_list incoming = { NULL, NULL }, refused = { NULL, NULL };
    (void)pthread_mutex_lock(&p->lock);
    while (p->queue.first == NULL)
      (void)pthread_cond_wait(&p->storage_wake, &p->lock);
    gs_op_list_push_all(&incoming, &p->queue);
    (void)pthread_mutex_unlock(&p->lock);
    for (gs_op *op; (op = gs_op_list_pop(&incoming)) != NULL;) {
      if (op->kind == GS_OP_CLOSE)
        p->close_op = op;
      else
        gs_op_list_push(&refused, op);
    }
    give_up(p, &refused, p->open_status);
  }
}

/* A busy store commits at most once a window, so that what arrives meanwhile shares the commit; an
 * update after a pause is written at once. */
static void keep_window(gesso_persistence *p)
{
  uint64_t now = gs_clock_mono_us(p->clock), next = p->last_commit_us + p->options.group_window_us;
  if (p->clock == gs_clock_system() && now < next) {
    struct timespec ts = { 0, (long)GS_MIN(next - now, (uint64_t)20000) * 1000 };
    (void)nanosleep(&ts, NULL);
  }
  p->last_commit_us = gs_clock_mono_us(p->clock);
}

/* Waits for something to do, until `until_ms`. */
static void wait_for_work(gesso_persistence *p, uint64_t until_ms, gs_op_list *incoming)
{
  (void)pthread_mutex_lock(&p->lock);
  while ((p->queue.first == NULL || p->held) && !p->poked && !(p->sync_failed && !p->must_reopen)) {
    uint64_t now = now_ms(p);
    if (now >= until_ms)
      break;
    if (until_ms == UINT64_MAX) {
      (void)pthread_cond_wait(&p->storage_wake, &p->lock);
    } else {
      struct timespec ts;
      (void)clock_gettime(CLOCK_MONOTONIC, &ts);
      uint64_t ms = GS_MIN(until_ms - now, (uint64_t)3600 * 1000);
      ts.tv_sec += (time_t)(ms / 1000);
      ts.tv_nsec += (long)(ms % 1000) * 1000000;
      if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
      }
      if (pthread_cond_timedwait(&p->storage_wake, &p->lock, &ts) != 0)
        break;
    }
  }
  bool work = p->queue.first != NULL && !p->held;
  p->poked = false;
  (void)pthread_mutex_unlock(&p->lock);
  if (work)
    keep_window(p);
  (void)pthread_mutex_lock(&p->lock);
  if (!p->held)
    gs_op_list_push_all(incoming, &p->queue);
  bool sync_failed = p->sync_failed;
  (void)pthread_mutex_unlock(&p->lock);
  gs_backend_sizes sizes;
  gs_backend_get_sizes(p->backend, &sizes);
  if ((sync_failed || sizes.sync_failures != p->sync_failures_seen) && !p->must_reopen) {
    /* Also when it was a checkpoint's, and SQLite would try it again: see reopen(). */
    p->sync_failures_seen = sizes.sync_failures;
    gs_storage_failed(p, GESSO_E_IO);
    p->must_reopen = true;
    p->retry_at_ms = 0;
    answer_flushes(p);
  }
}

/* Writes into the lock file who has it and where to ask. */
static void describe(gesso_persistence *p)
{
  char address[sizeof p->address];
  (void)pthread_mutex_lock(&p->lock);
  bool changed = p->address_changed;
  p->address_changed = false;
  memcpy(address, p->address, sizeof address);
  (void)pthread_mutex_unlock(&p->lock);
  if (changed)
    gs_lockfile_describe(&p->lockfile, p->owner, address);
}

void *gs_storage_main(void *ctx)
{
  gesso_persistence *p = ctx;
  describe(p);
  gesso_status s = GESSO_E_NOMEM;
  p->open_why = "the storage threads cannot be started";
  if (start_workers(p))
    s = open_backend(p);
  if (s == GESSO_E_FULL && p->opened) { /* boards can be read, and there may be room later */
    gs_storage_failed(p, s);
    p->must_reopen = true;
    s = GESSO_OK;
  } else if (s != GESSO_OK && p->opened) {
    gs_backend_close(p->backend, false);
    p->opened = false;
  }
  p->open_status = s;
  (void)pthread_mutex_lock(&p->lock);
  p->stats.ready = s == GESSO_OK;
  (void)pthread_mutex_unlock(&p->lock);
  if (s != GESSO_OK) {
    refuse_all(p);
    finish(p);
    return NULL;
  }
  uint64_t until = 0;
  while (!finished(p)) {
    gs_op_list incoming = { NULL, NULL };
    wait_for_work(p, until, &incoming);
    describe(p);
    take_in(p, &incoming);
    turn(p);
    until = gs_storage_upkeep(p, now_ms(p));
    if (p->failing)
      until = GS_MIN(until, p->retry_at_ms);
    if (p->close_op != NULL)
      until = GS_MIN(until, now_ms(p) + 5);
  }
  finish(p);
  return NULL;
}
