/* Documents at a snapshot: going back to it, and reading what was there. */
#include "crdt/read.h"
#include "crdt/runs.h"
#include "crdt/update.h"
#include "gesso/types.h"
#include "gesso/update.h"

/* --- going back --- */

/* Everything that the snapshot names must be there. */
static bool is_ahead(const gesso_doc *doc, const gesso_snapshot *s)
{
  bool ahead = false;
  for (uint32_t i = 0; i < s->nstates && !ahead; i++) {
    uint32_t client = gs_client_find(doc, s->states[i].client);
    ahead = s->states[i].clock > (client != 0 ? doc->clients[client].clock : 0);
  }
  for (uint32_t i = 0; i < s->ndeletes && !ahead; i++) {
    uint32_t client = gs_client_find(doc, s->deletes[i].client);
    ahead = s->deletes[i].end > (client != 0 ? doc->clients[client].clock : 0);
  }
  return ahead;
}

gesso_status gesso_doc_encode_at_v1(gesso_doc *doc, const gesso_snapshot *s, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  if ((doc->flags & GESSO_DOC_NO_GC) == 0)
    return GESSO_E_USAGE;
  if (is_ahead(doc, s))
    return GESSO_E_NOTFOUND;
  uint32_t clients = 0;
  for (uint32_t i = 0; i < s->nstates; i++)
    clients += s->states[i].clock > 0;
  gs_buf buf = gs_buf_make(doc->mem.inner);
  gs_write_varuint(&buf, clients);
  for (uint32_t i = 0; i < s->nstates; i++)
    if (s->states[i].clock > 0)
      gs_write_until(doc, &buf, gs_client_find(doc, s->states[i].client), (uint32_t)s->states[i].clock);
  gs_write_snapshot_deletes(s, &buf, false);
  gesso_status st = buf.err;
  if (st == GESSO_OK)
    *out = gs_buf_take(&buf);
  gs_buf_finish(&buf);
  return st;
}

gesso_status gesso_doc_encode_at_v2(gesso_doc *doc, const gesso_snapshot *s, gesso_buffer *out)
{
  gesso_buffer v1;
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  gesso_status st = gesso_doc_encode_at_v1(doc, s, &v1);
  if (st == GESSO_OK)
    st = gesso_update_v1_to_v2((gesso_bytes){ v1.data, v1.len }, out, NULL);
  gesso_buffer_free(&v1);
  return st;
}

gesso_status gesso_doc_create_at(gesso_doc *doc, const gesso_snapshot *s, const gesso_doc_options *options,
                                 gesso_doc **out)
{
  gesso_buffer v1;
  *out = NULL;
  gesso_status st = gesso_doc_encode_at_v1(doc, s, &v1);
  if (st != GESSO_OK)
    return st;
  gesso_doc *made = gesso_doc_create(options);
  st = made != NULL ? gesso_doc_apply_v1(made, (gesso_bytes){ v1.data, v1.len }, NULL) : GESSO_E_NOMEM;
  gesso_buffer_free(&v1);
  if (st != GESSO_OK) {
    gesso_doc_destroy(made);
    return st;
  }
  *out = made;
  return GESSO_OK;
}

/* --- reading --- */

static gesso_status begin(gesso_doc *doc, gesso_type type, gesso_buffer *out)
{
  *out = (gesso_buffer){ .alloc = doc->mem.inner };
  if (type == 0 || type >= doc->ntypes)
    return GESSO_E_USAGE;
  return doc->nruns == 0 || gs_runs_unpack_type(doc, type) ? GESSO_OK : GESSO_E_NOMEM;
}

static gesso_status hand_out(gs_buf *buf, gesso_buffer *out)
{
  gesso_status st = buf->err;
  if (st == GESSO_OK)
    *out = gs_buf_take(buf);
  gs_buf_finish(buf);
  return st;
}

gesso_status gesso_type_to_json_at(gesso_doc *doc, const gesso_snapshot *s, gesso_type type, gesso_type_kind as,
                                   gesso_buffer *out)
{
  gesso_status st = begin(doc, type, out);
  if (st != GESSO_OK)
    return st;
  gs_view view = gs_view_of(s);
  gs_buf buf = gs_buf_make(doc->mem.inner);
  gs_read_json(doc, &view, type, as, &buf, 0);
  return hand_out(&buf, out);
}

gesso_status gesso_map_to_json_at(gesso_doc *doc, const gesso_snapshot *s, gesso_type map, gesso_buffer *out)
{
  gesso_status st = begin(doc, map, out);
  if (st != GESSO_OK)
    return st;
  gs_view view = gs_view_of(s);
  gs_buf buf = gs_buf_make(doc->mem.inner);
  gs_read_map(doc, &view, map, &buf, 0);
  return hand_out(&buf, out);
}

gesso_status gesso_map_get_json_at(gesso_doc *doc, const gesso_snapshot *s, gesso_type map, gesso_bytes key,
                                   gesso_buffer *out)
{
  gesso_status st = begin(doc, map, out);
  if (st != GESSO_OK)
    return st;
  uint32_t k = gs_key_find(doc, key), slot = k != 0 ? gs_slot_find(doc, map, k) : 0;
  if (slot == 0)
    return GESSO_E_NOTFOUND;
  gs_view view = gs_view_of(s);
  gs_piece p = gs_piece_of_slot(doc, &view, slot);
  gs_buf buf = gs_buf_make(doc->mem.inner);
  if (p.ix != 0 && !gs_read_element_json(doc, &view, &doc->items[p.ix], p.from, &buf, 0))
    p.ix = 0;
  st = hand_out(&buf, out);
  return st == GESSO_OK && p.ix == 0 ? GESSO_E_NOTFOUND : st;
}

gesso_status gesso_text_to_delta_at(gesso_doc *doc, const gesso_snapshot *s, const gesso_snapshot *previous,
                                    gesso_type text, uint32_t flags, gesso_buffer *out)
{
  gesso_status st = begin(doc, text, out);
  if (st != GESSO_OK)
    return st;
  gs_view view = gs_view_of(s), since = gs_view_of(previous);
  gs_buf buf = gs_buf_make(doc->mem.inner);
  gs_read_delta(doc, s != NULL ? &view : NULL, previous != NULL ? &since : NULL, text,
                (flags & GESSO_YCHANGE_USER) != 0, &buf, 0);
  return hand_out(&buf, out);
}
