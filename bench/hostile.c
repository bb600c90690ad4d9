/* Updates from peers that mean no good: what they cost. For each a line with
 *
 *   MB        input, as v1 (of v2 input, as v2)
 *   ms/MB     time until all was applied, refused or put aside, a megabyte
 *   growth    time of ten times the input, by ten: 1.0 is linear
 *   mem       peak memory of the document, by input byte
 *   then the time to encode the state and to take it down again, and what came of it
 *
 * and then, of updates in v2 that declare a million structs, the time to apply one and the memory for each struct.
 *
 *   hostile [size in percent [words that the name contains]] */
#include "gesso/types.h"
#include "gesso/update.h"
#include "support/declared.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

typedef struct updates {
  gs_buf bytes;   /* one after the other */
  size_t *ends;
  size_t n, cap;
  bool v2;
} updates;

static double now_ms(void)
{
  struct timespec t;
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* others may be busy */
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static size_t live, peak;

static void *counting_resize(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  (void)ctx;
  live += new_size - old_size;
  if (live > peak)
    peak = live;
  if (new_size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, new_size);
}

/* --- writing updates --- */

static void end_update(updates *u)
{
  if (u->n == u->cap) {
    u->cap = u->cap == 0 ? 64 : u->cap * 2;
    u->ends = realloc(u->ends, u->cap * sizeof *u->ends);
    if (u->ends == NULL)
      abort();
  }
  u->ends[u->n++] = u->bytes.b.len;
}

static void n(updates *u, uint64_t x)
{
  gs_write_varuint(&u->bytes, x);
}

static void raw(updates *u, const char *bytes, size_t len)
{
  gs_buf_write(&u->bytes, bytes, len);
}

static void string(updates *u, const char *s)
{
  gs_write_bytes(&u->bytes, (gesso_bytes){ (const uint8_t *)s, strlen(s) });
}

static void id(updates *u, uint64_t client, uint64_t clock)
{
  n(u, client);
  n(u, clock);
}

/* One client with `structs` structs that begin at `clock`. */
static void head(updates *u, uint64_t structs, uint64_t client, uint64_t clock)
{
  n(u, 1);
  n(u, structs);
  id(u, client, clock);
}

/* In the root type `t`, without origin. */
static void in_root(updates *u, unsigned kind)
{
  gs_buf_put(&u->bytes, (uint8_t)kind);
  raw(u, "\x01\x01t", 3);
}

enum { ANY = 8, STRING = 4, FORMAT = 6, TYPE = 7, ORIGIN = 0x80, RIGHT = 0x40, KEY = 0x20 };

/* An item of one character behind another. */
static void behind(updates *u, uint64_t client, uint64_t clock)
{
  gs_buf_put(&u->bytes, ORIGIN | STRING);
  id(u, client, clock);
  string(u, "x");
}

static void no_deletes(updates *u)
{
  n(u, 0);
  end_update(u);
}

/* One update: a string of `count` times `piece` in the root `t`. */
static void big_string(updates *u, uint64_t client, size_t count, const char *piece)
{
  head(u, 1, client, 0);
  in_root(u, STRING);
  n(u, count * strlen(piece));
  for (size_t i = 0; i < count; i++)
    raw(u, piece, strlen(piece));
  no_deletes(u);
}

/* --- what is sent --- */

static void gaps(updates *u, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 5, 2 * i + 1);
    in_root(u, STRING);
    n(u, 200);
    for (int k = 0; k < 200; k++)
      raw(u, "x", 1);
    no_deletes(u);
  }
}

static void gaps_backwards(updates *u, size_t size)
{
  for (size_t i = size; i-- > 0;) {
    head(u, 1, 5, 2 * i + 1);
    in_root(u, STRING);
    string(u, "x");
    no_deletes(u);
  }
}

static void gaps_then_all(updates *u, size_t size)
{
  gaps_backwards(u, size);
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 5, 2 * i);
    in_root(u, STRING);
    string(u, "x");
    no_deletes(u);
  }
}

static void many_clients_wait(updates *u, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 1000 + i, 0);
    behind(u, 5, i);
    no_deletes(u);
  }
}

