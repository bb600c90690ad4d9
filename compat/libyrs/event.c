/* Reading events. */
#include "event.h"

static const yrs_event *inner_of(const void *inner)
{
  return inner;
}

static Branch *target(const void *inner)
{
  const yrs_event *e = inner_of(inner);
  return yrs_branch(e->doc, e->event->target);
}

YRS_API Branch *ytext_event_target(const YTextEvent *e)
{
  return target(e->inner);
}

YRS_API Branch *yarray_event_target(const YArrayEvent *e)
{
  return target(e->inner);
}

YRS_API Branch *ymap_event_target(const YMapEvent *e)
{
  return target(e->inner);
}

YRS_API Branch *yxmlelem_event_target(const YXmlEvent *e)
{
  return target(e->inner);
}

YRS_API Branch *yxmltext_event_target(const YXmlTextEvent *e)
{
  return target(e->inner);
}

static YPathSegment *path(const void *inner, uint32_t *len)
{
  const gesso_event *e = inner_of(inner)->event;
  YPathSegment *out = yrs_array(e->path_length, sizeof *out);
  *len = 0;
  for (size_t i = 0; out != NULL && i < e->path_length; i++) {
    const gesso_path_step *step = &e->path[i];
    out[i].tag = step->is_key ? Y_EVENT_PATH_KEY : Y_EVENT_PATH_INDEX;
    if (step->is_key)
      out[i].value.key = yrs_string(step->key);
    else
      out[i].value.index = (uint32_t)step->index;
    if (step->is_key && out[i].value.key == NULL) {
      ypath_destroy(out, (uint32_t)i);
      return NULL;
    }
  }
  if (out != NULL)
    *len = (uint32_t)e->path_length;
  return out;
}

YRS_API YPathSegment *ytext_event_path(const YTextEvent *e, uint32_t *len)
{
  return path(e->inner, len);
}

YRS_API YPathSegment *ymap_event_path(const YMapEvent *e, uint32_t *len)
{
  return path(e->inner, len);
}

YRS_API YPathSegment *yxmlelem_event_path(const YXmlEvent *e, uint32_t *len)
{
  return path(e->inner, len);
}

YRS_API YPathSegment *yxmltext_event_path(const YXmlTextEvent *e, uint32_t *len)
{
  return path(e->inner, len);
}

YRS_API YPathSegment *yarray_event_path(const YArrayEvent *e, uint32_t *len)
{
  return path(e->inner, len);
}

YRS_API void ypath_destroy(YPathSegment *segments, uint32_t len)
{
  for (uint32_t i = 0; segments != NULL && i < len; i++)
    if (segments[i].tag == Y_EVENT_PATH_KEY)
      free((void *)(uintptr_t)segments[i].value.key);
  free(segments);
}

static bool text_step(YDoc *doc, const gesso_change *c, YDeltaOut *out)
{
  *out = (YDeltaOut){ .tag = (uint8_t)c->kind, .len = c->kind == GESSO_CHANGE_INSERT ? 1 : (uint32_t)c->length };
  if (c->nattributes > 0 && (out->attributes = yrs_array(c->nattributes, sizeof *out->attributes)) == NULL)
    return false;
  for (size_t i = 0; i < c->nattributes; i++) {
    YDeltaAttr *a = &out->attributes[i];
    a->key = yrs_string(c->attribute_keys[i]);
    out->attributes_len++;
    if (a->key == NULL || !yrs_output_json(doc, c->attribute_keys[i], &c->attribute_values[i], &a->value))
      return false;
  }
  if (c->kind != GESSO_CHANGE_INSERT || c->nvalues == 0)
    return true;
  out->insert = calloc(1, sizeof *out->insert);
  return out->insert != NULL && yrs_output_json(doc, (gesso_bytes){ NULL, 0 }, &c->values[0], out->insert);
}

static uint64_t utf8_length_as_utf16(gesso_bytes s)
{
  uint64_t n = 0;
  for (size_t i = 0; i < s.len; i++)
    n += (s.data[i] & 0xc0) != 0x80 ? (s.data[i] >= 0xf0 ? 2 : 1) : 0;
  return n;
}

/* Where the program counts bytes: what stays is measured in the text as it is now. */
static void in_program_units(const yrs_event *e, YDeltaOut *out)
{
  uint64_t at = 0;
  for (size_t i = 0; i < e->event->delta_length; i++) {
    const gesso_change *c = &e->event->delta[i];
    uint64_t from, to;
    if (c->kind == GESSO_CHANGE_INSERT) {
      const gesso_value *v = c->nvalues > 0 ? &c->values[0] : NULL;
      at += v != NULL && v->kind == GESSO_VALUE_STRING ? utf8_length_as_utf16(v->bytes) : 1;
    } else if (c->kind == GESSO_CHANGE_RETAIN) {
      if (yrs_index_out(e->doc, e->event->target, at, &from) &&
          yrs_index_out(e->doc, e->event->target, at + c->length, &to))
        out[i].len = (uint32_t)(to - from);
      at += c->length;
    }
  }
}

