/* The v1 update format: reading structs and delete sets, writing them.
 *
 *   update     = varUint clients, client*, delete set
 *   client     = varUint structs, varUint client id, varUint clock of the first, struct*
 *   struct     = info byte (bits 0-4 kind, 0x20 has a map key, 0x40 right origin, 0x80 origin), then
 *                gc, skip: varUint length; items: [origin id] [right origin id] and, when neither is
 *                there, varUint 1 + root name | varUint 0 + parent id, [map key]; then the content
 *   delete set = varUint clients, (varUint client id, varUint ranges, (varUint clock, varUint len)*)*
 *
 * Readers stand here, writers in update_write.c. */
#ifndef GS_CRDT_UPDATE_H
#define GS_CRDT_UPDATE_H

#include "crdt/doc_impl.h"
#include "wire/reader.h"
#include "wire/writer.h"

/* A decoded struct that is not integrated. Pointers lead into the input. */
typedef struct gs_in {
  uint32_t client, clock, len;
  uint8_t kind;
  uint8_t type_kind;  /* GS_TYPE */
  bool has_parent;    /* the parent is spelled out: root or parent */
  bool has_sub;       /* the info byte says that there is a map key */
  bool known;         /* it is there already, only what it cuts is not cut */
  gs_id origin, right_origin;
  gs_id parent;       /* item that holds the parent type */
  uint32_t root;      /* key: name of the root that is the parent */
  uint32_t sub;       /* key of a map */
  uint32_t name;      /* GS_TYPE: key of the XML node name */
  gesso_bytes content; /* as content.h wants it */
  gesso_bytes raw;    /* the whole struct, in v1; none yet when it came as v2 */
  uint32_t pending;   /* node in the pending structs that it came from; 0: from the update */
} gs_in;

typedef struct gs_update {
  gs_in *v;
  uint32_t n, cap;
  gs_ranges dels;
  uint32_t *clients; /* in the order of the update */
  uint32_t nclients, clients_cap;
  gs_buf made;       /* v2: contents that stand in no piece in the input */
  gs_buf made_raw;
} gs_update;

/* Reads one struct at the given id. Makes clients and keys it mentions. */
void gs_read_struct(gs_reader *rd, gesso_doc *doc, uint32_t client, uint32_t clock, gs_in *out);
/* Reads a whole update. Errors are latched in rd. Ends with gs_update_forget. */
void gs_read_update(gs_reader *rd, gesso_doc *doc, gs_update *out);
/* The same for v2. Its structs have no `raw`. */
void gs_read_update_v2(gs_reader *rd, gesso_doc *doc, gs_update *out);
/* Gives the structs that the plan leaves behind (gs_client.in_first .. in_end) a `raw` if they have none.
 * False: out of memory. */
GESSO_MUST_USE bool gs_update_make_raw(gesso_doc *doc, gs_update *up);
/* Forgets what was noted of it in the clients. Its arrays stay. */
void gs_update_forget(gesso_doc *doc, gs_update *up);

/* What was integrated and deleted in the running transaction. */
void gs_write_txn(gesso_doc *doc, gs_buf *out);
GESSO_MUST_USE gesso_status gs_write_txn_v2(gesso_doc *doc, gesso_buffer *out);
/* A client's block with the structs before a clock, 0 < clock <= its own; the last one is cut there. */
void gs_write_until(gesso_doc *doc, gs_buf *out, uint32_t client, uint32_t clock);
/* Makes doc->deleted known: all deleted clocks, joined. False when memory is short. */
GESSO_MUST_USE bool gs_find_deleted(gesso_doc *doc);
/* One struct of an update that is not integrated, without its first `offset` elements. */
void gs_write_in(gesso_doc *doc, gs_buf *out, const gs_in *in, uint32_t offset);

#endif
