#include "wire/writer.h"

void gs_write_varint(gs_buf *buf, uint64_t magnitude, bool negative)
{
  uint8_t sign = negative ? 0x40 : 0;
  uint8_t more = magnitude > 0x3f ? 0x80 : 0;
  gs_buf_put(buf, (uint8_t)(more | sign | (magnitude & 0x3f)));
  if (more != 0)
    gs_write_varuint(buf, magnitude >> 6);
}

void gs_write_u32be(gs_buf *buf, uint32_t value)
{
  for (int shift = 24; shift >= 0; shift -= 8)
    gs_buf_put(buf, (uint8_t)(value >> shift));
}

void gs_write_u64be(gs_buf *buf, uint64_t value)
{
  gs_write_u32be(buf, (uint32_t)(value >> 32));
  gs_write_u32be(buf, (uint32_t)value);
}
