/* What the store promises of its size, on a clock moved by hand.
 *
 * A day: 200 boards, each drawn on around the clock. Two seconds of dragging some shape at 30 Hz, then a pause of a minute on
 * average: one update a second on each board. There are a hundred shapes to begin with, a quarter of them drawn by hand, and new
 * ones come until there are two hundred; then one goes for each that comes. Every hour somebody else (another client) goes on.
 * Updates are handed in by hundreds, and the clock only moves on when they are written; nor does it run away from folds, so that the
 * store has as much time for them as a machine at that pace would.
 *
 * Bytes written are those that pass the store's way to the disk (src/store/vfs.h), read and counted there. */
#include "store_bench.h"

#include "base/alloc.h"
#include "store/hooks.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { GROUP = 100, SHAPES = 200, POINTS = 40, SLICE_MS = 100, DRAG_SLICES = 20, LOOK_MS = 600000 };

/* --- clock and disk --- */

static atomic_uint_fast64_t clock_us;
static atomic_uint_fast64_t written, written_to_log;

static uint64_t mono_us(void *ctx)
{
  (void)ctx;
  return atomic_load(&clock_us);
}

static int64_t wall_ms(void *ctx)
{
  (void)ctx;
  return 1700000000000 + (int64_t)(atomic_load(&clock_us) / 1000);
}

static void count_write(void *ctx, const gs_vfs_event *ev, int rc)
{
  (void)ctx;
  if (ev->op != GS_VFS_WRITE || rc != 0)
    return;
  atomic_fetch_add(&written, ev->len);
  if (strstr(ev->path, "-wal") != NULL)
    atomic_fetch_add(&written_to_log, ev->len);
}

static const gs_clock by_hand = { mono_us, wall_ms, NULL };
static const gs_vfs_hooks counting = { .after = count_write };

gesso_persistence *bench_open_by_hand(const char *folder)
{
  gesso_persistence_options o = { .size = sizeof o, .folder = folder, .owner = "bench_store" };
  gs_persistence_hooks hooks = { &by_hand, &counting };
  gesso_persistence *p;
  bench_check(gs_persistence_open_with(&o, &hooks, &p, NULL), folder);
  return p;
}

uint64_t bench_file_bytes(const char *folder, const char *name)
{
  char path[320];
  struct stat st;
  (void)snprintf(path, sizeof path, "%.250s/%s", folder, name);
  return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void on_flushed(void *ctx, uint64_t failed_boards)
{
  bench_check(failed_boards == 0 ? GESSO_OK : GESSO_E_IO, "flush");
  *(bool *)ctx = true;
}

void bench_pass(gesso_persistence *p, uint64_t *now_ms, uint64_t ms, unsigned real_ms)
{
  for (uint64_t end = *now_ms + ms; *now_ms < end; *now_ms += 100) {
    bool flushed = false;
    atomic_store(&clock_us, 1000000000 + *now_ms * 1000);
    bench_check(gesso_persistence_flush_pending(p, on_flushed, &flushed), "flush");
    while (!flushed)
      (void)gesso_persistence_wait(p, 1000);
    struct timespec ts = { 0, (long)real_ms * 1000000 };
    (void)nanosleep(&ts, NULL);
  }
}

/* --- people --- */

typedef struct board {
  char name[16];
  gesso_doc *doc;
  gesso_type shape;
  uint64_t next_ms;      /* the next slice of drawing */
  uint32_t slices_left, at, shapes, dragged;
  uint64_t client_since_ms, save_due_ms; /* 0: no save is awaited */
} board;

typedef struct day {
  gesso_persistence *p;
  const char *folder;
  board boards[BENCH_BOARDS];
  uint64_t now_ms, random;
  struct {
    board *of;
    uint8_t bytes[1000];
    size_t len;
  } group[GROUP];
  uint32_t in_group, unwritten;
  uint64_t updates, bytes;
  /* sizes */
  uint64_t database_peak, log_peak, peak, states, history, cap, bound;
  double worst;
} day;

static uint32_t below(day *d, uint32_t n)
{
  d->random = d->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)((d->random >> 33) % n);
}

static void on_written(void *ctx, gesso_status status)
{
  day *d = ctx;
  bench_check(status, "written");
  d->unwritten--;
}

static void hand_in(day *d)
{
  d->unwritten = d->in_group;
  gs_persistence_hold(d->p, true);
  for (uint32_t i = 0; i < d->in_group; i++) {
    gesso_bytes update = { d->group[i].bytes, d->group[i].len };
    bench_check(gesso_board_persistence_append(d->p, bench_text(d->group[i].of->name), 0, update, GESSO_APPEND_TRUSTED, on_written,
                                               NULL, d), "append");
    d->updates++;
    d->bytes += update.len;
  }
  d->in_group = 0;
  gs_persistence_hold(d->p, false);
  while (d->unwritten != 0)
    (void)gesso_persistence_wait(d->p, 1000);
  uint64_t database = bench_file_bytes(d->folder, "gesso.db"), log = bench_file_bytes(d->folder, "gesso.db-wal");
  d->database_peak = GS_MAX(d->database_peak, database);
  d->log_peak = GS_MAX(d->log_peak, log);
  d->peak = GS_MAX(d->peak, database + log);
}

