/* One port for several protocols. The server says nothing until a client's first frame; then the
 * path and the first bytes tell what it speaks. This is the only place that decides.
 *
 *   path /d/<id>/ws/<id>              y-sweet
 *   first byte 00 or 01 ..            y-websocket: it opens with sync step 1, `00 00`. A Hocuspocus
 *                                     frame cannot start with 00, because a name is never empty
 *   varString name, then type 2       Hocuspocus: it opens with its token */
#ifndef GS_SYNC_DIALECT_H
#define GS_SYNC_DIALECT_H

#include "gesso/base.h"

#include <stdbool.h>

typedef enum gs_dialect {
  GS_DIALECT_UNKNOWN,
  GS_DIALECT_YWEBSOCKET,
  GS_DIALECT_HOCUSPOCUS,
  GS_DIALECT_YSWEET
} gs_dialect;

/* `path` is the request target without its query, as it came, leading slash included. */
gs_dialect gs_dialect_of(gesso_bytes path, gesso_bytes first_frame);

const char *gs_dialect_name(gs_dialect dialect);

#endif
