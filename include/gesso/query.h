/* gesso/query.h: finding values in a document by a path (JSONPath, as far as yrs has it).
 *
 *   $                   the document, whose members are the root types; every path begins there
 *   .name  ['any name'] the member of a map, an object, or an attribute of XML; a name after a point has letters,
 *                       digits and _, and begins with a letter
 *   [n]  [-n]           the element of an array, or the child of XML; from the end
 *   [from:to:step]      elements; each of the three may be missing
 *   .*  [*]             all members or elements
 *   ..                  descends: what follows is looked for in each member and element, and in those that do not have
 *                       it in what is inside them
 *   ['a','b']  [0,2]    several members or elements
 *   @                   stays where it is
 *
 * Shared types and the JSON values inside them are walked alike. */
#ifndef GESSO_QUERY_H
#define GESSO_QUERY_H

#include "gesso/value.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A path that was read. Never changes, belongs to no document; threads may share it. */
typedef struct gesso_query gesso_query;

/* Reads a path, from whoever. `alloc` NULL: malloc. Errors: CORRUPT (it is none; error_out->offset is a byte of it),
 * RANGE (a number past 31 bits, a step of 0), NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_query_parse(const gesso_allocator *alloc, gesso_bytes path,
                                                        gesso_query **out, gesso_error *error_out);
/* NULL is fine. */
GESSO_API void gesso_query_destroy(gesso_query *query);

/* Goes through what a path finds. Both the query and the document must live longer. */
typedef struct gesso_matches gesso_matches;

/* A path from somebody else can be made to take very long: each `..` may go through all that is below each place that the
 * one before went through. `places_max` is how many places may be looked at, 0 for no limit.
 * NULL when memory is short. */
GESSO_API gesso_matches *gesso_query_run(gesso_doc *doc, const gesso_query *query, uint64_t places_max);
/* The next value, in the order of the document where it has one (maps have none); valid until the next call and
 * until `matches` is destroyed. A root without a kind is shown as an array when it has elements, as a map
 * otherwise. The document may be edited between two calls: lists that were begun are gone through as they were.
 * NOTFOUND: there are no more. NOMEM: try again, or stop. LIMIT: places_max was reached. */
GESSO_API GESSO_MUST_USE gesso_status gesso_matches_next(gesso_matches *matches, gesso_value *out);
GESSO_API void gesso_matches_destroy(gesso_matches *matches);

#ifdef __cplusplus
}
#endif
#endif
