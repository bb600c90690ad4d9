/* The event loop and its timers. */
#include "net_test.h"

#include "net/loop.h"
#include "net/wheel.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

static gs_manual_clock mc;
static gs_loop *loop;

static int setup(void **state)
{
  (void)state;
  gs_manual_clock_init(&mc, 123456000, 1700000000000);
  return gs_loop_create(NULL, &mc.clock, &loop) == GESSO_OK ? 0 : -1;
}

static int teardown(void **state)
{
  (void)state;
  gs_loop_destroy(loop);
  return 0;
}

static void turn(void)
{
  assert_int_equal(gs_loop_turn(loop, 0), GESSO_OK);
}

/* ---- timers ---------------------------------------------------------------------------------- */

static unsigned fired;

static void count_fire(gs_timer *timer)
{
  assert_false(gs_timer_running(timer));
  fired++;
}

static void a_timer_fires_once_and_not_early(void **state)
{
  (void)state;
  gs_timer t = { .fire = count_fire };
  fired = 0;
  gs_timer_set(loop, &t, 100);
  assert_true(gs_timer_running(&t));
  gs_manual_clock_advance_ms(&mc, 99);
  turn();
  assert_int_equal(fired, 0);
  mc.us += 999;
  turn();
  assert_int_equal(fired, 0);
  mc.us += 2;
  turn();
  assert_int_equal(fired, 1);
  gs_manual_clock_advance_ms(&mc, 100000);
  turn();
  assert_int_equal(fired, 1);
}

static void a_stopped_timer_does_not_fire(void **state)
{
  (void)state;
  gs_timer t = { .fire = count_fire };
  fired = 0;
  gs_timer_stop(loop, &t);
  gs_timer_set(loop, &t, 5);
  gs_timer_stop(loop, &t);
  assert_false(gs_timer_running(&t));
  gs_manual_clock_advance_ms(&mc, 10);
  turn();
  gs_timer_set(loop, &t, 5);
  gs_timer_set(loop, &t, 50); /* moved */
  gs_manual_clock_advance_ms(&mc, 10);
  turn();
  assert_int_equal(fired, 0);
  gs_manual_clock_advance_ms(&mc, 41);
  turn();
  assert_int_equal(fired, 1);
}

static void set_again(gs_timer *timer)
{
  fired++;
  gs_timer_set(loop, timer, 0);
}

static void a_timer_that_sets_itself_does_not_hold_the_turn(void **state)
{
  (void)state;
  gs_timer t = { .fire = set_again };
  fired = 0;
  gs_timer_set(loop, &t, 0);
  turn();
  assert_int_equal(fired, 1);
  turn();
  turn();
  assert_int_equal(fired, 3);
  gs_timer_stop(loop, &t);
  turn();
  assert_int_equal(fired, 3);
}

static gs_timer victims[2];

static void stop_the_other(gs_timer *timer)
{
  fired++;
  gs_timer_stop(loop, timer == &victims[0] ? &victims[1] : &victims[0]);
}

static void a_timer_may_stop_another_that_is_due(void **state)
{
  (void)state;
  fired = 0;
  for (int i = 0; i < 2; i++) {
    victims[i] = (gs_timer){ .fire = stop_the_other };
    gs_timer_set(loop, &victims[i], 7);
  }
  gs_manual_clock_advance_ms(&mc, 1000);
  turn();
  turn();
  assert_int_equal(fired, 1);
}

/* The wheel against a list that is searched: same timers at the same times, in the same order. */
#define MANY 400
static gs_timer many[MANY];
static uint64_t due[MANY]; /* 0: not running */
static gs_wheel wheel;
static uint64_t last_due;

static void check_fire(gs_timer *timer)
{
  size_t i = (size_t)(timer - many);
  assert_int_not_equal(due[i], 0);
  assert_true(due[i] <= wheel.now);
  assert_true(due[i] >= last_due);
  last_due = due[i];
  due[i] = 0;
}

