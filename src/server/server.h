/* The server: one loop, one data folder, one port. */
#ifndef GS_SERVER_SERVER_H
#define GS_SERVER_SERVER_H

#include "gesso/persistence.h"

#include <stdbool.h>

typedef struct gs_server_options {
  const char *listen;               /* "127.0.0.1:1234"; port 0 picks one */
  const char *folder;
  gesso_durability durability;
  uint32_t history_days;            /* versions made by themselves stay so long; 0: 30 */
  bool no_history;                  /* none are made */
  uint64_t board_quota;             /* bytes of one board; UINT64_MAX: no limit; 0: GS_LIMIT_BOARD_STORED_LEN */
  uint64_t total_quota;             /* of all of them; 0: no limit */
  const char *web_dir;              /* NULL: the pages in the binary */
  const char *const *allow_origins;
  size_t allow_origin_count;
} gs_server_options;

/* Serves until SIGTERM or SIGINT, then stores what is left and returns. Returns the exit status: 0,
 * or 1 when it could not start or some board could not be written; stderr says why. */
int gs_server_run(const gs_server_options *options);

#endif
