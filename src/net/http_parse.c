/* The request parser. The head is collected line by line in one buffer, and each line is checked as
 * soon as its LF is there; the body follows in another. Offsets instead of pointers until the head
 * is complete, because the buffer moves while it grows. */
#include "base/escape.h"
#include "net/http.h"
#include "net/http_chars.h"

#include <assert.h>
#include <string.h>

enum {
  ST_REQUEST_LINE, /* must be 0: a zeroed parser */
  ST_FIELDS,
  ST_HEAD_DONE, /* ON_HEAD was returned; allow_body may be called */
  ST_BODY,
  ST_CHUNK_SIZE,
  ST_CHUNK_EXTENSION,
  ST_CHUNK_SIZE_LF,
  ST_CHUNK_DATA,
  ST_CHUNK_CR,
  ST_CHUNK_LF,
  ST_TRAILER_START,
  ST_TRAILER_NAME,
  ST_TRAILER_VALUE,
  ST_TRAILER_LF,
  ST_LAST_LF,
  ST_DONE,
  ST_FAILED
};

#define CHUNK_DIGITS_MAX 16
#define CHUNK_LINE_MAX 256u
#define BODY_FIRST_ALLOC 65536u /* a declared length is believed up to here before bytes arrive */

void gs_http_parser_init(gs_http_parser *hp, const gesso_allocator *alloc)
{
  *hp = (gs_http_parser){ .alloc = alloc };
}

void gs_http_parser_finish(gs_http_parser *hp)
{
  if (hp == NULL)
    return;
  gs_free(hp->alloc, hp->head.data, hp->head.capacity);
  gs_free(hp->alloc, hp->body.data, hp->body.capacity);
  gs_free(hp->alloc, hp->fields, hp->field_cap * sizeof *hp->fields);
  gs_http_parser_init(hp, hp->alloc);
}

void gs_http_parser_next(gs_http_parser *hp)
{
  gs_http_parser_finish(hp);
}

bool gs_http_parser_idle(const gs_http_parser *hp)
{
  return hp->state == ST_REQUEST_LINE && hp->head.len == 0 && !hp->blank_skipped;
}

void gs_http_parser_allow_body(gs_http_parser *hp, uint64_t bytes_max)
{
  hp->body_max = bytes_max;
}

static gs_http_event fail(gs_http_parser *hp, int status, const char *text)
{
  hp->state = ST_FAILED;
  hp->error_status = status;
  hp->error_text = text;
  return GS_HTTP_FAILED;
}

/* Room for `more` bytes; `expect` is what the peer said would come, `max` what we would take. */
static bool make_room(gs_http_parser *hp, gesso_buffer *b, size_t more, size_t expect, size_t max)
{
  size_t need = b->len + more;
  if (need <= b->capacity) {
    GS_POISON_AFTER(b->data, need, b->capacity);
    return true;
  }
  size_t want = b->capacity * 2;
  if (want < expect)
    want = expect;
  if (want > max)
    want = max;
  if (want < need)
    want = need;
  GS_POISON_AFTER(b->data, b->capacity, b->capacity);
  uint8_t *p = gs_resize(hp->alloc, b->data, b->capacity, want);
  if (p == NULL)
    return false;
  b->data = p;
  b->capacity = want;
  GS_POISON_AFTER(p, need, want);
  return true;
}

/* ---- the request line ------------------------------------------------------------------------ */

static const char *const method_names[] = {
  [GS_HTTP_GET] = "GET",     [GS_HTTP_HEAD] = "HEAD",     [GS_HTTP_POST] = "POST",
  [GS_HTTP_PUT] = "PUT",     [GS_HTTP_PATCH] = "PATCH",   [GS_HTTP_DELETE] = "DELETE",
  [GS_HTTP_OPTIONS] = "OPTIONS",
};

const char *gs_http_method_name(gs_http_method method)
{
  return method_names[method];
}

