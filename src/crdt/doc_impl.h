/* The insides of a gesso_doc: what the files of this folder share.
 *
 * Everything lives in a few growing tables and is named by a 32-bit index, so that destroying a
 * document is a handful of frees and an item costs 48 bytes. 0 is "none" in every index.
 *
 *   clients[]   one for each client id that was ever mentioned; holds that client's structs in clock
 *               order (structs.h)
 *   items[]     structs: items and gc ranges (Yjs: Item, GC)
 *   types[]     shared types, roots and nested ones
 *   slots[]     places where items are chained: the sequence of a type, or one key of its map
 *   words       blocks of indexes for structs.h (words.h)
 *   keys[]      interned strings: map keys, root names, XML node names
 *   text        the bytes of contents longer than 7 bytes (content.h)
 *
 * Invariants, by the names that gs_doc_check uses:
 *   I1  a client's structs cover 0 .. clock without gap or overlap
 *   I2  items[i].left == l  <=>  items[l].right == i, and both are in one slot
 *   I3  slot.head has no left, slot.tail has no right
 *   I4  of the items of a map slot only the tail may be live, and the front of what was cut from it
 *   I5  type.length is the sum of the lengths of the live, countable items of its sequence
 *   I6  children of a deleted type are deleted or gc ranges
 *   I7  the position index of a sequence holds its items in order with their visible lengths
 *   I8  a run covers what it stands for; links to packed structs are GS_PACKED, and the runs know them
 *   I9  what has a redone id is a deleted item, and the redone ids are there
 *   I10 the sets of undo stacks are sorted, without overlap, and name clocks that are there
 *   I11 a crowd has all items of its slot with its origin, in their order
 *
 * All-or-nothing: applying an update decodes, plans and reserves before it changes anything. Code that
 * runs after that point uses *_reserved functions, which cannot fail. */
#ifndef GS_CRDT_DOC_IMPL_H
#define GS_CRDT_DOC_IMPL_H

#include "base/alloc.h"
#include "base/buf.h"
#include "gesso/types.h"

#include <stdbool.h>
#include <string.h>

typedef uint32_t gs_ix; /* index into doc->items; 0 = none */
#define GS_PACKED UINT32_MAX /* in links: a neighbour that is packed in a run, see runs.h. Map slots only. */

typedef struct gs_id {
  uint32_t client; /* index into doc->clients; 0 = none */
  uint32_t clock;
} gs_id;

/* Struct kinds: the content refs of the update format. */
enum {
  GS_GC = 0,
  GS_DELETED = 1,
  GS_JSON = 2,
  GS_BINARY = 3,
  GS_STRING = 4,
  GS_EMBED = 5,
  GS_FORMAT = 6,
  GS_TYPE = 7,
  GS_ANY = 8,
  GS_DOC = 9,
  GS_SKIP = 10,
  GS_RUN = 11, /* packed tombstones: runs.h */
  GS_FREE = 15 /* an unused place in items[] */
};

enum {
  GS_KIND_MASK = 0xf,
  GS_ITEM_DELETED = 1u << 4,
  GS_ITEM_KEEP = 1u << 5,    /* the undo manager wants its content */
  GS_ITEM_INLINE = 1u << 6,  /* content stands in the item; its size in the last byte */
  GS_ITEM_SLACK = 1u << 7,   /* content may grow in place, see text_class in content.c */
  GS_ITEM_BEFORE = 1u << 8,  /* scratch of the integration scan */
  GS_ITEM_RIVAL = 1u << 9,   /* scratch of the integration scan */
  GS_ITEM_DELNOW = 1u << 10, /* deleted in the running transaction */
  GS_CLIENT_SHIFT = 11
};

#define GS_CLIENTS_MAX ((1u << (32 - GS_CLIENT_SHIFT)) - 2)
#define GS_CLOCK_MAX 0x7fffffffu /* clocks and lengths end below 2^31 */

/* One run of consecutively inserted elements: the "item" of YATA (Nicolaescu et al., 2016), or a
 * range of gc'd ones, of which only head, clock and len mean anything.
 *
 *   clock .. clock + len - 1   the clocks it owns, of client head >> GS_CLIENT_SHIFT; len >= 1
 *   origin, right_origin       neighbours when first inserted; immutable
 *   left, right                neighbours now
 *   len                        UTF-16 code units for GS_STRING, else elements */
