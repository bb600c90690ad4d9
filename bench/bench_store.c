/* What the store costs: durable updates a second, how long an acknowledgement takes, bytes written for each byte of
 * update, and the size of the folder, for updates handed in by groups of 1, 10, 100 and 1000 over 200 boards, while folds
 * and checkpoints run beside it. Then, for comparison, a plain loop over SQLite that inserts the same updates as rows, the
 * same number in a transaction, synced at each commit, without boards, states, checksums or anything else.
 *
 * usage: bench_store [FOLDER [SECONDS]]
 *
 * "written" is what the kernel counted as sent to the disk (write_bytes of /proc/self/io), so FOLDER
 * must lie on one. Up to 8 groups are on their way at a time; boards are folded once a second. */
#include "gesso/gesso.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BOARDS = 200, UPDATE_BYTES = 60 };

/* Groups on their way: the next one is handed in while those before are being written. */
enum { IN_FLIGHT = 8 };

typedef struct group_on_its_way {
  double handed_in;
  unsigned left;
} group_on_its_way;

static group_on_its_way on_their_way[IN_FLIGHT];

static double now_s(void)
{
  struct timespec ts;
  (void)clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static unsigned long long written_bytes(void)
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

/* Microseconds that groups took from hand-in to the last acknowledgement. */
static uint32_t *took_us;
static size_t took_count, took_cap;

static void note_time(double seconds)
{
  if (took_count == took_cap) {
    took_cap = took_cap == 0 ? 4096 : took_cap * 2;
    took_us = realloc(took_us, took_cap * sizeof *took_us);
    if (took_us == NULL)
      exit(1);
  }
  took_us[took_count++] = (uint32_t)(seconds * 1e6);
}

static int by_value(const void *a, const void *b)
{
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

/* In ms. */
static double percentile(double p)
{
  qsort(took_us, took_count, sizeof *took_us, by_value);
  return took_count == 0 ? 0 : took_us[(size_t)((double)(took_count - 1) * p)] / 1000.0;
}

static void on_synced(void *ctx, gesso_status status)
{
  group_on_its_way *g = ctx;
  if (--g->left == 0)
    note_time(now_s() - g->handed_in);
  if (status != GESSO_OK) {
    fprintf(stderr, "bench_store: %s\n", gesso_status_text(status));
    exit(1);
  }
}

static gesso_bytes text(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

/* Takes the last update that a document emitted. */
static void keep(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  gesso_bytes *out = ctx;
  static uint8_t bytes[1024];
  (void)doc;
  (void)origin;
  (void)local;
  memcpy(bytes, update.data, update.len);
  *out = (gesso_bytes){ bytes, update.len };
}

static void run(const char *folder, unsigned group, double seconds)
{
  gesso_persistence_options o = {
    .size = sizeof o, .folder = folder, .owner = "bench_store", .debounce_ms = 500, .max_wait_ms = 1000
  };
  gesso_persistence *p;
  gesso_buffer why = { 0 };
  if (gesso_persistence_open(&o, &p, &why) != GESSO_OK) {
    fprintf(stderr, "bench_store: %.*s\n", (int)why.len, (const char *)why.data);
    exit(1);
  }
  gesso_doc *docs[BOARDS];
  gesso_bytes updates[BOARDS];
  char name[32], value[UPDATE_BYTES];
  for (int i = 0; i < BOARDS; i++) {
    docs[i] = gesso_doc_create(NULL);
    gesso_subscription s;
    if (gesso_doc_observe_update(docs[i], 1, keep, &updates[i], &s) != GESSO_OK)
      exit(1);
  }
  unsigned long long n = 0, bytes = 0, disk = written_bytes();
  double begin = now_s();
  took_count = 0;
  while (now_s() < begin + seconds) {
    group_on_its_way *g = NULL;
    for (int i = 0; i < IN_FLIGHT && g == NULL; i++)
      if (on_their_way[i].left == 0)
        g = &on_their_way[i];
    if (g == NULL) {
      (void)gesso_persistence_wait(p, 1000);
      continue;
    }
    *g = (group_on_its_way){ now_s(), group };
    for (unsigned i = 0; i < group; i++, n++) {
      unsigned b = (unsigned)(n % BOARDS);
      (void)snprintf(value, sizeof value, "{\"x\":%llu,\"y\":%llu}", n, n * 7 % 1000);
      gesso_value v = { .kind = GESSO_VALUE_JSON, .bytes = text(value) };
      if (gesso_map_set(docs[b], gesso_doc_root(docs[b], text("shapes"), GESSO_MAP), text("s"), v, NULL) != GESSO_OK)
        exit(1);
      (void)snprintf(name, sizeof name, "board-%u-%u", group, b);
      if (gesso_board_persistence_append(p, text(name), 0, updates[b], GESSO_APPEND_TRUSTED, NULL, on_synced, g) !=
          GESSO_OK)
        exit(1);
      bytes += updates[b].len;
    }
    (void)gesso_persistence_dispatch(p);
  }
  for (int i = 0; i < IN_FLIGHT; i++)
    while (on_their_way[i].left != 0)
      (void)gesso_persistence_wait(p, 1000);
  double took = now_s() - begin;
  disk = written_bytes() - disk;
  gesso_persistence_stats st = { .size = sizeof st };
  if (gesso_persistence_get_stats(p, &st) != GESSO_OK)
    exit(1);
  printf("%6u %12.0f %8.2f %8.2f %10.0f %10llu %14.1f %10llu %10llu %12llu\n", group, (double)n / took, percentile(0.5),
         percentile(0.99), (double)st.commits / took, (unsigned long long)st.syncs,
         (double)disk / (double)bytes, (unsigned long long)st.folds,
         (unsigned long long)st.wal_bytes_peak / 1024, (unsigned long long)st.database_bytes / 1024);
  (void)fflush(stdout);
  for (int i = 0; i < BOARDS; i++)
    gesso_doc_destroy(docs[i]);
  gesso_persistence_destroy(p);
}

/* The loop that everybody would write first. */
static void plain(const char *folder, unsigned group, double seconds)
{
  char path[320], value[UPDATE_BYTES];
  sqlite3 *db;
  sqlite3_stmt *st;
  (void)snprintf(path, sizeof path, "%s/plain-%u.db", folder, group);
  if (sqlite3_open(path, &db) != SQLITE_OK ||
      sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE u(id INTEGER PRIMARY KEY, board INTEGER,"
                       " data BLOB)", NULL, NULL, NULL) != SQLITE_OK ||
      sqlite3_prepare_v2(db, "INSERT INTO u(board, data) VALUES(?, ?)", -1, &st, NULL) != SQLITE_OK)
    exit(1);
  unsigned long long n = 0;
  double begin = now_s();
  took_count = 0;
  memset(value, 'x', sizeof value);
  while (now_s() < begin + seconds) {
    double handed_in = now_s();
    (void)sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    for (unsigned i = 0; i < group; i++, n++) {
      (void)sqlite3_bind_int64(st, 1, (sqlite3_int64)(n % BOARDS));
      (void)sqlite3_bind_blob(st, 2, value, sizeof value, SQLITE_STATIC);
      (void)sqlite3_step(st);
      (void)sqlite3_reset(st);
    }
    if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
      exit(1);
    note_time(now_s() - handed_in);
  }
  printf("%6u %12.0f %8.2f %8.2f   plain SQLite\n", group, (double)n / (now_s() - begin), percentile(0.5), percentile(0.99));
  (void)sqlite3_finalize(st);
  (void)sqlite3_close(db);
}

int main(int argc, char **argv)
{
  static const unsigned groups[] = { 1, 10, 100, 1000 };
  char folder[256];
  double seconds = argc > 2 ? atof(argv[2]) : 5;
  (void)snprintf(folder, sizeof folder, "%.200s", argc > 1 ? argv[1] : "/tmp/gesso-bench-store");
  printf("%6s %12s %8s %8s %10s %10s %14s %10s %10s %12s\n", "group", "durable/s", "p50 ms", "p99 ms", "commits/s",
         "syncs", "written/byte", "folds",
         "log KB", "database KB");
  for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
    run(folder, groups[i], seconds);
  for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
    plain(folder, groups[i], seconds);
  free(took_us);
  return 0;
}
