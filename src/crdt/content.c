#include "crdt/content.h"
#include "wire/any.h"
#include "wire/reader.h"
#include "wire/utf8.h"

#include <assert.h>

/* What a content that may grow was given: the next of 16, 24, 32, 48, 64, 96 ... */
static uint32_t text_class(uint32_t bytes)
{
  if (bytes <= 16)
    return 16;
  uint32_t cap = 1u << (31 - __builtin_clz(bytes - 1)); /* less than bytes, and twice it is not */
  if (cap + cap / 2 >= bytes)
    return cap + cap / 2;
  return cap > UINT32_MAX / 2 ? bytes : cap * 2;
}

bool gs_text_reserve(gesso_doc *doc, size_t bytes)
{
  return gs_grow(doc->alloc, &doc->text, &doc->text_cap, (size_t)doc->text_len + bytes, 1);
}

static void set_inline(gs_item *it, gesso_bytes bytes)
{
  it->head = (it->head & ~(uint32_t)GS_ITEM_SLACK) | GS_ITEM_INLINE;
  uint64_t few = gs_few_bytes(bytes);
  memcpy(it->c.in, &few, sizeof it->c.in);
}

void gs_content_set_reserved(gesso_doc *doc, gs_item *it, gesso_bytes bytes)
{
  if (bytes.len <= GS_INLINE_MAX) {
    set_inline(it, bytes);
    return;
  }
  assert(doc->text_cap - doc->text_len >= bytes.len);
  it->head &= ~(uint32_t)(GS_ITEM_INLINE | GS_ITEM_SLACK);
  it->c.at = doc->text_len;
  it->c.bytes = (uint32_t)bytes.len;
  memcpy(doc->text + doc->text_len, bytes.data, bytes.len);
  doc->text_len += (uint32_t)bytes.len;
}

void gs_content_drop(gesso_doc *doc, gs_item *it)
{
  if (gs_kind_has_bytes(gs_kind(it)) && (it->head & GS_ITEM_INLINE) == 0)
    doc->text_garbage += it->head & GS_ITEM_SLACK ? text_class(it->c.bytes) : it->c.bytes;
  it->head &= ~(uint32_t)(GS_ITEM_INLINE | GS_ITEM_SLACK);
  memset(&it->c, 0, sizeof it->c);
}

void gs_text_compact(gesso_doc *doc)
{
  size_t live = 0;
  for (uint32_t i = 1; i < doc->nitems; i++)
    if (gs_kind_has_bytes(gs_kind(&doc->items[i])) && (doc->items[i].head & GS_ITEM_INLINE) == 0)
      live += doc->items[i].c.bytes;
  size_t cap = live + live / 8;
  uint8_t *text = gs_alloc(doc->alloc, cap);
  if (cap > 0 && text == NULL)
    return;
  uint32_t at = 0;
  for (uint32_t i = 1; i < doc->nitems; i++) {
    gs_item *it = &doc->items[i];
    if (!gs_kind_has_bytes(gs_kind(it)) || (it->head & GS_ITEM_INLINE) != 0)
      continue;
    if (it->c.bytes > 0)
      memcpy(text + at, doc->text + it->c.at, it->c.bytes);
    it->c.at = at;
    at += it->c.bytes;
    it->head &= ~(uint32_t)GS_ITEM_SLACK;
  }
  gs_text_forget_blocks(doc);
  gs_free(doc->alloc, doc->text, doc->text_cap);
  doc->text = text;
  doc->text_cap = (uint32_t)cap;
  doc->text_len = at;
  doc->text_garbage = 0;
}

size_t gs_content_offset(unsigned kind, gesso_bytes content, uint32_t n, int *pair)
{
  *pair = 0;
  switch (kind) {
  case GS_STRING:
    return gs_utf8_offset_of(content, n, pair);
  case GS_ANY:
  case GS_JSON: {
    gs_reader rd = gs_reader_of(content);
    while (n-- > 0) {
      if (kind == GS_ANY)
        gs_any_skip(&rd);
      else
        (void)gs_read_bytes(&rd);
    }
    return gs_reader_offset(&rd);
  }
  default:
    return 0;
  }
}