static void clients_wait_in_a_row(updates *u, size_t size)
{
  for (size_t i = size; i-- > 1;) {
    head(u, 1, 1000 + i, 0);
    behind(u, 1000 + i - 1, 0);
    no_deletes(u);
  }
  head(u, 1, 1000, 0);
  in_root(u, STRING);
  string(u, "x");
  no_deletes(u);
}

static void one_waits_again_and_again(updates *u, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 5, 1 + i % 100);
    in_root(u, STRING);
    n(u, 100);
    for (int k = 0; k < 100; k++)
      raw(u, "x", 1);
    no_deletes(u);
  }
}

static void roots(updates *u, size_t size)
{
  head(u, size, 5, 0);
  for (size_t i = 0; i < size; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "root-%zu", i);
    raw(u, "\x04\x01", 2);
    string(u, name);
    string(u, "x");
  }
  no_deletes(u);
}

static void map_keys(updates *u, size_t size)
{
  head(u, size, 5, 0);
  for (size_t i = 0; i < size; i++) {
    char name[32];
    (void)snprintf(name, sizeof name, "key-%zu", i);
    in_root(u, KEY | ANY);
    string(u, name);
    raw(u, "\x01\x7e", 2);
  }
  no_deletes(u);
}

static void one_key_again_and_again(updates *u, size_t size)
{
  head(u, size, 5, 0);
  in_root(u, KEY | ANY);
  raw(u, "\x01k\x01\x7e", 4);
  for (size_t i = 1; i < size; i++) {
    gs_buf_put(&u->bytes, ORIGIN | ANY);
    id(u, 5, i - 1);
    raw(u, "\x01\x7e", 2);
  }
  no_deletes(u);
}

static void deletes_of_nothing(updates *u, size_t size)
{
  n(u, 0);
  n(u, 1);
  n(u, 5);
  n(u, size);
  for (size_t i = size; i-- > 0;)
    id(u, i * 2, 1);
  end_update(u);
}

static void deletes_cut(updates *u, size_t size, const char *piece, bool backwards)
{
  big_string(u, 1, size * 2, piece);
  n(u, 0);
  n(u, 1);
  n(u, 1);
  n(u, size);
  for (size_t i = 0; i < size; i++)
    id(u, (backwards ? size - 1 - i : i) * 2, 1);
  end_update(u);
}

static void deletes_cut_ascii(updates *u, size_t size)
{
  deletes_cut(u, size, "x", false);
}

static void deletes_cut_wide(updates *u, size_t size)
{
  deletes_cut(u, size, "\xc3\xa9", true);
}

static void deletes_cut_one_by_one(updates *u, size_t size)
{
  big_string(u, 1, size * 2, "\xc3\xa9");
  for (size_t i = size; i-- > 0;) {
    n(u, 0);
    n(u, 1);
    n(u, 1);
    n(u, 1);
    id(u, i * 2, 1);
    end_update(u);
  }
}

/* An array of one long item, cut from its end. */
static void deletes_cut_values(updates *u, size_t size)
{
  head(u, 1, 1, 0);
  in_root(u, ANY);
  n(u, size * 2);
  for (size_t i = 0; i < size * 2; i++)
    raw(u, "\x7e", 1);
  no_deletes(u);
  for (size_t i = size; i-- > 0;) {
    n(u, 0);
    n(u, 1);
    n(u, 1);
    n(u, 1);
    id(u, i * 2, 1);
    end_update(u);
  }
}

/* A right origin in the middle of a long item, which is cut and joined again each time. */
static void cut_and_join(updates *u, size_t size)
{
  big_string(u, 9, size * 4, "\xc3\xa9");
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 5, i);
    gs_buf_put(&u->bytes, RIGHT | STRING);
    id(u, 9, size * 2 + i % 1000);
    string(u, "x");
    no_deletes(u);
  }
}

static void same_deletes(updates *u, size_t size)
{
  big_string(u, 1, 2000, "x");
  for (size_t i = 0; i < size / 1000; i++) {
    n(u, 0);
    n(u, 1);
    n(u, 1);
    n(u, 1000);
    for (size_t k = 0; k < 1000; k++)
      id(u, k * 2, 1);
    end_update(u);
  }
}

static void nesting(updates *u, size_t size)
{
  head(u, size, 5, 0);
  for (size_t i = 0; i < size; i++) {
    if (i == 0) {
      in_root(u, TYPE);
    } else {
      raw(u, "\x07\x00", 2);
      id(u, 5, i - 1);
    }
    n(u, 0);
  }
  no_deletes(u);
  n(u, 0); /* and down with it */
  n(u, 1);
  n(u, 5);
  n(u, 1);
  id(u, 0, 1);
  end_update(u);
}

