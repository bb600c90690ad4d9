/* kill -9 under 10,000 updates a second over 500 boards: a process writes, and tells through a pipe which updates may be
 * shown to others (`written`). At a random moment it is killed. Everything that it had told of must be there, the folder must
 * open, and the check must find nothing.
 *
 * usage: kill9_load [--kills N] [--boards N] [--rate PER_SECOND] [--seed N] */
#include "power_cut.h"
#include "store_fixture.h"

#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { UPDATES_MAX = 1u << 24, ROUNDS_IN_A_FOLDER = 20 };

static uint32_t kills, boards, rate;
static uint64_t seed;

static void board_name(char *out, size_t size, uint32_t i)
{
  (void)snprintf(out, size, "board %u", i % boards);
}

/* --- the process that dies --- */

static uint32_t told[16384];
static size_t told_count;
static int pipe_fd;

static void tell(void)
{
  const uint8_t *at = (const uint8_t *)told;
  size_t left = told_count * sizeof *told;
  while (left != 0) {
    ssize_t n = write(pipe_fd, at, left);
    if (n < 0 && errno != EINTR)
      _exit(1);
    if (n > 0) {
      at += n;
      left -= (size_t)n;
    }
  }
  told_count = 0;
}

static void on_written(void *ctx, gesso_status status)
{
  if (status != GESSO_OK)
    _exit(2);
  told[told_count++] = (uint32_t)(uintptr_t)ctx;
  if (told_count == sizeof told / sizeof *told)
    tell();
}

static _Noreturn void write_until_killed(store *s, uint32_t first, int fd)
{
  char board[32], key[32];
  pipe_fd = fd;
  store_open(s);
  uint64_t begin = gs_clock_mono_us(NULL);
  for (uint32_t i = 0; i < UPDATES_MAX - first;) {
    uint64_t due = (gs_clock_mono_us(NULL) - begin) * rate / 1000000;
    for (int burst = 0; i < due && burst < 500; i++, burst++) {
      uint32_t id = first + i;
      board_name(board, sizeof board, id);
      (void)snprintf(key, sizeof key, "k%u", id % 200); /* boards stay small: what is overwritten is collected */
      char value[16];
      (void)snprintf(value, sizeof value, "%u", id);
      gesso_buffer u = update_set((uint64_t)id + 1, key, value);
      if (gesso_board_persistence_append(s->p, text(board), 0, (gesso_bytes){ u.data, u.len }, GESSO_APPEND_TRUSTED,
                                         on_written, NULL, (void *)(uintptr_t)id) != GESSO_OK)
        _exit(3);
      gesso_buffer_free(&u);
    }
    (void)gesso_persistence_wait(s->p, 1);
    tell();
  }
  _exit(4);
}

/* --- the one that looks --- */

static uint32_t seen_count, lost;
static uint64_t seen_total;
static uint32_t *seen;

/* Reads what comes for a while, kills, reads the rest. */
static void take_from(int fd, pid_t child, uint64_t after_us)
{
  static uint8_t bytes[1 << 16];
  size_t have = 0;
  uint64_t begin = 0;
  bool killed = false;
  for (;;) {
    uint64_t now = gs_clock_mono_us(NULL);
    if (!killed && begin != 0 && now >= begin + after_us) {
      killed = true;
      assert_int_equal(kill(child, SIGKILL), 0);
    }
    ssize_t n = read(fd, bytes + have, sizeof bytes - have);
    if (n == 0)
      break;
    if (n < 0) {
      struct timespec ts = { 0, 200000 };
      (void)nanosleep(&ts, NULL);
      continue;
    }
    if (begin == 0)
      begin = now; /* the clock runs from the first update on */
    have += (size_t)n;
    for (size_t at = 0; at + 4 <= have; at += 4)
      memcpy(&seen[seen_count++], bytes + at, 4);
    memmove(bytes, bytes + have / 4 * 4, have % 4);
    have %= 4;
    assert_true(seen_count < UPDATES_MAX);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* An update is there when its client is in the state vector: what it set may have been overwritten since. */
static void look_for(store *s)
{
  for (uint32_t b = 0; b < boards; b++) {
    char name[32];
    bool any = false;
    for (uint32_t i = 0; i < seen_count && !any; i++)
      any = seen[i] % boards == b;
    if (!any)
      continue;
    board_name(name, sizeof name, b);
    loaded l = store_load(s, name);
    if (l.result != GESSO_LOAD_FOUND)
      fail_msg("%s: %s", name, l.message);
    gesso_buffer json;
    assert_int_equal(gesso_doc_state_vector_json(l.doc, &json), GESSO_OK);
    char *sv = strndup((const char *)json.data, json.len);
    for (uint32_t i = 0; i < seen_count; i++) {
      char client[32];
      if (seen[i] % boards != b)
        continue;
      (void)snprintf(client, sizeof client, "\"%u\":", seen[i] + 1);
      lost += strstr(sv, client) == NULL;
    }
    free(sv);
    gesso_buffer_free(&json);
    gesso_doc_destroy(l.doc);
  }
}

static void nothing_that_was_shown_is_lost(void **state)
{
  (void)state;
  static store s;
  uint64_t rng = seed * 2 + 1;
  uint32_t first = 0;
  seen = malloc(UPDATES_MAX * sizeof *seen);
  assert_non_null(seen);
  for (uint32_t round = 0; round < kills; round++) {
    int fds[2];
    if (round % ROUNDS_IN_A_FOLDER == 0) {
      if (round != 0)
        store_finish(&s);
      store_init(&s);
      s.disk.hooks = (gs_vfs_hooks){ 0 };
      first = 0;
    }
    assert_int_equal(pipe(fds), 0);
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      (void)close(fds[0]);
      write_until_killed(&s, first, fds[1]);
    }
    (void)close(fds[1]);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    seen_count = 0;
    take_from(fds[0], child, 20000 + power_random(&rng) % 300000);
    (void)close(fds[0]);
    store_open(&s);
    look_for(&s);
    (void)store_close(&s);
    gs_check_counts counts;
    assert_int_equal(gs_check(s.folder, 0, NULL, &counts, NULL), GESSO_OK);
    assert_int_equal(counts.findings, 0);
    seen_total += seen_count;
    for (uint32_t i = 0; i < seen_count; i++)
      first = GS_MAX(first, seen[i] + 1);
    first += 100000; /* those that nobody was told of may be there as well: they keep their ids */
    if (lost != 0)
      fail_msg("kill %u: %u updates lost", round + 1, lost);
  }
  print_message("%u kills (seed %llu), %u boards: %llu updates had been shown, %u lost\n", kills, (unsigned long long)seed,
                boards, (unsigned long long)seen_total, lost);
  store_finish(&s);
  free(seen);
}

static uint64_t option(int argc, char **argv, const char *name, uint64_t otherwise)
{
  for (int i = 1; i + 1 < argc; i++) {
    if (strcmp(argv[i], name) == 0)
      return strtoull(argv[i + 1], NULL, 10);
  }
  return otherwise;
}

int main(int argc, char **argv)
{
  kills = (uint32_t)option(argc, argv, "--kills", 10);
  boards = (uint32_t)option(argc, argv, "--boards", 500);
  rate = (uint32_t)option(argc, argv, "--rate", 10000);
  seed = option(argc, argv, "--seed", 20261);
  const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_that_was_shown_is_lost) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
