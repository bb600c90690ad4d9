/* What a document consists of, for people who want to know why a board is as large as it is. */
#ifndef GS_CRDT_SURVEY_H
#define GS_CRDT_SURVEY_H

#include "base/buf.h"
#include "gesso/types.h"

typedef struct gs_survey {
  uint64_t structs, live, tombstones, gc_ranges, clients, types;
  /* Tombstones next to each other that belong to two keys of one map: they can never merge. What an application that
   * writes x and y in turn leaves behind. */
  uint64_t alternating;
  gesso_type worst;          /* the map with the most of them; 0: none */
  uint64_t worst_alternating;
} gs_survey;

/* NOMEM. */
GESSO_MUST_USE gesso_status gs_doc_survey(const gesso_doc *doc, gs_survey *out);

/* Whether so many are worth a word: the application would do better with one value than with several keys. */
static inline int gs_survey_warns(const gs_survey *s)
{
  return s->alternating >= 1000 && s->alternating >= s->structs / 4;
}

/* Appends where a type is: "shapes/rect 1", by names of roots, keys and indexes. */
void gs_type_path(const gesso_doc *doc, gesso_type type, gs_buf *out);

#endif