static void huge_numbers(updates *u, size_t size)
{
  const uint64_t huge = 9007199254740991u;
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 5, i % 2 == 0 ? huge : 0);
    gs_buf_put(&u->bytes, 0);
    n(u, i % 2 == 0 ? 1 : huge);
    no_deletes(u);
  }
}

static void false_counts(updates *u, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    if (i % 2 == 0) {
      head(u, (uint64_t)1 << 32, 5, 0);
      raw(u, "\x00\x01\x00\x01\x00\x01", 6);
    } else {
      head(u, 1, 5, 0);
      in_root(u, ANY);
      n(u, (uint64_t)1 << 32);
      raw(u, "\x7f\x7f", 2);
    }
    no_deletes(u);
  }
}

static void clients(updates *u, size_t size)
{
  n(u, size);
  for (size_t i = 0; i < size; i++) {
    n(u, 1);
    id(u, 1000 + i, 0);
    in_root(u, STRING);
    string(u, "x");
  }
  no_deletes(u);
}

/* Client ids that fall into one place of a table which hashes without a secret: those are the ids whose
 * murmur finalizer ends in zeros. */
static void clients_that_collide(updates *u, size_t size)
{
  n(u, size);
  uint64_t inverse = 1; /* of the multiplier, modulo 2^64 */
  for (int i = 0; i < 6; i++)
    inverse *= 2 - 0xff51afd7ed558ccdULL * inverse;
  size_t made = 0;
  for (uint64_t high = 1; made < size; high++) {
    uint64_t x = high << 20;
    x ^= x >> 33;
    x *= inverse;
    x ^= x >> 33;
    if (x >= (uint64_t)1 << 53)
      continue;
    n(u, 1);
    id(u, x, 0);
    in_root(u, STRING);
    string(u, "x");
    made++;
  }
  no_deletes(u);
}

/* Many clients are known; then come updates that are refused after they named one more. */
static void refused_by_a_large_document(updates *u, size_t size)
{
  clients(u, size);
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 1 + i % 500, 0);
    raw(u, "\x0b\x00", 2);
    end_update(u);
  }
}

/* Much waits, as much as may; then comes more. */
static void refused_while_much_waits(updates *u, size_t size)
{
  n(u, size);
  for (size_t i = 0; i < size; i++) {
    n(u, 1);
    id(u, 1000 + i, 1);
    in_root(u, STRING);
    string(u, "x");
  }
  no_deletes(u);
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 5, 3);
    in_root(u, STRING);
    string(u, "x");
    no_deletes(u);
    head(u, 1, 6, i);
    in_root(u, STRING);
    string(u, "x");
    no_deletes(u);
  }
}

/* Everybody writes at the front of one text, the lowest client first. */
static void concurrent_front(updates *u, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 1000 + i, 0);
    in_root(u, STRING);
    string(u, "x");
    no_deletes(u);
  }
}

/* The same by one client, with right origins that all differ. */
static void concurrent_right_origins(updates *u, size_t size)
{
  big_string(u, 1, size + 1, "x");
  head(u, size, 5, 0);
  for (size_t i = 0; i < size; i++) {
    gs_buf_put(&u->bytes, RIGHT | STRING);
    id(u, 1, i + 1);
    string(u, "x");
  }
  no_deletes(u);
}

/* A permutation of 0 .. n - 1. */
static size_t *shuffled(size_t n)
{
  size_t *v = malloc(n * sizeof *v);
  uint64_t x = 1;
  if (v == NULL)
    abort();
  for (size_t i = 0; i < n; i++) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    size_t k = (size_t)(x >> 33) % (i + 1);
    v[i] = v[k];
    v[k] = i;
  }
  return v;
}

static void concurrent_front_shuffled(updates *u, size_t size)
{
  size_t *order = shuffled(size);
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 1000 + order[i], 0);
    in_root(u, STRING);
    string(u, "x");
    no_deletes(u);
  }
  free(order);
}

