/* WebSocket frames from hostile peers.
 *
 * Must never: crash, read outside the input, give other events when the same bytes are cut otherwise,
 * hand out a message past the limits, text that is not UTF-8 or a close code that must not be sent,
 * hold more memory than the message limit and a bit, or lose a message that is written again.
 *
 * The first byte: 1 read as a client, 2 wide limits, 4 the frames are unmasked in the input and are
 * masked here, so that mutations of the payload mean something. The next two seed the cuts. */
#include "fuzz.h"
#include "net/ws.h"

enum { EVENTS_MAX = 4096 };

typedef struct cuts {
  int mode; /* 0: whole, 1: byte by byte, 2: pseudo-random */
  uint32_t seed;
} cuts;

static size_t next_piece(cuts *c, size_t left)
{
  if (c->mode == 0 || left == 0)
    return left;
  if (c->mode == 1)
    return 1;
  c->seed = c->seed * 1664525u + 1013904223u;
  size_t n = 1 + (c->seed >> 24) % 37;
  return n < left ? n : left;
}

/* By the definition, one character at a time: slow and plain. */
static bool is_utf8(gesso_bytes s)
{
  for (size_t i = 0; i < s.len;) {
    uint8_t c = s.data[i];
    size_t n = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : (c & 0xf8) == 0xf0 ? 4 : 0;
    if (n == 0 || s.len - i < n)
      return false;
    uint32_t cp = n == 1 ? c : c & (0x7fu >> n);
    for (size_t k = 1; k < n; k++) {
      if ((s.data[i + k] & 0xc0) != 0x80)
        return false;
      cp = cp << 6 | (s.data[i + k] & 0x3fu);
    }
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
      return false;
    i += n;
  }
  return true;
}

/* What we read, written by us and read again by a client, is the same. */
static void round_trip(const gs_ws_item *item, gs_ws_opcode opcode)
{
  static const gs_ws_limits wide = { 1u << 30, 1u << 30, true };
  gs_frame *frame = gs_frame_message(NULL, opcode, item->payload);
  FUZZ_CHECK(frame != NULL);
  uint8_t *copy = malloc(frame->len);
  FUZZ_CHECK(copy != NULL);
  memcpy(copy, frame->data, frame->len);
  gs_ws_parser wp = { 0 };
  gs_ws_item back = { 0 };
  size_t used = 0;
  gs_ws_event ev = gs_ws_parser_feed(&wp, &wide, NULL, copy, frame->len, &used, &back);
  FUZZ_CHECK(used == frame->len && back.opcode == opcode);
  FUZZ_CHECK(ev == (opcode == GS_WS_PING ? GS_WS_ON_PING : opcode == GS_WS_PONG ? GS_WS_ON_PONG : GS_WS_ON_MESSAGE));
  FUZZ_CHECK(fuzz_same(item->payload, back.payload));
  gs_ws_parser_finish(&wp, NULL);
  free(copy);
  gs_frame_release(frame);
}

static void put_item(gs_buf *out, gs_ws_event ev, const gs_ws_item *item, const gs_ws_limits *limits)
{
  gs_buf_printf(out, "%d %d %u %zu:", (int)ev, (int)item->opcode, item->code, item->payload.len);
  gs_buf_write(out, item->payload.data, item->payload.len);
  switch (ev) {
  case GS_WS_ON_MESSAGE:
    FUZZ_CHECK(item->opcode == GS_WS_TEXT || item->opcode == GS_WS_BINARY);
    FUZZ_CHECK(item->payload.len <= limits->message_max);
    FUZZ_CHECK(item->opcode == GS_WS_BINARY || is_utf8(item->payload));
    round_trip(item, item->opcode);
    break;
  case GS_WS_ON_PING:
  case GS_WS_ON_PONG:
    FUZZ_CHECK(item->payload.len <= GS_WS_CONTROL_MAX);
    round_trip(item, ev == GS_WS_ON_PING ? GS_WS_PING : GS_WS_PONG);
    break;
  case GS_WS_ON_CLOSE:
    FUZZ_CHECK(item->code == GS_WS_CODE_NONE || gs_ws_code_ok(item->code));
    FUZZ_CHECK(is_utf8(item->payload) && item->payload.len <= GS_WS_REASON_MAX);
    break;
  case GS_WS_FAILED:
    FUZZ_CHECK(item->why != NULL && gs_ws_code_ok(item->code) && item->code != GS_WS_CODE_INTERNAL);
    gs_buf_puts(out, item->why);
    break;
  case GS_WS_MORE:
    break;
  }
}

