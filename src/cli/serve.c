/* gesso serve */
#include "cli/cli.h"

#include "server/log.h"
#include "server/server.h"

#include <argp.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_WEB_DIR = 1000, OPT_ALLOW_ORIGIN, OPT_HISTORY_DAYS, OPT_BOARD_QUOTA, OPT_TOTAL_QUOTA, ORIGINS_MAX = 64 };

struct serve_args {
  gs_server_options options;
  const char *origins[ORIGINS_MAX];
};

static const struct argp_option options[] = {
  { "listen", 'l', "ADDRESS:PORT", 0, "Where to listen: 127.0.0.1:1234 (the default), [::1]:1234, *:1234 for every address", 0 },
  { "data", 'd', "DIR", 0, "The data folder, made when it is not there (default: data)", 0 },
  { "durability", 'D', "PROFILE", 0,
    "When a change is acknowledged to its author: disk (it survives a power cut; the default), os (it survives the "
    "end of this process), memory (at once; for tests)", 0 },
  { "allow-origin", OPT_ALLOW_ORIGIN, "ORIGIN", 0,
    "Let pages of this origin in (https://boards.example.org; repeat for more; * for all). Needed behind a proxy that "
    "serves another host name", 0 },
  { "web-dir", OPT_WEB_DIR, "DIR", 0, "Serve the page from DIR instead of from the program", 0 },
  { "history-days", OPT_HISTORY_DAYS, "N", 0,
    "Keep earlier versions of boards for N days (default: 30); 0 makes none. Named ones stay", 0 },
  { "board-quota", OPT_BOARD_QUOTA, "SIZE", 0,
    "A board that takes SIZE on the disk (as 500K, 64M, 2G; default: 256M) is read-only but for deletions; 0: no limit", 0 },
  { "total-quota", OPT_TOTAL_QUOTA, "SIZE", 0,
    "When all boards together, with history and trash, take SIZE on the disk, the trash is emptied and boards are read-only "
    "(default: 0, no limit but the disk)", 0 },
  { "verbose", 'v', NULL, 0, "Log boards and sockets as they come and go", 0 },
  { 0 },
};

static uint64_t size_of(struct argp_state *state, const char *option, const char *arg)
{
  char *end;
  unsigned long long n = strtoull(arg, &end, 10);
  static const char units[] = "KMGT";
  const char *unit = *end == '\0' ? NULL : strchr(units, *end & ~0x20);
  unsigned shift = unit == NULL ? 0 : 10 * (unsigned)(unit - units + 1);
  if (end == arg || *arg == '-' || (unit == NULL ? *end != '\0' : end[1] != '\0') || n > UINT64_MAX >> shift >> 1)
    argp_error(state, "--%s is a number of bytes, or one with K, M, G or T behind it, not '%s'", option, arg);
  return (uint64_t)n << shift;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
  struct serve_args *args = state->input;
  gs_server_options *o = &args->options;
  switch (key) {
  case 'l':
    o->listen = arg;
    return 0;
  case 'd':
    o->folder = arg;
    return 0;
  case 'D':
    if (strcmp(arg, "disk") == 0)
      o->durability = GESSO_DURABILITY_DISK;
    else if (strcmp(arg, "os") == 0)
      o->durability = GESSO_DURABILITY_OS;
    else if (strcmp(arg, "memory") == 0)
      o->durability = GESSO_DURABILITY_MEMORY;
    else
      argp_error(state, "--durability is disk, os or memory, not '%s'", arg);
    return 0;
  case OPT_ALLOW_ORIGIN:
    if (strcmp(arg, "*") != 0 && strstr(arg, "://") == NULL)
      argp_error(state, "--allow-origin wants a scheme and a host, as in https://boards.example.org, not '%s'", arg);
    if (o->allow_origin_count == ORIGINS_MAX)
      argp_error(state, "more than %d --allow-origin; use '*' to allow all", ORIGINS_MAX);
    args->origins[o->allow_origin_count++] = arg;
    return 0;
  case OPT_WEB_DIR:
    o->web_dir = arg;
    return 0;
  case OPT_HISTORY_DAYS: {
    char *end;
    unsigned long n = strtoul(arg, &end, 10);
    if (end == arg || *end != '\0' || n > 36500 || *arg == '-')
      argp_error(state, "--history-days is a number of days up to 36500, not '%s'", arg);
    o->history_days = (uint32_t)n;
    o->no_history = n == 0;
    return 0;
  }
  case OPT_BOARD_QUOTA:
    o->board_quota = size_of(state, "board-quota", arg);
    if (o->board_quota == 0)
      o->board_quota = UINT64_MAX;
    return 0;
  case OPT_TOTAL_QUOTA:
    o->total_quota = size_of(state, "total-quota", arg);
    return 0;
  case 'v':
    gs_log_set_level(GS_LOG_DEBUG);
    return 0;
  case ARGP_KEY_ARG:
    argp_error(state, "'%s' is one argument too many", arg);
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

int gs_cli_serve(int argc, char **argv)
{
  static const struct argp argp = {
    options, parse, NULL,
    "Serve the whiteboard page on http://ADDRESS:PORT/ and boards to y-websocket clients on ws://ADDRESS:PORT/NAME."
    "\vLog lines go to standard error. SIGTERM or SIGINT stops it: nothing more is taken, everything is written, the "
    "exit status is 0; or 1 when some board could not be written.\n\n"
    "GET /healthz tells whether it is well, GET /metrics how it is doing.",
    NULL, NULL, NULL,
  };
  struct serve_args args = { .options = { .listen = "127.0.0.1:1234", .folder = "data" } };
  args.options.allow_origins = args.origins;
  argp_err_exit_status = GS_EXIT_USAGE;
  if (argp_parse(&argp, argc, argv, 0, NULL, &args) != 0)
    return GS_EXIT_USAGE;
  return gs_server_run(&args.options) == 0 ? GS_EXIT_OK : GS_EXIT_FAILED;
}
