/* What the parts of bench_store share. */
#ifndef BENCH_STORE_BENCH_H
#define BENCH_STORE_BENCH_H

#include "gesso/gesso.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_BOARDS = 200 };

/* Updates in order of arrival, one after the other in memory; the boards take turns. */
typedef struct bench_updates {
  uint8_t *bytes;
  uint32_t *ends;
  size_t count;
} bench_updates;

double bench_now_s(void);
/* CPU of the process, or of the calling thread. */
double bench_cpu_s(void);
double bench_thread_cpu_s(void);
/* What the kernel counted as sent to the disk. */
uint64_t bench_written_bytes(void);
gesso_bytes bench_text(const char *s);
/* Ends the program with a sentence when something went wrong. */
void bench_check(gesso_status status, const char *what);
/* Notes one of the lines that the table ends with: `figure` of the kind "at most", or "at least" `asked`. */
void bench_line(const char *what, double figure, const char *unit, bool at_least, double asked);

/* --- store_bounds.c --- */
/* A folder on a clock that is moved by hand. */
gesso_persistence *bench_open_by_hand(const char *folder);
/* Moves that clock on in steps of a tenth of a second, as far as the store has reached each; threads that have no such clock get
 * `real_ms` of another one for each. */
void bench_pass(gesso_persistence *p, uint64_t *now_ms, uint64_t ms, unsigned real_ms);
uint64_t bench_file_bytes(const char *folder, const char *name);
/* `hours` of 200 boards drawn on around the clock. */
void bench_day(const char *folder, double hours);

/* --- store_drags.c --- */
void bench_drags(const char *folder);

#endif
