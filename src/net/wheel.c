#include "net/wheel.h"

static void list_init(gs_timer *head)
{
  head->next = head->prev = head;
}

static bool list_empty(const gs_timer *head)
{
  return head->next == head;
}

static void list_append(gs_timer *head, gs_timer *timer)
{
  timer->prev = head->prev;
  timer->next = head;
  head->prev->next = timer;
  head->prev = timer;
}

static void list_unlink(gs_timer *timer)
{
  timer->prev->next = timer->next;
  timer->next->prev = timer->prev;
  timer->next = timer->prev = NULL;
}

/* Appends all of `from` to `to`. */
static void list_move(gs_timer *from, gs_timer *to)
{
  if (list_empty(from))
    return;
  from->next->prev = to->prev;
  to->prev->next = from->next;
  from->prev->next = to;
  to->prev = from->prev;
  list_init(from);
}

void gs_wheel_init(gs_wheel *wheel, uint64_t now_ms)
{
  *wheel = (gs_wheel){ .now = now_ms };
  for (int r = 0; r < GS_WHEEL_RINGS; r++)
    for (int s = 0; s < GS_WHEEL_SLOTS; s++)
      list_init(&wheel->slots[r][s]);
  list_init(&wheel->soon);
  list_init(&wheel->expired);
}

/* due_ms > now */
static void place(gs_wheel *wheel, gs_timer *timer)
{
  unsigned ring = (63u - (unsigned)__builtin_clzll(timer->due_ms ^ wheel->now)) / GS_WHEEL_BITS;
  unsigned slot = (unsigned)(timer->due_ms >> (ring * GS_WHEEL_BITS)) & (GS_WHEEL_SLOTS - 1);
  wheel->used[ring] |= 1ull << slot;
  list_append(&wheel->slots[ring][slot], timer);
}

void gs_wheel_add(gs_wheel *wheel, gs_timer *timer, uint64_t due_ms)
{
  const uint64_t last = (1ull << (GS_WHEEL_RINGS * GS_WHEEL_BITS)) - 1;
  timer->due_ms = due_ms < last ? due_ms : last;
  if (timer->due_ms <= wheel->now)
    list_append(&wheel->soon, timer);
  else
    place(wheel, timer);
}

void gs_wheel_remove(gs_wheel *wheel, gs_timer *timer)
{
  gs_timer *next = timer->next, *prev = timer->prev;
  list_unlink(timer);
  if (next != prev)
    return;
  /* It was alone, so `next` is a head; if it is one of the slots, the slot is empty now. */
  uintptr_t first = (uintptr_t)&wheel->slots[0][0], head = (uintptr_t)next;
  if (head >= first && head < first + sizeof wheel->slots) {
    size_t at = (head - first) / sizeof(gs_timer);
    wheel->used[at / GS_WHEEL_SLOTS] &= ~(1ull << (at % GS_WHEEL_SLOTS));
  }
}

/* Where the lowest used slot begins: at or before the earliest due time (W2, W3). */
static uint64_t next_slot(const gs_wheel *wheel, unsigned *ring_out, unsigned *slot_out)
{
  for (unsigned r = 0; r < GS_WHEEL_RINGS; r++) {
    if (wheel->used[r] == 0)
      continue;
    unsigned s = (unsigned)__builtin_ctzll(wheel->used[r]);
    unsigned shift = r * GS_WHEEL_BITS;
    uint64_t above = wheel->now >> (shift + GS_WHEEL_BITS) << (shift + GS_WHEEL_BITS);
    *ring_out = r;
    *slot_out = s;
    return above | (uint64_t)s << shift;
  }
  return GS_WHEEL_NEVER;
}

uint64_t gs_wheel_next(const gs_wheel *wheel)
{
  unsigned ring, slot;
  if (!list_empty(&wheel->soon))
    return wheel->now;
  return next_slot(wheel, &ring, &slot);
}

void gs_wheel_run(gs_wheel *wheel, uint64_t now_ms)
{
  list_move(&wheel->soon, &wheel->expired);
  for (;;) {
    unsigned ring = 0, slot = 0;
    uint64_t at = next_slot(wheel, &ring, &slot);
    if (at > now_ms) /* GS_WHEEL_NEVER included */
      break;
    wheel->now = at;
    wheel->used[ring] &= ~(1ull << slot);
    gs_timer *head = &wheel->slots[ring][slot];
    if (ring == 0) {
      list_move(head, &wheel->expired);
      continue;
    }
    while (!list_empty(head)) {
      gs_timer *timer = head->next;
      list_unlink(timer);
      if (timer->due_ms <= wheel->now)
        list_append(&wheel->expired, timer);
      else
        place(wheel, timer);
    }
  }
  if (now_ms > wheel->now)
    wheel->now = now_ms;
  while (!list_empty(&wheel->expired)) {
    gs_timer *timer = wheel->expired.next;
    list_unlink(timer);
    timer->fire(timer);
  }
}
