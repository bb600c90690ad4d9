/* The columns of the v2 update format: run-length and difference codings of lib0.
 *
 *   rle       bytes: value, varUint run - 1, value, ... ; the last value has no run and goes on for ever
 *   uint      lib0 UintOptRle: varInt value; a negative one (also -0) is followed by varUint run - 2
 *   diff      lib0 IntDiffOptRle: varInt 2 * difference + 1 if varUint run - 2 follows
 *   string    varString of all strings joined, then their UTF-16 lengths as a uint column
 *
 * All columns of an update latch their errors in the reader of the whole, with offsets in the whole. */
#ifndef GS_WIRE_COLUMNS_H
#define GS_WIRE_COLUMNS_H

#include "wire/reader.h"
#include "wire/writer.h"

typedef struct gs_col {
  const uint8_t *at, *end;
  int64_t value, diff;
  uint64_t run; /* values still to come of the present run */
} gs_col;

/* Takes a varBytes column out of `rd`. */
gs_col gs_col_open(gs_reader *rd);

uint8_t gs_col_rle_slow(gs_reader *rd, gs_col *c);
uint64_t gs_col_uint_slow(gs_reader *rd, gs_col *c);
uint64_t gs_col_diff_slow(gs_reader *rd, gs_col *c);

static inline uint8_t gs_col_rle(gs_reader *rd, gs_col *c)
{
  if (c->run == 0)
    return gs_col_rle_slow(rd, c);
  c->run--;
  return (uint8_t)c->value;
}

/* 0 .. 2^53 - 1; anything else is a latched error, and 0. */
static inline uint64_t gs_col_uint(gs_reader *rd, gs_col *c)
{
  if (c->run == 0)
    return gs_col_uint_slow(rd, c);
  c->run--;
  return (uint64_t)c->value;
}

/* The same range. */
static inline uint64_t gs_col_diff(gs_reader *rd, gs_col *c)
{
  if (c->run == 0)
    return gs_col_diff_slow(rd, c);
  c->run--;
  c->value += c->diff;
  if ((uint64_t)c->value <= GS_MAX_SAFE_INTEGER)
    return (uint64_t)c->value;
  c->run++;
  c->value -= c->diff;
  return gs_col_diff_slow(rd, c);
}

/* A JavaScript string. Where a surrogate pair is cut, the half that is left stands outside of the UTF-8. */
typedef struct gs_jstr {
  gesso_bytes utf8;
  uint16_t low;  /* second half of a pair before utf8; 0: none */
  uint16_t high; /* first half of a pair after it */
  size_t units;  /* UTF-16 code units of all three, or GS_UNITS_UNKNOWN */
} gs_jstr;

#define GS_UNITS_UNKNOWN SIZE_MAX

typedef struct gs_strings {
  gs_col lens;
  const uint8_t *at, *end;
  uint16_t low; /* the next string begins with this half */
} gs_strings;

gs_strings gs_strings_open(gs_reader *rd);
gs_jstr gs_strings_next(gs_reader *rd, gs_strings *s);

/* Appends the string as UTF-8; each half becomes U+FFFD. */
void gs_jstr_write(gs_buf *out, gs_jstr s);
/* The same with each half as three bytes of its own, which UTF-8 has not. */
void gs_jstr_write_wtf8(gs_buf *out, gs_jstr s);
size_t gs_jstr_bytes(gs_jstr s);
static inline gs_jstr gs_jstr_of(gesso_bytes utf8, size_t units)
{
  return (gs_jstr){ utf8, 0, 0, units };
}

typedef struct gs_col_writer {
  gs_buf buf;
  int64_t value, diff;
  uint64_t run;
  bool some;
} gs_col_writer;

void gs_col_new_rle(gs_col_writer *c, uint8_t value);
void gs_col_new_uint(gs_col_writer *c, uint64_t value);
void gs_col_new_diff(gs_col_writer *c, int64_t diff);

static inline void gs_col_put_rle(gs_col_writer *c, uint8_t value)
{
  if (c->some && c->value == value)
    c->run++;
  else
    gs_col_new_rle(c, value);
}

static inline void gs_col_put_uint(gs_col_writer *c, uint64_t value)
{
  /* lib0 starts from 0: zeros in front are counted from the first. */
  if (c->value == (int64_t)value)
    c->run++;
  else
    gs_col_new_uint(c, value);
}

static inline void gs_col_put_diff(gs_col_writer *c, uint64_t value)
{
  int64_t diff = (int64_t)value - c->value;
  c->value = (int64_t)value;
  if (diff == c->diff)
    c->run++;
  else
    gs_col_new_diff(c, diff);
}

/* Writes what is left of the last run: for uint and diff columns, before their bytes are used. */
void gs_col_flush_uint(gs_col_writer *c);
void gs_col_flush_diff(gs_col_writer *c);

typedef struct gs_string_writer {
  gs_buf text;
  gs_col_writer lens;
  uint16_t high; /* the last string ended with this half; the next may complete it */
} gs_string_writer;

void gs_strings_put(gs_string_writer *w, gs_jstr s);
/* Ends the text; before its bytes are used. */
void gs_strings_flush(gs_string_writer *w);

#endif
