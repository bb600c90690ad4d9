/* The drag that went on for ten minutes: 36,000 steps at 60 Hz, x and y as two keys of one shape, so that neither the one nor the
 * other ever lies beside its predecessor. What it leaves on the disk after ten idle seconds, and how long the board then takes to
 * open, with the parts of that: each measured by itself, as the CPU of one thread, the best of some. */
#include "store_bench.h"

#include "base/alloc.h"
#include "store/state.h"

#include <stdio.h>
#include <stdlib.h>

enum { DRAGS = 36000, TIMES = 15 };

typedef struct opened {
  gesso_doc *doc;
  bool done;
} opened;

static void on_load(void *ctx, gesso_board_load *load)
{
  opened *o = ctx;
  bench_check(load->status, load->message);
  o->doc = gesso_board_load_take_doc(load);
  o->done = true;
}

static gesso_doc *load(gesso_persistence *p)
{
  opened o = { NULL, false };
  bench_check(gesso_board_persistence_load(p, bench_text("drags"), on_load, &o), "load");
  while (!o.done)
    (void)gesso_persistence_wait(p, 1000);
  return o.doc;
}

static void set(gesso_doc *doc, gesso_type map, const char *key, int n)
{
  gesso_value v = { .kind = GESSO_VALUE_NUMBER, .number = n };
  bench_check(gesso_map_set(doc, map, bench_text(key), v, NULL), "set");
}

/* CPU in microseconds of the cheapest of some calls. */
static double cost(void (*fn)(void *ctx), void *ctx)
{
  double best = 1e9;
  for (int i = 0; i < TIMES; i++) {
    double t0 = bench_thread_cpu_s();
    fn(ctx);
    best = GS_MIN(best, bench_thread_cpu_s() - t0);
  }
  return best * 1e6;
}

static gesso_doc *loaded_doc;
static gs_folded at_rest;
static gesso_buffer update;

static void unpack(void *ctx)
{
  gs_stored_state s = { .enc = at_rest.enc, .len = (int64_t)at_rest.len, .hash = at_rest.hash, .has_hash = true,
                        .stored = { at_rest.stored.data, at_rest.stored.len } };
  const char *why;
  (void)ctx;
  gesso_buffer_free(&update);
  bench_check(gs_state_unpack(at_rest.stored.alloc, &s, &update, &why), "unpack");
}

static void decode(void *ctx)
{
  gesso_doc *doc = gesso_doc_create(NULL);
  (void)ctx;
  bench_check(gs_apply(doc, gs_enc_update(at_rest.enc), (gesso_bytes){ update.data, update.len }, NULL), "decode");
  gesso_doc_destroy(doc);
}

static void compare_vectors(void *ctx)
{
  gesso_buffer sv = { 0 };
  (void)ctx;
  bench_check(gesso_doc_state_vector(loaded_doc, &sv), "state vector");
  gesso_buffer_free(&sv);
}

void bench_drags(const char *folder)
{
  uint64_t now_ms = 0;
  gesso_persistence *p = bench_open_by_hand(folder);
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_type map = gesso_doc_root(doc, bench_text("shape"), GESSO_MAP);
  gesso_persistence_stats st = { .size = sizeof st };
  bench_check(gesso_board_persistence_attach(p, bench_text("drags"), 0, doc, NULL, NULL, NULL), "attach");
  set(doc, map, "x", 0);
  bench_pass(p, &now_ms, 20000, 2);
  uint64_t before = bench_file_bytes(folder, "gesso.db") + bench_file_bytes(folder, "gesso.db-wal");
  for (int i = 0; i < DRAGS; i++) {
    gesso_doc_begin(doc);
    set(doc, map, "x", i % 1900);
    set(doc, map, "y", i * 7 % 1000);
    bench_check(gesso_doc_commit(doc, NULL), "commit");
    if (i % 60 == 59)
      bench_pass(p, &now_ms, 1000, 0);
  }
  bench_pass(p, &now_ms, 10000, 5);
  double grown = (double)(bench_file_bytes(folder, "gesso.db") + bench_file_bytes(folder, "gesso.db-wal")) - (double)before;
  bench_check(gesso_board_persistence_detach(p, doc), "detach");
  gesso_doc_destroy(doc);
  gesso_persistence_destroy(p);

  double best = 1e9, best_cpu = 1e9;
  const char *why;
  for (int i = 0; i < TIMES; i++) {
    gesso_persistence_options o = { .size = sizeof o, .folder = folder };
    gesso_doc_destroy(loaded_doc);
    bench_check(gesso_persistence_open(&o, &p, NULL), folder);
    gesso_doc_destroy(load(p)); /* the folder is open then */
    double t0 = bench_now_s(), cpu0 = bench_cpu_s();
    loaded_doc = load(p);
    best = GS_MIN(best, bench_now_s() - t0);
    best_cpu = GS_MIN(best_cpu, bench_cpu_s() - cpu0);
    gesso_persistence_destroy(p);
  }
  gesso_doc_stats ds;
  gesso_doc_get_stats(loaded_doc, &ds);
  bench_check(gs_fold(NULL, 0, loaded_doc, &at_rest, &why), "fold");
  double unpacking = cost(unpack, NULL), decoding = cost(decode, NULL), comparing = cost(compare_vectors, NULL);
  printf("36,000 drags over two keys: %llu structs, %zu bytes at rest (%zu as an update); opened in %.2f ms (CPU %.2f)\n",
         (unsigned long long)ds.structs, at_rest.stored.len, update.len, best * 1e3, best_cpu * 1e3);
  printf("  by themselves, ms of CPU: checksum and zstd %.3f, decoding and freeing %.2f, state vector %.3f\n",
         unpacking / 1e3, decoding / 1e3, comparing / 1e3);
  bench_line("36,000 drags over two keys: grown by, after 10 idle seconds", grown / 1024, "KB", false, 16);
  bench_line("... opening the board again, the best of 15", best * 1e3, "ms", false, 10);
  bench_line("... the same in CPU", best_cpu * 1e3, "ms", false, 10);
  gs_folded_finish(&at_rest);
  gesso_buffer_free(&update);
  gesso_doc_destroy(loaded_doc);
}
