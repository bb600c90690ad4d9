/* invariants, checked by gs_awareness_check:
 *   A1  every used entry is in the hash chain of its id, once, and in exactly one of the two lists
 *   A2  an entry in `present` has a state; one in `departed` has none and no owner
 *   A3  `present` is ordered by updated_ms, oldest first, so that expiry looks at its front only
 *   A4  an owner's count is the length of its chain; every entry there names it
 *   A5  states_len is the sum of the lengths of all states
 *   A6  an entry is in `changed` exactly when its flag says so
 * Entries are named by 1-based index, 0 is none; they move when the pool grows. */
#include "sync/awareness.h"

#include "base/seed.h"
#include "wire/json.h"
#include "wire/writer.h"

#include <assert.h>

typedef struct entry {
  uint64_t client;
  uint64_t clock;
  uint64_t updated_ms;
  uint8_t *state; /* NULL: departed */
  gs_awareness_owner *owner;
  uint32_t state_len;
  uint32_t next_in_hash; /* also the free list */
  uint32_t prev, next;   /* in present or departed */
  uint32_t owner_prev, owner_next;
  bool used;
  bool is_changed;
} entry;

typedef struct list {
  uint32_t first, last, count;
} list;

struct gs_awareness {
  const gesso_allocator *al;
  gs_awareness_limits limits;
  entry *entries; /* entry i is entries[i - 1] */
  uint32_t entries_count, entries_capacity;
  uint32_t free_first;
  uint32_t *buckets;
  uint32_t bucket_count; /* power of two */
  uint64_t seed;
  list present, departed;
  uint32_t *changed;
  uint32_t changed_count, changed_capacity;
  size_t states_len;
  gs_awareness_taken_fn taken;
  void *taken_ctx;
  uint64_t defended; /* 0: nobody */
};

static entry *at(const gs_awareness *aw, uint32_t ix)
{
  assert(ix != 0 && ix <= aw->entries_count);
  return &aw->entries[ix - 1];
}

static uint32_t bucket_of(const gs_awareness *aw, uint64_t client)
{
  uint64_t h = client ^ aw->seed;
  h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
  h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
  return (uint32_t)(h >> 32) & (aw->bucket_count - 1);
}

static uint32_t find(const gs_awareness *aw, uint64_t client)
{
  uint32_t ix = aw->buckets[bucket_of(aw, client)];
  while (ix != 0 && at(aw, ix)->client != client)
    ix = at(aw, ix)->next_in_hash;
  return ix;
}

static void list_append(gs_awareness *aw, list *l, uint32_t ix)
{
  entry *e = at(aw, ix);
  e->prev = l->last;
  e->next = 0;
  if (l->last != 0)
    at(aw, l->last)->next = ix;
  else
    l->first = ix;
  l->last = ix;
  l->count++;
}

static void list_remove(gs_awareness *aw, list *l, uint32_t ix)
{
  entry *e = at(aw, ix);
  if (e->prev != 0)
    at(aw, e->prev)->next = e->next;
  else
    l->first = e->next;
  if (e->next != 0)
    at(aw, e->next)->prev = e->prev;
  else
    l->last = e->prev;
  l->count--;
}

static void owner_add(gs_awareness *aw, gs_awareness_owner *owner, uint32_t ix)
{
  entry *e = at(aw, ix);
  e->owner = owner;
  e->owner_prev = 0;
  e->owner_next = owner->first;
  if (owner->first != 0)
    at(aw, owner->first)->owner_prev = ix;
  owner->first = ix;
  owner->count++;
}

static void owner_remove(gs_awareness *aw, uint32_t ix)
{
  entry *e = at(aw, ix);
  if (e->owner == NULL)
    return;
  if (e->owner_prev != 0)
    at(aw, e->owner_prev)->owner_next = e->owner_next;
  else
    e->owner->first = e->owner_next;
  if (e->owner_next != 0)
    at(aw, e->owner_next)->owner_prev = e->owner_prev;
  e->owner->count--;
  e->owner = NULL;
}

