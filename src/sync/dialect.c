#include "sync/dialect.h"

#include "wire/reader.h"

#include <string.h>

/* /d/<id>/ws/<id>, the id given twice. */
static bool is_ysweet_path(gesso_bytes path)
{
  static const char head[] = "/d/", mid[] = "/ws/";
  size_t fixed = sizeof head - 1 + sizeof mid - 1;
  if (path.len <= fixed || (path.len - fixed) % 2 != 0)
    return false;
  size_t id = (path.len - fixed) / 2;
  const uint8_t *first = path.data + sizeof head - 1;
  const uint8_t *second = first + id + sizeof mid - 1;
  return memcmp(path.data, head, sizeof head - 1) == 0 && memcmp(first + id, mid, sizeof mid - 1) == 0 &&
         memcmp(first, second, id) == 0 && memchr(first, '/', id) == NULL;
}

static bool is_hocuspocus_frame(gesso_bytes frame)
{
  gs_reader rd = gs_reader_of(frame);
  gesso_bytes name = gs_read_string(&rd);
  uint64_t type = gs_read_varuint(&rd);
  return rd.err == GESSO_OK && name.len != 0 && type == 2;
}

gs_dialect gs_dialect_of(gesso_bytes path, gesso_bytes first_frame)
{
  if (first_frame.len == 0)
    return GS_DIALECT_UNKNOWN;
  if (is_ysweet_path(path))
    return GS_DIALECT_YSWEET;
  if (first_frame.data[0] == 0)
    return GS_DIALECT_YWEBSOCKET;
  if (is_hocuspocus_frame(first_frame))
    return GS_DIALECT_HOCUSPOCUS;
  /* A y-websocket client that shows its presence, or asks for that of others, before it syncs. */
  if (first_frame.data[0] == 1 || first_frame.data[0] == 3)
    return GS_DIALECT_YWEBSOCKET;
  return GS_DIALECT_UNKNOWN;
}

const char *gs_dialect_name(gs_dialect dialect)
{
  switch (dialect) {
  case GS_DIALECT_YWEBSOCKET:
    return "y-websocket";
  case GS_DIALECT_HOCUSPOCUS:
    return "hocuspocus";
  case GS_DIALECT_YSWEET:
    return "y-sweet";
  case GS_DIALECT_UNKNOWN:
    break;
  }
  return "unknown";
}
