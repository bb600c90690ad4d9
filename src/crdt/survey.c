#include "crdt/survey.h"

#include "crdt/runs.h"

static bool is_tombstone(const gs_item *it)
{
  return gs_kind(it) == GS_DELETED || gs_is_deleted(it);
}

/* The map that a tombstone was a value of, with its key's slot; 0: none. */
static uint32_t map_of(const gesso_doc *doc, const gs_item *it)
{
  if (gs_kind(it) == GS_GC || !is_tombstone(it) || it->slot == 0 || doc->slots[it->slot].key == 0)
    return 0;
  return doc->slots[it->slot].type;
}

static void look_at_client(const gesso_doc *doc, uint32_t client, uint32_t *alternating, gs_survey *out)
{
  gs_walk w;
  uint32_t last_map = 0, last_slot = 0;
  gs_walk_start(&w, doc, client, 0);
  for (const gs_item *it; (it = gs_walk_next(&w)) != NULL;) {
    uint32_t map = map_of(doc, it);
    out->structs++;
    if (gs_kind(it) == GS_GC)
      out->gc_ranges++;
    else if (is_tombstone(it))
      out->tombstones++;
    else
      out->live++;
    if (map != 0 && map == last_map && it->slot != last_slot) {
      out->alternating++;
      alternating[map]++;
    }
    last_map = map;
    last_slot = map != 0 ? it->slot : 0;
  }
}

gesso_status gs_doc_survey(const gesso_doc *doc, gs_survey *out)
{
  *out = (gs_survey){ 0 };
  size_t bytes = ((size_t)doc->ntypes + 1) * sizeof(uint32_t);
  uint32_t *alternating = gs_alloc_zero(NULL, bytes);
  if (alternating == NULL)
    return GESSO_E_NOMEM;
  for (uint32_t c = 1; c < doc->nclients; c++) {
    if (doc->clients[c].clock == 0)
      continue;
    out->clients++;
    look_at_client(doc, c, alternating, out);
  }
  for (uint32_t t = 1; t < doc->ntypes; t++) {
    out->types += !doc->types[t].dead;
    if (alternating[t] > out->worst_alternating) {
      out->worst_alternating = alternating[t];
      out->worst = t;
    }
  }
  gs_free(NULL, alternating, bytes);
  return GESSO_OK;
}

static void write_place(const gesso_doc *doc, gs_ix item, gs_buf *out)
{
  const gs_slot *slot = &doc->slots[doc->items[item].slot];
  gs_buf_put(out, '/');
  if (slot->key != 0) {
    gesso_bytes key = gs_key_text(doc, slot->key);
    gs_buf_write(out, key.data, key.len);
    return;
  }
  uint64_t index = 0;
  for (gs_ix ix = slot->head; ix != 0 && ix != item; ix = doc->items[ix].right)
    index += gs_visible_len(&doc->items[ix]);
  gs_buf_printf(out, "%llu", (unsigned long long)index);
}

void gs_type_path(const gesso_doc *doc, gesso_type type, gs_buf *out)
{
  /* Types are nested as deep as anybody likes: deeper than the stack is. */
  gs_ix *items = NULL;
  uint32_t n = 0, cap = 0;
  for (gs_ix item; (item = doc->types[type].item) != 0; type = doc->slots[doc->items[item].slot].type) {
    if (!gs_grow(NULL, &items, &cap, (size_t)n + 1, sizeof *items)) {
      out->err = GESSO_E_NOMEM;
      break;
    }
    items[n++] = item;
  }
  if (out->err == GESSO_OK) {
    gesso_bytes name = gs_key_text(doc, doc->types[type].name);
    gs_buf_write(out, name.data, name.len);
    while (n > 0)
      write_place(doc, items[--n], out);
  }
  gs_free(NULL, items, cap * sizeof *items);
}
