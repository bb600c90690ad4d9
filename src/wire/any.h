/* lib0 "any": one JavaScript value as bytes.
 *
 *   tag  value                                    tag  value
 *   127  undefined                                121  false
 *   126  null                                     120  true
 *   125  integer, varInt                          119  string, varString
 *   124  float32, big endian                      118  object: varUint count, (varString key, any)...
 *   123  float64, big endian                      117  array: varUint count, any...
 *   122  bigint, 64 bits signed, big endian       116  Uint8Array, varUint length and bytes
 *
 * lib0 throws on every other tag; so do we (GESSO_E_CORRUPT). Deeper than GS_ANY_DEPTH_MAX is
 * GESSO_E_LIMIT. */
#ifndef GS_WIRE_ANY_H
#define GS_WIRE_ANY_H

#include "wire/reader.h"
#include "wire/tree.h"

void gs_any_skip_slow(gs_reader *rd);

/* Walks one value and checks all of it; errors are latched in rd. */
static inline void gs_any_skip(gs_reader *rd)
{
  size_t left = gs_reader_left(rd);
  uint8_t tag = left > 0 ? *rd->at : 0;
  /* Most large arrays are of small things. */
  if (tag == 120 || tag == 121 || tag == 126 || tag == 127) {
    rd->at++;
    return;
  }
  if (tag == 125) {
    size_t n = 1, most = left < 5 ? left : 5;
    while (n < most && rd->at[n] >= 0x80)
      n++;
    if (n < most) {
      rd->at += n + 1;
      return;
    }
  } else if (tag == 123 && left > 8) {
    rd->at += 9;
    return;
  }
  gs_any_skip_slow(rd);
}

/* Reads one value and appends it as JSON text, see gs_tree_write_json. False, with nothing written,
 * when the value is undefined or when it could not be read or written: errors of the bytes are
 * latched in rd, those of memory in `out`. Trees are allocated where `out` is. */
bool gs_any_to_json(gs_reader *rd, gs_buf *out);

/* Reads one value into an empty tree, as a JavaScript reader would hold it. Strings are borrowed from rd.
 * Errors of the bytes are latched in rd, those of memory in the tree. */
void gs_any_to_tree(gs_reader *rd, gs_tree *tree);

#endif
