/* gesso export: boards as files that others read. Works beside a server. */
#include "cli/cli.h"

#include "base/clock.h"
#include "cli/fileio.h"
#include "cli/folder.h"
#include "gesso/update.h"
#include "port/content.h"
#include "port/excalidraw.h"
#include "port/hocuspocus.h"
#include "port/names.h"
#include "server/images.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char who[] = "gesso export";

enum { OPT_TO = 1000, OPT_FORCE };

typedef enum target { TO_NONE, TO_V1, TO_V2, TO_JSON, TO_EXCALIDRAW, TO_HOCUSPOCUS } target;

static const char *const target_names[] = { NULL, "v1", "v2", "json", "excalidraw", "hocuspocus" };
static const char *const endings[] = { NULL, ".bin", ".v2", ".json", ".excalidraw", NULL };

typedef struct exporter {
  const char *folder, *out;
  char **boards;
  int board_count;
  target to;
  bool force, quiet;

  gesso_persistence *p;
  gs_hocuspocus_writer *database;
  char temporary[PATH_MAX]; /* where the database is written */
  uint64_t written, failed;
  bool bar, shown;
  uint64_t shown_ms;
} exporter;

/* ---- telling ----------------------------------------------------------------------------------- */

static void clear_bar(exporter *ex)
{
  if (ex->shown)
    fputs("\r\033[K", stderr);
  ex->shown = false;
}

static void show_bar(exporter *ex)
{
  uint64_t now = gs_clock_mono_ms(NULL);
  if (!ex->bar || now < ex->shown_ms + 100)
    return;
  fprintf(stderr, "\r\033[K%llu boards", (unsigned long long)ex->written);
  (void)fflush(stderr);
  ex->shown = true;
  ex->shown_ms = now;
}

static bool failed(exporter *ex, gesso_bytes board, const char *why)
{
  clear_bar(ex);
  ex->failed++;
  (void)fflush(stdout);
  fprintf(stderr, "%s: '", who);
  for (size_t i = 0; i < board.len; i++)
    fputc(board.data[i] < ' ' || board.data[i] == 0x7f ? '?' : board.data[i], stderr);
  fprintf(stderr, "': %s\n", why);
  return false;
}

/* ---- files ------------------------------------------------------------------------------------- */

/* Makes the folders that the path goes through, beginning after the first `from` bytes. */
static bool make_folders(char *path, size_t from)
{
  for (char *c = path + from; *c != '\0'; c++) {
    if (*c != '/')
      continue;
    *c = '\0';
    bool ok = mkdir(path, 0777) == 0 || errno == EEXIST;
    *c = '/';
    if (!ok)
      return false;
  }
  return true;
}

static bool write_file(exporter *ex, gesso_bytes board, gesso_bytes bytes)
{
  gs_buf path = gs_buf_make(NULL);
  char why[400];
  gs_buf_puts(&path, ex->out);
  gs_buf_put(&path, '/');
  size_t from = path.b.len;
  gs_port_encode_name(board, &path);
  gs_buf_puts(&path, endings[ex->to]);
  gs_buf_put(&path, '\0');
  bool ok = path.err == GESSO_OK;
  char *file = (char *)path.b.data;
  if (!ok) {
    (void)failed(ex, board, "out of memory");
  } else if (!ex->force && access(file, F_OK) == 0) {
    (void)snprintf(why, sizeof why, "%.300s is there already; --force replaces it", file);
    ok = failed(ex, board, why);
  } else if (!make_folders(file, from)) {
    (void)snprintf(why, sizeof why, "%.300s cannot be made: %s", file, strerror(errno));
    ok = failed(ex, board, why);
  } else if (!gs_cli_write_file(who, file, bytes)) {
    ex->failed++; /* said already */
    ok = false;
  }
  gs_buf_finish(&path);
  return ok;
}

static bool get_image(void *ctx, gesso_bytes hash, gs_buf *out, const char **mime)
{
  const exporter *ex = ctx;
  gesso_buffer image = { 0 };
  gs_image_type type;
  bool ok = gs_image_file_get(ex->folder, hash, &image, &type) == GESSO_OK && type != GS_IMAGE_NONE;
  if (ok)
    gs_buf_write(out, image.data, image.len);
  gesso_buffer_free(&image);
  *mime = gs_image_mime(type);
  return ok && out->err == GESSO_OK;
}

