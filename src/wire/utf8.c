#include "wire/utf8.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Bits set in the low 16: without -mpopcnt the builtin is a call. */
#if defined(__SSE2__)
static inline unsigned count16(unsigned x)
{
  x -= (x >> 1) & 0x5555;
  x = (x & 0x3333) + ((x >> 2) & 0x3333);
  x = (x + (x >> 4)) & 0x0f0f;
  return (x + (x >> 8)) & 0x1f;
}
#endif

#define EACH(byte) (0x0101010101010101u * (byte))

/* Eight bytes as one number, the first one lowest. */
static inline uint64_t load8(const uint8_t *p)
{
  uint64_t w;
  memcpy(&w, p, 8);
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
  w = __builtin_bswap64(w);
#endif
  return w;
}

/* The same of n < 8 bytes, with zeros behind them. */
static inline uint64_t load_some(const uint8_t *p, size_t n)
{
  if (n >= 4) {
    uint64_t low = (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
    p += n - 4; /* twice the same bytes, where the two overlap */
    uint64_t high = (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
    return low | high << 8 * (n - 4);
  }
  return n == 0 ? 0 : (uint64_t)p[0] | (uint64_t)p[n >> 1] << 8 * (n >> 1) | (uint64_t)p[n - 1] << 8 * (n - 1);
}

/* The units of n characters' bytes in w, whose other bytes are 0. */
static inline size_t units_in(uint64_t w, size_t n)
{
  uint64_t high = w & EACH(0x80);
  if (high == 0)
    return n;
  uint64_t more = high & ~(w << 1);                     /* 10xxxxxx */
  uint64_t four = high & w << 1 & w << 2 & w << 3; /* 1111xxxx */
  return n - (size_t)((more >> 7) * EACH(1) >> 56) + (size_t)((four >> 7) * EACH(1) >> 56);
}

/* Bytes of ASCII at the start of p..end, in steps of 16 where the machine can. */
static const uint8_t *skip_ascii(const uint8_t *p, const uint8_t *end)
{
#if defined(__SSE2__)
  while (end - p >= 16) {
    int mask = _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)p));
    if (mask != 0)
      return p + __builtin_ctz((unsigned)mask);
    p += 16;
  }
#endif
  for (;;) {
    size_t n = (size_t)(end - p);
    uint64_t high = (n >= 8 ? load8(p) : load_some(p, n)) & EACH(0x80);
    if (high != 0)
      return p + (__builtin_ctzll(high) >> 3);
    if (n <= 8)
      return end;
    p += 8;
  }
}

bool gs_utf8_is_ascii(gesso_bytes s)
{
  return s.len == 0 || skip_ascii(s.data, s.data + s.len) == s.data + s.len;
}

size_t gs_utf8_invalid_at(gesso_bytes s)
{
  if (s.len == 0)
    return 0;
  const uint8_t *p = s.data, *end = s.data + s.len;
  for (;;) {
    p = skip_ascii(p, end);
    if (p == end)
      return s.len;
    uint8_t c = *p;
    size_t more;
    uint8_t lo = 0x80, hi = 0xbf;
    if (c >= 0xc2 && c <= 0xdf) {
      more = 1;
    } else if ((c & 0xf0) == 0xe0) {
      more = 2;
      if (c == 0xe0)
        lo = 0xa0;
      else if (c == 0xed)
        hi = 0x9f;
    } else if (c >= 0xf0 && c <= 0xf4) {
      more = 3;
      if (c == 0xf0)
        lo = 0x90;
      else if (c == 0xf4)
        hi = 0x8f;
    } else {
      return (size_t)(p - s.data);
    }
    if ((size_t)(end - p) <= more || p[1] < lo || p[1] > hi)
      return (size_t)(p - s.data);
    for (size_t i = 2; i <= more; i++)
      if ((p[i] & 0xc0) != 0x80)
        return (size_t)(p - s.data);
    p += more + 1;
  }
}

size_t gs_utf8_utf16_len(gesso_bytes s)
{
  const uint8_t *p = s.data;
  size_t i = 0, units = 0;
#if defined(__SSE2__)
  /* Every byte that is not a continuation (signed < -64) is one unit, a four-byte lead is two. */
  const __m128i cont = _mm_set1_epi8(-65), four = _mm_set1_epi8((char)0xf0);
  for (; s.len - i >= 16; i += 16) {
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
    unsigned lead = (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(v, cont));
    unsigned quad = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(v, four), v));
    units += count16(lead) + (quad != 0 ? count16(quad) : 0);
  }
#endif
  if (i == s.len)
    return units;
  for (; s.len - i >= 8; i += 8)
    units += units_in(load8(p + i), 8);
  return units + units_in(load_some(p + i, s.len - i), s.len - i);
}

size_t gs_utf8_offset_of(gesso_bytes s, size_t units, int *split)
{
  *split = 0;
  if (units == 0 || s.len == 0)
    return 0;
  const uint8_t *p = s.data;
  size_t i = (size_t)(skip_ascii(p, p + (units < s.len ? units : s.len)) - p);
  units -= i;
  if (units == 0)
    return i;
#if defined(__SSE2__)
  const __m128i cont = _mm_set1_epi8(-65), four = _mm_set1_epi8((char)0xf0);
  while (s.len - i >= 16) {
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
    unsigned lead = (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(v, cont));
    unsigned quad = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(v, four), v));
    size_t n = count16(lead) + (quad != 0 ? count16(quad) : 0);
    if (n > units)
      break;
    units -= n;
    i += 16;
  }
  /* A block may have ended inside a character whose units are counted: finish it. */
  while (i < s.len && (p[i] & 0xc0) == 0x80)
    i++;
#endif
  while (units > 0 && i < s.len) {
    uint8_t c = p[i];
    if (c >= 0xf0) {
      if (units == 1) {
        *split = 1;
        return i;
      }
      units--;
    }
    units--;
    i++;
    while (i < s.len && (p[i] & 0xc0) == 0x80)
      i++;
  }
  return i;
}

void gs_utf8_mend(uint8_t *s, size_t n)
{
  for (size_t i = 0; i + 2 < n; i++)
    if (s[i] == 0xed && s[i + 1] >= 0xa0)
      memcpy(s + i, "\xef\xbf\xbd", 3);
}
