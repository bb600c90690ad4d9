#include "crdt/content.h"
#include "crdt/pending.h"
#include "crdt/record.h"
#include "crdt/runs.h"
#include "crdt/update.h"

#include <stdlib.h>

enum { MAP_KEY = 0x20, RIGHT_ORIGIN = 0x40, ORIGIN = 0x80 };

/* --- the order in which clients are written: highest id first --- */

typedef struct order {
  uint64_t id;
  uint32_t client;
  uint32_t from; /* clock */
} order;

#define FEW 8 /* so many stand on the stack */

static int higher_id_first(const void *a, const void *b)
{
  uint64_t x = ((const order *)a)->id, y = ((const order *)b)->id;
  return x < y ? 1 : x > y ? -1 : 0;
}

/* Where an update goes: v2, or v1 while that is NULL. `merged`: see gs_write_struct. */
typedef struct sink {
  gs_buf *v1;
  gs_writer *v2;
  bool merged;
} sink;

static void write_structs(gesso_doc *doc, const sink *to, uint32_t client, uint32_t from)
{
  if (to->v2 != NULL)
    gs_put_items(doc, to->v2, client, from);
  else
    gs_write_items(doc, to->v1, client, from, to->merged);
}

/* The structs from a clock on when they are few, as those of a transaction are: from the end, without a search.
 * How many there are, and the first; 0: too many, or some are packed. */
static uint32_t last_structs(const gesso_doc *doc, uint32_t client, uint32_t from, gs_pos *first)
{
  const gs_client *c = &doc->clients[client];
  *first = (gs_pos){ c->nchunks - 1, gs_chunks_of(doc, c)[c->nchunks - 1].n - 1u };
  for (uint32_t n = 1; n <= FEW; n++) {
    const gs_item *it = &doc->items[gs_struct_at(doc, client, *first)];
    if (gs_kind(it) == GS_RUN)
      return 0;
    if (it->clock <= from)
      return n;
    if (!gs_pos_prev(doc, client, first))
      return 0;
  }
  return 0;
}

/* A client's block of a v1 update. */
static void write_client(gesso_doc *doc, const sink *to, uint32_t client, uint32_t from)
{
  gs_pos p;
  uint32_t few = last_structs(doc, client, from, &p);
  gs_write_varuint(to->v1, few > 0 ? few : gs_structs_from(doc, client, from));
  gs_write_varuint(to->v1, doc->clients[client].id);
  gs_write_varuint(to->v1, from);
  if (few == 0) {
    write_structs(doc, to, client, from);
    return;
  }
  for (; few > 0; few--) {
    const gs_item *it = &doc->items[gs_struct_at(doc, client, p)];
    gs_write_struct(doc, to->v1, it, it->clock < from ? from - it->clock : 0, it->len, to->merged);
    (void)gs_pos_next(doc, client, &p);
  }
}

void gs_write_until(gesso_doc *doc, gs_buf *out, uint32_t client, uint32_t clock)
{
  gs_walk w;
  size_t n = 0;
  gs_walk_start(&w, doc, client, 0);
  for (const gs_item *it = gs_walk_next(&w); it != NULL && it->clock < clock; it = gs_walk_next(&w))
    n++;
  gs_write_varuint(out, n);
  gs_write_varuint(out, doc->clients[client].id);
  gs_write_varuint(out, 0);
  gs_walk_start(&w, doc, client, 0);
  for (const gs_item *it = gs_walk_next(&w); it != NULL && it->clock < clock; it = gs_walk_next(&w))
    gs_write_struct(doc, out, it, 0, GS_MIN(it->len, clock - it->clock), false);
}

/* --- pending structs behind the integrated ones --- */

/* Walks the pending structs of a client from clock `at` on: counts what it would write, or writes it when
 * to != NULL. Gaps become skips, overlaps are cut off. */
