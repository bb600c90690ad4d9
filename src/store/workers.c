/* The threads beside the storage thread. Each takes a job under `lock`, works without it, and hands
 * the result on:
 *
 *   sync thread        makes commits survive a power cut, releases the acknowledgements
 *   checkpoint thread  copies the write-ahead log into the database
 *   reader             loads and exports boards and versions
 *   folder             makes compacted states and versions, which the storage thread commits
 *
 * They only read the database, but for the checkpoint. */
#include "crdt/make_equal.h"
#include "store/store.h"

void gs_count_latency(uint64_t buckets[GESSO_LATENCY_BUCKETS], uint64_t us)
{
  int i = 0;
  while (i < GESSO_LATENCY_BUCKETS - 1 && us > (uint64_t)64 << i)
    i++;
  buckets[i]++;
}

static void poke(gesso_persistence *p) /* under `lock` */
{
  p->poked = true;
  (void)pthread_cond_signal(&p->storage_wake);
}

/* --- sync --- */

void *gs_sync_main(void *ctx)
{
  gesso_persistence *p = ctx;
  (void)pthread_mutex_lock(&p->lock);
  while (!p->sync_exit) {
    if (p->sync_failed || p->unsynced.first == NULL) {
      (void)pthread_cond_wait(&p->sync_wake, &p->lock);
      continue;
    }
    uint64_t target = p->commit_seq;
    (void)pthread_mutex_unlock(&p->lock);
    uint64_t t0 = gs_clock_mono_us(p->clock);
    gesso_status s = gs_backend_sync(p->backend);
    uint64_t us = gs_clock_mono_us(p->clock) - t0;
    gs_op_list synced = { NULL, NULL };
    (void)pthread_mutex_lock(&p->lock);
    if (s == GESSO_E_CLOSED) {
      /* It is being reopened, and what was unsynced will be written again. */
      if (p->unsynced.first != NULL && !p->sync_exit)
        (void)pthread_cond_wait(&p->sync_wake, &p->lock);
      continue;
    }
    p->stats.syncs++;
    gs_count_latency(p->stats.sync_us, us);
    if (s != GESSO_OK) {
      p->stats.sync_failures++;
      p->sync_failed = true;
      poke(p);
      continue;
    }
    /* After a reopening meanwhile, what is left in the list has later numbers. */
    while (p->unsynced.first != NULL && p->unsynced.first->seq <= target)
      gs_op_list_push(&synced, gs_op_list_pop(&p->unsynced));
    if (p->health != GESSO_OK || p->closing)
      poke(p);
    (void)pthread_mutex_unlock(&p->lock);
    gs_op_complete_all(p, &synced);
    (void)pthread_mutex_lock(&p->lock);
    /* Not before: an op that has nothing to wait for completes at once, and must not overtake these. */
    p->synced_seq = GS_MAX(p->synced_seq, target);
  }
  (void)pthread_mutex_unlock(&p->lock);
  return NULL;
}

/* --- checkpoint --- */

void gs_wish_checkpoint(gesso_persistence *p, gs_checkpoint_wish wish)
{
  (void)pthread_mutex_lock(&p->lock);
  if (!p->checkpoint_running && p->wish < wish) {
    p->wish = wish;
    (void)pthread_cond_signal(&p->checkpoint_wake);
  }
  (void)pthread_mutex_unlock(&p->lock);
}

void *gs_checkpoint_main(void *ctx)
{
  gesso_persistence *p = ctx;
  (void)pthread_mutex_lock(&p->lock);
  while (!p->checkpoint_exit) {
    if (p->wish == GS_WISH_NONE) {
      (void)pthread_cond_wait(&p->checkpoint_wake, &p->lock);
      continue;
    }
    gs_checkpoint_mode mode = p->wish == GS_WISH_TRUNCATE ? GS_CHECKPOINT_TRUNCATE : GS_CHECKPOINT_PASSIVE;
    p->wish = GS_WISH_NONE;
    p->checkpoint_running = true;
    (void)pthread_mutex_unlock(&p->lock);
    gesso_status s = gs_backend_checkpoint(p->backend, mode);
    (void)pthread_mutex_lock(&p->lock);
    p->checkpoint_running = false;
    p->stats.checkpoints += s == GESSO_OK;
    if (s != GESSO_OK)
      poke(p); /* the storage thread looks whether a sync was among what failed */
  }
  (void)pthread_mutex_unlock(&p->lock);
  return NULL;
}

/* --- reader --- */

