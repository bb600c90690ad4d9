/* The page: html, scripts, styles and fonts that the binary carries in one pack, or a folder given
 * with --web-dir. Finds what belongs to a path and says with which headers it goes out; the caller
 * writes the HTTP response and decides about methods (GET and HEAD only).
 *
 * How the pack gets in: `node tools/pack.mjs` writes web/dist/gesso.pack (format at the top of
 * assets.c). tools/pack-embed.sh, run by meson as a custom target, writes an assembler file that
 * takes it in with .incbin; without a pack it takes in nothing, and "/" is a page that says how to
 * build the real one. In src/server/meson.build:
 *
 *   pack_embed = custom_target('pack-embed',
 *     command: [files('../../tools/pack-embed.sh'), meson.project_source_root() / 'web/dist/gesso.pack', '@OUTPUT@'],
 *     output: 'assets_embed.S', build_always_stale: true)
 *   server_sources += ['assets.c', pack_embed]
 *   dependencies: dependency('zlib')
 *
 * The script leaves its output alone when the pack is the same, so nothing is rebuilt then. */
#ifndef GS_SERVER_ASSETS_H
#define GS_SERVER_ASSETS_H

#include "gesso/base.h"

#include <stdbool.h>

#define GS_ASSETS_ETAG_MAX 48

/* Immutable once opened: any thread may call gs_assets_find. */
typedef struct gs_assets {
  const gesso_allocator *alloc;
  gesso_bytes pack;       /* borrowed; empty when there is none */
  uint32_t entry_count;
  int web_dir_fd;         /* > 0: files come from this folder and the pack is not looked at */
} gs_assets;

typedef struct gs_assets_request {
  gesso_bytes path;            /* raw, as in the request line, without "?query" */
  gesso_bytes accept_encoding; /* header values; empty when the header is absent */
  gesso_bytes if_none_match;
} gs_assets_request;

typedef struct gs_assets_reply {
  int status;                 /* 200, 304, 404, or 500 when memory or the folder failed */
  const char *mime;           /* NULL with 304 */
  const char *encoding;       /* Content-Encoding: "br", "gzip", or NULL */
  const char *cache_control;
  const char *csp;            /* Content-Security-Policy; NULL: none */
  bool vary;                  /* send "Vary: Accept-Encoding" */
  char etag[GS_ASSETS_ETAG_MAX]; /* with its quotes; "" when there is none */
  gesso_bytes body;           /* borrowed from the pack or from `owned`; empty with 304 */
  gesso_buffer owned;
} gs_assets_reply;

/* The pack that was linked in; empty when the binary was built without one. */
gesso_bytes gs_assets_embedded(void);

/* Checks the whole index of `pack` (borrowed for the life of `assets`; may be empty). `web_dir` NULL:
 * none. Fails with CORRUPT (a damaged pack), VERSION (a pack of another format) or IO (no such
 * folder); `assets` is then not open. */
GESSO_MUST_USE gesso_status gs_assets_open(gs_assets *assets, const gesso_allocator *alloc,
                                           gesso_bytes pack, const char *web_dir);

/* A zeroed `assets` is fine. */
void gs_assets_close(gs_assets *assets);

/* Always fills `reply`. "/" is the home page and "/b/<anything>" the board page; every other path
 * is a file. Call gs_assets_reply_finish when the body is sent. */
void gs_assets_find(const gs_assets *assets, const gs_assets_request *request, gs_assets_reply *reply);

void gs_assets_reply_finish(gs_assets_reply *reply);

#endif
