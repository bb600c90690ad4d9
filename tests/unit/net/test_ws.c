/* WebSocket frames: the vectors of RFC 6455, hostile ones, every split, and wslay as second opinion. */
#include "net_test.h"

#include "net/ws.h"

#include <stdio.h>
#include <wslay/wslay.h>

static const gs_ws_limits server_limits = { .frame_max = 1000, .message_max = 2000 };
static const gs_ws_limits client_limits = { .frame_max = 1000, .message_max = 2000, .client = true };
static const gs_ws_limits wide_limits = { .frame_max = 1u << 24, .message_max = 1u << 24 };
static const gs_ws_limits wide_client = { .frame_max = 1u << 24, .message_max = 1u << 24, .client = true };

/* ---- transcripts ----------------------------------------------------------------------------- */

static void put_payload(gs_buf *out, gesso_bytes p)
{
  if (p.len > 40) {
    uint32_t sum = 0;
    for (size_t i = 0; i < p.len; i++)
      sum = sum * 31 + p.data[i];
    gs_buf_printf(out, "%zu bytes %08x", p.len, sum);
    return;
  }
  for (size_t i = 0; i < p.len; i++)
    gs_buf_printf(out, p.data[i] > 0x20 && p.data[i] < 0x7f ? "%c" : "%%%02x", p.data[i]);
}

/* One event, as text; false when nothing more is to be read. */
static bool put_event(gs_buf *out, gs_ws_event ev, const gs_ws_item *item)
{
  switch (ev) {
  case GS_WS_MORE:
    return true;
  case GS_WS_ON_MESSAGE:
    gs_buf_puts(out, item->opcode == GS_WS_TEXT ? "text(" : "binary(");
    break;
  case GS_WS_ON_PING:
    gs_buf_puts(out, "ping(");
    break;
  case GS_WS_ON_PONG:
    gs_buf_puts(out, "pong(");
    break;
  case GS_WS_ON_CLOSE:
    gs_buf_printf(out, "close(%u,", item->code);
    break;
  case GS_WS_FAILED:
    gs_buf_printf(out, "!%u ", item->code);
    assert_non_null(item->why);
    return false;
  }
  put_payload(out, item->payload);
  gs_buf_puts(out, ") ");
  return ev != GS_WS_ON_CLOSE;
}

static void transcribe(gs_buf *out, const gs_ws_limits *limits, gesso_bytes in, size_t cut, size_t step)
{
  gs_ws_parser wp = { 0 };
  uint8_t *data = guarded_copy(in.data, in.len);
  size_t at = 0;
  bool more = true;
  gs_buf_clear(out);
  while (more) {
    size_t end = step != 0 ? at + step : at < cut ? cut : in.len, used;
    if (end > in.len)
      end = in.len;
    gs_ws_item item = { 0 };
    gs_ws_event ev = gs_ws_parser_feed(&wp, limits, NULL, data + at, end - at, &used, &item);
    assert_true(used <= end - at);
    at += used;
    more = put_event(out, ev, &item);
    if (ev == GS_WS_MORE) {
      assert_int_equal(at, end);
      if (at == in.len)
        break;
    }
  }
  gs_buf_put(out, 0);
  gs_ws_parser_finish(&wp, NULL);
  guarded_free(data, in.len);
}

static void check_splits(const char *what, const gs_ws_limits *limits, gesso_bytes in, const char *want)
{
  gs_buf whole = gs_buf_make(NULL), split = gs_buf_make(NULL);
  transcribe(&whole, limits, in, 0, 0);
  if (want != NULL && strcmp((char *)whole.b.data, want) != 0)
    fail_msg("%s\n want %s\n got  %s", what, want, whole.b.data);
  for (size_t step = 1; step < 4; step++) {
    transcribe(&split, limits, in, 0, step);
    if (strcmp((char *)whole.b.data, (char *)split.b.data) != 0)
      fail_msg("%s\n whole    %s\n by %zu %s", what, whole.b.data, step, split.b.data);
  }
  for (size_t cut = 1; cut < in.len && in.len < 600; cut++) {
    transcribe(&split, limits, in, cut, 0);
    if (strcmp((char *)whole.b.data, (char *)split.b.data) != 0)
      fail_msg("%s\n whole  %s\n cut %zu %s", what, whole.b.data, cut, split.b.data);
  }
  gs_buf_finish(&whole);
  gs_buf_finish(&split);
}

