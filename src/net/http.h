/* HTTP/1.1 requests in, responses out: bytes only, no sockets.
 *
 * The parser accepts little and is strict about it, because every byte on which two parsers can
 * disagree is a way past the one in front. Refused: a bare LF or CR, folded lines, space before the
 * colon, two Host or two Content-Length fields, Content-Length together with Transfer-Encoding, any
 * transfer coding but a single "chunked", control bytes anywhere, targets that do not begin with
 * '/', a Content-Length that is anything but digits. docs/network.md has the whole list. */
#ifndef GS_NET_HTTP_H
#define GS_NET_HTTP_H

#include "base/buf.h"

#include <stdbool.h>

#define GS_HTTP_HEAD_MAX 16384u   /* request line and headers, with their line ends */
#define GS_HTTP_HEADERS_MAX 100u  /* fields in one head */
#define GS_HTTP_TRAILER_MAX 4096u /* bytes after the last chunk; checked, then dropped */

typedef enum gs_http_method {
  GS_HTTP_GET,
  GS_HTTP_HEAD,
  GS_HTTP_POST,
  GS_HTTP_PUT,
  GS_HTTP_PATCH,
  GS_HTTP_DELETE,
  GS_HTTP_OPTIONS
} gs_http_method;

/* "GET" */
const char *gs_http_method_name(gs_http_method method);

/* Offsets into the head, which may move while it grows. */
typedef struct gs_http_field {
  uint16_t name_at, name_len, value_at, value_len;
} gs_http_field;

/* A request as far as it is known: everything but `body` from the head event on. All bytes are the
 * parser's and stay where they are until gs_http_parser_next or finish. */
typedef struct gs_http_request {
  gs_http_method method;
  uint8_t minor;        /* HTTP/1.<minor>: 0 or 1 */
  bool keep_alive;      /* the client lets the connection be used again */
  bool expect_continue; /* it waits for "100 Continue" before it sends the body */
  bool upgrade;         /* Connection: upgrade and Upgrade: websocket are there */
  bool has_body;        /* a Content-Length above 0, or chunked */
  gesso_bytes target;   /* as sent: "/a%20b/c?x=1" */
  gesso_bytes path;     /* as sent, not decoded: "/a%20b/c" */
  gesso_bytes query;    /* after the first '?', not decoded; data is NULL when there is no '?' */
  gesso_bytes host;     /* value of Host; empty only for HTTP/1.0 */
  gesso_bytes body;
  const uint8_t *head;  /* base of the fields' offsets */
  const gs_http_field *fields;
  uint32_t field_count;
} gs_http_request;

/* The value of the first field called `name` (any case), data NULL when there is none. */
gesso_bytes gs_http_get(const gs_http_request *req, const char *name);

/* Field i, 0 .. field_count - 1. */
gesso_bytes gs_http_field_name(const gs_http_request *req, uint32_t i);
gesso_bytes gs_http_field_value(const gs_http_request *req, uint32_t i);

/* Walks a comma-separated list: takes the next non-empty element, trimmed, off the front of *list.
 * False at the end. */
bool gs_http_list_next(gesso_bytes *list, gesso_bytes *item);

/* Is `token` (any case) an element of the list? */
bool gs_http_list_has(gesso_bytes list, const char *token);

/* ASCII case-insensitive comparison. */
bool gs_http_is(gesso_bytes s, const char *text);

/* The value of `key` in a query string, undecoded; data NULL when it is not there. */
gesso_bytes gs_http_query_get(gesso_bytes query, const char *key);

/* ---- parser --------------------------------------------------------------------------------- */

typedef enum gs_http_event {
  GS_HTTP_MORE,    /* everything was used, nothing is complete yet */
  GS_HTTP_ON_HEAD, /* the head is complete: look at it, say what body it may have, feed on */
  GS_HTTP_ON_DONE, /* the request is complete */
  GS_HTTP_FAILED   /* error_* say why; the connection is of no further use */
} gs_http_event;

/* One connection's parser. Memory is held only between the first byte of a request and
 * gs_http_parser_next. Treat the fields as private, but for `request` and `error_*`. */
