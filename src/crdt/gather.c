/* Which events are read for whom. */
#include "crdt/event.h"
#include "crdt/observe.h"

#include <stdlib.h>

/* An event that goes to the deep observers of a type that its target is in. */
typedef struct deep_event {
  uint32_t list;  /* the how manieth type with deep observers */
  uint32_t depth; /* of the target below it */
  uint32_t event;
} deep_event;

typedef struct gather {
  gesso_doc *doc;
  gs_delivery *d;
  gs_arena *arena;
  gesso_event **events;
  uint32_t nevents, events_cap;
  uint32_t *deep; /* types with deep observers that have events */
  uint32_t ndeep, deep_cap;
  deep_event *pairs;
  uint32_t npairs, pairs_cap;
  uint32_t *keys; /* scratch */
  uint32_t nkeys, keys_cap;
  size_t steps_left; /* of paths */
} gather;

/* Types may be nested as deep as anybody likes, and each that changed has a path of its own. All together have so many
 * steps, and so many more for each entry in changed[]: an event has two at least. */
enum { STEPS_MAX = 1 << 20, STEPS_EACH = 32 };

static bool watched(const gesso_doc *doc, uint32_t type, gs_sub_kind kind)
{
  const gs_observers *o = doc->observers;
  uint32_t i = doc->types[type].watch;
  while (i != 0 && o->subs[i].kind != kind)
    i = o->subs[i].next;
  return i != 0;
}

/* work_next is nobody's between the edits and the collection. Here it is the list of a type with deep observers + 1 (see
 * note_deep), or says whether there is one above. */
#define BELOW_NONE UINT32_MAX
#define BELOW_DEEP (UINT32_MAX - 1)

/* Whether the type or something that it is in has deep observers. Each type is asked once. */
static bool is_deep(const gesso_doc *doc, uint32_t type)
{
  uint32_t t = type, said = BELOW_NONE;
  for (; t != 0; t = gs_type_holder(doc, t)) {
    if (doc->types[t].work_next == BELOW_NONE)
      break;
    if (doc->types[t].work_next != 0 || watched(doc, t, GS_SUB_DEEP)) {
      said = BELOW_DEEP;
      break;
    }
  }
  for (uint32_t end = t; type != end; type = gs_type_holder(doc, type))
    doc->types[type].work_next = said;
  return said == BELOW_DEEP;
}

static void forget_deep(const gather *g)
{
  const gesso_doc *doc = g->doc;
  const gs_observers *o = doc->observers;
  for (uint32_t i = 0; i < g->ndeep; i++)
    doc->types[g->deep[i]].work_next = 0;
  for (uint32_t i = 0; i < o->nchanged; i++)
    for (uint32_t t = o->changed[i].type; t != 0 && doc->types[t].work_next != 0; t = gs_type_holder(doc, t))
      doc->types[t].work_next = 0;
}

/* Reads the event of a type: head is its entry in changed[]. */
static gesso_status read_event(gather *g, uint32_t head, bool with_path, gesso_event **out)
{
  gesso_doc *doc = g->doc;
  const gs_changed *changed = doc->observers->changed;
  uint32_t type = changed[head].type;
  gesso_event *e = gs_arena_array(g->arena, 1, sizeof *e);
  *out = e;
  if (e == NULL)
    return GESSO_E_NOMEM;
  e->target = e->observed = type;
  e->kind = (gesso_type_kind)doc->types[type].kind;
  e->local = g->d->local;
  e->origin = (gesso_bytes){ g->d->origin.data, g->d->origin.len };
  bool sequence = false;
  g->nkeys = 0;
  uint32_t last = changed[head].next, i = last;
  do {
    i = changed[i].next;
    if (changed[i].key == 0) {
      sequence = true;
    } else {
      if (!gs_grow(doc->alloc, &g->keys, &g->keys_cap, (size_t)g->nkeys + 1, sizeof *g->keys))
        return GESSO_E_NOMEM;
      g->keys[g->nkeys++] = changed[i].key;
    }
  } while (i != last);
  gesso_status st = sequence ? gs_event_delta(doc, type, g->arena, e) : GESSO_OK;
  if (st == GESSO_OK)
    st = gs_event_keys(doc, type, g->keys, g->nkeys, g->arena, e);
  if (st == GESSO_OK && with_path)
    st = gs_event_path(doc, type, &g->steps_left, g->arena, e);
  return st;
}

