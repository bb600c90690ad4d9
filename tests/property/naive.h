/* A second opinion: YATA as slow and plain as it can be written, to be compared with the engine. Every element
 * (UTF-16 unit, value) is one entry of a list; where a new one goes is found by comparing positions in that list,
 * which is another way of saying it than the one that the engine follows. Nothing is merged, cut, collected or
 * indexed. It reads v1 updates by itself, never deletes redundant formats, and expects updates that are sound. */
#ifndef GS_TESTS_NAIVE_H
#define GS_TESTS_NAIVE_H

#include "gesso/base.h"

#include <stdbool.h>

enum { NAIVE_CLIENTS = 16, NAIVE_CLOCKS = 4096, NAIVE_ELEMENTS = 16384, NAIVE_CHAINS = 2048, NAIVE_WAITING = 16384 };

typedef struct naive_id {
  uint64_t client; /* 0: none */
  uint32_t clock;
} naive_id;

typedef struct naive_element {
  naive_id id, origin, right;
  int chain; /* -1: collected, it has no place */
  bool deleted, format;
} naive_element;

/* The sequence of a type, or one key of its map. */
typedef struct naive_chain {
  int parent;           /* element that holds the type; -1: a root */
  gesso_bytes root, key; /* names; key.data NULL: the sequence */
  int *order;           /* elements */
  int n, cap;
} naive_chain;

/* A struct that came and was not integrated yet, and a range of deletions. Borrows from the update. */
typedef struct naive_struct {
  naive_id id, origin, right, parent;
  uint32_t len;
  int kind;
  bool has_parent, has_key, done;
  gesso_bytes root, key;
} naive_struct;

typedef struct naive_delete {
  naive_id from;
  uint32_t len;
} naive_delete;

typedef struct naive_doc {
  naive_element *elements;
  int n;
  naive_chain *chains;
  int nchains;
  uint64_t clients[NAIVE_CLIENTS];
  int nclients;
  int at[NAIVE_CLIENTS][NAIVE_CLOCKS]; /* element of each id */
  uint32_t clock[NAIVE_CLIENTS];
  naive_struct *waiting;
  int nwaiting;
  naive_delete *deletes;
  int ndeletes;
} naive_doc;

naive_doc *naive_new(void);
void naive_free(naive_doc *doc);
/* The bytes must stay as long as the document. Ends the process when the update is not sound. */
void naive_apply(naive_doc *doc, gesso_bytes update);
/* The element of an id, or -1. */
int naive_find(const naive_doc *doc, uint64_t client, uint32_t clock);
/* The first clock of a client that is missing. */
uint32_t naive_clock(const naive_doc *doc, uint64_t client);

#endif
