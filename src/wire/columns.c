#include "wire/columns.h"
#include "wire/utf8.h"

static const char out_of_range[] = "a number of a column is out of range";
static const char too_short[] = "the strings are shorter than their lengths say";

gs_col gs_col_open(gs_reader *rd)
{
  gesso_bytes bytes = gs_read_bytes(rd);
  return (gs_col){ .at = bytes.data, .end = bytes.data + bytes.len };
}

/* The column as a reader of its own, and back: an error goes to the reader of the whole. */
static gs_reader enter(const gs_reader *rd, const gs_col *c)
{
  return (gs_reader){ .begin = rd->begin, .at = c->at, .end = rd->err == GESSO_OK ? c->end : c->at };
}

static void leave(gs_reader *rd, gs_col *c, const gs_reader *in)
{
  c->at = in->at;
  if (in->err == GESSO_OK || rd->err != GESSO_OK)
    return;
  gs_reader_fail(rd, in->err, in->err_why);
  rd->err_offset = in->err_offset;
}

uint8_t gs_col_rle_slow(gs_reader *rd, gs_col *c)
{
  gs_reader in = enter(rd, c);
  c->value = gs_read_u8(&in);
  c->run = UINT64_MAX;
  if (in.err == GESSO_OK && gs_reader_left(&in) > 0)
    c->run = gs_read_varuint(&in);
  leave(rd, c, &in);
  return (uint8_t)c->value;
}

static uint64_t in_range(gs_reader *in, gs_col *c)
{
  if (c->value < 0 || c->value > (int64_t)GS_MAX_SAFE_INTEGER) {
    gs_reader_fail(in, GESSO_E_RANGE, out_of_range);
    c->value = 0;
    c->run = 0;
  }
  return (uint64_t)c->value;
}

uint64_t gs_col_uint_slow(gs_reader *rd, gs_col *c)
{
  gs_reader in = enter(rd, c);
  bool negative = false;
  c->value = gs_read_varint(&in, &negative);
  if (negative) {
    c->value = -c->value;
    c->run = gs_read_varuint(&in) + 1;
  }
  uint64_t value = in_range(&in, c);
  leave(rd, c, &in);
  return value;
}

uint64_t gs_col_diff_slow(gs_reader *rd, gs_col *c)
{
  gs_reader in = enter(rd, c);
  if (c->run == 0) {
    int64_t coded = gs_read_varint(&in, NULL);
    bool has_run = (coded & 1) != 0;
    c->diff = (coded - (has_run ? 1 : 0)) / 2;
    c->run = has_run ? gs_read_varuint(&in) + 2 : 1;
  }
  c->run--;
  c->value += c->diff;
  uint64_t value = in_range(&in, c);
  leave(rd, c, &in);
  return value;
}

gs_strings gs_strings_open(gs_reader *rd)
{
  gs_strings s = { .lens = gs_col_open(rd) };
  gs_reader in = enter(rd, &s.lens);
  gesso_bytes text = gs_read_string(&in);
  leave(rd, &s.lens, &in);
  s.at = text.data;
  s.end = text.data + text.len;
  return s;
}

gs_jstr gs_strings_next(gs_reader *rd, gs_strings *s)
{
  gs_jstr str = { .units = (size_t)gs_col_uint(rd, &s->lens) };
  str.utf8 = (gesso_bytes){ s->at, 0 };
  size_t units = str.units;
  if (units > 0 && s->low != 0) {
    str.low = s->low;
    s->low = 0;
    units--;
  }
  if (units == 0 || rd->err != GESSO_OK)
    return str;
  gesso_bytes rest = { s->at, (size_t)(s->end - s->at) };
  int pair = 0;
  size_t n = units > rest.len ? rest.len : gs_utf8_offset_of(rest, units, &pair);
  str.utf8.len = n;
  if (pair) {
    const uint8_t *p = s->at + n;
    uint32_t c = (uint32_t)(p[0] & 7) << 18 | (uint32_t)(p[1] & 63) << 12 | (uint32_t)(p[2] & 63) << 6 | (p[3] & 63);
    str.high = (uint16_t)(0xd800 + ((c - 0x10000) >> 10));
    s->low = (uint16_t)(0xdc00 + (c & 0x3ff));
    n += 4;
  } else if (n == rest.len && (units > rest.len || gs_utf8_utf16_len(rest) < units)) {
    gs_reader in = { .begin = rd->begin, .at = s->at, .end = s->end };
    gs_reader_fail(&in, GESSO_E_CORRUPT, too_short);
    leave(rd, &s->lens, &in);
    return (gs_jstr){ .utf8 = { s->end, 0 } };
  }
  s->at += n;
  return str;
}

