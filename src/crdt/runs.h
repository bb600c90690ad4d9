/* Packed runs: many small tombstones of map keys in a few bytes each.
 *
 * An application that overwrites two keys in turn (x, y, x, y ...) leaves deleted structs behind that can never
 * merge: clocks of one key are not next to each other. They are kept for ever, and as items they would cost 48
 * bytes each. So a stretch of consecutive structs of a client, all of them GS_DELETED, none of them the value of
 * its key, is kept as one item of kind GS_RUN that stands for them in the client's structs: its clock and len
 * cover them, origin.clock is their number, and its content describes them, one byte for each in the usual case.
 *
 * A packed struct is in no chain: links that would name it are GS_PACKED, and its slot names the newest run that
 * has some of its items (gs_slot_run), which names the one before. Whoever has to follow such a link, to cut or to
 * name a packed struct by index unpacks first, which needs memory and can fail: so apply.c does it before it
 * changes anything. Appending to the end of a chain never needs it.
 *
 * What was unpacked stays so for as long as the document is open, so that nobody can make it go back and forth. */
#ifndef GS_CRDT_RUNS_H
#define GS_CRDT_RUNS_H

#include "crdt/doc_impl.h"
#include "crdt/structs.h"
#include "wire/reader.h"

/* Different slots in one run: four bits name one. */
#define GS_RUN_SLOTS 16

#ifndef GS_RUNS_SMALL
/* What was integrated last stays as it is: those are the structs that others still refer to. */
enum { GS_RUNS_KEEP_LAST = 32, GS_RUNS_EVERY = 256 };
#else
enum { GS_RUNS_KEEP_LAST = 1, GS_RUNS_EVERY = 3 };
#endif

/* Packs what can be packed among the clocks of a client that were not looked at before. Does nothing when memory
 * is short or somebody forbade it, and leaves alone what was integrated last. */
void gs_runs_pack_now(gesso_doc *doc, uint32_t client);
static inline void gs_runs_pack(gesso_doc *doc, uint32_t client)
{
  const gs_client *c = &doc->clients[client];
  if (doc->runs_forbidden == 0 && doc->keyed && c->clock - c->packed_at >= GS_RUNS_EVERY &&
      (c->nchunks > 1 || gs_chunks_of(doc, c)->n > GS_RUNS_KEEP_LAST))
    gs_runs_pack_now(doc, client);
}

/* Makes items again of what one slot has in runs, and of all that shares those runs. */
GESSO_MUST_USE bool gs_runs_unpack_slot(gesso_doc *doc, uint32_t slot);
/* The same, from one run. */
GESSO_MUST_USE bool gs_runs_unpack(gesso_doc *doc, gs_ix run);
/* The same for everything in a type and in the types inside it. */
GESSO_MUST_USE bool gs_runs_unpack_type(gesso_doc *doc, uint32_t type);
/* The same for everything. */
GESSO_MUST_USE bool gs_runs_unpack_all(gesso_doc *doc);
/* Unpacks everything, and nothing is packed any more until gs_runs_allow: for those who walk chains at any time.
 * Calls nest. */
GESSO_MUST_USE bool gs_runs_forbid(gesso_doc *doc);
void gs_runs_allow(gesso_doc *doc);
/* Whether an integration next to `left` (0: at the head of the slot) may follow a packed link. */
bool gs_runs_in_reach(const gesso_doc *doc, uint32_t slot, gs_ix left);

/* Moves the items together, after much was packed, and gives the memory back. Indexes change. */
static inline bool gs_items_are_waste(const gesso_doc *doc)
{
  return doc->nfree_items >= 1024 && doc->nfree_items >= doc->nitems / 3 && doc->leaf_of == NULL && doc->redone == NULL;
}
void gs_items_compact(gesso_doc *doc);

/* What a run is made of, in order of clocks. */
typedef struct gs_run_reader {
  gs_reader rd;
  uint32_t client, clock;
  uint32_t left_over; /* structs that are still to come */
  uint32_t nslots;
  uint32_t slots[GS_RUN_SLOTS];
  gs_id before[GS_RUN_SLOTS]; /* the run before this one that has items of the slot: its first id */
  gs_id last[GS_RUN_SLOTS];
} gs_run_reader;

typedef struct gs_packed {
  gs_item item; /* head, clock, len, origins and slot; no links */
  /* The last id of its left and the first id of its right neighbour. Client 0: there is none. Client GS_PACKED:
   * the neighbour was packed before, and knows. */
  gs_id left, right;
} gs_packed;

gs_run_reader gs_run_open(const gesso_doc *doc, const gs_item *run);
bool gs_run_next(gs_run_reader *r, gs_packed *out);

/* The next one, when there is nothing to say of it but its slot, and its origin is the one before it there: that
 * origin. Its clock was r->clock, its len is 1. False: ask gs_run_next. */
static inline bool gs_run_plain(gs_run_reader *r, gs_id *origin)
{
  if (r->left_over == 0 || *r->rd.at >= GS_RUN_SLOTS || r->last[*r->rd.at].client == 0)
    return false;
  gs_id *last = &r->last[*r->rd.at++];
  *origin = *last;
  *last = (gs_id){ r->client, r->clock++ };
  r->left_over--;
  return true;
}

/* Passes those that repeat the slots of the `n` before them, which gs_run_plain gave last one after the other: their origins are
 * their clocks less n. Returns how many. */
uint32_t gs_run_turns(gs_run_reader *r, uint32_t n);
/* After how many the next one's slot comes again; more than were read when gs_run_plain would not give it. */
static inline uint32_t gs_run_turn(const gs_run_reader *r)
{
  if (r->left_over == 0 || *r->rd.at >= GS_RUN_SLOTS || r->last[*r->rd.at].client == 0)
    return UINT32_MAX;
  return r->clock - r->last[*r->rd.at].clock;
}

/* A walk over the structs of a client that sees packed ones too. */
typedef struct gs_walk {
  const gesso_doc *doc;
  uint32_t client;
  gs_pos pos;
  bool more, in_run;
  gs_run_reader run;
  gs_packed packed;
} gs_walk;

/* Begins with the struct that has that clock, clock < the client's clock. */
void gs_walk_start(gs_walk *w, const gesso_doc *doc, uint32_t client, uint32_t clock);
/* The next one, or NULL. Of a packed struct, links and flags mean nothing; it is good until the next call. */
const gs_item *gs_walk_next(gs_walk *w);

static inline uint32_t gs_run_count(const gs_item *run)
{
  return run->origin.clock;
}

/* For gesso_doc_check. NULL, or what is wrong. */
const char *gs_run_check(const gesso_doc *doc, const gs_item *run);

#endif
