/* UTF-8 as JavaScript's TextDecoder with fatal: true sees it, and its UTF-16 lengths. */
#ifndef GS_WIRE_UTF8_H
#define GS_WIRE_UTF8_H

#include "gesso/base.h"

#include <stdbool.h>

/* Offset of the first byte that is not part of valid UTF-8 (RFC 3629: no overlong forms, no
 * surrogates, nothing past U+10FFFF), or s.len when all of it is valid. */
size_t gs_utf8_invalid_at(gesso_bytes s);

bool gs_utf8_is_ascii(gesso_bytes s);

/* UTF-16 code units of valid UTF-8. */
size_t gs_utf8_utf16_len(gesso_bytes s);

/* Bytes of the longest prefix of valid UTF-8 with at most `units` UTF-16 code units. *split is set
 * to 1 when the unit after it is the second half of a character (a surrogate pair is cut), in which
 * case the prefix ends before that character and has units - 1 code units. */
size_t gs_utf8_offset_of(gesso_bytes s, size_t units, int *split);

/* Makes U+FFFD of surrogates that stand as three bytes each, as TextEncoder does. */
void gs_utf8_mend(uint8_t *s, size_t n);

#endif