static void run(gs_buf *out, const uint8_t *data, size_t size, const gs_ws_limits *limits, cuts c)
{
  fuzz_memory fm;
  /* Twice: while the buffer of a growing message is moved, a counting allocator sees both. */
  fuzz_memory_init(&fm, (size_t)limits->message_max * 2 + 65536 + GS_WS_CONTROL_MAX);
  gs_ws_parser wp = { 0 };
  size_t at = 0, events = 0;
  for (bool over = false; !over && at < size;) {
    size_t n = next_piece(&c, size - at), done = 0;
    uint8_t *piece = malloc(n); /* of its own, so that reading past its end is seen */
    FUZZ_CHECK(piece != NULL);
    memcpy(piece, data + at, n);
    while (!over) {
      gs_ws_item item = { 0 };
      size_t used = 0;
      gs_ws_event ev = gs_ws_parser_feed(&wp, limits, &fm.alloc, piece + done, n - done, &used, &item);
      FUZZ_CHECK(used <= n - done);
      done += used;
      if (ev == GS_WS_MORE) {
        FUZZ_CHECK(done == n);
        break;
      }
      put_item(out, ev, &item, limits);
      over = ev == GS_WS_FAILED || ev == GS_WS_ON_CLOSE || ++events == EVENTS_MAX;
    }
    FUZZ_CHECK(gs_ws_parser_memory(&wp) == fm.held);
    free(piece);
    at += n;
  }
  gs_ws_parser_finish(&wp, &fm.alloc);
  FUZZ_CHECK(fm.held == 0);
}

/* Rewrites unmasked frames as masked ones, as far as their headers can be followed. */
static void mask_frames(gs_buf *out, const uint8_t *data, size_t size)
{
  static const uint8_t mask[4] = { 0x9d, 0x31, 0x00, 0xfe };
  size_t at = 0;
  while (size - at >= 2) {
    size_t len = data[at + 1] & 0x7f;
    len = len < size - at - 2 ? len : size - at - 2;
    uint8_t header[6] = { data[at], (uint8_t)(0x80 | (len > 125 ? 125 : len)), mask[0], mask[1], mask[2], mask[3] };
    len = header[1] & 0x7f;
    gs_buf_write(out, header, sizeof header);
    size_t from = out->b.len;
    gs_buf_write(out, data + at + 2, len);
    (void)gs_ws_mask(out->b.data + from, len, mask, 0);
    at += 2 + len;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 3)
    return 0;
  uint8_t how = data[0];
  uint32_t seed = (uint32_t)(data[1] << 8 | data[2]);
  gs_ws_limits limits = { 200, 300, (how & 1) != 0 };
  if ((how & 2) != 0)
    limits.frame_max = limits.message_max = 1u << 20;
  data += 3;
  size -= 3;
  static gs_buf whole, other, masked; /* kept from run to run: only their memory lives on */
  if ((how & 4) != 0 && !limits.client) {
    gs_buf_clear(&masked);
    mask_frames(&masked, data, size);
    data = masked.b.data;
    size = masked.b.len;
  }
  gs_buf_clear(&whole);
  run(&whole, data, size, &limits, (cuts){ 0, 0 });
  for (int mode = 1; mode <= 2; mode++) {
    gs_buf_clear(&other);
    run(&other, data, size, &limits, (cuts){ mode, seed });
    FUZZ_CHECK(fuzz_same(gs_buf_bytes(&whole), gs_buf_bytes(&other)));
  }
  return 0;
}
