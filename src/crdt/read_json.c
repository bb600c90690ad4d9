/* Shared types as JSON (toJSON) and text as a delta. */
#include "crdt/content.h"
#include "crdt/format.h"
#include "crdt/read.h"
#include "wire/any.h"
#include "wire/json.h"

#include <stdio.h>

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

static void write_piece(const gesso_doc *doc, gs_piece p, gs_buf *out, bool json)
{
  const gs_item *it = &doc->items[p.ix];
  gesso_bytes parts[3] = { gs_content(doc, it) };
  uint32_t n = p.from == 0 && p.end == it->len ? 1 : gs_string_parts(parts[0], it->len, p.from, p.end, parts);
  for (uint32_t i = 0; i < n; i++)
    if (json)
      escaped(out, parts[i]);
    else
      gs_buf_write(out, parts[i].data, parts[i].len);
}

void gs_read_text(gesso_doc *doc, gs_view *view, uint32_t type, gs_buf *out, bool json)
{
  for (gs_piece p = gs_piece_first(doc, view, type); p.ix != 0; p = gs_piece_next(doc, view, p))
    if (gs_kind(&doc->items[p.ix]) == GS_STRING)
      write_piece(doc, p, out, json);
}

bool gs_read_element_json(gesso_doc *doc, gs_view *view, const gs_item *it, uint32_t i, gs_buf *out, unsigned depth)
{
  gesso_bytes c = gs_kind_has_bytes(gs_kind(it)) ? gs_content(doc, it) : (gesso_bytes){ NULL, 0 };
  gs_reader rd = gs_reader_of(c);
  int pair;
  switch (gs_kind(it)) {
  case GS_ANY:
  case GS_JSON:
    rd.at += gs_content_find(doc, it, i, &pair);
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
    if (doc->types[it->c.type].kind == GESSO_WEAK_LINK)
      return false; /* yrs: undefined */
    gs_read_json(doc, view, it->c.type, doc->types[it->c.type].kind, out, depth + 1);
    return true;
  case GS_DOC:
    gs_buf_puts(out, "{}");
    return true;
  case GS_STRING: {
    gesso_bytes parts[3];
    (void)gs_string_parts(c, it->len, i, i + 1, parts);
    gs_json_write_string(out, parts[0]);
    return true;
  }
  default:
    return false;
  }
}

static void read_array(gesso_doc *doc, gs_view *view, uint32_t type, gs_buf *out, unsigned depth)
{
  gs_buf_put(out, '[');
  bool first = true;
  for (gs_piece p = gs_piece_first(doc, view, type); p.ix != 0; p = gs_piece_next(doc, view, p)) {
    const gs_item *it = &doc->items[p.ix];
    if (!gs_is_countable(it))
      continue;
    bool any = gs_kind(it) == GS_ANY;
    gs_reader rd = gs_reader_of(any ? gs_content(doc, it) : (gesso_bytes){ NULL, 0 });
    /* One walk through the values, not one look-up for each. */
    for (uint32_t i = 0; any && i < p.from; i++)
      gs_any_skip(&rd);
    for (uint32_t i = p.from; i < p.end && out->err == GESSO_OK; i++) {
      if (!first)
        gs_buf_put(out, ',');
      first = false;
      if (!(any ? gs_any_to_json(&rd, out) : gs_read_element_json(doc, view, it, i, out, depth)))
        gs_buf_puts(out, "null");
    }
  }
  gs_buf_put(out, ']');
}

void gs_read_map(gesso_doc *doc, gs_view *view, uint32_t type, gs_buf *out, unsigned depth)
{
  gs_buf_put(out, '{');
  bool first = true;
  for (uint32_t s = doc->types[type].maps; s != 0; s = doc->slots[s].next) {
    gs_piece p = gs_piece_of_slot(doc, view, s);
    if (p.ix == 0)
      continue;
    size_t at = out->b.len;
    if (!first)
      gs_buf_put(out, ',');
    gs_json_write_string(out, gs_key_text(doc, doc->slots[s].key));
    gs_buf_put(out, ':');
    if (gs_read_element_json(doc, view, &doc->items[p.ix], p.from, out, depth))
      first = false;
    else
      out->b.len = at; /* undefined is left out */
  }
  gs_buf_put(out, '}');
}

