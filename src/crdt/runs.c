#include "crdt/runs.h"
#include "crdt/content.h"
#include "wire/writer.h"

#include <assert.h>

/* The content of a run:
 *
 *   varUint slots; for each varUint slot, id of the run before this one that has some of it
 *   for each struct, in order of clocks
 *     u8       bits 0-3: its slot in that table
 *              ORIGIN   its origin is not the last id of the one before it in that slot: given
 *              LEFT     its left neighbour does not end with its origin: given
 *              RIGHT    its right neighbour is given; otherwise it is the next of that slot in this run, which
 *                       names this one as its left neighbour
 *              MORE     its len is not 1 or it has a right origin: varUint len, then the id
 *     what the bits announce, in this order: origin, left, right, len and right origin
 *   an id is 0 for none, 1 for a neighbour that was packed before, or varUint client index + 1, varUint clock */
enum { SLOT = 0x0f, ORIGIN = 0x10, LEFT = 0x20, RIGHT = 0x40, MORE = 0x80 };

/* Fewer are not worth an item of their own. From RUN_NEXT on a struct of another slot begins a run of its own, so
 * that what a run holds belongs together. */
#ifndef GS_RUNS_SMALL
enum { RUN_MIN = 8, RUN_NEXT = 24 };
/* How far an integration may look to the right before it is taken for one that reaches packed structs. */
enum { REACH = 64 };
#else
/* For tests: documents of a few edits pack and unpack. */
enum { RUN_MIN = 1, RUN_NEXT = 3, REACH = 2 };
#endif
enum { RUN_MAX = GS_CHUNK_MAX };

static void write_id(gs_buf *out, gs_id id)
{
  if (id.client == 0 || id.client == GS_PACKED) {
    gs_buf_put(out, id.client != 0);
    return;
  }
  gs_write_varuint(out, (uint64_t)id.client + 1);
  gs_write_varuint(out, id.clock);
}

static gs_id read_id(gs_reader *rd)
{
  uint32_t c = (uint32_t)gs_read_varuint(rd);
  if (c <= 1)
    return (gs_id){ c == 0 ? 0 : GS_PACKED, 0 };
  return (gs_id){ c - 1, (uint32_t)gs_read_varuint(rd) };
}

gs_run_reader gs_run_open(const gesso_doc *doc, const gs_item *run)
{
  gs_run_reader r = { .rd = gs_reader_of(gs_content(doc, run)),
                      .client = gs_client_of(run),
                      .clock = run->clock,
                      .left_over = gs_run_count(run) };
  r.nslots = (uint32_t)gs_read_varuint(&r.rd);
  for (uint32_t i = 0; i < r.nslots; i++) {
    r.slots[i] = (uint32_t)gs_read_varuint(&r.rd);
    r.before[i] = read_id(&r.rd);
  }
  return r;
}

bool gs_run_next(gs_run_reader *r, gs_packed *out)
{
  if (r->left_over == 0)
    return false;
  r->left_over--;
  uint8_t bits = gs_read_u8(&r->rd);
  uint32_t s = bits & SLOT;
  gs_item *it = &out->item;
  *it = (gs_item){ .head = r->client << GS_CLIENT_SHIFT | GS_ITEM_DELETED | GS_DELETED,
                   .clock = r->clock,
                   .len = 1,
                   .slot = r->slots[s] };
  it->origin = bits & ORIGIN ? read_id(&r->rd) : r->last[s];
  out->left = bits & LEFT ? read_id(&r->rd) : it->origin;
  out->right = bits & RIGHT ? read_id(&r->rd) : (gs_id){ GS_PACKED, 0 };
  if (bits & MORE) {
    it->len = (uint32_t)gs_read_varuint(&r->rd);
    it->right_origin = read_id(&r->rd);
  }
  r->clock += it->len;
  r->last[s] = (gs_id){ r->client, r->clock - 1 };
  return true;
}

