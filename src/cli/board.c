/* gesso board list|show|stats|export|import|delete: the boards of a data folder, without a server. The
 * verbs that read work beside a server; those that write do not, and then say which call of its API
 * does the same. */
#include "cli/cli.h"

#include "cli/fileio.h"
#include "cli/folder.h"
#include "crdt/survey.h"
#include "gesso/persistence.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPT_JSON = 1000, OPT_DELETED, OPT_PURGE };

struct board_args {
  const struct verb *verb;
  char who[64];
  const char *folder, *name, *file, *out;
  bool json, deleted, purge;
  int arg_count;
};

struct verb {
  const char *name, *args_doc, *doc;
  const struct argp_option *options;
  int args_needed; /* NAME, FILE */
  gs_cli_access access;
  int (*run)(struct board_args *args, gesso_persistence *p);
};

static gesso_bytes name_of(const struct board_args *args)
{
  return (gesso_bytes){ (const uint8_t *)args->name, strlen(args->name) };
}

/* ---- waiting for one completion ---------------------------------------------------------------- */

struct outcome {
  gs_answer a;
  struct board_args *args;
  int64_t shown;      /* list */
  bool more;          /* list */
  gs_buf last;        /* list: the last name */
  json_t *rows;       /* list, with --json */
};

static void finish_with(struct outcome *o, gesso_status s, const char *message)
{
  gs_answer_set(&o->a, s, message);
}

static void completed(void *ctx, gesso_status s)
{
  finish_with(ctx, s, NULL);
}

static void wait_for(gesso_persistence *p, struct outcome *o, gesso_status accepted)
{
  (void)gs_answer_wait(&o->a, p, accepted);
}

static int complain(const struct outcome *o)
{
  return gs_cli_complain(o->args->who, o->args->folder, o->args->name, &o->a);
}

/* ---- list and show ----------------------------------------------------------------------------- */

static json_t *info_json(const gesso_board_info *info)
{
  json_t *deleted = info->deleted_ms == 0 ? json_null() : json_integer(info->deleted_ms);
  char generation[24];
  (void)snprintf(generation, sizeof generation, "%016llx", (unsigned long long)info->generation);
  return json_pack("{s:s#, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "id", (const char *)info->board.data,
                   (int)info->board.len, "generation", generation, "created", (json_int_t)info->created_ms, "updated",
                   (json_int_t)info->updated_ms, "state_bytes", (json_int_t)info->state_bytes, "stored_bytes",
                   (json_int_t)info->stored_bytes, "journal_bytes", (json_int_t)info->journal_bytes,
                   "journal_updates", (json_int_t)info->journal_updates, "folds", (json_int_t)info->version, "history_bytes",
                   (json_int_t)info->history_bytes, "deleted",
                   deleted);
}

static void got_list(void *ctx, gesso_status s, const gesso_board_info *const *boards, size_t count, int more)
{
  struct outcome *o = ctx;
  for (size_t i = 0; s == GESSO_OK && i < count; i++) {
    const gesso_board_info *info = boards[i];
    char updated[32];
    if (o->rows != NULL) {
      (void)json_array_append_new(o->rows, info_json(info));
    } else {
      if (o->shown++ == 0)
        printf("%-19s  %12s  %s\n", "UPDATED (UTC)", "BYTES", "BOARD");
      printf("%-19s  %12llu  ", gs_cli_time(info->updated_ms, updated),
             (unsigned long long)(info->state_bytes + info->journal_bytes));
      gs_cli_print_name(info->board);
      puts(info->deleted_ms != 0 ? "  (deleted)" : "");
    }
    gs_buf_clear(&o->last);
    gs_buf_write(&o->last, info->board.data, info->board.len);
  }
  o->more = more != 0 && count != 0;
  finish_with(o, s, NULL);
}

