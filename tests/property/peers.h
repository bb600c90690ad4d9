/* Random editing peers, for property tests: documents that share two text, an array and a map root
 * and everything nested below them, and the pool of all updates that were made. */
#ifndef GS_TESTS_PEERS_H
#define GS_TESTS_PEERS_H

#include "gesso/types.h"

#include <stdbool.h>

#define PEERS_MAX 5
#define POOL_MAX 1024

typedef struct random_source {
  uint64_t state;
} random_source;

uint32_t random_below(random_source *r, uint32_t n);
bool random_chance(random_source *r, uint32_t percent);

typedef struct pool {
  gesso_buffer updates[POOL_MAX];
  uint32_t count;
} pool;

void pool_free(pool *p);

/* A document with a fixed client id. `alloc` may be NULL. */
gesso_doc *peer_doc(uint64_t client_id, const gesso_allocator *alloc);

/* One transaction of one to four random edits; its update, if any, goes into the pool. `whole_characters`
 * keeps edits of text at ASCII, where every index is between characters. Returns the pool's index of
 * the update, or -1. */
int peer_edit(gesso_doc *doc, random_source *r, pool *p, bool whole_characters);

/* Everything that can be read from a document, as one JSON text. Free it with gesso_buffer_free. */
gesso_buffer peer_content(gesso_doc *doc);

/* True when two such texts mean the same: the order of keys does not matter. */
bool same_content(gesso_buffer a, gesso_buffer b);

#endif
