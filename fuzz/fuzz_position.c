/* Positions and snapshots from strangers must never crash, hang or take more memory than their size justifies,
 * and what was read is written and read again as the same. Used on a small document, a position leads to a
 * place that is there, and a snapshot shows what a document that went back to it holds.
 *
 * The first byte says what the rest is: a position, a position as JSON, a snapshot v1, a snapshot v2. */
#include "fuzz.h"
#include "gesso/doc.h"
#include "gesso/position.h"
#include "gesso/snapshot.h"
#include "gesso/types.h"
#include "gesso/undo.h"

#define OK(call) FUZZ_CHECK((call) == GESSO_OK)

static const gesso_bytes none = { NULL, 0 };

static gesso_bytes str(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, strlen(s) };
}

static gesso_bytes view(gesso_buffer b)
{
  return (gesso_bytes){ b.data, b.len };
}

/* --- the document: everything in it that a position or a snapshot can meet --- */

enum { TEXT, ARRAY, MAP, XML, NESTED, ELEMENT, TYPES };

struct sample {
  gesso_doc *doc;
  gesso_type types[TYPES];
  gesso_snapshot *half;
};

static void pull(gesso_doc *to, gesso_doc *from)
{
  gesso_buffer sv, diff;
  OK(gesso_doc_state_vector(to, &sv));
  OK(gesso_doc_encode_v1(from, view(sv), &diff, NULL));
  OK(gesso_doc_apply_v1(to, view(diff), NULL));
  gesso_buffer_free(&sv);
  gesso_buffer_free(&diff);
}

static struct sample make_sample(uint32_t flags)
{
  struct sample s = { NULL, { 0 }, NULL };
  gesso_doc_options o = { .size = sizeof o, .client_id = 1, .flags = flags }, p = { .size = sizeof p, .client_id = 300 };
  gesso_doc *doc = s.doc = gesso_doc_create(&o), *other = gesso_doc_create(&p);
  gesso_type *t = s.types;
  t[TEXT] = gesso_doc_root(doc, str("t"), GESSO_TEXT);
  t[ARRAY] = gesso_doc_root(doc, str("a"), GESSO_ARRAY);
  t[MAP] = gesso_doc_root(doc, str("m"), GESSO_MAP);
  t[XML] = gesso_doc_root(doc, str("x"), GESSO_XML_FRAGMENT);
  gesso_undo_options u = { .size = sizeof u, .capture_timeout_ms = -1 };
  gesso_undo *undo = gesso_undo_create(doc, &u);
  OK(gesso_undo_add_scope(undo, t[TEXT]));
  OK(gesso_text_insert(doc, t[TEXT], 0, str("one \xf0\x9f\x98\x80 two"), none));
  gesso_value number = { .kind = GESSO_VALUE_NUMBER }, text = { .kind = GESSO_VALUE_TYPE, .type = GESSO_TEXT };
  gesso_value p_element = { .kind = GESSO_VALUE_TYPE, .type = GESSO_XML_ELEMENT, .bytes = str("p") };
  for (int i = 0; i < 5; i++) {
    number.number = i;
    OK(gesso_array_insert(doc, t[ARRAY], (uint64_t)i, &number, 1, NULL));
    OK(gesso_map_set(doc, t[MAP], str(i % 2 ? "k" : "l"), number, NULL));
  }
  OK(gesso_map_set(doc, t[MAP], str("n"), text, &t[NESTED]));
  OK(gesso_text_insert(doc, t[NESTED], 0, str("deep"), none));
  OK(gesso_array_insert(doc, t[XML], 0, &p_element, 1, &t[ELEMENT]));
  OK(gesso_map_set(doc, t[ELEMENT], str("w"), number, NULL));
  OK(gesso_snapshot_create(doc, &s.half));
  pull(other, doc);
  gesso_type far = gesso_doc_root(other, str("t"), GESSO_TEXT);
  OK(gesso_text_insert(other, far, 4, str("far "), str("{\"bold\":true}")));
  pull(doc, other);
  OK(gesso_text_remove(doc, t[TEXT], 0, 2));
  OK(gesso_undo_undo(undo, NULL));
  OK(gesso_text_remove(doc, t[TEXT], 8, 1)); /* half of the emoji */
  OK(gesso_array_remove(doc, t[ARRAY], 1, 2));
  OK(gesso_text_remove(doc, t[NESTED], 1, 1));
  OK(gesso_doc_check(doc, NULL));
  gesso_undo_destroy(undo);
  gesso_doc_destroy(other);
  return s;
}

