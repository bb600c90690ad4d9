/* A board's states are drawn in docs/storage.md. `dirty` is live_rows > 0, `folding` is fold_running, both at once when
 * rows arrive meanwhile. Nothing cancels a fold that is being written; what it may not do is decided
 * when it is committed: the board must have the same number and not have been purged.
 *
 * The journal index:
 *
 *    entries    | x | x | A | B | x | A | C | B | A |          x: dead
 *               head    dead_to                     end
 *    board A              first_at .--->.------>.   last_at
 */
#include "store/board.h"
#include "base/seed.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

/* Fold when the journal holds this much of a board, or half its state, whichever is more: the cost
 * of rewriting the state is then a constant number of bytes for each byte journalled. */
#define FOLD_BYTES_MIN ((uint64_t)64 * 1024)
/* A pause in the drawing is worth a fold when the journal holds as much as the state; otherwise it comes after this long, so that
 * there are versions. Large states have fewer. */
#define FOLD_ANYWAY_MS ((uint64_t)300 * 1000)
#define FOLD_LARGE_STATE ((uint64_t)1024 * 1024)
#define FOLD_LARGE_MS ((uint64_t)3600 * 1000)

bool gs_boards_init(gs_boards *bs, const gesso_allocator *al)
{
  *bs = (gs_boards){ .alloc = al, .bucket_count = 256, .seed = gs_hash_seed(bs) };
  bs->buckets = gs_alloc_zero(al, bs->bucket_count * sizeof *bs->buckets);
  return bs->buckets != NULL;
}

static void free_board(gs_boards *bs, gs_board *b)
{
  gs_free(bs->alloc, b, sizeof *b + b->name_len);
}

void gs_boards_finish(gs_boards *bs)
{
  for (uint32_t i = 0; bs->buckets != NULL && i < bs->bucket_count; i++) {
    for (gs_board *b = bs->buckets[i], *next; b != NULL; b = next) {
      next = b->next_in_bucket;
      free_board(bs, b);
    }
  }
  gs_free(bs->alloc, bs->buckets, bs->bucket_count * sizeof *bs->buckets);
  gs_free(bs->alloc, bs->journal.entries, (size_t)bs->journal.cap * sizeof *bs->journal.entries);
  *bs = (gs_boards){ 0 };
}

static uint64_t hash_name(const gs_boards *bs, gesso_bytes name)
{
  return XXH3_64bits_withSeed(name.data, name.len, bs->seed);
}

static gs_board *find(const gs_boards *bs, gesso_bytes name, uint64_t hash)
{
  for (gs_board *b = bs->buckets[hash & (bs->bucket_count - 1)]; b != NULL; b = b->next_in_bucket) {
    if (b->name_hash == hash && b->name_len == name.len && memcmp(b->name, name.data, name.len) == 0)
      return b;
  }
  return NULL;
}

gs_board *gs_boards_find(const gs_boards *bs, gesso_bytes name)
{
  return find(bs, name, hash_name(bs, name));
}

static void grow_buckets(gs_boards *bs)
{
  uint32_t n = bs->bucket_count * 2;
  gs_board **buckets = gs_alloc_zero(bs->alloc, n * sizeof *buckets);
  if (buckets == NULL)
    return; /* slower, not wrong */
  for (uint32_t i = 0; i < bs->bucket_count; i++) {
    for (gs_board *b = bs->buckets[i], *next; b != NULL; b = next) {
      next = b->next_in_bucket;
      b->next_in_bucket = buckets[b->name_hash & (n - 1)];
      buckets[b->name_hash & (n - 1)] = b;
    }
  }
  gs_free(bs->alloc, bs->buckets, bs->bucket_count * sizeof *bs->buckets);
  bs->buckets = buckets;
  bs->bucket_count = n;
}

