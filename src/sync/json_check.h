/* Is this text one JSON value (RFC 8259), as JSON.parse would accept it? Presence states are
 * relayed as text and never built into values; a state that one client cannot parse would throw in
 * the middle of its message handler, so it is refused here. */
#ifndef GS_SYNC_JSON_CHECK_H
#define GS_SYNC_JSON_CHECK_H

#include "gesso/base.h"

#include <stdbool.h>

#define GS_JSON_DEPTH_MAX 128 /* arrays and objects within each other */

/* `text` must be valid UTF-8. Takes time proportional to its length and constant memory. */
bool gs_json_is_valid(gesso_bytes text);

/* Is it `null`, white space around it aside? */
bool gs_json_is_null(gesso_bytes text);

#endif
