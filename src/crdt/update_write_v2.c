/* Structs of a document as records, for updates in the v2 encoding. */
#include "crdt/content.h"
#include "crdt/pending.h"
#include "crdt/record.h"
#include "crdt/runs.h"
#include "crdt/structs.h"
#include "crdt/update.h"
#include "wire/utf8.h"

static gs_wire_id wire_id(const gesso_doc *doc, gs_id id)
{
  return (gs_wire_id){ doc->clients[id.client].id, id.clock };
}

static gs_jstr key_text(const gesso_doc *doc, uint32_t key)
{
  return gs_jstr_of(gs_key_text(doc, key), GS_UNITS_UNKNOWN);
}

static void set_parent(const gesso_doc *doc, const gs_item *it, gs_record *rec)
{
  const gs_slot *slot = &doc->slots[it->slot];
  const gs_type *parent = &doc->types[slot->type];
  rec->has_root = parent->item == 0;
  if (rec->has_root) {
    rec->root = key_text(doc, parent->name);
  } else {
    const gs_item *holder = &doc->items[parent->item];
    rec->parent = wire_id(doc, (gs_id){ gs_client_of(holder), holder->clock });
  }
  if (rec->has_sub)
    rec->sub = key_text(doc, slot->key);
}

static void set_content(const gesso_doc *doc, const gs_item *it, gs_record *rec)
{
  gesso_bytes content;
  switch (rec->kind) {
  case GS_DELETED:
    return;
  case GS_TYPE:
    rec->type_kind = doc->types[it->c.type].kind;
    if (rec->type_kind == GESSO_XML_ELEMENT || rec->type_kind == GESSO_XML_HOOK)
      rec->text = key_text(doc, doc->types[it->c.type].name);
    if (rec->type_kind == GESSO_WEAK_LINK) {
      gs_reader rd = gs_reader_of(gs_key_text(doc, doc->types[it->c.type].name));
      gs_weak_record_read_v1(&rd, &rec->weak);
    }
    return;
  case GS_STRING:
    rec->text = gs_jstr_of(gs_content(doc, it), it->len);
    return;
  case GS_FORMAT:
  case GS_DOC: {
    content = gs_content(doc, it);
    gs_reader rd = gs_reader_of(content);
    rec->text = gs_jstr_of(gs_read_bytes(&rd), GS_UNITS_UNKNOWN);
    rec->value = rec->kind == GS_FORMAT ? gs_read_bytes(&rd) : (gesso_bytes){ rd.at, gs_reader_left(&rd) };
    return;
  }
  default:
    rec->value = gs_content(doc, it);
  }
}

static void put_record(const gesso_doc *doc, gs_writer *w, const gs_item *it, uint32_t offset)
{
  gs_record rec;
  rec.client = doc->clients[gs_client_of(it)].id;
  rec.clock = it->clock;
  rec.len = it->len;
  rec.kind = (uint8_t)gs_kind(it);
  rec.v2 = false;
  rec.raw.len = 0;
  if (rec.kind != GS_GC) {
    rec.has_origin = it->origin.client != 0;
    rec.has_right = it->right_origin.client != 0;
    rec.has_parent = !rec.has_origin && !rec.has_right;
    if (rec.has_origin)
      rec.origin = wire_id(doc, it->origin);
    if (rec.has_right)
      rec.right_origin = wire_id(doc, it->right_origin);
    rec.info_sub = doc->slots[it->slot].key != 0;
    rec.has_sub = rec.info_sub && rec.has_parent && offset == 0;
    if (rec.has_parent)
      set_parent(doc, it, &rec);
    set_content(doc, it, &rec);
  }
  gs_writer_put(w, &rec, offset, false);
}

enum { MAP_KEY = 0x20, RIGHT_ORIGIN = 0x40, ORIGIN = 0x80 };

static inline void put_id(const gesso_doc *doc, gs_columns_out *c, gs_col_writer *clocks, gs_id id)
{
  gs_col_put_uint(&c->clients, doc->clients[id.client].id);
  gs_col_put_diff(clocks, id.clock);
}

static void put_parent(const gesso_doc *doc, gs_columns_out *c, const gs_slot *slot)
{
  const gs_type *parent = &doc->types[slot->type];
  gs_col_put_rle(&c->parents, parent->item == 0);
  if (parent->item == 0) {
    gs_strings_put(&c->strings, key_text(doc, parent->name));
  } else {
    const gs_item *holder = &doc->items[parent->item];
    put_id(doc, c, &c->lefts, (gs_id){ gs_client_of(holder), holder->clock });
  }
  if (slot->key != 0)
    gs_strings_put(&c->strings, key_text(doc, slot->key));
}

