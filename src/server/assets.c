/* The page's files out of a pack, or out of a folder. See assets.h.
 *
 * The pack, little-endian, written by tools/pack.mjs:
 *
 *   offset  size  meaning
 *   0       8     "GESSOPK1"
 *   8       4     n, number of entries
 *   12      4     s, bytes of strings
 *   16      32 n  entries, sorted by path (bytes), then encoding; no two alike
 *   16+32n  s     strings, each ends with NUL
 *   ...           bodies
 *
 * An entry: path, mime, etag (u32 offsets into the strings), body (u32 offset into the pack),
 * len (u32), raw_len (u32: len when decoded), encoding (u8: 0 none, 1 gzip, 2 br), flags (u8:
 * 1 = its name changes with its content), 6 bytes unused.
 *
 * Every path has a body without encoding or one in gzip: what can be made for every client. */
#include "server/assets.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { HEAD_SIZE = 16, ENTRY_SIZE = 32, FILE_MAX = 64 << 20, PATH_MAX_LEN = 512, ETAG_CHARS = 32 };

typedef enum coding { CODING_NONE = 0, CODING_GZIP = 1, CODING_BR = 2 } coding;

enum { FLAG_IMMUTABLE = 1 };

typedef struct entry {
  const char *path, *mime, *etag;
  uint32_t body, len, raw_len;
  coding encoding;
  bool immutable;
} entry;

/* No foreign host, no inline script, no eval. Styles are inline because Excalidraw positions its
 * parts so. 'self' in connect-src covers the WebSocket to the own host (CSP 3). data: and blob: are
 * pictures on their way to the canvas. */
static const char page_csp[] =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
  "img-src 'self' data: blob:; font-src 'self'; connect-src 'self' data: blob:; "
  "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

static const char cache_forever[] = "public, max-age=31536000, immutable";
static const char cache_asking[] = "no-cache";

static const char nothing_here[] = "There is nothing at this address.\n";

static const char page_missing[] =
  "<!doctype html><html lang=en><meta charset=utf-8>"
  "<meta name=viewport content=\"width=device-width,initial-scale=1\"><title>gesso</title>"
  "<style>:root{color-scheme:light dark}body{max-width:36em;margin:12vh auto;padding:0 1.2em;"
  "font:16px/1.6 system-ui,sans-serif}code{padding:.1em .35em;border-radius:.3em;"
  "background:#8883}</style>"
  "<h1>gesso is running</h1>"
  "<p>Boards can be reached by every Yjs client at this address, but this binary was built without "
  "the whiteboard page.</p>"
  "<p>To have it: install Node.js 18 or newer with npm, then run <code>make build</code> in the "
  "source tree (it calls <code>node tools/pack.mjs</code>) and start the server again. A page that "
  "was built elsewhere is served with <code>gesso serve --web-dir DIR</code>.</p></html>\n";

/* ---- the pack ---- */

