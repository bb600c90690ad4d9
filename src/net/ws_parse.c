/* The frame parser. A header is read byte by byte, each check at the byte that decides it; payloads
 * are unmasked where they lie and copied only when the message does not end in the same bytes. */
#include "net/ws.h"

#include <assert.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static_assert(sizeof(gs_ws_parser) <= 64, "part of every idle connection");

enum {
  ST_HEADER, /* must be 0: a zeroed parser */
  ST_PAYLOAD,
  ST_END
};

#define BIT_FIN 0x80u
#define BITS_RESERVED 0x70u
#define BITS_OPCODE 0x0fu
#define BIT_MASKED 0x80u
#define FIRST_ALLOC 65536u

bool gs_ws_code_ok(uint32_t code)
{
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014)
         || (code >= 3000 && code <= 4999);
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

bool gs_utf8_stream_feed(gs_utf8_stream *us, const uint8_t *data, size_t len)
{
  size_t i = 0;
  while (i < len) {
#if defined(__SSE2__)
    while (us->need == 0 && len - i >= 16
           && _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(data + i))) == 0)
      i += 16;
    if (i == len)
      break;
#endif
    uint8_t c = data[i++];
    if (us->need != 0) {
      if (c < us->lo || c > us->hi)
        return false;
      us->need--;
      us->lo = 0x80;
      us->hi = 0xbf;
      continue;
    }
    if (c < 0x80)
      continue;
    if (c < 0xc2 || c > 0xf4)
      return false;
    us->need = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    /* The second byte rules out overlong forms, surrogates and what is past U+10FFFF. */
    us->lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    us->hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
  }
  return true;
}

/* ---- masking --------------------------------------------------------------------------------- */

