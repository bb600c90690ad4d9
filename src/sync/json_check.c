#include "sync/json_check.h"

#include <string.h>

typedef struct cursor {
  const uint8_t *at, *end;
} cursor;

static void skip_space(cursor *c)
{
  while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
    c->at++;
}

static bool take(cursor *c, uint8_t byte)
{
  if (c->at == c->end || *c->at != byte)
    return false;
  c->at++;
  return true;
}

static bool take_word(cursor *c, const char *word)
{
  size_t n = strlen(word);
  if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
    return false;
  c->at += n;
  return true;
}

static bool is_hex(uint8_t b)
{
  return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') || (b >= 'A' && b <= 'F');
}

/* At the opening quote. Escaped lone surrogates are fine for JSON.parse, so they are here. */
static bool take_string(cursor *c)
{
  if (!take(c, '"'))
    return false;
  while (c->at < c->end) {
    uint8_t b = *c->at++;
    if (b == '"')
      return true;
    if (b < 0x20)
      return false;
    if (b != '\\')
      continue;
    if (c->at == c->end)
      return false;
    uint8_t e = *c->at++;
    if (e == 'u') {
      for (int i = 0; i < 4; i++, c->at++)
        if (c->at == c->end || !is_hex(*c->at))
          return false;
    } else if (e == '\0' || strchr("\"\\/bfnrt", e) == NULL) {
      return false;
    }
  }
  return false;
}

static bool take_digits(cursor *c)
{
  const uint8_t *from = c->at;
  while (c->at < c->end && *c->at >= '0' && *c->at <= '9')
    c->at++;
  return c->at > from;
}

static bool take_number(cursor *c)
{
  (void)take(c, '-');
  if (!take(c, '0') && !take_digits(c))
    return false;
  if (take(c, '.') && !take_digits(c))
    return false;
  if (take(c, 'e') || take(c, 'E')) {
    if (!take(c, '+'))
      (void)take(c, '-');
    return take_digits(c);
  }
  return true;
}

static bool take_scalar(cursor *c)
{
  if (c->at == c->end)
    return false;
  switch (*c->at) {
  case '"':
    return take_string(c);
  case 't':
    return take_word(c, "true");
  case 'f':
    return take_word(c, "false");
  case 'n':
    return take_word(c, "null");
  default:
    return take_number(c);
  }
}

/* `"key" :` and the space around it. */
static bool take_key(cursor *c)
{
  skip_space(c);
  if (!take_string(c))
    return false;
  skip_space(c);
  return take(c, ':');
}

/* No recursion: what is open is one byte a level, '[' or '{'. */
bool gs_json_is_valid(gesso_bytes text)
{
  if (text.len == 0)
    return false;
  cursor c = { text.data, text.data + text.len };
  uint8_t open[GS_JSON_DEPTH_MAX];
  size_t depth = 0;
  for (;;) {
    /* A value starts here. */
    skip_space(&c);
    bool value_done = true;
    if (c.at < c.end && (*c.at == '[' || *c.at == '{')) {
      if (depth == GS_JSON_DEPTH_MAX)
        return false;
      uint8_t kind = *c.at++;
      skip_space(&c);
      if (!take(&c, kind == '[' ? ']' : '}')) {
        open[depth++] = kind;
        if (kind == '{' && !take_key(&c))
          return false;
        value_done = false;
      }
    } else if (!take_scalar(&c)) {
      return false;
    }
    /* A value ended: close what ends with it, or go on to the next element. */
    while (value_done) {
      skip_space(&c);
      if (depth == 0)
        return c.at == c.end;
      if (take(&c, ',')) {
        if (open[depth - 1] == '{' && !take_key(&c))
          return false;
        break;
      }
      if (!take(&c, open[depth - 1] == '[' ? ']' : '}'))
        return false;
      depth--;
    }
  }
}

bool gs_json_is_null(gesso_bytes text)
{
  if (text.len == 0)
    return false;
  cursor c = { text.data, text.data + text.len };
  skip_space(&c);
  if (!take_word(&c, "null"))
    return false;
  skip_space(&c);
  return c.at == c.end;
}
