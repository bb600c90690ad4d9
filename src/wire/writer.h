/* Writing lib0 bytes into a gs_buf. The pair of each function is in reader.h. */
#ifndef GS_WIRE_WRITER_H
#define GS_WIRE_WRITER_H

#include "base/buf.h"

/* At most 10 bytes. */
static inline uint8_t *gs_put_varuint(uint8_t *p, uint64_t value)
{
  while (value >= 0x80) {
    *p++ = (uint8_t)(value | 0x80);
    value >>= 7;
  }
  *p++ = (uint8_t)value;
  return p;
}

/* The same where sizes differ from value to value, so that a branch for each byte would be guessed wrong: a value below
 * 2^56. May scribble over 8 bytes. */
static inline uint8_t *gs_put_varuint56(uint8_t *p, uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (value < 0x200000) {
    uint32_t v = (uint32_t)value, two = v >= 0x80, three = v >= 0x4000;
    uint32_t small = (v & 0x7f) | (v & 0x3f80) << 1 | (v & 0x1fc000) << 2 | two << 7 | three << 15;
    memcpy(p, &small, 4);
    return p + 1 + two + three;
  }
  uint64_t w = (value & 0x0fffffffu) | (value & 0x00fffffff0000000u) << 4;
  w = (w & 0x00003fff00003fffu) | (w & 0x0fffc0000fffc000u) << 2;
  w = (w & 0x007f007f007f007fu) | (w & 0x3f803f803f803f80u) << 1;
  unsigned last = (63u - (unsigned)__builtin_clzll(w)) & ~7u; /* bits before the last byte */
  w |= 0x8080808080808080u & (((uint64_t)1 << last) - 1);
  memcpy(p, &w, 8);
  return p + last / 8 + 1;
#else
  return gs_put_varuint(p, value);
#endif
}

/* The same for what mostly is below 128, as lengths are. */
static inline uint8_t *gs_put_length(uint8_t *p, uint64_t n)
{
  if (n >= 0x80)
    return gs_put_varuint56(p, n);
  *p = (uint8_t)n;
  return p + 1;
}

/* A varInt of at most 2^34 - 1 either way, for the same use: six bits and the sign, then seven bits each. May scribble
 * over 8 bytes. */
static inline uint8_t *gs_put_varint34(uint8_t *p, uint64_t magnitude, bool negative)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define GS_VARINT(len, more) ((uint64_t)(len) << 56 | (more))
#define GS_VARINT_7(len, more) \
  GS_VARINT(len, more), GS_VARINT(len, more), GS_VARINT(len, more), GS_VARINT(len, more), GS_VARINT(len, more), \
    GS_VARINT(len, more), GS_VARINT(len, more)
  /* By the number of the highest bit: how many bytes, and the bits that say that more follow. */
  static const uint64_t shape[34] = { GS_VARINT(1, 0),           GS_VARINT(1, 0),           GS_VARINT(1, 0),
                                      GS_VARINT(1, 0),           GS_VARINT(1, 0),           GS_VARINT(1, 0),
                                      GS_VARINT_7(2, 0x80),      GS_VARINT_7(3, 0x8080),    GS_VARINT_7(4, 0x808080),
                                      GS_VARINT_7(5, 0x80808080) };
#undef GS_VARINT_7
#undef GS_VARINT
  uint64_t is = shape[63 ^ (unsigned)__builtin_clzll(magnitude | 1)];
  uint64_t w = (magnitude & 0x3f) | (uint64_t)negative << 6 | (magnitude << 2 & 0x7f00) | (magnitude << 3 & 0x7f0000);
  if (magnitude >= 0x100000)
    w |= (magnitude << 4 & 0x7f000000) | (magnitude << 5 & 0x7f00000000);
  w |= is;
  memcpy(p, &w, 8);
  return p + (is >> 56);
#else
  *p++ = (uint8_t)((magnitude & 0x3f) | (uint64_t)negative << 6 | (uint64_t)(magnitude > 0x3f) << 7);
  return magnitude > 0x3f ? gs_put_varuint(p, magnitude >> 6) : p;
#endif
}

static inline void gs_write_varuint(gs_buf *buf, uint64_t value)
{
  if (gs_buf_room(buf, 10))
    buf->b.len = (size_t)(gs_put_varuint(buf->b.data + buf->b.len, value) - buf->b.data);
}

/* `negative` with 0 writes lib0's -0. */
void gs_write_varint(gs_buf *buf, uint64_t magnitude, bool negative);

void gs_write_u32be(gs_buf *buf, uint32_t value);
void gs_write_u64be(gs_buf *buf, uint64_t value);

/* varUint length, then the bytes: lib0's varUint8Array and varString. */
static inline void gs_write_bytes(gs_buf *buf, gesso_bytes bytes)
{
  gs_write_varuint(buf, bytes.len);
  gs_buf_write(buf, bytes.data, bytes.len);
}

#endif
