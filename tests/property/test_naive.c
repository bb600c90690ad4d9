/* The engine and the naive YATA of naive.h get the same updates in the same order. After each of them both must
 * have the same structs, in the same order in each type and key, and deleted the same.
 *
 * Each seed makes two histories: what editing peers come to, and what comes to a few places in one chain from many.
 *
 *   test_naive [first seed [how many]]       the seed of a failure is printed */
#include "crdt/runs.h"
#include "wire/writer.h"
#include "naive.h"
#include "peers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t seed_now, crowds;

static _Noreturn void fail(const char *what, uint64_t client, uint32_t clock)
{
  fprintf(stderr, "seed %" PRIu64 ": %s at %" PRIu64 ":%" PRIu32 "\n", seed_now, what, client, clock);
  exit(1);
}

static void apply(gesso_doc *doc, gesso_buffer update)
{
  gesso_error error = { 0 };
  if (gesso_doc_apply_v1(doc, (gesso_bytes){ update.data, update.len }, &error) != GESSO_OK ||
      gesso_doc_check(doc, &error) != GESSO_OK) {
    fprintf(stderr, "%s\n", error.message != NULL ? error.message : "?");
    fail("an update", 0, 0);
  }
}

/* Each chain of the engine is one of the naive document, and all of it. Formats may be cleaned away. */
static uint32_t compare_slot(const gesso_doc *doc, const naive_doc *naive, const gs_slot *slot)
{
  const naive_chain *chain = NULL;
  int at = 0;
  for (gs_ix ix = slot->head; ix != 0; ix = doc->items[ix].right) {
    const gs_item *it = &doc->items[ix];
    uint64_t client = doc->clients[gs_client_of(it)].id;
    for (uint32_t k = 0; k < it->len; k++) {
      int e = naive_find(naive, client, it->clock + k);
      if (e < 0)
        fail("only the engine has a struct", client, it->clock + k);
      const naive_element *el = &naive->elements[e];
      if (chain == NULL && el->chain >= 0)
        chain = &naive->chains[el->chain];
      if (chain == NULL || at == chain->n || chain->order[at++] != e)
        fail("the order differs", client, it->clock + k);
      if (gs_is_deleted(it) != el->deleted && !(el->format && gs_is_deleted(it)))
        fail("one has it deleted", client, it->clock + k);
    }
  }
  if (chain != NULL && at != chain->n)
    fail("the naive chain is longer", 0, 0);
  return (uint32_t)at;
}

static void compare(gesso_doc *doc, const naive_doc *naive)
{
  for (uint32_t i = 1; i < doc->nclients; i++)
    if (doc->clients[i].clock != naive_clock(naive, doc->clients[i].id))
      fail("the states differ", doc->clients[i].id, doc->clients[i].clock);
  uint32_t elements = 0, placed = 0;
  for (uint32_t s = 1; s < doc->nslots; s++)
    elements += compare_slot(doc, naive, &doc->slots[s]);
  for (int i = 0; i < naive->n; i++)
    placed += naive->elements[i].chain >= 0;
  if (elements != placed)
    fail("one has more in its chains", elements, placed);
}

static gesso_doc *new_doc(uint64_t client, bool collects)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = client, .flags = collects ? 0 : GESSO_DOC_NO_GC };
  return gesso_doc_create(&o);
}

static void run(uint64_t seed)
{
  seed_now = seed;
  random_source r = { seed * 0x9e3779b97f4a7c15u };
  static pool history;
  uint32_t peers = 2 + random_below(&r, PEERS_MAX - 1);
  gesso_doc *docs[PEERS_MAX];
  /* Of a struct that was collected in one place and not in another there are two copies, and which one gets in
   * is not for YATA to say: so whole states are sent only where nothing is collected. */
  bool states = random_chance(&r, 50);
  for (uint32_t i = 0; i < peers; i++)
    docs[i] = new_doc(1 + i + random_below(&r, 1000) * 10, !states);
  for (uint32_t steps = 10 + random_below(&r, 60); steps > 0; steps--) {
    uint32_t i = random_below(&r, peers);
    if (random_chance(&r, 60)) {
      (void)peer_edit(docs[i], &r, &history, true);
    } else if (random_chance(&r, 80) && history.count > 0) {
      for (uint32_t n = 1 + random_below(&r, 4); n > 0; n--)
        apply(docs[i], history.updates[random_below(&r, history.count)]);
    } else if (states && history.count < POOL_MAX) {
      gesso_buffer state = { 0 };
      if (gesso_doc_encode_v1(docs[i], (gesso_bytes){ NULL, 0 }, &state, NULL) != GESSO_OK)
        fail("encode", 0, 0);
      history.updates[history.count++] = state;
    }
  }
  gesso_doc *kept = new_doc(7777, false), *collected = new_doc(7778, true);
  if (!gs_runs_forbid(kept))
    fail("unpack", 0, 0);
  naive_doc *naive = naive_new();
  bool used[POOL_MAX] = { false };
  for (uint32_t left = history.count; left > 0; left--) {
    uint32_t k = random_below(&r, history.count);
    while (used[k])
      k = (k + 1) % history.count;
    used[k] = true;
    gesso_buffer u = history.updates[k];
    apply(kept, u);
    apply(collected, u);
    naive_apply(naive, (gesso_bytes){ u.data, u.len });
    compare(kept, naive);
  }
  /* What can be read does not depend on what was collected. */
  gesso_buffer a = peer_content(kept), b = peer_content(collected);
  if (!same_content(a, b))
    fail("collecting changes the content", 0, 0);
  gesso_buffer_free(&a);
  gesso_buffer_free(&b);
  naive_free(naive);
  gesso_doc_destroy(kept);
  gesso_doc_destroy(collected);
  for (uint32_t i = 0; i < peers; i++)
    gesso_doc_destroy(docs[i]);
  pool_free(&history);
}