typedef struct drawer {
  day *d;
  board *b;
} drawer;

static drawer hand;

static void on_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  (void)ctx;
  (void)doc;
  (void)origin;
  day *d = hand.d;
  if (!local || d == NULL)
    return;
  if (update.len > sizeof d->group[0].bytes)
    bench_check(GESSO_E_LIMIT, "an update");
  d->group[d->in_group].of = hand.b;
  d->group[d->in_group].len = update.len;
  memcpy(d->group[d->in_group].bytes, update.data, update.len);
  if (++d->in_group == GROUP)
    hand_in(d);
}

static gesso_type elements(board *b)
{
  return gesso_doc_root(b->doc, bench_text("elements"), GESSO_MAP);
}

static void set_json(board *b, gesso_type map, const char *key, const char *json)
{
  gesso_value v = { .kind = GESSO_VALUE_JSON, .bytes = bench_text(json) };
  bench_check(gesso_map_set(b->doc, map, bench_text(key), v, NULL), "set");
}

/* A new shape, or one of those there are, is taken by the pointer. */
static void take_shape(day *d, board *b)
{
  char key[24], json[600];
  bool add = b->shapes < SHAPES / 2 || below(d, 10) == 0;
  uint32_t oldest = b->shapes > SHAPES ? b->shapes - SHAPES : 0;
  b->dragged = add ? b->shapes++ : oldest + below(d, b->shapes - oldest);
  (void)snprintf(key, sizeof key, "shape-%u", b->dragged);
  if (!add) {
    b->shape = gesso_map_get_type(b->doc, elements(b), bench_text(key));
    return;
  }
  gesso_value v = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };
  gesso_doc_begin(b->doc);
  if (b->shapes > SHAPES) {
    char old[24];
    (void)snprintf(old, sizeof old, "shape-%u", b->shapes - 1 - SHAPES);
    bench_check(gesso_map_remove(b->doc, elements(b), bench_text(old)), "remove");
  }
  bench_check(gesso_map_set(b->doc, elements(b), bench_text(key), v, &b->shape), "add");
  (void)snprintf(json, sizeof json, "{\"type\":\"rectangle\",\"stroke\":\"#1e1e%02x\",\"seed\":%u}", below(d, 256),
                 below(d, 1u << 30));
  set_json(b, b->shape, "b", json);
  if (below(d, 4) == 0) {
    size_t n = 0;
    for (uint32_t i = 0, x = 0, y = 0; i < POINTS; i++)
      n += (size_t)snprintf(json + n, sizeof json - n, "%c%u,%u", i == 0 ? '[' : ',', x += below(d, 9), y += below(d, 9));
    (void)snprintf(json + n, sizeof json - n, "]");
    set_json(b, b->shape, "p", json);
  }
  set_json(b, b->shape, "g", "[0,0,100,80,0]");
  bench_check(gesso_doc_commit(b->doc, NULL), "commit");
}

/* Another client opens the board. */
static void change_client(day *d, board *b)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = 1 + (uint64_t)below(d, 1u << 31) };
  gesso_buffer state = { 0 };
  gesso_subscription s;
  if (b->doc != NULL)
    bench_check(gesso_doc_encode_v1(b->doc, (gesso_bytes){ NULL, 0 }, &state, NULL), "encode");
  gesso_doc_destroy(b->doc);
  b->doc = gesso_doc_create(&o);
  if (state.len != 0)
    bench_check(gesso_doc_apply_v1(b->doc, (gesso_bytes){ state.data, state.len }, NULL), "open");
  gesso_buffer_free(&state);
  bench_check(gesso_doc_observe_update(b->doc, 1, on_update, NULL, &s), "observe");
  b->client_since_ms = d->now_ms;
}

static void on_saved(void *ctx, gesso_status status)
{
  board *b = ctx;
  bench_check(status, "save");
  b->save_due_ms = 0;
}

/* A tenth of a second of one board. */
static void draw(day *d, board *b)
{
  char json[64];
  hand = (drawer){ d, b };
  if (b->slices_left == 0) {
    if (d->now_ms - b->client_since_ms > 3600000)
      change_client(d, b);
    take_shape(d, b);
    b->slices_left = DRAG_SLICES;
    b->at = below(d, 1000);
  }
  for (int i = 0; i < 3; i++, b->at++) {
    (void)snprintf(json, sizeof json, "[%u,%u,100,80,0]", b->at % 1900, b->at * 7 % 1000);
    set_json(b, b->shape, "g", json);
  }
  b->next_ms = d->now_ms + SLICE_MS;
  if (--b->slices_left == 0) {
    b->next_ms += below(d, 116000);
    if (b->save_due_ms == 0) {
      b->save_due_ms = d->now_ms + 32000; /* the longest that it may take */
      bench_check(gesso_board_persistence_save_debounced(d->p, bench_text(b->name), on_saved, b), "save");
    }
  }
}