static bool find_method(gesso_bytes name, gs_http_method *out)
{
  for (unsigned i = 0; i < GS_COUNT(method_names); i++)
    if (strlen(method_names[i]) == name.len && memcmp(method_names[i], name.data, name.len) == 0) {
      *out = (gs_http_method)i;
      return true;
    }
  return false;
}

static bool request_line(gs_http_parser *hp, const uint8_t *line, size_t len)
{
  gs_http_request *req = &hp->request;
  size_t at = 0;
  while (at < len && gs_http_is_token(line[at]))
    at++;
  if (at == 0 || at == len || line[at] != ' ') {
    fail(hp, 400, "malformed request line");
    return false;
  }
  gesso_bytes method = { line, at };
  size_t target_at = ++at;
  while (at < len && line[at] > 0x20 && line[at] < 0x7f && line[at] != '#')
    at++;
  size_t target_len = at - target_at;
  if (target_len == 0 || at == len || line[at] != ' ') {
    fail(hp, 400, "malformed request target");
    return false;
  }
  const uint8_t *version = line + at + 1;
  if (len - at - 1 != 8 || memcmp(version, "HTTP/", 5) != 0 || (uint8_t)(version[5] - '0') > 9
      || version[6] != '.' || (uint8_t)(version[7] - '0') > 9) {
    fail(hp, 400, "malformed HTTP version");
    return false;
  }
  if (version[5] != '1' || version[7] > '1') {
    fail(hp, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    return false;
  }
  req->minor = (uint8_t)(version[7] - '0');
  if (!find_method(method, &req->method)) {
    fail(hp, 501, "unknown method");
    return false;
  }
  if (line[target_at] != '/') {
    fail(hp, 400, "the request target must begin with a slash");
    return false;
  }
  /* Offsets for now; resolved when the head is complete. */
  req->target = (gesso_bytes){ NULL, target_len };
  req->path.len = target_at;
  return true;
}

/* ---- fields ---------------------------------------------------------------------------------- */

static bool field_line(gs_http_parser *hp, uint32_t line_at, uint32_t len)
{
  const uint8_t *line = hp->head.data + line_at;
  uint32_t name_len = 0;
  while (name_len < len && gs_http_is_token(line[name_len]))
    name_len++;
  if (name_len == 0 || name_len == len || line[name_len] != ':') {
    fail(hp, 400, gs_http_is_space(line[0]) ? "folded header line" : "malformed header name");
    return false;
  }
  uint32_t from = name_len + 1, to = len;
  while (from < to && gs_http_is_space(line[from]))
    from++;
  while (to > from && gs_http_is_space(line[to - 1]))
    to--;
  if (hp->field_count == GS_HTTP_HEADERS_MAX) {
    fail(hp, 431, "too many headers");
    return false;
  }
  if (!gs_grow(hp->alloc, &hp->fields, &hp->field_cap, hp->field_count == 0 ? 16 : hp->field_count + 1,
               sizeof *hp->fields)) {
    fail(hp, 500, "out of memory");
    return false;
  }
  hp->fields[hp->field_count++] = (gs_http_field){
    .name_at = (uint16_t)line_at,
    .name_len = (uint16_t)name_len,
    .value_at = (uint16_t)(line_at + from),
    .value_len = (uint16_t)(to - from),
  };
  return true;
}

static bool host_ok(gesso_bytes host)
{
  for (size_t i = 0; i < host.len; i++) {
    uint8_t c = host.data[i];
    if (!gs_http_is_alnum(c) && (c == 0 || strchr("-._~%!$&'()*+,;=:[]", c) == NULL))
      return false;
  }
  return host.len != 0;
}

static bool content_length(gesso_bytes value, uint64_t *out)
{
  if (value.len == 0 || value.len > 18)
    return false;
  uint64_t n = 0;
  for (size_t i = 0; i < value.len; i++) {
    if ((uint8_t)(value.data[i] - '0') > 9)
      return false;
    n = n * 10 + (uint64_t)(value.data[i] - '0');
  }
  *out = n;
  return true;
}

/* The head is whole: what do its fields mean for the framing? */
static gs_http_event head_complete(gs_http_parser *hp)
{
  gs_http_request *req = &hp->request;
  bool close = false, keep = false, upgrade_token = false, websocket = false;
  uint32_t codings = 0, hosts = 0;

  size_t target_at = req->path.len;
  req->head = hp->head.data;
  req->fields = hp->fields;
  req->field_count = hp->field_count;
  req->target.data = hp->head.data + target_at;
  const uint8_t *mark = memchr(req->target.data, '?', req->target.len);
  req->path = req->target;
  if (mark != NULL) {
    req->path.len = (size_t)(mark - req->target.data);
    req->query = (gesso_bytes){ mark + 1, req->target.len - req->path.len - 1 };
  }

  for (uint32_t i = 0; i < hp->field_count; i++) {
    gesso_bytes name = gs_http_field_name(req, i), value = gs_http_field_value(req, i);
    if (gs_http_is(name, "host")) {
      if (hosts++ != 0)
        return fail(hp, 400, "more than one Host header");
      if (!host_ok(value))
        return fail(hp, 400, "malformed Host header");
      req->host = value;
    } else if (gs_http_is(name, "content-length")) {
      if (hp->has_length)
        return fail(hp, 400, "more than one Content-Length header");
      if (!content_length(value, &hp->left))
        return fail(hp, 400, "malformed Content-Length header");
      hp->has_length = true;
    } else if (gs_http_is(name, "transfer-encoding")) {
      if (codings++ != 0)
        return fail(hp, 400, "more than one Transfer-Encoding header");
      if (!gs_http_is(value, "chunked"))
        return fail(hp, 501, "the only transfer coding known here is chunked");
      hp->chunked = true;
    } else if (gs_http_is(name, "connection")) {
      close |= gs_http_list_has(value, "close");
      keep |= gs_http_list_has(value, "keep-alive");
      upgrade_token |= gs_http_list_has(value, "upgrade");
    } else if (gs_http_is(name, "upgrade")) {
      websocket |= gs_http_list_has(value, "websocket");
    } else if (gs_http_is(name, "expect")) {
      if (!gs_http_is(value, "100-continue"))
        return fail(hp, 417, "unknown expectation");
      req->expect_continue = req->minor == 1;
    }
  }
  if (hosts == 0 && req->minor == 1)
    return fail(hp, 400, "no Host header");
  if (hp->chunked && hp->has_length)
    return fail(hp, 400, "both Content-Length and Transfer-Encoding");
  if (hp->chunked && req->minor == 0)
    return fail(hp, 400, "Transfer-Encoding in HTTP/1.0");
  req->keep_alive = !close && (req->minor == 1 || keep);
  req->upgrade = upgrade_token && websocket;
  req->has_body = hp->chunked || hp->left != 0;
  hp->state = ST_HEAD_DONE;
  return GS_HTTP_ON_HEAD;
}

/* A line ended: its bytes are head[line_at .. len - 2), CR LF behind. */
static gs_http_event line_complete(gs_http_parser *hp)
{
  uint32_t at = hp->line_at, len = (uint32_t)hp->head.len - 2 - at;
  hp->line_at = (uint32_t)hp->head.len;
  if (hp->state == ST_REQUEST_LINE) {
    if (len == 0) {
      /* RFC 9112 2.2: an empty line before the request is to be skipped; one, here. */
      if (hp->blank_skipped)
        return fail(hp, 400, "empty request line");
      hp->blank_skipped = true;
      hp->head.len = hp->line_at = 0;
      return GS_HTTP_MORE;
    }
    if (!request_line(hp, hp->head.data + at, len))
      return GS_HTTP_FAILED;
    hp->state = ST_FIELDS;
    return GS_HTTP_MORE;
  }
  if (len == 0)
    return head_complete(hp);
  return field_line(hp, at, len) ? GS_HTTP_MORE : GS_HTTP_FAILED;
}

static gs_http_event feed_head(gs_http_parser *hp, const uint8_t *data, size_t len, size_t *used)
{
  for (size_t i = 0; i < len; i++) {
    uint8_t c = data[i];
    *used = i + 1;
    if (hp->head.len == GS_HTTP_HEAD_MAX)
      return hp->state == ST_REQUEST_LINE ? fail(hp, 414, "the request line is too long")
                                          : fail(hp, 431, "the headers are too long");
    if (hp->last == '\r' ? c != '\n' : c == '\n')
      return fail(hp, 400, "a line must end with CR LF");
    if (!gs_http_is_text(c) && c != '\r' && c != '\n')
      return fail(hp, 400, "control byte in the head");
    if (!make_room(hp, &hp->head, 1, GS_MIN(len - i, GS_HTTP_HEAD_MAX - hp->head.len) + hp->head.len,
                   GS_HTTP_HEAD_MAX))
      return fail(hp, 500, "out of memory");
    hp->head.data[hp->head.len++] = c;
    hp->last = c;
    if (c != '\n')
      continue;
    gs_http_event ev = line_complete(hp);
    if (ev != GS_HTTP_MORE)
      return ev;
  }
  return GS_HTTP_MORE;
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static gs_http_event complete(gs_http_parser *hp)
{
  hp->request.body = (gesso_bytes){ hp->body.data, hp->body.len };
  hp->state = ST_DONE;
  return GS_HTTP_ON_DONE;
}

/* Takes what belongs to the body, or to the chunk, from data[*at ..]. */
static bool take_body(gs_http_parser *hp, const uint8_t *data, size_t len, size_t *at)
{
  size_t n = GS_MIN(hp->left, len - *at);
  if (n == 0)
    return true;
  /* left <= body_max - body.len was checked, so the sum stays a size_t on every machine that could
   * hold the body at all. */
  uint64_t total = hp->body.len + hp->left;
  size_t expect = (size_t)GS_MIN(total, hp->body.len + BODY_FIRST_ALLOC);
  size_t max = (size_t)GS_MIN(hp->chunked ? hp->body_max : total, SIZE_MAX / 2);
  if (!make_room(hp, &hp->body, n, expect, max)) {
    fail(hp, 500, "out of memory");
    return false;
  }
  memcpy(hp->body.data + hp->body.len, data + *at, n);
  hp->body.len += n;
  hp->left -= n;
  *at += n;
  return true;
}

static gs_http_event chunk_size_complete(gs_http_parser *hp)
{
  if (hp->left == 0) {
    hp->state = ST_TRAILER_START;
    return GS_HTTP_MORE;
  }
  if (hp->left > hp->body_max - hp->body.len)
    return fail(hp, 413, "the body is too long");
  hp->state = ST_CHUNK_DATA;
  return GS_HTTP_MORE;
}

/* One byte of the chunked framing (RFC 9112 7.1) outside the data itself. */
static gs_http_event chunk_byte(gs_http_parser *hp, uint8_t c)
{
  switch (hp->state) {
  case ST_CHUNK_SIZE: {
    int digit = gs_hex_digit(c);
    if (digit >= 0) {
      if (hp->chunk_digits == CHUNK_DIGITS_MAX)
        return fail(hp, 400, "malformed chunk size");
      hp->left = hp->left << 4 | (uint64_t)digit;
      hp->chunk_digits++;
      return GS_HTTP_MORE;
    }
    if (hp->chunk_digits == 0 || (c != ';' && c != '\r'))
      return fail(hp, 400, "malformed chunk size");
    hp->state = c == ';' ? ST_CHUNK_EXTENSION : ST_CHUNK_SIZE_LF;
    return GS_HTTP_MORE;
  }
  case ST_CHUNK_EXTENSION: /* skipped, as RFC 9112 7.1.1 asks of those who know none */
    if (c == '\r') {
      hp->state = ST_CHUNK_SIZE_LF;
      return GS_HTTP_MORE;
    }
    if (!gs_http_is_text(c) || ++hp->chunk_line_len > CHUNK_LINE_MAX)
      return fail(hp, 400, "malformed chunk extension");
    return GS_HTTP_MORE;
  case ST_CHUNK_SIZE_LF:
    return c == '\n' ? chunk_size_complete(hp) : fail(hp, 400, "a line must end with CR LF");
  case ST_CHUNK_CR:
    hp->state = ST_CHUNK_LF;
    return c == '\r' ? GS_HTTP_MORE : fail(hp, 400, "a chunk must end with CR LF");
  default: /* ST_CHUNK_LF */
    if (c != '\n')
      return fail(hp, 400, "a chunk must end with CR LF");
    hp->state = ST_CHUNK_SIZE;
    hp->left = 0;
    hp->chunk_digits = 0;
    hp->chunk_line_len = 0;
    return GS_HTTP_MORE;
  }
}

/* One byte of the trailer section. Trailers are never looked at, so they are not kept. */
static gs_http_event trailer_byte(gs_http_parser *hp, uint8_t c)
{
  if (++hp->trailer_len > GS_HTTP_TRAILER_MAX)
    return fail(hp, 431, "the trailers are too long");
  switch (hp->state) {
  case ST_TRAILER_START:
    if (c == '\r')
      hp->state = ST_LAST_LF;
    else if (gs_http_is_token(c))
      hp->state = ST_TRAILER_NAME;
    else
      return fail(hp, 400, "malformed trailer");
    return GS_HTTP_MORE;
  case ST_TRAILER_NAME:
    if (c == ':')
      hp->state = ST_TRAILER_VALUE;
    else if (!gs_http_is_token(c))
      return fail(hp, 400, "malformed trailer");
    return GS_HTTP_MORE;
  case ST_TRAILER_VALUE:
    if (c == '\r')
      hp->state = ST_TRAILER_LF;
    else if (!gs_http_is_text(c))
      return fail(hp, 400, "malformed trailer");
    return GS_HTTP_MORE;
  case ST_TRAILER_LF:
    hp->state = ST_TRAILER_START;
    return c == '\n' ? GS_HTTP_MORE : fail(hp, 400, "a line must end with CR LF");
  default: /* ST_LAST_LF */
    return c == '\n' ? complete(hp) : fail(hp, 400, "a line must end with CR LF");
  }
}

static gs_http_event feed_chunked(gs_http_parser *hp, const uint8_t *data, size_t len, size_t *used)
{
  size_t at = 0;
  gs_http_event ev = GS_HTTP_MORE;
  while (at < len && ev == GS_HTTP_MORE) {
    if (hp->state == ST_CHUNK_DATA) {
      if (!take_body(hp, data, len, &at))
        ev = GS_HTTP_FAILED;
      else if (hp->left == 0)
        hp->state = ST_CHUNK_CR;
    } else if (hp->state >= ST_TRAILER_START) {
      ev = trailer_byte(hp, data[at++]);
    } else {
      ev = chunk_byte(hp, data[at++]);
    }
  }
  *used = at;
  return ev;
}

gs_http_event gs_http_parser_feed(gs_http_parser *hp, const uint8_t *data, size_t len, size_t *used)
{
  *used = 0;
  if (hp->state == ST_HEAD_DONE) {
    if (hp->left > hp->body_max) /* 0 when chunked */
      return fail(hp, 413, "the body is too long");
    if (hp->chunked)
      hp->state = ST_CHUNK_SIZE;
    else if (hp->left == 0)
      return complete(hp);
    else
      hp->state = ST_BODY;
  }
  switch (hp->state) {
  case ST_FAILED:
    return GS_HTTP_FAILED;
  case ST_DONE:
    return GS_HTTP_ON_DONE;
  case ST_REQUEST_LINE:
  case ST_FIELDS:
    return feed_head(hp, data, len, used);
  case ST_BODY:
    if (!take_body(hp, data, len, used))
      return GS_HTTP_FAILED;
    return hp->left == 0 ? complete(hp) : GS_HTTP_MORE;
  default:
    return feed_chunked(hp, data, len, used);
  }
}
