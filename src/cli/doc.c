/* gesso doc: update files in, state and content out. No server and no data folder is needed. */
#include "cli/cli.h"
#include "cli/fileio.h"
#include "gesso/types.h"
#include "wire/json.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --root NAME:TYPE */
struct root_arg {
  gesso_bytes name;
  enum root_view { ROOT_TEXT, ROOT_DELTA, ROOT_ARRAY, ROOT_MAP, ROOT_XML } view;
};

struct doc_args {
  const struct verb *verb;
  char who[64]; /* "gesso doc merge" */
  const char *out, *from;
  bool v2, binary;
  struct root_arg *roots;
  size_t root_count;
  char **files;
  int file_count;
};

struct verb {
  const char *name, *summary, *args_doc, *doc;
  const struct argp_option *options;
  int files_max; /* 0: any number */
  int (*run)(struct doc_args *args);
};

/* --- command line --- */

#define OPT_OUT { "output", 'o', "OUT", 0, "Write to OUT instead of standard output", 0 }

static const struct argp_option merge_options[] = {
  OPT_OUT,
  { "v2", '2', NULL, 0, "Write the state in the v2 encoding", 0 },
  { 0 },
};
static const struct argp_option json_options[] = {
  { "root", 'r', "NAME:TYPE", 0, "Print the root type NAME as TYPE: text, delta, array, map or xml. Repeat for more", 0 },
  OPT_OUT,
  { 0 },
};
static const struct argp_option state_vector_options[] = {
  { "binary", 'b', NULL, 0, "Write the encoded state vector instead of JSON", 0 },
  OPT_OUT,
  { 0 },
};
static const struct argp_option diff_options[] = {
  { "from", 'f', "SVFILE", 0, "The encoded state vector of the one who gets the diff", 0 },
  OPT_OUT,
  { 0 },
};
static const struct argp_option plain_options[] = { { 0 } };

static bool add_root(struct doc_args *args, const char *text)
{
  static const char *const views[] = { "text", "delta", "array", "map", "xml" };
  const char *colon = strrchr(text, ':');
  if (colon == NULL)
    return false;
  for (size_t i = 0; i < GS_COUNT(views); i++) {
    if (strcmp(colon + 1, views[i]) != 0)
      continue;
    struct root_arg *roots = realloc(args->roots, (args->root_count + 1) * sizeof *roots);
    if (roots == NULL)
      return false;
    args->roots = roots;
    roots[args->root_count++] =
      (struct root_arg){ { (const uint8_t *)text, (size_t)(colon - text) }, (enum root_view)i };
    return true;
  }
  return false;
}

