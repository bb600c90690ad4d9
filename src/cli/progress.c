#include "cli/progress.h"

#include "cli/fileio.h"
#include "port/names.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char first_line[] = "gesso import 1\n";

static bool path_of(const char *folder, char out[PATH_MAX])
{
  return (size_t)snprintf(out, PATH_MAX, "%s/import.progress", folder) < PATH_MAX;
}

void gs_import_progress_init(gs_import_progress *p)
{
  *p = (gs_import_progress){ .source = gs_buf_make(NULL), .last = gs_buf_make(NULL) };
}

void gs_import_progress_finish(gs_import_progress *p)
{
  gs_buf_finish(&p->source);
  gs_buf_finish(&p->last);
}

/* One line in one percent-encoded part, whatever the bytes are. */
static void write_line(gs_buf *out, const char *key, gesso_bytes value)
{
  gs_buf_puts(out, key);
  gs_port_encode_name(value, out);
  gs_buf_put(out, '\n');
}

static bool read_line(gs_buf *file, size_t *at, const char *key, gs_buf *value)
{
  size_t n = strlen(key);
  const uint8_t *line = file->b.data + *at, *end = memchr(line, '\n', file->b.len - *at);
  if (end == NULL || (size_t)(end - line) < n || memcmp(line, key, n) != 0)
    return false;
  *at += (size_t)(end - line) + 1;
  gs_buf_clear(value);
  return gs_port_decode_name((gesso_bytes){ line + n, (size_t)(end - line) - n }, value);
}

bool gs_import_progress_load(const char *folder, gs_import_progress *p)
{
  char path[PATH_MAX];
  if (!path_of(folder, path) || access(path, R_OK) != 0)
    return false;
  gs_buf file = gs_buf_make(NULL), counts = gs_buf_make(NULL);
  size_t at = sizeof first_line - 1;
  bool ok = gs_cli_read_file("gesso import", path, &file) && file.b.len > at && memcmp(file.b.data, first_line, at) == 0 &&
            read_line(&file, &at, "source ", &p->source) && read_line(&file, &at, "last ", &p->last) &&
            read_line(&file, &at, "counts ", &counts);
  gs_buf_put(&counts, '\0');
  char *c = (char *)counts.b.data;
  for (int i = 0; ok && counts.err == GESSO_OK && i < GS_IMPORT_RESULTS; i++)
    p->counts[i] = strtoull(c, &c, 10);
  ok = ok && counts.err == GESSO_OK;
  gs_buf_finish(&file);
  gs_buf_finish(&counts);
  return ok;
}

bool gs_import_progress_save(const char *who, const char *folder, const gs_import_progress *p)
{
  char path[PATH_MAX];
  gs_buf out = gs_buf_make(NULL), counts = gs_buf_make(NULL);
  for (int i = 0; i < GS_IMPORT_RESULTS; i++)
    gs_buf_printf(&counts, "%llu ", (unsigned long long)p->counts[i]);
  gs_buf_puts(&out, first_line);
  write_line(&out, "source ", gs_buf_bytes(&p->source));
  write_line(&out, "last ", gs_buf_bytes(&p->last));
  write_line(&out, "counts ", gs_buf_bytes(&counts));
  bool ok = path_of(folder, path) && out.err == GESSO_OK && counts.err == GESSO_OK &&
            gs_cli_write_file(who, path, gs_buf_bytes(&out));
  gs_buf_finish(&out);
  gs_buf_finish(&counts);
  return ok;
}

void gs_import_progress_remove(const char *folder)
{
  char path[PATH_MAX];
  if (path_of(folder, path))
    (void)unlink(path);
}
