/* Folding and upkeep: what the storage thread does when nobody asked, or asked for a save. */
#include "store/store.h"

#include <assert.h>

#define FOLDS_AT_ONCE 4u          /* each holds its board's document in memory, twice */
#define SMALL_FOLDS_AT_ONCE 256u  /* of boards that are this small together: looking at all boards costs more than they do */
#define SMALL_FOLDS_BYTES ((uint64_t)1024 * 1024)
#define SCAN_PERIOD_MS 50u
#define IDLE_MS 1000u             /* without a commit: time to tidy up */
#define CUT_BYTES ((uint64_t)64 * 1024)
#define CUT_ROWS 4096u            /* in one transaction: updates wait for it */
#define VACUUM_PAGES 256
#define FREE_PAGES_MAX 1024       /* more are given back even while the store is busy */
#define PURGE_PERIOD_MS ((uint64_t)3600 * 1000)
#define FOLD_BACKOFF_MS 1000u

/* --- saves --- */

static void finish_saves(gesso_persistence *p, gs_board *b, uint64_t upto, gesso_status status, bool explicit_only)
{
  gs_op_list done = { NULL, NULL }, rest = { NULL, NULL };
  for (gs_op *op; (op = gs_op_list_pop(&b->saves)) != NULL;) {
    if (op->need <= upto && (!explicit_only || op->kind == GS_OP_SAVE)) {
      op->status = status;
      if (explicit_only && op->kind == GS_OP_SAVE)
        p->failed_saves++;
      gs_op_list_push(&done, op);
    } else {
      gs_op_list_push(&rest, op);
    }
  }
  b->saves = rest;
  if (status == GESSO_OK)
    gs_storage_await_sync(p, &done);
  else
    gs_op_complete_all(p, &done);
}

void gs_storage_cancel_saves(gesso_persistence *p, gs_board *b, gesso_status status)
{
  gs_op_list done = b->saves;
  b->saves = (gs_op_list){ NULL, NULL };
  b->fold_forced = false;
  for (gs_op *op = done.first; op != NULL; op = op->next)
    op->status = status;
  gs_op_complete_all(p, &done);
}

void gs_storage_save(gesso_persistence *p, gs_op *op)
{
  gs_board *b = gs_boards_get(&p->boards, gs_op_name(op));
  op->status = b == NULL ? GESSO_E_NOMEM : gs_storage_find(p, b);
  if (op->status == GESSO_OK && !b->row.exists)
    op->status = GESSO_E_NOTFOUND;
  else if (op->status == GESSO_OK && b->row.deleted_ms != 0)
    op->status = GESSO_E_DELETED;
  else if (op->status == GESSO_OK && b->live_rows == 0 && b->row.aside_rows != 0)
    op->status = GESSO_E_CORRUPT;
  if (op->status == GESSO_OK && b->live_rows != 0) {
    op->need = b->last_id;
    if (op->kind == GS_OP_SAVE || b->unreadable) { /* the caller is to hear what is wrong */
      b->fold_forced = true;
      b->fold_not_before_ms = 0;
    }
    gs_op_list_push(&b->saves, op);
    p->look_at_boards = true;
    p->last_scan_ms = 0;
    return;
  }
  bool ok = op->status == GESSO_OK;
  gs_op_list one = { NULL, NULL };
  gs_op_list_push(&one, op);
  if (ok)
    gs_storage_await_sync(p, &one);
  else
    gs_op_complete_all(p, &one);
  if (b != NULL)
    gs_boards_let_go(&p->boards, b);
}

/* --- folds --- */

static bool history_on(const gesso_persistence *p)
{
  return (p->options.flags & GESSO_OPEN_NO_HISTORY) == 0;
}

static uint64_t fold_cost(const gs_board *b)
{
  return b->row.state_bytes + b->live_bytes;
}

static bool may_start_fold(const gesso_persistence *p, const gs_board *b)
{
  return p->folds_running < FOLDS_AT_ONCE ||
         (p->folds_running < SMALL_FOLDS_AT_ONCE && p->folding_bytes + fold_cost(b) <= SMALL_FOLDS_BYTES);
}

