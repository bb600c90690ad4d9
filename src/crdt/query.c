/* Going through a document along a path. */
#include "crdt/query.h"

#include "crdt/doc_impl.h"
#include "crdt/read.h"
#include "crdt/read_value.h"
#include "crdt/seq.h"

/* One place on the way: a value, and the steps that are still to be taken from it; or, with a list, the place that its
 * elements are taken from one after the other. What it holds stands in its arena. */
typedef struct frame {
  uint32_t step;
  bool descending;           /* inside of what `..` goes through */
  bool listing;
  const gesso_value *value;  /* NULL: the document */
  const gesso_value *list;
  uint64_t at, n;
  uint64_t held;             /* values at the begin of `list` whose documents are held: they may be removed meanwhile */
  uint32_t stride;
  gs_arena arena;
} frame;

struct gesso_matches {
  gesso_doc *doc;
  const gesso_query *query;
  frame *frames;
  uint32_t depth, cap;
  uint64_t places, places_max;
};

static unsigned kind_of(const gesso_doc *doc, gesso_type type)
{
  const gs_type *t = &doc->types[type];
  return t->kind != GS_KIND_UNKNOWN ? t->kind : t->length > 0 ? GESSO_ARRAY : GESSO_MAP;
}

static bool has_elements(unsigned kind)
{
  return kind == GESSO_ARRAY || kind == GESSO_XML_ELEMENT || kind == GESSO_XML_FRAGMENT;
}

static bool has_members(unsigned kind)
{
  return kind == GESSO_MAP || kind == GESSO_XML_ELEMENT || kind == GESSO_XML_TEXT || kind == GESSO_XML_HOOK;
}

static gesso_value of_type(const gesso_doc *doc, gesso_type type)
{
  return (gesso_value){ .kind = GESSO_VALUE_TYPE, .type = (gesso_type_kind)kind_of(doc, type), .ref = type };
}

/* --- single values; *out is NULL when there is none --- */

static gesso_status copy_out(gs_arena *arena, const gesso_value *v, const gesso_value **out)
{
  gesso_value *copy = gs_arena_array(arena, 1, sizeof *copy);
  *out = copy;
  if (copy == NULL)
    return GESSO_E_NOMEM;
  *copy = *v;
  return GESSO_OK;
}

static gesso_status member(gesso_doc *doc, const gesso_value *v, gesso_bytes name, gs_arena *arena,
                           const gesso_value **out)
{
  *out = NULL;
  if (v == NULL) {
    gesso_type root = gesso_doc_find_root(doc, name);
    gesso_value value = root != 0 ? of_type(doc, root) : (gesso_value){ 0 };
    return root != 0 ? copy_out(arena, &value, out) : GESSO_OK;
  }
  if (v->kind == GESSO_VALUE_OBJECT) {
    for (size_t i = 0; i < v->count; i++)
      if (v->keys[i].len == name.len && memcmp(v->keys[i].data, name.data, name.len) == 0)
        *out = &v->items[i];
    return GESSO_OK;
  }
  gs_ix ix = v->kind == GESSO_VALUE_TYPE && has_members(kind_of(doc, v->ref)) ? gs_map_item(doc, v->ref, name) : 0;
  if (ix == 0)
    return GESSO_OK;
  gesso_value value;
  gesso_status st = gs_read_value(doc, &doc->items[ix], doc->items[ix].len - 1, arena, &value);
  return st == GESSO_OK ? copy_out(arena, &value, out) : st;
}

static gesso_status element(gesso_doc *doc, const gesso_value *v, int32_t index, gs_arena *arena,
                            const gesso_value **out)
{
  *out = NULL;
  if (v == NULL)
    return GESSO_OK;
  bool type = v->kind == GESSO_VALUE_TYPE && has_elements(kind_of(doc, v->ref));
  int64_t len = type ? doc->types[v->ref].length : v->kind == GESSO_VALUE_ARRAY ? (int64_t)v->count : 0;
  int64_t at = index < 0 ? len + index : index;
  if (at < 0 || at >= len)
    return GESSO_OK;
  if (!type) {
    *out = &v->items[at];
    return GESSO_OK;
  }
  gs_ix ix;
  uint32_t offset;
  gesso_value value;
  gesso_status st = gs_seq_find(doc, v->ref, (uint32_t)at, &ix, &offset);
  if (st == GESSO_OK)
    st = gs_read_value(doc, &doc->items[ix], offset, arena, &value);
  return st == GESSO_OK ? copy_out(arena, &value, out) : st;
}

/* --- lists: f->listing stays false when the value has none --- */

