/* An update as JSON, see gesso/update.h for the form. */
#include "crdt/record.h"
#include "crdt/weak.h"
#include "gesso/update.h"
#include "wire/any.h"
#include "wire/json.h"

static void put_id(gs_buf *out, const char *name, gs_wire_id id)
{
  gs_buf_printf(out, "\"%s\":[%llu,%llu]", name, (unsigned long long)id.client, (unsigned long long)id.clock);
}

static void put_string(gs_buf *out, gs_jstr s)
{
  if (s.low == 0 && s.high == 0) {
    gs_json_write_string(out, s.utf8);
    return;
  }
  gs_buf whole = gs_buf_make(NULL);
  gs_jstr_write_wtf8(&whole, s);
  gs_json_write_string(out, gs_buf_bytes(&whole));
  if (whole.err != GESSO_OK)
    out->err = whole.err;
  gs_buf_finish(&whole);
}

/* The ends of a weak link: ids, or the name of the root that it is open to. */
static void put_weak_end(gs_buf *out, const char *what, bool named, gs_wire_id id, gs_jstr name)
{
  gs_buf_put(out, ',');
  if (!named) {
    put_id(out, what, id);
    return;
  }
  gs_buf_printf(out, "\"%s\":", what);
  put_string(out, name);
}

static void put_weak(gs_buf *out, const gs_weak_record *w)
{
  gs_buf_printf(out, ",\"flags\":%u", w->flags);
  put_weak_end(out, "first", gs_weak_start_named(w->flags), w->start, w->start_name);
  if (gs_weak_has_end(w->flags))
    put_weak_end(out, "last", gs_weak_end_named(w->flags), w->end, w->end_name);
}

static void put_any(gs_buf *out, gs_reader *rd)
{
  if (!gs_any_to_json(rd, out))
    gs_buf_puts(out, "null"); /* undefined */
}

static void put_json(gs_buf *out, gesso_bytes json)
{
  static const gesso_bytes undefined = { (const uint8_t *)"undefined", 9 };
  if (json.len == undefined.len && memcmp(json.data, undefined.data, json.len) == 0) {
    gs_buf_puts(out, "null");
    return;
  }
  gesso_status st = gs_json_minify(json, out);
  if (st != GESSO_OK && out->err == GESSO_OK)
    out->err = st;
}

static void put_values(gs_buf *out, const gs_record *rec)
{
  gs_reader rd = gs_reader_of(rec->value);
  gs_strings strings = rec->json;
  gs_buf_puts(out, ",\"values\":[");
  for (uint64_t i = 0; i < rec->len && out->err == GESSO_OK; i++) {
    if (i > 0)
      gs_buf_put(out, ',');
    if (rec->kind == GS_ANY)
      put_any(out, &rd);
    else
      put_json(out, rec->v2 ? gs_strings_next(&rd, &strings).utf8 : gs_read_bytes(&rd));
  }
  gs_buf_put(out, ']');
}

static void put_value(gs_buf *out, const gs_record *rec)
{
  gs_reader rd = gs_reader_of(rec->value);
  gs_buf_puts(out, ",\"value\":");
  if (rec->v2)
    put_any(out, &rd);
  else
    put_json(out, rec->value);
}

static void put_content(gs_buf *out, const gs_record *rec)
{
  static const char *const types[] = { "array", "map", "text", "xmlElement", "xmlFragment", "xmlHook", "xmlText",
                                       "weakLink" };
  gs_reader rd = gs_reader_of(rec->value);
  switch (rec->kind) {
  case GS_JSON:
  case GS_ANY:
    put_values(out, rec);
    break;
  case GS_BINARY:
    gs_buf_puts(out, ",\"value\":");
    gs_json_write_bytes(out, rec->value);
    break;
  case GS_STRING:
    gs_buf_puts(out, ",\"value\":");
    put_string(out, rec->text);
    break;
  case GS_FORMAT:
    gs_buf_puts(out, ",\"key\":");
    put_string(out, rec->text);
    /* fall through */
  case GS_EMBED:
    put_value(out, rec);
    break;
  case GS_TYPE:
    gs_buf_printf(out, ",\"type\":\"%s\"", types[rec->type_kind]);
    if (rec->type_kind == GESSO_XML_ELEMENT || rec->type_kind == GESSO_XML_HOOK) {
      gs_buf_puts(out, ",\"name\":");
      put_string(out, rec->text);
    } else if (rec->type_kind == GESSO_WEAK_LINK) {
      put_weak(out, &rec->weak);
    }
    break;
  case GS_DOC:
    gs_buf_puts(out, ",\"guid\":");
    put_string(out, rec->text);
    gs_buf_puts(out, ",\"options\":");
    put_any(out, &rd);
    break;
  default:
    break;
  }
}

