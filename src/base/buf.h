/* A growing byte buffer that latches its first failure, so that encoders write straight on and
 * look once at the end: `if (gs_buf_status(&b) != GESSO_OK)`. Built on the public gesso_buffer so
 * that what was encoded can be handed out without a copy. */
#ifndef GS_BASE_BUF_H
#define GS_BASE_BUF_H

#include "base/alloc.h"
#include "base/poison.h"

#include <string.h>

typedef struct gs_buf {
  gesso_buffer b;
  size_t max;    /* bytes; a write past it fails with GESSO_E_LIMIT. 0: no maximum */
  gesso_status err;
} gs_buf;

static inline gs_buf gs_buf_make(const gesso_allocator *al)
{
  return (gs_buf){ .b = { .alloc = al } };
}

/* Slow path of gs_buf_room: grows, or latches the error and returns false. */
bool gs_buf_grow(gs_buf *buf, size_t more);

/* Makes room for `more` bytes after the end. False once an error is latched. */
static inline bool gs_buf_room(gs_buf *buf, size_t more)
{
  if (buf->b.capacity - buf->b.len >= more) {
    if (more > 0)
      GS_UNPOISON(buf->b.data + buf->b.len, more);
    return true;
  }
  return gs_buf_grow(buf, more);
}

/* The same, where it is likely that so many come: nobody counts on it, and no error is latched. */
static inline void gs_buf_expect(gs_buf *buf, size_t more)
{
  gesso_status was = buf->err;
  if (gs_buf_room(buf, more))
    GS_POISON_AFTER(buf->b.data, buf->b.len, buf->b.capacity);
  buf->err = was;
}

static inline void gs_buf_put(gs_buf *buf, uint8_t byte)
{
  if (gs_buf_room(buf, 1))
    buf->b.data[buf->b.len++] = byte;
}

static inline void gs_buf_write(gs_buf *buf, const void *data, size_t n)
{
  if (n != 0 && gs_buf_room(buf, n)) {
    memcpy(buf->b.data + buf->b.len, data, n);
    buf->b.len += n;
  }
}

/* Appends a NUL-terminated string without its NUL. */
static inline void gs_buf_puts(gs_buf *buf, const char *s)
{
  gs_buf_write(buf, s, strlen(s));
}

/* printf into the buffer. */
void gs_buf_printf(gs_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Forgets the contents and the error, keeps the memory. */
static inline void gs_buf_clear(gs_buf *buf)
{
  buf->b.len = 0;
  buf->err = GESSO_OK;
  GS_POISON_AFTER(buf->b.data, 0, buf->b.capacity);
}

static inline gesso_bytes gs_buf_bytes(const gs_buf *buf)
{
  return (gesso_bytes){ buf->b.data, buf->b.len };
}

/* Gives the memory to the caller and leaves `buf` empty. */
static inline gesso_buffer gs_buf_take(gs_buf *buf)
{
  gesso_buffer out = buf->b;
  const gesso_allocator *al = buf->b.alloc;
  GS_POISON_AFTER(out.data, out.capacity, out.capacity);
  buf->b = (gesso_buffer){ .alloc = al };
  return out;
}

static inline void gs_buf_finish(gs_buf *buf)
{
  const gesso_allocator *al = buf->b.alloc;
  GS_POISON_AFTER(buf->b.data, buf->b.capacity, buf->b.capacity);
  gesso_buffer_free(&buf->b);
  buf->b.alloc = al;
  buf->err = GESSO_OK;
}

#endif
