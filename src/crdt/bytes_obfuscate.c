/* Updates made unreadable: contents and keys become numbers, as Yjs' obfuscateUpdate gives them. Each item
 * has a number; equal keys, names and format values all get the number of the item where they came first. */
#include "crdt/record.h"
#include "gesso/update.h"
#include "wire/any.h"
#include "wire/json.h"

#include <math.h>
#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* What has been replaced: the first byte of a text says what it is (enum space). */
typedef struct replaced {
  size_t at, len; /* in `texts` */
  uint64_t hash;
  uint64_t number;
  bool hook;      /* names: it was a hook's */
} replaced;

enum space { MAP_KEYS, NODE_NAMES, FORMAT_KEYS, FORMAT_VALUES };

typedef struct obfuscator {
  uint32_t keep;
  uint64_t i; /* number of the present item */
  replaced *v;
  uint32_t n, cap;
  uint32_t *slots; /* hash table of indexes into v, plus 1 */
  uint32_t nslots;
  gs_buf texts;
  gs_buf value; /* of the present item */
  char key[32], name[32];
  bool nomem;
} obfuscator;

static void add_slot(obfuscator *o, uint32_t ix)
{
  uint32_t mask = o->nslots - 1, s = (uint32_t)o->v[ix].hash & mask;
  while (o->slots[s] != 0)
    s = (s + 1) & mask;
  o->slots[s] = ix + 1;
}

static bool room_for_one(obfuscator *o)
{
  if (!gs_grow(NULL, &o->v, &o->cap, (size_t)o->n + 1, sizeof *o->v))
    return false;
  if (o->nslots / 2 > o->n)
    return true;
  uint32_t nslots = o->nslots == 0 ? 16 : o->nslots * 2;
  uint32_t *slots = gs_alloc_zero(NULL, nslots * sizeof *slots);
  if (slots == NULL)
    return false;
  gs_free(NULL, o->slots, o->nslots * sizeof *slots);
  o->slots = slots;
  o->nslots = nslots;
  for (uint32_t i = 0; i < o->n; i++)
    add_slot(o, i);
  return true;
}

/* What the text is replaced by that was put behind `at` in o->texts; it stays there if it is new. */
static replaced replacement(obfuscator *o, size_t at, bool hook)
{
  replaced r = { at, o->texts.b.len - at, 0, o->i, hook };
  if (o->texts.err != GESSO_OK || !room_for_one(o)) {
    o->nomem = true;
    return r;
  }
  const uint8_t *text = o->texts.b.data + at;
  r.hash = XXH3_64bits(text, r.len);
  uint32_t mask = o->nslots - 1;
  for (uint32_t s = (uint32_t)r.hash & mask; o->slots[s] != 0; s = (s + 1) & mask) {
    const replaced *have = &o->v[o->slots[s] - 1];
    if (have->hash == r.hash && have->len == r.len && memcmp(o->texts.b.data + have->at, text, r.len) == 0) {
      o->texts.b.len = at;
      return *have;
    }
  }
  o->v[o->n] = r;
  add_slot(o, o->n++);
  return r;
}

static replaced replacement_of(obfuscator *o, enum space space, gs_jstr s, bool hook)
{
  size_t at = o->texts.b.len;
  gs_buf_put(&o->texts, (uint8_t)space);
  gs_jstr_write_wtf8(&o->texts, s);
  return replacement(o, at, hook);
}

/* Numbers that JavaScript takes for the same key of a Map, in one form. */
static bool number_value(gesso_bytes any, double *out)
{
  gs_reader rd = gs_reader_of(any);
  uint8_t tag = gs_read_u8(&rd);
  if (tag == 125) {
    *out = (double)gs_read_varint(&rd, NULL);
  } else if (tag == 124) {
    uint32_t bits = gs_read_u32be(&rd);
    float value;
    memcpy(&value, &bits, sizeof value);
    *out = (double)value;
  } else if (tag == 123) {
    uint64_t bits = gs_read_u64be(&rd);
    memcpy(out, &bits, sizeof *out);
  } else {
    return false;
  }
  if (isnan(*out))
    *out = NAN;
  return true;
}

/* The number of the value of a format, an Any. Arrays, objects and bytes are equal to none but themselves. */
static uint64_t number_of_value(obfuscator *o, gesso_bytes any)
{
  if (any.data[0] >= 116 && any.data[0] <= 118)
    return o->i;
  size_t at = o->texts.b.len;
  gs_buf_put(&o->texts, FORMAT_VALUES);
  double number;
  if (number_value(any, &number)) {
    gs_buf_put(&o->texts, 125);
    number += 0.0; /* -0 is 0 */
    gs_buf_write(&o->texts, &number, sizeof number);
  } else {
    gs_buf_write(&o->texts, any.data, any.len);
  }
  return replacement(o, at, false).number;
}

static gs_jstr print(char out[32], const char *prefix, uint64_t n)
{
  int len = snprintf(out, 32, "%s%llu", prefix, (unsigned long long)n);
  return gs_jstr_of((gesso_bytes){ (const uint8_t *)out, (size_t)len }, (size_t)len);
}

