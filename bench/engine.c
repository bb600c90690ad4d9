/* The engine's side of the benchmark: one workload in a process of its own.
 *
 *   bench_engine keystrokes FILE   edits, each a transaction and an update
 *   bench_engine once FILE         edits, all in one transaction
 *   bench_engine array FILE        edits of an array of numbers, each a transaction and an update
 *   bench_engine overwrite FILE    values of one key, each a transaction and an update
 *   bench_engine two-users FILE    edits, every other one by another user; then they exchange all updates
 *   bench_engine apply FILE        updates, each applied by itself
 *   bench_engine fold FILE         updates, all applied in one transaction
 *   bench_engine load FILE         a state: the first load of the process, and the median of many (load2: v2)
 *   bench_engine heap FILE         bytes that the document holds after a load (heap2: v2)
 *   bench_engine encode FILE       the state written out again: median (encode2: v2)
 *   bench_engine once-encode FILE  the same, once: for counting instructions (once-encode2: v2)
 *   bench_engine nothing-new FILE  the diff for a peer that has everything: median
 *   bench_engine merge FILE        updates merged without a document: median
 *   bench_engine cut FILE          the bytes of a state cut down to nothing new, without a document: median
 *   bench_engine hundred FILE      the state after a hundred times the edits, one behind the other: to standard output
 *
 * Prints one line of JSON. engine.mjs is the same with Yjs. FILE formats are in input.mjs. */
#include "gesso/events.h"
#include "gesso/types.h"
#include "gesso/update.h"

#include "bench.h"

