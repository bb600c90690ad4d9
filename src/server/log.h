/* Log lines in logfmt on stderr, one write each:
 *
 *   time=2026-11-22T19:40:00.123Z level=info event=board_loaded board=plan updates=12
 *
 *   gs_log line;
 *   gs_log_begin(&line, GS_LOG_INFO, "board_loaded");
 *   gs_log_bytes(&line, "board", name);
 *   gs_log_number(&line, "updates", n);
 *   gs_log_end(&line);
 *
 * A line that grows too long is cut. Values from peers are quoted and escaped, so that they cannot
 * forge a line; nothing secret is ever handed in here. */
#ifndef GS_SERVER_LOG_H
#define GS_SERVER_LOG_H

#include "gesso/base.h"

typedef enum gs_log_level { GS_LOG_DEBUG, GS_LOG_INFO, GS_LOG_WARN, GS_LOG_ERROR } gs_log_level;

/* Lines below it are not written. Set once, before threads start; GS_LOG_INFO at first. */
void gs_log_set_level(gs_log_level level);

typedef struct gs_log {
  size_t len; /* 0: this level is not written */
  char text[2048];
} gs_log;

/* `event` and keys are words of our own: letters, digits, '_'. */
void gs_log_begin(gs_log *line, gs_log_level level, const char *event);
void gs_log_text(gs_log *line, const char *key, const char *value);
void gs_log_bytes(gs_log *line, const char *key, gesso_bytes value);
void gs_log_number(gs_log *line, const char *key, uint64_t value);
void gs_log_end(gs_log *line);

/* A line with one text and nothing else. */
void gs_log_event(gs_log_level level, const char *event, const char *key, const char *value);

#endif
