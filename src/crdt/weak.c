#include "crdt/weak.h"

#include "crdt/edit.h"
#include "crdt/event.h"
#include "crdt/observe.h"
#include "crdt/read.h"
#include "crdt/read_value.h"
#include "crdt/runs.h"
#include "crdt/seq.h"
#include "wire/utf8.h"
#include "wire/writer.h"

#include <stdlib.h>

/* --- sources --- */

static void read_end(gs_reader *rd, gs_weak_end *out, bool named)
{
  out->named = named;
  if (named) {
    out->name = gs_read_string(rd);
    return;
  }
  out->client = gs_read_varuint(rd);
  out->clock = gs_read_varuint(rd);
}

void gs_weak_read(gs_reader *rd, gs_weak_source *out)
{
  *out = (gs_weak_source){ .flags = gs_read_u8(rd) };
  if (out->flags > GS_WEAK_FLAGS)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "an unknown kind of weak link");
  read_end(rd, &out->start, gs_weak_start_named(out->flags));
  out->end = out->start;
  out->end.none = !gs_weak_has_end(out->flags);
  if (!out->end.none)
    read_end(rd, &out->end, gs_weak_end_named(out->flags));
}

bool gs_weak_is_source(gesso_bytes bytes)
{
  gs_reader rd = gs_reader_of(bytes);
  gs_weak_source source;
  gs_weak_read(&rd, &source);
  return rd.err == GESSO_OK && gs_reader_left(&rd) == 0;
}

gesso_bytes gesso_weak_source(const gesso_doc *doc, gesso_type link)
{
  if (link == 0 || link >= doc->ntypes || doc->types[link].kind != GESSO_WEAK_LINK)
    return (gesso_bytes){ NULL, 0 };
  return gs_key_text(doc, doc->types[link].name);
}

static gesso_status hand_out(gs_buf *buf, gesso_buffer *out)
{
  gesso_status st = buf->err;
  if (st == GESSO_OK)
    *out = gs_buf_take(buf);
  gs_buf_finish(buf);
  return st;
}

static void write_id(const gesso_doc *doc, gs_buf *buf, const gs_item *it, uint32_t offset)
{
  gs_write_varuint(buf, doc->clients[gs_client_of(it)].id);
  gs_write_varuint(buf, it->clock + offset);
}

gesso_status gesso_map_link(gesso_doc *doc, gesso_type map, gesso_bytes key, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  if (map == 0 || map >= doc->ntypes)
    return GESSO_E_USAGE;
  gs_ix ix = gs_map_item(doc, map, key);
  if (ix == 0)
    return GESSO_E_NOTFOUND;
  gs_buf buf = gs_buf_make(doc->mem.inner);
  gs_buf_put(&buf, GS_WEAK_END_AFTER);
  write_id(doc, &buf, &doc->items[ix], 0);
  return hand_out(&buf, out);
}

/* The type itself, by the name of a root or the id of what holds it. */
static void write_type(const gesso_doc *doc, gs_buf *buf, gesso_type type)
{
  const gs_type *t = &doc->types[type];
  if (t->item == 0)
    gs_write_bytes(buf, gs_key_text(doc, t->name));
  else
    write_id(doc, buf, &doc->items[t->item], 0);
}

gesso_status gesso_type_quote(gesso_doc *doc, gesso_type type, uint64_t first, uint64_t last, uint32_t flags,
                              gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  gesso_status st;
  const gs_type *t = gs_edit_type(doc, type, &st);
  if (t == NULL)
    return st;
  bool from_begin = (flags & GESSO_QUOTE_FROM_BEGIN) != 0, to_end = (flags & GESSO_QUOTE_TO_END) != 0;
  if ((!from_begin && first >= t->length) || (!to_end && last >= t->length) || (!from_begin && !to_end && last < first))
    return GESSO_E_USAGE;
  gs_ix from = 0, to = 0;
  uint32_t from_at = 0, to_at = 0;
  if (!from_begin)
    st = gs_seq_find(doc, type, (uint32_t)first, &from, &from_at);
  if (st == GESSO_OK && !to_end)
    st = gs_seq_find(doc, type, (uint32_t)last, &to, &to_at);
  if (st != GESSO_OK)
    return st;
  bool single = !from_begin && !to_end && first == last, root = doc->types[type].item == 0;
  uint8_t f = (single ? 0 : GS_WEAK_QUOTE) | (from_begin ? GS_WEAK_START_OPEN : 0) | (to_end ? GS_WEAK_END_OPEN : 0) |
              (root && (from_begin || to_end) ? GS_WEAK_ROOT : 0) |
              (!from_begin && (flags & GESSO_QUOTE_AFTER_FIRST) != 0 ? GS_WEAK_START_AFTER : 0) |
              (to_end || (flags & GESSO_QUOTE_BEFORE_LAST) == 0 ? GS_WEAK_END_AFTER : 0);
  gs_buf buf = gs_buf_make(doc->mem.inner);
  gs_buf_put(&buf, f);
  if (from_begin)
    write_type(doc, &buf, type);
  else
    write_id(doc, &buf, &doc->items[from], from_at);
  if (to_end)
    write_type(doc, &buf, type);
  else if (!single)
    write_id(doc, &buf, &doc->items[to], to_at);
  return hand_out(&buf, out);
}

