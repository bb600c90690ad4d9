/* The page's files: packs built here byte by byte, and a folder on disk. */
#include "server/assets.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

enum { HEAD_SIZE = 16, ENTRY_SIZE = 32 };

typedef struct part {
  const char *path, *mime, *etag;
  int encoding, flags;
  const char *raw; /* what the body decodes to */
} part;

static void put32(gs_buf *b, uint32_t v)
{
  for (int i = 0; i < 4; i++)
    gs_buf_put(b, (uint8_t)(v >> (8 * i)));
}

static void set32(gesso_bytes pack, size_t at, uint32_t v)
{
  uint8_t *p = (uint8_t *)(uintptr_t)pack.data + at;
  for (int i = 0; i < 4; i++)
    p[i] = (uint8_t)(v >> (8 * i));
}

/* The body of `p`: gzip made by zlib; "brotli" is stood in for by marked text, which nobody decodes. */
static void put_body(gs_buf *b, const part *p)
{
  size_t n = strlen(p->raw);
  if (p->encoding == 0) {
    gs_buf_write(b, p->raw, n);
  } else if (p->encoding == 2) {
    gs_buf_puts(b, "br:");
    gs_buf_write(b, p->raw, n);
  } else {
    uint8_t out[4096];
    z_stream z = { .next_in = (Bytef *)(uintptr_t)p->raw, .avail_in = (uInt)n, .next_out = out, .avail_out = sizeof out };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    gs_buf_write(b, out, z.total_out);
    deflateEnd(&z);
  }
}

static gesso_buffer pack_of(const part *parts, uint32_t count)
{
  gs_buf strings = gs_buf_make(NULL), bodies = gs_buf_make(NULL), out = gs_buf_make(NULL);
  gs_buf_puts(&out, "GESSOPK1");
  put32(&out, count);
  uint32_t string_bytes = 0;
  for (uint32_t i = 0; i < count; i++)
    string_bytes += (uint32_t)(strlen(parts[i].path) + strlen(parts[i].mime) + strlen(parts[i].etag) + 3);
  put32(&out, string_bytes);
  for (uint32_t i = 0; i < count; i++) {
    const part *p = &parts[i];
    const char *texts[] = { p->path, p->mime, p->etag };
    for (int k = 0; k < 3; k++) {
      put32(&out, (uint32_t)strings.b.len);
      gs_buf_write(&strings, texts[k], strlen(texts[k]) + 1);
    }
    size_t at = bodies.b.len;
    put_body(&bodies, p);
    put32(&out, (uint32_t)(HEAD_SIZE + ENTRY_SIZE * count + string_bytes + at));
    put32(&out, (uint32_t)(bodies.b.len - at));
    put32(&out, (uint32_t)strlen(p->raw));
    gs_buf_put(&out, (uint8_t)p->encoding);
    gs_buf_put(&out, (uint8_t)p->flags);
    for (int k = 0; k < 6; k++)
      gs_buf_put(&out, 0);
  }
  assert_int_equal(strings.b.len, string_bytes);
  gs_buf_write(&out, strings.b.data, strings.b.len);
  gs_buf_write(&out, bodies.b.data, bodies.b.len);
  gs_buf_finish(&strings);
  gs_buf_finish(&bodies);
  return gs_buf_take(&out);
}

#define HTML "text/html; charset=utf-8"
#define JS "text/javascript; charset=utf-8"

static const part site[] = {
  { "/assets/a-1.js", JS, "aaaa", 1, 1, "console.log('a')" },
  { "/assets/a-1.js", JS, "aaaa", 2, 1, "console.log('a')" },
  { "/assets/f.woff2", "font/woff2", "ffff", 0, 1, "wOF2\x01\x02" },
  { "/board.html", HTML, "bbbb", 1, 0, "<p>board" },
  { "/board.html", HTML, "bbbb", 2, 0, "<p>board" },
  { "/favicon.svg", "image/svg+xml", "cccc", 1, 0, "<svg/>" },
  { "/index.html", HTML, "dddd", 1, 0, "<p>home" },
  { "/index.html", HTML, "dddd", 2, 0, "<p>home" },
};

enum { SITE_COUNT = sizeof site / sizeof site[0] };

