#include "os.h"

#include "trace.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <ucontext.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SIM_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SIM_ASAN 1
#endif
#ifdef SIM_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum { THREADS = 16, STACK = 512 * 1024, GUARD = 4096 };

typedef enum thread_state { NOBODY, READY, LOCKING, WAITING, JOINING, ENDED } thread_state;

typedef struct thread {
  thread_state state;
  ucontext_t context;
  uint8_t *stack;
  void *(*run)(void *);
  void *argument;
  const void *waits_for; /* a mutex, a condition, a thread; NULL: only for the time */
  uint64_t wake_us;
  bool timed_out;
} thread;

static thread threads[THREADS];
static thread *running; /* NULL: the stage */
static ucontext_t stage;
static uint64_t now_us;
static int64_t wall_ahead_ms;
static uint32_t switch_percent;

void os_begin(void)
{
  now_us = UINT64_C(5000000);
  wall_ahead_ms = INT64_C(1700000000000);
  switch_percent = 10;
  for (int i = 0; i < THREADS; i++)
    if (threads[i].state != NOBODY)
      violated("a thread of an earlier run is left");
}

void os_end(void)
{
  if (os_threads() != 0)
    violated("threads are left at the end");
}

void os_set_switch_percent(uint32_t percent)
{
  switch_percent = percent;
}

uint32_t os_threads(void)
{
  uint32_t n = 0;
  for (int i = 0; i < THREADS; i++)
    n += threads[i].state != NOBODY;
  return n;
}

bool os_on_stage(void)
{
  return running == NULL;
}

const char *os_thread_name(void)
{
  static const char *const names[THREADS] = { "t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "t10" };
  return running == NULL ? "stage" : names[running - threads];
}

/* --- time --- */

uint64_t os_now_us(void)
{
  return now_us;
}

int64_t os_wall_ms(void)
{
  return wall_ahead_ms + (int64_t)(now_us / 1000);
}

void os_advance_us(uint64_t us)
{
  now_us += us;
}

void os_step_wall_ms(int64_t ms)
{
  wall_ahead_ms += ms;
}

uint64_t os_next_wake_us(void)
{
  uint64_t next = UINT64_MAX;
  for (int i = 0; i < THREADS; i++)
    if (threads[i].state == WAITING && threads[i].wake_us < next)
      next = threads[i].wake_us;
  return next;
}

/* --- threads --- */

static bool *lock_of(const pthread_mutex_t *mutex)
{
  return (bool *)(uintptr_t)mutex; /* a real one that nobody uses is all zeros: its first byte is ours */
}

static void wake(thread *t, bool timed_out)
{
  t->state = READY;
  t->timed_out = timed_out;
}

static bool can_run(thread *t)
{
  switch (t->state) {
  case READY:
    return true;
  case LOCKING:
    return !*lock_of(t->waits_for);
  case WAITING:
    return t->wake_us <= now_us;
  case JOINING:
    return ((const thread *)t->waits_for)->state == ENDED;
  default:
    return false;
  }
}

#ifdef SIM_ASAN
static const void *stage_stack;
static size_t stage_size;
#endif

static void switch_to(thread *from, thread *to)
{
  running = to;
#ifdef SIM_ASAN
  void *fake = NULL;
  __sanitizer_start_switch_fiber(from != NULL && from->state == ENDED ? NULL : &fake, to != NULL ? to->stack : stage_stack,
                                 to != NULL ? STACK : stage_size);
#endif
  if (swapcontext(from != NULL ? &from->context : &stage, to != NULL ? &to->context : &stage) != 0)
    violated("swapcontext failed");
#ifdef SIM_ASAN
  __sanitizer_finish_switch_fiber(fake, from != NULL ? &stage_stack : NULL, from != NULL ? &stage_size : NULL);
#endif
}

bool os_step(void)
{
  thread *able[THREADS];
  uint32_t n = 0;
  for (int i = 0; i < THREADS; i++)
    if (can_run(&threads[i]))
      able[n++] = &threads[i];
  if (n == 0)
    return false;
  thread *t = able[roll(n)];
  if (t->state == WAITING)
    wake(t, true);
  t->state = READY;
  switch_to(NULL, t);
  return true;
}

/* The running thread stays as it is until it can run again. */
static void give_way(thread_state state, const void *waits_for, uint64_t wake_us)
{
  thread *t = running;
  t->state = state;
  t->waits_for = waits_for;
  t->wake_us = wake_us;
  t->timed_out = false;
  switch_to(t, NULL);
}

void os_yield(void)
{
  if (running != NULL && chance(switch_percent))
    give_way(READY, NULL, 0);
}

void os_sleep_us(uint64_t us)
{
  if (running != NULL && us != 0)
    give_way(WAITING, NULL, now_us + us);
}

static void begin_thread(unsigned index)
{
  thread *t = &threads[index];
#ifdef SIM_ASAN
  __sanitizer_finish_switch_fiber(NULL, &stage_stack, &stage_size);
#endif
  (void)t->run(t->argument);
  t->state = ENDED;
  switch_to(t, NULL);
}

/* The names that --wrap gives to what takes the place of a function and to the function itself. NOLINTBEGIN */
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int __wrap_pthread_join(pthread_t id, void **result);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);
int __wrap_pthread_cond_signal(pthread_cond_t *cond);
int __wrap_pthread_cond_broadcast(pthread_cond_t *cond);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
ssize_t __wrap_getrandom(void *into, size_t len, unsigned flags);

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
  (void)attributes;
  unsigned i = 0;
  while (i < THREADS && threads[i].state != NOBODY)
    i++;
  if (i == THREADS)
    return EAGAIN;
  thread *t = &threads[i];
  if (t->stack == NULL) {
    uint8_t *memory = mmap(NULL, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE) != 0)
      return EAGAIN;
    t->stack = memory + GUARD;
  }
  (void)getcontext(&t->context);
  t->context.uc_stack.ss_sp = t->stack;
  t->context.uc_stack.ss_size = STACK;
  t->context.uc_link = NULL;
  t->run = run;
  t->argument = argument;
  t->state = READY;
  makecontext(&t->context, (void (*)(void))begin_thread, 1, i);
  *out = (pthread_t)(i + 1);
  return 0;
}

