/* What was promised. Two documents for each board are made of nothing but the messages that left the server: `shown` of all
 * of them, `acked` of those that went back to whoever had sent the change, after the sync. */
#include "sim.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

board boards[BOARDS_MAX];
uint32_t board_count;

/* --- documents --- */

gesso_doc *new_doc(uint64_t client_id)
{
  gesso_doc_options o = { .size = sizeof o, .client_id = client_id };
  gesso_doc *doc = gesso_doc_create(&o);
  if (doc == NULL)
    abort();
  return doc;
}

void take(gesso_doc *doc, gesso_bytes update)
{
  gesso_status s = gesso_doc_apply_v1(doc, update, NULL);
  if (s != GESSO_OK)
    violated("an update from the server cannot be applied: %s", gesso_status_text(s));
}

static gesso_buffer encoded(gesso_doc *doc)
{
  gesso_buffer out = { 0 };
  if (gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &out, NULL) != GESSO_OK)
    violated("a document cannot be encoded");
  return out;
}

gesso_doc *copy_doc(gesso_doc *doc)
{
  gesso_doc *copy = new_doc(9);
  gesso_buffer bytes = encoded(doc);
  take(copy, (gesso_bytes){ bytes.data, bytes.len });
  gesso_buffer_free(&bytes);
  return copy;
}

bool has_nothing(gesso_doc *doc)
{
  gesso_doc_stats stats;
  gesso_doc_get_stats(doc, &stats);
  return stats.structs == 0 && stats.pending_structs == 0 && stats.pending_delete_ranges == 0;
}

static bool same_bytes(gesso_buffer *a, gesso_buffer *b)
{
  bool same = a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
  gesso_buffer_free(a);
  gesso_buffer_free(b);
  return same;
}

static gesso_buffer json_of(gesso_doc *doc, const char *root, gesso_type_kind kind)
{
  gesso_buffer out = { 0 };
  gesso_type type = gesso_doc_root(doc, (gesso_bytes){ (const uint8_t *)root, strlen(root) }, kind);
  gesso_status s = kind == GESSO_TEXT ? gesso_text_to_delta(doc, type, &out) : gesso_type_to_json(doc, type, kind, &out);
  if (s != GESSO_OK)
    violated("a document cannot be read: %s", gesso_status_text(s));
  return out;
}