static void start_fold(gesso_persistence *p, gs_board *b)
{
  gs_op *op = gs_op_create(p, GS_OP_FOLD, gs_board_name(b), (gesso_bytes){ NULL, 0 });
  if (op != NULL)
    op->ids = gs_alloc(p->alloc, (size_t)b->live_rows * sizeof *op->ids);
  if (op == NULL || op->ids == NULL) {
    gs_op_free(p, op);
    b->fold_not_before_ms = gs_clock_mono_ms(p->clock) + FOLD_BACKOFF_MS;
    return;
  }
  op->id_count = b->live_rows;
  gs_board_ids(&p->boards, b, op->ids);
  op->num = b->row.num;
  op->epoch = p->epoch;
  op->need = b->last_id;
  op->count = fold_cost(b);
  p->folding_bytes += op->count;
  b->fold_running = true;
  b->fold_forced = false;
  b->fold_began_ms = gs_clock_mono_ms(p->clock);
  op->keep = history_on(p) && b->row.has_state &&
             gs_history_due(b->row.version_ms != 0 ? b->row.version_ms : b->row.created_ms - 1, b->row.state_ms,
                            gs_clock_wall_ms(p->clock));
  gs_storage_send_to_folder(p, op);
}

static void fold_failed(gesso_persistence *p, gs_board *b, const gs_op *op)
{
  gesso_status s = op->status;
  uint64_t now = gs_clock_mono_ms(p->clock);
  if (s == GESSO_E_CLOSED || s == GESSO_E_BUSY) { /* the database was just being reopened */
    b->fold_not_before_ms = now + SCAN_PERIOD_MS;
    b->fold_forced = b->saves.first != NULL;
    return;
  }
  (void)pthread_mutex_lock(&p->lock);
  p->stats.folds_failed++;
  (void)pthread_mutex_unlock(&p->lock);
  bool passes = s == GESSO_E_IO || s == GESSO_E_FULL || s == GESSO_E_NOMEM;
  b->unreadable = !passes;
  b->fold_failures++;
  b->fold_not_before_ms = now + (FOLD_BACKOFF_MS << GS_MIN(b->fold_failures, 6u));
  gs_emit_event(p, GESSO_EVENT_FOLD_FAILED, s, gs_board_name(b), op->result == NULL ? "not enough memory" : op->result->why);
  finish_saves(p, b, UINT64_MAX, s, passes);
}

/* The state that the fold replaces becomes a version, and others make room for it. */
static gesso_status store_version(gesso_persistence *p, gs_board *b, gs_op *op)
{
  gs_new_version *v = &op->result->version;
  v->kind = GS_VERSION_AUTO;
  v->created_ms = b->row.state_ms;
  gesso_status s = gs_backend_put_version(p->backend, b->row.num, v, &op->id);
  if (s == GESSO_E_NOTFOUND)
    return GESSO_OK; /* repaired away under our hands: the next one stands by itself */
  return s == GESSO_OK ? gs_storage_thin(p, b->row.num, op->result->folded.stored.len) : s;
}

static gesso_status store_fold(gesso_persistence *p, gs_board *b, gs_op *op)
{
  const gs_folded *f = &op->result->folded;
  int64_t wall = gs_clock_wall_ms(p->clock);
  gesso_status s = gs_backend_begin(p->backend);
  if (s == GESSO_OK && op->result->has_version)
    s = store_version(p, b, op);
  if (s == GESSO_OK)
    s = gs_backend_put_state(p->backend, gs_board_name(b), f, op->need, b->row.version + 1, wall);
  if (s == GESSO_OK)
    s = gs_backend_commit(p->backend);
  if (s != GESSO_OK) {
    gs_backend_rollback(p->backend);
    return s;
  }
  bool had_room = gs_storage_has_room(p, b);
  b->row.has_state = true;
  b->row.upto = op->need;
  b->row.version++;
  b->row.state_bytes = f->len;
  b->row.stored_bytes = f->stored.len;
  b->row.updated_ms = b->row.state_ms = wall;
  if (op->result->has_version)
    b->row.version_ms = op->result->version.created_ms;
  b->row.aside_rows = 0; /* they decoded, so they are part of the state now */
  b->fold_failures = 0;
  b->unreadable = false;
  b->dirty_since_ms = b->fold_began_ms; /* what is not in it came after that */
  p->last_commit_ms = gs_clock_mono_ms(p->clock);
  gs_journal_release(&p->boards, b, op->need);
  gs_storage_weigh(p, b, had_room);
  (void)pthread_mutex_lock(&p->lock);
  p->commit_seq++;
  p->stats.commits++;
  p->stats.folds++;
  p->stats.fold_bytes += f->stored.len;
  (void)pthread_mutex_unlock(&p->lock);
  finish_saves(p, b, op->need, GESSO_OK, false);
  return GESSO_OK;
}