/* Appends a masked frame. `first` is the whole first byte. */
static void put_frame(gs_buf *out, unsigned first, gesso_bytes payload)
{
  static const uint8_t mask[4] = { 0xa1, 0x02, 0xff, 0x5c };
  uint8_t header[GS_WS_HEADER_MAX];
  size_t n = gs_ws_write_header(header, GS_WS_TEXT, true, payload.len, mask);
  header[0] = (uint8_t)first;
  gs_buf_write(out, header, n);
  size_t at = out->b.len;
  gs_buf_write(out, payload.data, payload.len);
  (void)gs_ws_mask(out->b.data + at, payload.len, mask, 0);
}

/* ---- vectors --------------------------------------------------------------------------------- */

#define VEC(...) { (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) }

static void the_examples_of_rfc_6455_are_read(void **state)
{
  (void)state;
  const struct {
    bool client;
    gesso_bytes in;
    const char *want;
  } vectors[] = {
    /* 5.7: single frames, fragmented, ping and pong */
    { true, VEC(0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f), "text(Hello) " },
    { false, VEC(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58), "text(Hello) " },
    { true, VEC(0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f), "text(Hello) " },
    { true, VEC(0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f), "ping(Hello) " },
    { false, VEC(0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58), "pong(Hello) " },
  };
  for (size_t i = 0; i < GS_COUNT(vectors); i++)
    check_splits(vectors[i].want, vectors[i].client ? &client_limits : &server_limits, vectors[i].in,
                 vectors[i].want);

  /* 5.7: 256 bytes and 64 KiB in one unmasked frame */
  static uint8_t big[65536 + 10];
  gs_buf want = gs_buf_make(NULL), text = gs_buf_make(NULL);
  for (size_t i = 0; i < sizeof big; i++)
    big[i] = (uint8_t)(i * 7);
  memcpy(big, (const uint8_t[]){ 0x82, 0x7e, 0x01, 0x00 }, 4);
  put_payload(&text, (gesso_bytes){ big + 4, 256 });
  gs_buf_put(&text, 0);
  gs_buf_printf(&want, "binary(%s) ", text.b.data);
  check_splits("256", &wide_client, (gesso_bytes){ big, 260 }, (char *)want.b.data);
  memcpy(big, (const uint8_t[]){ 0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0 }, 10);
  gs_buf_clear(&text);
  gs_buf_clear(&want);
  put_payload(&text, (gesso_bytes){ big + 10, 65536 });
  gs_buf_put(&text, 0);
  gs_buf_printf(&want, "binary(%s) ", text.b.data);
  check_splits("64 KiB", &wide_client, (gesso_bytes){ big, sizeof big }, (char *)want.b.data);
  gs_buf_finish(&want);
  gs_buf_finish(&text);
}

struct frame {
  unsigned first;
  const char *payload;
};

static void check_frames(const struct frame *frames, size_t n, const char *want)
{
  gs_buf in = gs_buf_make(NULL);
  for (size_t i = 0; i < n; i++)
    put_frame(&in, frames[i].first, bytes_of(frames[i].payload));
  check_splits(want, &server_limits, gs_buf_bytes(&in), want);
  gs_buf_finish(&in);
}

#define FRAMES(want, ...) \
  check_frames((const struct frame[]){ __VA_ARGS__ }, \
               GS_COUNT(((const struct frame[]){ __VA_ARGS__ })), want)

static void fragments_and_control_frames_mix(void **state)
{
  (void)state;
  FRAMES("binary() ", { 0x82, "" });
  FRAMES("text() text(a) ", { 0x81, "" }, { 0x81, "a" });
  FRAMES("ping(1) text(abcd) pong() ", { 0x01, "ab" }, { 0x89, "1" }, { 0x00, "" }, { 0x80, "cd" }, { 0x8a, "" });
  FRAMES("binary() binary(x) ", { 0x02, "" }, { 0x00, "" }, { 0x80, "" }, { 0x82, "x" });
  FRAMES("text(%c3%a9) ", { 0x01, "\xc3" }, { 0x80, "\xa9" });
  FRAMES("ping(%ff) text(%f0%9f%98%80) ", { 0x01, "\xf0\x9f" }, { 0x89, "\xff" }, { 0x00, "\x98" }, { 0x80, "\x80" });
  FRAMES("close(1000,bye) ", { 0x88, "\x03\xe8" "bye" });
  FRAMES("close(1005,) ", { 0x88, "" }, { 0x82, "not read" });
  FRAMES("close(4404,) ", { 0x01, "ab" }, { 0x88, "\x11\x34" });
}