uint32_t gs_run_turns(gs_run_reader *r, uint32_t n)
{
  const uint8_t *at = r->rd.at, *before = at - n;
  uint32_t m = 0;
  while (m + 8 <= r->left_over && memcmp(at + m, before + m, 8) == 0)
    m += 8;
  while (m < r->left_over && at[m] == before[m])
    m++;
  for (uint32_t i = 0; i < n && i < m; i++)
    r->last[at[m - 1 - i]].clock = r->clock + m - 1 - i;
  r->rd.at += m;
  r->clock += m;
  r->left_over -= m;
  return m;
}

/* --- walking --- */

static const gs_item *walk_run(gs_walk *w)
{
  w->in_run = gs_run_next(&w->run, &w->packed);
  return w->in_run ? &w->packed.item : NULL;
}

void gs_walk_start(gs_walk *w, const gesso_doc *doc, uint32_t client, uint32_t clock)
{
  *w = (gs_walk){ .doc = doc, .client = client, .pos = gs_structs_find(doc, client, clock), .more = true };
  const gs_item *it = &doc->items[gs_struct_at(doc, client, w->pos)];
  if (gs_kind(it) != GS_RUN)
    return;
  w->run = gs_run_open(doc, it);
  w->more = gs_pos_next(doc, client, &w->pos);
  gs_run_reader before = w->run;
  while (walk_run(w) != NULL && w->packed.item.clock + w->packed.item.len <= clock)
    before = w->run;
  w->run = before;
  w->in_run = true;
}

const gs_item *gs_walk_next(gs_walk *w)
{
  if (w->in_run && walk_run(w) != NULL)
    return &w->packed.item;
  if (!w->more)
    return NULL;
  const gs_item *it = &w->doc->items[gs_struct_at(w->doc, w->client, w->pos)];
  w->more = gs_pos_next(w->doc, w->client, &w->pos);
  if (gs_kind(it) != GS_RUN)
    return it;
  w->run = gs_run_open(w->doc, it);
  return walk_run(w);
}

/* --- packing --- */

/* Whether it may be packed if its slot has a key. */
static inline bool packable(const gesso_doc *doc, gs_ix ix)
{
  const gs_item *it = &doc->items[ix];
  return (it->head & ((1u << GS_CLIENT_SHIFT) - 1)) == (GS_ITEM_DELETED | GS_DELETED) && it->right != 0 &&
         gs_redone(doc, ix).client == 0;
}

/* Whether the two, neighbours in clocks, follow each other in their chain too: they may become one item yet. */
static bool may_merge(const gesso_doc *doc, gs_ix left, gs_ix right)
{
  const gs_item *l = &doc->items[left], *r = &doc->items[right];
  return gs_kind(l) != GS_GC && gs_kind(l) != GS_RUN && l->right == right && gs_id_eq(r->origin, gs_last_id(l)) &&
         gs_id_eq(l->right_origin, r->right_origin);
}

/* The structs of a run to be. */
typedef struct table {
  uint32_t n;
  uint32_t slot[GS_RUN_SLOTS];
  uint16_t last[GS_RUN_SLOTS]; /* the last struct of the slot so far */
  uint8_t of[RUN_MAX];         /* the slot of each struct */
  uint16_t next[RUN_MAX];      /* the next struct of the slot, if it is the right neighbour; or 0 */
} table;

static inline uint32_t slot_in(const table *t, uint32_t slot)
{
  for (uint32_t i = t->n; i-- > 0;)
    if (t->slot[i] == slot)
      return i;
  return GS_RUN_SLOTS;
}

static gs_id id_of_link(const gesso_doc *doc, gs_ix ix, bool end)
{
  if (ix == 0 || ix == GS_PACKED)
    return (gs_id){ ix, 0 };
  return end ? gs_last_id(&doc->items[ix]) : (gs_id){ gs_client_of(&doc->items[ix]), doc->items[ix].clock };
}