typedef struct gs_item {
  uint32_t head; /* client index << GS_CLIENT_SHIFT | flags | kind */
  uint32_t clock;
  uint32_t len;
  gs_id origin, right_origin;
  gs_ix left, right; /* free places: right is the next free one */
  uint32_t slot;
  union {
    struct {
      uint32_t at, bytes; /* in doc->text */
    };
    uint32_t type; /* GS_TYPE: index into doc->types */
    uint8_t in[8]; /* GS_ITEM_INLINE */
  } c;
} gs_item;
_Static_assert(sizeof(gs_item) == 48, "three quarters of a cache line");

/* A chain of items: the sequence of a type (key 0), or one key of its map. */
typedef struct gs_slot {
  uint32_t type;
  uint32_t key;
  gs_ix head, tail; /* head may be GS_PACKED, tail never */
  uint32_t next;    /* map slots of a type; free places: the next free one */
} gs_slot;

#define GS_KIND_UNKNOWN 0xff /* a root that nobody asked for with a kind yet */

typedef struct gs_type {
  gs_ix item;          /* the item that holds it; 0 for roots */
  uint32_t name;       /* key of a root's name or of an XML node name */
  uint32_t seq;        /* slot of its sequence; 0 while empty */
  uint32_t maps;       /* first map slot; they stand in the order in which the keys came, as in Yjs */
  uint32_t maps_last;
  uint32_t length;     /* I5 */
  uint32_t work_next;  /* chain of types that wait for deletion or gc */
  uint32_t watch;      /* first subscription to it, see observe.h */
  uint8_t kind;        /* gesso_type_kind or GS_KIND_UNKNOWN */
  bool has_formatting; /* a format item was integrated (Yjs: _hasFormatting) */
  bool dead;           /* gc'd */
  bool fmt_listed;     /* is in txn.formatted */
  uint8_t few;         /* its keys, up to GS_MAP_SMALL */
  bool hashed;         /* its map slots are in slot_hash */
  uint16_t keys;       /* bits of the keys that it has slots for, see gs_key_bit */
  struct gs_seq *index; /* position index, made by the first edit or look-up by position */
} gs_type;

typedef struct gs_key {
  uint32_t at, len; /* in doc->key_text */
  uint32_t hash;
  uint32_t root; /* the root type of that name */
} gs_key;

/* words.h */
#define GS_WORDS_CLASSES 16
#ifndef GS_RUNS_SMALL
#define GS_WORDS_FULL 256
#else
#define GS_WORDS_FULL 8 /* for tests: a few edits fill and split a block */
#endif
typedef struct gs_words {
  uint32_t *v;
  uint32_t len, cap;
  uint32_t promised;               /* blocks of GS_WORDS_FULL */
  uint32_t round;                  /* counts how often all promises were forgotten */
  uint32_t unused, nfull;          /* words, and blocks of that size, in free pieces */
  uint32_t trimmed, trimmed_cap;   /* len and cap when it was trimmed last */
  uint32_t free[GS_WORDS_CLASSES]; /* by the logarithm of the size; the first word of a free piece names the next */
} gs_words;

/* structs.h: stands in doc->words, as does what it names. */
typedef struct gs_chunk {
  uint32_t first; /* clock of its first struct */
  uint32_t at;    /* of its item indexes */
  uint16_t n, cap;
} gs_chunk;

#define GS_CHUNK_MAX GS_WORDS_FULL

/* A place in a client's structs. */
typedef struct gs_pos {
  uint32_t chunk, at;
} gs_pos;

