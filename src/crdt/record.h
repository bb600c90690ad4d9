/* Encoded updates read struct by struct, and written so, without a document. A record is one struct as it
 * stands in an update: ids are those of the wire, strings and values are borrowed from the input.
 *
 * Both encodings hold the same in the same order (format v1: update.h; v2 spreads it over columns, see
 * wire/columns.h):
 *
 *   v2 = varUint 0, then as varBytes: key clocks (diff), clients (uint), left clocks (diff), right clocks
 *        (diff), infos (rle), strings, parent infos (rle), type refs (uint), lengths (uint); then the rest:
 *        the counts, first clocks, skip lengths, binaries, Any values and the delete set, whose clocks are
 *        differences and whose lengths are one less. JSON of embeds and formats is Any in v2.
 *
 * Written is what Yjs writes when it reads an update struct by struct: clients without structs are left out,
 * the map-key bit is forgotten where no key is spelled out, the delete set goes by falling client ids. */
#ifndef GS_CRDT_RECORD_H
#define GS_CRDT_RECORD_H

#include "crdt/doc_impl.h"
#include "wire/columns.h"

typedef struct gs_wire_id {
  uint64_t client, clock;
} gs_wire_id;

/* See weak.h: each end is a name or an id, by the flags. */
typedef struct gs_weak_record {
  uint8_t flags;
  gs_wire_id start, end;
  gs_jstr start_name, end_name;
} gs_weak_record;

typedef struct gs_record {
  uint64_t client, clock, len;
  uint8_t kind;       /* GS_GC ... GS_SKIP */
  uint8_t type_kind;  /* GS_TYPE */
  bool v2;            /* the encoding it came in: what `value` is */
  bool has_origin, has_right;
  bool has_parent;    /* neither of the two: the parent is spelled out, root or id */
  bool has_root;
  bool has_sub;       /* and a map key */
  bool info_sub;      /* the info byte speaks of a map key, spelled out or not */
  gs_wire_id origin, right_origin, parent;
  gs_jstr root, sub;
  gs_jstr text;       /* STRING; key of FORMAT; guid of DOC; node name of TYPE, where it has one */
  gs_weak_record weak; /* TYPE: what a weak link points to */
  /* BINARY: the bytes. ANY: len Any values. DOC: one. JSON: in v1 len varStrings. EMBED, FORMAT: in v1 JSON
   * text, in v2 an Any value. */
  gesso_bytes value;
  gs_strings json;    /* JSON in v2: the len strings that are next here */
  gesso_bytes raw;    /* v1: all of it */
} gs_record;

typedef struct gs_columns {
  gs_col key_clocks, clients, lefts, rights, infos, parents, types, lens;
  gs_strings strings;
  gs_jstr *keys; /* that may be named again by their number */
  uint32_t nkeys, keys_cap;
} gs_columns;

typedef struct gs_records {
  const gesso_allocator *alloc;
  gs_reader rd;       /* v1: all, v2: the rest; errors of both */
  gs_columns *columns; /* v2; NULL: v1 */
  uint32_t clients;   /* blocks that follow the present one */
  uint64_t structs;   /* structs that follow the present one in its block */
  uint64_t client, clock; /* the present block's, and where the next struct in it begins */
  uint64_t total;     /* v2: structs of all blocks so far */
  uint32_t blocks;    /* begun so far, without empty ones */
  uint64_t last;      /* client of the last of them */
  bool falling;       /* client ids fell from block to block until now */
  bool part;          /* only some blocks of an update: no delete set follows */
  gs_record rec;      /* the present struct, while gs_records_next says so */
} gs_records;

/* Starts reading. v2: the reader owns memory, see gs_records_close. */
void gs_records_open(gs_records *r, const gesso_allocator *al, gesso_bytes update, bool v2);
/* Reads the next struct into r->rec. False at the end of the structs, and on an error (r->rd.err). */
bool gs_records_next(gs_records *r);
void gs_records_close(gs_records *r);

/* Reads one v1 struct into `out`, whose client and clock are set. */
void gs_record_read_v1(gs_reader *rd, gs_record *out);

void gs_weak_record_read_v1(gs_reader *rd, gs_weak_record *out);
void gs_weak_record_write_v1(gs_buf *out, const gs_weak_record *w);

/* --- delete sets --- */

typedef struct gs_delete {
  uint64_t client, clock, len;
} gs_delete;