/* The list is whole. */
static void hold(frame *f)
{
  f->held = f->n;
  for (uint64_t i = 0; i < f->held; i++)
    if (f->list[i].kind == GESSO_VALUE_DOC)
      (void)gesso_doc_retain(f->list[i].doc);
}

static gesso_status list_roots(gesso_doc *doc, frame *f)
{
  gesso_value *v = gs_arena_array(&f->arena, doc->nkeys, sizeof *v);
  if (v == NULL)
    return GESSO_E_NOMEM;
  for (uint32_t k = 1; k < doc->nkeys; k++)
    if (doc->keys[k].root != 0)
      v[f->n++] = of_type(doc, doc->keys[k].root);
  f->list = v;
  return GESSO_OK;
}

static gesso_status list_sequence(gesso_doc *doc, gesso_type type, frame *f)
{
  uint64_t n = doc->types[type].length;
  gesso_value *v = gs_arena_array(&f->arena, n, sizeof *v);
  gesso_status st = v != NULL ? GESSO_OK : GESSO_E_NOMEM;
  for (gs_ix i = gs_first(doc, type); i != 0 && st == GESSO_OK; i = doc->items[i].right) {
    const gs_item *it = &doc->items[i];
    if (!gs_is_visible(it))
      continue;
    st = gs_read_values(doc, it, 0, it->len, &f->arena, v + f->n);
    f->n += it->len;
  }
  f->list = v;
  if (st == GESSO_OK)
    hold(f);
  return st;
}

static gesso_status list_entries(gesso_doc *doc, gesso_type map, frame *f)
{
  uint64_t n = 0;
  for (uint32_t s = doc->types[map].maps; s != 0; s = doc->slots[s].next)
    n++;
  gesso_value *v = gs_arena_array(&f->arena, n, sizeof *v);
  gesso_status st = v != NULL ? GESSO_OK : GESSO_E_NOMEM;
  for (uint32_t s = doc->types[map].maps; s != 0 && st == GESSO_OK; s = doc->slots[s].next) {
    gs_ix tail = doc->slots[s].tail;
    if (tail != 0 && !gs_is_deleted(&doc->items[tail]))
      st = gs_read_value(doc, &doc->items[tail], doc->items[tail].len - 1, &f->arena, &v[f->n++]);
  }
  f->list = v;
  if (st == GESSO_OK)
    hold(f);
  return st;
}

static gesso_status list_all(gesso_doc *doc, frame *f, bool members_too)
{
  const gesso_value *v = f->value;
  gesso_status st = GESSO_OK;
  f->at = f->n = 0;
  f->stride = 1;
  unsigned kind = v != NULL && v->kind == GESSO_VALUE_TYPE ? kind_of(doc, v->ref) : GESSO_TEXT;
  bool has = true;
  if (v == NULL && members_too) {
    st = list_roots(doc, f);
  } else if (v != NULL && (v->kind == GESSO_VALUE_ARRAY || (v->kind == GESSO_VALUE_OBJECT && members_too))) {
    f->list = v->items;
    f->n = v->count;
  } else if (has_elements(kind)) {
    st = list_sequence(doc, v->ref, f);
  } else if (kind == GESSO_MAP && members_too) {
    st = list_entries(doc, v->ref, f);
  } else {
    has = false;
  }
  f->listing = has && st == GESSO_OK;
  return st;
}

/* Several members or elements; those that are not there are left out. */
static gesso_status list_some(gesso_doc *doc, const gesso_query *q, const gs_step *s, frame *f)
{
  gesso_value *v = gs_arena_array(&f->arena, s->count, sizeof *v);
  gesso_status st = v != NULL ? GESSO_OK : GESSO_E_NOMEM;
  f->at = f->n = 0;
  f->stride = 1;
  for (uint32_t i = 0; i < s->count && st == GESSO_OK; i++) {
    const gesso_value *found;
    if (s->kind == GS_STEP_MEMBERS)
      st = member(doc, f->value, q->names[s->first + i], &f->arena, &found);
    else
      st = element(doc, f->value, q->indexes[s->first + i], &f->arena, &found);
    if (st == GESSO_OK && found != NULL)
      v[f->n++] = *found;
  }
  f->list = v;
  f->listing = st == GESSO_OK;
  if (st == GESSO_OK)
    hold(f);
  return st;
}

/* --- the walk --- */

static gesso_status push(gesso_matches *m, frame f)
{
  if (!gs_grow(m->doc->alloc, &m->frames, &m->cap, (size_t)m->depth + 1, sizeof f))
    return GESSO_E_NOMEM;
  f.arena = gs_arena_make(m->doc->alloc);
  m->frames[m->depth++] = f;
  return GESSO_OK;
}

