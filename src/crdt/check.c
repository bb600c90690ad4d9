/* gesso_doc_check: walks everything and compares it with what doc_impl.h says must be true. */
#include "crdt/crowd.h"
#include "crdt/content.h"
#include "crdt/pending.h"
#include "crdt/runs.h"
#include "crdt/seq.h"
#include "crdt/subdoc.h"
#include "crdt/undo.h"
#include "wire/any.h"
#include "wire/utf8.h"

static const char *check_content(const gesso_doc *doc, const gs_item *it)
{
  unsigned kind = gs_kind(it);
  if (kind == GS_TYPE)
    return it->c.type > 0 && it->c.type < doc->ntypes && !doc->types[it->c.type].dead ? NULL : "a type item without its type";
  if (!gs_kind_has_bytes(kind))
    return NULL;
  if ((it->head & GS_ITEM_INLINE) == 0 &&
      (it->c.at > doc->text_len || it->c.bytes > doc->text_len - it->c.at))
    return "a content outside of the text";
  gesso_bytes c = gs_content(doc, it);
  if ((kind == GS_STRING || kind == GS_ANY) && (it->head & GS_ITEM_INLINE) == 0 && c.len <= GS_INLINE_MAX)
    return "a short content outside of its item";
  if (kind == GS_STRING)
    return gs_utf8_invalid_at(c) == c.len && gs_utf8_utf16_len(c) == it->len ? NULL : "the length of a string";
  if (kind == GS_ANY) {
    gs_reader rd = gs_reader_of(c);
    for (uint32_t i = 0; i < it->len; i++)
      gs_any_skip(&rd);
    return rd.err == GESSO_OK && gs_reader_left(&rd) == 0 ? NULL : "the length of a list of values";
  }
  return kind == GS_JSON || it->len == 1 ? NULL : "the length of a single content";
}

/* Whether the item was once one with what follows it in clocks. A map value of several elements, which no Yjs
 * client makes, can be cut: its front part then stays live, as in Yjs. */
static bool is_cut(const gesso_doc *doc, const gs_item *it)
{
  gs_id next = { gs_client_of(it), it->clock + it->len };
  if (next.clock >= doc->clients[next.client].clock)
    return false;
  gs_walk w; /* what follows may be packed by now */
  gs_walk_start(&w, doc, next.client, next.clock);
  const gs_item *r = gs_walk_next(&w);
  return r != NULL && r->slot == it->slot && r->clock == next.clock && gs_id_eq(r->origin, gs_last_id(it));
}

static const char *check_structs(const gesso_doc *doc, uint32_t *structs, uint32_t *deleted)
{
  for (uint32_t client = 1; client < doc->nclients; client++) {
    const gs_client *c = &doc->clients[client];
    uint32_t clock = 0;
    for (uint32_t k = 0; k < c->nchunks; k++) {
      const gs_chunk *ch = &gs_chunks_of(doc, c)[k];
      const gs_ix *v = gs_chunk_v(doc, ch);
      if (ch->n > ch->cap || ch->cap > GS_CHUNK_MAX || (ch->n == 0 && c->nchunks > 1))
        return "I1 chunk sizes";
      for (uint32_t i = 0; i < ch->n; i++) {
        const gs_item *it = &doc->items[v[i]];
        if (i == 0 && ch->first != it->clock)
          return "I1 first clock of a chunk";
        if (gs_client_of(it) != client || it->clock != clock || it->len == 0)
          return "I1 clocks without gap";
        clock += it->len;
        ++*structs;
        *deleted += gs_is_deleted(it);
        if (it->head & (GS_ITEM_BEFORE | GS_ITEM_RIVAL))
          return "scan marks left behind";
        if (gs_kind(it) == GS_RUN) {
          const char *why = gs_run_check(doc, it);
          if (why != NULL)
            return why;
          continue;
        }
        if (gs_kind(it) == GS_GC) {
          if (!gs_is_deleted(it) || it->slot != 0)
            return "a gc range that is linked";
          continue;
        }
        const gs_slot *slot = &doc->slots[it->slot];
        if (it->slot == 0 || it->slot >= doc->nslots || slot->type == 0 || doc->types[slot->type].dead)
          return "I2 an item without a slot";
        if (gs_slot_run(doc, it->slot) == 0 && (it->left == GS_PACKED || it->right == GS_PACKED || slot->head == GS_PACKED))
          return "I8 a packed link in a slot without runs";
        if (it->left == GS_PACKED)
          ;
        else if (it->left != 0 ? doc->items[it->left].right != v[i] || doc->items[it->left].slot != it->slot
                          : slot->head != v[i])
          return it->left != 0 ? "I2 left.right" : "I3 head";
        if (it->right == GS_PACKED)
          ;
        else if (it->right != 0 ? doc->items[it->right].left != v[i] || doc->items[it->right].slot != it->slot
                           : slot->tail != v[i])
          return it->right != 0 ? "I2 right.left" : "I3 tail";
        if (slot->key != 0 && it->right != 0 && !gs_is_deleted(it) && !is_cut(doc, it))
          return "I4 a live item that is not the value of its key";
        gs_ix holder = doc->types[slot->type].item;
        if (holder != 0 && gs_is_deleted(&doc->items[holder]) && !gs_is_deleted(it))
          return "I6 a live item in a deleted type";
        const char *why = check_content(doc, it);
        if (why != NULL)
          return why;
      }
    }
    if (clock != c->clock)
      return "I1 the client's clock";
    if (c->pending > 0 && doc->pending->structs.count == 0)
      return "a client that waits for nothing";
  }
  return NULL;
}

