/* The engine's side of the benchmark: one workload in a process of its own.
 *
 *   bench_engine keystrokes FILE   edits, each a transaction and an update
 *   bench_engine apply FILE        updates, each applied by itself
 *   bench_engine load FILE         a state: the first load of the process, and the median of many
 *   bench_engine heap FILE         bytes that the document holds after a load
 *   bench_engine encode FILE       the state written out again: median
 *   bench_engine nothing-new FILE  the diff for a peer that has everything: median
 *
 * Prints one line of JSON. engine.mjs is the same with Yjs. FILE formats are in input.mjs. */
#include "gesso/events.h"
#include "gesso/types.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static _Noreturn void die(const char *what)
{
  fprintf(stderr, "bench_engine: %s\n", what);
  exit(1);
}

static void must(gesso_status s)
{
  if (s != GESSO_OK)
    die(gesso_status_text(s));
}

static double now_ms(void)
{
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* --- input --- */

struct input {
  uint8_t *data;
  size_t len, at;
};

static struct input read_file(const char *path)
{
  FILE *f = fopen(path, "rb");
  if (f == NULL || fseek(f, 0, SEEK_END) != 0)
    die("cannot open the input");
  long len = ftell(f);
  rewind(f);
  struct input in = { .data = malloc((size_t)len + 1), .len = (size_t)len };
  if (in.data == NULL || fread(in.data, 1, in.len, f) != in.len)
    die("cannot read the input");
  (void)fclose(f);
  return in;
}

static uint32_t next_u32(struct input *in)
{
  if (in->len - in->at < 4)
    die("the input ends too early");
  uint32_t v = 0;
  for (int i = 3; i >= 0; i--)
    v = v << 8 | in->data[in->at + (size_t)i];
  in->at += 4;
  return v;
}

static gesso_bytes next_bytes(struct input *in)
{
  uint32_t n = next_u32(in);
  if (in->len - in->at < n)
    die("the input ends too early");
  gesso_bytes b = { in->data + in->at, n };
  in->at += n;
  return b;
}

/* --- memory, counted --- */

static size_t live;

static void *counting_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  (void)ctx;
  live += new_size;
  live -= old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  void *p = realloc(ptr, new_size);
  if (p == NULL)
    die("out of memory");
  return p;
}

/* --- workloads --- */

static uint64_t update_bytes, updates;

static void count_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  (void)ctx;
  (void)doc;
  (void)origin;
  (void)local;
  update_bytes += update.len;
  updates++;
}

static void keystrokes(struct input in)
{
  gesso_doc_options options = { .size = sizeof options, .client_id = 1 };
  gesso_doc *doc = gesso_doc_create(&options);
  gesso_subscription s;
  must(gesso_doc_observe_update(doc, 1, count_update, NULL, &s));
  gesso_type text = gesso_doc_root(doc, (gesso_bytes){ (const uint8_t *)"text", 4 }, GESSO_TEXT);
  uint32_t count = next_u32(&in);
  double start = now_ms();
  for (uint32_t i = 0; i < count; i++) {
    uint32_t at = next_u32(&in), removed = next_u32(&in);
    gesso_bytes added = next_bytes(&in);
    if (removed != 0)
      must(gesso_text_remove(doc, text, at, removed));
    if (added.len != 0)
      must(gesso_text_insert(doc, text, at, added, (gesso_bytes){ NULL, 0 }));
  }
  double ms = now_ms() - start;
  printf("{\"ms\": %.3f, \"updates\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"length\": %" PRIu64 "}\n", ms, updates,
         update_bytes, gesso_type_length(doc, text));
  gesso_doc_destroy(doc);
}

static void apply(struct input in)
{
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_subscription s;
  must(gesso_doc_observe_update(doc, 1, count_update, NULL, &s));
  uint32_t count = next_u32(&in);
  double start = now_ms();
  for (uint32_t i = 0; i < count; i++)
    must(gesso_doc_apply_v1(doc, next_bytes(&in), NULL));
  double ms = now_ms() - start;
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  printf("{\"ms\": %.3f, \"structs\": %" PRIu64 "}\n", ms, stats.structs);
  gesso_doc_destroy(doc);
}

static int by_size(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

#define ROUNDS 41

static void load(struct input in)
{
  double ms[ROUNDS], first = 0;
  for (int i = 0; i < ROUNDS; i++) {
    double start = now_ms();
    gesso_doc *doc = gesso_doc_create(NULL);
    must(gesso_doc_apply_v1(doc, (gesso_bytes){ in.data, in.len }, NULL));
    ms[i] = now_ms() - start;
    if (i == 0)
      first = ms[0];
    gesso_doc_destroy(doc);
  }
  qsort(ms, ROUNDS, sizeof ms[0], by_size);
  printf("{\"first\": %.3f, \"ms\": %.3f}\n", first, ms[ROUNDS / 2]);
}

static void heap(struct input in)
{
  const gesso_allocator counting = { counting_resize, NULL };
  gesso_doc_options options = { .size = sizeof options, .client_id = 1, .alloc = &counting };
  gesso_doc *doc = gesso_doc_create(&options);
  must(gesso_doc_apply_v1(doc, (gesso_bytes){ in.data, in.len }, NULL));
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  printf("{\"bytes\": %zu, \"structs\": %" PRIu64 "}\n", live, stats.structs);
  gesso_doc_destroy(doc);
  if (live != 0)
    die("memory is left");
}

static void encode(struct input in, bool diff)
{
  gesso_doc *doc = gesso_doc_create(NULL);
  must(gesso_doc_apply_v1(doc, (gesso_bytes){ in.data, in.len }, NULL));
  gesso_buffer sv = { 0 };
  if (diff)
    must(gesso_doc_state_vector(doc, &sv));
  double ms[ROUNDS];
  size_t len = 0;
  for (int i = 0; i < ROUNDS; i++) {
    double start = now_ms();
    gesso_buffer out = { 0 };
    must(gesso_doc_encode_v1(doc, (gesso_bytes){ sv.data, sv.len }, &out, NULL));
    ms[i] = now_ms() - start;
    len = out.len;
    gesso_buffer_free(&out);
  }
  qsort(ms, ROUNDS, sizeof ms[0], by_size);
  printf("{\"ms\": %.4f, \"bytes\": %zu}\n", ms[ROUNDS / 2], len);
  gesso_buffer_free(&sv);
  gesso_doc_destroy(doc);
}

int main(int argc, char **argv)
{
  if (argc != 3)
    die("which workload, which file?");
  struct input in = read_file(argv[2]);
  if (strcmp(argv[1], "keystrokes") == 0)
    keystrokes(in);
  else if (strcmp(argv[1], "apply") == 0)
    apply(in);
  else if (strcmp(argv[1], "load") == 0)
    load(in);
  else if (strcmp(argv[1], "heap") == 0)
    heap(in);
  else if (strcmp(argv[1], "encode") == 0 || strcmp(argv[1], "nothing-new") == 0)
    encode(in, argv[1][0] == 'n');
  else
    die("unknown workload");
  free(in.data);
  return 0;
}
