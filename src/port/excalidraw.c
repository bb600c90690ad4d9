#include "port/excalidraw.h"

#include "gesso/types.h"
#include "port/base64.h"
#include "port/shape.h"
#include "port/source.h"
#include "wire/json.h"

/* ---- a file as a source ------------------------------------------------------------------------ */

typedef struct drawing {
  gs_port_source s;
  gs_buf name, json;
  gesso_error error;
  bool done;
} drawing;

static gesso_status next(gs_port_source *s, gs_port_doc *d)
{
  drawing *e = (drawing *)s;
  if (e->done)
    return GESSO_E_NOTFOUND;
  e->done = true;
  gs_buf_write(&d->name, e->name.b.data, e->name.b.len);
  return d->name.err;
}

static void read_it(gs_port_source *s, gs_port_doc *d)
{
  drawing *e = (drawing *)s;
  gesso_error error = { 0 };
  gesso_status st = gs_drawing_check(gs_buf_bytes(&e->json), &error);
  if (st != GESSO_OK) {
    gs_port_damage(d, "byte %zu of %zu: %s", error.offset, e->json.b.len,
                   error.message != NULL ? error.message : gesso_status_text(st));
    return;
  }
  d->drawing = e->json;
  e->json = gs_buf_make(NULL);
}

static void close_it(gs_port_source *s)
{
  drawing *e = (drawing *)s;
  gs_buf_finish(&e->name);
  gs_buf_finish(&e->json);
  gs_free(NULL, e, sizeof *e);
}

static const gs_port_reader reader = { next, read_it, close_it };

gesso_status gs_port_open_excalidraw(const char *path, gesso_bytes name, gs_buf *file, gs_port_source **out, gs_buf *why)
{
  (void)path;
  drawing *e = GS_NEW(NULL, drawing);
  if (e == NULL) {
    gs_buf_finish(file);
    return gs_port_because(why, GESSO_E_NOMEM, "out of memory");
  }
  e->s = (gs_port_source){ .reader = &reader, .kind = "an Excalidraw drawing", .single = true };
  e->name = gs_buf_make(NULL);
  gs_buf_write(&e->name, name.data, name.len);
  e->json = *file;
  *file = gs_buf_make(NULL);
  *out = &e->s;
  return GESSO_OK;
}

/* ---- from a file to a document ----------------------------------------------------------------- */

/* A text with its tree, and the room that its strings stand in. */
typedef struct parsed {
  gs_tree tree;
  uint8_t *room;
  size_t room_size;
} parsed;

static gesso_status parse(gesso_bytes json, parsed *p, gesso_error *error)
{
  gs_tree_init(&p->tree, NULL);
  p->tree.proto_is_lost = true;
  p->room_size = json.len + 1;
  p->room = gs_alloc(NULL, p->room_size);
  gesso_status s = p->room == NULL ? GESSO_E_NOMEM : gs_json_parse(json, &p->tree, p->room, error);
  if (s == GESSO_E_NOMEM && error != NULL)
    *error = (gesso_error){ s, 0, "out of memory" };
  return s;
}

static void parsed_finish(parsed *p)
{
  gs_tree_finish(&p->tree);
  gs_free(NULL, p->room, p->room_size);
}

/* The elements, or NULL. */
static const gs_node *elements_of(const gs_tree *tree, gesso_error *error)
{
  const gs_node *type = gs_shape_get(tree, tree->nodes, "type"), *elements = gs_shape_get(tree, tree->nodes, "elements");
  if (gs_node_is(type, "excalidraw") && elements != NULL && elements->kind == GS_NODE_ARRAY)
    return elements;
  *error = (gesso_error){ GESSO_E_CORRUPT, 0,
                          "it is JSON, but no drawing of Excalidraw: \"type\": \"excalidraw\" and \"elements\" are missing" };
  return NULL;
}

gesso_status gs_drawing_check(gesso_bytes json, gesso_error *error)
{
  parsed p;
  gesso_status s = parse(json, &p, error);
  if (s == GESSO_OK && elements_of(&p.tree, error) == NULL)
    s = GESSO_E_CORRUPT;
  parsed_finish(&p);
  return s;
}

/* Fractional indexes in Excalidraw's form for the n-th of many: a0 .. az, b00 .. bzz, c000 .. czzz, and so on. */
static size_t index_of(uint64_t n, char out[16])
{
  static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  uint64_t many = 62;
  size_t len = 1;
  for (; n >= many; len++) {
    n -= many;
    many *= 62;
  }
  out[0] = (char)('a' + (char)len - 1);
  for (size_t i = len; i > 0; i--, n /= 62)
    out[i] = digits[n % 62];
  return len + 1;
}