static bool write_drawing(exporter *ex, gesso_bytes board, gesso_doc *doc)
{
  gs_drawing_images images = { NULL, get_image, ex };
  gs_drawing_counts c;
  gs_buf out = gs_buf_make(NULL);
  gesso_status s = gs_drawing_write(doc, &images, &out, &c);
  bool ok = s == GESSO_OK ? write_file(ex, board, gs_buf_bytes(&out))
                          : failed(ex, board, s == GESSO_E_NOTFOUND ? "it is no drawing: there is no map 'elements' in it"
                                                                    : gesso_status_text(s));
  if (ok && c.refused + c.images_missing != 0) {
    char why[200];
    (void)snprintf(why, sizeof why, "%llu shapes that are none were left out, %llu images are missing",
                   (unsigned long long)c.refused, (unsigned long long)c.images_missing);
    ok = failed(ex, board, why);
  }
  gs_buf_finish(&out);
  return ok;
}

static bool write_json(exporter *ex, gesso_bytes board, gesso_doc *doc)
{
  gs_buf out = gs_buf_make(NULL);
  gesso_status s = gs_content_to_json(doc, &out);
  bool ok = s == GESSO_OK ? write_file(ex, board, gs_buf_bytes(&out)) : failed(ex, board, gesso_status_text(s));
  gs_buf_finish(&out);
  return ok;
}

static bool write_v2(exporter *ex, gesso_bytes board, gesso_bytes update)
{
  gesso_buffer v2 = { 0 };
  gesso_status s = gesso_update_v1_to_v2(update, &v2, NULL);
  bool ok = s == GESSO_OK ? write_file(ex, board, (gesso_bytes){ v2.data, v2.len }) : failed(ex, board, gesso_status_text(s));
  gesso_buffer_free(&v2);
  return ok;
}

static bool write_row(exporter *ex, gesso_bytes board, gesso_bytes update)
{
  gs_buf why = gs_buf_make(NULL);
  bool ok = gs_hocuspocus_add(ex->database, board, update, &why) == GESSO_OK;
  if (!ok)
    (void)failed(ex, board, why.b.data != NULL ? (const char *)why.b.data : "out of memory");
  gs_buf_finish(&why);
  return ok;
}

/* ---- boards ------------------------------------------------------------------------------------ */

typedef struct one {
  gs_answer a;
  exporter *ex;
  gesso_bytes board;
  bool ok;
} one;

static void got_board(void *ctx, gesso_status s, gesso_bytes update, const char *message)
{
  one *o = ctx;
  exporter *ex = o->ex;
  gs_answer_set(&o->a, s, message);
  if (s != GESSO_OK)
    return;
  if (ex->to == TO_V1) {
    o->ok = write_file(ex, o->board, update);
  } else if (ex->to == TO_V2) {
    o->ok = write_v2(ex, o->board, update);
  } else if (ex->to == TO_HOCUSPOCUS) {
    o->ok = write_row(ex, o->board, update);
  } else {
    gesso_doc *doc = gesso_doc_create(NULL);
    s = doc == NULL ? GESSO_E_NOMEM : gesso_doc_apply_v1(doc, update, NULL);
    if (s != GESSO_OK)
      (void)failed(ex, o->board, gesso_status_text(s));
    else
      o->ok = ex->to == TO_JSON ? write_json(ex, o->board, doc) : write_drawing(ex, o->board, doc);
    gesso_doc_destroy(doc);
  }
}

static void export_one(exporter *ex, gesso_bytes board)
{
  one o = { .ex = ex, .board = board };
  gesso_status s = gs_answer_wait(&o.a, ex->p, gesso_board_persistence_export(ex->p, board, 1, got_board, &o));
  if (s == GESSO_E_NOTFOUND)
    (void)failed(ex, board, "there is no such board");
  else if (s == GESSO_E_DELETED)
    (void)failed(ex, board, "the board was deleted");
  else if (s != GESSO_OK)
    (void)failed(ex, board, o.a.message);
  ex->written += o.ok;
  show_bar(ex);
}

