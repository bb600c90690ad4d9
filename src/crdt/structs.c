#include "crdt/runs.h"

#include <assert.h>

static uint32_t hash_id(const gesso_doc *doc, uint64_t id)
{
  id ^= doc->hash_seed;
  id ^= id >> 33;
  id *= 0xff51afd7ed558ccdULL;
  id ^= id >> 33;
  return (uint32_t)id;
}

static void client_hash_put(gesso_doc *doc, uint32_t ix)
{
  uint32_t mask = doc->client_hash_cap - 1;
  uint32_t h = hash_id(doc, doc->clients[ix].id) & mask;
  while (doc->client_hash[h] != 0)
    h = (h + 1) & mask;
  doc->client_hash[h] = ix;
}

static bool client_hash_room(gesso_doc *doc, uint32_t n)
{
  if (doc->client_hash_cap != 0 && n < doc->client_hash_cap / 4 * 3)
    return true;
  uint32_t cap = doc->client_hash_cap == 0 ? 8 : doc->client_hash_cap * 2;
  uint32_t *hash = gs_alloc_zero(doc->alloc, cap * sizeof *hash);
  if (hash == NULL)
    return false;
  gs_free(doc->alloc, doc->client_hash, doc->client_hash_cap * sizeof *hash);
  doc->client_hash = hash;
  doc->client_hash_cap = cap;
  for (uint32_t i = 1; i < doc->nclients; i++)
    client_hash_put(doc, i);
  return true;
}

uint32_t gs_client_find(const gesso_doc *doc, uint64_t id)
{
  if (doc->client_hash_cap == 0)
    return 0;
  uint32_t mask = doc->client_hash_cap - 1;
  for (uint32_t h = hash_id(doc, id) & mask; doc->client_hash[h] != 0; h = (h + 1) & mask)
    if (doc->clients[doc->client_hash[h]].id == id)
      return doc->client_hash[h];
  return 0;
}

uint32_t gs_client_ix(gesso_doc *doc, uint64_t id)
{
  /* Most ids in an update are those of the struct before. */
  uint32_t ix = doc->client_hint;
  if (ix < doc->nclients && ix != 0 && doc->clients[ix].id == id)
    return ix;
  ix = gs_client_find(doc, id);
  if (ix != 0)
    return doc->client_hint = ix;
  if (doc->nclients >= GS_CLIENTS_MAX || !client_hash_room(doc, doc->nclients + 1) ||
      !gs_grow(doc->alloc, &doc->clients, &doc->clients_cap, (size_t)doc->nclients + 1, sizeof(gs_client)))
    return 0;
  ix = doc->nclients++;
  memset(&doc->clients[ix], 0, sizeof(gs_client));
  doc->clients[ix].id = id;
  client_hash_put(doc, ix);
  return ix;
}

void gs_client_finish(gesso_doc *doc, gs_client *c)
{
  for (uint32_t i = 0; i < c->chunks_cap; i++)
    gs_free(doc->alloc, c->chunks[i].v, c->chunks[i].cap * sizeof(gs_ix));
  gs_free(doc->alloc, c->chunks, c->chunks_cap * sizeof(gs_chunk));
  c->chunks = NULL;
  c->nchunks = c->chunks_cap = 0;
}

void gs_clients_truncate(gesso_doc *doc, uint32_t n)
{
  if (n >= doc->nclients)
    return;
  /* The last one in stands at the end of its row of probes: taking it out leaves no hole. */
  uint32_t mask = doc->client_hash_cap - 1;
  while (doc->nclients > n) {
    uint32_t ix = --doc->nclients, h = hash_id(doc, doc->clients[ix].id) & mask;
    while (doc->client_hash[h] != ix)
      h = (h + 1) & mask;
    doc->client_hash[h] = 0;
    gs_client_finish(doc, &doc->clients[ix]);
  }
}