typedef struct gs_client {
  uint64_t id;
  uint32_t clock;  /* state: the next expected clock */
  uint32_t before; /* state before the transaction; meaningful while epoch == txn.epoch */
  uint32_t epoch;
  uint32_t chunks; /* a row of them in doc->words */
  uint32_t nchunks, chunks_cap;
  uint32_t spare, spare_round; /* arrays that were promised for more; meaningless unless words.round is that round */
  uint32_t finder; /* index into doc->finders; 0: none */
  gs_pos hint; /* where the last look-up ended */
  uint32_t packed_to; /* runs.h: the structs before this clock were looked at */
  uint32_t packed_at; /* ... when the state was this */
  uint32_t unpacks;   /* runs.h: scratch */
  uint32_t rank; /* 1 for the first client of whom something was integrated, and so on; 0: nothing was */
  uint32_t del_rank, del_epoch; /* the same for deletions of the transaction txn.epoch */
  /* pending.h */
  uint32_t pending;      /* structs of this client that wait */
  uint32_t wait_client;  /* ... for a struct of that client: linked in its waiters */
  uint32_t wait_clock;
  uint32_t wait_next, wait_prev;
  uint32_t waiters;      /* first client that waits for this one */
  /* plan.c, while an update is being applied */
  uint32_t sim;          /* state as planned so far */
  uint32_t sim_epoch;
  uint32_t was_wait_client, was_wait_clock; /* before the plan */
  gs_ix in_first, in_end; /* its structs in the decoded update that nothing was made of yet; 0: it has no part there */
  uint32_t appends, cuts;    /* what the plan does to its structs, at most */
} gs_client;

/* Ranges of clocks, by client. */
typedef struct gs_range {
  uint32_t client, clock, len;
} gs_range;

typedef struct gs_ranges {
  gs_range *v;
  uint32_t n, cap;
} gs_ranges;

/* The weak links among the first `seen` types, found when somebody observes. */
typedef struct gs_weak_list {
  uint32_t *v;
  uint32_t n, cap, seen;
} gs_weak_list;

/* A cut: the id of what was cut off, and where that is unless it merged. */
typedef struct gs_cut {
  gs_id id;
  gs_ix ix;
} gs_cut;

enum { GS_TXN_FEW = 24 };

typedef struct gs_txn {
  uint32_t depth;
  uint32_t epoch;
  bool local;      /* an edit was made here (Yjs: transaction.local) */
  bool remote;     /* an update was applied */
  bool dels_lost;  /* dels had no room: find them by GS_ITEM_DELNOW */
  bool fmt_lost;   /* formatted had no room: clean up everything that qualifies */
  bool gc_all;     /* gesso_doc_collect_garbage was asked for */
  bool types_deleted;
  uint32_t *touched; /* clients whose clock moved */
  uint32_t ntouched, touched_cap;
  gs_ranges dels;  /* what was deleted, in order of deletion */
  uint32_t ndel_clients;
  uint32_t ngone;  /* more than GS_TXN_FEW: gone[] does not have all items of dels */
  gs_ix gone[GS_TXN_FEW];
  gs_cut *merge;   /* splits that may merge again (Yjs: _mergeStructs) */
  uint32_t nmerge, merge_cap;
  uint32_t *formatted; /* text types with formats that changed and may need them cleaned */
  uint32_t nformatted, formatted_cap;
  gesso_buffer origin;
} gs_txn;

/* finder.h */
typedef struct gs_finder_word {
  uint64_t begins; /* for 64 clocks a bit for each at which a struct begins */
  gs_ix before;    /* the last struct that begins before them */
} gs_finder_word;

typedef struct gs_finder {
  uint32_t client;
  uint32_t base; /* the first clock it is for */
  gs_ix last;    /* the last struct that was put in; 0: none */
  uint32_t end;  /* past its clocks */
  bool closed;   /* no more are put in */
  uint32_t n, filled, cap;
  gs_finder_word *v;
} gs_finder;

typedef struct gs_text_block {
  uint32_t elements; /* that begin in it, after what comes in from before */
  uint32_t leaves;   /* where the first after them begins, past its end */
  bool known;
} gs_text_block;

typedef struct gs_text_mark {
  uint32_t start; /* of a content */
  uint32_t at;    /* the first element in a block that is not the content's first, from start. 0: there is none */
  uint32_t n;     /* elements before that */
} gs_text_mark;

/* Structs of a plan that stand one after the other and are integrated so: plan.h. */
typedef struct gs_row {
  gs_ix first, end;
} gs_row;

