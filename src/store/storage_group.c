/* Group commit: all the writes of a turn in one transaction, the updates of one board in one row.
 *
 * Whatever an attempt assumes about a board (its row, the rows it will have) becomes true only with
 * the commit. When that fails, `known` is cleared for every board that was touched, and the ops are
 * tried again from the start; so every op may run more than once, and after a failed sync even when
 * it had been committed. That is why an op keeps the generation it worked on: repeated, it must not
 * hit another board that got the name meanwhile. */
#include "store/store.h"
#include "wire/writer.h"

#include <stdlib.h>
#include <sys/random.h>

/* A row larger than this is closed, the next update opens another one. */
#define ROW_BYTES_MAX ((size_t)256 * 1024)

static void touch(gesso_persistence *p, gs_board *b)
{
  if (b->touched)
    return;
  b->touched = true;
  b->next_touched = p->touched;
  p->touched = b;
}

gesso_status gs_storage_find(gesso_persistence *p, gs_board *b)
{
  if (b->known)
    return GESSO_OK;
  gesso_status s = gs_backend_find(p->backend, gs_board_name(b), &b->row);
  b->known = s == GESSO_OK;
  return s;
}

/* 63 bits, never 0. */
static uint64_t new_generation(gesso_persistence *p)
{
  uint64_t g = 0;
  while ((g >>= 1) == 0) {
    if (getrandom(&g, sizeof g, 0) != (ssize_t)sizeof g)
      g = gs_clock_mono_us(p->clock) * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)p;
  }
  return g;
}

/* A row that was inserted, to be noted in the index after the commit. */
typedef struct new_row {
  gs_board *board;
  uint64_t num, id;
  uint32_t bytes;
} new_row;

typedef struct group {
  gesso_persistence *p;
  new_row *rows;
  uint32_t row_count, row_cap;
  uint64_t next_id;
  bool begun;
} group;

static gesso_status begin(group *g)
{
  if (g->begun)
    return GESSO_OK;
  gesso_status s = gs_backend_begin(g->p->backend);
  g->begun = s == GESSO_OK;
  return s;
}

/* Writes the updates that were gathered for the board as one row. */
static gesso_status put_batch(group *g, gs_board *b)
{
  gesso_persistence *p = g->p;
  gs_op *first = b->batch.first;
  if (first == NULL)
    return GESSO_OK;
  if (!gs_grow(p->alloc, &g->rows, &g->row_cap, (size_t)g->row_count + 1, sizeof *g->rows))
    return GESSO_E_NOMEM;
  gs_stored_row row = { .id = g->next_id };
  if (first->next == NULL) {
    row.enc = GS_ENC_V1;
    row.data = gs_op_data(first);
  } else {
    gs_buf_clear(&p->row_buf);
    for (gs_op *op = first; op != NULL; op = op->next)
      gs_write_bytes(&p->row_buf, gs_op_data(op));
    if (p->row_buf.err != GESSO_OK)
      return p->row_buf.err;
    row.enc = GS_ENC_LIST;
    row.data = gs_buf_bytes(&p->row_buf);
  }
  row.hash = gs_row_hash(row.enc, row.data);
  gesso_status s = gs_backend_put_row(p->backend, b->row.num, &row);
  if (s == GESSO_OK) {
    g->rows[g->row_count++] = (new_row){ b, b->row.num, row.id, (uint32_t)row.data.len };
    g->next_id++;
  }
  return s;
}

/* The batch links its ops through `next`, so they are out of the group's list meanwhile and come
 * back to it (`taken`) when the row is written, or the attempt has failed. */
static void end_batch(gs_board *b, gs_op_list *taken)
{
  gs_op_list_push_all(taken, &b->batch);
  b->batch_bytes = 0;
}

static gesso_status close_row(group *g, gs_board *b, gs_op_list *taken)
{
  gesso_status s = put_batch(g, b);
  if (s == GESSO_OK)
    end_batch(b, taken);
  return s;
}

static void assign(gs_op *op, uint64_t generation)
{
  if (op->generation == generation)
    return;
  op->generation = generation;
  op->assigned = true;
}