gs_board *gs_boards_get(gs_boards *bs, gesso_bytes name)
{
  uint64_t hash = hash_name(bs, name);
  gs_board *b = find(bs, name, hash);
  if (b != NULL)
    return b;
  b = gs_alloc_zero(bs->alloc, sizeof *b + name.len);
  if (b == NULL)
    return NULL;
  b->name_hash = hash;
  b->name_len = (uint32_t)name.len;
  memcpy(b->name, name.data, name.len);
  if (bs->count >= bs->bucket_count)
    grow_buckets(bs);
  b->next_in_bucket = bs->buckets[hash & (bs->bucket_count - 1)];
  bs->buckets[hash & (bs->bucket_count - 1)] = b;
  bs->count++;
  return b;
}

void gs_boards_let_go(gs_boards *bs, gs_board *b)
{
  if (b->live_rows != 0 || b->fold_running || b->touched || b->saves.first != NULL || b->batch.first != NULL ||
      atomic_load(&b->unsaved) != 0)
    return;
  gs_board **at = &bs->buckets[b->name_hash & (bs->bucket_count - 1)];
  while (*at != b)
    at = &(*at)->next_in_bucket;
  *at = b->next_in_bucket;
  bs->count--;
  free_board(bs, b);
}

void gs_boards_each(gs_boards *bs, void (*fn)(void *ctx, gs_board *b), void *ctx)
{
  for (uint32_t i = 0; i < bs->bucket_count; i++) {
    for (gs_board *b = bs->buckets[i], *next; b != NULL; b = next) {
      next = b->next_in_bucket;
      fn(ctx, b);
    }
  }
}

/* --- the journal index --- */

gs_journal_entry *gs_journal_entry_at(gs_boards *bs, uint64_t at)
{
  return &bs->journal.entries[at & (bs->journal.cap - 1)];
}

bool gs_journal_reserve(gs_boards *bs, size_t rows)
{
  gs_journal *j = &bs->journal;
  uint64_t used = j->end - j->head;
  if (used + rows <= j->cap)
    return true;
  uint64_t cap = j->cap == 0 ? 1024 : j->cap;
  while (cap < used + rows)
    cap *= 2;
  if (cap > UINT32_MAX / 2)
    return false;
  gs_journal_entry *entries = gs_alloc(bs->alloc, cap * sizeof *entries);
  if (entries == NULL)
    return false;
  for (uint64_t at = j->head; at < j->end; at++)
    entries[at & (cap - 1)] = *gs_journal_entry_at(bs, at);
  gs_free(bs->alloc, j->entries, (size_t)j->cap * sizeof *entries);
  j->entries = entries;
  j->cap = (uint32_t)cap;
  return true;
}

void gs_journal_give(gs_boards *bs, uint64_t at, gs_board *b)
{
  gs_journal_entry *e = gs_journal_entry_at(bs, at);
  assert(e->board == NULL && (b->live_rows == 0 || b->last_at < at));
  e->board = b;
  e->to_next = 0;
  if (b->live_rows == 0) {
    b->first_at = at;
    bs->dirty++;
  } else {
    gs_journal_entry_at(bs, b->last_at)->to_next = (uint32_t)(at - b->last_at);
  }
  b->last_at = at;
  b->last_id = e->id;
  b->live_rows++;
  b->live_bytes += e->bytes;
  bs->journal.live_bytes += e->bytes;
}

void gs_journal_note(gs_boards *bs, gs_board *b, uint64_t id, uint32_t bytes)
{
  gs_journal *j = &bs->journal;
  assert(j->end - j->head < j->cap);
  uint64_t at = j->end++;
  *gs_journal_entry_at(bs, at) = (gs_journal_entry){ .id = id, .bytes = bytes };
  j->bytes += bytes;
  if (b != NULL)
    gs_journal_give(bs, at, b);
}

