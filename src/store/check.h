/* Looking at every row of a data folder, and moving away what is damaged. */
#ifndef GS_STORE_CHECK_H
#define GS_STORE_CHECK_H

#include "gesso/base.h"

#include <stdbool.h>

typedef enum gs_table { GS_TABLE_DATABASE, GS_TABLE_STATES, GS_TABLE_JOURNAL, GS_TABLE_ASIDE, GS_TABLE_HISTORY, GS_TABLES } gs_table;

/* "board_states" ... */
const char *gs_table_name(gs_table table);

/* Something that is not as it must be. */
typedef struct gs_finding {
  gs_table table;
  uint64_t key;       /* journal, aside, history: id. States: number of the board, or minus the row's, when there is
                         no board. 0: a board as a whole, the database */
  gesso_bytes board;  /* its name; empty: not known */
  gesso_status status;
  const char *why;    /* a sentence */
} gs_finding;

typedef struct gs_check_counts {
  uint64_t boards, deleted, states, rows, dead_rows, aside_rows, versions, quarantined, bytes;
  uint64_t findings;
} gs_check_counts;

typedef struct gs_check_watch {
  void (*found)(void *ctx, const gs_finding *finding);            /* may be NULL */
  void (*progress)(void *ctx, uint64_t boards_done, uint64_t boards); /* may be NULL; often */
  void *ctx;
} gs_check_watch;

/* Reads every row of a folder: SQLite's own check of the file; for each board checksums, decoding, state vectors, state and
 * journal put together, each version; rows that belong to nobody, and ids that are twice. Works beside a
 * writer, in pieces that do not hold up its log for long; changes nothing. OK when all was looked at, whatever was
 * found: see counts->findings. Otherwise `why` (may be NULL) receives a sentence: NOTFOUND, VERSION, CORRUPT
 * (not a gesso database), IO, NOMEM. */
gesso_status gs_check(const char *folder, uint64_t doc_memory_max, const gs_check_watch *watch,
                      gs_check_counts *counts, gesso_buffer *why);

typedef struct gs_repair_counts {
  uint64_t moved;    /* rows that went to quarantine */
  uint64_t replaced; /* states that their newest readable version took the place of */
  uint64_t emptied;  /* states that nothing took the place of: the journal's rows are what is left */
} gs_repair_counts;

/* What a check finds goes to the table `quarantine`, with everything that is known of it; nothing is dropped. A board that
 * loses its state by that gets its newest readable version instead. In a folder that nobody has open for writing.
 * `found` of `watch` is told of each before anything is moved. Errors as of gs_check; BUSY. */
gesso_status gs_repair(const char *folder, uint64_t doc_memory_max, const gs_check_watch *watch, gs_repair_counts *counts,
                       gesso_buffer *why);

#endif