/* On stage: the others go on until it has ended, and time passes when all of them sleep. */
int __wrap_pthread_join(pthread_t id, void **result)
{
  thread *t = &threads[id - 1];
  if (result != NULL)
    *result = NULL;
  if (running != NULL) {
    if (t->state != ENDED)
      give_way(JOINING, t, 0);
  } else {
    for (uint64_t steps = 0; t->state != ENDED; steps++) {
      if (steps > 20u * 1000 * 1000)
        violated("a thread that is to end goes on for ever");
      if (os_step())
        continue;
      uint64_t next = os_next_wake_us();
      if (next == UINT64_MAX)
        violated("all threads wait for each other");
      if (next > now_us)
        os_advance_us(next - now_us);
    }
  }
  t->state = NOBODY;
  return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
  os_yield();
  while (*lock_of(mutex)) {
    if (running != NULL)
      give_way(LOCKING, mutex, 0);
    else if (!os_step())
      violated("a mutex is held by somebody who waits");
  }
  *lock_of(mutex) = true;
  return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
  if (!*lock_of(mutex))
    violated("a mutex is unlocked twice");
  *lock_of(mutex) = false;
  os_yield();
  return 0;
}

static int wait_for(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until_us)
{
  if (running == NULL)
    violated("the stage must not wait");
  thread *t = running;
  *lock_of(mutex) = false;
  give_way(WAITING, cond, until_us);
  int rc = t->timed_out ? ETIMEDOUT : 0;
  (void)__wrap_pthread_mutex_lock(mutex);
  return rc;
}

int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
  return wait_for(cond, mutex, UINT64_MAX);
}

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
  return wait_for(cond, mutex, (uint64_t)until->tv_sec * 1000000u + (uint64_t)until->tv_nsec / 1000u);
}

int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
  thread *waiting[THREADS];
  uint32_t n = 0;
  for (int i = 0; i < THREADS; i++)
    if (threads[i].state == WAITING && threads[i].waits_for == cond)
      waiting[n++] = &threads[i];
  if (n != 0)
    wake(waiting[n == 1 ? 0 : roll(n)], false);
  return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
  for (int i = 0; i < THREADS; i++)
    if (threads[i].state == WAITING && threads[i].waits_for == cond)
      wake(&threads[i], false);
  return 0;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
  (void)left;
  os_sleep_us((uint64_t)time->tv_sec * 1000000u + (uint64_t)time->tv_nsec / 1000u);
  return 0;
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
  if (id == CLOCK_MONOTONIC) {
    ts->tv_sec = (time_t)(now_us / 1000000u);
    ts->tv_nsec = (long)(now_us % 1000000u) * 1000;
    return 0;
  }
  int64_t ms = os_wall_ms();
  ts->tv_sec = (time_t)(ms / 1000);
  ts->tv_nsec = (long)(ms % 1000) * 1000000;
  return 0;
}

ssize_t __wrap_getrandom(void *into, size_t len, unsigned flags)
{
  (void)flags;
  uint8_t *at = into;
  for (size_t i = 0; i < len; i++)
    at[i] = (uint8_t)(trace_random() >> 24);
  return (ssize_t)len;
}

double os_real_seconds(void)
{
  struct timespec ts;
  (void)__real_clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}
/* NOLINTEND */
