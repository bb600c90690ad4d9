/* gesso history list|show|name|restore: earlier versions of a board, without a server. list and show work beside one;
 * name and restore do not, and then say which call of its API does the same. */
#include "cli/cli.h"

#include "base/buf.h"
#include "cli/fileio.h"
#include "cli/folder.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPT_JSON = 1000 };

typedef struct history_args history_args;

typedef struct verb {
  const char *name, *args_doc, *doc;
  const struct argp_option *options;
  int args_min, args_max; /* BOARD, VERSION or NAME, NAME */
  gs_cli_access access;
  int (*run)(history_args *args, gesso_persistence *p);
} verb;

struct history_args {
  const verb *verb;
  char who[64];
  const char *folder, *out;
  const char *arg[3];
  bool json;
  int arg_count;
};

static gesso_bytes text(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

/* What a verb got. */
typedef struct outcome {
  gs_answer a;
  history_args *args;
  uint64_t id;
  gs_buf bytes;
} outcome;

static int complain(const outcome *o)
{
  const history_args *args = o->args;
  if (o->a.status == GESSO_E_NOTFOUND) {
    fprintf(stderr, "%s: there is no board '%s' in %s, or no such version of it; 'gesso history list' shows those there are\n",
            args->who, args->arg[0], args->folder);
    return GS_EXIT_FAILED;
  }
  if (o->a.status == GESSO_E_USAGE) {
    fprintf(stderr, "%s: names are 1 to %d bytes of UTF-8\n", args->who, GESSO_VERSION_NAME_MAX);
    return GS_EXIT_FAILED;
  }
  return gs_cli_complain(args->who, args->folder, args->arg[0], &o->a);
}

static bool version_of(const history_args *args, uint64_t *out)
{
  char *end;
  unsigned long long n = strtoull(args->arg[1], &end, 10);
  *out = n;
  if (end != args->arg[1] && *end == '\0' && n != 0 && args->arg[1][0] != '-')
    return true;
  fprintf(stderr, "%s: '%s' is no number of a version; 'gesso history list' shows them\n", args->who, args->arg[1]);
  return false;
}

/* ---- list ------------------------------------------------------------------------------------- */

static const char *kind_text(gesso_version_kind kind)
{
  return kind == GESSO_VERSION_NAMED ? "named" : kind == GESSO_VERSION_BEFORE_RESTORE ? "before-restore" : "auto";
}

static void got_versions(void *ctx, gesso_status s, const gesso_board_version *v, size_t count, uint64_t stored)
{
  outcome *o = ctx;
  gs_answer_set(&o->a, s, NULL);
  if (s != GESSO_OK)
    return;
  if (o->args->json) {
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++) {
      json_t *name = v[i].name.len == 0 ? json_null() : json_stringn((const char *)v[i].name.data, v[i].name.len);
      (void)json_array_append_new(
        rows, json_pack("{s:I, s:I, s:s, s:o, s:I, s:I}", "id", (json_int_t)v[i].id, "created", (json_int_t)v[i].created_ms,
                        "kind", kind_text(v[i].kind), "name", name, "bytes", (json_int_t)v[i].state_bytes, "stored",
                        (json_int_t)v[i].stored_bytes));
    }
    json_t *all = json_pack("{s:o, s:I}", "versions", rows, "stored", (json_int_t)stored);
    (void)json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
    return;
  }
  if (count == 0) {
    puts("There are no earlier versions yet.");
    return;
  }
  printf("%8s  %-19s  %12s  %12s  %s\n", "VERSION", "TIME (UTC)", "BYTES", "ON DISK", "NAME");
  for (size_t i = 0; i < count; i++) {
    char time[32];
    printf("%8llu  %-19s  %12llu  %12llu  ", (unsigned long long)v[i].id, gs_cli_time(v[i].created_ms, time),
           (unsigned long long)v[i].state_bytes, (unsigned long long)v[i].stored_bytes);
    gs_cli_print_name(v[i].name);
    puts(v[i].kind == GESSO_VERSION_BEFORE_RESTORE ? "(before a restore)" : "");
  }
  printf("All together %llu bytes on disk.\n", (unsigned long long)stored);
}

