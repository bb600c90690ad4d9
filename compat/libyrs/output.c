/* YOutput: values that were read. */
#include "impl.h"

#include <math.h>

static int8_t tag_of(gesso_type_kind kind)
{
  switch (kind) {
  case GESSO_ARRAY:
    return Y_ARRAY;
  case GESSO_MAP:
    return Y_MAP;
  case GESSO_TEXT:
    return Y_TEXT;
  case GESSO_XML_ELEMENT:
    return Y_XML_ELEM;
  case GESSO_XML_FRAGMENT:
    return Y_XML_FRAG;
  case GESSO_XML_TEXT:
    return Y_XML_TEXT;
  case GESSO_WEAK_LINK:
    return Y_WEAK_LINK;
  default:
    return Y_UNDEFINED;
  }
}

static bool is_long_name(const YDoc *doc, gesso_bytes name)
{
  for (size_t i = 0; i < doc->nlong_names; i++)
    if (strlen(doc->long_names[i]) == name.len && memcmp(doc->long_names[i], name.data, name.len) == 0)
      return true;
  return false;
}

static bool fill(YDoc *doc, const gesso_value *v, YOutput *out, bool json, gesso_bytes name);

static bool fill_list(YDoc *doc, const gesso_value *v, YOutput *out, bool json)
{
  out->tag = Y_JSON_ARR;
  out->value.array = yrs_array(v->count, sizeof(YOutput));
  if (out->value.array == NULL)
    return false;
  for (size_t i = 0; i < v->count; i++) {
    out->len++;
    if (!fill(doc, &v->items[i], &out->value.array[i], json, (gesso_bytes){ NULL, 0 }))
      return false;
  }
  return true;
}

static bool fill_map(YDoc *doc, const gesso_value *v, YOutput *out, bool json)
{
  out->tag = Y_JSON_MAP;
  out->value.map = yrs_array(v->count, sizeof(YMapEntry));
  if (out->value.map == NULL)
    return false;
  for (size_t i = 0; i < v->count; i++) {
    YOutput *value = calloc(1, sizeof *value);
    out->value.map[i] = (YMapEntry){ yrs_string(v->keys[i]), value };
    out->len++;
    if (value == NULL || out->value.map[i].key == NULL || !fill(doc, &v->items[i], value, json, v->keys[i]))
      return false;
  }
  return true;
}

/* False: no memory; *out then holds what was made and can be dropped. */
static bool fill(YDoc *doc, const gesso_value *v, YOutput *out, bool json, gesso_bytes name)
{
  *out = (YOutput){ .tag = Y_JSON_UNDEF };
  switch (v->kind) {
  case GESSO_VALUE_NULL:
    out->tag = Y_JSON_NULL;
    return true;
  case GESSO_VALUE_BOOL:
    *out = (YOutput){ .tag = Y_JSON_BOOL, .len = 1, .value.flag = v->number != 0 };
    return true;
  case GESSO_VALUE_NUMBER:
    *out = (YOutput){ .tag = Y_JSON_NUM, .len = 1, .value.num = v->number };
    if (json && is_long_name(doc, name) && v->number == floor(v->number) && fabs(v->number) <= 9007199254740992.0)
      *out = (YOutput){ .tag = Y_JSON_INT, .len = 1, .value.integer = (int64_t)v->number };
    return true;
  case GESSO_VALUE_BIGINT:
    *out = (YOutput){ .tag = Y_JSON_INT, .len = 1, .value.integer = v->integer };
    return true;
  case GESSO_VALUE_STRING:
  case GESSO_VALUE_BYTES: {
    char *copy = yrs_string(v->bytes);
    if (copy == NULL)
      return false;
    *out = (YOutput){ .tag = v->kind == GESSO_VALUE_STRING ? Y_JSON_STR : Y_JSON_BUF, .len = (uint32_t)v->bytes.len };
    if (v->kind == GESSO_VALUE_STRING)
      out->value.str = copy;
    else
      out->value.buf = copy;
    return true;
  }
  case GESSO_VALUE_ARRAY:
    return fill_list(doc, v, out, json);
  case GESSO_VALUE_OBJECT:
    return fill_map(doc, v, out, json);
  case GESSO_VALUE_TYPE: {
    Branch *b = yrs_branch(doc, v->ref);
    if (b == NULL)
      return false;
    *out = (YOutput){ .tag = tag_of(v->type), .len = 1, .value.y_type = b };
    return true;
  }
  case GESSO_VALUE_DOC: {
    YDoc *sub = yrs_doc_of(v->doc, doc);
    if (sub == NULL)
      return false;
    *out = (YOutput){ .tag = Y_DOC, .len = 1, .value.y_doc = ydoc_clone(sub) };
    return true;
  }
  default:
    return true;
  }
}

