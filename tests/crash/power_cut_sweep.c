/* Cuts the power after every write and every sync of a run that appends, saves, names versions, restores, deletes,
 * purges, folds, cuts the journal, vacuums and checkpoints over 20 boards, and opens what each cut leaves:
 *
 *   - the folder opens;
 *   - every update that had been acknowledged before the cut is there, and every version that had been named;
 *   - a board whose deletion had been acknowledged is deleted;
 *   - every board that there is can be read;
 *   - `gesso check` finds nothing.
 *
 * usage: power_cut_sweep [--operations N] [--every N] [--jobs N] [--seed N] [--durability N]
 *
 * The run is recorded once; the cuts are made from the record by several processes. --every 16 looks at each
 * sixteenth cut only. With --durability 1 updates are acknowledged before the sync, and the sweep passes when it
 * finds some missing: the suite runs it so, to see that it can. */
#include "power_cut.h"
#include "store_fixture.h"

#include "store/check.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BOARDS = 20, UPDATES_MAX = 200000, MORTALS_MAX = 20000, VERSIONS_MAX = 20000 };

enum { NOTE_ISSUED, NOTE_ACKED, NOTE_BORN, NOTE_MORTAL, NOTE_DEATH, NOTE_GONE, NOTE_VERSION };

/* Update i belongs to board i % BOARDS, is made by client i + 1 and sets one key of its own. Boards "d<n>" live shortly. */
typedef struct known {
  uint32_t issued, mortals, versions;
  uint8_t acked[UPDATES_MAX], born[MORTALS_MAX], gone[MORTALS_MAX], death[MORTALS_MAX];
  uint64_t version[VERSIONS_MAX]; /* board << 32 | id */
} known;

typedef struct shared {
  uint64_t cuts, looked_for, missing, versions;
} shared;

static power_disk disk;
static known now;
static shared *sum;
static uint32_t durability, jobs, job;
static uint64_t operations, every, seed;

/* --- the run --- */

typedef struct pending_note {
  int note;
  uint64_t value;
} pending_note;

static void done(void *ctx, gesso_status status)
{
  pending_note *n = ctx;
  assert_int_equal(status, GESSO_OK);
  power_note(&disk, n->note, n->value);
  free(n);
}

static void named(void *ctx, gesso_status status, uint64_t id)
{
  pending_note *n = ctx;
  if (status == GESSO_OK)
    power_note(&disk, n->note, n->value << 32 | id);
  free(n);
}

static pending_note *later(int note, uint64_t value)
{
  pending_note *n = malloc(sizeof *n);
  assert_non_null(n);
  *n = (pending_note){ note, value };
  return n;
}

static void sleep_us(long us)
{
  struct timespec ts = { 0, us * 1000 };
  (void)nanosleep(&ts, NULL);
}

static void board_name(char *out, size_t size, uint32_t i)
{
  (void)snprintf(out, size, "board %u", i % BOARDS);
}

static void append_one(store *s, uint32_t i)
{
  char board[32], key[32], value[200];
  board_name(board, sizeof board, i);
  (void)snprintf(key, sizeof key, "k%u", i);
  (void)snprintf(value, sizeof value, "%0*u", (int)(i % 150 + 1), i);
  gesso_buffer u = update_set((uint64_t)i + 1, key, value);
  assert_int_equal(gesso_board_persistence_append(s->p, text(board), 0, (gesso_bytes){ u.data, u.len },
                                                  GESSO_APPEND_TRUSTED, NULL, done, later(NOTE_ACKED, i)),
                   GESSO_OK);
  gesso_buffer_free(&u);
}

static void mortal(store *s, uint32_t n)
{
  char board[32];
  (void)snprintf(board, sizeof board, "d%u", n);
  gesso_buffer u = update_set(1, "k", "v");
  assert_int_equal(gesso_board_persistence_append(s->p, text(board), 0, (gesso_bytes){ u.data, u.len }, 0, NULL, done,
                                                  later(NOTE_BORN, n)),
                   GESSO_OK);
  gesso_buffer_free(&u);
}

static void kill_one(store *s, uint32_t n)
{
  char board[32];
  (void)snprintf(board, sizeof board, "d%u", n);
  power_note(&disk, NOTE_DEATH, n);
  assert_int_equal(gesso_board_persistence_delete(s->p, text(board), n % 2 ? GESSO_DELETE_PURGE : 0, done,
                                                  later(NOTE_GONE, n)),
                   GESSO_OK);
}

