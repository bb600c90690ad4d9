/* The side of a libyrs: the same workloads as engine.c through the C interface of y-crdt's yffi, in a library
 * given by its path, so that any build of it can run beside.
 *
 *   bench_yrs LIBRARY WORKLOAD FILE
 *
 * What that interface has no call for (merge and cut of encoded bytes) is not there. */
#include "libyrs.h"

#include "bench.h"

#include <dlfcn.h>
#include <malloc.h>

/* Each function by its name in the library. */
#define FUNCTIONS(F)                                                                                                   \
  F(ydoc_destroy) F(ydoc_new_with_options) F(yoptions) F(ydoc_read_transaction) F(ydoc_write_transaction)             \
  F(ytransaction_commit) F(ytransaction_apply) F(ytransaction_apply_v2) F(ytransaction_state_vector_v1)               \
  F(ytransaction_state_diff_v1) F(ytransaction_state_diff_v2) F(ybinary_destroy) F(ytext) F(yarray) F(ymap)           \
  F(ytext_len) F(ytext_insert) F(ytext_remove_range) F(yarray_insert_range) F(yarray_remove_range) F(ymap_insert)     \
  F(yinput_float) F(ydoc_observe_updates_v1) F(yunobserve)

#define POINTER(name) static __typeof__(&name) p_##name;
FUNCTIONS(POINTER)

