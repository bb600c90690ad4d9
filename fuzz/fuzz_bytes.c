/* Work on encoded updates without a document must never crash, hang, or write more than its input justifies. All
 * calls agree on what is an update. And:
 *
 *   convert     what was converted converts back to something that converts to the same bytes again
 *   merge       has each clock that one of its inputs has, once, by falling clients
 *   of pieces   of one update, merged and then applied: the same document as applied one after the other
 *   diff        holds what the state vector lacks, no more and no less; of a document's state vector, then applied:
 *               the same document as with the whole update
 *   obfuscate   says nothing else about ids, clocks and deletions
 *
 * Input: a byte of flags, two bytes that choose where the pieces begin, and the update. With PAIR two more bytes
 * have the length of a first update; the rest is a second one, which need not agree with it. */
#include "crdt/record.h"
#include "fuzz.h"
#include "gesso/types.h"
#include "gesso/update.h"

enum { V2 = 1, PAIR = 2, BACKWARDS = 4 };

static bool v2;

static gesso_bytes view(gesso_buffer b)
{
  return (gesso_bytes){ b.data, b.len };
}

/* On failure the reason must be complete, and nothing given away. */
static bool fine(gesso_status st, const gesso_error *why, size_t len, const gesso_buffer *out)
{
  if (st == GESSO_OK)
    return true;
  FUZZ_CHECK(why->status == st && why->message != NULL && why->offset <= len);
  FUZZ_CHECK(out == NULL || out->data == NULL);
  return false;
}

/* --- what an update says --- */

typedef struct said {
  gs_deletes clocks; /* of its structs, without skips */
  gs_deletes deletes;
  size_t structs;
  bool falling;
} said;

static said read_all(gesso_bytes update)
{
  said s = { .falling = true };
  gs_records r;
  gs_records_open(&r, NULL, update, v2);
  while (gs_records_next(&r)) {
    s.structs++;
    if (r.rec.kind == GS_SKIP)
      continue;
    FUZZ_CHECK(gs_grow(NULL, &s.clocks.v, &s.clocks.cap, s.clocks.n + 1, sizeof(gs_delete)));
    s.clocks.v[s.clocks.n++] = (gs_delete){ r.rec.client, r.rec.clock, r.rec.len };
  }
  s.falling = r.falling;
  gs_deletes_read(&r, &s.deletes);
  FUZZ_CHECK(r.rd.err == GESSO_OK);
  gs_records_close(&r);
  return s;
}

static void add(gs_deletes *to, const gs_deletes *more)
{
  for (uint32_t i = 0; i < more->n; i++) {
    FUZZ_CHECK(gs_grow(NULL, &to->v, &to->cap, to->n + 1, sizeof(gs_delete)));
    to->v[to->n++] = more->v[i];
  }
}

static bool same_ranges(const gs_deletes *a, const gs_deletes *b)
{
  return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof *a->v) == 0);
}

static void forget(said *s)
{
  gs_deletes_finish(&s->clocks);
  gs_deletes_finish(&s->deletes);
}

/* --- documents --- */

static gesso_doc *document(void)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = 1 };
  gesso_doc *doc = gesso_doc_create(&o);
  FUZZ_CHECK(doc != NULL);
  return doc;
}

static bool apply(gesso_doc *doc, gesso_bytes update)
{
  gesso_error why = { GESSO_OK, 0, NULL };
  gesso_status st = v2 ? gesso_doc_apply_v2(doc, update, &why) : gesso_doc_apply_v1(doc, update, &why);
  FUZZ_CHECK(gesso_doc_check(doc, NULL) == GESSO_OK);
  return fine(st, &why, update.len, NULL);
}

static gesso_buffer state_of(gesso_doc *doc)
{
  gesso_buffer out;
  const gesso_bytes none = { NULL, 0 };
  FUZZ_CHECK((v2 ? gesso_doc_encode_v2(doc, none, &out, NULL) : gesso_doc_encode_v1(doc, none, &out, NULL)) == GESSO_OK);
  return out;
}

