/* Numbers as JavaScript prints and reads them, whatever the locale. */
#ifndef GS_WIRE_NUMBER_H
#define GS_WIRE_NUMBER_H

#include "base/buf.h"

/* Longest text that gs_number_format writes, with its NUL: "-1.2345678901234567e+308" and some. */
#define GS_NUMBER_TEXT_MAX 40

/* Number::toString of ECMAScript (radix 10): the fewest digits that read back as the same number,
 * plain up to 1e21, -0 as "0". NaN and the infinities are "NaN", "Infinity", "-Infinity". Returns the
 * length, without the NUL that follows. */
size_t gs_number_format(double value, char out[GS_NUMBER_TEXT_MAX]);

/* As JSON.stringify: gs_number_format, but null for what JSON cannot say. */
void gs_number_write_json(gs_buf *out, double value);

/* The value of text that is already known to be a JSON number. GESSO_E_NOMEM when a text of more than
 * 64 bytes finds no memory from `al`. */
GESSO_MUST_USE gesso_status gs_number_parse(const gesso_allocator *al, gesso_bytes text, double *value_out);

#endif
