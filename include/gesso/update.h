/* gesso/update.h: work on encoded updates, without a document. */
#ifndef GESSO_UPDATE_H
#define GESSO_UPDATE_H

#include "gesso/doc.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_UPDATE_STRUCTS_MAX 4000000u /* structs in one update; delete ranges in a v2 one */

/* Rewrites an update in the other encoding (Yjs: convertUpdateFormatV1ToV2, ...V2ToV1). Both check the
 * whole input; clocks and client ids keep their values up to 2^53 - 1. A v2 update can be much smaller
 * than its v1 form (a run of equal structs takes a few bytes), so v2 inputs are limited to
 * GESSO_UPDATE_STRUCTS_MAX structs, and the v1 form to 16 times the input, 64 bytes a struct and 1 MB.
 * *out belongs to the caller: gesso_buffer_free.
 * Errors: TRUNCATED, CORRUPT, RANGE (the bytes are no such update), LIMIT, NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_update_v1_to_v2(gesso_bytes v1, gesso_buffer *out,
                                                            gesso_error *error_out);
GESSO_API GESSO_MUST_USE gesso_status gesso_update_v2_to_v1(gesso_bytes v2, gesso_buffer *out,
                                                            gesso_error *error_out);

#ifdef __cplusplus
}
#endif
#endif
