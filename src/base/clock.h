/* Time as an argument: everything that waits, expires or stamps asks a gs_clock, so that a test or
 * a simulation can decide what time it is. */
#ifndef GS_BASE_CLOCK_H
#define GS_BASE_CLOCK_H

#include <stdint.h>

/* Both functions are callable from every thread that uses the clock.
 *   mono_us   microseconds since an arbitrary moment; never steps back
 *   wall_ms   milliseconds since 1970-01-01 UTC; may step either way when somebody sets the clock */
typedef struct gs_clock {
  uint64_t (*mono_us)(void *ctx);
  int64_t (*wall_ms)(void *ctx);
  void *ctx;
} gs_clock;

/* The machine's clocks. Never NULL; static. */
const gs_clock *gs_clock_system(void);

/* NULL means the machine's clocks in all three. */
uint64_t gs_clock_mono_us(const gs_clock *clock);
uint64_t gs_clock_mono_ms(const gs_clock *clock);
int64_t gs_clock_wall_ms(const gs_clock *clock);

/* A clock that stands still until it is told otherwise: set `us` and `wall_ms` directly. For one
 * thread. The gs_clock inside refers to the struct, which therefore must not move. */
typedef struct gs_manual_clock {
  gs_clock clock;
  uint64_t us;
  int64_t wall_ms;
} gs_manual_clock;

void gs_manual_clock_init(gs_manual_clock *mc, uint64_t us, int64_t wall_ms);

/* Moves both times forward. */
void gs_manual_clock_advance_ms(gs_manual_clock *mc, uint64_t ms);

#endif
