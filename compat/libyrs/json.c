/* JSON text to values and back, where y-crdt's own rules hold: an integer past 2^53 is a BIGINT, and formats may be
 * given with shared input structs. */
#include "impl.h"

#include <math.h>
#include <stdio.h>

#define DEPTH_MAX 512

typedef struct parser {
  const char *at, *end;
  yrs_arena *arena;
} parser;

static void skip_space(parser *p)
{
  while (p->at < p->end && strchr(" \t\r\n", *p->at) != NULL && *p->at != 0)
    p->at++;
}

static bool take(parser *p, char c)
{
  skip_space(p);
  if (p->at == p->end || *p->at != c)
    return false;
  p->at++;
  return true;
}

static bool take_word(parser *p, const char *word)
{
  size_t n = strlen(word);
  if ((size_t)(p->end - p->at) < n || memcmp(p->at, word, n) != 0)
    return false;
  p->at += n;
  return true;
}

static int hex4(parser *p)
{
  int v = 0;
  if (p->end - p->at < 4)
    return -1;
  for (int i = 0; i < 4; i++) {
    char c = *p->at++;
    int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (d < 0)
      return -1;
    v = v * 16 + d;
  }
  return v;
}

static char *put_utf8(char *out, uint32_t c)
{
  if (c < 0x80) {
    *out++ = (char)c;
    return out;
  }
  int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  *out++ = (char)((0xff00 >> (more + 1) & 0xff) | c >> (6 * more));
  while (more-- > 0)
    *out++ = (char)(0x80 | (c >> (6 * more) & 0x3f));
  return out;
}

/* Half of a surrogate pair without the other becomes U+FFFD. */
static bool read_escape(parser *p, char **out)
{
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  if (p->at == p->end)
    return false;
  char c = *p->at++;
  if (c != 'u') {
    const char *found = c != 0 ? strchr(from, c) : NULL;
    if (found != NULL)
      *(*out)++ = to[found - from];
    return found != NULL;
  }
  int unit = hex4(p);
  if (unit < 0)
    return false;
  uint32_t code = (uint32_t)unit;
  if (code >= 0xd800 && code < 0xe000) {
    const char *back = p->at;
    int low = code < 0xdc00 && take_word(p, "\\u") ? hex4(p) : -1;
    if (low >= 0xdc00 && low < 0xe000) {
      code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
    } else {
      p->at = back;
      code = 0xfffd;
    }
  }
  *out = put_utf8(*out, code);
  return true;
}

static bool read_string(parser *p, gesso_bytes *out)
{
  if (!take(p, '"'))
    return false;
  char *room = yrs_arena_new(p->arena, (size_t)(p->end - p->at) + 1, 1), *to = room;
  if (room == NULL)
    return false;
  while (p->at < p->end && *p->at != '"') {
    unsigned char c = (unsigned char)*p->at++;
    if (c < 0x20)
      return false;
    if (c != '\\')
      *to++ = (char)c;
    else if (!read_escape(p, &to))
      return false;
  }
  *out = (gesso_bytes){ (const uint8_t *)room, (size_t)(to - room) };
  return take(p, '"');
}

static bool digits(parser *p)
{
  const char *from = p->at;
  while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
    p->at++;
  return p->at > from;
}

static bool read_number(parser *p, gesso_value *out)
{
  const char *from = p->at;
  bool whole = true;
  if (p->at < p->end && *p->at == '-')
    p->at++;
  const char *first = p->at;
  if (!digits(p) || (*first == '0' && p->at - first > 1))
    return false;
  if (p->at < p->end && *p->at == '.') {
    whole = false;
    p->at++;
    if (!digits(p))
      return false;
  }
  if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
    whole = false;
    p->at++;
    if (p->at < p->end && (*p->at == '-' || *p->at == '+'))
      p->at++;
    if (!digits(p))
      return false;
  }
  size_t n = (size_t)(p->at - from);
  char *text = yrs_arena_new(p->arena, n + 1, 1);
  if (text == NULL)
    return false;
  memcpy(text, from, n);
  *out = (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = strtod(text, NULL) };
  if (whole && fabs(out->number) > 9007199254740991.0 && fabs(out->number) < 9223372036854775807.0) {
    out->kind = GESSO_VALUE_BIGINT;
    out->integer = strtoll(text, NULL, 10);
  }
  return true;
}

static bool read_value(parser *p, gesso_value *out, int depth);

/* Elements are gathered in an array that doubles; the arena keeps the ones it outgrew. */
static bool read_list(parser *p, gesso_value *out, int depth, bool keyed)
{
  char end = keyed ? '}' : ']';
  size_t n = 0, cap = 4;
  gesso_value *items = yrs_arena_new(p->arena, cap, sizeof *items);
  gesso_bytes *keys = yrs_arena_new(p->arena, cap, sizeof *keys);
  bool more = !take(p, end);
  while (more) {
    if (n == cap && items != NULL && keys != NULL) {
      gesso_value *bigger = yrs_arena_new(p->arena, cap * 2, sizeof *items);
      gesso_bytes *more_keys = yrs_arena_new(p->arena, cap * 2, sizeof *keys);
      if (bigger == NULL || more_keys == NULL)
        return false;
      memcpy(bigger, items, n * sizeof *items);
      memcpy(more_keys, keys, n * sizeof *keys);
      items = bigger;
      keys = more_keys;
      cap *= 2;
    }
    if (p->arena->failed || (keyed && (!read_string(p, &keys[n]) || !take(p, ':'))) ||
        !read_value(p, &items[n], depth + 1))
      return false;
    n++;
    more = take(p, ',');
    if (!more && !take(p, end))
      return false;
  }
  *out = (gesso_value){ .kind = keyed ? GESSO_VALUE_OBJECT : GESSO_VALUE_ARRAY, .items = items, .count = n };
  out->keys = keyed ? keys : NULL;
  return !p->arena->failed;
}