/* --- finding what a link points to --- */

/* The slot of the struct with that id; 0: it is not there, or its place is forgotten. */
static uint32_t slot_of(const gesso_doc *doc, const gs_weak_end *end, gs_id *id)
{
  gs_walk w;
  id->client = gs_client_find(doc, end->client);
  id->clock = (uint32_t)GS_MIN(end->clock, UINT32_MAX);
  if (id->client == 0 || end->clock >= doc->clients[id->client].clock)
    return 0;
  gs_walk_start(&w, doc, id->client, id->clock);
  const gs_item *it = gs_walk_next(&w);
  return it != NULL && gs_kind(it) != GS_GC ? it->slot : 0;
}

static uint32_t type_of(const gesso_doc *doc, const gs_weak_end *end)
{
  if (end->named) {
    uint32_t key = gs_key_find(doc, end->name);
    return key != 0 ? doc->keys[key].root : 0;
  }
  return gesso_doc_find_type(doc, end->client, end->clock);
}

/* Where a link leads: `slot` of a map entry, or a quotation. Neither: nowhere. */
typedef struct target {
  uint32_t slot;
  bool quoted;
  gs_quote quote;
} target;

static gesso_status find_target(gesso_doc *doc, gesso_type link, target *out)
{
  *out = (target){ .quote = { .doc = doc } };
  gesso_bytes bytes = gesso_weak_source(doc, link);
  if (bytes.data == NULL)
    return GESSO_E_USAGE;
  gs_reader rd = gs_reader_of(bytes);
  gs_weak_source s;
  gs_weak_read(&rd, &s);
  gs_quote *q = &out->quote;
  bool start_open = (s.flags & GS_WEAK_START_OPEN) != 0, end_open = (s.flags & GS_WEAK_END_OPEN) != 0;
  uint32_t start_slot = start_open ? 0 : slot_of(doc, &s.start, &q->start);
  uint32_t end_slot = end_open ? 0 : slot_of(doc, &s.end, &q->end);
  if ((!start_open && start_slot == 0) || (!end_open && end_slot == 0))
    return GESSO_OK;
  if (start_slot != 0 && doc->slots[start_slot].key != 0) {
    out->slot = start_slot;
    return GESSO_OK;
  }
  uint32_t start_type = start_open ? type_of(doc, &s.start) : doc->slots[start_slot].type;
  uint32_t end_type = end_open ? type_of(doc, &s.end) : doc->slots[end_slot].type;
  if (start_type == 0 || start_type != end_type || (end_slot != 0 && doc->slots[end_slot].key != 0))
    return GESSO_OK;
  q->type = start_type;
  q->next = gs_first(doc, start_type);
  q->has_start = !start_open;
  q->start_after = (s.flags & GS_WEAK_START_AFTER) != 0;
  q->has_end = !end_open;
  q->end_after = (s.flags & GS_WEAK_END_AFTER) != 0;
  q->inside = start_open;
  out->quoted = true;
  return GESSO_OK;
}

static bool holds(const gs_item *it, gs_id id)
{
  return gs_client_of(it) == id.client && id.clock >= it->clock && id.clock - it->clock < it->len;
}

