/* gesso import: the documents of another server, one after the other, become boards.
 *
 * Each is decoded as a whole before anything of it is stored, compared with the board of its name, handed to the ordinary
 * persistence, read back and compared again. Nothing that is there is overwritten: documents merge, and of drawings only
 * shapes are added that the board does not have. So it can be run again at any time. */
#include "cli/cli.h"

#include "base/clock.h"
#include "cli/folder.h"
#include "cli/progress.h"
#include "gesso/types.h"
#include "port/excalidraw.h"
#include "port/port.h"
#include "server/images.h"
#include "wire/json.h"
#include "wire/utf8.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char who[] = "gesso import";

enum { OPT_DRY_RUN = 1000, OPT_RESUME, OPT_FROM, OPT_NAME, OPT_PREFIX, OPT_STRIP_SLASH, OPT_SALVAGE, OPT_JSON };

/* Bytes that may be on their way to the disk, and documents between two notes of how far it came. */
enum { IN_FLIGHT_MAX = 16 << 20, NOTED_EVERY = 500, NOTED_MS = 2000 };

typedef struct importer {
  const char *source, *folder, *name, *prefix;
  int arg_count;
  gs_port_format format;
  bool dry_run, resume, strip_slash, salvage, json, quiet;

  gesso_persistence *p; /* NULL: a dry run into a folder that is not there */
  gs_port_source *from;
  gs_import_progress progress;
  uint64_t documents, bytes, passed; /* of this run */
  uint64_t in_flight, calls;         /* bytes and calls that are not complete */
  gesso_status write_status;         /* the first failure of a write: it ends there */
  bool untold;                       /* a report could not be made */
  bool bar, shown;
  uint64_t shown_ms, noted_ms, since_noted;
} importer;

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
  (void)sig;
  interrupted = 1;
}

/* ---- telling ----------------------------------------------------------------------------------- */

static const char *const result_names[GS_IMPORT_RESULTS] = { "new", "merged", "same", "skipped", "damaged" };

typedef struct report {
  gs_import_result result;
  const char *why;       /* in one clause; may be NULL */
  bool salvaged;
  gs_buf board;
  uint64_t bytes;        /* of the update that was stored */
  gesso_doc_stats stats; /* of the source's document */
  gs_buf vector;         /* its state vector as JSON */
} report;

static void clear_bar(importer *im)
{
  if (im->shown)
    fputs("\r\033[K", stderr);
  im->shown = false;
}

static void show_bar(importer *im)
{
  uint64_t now = gs_clock_mono_ms(NULL);
  if (!im->bar || now < im->shown_ms + 100)
    return;
  fprintf(stderr, "\r\033[K%llu documents, %llu KB", (unsigned long long)(im->documents + im->passed),
          (unsigned long long)im->bytes / 1000);
  (void)fflush(stderr);
  im->shown = true;
  im->shown_ms = now;
}

static void put_lines(gs_buf *out, const gs_buf *text)
{
  bool first = true;
  gs_buf_put(out, '[');
  for (size_t at = 0; at < text->b.len;) {
    const uint8_t *line = text->b.data + at, *end = memchr(line, '\n', text->b.len - at);
    size_t n = end == NULL ? text->b.len - at : (size_t)(end - line);
    gesso_bytes shown = { line, n };
    gs_buf_puts(out, first ? "" : ", ");
    first = false;
    if (gs_utf8_invalid_at(shown) == n)
      gs_json_write_string(out, shown);
    else
      gs_buf_puts(out, "\"(text that is no UTF-8)\"");
    at += n + 1;
  }
  gs_buf_put(out, ']');
}

static void put_text(gs_buf *out, gesso_bytes text)
{
  size_t ok = gs_utf8_invalid_at(text);
  if (ok == text.len) {
    gs_json_write_string(out, text);
    return;
  }
  gs_buf shown = gs_buf_make(NULL);
  for (size_t i = 0; i < text.len; i++)
    if (text.data[i] < 0x80)
      gs_buf_put(&shown, text.data[i]);
    else
      gs_buf_printf(&shown, "\\x%02x", text.data[i]);
  gs_json_write_string(out, gs_buf_bytes(&shown));
  if (shown.err != GESSO_OK)
    out->err = shown.err;
  gs_buf_finish(&shown);
}

