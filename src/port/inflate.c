#include "port/inflate.h"

#include <limits.h>
#include <zlib.h>

#define STEP 65536u /* bytes that are unpacked at a time */

bool gs_looks_deflated(gesso_bytes b)
{
  if (b.len < 6)
    return false;
  if (b.data[0] == 0x1f && b.data[1] == 0x8b)
    return true;
  /* RFC 1950: method 8, window up to 32 KB, and a check that makes both bytes a multiple of 31. */
  return (b.data[0] & 0x0f) == 8 && b.data[0] >> 4 <= 7 && ((unsigned)b.data[0] << 8 | b.data[1]) % 31 == 0;
}

gesso_status gs_inflate(gesso_bytes bytes, size_t max, gs_buf *out)
{
  z_stream z = { 0 };
  size_t begin = out->b.len;
  if (bytes.len > UINT_MAX)
    return GESSO_E_LIMIT;
  if (inflateInit2(&z, 15 + 32) != Z_OK) /* 32: zlib or gzip, whichever it is */
    return GESSO_E_NOMEM;
  z.next_in = (Bytef *)(uintptr_t)bytes.data;
  z.avail_in = (uInt)bytes.len;
  gesso_status s = GESSO_OK;
  for (int r = Z_OK; r != Z_STREAM_END && s == GESSO_OK;) {
    if (out->b.len - begin >= max) {
      s = GESSO_E_LIMIT;
      break;
    }
    if (!gs_buf_room(out, STEP)) {
      s = GESSO_E_NOMEM;
      break;
    }
    size_t room = GS_MIN((size_t)STEP, max - (out->b.len - begin));
    z.next_out = out->b.data + out->b.len;
    z.avail_out = (uInt)room;
    uInt before = z.avail_out;
    r = inflate(&z, Z_NO_FLUSH);
    out->b.len += before - z.avail_out;
    if (r == Z_MEM_ERROR)
      s = GESSO_E_NOMEM;
    else if (r == Z_BUF_ERROR || (r == Z_OK && before == z.avail_out && z.avail_in == 0))
      s = GESSO_E_TRUNCATED;
    else if (r != Z_OK && r != Z_STREAM_END)
      s = GESSO_E_CORRUPT;
  }
  if (s == GESSO_OK && z.avail_in != 0)
    s = GESSO_E_CORRUPT;
  (void)inflateEnd(&z);
  return s;
}
