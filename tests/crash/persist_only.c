/* A program that knows gesso by its installed headers alone: it draws on a board, saves, and is
 * killed; started again, it must find what it drew. It times every call that it makes.
 *
 *   persist_only write FOLDER    draws, saves, prints the JSON and the longest call, and waits for its end
 *   persist_only load FOLDER     prints the JSON of what is there
 *   persist_only delete FOLDER   deletes a board that has a save pending
 *   persist_only flush FOLDER FAIL_FILE
 *                                counts what could not be written: 0, and not 0 while syncs fail
 *
 * Exit 3: a call took longer than a millisecond. One during which the kernel took the processor away
 * is not counted (ru_nivcsw), one that waited for something is. */
#include <gesso/persistence.h>
#include <gesso/types.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double longest_us, longest_undisturbed_us;
static const char *longest_call = "";
static unsigned long calls;

typedef struct timing {
  struct timespec t;
  long preempted;
} timing;

static timing start(void)
{
  timing t;
  struct rusage u;
  (void)getrusage(RUSAGE_THREAD, &u);
  t.preempted = u.ru_nivcsw;
  (void)clock_gettime(CLOCK_MONOTONIC, &t.t);
  return t;
}

static void stop(timing t, const char *call)
{
  struct timespec end;
  struct rusage u;
  (void)clock_gettime(CLOCK_MONOTONIC, &end);
  (void)getrusage(RUSAGE_THREAD, &u);
  double us = (double)(end.tv_sec - t.t.tv_sec) * 1e6 + (double)(end.tv_nsec - t.t.tv_nsec) / 1e3;
  calls++;
  longest_us = us > longest_us ? us : longest_us;
  if (u.ru_nivcsw == t.preempted && us > longest_undisturbed_us) {
    longest_undisturbed_us = us;
    longest_call = call;
  }
}