static size_t pending_structs(gesso_doc *doc, const sink *to, uint32_t client, uint32_t at, bool first)
{
  size_t n = 0;
  for (uint32_t node = gs_ptree_from(&doc->pending->structs, client, 0); node != 0;
       node = gs_ptree_after(&doc->pending->structs, client, node)) {
    const gs_pnode *pn = &doc->pending->structs.v[node];
    if (pn->clock + pn->len <= at)
      continue;
    uint32_t offset = pn->clock < at ? at - pn->clock : 0;
    if (pn->clock > at && !first) {
      n++;
      if (to != NULL && to->v2 != NULL) {
        gs_put_skip(doc, to->v2, client, at, pn->clock - at);
      } else if (to != NULL) {
        gs_buf_put(to->v1, GS_SKIP);
        gs_write_varuint(to->v1, pn->clock - at);
      }
    }
    n++;
    if (to != NULL && to->v2 != NULL) {
      gs_put_waiting(doc, to->v2, pn, offset);
    } else if (to != NULL && offset == 0) {
      gs_buf_write(to->v1, doc->pending->bytes + pn->at, pn->bytes);
    } else if (to != NULL) {
      gs_item in;
      gs_pending_decode(doc, pn, &in);
      gesso_bytes content = { doc->pending->bytes + in.c.at, in.c.bytes };
      gs_write_in(doc, to->v1, &in, content, offset);
    }
    at = pn->clock + pn->len;
    first = false;
  }
  return n;
}

/* The clock that a client's block starts with when it has pending structs only. */
static uint32_t pending_start(const gesso_doc *doc, uint32_t client, uint32_t at)
{
  for (uint32_t node = gs_ptree_from(&doc->pending->structs, client, 0); node != 0;
       node = gs_ptree_after(&doc->pending->structs, client, node)) {
    const gs_pnode *pn = &doc->pending->structs.v[node];
    if (pn->clock + pn->len > at)
      return GS_MAX(pn->clock, at);
  }
  return at;
}

/* --- delete sets --- */

/* The ranges of one client. */
static void write_ranges(const gesso_doc *doc, gs_buf *out, bool v2, const gs_range *r, uint32_t n)
{
  enum { SLICE = 64, RANGE_MAX = 10, SCRIBBLE = 8 };
  gs_write_varuint(out, doc->clients[r->client].id);
  gs_write_varuint(out, n);
  if (n > SLICE)
    gs_buf_expect(out, (size_t)n * 4);
  uint32_t at = 0, keep = v2 ? UINT32_MAX : 0; /* v2: clocks are differences, and no range is empty */
  for (uint32_t k = 0, end = 0; k < n; k = end) {
    end = n - k < SLICE ? n : k + SLICE;
    if (!gs_buf_room(out, (end - k) * RANGE_MAX + SCRIBBLE))
      return;
    uint8_t *p = out->b.data + out->b.len;
    for (uint32_t i = k; i < end; i++) {
      p = gs_put_length(gs_put_varuint56(p, r[i].clock - at), r[i].len - v2);
      at = (r[i].clock + r[i].len) & keep;
    }
    out->b.len = (size_t)(p - out->b.data);
  }
}

static void write_delete_set(gesso_doc *doc, const sink *to, const gs_ranges *r)
{
  gs_buf *out = to->v2 != NULL ? &to->v2->rest : to->v1;
  if (r->n == 0 || r->v[0].client == r->v[r->n - 1].client) {
    gs_write_varuint(out, r->n > 0);
    if (r->n > 0)
      write_ranges(doc, out, to->v2 != NULL, r->v, r->n);
    return;
  }
  uint32_t nclients = 0;
  for (uint32_t i = 0; i < r->n; i++)
    nclients += i == 0 || r->v[i].client != r->v[i - 1].client;
  order few[FEW], *ord = nclients <= FEW ? few : gs_alloc(doc->alloc, nclients * sizeof *ord);
  if (ord == NULL) {
    out->err = GESSO_E_NOMEM;
    return;
  }
  uint32_t n = 0;
  for (uint32_t i = 0; i < r->n; i++)
    if (i == 0 || r->v[i].client != r->v[i - 1].client)
      ord[n++] = (order){ doc->clients[r->v[i].client].id, i, 0 };
  if (n > 1)
    qsort(ord, n, sizeof *ord, higher_id_first);
  gs_write_varuint(out, n);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t first = ord[i].client, end = first;
    while (end < r->n && r->v[end].client == r->v[first].client)
      end++;
    write_ranges(doc, out, to->v2 != NULL, r->v + first, end - first);
  }
  if (ord != few)
    gs_free(doc->alloc, ord, nclients * sizeof *ord);
}

