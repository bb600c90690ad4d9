/* Base64, as data URLs have it. */
#ifndef GS_PORT_BASE64_H
#define GS_PORT_BASE64_H

#include "base/buf.h"

void gs_base64_encode(gesso_bytes bytes, gs_buf *out);

/* Appends what the text says. False, with anything appended, when it is none or memory is short. */
bool gs_base64_decode(gesso_bytes text, gs_buf *out);

#endif