static void must(gesso_status s)
{
  if (s != GESSO_OK)
    die(gesso_status_text(s));
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

static const gesso_bytes plain = { NULL, 0 };

static gesso_bytes str(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

static gesso_doc *doc_of(uint64_t client)
{
  gesso_doc_options options = { .size = sizeof options, .client_id = client };
  gesso_doc *doc = gesso_doc_create(&options);
  gesso_subscription s;
  must(gesso_doc_observe_update(doc, 1, count_update, NULL, &s));
  return doc;
}

static void edit_text(gesso_doc *doc, gesso_type text, struct input *in)
{
  uint32_t at = next_u32(in), removed = next_u32(in);
  gesso_bytes added = next_bytes(in);
  if (removed != 0)
    must(gesso_text_remove(doc, text, at, removed));
  if (added.len != 0)
    must(gesso_text_insert(doc, text, at, added, plain));
}

static gesso_value number_of(gesso_bytes digits)
{
  double n = 0;
  for (size_t i = 0; i < digits.len; i++)
    n = n * 10 + (digits.data[i] - '0');
  return (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = n };
}

static void edits(struct input in, const char *how)
{
  gesso_doc *doc = doc_of(1);
  gesso_type text = gesso_doc_root(doc, str("text"), GESSO_TEXT);
  gesso_type array = gesso_doc_root(doc, str("array"), GESSO_ARRAY);
  gesso_type map = gesso_doc_root(doc, str("map"), GESSO_MAP);
  uint32_t count = next_u32(&in);
  double start = now_ms();
  if (how[0] == 'o' && how[1] == 'n')
    gesso_doc_begin(doc);
  for (uint32_t i = 0; i < count; i++) {
    if (how[0] == 'k' || how[1] == 'n') {
      edit_text(doc, text, &in);
      continue;
    }
    uint32_t at = next_u32(&in), removed = next_u32(&in);
    gesso_value value = number_of(next_bytes(&in));
    if (how[0] == 'a' && removed != 0)
      must(gesso_array_remove(doc, array, at, removed));
    else if (how[0] == 'a')
      must(gesso_array_insert(doc, array, at, &value, 1, NULL));
    else
      must(gesso_map_set(doc, map, str("key"), value, NULL));
  }
  if (how[0] == 'o' && how[1] == 'n')
    must(gesso_doc_commit(doc, NULL));
  double ms = now_ms() - start;
  printf("{\"ms\": %.3f, \"updates\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"length\": %" PRIu64 "}\n", ms, updates,
         update_bytes, gesso_type_length(doc, text));
  gesso_doc_destroy(doc);
}

/* Input for other workloads: too much to type in Yjs. */
static void hundred(struct input in)
{
  gesso_doc *doc = doc_of(1);
  gesso_type text = gesso_doc_root(doc, str("text"), GESSO_TEXT);
  for (int i = 0; i < 100; i++) {
    uint32_t base = (uint32_t)gesso_type_length(doc, text);
    in.at = 0;
    gesso_doc_begin(doc);
    for (uint32_t left = next_u32(&in); left > 0; left--) {
      uint32_t at = next_u32(&in), removed = next_u32(&in);
      gesso_bytes added = next_bytes(&in);
      if (removed != 0)
        must(gesso_text_remove(doc, text, base + at, removed));
      if (added.len != 0)
        must(gesso_text_insert(doc, text, base + at, added, plain));
    }
    must(gesso_doc_commit(doc, NULL));
  }
  gesso_buffer state;
  must(gesso_doc_encode_v1(doc, plain, &state, NULL));
  if (fwrite(state.data, 1, state.len, stdout) != state.len)
    die("cannot write");
  gesso_buffer_free(&state);
  gesso_doc_destroy(doc);
}

struct log {
  gesso_buffer *v;
  size_t n;
};

static void keep_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  (void)doc;
  (void)origin;
  struct log *log = ctx;
  if (!local)
    return;
  gesso_buffer b = { .data = malloc(update.len), .len = update.len, .capacity = update.len };
  if (b.data == NULL)
    die("out of memory");
  memcpy(b.data, update.data, update.len);
  log->v[log->n++] = b;
}

static void two_users(struct input in)
{
  uint32_t count = next_u32(&in);
  gesso_doc *docs[2];
  gesso_type text[2];
  struct log log[2] = { { 0 } };
  for (int i = 0; i < 2; i++) {
    gesso_doc_options options = { .size = sizeof options, .client_id = (uint64_t)i + 1 };
    docs[i] = gesso_doc_create(&options);
    log[i].v = calloc((size_t)count * 2, sizeof(gesso_buffer));
    gesso_subscription s;
    must(gesso_doc_observe_update(docs[i], 1, keep_update, &log[i], &s));
    text[i] = gesso_doc_root(docs[i], str("text"), GESSO_TEXT);
  }
  double start = now_ms();
  for (uint32_t i = 0; i < count; i++)
    edit_text(docs[i % 2], text[i % 2], &in);
  for (int i = 0; i < 2; i++)
    for (size_t k = 0; k < log[i].n; k++)
      must(gesso_doc_apply_v1(docs[1 - i], (gesso_bytes){ log[i].v[k].data, log[i].v[k].len }, NULL));
  double ms = now_ms() - start;
  printf("{\"ms\": %.3f, \"length\": %" PRIu64 "}\n", ms, gesso_type_length(docs[0], text[0]));
  for (int i = 0; i < 2; i++) {
    gesso_doc_destroy(docs[i]);
    for (size_t k = 0; k < log[i].n; k++)
      gesso_buffer_free(&log[i].v[k]);
    free(log[i].v);
  }
}

static void apply(struct input in, bool fold)
{
  gesso_doc *doc = doc_of(0);
  uint32_t count = next_u32(&in);
  double start = now_ms();
  if (fold)
    gesso_doc_begin(doc);
  for (uint32_t i = 0; i < count; i++)
    must(gesso_doc_apply_v1(doc, next_bytes(&in), NULL));
  if (fold)
    must(gesso_doc_commit(doc, NULL));
  double ms = now_ms() - start;
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  printf("{\"ms\": %.3f, \"structs\": %" PRIu64 "}\n", ms, stats.structs);
  gesso_doc_destroy(doc);
}

static gesso_doc *loaded(gesso_bytes state, bool v2)
{
  gesso_doc *doc = gesso_doc_create(NULL);
  must(v2 ? gesso_doc_apply_v2(doc, state, NULL) : gesso_doc_apply_v1(doc, state, NULL));
  return doc;
}

static void load(struct input in, bool v2)
{
  double ms[ROUNDS], first = 0;
  for (int i = 0; i < ROUNDS; i++) {
    double start = now_ms();
    gesso_doc *doc = loaded((gesso_bytes){ in.data, in.len }, v2);
    ms[i] = now_ms() - start;
    if (i == 0)
      first = ms[0];
    gesso_doc_destroy(doc);
  }
  qsort(ms, ROUNDS, sizeof ms[0], by_size);
  printf("{\"first\": %.3f, \"ms\": %.3f}\n", first, ms[ROUNDS / 2]);
}

static void heap(struct input in, bool v2)
{
  const gesso_allocator counting = { counting_resize, NULL };
  gesso_doc_options options = { .size = sizeof options, .client_id = 1, .alloc = &counting };
  gesso_doc *doc = gesso_doc_create(&options);
  gesso_bytes state = { in.data, in.len };
  must(v2 ? gesso_doc_apply_v2(doc, state, NULL) : gesso_doc_apply_v1(doc, state, NULL));
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  printf("{\"bytes\": %zu, \"structs\": %" PRIu64 "}\n", live, stats.structs);
  gesso_doc_destroy(doc);
  if (live != 0)
    die("memory is left");
}

static void encode(struct input in, bool diff, bool v2, int rounds)
{
  gesso_doc *doc = gesso_doc_create(NULL);
  must(gesso_doc_apply_v1(doc, (gesso_bytes){ in.data, in.len }, NULL));
  gesso_buffer sv = { 0 };
  if (diff)
    must(gesso_doc_state_vector(doc, &sv));
  double ms[ROUNDS];
  size_t len = 0;
  for (int i = 0; i < rounds; i++) {
    double start = now_ms();
    gesso_buffer out = { 0 };
    gesso_bytes have = { sv.data, sv.len };
    must(v2 ? gesso_doc_encode_v2(doc, have, &out, NULL) : gesso_doc_encode_v1(doc, have, &out, NULL));
    ms[i] = now_ms() - start;
    len = out.len;
    gesso_buffer_free(&out);
  }
  print_median(ms, rounds, len);
  gesso_buffer_free(&sv);
  gesso_doc_destroy(doc);
}

static void merge(struct input in)
{
  uint32_t n = next_u32(&in);
  gesso_bytes *list = calloc(n, sizeof *list);
  if (list == NULL)
    die("out of memory");
  for (uint32_t i = 0; i < n; i++)
    list[i] = next_bytes(&in);
  double ms[ROUNDS];
  size_t len = 0;
  for (int i = 0; i < ROUNDS; i++) {
    double start = now_ms();
    gesso_buffer out;
    must(gesso_update_merge_v1(list, n, &out, NULL, NULL));
    ms[i] = now_ms() - start;
    len = out.len;
    gesso_buffer_free(&out);
  }
  print_median(ms, ROUNDS, len);
  free(list);
}

static void cut(struct input in)
{
  gesso_bytes state = { in.data, in.len };
  gesso_buffer sv;
  must(gesso_update_state_vector_v1(state, &sv, NULL));
  double ms[ROUNDS];
  size_t len = 0;
  for (int i = 0; i < ROUNDS; i++) {
    double start = now_ms();
    gesso_buffer out;
    must(gesso_update_diff_v1(state, (gesso_bytes){ sv.data, sv.len }, &out, NULL));
    ms[i] = now_ms() - start;
    len = out.len;
    gesso_buffer_free(&out);
  }
  print_median(ms, ROUNDS, len);
  gesso_buffer_free(&sv);
}

int main(int argc, char **argv)
{
  if (argc != 3)
    die("which workload, which file?");
  struct input in = read_file(argv[2]);
  const char *what = argv[1];
  if (strcmp(what, "keystrokes") == 0 || strcmp(what, "once") == 0 || strcmp(what, "array") == 0 ||
      strcmp(what, "overwrite") == 0)
    edits(in, what);
  else if (strcmp(what, "two-users") == 0)
    two_users(in);
  else if (strcmp(what, "apply") == 0 || strcmp(what, "fold") == 0)
    apply(in, what[0] == 'f');
  else if (strcmp(what, "load") == 0 || strcmp(what, "load2") == 0)
    load(in, what[4] == '2');
  else if (strcmp(what, "heap") == 0 || strcmp(what, "heap2") == 0)
    heap(in, what[4] == '2');
  else if (strcmp(what, "encode") == 0 || strcmp(what, "encode2") == 0 || strcmp(what, "nothing-new") == 0)
    encode(in, what[0] == 'n', what[0] == 'e' && what[6] == '2', ROUNDS);
  else if (strcmp(what, "once-encode") == 0 || strcmp(what, "once-encode2") == 0)
    encode(in, false, what[11] == '2', 1);
  else if (strcmp(what, "merge") == 0)
    merge(in);
  else if (strcmp(what, "cut") == 0)
    cut(in);
  else if (strcmp(what, "hundred") == 0)
    hundred(in);
  else
    die("unknown workload");
  free(in.data);
  return 0;
}
