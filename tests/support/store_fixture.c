#include "store_fixture.h"

#include <errno.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- disk and clock --- */

static void sleep_ms(int ms)
{
  struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };
  (void)nanosleep(&ts, NULL);
}

static bool take(atomic_int *n)
{
  int v = atomic_load(n);
  while (v > 0) {
    if (atomic_compare_exchange_weak(n, &v, v - 1))
      return true;
  }
  return v < 0;
}

static int before(void *ctx, gs_vfs_event *ev)
{
  test_disk *d = ctx;
  if (ev->op == GS_VFS_SYNC) {
    atomic_fetch_add(&d->syncs, 1);
    while (atomic_load(&d->hold_syncs))
      sleep_ms(1);
    if (take(&d->fail_syncs)) {
      atomic_fetch_add(&d->failed_syncs, 1);
      return SQLITE_IOERR_FSYNC;
    }
  }
  if (ev->op == GS_VFS_WRITE) {
    atomic_fetch_add(&d->writes, 1);
    if (take(&d->fail_writes)) {
      ev->allowed = atomic_load(&d->tear) ? ev->len / 2 : 0;
      errno = atomic_load(&d->error);
      return atomic_load(&d->full) ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    }
  }
  return SQLITE_OK;
}

static int64_t room(void *ctx)
{
  return atomic_load(&((test_disk *)ctx)->room);
}

static uint64_t clock_us(void *ctx)
{
  return atomic_load(&((test_clock *)ctx)->us);
}

static int64_t clock_wall(void *ctx)
{
  return atomic_load(&((test_clock *)ctx)->wall_ms);
}

/* --- the folder --- */

void store_init(store *s)
{
  const char *tmp = getenv("TMPDIR");
  if (tmp == NULL) /* in memory where that is possible: the disk's lies are our own */
    tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
  memset(s, 0, sizeof *s);
  (void)snprintf(s->folder, sizeof s->folder, "%.160s/gesso-store-XXXXXX", tmp);
  assert_non_null(mkdtemp(s->folder));
  s->disk.hooks = (gs_vfs_hooks){ .before = before, .room = room, .ctx = &s->disk };
  atomic_store(&s->disk.room, -1);
  s->clock.clock = (gs_clock){ clock_us, clock_wall, &s->clock };
  atomic_store(&s->clock.us, 1000000000);
  atomic_store(&s->clock.wall_ms, 1700000000000);
  s->options = (gesso_persistence_options){ .size = sizeof s->options };
}

typedef struct ready {
  bool done;
  gesso_status status;
} ready;

static void on_ready(void *ctx, gesso_status status, const char *message)
{
  ready *r = ctx;
  r->done = true;
  r->status = status;
  assert_non_null(message);
}

gesso_status store_try_open(store *s)
{
  gs_persistence_hooks hooks = { s->manual_clock ? &s->clock.clock : NULL, &s->disk.hooks };
  s->options.folder = s->folder;
  gesso_buffer why = { 0 };
  gesso_status st = gs_persistence_open_with(&s->options, &hooks, &s->p, &why);
  gesso_buffer_free(&why);
  if (st != GESSO_OK)
    return st;
  ready r = { false, GESSO_OK };
  assert_int_equal(gesso_persistence_ready(s->p, on_ready, &r), GESSO_OK);
  store_wait_for(s, &r.done);
  return r.status;
}

void store_open(store *s)
{
  assert_int_equal(store_try_open(s), GESSO_OK);
}

typedef struct counted {
  bool done;
  uint64_t n;
} counted;

static void on_count(void *ctx, uint64_t n)
{
  counted *c = ctx;
  c->done = true;
  c->n = n;
}

uint64_t store_close(store *s)
{
  counted c = { false, 0 };
  assert_int_equal(gesso_persistence_close(s->p, on_count, &c), GESSO_OK);
  store_wait_for(s, &c.done);
  gesso_persistence_destroy(s->p);
  s->p = NULL;
  return c.n;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
  (void)st;
  (void)kind;
  (void)where;
  return remove(path);
}