/* The elements of an item that are quoted, deleted or not; the item after it is next then. */
static gs_piece step(gs_quote *q)
{
  gs_ix ix = q->next;
  const gs_item *it = &q->doc->items[ix];
  gs_piece p = { ix, q->inside ? 0 : it->len, it->len };
  q->next = it->right;
  if (!q->inside && q->has_start && holds(it, q->start)) {
    p.from = q->start.clock - it->clock + q->start_after;
    q->inside = true;
  }
  if (q->inside && q->has_end && holds(it, q->end)) {
    p.end = q->end.clock - it->clock + q->end_after;
    q->done = true;
  }
  return p;
}

gs_piece gs_quote_next(gs_quote *q)
{
  while (q->next != 0 && !q->done) {
    gs_piece p = step(q);
    const gs_item *it = &q->doc->items[p.ix];
    if (gs_is_deleted(it))
      continue;
    if (gs_kind(it) == GS_FORMAT)
      return (gs_piece){ p.ix, 0, it->len };
    if (p.from < p.end && gs_is_countable(it))
      return p;
  }
  return (gs_piece){ 0, 0, 0 };
}

static gs_piece next_content(gs_quote *q)
{
  gs_piece p = gs_quote_next(q);
  while (p.ix != 0 && gs_kind(&q->doc->items[p.ix]) == GS_FORMAT)
    p = gs_quote_next(q);
  return p;
}

/* --- reading --- */

static gesso_status read_pieces(gesso_doc *doc, target *t, uint64_t max, gesso_values *out)
{
  gs_arena arena = gs_arena_make(doc->mem.inner);
  gesso_status st = GESSO_OK;
  uint64_t n = 0, at = 0;
  gs_quote again = t->quote;
  gs_piece p;
  *out = (gesso_values){ 0 };
  if (t->slot != 0) {
    gs_ix tail = doc->slots[t->slot].tail;
    p = tail != 0 && !gs_is_deleted(&doc->items[tail])
          ? (gs_piece){ tail, doc->items[tail].len - 1, doc->items[tail].len }
          : (gs_piece){ 0, 0, 0 };
    n = p.ix != 0;
  } else {
    while (t->quoted && n < max && (p = next_content(&t->quote)).ix != 0)
      n += p.end - p.from;
    n = GS_MIN(n, max);
  }
  gesso_value *v = n <= SIZE_MAX / sizeof *v ? gs_arena_array(&arena, (size_t)n, sizeof *v) : NULL;
  if (v == NULL)
    st = GESSO_E_NOMEM;
  while (st == GESSO_OK && at < n) {
    if (t->slot == 0)
      p = next_content(&again);
    uint32_t some = (uint32_t)GS_MIN(p.end - p.from, n - at);
    st = gs_read_values(doc, &doc->items[p.ix], p.from, some, &arena, &v[at]);
    at += some;
  }
  if (st == GESSO_OK)
    *out = (gesso_values){ .count = (size_t)n, .items = v, .owner = gs_arena_detach(&arena) };
  gs_arena_finish(&arena);
  return st;
}

gesso_status gesso_weak_get(gesso_doc *doc, gesso_type link, gesso_values *out)
{
  target t;
  *out = (gesso_values){ 0 };
  gesso_status st = find_target(doc, link, &t);
  if (st == GESSO_OK)
    st = read_pieces(doc, &t, 1, out);
  if (st == GESSO_OK && out->count == 0) {
    gesso_values_free(out);
    st = GESSO_E_NOTFOUND;
  }
  return st;
}

gesso_status gesso_weak_values(gesso_doc *doc, gesso_type link, gesso_values *out)
{
  target t;
  *out = (gesso_values){ 0 };
  gesso_status st = find_target(doc, link, &t);
  return st == GESSO_OK ? read_pieces(doc, &t, UINT64_MAX, out) : st;
}

gesso_status gesso_weak_to_string(gesso_doc *doc, gesso_type link, gesso_buffer *out)
{
  target t;
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  gesso_status st = find_target(doc, link, &t);
  if (st != GESSO_OK)
    return st;
  gs_buf buf = gs_buf_make(doc->mem.inner);
  for (gs_piece p; t.quoted && (p = next_content(&t.quote)).ix != 0;) {
    gesso_bytes parts[3];
    if (gs_kind(&doc->items[p.ix]) != GS_STRING)
      continue;
    uint32_t n = gs_string_parts(gs_content(doc, &doc->items[p.ix]), doc->items[p.ix].len, p.from, p.end, parts);
    for (uint32_t i = 0; i < n; i++)
      gs_buf_write(&buf, parts[i].data, parts[i].len);
  }
  return hand_out(&buf, out);
}

