/* Versions of boards, as the storage thread sees them: listed, named, thinned out. What they are made of is a
 * worker's business: version_name and version_restore go to the folder and come back to be committed. */
#include "store/store.h"

/* --- listing --- */

typedef struct version_list {
  gesso_persistence *p;
  gs_op *op;
} version_list;

static gesso_status list_row(void *ctx, const gs_version_row *row, gesso_bytes name)
{
  version_list *l = ctx;
  gs_result *r = l->op->result;
  l->op->count += row->bytes;
  if (row->kind == GS_VERSION_BASE)
    return GESSO_OK;
  if (!gs_grow(l->p->alloc, &r->versions, &r->version_cap, (size_t)r->version_count + 1, sizeof *r->versions))
    return GESSO_E_NOMEM;
  r->versions[r->version_count++] = (gesso_board_version){
    .id = row->id,
    .created_ms = row->created_ms,
    .kind = (gesso_version_kind)row->kind,
    .name = { NULL, name.len }, /* settled at the end: the names still move */
    .state_bytes = row->len,
    .stored_bytes = row->bytes,
  };
  gs_buf_write(&r->names, name.data, name.len);
  return r->names.err;
}

gesso_status gs_storage_versions(gesso_persistence *p, gs_op *op)
{
  gs_result *r = gs_op_result(p, op);
  gs_board_row row;
  if (r == NULL)
    return GESSO_E_NOMEM;
  gesso_status s = gs_backend_find(p->backend, gs_op_name(op), &row);
  if (s == GESSO_OK && !row.exists)
    s = GESSO_E_NOTFOUND;
  version_list l = { p, op };
  if (s == GESSO_OK)
    s = gs_backend_versions(p->backend, row.num, list_row, &l);
  size_t at = 0;
  for (uint32_t i = 0; s == GESSO_OK && i < r->version_count; i++) {
    r->versions[i].name.data = r->names.b.data == NULL ? NULL : r->names.b.data + at;
    at += r->versions[i].name.len;
  }
  return s;
}

/* --- thinning --- */

typedef struct rows {
  const gesso_allocator *alloc;
  gs_version_row *v;
  uint32_t n, cap;
  uint32_t named;
  bool found; /* the one asked for */
  uint64_t id;
} rows;

static gesso_status gather(void *ctx, const gs_version_row *row, gesso_bytes name)
{
  rows *r = ctx;
  (void)name;
  if (!gs_grow(r->alloc, &r->v, &r->cap, (size_t)r->n + 1, sizeof *r->v))
    return GESSO_E_NOMEM;
  r->v[r->n++] = *row;
  r->named += row->kind == GS_VERSION_NAMED && row->id != r->id;
  r->found = r->found || (row->id == r->id && row->kind != GS_VERSION_BASE);
  return GESSO_OK;
}

gesso_status gs_storage_thin(gesso_persistence *p, uint64_t num, uint64_t stored_bytes)
{
  rows r = { .alloc = p->alloc };
  const gs_history_policy policy = { p->options.history_keep_ms, p->options.history_ratio };
  gesso_status s = gs_backend_versions(p->backend, num, gather, &r);
  if (s == GESSO_OK) {
    gs_version_row *before = gs_alloc(p->alloc, (size_t)r.n * sizeof *before + 1);
    if (before == NULL)
      s = GESSO_E_NOMEM;
    else if (r.n != 0)
      memcpy(before, r.v, (size_t)r.n * sizeof *before);
    if (s == GESSO_OK)
      gs_history_thin(&policy, r.v, r.n, stored_bytes, gs_clock_wall_ms(p->clock));
    for (uint32_t i = 0; s == GESSO_OK && i < r.n; i++) {
      if (r.v[i].out)
        s = gs_backend_drop_version(p->backend, r.v[i].id);
      else if (r.v[i].kind != before[i].kind)
        s = gs_backend_set_version(p->backend, num, r.v[i].id, r.v[i].kind, (gesso_bytes){ NULL, 0 });
    }
    gs_free(p->alloc, before, (size_t)r.n * sizeof *before + 1);
  }
  gs_free(p->alloc, r.v, (size_t)r.cap * sizeof *r.v);
  return s;
}

/* --- transactions --- */

static void count_commit(gesso_persistence *p)
{
  (void)pthread_mutex_lock(&p->lock);
  p->commit_seq++;
  p->stats.commits++;
  (void)pthread_mutex_unlock(&p->lock);
  p->last_commit_ms = gs_clock_mono_ms(p->clock);
}

bool gs_storage_thin_oldest(gesso_persistence *p)
{
  uint64_t num = 0;
  gesso_buffer name = { .alloc = p->alloc };
  gs_board_row row = { 0 };
  int64_t now = gs_clock_wall_ms(p->clock);
  int64_t before = p->options.history_keep_ms < (uint64_t)now ? now - (int64_t)p->options.history_keep_ms : 0;
  if (gs_backend_old_version(p->backend, before, &num) != GESSO_OK)
    return false;
  gesso_status s = gs_backend_find_number(p->backend, num, &name, &row);
  gesso_buffer_free(&name);
  if (s == GESSO_OK)
    s = gs_backend_begin(p->backend);
  if (s == GESSO_OK)
    s = gs_storage_thin(p, num, row.stored_bytes);
  if (s == GESSO_OK)
    s = gs_backend_commit(p->backend);
  if (s != GESSO_OK) {
    gs_backend_rollback(p->backend);
    return false;
  }
  count_commit(p);
  return true;
}

