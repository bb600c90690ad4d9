/* YInput: making it, and turning it into gesso's values. */
#include "impl.h"

YRS_API YInput yinput_null(void)
{
  return (YInput){ .tag = Y_JSON_NULL };
}

YRS_API YInput yinput_undefined(void)
{
  return (YInput){ .tag = Y_JSON_UNDEF };
}

YRS_API YInput yinput_bool(uint8_t flag)
{
  return (YInput){ .tag = Y_JSON_BOOL, .len = 1, .value.flag = flag };
}

YRS_API YInput yinput_float(double num)
{
  return (YInput){ .tag = Y_JSON_NUM, .len = 1, .value.num = num };
}

YRS_API YInput yinput_long(int64_t integer)
{
  return (YInput){ .tag = Y_JSON_INT, .len = 1, .value.integer = integer };
}

static YInput of_string(int8_t tag, const char *str)
{
  return (YInput){ .tag = tag, .len = 1, .value.str = (char *)(uintptr_t)str };
}

YRS_API YInput yinput_string(const char *str)
{
  return of_string(Y_JSON_STR, str);
}

YRS_API YInput yinput_json(const char *str)
{
  return of_string(Y_JSON, str);
}

YRS_API YInput yinput_binary(const char *buf, uint32_t len)
{
  return (YInput){ .tag = Y_JSON_BUF, .len = len, .value.buf = (char *)(uintptr_t)buf };
}

YRS_API YInput yinput_json_array(YInput *values, uint32_t len)
{
  return (YInput){ .tag = Y_JSON_ARR, .len = len, .value.values = values };
}

YRS_API YInput yinput_json_map(char **keys, YInput *values, uint32_t len)
{
  return (YInput){ .tag = Y_JSON_MAP, .len = len, .value.map = { keys, values } };
}

YRS_API YInput yinput_yarray(YInput *values, uint32_t len)
{
  return (YInput){ .tag = Y_ARRAY, .len = len, .value.values = values };
}

YRS_API YInput yinput_ymap(char **keys, YInput *values, uint32_t len)
{
  return (YInput){ .tag = Y_MAP, .len = len, .value.map = { keys, values } };
}

YRS_API YInput yinput_ytext(char *str)
{
  return of_string(Y_TEXT, str);
}

YRS_API YInput yinput_yxmlelem(char *name)
{
  return of_string(Y_XML_ELEM, name);
}

YRS_API YInput yinput_yxmltext(char *str)
{
  return of_string(Y_XML_TEXT, str);
}

YRS_API YInput yinput_ydoc(YDoc *doc)
{
  return (YInput){ .tag = Y_DOC, .len = 1, .value.doc = doc };
}

YRS_API YInput yinput_weak(const Weak *weak)
{
  return (YInput){ .tag = Y_WEAK_LINK, .len = 1, .value.weak = weak };
}

static bool list_value(yrs_arena *a, const YInput *in, gesso_value *out)
{
  bool keyed = in->tag == Y_JSON_MAP;
  const YInput *from = keyed ? in->value.map.values : in->value.values;
  gesso_value *items = yrs_arena_new(a, in->len, sizeof *items);
  gesso_bytes *keys = yrs_arena_new(a, keyed ? in->len : 0, sizeof *keys);
  if (items == NULL || keys == NULL)
    return false;
  for (uint32_t i = 0; i < in->len; i++) {
    if (from[i].tag > 0 || !yrs_value(a, &from[i], &items[i]))
      return false;
    if (keyed)
      keys[i] = yrs_str(in->value.map.keys[i]);
  }
  *out = (gesso_value){ .kind = keyed ? GESSO_VALUE_OBJECT : GESSO_VALUE_ARRAY, .items = items, .count = in->len };
  out->keys = keyed ? keys : NULL;
  return true;
}