static void describe(const gesso_doc *doc, const gs_ix *v, uint32_t n, const table *t, gs_buf *out)
{
  gs_id last[GS_RUN_SLOTS] = { { 0, 0 } };
  uint32_t expected[GS_RUN_SLOTS] = { 0 }; /* the right neighbour of the last one, if it is in here */
  gs_write_varuint(out, t->n);
  for (uint32_t i = 0; i < t->n; i++) {
    gs_ix run = gs_slot_run(doc, t->slot[i]);
    gs_write_varuint(out, t->slot[i]);
    write_id(out, run != 0 ? (gs_id){ gs_client_of(&doc->items[run]), doc->items[run].clock } : (gs_id){ 0, 0 });
  }
  for (uint32_t i = 0; i < n; i++) {
    const gs_item *it = &doc->items[v[i]];
    uint32_t s = t->of[i];
    bool follows = gs_id_eq(it->origin, last[s]), behind = i > 0 && expected[s] == i;
    expected[s] = t->next[i] < n ? t->next[i] : 0;
    last[s] = gs_last_id(it);
    unsigned bits = s | (follows ? 0 : ORIGIN) | (expected[s] != 0 ? 0 : RIGHT);
    bits |= it->len == 1 && it->right_origin.client == 0 ? 0 : MORE;
    gs_id left = it->origin;
    if (!behind || !follows) {
      left = id_of_link(doc, it->left, true);
      bits |= gs_id_eq(left, it->origin) ? 0 : LEFT;
    }
    gs_buf_put(out, (uint8_t)bits);
    if ((bits & ~SLOT) == 0)
      continue;
    if (bits & ORIGIN)
      write_id(out, it->origin);
    if (bits & LEFT)
      write_id(out, left);
    if (bits & RIGHT)
      write_id(out, id_of_link(doc, it->right, false));
    if (bits & MORE) {
      gs_write_varuint(out, it->len);
      write_id(out, it->right_origin);
    }
  }
}

/* Puts a run in the place of n structs of a chunk. False when memory is short; nothing has changed then. */
static bool pack(gesso_doc *doc, gs_chunk *ch, uint32_t at, uint32_t n, const table *t, gs_buf *buf)
{
  gs_ix *v = gs_chunk_v(doc, ch) + at;
  gs_buf_clear(buf);
  describe(doc, v, n, t, buf);
  if (buf->err != GESSO_OK || !gs_text_reserve(doc, buf->b.len) || !gs_slot_runs_reserve(doc))
    return false;
  uint32_t len = 0, expected[GS_RUN_SLOTS] = { 0 };
  for (uint32_t i = 0; i < n; i++) {
    const gs_item *it = &doc->items[v[i]];
    uint32_t s = t->of[i];
    bool behind = i > 0 && expected[s] == i; /* links from one to another in here go with them */
    expected[s] = t->next[i] < n ? t->next[i] : 0;
    len += it->len;
    if (!behind && it->left == 0)
      doc->slots[it->slot].head = GS_PACKED;
    else if (!behind && it->left != GS_PACKED)
      doc->items[it->left].right = GS_PACKED;
    if (expected[s] == 0 && it->right != GS_PACKED)
      doc->items[it->right].left = GS_PACKED;
  }
  for (uint32_t i = 1; i < n; i++)
    gs_item_free(doc, v[i]);
  gs_item *run = &doc->items[v[0]];
  *run = (gs_item){ .head = (run->head & ~(uint32_t)GS_KIND_MASK) | GS_RUN, .clock = run->clock, .len = len, .origin = { 0, n } };
  gs_content_set_reserved(doc, run, gs_buf_bytes(buf));
  for (uint32_t i = 0; i < t->n; i++)
    doc->slot_runs[t->slot[i]] = v[0];
  memmove(v + 1, v + n, (ch->n - at - n) * sizeof *v);
  ch->n = (uint16_t)(ch->n - (n - 1));
  doc->nstructs -= n - 1;
  doc->ndeleted -= n - 1;
  doc->npacked += n - 1;
  doc->nruns++;
  return true;
}

