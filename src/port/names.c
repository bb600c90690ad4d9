#include "port/names.h"

#include "base/escape.h"
#include "wire/utf8.h"

/* Files get an ending, and while they are written one more; file systems take 255 bytes. */
enum { PART_MAX = 200 };

static bool is_plain(uint8_t c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

void gs_port_encode_name(gesso_bytes name, gs_buf *out)
{
  size_t part = 0;
  for (size_t i = 0; i < name.len; i++) {
    uint8_t c = name.data[i];
    if (part + 3 > PART_MAX) {
      gs_buf_puts(out, "%/");
      part = 0;
    }
    if (is_plain(c) && (part != 0 || c != '.')) {
      gs_buf_put(out, c);
      part++;
    } else {
      gs_buf_printf(out, "%%%02X", c);
      part += 3;
    }
  }
}

static int digit(uint8_t c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

bool gs_port_decode_name(gesso_bytes encoded, gs_buf *out)
{
  size_t begin = out->b.len;
  for (size_t i = 0; i < encoded.len; i++) {
    uint8_t c = encoded.data[i];
    if (c != '%') {
      gs_buf_put(out, c);
    } else if (i + 1 < encoded.len && encoded.data[i + 1] == '/') {
      i++;
    } else if (i + 2 < encoded.len && digit(encoded.data[i + 1]) >= 0 && digit(encoded.data[i + 2]) >= 0) {
      gs_buf_put(out, (uint8_t)(digit(encoded.data[i + 1]) << 4 | digit(encoded.data[i + 2])));
      i += 2;
    } else {
      out->b.len = begin;
      gs_buf_write(out, encoded.data, encoded.len);
      return false;
    }
  }
  return true;
}

void gs_port_path_name(gesso_bytes path, gs_buf *out)
{
  size_t begin = out->b.len;
  bool ok = true;
  for (size_t i = 0; i < path.len && ok; i++)
    ok = path.data[i] > ' ' && path.data[i] <= '~';
  ok = ok && gs_unescape(out, path, false);
  gesso_bytes name = { out->b.data + begin, out->b.len - begin };
  if (out->err == GESSO_OK && (!ok || gs_utf8_invalid_at(name) != name.len)) {
    out->b.len = begin;
    gs_buf_write(out, path.data, path.len);
  }
}