static bool grow_buckets(gs_awareness *aw, uint32_t count)
{
  uint32_t *fresh = gs_alloc_zero(aw->al, (size_t)count * sizeof *fresh);
  if (fresh == NULL)
    return false;
  gs_free(aw->al, aw->buckets, (size_t)aw->bucket_count * sizeof *fresh);
  aw->buckets = fresh;
  aw->bucket_count = count;
  for (uint32_t ix = 1; ix <= aw->entries_count; ix++) {
    entry *e = at(aw, ix);
    if (!e->used)
      continue;
    uint32_t b = bucket_of(aw, e->client);
    e->next_in_hash = fresh[b];
    fresh[b] = ix;
  }
  return true;
}

/* A departed entry with clock 0: what an unknown client counts as. 0 when memory is short. */
static uint32_t add(gs_awareness *aw, uint64_t client)
{
  if (aw->present.count + aw->departed.count >= aw->bucket_count && !grow_buckets(aw, aw->bucket_count * 2))
    return 0;
  uint32_t ix = aw->free_first;
  if (ix != 0) {
    aw->free_first = at(aw, ix)->next_in_hash;
  } else {
    if (!gs_grow(aw->al, &aw->entries, &aw->entries_capacity, (size_t)aw->entries_count + 1, sizeof(entry)))
      return 0;
    ix = ++aw->entries_count;
  }
  uint32_t b = bucket_of(aw, client);
  *at(aw, ix) = (entry){ .client = client, .used = true, .next_in_hash = aw->buckets[b] };
  aw->buckets[b] = ix;
  list_append(aw, &aw->departed, ix);
  return ix;
}

static void forget(gs_awareness *aw, uint32_t ix)
{
  entry *e = at(aw, ix);
  assert(e->used && e->state == NULL && e->owner == NULL);
  list_remove(aw, &aw->departed, ix);
  uint32_t *link = &aw->buckets[bucket_of(aw, e->client)];
  while (*link != ix)
    link = &at(aw, *link)->next_in_hash;
  *link = e->next_in_hash;
  *e = (entry){ .next_in_hash = aw->free_first };
  aw->free_first = ix;
}

static bool mark_changed(gs_awareness *aw, uint32_t ix)
{
  entry *e = at(aw, ix);
  if (e->is_changed)
    return true;
  /* Room for every entry at once, so that leaving and expiring cannot fail for want of it. */
  if (!gs_grow(aw->al, &aw->changed, &aw->changed_capacity, aw->entries_capacity, sizeof(uint32_t)))
    return false;
  e->is_changed = true;
  aw->changed[aw->changed_count++] = ix;
  return true;
}

static void drop_state(gs_awareness *aw, uint32_t ix)
{
  entry *e = at(aw, ix);
  gs_free(aw->al, e->state, e->state_len);
  aw->states_len -= e->state_len;
  e->state = NULL;
  e->state_len = 0;
}

static gesso_bytes state_of(const entry *e)
{
  return (gesso_bytes){ e->state, e->state_len };
}

static void tell(const gs_awareness *aw, const entry *e, gesso_bytes after)
{
  if (aw->taken != NULL)
    aw->taken(aw->taken_ctx, e->client, state_of(e), after);
}

/* present -> departed */
static void depart(gs_awareness *aw, uint32_t ix)
{
  /* The list of changes has room: the entry was marked, or could have been, when it was taken. */
  (void)mark_changed(aw, ix);
  tell(aw, at(aw, ix), (gesso_bytes){ NULL, 0 });
  drop_state(aw, ix);
  owner_remove(aw, ix);
  list_remove(aw, &aw->present, ix);
  list_append(aw, &aw->departed, ix);
}

gs_awareness *gs_awareness_create(const gesso_allocator *al, const gs_awareness_limits *limits)
{
  gs_awareness *aw = GS_NEW(al, gs_awareness);
  if (aw == NULL)
    return NULL;
  aw->al = al;
  aw->limits = *limits;
  aw->seed = gs_hash_seed(aw);
  if (!grow_buckets(aw, 8)) {
    gs_free(al, aw, sizeof *aw);
    return NULL;
  }
  return aw;
}

