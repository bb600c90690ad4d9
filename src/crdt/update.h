/* The v1 update format: reading structs and delete sets, writing them.
 *
 *   update     = varUint clients, client*, delete set
 *   client     = varUint structs, varUint client id, varUint clock of the first, struct*
 *   struct     = info byte (bits 0-4 kind, 0x20 has a map key, 0x40 right origin, 0x80 origin), then
 *                gc, skip: varUint length; items: [origin id] [right origin id] and, when neither is
 *                there, varUint 1 + root name | varUint 0 + parent id, [map key]; then the content
 *   delete set = varUint clients, (varUint client id, varUint ranges, (varUint clock, varUint len)*)*
 *
 * Readers stand here, writers in update_write.c. */
#ifndef GS_CRDT_UPDATE_H
#define GS_CRDT_UPDATE_H

#include "crdt/doc_impl.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <assert.h>

/* A staged struct: decoded, and no part of the document yet. It is an item already, in the pool and with any luck at
 * the place where it will stay, of which
 *
 *   head     has the client, the kind and GS_IN flags
 *   origin   is, with GS_IN_PARENT, the item that holds the parent type
 *   left     is then the name (a key) of the root that is the parent instead; 0: origin is it
 *   slot     is then the key of a map; 0: none
 *   left     without GS_IN_PARENT, once room was made: the item of the document that ends with its origin, as far as
 *            somebody looked, or a staged one of which that is certain; 0: nobody did
 *   right    is the next one in the list of what the plan passes by
 *   c        says where the content is, see gs_in_content in plan.h; GS_TYPE: at is the key of its name, bytes its kind;
 *            GS_DELETED: at is how many are alike from this one on, see gs_update_alike; 0: nobody knows
 *
 * So a struct costs its 48 bytes once, however many an update of a few bytes declares. */
enum {
  GS_IN_PARENT = GS_ITEM_DELETED, /* the parent is spelled out */
  GS_IN_MADE = GS_ITEM_KEEP,      /* the content stands in gs_update.made */
  GS_IN_KNOWN = GS_ITEM_DELNOW    /* it is there already, only what it cuts is not cut */
};

enum { GS_UPDATE_PAD = 64 }; /* more than the numbers before a content can take */

typedef struct gs_update {
  gs_ix first, own_end, end; /* staged: those of the update, then those that had waited */
  const uint8_t *input;
  bool padded;       /* GS_UPDATE_PAD bytes behind the input can be read, too */
  bool alone;        /* the structs of each client follow one another and refer to no other client's */
  bool near;         /* it deletes nothing, and what a struct refers to is the one before it or, mostly, a parent that is
                      * the one before it or that of one before */
  gs_ranges dels;
  uint32_t *clients; /* in the order of the update */
  uint32_t nclients, clients_cap;
  gs_buf made;       /* v2: contents that stand in no piece in the input */
  gs_buf late;       /* structs that have to wait, see gs_update_write_late */
} gs_update;

static inline gs_id gs_in_origin(const gs_item *in)
{
  return in->head & GS_IN_PARENT ? (gs_id){ 0, 0 } : in->origin;
}

static inline gs_id gs_in_parent(const gs_item *in)
{
  return in->head & GS_IN_PARENT ? in->origin : (gs_id){ 0, 0 };
}

/* Begins an update without structs. */
void gs_update_begin(gesso_doc *doc, gs_update *up, gesso_bytes input);
/* A place for one more, of which nothing is set. There must be room: gs_items_room. */
static inline gs_ix gs_update_stage_reserved(gesso_doc *doc, gs_update *up)
{
  assert(doc->nitems == up->end && doc->nitems < doc->items_cap);
  up->end = ++doc->nitems;
  return up->end - 1;
}
/* Notes that n staged structs from `first` on are alike: deleted ones of one clock each, one after the other, whose
 * origins are all as many clocks before them, and that have no right origin. Keys that are overwritten in turn leave
 * that. It is noted where the origin of each is the struct which is staged so many places before it. */