static gesso_status read_and_build(gesso_persistence *p, gs_board_reader *rd, gs_op *op)
{
  if (op->status != GESSO_OK)
    return op->status;
  gs_result *r = gs_op_result(p, op);
  if (r == NULL)
    return GESSO_E_NOMEM;
  r->why = "the database cannot be read; check the disk";
  gesso_status s = gs_board_reader_read(rd, gs_op_name(op), op->num, op->ids, op->id_count, &r->rows);
  if (s != GESSO_OK)
    return s;
  r->why = "";
  if (!r->rows.board.exists) {
    r->why = "there is no such board";
    return GESSO_E_NOTFOUND;
  }
  if (r->rows.board.purged_ms != 0 || (r->rows.board.deleted_ms != 0 && op->kind != GS_OP_FOLD)) {
    r->why = "the board was deleted";
    return GESSO_E_DELETED;
  }
  s = gs_build(p->alloc, p->options.doc_memory_max, r->rows.board.has_state ? &r->rows.state : NULL, r->rows.rows,
               r->rows.row_count, &r->built);
  r->why = r->built.why;
  return s;
}

static bool has_room(const gesso_persistence *p, const gs_board_rows *rows)
{
  uint64_t journal = 0;
  for (uint32_t i = 0; i < rows->row_count; i++)
    journal += rows->rows[i].data.len;
  uint64_t stored = rows->state.stored.len;
  return gs_board_has_room(p, stored, rows->state.len > 0 ? (uint64_t)rows->state.len : stored, journal);
}

static void answer_load(gesso_persistence *p, gs_op *op)
{
  gs_result *r = op->result;
  gesso_board_load *l = &r->load;
  l->status = op->status;
  l->message = r->why;
  l->board = gs_op_name(op);
  l->generation = r->rows.board.generation;
  switch (op->status) {
  case GESSO_OK:
    l->result = GESSO_LOAD_FOUND;
    l->state = (gesso_bytes){ r->built.state.data, r->built.state.len };
    l->state_version = r->built.state_enc == GS_ENC_V2 ? 2 : 1;
    l->updates = r->built.updates;
    l->update_count = r->built.update_count;
    l->doc = r->built.doc;
    l->full = !has_room(p, &r->rows);
    break;
  case GESSO_E_NOTFOUND:
    l->result = GESSO_LOAD_NEVER_EXISTED;
    break;
  case GESSO_E_DELETED:
    l->result = GESSO_LOAD_DELETED;
    break;
  default:
    l->result = GESSO_LOAD_UNREADABLE;
    break;
  }
  (void)pthread_mutex_lock(&p->lock);
  p->stats.loads++;
  p->stats.loads_unreadable += l->result == GESSO_LOAD_UNREADABLE;
  (void)pthread_mutex_unlock(&p->lock);
}

static gesso_status get_version(gesso_persistence *p, gs_board_reader *rd, gs_op *op)
{
  gs_result *r = gs_op_result(p, op);
  if (r == NULL)
    return GESSO_E_NOMEM;
  gs_version_rows rows;
  gesso_doc *doc = NULL;
  gesso_status s = gs_board_reader_version(rd, gs_op_name(op), 0, op->id, &rows);
  r->why = s == GESSO_E_NOTFOUND ? "there is no such version" : s != GESSO_OK ? "the database cannot be read; check the disk" : "";
  if (s == GESSO_OK)
    s = gs_version_build(p->alloc, p->options.doc_memory_max, &rows, &doc, &r->bytes, &r->why);
  gesso_doc_destroy(doc);
  gs_version_rows_finish(&rows);
  return s;
}

void *gs_reader_main(void *ctx)
{
  gesso_persistence *p = ctx;
  gs_board_reader *rd = gs_board_reader_create(p->backend);
  (void)pthread_mutex_lock(&p->lock);
  while (!p->workers_exit) {
    gs_op *op = gs_op_list_pop(&p->reader_jobs);
    if (op == NULL) {
      (void)pthread_cond_wait(&p->reader_wake, &p->lock);
      continue;
    }
    p->reader_running = true;
    (void)pthread_mutex_unlock(&p->lock);
    op->status = rd == NULL ? GESSO_E_NOMEM : op->kind == GS_OP_VERSION_GET ? op->status : read_and_build(p, rd, op);
    if (op->status == GESSO_OK && op->kind == GS_OP_VERSION_GET)
      op->status = get_version(p, rd, op);
    if (op->status == GESSO_E_CLOSED) {
      /* The database is being reopened: the storage thread asks again when it is back. */
      op->status = GESSO_OK;
      gs_op_enqueue(p, op);
    } else {
      if (op->kind == GS_OP_EXPORT && op->status == GESSO_OK)
        op->status = gesso_doc_encode_v1(op->result->built.doc, (gesso_bytes){ NULL, 0 }, &op->result->bytes, NULL);
      if (op->kind == GS_OP_LOAD && op->result != NULL)
        answer_load(p, op);
      gs_op_complete(p, op);
    }
    (void)pthread_mutex_lock(&p->lock);
    p->reader_running = false;
    if (p->closing)
      poke(p);
  }
  (void)pthread_mutex_unlock(&p->lock);
  gs_board_reader_destroy(rd);
  return NULL;
}

/* --- folder --- */