/* False: memory was short for the line. */
static bool tell_json(const gs_port_doc *d, const report *r)
{
  gs_buf out = gs_buf_make(NULL);
  gs_buf_puts(&out, "{\"board\": ");
  put_text(&out, gs_buf_bytes(&r->board));
  gs_buf_printf(&out, ", \"result\": \"%s\", \"salvaged\": %s", result_names[r->result], r->salvaged ? "true" : "false");
  if (d->where.b.len != 0) {
    gs_buf_puts(&out, ", \"file\": ");
    put_text(&out, gs_buf_bytes(&d->where));
  }
  if (r->why != NULL) {
    gs_buf_puts(&out, ", \"why\": ");
    put_text(&out, (gesso_bytes){ (const uint8_t *)r->why, strlen(r->why) });
  }
  gs_buf_printf(&out, ", \"updates\": %llu, \"bytes\": %llu, \"structs\": %llu, \"pending\": %llu", (unsigned long long)d->updates,
                (unsigned long long)r->bytes, (unsigned long long)r->stats.structs, (unsigned long long)r->stats.pending_structs);
  gs_buf_puts(&out, ", \"state_vector\": ");
  if (r->vector.b.len != 0)
    gs_buf_write(&out, r->vector.b.data, r->vector.b.len);
  else
    gs_buf_puts(&out, "null");
  gs_buf_puts(&out, ", \"damage\": ");
  put_lines(&out, &d->damage);
  gs_buf_puts(&out, ", \"notes\": ");
  put_lines(&out, &d->notes);
  gs_buf_puts(&out, "}\n");
  bool ok = out.err == GESSO_OK && r->vector.err == GESSO_OK;
  if (ok)
    (void)fwrite(out.b.data, 1, out.b.len, stdout);
  gs_buf_finish(&out);
  return ok;
}

static void print_lines(const gs_buf *text)
{
  for (size_t at = 0; at < text->b.len;) {
    const uint8_t *line = text->b.data + at, *end = memchr(line, '\n', text->b.len - at);
    size_t n = end == NULL ? text->b.len - at : (size_t)(end - line);
    printf("           %.*s\n", (int)n, (const char *)line);
    at += n + 1;
  }
}

static void tell(importer *im, const gs_port_doc *d, const report *r)
{
  im->progress.counts[r->result]++;
  bool fine = r->result <= GS_IMPORT_SAME;
  if (im->json) {
    if (!tell_json(d, r)) {
      fprintf(stderr, "%s: out of memory: a document was not told\n", who);
      im->untold = true;
    }
    return;
  }
  if (im->quiet && fine && d->notes.b.len == 0)
    return;
  clear_bar(im);
  printf("%-8s  ", result_names[r->result]);
  gs_cli_print_name(gs_buf_bytes(&r->board));
  if (d->where.b.len != 0) {
    fputs(" (", stdout);
    gs_cli_print_name(gs_buf_bytes(&d->where));
    putchar(')');
  }
  if (fine || r->salvaged)
    printf(": %llu bytes, %llu structs of %llu clients", (unsigned long long)r->bytes, (unsigned long long)r->stats.structs,
           (unsigned long long)r->stats.clients);
  if (r->why != NULL)
    printf("%s %s", fine || r->salvaged ? ";" : ":", r->why);
  putchar('\n');
  if (r->stats.pending_structs != 0)
    printf("           %llu structs wait for updates that are not there, and go on waiting\n",
           (unsigned long long)r->stats.pending_structs);
  print_lines(&d->damage);
  print_lines(&d->notes);
}

/* ---- boards ------------------------------------------------------------------------------------ */

typedef struct board_answer {
  gs_answer a;
  gesso_load_result found;
  gesso_doc *doc;
} board_answer;

