/* gesso/position.h: places in a document that move with what they stand next to.
 *
 * A number names a place only until somebody edits in front of it. A position names the element that stands
 * there, so it can be kept, sent to others (a cursor in somebody's presence) and read again later, in
 * any document that holds the same content. Both encodings are those of Yjs' RelativePosition. */
#ifndef GESSO_POSITION_H
#define GESSO_POSITION_H

#include "gesso/value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Never changes once made; belongs to no document and may outlive the one it was made from. Made with the
 * allocator of that document, or with the one given; threads may share it. */
typedef struct gesso_position gesso_position;

/* The place `index` of a text, an array or the children of an XML type: UTF-16 units or elements, 0 .. length.
 * assoc >= 0 sticks to what stands behind the place: what is inserted there later comes before it; at the
 * end of the type it stays at the end. assoc < 0 sticks to what stands in front of it; at 0 it stays at the
 * beginning. Only the sign of `assoc` matters here, but its value is kept and sent.
 * Errors: USAGE (no such type, index past the end), DELETED, NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_position_create(gesso_doc *doc, gesso_type type, uint64_t index,
                                                            int32_t assoc, gesso_position **out);

/* NULL is fine. */
GESSO_API void gesso_position_destroy(gesso_position *position);

GESSO_API int32_t gesso_position_assoc(const gesso_position *position);

/* 1 when both say the same in the same words (Yjs: compareRelativePositions). What was decoded from bytes
 * has forgotten in which type it was made and so differs from what was encoded, unless both were decoded. */
GESSO_API int gesso_position_equal(const gesso_position *a, const gesso_position *b);

typedef struct gesso_place {
  gesso_type type;
  uint64_t index; /* UTF-16 units or elements */
  int32_t assoc;
} gesso_place;

#define GESSO_POSITION_FOLLOW_UNDONE 1u /* see gesso_position_resolve */

/* Where the position is now. If its element was deleted, that is where it stood; in a type that was
 * deleted, index 0. With GESSO_POSITION_FOLLOW_UNDONE an element that an undo manager of this document
 * brought back counts as the one it was (Yjs: followUndoneDeletions, its default); other documents do not
 * know what was brought back and resolve to the old place, so leave it out when all are to agree.
 * The first call on a long text indexes it; from then on a call takes logarithmic time.
 * NOTFOUND: the element or type is not there yet, was garbage collected, or there is no such root. */
GESSO_API GESSO_MUST_USE gesso_status gesso_position_resolve(gesso_doc *doc, const gesso_position *position,
                                                             uint32_t flags, gesso_place *out);

/* Bytes, as Yjs' encodeRelativePosition. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_position_encode(const gesso_position *position, gesso_buffer *out);
/* Reads what gesso_position_encode or Yjs wrote, from whoever. `alloc` NULL: malloc.
 * Errors: TRUNCATED, CORRUPT (also bytes behind the position), RANGE (assoc past 32 bits), NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_position_decode(const gesso_allocator *alloc, gesso_bytes bytes,
                                                            gesso_position **out, gesso_error *error_out);

/* JSON text, as JSON.stringify(relativePositionToJSON(position)):
 * {"type": id, "tname": root name, "item": id, "assoc": n} with what is known of them, ids {"client", "clock"}. */
GESSO_API GESSO_MUST_USE gesso_status gesso_position_to_json(const gesso_position *position, gesso_buffer *out);
/* Reads such JSON; other keys are ignored, as in Yjs. Errors: CORRUPT (no JSON: offset of what is wrong; or no
 * position: offset 0), LIMIT (nested too deep), RANGE, NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_position_from_json(const gesso_allocator *alloc, gesso_bytes json,
                                                               gesso_position **out, gesso_error *error_out);

#ifdef __cplusplus
}
#endif
#endif
