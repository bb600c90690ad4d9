#include "crdt/lanes.h"
#include "crdt/runs.h"

#include <assert.h>

enum { CHUNK_WORDS = sizeof(gs_chunk) / sizeof(uint32_t) };

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

static void forget_structs(gesso_doc *doc, gs_client *c)
{
  if (c->chunks_cap == 0)
    return;
  const gs_chunk *row = gs_chunks_of(doc, c);
  for (uint32_t i = 0; i < c->nchunks; i++)
    gs_words_give(doc, row[i].at, row[i].cap);
  gs_words_give(doc, c->chunks, c->chunks_cap * CHUNK_WORDS);
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
    forget_structs(doc, &doc->clients[ix]);
  }
}

/* Chunks are kept with capacity for what was reserved. A chunk that is full is split when something is
 * inserted into it, or gets a larger array if it is small, which takes one place in the row of chunks and one array of
 * GS_CHUNK_MAX: the reservation is one such array for each split, at most as many as there are chunks and
 * one for every 64 splits, since it has room for so many then. Splits come before and between appends: they may
 * all be in the last chunk, so that more of what is appended goes into new ones. */
static bool chunks_row(gesso_doc *doc, gs_client *c, size_t need)
{
  if (need <= c->chunks_cap)
    return true;
  if (need > UINT32_MAX / sizeof(gs_chunk))
    return false;
  uint32_t n = (uint32_t)need, old = c->chunks_cap * CHUNK_WORDS;
  uint32_t at = old == 0 ? gs_words_take(doc, n * CHUNK_WORDS) : gs_words_resize(doc, c->chunks, old, n * CHUNK_WORDS);
  if (at == 0)
    return false;
  c->chunks = at;
  c->chunks_cap = n;
  return true;
}

static bool chunk_room(gesso_doc *doc, const gs_client *c, uint32_t chunk, size_t need)
{
  const gs_chunk *ch = gs_chunks_of(doc, c) + chunk;
  if (need > GS_CHUNK_MAX)
    need = GS_CHUNK_MAX;
  if (need <= ch->cap)
    return true;
  uint32_t want = GS_MIN(GS_MAX(ch->cap + ch->cap / 2u, (uint32_t)need), GS_CHUNK_MAX);
  uint32_t at = gs_words_resize(doc, ch->at, ch->cap, want);
  if (at == 0)
    return false;
  gs_chunk *grown = gs_chunks_of(doc, c) + chunk;
  grown->at = at;
  grown->cap = (uint16_t)want;
  return true;
}

static bool first_chunk(gesso_doc *doc, gs_client *c, size_t need)
{
  uint32_t cap = (uint32_t)GS_MIN(need, GS_CHUNK_MAX);
  if (!chunks_row(doc, c, 1))
    return false;
  uint32_t at = gs_words_take(doc, cap);
  if (at == 0)
    return false;
  *gs_chunks_of(doc, c) = (gs_chunk){ .at = at, .cap = (uint16_t)cap };
  c->nchunks = 1;
  return true;
}

bool gs_structs_grow(gesso_doc *doc, uint32_t client, size_t appends, size_t splits)
{
  gs_client *c = &doc->clients[client];
  if (appends + splits == 0)
    return true;
  if (c->nchunks == 0 && !first_chunk(doc, c, appends + splits))
    return false;
  size_t end = gs_chunks_of(doc, c)[c->nchunks - 1].n + appends + splits;
  if (!chunk_room(doc, c, c->nchunks - 1, end))
    return false;
  size_t spare = end > GS_CHUNK_MAX ? GS_MIN(appends, (end - 1) / GS_CHUNK_MAX) : 0;
  if (splits > 0) {
    /* Any chunk that is not the last may be full: they are never reallocated in place. */
    size_t full = c->nchunks - 1 + spare;
    size_t extra = splits / (GS_CHUNK_MAX / 4) + (full > 0 || end > GS_CHUNK_MAX ? 1 : 0);
    spare += GS_MIN(splits, GS_MIN(splits, full) + extra); /* no split takes more than one */
  }
  if (c->spare_round != doc->words.round) {
    c->spare_round = doc->words.round;
    c->spare = 0;
  }
  if (spare <= c->spare)
    return true;
  if (spare > UINT32_MAX / GS_CHUNK_MAX || !chunks_row(doc, c, c->nchunks + spare) ||
      !gs_words_promise(doc, (uint32_t)spare - c->spare))
    return false;
  c->spare = (uint32_t)spare;
  return true;
}