static int run_list(history_args *args, gesso_persistence *p)
{
  outcome o = { .args = args };
  (void)gs_answer_wait(&o.a, p, gesso_board_persistence_versions(p, text(args->arg[0]), got_versions, &o));
  return o.a.status == GESSO_OK ? GS_EXIT_OK : complain(&o);
}

/* ---- show ------------------------------------------------------------------------------------- */

static void got_update(void *ctx, gesso_status s, gesso_bytes update, const char *message)
{
  outcome *o = ctx;
  gs_answer_set(&o->a, s, message);
  if (s == GESSO_OK)
    gs_buf_write(&o->bytes, update.data, update.len);
}

static int run_show(history_args *args, gesso_persistence *p)
{
  outcome o = { .args = args, .bytes = gs_buf_make(NULL) };
  uint64_t id;
  if (!version_of(args, &id))
    return GS_EXIT_USAGE;
  if ((args->out == NULL || strcmp(args->out, "-") == 0) && isatty(STDOUT_FILENO)) {
    fprintf(stderr, "%s: an update is binary: name a file with -o FILE, or redirect the output\n", args->who);
    return GS_EXIT_USAGE;
  }
  int status = GS_EXIT_FAILED;
  (void)gs_answer_wait(&o.a, p, gesso_board_persistence_version_get(p, text(args->arg[0]), id, got_update, &o));
  if (o.a.status == GESSO_OK && o.bytes.err != GESSO_OK)
    gs_answer_set(&o.a, o.bytes.err, NULL);
  if (o.a.status != GESSO_OK)
    status = complain(&o);
  else if (gs_cli_write_file(args->who, args->out, gs_buf_bytes(&o.bytes)))
    status = GS_EXIT_OK;
  gs_buf_finish(&o.bytes);
  return status;
}

/* ---- name ------------------------------------------------------------------------------------- */

static void got_id(void *ctx, gesso_status s, uint64_t id)
{
  outcome *o = ctx;
  o->id = id;
  gs_answer_set(&o->a, s, s == GESSO_E_LIMIT ? "the board has too many named versions, or is too large" : NULL);
}

/* BOARD NAME: the board as it is; BOARD VERSION NAME: one that there is. */
static int run_name(history_args *args, gesso_persistence *p)
{
  outcome o = { .args = args };
  uint64_t id = 0;
  if (args->arg_count == 3 && !version_of(args, &id))
    return GS_EXIT_USAGE;
  const char *name = args->arg[args->arg_count - 1];
  (void)gs_answer_wait(&o.a, p, gesso_board_persistence_version_name(p, text(args->arg[0]), id, text(name), got_id, &o));
  if (o.a.status != GESSO_OK)
    return complain(&o);
  printf("%llu\n", (unsigned long long)o.id);
  return GS_EXIT_OK;
}

/* ---- restore ---------------------------------------------------------------------------------- */

static void got_restore(void *ctx, gesso_status s, gesso_bytes update, uint64_t before, const char *message)
{
  outcome *o = ctx;
  gs_answer_set(&o->a, s, message);
  o->id = before;
  if (s == GESSO_OK)
    gs_buf_write(&o->bytes, update.data, update.len);
}

static void appended(void *ctx, gesso_status s)
{
  gs_answer_set(ctx, s, NULL);
}

static int run_restore(history_args *args, gesso_persistence *p)
{
  outcome o = { .args = args, .bytes = gs_buf_make(NULL) };
  uint64_t id;
  if (!version_of(args, &id))
    return GS_EXIT_USAGE;
  (void)gs_answer_wait(&o.a, p, gesso_board_persistence_version_restore(p, text(args->arg[0]), id, got_restore, &o));
  bool changes = o.bytes.b.len != 0;
  if (o.a.status == GESSO_OK && changes) {
    gs_answer a = { 0 };
    gesso_status s = gesso_board_persistence_append(p, text(args->arg[0]), 0, gs_buf_bytes(&o.bytes), 0, NULL, appended, &a);
    (void)gs_answer_wait(&a, p, o.bytes.err != GESSO_OK ? o.bytes.err : s);
    o.a = a;
  }
  gs_buf_finish(&o.bytes);
  if (o.a.status != GESSO_OK)
    return complain(&o);
  if (changes)
    printf("The board is as it was in version %llu. Version %llu leads back.\n", (unsigned long long)id,
           (unsigned long long)o.id);
  else
    printf("The board is as it was in version %llu already.\n", (unsigned long long)id);
  return GS_EXIT_OK;
}

