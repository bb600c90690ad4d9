/* The HTTP parser and writer. A transcript is what the parser made of some bytes, as text; each
 * vector is fed whole, byte by byte and in every split in two, and must give the same transcript. */
#include "net_test.h"

#include "base/escape.h"
#include "net/http.h"

#include <stdio.h>

#define BODY_MAX 64

static void describe(gs_buf *out, const gs_http_request *req)
{
  gs_buf_printf(out, "%s %.*s", gs_http_method_name(req->method), (int)req->path.len,
                (const char *)req->path.data);
  if (req->query.data != NULL)
    gs_buf_printf(out, " ?%.*s", (int)req->query.len, (const char *)req->query.data);
  gs_buf_printf(out, " 1.%u%s%s%s%s", req->minor, req->keep_alive ? " keep" : "",
                req->expect_continue ? " expect" : "", req->upgrade ? " upgrade" : "",
                req->has_body ? " body" : "");
  for (uint32_t i = 0; i < req->field_count; i++) {
    gesso_bytes n = gs_http_field_name(req, i), v = gs_http_field_value(req, i);
    if (!gs_http_is(n, "host"))
      gs_buf_printf(out, " [%.*s=%.*s]", (int)n.len, (const char *)n.data, (int)v.len,
                    (const char *)v.data);
  }
}

/* Feeds data[0 .. len) in pieces that end at `cut`, or of one byte each when cut is SIZE_MAX. */
static void transcribe(gs_buf *out, const uint8_t *data, size_t len, size_t cut)
{
  gs_http_parser hp;
  gs_http_parser_init(&hp, NULL);
  size_t at = 0;
  bool over = false, again = false;
  gs_buf_clear(out);
  while (!over && (at < len || again)) {
    size_t end = cut == SIZE_MAX ? at + 1 : at < cut ? cut : len, used;
    if (end > len)
      end = len;
    gs_http_event ev = gs_http_parser_feed(&hp, data + at, end - at, &used);
    assert_true(used <= end - at);
    at += used;
    again = ev == GS_HTTP_ON_HEAD;
    switch (ev) {
    case GS_HTTP_MORE:
      assert_int_equal(at, end);
      break;
    case GS_HTTP_ON_HEAD:
      describe(out, &hp.request);
      gs_http_parser_allow_body(&hp, BODY_MAX);
      break;
    case GS_HTTP_ON_DONE:
      gs_buf_printf(out, " {%.*s};", (int)hp.request.body.len, (const char *)hp.request.body.data);
      gs_http_parser_next(&hp);
      assert_true(gs_http_parser_idle(&hp));
      break;
    case GS_HTTP_FAILED:
      gs_buf_printf(out, " !%d at %zu", hp.error_status, at);
      assert_non_null(hp.error_text);
      over = true;
      break;
    }
  }
  gs_buf_put(out, 0);
  gs_http_parser_finish(&hp);
}

static void check(const char *what, const void *input, size_t len, const char *want)
{
  uint8_t *data = guarded_copy(input, len);
  gs_buf whole = gs_buf_make(NULL), split = gs_buf_make(NULL);
  transcribe(&whole, data, len, 0);
  transcribe(&split, data, len, SIZE_MAX);
  if (strcmp((char *)whole.b.data, (char *)split.b.data) != 0)
    fail_msg("%s\n whole %s\n bytes %s", what, whole.b.data, split.b.data);
  for (size_t cut = 1; cut < len && len < 2000; cut++) {
    transcribe(&split, data, len, cut);
    if (strcmp((char *)whole.b.data, (char *)split.b.data) != 0)
      fail_msg("%s\n whole  %s\n cut %zu %s", what, whole.b.data, cut, split.b.data);
  }
  char *got = (char *)whole.b.data;
  const char *mark = strchr(want, '@'); /* "!400@" compares without the offset */
  if (mark != NULL) {
    if (strncmp(got, want, (size_t)(mark - want)) != 0)
      fail_msg("%s\n want %s\n got  %s", what, want, got);
  } else if (strcmp(got, want) != 0) {
    fail_msg("%s\n want %s\n got  %s", what, want, got);
  }
  gs_buf_finish(&whole);
  gs_buf_finish(&split);
  guarded_free(data, len);
}