/* The last struct of v[a] ... v[b - 1] that begins at or before the clock; the first one does. */
static uint32_t last_before(const gesso_doc *doc, const gs_ix *v, uint32_t a, uint32_t b, uint32_t clock)
{
  while (b - a > 1) {
    uint32_t mid = a + (b - a) / 2;
    if (doc->items[v[mid]].clock <= clock)
      a = mid;
    else
      b = mid;
  }
  return a;
}

/* The chunk that has the clock: mostly the last. */
static uint32_t last_chunk_before(const gs_client *c, const gs_chunk *row, uint32_t clock)
{
  uint32_t lo = c->nchunks - 1;
  if (row[lo].first <= clock)
    return lo;
  for (uint32_t hi = lo, n = lo = 0; (n = hi - lo) > 1;) {
    uint32_t mid = lo + n / 2;
    bool more = row[mid].first <= clock;
    lo = more ? mid : lo;
    hi = more ? hi : mid;
  }
  return lo;
}

enum { NEAR = 3 }; /* structs that are looked at before anything is searched: x and y are dragged in turn */

gs_pos gs_structs_find(const gesso_doc *doc, uint32_t client, uint32_t clock)
{
  gs_client *c = &doc->clients[client];
  const gs_chunk *row = gs_chunks_of(doc, c);
  assert(clock < c->clock);
  /* One edit looks the same place up several times, and passes go from neighbour to neighbour, or not far. */
  if (c->hint.chunk < c->nchunks && c->hint.at < row[c->hint.chunk].n) {
    const gs_chunk *ch = &row[c->hint.chunk];
    const gs_ix *v = gs_chunk_v(doc, ch);
    uint32_t at = c->hint.at;
    const gs_item *it = &doc->items[v[at]];
    if (clock >= it->clock) {
      if (clock - it->clock < it->len)
        return c->hint;
      if (c->hint.chunk + 1 == c->nchunks || clock < ch[1].first) {
        uint32_t step = 1;
        while (step < ch->n - at && doc->items[v[at + step]].clock <= clock) {
          at += step;
          step *= 2;
        }
        return c->hint = (gs_pos){ c->hint.chunk, last_before(doc, v, at, GS_MIN(at + step, ch->n), clock) };
      }
    } else {
      for (uint32_t k = 1; k <= NEAR && k <= at; k++)
        if (doc->items[v[at - k]].clock <= clock)
          return c->hint = (gs_pos){ c->hint.chunk, at - k };
    }
  }
  /* Most references are to what came last. */
  uint32_t lo = last_chunk_before(c, row, clock);
  const gs_ix *v = gs_chunk_v(doc, &row[lo]);
  uint32_t n = row[lo].n;
  for (uint32_t k = 1; k <= NEAR && k <= n; k++)
    if (doc->items[v[n - k]].clock <= clock)
      return c->hint = (gs_pos){ lo, n - k };
  return c->hint = (gs_pos){ lo, last_before(doc, v, 0, n, clock) };
}

enum { WINDOW = 32 }; /* as many as lanes.h looks at */

gs_pos gs_structs_place(const gesso_doc *doc, gs_ix ix)
{
  const gs_item *it = &doc->items[ix];
  gs_client *c = &doc->clients[gs_client_of(it)];
  const gs_chunk *row = gs_chunks_of(doc, c);
  if (c->hint.chunk < c->nchunks) {
    const gs_chunk *ch = &row[c->hint.chunk];
    const gs_ix *v = gs_chunk_v(doc, ch);
    for (uint32_t at = c->hint.at; at < ch->n && at < c->hint.at + NEAR; at++)
      if (v[at] == ix)
        return c->hint = (gs_pos){ c->hint.chunk, at };
  }
  uint32_t lo = last_chunk_before(c, row, it->clock), end = lo + 1 < c->nchunks ? row[lo + 1].first : c->clock;
  const gs_ix *v = gs_chunk_v(doc, &row[lo]);
  /* Structs are about as long as others. */
  uint32_t n = row[lo].n, from = 0;
  if (n > WINDOW) {
    uint32_t guess = (uint32_t)((uint64_t)(it->clock - row[lo].first) * n / (end - row[lo].first));
    from = GS_MIN(guess > WINDOW / 2 ? guess - WINDOW / 2 : 0, n - WINDOW);
    uint32_t found = gs_lanes_equal(v + from, ix);
    if (found != 0)
      return c->hint = (gs_pos){ lo, from + (uint32_t)__builtin_ctz(found) };
  }
  for (from = 0; v[from] != ix;)
    from++;
  assert(from < n);
  return c->hint = (gs_pos){ lo, from };
}

