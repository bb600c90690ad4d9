/* The columns of the v2 update format: run-length and difference codings of lib0.
 *
 *   rle       bytes: value, varUint run - 1, value, ... ; the last value has no run and goes on for ever
 *   uint      lib0 UintOptRle: varInt value; a negative one (also -0) is followed by varUint run - 2
 *   diff      lib0 IntDiffOptRle: varInt 2 * difference + 1 if varUint run - 2 follows
 *   string    varString of all strings joined, then their UTF-16 lengths as a uint column
 *
 * Readers share one error: the first that fails, with its offset in the whole input. */
#ifndef GS_WIRE_COLUMNS_H
#define GS_WIRE_COLUMNS_H

#include "wire/reader.h"
#include "wire/writer.h"

typedef struct gs_col_reader {
  gs_reader rd;
  int64_t value, diff;
  uint64_t run; /* values still to come of the present run */
} gs_col_reader;

/* Reads a varBytes column out of `rd`. */
gs_col_reader gs_col_open(gs_reader *rd);
uint8_t gs_col_rle(gs_col_reader *c);
/* 0 .. 2^53 - 1; anything else is a latched error, and 0. */
uint64_t gs_col_uint(gs_col_reader *c);
uint64_t gs_col_diff(gs_col_reader *c);

typedef struct gs_string_reader {
  gs_col_reader lens;
  gesso_bytes text;
  size_t at;
  bool in_pair; /* the next unit is the second half of the character before `at` */
} gs_string_reader;

gs_string_reader gs_strings_open(gs_reader *rd);
/* The next string: in up to three parts, since a half of a surrogate pair at either end becomes U+FFFD. */
void gs_strings_next(gs_string_reader *s, gesso_bytes parts[3]);

typedef struct gs_col_writer {
  gs_buf buf;
  int64_t value, diff;
  uint64_t run;
  bool some;
} gs_col_writer;

void gs_col_put_rle(gs_col_writer *c, uint8_t value);
void gs_col_put_uint(gs_col_writer *c, uint64_t value);
void gs_col_put_diff(gs_col_writer *c, uint64_t value);
/* Writes what is left of the last run: for uint and diff columns, before their bytes are used. */
void gs_col_flush_uint(gs_col_writer *c);
void gs_col_flush_diff(gs_col_writer *c);

#endif
