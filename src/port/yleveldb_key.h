/* The keys of y-leveldb: components one after the other, a string as 00 and varString, a number as 01 and four bytes big
 * endian.
 *
 *   ["v1", name, "update", clock]   an update v1
 *   ["v1", name, "meta", key]       a value of the application, as lib0 Any
 *   ["v1_sv", name]                 varUint clock, varBytes state vector, as of that update; the index of names */
#ifndef GS_PORT_YLEVELDB_KEY_H
#define GS_PORT_YLEVELDB_KEY_H

#include "base/buf.h"

typedef enum gs_ykey_kind { GS_YKEY_UPDATE, GS_YKEY_META, GS_YKEY_VECTOR } gs_ykey_kind;

typedef struct gs_ykey {
  gs_ykey_kind kind;
  gesso_bytes name, meta; /* borrowed from the key */
  uint32_t clock;
} gs_ykey;

/* CORRUPT, TRUNCATED: it is none, with `error`. */
GESSO_MUST_USE gesso_status gs_ykey_parse(gesso_bytes key, gs_ykey *out, gesso_error *error);

/* Appends what all keys of one kind and name begin with; no name: what all of that kind begin with. */
void gs_ykey_prefix(gs_buf *out, gs_ykey_kind kind, const gesso_bytes *name);

/* The value under ["v1_sv", name]. */
GESSO_MUST_USE gesso_status gs_yvector_parse(gesso_bytes value, uint64_t *clock, gesso_bytes *state_vector, gesso_error *error);

#endif
