/* Sources: what other servers leave on a disk, read one document after the other.
 *
 *   gs_port_source *s;
 *   if (gs_port_open(path, &options, &s, &why) != GESSO_OK) ...      why: a sentence
 *   while ((status = gs_port_next(s, &doc)) == GESSO_OK) {            the next name
 *     gs_port_read(s, &doc);                                          its content; left out to pass over it
 *     ... doc.doc, doc.damage, doc.notes
 *   }
 *   NOTFOUND: that was all. Anything else: the source cannot be read on, gs_port_why(s) says why.
 *
 * A source is read in the same order every time, and nothing in it is changed. One document is in memory at
 * a time. What cannot be decoded is never passed over in silence: it becomes damage of its document. */
#ifndef GS_PORT_PORT_H
#define GS_PORT_PORT_H

#include "base/buf.h"
#include "gesso/doc.h"

#include <stdbool.h>

typedef enum gs_port_format {
  GS_PORT_ANY, /* looked for in the bytes */
  GS_PORT_V1,
  GS_PORT_V2,
  GS_PORT_FOLDER,
  GS_PORT_HOCUSPOCUS,
  GS_PORT_PYCRDT,
  GS_PORT_PYCRDT_FILE,
  GS_PORT_YSWEET,
  GS_PORT_YLEVELDB,
  GS_PORT_EXCALIDRAW,
  GS_PORT_FORMATS
} gs_port_format;

/* "hocuspocus", for command lines; FORMATS: there is none of that name. */
const char *gs_port_format_name(gs_port_format format);
gs_port_format gs_port_format_of(const char *name);

/* One document as it was found. Filled by next and read, emptied by the next next; all of it belongs to the struct. */
typedef struct gs_port_doc {
  gs_buf name;      /* the board's; any bytes of any length, as the source has them */
  gs_buf where;     /* for people: the file that it came from, when the source has several. May be empty */
  gesso_doc *doc;   /* what could be read; NULL: nothing at all */
  uint64_t updates, bytes; /* that were applied */
  uint64_t empty_updates;  /* of them `00 00` */
  uint64_t inflated, v2;   /* of them compressed, or in the v2 encoding */
  gs_buf notes;     /* lines of text, each ended by '\n': nothing is lost by what they say */
  bool damaged;     /* not all of it could be read ... */
  gs_buf damage;    /* ... and this, in lines, is why */
  gs_buf drawing;   /* an .excalidraw file: its text. See excalidraw.h for how it gets into a board */
} gs_port_doc;

void gs_port_doc_init(gs_port_doc *d);
void gs_port_doc_finish(gs_port_doc *d);

typedef struct gs_port_options {
  gs_port_format format;
} gs_port_options;

typedef struct gs_port_source gs_port_source;

/* NOTFOUND: there is no such file or folder; CORRUPT: no format is recognised, or it is not what `format` says;
 * USAGE: this gesso was built without that format; IO, LIMIT, NOMEM. `why` receives a sentence on failure. */
GESSO_MUST_USE gesso_status gs_port_open(const char *path, const gs_port_options *options, gs_port_source **out,
                                         gs_buf *why);
void gs_port_close(gs_port_source *s); /* NULL is fine */

GESSO_MUST_USE gesso_status gs_port_next(gs_port_source *s, gs_port_doc *d);
void gs_port_read(gs_port_source *s, gs_port_doc *d);
const char *gs_port_why(const gs_port_source *s);

/* For people: "a Hocuspocus database". */
const char *gs_port_kind(const gs_port_source *s);
/* A sentence about the source as a whole, or "". */
const char *gs_port_remark(const gs_port_source *s);
/* It is one file of one document, which may be given any name. */
bool gs_port_is_single(const gs_port_source *s);

#endif
