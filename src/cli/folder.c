#include "cli/folder.h"

#include "cli/cli.h"
#include "store/lockfile.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void gs_answer_set(gs_answer *a, gesso_status status, const char *message)
{
  a->done = true;
  a->status = status;
  (void)snprintf(a->message, sizeof a->message, "%s", message != NULL ? message : gesso_status_text(status));
}

gesso_status gs_answer_wait(gs_answer *a, gesso_persistence *p, gesso_status accepted)
{
  if (accepted != GESSO_OK)
    gs_answer_set(a, accepted, NULL);
  while (!a->done)
    (void)gesso_persistence_wait(p, -1);
  return a->status;
}

static void ready(void *ctx, gesso_status s, const char *message)
{
  gs_answer_set(ctx, s, message);
}

gesso_persistence *gs_cli_open(const char *who, const char *folder, gs_cli_access access)
{
  if (access == GS_CLI_CHANGES && !gs_data_folder_exists(folder)) {
    fprintf(stderr, "%s: there are no boards: no gesso.db in %s\n", who, folder);
    return NULL;
  }
  gesso_persistence_options o = {
    .size = sizeof o,
    .folder = folder,
    .flags = access == GS_CLI_READS ? GESSO_OPEN_READ_ONLY : 0,
    .owner = who,
  };
  gesso_persistence *p = NULL;
  gesso_buffer why = { 0 };
  gesso_status s = gesso_persistence_open(&o, &p, &why);
  if (s != GESSO_OK) {
    const char *text = gesso_status_text(s);
    fprintf(stderr, "%s: %s: %.*s\n", who, folder, why.data != NULL ? (int)why.len : (int)strlen(text),
            why.data != NULL ? (const char *)why.data : text);
    gesso_buffer_free(&why);
    return NULL;
  }
  /* What is wrong with the database as a whole has a sentence of its own; a verb would only learn its status. */
  gs_answer a = { 0 };
  if (gs_answer_wait(&a, p, gesso_persistence_ready(p, ready, &a)) != GESSO_OK) {
    fprintf(stderr, "%s: %s: %s\n", who, folder, a.message);
    gesso_persistence_destroy(p);
    return NULL;
  }
  return p;
}

int gs_cli_complain(const char *who, const char *folder, const char *board, const gs_answer *a)
{
  switch (a->status) {
  case GESSO_E_NOTFOUND:
    fprintf(stderr, "%s: there is no board '%s' in %s; 'gesso board list' shows those there are\n", who, board, folder);
    break;
  case GESSO_E_DELETED:
    fprintf(stderr, "%s: the board '%s' was deleted; 'gesso board list --deleted' shows when\n", who, board);
    break;
  case GESSO_E_USAGE:
    fprintf(stderr, "%s: '%s' is no name for a board: 1 to %d bytes of UTF-8\n", who, board, GESSO_BOARD_NAME_MAX);
    break;
  default:
    fprintf(stderr, "%s: %s: %s\n", who, folder, a->message);
    break;
  }
  return GS_EXIT_FAILED;
}

const char *gs_cli_time(int64_t ms, char out[32])
{
  time_t seconds = (time_t)(ms / 1000);
  struct tm tm;
  if (ms == 0 || gmtime_r(&seconds, &tm) == NULL)
    return "-";
  (void)strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
  return out;
}

void gs_cli_print_name(gesso_bytes name)
{
  for (size_t i = 0; i < name.len; i++)
    if (name.data[i] < ' ' || name.data[i] == 0x7f)
      printf("\\x%02x", name.data[i]);
    else
      putchar(name.data[i]);
}