#define H "Host: a\r\n"

struct vector {
  const char *input, *want;
};

static void good_requests_are_read(void **state)
{
  (void)state;
  static const struct vector vectors[] = {
    { "GET / HTTP/1.1\r\n" H "\r\n", "GET / 1.1 keep {};" },
    { "\r\nGET / HTTP/1.1\r\n" H "\r\n", "GET / 1.1 keep {};" },
    { "GET /a%20b/c?x=1?&y HTTP/1.1\r\n" H "\r\n", "GET /a%20b/c ?x=1?&y 1.1 keep {};" },
    { "GET /? HTTP/1.1\r\n" H "\r\n", "GET / ? 1.1 keep {};" },
    { "GET //x|y[]{}\\^`\"<> HTTP/1.1\r\n" H "\r\n", "GET //x|y[]{}\\^`\"<> 1.1 keep {};" },
    { "GET / HTTP/1.0\r\n\r\n", "GET / 1.0 {};" },
    { "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / 1.0 keep [Connection=Keep-Alive] {};" },
    { "GET / HTTP/1.1\r\n" H "Connection: x , CLOSE\r\n\r\n", "GET / 1.1 [Connection=x , CLOSE] {};" },
    { "GET / HTTP/1.1\r\n" H "X:\t a b \t\r\nY:\r\nZ:c\xff\r\n\r\n", "GET / 1.1 keep [X=a b] [Y=] [Z=c\xff] {};" },
    { "HEAD / HTTP/1.1\r\n" H "\r\nOPTIONS /x HTTP/1.1\r\n" H "\r\n",
      "HEAD / 1.1 keep {};OPTIONS /x 1.1 keep {};" },
    { "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabcDELETE /y HTTP/1.1\r\n" H "\r\n",
      "POST / 1.1 keep body [Content-Length=3] {abc};DELETE /y 1.1 keep {};" },
    { "PUT / HTTP/1.1\r\n" H "content-length: 0\r\n\r\n", "PUT / 1.1 keep [content-length=0] {};" },
    { "PATCH / HTTP/1.1\r\n" H "Content-Length:03\r\nExpect: 100-Continue\r\n\r\nabc",
      "PATCH / 1.1 keep expect body [Content-Length=03] [Expect=100-Continue] {abc};" },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0a\r\n0123456789\r\n0\r\n\r\n",
      "POST / 1.1 keep body [Transfer-Encoding=Chunked] {abc0123456789};" },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\na\r\n\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n",
      "POST / 1.1 keep body [Transfer-Encoding=chunked] {a\r\n};" },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n",
      "POST / 1.1 keep body [Transfer-Encoding=chunked] {};GET / 1.1 keep {};" },
    { "GET /w HTTP/1.1\r\n" H "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n",
      "GET /w 1.1 keep upgrade [Connection=keep-alive, Upgrade] [Upgrade=WebSocket] {};" },
    { "GET /w HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
      "GET /w 1.1 keep [Connection=Upgrade] [Upgrade=h2c] {};" },
    { "GET / HTTP/1.1\r\nHost: [::1]:1234\r\n\r\n", "GET / 1.1 keep {};" },
  };
  for (size_t i = 0; i < GS_COUNT(vectors); i++)
    check(vectors[i].input, vectors[i].input, strlen(vectors[i].input), vectors[i].want);
}

