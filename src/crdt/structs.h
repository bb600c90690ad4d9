/* The structs of each client in clock order, and the table of clients.
 *
 * A client's structs are chunks of up to GS_CHUNK_MAX item indexes: a look-up is two binary searches,
 * and a split moves one chunk's tail and now and then one row of chunks, never the whole list. Both, the row of chunks
 * and the indexes of each, are blocks in doc->words: what was got with gs_chunks_of and gs_chunk_v is good until the next
 * reservation. */
#ifndef GS_CRDT_STRUCTS_H
#define GS_CRDT_STRUCTS_H

#include "crdt/finder.h"
#include "crdt/words.h"

#include <assert.h>

/* The index of a client id, made when there is none. 0: memory is short or GS_CLIENTS_MAX is reached. */
uint32_t gs_client_ix(gesso_doc *doc, uint64_t id);
uint32_t gs_client_find(const gesso_doc *doc, uint64_t id);
void gs_clients_truncate(gesso_doc *doc, uint32_t n);

static inline gs_chunk *gs_chunks_of(const gesso_doc *doc, const gs_client *c)
{
  return (gs_chunk *)(void *)(doc->words.v + c->chunks);
}

static inline gs_ix *gs_chunk_v(const gesso_doc *doc, const gs_chunk *ch)
{
  return doc->words.v + ch->at;
}

/* Room for `appends` structs at the end of a client and `splits` anywhere in it. */
GESSO_MUST_USE bool gs_structs_grow(gesso_doc *doc, uint32_t client, size_t appends, size_t splits);
GESSO_MUST_USE static inline bool gs_structs_reserve(gesso_doc *doc, uint32_t client, size_t appends, size_t splits)
{
  const gs_client *c = &doc->clients[client];
  if (splits > 0 || c->nchunks == 0)
    return gs_structs_grow(doc, client, appends, splits);
  const gs_chunk *last = gs_chunks_of(doc, c) + c->nchunks - 1;
  return appends <= (size_t)(last->cap - last->n) || gs_structs_grow(doc, client, appends, 0);
}

/* Gives back what was reserved for a client and not used. */
void gs_structs_trim(gesso_doc *doc, uint32_t client);
/* The same for all, at the end of a transaction, if there is more than so many arrays that are promised. */
void gs_structs_tidy(gesso_doc *doc);
static inline bool gs_structs_untidy(const gesso_doc *doc, uint32_t promised)
{
  const gs_words *w = &doc->words;
  return w->promised > promised || w->cap != w->trimmed_cap || gs_words_loose(w);
}

/* Joins chunks that became small, from that one on (with the one before it). Positions are void. */
void gs_structs_squeeze(gesso_doc *doc, uint32_t client, uint32_t first);

/* Where the struct with that clock is. clock < the client's clock. */
gs_pos gs_structs_find(const gesso_doc *doc, uint32_t client, uint32_t clock);

/* Where that one is. */
gs_pos gs_structs_place(const gesso_doc *doc, gs_ix ix);

static inline gs_ix gs_struct_at(const gesso_doc *doc, uint32_t client, gs_pos p)
{
  return gs_chunk_v(doc, &gs_chunks_of(doc, &doc->clients[client])[p.chunk])[p.at];
}

/* The newest struct of a client that has some. */
static inline gs_ix gs_struct_last(const gesso_doc *doc, uint32_t client)
{
  const gs_client *c = &doc->clients[client];
  const gs_chunk *last = &gs_chunks_of(doc, c)[c->nchunks - 1];
  return gs_chunk_v(doc, last)[last->n - 1];
}

static inline gs_ix gs_struct_of(const gesso_doc *doc, gs_id id)
{
  gs_ix ix = gs_finder_look(doc, id);
  if (ix != 0)
    return ix;
  return gs_struct_at(doc, id.client, gs_structs_find(doc, id.client, id.clock));
}

/* Steps to the next or the one before; false at the end. */
static inline bool gs_pos_next(const gesso_doc *doc, uint32_t client, gs_pos *p)
{
  const gs_client *c = &doc->clients[client];
  if (p->at + 1 < gs_chunks_of(doc, c)[p->chunk].n) {
    p->at++;
    return true;
  }
  if (p->chunk + 1 < c->nchunks) {
    p->chunk++;
    p->at = 0;
    return true;
  }
  return false;
}

static inline bool gs_pos_prev(const gesso_doc *doc, uint32_t client, gs_pos *p)
{
  if (p->at > 0) {
    p->at--;
    return true;
  }
  if (p->chunk > 0) {
    p->chunk--;
    p->at = gs_chunks_of(doc, &doc->clients[client])[p->chunk].n - 1u;
    return true;
  }
  return false;
}

/* Structs that reach past a clock, packed ones counted one by one. clock < the client's clock. */
size_t gs_structs_from(const gesso_doc *doc, uint32_t client, uint32_t clock);

/* A new chunk, empty, behind those there are. */
gs_chunk *gs_structs_add_chunk_reserved(gesso_doc *doc, gs_client *c);

/* Appends at the client's clock and moves the clock. */
static inline void gs_structs_append_reserved(gesso_doc *doc, uint32_t client, gs_ix ix)
{
  gs_client *c = &doc->clients[client];
  const gs_item *it = &doc->items[ix];
  assert(it->clock == c->clock);
  gs_chunk *ch = &gs_chunks_of(doc, c)[c->nchunks - 1];
  if (ch->n == GS_CHUNK_MAX)
    ch = gs_structs_add_chunk_reserved(doc, c);
  assert(ch->n < ch->cap);
  if (ch->n == 0) {
    ch->first = it->clock;
    if (c->rank == 0)
      c->rank = ++doc->nranks;
  }
  gs_chunk_v(doc, ch)[ch->n++] = ix;
  c->clock += it->len;
  doc->nstructs++;
}
/* The same for n > 0 items that stand one after the other in the pool, each of one clock and behind the one before. */
void gs_structs_append_row_reserved(gesso_doc *doc, uint32_t client, gs_ix first, uint32_t n);

/* Inserts after p. */
void gs_structs_insert_reserved(gesso_doc *doc, uint32_t client, gs_pos p, gs_ix ix);
/* The struct that begins at that clock is about to begin so much earlier. */
void gs_structs_move_start(gesso_doc *doc, uint32_t client, uint32_t clock, uint32_t by);
/* Takes out the struct at p; p then names its successor, if there is one. */
void gs_structs_remove(gesso_doc *doc, uint32_t client, gs_pos p);

#endif
