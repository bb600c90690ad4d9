/* What the store costs, and that it keeps its bounds.
 *
 * usage: bench_store [--folder F] [--seconds S] [--hours H] [--only durable|day|drags] [--group N]
 *
 * durable   updates handed in by groups of 1, 10, 100 and 1000 over 200 boards, each with a callback when it may be shown and one
 *           when it may be acknowledged, while folds (each board once a second) and checkpoints run. Beside it a plain loop over
 *           SQLite that inserts the same updates as rows, as many in a transaction, synced at each commit, without boards, states,
 *           checksums or anything else. The two take turns, S seconds each in the end.
 * day       see store_bounds.c; H simulated hours: 1 unless told otherwise, `make bench-all` takes 24
 * drags     see store_drags.c
 *
 * "written/byte" is what the kernel counted as sent to the disk (write_bytes of /proc/self/io) for each byte of update, so F must
 * lie on one. Up to 8 groups are on their way at a time. */
#include "store_bench.h"

#include "base/alloc.h"
#include "store/hooks.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Groups on their way: the next one is handed in while those before are being written. */
enum { IN_FLIGHT = 8, ROUNDS = 2, RATE_MAX = 500000, SYNC_LATE_MS = 50 };

double bench_now_s(void)
{
  struct timespec ts;
  (void)clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double bench_cpu_s(void)
{
  struct timespec ts;
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

double bench_thread_cpu_s(void)
{
  struct timespec ts;
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

uint64_t bench_written_bytes(void)
{
  unsigned long long n = 0;
  char line[128];
  FILE *f = fopen("/proc/self/io", "r");
  while (f != NULL && fgets(line, sizeof line, f) != NULL)
    (void)sscanf(line, "write_bytes: %llu", &n);
  if (f != NULL)
    (void)fclose(f);
  return n;
}

gesso_bytes bench_text(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

void bench_check(gesso_status status, const char *what)
{
  if (status == GESSO_OK)
    return;
  fprintf(stderr, "bench_store: %s: %s\n", what, gesso_status_text(status));
  exit(1);
}

/* --- the last lines --- */

static char lines[32][160];
static int line_count;

void bench_line(const char *what, double figure, const char *unit, bool at_least, double asked)
{
  bool kept = at_least ? figure >= asked : figure <= asked;
  if (line_count < (int)(sizeof lines / sizeof lines[0]))
    (void)snprintf(lines[line_count++], sizeof lines[0], "%-66s %12.2f %-10s %s %10.2f  %s", what, figure, unit,
                   at_least ? "at least" : "at most ", asked, kept ? "yes" : "NO");
}

/* --- times --- */

typedef struct times {
  uint32_t *us;
  size_t count, cap;
} times;

static times shown, acknowledged, plain_commits;

static void note_time(times *t, double seconds)
{
  if (t->count == t->cap) {
    t->cap = t->cap == 0 ? 65536 : t->cap * 2;
    t->us = realloc(t->us, t->cap * sizeof *t->us);
    if (t->us == NULL)
      exit(1);
  }
  t->us[t->count++] = (uint32_t)(seconds * 1e6);
}

static int by_value(const void *a, const void *b)
{
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

/* In ms. */
static double percentile(times *t, double p)
{
  qsort(t->us, t->count, sizeof *t->us, by_value);
  return t->count == 0 ? 0 : t->us[(size_t)((double)(t->count - 1) * p)] / 1000.0;
}

/* --- input --- */

typedef struct collector {
  bench_updates *to;
  size_t size, cap;
} collector;

static void keep(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  collector *c = ctx;
  (void)doc;
  (void)origin;
  (void)local;
  if (c->size + update.len > c->cap) {
    c->cap = c->cap == 0 ? 1u << 20 : c->cap * 2;
    c->to->bytes = realloc(c->to->bytes, c->cap);
    if (c->to->bytes == NULL)
      exit(1);
  }
  memcpy(c->to->bytes + c->size, update.data, update.len);
  c->size += update.len;
  c->to->ends[c->to->count++] = (uint32_t)c->size;
}

static gesso_bytes update_at(const bench_updates *u, size_t i)
{
  uint32_t from = i == 0 ? 0 : u->ends[i - 1];
  return (gesso_bytes){ u->bytes + from, u->ends[i] - from };
}

/* A shape on each board is dragged about. */
static void make_updates(bench_updates *out, size_t count)
{
  gesso_doc *docs[BENCH_BOARDS];
  collector c = { out, 0, 0 };
  *out = (bench_updates){ .ends = malloc(count * sizeof *out->ends) };
  if (out->ends == NULL)
    exit(1);
  for (int i = 0; i < BENCH_BOARDS; i++) {
    gesso_subscription s;
    docs[i] = gesso_doc_create(NULL);
    bench_check(gesso_doc_observe_update(docs[i], 1, keep, &c, &s), "observe");
  }
  for (size_t n = 0; n < count; n++) {
    char value[64];
    gesso_doc *doc = docs[n % BENCH_BOARDS];
    (void)snprintf(value, sizeof value, "{\"x\":%zu,\"y\":%zu}", n, n * 7 % 1000);
    gesso_value v = { .kind = GESSO_VALUE_JSON, .bytes = bench_text(value) };
    bench_check(gesso_map_set(doc, gesso_doc_root(doc, bench_text("shapes"), GESSO_MAP), bench_text("s"), v, NULL), "set");
  }
  for (int i = 0; i < BENCH_BOARDS; i++)
    gesso_doc_destroy(docs[i]);
}

/* --- gesso --- */

typedef struct group_on_its_way {
  double handed_in;
  unsigned to_show, to_acknowledge;
} group_on_its_way;

static group_on_its_way on_their_way[IN_FLIGHT];

static void on_written(void *ctx, gesso_status status)
{
  group_on_its_way *g = ctx;
  bench_check(status, "written");
  if (--g->to_show == 0)
    note_time(&shown, bench_now_s() - g->handed_in);
}

static void on_synced(void *ctx, gesso_status status)
{
  group_on_its_way *g = ctx;
  bench_check(status, "synced");
  if (--g->to_acknowledge == 0)
    note_time(&acknowledged, bench_now_s() - g->handed_in);
}

typedef struct figures {
  size_t updates, bytes;
  double seconds, caller_cpu, cpu;
  uint64_t disk;
  gesso_persistence_stats stats;
  double plain_rate;
  size_t plain_updates;
  double plain_seconds, plain_cpu;
} figures;

static group_on_its_way *free_group(gesso_persistence *p)
{
  for (;;) {
    for (int i = 0; i < IN_FLIGHT; i++) {
      if (on_their_way[i].to_acknowledge == 0)
        return &on_their_way[i];
    }
    (void)gesso_persistence_wait(p, 1000);
  }
}

static void run(gesso_persistence *p, const bench_updates *u, unsigned group, double seconds, figures *f)
{
  static char names[BENCH_BOARDS][32];
  for (int i = 0; i < BENCH_BOARDS; i++)
    (void)snprintf(names[i], sizeof names[i], "board-%u-%d", group, i);
  double begin = bench_now_s(), cpu = bench_cpu_s(), caller = bench_thread_cpu_s();
  uint64_t disk = bench_written_bytes();
  while (bench_now_s() < begin + seconds && f->updates + group <= u->count) {
    group_on_its_way *g = free_group(p);
    *g = (group_on_its_way){ bench_now_s(), group, group };
    for (unsigned i = 0; i < group; i++) {
      gesso_bytes update = update_at(u, f->updates);
      bench_check(gesso_board_persistence_append(p, bench_text(names[f->updates % BENCH_BOARDS]), 0, update,
                                                 GESSO_APPEND_TRUSTED, on_written, on_synced, g), "append");
      f->bytes += update.len;
      f->updates++;
    }
    (void)gesso_persistence_dispatch(p);
  }
  for (int i = 0; i < IN_FLIGHT; i++) {
    while (on_their_way[i].to_acknowledge != 0)
      (void)gesso_persistence_wait(p, 1000);
  }
  f->seconds += bench_now_s() - begin;
  f->cpu += bench_cpu_s() - cpu;
  f->caller_cpu += bench_thread_cpu_s() - caller;
  f->disk += bench_written_bytes() - disk;
  f->stats.size = sizeof f->stats;
  bench_check(gesso_persistence_get_stats(p, &f->stats), "stats");
}

/* --- the loop that everybody would write first --- */

typedef struct plain_store {
  sqlite3 *db;
  sqlite3_stmt *insert;
} plain_store;

static void plain_open(plain_store *ps, const char *folder, unsigned group)
{
  char path[320];
  (void)snprintf(path, sizeof path, "%s/plain-%u.db", folder, group);
  if (sqlite3_open(path, &ps->db) != SQLITE_OK ||
      sqlite3_exec(ps->db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE IF NOT EXISTS u(id INTEGER PRIMARY KEY,"
                           " board INTEGER, data BLOB)", NULL, NULL, NULL) != SQLITE_OK ||
      sqlite3_prepare_v2(ps->db, "INSERT INTO u(board, data) VALUES(?, ?)", -1, &ps->insert, NULL) != SQLITE_OK)
    exit(1);
}

static void plain_run(plain_store *ps, const bench_updates *u, unsigned group, double seconds, figures *f)
{
  double begin = bench_now_s(), cpu = bench_cpu_s();
  while (bench_now_s() < begin + seconds && f->plain_updates + group <= u->count) {
    double handed_in = bench_now_s();
    (void)sqlite3_exec(ps->db, "BEGIN", NULL, NULL, NULL);
    for (unsigned i = 0; i < group; i++, f->plain_updates++) {
      gesso_bytes update = update_at(u, f->plain_updates);
      (void)sqlite3_bind_int64(ps->insert, 1, (sqlite3_int64)(f->plain_updates % BENCH_BOARDS));
      (void)sqlite3_bind_blob(ps->insert, 2, update.data, (int)update.len, SQLITE_STATIC);
      (void)sqlite3_step(ps->insert);
      (void)sqlite3_reset(ps->insert);
    }
    if (sqlite3_exec(ps->db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
      exit(1);
    note_time(&plain_commits, bench_now_s() - handed_in);
  }
  f->plain_seconds += bench_now_s() - begin;
  f->plain_cpu += bench_cpu_s() - cpu;
}

/* --- both --- */

/* Upper edge, in ms, of the bucket that holds the share `p` of what was counted. */
static double bucket_ms(const uint64_t *buckets, double p)
{
  uint64_t all = 0, seen = 0;
  for (int i = 0; i < GESSO_LATENCY_BUCKETS; i++)
    all += buckets[i];
  for (int i = 0; i < GESSO_LATENCY_BUCKETS; i++) {
    seen += buckets[i];
    if ((double)seen >= (double)all * p)
      return (double)(64u << i) / 1000.0;
  }
  return 0;
}

static void durable(const char *folder, unsigned group, double seconds)
{
  figures f = { 0 };
  bench_updates updates;
  plain_store ps;
  gesso_persistence_options o = {
    .size = sizeof o, .folder = folder, .owner = "bench_store", .debounce_ms = 500, .max_wait_ms = 1000
  };
  gesso_persistence *p;
  make_updates(&updates, GS_MAX((size_t)(seconds * RATE_MAX), (size_t)group) / group * group);
  bench_check(gesso_persistence_open(&o, &p, NULL), folder);
  plain_open(&ps, folder, group);
  shown.count = acknowledged.count = plain_commits.count = 0;
  for (int i = 0; i < ROUNDS; i++) {
    run(p, &updates, group, seconds / ROUNDS, &f);
    plain_run(&ps, &updates, group, seconds / ROUNDS, &f);
  }
  double rate = (double)f.updates / f.seconds, plain_rate = (double)f.plain_updates / f.plain_seconds, n = (double)f.updates;
  printf("%6u %9.0f %9.0f %6.2f %7.2f %7.2f %7.2f %7.2f %7.2f %7.2f ", group, rate, plain_rate, rate / plain_rate,
         percentile(&shown, 0.5), percentile(&shown, 0.99), percentile(&acknowledged, 0.5), percentile(&acknowledged, 0.99),
         percentile(&plain_commits, 0.5), percentile(&plain_commits, 0.99));
  printf("%6.2f %6.2f %6.2f %7.0f %6.0f %6.2f %6.2f %7.1f %6llu %7llu\n", f.caller_cpu / n * 1e6,
         (f.cpu - f.caller_cpu) / n * 1e6, f.plain_cpu / (double)f.plain_updates * 1e6, (double)f.stats.commits / f.seconds,
         (double)f.stats.syncs / f.seconds, bucket_ms(f.stats.commit_us, 0.5), bucket_ms(f.stats.sync_us, 0.5),
         (double)f.disk / (double)f.bytes, (unsigned long long)f.stats.folds, (unsigned long long)f.stats.wal_bytes_peak / 1024);
  (void)fflush(stdout);
  if (group == 100) {
    bench_line("durable updates a second, groups of 100", rate, "/s", true, 80000);
    bench_line("... for each one of plain SQLite", rate / plain_rate, "", true, 1);
    bench_line("an acknowledgement while folds run, p99", percentile(&acknowledged, 0.99), "ms", false, 20);
  }
  gesso_persistence_destroy(p);
  (void)sqlite3_finalize(ps.insert);
  (void)sqlite3_close(ps.db);
  free(updates.bytes);
  free(updates.ends);
}

static int late(void *ctx, gs_vfs_event *ev)
{
  struct timespec ts = { 0, SYNC_LATE_MS * 1000000L };
  (void)ctx;
  if (ev->op == GS_VFS_SYNC)
    (void)nanosleep(&ts, NULL);
  return 0;
}

static void on_ready(void *ctx, gesso_status status, const char *message)
{
  bench_check(status, message);
  *(bool *)ctx = true;
}

/* What is shown waits for no sync, however long it takes. */
static void late_syncs(const char *folder)
{
  figures f = { 0 };
  bench_updates updates;
  gs_vfs_hooks disk = { .before = late };
  gs_persistence_hooks hooks = { .vfs = &disk };
  gesso_persistence_options o = { .size = sizeof o, .folder = folder, .debounce_ms = 500, .max_wait_ms = 1000 };
  gesso_persistence *p;
  make_updates(&updates, RATE_MAX / 5);
  bool ready = false;
  bench_check(gs_persistence_open_with(&o, &hooks, &p, NULL), folder);
  bench_check(gesso_persistence_ready(p, on_ready, &ready), "ready");
  while (!ready)
    (void)gesso_persistence_wait(p, 1000);
  shown.count = acknowledged.count = 0;
  run(p, &updates, 100, 3, &f);
  printf("with every sync %d ms late: shown within %.2f ms (p50), %.2f (p99); acknowledged within %.2f, %.2f\n", SYNC_LATE_MS,
         percentile(&shown, 0.5), percentile(&shown, 0.99), percentile(&acknowledged, 0.5), percentile(&acknowledged, 0.99));
  bench_line("shown while every sync takes 50 ms longer, p99", percentile(&shown, 0.99), "ms", false, 20);
  gesso_persistence_destroy(p);
  free(updates.bytes);
  free(updates.ends);
}

static const char *option(int argc, char **argv, const char *name, const char *otherwise)
{
  for (int i = 1; i + 1 < argc; i++) {
    if (strcmp(argv[i], name) == 0)
      return argv[i + 1];
  }
  return otherwise;
}

/* Each part has a data folder of its own. */
static const char *part(const char *folder, const char *name)
{
  static char path[300];
  (void)snprintf(path, sizeof path, "%s/%s", folder, name);
  (void)mkdir(path, 0700);
  return path;
}

int main(int argc, char **argv)
{
  static const unsigned groups[] = { 1, 10, 100, 1000 };
  const char *only = option(argc, argv, "--only", ""), *parent = option(argc, argv, "--folder", "/tmp");
  double seconds = atof(option(argc, argv, "--seconds", "3")), hours = atof(option(argc, argv, "--hours", "1"));
  unsigned group = (unsigned)atoi(option(argc, argv, "--group", "0"));
  char folder[256], command[300];
  (void)snprintf(folder, sizeof folder, "%.200s/gesso-bench-store-XXXXXX", parent);
  if (mkdtemp(folder) == NULL) {
    fprintf(stderr, "bench_store: no folder can be made in %s\n", parent);
    return 1;
  }
  if (only[0] == '\0' || strcmp(only, "durable") == 0) {
    printf("%6s %9s %9s %6s %15s %15s %15s %20s %7s %6s %13s %7s %6s %7s\n", "", "durable/s", "", "", "shown, ms",
           "acknowledged", "plain commit", "CPU us an update", "commits", "syncs", "ms, median", "written", "", "log");
    printf("%6s %9s %9s %6s %7s %7s %7s %7s %7s %7s %6s %6s %6s %7s %6s %6s %6s %7s %6s %7s\n", "group", "gesso", "plain", "ratio",
           "p50", "p99", "p50", "p99", "p50", "p99", "caller", "store", "plain", "/s", "/s", "commit", "sync", "/byte", "folds", "KB");
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
      if (group == 0 || group == groups[i])
        durable(part(folder, "durable"), groups[i], seconds);
    }
    late_syncs(part(folder, "late"));
  }
  if (only[0] == '\0' || strcmp(only, "day") == 0)
    bench_day(part(folder, "day"), hours);
  if (only[0] == '\0' || strcmp(only, "drags") == 0)
    bench_drags(part(folder, "drags"));
  printf("\n%-66s %12s %-10s %19s  %s\n", "", "measured", "", "asked", "kept");
  for (int i = 0; i < line_count; i++)
    printf("%s\n", lines[i]);
  (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
  return system(command) == 0 ? 0 : 1; /* NOLINT: a name of our own making */
}
