#include "crdt/event.h"
#include "crdt/content.h"
#include "crdt/format.h"
#include "crdt/read.h"
#include "crdt/read_value.h"
#include "crdt/seq.h"

bool gs_type_tells(const gesso_doc *doc, uint32_t type)
{
  const gs_type *t = &doc->types[type];
  return t->kind != GS_KIND_UNKNOWN && !t->dead && (t->item == 0 || !gs_is_deleted(&doc->items[t->item]));
}

static bool went(const gs_item *it)
{
  return (it->head & GS_ITEM_DELNOW) != 0;
}

/* A delta in the making. */
typedef struct delta {
  gesso_doc *doc;
  gs_arena *arena;
  gesso_status st;
  gesso_change *v; /* done */
  uint32_t n, cap;
  gesso_change_kind kind; /* of the change that is being made; 0: none */
  uint64_t length;
  gesso_value *values; /* INSERT into an array */
  uint32_t nvalues, values_cap;
  gs_buf text; /* INSERT into text */
  /* Text only. What applies to an insertion here; what applied here before; what a RETAIN changes. */
  gs_attrs current, old, retained;
} delta;

static delta delta_make(gesso_doc *doc, gs_arena *arena)
{
  gs_attrs none = { .alloc = doc->alloc };
  return (delta){ .doc = doc, .arena = arena, .text = gs_buf_make(doc->alloc), .current = none, .old = none,
                  .retained = none };
}

static void fail(delta *d, gesso_status st)
{
  if (d->st == GESSO_OK)
    d->st = st;
}

static void *copy(delta *d, const void *v, size_t n, size_t elem)
{
  void *p = gs_arena_array(d->arena, n, elem);
  if (p == NULL)
    fail(d, GESSO_E_NOMEM);
  else if (n > 0)
    memcpy(p, v, n * elem);
  return p;
}

static void put_attributes(delta *d, gesso_change *c, const gs_attrs *attrs)
{
  gesso_bytes *keys = gs_arena_array(d->arena, attrs->n, sizeof *keys);
  gesso_value *values = gs_arena_array(d->arena, attrs->n, sizeof *values);
  if (keys == NULL || values == NULL) {
    fail(d, GESSO_E_NOMEM);
    return;
  }
  for (uint32_t i = 0; i < attrs->n; i++) {
    keys[i] = attrs->v[i].key;
    if (!gs_arena_copy(d->arena, &keys[i]) ||
        gs_read_json_value(attrs->v[i].value, d->arena, &values[i]) != GESSO_OK)
      fail(d, GESSO_E_NOMEM);
  }
  c->attribute_keys = keys;
  c->attribute_values = values;
  c->nattributes = attrs->n;
}

/* Ends the change that is being made, if there is one. */
static void end(delta *d)
{
  gesso_change c = { .kind = d->kind, .length = d->length };
  if (c.kind == 0 || d->st != GESSO_OK)
    return;
  if (c.kind == GESSO_CHANGE_INSERT) {
    if (d->text.b.len > 0) {
      gesso_value s = { .kind = GESSO_VALUE_STRING, .bytes = gs_buf_bytes(&d->text) };
      if (d->text.err != GESSO_OK || !gs_arena_copy(d->arena, &s.bytes))
        fail(d, GESSO_E_NOMEM);
      c.values = copy(d, &s, 1, sizeof s);
      c.nvalues = 1;
      gs_buf_clear(&d->text);
    } else {
      c.values = copy(d, d->values, d->nvalues, sizeof *d->values);
      c.nvalues = d->nvalues;
    }
    d->nvalues = 0;
  }
  if (c.kind != GESSO_CHANGE_DELETE)
    put_attributes(d, &c, c.kind == GESSO_CHANGE_INSERT ? &d->current : &d->retained);
  d->kind = 0;
  d->length = 0;
  if (!gs_grow(d->doc->alloc, &d->v, &d->cap, (size_t)d->n + 1, sizeof *d->v))
    fail(d, GESSO_E_NOMEM);
  else
    d->v[d->n++] = c;
}

static void go_on(delta *d, gesso_change_kind kind, uint32_t length)
{
  if (d->kind != kind)
    end(d);
  d->kind = kind;
  d->length += length;
}

