/* The contents of items: where their bytes are, and cutting and joining them.
 *
 * Contents are kept as the v1 update format has them, so that encoding copies:
 *   GS_STRING   UTF-8; len counts UTF-16 units
 *   GS_ANY      len lib0 Any values one after the other
 *   GS_JSON     len varStrings of JSON text ("undefined" is allowed)
 *   GS_BINARY   the bytes, GS_EMBED JSON text
 *   GS_FORMAT   varUint key index, then JSON text
 *   GS_DOC      varString guid, then one Any value of options
 *   GS_TYPE     an index into types[], no bytes
 *   GS_DELETED  nothing
 *
 * Up to 7 bytes stand in the item itself. Longer ones stand in doc->text, which only grows at its end;
 * a cut shares the bytes. What is given up is counted as garbage, and gs_text_compact gathers the
 * rest when more than half is garbage. */
#ifndef GS_CRDT_CONTENT_H
#define GS_CRDT_CONTENT_H

#include "crdt/doc_impl.h"

#define GS_INLINE_MAX 7

/* Up to 7 bytes as they stand in an item: zeros behind them, and their number in the last of eight. */
static inline uint64_t gs_few_bytes(gesso_bytes s)
{
  const uint8_t *p = s.data;
  size_t n = s.len;
  uint64_t w = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  if (n >= 4) { /* some are taken twice, where the two overlap */
    uint32_t front, back;
    memcpy(&front, p, 4);
    memcpy(&back, p + n - 4, 4);
    w = front | (uint64_t)back << 8 * (n - 4);
  } else if (n > 0) {
    w = (uint64_t)p[0] | (uint64_t)p[n / 2] << 8 * (n / 2) | (uint64_t)p[n - 1] << 8 * (n - 1);
  }
  return w | (uint64_t)n << 56;
#else
  uint8_t bytes[8] = { 0 };
  if (n > 0)
    memcpy(bytes, p, n);
  bytes[GS_INLINE_MAX] = (uint8_t)n;
  memcpy(&w, bytes, 8);
  return w;
#endif
}

static inline gesso_bytes gs_content(const gesso_doc *doc, const gs_item *it)
{
  if (it->head & GS_ITEM_INLINE)
    return (gesso_bytes){ it->c.in, it->c.in[7] };
  if (it->c.bytes == 0)
    return (gesso_bytes){ NULL, 0 }; /* there may be no text at all */
  return (gesso_bytes){ doc->text + it->c.at, it->c.bytes };
}

/* Their number without a branch, for kinds that have bytes. */
static inline uint32_t gs_content_bytes(const gs_item *it)
{
  uint32_t in = 0 - (uint32_t)((it->head & GS_ITEM_INLINE) != 0);
  return (it->c.in[7] & in) | (it->c.bytes & ~in);
}

/* Copies n of them and scribbles over eight bytes: all of a string's or of values, or 0. */
static inline void gs_content_copy(const gesso_doc *doc, uint8_t *to, const gs_item *it, size_t n)
{
  /* Outside of the item there are more than GS_INLINE_MAX. */
  uintptr_t in = 0 - (uintptr_t)((it->head & GS_ITEM_INLINE) != 0 || n == 0);
  const uint8_t *from = (const uint8_t *)(((uintptr_t)it->c.in & in) | (((uintptr_t)doc->text + it->c.at) & ~in));
  memcpy(to, from, 8);
  if (n > 8)
    memcpy(to + 8, from + 8, n - 8);
}

/* Whether items of that kind own bytes. */
static inline bool gs_kind_has_bytes(unsigned kind)
{
  return kind != GS_GC && kind != GS_DELETED && kind != GS_TYPE && kind != GS_FREE;
}

GESSO_MUST_USE bool gs_text_reserve(gesso_doc *doc, size_t bytes);
/* Copies the bytes in. Room for them must be there unless they fit inline. */
void gs_content_set_reserved(gesso_doc *doc, gs_item *it, gesso_bytes bytes);
/* Gives the bytes up. The kind stays. */
void gs_content_drop(gesso_doc *doc, gs_item *it);
/* Gathers the live bytes, when too many are garbage. Does nothing when memory is short. */
static inline bool gs_text_is_waste(const gesso_doc *doc)
{
  return doc->text_garbage >= 4096 && doc->text_garbage >= doc->text_len / 2;
}
void gs_text_compact(gesso_doc *doc);

/* Bytes of the first n elements or UTF-16 units of a content. *pair is set when unit n is the second
 * half of a surrogate pair; the bytes then end before that character. */
size_t gs_content_offset(unsigned kind, gesso_bytes content, uint32_t n, int *pair);

/* The same for the content of an item; of a long one it remembers where it has counted. */
size_t gs_content_find(gesso_doc *doc, const gs_item *it, uint32_t n, int *pair);
void gs_text_forget_blocks(gesso_doc *doc);
/* A content that was at `from` in doc->text is at `to` now. */
void gs_text_copied(gesso_doc *doc, uint32_t from, uint32_t to);

/* Where the last `units` UTF-16 units of a string begin. *pair: with the second half of the character there. */
size_t gs_string_walk_back(gesso_bytes s, uint32_t units, int *pair);
/* The units from .. end - 1 of a string of `len` as up to three parts; what is left of half a character is U+FFFD. */
uint32_t gs_string_parts(gesso_bytes content, uint32_t len, uint32_t from, uint32_t end, gesso_bytes parts[3]);

/* Appends right's content to left's (both of one kind that can be joined). False when memory is short:
 * nothing has changed then. Right's bytes are given up. */
GESSO_MUST_USE bool gs_content_join(gesso_doc *doc, gs_item *left, gs_item *right);
/* Keeps the first bytes of a content, fewer than it has. */
void gs_content_shorten(gesso_doc *doc, gs_item *it, uint32_t bytes);
/* Appends bytes to an item's content, growing it in place where it can. */
GESSO_MUST_USE bool gs_content_append(gesso_doc *doc, gs_item *it, gesso_bytes more);

#endif
