/* Deltas: whole lists of changes to a text, applied from its start on (Yjs: YText.applyDelta).
 *
 * A delta is first read into steps, all of it, so that what is malformed changes nothing. */
#include "crdt/edit_rich.h"
#include "crdt/read_value.h"
#include "wire/json.h"
#include "wire/utf8.h"

#include <math.h>

/* Line breaks that a RETAIN past the end may append: Quill's own one, and room for mistakes. */
#define LINE_BREAKS_MAX 65536u

typedef struct step {
  gesso_change_kind kind;
  uint64_t length;         /* DELETE, RETAIN */
  gs_rich_content content; /* INSERT */
  gs_attrs attrs;          /* INSERT, RETAIN */
} step;

typedef struct steps {
  gesso_doc *doc;
  gs_arena arena; /* what contents point to */
  step *v;
  uint32_t n, cap;
} steps;

static step *add_step(steps *s, gesso_change_kind kind)
{
  if (!gs_grow(s->doc->alloc, &s->v, &s->cap, (size_t)s->n + 1, sizeof *s->v))
    return NULL;
  step *x = &s->v[s->n++];
  *x = (step){ .kind = kind, .attrs = { .alloc = s->doc->alloc, .owned = true } };
  return x;
}

static void finish(steps *s)
{
  for (uint32_t i = 0; i < s->n; i++)
    gs_attrs_finish(&s->v[i].attrs);
  gs_free(s->doc->alloc, s->v, s->cap * sizeof *s->v);
  gs_arena_finish(&s->arena);
}

/* A string, or JSON of an embed. Keeps a copy when told to. */
static gesso_status set_content(steps *s, step *x, unsigned kind, gesso_bytes bytes)
{
  if (bytes.len > GS_CLOCK_MAX / 2)
    return GESSO_E_LIMIT;
  x->content = (gs_rich_content){ .kind = kind, .len = 1, .bytes = bytes };
  if (kind == GS_STRING)
    x->content.len = (uint32_t)gs_utf8_utf16_len(bytes);
  return gs_arena_copy(&s->arena, &x->content.bytes) ? GESSO_OK : GESSO_E_NOMEM;
}

/* Whether a retain that ends this far from the start of the text is to be. */
static gesso_status check_reach(const steps *s, gesso_type text)
{
  uint64_t left = s->doc->types[text].length;
  for (uint32_t i = 0; i < s->n; i++) {
    const step *x = &s->v[i];
    if (x->kind == GESSO_CHANGE_RETAIN && x->length > left && x->length - left > LINE_BREAKS_MAX)
      return GESSO_E_LIMIT;
    if (x->kind != GESSO_CHANGE_INSERT)
      left -= GS_MIN(left, x->length);
  }
  return GESSO_OK;
}

static gesso_status run(steps *s, gesso_type text)
{
  gesso_doc *doc = s->doc;
  gesso_status st = check_reach(s, text);
  if (st != GESSO_OK)
    return st;
  gs_edit_begin(doc);
  gs_rich r = gs_rich_start(doc, text);
  for (uint32_t i = 0; i < s->n && r.err == GESSO_OK; i++) {
    step *x = &s->v[i];
    if (x->kind == GESSO_CHANGE_RETAIN) {
      gs_rich_retain(&r, x->length, &x->attrs);
    } else if (x->kind == GESSO_CHANGE_DELETE) {
      gs_rich_delete(&r, x->length);
    } else {
      if (x->content.kind == GS_STRING)
        gs_edit_note_astral(doc, x->content.bytes, x->content.len);
      gs_rich_insert(&r, &x->content, &x->attrs);
    }
  }
  gs_rich_finish(&r);
  st = gesso_doc_commit(doc, NULL);
  return r.err != GESSO_OK ? r.err : st;
}

/* --- from JSON --- */

static uint32_t member(const gs_tree *tree, uint32_t object, const char *key)
{
  size_t len = strlen(key);
  for (uint32_t i = tree->nodes[object].child; i != 0; i = tree->nodes[i].next)
    if (tree->nodes[i].key_len == len && memcmp(tree->nodes[i].key, key, len) == 0)
      return i;
  return 0;
}

static gesso_status read_string(steps *s, step *x, const gs_node *node)
{
  gesso_status st = set_content(s, x, GS_STRING, (gesso_bytes){ node->data, node->len });
  if (st == GESSO_OK)
    gs_utf8_mend((uint8_t *)(uintptr_t)x->content.bytes.data, node->len);
  return st;
}

static gesso_status read_embed(steps *s, step *x, const gs_tree *tree, uint32_t node)
{
  gs_buf json = gs_buf_make(s->doc->alloc);
  (void)gs_tree_write_json_at(tree, node, &json);
  gesso_status st = json.err != GESSO_OK ? json.err : set_content(s, x, GS_EMBED, gs_buf_bytes(&json));
  gs_buf_finish(&json);
  return st;
}

static gesso_status read_length(const gs_node *node, uint64_t *out)
{
  if (node->kind != GS_NODE_NUMBER || !(node->number >= 0 && node->number <= 9007199254740991.0) ||
      node->number != trunc(node->number))
    return GESSO_E_USAGE;
  *out = (uint64_t)node->number;
  return GESSO_OK;
}