typedef struct page {
  gs_answer a;
  gs_buf names; /* each with its length in front */
  bool more;
} page;

static void got_page(void *ctx, gesso_status s, const gesso_board_info *const *boards, size_t count, int more)
{
  page *pg = ctx;
  for (size_t i = 0; s == GESSO_OK && i < count; i++) {
    gs_buf_write(&pg->names, &boards[i]->board.len, sizeof(size_t));
    gs_buf_write(&pg->names, boards[i]->board.data, boards[i]->board.len);
  }
  pg->more = more != 0 && count != 0;
  gs_answer_set(&pg->a, s != GESSO_OK ? s : pg->names.err, NULL);
}

static bool export_all(exporter *ex)
{
  page pg = { .names = gs_buf_make(NULL), .more = true };
  uint8_t last[GESSO_BOARD_NAME_MAX];
  size_t last_len = 0;
  while (pg.more) {
    pg.a.done = false;
    gs_buf_clear(&pg.names);
    if (gs_answer_wait(&pg.a, ex->p, gesso_board_persistence_list(ex->p, (gesso_bytes){ last, last_len }, 0, 0, got_page, &pg)) !=
        GESSO_OK)
      break;
    for (size_t at = 0, n; at < pg.names.b.len; at += sizeof n + n) {
      memcpy(&n, pg.names.b.data + at, sizeof n);
      export_one(ex, (gesso_bytes){ pg.names.b.data + at + sizeof n, n });
      last_len = n;
      memcpy(last, pg.names.b.data + at + sizeof n, n);
    }
  }
  gs_buf_finish(&pg.names);
  clear_bar(ex);
  if (pg.a.status != GESSO_OK)
    fprintf(stderr, "%s: %s: %s\n", who, ex->folder, pg.a.message);
  return pg.a.status == GESSO_OK;
}

/* ---- where to ---------------------------------------------------------------------------------- */

static bool prepare(exporter *ex)
{
  if (ex->to != TO_HOCUSPOCUS) {
    struct stat st;
    if (mkdir(ex->out, 0777) == 0 || (errno == EEXIST && stat(ex->out, &st) == 0 && S_ISDIR(st.st_mode)))
      return true;
    fprintf(stderr, "%s: %s: the folder for the files cannot be made: %s\n", who, ex->out, strerror(errno));
    return false;
  }
  if (!ex->force && access(ex->out, F_OK) == 0) {
    fprintf(stderr, "%s: %s is there already; --force replaces it\n", who, ex->out);
    return false;
  }
  /* A log beside it belongs to the database that is there: the new one would be read with it. */
  if ((size_t)snprintf(ex->temporary, sizeof ex->temporary, "%s-wal", ex->out) < sizeof ex->temporary &&
      access(ex->temporary, F_OK) == 0) {
    fprintf(stderr, "%s: %s is in use, as %s says\n", who, ex->out, ex->temporary);
    ex->temporary[0] = '\0';
    return false;
  }
  if ((size_t)snprintf(ex->temporary, sizeof ex->temporary, "%s.new-%ld", ex->out, (long)getpid()) >= sizeof ex->temporary) {
    fprintf(stderr, "%s: %s: the path is too long\n", who, ex->out);
    ex->temporary[0] = '\0';
    return false;
  }
  gs_buf why = gs_buf_make(NULL);
  bool ok = gs_hocuspocus_create(ex->temporary, &ex->database, &why) == GESSO_OK;
  if (!ok)
    fprintf(stderr, "%s: %s: %s\n", who, ex->out, why.b.data != NULL ? (const char *)why.b.data : "out of memory");
  gs_buf_finish(&why);
  return ok;
}

static bool finish(exporter *ex)
{
  if (ex->to != TO_HOCUSPOCUS)
    return true;
  gs_buf why = gs_buf_make(NULL);
  bool ok = gs_hocuspocus_finish(ex->database, &why) == GESSO_OK;
  ex->database = NULL;
  if (!ok)
    fprintf(stderr, "%s: %s: %s\n", who, ex->out, why.b.data != NULL ? (const char *)why.b.data : "out of memory");
  gs_buf_finish(&why);
  if (ok && rename(ex->temporary, ex->out) != 0) {
    fprintf(stderr, "%s: %s: %s\n", who, ex->out, strerror(errno));
    ok = false;
  }
  return ok;
}