/* The stretch of structs from `at` on that makes one run. */
static uint32_t stretch(const gesso_doc *doc, const gs_ix *v, uint32_t at, uint32_t end, table *t)
{
  t->n = 0;
  uint32_t n = 0;
  while (at + n < end && n < RUN_MAX) {
    const gs_item *it = &doc->items[v[at + n]];
    if (!packable(doc, v[at + n]))
      break;
    uint32_t s = slot_in(t, it->slot);
    if (s == GS_RUN_SLOTS) {
      if (t->n == GS_RUN_SLOTS || n >= RUN_NEXT || doc->slots[it->slot].key == 0)
        break;
      s = t->n;
      t->slot[t->n++] = it->slot;
    } else if (it->left == v[at + t->last[s]]) {
      t->next[t->last[s]] = (uint16_t)n;
    }
    t->last[s] = (uint16_t)n;
    t->next[n] = 0;
    t->of[n++] = (uint8_t)s;
  }
  return n;
}

void gs_runs_pack_now(gesso_doc *doc, uint32_t client)
{
  gs_client *c = &doc->clients[client];
  c->packed_at = c->clock;
  gs_pos p = gs_structs_find(doc, client, c->packed_to), end = { c->nchunks - 1, gs_chunks_of(doc, c)[c->nchunks - 1].n };
  for (uint32_t i = 0; i < GS_RUNS_KEEP_LAST; i++)
    if (!gs_pos_prev(doc, client, &end))
      return;
  bool more = doc->ndeleted - doc->nruns >= RUN_MIN; /* else nothing can be packed */
  uint32_t first = p.chunk;
  gs_buf buf = gs_buf_make(doc->alloc);
  for (; more && p.chunk <= end.chunk; p = (gs_pos){ p.chunk + 1, 0 }) {
    gs_chunk *ch = &gs_chunks_of(doc, c)[p.chunk];
    const gs_ix *v = gs_chunk_v(doc, ch);
    for (uint32_t at = p.at; more && at < (p.chunk == end.chunk ? end.at : ch->n);) {
      if (!packable(doc, v[at])) {
        at++;
        continue;
      }
      table t;
      uint32_t n = stretch(doc, v, at, p.chunk == end.chunk ? end.at : ch->n, &t), use = n;
      /* What may merge with its neighbour outside stays outside. */
      gs_pos out = { p.chunk, at };
      if (gs_pos_prev(doc, client, &out) && may_merge(doc, gs_struct_at(doc, client, out), v[at]))
        use = 0;
      while (use > 0) {
        out = (gs_pos){ p.chunk, at + use - 1 };
        if (!gs_pos_next(doc, client, &out) || !may_merge(doc, v[at + use - 1], gs_struct_at(doc, client, out)))
          break;
        use--;
      }
      if (use < RUN_MIN) {
        at += n > use && use > 0 ? use : 1;
        continue;
      }
      bool last = p.chunk == end.chunk;
      more = pack(doc, ch, at, use, &t, &buf);
      if (last)
        end.at -= more ? use - 1 : 0;
      at++;
    }
  }
  gs_buf_finish(&buf);
  c->packed_to = doc->items[gs_struct_at(doc, client, end)].clock;
  gs_structs_squeeze(doc, client, first);
}

/* --- unpacking --- */

typedef struct unpacking {
  gesso_doc *doc;
  gs_ix *runs;
  uint32_t nruns, runs_cap;
  uint32_t *slots; /* each is marked, see WALKED */
  uint32_t nslots, slots_cap;
  gs_packed *v;
  uint32_t n, cap;
  bool nomem;
} unpacking;

#define WALKED 0x80000000u /* in slot_runs, while runs are gathered */