static bool add_range(gesso_doc *doc, gs_ranges *r, gs_range x)
{
  if (r->n > 0 && r->v[r->n - 1].client == x.client && r->v[r->n - 1].clock + r->v[r->n - 1].len == x.clock) {
    r->v[r->n - 1].len += x.len;
    return true;
  }
  if (!gs_grow(doc->alloc, &r->v, &r->cap, (size_t)r->n + 1, sizeof *r->v))
    return false;
  r->v[r->n++] = x;
  return true;
}

void gs_forget_deleted(gesso_doc *doc)
{
  gs_free(doc->alloc, doc->deleted.v, doc->deleted.cap * sizeof *doc->deleted.v);
  gs_free(doc->alloc, doc->deleted_v1, doc->deleted_v1_len);
  doc->deleted = (gs_ranges){ 0 };
  doc->deleted_known = doc->deleted_asked = false;
  doc->deleted_v1 = NULL;
  doc->deleted_v1_len = 0;
}

/* Walks all structs once after each change; diffs in between only write the result. */
bool gs_find_deleted(gesso_doc *doc)
{
  gs_ranges *r = &doc->deleted;
  if (doc->deleted_known)
    return true;
  gs_forget_deleted(doc);
  (void)!gs_grow(doc->alloc, &r->v, &r->cap, doc->ndeleted, sizeof *r->v); /* so many at most */
  for (uint32_t client = 1; doc->ndeleted > 0 && client < doc->nclients; client++) {
    const gs_client *c = &doc->clients[client];
    for (uint32_t k = 0; k < c->nchunks; k++) {
      const gs_chunk *ch = &gs_chunks_of(doc, c)[k];
      const gs_ix *v = gs_chunk_v(doc, ch);
      for (uint32_t i = 0; i < ch->n; i++) {
        const gs_item *it = &doc->items[v[i]];
        if (gs_is_deleted(it) && !add_range(doc, r, (gs_range){ client, it->clock, it->len }))
          return false;
      }
    }
  }
  gs_range *fit = r->n > 0 && r->cap > r->n ? gs_resize(doc->alloc, r->v, r->cap * sizeof *r->v, r->n * sizeof *r->v) : NULL;
  if (fit != NULL) {
    r->v = fit;
    r->cap = r->n;
  }
  doc->deleted_known = true;
  return true;
}

/* Those of doc->deleted, in v1. */
static void write_deleted_v1(gesso_doc *doc, gs_buf *out)
{
  if (doc->deleted_v1 != NULL) {
    gs_buf_write(out, doc->deleted_v1, doc->deleted_v1_len);
    return;
  }
  size_t from = out->b.len;
  write_delete_set(doc, &(sink){ .v1 = out }, &doc->deleted);
  size_t len = out->b.len - from;
  if (doc->deleted_asked && out->err == GESSO_OK && len <= UINT32_MAX && (doc->deleted_v1 = gs_alloc(doc->alloc, len)) != NULL) {
    memcpy(doc->deleted_v1, out->b.data + from, len);
    doc->deleted_v1_len = (uint32_t)len;
  }
  doc->deleted_asked = doc->deleted.n > 0; /* of none there is nothing to keep */
}

static bool write_all_deletes(gesso_doc *doc, const sink *to)
{
  if (!gs_find_deleted(doc))
    return false;
  const gs_ptree *dels = &doc->pending->dels;
  if (dels->count == 0) {
    if (to->v2 != NULL)
      write_delete_set(doc, to, &doc->deleted);
    else
      write_deleted_v1(doc, to->v1);
    return true;
  }
  gs_ranges all = { 0 };
  bool ok = gs_grow(doc->alloc, &all.v, &all.cap, (size_t)doc->deleted.n + dels->count, sizeof *all.v);
  if (ok) {
    if (doc->deleted.n > 0)
      memcpy(all.v, doc->deleted.v, doc->deleted.n * sizeof *all.v);
    all.n = doc->deleted.n;
    for (uint32_t node = gs_ptree_from(dels, 0, 0); node != 0; node = gs_ptree_after(dels, UINT32_MAX, node))
      all.v[all.n++] = (gs_range){ dels->v[node].client, dels->v[node].clock, dels->v[node].len };
    gs_ranges_normalise(doc->alloc, &all);
    write_delete_set(doc, to, &all);
  }
  gs_free(doc->alloc, all.v, all.cap * sizeof *all.v);
  return ok;
}

