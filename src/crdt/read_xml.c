/* XML types as Yjs' toString gives them. */
#include "crdt/content.h"
#include "crdt/format.h"
#include "crdt/read.h"
#include "crdt/weak.h"
#include "wire/any.h"
#include "wire/json.h"
#include "wire/utf8.h"

#include <stdlib.h>

/* Appends String(value) of JavaScript for one lib0 Any value. */
static void any_to_string(gs_reader *rd, gs_buf *out, unsigned depth)
{
  if (depth > 64) {
    out->err = GESSO_E_LIMIT;
    return;
  }
  const uint8_t *start = rd->at;
  uint8_t tag = gs_read_u8(rd);
  switch (tag) {
  case 127:
    gs_buf_puts(out, "undefined");
    return;
  case 119: {
    gesso_bytes s = gs_read_bytes(rd);
    gs_buf_write(out, s.data, s.len);
    return;
  }
  case 118:
    rd->at = start;
    gs_any_skip(rd);
    gs_buf_puts(out, "[object Object]");
    return;
  case 117: {
    uint64_t n = gs_read_varuint(rd);
    for (uint64_t i = 0; i < n && rd->err == GESSO_OK; i++) {
      if (i > 0)
        gs_buf_put(out, ',');
      if (gs_reader_left(rd) > 0 && (*rd->at == 126 || *rd->at == 127))
        rd->at++; /* null and undefined leave nothing between the commas */
      else
        any_to_string(rd, out, depth + 1);
    }
    return;
  }
  case 116: {
    gesso_bytes b = gs_read_bytes(rd);
    for (size_t i = 0; i < b.len; i++)
      gs_buf_printf(out, i > 0 ? ",%u" : "%u", b.data[i]);
    return;
  }
  default:
    rd->at = start;
    (void)gs_any_to_json(rd, out);
  }
}

/* Appends String(value) for JSON text. */
static void json_to_string(gesso_bytes json, gs_buf *out)
{
  gs_buf any = gs_buf_make(out->b.alloc);
  if (gs_json_to_any(json, &any) == GESSO_OK) {
    gs_reader rd = gs_reader_of(gs_buf_bytes(&any));
    any_to_string(&rd, out, 0);
  }
  gs_buf_finish(&any);
}

/* JavaScript compares strings by UTF-16 units: what is outside the BMP stands before U+E000 .. U+FFFF. */
static int compare_utf16(gesso_bytes a, gesso_bytes b)
{
  size_t n = GS_MIN(a.len, b.len);
  for (size_t i = 0; i < n; i++)
    if (a.data[i] != b.data[i]) {
      bool astral = a.data[i] >= 0xf0 || b.data[i] >= 0xf0;
      bool high = a.data[i] >= 0xee && b.data[i] >= 0xee;
      int order = a.data[i] < b.data[i] ? -1 : 1;
      return astral && high && (a.data[i] >= 0xf0) != (b.data[i] >= 0xf0) ? -order : order;
    }
  return a.len < b.len ? -1 : a.len > b.len;
}

/* A name and where its value stands. */
typedef struct named {
  gesso_bytes name, value;
  gs_piece piece;
} named;

static int by_name(const void *a, const void *b)
{
  return compare_utf16(((const named *)a)->name, ((const named *)b)->name);
}

typedef struct names {
  const gesso_allocator *alloc;
  named *v;
  uint32_t n, cap;
} names;

static void add_name(names *l, gs_buf *out, named x)
{
  if (!gs_grow(l->alloc, &l->v, &l->cap, (size_t)l->n + 1, sizeof *l->v)) {
    out->err = GESSO_E_NOMEM;
    return;
  }
  l->v[l->n++] = x;
}

static void sort_names(names *l)
{
  if (l->n > 1)
    qsort(l->v, l->n, sizeof *l->v, by_name);
}

static void finish_names(names *l)
{
  gs_free(l->alloc, l->v, l->cap * sizeof *l->v);
}

/* String(value) of the first element of a piece; of a string all of it. */
static void piece_string(gesso_doc *doc, gs_view *view, gs_piece p, gs_buf *out, unsigned depth)
{
  int pair;
  const gs_item *it = &doc->items[p.ix];
  uint32_t i = p.from;
  gesso_bytes c = gs_kind_has_bytes(gs_kind(it)) ? gs_content(doc, it) : (gesso_bytes){ NULL, 0 };
  gs_reader rd = gs_reader_of(c);
  switch (gs_kind(it)) {
  case GS_TYPE:
    gs_read_xml(doc, view, it->c.type, doc->types[it->c.type].kind, out, depth + 1);
    break;
  case GS_ANY:
    rd.at += gs_content_offset(GS_ANY, c, i, &pair);
    any_to_string(&rd, out, 0);
    break;
  case GS_JSON:
    rd.at += gs_content_offset(GS_JSON, c, i, &pair);
    c = gs_read_bytes(&rd);
    if (c.len == 9 && memcmp(c.data, "undefined", 9) == 0)
      gs_buf_puts(out, "undefined");
    else
      json_to_string(c, out);
    break;
  case GS_EMBED:
    json_to_string(c, out);
    break;
  case GS_STRING: {
    gesso_bytes parts[3];
    uint32_t n = gs_string_parts(c, it->len, p.from, p.end, parts);
    for (uint32_t k = 0; k < n; k++)
      gs_buf_write(out, parts[k].data, parts[k].len);
    break;
  }
  default:
    gs_buf_puts(out, "[object Object]");
  }
}

