#include "server/origin.h"

#include <string.h>
#include <strings.h>

/* "https://host:port" -> "host:port" */
static gesso_bytes authority_of(gesso_bytes origin)
{
  const uint8_t *p = origin.len < 3 ? NULL : memmem(origin.data, origin.len, "://", 3);
  if (p == NULL)
    return (gesso_bytes){ NULL, 0 };
  p += 3;
  return (gesso_bytes){ p, (size_t)(origin.data + origin.len - p) };
}

/* "host:port" -> "host"; brackets of an IPv6 address stay. */
static gesso_bytes host_of(gesso_bytes authority)
{
  size_t n = authority.len;
  while (n > 0 && authority.data[n - 1] >= '0' && authority.data[n - 1] <= '9')
    n--;
  if (n > 0 && authority.data[n - 1] == ':')
    return (gesso_bytes){ authority.data, n - 1 };
  return authority;
}

static bool same(gesso_bytes a, gesso_bytes b)
{
  return a.len == b.len && a.len != 0 && strncasecmp((const char *)a.data, (const char *)b.data, a.len) == 0;
}

static gesso_bytes bytes_of(const char *text)
{
  return (gesso_bytes){ (const uint8_t *)text, strlen(text) };
}

static bool is_loopback_host(gesso_bytes host)
{
  static const char localhost[] = ".localhost";
  size_t n = sizeof localhost - 1;
  if (gs_http_is(host, "localhost") || gs_http_is(host, "[::1]"))
    return true;
  if (host.len > n && strncasecmp((const char *)host.data + host.len - n, localhost, n) == 0)
    return true;
  if (host.len < 5 || memcmp(host.data, "127.", 4) != 0)
    return false;
  for (size_t i = 4; i < host.len; i++)
    if ((host.data[i] < '0' || host.data[i] > '9') && host.data[i] != '.')
      return false;
  return true;
}

bool gs_is_loopback(const char *address)
{
  return is_loopback_host(host_of(bytes_of(address)));
}

static bool is_listed(const gs_origins *origins, gesso_bytes origin)
{
  for (size_t i = 0; i < origins->allowed_count; i++)
    if (strcmp(origins->allowed[i], "*") == 0 || same(bytes_of(origins->allowed[i]), origin))
      return true;
  return false;
}

static bool is_listed_host(const gs_origins *origins, gesso_bytes authority)
{
  for (size_t i = 0; i < origins->allowed_count; i++)
    if (strcmp(origins->allowed[i], "*") == 0 || same(authority_of(bytes_of(origins->allowed[i])), authority))
      return true;
  return false;
}

static bool host_ok(const gs_origins *origins, const gs_http_request *req)
{
  return !origins->loopback || req->host.len == 0 || is_loopback_host(host_of(req->host)) ||
         is_listed_host(origins, req->host);
}

bool gs_origin_ok(const gs_origins *origins, const gs_http_request *req, bool host_only)
{
  gesso_bytes origin = gs_http_get(req, "Origin");
  if (origin.data != NULL && is_listed(origins, origin))
    return true;
  if (!host_ok(origins, req))
    return false;
  if (host_only)
    return true;
  if (origin.data != NULL)
    return same(authority_of(origin), req->host);
  /* Browsers that send no Origin with a request still say where it came from. */
  gesso_bytes site = gs_http_get(req, "Sec-Fetch-Site");
  return site.data == NULL || gs_http_is(site, "same-origin") || gs_http_is(site, "none");
}