gesso_status gs_storage_fold_done(gesso_persistence *p, gs_op *op)
{
  gs_board *b = gs_boards_find(&p->boards, gs_op_name(op));
  assert(b != NULL && b->fold_running); /* a board stays in memory while it is folded */
  gesso_status s = gs_storage_find(p, b);
  if (s != GESSO_OK)
    return s;
  bool stale = op->epoch != p->epoch || !b->row.exists || b->row.num != op->num || b->row.purged_ms != 0;
  if (!stale && op->status == GESSO_OK) {
    s = store_fold(p, b, op);
    if (s != GESSO_OK)
      return s; /* it is kept and tried again */
  } else if (!stale) {
    fold_failed(p, b, op);
  }
  b->fold_running = false;
  for (const gs_op *save = b->saves.first; save != NULL; save = save->next)
    b->fold_forced = b->fold_forced || save->kind == GS_OP_SAVE;
  if (stale && b->live_rows == 0)
    gs_storage_cancel_saves(p, b, b->row.exists && b->row.deleted_ms == 0 ? GESSO_OK : GESSO_E_DELETED);
  gs_op_free(p, op);
  p->look_at_boards = true;
  p->last_scan_ms = 0;
  gs_boards_let_go(&p->boards, b);
  return GESSO_OK;
}

/* --- looking at the boards --- */

typedef struct scan {
  gesso_persistence *p;
  gs_fold_policy policy;
  uint64_t now, next;
  bool closing;
} scan;

static void scan_board(void *ctx, gs_board *b)
{
  scan *sc = ctx;
  gesso_persistence *p = sc->p;
  if (b->live_rows == 0) {
    gs_boards_let_go(&p->boards, b);
    return;
  }
  uint64_t due = sc->closing && !b->fold_forced ? UINT64_MAX : gs_board_fold_due_ms(b, &sc->policy);
  if (due == UINT64_MAX && (p->no_room == GS_ROOM_TOTAL || !gs_storage_has_room(p, b)) && gs_board_can_fold(b) && !sc->closing)
    due = GS_MAX(gs_board_wait_over_ms(b, &sc->policy), b->fold_not_before_ms); /* it may make room */
  bool not_worth_it = due == UINT64_MAX;
  if (not_worth_it && history_on(p) && !sc->closing)
    due = gs_board_history_due_ms(b);
  if (due <= sc->now && may_start_fold(p, b)) {
    start_fold(p, b); /* when all are busy, the next one that comes back looks again */
    due = b->fold_running ? UINT64_MAX : b->fold_not_before_ms;
  }
  if (not_worth_it && !b->fold_running && b->saves.first != NULL) {
    /* A fold is not worth it, and the updates are safe in the journal: the wait ends all the same. */
    uint64_t over = gs_board_wait_over_ms(b, &sc->policy);
    if (over <= sc->now)
      finish_saves(p, b, UINT64_MAX, GESSO_OK, false);
    else
      due = GS_MIN(due, over);
  }
  if (due > sc->now)
    sc->next = GS_MIN(sc->next, due);
}

static uint64_t journal_cap(const gesso_persistence *p, const gs_backend_sizes *sizes)
{
  if (p->options.journal_bytes_max != 0)
    return p->options.journal_bytes_max;
  uint64_t journal = p->boards.journal.bytes;
  uint64_t states = sizes->database_bytes > journal ? sizes->database_bytes - journal : 0;
  return GS_MAX((uint64_t)16 * 1024 * 1024, states / 4);
}