static inline void put_bytes(const gesso_doc *doc, gs_buf *buf, const gs_item *it)
{
  if ((it->head & GS_ITEM_INLINE) == 0) {
    gs_buf_write(buf, doc->text + it->c.at, it->c.bytes);
  } else if (gs_buf_room(buf, sizeof it->c.in)) {
    memcpy(buf->b.data + buf->b.len, it->c.in, sizeof it->c.in); /* all eight: their number is known */
    buf->b.len += it->c.in[7];
  }
}

/* All of such a struct; its block is open. */
static inline void put_common(const gesso_doc *doc, gs_writer *w, const gs_item *it)
{
  gs_columns_out *c = w->columns;
  unsigned kind = gs_kind(it);
  if (kind == GS_GC) {
    gs_col_put_rle(&c->infos, GS_GC);
    gs_col_put_uint(&c->lens, it->len);
    return;
  }
  const gs_slot *slot = &doc->slots[it->slot];
  unsigned info = kind | (it->origin.client != 0 ? ORIGIN : 0) | (it->right_origin.client != 0 ? RIGHT_ORIGIN : 0);
  bool anchored = info != kind;
  if (slot->key != 0 && (w->keep_key_bit || !anchored))
    info |= MAP_KEY;
  gs_col_put_rle(&c->infos, (uint8_t)info);
  if (it->origin.client != 0)
    put_id(doc, c, &c->lefts, it->origin);
  if (it->right_origin.client != 0)
    put_id(doc, c, &c->rights, it->right_origin);
  if (!anchored)
    put_parent(doc, c, slot);
  switch (kind) {
  case GS_TYPE:
    gs_col_put_uint(&c->types, doc->types[it->c.type].kind);
    break;
  case GS_STRING:
    gs_col_put_uint(&c->strings.lens, it->len);
    put_bytes(doc, &c->strings.text, it);
    break;
  case GS_ANY:
    put_bytes(doc, &w->rest, it);
    /* fall through */
  default:
    gs_col_put_uint(&c->lens, it->len);
  }
}

static void put_item(const gesso_doc *doc, gs_writer *w, const gs_item *it, uint32_t offset)
{
  if (offset > 0 || !gs_is_common(doc, it)) {
    put_record(doc, w, it, offset);
    return;
  }
  gs_writer_begin(w, doc->clients[gs_client_of(it)].id, it->clock, it->len);
  put_common(doc, w, it);
}

/* Packed tombstones, of which most are the next in every column. */
static void put_run(const gesso_doc *doc, gs_writer *w, const gs_item *run, uint32_t from)
{
  gs_columns_out *c = w->columns;
  gs_run_reader r = gs_run_open(doc, run);
  gs_packed packed;
  while (gs_run_next(&r, &packed)) {
    const gs_item *it = &packed.item;
    if (it->clock + it->len <= from)
      continue;
    put_item(doc, w, it, it->clock < from ? from - it->clock : 0);
    if (r.left_over == 0)
      return;
    gs_pen infos = gs_pen_take(&c->infos, r.left_over), clients = gs_pen_take(&c->clients, r.left_over),
           lefts = gs_pen_take(&c->lefts, r.left_over), lens = gs_pen_take(&c->lens, r.left_over);
    if (infos.at == NULL || clients.at == NULL || lefts.at == NULL || lens.at == NULL)
      return; /* the error is latched */
    uint32_t clock = r.clock, n;
    for (gs_id origin; gs_run_plain(&r, &origin);) {
      gs_pen_diff(&lefts, origin.clock);
      uint32_t turn = gs_run_turn(&r), first = r.clock - turn;
      if (turn <= r.clock - clock && (n = gs_run_turns(&r, turn)) > 0)
        gs_pen_steps(&lefts, first, n);
    }
    n = r.clock - clock;
    if (n > 0) {
      /* The rest is the same for all: the origin stands in the run too. */
      gs_pen_rle(&infos, GS_DELETED | ORIGIN | (w->keep_key_bit ? MAP_KEY : 0));
      gs_pen_uint(&clients, doc->clients[r.client].id);
      gs_pen_uint(&lens, 1);
      infos.run += n - 1;
      clients.run += n - 1;
      lens.run += n - 1;
    }
    w->written += n;
    w->clock = r.clock;
    gs_pen_give(&c->infos, &infos);
    gs_pen_give(&c->clients, &clients);
    gs_pen_give(&c->lefts, &lefts);
    gs_pen_give(&c->lens, &lens);
  }
}