bool yrs_output(YDoc *doc, const gesso_value *value, YOutput *out)
{
  return fill(doc, value, out, false, (gesso_bytes){ NULL, 0 });
}

bool yrs_output_json(YDoc *doc, gesso_bytes name, const gesso_value *value, YOutput *out)
{
  return fill(doc, value, out, true, name);
}

YOutput *yrs_output_new(YDoc *doc, const gesso_value *value)
{
  YOutput *out = calloc(1, sizeof *out);
  if (out != NULL && !yrs_output(doc, value, out)) {
    youtput_destroy(out);
    out = NULL;
  }
  return out;
}

YOutput *yrs_output_type(YDoc *doc, gesso_type type)
{
  gesso_value v = { .kind = GESSO_VALUE_TYPE, .ref = type };
  if (type == 0)
    return NULL;
  if (gesso_type_get_kind(doc->doc, type, &v.type) != GESSO_OK)
    v.type = GESSO_XML_HOOK; /* read as undefined */
  return yrs_output_new(doc, &v);
}

void yrs_output_drop(YOutput *out)
{
  switch (out->tag) {
  case Y_JSON_STR:
    free(out->value.str);
    break;
  case Y_JSON_BUF:
    free((void *)(uintptr_t)out->value.buf);
    break;
  case Y_JSON_ARR:
    for (uint32_t i = 0; out->value.array != NULL && i < out->len; i++)
      yrs_output_drop(&out->value.array[i]);
    free(out->value.array);
    break;
  case Y_JSON_MAP:
    for (uint32_t i = 0; out->value.map != NULL && i < out->len; i++) {
      free((void *)(uintptr_t)out->value.map[i].key);
      youtput_destroy((YOutput *)(uintptr_t)out->value.map[i].value);
    }
    free(out->value.map);
    break;
  case Y_DOC:
    ydoc_destroy(out->value.y_doc);
    break;
  default:
    break;
  }
}

YRS_API void youtput_destroy(YOutput *val)
{
  if (val == NULL)
    return;
  yrs_output_drop(val);
  free(val);
}

YRS_API void ymap_entry_destroy(YMapEntry *entry)
{
  if (entry == NULL)
    return;
  free((void *)(uintptr_t)entry->key);
  youtput_destroy((YOutput *)(uintptr_t)entry->value);
  free(entry);
}

YRS_API void yxmlattr_destroy(YXmlAttr *attr)
{
  if (attr == NULL)
    return;
  free((void *)(uintptr_t)attr->name);
  youtput_destroy((YOutput *)(uintptr_t)attr->value);
  free(attr);
}

YRS_API YDoc *youtput_read_ydoc(const YOutput *val)
{
  return val->tag == Y_DOC ? val->value.y_doc : NULL;
}

YRS_API const uint8_t *youtput_read_bool(const YOutput *val)
{
  return val->tag == Y_JSON_BOOL ? &val->value.flag : NULL;
}

YRS_API const double *youtput_read_float(const YOutput *val)
{
  return val->tag == Y_JSON_NUM ? &val->value.num : NULL;
}

YRS_API const int64_t *youtput_read_long(const YOutput *val)
{
  return val->tag == Y_JSON_INT ? &val->value.integer : NULL;
}

YRS_API char *youtput_read_string(const YOutput *val)
{
  return val->tag == Y_JSON_STR ? val->value.str : NULL;
}

YRS_API const char *youtput_read_binary(const YOutput *val)
{
  return val->tag == Y_JSON_BUF ? val->value.buf : NULL;
}

YRS_API YOutput *youtput_read_json_array(const YOutput *val)
{
  return val->tag == Y_JSON_ARR ? val->value.array : NULL;
}

YRS_API YMapEntry *youtput_read_json_map(const YOutput *val)
{
  return val->tag == Y_JSON_MAP ? val->value.map : NULL;
}

static Branch *branch_of(const YOutput *val, int8_t tag)
{
  return val->tag == tag ? val->value.y_type : NULL;
}

YRS_API Branch *youtput_read_yarray(const YOutput *val)
{
  return branch_of(val, Y_ARRAY);
}

YRS_API Branch *youtput_read_yxmlelem(const YOutput *val)
{
  return branch_of(val, Y_XML_ELEM);
}

YRS_API Branch *youtput_read_ymap(const YOutput *val)
{
  return branch_of(val, Y_MAP);
}

YRS_API Branch *youtput_read_ytext(const YOutput *val)
{
  return branch_of(val, Y_TEXT);
}

YRS_API Branch *youtput_read_yxmltext(const YOutput *val)
{
  return branch_of(val, Y_XML_TEXT);
}

YRS_API Branch *youtput_read_yweak(const YOutput *val)
{
  return branch_of(val, Y_WEAK_LINK);
}
