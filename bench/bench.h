/* What the two sides of the benchmark in C share: input files (input.mjs has their form), time, medians. */
#ifndef GS_BENCH_H
#define GS_BENCH_H

#include "gesso/base.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 21

static inline _Noreturn void die(const char *what)
{
  fprintf(stderr, "bench: %s\n", what);
  exit(1);
}

static inline double now_ms(void)
{
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Of the whole process: what else the machine does counts less. */
static inline double cpu_ms(void)
{
  struct timespec t;
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A digest of bytes, to compare with what Yjs makes: FNV-1a, 32 bits. */
static uint32_t digest = 2166136261u;

static inline void digest_more(const uint8_t *bytes, size_t len)
{
  for (size_t i = 0; i < len; i++)
    digest = (digest ^ bytes[i]) * 16777619u;
}

/* --- input --- */

struct input {
  uint8_t *data;
  size_t len, at;
};

static inline struct input read_file(const char *path)
{
  FILE *f = fopen(path, "rb");
  if (f == NULL || fseek(f, 0, SEEK_END) != 0)
    die("cannot open the input");
  long len = ftell(f);
  rewind(f);
  struct input in = { .data = malloc((size_t)len + 1), .len = (size_t)len };
  if (in.data == NULL || fread(in.data, 1, in.len, f) != in.len)
    die("cannot read the input");
  (void)fclose(f);
  return in;
}

static inline uint32_t next_u32(struct input *in)
{
  if (in->len - in->at < 4)
    die("the input ends too early");
  uint32_t v = 0;
  for (int i = 3; i >= 0; i--)
    v = v << 8 | in->data[in->at + (size_t)i];
  in->at += 4;
  return v;
}

static inline gesso_bytes next_bytes(struct input *in)
{
  uint32_t n = next_u32(in);
  if (in->len - in->at < n)
    die("the input ends too early");
  gesso_bytes b = { in->data + in->at, n };
  in->at += n;
  return b;
}

/* --- rounds of the same, and their medians --- */

static struct {
  double ms[ROUNDS], cpu[ROUNDS], from_ms, from_cpu;
  int n;
} rounds;

static inline void round_start(void)
{
  rounds.from_cpu = cpu_ms();
  rounds.from_ms = now_ms();
}

static inline void round_stop(void)
{
  rounds.ms[rounds.n] = now_ms() - rounds.from_ms;
  rounds.cpu[rounds.n++] = cpu_ms() - rounds.from_cpu;
}

static inline int by_size(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The caller completes the line. */
static inline void print_rounds(void)
{
  double first = rounds.ms[0];
  qsort(rounds.ms, (size_t)rounds.n, sizeof rounds.ms[0], by_size);
  qsort(rounds.cpu, (size_t)rounds.n, sizeof rounds.cpu[0], by_size);
  printf("{\"ms\": %.4f, \"first\": %.4f, \"cpu\": %.4f", rounds.ms[rounds.n / 2], first, rounds.cpu[rounds.n / 2]);
}

#endif