/* Arrays that planning the last small update used: the next one takes them, and need not allocate. */
typedef struct gs_scratch {
  gs_ranges dels;
  uint32_t *clients, *ready, *involved;
  gs_row *rows;
  uint32_t clients_cap, ready_cap, involved_cap, rows_cap;
} gs_scratch;

struct gs_pending;
struct gs_subdoc_table;
struct gs_observers;

struct gesso_doc {
  const gesso_allocator *alloc;
  struct {
    gesso_allocator outer; /* counts and caps what the document holds */
    const gesso_allocator *inner;
    size_t used, max;
  } mem;
  uint32_t refs;
  uint64_t client_id;
  uint32_t own; /* index of client_id in clients, 0 until the first edit */
  uint32_t flags;
  uint32_t pending_max;
  uint64_t rng;
  uint64_t hash_seed; /* so that no peer can choose ids and keys that fall into one place */
  uint32_t plan_epoch;

  gs_item *items;
  uint32_t nitems, items_cap, free_item, nfree_items;
  uint32_t nstructs, ndeleted; /* a run counts as one; npacked are the others in runs */
  uint32_t npacked, nruns;
  uint32_t runs_forbidden;
  bool keyed;  /* some slot is one of a map's key */
  bool astral; /* some string has a character outside the BMP: a split may cut a surrogate pair */

  gs_client *clients;
  uint32_t nclients, clients_cap, nranks;
  uint32_t *client_hash;
  uint32_t client_hash_cap;
  gs_words words;
  gs_finder *finders; /* [0] is unused */
  uint32_t nfinders, finders_cap;
  gs_scratch scratch;
  gesso_buffer room; /* edit.h */
  uint32_t client_hint; /* the last one that was asked for */

  gs_type *types;
  uint32_t ntypes, types_cap;

  gs_slot *slots;
  uint32_t nslots, slots_cap, free_slot, nhashed;
  gs_ix *slot_runs;    /* runs.h: by slot, see gs_slot_run; may be shorter than slots */
  uint32_t slot_runs_cap;
  uint32_t *slot_hash; /* of the maps that are not small */
  uint32_t slot_hash_cap;
  uint32_t slot_keys;  /* no key from that one on ever had a slot */

  gs_key *keys;
  uint32_t nkeys, keys_cap;
  uint32_t *key_hash;
  uint32_t key_hash_cap;
  uint8_t *key_text;
  uint32_t key_text_len, key_text_cap;

  uint8_t *text;
  uint32_t text_len, text_cap, text_garbage;
  gs_text_block *blocks; /* content_find.c */
  uint32_t blocks_cap;
  gs_text_mark mark;     /* where the last look was; meaningless without blocks */
  gs_text_mark found;    /* what it found: element n begins at `at`. 0: nothing */

  uint32_t *leaf_of; /* seq.h: leaf of each item in its position index; NULL until one is made */
  uint32_t leaf_of_cap;

  struct gs_crowd *crowds; /* crowd.h */
  uint32_t ncrowds, crowds_cap;
  uint32_t crowd_min;
  uint64_t crowd_walked; /* steps of long walks since the last one was made */
  uint64_t crowd_wasted; /* steps that making them cost and that they have not saved yet */

  gs_id *redone; /* undo.h: by item, the id of what brought it back; NULL until something was */
  uint32_t redone_cap;
  struct gesso_undo *undo; /* the first of the managers that watch it */
  uint32_t undo_echoes; /* gs_undo_echo is due so often */

  gs_ranges deleted; /* all deleted clocks, found by the first encode after one was deleted */
  bool deleted_known;
  bool deleted_asked;    /* its v1 bytes were written since it is known */
  uint8_t *deleted_v1;   /* kept when they are asked for again: who comes back mostly misses nothing else */
  uint32_t deleted_v1_len;

  struct gs_pending *pending;
  gs_txn txn;

  struct gs_observers *observers; /* NULL until somebody subscribes */
  bool tracks;                    /* somebody wants to know which types changed */
  void *data; /* gesso_doc_set_data */
  bool has_weak; /* a weak link was made some time */
  gs_weak_list weak;