static void run(store *s)
{
  uint64_t rng = seed * 2 + 77;
  uint32_t i = 0, mortals = 0, dead = 0;
  char board[32];
  while (i < UPDATES_MAX - 100 && power_operations(&disk) < operations) {
    uint32_t burst = (uint32_t)(power_random(&rng) % 12) + 1, b = (uint32_t)power_random(&rng) % BOARDS;
    board_name(board, sizeof board, b);
    power_note(&disk, NOTE_ISSUED, i + burst);
    for (uint32_t k = 0; k < burst; k++)
      append_one(s, i++);
    switch (power_random(&rng) % 20) {
    case 0:
      assert_int_equal(gesso_board_persistence_save(s->p, text(board), NULL, NULL), GESSO_OK);
      break;
    case 1:
      power_note(&disk, NOTE_MORTAL, ++mortals);
      mortal(s, mortals - 1);
      break;
    case 2:
      if (dead + 2 < mortals)
        kill_one(s, dead++);
      break;
    case 3:
      store_advance_ms(s, 1200); /* long enough for the store to tidy up */
      sleep_us(3000);
      break;
    case 4:
      assert_int_equal(gesso_board_persistence_version_name(s->p, text(board), 0, text("v"), named,
                                                            later(NOTE_VERSION, b)),
                       GESSO_OK);
      break;
    case 5:
      store_advance_ms(s, 7 * 60 * 1000); /* a pause: the next folds keep versions */
      break;
    default:
      store_advance_ms(s, power_random(&rng) % 40);
      break;
    }
    (void)gesso_persistence_wait(s->p, (int)(power_random(&rng) % 3));
  }
}

/* --- the cuts --- */

static bool wanted(void *ctx, uint64_t operation)
{
  (void)ctx;
  return operation % every == 0 && operation / every % jobs == job;
}

static void note(void *ctx, int what, uint64_t value)
{
  (void)ctx;
  switch (what) {
  case NOTE_ISSUED:
    now.issued = (uint32_t)value;
    break;
  case NOTE_ACKED:
    now.acked[value] = 1;
    break;
  case NOTE_MORTAL:
    now.mortals = (uint32_t)value;
    break;
  case NOTE_BORN:
    now.born[value] = 1;
    break;
  case NOTE_DEATH:
    now.death[value] = 1;
    break;
  case NOTE_GONE:
    now.gone[value] = 1;
    break;
  default:
    now.version[now.versions++] = value;
    break;
  }
}

/* Something acknowledged is not there: an end of the run, or what it is looking for. */
static void missing(uint64_t n, const char *board, const char *what)
{
  if (durability == GESSO_DURABILITY_DISK)
    fail_msg("cut %llu: %s: %s", (unsigned long long)n, board, what);
  (void)__atomic_add_fetch(&sum->missing, 1, __ATOMIC_RELAXED);
}

static void check_boards(store *s, uint64_t n)
{
  for (uint32_t b = 0; b < BOARDS; b++) {
    char name[32], key[32];
    board_name(name, sizeof name, b);
    loaded l = store_load(s, name);
    if (l.result != GESSO_LOAD_FOUND && l.result != GESSO_LOAD_NEVER_EXISTED)
      fail_msg("cut %llu: %s: %s", (unsigned long long)n, name, l.message);
    for (uint32_t i = b; i < now.issued; i += BOARDS) {
      if (!now.acked[i])
        continue;
      (void)snprintf(key, sizeof key, "k%u", i);
      gesso_buffer json = { 0 };
      if (l.result != GESSO_LOAD_FOUND)
        missing(n, name, "the board is gone, and updates were acknowledged");
      else if (gesso_map_get_json(l.doc, gesso_doc_root(l.doc, text("m"), GESSO_MAP), text(key), &json) != GESSO_OK)
        missing(n, name, "an update was acknowledged and is missing");
      gesso_buffer_free(&json);
      (void)__atomic_add_fetch(&sum->looked_for, 1, __ATOMIC_RELAXED);
    }
    gesso_doc_destroy(l.doc);
  }
}

static void check_mortals(store *s, uint64_t n)
{
  for (uint32_t i = 0; i < now.mortals; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "d%u", i);
    loaded l = store_load(s, name);
    gesso_doc_destroy(l.doc);
    if (now.gone[i] && l.result != GESSO_LOAD_DELETED)
      missing(n, name, "it was deleted, that was acknowledged, and it is back");
    if (now.born[i] && !now.death[i] && l.result != GESSO_LOAD_FOUND)
      missing(n, name, "it was acknowledged and is missing");
    if (l.result == GESSO_LOAD_UNREADABLE)
      fail_msg("cut %llu: %s: %s", (unsigned long long)n, name, l.message);
  }
}

static void check_versions(store *s, uint64_t n)
{
  static version_list list;
  for (uint32_t b = 0; b < BOARDS; b++) {
    char name[32];
    board_name(name, sizeof name, b);
    store_versions(s, name, &list);
    for (uint32_t i = 0; i < now.versions; i++) {
      bool there = (now.version[i] >> 32) != b;
      for (size_t k = 0; k < list.count && !there; k++)
        there = list.v[k].id == (now.version[i] & UINT32_MAX);
      if (!there)
        missing(n, name, "a version was named, that was acknowledged, and it is missing");
    }
    (void)__atomic_add_fetch(&sum->versions, list.count, __ATOMIC_RELAXED);
  }
}