static void pop(gesso_matches *m)
{
  frame *f = &m->frames[--m->depth];
  for (uint64_t i = 0; i < f->held; i++)
    if (f->list[i].kind == GESSO_VALUE_DOC)
      gesso_doc_destroy(f->list[i].doc);
  gs_arena_finish(&f->arena);
}

/* Takes the steps of the topmost place until one of them is a list, finds nothing (*missed, f->step is it), or all are
 * taken. */
static gesso_status take_steps(gesso_matches *m, bool *missed)
{
  frame *f = &m->frames[m->depth - 1];
  *missed = false;
  while (f->step < m->query->nsteps && !f->listing && !*missed) {
    const gs_step *s = &m->query->steps[f->step];
    const gesso_value *found = f->value;
    gesso_status st = GESSO_OK;
    switch (s->kind) {
    case GS_STEP_ROOT:
      f->value = NULL;
      break;
    case GS_STEP_CURRENT:
      break;
    case GS_STEP_MEMBERS:
    case GS_STEP_INDEXES:
      if (s->count != 1) {
        st = list_some(m->doc, m->query, s, f);
        break;
      }
      st = s->kind == GS_STEP_MEMBERS ? member(m->doc, f->value, m->query->names[s->first], &f->arena, &found)
                                      : element(m->doc, f->value, m->query->indexes[s->first], &f->arena, &found);
      if (st == GESSO_OK && found == NULL)
        *missed = true;
      else if (st == GESSO_OK)
        f->value = found;
      break;
    case GS_STEP_SLICE:
      st = list_all(m->doc, f, false);
      f->at = GS_MIN(s->from, f->n);
      f->n = GS_MIN(s->to, f->n);
      f->stride = s->step;
      *missed = st == GESSO_OK && !f->listing;
      break;
    case GS_STEP_ALL:
    case GS_STEP_DESCEND:
      st = list_all(m->doc, f, true);
      *missed = st == GESSO_OK && !f->listing;
      f->descending |= s->kind == GS_STEP_DESCEND && st == GESSO_OK;
      break;
    }
    if (st != GESSO_OK || *missed)
      return st;
    f->step++;
  }
  return GESSO_OK;
}

gesso_matches *gesso_query_run(gesso_doc *doc, const gesso_query *query, uint64_t places_max)
{
  gesso_matches *m = GS_NEW(doc->alloc, gesso_matches);
  if (m == NULL)
    return NULL;
  m->doc = doc;
  m->query = query;
  m->places_max = places_max != 0 ? places_max : UINT64_MAX;
  if (push(m, (frame){ .step = 0 }) != GESSO_OK) {
    gesso_matches_destroy(m);
    return NULL;
  }
  return m;
}

gesso_status gesso_matches_next(gesso_matches *m, gesso_value *out)
{
  *out = (gesso_value){ .kind = GESSO_VALUE_UNDEFINED };
  while (m->depth > 0) {
    frame *f = &m->frames[m->depth - 1];
    if (f->listing) {
      if (f->at >= f->n) {
        pop(m);
        continue;
      }
      if (m->places == m->places_max)
        return GESSO_E_LIMIT;
      m->places++;
      frame next = { .step = f->step, .descending = f->descending, .value = &f->list[f->at] };
      if (push(m, next) != GESSO_OK)
        return GESSO_E_NOMEM;
      f = &m->frames[m->depth - 2];
      f->at += GS_MIN(f->stride, f->n - f->at);
      f++;
    } else if (f->step == m->query->nsteps) {
      /* It was shown. */
      pop(m);
      continue;
    }
    bool missed;
    gesso_status st = take_steps(m, &missed);
    f = &m->frames[m->depth - 1];
    if (st != GESSO_OK)
      return st;
    if (missed && f->descending) {
      /* Not here: the same step again in what is inside. */
      st = list_all(m->doc, f, true);
      if (st != GESSO_OK)
        return st;
    }
    if (f->listing)
      continue;
    if (missed || f->value == NULL) {
      pop(m);
      continue;
    }
    *out = *f->value;
    return GESSO_OK;
  }
  return GESSO_E_NOTFOUND;
}

void gesso_matches_destroy(gesso_matches *m)
{
  if (m == NULL)
    return;
  while (m->depth > 0)
    pop(m);
  gs_free(m->doc->alloc, m->frames, m->cap * sizeof *m->frames);
  gs_free(m->doc->alloc, m, sizeof *m);
}
