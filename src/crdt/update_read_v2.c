/* Reading v2 updates for documents: the records of record.h become the structs of update.h. */
#include "crdt/content.h"
#include "crdt/record.h"
#include "crdt/structs.h"
#include "crdt/update.h"
#include "gesso/update.h"
#include "wire/any.h"

static const char past_limit[] = "a clock or length is past 2^31 - 1";

/* A key of up to GS_INLINE_MAX bytes that was named lately. */
typedef struct seen_key {
  uint64_t text; /* gs_few_bytes */
  uint32_t key;  /* 0: none */
  uint32_t next; /* the one that came after it */
} seen_key;

enum { SEEN_KEYS = 16 };

typedef struct input {
  gs_records r;
  gesso_doc *doc;
  gs_update *out;
  size_t bytes; /* of the update */
  size_t named, keys; /* bytes of names and of keys, which v2 names again in no bytes, but v1 spells out */
  uint64_t last_id[2]; /* clients that were looked up last, and their indexes; 0: none */
  uint32_t last_ix[2];
  uint32_t nkeys; /* how many there were; the last SEEN_KEYS of them are kept */
  uint32_t key;   /* the last one that was named */
  seen_key seen[SEEN_KEYS]; /* objects mostly have the same keys in the same order */
} input;

/* `which`: ids of left and of right neighbours mostly are of one client each. */
static uint32_t client_of(input *in, uint64_t id, int which)
{
  if (in->last_ix[which] != 0 && in->last_id[which] == id)
    return in->last_ix[which];
  gs_reader *rd = &in->r.rd;
  if (rd->err != GESSO_OK)
    return 0;
  uint32_t ix = gs_client_ix(in->doc, id);
  bool full = in->doc->nclients >= GS_CLIENTS_MAX;
  if (ix == 0)
    gs_reader_fail(rd, full ? GESSO_E_LIMIT : GESSO_E_NOMEM, full ? "the document has too many clients" : "out of memory");
  in->last_id[which] = id;
  in->last_ix[which] = ix;
  return ix;
}

static uint32_t clock_of(input *in, uint64_t clock)
{
  if (clock <= GS_CLOCK_MAX)
    return (uint32_t)clock;
  gs_reader_fail(&in->r.rd, GESSO_E_LIMIT, past_limit);
  return 0;
}

static gs_id id_of(input *in, gs_wire_id id, int which)
{
  gs_id out;
  out.client = client_of(in, id.client, which);
  out.clock = clock_of(in, id.clock);
  return out;
}

static uint32_t any_key_of(input *in, gs_jstr s)
{
  gs_reader *rd = &in->r.rd;
  gesso_bytes text = s.utf8;
  gs_buf whole = gs_buf_make(in->doc->alloc);
  if (rd->err != GESSO_OK)
    return 0;
  if (s.low != 0 || s.high != 0) {
    gs_jstr_write(&whole, s);
    text = gs_buf_bytes(&whole);
  }
  uint32_t key = whole.err == GESSO_OK ? gs_key_of(in->doc, text) : 0;
  if (key == 0)
    gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
  gs_buf_finish(&whole);
  return key;
}

static uint32_t key_of(input *in, gs_jstr s)
{
  if (s.low != 0 || s.high != 0 || s.utf8.len > GS_INLINE_MAX || in->r.rd.err != GESSO_OK)
    return any_key_of(in, s);
  uint64_t text = gs_few_bytes(s.utf8);
  uint32_t at = in->seen[in->key].next, n = GS_MIN(in->nkeys, SEEN_KEYS);
  if (in->seen[at].text != text || in->seen[at].key == 0) {
    for (at = 0; at < n && in->seen[at].text != text;)
      at++;
    if (at == n) {
      at = in->nkeys++ % SEEN_KEYS;
      in->seen[at] = (seen_key){ .text = text, .key = any_key_of(in, s) };
    }
    in->seen[in->key].next = at;
  }
  in->key = at;
  return in->seen[at].key;
}

/* What a weak link points to is kept as its v1 bytes (weak.h). */
static uint32_t link_of(input *in, const gs_weak_record *w)
{
  gs_buf bytes = gs_buf_make(in->doc->alloc);
  gs_weak_record_write_v1(&bytes, w);
  uint32_t key = bytes.err == GESSO_OK ? gs_key_of(in->doc, gs_buf_bytes(&bytes)) : 0;
  if (key == 0)
    gs_reader_fail(&in->r.rd, GESSO_E_NOMEM, "out of memory");
  gs_buf_finish(&bytes);
  return key;
}