static void bad_requests_are_refused(void **state)
{
  (void)state;
  static const struct vector vectors[] = {
    /* lines */
    { "GET / HTTP/1.1\nHost: a\n\n", " !400 at 15" },
    { "GET / HTTP/1.1\r\nHost: a\n\r\n", " !400 at 24" },
    { "GET / HTTP/1.1\rHost: a\r\n\r\n", " !400 at 16" },
    { "GET / HTTP/1.1\r\r\n" H "\r\n", " !400 at 16" },
    { "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", " !400 at 4" },
    { "GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", " !400 at 30" },
    { "GET / HTTP/1.1\r\n" H "X: \x7f\r\n\r\n", " !400@" },
    { "\x16\x03\x01\x02", " !400 at 1" }, /* TLS */
    /* request line */
    { "GET  / HTTP/1.1\r\n" H "\r\n", " !400@" },
    { "GET /  HTTP/1.1\r\n" H "\r\n", " !400@" },
    { "GET / HTTP/1.1 \r\n" H "\r\n", " !400@" },
    { " GET / HTTP/1.1\r\n" H "\r\n", " !400@" },
    { "GET\t/ HTTP/1.1\r\n" H "\r\n", " !400@" },
    { "GET /\r\n\r\n", " !400@" }, /* HTTP/0.9 */
    { "GET\r\n\r\n", " !400@" },
    { "G@T / HTTP/1.1\r\n" H "\r\n", " !400@" },
    { "get / HTTP/1.1\r\n" H "\r\n", " !501@" },
    { "BREW / HTTP/1.1\r\n" H "\r\n", " !501@" },
    { "TRACE / HTTP/1.1\r\n" H "\r\n", " !501@" },
    { "CONNECT a:1 HTTP/1.1\r\n" H "\r\n", " !501@" },
    { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", " !505@" },
    { "GET * HTTP/1.1\r\n" H "\r\n", " !400@" },
    { "GET http://a/ HTTP/1.1\r\n" H "\r\n", " !400@" },
    { "GET x HTTP/1.1\r\n" H "\r\n", " !400@" },
    { "GET /#f HTTP/1.1\r\n" H "\r\n", " !400@" },
    { "GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n", " !400@" },
    { "GET / HTTP/1.2\r\n" H "\r\n", " !505@" },
    { "GET / HTTP/2.0\r\n" H "\r\n", " !505@" },
    { "GET / HTTP/1.10\r\n" H "\r\n", " !400@" },
    { "GET / http/1.1\r\n" H "\r\n", " !400@" },
    { "GET / HTTP/01.1\r\n" H "\r\n", " !400@" },
    /* fields */
    { "GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", " !400@" }, /* folded */
    { "GET / HTTP/1.1\r\n Host: a\r\n\r\n", " !400@" },
    { "GET / HTTP/1.1\r\nHost : a\r\n\r\n", " !400@" },
    { "GET / HTTP/1.1\r\n: a\r\n\r\n", " !400@" },
    { "GET / HTTP/1.1\r\n" H "nocolon\r\n\r\n", " !400@" },
    { "GET / HTTP/1.1\r\n" H "X(: a\r\n\r\n", " !400@" },
    { "GET / HTTP/1.1\r\n" H "X\xe9: a\r\n\r\n", " !400@" },
    { "GET / HTTP/1.1\r\n\r\n", " !400@" },
    { "GET / HTTP/1.1\r\nHost:\r\n\r\n", " !400@" },
    { "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", " !400@" },
    { "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", " !400@" },
    { "GET / HTTP/1.1\r\n" H "host: a\r\n\r\n", " !400@" },
    { "GET / HTTP/1.1\r\n" H "Expect: a-raise\r\n\r\n", " !417@" },
    /* where the body ends */
    { "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\nabc", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\nabc", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Content-Length: 3 \x0b\r\n\r\nabc", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Content-Length: 1 2\r\n\r\nabc", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\nabc", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551619\r\n\r\nabc", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", " !400@" },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n", " !501@" },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", " !501@" },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", " !501@" },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", " !501@" },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n", " !501@" },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n", " !501@" },
    { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", " !400@" },
  };
  for (size_t i = 0; i < GS_COUNT(vectors); i++)
    check(vectors[i].input, vectors[i].input, strlen(vectors[i].input), vectors[i].want);
}

