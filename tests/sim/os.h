/* The operating system of a simulated run: threads that take turns when the seed says so, and a clock that is moved by
 * hand. It takes the place of the real one when the program is linked (-Wl,--wrap, see meson.build): the store's
 * threads, mutexes, conditions, sleeps, clocks and random numbers arrive here, and its code is what is shipped.
 *
 * A thread is a context of its own on the one real thread. It gives the word back where a real one could be
 * interrupted and somebody could see it: before it takes a mutex, after it has given one back, when it waits, and
 * at each operation on the disk. Whoever is not a simulated thread, the simulation itself and the server's loop that it
 * plays, is called the stage here; it runs in between. */
#ifndef SIM_OS_H
#define SIM_OS_H

#include <stdbool.h>
#include <stdint.h>

void os_begin(void);
/* No simulated thread may be left. */
void os_end(void);

/* Lets one thread that can run do so until it gives the word back. False: none can. */
bool os_step(void);
/* How often a thread is interrupted where it could be. */
void os_set_switch_percent(uint32_t percent);
uint32_t os_threads(void);
const char *os_thread_name(void); /* of who is running; for the log */
bool os_on_stage(void);

/* From a thread: perhaps somebody else's turn. On stage: nothing. */
void os_yield(void);
/* From a thread: certainly, for so long. On stage: nothing. */
void os_sleep_us(uint64_t us);

uint64_t os_now_us(void);
int64_t os_wall_ms(void);
void os_advance_us(uint64_t us);  /* both clocks */
void os_step_wall_ms(int64_t ms); /* somebody sets the clock */
/* When the next thread that sleeps wakes up; UINT64_MAX: none sleeps. */
uint64_t os_next_wake_us(void);

/* Seconds of the real clock: how long all of it took. */
double os_real_seconds(void);

#endif