static gesso_status make_version(gesso_persistence *p, gs_board_reader *rd, uint64_t num, int enc, gesso_bytes update,
                                 gesso_bytes sv, gs_new_version *out)
{
  gs_version_rows base;
  gesso_status s = gs_board_reader_version(rd, (gesso_bytes){ NULL, 0 }, num, 0, &base);
  bool has_base = s == GESSO_OK;
  if (has_base || s == GESSO_E_NOTFOUND)
    s = gs_version_make(p->alloc, enc, update, sv, has_base ? &base : NULL, out);
  gs_version_rows_finish(&base);
  return s;
}

/* The board as it is, as a version. */
static gesso_status version_of_board(gesso_persistence *p, gs_board_reader *rd, gs_op *op, int enc, gesso_bytes present)
{
  gs_result *r = op->result;
  gesso_buffer sv = { .alloc = p->alloc };
  gesso_status s = gesso_doc_state_vector(r->built.doc, &sv);
  if (s == GESSO_OK)
    s = make_version(p, rd, r->rows.board.num, enc, present, (gesso_bytes){ sv.data, sv.len }, &r->version);
  r->has_version = s == GESSO_OK;
  gesso_buffer_free(&sv);
  return s;
}

/* The edits from here to there. */
static gesso_status restore(gesso_persistence *p, gs_board_reader *rd, gs_op *op)
{
  gs_result *r = op->result;
  gs_version_rows rows;
  gesso_doc *want = NULL;
  gesso_status s = gs_board_reader_version(rd, (gesso_bytes){ NULL, 0 }, r->rows.board.num, op->id, &rows);
  r->why = s == GESSO_E_NOTFOUND ? "there is no such version" : "the version cannot be read; check the disk";
  if (s == GESSO_OK)
    s = gs_version_build(p->alloc, p->options.doc_memory_max, &rows, &want, NULL, &r->why);
  gs_version_rows_finish(&rows);
  if (s == GESSO_OK) {
    s = gs_doc_make_equal(r->built.doc, want, &r->bytes);
    r->why = s == GESSO_E_LIMIT ? "the board is nested too deep to be restored" : "not enough memory to restore the version";
  }
  gesso_doc_destroy(want);
  return s;
}

/* version_name of the present, version_restore: reads, and makes what the storage thread will commit. */
static gesso_status look_back(gesso_persistence *p, gs_board_reader *rd, gs_op *op)
{
  gesso_status s = rd == NULL ? GESSO_E_NOMEM : read_and_build(p, rd, op);
  gs_result *r = op->result;
  gesso_buffer present = { .alloc = p->alloc };
  int enc;
  if (s != GESSO_OK)
    return s;
  op->num = r->rows.board.num;
  r->why = "not enough memory for the version";
  s = gs_encode(r->built.doc, &enc, &present);
  if (s == GESSO_E_LIMIT)
    r->why = "the board is too large to be kept as a version";
  gesso_bytes bytes = { present.data, present.len };
  if (s == GESSO_OK)
    s = version_of_board(p, rd, op, enc, bytes);
  if (s == GESSO_OK && op->kind == GS_OP_VERSION_RESTORE) {
    s = restore(p, rd, op);
    r->has_version = r->bytes.len != 0; /* nothing changes, nothing to go back to */
  }
  gesso_buffer_free(&present);
  gs_built_finish(&r->built);
  gs_board_rows_finish(&r->rows);
  return s;
}

static void fold(gesso_persistence *p, gs_board_reader *rd, gs_op *op)
{
  op->status = rd == NULL ? GESSO_E_NOMEM : read_and_build(p, rd, op);
  gs_result *r = op->result;
  if (op->status == GESSO_OK && (r->rows.board.num != op->num))
    op->status = GESSO_E_CLOSED; /* another board by now */
  if (op->status == GESSO_OK)
    op->status = gs_fold(p->alloc, p->options.doc_memory_max, r->built.doc, &r->folded, &r->why);
  if (op->status == GESSO_OK && op->keep) {
    gesso_bytes state = { r->built.state.data, r->built.state.len };
    /* Without memory for it the fold matters more. */
    r->has_version = make_version(p, rd, op->num, r->built.state_enc, state, r->rows.state.sv, &r->version) == GESSO_OK;
  }
  if (r != NULL) { /* only the new state travels on */
    gs_built_finish(&r->built);
    gs_board_rows_finish(&r->rows);
  }
}

void *gs_folder_main(void *ctx)
{
  gesso_persistence *p = ctx;
  gs_board_reader *rd = gs_board_reader_create(p->backend);
  (void)pthread_mutex_lock(&p->lock);
  while (!p->workers_exit) {
    gs_op *op = gs_op_list_pop(&p->folder_jobs);
    if (op == NULL) {
      (void)pthread_cond_wait(&p->folder_wake, &p->lock);
      continue;
    }
    (void)pthread_mutex_unlock(&p->lock);
    if (op->kind == GS_OP_FOLD)
      fold(p, rd, op);
    else if (op->status == GESSO_OK)
      op->status = look_back(p, rd, op);
    gs_op_enqueue(p, op);
    (void)pthread_mutex_lock(&p->lock);
  }
  (void)pthread_mutex_unlock(&p->lock);
  gs_board_reader_destroy(rd);
  return NULL;
}
