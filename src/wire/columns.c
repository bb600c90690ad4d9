#include "wire/columns.h"
#include "wire/utf8.h"

static const char out_of_range[] = "a number of a column is out of range";

gs_col_reader gs_col_open(gs_reader *rd)
{
  gesso_bytes bytes = gs_read_bytes(rd);
  gs_col_reader c = { .rd = *rd };
  c.rd.at = bytes.data;
  c.rd.end = bytes.data + bytes.len;
  return c;
}

uint8_t gs_col_rle(gs_col_reader *c)
{
  if (c->run == 0) {
    c->value = gs_read_u8(&c->rd);
    c->run = UINT64_MAX;
    if (c->rd.err == GESSO_OK && gs_reader_left(&c->rd) > 0)
      c->run = gs_read_varuint(&c->rd) + 1;
  }
  c->run--;
  return (uint8_t)c->value;
}

static uint64_t in_range(gs_col_reader *c)
{
  if (c->value < 0 || c->value > (int64_t)GS_MAX_SAFE_INTEGER) {
    gs_reader_fail(&c->rd, GESSO_E_RANGE, out_of_range);
    c->value = 0;
  }
  return (uint64_t)c->value;
}

uint64_t gs_col_uint(gs_col_reader *c)
{
  if (c->run == 0) {
    bool negative = false;
    c->value = gs_read_varint(&c->rd, &negative);
    c->run = 1;
    if (negative) {
      c->value = -c->value;
      c->run = gs_read_varuint(&c->rd) + 2;
    }
  }
  c->run--;
  return in_range(c);
}

uint64_t gs_col_diff(gs_col_reader *c)
{
  if (c->run == 0) {
    int64_t coded = gs_read_varint(&c->rd, NULL);
    bool has_run = (coded & 1) != 0;
    c->diff = (coded - (has_run ? 1 : 0)) / 2;
    c->run = has_run ? gs_read_varuint(&c->rd) + 2 : 1;
  }
  c->run--;
  c->value += c->diff;
  return in_range(c);
}

gs_string_reader gs_strings_open(gs_reader *rd)
{
  gs_string_reader s = { .lens = gs_col_open(rd) };
  s.text = gs_read_string(&s.lens.rd);
  return s;
}

void gs_strings_next(gs_string_reader *s, gesso_bytes parts[3])
{
  static const gesso_bytes half = { (const uint8_t *)"\xef\xbf\xbd", 3 };
  parts[0] = parts[1] = parts[2] = (gesso_bytes){ s->text.data, 0 };
  uint64_t units = gs_col_uint(&s->lens);
  if (units > 0 && s->in_pair) {
    parts[0] = half;
    s->in_pair = false;
    units--;
  }
  if (units == 0 || s->lens.rd.err != GESSO_OK)
    return;
  gesso_bytes rest = { s->text.data + s->at, s->text.len - s->at };
  if (units > rest.len) {
    gs_reader_fail(&s->lens.rd, GESSO_E_CORRUPT, "the strings are shorter than their lengths say");
    return;
  }
  int pair;
  size_t n = gs_utf8_offset_of(rest, (size_t)units, &pair);
  parts[1] = (gesso_bytes){ rest.data, n };
  if (pair) {
    parts[2] = half;
    s->in_pair = true;
    n += 4;
  } else if (n == rest.len && gs_utf8_utf16_len(rest) < units) {
    gs_reader_fail(&s->lens.rd, GESSO_E_CORRUPT, "the strings are shorter than their lengths say");
  }
  s->at += n;
}

void gs_col_put_rle(gs_col_writer *c, uint8_t value)
{
  if (c->some && c->value == value) {
    c->run++;
    return;
  }
  if (c->some)
    gs_write_varuint(&c->buf, c->run - 1);
  gs_buf_put(&c->buf, value);
  c->some = true;
  c->value = value;
  c->run = 1;
}

void gs_col_flush_uint(gs_col_writer *c)
{
  if (c->run == 0)
    return;
  gs_write_varint(&c->buf, (uint64_t)c->value, c->run > 1);
  if (c->run > 1)
    gs_write_varuint(&c->buf, c->run - 2);
  c->run = 0;
}

void gs_col_put_uint(gs_col_writer *c, uint64_t value)
{
  /* lib0 starts from 0: zeros in front are counted from the first. */
  if (c->value == (int64_t)value) {
    c->run++;
    return;
  }
  gs_col_flush_uint(c);
  c->value = (int64_t)value;
  c->run = 1;
}

void gs_col_flush_diff(gs_col_writer *c)
{
  if (c->run == 0)
    return;
  int64_t coded = c->diff * 2 + (c->run > 1);
  if ((coded < 0 ? -coded : coded) > (int64_t)GS_MAX_SAFE_INTEGER && c->buf.err == GESSO_OK)
    c->buf.err = GESSO_E_RANGE; /* twice the difference is more than lib0 reads */
  gs_write_varint(&c->buf, (uint64_t)(coded < 0 ? -coded : coded), coded < 0);
  if (c->run > 1)
    gs_write_varuint(&c->buf, c->run - 2);
  c->run = 0;
}

void gs_col_put_diff(gs_col_writer *c, uint64_t value)
{
  int64_t diff = (int64_t)value - c->value;
  if (diff != c->diff) {
    gs_col_flush_diff(c);
    c->diff = diff;
  }
  c->value = (int64_t)value;
  c->run++;
}
