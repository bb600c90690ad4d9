#include "wire/json.h"
#include "wire/number.h"
#include "wire/tree.h"
#include "wire/utf8.h"

/* One pass over the text. With `tree` NULL it only checks. */
struct parser {
  const uint8_t *begin, *at, *end;
  gs_tree *tree;
  uint8_t *text; /* room for unescaped strings: what is unescaped is never longer than it was */
  size_t text_len;
  unsigned depth_max;
  gesso_status err;
  const char *why;
};

static void fail(struct parser *ps, gesso_status err, const char *why)
{
  if (ps->err == GESSO_OK) {
    ps->err = err;
    ps->why = why;
  }
}

static void skip_space(struct parser *ps)
{
  while (ps->at < ps->end && (*ps->at == ' ' || *ps->at == '\t' || *ps->at == '\n' || *ps->at == '\r'))
    ps->at++;
}

static bool accept(struct parser *ps, uint8_t c)
{
  if (ps->at == ps->end || *ps->at != c)
    return false;
  ps->at++;
  return true;
}

static bool accept_word(struct parser *ps, const char *word)
{
  size_t n = strlen(word);
  if ((size_t)(ps->end - ps->at) < n || memcmp(ps->at, word, n) != 0)
    return false;
  ps->at += n;
  return true;
}

static bool is_digit(const struct parser *ps)
{
  return ps->at < ps->end && *ps->at >= '0' && *ps->at <= '9';
}

static bool skip_digits(struct parser *ps)
{
  if (!is_digit(ps))
    return false;
  while (is_digit(ps))
    ps->at++;
  return true;
}

static void parse_number(struct parser *ps, gesso_bytes key)
{
  const uint8_t *start = ps->at;
  (void)accept(ps, '-');
  bool ok = accept(ps, '0') || skip_digits(ps);
  if (ok && accept(ps, '.'))
    ok = skip_digits(ps);
  if (ok && ps->at < ps->end && (*ps->at | 0x20) == 'e') {
    ps->at++;
    if (!accept(ps, '+'))
      (void)accept(ps, '-');
    ok = skip_digits(ps);
  }
  if (!ok) {
    fail(ps, GESSO_E_CORRUPT, "JSON: malformed number or unknown word");
    return;
  }
  if (ps->tree == NULL)
    return;
  gs_node node = { .kind = GS_NODE_NUMBER };
  gesso_status s = gs_number_parse(ps->tree->al, (gesso_bytes){ start, (size_t)(ps->at - start) }, &node.number);
  if (s != GESSO_OK)
    fail(ps, s, "out of memory");
  else
    gs_tree_add(ps->tree, node, key);
}

/* The four digits after \u, or -1. */
static int32_t parse_hex4(struct parser *ps)
{
  if (ps->end - ps->at < 4)
    return -1;
  int32_t unit = 0;
  for (int i = 0; i < 4; i++) {
    uint8_t c = *ps->at;
    uint8_t lower = c | 0x20;
    if (c >= '0' && c <= '9')
      unit = unit << 4 | (c - '0');
    else if (lower >= 'a' && lower <= 'f')
      unit = unit << 4 | (lower - 'a' + 10);
    else
      return -1;
    ps->at++;
  }
  return unit;
}

/* A code point, or a lone surrogate, as one to four bytes. */
static void put_code_point(struct parser *ps, uint32_t cp)
{
  if (ps->tree == NULL)
    return;
  uint8_t *p = ps->text + ps->text_len;
  if (cp < 0x80) {
    *p++ = (uint8_t)cp;
  } else if (cp < 0x800) {
    *p++ = (uint8_t)(0xc0 | cp >> 6);
    *p++ = (uint8_t)(0x80 | (cp & 0x3f));
  } else if (cp < 0x10000) {
    *p++ = (uint8_t)(0xe0 | cp >> 12);
    *p++ = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
    *p++ = (uint8_t)(0x80 | (cp & 0x3f));
  } else {
    *p++ = (uint8_t)(0xf0 | cp >> 18);
    *p++ = (uint8_t)(0x80 | (cp >> 12 & 0x3f));
    *p++ = (uint8_t)(0x80 | (cp >> 6 & 0x3f));
    *p++ = (uint8_t)(0x80 | (cp & 0x3f));
  }
  ps->text_len = (size_t)(p - ps->text);
}

