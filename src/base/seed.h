/* Seeds of hash tables. Where peers choose the keys, a table that everybody can compute is one in which they can make all
 * keys fall into the same place: a few megabytes of such keys take minutes. */
#ifndef GS_BASE_SEED_H
#define GS_BASE_SEED_H

#include <stdint.h>
#include <sys/random.h>

/* A number that no peer knows. `owner` stands in where the system has no random numbers yet. */
static inline uint64_t gs_hash_seed(const void *owner)
{
  uint64_t seed;
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
    seed = (uint64_t)(uintptr_t)owner * UINT64_C(0x9e3779b97f4a7c15);
  return seed;
}

#endif