size_t gs_structs_from(const gesso_doc *doc, uint32_t client, uint32_t clock)
{
  const gs_client *c = &doc->clients[client];
  gs_pos p = gs_structs_find(doc, client, clock);
  const gs_chunk *row = gs_chunks_of(doc, c);
  size_t n = row[p.chunk].n - p.at;
  for (uint32_t i = p.chunk + 1; i < c->nchunks; i++)
    n += row[i].n;
  if (doc->nruns == 0)
    return n;
  /* Of the first one, when it is a run, those from the clock on. */
  const gs_item *first = &doc->items[gs_struct_at(doc, client, p)];
  if (gs_kind(first) == GS_RUN) {
    gs_run_reader r = gs_run_open(doc, first);
    gs_packed packed;
    while (gs_run_next(&r, &packed) && packed.item.clock + packed.item.len <= clock)
      n--;
  }
  for (; p.chunk < c->nchunks; p = (gs_pos){ p.chunk + 1, 0 }) {
    const gs_ix *v = gs_chunk_v(doc, &row[p.chunk]);
    for (uint32_t i = p.at; i < row[p.chunk].n; i++) {
      const gs_item *it = &doc->items[v[i]];
      n += gs_kind(it) == GS_RUN ? gs_run_count(it) - 1 : 0;
    }
  }
  return n;
}

gs_chunk *gs_structs_add_chunk_reserved(gesso_doc *doc, gs_client *c)
{
  assert(c->nchunks < c->chunks_cap && c->spare > 0 && c->spare_round == doc->words.round);
  c->spare--;
  gs_chunk *ch = &gs_chunks_of(doc, c)[c->nchunks++];
  *ch = (gs_chunk){ .at = gs_words_take_full(doc), .cap = GS_CHUNK_MAX };
  return ch;
}

void gs_structs_append_row_reserved(gesso_doc *doc, uint32_t client, gs_ix first, uint32_t n)
{
  gs_structs_append_reserved(doc, client, first);
  gs_client *c = &doc->clients[client];
  for (gs_ix ix = first + 1, end = first + n; ix < end;) {
    gs_chunk *ch = &gs_chunks_of(doc, c)[c->nchunks - 1];
    uint32_t more = GS_MIN(end - ix, (uint32_t)ch->cap - ch->n);
    gs_ix *v = gs_chunk_v(doc, ch) + ch->n;
    if (ch->n == GS_CHUNK_MAX) {
      gs_structs_append_reserved(doc, client, ix++);
      continue;
    }
    assert(more > 0);
    ch->n = (uint16_t)(ch->n + more);
    c->clock += more;
    doc->nstructs += more;
    while (more-- > 0)
      *v++ = ix++;
  }
}

/* A full but small chunk gets an array of full size. */
static void enlarge(gesso_doc *doc, gs_client *c, gs_chunk *ch)
{
  assert(c->spare > 0 && c->spare_round == doc->words.round);
  c->spare--;
  uint32_t at = gs_words_take_full(doc);
  memcpy(doc->words.v + at, gs_chunk_v(doc, ch), ch->n * sizeof(gs_ix));
  gs_words_give(doc, ch->at, ch->cap);
  ch->at = at;
  ch->cap = GS_CHUNK_MAX;
}

/* A new chunk gets the upper half of a full one, and stands behind it. */
static void split_chunk(gesso_doc *doc, gs_client *c, gs_chunk *ch)
{
  gs_chunk upper = *gs_structs_add_chunk_reserved(doc, c), *next = ch + 1;
  memmove(next + 1, next, (size_t)(gs_chunks_of(doc, c) + c->nchunks - 1 - next) * sizeof *ch);
  uint16_t keep = ch->n / 2;
  upper.n = (uint16_t)(ch->n - keep);
  memcpy(gs_chunk_v(doc, &upper), gs_chunk_v(doc, ch) + keep, upper.n * sizeof(gs_ix));
  upper.first = doc->items[*gs_chunk_v(doc, &upper)].clock;
  ch->n = keep;
  *next = upper;
}

void gs_structs_insert_reserved(gesso_doc *doc, uint32_t client, gs_pos p, gs_ix ix)
{
  gs_client *c = &doc->clients[client];
  gs_chunk *ch = &gs_chunks_of(doc, c)[p.chunk];
  if (ch->n == ch->cap) {
    if (ch->n <= GS_CHUNK_MAX / 2) {
      enlarge(doc, c, ch);
    } else {
      split_chunk(doc, c, ch);
      if (p.at >= ch->n) {
        p.at -= ch->n;
        ch++;
      }
    }
  }
  gs_ix *v = gs_chunk_v(doc, ch) + p.at + 1;
  memmove(v + 1, v, (ch->n - p.at - 1) * sizeof *v);
  *v = ix;
  ch->n++;
  doc->nstructs++;
}