/* What follows a backslash. */
static void parse_escape(struct parser *ps)
{
  static const char from[] = "\"\\/bfnrt";
  static const char to[] = "\"\\/\b\f\n\r\t";
  uint8_t c = ps->at < ps->end ? *ps->at++ : 0;
  const char *hit = c != 0 ? strchr(from, c) : NULL;
  if (hit != NULL) {
    put_code_point(ps, (uint8_t)to[hit - from]);
    return;
  }
  int32_t unit = c == 'u' ? parse_hex4(ps) : -1;
  if (unit < 0) {
    fail(ps, GESSO_E_CORRUPT, "JSON: malformed escape in a string");
    return;
  }
  if (unit >= 0xd800 && unit < 0xdc00) {
    const uint8_t *back = ps->at;
    int32_t low = accept_word(ps, "\\u") ? parse_hex4(ps) : -1;
    if (low >= 0xdc00 && low < 0xe000) {
      put_code_point(ps, 0x10000u + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
      return;
    }
    ps->at = back;
  }
  put_code_point(ps, (uint32_t)unit);
}

/* A string, its opening quote already read. Borrowed from the text when it has no escapes. */
static gesso_bytes parse_string(struct parser *ps)
{
  const uint8_t *start = ps->at;
  size_t text_start = ps->text_len;
  bool escaped = false;
  const uint8_t *run = start;
  while (ps->err == GESSO_OK) {
    if (ps->at == ps->end || *ps->at < 0x20) {
      fail(ps, GESSO_E_CORRUPT, ps->at == ps->end ? "JSON: the text ends inside a string"
                                                  : "JSON: control character in a string");
      break;
    }
    uint8_t c = *ps->at;
    if (c != '"' && c != '\\') {
      ps->at++;
      continue;
    }
    size_t n = (size_t)(ps->at - run);
    ps->at++;
    if (c == '"' && !escaped)
      return (gesso_bytes){ start, n };
    if (ps->tree != NULL && n != 0) {
      memcpy(ps->text + ps->text_len, run, n);
      ps->text_len += n;
    }
    if (c == '"')
      return (gesso_bytes){ ps->tree != NULL ? ps->text + text_start : start, ps->text_len - text_start };
    escaped = true;
    parse_escape(ps);
    run = ps->at;
  }
  return (gesso_bytes){ start, 0 };
}

static void add(struct parser *ps, gs_node node, gesso_bytes key)
{
  if (ps->tree != NULL && ps->err == GESSO_OK)
    gs_tree_add(ps->tree, node, key);
}

/* A key and its colon. */
static gesso_bytes parse_key(struct parser *ps)
{
  skip_space(ps);
  if (!accept(ps, '"')) {
    fail(ps, GESSO_E_CORRUPT, "JSON: expected a key in quotes");
    return (gesso_bytes){ NULL, 0 };
  }
  gesso_bytes key = parse_string(ps);
  skip_space(ps);
  if (!accept(ps, ':'))
    fail(ps, GESSO_E_CORRUPT, "JSON: expected ':' after a key");
  skip_space(ps);
  return key;
}

/* One value with everything in it. Open containers are kept as bits: set for objects. */
static void parse_value(struct parser *ps, gesso_bytes key)
{
  uint8_t is_object[GS_ANY_DEPTH_MAX];
  unsigned depth = 0;
  while (ps->err == GESSO_OK) {
    skip_space(ps);
    bool opened = false;
    if (accept(ps, '{') || accept(ps, '[')) {
      bool object = ps->at[-1] == '{';
      if (depth == ps->depth_max) {
        ps->at--;
        fail(ps, GESSO_E_LIMIT, "JSON: nested too deeply");
        return;
      }
      is_object[depth++] = object;
      if (ps->tree != NULL)
        (void)gs_tree_open(ps->tree, object ? GS_NODE_OBJECT : GS_NODE_ARRAY, key);
      opened = true;
    } else if (accept(ps, '"')) {
      gesso_bytes s = parse_string(ps);
      if (s.len > UINT32_MAX)
        fail(ps, GESSO_E_LIMIT, "JSON: a string is larger than 4 GB");
      add(ps, (gs_node){ .kind = GS_NODE_STRING, .len = (uint32_t)s.len, .data = s.data }, key);
    } else if (accept_word(ps, "null")) {
      add(ps, (gs_node){ .kind = GS_NODE_NULL }, key);
    } else if (accept_word(ps, "true")) {
      add(ps, (gs_node){ .kind = GS_NODE_BOOL, .number = 1 }, key);
    } else if (accept_word(ps, "false")) {
      add(ps, (gs_node){ .kind = GS_NODE_BOOL, .number = 0 }, key);
    } else {
      parse_number(ps, key);
    }
    /* What may stand after a value: the ends of containers, then a comma. */
    while (depth > 0 && ps->err == GESSO_OK) {
      bool object = is_object[depth - 1] != 0;
      skip_space(ps);
      if (!accept(ps, object ? '}' : ']')) {
        if (!opened && !accept(ps, ','))
          fail(ps, GESSO_E_CORRUPT, "JSON: expected ',' or the end of an array or object");
        key = object && ps->err == GESSO_OK ? parse_key(ps) : (gesso_bytes){ NULL, 0 };
        break;
      }
      if (ps->tree != NULL)
        gs_tree_close(ps->tree);
      depth--;
      opened = false;
    }
    if (ps->tree != NULL && ps->tree->err != GESSO_OK)
      fail(ps, ps->tree->err, "out of memory");
    if (depth == 0)
      return;
  }
}

static gesso_status parse(gesso_bytes text, unsigned depth_max, gs_tree *tree, uint8_t *room, gesso_bytes key,
                          gesso_error *error_out)
{
  static const uint8_t none[1] = { 0 };
  const uint8_t *p = text.len != 0 ? text.data : none;
  struct parser ps = { .begin = p, .at = p, .end = p + text.len, .tree = tree, .text = room, .depth_max = depth_max };
  size_t bad = gs_utf8_invalid_at(text);
  if (bad != text.len) {
    ps.at = p + bad;
    fail(&ps, GESSO_E_CORRUPT, "JSON: invalid UTF-8");
  } else {
    parse_value(&ps, key);
    skip_space(&ps);
    if (ps.at != ps.end)
      fail(&ps, GESSO_E_CORRUPT, "JSON: something follows the value");
  }
  if (ps.err != GESSO_OK && error_out != NULL)
    *error_out = (gesso_error){ ps.err, (size_t)(ps.at - ps.begin), ps.why };
  return ps.err;
}

gesso_status gs_json_parse(gesso_bytes text, gs_tree *tree, uint8_t *room, gesso_error *error_out)
{
  return parse(text, GS_ANY_DEPTH_MAX, tree, room, (gesso_bytes){ NULL, 0 }, error_out);
}

gesso_status gs_json_parse_member(gesso_bytes text, gs_tree *tree, uint8_t *room, gesso_bytes key)
{
  return parse(text, GS_ANY_DEPTH_MAX, tree, room, key, NULL);
}

gesso_status gs_json_check(gesso_bytes text, unsigned depth_max, gesso_error *error_out)
{
  return parse(text, depth_max, NULL, NULL, (gesso_bytes){ NULL, 0 }, error_out);
}

bool gs_json_is_null(gesso_bytes text)
{
  if (text.len < 4)
    return false;
  struct parser ps = { .begin = text.data, .at = text.data, .end = text.data + text.len };
  skip_space(&ps);
  if (!accept_word(&ps, "null"))
    return false;
  skip_space(&ps);
  return ps.at == ps.end;
}

bool gs_json_equal(const gesso_allocator *al, gesso_bytes a, gesso_bytes b)
{
  if (a.len == b.len && memcmp(a.data, b.data, a.len) == 0)
    return true;
  gs_tree trees[2];
  uint8_t *room[2] = { gs_alloc(al, a.len + 1), gs_alloc(al, b.len + 1) };
  gs_tree_init(&trees[0], al);
  gs_tree_init(&trees[1], al);
  bool equal = room[0] != NULL && room[1] != NULL && gs_json_parse(a, &trees[0], room[0], NULL) == GESSO_OK &&
               gs_json_parse(b, &trees[1], room[1], NULL) == GESSO_OK && gs_tree_equal(&trees[0], &trees[1]);
  gs_tree_finish(&trees[0]);
  gs_tree_finish(&trees[1]);
  gs_free(al, room[0], a.len + 1);
  gs_free(al, room[1], b.len + 1);
  return equal;
}

static gesso_status convert(gesso_bytes text, gs_buf *out, bool to_any)
{
  const gesso_allocator *al = out->b.alloc;
  uint8_t *room = gs_alloc(al, text.len + 1);
  if (room == NULL)
    return GESSO_E_NOMEM;
  gs_tree tree;
  gs_tree_init(&tree, al);
  gesso_status s = gs_json_parse(text, &tree, room, NULL);
  if (s == GESSO_OK) {
    if (to_any)
      gs_tree_write_any(&tree, out);
    else
      (void)gs_tree_write_json(&tree, out);
    s = out->err;
  }
  gs_tree_finish(&tree);
  gs_free(al, room, text.len + 1);
  return s;
}

gesso_status gs_json_to_any(gesso_bytes text, gs_buf *out)
{
  return convert(text, out, true);
}

gesso_status gs_json_minify(gesso_bytes text, gs_buf *out)
{
  return convert(text, out, false);
}

void gs_json_write_string(gs_buf *out, gesso_bytes utf8)
{
  static const char hex[] = "0123456789abcdef";
  gs_buf_put(out, '"');
  size_t run = 0;
  for (size_t i = 0; i < utf8.len; i++) {
    uint8_t c = utf8.data[i];
    bool surrogate = c == 0xed && utf8.len - i >= 3 && utf8.data[i + 1] >= 0xa0;
    if (c >= 0x20 && c != '"' && c != '\\' && !surrogate)
      continue;
    gs_buf_write(out, utf8.data + run, i - run);
    uint32_t unit = c;
    const char *quick = NULL;
    switch (c) {
    case '"': quick = "\\\""; break;
    case '\\': quick = "\\\\"; break;
    case '\b': quick = "\\b"; break;
    case '\f': quick = "\\f"; break;
    case '\n': quick = "\\n"; break;
    case '\r': quick = "\\r"; break;
    case '\t': quick = "\\t"; break;
    default: break;
    }
    if (surrogate) {
      unit = 0xd000u | (uint32_t)(utf8.data[i + 1] & 0x3f) << 6 | (utf8.data[i + 2] & 0x3f);
      i += 2;
    }
    if (quick != NULL) {
      gs_buf_puts(out, quick);
    } else {
      char esc[6] = { '\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15] };
      gs_buf_write(out, esc, 6);
    }
    run = i + 1;
  }
  if (run < utf8.len)
    gs_buf_write(out, utf8.data + run, utf8.len - run);
  gs_buf_put(out, '"');
}