static void broken_frames_are_refused(void **state)
{
  (void)state;
  FRAMES("!1002 ", { 0xc1, "a" });
  FRAMES("!1002 ", { 0xa1, "a" });
  FRAMES("!1002 ", { 0x91, "a" });
  FRAMES("!1002 ", { 0x83, "a" });
  FRAMES("!1002 ", { 0x87, "a" });
  FRAMES("!1002 ", { 0x8b, "a" });
  FRAMES("!1002 ", { 0x8f, "a" });
  FRAMES("!1002 ", { 0x80, "a" });
  FRAMES("!1002 ", { 0x00, "a" });
  FRAMES("!1002 ", { 0x01, "a" }, { 0x81, "b" });
  FRAMES("!1002 ", { 0x01, "a" }, { 0x02, "b" });
  FRAMES("text(ab) !1002 ", { 0x01, "a" }, { 0x80, "b" }, { 0x80, "c" });
  FRAMES("!1002 ", { 0x09, "a" });
  FRAMES("!1002 ", { 0x08, "" });
  FRAMES("!1002 ", { 0x88, "x" });
  static const uint16_t bad_codes[] = { 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535 };
  for (size_t i = 0; i < GS_COUNT(bad_codes); i++) {
    char payload[3] = { (char)(bad_codes[i] >> 8), (char)bad_codes[i], 0 };
    gs_buf in = gs_buf_make(NULL);
    put_frame(&in, 0x88, (gesso_bytes){ (uint8_t *)payload, 2 });
    check_splits("close code", &server_limits, gs_buf_bytes(&in), "!1002 ");
    gs_buf_finish(&in);
  }
  FRAMES("!1007 ", { 0x88, "\x03\xe8\xff" });
  FRAMES("!1007 ", { 0x88, "\x03\xe8\xc3" });

  const struct { gesso_bytes in; const char *want; } raw[] = {
    { VEC(0x81, 0x01, 'a'), "!1002 " },                                   /* not masked */
    { VEC(0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0), "!1002 " },                /* ping of 126 */
    { VEC(0x82, 0xfe, 0x00, 0x7d, 0, 0, 0, 0), "!1002 " },                /* 125 in two bytes */
    { VEC(0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0), "!1002 " }, /* 65535 in eight */
    { VEC(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), "!1002 " },
    { VEC(0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0), "!1009 " },
    { VEC(0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0), "!1009 " },
    { VEC(0x82, 0xfe, 0x03, 0xe9, 0, 0, 0, 0), "!1009 " },                /* 1001 */
  };
  for (size_t i = 0; i < GS_COUNT(raw); i++)
    check_splits("raw", &server_limits, raw[i].in, raw[i].want);
  check_splits("masked for a client", &client_limits,
               (gesso_bytes)VEC(0x81, 0x81, 1, 2, 3, 4, 'a'), "!1002 ");
}

static void sizes_are_bounded(void **state)
{
  (void)state;
  static uint8_t filler[1001];
  gs_buf in = gs_buf_make(NULL);
  put_frame(&in, 0x02, (gesso_bytes){ filler, 1000 });
  put_frame(&in, 0x00, (gesso_bytes){ filler, 999 });
  put_frame(&in, 0x00, (gesso_bytes){ filler, 1 });
  put_frame(&in, 0x80, (gesso_bytes){ filler, 0 });
  check_splits("2000 in all", &server_limits, gs_buf_bytes(&in), "binary(2000 bytes 00000000) ");
  gs_buf_clear(&in);
  put_frame(&in, 0x02, (gesso_bytes){ filler, 1000 });
  put_frame(&in, 0x00, (gesso_bytes){ filler, 1000 });
  put_frame(&in, 0x80, (gesso_bytes){ filler, 1 });
  check_splits("2001 in all", &server_limits, gs_buf_bytes(&in), "!1009 ");
  gs_buf_clear(&in);
  put_frame(&in, 0x82, (gesso_bytes){ filler, 1001 });
  check_splits("a frame of 1001", &server_limits, gs_buf_bytes(&in), "!1009 ");
  gs_buf_finish(&in);
}