gesso_status gesso_weak_to_xml(gesso_doc *doc, gesso_type link, gesso_buffer *out)
{
  target t;
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  gesso_status st = find_target(doc, link, &t);
  if (st != GESSO_OK)
    return st;
  gs_buf buf = gs_buf_make(doc->mem.inner);
  if (t.quoted)
    gs_read_xml_quote(doc, &t.quote, &buf);
  return hand_out(&buf, out);
}

gesso_status gesso_weak_range(gesso_doc *doc, gesso_type link, gesso_type *type_out, uint64_t *from_out,
                              uint64_t *end_out)
{
  target t;
  gesso_status st = find_target(doc, link, &t);
  if (st != GESSO_OK)
    return st;
  if (!t.quoted)
    return GESSO_E_NOTFOUND;
  uint64_t before = 0, n = 0;
  while (t.quote.next != 0 && !t.quote.done) {
    gs_piece p = step(&t.quote);
    const gs_item *it = &doc->items[p.ix];
    if (!gs_is_visible(it))
      continue;
    before += n == 0 ? GS_MIN(p.from, it->len) : 0;
    n += p.end > p.from ? p.end - p.from : 0;
  }
  *type_out = t.quote.type;
  *from_out = before;
  *end_out = before + n;
  return GESSO_OK;
}

/* --- telling --- */

/* Where an end of a quotation stands: how many items are before it, and how many of those changed. */
typedef struct standing {
  uint32_t items, changes;
} standing;

/* A link that quotes something of a type that changed. */
typedef struct quoting {
  uint32_t nth; /* in gs_weak_list */
  gs_quote quote;
  standing start, end;
} quoting;

typedef struct quotings {
  quoting *v;
  uint32_t n, cap;
  uint32_t *changed; /* links whose target changed: their nth */
  uint32_t nchanged, changed_cap;
} quotings;

typedef struct bound {
  gs_ix ix;
  standing *to;
} bound;

static bool part_changed(const gesso_doc *doc, const gs_item *it, uint32_t from, uint32_t end)
{
  return from < end && ((it->head & GS_ITEM_DELNOW) != 0 || end > gs_item_old(doc, it));
}

static int by_item(const void *a, const void *b)
{
  gs_ix x = ((const bound *)a)->ix, y = ((const bound *)b)->ix;
  return x < y ? -1 : x > y;
}

/* Goes through a type once for all that quote of it. Returns how many of its items changed. */
static uint32_t find_standings(const gesso_doc *doc, uint32_t type, bound *bounds, uint32_t n)
{
  standing now = { 0, 0 };
  if (n > 1)
    qsort(bounds, n, sizeof *bounds, by_item);
  for (gs_ix ix = gs_first(doc, type); ix != 0; ix = doc->items[ix].right, now.items++) {
    uint32_t lo = 0, hi = n;
    while (lo < hi) {
      uint32_t mid = lo + (hi - lo) / 2;
      if (bounds[mid].ix < ix)
        lo = mid + 1;
      else
        hi = mid;
    }
    for (; lo < n && bounds[lo].ix == ix; lo++)
      *bounds[lo].to = now;
    now.changes += part_changed(doc, &doc->items[ix], 0, doc->items[ix].len);
  }
  return now.changes;
}

/* Of a quotation whose end stands before its start all that follows the start is quoted, as gs_quote_next has it. */
static bool quote_changed(const gesso_doc *doc, const quoting *l, uint32_t changes)
{
  const gs_quote *q = &l->quote;
  const gs_item *first = q->has_start ? &doc->items[gs_struct_of(doc, q->start)] : NULL;
  const gs_item *last = q->has_end ? &doc->items[gs_struct_of(doc, q->end)] : NULL;
  uint32_t from = first != NULL ? q->start.clock - first->clock + q->start_after : 0;
  uint32_t end = last != NULL ? q->end.clock - last->clock + q->end_after : 0;
  if (first != NULL && first == last)
    return part_changed(doc, first, from, end);
  if (first != NULL && last != NULL && l->end.items < l->start.items)
    last = NULL;
  uint32_t before = first != NULL ? l->start.changes + part_changed(doc, first, 0, first->len) : 0;
  return (last != NULL ? l->end.changes : changes) > before || (first != NULL && part_changed(doc, first, from, first->len)) ||
         (last != NULL && part_changed(doc, last, 0, end));
}