static void add_run(unpacking *u, gs_ix ix)
{
  gs_item *run = &u->doc->items[ix];
  if (run->head & GS_ITEM_BEFORE)
    return;
  if (!gs_grow(u->doc->alloc, &u->runs, &u->runs_cap, (size_t)u->nruns + 1, sizeof(gs_ix))) {
    u->nomem = true;
    return;
  }
  u->runs[u->nruns++] = ix;
  run->head |= GS_ITEM_BEFORE;
  gs_run_reader r = gs_run_open(u->doc, run);
  if (!gs_grow(u->doc->alloc, &u->slots, &u->slots_cap, (size_t)u->nslots + r.nslots, sizeof(uint32_t))) {
    u->nomem = true;
    return;
  }
  for (uint32_t i = 0; i < r.nslots; i++) {
    gs_ix *newest = &u->doc->slot_runs[r.slots[i]];
    if (*newest & WALKED)
      continue;
    *newest |= WALKED;
    u->slots[u->nslots++] = r.slots[i];
  }
}

/* All runs that have something of the slots, and of the slots of those runs: every packed link of a slot that is
 * touched is resolved with it. */
static void close_over(unpacking *u)
{
  gesso_doc *doc = u->doc;
  for (uint32_t k = 0; k < u->nslots && !u->nomem; k++) {
    uint32_t slot = u->slots[k];
    gs_ix ix = doc->slot_runs[slot] & ~WALKED;
    while (ix != 0 && !u->nomem) {
      add_run(u, ix);
      gs_run_reader r = gs_run_open(doc, &doc->items[ix]);
      ix = 0;
      for (uint32_t i = 0; i < r.nslots; i++)
        if (r.slots[i] == slot && r.before[i].client != 0)
          ix = gs_struct_of(doc, r.before[i]);
    }
  }
  for (uint32_t k = 0; k < u->nslots; k++)
    doc->slot_runs[u->slots[k]] &= ~WALKED;
}

static bool reserve(unpacking *u)
{
  gesso_doc *doc = u->doc;
  size_t total = 0;
  for (uint32_t i = 0; i < u->nruns; i++)
    total += gs_run_count(&doc->items[u->runs[i]]);
  if (u->nomem || !gs_grow(doc->alloc, &u->v, &u->cap, total, sizeof *u->v) || !gs_items_reserve(doc, total))
    return false;
  for (uint32_t i = 0; i < u->nruns; i++)
    doc->clients[gs_client_of(&doc->items[u->runs[i]])].unpacks = 0;
  for (uint32_t i = 0; i < u->nruns; i++)
    doc->clients[gs_client_of(&doc->items[u->runs[i]])].unpacks += gs_run_count(&doc->items[u->runs[i]]);
  for (uint32_t i = 0; i < u->nruns; i++) {
    uint32_t client = gs_client_of(&doc->items[u->runs[i]]);
    if (!gs_structs_reserve(doc, client, 0, doc->clients[client].unpacks))
      return false;
  }
  return true;
}

static void spread(unpacking *u, gs_ix ix)
{
  gesso_doc *doc = u->doc;
  gs_item run = doc->items[ix];
  uint32_t client = gs_client_of(&run), first = u->n;
  gs_run_reader r = gs_run_open(doc, &run);
  while (gs_run_next(&r, &u->v[u->n]))
    u->n++;
  for (uint32_t i = 0; i < r.nslots; i++)
    doc->slot_runs[r.slots[i]] = 0;
  gs_content_drop(doc, &doc->items[ix]);
  for (uint32_t i = first; i < u->n; i++) {
    gs_ix at = i == first ? ix : gs_item_new_reserved(doc);
    gs_item *it = &doc->items[at];
    *it = u->v[i].item;
    it->left = it->right = GS_PACKED;
    if (i > first) {
      gs_pos p = gs_structs_find(doc, client, it->clock - 1);
      gs_structs_insert_reserved(doc, client, p, at);
    }
  }
  doc->ndeleted += gs_run_count(&run) - 1;
  doc->npacked -= gs_run_count(&run) - 1;
  doc->nruns--;
}