static void text_must_be_utf8(void **state)
{
  (void)state;
  static const char *const good[] = {
    "", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
    "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a long run of plain text, then \xe2\x82\xac, and then more of it",
  };
  static const char *const bad[] = {
    "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
    "\xed\xbf\xbf", "\xe2\x82", "\xe2\x82\x41", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
    "\xf5\x80\x80\x80", "\xff", "\xf0\x9f\x98", "a long run of plain text, then \xe2\x28\xac, and then more of it",
  };
  for (size_t i = 0; i < GS_COUNT(good) + GS_COUNT(bad); i++) {
    bool ok = i < GS_COUNT(good);
    const char *s = ok ? good[i] : bad[i - GS_COUNT(good)];
    gs_buf in = gs_buf_make(NULL), out = gs_buf_make(NULL);
    put_frame(&in, 0x81, bytes_of(s));
    check_splits(s, &server_limits, gs_buf_bytes(&in), ok ? NULL : "!1007 ");
    transcribe(&out, &server_limits, gs_buf_bytes(&in), 0, 0);
    assert_int_equal(out.b.data[0], ok ? 't' : '!');
    gs_buf_clear(&in);
    put_frame(&in, 0x82, bytes_of(s)); /* binary may be anything */
    transcribe(&out, &server_limits, gs_buf_bytes(&in), 0, 0);
    assert_int_equal(out.b.data[0], 'b');
    gs_buf_finish(&in);
    gs_buf_finish(&out);
  }
}

/* Every two-byte and three-byte sequence against the definition: encode each code point by the book
 * and see that exactly those pass. */
static void utf8_is_exactly_what_the_definition_says(void **state)
{
  (void)state;
  static uint8_t ok3[1 << 21]; /* bit b of ok3: the three bytes b are one valid character */
  memset(ok3, 0, sizeof ok3);
  for (uint32_t cp = 0x800; cp < 0x10000; cp++) {
    if (cp >= 0xd800 && cp < 0xe000)
      continue;
    uint32_t b = (0xe0u | cp >> 12) << 16 | (0x80u | (cp >> 6 & 0x3f)) << 8 | (0x80u | (cp & 0x3f));
    ok3[b >> 3] |= (uint8_t)(1u << (b & 7));
  }
  for (uint32_t b = 0xe00000; b < 0xf00000; b++) {
    uint8_t bytes[3] = { (uint8_t)(b >> 16), (uint8_t)(b >> 8), (uint8_t)b };
    gs_utf8_stream us = { 0 };
    bool ok = gs_utf8_stream_feed(&us, bytes, 3) && us.need == 0;
    if (ok != ((ok3[b >> 3] >> (b & 7) & 1) != 0))
      fail_msg("%06x", b);
  }
  for (uint32_t b = 0xf00000; b <= 0xffffff; b++) { /* lead and two, then every fourth that could do */
    uint8_t bytes[4] = { (uint8_t)(b >> 16), (uint8_t)(b >> 8), (uint8_t)b, 0xbf };
    gs_utf8_stream us = { 0 };
    bool ok = gs_utf8_stream_feed(&us, bytes, 4) && us.need == 0;
    uint32_t cp = (bytes[0] & 7u) << 18 | (bytes[1] & 0x3fu) << 12 | (bytes[2] & 0x3fu) << 6 | 0x3f;
    bool want = bytes[0] < 0xf8 && (bytes[1] & 0xc0) == 0x80 && (bytes[2] & 0xc0) == 0x80 && cp >= 0x10000
                && cp <= 0x10ffff;
    if (ok != want)
      fail_msg("%06x", b);
  }
}

