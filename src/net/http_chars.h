/* Which bytes may stand where in HTTP (RFC 9110 5.6.2, RFC 9112). For http_*.c only. */
#ifndef GS_NET_HTTP_CHARS_H
#define GS_NET_HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool gs_http_is_alnum(uint8_t c)
{
  return (uint8_t)((c | 0x20) - 'a') < 26 || (uint8_t)(c - '0') < 10;
}

/* tchar: what names, methods and subprotocols are made of */
static inline bool gs_http_is_token(uint8_t c)
{
  if (gs_http_is_alnum(c))
    return true;
  switch (c) {
  case '!': case '#': case '$': case '%': case '&': case '\'': case '*': case '+': case '-':
  case '.': case '^': case '_': case '`': case '|': case '~':
    return true;
  default:
    return false;
  }
}

/* Inside a line: visible, space, tab, or a byte past ASCII. */
static inline bool gs_http_is_text(uint8_t c)
{
  return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static inline bool gs_http_is_space(uint8_t c)
{
  return c == ' ' || c == '\t';
}

static inline uint8_t gs_http_lower(uint8_t c)
{
  return (uint8_t)(c - 'A') < 26 ? (uint8_t)(c | 0x20) : c;
}

#endif
