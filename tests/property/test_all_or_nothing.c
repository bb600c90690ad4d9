/* A refused update leaves the document as it was: for damaged bytes, and for memory that runs out at
 * any allocation of the call.
 *
 *   test_all_or_nothing [first seed [how many]] */
#include "peers.h"
#include "base/alloc.h"
#include "support/support.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t seed_now;

static _Noreturn void fail(const char *what, const char *detail)
{
  fprintf(stderr, "seed %" PRIu64 ": %s: %s\n", seed_now, what, detail);
  exit(1);
}

static gesso_buffer state_of(gesso_doc *doc)
{
  gesso_buffer out = { 0 };
  if (gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &out, NULL) != GESSO_OK)
    fail("encode", "refused");
  return out;
}

static void expect_unchanged(gesso_doc *doc, gesso_buffer before, const char *when)
{
  gesso_error error = { 0 };
  if (gesso_doc_check(doc, &error) != GESSO_OK)
    fail(when, error.message);
  gesso_buffer after = state_of(doc);
  if (before.len != after.len || memcmp(before.data, after.data, before.len) != 0)
    fail(when, "the document has changed");
  gesso_buffer_free(&after);
}

/* Bytes damaged in one of the ways in which bytes get damaged. */
static size_t damage(random_source *r, uint8_t *bytes, size_t len)
{
  switch (random_below(r, 4)) {
  case 0:
    return random_below(r, (uint32_t)len);
  case 1:
    bytes[random_below(r, (uint32_t)len)] = (uint8_t)random_below(r, 256);
    return len;
  case 2:
    bytes[random_below(r, (uint32_t)len)] ^= (uint8_t)(1u << random_below(r, 8));
    return len;
  default: {
    size_t from = random_below(r, (uint32_t)len), to = random_below(r, (uint32_t)len);
    size_t n = GS_MIN(len - GS_MAX(from, to), (size_t)8);
    memmove(bytes + to, bytes + from, n);
    return len;
  }
  }
}

static void feed_damaged(gesso_doc *doc, random_source *r, gesso_buffer update)
{
  uint8_t *bytes = malloc(update.len);
  if (bytes == NULL)
    abort();
  memcpy(bytes, update.data, update.len);
  size_t len = damage(r, bytes, update.len);
  gesso_buffer before = state_of(doc);
  gesso_error error = { 0 };
  gesso_status s = gesso_doc_apply_v1(doc, (gesso_bytes){ bytes, len }, &error);
  if (s != GESSO_OK) {
    if (error.status != s || error.message == NULL || error.offset > len)
      fail("the error of a damaged update", "is not told");
    expect_unchanged(doc, before, "a damaged update");
  } else if (gesso_doc_check(doc, &error) != GESSO_OK) {
    fail("a damaged update that passed", error.message);
  }
  gesso_buffer_free(&before);
  free(bytes);
}

/* Applies with the nth allocation failing, for every n, until it passes. */
static void feed_starving(gesso_doc *doc, struct faulty *memory, gesso_buffer update)
{
  gesso_buffer before = state_of(doc);
  for (unsigned long n = 1;; n++) {
    memory->calls = 0;
    memory->fail_at = n;
    memory->failed = 0;
    gesso_status s = gesso_doc_apply_v1(doc, (gesso_bytes){ update.data, update.len }, NULL);
    memory->fail_at = 0;
    if (s == GESSO_OK)
      break;
    if (s != GESSO_E_NOMEM || !memory->failed)
      fail("a starving document", gesso_status_text(s));
    expect_unchanged(doc, before, "out of memory");
  }
  gesso_buffer_free(&before);
}

static void run(uint64_t seed)
{
  seed_now = seed;
  random_source r = { seed * 40503u };
  static pool history;
  gesso_doc *writers[2] = { peer_doc(5, NULL), peer_doc(6, NULL) };
  for (uint32_t i = 0; i < 24; i++) {
    uint32_t who = random_below(&r, 2);
    (void)peer_edit(writers[who], &r, &history, true);
    if (history.count > 0 && random_chance(&r, 60)) {
      gesso_buffer u = history.updates[random_below(&r, history.count)];
      if (gesso_doc_apply_v1(writers[1 - who], (gesso_bytes){ u.data, u.len }, NULL) != GESSO_OK)
        fail("apply", "refused");
    }
  }
  struct faulty memory = { 0 };
  gesso_allocator al = { faulty_resize, &memory };
  gesso_doc *starving = peer_doc(7, &al), *reference = peer_doc(8, NULL), *damaged = peer_doc(9, NULL);
  for (uint32_t k = 0; k < history.count; k++) {
    /* From both ends in turn, so that much has to wait. */
    gesso_buffer u = history.updates[k % 2 == 0 ? k / 2 : history.count - 1 - k / 2];
    feed_starving(starving, &memory, u);
    if (gesso_doc_apply_v1(reference, (gesso_bytes){ u.data, u.len }, NULL) != GESSO_OK)
      fail("apply", "refused");
    for (int i = 0; i < 6; i++)
      feed_damaged(damaged, &r, u);
    /* It holds what damaged bytes happened to say, so a good update may find its place taken. */
    gesso_error error = { 0 };
    if (random_chance(&r, 70) && gesso_doc_apply_v1(damaged, (gesso_bytes){ u.data, u.len }, &error) != GESSO_OK &&
        error.message == NULL)
      fail("the error of an update", "is not told");
  }
  /* Where memory was short at the very end of a call, formats that do nothing stay: both hear of the
   * other's deletions. */
  for (int i = 0; i < 2; i++) {
    gesso_buffer state = state_of(i == 0 ? reference : starving);
    if (gesso_doc_apply_v1(i == 0 ? starving : reference, (gesso_bytes){ state.data, state.len }, NULL) != GESSO_OK)
      fail("sync", "refused");
    gesso_buffer_free(&state);
  }
  gesso_buffer a = peer_content(starving), b = peer_content(reference);
  if (!same_content(a, b))
    fail("a document that starved", "has other content");
  gesso_buffer_free(&a);
  gesso_buffer_free(&b);
  gesso_doc_destroy(starving);
  if (memory.live != 0)
    fail("destroy", "memory is left");
  gesso_doc_destroy(reference);
  gesso_doc_destroy(damaged);
  gesso_doc_destroy(writers[0]);
  gesso_doc_destroy(writers[1]);
  pool_free(&history);
}

int main(int argc, char **argv)
{
  uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
  uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : 400;
  for (uint64_t seed = first; seed < first + count; seed++)
    run(seed);
  printf("%" PRIu64 " seeds\n", count);
  return 0;
}