/* Do the shapes stand in the order that their indexes say? Older files have none. */
static bool in_order(const gs_tree *tree, const gs_node *elements)
{
  const gs_node *before = NULL;
  for (uint32_t i = elements->child; i != 0; i = tree->nodes[i].next) {
    const gs_node *index = gs_shape_get(tree, &tree->nodes[i], "index");
    if (index == NULL || index->kind != GS_NODE_STRING || index->len == 0)
      return false;
    if (before != NULL && gs_node_compare(before, index) >= 0)
      return false;
    before = index;
  }
  return true;
}

typedef struct reading {
  gesso_doc *out;
  gesso_type elements;
  const gs_tree *tree;
  const gs_node *files;
  const gs_drawing_images *images;
  gs_drawing_counts *counts;
  gs_buf base;
} reading;

static const gs_node *file_of(const reading *r, const gs_node *id)
{
  if (r->files == NULL || r->files->kind != GS_NODE_OBJECT || id == NULL || id->kind != GS_NODE_STRING)
    return NULL;
  const gs_node *file = gs_shape_get_key(r->tree, r->files, (gesso_bytes){ id->data, id->len });
  return file == NULL ? NULL : gs_shape_get(r->tree, file, "dataURL");
}

/* Keeps the image of a shape; `hash` is its name here. Without one the shape stays, as one whose image is missing. */
static bool take_image(reading *r, const gs_node *shape, char hash[65])
{
  const gs_node *url = file_of(r, gs_shape_get(r->tree, shape, "fileId"));
  static const char mark[] = ";base64,";
  const uint8_t *comma = url == NULL || url->kind != GS_NODE_STRING ? NULL
                                                                    : memmem(url->data, GS_MIN(url->len, 200u), mark, sizeof mark - 1);
  if (comma == NULL || url->len < 5 || memcmp(url->data, "data:", 5) != 0 || r->images == NULL)
    return false;
  comma += sizeof mark - 1;
  gs_buf image = gs_buf_make(NULL);
  bool ok = gs_base64_decode((gesso_bytes){ comma, (size_t)(url->data + url->len - comma) }, &image) &&
            r->images->put(r->images->ctx, gs_buf_bytes(&image), hash);
  gs_buf_finish(&image);
  return ok;
}

static void put_key(gs_buf *out, gesso_bytes key)
{
  gs_buf_puts(out, out->b.len > 1 ? ", " : "");
  gs_json_write_string(out, key);
  gs_buf_puts(out, ": ");
}

/* The shape as it goes under `b`. */
static void write_base(reading *r, const gs_node *shape, const char *index, size_t index_len)
{
  bool stroke = gs_shape_is(r->tree, shape, "freedraw"), image = gs_shape_is(r->tree, shape, "image");
  char hash[65];
  gs_buf_clear(&r->base);
  gs_buf_put(&r->base, '{');
  for (uint32_t i = shape->child; i != 0; i = r->tree->nodes[i].next) {
    const gs_node *value = &r->tree->nodes[i];
    gesso_bytes key = { value->key, value->key_len };
    if (!gs_shape_keeps(key, stroke) || (image && gs_key_is(key, "fileId")) || (index != NULL && gs_key_is(key, "index")) ||
        !gs_shape_value_ok(r->tree, value))
      continue;
    put_key(&r->base, key);
    if (!gs_tree_write_json_at(r->tree, i, &r->base))
      gs_buf_puts(&r->base, "null");
  }
  if (index != NULL) {
    put_key(&r->base, (gesso_bytes){ (const uint8_t *)"index", 5 });
    gs_json_write_string(&r->base, (gesso_bytes){ (const uint8_t *)index, index_len });
  }
  if (image && take_image(r, shape, hash)) {
    put_key(&r->base, (gesso_bytes){ (const uint8_t *)"fileId", 6 });
    gs_json_write_string(&r->base, (gesso_bytes){ (const uint8_t *)hash, 64 });
    r->counts->images++;
  } else if (image) {
    gs_buf_puts(&r->base, ", \"fileId\": null");
    r->counts->images_missing++;
  }
  gs_buf_put(&r->base, '}');
}