uint32_t gs_string_parts(gesso_bytes c, uint32_t len, uint32_t from, uint32_t end, gesso_bytes parts[3])
{
  static const gesso_bytes half = { (const uint8_t *)"\xef\xbf\xbd", 3 };
  uint32_t n = 0;
  int cut = 0;
  if (c.len == len) { /* ASCII */
    parts[0] = (gesso_bytes){ c.data + from, end - from };
    return 1;
  }
  size_t a = 0;
  /* What was typed last is told at the end of each transaction: do not count all before it. */
  if (from > 0)
    a = len - from < from / 8 ? gs_string_walk_back(c, len - from, &cut) : gs_utf8_offset_of(c, from, &cut);
  if (cut) {
    parts[n++] = half;
    a += 4;
    from++;
  }
  size_t b = c.len;
  cut = 0;
  if (end < len)
    b = a + gs_utf8_offset_of((gesso_bytes){ c.data + a, c.len - a }, end - from, &cut);
  if (b > a)
    parts[n++] = (gesso_bytes){ c.data + a, b - a };
  if (cut)
    parts[n++] = half;
  return n;
}

bool gs_content_append(gesso_doc *doc, gs_item *it, gesso_bytes more)
{
  gesso_bytes have = gs_content(doc, it);
  size_t need = have.len + more.len;
  if (need > UINT32_MAX / 2)
    return false;
  if (need <= GS_INLINE_MAX && (it->head & GS_ITEM_INLINE) != 0) {
    if (more.len > 0)
      memcpy(it->c.in + have.len, more.data, more.len);
    it->c.in[7] = (uint8_t)need;
    return true;
  }
  if ((it->head & GS_ITEM_INLINE) == 0) {
    if ((it->head & GS_ITEM_SLACK) != 0 && text_class(it->c.bytes) >= need && text_class((uint32_t)need) == text_class(it->c.bytes)) {
      memcpy(doc->text + it->c.at + have.len, more.data, more.len);
      it->c.bytes = (uint32_t)need;
      return true;
    }
    if (more.data == doc->text + it->c.at + have.len) {
      /* Right's bytes already follow: what a cut took apart is joined again. */
      it->c.bytes = (uint32_t)need;
      it->head &= ~(uint32_t)GS_ITEM_SLACK;
      return true;
    }
  }
  uint32_t cap = text_class((uint32_t)need);
  bool more_inside = doc->text != NULL && more.data >= doc->text && more.data < doc->text + doc->text_len;
  size_t more_at = more_inside ? (size_t)(more.data - doc->text) : 0;
  if (!gs_text_reserve(doc, cap))
    return false;
  have = gs_content(doc, it);
  uint8_t *to = doc->text + doc->text_len;
  memcpy(to, have.data, have.len);
  memcpy(to + have.len, more_inside ? doc->text + more_at : more.data, more.len);
  if ((it->head & GS_ITEM_INLINE) == 0)
    gs_text_copied(doc, it->c.at, doc->text_len);
  gs_content_drop(doc, it);
  it->head |= GS_ITEM_SLACK;
  it->c.at = doc->text_len;
  it->c.bytes = (uint32_t)need;
  doc->text_len += cap;
  return true;
}

void gs_content_shorten(gesso_doc *doc, gs_item *it, uint32_t bytes)
{
  if (it->head & GS_ITEM_INLINE) {
    it->c.in[7] = (uint8_t)bytes;
    return;
  }
  bool slack = (it->head & GS_ITEM_SLACK) != 0;
  if (bytes <= GS_INLINE_MAX) {
    gesso_bytes rest = { doc->text + it->c.at, bytes };
    gs_content_drop(doc, it);
    set_inline(it, rest);
    return;
  }
  /* Nobody may know of what is written over when it grows again. */
  bool unknown = doc->blocks == NULL && doc->found.start != it->c.at;
  if (!slack || !unknown || text_class(bytes) != text_class(it->c.bytes)) {
    doc->text_garbage += (slack ? text_class(it->c.bytes) : it->c.bytes) - bytes;
    it->head &= ~(uint32_t)GS_ITEM_SLACK;
  }
  it->c.bytes = bytes;
}

bool gs_content_join(gesso_doc *doc, gs_item *left, gs_item *right)
{
  gesso_bytes more = gs_content(doc, right);
  bool follows = (left->head & GS_ITEM_INLINE) == 0 && (right->head & GS_ITEM_INLINE) == 0 &&
                 (left->head & GS_ITEM_SLACK) == 0 && right->c.at == left->c.at + left->c.bytes;
  if (follows) {
    /* The slack of the right part, if it has any, is given up with the flag. */
    if (right->head & GS_ITEM_SLACK)
      doc->text_garbage += text_class(right->c.bytes) - right->c.bytes;
    left->c.bytes += right->c.bytes;
    right->head &= ~(uint32_t)(GS_ITEM_INLINE | GS_ITEM_SLACK);
    memset(&right->c, 0, sizeof right->c);
    return true;
  }
  if (!gs_content_append(doc, left, more))
    return false;
  gs_content_drop(doc, right);
  return true;
}
