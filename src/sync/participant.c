/* gesso/awareness.h: one participant, on the table of presences that the server uses too.
 *
 * What a call changes is noted while it runs and reported at its end. Room for the notes is made before, so
 * that nothing which happened goes unreported. */
#include "gesso/awareness.h"

#include "sync/awareness.h"
#include "wire/json.h"
#include "wire/utf8.h"
#include "wire/writer.h"

#include <assert.h>

#define RENEW_MS (GESSO_AWARENESS_TIMEOUT_MS / 2)

_Static_assert(GESSO_AWARENESS_TIMEOUT_MS == GS_AWARENESS_EXPIRE_MS, "one timeout");

enum { ADDED, RENEWED, CHANGED, REMOVED };

typedef struct note {
  uint64_t client;
  int what;
} note;

struct gesso_awareness {
  const gesso_allocator *alloc;
  gs_awareness *table;
  gs_awareness_owner owner; /* of all: which connection brought whom is none of our business */
  uint64_t client_id;
  uint64_t clock;      /* our own, which the table may forget while we are away */
  uint64_t renewed_ms; /* when our state was set last */
  uint64_t now_ms;     /* the latest that anybody said */
  note *notes;
  uint32_t nnotes, notes_cap;
  uint64_t *ids; /* the notes as lists of an event */
  uint32_t ids_cap;
  gesso_awareness_fn fn;
  void *ctx;
};

static const gesso_bytes by_us = { (const uint8_t *)"local", 5 }, by_time = { (const uint8_t *)"timeout", 7 };
static const gesso_bytes null_state = { (const uint8_t *)"null", 4 };

/* --- what happened --- */

static bool reserve_notes(gesso_awareness *aw, size_t n)
{
  return gs_grow(aw->alloc, &aw->notes, &aw->notes_cap, n, sizeof(note)) &&
         gs_grow(aw->alloc, &aw->ids, &aw->ids_cap, 2 * n, sizeof(uint64_t));
}

static void taken(void *ctx, uint64_t client, gesso_bytes before, gesso_bytes after)
{
  gesso_awareness *aw = ctx;
  int what = after.len == 0 ? REMOVED
             : before.len == 0 ? ADDED
             : gs_json_equal(aw->alloc, before, after) ? RENEWED
                                                       : CHANGED;
  assert(aw->nnotes < aw->notes_cap);
  aw->notes[aw->nnotes++] = (note){ client, what };
}

static size_t pick(gesso_awareness *aw, size_t at, int what, int or_what)
{
  size_t n = 0;
  for (uint32_t i = 0; i < aw->nnotes; i++)
    if (aw->notes[i].what == what || aw->notes[i].what == or_what)
      aw->ids[at + n++] = aw->notes[i].client;
  return n;
}

static void report(gesso_awareness *aw, gesso_bytes origin)
{
  if (aw->nnotes > 0 && aw->fn != NULL) {
    gesso_awareness_event e = { .origin = origin, .clients = aw->ids, .nclients = aw->nnotes };
    e.nadded = pick(aw, 0, ADDED, ADDED);
    e.nupdated = pick(aw, e.nadded, RENEWED, CHANGED);
    e.nremoved = pick(aw, e.nadded + e.nupdated, REMOVED, REMOVED);
    e.nchanged = pick(aw, e.nclients, CHANGED, CHANGED);
    e.added = aw->ids;
    e.updated = e.added + e.nadded;
    e.removed = e.updated + e.nupdated;
    e.changed = e.removed + e.nremoved;
    aw->fn(aw->ctx, aw, &e);
  }
  aw->nnotes = 0;
  /* After the callback, which may want to encode those who left. */
  gs_awareness_drop_changes(aw->table);
}

void gesso_awareness_on_change(gesso_awareness *aw, gesso_awareness_fn fn, void *ctx)
{
  aw->fn = fn;
  aw->ctx = ctx;
}

static void set_clock(gesso_awareness *aw, uint64_t now_ms)
{
  aw->now_ms = GS_MAX(aw->now_ms, now_ms);
}

/* --- oneself --- */

