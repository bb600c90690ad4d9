/* What the store costs: durable updates a second, bytes written for each byte of update, and the size
 * of the folder, for updates handed in by groups of 1, 10, 100 and 1000 over 100 boards.
 *
 * usage: bench_store [FOLDER [SECONDS]]
 *
 * "written" is what the kernel counted as sent to the disk (write_bytes of /proc/self/io), so FOLDER
 * must lie on one. The next group is handed in when the one before is synced. */
#include "gesso/gesso.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BOARDS = 100, UPDATE_BYTES = 60 };

static unsigned long waiting;

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

static void on_synced(void *ctx, gesso_status status)
{
  (void)ctx;
  waiting--;
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
  gesso_persistence_options o = { .size = sizeof o, .folder = folder, .owner = "bench_store" };
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
  while (now_s() < begin + seconds) {
    for (unsigned i = 0; i < group; i++, n++) {
      unsigned b = (unsigned)(n % BOARDS);
      (void)snprintf(value, sizeof value, "{\"x\":%llu,\"y\":%llu}", n, n * 7 % 1000);
      gesso_value v = { .kind = GESSO_VALUE_JSON, .bytes = text(value) };
      if (gesso_map_set(docs[b], gesso_doc_root(docs[b], text("shapes"), GESSO_MAP), text("s"), v, NULL) != GESSO_OK)
        exit(1);
      (void)snprintf(name, sizeof name, "board-%u-%u", group, b);
      if (gesso_board_persistence_append(p, text(name), 0, updates[b], GESSO_APPEND_TRUSTED, NULL, on_synced, NULL) !=
          GESSO_OK)
        exit(1);
      waiting++;
      bytes += updates[b].len;
    }
    while (waiting != 0)
      (void)gesso_persistence_wait(p, 1000);
  }
  double took = now_s() - begin;
  disk = written_bytes() - disk;
  gesso_persistence_stats st = { .size = sizeof st };
  if (gesso_persistence_get_stats(p, &st) != GESSO_OK)
    exit(1);
  printf("%6u %12.0f %10.0f %10llu %14.1f %10llu %10llu %12llu\n", group, (double)n / took, (double)st.commits / took,
         (unsigned long long)st.syncs, (double)disk / (double)bytes, (unsigned long long)st.folds,
         (unsigned long long)st.wal_bytes_peak / 1024, (unsigned long long)st.database_bytes / 1024);
  (void)fflush(stdout);
  for (int i = 0; i < BOARDS; i++)
    gesso_doc_destroy(docs[i]);
  gesso_persistence_destroy(p);
}

int main(int argc, char **argv)
{
  static const unsigned groups[] = { 1, 10, 100, 1000 };
  char folder[256];
  double seconds = argc > 2 ? atof(argv[2]) : 5;
  (void)snprintf(folder, sizeof folder, "%.200s", argc > 1 ? argv[1] : "/tmp/gesso-bench-store");
  printf("%6s %12s %10s %10s %14s %10s %10s %12s\n", "group", "durable/s", "commits/s", "syncs", "written/byte", "folds",
         "log KB", "database KB");
  for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++)
    run(folder, groups[i], seconds);
  return 0;
}
