/* Updates from v1 to v2 and back: read in one encoding, written in the other. */
#include "crdt/record.h"
#include "gesso/update.h"

static gesso_status convert(gesso_bytes update, bool from_v2, gesso_buffer *out, gesso_error *error_out)
{
  *out = (gesso_buffer){ 0 };
  gs_records r;
  gs_writer w;
  gs_records_open(&r, NULL, update, from_v2);
  gs_writer_open(&w, NULL, !from_v2);
  while (gs_records_next(&r) && w.err == GESSO_OK) {
    if (from_v2)
      w.max = gs_proportion(update.len, r.total);
    gs_writer_put(&w, &r.rec, 0, false);
  }
  return gs_copy_rest(&r, &w, out, error_out);
}

gesso_status gesso_update_v2_to_v1(gesso_bytes v2, gesso_buffer *out, gesso_error *error_out)
{
  return convert(v2, true, out, error_out);
}

gesso_status gesso_update_v1_to_v2(gesso_bytes v1, gesso_buffer *out, gesso_error *error_out)
{
  return convert(v1, false, out, error_out);
}