gesso_awareness *gesso_awareness_create(const gesso_awareness_options *options, uint64_t now_ms)
{
  gesso_awareness_options o = { 0 };
  memcpy(&o, options, GS_MIN(options->size, sizeof o));
  if (o.client_id == 0 || o.client_id > GS_MAX_SAFE_INTEGER)
    return NULL;
  gesso_awareness *aw = GS_NEW(o.alloc, gesso_awareness);
  if (aw == NULL)
    return NULL;
  uint32_t clients_max = o.clients_max != 0 ? o.clients_max : 10000;
  gs_awareness_limits limits = {
    .ids_max = clients_max,
    .owner_ids_max = clients_max,
    .departed_max = clients_max,
    .state_len_max = o.state_bytes_max != 0 ? o.state_bytes_max : 64u << 10,
    .states_len_max = o.states_bytes_max != 0 ? o.states_bytes_max : 16u << 20,
  };
  *aw = (gesso_awareness){ .alloc = o.alloc, .client_id = o.client_id, .renewed_ms = now_ms, .now_ms = now_ms };
  aw->table = gs_awareness_create(o.alloc, &limits);
  if (aw->table == NULL || gs_awareness_set(aw->table, &aw->owner, now_ms, o.client_id, 0,
                                            (gesso_bytes){ (const uint8_t *)"{}", 2 }) != GESSO_OK) {
    gesso_awareness_destroy(aw);
    return NULL;
  }
  gs_awareness_drop_changes(aw->table);
  gs_awareness_defend(aw->table, o.client_id);
  gs_awareness_listen(aw->table, taken, aw);
  return aw;
}

void gesso_awareness_destroy(gesso_awareness *aw)
{
  if (aw == NULL)
    return;
  gs_awareness_destroy(aw->table);
  gs_free(aw->alloc, aw->notes, aw->notes_cap * sizeof(note));
  gs_free(aw->alloc, aw->ids, aw->ids_cap * sizeof(uint64_t));
  gs_free(aw->alloc, aw, sizeof *aw);
}

uint64_t gesso_awareness_client_id(const gesso_awareness *aw)
{
  return aw->client_id;
}

/* `state` without white space, or null. Adds its note, and makes nobody hear of it yet. */
static gesso_status set_state(gesso_awareness *aw, gesso_bytes state)
{
  uint64_t clock = GS_MIN(aw->clock + 1, GS_MAX_SAFE_INTEGER);
  if (!reserve_notes(aw, (size_t)aw->nnotes + 1))
    return GESSO_E_NOMEM;
  uint32_t notes = aw->nnotes;
  gesso_status st = gs_awareness_set(aw->table, &aw->owner, aw->now_ms, aw->client_id, clock, state);
  if (st != GESSO_OK)
    return st;
  /* Null on top of null is a new clock all the same, as in y-protocols. */
  if (aw->nnotes == notes)
    aw->notes[aw->nnotes++] = (note){ aw->client_id, REMOVED };
  aw->clock = clock;
  aw->renewed_ms = aw->now_ms;
  return GESSO_OK;
}

gesso_status gesso_awareness_set_local(gesso_awareness *aw, gesso_bytes json, uint64_t now_ms)
{
  gs_buf state = gs_buf_make(aw->alloc);
  gesso_status st = GESSO_OK;
  if (json.data == NULL)
    gs_buf_puts(&state, "null");
  else if ((st = gs_json_check(json, GS_AWARENESS_DEPTH_MAX, NULL)) == GESSO_OK)
    st = gs_json_minify(json, &state);
  if (st == GESSO_OK)
    st = state.err;
  if (st == GESSO_OK) {
    set_clock(aw, now_ms);
    st = set_state(aw, gs_buf_bytes(&state));
    report(aw, by_us);
  }
  gs_buf_finish(&state);
  return st == GESSO_E_CORRUPT ? GESSO_E_USAGE : st;
}

