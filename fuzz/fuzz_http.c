/* HTTP requests from hostile peers.
 *
 * Must never: crash, read outside the input, give other events when the same bytes are cut otherwise,
 * hand out slices that lie outside the request, hold more memory than the limits allow, or accept a
 * request whose end another parser sees elsewhere (http_parser, where it is installed, is asked
 * about each accepted request by itself).
 *
 * The first byte chooses the longest body (1, 2) and whether control bytes stand for whole pieces of
 * requests (4), so that a mutation of one byte changes the structure; the next two seed the cuts. */
#include "fuzz.h"
#include "base/escape.h"
#include "net/http.h"

#ifdef FUZZ_WITH_HTTP_PARSER
#include <http_parser.h>
#endif

enum { MEMORY_MAX = 1 << 20, MESSAGES_MAX = 64 };

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
  size_t n = 1 + (c->seed >> 24) % 23;
  return n < left ? n : left;
}

static bool inside(gesso_bytes s, const uint8_t *base, size_t len)
{
  return s.data == NULL ? s.len == 0 : s.data >= base && s.len <= len && s.data <= base + (len - s.len);
}

static void put_bytes(gs_buf *out, gesso_bytes s)
{
  gs_buf_printf(out, "<%zu:", s.len);
  gs_buf_write(out, s.data, s.len);
  gs_buf_put(out, '>');
}

static void put_head(gs_buf *out, const gs_http_parser *hp)
{
  const gs_http_request *req = &hp->request;
  FUZZ_CHECK(hp->head.len <= GS_HTTP_HEAD_MAX && req->field_count <= GS_HTTP_HEADERS_MAX);
  FUZZ_CHECK(inside(req->target, hp->head.data, hp->head.len) && req->target.len != 0);
  FUZZ_CHECK(inside(req->path, req->target.data, req->target.len) && req->path.data[0] == '/');
  FUZZ_CHECK(inside(req->query, req->target.data, req->target.len));
  FUZZ_CHECK(req->host.len != 0 || req->minor == 0);
  gs_buf_printf(out, "%s %u %d%d%d%d", gs_http_method_name(req->method), req->minor, req->keep_alive,
                req->expect_continue, req->upgrade, req->has_body);
  put_bytes(out, req->target);
  put_bytes(out, req->query);
  for (uint32_t i = 0; i < req->field_count; i++) {
    gesso_bytes name = gs_http_field_name(req, i), value = gs_http_field_value(req, i);
    FUZZ_CHECK(inside(name, hp->head.data, hp->head.len) && inside(value, hp->head.data, hp->head.len));
    FUZZ_CHECK(gs_http_value_ok(value));
    put_bytes(out, name);
    put_bytes(out, value);
  }
  if (req->upgrade) {
    const char *why;
    gesso_bytes protocol;
    int status = gs_http_check_upgrade(req, &why);
    FUZZ_CHECK((status == 101) == (why == NULL));
    if (status == 101) {
      gs_buf answer = gs_buf_make(NULL);
      (void)gs_http_offered_protocol(req, 0, &protocol);
      FUZZ_CHECK(gs_http_write_upgrade(&answer, req, protocol, NULL));
      gs_buf_finish(&answer);
    }
    gs_buf_printf(out, "=%d", status);
  }
  gs_buf text = gs_buf_make(NULL);
  if (gs_unescape(&text, req->path, false))
    FUZZ_CHECK(text.b.len <= req->path.len && (text.b.len == 0 || memchr(text.b.data, 0, text.b.len) == NULL));
  gs_buf_finish(&text);
  (void)gs_http_query_get(req->query, "a");
}

/* Where each accepted request ended in the input; only the first run fills it. */
typedef struct requests {
  size_t count;
  struct {
    size_t from, to;
    size_t body_len;
  } at[MESSAGES_MAX];
} requests;