/* Made once: nothing here changes them. */
static const struct sample *sample(bool keeps)
{
  static struct sample samples[2];
  struct sample *s = &samples[keeps];
  if (s->doc == NULL)
    *s = make_sample(keeps ? GESSO_DOC_NO_GC : 0);
  return s;
}

/* --- positions --- */

static void use_position(const struct sample *s, const gesso_position *p, uint32_t flags)
{
  gesso_place place, again;
  gesso_status st = gesso_position_resolve(s->doc, p, flags, &place);
  FUZZ_CHECK(st == GESSO_OK || st == GESSO_E_NOTFOUND);
  if (st != GESSO_OK)
    return;
  FUZZ_CHECK(place.assoc == gesso_position_assoc(p));
  gesso_position *here;
  gesso_type_kind kind;
  /* A value of a map is a place too, but none that can be counted to. */
  if (gesso_type_get_kind(s->doc, place.type, &kind) != GESSO_OK || kind == GESSO_MAP || kind == GESSO_XML_ELEMENT)
    return;
  FUZZ_CHECK(place.index <= gesso_type_length(s->doc, place.type));
  OK(gesso_position_create(s->doc, place.type, place.index, place.assoc, &here));
  OK(gesso_position_resolve(s->doc, here, flags, &again));
  FUZZ_CHECK(again.type == place.type && again.index == place.index && again.assoc == place.assoc);
  gesso_position_destroy(here);
}

static void position(gesso_bytes in, bool json, fuzz_memory *fm)
{
  gesso_position *p, *q;
  gesso_error why = { GESSO_OK, 0, NULL };
  gesso_status st = json ? gesso_position_from_json(&fm->alloc, in, &p, &why)
                         : gesso_position_decode(&fm->alloc, in, &p, &why);
  if (st != GESSO_OK) {
    FUZZ_CHECK(p == NULL && why.status == st && why.offset <= in.len && why.message != NULL);
    return;
  }
  gesso_buffer bytes, text, bytes_again;
  OK(gesso_position_to_json(p, &text));
  OK(gesso_position_from_json(&fm->alloc, view(text), &q, NULL));
  FUZZ_CHECK(gesso_position_equal(p, q));
  gesso_position_destroy(q);
  OK(gesso_position_encode(p, &bytes));
  OK(gesso_position_decode(&fm->alloc, view(bytes), &q, NULL));
  FUZZ_CHECK(json || gesso_position_equal(p, q));
  OK(gesso_position_encode(q, &bytes_again));
  FUZZ_CHECK(fuzz_same(view(bytes), view(bytes_again)));
  for (int keeps = 0; keeps < 2; keeps++)
    for (uint32_t flags = 0; flags < 2; flags++) {
      use_position(sample(keeps), p, flags);
      use_position(sample(keeps), q, flags);
    }
  gesso_position_destroy(p);
  gesso_position_destroy(q);
  gesso_buffer_free(&bytes);
  gesso_buffer_free(&bytes_again);
  gesso_buffer_free(&text);
}

/* --- snapshots --- */

static void read_through(const struct sample *s, const gesso_snapshot *snap)
{
  gesso_buffer b;
  for (int i = 0; i < TYPES; i++) {
    OK(gesso_type_to_json_at(s->doc, snap, s->types[i], GESSO_MAP, &b));
    gesso_buffer_free(&b);
    OK(gesso_map_to_json_at(s->doc, snap, s->types[i], &b));
    gesso_buffer_free(&b);
    for (uint32_t flags = 0; flags < 2; flags++) {
      const gesso_snapshot *pairs[][2] = { { snap, NULL }, { snap, s->half }, { s->half, snap }, { NULL, snap } };
      for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
        OK(gesso_text_to_delta_at(s->doc, pairs[k][0], pairs[k][1], s->types[i], flags, &b));
        gesso_buffer_free(&b);
      }
    }
  }
  gesso_status st = gesso_map_get_json_at(s->doc, snap, s->types[MAP], str("k"), &b);
  FUZZ_CHECK(st == GESSO_OK || st == GESSO_E_NOTFOUND);
  gesso_buffer_free(&b);
}

