/* Cuts the power at many moments of a run that appends, saves, deletes, folds, cuts the journal,
 * vacuums and checkpoints, and opens what each cut leaves:
 *
 *   - the folder opens, and the database is sound;
 *   - every update that had been acknowledged before the cut is there;
 *   - a board whose deletion had been acknowledged is deleted;
 *   - every board that there is can be read.
 *
 * usage: power_cut_sweep [--cuts N] [--seed N] [--durability N]
 *
 * With --durability 1 updates are acknowledged before the sync, and the sweep passes when it finds some
 * missing: the suite runs it so, to see that it can. */
#include "power_cut.h"
#include "store_fixture.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { BOARDS = 6, UPDATES_MAX = 200000 };

/* Update i belongs to board i % BOARDS, is made by client i + 1 and sets one key of its own. */
static atomic_uchar acked[UPDATES_MAX];
/* Boards that live shortly: "d<n>". */
static atomic_uchar born[UPDATES_MAX / 10], gone[UPDATES_MAX / 10];
static atomic_uint issued, mortal_issued;
static atomic_uchar death_issued[UPDATES_MAX / 10];

typedef struct noted {
  uint32_t updates, mortals;
  uint8_t *acked, *born, *gone, *death_issued;
} noted;

static noted *notes;
static uint32_t cuts, durability;
static uint64_t seed, found_missing;

static uint8_t *copy(const atomic_uchar *from, size_t n)
{
  uint8_t *out = malloc(n + 1);
  for (size_t i = 0; i < n; i++)
    out[i] = atomic_load(&from[i]);
  return out;
}

/* Acknowledgements first: what they say must be in the image that is taken after. What was merely
 * asked for is looked at last. */
static void on_cut(void *ctx, uint32_t n)
{
  (void)ctx;
  noted *k = &notes[n];
  k->updates = atomic_load(&issued);
  k->mortals = atomic_load(&mortal_issued);
  k->acked = copy(acked, k->updates);
  k->born = copy(born, k->mortals);
  k->gone = copy(gone, k->mortals);
  k->death_issued = copy(death_issued, k->mortals);
}

static void set_byte(void *ctx, gesso_status status)
{
  assert_int_equal(status, GESSO_OK);
  atomic_store((atomic_uchar *)ctx, 1);
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
                                                  GESSO_APPEND_TRUSTED, NULL, set_byte, &acked[i]),
                   GESSO_OK);
  gesso_buffer_free(&u);
}

static void mortal(store *s, uint32_t n)
{
  char board[32];
  (void)snprintf(board, sizeof board, "d%u", n);
  gesso_buffer u = update_set(1, "k", "v");
  assert_int_equal(gesso_board_persistence_append(s->p, text(board), 0, (gesso_bytes){ u.data, u.len }, 0, NULL,
                                                  set_byte, &born[n]),
                   GESSO_OK);
  gesso_buffer_free(&u);
}

static void run(store *s, power_disk *disk)
{
  uint64_t rng = seed * 2 + 77;
  uint32_t i = 0, m = 0;
  while (i < UPDATES_MAX - 100) {
    (void)pthread_mutex_lock(&disk->lock);
    bool enough = disk->cuts >= cuts;
    (void)pthread_mutex_unlock(&disk->lock);
    if (enough)
      break;
    uint32_t burst = (uint32_t)(power_random(&rng) % 12) + 1;
    atomic_store(&issued, i + burst);
    for (uint32_t k = 0; k < burst; k++)
      append_one(s, i++);
    switch (power_random(&rng) % 16) {
    case 0: {
      char board[32];
      board_name(board, sizeof board, (uint32_t)power_random(&rng));
      assert_int_equal(gesso_board_persistence_save(s->p, text(board), NULL, NULL), GESSO_OK);
      break;
    }
    case 1:
      atomic_store(&mortal_issued, m + 1);
      mortal(s, m++);
      break;
    case 2:
      if (m > 2 && !atomic_load(&death_issued[m - 2])) {
        char board[32];
        (void)snprintf(board, sizeof board, "d%u", m - 2);
        atomic_store(&death_issued[m - 2], 1);
        assert_int_equal(gesso_board_persistence_delete(s->p, text(board), m % 2 ? GESSO_DELETE_PURGE : 0, set_byte,
                                                        &gone[m - 2]),
                         GESSO_OK);
      }
      break;
    case 3:
      store_advance_ms(s, 1200); /* long enough for the store to tidy up */
      sleep_us(3000);
      break;
    default:
      store_advance_ms(s, power_random(&rng) % 40);
      break;
    }
    (void)gesso_persistence_wait(s->p, (int)(power_random(&rng) % 3));
  }
}

/* Something acknowledged is not there: an end of the run, or what it is looking for. */
static void missing(uint32_t n, const char *board, const char *what)
{
  if (durability == GESSO_DURABILITY_DISK)
    fail_msg("cut %u: %s: %s", n, board, what);
  found_missing++;
}

