/* What one operation costs as things grow: each row at some size, at ten and at a hundred times of it, in CPU
 * time a piece, and how many times dearer the last is than the first. A factor of 100 would mean that an operation
 * looks at everything; of 1, that it does not care.
 *
 *   bench_growth [WORDS]   the rows whose name has these words */
#include "gesso/events.h"
#include "gesso/types.h"
#include "gesso/undo.h"
#include "gesso/update.h"

#include "bench.h"

enum { OPS = 2000, BEST_OF = 3 };

static void must(gesso_status s)
{
  if (s != GESSO_OK)
    die(gesso_status_text(s));
}

static double cpu_ns(void)
{
  struct timespec t;
  (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint32_t seed;

static uint32_t below(uint32_t n)
{
  seed = seed * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)seed * n >> 32);
}

static const gesso_bytes none = { NULL, 0 };

static gesso_bytes str(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

static gesso_bytes view(gesso_buffer b)
{
  return (gesso_bytes){ b.data, b.len };
}

static gesso_doc *doc_of(uint64_t client)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = client };
  return gesso_doc_create(&o);
}

static gesso_value number(double n)
{
  return (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = n };
}

static const gesso_value new_map = { .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP };

static gesso_bytes key(char out[24], uint32_t i)
{
  return (gesso_bytes){ (const uint8_t *)out, (size_t)snprintf(out, 24, "key-%u", i) };
}

/* --- Each row: makes something of size n, then answers what an operation on it costs in ns. --- */

/* Text of n pieces that do not join. */
static gesso_type scattered(gesso_doc *doc, uint32_t n)
{
  gesso_type text = gesso_doc_root(doc, str("text"), GESSO_TEXT);
  gesso_doc_begin(doc);
  for (uint32_t i = 0; i < n; i++)
    must(gesso_text_insert(doc, text, below((uint32_t)gesso_type_length(doc, text) + 1), str("word"), none));
  must(gesso_doc_commit(doc, NULL));
  return text;
}

static double text_inserts(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  gesso_type text = scattered(doc, n);
  double start = cpu_ns();
  for (int i = 0; i < OPS; i++)
    must(gesso_text_insert(doc, text, below((uint32_t)gesso_type_length(doc, text)), str("x"), none));
  double ns = cpu_ns() - start;
  gesso_doc_destroy(doc);
  return ns / OPS;
}

static double remote_inserts(uint32_t n)
{
  gesso_doc *here = doc_of(1), *there = doc_of(2);
  gesso_type text = scattered(here, n);
  gesso_buffer state, *updates = calloc(OPS, sizeof *updates);
  must(gesso_doc_encode_v1(here, none, &state, NULL));
  must(gesso_doc_apply_v1(there, view(state), NULL));
  for (int i = 0; i < OPS; i++) {
    gesso_doc_begin(here);
    must(gesso_text_insert(here, text, below((uint32_t)gesso_type_length(here, text)), str("x"), none));
    must(gesso_doc_commit(here, &updates[i]));
  }
  double start = cpu_ns();
  for (int i = 0; i < OPS; i++)
    must(gesso_doc_apply_v1(there, view(updates[i]), NULL));
  double ns = cpu_ns() - start;
  for (int i = 0; i < OPS; i++)
    gesso_buffer_free(&updates[i]);
  free(updates);
  gesso_buffer_free(&state);
  gesso_doc_destroy(here);
  gesso_doc_destroy(there);
  return ns / OPS;
}

static double array_inserts(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  gesso_type array = gesso_doc_root(doc, str("array"), GESSO_ARRAY);
  gesso_value v = number(7);
  gesso_doc_begin(doc);
  for (uint32_t i = 0; i < n; i++)
    must(gesso_array_insert(doc, array, below(i + 1), &v, 1, NULL));
  must(gesso_doc_commit(doc, NULL));
  double start = cpu_ns();
  for (uint32_t i = 0; i < OPS; i++)
    must(gesso_array_insert(doc, array, below(n + i), &v, 1, NULL));
  double ns = cpu_ns() - start;
  gesso_doc_destroy(doc);
  return ns / OPS;
}

