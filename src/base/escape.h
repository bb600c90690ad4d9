/* %XX, as URLs write bytes (RFC 3986, 2.1). */
#ifndef GS_BASE_ESCAPE_H
#define GS_BASE_ESCAPE_H

#include "base/buf.h"

/* The value of a hexadecimal digit of either case; -1: it is none. */
static inline int gs_hex_digit(uint8_t c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes `s` onto `out`; with `plus`, '+' is a space as forms send it. A '%' that begins no escape stands for itself,
 * as in URLs of browsers. False, with nothing promised about `out`, for a decoded NUL and without memory (out->err). The
 * result need not be UTF-8. */
GESSO_MUST_USE bool gs_unescape(gs_buf *out, gesso_bytes s, bool plus);

#endif