  /* subdoc.h */
  gesso_doc *parent; /* the document that this is a subdocument of */
  gs_id place;       /* its item there */
  bool joining;      /* scratch of an edit: it is about to be put somewhere */
  gesso_doc *noted_in; /* observe.h: the document that is to tell that it came or was loaded */
  unsigned noted;      /* ... bits of gs_subdoc_change, meaningless without */
  char uuid[36];
  gesso_bytes guid, collection_id, meta_json; /* guid may stand in uuid */
  struct gs_subdoc_table *subdocs; /* handles of the ones in this document; NULL while nobody has seen any */
};

static inline unsigned gs_kind(const gs_item *it)
{
  return it->head & GS_KIND_MASK;
}

static inline uint32_t gs_client_of(const gs_item *it)
{
  return it->head >> GS_CLIENT_SHIFT;
}

static inline bool gs_is_deleted(const gs_item *it)
{
  return (it->head & GS_ITEM_DELETED) != 0;
}

/* Whether it counts for indexes and lengths (Yjs: countable). */
static inline bool gs_is_countable(const gs_item *it)
{
  unsigned kind = gs_kind(it);
  return kind != GS_DELETED && kind != GS_FORMAT && kind != GS_GC;
}

static inline bool gs_is_visible(const gs_item *it)
{
  return !gs_is_deleted(it) && gs_is_countable(it);
}

static inline uint32_t gs_visible_len(const gs_item *it)
{
  return gs_is_visible(it) ? it->len : 0;
}

static inline void gs_set_kind(gs_item *it, unsigned kind)
{
  it->head = (it->head & ~(uint32_t)GS_KIND_MASK) | kind;
}

static inline gs_id gs_last_id(const gs_item *it)
{
  return (gs_id){ gs_client_of(it), it->clock + it->len - 1 };
}

static inline bool gs_id_eq(gs_id a, gs_id b)
{
  return a.client == b.client && a.clock == b.clock;
}

/* --- items.c: the pool --- */

/* Makes room for n more items. Indexes stay, pointers into items[] do not. */
GESSO_MUST_USE bool gs_items_grow(gesso_doc *doc, size_t n);
GESSO_MUST_USE static inline bool gs_items_reserve(gesso_doc *doc, size_t n)
{
  if (n <= doc->nfree_items)
    return true;
  size_t end = (size_t)doc->nitems + n - doc->nfree_items;
  return (end <= doc->items_cap && (doc->leaf_of == NULL || end <= doc->leaf_of_cap) &&
          (doc->redone == NULL || end <= doc->redone_cap)) ||
         gs_items_grow(doc, n);
}
/* The same behind all there are, whatever is free among them. No more than `most` are expected to come. */
GESSO_MUST_USE bool gs_items_room(gesso_doc *doc, size_t n, size_t most);
/* A zeroed place. There must be room: gs_items_reserve. */
gs_ix gs_item_new_reserved(gesso_doc *doc);
void gs_item_free(gesso_doc *doc, gs_ix ix);

/* Room in doc->redone for each place of items[]; gs_items_reserve keeps it once there is any. */
GESSO_MUST_USE bool gs_redone_reserve(gesso_doc *doc);
/* The id of the item that brought this one back (Yjs: redone); client 0: none did. */
static inline gs_id gs_redone(const gesso_doc *doc, gs_ix ix)
{
  return doc->redone != NULL ? doc->redone[ix] : (gs_id){ 0, 0 };
}

/* --- keys.c --- */

/* The key of that string, made when there is none; 0 when memory is short. */
uint32_t gs_key_of(gesso_doc *doc, gesso_bytes s);
/* 0 when there is none. */
uint32_t gs_key_find(const gesso_doc *doc, gesso_bytes s);
/* Forgets the keys past the first n: the way back of an update that failed. */
void gs_keys_truncate(gesso_doc *doc, uint32_t n, uint32_t text_len);

static inline gesso_bytes gs_key_text(const gesso_doc *doc, uint32_t key)
{
  const gs_key *k = &doc->keys[key];
  /* There may be no text at all when all keys are empty. */
  return (gesso_bytes){ k->len > 0 ? doc->key_text + k->at : (const uint8_t *)"", k->len };
}

/* --- types.c: types and their slots --- */