static void children(gesso_doc *doc, gs_view *view, uint32_t type, gs_buf *out, unsigned depth)
{
  for (gs_piece p = gs_piece_first(doc, view, type); p.ix != 0; p = gs_piece_next(doc, view, p)) {
    if (!gs_is_countable(&doc->items[p.ix]))
      continue;
    uint32_t end = gs_kind(&doc->items[p.ix]) == GS_STRING ? p.from + 1 : p.end;
    for (; p.from < end && out->err == GESSO_OK; p.from++)
      piece_string(doc, view, p, out, depth);
  }
}

static void element(gesso_doc *doc, gs_view *view, uint32_t type, gs_buf *out, unsigned depth)
{
  names attrs = { .alloc = doc->alloc };
  for (uint32_t s = doc->types[type].maps; s != 0; s = doc->slots[s].next) {
    gs_piece p = gs_piece_of_slot(doc, view, s);
    if (p.ix != 0)
      add_name(&attrs, out, (named){ .name = gs_key_text(doc, doc->slots[s].key), .piece = p });
  }
  sort_names(&attrs);
  /* An element at the root has the name "UNDEFINED": Y.XmlElement's own default. */
  gesso_bytes name = doc->types[type].item != 0 ? gs_key_text(doc, doc->types[type].name)
                                                : (gesso_bytes){ (const uint8_t *)"undefined", 9 };
  gs_buf lower = gs_buf_make(doc->mem.inner);
  for (size_t i = 0; i < name.len; i++)
    gs_buf_put(&lower, name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] + 32 : name.data[i]);
  if (lower.err != GESSO_OK)
    out->err = lower.err;
  gs_buf_put(out, '<');
  gs_buf_write(out, lower.b.data, lower.b.len);
  for (uint32_t i = 0; i < attrs.n; i++) {
    gs_buf_put(out, ' ');
    gs_buf_write(out, attrs.v[i].name.data, attrs.v[i].name.len);
    gs_buf_puts(out, "=\"");
    piece_string(doc, view, attrs.v[i].piece, out, depth);
    gs_buf_put(out, '"');
  }
  gs_buf_put(out, '>');
  children(doc, view, type, out, depth);
  gs_buf_puts(out, "</");
  gs_buf_write(out, lower.b.data, lower.b.len);
  gs_buf_put(out, '>');
  gs_buf_finish(&lower);
  finish_names(&attrs);
}

/* The start tag that a format becomes in XML text: its name, and the keys of its value as attributes. */
static void start_tag(gesso_doc *doc, gs_buf *out, gesso_bytes name, gesso_bytes value)
{
  gs_buf_put(out, '<');
  gs_buf_write(out, name.data, name.len);
  gs_buf any = gs_buf_make(doc->mem.inner);
  gs_buf keys = gs_buf_make(doc->mem.inner);
  names attrs = { .alloc = doc->alloc };
  if (gs_json_to_any(value, &any) == GESSO_OK) {
    gs_reader rd = gs_reader_of(gs_buf_bytes(&any));
    uint8_t tag = gs_read_u8(&rd);
    uint64_t n = tag == 118 || tag == 117 ? gs_read_varuint(&rd) : 0;
    gesso_bytes text = tag == 119 ? gs_read_bytes(&rd) : (gesso_bytes){ NULL, 0 };
    if (tag == 119)
      n = gs_utf8_utf16_len(text);
    /* Array indexes and positions in a string are keys too; their texts need a home. */
    if (tag != 118)
      (void)gs_buf_room(&keys, n <= SIZE_MAX / 24 ? (size_t)n * 21 : SIZE_MAX / 4);
    for (uint64_t i = 0; i < n && rd.err == GESSO_OK && keys.err == GESSO_OK && out->err == GESSO_OK; i++) {
      named x = { .name = { NULL, 0 } };
      if (tag == 118) {
        x.name = gs_read_bytes(&rd);
      } else {
        size_t at = keys.b.len;
        gs_buf_printf(&keys, "%llu", (unsigned long long)i);
        x.name = (gesso_bytes){ keys.b.data + at, keys.b.len - at };
      }
      if (tag == 119) {
        int pair, pair_end;
        size_t from = gs_utf8_offset_of(text, (size_t)i, &pair), to = gs_utf8_offset_of(text, (size_t)i + 1, &pair_end);
        static const uint8_t half[] = { 0xef, 0xbf, 0xbd };
        x.value = pair || pair_end ? (gesso_bytes){ half, 3 } : (gesso_bytes){ text.data + from, to - from };
      } else {
        const uint8_t *start = rd.at;
        gs_any_skip(&rd);
        x.value = (gesso_bytes){ start, (size_t)(rd.at - start) };
      }
      add_name(&attrs, out, x);
    }
    sort_names(&attrs);
    for (uint32_t i = 0; i < attrs.n; i++) {
      gs_buf_put(out, ' ');
      gs_buf_write(out, attrs.v[i].name.data, attrs.v[i].name.len);
      gs_buf_puts(out, "=\"");
      if (tag == 119) {
        gs_buf_write(out, attrs.v[i].value.data, attrs.v[i].value.len);
      } else {
        gs_reader v = gs_reader_of(attrs.v[i].value);
        any_to_string(&v, out, 0);
      }
      gs_buf_put(out, '"');
    }
  } else {
    out->err = any.err != GESSO_OK ? any.err : GESSO_E_NOMEM;
  }
  gs_buf_put(out, '>');
  finish_names(&attrs);
  gs_buf_finish(&keys);
  gs_buf_finish(&any);
}

