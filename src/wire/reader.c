#include "wire/reader.h"
#include "wire/utf8.h"

#include <assert.h>

gs_reader gs_reader_of(gesso_bytes bytes)
{
  static const uint8_t none[1] = { 0 };
  const uint8_t *p = bytes.len != 0 ? bytes.data : none;
  return (gs_reader){ .begin = p, .at = p, .end = p + bytes.len };
}

void gs_reader_fail(gs_reader *rd, gesso_status why, const char *message)
{
  assert(why != GESSO_OK);
  if (rd->err == GESSO_OK) {
    rd->err = why;
    rd->err_offset = (size_t)(rd->at - rd->begin);
    rd->err_why = message;
  }
  rd->at = rd->end;
}

gesso_status gs_reader_status(const gs_reader *rd, gesso_error *error_out)
{
  if (error_out != NULL && rd->err != GESSO_OK)
    *error_out = (gesso_error){ rd->err, rd->err_offset, rd->err_why };
  return rd->err;
}

uint64_t gs_read_varuint_slow(gs_reader *rd)
{
  const uint8_t *p = rd->at;
  uint64_t value = 0;
  unsigned n = rd->end - p >= 8 ? gs_varuint_at(p, &value) : 0;
  if (n > 0) {
    rd->at = p + n;
    return value;
  }
  value = 0;
  for (unsigned shift = 0;; shift += 7) {
    if (p == rd->end) {
      rd->at = p;
      gs_reader_fail(rd, GESSO_E_TRUNCATED, "the input ends inside a number");
      return 0;
    }
    uint8_t byte = *p++;
    if (shift >= 63 || (shift == 49 && (byte & 0x70) != 0) || (shift > 49 && (byte & 0x7f) != 0)) {
      gs_reader_fail(rd, GESSO_E_RANGE, "a number is larger than 2^53 - 1");
      return 0;
    }
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80)
      break;
  }
  rd->at = p;
  return value;
}

uint64_t gs_read_varuint_max(gs_reader *rd, uint64_t max, const char *message)
{
  const uint8_t *start = rd->at;
  uint64_t value = gs_read_varuint(rd);
  if (value > max) {
    rd->at = start;
    gs_reader_fail(rd, GESSO_E_LIMIT, message);
    return 0;
  }
  return value;
}

int64_t gs_read_varint(gs_reader *rd, bool *negative)
{
  const uint8_t *p = rd->at;
  if (p == rd->end) {
    gs_reader_fail(rd, GESSO_E_TRUNCATED, "the input ends inside a number");
    return 0;
  }
  uint8_t byte = *p++;
  bool neg = (byte & 0x40) != 0;
  uint64_t value = byte & 0x3f;
  for (unsigned shift = 6; byte >= 0x80; shift += 7) {
    if (p == rd->end) {
      rd->at = p;
      gs_reader_fail(rd, GESSO_E_TRUNCATED, "the input ends inside a number");
      return 0;
    }
    byte = *p++;
    if (shift >= 62 || (shift == 48 && (byte & 0x60) != 0) || (shift > 48 && (byte & 0x7f) != 0)) {
      gs_reader_fail(rd, GESSO_E_RANGE, "a number is larger than 2^53 - 1");
      return 0;
    }
    value |= (uint64_t)(byte & 0x7f) << shift;
  }
  rd->at = p;
  if (negative != NULL)
    *negative = neg;
  return neg ? -(int64_t)value : (int64_t)value;
}

uint8_t gs_read_u8(gs_reader *rd)
{
  if (rd->at == rd->end) {
    gs_reader_fail(rd, GESSO_E_TRUNCATED, "the input ends too early");
    return 0;
  }
  return *rd->at++;
}

uint32_t gs_read_u32be(gs_reader *rd)
{
  gesso_bytes raw = gs_read_raw(rd, 4);
  uint32_t v = 0;
  for (size_t i = 0; i < raw.len; i++)
    v = v << 8 | raw.data[i];
  return v;
}

uint64_t gs_read_u64be(gs_reader *rd)
{
  gesso_bytes raw = gs_read_raw(rd, 8);
  uint64_t v = 0;
  for (size_t i = 0; i < raw.len; i++)
    v = v << 8 | raw.data[i];
  return v;
}

gesso_bytes gs_read_raw(gs_reader *rd, size_t n)
{
  if (n > gs_reader_left(rd)) {
    gs_reader_fail(rd, GESSO_E_TRUNCATED, "a length is larger than what is left of the input");
    return (gesso_bytes){ rd->end, 0 };
  }
  gesso_bytes raw = { rd->at, n };
  rd->at += n;
  return raw;
}

gesso_bytes gs_read_bytes(gs_reader *rd)
{
  uint64_t n = gs_read_varuint(rd);
  return gs_read_raw(rd, n > SIZE_MAX ? SIZE_MAX : (size_t)n);
}

gesso_bytes gs_read_string(gs_reader *rd)
{
  gesso_bytes s = gs_read_bytes(rd);
  size_t bad = gs_utf8_invalid_at(s);
  if (bad != s.len) {
    rd->at = s.data + bad;
    gs_reader_fail(rd, GESSO_E_CORRUPT, "a string is not valid UTF-8");
    return (gesso_bytes){ rd->end, 0 };
  }
  return s;
}

uint32_t gs_read_count(gs_reader *rd, size_t min_size)
{
  assert(min_size > 0);
  const uint8_t *start = rd->at;
  uint64_t n = gs_read_varuint(rd);
  if (n > gs_reader_left(rd) / min_size || n > UINT32_MAX) {
    rd->at = start;
    gs_reader_fail(rd, GESSO_E_RANGE, "a count is larger than what is left of the input");
    return 0;
  }
  return (uint32_t)n;
}