/* Gives the record what is in o->value instead of its own. */
static void set_value(obfuscator *o, gs_record *rec)
{
  rec->v2 = false;
  rec->value = gs_buf_bytes(&o->value);
}

static void format(obfuscator *o, gs_record *rec)
{
  gs_buf any = gs_buf_make(NULL);
  if (!rec->v2 && gs_json_to_any(rec->value, &any) != GESSO_OK)
    o->nomem = true;
  gesso_bytes value = rec->v2 ? rec->value : gs_buf_bytes(&any);
  rec->text = print(o->name, "", replacement_of(o, FORMAT_KEYS, rec->text, false).number);
  if (!o->nomem && value.data[0] != 126) { /* null ends a format and goes on doing so */
    char text[32];
    gs_jstr number = print(text, "", number_of_value(o, value));
    gs_buf_puts(&o->value, "{\"i\":");
    gs_jstr_write(&o->value, number);
    gs_buf_put(&o->value, '}');
    set_value(o, rec);
  }
  gs_buf_finish(&any);
}

static void obfuscate_item(obfuscator *o, gs_record *rec)
{
  gs_buf_clear(&o->value);
  switch (rec->kind) {
  case GS_ANY:
    for (uint64_t i = 0; i < rec->len; i++)
      gs_any_write_number(&o->value, (double)o->i);
    set_value(o, rec);
    break;
  case GS_JSON: {
    char text[32];
    gs_jstr number = print(text, "", o->i);
    for (uint64_t i = 0; i < rec->len; i++)
      gs_write_bytes(&o->value, number.utf8);
    set_value(o, rec);
    break;
  }
  case GS_BINARY:
    gs_buf_put(&o->value, (uint8_t)o->i);
    set_value(o, rec);
    break;
  case GS_STRING:
    if (gs_buf_room(&o->value, (size_t)rec->len)) {
      memset(o->value.b.data, '0' + (int)(o->i % 10), (size_t)rec->len);
      o->value.b.len = (size_t)rec->len;
    }
    rec->text = gs_jstr_of(gs_buf_bytes(&o->value), o->value.b.len);
    break;
  case GS_EMBED:
    gs_buf_puts(&o->value, "{}");
    set_value(o, rec);
    break;
  case GS_FORMAT:
    if ((o->keep & GESSO_KEEP_FORMATTING) == 0)
      format(o, rec);
    break;
  case GS_TYPE:
    if ((o->keep & GESSO_KEEP_XML_NAMES) == 0 &&
        (rec->type_kind == GESSO_XML_ELEMENT || rec->type_kind == GESSO_XML_HOOK)) {
      /* A name is replaced by what it was first replaced by, be it that of an element or of a hook. */
      replaced r = replacement_of(o, NODE_NAMES, rec->text, rec->type_kind == GESSO_XML_HOOK);
      rec->text = print(o->name, r.hook ? "hook-" : "node-", r.number);
    }
    break;
  case GS_DOC:
    if ((o->keep & GESSO_KEEP_SUBDOCS) == 0) {
      rec->text = print(o->name, "", o->i);
      gs_buf_put(&o->value, 118);
      gs_buf_put(&o->value, 0);
      set_value(o, rec);
    }
    break;
  default:
    break;
  }
  if (rec->has_sub && gs_jstr_bytes(rec->sub) > 0)
    rec->sub = print(o->key, "", replacement_of(o, MAP_KEYS, rec->sub, false).number);
  rec->raw.len = 0;
  if (o->value.err != GESSO_OK)
    o->nomem = true;
}

static gesso_status obfuscate(gesso_bytes update, bool v2, uint32_t keep, gesso_buffer *out, gesso_error *error_out)
{
  *out = (gesso_buffer){ 0 };
  obfuscator o = { .keep = keep };
  gs_records r;
  gs_writer w;
  gs_records_open(&r, NULL, update, v2);
  gs_writer_open(&w, NULL, v2);
  while (w.err == GESSO_OK && gs_records_next(&r)) {
    if (v2)
      w.max = gs_proportion(update.len, r.total);
    if (r.rec.kind != GS_GC && r.rec.kind != GS_SKIP) {
      obfuscate_item(&o, &r.rec);
      o.i++;
    }
    if (o.nomem)
      w.err = GESSO_E_NOMEM;
    gs_writer_put(&w, &r.rec, 0, false);
  }
  gs_free(NULL, o.v, o.cap * sizeof *o.v);
  gs_free(NULL, o.slots, o.nslots * sizeof *o.slots);
  gs_buf_finish(&o.texts);
  gs_buf_finish(&o.value);
  return gs_copy_rest(&r, &w, out, error_out);
}

gesso_status gesso_update_obfuscate_v1(gesso_bytes update, uint32_t keep, gesso_buffer *out, gesso_error *error_out)
{
  return obfuscate(update, false, keep, out, error_out);
}

gesso_status gesso_update_obfuscate_v2(gesso_bytes update, uint32_t keep, gesso_buffer *out, gesso_error *error_out)
{
  return obfuscate(update, true, keep, out, error_out);
}
