/* See loop.h. The order inside a turn is fixed there; this file is the waiting and the calling. */
#include "net/loop.h"

#include "base/alloc.h"
#include "net/wheel.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_PER_TURN 256

struct gs_loop {
  const gesso_allocator *alloc;
  const gs_clock *clock;
  int epoll_fd;
  gs_watch wake; /* an eventfd; edge-triggered, so it is never read */

  uint64_t base_ms; /* of the clock; the wheel counts from here */
  uint64_t now_us;
  uint64_t turns;
  bool again;

  _Atomic(gs_task *) posted; /* newest first */
  atomic_bool stop;

  gs_hook *hooks[2];
  gs_hook *hook_next; /* the one to run after the current one */

  struct epoll_event events[EVENTS_PER_TURN];
  int event_at, event_count; /* those from event_at on are still to be handed out */

  gs_wheel wheel;
};

static void wake_ready(gs_watch *watch, uint32_t events)
{
  (void)watch;
  (void)events;
}

static void wake_up(gs_loop *loop)
{
  const uint64_t one = 1;
  int saved = errno;
  /* It can only fail when the counter is full, and then the loop is awake anyway. */
  ssize_t n = write(loop->wake.fd, &one, sizeof one);
  (void)n;
  errno = saved;
}

gesso_status gs_loop_create(const gesso_allocator *alloc, const gs_clock *clock, gs_loop **loop_out)
{
  *loop_out = NULL;
  gs_loop *loop = GS_NEW(alloc, gs_loop);
  if (loop == NULL)
    return GESSO_E_NOMEM;
  loop->alloc = alloc;
  loop->clock = clock != NULL ? clock : gs_clock_system();
  loop->now_us = gs_clock_mono_us(loop->clock);
  loop->base_ms = loop->now_us / 1000;
  gs_wheel_init(&loop->wheel, 0);
  loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  loop->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  loop->wake.ready = wake_ready;
  if (loop->epoll_fd < 0 || loop->wake.fd < 0
      || gs_loop_watch(loop, &loop->wake, EPOLLIN | EPOLLET) != GESSO_OK) {
    gs_loop_destroy(loop);
    return GESSO_E_IO;
  }
  *loop_out = loop;
  return GESSO_OK;
}

static void run_tasks(gs_loop *loop)
{
  gs_task *newest = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
  gs_task *first = NULL;
  while (newest != NULL) {
    gs_task *next = newest->next;
    newest->next = first;
    first = newest;
    newest = next;
  }
  while (first != NULL) {
    gs_task *task = first;
    first = task->next;
    task->run(task);
  }
}

void gs_loop_destroy(gs_loop *loop)
{
  if (loop == NULL)
    return;
  atomic_store(&loop->stop, true);
  while (atomic_load_explicit(&loop->posted, memory_order_relaxed) != NULL)
    run_tasks(loop);
  if (loop->wake.fd >= 0)
    (void)close(loop->wake.fd);
  if (loop->epoll_fd >= 0)
    (void)close(loop->epoll_fd);
  gs_free(loop->alloc, loop, sizeof *loop);
}

static uint64_t wheel_ms(const gs_loop *loop, uint64_t us)
{
  uint64_t ms = us / 1000;
  return ms > loop->base_ms ? ms - loop->base_ms : 0;
}

/* How long this turn may sleep, in ms: rounded up, so that the timer is due when it wakes. */
static int sleep_ms(gs_loop *loop, int wait_ms)
{
  if (loop->again || wait_ms == 0)
    return 0;
  uint64_t next = gs_wheel_next(&loop->wheel);
  if (next == GS_WHEEL_NEVER)
    return wait_ms;
  uint64_t due_us = (next + loop->base_ms) * 1000;
  uint64_t now_us = gs_clock_mono_us(loop->clock);
  if (due_us <= now_us)
    return 0;
  uint64_t ms = (due_us - now_us + 999) / 1000;
  if (ms > INT_MAX)
    ms = INT_MAX;
  return wait_ms < 0 || ms < (uint64_t)wait_ms ? (int)ms : wait_ms;
}

static void run_hooks(gs_loop *loop, gs_phase phase)
{
  for (gs_hook *hook = loop->hooks[phase]; hook != NULL; hook = loop->hook_next) {
    loop->hook_next = hook->next;
    hook->run(hook);
  }
}

