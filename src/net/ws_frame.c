/* Making frames: the header goes right in front of the payload, so a frame is one run of bytes. */
#include "net/ws.h"

#include <string.h>

size_t gs_ws_write_header(uint8_t out[GS_WS_HEADER_MAX], gs_ws_opcode opcode, bool fin, uint64_t len,
                          const uint8_t mask[4])
{
  unsigned extended = len < 126 ? 0 : len < 65536 ? 2 : 8;
  out[0] = (uint8_t)((fin ? 0x80u : 0) | (unsigned)opcode);
  out[1] = (uint8_t)((mask != NULL ? 0x80u : 0)
                     | (extended == 0 ? (unsigned)len : extended == 2 ? 126u : 127u));
  for (unsigned i = 0; i < extended; i++)
    out[2 + i] = (uint8_t)(len >> (8 * (extended - 1 - i)));
  if (mask != NULL)
    memcpy(out + 2 + extended, mask, 4);
  return 2 + extended + (mask != NULL ? 4 : 0);
}

/* The struct with its bytes behind it. */
static void release_inline(gs_frame *frame)
{
  gs_free(frame->alloc, frame, frame->capacity);
}

/* The struct, and a buffer of its own. */
static void release_buffer(gs_frame *frame)
{
  gs_free(frame->alloc, frame->owner, frame->capacity);
  gs_free(frame->alloc, frame, sizeof *frame);
}

static gs_frame *make_inline(const gesso_allocator *alloc, size_t room, uint8_t **bytes_out)
{
  if (room > SIZE_MAX / 2)
    return NULL;
  gs_frame *frame = gs_alloc(alloc, sizeof *frame + room);
  if (frame == NULL)
    return NULL;
  *frame = (gs_frame){ .refs = 1, .release = release_inline, .alloc = alloc,
                       .capacity = sizeof *frame + room };
  frame->data = *bytes_out = (uint8_t *)(frame + 1);
  return frame;
}

gs_frame *gs_frame_message(const gesso_allocator *alloc, gs_ws_opcode opcode, gesso_bytes payload)
{
  uint8_t header[GS_WS_HEADER_MAX], *to;
  size_t header_len = gs_ws_write_header(header, opcode, true, payload.len, NULL);
  gs_frame *frame = make_inline(alloc, header_len + payload.len, &to);
  if (frame == NULL)
    return NULL;
  memcpy(to, header, header_len);
  if (payload.len != 0)
    memcpy(to + header_len, payload.data, payload.len);
  frame->len = header_len + payload.len;
  frame->header_len = (uint8_t)header_len;
  frame->opcode = (uint8_t)opcode;
  return frame;
}

/* Takes the memory of `buf`, of which data[at ..] is the frame. */
static gs_frame *adopt(gs_buf *buf, size_t at)
{
  gs_frame *frame = buf->err != GESSO_OK ? NULL : gs_alloc(buf->b.alloc, sizeof *frame);
  if (frame == NULL) {
    gs_buf_finish(buf);
    return NULL;
  }
  gesso_buffer b = gs_buf_take(buf);
  *frame = (gs_frame){ .refs = 1, .release = release_buffer, .alloc = b.alloc, .owner = b.data,
                       .capacity = b.capacity };
  if (b.data != NULL)
    frame->data = b.data + at;
  frame->len = b.len - at;
  return frame;
}

void gs_frame_begin(gs_buf *buf)
{
  static const uint8_t room[GS_FRAME_ROOM];
  gs_buf_write(buf, room, sizeof room);
}

gs_frame *gs_frame_end(gs_buf *buf, gs_ws_opcode opcode)
{
  uint8_t header[GS_WS_HEADER_MAX];
  size_t at = 0, header_len = 0;
  if (buf->err == GESSO_OK) {
    header_len = gs_ws_write_header(header, opcode, true, buf->b.len - GS_FRAME_ROOM, NULL);
    at = GS_FRAME_ROOM - header_len;
    memcpy(buf->b.data + at, header, header_len);
  }
  gs_frame *frame = adopt(buf, at);
  if (frame != NULL) {
    frame->header_len = (uint8_t)header_len;
    frame->opcode = (uint8_t)opcode;
  }
  return frame;
}

gs_frame *gs_frame_bytes_copy(const gesso_allocator *alloc, gesso_bytes bytes)
{
  uint8_t *to;
  gs_frame *frame = make_inline(alloc, bytes.len, &to);
  if (frame == NULL)
    return NULL;
  if (bytes.len != 0)
    memcpy(to, bytes.data, bytes.len);
  frame->len = bytes.len;
  return frame;
}

gs_frame *gs_frame_bytes_static(const gesso_allocator *alloc, gesso_bytes bytes)
{
  uint8_t *unused;
  gs_frame *frame = make_inline(alloc, 0, &unused);
  if (frame == NULL)
    return NULL;
  frame->data = bytes.data;
  frame->len = bytes.len;
  return frame;
}

gs_frame *gs_frame_bytes_buf(gs_buf *buf)
{
  return adopt(buf, 0);
}

gs_frame *gs_frame_close(const gesso_allocator *alloc, uint16_t code, gesso_bytes reason)
{
  uint8_t payload[GS_WS_CONTROL_MAX];
  if (code == GS_WS_CODE_NONE)
    return gs_frame_message(alloc, GS_WS_CLOSE, (gesso_bytes){ NULL, 0 });
  size_t n = GS_MIN(reason.len, GS_WS_REASON_MAX);
  while (n != 0 && n < reason.len && (reason.data[n] & 0xc0) == 0x80)
    n--;
  payload[0] = (uint8_t)(code >> 8);
  payload[1] = (uint8_t)code;
  if (n != 0)
    memcpy(payload + 2, reason.data, n);
  return gs_frame_message(alloc, GS_WS_CLOSE, (gesso_bytes){ payload, n + 2 });
}
