/* gesso check|repair|backup|restore|compact: whole data folders. */
#include "cli/cli.h"

#include "base/clock.h"
#include "cli/folder.h"
#include "store/backup.h"
#include "store/check.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPT_JSON = 1000, OPT_REPLACE, OPT_NO_CHECK };

typedef struct tool_args {
  const char *arg[2];
  int arg_count, args_wanted;
  const char *args_doc;
  bool json, quiet, replace, no_check;
} tool_args;

static error_t parse(int key, char *arg, struct argp_state *state)
{
  tool_args *args = state->input;
  switch (key) {
  case OPT_JSON:
    args->json = true;
    return 0;
  case 'q':
    args->quiet = true;
    return 0;
  case OPT_REPLACE:
    args->replace = true;
    return 0;
  case OPT_NO_CHECK:
    args->no_check = true;
    return 0;
  case ARGP_KEY_ARG:
    if (args->arg_count == args->args_wanted)
      argp_error(state, "'%s' is one argument too many", arg);
    args->arg[args->arg_count++] = arg;
    return 0;
  case ARGP_KEY_END:
    if (args->arg_count < args->args_wanted)
      argp_error(state, "it wants %s", args->args_doc);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static bool take_args(int argc, char **argv, const struct argp_option *options, const char *args_doc, int wanted,
                      const char *doc, tool_args *args)
{
  struct argp argp = { options, parse, args_doc, doc, NULL, NULL, NULL };
  *args = (tool_args){ .args_wanted = wanted, .args_doc = args_doc };
  argp_err_exit_status = GS_EXIT_USAGE;
  return argp_parse(&argp, argc, argv, 0, NULL, args) == 0;
}

static int failed(const char *who, const char *folder, gesso_status s, gesso_buffer *why)
{
  const char *text = gesso_status_text(s);
  fprintf(stderr, "%s: %s: %.*s\n", who, folder, why->data != NULL ? (int)why->len : (int)strlen(text),
          why->data != NULL ? (const char *)why->data : text);
  gesso_buffer_free(why);
  return GS_EXIT_FAILED;
}

static unsigned long long n(uint64_t x)
{
  return (unsigned long long)x;
}

/* ---- check and repair -------------------------------------------------------------------------- */

typedef struct watcher {
  const char *who;
  bool bar, shown; /* on a terminal: a line that is written over and over */
  uint64_t shown_ms;
  json_t *rows;
} watcher;

static void clear_bar(watcher *w)
{
  if (w->shown)
    fputs("\r\033[K", stderr);
  w->shown = false;
}

static void progress(void *ctx, uint64_t done, uint64_t total)
{
  watcher *w = ctx;
  uint64_t now = gs_clock_mono_ms(NULL);
  if (!w->bar || total == 0 || now < w->shown_ms + 100)
    return;
  char bar[41];
  int full = (int)(done * 40 / total);
  for (int i = 0; i < 40; i++)
    bar[i] = i < full ? '#' : '.';
  bar[40] = '\0';
  fprintf(stderr, "\r\033[K[%s] %llu of %llu boards", bar, n(done), n(total));
  (void)fflush(stderr);
  w->shown = true;
  w->shown_ms = now;
}

static void found(void *ctx, const gs_finding *f)
{
  watcher *w = ctx;
  clear_bar(w);
  if (w->rows != NULL) {
    json_t *board = f->board.len == 0 ? json_null() : json_stringn((const char *)f->board.data, f->board.len);
    (void)json_array_append_new(w->rows, json_pack("{s:s, s:I, s:o, s:s}", "table", gs_table_name(f->table), "key",
                                                   (json_int_t)f->key, "board", board, "why", f->why));
    return;
  }
  printf("%s", gs_table_name(f->table));
  if (f->table == GS_TABLE_JOURNAL || f->table == GS_TABLE_ASIDE || f->table == GS_TABLE_HISTORY)
    printf(" %llu", n(f->key));
  if (f->board.len != 0) {
    fputs(" of '", stdout);
    gs_cli_print_name(f->board);
    putchar('\'');
  }
  printf(": %s\n", f->why);
}

int gs_cli_check(int argc, char **argv)
{
  static const struct argp_option options[] = {
    { "json", OPT_JSON, NULL, 0, "Print JSON", 0 },
    { "quiet", 'q', NULL, 0, "No bar that shows how far it is", 0 },
    { 0 },
  };
  tool_args args;
  if (!take_args(argc, argv, options, "DIR", 1,
                 "Read every row of a data folder and tell what is damaged."
                 "\vChecksums, decoding, state vectors, the order of the journal, versions, rows that belong to nobody, and "
                 "the database file itself. Works while a server has the folder open, and changes nothing. The exit status "
                 "is 0 when all is well and 1 when something was found or could not be read; 'gesso repair' moves what was "
                 "found out of the way.",
                 &args))
    return GS_EXIT_USAGE;
  watcher w = { .who = "gesso check", .bar = !args.quiet && isatty(STDERR_FILENO), .rows = args.json ? json_array() : NULL };
  gs_check_watch watch = { found, progress, &w };
  gs_check_counts c;
  gesso_buffer why = { 0 };
  gesso_status s = gs_check(args.arg[0], 0, &watch, &c, &why);
  clear_bar(&w);
  if (s == GESSO_OK && args.json) {
    json_t *all = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "boards", (json_int_t)c.boards, "deleted",
                            (json_int_t)c.deleted, "states", (json_int_t)c.states, "rows", (json_int_t)c.rows, "aside",
                            (json_int_t)c.aside_rows, "versions", (json_int_t)c.versions, "quarantined",
                            (json_int_t)c.quarantined, "bytes", (json_int_t)c.bytes, "findings", w.rows);
    (void)json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
  } else if (s == GESSO_OK) {
    printf("%llu boards (%llu deleted): %llu states, %llu journal rows, %llu set aside, %llu versions, %llu bytes read. ",
           n(c.boards), n(c.deleted), n(c.states), n(c.rows), n(c.aside_rows), n(c.versions), n(c.bytes));
    if (c.findings == 0)
      puts("All is well.");
    else
      printf("%llu rows are damaged.\n", n(c.findings));
    if (c.quarantined != 0)
      printf("%llu rows are in quarantine since an earlier repair.\n", n(c.quarantined));
  }
  json_decref(w.rows);
  if (s != GESSO_OK)
    return failed("gesso check", args.arg[0], s, &why);
  return c.findings == 0 ? GS_EXIT_OK : GS_EXIT_FAILED;
}

int gs_cli_repair(int argc, char **argv)
{
  static const struct argp_option options[] = {
    { "quiet", 'q', NULL, 0, "No bar that shows how far it is", 0 }, { 0 },
  };
  tool_args args;
  if (!take_args(argc, argv, options, "DIR", 1,
                 "Move damaged rows of a data folder into quarantine, so that their boards can be read again."
                 "\vNothing is dropped: the table 'quarantine' keeps each row with everything that is known of it. A board "
                 "that loses its state by that gets its newest readable version instead. Nobody may have the folder open. "
                 "Make a copy of the folder first.",
                 &args))
    return GS_EXIT_USAGE;
  watcher w = { .who = "gesso repair", .bar = !args.quiet && isatty(STDERR_FILENO) };
  gs_check_watch watch = { found, progress, &w };
  gs_repair_counts c;
  gesso_buffer why = { 0 };
  gesso_status s = gs_repair(args.arg[0], 0, &watch, &c, &why);
  clear_bar(&w);
  if (s != GESSO_OK)
    return failed("gesso repair", args.arg[0], s, &why);
  if (c.moved == 0) {
    puts("There was nothing to repair.");
    return GS_EXIT_OK;
  }
  printf("%llu rows went to quarantine.", n(c.moved));
  if (c.replaced != 0)
    printf(" %llu boards are what their newest version says.", n(c.replaced));
  if (c.emptied != 0)
    printf(" %llu boards had no version; what their journal holds is left of them.", n(c.emptied));
  putchar('\n');
  return GS_EXIT_OK;
}

/* ---- backup and restore ------------------------------------------------------------------------ */

/* A copy that nobody has read is none. */
static bool is_sound(const char *who, const char *folder)
{
  watcher w = { .who = who };
  gs_check_watch watch = { found, NULL, &w };
  gs_check_counts c;
  gesso_buffer why = { 0 };
  gesso_status s = gs_check(folder, 0, &watch, &c, &why);
  if (s != GESSO_OK)
    (void)failed(who, folder, s, &why);
  else if (c.findings != 0)
    fprintf(stderr, "%s: %s: %llu rows are damaged; 'gesso repair' moves them out of the way\n", who, folder, n(c.findings));
  return s == GESSO_OK && c.findings == 0;
}

int gs_cli_backup(int argc, char **argv)
{
  static const struct argp_option options[] = {
    { "no-check", OPT_NO_CHECK, NULL, 0, "Do not read the copy afterwards", 0 }, { 0 },
  };
  tool_args args;
  if (!take_args(argc, argv, options, "DIR OUT", 2,
                 "Copy a data folder, boards and images, into the new folder OUT."
                 "\vThe copy is of one moment and holds everything that was acknowledged before; a server may go on with "
                 "its work meanwhile. OUT appears when it is whole and on the disk, and is then read as 'gesso check' does. "
                 "It is a data folder itself: 'gesso serve --data OUT' works, 'gesso restore' copies it back.",
                 &args))
    return GS_EXIT_USAGE;
  uint64_t bytes;
  gesso_buffer why = { 0 };
  gesso_status s = gs_backup(args.arg[0], args.arg[1], &bytes, &why);
  if (s != GESSO_OK)
    return failed("gesso backup", args.arg[0], s, &why);
  printf("%s: %llu bytes.\n", args.arg[1], n(bytes));
  return args.no_check || is_sound("gesso backup", args.arg[1]) ? GS_EXIT_OK : GS_EXIT_FAILED;
}

int gs_cli_restore(int argc, char **argv)
{
  static const struct argp_option options[] = {
    { "replace", OPT_REPLACE, NULL, 0, "Move the boards that are in DIR into a folder inside it first", 0 },
    { "no-check", OPT_NO_CHECK, NULL, 0, "Do not read the backup first", 0 },
    { 0 },
  };
  tool_args args;
  if (!take_args(argc, argv, options, "BACKUP DIR", 2,
                 "Copy a backup into a data folder, which is made when it is not there."
                 "\vThe backup is read first, as 'gesso check' does. Nobody may have DIR open.",
                 &args))
    return GS_EXIT_USAGE;
  if (!args.no_check && !is_sound("gesso restore", args.arg[0]))
    return GS_EXIT_FAILED;
  gesso_buffer why = { 0 };
  gesso_status s = gs_backup_restore(args.arg[0], args.arg[1], args.replace, &why);
  if (s != GESSO_OK)
    return failed("gesso restore", args.arg[1], s, &why);
  printf("%s holds the boards of %s.\n", args.arg[1], args.arg[0]);
  return GS_EXIT_OK;
}

/* ---- compact ------------------------------------------------------------------------------------- */

typedef struct folding {
  gs_answer a;
  gesso_persistence *p;
  uint64_t waiting, folded, bad;
  uint8_t last[GESSO_BOARD_NAME_MAX];
  size_t last_len;
  bool more;
} folding;

static void folded(void *ctx, gesso_status s)
{
  folding *f = ctx;
  f->waiting--;
  f->folded += s == GESSO_OK;
  f->bad += s != GESSO_OK;
}

static void listed(void *ctx, gesso_status s, const gesso_board_info *const *boards, size_t count, int more)
{
  folding *f = ctx;
  for (size_t i = 0; s == GESSO_OK && i < count; i++) {
    f->last_len = boards[i]->board.len;
    memcpy(f->last, boards[i]->board.data, f->last_len);
    if (boards[i]->journal_updates != 0 && gesso_board_persistence_save(f->p, boards[i]->board, folded, f) == GESSO_OK)
      f->waiting++;
  }
  f->more = s == GESSO_OK && more != 0;
  gs_answer_set(&f->a, s, NULL);
}

int gs_cli_compact(int argc, char **argv)
{
  static const struct argp_option options[] = { { 0 } };
  tool_args args;
  if (!take_args(argc, argv, options, "DIR", 1,
                 "Fold all journals of a data folder and rewrite its database without gaps."
                 "\vA server does the folding by itself, and gives room back in small steps: this is for a folder that is to be "
                 "as small as it can be. Nobody may have it open. It needs room for a second copy meanwhile.",
                 &args))
    return GS_EXIT_USAGE;
  folding f = { .more = true };
  f.p = gs_cli_open("gesso compact", args.arg[0], GS_CLI_CHANGES);
  if (f.p == NULL)
    return GS_EXIT_FAILED;
  while (f.more) {
    f.a.done = false;
    (void)gs_answer_wait(&f.a, f.p, gesso_board_persistence_list(f.p, (gesso_bytes){ f.last, f.last_len }, 0, 0, listed, &f));
    if (f.a.status != GESSO_OK)
      break;
    while (f.waiting != 0)
      (void)gesso_persistence_wait(f.p, -1);
  }
  gesso_persistence_destroy(f.p);
  if (f.a.status != GESSO_OK) {
    fprintf(stderr, "gesso compact: %s: %s\n", args.arg[0], f.a.message);
    return GS_EXIT_FAILED;
  }
  uint64_t before, after;
  gesso_buffer why = { 0 };
  gesso_status s = gs_store_vacuum(args.arg[0], &before, &after, &why);
  if (s != GESSO_OK)
    return failed("gesso compact", args.arg[0], s, &why);
  printf("%llu boards folded. The database has %llu bytes; it had %llu.\n", n(f.folded), n(after), n(before));
  if (f.bad != 0)
    fprintf(stderr, "gesso compact: %llu boards cannot be read; 'gesso check' tells why\n", n(f.bad));
  return f.bad == 0 ? GS_EXIT_OK : GS_EXIT_FAILED;
}