static void loaded(void *ctx, gesso_board_load *load)
{
  board_answer *b = ctx;
  b->found = load->result;
  b->doc = gesso_board_load_take_doc(load);
  gs_answer_set(&b->a, load->status, load->message);
}

/* The store keeps what it cannot write, and tries again for ever. A tool gives up: the disk is full, or broken. */
static void on_event(void *ctx, const gesso_persistence_event *event)
{
  importer *im = ctx;
  if (event->kind == GESSO_EVENT_WRITES_FAIL && im->write_status == GESSO_OK)
    im->write_status = event->status;
}

static void load_board(importer *im, gesso_bytes name, board_answer *b)
{
  *b = (board_answer){ .found = GESSO_LOAD_NEVER_EXISTED };
  if (im->p == NULL)
    return;
  b->found = GESSO_LOAD_UNREADABLE; /* until it is told otherwise */
  gesso_status s = gesso_board_persistence_load(im->p, name, loaded, b);
  while (s == GESSO_OK && !b->a.done && im->write_status == GESSO_OK)
    (void)gesso_persistence_wait(im->p, -1);
  /* When it gave up, the call still points at `b`: nothing is dispatched any more. */
}

/* Does the document have all of it, what waits included? It is changed if not. */
static gesso_status contains(gesso_doc *doc, gesso_bytes update, bool *out)
{
  gesso_doc_stats before, after;
  gesso_buffer news = { 0 };
  gesso_doc_get_stats(doc, &before);
  gesso_doc_begin(doc);
  gesso_status s = gesso_doc_apply_v1(doc, update, NULL);
  gesso_status t = gesso_doc_commit(doc, &news);
  gesso_doc_get_stats(doc, &after);
  *out = news.len == 0 && before.pending_structs == after.pending_structs &&
         before.pending_delete_ranges == after.pending_delete_ranges;
  gesso_buffer_free(&news);
  return s != GESSO_OK ? s : t;
}

typedef struct written {
  importer *im;
  uint64_t bytes;
} written;

static void on_done(void *ctx, gesso_status s)
{
  written *w = ctx;
  w->im->calls--;
  w->im->in_flight -= w->bytes;
  if (s != GESSO_OK && w->im->write_status == GESSO_OK)
    w->im->write_status = s;
  free(w);
}

static gesso_status settle(importer *im, uint64_t bytes_max, uint64_t calls_max)
{
  while (im->p != NULL && im->write_status == GESSO_OK && (im->in_flight > bytes_max || im->calls > calls_max))
    (void)gesso_persistence_wait(im->p, -1);
  return im->write_status;
}

static written *expect_done(importer *im, uint64_t bytes)
{
  written *w = malloc(sizeof *w);
  if (w != NULL)
    *w = (written){ im, bytes };
  return w;
}

static gesso_status took(importer *im, written *w, gesso_status accepted)
{
  if (accepted != GESSO_OK) {
    free(w);
    return accepted;
  }
  im->calls++;
  im->in_flight += w->bytes;
  return GESSO_OK;
}

/* Hands it to the store, and asks for the fold, which is not waited for. */
static gesso_status store_update(importer *im, gesso_bytes board, gesso_bytes update)
{
  gesso_status s = settle(im, IN_FLIGHT_MAX, 200);
  written *w = expect_done(im, update.len), *saved = expect_done(im, 0);
  if (w == NULL || saved == NULL) {
    free(w);
    free(saved);
    return GESSO_E_NOMEM;
  }
  if (s == GESSO_OK)
    s = took(im, w, gesso_board_persistence_append(im->p, board, 0, update, GESSO_APPEND_TRUSTED, NULL, on_done, w));
  else
    free(w);
  if (s == GESSO_OK)
    return took(im, saved, gesso_board_persistence_save(im->p, board, on_done, saved));
  free(saved);
  return s;
}

static gesso_status create_empty(importer *im, gesso_bytes board)
{
  written *w = expect_done(im, 0);
  return w == NULL ? GESSO_E_NOMEM : took(im, w, gesso_board_persistence_create(im->p, board, on_done, w));
}