static void set_bytes(input *in, gs_item *s, gesso_bytes bytes)
{
  if (bytes.len == 0)
    return;
  s->c.at = (uint32_t)(bytes.data - in->r.rd.begin);
  s->c.bytes = (uint32_t)bytes.len;
}

/* A content that is put together in `made`. */
static void set_made(input *in, gs_item *s, size_t from)
{
  const gs_buf *made = &in->out->made;
  if (made->err != GESSO_OK || made->b.len > UINT32_MAX) {
    gesso_status st = made->err != GESSO_OK ? made->err : GESSO_E_LIMIT;
    gs_reader_fail(&in->r.rd, st, gesso_status_text(st));
    return;
  }
  s->head |= GS_IN_MADE;
  s->c.at = (uint32_t)from;
  s->c.bytes = (uint32_t)(made->b.len - from);
}

static void put_json(input *in, gs_buf *made, gesso_bytes any, bool length_too)
{
  gs_buf json = gs_buf_make(in->doc->alloc);
  gs_reader rd = gs_reader_of(any);
  if (!gs_any_to_json(&rd, &json) || json.err != GESSO_OK)
    gs_reader_fail(&in->r.rd, json.err != GESSO_OK ? json.err : rd.err != GESSO_OK ? rd.err : GESSO_E_CORRUPT,
                   json.err != GESSO_OK ? gesso_status_text(json.err) : "a format or embed is undefined");
  if (length_too)
    gs_write_varuint(made, json.b.len);
  gs_buf_write(made, json.b.data, json.b.len);
  gs_buf_finish(&json);
}

static void put_string(gs_buf *made, gs_jstr s)
{
  gs_write_varuint(made, gs_jstr_bytes(s));
  gs_jstr_write(made, s);
}

static void set_content(input *in, gs_item *s)
{
  const gs_record *rec = &in->r.rec;
  gs_buf *made = &in->out->made;
  size_t from = made->b.len;
  switch (rec->kind) {
  case GS_ANY:
  case GS_BINARY:
    set_bytes(in, s, rec->value);
    return;
  case GS_STRING:
    if (rec->text.low == 0 && rec->text.high == 0) {
      set_bytes(in, s, rec->text.utf8);
      return;
    }
    gs_jstr_write(made, rec->text);
    break;
  case GS_JSON: {
    gs_strings strings = rec->json;
    for (uint64_t i = 0; i < rec->len; i++)
      put_string(made, gs_strings_next(&in->r.rd, &strings));
    break;
  }
  case GS_EMBED:
    put_json(in, made, rec->value, false);
    break;
  case GS_FORMAT:
    put_string(made, rec->text);
    put_json(in, made, rec->value, true);
    break;
  case GS_DOC:
    put_string(made, rec->text);
    gs_buf_write(made, rec->value.data, rec->value.len);
    break;
  case GS_TYPE:
    s->c.bytes = rec->type_kind;
    if (rec->type_kind == GESSO_XML_ELEMENT || rec->type_kind == GESSO_XML_HOOK)
      s->c.at = key_of(in, rec->text);
    else if (rec->type_kind == GESSO_WEAK_LINK)
      s->c.at = link_of(in, &rec->weak);
    return;
  default:
    return;
  }
  set_made(in, s, from);
}

/* A document that writes v1 must not be out of all proportion to the update. Each format has a value of its own and
 * keeps its key, so that these are measured by the bytes alone. */
static void check_names(input *in)
{
  const gs_record *rec = &in->r.rec;
  if (rec->kind != GS_TYPE && rec->kind != GS_FORMAT)
    return;
  size_t *named = rec->kind == GS_TYPE ? &in->named : &in->keys;
  *named += gs_jstr_bytes(rec->text);
  if (*named > gs_proportion(in->bytes, rec->kind == GS_TYPE ? in->r.total : 0))
    gs_reader_fail(&in->r.rd, GESSO_E_LIMIT, "names are repeated out of all proportion");
}