static void add_values(delta *d, const gs_item *it, uint32_t from)
{
  /* What does not count has no values, but an array tells that it came. */
  uint32_t n = gs_is_countable(it) ? it->len - from : 0;
  go_on(d, GESSO_CHANGE_INSERT, n);
  if (d->st != GESSO_OK || n == 0)
    return;
  if (!gs_grow(d->doc->alloc, &d->values, &d->values_cap, (size_t)d->nvalues + n, sizeof *d->values)) {
    fail(d, GESSO_E_NOMEM);
    return;
  }
  gesso_status st = gs_read_values(d->doc, it, from, n, d->arena, d->values + d->nvalues);
  if (st != GESSO_OK)
    fail(d, st);
  d->nvalues += n;
}

static void array_item(delta *d, const gs_item *it)
{
  uint32_t old = gs_item_old(d->doc, it);
  if (gs_is_deleted(it)) {
    if (went(it) && old > 0)
      go_on(d, GESSO_CHANGE_DELETE, old);
    return;
  }
  if (old > 0)
    go_on(d, GESSO_CHANGE_RETAIN, old);
  if (old < it->len)
    add_values(d, it, old);
}

/* The decisions of Yjs, one by one; also what it does about formats that say nothing new. Yjs deletes them while it
 * reads the delta. Here they are passed by: the reader of an event edits nothing. */
static void text_format(delta *d, const gs_item *it)
{
  gs_attr f = gs_format_of(d->doc, it);
  bool fresh = gs_item_old(d->doc, it) == 0;
  if (fresh && !went(it)) {
    if (!gs_bytes_eq(gs_attrs_get(&d->current, f.key), f.value)) {
      if (d->kind == GESSO_CHANGE_RETAIN)
        end(d);
      if (gs_bytes_eq(gs_attrs_get(&d->old, f.key), f.value))
        gs_attrs_remove(&d->retained, f.key);
      else
        gs_attrs_set(&d->retained, f.key, f.value);
    } else if (!gs_json_is_null(f.value)) {
      return;
    }
  } else if (!fresh && went(it)) {
    gs_attrs_set(&d->old, f.key, f.value);
    gesso_bytes now = gs_attrs_get(&d->current, f.key);
    if (!gs_bytes_eq(now, f.value)) {
      if (d->kind == GESSO_CHANGE_RETAIN)
        end(d);
      gs_attrs_set(&d->retained, f.key, now);
    }
  } else if (!gs_is_deleted(it)) {
    gs_attrs_set(&d->old, f.key, f.value);
    if (gs_attrs_has(&d->retained, f.key)) {
      gesso_bytes change = gs_attrs_get(&d->retained, f.key);
      if (!gs_bytes_eq(change, f.value)) {
        if (d->kind == GESSO_CHANGE_RETAIN)
          end(d);
        if (gs_json_is_null(f.value))
          gs_attrs_remove(&d->retained, f.key);
        else
          gs_attrs_set(&d->retained, f.key, f.value);
      } else if (!gs_json_is_null(change)) {
        return;
      }
    }
  }
  if (gs_is_deleted(it))
    return;
  if (d->kind == GESSO_CHANGE_INSERT)
    end(d);
  gs_attrs_update(&d->current, f);
}

static void text_item(delta *d, const gs_item *it)
{
  unsigned kind = gs_kind(it);
  if (kind == GS_FORMAT) {
    text_format(d, it);
    return;
  }
  if (kind != GS_STRING && kind != GS_EMBED && kind != GS_TYPE)
    return;
  uint32_t old = gs_item_old(d->doc, it);
  if (gs_is_deleted(it)) {
    if (went(it) && old > 0)
      go_on(d, GESSO_CHANGE_DELETE, old);
    return;
  }
  if (old > 0)
    go_on(d, GESSO_CHANGE_RETAIN, old);
  if (old == it->len)
    return;
  if (kind == GS_STRING) {
    go_on(d, GESSO_CHANGE_INSERT, it->len - old);
    gesso_bytes c = gs_content(d->doc, it);
    int pair;
    size_t from = gs_content_find(d->doc, it, old, &pair);
    gs_buf_write(&d->text, c.data + from, c.len - from);
  } else {
    end(d);
    add_values(d, it, 0);
    end(d);
  }
}

