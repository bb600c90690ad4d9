/* Looking at 32 words at once, without a branch for each: which it will be is what a processor cannot guess. */
#ifndef GS_CRDT_LANES_H
#define GS_CRDT_LANES_H

#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>

static inline __m128i gs_lane_load(const uint32_t *v)
{
  return _mm_loadu_si128((const __m128i *)(const void *)v);
}

/* A bit for each of 16 lanes, which are all ones or zero. */
static inline uint32_t gs_lane_bits(__m128i a, __m128i b, __m128i c, __m128i d)
{
  return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d)));
}

static inline uint32_t gs_lanes_equal16(const uint32_t *v, __m128i want)
{
  return gs_lane_bits(_mm_cmpeq_epi32(gs_lane_load(v), want), _mm_cmpeq_epi32(gs_lane_load(v + 4), want),
                      _mm_cmpeq_epi32(gs_lane_load(v + 8), want), _mm_cmpeq_epi32(gs_lane_load(v + 12), want));
}

/* A bit for each that is `want`. */
static inline uint32_t gs_lanes_equal(const uint32_t v[32], uint32_t want)
{
  const __m128i all = _mm_set1_epi32((int)want);
  return gs_lanes_equal16(v, all) | gs_lanes_equal16(v + 16, all) << 16;
}

/* Sums up four more: end[] has where each ends, and the lanes of those that end behind `pos` are all ones. Both numbers
 * are compared with their highest bit turned, which makes it a comparison without signs. */
static inline __m128i gs_lanes_sum4(const uint32_t *v, uint32_t *end, __m128i turned, __m128i pos, __m128i *sum)
{
  __m128i x = gs_lane_load(v);
  x = _mm_add_epi32(x, _mm_slli_si128(x, 4));
  x = _mm_add_epi32(x, _mm_slli_si128(x, 8));
  x = _mm_add_epi32(x, *sum);
  *sum = _mm_shuffle_epi32(x, 0xff);
  _mm_storeu_si128((__m128i *)(void *)end, x);
  return _mm_cmpgt_epi32(_mm_xor_si128(x, turned), pos);
}

static inline uint32_t gs_lanes_sum16(const uint32_t *v, uint32_t *end, __m128i turned, __m128i pos, __m128i *sum)
{
  __m128i a = gs_lanes_sum4(v, end, turned, pos, sum), b = gs_lanes_sum4(v + 4, end + 4, turned, pos, sum);
  __m128i c = gs_lanes_sum4(v + 8, end + 8, turned, pos, sum), d = gs_lanes_sum4(v + 12, end + 12, turned, pos, sum);
  return gs_lane_bits(a, b, c, d);
}

/* Which of these lengths, one after the other, `pos` is in; there is one. Takes off what is before it. */
static inline uint32_t gs_lanes_at(const uint32_t v[32], uint32_t *pos)
{
  uint32_t end[33];
  const __m128i turned = _mm_set1_epi32(INT32_MIN), want = _mm_xor_si128(_mm_set1_epi32((int)*pos), turned);
  __m128i sum = _mm_setzero_si128();
  end[0] = 0;
  uint32_t low = gs_lanes_sum16(v, end + 1, turned, want, &sum);
  uint32_t i = (uint32_t)__builtin_ctz(low | gs_lanes_sum16(v + 16, end + 17, turned, want, &sum) << 16);
  *pos -= end[i];
  return i;
}

#else

static inline uint32_t gs_lanes_equal(const uint32_t v[32], uint32_t want)
{
  uint32_t bits = 0;
  for (uint32_t i = 0; i < 32; i++)
    bits |= (uint32_t)(v[i] == want) << i;
  return bits;
}

static inline uint32_t gs_lanes_at(const uint32_t v[32], uint32_t *pos)
{
  uint32_t i = 0;
  while (*pos >= v[i])
    *pos -= v[i++];
  return i;
}

#endif
#endif