/* The right origins in any order, by a client that is higher or lower than that of the text. */
static void concurrent_right_origins_shuffled(updates *u, size_t size, uint64_t client)
{
  size_t *order = shuffled(size);
  big_string(u, 10, size + 1, "x");
  head(u, size, client, 0);
  for (size_t i = 0; i < size; i++) {
    gs_buf_put(&u->bytes, RIGHT | STRING);
    id(u, 10, order[i] + 1);
    string(u, "x");
  }
  no_deletes(u);
  free(order);
}

static void concurrent_right_origins_higher(updates *u, size_t size)
{
  concurrent_right_origins_shuffled(u, size, 11);
}

static void concurrent_right_origins_lower(updates *u, size_t size)
{
  concurrent_right_origins_shuffled(u, size, 5);
}

/* Two of them, each of whom put one before the other for long. */
static void concurrent_prepends(updates *u, size_t size)
{
  for (uint64_t client = 5; client < 7; client++) {
    head(u, size / 2, client, 0);
    in_root(u, ANY);
    raw(u, "\x01\x7e", 2);
    for (size_t i = 1; i < size / 2; i++) {
      gs_buf_put(&u->bytes, RIGHT | ANY);
      id(u, client, i - 1);
      raw(u, "\x01\x7e", 2);
    }
    no_deletes(u);
  }
}

/* Everybody sets one key of a map. */
static void concurrent_key(updates *u, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 1000 + i, 0);
    in_root(u, KEY | ANY);
    string(u, "k");
    raw(u, "\x01\x7e", 2);
    no_deletes(u);
  }
}

static void format(updates *u, uint64_t client, uint64_t clock, size_t key, const char *value)
{
  char name[32];
  (void)snprintf(name, sizeof name, "f%zu", key);
  gs_buf_put(&u->bytes, ORIGIN | FORMAT);
  id(u, client, clock);
  string(u, name);
  string(u, value);
}

/* Formats without text between them: one key. */
static void formats_of_one_key(updates *u, size_t size)
{
  head(u, size + 1, 5, 0);
  in_root(u, STRING);
  string(u, "x");
  for (size_t i = 0; i < size; i++)
    format(u, 5, i, 0, i % 2 == 0 ? "true" : "1");
  no_deletes(u);
}

static void formats_of_many_keys(updates *u, size_t size)
{
  head(u, size + 1, 5, 0);
  in_root(u, STRING);
  string(u, "x");
  for (size_t i = 0; i < size; i++)
    format(u, 5, i, i, "true");
  no_deletes(u);
}

static void formats_between_text(updates *u, size_t size)
{
  head(u, size * 2 + 1, 5, 0);
  in_root(u, STRING);
  string(u, "x");
  for (size_t i = 0; i < size; i++) {
    format(u, 5, i * 2, i, "true");
    behind(u, 5, i * 2 + 1);
  }
  no_deletes(u);
}

/* A text that has formats, then one small deletion after the other in one place. */
static void deletes_in_formatted_text(updates *u, size_t size)
{
  head(u, size + 2, 5, 0);
  in_root(u, STRING);
  string(u, "x");
  format(u, 5, 0, 0, "true");
  for (size_t i = 0; i < size; i++)
    behind(u, 5, i + 1);
  no_deletes(u);
  for (size_t i = 0; i < size; i++) {
    n(u, 0);
    n(u, 1);
    n(u, 5);
    n(u, 1);
    id(u, i + 2, 1);
    end_update(u);
  }
}

/* All of it goes, but for the first character: one gap. */
static void deletes_in_one_gap(updates *u, size_t size)
{
  head(u, size + 2, 5, 0);
  in_root(u, STRING);
  string(u, "x");
  format(u, 5, 0, 0, "true");
  for (size_t i = 0; i < size; i++)
    behind(u, 5, 1);
  no_deletes(u);
  n(u, 0);
  n(u, 1);
  n(u, 5);
  n(u, 1);
  id(u, 2, size);
  end_update(u);
}

static void many_deletes_in_formatted_text(updates *u, size_t size)
{
  head(u, size + 2, 5, 0);
  in_root(u, STRING);
  string(u, "x");
  format(u, 5, 0, 0, "true");
  for (size_t i = 0; i < size; i++) {
    /* Apart in the text, so that they stay apart. */
    behind(u, 5, 1);
  }
  no_deletes(u);
  n(u, 0);
  n(u, 1);
  n(u, 5);
  n(u, size / 2);
  for (size_t i = 0; i < size / 2; i++)
    id(u, 2 + 2 * i, 1);
  end_update(u);
}

