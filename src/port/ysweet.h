/* y-sweet's data.ysweet: bincode of a sorted map, numbers of 8 bytes little endian.
 *
 *   u64 count, then count times: u64 length, key, u64 length, value
 *
 * Keys are those of yrs-kvstore, with big endian numbers of 4 bytes:
 *   00 00 <name> 00       -> the number (OID) of the document
 *   00 01 <OID> 00        -> its state, an update v1
 *   00 01 <OID> 01        -> its state vector
 *   00 01 <OID> 02 <seq> 00 -> an update v1 that is not part of the state yet
 *   00 01 <OID> 03 <name> 00 -> a value of the application */
#ifndef GS_PORT_YSWEET_H
#define GS_PORT_YSWEET_H

#include "gesso/base.h"

#include <stdbool.h>

typedef struct gs_ysweet_entry {
  gesso_bytes key, value;
} gs_ysweet_entry;

/* Reads all of it, checked to the last byte: lengths, the count, the order of the keys. *entries is to be freed with
 * gs_ysweet_free and borrows from `file`. TRUNCATED, CORRUPT, NOMEM, with `error`. */
GESSO_MUST_USE gesso_status gs_ysweet_parse(gesso_bytes file, gs_ysweet_entry **entries, size_t *count, gesso_error *error);
void gs_ysweet_free(gs_ysweet_entry *entries, size_t count);

/* Does it begin as such a file does? */
bool gs_ysweet_looks_like(gesso_bytes file);

#endif