static void found(void *ctx, const gs_finding *f)
{
  (void)ctx;
  print_message("%s %llu of %.*s: %s\n", gs_table_name(f->table), (unsigned long long)f->key, (int)f->board.len,
                f->board.len == 0 ? "" : (const char *)f->board.data, f->why);
}

static void check_cut(void *ctx, const char *folder, uint64_t n)
{
  store s;
  (void)ctx;
  memset(&s, 0, sizeof s);
  (void)snprintf(s.folder, sizeof s.folder, "%s", folder);
  s.disk.hooks = (gs_vfs_hooks){ 0 };
  s.options = (gesso_persistence_options){ .size = sizeof s.options };
  gesso_status opened = store_try_open(&s);
  if (opened != GESSO_OK)
    fail_msg("cut %llu: the folder does not open: %s", (unsigned long long)n, gesso_status_text(opened));
  check_boards(&s, n);
  check_mortals(&s, n);
  check_versions(&s, n);
  (void)store_close(&s);
  gs_check_counts counts;
  gs_check_watch watch = { found, NULL, NULL };
  gesso_buffer why = { 0 };
  gesso_status st = gs_check(s.folder, 0, &watch, &counts, &why);
  if (st != GESSO_OK || counts.findings != 0)
    fail_msg("cut %llu: the check found %llu: %.*s", (unsigned long long)n, (unsigned long long)counts.findings,
             (int)why.len, why.len == 0 ? "" : (const char *)why.data);
  remove_folder(folder);
  (void)__atomic_add_fetch(&sum->cuts, 1, __ATOMIC_RELAXED);
}

static uint64_t option(int argc, char **argv, const char *name, uint64_t otherwise)
{
  for (int i = 1; i + 1 < argc; i++) {
    if (strcmp(argv[i], name) == 0)
      return strtoull(argv[i + 1], NULL, 10);
  }
  return otherwise;
}

static void replay(const char *base)
{
  char folder[240];
  pid_t children[64];
  for (job = 0; job < jobs; job++) {
    (void)fflush(NULL);
    children[job] = fork();
    assert_true(children[job] >= 0);
    if (children[job] != 0)
      continue;
    (void)snprintf(folder, sizeof folder, "%s/job%uXXXXXX", base, job);
    assert_non_null(mkdtemp(folder));
    const power_replay r = { folder, seed, wanted, note, check_cut, NULL };
    power_disk_replay(&disk, &r);
    _exit(0); /* a failure ends elsewhere, with another status */
  }
  for (uint32_t i = 0; i < jobs; i++) {
    int status;
    assert_int_equal(waitpid(children[i], &status, 0), children[i]);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
}

static void power_cuts_lose_nothing_that_was_acknowledged(void **state)
{
  (void)state;
  static store s;
  store_init(&s);
  s.manual_clock = true;
  power_disk_init(&disk);
  s.disk.hooks = disk.hooks;
  s.options.durability = durability;
  s.options.debounce_ms = 300;
  s.options.journal_bytes_max = 60000;
  s.options.wal_bytes_max = 1000000;
  store_open(&s);
  run(&s);
  gesso_persistence_stats st = store_stats(&s);
  (void)store_close(&s);
  sum = mmap(NULL, sizeof *sum, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(sum != MAP_FAILED);
  replay(s.folder);
  print_message("seed %llu: %llu cut points of %llu (%llu writes, %llu syncs): %llu acknowledged updates looked for, %llu "
                "missing, %llu versions seen; the run had %llu updates, %llu commits, %llu folds, %llu checkpoints\n",
                (unsigned long long)seed, (unsigned long long)sum->cuts, (unsigned long long)disk.operations,
                (unsigned long long)disk.writes, (unsigned long long)disk.syncs, (unsigned long long)sum->looked_for,
                (unsigned long long)sum->missing, (unsigned long long)sum->versions,
                (unsigned long long)st.updates_appended, (unsigned long long)st.commits, (unsigned long long)st.folds,
                (unsigned long long)st.checkpoints);
  assert_true(sum->cuts >= operations / every);
  if (durability == GESSO_DURABILITY_DISK)
    assert_true(st.folds > 0 && st.checkpoints > 0 && sum->versions > 0);
  else
    assert_true(sum->missing > 0);
  power_disk_finish(&disk);
  store_finish(&s);
}

int main(int argc, char **argv)
{
  operations = option(argc, argv, "--operations", 5200);
  every = option(argc, argv, "--every", 16);
  jobs = (uint32_t)option(argc, argv, "--jobs", 2);
  seed = option(argc, argv, "--seed", 20261);
  durability = (uint32_t)option(argc, argv, "--durability", 0);
  jobs = jobs > 64 ? 64 : jobs;
  const struct CMUnitTest tests[] = { cmocka_unit_test(power_cuts_lose_nothing_that_was_acknowledged) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