static gesso_status insert_board(group *g, gs_op *op, gs_board *b)
{
  int64_t now = gs_clock_wall_ms(g->p->clock);
  if (op->generation == 0)
    assign(op, new_generation(g->p));
  uint64_t num = 0;
  gesso_status s = gs_backend_insert_board(g->p->backend, gs_board_name(b), op->generation, now, &num);
  if (s == GESSO_OK) {
    b->row = (gs_board_row){ .exists = true,
                             .num = num,
                             .generation = op->generation,
                             .created_ms = now,
                             .updated_ms = now };
  }
  return s;
}

static gesso_status apply_append(group *g, gs_op *op, gs_board *b, gs_op_list *taken)
{
  gesso_persistence *p = g->p;
  op->status = GESSO_OK;
  if (op->data_len == 0)
    op->status = GESSO_E_USAGE;
  else if (b->row.exists && (b->row.deleted_ms != 0 || (op->generation != 0 && op->generation != b->row.generation)))
    op->status = GESSO_E_DELETED;
  else if (!b->row.exists && op->generation != 0 && !op->assigned)
    op->status = GESSO_E_DELETED; /* the board it was meant for is gone for good */
  else if (b->row.state_bytes + b->live_bytes + b->batch_bytes + op->data_len > GS_STATE_BYTES_MAX)
    op->status = GESSO_E_LIMIT; /* it could be journalled, and never be folded into a row */
  else if ((op->flags & GESSO_APPEND_PAST_QUOTA) == 0 && !gs_storage_has_room(p, b) && !gs_update_only_deletes(gs_op_data(op)))
    op->status = GESSO_E_LIMIT;
  else if ((op->flags & GESSO_APPEND_TRUSTED) == 0) {
    op->status = gs_update_check(p->alloc, p->options.doc_memory_max, gs_op_data(op));
    if (op->status == GESSO_E_NOMEM) {
      gs_op_list_push(taken, op);
      return GESSO_E_NOMEM;
    }
    op->flags |= op->status == GESSO_OK ? GESSO_APPEND_TRUSTED : 0u;
  }
  if (op->status != GESSO_OK) {
    gs_op_list_push(taken, op);
    return GESSO_OK;
  }
  gesso_status s = begin(g);
  if (s == GESSO_OK && !b->row.exists)
    s = insert_board(g, op, b);
  if (s == GESSO_OK && b->batch_bytes != 0 && b->batch_bytes + op->data_len > ROW_BYTES_MAX)
    s = close_row(g, b, taken);
  gs_op_list_push(s == GESSO_OK ? &b->batch : taken, op);
  b->batch_bytes += s == GESSO_OK ? op->data_len : 0;
  return s;
}

static gesso_status apply_create(group *g, gs_op *op, gs_board *b)
{
  op->status = GESSO_OK;
  if (b->row.exists && b->row.deleted_ms == 0)
    return GESSO_OK;
  if (b->row.exists && op->generation != 0 && op->generation == b->row.generation)
    return GESSO_OK; /* repeated, and deleted since: the delete follows */
  gesso_status s = begin(g);
  if (s == GESSO_OK && b->row.exists)
    s = gs_backend_remove_board(g->p->backend, gs_board_name(b));
  return s == GESSO_OK ? insert_board(g, op, b) : s;
}

static gesso_status apply_delete(group *g, gs_op *op, gs_board *b)
{
  gesso_persistence *p = g->p;
  bool purge = (op->flags & GESSO_DELETE_PURGE) != 0;
  op->status = b->row.exists ? GESSO_OK : GESSO_E_NOTFOUND;
  if ((op->flags & GS_DELETE_EXPIRED) != 0 && b->row.deleted_ms == 0)
    return GESSO_OK; /* undeleted in the last moment */
  if (!b->row.exists || (op->generation != 0 && op->generation != b->row.generation))
    return GESSO_OK;
  assign(op, b->row.generation);
  int64_t now = gs_clock_wall_ms(p->clock);
  gesso_status s = GESSO_OK;
  if (b->row.deleted_ms == 0) {
    s = begin(g);
    if (s == GESSO_OK)
      s = gs_backend_set_deleted(p->backend, gs_board_name(b), now);
    b->row.deleted_ms = now;
  }
  if (s == GESSO_OK && purge && b->row.purged_ms == 0) {
    s = begin(g);
    if (s == GESSO_OK)
      s = gs_backend_purge(p->backend, gs_board_name(b), b->row.num, now);
    b->row.purged_ms = now;
    b->row.has_state = false;
    b->row.state_bytes = b->row.stored_bytes = b->row.aside_rows = 0;
  }
  return s;
}