static int run_list(struct board_args *args, gesso_persistence *p)
{
  struct outcome o = { .args = args, .more = true, .last = gs_buf_make(NULL) };
  o.rows = args->json ? json_array() : NULL;
  while (o.more) {
    o.a.done = false;
    wait_for(p, &o, gesso_board_persistence_list(p, gs_buf_bytes(&o.last), 0,
                                                 args->deleted ? GESSO_LIST_DELETED : 0, got_list, &o));
    if (o.a.status != GESSO_OK)
      break;
  }
  gs_buf_finish(&o.last);
  if (o.rows != NULL && o.a.status == GESSO_OK) {
    (void)json_dumpf(o.rows, stdout, JSON_INDENT(2));
    putchar('\n');
  } else if (o.a.status == GESSO_OK && o.shown == 0) {
    puts("There are no boards.");
  }
  json_decref(o.rows);
  return o.a.status == GESSO_OK ? GS_EXIT_OK : complain(&o);
}

static void got_info(void *ctx, gesso_status s, const gesso_board_info *info)
{
  struct outcome *o = ctx;
  char text[32];
  if (s == GESSO_OK && o->args->json) {
    json_t *json = info_json(info);
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
  } else if (s == GESSO_OK) {
    printf("board            ");
    gs_cli_print_name(info->board);
    printf("\ncreated          %s\n", gs_cli_time(info->created_ms, text));
    printf("updated          %s\n", gs_cli_time(info->updated_ms, text));
    if (info->deleted_ms != 0)
      printf("deleted          %s%s\n", gs_cli_time(info->deleted_ms, text),
             info->purged_ms != 0 ? ", content purged" : ", content kept until it is purged");
    printf("state            %llu bytes, %llu on disk, folded %llu times\n", (unsigned long long)info->state_bytes,
           (unsigned long long)info->stored_bytes, (unsigned long long)info->version);
    printf("journal          %llu bytes in %llu updates\n", (unsigned long long)info->journal_bytes,
           (unsigned long long)info->journal_updates);
    printf("history          %llu bytes\n", (unsigned long long)info->history_bytes);
    printf("generation       %016llx\n", (unsigned long long)info->generation);
  }
  finish_with(o, s, NULL);
}

static int run_show(struct board_args *args, gesso_persistence *p)
{
  struct outcome o = { .args = args };
  wait_for(p, &o, gesso_board_persistence_show(p, name_of(args), got_info, &o));
  return o.a.status == GESSO_OK ? GS_EXIT_OK : complain(&o);
}

/* ---- stats ------------------------------------------------------------------------------------ */

static void print_stats(const struct board_args *args, gesso_doc *doc, uint64_t bytes, const gs_survey *v)
{
  gesso_doc_stats stats;
  gs_buf worst = gs_buf_make(NULL);
  gesso_doc_get_stats(doc, &stats);
  if (v->worst != 0)
    gs_type_path(doc, v->worst, &worst);
  gesso_bytes path = gs_buf_bytes(&worst);
  if (args->json) {
    json_t *warning = !gs_survey_warns(v) ? json_null() : json_pack("{s:s, s:I, s:s#}", "kind", "alternating-keys", "count",
                                                                    (json_int_t)v->worst_alternating, "type",
                                                                    (const char *)path.data, (int)path.len);
    json_t *all = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "bytes", (json_int_t)bytes, "memory",
                            (json_int_t)stats.memory_bytes, "structs", (json_int_t)v->structs, "live", (json_int_t)v->live,
                            "tombstones", (json_int_t)v->tombstones, "gc_ranges", (json_int_t)v->gc_ranges, "clients",
                            (json_int_t)v->clients, "types", (json_int_t)v->types, "pending",
                            (json_int_t)stats.pending_structs, "warning", warning);
    (void)json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
  } else {
    printf("update v1        %llu bytes; %llu in memory\n", (unsigned long long)bytes, (unsigned long long)stats.memory_bytes);
    printf("structs          %llu: %llu live, %llu deleted, %llu collected\n", (unsigned long long)v->structs,
           (unsigned long long)v->live, (unsigned long long)v->tombstones, (unsigned long long)v->gc_ranges);
    printf("shared types     %llu\n", (unsigned long long)v->types);
    printf("clients          %llu\n", (unsigned long long)v->clients);
    printf("waiting          %llu structs, %llu ranges of deletions\n", (unsigned long long)stats.pending_structs,
           (unsigned long long)stats.pending_delete_ranges);
    if (gs_survey_warns(v)) {
      printf("\nwarning: the application writes several keys of '");
      gs_cli_print_name(path);
      printf("' in turn, %llu times so far.\n"
             "What is overwritten so can never be merged, in any Yjs document: the board grows with every change.\n"
             "One key that holds all of them as one value (for a shape: its geometry) does not grow.\n",
             (unsigned long long)v->worst_alternating);
    }
  }
  gs_buf_finish(&worst);
}

