/* Being told what changed: the delta of a text, the keys of a map, and the update to send on. */
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

static void on_change(void *ctx, gesso_doc *doc, const gesso_event *e)
{
  (void)ctx;
  (void)doc;
  for (size_t i = 0; i < e->delta_length; i++) {
    const gesso_change *c = &e->delta[i];
    const char *what = c->kind == GESSO_CHANGE_INSERT ? "insert" : c->kind == GESSO_CHANGE_DELETE ? "delete" : "retain";
    printf("%s %llu", what, (unsigned long long)c->length);
    if (c->kind == GESSO_CHANGE_INSERT)
      printf(" \"%.*s\"", (int)c->values[0].bytes.len, (const char *)c->values[0].bytes.data);
    printf("\n");
  }
  for (size_t i = 0; i < e->keys_length; i++)
    printf("key %.*s %s\n", (int)e->keys[i].key.len, (const char *)e->keys[i].key.data,
           e->keys[i].action == GESSO_KEY_ADD ? "added" : e->keys[i].action == GESSO_KEY_UPDATE ? "updated" : "removed");
}

static void on_update(void *ctx, gesso_doc *doc, gesso_bytes update, gesso_bytes origin, int local)
{
  (void)ctx;
  (void)doc;
  printf("an update for the others, %s, origin %.*s\n", update.len > 0 && local ? "local" : "from elsewhere",
         (int)origin.len, (const char *)origin.data);
}

int main(void)
{
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_type text = gesso_doc_root(doc, STR("text"), GESSO_TEXT), map = gesso_doc_root(doc, STR("map"), GESSO_MAP);
  gesso_subscription sub;
  must(gesso_type_observe(doc, text, on_change, NULL, &sub));
  must(gesso_type_observe(doc, map, on_change, NULL, &sub));
  must(gesso_doc_observe_update(doc, 1, on_update, NULL, &sub));
  must(gesso_doc_begin_with(doc, STR("example")));
  must(gesso_text_insert(doc, text, 0, STR("red wine"), NONE));
  must(gesso_text_remove(doc, text, 0, 4));
  must(gesso_map_set(doc, map, STR("age"), (gesso_value){ .kind = GESSO_VALUE_NUMBER, .number = 3 }, NULL));
  must(gesso_doc_commit(doc, NULL));
  gesso_doc_destroy(doc);
  return 0;
}
