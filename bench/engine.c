/* The engine's side of the benchmark: one workload in a process of its own.
 *
 *   bench_engine keystrokes FILE   edits, each a transaction and an update
 *   bench_engine once FILE         edits, all in one transaction
 *   bench_engine array FILE        edits of an array of numbers, each a transaction and an update
 *   bench_engine array-bulk FILE   the same numbers inserted by one call
 *   bench_engine overwrite FILE    values of one key, each a transaction and an update
 *   bench_engine two-users FILE    edits, every other one by another user; then they exchange all updates
 *   bench_engine both-users FILE   what both have, edits of one in one transaction, of the other likewise; they exchange both
 *   bench_engine apply FILE        updates, each applied by itself
 *   bench_engine fold FILE         updates, all applied in one transaction
 *   bench_engine load FILE         a state: the first load of the process, and the median of many (load2: v2)
 *   bench_engine heap FILE         bytes that the document holds after a load (heap2: v2)
 *   bench_engine encode FILE       the state written out again: median (encode2: v2)
 *   bench_engine once-encode FILE  the same, once: for counting instructions (once-encode2: v2)
 *   bench_engine nothing-new FILE  the diff for a peer that has everything: median
 *   bench_engine diff FILE         the diff for a peer whose state vector is in FILE.half: median (diff2: v2)
 *   bench_engine rooms FILE        a thousand documents with that state: opening one, and the heap of one
 *   bench_engine merge FILE        updates merged without a document: median (merge2: v2; merge-all: few rounds)
 *   bench_engine cut FILE          the bytes of a state cut down to nothing new, without a document: median
 *   bench_engine cut-half FILE     the same for FILE.half (cut-half2: v2)
 *   bench_engine vector-of FILE    the state vector of an update, without a document: median
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

static size_t live, allocations;

static void *counting_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  (void)ctx;
  live += new_size;
  live -= old_size;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  allocations++;
  void *p = realloc(ptr, new_size);
  if (p == NULL)
    die("out of memory");
  return p;
}

static const gesso_allocator counting = { counting_resize, NULL };

/* --- what is measured --- */

static struct clock {
  double ms, cpu;
  size_t allocations;
} from;

static void start(void)
{
  from = (struct clock){ now_ms(), cpu_ms(), allocations };
}

/* Ends what start() began; the caller completes the line. */
static void stop(void)
{
  double ms = now_ms() - from.ms, cpu = cpu_ms() - from.cpu;
  printf("{\"ms\": %.4f, \"cpu\": %.4f, \"allocations\": %zu, \"heap\": %zu", ms, cpu, allocations - from.allocations, live);
}

/* What the rounds since start() came to, and what was held then. */
static void stop_rounds(size_t held)
{
  print_rounds();
  printf(", \"allocations\": %zu, \"heap\": %zu", (allocations - from.allocations) / (size_t)rounds.n, held);
}

/* --- workloads --- */

static uint64_t update_bytes, updates;
static bool digesting;

static void count_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  (void)ctx;
  (void)doc;
  (void)origin;
  (void)local;
  update_bytes += update.len;
  updates++;
  if (digesting)
    digest_more(update.data, update.len);
}

static const gesso_bytes plain = { NULL, 0 };

