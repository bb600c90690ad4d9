/* Text, also that in XML. */
#include "impl.h"

static bool in_bytes(const YDoc *doc)
{
  return (doc->flags & Y_OFFSET_UTF16) == 0;
}

/* y-crdt never cuts a character: a place inside a surrogate pair is the one behind it. */
static bool behind_pair(const YDoc *doc, gesso_type text, uint64_t *utf16)
{
  uint64_t start, as_bytes;
  if (gesso_text_bytes_of_utf16(doc->doc, text, *utf16, &as_bytes) != GESSO_OK ||
      gesso_text_utf16_of_bytes(doc->doc, text, as_bytes, &start) != GESSO_OK)
    return false;
  if (start < *utf16)
    *utf16 = start + 2;
  return true;
}

bool yrs_index_in(const YDoc *doc, gesso_type text, uint64_t index, uint64_t *utf16)
{
  *utf16 = index;
  if (in_bytes(doc))
    return gesso_text_utf16_of_bytes(doc->doc, text, index, utf16) == GESSO_OK;
  return behind_pair(doc, text, utf16);
}

bool yrs_index_out(const YDoc *doc, gesso_type text, uint64_t utf16, uint64_t *index)
{
  *index = utf16;
  return !in_bytes(doc) || gesso_text_bytes_of_utf16(doc->doc, text, utf16, index) == GESSO_OK;
}

/* An index and a count in the program's units as UTF-16. */
static bool range_in(const Branch *txt, uint64_t index, uint64_t len, uint64_t *at, uint64_t *n)
{
  uint64_t end;
  if (!yrs_index_in(txt->doc, txt->type, index, at) || !yrs_index_in(txt->doc, txt->type, index + len, &end))
    return false;
  *n = end - *at;
  return true;
}

/* {NULL, 0} without attributes. False: they are no map, or memory is short. */
static bool attributes(yrs_arena *a, const Branch *txt, const YInput *attrs, gesso_bytes *out)
{
  *out = (gesso_bytes){ NULL, 0 };
  if (attrs == NULL)
    return true;
  yrs_note_longs(txt->doc, attrs);
  return (attrs->tag == Y_JSON_MAP || attrs->tag == Y_JSON) && yrs_json_of(a, attrs, out);
}

YRS_API uint32_t ytext_len(const Branch *txt, const YTransaction *txn)
{
  uint64_t len = gesso_type_length(txt->doc->doc, txt->type), out = 0;
  (void)txn;
  return yrs_index_out(txt->doc, txt->type, len, &out) ? (uint32_t)out : 0;
}

YRS_API char *ytext_string(const Branch *txt, const YTransaction *txn)
{
  gesso_buffer b;
  (void)txn;
  gesso_status st = gesso_text_to_string(txt->doc->doc, txt->type, &b);
  return yrs_take_string(st, &b);
}

YRS_API void ytext_insert(const Branch *txt, YTransaction *txn, uint32_t index, const char *value, const YInput *attrs)
{
  gesso_doc *doc = yrs_writable(txt, txn);
  yrs_arena a = { 0 };
  gesso_bytes json;
  uint64_t at;
  if (doc != NULL && attributes(&a, txt, attrs, &json) && yrs_index_in(txt->doc, txt->type, index, &at))
    yrs_ignore(gesso_text_insert(doc, txt->type, at, yrs_str(value), json));
  yrs_arena_free(&a);
}

YRS_API void ytext_format(const Branch *txt, YTransaction *txn, uint32_t index, uint32_t len, const YInput *attrs)
{
  gesso_doc *doc = yrs_writable(txt, txn);
  yrs_arena a = { 0 };
  gesso_bytes json;
  uint64_t at, n;
  if (doc != NULL && attrs != NULL && attributes(&a, txt, attrs, &json) && range_in(txt, index, len, &at, &n))
    yrs_ignore(gesso_text_format(doc, txt->type, at, n, json));
  yrs_arena_free(&a);
}

static void embed(const Branch *txt, uint64_t at, const YInput *content, gesso_bytes json)
{
  YDoc *doc = txt->doc;
  yrs_arena a = { 0 };
  gesso_value v;
  gesso_bytes text;
  gesso_type made = 0;
  if (content->tag <= 0) {
    yrs_note_longs(doc, content);
    if (yrs_json_of(&a, content, &text))
      yrs_ignore(gesso_text_embed(doc->doc, txt->type, at, text, json));
  } else if (yrs_value(&a, content, &v)) {
    yrs_ignore(gesso_text_embed_value(doc->doc, txt->type, at, v, json, &made));
    yrs_used(content);
    yrs_fill(doc, made, content);
  }
  yrs_arena_free(&a);
}

YRS_API void ytext_insert_embed(const Branch *txt, YTransaction *txn, uint32_t index, const YInput *content,
                                const YInput *attrs)
{
  yrs_arena a = { 0 };
  gesso_bytes json;
  uint64_t at;
  if (yrs_writable(txt, txn) != NULL && attributes(&a, txt, attrs, &json) &&
      yrs_index_in(txt->doc, txt->type, index, &at))
    embed(txt, at, content, json);
  yrs_arena_free(&a);
}