/* Chunks are kept with capacity for what was reserved. A chunk that is full is split when something is
 * inserted into it, or gets a larger array if it is small, which takes one row of chunks and one array of
 * GS_CHUNK_MAX: the reservation is one spare chunk for each split, at most as many as there are chunks and
 * one for every 64 splits, since it has room for so many then. Splits come before and between appends: they may
 * all be in the last chunk, so that more of what is appended goes into new ones. Spare chunks stand behind the used ones in
 * the row: v != NULL, n == 0. */
static bool chunks_row(gesso_doc *doc, gs_client *c, size_t need)
{
  uint32_t old = c->chunks_cap;
  if (!gs_grow(doc->alloc, &c->chunks, &c->chunks_cap, need, sizeof(gs_chunk)))
    return false;
  if (c->chunks_cap > old)
    memset(c->chunks + old, 0, (c->chunks_cap - old) * sizeof(gs_chunk));
  return true;
}

static bool chunk_room(gesso_doc *doc, gs_chunk *ch, size_t need)
{
  if (need > GS_CHUNK_MAX)
    need = GS_CHUNK_MAX;
  if (need <= ch->cap)
    return true;
  /* Not gs_grow: a chunk never passes GS_CHUNK_MAX. */
  size_t want = ch->cap + ch->cap / 2u;
  want = GS_MIN(GS_MAX(want, need), GS_CHUNK_MAX);
  gs_ix *v = gs_resize(doc->alloc, ch->v, ch->cap * sizeof(gs_ix), want * sizeof(gs_ix));
  if (v == NULL)
    return false;
  ch->v = v;
  ch->cap = (uint32_t)want;
  return true;
}

bool gs_structs_grow(gesso_doc *doc, uint32_t client, size_t appends, size_t splits)
{
  gs_client *c = &doc->clients[client];
  if (appends + splits == 0)
    return true;
  if (c->nchunks == 0) {
    if (!chunks_row(doc, c, 1) || !chunk_room(doc, &c->chunks[0], 1))
      return false;
    c->nchunks = 1;
    c->chunks[0].n = 0;
  }
  gs_chunk *last = &c->chunks[c->nchunks - 1];
  if (!chunk_room(doc, last, last->n + appends + splits))
    return false;
  size_t end = last->n + appends + splits;
  size_t spare = end > GS_CHUNK_MAX ? GS_MIN(appends, (end - 1) / GS_CHUNK_MAX) : 0;
  if (splits > 0) {
    /* Any chunk that is not the last may be full: they are never reallocated in place. */
    size_t full = c->nchunks - 1 + spare;
    size_t extra = splits / (GS_CHUNK_MAX / 4) + (full > 0 || end > GS_CHUNK_MAX ? 1 : 0);
    spare += GS_MIN(splits, full) + extra;
  }
  if (!chunks_row(doc, c, c->nchunks + spare))
    return false;
  for (size_t i = 0; i < spare; i++) {
    gs_chunk *ch = &c->chunks[c->nchunks + i];
    ch->n = 0;
    if (!chunk_room(doc, ch, GS_CHUNK_MAX))
      return false;
  }
  return true;
}

/* The last struct of ch->v[a] ... ch->v[b - 1] that begins at or before the clock; the first one does. */
static uint32_t last_before(const gesso_doc *doc, const gs_chunk *ch, uint32_t a, uint32_t b, uint32_t clock)
{
  while (b - a > 1) {
    uint32_t mid = a + (b - a) / 2;
    if (doc->items[ch->v[mid]].clock <= clock)
      a = mid;
    else
      b = mid;
  }
  return a;
}

