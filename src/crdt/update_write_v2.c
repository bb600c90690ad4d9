/* Structs of a document as records, for updates in the v2 encoding. */
#include "crdt/content.h"
#include "crdt/pending.h"
#include "crdt/record.h"
#include "crdt/runs.h"
#include "crdt/structs.h"
#include "crdt/update.h"

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
    uint8_t info = GS_DELETED | ORIGIN | (w->keep_key_bit ? MAP_KEY : 0);
    uint32_t clock = r.clock;
    for (gs_id origin; gs_run_plain(&r, &origin);) {
      gs_pen_rle(&infos, info);
      gs_pen_uint(&clients, doc->clients[origin.client].id);
      gs_pen_diff(&lefts, origin.clock);
      gs_pen_uint(&lens, 1);
    }
    w->written += r.clock - clock;
    w->clock = r.clock;
    gs_pen_give(&c->infos, &infos);
    gs_pen_give(&c->clients, &clients);
    gs_pen_give(&c->lefts, &lefts);
    gs_pen_give(&c->lens, &lens);
  }
}

/* Structs that stand next to others and so name no parent: strings, values, tombstones; and gc ranges. They are gone
 * through once for each column, which then stays in registers, with few branches: what kind comes next, and how long its
 * content is, cannot be guessed. */
typedef struct stretch {
  const gs_item *v[GS_CHUNK_MAX];
  const gs_item *strings[GS_CHUNK_MAX], *others[GS_CHUNK_MAX]; /* the same, sorted */
  uint32_t n, nstrings, nothers, len;
  size_t text, rest; /* bytes of strings, bytes of values */
} stretch;

static inline bool fits(stretch *s, const gs_item *it)
{
  enum { ANCHORED = 1u << GS_STRING | 1u << GS_ANY | 1u << GS_DELETED };
  unsigned kind = gs_kind(it);
  bool anchored = (it->origin.client | it->right_origin.client) != 0;
  if ((((anchored ? ANCHORED : 0) | 1u << GS_GC) >> kind & 1) == 0)
    return false;
  bool string = kind == GS_STRING;
  uint32_t bytes = gs_content_bytes(it);
  s->text += bytes * string;
  s->rest += bytes * (kind == GS_ANY);
  s->len += it->len;
  s->v[s->n++] = it;
  s->strings[s->nstrings] = s->others[s->nothers] = it;
  s->nstrings += string;
  s->nothers += !string;
  return true;
}

static void put_stretch(const gesso_doc *doc, gs_writer *w, const stretch *s)
{
  gs_columns_out *c = w->columns;
  gs_buf *text = &c->strings.text;
  gs_writer_begin(w, doc->clients[gs_client_of(s->v[0])].id, s->v[0]->clock, s->len); /* may write */
  w->written += s->n - 1;
  gs_pen infos = gs_pen_take(&c->infos, s->n), clients = gs_pen_take(&c->clients, 2 * s->n),
         lefts = gs_pen_take(&c->lefts, s->n), rights = gs_pen_take(&c->rights, s->n),
         lens = gs_pen_take(&c->lens, s->n), units = gs_pen_take(&c->strings.lens, s->n);
  if (infos.at == NULL || clients.at == NULL || lefts.at == NULL || rights.at == NULL || lens.at == NULL ||
      units.at == NULL || !gs_buf_room(text, s->text + 8) || !gs_buf_room(&w->rest, s->rest + 8))
    return; /* the error is latched */
  for (uint32_t i = 0; i < s->n; i++) {
    const gs_item *it = s->v[i];
    unsigned info = gs_kind(it) | (it->origin.client != 0 ? ORIGIN : 0) | (it->right_origin.client != 0 ? RIGHT_ORIGIN : 0);
    if (w->keep_key_bit && info != GS_GC && doc->slots[it->slot].key != 0)
      info |= MAP_KEY;
    gs_pen_mixed_rle(&infos, (uint8_t)info);
  }
  for (uint32_t i = 0; i < s->n; i++) {
    const gs_item *it = s->v[i];
    if (it->origin.client != 0) {
      gs_pen_uint(&clients, doc->clients[it->origin.client].id);
      gs_pen_mixed_diff(&lefts, it->origin.clock);
    }
    if (it->right_origin.client != 0) {
      gs_pen_uint(&clients, doc->clients[it->right_origin.client].id);
      gs_pen_mixed_diff(&rights, it->right_origin.clock);
    }
  }
  uint8_t *end = text->b.data + text->b.len;
  for (uint32_t i = 0; i < s->nstrings; i++) {
    gs_pen_mixed_uint(&units, s->strings[i]->len);
    end = gs_content_put(doc, end, s->strings[i]);
  }
  text->b.len = (size_t)(end - text->b.data);
  end = w->rest.b.data + w->rest.b.len;
  for (uint32_t i = 0; i < s->nothers; i++) {
    gs_pen_mixed_uint(&lens, s->others[i]->len);
    if (gs_kind(s->others[i]) == GS_ANY)
      end = gs_content_put(doc, end, s->others[i]);
  }
  w->rest.b.len = (size_t)(end - w->rest.b.data);
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
      s.n = s.nstrings = s.nothers = s.len = 0;
      s.text = s.rest = 0;
      if (it->clock >= from)
        while (p.at < ch->n && fits(&s, &doc->items[v[p.at]]))
          p.at++;
      if (s.n > 0) {
        put_stretch(doc, w, &s);
        continue;
      }
      p.at++;
      if (gs_kind(it) == GS_RUN)
        put_run(doc, w, it, from);
      else
        put_item(doc, w, it, it->clock < from ? from - it->clock : 0);
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