void remove_folder(const char *path)
{
  assert_int_equal(nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void store_finish(store *s)
{
  if (s->p != NULL)
    (void)store_close(s);
  remove_folder(s->folder);
}

void store_advance_ms(store *s, uint64_t ms)
{
  atomic_fetch_add(&s->clock.us, ms * 1000);
  atomic_fetch_add(&s->clock.wall_ms, (int64_t)ms);
  gs_persistence_poke(s->p);
}

gesso_bytes text(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

/* --- calls that wait --- */

void store_wait_for(store *s, const bool *flag)
{
  while (!*flag)
    (void)gesso_persistence_wait(s->p, 1000);
}

void set_flag(void *ctx, gesso_status status)
{
  (void)status;
  *(bool *)ctx = true;
}

typedef struct outcome {
  bool done;
  gesso_status status;
  loaded *load;
  gesso_board_info *info;
} outcome;

static void on_done(void *ctx, gesso_status status)
{
  outcome *o = ctx;
  o->done = true;
  o->status = status;
}

/* The bytes that a load hands out are what its document was made of. */
static void compare_with_bytes(const gesso_board_load *load)
{
  gesso_buffer a, b;
  gesso_doc *doc = gesso_doc_create(NULL);
  if (load->state.len != 0)
    assert_int_equal(load->state_version == 2 ? gesso_doc_apply_v2(doc, load->state, NULL)
                                              : gesso_doc_apply_v1(doc, load->state, NULL), GESSO_OK);
  for (size_t i = 0; i < load->update_count; i++)
    assert_int_equal(gesso_doc_apply_v1(doc, load->updates[i], NULL), GESSO_OK);
  assert_int_equal(gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &a, NULL), GESSO_OK);
  assert_int_equal(gesso_doc_encode_v1(load->doc, (gesso_bytes){ NULL, 0 }, &b, NULL), GESSO_OK);
  assert_int_equal(a.len, b.len);
  assert_memory_equal(a.data, b.data, a.len);
  gesso_buffer_free(&a);
  gesso_buffer_free(&b);
  gesso_doc_destroy(doc);
}

static void on_load(void *ctx, gesso_board_load *load)
{
  outcome *o = ctx;
  if (load->result == GESSO_LOAD_FOUND)
    compare_with_bytes(load);
  o->done = true;
  *o->load = (loaded){ .result = load->result,
                       .status = load->status,
                       .generation = load->generation,
                       .state_len = load->state.len,
                       .update_count = load->update_count,
                       .full = load->full };
  (void)snprintf(o->load->message, sizeof o->load->message, "%s", load->message);
  o->load->doc = gesso_board_load_take_doc(load);
}

loaded store_load(store *s, const char *board)
{
  loaded l;
  outcome o = { .load = &l };
  assert_int_equal(gesso_board_persistence_load(s->p, text(board), on_load, &o), GESSO_OK);
  store_wait_for(s, &o.done);
  return l;
}

void store_json(store *s, const char *board, char *out)
{
  loaded l = store_load(s, board);
  out[0] = '\0';
  if (l.result != GESSO_LOAD_FOUND)
    return;
  gesso_buffer json = { 0 };
  gesso_type m = gesso_doc_root(l.doc, text("m"), GESSO_MAP);
  assert_int_equal(gesso_type_to_json(l.doc, m, GESSO_MAP, &json), GESSO_OK);
  assert_true(json.len < 4096);
  memcpy(out, json.data, json.len);
  out[json.len] = '\0';
  gesso_buffer_free(&json);
  gesso_doc_destroy(l.doc);
}

static gesso_status wait_done(store *s, outcome *o, gesso_status accepted)
{
  if (accepted != GESSO_OK)
    return accepted;
  store_wait_for(s, &o->done);
  return o->status;
}

gesso_status store_append_to(store *s, const char *board, uint64_t generation, gesso_bytes update)
{
  outcome o = { 0 };
  return wait_done(s, &o, gesso_board_persistence_append(s->p, text(board), generation, update, 0, NULL, on_done, &o));
}

gesso_status store_append(store *s, const char *board, gesso_bytes update)
{
  return store_append_to(s, board, 0, update);
}

gesso_status store_save(store *s, const char *board)
{
  outcome o = { 0 };
  return wait_done(s, &o, gesso_board_persistence_save(s->p, text(board), on_done, &o));
}

gesso_status store_create(store *s, const char *board)
{
  outcome o = { 0 };
  return wait_done(s, &o, gesso_board_persistence_create(s->p, text(board), on_done, &o));
}

gesso_status store_delete(store *s, const char *board, uint32_t flags)
{
  outcome o = { 0 };
  return wait_done(s, &o, gesso_board_persistence_delete(s->p, text(board), flags, on_done, &o));
}

gesso_status store_undelete(store *s, const char *board)
{
  outcome o = { 0 };
  return wait_done(s, &o, gesso_board_persistence_undelete(s->p, text(board), on_done, &o));
}

uint64_t store_flush(store *s)
{
  counted c = { false, 0 };
  assert_int_equal(gesso_persistence_flush_pending(s->p, on_count, &c), GESSO_OK);
  store_wait_for(s, &c.done);
  return c.n;
}

static void on_show(void *ctx, gesso_status status, const gesso_board_info *info)
{
  outcome *o = ctx;
  o->done = true;
  o->status = status;
  if (info != NULL) {
    *o->info = *info;
    o->info->board = (gesso_bytes){ NULL, 0 };
  }
}

gesso_status store_show(store *s, const char *board, gesso_board_info *out)
{
  outcome o = { .info = out };
  return wait_done(s, &o, gesso_board_persistence_show(s->p, text(board), on_show, &o));
}

static void on_versions(void *ctx, gesso_status status, const gesso_board_version *versions, size_t count,
                        uint64_t stored_bytes)
{
  version_list *out = ctx;
  out->count = count;
  out->stored_bytes = stored_bytes;
  assert_true(count <= 256);
  for (size_t i = 0; i < count; i++) {
    out->v[i] = versions[i];
    (void)snprintf(out->names[i], sizeof out->names[i], "%.*s", (int)versions[i].name.len,
                   versions[i].name.len == 0 ? "" : (const char *)versions[i].name.data);
    out->v[i].name = (gesso_bytes){ NULL, 0 };
  }
  out->status = status;
}

void store_versions(store *s, const char *board, version_list *out)
{
  out->status = (gesso_status)-1;
  assert_int_equal(gesso_board_persistence_versions(s->p, text(board), on_versions, out), GESSO_OK);
  while (out->status == (gesso_status)-1)
    (void)gesso_persistence_wait(s->p, 1000);
}

typedef struct fetched {
  outcome o;
  gesso_buffer update;
  uint64_t id;
} fetched;

static void keep_bytes(gesso_buffer *out, gesso_bytes bytes)
{
  *out = (gesso_buffer){ 0 };
  if (bytes.len == 0)
    return;
  out->data = malloc(bytes.len);
  assert_non_null(out->data);
  memcpy(out->data, bytes.data, bytes.len);
  out->len = out->capacity = bytes.len;
}

static void on_export(void *ctx, gesso_status status, gesso_bytes update, const char *message)
{
  fetched *f = ctx;
  assert_non_null(message);
  keep_bytes(&f->update, update);
  on_done(&f->o, status);
}

gesso_status store_version_json(store *s, const char *board, uint64_t id, char *out)
{
  fetched f = { 0 };
  gesso_status st = wait_done(s, &f.o, gesso_board_persistence_version_get(s->p, text(board), id, on_export, &f));
  out[0] = '\0';
  if (st == GESSO_OK) {
    gesso_doc *doc = gesso_doc_create(NULL);
    gesso_buffer json = { 0 };
    assert_int_equal(gesso_doc_apply_v1(doc, (gesso_bytes){ f.update.data, f.update.len }, NULL), GESSO_OK);
    assert_int_equal(gesso_type_to_json(doc, gesso_doc_root(doc, text("m"), GESSO_MAP), GESSO_MAP, &json), GESSO_OK);
    assert_true(json.len < 4096);
    memcpy(out, json.data, json.len);
    out[json.len] = '\0';
    gesso_buffer_free(&json);
    gesso_doc_destroy(doc);
  }
  gesso_buffer_free(&f.update);
  return st;
}

static void on_version(void *ctx, gesso_status status, uint64_t id)
{
  fetched *f = ctx;
  f->id = id;
  on_done(&f->o, status);
}

gesso_status store_version_name(store *s, const char *board, uint64_t id, const char *name, uint64_t *id_out)
{
  fetched f = { 0 };
  gesso_status st = wait_done(s, &f.o, gesso_board_persistence_version_name(s->p, text(board), id, text(name),
                                                                            on_version, &f));
  if (id_out != NULL)
    *id_out = f.id;
  return st;
}

static void on_restore(void *ctx, gesso_status status, gesso_bytes update, uint64_t before, const char *message)
{
  fetched *f = ctx;
  assert_non_null(message);
  keep_bytes(&f->update, update);
  f->id = before;
  on_done(&f->o, status);
}

gesso_status store_version_restore(store *s, const char *board, uint64_t id, gesso_buffer *update, uint64_t *before)
{
  fetched f = { 0 };
  gesso_status st = wait_done(s, &f.o, gesso_board_persistence_version_restore(s->p, text(board), id, on_restore, &f));
  *update = f.update;
  *before = f.id;
  return st;
}

gesso_persistence_stats store_stats(store *s)
{
  gesso_persistence_stats st = { .size = sizeof st };
  assert_int_equal(gesso_persistence_get_stats(s->p, &st), GESSO_OK);
  return st;
}

/* --- material --- */

gesso_buffer update_set(uint64_t client, const char *key, const char *value)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = client };
  gesso_doc *doc = gesso_doc_create(&o);
  gesso_buffer out = { 0 };
  gesso_type m = gesso_doc_root(doc, text("m"), GESSO_MAP);
  gesso_value v = { .kind = GESSO_VALUE_STRING, .bytes = text(value) };
  assert_int_equal(gesso_map_set(doc, m, text(key), v, NULL), GESSO_OK);
  assert_int_equal(gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &out, NULL), GESSO_OK);
  gesso_doc_destroy(doc);
  return out;
}

