/* sim: many days, one after the other. See README.md. */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void usage(void)
{
  printf("sim [--seeds N] [--first N] [--seed N] [--jobs N] [--plant NAME] [--verbose]\n"
         "  --seeds N     so many days, from --first (1) on\n"
         "  --seed N      this one alone, and print the hash of all that happened\n"
         "  --twice       each day twice: the same must happen\n"
         "  --plant NAME  with a bug; ends well when a day finds it. Names:");
  for (int p = 1; p < PLANTS; p++)
    printf(" %s", plant_name((plant)p));
  printf("\n");
}

enum { FOLDER = 200 };

typedef struct options {
  uint64_t first, count;
  uint32_t jobs;
  bool twice, one;
} options;

static void add(day_result *sum, const day_result *r)
{
  sum->events += r->events;
  sum->edits += r->edits;
  sum->kills += r->kills;
  sum->cuts += r->cuts;
  sum->faults += r->faults;
  sum->operations += r->operations;
}

/* The folder of the lock file; the database itself is in memory. */
static void make_folder(char folder[FOLDER])
{
  char path[FOLDER + 20];
  const char *tmp = getenv("TMPDIR");
  (void)snprintf(folder, FOLDER, "%s/gesso-sim-XXXXXX", tmp != NULL ? tmp : "/tmp");
  if (mkdtemp(folder) == NULL) {
    perror(folder);
    exit(2);
  }
  (void)snprintf(path, sizeof path, "%.*s/gesso.db", FOLDER, folder); /* the check looks whether it is there */
  FILE *f = fopen(path, "w");
  if (f != NULL)
    (void)fclose(f);
}

static void remove_folder(const char *folder)
{
  char path[FOLDER + 20];
  (void)snprintf(path, sizeof path, "%.*s/gesso.db", FOLDER, folder);
  (void)unlink(path);
  (void)snprintf(path, sizeof path, "%.*s/gesso.lock", FOLDER, folder);
  (void)unlink(path);
  (void)rmdir(folder);
}

/* Every `jobs`th day, beginning with the `job`th. */
static void run_days(const options *o, uint32_t job, const char *folder, day_result *sum)
{
  for (uint64_t i = job; i < o->count; i += o->jobs) {
    day_result r, again;
    day(o->first + i, folder, &r);
    if (o->twice) {
      day(o->first + i, folder, &again);
      if (again.hash != r.hash)
        violated("the second time something else happened");
    }
    if (o->one)
      printf("seed %llu: hash %016llx, %llu events, %llu edits, %llu kills, %llu power cuts, %llu faults, %llu operations\n",
             (unsigned long long)o->first, (unsigned long long)r.hash, (unsigned long long)r.events,
             (unsigned long long)r.edits, (unsigned long long)r.kills, (unsigned long long)r.cuts,
             (unsigned long long)r.faults, (unsigned long long)r.operations);
    if (r.faults == 0 || r.kills + r.cuts == 0)
      violated("a day without a fault or a crash");
    add(sum, &r);
    if (job == 0 && i != 0 && (i / o->jobs) % 500 == 0 && planted == PLANT_NONE) {
      printf("%llu days\n", (unsigned long long)i);
      (void)fflush(stdout);
    }
  }
}

/* In a process of its own, so that a violation ends it and not us. Its sums come through the pipe. */
static pid_t start_job(const options *o, uint32_t job, const char *folder, int pipe_end)
{
  (void)fflush(stdout);
  pid_t pid = fork();
  if (pid != 0)
    return pid;
  day_result sum = { 0 };
  trace_catch_crashes();
  run_days(o, job, folder, &sum);
  (void)fflush(stdout);
  if (write(pipe_end, &sum, sizeof sum) != (ssize_t)sizeof sum)
    _exit(2);
  exit(0); /* not _exit: a sanitizer looks for leaks */
}

static int run_all(const options *o)
{
  enum { JOBS_MAX = 64 };
  char folders[JOBS_MAX][FOLDER];
  pid_t pids[JOBS_MAX];
  int ends[2];
  uint32_t jobs = o->jobs > JOBS_MAX ? JOBS_MAX : o->jobs, bad = 0, found = 0;
  double started = os_real_seconds();
  day_result sum = { 0 }, one;
  if (pipe(ends) != 0)
    return 2;
  for (uint32_t i = 0; i < jobs; i++) {
    make_folder(folders[i]);
    pids[i] = start_job(o, i, folders[i], ends[1]);
  }
  for (uint32_t i = 0; i < jobs; i++) {
    int status = 0;
    while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
      ;
    bool violation = WIFEXITED(status) && WEXITSTATUS(status) == FAIL_STATUS;
    if (status == 0 && read(ends[0], &one, sizeof one) == (ssize_t)sizeof one)
      add(&sum, &one);
    else
      bad++;
    found += violation;
    remove_folder(folders[i]);
  }
  double seconds = os_real_seconds() - started;
  if (planted != PLANT_NONE) {
    printf("%s is %s\n", plant_name(planted), found != 0 ? "found" : "not found");
    return found != 0 ? 0 : 1;
  }
  if (bad == 0)
    printf("%llu days in %.1f s (%.1f a second): %llu events, %llu edits, %llu kills, %llu power cuts, %llu disk faults, "
           "%llu disk operations\n",
           (unsigned long long)o->count, seconds, (double)o->count / seconds, (unsigned long long)sum.events,
           (unsigned long long)sum.edits, (unsigned long long)sum.kills, (unsigned long long)sum.cuts,
           (unsigned long long)sum.faults, (unsigned long long)sum.operations);
  return bad == 0 ? 0 : 1;
}

static uint64_t number_of(const char *text)
{
  char *end;
  uint64_t n = text == NULL ? 0 : strtoull(text, &end, 10);
  if (text == NULL || *end != '\0' || end == text) {
    usage();
    exit(2);
  }
  return n;
}

int main(int argc, char **argv)
{
  options o = { .first = 1, .count = 100, .jobs = 1 };
  static char again[80];
  for (int i = 1; i < argc; i++) {
    const char *a = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
    if (strcmp(a, "--verbose") == 0) {
      trace_verbose = true;
    } else if (strcmp(a, "--twice") == 0) {
      o.twice = true;
    } else if (strcmp(a, "--seeds") == 0) {
      o.count = number_of(next), i++;
    } else if (strcmp(a, "--first") == 0) {
      o.first = number_of(next), i++;
    } else if (strcmp(a, "--seed") == 0) {
      o.first = number_of(next), o.count = 1, o.one = true, i++;
    } else if (strcmp(a, "--jobs") == 0) {
      o.jobs = (uint32_t)number_of(next), i++;
    } else if (strcmp(a, "--plant") == 0) {
      for (int p = 1; p < PLANTS; p++)
        if (next != NULL && strcmp(next, plant_name((plant)p)) == 0)
          planted = (plant)p;
      if (planted == PLANT_NONE) {
        usage();
        return 2;
      }
      (void)snprintf(again, sizeof again, "--plant %s", next);
      trace_arguments = again;
      trace_brief = !trace_verbose;
      i++;
    } else {
      usage();
      return strcmp(a, "--help") == 0 ? 0 : 2;
    }
  }
  if (o.jobs == 0)
    o.jobs = 1;
  disk_register();
  return run_all(&o);
}
