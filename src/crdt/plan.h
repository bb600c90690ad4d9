/* The plan of an update: which of its structs, and of those that wait since earlier updates, have all they depend on,
 * and in which order. It is found on clocks alone, and integrates exactly what Yjs would: of each client the longest
 * run of structs without a gap whose origins, right origins and parents are there. The rest waits.
 *
 * Until the plan is carried out (apply.c) nothing of the document has changed but who waits for whom. */
#ifndef GS_CRDT_PLAN_H
#define GS_CRDT_PLAN_H

#include "crdt/pending.h"
#include "crdt/update.h"

static inline gesso_bytes gs_in_content(const gesso_doc *doc, const gs_update *up, gs_ix ix)
{
  const gs_item *in = &doc->items[ix];
  if (in->c.bytes == 0 || gs_kind(in) == GS_TYPE)
    return (gesso_bytes){ NULL, 0 };
  const uint8_t *from = ix >= up->own_end       ? doc->pending->bytes
                        : in->head & GS_IN_MADE ? up->made.b.data
                                                : up->input;
  return (gesso_bytes){ from + in->c.at, in->c.bytes };
}

/* Staged structs, linked by `right`. */
typedef struct gs_in_list {
  gs_ix head, tail;
} gs_in_list;

typedef struct gs_plan {
  gesso_doc *doc;
  gs_update up;       /* staged structs; those that came from pending are behind its own */
  gs_row *rows;       /* in order of integration */
  uint32_t nrows, rows_cap;
  gs_in_list passed;  /* nothing comes of these */
  uint32_t *ready;    /* clients to look at */
  uint32_t nready, ready_cap;
  uint32_t *involved; /* clients whose sim is valid */
  uint32_t ninvolved, involved_cap;
  uint32_t epoch;
  bool update_only;   /* what waits is not looked at yet */
  uint32_t *later;    /* clients to look at then */
  uint32_t nlater, later_cap;
  size_t bytes;       /* of the update */
  bool nomem;
} gs_plan;

/* Goes through all that is planned, in order; 0 at the end. *row is the cursor's. */
static inline gs_ix gs_plan_first(const gs_plan *p, uint32_t *row)
{
  *row = 0;
  return p->nrows > 0 ? p->rows[0].first : 0;
}
static inline gs_ix gs_plan_next(const gs_plan *p, uint32_t *row, gs_ix ix)
{
  if (ix + 1 < p->rows[*row].end)
    return ix + 1;
  return ++*row < p->nrows ? p->rows[*row].first : 0;
}

/* Frees the arrays. */
void gs_scratch_free(gesso_doc *doc, const gs_scratch *s);

/* Makes the plan for the decoded update. `all`: the links of who waits for whom are not to be trusted. Failure is
 * p->nomem. */
void gs_plan_make(gs_plan *p, bool all);
/* Empties it. */
void gs_plan_restart(gs_plan *p);
/* Goes on with the clients in p->ready. */
void gs_plan_go_on(gs_plan *p);
void gs_plan_push_ready(gs_plan *p, uint32_t client);
/* The simulated state of a client, which is involved from then on. */
gs_client *gs_plan_client(gs_plan *p, uint32_t client);
/* The way back of a plan that is not carried out: who waited for what. */
void gs_plan_restore_waits(gs_plan *p, uint32_t nclients);
/* The waiting struct of the client that has this clock, or 0. */
uint32_t gs_waiting_at(const gesso_doc *doc, uint32_t client, uint32_t clock);
/* Whether a struct misses one that it depends on, and which. */
bool gs_plan_blocks(const gs_plan *p, const gs_item *in, gs_id *dep);

/* Reserves everything that carrying out the plan can need: reserve.c. Starts the finders (finder.h), which
 * stay when it succeeds. */
GESSO_MUST_USE gesso_status gs_plan_reserve(gs_plan *p, const char **why);

#endif
