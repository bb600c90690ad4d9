/* gesso/awareness.h: who is here, and what they are doing: the presence of y-protocols.
 *
 * Every client has a state, JSON that it alone sets (name, cursor, colour ...), and a clock that rises with
 * each change of it. States travel as awareness updates, the newest wins, and one that was not renewed for 30
 * seconds is dropped. Nothing is stored, and no document is needed; cursors are usually positions
 * (gesso/position.h) in their JSON form.
 *
 * This is one participant, as `Awareness` of y-protocols is: it makes no connection and reads no clock.
 * What its callback reports is sent to the others with gesso_awareness_encode, what they send is given to
 * gesso_awareness_apply, and gesso_awareness_tick is called now and then. Time is in milliseconds of any
 * clock that does not step back.
 *
 * Threads: one at a time. */
#ifndef GESSO_AWARENESS_H
#define GESSO_AWARENESS_H

#include "gesso/base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GESSO_AWARENESS_TIMEOUT_MS 30000u /* states not renewed for so long are dropped; one's own is renewed at half */

typedef struct gesso_awareness gesso_awareness;

typedef struct gesso_awareness_options {
  size_t size;                  /* sizeof(gesso_awareness_options): lets fields be added later */
  const gesso_allocator *alloc; /* NULL: malloc. Must outlive the object. */
  uint64_t client_id;           /* its own: 1 .. 2^53-1, that of the document by custom (gesso_doc_client_id) */
  uint32_t clients_max;         /* present at a time; 0: 10,000 */
  uint32_t state_bytes_max;     /* of one state; 0: 64 KB */
  uint32_t states_bytes_max;    /* of all states together; 0: 16 MB */
} gesso_awareness_options;

/* With the state {} at clock 0, as in y-protocols: nobody is told of it. NULL when memory is short or the
 * client id is none. */
GESSO_API gesso_awareness *gesso_awareness_create(const gesso_awareness_options *options, uint64_t now_ms);
/* Tells nobody: set the local state to null before, and send that. NULL is fine. */
GESSO_API void gesso_awareness_destroy(gesso_awareness *awareness);

GESSO_API uint64_t gesso_awareness_client_id(const gesso_awareness *awareness);

/* --- What happened. Called at the end of each call that changed something, which is before that returns. The
 * event is borrowed for the call; the callback may read the object but not change it. --- */

typedef struct gesso_awareness_event {
  gesso_bytes origin; /* what gesso_awareness_apply or _remove was given; "local"; "timeout" */
  /* Everybody it is about, which is what the others are to be sent: those added, then those updated, then those
   * removed. */
  const uint64_t *clients;
  size_t nclients;
  const uint64_t *added;   /* had no state before */
  size_t nadded;
  const uint64_t *updated; /* had one: it changed, or was renewed */
  size_t nupdated;
  const uint64_t *changed; /* those of `updated` whose state is another than before, as values */
  size_t nchanged;
  const uint64_t *removed; /* have none now */
  size_t nremoved;
} gesso_awareness_event;

typedef void (*gesso_awareness_fn)(void *ctx, gesso_awareness *awareness, const gesso_awareness_event *event);
/* One callback an object; NULL removes it. */
GESSO_API void gesso_awareness_on_change(gesso_awareness *awareness, gesso_awareness_fn fn, void *ctx);

/* --- Oneself --- */

/* Sets one's state to any JSON; {NULL, 0} or `null`: not here any more. It is kept without white space.
 * Errors: USAGE (no JSON), LIMIT (too large, or nested deeper than 128), NOMEM; nothing changes then. */
GESSO_API GESSO_MUST_USE gesso_status gesso_awareness_set_local(gesso_awareness *awareness, gesso_bytes json,
                                                                uint64_t now_ms);
/* Sets one member of one's state. Does nothing while that is null. USAGE also: the state is no object. */
GESSO_API GESSO_MUST_USE gesso_status gesso_awareness_set_local_field(gesso_awareness *awareness, gesso_bytes key,
                                                                      gesso_bytes json, uint64_t now_ms);

/* --- The others --- */

/* Takes what is newer in an awareness update from anybody. A malformed one changes nothing. States past a limit
 * are left out, silently. Who says that we are gone is answered: our clock rises past theirs, and we are among
 * those updated. `origin` goes into the event.
 * Errors: TRUNCATED, CORRUPT (also a state that is no JSON), RANGE; NOMEM: what was taken before stands and was
 * reported. */
GESSO_API GESSO_MUST_USE gesso_status gesso_awareness_apply(gesso_awareness *awareness, gesso_bytes update,
                                                            gesso_bytes origin, uint64_t now_ms, gesso_error *error_out);
/* Drops the states of those clients, without a new clock but for our own (Yjs: removeAwarenessStates). For
 * a connection that ended: its clients. Unknown ones are ignored. NOMEM: nothing changed. */
GESSO_API GESSO_MUST_USE gesso_status gesso_awareness_remove(gesso_awareness *awareness, const uint64_t *clients,
                                                             size_t count, gesso_bytes origin, uint64_t now_ms);
/* Renews our own state when it is due and drops those that timed out. NOMEM: may be called again. */
GESSO_API GESSO_MUST_USE gesso_status gesso_awareness_tick(gesso_awareness *awareness, uint64_t now_ms);
/* When gesso_awareness_tick will have something to do; UINT64_MAX: never, as it stands. */
GESSO_API uint64_t gesso_awareness_next_tick(const gesso_awareness *awareness);

/* --- Reading --- */

/* The awareness update about those clients; with clients NULL about everybody who is here. One who left is null
 * in it. NOTFOUND: one of them was never heard of, or so long ago that it was forgotten. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_awareness_encode(const gesso_awareness *awareness,
                                                             const uint64_t *clients, size_t count, gesso_buffer *out);
/* Everybody who is here; returns how many that are, writes `max` of them at most. */
GESSO_API size_t gesso_awareness_clients(const gesso_awareness *awareness, uint64_t *out, size_t max);
/* The state of a client as JSON text; {NULL, 0}: not here. Borrowed until the object changes. */
GESSO_API gesso_bytes gesso_awareness_state(const gesso_awareness *awareness, uint64_t client);
/* Its clock, also after it left. NOTFOUND as in gesso_awareness_encode. */
GESSO_API GESSO_MUST_USE gesso_status gesso_awareness_clock(const gesso_awareness *awareness, uint64_t client,
                                                            uint64_t *out);
/* All states: {"<client id>": state, ...}, in no particular order. NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_awareness_to_json(const gesso_awareness *awareness, gesso_buffer *out);

/* --- Updates on their way, without an object --- */

/* Another state for that client as JSON text, which must stay valid until the next call of the function or the end
 * of gesso_awareness_modify; {NULL, 0}: as it is. */
typedef gesso_bytes (*gesso_awareness_modify_fn)(void *ctx, uint64_t client, gesso_bytes state);
/* Passes every state of an update through a function, on a server that wants to have a say in them (Yjs:
 * modifyAwarenessUpdate). Errors: as gesso_awareness_apply; USAGE: what the function returned is no JSON. */
GESSO_API GESSO_MUST_USE gesso_status gesso_awareness_modify(gesso_bytes update, gesso_awareness_modify_fn fn, void *ctx,
                                                             gesso_buffer *out, gesso_error *error_out);

#ifdef __cplusplus
}
#endif
#endif
