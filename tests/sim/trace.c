#include "trace.h"

#include "os.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TAIL = 160, LINE = 200 };

bool trace_verbose, trace_brief;
const char *trace_arguments = "";

static uint64_t seed_now, rng, hash, lines;
static char tail[TAIL][LINE];

void trace_begin(uint64_t seed)
{
  seed_now = seed;
  rng = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
  hash = UINT64_C(0xcbf29ce484222325);
  lines = 0;
}

uint64_t trace_random(void) /* splitmix64 */
{
  uint64_t z = (rng += UINT64_C(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

uint32_t roll(uint32_t n)
{
  return n == 0 ? 0 : (uint32_t)((trace_random() >> 32) * n >> 32);
}

bool chance(uint32_t percent)
{
  return roll(100) < percent;
}

bool chance_permille(uint32_t permille)
{
  return permille != 0 && roll(1000) < permille;
}

static void mix(const void *data, size_t len)
{
  const uint8_t *p = data;
  for (; len >= 8; p += 8, len -= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    hash ^= hash >> 32;
  }
  for (; len != 0; p++, len--)
    hash = (hash ^ *p) * UINT64_C(0x100000001b3);
}

void trace(const char *format, ...)
{
  char *line = tail[lines++ % TAIL];
  int n = snprintf(line, LINE, "%10.3f ", (double)os_now_us() / 1000);
  va_list args;
  va_start(args, format);
  (void)vsnprintf(line + n, (size_t)(LINE - n), format, args);
  va_end(args);
  mix(line, strlen(line));
  if (trace_verbose)
    puts(line);
}

void trace_bytes(const char *what, const char *name, int64_t at, const void *data, size_t len)
{
  mix(&at, sizeof at);
  mix(&len, sizeof len);
  mix(data, data == NULL ? 0 : len);
  if (!trace_verbose)
    return;
  printf("%10.3f       %s %s %lld +%zu  #%016llx", (double)os_now_us() / 1000, what, name, (long long)at, len,
         (unsigned long long)hash);
  for (size_t i = 0; data != NULL && len <= 64 && i < len; i++)
    printf("%s%02x", i == 0 ? "  " : "", ((const uint8_t *)data)[i]);
  puts("");
}

uint64_t trace_hash(void)
{
  return hash;
}

uint64_t trace_lines(void)
{
  return lines;
}

static void report(const char *what)
{
  printf("seed %llu: %s\n", (unsigned long long)seed_now, what);
  if (!trace_brief) {
    printf("--- the last of %llu events:\n", (unsigned long long)lines);
    if (!trace_verbose)
      for (uint64_t i = lines > TAIL ? lines - TAIL : 0; i < lines; i++)
        puts(tail[i % TAIL]);
    printf("--- again: sim --seed %llu --verbose %s\n", (unsigned long long)seed_now, trace_arguments);
  }
  (void)fflush(stdout);
}

void violated(const char *format, ...)
{
  char text[400];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  report(text);
  _exit(FAIL_STATUS);
}

/* Not what a handler may do by the book; the process is about to end anyway. */
static void crashed(int number)
{
  report(number == SIGABRT ? "aborted: an assertion failed" : "crashed");
  _exit(FAIL_STATUS);
}

void trace_catch_crashes(void)
{
  static const int numbers[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE };
  static char stack[64 * 1024];
  stack_t alternative = { .ss_sp = stack, .ss_size = sizeof stack };
  (void)sigaltstack(&alternative, NULL);
  struct sigaction action = { .sa_handler = crashed, .sa_flags = SA_ONSTACK };
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    (void)sigaction(numbers[i], &action, NULL);
}
