/* Reading lib0 bytes. A cursor that remembers its first error: decoders read straight down and
 * look once at the end. Every read past an error returns 0 or empty.
 *
 * invariant: begin <= at <= end; err != GESSO_OK implies at == end. */
#ifndef GS_WIRE_READER_H
#define GS_WIRE_READER_H

#include "gesso/base.h"

#include <stdbool.h>
#include <string.h>

#define GS_MAX_SAFE_INTEGER ((uint64_t)9007199254740991u) /* 2^53 - 1: the largest JavaScript integer */

typedef struct gs_reader {
  const uint8_t *begin, *at, *end;
  gesso_status err;
  size_t err_offset;  /* bytes from begin; meaningful only when err != GESSO_OK */
  const char *err_why; /* static text */
} gs_reader;

gs_reader gs_reader_of(gesso_bytes bytes);

/* Latches the first error at the present position. `message` is static text. */
void gs_reader_fail(gs_reader *rd, gesso_status why, const char *message);

static inline size_t gs_reader_left(const gs_reader *rd)
{
  return (size_t)(rd->end - rd->at);
}

static inline size_t gs_reader_offset(const gs_reader *rd)
{
  return (size_t)(rd->at - rd->begin);
}

/* Copies the latched error out. Returns rd->err. */
gesso_status gs_reader_status(const gs_reader *rd, gesso_error *error_out);

/* The varUint at p, of which 8 bytes can be read, without a branch for each byte. Returns its length; 0: it is one that
 * gs_read_varuint must look at. */
static inline unsigned gs_varuint_at(const uint8_t *p, uint64_t *value)
{
  if (*p < 0x80) {
    *value = *p;
    return 1;
  }
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  /* Find the byte that ends the number, then close the gaps of the groups of 7 bits. */
  uint64_t w;
  memcpy(&w, p, 8);
  uint64_t ends = ~w & 0x0080808080808080u;
  w &= ends ^ (ends - 1);
  w = (w & 0x007f007f007f007fu) | (w & 0x7f007f007f007f00u) >> 1;
  w = (w & 0x00003fff00003fffu) | (w & 0x3fff00003fff0000u) >> 2;
  *value = (w & 0x0fffffffu) | (w & 0x0fffffff00000000u) >> 4;
  return ends != 0 ? ((unsigned)__builtin_ctzll(ends) >> 3) + 1 : 0;
#else
  return 0;
#endif
}

uint64_t gs_read_varuint_slow(gs_reader *rd);

/* lib0 varUint: 7 bits a byte, least significant group first, up to 2^53 - 1. Padded forms that
 * lib0 reads (a zero last group) are accepted as long as they fit in 10 bytes. */
static inline uint64_t gs_read_varuint(gs_reader *rd)
{
  if (rd->at < rd->end && *rd->at < 0x80)
    return *rd->at++;
  return gs_read_varuint_slow(rd);
}

/* A varUint that must be <= max; GESSO_E_LIMIT with `message` when it is not. */
uint64_t gs_read_varuint_max(gs_reader *rd, uint64_t max, const char *message);

/* lib0 varInt: more flag, sign, 6 bits; then 7 bits a byte. *negative tells -0 from 0. */
int64_t gs_read_varint(gs_reader *rd, bool *negative);

uint8_t gs_read_u8(gs_reader *rd);

/* Big endian, as lib0 writes float32, float64 and bigint64. */
uint32_t gs_read_u32be(gs_reader *rd);
uint64_t gs_read_u64be(gs_reader *rd);

/* `n` raw bytes, borrowed from the input. */
gesso_bytes gs_read_raw(gs_reader *rd, size_t n);

/* varUint length, then that many bytes; borrowed. */
gesso_bytes gs_read_bytes(gs_reader *rd);

/* As gs_read_bytes, and the bytes must be valid UTF-8 (lib0 decodes with fatal: true). */
gesso_bytes gs_read_string(gs_reader *rd);

/* A count that precedes elements of at least `min_size` bytes. More than could fit in what is left
 * is refused here, before anyone allocates for it. */
uint32_t gs_read_count(gs_reader *rd, size_t min_size);

#endif
