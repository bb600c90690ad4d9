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
