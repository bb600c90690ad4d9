/* Unpacking zlib and gzip. */
#ifndef GS_PORT_INFLATE_H
#define GS_PORT_INFLATE_H

#include "base/buf.h"

/* Do the bytes begin as a zlib or gzip stream? */
bool gs_looks_deflated(gesso_bytes bytes);

/* Appends what is inside. CORRUPT; TRUNCATED; LIMIT: more than `max` bytes; NOMEM. */
GESSO_MUST_USE gesso_status gs_inflate(gesso_bytes bytes, size_t max, gs_buf *out);

#endif