static YDeltaOut *text_delta(const void *inner, uint32_t *len)
{
  const yrs_event *e = inner_of(inner);
  size_t n = e->event->delta_length;
  YDeltaOut *out = yrs_array(n, sizeof *out);
  bool ok = out != NULL;
  *len = 0;
  for (size_t i = 0; ok && i < n; i++)
    ok = text_step(e->doc, &e->event->delta[i], &out[i]);
  if (!ok) {
    ytext_delta_destroy(out, (uint32_t)n);
    return NULL;
  }
  if ((e->doc->flags & Y_OFFSET_UTF16) == 0)
    in_program_units(e, out);
  *len = (uint32_t)n;
  return out;
}

YRS_API YDeltaOut *ytext_event_delta(const YTextEvent *e, uint32_t *len)
{
  return text_delta(e->inner, len);
}

YRS_API YDeltaOut *yxmltext_event_delta(const YXmlTextEvent *e, uint32_t *len)
{
  return text_delta(e->inner, len);
}

YRS_API void ytext_delta_destroy(YDeltaOut *delta, uint32_t len)
{
  for (uint32_t i = 0; delta != NULL && i < len; i++) {
    for (uint32_t k = 0; k < delta[i].attributes_len; k++) {
      free((void *)(uintptr_t)delta[i].attributes[k].key);
      yrs_output_drop(&delta[i].attributes[k].value);
    }
    free(delta[i].attributes);
    youtput_destroy(delta[i].insert);
  }
  free(delta);
}

static YEventChange *delta_of(const void *inner, uint32_t *len)
{
  const yrs_event *e = inner_of(inner);
  size_t n = e->event->delta_length;
  YEventChange *out = yrs_array(n, sizeof *out);
  bool ok = out != NULL;
  *len = 0;
  for (size_t i = 0; ok && i < n; i++) {
    const gesso_change *c = &e->event->delta[i];
    YOutput *values = c->kind == GESSO_CHANGE_INSERT ? yrs_array(c->nvalues, sizeof *values) : NULL;
    out[i] = (YEventChange){ (uint8_t)c->kind, (uint32_t)c->length, values };
    if (c->kind != GESSO_CHANGE_INSERT)
      continue;
    out[i].len = values != NULL ? (uint32_t)c->nvalues : 0;
    ok = values != NULL;
    for (size_t k = 0; ok && k < c->nvalues; k++)
      ok = yrs_output(e->doc, &c->values[k], &values[k]);
  }
  if (!ok) {
    yevent_delta_destroy(out, (uint32_t)n);
    return NULL;
  }
  *len = (uint32_t)n;
  return out;
}

YRS_API YEventChange *yarray_event_delta(const YArrayEvent *e, uint32_t *len)
{
  return delta_of(e->inner, len);
}

YRS_API YEventChange *yxmlelem_event_delta(const YXmlEvent *e, uint32_t *len)
{
  return delta_of(e->inner, len);
}

YRS_API void yevent_delta_destroy(YEventChange *delta, uint32_t len)
{
  for (uint32_t i = 0; delta != NULL && i < len; i++) {
    YOutput *values = (YOutput *)(uintptr_t)delta[i].values;
    for (uint32_t k = 0; values != NULL && k < delta[i].len; k++)
      yrs_output_drop(&values[k]);
    free(values);
  }
  free(delta);
}

static YEventKeyChange *keys_of(const void *inner, uint32_t *len)
{
  const yrs_event *e = inner_of(inner);
  size_t n = e->event->keys_length;
  YEventKeyChange *out = yrs_array(n, sizeof *out);
  bool ok = out != NULL;
  *len = 0;
  for (size_t i = 0; ok && i < n; i++) {
    const gesso_key_change *k = &e->event->keys[i];
    out[i].key = yrs_string(k->key);
    out[i].tag = (char)k->action;
    if (k->old_value != NULL)
      out[i].old_value = yrs_output_new(e->doc, k->old_value);
    if (k->new_value != NULL)
      out[i].new_value = yrs_output_new(e->doc, k->new_value);
    ok = out[i].key != NULL && (k->old_value == NULL) == (out[i].old_value == NULL) &&
         (k->new_value == NULL) == (out[i].new_value == NULL);
  }
  if (!ok) {
    yevent_keys_destroy(out, (uint32_t)n);
    return NULL;
  }
  *len = (uint32_t)n;
  return out;
}

YRS_API YEventKeyChange *ymap_event_keys(const YMapEvent *e, uint32_t *len)
{
  return keys_of(e->inner, len);
}

YRS_API YEventKeyChange *yxmlelem_event_keys(const YXmlEvent *e, uint32_t *len)
{
  return keys_of(e->inner, len);
}

YRS_API YEventKeyChange *yxmltext_event_keys(const YXmlTextEvent *e, uint32_t *len)
{
  return keys_of(e->inner, len);
}

YRS_API void yevent_keys_destroy(YEventKeyChange *keys, uint32_t len)
{
  for (uint32_t i = 0; keys != NULL && i < len; i++) {
    free((void *)(uintptr_t)keys[i].key);
    youtput_destroy((YOutput *)(uintptr_t)keys[i].old_value);
    youtput_destroy((YOutput *)(uintptr_t)keys[i].new_value);
  }
  free(keys);
}
