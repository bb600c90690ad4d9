/* Two documents are edited apart and then exchange what the other one lacks. */
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

/* Over a network, the state vector goes one way and the update comes back. */
static void pull(gesso_doc *to, gesso_doc *from)
{
  gesso_buffer sv, update;
  must(gesso_doc_state_vector(to, &sv));
  must(gesso_doc_encode_v1(from, (gesso_bytes){ sv.data, sv.len }, &update, NULL));
  must(gesso_doc_apply_v1(to, (gesso_bytes){ update.data, update.len }, NULL));
  gesso_buffer_free(&sv);
  gesso_buffer_free(&update);
}

int main(void)
{
  gesso_doc *ada = gesso_doc_create(NULL), *ben = gesso_doc_create(NULL);
  gesso_type text = gesso_doc_root(ada, STR("text"), GESSO_TEXT);
  must(gesso_text_insert(ada, text, 0, STR("Hello world"), NONE));
  pull(ben, ada);

  gesso_type same = gesso_doc_root(ben, STR("text"), GESSO_TEXT);
  must(gesso_text_insert(ben, same, 5, STR(","), NONE));
  must(gesso_text_insert(ada, text, 11, STR("!"), NONE));
  must(gesso_map_set(ada, gesso_doc_root(ada, STR("meta"), GESSO_MAP), STR("title"),
                     (gesso_value){ .kind = GESSO_VALUE_STRING, .bytes = STR("greeting") }, NULL));
  pull(ben, ada);
  pull(ada, ben);

  gesso_buffer a, b;
  must(gesso_text_to_string(ada, text, &a));
  must(gesso_text_to_string(ben, same, &b));
  printf("ada: %.*s\nben: %.*s\n", (int)a.len, (const char *)a.data, (int)b.len, (const char *)b.data);
  gesso_buffer_free(&a);
  gesso_buffer_free(&b);
  gesso_doc_destroy(ada);
  gesso_doc_destroy(ben);
  return 0;
}