typedef struct gs_deletes {
  gs_delete *v;
  uint32_t n, cap;
} gs_deletes;

/* Appends the delete set that follows the structs of `r`; empty ranges are left out. When `r` has nothing
 * after it, so is the input. Errors are latched in r->rd. */
void gs_deletes_read(gs_records *r, gs_deletes *out);
/* By falling client, else as they are; only v2 cannot say ranges out of order, they are joined then. False:
 * out of memory. */
GESSO_MUST_USE bool gs_deletes_by_client(gs_deletes *d, bool v2);
/* By falling client and rising clock; ranges that touch or overlap are joined. False: out of memory. */
GESSO_MUST_USE bool gs_deletes_union(gs_deletes *d);
/* Writes a set that one of the two has ordered. */
void gs_deletes_write(gs_buf *out, bool v2, const gs_deletes *d);
void gs_deletes_finish(gs_deletes *d);

/* --- writing --- */

typedef struct gs_columns_out {
  gs_col_writer key_clocks, clients, lefts, rights, infos, parents, types, lens;
  gs_string_writer strings;
  uint64_t nkeys;
} gs_columns_out;

typedef struct gs_writer {
  gs_buf rest;  /* v1: the update; v2: the rest */
  gs_columns_out *columns; /* v2; NULL: v1 */
  gesso_status err;
  size_t max;   /* bytes; more is LIMIT. 0: no maximum */
  bool keep_key_bit; /* write the map-key bit as it came, also where no key is spelled out */
  uint64_t client, clock; /* of the open block: where its next struct begins */
  uint64_t written;       /* structs in it; 0: none is open */
  size_t block;           /* where it begins in `rest` */
  uint32_t blocks;
} gs_writer;

/* Opens a block unless the struct continues the open one. */
void gs_writer_block(gs_writer *w, uint64_t client, uint64_t clock);

static inline void gs_writer_begin(gs_writer *w, uint64_t client, uint64_t clock, uint64_t len)
{
  if (w->written == 0 || client != w->client || clock != w->clock)
    gs_writer_block(w, client, clock);
  w->written++;
  w->clock = clock + len;
}

void gs_writer_open(gs_writer *w, const gesso_allocator *al, bool v2);
/* v2: about so many structs and so many bytes of text will come; room for their columns is made once. */
void gs_writer_expect(gs_writer *w, size_t structs, size_t text);
/* The record without its first `offset` elements. What is left of half a character is, with `replace`,
 * U+FFFD for good (Yjs: splice), else half a character again (Yjs: write). */
void gs_writer_put(gs_writer *w, const gs_record *rec, uint64_t offset, bool replace);
/* Ends the structs; the delete set is to be written behind them, to w->rest. */
void gs_writer_end_structs(gs_writer *w);
/* Hands the update out and closes the writer. */
GESSO_MUST_USE gesso_status gs_writer_finish(gs_writer *w, gesso_buffer *out);
void gs_writer_close(gs_writer *w);

/* --- from documents: update_write_v2.c --- */

/* Puts a client's structs from a clock on, of which the first may be cut. clock < the client's. */
void gs_put_items(const gesso_doc *doc, gs_writer *w, uint32_t client, uint32_t clock);
struct gs_pnode;
/* One of doc->pending->structs. */
void gs_put_waiting(const gesso_doc *doc, gs_writer *w, const struct gs_pnode *node, uint32_t offset);
void gs_put_skip(const gesso_doc *doc, gs_writer *w, uint32_t client, uint32_t clock, uint32_t len);

/* --- for the public calls --- */

/* What may become of a v2 update, in which a long string can be named again and again in no bytes. */
static inline size_t gs_proportion(size_t bytes, uint64_t structs)
{
  return bytes * 16 + (size_t)structs * 64 + (1u << 20);
}

/* The end of the structs, an ordered delete set, the end of the writer. */
GESSO_MUST_USE gesso_status gs_finish_with(gs_writer *w, const gs_deletes *d, gesso_buffer *out);
/* The end of a call that reads one update and writes another: takes the delete set over, ends the writer, fills
 * *out and, with the first error, *error_out. */
GESSO_MUST_USE gesso_status gs_copy_rest(gs_records *r, gs_writer *w, gesso_buffer *out, gesso_error *error_out);
/* The first of the two that failed. Fills *error_out. */
gesso_status gs_records_status(const gs_records *r, gesso_status written, gesso_error *error_out);

#endif
