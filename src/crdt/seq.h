/* The position index of a sequence: which item stands at index n, in logarithmic time.
 *
 * A B+ tree whose leaves hold the items of the sequence in order, with their visible lengths, and
 * whose inner nodes hold sums. It is made by the first look-up by position and kept up to date from
 * then on; a document that only relays updates never has one. When memory is short while it is
 * being changed it is dropped, and made again by the next look-up: changing it cannot fail. */
#ifndef GS_CRDT_SEQ_H
#define GS_CRDT_SEQ_H

#include "crdt/doc_impl.h"

/* The item that holds visible index `pos` of the type's sequence, and how far into it. With
 * pos == length: *item_out = 0. NOMEM when there was no index and none could be made. */
GESSO_MUST_USE gesso_status gs_seq_find(gesso_doc *doc, uint32_t type, uint32_t pos, gs_ix *item_out,
                                        uint32_t *offset_out);
/* The item that holds the index before `pos` (1 .. length), so that an insertion at pos goes after it;
 * *end_out is the offset in it that pos stands at (1 .. len). */
GESSO_MUST_USE gesso_status gs_seq_find_left(gesso_doc *doc, uint32_t type, uint32_t pos, gs_ix *item_out,
                                             uint32_t *end_out);

/* An item that comes after that one, none between them being visible. There is a visible one. */
gs_ix gs_seq_next(gesso_doc *doc, uint32_t type, gs_ix ix);

/* The visible index at which an item of the type's sequence begins. Walks to the front when no index could be
 * made. */
uint32_t gs_seq_index_of(gesso_doc *doc, uint32_t type, gs_ix ix);

/* A place in a sequence: `end` elements into `item`, where it lies; item 0: at the front, or at the end. */
typedef struct gs_place {
  gs_ix item;
  uint32_t end;
} gs_place;

/* The item at a position that is counted in UTF-8 bytes, or in elements, how far into it (in that unit), and how much
 * stands before the item in the other unit; at the end all of that, and no item. What is no string is one byte an
 * element. From the first call on the index keeps both. USAGE: past the end. NOMEM. */
GESSO_MUST_USE gesso_status gs_seq_measure(gesso_doc *doc, uint32_t type, bool by_bytes, uint64_t pos, gs_place *out,
                                           uint64_t *other_out);

/* What happened to an item of a sequence. All of them do nothing when the type has no index. */
void gs_seq_inserted(gesso_doc *doc, uint32_t type, gs_ix ix); /* linked after its left neighbour */
void gs_seq_cut(gesso_doc *doc, uint32_t type, gs_ix left, gs_ix right); /* right was cut off from left */
void gs_seq_resized(gesso_doc *doc, uint32_t type, gs_ix ix);  /* its visible length changed */
void gs_seq_removed(gesso_doc *doc, uint32_t type, gs_ix ix);  /* about to be merged away */
void gs_seq_drop(gesso_doc *doc, uint32_t type);

/* I7. NULL, or what is wrong. */
const char *gs_seq_check(const gesso_doc *doc, uint32_t type);

#endif
