/* Peers that edit at random and hear of each other in any order end with the same content, and
 * every document is consistent after every step. Now and then they fall apart into two groups, and meet again.
 *
 *   test_converge [first seed [how many]]       the seed of a failure is printed */
#include "peers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t seed_now;

static _Noreturn void fail(const char *what, const char *detail)
{
  fprintf(stderr, "seed %" PRIu64 ": %s: %s\n", seed_now, what, detail);
  exit(1);
}

static void check(gesso_doc *doc, const char *when)
{
  gesso_error error = { 0 };
  if (gesso_doc_check(doc, &error) != GESSO_OK)
    fail(when, error.message);
}

static void apply(gesso_doc *doc, gesso_buffer update)
{
  gesso_error error = { 0 };
  if (gesso_doc_apply_v1(doc, (gesso_bytes){ update.data, update.len }, &error) != GESSO_OK)
    fail("apply", error.message != NULL ? error.message : gesso_status_text(error.status));
  check(doc, "after an update");
}

static void expect_same(const char *what, gesso_doc *a, gesso_doc *b)
{
  gesso_buffer x = peer_content(a), y = peer_content(b);
  if (!same_content(x, y)) {
    fprintf(stderr, "%.*s\n%.*s\n", (int)x.len, (const char *)x.data, (int)y.len, (const char *)y.data);
    fail(what, "the contents differ");
  }
  gesso_buffer_free(&x);
  gesso_buffer_free(&y);
}

static gesso_buffer encode(gesso_doc *doc, gesso_bytes state_vector)
{
  gesso_buffer out = { 0 };
  if (gesso_doc_encode_v1(doc, state_vector, &out, NULL) != GESSO_OK)
    fail("encode", "refused");
  return out;
}

/* The state of `doc`, loaded by a fresh document, is the same document. */
static void expect_reload(gesso_doc *doc)
{
  gesso_buffer state = encode(doc, (gesso_bytes){ NULL, 0 });
  gesso_doc *fresh = peer_doc(999, NULL);
  apply(fresh, state);
  expect_same("reload", doc, fresh);
  gesso_buffer again = encode(fresh, (gesso_bytes){ NULL, 0 });
  gesso_doc *second = peer_doc(998, NULL);
  apply(second, again);
  expect_same("second reload", doc, second);
  gesso_buffer_free(&again);
  gesso_buffer_free(&state);
  gesso_doc_destroy(second);
  gesso_doc_destroy(fresh);
}

/* Sync steps 1 and 2: `from` answers the state vector of `to`. */
static void sync(gesso_doc *to, gesso_doc *from)
{
  gesso_buffer sv = { 0 };
  if (gesso_doc_state_vector(to, &sv) != GESSO_OK)
    fail("state vector", "refused");
  gesso_buffer diff = encode(from, (gesso_bytes){ sv.data, sv.len });
  apply(to, diff);
  gesso_buffer_free(&diff);
  gesso_buffer_free(&sv);
}

/* Peers that cannot reach each other: whoever has another bit in `split` is on the other side. */
static bool together(uint32_t split, uint32_t a, uint32_t b)
{
  return (split >> a & 1) == (split >> b & 1);
}

static bool somebody_has(uint32_t split, uint32_t peers, uint32_t me, bool known[][POOL_MAX], uint32_t update)
{
  for (uint32_t i = 0; i < peers; i++)
    if (together(split, me, i) && known[i][update])
      return true;
  return false;
}

static void run(uint64_t seed)
{
  seed_now = seed;
  random_source r = { seed * 2654435761u };
  /* Where edits cut characters in halves, live peers may keep different remains: only documents that
   * were fed the same updates in the same order can be compared then. */
  bool whole = random_chance(&r, 60);
  static pool history;
  uint32_t peers = 2 + random_below(&r, PEERS_MAX - 1);
  gesso_doc *docs[PEERS_MAX];
  static bool known[PEERS_MAX][POOL_MAX];
  for (uint32_t i = 0; i < peers; i++) {
    docs[i] = peer_doc(1 + i + random_below(&r, 1000) * 10, NULL);
    for (uint32_t k = 0; k < POOL_MAX; k++)
      known[i][k] = false;
  }
  uint32_t split = 0;
  uint32_t steps = 20 + random_below(&r, 120);
  for (uint32_t step = 0; step < steps; step++) {
    uint32_t i = random_below(&r, peers);
    uint32_t what = random_below(&r, 10);
    if (random_chance(&r, 4))
      split = split != 0 ? 0 : random_below(&r, 1u << peers);
    if (what < 5) {
      int made = peer_edit(docs[i], &r, &history, whole);
      if (made >= 0)
        known[i][made] = true;
      check(docs[i], "after an edit");
    } else if (what < 9 && history.count > 0) {
      for (uint32_t n = 1 + random_below(&r, 5); n > 0; n--) {
        uint32_t k = random_below(&r, history.count);
        if (!somebody_has(split, peers, i, known, k))
          continue;
        known[i][k] = true;
        apply(docs[i], history.updates[k]);
      }
    } else {
      uint32_t other = random_below(&r, peers);
      if (together(split, i, other))
        sync(docs[i], docs[other]);
    }
  }
  for (uint32_t i = 0; i < peers; i++)
    for (uint32_t k = 0; k < history.count; k++)
      if (!known[i][k])
        apply(docs[i], history.updates[k]);
  /* Applying an update may delete formats that do nothing, as Yjs does: such deletions are in the states,
   * not in the updates above. Two rounds bring each peer's to everybody. */
  for (uint32_t n = 0; n < 2 * peers * peers; n++)
    sync(docs[n % peers], docs[n / peers % peers]);
  for (uint32_t i = 0; i < peers; i++) {
    if (whole)
      expect_same("peers", docs[0], docs[i]);
    expect_reload(docs[i]);
  }

  /* Two fresh documents: one by one, and all of it in one transaction. */
  gesso_doc *single = peer_doc(7777, NULL), *grouped = peer_doc(7778, NULL);
  gesso_doc_begin(grouped);
  for (uint32_t k = 0; k < history.count; k++) {
    apply(single, history.updates[k]);
    if (gesso_doc_apply_v1(grouped, (gesso_bytes){ history.updates[k].data, history.updates[k].len }, NULL) != GESSO_OK)
      fail("apply in a transaction", "refused");
  }
  if (gesso_doc_commit(grouped, NULL) != GESSO_OK)
    fail("commit", "refused");
  check(grouped, "after a large transaction");
  /* Which formats were cleaned up depends on where transactions ended. */
  sync(single, grouped);
  sync(single, docs[0]);
  sync(grouped, single);
  sync(docs[0], single);
  if (whole) {
    expect_same("one by one and at once", single, grouped);
    expect_same("peers and a fresh document", docs[0], single);
  }
  gesso_doc_destroy(single);
  gesso_doc_destroy(grouped);
  for (uint32_t i = 0; i < peers; i++)
    gesso_doc_destroy(docs[i]);
  pool_free(&history);
}

int main(int argc, char **argv)
{
  uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 300;
  for (uint64_t seed = first; seed < first + count; seed++)
    run(seed);
  printf("%" PRIu64 " seeds\n", count);
  return 0;
}
