#include "base/clock.h"

#include <stddef.h>
#include <time.h>

static uint64_t system_mono_us(void *ctx)
{
  (void)ctx;
  struct timespec ts;
  (void)clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static int64_t system_wall_ms(void *ctx)
{
  (void)ctx;
  struct timespec ts;
  (void)clock_gettime(CLOCK_REALTIME, &ts);
  return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static const gs_clock system_clock = { system_mono_us, system_wall_ms, NULL };

const gs_clock *gs_clock_system(void)
{
  return &system_clock;
}

uint64_t gs_clock_mono_us(const gs_clock *clock)
{
  return clock == NULL ? system_mono_us(NULL) : clock->mono_us(clock->ctx);
}

uint64_t gs_clock_mono_ms(const gs_clock *clock)
{
  return gs_clock_mono_us(clock) / 1000u;
}

int64_t gs_clock_wall_ms(const gs_clock *clock)
{
  return clock == NULL ? system_wall_ms(NULL) : clock->wall_ms(clock->ctx);
}

static uint64_t manual_mono_us(void *ctx)
{
  return ((const gs_manual_clock *)ctx)->us;
}

static int64_t manual_wall_ms(void *ctx)
{
  return ((const gs_manual_clock *)ctx)->wall_ms;
}

void gs_manual_clock_init(gs_manual_clock *mc, uint64_t us, int64_t wall_ms)
{
  *mc = (gs_manual_clock){ { manual_mono_us, manual_wall_ms, mc }, us, wall_ms };
}

void gs_manual_clock_advance_ms(gs_manual_clock *mc, uint64_t ms)
{
  mc->us += ms * 1000u;
  mc->wall_ms += (int64_t)ms;
}