void gs_read_json(gesso_doc *doc, gs_view *view, uint32_t type, unsigned as, gs_buf *out, unsigned depth)
{
  if (depth > GS_READ_DEPTH_MAX) {
    if (out->err == GESSO_OK)
      out->err = GESSO_E_LIMIT;
    return;
  }
  switch (gs_read_kind(doc, type, as)) {
  case GESSO_ARRAY:
    read_array(doc, view, type, out, depth);
    break;
  case GESSO_MAP:
  case GESSO_XML_HOOK:
    gs_read_map(doc, view, type, out, depth);
    break;
  case GESSO_WEAK_LINK:
    gs_buf_puts(out, "null");
    break;
  case GESSO_TEXT:
    gs_buf_put(out, '"');
    gs_read_text(doc, view, type, out, true);
    gs_buf_put(out, '"');
    break;
  default: {
    gs_buf xml = gs_buf_make(out->b.alloc);
    gs_read_xml(doc, view, type, as, &xml, depth + 1);
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

/* One walk of a text for a delta. */
typedef struct delta_walk {
  gs_attrs attrs;
  gs_buf *out;
  bool first, open; /* nothing was written yet; a string is being written */
} delta_walk;

static void end_op(delta_walk *w)
{
  write_attributes(w->out, &w->attrs);
  gs_buf_put(w->out, '}');
}

static void end_string(delta_walk *w)
{
  if (!w->open)
    return;
  gs_buf_put(w->out, '"');
  end_op(w);
  w->open = false;
}

static void begin_op(delta_walk *w)
{
  gs_buf_puts(w->out, w->first ? "{\"insert\":" : ",{\"insert\":");
  w->first = false;
}

static const gesso_bytes ychange = { (const uint8_t *)"ychange", 7 };

/* Sets or takes away the mark of what happened to a string. As in Yjs, without users every marked piece is an
 * op of its own. `mark` has room for the text of the value for as long as it is in use. */
static void mark_change(delta_walk *w, const gesso_doc *doc, const gs_item *it, const char *type, bool users, gs_buf *mark)
{
  gesso_bytes have = gs_attrs_get(&w->attrs, ychange);
  if (type == NULL) {
    if (gs_attrs_has(&w->attrs, ychange)) {
      end_string(w);
      gs_attrs_remove(&w->attrs, ychange);
    }
    return;
  }
  char text[64];
  int n = users ? snprintf(text, sizeof text, "{\"user\":%llu,\"type\":\"%s\"}",
                           (unsigned long long)doc->clients[gs_client_of(it)].id, type)
                : snprintf(text, sizeof text, "{\"type\":\"%s\"}", type);
  if (users && gs_bytes_eq(have, (gesso_bytes){ (const uint8_t *)text, (size_t)n }))
    return;
  end_string(w);
  gs_buf_clear(mark);
  gs_buf_write(mark, text, (size_t)n);
  if (mark->err != GESSO_OK)
    w->attrs.nomem = true;
  gs_attrs_set(&w->attrs, ychange, gs_buf_bytes(mark));
}

/* Whether a view shows element `from` of an item (NULL: whether it is there now); narrows *end to where that may
 * change. */
static bool shows(const gesso_doc *doc, gs_view *view, const gs_item *it, uint32_t from, uint32_t *end)
{
  uint32_t until = UINT32_MAX;
  bool there = view == NULL ? !gs_is_deleted(it) : gs_view_shows(view, doc, gs_client_of(it), it->clock + from, &until);
  *end = GS_MIN(*end, until - it->clock);
  return there;
}

void gs_read_delta(gesso_doc *doc, gs_view *view, gs_view *since, uint32_t type, bool users, gs_buf *out, unsigned depth)
{
  delta_walk w = { .attrs = { .alloc = doc->alloc }, .out = out, .first = true };
  gs_buf mark = gs_buf_make(doc->alloc);
  gs_buf_put(out, '[');
  for (gs_piece p = { gs_first(doc, type), 0, 0 }; p.ix != 0 && out->err == GESSO_OK;) {
    const gs_item *it = &doc->items[p.ix];
    p.end = it->len;
    bool there = shows(doc, view, it, p.from, &p.end);
    bool before = since != NULL && shows(doc, since, it, p.from, &p.end);
    unsigned kind = gs_kind(it);
    if ((there || before) && kind == GS_STRING) {
      if (view != NULL || since != NULL)
        mark_change(&w, doc, it, !there ? "removed" : since != NULL && !before ? "added" : NULL, users, &mark);
      if (!w.open) {
        begin_op(&w);
        gs_buf_put(out, '"');
        w.open = true;
      }
      write_piece(doc, p, out, true);
    } else if ((there || before) && (kind == GS_TYPE || kind == GS_EMBED)) {
      end_string(&w);
      begin_op(&w);
      if (!gs_read_element_json(doc, there ? view : since, it, p.from, out, depth))
        gs_buf_puts(out, "null");
      end_op(&w);
    } else if (there && kind == GS_FORMAT) {
      end_string(&w);
      gs_attrs_update(&w.attrs, gs_format_of(doc, it));
    }
    p = p.end < it->len ? (gs_piece){ p.ix, p.end, 0 } : (gs_piece){ it->right, 0, 0 };
  }
  end_string(&w);
  gs_buf_put(out, ']');
  if (w.attrs.nomem && out->err == GESSO_OK)
    out->err = GESSO_E_NOMEM;
  gs_attrs_finish(&w.attrs);
  gs_buf_finish(&mark);
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
  READ_TYPE(gs_read_json(doc, NULL, type, as, &buf, 0));
}

gesso_status gesso_text_to_string(gesso_doc *doc, gesso_type type, gesso_buffer *out)
{
  READ_TYPE(gs_read_text(doc, NULL, type, &buf, false));
}

gesso_status gesso_text_to_delta(gesso_doc *doc, gesso_type type, gesso_buffer *out)
{
  READ_TYPE(gs_read_delta(doc, NULL, NULL, type, false, &buf, 0));
}

gesso_status gesso_xml_to_string(gesso_doc *doc, gesso_type type, gesso_type_kind as, gesso_buffer *out)
{
  READ_TYPE(gs_read_xml(doc, NULL, type, as, &buf, 0));
}