/* --- the public calls --- */

static void write_txn(gesso_doc *doc, const sink *to)
{
  const gs_txn *txn = &doc->txn;
  gs_buf *out = to->v2 != NULL ? &to->v2->rest : to->v1;
  order few[FEW], *ord = txn->ntouched <= FEW ? few : gs_alloc(doc->alloc, txn->ntouched * sizeof *ord);
  if (ord == NULL) {
    out->err = GESSO_E_NOMEM;
    return;
  }
  uint32_t n = 0;
  for (uint32_t i = 0; i < txn->ntouched; i++) {
    const gs_client *c = &doc->clients[txn->touched[i]];
    if (c->before != c->clock)
      ord[n++] = (order){ c->id, txn->touched[i], c->before };
  }
  if (n > 1)
    qsort(ord, n, sizeof *ord, higher_id_first);
  if (to->v2 == NULL)
    gs_write_varuint(out, n);
  for (uint32_t i = 0; i < n; i++) {
    if (to->v2 == NULL)
      write_client(doc, to, ord[i].client, ord[i].from);
    else
      write_structs(doc, to, ord[i].client, ord[i].from);
  }
  if (ord != few)
    gs_free(doc->alloc, ord, txn->ntouched * sizeof *ord);
  if (to->v2 != NULL)
    gs_writer_end_structs(to->v2);
  write_delete_set(doc, to, &txn->dels);
}

/* --- what most transactions did: a few usual structs of one client, deletions of one client --- */

/* A client id as it is written: most ids in an update are of one client. */
typedef struct written {
  uint32_t client;
  uint32_t n;
  uint8_t bytes[16];
} written;

static inline uint8_t *put_client(const gesso_doc *doc, written *w, uint8_t *p, uint32_t client)
{
  if (w->client != client) {
    w->client = client;
    w->n = (uint32_t)(gs_put_length(w->bytes, doc->clients[client].id) - w->bytes);
  }
  memcpy(p, w->bytes, 8);
  return p + w->n;
}

static inline uint8_t *put_id(const gesso_doc *doc, written *w, uint8_t *p, gs_id id)
{
  return gs_put_length(put_client(doc, w, p, id.client), id.clock);
}

/* What a struct takes besides its content, or a client, or a range of deletions, at most. */
enum { PIECE_MAX = 64 };

/* Room for `more` bytes and the next piece. NULL: memory is short. */
static inline uint8_t *room_at(gs_buf *out, uint8_t *p, size_t more)
{
  out->b.len = (size_t)(p - out->b.data);
  return gs_buf_room(out, PIECE_MAX + more) ? out->b.data + out->b.len : NULL;
}

/* One struct, for which there is room but for its content. False: it is an unusual one. *at is NULL when memory is short. */
static bool put_usual(gesso_doc *doc, gs_buf *out, written *w, uint8_t **at, const gs_item *it, uint32_t offset)
{
  unsigned kind = gs_kind(it);
  gs_id origin = it->origin, right = it->right_origin;
  gesso_bytes content = { NULL, 0 };
  if (offset > 0)
    origin = (gs_id){ gs_client_of(it), it->clock + offset - 1 };
  if ((kind != GS_STRING && kind != GS_ANY && kind != GS_DELETED) || (origin.client == 0 && right.client == 0))
    return false;
  if (kind != GS_DELETED)
    content = gs_content(doc, it);
  if (offset > 0 && kind != GS_DELETED) {
    size_t skip = offset;
    int pair;
    if (kind == GS_ANY) {
      skip = gs_content_find(doc, it, offset, &pair); /* a long item's front is not read again for each */
    } else if (content.len != it->len) {
      gesso_bytes parts[3];
      if (gs_string_parts(content, it->len, offset, it->len, parts) > 1)
        return false;
      skip = (size_t)(parts[0].data - content.data);
    }
    content = (gesso_bytes){ content.data + skip, content.len - skip };
  }
  uint8_t *p = *at;
  *p++ = (uint8_t)(kind | (origin.client != 0 ? ORIGIN : 0) | (right.client != 0 ? RIGHT_ORIGIN : 0) |
                   (doc->slots[it->slot].key != 0 ? MAP_KEY : 0));
  if (origin.client != 0)
    p = put_id(doc, w, p, origin);
  if (right.client != 0)
    p = put_id(doc, w, p, right);
  p = gs_put_length(p, kind == GS_STRING ? content.len : it->len - offset);
  p = room_at(out, p, content.len);
  if (p != NULL && content.len == 1)
    *p = *content.data;
  else if (p != NULL && content.len > 0)
    memcpy(p, content.data, content.len);
  *at = p != NULL ? p + content.len : NULL;
  return true;
}