static void open_library(const char *path)
{
  void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (lib == NULL)
    die(dlerror());
#define FIND(name)                                                                                                     \
  if ((*(void **)&p_##name = dlsym(lib, #name)) == NULL)                                                              \
    die("the library has no " #name);
  FUNCTIONS(FIND)
}

static uint64_t update_bytes, updates;

static void count_update(void *ctx, uint32_t len, const char *update)
{
  (void)ctx;
  (void)update;
  update_bytes += len;
  updates++;
}

static YDoc *doc_of(uint64_t client)
{
  YOptions o = p_yoptions();
  if (client != 0)
    o.id = client;
  o.flags |= Y_OFFSET_UTF16; /* as the positions in the input files */
  return p_ydoc_new_with_options(o);
}

/* The C interface takes strings that end in NUL. */
static const char *text_of(gesso_bytes b)
{
  static char *text;
  static size_t cap;
  if (b.len + 1 > cap && (text = realloc(text, cap = 2 * (b.len + 1))) == NULL)
    die("out of memory");
  if (b.len > 0)
    memcpy(text, b.data, b.len);
  text[b.len] = '\0';
  return text;
}

static void edit_text(Branch *text, YTransaction *txn, struct input *in)
{
  uint32_t at = next_u32(in), removed = next_u32(in);
  gesso_bytes added = next_bytes(in);
  if (removed != 0)
    p_ytext_remove_range(text, txn, at, removed);
  if (added.len != 0)
    p_ytext_insert(text, txn, at, text_of(added), NULL);
}

static uint32_t length_of(YDoc *doc, Branch *text)
{
  YTransaction *txn = p_ydoc_read_transaction(doc);
  uint32_t length = p_ytext_len(text, txn);
  p_ytransaction_commit(txn);
  return length;
}

/* --- what is measured --- */

static struct clock {
  double ms, cpu;
} from;

static void start(void)
{
  from = (struct clock){ now_ms(), cpu_ms() };
}

/* Ends what start() began; the caller completes the line. */
static void stop(void)
{
  printf("{\"ms\": %.4f, \"cpu\": %.4f", now_ms() - from.ms, cpu_ms() - from.cpu);
}

static void edits(struct input in, const char *how)
{
  bool text_edits = how[0] == 'k' || how[1] == 'n', once = how[0] == 'o' && how[1] == 'n';
  YDoc *doc = doc_of(1);
  Branch *text = p_ytext(doc, "text"), *array = p_yarray(doc, "array"), *map = p_ymap(doc, "map");
  YSubscription *sub = p_ydoc_observe_updates_v1(doc, NULL, count_update);
  uint32_t count = next_u32(&in);
  start();
  YTransaction *txn = once ? p_ydoc_write_transaction(doc, 0, NULL) : NULL;
  for (uint32_t i = 0; i < count; i++) {
    if (!once)
      txn = p_ydoc_write_transaction(doc, 0, NULL);
    if (text_edits) {
      edit_text(text, txn, &in);
    } else {
      uint32_t at = next_u32(&in), removed = next_u32(&in);
      YInput value = p_yinput_float(strtod(text_of(next_bytes(&in)), NULL));
      if (how[0] == 'a' && removed != 0)
        p_yarray_remove_range(array, txn, at, removed);
      else if (how[0] == 'a')
        p_yarray_insert_range(array, txn, at, &value, 1);
      else
        p_ymap_insert(map, txn, "key", &value);
    }
    if (!once)
      p_ytransaction_commit(txn);
  }
  if (once)
    p_ytransaction_commit(txn);
  stop();
  printf(", \"updates\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"length\": %" PRIu32 "}\n", updates, update_bytes,
         length_of(doc, text));
  p_yunobserve(sub);
  p_ydoc_destroy(doc);
}

struct log {
  gesso_bytes *v;
  size_t n;
  bool keeps;
};

static void keep_update(void *ctx, uint32_t len, const char *update)
{
  struct log *log = ctx;
  if (!log->keeps)
    return;
  uint8_t *copy = malloc(len);
  if (copy == NULL)
    die("out of memory");
  memcpy(copy, update, len);
  log->v[log->n++] = (gesso_bytes){ copy, len };
}

static void apply_one(YDoc *doc, YTransaction *txn, gesso_bytes update, bool v2)
{
  YTransaction *own = txn != NULL ? txn : p_ydoc_write_transaction(doc, 0, NULL);
  uint8_t err = v2 ? p_ytransaction_apply_v2(own, (const char *)update.data, (uint32_t)update.len)
                   : p_ytransaction_apply(own, (const char *)update.data, (uint32_t)update.len);
  if (err != 0)
    die("an update is refused");
  if (txn == NULL)
    p_ytransaction_commit(own);
}

static void finish_users(YDoc *docs[2], Branch *text[2], YSubscription *subs[2], struct log log[2])
{
  printf(", \"length\": %" PRIu32 "}\n", length_of(docs[0], text[0]));
  for (int i = 0; i < 2; i++) {
    p_yunobserve(subs[i]);
    p_ydoc_destroy(docs[i]);
    for (size_t k = 0; k < log[i].n; k++)
      free((void *)(uintptr_t)log[i].v[k].data);
    free(log[i].v);
  }
}

static void two_users(struct input in)
{
  uint32_t count = next_u32(&in);
  YDoc *docs[2];
  Branch *text[2];
  struct log log[2] = { { .keeps = true }, { .keeps = true } };
  YSubscription *subs[2];
  for (int i = 0; i < 2; i++) {
    docs[i] = doc_of((uint64_t)i + 1);
    text[i] = p_ytext(docs[i], "text");
    log[i].v = calloc((size_t)count * 2, sizeof(gesso_bytes));
    subs[i] = p_ydoc_observe_updates_v1(docs[i], &log[i], keep_update);
  }
  start();
  for (uint32_t i = 0; i < count; i++) {
    YTransaction *txn = p_ydoc_write_transaction(docs[i % 2], 0, NULL);
    edit_text(text[i % 2], txn, &in);
    p_ytransaction_commit(txn);
  }
  log[0].keeps = log[1].keeps = false;
  for (int i = 0; i < 2; i++)
    for (size_t k = 0; k < log[i].n; k++)
      apply_one(docs[1 - i], NULL, log[i].v[k], false);
  stop();
  finish_users(docs, text, subs, log);
}

/* The same as both_users of engine.c. */
static void both_users(struct input in)
{
  uint32_t count = next_u32(&in);
  YDoc *docs[2];
  Branch *text[2];
  struct log log[2] = { { 0 } };
  YSubscription *subs[2];
  for (int i = 0; i < 2; i++) {
    docs[i] = doc_of((uint64_t)i + 1);
    text[i] = p_ytext(docs[i], "text");
    log[i].v = calloc(2, sizeof(gesso_bytes));
    log[i].keeps = i == 0;
    subs[i] = p_ydoc_observe_updates_v1(docs[i], &log[i], keep_update);
  }
  YTransaction *txn = p_ydoc_write_transaction(docs[0], 0, NULL);
  edit_text(text[0], txn, &in);
  p_ytransaction_commit(txn);
  apply_one(docs[1], NULL, log[0].v[0], false);
  log[1].keeps = true;
  start();
  for (int i = 0; i < 2; i++) {
    txn = p_ydoc_write_transaction(docs[i], 0, NULL);
    for (uint32_t k = 0; k < count / 2; k++)
      edit_text(text[i], txn, &in);
    p_ytransaction_commit(txn);
    log[i].keeps = false;
  }
  for (int i = 0; i < 2; i++)
    apply_one(docs[i], NULL, log[1 - i].v[log[1 - i].n - 1], false);
  stop();
  finish_users(docs, text, subs, log);
}

static void apply(struct input in, bool fold)
{
  YDoc *doc = doc_of(0);
  Branch *text = p_ytext(doc, "text");
  YSubscription *sub = p_ydoc_observe_updates_v1(doc, NULL, count_update);
  uint32_t count = next_u32(&in);
  start();
  YTransaction *txn = fold ? p_ydoc_write_transaction(doc, 0, NULL) : NULL;
  for (uint32_t i = 0; i < count; i++)
    apply_one(doc, txn, next_bytes(&in), false);
  if (fold)
    p_ytransaction_commit(txn);
  stop();
  printf(", \"length\": %" PRIu32 "}\n", length_of(doc, text));
  p_yunobserve(sub);
  p_ydoc_destroy(doc);
}

static YDoc *loaded(struct input in, bool v2)
{
  YDoc *doc = doc_of(0);
  apply_one(doc, NULL, (gesso_bytes){ in.data, in.len }, v2);
  return doc;
}

static void load(struct input in, bool v2)
{
  for (int i = 0; i < ROUNDS; i++) {
    round_start();
    YDoc *doc = loaded(in, v2);
    round_stop();
    p_ydoc_destroy(doc);
  }
  print_rounds();
  printf("}\n");
}

/* By the process's heap: the library's allocator cannot be asked. */
static void heap(struct input in, bool v2)
{
  struct mallinfo2 before = mallinfo2();
  YDoc *doc = loaded(in, v2);
  struct mallinfo2 after = mallinfo2();
  printf("{\"heap\": %zu}\n", after.uordblks + after.hblkhd - before.uordblks - before.hblkhd);
  p_ydoc_destroy(doc);
}

/* The same as rooms of engine.c. */
static void rooms(struct input in)
{
  enum { N = 1000 };
  static YDoc *docs[N];
  struct mallinfo2 before = mallinfo2();
  double ms = now_ms(), cpu = cpu_ms();
  for (int i = 0; i < N; i++)
    docs[i] = loaded(in, false);
  ms = now_ms() - ms;
  cpu = cpu_ms() - cpu;
  struct mallinfo2 after = mallinfo2();
  printf("{\"ms\": %.4f, \"cpu\": %.4f, \"heap\": %zu}\n", ms / N, cpu / N,
         (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / N);
  for (int i = 0; i < N; i++)
    p_ydoc_destroy(docs[i]);
}

static void array_bulk(struct input in)
{
  YDoc *doc = doc_of(1);
  Branch *array = p_yarray(doc, "array");
  uint32_t count = next_u32(&in);
  YInput *values = calloc(count, sizeof *values);
  if (values == NULL)
    die("out of memory");
  for (uint32_t i = 0; i < count; i++) {
    (void)next_u32(&in);
    (void)next_u32(&in);
    values[i] = p_yinput_float(strtod(text_of(next_bytes(&in)), NULL));
  }
  start();
  YTransaction *txn = p_ydoc_write_transaction(doc, 0, NULL);
  p_yarray_insert_range(array, txn, 0, values, count);
  p_ytransaction_commit(txn);
  stop();
  printf("}\n");
  free(values);
  p_ydoc_destroy(doc);
}

/* `half`: the file with the peer's state vector, when it is not the document's own. */
static void encode(struct input in, bool diff, const char *half, bool v2)
{
  YDoc *doc = loaded(in, false);
  YTransaction *txn = p_ydoc_read_transaction(doc);
  uint32_t sv_len = 0, len = 0;
  char *sv = diff ? p_ytransaction_state_vector_v1(txn, &sv_len) : NULL;
  char name[4096];
  struct input have = { 0 };
  if (half != NULL) {
    if (snprintf(name, sizeof name, "%s.half", half) >= (int)sizeof name)
      die("the path is too long");
    have = read_file(name);
    sv = (char *)have.data;
    sv_len = (uint32_t)have.len;
  }
  for (int i = 0; i < ROUNDS; i++) {
    round_start();
    char *out = v2 ? p_ytransaction_state_diff_v2(txn, sv, sv_len, &len) : p_ytransaction_state_diff_v1(txn, sv, sv_len, &len);
    round_stop();
    p_ybinary_destroy(out, len);
  }
  print_rounds();
  printf(", \"bytes\": %" PRIu32 "}\n", len);
  free(have.data);
  if (diff)
    p_ybinary_destroy(sv, sv_len);
  p_ytransaction_commit(txn);
  p_ydoc_destroy(doc);
}

int main(int argc, char **argv)
{
  if (argc != 4)
    die("which library, which workload, which file?");
  open_library(argv[1]);
  struct input in = read_file(argv[3]);
  const char *what = argv[2];
  if (strcmp(what, "keystrokes") == 0 || strcmp(what, "once") == 0 || strcmp(what, "array") == 0 ||
      strcmp(what, "overwrite") == 0)
    edits(in, what);
  else if (strcmp(what, "two-users") == 0)
    two_users(in);
  else if (strcmp(what, "both-users") == 0)
    both_users(in);
  else if (strcmp(what, "apply") == 0 || strcmp(what, "fold") == 0)
    apply(in, what[0] == 'f');
  else if (strcmp(what, "load") == 0 || strcmp(what, "load2") == 0)
    load(in, what[4] == '2');
  else if (strcmp(what, "heap") == 0 || strcmp(what, "heap2") == 0)
    heap(in, what[4] == '2');
  else if (strcmp(what, "encode") == 0 || strcmp(what, "encode2") == 0 || strcmp(what, "nothing-new") == 0)
    encode(in, what[0] == 'n', NULL, what[0] == 'e' && what[6] == '2');
  else if (strcmp(what, "diff") == 0 || strcmp(what, "diff2") == 0)
    encode(in, false, argv[3], what[4] == '2');
  else if (strcmp(what, "rooms") == 0)
    rooms(in);
  else if (strcmp(what, "array-bulk") == 0)
    array_bulk(in);
  else
    printf("{}\n");
  free(in.data);
  return 0;
}