gesso_status gesso_awareness_set_local_field(gesso_awareness *aw, gesso_bytes key, gesso_bytes json, uint64_t now_ms)
{
  gesso_bytes have = gesso_awareness_state(aw, aw->client_id);
  if (have.len == 0)
    return GESSO_OK;
  gs_buf old = gs_buf_make(aw->alloc), text = gs_buf_make(aw->alloc);
  gesso_status st = gs_json_check(json, GS_AWARENESS_DEPTH_MAX, NULL);
  if (st == GESSO_OK)
    st = gs_utf8_invalid_at(key) == key.len ? gs_json_minify(have, &old) : GESSO_E_USAGE;
  if (st == GESSO_OK && old.b.data[0] != '{')
    st = GESSO_E_USAGE;
  if (st == GESSO_OK) {
    /* Of equal keys the last counts, at the place of the first. */
    gs_buf_write(&text, old.b.data, old.b.len - 1);
    if (old.b.len > 2)
      gs_buf_put(&text, ',');
    gs_json_write_string(&text, key);
    gs_buf_put(&text, ':');
    gs_buf_write(&text, json.data, json.len);
    gs_buf_put(&text, '}');
    st = text.err;
  }
  if (st == GESSO_OK)
    st = gesso_awareness_set_local(aw, gs_buf_bytes(&text), now_ms);
  gs_buf_finish(&old);
  gs_buf_finish(&text);
  return st == GESSO_E_CORRUPT ? GESSO_E_USAGE : st;
}

/* --- the others --- */

gesso_status gesso_awareness_apply(gesso_awareness *aw, gesso_bytes update, gesso_bytes origin, uint64_t now_ms,
                                   gesso_error *error_out)
{
  gs_reader rd = gs_reader_of(update);
  if (!reserve_notes(aw, gs_read_count(&rd, 3))) {
    if (error_out != NULL)
      *error_out = (gesso_error){ GESSO_E_NOMEM, 0, "out of memory" };
    return GESSO_E_NOMEM;
  }
  set_clock(aw, now_ms);
  gs_awareness_counts counts;
  gesso_status st = gs_awareness_apply(aw->table, &aw->owner, aw->now_ms, update, &counts, error_out);
  uint64_t clock;
  gesso_bytes state;
  if (gs_awareness_find(aw->table, aw->client_id, &clock, &state) && clock > aw->clock) {
    aw->clock = clock;
    aw->renewed_ms = aw->now_ms;
  }
  report(aw, origin);
  return st;
}

gesso_status gesso_awareness_remove(gesso_awareness *aw, const uint64_t *clients, size_t count, gesso_bytes origin,
                                    uint64_t now_ms)
{
  /* One who is named twice is removed once. */
  if (!reserve_notes(aw, GS_MIN(count, gs_awareness_present(aw->table))))
    return GESSO_E_NOMEM;
  set_clock(aw, now_ms);
  gesso_status st = GESSO_OK;
  for (size_t i = 0; i < count; i++)
    if (clients[i] != aw->client_id)
      gs_awareness_remove(aw->table, clients[i]);
    else if (gesso_awareness_state(aw, clients[i]).len > 0)
      st = set_state(aw, null_state);
  report(aw, origin);
  return st;
}

gesso_status gesso_awareness_tick(gesso_awareness *aw, uint64_t now_ms)
{
  if (!reserve_notes(aw, (size_t)gs_awareness_present(aw->table) + 1))
    return GESSO_E_NOMEM;
  set_clock(aw, now_ms);
  gesso_bytes own = gesso_awareness_state(aw, aw->client_id);
  gesso_status st = GESSO_OK;
  if (own.len > 0 && aw->now_ms - aw->renewed_ms >= RENEW_MS) {
    st = set_state(aw, own);
    report(aw, by_us);
  }
  /* Our own state does not time out, not even when there was no memory to renew it. */
  if (st == GESSO_OK)
    gs_awareness_expire(aw->table, aw->now_ms);
  report(aw, by_time);
  return st;
}

uint64_t gesso_awareness_next_tick(const gesso_awareness *aw)
{
  uint64_t next = gs_awareness_next_expiry(aw->table);
  if (gesso_awareness_state(aw, aw->client_id).len > 0)
    next = GS_MIN(next, aw->renewed_ms + RENEW_MS);
  return next;
}

/* --- reading --- */

