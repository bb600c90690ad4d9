/* A document of many structs comes in slices: what peers with made-up state vectors would be sent, at several moments of
 * its history, in v1 or v2, in any order. Slices begin inside of structs, overlap, and wait for what is missing. In the
 * end there is the same content, and the document is consistent after every step.
 *
 *   test_slices [first seed [how many]]       the seed of a failure is printed */
#include "peers.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WRITERS = 3, MOMENTS = 4, SLICES = 12, EDITS = 250 };

static uint64_t seed_now;

static _Noreturn void fail(const char *what, const char *detail)
{
  fprintf(stderr, "seed %" PRIu64 ": %s: %s\n", seed_now, what, detail);
  exit(1);
}

static gesso_bytes view(gesso_buffer b)
{
  return (gesso_bytes){ b.data, b.len };
}

static void apply(gesso_doc *doc, gesso_buffer update, bool v2)
{
  gesso_error why = { GESSO_OK, 0, "" };
  gesso_status st = v2 ? gesso_doc_apply_v2(doc, view(update), &why) : gesso_doc_apply_v1(doc, view(update), &why);
  if (st != GESSO_OK)
    fail("apply", why.message);
  if (gesso_doc_check(doc, &why) != GESSO_OK)
    fail("after a slice", why.message);
}

static gesso_buffer encode(gesso_doc *doc, gesso_bytes state_vector, bool v2)
{
  gesso_buffer out = { 0 };
  if ((v2 ? gesso_doc_encode_v2(doc, state_vector, &out, NULL) : gesso_doc_encode_v1(doc, state_vector, &out, NULL)) != GESSO_OK)
    fail("encode", "refused");
  return out;
}

static void read_clocks(gesso_doc *doc, const uint64_t ids[WRITERS], uint32_t clocks[WRITERS])
{
  gesso_buffer sv;
  if (gesso_doc_state_vector(doc, &sv) != GESSO_OK)
    fail("state vector", "refused");
  gs_reader rd = gs_reader_of(view(sv));
  for (uint64_t n = gs_read_varuint(&rd); n > 0; n--) {
    uint64_t id = gs_read_varuint(&rd), clock = gs_read_varuint(&rd);
    for (int i = 0; i < WRITERS; i++)
      if (ids[i] == id)
        clocks[i] = (uint32_t)clock;
  }
  gesso_buffer_free(&sv);
}

/* Of some writers everything is known, of others nothing, of others up to any clock there was. */
static gesso_buffer slice(gesso_doc *doc, random_source *r, const uint64_t ids[WRITERS], const uint32_t clocks[WRITERS], bool v2)
{
  uint8_t sv[64], *p = gs_put_varuint(sv, WRITERS);
  for (int i = 0; i < WRITERS; i++) {
    uint32_t known = random_chance(r, 20) ? clocks[i] : random_chance(r, 25) ? 0 : random_below(r, clocks[i] + 1);
    p = gs_put_varuint(gs_put_varuint(p, ids[i]), known);
  }
  return encode(doc, (gesso_bytes){ sv, (size_t)(p - sv) }, v2);
}

static void meet(gesso_doc *docs[WRITERS])
{
  for (int a = 0; a < WRITERS; a++)
    for (int b = 0; b < WRITERS; b++)
      if (a != b) {
        gesso_buffer all = encode(docs[a], (gesso_bytes){ NULL, 0 }, false);
        apply(docs[b], all, false);
        gesso_buffer_free(&all);
      }
}

static void run(uint64_t seed)
{
  seed_now = seed;
  random_source r = { seed * 2654435761u + 7 };
  static pool history;
  gesso_doc *docs[WRITERS];
  uint64_t ids[WRITERS];
  uint32_t clocks[WRITERS] = { 0 };
  gesso_buffer slices[MOMENTS * SLICES];
  bool v2[MOMENTS * SLICES];
  for (int i = 0; i < WRITERS; i++) {
    /* The last one keeps what was deleted: its structs are other copies of the same. */
    gesso_doc_options options = { .size = sizeof options,
                                  .client_id = ids[i] = 1 + (uint64_t)i + random_below(&r, 1000) * 10,
                                  .flags = i + 1 == WRITERS ? GESSO_DOC_NO_GC : 0 };
    docs[i] = gesso_doc_create(&options);
  }
  for (int m = 0; m < MOMENTS; m++) {
    for (uint32_t n = 1 + random_below(&r, EDITS); n > 0; n--) {
      (void)peer_edit(docs[random_below(&r, WRITERS)], &r, &history, true);
      if (history.count == POOL_MAX)
        pool_free(&history);
    }
    meet(docs);
    read_clocks(docs[0], ids, clocks);
    for (int s = 0; s < SLICES; s++) {
      v2[m * SLICES + s] = random_chance(&r, 50);
      slices[m * SLICES + s] = slice(docs[random_below(&r, WRITERS)], &r, ids, clocks, v2[m * SLICES + s]);
    }
  }
  meet(docs);
  gesso_doc *one = peer_doc(7777, NULL), *other = peer_doc(7778, NULL);
  for (int n = MOMENTS * SLICES; n > 0; n--) {
    uint32_t k = random_below(&r, (uint32_t)n);
    apply(one, slices[k], v2[k]);
    if (random_chance(&r, 50))
      apply(other, slices[k], v2[k]);
    gesso_buffer_free(&slices[k]);
    slices[k] = slices[n - 1];
    v2[k] = v2[n - 1];
  }
  /* Twice: what one cleans up of formats that do nothing, the others hear of. */
  for (int n = 0; n < 4; n++) {
    bool v = n % 2;
    gesso_doc *got = v ? other : one;
    gesso_buffer all = encode(docs[0], (gesso_bytes){ NULL, 0 }, v);
    apply(got, all, v);
    gesso_buffer_free(&all);
    all = encode(got, (gesso_bytes){ NULL, 0 }, v);
    apply(docs[0], all, v);
    gesso_buffer_free(&all);
  }
  gesso_buffer x = peer_content(one), y = peer_content(other), z = peer_content(docs[0]);
  if (!same_content(x, y) || !same_content(x, z))
    fail("in the end", "the contents differ");
  gesso_buffer_free(&x);
  gesso_buffer_free(&y);
  gesso_buffer_free(&z);
  gesso_doc_destroy(one);
  gesso_doc_destroy(other);
  for (int i = 0; i < WRITERS; i++)
    gesso_doc_destroy(docs[i]);
  pool_free(&history);
}

int main(int argc, char **argv)
{
  uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 100;
  for (uint64_t seed = first; seed < first + count; seed++)
    run(seed);
  printf("%" PRIu64 " seeds\n", count);
  return 0;
}