/* Structs one after the other, taken apart into their columns first: each column is then written at once, in registers.
 * Branches are few, since what kind comes next, and how long its content is, cannot be guessed. */
typedef struct stretch {
  uint32_t n, nclients, nlefts, nrights, nunits, nlens;
  uint8_t infos[GS_CHUNK_MAX];
  /* The last struct's own ids are put behind its parent's, too, and do not count then. */
  uint32_t clients[2 * GS_CHUNK_MAX + 1], lefts[GS_CHUNK_MAX + 1], rights[GS_CHUNK_MAX], lens[GS_CHUNK_MAX];
  uint32_t units[3 * GS_CHUNK_MAX]; /* of strings: a root's name, a key and a content are the most that one struct has */
} stretch;

/* Names are short and ASCII, mostly: copied and looked at in one go. */
static void put_name(const gesso_doc *doc, gs_writer *w, stretch *s, uint32_t key)
{
  enum { SHORT = 16 };
  gesso_bytes name = gs_key_text(doc, key);
  gs_buf *text = &w->columns->strings.text;
  if (!gs_buf_room(text, name.len + 1))
    return;
  uint8_t *to = text->b.data + text->b.len, high = 0x80;
  if (name.len <= SHORT) {
    high = 0;
    for (size_t i = 0; i < name.len; i++)
      high |= to[i] = name.data[i];
  } else {
    memcpy(to, name.data, name.len);
  }
  text->b.len += name.len;
  s->units[s->nunits++] = (uint32_t)(high < 0x80 ? name.len : gs_utf8_utf16_len(name));
}

/* What a struct says that has no neighbours. */
static void take_parent(const gesso_doc *doc, gs_writer *w, stretch *s, const gs_slot *slot)
{
  const gs_type *parent = &doc->types[slot->type];
  gs_col_put_rle(&w->columns->parents, parent->item == 0);
  if (parent->item == 0) {
    put_name(doc, w, s, parent->name);
  } else {
    const gs_item *holder = &doc->items[parent->item];
    s->clients[s->nclients++] = gs_client_of(holder);
    s->lefts[s->nlefts++] = holder->clock;
  }
  if (slot->key != 0)
    put_name(doc, w, s, slot->key);
}

/* Takes what is common from v[at] on, and tells where it ends. Out of memory is latched. */
static uint32_t take_stretch(const gesso_doc *doc, gs_writer *w, stretch *s, const gs_ix *v, uint32_t at, uint32_t end)
{
  gs_buf *text = &w->columns->strings.text, *rest = &w->rest;
  unsigned key_bit = w->keep_key_bit ? MAP_KEY : 0;
  uint32_t nclients = 0, nlefts = 0, nrights = 0, nunits = 0, nlens = 0, first = at;
  for (; at < end; at++) {
    const gs_item *it = &doc->items[v[at]];
    unsigned kind = gs_kind(it);
    if (!gs_is_common(doc, it))
      break;
    if (kind == GS_GC) {
      s->infos[at - first] = GS_GC;
      s->lens[nlens++] = it->len;
      continue;
    }
    const gs_slot *slot = &doc->slots[it->slot];
    uint32_t left = it->origin.client != 0, right = it->right_origin.client != 0;
    unsigned key = slot->key != 0 ? key_bit : 0;
    if ((left | right) == 0) {
      key = slot->key != 0 ? MAP_KEY : 0;
      s->nclients = nclients;
      s->nlefts = nlefts;
      s->nunits = nunits;
      take_parent(doc, w, s, slot);
      nclients = s->nclients;
      nlefts = s->nlefts;
      nunits = s->nunits;
    }
    s->infos[at - first] = (uint8_t)(kind | left << 7 | right << 6 | key);
    s->clients[nclients] = it->origin.client;
    s->clients[nclients + left] = it->right_origin.client;
    nclients += left + right;
    s->lefts[nlefts] = it->origin.clock;
    nlefts += left;
    s->rights[nrights] = it->right_origin.clock;
    nrights += right;
    if (kind == GS_TYPE) {
      gs_col_put_uint(&w->columns->types, doc->types[it->c.type].kind);
      continue;
    }
    uint32_t string = kind == GS_STRING, value = kind == GS_ANY;
    s->units[nunits] = s->lens[nlens] = it->len;
    nunits += string;
    nlens += 1 - string;
    uint32_t bytes = gs_content_bytes(it) & (0 - (string | value));
    gs_buf *to = value ? rest : text;
    if (!gs_buf_room(to, (size_t)bytes + 8))
      break;
    gs_content_copy(doc, to->b.data + to->b.len, it, bytes);
    to->b.len += bytes;
  }
  s->n = at - first;
  s->nclients = nclients;
  s->nlefts = nlefts;
  s->nrights = nrights;
  s->nunits = nunits;
  s->nlens = nlens;
  return at;
}