static gesso_status apply_undelete(group *g, gs_op *op, gs_board *b)
{
  if (!b->row.exists) {
    op->status = GESSO_E_NOTFOUND;
    return GESSO_OK;
  }
  op->status = b->row.purged_ms != 0 ? GESSO_E_DELETED : GESSO_OK;
  if (op->status != GESSO_OK || b->row.deleted_ms == 0 || (op->generation != 0 && op->generation != b->row.generation))
    return GESSO_OK;
  assign(op, b->row.generation);
  gesso_status s = begin(g);
  if (s == GESSO_OK)
    s = gs_backend_set_deleted(g->p->backend, gs_board_name(b), 0);
  b->row.deleted_ms = 0;
  return s;
}

/* Runs one op and puts it into `taken` or into its board's batch, whatever happens. */
static gesso_status apply(group *g, gs_op *op, gs_op_list *taken)
{
  gesso_persistence *p = g->p;
  gesso_status s = gs_storage_count(p, op);
  if (s != GESSO_OK) {
    gs_op_list_push(taken, op);
    return s;
  }
  gs_board *b = op->board;
  s = gs_storage_find(p, b);
  touch(p, b);
  if (s == GESSO_OK && op->kind == GS_OP_APPEND)
    return apply_append(g, op, b, taken);
  if (s == GESSO_OK)
    s = close_row(g, b, taken); /* what came before belongs to the board as it was */
  if (s == GESSO_OK) {
    switch (op->kind) {
    case GS_OP_CREATE:
      s = apply_create(g, op, b);
      break;
    case GS_OP_DELETE:
      s = apply_delete(g, op, b);
      break;
    default:
      s = apply_undelete(g, op, b);
      break;
    }
  }
  gs_op_list_push(taken, op);
  return s;
}

static int by_arrival(const void *a, const void *b)
{
  uint64_t x = (*(gs_op *const *)a)->arrival, y = (*(gs_op *const *)b)->arrival;
  return x < y ? -1 : x > y;
}

/* Taking ops into batches by board has mixed them up. */
static void sort_ops(gesso_persistence *p, gs_op_list *ops)
{
  size_t n = 0;
  bool sorted = true;
  for (gs_op *op = ops->first; op != NULL; op = op->next, n++)
    sorted = sorted && (op->next == NULL || op->arrival < op->next->arrival);
  if (sorted)
    return;
  gs_op **all = gs_alloc(p->alloc, n * sizeof(gs_op *));
  if (all == NULL) {
    /* Slow and certain: insertion into a sorted list. */
    gs_op_list out = { NULL, NULL };
    for (gs_op *op; (op = gs_op_list_pop(ops)) != NULL;) {
      gs_op **at = &out.first;
      while (*at != NULL && (*at)->arrival < op->arrival)
        at = &(*at)->next;
      op->next = *at;
      *at = op;
      if (op->next == NULL)
        out.last = op;
    }
    *ops = out;
    return;
  }
  size_t i = 0;
  for (gs_op *op; (op = gs_op_list_pop(ops)) != NULL;)
    all[i++] = op;
  qsort(all, n, sizeof(gs_op *), by_arrival);
  for (i = 0; i < n; i++)
    gs_op_list_push(ops, all[i]);
  gs_free(p->alloc, all, n * sizeof(gs_op *));
}

/* The commit is done: what was assumed is so. */
static void settle(group *g)
{
  gesso_persistence *p = g->p;
  uint64_t now = gs_clock_mono_ms(p->clock);
  int64_t wall = gs_clock_wall_ms(p->clock);
  gs_board *b;
  for (uint32_t i = 0; i < g->row_count; i++) {
    new_row *r = &g->rows[i];
    b = r->board;
    /* The name may mean another board by the end of the group than when the row was written. */
    bool live = r->num == b->row.num && b->row.purged_ms == 0;
    if (live && b->live_rows == 0)
      b->dirty_since_ms = now;
    if (live) {
      b->changed_ms = now;
      b->changed_wall_ms = wall;
    }
    bool had_room = gs_storage_has_room(p, b);
    gs_journal_note(&p->boards, live ? b : NULL, r->id, r->bytes);
    gs_storage_weigh(p, b, had_room);
  }
  p->next_id = g->next_id;
  while ((b = p->touched) != NULL) {
    p->touched = b->next_touched;
    b->touched = false;
    if (b->row.deleted_ms != 0)
      gs_storage_cancel_saves(p, b, GESSO_E_DELETED);
    gs_boards_let_go(&p->boards, b);
  }
}