static void go_back(const struct sample *s, const gesso_snapshot *snap)
{
  gesso_doc *back;
  gesso_buffer was, is, v2;
  gesso_status st = gesso_doc_create_at(s->doc, snap, NULL, &back);
  FUZZ_CHECK(st == GESSO_OK || st == GESSO_E_NOTFOUND);
  FUZZ_CHECK(gesso_doc_encode_at_v2(s->doc, snap, &v2) == st);
  gesso_buffer_free(&v2);
  if (st != GESSO_OK)
    return;
  OK(gesso_doc_check(back, NULL));
  gesso_doc_stats stats;
  gesso_doc_get_stats(back, &stats);
  const struct {
    int type;
    const char *name;
    gesso_type_kind kind;
  } roots[] = { { TEXT, "t", GESSO_TEXT }, { ARRAY, "a", GESSO_ARRAY } };
  /* With something missing the document shows less than is in the snapshot. */
  for (size_t i = 0; i < 2 && stats.pending_structs == 0; i++) {
    OK(gesso_type_to_json_at(s->doc, snap, s->types[roots[i].type], roots[i].kind, &was));
    OK(gesso_type_to_json(back, gesso_doc_root(back, str(roots[i].name), roots[i].kind), roots[i].kind, &is));
    FUZZ_CHECK(fuzz_same(view(was), view(is)));
    gesso_buffer_free(&was);
    gesso_buffer_free(&is);
  }
  for (size_t i = 0; i < 2 && stats.pending_structs == 0; i++) {
    gesso_bytes key = str(i == 0 ? "k" : "l");
    st = gesso_map_get_json_at(s->doc, snap, s->types[MAP], key, &was);
    FUZZ_CHECK(gesso_map_get_json(back, gesso_doc_root(back, str("m"), GESSO_MAP), key, &is) == st);
    FUZZ_CHECK(fuzz_same(view(was), view(is)));
    gesso_buffer_free(&was);
    gesso_buffer_free(&is);
  }
  gesso_doc_destroy(back);
}

static void snapshot(gesso_bytes in, bool v2, fuzz_memory *fm)
{
  gesso_snapshot *snap, *again;
  gesso_error why = { GESSO_OK, 0, NULL };
  gesso_status st = v2 ? gesso_snapshot_decode_v2(&fm->alloc, in, &snap, &why)
                       : gesso_snapshot_decode_v1(&fm->alloc, in, &snap, &why);
  if (st != GESSO_OK) {
    FUZZ_CHECK(snap == NULL && why.status == st && why.offset <= in.len && why.message != NULL);
    return;
  }
  for (int as_v2 = 0; as_v2 < 2; as_v2++) {
    gesso_buffer b;
    OK(as_v2 ? gesso_snapshot_encode_v2(snap, &b) : gesso_snapshot_encode_v1(snap, &b));
    OK(as_v2 ? gesso_snapshot_decode_v2(&fm->alloc, view(b), &again, NULL)
             : gesso_snapshot_decode_v1(&fm->alloc, view(b), &again, NULL));
    FUZZ_CHECK(gesso_snapshot_equal(snap, again));
    gesso_snapshot_destroy(again);
    gesso_buffer_free(&b);
  }
  int contained;
  st = v2 ? gesso_snapshot_contains_v2(snap, in, &contained, &why) : gesso_snapshot_contains_v1(snap, in, &contained, &why);
  FUZZ_CHECK(st == GESSO_OK || (!contained && why.status == st && why.offset <= in.len));
  read_through(sample(false), snap);
  read_through(sample(true), snap);
  go_back(sample(true), snap);
  gesso_snapshot_destroy(snap);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  gesso_bytes in = fuzz_own(data + 1, size - 1);
  fuzz_memory fm;
  fuzz_memory_init(&fm, 256 * size + 4096);
  if (data[0] & 2)
    snapshot(in, data[0] & 1, &fm);
  else
    position(in, data[0] & 1, &fm);
  fuzz_free(in);
  FUZZ_CHECK(fm.held == 0);
  return 0;
}
