/* A sentence about what went wrong, for the tools. */
#ifndef GS_STORE_EXPLAIN_H
#define GS_STORE_EXPLAIN_H

#include "base/buf.h"

/* Writes the sentence into `why` (may be NULL); `fmt` has one %s. Returns `status`. */
static inline gesso_status gs_explain(gesso_buffer *why, gesso_status status, const char *fmt, const char *arg)
{
  if (why != NULL) {
    gs_buf b = { .b = *why };
    gs_buf_clear(&b);
    gs_buf_printf(&b, fmt, arg); /* NOLINT: the formats are those of our own files */
    *why = b.b;
  }
  return status;
}

#endif