/* The commit failed: nothing that was assumed is known. Ops in batches go back to the list. */
static void unsettle(group *g, gs_op_list *taken)
{
  gesso_persistence *p = g->p;
  gs_board *b;
  while ((b = p->touched) != NULL) {
    p->touched = b->next_touched;
    b->touched = false;
    b->known = false;
    end_batch(b, taken);
  }
  for (gs_op *op = taken->first; op != NULL; op = op->next) {
    if (op->assigned && !op->committed) {
      op->assigned = false;
      op->generation = 0;
    }
  }
}

/* Rows of boards whose rows are not theirs any more must be dead in the index before the name's new
 * board gets its first one. */
static void release_replaced(gesso_persistence *p, const gs_op_list *ops)
{
  for (const gs_op *op = ops->first; op != NULL; op = op->next) {
    if (op->kind == GS_OP_APPEND || op->kind == GS_OP_UNDELETE || op->board->live_rows == 0)
      continue;
    gs_board *b = op->board;
    bool replaced = op->kind == GS_OP_CREATE && b->row.generation == op->generation && op->generation != 0;
    if (replaced || b->row.purged_ms != 0)
      gs_journal_release(&p->boards, b, UINT64_MAX);
  }
}

gesso_status gs_storage_write_group(gesso_persistence *p, gs_op_list *ops)
{
  group g = { .p = p, .next_id = p->next_id };
  gs_op_list taken = { NULL, NULL };
  gesso_status s = GESSO_OK;
  uint64_t updates = 0, bytes = 0, refused = 0, t0 = gs_clock_mono_us(p->clock);
  for (gs_op *op; s == GESSO_OK && (op = gs_op_list_pop(ops)) != NULL;)
    s = apply(&g, op, &taken);
  for (gs_board *b = p->touched; s == GESSO_OK && b != NULL; b = b->next_touched)
    s = close_row(&g, b, &taken);
  if (s == GESSO_OK && !gs_journal_reserve(&p->boards, g.row_count))
    s = GESSO_E_NOMEM;
  if (s == GESSO_OK && g.begun)
    s = gs_backend_commit(p->backend);
  if (s != GESSO_OK) {
    if (p->opened)
      gs_backend_rollback(p->backend);
    unsettle(&g, &taken);
    gs_op_list_push_all(&taken, ops);
    sort_ops(p, &taken);
    *ops = taken;
    gs_free(p->alloc, g.rows, (size_t)g.row_cap * sizeof *g.rows);
    return s;
  }
  sort_ops(p, &taken);
  for (gs_op *op = taken.first; op != NULL; op = op->next) {
    op->committed = true;
    if (op->kind == GS_OP_APPEND && op->status == GESSO_OK) {
      updates++;
      bytes += op->data_len;
      assign(op, op->board->row.generation); /* if it must be repeated: for this board only */
    } else if (op->kind == GS_OP_APPEND) {
      refused++;
    }
  }
  release_replaced(p, &taken);
  gs_ops_written(p, &taken);
  uint64_t us = gs_clock_mono_us(p->clock) - t0;
  (void)pthread_mutex_lock(&p->lock);
  p->stats.updates_appended += updates;
  p->stats.updates_bytes += bytes;
  p->stats.updates_refused += refused;
  if (g.begun) {
    p->commit_seq++;
    p->stats.commits++;
    gs_count_latency(p->stats.commit_us, us);
  }
  (void)pthread_mutex_unlock(&p->lock);
  /* The ops are given away only after the boards are settled: they hold them in memory. */
  settle(&g);
  gs_storage_await_sync(p, &taken);
  gs_free(p->alloc, g.rows, (size_t)g.row_cap * sizeof *g.rows);
  if (g.begun) {
    p->last_commit_ms = gs_clock_mono_ms(p->clock);
    p->look_at_boards = true;
  }
  return GESSO_OK;
}