GESSO_MUST_USE bool gs_types_grow(gesso_doc *doc, size_t types, size_t slots);
GESSO_MUST_USE static inline bool gs_types_reserve(gesso_doc *doc, size_t types, size_t slots)
{
  return ((size_t)doc->ntypes + types <= doc->types_cap && (size_t)doc->nslots + slots <= doc->slots_cap) ||
         gs_types_grow(doc, types, slots);
}
uint32_t gs_type_new_reserved(gesso_doc *doc, unsigned kind, uint32_t name, gs_ix item);
uint32_t gs_root_reserved(gesso_doc *doc, uint32_t key);
/* The slot for a key of a map, or for the sequence (key 0). */
uint32_t gs_slot_of_reserved(gesso_doc *doc, uint32_t type, uint32_t key);
uint32_t gs_slot_find(const gesso_doc *doc, uint32_t type, uint32_t key);
/* Keys that come one after the other, as those of an object do when it is first seen, have bits of their own. */
static inline unsigned gs_key_bit(uint32_t key)
{
  return 1u << key % 16;
}
/* Whether the document's cap allows the hash that so many new slots may want, and so many bytes: a map without it is
 * slow, and nobody is to bring that about by filling the document. */
bool gs_slot_hash_allowed(const gesso_doc *doc, size_t slots, size_t besides);
/* Room in doc->slot_runs for all there are now. */
GESSO_MUST_USE bool gs_slot_runs_reserve(gesso_doc *doc);
/* The newest run that has items of it; 0: none. */
static inline gs_ix gs_slot_run(const gesso_doc *doc, uint32_t slot)
{
  return slot < doc->slot_runs_cap ? doc->slot_runs[slot] : 0;
}
/* Gives back all slots of a type that was gc'd. */
void gs_slots_release(gesso_doc *doc, uint32_t type);

/* --- doc.c --- */

void gs_doc_new_client_id(gesso_doc *doc);

/* --- txn.c --- */

void gs_txn_touch_first_reserved(gesso_doc *doc, uint32_t client);
static inline void gs_txn_touch_reserved(gesso_doc *doc, uint32_t client)
{
  if (doc->clients[client].epoch != doc->txn.epoch)
    gs_txn_touch_first_reserved(doc, client);
}
/* Notes that the sequence (key 0) or a key of a type changed (Yjs: addChangedTypeToTransaction). Never fails. */
void gs_txn_note_changed(gesso_doc *doc, uint32_t type, uint32_t key);
static inline void gs_txn_changed(gesso_doc *doc, uint32_t type, uint32_t key)
{
  if (doc->tracks || doc->types[type].has_formatting)
    gs_txn_note_changed(doc, type, key);
}
void gs_txn_note_deleted(gesso_doc *doc, uint32_t client, uint32_t clock, uint32_t len);
/* So many clocks of the item were deleted now, which stand at that clock. */
static inline void gs_txn_deleted(gesso_doc *doc, gs_ix ix, uint32_t clock, uint32_t len)
{
  gs_ranges *d = &doc->txn.dels;
  uint32_t client = gs_client_of(&doc->items[ix]);
  if (doc->txn.ngone < GS_TXN_FEW)
    doc->txn.gone[doc->txn.ngone] = ix;
  doc->txn.ngone += doc->txn.ngone <= GS_TXN_FEW;
  gs_range *last = d->n > 0 ? &d->v[d->n - 1] : NULL;
  doc->deleted_known = false;
  if (last != NULL && last->client == client && last->clock + last->len == clock)
    last->len += len;
  else
    gs_txn_note_deleted(doc, client, clock, len);
}
/* It was cut off, or may merge for another reason. */
void gs_txn_mergeable(gesso_doc *doc, gs_ix ix);
static inline uint32_t gs_before(const gesso_doc *doc, uint32_t client)
{
  const gs_client *c = &doc->clients[client];
  return c->epoch == doc->txn.epoch ? c->before : c->clock;
}

/* Puts the items and types of a transaction's end in order, gc, merge, and tells the observers. */
GESSO_MUST_USE gesso_status gs_txn_end(gesso_doc *doc, gesso_buffer *update_out);

/* --- ranges.c --- */

/* Sorts by client index and clock, and joins what touches or overlaps. */
void gs_ranges_normalise(const gesso_allocator *alloc, gs_ranges *r);

#endif