typedef struct fixture {
  gesso_buffer pack;
  gs_assets assets;
  gs_assets_reply reply;
} fixture;

static int open_site(void **state)
{
  fixture *f = calloc(1, sizeof *f);
  f->pack = pack_of(site, SITE_COUNT);
  gesso_bytes pack = { f->pack.data, f->pack.len };
  assert_int_equal(gs_assets_open(&f->assets, NULL, pack, NULL), GESSO_OK);
  *state = f;
  return 0;
}

static int close_site(void **state)
{
  fixture *f = *state;
  gs_assets_reply_finish(&f->reply);
  gs_assets_close(&f->assets);
  gesso_buffer_free(&f->pack);
  free(f);
  return 0;
}

static gesso_bytes text(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, s == NULL ? 0 : strlen(s) };
}

static const gs_assets_reply *ask_if(fixture *f, const char *path, const char *accept, const char *none_match)
{
  gs_assets_reply_finish(&f->reply);
  gs_assets_request request = { text(path), text(accept), text(none_match) };
  gs_assets_find(&f->assets, &request, &f->reply);
  return &f->reply;
}

static const gs_assets_reply *ask(fixture *f, const char *path, const char *accept)
{
  return ask_if(f, path, accept, NULL);
}

static void assert_body(const gs_assets_reply *reply, const char *words)
{
  assert_int_equal(reply->body.len, strlen(words));
  assert_memory_equal(reply->body.data, words, strlen(words));
}

static void assert_no_encoding(const gs_assets_reply *reply)
{
  assert_null(reply->encoding);
}

static void home_and_boards_are_pages(void **state)
{
  fixture *f = *state;
  const gs_assets_reply *r = ask(f, "/", "gzip, deflate, br, zstd");
  assert_int_equal(r->status, 200);
  assert_string_equal(r->mime, HTML);
  assert_string_equal(r->encoding, "br");
  assert_string_equal(r->cache_control, "no-cache");
  assert_string_equal(r->etag, "\"dddd-br\"");
  assert_true(r->vary);
  assert_body(r, "br:<p>home");
  assert_body(ask(f, "/b/x", "br"), "br:<p>board");
  assert_body(ask(f, "/b/a/b%20c", "br"), "br:<p>board");
  assert_int_equal(ask(f, "/b/", "br")->status, 404);
  assert_int_equal(ask(f, "/b", "br")->status, 404);
}

static void pages_carry_a_strict_policy_and_files_none(void **state)
{
  fixture *f = *state;
  const char *csp = ask(f, "/", NULL)->csp;
  assert_non_null(csp);
  assert_non_null(strstr(csp, "default-src 'none'"));
  assert_non_null(strstr(csp, "script-src 'self';"));
  assert_null(strstr(csp, "unsafe-eval"));
  assert_null(strstr(csp, "http"));
  assert_null(ask(f, "/assets/a-1.js", NULL)->csp);
}

static void hashed_files_are_kept_for_ever(void **state)
{
  fixture *f = *state;
  const gs_assets_reply *r = ask(f, "/assets/a-1.js", "br");
  assert_string_equal(r->cache_control, "public, max-age=31536000, immutable");
  assert_string_equal(ask(f, "/favicon.svg", "br")->cache_control, "no-cache");
}

static void fonts_go_out_as_they_are(void **state)
{
  fixture *f = *state;
  const gs_assets_reply *r = ask(f, "/assets/f.woff2", "br, gzip");
  assert_int_equal(r->status, 200);
  assert_no_encoding(r);
  assert_false(r->vary);
  assert_string_equal(r->etag, "\"ffff\"");
  assert_body(r, "wOF2\x01\x02");
  assert_null(r->owned.data);
}