static gesso_bytes str(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

static gesso_doc *doc_of(uint64_t client)
{
  gesso_doc_options options = { .size = sizeof options, .client_id = client, .alloc = &counting };
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
  bool once = strcmp(how, "once") == 0, of_text = once || strcmp(how, "keystrokes") == 0, of_array = strcmp(how, "array") == 0;
  gesso_doc *doc = doc_of(1);
  gesso_type text = gesso_doc_root(doc, str("text"), GESSO_TEXT);
  gesso_type array = gesso_doc_root(doc, str("array"), GESSO_ARRAY);
  gesso_type map = gesso_doc_root(doc, str("map"), GESSO_MAP);
  uint32_t count = next_u32(&in);
  start();
  if (once)
    gesso_doc_begin(doc);
  for (uint32_t i = 0; i < count; i++) {
    if (of_text) {
      edit_text(doc, text, &in);
      continue;
    }
    uint32_t at = next_u32(&in), removed = next_u32(&in);
    gesso_value value = number_of(next_bytes(&in));
    if (of_array && removed != 0)
      must(gesso_array_remove(doc, array, at, removed));
    else if (of_array)
      must(gesso_array_insert(doc, array, at, &value, 1, NULL));
    else
      must(gesso_map_set(doc, map, str("key"), value, NULL));
  }
  if (once)
    must(gesso_doc_commit(doc, NULL));
  stop();
  printf(", \"updates\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"length\": %" PRIu64 ", \"digest\": %" PRIu32 "}\n", updates,
         update_bytes, gesso_type_length(doc, text), digest);
  gesso_doc_destroy(doc);
}

static void array_bulk(struct input in)
{
  gesso_doc *doc = doc_of(1);
  gesso_type array = gesso_doc_root(doc, str("array"), GESSO_ARRAY);
  uint32_t count = next_u32(&in);
  gesso_value *values = calloc(count, sizeof *values);
  if (values == NULL)
    die("out of memory");
  for (uint32_t i = 0; i < count; i++) {
    (void)next_u32(&in);
    (void)next_u32(&in);
    values[i] = number_of(next_bytes(&in));
  }
  start();
  must(gesso_array_insert(doc, array, 0, values, count, NULL));
  stop();
  printf(", \"bytes\": %" PRIu64 ", \"digest\": %" PRIu32 "}\n", update_bytes, digest);
  free(values);
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
    gesso_doc_options options = { .size = sizeof options, .client_id = (uint64_t)i + 1, .alloc = &counting };
    docs[i] = gesso_doc_create(&options);
    log[i].v = calloc((size_t)count * 2, sizeof(gesso_buffer));
    gesso_subscription s;
    must(gesso_doc_observe_update(docs[i], 1, keep_update, &log[i], &s));
    text[i] = gesso_doc_root(docs[i], str("text"), GESSO_TEXT);
  }
  start();
  for (uint32_t i = 0; i < count; i++)
    edit_text(docs[i % 2], text[i % 2], &in);
  for (int i = 0; i < 2; i++)
    for (size_t k = 0; k < log[i].n; k++)
      must(gesso_doc_apply_v1(docs[1 - i], (gesso_bytes){ log[i].v[k].data, log[i].v[k].len }, NULL));
  stop();
  for (size_t k = 0; k < log[0].n; k++)
    update_bytes += log[0].v[k].len;
  for (size_t k = 0; k < log[1].n; k++)
    update_bytes += log[1].v[k].len;
  printf(", \"bytes\": %" PRIu64 ", \"length\": %" PRIu64 "}\n", update_bytes, gesso_type_length(docs[0], text[0]));
  for (int i = 0; i < 2; i++) {
    gesso_doc_destroy(docs[i]);
    for (size_t k = 0; k < log[i].n; k++)
      gesso_buffer_free(&log[i].v[k]);
    free(log[i].v);
  }
}

/* Each makes all edits in one transaction, not knowing of the other. */
static void both_users(struct input in)
{
  uint32_t count = next_u32(&in);
  gesso_doc *docs[2];
  gesso_type text[2];
  gesso_buffer update[2];
  for (int i = 0; i < 2; i++) {
    docs[i] = doc_of((uint64_t)i + 1);
    text[i] = gesso_doc_root(docs[i], str("text"), GESSO_TEXT);
  }
  edit_text(docs[0], text[0], &in);
  must(gesso_doc_encode_v1(docs[0], plain, &update[0], NULL));
  must(gesso_doc_apply_v1(docs[1], (gesso_bytes){ update[0].data, update[0].len }, NULL));
  gesso_buffer_free(&update[0]);
  start();
  for (int i = 0; i < 2; i++) {
    gesso_doc_begin(docs[i]);
    for (uint32_t k = 0; k < count / 2; k++)
      edit_text(docs[i], text[i], &in);
    must(gesso_doc_commit(docs[i], &update[i]));
  }
  for (int i = 0; i < 2; i++)
    must(gesso_doc_apply_v1(docs[i], (gesso_bytes){ update[1 - i].data, update[1 - i].len }, NULL));
  stop();
  for (int i = 0; i < 2; i++)
    digest_more(update[i].data, update[i].len);
  printf(", \"bytes\": %zu, \"length\": %" PRIu64 ", \"digest\": %" PRIu32 "}\n", update[0].len + update[1].len,
         gesso_type_length(docs[0], text[0]), digest);
  for (int i = 0; i < 2; i++) {
    gesso_buffer_free(&update[i]);
    gesso_doc_destroy(docs[i]);
  }
}