static void same_documents(gesso_doc *a, gesso_doc *b)
{
  gesso_buffer x, y;
  FUZZ_CHECK(gesso_doc_state_vector(a, &x) == GESSO_OK && gesso_doc_state_vector(b, &y) == GESSO_OK);
  FUZZ_CHECK(fuzz_same(view(x), view(y)));
  gesso_buffer_free(&x);
  gesso_buffer_free(&y);
  x = state_of(a);
  y = state_of(b);
  gesso_doc_stats stats;
  gesso_doc_get_stats(a, &stats);
  if (stats.pending_structs == 0) {
    FUZZ_CHECK(fuzz_same(view(x), view(y)));
  } else {
    /* What waits may be cut in other places. */
    said one = read_all(view(x)), two = read_all(view(y));
    FUZZ_CHECK(gs_deletes_union(&one.clocks) && gs_deletes_union(&two.clocks));
    FUZZ_CHECK(same_ranges(&one.clocks, &two.clocks) && same_ranges(&one.deletes, &two.deletes));
    forget(&one);
    forget(&two);
  }
  gesso_buffer_free(&x);
  gesso_buffer_free(&y);
}

/* --- the calls --- */

static bool merge(const gesso_bytes *updates, size_t n, gesso_buffer *out)
{
  gesso_error why = { GESSO_OK, 0, NULL };
  size_t failed = 77;
  gesso_status st = v2 ? gesso_update_merge_v2(updates, n, out, &failed, &why)
                       : gesso_update_merge_v1(updates, n, out, &failed, &why);
  FUZZ_CHECK(st == GESSO_OK || failed < n);
  if (!fine(st, &why, updates[failed < n ? failed : 0].len, out))
    return false;
  if (n < 2)
    return true;
  said all = { 0 }, got = read_all(view(*out));
  FUZZ_CHECK(got.falling);
  size_t bytes = 0, structs = 0;
  for (size_t i = 0; i < n; i++) {
    said one = read_all(updates[i]);
    add(&all.clocks, &one.clocks);
    add(&all.deletes, &one.deletes);
    bytes += updates[i].len;
    structs += one.structs;
    forget(&one);
  }
  for (uint32_t i = 1; i < got.clocks.n; i++)
    FUZZ_CHECK(got.clocks.v[i].client < got.clocks.v[i - 1].client ||
               (got.clocks.v[i].client == got.clocks.v[i - 1].client &&
                got.clocks.v[i].clock >= got.clocks.v[i - 1].clock + got.clocks.v[i - 1].len));
  FUZZ_CHECK(gs_deletes_union(&all.clocks) && gs_deletes_union(&got.clocks) && gs_deletes_union(&all.deletes));
  FUZZ_CHECK(same_ranges(&all.clocks, &got.clocks));
  FUZZ_CHECK(same_ranges(&all.deletes, &got.deletes));
  FUZZ_CHECK(out->len <= bytes * 16 + structs * 64 + (1u << 20) + 4096);
  forget(&all);
  forget(&got);
  return true;
}

static gesso_buffer one_part(gesso_bytes update, bool deletes)
{
  gesso_buffer out;
  gesso_status st;
  if (deletes)
    st = v2 ? gesso_update_delete_set_v2(update, &out, NULL) : gesso_update_delete_set_v1(update, &out, NULL);
  else
    st = v2 ? gesso_update_state_vector_v2(update, &out, NULL) : gesso_update_state_vector_v1(update, &out, NULL);
  FUZZ_CHECK(st == GESSO_OK);
  return out;
}

static void same_part(gesso_bytes a, gesso_bytes b, bool deletes)
{
  gesso_buffer x = one_part(a, deletes), y = one_part(b, deletes);
  FUZZ_CHECK(fuzz_same(view(x), view(y)));
  gesso_buffer_free(&x);
  gesso_buffer_free(&y);
}

static uint64_t known_clock(gesso_bytes state_vector, uint64_t client)
{
  gs_reader rd = gs_reader_of(state_vector);
  uint64_t clock = 0;
  for (uint64_t n = gs_read_varuint(&rd); n > 0; n--) {
    uint64_t id = gs_read_varuint(&rd), at = gs_read_varuint(&rd);
    clock = id == client ? at : clock;
  }
  return clock;
}