static gesso_status read_step(steps *s, const gs_tree *tree, uint32_t op)
{
  if (tree->nodes[op].kind != GS_NODE_OBJECT)
    return GESSO_E_USAGE;
  uint32_t insert = member(tree, op, "insert"), retain = member(tree, op, "retain");
  uint32_t del = member(tree, op, "delete"), attrs = member(tree, op, "attributes");
  if (insert == 0 && retain == 0 && del == 0)
    return GESSO_OK;
  const gs_node *what = &tree->nodes[insert != 0 ? insert : retain != 0 ? retain : del];
  if (insert != 0 && what->kind == GS_NODE_STRING && what->len == 0)
    return GESSO_OK;
  step *x = add_step(s, insert != 0   ? GESSO_CHANGE_INSERT
                        : retain != 0 ? GESSO_CHANGE_RETAIN
                                      : GESSO_CHANGE_DELETE);
  if (x == NULL)
    return GESSO_E_NOMEM;
  gesso_status st;
  if (insert == 0)
    st = read_length(what, &x->length);
  else if (what->kind == GS_NODE_STRING)
    st = read_string(s, x, what);
  else
    st = what->kind == GS_NODE_NULL ? GESSO_E_USAGE : read_embed(s, x, tree, insert);
  if (st == GESSO_OK && x->kind != GESSO_CHANGE_DELETE && attrs != 0 && tree->nodes[attrs].kind != GS_NODE_NULL)
    st = gs_rich_read_attrs(tree, attrs, &x->attrs);
  return st;
}

gesso_status gesso_text_apply_delta(gesso_doc *doc, gesso_type text, gesso_bytes delta_json)
{
  gesso_status st;
  if (gs_edit_type(doc, text, &st) == NULL)
    return st;
  uint8_t *room = gs_alloc(doc->alloc, delta_json.len + 1);
  if (room == NULL)
    return GESSO_E_NOMEM;
  gs_tree tree;
  gs_tree_init(&tree, doc->alloc);
  steps s = { .doc = doc, .arena = gs_arena_make(doc->alloc) };
  st = gs_json_parse(delta_json, &tree, room, NULL);
  if (st == GESSO_E_CORRUPT || (st == GESSO_OK && tree.nodes[0].kind != GS_NODE_ARRAY))
    st = GESSO_E_USAGE;
  if (st == GESSO_OK)
    for (uint32_t op = tree.nodes[0].child; op != 0 && st == GESSO_OK; op = tree.nodes[op].next)
      st = read_step(&s, &tree, op);
  gs_tree_finish(&tree);
  gs_free(doc->alloc, room, delta_json.len + 1);
  if (st == GESSO_OK)
    st = run(&s, text);
  finish(&s);
  return st;
}

/* --- from changes in memory --- */

static gesso_status take_attributes(steps *s, step *x, const gesso_change *c)
{
  if (c->nattributes == 0)
    return GESSO_OK;
  gesso_value object = { .kind = GESSO_VALUE_OBJECT,
                         .keys = c->attribute_keys,
                         .items = c->attribute_values,
                         .count = c->nattributes };
  gs_tree tree;
  gs_tree_init(&tree, s->doc->alloc);
  gesso_status st = gs_value_to_tree(&object, &tree, &s->arena, true);
  if (st == GESSO_OK)
    st = gs_rich_read_attrs(&tree, 0, &x->attrs);
  gs_tree_finish(&tree);
  return st;
}

static gesso_status take_insert(steps *s, step *x, const gesso_value *v)
{
  if (v->kind == GESSO_VALUE_STRING)
    return gs_utf8_invalid_at(v->bytes) == v->bytes.len ? set_content(s, x, GS_STRING, v->bytes) : GESSO_E_USAGE;
  if (v->kind == GESSO_VALUE_TYPE) {
    x->content = (gs_rich_content){ .kind = GS_TYPE, .len = 1, .type_kind = v->type };
    return gs_value_type_name(s->doc, v, &x->content.type_name);
  }
  gs_buf json = gs_buf_make(s->doc->alloc);
  gesso_status st = gs_value_to_json(v, &json);
  if (st == GESSO_OK)
    st = set_content(s, x, GS_EMBED, gs_buf_bytes(&json));
  gs_buf_finish(&json);
  return st;
}

gesso_status gesso_text_apply_changes(gesso_doc *doc, gesso_type text, const gesso_change *changes, size_t count)
{
  gesso_status st;
  if (gs_edit_type(doc, text, &st) == NULL)
    return st;
  steps s = { .doc = doc, .arena = gs_arena_make(doc->alloc) };
  for (size_t i = 0; i < count && st == GESSO_OK; i++) {
    const gesso_change *c = &changes[i];
    bool insert = c->kind == GESSO_CHANGE_INSERT;
    if (insert ? c->nvalues != 1 : c->kind != GESSO_CHANGE_RETAIN && c->kind != GESSO_CHANGE_DELETE) {
      st = GESSO_E_USAGE;
      break;
    }
    if (insert && c->values->kind == GESSO_VALUE_STRING && c->values->bytes.len == 0)
      continue;
    step *x = add_step(&s, c->kind);
    if (x == NULL) {
      st = GESSO_E_NOMEM;
      break;
    }
    x->length = c->length;
    if (insert)
      st = take_insert(&s, x, c->values);
    if (st == GESSO_OK && c->kind != GESSO_CHANGE_DELETE)
      st = take_attributes(&s, x, c);
  }
  if (st == GESSO_OK)
    st = run(&s, text);
  finish(&s);
  return st;
}