static void the_wheel_agrees_with_a_searched_list(void **state)
{
  (void)state;
  static const uint64_t reach[] = { 3, 70, 5000, 300000, 20000000, 1000000000 };
  uint64_t seed = 77, now = 1;
  gs_wheel_init(&wheel, now);
  memset(due, 0, sizeof due);
  for (int step = 0; step < 40000; step++) {
    size_t i = test_below(&seed, MANY);
    if (due[i] != 0) {
      gs_wheel_remove(&wheel, &many[i]);
      due[i] = 0;
    }
    if (test_below(&seed, 4) != 0) {
      many[i].fire = check_fire;
      due[i] = now + 1 + test_random(&seed) % reach[test_below(&seed, GS_COUNT(reach))];
      gs_wheel_add(&wheel, &many[i], due[i]);
    }
    uint64_t next = GS_WHEEL_NEVER;
    for (size_t k = 0; k < MANY; k++)
      if (due[k] != 0 && due[k] < next)
        next = due[k];
    uint64_t wake = gs_wheel_next(&wheel);
    assert_true(wake <= next);
    assert_int_equal(wake == GS_WHEEL_NEVER, next == GS_WHEEL_NEVER);
    if (test_below(&seed, 3) == 0)
      now += test_random(&seed) % reach[test_below(&seed, GS_COUNT(reach))];
    else if (next != GS_WHEEL_NEVER && test_below(&seed, 3) == 0)
      now = next;
    last_due = 0;
    gs_wheel_run(&wheel, now);
    for (size_t k = 0; k < MANY; k++)
      assert_true(due[k] == 0 || due[k] > now);
  }
}

static void waiting_ends_when_a_timer_is_due(void **state)
{
  (void)state;
  gs_loop *real;
  gs_timer t = { .fire = count_fire };
  fired = 0;
  assert_int_equal(gs_loop_create(NULL, NULL, &real), GESSO_OK);
  gs_timer_set(real, &t, 20);
  while (fired == 0)
    assert_int_equal(gs_loop_turn(real, -1), GESSO_OK);
  /* It slept to the end instead of looking again and again. */
  assert_true(gs_loop_turns(real) <= 3);
  gs_loop_destroy(real);
}

/* ---- sockets --------------------------------------------------------------------------------- */

struct pipe_watch {
  gs_watch watch;
  struct pipe_watch *other;
  int write_fd;
  unsigned calls;
};

static void ready_and_drop_other(gs_watch *watch, uint32_t events)
{
  struct pipe_watch *pw = (struct pipe_watch *)watch;
  assert_true((events & EPOLLIN) != 0);
  pw->calls++;
  if (pw->other != NULL)
    gs_loop_unwatch(loop, &pw->other->watch);
}

static void open_pipe(struct pipe_watch *pw)
{
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  *pw = (struct pipe_watch){ .watch = { fds[0], ready_and_drop_other }, .write_fd = fds[1] };
  assert_int_equal(gs_loop_watch(loop, &pw->watch, EPOLLIN), GESSO_OK);
  assert_int_equal(write(pw->write_fd, "x", 1), 1);
}

static void an_unwatched_socket_is_silent_even_within_the_turn(void **state)
{
  (void)state;
  struct pipe_watch a, b;
  open_pipe(&a);
  open_pipe(&b);
  a.other = &b;
  b.other = &a;
  turn();
  assert_int_equal(a.calls + b.calls, 1);
  turn();
  assert_int_equal(a.calls + b.calls, 2);
  gs_loop_unwatch(loop, &a.watch);
  gs_loop_unwatch(loop, &b.watch);
  turn();
  assert_int_equal(a.calls + b.calls, 2);
  close(a.watch.fd);
  close(a.write_fd);
  close(b.watch.fd);
  close(b.write_fd);
}

/* ---- tasks, hooks, stopping ------------------------------------------------------------------ */

#define POSTERS 4
#define POSTS 5000

struct numbered {
  gs_task task;
  unsigned poster, number;
};

static struct numbered posts[POSTERS][POSTS];
static unsigned seen[POSTERS];
static unsigned finished;

static void check_order(gs_task *task)
{
  struct numbered *n = (struct numbered *)task;
  assert_int_equal(seen[n->poster], n->number);
  seen[n->poster]++;
  finished++;
}

static void *poster_main(void *arg)
{
  struct numbered *mine = arg;
  for (unsigned i = 0; i < POSTS; i++)
    gs_loop_post(loop, &mine[i].task);
  return NULL;
}

static void tasks_of_each_thread_run_in_order(void **state)
{
  (void)state;
  pthread_t threads[POSTERS];
  memset(seen, 0, sizeof seen);
  finished = 0;
  for (unsigned p = 0; p < POSTERS; p++) {
    for (unsigned i = 0; i < POSTS; i++)
      posts[p][i] = (struct numbered){ { NULL, check_order }, p, i };
    assert_int_equal(pthread_create(&threads[p], NULL, poster_main, posts[p]), 0);
  }
  while (finished < POSTERS * POSTS)
    assert_int_equal(gs_loop_turn(loop, -1), GESSO_OK);
  for (unsigned p = 0; p < POSTERS; p++)
    assert_int_equal(pthread_join(threads[p], NULL), 0);
}

static void run_at_destroy(gs_task *task)
{
  (void)task;
  assert_true(gs_loop_stopping(loop));
  finished++;
}