static double map_sets(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  gesso_type map = gesso_doc_root(doc, str("map"), GESSO_MAP);
  char name[24];
  gesso_doc_begin(doc);
  for (uint32_t i = 0; i < n; i++)
    must(gesso_map_set(doc, map, key(name, i), number(i), NULL));
  must(gesso_doc_commit(doc, NULL));
  double start = cpu_ns();
  for (uint32_t i = 0; i < OPS; i++)
    must(gesso_map_set(doc, map, key(name, below(n)), number(i), NULL));
  double ns = cpu_ns() - start;
  gesso_doc_destroy(doc);
  return ns / OPS;
}

static double drags(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  gesso_type shapes = gesso_doc_root(doc, str("shapes"), GESSO_MAP), *all = calloc(n, sizeof *all);
  char name[24];
  gesso_doc_begin(doc);
  for (uint32_t i = 0; i < n; i++)
    must(gesso_map_set(doc, shapes, key(name, i), new_map, &all[i]));
  must(gesso_doc_commit(doc, NULL));
  double start = cpu_ns();
  for (int i = 0; i < OPS; i++) {
    gesso_type shape = all[below(n)];
    gesso_doc_begin(doc);
    must(gesso_map_set(doc, shape, str("x"), number(i), NULL));
    must(gesso_map_set(doc, shape, str("y"), number(i), NULL));
    must(gesso_doc_commit(doc, NULL));
  }
  double ns = cpu_ns() - start;
  free(all);
  gesso_doc_destroy(doc);
  return ns / OPS;
}

/* One shape that was dragged n times before. */
static double dragged_before(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  gesso_type shape = gesso_doc_root(doc, str("shape"), GESSO_MAP);
  double start = 0;
  for (uint32_t i = 0; i < n + OPS; i++) {
    if (i == n)
      start = cpu_ns();
    gesso_doc_begin(doc);
    must(gesso_map_set(doc, shape, str("x"), number(i), NULL));
    must(gesso_map_set(doc, shape, str("y"), number(i), NULL));
    must(gesso_doc_commit(doc, NULL));
  }
  double ns = cpu_ns() - start;
  gesso_doc_destroy(doc);
  return ns / OPS;
}

/* A document to which n clients wrote; one of them goes on. */
static double known_clients(uint32_t n)
{
  gesso_doc *doc = doc_of(1), *writer = doc_of(n + 1);
  char name[24];
  gesso_buffer b;
  for (uint32_t i = 0; i < n; i++) {
    gesso_doc *one = doc_of(i + 2 + n);
    gesso_doc_begin(one);
    must(gesso_map_set(one, gesso_doc_root(one, str("map"), GESSO_MAP), key(name, i), number(i), NULL));
    must(gesso_doc_commit(one, &b));
    must(gesso_doc_apply_v1(doc, view(b), NULL));
    gesso_buffer_free(&b);
    gesso_doc_destroy(one);
  }
  gesso_buffer *updates = calloc(OPS, sizeof *updates);
  gesso_type map = gesso_doc_root(writer, str("map"), GESSO_MAP);
  for (uint32_t i = 0; i < OPS; i++) {
    gesso_doc_begin(writer);
    must(gesso_map_set(writer, map, str("new"), number(i), NULL));
    must(gesso_doc_commit(writer, &updates[i]));
  }
  double start = cpu_ns();
  for (int i = 0; i < OPS; i++)
    must(gesso_doc_apply_v1(doc, view(updates[i]), NULL));
  double ns = cpu_ns() - start;
  for (int i = 0; i < OPS; i++)
    gesso_buffer_free(&updates[i]);
  free(updates);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(writer);
  return ns / OPS;
}

/* n + OPS updates of one client, every second one missing: what does one cost once n wait? Then all that
 * lacks arrives. */
static double waiting(uint32_t n)
{
  uint32_t all = 2 * (n + OPS);
  gesso_doc *doc = doc_of(1), *writer = doc_of(2);
  gesso_type text = gesso_doc_root(writer, str("text"), GESSO_TEXT);
  gesso_buffer *updates = calloc(all, sizeof *updates);
  for (uint32_t i = 0; i < all; i++) {
    gesso_doc_begin(writer);
    must(gesso_text_insert(writer, text, i, str("x"), none));
    must(gesso_doc_commit(writer, &updates[i]));
  }
  for (uint32_t i = 0; i < n; i++)
    must(gesso_doc_apply_v1(doc, view(updates[2 * i + 1]), NULL));
  double start = cpu_ns();
  for (uint32_t i = n; i < n + OPS; i++)
    must(gesso_doc_apply_v1(doc, view(updates[2 * i + 1]), NULL));
  double ns = cpu_ns() - start;
  for (uint32_t i = 0; i < n + OPS; i++)
    must(gesso_doc_apply_v1(doc, view(updates[2 * i]), NULL));
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  if (stats.pending_structs != 0)
    die("something waits for nothing");
  for (uint32_t i = 0; i < all; i++)
    gesso_buffer_free(&updates[i]);
  free(updates);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(writer);
  return ns / OPS;
}