gesso_status gs_event_delta(gesso_doc *doc, uint32_t type, gs_arena *arena, gesso_event *out)
{
  delta d = delta_make(doc, arena);
  bool text = doc->types[type].kind == GESSO_TEXT || doc->types[type].kind == GESSO_XML_TEXT;
  for (gs_ix i = gs_first(doc, type); i != 0 && d.st == GESSO_OK; i = doc->items[i].right) {
    if (text)
      text_item(&d, &doc->items[i]);
    else
      array_item(&d, &doc->items[i]);
  }
  if (text || d.kind != GESSO_CHANGE_RETAIN)
    end(&d);
  while (text && d.n > 0 && d.v[d.n - 1].kind == GESSO_CHANGE_RETAIN && d.v[d.n - 1].nattributes == 0)
    d.n--;
  if (d.current.nomem || d.old.nomem || d.retained.nomem)
    fail(&d, GESSO_E_NOMEM);
  out->delta = copy(&d, d.v, d.n, sizeof *d.v);
  out->delta_length = d.n;
  gs_free(doc->alloc, d.v, d.cap * sizeof *d.v);
  gs_free(doc->alloc, d.values, d.values_cap * sizeof *d.values);
  gs_buf_finish(&d.text);
  gs_attrs_finish(&d.current);
  gs_attrs_finish(&d.old);
  gs_attrs_finish(&d.retained);
  return d.st;
}

static gesso_status last_value(gesso_doc *doc, const gs_item *it, gs_arena *arena, const gesso_value **out)
{
  gesso_value *v = gs_arena_alloc(arena, sizeof *v);
  *out = v;
  return v != NULL ? gs_read_value(doc, it, it->len - 1, arena, v) : GESSO_E_NOMEM;
}

gesso_status gs_event_keys(gesso_doc *doc, uint32_t type, const uint32_t *keys, uint32_t n, gs_arena *arena,
                           gesso_event *out)
{
  gesso_key_change *v = gs_arena_array(arena, n, sizeof *v);
  if (v == NULL)
    return GESSO_E_NOMEM;
  out->keys = v;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t slot = gs_slot_find(doc, type, keys[i]);
    gs_ix now = slot != 0 ? doc->slots[slot].tail : 0;
    if (now == 0)
      continue;
    const gs_item *it = &doc->items[now], *was = it;
    if (gs_item_old(doc, it) == 0) {
      gs_ix before = it->left;
      while (before != 0 && before != GS_PACKED && gs_item_old(doc, &doc->items[before]) == 0)
        before = doc->items[before].left;
      was = before != 0 && before != GS_PACKED && went(&doc->items[before]) ? &doc->items[before] : NULL;
      if (went(it) && was == NULL)
        continue;
    } else if (!went(it)) {
      continue;
    }
    gesso_key_change *c = &v[out->keys_length];
    c->key = gs_key_text(doc, keys[i]);
    if (!gs_arena_copy(arena, &c->key))
      return GESSO_E_NOMEM;
    c->action = was == NULL ? GESSO_KEY_ADD : went(it) ? GESSO_KEY_REMOVE : GESSO_KEY_UPDATE;
    gesso_status st = was != NULL ? last_value(doc, was, arena, &c->old_value) : GESSO_OK;
    if (st == GESSO_OK && !went(it))
      st = last_value(doc, it, arena, &c->new_value);
    if (st != GESSO_OK)
      return st;
    out->keys_length++;
  }
  return GESSO_OK;
}

gesso_status gs_event_path(gesso_doc *doc, uint32_t type, size_t *steps_left, gs_arena *arena, gesso_event *out)
{
  size_t n = 0;
  for (uint32_t t = type; doc->types[t].item != 0; n++) {
    if (n == *steps_left)
      return GESSO_E_LIMIT;
    t = doc->slots[doc->items[doc->types[t].item].slot].type;
  }
  *steps_left -= n;
  gesso_path_step *v = gs_arena_array(arena, n, sizeof *v);
  if (v == NULL)
    return GESSO_E_NOMEM;
  out->path = v;
  out->path_length = n;
  for (uint32_t t = type; n > 0;) {
    gs_ix item = doc->types[t].item;
    const gs_slot *slot = &doc->slots[doc->items[item].slot];
    gesso_path_step *step = &v[--n];
    t = slot->type;
    if (slot->key == 0) {
      step->index = gs_seq_index_of(doc, t, item);
      continue;
    }
    step->is_key = 1;
    step->key = gs_key_text(doc, slot->key);
    if (!gs_arena_copy(arena, &step->key))
      return GESSO_E_NOMEM;
  }
  return GESSO_OK;
}