static void put_stretch(const gesso_doc *doc, gs_writer *w, const stretch *s)
{
  gs_columns_out *c = w->columns;
  gs_pen infos = gs_pen_take(&c->infos, s->n), clients = gs_pen_take(&c->clients, s->nclients),
         lefts = gs_pen_take(&c->lefts, s->nlefts), rights = gs_pen_take(&c->rights, s->nrights),
         lens = gs_pen_take(&c->lens, s->nlens), units = gs_pen_take(&c->strings.lens, s->nunits);
  if (infos.at == NULL || clients.at == NULL || lefts.at == NULL || rights.at == NULL || lens.at == NULL ||
      units.at == NULL)
    return; /* the error is latched */
  gs_pen_mixed_rles(&infos, s->infos, s->n);
  gs_pen_mixed_diffs(&lefts, s->lefts, s->nlefts);
  gs_pen_mixed_diffs(&rights, s->rights, s->nrights);
  gs_pen_mixed_uints(&lens, s->lens, s->nlens);
  gs_pen_mixed_uints(&units, s->units, s->nunits);
  for (uint32_t i = 0; i < s->nclients;) {
    uint32_t client = s->clients[i++];
    gs_pen_uint(&clients, doc->clients[client].id);
    for (; i < s->nclients && s->clients[i] == client; i++)
      clients.run++;
  }
  gs_pen_give(&c->infos, &infos);
  gs_pen_give(&c->clients, &clients);
  gs_pen_give(&c->lefts, &lefts);
  gs_pen_give(&c->rights, &rights);
  gs_pen_give(&c->lens, &lens);
  gs_pen_give(&c->strings.lens, &units);
}

void gs_put_items(const gesso_doc *doc, gs_writer *w, uint32_t client, uint32_t from)
{
  const gs_client *c = &doc->clients[client];
  gs_pos p = gs_structs_find(doc, client, from);
  stretch s;
  for (; p.chunk < c->nchunks; p = (gs_pos){ p.chunk + 1, 0 }) {
    const gs_chunk *ch = &gs_chunks_of(doc, c)[p.chunk];
    const gs_ix *v = gs_chunk_v(doc, ch);
    while (p.at < ch->n) {
      const gs_item *it = &doc->items[v[p.at]];
      if (gs_kind(it) == GS_RUN) {
        put_run(doc, w, it, from);
        p.at++;
      } else if (it->clock < from || !gs_is_common(doc, it)) {
        put_item(doc, w, it, it->clock < from ? from - it->clock : 0);
        p.at++;
      } else {
        /* Where a block begins is written to the rest: before the values. */
        gs_writer_begin(w, c->id, it->clock, it->len);
        p.at = take_stretch(doc, w, &s, v, p.at, ch->n);
        if (w->rest.err != GESSO_OK || w->columns->strings.text.err != GESSO_OK)
          return;
        put_stretch(doc, w, &s);
        it = &doc->items[v[p.at - 1]];
        w->written += s.n - 1;
        w->clock = it->clock + it->len;
      }
    }
  }
}

void gs_put_waiting(const gesso_doc *doc, gs_writer *w, const gs_pnode *node, uint32_t offset)
{
  gs_reader rd = gs_reader_of((gesso_bytes){ doc->pending->bytes + node->at, node->bytes });
  gs_record rec = { .client = doc->clients[node->client].id, .clock = node->clock };
  gs_record_read_v1(&rd, &rec);
  gs_writer_put(w, &rec, offset, false);
}

void gs_put_skip(const gesso_doc *doc, gs_writer *w, uint32_t client, uint32_t clock, uint32_t len)
{
  gs_record rec = { .kind = GS_SKIP, .client = doc->clients[client].id, .clock = clock, .len = len };
  gs_writer_put(w, &rec, 0, false);
}