static void tasks_left_over_run_when_the_loop_is_destroyed(void **state)
{
  (void)state;
  gs_task task = { .run = run_at_destroy };
  finished = 0;
  gs_loop_post(loop, &task);
  gs_loop_destroy(loop);
  loop = NULL;
  assert_int_equal(finished, 1);
}

static char order[16];

static void mark(char c)
{
  size_t n = strlen(order);
  assert_true(n + 1 < sizeof order);
  order[n] = c;
  order[n + 1] = '\0';
}

static void mark_work_1(gs_hook *hook) { (void)hook; mark('1'); }
static void mark_work_2(gs_hook *hook) { (void)hook; mark('2'); }
static void mark_flush(gs_hook *hook) { (void)hook; mark('f'); }
static void mark_timer(gs_timer *timer) { (void)timer; mark('t'); }
static void mark_task(gs_task *task) { (void)task; mark('p'); }
static void mark_watch(gs_watch *watch, uint32_t events) { (void)watch; (void)events; mark('s'); }

static void a_turn_has_its_order(void **state)
{
  (void)state;
  gs_hook flush = { .run = mark_flush }, work1 = { .run = mark_work_1 }, work2 = { .run = mark_work_2 };
  gs_timer timer = { .fire = mark_timer };
  gs_task task = { .run = mark_task };
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  gs_watch watch = { fds[0], mark_watch };
  order[0] = '\0';
  gs_loop_add_hook(loop, &flush, GS_PHASE_FLUSH);
  gs_loop_add_hook(loop, &work1, GS_PHASE_WORK);
  gs_loop_add_hook(loop, &work2, GS_PHASE_WORK);
  gs_loop_post(loop, &task);
  gs_timer_set(loop, &timer, 0);
  assert_int_equal(gs_loop_watch(loop, &watch, EPOLLIN), GESSO_OK);
  assert_int_equal(write(fds[1], "x", 1), 1);
  turn();
  assert_string_equal(order, "stp12f");
  gs_loop_unwatch(loop, &watch);
  gs_loop_remove_hook(loop, &work1, GS_PHASE_WORK);
  order[0] = '\0';
  turn();
  assert_string_equal(order, "2f");
  close(fds[0]);
  close(fds[1]);
}

static void on_signal(int number)
{
  (void)number;
  gs_loop_stop(loop);
}

static void raise_later(gs_timer *timer)
{
  (void)timer;
  raise(SIGUSR1);
}

static void a_signal_handler_may_stop_the_loop(void **state)
{
  (void)state;
  struct sigaction sa = { .sa_handler = on_signal }, old;
  gs_timer t = { .fire = raise_later };
  assert_int_equal(sigaction(SIGUSR1, &sa, &old), 0);
  gs_timer_set(loop, &t, 0);
  assert_int_equal(gs_loop_run(loop), GESSO_OK);
  assert_true(gs_loop_stopping(loop));
  assert_int_equal(gs_loop_run(loop), GESSO_OK); /* stopped already: one turn */
  assert_int_equal(sigaction(SIGUSR1, &old, NULL), 0);
}

static void clocks_tell_the_time(void **state)
{
  (void)state;
  assert_int_equal(gs_clock_mono_us(&mc.clock), 123456000);
  assert_int_equal(gs_clock_mono_ms(&mc.clock), 123456);
  assert_int_equal(gs_clock_wall_ms(&mc.clock), 1700000000000);
  gs_manual_clock_advance_ms(&mc, 1500);
  assert_int_equal(gs_clock_mono_ms(&mc.clock), 124956);
  assert_int_equal(gs_clock_wall_ms(&mc.clock), 1700000001500);
  turn();
  assert_int_equal(gs_loop_now_ms(loop), 124956);
  mc.us -= 5000000; /* a clock that steps back does not take the loop with it */
  turn();
  assert_int_equal(gs_loop_now_ms(loop), 124956);
  uint64_t before = gs_clock_mono_us(NULL);
  assert_true(gs_clock_mono_us(gs_clock_system()) >= before);
  assert_true(gs_clock_wall_ms(NULL) > 1700000000000);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(clocks_tell_the_time),
    T(a_timer_fires_once_and_not_early),
    T(a_stopped_timer_does_not_fire),
    T(a_timer_that_sets_itself_does_not_hold_the_turn),
    T(a_timer_may_stop_another_that_is_due),
    T(the_wheel_agrees_with_a_searched_list),
    T(waiting_ends_when_a_timer_is_due),
    T(an_unwatched_socket_is_silent_even_within_the_turn),
    T(tasks_of_each_thread_run_in_order),
    T(tasks_left_over_run_when_the_loop_is_destroyed),
    T(a_turn_has_its_order),
    T(a_signal_handler_may_stop_the_loop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
