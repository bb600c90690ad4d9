/* State vectors, updates and snapshots. */
#include "impl.h"

static gesso_bytes bytes(const char *data, uint32_t len)
{
  return (gesso_bytes){ (const uint8_t *)data, len };
}

YRS_API char *ytransaction_state_vector_v1(const YTransaction *txn, uint32_t *len)
{
  gesso_buffer b;
  gesso_status st = gesso_doc_state_vector(txn->doc->doc, &b);
  return yrs_take_bytes(st, &b, len);
}

YRS_API char *ytransaction_state_diff_v1(const YTransaction *txn, const char *sv, uint32_t sv_len, uint32_t *len)
{
  gesso_buffer b = { 0 };
  gesso_status st = gesso_doc_encode_v1(txn->doc->doc, bytes(sv, sv != NULL ? sv_len : 0), &b, NULL);
  return yrs_take_bytes(st, &b, len);
}

YRS_API char *ytransaction_state_diff_v2(const YTransaction *txn, const char *sv, uint32_t sv_len, uint32_t *len)
{
  gesso_buffer b = { 0 };
  gesso_status st = gesso_doc_encode_v2(txn->doc->doc, bytes(sv, sv != NULL ? sv_len : 0), &b, NULL);
  return yrs_take_bytes(st, &b, len);
}

static uint8_t code_of(gesso_status st)
{
  switch (st) {
  case GESSO_OK:
    return 0;
  case GESSO_E_TRUNCATED:
    return ERR_CODE_EOS;
  case GESSO_E_RANGE:
    return ERR_CODE_VAR_INT;
  case GESSO_E_CORRUPT:
    return ERR_CODE_UNEXPECTED_VALUE;
  case GESSO_E_NOMEM:
    return ERR_NOT_ENOUGH_MEMORY;
  default:
    return ERR_CODE_OTHER;
  }
}

YRS_API uint8_t ytransaction_apply(YTransaction *txn, const char *diff, uint32_t diff_len)
{
  return code_of(txn->write ? gesso_doc_apply_v1(txn->doc->doc, bytes(diff, diff_len), NULL) : GESSO_E_USAGE);
}

YRS_API uint8_t ytransaction_apply_v2(YTransaction *txn, const char *diff, uint32_t diff_len)
{
  return code_of(txn->write ? gesso_doc_apply_v2(txn->doc->doc, bytes(diff, diff_len), NULL) : GESSO_E_USAGE);
}

YRS_API char *ytransaction_snapshot(const YTransaction *txn, uint32_t *len)
{
  gesso_snapshot *snapshot = NULL;
  gesso_buffer b = { 0 };
  gesso_status st = gesso_snapshot_create(txn->doc->doc, &snapshot);
  if (st == GESSO_OK)
    st = gesso_snapshot_encode_v1(snapshot, &b);
  gesso_snapshot_destroy(snapshot);
  return yrs_take_bytes(st, &b, len);
}

static char *state_at(const YTransaction *txn, const char *snapshot, uint32_t snapshot_len, uint32_t *len,
                      gesso_status (*encode)(gesso_doc *, const gesso_snapshot *, gesso_buffer *))
{
  gesso_snapshot *s = NULL;
  gesso_buffer b = { 0 };
  gesso_status st = gesso_snapshot_decode_v1(NULL, bytes(snapshot, snapshot_len), &s, NULL);
  if (st == GESSO_OK)
    st = encode(txn->doc->doc, s, &b);
  gesso_snapshot_destroy(s);
  return yrs_take_bytes(st, &b, len);
}

YRS_API char *ytransaction_encode_state_from_snapshot_v1(const YTransaction *txn, const char *snapshot,
                                                         uint32_t snapshot_len, uint32_t *len)
{
  return state_at(txn, snapshot, snapshot_len, len, gesso_doc_encode_at_v1);
}

YRS_API char *ytransaction_encode_state_from_snapshot_v2(const YTransaction *txn, const char *snapshot,
                                                         uint32_t snapshot_len, uint32_t *len)
{
  return state_at(txn, snapshot, snapshot_len, len, gesso_doc_encode_at_v2);
}

/* --- What waits --- */

/* gesso writes these lists as {"structs": {"<client>": [[clock, end], ...]}, "deletes": {the same}}. */
static const char *skip_to(const char *at, const char *what)
{
  const char *found = at != NULL ? strstr(at, what) : NULL;
  return found != NULL ? found + strlen(what) : NULL;
}