/* Nothing in a diff was known, all else is there. */
static bool diff(gesso_bytes update, gesso_bytes sv, gesso_buffer *out)
{
  gesso_error why = { GESSO_OK, 0, NULL };
  gesso_status st = v2 ? gesso_update_diff_v2(update, sv, out, &why) : gesso_update_diff_v1(update, sv, out, &why);
  if (!fine(st, &why, GS_MAX(update.len, sv.len), out))
    return false;
  said whole = read_all(update), got = read_all(view(*out));
  uint32_t n = 0;
  for (uint32_t i = 0; i < whole.clocks.n; i++) {
    gs_delete c = whole.clocks.v[i];
    uint64_t known = known_clock(sv, c.client);
    if (c.clock + c.len <= known)
      continue;
    c.len -= known > c.clock ? known - c.clock : 0;
    c.clock = GS_MAX(c.clock, known);
    whole.clocks.v[n++] = c;
  }
  whole.clocks.n = n;
  FUZZ_CHECK(!whole.falling || same_ranges(&whole.clocks, &got.clocks));
  same_part(update, view(*out), true);
  forget(&whole);
  forget(&got);
  return true;
}

/* Whether it is an update at all: every call must say the same. */
static bool is_update(gesso_bytes update)
{
  gesso_buffer sv = { 0 }, out = { 0 };
  gesso_error why = { GESSO_OK, 0, NULL };
  size_t n;
  gesso_status st = v2 ? gesso_update_state_vector_v2(update, &sv, &why) : gesso_update_state_vector_v1(update, &sv, &why);
  bool ok = fine(st, &why, update.len, &sv);
  gesso_buffer_free(&sv);
  st = v2 ? gesso_update_meta_v2(update, NULL, 0, &n, &why) : gesso_update_meta_v1(update, NULL, 0, &n, &why);
  FUZZ_CHECK(fine(st, &why, update.len, NULL) == ok);
  st = v2 ? gesso_update_delete_set_v2(update, &out, &why) : gesso_update_delete_set_v1(update, &out, &why);
  FUZZ_CHECK(fine(st, &why, update.len, &out) == ok);
  gesso_buffer_free(&out);
  st = v2 ? gesso_update_to_json_v2(update, &out, &why) : gesso_update_to_json_v1(update, &out, &why);
  FUZZ_CHECK(fine(st, &why, update.len, &out) == ok || st == GESSO_E_LIMIT);
  gesso_buffer_free(&out);
  return ok;
}

static void convert(gesso_bytes update)
{
  gesso_buffer one = { 0 }, two = { 0 }, back = { 0 }, again = { 0 };
  gesso_error why = { GESSO_OK, 0, NULL };
  gesso_status st = GESSO_OK;
  if (v2)
    st = gesso_update_v2_to_v1(update, &one, &why);
  bool ok = fine(st, &why, update.len, &one);
  /* The other way a difference of clocks can be too large for a column. */
  if (ok)
    st = gesso_update_v1_to_v2(v2 ? view(one) : update, &two, &why);
  if (ok && st == GESSO_OK) {
    FUZZ_CHECK(gesso_update_v2_to_v1(view(two), &back, NULL) == GESSO_OK);
    FUZZ_CHECK(gesso_update_v1_to_v2(view(back), &again, NULL) == GESSO_OK);
    FUZZ_CHECK(fuzz_same(view(two), view(again)));
  }
  gesso_buffer_free(&one);
  gesso_buffer_free(&two);
  gesso_buffer_free(&back);
  gesso_buffer_free(&again);
}