static void read_struct(input *in, uint32_t client, gs_item *s)
{
  const gs_record *rec = &in->r.rec;
  uint32_t clock = clock_of(in, rec->clock);
  *s = (gs_item){ .head = client << GS_CLIENT_SHIFT | rec->kind, .clock = clock };
  s->len = clock_of(in, rec->len);
  if (s->len > GS_CLOCK_MAX - clock)
    gs_reader_fail(&in->r.rd, GESSO_E_LIMIT, past_limit);
  if (rec->kind == GS_GC || rec->kind == GS_SKIP)
    return;
  if (rec->has_origin)
    s->origin = id_of(in, rec->origin, 0);
  if (rec->has_right)
    s->right_origin = id_of(in, rec->right_origin, 1);
  if (rec->has_parent) {
    s->head |= GS_IN_PARENT;
    if (rec->has_root)
      s->left = key_of(in, rec->root);
    else
      s->origin = id_of(in, rec->parent, 0);
    if (rec->has_sub)
      s->slot = key_of(in, rec->sub);
  }
  if ((s->origin.client == client && s->origin.clock >= clock) ||
      (s->right_origin.client == client && s->right_origin.clock >= clock))
    gs_reader_fail(&in->r.rd, GESSO_E_CORRUPT, "a struct refers to itself or a later one");
  check_names(in);
  set_content(in, s);
}

/* Reads the next struct of the open block without the way through a record if it is a usual one. False: it is for
 * gs_records_next, and nothing was read. */
static bool read_usual(input *in, uint32_t client, gs_item *out)
{
  enum { ORIGIN = 0x80, RIGHT_ORIGIN = 0x40 };
  enum { USUAL = 1u << GS_GC | 1u << GS_DELETED | 1u << GS_STRING | 1u << GS_ANY };
  gs_records *r = &in->r;
  gs_reader *rd = &r->rd;
  gs_columns *c = r->columns;
  uint8_t info = gs_col_rle(rd, &c->infos);
  unsigned kind = info & 31;
  if ((USUAL >> kind & 1) == 0 || (kind != GS_GC && (info & (ORIGIN | RIGHT_ORIGIN)) == 0)) {
    gs_col_rle_unread(&c->infos);
    return false;
  }
  gs_item s = { .head = client << GS_CLIENT_SHIFT | kind, .clock = clock_of(in, r->clock) };
  if (kind != GS_GC && (info & ORIGIN) != 0) {
    s.origin.client = client_of(in, gs_col_uint(rd, &c->clients), 0);
    s.origin.clock = clock_of(in, gs_col_diff(rd, &c->lefts));
  }
  if (kind != GS_GC && (info & RIGHT_ORIGIN) != 0) {
    s.right_origin.client = client_of(in, gs_col_uint(rd, &c->clients), 1);
    s.right_origin.clock = clock_of(in, gs_col_diff(rd, &c->rights));
  }
  if ((s.origin.client == client && s.origin.clock >= s.clock) ||
      (s.right_origin.client == client && s.right_origin.clock >= s.clock))
    gs_reader_fail(rd, GESSO_E_CORRUPT, "a struct refers to itself or a later one");
  r->structs--;
  if (kind == GS_STRING) {
    r->rec.kind = GS_STRING;
    r->rec.text = gs_strings_next(rd, &c->strings);
    s.len = clock_of(in, r->rec.text.units);
    set_content(in, &s);
  } else {
    s.len = clock_of(in, gs_col_uint(rd, &c->lens));
    const uint8_t *from = rd->at;
    for (uint32_t i = 0; kind == GS_ANY && i < s.len && rd->err == GESSO_OK; i++)
      gs_any_skip(rd);
    if (rd->err == GESSO_OK)
      set_bytes(in, &s, (gesso_bytes){ from, (size_t)(rd->at - from) });
  }
  if (rd->err == GESSO_OK && s.len == 0)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "a struct of length 0");
  if (s.len > GS_CLOCK_MAX - s.clock)
    gs_reader_fail(rd, GESSO_E_LIMIT, past_limit);
  r->clock += s.len;
  *out = s;
  return true;
}

/* Reads up to n structs that are as the last one, by what the columns repeat: deleted, as long as that one, and each
 * behind one that lies as far from the origin before as that one's did. x and y that were dragged are that. Returns
 * how many. */
static uint32_t read_same(input *in, uint32_t n, gs_item *out)
{
  gs_records *r = &in->r;
  gs_columns *c = r->columns;
  const gs_item last = out[-1];
  if (gs_kind(&last) != GS_DELETED || last.origin.client == 0 || last.right_origin.client != 0)
    return 0;
  uint64_t most = GS_MIN(GS_MIN(c->infos.run, c->clients.run), GS_MIN(c->lens.run, c->lefts.run));
  uint32_t client = gs_client_of(&last), clock = (uint32_t)r->clock, len = last.len, k;
  int64_t left = c->lefts.value;
  for (k = 0; k < GS_MIN(most, n); k++) {
    left += c->lefts.diff;
    if (left < 0 || left > GS_CLOCK_MAX || len > GS_CLOCK_MAX - clock || (last.origin.client == client && left >= clock))
      break; /* what is wrong there is told by read_usual */
    out[k] = (gs_item){ .head = last.head, .clock = clock, .len = len, .origin = { last.origin.client, (uint32_t)left } };
    clock += len;
  }
  c->infos.run -= k;
  c->clients.run -= k;
  c->lens.run -= k;
  c->lefts.run -= k;
  c->lefts.value += k * c->lefts.diff;
  r->clock = clock;
  r->structs -= k;
  if (len == 1 && c->lefts.diff == 1 && last.origin.client == client && k > 0)
    gs_update_note_alike(in->doc, (gs_ix)(out - in->doc->items), k);
  return k;
}