/* --- the store's side --- */

static void on_list(void *ctx, gesso_status status, const gesso_board_info *const *boards, size_t count, int more)
{
  day *d = ctx;
  (void)more;
  bench_check(status, "list");
  d->states = d->history = 0;
  for (size_t i = 0; i < count; i++) {
    d->states += boards[i]->stored_bytes;
    d->history += boards[i]->history_bytes;
  }
  d->unwritten = 0;
}

/* Were the files since the last look no larger than what is promised? */
static void look(day *d)
{
  gesso_persistence_stats st = { .size = sizeof st };
  uint64_t states = d->states, history = d->history;
  d->unwritten = 1;
  bench_check(gesso_board_persistence_list(d->p, (gesso_bytes){ NULL, 0 }, 1000, 0, on_list, d), "list");
  while (d->unwritten != 0)
    (void)gesso_persistence_wait(d->p, 1000);
  bench_check(gesso_persistence_get_stats(d->p, &st), "stats");
  states = GS_MAX(states, d->states);
  history = GS_MAX(history, d->history);
  d->cap = GS_MAX(d->cap, st.journal_bytes_max);
  d->bound = states + states * 3 / 10 + d->cap + ((uint64_t)64 << 20) + GS_MIN(history, 10 * states);
  d->worst = GS_MAX(d->worst, (double)d->peak / (double)d->bound);
  d->peak = 0;
}

/* Folds that are due by now are made. */
static void let_it_fold(day *d)
{
  for (int i = 0; i < BENCH_BOARDS; i++) {
    board *b = &d->boards[i];
    for (int n = 0; b->save_due_ms != 0 && b->save_due_ms <= d->now_ms; n++) {
      bench_check(n < 60000 ? GESSO_OK : GESSO_E_BUSY, "a save that is due for a minute");
      gs_persistence_poke(d->p);
      (void)gesso_persistence_wait(d->p, 1);
    }
  }
}

void bench_day(const char *folder, double hours)
{
  day *d = calloc(1, sizeof *d);
  if (d == NULL)
    exit(1);
  d->folder = folder;
  d->random = 20261;
  d->p = bench_open_by_hand(folder);
  for (int i = 0; i < BENCH_BOARDS; i++) {
    board *b = &d->boards[i];
    (void)snprintf(b->name, sizeof b->name, "day-%d", i);
    b->next_ms = below(d, 60000);
    change_client(d, b);
    hand = (drawer){ d, b };
    for (int shape = 0; shape < SHAPES / 2; shape++)
      take_shape(d, b);
    b->client_since_ms = below(d, 3600000);
  }
  double begin = bench_now_s(), cpu = bench_cpu_s();
  uint64_t end = (uint64_t)(hours * 3600000), next_look = LOOK_MS;
  for (; d->now_ms < end; d->now_ms += SLICE_MS) {
    atomic_store(&clock_us, 1000000000 + d->now_ms * 1000);
    for (int i = 0; i < BENCH_BOARDS; i++) {
      if (d->boards[i].next_ms <= d->now_ms)
        draw(d, &d->boards[i]);
    }
    let_it_fold(d);
    if (d->now_ms >= next_look) {
      next_look += LOOK_MS;
      look(d);
    }
  }
  look(d);
  gesso_persistence_stats st = { .size = sizeof st };
  bench_check(gesso_persistence_get_stats(d->p, &st), "stats");
  double mb = 1 << 20;
  printf("%.1f hours of %d boards, %llu updates of %llu bytes, in %.1f s (CPU %.1f s): %.1f updates a commit, %llu folds, "
         "%llu checkpoints; states %.1f MB, history %.1f MB, journal %.2f MB, at most: database %.1f MB, log %.1f MB; written to the "
         "log %.1f MB, to the database %.1f MB\n",
         hours, BENCH_BOARDS, (unsigned long long)d->updates, (unsigned long long)(d->bytes / d->updates), bench_now_s() - begin,
         bench_cpu_s() - cpu, (double)d->updates / (double)(st.commits - st.folds), (unsigned long long)st.folds,
         (unsigned long long)st.checkpoints, (double)d->states / mb, (double)d->history / mb, (double)st.journal_bytes / mb,
         (double)d->database_peak / mb, (double)d->log_peak / mb, (double)atomic_load(&written_to_log) / mb,
         (double)(atomic_load(&written) - atomic_load(&written_to_log)) / mb);
  char what[100];
  (void)snprintf(what, sizeof what, "%.0f simulated hours: database and log, of what is promised", hours);
  bench_line(what, d->worst, "", false, 1);
  bench_line("... written to the disk for each byte of update", (double)atomic_load(&written) / (double)d->bytes, "", false, 15);
  hand.d = NULL;
  gesso_persistence_destroy(d->p);
  for (int i = 0; i < BENCH_BOARDS; i++)
    gesso_doc_destroy(d->boards[i].doc);
  free(d);
}