static void bad_bodies_are_refused(void **state)
{
  (void)state;
  static const char head[] = "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n";
  static const char seen[] = "POST / 1.1 keep body [Transfer-Encoding=chunked]";
  static const struct vector vectors[] = {
    { "\r\n", "!400@" },
    { "g\r\n", "!400@" },
    { "-1\r\n", "!400@" },
    { "0x1\r\n", "!400@" },
    { " 1\r\na\r\n0\r\n\r\n", "!400@" },
    { "1 \r\na\r\n0\r\n\r\n", "!400@" },
    { "1\na\r\n0\r\n\r\n", "!400@" },
    { "1\ra\r\n0\r\n\r\n", "!400@" },
    { "1;\n\r\na\r\n0\r\n\r\n", "!400@" },
    { "1;a\x01\r\na\r\n0\r\n\r\n", "!400@" },
    { "1\r\nab\r\n0\r\n\r\n", "!400@" },
    { "1\r\na\n0\r\n\r\n", "!400@" },
    { "1\r\na0\r\n\r\n", "!400@" },
    { "1\r\na\r\r0\r\n\r\n", "!400@" },
    { "00000000000000001\r\na\r\n0\r\n\r\n", "!400@" },
    { "ffffffffffffffff\r\na", "!413@" },
    { "41\r\n", "!413@" },
    { "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n1\r\n", "!413@" },
    { "0\r\n X: y\r\n\r\n", "!400@" },
    { "0\r\nX\r\n\r\n", "!400@" },
    { "0\r\nX: y\n\r\n", "!400@" },
    { "0\r\n\n", "!400@" },
    { "0\r\n\rX", "!400@" },
  };
  char input[400], want[100];
  for (size_t i = 0; i < GS_COUNT(vectors); i++) {
    int n = snprintf(input, sizeof input, "%s%s", head, vectors[i].input);
    snprintf(want, sizeof want, "%s %s", seen, vectors[i].want);
    check(vectors[i].input, input, (size_t)n, want);
  }
  static const char long_body[] = "POST / HTTP/1.1\r\n" H "Content-Length: 65\r\n\r\n";
  check("Content-Length past the limit", long_body, strlen(long_body),
        "POST / 1.1 keep body [Content-Length=65] !413 at 48");
}

static void heads_are_bounded(void **state)
{
  (void)state;
  static char input[GS_HTTP_HEAD_MAX + 300];
  size_t base = (size_t)sprintf(input, "GET / HTTP/1.1\r\n" H "X: ");
  size_t fill = GS_HTTP_HEAD_MAX - base - 4;
  memset(input + base, 'x', fill + 1);
  memcpy(input + base + fill, "\r\n\r\n", 4);
  gs_http_parser hp;
  size_t used;
  gs_http_parser_init(&hp, NULL);
  assert_int_equal(gs_http_parser_feed(&hp, (uint8_t *)input, GS_HTTP_HEAD_MAX, &used), GS_HTTP_ON_HEAD);
  assert_int_equal(used, GS_HTTP_HEAD_MAX);
  assert_int_equal(gs_http_get(&hp.request, "x").len, fill);
  gs_http_parser_finish(&hp);

  memset(input + base, 'x', sizeof input - base);
  check("long header", input, sizeof input, " !431@");
  memcpy(input, "GET /", 5);
  memset(input + 5, 'x', sizeof input - 5);
  check("long target", input, sizeof input, " !414@");

  size_t at = (size_t)sprintf(input, "GET / HTTP/1.1\r\n" H);
  for (unsigned i = 1; i < GS_HTTP_HEADERS_MAX; i++)
    at += (size_t)sprintf(input + at, "a:\r\n");
  memcpy(input + at, "\r\n", 2);
  gs_http_parser_init(&hp, NULL);
  assert_int_equal(gs_http_parser_feed(&hp, (uint8_t *)input, at + 2, &used), GS_HTTP_ON_HEAD);
  assert_int_equal(hp.request.field_count, GS_HTTP_HEADERS_MAX);
  gs_http_parser_finish(&hp);
  at += (size_t)sprintf(input + at, "a:\r\n\r\n");
  check("many headers", input, at, " !431@");

  at = (size_t)sprintf(input, "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ");
  memset(input + at, 'y', GS_HTTP_TRAILER_MAX + 1);
  check("long trailer", input, at + GS_HTTP_TRAILER_MAX + 1,
        "POST / 1.1 keep body [Transfer-Encoding=chunked] !431@");
}