static bool write_little(gesso_doc *doc, gs_buf *out)
{
  const gs_txn *txn = &doc->txn;
  const gs_range *dels = txn->dels.v;
  uint32_t n = txn->dels.n, client = txn->ntouched > 0 ? txn->touched[0] : 0;
  if (txn->ntouched > 1 || (n > 1 && dels[0].client != dels[n - 1].client) || !gs_buf_room(out, PIECE_MAX))
    return false;
  const gs_client *c = &doc->clients[client];
  written w = { 0 };
  uint8_t *p = out->b.data + out->b.len;
  if (client == 0 || c->before == c->clock) {
    *p++ = 0;
  } else {
    gs_pos at;
    uint32_t few = last_structs(doc, client, c->before, &at);
    if (few == 0)
      return false;
    size_t start = out->b.len;
    *p++ = 1;
    *p++ = (uint8_t)few;
    p = put_id(doc, &w, p, (gs_id){ client, c->before });
    for (;;) {
      const gs_item *it = &doc->items[gs_struct_at(doc, client, at)];
      if (!put_usual(doc, out, &w, &p, it, it->clock < c->before ? c->before - it->clock : 0)) {
        out->b.len = start;
        return false;
      }
      if (p == NULL || --few == 0)
        break;
      (void)gs_pos_next(doc, client, &at);
    }
  }
  if (p != NULL)
    *p++ = n > 0;
  if (p != NULL && n > 0)
    p = gs_put_length(put_client(doc, &w, p, dels->client), n);
  for (uint32_t i = 0; i < n && p != NULL; i++)
    p = room_at(out, gs_put_length(gs_put_length(p, dels[i].clock), dels[i].len), 0);
  if (p != NULL)
    out->b.len = (size_t)(p - out->b.data);
  return true;
}

void gs_write_txn(gesso_doc *doc, gs_buf *out)
{
  if (write_little(doc, out))
    return;
  const sink to = { .v1 = out };
  write_txn(doc, &to);
}

gesso_status gs_write_txn_v2(gesso_doc *doc, gesso_buffer *out)
{
  gs_writer w;
  gs_writer_open(&w, doc->mem.inner, true);
  w.keep_key_bit = true;
  const sink to = { .v2 = &w };
  if (w.err == GESSO_OK)
    write_txn(doc, &to);
  return gs_writer_finish(&w, out);
}

/* Reads a peer's state vector into clients[].sim. Clients that this document does not know are
 * skipped: there is nothing to send them. */
static gesso_status read_state_vector(gesso_doc *doc, gesso_bytes sv, gesso_error *error_out)
{
  gs_reader rd = gs_reader_of(sv);
  for (uint32_t i = 1; i < doc->nclients; i++)
    doc->clients[i].sim = 0;
  uint32_t n = sv.len == 0 ? 0 : gs_read_count(&rd, 2);
  for (uint32_t i = 0; i < n; i++) {
    uint64_t id = gs_read_varuint(&rd);
    uint64_t clock = gs_read_varuint(&rd);
    uint32_t client = gs_client_find(doc, id);
    if (client != 0)
      doc->clients[client].sim = (uint32_t)GS_MIN(clock, GS_CLOCK_MAX);
  }
  return gs_reader_status(&rd, error_out);
}