void gs_awareness_destroy(gs_awareness *aw)
{
  if (aw == NULL)
    return;
  for (uint32_t ix = 1; ix <= aw->entries_count; ix++)
    gs_free(aw->al, at(aw, ix)->state, at(aw, ix)->state_len);
  gs_free(aw->al, aw->entries, (size_t)aw->entries_capacity * sizeof(entry));
  gs_free(aw->al, aw->buckets, (size_t)aw->bucket_count * sizeof(uint32_t));
  gs_free(aw->al, aw->changed, (size_t)aw->changed_capacity * sizeof(uint32_t));
  gs_free(aw->al, aw, sizeof *aw);
}

static bool within_limits(const gs_awareness *aw, const gs_awareness_owner *owner, const entry *held,
                          gesso_bytes state)
{
  size_t held_len = held == NULL ? 0 : held->state_len;
  if (state.len > aw->limits.state_len_max || aw->states_len - held_len + state.len > aw->limits.states_len_max)
    return false;
  if ((held == NULL || held->owner != owner) && owner->count >= aw->limits.owner_ids_max)
    return false;
  return (held != NULL && held->state != NULL) || aw->present.count < aw->limits.ids_max;
}

/* One entry that is newer than what is held. `ix` may be 0: unknown so far. */
static gesso_status take(gs_awareness *aw, gs_awareness_owner *owner, uint64_t now_ms, uint32_t ix,
                         uint64_t client, uint64_t clock, gesso_bytes state)
{
  uint8_t *copy = NULL;
  bool leaves = gs_json_is_null(state);
  if (!leaves) {
    copy = gs_alloc(aw->al, state.len);
    if (copy == NULL)
      return GESSO_E_NOMEM;
    memcpy(copy, state.data, state.len);
  }
  if (ix == 0)
    ix = add(aw, client);
  if (ix == 0 || !mark_changed(aw, ix)) {
    gs_free(aw->al, copy, state.len);
    return GESSO_E_NOMEM;
  }
  entry *e = at(aw, ix);
  e->clock = clock;
  e->updated_ms = now_ms;
  if (leaves) {
    if (e->state != NULL)
      depart(aw, ix);
    return GESSO_OK;
  }
  tell(aw, e, state);
  list_remove(aw, e->state != NULL ? &aw->present : &aw->departed, ix);
  drop_state(aw, ix);
  e->state = copy;
  e->state_len = (uint32_t)state.len;
  aw->states_len += state.len;
  list_append(aw, &aw->present, ix);
  owner_remove(aw, ix);
  owner_add(aw, owner, ix);
  return GESSO_OK;
}

void gs_awareness_read_entry(gs_reader *rd, uint64_t *client, uint64_t *clock, gesso_bytes *state)
{
  *client = gs_read_varuint(rd);
  *clock = gs_read_varuint(rd);
  *state = gs_read_string(rd);
  if (rd->err == GESSO_OK && gs_json_check(*state, GS_AWARENESS_DEPTH_MAX, NULL) != GESSO_OK)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "presence state is not JSON");
}