static void a_declared_length_does_not_take_memory(void **state)
{
  (void)state;
  static const char input[] = "POST / HTTP/1.1\r\n" H "Content-Length: 1000000000\r\n\r\nx";
  test_allocator ta;
  test_allocator_init(&ta);
  gs_http_parser hp;
  size_t used, more;
  gs_http_parser_init(&hp, &ta.alloc);
  const uint8_t *p = (const uint8_t *)input;
  assert_int_equal(gs_http_parser_feed(&hp, p, strlen(input), &used), GS_HTTP_ON_HEAD);
  gs_http_parser_allow_body(&hp, 2000000000);
  assert_int_equal(gs_http_parser_feed(&hp, p + used, strlen(input) - used, &more), GS_HTTP_MORE);
  assert_true(ta.live < 128 * 1024);
  gs_http_parser_finish(&hp);
  assert_int_equal(ta.live, 0);
}

static void the_parser_survives_every_allocation_failure(void **state)
{
  (void)state;
  static const char input[] = "POST /a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (unsigned long n = 1;; n++) {
    test_allocator ta;
    test_allocator_init(&ta);
    ta.fail_at = n;
    gs_http_parser hp;
    gs_http_parser_init(&hp, &ta.alloc);
    gs_http_event ev = GS_HTTP_MORE;
    size_t at = 0, used;
    while (at < strlen(input) && ev != GS_HTTP_FAILED) {
      ev = gs_http_parser_feed(&hp, (const uint8_t *)input + at, 1, &used);
      at += used;
      if (ev == GS_HTTP_ON_HEAD)
        gs_http_parser_allow_body(&hp, 100);
    }
    if (ev == GS_HTTP_FAILED)
      assert_int_equal(hp.error_status, 500);
    gs_http_parser_finish(&hp);
    assert_int_equal(ta.live, 0);
    if (ev != GS_HTTP_FAILED)
      break;
    assert_true(n < 1000);
  }
}

/* Random bytes from a small alphabet that likes to build requests: whole and bytewise must agree. */
static void splits_never_matter(void **state)
{
  (void)state;
  static const char *const words[] = {
    "GET ", "POST ", "/", "/x?y", " HTTP/1.1\r\n", " HTTP/1.0\r\n", "Host: a\r\n", "\r\n", "\r", "\n",
    "Content-Length: ", "3", "0", "Transfer-Encoding: chunked\r\n", "abc", "3\r\nabc\r\n", "0\r\n\r\n",
    "Connection: close\r\n", "X: y\r\n", ";e", " ", ":", "\x01", "\xff", "Expect: 100-continue\r\n",
  };
  uint64_t seed = 4242;
  gs_buf whole = gs_buf_make(NULL), split = gs_buf_make(NULL), in = gs_buf_make(NULL);
  for (int round = 0; round < 20000; round++) {
    gs_buf_clear(&in);
    if (test_below(&seed, 2) == 0)
      gs_buf_puts(&in, "POST / HTTP/1.1\r\nHost: a\r\n");
    for (unsigned n = test_below(&seed, 12); n != 0; n--)
      gs_buf_puts(&in, words[test_below(&seed, GS_COUNT(words))]);
    if (in.b.len == 0)
      continue;
    transcribe(&whole, in.b.data, in.b.len, 0);
    transcribe(&split, in.b.data, in.b.len, SIZE_MAX);
    if (strcmp((char *)whole.b.data, (char *)split.b.data) != 0)
      fail_msg("%.*s\n whole %s\n bytes %s", (int)in.b.len, in.b.data, whole.b.data, split.b.data);
    transcribe(&split, in.b.data, in.b.len, 1 + test_below(&seed, (uint32_t)in.b.len));
    assert_string_equal(whole.b.data, split.b.data);
  }
  gs_buf_finish(&whole);
  gs_buf_finish(&split);
  gs_buf_finish(&in);
}

/* ---- looking things up ----------------------------------------------------------------------- */

