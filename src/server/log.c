#include "server/log.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { VALUE_MAX = 512 }; /* bytes of one value; longer ones are cut */

static gs_log_level lowest = GS_LOG_INFO;

void gs_log_set_level(gs_log_level level)
{
  lowest = level;
}

static void put(gs_log *line, const char *bytes, size_t n)
{
  size_t room = sizeof line->text - 1 - line->len; /* the last byte is for the line's end */
  if (n > room)
    n = room;
  memcpy(line->text + line->len, bytes, n);
  line->len += n;
}

static void put_text(gs_log *line, const char *text)
{
  put(line, text, strlen(text));
}

void gs_log_begin(gs_log *line, gs_log_level level, const char *event)
{
  static const char *const names[] = { "debug", "info", "warn", "error" };
  line->len = 0;
  if (level < lowest)
    return;
  int64_t ms = gs_clock_wall_ms(NULL);
  time_t seconds = (time_t)(ms / 1000);
  struct tm tm;
  char stamp[40];
  gmtime_r(&seconds, &tm);
  size_t n = strftime(stamp, sizeof stamp, "time=%Y-%m-%dT%H:%M:%S", &tm);
  put(line, stamp, n);
  n = (size_t)snprintf(stamp, sizeof stamp, ".%03dZ level=", (int)(ms % 1000));
  put(line, stamp, n);
  put_text(line, names[level]);
  put_text(line, " event=");
  put_text(line, event);
}

static int is_plain(gesso_bytes value)
{
  for (size_t i = 0; i < value.len; i++)
    if (value.data[i] <= ' ' || value.data[i] == '"' || value.data[i] == '=' || value.data[i] == '\\' ||
        value.data[i] >= 0x7f)
      return 0;
  return value.len != 0;
}

void gs_log_bytes(gs_log *line, const char *key, gesso_bytes value)
{
  if (line->len == 0)
    return;
  put_text(line, " ");
  put_text(line, key);
  put_text(line, "=");
  if (value.len > VALUE_MAX)
    value.len = VALUE_MAX;
  if (is_plain(value)) {
    put(line, (const char *)value.data, value.len);
    return;
  }
  put_text(line, "\"");
  for (size_t i = 0; i < value.len; i++) {
    uint8_t b = value.data[i];
    char escaped[8];
    if (b == '"' || b == '\\')
      put(line, (char[]){ '\\', (char)b }, 2);
    else if (b < ' ' || b == 0x7f)
      put(line, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\x%02x", b));
    else
      put(line, (const char *)&value.data[i], 1);
  }
  put_text(line, "\"");
}

void gs_log_text(gs_log *line, const char *key, const char *value)
{
  gs_log_bytes(line, key, (gesso_bytes){ (const uint8_t *)value, strlen(value) });
}

void gs_log_number(gs_log *line, const char *key, uint64_t value)
{
  char digits[24];
  int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
  gs_log_bytes(line, key, (gesso_bytes){ (const uint8_t *)digits, (size_t)n });
}

void gs_log_end(gs_log *line)
{
  if (line->len == 0)
    return;
  line->text[line->len++] = '\n';
  /* A log that cannot be written has nobody to be told. */
  ssize_t ignored = write(STDERR_FILENO, line->text, line->len);
  (void)ignored;
}

void gs_log_event(gs_log_level level, const char *event, const char *key, const char *value)
{
  gs_log line;
  gs_log_begin(&line, level, event);
  gs_log_text(&line, key, value);
  gs_log_end(&line);
}
