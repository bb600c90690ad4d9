/* The pages: what assets.h finds, with the headers that every page gets. */
#include "server/api.h"

#include <stdio.h>
#include <string.h>

static void release_reply(gs_frame *frame)
{
  gs_assets_reply *reply = frame->owner;
  gs_assets_reply_finish(reply);
  gs_free(NULL, reply, sizeof *reply);
  gs_free(NULL, frame, sizeof *frame);
}

/* The body as a frame that keeps the reply alive until it is sent: nothing is copied. */
static gs_frame *frame_of(gs_assets_reply *reply)
{
  gs_frame *frame = GS_NEW(NULL, gs_frame);
  if (frame == NULL)
    return NULL;
  frame->data = reply->body.data;
  frame->len = reply->body.len;
  frame->refs = 1;
  frame->release = release_reply;
  frame->owner = reply;
  return frame;
}

void gs_api_page(gs_api *api, gs_conn *conn, const gs_http_request *req)
{
  gs_assets_request ask = {
    .path = req->path,
    .accept_encoding = gs_http_get(req, "Accept-Encoding"),
    .if_none_match = gs_http_get(req, "If-None-Match"),
  };
  gs_assets_reply *reply = GS_NEW(NULL, gs_assets_reply);
  if (reply == NULL) {
    gs_api_error(api, conn, 503, "the server is out of memory");
    return;
  }
  gs_assets_find(api->assets, &ask, reply);
  if (reply->status == 404 || reply->status >= 500) {
    gs_api_error(api, conn, reply->status, reply->status == 404 ? "there is nothing at this address"
                                                                : "the page could not be read");
    gs_assets_reply_finish(reply);
    gs_free(NULL, reply, sizeof *reply);
    return;
  }
  char extra[2048];
  int n = snprintf(extra, sizeof extra,
                   "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
                   "Cross-Origin-Opener-Policy: same-origin\r\nX-Frame-Options: SAMEORIGIN\r\n"
                   "%s%s%s%s%s%s%s%s%s%s%s%s%s",
                   reply->csp != NULL ? "Content-Security-Policy: " : "", reply->csp != NULL ? reply->csp : "",
                   reply->csp != NULL ? "\r\n" : "", reply->cache_control != NULL ? "Cache-Control: " : "",
                   reply->cache_control != NULL ? reply->cache_control : "",
                   reply->cache_control != NULL ? "\r\n" : "", reply->encoding != NULL ? "Content-Encoding: " : "",
                   reply->encoding != NULL ? reply->encoding : "", reply->encoding != NULL ? "\r\n" : "",
                   reply->etag[0] != '\0' ? "ETag: " : "", reply->etag, reply->etag[0] != '\0' ? "\r\n" : "",
                   reply->vary ? "Vary: Accept-Encoding\r\n" : "");
  gs_response r = { .status = reply->status, .content_type = reply->mime, .extra = extra };
  bool too_long = n < 0 || (size_t)n >= sizeof extra;
  gs_frame *frame = !too_long && reply->body.len != 0 ? frame_of(reply) : NULL;
  if (too_long || (frame == NULL && reply->body.len != 0)) {
    gs_api_error(api, conn, 503, "the page could not be sent");
  } else {
    r.body_frame = frame;
    (void)gs_conn_respond(conn, &r);
  }
  if (frame != NULL) {
    gs_frame_release(frame);
  } else {
    gs_assets_reply_finish(reply);
    gs_free(NULL, reply, sizeof *reply);
  }
}