static bool read_value(parser *p, gesso_value *out, int depth)
{
  skip_space(p);
  *out = (gesso_value){ .kind = GESSO_VALUE_NULL };
  if (p->at == p->end || depth > DEPTH_MAX)
    return false;
  switch (*p->at) {
  case '{':
  case '[':
    return read_list(p, out, depth, *p->at++ == '{');
  case '"':
    out->kind = GESSO_VALUE_STRING;
    return read_string(p, &out->bytes);
  case 'n':
    return take_word(p, "null");
  case 't':
    *out = (gesso_value){ .kind = GESSO_VALUE_BOOL, .number = 1 };
    return take_word(p, "true");
  case 'f':
    *out = (gesso_value){ .kind = GESSO_VALUE_BOOL };
    return take_word(p, "false");
  default:
    return read_number(p, out);
  }
}

bool yrs_json_parse(yrs_arena *a, gesso_bytes text, gesso_value *out)
{
  parser p = { (const char *)text.data, (const char *)text.data + text.len, a };
  if (text.len == 0 || !read_value(&p, out, 0))
    return false;
  skip_space(&p);
  return p.at == p.end;
}

typedef struct writer {
  char *v;
  size_t n, cap;
  bool failed;
} writer;

static void put(writer *w, const char *s, size_t n)
{
  if (w->failed)
    return;
  if (w->cap - w->n < n) {
    size_t cap = (w->cap + n) * 2;
    char *v = realloc(w->v, cap);
    if (v == NULL) {
      w->failed = true;
      return;
    }
    w->v = v;
    w->cap = cap;
  }
  memcpy(w->v + w->n, s, n);
  w->n += n;
}

static void puts_to(writer *w, const char *s)
{
  put(w, s, strlen(s));
}

static void put_string(writer *w, const char *s)
{
  puts_to(w, "\"");
  for (; *s != 0; s++) {
    unsigned char c = (unsigned char)*s;
    char esc[8];
    if (c == '"' || c == '\\') {
      esc[0] = '\\';
      esc[1] = (char)c;
      put(w, esc, 2);
    } else if (c < 0x20) {
      put(w, esc, (size_t)snprintf(esc, sizeof esc, "\\u%04x", c));
    } else {
      put(w, s, 1);
    }
  }
  puts_to(w, "\"");
}

static void put_number(writer *w, double v)
{
  char text[32];
  if (!isfinite(v)) {
    puts_to(w, "null");
    return;
  }
  if (v == floor(v) && fabs(v) <= 9007199254740991.0) {
    snprintf(text, sizeof text, "%.0f", v == 0 ? 0 : v);
  } else {
    /* The shortest that reads back the same. */
    for (int digits_used = 15; digits_used <= 17; digits_used++) {
      snprintf(text, sizeof text, "%.*g", digits_used, v);
      if (strtod(text, NULL) == v)
        break;
    }
  }
  puts_to(w, text);
}

static void put_input(writer *w, const YInput *in)
{
  char text[32];
  switch (in->tag) {
  case Y_JSON_BOOL:
    puts_to(w, in->value.flag != 0 ? "true" : "false");
    break;
  case Y_JSON_NUM:
    put_number(w, in->value.num);
    break;
  case Y_JSON_INT:
    snprintf(text, sizeof text, "%lld", (long long)in->value.integer);
    puts_to(w, text);
    break;
  case Y_JSON_STR:
    put_string(w, in->value.str);
    break;
  case Y_JSON:
    puts_to(w, in->value.str);
    break;
  case Y_JSON_BUF:
    puts_to(w, "[");
    for (uint32_t i = 0; i < in->len; i++) {
      snprintf(text, sizeof text, "%s%u", i > 0 ? "," : "", (unsigned)(unsigned char)in->value.buf[i]);
      puts_to(w, text);
    }
    puts_to(w, "]");
    break;
  case Y_JSON_ARR:
    puts_to(w, "[");
    for (uint32_t i = 0; i < in->len; i++) {
      puts_to(w, i > 0 ? "," : "");
      put_input(w, &in->value.values[i]);
    }
    puts_to(w, "]");
    break;
  case Y_JSON_MAP:
    puts_to(w, "{");
    for (uint32_t i = 0; i < in->len; i++) {
      puts_to(w, i > 0 ? "," : "");
      put_string(w, in->value.map.keys[i]);
      puts_to(w, ":");
      put_input(w, &in->value.map.values[i]);
    }
    puts_to(w, "}");
    break;
  case Y_JSON_NULL:
  case Y_JSON_UNDEF:
    puts_to(w, "null");
    break;
  default:
    w->failed = true;
  }
}

bool yrs_json_of(yrs_arena *a, const YInput *in, gesso_bytes *out)
{
  writer w = { 0 };
  put_input(&w, in);
  char *copy = w.failed ? NULL : yrs_arena_new(a, w.n + 1, 1);
  if (copy != NULL) {
    memcpy(copy, w.v, w.n);
    *out = (gesso_bytes){ (const uint8_t *)copy, w.n };
  }
  free(w.v);
  return copy != NULL;
}
