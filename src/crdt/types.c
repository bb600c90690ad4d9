/* Shared types and the slots in which their items are chained. */
#include "crdt/crowd.h"
#include "crdt/doc_impl.h"
#include "crdt/seq.h"
#include "crdt/structs.h"

#include <assert.h>

static uint32_t hash_slot(const gesso_doc *doc, uint32_t type, uint32_t key)
{
  uint64_t h = (((uint64_t)type << 32 | key) ^ doc->hash_seed) * 0x9e3779b97f4a7c15ULL;
  return (uint32_t)(h >> 32);
}

/* Keys of a map that a walk over its slots finds as fast as the hash: most maps have no more. */
#ifndef GS_RUNS_SMALL
enum { GS_MAP_SMALL = 16 };
#else
enum { GS_MAP_SMALL = 2 };
#endif

static void hash_put(gesso_doc *doc, uint32_t slot)
{
  uint32_t mask = doc->slot_hash_cap - 1;
  uint32_t h = hash_slot(doc, doc->slots[slot].type, doc->slots[slot].key) & mask;
  while (doc->slot_hash[h] != 0)
    h = (h + 1) & mask;
  doc->slot_hash[h] = slot;
}

/* Room for one more. */
static bool hash_room(gesso_doc *doc)
{
  if (doc->nhashed < doc->slot_hash_cap / 4 * 3)
    return true;
  if (doc->slot_hash_cap > UINT32_MAX / 2)
    return false;
  uint32_t cap = doc->slot_hash_cap == 0 ? 4 * GS_MAP_SMALL : doc->slot_hash_cap * 2;
  uint32_t *hash = gs_alloc_zero(doc->alloc, cap * sizeof *hash);
  if (hash == NULL)
    return false;
  uint32_t *old = doc->slot_hash, old_cap = doc->slot_hash_cap;
  doc->slot_hash = hash;
  doc->slot_hash_cap = cap;
  enum { AHEAD = 8 }; /* of slots that are all over the memory */
  for (uint32_t i = 0; i < old_cap; i++) {
    __builtin_prefetch(&doc->slots[old[GS_MIN(i + AHEAD, old_cap - 1)]]);
    if (old[i] != 0)
      hash_put(doc, old[i]);
  }
  gs_free(doc->alloc, old, old_cap * sizeof *old);
  return true;
}

static void hash_remove(gesso_doc *doc, uint32_t slot)
{
  uint32_t mask = doc->slot_hash_cap - 1;
  uint32_t h = hash_slot(doc, doc->slots[slot].type, doc->slots[slot].key) & mask;
  while (doc->slot_hash[h] != slot)
    h = (h + 1) & mask;
  /* Close the gap: move back what hashed to or before it. */
  for (uint32_t at = (h + 1) & mask; doc->slot_hash[at] != 0; at = (at + 1) & mask) {
    const gs_slot *s = &doc->slots[doc->slot_hash[at]];
    uint32_t home = hash_slot(doc, s->type, s->key) & mask;
    if (((at - home) & mask) >= ((at - h) & mask)) {
      doc->slot_hash[h] = doc->slot_hash[at];
      h = at;
    }
  }
  doc->slot_hash[h] = 0;
}

bool gs_slot_hash_allowed(const gesso_doc *doc, size_t slots, size_t besides)
{
  size_t most = GS_MIN(doc->nhashed + slots * (GS_MAP_SMALL + 1), doc->nslots + slots), cap = doc->slot_hash_cap;
  if (doc->mem.max == 0 || most <= cap / 4 * 3)
    return true;
  while (cap / 4 * 3 < most)
    cap = cap == 0 ? 4 * GS_MAP_SMALL : cap * 2;
  /* The next smaller one is held until the last is filled. */
  size_t more = (cap + cap / 2 - doc->slot_hash_cap) * sizeof *doc->slot_hash + besides;
  return more <= doc->mem.max && doc->mem.used <= doc->mem.max - more;
}

/* Takes the first of a map's slots, up to `end`, out of the hash. */
static void unhash(gesso_doc *doc, gs_type *t, uint32_t end)
{
  for (uint32_t slot = t->maps; slot != end; slot = doc->slots[slot].next) {
    hash_remove(doc, slot);
    doc->nhashed--;
  }
  t->hashed = false;
}

/* A map that is not small got one more slot. Where there is no memory for the hash it has none, and its slots are
 * walked: slow, and just as right. */
static __attribute__((noinline)) void hash_new(gesso_doc *doc, gs_type *t)
{
  uint32_t slot = t->hashed ? t->maps_last : t->maps;
  for (; slot != 0; slot = doc->slots[slot].next) {
    if (!hash_room(doc)) {
      unhash(doc, t, slot);
      return;
    }
    hash_put(doc, slot);
    doc->nhashed++;
  }
  t->hashed = true;
}

bool gs_slot_runs_reserve(gesso_doc *doc)
{
  uint32_t old = doc->slot_runs_cap;
  if (!gs_grow(doc->alloc, &doc->slot_runs, &doc->slot_runs_cap, doc->nslots, sizeof *doc->slot_runs))
    return false;
  if (doc->slot_runs_cap > old)
    memset(doc->slot_runs + old, 0, (doc->slot_runs_cap - old) * sizeof *doc->slot_runs);
  return true;
}