gesso_status gs_awareness_apply(gs_awareness *aw, gs_awareness_owner *owner, uint64_t now_ms,
                                gesso_bytes update, gs_awareness_counts *counts, gesso_error *error_out)
{
  *counts = (gs_awareness_counts){ 0 };
  uint64_t client, clock;
  gesso_bytes state;

  /* All of it is read once before anything changes. */
  gs_reader rd = gs_reader_of(update);
  uint32_t n = gs_read_count(&rd, 3);
  for (uint32_t i = 0; i < n && rd.err == GESSO_OK; i++)
    gs_awareness_read_entry(&rd, &client, &clock, &state);
  if (rd.err == GESSO_OK && gs_reader_left(&rd) != 0)
    gs_reader_fail(&rd, GESSO_E_CORRUPT, "bytes after the last presence state");
  if (rd.err != GESSO_OK)
    return gs_reader_status(&rd, error_out);

  rd = gs_reader_of(update);
  (void)gs_read_count(&rd, 3);
  for (uint32_t i = 0; i < n; i++) {
    client = gs_read_varuint(&rd);
    clock = gs_read_varuint(&rd);
    state = gs_read_bytes(&rd);
    bool leaves = gs_json_is_null(state);
    uint32_t ix = find(aw, client);
    entry *held = ix == 0 ? NULL : at(aw, ix);
    uint64_t current = held == NULL ? 0 : held->clock;
    bool newer = clock > current || (clock == current && leaves && held != NULL && held->state != NULL);
    if (!newer) {
      counts->stale++;
      continue;
    }
    if (aw->limits.clock_max != 0 && clock > aw->limits.clock_max) {
      counts->refused++;
      continue;
    }
    bool defended = leaves && aw->defended != 0 && client == aw->defended && held != NULL && held->state != NULL;
    if (defended) {
      clock = GS_MIN(clock + 1, GS_MAX_SAFE_INTEGER);
      state = state_of(held);
    }
    /* Farewells of strangers are remembered too, so they need a bound within one turn as well. */
    bool fits = defended ? true
                : leaves ? held != NULL || aw->departed.count < 2 * aw->limits.departed_max
                         : within_limits(aw, owner, held, state);
    if (!fits) {
      counts->refused++;
      continue;
    }
    gesso_status s = take(aw, owner, now_ms, ix, client, clock, state);
    if (s != GESSO_OK) {
      if (error_out != NULL)
        *error_out = (gesso_error){ .status = s, .message = "out of memory" };
      return s;
    }
    counts->taken++;
  }
  return GESSO_OK;
}

void gs_awareness_leave(gs_awareness *aw, gs_awareness_owner *owner)
{
  while (owner->first != 0)
    depart(aw, owner->first);
}

void gs_awareness_expire(gs_awareness *aw, uint64_t now_ms)
{
  while (aw->present.first != 0 && at(aw, aw->present.first)->updated_ms + GS_AWARENESS_EXPIRE_MS <= now_ms)
    depart(aw, aw->present.first);
}

uint64_t gs_awareness_next_expiry(const gs_awareness *aw)
{
  if (aw->present.first == 0)
    return UINT64_MAX;
  return at(aw, aw->present.first)->updated_ms + GS_AWARENESS_EXPIRE_MS;
}

static void write_entry(gs_buf *out, const entry *e)
{
  static const uint8_t gone[] = "null";
  gs_write_varuint(out, e->client);
  gs_write_varuint(out, e->clock);
  if (e->state == NULL)
    gs_write_bytes(out, (gesso_bytes){ gone, 4 });
  else
    gs_write_bytes(out, (gesso_bytes){ e->state, e->state_len });
}

void gs_awareness_drop_changes(gs_awareness *aw)
{
  for (uint32_t i = 0; i < aw->changed_count; i++)
    at(aw, aw->changed[i])->is_changed = false;
  aw->changed_count = 0;
  /* Only now, when nobody's departure is left to announce, may clocks be forgotten. */
  while (aw->departed.count > aw->limits.departed_max)
    forget(aw, aw->departed.first);
}

uint32_t gs_awareness_take_changes(gs_awareness *aw, gs_buf *out)
{
  uint32_t n = aw->changed_count;
  if (n != 0)
    gs_write_varuint(out, n);
  for (uint32_t i = 0; i < n; i++)
    write_entry(out, at(aw, aw->changed[i]));
  gs_awareness_drop_changes(aw);
  return n;
}

uint32_t gs_awareness_encode(const gs_awareness *aw, gs_buf *out)
{
  if (aw->present.count != 0)
    gs_write_varuint(out, aw->present.count);
  for (uint32_t ix = aw->present.first; ix != 0; ix = at(aw, ix)->next)
    write_entry(out, at(aw, ix));
  return aw->present.count;
}