static void put_struct(gs_buf *out, const gs_record *rec)
{
  static const char *const kinds[] = { "gc",    "deleted", "json", "binary", "string", "embed",
                                       "format", "type",    "any",  "doc",    "skip" };
  gs_buf_put(out, '{');
  put_id(out, "id", (gs_wire_id){ rec->client, rec->clock });
  gs_buf_printf(out, ",\"length\":%llu,\"kind\":\"%s\"", (unsigned long long)rec->len, kinds[rec->kind]);
  if (rec->has_origin) {
    gs_buf_put(out, ',');
    put_id(out, "origin", rec->origin);
  }
  if (rec->has_right) {
    gs_buf_put(out, ',');
    put_id(out, "rightOrigin", rec->right_origin);
  }
  if (rec->has_parent) {
    gs_buf_put(out, ',');
    if (rec->has_root) {
      gs_buf_puts(out, "\"parent\":");
      put_string(out, rec->root);
    } else {
      put_id(out, "parent", rec->parent);
    }
    if (rec->has_sub) {
      gs_buf_puts(out, ",\"parentSub\":");
      put_string(out, rec->sub);
    }
  }
  put_content(out, rec);
  gs_buf_put(out, '}');
}

static void put_deletes(gs_buf *out, const gs_deletes *d)
{
  for (uint32_t i = 0; i < d->n; i++) {
    bool first = i == 0 || d->v[i].client != d->v[i - 1].client;
    if (first)
      gs_buf_printf(out, "%s\"%llu\":[", i > 0 ? "]," : "", (unsigned long long)d->v[i].client);
    gs_buf_printf(out, "%s[%llu,%llu]", first ? "" : ",", (unsigned long long)d->v[i].clock,
                  (unsigned long long)d->v[i].len);
  }
  if (d->n > 0)
    gs_buf_put(out, ']');
}

static gesso_status to_json(gesso_bytes update, bool v2, gesso_buffer *out, gesso_error *error_out)
{
  *out = (gesso_buffer){ 0 };
  gs_records r;
  gs_deletes d = { 0 };
  gs_buf buf = gs_buf_make(NULL);
  buf.max = update.len * 16 + ((size_t)64 << 20);
  gs_records_open(&r, NULL, update, v2);
  gs_buf_puts(&buf, "{\"structs\":[");
  for (bool first = true; buf.err == GESSO_OK && gs_records_next(&r); first = false) {
    if (!first)
      gs_buf_put(&buf, ',');
    put_struct(&buf, &r.rec);
  }
  if (buf.err == GESSO_OK)
    gs_deletes_read(&r, &d);
  if (buf.err == GESSO_OK && !gs_deletes_by_client(&d, false))
    buf.err = GESSO_E_NOMEM;
  gs_buf_puts(&buf, "],\"deletes\":{");
  put_deletes(&buf, &d);
  gs_buf_puts(&buf, "}}");
  gs_deletes_finish(&d);
  gesso_status st = gs_records_status(&r, buf.err, error_out);
  if (st == GESSO_OK)
    *out = gs_buf_take(&buf);
  gs_buf_finish(&buf);
  gs_records_close(&r);
  return st;
}

gesso_status gesso_update_to_json_v1(gesso_bytes update, gesso_buffer *out, gesso_error *error_out)
{
  return to_json(update, false, out, error_out);
}

gesso_status gesso_update_to_json_v2(gesso_bytes update, gesso_buffer *out, gesso_error *error_out)
{
  return to_json(update, true, out, error_out);
}