static void check_cut(const char *folder, uint32_t n)
{
  const noted *k = &notes[n];
  store s;
  memset(&s, 0, sizeof s);
  (void)snprintf(s.folder, sizeof s.folder, "%.180s/cut%u", folder, n);
  s.disk.hooks = (gs_vfs_hooks){ NULL, NULL, NULL };
  s.options = (gesso_persistence_options){ .size = sizeof s.options };
  gesso_status opened = store_try_open(&s);
  if (opened != GESSO_OK)
    fail_msg("cut %u: the folder does not open: %s", n, gesso_status_text(opened));
  for (uint32_t b = 0; b < BOARDS; b++) {
    char name[32], key[32];
    board_name(name, sizeof name, b);
    loaded l = store_load(&s, name);
    if (l.result != GESSO_LOAD_FOUND && l.result != GESSO_LOAD_NEVER_EXISTED)
      fail_msg("cut %u: %s: %s", n, name, l.message);
    for (uint32_t i = b; i < k->updates; i += BOARDS) {
      if (!k->acked[i])
        continue;
      (void)snprintf(key, sizeof key, "k%u", i);
      gesso_buffer json = { 0 };
      if (l.result != GESSO_LOAD_FOUND)
        missing(n, name, "the board is gone, and updates were acknowledged");
      else if (gesso_map_get_json(l.doc, gesso_doc_root(l.doc, text("m"), GESSO_MAP), text(key), &json) != GESSO_OK)
        missing(n, name, "an update was acknowledged and is missing");
      gesso_buffer_free(&json);
    }
    gesso_doc_destroy(l.doc);
  }
  for (uint32_t i = 0; i < k->mortals; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "d%u", i);
    loaded l = store_load(&s, name);
    gesso_doc_destroy(l.doc);
    if (k->gone[i] && l.result != GESSO_LOAD_DELETED)
      missing(n, name, "it was deleted, that was acknowledged, and it is back");
    if (k->born[i] && !k->death_issued[i] && l.result != GESSO_LOAD_FOUND)
      missing(n, name, "it was acknowledged and is missing");
    if (l.result == GESSO_LOAD_UNREADABLE)
      fail_msg("cut %u: %s: %s", n, name, l.message);
  }
  (void)store_close(&s);
  char command[300];
  assert_int_equal(store_sql_int(&s, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
  (void)snprintf(command, sizeof command, "rm -r '%s'", s.folder);
  assert_int_equal(system(command), 0); /* NOLINT */
}

static uint64_t option(int argc, char **argv, const char *name, uint64_t otherwise)
{
  for (int i = 1; i + 1 < argc; i++) {
    if (strcmp(argv[i], name) == 0)
      return strtoull(argv[i + 1], NULL, 10);
  }
  return otherwise;
}


static void power_cuts_lose_nothing_that_was_acknowledged(void **state)
{
  (void)state;
  static power_disk disk;
  store s;
  store_init(&s);
  s.manual_clock = true;
  notes = calloc(cuts, sizeof *notes);
  power_disk_init(&disk, seed, s.folder, 80, 23, cuts);
  disk.on_cut = on_cut;
  s.disk.hooks = disk.hooks;
  s.options.durability = durability;
  s.options.debounce_ms = 300;
  s.options.journal_bytes_max = 60000;
  s.options.wal_bytes_max = 3000000;
  store_open(&s);
  run(&s, &disk);
  gesso_persistence_stats st = store_stats(&s);
  (void)store_close(&s);
  uint32_t total = 0, updates = 0;
  for (uint32_t n = 0; n < disk.cuts; n++) {
    check_cut(s.folder, n);
    total++;
    for (uint32_t i = 0; i < notes[n].updates; i++)
      updates += notes[n].acked[i];
    free(notes[n].acked);
    free(notes[n].born);
    free(notes[n].gone);
    free(notes[n].death_issued);
  }
  print_message("%u power cuts (seed %llu): %u acknowledged updates looked for, %llu missing; the run had %llu updates, "
                "%llu commits, %llu syncs, %llu folds, %llu checkpoints\n",
                total, (unsigned long long)seed, updates, (unsigned long long)found_missing,
                (unsigned long long)st.updates_appended,
                (unsigned long long)st.commits, (unsigned long long)st.syncs, (unsigned long long)st.folds,
                (unsigned long long)st.checkpoints);
  assert_int_equal(total, cuts);
  if (durability == GESSO_DURABILITY_DISK)
    assert_true(st.folds > 0 && st.checkpoints > 0);
  else
    assert_true(found_missing > 0);
  free(notes);
  power_disk_finish(&disk);
  store_finish(&s);
}

int main(int argc, char **argv)
{
  cuts = (uint32_t)option(argc, argv, "--cuts", 300);
  seed = option(argc, argv, "--seed", 20261);
  durability = (uint32_t)option(argc, argv, "--durability", 0);
  const struct CMUnitTest tests[] = { cmocka_unit_test(power_cuts_lose_nothing_that_was_acknowledged) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
