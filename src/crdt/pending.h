/* What waits for missing dependencies: structs, kept as the bytes they came in, and delete ranges.
 *
 * Both stand in trees ordered by client and clock, so that a thousand updates that arrive in the wrong
 * order cost a thousand look-ups and no merging. Each waiting client is linked to the one client whose
 * struct it waits for (gs_client.wait_client), and is looked at again only when that one moved. */
#ifndef GS_CRDT_PENDING_H
#define GS_CRDT_PENDING_H

#include "crdt/update.h"

typedef struct gs_pnode {
  uint32_t client, clock, len;
  uint32_t at, bytes; /* structs: in gs_pending.bytes */
  uint32_t prio, left, right;
} gs_pnode;

/* A treap. Nodes are named by index; v[0] is unused. */
typedef struct gs_ptree {
  gs_pnode *v;
  uint32_t n, cap, root, free, count;
} gs_ptree;

typedef struct gs_pending {
  gs_ptree structs, dels;
  uint8_t *bytes;
  uint32_t bytes_len, bytes_cap, garbage;
  bool look_at_all; /* the links of who waits for whom are not to be trusted */
} gs_pending;

/* First node at or after (client, clock), in the order of client and clock; 0 when there is none of
 * that client. client 0: the very first node. */
uint32_t gs_ptree_from(const gs_ptree *t, uint32_t client, uint32_t clock);
/* The node after `node` of the same client (client UINT32_MAX: of any client); 0 at the end. */
uint32_t gs_ptree_after(const gs_ptree *t, uint32_t client, uint32_t node);
/* The last node of the client with clock <= clock; 0 when there is none. */
uint32_t gs_ptree_before(const gs_ptree *t, uint32_t client, uint32_t clock);
GESSO_MUST_USE bool gs_ptree_reserve(gesso_doc *doc, gs_ptree *t, size_t n);
uint32_t gs_ptree_insert_reserved(gesso_doc *doc, gs_ptree *t, uint32_t client, uint32_t clock, uint32_t len);
void gs_ptree_remove(gs_ptree *t, uint32_t client, uint32_t clock);

/* Decodes a pending struct again; its content is an offset into gs_pending.bytes. Those were checked when it came; its
 * keys and clients exist. */
void gs_pending_decode(gesso_doc *doc, const gs_pnode *node, gs_item *out);

/* Room for n more structs with that many bytes, and for that many more delete ranges. */
GESSO_MUST_USE bool gs_pending_reserve(gesso_doc *doc, size_t structs, size_t bytes, size_t dels);
/* What merging the structs of an update, highest client first, remembers from one client to the next: the last
 * client (0: none yet), and whether the update's structs lasted longer there than those that waited before. */
typedef struct gs_merge_order {
  uint32_t client;
  bool new_last;
  uint32_t looks;
} gs_merge_order;

/* Adds staged structs of one client, in the order of their clocks, whose bytes stand in `late`. pending_merge.c */
void gs_pending_merge_reserved(gesso_doc *doc, const gs_item *in, uint32_t n, const uint8_t *late,
                               gs_merge_order *order);
void gs_pending_remove(gesso_doc *doc, uint32_t node);
/* All of a client's that the document has by now. */
void gs_pending_remove_known(gesso_doc *doc, uint32_t client);
void gs_pending_add_delete_reserved(gesso_doc *doc, gs_range r);
/* Gathers the bytes when most of them are garbage. */
void gs_pending_tidy(gesso_doc *doc);
void gs_pending_finish(gesso_doc *doc);

/* Links `client` as waiting for (on, clock); unlinks it. */
void gs_wait_for(gesso_doc *doc, uint32_t client, uint32_t on, uint32_t clock);
void gs_wait_no_more(gesso_doc *doc, uint32_t client);

#endif