/* What was stored is read back: it must have everything, and a new board nothing else. */
static const char *verify(importer *im, gesso_bytes board, bool is_new, gesso_bytes update, gesso_doc *source)
{
  board_answer b;
  bool has = false;
  load_board(im, board, &b);
  if (b.found != GESSO_LOAD_FOUND || b.doc == NULL)
    return "it was stored and cannot be read back";
  gesso_buffer mine = { 0 }, theirs = { 0 };
  bool same = true;
  if (is_new && gesso_doc_state_vector(source, &mine) == GESSO_OK && gesso_doc_state_vector(b.doc, &theirs) == GESSO_OK)
    same = mine.len == theirs.len && memcmp(mine.data, theirs.data, mine.len) == 0;
  gesso_status s = contains(b.doc, update, &has);
  gesso_buffer_free(&mine);
  gesso_buffer_free(&theirs);
  gesso_doc_destroy(b.doc);
  if (s != GESSO_OK)
    return gesso_status_text(s);
  return !has ? "it was stored, and the board does not have all of it"
         : !same ? "it was stored, and the state vectors differ" : NULL;
}

/* ---- drawings ---------------------------------------------------------------------------------- */

static bool put_image(void *ctx, gesso_bytes image, char hash[65])
{
  importer *im = ctx;
  return gs_image_file_put(im->dry_run ? NULL : im->folder, image, hash) == GESSO_OK;
}

/* Makes the document of a drawing: of the shapes that the board does not have. */
static void read_drawing(importer *im, gs_port_doc *d, gesso_bytes name, gesso_doc *board)
{
  gs_drawing_images images = { put_image, NULL, im };
  gs_drawing_counts c;
  gesso_error error = { 0 };
  char line[200];
  d->doc = gesso_doc_create(NULL);
  gesso_status s = d->doc == NULL ? GESSO_E_NOMEM
                                  : gs_drawing_read(gs_buf_bytes(&d->drawing), board, d->doc, &images, &c, &error);
  if (s != GESSO_OK) {
    (void)snprintf(line, sizeof line, "byte %zu: %s\n", error.offset, error.message != NULL ? error.message : gesso_status_text(s));
    gs_buf_puts(&d->damage, line);
    d->damaged = true;
    return;
  }
  const struct {
    uint64_t n;
    const char *what;
    bool damage;
  } lines[] = {
    { c.there, "shapes are there already and stay as the board has them", false },
    { c.deleted, "deleted shapes are left out", false },
    { c.refused, "shapes are left out: the page could not show them", true },
    { c.images_missing, "images are missing in the file, or are none that the page shows", true },
  };
  for (size_t i = 0; i < GS_COUNT(lines); i++) {
    if (lines[i].n == 0)
      continue;
    (void)snprintf(line, sizeof line, "%llu %s\n", (unsigned long long)lines[i].n, lines[i].what);
    gs_buf_puts(lines[i].damage ? &d->damage : &d->notes, line);
    d->damaged |= lines[i].damage;
  }
  if (board == NULL) {
    gesso_type meta = gesso_doc_root(d->doc, (gesso_bytes){ (const uint8_t *)"meta", 4 }, GESSO_MAP);
    if (meta == 0 || gesso_map_set(d->doc, meta, (gesso_bytes){ (const uint8_t *)"title", 5 },
                                   (gesso_value){ .kind = GESSO_VALUE_STRING, .bytes = name }, NULL) != GESSO_OK) {
      gs_buf_puts(&d->damage, "out of memory\n");
      d->damaged = true;
    }
  }
  d->updates = 1;
  d->bytes = d->drawing.b.len;
}

/* ---- one document ------------------------------------------------------------------------------ */

static const char *bad_name(gesso_bytes name)
{
  if (name.len == 0)
    return "it has no name";
  if (name.len > GESSO_BOARD_NAME_MAX)
    return "its name is longer than 512 bytes";
  if (gs_utf8_invalid_at(name) != name.len)
    return "its name is no UTF-8";
  return memchr(name.data, 0, name.len) != NULL ? "there is a NUL in its name" : NULL;
}

