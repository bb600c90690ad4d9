/* Taking back what one user did, and not what another one did meanwhile. */
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

static void type_as(gesso_doc *doc, gesso_bytes who, gesso_type text, uint64_t at, gesso_bytes words)
{
  must(gesso_doc_begin_with(doc, who));
  must(gesso_text_insert(doc, text, at, words, NONE));
  must(gesso_doc_commit(doc, NULL));
}

static void show(gesso_doc *doc, gesso_type text, const char *when)
{
  gesso_buffer s;
  must(gesso_text_to_string(doc, text, &s));
  printf("%s: %.*s\n", when, (int)s.len, (const char *)s.data);
  gesso_buffer_free(&s);
}

int main(void)
{
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_type text = gesso_doc_root(doc, STR("text"), GESSO_TEXT);
  gesso_undo *undo = gesso_undo_create(doc, NULL);
  must(gesso_undo_add_scope(undo, text));
  must(gesso_undo_add_origin(undo, STR("ada")));

  type_as(doc, STR("ada"), text, 0, STR("Dear all, "));
  gesso_undo_stop_capturing(undo); /* otherwise what follows within half a second goes with it */
  type_as(doc, STR("ada"), text, 10, STR("no meeting today."));
  type_as(doc, STR("ben"), text, 0, STR("(draft) "));
  show(doc, text, "typed ");

  int changed;
  must(gesso_undo_undo(undo, &changed));
  show(doc, text, "undone");
  must(gesso_undo_redo(undo, &changed));
  show(doc, text, "redone");
  gesso_undo_destroy(undo);
  gesso_doc_destroy(doc);
  return 0;
}