/* Step by step, since an insertion may be a shared type that is filled afterwards. `at` is where the text has been
 * worked off, `from` the same place in the program's units of the text as it was, which retained and deleted parts
 * are counted in. */
YRS_API void ytext_insert_delta(const Branch *txt, YTransaction *txn, YDeltaIn *delta, uint32_t delta_len)
{
  gesso_doc *doc = yrs_writable(txt, txn);
  yrs_arena a = { 0 };
  uint64_t at = 0;
  for (uint32_t i = 0; doc != NULL && i < delta_len; i++) {
    const YDeltaIn *d = &delta[i];
    gesso_bytes json;
    uint64_t before, from, n = 0;
    if (!attributes(&a, txt, d->attributes, &json))
      break;
    if (d->tag != Y_EVENT_CHANGE_ADD &&
        (!yrs_index_out(txt->doc, txt->type, at, &from) || !range_in(txt, from, d->len, &before, &n)))
      break;
    if (d->tag == Y_EVENT_CHANGE_RETAIN) {
      if (d->attributes != NULL && gesso_text_format(doc, txt->type, at, n, json) != GESSO_OK)
        break;
      at += n;
    } else if (d->tag == Y_EVENT_CHANGE_DELETE) {
      if (gesso_text_remove(doc, txt->type, at, n) != GESSO_OK)
        break;
    } else if (d->insert != NULL) {
      before = gesso_type_length(doc, txt->type);
      if (json.data == NULL)
        json = yrs_str("{}"); /* nothing is taken over from the text around it */
      if (d->insert->tag == Y_JSON_STR)
        yrs_ignore(gesso_text_insert(doc, txt->type, at, yrs_str(d->insert->value.str), json));
      else
        embed(txt, at, d->insert, json);
      at += gesso_type_length(doc, txt->type) - before;
    }
  }
  yrs_arena_free(&a);
}

YRS_API YDeltaIn ydelta_input_retain(uint32_t len, const YInput *attrs)
{
  return (YDeltaIn){ .tag = Y_EVENT_CHANGE_RETAIN, .len = len, .attributes = attrs };
}

YRS_API YDeltaIn ydelta_input_delete(uint32_t len)
{
  return (YDeltaIn){ .tag = Y_EVENT_CHANGE_DELETE, .len = len };
}

YRS_API YDeltaIn ydelta_input_insert(const YInput *data, const YInput *attrs)
{
  return (YDeltaIn){ .tag = Y_EVENT_CHANGE_ADD, .len = 1, .attributes = attrs, .insert = data };
}

YRS_API void ytext_remove_range(const Branch *txt, YTransaction *txn, uint32_t index, uint32_t length)
{
  gesso_doc *doc = yrs_writable(txt, txn);
  uint64_t at, n;
  if (doc != NULL && range_in(txt, index, length, &at, &n))
    yrs_ignore(gesso_text_remove(doc, txt->type, at, n));
}

static bool chunk(YDoc *doc, const gesso_change *c, YChunk *out)
{
  gesso_bytes none = { NULL, 0 };
  if (c->nvalues == 0)
    return true;
  if (!yrs_output_json(doc, none, &c->values[0], &out->data))
    return false;
  if (c->nattributes == 0)
    return true;
  out->fmt = yrs_array(c->nattributes, sizeof *out->fmt);
  if (out->fmt == NULL)
    return false;
  for (size_t i = 0; i < c->nattributes; i++) {
    YOutput *value = calloc(1, sizeof *value);
    out->fmt[i] = (YMapEntry){ yrs_string(c->attribute_keys[i]), value };
    out->fmt_len++;
    if (value == NULL || out->fmt[i].key == NULL ||
        !yrs_output_json(doc, c->attribute_keys[i], &c->attribute_values[i], value))
      return false;
  }
  return true;
}

YRS_API YChunk *ytext_chunks(const Branch *txt, const YTransaction *txn, uint32_t *chunks_len)
{
  gesso_changes delta;
  (void)txn;
  *chunks_len = 0;
  if (gesso_text_get_delta(txt->doc->doc, txt->type, &delta) != GESSO_OK)
    return NULL;
  YChunk *out = yrs_array(delta.count, sizeof *out);
  bool ok = out != NULL;
  for (size_t i = 0; ok && i < delta.count; i++)
    ok = chunk(txt->doc, &delta.items[i], &out[i]);
  if (!ok) {
    ychunks_destroy(out, out != NULL ? (uint32_t)delta.count : 0);
    out = NULL;
  } else {
    *chunks_len = (uint32_t)delta.count;
  }
  gesso_changes_free(&delta);
  return out;
}

YRS_API void ychunks_destroy(YChunk *chunks, uint32_t len)
{
  for (uint32_t i = 0; chunks != NULL && i < len; i++) {
    yrs_output_drop(&chunks[i].data);
    for (uint32_t k = 0; k < chunks[i].fmt_len; k++) {
      free((void *)(uintptr_t)chunks[i].fmt[k].key);
      youtput_destroy((YOutput *)(uintptr_t)chunks[i].fmt[k].value);
    }
    free(chunks[i].fmt);
  }
  free(chunks);
}