void gs_structs_move_start(gesso_doc *doc, uint32_t client, uint32_t clock, uint32_t by)
{
  gs_pos p = gs_structs_find(doc, client, clock);
  if (p.at == 0)
    gs_chunks_of(doc, &doc->clients[client])[p.chunk].first -= by;
}

void gs_structs_remove(gesso_doc *doc, uint32_t client, gs_pos p)
{
  gs_client *c = &doc->clients[client];
  gs_chunk *ch = &gs_chunks_of(doc, c)[p.chunk];
  gs_ix *v = gs_chunk_v(doc, ch);
  memmove(v + p.at, v + p.at + 1, (ch->n - p.at - 1) * sizeof *v);
  ch->n--;
  doc->nstructs--;
  if (ch->n == 0 && c->nchunks > 1) {
    gs_words_give(doc, ch->at, ch->cap);
    memmove(ch, ch + 1, (c->nchunks - p.chunk - 1) * sizeof *ch);
    c->nchunks--;
  } else if (p.at == 0 && ch->n > 0) {
    ch->first = doc->items[v[0]].clock;
  }
}

void gs_structs_squeeze(gesso_doc *doc, uint32_t client, uint32_t first)
{
  gs_client *c = &doc->clients[client];
  uint32_t to = first > 0 ? first - 1 : 0;
  for (uint32_t from = to + 1; from < c->nchunks; from++) {
    gs_chunk *row = gs_chunks_of(doc, c);
    uint32_t n = (uint32_t)row[to].n + row[from].n;
    if (n <= GS_CHUNK_MAX / 4 * 3 && chunk_room(doc, c, to, n)) {
      row = gs_chunks_of(doc, c);
      memcpy(gs_chunk_v(doc, &row[to]) + row[to].n, gs_chunk_v(doc, &row[from]), row[from].n * sizeof(gs_ix));
      row[to].n = (uint16_t)n;
      gs_words_give(doc, row[from].at, row[from].cap);
    } else if (++to != from) {
      row[to] = row[from];
    }
  }
  c->nchunks = GS_MIN(c->nchunks, to + 1);
  c->hint = (gs_pos){ 0, 0 };
}

void gs_structs_trim(gesso_doc *doc, uint32_t client)
{
  gs_client *c = &doc->clients[client];
  if (c->spare_round == doc->words.round) {
    gs_words_release(doc, c->spare);
    c->spare = 0;
  }
  if (c->chunks_cap > 16 && c->chunks_cap / 2 > c->nchunks) {
    (void)gs_words_resize(doc, c->chunks, c->chunks_cap * CHUNK_WORDS, c->nchunks * CHUNK_WORDS);
    c->chunks_cap = c->nchunks;
  }
}

/* Moves the blocks of all clients together. */
static void compact(gesso_doc *doc)
{
  gs_words *w = &doc->words;
  gs_words old = *w;
  *w = (gs_words){ .trimmed = old.trimmed, .round = old.round };
  if (!gs_words_start(doc, old.len - old.unused)) {
    *w = old;
    return;
  }
  for (uint32_t i = 1; i < doc->nclients; i++) {
    gs_client *c = &doc->clients[i];
    if (c->nchunks == 0) {
      c->chunks_cap = 0;
      continue;
    }
    gs_chunk *row = (gs_chunk *)(void *)(old.v + c->chunks);
    for (uint32_t k = 0; k < c->nchunks; k++) {
      uint32_t at = gs_words_take(doc, GS_MAX(row[k].n, 1));
      memcpy(w->v + at, old.v + row[k].at, row[k].n * sizeof(gs_ix));
      row[k].at = at;
      row[k].cap = GS_MAX(row[k].n, 1);
    }
    c->chunks = gs_words_take(doc, c->nchunks * CHUNK_WORDS);
    c->chunks_cap = c->nchunks;
    memcpy(gs_chunks_of(doc, c), row, c->nchunks * sizeof *row);
  }
  gs_free(doc->alloc, old.v, old.cap * sizeof *old.v);
}

void gs_structs_tidy(gesso_doc *doc)
{
  gs_words *w = &doc->words;
  w->promised = 0;
  w->round++;
  for (uint32_t i = 0; i < doc->txn.ntouched; i++)
    gs_structs_trim(doc, doc->txn.touched[i]);
  if (gs_words_loose(w))
    compact(doc);
  gs_words_trim(doc);
}
