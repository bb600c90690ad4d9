/* What the files of this folder share: the structs behind the opaque types of libyrs.h. Everything is built on the
 * public headers of gesso. */
#ifndef LIBYRS_IMPL_H
#define LIBYRS_IMPL_H

#include "libyrs.h"

#include "gesso/events.h"
#include "gesso/position.h"
#include "gesso/query.h"
#include "gesso/snapshot.h"
#include "gesso/types.h"
#include "gesso/undo.h"
#include "gesso/update.h"
#include "gesso/weak.h"

#include <stddef.h>
#include <string.h>

#define YRS_API __attribute__((visibility("default")))

struct Branch {
  YDoc *doc;
  gesso_type type;
  char *name; /* of a root, once ybranch_id was asked for it */
};

/* One for each gesso_doc that the program has seen, kept as that document's data pointer and freed with it. */
struct YDoc {
  gesso_doc *doc;
  uint8_t flags;
  uint32_t readers; /* open read transactions */
  YTransaction *writer;
  Branch **branches; /* by gesso_type; NULL where nobody asked */
  uint32_t nbranches;
  YSubscription *subscriptions;
  /* Formats and embeds are JSON, which knows no integers: names under which the program wrote one with yinput_long,
   * so that it reads one back. */
  char **long_names;
  size_t nlong_names;
};

struct TransactionInner {
  YDoc *doc;
  bool write;
};

/* A callback that the program registered. The list it is in is that of its document, or of its undo manager. */
struct YSubscription {
  YDoc *doc; /* NULL: the document is gone, or it is an undo manager's */
  YUndoManager *undo;
  YSubscription *next, *prev;
  gesso_subscription id; /* 0: of the clear event, which the document itself keeps */
  void *state;
  union {
    void (*bytes)(void *, uint32_t, const char *);
    void (*transaction)(void *, YAfterTransactionEvent *);
    void (*subdocs)(void *, YSubdocsEvent *);
    void (*clear)(void *, YDoc *);
    void (*text)(void *, const YTextEvent *);
    void (*map)(void *, const YMapEvent *);
    void (*array)(void *, const YArrayEvent *);
    void (*xml)(void *, const YXmlEvent *);
    void (*xml_text)(void *, const YXmlTextEvent *);
    void (*deep)(void *, uint32_t, const YEvent *);
    void (*weak)(void *, const YWeakLinkEvent *);
    void (*undo)(void *, const YUndoEvent *);
  } fn;
};

static inline gesso_bytes yrs_str(const char *s)
{
  return (gesso_bytes){ (const uint8_t *)s, s != NULL ? strlen(s) : 0 };
}

static inline gesso_bytes yrs_view(gesso_buffer b)
{
  return (gesso_bytes){ b.data, b.len };
}

/* Where the call has no way to tell: nothing was changed. */
static inline void yrs_ignore(gesso_status status)
{
  (void)status;
}

/* doc.c */
YDoc *yrs_doc_of(gesso_doc *doc, const YDoc *parent); /* NULL: no memory */
Branch *yrs_branch(YDoc *doc, gesso_type type);       /* NULL: type 0 or no memory */
/* The document to write to, or NULL: `txn` is no write transaction of the branch's document. */
gesso_doc *yrs_writable(const Branch *branch, const YTransaction *txn);

/* memory.c: what is handed to the program comes from malloc. */
char *yrs_string(gesso_bytes s);                        /* with a 0 at its end; NULL: no memory */
char *yrs_take_string(gesso_status st, gesso_buffer *b); /* frees b; NULL unless OK */
char *yrs_take_bytes(gesso_status st, gesso_buffer *b, uint32_t *len);
/* n zeroed elements; not NULL for n == 0. NULL: no memory */
void *yrs_array(size_t n, size_t size);

/* Memory for one call, given back at once. */
typedef struct yrs_arena {
  struct yrs_block *blocks;
  bool failed;
} yrs_arena;
void *yrs_arena_new(yrs_arena *a, size_t n, size_t size); /* zeroed; NULL: no memory, and a->failed */
void yrs_arena_free(yrs_arena *a);

/* json.c */
bool yrs_json_parse(yrs_arena *a, gesso_bytes text, gesso_value *out); /* integers past 2^53 become BIGINT */
/* A Y_JSON* input as JSON text that lives in the arena. False: it has a shared type in it, or no memory. */
bool yrs_json_of(yrs_arena *a, const YInput *in, gesso_bytes *out);

/* input.c */
bool yrs_value(yrs_arena *a, const YInput *in, gesso_value *out); /* any tag; shared types are to be filled */
gesso_status yrs_map_put(YDoc *doc, gesso_type map, gesso_bytes key, const YInput *in);
void yrs_fill(YDoc *doc, gesso_type made, const YInput *in); /* what a new shared type starts with */
void yrs_used(const YInput *in);                             /* it was written: a weak link goes back */
void yrs_note_longs(YDoc *doc, const YInput *in);

/* output.c: `json` says that the value comes from a format or embed; `name` is the key it stood under. */
bool yrs_output(YDoc *doc, const gesso_value *value, YOutput *out);
bool yrs_output_json(YDoc *doc, gesso_bytes name, const gesso_value *value, YOutput *out);
YOutput *yrs_output_new(YDoc *doc, const gesso_value *value);
YOutput *yrs_output_type(YDoc *doc, gesso_type type); /* NULL: type 0 or no memory */
void yrs_output_drop(YOutput *out);                  /* what it holds, not itself */

/* text.c: between the units of the program and UTF-16. False: past the end. */
bool yrs_index_in(const YDoc *doc, gesso_type text, uint64_t index, uint64_t *utf16);
bool yrs_index_out(const YDoc *doc, gesso_type text, uint64_t utf16, uint64_t *index);

/* observe.c */
YSubscription *yrs_subscription(YDoc *doc, void *state); /* linked in; NULL: no memory */
void yrs_subscriptions_end(YSubscription *list);         /* they live on and do nothing */

/* undo.c */
void yrs_undo_unobserve(YSubscription *s); /* takes it out of its manager's list */

/* weak.c */
struct LinkSource {
  gesso_buffer source; /* as gesso/weak.h writes it */
};

#endif
