/* A board in SQLite: every run of this program adds a line to it, and shows them all. */
#include <gesso/gesso.h>

#include <stdio.h>
#include <stdlib.h>

#define STR(s) ((gesso_bytes){ (const uint8_t *)(s), sizeof(s) - 1 })
#define NONE ((gesso_bytes){ NULL, 0 })

static void must(gesso_status status)
{
  if (status != GESSO_OK) {
    fprintf(stderr, "%s\n", gesso_status_text(status));
    exit(1);
  }
}

static void on_load(void *ctx, gesso_board_load *load)
{
  if (load->result != GESSO_LOAD_FOUND && load->result != GESSO_LOAD_NEVER_EXISTED) {
    fprintf(stderr, "%s\n", load->message);
    exit(1);
  }
  *(gesso_doc **)ctx = load->result == GESSO_LOAD_FOUND ? gesso_board_load_take_doc(load) : gesso_doc_create(NULL);
}

static void on_closed(void *ctx, uint64_t failed_boards)
{
  *(int *)ctx = failed_boards == 0 ? 1 : -1;
}

int main(int argc, char **argv)
{
  gesso_persistence_options options = { .size = sizeof options, .folder = argc > 1 ? argv[1] : "data" };
  gesso_persistence *p;
  gesso_doc *doc = NULL;
  int closed = 0;
  must(gesso_persistence_open(&options, &p, NULL));
  must(gesso_board_persistence_load(p, STR("notes"), on_load, &doc));
  while (doc == NULL) /* a server would watch gesso_persistence_poll_fd in its event loop */
    (void)gesso_persistence_wait(p, 1000);

  /* From here on every edit is journalled, and what the journal grew by is folded in the background. */
  must(gesso_board_persistence_attach(p, STR("notes"), 0, doc, NULL, NULL, NULL));
  gesso_type text = gesso_doc_root(doc, STR("text"), GESSO_TEXT);
  must(gesso_text_insert(doc, text, gesso_type_length(doc, text), STR("one more line\n"), NONE));
  gesso_buffer s;
  must(gesso_text_to_string(doc, text, &s));
  fwrite(s.data, 1, s.len, stdout);
  gesso_buffer_free(&s);

  must(gesso_board_persistence_detach(p, doc));
  must(gesso_persistence_close(p, on_closed, &closed));
  while (closed == 0)
    (void)gesso_persistence_wait(p, 1000);
  gesso_persistence_destroy(p);
  gesso_doc_destroy(doc);
  return closed == 1 ? 0 : 1;
}
