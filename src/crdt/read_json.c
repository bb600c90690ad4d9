/* Shared types as JSON (toJSON) and text as a delta. */
#include "crdt/content.h"
#include "crdt/format.h"
#include "crdt/read.h"
#include "wire/any.h"
#include "wire/json.h"

unsigned gs_read_kind(const gesso_doc *doc, uint32_t type, unsigned as)
{
  unsigned kind = doc->types[type].kind;
  return doc->types[type].item != 0 && kind != GS_KIND_UNKNOWN ? kind : as;
}

/* Appends JSON string characters without the quotes. */
static void escaped(gs_buf *out, gesso_bytes s)
{
  size_t at = out->b.len;
  gs_json_write_string(out, s);
  if (out->err != GESSO_OK)
    return;
  memmove(out->b.data + at, out->b.data + at + 1, out->b.len - at - 1);
  out->b.len -= 2;
}

void gs_read_text(gesso_doc *doc, uint32_t type, gs_buf *out, bool json)
{
  for (gs_ix i = gs_first(doc, type); i != 0; i = doc->items[i].right) {
    const gs_item *it = &doc->items[i];
    if (gs_is_deleted(it) || gs_kind(it) != GS_STRING)
      continue;
    if (json)
      escaped(out, gs_content(doc, it));
    else
      gs_buf_write(out, gs_content(doc, it).data, gs_content(doc, it).len);
  }
}

bool gs_read_element_json(gesso_doc *doc, const gs_item *it, uint32_t i, gs_buf *out, unsigned depth)
{
  gesso_bytes c = gs_kind_has_bytes(gs_kind(it)) ? gs_content(doc, it) : (gesso_bytes){ NULL, 0 };
  gs_reader rd = gs_reader_of(c);
  int pair;
  switch (gs_kind(it)) {
  case GS_ANY:
  case GS_JSON:
    rd.at += gs_content_offset(gs_kind(it), c, i, &pair);
    if (gs_kind(it) == GS_ANY)
      return gs_any_to_json(&rd, out);
    c = gs_read_bytes(&rd);
    if (c.len == 9 && memcmp(c.data, "undefined", 9) == 0)
      return false;
    gs_buf_write(out, c.data, c.len);
    return true;
  case GS_EMBED:
    gs_buf_write(out, c.data, c.len);
    return true;
  case GS_BINARY:
    gs_json_write_bytes(out, c);
    return true;
  case GS_TYPE:
    gs_read_json(doc, it->c.type, doc->types[it->c.type].kind, out, depth + 1);
    return true;
  case GS_DOC:
    gs_buf_puts(out, "{}");
    return true;
  case GS_STRING: {
    size_t from = gs_content_offset(GS_STRING, c, i, &pair);
    if (pair) {
      gs_json_write_string(out, (gesso_bytes){ (const uint8_t *)"\xef\xbf\xbd", 3 });
      return true;
    }
    size_t to = gs_content_offset(GS_STRING, c, i + 1, &pair);
    if (pair)
      gs_json_write_string(out, (gesso_bytes){ (const uint8_t *)"\xef\xbf\xbd", 3 });
    else
      gs_json_write_string(out, (gesso_bytes){ c.data + from, to - from });
    return true;
  }
  default:
    return false;
  }
}

static void read_array(gesso_doc *doc, uint32_t type, gs_buf *out, unsigned depth)
{
  gs_buf_put(out, '[');
  bool first = true;
  for (gs_ix ix = gs_first(doc, type); ix != 0; ix = doc->items[ix].right) {
    const gs_item *it = &doc->items[ix];
    if (!gs_is_visible(it))
      continue;
    if (gs_kind(it) == GS_ANY) {
      /* One walk through the values, not one look-up for each. */
      gs_reader rd = gs_reader_of(gs_content(doc, it));
      for (uint32_t i = 0; i < it->len && out->err == GESSO_OK; i++) {
        if (!first)
          gs_buf_put(out, ',');
        first = false;
        if (!gs_any_to_json(&rd, out))
          gs_buf_puts(out, "null");
      }
      continue;
    }
    for (uint32_t i = 0; i < it->len && out->err == GESSO_OK; i++) {
      if (!first)
        gs_buf_put(out, ',');
      first = false;
      if (!gs_read_element_json(doc, it, i, out, depth))
        gs_buf_puts(out, "null");
    }
  }
  gs_buf_put(out, ']');
}

static void read_map(gesso_doc *doc, uint32_t type, gs_buf *out, unsigned depth)
{
  gs_buf_put(out, '{');
  bool first = true;
  for (uint32_t s = doc->types[type].maps; s != 0; s = doc->slots[s].next) {
    const gs_item *it = &doc->items[doc->slots[s].tail];
    if (doc->slots[s].tail == 0 || gs_is_deleted(it))
      continue;
    size_t at = out->b.len;
    if (!first)
      gs_buf_put(out, ',');
    gs_json_write_string(out, gs_key_text(doc, doc->slots[s].key));
    gs_buf_put(out, ':');
    if (gs_read_element_json(doc, it, it->len - 1, out, depth))
      first = false;
    else
      out->b.len = at; /* undefined is left out */
  }
  gs_buf_put(out, '}');
}