static int run(exporter *ex)
{
  ex->p = gs_cli_open(who, ex->folder, GS_CLI_READS);
  if (ex->p == NULL)
    return GS_EXIT_FAILED;
  bool ok = prepare(ex);
  if (ok && ex->board_count == 0)
    ok = export_all(ex);
  for (int i = 0; ok && i < ex->board_count; i++)
    export_one(ex, (gesso_bytes){ (const uint8_t *)ex->boards[i], strlen(ex->boards[i]) });
  clear_bar(ex);
  ok = ok && finish(ex);
  gs_hocuspocus_discard(ex->database);
  if (!ok && ex->temporary[0] != '\0')
    (void)unlink(ex->temporary);
  gesso_persistence_destroy(ex->p);
  if (!ok)
    return GS_EXIT_FAILED;
  if (!ex->quiet)
    printf("%s: %llu boards as %s.\n", ex->out, (unsigned long long)ex->written, target_names[ex->to]);
  if (ex->failed != 0)
    fprintf(stderr, "%s: %llu boards are not there, or not whole\n", who, (unsigned long long)ex->failed);
  return ex->failed == 0 ? GS_EXIT_OK : GS_EXIT_FAILED;
}

/* ---- command line ------------------------------------------------------------------------------ */

static error_t parse(int key, char *arg, struct argp_state *state)
{
  exporter *ex = state->input;
  switch (key) {
  case OPT_TO:
    for (size_t i = 1; i < GS_COUNT(target_names); i++)
      if (strcmp(arg, target_names[i]) == 0)
        ex->to = (target)i;
    if (ex->to == TO_NONE)
      argp_error(state, "--to takes v1, v2, json, excalidraw or hocuspocus, not '%s'", arg);
    return 0;
  case 'o':
    ex->out = arg;
    return 0;
  case OPT_FORCE:
    ex->force = true;
    return 0;
  case 'q':
    ex->quiet = true;
    return 0;
  case ARGP_KEY_ARGS:
    ex->folder = state->argv[state->next];
    ex->boards = state->argv + state->next + 1;
    ex->board_count = state->argc - state->next - 1;
    return 0;
  case ARGP_KEY_END:
    if (ex->folder == NULL)
      argp_error(state, "it wants DIR, the data folder");
    if (ex->to == TO_NONE || ex->out == NULL)
      argp_error(state, "it wants --to FORMAT and --output OUT");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

int gs_cli_export(int argc, char **argv)
{
  static const struct argp_option options[] = {
    { "to", OPT_TO, "FORMAT", 0, "v1, v2, json, excalidraw or hocuspocus", 0 },
    { "output", 'o', "OUT", 0, "The folder for the files, or the database file of hocuspocus", 0 },
    { "force", OPT_FORCE, NULL, 0, "Replace files that are there", 0 },
    { "quiet", 'q', NULL, 0, "Say only what went wrong", 0 },
    { 0 },
  };
  exporter ex = { 0 };
  struct argp argp = { options, parse, "DIR [BOARD...]",
                       "Write boards of the data folder DIR, all or those that are named, for others to read."
                       "\vv1 and v2: Yjs updates, a file each. json: the content without its history. excalidraw: drawings, with "
                       "their images. hocuspocus: one SQLite database, as its SQLite extension makes it. Names of files are those "
                       "of the boards, with %XX for what is no letter, digit, '-', '_' or '.'; 'gesso import OUT DIR' reads all of "
                       "them back but json. Works while a server has DIR open.",
                       NULL, NULL, NULL };
  argp_err_exit_status = GS_EXIT_USAGE;
  if (argp_parse(&argp, argc, argv, 0, NULL, &ex) != 0)
    return GS_EXIT_USAGE;
  ex.bar = !ex.quiet && isatty(STDERR_FILENO);
  return run(&ex);
}