static double nested(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  gesso_type at = gesso_doc_root(doc, str("map"), GESSO_MAP);
  for (uint32_t i = 0; i < n; i++)
    must(gesso_map_set(doc, at, str("in"), new_map, &at));
  double start = cpu_ns();
  for (int i = 0; i < OPS; i++)
    must(gesso_map_set(doc, at, str("x"), number(i), NULL));
  double ns = cpu_ns() - start;
  gesso_doc_destroy(doc);
  return ns / OPS;
}

/* Edits with n stack items to undo; then some of them are undone. */
static double undo_stack(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  gesso_type text = gesso_doc_root(doc, str("text"), GESSO_TEXT);
  gesso_undo_options o = { .size = sizeof o, .capture_timeout_ms = -1 };
  gesso_undo *undo = gesso_undo_create(doc, &o);
  must(gesso_undo_add_scope(undo, text));
  for (uint32_t i = 0; i < n; i++)
    must(gesso_text_insert(doc, text, below(i + 1), str("x"), none));
  double start = cpu_ns();
  for (uint32_t i = 0; i < OPS; i++) {
    must(gesso_text_insert(doc, text, below(n), str("y"), none));
    must(gesso_undo_undo(undo, NULL));
  }
  double ns = cpu_ns() - start;
  gesso_undo_destroy(undo);
  gesso_doc_destroy(doc);
  return ns / OPS;
}

/* A list comes back with the n objects in it. */
static double undo_list(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  gesso_type map = gesso_doc_root(doc, str("map"), GESSO_MAP), list;
  gesso_undo_options o = { .size = sizeof o, .capture_timeout_ms = -1 };
  gesso_undo *undo = gesso_undo_create(doc, &o);
  must(gesso_undo_add_scope(undo, map));
  gesso_doc_begin(doc);
  must(gesso_map_set(doc, map, str("list"), (gesso_value){ .kind = GESSO_VALUE_TYPE, .type = GESSO_ARRAY }, &list));
  for (uint32_t i = 0; i < n; i++)
    must(gesso_array_insert(doc, list, i, &new_map, 1, NULL));
  must(gesso_doc_commit(doc, NULL));
  must(gesso_map_remove(doc, map, str("list")));
  double start = cpu_ns();
  must(gesso_undo_undo(undo, NULL));
  double ns = cpu_ns() - start;
  gesso_undo_destroy(undo);
  gesso_doc_destroy(doc);
  return ns / n;
}

static uint64_t heard;

static void hear(void *ctx, gesso_doc *doc, const gesso_event *event)
{
  (void)ctx;
  (void)doc;
  heard += event->keys_length;
}

/* Every shape has an observer; one shape changes. */
static double observers(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  gesso_type shapes = gesso_doc_root(doc, str("shapes"), GESSO_MAP), one = 0;
  char name[24];
  gesso_subscription s;
  for (uint32_t i = 0; i < n; i++) {
    must(gesso_map_set(doc, shapes, key(name, i), new_map, &one));
    must(gesso_type_observe(doc, one, hear, NULL, &s));
  }
  double start = cpu_ns();
  for (int i = 0; i < OPS; i++)
    must(gesso_map_set(doc, one, str("x"), number(i), NULL));
  double ns = cpu_ns() - start;
  gesso_doc_destroy(doc);
  return ns / OPS;
}

