/* Updates from v1 to v2 and back: read in one encoding, written in the other. */
#include "crdt/record.h"
#include "gesso/update.h"

static gesso_status convert(gesso_bytes update, bool from_v2, bool keep_key_bit, gesso_buffer *out,
                            gesso_error *error_out)
{
  *out = (gesso_buffer){ 0 };
  gs_records r;
  gs_writer w;
  gs_records_open(&r, update, from_v2);
  gs_writer_open(&w, !from_v2);
  w.keep_key_bit = keep_key_bit;
  while (gs_records_next(&r) && w.err == GESSO_OK) {
    if (from_v2)
      w.max = gs_proportion(update.len, r.total);
    gs_writer_put(&w, &r.rec, 0, false);
  }
  return gs_copy_rest(&r, &w, out, error_out);
}

gesso_status gesso_update_v2_to_v1(gesso_bytes v2, gesso_buffer *out, gesso_error *error_out)
{
  return convert(v2, true, false, out, error_out);
}

gesso_status gesso_update_v1_to_v2(gesso_bytes v1, gesso_buffer *out, gesso_error *error_out)
{
  return convert(v1, false, false, out, error_out);
}

/* --- documents --- */

gesso_status gesso_doc_apply_v2(gesso_doc *doc, gesso_bytes update, gesso_error *error_out)
{
  gesso_buffer v1;
  gesso_status st = gesso_update_v2_to_v1(update, &v1, error_out);
  if (st != GESSO_OK)
    return st;
  st = gesso_doc_apply_v1(doc, (gesso_bytes){ v1.data, v1.len }, error_out);
  if (st != GESSO_OK && error_out != NULL)
    error_out->offset = 0; /* a place in bytes that the caller never saw */
  gesso_buffer_free(&v1);
  return st;
}

gesso_status gesso_doc_encode_v2(gesso_doc *doc, gesso_bytes state_vector, gesso_buffer *out, gesso_error *error_out)
{
  gesso_buffer v1;
  *out = (gesso_buffer){ 0 };
  gesso_status st = gesso_doc_encode_v1(doc, state_vector, &v1, error_out);
  if (st != GESSO_OK)
    return st;
  st = convert((gesso_bytes){ v1.data, v1.len }, false, true, out, error_out);
  gesso_buffer_free(&v1);
  return st;
}