static uint32_t le32(const uint8_t *p)
{
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static const uint8_t *entry_bytes(const gs_assets *assets, uint32_t i)
{
  return assets->pack.data + HEAD_SIZE + (size_t)ENTRY_SIZE * i;
}

static entry entry_at(const gs_assets *assets, uint32_t i)
{
  const uint8_t *p = entry_bytes(assets, i);
  const char *strings = (const char *)entry_bytes(assets, assets->entry_count);
  return (entry){
    .path = strings + le32(p),
    .mime = strings + le32(p + 4),
    .etag = strings + le32(p + 8),
    .body = le32(p + 12),
    .len = le32(p + 16),
    .raw_len = le32(p + 20),
    .encoding = (coding)p[24],
    .immutable = (p[25] & FLAG_IMMUTABLE) != 0,
  };
}

/* A value that goes into a header: printable, without quotes. */
static bool header_safe(const char *s)
{
  for (; *s != '\0'; s++)
    if (*s < 0x20 || *s > 0x7e || *s == '"')
      return false;
  return true;
}

static bool entry_ok(const gs_assets *assets, uint32_t i, uint32_t string_bytes)
{
  const uint8_t *p = entry_bytes(assets, i);
  if (le32(p) >= string_bytes || le32(p + 4) >= string_bytes || le32(p + 8) >= string_bytes)
    return false;
  if (p[24] > CODING_BR)
    return false;
  entry e = entry_at(assets, i);
  size_t bodies = HEAD_SIZE + (size_t)ENTRY_SIZE * assets->entry_count + string_bytes;
  if (e.body < bodies || e.body > assets->pack.len || e.len > assets->pack.len - e.body)
    return false;
  if (e.raw_len > FILE_MAX || (e.encoding == CODING_NONE && e.raw_len != e.len))
    return false;
  if (e.path[0] != '/' || !header_safe(e.mime) || !header_safe(e.etag))
    return false;
  if (strlen(e.etag) == 0 || strlen(e.etag) > ETAG_CHARS)
    return false;
  if (i == 0)
    return e.encoding != CODING_BR;
  entry before = entry_at(assets, i - 1);
  int order = strcmp(before.path, e.path);
  if (order == 0)
    return before.encoding < e.encoding && strcmp(before.etag, e.etag) == 0 && before.raw_len == e.raw_len;
  return order < 0 && e.encoding != CODING_BR;
}

static gesso_status check_pack(gs_assets *assets)
{
  gesso_bytes pack = assets->pack;
  if (pack.len == 0)
    return GESSO_OK;
  if (pack.len < HEAD_SIZE || memcmp(pack.data, "GESSOPK", 7) != 0)
    return GESSO_E_CORRUPT;
  if (pack.data[7] != '1')
    return GESSO_E_VERSION;
  uint32_t count = le32(pack.data + 8), string_bytes = le32(pack.data + 12);
  if (count > (pack.len - HEAD_SIZE) / ENTRY_SIZE)
    return GESSO_E_CORRUPT;
  if (string_bytes > pack.len - HEAD_SIZE - (size_t)count * ENTRY_SIZE)
    return GESSO_E_CORRUPT;
  assets->entry_count = count;
  /* Any offset below string_bytes is then a terminated string. */
  if (count > 0 && (string_bytes == 0 || entry_bytes(assets, count)[string_bytes - 1] != '\0'))
    return GESSO_E_CORRUPT;
  for (uint32_t i = 0; i < count; i++)
    if (!entry_ok(assets, i, string_bytes))
      return GESSO_E_CORRUPT;
  return GESSO_OK;
}

/* The first entry whose path is not below `path`, and whether it is `path`. */
static bool first_entry(const gs_assets *assets, const char *path, uint32_t *at_out)
{
  uint32_t low = 0, high = assets->entry_count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (strcmp(entry_at(assets, middle).path, path) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  *at_out = low;
  return low < assets->entry_count && strcmp(entry_at(assets, low).path, path) == 0;
}

/* ---- request headers ---- */

static bool is_space(uint8_t c)
{
  return c == ' ' || c == '\t';
}

static gesso_bytes trimmed(gesso_bytes b)
{
  while (b.len > 0 && is_space(b.data[0])) {
    b.data++;
    b.len--;
  }
  while (b.len > 0 && is_space(b.data[b.len - 1]))
    b.len--;
  return b;
}

/* Cuts what stands before the next `mark` off the front of `rest`, trimmed. False at the end. */
static bool next_part(gesso_bytes *rest, char mark, gesso_bytes *part_out)
{
  if (rest->len == 0)
    return false;
  const uint8_t *end = memchr(rest->data, mark, rest->len);
  size_t n = end == NULL ? rest->len : (size_t)(end - rest->data);
  size_t used = end == NULL ? n : n + 1;
  *part_out = trimmed((gesso_bytes){ rest->data, n });
  rest->data += used;
  rest->len -= used;
  return true;
}

static bool same_word(gesso_bytes b, const char *word)
{
  return b.len == strlen(word) && strncasecmp((const char *)b.data, word, b.len) == 0;
}

/* "q=0.25" in thousandths; 1000 for anything that is no weight (RFC 9110 12.4.2). */
static int weight_of(gesso_bytes parameter)
{
  if (parameter.len < 3 || (parameter.data[0] | 0x20) != 'q' || parameter.data[1] != '=')
    return 1000;
  if (parameter.data[2] != '0')
    return 1000;
  int weight = 0, unit = 100;
  for (size_t i = 4; i < parameter.len && unit > 0; i++, unit /= 10) {
    uint8_t c = parameter.data[i];
    if (c < '0' || c > '9')
      break;
    weight += (c - '0') * unit;
  }
  return weight;
}

/* Fills weights by coding, 0 for what the client does not take. Without the header a client takes
 * everything, but then it is no browser and gets what it can certainly read. */
static void read_accept(gesso_bytes header, int weights[3])
{
  weights[CODING_NONE] = 1;
  weights[CODING_GZIP] = weights[CODING_BR] = 0;
  int other = -1, plain = -1;
  bool named_gzip = false, named_br = false;
  gesso_bytes part;
  while (next_part(&header, ',', &part)) {
    gesso_bytes name, parameter;
    int weight = 1000;
    if (!next_part(&part, ';', &name))
      continue;
    while (next_part(&part, ';', &parameter))
      if (weight_of(parameter) != 1000)
        weight = weight_of(parameter);
    if (same_word(name, "br")) {
      weights[CODING_BR] = weight;
      named_br = true;
    } else if (same_word(name, "gzip") || same_word(name, "x-gzip")) {
      weights[CODING_GZIP] = weight;
      named_gzip = true;
    } else if (same_word(name, "identity")) {
      plain = weight;
    } else if (same_word(name, "*")) {
      other = weight;
    }
  }
  if (other >= 0) {
    if (!named_br)
      weights[CODING_BR] = other;
    if (!named_gzip)
      weights[CODING_GZIP] = other;
  }
  if (plain >= 0)
    weights[CODING_NONE] = plain;
}

/* Weak comparison with every form of this content: a cache that holds one of them is up to date. */
static bool none_match(gesso_bytes header, const char *tag)
{
  gesso_bytes part;
  size_t n = strlen(tag);
  while (next_part(&header, ',', &part)) {
    if (same_word(part, "*"))
      return true;
    if (part.len >= 2 && part.data[0] == 'W' && part.data[1] == '/') {
      part.data += 2;
      part.len -= 2;
    }
    if (part.len < n + 2 || part.data[0] != '"' || part.data[part.len - 1] != '"')
      continue;
    gesso_bytes inner = { part.data + 1, part.len - 2 };
    if (memcmp(inner.data, tag, n) != 0)
      continue;
    gesso_bytes suffix = { inner.data + n, inner.len - n };
    if (suffix.len == 0 || same_word(suffix, "-br") || same_word(suffix, "-gz"))
      return true;
  }
  return false;
}

/* ---- replies ---- */

static void reply_plain(gs_assets_reply *reply, int status, const char *words)
{
  *reply = (gs_assets_reply){
    .status = status,
    .mime = "text/plain; charset=utf-8",
    .cache_control = "no-store",
    .body = { (const uint8_t *)words, strlen(words) },
  };
}

static void reply_missing_page(gs_assets_reply *reply)
{
  *reply = (gs_assets_reply){
    .status = 200,
    .mime = "text/html; charset=utf-8",
    .cache_control = "no-store",
    .csp = page_csp,
    .body = { (const uint8_t *)page_missing, sizeof page_missing - 1 },
  };
}

/* Decodes a gzip body of a known length. */
static gesso_status gunzip(const gesso_allocator *al, gesso_bytes body, uint32_t raw_len, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = al };
  out->data = gs_alloc(al, (size_t)raw_len + 1);
  if (out->data == NULL)
    return GESSO_E_NOMEM;
  out->capacity = (size_t)raw_len + 1;
  z_stream z = { .next_in = (Bytef *)(uintptr_t)body.data, .avail_in = (uInt)body.len,
                 .next_out = out->data, .avail_out = raw_len + 1 };
  if (inflateInit2(&z, 15 + 16) != Z_OK) {
    gesso_buffer_free(out);
    return GESSO_E_NOMEM;
  }
  int ended = inflate(&z, Z_FINISH);
  bool whole = ended == Z_STREAM_END && z.total_out == raw_len;
  inflateEnd(&z);
  if (!whole) {
    gesso_buffer_free(out);
    return GESSO_E_CORRUPT;
  }
  out->len = raw_len;
  return GESSO_OK;
}

static bool is_html(const char *mime)
{
  return strncmp(mime, "text/html", 9) == 0;
}

static void find_in_pack(const gs_assets *assets, const char *path, const gs_assets_request *request,
                         gs_assets_reply *reply)
{
  uint32_t at;
  if (!first_entry(assets, path, &at)) {
    reply_plain(reply, 404, nothing_here);
    return;
  }
  bool have[3] = { false, false, false };
  entry forms[3];
  entry e = entry_at(assets, at);
  const char *name = e.path;
  do {
    have[e.encoding] = true;
    forms[e.encoding] = e;
    if (++at == assets->entry_count)
      break;
    e = entry_at(assets, at);
  } while (strcmp(e.path, name) == 0);

  int weights[3];
  read_accept(request->accept_encoding, weights);
  coding choice = CODING_NONE;
  if (have[CODING_GZIP] && weights[CODING_GZIP] > 0 && weights[CODING_GZIP] >= weights[CODING_NONE])
    choice = CODING_GZIP;
  if (have[CODING_BR] && weights[CODING_BR] > 0 && weights[CODING_BR] >= weights[choice])
    choice = CODING_BR;

  const entry *source = &forms[have[choice] ? choice : CODING_GZIP];
  *reply = (gs_assets_reply){
    .status = 200,
    .mime = source->mime,
    .encoding = choice == CODING_BR ? "br" : choice == CODING_GZIP ? "gzip" : NULL,
    .cache_control = source->immutable ? cache_forever : cache_asking,
    .csp = is_html(source->mime) ? page_csp : NULL,
    .vary = have[CODING_GZIP] || have[CODING_BR],
  };
  const char *suffix = choice == CODING_BR ? "-br" : choice == CODING_GZIP ? "-gz" : "";
  snprintf(reply->etag, sizeof reply->etag, "\"%s%s\"", source->etag, suffix);
  if (none_match(request->if_none_match, source->etag)) {
    reply->status = 304;
    reply->mime = NULL;
    reply->encoding = NULL;
    return;
  }
  reply->body = (gesso_bytes){ assets->pack.data + source->body, source->len };
  if (source->encoding == choice)
    return;
  gesso_buffer raw;
  gesso_status s = gunzip(assets->alloc, reply->body, source->raw_len, &raw);
  if (s != GESSO_OK) {
    reply_plain(reply, 500, s == GESSO_E_NOMEM ? "The server is out of memory.\n" : "The page is damaged.\n");
    return;
  }
  reply->owned = raw;
  reply->body = (gesso_bytes){ raw.data, raw.len };
}

/* ---- a folder ---- */

static const char *mime_of(const char *path)
{
  static const struct {
    const char *ending, *mime;
  } known[] = {
    { ".html", "text/html; charset=utf-8" },
    { ".js", "text/javascript; charset=utf-8" },
    { ".css", "text/css; charset=utf-8" },
    { ".svg", "image/svg+xml" },
    { ".json", "application/json" },
    { ".webmanifest", "application/manifest+json" },
    { ".txt", "text/plain; charset=utf-8" },
    { ".png", "image/png" },
    { ".ico", "image/x-icon" },
    { ".woff2", "font/woff2" },
    { ".wasm", "application/wasm" },
  };
  const char *dot = strrchr(path, '.');
  for (size_t i = 0; dot != NULL && i < GS_COUNT(known); i++)
    if (strcmp(dot, known[i].ending) == 0)
      return known[i].mime;
  return "application/octet-stream";
}

/* Opens the file step by step below the folder. A step is a plain name: no "..", nothing hidden, no
 * symbolic link, so the path cannot lead out. `path` is written to. -1 when there is no such file. */
static int open_below(int folder, char *path)
{
  int at = folder;
  char *step = path + 1;
  for (;;) {
    char *slash = strchr(step, '/');
    if (slash != NULL)
      *slash = '\0';
    int next = -1;
    if (step[0] != '\0' && step[0] != '.')
      next = openat(at, step, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (slash != NULL ? O_DIRECTORY : 0));
    if (at != folder)
      close(at);
    if (next < 0 || slash == NULL)
      return next;
    at = next;
    step = slash + 1;
  }
}

static gesso_status read_all(int fd, size_t size, const gesso_allocator *al, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = al };
  if (size == 0)
    return GESSO_OK;
  out->data = gs_alloc(al, size);
  if (out->data == NULL)
    return GESSO_E_NOMEM;
  out->capacity = size;
  while (out->len < size) {
    ssize_t n = read(fd, out->data + out->len, size - out->len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      /* Shorter than it was a moment ago: somebody is just building the page. */
      gesso_buffer_free(out);
      return GESSO_E_IO;
    }
    out->len += (size_t)n;
  }
  return GESSO_OK;
}