/* One format after the other into a long text of many pieces. */
static void formats_one_by_one(updates *u, size_t size)
{
  head(u, size + 1, 5, 0);
  in_root(u, STRING);
  string(u, "x");
  for (size_t i = 0; i < size; i++)
    behind(u, 5, 0);
  no_deletes(u);
  for (size_t i = 0; i < size; i++) {
    head(u, 1, 6, i);
    format(u, 5, i, i % 3, "true");
    no_deletes(u);
  }
}

static void deep_values(updates *u, size_t size)
{
  for (size_t k = 0; k < size; k++) {
    head(u, 1, 5, 0);
    in_root(u, ANY);
    n(u, 1);
    for (int i = 0; i < 1000; i++)
      raw(u, "\x75\x01", 2);
    raw(u, "\x7e", 1);
    no_deletes(u);
  }
}

/* v2: an update of a few bytes that is one struct of 2^40 empty strings, and a column that repeats. */
static void v2_runs(updates *u, size_t size)
{
  static const char bomb[] = "\0\0\x01\x05\0\0\x01\x02\x0b\x01t\x01\x40\xff\xff\xff\xff\xff\xff\x07\x01\x01\0\x06"
                             "\x80\x80\x80\x80\x80\x40\x01\x01\0\0";
  u->v2 = true;
  for (size_t i = 0; i < size; i++) {
    raw(u, bomb, sizeof bomb - 1);
    end_update(u);
  }
}

static const struct scenario {
  const char *name;
  void (*make)(updates *u, size_t size);
  size_t size;
} scenarios[] = {
  { "updates with clock gaps", gaps, 5000 },
  { "the same, last first", gaps_backwards, 50000 },
  { "gaps, then what fills them", gaps_then_all, 50000 },
  { "many clients wait for one", many_clients_wait, 50000 },
  { "clients wait in a row", clients_wait_in_a_row, 50000 },
  { "one struct waits, in many cuts", one_waits_again_and_again, 10000 },
  { "root types", roots, 100000 },
  { "keys of a map", map_keys, 100000 },
  { "one key, set again and again", one_key_again_and_again, 100000 },
  { "delete ranges of nothing", deletes_of_nothing, 200000 },
  { "delete ranges that cut a string", deletes_cut_ascii, 200000 },
  { "the same, wide, last first", deletes_cut_wide, 200000 },
  { "the same, an update each", deletes_cut_one_by_one, 100000 },
  { "the same in an array", deletes_cut_values, 50000 },
  { "an item cut and joined", cut_and_join, 50000 },
  { "the same deletions again", same_deletes, 200000 },
  { "nested types", nesting, 100000 },
  { "numbers of 2^53-1", huge_numbers, 50000 },
  { "counts of 2^32", false_counts, 50000 },
  { "clients", clients, 100000 },
  { "clients whose ids collide", clients_that_collide, 50000 },
  { "refused, with many clients", refused_by_a_large_document, 50000 },
  { "refused, while much waits", refused_while_much_waits, 20000 },
  { "everybody at the front", concurrent_front, 20000 },
  { "the same in any order", concurrent_front_shuffled, 20000 },
  { "everybody at one key", concurrent_key, 20000 },
  { "differing right origins", concurrent_right_origins, 20000 },
  { "the same in any order, higher", concurrent_right_origins_higher, 20000 },
  { "the same in any order, lower", concurrent_right_origins_lower, 20000 },
  { "two prepend", concurrent_prepends, 20000 },
  { "formats of one key", formats_of_one_key, 20000 },
  { "formats of many keys", formats_of_many_keys, 10000 },
  { "formats between text", formats_between_text, 5000 },
  { "deletions in formatted text", deletes_in_formatted_text, 20000 },
  { "formatted text goes", deletes_in_one_gap, 20000 },
  { "formatted text goes in parts", many_deletes_in_formatted_text, 20000 },
  { "formats, an update each", formats_one_by_one, 5000 },
  { "values nested deep", deep_values, 500 },
  { "v2: runs of strings", v2_runs, 5000 },
};

struct outcome {
  double apply, encode, destroy, mb, mem;
  size_t passed, refused;
  gesso_status last;
};

