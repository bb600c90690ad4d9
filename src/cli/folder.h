/* Opening a data folder for a verb, waiting for the store's answers, and saying what was wrong. */
#ifndef GS_CLI_FOLDER_H
#define GS_CLI_FOLDER_H

#include "gesso/persistence.h"

#include <stdbool.h>

/* What is done to a folder. Who only changes what is there makes no new one out of a mistyped name. */
typedef enum gs_cli_access { GS_CLI_READS, GS_CLI_CHANGES, GS_CLI_MAKES } gs_cli_access;

/* NULL after saying on stderr why not; `who` opens the message ("gesso history list"). Free it with
 * gesso_persistence_destroy. */
gesso_persistence *gs_cli_open(const char *who, const char *folder, gs_cli_access access);

/* What a callback leaves behind. */
typedef struct gs_answer {
  bool done;
  gesso_status status;
  char message[400];
} gs_answer;

/* For callbacks. `message` NULL: the status' own text. */
void gs_answer_set(gs_answer *a, gesso_status status, const char *message);

/* Waits until it is done; `accepted`: what the call said at once. Returns the status. */
gesso_status gs_answer_wait(gs_answer *a, gesso_persistence *p, gesso_status accepted);

/* Says on stderr what is wrong with a board. Returns the exit status. */
int gs_cli_complain(const char *who, const char *folder, const char *board, const gs_answer *a);

/* "2026-11-22 10:00:00", UTC; "-" for 0. */
const char *gs_cli_time(int64_t ms, char out[32]);

/* Names come from visitors: what could move the cursor is not printed. */
void gs_cli_print_name(gesso_bytes name);

#endif