void gs_journal_release(gs_boards *bs, gs_board *b, uint64_t upto)
{
  if (b->live_rows == 0)
    return;
  while (b->live_rows > 0) {
    gs_journal_entry *e = gs_journal_entry_at(bs, b->first_at);
    assert(e->board == b);
    if (e->id > upto)
      return;
    e->board = NULL;
    b->live_rows--;
    b->live_bytes -= e->bytes;
    bs->journal.live_bytes -= e->bytes;
    b->first_at += e->to_next;
  }
  bs->dirty--;
}

size_t gs_journal_dead_prefix(gs_boards *bs, size_t rows_max, uint64_t *below)
{
  gs_journal *j = &bs->journal;
  while (j->dead_to < j->end && gs_journal_entry_at(bs, j->dead_to)->board == NULL) {
    j->dead_prefix_bytes += gs_journal_entry_at(bs, j->dead_to)->bytes;
    j->dead_to++;
  }
  uint64_t n = GS_MIN(j->dead_to - j->head, rows_max);
  if (n != 0)
    *below = gs_journal_entry_at(bs, j->head + n - 1)->id + 1;
  return (size_t)n;
}

void gs_journal_cut(gs_boards *bs, size_t rows)
{
  gs_journal *j = &bs->journal;
  for (size_t i = 0; i < rows; i++) {
    gs_journal_entry *e = gs_journal_entry_at(bs, j->head++);
    assert(e->board == NULL);
    j->bytes -= e->bytes;
    j->dead_prefix_bytes -= e->bytes;
  }
}

static void forget_rows(void *ctx, gs_board *b)
{
  (void)ctx;
  b->live_rows = 0;
  b->live_bytes = 0;
}

void gs_journal_clear(gs_boards *bs)
{
  gs_journal *j = &bs->journal;
  gs_boards_each(bs, forget_rows, NULL);
  j->head = j->dead_to = j->end = 0;
  j->bytes = j->live_bytes = j->dead_prefix_bytes = 0;
  bs->dirty = 0;
}

void gs_board_ids(gs_boards *bs, const gs_board *b, uint64_t *out)
{
  uint64_t at = b->first_at;
  for (uint32_t i = 0; i < b->live_rows; i++) {
    gs_journal_entry *e = gs_journal_entry_at(bs, at);
    out[i] = e->id;
    at += e->to_next;
  }
}

/* --- when to fold --- */

uint64_t gs_board_wait_over_ms(const gs_board *b, const gs_fold_policy *policy)
{
  uint64_t quiet = b->changed_ms + policy->debounce_ms, ceiling = b->dirty_since_ms + policy->max_wait_ms;
  return GS_MIN(quiet, ceiling);
}

uint64_t gs_board_fold_due_ms(const gs_board *b, const gs_fold_policy *policy)
{
  if (b->live_rows == 0 || b->fold_running)
    return UINT64_MAX;
  if (b->fold_forced)
    return b->fold_not_before_ms;
  if (b->unreadable || b->row.deleted_ms != 0)
    return UINT64_MAX; /* only when somebody asks, or the cap does */
  uint64_t state = b->row.stored_bytes, much = GS_MAX(FOLD_BYTES_MIN, state / 2);
  if (b->live_bytes >= much)
    return b->fold_not_before_ms;
  if (b->live_bytes < GS_MIN(much, state))
    return UINT64_MAX;
  return GS_MAX(gs_board_wait_over_ms(b, policy), b->fold_not_before_ms);
}

bool gs_board_can_fold(const gs_board *b)
{
  return b->live_rows != 0 && !b->fold_running && !b->unreadable && b->row.deleted_ms == 0;
}

uint64_t gs_board_history_due_ms(const gs_board *b)
{
  if (!gs_board_can_fold(b))
    return UINT64_MAX;
  uint64_t wait = b->row.stored_bytes < FOLD_LARGE_STATE ? FOLD_ANYWAY_MS : FOLD_LARGE_MS;
  return GS_MAX(b->dirty_since_ms + wait, b->fold_not_before_ms);
}