static void the_best_accepted_encoding_is_chosen(void **state)
{
  fixture *f = *state;
  static const struct {
    const char *accept, *encoding;
  } cases[] = {
    { "br", "br" },
    { "gzip", "gzip" },
    { "GZIP", "gzip" },
    { "x-gzip", "gzip" },
    { "gzip, br", "br" },
    { "gzip;q=1.0, br;q=0.5", "gzip" },
    { "gzip;q=0.5, br;q=0.5", "br" },
    { "br;q=0, gzip", "gzip" },
    { "br;q=0.0, gzip;q=0", NULL },
    { "*", "br" },
    { "*;q=0", NULL },
    { "br;q=0, *", "gzip" },
    { "identity", NULL },
    { "identity;q=1, gzip;q=0.5", NULL },
    { "deflate, zstd", NULL },
    { "", NULL },
    { ", ,;q=1,br", "br" },
    { "gzip;q=banana", "gzip" },
    { "gzip ; q=0.8", "gzip" },
    { "bro", NULL },
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    const gs_assets_reply *r = ask(f, "/", cases[i].accept);
    assert_int_equal(r->status, 200);
    if (cases[i].encoding == NULL)
      assert_no_encoding(r);
    else
      assert_string_equal(r->encoding, cases[i].encoding);
  }
  /* Only gzip is in the pack: a client that takes br alone gets it plain. */
  assert_no_encoding(ask(f, "/favicon.svg", "br"));
  assert_body(&f->reply, "<svg/>");
}

static void a_client_without_encodings_gets_plain_text(void **state)
{
  fixture *f = *state;
  const gs_assets_reply *r = ask(f, "/", NULL);
  assert_no_encoding(r);
  assert_string_equal(r->etag, "\"dddd\"");
  assert_true(r->vary);
  assert_body(r, "<p>home");
  assert_non_null(r->owned.data);
}

static void a_known_etag_gets_304_in_every_form(void **state)
{
  fixture *f = *state;
  static const char *const same[] = { "\"dddd\"", "\"dddd-br\"", "\"dddd-gz\"", "W/\"dddd-br\"", "*",
                                      "\"zzzz\", \"dddd\"", " \"a\" , W/\"dddd-gz\" " };
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
    const gs_assets_reply *r = ask_if(f, "/", "br", same[i]);
    assert_int_equal(r->status, 304);
    assert_int_equal(r->body.len, 0);
    assert_string_equal(r->etag, "\"dddd-br\"");
    assert_string_equal(r->cache_control, "no-cache");
    assert_null(r->mime);
    assert_no_encoding(r);
  }
  static const char *const other[] = { "\"ddd\"", "\"ddddd\"", "dddd", "\"dddd", "\"dddd-xx\"", "\"\"", "\"", "W/", "" };
  for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
    assert_int_equal(ask_if(f, "/", "br", other[i])->status, 200);
}

static void what_is_not_in_the_pack_is_not_found(void **state)
{
  fixture *f = *state;
  static const char *const paths[] = { "", "index.html", "/nope", "/assets", "/assets/", "/assets/a-1.jsx", "/../index.html",
                                       "//index.html", "/%69ndex.html", "/zzz", "/INDEX.HTML" };
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    const gs_assets_reply *r = ask(f, paths[i], "br");
    assert_int_equal(r->status, 404);
    assert_string_equal(r->mime, "text/plain; charset=utf-8");
    assert_true(r->body.len > 0);
  }
  char path[4000];
  memset(path, 'a', sizeof path);
  path[0] = '/';
  path[sizeof path - 1] = '\0';
  assert_int_equal(ask(f, path, NULL)->status, 404);
  gs_assets_reply_finish(&f->reply);
  gs_assets_request request = { .path = { (const uint8_t *)"/index.html\0x", 13 } };
  gs_assets_find(&f->assets, &request, &f->reply);
  assert_int_equal(f->reply.status, 404);
}

static void without_a_pack_a_page_says_how_to_build_it(void **state)
{
  (void)state;
  fixture f = { 0 };
  assert_int_equal(gs_assets_embedded().len, 0);
  assert_int_equal(gs_assets_open(&f.assets, NULL, gs_assets_embedded(), NULL), GESSO_OK);
  const gs_assets_reply *r = ask(&f, "/", "br");
  assert_int_equal(r->status, 200);
  assert_no_encoding(r);
  assert_non_null(r->csp);
  assert_string_equal(r->cache_control, "no-store");
  char *page = strndup((const char *)r->body.data, r->body.len);
  assert_non_null(strstr(page, "tools/pack.mjs"));
  free(page);
  assert_int_equal(ask(&f, "/b/x", NULL)->status, 200);
  assert_int_equal(ask(&f, "/assets/a-1.js", NULL)->status, 404);
  gs_assets_reply_finish(&f.reply);
  gs_assets_close(&f.assets);
}