static void got_doc(void *ctx, gesso_status s, gesso_bytes update, const char *message)
{
  struct outcome *o = ctx;
  gesso_doc *doc = s == GESSO_OK ? gesso_doc_create(NULL) : NULL;
  gs_survey survey;
  if (s == GESSO_OK)
    s = doc == NULL ? GESSO_E_NOMEM : gesso_doc_apply_v1(doc, update, NULL);
  if (s == GESSO_OK)
    s = gs_doc_survey(doc, &survey);
  if (s == GESSO_OK)
    print_stats(o->args, doc, update.len, &survey);
  gesso_doc_destroy(doc);
  finish_with(o, s, message);
}

static int run_stats(struct board_args *args, gesso_persistence *p)
{
  struct outcome o = { .args = args };
  wait_for(p, &o, gesso_board_persistence_export(p, name_of(args), 1, got_doc, &o));
  return o.a.status == GESSO_OK ? GS_EXIT_OK : complain(&o);
}

/* ---- export, import, delete -------------------------------------------------------------------- */

static void got_export(void *ctx, gesso_status s, gesso_bytes update, const char *message)
{
  struct outcome *o = ctx;
  bool ok = s != GESSO_OK || gs_cli_write_file(o->args->who, o->args->out, update);
  finish_with(o, s, message);
  if (!ok)
    o->a.status = GESSO_E_CLOSED; /* said already: see run_export */
}

static int run_export(struct board_args *args, gesso_persistence *p)
{
  if ((args->out == NULL || strcmp(args->out, "-") == 0) && isatty(STDOUT_FILENO)) {
    fprintf(stderr, "%s: an update is binary: name a file with -o FILE, or redirect the output\n", args->who);
    return GS_EXIT_USAGE;
  }
  struct outcome o = { .args = args };
  wait_for(p, &o, gesso_board_persistence_export(p, name_of(args), 1, got_export, &o));
  if (o.a.status == GESSO_E_CLOSED)
    return GS_EXIT_FAILED;
  return o.a.status == GESSO_OK ? GS_EXIT_OK : complain(&o);
}

static int run_import(struct board_args *args, gesso_persistence *p)
{
  gs_buf file = gs_buf_make(NULL);
  if (!gs_cli_read_file(args->who, args->file, &file))
    return GS_EXIT_FAILED;
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_error err = { 0 };
  gesso_status s = doc == NULL ? GESSO_E_NOMEM : gesso_doc_apply_v1(doc, gs_buf_bytes(&file), &err);
  gesso_doc_destroy(doc);
  if (s != GESSO_OK) {
    fprintf(stderr, "%s: %s: byte %zu: %s\n", args->who, args->file, err.offset,
            err.message != NULL ? err.message : gesso_status_text(s));
    gs_buf_finish(&file);
    return GS_EXIT_FAILED;
  }
  struct outcome o = { .args = args };
  wait_for(p, &o, gesso_board_persistence_append(p, name_of(args), 0, gs_buf_bytes(&file), GESSO_APPEND_TRUSTED, NULL,
                                                 completed, &o));
  gs_buf_finish(&file);
  if (o.a.status == GESSO_OK) {
    struct outcome saved = { .args = args };
    wait_for(p, &saved, gesso_board_persistence_save(p, name_of(args), completed, &saved));
  }
  return o.a.status == GESSO_OK ? GS_EXIT_OK : complain(&o);
}

static int run_delete(struct board_args *args, gesso_persistence *p)
{
  struct outcome o = { .args = args };
  wait_for(p, &o, gesso_board_persistence_delete(p, name_of(args), args->purge ? GESSO_DELETE_PURGE : 0, completed, &o));
  return o.a.status == GESSO_OK ? GS_EXIT_OK : complain(&o);
}

/* ---- command line ------------------------------------------------------------------------------ */

