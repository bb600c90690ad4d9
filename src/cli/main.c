/* gesso NOUN ...: finds the noun and hands the rest on. */
#include "cli/cli.h"

#include "gesso/base.h"

#include <stdio.h>
#include <string.h>

static const struct {
  const char *name, *shown, *what;
  int (*run)(int argc, char **argv);
} nouns[] = {
  { "serve", "gesso serve", "serve the whiteboard page, and every y-websocket client, from a data folder", gs_cli_serve },
  { "board", "gesso board", "list, show, export, import and delete the boards of a data folder", gs_cli_board },
  { "doc", "gesso doc", "merge, read, compare and check Yjs update files", gs_cli_doc },
  { "history", "gesso history", "list, show, name and restore earlier versions of boards", gs_cli_history },
  { "backup", "gesso backup", "copy a data folder while it is served", gs_cli_backup },
  { "restore", "gesso restore", "copy a backup into a data folder", gs_cli_restore },
  { "check", "gesso check", "read every row of a data folder and tell what is damaged", gs_cli_check },
  { "repair", "gesso repair", "move damaged rows into quarantine", gs_cli_repair },
  { "compact", "gesso compact", "make a data folder as small as it can be", gs_cli_compact },
  { "import", "gesso import", "make boards of what other Yjs servers stored", gs_cli_import },
  { "export", "gesso export", "write boards as files that others read", gs_cli_export },
  { "migrate", "gesso migrate", "show and change the schema of a data folder", gs_cli_migrate },
};

enum { NOUNS = sizeof nouns / sizeof nouns[0] };

static void help(FILE *to)
{
  fputs("Usage: gesso COMMAND [ARGUMENT...]\n\n"
        "A collaborative canvas: Yjs-compatible documents, boards that survive, a sync server and a whiteboard.\n\n",
        to);
  for (int i = 0; i < NOUNS; i++)
    fprintf(to, "  %-9s %s\n", nouns[i].name, nouns[i].what);
  fputs("\n  gesso COMMAND --help     what it takes\n"
        "  gesso --version          which gesso this is\n\n"
        "To begin: gesso serve --data DIR, then open http://127.0.0.1:1234\n",
        to);
}

int main(int argc, char **argv)
{
  if (argc < 2) {
    help(stderr);
    return GS_EXIT_USAGE;
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
    help(stdout);
    return GS_EXIT_OK;
  }
  if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
    printf("gesso %s\n", gesso_version());
    return GS_EXIT_OK;
  }
  for (int i = 0; i < NOUNS; i++)
    if (strcmp(argv[1], nouns[i].name) == 0) {
      char shown[32];
      (void)snprintf(shown, sizeof shown, "%s", nouns[i].shown);
      argv[1] = shown;
      return nouns[i].run(argc - 1, argv + 1);
    }
  fprintf(stderr, "gesso: there is no command '%s'. See gesso --help.\n", argv[1]);
  return GS_EXIT_USAGE;
}