/* Makes a call that must be accepted. */
#define CALL(expr)                                                                                                     \
  do {                                                                                                                 \
    timing timing_ = start();                                                                                          \
    gesso_status status_ = (expr);                                                                                     \
    stop(timing_, #expr);                                                                                                     \
    if (status_ != GESSO_OK)                                                                                           \
      die(#expr, gesso_status_text(status_));                                                                          \
  } while (0)

static void die(const char *what, const char *why)
{
  fprintf(stderr, "persist_only: %s: %s\n", what, why);
  exit(1);
}

static gesso_bytes text(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

static gesso_persistence *p;

/* Dispatches until *flag, as an event loop would: sleeping outside of the library. */
static void until(const int *flag)
{
  while (!*flag) {
    struct timespec ts = { 0, 2000000 };
    (void)nanosleep(&ts, NULL);
    timing t = start();
    (void)gesso_persistence_dispatch(p);
    stop(t, "gesso_persistence_dispatch(p)");
  }
}

static void on_done(void *ctx, gesso_status status)
{
  int *flag = ctx;
  *flag = 1 + (int)status;
}

static void on_ready(void *ctx, gesso_status status, const char *message)
{
  if (status != GESSO_OK)
    die("ready", message);
  *(int *)ctx = 1;
}

static void open_folder(const char *folder)
{
  gesso_persistence_options o = { .size = sizeof o, .folder = folder, .owner = "persist_only" };
  gesso_buffer why = { 0 };
  int ready = 0;
  CALL(gesso_persistence_open(&o, &p, &why));
  gesso_buffer_free(&why);
  CALL(gesso_persistence_ready(p, on_ready, &ready));
  until(&ready);
}

static void print_json(gesso_doc *doc)
{
  gesso_buffer json = { 0 };
  if (gesso_type_to_json(doc, gesso_doc_root(doc, text("shapes"), GESSO_MAP), GESSO_MAP, &json) != GESSO_OK)
    die("json", "failed");
  printf("%.*s\n", (int)json.len, (const char *)json.data);
  (void)fflush(stdout);
  gesso_buffer_free(&json);
}

static void draw(gesso_doc *doc, int from, int to)
{
  char key[32], value[96];
  gesso_type shapes = gesso_doc_root(doc, text("shapes"), GESSO_MAP);
  for (int i = from; i < to; i++) {
    (void)snprintf(key, sizeof key, "shape%d", i % 25);
    (void)snprintf(value, sizeof value, "{\"x\":%d,\"y\":%d,\"label\":\"p\xc3\xa2t\xc3\xa9 \xf0\x9f\x8e\xa8\"}", i, i * 3);
    gesso_value v = { .kind = GESSO_VALUE_JSON, .bytes = text(value) };
    CALL(gesso_map_set(doc, shapes, text(key), v, NULL)); /* journalled by the way */
  }
}

static int run_write(const char *folder)
{
  int saved = 0, debounced = 0;
  open_folder(folder);
  gesso_doc *doc = gesso_doc_create(NULL);
  CALL(gesso_board_persistence_attach(p, text("board"), 0, doc, NULL, NULL, NULL));
  draw(doc, 0, 500);
  CALL(gesso_board_persistence_save_debounced(p, text("board"), on_done, &debounced));
  CALL(gesso_board_persistence_save(p, text("board"), on_done, &saved));
  until(&saved);
  if (saved != 1)
    die("save", gesso_status_text((gesso_status)(saved - 1)));
  /* What comes after the save is journalled; it is safe when its own completion says so. */
  int synced = 0;
  CALL(gesso_board_persistence_detach(p, doc));
  CALL(gesso_board_persistence_attach(p, text("board"), 0, doc, NULL, on_done, &synced));
  draw(doc, 500, 501);
  until(&synced);
  print_json(doc);
  return 0;
}

static void on_load(void *ctx, gesso_board_load *load)
{
  if (load->result != GESSO_LOAD_FOUND)
    die("load", load->message);
  print_json(load->doc);
  *(int *)ctx = 1;
}

static int run_load(const char *folder)
{
  int loaded = 0;
  open_folder(folder);
  CALL(gesso_board_persistence_load(p, text("board"), on_load, &loaded));
  until(&loaded);
  return 0;
}

static void on_load_deleted(void *ctx, gesso_board_load *load)
{
  *(int *)ctx = 1 + (load->result == GESSO_LOAD_DELETED);
}

static int run_delete(const char *folder)
{
  int saved = 0, late = 0, deleted = 0, loaded = 0;
  open_folder(folder);
  gesso_doc *doc = gesso_doc_create(NULL);
  CALL(gesso_board_persistence_attach(p, text("doomed"), 0, doc, NULL, NULL, NULL));
  draw(doc, 0, 10);
  CALL(gesso_board_persistence_save_debounced(p, text("doomed"), on_done, &saved));
  CALL(gesso_board_persistence_delete(p, text("doomed"), 0, on_done, &deleted));
  CALL(gesso_board_persistence_detach(p, doc));
  CALL(gesso_board_persistence_attach(p, text("doomed"), 0, doc, NULL, on_done, &late));
  draw(doc, 10, 11);
  until(&saved);
  until(&deleted);
  until(&late);
  CALL(gesso_board_persistence_load(p, text("doomed"), on_load_deleted, &loaded));
  until(&loaded);
  printf("pending save: %s; delete: %s; late update: %s; load: %s\n", gesso_status_text((gesso_status)(saved - 1)),
         gesso_status_text((gesso_status)(deleted - 1)), gesso_status_text((gesso_status)(late - 1)),
         loaded == 2 ? "deleted" : "NOT deleted");
  CALL(gesso_board_persistence_detach(p, doc));
  gesso_doc_destroy(doc);
  return saved == 1 + GESSO_E_DELETED && deleted == 1 && late == 1 + GESSO_E_DELETED && loaded == 2 ? 0 : 1;
}

typedef struct counted {
  int done;
  uint64_t n;
} counted;

static void on_count(void *ctx, uint64_t failed)
{
  counted *c = ctx;
  c->done = 1;
  c->n = failed;
}

static int run_flush(const char *folder, const char *fail_file)
{
  counted none = { 0, 0 }, some = { 0, 0 }, again = { 0, 0 };
  open_folder(folder);
  gesso_doc *a = gesso_doc_create(NULL), *b = gesso_doc_create(NULL);
  CALL(gesso_board_persistence_attach(p, text("a"), 0, a, NULL, NULL, NULL));
  CALL(gesso_board_persistence_attach(p, text("b"), 0, b, NULL, NULL, NULL));
  draw(a, 0, 20);
  draw(b, 0, 20);
  CALL(gesso_persistence_flush_pending(p, on_count, &none));
  until(&none.done);
  FILE *f = fopen(fail_file, "w");
  if (f == NULL || fclose(f) != 0)
    die("cannot make", fail_file);
  draw(a, 20, 30);
  draw(b, 20, 30);
  CALL(gesso_persistence_flush_pending(p, on_count, &some));
  until(&some.done);
  (void)unlink(fail_file);
  /* Kept in memory and tried again: now it works. */
  while (!again.done || again.n != 0) {
    again.done = 0;
    CALL(gesso_persistence_flush_pending(p, on_count, &again));
    until(&again.done);
  }
  printf("boards that could not be written: %llu, with a failing disk %llu, after it %llu\n", (unsigned long long)none.n,
         (unsigned long long)some.n, (unsigned long long)again.n);
  CALL(gesso_board_persistence_detach(p, a));
  CALL(gesso_board_persistence_detach(p, b));
  gesso_doc_destroy(a);
  gesso_doc_destroy(b);
  return none.n == 0 && some.n == 2 ? 0 : 1;
}

int main(int argc, char **argv)
{
  if (argc < 3 || (strcmp(argv[1], "flush") == 0 && argc < 4)) {
    fprintf(stderr, "usage: persist_only write|load|delete FOLDER | flush FOLDER FAIL_FILE\n");
    return 2;
  }
  int rc;
  if (strcmp(argv[1], "write") == 0)
    rc = run_write(argv[2]);
  else if (strcmp(argv[1], "load") == 0)
    rc = run_load(argv[2]);
  else if (strcmp(argv[1], "delete") == 0)
    rc = run_delete(argv[2]);
  else
    rc = run_flush(argv[2], argv[3]);
  fprintf(stderr, "%s: %lu calls, the longest took %.0f us; of those left undisturbed %.0f us (%.*s)\n", argv[1], calls,
          longest_us, longest_undisturbed_us, (int)strcspn(longest_call, "("), longest_call);
  if (strcmp(argv[1], "write") == 0 && rc == 0) {
    printf("longest %.0f\n", longest_undisturbed_us);
    (void)fflush(stdout);
    for (;;)
      (void)pause(); /* for kill -9 */
  }
  const char *limit = getenv("GESSO_CALL_MAX_US");
  return rc == 0 && longest_undisturbed_us > (limit != NULL ? atof(limit) : 1000) ? 3 : rc;
}