/* Makes room once for about what an update with so many of all clocks takes. */
static void expect(const gesso_doc *doc, const sink *to, uint64_t clocks, uint64_t all)
{
  double part = (double)clocks / (double)GS_MAX(all, 1);
  uint32_t text = doc->text_len - doc->text_garbage;
  if (to->v2 == NULL)
    gs_buf_expect(to->v1, (size_t)(part * ((double)doc->nstructs * 14 + (double)doc->npacked * 8 + text)));
  else
    gs_writer_expect(to->v2, (size_t)(part * doc->nstructs), (size_t)(part * text));
}

/* The structs of each client from its `sim` on, and what waits behind them. */
static gesso_status write_state(gesso_doc *doc, bool deletes, const sink *to)
{
  gs_buf *out = to->v2 != NULL ? &to->v2->rest : to->v1;
  order *ord = gs_alloc(doc->alloc, doc->nclients * sizeof *ord);
  if (ord == NULL)
    return GESSO_E_NOMEM;
  uint32_t n = 0;
  uint64_t clocks = 0, all = 0;
  for (uint32_t i = 1; i < doc->nclients; i++) {
    const gs_client *c = &doc->clients[i];
    all += c->clock;
    clocks += c->clock > c->sim ? c->clock - c->sim : 0;
    if (c->clock > c->sim || (c->pending > 0 && pending_structs(doc, NULL, i, GS_MAX(c->clock, c->sim), true) > 0))
      ord[n++] = (order){ c->id, i, c->sim };
  }
  if (n > 1)
    qsort(ord, n, sizeof *ord, higher_id_first);
  expect(doc, to, clocks, all);
  if (to->v2 == NULL)
    gs_write_varuint(out, n);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t client = ord[i].client, from = ord[i].from;
    const gs_client *c = &doc->clients[client];
    bool some = c->clock > from;
    uint32_t at = GS_MAX(c->clock, from);
    if (to->v2 == NULL) {
      size_t count = some ? gs_structs_from(doc, client, from) : 0;
      if (c->pending > 0)
        count += pending_structs(doc, NULL, client, at, !some);
      gs_write_varuint(out, count);
      gs_write_varuint(out, c->id);
      gs_write_varuint(out, some ? from : pending_start(doc, client, at));
    }
    if (some)
      write_structs(doc, to, client, from);
    if (c->pending > 0)
      (void)pending_structs(doc, to, client, at, !some);
  }
  gs_free(doc->alloc, ord, doc->nclients * sizeof *ord);
  if (to->v2 != NULL)
    gs_writer_end_structs(to->v2);
  if (!deletes)
    gs_write_varuint(out, 0);
  else if (!write_all_deletes(doc, to))
    return GESSO_E_NOMEM;
  return out->err;
}

static gesso_status encode(gesso_doc *doc, bool deletes, bool v2, gesso_buffer *out)
{
  bool merged = doc->pending->structs.count > 0 || doc->pending->dels.count > 0;
  gs_buf buf = gs_buf_make(doc->mem.inner);
  gs_writer w;
  gesso_status st;
  if (v2) {
    gs_writer_open(&w, doc->mem.inner, true);
    w.keep_key_bit = !merged;
    st = w.err == GESSO_OK ? write_state(doc, deletes, &(sink){ .v2 = &w }) : w.err;
    if (st == GESSO_OK)
      return gs_writer_finish(&w, out);
    gs_writer_close(&w);
    return st;
  }
  st = write_state(doc, deletes, &(sink){ .v1 = &buf, .merged = merged });
  if (st == GESSO_OK)
    *out = gs_buf_take(&buf);
  gs_buf_finish(&buf);
  return st;
}

static gesso_status encode_for(gesso_doc *doc, gesso_bytes state_vector, bool v2, gesso_buffer *out,
                               gesso_error *error_out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  gesso_status st = read_state_vector(doc, state_vector, error_out);
  if (st != GESSO_OK)
    return st;
  st = encode(doc, true, v2, out);
  if (st != GESSO_OK && error_out != NULL)
    *error_out = (gesso_error){ st, 0, gesso_status_text(st) };
  return st;
}

gesso_status gesso_doc_encode_v1(gesso_doc *doc, gesso_bytes state_vector, gesso_buffer *out, gesso_error *error_out)
{
  return encode_for(doc, state_vector, false, out, error_out);
}