/* n clients insert at the same place: the cost of one of them. */
static double one_place(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  gesso_buffer *updates = calloc(n, sizeof *updates);
  for (uint32_t i = 0; i < n; i++) {
    gesso_doc *one = doc_of(2 + (uint64_t)i * 2654435761u % 4294967291u);
    gesso_doc_begin(one);
    must(gesso_text_insert(one, gesso_doc_root(one, str("text"), GESSO_TEXT), 0, str("x"), none));
    must(gesso_doc_commit(one, &updates[i]));
    gesso_doc_destroy(one);
  }
  double start = cpu_ns();
  for (uint32_t i = 0; i < n; i++)
    must(gesso_doc_apply_v1(doc, view(updates[i]), NULL));
  double ns = cpu_ns() - start;
  for (uint32_t i = 0; i < n; i++)
    gesso_buffer_free(&updates[i]);
  free(updates);
  gesso_doc_destroy(doc);
  return ns / n;
}

/* A hundred clients who each put something at forty places of a text of n pieces, not knowing of each other: more places
 * than the engine keeps an index for. Counted are the last ones. */
static double many_places(uint32_t n)
{
  enum { CLIENTS = 100, PLACES = 40, FIRST = 80 };
  gesso_doc *doc = doc_of(1);
  gesso_type text = scattered(doc, n);
  uint32_t length = (uint32_t)gesso_type_length(doc, text);
  gesso_buffer state, *updates = calloc(CLIENTS * PLACES, sizeof *updates);
  must(gesso_doc_encode_v1(doc, none, &state, NULL));
  for (uint32_t i = 0; i < CLIENTS; i++) {
    gesso_doc *one = doc_of(2 + (uint64_t)i * 2654435761u % 4294967291u);
    must(gesso_doc_apply_v1(one, view(state), NULL));
    gesso_type its = gesso_doc_root(one, str("text"), GESSO_TEXT);
    for (uint32_t p = 0; p < PLACES; p++) {
      gesso_doc_begin(one);
      must(gesso_text_insert(one, its, length - length / (PLACES + 1) * (p + 1), str("x"), none));
      must(gesso_doc_commit(one, &updates[i * PLACES + p]));
    }
    gesso_doc_destroy(one);
  }
  double start = 0;
  for (uint32_t i = 0; i < CLIENTS * PLACES; i++) {
    if (i == FIRST * PLACES)
      start = cpu_ns();
    must(gesso_doc_apply_v1(doc, view(updates[i]), NULL));
  }
  double ns = cpu_ns() - start;
  for (uint32_t i = 0; i < CLIENTS * PLACES; i++)
    gesso_buffer_free(&updates[i]);
  free(updates);
  gesso_buffer_free(&state);
  gesso_doc_destroy(doc);
  return ns / ((CLIENTS - FIRST) * PLACES);
}

/* A journal of n updates into a state, without a document and with one: a piece of it. */
static gesso_buffer *journal(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  gesso_type text = gesso_doc_root(doc, str("text"), GESSO_TEXT);
  gesso_buffer *updates = calloc(n, sizeof *updates);
  for (uint32_t i = 0; i < n; i++) {
    gesso_doc_begin(doc);
    must(gesso_text_insert(doc, text, below(i + 1), str("x"), none));
    must(gesso_doc_commit(doc, &updates[i]));
  }
  gesso_doc_destroy(doc);
  return updates;
}

static double merge(uint32_t n)
{
  gesso_buffer *updates = journal(n), out;
  gesso_bytes *list = calloc(n, sizeof *list);
  for (uint32_t i = 0; i < n; i++)
    list[i] = view(updates[i]);
  double start = cpu_ns();
  must(gesso_update_merge_v1(list, n, &out, NULL, NULL));
  double ns = cpu_ns() - start;
  gesso_buffer_free(&out);
  for (uint32_t i = 0; i < n; i++)
    gesso_buffer_free(&updates[i]);
  free(updates);
  free(list);
  return ns / n;
}

static double fold(uint32_t n)
{
  gesso_buffer *updates = journal(n), out;
  double start = cpu_ns();
  gesso_doc *doc = doc_of(1);
  gesso_doc_begin(doc);
  for (uint32_t i = 0; i < n; i++)
    must(gesso_doc_apply_v1(doc, view(updates[i]), NULL));
  must(gesso_doc_commit(doc, NULL));
  must(gesso_doc_encode_v1(doc, none, &out, NULL));
  double ns = cpu_ns() - start;
  gesso_buffer_free(&out);
  gesso_doc_destroy(doc);
  for (uint32_t i = 0; i < n; i++)
    gesso_buffer_free(&updates[i]);
  free(updates);
  return ns / n;
}