static void apply(struct input in, bool fold)
{
  gesso_doc *doc = doc_of(1);
  uint32_t count = next_u32(&in);
  start();
  if (fold)
    gesso_doc_begin(doc);
  for (uint32_t i = 0; i < count; i++)
    must(gesso_doc_apply_v1(doc, next_bytes(&in), NULL));
  if (fold)
    must(gesso_doc_commit(doc, NULL));
  stop();
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  gesso_type text = gesso_doc_root(doc, str("text"), GESSO_TEXT);
  printf(", \"bytes\": %" PRIu64 ", \"structs\": %" PRIu64 ", \"length\": %" PRIu64 "}\n", update_bytes, stats.structs,
         gesso_type_length(doc, text));
  gesso_doc_destroy(doc);
}

static gesso_doc *loaded(gesso_bytes state, bool v2)
{
  gesso_doc_options options = { .size = sizeof options, .client_id = 1, .alloc = &counting };
  gesso_doc *doc = gesso_doc_create(&options);
  must(v2 ? gesso_doc_apply_v2(doc, state, NULL) : gesso_doc_apply_v1(doc, state, NULL));
  return doc;
}

static gesso_bytes view(gesso_buffer b)
{
  return (gesso_bytes){ b.data, b.len };
}

static gesso_bytes all_of(struct input in)
{
  return (gesso_bytes){ in.data, in.len };
}

static gesso_buffer half_of(const char *path)
{
  char name[4096];
  if (snprintf(name, sizeof name, "%s.half", path) >= (int)sizeof name)
    die("the path is too long");
  struct input in = read_file(name);
  return (gesso_buffer){ .data = in.data, .len = in.len, .capacity = in.len + 1 };
}

static void load(struct input in, bool v2)
{
  size_t held = 0;
  start();
  for (int i = 0; i < ROUNDS; i++) {
    round_start();
    gesso_doc *doc = loaded(all_of(in), v2);
    round_stop();
    held = live;
    gesso_doc_destroy(doc);
  }
  stop_rounds(held);
  printf(", \"bytes\": %zu}\n", in.len);
}

static void heap(struct input in, bool v2)
{
  start();
  gesso_doc *doc = loaded(all_of(in), v2);
  stop();
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  printf(", \"structs\": %" PRIu64 "}\n", stats.structs);
  gesso_doc_destroy(doc);
  if (live != 0)
    die("memory is left");
}

static void rooms(struct input in)
{
  enum { N = 1000 };
  static gesso_doc *docs[N];
  start();
  for (int i = 0; i < N; i++)
    docs[i] = loaded(all_of(in), false);
  double ms = now_ms() - from.ms, cpu = cpu_ms() - from.cpu;
  printf("{\"ms\": %.4f, \"cpu\": %.4f, \"allocations\": %zu, \"heap\": %zu}\n", ms / N, cpu / N, allocations / N, live / N);
  for (int i = 0; i < N; i++)
    gesso_doc_destroy(docs[i]);
}

/* `have`: the peer's state vector; "all" stands for that of the document itself. */
/* Ends a round that made bytes, and frees them; the last one's are told by their digest. Returns how many. */
static size_t round_made(gesso_buffer *out, bool last)
{
  round_stop();
  size_t len = out->len;
  if (last)
    digest_more(out->data, len);
  gesso_buffer_free(out);
  return len;
}

static void stop_made(size_t len)
{
  stop_rounds(live);
  printf(", \"bytes\": %zu, \"digest\": %" PRIu32 "}\n", len, digest);
}

static void encode(struct input in, gesso_buffer have, bool all, bool v2, int count)
{
  gesso_doc *doc = loaded(all_of(in), false);
  if (all)
    must(gesso_doc_state_vector(doc, &have));
  size_t len = 0;
  start();
  for (int i = 0; i < count; i++) {
    round_start();
    gesso_buffer out = { 0 };
    must(v2 ? gesso_doc_encode_v2(doc, view(have), &out, NULL) : gesso_doc_encode_v1(doc, view(have), &out, NULL));
    len = round_made(&out, i == count - 1);
  }
  stop_made(len);
  gesso_buffer_free(&have);
  gesso_doc_destroy(doc);
}