typedef struct gs_http_parser {
  const gesso_allocator *alloc;
  gs_http_request request; /* valid from GS_HTTP_ON_HEAD on */
  int error_status;        /* 400, 413, 431, 501, 505, 500 (out of memory): what to answer */
  const char *error_text;  /* static */

  gesso_buffer head, body;
  gs_http_field *fields;
  uint32_t field_count, field_cap;
  uint32_t line_at; /* where the line being read begins in head */
  uint8_t state;
  uint8_t last;        /* the byte before, for CR LF */
  bool blank_skipped;  /* the one empty line allowed before the request line was seen */
  bool chunked, has_length;
  uint32_t trailer_len;
  uint32_t chunk_line_len;
  uint8_t chunk_digits;
  uint64_t left;       /* body bytes still to come: of the body, or of the chunk */
  uint64_t body_max;
} gs_http_parser;

/* `alloc` NULL: malloc. A zeroed parser with `alloc` set is the same. */
void gs_http_parser_init(gs_http_parser *hp, const gesso_allocator *alloc);
void gs_http_parser_finish(gs_http_parser *hp);

/* Takes bytes up to the next event; *used tells how many. How the bytes are cut into calls makes no
 * difference to the events. After GS_HTTP_ON_HEAD call gs_http_parser_allow_body and feed the rest
 * (possibly nothing: a request without a body needs one more call to be done). */
gs_http_event gs_http_parser_feed(gs_http_parser *hp, const uint8_t *data, size_t len, size_t *used);

/* The most bytes that the body of this request may have; 0 until it is called. A body that turns out
 * longer fails with 413, a declared length before the first byte of it is read. */
void gs_http_parser_allow_body(gs_http_parser *hp, uint64_t bytes_max);

/* Forgets the finished request and its memory; ready for the next one. */
void gs_http_parser_next(gs_http_parser *hp);

/* Nothing of a next request has been read. */
bool gs_http_parser_idle(const gs_http_parser *hp);

/* ---- WebSocket handshake (RFC 6455 4.2) ------------------------------------------------------ */

/* What a server has to answer a request with `upgrade` set: 101 if it is a correct opening
 * handshake, else 400, 405 or 426 (wrong version), with a static reason in *why. */
int gs_http_check_upgrade(const gs_http_request *req, const char **why);

/* The i-th subprotocol that the client offers, over all Sec-WebSocket-Protocol fields. */
bool gs_http_offered_protocol(const gs_http_request *req, uint32_t i, gesso_bytes *out);

#define GS_WS_ACCEPT_LEN 28
/* Sec-WebSocket-Accept for a key, NUL-terminated. False only if the crypto library fails. */
GESSO_MUST_USE bool gs_http_accept_key(gesso_bytes key, char out[GS_WS_ACCEPT_LEN + 1]);

/* Writes the 101 response. `protocol` must be one that the client offered, or empty. `extra` is
 * further header lines, each ended by CR LF; may be NULL. */
GESSO_MUST_USE bool gs_http_write_upgrade(gs_buf *out, const gs_http_request *req,
                                          gesso_bytes protocol, const char *extra);

/* ---- responses ------------------------------------------------------------------------------- */

/* "Not Found"; "Unknown" for a number that has no name here. */
const char *gs_http_reason(int status);

typedef struct gs_http_head_options {
  int status;
  const char *content_type; /* NULL: none */
  const char *extra;        /* further header lines, each ended by CR LF; NULL: none */
  uint64_t body_len;        /* Content-Length; left out for 1xx, 204 and 304 */
  bool keep_alive;          /* false writes "Connection: close" */
  uint8_t minor;            /* of the request: a 1.0 client is told about keep-alive explicitly */
  int64_t wall_ms;          /* for Date; 0: none */
} gs_http_head_options;

/* Status line, headers and the empty line. Header values must not come from a peer unchecked: see
 * gs_http_value_ok. */
void gs_http_write_head(gs_buf *out, const gs_http_head_options *options);

/* May these bytes stand in a header value? No control bytes but tab, so no line of their own. */
bool gs_http_value_ok(gesso_bytes value);

/* "Sun, 22 Nov 2026 19:40:00 GMT" */
void gs_http_write_date(gs_buf *out, int64_t wall_ms);

#endif