void gs_read_json(gesso_doc *doc, uint32_t type, unsigned as, gs_buf *out, unsigned depth)
{
  if (depth > GS_READ_DEPTH_MAX) {
    if (out->err == GESSO_OK)
      out->err = GESSO_E_LIMIT;
    return;
  }
  switch (gs_read_kind(doc, type, as)) {
  case GESSO_ARRAY:
    read_array(doc, type, out, depth);
    break;
  case GESSO_MAP:
  case GESSO_XML_HOOK:
    read_map(doc, type, out, depth);
    break;
  case GESSO_TEXT:
    gs_buf_put(out, '"');
    gs_read_text(doc, type, out, true);
    gs_buf_put(out, '"');
    break;
  default: {
    gs_buf xml = gs_buf_make(out->b.alloc);
    gs_read_xml(doc, type, as, &xml, depth + 1);
    if (xml.err != GESSO_OK && out->err == GESSO_OK)
      out->err = xml.err;
    gs_json_write_string(out, gs_buf_bytes(&xml));
    gs_buf_finish(&xml);
  }
  }
}

static void write_attributes(gs_buf *out, const gs_attrs *attrs)
{
  if (attrs->n == 0)
    return;
  gs_buf_puts(out, ",\"attributes\":{");
  for (uint32_t i = 0; i < attrs->n; i++) {
    if (i > 0)
      gs_buf_put(out, ',');
    gs_json_write_string(out, attrs->v[i].key);
    gs_buf_put(out, ':');
    gs_buf_write(out, attrs->v[i].value.data, attrs->v[i].value.len);
  }
  gs_buf_put(out, '}');
}

void gs_read_delta(gesso_doc *doc, uint32_t type, gs_buf *out, unsigned depth)
{
  gs_attrs attrs = { .alloc = doc->alloc };
  bool first = true, open = false;
  gs_buf_put(out, '[');
  for (gs_ix i = gs_first(doc, type);; i = doc->items[i].right) {
    const gs_item *it = i != 0 ? &doc->items[i] : NULL;
    if (it != NULL && gs_is_deleted(it))
      continue;
    if (it != NULL && gs_kind(it) == GS_STRING) {
      if (!open) {
        gs_buf_puts(out, first ? "{\"insert\":\"" : ",{\"insert\":\"");
        open = true;
        first = false;
      }
      escaped(out, gs_content(doc, it));
      continue;
    }
    bool ends = it == NULL || gs_kind(it) == GS_TYPE || gs_kind(it) == GS_EMBED || gs_kind(it) == GS_FORMAT;
    if (open && ends) {
      gs_buf_put(out, '"');
      write_attributes(out, &attrs);
      gs_buf_put(out, '}');
      open = false;
    }
    if (it == NULL)
      break;
    if (gs_kind(it) == GS_FORMAT) {
      gs_attrs_update(&attrs, gs_format_of(doc, it));
    } else if (ends) {
      gs_buf_puts(out, first ? "{\"insert\":" : ",{\"insert\":");
      first = false;
      (void)gs_read_element_json(doc, it, 0, out, depth);
      write_attributes(out, &attrs);
      gs_buf_put(out, '}');
    }
  }
  gs_buf_put(out, ']');
  if (attrs.nomem && out->err == GESSO_OK)
    out->err = GESSO_E_NOMEM;
  gs_attrs_finish(&attrs);
}

/* --- the public calls --- */

static gesso_status hand_out(gs_buf *buf, gesso_buffer *out)
{
  gesso_status st = buf->err;
  if (st == GESSO_OK)
    *out = gs_buf_take(buf);
  gs_buf_finish(buf);
  return st;
}

#define READ_TYPE(call)                                                                              \
  *out = (gesso_buffer){ .alloc = doc->mem.inner };                                                  \
  if (type == 0 || type >= doc->ntypes)                                                              \
    return GESSO_E_USAGE;                                                                            \
  gs_buf buf = gs_buf_make(doc->mem.inner);                                                          \
  call;                                                                                              \
  return hand_out(&buf, out)

gesso_status gesso_type_to_json(gesso_doc *doc, gesso_type type, gesso_type_kind as, gesso_buffer *out)
{
  READ_TYPE(gs_read_json(doc, type, as, &buf, 0));
}

gesso_status gesso_text_to_string(gesso_doc *doc, gesso_type type, gesso_buffer *out)
{
  READ_TYPE(gs_read_text(doc, type, &buf, false));
}

gesso_status gesso_text_to_delta(gesso_doc *doc, gesso_type type, gesso_buffer *out)
{
  READ_TYPE(gs_read_delta(doc, type, &buf, 0));
}

gesso_status gesso_xml_to_string(gesso_doc *doc, gesso_type type, gesso_type_kind as, gesso_buffer *out)
{
  READ_TYPE(gs_read_xml(doc, type, as, &buf, 0));
}