static bool root_is_named_twice(const struct doc_args *args)
{
  const struct root_arg *last = &args->roots[args->root_count - 1];
  for (const struct root_arg *root = args->roots; root < last; root++)
    if (root->name.len == last->name.len && memcmp(root->name.data, last->name.data, last->name.len) == 0)
      return true;
  return false;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
  struct doc_args *args = state->input;
  switch (key) {
  case 'o':
    args->out = arg;
    return 0;
  case 'f':
    args->from = arg;
    return 0;
  case '2':
    args->v2 = true;
    return 0;
  case 'b':
    args->binary = true;
    return 0;
  case 'r':
    if (!add_root(args, arg))
      argp_error(state, "--root wants NAME:TYPE with TYPE text, delta, array, map or xml, not '%s'", arg);
    if (root_is_named_twice(args))
      argp_error(state, "--root names the root of '%s' a second time: ask in two calls", arg);
    return 0;
  case ARGP_KEY_ARGS:
    args->files = state->argv + state->next;
    args->file_count = state->argc - state->next;
    return 0;
  case ARGP_KEY_END:
    if (args->file_count == 0)
      argp_error(state, "which FILE? ('-' reads standard input)");
    if (args->verb->files_max != 0 && args->file_count > args->verb->files_max)
      argp_error(state, "only one FILE: to combine several, use 'gesso doc merge' first");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

/* --- reading --- */

/* Says where and why an update was refused. */
static void complain_of_update(const char *who, const char *path, gesso_bytes bytes, gesso_error error)
{
  fprintf(stderr, "%s: %s: byte %zu: %s\n", who, path, error.offset,
          error.message != NULL ? error.message : gesso_status_text(error.status));
  if (error.status == GESSO_E_NOMEM)
    return;
  if (bytes.len > 2 && bytes.data[0] == 0)
    fprintf(stderr, "%s: it may be an update in the v2 encoding: convert it with Y.convertUpdateFormatV2ToV1\n", who);
  else
    fprintf(stderr, "%s: a file must hold exactly one v1 update, as Y.encodeStateAsUpdate or a provider gives it\n",
            who);
}

/* A document with all files of the command line applied, in their order. NULL after a message. */
static gesso_doc *load(const struct doc_args *args)
{
  gesso_doc *doc = gesso_doc_create(NULL);
  if (doc == NULL) {
    fprintf(stderr, "%s: out of memory\n", args->who);
    return NULL;
  }
  for (int i = 0; i < args->file_count; i++) {
    const char *path = args->files[i];
    gs_buf file = gs_buf_make(NULL);
    bool ok = gs_cli_read_file(args->who, path, &file);
    if (ok) {
      gesso_error error = { 0 };
      gesso_status s = gesso_doc_apply_v1(doc, gs_buf_bytes(&file), &error);
      if (s != GESSO_OK) {
        error.status = s;
        complain_of_update(args->who, path, gs_buf_bytes(&file), error);
        ok = false;
      }
    }
    gs_buf_finish(&file);
    if (!ok) {
      gesso_doc_destroy(doc);
      return NULL;
    }
  }
  return doc;
}

/* --- writing --- */

static int fail(const struct doc_args *args, gesso_status s)
{
  fprintf(stderr, "%s: %s\n", args->who, gesso_status_text(s));
  return GS_EXIT_FAILED;
}

/* Bytes on a terminal help nobody. */
static bool refuse_terminal(const struct doc_args *args)
{
  if (args->out != NULL || !isatty(STDOUT_FILENO))
    return false;
  fprintf(stderr, "%s: the result is binary: name a file with -o OUT, or redirect the output\n", args->who);
  return true;
}

static int give(const struct doc_args *args, gesso_buffer *buffer)
{
  gesso_bytes bytes = { buffer->data, buffer->len };
  bool ok = gs_cli_write_file(args->who, args->out, bytes);
  gesso_buffer_free(buffer);
  return ok ? GS_EXIT_OK : GS_EXIT_FAILED;
}

static int give_line(const struct doc_args *args, gs_buf *text)
{
  gs_buf_put(text, '\n');
  int exit_status;
  if (text->err != GESSO_OK) {
    exit_status = fail(args, text->err);
  } else {
    gesso_buffer line = gs_buf_take(text);
    exit_status = give(args, &line);
  }
  gs_buf_finish(text);
  return exit_status;
}

/* Gives what a function of the library wrote, as a line of text. */
static int give_json(const struct doc_args *args, gesso_doc *doc, gesso_status (*get)(gesso_doc *, gesso_buffer *))
{
  gesso_buffer json = { 0 };
  gesso_status s = get(doc, &json);
  if (s != GESSO_OK)
    return fail(args, s);
  gs_buf text = gs_buf_make(NULL);
  gs_buf_write(&text, json.data, json.len);
  gesso_buffer_free(&json);
  return give_line(args, &text);
}

/* --- verbs --- */

static int run_merge(struct doc_args *args)
{
  if (refuse_terminal(args))
    return GS_EXIT_USAGE;
  gesso_doc *doc = load(args);
  if (doc == NULL)
    return GS_EXIT_FAILED;
  gesso_buffer state = { 0 };
  gesso_bytes all = { NULL, 0 };
  gesso_status s =
    args->v2 ? gesso_doc_encode_v2(doc, all, &state, NULL) : gesso_doc_encode_v1(doc, all, &state, NULL);
  gesso_doc_destroy(doc);
  return s == GESSO_OK ? give(args, &state) : fail(args, s);
}

static gesso_status write_root(gesso_doc *doc, const struct root_arg *root, gs_buf *out)
{
  static const gesso_type_kind kinds[] = { GESSO_TEXT, GESSO_TEXT, GESSO_ARRAY, GESSO_MAP, GESSO_XML_FRAGMENT };
  gesso_type type = gesso_doc_root(doc, root->name, kinds[root->view]);
  if (type == 0)
    return GESSO_E_NOMEM;
  gesso_buffer value = { 0 };
  gesso_status s = root->view == ROOT_DELTA ? gesso_text_to_delta(doc, type, &value)
                                            : gesso_type_to_json(doc, type, kinds[root->view], &value);
  if (s == GESSO_OK) {
    gs_json_write_string(out, root->name);
    gs_buf_puts(out, ": ");
    gs_buf_write(out, value.data, value.len);
  }
  gesso_buffer_free(&value);
  return s;
}

static int run_json(struct doc_args *args)
{
  if (args->root_count == 0) {
    fprintf(stderr, "%s: which root? Name at least one: --root NAME:TYPE\n", args->who);
    return GS_EXIT_USAGE;
  }
  gesso_doc *doc = load(args);
  if (doc == NULL)
    return GS_EXIT_FAILED;
  gs_buf text = gs_buf_make(NULL);
  gesso_status s = GESSO_OK;
  for (size_t i = 0; i < args->root_count && s == GESSO_OK; i++) {
    gs_buf_puts(&text, i == 0 ? "{" : ", ");
    s = write_root(doc, &args->roots[i], &text);
  }
  gs_buf_put(&text, '}');
  gesso_doc_destroy(doc);
  if (s == GESSO_OK)
    return give_line(args, &text);
  gs_buf_finish(&text);
  return fail(args, s);
}

static int run_state_vector(struct doc_args *args)
{
  if (args->binary && refuse_terminal(args))
    return GS_EXIT_USAGE;
  gesso_doc *doc = load(args);
  if (doc == NULL)
    return GS_EXIT_FAILED;
  int exit_status;
  if (args->binary) {
    gesso_buffer sv = { 0 };
    gesso_status s = gesso_doc_state_vector(doc, &sv);
    exit_status = s == GESSO_OK ? give(args, &sv) : fail(args, s);
  } else {
    exit_status = give_json(args, doc, gesso_doc_state_vector_json);
  }
  gesso_doc_destroy(doc);
  return exit_status;
}

static int run_diff(struct doc_args *args)
{
  if (args->from == NULL) {
    fprintf(stderr, "%s: --from SVFILE is missing; 'gesso doc state-vector --binary' writes such a file\n", args->who);
    return GS_EXIT_USAGE;
  }
  if (refuse_terminal(args))
    return GS_EXIT_USAGE;
  gs_buf sv = gs_buf_make(NULL);
  int exit_status = GS_EXIT_FAILED;
  gesso_doc *doc = NULL;
  gesso_buffer diff = { 0 };
  gesso_error error = { 0 };
  if (!gs_cli_read_file(args->who, args->from, &sv))
    goto out;
  if (sv.b.len == 0) {
    fprintf(stderr, "%s: %s: the file is empty; an empty state vector is one byte, 00\n", args->who, args->from);
    goto out;
  }
  doc = load(args);
  if (doc == NULL)
    goto out;
  gesso_status s = gesso_doc_encode_v1(doc, gs_buf_bytes(&sv), &diff, &error);
  if (s == GESSO_OK) {
    exit_status = give(args, &diff);
  } else {
    fprintf(stderr, "%s: %s: byte %zu: %s\n", args->who, args->from, error.offset,
            error.message != NULL ? error.message : gesso_status_text(s));
    fprintf(stderr, "%s: --from wants an encoded state vector, as Y.encodeStateVector or 'gesso doc state-vector "
                    "--binary' writes it\n", args->who);
  }
out:
  gs_buf_finish(&sv);
  gesso_doc_destroy(doc);
  return exit_status;
}

static int run_check(struct doc_args *args)
{
  gesso_doc *doc = load(args);
  if (doc == NULL)
    return GS_EXIT_FAILED;
  gesso_error error = { 0 };
  int exit_status = GS_EXIT_OK;
  if (gesso_doc_check(doc, &error) != GESSO_OK) {
    fprintf(stderr, "%s: %s: the document is inconsistent: %s. This is a defect of gesso: please report it with the file\n",
            args->who, args->files[0], error.message);
    exit_status = GS_EXIT_FAILED;
  } else {
    gesso_doc_stats stats;
    gesso_doc_get_stats(doc, &stats);
    gs_buf text = gs_buf_make(NULL);
    gs_buf_printf(&text, "ok: %llu structs (%llu deleted) of %llu clients, %llu structs and %llu delete ranges pending",
                  (unsigned long long)stats.structs, (unsigned long long)stats.deleted_structs,
                  (unsigned long long)stats.clients, (unsigned long long)stats.pending_structs,
                  (unsigned long long)stats.pending_delete_ranges);
    exit_status = give_line(args, &text);
  }
  gesso_doc_destroy(doc);
  return exit_status;
}

static int run_pending(struct doc_args *args)
{
  gesso_doc *doc = load(args);
  if (doc == NULL)
    return GS_EXIT_FAILED;
  int exit_status = give_json(args, doc, gesso_doc_pending_json);
  gesso_doc_destroy(doc);
  return exit_status;
}

static const struct verb verbs[] = {
  { "merge", "integrate updates and write the full state", "FILE...",
    "Integrates the update files (v1) in the order given and writes the full state as one v1 update. What still waits "
    "for missing updates is part of it.",
    merge_options, 0, run_merge },
  { "json", "print root types as JSON", "FILE...",
    "Prints {\"NAME\": value} of the named root types. Undefined values are left out of objects and null in arrays; "
    "bytes are {\"$bytes\": \"<base64>\"}; xml is a string. Several files are applied in the order given.",
    json_options, 0, run_json },
  { "state-vector", "print the state vector", "FILE...",
    "Prints {\"<client id>\": clock}, or with --binary the encoded state vector (sync step 1).",
    state_vector_options, 0, run_state_vector },
  { "diff", "write what another state vector lacks", "FILE",
    "Writes, as one v1 update, what the owner of the state vector in SVFILE lacks of FILE.", diff_options, 1, run_diff },
  { "check", "validate an update", "FILE",
    "Exits with 0 when FILE is one whole v1 update, and with 1, the byte offset and the reason when it is not.",
    plain_options, 1, run_check },
  { "pending", "print what waits for missing updates", "FILE...",
    "Prints {\"structs\": {\"<client id>\": [[clock, end], ...]}, \"deletes\": {...}}: the id ranges that cannot be "
    "integrated yet.",
    plain_options, 0, run_pending },
};

static void print_verbs(FILE *to, const char *who)
{
  fprintf(to, "Usage: %s VERB [OPTION...] FILE...\nInspect, merge and compare Yjs update files.\n\n", who);
  for (size_t i = 0; i < GS_COUNT(verbs); i++)
    fprintf(to, "  %-13s %s\n", verbs[i].name, verbs[i].summary);
  fprintf(to, "\n'%s VERB --help' tells more. FILE '-' is standard input.\n", who);
}

int gs_cli_doc(int argc, char **argv)
{
  const char *who = argv[0];
  if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 || strcmp(argv[1], "help") == 0)) {
    print_verbs(stdout, who);
    return GS_EXIT_OK;
  }
  if (argc < 2) {
    print_verbs(stderr, who);
    return GS_EXIT_USAGE;
  }
  const struct verb *verb = NULL;
  for (size_t i = 0; i < GS_COUNT(verbs); i++)
    if (strcmp(argv[1], verbs[i].name) == 0)
      verb = &verbs[i];
  if (verb == NULL) {
    fprintf(stderr, "%s: there is no verb '%s'; '%s --help' lists them\n", who, argv[1], who);
    return GS_EXIT_USAGE;
  }
  struct doc_args args = { .verb = verb };
  (void)snprintf(args.who, sizeof args.who, "%s %s", who, verb->name);
  argv[1] = args.who;
  argp_err_exit_status = GS_EXIT_USAGE;
  const struct argp argp = { verb->options, parse_option, verb->args_doc, verb->doc, NULL, NULL, NULL };
  int exit_status = GS_EXIT_USAGE;
  if (argp_parse(&argp, argc - 1, argv + 1, 0, NULL, &args) == 0)
    exit_status = verb->run(&args);
  free(args.roots);
  return exit_status;
}