static void link_again(unpacking *u)
{
  gesso_doc *doc = u->doc;
  for (uint32_t i = 0; i < u->n; i++) {
    const gs_packed *p = &u->v[i];
    gs_ix ix = gs_struct_of(doc, (gs_id){ gs_client_of(&p->item), p->item.clock });
    gs_item *it = &doc->items[ix];
    if (p->left.client == 0) {
      it->left = 0;
      doc->slots[it->slot].head = ix;
    } else if (p->left.client != GS_PACKED) {
      it->left = gs_struct_of(doc, p->left);
      doc->items[it->left].right = ix;
    }
    if (p->right.client != GS_PACKED) {
      it->right = gs_struct_of(doc, p->right);
      doc->items[it->right].left = ix;
    }
  }
}

static bool unpack(unpacking *u)
{
  gesso_doc *doc = u->doc;
  close_over(u);
  bool ok = reserve(u);
  for (uint32_t i = 0; i < u->nruns; i++)
    doc->items[u->runs[i]].head &= ~(uint32_t)GS_ITEM_BEFORE;
  if (ok) {
    for (uint32_t i = 0; i < u->nruns; i++)
      spread(u, u->runs[i]);
    link_again(u);
    for (uint32_t i = 0; i < u->nruns; i++)
      gs_structs_trim(doc, gs_client_of(&doc->items[u->runs[i]]));
    gs_words_trim(doc);
  }
  gs_free(doc->alloc, u->runs, u->runs_cap * sizeof *u->runs);
  gs_free(doc->alloc, u->slots, u->slots_cap * sizeof *u->slots);
  gs_free(doc->alloc, u->v, u->cap * sizeof *u->v);
  return ok;
}

bool gs_runs_unpack(gesso_doc *doc, gs_ix run)
{
  unpacking u = { .doc = doc };
  add_run(&u, run);
  return unpack(&u);
}

bool gs_runs_unpack_slot(gesso_doc *doc, uint32_t slot)
{
  return gs_slot_run(doc, slot) == 0 || gs_runs_unpack(doc, doc->slot_runs[slot]);
}

bool gs_runs_unpack_type(gesso_doc *doc, uint32_t type)
{
  uint32_t work = type;
  bool ok = true;
  doc->types[type].work_next = 0;
  while (work != 0) {
    uint32_t t = work;
    work = doc->types[t].work_next;
    doc->types[t].work_next = 0; /* whoever gathers events counts on that */
    if (doc->types[t].seq != 0)
      for (gs_ix i = doc->slots[doc->types[t].seq].head; i != 0; i = doc->items[i].right)
        if (gs_kind(&doc->items[i]) == GS_TYPE) {
          doc->types[doc->items[i].c.type].work_next = work;
          work = doc->items[i].c.type;
        }
    for (uint32_t s = doc->types[t].maps; s != 0; s = doc->slots[s].next) {
      ok = gs_runs_unpack_slot(doc, s) && ok;
      for (gs_ix i = doc->slots[s].tail; ok && i != 0; i = doc->items[i].left)
        if (gs_kind(&doc->items[i]) == GS_TYPE) {
          doc->types[doc->items[i].c.type].work_next = work;
          work = doc->items[i].c.type;
        }
    }
  }
  return ok;
}

bool gs_runs_unpack_all(gesso_doc *doc)
{
  for (uint32_t i = 1; doc->nruns > 0 && i < doc->nitems; i++)
    if (gs_kind(&doc->items[i]) == GS_RUN && !gs_runs_unpack(doc, i))
      return false;
  return true;
}

bool gs_runs_forbid(gesso_doc *doc)
{
  if (!gs_runs_unpack_all(doc))
    return false;
  doc->runs_forbidden++;
  return true;
}

void gs_runs_allow(gesso_doc *doc)
{
  assert(doc->runs_forbidden > 0);
  doc->runs_forbidden--;
}