/* A board that cannot be decoded cannot be folded: its rows make way for the cut and stay its own. */
static gesso_status set_rows_aside(gesso_persistence *p, gs_board *b)
{
  uint64_t *ids = gs_alloc(p->alloc, (size_t)b->live_rows * sizeof *ids);
  if (ids == NULL)
    return GESSO_E_NOMEM;
  uint32_t n = b->live_rows;
  gs_board_ids(&p->boards, b, ids);
  gesso_status s = gs_backend_begin(p->backend);
  for (uint32_t i = 0; s == GESSO_OK && i < n; i++)
    s = gs_backend_set_aside(p->backend, ids[i]);
  if (s == GESSO_OK)
    s = gs_backend_commit(p->backend);
  if (s == GESSO_OK) {
    (void)pthread_mutex_lock(&p->lock);
    p->commit_seq++;
    (void)pthread_mutex_unlock(&p->lock);
    p->last_commit_ms = gs_clock_mono_ms(p->clock);
    gs_journal_release(&p->boards, b, UINT64_MAX);
    b->row.aside_rows += n;
  } else {
    gs_backend_rollback(p->backend);
  }
  gs_free(p->alloc, ids, (size_t)n * sizeof *ids);
  return s;
}

/* The journal is over its cap: fold the owners of its older half, so that this half can be cut. */
static gesso_status force_oldest(gesso_persistence *p)
{
  gs_journal *j = &p->boards.journal;
  uint64_t seen = 0;
  for (uint64_t at = j->head; at < j->end && seen < j->bytes / 2; at++) {
    gs_journal_entry *e = gs_journal_entry_at(&p->boards, at);
    seen += e->bytes;
    if (e->board == NULL || e->board->fold_running)
      continue;
    if (e->board->unreadable) {
      gesso_status s = set_rows_aside(p, e->board);
      if (s != GESSO_OK)
        return s;
    } else {
      e->board->fold_forced = true;
    }
  }
  return GESSO_OK;
}

/* --- giving space back --- */

static gesso_status cut(gesso_persistence *p, size_t rows, uint64_t below)
{
  gesso_status s = gs_backend_begin(p->backend);
  if (s == GESSO_OK)
    s = gs_backend_cut(p->backend, below);
  if (s == GESSO_OK)
    s = gs_backend_commit(p->backend);
  if (s != GESSO_OK) {
    gs_backend_rollback(p->backend);
    return s;
  }
  (void)pthread_mutex_lock(&p->lock);
  p->commit_seq++;
  (void)pthread_mutex_unlock(&p->lock);
  gs_journal_cut(&p->boards, rows);
  p->last_commit_ms = gs_clock_mono_ms(p->clock);
  p->free_pages = INT64_MAX; /* not known: ask */
  return GESSO_OK;
}

static gesso_status give_space_back(gesso_persistence *p, bool idle, bool *more)
{
  uint64_t below = 0;
  size_t rows = gs_journal_dead_prefix(&p->boards, CUT_ROWS, &below);
  gesso_status s = GESSO_OK;
  if (rows != 0 && (idle || p->boards.journal.dead_prefix_bytes >= CUT_BYTES)) {
    s = cut(p, rows, below);
    *more = p->boards.journal.dead_prefix_bytes >= CUT_BYTES;
  }
  if (s == GESSO_OK && p->free_pages != 0 && (idle || p->free_pages > FREE_PAGES_MAX)) {
    s = gs_backend_vacuum(p->backend, idle || p->free_pages != INT64_MAX ? VACUUM_PAGES : 0, &p->free_pages);
    *more = *more || (idle && p->free_pages != 0);
  }
  return s;
}

static void publish_stats(gesso_persistence *p, const gs_backend_sizes *sizes, uint64_t cap)
{
  (void)pthread_mutex_lock(&p->lock);
  gesso_persistence_stats *st = &p->stats;
  st->boards_active = p->boards.count;
  st->boards_dirty = p->boards.dirty;
  st->journal_bytes = p->boards.journal.bytes;
  st->journal_live_bytes = p->boards.journal.live_bytes;
  st->journal_rows = p->boards.journal.end - p->boards.journal.head;
  st->journal_bytes_max = cap;
  st->wal_bytes = sizes->wal_bytes;
  st->wal_bytes_peak = GS_MAX(st->wal_bytes_peak, sizes->wal_bytes);
  st->database_bytes = sizes->database_bytes;
  (void)pthread_mutex_unlock(&p->lock);
}