static void run(gs_buf *out, const uint8_t *data, size_t size, uint64_t body_max, cuts c, requests *seen)
{
  fuzz_memory fm;
  fuzz_memory_init(&fm, MEMORY_MAX);
  gs_http_parser hp;
  gs_http_parser_init(&hp, &fm.alloc);
  size_t at = 0, start = 0, end = 0, from = 0;
  gesso_bytes piece = { NULL, 0 };
  bool again = false;
  for (bool over = false; !over && (at < size || again);) {
    if (at == end) {
      end = at + next_piece(&c, size - at);
      fuzz_free(piece);
      piece = fuzz_own(data + (at < size ? at : 0), end - at);
      start = at;
    }
    size_t used = 0;
    gs_http_event ev = gs_http_parser_feed(&hp, piece.data + (at - start), end - at, &used);
    FUZZ_CHECK(used <= end - at);
    at += used;
    again = ev == GS_HTTP_ON_HEAD;
    switch (ev) {
    case GS_HTTP_MORE:
      FUZZ_CHECK(at == end);
      break;
    case GS_HTTP_ON_HEAD:
      put_head(out, &hp);
      gs_http_parser_allow_body(&hp, body_max);
      break;
    case GS_HTTP_ON_DONE:
      FUZZ_CHECK(hp.request.body.len <= body_max);
      put_bytes(out, hp.request.body);
      if (seen != NULL && seen->count < MESSAGES_MAX) {
        seen->at[seen->count].from = from;
        seen->at[seen->count].to = at;
        seen->at[seen->count++].body_len = hp.request.body.len;
      }
      gs_http_parser_next(&hp);
      FUZZ_CHECK(fm.held == 0);
      from = at;
      break;
    case GS_HTTP_FAILED:
      FUZZ_CHECK(hp.error_status >= 400 && hp.error_status < 600 && hp.error_text != NULL);
      FUZZ_CHECK(hp.error_status != 500); /* there was memory enough */
      gs_buf_printf(out, "!%d %s at %zu", hp.error_status, hp.error_text, at);
      over = true;
      break;
    }
  }
  gs_http_parser_finish(&hp);
  fuzz_free(piece);
  FUZZ_CHECK(fm.held == 0);
}

#ifdef FUZZ_WITH_HTTP_PARSER
struct other {
  http_parser parser;
  size_t body_len, done;
};

static int other_body(http_parser *p, const char *at, size_t len)
{
  (void)at;
  ((struct other *)p->data)->body_len += len;
  return 0;
}

static int other_done(http_parser *p)
{
  ((struct other *)p->data)->done++;
  return 0;
}

/* The other parser may refuse what we accept (it takes any header whose name begins with
 * "Transfer-Encoding" for that one), but what it accepts must end at the same byte, with a body of
 * the same length. */
static void ask_other(const uint8_t *data, const requests *seen)
{
  for (size_t i = 0; i < seen->count; i++) {
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_body = other_body;
    settings.on_message_complete = other_done;
    struct other o = { 0 };
    http_parser_init(&o.parser, HTTP_REQUEST);
    o.parser.data = &o;
    size_t len = seen->at[i].to - seen->at[i].from;
    size_t n = http_parser_execute(&o.parser, &settings, (const char *)data + seen->at[i].from, len);
    if (HTTP_PARSER_ERRNO(&o.parser) != HPE_OK && o.done == 0)
      continue;
    FUZZ_CHECK(n == len && o.done == 1);
    FUZZ_CHECK(o.body_len == seen->at[i].body_len);
  }
}
#endif

/* Control bytes become pieces; everything else stays. */
static void expand(gs_buf *out, const uint8_t *data, size_t size)
{
  static const char *const pieces[32] = {
    "GET / HTTP/1.1\r\nHost: a\r\n", "POST / HTTP/1.1\r\nHost: a\r\n", "PUT /x?y HTTP/1.1\r\n", "HEAD / HTTP/1.0\r\n",
    "Host: b:1\r\n", "Content-Length: ", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: ",
    "Connection: close\r\n", "\t", "\n", "Connection: keep-alive\r\n", "Connection: Upgrade\r\nUpgrade: websocket\r\n", "\r",
    "Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "Sec-WebSocket-Protocol: a,b\r\n", "Expect: 100-continue\r\n", "X: y\r\n", ": ",
    "\r\n", "\r\n\r\n", "5\r\nhello\r\n", "0\r\n\r\n", "0\r\n", "hello", "3\r\nabc", "1", "0000",
    "ffffffff", "10000000000000000", ";x=",
  };
  for (size_t i = 0; i < size; i++)
    if (data[i] < 32)
      gs_buf_puts(out, pieces[data[i]]);
    else
      gs_buf_put(out, data[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 3)
    return 0;
  static const uint64_t body_maxes[] = { 0, 5, 100, 70000 };
  uint64_t body_max = body_maxes[data[0] & 3];
  uint32_t seed = (uint32_t)(data[1] << 8 | data[2]);
  bool structured = (data[0] & 4) != 0;
  data += 3;
  size -= 3;
  static gs_buf whole, other, pieces; /* kept from run to run: only their memory lives on */
  static requests seen;
  seen.count = 0;
  if (structured) {
    gs_buf_clear(&pieces);
    expand(&pieces, data, size < 4096 ? size : 4096);
    if (pieces.b.len == 0)
      return 0;
    data = pieces.b.data;
    size = pieces.b.len;
  }
  gs_buf_clear(&whole);
  run(&whole, data, size, body_max, (cuts){ 0, 0 }, &seen);
  for (int mode = 1; mode <= 2; mode++) {
    gs_buf_clear(&other);
    run(&other, data, size, body_max, (cuts){ mode, seed }, NULL);
    FUZZ_CHECK(fuzz_same(gs_buf_bytes(&whole), gs_buf_bytes(&other)));
  }
#ifdef FUZZ_WITH_HTTP_PARSER
  ask_other(data, &seen);
#endif
  return 0;
}