gesso_buffer update_noise(uint64_t client, const char *key, size_t len)
{
  char *value = malloc(len + 1);
  uint32_t x = (uint32_t)client * 2654435761u;
  assert_non_null(value);
  for (size_t i = 0; i < len; i++) {
    x ^= x << 13, x ^= x >> 17, x ^= x << 5;
    value[i] = (char)('!' + x % 90);
  }
  value[len] = '\0';
  gesso_buffer u = update_set(client, key, value);
  free(value);
  return u;
}

static sqlite3 *open_db(const store *s)
{
  char path[256];
  sqlite3 *db;
  (void)snprintf(path, sizeof path, "%s/gesso.db", s->folder);
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  (void)sqlite3_busy_timeout(db, 5000);
  return db;
}

void store_sql(const store *s, const char *sql)
{
  sqlite3 *db = open_db(s);
  assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  (void)sqlite3_close(db);
}

int64_t store_sql_int(const store *s, const char *sql)
{
  sqlite3 *db = open_db(s);
  sqlite3_stmt *st;
  assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(st), SQLITE_ROW);
  int64_t v = sqlite3_column_int64(st, 0);
  (void)sqlite3_finalize(st);
  (void)sqlite3_close(db);
  return v;
}

int64_t store_file_size(const store *s, const char *name)
{
  char path[256];
  struct stat st;
  (void)snprintf(path, sizeof path, "%s/%s", s->folder, name);
  return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}
