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

/* Takes the last value back. */
static inline void gs_col_rle_unread(gs_col *c)
{
  if (c->run != UINT64_MAX)
    c->run++;
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
  uint64_t run; /* values of the present run so far; 0: there was none yet */
} gs_col_writer;

void gs_col_new_rle(gs_col_writer *c, uint8_t value);
void gs_col_new_uint(gs_col_writer *c, uint64_t value);
void gs_col_new_diff(gs_col_writer *c, int64_t diff);

static inline void gs_col_put_rle(gs_col_writer *c, uint8_t value)
{
  if (c->run > 0 && c->value == value)
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

/* The same for many values at once: a pen is a writer with room for them, small enough for registers. */
typedef struct gs_pen {
  uint8_t *at;
  int64_t value, diff;
  uint64_t run;
} gs_pen;

#define GS_PEN_ROOM 20 /* bytes that one value takes at most */
#define GS_ALWAYS_INLINE inline __attribute__((always_inline)) /* else pens stay in memory */

/* Room for n values, or for what is scribbled over behind none. Out of memory is latched; the pen must not be used
 * then: NULL. */
static inline gs_pen gs_pen_take(gs_col_writer *c, size_t n)
{
  bool room = gs_buf_room(&c->buf, (n > 0 ? n : 1) * GS_PEN_ROOM);
  return (gs_pen){ room ? c->buf.b.data + c->buf.b.len : NULL, c->value, c->diff, c->run };
}

static inline void gs_pen_give(gs_col_writer *c, const gs_pen *pen)
{
  c->buf.b.len = (size_t)(pen->at - c->buf.b.data);
  c->value = pen->value;
  c->diff = pen->diff;
  c->run = pen->run;
}

/* A number and how often it comes, below 2^55: negative when a count follows. A varInt is the varUint that has the sign
 * between its lowest six bits and the others. */
static GS_ALWAYS_INLINE uint8_t *gs_pen_run(uint8_t *p, uint64_t magnitude, bool negative, uint64_t run)
{
  p = gs_put_varuint56(p, (magnitude & 0x3f) | (uint64_t)negative << 6 | magnitude >> 6 << 7);
  return run > 1 ? gs_put_varuint56(p, run - 2) : p;
}

/* For values that mostly are as those before, and for clocks (their differences are below 2^53 / 2). */
static GS_ALWAYS_INLINE void gs_pen_rle(gs_pen *pen, uint8_t value)
{
  if (pen->run > 0 && pen->value == value) {
    pen->run++;
    return;
  }
  if (pen->run > 0)
    pen->at = gs_put_varuint(pen->at, pen->run - 1);
  *pen->at++ = value;
  pen->value = value;
  pen->run = 1;
}

static GS_ALWAYS_INLINE void gs_pen_uint(gs_pen *pen, uint64_t value)
{
  if (pen->value == (int64_t)value) {
    pen->run++;
    return;
  }
  if (pen->run > 0)
    pen->at = gs_pen_run(pen->at, (uint64_t)pen->value, pen->run > 1, pen->run);
  pen->value = (int64_t)value;
  pen->run = 1;
}

static GS_ALWAYS_INLINE void gs_pen_diff(gs_pen *pen, uint32_t value)
{
  int64_t diff = (int64_t)value - pen->value;
  pen->value = (int64_t)value;
  if (diff == pen->diff) {
    pen->run++;
    return;
  }
  if (pen->run > 0) {
    int64_t coded = pen->diff * 2 + (pen->run > 1);
    pen->at = gs_pen_run(pen->at, (uint64_t)(coded < 0 ? -coded : coded), coded < 0, pen->run);
  }
  pen->diff = diff;
  pen->run = 1;
}

/* n > 0 values, of which each is one more than the one before it. */
static GS_ALWAYS_INLINE void gs_pen_steps(gs_pen *pen, uint32_t first, uint32_t n)
{
  gs_pen_diff(pen, first);
  if (n > 1) {
    gs_pen_diff(pen, first + 1);
    pen->run += n - 2;
    pen->value += n - 2;
  }
}

/* The same for values that now and then are as those before, so that a branch would be guessed wrong: what would end
 * the run is written each time, and counts when it has ended. */
enum { GS_PEN_SHORT = 0x80 }; /* runs whose count is one byte */

static GS_ALWAYS_INLINE void gs_pen_ends(gs_pen *pen, bool ends, uint64_t magnitude, bool negative)
{
  uint8_t *p = gs_put_varint34(pen->at, magnitude, negative);
  *p = (uint8_t)(pen->run - 2);
  p += pen->run > 1;
  pen->at += (size_t)(p - pen->at) & (0 - (size_t)ends);
  pen->run = (pen->run & ((uint64_t)ends - 1)) + 1;
}

static inline void gs_pen_mixed_uints(gs_pen *to, const uint32_t *v, size_t n)
{
  gs_pen pen = *to;
  size_t i = 0;
  if (n > 0 && pen.run == 0)
    gs_pen_uint(&pen, v[i++]);
  for (; i < n; i++) {
    if (pen.run > GS_PEN_SHORT) {
      gs_pen_uint(&pen, v[i]);
      continue;
    }
    gs_pen_ends(&pen, pen.value != (int64_t)v[i], (uint64_t)pen.value, pen.run > 1);
    pen.value = (int64_t)v[i];
  }
  *to = pen;
}

static inline void gs_pen_mixed_diffs(gs_pen *to, const uint32_t *v, size_t n)
{
  gs_pen pen = *to;
  size_t i = 0;
  if (n > 0 && pen.run == 0)
    gs_pen_diff(&pen, v[i++]);
  for (; i < n; i++) {
    if (pen.run > GS_PEN_SHORT) {
      gs_pen_diff(&pen, v[i]);
      continue;
    }
    int64_t diff = (int64_t)v[i] - pen.value, coded = pen.diff * 2 + (pen.run > 1);
    gs_pen_ends(&pen, diff != pen.diff, (uint64_t)(coded < 0 ? -coded : coded), coded < 0);
    pen.value = (int64_t)v[i];
    pen.diff = diff;
  }
  *to = pen;
}

static inline void gs_pen_mixed_rles(gs_pen *to, const uint8_t *v, size_t n)
{
  gs_pen pen = *to;
  for (size_t i = 0; i < n; i++) {
    if (pen.run == 0 || pen.run > GS_PEN_SHORT) {
      gs_pen_rle(&pen, v[i]);
      continue;
    }
    bool ends = pen.value != v[i];
    pen.at[0] = (uint8_t)(pen.run - 1);
    pen.at[1] = v[i];
    pen.at += (size_t)ends * 2;
    pen.run = (pen.run & ((uint64_t)ends - 1)) + 1;
    pen.value = v[i];
  }
  *to = pen;
}

typedef struct gs_string_writer {
  gs_buf text;
  gs_col_writer lens;
  uint16_t high; /* the last string ended with this half; the next may complete it */
} gs_string_writer;

void gs_strings_put(gs_string_writer *w, gs_jstr s);
/* Ends the text; before its bytes are used. */
void gs_strings_flush(gs_string_writer *w);

#endif
