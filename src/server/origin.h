/* Who may talk to this server from a web page.
 *
 * A browser lets any page on any site open a WebSocket to, and send simple requests at, any address
 * it can reach, and tells in the Origin header which site that was. Programs send none. So:
 *
 *   no Origin                            allowed (but see Sec-Fetch-Site below)
 *   an origin given with --allow-origin  allowed; "*" allows all
 *   the origin's host is the Host header allowed: the page came from here ...
 *   anything else                        refused
 *
 * ... unless the server listens on loopback only. Then a foreign site could make its own name
 * resolve to 127.0.0.1 (DNS rebinding), and Host and Origin would both be that name; so there both
 * must name the loopback interface, or a host given with --allow-origin. */
#ifndef GS_SERVER_ORIGIN_H
#define GS_SERVER_ORIGIN_H

#include "net/http.h"

typedef struct gs_origins {
  const char *const *allowed; /* "https://boards.example.org", or "*" */
  size_t allowed_count;
  bool loopback; /* the server is reachable by this machine only */
} gs_origins;

/* May the page that sent this request use the server? `host_only`: the request changes nothing and
 * its answer cannot be read by foreign pages, so only the Host is looked at. */
bool gs_origin_ok(const gs_origins *origins, const gs_http_request *req, bool host_only);

/* Is "127.0.0.1:1234" (or "[::1]:1234", "localhost:1234") an address of the loopback interface? */
bool gs_is_loopback(const char *address);

#endif