void gs_awareness_listen(gs_awareness *aw, gs_awareness_taken_fn fn, void *ctx)
{
  aw->taken = fn;
  aw->taken_ctx = ctx;
}

void gs_awareness_defend(gs_awareness *aw, uint64_t client)
{
  aw->defended = client;
}

gesso_status gs_awareness_set(gs_awareness *aw, gs_awareness_owner *owner, uint64_t now_ms, uint64_t client,
                              uint64_t clock, gesso_bytes state)
{
  uint32_t ix = find(aw, client);
  if (!gs_json_is_null(state) && !within_limits(aw, owner, ix != 0 ? at(aw, ix) : NULL, state))
    return GESSO_E_LIMIT;
  return take(aw, owner, now_ms, ix, client, clock, state);
}

void gs_awareness_remove(gs_awareness *aw, uint64_t client)
{
  uint32_t ix = find(aw, client);
  if (ix != 0 && at(aw, ix)->state != NULL)
    depart(aw, ix);
}

bool gs_awareness_find(const gs_awareness *aw, uint64_t client, uint64_t *clock, gesso_bytes *state)
{
  uint32_t ix = find(aw, client);
  if (ix == 0)
    return false;
  *clock = at(aw, ix)->clock;
  *state = state_of(at(aw, ix));
  return true;
}

bool gs_awareness_encode_client(const gs_awareness *aw, uint64_t client, gs_buf *out)
{
  uint32_t ix = find(aw, client);
  if (ix != 0)
    write_entry(out, at(aw, ix));
  return ix != 0;
}

bool gs_awareness_each(const gs_awareness *aw, uint32_t *cursor, uint64_t *client, gesso_bytes *state)
{
  *cursor = *cursor == 0 ? aw->present.first : at(aw, *cursor)->next;
  if (*cursor == 0)
    return false;
  *client = at(aw, *cursor)->client;
  *state = state_of(at(aw, *cursor));
  return true;
}

uint32_t gs_awareness_present(const gs_awareness *aw)
{
  return aw->present.count;
}

size_t gs_awareness_states_len(const gs_awareness *aw)
{
  return aw->states_len;
}

static bool check_list(const gs_awareness *aw, const list *l, bool present)
{
  uint32_t n = 0, prev = 0;
  uint64_t last_ms = 0;
  for (uint32_t ix = l->first; ix != 0; prev = ix, ix = at(aw, ix)->next, n++) {
    const entry *e = at(aw, ix);
    if (!e->used || e->prev != prev || find(aw, e->client) != ix || n > l->count)
      return false; /* A1 */
    if ((e->state != NULL) != present || (!present && e->owner != NULL))
      return false; /* A2 */
    if (present && e->updated_ms < last_ms)
      return false; /* A3 */
    last_ms = e->updated_ms;
  }
  return n == l->count && l->last == prev;
}

static bool check_owner(const gs_awareness *aw, const gs_awareness_owner *owner)
{
  uint32_t n = 0;
  for (uint32_t ix = owner->first; ix != 0 && n <= owner->count; ix = at(aw, ix)->owner_next, n++)
    if (at(aw, ix)->owner != owner)
      return false;
  return n == owner->count;
}

bool gs_awareness_check(const gs_awareness *aw)
{
  if (!check_list(aw, &aw->present, true) || !check_list(aw, &aw->departed, false))
    return false;
  uint32_t used = 0, changed = 0;
  size_t len = 0;
  for (uint32_t ix = 1; ix <= aw->entries_count; ix++) {
    const entry *e = at(aw, ix);
    used += e->used;
    changed += e->is_changed;
    len += e->state_len;
    if (e->owner != NULL && !check_owner(aw, e->owner))
      return false; /* A4 */
  }
  for (uint32_t i = 0; i < aw->changed_count; i++)
    if (!at(aw, aw->changed[i])->is_changed)
      return false;
  return used == aw->present.count + aw->departed.count && len == aw->states_len &&
         changed == aw->changed_count;
}