static gesso_status hand_out(gs_buf *buf, gesso_buffer *out)
{
  gesso_status st = buf->err;
  if (st == GESSO_OK)
    *out = gs_buf_take(buf);
  gs_buf_finish(buf);
  return st;
}

gesso_status gesso_awareness_encode(const gesso_awareness *aw, const uint64_t *clients, size_t count, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = aw->alloc };
  gs_buf buf = gs_buf_make(aw->alloc);
  if (clients == NULL) {
    if (gs_awareness_encode(aw->table, &buf) == 0)
      gs_write_varuint(&buf, 0);
    return hand_out(&buf, out);
  }
  gs_write_varuint(&buf, count);
  for (size_t i = 0; i < count; i++)
    if (!gs_awareness_encode_client(aw->table, clients[i], &buf)) {
      gs_buf_finish(&buf);
      return GESSO_E_NOTFOUND;
    }
  return hand_out(&buf, out);
}

size_t gesso_awareness_clients(const gesso_awareness *aw, uint64_t *out, size_t max)
{
  uint32_t cursor = 0;
  uint64_t client;
  gesso_bytes state;
  for (size_t n = 0; n < max && gs_awareness_each(aw->table, &cursor, &client, &state); n++)
    out[n] = client;
  return gs_awareness_present(aw->table);
}

gesso_bytes gesso_awareness_state(const gesso_awareness *aw, uint64_t client)
{
  uint64_t clock;
  gesso_bytes state = { NULL, 0 };
  (void)gs_awareness_find(aw->table, client, &clock, &state);
  return state;
}

gesso_status gesso_awareness_clock(const gesso_awareness *aw, uint64_t client, uint64_t *out)
{
  gesso_bytes state;
  return gs_awareness_find(aw->table, client, out, &state) ? GESSO_OK : GESSO_E_NOTFOUND;
}

gesso_status gesso_awareness_to_json(const gesso_awareness *aw, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = aw->alloc };
  gs_buf buf = gs_buf_make(aw->alloc);
  uint32_t cursor = 0;
  uint64_t client;
  gesso_bytes state;
  gs_buf_put(&buf, '{');
  while (gs_awareness_each(aw->table, &cursor, &client, &state)) {
    gs_buf_printf(&buf, "%s\"%llu\":", buf.b.len > 1 ? "," : "", (unsigned long long)client);
    gs_buf_write(&buf, state.data, state.len);
  }
  gs_buf_put(&buf, '}');
  return hand_out(&buf, out);
}

/* --- updates on their way --- */

gesso_status gesso_awareness_modify(gesso_bytes update, gesso_awareness_modify_fn fn, void *ctx, gesso_buffer *out,
                                    gesso_error *error_out)
{
  *out = (gesso_buffer){ 0 };
  gs_buf buf = gs_buf_make(NULL);
  gs_reader rd = gs_reader_of(update);
  uint32_t n = gs_read_count(&rd, 3);
  gs_write_varuint(&buf, n);
  for (uint32_t i = 0; i < n && rd.err == GESSO_OK && buf.err == GESSO_OK; i++) {
    uint64_t client, clock;
    gesso_bytes state;
    gs_awareness_read_entry(&rd, &client, &clock, &state);
    if (rd.err != GESSO_OK)
      break;
    gesso_bytes other = fn(ctx, client, state);
    if (other.data != NULL && gs_json_check(other, GS_AWARENESS_DEPTH_MAX, NULL) != GESSO_OK) {
      rd.at -= state.len;
      gs_reader_fail(&rd, GESSO_E_USAGE, "the new state is no JSON");
      break;
    }
    gs_write_varuint(&buf, client);
    gs_write_varuint(&buf, clock);
    gs_write_bytes(&buf, other.data != NULL ? other : state);
  }
  if (buf.err != GESSO_OK)
    gs_reader_fail(&rd, buf.err, "out of memory");
  else if (gs_reader_left(&rd) > 0)
    gs_reader_fail(&rd, GESSO_E_CORRUPT, "bytes after the last presence state");
  if (rd.err != GESSO_OK) {
    gs_buf_finish(&buf);
    return gs_reader_status(&rd, error_out);
  }
  return hand_out(&buf, out);
}
