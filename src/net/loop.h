/* One thread's event loop: sockets (epoll), timers, work posted by other threads.
 *
 * A turn is: wait, then call what became due, in this order
 *
 *   1. ready sockets        gs_watch.ready
 *   2. expired timers       gs_timer.fire
 *   3. posted tasks         gs_task.run, in the order in which they were posted
 *   4. hooks of GS_PHASE_WORK    (merge what the turn brought, encode it once, hand it to the sockets)
 *   5. hooks of GS_PHASE_FLUSH   (write to the sockets; the connection layer is here)
 *
 * so that whatever a turn produced leaves in one write per socket. Watches, timers, tasks and hooks
 * are structs inside the owner's own objects: the loop allocates nothing for them. There is no
 * global state: any number of loops run side by side, each belongs to the thread that runs it, and
 * only the three functions that say so may be called from elsewhere. */
#ifndef GS_NET_LOOP_H
#define GS_NET_LOOP_H

#include "base/clock.h"
#include "gesso/base.h"

#include <stdbool.h>

typedef struct gs_loop gs_loop;

/* `alloc` and `clock` may be NULL (malloc, the machine's clocks) and must outlive the loop. */
GESSO_MUST_USE gesso_status gs_loop_create(const gesso_allocator *alloc, const gs_clock *clock,
                                           gs_loop **loop_out);

/* Runs the tasks that are still queued (so that none of them leaks), then frees the loop. Every
 * other thread that posts must have been joined. Watches and timers need not be removed first. */
void gs_loop_destroy(gs_loop *loop);

/* Runs turns until gs_loop_stop. Fails with GESSO_E_IO only if epoll itself does. */
GESSO_MUST_USE gesso_status gs_loop_run(gs_loop *loop);

/* One turn that waits at most `wait_ms` (-1: as long as it takes). For tests and for programs with
 * a loop of their own. */
GESSO_MUST_USE gesso_status gs_loop_turn(gs_loop *loop, int wait_ms);

/* Lets gs_loop_run return after the current turn. From any thread, and from a signal handler. A
 * stop that comes before the run makes the run return after one turn. */
void gs_loop_stop(gs_loop *loop);

/* True from gs_loop_stop on, and during gs_loop_destroy. From any thread. */
bool gs_loop_stopping(const gs_loop *loop);

/* The loop's clock as of the start of the turn's work: cheap, the same for the whole turn. */
uint64_t gs_loop_now_us(const gs_loop *loop);
uint64_t gs_loop_now_ms(const gs_loop *loop);
const gs_clock *gs_loop_clock(const gs_loop *loop);

/* The next turn does not wait: somebody has more to do than fitted in this one. */
void gs_loop_again(gs_loop *loop);

/* Turns so far, for statistics and for tests. */
uint64_t gs_loop_turns(const gs_loop *loop);

/* ---- sockets -------------------------------------------------------------------------------- */

typedef struct gs_watch gs_watch;
struct gs_watch {
  int fd;
  /* `events` are epoll's bits (EPOLLIN, ...). The watch may be removed and freed inside. */
  void (*ready)(gs_watch *watch, uint32_t events);
};

/* Starts watching watch->fd for `events` (epoll bits, EPOLLET included). The watch stays where it is
 * until gs_loop_unwatch; call that before the descriptor is closed. After unwatch, `ready` is not
 * called again, not even for events that the current turn had already collected. */
GESSO_MUST_USE gesso_status gs_loop_watch(gs_loop *loop, gs_watch *watch, uint32_t events);
GESSO_MUST_USE gesso_status gs_loop_rewatch(gs_loop *loop, gs_watch *watch, uint32_t events);
void gs_loop_unwatch(gs_loop *loop, gs_watch *watch);

/* ---- timers --------------------------------------------------------------------------------- */

/* One-shot. Zeroed: not running. Setting and stopping are O(1) whatever the number of timers, which
 * is why each connection can have one. */
typedef struct gs_timer gs_timer;
struct gs_timer {
  gs_timer *next, *prev; /* the loop's; NULL when not running */
  uint64_t due_ms;       /* the loop's: milliseconds since it was made, unlike gs_loop_now_ms */
  void (*fire)(gs_timer *timer);
};

/* Starts or moves the timer: `fire` is called once, in the first turn at or after `delay_ms` from
 * the turn's now. Never early. A delay of 0 fires when timers are next looked at: in this turn if it
 * is set by a socket's callback, else in the next one, which then does not wait. */
void gs_timer_set(gs_loop *loop, gs_timer *timer, uint64_t delay_ms);

/* A timer that is not running is fine. */
void gs_timer_stop(gs_loop *loop, gs_timer *timer);

static inline bool gs_timer_running(const gs_timer *timer)
{
  return timer->next != NULL;
}

/* ---- tasks ---------------------------------------------------------------------------------- */

/* Work from another thread. The struct is the poster's until it calls gs_loop_post, then the loop's
 * until `run` is called; `run` may free it or post it again. */
typedef struct gs_task gs_task;
struct gs_task {
  gs_task *next;
  void (*run)(gs_task *task);
};

/* From any thread. Tasks of one thread run in the order in which it posted them. What the poster
 * wrote before the call is visible in `run`. */
void gs_loop_post(gs_loop *loop, gs_task *task);

/* ---- hooks ---------------------------------------------------------------------------------- */

typedef enum gs_phase { GS_PHASE_WORK, GS_PHASE_FLUSH } gs_phase;

/* Called once in each turn, in the order in which hooks of its phase were added. */
typedef struct gs_hook gs_hook;
struct gs_hook {
  gs_hook *next;
  void (*run)(gs_hook *hook);
};

void gs_loop_add_hook(gs_loop *loop, gs_hook *hook, gs_phase phase);
void gs_loop_remove_hook(gs_loop *loop, gs_hook *hook, gs_phase phase);

#endif