static void give_up(report *r, gs_import_result result, const char *why)
{
  r->result = result;
  r->why = why;
}

/* What the source has is in d->doc. Compares with the board, stores, compares again. False: the store failed, and
 * there is no going on. */
static bool store_document(importer *im, gs_port_doc *d, report *r, board_answer *b)
{
  gesso_bytes board = gs_buf_bytes(&r->board);
  gesso_buffer update = { 0 }, vector = { 0 };
  bool has = false, is_new = b->found == GESSO_LOAD_NEVER_EXISTED, ok = true;
  gesso_doc_get_stats(d->doc, &r->stats);
  gesso_status s = gesso_doc_encode_v1(d->doc, (gesso_bytes){ NULL, 0 }, &update, NULL);
  if (s == GESSO_OK)
    s = gesso_doc_state_vector_json(d->doc, &vector);
  if (s == GESSO_OK)
    gs_buf_write(&r->vector, vector.data, vector.len);
  gesso_buffer_free(&vector);
  r->bytes = update.len;
  gesso_bytes bytes = { update.data, update.len };
  bool empty = update.len == 2;
  if (s == GESSO_OK && b->doc != NULL)
    s = contains(b->doc, bytes, &has);
  gesso_doc_destroy(b->doc);
  b->doc = NULL;
  r->result = is_new ? GS_IMPORT_NEW : has ? GS_IMPORT_SAME : GS_IMPORT_MERGED;
  r->why = is_new ? NULL : has ? "the board has all of it" : "merged into the board that was there";
  if (s == GESSO_OK && !im->dry_run && !has) {
    s = empty ? create_empty(im, board) : store_update(im, board, bytes);
    const char *why = s != GESSO_OK || empty ? NULL : verify(im, board, is_new, bytes, d->doc);
    if (why != NULL)
      give_up(r, GS_IMPORT_DAMAGED, why);
  }
  if (s != GESSO_OK) {
    give_up(r, GS_IMPORT_DAMAGED, gesso_status_text(s));
    ok = s == GESSO_E_NOMEM || s == GESSO_E_LIMIT;
  }
  gesso_buffer_free(&update);
  return ok;
}

static bool import_one(importer *im, gs_port_doc *d, report *r)
{
  board_answer b = { 0 };
  gesso_bytes board = gs_buf_bytes(&r->board);
  const char *wrong = r->board.err != GESSO_OK ? "out of memory" : bad_name(board);
  if (wrong != NULL) {
    give_up(r, GS_IMPORT_SKIPPED, wrong);
    return true;
  }
  load_board(im, board, &b);
  if (d->drawing.b.len != 0 && b.found != GESSO_LOAD_DELETED && b.found != GESSO_LOAD_UNREADABLE)
    read_drawing(im, d, gs_buf_bytes(&r->board), b.doc);
  bool ok = true;
  if (b.found == GESSO_LOAD_DELETED)
    give_up(r, GS_IMPORT_SKIPPED, "a board of that name was deleted here; --prefix gives it another name");
  else if (b.found == GESSO_LOAD_UNREADABLE)
    give_up(r, GS_IMPORT_SKIPPED, "the board of that name cannot be read here; 'gesso check' tells why");
  else if (d->doc == NULL || (d->damaged && !im->salvage))
    give_up(r, GS_IMPORT_DAMAGED, d->doc == NULL ? "nothing of it can be read" : "left out; --salvage takes what can be read");
  else
    ok = store_document(im, d, r, &b);
  gesso_doc_destroy(b.doc);
  if (im->write_status != GESSO_OK) {
    give_up(r, GS_IMPORT_SKIPPED, "it could not be written");
    return false;
  }
  if (d->damaged && r->result <= GS_IMPORT_SAME) {
    r->salvaged = true;
    give_up(r, GS_IMPORT_DAMAGED, im->dry_run ? "what can be read would be imported" : "what can be read was imported");
  }
  return ok;
}

/* ---- all of them ------------------------------------------------------------------------------- */