static const char half[] = "\xef\xbf\xbd";

void gs_jstr_write(gs_buf *out, gs_jstr s)
{
  if (s.low != 0)
    gs_buf_write(out, half, 3);
  gs_buf_write(out, s.utf8.data, s.utf8.len);
  if (s.high != 0)
    gs_buf_write(out, half, 3);
}

static void write_half(gs_buf *out, uint16_t unit)
{
  const uint8_t bytes[3] = { (uint8_t)(0xe0 | unit >> 12), (uint8_t)(0x80 | (unit >> 6 & 63)),
                             (uint8_t)(0x80 | (unit & 63)) };
  gs_buf_write(out, bytes, unit != 0 ? 3 : 0);
}

void gs_jstr_write_wtf8(gs_buf *out, gs_jstr s)
{
  write_half(out, s.low);
  gs_buf_write(out, s.utf8.data, s.utf8.len);
  write_half(out, s.high);
}

size_t gs_jstr_bytes(gs_jstr s)
{
  return (s.low != 0 ? 3u : 0u) + s.utf8.len + (s.high != 0 ? 3u : 0u);
}

void gs_col_new_rle(gs_col_writer *c, uint8_t value)
{
  if (c->run > 0)
    gs_write_varuint(&c->buf, c->run - 1);
  gs_buf_put(&c->buf, value);
  c->value = value;
  c->run = 1;
}

static void put_run(gs_buf *buf, uint64_t magnitude, bool negative, uint64_t run)
{
  if (gs_buf_room(buf, GS_PEN_ROOM))
    buf->b.len = (size_t)(gs_pen_run(buf->b.data + buf->b.len, magnitude, negative, run) - buf->b.data);
}

void gs_col_new_uint(gs_col_writer *c, uint64_t value)
{
  uint64_t run = c->run, before = (uint64_t)c->value;
  c->value = (int64_t)value;
  c->run = 1;
  if (run > 0)
    put_run(&c->buf, before, run > 1, run);
}

void gs_col_flush_uint(gs_col_writer *c)
{
  if (c->run > 0)
    put_run(&c->buf, (uint64_t)c->value, c->run > 1, c->run);
  c->run = 0;
}

void gs_col_new_diff(gs_col_writer *c, int64_t diff)
{
  uint64_t run = c->run;
  int64_t coded = c->diff * 2 + (run > 1);
  c->diff = diff;
  c->run = 1;
  if (run == 0)
    return;
  uint64_t magnitude = (uint64_t)(coded < 0 ? -coded : coded);
  if (magnitude > GS_MAX_SAFE_INTEGER && c->buf.err == GESSO_OK)
    c->buf.err = GESSO_E_RANGE; /* twice the difference is more than lib0 reads */
  put_run(&c->buf, magnitude, coded < 0, run);
}

void gs_col_flush_diff(gs_col_writer *c)
{
  gs_col_new_diff(c, 0);
  c->run = 0;
}

/* lib0 joins all strings before it encodes them, so that halves of a pair that meet become one character. */
void gs_strings_put(gs_string_writer *w, gs_jstr s)
{
  if (s.units == GS_UNITS_UNKNOWN)
    s.units = (s.low != 0) + gs_utf8_utf16_len(s.utf8) + (s.high != 0);
  gs_col_put_uint(&w->lens, s.units);
  if (s.units == 0)
    return;
  if (w->high != 0 && s.low >= 0xdc00 && s.low <= 0xdfff) {
    uint32_t c = 0x10000 + ((uint32_t)(w->high - 0xd800) << 10) + (uint32_t)(s.low - 0xdc00);
    const uint8_t utf8[4] = { (uint8_t)(0xf0 | c >> 18), (uint8_t)(0x80 | (c >> 12 & 63)), (uint8_t)(0x80 | (c >> 6 & 63)),
                              (uint8_t)(0x80 | (c & 63)) };
    gs_buf_write(&w->text, utf8, 4);
    w->high = 0;
    s.low = 0;
  } else {
    gs_strings_flush(w);
  }
  w->high = s.high;
  s.high = 0;
  gs_jstr_write(&w->text, s);
}

void gs_strings_flush(gs_string_writer *w)
{
  if (w->high != 0)
    gs_buf_write(&w->text, half, 3);
  w->high = 0;
}
