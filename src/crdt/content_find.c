/* Where element n of a long content begins. Counting from the front each time would make whoever cuts one long
 * item at its end, again and again, cost its length each time. So doc->text is looked at in blocks, and of each
 * block that was once counted it is known how many elements begin there and where the walk leaves it. Neither
 * depends on who owns the bytes, as long as a cut shares them: text only grows at its end, and gs_text_compact,
 * which moves it, forgets the blocks. The last look is marked: the next one mostly is near, and goes on from
 * there, forwards or backwards; so does one for an element a little behind the last, as when one is appended after
 * the other. */
#include "crdt/content.h"
#include "wire/any.h"
#include "wire/reader.h"
#include "wire/utf8.h"

enum { BLOCK = 256, WORTH_IT = 8 * BLOCK, BACK_MAX = 1024, FORTH_MAX = 32 };

/* From element to element up to the first that begins at or past `stop`, or the n-th. Returns how many. */
static uint32_t walk(unsigned kind, gesso_bytes content, size_t *at, size_t stop, uint32_t n)
{
  if (kind == GS_STRING) {
    size_t end = GS_MIN(stop, content.len);
    while (end < content.len && (content.data[end] & 0xc0) == 0x80)
      end++;
    uint32_t units = (uint32_t)gs_utf8_utf16_len((gesso_bytes){ content.data + *at, end - *at });
    if (units > n)
      return 0; /* the block has it: the caller counts to it */
    *at = end;
    return units;
  }
  gs_reader rd = gs_reader_of((gesso_bytes){ content.data + *at, content.len - *at });
  uint32_t seen = 0;
  size_t from = *at;
  while (seen < n && *at < stop) {
    if (kind == GS_ANY)
      gs_any_skip(&rd);
    else
      (void)gs_read_bytes(&rd);
    *at = from + gs_reader_offset(&rd);
    seen++;
  }
  return seen;
}

size_t gs_string_walk_back(gesso_bytes s, uint32_t units, int *pair)
{
  size_t at = s.len;
  *pair = 0;
  while (units > 0 && at > 0 && *pair == 0) {
    do
      at--;
    while (at > 0 && (s.data[at] & 0xc0) == 0x80);
    uint32_t of_this = s.data[at] >= 0xf0 ? 2 : 1;
    *pair = of_this > units;
    units -= GS_MIN(of_this, units);
  }
  return at;
}

static bool make_blocks(gesso_doc *doc, uint32_t need)
{
  uint32_t had = doc->blocks_cap;
  if (!gs_grow(doc->alloc, &doc->blocks, &doc->blocks_cap, need, sizeof *doc->blocks))
    return false;
  if (doc->blocks_cap > had)
    memset(doc->blocks + had, 0, (doc->blocks_cap - had) * sizeof *doc->blocks);
  return true;
}

void gs_text_forget_blocks(gesso_doc *doc)
{
  gs_free(doc->alloc, doc->blocks, doc->blocks_cap * sizeof *doc->blocks);
  doc->blocks = NULL;
  doc->blocks_cap = 0;
  doc->mark = doc->found = (gs_text_mark){ 0 };
}

void gs_text_copied(gesso_doc *doc, uint32_t from, uint32_t to)
{
  if (doc->found.start == from)
    doc->found.start = to;
}

/* How far into the content the last look says that element n is at least, and how many begin before. */
static gs_text_mark nearest(const gesso_doc *doc, uint32_t start, size_t len, uint32_t n)
{
  const gs_text_mark none = { .start = start };
  gs_text_mark m = doc->mark;
  if (m.start != start || m.at == 0 || m.at >= len)
    return none;
  while (m.n > n) {
    uint32_t block = (start + m.at) / BLOCK;
    /* The block before must have been entered from one of the content too. */
    if (block < start / BLOCK + 3)
      return none;
    const gs_text_block *before = &doc->blocks[block - 1], *entered = &doc->blocks[block - 2];
    if (!before->known || !entered->known || before->elements > m.n)
      return none;
    m.n -= before->elements;
    m.at = (block - 1) * BLOCK + entered->leaves - start;
  }
  return m;
}

/* Walks on from `at`, where `n` of all elements are still to come, and remembers where the n-th begins. */
static size_t walk_to(gesso_doc *doc, const gs_item *it, size_t at, uint32_t n, uint32_t all, int *pair)
{
  gesso_bytes content = gs_content(doc, it), rest = { content.data + at, content.len - at };
  at += gs_content_offset(gs_kind(it), rest, n, pair);
  doc->found = (gs_text_mark){ it->c.at, *pair ? 0 : (uint32_t)at, all };
  return at;
}

size_t gs_content_find(gesso_doc *doc, const gs_item *it, uint32_t n, int *pair)
{
  unsigned kind = gs_kind(it);
  gesso_bytes content = gs_content(doc, it);
  if (kind == GS_STRING && content.len == it->len) {
    *pair = 0;
    return n; /* all of it is ASCII */
  }
  if (kind == GS_STRING && content.len >= WORTH_IT && it->len - n <= BACK_MAX)
    return gs_string_walk_back(content, it->len - n, pair);
  bool counted = (kind == GS_STRING || kind == GS_ANY || kind == GS_JSON) && (it->head & GS_ITEM_INLINE) == 0;
  if (counted && doc->found.at != 0 && doc->found.start == it->c.at && doc->found.n <= n &&
      n - doc->found.n <= FORTH_MAX && doc->found.at <= content.len)
    return walk_to(doc, it, doc->found.at, n - doc->found.n, n, pair);
  if (!counted)
    return gs_content_offset(kind, content, n, pair);
  if (content.len < WORTH_IT || !make_blocks(doc, (it->c.at + it->c.bytes) / BLOCK + 1))
    return walk_to(doc, it, 0, n, n, pair);
  gs_text_mark m = nearest(doc, it->c.at, content.len, n);
  size_t at = m.at;
  uint32_t all = n;
  n -= m.n;
  for (;;) {
    size_t place = it->c.at + at, stop = at + BLOCK - place % BLOCK;
    if (stop >= content.len)
      break;
    gs_text_block *b = &doc->blocks[place / BLOCK];
    /* The walk may only be left to a block that it has entered from the block before it: the item's first one
     * began before the item. */
    bool whole = at > 0;
    if (whole)
      m = (gs_text_mark){ it->c.at, (uint32_t)at, all - n };
    if (whole && b->known) {
      if (b->elements > n)
        break;
      n -= b->elements;
      at = stop + b->leaves;
      continue;
    }
    size_t before = at;
    uint32_t seen = walk(kind, content, &at, stop, n);
    n -= seen;
    if (at < stop || at == before)
      break;
    if (whole)
      *b = (gs_text_block){ seen, (uint32_t)(at - stop), true };
  }
  doc->mark = m;
  return walk_to(doc, it, at, n, all, pair);
}