static gesso_status open_bytes(gesso_bytes pack)
{
  gs_assets assets = { 0 };
  gesso_status s = gs_assets_open(&assets, NULL, pack, NULL);
  gs_assets_close(&assets);
  return s;
}

static void a_damaged_pack_is_refused(void **state)
{
  fixture *f = *state;
  gesso_bytes pack = { f->pack.data, f->pack.len };
  for (size_t n = 1; n < pack.len; n++) {
    /* An exact copy, so that a read past the end is seen by the sanitizer. */
    uint8_t *copy = malloc(n);
    memcpy(copy, pack.data, n);
    assert_int_equal(open_bytes((gesso_bytes){ copy, n }), GESSO_E_CORRUPT);
    free(copy);
  }
  size_t entry0 = HEAD_SIZE, entry1 = HEAD_SIZE + ENTRY_SIZE;
  static const uint32_t wild[] = { 0x7fffffff, 0xffffffff, 0x80000000 };
  for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++) {
    for (size_t field = 0; field < 24; field += 4) {
      uint32_t before;
      memcpy(&before, pack.data + entry1 + field, 4);
      set32(pack, entry1 + field, wild[i]);
      assert_int_equal(open_bytes(pack), GESSO_E_CORRUPT);
      memcpy((uint8_t *)(uintptr_t)pack.data + entry1 + field, &before, 4);
    }
    for (size_t field = 8; field < 16; field += 4) {
      uint32_t before;
      memcpy(&before, pack.data + field, 4);
      set32(pack, field, wild[i]);
      assert_int_equal(open_bytes(pack), GESSO_E_CORRUPT);
      memcpy((uint8_t *)(uintptr_t)pack.data + field, &before, 4);
    }
  }
  /* A body that lies inside the index. */
  set32(pack, entry0 + 12, 0);
  assert_int_equal(open_bytes(pack), GESSO_E_CORRUPT);
}

static void a_pack_of_another_format_is_told_apart(void **state)
{
  fixture *f = *state;
  f->pack.data[7] = '2';
  assert_int_equal(open_bytes((gesso_bytes){ f->pack.data, f->pack.len }), GESSO_E_VERSION);
}

static void a_pack_that_breaks_its_rules_is_refused(void **state)
{
  (void)state;
  static const struct {
    part parts[2];
    uint32_t count;
  } bad[] = {
    { { { "/b", HTML, "e", 1, 0, "x" }, { "/a", HTML, "e", 1, 0, "x" } }, 2 }, /* not sorted */
    { { { "/a", HTML, "e", 1, 0, "x" }, { "/a", HTML, "e", 1, 0, "x" } }, 2 }, /* twice */
    { { { "/a", HTML, "e", 2, 0, "x" } }, 1 },                                /* only brotli */
    { { { "/a", HTML, "e", 1, 0, "x" }, { "/b", HTML, "e", 2, 0, "x" } }, 2 }, /* only brotli, second */
    { { { "/a", HTML, "e", 1, 0, "x" }, { "/a", HTML, "f", 2, 0, "x" } }, 2 }, /* two contents */
    { { { "/a", HTML, "e", 1, 0, "x" }, { "/a", HTML, "e", 2, 0, "xy" } }, 2 }, /* two lengths */
    { { { "a", HTML, "e", 1, 0, "x" } }, 1 },                                 /* no slash */
    { { { "/a", HTML, "", 1, 0, "x" } }, 1 },                                 /* no etag */
    { { { "/a", HTML, "a\"b", 1, 0, "x" } }, 1 },                             /* breaks out of its header */
    { { { "/a", "text/html\r\nX: y", "e", 1, 0, "x" } }, 1 },
    { { { "/a", HTML, "0123456789012345678901234567890123456789", 1, 0, "x" } }, 1 },
    { { { "/a", HTML, "e", 3, 0, "x" } }, 1 },                                /* unknown encoding */
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    gesso_buffer pack = pack_of(bad[i].parts, bad[i].count);
    assert_int_equal(open_bytes((gesso_bytes){ pack.data, pack.len }), GESSO_E_CORRUPT);
    gesso_buffer_free(&pack);
  }
}

