/* gesso migrate status|up|down */
#include "cli/cli.h"

#include "store/migrate.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OPT_DISCARD = 1000 };

struct migrate_args {
  const char *folder, *verb, *to;
  bool discard;
};

static const struct argp_option options[] = {
  { "data", 'd', "DIR", 0, "The data folder (default: data)", 0 },
  { "to", 't', "N", 0, "Go to step N instead of to the newest (up) or one step back (down); down to 0 empties the database", 0 },
  { "discard-content", OPT_DISCARD, NULL, 0, "down: go on although boards are lost by it", 0 },
  { 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
  struct migrate_args *args = state->input;
  switch (key) {
  case 'd':
    args->folder = arg;
    return 0;
  case 't':
    args->to = arg;
    return 0;
  case OPT_DISCARD:
    args->discard = true;
    return 0;
  case ARGP_KEY_ARG:
    if (args->verb != NULL)
      argp_error(state, "'%s' is one argument too many", arg);
    args->verb = arg;
    return 0;
  case ARGP_KEY_END:
    if (args->verb == NULL)
      argp_error(state, "status, up or down?");
    if (strcmp(args->verb, "status") != 0 && strcmp(args->verb, "up") != 0 && strcmp(args->verb, "down") != 0)
      argp_error(state, "there is no verb '%s': status, up or down", args->verb);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

static int complain(const struct migrate_args *args, gesso_status s, gesso_buffer *why)
{
  const char *text = gesso_status_text(s);
  fprintf(stderr, "gesso migrate %s: %s: %.*s\n", args->verb, args->folder,
          why->data != NULL ? (int)why->len : (int)strlen(text), why->data != NULL ? (const char *)why->data : text);
  gesso_buffer_free(why);
  return GS_EXIT_FAILED;
}

static int show_status(const struct migrate_args *args)
{
  gs_migration_info steps[GS_MIGRATIONS];
  gesso_buffer why = { 0 };
  int version = 0;
  gesso_status s = gs_migrate_status(args->folder, steps, &version, &why);
  if (s != GESSO_OK)
    return complain(args, s, &why);
  for (int i = 0; i < GS_MIGRATIONS; i++) {
    char when[32] = "-";
    time_t seconds = (time_t)(steps[i].applied_ms / 1000);
    struct tm tm;
    if (steps[i].applied && steps[i].applied_ms != 0 && gmtime_r(&seconds, &tm) != NULL)
      (void)strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &tm);
    printf("%03d  %-14s  %-8s  %s\n", steps[i].number, steps[i].name, steps[i].applied ? "applied" : "missing", when);
  }
  if (version < GS_MIGRATIONS)
    printf("The schema is at step %d of %d. 'gesso migrate up' brings it up; so does 'gesso serve'.\n", version,
           GS_MIGRATIONS);
  return GS_EXIT_OK;
}

static bool parse_step(const char *text, int *out)
{
  char *end;
  long n = strtol(text, &end, 10);
  if (end == text || *end != '\0' || n < 0 || n > GS_MIGRATIONS)
    return false;
  *out = (int)n;
  return true;
}

int gs_cli_migrate(int argc, char **argv)
{
  static const struct argp argp = {
    options, parse, "status|up|down",
    "Show or change the schema of a data folder that nobody has open for writing."
    "\vstatus lists the steps and which of them are applied; up applies what is missing; down takes the last one back.",
    NULL, NULL, NULL,
  };
  struct migrate_args args = { .folder = "data" };
  argp_err_exit_status = GS_EXIT_USAGE;
  if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
    return GS_EXIT_USAGE;
  if (strcmp(args.verb, "status") == 0)
    return show_status(&args);

  bool up = strcmp(args.verb, "up") == 0;
  int target = up ? 0 : -1, from = 0, to = 0;
  if (args.to != NULL && (!parse_step(args.to, &target) || (up && target == 0))) {
    fprintf(stderr, "gesso migrate %s: there is no step '%s'; the newest is %d\n", args.verb, args.to, GS_MIGRATIONS);
    return GS_EXIT_USAGE;
  }
  gesso_buffer why = { 0 };
  gesso_status s = up ? gs_migrate_up(args.folder, target, &from, &to, &why)
                      : gs_migrate_down(args.folder, target, args.discard ? GS_MIGRATE_DISCARD : 0, &from, &to, &why);
  if (s != GESSO_OK)
    return complain(&args, s, &why);
  if (from == to)
    printf("The schema is at step %d already.\n", to);
  else
    printf("The schema went from step %d to step %d.\n", from, to);
  return GS_EXIT_OK;
}
