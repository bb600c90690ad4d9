#include "port/source.h"

#include "port/names.h"
#include "port/ysweet.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const names[GS_PORT_FORMATS] = {
  [GS_PORT_ANY] = "any",
  [GS_PORT_V1] = "v1",
  [GS_PORT_V2] = "v2",
  [GS_PORT_FOLDER] = "folder",
  [GS_PORT_HOCUSPOCUS] = "hocuspocus",
  [GS_PORT_PYCRDT] = "pycrdt",
  [GS_PORT_PYCRDT_FILE] = "pycrdt-file",
  [GS_PORT_YSWEET] = "y-sweet",
  [GS_PORT_YLEVELDB] = "y-leveldb",
  [GS_PORT_EXCALIDRAW] = "excalidraw",
};

const char *gs_port_format_name(gs_port_format format)
{
  return format < GS_PORT_FORMATS ? names[format] : "";
}

gs_port_format gs_port_format_of(const char *name)
{
  for (int i = 0; i < GS_PORT_FORMATS; i++)
    if (strcmp(name, names[i]) == 0)
      return (gs_port_format)i;
  return GS_PORT_FORMATS;
}

/* ---- files and their names --------------------------------------------------------------------- */

gesso_status gs_port_read_file(const char *path, gs_buf *out, gs_buf *why)
{
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return gs_port_because(why, errno == ENOENT ? GESSO_E_NOTFOUND : GESSO_E_IO, "it cannot be opened: %s", strerror(errno));
  gesso_status s = GESSO_OK;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
    s = gs_port_because(why, GESSO_E_IO, "it is no file");
  else if (st.st_size > GS_PORT_FILE_MAX)
    s = gs_port_because(why, GESSO_E_LIMIT, "%lld bytes are too many for one file", (long long)st.st_size);
  else if (!gs_buf_room(out, (size_t)st.st_size + 1))
    s = gs_port_because(why, GESSO_E_NOMEM, "out of memory");
  while (s == GESSO_OK && out->b.len < out->b.capacity) {
    ssize_t n = read(fd, out->b.data + out->b.len, out->b.capacity - out->b.len);
    if (n == 0)
      break;
    if (n > 0)
      out->b.len += (size_t)n;
    else if (errno != EINTR)
      s = gs_port_because(why, GESSO_E_IO, "it cannot be read: %s", strerror(errno));
  }
  (void)close(fd);
  return s;
}

static bool ends_with(gesso_bytes text, const char *end)
{
  size_t n = strlen(end);
  return text.len > n && memcmp(text.data + text.len - n, end, n) == 0;
}

void gs_port_name_of_path(const char *path, gs_buf *out)
{
  static const char *const endings[] = { ".bin", ".v1", ".v2", ".yjs", ".ydoc", ".update", ".y", ".ystore", ".excalidraw" };
  gesso_bytes name = { (const uint8_t *)path, strlen(path) };
  while (name.len > 1 && name.data[name.len - 1] == '/')
    name.len--;
  if (ends_with(name, "/data.ysweet"))
    name.len -= strlen("/data.ysweet");
  for (size_t i = 0; i < GS_COUNT(endings); i++)
    if (ends_with(name, endings[i])) {
      name.len -= strlen(endings[i]);
      break;
    }
  (void)gs_port_decode_name(name, out);
}

/* ---- which format is it ------------------------------------------------------------------------ */

static bool begins_with(gesso_bytes bytes, const char *magic, size_t n)
{
  return bytes.len >= n && memcmp(bytes.data, magic, n) == 0;
}

static gs_port_format format_of_bytes(const char *path, gesso_bytes bytes)
{
  gesso_bytes name = { (const uint8_t *)path, strlen(path) };
  if (begins_with(bytes, "VERSION:", 8))
    return GS_PORT_PYCRDT_FILE;
  if (ends_with(name, ".ysweet") || gs_ysweet_looks_like(bytes))
    return GS_PORT_YSWEET;
  size_t at = 0;
  while (at < bytes.len && (bytes.data[at] == ' ' || bytes.data[at] == '\n' || bytes.data[at] == '\r' || bytes.data[at] == '\t'))
    at++;
  if (ends_with(name, ".excalidraw") ||
      (at < bytes.len && bytes.data[at] == '{' && gs_json_check(bytes, GS_ANY_DEPTH_MAX, NULL) == GESSO_OK))
    return GS_PORT_EXCALIDRAW;
  return GS_PORT_ANY;
}

static gesso_status open_database(const char *path, gs_port_format format, gs_port_source **out, gs_buf *why)
{
  gesso_status s = GESSO_E_CORRUPT;
  if (format == GS_PORT_ANY || format == GS_PORT_PYCRDT)
    s = gs_port_open_pycrdt(path, out, why);
  if (s == GESSO_E_NOTFOUND || format == GS_PORT_HOCUSPOCUS)
    s = gs_port_open_hocuspocus(path, out, why);
  if (s == GESSO_E_NOTFOUND)
    s = gs_port_because(why, GESSO_E_CORRUPT, "it is an SQLite database, but none of Hocuspocus (a table with the columns "
                        "'name' and 'data') or pycrdt-store (a table 'yupdates')");
  return s;
}

