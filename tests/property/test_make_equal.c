/* Whatever two documents hold, one is made to read like the other by ordinary edits: an earlier state of itself,
 * as when a board is restored, or a document that it has nothing in common with. The update of those edits does
 * the same to everybody who has the document, and there is nothing left to do afterwards.
 *
 *   test_make_equal [first seed [how many]]       the seed of a failure is printed */
#include "peers.h"

#include "crdt/make_equal.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t seed_now;

static _Noreturn void fail(const char *what, const char *detail)
{
  fprintf(stderr, "seed %" PRIu64 ": %s: %s\n", seed_now, what, detail);
  exit(1);
}

static void must(const char *what, gesso_status s)
{
  if (s != GESSO_OK)
    fail(what, gesso_status_text(s));
}

static gesso_bytes view(gesso_buffer b)
{
  return (gesso_bytes){ b.data, b.len };
}

static json_t *parse(gesso_buffer *b)
{
  json_t *json = json_loadb((const char *)b->data, b->len, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
  if (json == NULL)
    fail("json", "it does not parse");
  gesso_buffer_free(b);
  return json;
}

/* A delta may come in more pieces than it needs: joins those with the same attributes. */
static json_t *joined(json_t *delta)
{
  json_t *out = json_array(), *last = NULL, *op;
  size_t i;
  json_array_foreach(delta, i, op) {
    json_t *text = json_object_get(op, "insert"), *before = json_object_get(last, "insert");
    json_t *x = json_object_get(last, "attributes"), *y = json_object_get(op, "attributes");
    bool same = (x == NULL && y == NULL) || (x != NULL && y != NULL && json_equal(x, y));
    if (last != NULL && same && json_is_string(text) && json_is_string(before)) {
      json_t *both = json_sprintf("%s%s", json_string_value(before), json_string_value(text));
      (void)json_object_set_new(last, "insert", both);
    } else {
      last = json_deep_copy(op);
      (void)json_array_append_new(out, last);
    }
  }
  json_decref(delta);
  return out;
}

static json_t *content(gesso_doc *doc)
{
  static const struct { const char *name; gesso_type_kind kind; } roots[] = {
    { "map", GESSO_MAP }, { "array", GESSO_ARRAY }, { "text", GESSO_TEXT }, { "other", GESSO_TEXT } };
  json_t *out = json_array();
  for (size_t i = 0; i < 4; i++) {
    gesso_buffer json = { 0 };
    gesso_type type = gesso_doc_root(doc, (gesso_bytes){ (const uint8_t *)roots[i].name, strlen(roots[i].name) },
                                     roots[i].kind);
    if (roots[i].kind == GESSO_TEXT)
      must("delta", gesso_text_to_delta(doc, type, &json));
    else
      must("read", gesso_type_to_json(doc, type, roots[i].kind, &json));
    json_t *value = parse(&json);
    (void)json_array_append_new(out, roots[i].kind == GESSO_TEXT ? joined(value) : value);
  }
  return out;
}

static void expect_same(const char *what, gesso_doc *a, gesso_doc *b)
{
  json_t *x = content(a), *y = content(b);
  if (!json_equal(x, y)) {
    (void)json_dumpf(x, stderr, 0);
    fputs("\n", stderr);
    (void)json_dumpf(y, stderr, 0);
    fputs("\n", stderr);
    fail(what, "the contents differ");
  }
  json_decref(x);
  json_decref(y);
}

static gesso_doc *copy_of(gesso_doc *doc, uint64_t client)
{
  gesso_buffer state = { 0 };
  gesso_doc *out = peer_doc(client, NULL);
  must("encode", gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &state, NULL));
  must("apply", gesso_doc_apply_v1(out, view(state), NULL));
  gesso_buffer_free(&state);
  return out;
}

/* Makes `doc` equal to `want`, and somebody else's copy of `doc` by the update. */
static void make_equal(gesso_doc *doc, gesso_doc *want)
{
  gesso_doc *fellow = copy_of(doc, 5);
  gesso_buffer update = { 0 }, nothing = { 0 };
  gesso_error error = { 0 };
  must("make equal", gs_doc_make_equal(doc, want, &update));
  if (gesso_doc_check(doc, &error) != GESSO_OK)
    fail("check", error.message);
  expect_same("made equal", doc, want);
  if (update.len != 0)
    must("apply the update", gesso_doc_apply_v1(fellow, view(update), &error));
  expect_same("the fellow", fellow, want);
  must("make equal again", gs_doc_make_equal(doc, want, &nothing));
  if (nothing.len != 0)
    fail("made equal twice", "the second time changed something");
  gesso_buffer_free(&update);
  gesso_doc_destroy(fellow);
}

static void edit(gesso_doc *doc, random_source *r, uint32_t n)
{
  pool p = { .count = 0 };
  while (n-- > 0)
    (void)peer_edit(doc, r, &p, true);
  pool_free(&p);
}

static void one(uint64_t seed)
{
  random_source r = { seed };
  seed_now = seed;
  gesso_doc *doc = peer_doc(1, NULL), *other = peer_doc(77, NULL);
  edit(doc, &r, random_below(&r, 30));
  gesso_doc *earlier = copy_of(doc, 2);
  edit(doc, &r, random_below(&r, 30));
  gesso_doc *peer = copy_of(doc, 3);
  edit(peer, &r, random_below(&r, 10));
  gesso_doc *present = copy_of(peer, 4), *now = copy_of(peer, 6);
  make_equal(present, earlier); /* restored */
  make_equal(present, now);     /* and back again */
  edit(other, &r, random_below(&r, 20));
  make_equal(present, other);
  gesso_doc *all[] = { doc, other, earlier, peer, present, now };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    gesso_doc_destroy(all[i]);
}

int main(int argc, char **argv)
{
  uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, count = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
  for (uint64_t seed = first; seed < first + count; seed++)
    one(seed);
  printf("%" PRIu64 " seeds\n", count);
  return 0;
}