static YIdSet *read_ranges(const char *at)
{
  size_t clients = 0, ranges = 0;
  for (const char *c = at; *c != 0 && *c != '}'; c++) {
    clients += *c == ':';
    ranges += *c == ',' && c[-1] != ']';
  }
  YIdSet *set = clients > 0 ? calloc(1, sizeof *set) : NULL;
  if (set == NULL)
    return NULL;
  set->client_ids = yrs_array(clients, sizeof *set->client_ids);
  set->ranges = yrs_array(clients, sizeof *set->ranges);
  bool ok = set->client_ids != NULL && set->ranges != NULL;
  while (ok && set->entries_count < clients) {
    YIdRangeSeq *seq = &set->ranges[set->entries_count];
    char *next;
    at = strchr(at, '"') + 1;
    set->client_ids[set->entries_count++] = strtoull(at, &next, 10);
    at = next + 3; /* ":[ */
    seq->seq = yrs_array(ranges, sizeof *seq->seq);
    ok = seq->seq != NULL;
    while (ok && *at == '[') {
      YIdRange *r = &seq->seq[seq->len++];
      r->start = (uint32_t)strtoul(at + 1, &next, 10);
      r->end = (uint32_t)strtoul(next + 1, &next, 10);
      at = next + 1;
      at += *at == ',';
    }
  }
  if (!ok) {
    ydelete_set_destroy(set);
    return NULL;
  }
  return set;
}

YRS_API YIdSet *ytransaction_pending_ds(const YTransaction *txn)
{
  gesso_buffer b;
  gesso_status st = gesso_doc_pending_json(txn->doc->doc, &b);
  char *json = yrs_take_string(st, &b);
  const char *at = skip_to(json, "\"deletes\":{");
  YIdSet *set = at != NULL ? read_ranges(at) : NULL;
  free(json);
  return set;
}

YRS_API void ydelete_set_destroy(YIdSet *ds)
{
  if (ds == NULL)
    return;
  for (uint32_t i = 0; ds->ranges != NULL && i < ds->entries_count; i++)
    free(ds->ranges[i].seq);
  free(ds->ranges);
  free(ds->client_ids);
  free(ds);
}

static uint64_t read_varuint(const uint8_t **at)
{
  uint64_t v = 0;
  for (unsigned shift = 0;; shift += 7) {
    uint8_t b = *(*at)++;
    v |= (uint64_t)(b & 0x7f) << shift;
    if (b < 0x80)
      return v;
  }
}

static bool missing(gesso_doc *doc, YStateVector *out)
{
  gesso_buffer b;
  if (gesso_doc_pending_missing(doc, &b) != GESSO_OK)
    return false;
  const uint8_t *at = b.data;
  uint32_t n = (uint32_t)read_varuint(&at);
  out->client_ids = yrs_array(n, sizeof *out->client_ids);
  out->clocks = yrs_array(n, sizeof *out->clocks);
  bool ok = out->client_ids != NULL && out->clocks != NULL;
  for (uint32_t i = 0; ok && i < n; i++) {
    out->client_ids[i] = read_varuint(&at);
    out->clocks[i] = (uint32_t)read_varuint(&at);
    out->entries_count++;
  }
  gesso_buffer_free(&b);
  return ok;
}

YRS_API YPendingUpdate *ytransaction_pending_update(const YTransaction *txn)
{
  gesso_buffer b;
  gesso_status st = gesso_doc_pending_update_v1(txn->doc->doc, &b);
  YPendingUpdate *out = st == GESSO_OK && b.len > 0 ? calloc(1, sizeof *out) : NULL;
  if (out == NULL) {
    gesso_buffer_free(&b);
    return NULL;
  }
  out->update_v1 = yrs_take_bytes(st, &b, &out->update_len);
  if (out->update_v1 == NULL || !missing(txn->doc->doc, &out->missing)) {
    ypending_update_destroy(out);
    return NULL;
  }
  return out;
}

YRS_API void ypending_update_destroy(YPendingUpdate *update)
{
  if (update == NULL)
    return;
  free(update->missing.client_ids);
  free(update->missing.clocks);
  free(update->update_v1);
  free(update);
}

YRS_API char *yupdate_debug_v1(const char *update, uint32_t update_len)
{
  gesso_buffer b = { 0 };
  gesso_status st = gesso_update_to_json_v1(bytes(update, update_len), &b, NULL);
  return yrs_take_string(st, &b);
}

YRS_API char *yupdate_debug_v2(const char *update, uint32_t update_len)
{
  gesso_buffer b = { 0 };
  gesso_status st = gesso_update_to_json_v2(bytes(update, update_len), &b, NULL);
  return yrs_take_string(st, &b);
}