gesso_status gs_port_open_file(const char *path, gesso_bytes name, gs_port_format format, gs_port_source **out, gs_buf *why)
{
  char magic[16] = { 0 };
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return gs_port_because(why, errno == ENOENT ? GESSO_E_NOTFOUND : GESSO_E_IO, "it cannot be opened: %s", strerror(errno));
  bool database = read(fd, magic, sizeof magic) == (ssize_t)sizeof magic && memcmp(magic, "SQLite format 3", 16) == 0;
  (void)close(fd);
  if (format == GS_PORT_HOCUSPOCUS || format == GS_PORT_PYCRDT || (format == GS_PORT_ANY && database))
    return database ? open_database(path, format, out, why)
                    : gs_port_because(why, GESSO_E_CORRUPT, "it is no SQLite database");
  gs_buf file = gs_buf_make(NULL);
  gesso_status s = gs_port_read_file(path, &file, why);
  if (s != GESSO_OK) {
    gs_buf_finish(&file);
    return s;
  }
  if (format == GS_PORT_ANY)
    format = format_of_bytes(path, gs_buf_bytes(&file));
  switch (format) {
  case GS_PORT_PYCRDT_FILE:
    return gs_port_open_pycrdt_file(path, name, &file, out, why);
  case GS_PORT_YSWEET:
    return gs_port_open_ysweet(path, name, &file, out, why);
  case GS_PORT_EXCALIDRAW:
    return gs_port_open_excalidraw(path, name, &file, out, why);
  default:
    return gs_port_open_update(path, name, format, &file, out, why);
  }
}

bool gs_port_is_leveldb(const char *path)
{
  char file[PATH_MAX];
  return (size_t)snprintf(file, sizeof file, "%s/CURRENT", path) < sizeof file && access(file, F_OK) == 0;
}

/* pycrdt-store renames a file of another version and begins a new one: store.db becomes store(1).db. */
static void look_for_older(const char *path, gs_port_source *s)
{
  char older[PATH_MAX];
  const char *slash = strrchr(path, '/'), *dot = strrchr(slash != NULL ? slash : path, '.');
  size_t stem = dot != NULL ? (size_t)(dot - path) : strlen(path);
  if ((size_t)snprintf(older, sizeof older, "%.*s(1)%s", (int)stem, path, path + stem) < sizeof older && access(older, F_OK) == 0)
    (void)snprintf(s->remark, sizeof s->remark, "There is also %.200s, which may hold what an older version stored.", older);
}

gesso_status gs_port_open(const char *path, const gs_port_options *options, gs_port_source **out, gs_buf *why)
{
  struct stat st;
  gs_port_format format = options->format;
  *out = NULL;
  if (stat(path, &st) != 0)
    return gs_port_because(why, errno == ENOENT ? GESSO_E_NOTFOUND : GESSO_E_IO, "it cannot be opened: %s", strerror(errno));
  if (S_ISDIR(st.st_mode)) {
    char own[PATH_MAX];
    if ((size_t)snprintf(own, sizeof own, "%s/gesso.db", path) < sizeof own && access(own, F_OK) == 0)
      return gs_port_because(why, GESSO_E_USAGE, "it is a data folder of gesso: 'gesso backup' copies it, 'gesso export' writes "
                             "boards that can be imported");
    if (format == GS_PORT_YLEVELDB || (format == GS_PORT_ANY && gs_port_is_leveldb(path)))
      return gs_port_open_yleveldb(path, out, why);
    if (format == GS_PORT_ANY || format == GS_PORT_FOLDER || format == GS_PORT_YSWEET)
      return gs_port_open_folder(path, out, why);
    return gs_port_because(why, GESSO_E_CORRUPT, "it is a folder, and %s is a file", names[format]);
  }
  if (format == GS_PORT_FOLDER || format == GS_PORT_YLEVELDB)
    return gs_port_because(why, GESSO_E_CORRUPT, "it is no folder");
  gs_buf name = gs_buf_make(NULL);
  char full[PATH_MAX];
  const char *shown = realpath(path, full) != NULL ? full : path;
  gesso_bytes last = { (const uint8_t *)shown, strlen(shown) };
  size_t parts = ends_with(last, "/data.ysweet") ? 2 : 1;
  for (size_t i = last.len; i > 0 && parts > 0; i--)
    if (shown[i - 1] == '/' && --parts == 0)
      shown += i;
  gs_port_name_of_path(shown, &name);
  gesso_status s = gs_port_open_file(path, gs_buf_bytes(&name), format, out, why);
  gs_buf_finish(&name);
  if (s == GESSO_OK)
    look_for_older(path, *out);
  return s;
}

/* ---- the source -------------------------------------------------------------------------------- */

void gs_port_close(gs_port_source *s)
{
  if (s == NULL)
    return;
  gs_buf_finish(&s->why);
  s->reader->close(s);
}

gesso_status gs_port_next(gs_port_source *s, gs_port_doc *d)
{
  gs_port_doc_clear(d);
  return s->reader->next(s, d);
}

void gs_port_read(gs_port_source *s, gs_port_doc *d)
{
  s->reader->read(s, d);
}

const char *gs_port_why(const gs_port_source *s)
{
  return s->why.b.len == 0 ? "it cannot be read" : gs_port_text(&s->why);
}

const char *gs_port_remark(const gs_port_source *s)
{
  return s->remark;
}

const char *gs_port_kind(const gs_port_source *s)
{
  return s->kind;
}

bool gs_port_is_single(const gs_port_source *s)
{
  return s->single;
}
