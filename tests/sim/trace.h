/* What decides and what is remembered of one run: the seed's random numbers, the log of events, its hash. */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern bool trace_verbose; /* every line goes to stdout as it comes */

void trace_begin(uint64_t seed);

/* The one source of chance. */
uint64_t trace_random(void);
uint32_t roll(uint32_t n);        /* 0 .. n - 1; n 0: 0 */
bool chance(uint32_t percent);
bool chance_permille(uint32_t permille);

/* A line of the log. The last few hundred are kept. */
void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Goes into the hash only: for what is too frequent to be a line. `what` is printed when verbose. */
void trace_bytes(const char *what, const char *name, int64_t at, const void *data, size_t len);

/* The same for two runs in which the same happened in the same order. */
uint64_t trace_hash(void);
uint64_t trace_lines(void);

/* Something that must never be: prints it, the seed, and the end of the log. Does not return: the process
 * exits with FAIL_STATUS. From any simulated thread. */
enum { FAIL_STATUS = 10 };
void violated(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Makes crashes and failed assertions end as violations. */
void trace_catch_crashes(void);

/* Printed with a violation so that it can be run again: "--plant x", or "". */
extern const char *trace_arguments;
/* Print one line for a violation, nothing else: somebody looks for planted bugs. */
extern bool trace_brief;

#endif