gesso_status gesso_doc_encode_v2(gesso_doc *doc, gesso_bytes state_vector, gesso_buffer *out, gesso_error *error_out)
{
  return encode_for(doc, state_vector, true, out, error_out);
}

gesso_status gesso_doc_pending_update_v1(gesso_doc *doc, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  if (doc->pending->structs.count == 0)
    return GESSO_OK;
  for (uint32_t i = 1; i < doc->nclients; i++)
    doc->clients[i].sim = doc->clients[i].clock;
  return encode(doc, false, false, out);
}

gesso_status gesso_doc_pending_missing(gesso_doc *doc, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  gs_buf buf = gs_buf_make(doc->mem.inner);
  uint32_t n = 0;
  for (uint32_t i = 1; i < doc->nclients; i++)
    doc->clients[i].sim = UINT32_MAX;
  for (uint32_t i = 1; i < doc->nclients; i++) {
    const gs_client *c = &doc->clients[i];
    if (c->pending == 0)
      continue;
    /* Without a link the gap is in front of the client's own structs. */
    uint32_t on = c->wait_client != 0 ? c->wait_client : i, first = pending_start(doc, i, c->clock);
    uint32_t clock = c->wait_client != 0 ? c->wait_clock : first > 0 ? first - 1 : 0;
    n += doc->clients[on].sim == UINT32_MAX;
    doc->clients[on].sim = GS_MIN(doc->clients[on].sim, clock);
  }
  gs_write_varuint(&buf, n);
  for (uint32_t i = 1; i < doc->nclients; i++)
    if (doc->clients[i].sim != UINT32_MAX) {
      gs_write_varuint(&buf, doc->clients[i].id);
      gs_write_varuint(&buf, doc->clients[i].sim);
    }
  gesso_status st = buf.err;
  if (st == GESSO_OK)
    *out = gs_buf_take(&buf);
  gs_buf_finish(&buf);
  return st;
}

static gesso_status clients_in_order(gesso_doc *doc, order **ord_out, uint32_t *n_out)
{
  order *ord = gs_alloc(doc->alloc, doc->nclients * sizeof *ord);
  if (ord == NULL)
    return GESSO_E_NOMEM;
  uint32_t n = 0;
  for (uint32_t i = 1; i < doc->nclients; i++)
    if (doc->clients[i].clock > 0)
      ord[n++] = (order){ doc->clients[i].id, i, 0 };
  if (n > 1)
    qsort(ord, n, sizeof *ord, higher_id_first);
  *ord_out = ord;
  *n_out = n;
  return GESSO_OK;
}

gesso_status gesso_doc_state_vector(gesso_doc *doc, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  order *ord;
  uint32_t n;
  gesso_status st = clients_in_order(doc, &ord, &n);
  if (st != GESSO_OK)
    return st;
  gs_buf buf = gs_buf_make(doc->mem.inner);
  gs_write_varuint(&buf, n);
  for (uint32_t i = 0; i < n; i++) {
    gs_write_varuint(&buf, ord[i].id);
    gs_write_varuint(&buf, doc->clients[ord[i].client].clock);
  }
  gs_free(doc->alloc, ord, doc->nclients * sizeof *ord);
  st = buf.err;
  if (st == GESSO_OK)
    *out = gs_buf_take(&buf);
  gs_buf_finish(&buf);
  return st;
}

gesso_status gesso_doc_state_vector_json(gesso_doc *doc, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  order *ord;
  uint32_t n;
  gesso_status st = clients_in_order(doc, &ord, &n);
  if (st != GESSO_OK)
    return st;
  gs_buf buf = gs_buf_make(doc->mem.inner);
  gs_buf_put(&buf, '{');
  for (uint32_t i = n; i-- > 0;)
    gs_buf_printf(&buf, "%s\"%llu\":%u", i + 1 < n ? "," : "", (unsigned long long)ord[i].id,
                  doc->clients[ord[i].client].clock);
  gs_buf_put(&buf, '}');
  gs_free(doc->alloc, ord, doc->nclients * sizeof *ord);
  st = buf.err;
  if (st == GESSO_OK)
    *out = gs_buf_take(&buf);
  gs_buf_finish(&buf);
  return st;
}
