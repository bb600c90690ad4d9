/* Blocks of 32-bit words in one array per document: what is many and of any size (the rows of structs.c) costs no
 * allocation of its own. A block is named by where it begins; 0 is none. Blocks stay where they are, but a pointer into
 * one is good only until something is taken or promised.
 *
 * What is given back is kept in pieces whose sizes are powers of two, and taken again from there, or else from the end.
 * Of blocks of GS_WORDS_FULL words as many as were promised can be taken by code that must not fail. */
#ifndef GS_CRDT_WORDS_H
#define GS_CRDT_WORDS_H

#include "crdt/doc_impl.h"

/* 0: memory is short. */
uint32_t gs_words_take(gesso_doc *doc, uint32_t n);
void gs_words_give(gesso_doc *doc, uint32_t at, uint32_t n);
/* Makes a block larger or smaller; it may move. 0: memory is short, and nothing has changed. Smaller never fails. */
uint32_t gs_words_resize(gesso_doc *doc, uint32_t at, uint32_t old, uint32_t n);

/* Room for n more blocks of GS_WORDS_FULL, for gs_words_take_full. */
GESSO_MUST_USE bool gs_words_promise(gesso_doc *doc, uint32_t n);
void gs_words_release(gesso_doc *doc, uint32_t n);
uint32_t gs_words_take_full(gesso_doc *doc);

/* Gives back what is unused at the end: after a large change all that is not promised. */
void gs_words_trim(gesso_doc *doc);
/* Whether much of it is in pieces that were given back. */
static inline bool gs_words_loose(const gs_words *w)
{
  return w->unused > 4 * GS_WORDS_FULL && w->unused > w->len / 2;
}
/* An empty one, with room for n words in all. */
GESSO_MUST_USE bool gs_words_start(gesso_doc *doc, uint32_t n);

#endif