static void lists_and_queries_are_taken_apart(void **state)
{
  (void)state;
  gesso_bytes list = bytes_of(" , a,,b c ,\tD"), item;
  assert_true(gs_http_list_next(&list, &item));
  assert_bytes(item, bytes_of("a"));
  assert_true(gs_http_list_next(&list, &item));
  assert_bytes(item, bytes_of("b c"));
  assert_true(gs_http_list_next(&list, &item));
  assert_bytes(item, bytes_of("D"));
  assert_false(gs_http_list_next(&list, &item));
  assert_true(gs_http_list_has(bytes_of("x, dEF"), "Def"));
  assert_false(gs_http_list_has(bytes_of("x, dEFg"), "Def"));
  assert_false(gs_http_list_has(bytes_of("x, dE"), "Def"));

  gesso_bytes query = bytes_of("token=a%2Bb&tok=&flag&x=1=2&tok=second");
  assert_bytes(gs_http_query_get(query, "token"), bytes_of("a%2Bb"));
  assert_bytes(gs_http_query_get(query, "tok"), bytes_of(""));
  assert_non_null(gs_http_query_get(query, "flag").data);
  assert_bytes(gs_http_query_get(query, "x"), bytes_of("1=2"));
  assert_null(gs_http_query_get(query, "to").data);
  assert_null(gs_http_query_get((gesso_bytes){ NULL, 0 }, "to").data);
}

static void escapes_are_decoded_or_refused(void **state)
{
  (void)state;
  static const struct { const char *in, *plain, *form; } vectors[] = {
    { "", "", "" },          { "a+b", "a+b", "a b" },  { "%41%c3%A9", "A\xc3\xa9", "A\xc3\xa9" },
    { "%2", "%2", "%2" },    { "%", "%", "%" },        { "%g1", "%g1", "%g1" },
    { "x%00y", NULL, NULL }, { "%%41", "%A", "%A" },   { "%2541", "%41", "%41" },
  };
  for (size_t i = 0; i < GS_COUNT(vectors); i++)
    for (int plus = 0; plus < 2; plus++) {
      gs_buf out = gs_buf_make(NULL);
      const char *want = plus ? vectors[i].form : vectors[i].plain;
      assert_int_equal(gs_unescape(&out, bytes_of(vectors[i].in), plus), want != NULL);
      if (want != NULL)
        assert_bytes(gs_buf_bytes(&out), bytes_of(want));
      gs_buf_finish(&out);
    }
}

/* ---- handshake and responses ------------------------------------------------------------------ */

static int upgrade_status(const char *line, const char *fields)
{
  char input[3000];
  int n = snprintf(input, sizeof input,
                   "%s\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%s\r\n", line, fields);
  gs_http_parser hp;
  size_t used;
  const char *why = "";
  gs_http_parser_init(&hp, NULL);
  assert_int_equal(gs_http_parser_feed(&hp, (uint8_t *)input, (size_t)n, &used), GS_HTTP_ON_HEAD);
  int status = hp.request.upgrade ? gs_http_check_upgrade(&hp.request, &why) : 0;
  assert_int_equal(status == 101, why == NULL);
  gs_http_parser_finish(&hp);
  return status;
}

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"

