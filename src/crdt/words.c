#include "crdt/words.h"

#include <assert.h>

enum { FULL = GS_WORDS_FULL, FULL_CLASS = __builtin_ctz(FULL), KEEP = 8 * FULL };
_Static_assert(1 << FULL_CLASS == FULL, "a full block is one piece");

static inline unsigned log2_floor(uint32_t n)
{
  return 31u - (unsigned)__builtin_clz(n);
}

static void push(gs_words *w, uint32_t at, unsigned class)
{
  w->v[at] = w->free[class];
  w->free[class] = at;
  w->unused += 1u << class;
  if (class >= FULL_CLASS)
    w->nfull += 1u << (class - FULL_CLASS);
}

static uint32_t pop(gs_words *w, unsigned class)
{
  uint32_t at = w->free[class];
  w->free[class] = w->v[at];
  w->unused -= 1u << class;
  if (class >= FULL_CLASS)
    w->nfull -= 1u << (class - FULL_CLASS);
  return at;
}

void gs_words_give(gesso_doc *doc, uint32_t at, uint32_t n)
{
  gs_words *w = &doc->words;
  if (at + n == w->len) {
    w->len = at;
    return;
  }
  while (n > 0) {
    unsigned class = GS_MIN(log2_floor(n), GS_WORDS_CLASSES - 1);
    push(w, at, class);
    at += 1u << class;
    n -= 1u << class;
  }
}

/* Room for n words at the end, and then for what was promised. */
static bool room(gesso_doc *doc, uint32_t n)
{
  gs_words *w = &doc->words;
  if (w->len == 0)
    n++; /* 0 names no block */
  size_t full = w->promised > w->nfull ? w->promised - w->nfull : 0;
  if (!gs_grow(doc->alloc, &w->v, &w->cap, w->len + n + full * FULL, sizeof *w->v))
    return false;
  if (w->len == 0)
    w->v[w->len++] = 0;
  return true;
}

uint32_t gs_words_take(gesso_doc *doc, uint32_t n)
{
  gs_words *w = &doc->words;
  unsigned class = log2_floor(n) + ((n & (n - 1)) != 0);
  while (class < GS_WORDS_CLASSES && w->free[class] == 0)
    class++;
  /* Not from what is promised. */
  if (class < GS_WORDS_CLASSES &&
      (class < FULL_CLASS || w->nfull - (1u << (class - FULL_CLASS)) + (w->cap - w->len) / FULL >= w->promised)) {
    uint32_t at = pop(w, class);
    gs_words_give(doc, at + n, (1u << class) - n);
    return at;
  }
  if (!room(doc, n))
    return 0;
  w->len += n;
  return w->len - n;
}

uint32_t gs_words_resize(gesso_doc *doc, uint32_t at, uint32_t old, uint32_t n)
{
  gs_words *w = &doc->words;
  if (n <= old) {
    gs_words_give(doc, at + n, old - n);
    return at;
  }
  if (at + old == w->len) {
    if (!room(doc, n - old))
      return 0;
    w->len += n - old;
    return at;
  }
  uint32_t to = gs_words_take(doc, n);
  if (to == 0)
    return 0;
  memcpy(w->v + to, w->v + at, old * sizeof *w->v);
  gs_words_give(doc, at, old);
  return to;
}

bool gs_words_promise(gesso_doc *doc, uint32_t n)
{
  gs_words *w = &doc->words;
  w->promised += n;
  if (w->nfull + (w->cap - w->len) / FULL >= w->promised || room(doc, 0))
    return true;
  w->promised -= n;
  return false;
}

void gs_words_release(gesso_doc *doc, uint32_t n)
{
  assert(n <= doc->words.promised);
  doc->words.promised -= n;
}

uint32_t gs_words_take_full(gesso_doc *doc)
{
  gs_words *w = &doc->words;
  assert(w->promised > 0);
  w->promised--;
  unsigned class = FULL_CLASS;
  while (class < GS_WORDS_CLASSES && w->free[class] == 0)
    class++;
  if (class < GS_WORDS_CLASSES) {
    uint32_t at = pop(w, class);
    gs_words_give(doc, at + FULL, (1u << class) - FULL);
    return at;
  }
  assert(w->cap - w->len >= FULL);
  w->len += FULL;
  return w->len - FULL;
}

void gs_words_trim(gesso_doc *doc)
{
  gs_words *w = &doc->words;
  uint32_t large = w->len / 4 + FULL / 4, keep = w->promised * FULL;
  bool much = w->len > w->trimmed + large || w->trimmed > w->len + large;
  w->trimmed = w->len;
  if (!much)
    keep += KEEP + w->len / 4;
  uint32_t cap = w->len + keep;
  uint32_t *v = cap < w->cap ? gs_resize(doc->alloc, w->v, w->cap * sizeof *v, cap * sizeof *v) : NULL;
  if (v != NULL) {
    w->v = v;
    w->cap = cap;
  }
  w->trimmed_cap = w->cap;
}

bool gs_words_start(gesso_doc *doc, uint32_t n)
{
  gs_words *w = &doc->words;
  w->v = gs_alloc(doc->alloc, n * sizeof *w->v);
  if (w->v == NULL)
    return false;
  w->cap = n;
  w->v[w->len++] = 0;
  return true;
}