static int by_type(const void *a, const void *b)
{
  const quoting *x = a, *y = b;
  if (x->quote.type != y->quote.type)
    return x->quote.type < y->quote.type ? -1 : 1;
  return x->nth < y->nth ? -1 : 1;
}

static int by_nth(const void *a, const void *b)
{
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static bool add_changed(gesso_doc *doc, quotings *all, uint32_t nth)
{
  if (!gs_grow(doc->alloc, &all->changed, &all->changed_cap, (size_t)all->nchanged + 1, sizeof *all->changed))
    return false;
  all->changed[all->nchanged++] = nth;
  return true;
}

static bool find_quotings(gesso_doc *doc, quotings *all)
{
  const gs_weak_list *l = &doc->weak;
  for (uint32_t i = 0; i < l->n; i++) {
    const gs_type *t = &doc->types[l->v[i]];
    target to;
    if (t->dead || t->item == 0 || gs_is_deleted(&doc->items[t->item]) ||
        find_target(doc, l->v[i], &to) != GESSO_OK)
      continue;
    if (to.slot != 0) {
      if (gs_observe_has_changed(doc, doc->slots[to.slot].type, doc->slots[to.slot].key) && !add_changed(doc, all, i))
        return false;
    } else if (to.quoted && gs_observe_has_changed(doc, to.quote.type, 0)) {
      if (!gs_grow(doc->alloc, &all->v, &all->cap, (size_t)all->n + 1, sizeof *all->v))
        return false;
      all->v[all->n++] = (quoting){ .nth = i, .quote = to.quote };
    }
  }
  return true;
}

/* Links may be many, and quote the same long type. */
static bool look_at_quotings(gesso_doc *doc, quotings *all)
{
  bound *bounds = gs_alloc(doc->alloc, 2 * (size_t)all->n * sizeof *bounds);
  bool ok = bounds != NULL;
  if (all->n > 1)
    qsort(all->v, all->n, sizeof *all->v, by_type);
  for (uint32_t first = 0, end; first < all->n && ok; first = end) {
    uint32_t type = all->v[first].quote.type, n = 0;
    for (end = first; end < all->n && all->v[end].quote.type == type; end++) {
      quoting *l = &all->v[end];
      if (l->quote.has_start)
        bounds[n++] = (bound){ gs_struct_of(doc, l->quote.start), &l->start };
      if (l->quote.has_end)
        bounds[n++] = (bound){ gs_struct_of(doc, l->quote.end), &l->end };
    }
    uint32_t changes = find_standings(doc, type, bounds, n);
    for (uint32_t i = first; i < end && ok; i++)
      ok = !quote_changed(doc, &all->v[i], changes) || add_changed(doc, all, all->v[i].nth);
  }
  gs_free(doc->alloc, bounds, 2 * (size_t)all->n * sizeof *bounds);
  return ok;
}

bool gs_weak_note_changes(gesso_doc *doc)
{
  gs_weak_list *l = &doc->weak;
  for (; doc->has_weak && l->seen < doc->ntypes; l->seen++) {
    if (doc->types[l->seen].kind != GESSO_WEAK_LINK)
      continue;
    if (!gs_grow(doc->alloc, &l->v, &l->cap, (size_t)l->n + 1, sizeof *l->v))
      return false;
    l->v[l->n++] = l->seen;
  }
  if (l->n == 0)
    return true;
  quotings all = { 0 };
  bool ok = find_quotings(doc, &all) && (all.n == 0 || look_at_quotings(doc, &all));
  if (all.nchanged > 1)
    qsort(all.changed, all.nchanged, sizeof *all.changed, by_nth);
  for (uint32_t i = 0; i < all.nchanged && ok; i++)
    gs_observe_changed(doc, l->v[all.changed[i]], 0);
  gs_free(doc->alloc, all.v, all.cap * sizeof *all.v);
  gs_free(doc->alloc, all.changed, all.changed_cap * sizeof *all.changed);
  return ok;
}