/* Notes how far it came, once all of that is on the disk. */
static void note_progress(importer *im, bool now)
{
  uint64_t t = gs_clock_mono_ms(NULL);
  if (im->dry_run || (!now && im->since_noted < NOTED_EVERY && t < im->noted_ms + NOTED_MS))
    return;
  if (settle(im, 0, 0) == GESSO_OK && im->progress.last.err == GESSO_OK)
    (void)gs_import_progress_save(who, im->folder, &im->progress);
  im->noted_ms = gs_clock_mono_ms(NULL);
  im->since_noted = 0;
}

/* Everything up to the last document of the interrupted import is passed over. */
static bool pass_over(importer *im, gs_port_doc *d)
{
  gs_buf *last = &im->progress.last;
  if (last->b.len == 0)
    return true;
  for (;;) {
    gesso_status s = gs_port_next(im->from, d);
    if (s != GESSO_OK) {
      fprintf(stderr, "%s: %s: %s\n", who, im->source,
              s == GESSO_E_NOTFOUND ? "where the import was interrupted is not found in it any more; run it without --resume"
                                    : gs_port_why(im->from));
      return false;
    }
    im->passed++;
    show_bar(im);
    if (d->name.b.len == last->b.len && memcmp(d->name.b.data, last->b.data, last->b.len) == 0)
      return true;
  }
}

static int run_all(importer *im, gs_port_doc *d)
{
  bool ok = true, failed = false;
  if (!pass_over(im, d))
    return GS_EXIT_FAILED;
  im->noted_ms = gs_clock_mono_ms(NULL);
  while (ok && !interrupted) {
    gesso_status s = gs_port_next(im->from, d);
    if (s == GESSO_E_NOTFOUND)
      break;
    if (s != GESSO_OK) {
      clear_bar(im);
      fprintf(stderr, "%s: %s: it cannot be read to its end: %s\n", who, im->source, gs_port_why(im->from));
      failed = true;
      break;
    }
    report r = { .board = gs_buf_make(NULL), .vector = gs_buf_make(NULL) };
    size_t slash = im->strip_slash && d->name.b.len > 1 && d->name.b.data[0] == '/';
    if (im->prefix != NULL)
      gs_buf_puts(&r.board, im->prefix);
    if (im->name != NULL && im->documents == 0)
      gs_buf_puts(&r.board, im->name);
    else
      gs_buf_write(&r.board, d->name.b.data + slash, d->name.b.len - slash);
    gs_port_read(im->from, d);
    ok = import_one(im, d, &r);
    im->documents++;
    im->bytes += d->bytes;
    im->since_noted++;
    tell(im, d, &r);
    gs_buf_finish(&r.board);
    gs_buf_finish(&r.vector);
    if (ok) {
      gs_buf_clear(&im->progress.last);
      gs_buf_write(&im->progress.last, d->name.b.data, d->name.b.len);
      note_progress(im, false);
    }
    show_bar(im);
  }
  clear_bar(im);
  if (settle(im, 0, 0) != GESSO_OK) {
    fprintf(stderr, "%s: %s: not everything could be written: %s\n", who, im->folder, gesso_status_text(im->write_status));
    ok = false;
  }
  bool whole = ok && !failed && !interrupted;
  if (!im->dry_run && whole)
    gs_import_progress_remove(im->folder);
  else if (!im->dry_run && im->progress.last.b.len != 0 && im->write_status == GESSO_OK)
    note_progress(im, true);
  if (!whole && !im->dry_run)
    fprintf(stderr, "%s: it did not come to its end; --resume goes on from here\n", who);
  return whole ? GS_EXIT_OK : GS_EXIT_FAILED;
}

