/* What readers of formats are made of: the inside of port.h. */
#ifndef GS_PORT_SOURCE_H
#define GS_PORT_SOURCE_H

#include "port/port.h"

typedef struct gs_port_reader {
  gesso_status (*next)(gs_port_source *s, gs_port_doc *d);
  void (*read)(gs_port_source *s, gs_port_doc *d);
  void (*close)(gs_port_source *s); /* frees `s` too */
} gs_port_reader;

/* Readers have it as their first member. */
struct gs_port_source {
  const gs_port_reader *reader;
  const char *kind;
  bool single;
  gs_buf why; /* without an end of line */
  char remark[300];
};

enum {
  GS_PORT_FILE_MAX = 2000000000, /* bytes of one file that is read as a whole */
  GS_PORT_INFLATED_MAX = 256 << 20 /* bytes of one compressed update */
};

/* --- opening, by format. `path` as given; `name` is the board's for formats that have none inside. Each takes the
 * bytes of a file where it has them: they are the reader's then, also on failure. --- */
gesso_status gs_port_open_update(const char *path, gesso_bytes name, gs_port_format as, gs_buf *file, gs_port_source **out,
                                 gs_buf *why);
gesso_status gs_port_open_folder(const char *path, gs_port_source **out, gs_buf *why);
gesso_status gs_port_open_hocuspocus(const char *path, gs_port_source **out, gs_buf *why);
gesso_status gs_port_open_pycrdt(const char *path, gs_port_source **out, gs_buf *why);
gesso_status gs_port_open_pycrdt_file(const char *path, gesso_bytes name, gs_buf *file, gs_port_source **out, gs_buf *why);
gesso_status gs_port_open_ysweet(const char *path, gesso_bytes name, gs_buf *file, gs_port_source **out, gs_buf *why);
gesso_status gs_port_open_yleveldb(const char *path, gs_port_source **out, gs_buf *why);
gesso_status gs_port_open_excalidraw(const char *path, gesso_bytes name, gs_buf *file, gs_port_source **out, gs_buf *why);

/* Any one file; `name` as above. CORRUPT: not recognised. */
gesso_status gs_port_open_file(const char *path, gesso_bytes name, gs_port_format format, gs_port_source **out, gs_buf *why);
/* Is this folder one of LevelDB's? */
bool gs_port_is_leveldb(const char *path);

/* --- filling in a document --- */

/* Empties it. */
void gs_port_doc_clear(gs_port_doc *d);

/* Applies one update to d->doc, which is made if need be: v1, compressed v1 (zlib, gzip) or v2, whichever the bytes
 * are; `as` V1 or V2 settles it. What cannot be decoded becomes damage at `where`, a printf format. False then. */
bool gs_port_apply(gs_port_doc *d, gesso_bytes update, gs_port_format as, const char *where, ...)
  __attribute__((format(printf, 4, 5)));

/* The source says that the document has this state vector: what is missing becomes damage. */
void gs_port_expect(gs_port_doc *d, gesso_bytes state_vector, const char *where);

void gs_port_note(gs_port_doc *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gs_port_damage(gs_port_doc *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- small things --- */

/* Replaces the text; a NUL follows its end. */
void gs_port_set(gs_buf *text, const char *what);

/* What was set; "" when memory was short for it. */
static inline const char *gs_port_text(const gs_buf *text)
{
  return text->err != GESSO_OK || text->b.data == NULL ? "" : (const char *)text->b.data;
}

/* Sets it to one sentence. Returns `status`. */
gesso_status gs_port_because(gs_buf *why, gesso_status status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* IO, NOTFOUND or LIMIT, with a sentence. */
gesso_status gs_port_read_file(const char *path, gs_buf *out, gs_buf *why);

/* The board's name for a file: its last part without an ending of ours, percent-decoded where that is all valid. */
void gs_port_name_of_path(const char *path, gs_buf *out);

#endif