void gs_update_note_alike(gesso_doc *doc, gs_ix first, uint32_t n);
/* How many are alike from that staged struct on, of those before `end`. Of each the left neighbour was staged
 * gs_alike_apart places before it. */
static inline uint32_t gs_update_alike(const gesso_doc *doc, gs_ix ix, gs_ix end)
{
  const gs_item *in = &doc->items[ix];
  return (in->head & GS_KIND_MASK) == GS_DELETED ? GS_MIN(in->c.at, end - ix) : 0;
}
static inline uint32_t gs_alike_apart(const gs_item *in)
{
  return in->clock - in->origin.clock;
}
/* Takes the last one back. */
void gs_update_unstage(gesso_doc *doc, gs_update *up);
/* Notes that the structs which follow are of this client; a second time is an error. */
void gs_update_client(gs_reader *rd, gesso_doc *doc, gs_update *up, uint32_t client);

/* Reads one struct at the given id; its content is an offset from rd->begin. Makes clients and keys it mentions. */
void gs_read_struct(gs_reader *rd, gesso_doc *doc, uint32_t client, uint32_t clock, gs_item *out);
/* Reads a whole update that was begun. Skips are not staged. Errors are latched in rd. Ends with gs_update_forget. */
void gs_read_update(gs_reader *rd, gesso_doc *doc, gs_update *out);
void gs_read_update_v2(gs_reader *rd, gesso_doc *doc, gs_update *out);
/* Writes the structs that the plan leaves behind (gs_client.in_first .. in_end) into up->late, where their content is
 * then: all of the struct, in v1. False: out of memory. */
GESSO_MUST_USE bool gs_update_write_late(gesso_doc *doc, gs_update *up);
/* Gives back all that is staged, when nothing was made of it. */
void gs_update_drop(gesso_doc *doc, gs_update *up);
/* Forgets what was noted of it in the clients. Its arrays stay. */
void gs_update_forget(gesso_doc *doc, gs_update *up);

/* What was integrated and deleted in the running transaction. */
void gs_write_txn(gesso_doc *doc, gs_buf *out);
GESSO_MUST_USE gesso_status gs_write_txn_v2(gesso_doc *doc, gesso_buffer *out);
/* A client's block with the structs before a clock, 0 < clock <= its own; the last one is cut there. */
void gs_write_until(gesso_doc *doc, gs_buf *out, uint32_t client, uint32_t clock);
/* Makes doc->deleted known: all deleted clocks, joined. False when memory is short. */
GESSO_MUST_USE bool gs_find_deleted(gesso_doc *doc);
/* Gives back what is known of them. */
void gs_forget_deleted(gesso_doc *doc);
/* Elements offset .. end - 1 of a struct that is not packed. Yjs sends a state that has pending parts through its merge
 * of updates, which forgets the map-key bit of items whose key is not spelled out. Readers ignore it there; `merged`
 * does the same for equal bytes. */
void gs_write_struct(gesso_doc *doc, gs_buf *out, const gs_item *it, uint32_t offset, uint32_t end, bool merged);
/* A client's structs from a clock on, of which the first may be cut. clock < the client's. */
void gs_write_items(gesso_doc *doc, gs_buf *out, uint32_t client, uint32_t clock, bool merged);
/* What documents are full of, for which the writers have ways of their own. */
static inline bool gs_is_common(const gesso_doc *doc, const gs_item *it)
{
  enum { COMMON = 1u << GS_GC | 1u << GS_DELETED | 1u << GS_STRING | 1u << GS_ANY | 1u << GS_TYPE };
  unsigned kind = gs_kind(it);
  return (COMMON >> kind & 1) != 0 && (kind != GS_TYPE || doc->types[it->c.type].name == 0);
}
/* One staged struct without its first `offset` elements. */
void gs_write_in(gesso_doc *doc, gs_buf *out, const gs_item *in, gesso_bytes content, uint32_t offset);

#endif