/* --- crowds: many structs at few places --- */

typedef struct named {
  uint64_t client;
  uint32_t clock;
} named;

static void write_id(gs_buf *b, named id)
{
  gs_write_varuint(b, id.client);
  gs_write_varuint(b, id.clock);
}

/* Structs of any client behind few elements, before any: also such as nobody could have made who tells what he saw. */
static void run_crowd(uint64_t seed)
{
  enum { STRUCTS = 400, CLIENTS = 12 };
  seed_now = seed;
  random_source r = { seed * 0x9e3779b97f4a7c15u };
  gesso_doc *doc = new_doc(7777, false);
  if (!gs_runs_forbid(doc))
    fail("unpack", 0, 0);
  doc->crowd_min = random_below(&r, 12);
  naive_doc *naive = naive_new();
  uint32_t clocks[CLIENTS] = { 0 }, clients = 2 + random_below(&r, CLIENTS - 1), n = 0;
  uint32_t structs = 20 + random_below(&r, STRUCTS - 20), places = 1 + random_below(&r, 4);
  uint32_t honest = random_below(&r, 101); /* how often there is no right origin, or that of the last one */
  bool map = random_chance(&r, 20);
  static named all[STRUCTS * 4];
  static gs_buf updates[STRUCTS];
  named right_before = { 0, 0 };
  for (uint32_t k = 0; k < structs; k++) {
    gs_buf *b = &updates[k];
    *b = gs_buf_make(NULL);
    uint32_t c = random_chance(&r, 30) ? 0 : random_below(&r, clients), len = map ? 1 : 1 + random_below(&r, 3);
    named left = { 0, 0 }, right = { 0, 0 };
    uint32_t pick = random_below(&r, places + 1);
    if (pick > 0 && n >= pick && !random_chance(&r, 10))
      left = all[pick - 1];
    else if (n > 0 && random_chance(&r, 20))
      left = all[random_below(&r, n)];
    if (n > 0 && !random_chance(&r, honest))
      right = random_chance(&r, 40) ? all[n - 1 - random_below(&r, n < 6 ? n : 6)] : all[random_below(&r, n)];
    else if (random_chance(&r, 30))
      right = right_before;
    /* An item that has both in one piece is cut while it is put in place, and what comes of that is for Yjs to know. */
    if (right.client == left.client && right.clock <= left.clock)
      right = (named){ 0, 0 };
    right_before = right;
    gs_write_varuint(b, 1);
    gs_write_varuint(b, 1);
    write_id(b, (named){ 1 + c, clocks[c] });
    unsigned kind = random_chance(&r, 20) ? 1 : 4;
    bool anchored = left.client != 0 || right.client != 0;
    gs_buf_put(b, (uint8_t)(kind | (left.client != 0 ? 0x80 : 0) | (right.client != 0 ? 0x40 : 0) |
                            (map && !anchored ? 0x20 : 0)));
    if (left.client != 0)
      write_id(b, left);
    if (right.client != 0)
      write_id(b, right);
    if (!anchored)
      gs_buf_write(b, map ? "\x01\x01m\x01k" : "\x01\x01t", map ? 5 : 3);
    gs_write_varuint(b, len);
    if (kind == 4)
      gs_buf_write(b, "xyz", len);
    gs_buf_put(b, 0);
    for (uint32_t i = 0; i < len; i++)
      all[n++] = (named){ 1 + c, clocks[c]++ };
    gesso_bytes u = gs_buf_bytes(b);
    apply(doc, (gesso_buffer){ .data = b->b.data, .len = u.len });
    naive_apply(naive, u);
    if (k % 8 == 0 || k + 1 == structs)
      compare(doc, naive);
    crowds += doc->ncrowds;
  }
  for (uint32_t k = 0; k < structs; k++)
    gs_buf_finish(&updates[k]);
  naive_free(naive);
  gesso_doc_destroy(doc);
}

int main(int argc, char **argv)
{
  uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 1000;
  for (uint64_t seed = first; seed < first + count; seed++) {
    run(seed);
    run_crowd(seed);
  }
  printf("%" PRIu64 " seeds, %" PRIu64 " structs beside a crowd\n", count, crowds);
  return 0;
}