gs_pos gs_structs_find(const gesso_doc *doc, uint32_t client, uint32_t clock)
{
  gs_client *c = &doc->clients[client];
  assert(clock < c->clock);
  /* One edit looks the same place up several times, and passes go from neighbour to neighbour, or not far. */
  if (c->hint.chunk < c->nchunks && c->hint.at < c->chunks[c->hint.chunk].n) {
    const gs_chunk *ch = &c->chunks[c->hint.chunk];
    uint32_t at = c->hint.at;
    const gs_item *it = &doc->items[ch->v[at]];
    if (clock >= it->clock) {
      if (clock - it->clock < it->len)
        return c->hint;
      if (c->hint.chunk + 1 == c->nchunks || clock < ch[1].first) {
        uint32_t step = 1;
        while (step < ch->n - at && doc->items[ch->v[at + step]].clock <= clock) {
          at += step;
          step *= 2;
        }
        return c->hint = (gs_pos){ c->hint.chunk, last_before(doc, ch, at, GS_MIN(at + step, ch->n), clock) };
      }
    } else if (at > 0 && doc->items[ch->v[at - 1]].clock <= clock) {
      return c->hint = (gs_pos){ c->hint.chunk, at - 1 };
    }
  }
  uint32_t lo = 0, hi = c->nchunks;
  while (hi - lo > 1) {
    uint32_t mid = lo + (hi - lo) / 2;
    if (c->chunks[mid].first <= clock)
      lo = mid;
    else
      hi = mid;
  }
  const gs_chunk *ch = &c->chunks[lo];
  /* Most references are to what came last. */
  if (doc->items[ch->v[ch->n - 1]].clock <= clock)
    return c->hint = (gs_pos){ lo, ch->n - 1 };
  return c->hint = (gs_pos){ lo, last_before(doc, ch, 0, ch->n, clock) };
}

size_t gs_structs_from(const gesso_doc *doc, uint32_t client, uint32_t clock)
{
  const gs_client *c = &doc->clients[client];
  if (doc->nruns > 0) {
    gs_walk w;
    size_t count = 0;
    gs_walk_start(&w, doc, client, clock);
    while (gs_walk_next(&w) != NULL)
      count++;
    return count;
  }
  gs_pos p = gs_structs_find(doc, client, clock);
  size_t n = c->chunks[p.chunk].n - p.at;
  for (uint32_t i = p.chunk + 1; i < c->nchunks; i++)
    n += c->chunks[i].n;
  return n;
}

void gs_structs_append_reserved(gesso_doc *doc, uint32_t client, gs_ix ix)
{
  gs_client *c = &doc->clients[client];
  const gs_item *it = &doc->items[ix];
  assert(it->clock == c->clock);
  gs_chunk *ch = &c->chunks[c->nchunks - 1];
  if (ch->n == GS_CHUNK_MAX) {
    assert(c->nchunks < c->chunks_cap && c->chunks[c->nchunks].v != NULL);
    ch = &c->chunks[c->nchunks++];
  }
  assert(ch->n < ch->cap);
  if (ch->n == 0)
    ch->first = it->clock;
  if (c->rank == 0)
    c->rank = ++doc->nranks;
  ch->v[ch->n++] = ix;
  c->clock += it->len;
  doc->nstructs++;
}

/* The array of the first spare chunk becomes that of a full but small one. */
static void take_array(gesso_doc *doc, gs_client *c, gs_chunk *ch)
{
  gs_chunk *spare = &c->chunks[c->nchunks], *last = spare;
  while (last + 1 < c->chunks + c->chunks_cap && last[1].v != NULL)
    last++;
  memcpy(spare->v, ch->v, ch->n * sizeof(gs_ix));
  gs_free(doc->alloc, ch->v, ch->cap * sizeof(gs_ix));
  ch->v = spare->v;
  ch->cap = spare->cap;
  *spare = *last;
  *last = (gs_chunk){ 0 };
}

/* The first spare chunk gets the upper half of a full one, and stands behind it. */
static void split_chunk(const gesso_doc *doc, gs_client *c, gs_chunk *ch)
{
  gs_chunk spare = c->chunks[c->nchunks];
  gs_chunk *next = ch + 1;
  memmove(next + 1, next, (size_t)(c->chunks + c->nchunks - next) * sizeof *ch);
  uint32_t keep = ch->n / 2;
  spare.n = ch->n - keep;
  memcpy(spare.v, ch->v + keep, spare.n * sizeof(gs_ix));
  spare.first = doc->items[spare.v[0]].clock;
  ch->n = keep;
  *next = spare;
  c->nchunks++;
}