/* With `quote` a part of a text. */
static void xml_text(gesso_doc *doc, gs_view *view, uint32_t type, gs_quote *quote, gs_buf *out, unsigned depth)
{
  gs_attrs attrs = { .alloc = doc->alloc };
  names tags = { .alloc = doc->alloc };
  bool open = false;
  for (gs_piece p = quote != NULL ? gs_quote_next(quote) : gs_piece_first(doc, view, type);;
       p = quote != NULL ? gs_quote_next(quote) : gs_piece_next(doc, view, p)) {
    const gs_item *it = p.ix != 0 ? &doc->items[p.ix] : NULL;
    unsigned kind = it != NULL ? gs_kind(it) : GS_FORMAT;
    if (kind != GS_STRING && kind != GS_TYPE && kind != GS_EMBED && kind != GS_FORMAT)
      continue;
    /* A delta op ends at every format, and before and after what is not text. */
    if (open && kind != GS_STRING) {
      for (uint32_t k = tags.n; k-- > 0;) {
        gs_buf_puts(out, "</");
        gs_buf_write(out, tags.v[k].name.data, tags.v[k].name.len);
        gs_buf_put(out, '>');
      }
      open = false;
    }
    if (it == NULL || out->err != GESSO_OK)
      break;
    if (kind == GS_FORMAT) {
      gs_attrs_update(&attrs, gs_format_of(doc, it));
      continue;
    }
    if (!open) {
      tags.n = 0;
      for (uint32_t k = 0; k < attrs.n; k++)
        add_name(&tags, out, (named){ .name = attrs.v[k].key, .value = attrs.v[k].value });
      sort_names(&tags);
      for (uint32_t k = 0; k < tags.n; k++)
        start_tag(doc, out, tags.v[k].name, tags.v[k].value);
      open = true;
    }
    piece_string(doc, view, p, out, depth);
    if (kind != GS_STRING) {
      for (uint32_t k = tags.n; k-- > 0;) {
        gs_buf_puts(out, "</");
        gs_buf_write(out, tags.v[k].name.data, tags.v[k].name.len);
        gs_buf_put(out, '>');
      }
      open = false;
    }
  }
  if (attrs.nomem && out->err == GESSO_OK)
    out->err = GESSO_E_NOMEM;
  finish_names(&tags);
  gs_attrs_finish(&attrs);
}

void gs_read_xml_quote(gesso_doc *doc, gs_quote *quote, gs_buf *out)
{
  xml_text(doc, NULL, quote->type, quote, out, 0);
}

void gs_read_xml(gesso_doc *doc, gs_view *view, uint32_t type, unsigned as, gs_buf *out, unsigned depth)
{
  if (depth > GS_READ_DEPTH_MAX) {
    if (out->err == GESSO_OK)
      out->err = GESSO_E_LIMIT;
    return;
  }
  switch (gs_read_kind(doc, type, as)) {
  case GESSO_XML_FRAGMENT:
    children(doc, view, type, out, depth);
    break;
  case GESSO_XML_ELEMENT:
    element(doc, view, type, out, depth);
    break;
  case GESSO_XML_TEXT:
    xml_text(doc, view, type, NULL, out, depth);
    break;
  case GESSO_TEXT:
    gs_read_text(doc, view, type, out, false);
    break;
  default:
    gs_buf_puts(out, "[object Object]");
  }
}
