/* Editing text with formats, from one place on. What applies at a place is the sum of all formats before it, so that a
 * place carries its attributes along. Follows the decisions of Yjs' YText one by one, so that both put the same
 * items into the document. */
#ifndef GS_CRDT_EDIT_RICH_H
#define GS_CRDT_EDIT_RICH_H

#include "crdt/edit.h"
#include "crdt/format.h"

/* A place in a text: between left and right. Errors are latched: NOMEM or LIMIT. */
typedef struct gs_rich {
  gesso_doc *doc;
  gesso_type text;
  uint32_t slot; /* 0 until something is put into the text */
  gs_ix left, right;
  gs_attrs attrs; /* what applies here */
  gesso_status err;
} gs_rich;

/* The start of a text. */
gs_rich gs_rich_start(gesso_doc *doc, gesso_type text);
/* Sums up the formats before a place into r->attrs; left and right stay. */
void gs_rich_attrs_before(gs_rich *r, gs_place at);
void gs_rich_finish(gs_rich *r);

/* What an insertion puts in: for GS_TYPE a new type of that kind and name, otherwise content as content.h has it. */
typedef struct gs_rich_content {
  unsigned kind; /* GS_STRING, GS_EMBED, GS_TYPE */
  uint32_t len;
  gesso_bytes bytes;
  unsigned type_kind;
  uint32_t type_name;
  uint32_t type_made; /* out */
} gs_rich_content;

/* Puts content here, with exactly the attributes of `want`; `want` gets a null for each other one that applies here. */
void gs_rich_insert(gs_rich *r, gs_rich_content *content, gs_attrs *want);
/* Goes on by `len` units and changes their attributes as `want` says. The end of the text is pushed on by line breaks
 * if it comes too early (Yjs: formatText). */
void gs_rich_retain(gs_rich *r, uint64_t len, const gs_attrs *want);
/* Deletes up to `len` units from here on, and formats that do nothing any more. */
void gs_rich_delete(gs_rich *r, uint64_t len);

/* Reads attributes: the children of an object of a tree, each value as JSON text. USAGE: it is no object, or has an
 * undefined value. NOMEM. */
GESSO_MUST_USE gesso_status gs_rich_read_attrs(const gs_tree *tree, uint32_t node, gs_attrs *out);
/* The same from JSON text; {NULL, 0} is no attributes. LIMIT: nested too deep. */
GESSO_MUST_USE gesso_status gs_rich_parse_attrs(gesso_doc *doc, gesso_bytes json, gs_attrs *out);

#endif