static const char *check_types(const gesso_doc *doc)
{
  for (uint32_t type = 1; type < doc->ntypes; type++) {
    const gs_type *t = &doc->types[type];
    uint64_t length = 0, steps = 0;
    if (t->seq != 0)
      for (gs_ix i = doc->slots[t->seq].head; i != 0; i = doc->items[i].right) {
        length += gs_visible_len(&doc->items[i]);
        if (++steps > doc->nitems)
          return "I2 a circle";
      }
    if (length != t->length)
      return "I5 the length of a sequence";
    const char *why = gs_seq_check(doc, type);
    if (why != NULL)
      return why;
    if (t->item != 0 && (gs_kind(&doc->items[t->item]) != GS_TYPE || doc->items[t->item].c.type != type))
      return "a type without its item";
    for (uint32_t s = t->maps; s != 0; s = doc->slots[s].next)
      if (doc->slots[s].type != type || gs_slot_find(doc, type, doc->slots[s].key) != s)
        return "a key that is not found";
  }
  return NULL;
}

static const char *check_pending(const gesso_doc *doc)
{
  const gs_ptree *t = &doc->pending->structs;
  uint32_t n = 0;
  const gs_pnode *last = NULL;
  for (uint32_t i = gs_ptree_from(t, 0, 0); i != 0; i = gs_ptree_after(t, UINT32_MAX, i)) {
    const gs_pnode *nd = &t->v[i];
    if (++n > t->count)
      return "pending structs: a circle";
    if (last != NULL && last->client == nd->client && last->clock + last->len >= nd->clock + nd->len)
      return "pending structs: one covers another";
    if (nd->clock + nd->len <= doc->clients[nd->client].clock)
      return "pending structs: one that is known";
    last = nd;
  }
  return n == t->count ? NULL : "pending structs: count";
}

gesso_status gesso_doc_check(gesso_doc *doc, gesso_error *error_out)
{
  uint32_t structs = 0, deleted = 0;
  const char *why = check_structs(doc, &structs, &deleted);
  if (why == NULL)
    why = check_types(doc);
  if (why == NULL)
    why = check_pending(doc);
  if (why == NULL)
    why = gs_crowds_check(doc);
  if (why == NULL)
    why = gs_subdocs_check(doc);
  if (why == NULL)
    why = gs_undo_check(doc);
  if (why == NULL && structs != doc->nstructs)
    why = "the number of structs";
  if (why == NULL && deleted != doc->ndeleted)
    why = "the number of deleted structs";
  if (why == NULL)
    return GESSO_OK;
  if (error_out != NULL)
    *error_out = (gesso_error){ GESSO_E_CORRUPT, 0, why };
  return GESSO_E_CORRUPT;
}