/* A struct of a state that is loaded, and one that is written. */
static double load_or_encode(uint32_t n, bool loads, bool v2)
{
  gesso_doc *doc = doc_of(1);
  gesso_buffer state, again;
  (void)scattered(doc, n);
  double start = cpu_ns();
  must(v2 ? gesso_doc_encode_v2(doc, none, &state, NULL) : gesso_doc_encode_v1(doc, none, &state, NULL));
  double ns = cpu_ns() - start;
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  if (loads) {
    start = cpu_ns();
    gesso_doc *copy = doc_of(2);
    must(v2 ? gesso_doc_apply_v2(copy, view(state), NULL) : gesso_doc_apply_v1(copy, view(state), NULL));
    ns = cpu_ns() - start;
    gesso_doc_destroy(copy);
  }
  /* With nothing new for the peer: the state vector alone decides. */
  must(gesso_doc_state_vector(doc, &again));
  gesso_buffer_free(&again);
  gesso_buffer_free(&state);
  gesso_doc_destroy(doc);
  return ns / (double)stats.structs;
}

static double load_v1(uint32_t n)
{
  return load_or_encode(n, true, false);
}

static double load_v2(uint32_t n)
{
  return load_or_encode(n, true, true);
}

static double encode_v1(uint32_t n)
{
  return load_or_encode(n, false, false);
}

static double encode_v2(uint32_t n)
{
  return load_or_encode(n, false, true);
}

static double nothing_new(uint32_t n)
{
  gesso_doc *doc = doc_of(1);
  (void)scattered(doc, n);
  gesso_buffer sv, diff;
  must(gesso_doc_state_vector(doc, &sv));
  double start = cpu_ns();
  for (int i = 0; i < 100; i++) {
    must(gesso_doc_encode_v1(doc, view(sv), &diff, NULL));
    gesso_buffer_free(&diff);
  }
  double ns = cpu_ns() - start;
  gesso_buffer_free(&sv);
  gesso_doc_destroy(doc);
  return ns / 100;
}

static const struct row {
  const char *name;
  double (*run)(uint32_t n);
  uint32_t n;
} rows[] = {
  { "insert into text of n pieces", text_inserts, 1000 },
  { "a remote insert into text of n pieces", remote_inserts, 1000 },
  { "insert into an array of n", array_inserts, 1000 },
  { "set one of n keys of a map", map_sets, 1000 },
  { "drag one of n shapes", drags, 1000 },
  { "drag a shape that was dragged n times", dragged_before, 1000 },
  { "an update where n clients are known", known_clients, 100 },
  { "an update where n others wait", waiting, 1000 },
  { "set a key n maps deep", nested, 2 },
  { "edit and undo above n stack items", undo_stack, 1000 },
  { "undo of a list of n objects, each", undo_list, 1000 },
  { "change one of n observed shapes", observers, 1000 },
  { "one of n clients at one place", one_place, 100 },
  { "one of 100 clients at 40 places of n pieces", many_places, 1000 },
  { "merge n updates, each", merge, 1000 },
  { "fold n updates, each", fold, 1000 },
  { "load v1, a struct of n", load_v1, 1000 },
  { "load v2, a struct of n", load_v2, 1000 },
  { "encode v1, a struct of n", encode_v1, 1000 },
  { "encode v2, a struct of n", encode_v2, 1000 },
  { "diff with nothing new, n pieces", nothing_new, 1000 },
};

int main(int argc, char **argv)
{
  printf("ns an operation                                     n     at n  at 10 n at 100 n  factor\n");
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct row *r = &rows[i];
    if (argc > 1 && strstr(r->name, argv[1]) == NULL)
      continue;
    double ns[3];
    for (uint32_t k = 0, n = r->n; k < 3; k++, n *= 10)
      for (int round = 0; round < BEST_OF; round++) {
        seed = 1;
        double one = r->run(n);
        ns[k] = round == 0 || one < ns[k] ? one : ns[k];
      }
    printf("%-46s %6u %8.0f %8.0f %8.0f %7.1f\n", r->name, r->n, ns[0], ns[1], ns[2], ns[2] / ns[0]);
    (void)fflush(stdout);
  }
  return 0;
}
