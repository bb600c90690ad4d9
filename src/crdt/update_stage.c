/* Where the decoded structs of an update are until the document has them: see update.h. */
#include "crdt/plan.h"

void gs_update_begin(gesso_doc *doc, gs_update *up, gesso_bytes input)
{
  up->first = up->own_end = up->end = doc->nitems;
  up->input = input.data;
  up->alone = up->near = false;
  up->made.b.alloc = up->late.b.alloc = doc->alloc;
}

void gs_update_unstage(gesso_doc *doc, gs_update *up)
{
  assert(doc->nitems == up->end);
  up->end = --doc->nitems;
}

/* Fewer are not worth it. More keys than so many are not overwritten in turn. */
#ifndef GS_RUNS_SMALL
enum { ALIKE_MIN = 8, APART_MAX = 16 };
#else
enum { ALIKE_MIN = 2, APART_MAX = 16 };
#endif

void gs_update_note_alike(gesso_doc *doc, gs_ix first, uint32_t n)
{
  const gs_item *in = &doc->items[first];
  uint32_t apart = gs_alike_apart(in), skip = 0;
  if (apart > APART_MAX || n < ALIKE_MIN)
    return;
  /* So many structs that cover as many clocks are of one clock each. */
  if (first - doc->clients[gs_client_of(in)].in_first < apart || doc->items[first - apart].clock != in->origin.clock)
    skip = apart;
  if (n >= skip + ALIKE_MIN)
    doc->items[first + skip].c.at = n - skip;
}

void gs_update_client(gs_reader *rd, gesso_doc *doc, gs_update *up, uint32_t client)
{
  gs_client *c = &doc->clients[client];
  if (c->in_end != 0) {
    gs_reader_fail(rd, GESSO_E_CORRUPT, "a client appears twice");
  } else if (!gs_grow(doc->alloc, &up->clients, &up->clients_cap, (size_t)up->nclients + 1, sizeof(uint32_t))) {
    gs_reader_fail(rd, GESSO_E_NOMEM, "out of memory");
  } else {
    up->clients[up->nclients++] = client;
    c->in_first = c->in_end = up->end;
  }
}

bool gs_update_write_late(gesso_doc *doc, gs_update *up)
{
  gs_buf *late = &up->late;
  for (uint32_t i = 0; i < up->nclients; i++) {
    const gs_client *c = &doc->clients[up->clients[i]];
    for (gs_ix ix = c->in_first; ix < c->in_end; ix++) {
      size_t from = late->b.len;
      gs_write_in(doc, late, &doc->items[ix], gs_in_content(doc, up, ix), 0);
      if (late->err != GESSO_OK || late->b.len > UINT32_MAX)
        return false;
      doc->items[ix].c.at = (uint32_t)from;
      doc->items[ix].c.bytes = (uint32_t)(late->b.len - from);
    }
  }
  return true;
}

void gs_update_drop(gesso_doc *doc, gs_update *up)
{
  /* Behind them may be what was unpacked to make room. */
  if (doc->nitems == up->end)
    doc->nitems = up->first;
  else
    for (gs_ix ix = up->end; ix-- > up->first;)
      gs_item_free(doc, ix);
  up->own_end = up->end = up->first;
}

void gs_update_forget(gesso_doc *doc, gs_update *up)
{
  for (uint32_t i = 0; i < up->nclients; i++)
    if (up->clients[i] < doc->nclients) {
      doc->clients[up->clients[i]].in_first = 0;
      doc->clients[up->clients[i]].in_end = 0;
    }
  gs_buf_finish(&up->made);
  gs_buf_finish(&up->late);
}