static void find_in_folder(const gs_assets *assets, char *path, const gs_assets_request *request,
                           gs_assets_reply *reply)
{
  const char *mime = mime_of(path);
  int fd = open_below(assets->web_dir_fd, path);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
    if (fd >= 0)
      close(fd);
    reply_plain(reply, 404, nothing_here);
    return;
  }
  char tag[ETAG_CHARS + 1];
  snprintf(tag, sizeof tag, "%llx-%llx-%lx", (unsigned long long)st.st_size,
           (unsigned long long)st.st_mtim.tv_sec, (unsigned long)st.st_mtim.tv_nsec);
  *reply = (gs_assets_reply){
    .status = 200,
    .mime = mime,
    .cache_control = cache_asking,
    .csp = is_html(mime) ? page_csp : NULL,
  };
  snprintf(reply->etag, sizeof reply->etag, "\"%s\"", tag);
  if (none_match(request->if_none_match, tag)) {
    reply->status = 304;
    reply->mime = NULL;
  } else {
    gesso_status s = read_all(fd, (size_t)st.st_size, assets->alloc, &reply->owned);
    if (s != GESSO_OK)
      reply_plain(reply, 500, "The file cannot be read now.\n");
    else
      reply->body = (gesso_bytes){ reply->owned.data, reply->owned.len };
  }
  close(fd);
}

