/* What the storage thread knows in memory: the boards with something to do, and which journal row
 * belongs to whom. Both belong to the storage thread alone, but for `unsaved`. */
#ifndef GS_STORE_BOARD_H
#define GS_STORE_BOARD_H

#include "store/backend.h"

#include <stdatomic.h>

typedef struct gs_op gs_op;
typedef struct gs_board gs_board;

typedef struct gs_op_list {
  gs_op *first, *last;
} gs_op_list;

struct gs_board {
  gs_board *next_in_bucket;
  uint64_t name_hash;
  bool known;             /* `row` is what the database says as of the last commit */
  gs_board_row row;

  /* Its live journal rows, a chain through the journal index in order of id. */
  uint64_t first_at, last_at;
  uint32_t live_rows;
  uint64_t live_bytes, last_id;
  uint64_t dirty_since_ms, changed_ms; /* monotonic; while live_rows > 0 */
  int64_t changed_wall_ms;

  /* The group that is being written. */
  gs_op_list batch;
  size_t batch_bytes;
  bool touched;
  gs_board *next_touched;

  /* Folding. */
  bool fold_running;
  bool fold_forced;       /* by the cap, or an explicit save */
  uint32_t fold_failures;
  uint64_t fold_not_before_ms, fold_began_ms;
  bool unreadable;        /* the last fold could not decode it */
  gs_op_list saves;       /* save and save_debounced that wait for a fold */

  atomic_uint unsaved;    /* writes handed in and not yet synced */
  uint64_t mark;          /* for counting boards once */
  uint32_t name_len;
  uint8_t name[];
};

/* The journal, row by row in order of id, as a queue: appended at the end, cut from the front. A row
 * without a board is dead: folded, or its board is gone. */
typedef struct gs_journal_entry {
  gs_board *board;
  uint64_t id;
  uint32_t bytes;
  uint32_t to_next; /* distance to the next live row of the same board; 0: it is the last one */
} gs_journal_entry;

typedef struct gs_journal {
  gs_journal_entry *entries; /* entry number `at` is entries[at & (cap - 1)] */
  uint32_t cap;              /* power of two, or 0 */
  uint64_t head, dead_to, end; /* [head, dead_to) is dead and can be cut; [head, end) is on disk */
  uint64_t bytes, live_bytes, dead_prefix_bytes;
} gs_journal;

typedef struct gs_boards {
  const gesso_allocator *alloc;
  gs_board **buckets;
  uint32_t bucket_count, count, dirty;
  uint64_t seed; /* of the hashes of names */
  gs_journal journal;
} gs_boards;

bool gs_boards_init(gs_boards *bs, const gesso_allocator *al);
void gs_boards_finish(gs_boards *bs);

/* NULL when it is not in memory. */
gs_board *gs_boards_find(const gs_boards *bs, gesso_bytes name);
/* Found or made (nothing known). NULL: no memory. */
gs_board *gs_boards_get(gs_boards *bs, gesso_bytes name);
/* Forgets the board when it holds nothing. */
void gs_boards_let_go(gs_boards *bs, gs_board *b);
/* Calls fn for each board; fn may let go of the one it is given. */
void gs_boards_each(gs_boards *bs, void (*fn)(void *ctx, gs_board *b), void *ctx);

static inline gesso_bytes gs_board_name(const gs_board *b)
{
  return (gesso_bytes){ b->name, b->name_len };
}

/* Room for `rows` more entries, so that noting a committed row cannot fail. */
GESSO_MUST_USE bool gs_journal_reserve(gs_boards *bs, size_t rows);
/* Notes a row that has been committed. `b` NULL: it is dead from the start. */
void gs_journal_note(gs_boards *bs, gs_board *b, uint64_t id, uint32_t bytes);
/* Gives entry `at` to a board, in order (while the index is built). */
void gs_journal_give(gs_boards *bs, uint64_t at, gs_board *b);
/* Rows of the board with id <= upto are dead from now on. */
void gs_journal_release(gs_boards *bs, gs_board *b, uint64_t upto);
/* Everything dead in front, at most `rows_max` rows: the id below which all can be cut, and how many
 * entries that are; 0 when there is nothing. */
size_t gs_journal_dead_prefix(gs_boards *bs, size_t rows_max, uint64_t *below);
/* After the cut is committed. */
void gs_journal_cut(gs_boards *bs, size_t rows);
/* Forgets every row (the boards stay, with no rows). */
void gs_journal_clear(gs_boards *bs);

gs_journal_entry *gs_journal_entry_at(gs_boards *bs, uint64_t at);
/* The ids of the board's live rows. `out` has room for b->live_rows. */
void gs_board_ids(gs_boards *bs, const gs_board *b, uint64_t *out);

typedef struct gs_fold_policy {
  uint32_t debounce_ms, max_wait_ms;
} gs_fold_policy;

/* When its debounce or its ceiling is over, worth a fold or not. */
uint64_t gs_board_wait_over_ms(const gs_board *b, const gs_fold_policy *policy);
/* When the board is due to be folded, on the monotonic clock; UINT64_MAX: not for now. */
uint64_t gs_board_fold_due_ms(const gs_board *b, const gs_fold_policy *policy);
/* It has something to fold, and it can be tried. */
bool gs_board_can_fold(const gs_board *b);
/* When a board that is not worth a fold is folded all the same, so that there are versions of it. */
uint64_t gs_board_history_due_ms(const gs_board *b);

#endif
