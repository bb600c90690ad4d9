/* Weak links: what they point to, on the wire and in the document.
 *
 *   source = flags byte, start, end
 *   start  = varString root name (START_OPEN and ROOT) | varUint client, varUint clock: of the type (START_OPEN) or
 *            of the first element
 *   end    = the same by END_OPEN; nothing at all when neither END_OPEN nor QUOTE is set: it is the start
 *
 * That is also how v1 updates have it; v2 has the names among its strings. A type of kind GESSO_WEAK_LINK keeps its
 * source as the text of its `name` key, so that nothing grows for documents without links. */
#ifndef GS_CRDT_WEAK_H
#define GS_CRDT_WEAK_H

#include "crdt/snapshot.h"
#include "gesso/weak.h"
#include "wire/reader.h"

enum {
  GS_WEAK_QUOTE = 1,
  GS_WEAK_START_AFTER = 2, /* sticks to what follows: the start itself is not quoted */
  GS_WEAK_END_AFTER = 4,   /* the end itself is quoted */
  GS_WEAK_START_OPEN = 8,
  GS_WEAK_END_OPEN = 16,
  GS_WEAK_ROOT = 32,
  GS_WEAK_FLAGS = 63
};

typedef struct gs_weak_end {
  bool none;        /* the same as the other one */
  bool named;       /* a root: its name, otherwise an id */
  uint64_t client, clock;
  gesso_bytes name;
} gs_weak_end;

typedef struct gs_weak_source {
  uint8_t flags;
  gs_weak_end start, end;
} gs_weak_source;

/* What of the two stands there, by the flags. */
static inline bool gs_weak_start_named(uint8_t flags)
{
  return (flags & (GS_WEAK_START_OPEN | GS_WEAK_ROOT)) == (GS_WEAK_START_OPEN | GS_WEAK_ROOT);
}

static inline bool gs_weak_end_named(uint8_t flags)
{
  return (flags & (GS_WEAK_END_OPEN | GS_WEAK_ROOT)) == (GS_WEAK_END_OPEN | GS_WEAK_ROOT);
}

static inline bool gs_weak_has_end(uint8_t flags)
{
  return (flags & (GS_WEAK_END_OPEN | GS_WEAK_QUOTE)) != 0;
}

/* Reads a source, and borrows from the input. Errors are latched. */
void gs_weak_read(gs_reader *rd, gs_weak_source *out);
/* Whether that is one, all of it. */
bool gs_weak_is_source(gesso_bytes bytes);

/* A walk through a quoted part, in terms of pieces: what is live, cut to the quotation. Formats are shown from
 * the beginning of the type on, since they are in force where it starts. */
typedef struct gs_quote {
  gesso_doc *doc;
  uint32_t type;
  gs_ix next;
  bool has_start, start_after, has_end, end_after;
  bool inside, done;
  gs_id start, end;
} gs_quote;

gs_piece gs_quote_next(gs_quote *q);

/* read_xml.c */
void gs_read_xml_quote(gesso_doc *doc, gs_quote *quote, gs_buf *out);

/* Notes, for observers, the links whose content the running transaction changed. False: memory is short. */
GESSO_MUST_USE bool gs_weak_note_changes(gesso_doc *doc);

#endif