bool gs_runs_in_reach(const gesso_doc *doc, uint32_t slot, gs_ix left)
{
  if (gs_slot_run(doc, slot) == 0)
    return false;
  if (left == 0)
    return true;
  for (uint32_t n = 0; n < REACH; n++) {
    left = doc->items[left].right;
    if (left == 0)
      return false;
    if (left == GS_PACKED)
      return true;
  }
  return true;
}

/* --- the pool after packing --- */

static gs_ix moved(const gs_ix *to, gs_ix ix)
{
  return ix == GS_PACKED ? GS_PACKED : to[ix];
}

void gs_items_compact(gesso_doc *doc)
{
  gs_ix *to = gs_alloc_zero(doc->alloc, doc->nitems * sizeof *to);
  if (to == NULL)
    return;
  uint32_t n = 1;
  for (uint32_t i = 1; i < doc->nitems; i++)
    if (gs_kind(&doc->items[i]) != GS_FREE) {
      to[i] = n;
      doc->items[n++] = doc->items[i];
    }
  for (uint32_t i = 1; i < n; i++) {
    doc->items[i].left = moved(to, doc->items[i].left);
    doc->items[i].right = moved(to, doc->items[i].right);
  }
  for (uint32_t i = 1; i < doc->nslots; i++)
    if (doc->slots[i].type != 0) {
      gs_slot *s = &doc->slots[i];
      s->head = moved(to, s->head);
      s->tail = moved(to, s->tail);
      if (i < doc->slot_runs_cap)
        doc->slot_runs[i] = to[doc->slot_runs[i]];
    }
  for (uint32_t i = 1; i < doc->ntypes; i++)
    doc->types[i].item = to[doc->types[i].item];
  for (uint32_t i = 1; i < doc->nclients; i++) {
    uint32_t nchunks = doc->clients[i].nchunks;
    const gs_chunk *row = nchunks > 0 ? gs_chunks_of(doc, &doc->clients[i]) : NULL;
    for (uint32_t k = 0; k < nchunks; k++)
      for (uint32_t j = 0; j < row[k].n; j++)
        gs_chunk_v(doc, &row[k])[j] = to[gs_chunk_v(doc, &row[k])[j]];
  }
  gs_free(doc->alloc, to, doc->nitems * sizeof *to);
  doc->nitems = n;
  doc->free_item = doc->nfree_items = 0;
  uint32_t cap = n + n / 8;
  gs_item *items = gs_resize(doc->alloc, doc->items, doc->items_cap * sizeof *items, cap * sizeof *items);
  if (items != NULL) {
    doc->items = items;
    doc->items_cap = cap;
  }
}

/* --- checking --- */

static bool agrees(const gesso_doc *doc, gs_id id, bool right)
{
  if (id.client == 0 || id.client == GS_PACKED)
    return true;
  if (id.client >= doc->nclients || id.clock >= doc->clients[id.client].clock)
    return false;
  const gs_item *it = &doc->items[gs_struct_of(doc, id)];
  if (gs_kind(it) == GS_RUN)
    return true;
  return right ? it->left == GS_PACKED && it->clock == id.clock
               : it->right == GS_PACKED && it->clock + it->len - 1 == id.clock;
}

const char *gs_run_check(const gesso_doc *doc, const gs_item *run)
{
  gs_run_reader r = gs_run_open(doc, run);
  gs_packed p;
  uint32_t n = 0;
  while (gs_run_next(&r, &p)) {
    n++;
    if (p.item.slot == 0 || p.item.slot >= doc->nslots || doc->slots[p.item.slot].key == 0 ||
        gs_slot_run(doc, p.item.slot) == 0)
      return "I8 the slot of a packed struct";
    if (!agrees(doc, p.left, false) || !agrees(doc, p.right, true) || p.right.client == 0)
      return "I8 the neighbours of a packed struct";
  }
  if (n != gs_run_count(run) || r.clock != run->clock + run->len || r.rd.err != GESSO_OK || gs_reader_left(&r.rd) != 0)
    return "I8 what a run covers";
  return NULL;
}