static void summarise(const importer *im, int *exit_status)
{
  const uint64_t *n = im->progress.counts;
  if (n[GS_IMPORT_SKIPPED] + n[GS_IMPORT_DAMAGED] != 0 || im->untold)
    *exit_status = GS_EXIT_FAILED;
  if (im->json) {
    printf("{\"dry_run\": %s, \"source\": \"%s\", \"passed\": %llu", im->dry_run ? "true" : "false", gs_port_kind(im->from),
           (unsigned long long)im->passed);
    for (int i = 0; i < GS_IMPORT_RESULTS; i++)
      printf(", \"%s\": %llu", result_names[i], (unsigned long long)n[i]);
    puts("}");
    return;
  }
  printf("%s%s is %s: %llu new boards, %llu merged, %llu unchanged, %llu skipped, %llu damaged.", im->dry_run ? "Dry run. " : "",
         im->source, gs_port_kind(im->from), (unsigned long long)n[GS_IMPORT_NEW], (unsigned long long)n[GS_IMPORT_MERGED],
         (unsigned long long)n[GS_IMPORT_SAME], (unsigned long long)n[GS_IMPORT_SKIPPED],
         (unsigned long long)n[GS_IMPORT_DAMAGED]);
  if (im->passed != 0)
    printf(" %llu were passed over, as they are done since the interrupted import.", (unsigned long long)im->passed);
  putchar('\n');
}

/* The counts and the place of an interrupted import of the same source. */
static bool begin_progress(importer *im)
{
  char full[PATH_MAX];
  gs_import_progress old;
  gs_import_progress_init(&old);
  gs_import_progress_init(&im->progress);
  gs_buf_puts(&im->progress.source, realpath(im->source, full) != NULL ? full : im->source);
  bool there = gs_import_progress_load(im->folder, &old);
  bool same = there && old.source.b.len == im->progress.source.b.len &&
              memcmp(old.source.b.data, im->progress.source.b.data, old.source.b.len) == 0;
  bool ok = true;
  if (im->resume && there && !same) {
    fprintf(stderr, "%s: %s: what was interrupted here is an import of %.*s\n", who, im->folder, (int)old.source.b.len,
            (const char *)old.source.b.data);
    ok = false;
  } else if (im->resume && same) {
    gs_import_progress_finish(&im->progress);
    im->progress = old;
    return true;
  } else if (im->resume) {
    fprintf(stderr, "%s: %s: no import was interrupted here; it begins at the start\n", who, im->folder);
  }
  gs_import_progress_finish(&old);
  return ok;
}

static int run(importer *im)
{
  gs_buf why = gs_buf_make(NULL);
  gs_port_options options = { .format = im->format };
  gesso_status s = gs_port_open(im->source, &options, &im->from, &why);
  if (s != GESSO_OK)
    fprintf(stderr, "%s: %s: %s\n", who, im->source, why.b.data != NULL ? (const char *)why.b.data : gesso_status_text(s));
  gs_buf_finish(&why);
  if (s != GESSO_OK)
    return GS_EXIT_FAILED;
  int exit_status = GS_EXIT_FAILED;
  if (im->name != NULL && !gs_port_is_single(im->from)) {
    fprintf(stderr, "%s: --name is for one document; %s is %s. --prefix goes in front of every name\n", who, im->source,
            gs_port_kind(im->from));
    exit_status = GS_EXIT_USAGE;
    goto out;
  }
  if (!im->dry_run || access(im->folder, F_OK) == 0) {
    im->p = gs_cli_open(who, im->folder, im->dry_run ? GS_CLI_READS : GS_CLI_MAKES);
    if (im->p == NULL)
      goto out;
    gesso_persistence_on_event(im->p, on_event, im);
  }
  if (!begin_progress(im))
    goto out;
  if (gs_port_remark(im->from)[0] != '\0' && !im->json)
    printf("%s\n", gs_port_remark(im->from));
  struct sigaction act = { .sa_handler = on_signal };
  (void)sigaction(SIGINT, &act, NULL);
  (void)sigaction(SIGTERM, &act, NULL);
  gs_port_doc d;
  gs_port_doc_init(&d);
  exit_status = run_all(im, &d);
  gs_port_doc_finish(&d);
  summarise(im, &exit_status);
out:
  gs_port_close(im->from);
  gesso_persistence_destroy(im->p);
  gs_import_progress_finish(&im->progress);
  if (fflush(stdout) != 0) {
    fprintf(stderr, "%s: the report could not be written: %s\n", who, strerror(errno));
    exit_status = GS_EXIT_FAILED;
  }
  return exit_status;
}