/* The usual structs that come next in the open block. */
static void read_row(input *in, uint32_t client)
{
  enum { AT_ONCE = 64 };
  gesso_doc *doc = in->doc;
  bool more = true;
  while (more && in->r.structs > 0) {
    uint32_t n = (uint32_t)GS_MIN(in->r.structs, AT_ONCE);
    more = gs_items_room(doc, n, in->r.structs);
    while (more && n > 0) {
      more = in->r.rd.err == GESSO_OK && read_usual(in, client, &doc->items[doc->nitems]);
      if (!more)
        break;
      (void)gs_update_stage_reserved(doc, in->out);
      n--;
      uint32_t same = in->r.rd.err == GESSO_OK ? read_same(in, n, &doc->items[doc->nitems]) : 0;
      in->out->end = doc->nitems += same;
      n -= same;
    }
  }
  doc->clients[client].in_end = in->out->end;
}

static void read_deletes(input *in)
{
  gs_reader *rd = &in->r.rd;
  gs_ranges *dels = &in->out->dels;
  uint32_t nclients = gs_read_count(rd, 2);
  for (uint32_t i = 0; i < nclients && rd->err == GESSO_OK; i++) {
    uint32_t client = client_of(in, gs_read_varuint(rd), 0);
    uint32_t n = gs_read_count(rd, 2);
    if (rd->err == GESSO_OK && dels->n + n > GESSO_UPDATE_STRUCTS_MAX)
      gs_reader_fail(rd, GESSO_E_LIMIT, "too many delete ranges");
    else if (rd->err == GESSO_OK &&
             !gs_grow(in->doc->alloc, &dels->v, &dels->cap, (size_t)dels->n + n, sizeof(gs_range)))
      gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
    uint64_t at = 0;
    for (uint32_t k = 0; k < n && rd->err == GESSO_OK; k++) {
      gs_range d = { .client = client };
      d.clock = clock_of(in, at + gs_read_varuint(rd));
      d.len = clock_of(in, gs_read_varuint(rd) + 1);
      if (d.len > GS_CLOCK_MAX - d.clock)
        gs_reader_fail(rd, GESSO_E_LIMIT, past_limit);
      at = (uint64_t)d.clock + d.len;
      if (rd->err == GESSO_OK)
        dels->v[dels->n++] = d;
    }
  }
  if (rd->err == GESSO_OK && gs_reader_left(rd) > 0)
    gs_reader_fail(rd, GESSO_E_CORRUPT, "there are bytes after the update");
}

void gs_read_update_v2(gs_reader *rd, gesso_doc *doc, gs_update *out)
{
  gesso_bytes bytes = { rd->at, gs_reader_left(rd) };
  input in = { .doc = doc, .out = out, .bytes = bytes.len };
  gs_records_open(&in.r, doc->alloc, bytes, true);
  uint32_t client = 0, blocks = 0;
  for (;;) {
    if (in.r.structs > 0)
      read_row(&in, client);
    if (!gs_records_next(&in.r))
      break;
    if (in.r.blocks != blocks) {
      blocks = in.r.blocks;
      client = client_of(&in, in.r.rec.client, 0);
      if (in.r.rd.err == GESSO_OK)
        gs_update_client(&in.r.rd, doc, out, client);
    }
    if (in.r.rd.err == GESSO_OK && !gs_items_room(doc, 1, in.r.structs + 1))
      gs_reader_fail(&in.r.rd, GESSO_E_NOMEM, "out of memory");
    if (in.r.rd.err != GESSO_OK)
      break;
    read_struct(&in, client, &doc->items[gs_update_stage_reserved(doc, out)]);
    if (in.r.rec.kind == GS_SKIP)
      gs_update_unstage(doc, out);
    doc->clients[client].in_end = out->end;
  }
  out->own_end = out->end;
  if (in.r.rd.err == GESSO_OK)
    read_deletes(&in);
  *rd = in.r.rd;
  gs_records_close(&in.r);
}