static void a_body_that_does_not_decode_is_an_error_of_the_server(void **state)
{
  fixture *f = *state;
  size_t entry = HEAD_SIZE + 5 * ENTRY_SIZE; /* favicon.svg */
  uint32_t raw_len = (uint32_t)strlen("<svg/>");
  gesso_bytes pack = { f->pack.data, f->pack.len };
  for (int step = -1; step <= 1; step += 2) {
    set32(pack, entry + 20, raw_len + (uint32_t)step);
    assert_int_equal(ask(f, "/favicon.svg", NULL)->status, 500);
    assert_null(f->reply.owned.data);
  }
  set32(pack, entry + 20, raw_len);
  assert_int_equal(ask(f, "/favicon.svg", NULL)->status, 200);
  uint32_t body;
  memcpy(&body, pack.data + entry + 12, 4);
  f->pack.data[body + 12] ^= 0x55;
  assert_int_equal(ask(f, "/favicon.svg", NULL)->status, 500);
}

static void *no_memory(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  (void)ctx;
  (void)old_size;
  if (new_size == 0)
    free(ptr);
  return NULL;
}

static void a_want_of_memory_is_an_error_of_the_server(void **state)
{
  fixture *f = *state;
  static const gesso_allocator none = { no_memory, NULL };
  f->assets.alloc = &none;
  assert_int_equal(ask(f, "/", NULL)->status, 500);
  assert_int_equal(ask(f, "/", "gzip")->status, 200);
  f->assets.alloc = NULL;
}

/* ---- a folder ---- */

typedef struct folder {
  char root[64], web[80];
  fixture f;
} folder;

static void write_file(const char *base, const char *name, const char *words)
{
  char path[256];
  snprintf(path, sizeof path, "%s/%s", base, name);
  FILE *out = fopen(path, "w");
  assert_non_null(out);
  fputs(words, out);
  fclose(out);
}

static void make_folder(const char *base, const char *name)
{
  char path[256];
  snprintf(path, sizeof path, "%s/%s", base, name);
  assert_int_equal(mkdir(path, 0700), 0);
}

static int open_folder(void **state)
{
  folder *d = calloc(1, sizeof *d);
  strcpy(d->root, "/tmp/gesso-assets-XXXXXX");
  assert_non_null(mkdtemp(d->root));
  snprintf(d->web, sizeof d->web, "%s/web", d->root);
  make_folder(d->root, "web");
  make_folder(d->web, "assets");
  write_file(d->root, "secret.html", "secret");
  write_file(d->web, "index.html", "<p>home");
  write_file(d->web, "board.html", "<p>board");
  write_file(d->web, ".hidden", "secret");
  write_file(d->web, "assets/a.js", "1");
  write_file(d->web, "empty.txt", "");
  char path[256];
  snprintf(path, sizeof path, "%s/link.html", d->web);
  assert_int_equal(symlink("../secret.html", path), 0);
  snprintf(path, sizeof path, "%s/out", d->web);
  assert_int_equal(symlink("..", path), 0);
  snprintf(path, sizeof path, "%s/pipe", d->web);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(gs_assets_open(&d->f.assets, NULL, (gesso_bytes){ 0 }, d->web), GESSO_OK);
  *state = d;
  return 0;
}

static int close_folder(void **state)
{
  folder *d = *state;
  gs_assets_reply_finish(&d->f.reply);
  gs_assets_close(&d->f.assets);
  static const char *const files[] = { "web/index.html", "web/board.html", "web/.hidden", "web/assets/a.js", "web/empty.txt",
                                       "web/link.html", "web/out", "web/pipe", "secret.html" };
  char path[256];
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
    snprintf(path, sizeof path, "%s/%s", d->root, files[i]);
    unlink(path);
  }
  snprintf(path, sizeof path, "%s/assets", d->web);
  rmdir(path);
  rmdir(d->web);
  rmdir(d->root);
  free(d);
  return 0;
}

