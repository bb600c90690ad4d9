/* gesso/base.h: what every other header builds on: status codes, sized bytes, allocators.
 *
 * Nothing here needs a document. All names are prefixed gesso_ / GESSO_. */
#ifndef GESSO_BASE_H
#define GESSO_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GESSO_API __attribute__((visibility("default")))
#define GESSO_MUST_USE __attribute__((warn_unused_result))
#else
#define GESSO_API
#define GESSO_MUST_USE
#endif

/* What a call can answer. 0 is success; the numbers are stable. */
typedef enum gesso_status {
  GESSO_OK = 0,
  GESSO_E_TRUNCATED = 1, /* the input ends in the middle of a value */
  GESSO_E_CORRUPT = 2,   /* the input breaks its format: bad UTF-8, unknown tag, impossible reference */
  GESSO_E_RANGE = 3,     /* a number is outside what its format allows */
  GESSO_E_LIMIT = 4,     /* well formed, but past a limit of this document, board or server */
  GESSO_E_NOMEM = 5,     /* the allocator said no, or the document's memory cap was reached */
  GESSO_E_USAGE = 6,     /* the caller broke the call's contract: index past the end, wrong type */
  GESSO_E_NOTFOUND = 7,  /* there is no such board, file, root or key */
  GESSO_E_DELETED = 8,   /* there was such a board; it was deleted */
  GESSO_E_BUSY = 9,      /* another process has the data folder open for writing */
  GESSO_E_IO = 10,       /* the disk or the file system failed */
  GESSO_E_FULL = 11,     /* no room left on the disk, or a quota was reached */
  GESSO_E_CLOSED = 12,   /* the object was closed before the work was done */
  GESSO_E_VERSION = 13   /* written by a newer gesso, or by an older one and not brought up */
} gesso_status;

/* Static English text for a status, never NULL. */
GESSO_API const char *gesso_status_text(gesso_status status);

/* Where and why something failed. `message` is static text. */
typedef struct gesso_error {
  gesso_status status;
  size_t offset; /* byte in the input at which decoding stopped; 0 where there is no input */
  const char *message;
} gesso_error;

/* Borrowed bytes. `data` may be NULL when `len` is 0. Text is UTF-8, not terminated. */
typedef struct gesso_bytes {
  const uint8_t *data;
  size_t len;
} gesso_bytes;

/* One function does all jobs and is told the old size:
 * (NULL, 0, n) allocates, (p, old, n) resizes, (p, old, 0) frees and returns NULL.
 * It returns NULL when it cannot; p is then still valid. It must be callable from every
 * thread that uses an object made with it. */
typedef struct gesso_allocator {
  void *(*resize)(void *ctx, void *ptr, size_t old_size, size_t new_size);
  void *ctx;
} gesso_allocator;

/* Memory that the library hands out: released with gesso_buffer_free, and only so. */
typedef struct gesso_buffer {
  uint8_t *data;
  size_t len;
  size_t capacity;
  const gesso_allocator *alloc; /* NULL: malloc */
} gesso_buffer;

/* Frees what `buffer` holds and zeroes it. NULL and a zeroed buffer are fine. */
GESSO_API void gesso_buffer_free(gesso_buffer *buffer);

/* "0.1.0" */
GESSO_API const char *gesso_version(void);

#ifdef __cplusplus
}
#endif
#endif
