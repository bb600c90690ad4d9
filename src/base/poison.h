/* Memory that must not be touched, told to AddressSanitizer: arenas and buffers hand out parts of larger
 * blocks, and without this it would see nothing past the end of a part. Nothing in other builds. */
#ifndef GS_BASE_POISON_H
#define GS_BASE_POISON_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GS_POISONED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) && !defined(GS_POISONED)
#define GS_POISONED 1
#endif

#ifdef GS_POISONED
#include <sanitizer/asan_interface.h>
#define GS_RED_ZONE 16u   /* bytes between two parts of a block */
#define GS_EXACT_MAX 16384u /* arrays that take no more bytes have no room to spare */
#define GS_POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define GS_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define GS_RED_ZONE 0u
#define GS_EXACT_MAX 0u
#define GS_POISON(p, n) ((void)(p), (void)(n))
#define GS_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

/* Of a buffer that holds `cap` bytes the first `open` may be touched. */
#define GS_POISON_AFTER(p, open, cap)        \
  do {                                       \
    if ((p) != NULL) {                       \
      GS_UNPOISON(p, open);                  \
      GS_POISON((p) + (open), (cap) - (open)); \
    }                                        \
  } while (0)

#endif