static void handshakes_are_checked(void **state)
{
  (void)state;
  static const char get[] = "GET /x HTTP/1.1";
  assert_int_equal(upgrade_status(get, KEY V13), 101);
  assert_int_equal(upgrade_status(get, KEY V13 "Sec-WebSocket-Protocol: a, b.c_1\r\n"), 101);
  assert_int_equal(upgrade_status(get, KEY), 426);
  assert_int_equal(upgrade_status(get, KEY "Sec-WebSocket-Version: 8\r\n"), 426);
  assert_int_equal(upgrade_status(get, KEY V13 V13), 426);
  assert_int_equal(upgrade_status(get, V13), 400);
  assert_int_equal(upgrade_status(get, KEY KEY V13), 400);
  assert_int_equal(upgrade_status(get, V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n"), 400);
  assert_int_equal(upgrade_status(get, V13 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ*==\r\n"), 400);
  assert_int_equal(upgrade_status(get, KEY V13 "Sec-WebSocket-Protocol: a b\r\n"), 400);
  assert_int_equal(upgrade_status(get, KEY V13 "Content-Length: 1\r\n"), 400);
  assert_int_equal(upgrade_status("POST /x HTTP/1.1", KEY V13), 405);
  assert_int_equal(upgrade_status("GET /x HTTP/1.0", KEY V13), 400);
  char many[200] = "Sec-WebSocket-Protocol: a";
  for (int i = 0; i < 32; i++)
    strcat(many, ",a");
  strcat(many, "\r\n" KEY V13);
  assert_int_equal(upgrade_status(get, many), 400);
}

static void the_accept_key_is_that_of_the_rfc(void **state)
{
  (void)state;
  char accept[GS_WS_ACCEPT_LEN + 1];
  assert_true(gs_http_accept_key(bytes_of("dGhlIHNhbXBsZSBub25jZQ=="), accept));
  assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  assert_false(gs_http_accept_key(bytes_of("short"), accept));
}

static void protocols_of_all_fields_are_found(void **state)
{
  (void)state;
  static const char input[] = "GET / HTTP/1.1\r\n" H "Sec-WebSocket-Protocol: a, b\r\n"
                              "sec-websocket-protocol: c\r\n\r\n";
  gs_http_parser hp;
  size_t used;
  gesso_bytes p;
  gs_http_parser_init(&hp, NULL);
  assert_int_equal(gs_http_parser_feed(&hp, (const uint8_t *)input, strlen(input), &used), GS_HTTP_ON_HEAD);
  assert_true(gs_http_offered_protocol(&hp.request, 1, &p));
  assert_bytes(p, bytes_of("b"));
  assert_true(gs_http_offered_protocol(&hp.request, 2, &p));
  assert_bytes(p, bytes_of("c"));
  assert_false(gs_http_offered_protocol(&hp.request, 3, &p));
  gs_http_parser_finish(&hp);
}

static void responses_are_written(void **state)
{
  (void)state;
  static const struct {
    gs_http_head_options options;
    const char *want;
  } vectors[] = {
    { { .status = 200, .content_type = "text/plain", .body_len = 5, .keep_alive = true, .minor = 1,
        .wall_ms = 1763840400999 },
      "HTTP/1.1 200 OK\r\nDate: Sat, 22 Nov 2025 19:40:00 GMT\r\nContent-Type: text/plain\r\n"
      "Content-Length: 5\r\n\r\n" },
    { { .status = 404, .extra = "X: y\r\n" },
      "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\nX: y\r\n\r\n" },
    { { .status = 204, .keep_alive = true, .minor = 1 }, "HTTP/1.1 204 No Content\r\n\r\n" },
    { { .status = 304, .keep_alive = true, .minor = 0 },
      "HTTP/1.1 304 Not Modified\r\nConnection: keep-alive\r\n\r\n" },
    { { .status = 100 }, "HTTP/1.1 100 Continue\r\n\r\n" },
    { { .status = 299, .keep_alive = true, .minor = 1, .body_len = 1ull << 40 },
      "HTTP/1.1 299 Unknown\r\nContent-Length: 1099511627776\r\n\r\n" },
  };
  for (size_t i = 0; i < GS_COUNT(vectors); i++) {
    gs_buf out = gs_buf_make(NULL);
    gs_http_write_head(&out, &vectors[i].options);
    assert_bytes(gs_buf_bytes(&out), bytes_of(vectors[i].want));
    gs_buf_finish(&out);
  }
  assert_true(gs_http_value_ok(bytes_of("a\tb \xc3\xa9")));
  assert_false(gs_http_value_ok(bytes_of("a\r\nX: y")));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(good_requests_are_read),
    cmocka_unit_test(bad_requests_are_refused),
    cmocka_unit_test(bad_bodies_are_refused),
    cmocka_unit_test(heads_are_bounded),
    cmocka_unit_test(a_declared_length_does_not_take_memory),
    cmocka_unit_test(the_parser_survives_every_allocation_failure),
    cmocka_unit_test(splits_never_matter),
    cmocka_unit_test(lists_and_queries_are_taken_apart),
    cmocka_unit_test(escapes_are_decoded_or_refused),
    cmocka_unit_test(handshakes_are_checked),
    cmocka_unit_test(the_accept_key_is_that_of_the_rfc),
    cmocka_unit_test(protocols_of_all_fields_are_found),
    cmocka_unit_test(responses_are_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