/* What the commit of the op is to be: `row` as of now. */
static gesso_status write_version(gesso_persistence *p, gs_op *op, const gs_board_row *row)
{
  rows r = { .alloc = p->alloc, .id = op->back ? 0 : op->id };
  gesso_status s = gs_backend_versions(p->backend, row->num, gather, &r);
  gs_free(p->alloc, r.v, (size_t)r.cap * sizeof *r.v);
  bool named = op->kind == GS_OP_VERSION_NAME && op->data_len != 0;
  if (s == GESSO_OK && named && r.named >= GESSO_VERSIONS_NAMED_MAX)
    s = GESSO_E_LIMIT;
  if (s == GESSO_OK && !op->back && !r.found)
    s = GESSO_E_NOTFOUND;
  if (s != GESSO_OK)
    return s;
  if (!op->back)
    return gs_backend_set_version(p->backend, row->num, op->id, named ? GS_VERSION_NAMED : GS_VERSION_AUTO, gs_op_data(op));
  gs_new_version *v = &op->result->version;
  v->created_ms = gs_clock_wall_ms(p->clock);
  v->kind = named ? GS_VERSION_NAMED : GS_VERSION_RESTORE;
  v->name = gs_op_data(op);
  uint64_t *made = op->kind == GS_OP_VERSION_NAME ? &op->id : &op->need;
  return gs_backend_put_version(p->backend, row->num, v, made);
}

static void done(gesso_persistence *p, gs_op *op, gesso_status s)
{
  gs_op_list one = { NULL, NULL };
  op->status = s;
  gs_op_list_push(&one, op);
  if (s == GESSO_OK)
    gs_storage_await_sync(p, &one);
  else
    gs_op_complete_all(p, &one);
}

void gs_storage_send_to_folder(gesso_persistence *p, gs_op *op)
{
  p->folds_running++;
  (void)pthread_mutex_lock(&p->lock);
  gs_op_list_push(&p->folder_jobs, op);
  (void)pthread_cond_signal(&p->folder_wake);
  (void)pthread_mutex_unlock(&p->lock);
}

static gesso_status commit_version(gesso_persistence *p, gs_op *op, gesso_status *answer)
{
  gs_board_row row;
  gesso_status s = gs_backend_begin(p->backend);
  if (s == GESSO_OK)
    s = gs_backend_find(p->backend, gs_op_name(op), &row);
  *answer = GESSO_OK;
  if (s == GESSO_OK && !row.exists)
    *answer = GESSO_E_NOTFOUND;
  else if (s == GESSO_OK && (row.deleted_ms != 0 || (op->back && row.num != op->num)))
    *answer = GESSO_E_DELETED;
  if (s == GESSO_OK && *answer == GESSO_OK) {
    *answer = write_version(p, op, &row);
    if (*answer != GESSO_OK && *answer != GESSO_E_NOTFOUND && *answer != GESSO_E_LIMIT)
      s = *answer;
  }
  if (s == GESSO_OK && *answer == GESSO_OK)
    s = gs_backend_commit(p->backend);
  if (s != GESSO_OK || *answer != GESSO_OK)
    gs_backend_rollback(p->backend);
  else
    count_commit(p);
  if (s == GESSO_OK && *answer == GESSO_OK) {
    gs_board *b = gs_boards_find(&p->boards, gs_op_name(op));
    if (b != NULL && op->back)
      b->row.version_ms = op->result->version.created_ms;
  }
  return s;
}

bool gs_storage_version_op(gesso_persistence *p, gs_op *op, bool blocked)
{
  bool made_by_folder = op->kind == GS_OP_VERSION_RESTORE || op->id == 0;
  if (blocked)
    return false;
  if (op->back && op->status == GESSO_E_CLOSED) { /* the database was just being reopened */
    op->back = false;
    op->status = GESSO_OK;
  }
  if (made_by_folder && !op->back) {
    op->back = true; /* when it is seen again */
    op->status = gs_storage_give_ids(p, op);
    gs_storage_send_to_folder(p, op);
    return true;
  }
  if (op->status != GESSO_OK || (op->back && !op->result->has_version)) {
    done(p, op, op->status);
    return true;
  }
  gesso_status answer, s = commit_version(p, op, &answer);
  if (s != GESSO_OK) {
    gs_storage_failed(p, s);
    return false;
  }
  if (answer == GESSO_E_NOTFOUND && op->back && op->kind == GS_OP_VERSION_NAME)
    answer = GESSO_E_IO; /* its base was taken away meanwhile, which only a repair does */
  done(p, op, answer);
  return true;
}
