/* Files of other servers, whole and torn, from anywhere: no crash, no hang, no memory out of proportion. What could not be
 * read must be told, what was read must be a sound document, and what is written of it must be read again.
 *
 * The first byte chooses what the rest is: 0 y-sweet, 1 FileYStore, 2 a key of y-leveldb, 3 a value of its index, 4 its
 * metadata, 5 a drawing, 6 an update of unknown encoding or compression, 7 an update whose document goes out as a drawing and
 * as JSON, 8 the name of a file. */
#include "fuzz.h"
#include "gesso/doc.h"
#include "port/content.h"
#include "port/excalidraw.h"
#include "port/names.h"
#include "port/source.h"
#include "port/yleveldb_key.h"
#include "port/ysweet.h"
#include "wire/any.h"
#include "wire/json.h"

static void check(gesso_doc *doc)
{
  gesso_error why;
  if (doc != NULL && gesso_doc_check(doc, &why) != GESSO_OK) {
    fprintf(stderr, "%s\n", why.message);
    FUZZ_CHECK(0);
  }
}

typedef gesso_status (*opener)(const char *, gesso_bytes, gs_buf *, gs_port_source **, gs_buf *);

static gesso_status open_update(const char *path, gesso_bytes name, gs_buf *file, gs_port_source **out, gs_buf *why)
{
  return gs_port_open_update(path, name, GS_PORT_ANY, file, out, why);
}

static void read_source(gesso_bytes bytes, opener open)
{
  gs_buf file = gs_buf_make(NULL), why = gs_buf_make(NULL);
  gs_port_source *s;
  gs_port_doc d;
  gs_buf_write(&file, bytes.data, bytes.len);
  FUZZ_CHECK(open("file", (gesso_bytes){ (const uint8_t *)"name", 4 }, &file, &s, &why) == GESSO_OK);
  gs_port_doc_init(&d);
  size_t n = 0;
  while (gs_port_next(s, &d) == GESSO_OK) {
    FUZZ_CHECK(++n <= bytes.len + 1);
    if (n % 3 != 2) /* some are passed over */
      gs_port_read(s, &d);
    check(d.doc);
    FUZZ_CHECK(n % 3 == 2 || d.damaged || d.doc != NULL || d.drawing.b.len != 0);
    FUZZ_CHECK(d.damaged == (d.damage.b.len != 0));
    FUZZ_CHECK(d.damage.b.len < 8192 && d.notes.b.len < 8192);
  }
  gs_port_doc_finish(&d);
  gs_port_close(s);
  gs_buf_finish(&why);
}

static void read_key(gesso_bytes bytes)
{
  gs_ykey key;
  gesso_error error = { 0 };
  gesso_status s = gs_ykey_parse(bytes, &key, &error);
  FUZZ_CHECK(s == error.status && error.offset <= bytes.len);
  if (s != GESSO_OK)
    return;
  gs_buf prefix = gs_buf_make(NULL);
  gs_ykey again;
  gs_ykey_prefix(&prefix, key.kind, &key.name);
  if (key.kind == GS_YKEY_UPDATE)
    gs_buf_write(&prefix, "\1\0\0\0\0", 5);
  if (key.kind == GS_YKEY_META)
    gs_buf_write(&prefix, "\0\0", 2);
  FUZZ_CHECK(gs_ykey_parse(gs_buf_bytes(&prefix), &again, NULL) == GESSO_OK);
  FUZZ_CHECK(again.kind == key.kind && fuzz_same(again.name, key.name));
  gs_buf_finish(&prefix);
}

static void read_vector(gesso_bytes bytes)
{
  uint64_t clock;
  gesso_bytes vector;
  gs_port_doc d;
  if (gs_yvector_parse(bytes, &clock, &vector, NULL) != GESSO_OK)
    return;
  gs_port_doc_init(&d);
  gs_port_expect(&d, vector, "here");
  FUZZ_CHECK(d.damaged == (d.damage.b.len != 0));
  gs_port_doc_finish(&d);
}

static void read_metadata(gesso_bytes bytes)
{
  gs_buf json = gs_buf_make(NULL);
  gs_reader rd = gs_reader_of(bytes);
  if (gs_any_to_json(&rd, &json))
    FUZZ_CHECK(gs_json_check(gs_buf_bytes(&json), GS_ANY_DEPTH_MAX, NULL) == GESSO_OK);
  gs_buf_finish(&json);
}

static bool put_image(void *ctx, gesso_bytes image, char hash[65])
{
  (void)ctx;
  memset(hash, '0' + (int)(image.len % 10), 64);
  return image.len % 2 == 0;
}

