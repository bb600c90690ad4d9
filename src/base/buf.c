#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

bool gs_buf_grow(gs_buf *buf, size_t more)
{
  if (buf->err != GESSO_OK)
    return false;
  size_t len = buf->b.len, cap = buf->b.capacity;
  if (more > SIZE_MAX / 2 - len) {
    buf->err = GESSO_E_NOMEM;
    return false;
  }
  size_t need = len + more;
  if (buf->max != 0 && need > buf->max) {
    buf->err = GESSO_E_LIMIT;
    return false;
  }
  size_t want = cap < 48 ? 64 : cap + cap / 2;
  if (want < need)
    want = need;
  if (buf->max != 0 && want > buf->max)
    want = buf->max;
  GS_POISON_AFTER(buf->b.data, cap, cap);
  uint8_t *p = gs_resize(buf->b.alloc, buf->b.data, cap, want);
  if (p == NULL) {
    buf->err = GESSO_E_NOMEM;
    return false;
  }
  buf->b.data = p;
  buf->b.capacity = want;
  GS_POISON_AFTER(p, need, want);
  return true;
}

void gs_buf_printf(gs_buf *buf, const char *fmt, ...)
{
  va_list ap, again;
  va_start(ap, fmt);
  va_copy(again, ap);
  int n = vsnprintf(NULL, 0, fmt, ap);
  va_end(ap);
  if (n >= 0 && gs_buf_room(buf, (size_t)n + 1)) {
    (void)vsnprintf((char *)buf->b.data + buf->b.len, (size_t)n + 1, fmt, again);
    buf->b.len += (size_t)n;
  }
  va_end(again);
}
