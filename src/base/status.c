#include "gesso/base.h"
#include "base/alloc.h"

const char *gesso_status_text(gesso_status status)
{
  switch (status) {
  case GESSO_OK: return "ok";
  case GESSO_E_TRUNCATED: return "the input ends too early";
  case GESSO_E_CORRUPT: return "the input is malformed";
  case GESSO_E_RANGE: return "a number is out of range";
  case GESSO_E_LIMIT: return "a limit was reached";
  case GESSO_E_NOMEM: return "out of memory";
  case GESSO_E_USAGE: return "wrong use";
  case GESSO_E_NOTFOUND: return "not found";
  case GESSO_E_DELETED: return "deleted";
  case GESSO_E_BUSY: return "in use by another process";
  case GESSO_E_IO: return "input/output error";
  case GESSO_E_FULL: return "no room left";
  case GESSO_E_CLOSED: return "closed";
  case GESSO_E_VERSION: return "written by another version of gesso";
  }
  return "unknown status";
}

const char *gesso_version(void)
{
  return GESSO_VERSION;
}

void gesso_buffer_free(gesso_buffer *buffer)
{
  if (buffer == NULL)
    return;
  gs_free(buffer->alloc, buffer->data, buffer->capacity);
  *buffer = (gesso_buffer){ 0 };
}
