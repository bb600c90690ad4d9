/* Responses, and the opening handshake of RFC 6455 4.2. */
#include "net/http.h"
#include "net/http_chars.h"

#include <openssl/evp.h>
#include <string.h>
#include <time.h>

const char *gs_http_reason(int status)
{
  switch (status) {
  case 100: return "Continue";
  case 101: return "Switching Protocols";
  case 200: return "OK";
  case 201: return "Created";
  case 202: return "Accepted";
  case 204: return "No Content";
  case 206: return "Partial Content";
  case 301: return "Moved Permanently";
  case 302: return "Found";
  case 303: return "See Other";
  case 304: return "Not Modified";
  case 307: return "Temporary Redirect";
  case 308: return "Permanent Redirect";
  case 400: return "Bad Request";
  case 401: return "Unauthorized";
  case 403: return "Forbidden";
  case 404: return "Not Found";
  case 405: return "Method Not Allowed";
  case 406: return "Not Acceptable";
  case 408: return "Request Timeout";
  case 409: return "Conflict";
  case 410: return "Gone";
  case 411: return "Length Required";
  case 412: return "Precondition Failed";
  case 413: return "Content Too Large";
  case 414: return "URI Too Long";
  case 415: return "Unsupported Media Type";
  case 416: return "Range Not Satisfiable";
  case 417: return "Expectation Failed";
  case 422: return "Unprocessable Content";
  case 426: return "Upgrade Required";
  case 429: return "Too Many Requests";
  case 431: return "Request Header Fields Too Large";
  case 500: return "Internal Server Error";
  case 501: return "Not Implemented";
  case 503: return "Service Unavailable";
  case 505: return "HTTP Version Not Supported";
  case 507: return "Insufficient Storage";
  default: return "Unknown";
  }
}

void gs_http_write_date(gs_buf *out, int64_t wall_ms)
{
  static const char days[] = "SunMonTueWedThuFriSat";
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  time_t seconds = (time_t)(wall_ms / 1000);
  struct tm tm;
  if (gmtime_r(&seconds, &tm) == NULL)
    return;
  gs_buf_printf(out, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + tm.tm_wday * 3, tm.tm_mday,
                months + tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void gs_http_write_head(gs_buf *out, const gs_http_head_options *options)
{
  int status = options->status;
  gs_buf_printf(out, "HTTP/1.1 %d %s\r\n", status, gs_http_reason(status));
  if (options->wall_ms != 0) {
    gs_buf_puts(out, "Date: ");
    gs_http_write_date(out, options->wall_ms);
    gs_buf_puts(out, "\r\n");
  }
  if (options->content_type != NULL)
    gs_buf_printf(out, "Content-Type: %s\r\n", options->content_type);
  if (status >= 200 && status != 204 && status != 304)
    gs_buf_printf(out, "Content-Length: %llu\r\n", (unsigned long long)options->body_len);
  if (status >= 200 && !options->keep_alive)
    gs_buf_puts(out, "Connection: close\r\n");
  else if (status >= 200 && options->minor == 0)
    gs_buf_puts(out, "Connection: keep-alive\r\n");
  if (options->extra != NULL)
    gs_buf_puts(out, options->extra);
  gs_buf_puts(out, "\r\n");
}

/* ---- handshake ------------------------------------------------------------------------------- */

#define PROTOCOLS_MAX 32u /* each is found by walking the list */

/* The value of the only field called `name`; *count tells whether it is. */
static gesso_bytes single(const gs_http_request *req, const char *name, uint32_t *count)
{
  gesso_bytes value = { NULL, 0 };
  *count = 0;
  for (uint32_t i = 0; i < req->field_count; i++)
    if (gs_http_is(gs_http_field_name(req, i), name) && (*count)++ == 0)
      value = gs_http_field_value(req, i);
  return value;
}

/* Base64 of 16 bytes. */
static bool key_ok(gesso_bytes key)
{
  if (key.len != 24 || key.data[22] != '=' || key.data[23] != '=')
    return false;
  for (size_t i = 0; i < 22; i++)
    if (!gs_http_is_alnum(key.data[i]) && key.data[i] != '+' && key.data[i] != '/')
      return false;
  return true;
}

bool gs_http_offered_protocol(const gs_http_request *req, uint32_t i, gesso_bytes *out)
{
  for (uint32_t f = 0; f < req->field_count; f++) {
    if (!gs_http_is(gs_http_field_name(req, f), "sec-websocket-protocol"))
      continue;
    gesso_bytes list = gs_http_field_value(req, f);
    while (gs_http_list_next(&list, out))
      if (i-- == 0)
        return true;
  }
  *out = (gesso_bytes){ NULL, 0 };
  return false;
}

int gs_http_check_upgrade(const gs_http_request *req, const char **why)
{
  uint32_t count;
  gesso_bytes value, protocol;
  if (req->method != GS_HTTP_GET) {
    *why = "a WebSocket handshake must be a GET";
    return 405;
  }
  if (req->minor == 0 || req->has_body) {
    *why = "a WebSocket handshake must be HTTP/1.1 and without a body";
    return 400;
  }
  value = single(req, "sec-websocket-version", &count);
  if (count != 1 || !gs_http_is(value, "13")) {
    *why = "only version 13 of the WebSocket protocol is spoken here";
    return 426;
  }
  value = single(req, "sec-websocket-key", &count);
  if (count != 1 || !key_ok(value)) {
    *why = "Sec-WebSocket-Key must be 16 bytes in base64, once";
    return 400;
  }
  for (uint32_t i = 0; gs_http_offered_protocol(req, i, &protocol); i++) {
    if (i == PROTOCOLS_MAX) {
      *why = "too many subprotocols";
      return 400;
    }
    for (size_t k = 0; k < protocol.len; k++)
      if (!gs_http_is_token(protocol.data[k])) {
        *why = "malformed Sec-WebSocket-Protocol header";
        return 400;
      }
  }
  *why = NULL;
  return 101;
}

bool gs_http_accept_key(gesso_bytes key, char out[GS_WS_ACCEPT_LEN + 1])
{
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
  uint8_t text[24 + sizeof guid - 1], digest[EVP_MAX_MD_SIZE];
  unsigned len = 0;
  if (key.len != 24)
    return false;
  memcpy(text, key.data, 24);
  memcpy(text + 24, guid, sizeof guid - 1);
  if (EVP_Digest(text, sizeof text, digest, &len, EVP_sha1(), NULL) != 1 || len != 20)
    return false;
  return EVP_EncodeBlock((unsigned char *)out, digest, 20) == GS_WS_ACCEPT_LEN;
}

bool gs_http_write_upgrade(gs_buf *out, const gs_http_request *req, gesso_bytes protocol,
                           const char *extra)
{
  char accept[GS_WS_ACCEPT_LEN + 1];
  if (!gs_http_accept_key(gs_http_get(req, "sec-websocket-key"), accept))
    return false;
  gs_buf_puts(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
  gs_buf_puts(out, accept);
  gs_buf_puts(out, "\r\n");
  if (protocol.len != 0) {
    gs_buf_puts(out, "Sec-WebSocket-Protocol: ");
    gs_buf_write(out, protocol.data, protocol.len);
    gs_buf_puts(out, "\r\n");
  }
  if (extra != NULL)
    gs_buf_puts(out, extra);
  gs_buf_puts(out, "\r\n");
  return out->err == GESSO_OK;
}