static void masking_is_the_same_at_every_alignment(void **state)
{
  (void)state;
  static const uint8_t mask[4] = { 1, 2, 4, 8 };
  uint8_t plain[100], data[100];
  for (size_t i = 0; i < sizeof plain; i++)
    plain[i] = (uint8_t)(i * 37);
  for (unsigned at = 0; at < 4; at++)
    for (size_t from = 0; from < 20; from++)
      for (size_t len = 0; len <= 80; len++) {
        memcpy(data, plain, sizeof data);
        assert_int_equal(gs_ws_mask(data + from, len, mask, at), (at + len) & 3);
        for (size_t i = 0; i < sizeof data; i++) {
          bool in = i >= from && i < from + len;
          assert_int_equal(data[i], in ? plain[i] ^ mask[(at + i - from) & 3] : plain[i]);
        }
      }
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void memory_is_held_only_for_incomplete_messages(void **state)
{
  (void)state;
  test_allocator ta;
  test_allocator_init(&ta);
  gs_ws_parser wp = { 0 };
  gs_buf in = gs_buf_make(NULL);
  gs_ws_item item;
  size_t used;
  put_frame(&in, 0x82, bytes_of("whole"));
  assert_int_equal(gs_ws_parser_feed(&wp, &server_limits, &ta.alloc, in.b.data, in.b.len, &used, &item),
                   GS_WS_ON_MESSAGE);
  assert_int_equal(ta.calls, 0);
  gs_buf_clear(&in);
  put_frame(&in, 0x82, bytes_of("in two"));
  assert_int_equal(gs_ws_parser_feed(&wp, &server_limits, &ta.alloc, in.b.data, in.b.len - 2, &used, &item),
                   GS_WS_MORE);
  assert_int_equal(ta.live, gs_ws_parser_memory(&wp));
  assert_in_range(ta.live, 4, 6);
  assert_int_equal(gs_ws_parser_feed(&wp, &server_limits, &ta.alloc, in.b.data + in.b.len - 2, 2, &used, &item),
                   GS_WS_ON_MESSAGE);
  assert_bytes(item.payload, bytes_of("in two"));
  assert_int_equal(gs_ws_parser_feed(&wp, &server_limits, &ta.alloc, in.b.data, 0, &used, &item), GS_WS_MORE);
  assert_int_equal(ta.live, 0);

  /* An announced length is not believed. */
  uint8_t huge[] = { 0x82, 0xff, 0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 'x' };
  assert_int_equal(gs_ws_parser_feed(&wp, &wide_limits, &ta.alloc, huge, sizeof huge, &used, &item), GS_WS_MORE);
  assert_true(ta.live <= 65536 + 1);
  gs_ws_parser_finish(&wp, &ta.alloc);
  assert_int_equal(ta.live, 0);
  gs_buf_finish(&in);
}

static void the_parser_survives_every_allocation_failure(void **state)
{
  (void)state;
  gs_buf in = gs_buf_make(NULL);
  put_frame(&in, 0x01, bytes_of("abc"));
  put_frame(&in, 0x89, bytes_of("ping"));
  put_frame(&in, 0x80, bytes_of("def"));
  put_frame(&in, 0x88, bytes_of("\x03\xe8" "bye"));
  for (unsigned long n = 1;; n++) {
    test_allocator ta;
    test_allocator_init(&ta);
    ta.fail_at = n;
    gs_ws_parser wp = { 0 };
    gs_ws_item item = { 0 };
    gs_ws_event ev = GS_WS_MORE;
    for (size_t at = 0, used; at < in.b.len && ev != GS_WS_FAILED; at += used) {
      uint8_t byte = in.b.data[at];
      ev = gs_ws_parser_feed(&wp, &server_limits, &ta.alloc, &byte, 1, &used, &item);
    }
    if (ev == GS_WS_FAILED)
      assert_int_equal(item.code, GS_WS_CODE_INTERNAL);
    gs_ws_parser_finish(&wp, &ta.alloc);
    assert_int_equal(ta.live, 0);
    if (ev != GS_WS_FAILED)
      break;
    assert_true(n < 100);
  }
  gs_buf_finish(&in);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void frames_are_made_and_shared(void **state)
{
  (void)state;
  test_allocator ta;
  test_allocator_init(&ta);
  static uint8_t payload[70000];
  static const size_t sizes[] = { 0, 1, 125, 126, 127, 65535, 65536, 70000 };
  for (size_t i = 0; i < GS_COUNT(sizes); i++) {
    gs_frame *copied = gs_frame_message(&ta.alloc, GS_WS_BINARY, (gesso_bytes){ payload, sizes[i] });
    gs_buf buf = gs_buf_make(&ta.alloc);
    gs_frame_begin(&buf);
    gs_buf_write(&buf, payload, sizes[i]);
    gs_frame *built = gs_frame_end(&buf, GS_WS_BINARY);
    assert_non_null(copied);
    assert_non_null(built);
    size_t header = sizes[i] < 126 ? 2 : sizes[i] < 65536 ? 4 : 10;
    assert_int_equal(copied->len, header + sizes[i]);
    assert_int_equal(built->header_len, header);
    assert_bytes((gesso_bytes){ built->data, built->len }, (gesso_bytes){ copied->data, copied->len });
    assert_ptr_equal(gs_frame_retain(built), built);
    gs_frame_release(built);
    assert_int_equal(built->refs, 1);
    gs_frame_release(built);
    gs_frame_release(copied);
    gs_frame_release(NULL);
    assert_int_equal(ta.live, 0);
  }
  gs_buf failed = gs_buf_make(&ta.alloc);
  gs_frame_begin(&failed);
  failed.max = 12;
  gs_buf_write(&failed, payload, 100);
  assert_null(gs_frame_end(&failed, GS_WS_BINARY));
  gs_buf empty = gs_buf_make(&ta.alloc);
  gs_frame *bytes = gs_frame_bytes_buf(&empty);
  assert_int_equal(bytes->len, 0);
  gs_frame_release(bytes);
  bytes = gs_frame_bytes_static(&ta.alloc, bytes_of("static"));
  assert_bytes((gesso_bytes){ bytes->data, bytes->len }, bytes_of("static"));
  gs_frame_release(bytes);
  assert_int_equal(ta.live, 0);
}

static void close_reasons_are_cut_at_a_character(void **state)
{
  (void)state;
  char reason[200];
  memset(reason, 'x', sizeof reason);
  memcpy(reason + 122, "\xc3\xa9", 2); /* the 123rd byte is the first half of it */
  gs_frame *frame = gs_frame_close(NULL, 4000, (gesso_bytes){ (uint8_t *)reason, sizeof reason });
  assert_int_equal(frame->len, 2 + 2 + 122);
  gs_frame_release(frame);
  frame = gs_frame_close(NULL, 4000, (gesso_bytes){ (uint8_t *)reason, 122 });
  assert_int_equal(frame->len, 2 + 2 + 122);
  gs_frame_release(frame);
  frame = gs_frame_close(NULL, GS_WS_CODE_NONE, bytes_of("x"));
  assert_bytes((gesso_bytes){ frame->data, frame->len }, (gesso_bytes)VEC(0x88, 0x00));
  gs_frame_release(frame);
}

/* ---- wslay ----------------------------------------------------------------------------------- */

struct wire {
  gs_buf bytes;       /* what wslay sent, or is to read */
  size_t read_at;
  gs_buf transcript;  /* what wslay received */
  uint64_t seed;
  gesso_bytes source; /* of a fragmented message */
};

static ssize_t wslay_read(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, int flags, void *user)
{
  (void)flags;
  struct wire *w = user;
  size_t left = w->bytes.b.len - w->read_at;
  if (left == 0) {
    wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
    return -1;
  }
  size_t n = GS_MIN(len, left);
  memcpy(buf, w->bytes.b.data + w->read_at, n);
  w->read_at += n;
  return (ssize_t)n;
}

static ssize_t wslay_write(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *user)
{
  (void)ctx;
  (void)flags;
  gs_buf_write(&((struct wire *)user)->bytes, data, len);
  return (ssize_t)len;
}

static int wslay_mask(wslay_event_context_ptr ctx, uint8_t *buf, size_t len, void *user)
{
  (void)ctx;
  for (size_t i = 0; i < len; i++)
    buf[i] = (uint8_t)test_random(&((struct wire *)user)->seed);
  return 0;
}

static ssize_t wslay_source(wslay_event_context_ptr ctx, uint8_t *buf, size_t len,
                            const union wslay_event_msg_source *source, int *eof, void *user)
{
  (void)ctx;
  (void)source;
  struct wire *w = user;
  size_t some = 1 + test_below(&w->seed, 3000);
  size_t n = GS_MIN(GS_MIN(len, some), w->source.len);
  if (n != 0)
    memcpy(buf, w->source.data, n);
  w->source.data += n;
  w->source.len -= n;
  *eof = w->source.len == 0;
  return (ssize_t)n;
}

static void wslay_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
  (void)ctx;
  gs_buf *out = &((struct wire *)user)->transcript;
  gesso_bytes payload = { arg->msg, arg->msg_length };
  gs_ws_item item = { .opcode = (gs_ws_opcode)arg->opcode, .payload = payload };
  gs_ws_event ev = GS_WS_ON_MESSAGE;
  if (arg->opcode == WSLAY_CONNECTION_CLOSE) {
    ev = GS_WS_ON_CLOSE;
    item.code = arg->status_code == 0 ? GS_WS_CODE_NONE : arg->status_code;
    item.payload = (gesso_bytes){ arg->msg + 2, arg->msg_length < 2 ? 0 : arg->msg_length - 2 };
  } else if (arg->opcode == WSLAY_PING) {
    ev = GS_WS_ON_PING;
  } else if (arg->opcode == WSLAY_PONG) {
    ev = GS_WS_ON_PONG;
  }
  (void)put_event(out, ev, &item);
}

static const struct wslay_event_callbacks wslay_callbacks = {
  .recv_callback = wslay_read,
  .send_callback = wslay_write,
  .genmask_callback = wslay_mask,
  .on_msg_recv_callback = wslay_message,
};

static gesso_bytes random_text(gs_buf *to, uint64_t *seed)
{
  static const char *const pieces[] = { "a", "word ", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        "sixteen plain by", "\n" };
  gs_buf_clear(to);
  for (unsigned n = test_below(seed, test_below(seed, 8) == 0 ? 20000 : 30); n != 0; n--)
    gs_buf_puts(to, pieces[test_below(seed, GS_COUNT(pieces))]);
  return gs_buf_bytes(to);
}

/* wslay sends, masked and fragmented; we read it in random pieces. */
static void what_wslay_sends_is_what_we_read(void **state)
{
  (void)state;
  struct wire w = { .bytes = gs_buf_make(NULL), .seed = 99 };
  gs_buf text = gs_buf_make(NULL), want = gs_buf_make(NULL), got = gs_buf_make(NULL);
  for (int round = 0; round < 300; round++) {
    wslay_event_context_ptr ctx;
    assert_int_equal(wslay_event_context_client_init(&ctx, &wslay_callbacks, &w), 0);
    gs_buf_clear(&w.bytes);
    gs_buf_clear(&want);
    gs_buf_clear(&got);
    for (unsigned n = 1 + test_below(&w.seed, 10); n != 0; n--) {
      static const uint8_t opcodes[] = { WSLAY_TEXT_FRAME, WSLAY_BINARY_FRAME, WSLAY_PING, WSLAY_PONG };
      uint8_t opcode = opcodes[test_below(&w.seed, 4)];
      gesso_bytes payload = random_text(&text, &w.seed);
      if (opcode >= 8 && payload.len > 125)
        payload.len = 125;
      if (opcode < 8 && test_below(&w.seed, 2) == 0) {
        struct wslay_event_fragmented_msg msg = { .opcode = opcode, .read_callback = wslay_source };
        w.source = payload;
        assert_int_equal(wslay_event_queue_fragmented_msg(ctx, &msg), 0);
      } else {
        struct wslay_event_msg msg = { opcode, payload.data, payload.len };
        assert_int_equal(wslay_event_queue_msg(ctx, &msg), 0);
      }
      assert_int_equal(wslay_event_send(ctx), 0);
      (void)put_event(&want, opcode == WSLAY_PING ? GS_WS_ON_PING : opcode == WSLAY_PONG ? GS_WS_ON_PONG : GS_WS_ON_MESSAGE,
                      &(gs_ws_item){ .opcode = (gs_ws_opcode)opcode, .payload = payload });
    }
    wslay_event_context_free(ctx);
    gs_ws_parser wp = { 0 };
    size_t at = 0;
    while (at < w.bytes.b.len) {
      size_t piece = 1 + test_below(&w.seed, test_below(&w.seed, 2) == 0 ? 10 : 70000), used;
      size_t end = GS_MIN(w.bytes.b.len, at + piece);
      while (at < end) {
        gs_ws_item item = { 0 };
        gs_ws_event ev =
          gs_ws_parser_feed(&wp, &wide_limits, NULL, w.bytes.b.data + at, end - at, &used, &item);
        at += used;
        assert_true(put_event(&got, ev, &item));
      }
    }
    assert_bytes(gs_buf_bytes(&got), gs_buf_bytes(&want));
    gs_ws_parser_finish(&wp, NULL);
  }
  gs_buf_finish(&w.bytes);
  gs_buf_finish(&text);
  gs_buf_finish(&want);
  gs_buf_finish(&got);
}

/* One call may leave a frame in wslay's own buffer: call until nothing more comes out. */
static void wslay_take(wslay_event_context_ptr ctx, const struct wire *w)
{
  for (size_t before = SIZE_MAX; before != w->transcript.b.len;) {
    before = w->transcript.b.len;
    assert_int_equal(wslay_event_recv(ctx), 0);
  }
}

/* We send; wslay reads it as a client, and our own parser agrees with it. */
static void what_we_send_is_what_wslay_reads(void **state)
{
  (void)state;
  struct wire w = { .bytes = gs_buf_make(NULL), .transcript = gs_buf_make(NULL), .seed = 5 };
  gs_buf text = gs_buf_make(NULL), ours = gs_buf_make(NULL);
  for (int round = 0; round < 300; round++) {
    wslay_event_context_ptr ctx;
    assert_int_equal(wslay_event_context_client_init(&ctx, &wslay_callbacks, &w), 0);
    gs_buf_clear(&w.bytes);
    gs_buf_clear(&w.transcript);
    w.read_at = 0;
    for (unsigned n = 1 + test_below(&w.seed, 10); n != 0; n--) {
      static const gs_ws_opcode opcodes[] = { GS_WS_TEXT, GS_WS_BINARY, GS_WS_PING, GS_WS_PONG };
      gs_ws_opcode opcode = opcodes[test_below(&w.seed, 4)];
      gesso_bytes payload = random_text(&text, &w.seed);
      if (opcode >= GS_WS_CLOSE && payload.len > 125)
        payload.len = 125;
      gs_frame *frame = gs_frame_message(NULL, opcode, payload);
      gs_buf_write(&w.bytes, frame->data, frame->len);
      gs_frame_release(frame);
    }
    wslay_take(ctx, &w);
    /* By itself: wslay refuses a close frame whose reason lies across two of its reads. */
    gs_frame *bye = gs_frame_close(NULL, 4400, bytes_of("over \xe2\x82\xac"));
    gs_buf_write(&w.bytes, bye->data, bye->len);
    gs_frame_release(bye);
    wslay_take(ctx, &w);
    gs_buf_put(&w.transcript, 0);
    wslay_event_context_free(ctx);
    transcribe(&ours, &wide_client, gs_buf_bytes(&w.bytes), 0, 0);
    assert_string_equal(w.transcript.b.data, ours.b.data);
  }
  gs_buf_finish(&w.bytes);
  gs_buf_finish(&w.transcript);
  gs_buf_finish(&text);
  gs_buf_finish(&ours);
}

/* Random frames, mostly broken: the cut must not matter. */
static void splits_never_matter(void **state)
{
  (void)state;
  uint64_t seed = 31337;
  gs_buf in = gs_buf_make(NULL);
  for (int round = 0; round < 3000; round++) {
    gs_buf_clear(&in);
    for (unsigned n = 1 + test_below(&seed, 4); n != 0; n--) {
      static const unsigned firsts[] = { 0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88, 0x84, 0xc1 };
      uint8_t payload[140];
      size_t len = test_below(&seed, test_below(&seed, 3) == 0 ? sizeof payload : 6);
      for (size_t i = 0; i < len; i++)
        payload[i] = (uint8_t)(test_below(&seed, 5) == 0 ? test_below(&seed, 256) : 'a');
      put_frame(&in, firsts[test_below(&seed, GS_COUNT(firsts))], (gesso_bytes){ payload, len });
      if (test_below(&seed, 10) == 0)
        in.b.data[test_below(&seed, (uint32_t)in.b.len)] ^= (uint8_t)(1u << test_below(&seed, 8));
    }
    check_splits("random", &server_limits, gs_buf_bytes(&in), NULL);
  }
  gs_buf_finish(&in);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_examples_of_rfc_6455_are_read),
    cmocka_unit_test(fragments_and_control_frames_mix),
    cmocka_unit_test(broken_frames_are_refused),
    cmocka_unit_test(sizes_are_bounded),
    cmocka_unit_test(text_must_be_utf8),
    cmocka_unit_test(utf8_is_exactly_what_the_definition_says),
    cmocka_unit_test(masking_is_the_same_at_every_alignment),
    cmocka_unit_test(memory_is_held_only_for_incomplete_messages),
    cmocka_unit_test(the_parser_survives_every_allocation_failure),
    cmocka_unit_test(frames_are_made_and_shared),
    cmocka_unit_test(close_reasons_are_cut_at_a_character),
    cmocka_unit_test(what_wslay_sends_is_what_we_read),
    cmocka_unit_test(what_we_send_is_what_wslay_reads),
    cmocka_unit_test(splits_never_matter),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
