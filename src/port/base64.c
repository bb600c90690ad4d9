#include "port/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void gs_base64_encode(gesso_bytes bytes, gs_buf *out)
{
  for (size_t i = 0; i < bytes.len; i += 3) {
    size_t n = GS_MIN(bytes.len - i, 3u);
    uint32_t x = (uint32_t)bytes.data[i] << 16;
    x |= n > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
    x |= n > 2 ? bytes.data[i + 2] : 0;
    for (size_t k = 0; k < 4; k++)
      gs_buf_put(out, (uint8_t)(k <= n ? letters[x >> (18 - 6 * k) & 63] : '='));
  }
}

bool gs_base64_decode(gesso_bytes text, gs_buf *out)
{
  uint32_t x = 0;
  unsigned bits = 0;
  size_t end = text.len;
  while (end > 0 && text.len - end < 2 && text.data[end - 1] == '=')
    end--;
  for (size_t i = 0; i < end; i++) {
    const char *at = text.data[i] == '\0' ? NULL : strchr(letters, text.data[i]);
    if (at == NULL)
      return false;
    x = x << 6 | (uint32_t)(at - letters);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      gs_buf_put(out, (uint8_t)(x >> bits));
    }
  }
  return bits < 6 && out->err == GESSO_OK;
}