static gesso_status write_points(reading *r, const gs_node *shape, gesso_type map)
{
  enum { CHUNK = 3 * 256 };
  gesso_type p = 0;
  gesso_value values[CHUNK];
  size_t n = 0;
  uint64_t at = 0;
  gs_stroke stroke = gs_stroke_of(r->tree, shape);
  gesso_value array = { .kind = GESSO_VALUE_TYPE, .type = GESSO_ARRAY };
  gesso_status s = gesso_map_set(r->out, map, (gesso_bytes){ (const uint8_t *)"p", 1 }, array, &p);
  double numbers[3];
  for (int more = 1; more != 0 && s == GESSO_OK;) {
    more = gs_stroke_next(&stroke, numbers);
    for (int k = 0; k < more; k++)
      values[n++] = (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = numbers[k] };
    if (n != 0 && (more == 0 || n + 3 > CHUNK)) {
      s = gesso_array_insert(r->out, p, at, values, n, NULL);
      at += n;
      n = 0;
    }
  }
  return s;
}

static gesso_status read_shape(reading *r, const gs_node *shape, uint64_t place, bool has_order)
{
  char index[16];
  size_t index_len = index_of(place, index);
  const gs_node *id = gs_shape_get(r->tree, shape, "id");
  gesso_bytes key = { id->data, id->len };
  gesso_type map = 0;
  write_base(r, shape, has_order ? NULL : index, index_len);
  if (r->base.err != GESSO_OK)
    return r->base.err;
  gesso_status s = gesso_map_set(r->out, r->elements, key, (gesso_value){ .kind = GESSO_VALUE_TYPE, .type = GESSO_MAP }, &map);
  if (s == GESSO_OK)
    s = gesso_map_set(r->out, map, (gesso_bytes){ (const uint8_t *)"b", 1 },
                      (gesso_value){ .kind = GESSO_VALUE_JSON, .bytes = gs_buf_bytes(&r->base) }, NULL);
  if (s == GESSO_OK && gs_shape_is(r->tree, shape, "freedraw"))
    s = write_points(r, shape, map);
  return s;
}

static bool has_key(gesso_doc *doc, gesso_type map, gesso_bytes key)
{
  gesso_values v;
  gesso_status s = gesso_map_get(doc, map, key, &v);
  if (s == GESSO_OK)
    gesso_values_free(&v);
  return s != GESSO_E_NOTFOUND;
}

static gesso_status read_shapes(reading *r, const gs_node *elements, gesso_doc *board)
{
  gesso_bytes root = { (const uint8_t *)"elements", 8 };
  gesso_type there = board == NULL ? 0 : gesso_doc_find_root(board, root);
  r->elements = gesso_doc_root(r->out, root, GESSO_MAP);
  bool has_order = in_order(r->tree, elements);
  uint64_t place = 0;
  gesso_status s = r->elements == 0 ? GESSO_E_NOMEM : GESSO_OK;
  for (uint32_t i = elements->child; i != 0 && s == GESSO_OK; i = r->tree->nodes[i].next) {
    const gs_node *shape = &r->tree->nodes[i];
    if (!gs_shape_can_be_shown(r->tree, shape)) {
      r->counts->refused++;
      continue;
    }
    const gs_node *id = gs_shape_get(r->tree, shape, "id"), *deleted = gs_shape_get(r->tree, shape, "isDeleted");
    gesso_bytes key = { id->data, id->len };
    if (deleted != NULL && deleted->kind == GS_NODE_BOOL && deleted->number != 0) {
      r->counts->deleted++;
    } else if (gesso_map_get_type(r->out, r->elements, key) != 0) {
      r->counts->refused++; /* a second shape of that id */
    } else if (there != 0 && has_key(board, there, key)) {
      r->counts->there++;
    } else {
      s = read_shape(r, shape, place++, has_order);
      r->counts->shapes++;
    }
  }
  return s;
}

gesso_status gs_drawing_read(gesso_bytes json, gesso_doc *board, gesso_doc *out, const gs_drawing_images *images,
                             gs_drawing_counts *counts, gesso_error *error)
{
  parsed p;
  gesso_error none;
  *counts = (gs_drawing_counts){ 0 };
  error = error != NULL ? error : &none;
  *error = (gesso_error){ 0 };
  gesso_status s = parse(json, &p, error);
  const gs_node *elements = s == GESSO_OK ? elements_of(&p.tree, error) : NULL;
  if (s == GESSO_OK && elements == NULL)
    s = GESSO_E_CORRUPT;
  if (s == GESSO_OK) {
    reading r = { out, 0, &p.tree, gs_shape_get(&p.tree, p.tree.nodes, "files"), images, counts, gs_buf_make(NULL) };
    gesso_doc_begin(out);
    s = read_shapes(&r, elements, board);
    gesso_status t = gesso_doc_commit(out, NULL);
    s = s != GESSO_OK ? s : t;
    gs_buf_finish(&r.base);
    if (s != GESSO_OK)
      *error = (gesso_error){ s, 0, NULL };
  }
  parsed_finish(&p);
  return s;
}