/* Where the quota of the folder is reached, the trash is emptied before its time. */
static void purge_expired(gesso_persistence *p, uint64_t now)
{
  gesso_buffer name = { .alloc = p->alloc };
  int64_t before = p->no_room == GS_ROOM_TOTAL ? INT64_MAX
                                               : gs_clock_wall_ms(p->clock) - (int64_t)p->options.purge_after_ms;
  gesso_status s = gs_backend_expired(p->backend, before, &name);
  gs_op *op = NULL;
  if (s == GESSO_OK)
    op = gs_op_create(p, GS_OP_DELETE, (gesso_bytes){ name.data, name.len }, (gesso_bytes){ NULL, 0 });
  if (op != NULL) {
    op->flags = GESSO_DELETE_PURGE | GS_DELETE_EXPIRED;
    p->next_room_ms = 0;
    gs_op_enqueue(p, op);
  }
  /* One at a time; the next one when this one is through. */
  p->next_purge_ms = now + (op != NULL ? SCAN_PERIOD_MS : PURGE_PERIOD_MS);
  gesso_buffer_free(&name);
}

uint64_t gs_storage_upkeep(gesso_persistence *p, uint64_t now)
{
  if (!p->opened || p->read_only || p->failing)
    return UINT64_MAX;
  uint64_t next = UINT64_MAX;
  gs_backend_sizes sizes;
  gs_backend_get_sizes(p->backend, &sizes);
  uint64_t cap = journal_cap(p, &sizes);
  gesso_status s = GESSO_OK;
  bool closing = p->close_op != NULL;

  if (p->look_at_boards || now >= p->next_due_ms) {
    if (p->last_scan_ms != 0 && now < p->last_scan_ms + SCAN_PERIOD_MS) {
      next = p->last_scan_ms + SCAN_PERIOD_MS;
    } else {
      if (p->boards.journal.bytes > cap)
        s = force_oldest(p);
      scan sc = { p, { p->options.debounce_ms, p->options.max_wait_ms }, now, UINT64_MAX, closing };
      gs_boards_each(&p->boards, scan_board, &sc);
      /* Boards whose last update is not synced yet could not be let go: once more, later. */
      p->next_due_ms = p->boards.count > p->boards.dirty ? GS_MIN(sc.next, now + IDLE_MS) : sc.next;
      p->last_scan_ms = now == 0 ? 1 : now;
      p->look_at_boards = false;
      next = p->next_due_ms;
    }
  } else {
    next = p->next_due_ms;
  }

  bool idle = now >= p->last_commit_ms + IDLE_MS;
  bool more = false;
  if (s == GESSO_OK && !closing)
    s = give_space_back(p, idle, &more);
  if (sizes.wal_bytes > p->options.wal_bytes_max || (idle && sizes.wal_file_frames > 1 && !more))
    gs_wish_checkpoint(p, GS_WISH_TRUNCATE);
  else if (sizes.wal_frames * 4096 >= p->options.wal_bytes_max / 8) /* pages that come again are copied once */
    gs_wish_checkpoint(p, GS_WISH_PASSIVE);
  if (!idle)
    next = GS_MIN(next, p->last_commit_ms + IDLE_MS);
  else if (more)
    next = now;
  else if (sizes.wal_file_frames > 1)
    next = GS_MIN(next, now + IDLE_MS); /* somebody reads the log: try again */
  if (s == GESSO_OK && !closing) {
    next = GS_MIN(next, gs_storage_look_at_room(p, now));
    if (p->no_room != GS_ROOM_ENOUGH) /* that it is well again says the next turn */
      gs_storage_tell_room(p);
    if (now >= p->next_purge_ms || p->no_room == GS_ROOM_TOTAL) {
      purge_expired(p, now);
      if (gs_storage_thin_oldest(p))
        p->next_purge_ms = GS_MIN(p->next_purge_ms, now + SCAN_PERIOD_MS);
    }
    next = GS_MIN(next, p->next_purge_ms);
  }
  /* No room to tidy up, or no memory for it, harms nobody yet. */
  if (s != GESSO_OK && s != GESSO_E_FULL && s != GESSO_E_NOMEM && s != GESSO_E_BUSY)
    gs_storage_failed(p, s);
  publish_stats(p, &sizes, cap);
  return next;
}