/* ---- public ---- */

extern const uint8_t gs_pack_begin[], gs_pack_end[];

gesso_bytes gs_assets_embedded(void)
{
  return (gesso_bytes){ gs_pack_begin, (size_t)(gs_pack_end - gs_pack_begin) };
}

gesso_status gs_assets_open(gs_assets *assets, const gesso_allocator *alloc, gesso_bytes pack, const char *web_dir)
{
  *assets = (gs_assets){ .alloc = alloc, .pack = pack, .web_dir_fd = -1 };
  gesso_status s = check_pack(assets);
  if (s == GESSO_OK && web_dir != NULL) {
    assets->web_dir_fd = open(web_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (assets->web_dir_fd < 0)
      s = GESSO_E_IO;
  }
  if (s != GESSO_OK)
    *assets = (gs_assets){ .web_dir_fd = -1 };
  return s;
}

void gs_assets_close(gs_assets *assets)
{
  /* 0 is what a zeroed object has; the folder is never standard input. */
  if (assets->web_dir_fd > 0)
    close(assets->web_dir_fd);
  *assets = (gs_assets){ .web_dir_fd = -1 };
}

void gs_assets_find(const gs_assets *assets, const gs_assets_request *request, gs_assets_reply *reply)
{
  gesso_bytes wanted = request->path;
  bool is_home = wanted.len == 1 && wanted.data[0] == '/';
  bool is_board = wanted.len > 3 && memcmp(wanted.data, "/b/", 3) == 0;
  bool from_folder = assets->web_dir_fd > 0;
  if (!from_folder && assets->entry_count == 0 && (is_home || is_board)) {
    reply_missing_page(reply);
    return;
  }
  char path[PATH_MAX_LEN];
  if (is_home || is_board) {
    snprintf(path, sizeof path, "%s", is_home ? "/index.html" : "/board.html");
  } else if (wanted.len == 0 || wanted.len >= sizeof path || wanted.data[0] != '/' ||
             memchr(wanted.data, '\0', wanted.len) != NULL) {
    reply_plain(reply, 404, nothing_here);
    return;
  } else {
    memcpy(path, wanted.data, wanted.len);
    path[wanted.len] = '\0';
  }
  if (from_folder)
    find_in_folder(assets, path, request, reply);
  else
    find_in_pack(assets, path, request, reply);
}

void gs_assets_reply_finish(gs_assets_reply *reply)
{
  gesso_buffer_free(&reply->owned);
  *reply = (gs_assets_reply){ 0 };
}