static void merge(struct input in, bool v2, int count)
{
  uint32_t n = next_u32(&in);
  gesso_bytes *list = calloc(n, sizeof *list);
  if (list == NULL)
    die("out of memory");
  for (uint32_t i = 0; i < n; i++)
    list[i] = next_bytes(&in);
  size_t len = 0;
  start();
  for (int i = 0; i < count; i++) {
    round_start();
    gesso_buffer out;
    must(v2 ? gesso_update_merge_v2(list, n, &out, NULL, NULL) : gesso_update_merge_v1(list, n, &out, NULL, NULL));
    len = round_made(&out, i == count - 1);
  }
  stop_made(len);
  free(list);
}

static void cut(struct input in, gesso_buffer have, bool v2)
{
  if (have.data == NULL)
    must(gesso_update_state_vector_v1(all_of(in), &have, NULL));
  size_t len = 0;
  start();
  for (int i = 0; i < ROUNDS; i++) {
    round_start();
    gesso_buffer out;
    must(v2 ? gesso_update_diff_v2(all_of(in), view(have), &out, NULL) : gesso_update_diff_v1(all_of(in), view(have), &out, NULL));
    len = round_made(&out, i == ROUNDS - 1);
  }
  stop_made(len);
  gesso_buffer_free(&have);
}

static void vector_of(struct input in)
{
  size_t len = 0;
  start();
  for (int i = 0; i < ROUNDS; i++) {
    round_start();
    gesso_buffer out;
    must(gesso_update_state_vector_v1(all_of(in), &out, NULL));
    len = round_made(&out, i == ROUNDS - 1);
  }
  stop_made(len);
}

/* --- floors --- */

static void floors(struct input in, bool scan)
{
  uint8_t *copy = malloc(in.len);
  if (copy == NULL)
    die("out of memory");
  uint64_t sum = 0, count = 0;
  start();
  for (int i = 0; i < ROUNDS; i++) {
    round_start();
    if (!scan) {
      memcpy(copy, in.data, in.len);
      sum += copy[(size_t)i % in.len]; /* somebody looks at it, so that it is done */
    }
    for (size_t at = 0; scan && at < in.len; count++) {
      uint64_t value = 0;
      for (unsigned shift = 0; at < in.len; shift += 7) {
        uint8_t byte = in.data[at++];
        value |= (uint64_t)(byte & 127) << (shift & 63);
        if (byte < 128)
          break;
      }
      sum += value;
    }
    round_stop();
  }
  stop_rounds(0);
  printf(", \"bytes\": %zu, \"numbers\": %" PRIu64 ", \"sum\": %" PRIu64 "}\n", in.len, count / ROUNDS, sum);
  free(copy);
}

int main(int argc, char **argv)
{
  if (argc < 3)
    die("which workload, which file?");
  struct input in = read_file(argv[2]);
  const char *what = argv[1];
  const gesso_buffer nothing = { 0 };
#define IS(name) (strcmp(what, name) == 0)
  digesting = argc == 4 && strcmp(argv[3], "digest") == 0;
  if (IS("keystrokes") || IS("once") || IS("array") || IS("overwrite"))
    edits(in, what);
  else if (IS("array-bulk"))
    array_bulk(in);
  else if (IS("hundred"))
    hundred(in);
  else if (IS("two-users"))
    two_users(in);
  else if (IS("both-users"))
    both_users(in);
  else if (IS("apply") || IS("fold"))
    apply(in, what[0] == 'f');
  else if (IS("load") || IS("load2"))
    load(in, what[4] == '2');
  else if (IS("heap") || IS("heap2"))
    heap(in, what[4] == '2');
  else if (IS("rooms"))
    rooms(in);
  else if (IS("encode") || IS("encode2"))
    encode(in, nothing, false, what[6] == '2', ROUNDS);
  else if (IS("nothing-new"))
    encode(in, nothing, true, false, ROUNDS);
  else if (IS("diff") || IS("diff2"))
    encode(in, half_of(argv[2]), false, what[4] == '2', ROUNDS);
  else if (IS("once-encode") || IS("once-encode2"))
    encode(in, nothing, false, what[11] == '2', 1);
  else if (IS("merge") || IS("merge2"))
    merge(in, what[5] == '2', ROUNDS);
  else if (IS("merge-all"))
    merge(in, false, 3);
  else if (IS("cut"))
    cut(in, nothing, false);
  else if (IS("cut-half") || IS("cut-half2"))
    cut(in, half_of(argv[2]), what[8] == '2');
  else if (IS("vector-of"))
    vector_of(in);
  else if (IS("floor-copy") || IS("floor-scan"))
    floors(in, what[6] == 's');
  else
    die("unknown workload");
  free(in.data);
  return 0;
}