bool yrs_value(yrs_arena *a, const YInput *in, gesso_value *out)
{
  *out = (gesso_value){ .kind = GESSO_VALUE_TYPE };
  switch (in->tag) {
  case Y_JSON:
    return yrs_json_parse(a, yrs_str(in->value.str), out);
  case Y_JSON_BOOL:
    *out = (gesso_value){ .kind = GESSO_VALUE_BOOL, .number = in->value.flag != 0 };
    return true;
  case Y_JSON_NUM:
    *out = (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = in->value.num };
    return true;
  case Y_JSON_INT:
    *out = (gesso_value){ .kind = GESSO_VALUE_BIGINT, .integer = in->value.integer };
    return true;
  case Y_JSON_STR:
    *out = (gesso_value){ .kind = GESSO_VALUE_STRING, .bytes = yrs_str(in->value.str) };
    return true;
  case Y_JSON_BUF:
    *out = (gesso_value){ .kind = GESSO_VALUE_BYTES, .bytes = { (const uint8_t *)in->value.buf, in->len } };
    return true;
  case Y_JSON_ARR:
  case Y_JSON_MAP:
    return list_value(a, in, out);
  case Y_JSON_NULL:
    out->kind = GESSO_VALUE_NULL;
    return true;
  case Y_JSON_UNDEF:
    out->kind = GESSO_VALUE_UNDEFINED;
    return true;
  case Y_ARRAY:
    out->type = GESSO_ARRAY;
    return true;
  case Y_MAP:
    out->type = GESSO_MAP;
    return true;
  case Y_TEXT:
    out->type = GESSO_TEXT;
    return true;
  case Y_XML_TEXT:
    out->type = GESSO_XML_TEXT;
    return true;
  case Y_XML_FRAG:
    out->type = GESSO_XML_FRAGMENT;
    return true;
  case Y_XML_ELEM:
    out->type = GESSO_XML_ELEMENT;
    out->bytes = yrs_str(in->value.str);
    return true;
  case Y_WEAK_LINK:
    out->type = GESSO_WEAK_LINK;
    if (in->value.weak != NULL)
      out->bytes = yrs_view(in->value.weak->source);
    return in->value.weak != NULL;
  case Y_DOC:
    *out = (gesso_value){ .kind = GESSO_VALUE_DOC, .doc = in->value.doc->doc };
    return true;
  default:
    return false;
  }
}

void yrs_used(const YInput *in)
{
  if (in->tag == Y_WEAK_LINK)
    yweak_destroy(in->value.weak);
}

gesso_status yrs_map_put(YDoc *doc, gesso_type map, gesso_bytes key, const YInput *in)
{
  yrs_arena a = { 0 };
  gesso_value v;
  gesso_type made = 0;
  gesso_status st = GESSO_E_USAGE;
  if (yrs_value(&a, in, &v))
    st = gesso_map_set(doc->doc, map, key, v, &made);
  yrs_arena_free(&a);
  yrs_used(in);
  yrs_fill(doc, made, in);
  return st;
}

void yrs_fill(YDoc *doc, gesso_type made, const YInput *in)
{
  const gesso_bytes none = { NULL, 0 };
  if (made == 0)
    return;
  switch (in->tag) {
  case Y_MAP:
    for (uint32_t i = 0; i < in->len; i++)
      yrs_ignore(yrs_map_put(doc, made, yrs_str(in->value.map.keys[i]), &in->value.map.values[i]));
    break;
  case Y_ARRAY:
    if (in->len > 0)
      yarray_insert_range(yrs_branch(doc, made), doc->writer, 0, in->value.values, in->len);
    break;
  case Y_TEXT:
  case Y_XML_TEXT:
    if (in->value.str != NULL && *in->value.str != 0)
      yrs_ignore(gesso_text_insert(doc->doc, made, 0, yrs_str(in->value.str), none));
    break;
  default:
    break;
  }
}

static void note(YDoc *doc, const char *name)
{
  for (size_t i = 0; i < doc->nlong_names; i++)
    if (strcmp(doc->long_names[i], name) == 0)
      return;
  char **v = realloc(doc->long_names, (doc->nlong_names + 1) * sizeof *v);
  if (v == NULL)
    return;
  doc->long_names = v;
  v[doc->nlong_names] = yrs_string(yrs_str(name));
  doc->nlong_names += v[doc->nlong_names] != NULL;
}

void yrs_note_longs(YDoc *doc, const YInput *in)
{
  if (in == NULL || in->tag != Y_JSON_MAP)
    return;
  for (uint32_t i = 0; i < in->len; i++) {
    if (in->value.map.values[i].tag == Y_JSON_INT)
      note(doc, in->value.map.keys[i]);
    yrs_note_longs(doc, &in->value.map.values[i]);
  }
}