gesso_status gs_loop_turn(gs_loop *loop, int wait_ms)
{
  int timeout = sleep_ms(loop, wait_ms);
  int n = epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_TURN, timeout);
  if (n < 0) {
    if (errno != EINTR)
      return GESSO_E_IO;
    n = 0;
  }
  loop->again = false;
  loop->turns++;
  uint64_t now_us = gs_clock_mono_us(loop->clock);
  if (now_us > loop->now_us)
    loop->now_us = now_us;

  loop->event_count = n;
  for (loop->event_at = 0; loop->event_at < loop->event_count;) {
    struct epoll_event *ev = &loop->events[loop->event_at++];
    gs_watch *watch = ev->data.ptr;
    if (watch != NULL)
      watch->ready(watch, ev->events);
  }
  loop->event_count = 0;

  gs_wheel_run(&loop->wheel, wheel_ms(loop, loop->now_us));
  run_tasks(loop);
  run_hooks(loop, GS_PHASE_WORK);
  run_hooks(loop, GS_PHASE_FLUSH);
  return GESSO_OK;
}

gesso_status gs_loop_run(gs_loop *loop)
{
  gesso_status s;
  do
    s = gs_loop_turn(loop, -1);
  while (s == GESSO_OK && !gs_loop_stopping(loop));
  return s;
}

void gs_loop_stop(gs_loop *loop)
{
  atomic_store(&loop->stop, true);
  wake_up(loop);
}

bool gs_loop_stopping(const gs_loop *loop)
{
  return atomic_load(&loop->stop);
}

uint64_t gs_loop_now_us(const gs_loop *loop)
{
  return loop->now_us;
}

uint64_t gs_loop_now_ms(const gs_loop *loop)
{
  return loop->now_us / 1000;
}

const gs_clock *gs_loop_clock(const gs_loop *loop)
{
  return loop->clock;
}

void gs_loop_again(gs_loop *loop)
{
  loop->again = true;
}

uint64_t gs_loop_turns(const gs_loop *loop)
{
  return loop->turns;
}

static gesso_status control(gs_loop *loop, int op, gs_watch *watch, uint32_t events)
{
  struct epoll_event ev = { .events = events, .data.ptr = watch };
  if (epoll_ctl(loop->epoll_fd, op, watch->fd, &ev) == 0)
    return GESSO_OK;
  return errno == ENOMEM || errno == ENOSPC ? GESSO_E_NOMEM : GESSO_E_IO;
}

gesso_status gs_loop_watch(gs_loop *loop, gs_watch *watch, uint32_t events)
{
  return control(loop, EPOLL_CTL_ADD, watch, events);
}

gesso_status gs_loop_rewatch(gs_loop *loop, gs_watch *watch, uint32_t events)
{
  return control(loop, EPOLL_CTL_MOD, watch, events);
}

void gs_loop_unwatch(gs_loop *loop, gs_watch *watch)
{
  (void)control(loop, EPOLL_CTL_DEL, watch, 0);
  for (int i = loop->event_at; i < loop->event_count; i++)
    if (loop->events[i].data.ptr == watch)
      loop->events[i].data.ptr = NULL;
}

void gs_timer_set(gs_loop *loop, gs_timer *timer, uint64_t delay_ms)
{
  gs_timer_stop(loop, timer);
  /* Rounded up, because the turn began somewhere inside its millisecond. */
  uint64_t now_ms = wheel_ms(loop, loop->now_us + 999);
  if (delay_ms == 0)
    now_ms = 0;
  uint64_t due_ms = delay_ms > UINT64_MAX - now_ms ? UINT64_MAX : now_ms + delay_ms;
  gs_wheel_add(&loop->wheel, timer, due_ms);
}

void gs_timer_stop(gs_loop *loop, gs_timer *timer)
{
  if (gs_timer_running(timer))
    gs_wheel_remove(&loop->wheel, timer);
}

void gs_loop_post(gs_loop *loop, gs_task *task)
{
  gs_task *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
  do
    task->next = head;
  while (!atomic_compare_exchange_weak_explicit(&loop->posted, &head, task, memory_order_release,
                                                memory_order_relaxed));
  if (head == NULL)
    wake_up(loop);
}

void gs_loop_add_hook(gs_loop *loop, gs_hook *hook, gs_phase phase)
{
  gs_hook **at = &loop->hooks[phase];
  while (*at != NULL)
    at = &(*at)->next;
  hook->next = NULL;
  *at = hook;
}

void gs_loop_remove_hook(gs_loop *loop, gs_hook *hook, gs_phase phase)
{
  for (gs_hook **at = &loop->hooks[phase]; *at != NULL; at = &(*at)->next) {
    if (*at != hook)
      continue;
    if (loop->hook_next == hook)
      loop->hook_next = hook->next;
    *at = hook->next;
    return;
  }
}