/* ---- command line ------------------------------------------------------------------------------ */

static error_t parse(int key, char *arg, struct argp_state *state)
{
  importer *im = state->input;
  switch (key) {
  case OPT_DRY_RUN:
    im->dry_run = true;
    return 0;
  case OPT_RESUME:
    im->resume = true;
    return 0;
  case OPT_FROM:
    im->format = gs_port_format_of(arg);
    if (im->format == GS_PORT_FORMATS)
      argp_error(state, "--from takes v1, v2, folder, hocuspocus, pycrdt, pycrdt-file, y-sweet, y-leveldb or excalidraw, not '%s'",
                 arg);
    return 0;
  case OPT_NAME:
    im->name = arg;
    return 0;
  case OPT_PREFIX:
    im->prefix = arg;
    return 0;
  case OPT_STRIP_SLASH:
    im->strip_slash = true;
    return 0;
  case OPT_SALVAGE:
    im->salvage = true;
    return 0;
  case OPT_JSON:
    im->json = true;
    return 0;
  case 'q':
    im->quiet = true;
    return 0;
  case ARGP_KEY_ARG:
    if (im->arg_count == 2)
      argp_error(state, "'%s' is one argument too many", arg);
    *(im->arg_count++ == 0 ? &im->source : &im->folder) = arg;
    return 0;
  case ARGP_KEY_END:
    if (im->arg_count < 2)
      argp_error(state, "it wants SOURCE and DIR: what to read, and the data folder");
    return 0;
  default:
    return ARGP_ERR_UNKNOWN;
  }
}

int gs_cli_import(int argc, char **argv)
{
  static const struct argp_option options[] = {
    { "dry-run", OPT_DRY_RUN, NULL, 0, "Read and compare everything, and write nothing", 0 },
    { "resume", OPT_RESUME, NULL, 0, "Go on where an import of SOURCE into DIR was interrupted", 0 },
    { "from", OPT_FROM, "FORMAT", 0,
      "v1, v2, folder, hocuspocus, pycrdt, pycrdt-file, y-sweet, y-leveldb or excalidraw, where it is not to be found out", 0 },
    { "name", OPT_NAME, "BOARD", 0, "Name of the board, for a SOURCE of one document", 0 },
    { "prefix", OPT_PREFIX, "TEXT", 0, "Put TEXT in front of every name", 0 },
    { "strip-slash", OPT_STRIP_SLASH, NULL, 0, "Take one leading slash off every name: rooms of pycrdt-websocket have one", 0 },
    { "salvage", OPT_SALVAGE, NULL, 0, "Import of damaged documents what can be read", 0 },
    { "json", OPT_JSON, NULL, 0, "Print JSON: one line a document, then one with the sum", 0 },
    { "quiet", 'q', NULL, 0, "No line for what went well, and nothing that shows how far it is", 0 },
    { 0 },
  };
  importer im = { 0 };
  struct argp argp = { options, parse, "SOURCE DIR",
                       "Import documents that another server stored into the data folder DIR."
                       "\vSOURCE: a Hocuspocus database, a database or file of pycrdt-store, a data.ysweet, a y-leveldb folder, "
                       "an .excalidraw drawing, a file with a Yjs update (v1, v2 or compressed), or a folder of such things. "
                       "Documents merge into boards of their name, nothing that is there is overwritten, and a second run "
                       "changes nothing. Every document is verified by its state vector before and after it is stored; what "
                       "is damaged is told and left out. The exit status is 0 when everything was imported, 1 otherwise. "
                       "Nobody may have DIR open, unless it is a dry run.",
                       NULL, NULL, NULL };
  argp_err_exit_status = GS_EXIT_USAGE;
  if (argp_parse(&argp, argc, argv, 0, NULL, &im) != 0)
    return GS_EXIT_USAGE;
  im.bar = !im.quiet && isatty(STDERR_FILENO);
  return run(&im);
}
