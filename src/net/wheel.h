/* The loop's timers: a hierarchical wheel (Varghese and Lauck, 1987) of seven rings with 64 slots.
 *
 * Ring r holds the timers whose due time first differs from `now` in the r-th group of six bits,
 * counted from the lowest; the group's value is the slot. Hence
 *
 *   W1  every running timer in a ring is due after `now`
 *   W2  what is in ring r is due before everything in ring r + 1
 *   W3  in ring r only slots above the r-th group of `now` are in use
 *
 * When `now` enters a slot of ring r > 0, its timers are placed again, each in a lower ring. A timer
 * moves at most six times in its life, and most are stopped before they move at all. */
#ifndef GS_NET_WHEEL_H
#define GS_NET_WHEEL_H

#include "net/loop.h"

#define GS_WHEEL_BITS 6
#define GS_WHEEL_SLOTS 64
#define GS_WHEEL_RINGS 7 /* 2^42 ms: 139 years of uptime */
#define GS_WHEEL_NEVER UINT64_MAX

typedef struct gs_wheel {
  uint64_t now; /* ms */
  uint64_t used[GS_WHEEL_RINGS]; /* bit s: slot s is not empty */
  gs_timer slots[GS_WHEEL_RINGS][GS_WHEEL_SLOTS]; /* heads of circular lists */
  gs_timer soon;    /* due in the next turn */
  gs_timer expired; /* due now, in order of time; being fired */
} gs_wheel;

void gs_wheel_init(gs_wheel *wheel, uint64_t now_ms);

/* Places a timer that is not running. Due at or before now: in the next turn. */
void gs_wheel_add(gs_wheel *wheel, gs_timer *timer, uint64_t due_ms);

void gs_wheel_remove(gs_wheel *wheel, gs_timer *timer);

/* A time at or before the next due time and after `now`: when to look again. `now` itself if
 * something is due in the next turn anyway, GS_WHEEL_NEVER if nothing is running. */
uint64_t gs_wheel_next(const gs_wheel *wheel);

/* Moves to `now_ms` and fires what is due by then, in order of time. Timers that are set meanwhile
 * wait for the next call, also those with a delay of 0. */
void gs_wheel_run(gs_wheel *wheel, uint64_t now_ms);

#endif