/* Notes the event for the deep observers of the type and of all it is in. */
static bool note_deep(gather *g, uint32_t event)
{
  gesso_doc *doc = g->doc;
  uint32_t depth = 0;
  for (uint32_t t = g->events[event]->target; t != 0; t = gs_type_holder(doc, t), depth++) {
    if (!watched(doc, t, GS_SUB_DEEP))
      continue;
    if (!gs_grow(doc->alloc, &g->deep, &g->deep_cap, (size_t)g->ndeep + 1, sizeof *g->deep) ||
        !gs_grow(doc->alloc, &g->pairs, &g->pairs_cap, (size_t)g->npairs + 1, sizeof *g->pairs))
      return false;
    if (doc->types[t].work_next == 0) {
      g->deep[g->ndeep++] = t;
      doc->types[t].work_next = g->ndeep;
    }
    g->pairs[g->npairs++] = (deep_event){ doc->types[t].work_next - 1, depth, event };
  }
  return true;
}

static gesso_status read_events(gather *g)
{
  gesso_doc *doc = g->doc;
  const gs_observers *o = doc->observers;
  for (uint32_t i = 0; i < o->nchanged; i++) {
    uint32_t type = o->changed[i].type;
    if (o->changed[i].key != GS_NO_KEY || !gs_type_tells(doc, type))
      continue;
    bool deep = is_deep(doc, type);
    if (!deep && !watched(doc, type, GS_SUB_TYPE))
      continue;
    if (!gs_grow(doc->alloc, &g->events, &g->events_cap, (size_t)g->nevents + 1, sizeof *g->events))
      return GESSO_E_NOMEM;
    gesso_status st = read_event(g, i, deep, &g->events[g->nevents]);
    if (st != GESSO_OK)
      return st;
    g->nevents++;
    if (deep && !note_deep(g, g->nevents - 1))
      return GESSO_E_NOMEM;
  }
  return GESSO_OK;
}

static bool call_type(gather *g, gs_sub_kind kind, uint32_t type, const gesso_event *events, size_t count)
{
  const gs_observers *o = g->doc->observers;
  for (uint32_t i = g->doc->types[type].watch; i != 0; i = o->subs[i].next)
    if (o->subs[i].kind == kind && !gs_call_later(g->doc, g->d, o->subs[i].id, events, count))
      return false;
  return true;
}

static int by_list_and_depth(const void *a, const void *b)
{
  const deep_event *x = a, *y = b;
  if (x->list != y->list)
    return x->list < y->list ? -1 : 1;
  if (x->depth != y->depth)
    return x->depth < y->depth ? -1 : 1;
  return x->event < y->event ? -1 : x->event > y->event;
}

static gesso_status call_deep(gather *g)
{
  if (g->npairs > 1)
    qsort(g->pairs, g->npairs, sizeof *g->pairs, by_list_and_depth);
  gesso_event *v = gs_arena_array(g->arena, g->npairs, sizeof *v);
  if (v == NULL)
    return GESSO_E_NOMEM;
  for (uint32_t first = 0, end; first < g->npairs; first = end) {
    uint32_t list = g->pairs[first].list;
    for (end = first; end < g->npairs && g->pairs[end].list == list; end++) {
      const deep_event *p = &g->pairs[end];
      v[end] = *g->events[p->event];
      v[end].observed = g->deep[list];
      v[end].path += v[end].path_length - p->depth;
      v[end].path_length = p->depth;
    }
    if (!call_type(g, GS_SUB_DEEP, g->deep[list], v + first, end - first))
      return GESSO_E_NOMEM;
  }
  return GESSO_OK;
}

gesso_status gs_gather_events(gesso_doc *doc, gs_delivery *d)
{
  gather g = { .doc = doc, .d = d, .arena = &d->arena,
               .steps_left = STEPS_MAX + (size_t)doc->observers->nchanged * STEPS_EACH };
  gesso_status st = doc->observers->changed_lost ? GESSO_E_NOMEM : read_events(&g);
  forget_deep(&g);
  for (uint32_t i = 0; i < g.nevents && st == GESSO_OK; i++) {
    gesso_event *e = g.events[i], *own = e;
    if (e->path_length > 0) {
      own = gs_arena_array(g.arena, 1, sizeof *own);
      if (own != NULL) {
        *own = *e;
        own->path_length = 0;
      }
    }
    if (own == NULL || !call_type(&g, GS_SUB_TYPE, e->target, own, 1))
      st = GESSO_E_NOMEM;
  }
  if (st == GESSO_OK)
    st = call_deep(&g);
  gs_free(doc->alloc, g.events, g.events_cap * sizeof *g.events);
  gs_free(doc->alloc, g.deep, g.deep_cap * sizeof *g.deep);
  gs_free(doc->alloc, g.pairs, g.pairs_cap * sizeof *g.pairs);
  gs_free(doc->alloc, g.keys, g.keys_cap * sizeof *g.keys);
  return st;
}
