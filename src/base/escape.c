#include "base/escape.h"

bool gs_unescape(gs_buf *out, gesso_bytes s, bool plus)
{
  if (!gs_buf_room(out, s.len))
    return false;
  for (size_t i = 0; i < s.len; i++) {
    uint8_t c = s.data[i];
    if (c == '%' && s.len - i > 2 && gs_hex_digit(s.data[i + 1]) >= 0 && gs_hex_digit(s.data[i + 2]) >= 0) {
      c = (uint8_t)(gs_hex_digit(s.data[i + 1]) << 4 | gs_hex_digit(s.data[i + 2]));
      if (c == 0)
        return false;
      i += 2;
    } else if (c == '+' && plus) {
      c = ' ';
    }
    gs_buf_put(out, c);
  }
  return out->err == GESSO_OK;
}