/* ---- command line ------------------------------------------------------------------------------ */

#define DATA_OPTION { "data", 'd', "DIR", 0, "The data folder (default: data)", 0 }

static const struct argp_option list_options[] = {
  DATA_OPTION, { "json", OPT_JSON, NULL, 0, "Print JSON; times are milliseconds since 1970", 0 }, { 0 },
};
static const struct argp_option show_options[] = {
  DATA_OPTION, { "output", 'o', "FILE", 0, "Write to FILE instead of standard output", 0 }, { 0 },
};
static const struct argp_option plain_options[] = { DATA_OPTION, { 0 } };

static const verb verbs[] = {
  { "list", "BOARD", "List the earlier versions of a board, and what they take.", list_options, 1, 1, GS_CLI_READS, run_list },
  { "show", "BOARD VERSION", "Write a version as one Yjs update (v1); 'gesso doc' reads those.", show_options, 2, 2, GS_CLI_READS,
    run_show },
  { "name", "BOARD [VERSION] NAME", "Keep the board as it is, or a version that there is, under a name. '' takes it away.",
    plain_options, 2, 3, GS_CLI_CHANGES, run_name },
  { "restore", "BOARD VERSION", "Turn the board into what it was, by ordinary edits. What it was before stays as a version.",
    plain_options, 2, 2, GS_CLI_CHANGES, run_restore },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
  history_args *args = state->input;
  switch (key) {
  case 'd':
    args->folder = arg;
    return 0;
  case 'o':
    args->out = arg;
    return 0;
  case OPT_JSON:
    args->json = true;
    return 0;
  case ARGP_KEY_ARG:
    if (args->arg_count == args->verb->args_max)
      argp_error(state, "'%s' is one argument too many", arg);
    args->arg[args->arg_count++] = arg;
    return 0;
  case ARGP_KEY_END:
    if (args->arg_count < args->verb->args_min)
      argp_error(state, "it wants %s", args->verb->args_doc);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static void help(FILE *to)
{
  fputs("Usage: gesso history VERB [OPTION...] ARGUMENT...\n\n", to);
  for (size_t i = 0; i < GS_COUNT(verbs); i++)
    fprintf(to, "  %-8s %-20s %s\n", verbs[i].name, verbs[i].args_doc, verbs[i].doc);
  fputs("\nlist and show work while a server has the data folder open; name and restore do not: there it is\n"
        "POST /api/boards/BOARD/versions and .../versions/VERSION/restore.\n"
        "gesso history VERB --help tells the options.\n",
        to);
}

int gs_cli_history(int argc, char **argv)
{
  if (argc < 2) {
    help(stderr);
    return GS_EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
    help(stdout);
    return GS_EXIT_OK;
  }
  for (size_t i = 0; i < GS_COUNT(verbs); i++) {
    if (strcmp(argv[1], verbs[i].name) != 0)
      continue;
    history_args args = { .verb = &verbs[i], .folder = "data" };
    struct argp argp = { verbs[i].options, parse, verbs[i].args_doc, verbs[i].doc, NULL, NULL, NULL };
    (void)snprintf(args.who, sizeof args.who, "gesso history %s", verbs[i].name);
    argv[1] = args.who;
    argp_err_exit_status = GS_EXIT_USAGE;
    if (argp_parse(&argp, argc - 1, argv + 1, 0, NULL, &args) != 0)
      return GS_EXIT_USAGE;
    gesso_persistence *p = gs_cli_open(args.who, args.folder, args.verb->access);
    if (p == NULL)
      return GS_EXIT_FAILED;
    int status = args.verb->run(&args, p);
    gesso_persistence_destroy(p);
    return fflush(stdout) == 0 ? status : GS_EXIT_FAILED;
  }
  fprintf(stderr, "gesso history: there is no verb '%s'. See gesso history --help.\n", argv[1]);
  return GS_EXIT_USAGE;
}