#define DATA_OPTION { "data", 'd', "DIR", 0, "The data folder (default: data)", 0 }
#define JSON_OPTION { "json", OPT_JSON, NULL, 0, "Print JSON; times are milliseconds since 1970", 0 }

static const struct argp_option list_options[] = {
  DATA_OPTION, JSON_OPTION, { "deleted", OPT_DELETED, NULL, 0, "Deleted boards too", 0 }, { 0 },
};
static const struct argp_option show_options[] = { DATA_OPTION, JSON_OPTION, { 0 } };
static const struct argp_option export_options[] = {
  DATA_OPTION, { "output", 'o', "FILE", 0, "Write to FILE instead of standard output", 0 }, { 0 },
};
static const struct argp_option import_options[] = { DATA_OPTION, { 0 } };
static const struct argp_option delete_options[] = {
  DATA_OPTION, { "purge", OPT_PURGE, NULL, 0, "Forget the content at once: there is no way back", 0 }, { 0 },
};

static const struct verb verbs[] = {
  { "list", "", "List the boards.", list_options, 0, GS_CLI_READS, run_list },
  { "show", "NAME", "Show what is known about a board.", show_options, 1, GS_CLI_READS, run_show },
  { "stats", "NAME", "Show what a board consists of, and warn of what makes it grow.", show_options, 1, GS_CLI_READS, run_stats },
  { "export", "NAME", "Write the whole board as one Yjs update (v1).", export_options, 1, GS_CLI_READS, run_export },
  { "import", "NAME FILE", "Merge a Yjs update (v1) into a board, which is made when there is none.", import_options, 2,
    GS_CLI_MAKES, run_import },
  { "delete", "NAME", "Delete a board. Its content is kept for some days unless --purge is given.", delete_options, 1,
    GS_CLI_CHANGES, run_delete },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
  struct board_args *args = state->input;
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
  case OPT_DELETED:
    args->deleted = true;
    return 0;
  case OPT_PURGE:
    args->purge = true;
    return 0;
  case ARGP_KEY_ARG:
    if (args->arg_count == args->verb->args_needed)
      argp_error(state, "'%s' is one argument too many", arg);
    if (args->arg_count++ == 0)
      args->name = arg;
    else
      args->file = arg;
    return 0;
  case ARGP_KEY_END:
    if (args->arg_count < args->verb->args_needed)
      argp_error(state, "it wants %s", args->verb->args_doc);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static void help(FILE *to)
{
  fputs("Usage: gesso board VERB [OPTION...] [ARGUMENT...]\n\n", to);
  for (size_t i = 0; i < GS_COUNT(verbs); i++)
    fprintf(to, "  %-7s %-10s %s\n", verbs[i].name, verbs[i].args_doc, verbs[i].doc);
  fputs("\nlist, show, stats and export work while a server has the data folder open; import and delete do not.\n"
        "gesso board VERB --help tells the options.\n",
        to);
}

static int run_verb(struct board_args *args)
{
  gesso_persistence *p = gs_cli_open(args->who, args->folder, args->verb->access);
  if (p == NULL)
    return GS_EXIT_FAILED;
  int status = args->verb->run(args, p);
  if (fflush(stdout) != 0 && status == GS_EXIT_OK) {
    fprintf(stderr, "%s: the output could not be written\n", args->who);
    status = GS_EXIT_FAILED;
  }
  gesso_persistence_destroy(p);
  return status;
}

int gs_cli_board(int argc, char **argv)
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
    struct board_args args = { .verb = &verbs[i], .folder = "data" };
    struct argp argp = { verbs[i].options, parse, verbs[i].args_doc, verbs[i].doc, NULL, NULL, NULL };
    (void)snprintf(args.who, sizeof args.who, "gesso board %s", verbs[i].name);
    argv[1] = args.who;
    argp_err_exit_status = GS_EXIT_USAGE;
    if (argp_parse(&argp, argc - 1, argv + 1, 0, NULL, &args) != 0)
      return GS_EXIT_USAGE;
    return run_verb(&args);
  }
  fprintf(stderr, "gesso board: there is no verb '%s'. See gesso board --help.\n", argv[1]);
  return GS_EXIT_USAGE;
}