void gs_structs_insert_reserved(gesso_doc *doc, uint32_t client, gs_pos p, gs_ix ix)
{
  gs_client *c = &doc->clients[client];
  gs_chunk *ch = &c->chunks[p.chunk];
  if (ch->n == ch->cap) {
    assert(c->nchunks < c->chunks_cap && c->chunks[c->nchunks].cap == GS_CHUNK_MAX);
    if (ch->n <= GS_CHUNK_MAX / 2) {
      take_array(doc, c, ch);
    } else {
      split_chunk(doc, c, ch);
      if (p.at >= ch->n) {
        p.at -= ch->n;
        ch++;
      }
    }
  }
  memmove(ch->v + p.at + 2, ch->v + p.at + 1, (ch->n - p.at - 1) * sizeof(gs_ix));
  ch->v[p.at + 1] = ix;
  ch->n++;
  doc->nstructs++;
}

void gs_structs_remove(gesso_doc *doc, uint32_t client, gs_pos p)
{
  gs_client *c = &doc->clients[client];
  gs_chunk *ch = &c->chunks[p.chunk];
  memmove(ch->v + p.at, ch->v + p.at + 1, (ch->n - p.at - 1) * sizeof(gs_ix));
  ch->n--;
  doc->nstructs--;
  if (ch->n == 0 && c->nchunks > 1) {
    /* The emptied chunk becomes a spare one. */
    gs_chunk spare = *ch;
    memmove(ch, ch + 1, (c->nchunks - p.chunk - 1) * sizeof *ch);
    c->chunks[--c->nchunks] = spare;
  } else if (p.at == 0 && ch->n > 0) {
    ch->first = doc->items[ch->v[0]].clock;
  }
}

void gs_structs_squeeze(gesso_doc *doc, uint32_t client, uint32_t first)
{
  gs_client *c = &doc->clients[client];
  uint32_t to = first > 0 ? first - 1 : 0;
  uint32_t n = c->nchunks;
  for (uint32_t from = to + 1; from < n; from++) {
    gs_chunk *into = &c->chunks[to], *ch = &c->chunks[from];
    if (into->n + ch->n <= GS_CHUNK_MAX / 4 * 3 && chunk_room(doc, into, into->n + ch->n)) {
      memcpy(into->v + into->n, ch->v, ch->n * sizeof(gs_ix));
      into->n += ch->n;
      gs_free(doc->alloc, ch->v, ch->cap * sizeof(gs_ix));
      *ch = (gs_chunk){ 0 };
    } else if (++to != from) {
      c->chunks[to] = *ch;
      *ch = (gs_chunk){ 0 };
    }
  }
  /* Spare chunks follow the used ones without a gap. */
  for (uint32_t i = n; i < c->chunks_cap && c->chunks[i].v != NULL && to + 1 != n; i++) {
    c->chunks[to + 1 + i - n] = c->chunks[i];
    c->chunks[i] = (gs_chunk){ 0 };
  }
  c->nchunks = GS_MIN(n, to + 1);
  c->hint = (gs_pos){ 0, 0 };
}

void gs_structs_trim(gesso_doc *doc, uint32_t client)
{
  gs_client *c = &doc->clients[client];
  /* Two stay: the next cut asks for as many again. */
  for (uint32_t i = c->nchunks + 2; i < c->chunks_cap && c->chunks[i].v != NULL; i++) {
    gs_free(doc->alloc, c->chunks[i].v, c->chunks[i].cap * sizeof(gs_ix));
    c->chunks[i] = (gs_chunk){ 0 };
  }
  if (c->chunks_cap > 16 && c->chunks_cap / 2 > c->nchunks + 2) {
    gs_chunk *p = gs_resize(doc->alloc, c->chunks, c->chunks_cap * sizeof *p, (c->nchunks + 2) * sizeof *p);
    if (p != NULL) {
      c->chunks = p;
      c->chunks_cap = c->nchunks + 2;
    }
  }
}