static void obfuscate(gesso_bytes update, uint32_t keep)
{
  gesso_buffer out = { 0 };
  gesso_error why = { GESSO_OK, 0, NULL };
  gesso_status st = v2 ? gesso_update_obfuscate_v2(update, keep, &out, &why) : gesso_update_obfuscate_v1(update, keep, &out, &why);
  if (!fine(st, &why, update.len, &out)) {
    FUZZ_CHECK(v2); /* LIMIT, or clocks that are too far apart for a column */
    return;
  }
  said before = read_all(update), after = read_all(view(out));
  FUZZ_CHECK(same_ranges(&before.clocks, &after.clocks) && before.structs == after.structs);
  same_part(update, view(out), true);
  same_part(update, view(out), false);
  FUZZ_CHECK(out.len <= update.len * 16 + before.structs * 64 + (1u << 20) + 4096);
  forget(&before);
  forget(&after);
  gesso_buffer_free(&out);
}

/* A state vector that ends at the beginning of structs of the update. */
static gesso_buffer state_vector_in(const said *s, uint8_t choice)
{
  gs_buf out = gs_buf_make(NULL);
  gs_buf list = gs_buf_make(NULL);
  uint32_t n = 0;
  for (uint32_t i = 0; i < s->clocks.n; i++)
    if ((i * 7 + choice) % 5 == 0) { /* of one client the last counts */
      gs_write_varuint(&list, s->clocks.v[i].client);
      gs_write_varuint(&list, s->clocks.v[i].clock);
      n++;
    }
  gs_write_varuint(&out, n);
  gs_buf_write(&out, list.b.data, list.b.len);
  gs_buf_finish(&list);
  return gs_buf_take(&out);
}

static void pieces(gesso_bytes update, const uint8_t choice[2], bool backwards)
{
  said s = read_all(update);
  gesso_buffer sv[2], piece[2] = { { 0 } }, merged = { 0 }, rest = { 0 }, known = { 0 };
  gesso_doc *whole = document();
  /* What a document refuses for other reasons (clocks past 2^31 ...) is left to fuzz_update. */
  bool ok = apply(whole, update);
  for (int i = 0; i < 2; i++) {
    sv[i] = state_vector_in(&s, choice[i]);
    ok = diff(update, view(sv[i]), &piece[i]) && ok;
  }
  gesso_bytes parts[] = { view(piece[backwards]), view(piece[!backwards]), update };
  if (ok && merge(parts, 2, &merged)) {
    gesso_doc *one = document(), *other = document(), *third = document();
    if (apply(one, parts[0]) && apply(one, parts[1]) && apply(other, view(merged)))
      same_documents(one, other);
    /* What the third lacks of the whole. */
    if (apply(third, parts[0])) {
      FUZZ_CHECK(gesso_doc_state_vector(third, &known) == GESSO_OK);
      if (diff(update, view(known), &rest) && apply(third, view(rest)) && apply(one, update))
        same_documents(third, one);
    }
    gesso_doc_destroy(one);
    gesso_doc_destroy(other);
    gesso_doc_destroy(third);
  }
  for (int i = 0; i < 2; i++) {
    gesso_buffer_free(&sv[i]);
    gesso_buffer_free(&piece[i]);
  }
  gesso_buffer_free(&merged);
  gesso_buffer_free(&rest);
  gesso_buffer_free(&known);
  gesso_doc_destroy(whole);
  forget(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 5)
    return 0;
  uint8_t flags = data[0];
  v2 = (flags & V2) != 0;
  if (flags & PAIR) {
    size_t len = (size_t)(data[3] | data[4] << 8);
    gesso_bytes all = { data + 5, size - 5 };
    len = GS_MIN(len, all.len);
    gesso_bytes pair[3] = { fuzz_own(all.data, len), fuzz_own(all.data + len, all.len - len) };
    gesso_buffer out = { 0 };
    bool ok = is_update(pair[0]) && is_update(pair[1]);
    pair[2] = pair[0];
    FUZZ_CHECK(!merge(pair, flags & BACKWARDS ? 3 : 2, &out) || ok);
    gesso_buffer_free(&out);
    fuzz_free(pair[0]);
    fuzz_free(pair[1]);
    return 0;
  }
  gesso_bytes update = fuzz_own(data + 3, size - 3);
  if (is_update(update)) {
    convert(update);
    obfuscate(update, data[1] & 7);
    pieces(update, data + 1, (flags & BACKWARDS) != 0);
  }
  fuzz_free(update);
  return 0;
}