unsigned gs_ws_mask(uint8_t *data, size_t len, const uint8_t mask[4], unsigned at)
{
  uint8_t turned[16];
  for (unsigned i = 0; i < sizeof turned; i++)
    turned[i] = mask[(at + i) & 3];
  size_t i = 0;
#if defined(__SSE2__)
  const __m128i wide = _mm_loadu_si128((const __m128i *)(const void *)turned);
  for (; len - i >= 16; i += 16) {
    __m128i *p = (__m128i *)(void *)(data + i);
    _mm_storeu_si128(p, _mm_xor_si128(_mm_loadu_si128(p), wide));
  }
#endif
  uint64_t word, key;
  memcpy(&key, turned, sizeof key);
  for (; len - i >= 8; i += 8) {
    memcpy(&word, data + i, sizeof word);
    word ^= key;
    memcpy(data + i, &word, sizeof word);
  }
  for (; i < len; i++)
    data[i] ^= turned[i & 3];
  return (unsigned)((at + len) & 3);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void free_message(gs_ws_parser *wp, const gesso_allocator *alloc)
{
  gs_free(alloc, wp->message, wp->message_cap);
  wp->message = NULL;
  wp->message_len = wp->message_cap = 0;
  wp->message_done = false;
}

static void free_control(gs_ws_parser *wp, const gesso_allocator *alloc)
{
  gs_free(alloc, wp->control, GS_WS_CONTROL_MAX);
  wp->control = NULL;
  wp->control_len = 0;
  wp->control_done = false;
}

void gs_ws_parser_finish(gs_ws_parser *wp, const gesso_allocator *alloc)
{
  if (wp == NULL)
    return;
  free_message(wp, alloc);
  free_control(wp, alloc);
  *wp = (gs_ws_parser){ 0 };
}

size_t gs_ws_parser_memory(const gs_ws_parser *wp)
{
  return wp->message_cap + (wp->control != NULL ? GS_WS_CONTROL_MAX : 0);
}

static gs_ws_event fail(gs_ws_parser *wp, gs_ws_item *item, uint16_t code, const char *why)
{
  wp->state = ST_END;
  *item = (gs_ws_item){ .code = code, .why = why };
  return GS_WS_FAILED;
}

static gs_ws_opcode frame_opcode(const gs_ws_parser *wp)
{
  return (gs_ws_opcode)(wp->header[0] & BITS_OPCODE);
}

static bool frame_is_control(const gs_ws_parser *wp)
{
  return (wp->header[0] & 8u) != 0;
}

static bool frame_fin(const gs_ws_parser *wp)
{
  return (wp->header[0] & BIT_FIN) != 0;
}

static gs_ws_event first_byte(gs_ws_parser *wp, gs_ws_item *item)
{
  uint8_t b = wp->header[0];
  if ((b & BITS_RESERVED) != 0)
    return fail(wp, item, GS_WS_CODE_PROTOCOL, "reserved bit without an extension");
  switch (frame_opcode(wp)) {
  case GS_WS_CONTINUATION:
    if (wp->message_opcode == 0)
      return fail(wp, item, GS_WS_CODE_PROTOCOL, "continuation without a message");
    return GS_WS_MORE;
  case GS_WS_TEXT:
  case GS_WS_BINARY:
    if (wp->message_opcode != 0)
      return fail(wp, item, GS_WS_CODE_PROTOCOL, "new message inside a fragmented one");
    return GS_WS_MORE;
  case GS_WS_CLOSE:
  case GS_WS_PING:
  case GS_WS_PONG:
    if (!frame_fin(wp))
      return fail(wp, item, GS_WS_CODE_PROTOCOL, "fragmented control frame");
    return GS_WS_MORE;
  default:
    return fail(wp, item, GS_WS_CODE_PROTOCOL, "unknown opcode");
  }
}

/* The length is known. */
static gs_ws_event check_length(gs_ws_parser *wp, const gs_ws_limits *limits, gs_ws_item *item)
{
  if (frame_is_control(wp))
    return GS_WS_MORE;
  if (wp->left > limits->frame_max)
    return fail(wp, item, GS_WS_CODE_TOO_BIG, "the frame is too big");
  if (wp->left > limits->message_max || wp->message_len > limits->message_max - wp->left
      || wp->left > UINT32_MAX - wp->message_len)
    return fail(wp, item, GS_WS_CODE_TOO_BIG, "the message is too big");
  return GS_WS_MORE;
}

/* The last byte taken was header[header_len - 1]. */
static gs_ws_event header_byte(gs_ws_parser *wp, const gs_ws_limits *limits, gs_ws_item *item)
{
  if (wp->header_len == 1)
    return first_byte(wp, item);
  uint8_t seven = wp->header[1] & 0x7f;
  unsigned extended = seven == 126 ? 2 : seven == 127 ? 8 : 0;
  if (wp->header_len == 2) {
    if (((wp->header[1] & BIT_MASKED) != 0) == limits->client)
      return fail(wp, item, GS_WS_CODE_PROTOCOL,
                  limits->client ? "masked frame from a server" : "unmasked frame from a client");
    if (frame_is_control(wp) && seven > GS_WS_CONTROL_MAX)
      return fail(wp, item, GS_WS_CODE_PROTOCOL, "control frame of more than 125 bytes");
    wp->header_need = (uint8_t)(2 + extended + (limits->client ? 0 : 4));
    wp->left = seven;
    return extended == 0 ? check_length(wp, limits, item) : GS_WS_MORE;
  }
  if (extended == 0 || wp->header_len != 2 + extended)
    return GS_WS_MORE;
  wp->left = 0;
  for (unsigned i = 0; i < extended; i++)
    wp->left = wp->left << 8 | wp->header[2 + i];
  if (wp->left < (extended == 2 ? 126u : 65536u))
    return fail(wp, item, GS_WS_CODE_PROTOCOL, "length in more bytes than it needs");
  if (wp->left >> 63 != 0)
    return fail(wp, item, GS_WS_CODE_PROTOCOL, "length with its highest bit set");
  return check_length(wp, limits, item);
}

/* Ready for the next header. */
static void frame_done(gs_ws_parser *wp)
{
  wp->state = ST_HEADER;
  wp->header_len = wp->header_need = 0;
  wp->mask_at = 0;
}

static gs_ws_event control_done(gs_ws_parser *wp, gesso_bytes payload, gs_ws_item *item)
{
  *item = (gs_ws_item){ .opcode = frame_opcode(wp), .payload = payload };
  frame_done(wp);
  if (item->opcode != GS_WS_CLOSE)
    return item->opcode == GS_WS_PING ? GS_WS_ON_PING : GS_WS_ON_PONG;
  wp->state = ST_END;
  item->code = GS_WS_CODE_NONE;
  if (payload.len == 0)
    return GS_WS_ON_CLOSE;
  if (payload.len == 1)
    return fail(wp, item, GS_WS_CODE_PROTOCOL, "close frame of one byte");
  uint16_t code = (uint16_t)(payload.data[0] << 8 | payload.data[1]);
  if (!gs_ws_code_ok(code))
    return fail(wp, item, GS_WS_CODE_PROTOCOL, "close code that must not be sent");
  gs_utf8_stream us = { 0 };
  if (!gs_utf8_stream_feed(&us, payload.data + 2, payload.len - 2) || us.need != 0)
    return fail(wp, item, GS_WS_CODE_BAD_DATA, "close reason that is not UTF-8");
  item->code = code;
  item->payload = (gesso_bytes){ payload.data + 2, payload.len - 2 };
  return GS_WS_ON_CLOSE;
}

static gs_ws_event control_payload(gs_ws_parser *wp, const gesso_allocator *alloc, uint8_t *data,
                                   size_t n, gs_ws_item *item)
{
  wp->left -= n;
  if (wp->left == 0 && wp->control == NULL)
    return control_done(wp, (gesso_bytes){ data, n }, item);
  if (wp->control == NULL) {
    wp->control = gs_alloc(alloc, GS_WS_CONTROL_MAX);
    if (wp->control == NULL)
      return fail(wp, item, GS_WS_CODE_INTERNAL, "out of memory");
  }
  if (n != 0)
    memcpy(wp->control + wp->control_len, data, n);
  wp->control_len = (uint8_t)(wp->control_len + n);
  if (wp->left != 0)
    return GS_WS_MORE;
  wp->control_done = true;
  return control_done(wp, (gesso_bytes){ wp->control, wp->control_len }, item);
}

/* Appends to the message; wp->left is what the frame still brings after these `n` bytes. */
static bool collect(gs_ws_parser *wp, const gesso_allocator *alloc, const uint8_t *data, size_t n)
{
  uint64_t need = (uint64_t)wp->message_len + n;
  if (need > wp->message_cap) {
    /* An announced length is believed for so many bytes; beyond, growth follows what arrives. */
    uint64_t frame_end = need + wp->left;
    uint64_t want = GS_MAX((uint64_t)wp->message_cap * 2, GS_MIN(frame_end, need + FIRST_ALLOC));
    if (frame_fin(wp) && want > frame_end)
      want = frame_end;
    if (want > UINT32_MAX)
      want = UINT32_MAX;
    GS_POISON_AFTER(wp->message, wp->message_cap, wp->message_cap);
    uint8_t *p = gs_resize(alloc, wp->message, wp->message_cap, (size_t)want);
    if (p == NULL)
      return false;
    wp->message = p;
    wp->message_cap = (uint32_t)want;
  }
  GS_POISON_AFTER(wp->message, need, wp->message_cap);
  if (n != 0)
    memcpy(wp->message + wp->message_len, data, n);
  wp->message_len = (uint32_t)need;
  return true;
}

static gs_ws_event data_payload(gs_ws_parser *wp, const gesso_allocator *alloc, uint8_t *data,
                                size_t n, gs_ws_item *item)
{
  if (wp->message_opcode == 0)
    wp->message_opcode = (uint8_t)frame_opcode(wp);
  wp->left -= n;
  if (wp->message_opcode == GS_WS_TEXT && !gs_utf8_stream_feed(&wp->utf8, data, n))
    return fail(wp, item, GS_WS_CODE_BAD_DATA, "text that is not UTF-8");
  bool whole = wp->left == 0 && frame_fin(wp);
  gesso_bytes payload = { data, n };
  if (!whole || wp->message != NULL) {
    if (!collect(wp, alloc, data, n))
      return fail(wp, item, GS_WS_CODE_INTERNAL, "out of memory");
    payload = (gesso_bytes){ wp->message, wp->message_len };
  }
  if (wp->left != 0)
    return GS_WS_MORE;
  if (!whole) {
    frame_done(wp);
    return GS_WS_MORE;
  }
  if (wp->utf8.need != 0)
    return fail(wp, item, GS_WS_CODE_BAD_DATA, "text that ends inside a character");
  *item = (gs_ws_item){ .opcode = (gs_ws_opcode)wp->message_opcode, .payload = payload };
  wp->message_opcode = 0;
  wp->message_done = wp->message != NULL;
  frame_done(wp);
  return GS_WS_ON_MESSAGE;
}

gs_ws_event gs_ws_parser_feed(gs_ws_parser *wp, const gs_ws_limits *limits,
                              const gesso_allocator *alloc, uint8_t *data, size_t len, size_t *used,
                              gs_ws_item *item)
{
  size_t at = 0;
  gs_ws_event ev = GS_WS_MORE;
  if (wp->message_done)
    free_message(wp, alloc);
  if (wp->control_done)
    free_control(wp, alloc);
  if (wp->state == ST_END)
    at = len;
  while (ev == GS_WS_MORE && wp->state != ST_END) {
    if (wp->state == ST_HEADER) {
      if (at == len)
        break;
      wp->header[wp->header_len++] = data[at++];
      ev = header_byte(wp, limits, item);
      if (ev == GS_WS_MORE && wp->header_len >= 2 && wp->header_len == wp->header_need)
        wp->state = ST_PAYLOAD;
      continue;
    }
    size_t n = (size_t)GS_MIN(wp->left, len - at);
    if (n == 0 && wp->left != 0)
      break;
    if (!limits->client)
      wp->mask_at =
        (uint8_t)gs_ws_mask(data + at, n, wp->header + wp->header_need - 4, wp->mask_at);
    ev = frame_is_control(wp) ? control_payload(wp, alloc, data + at, n, item)
                              : data_payload(wp, alloc, data + at, n, item);
    at += n;
  }
  *used = at;
  return ev;
}