bool gs_types_grow(gesso_doc *doc, size_t types, size_t slots)
{
  return (types == 0 ||
          gs_grow(doc->alloc, &doc->types, &doc->types_cap, (size_t)doc->ntypes + types, sizeof(gs_type))) &&
         (slots == 0 ||
          gs_grow(doc->alloc, &doc->slots, &doc->slots_cap, (size_t)doc->nslots + slots, sizeof(gs_slot)));
}

uint32_t gs_type_new_reserved(gesso_doc *doc, unsigned kind, uint32_t name, gs_ix item)
{
  assert(doc->ntypes < doc->types_cap);
  uint32_t ix = doc->ntypes++;
  doc->types[ix] = (gs_type){ .kind = (uint8_t)kind, .name = name, .item = item };
  doc->has_weak |= kind == GESSO_WEAK_LINK;
  return ix;
}

uint32_t gs_root_reserved(gesso_doc *doc, uint32_t key)
{
  if (doc->keys[key].root == 0)
    doc->keys[key].root = gs_type_new_reserved(doc, GS_KIND_UNKNOWN, key, 0);
  return doc->keys[key].root;
}

__attribute__((noinline)) uint32_t gs_slot_find(const gesso_doc *doc, uint32_t type, uint32_t key)
{
  const gs_type *t = &doc->types[type];
  if (key == 0)
    return t->seq;
  if ((t->keys & gs_key_bit(key)) == 0)
    return 0;
  if (!t->hashed) {
    uint32_t slot = t->maps;
    while (slot != 0 && doc->slots[slot].key != key)
      slot = doc->slots[slot].next;
    return slot;
  }
  uint32_t mask = doc->slot_hash_cap - 1;
  for (uint32_t h = hash_slot(doc, type, key) & mask; doc->slot_hash[h] != 0; h = (h + 1) & mask) {
    const gs_slot *s = &doc->slots[doc->slot_hash[h]];
    if (s->type == type && s->key == key)
      return doc->slot_hash[h];
  }
  return 0;
}

uint32_t gs_slot_of_reserved(gesso_doc *doc, uint32_t type, uint32_t key)
{
  gs_type *t = &doc->types[type];
  uint32_t slot = key == 0 ? t->seq : key < doc->slot_keys && (t->keys & gs_key_bit(key)) != 0 ? gs_slot_find(doc, type, key) : 0;
  if (slot != 0)
    return slot;
  slot = doc->free_slot;
  if (slot != 0) {
    doc->free_slot = doc->slots[slot].next;
  } else {
    assert(doc->nslots < doc->slots_cap);
    slot = doc->nslots++;
  }
  doc->slots[slot] = (gs_slot){ .type = type, .key = key };
  if (key == 0) {
    t->seq = slot;
  } else {
    doc->keyed = true;
    doc->slot_keys = GS_MAX(doc->slot_keys, key + 1);
    t->keys = (uint16_t)(t->keys | gs_key_bit(key));
    if (t->maps != 0)
      doc->slots[t->maps_last].next = slot;
    else
      t->maps = slot;
    t->maps_last = slot;
    if (t->few < GS_MAP_SMALL)
      t->few++;
    else
      hash_new(doc, t);
  }
  return slot;
}

void gs_slots_release(gesso_doc *doc, uint32_t type)
{
  gs_type *t = &doc->types[type];
  gs_seq_drop(doc, type);
  if (doc->ncrowds > 0 && t->seq != 0)
    gs_crowds_drop(doc, t->seq);
  if (t->hashed)
    unhash(doc, t, 0);
  for (uint32_t slot = t->maps; slot != 0;) {
    uint32_t next = doc->slots[slot].next;
    if (doc->ncrowds > 0)
      gs_crowds_drop(doc, slot);
    doc->slots[slot] = (gs_slot){ .next = doc->free_slot };
    doc->free_slot = slot;
    slot = next;
  }
  if (t->seq != 0) {
    doc->slots[t->seq] = (gs_slot){ .next = doc->free_slot };
    doc->free_slot = t->seq;
  }
  t->maps = t->maps_last = t->seq = 0;
  t->length = t->few = t->keys = 0;
}

gesso_status gesso_type_get_id(const gesso_doc *doc, gesso_type type, uint64_t *client_out, uint64_t *clock_out)
{
  if (type == 0 || type >= doc->ntypes)
    return GESSO_E_USAGE;
  gs_ix ix = doc->types[type].item;
  if (ix == 0)
    return GESSO_E_NOTFOUND;
  *client_out = doc->clients[gs_client_of(&doc->items[ix])].id;
  *clock_out = doc->items[ix].clock;
  return GESSO_OK;
}

gesso_type gesso_doc_find_type(const gesso_doc *doc, uint64_t client, uint64_t clock)
{
  uint32_t c = gs_client_find(doc, client);
  if (c == 0 || clock >= doc->clients[c].clock)
    return 0;
  const gs_item *it = &doc->items[gs_struct_of(doc, (gs_id){ c, (uint32_t)clock })];
  return gs_kind(it) == GS_TYPE ? it->c.type : 0;
}