static struct outcome run(const struct scenario *s, size_t size)
{
  updates u = { .bytes = gs_buf_make(NULL) };
  s->make(&u, size);
  if (u.bytes.err != GESSO_OK)
    abort();
  struct outcome out = { .mb = (double)u.bytes.b.len / 1e6 };
  live = peak = 0;
  gesso_allocator al = { counting_resize, NULL };
  gesso_doc_options o = { .size = sizeof o, .client_id = 77, .alloc = &al };
  if (s->make == refused_while_much_waits)
    o.pending_structs_max = (uint32_t)size;
  gesso_doc *doc = gesso_doc_create(&o);
  if (strstr(s->name, "format") != NULL)
    (void)gesso_doc_root(doc, (gesso_bytes){ (const uint8_t *)"t", 1 }, GESSO_TEXT); /* formats are cleaned up then */
  double t = now_ms();
  for (size_t i = 0; i < u.n; i++) {
    size_t from = i == 0 ? 0 : u.ends[i - 1];
    gesso_bytes update = { u.bytes.b.data + from, u.ends[i] - from };
    gesso_status st = u.v2 ? gesso_doc_apply_v2(doc, update, NULL) : gesso_doc_apply_v1(doc, update, NULL);
    if (st == GESSO_OK) {
      out.passed++;
    } else {
      out.refused++;
      out.last = st;
    }
  }
  out.apply = now_ms() - t;
  out.mem = (double)peak / (double)u.bytes.b.len;
  t = now_ms();
  gesso_buffer state = { 0 };
  if (gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &state, NULL) == GESSO_OK)
    gesso_buffer_free(&state);
  out.encode = now_ms() - t;
  t = now_ms();
  gesso_doc_destroy(doc);
  out.destroy = now_ms() - t;
  gs_buf_finish(&u.bytes);
  free(u.ends);
  return out;
}

/* v2: an update that declares many structs in few bytes. */
static void run_declared(int family, uint32_t n)
{
  gs_buf b = declared_update(family, n);
  live = peak = 0;
  gesso_allocator al = { counting_resize, NULL };
  gesso_doc_options o = { .size = sizeof o, .client_id = 77777777, .alloc = &al, .pending_structs_max = n };
  gesso_doc *doc = gesso_doc_create(&o);
  double t = now_ms();
  gesso_status st = gesso_doc_apply_v2(doc, gs_buf_bytes(&b), NULL);
  t = now_ms() - t;
  printf("%-32s %9zu %8.0f %11.1f %11.1f  %s\n", declared_names[family], b.b.len, t, (double)peak / n,
         (double)live / n, gesso_status_text(st));
  (void)fflush(stdout);
  gesso_doc_destroy(doc);
  gs_buf_finish(&b);
}

int main(int argc, char **argv)
{
  size_t percent = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 100;
  printf("%-32s %7s %8s %7s %6s %8s %8s  %s\n", "", "MB", "ms/MB", "growth", "mem", "encode", "destroy", "outcome");
  for (size_t i = 0; i < GS_COUNT(scenarios); i++) {
    const struct scenario *s = &scenarios[i];
    if (argc > 2 && strstr(s->name, argv[2]) == NULL)
      continue;
    size_t size = s->size * percent / 100;
    struct outcome small = run(s, size / 10), full = run(s, size);
    printf("%-32s %7.2f %8.1f %7.1f %6.1f %8.1f %8.1f  %zu passed", s->name, full.mb, full.apply / full.mb,
           full.apply / full.mb / (small.apply / small.mb), full.mem, full.encode, full.destroy, full.passed);
    if (full.refused > 0)
      printf(", %zu refused (%s)", full.refused, gesso_status_text(full.last));
    printf("\n");
    (void)fflush(stdout);
  }
  size_t n = (size_t)GESSO_UPDATE_STRUCTS_MAX / 4 * percent / 100;
  printf("\n%-32s %9s %8s %11s %11s  %s\n", "v2: structs declared", "bytes", "ms", "peak/struct", "after", "outcome");
  for (int i = 0; i < DECLARED_FAMILIES; i++)
    if (argc <= 2 || strstr(declared_names[i], argv[2]) != NULL || strstr("declared", argv[2]) != NULL)
      run_declared(i, (uint32_t)n);
  return 0;
}
