/* Images of whiteboards: content-addressed files in the data folder, <folder>/images/<aa>/<sha256>.
 *
 * All file work is done by one thread of its own; answers come back as a task of the loop. A file
 * appears under its name only when it is whole and synced (temporary file, fsync, rename, fsync of
 * the directory), so what can be read is always what was hashed. */
#ifndef GS_SERVER_IMAGES_H
#define GS_SERVER_IMAGES_H

#include "net/loop.h"

#include <stdbool.h>

typedef struct gs_images gs_images;

typedef enum gs_image_type {
  GS_IMAGE_NONE,
  GS_IMAGE_PNG,
  GS_IMAGE_JPEG,
  GS_IMAGE_GIF,
  GS_IMAGE_WEBP,
  GS_IMAGE_AVIF,
  GS_IMAGE_SVG
} gs_image_type;

#define GS_IMAGE_HASH_LEN 64u /* hexadecimal digits of a SHA-256, lower case */

/* From a Content-Type, parameters aside; NONE for everything else. */
gs_image_type gs_image_type_of_mime(gesso_bytes content_type);
const char *gs_image_mime(gs_image_type type);

/* From the first bytes. */
gs_image_type gs_image_type_of_bytes(gesso_bytes bytes);

bool gs_image_hash_ok(gesso_bytes hash);

/* For tools that have the data folder to themselves: the file work itself. put names the image by its hash and, unless
 * `folder` is NULL, keeps it: CORRUPT (it is no image), LIMIT (larger than the server takes), FULL, IO. get: NOTFOUND,
 * CORRUPT, IO, NOMEM. */
GESSO_MUST_USE gesso_status gs_image_file_put(const char *folder, gesso_bytes bytes, char hash[GS_IMAGE_HASH_LEN + 1]);
GESSO_MUST_USE gesso_status gs_image_file_get(const char *folder, gesso_bytes hash, gesso_buffer *out, gs_image_type *type);

/* Starts the thread. `folder` is the data folder. NULL on failure. */
gs_images *gs_images_create(gs_loop *loop, const char *folder, uint64_t total_max);

/* Finishes what is queued and ends the thread. Answers that are still on their way are not given. */
void gs_images_stop(gs_images *images);

/* After the stop and after the loop is destroyed, which holds the answers. NULL is fine. */
void gs_images_destroy(gs_images *images);

/* `status`:
 *   OK        get: `bytes` and `type`; put: it is stored (`existed`: it was already)
 *   NOTFOUND  get: there is none
 *   CORRUPT   put: the bytes do not have this hash, or are not of this type
 *   FULL      the quota, or the disk
 *   IO, NOMEM
 * `bytes` may be taken by zeroing it; otherwise it is freed after the call. */
typedef struct gs_image_answer {
  gesso_status status;
  bool existed;
  gs_image_type type;
  gesso_buffer bytes;
} gs_image_answer;

typedef void (*gs_image_fn)(void *ctx, uint64_t id, gs_image_answer *answer);

/* `id` is handed through. `bytes` is copied. BUSY: too much is queued; NOMEM. */
GESSO_MUST_USE gesso_status gs_images_put(gs_images *images, gesso_bytes hash, gs_image_type type,
                                          gesso_bytes bytes, gs_image_fn fn, void *ctx, uint64_t id);
GESSO_MUST_USE gesso_status gs_images_get(gs_images *images, gesso_bytes hash, gs_image_fn fn, void *ctx,
                                          uint64_t id);

/* Bytes of all images; from any thread. */
uint64_t gs_images_total(const gs_images *images);

#endif
