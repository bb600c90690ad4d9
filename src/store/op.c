#include "store/store.h"

#include <errno.h>
#include <unistd.h>

gs_op *gs_op_create(gesso_persistence *p, gs_op_kind kind, gesso_bytes name, gesso_bytes data)
{
  if (data.len > SIZE_MAX / 2)
    return NULL;
  size_t size = sizeof(gs_op) + name.len + data.len;
  gs_op *op = gs_alloc(p->alloc, size);
  if (op == NULL)
    return NULL;
  memset(op, 0, sizeof *op);
  op->kind = kind;
  op->size = size;
  op->name_len = (uint32_t)name.len;
  op->data_len = data.len;
  if (name.len != 0)
    memcpy(op->bytes, name.data, name.len);
  if (data.len != 0)
    memcpy(op->bytes + name.len, data.data, data.len);
  return op;
}

static void free_result(gesso_persistence *p, gs_result *r)
{
  if (r == NULL)
    return;
  gs_built_finish(&r->built);
  gs_board_rows_finish(&r->rows);
  gs_folded_finish(&r->folded);
  gs_new_version_finish(&r->version);
  gs_free(p->alloc, r->versions, (size_t)r->version_cap * sizeof *r->versions);
  gesso_buffer_free(&r->bytes);
  gs_free(p->alloc, r->infos, (size_t)r->info_cap * sizeof *r->infos);
  gs_free(p->alloc, r->info_ptrs, (size_t)r->info_count * sizeof *r->info_ptrs);
  gs_buf_finish(&r->names);
  gs_free(p->alloc, r, sizeof *r);
}

void gs_op_free(gesso_persistence *p, gs_op *op)
{
  if (op == NULL)
    return;
  free_result(p, op->result);
  gs_free(p->alloc, op->ids, (size_t)op->id_count * sizeof *op->ids);
  gs_free(p->alloc, op, op->size);
}

gs_result *gs_op_result(gesso_persistence *p, gs_op *op)
{
  if (op->result != NULL)
    return op->result;
  gs_result *r = GS_NEW(p->alloc, gs_result);
  if (r == NULL)
    return NULL;
  r->why = "";
  r->rows.alloc = r->built.alloc = r->bytes.alloc = p->alloc;
  r->rows.bytes = gs_buf_make(p->alloc);
  r->names = gs_buf_make(p->alloc);
  r->built.state.alloc = r->folded.stored.alloc = r->folded.sv.alloc = p->alloc;
  r->version.sv.alloc = r->version.data.alloc = p->alloc;
  op->result = r;
  return r;
}

void gs_op_list_push(gs_op_list *list, gs_op *op)
{
  op->next = NULL;
  if (list->first == NULL)
    list->first = op;
  else
    list->last->next = op;
  list->last = op;
}

void gs_op_list_push_all(gs_op_list *list, gs_op_list *more)
{
  if (more->first == NULL)
    return;
  if (list->first == NULL)
    list->first = more->first;
  else
    list->last->next = more->first;
  list->last = more->last;
  *more = (gs_op_list){ NULL, NULL };
}

gs_op *gs_op_list_pop(gs_op_list *list)
{
  gs_op *op = list->first;
  if (op == NULL)
    return NULL;
  list->first = op->next;
  if (list->first == NULL)
    list->last = NULL;
  op->next = NULL;
  return op;
}

/* --- completions --- */

typedef struct done_batch {
  gs_done *first, *last;
} done_batch;

static void batch_add(done_batch *batch, gs_done *d, gs_op *op, bool last)
{
  *d = (gs_done){ NULL, op, last };
  if (batch->first == NULL)
    batch->first = d;
  else
    batch->last->next = d;
  batch->last = d;
}

static void batch_publish(gesso_persistence *p, const done_batch *batch)
{
  if (batch->first == NULL)
    return;
  (void)pthread_mutex_lock(&p->lock);
  bool was_empty = p->done_first == NULL;
  if (was_empty)
    p->done_first = batch->first;
  else
    p->done_last->next = batch->first;
  p->done_last = batch->last;
  (void)pthread_mutex_unlock(&p->lock);
  if (was_empty) {
    uint64_t one = 1;
    ssize_t n;
    do {
      n = write(p->event_fd, &one, sizeof one);
    } while (n < 0 && errno == EINTR);
  }
}

void gs_op_uncount(gesso_persistence *p, gs_op *op)
{
  if (!op->counted)
    return;
  op->counted = false;
  if (atomic_fetch_sub(&op->board->unsaved, 1) == 1)
    atomic_fetch_sub(&p->boards_unsaved, 1);
}

/* Under `lock`. */
static void forget_payload(gesso_persistence *p, const gs_op *op)
{
  if (op->kind == GS_OP_APPEND) {
    p->stats.queue_bytes -= op->size;
    p->stats.queue_updates--;
  }
}

void gs_op_complete_all(gesso_persistence *p, gs_op_list *list)
{
  done_batch batch = { NULL, NULL };
  gs_op *op, *to_free = NULL;
  (void)pthread_mutex_lock(&p->lock);
  for (op = list->first; op != NULL; op = op->next)
    forget_payload(p, op);
  (void)pthread_mutex_unlock(&p->lock);
  while ((op = gs_op_list_pop(list)) != NULL) {
    gs_op_uncount(p, op);
    if (!op->written) {
      op->written = true;
      op->written_status = op->status;
      if (op->on_written != NULL)
        batch_add(&batch, &op->first_done, op, false);
    }
    /* An op whose written callback may still be queued must outlive it: it is freed in order. */
    if (op->fn.done != NULL || op->kind == GS_OP_EVENT || op->on_written != NULL) {
      batch_add(&batch, &op->last_done, op, true);
    } else {
      op->next = to_free;
      to_free = op;
    }
  }
  batch_publish(p, &batch);
  while ((op = to_free) != NULL) {
    to_free = op->next;
    gs_op_free(p, op);
  }
}

void gs_op_complete(gesso_persistence *p, gs_op *op)
{
  gs_op_list one = { NULL, NULL };
  gs_op_list_push(&one, op);
  gs_op_complete_all(p, &one);
}

void gs_ops_written(gesso_persistence *p, const gs_op_list *list)
{
  done_batch batch = { NULL, NULL };
  for (gs_op *op = list->first; op != NULL; op = op->next) {
    if (op->kind != GS_OP_APPEND || op->written)
      continue;
    op->written = true;
    op->written_status = op->status;
    if (op->on_written != NULL)
      batch_add(&batch, &op->first_done, op, false);
  }
  batch_publish(p, &batch);
}

void gs_emit_event(gesso_persistence *p, gesso_persistence_event_kind kind, gesso_status status, gesso_bytes board,
                   const char *message)
{
  gs_op *op = gs_op_create(p, GS_OP_EVENT, board, (gesso_bytes){ (const uint8_t *)message, strlen(message) + 1 });
  if (op == NULL)
    return; /* events inform; the state itself is in the statistics */
  op->flags = kind;
  op->status = status;
  gs_op_complete(p, op);
}

void gs_op_enqueue(gesso_persistence *p, gs_op *op)
{
  (void)pthread_mutex_lock(&p->lock);
  bool wake = p->queue.first == NULL;
  gs_op_list_push(&p->queue, op);
  (void)pthread_mutex_unlock(&p->lock);
  if (wake)
    (void)pthread_cond_signal(&p->storage_wake);
}
