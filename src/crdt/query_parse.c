/* Reading paths. */
#include "crdt/query.h"
#include "wire/utf8.h"

#include <string.h>

typedef struct parser {
  gesso_query *q;
  const uint8_t *at, *end;
  gesso_status err;
  size_t err_offset;
  const char *err_why;
} parser;

static void fail(parser *p, const uint8_t *at, gesso_status st, const char *why)
{
  if (p->err != GESSO_OK)
    return;
  p->err = st;
  p->err_offset = (size_t)(at - p->q->text);
  p->err_why = why;
}

static bool is_letter(uint8_t c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static bool is_digit(uint8_t c)
{
  return c >= '0' && c <= '9';
}

static int peek(const parser *p)
{
  return p->at < p->end ? *p->at : -1;
}

static bool take(parser *p, char c)
{
  if (peek(p) != c)
    return false;
  p->at++;
  return true;
}

static void skip_space(parser *p)
{
  while (peek(p) == ' ')
    p->at++;
}

static gs_step *add_step(parser *p, gs_step_kind kind)
{
  gesso_query *q = p->q;
  if (!gs_grow(q->alloc, &q->steps, &q->steps_cap, (size_t)q->nsteps + 1, sizeof *q->steps)) {
    fail(p, p->at, GESSO_E_NOMEM, "out of memory");
    return NULL;
  }
  q->steps[q->nsteps] = (gs_step){ .kind = kind };
  return &q->steps[q->nsteps++];
}

static void add_name(parser *p, const uint8_t *from, const uint8_t *end)
{
  gesso_query *q = p->q;
  if (!gs_grow(q->alloc, &q->names, &q->names_cap, (size_t)q->nnames + 1, sizeof *q->names)) {
    fail(p, from, GESSO_E_NOMEM, "out of memory");
    return;
  }
  q->names[q->nnames++] = (gesso_bytes){ from, (size_t)(end - from) };
}

static void add_index(parser *p, int32_t index)
{
  gesso_query *q = p->q;
  if (!gs_grow(q->alloc, &q->indexes, &q->indexes_cap, (size_t)q->nindexes + 1, sizeof *q->indexes)) {
    fail(p, p->at, GESSO_E_NOMEM, "out of memory");
    return;
  }
  q->indexes[q->nindexes++] = index;
}

/* A name that stands without quotes. */
static void bare_name(parser *p)
{
  const uint8_t *from = p->at;
  gs_step *step = add_step(p, GS_STEP_MEMBERS);
  if (step == NULL)
    return;
  step->first = p->q->nnames;
  step->count = 1;
  while (p->at < p->end && (is_letter(*p->at) || is_digit(*p->at) || *p->at == '_'))
    p->at++;
  add_name(p, from, p->at);
}

static void quoted_name(parser *p)
{
  const uint8_t *from = ++p->at;
  const uint8_t *quote = from < p->end ? memchr(from, '\'', (size_t)(p->end - from)) : NULL;
  if (quote == NULL) {
    fail(p, from - 1, GESSO_E_CORRUPT, "a name without its second quote");
    return;
  }
  add_name(p, from, quote);
  p->at = quote + 1;
}

/* Digits, at most 2^31 - 1. False: there are none. */
static bool number(parser *p, uint32_t *out)
{
  const uint8_t *from = p->at;
  *out = 0;
  while (p->at < p->end && is_digit(*p->at)) {
    uint32_t digit = *p->at - '0';
    if (*out > (INT32_MAX - digit) / 10) {
      fail(p, from, GESSO_E_RANGE, "a number past 2^31 - 1");
      return true;
    }
    *out = *out * 10 + digit;
    p->at++;
  }
  return p->at > from;
}

static void quoted_names(parser *p)
{
  gs_step *step = add_step(p, GS_STEP_MEMBERS);
  if (step == NULL)
    return;
  step->first = p->q->nnames;
  do {
    skip_space(p);
    if (peek(p) == '\'')
      quoted_name(p);
    else
      fail(p, p->at, GESSO_E_CORRUPT, "a name in quotes is wanted here");
    skip_space(p);
  } while (p->err == GESSO_OK && take(p, ','));
  step->count = p->q->nnames - step->first;
}

/* After the first part of a slice, up to the end of the brackets. */
static void slice(parser *p, uint32_t from)
{
  gs_step s = { .kind = GS_STEP_SLICE, .from = from };
  if (!number(p, &s.to))
    s.to = UINT32_MAX;
  s.step = 1;
  if (take(p, ':')) {
    if (!number(p, &s.step))
      s.step = 1;
    else if (s.step == 0)
      fail(p, p->at - 1, GESSO_E_RANGE, "a step of 0");
  }
  gs_step *step = add_step(p, GS_STEP_SLICE);
  if (step != NULL)
    *step = s;
}

static void indexes_or_slice(parser *p)
{
  uint32_t first = p->q->nindexes, n;
  do {
    skip_space(p);
    bool minus = take(p, '-'), some = number(p, &n);
    if (!minus && p->q->nindexes == first && take(p, ':')) {
      slice(p, n);
      return;
    }
    if (!some)
      fail(p, p->at, GESSO_E_CORRUPT, "an index, a slice, * or a name in quotes is wanted here");
    add_index(p, minus ? -(int32_t)n : (int32_t)n);
    skip_space(p);
  } while (p->err == GESSO_OK && take(p, ','));
  gs_step *step = p->err == GESSO_OK ? add_step(p, GS_STEP_INDEXES) : NULL;
  if (step != NULL) {
    step->first = first;
    step->count = p->q->nindexes - first;
  }
}

static void brackets(parser *p)
{
  if (take(p, '*'))
    (void)add_step(p, GS_STEP_ALL);
  else if (peek(p) == '\'')
    quoted_names(p);
  else
    indexes_or_slice(p);
  if (p->err == GESSO_OK && !take(p, ']'))
    fail(p, p->at, GESSO_E_CORRUPT, "] is wanted here");
}

static void after_point(parser *p)
{
  if (take(p, '.'))
    (void)add_step(p, GS_STEP_DESCEND);
  else if (take(p, '*'))
    (void)add_step(p, GS_STEP_ALL);
  else if (p->at < p->end && is_letter(*p->at))
    bare_name(p);
  else
    fail(p, p->at, GESSO_E_CORRUPT, "a name is wanted here");
}

static void parse(parser *p)
{
  while (p->err == GESSO_OK && p->at < p->end) {
    if (take(p, '$'))
      (void)add_step(p, GS_STEP_ROOT);
    else if (take(p, '@'))
      (void)add_step(p, GS_STEP_CURRENT);
    else if (take(p, '*'))
      (void)add_step(p, GS_STEP_ALL);
    else if (take(p, '.'))
      after_point(p);
    else if (take(p, '['))
      brackets(p);
    else if (is_letter(*p->at))
      bare_name(p); /* after $, @ or .. */
    else
      fail(p, p->at, GESSO_E_CORRUPT, "nothing of a path begins like this");
  }
}

gesso_status gesso_query_parse(const gesso_allocator *alloc, gesso_bytes path, gesso_query **out,
                               gesso_error *error_out)
{
  *out = NULL;
  gesso_query *q = GS_NEW(alloc, gesso_query);
  parser p = { .q = q };
  if (q != NULL) {
    q->alloc = alloc;
    q->text = gs_alloc(alloc, GS_MAX(path.len, (size_t)1));
  }
  if (q == NULL || q->text == NULL) {
    p.err = GESSO_E_NOMEM;
    p.err_why = "out of memory";
  } else {
    q->text_len = path.len;
    if (path.len > 0)
      memcpy(q->text, path.data, path.len);
    p.at = q->text;
    p.end = q->text + path.len;
    size_t invalid = gs_utf8_invalid_at((gesso_bytes){ q->text, path.len });
    if (invalid != path.len)
      fail(&p, q->text + invalid, GESSO_E_CORRUPT, "the path is not UTF-8");
    else
      parse(&p);
  }
  if (p.err == GESSO_OK) {
    *out = q;
    return GESSO_OK;
  }
  gesso_query_destroy(q);
  if (error_out != NULL)
    *error_out = (gesso_error){ p.err, p.err_offset, p.err_why };
  return p.err;
}

void gesso_query_destroy(gesso_query *q)
{
  if (q == NULL)
    return;
  gs_free(q->alloc, q->steps, q->steps_cap * sizeof *q->steps);
  gs_free(q->alloc, q->names, q->names_cap * sizeof *q->names);
  gs_free(q->alloc, q->indexes, q->indexes_cap * sizeof *q->indexes);
  gs_free(q->alloc, q->text, GS_MAX(q->text_len, (size_t)1));
  gs_free(q->alloc, q, sizeof *q);
}