static bool get_image(void *ctx, gesso_bytes hash, gs_buf *out, const char **mime)
{
  (void)ctx;
  gs_buf_write(out, hash.data, hash.len);
  *mime = "image/png";
  return hash.len == 64;
}

static const gs_drawing_images images = { put_image, get_image, NULL };

/* As JSON and as a drawing; what is no drawing says so. */
static void write_document(gesso_doc *doc, gs_drawing_counts *counts, gs_buf *drawing)
{
  gs_buf json = gs_buf_make(NULL);
  if (gs_content_to_json(doc, &json) == GESSO_OK) {
    gesso_status s = gs_json_check(gs_buf_bytes(&json), GS_ANY_DEPTH_MAX, NULL);
    FUZZ_CHECK(s == GESSO_OK || s == GESSO_E_LIMIT);
  }
  gs_buf_finish(&json);
  if (gs_drawing_write(doc, &images, drawing, counts) == GESSO_OK)
    FUZZ_CHECK(gs_drawing_check(gs_buf_bytes(drawing), &(gesso_error){ 0 }) == GESSO_OK);
  else
    gs_buf_clear(drawing);
}

static void read_drawing(gesso_bytes bytes)
{
  gesso_doc *doc = gesso_doc_create(NULL), *again = gesso_doc_create(NULL), *more = gesso_doc_create(NULL);
  gs_drawing_counts c, out, back;
  gesso_error error;
  gs_buf drawing = gs_buf_make(NULL);
  FUZZ_CHECK(doc != NULL && again != NULL && more != NULL);
  if (gs_drawing_read(bytes, NULL, doc, &images, &c, &error) == GESSO_OK) {
    check(doc);
    write_document(doc, &out, &drawing);
    FUZZ_CHECK(c.shapes == 0 || (drawing.b.len != 0 && out.shapes == c.shapes));
    if (c.shapes != 0) {
      FUZZ_CHECK(gs_drawing_read(gs_buf_bytes(&drawing), NULL, again, &images, &back, &error) == GESSO_OK);
      /* Rounding moves a point by less than a hundredth: one at the edge of the world may leave it. */
      FUZZ_CHECK(back.shapes + back.refused == c.shapes);
      FUZZ_CHECK(gs_drawing_read(bytes, doc, more, &images, &back, &error) == GESSO_OK && back.shapes == 0);
    }
  } else {
    FUZZ_CHECK(error.status != GESSO_OK && error.offset <= bytes.len);
  }
  gs_buf_finish(&drawing);
  gesso_doc_destroy(doc);
  gesso_doc_destroy(again);
  gesso_doc_destroy(more);
}

static void read_document(gesso_bytes bytes)
{
  gesso_doc_options o = { .size = sizeof o, .memory_max = 64 << 20 };
  gesso_doc *doc = gesso_doc_create(&o);
  gs_drawing_counts c;
  gs_buf drawing = gs_buf_make(NULL);
  FUZZ_CHECK(doc != NULL);
  if (gesso_doc_apply_v1(doc, bytes, NULL) == GESSO_OK)
    write_document(doc, &c, &drawing);
  gs_buf_finish(&drawing);
  gesso_doc_destroy(doc);
}

static void read_name(gesso_bytes bytes)
{
  gs_buf name = gs_buf_make(NULL), file = gs_buf_make(NULL);
  (void)gs_port_decode_name(bytes, &name);
  gs_buf_clear(&name);
  gs_port_encode_name(bytes, &file);
  FUZZ_CHECK(gs_port_decode_name(gs_buf_bytes(&file), &name) && fuzz_same(gs_buf_bytes(&name), bytes));
  size_t part = 0;
  for (size_t i = 0; i < file.b.len; i++) {
    part = file.b.data[i] == '/' ? 0 : part + 1;
    FUZZ_CHECK(part <= 220 && file.b.data[i] > ' ' && file.b.data[i] < 0x7f);
  }
  gs_buf_finish(&name);
  gs_buf_finish(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  gesso_bytes bytes = { data + 1, size - 1 };
  switch (data[0] % 9) {
  case 0:
    read_source(bytes, gs_port_open_ysweet);
    break;
  case 1:
    read_source(bytes, gs_port_open_pycrdt_file);
    break;
  case 2:
    read_key(bytes);
    break;
  case 3:
    read_vector(bytes);
    break;
  case 4:
    read_metadata(bytes);
    break;
  case 5:
    read_source(bytes, gs_port_open_excalidraw);
    read_drawing(bytes);
    break;
  case 6:
    read_source(bytes, open_update);
    break;
  case 7:
    read_document(bytes);
    break;
  default:
    read_name(bytes);
    break;
  }
  return 0;
}
