/* Drawings in Excalidraw's own files, and the documents of the whiteboard page (docs/whiteboard.md): shapes as maps in the
 * root map `elements`. */
#ifndef GS_PORT_EXCALIDRAW_H
#define GS_PORT_EXCALIDRAW_H

#include "base/buf.h"
#include "gesso/doc.h"

#include <stdbool.h>

/* Where a board's images are: files named by the SHA-256 of their bytes. */
typedef struct gs_drawing_images {
  /* Keeps an image; `hash` receives its name. False: it is no image, or it cannot be kept. */
  bool (*put)(void *ctx, gesso_bytes image, char hash[65]);
  /* Appends its bytes; `mime` receives its type, static text. False: there is none. */
  bool (*get)(void *ctx, gesso_bytes hash, gs_buf *out, const char **mime);
  void *ctx;
} gs_drawing_images;

typedef struct gs_drawing_counts {
  uint64_t shapes;         /* that were taken over */
  uint64_t there;          /* left as the board has them: it has shapes of these ids */
  uint64_t deleted;        /* left out: they were deleted */
  uint64_t refused;        /* left out: the page could not show them */
  uint64_t images, images_missing;
} gs_drawing_counts;

/* Is it such a file? Otherwise CORRUPT or LIMIT, with what is wrong. NOMEM. */
GESSO_MUST_USE gesso_status gs_drawing_check(gesso_bytes json, gesso_error *error);

/* Adds the shapes of a file to `out`, but those whose ids are among the elements of `board` (NULL: none are). `images`
 * may be NULL. Errors as above; on failure `out` is of no use. */
GESSO_MUST_USE gesso_status gs_drawing_read(gesso_bytes json, gesso_doc *board, gesso_doc *out,
                                            const gs_drawing_images *images, gs_drawing_counts *counts, gesso_error *error);

/* Appends the document as such a file. NOTFOUND: it has no map `elements`; NOMEM, LIMIT. */
GESSO_MUST_USE gesso_status gs_drawing_write(gesso_doc *doc, const gs_drawing_images *images, gs_buf *out,
                                             gs_drawing_counts *counts);

#endif