/* The members of an object come in the order of each replica's hash table: they are sorted. */
static int by_text(const void *a, const void *b)
{
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static gesso_buffer sorted_map(gesso_doc *doc, const char *root)
{
  gesso_type map = gesso_doc_root(doc, (gesso_bytes){ (const uint8_t *)root, strlen(root) }, GESSO_MAP);
  gesso_values entries = { 0 };
  if (gesso_map_entries(doc, map, &entries) != GESSO_OK)
    abort();
  char **lines = calloc(entries.count + 1, sizeof *lines);
  for (size_t i = 0; i < entries.count; i++) {
    gesso_buffer json = { 0 };
    gesso_bytes key = entries.keys[i];
    size_t size = 0;
    FILE *out = open_memstream(&lines[i], &size);
    (void)fprintf(out, "%.*s=", (int)key.len, (const char *)key.data);
    gesso_type shape = gesso_map_get_type(doc, map, key);
    static const char *const fields[] = { "x", "y", "w", "c" };
    for (size_t f = 0; shape != 0 && f < sizeof fields / sizeof fields[0]; f++) {
      if (gesso_map_get_json(doc, shape, (gesso_bytes){ (const uint8_t *)fields[f], 1 }, &json) == GESSO_OK)
        (void)fprintf(out, "%s:%.*s;", fields[f], (int)json.len, (const char *)json.data);
      gesso_buffer_free(&json);
    }
    if (shape == 0 && gesso_map_get_json(doc, map, key, &json) == GESSO_OK)
      (void)fwrite(json.data, 1, json.len, out);
    gesso_buffer_free(&json);
    (void)fclose(out);
  }
  qsort(lines, entries.count, sizeof *lines, by_text);
  gs_buf all = gs_buf_make(NULL);
  for (size_t i = 0; i < entries.count; i++) {
    gs_buf_puts(&all, lines[i]);
    free(lines[i]);
  }
  free(lines);
  gesso_values_free(&entries);
  return gs_buf_take(&all);
}

bool same_docs(gesso_doc *a, gesso_doc *b)
{
  gesso_buffer x = { 0 }, y = { 0 };
  if (gesso_doc_state_vector_json(a, &x) != GESSO_OK || gesso_doc_state_vector_json(b, &y) != GESSO_OK)
    abort();
  if (!same_bytes(&x, &y))
    return false;
  x = json_of(a, "log", GESSO_ARRAY), y = json_of(b, "log", GESSO_ARRAY);
  if (!same_bytes(&x, &y))
    return false;
  x = json_of(a, "text", GESSO_TEXT), y = json_of(b, "text", GESSO_TEXT);
  if (!same_bytes(&x, &y))
    return false;
  x = sorted_map(a, "shapes"), y = sorted_map(b, "shapes");
  if (!same_bytes(&x, &y))
    return false;
  x = sorted_map(a, "map"), y = sorted_map(b, "map");
  return same_bytes(&x, &y);
}

/* --- boards --- */

void model_begin(uint32_t count)
{
  board_count = count;
  for (uint32_t i = 0; i < count; i++) {
    board *b = &boards[i];
    *b = (board){ .fate = ALIVE };
    (void)snprintf(b->name, sizeof b->name, "board-%u", i);
    b->shown = new_doc(9), b->acked = new_doc(9);
    b->trash_shown = new_doc(9), b->trash_acked = new_doc(9);
  }
}

void model_end(void)
{
  for (uint32_t i = 0; i < board_count; i++) {
    gesso_doc_destroy(boards[i].shown);
    gesso_doc_destroy(boards[i].acked);
    gesso_doc_destroy(boards[i].trash_shown);
    gesso_doc_destroy(boards[i].trash_acked);
  }
  board_count = 0;
}

gesso_bytes board_name(const board *b)
{
  return (gesso_bytes){ (const uint8_t *)b->name, strlen(b->name) };
}

static void empty(gesso_doc **doc)
{
  gesso_doc_destroy(*doc);
  *doc = new_doc(9);
}

static void copy_over(gesso_doc **to, gesso_doc *from)
{
  gesso_doc_destroy(*to);
  *to = copy_doc(from);
}

static void swap(gesso_doc **a, gesso_doc **b)
{
  gesso_doc *t = *a;
  *a = *b;
  *b = t;
}

void model_shown(board *b, gesso_bytes update)
{
  take(b->shown, update);
}

void model_acked(board *b, gesso_bytes update)
{
  take(b->acked, update);
  take(b->shown, update);
}

static void becomes_deleted(board *b)
{
  swap(&b->shown, &b->trash_shown);
  swap(&b->acked, &b->trash_acked);
  empty(&b->shown);
  empty(&b->acked);
  b->fate = DELETED;
}

static void comes_back(board *b)
{
  swap(&b->shown, &b->trash_shown);
  swap(&b->acked, &b->trash_acked);
  empty(&b->trash_shown);
  empty(&b->trash_acked);
  b->fate = ALIVE;
}

static void is_made_anew(board *b)
{
  empty(&b->shown);
  empty(&b->acked);
  empty(&b->trash_shown);
  empty(&b->trash_acked);
  b->version_count = 0;
  b->purge = false;
  b->fate = ALIVE;
}

void model_order_done(board *b, order what, gesso_status status)
{
  b->order = ORDER_NONE;
  if (status != GESSO_OK) {
    bool known = (what == ORDER_DELETE && status == GESSO_E_NOTFOUND && has_nothing(b->acked)) ||
                 (what == ORDER_UNDELETE && status == GESSO_E_DELETED && b->purge) || status == GESSO_E_CLOSED ||
                 status == GESSO_E_IO || status == GESSO_E_FULL;
    if (!known)
      violated("%s: an order (%d) is answered with %s", b->name, (int)what, gesso_status_text(status));
    if (status != GESSO_E_NOTFOUND && status != GESSO_E_DELETED)
      b->order = what; /* nobody knows */
    return;
  }
  if (what == ORDER_DELETE)
    becomes_deleted(b);
  else if (what == ORDER_UNDELETE)
    comes_back(b);
  else
    is_made_anew(b);
}

void model_after_crash(bool lost, bool durable)
{
  for (uint32_t i = 0; i < board_count; i++) {
    board *b = &boards[i];
    b->audited = b->audit_running = false;
    b->room_seen = NULL;
    if (!lost)
      continue;
    if (!durable) { /* nothing was promised but that what is found can be read */
      b->fate = ANY;
      b->version_count = 0;
      continue;
    }
    copy_over(&b->shown, b->acked);
    copy_over(&b->trash_shown, b->trash_acked);
  }
}

static void promise_shown(gesso_doc *shown, gesso_doc **acked)
{
  copy_over(acked, shown);
}

void model_opened(bool durable)
{
  for (uint32_t i = 0; i < board_count && durable; i++) {
    promise_shown(boards[i].shown, &boards[i].acked);
    promise_shown(boards[i].trash_shown, &boards[i].trash_acked);
  }
}

void model_holds(const char *where, board *b, gesso_doc *doc, gesso_doc *promised)
{
  gesso_doc *copy = copy_doc(doc);
  gesso_buffer all = encoded(promised), change = { 0 };
  gesso_doc_stats before, after;
  gesso_doc_get_stats(copy, &before);
  gesso_doc_begin(copy);
  take(copy, (gesso_bytes){ all.data, all.len });
  if (gesso_doc_commit(copy, &change) != GESSO_OK)
    abort();
  gesso_doc_get_stats(copy, &after);
  bool more = change.len != 0 || after.pending_structs > before.pending_structs ||
              after.pending_delete_ranges > before.pending_delete_ranges;
  gesso_buffer_free(&all);
  gesso_buffer_free(&change);
  if (more) {
    gesso_buffer has = { 0 }, want = { 0 };
    (void)!gesso_doc_state_vector_json(doc, &has);
    (void)!gesso_doc_state_vector_json(promised, &want);
    violated("%s: %s lacks what was promised: it has %.*s, promised was %.*s", b->name, where, (int)has.len,
             (const char *)has.data, (int)want.len, (const char *)want.data);
  }
  gesso_doc_destroy(copy);
}

static bool passes(gesso_status s)
{
  return s == GESSO_E_IO || s == GESSO_E_NOMEM || s == GESSO_E_CLOSED || s == GESSO_E_BUSY || s == GESSO_E_FULL;
}

void model_audit(board *b, gesso_load_result result, gesso_status status, const char *why, gesso_doc *doc)
{
  b->audit_running = false;
  if (result == GESSO_LOAD_UNREADABLE) {
    if (!passes(status))
      violated("%s cannot be read: %s (%s)", b->name, why, gesso_status_text(status));
    return; /* once more */
  }
  b->audited = true;
  trace("audit %s: %d", b->name, (int)result);
  if (b->fate == ANY) {
    empty(&b->shown), empty(&b->acked), empty(&b->trash_shown), empty(&b->trash_acked);
    b->fate = result == GESSO_LOAD_DELETED ? DELETED : ALIVE;
    b->order = ORDER_NONE;
    b->restored = b->purge = true;
    return;
  }
  bool deleted = result == GESSO_LOAD_DELETED;
  order what = b->order;
  b->order = ORDER_NONE;
  if (b->fate == ALIVE && deleted && what == ORDER_DELETE)
    becomes_deleted(b);
  else if (b->fate == DELETED && !deleted && what == ORDER_UNDELETE)
    comes_back(b);
  else if (b->fate == DELETED && !deleted && what == ORDER_CREATE)
    is_made_anew(b);
  else if ((b->fate == DELETED) != deleted)
    violated("%s is %sdeleted, against what was answered", b->name, deleted ? "" : "not ");
  if (result == GESSO_LOAD_FOUND)
    model_holds("the board after a start", b, doc, b->shown);
  if (b->final != NULL && (doc == NULL ? !has_nothing(b->final) : !same_docs(b->final, doc)))
    violated("%s: what was stored is not what everybody holds", b->name);
  else if (result == GESSO_LOAD_NEVER_EXISTED && !has_nothing(b->shown))
    violated("%s is said never to have existed", b->name);
}