static void a_folder_takes_the_place_of_the_pack(void **state)
{
  folder *d = *state;
  const gs_assets_reply *r = ask(&d->f, "/", "br, gzip");
  assert_int_equal(r->status, 200);
  assert_no_encoding(r);
  assert_string_equal(r->mime, HTML);
  assert_string_equal(r->cache_control, "no-cache");
  assert_non_null(r->csp);
  assert_false(r->vary);
  assert_body(r, "<p>home");
  assert_body(ask(&d->f, "/b/x", NULL), "<p>board");
  r = ask(&d->f, "/assets/a.js", NULL);
  assert_body(r, "1");
  assert_string_equal(r->mime, JS);
  assert_null(r->csp);
  assert_int_equal(ask(&d->f, "/empty.txt", NULL)->status, 200);
  assert_int_equal(d->f.reply.body.len, 0);
}

static void a_folder_never_leads_out_of_itself(void **state)
{
  folder *d = *state;
  static const char *const paths[] = {
    "/../secret.html", "/assets/../../secret.html", "/./index.html", "/assets/../index.html", "//index.html", "/assets//a.js",
    "/link.html", "/out/secret.html", "/.hidden", "/assets", "/assets/", "/pipe", "/index.html/", "/index.html/x",
    "/%2e%2e/secret.html", "/..", "/.", "/nope", "/nope/nope",
  };
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
    assert_int_equal(ask(&d->f, paths[i], NULL)->status, 404);
}

static void a_changed_file_has_another_etag(void **state)
{
  folder *d = *state;
  char etag[GS_ASSETS_ETAG_MAX];
  strcpy(etag, ask(&d->f, "/", NULL)->etag);
  assert_int_equal(ask_if(&d->f, "/", NULL, etag)->status, 304);
  assert_int_equal(d->f.reply.body.len, 0);
  write_file(d->web, "index.html", "<p>another home");
  const gs_assets_reply *r = ask_if(&d->f, "/", NULL, etag);
  assert_int_equal(r->status, 200);
  assert_string_not_equal(r->etag, etag);
  assert_body(r, "<p>another home");
}

static void a_folder_that_is_not_there_is_refused(void **state)
{
  folder *d = *state;
  gs_assets assets = { 0 };
  char path[128];
  snprintf(path, sizeof path, "%s/nope", d->root);
  assert_int_equal(gs_assets_open(&assets, NULL, (gesso_bytes){ 0 }, path), GESSO_E_IO);
  snprintf(path, sizeof path, "%s/secret.html", d->root);
  assert_int_equal(gs_assets_open(&assets, NULL, (gesso_bytes){ 0 }, path), GESSO_E_IO);
  gs_assets_close(&assets);
  gs_assets zeroed = { 0 };
  gs_assets_close(&zeroed);
}

int main(void)
{
#define WITH_SITE(test) cmocka_unit_test_setup_teardown(test, open_site, close_site)
#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, open_folder, close_folder)
  const struct CMUnitTest tests[] = {
    WITH_SITE(home_and_boards_are_pages),
    WITH_SITE(pages_carry_a_strict_policy_and_files_none),
    WITH_SITE(hashed_files_are_kept_for_ever),
    WITH_SITE(fonts_go_out_as_they_are),
    WITH_SITE(the_best_accepted_encoding_is_chosen),
    WITH_SITE(a_client_without_encodings_gets_plain_text),
    WITH_SITE(a_known_etag_gets_304_in_every_form),
    WITH_SITE(what_is_not_in_the_pack_is_not_found),
    cmocka_unit_test(without_a_pack_a_page_says_how_to_build_it),
    WITH_SITE(a_damaged_pack_is_refused),
    WITH_SITE(a_pack_of_another_format_is_told_apart),
    cmocka_unit_test(a_pack_that_breaks_its_rules_is_refused),
    WITH_SITE(a_body_that_does_not_decode_is_an_error_of_the_server),
    WITH_SITE(a_want_of_memory_is_an_error_of_the_server),
    WITH_FOLDER(a_folder_takes_the_place_of_the_pack),
    WITH_FOLDER(a_folder_never_leads_out_of_itself),
    WITH_FOLDER(a_changed_file_has_another_etag),
    WITH_FOLDER(a_folder_that_is_not_there_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
