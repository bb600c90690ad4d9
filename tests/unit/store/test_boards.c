/* The verbs, as an embedder sees them. */
#include "store_fixture.h"

#include <stdio.h>

static int setup(void **state)
{
  store *s = malloc(sizeof *s);
  store_init(s);
  store_open(s);
  *state = s;
  return 0;
}

static int teardown(void **state)
{
  store_finish(*state);
  free(*state);
  return 0;
}

static void put(store *s, const char *board, uint64_t client, const char *key, const char *value)
{
  gesso_buffer u = update_set(client, key, value);
  assert_int_equal(store_append(s, board, (gesso_bytes){ u.data, u.len }), GESSO_OK);
  gesso_buffer_free(&u);
}

static void expect_json(store *s, const char *board, const char *want)
{
  char json[4096];
  store_json(s, board, json);
  assert_string_equal(json, want);
}

static void load_tells_four_things_apart(void **state)
{
  store *s = *state;
  loaded l = store_load(s, "none");
  assert_int_equal(l.result, GESSO_LOAD_NEVER_EXISTED);
  assert_int_equal(l.status, GESSO_E_NOTFOUND);
  assert_int_equal(l.generation, 0);

  put(s, "there", 1, "a", "x");
  l = store_load(s, "there");
  assert_int_equal(l.result, GESSO_LOAD_FOUND);
  assert_int_not_equal(l.generation, 0);
  assert_int_equal(l.update_count, 1);
  gesso_doc_destroy(l.doc);

  assert_int_equal(store_delete(s, "there", 0), GESSO_OK);
  l = store_load(s, "there");
  assert_int_equal(l.result, GESSO_LOAD_DELETED);

  put(s, "hurt", 1, "a", "x");
  assert_int_equal(store_save(s, "hurt"), GESSO_OK);
  (void)store_close(s);
  store_sql(s, "UPDATE board_states SET state = zeroblob(length(state)) WHERE board_id = 'hurt'");
  store_open(s);
  l = store_load(s, "hurt");
  assert_int_equal(l.result, GESSO_LOAD_UNREADABLE);
  assert_int_equal(l.status, GESSO_E_CORRUPT);
  assert_null(l.doc);
}

static void load_makes_no_board(void **state)
{
  store *s = *state;
  gesso_board_info info;
  (void)store_load(s, "ghost");
  assert_int_equal(store_show(s, "ghost", &info), GESSO_E_NOTFOUND);
}

static void load_follows_an_append_that_is_still_on_its_way(void **state)
{
  store *s = *state;
  gesso_buffer u = update_set(1, "a", "x");
  atomic_store(&s->disk.hold_syncs, true);
  bool synced = false;
  assert_int_equal(gesso_board_persistence_append(s->p, text("b"), 0, (gesso_bytes){ u.data, u.len }, 0, NULL,
                                                  set_flag, &synced),
                   GESSO_OK);
  expect_json(s, "b", "{\"a\":\"x\"}");
  assert_false(synced);
  atomic_store(&s->disk.hold_syncs, false);
  store_wait_for(s, &synced);
  gesso_buffer_free(&u);
}

static void updates_come_back_after_reopening_and_after_a_save(void **state)
{
  store *s = *state;
  put(s, "b", 1, "a", "1");
  put(s, "b", 2, "b", "2");
  (void)store_close(s);
  store_open(s);
  loaded l = store_load(s, "b");
  assert_int_equal(l.update_count, 2);
  assert_int_equal(l.state_len, 0);
  gesso_doc_destroy(l.doc);

  assert_int_equal(store_save(s, "b"), GESSO_OK);
  l = store_load(s, "b");
  assert_int_equal(l.update_count, 0);
  assert_true(l.state_len > 0);
  gesso_doc_destroy(l.doc);
  put(s, "b", 3, "c", "3");
  (void)store_close(s);
  store_open(s);
  l = store_load(s, "b");
  assert_int_equal(l.update_count, 1);
  gesso_doc_destroy(l.doc);
  char json[4096];
  store_json(s, "b", json);
  assert_non_null(strstr(json, "\"a\":\"1\""));
  assert_non_null(strstr(json, "\"b\":\"2\""));
  assert_non_null(strstr(json, "\"c\":\"3\""));
}

static void no_id_is_given_twice_even_when_the_journal_is_empty(void **state)
{
  store *s = *state;
  put(s, "b", 1, "a", "1");
  put(s, "b", 2, "b", "2");
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  (void)store_close(s);
  /* All that the journal held is folded; nothing but `upto` remembers the ids. */
  store_sql(s, "DELETE FROM journal");
  int64_t upto = store_sql_int(s, "SELECT upto FROM board_states");
  assert_true(upto >= 2);
  store_open(s);
  put(s, "b", 3, "c", "3");
  (void)store_close(s);
  assert_true(store_sql_int(s, "SELECT min(id) FROM journal") > upto);
  store_open(s);
  char json[4096];
  store_json(s, "b", json);
  assert_non_null(strstr(json, "\"c\":\"3\""));
}

static void one_group_writes_the_updates_of_a_board_as_one_row(void **state)
{
  store *s = *state;
  put(s, "warm", 9, "a", "x");
  gesso_board_info info;
  bool done[20] = { false };
  for (int i = 0; i < 20; i++) {
    char key[8];
    (void)snprintf(key, sizeof key, "k%d", i);
    gesso_buffer u = update_set((uint64_t)i + 1, key, "v");
    assert_int_equal(gesso_board_persistence_append(s->p, text("b"), 0, (gesso_bytes){ u.data, u.len },
                                                    GESSO_APPEND_TRUSTED, NULL, set_flag, &done[i]),
                     GESSO_OK);
    gesso_buffer_free(&u);
  }
  for (int i = 0; i < 20; i++)
    store_wait_for(s, &done[i]);
  assert_int_equal(store_show(s, "b", &info), GESSO_OK);
  assert_true(info.journal_updates < 20);
  loaded l = store_load(s, "b");
  assert_int_equal(l.update_count, 20);
  gesso_doc_destroy(l.doc);
}

typedef struct order {
  char seen[8];
} order;

static void mark_written(void *ctx, gesso_status status)
{
  assert_int_equal(status, GESSO_OK);
  strcat(((order *)ctx)->seen, "w");
}

static void mark_synced(void *ctx, gesso_status status)
{
  assert_int_equal(status, GESSO_OK);
  strcat(((order *)ctx)->seen, "s");
}

static void written_comes_before_synced_and_does_not_wait_for_it(void **state)
{
  store *s = *state;
  put(s, "b", 1, "a", "1");
  gesso_buffer u = update_set(2, "b", "2");
  atomic_store(&s->disk.hold_syncs, true);
  order o = { "" };
  assert_int_equal(gesso_board_persistence_append(s->p, text("b"), 0, (gesso_bytes){ u.data, u.len }, 0, mark_written,
                                                  mark_synced, &o),
                   GESSO_OK);
  while (o.seen[0] == '\0')
    (void)gesso_persistence_wait(s->p, -1);
  assert_string_equal(o.seen, "w");
  atomic_store(&s->disk.hold_syncs, false);
  while (o.seen[1] == '\0')
    (void)gesso_persistence_wait(s->p, -1);
  assert_string_equal(o.seen, "ws");
  gesso_buffer_free(&u);
}

static void set_status(void *ctx, gesso_status status)
{
  *(gesso_status *)ctx = status;
}

static void delete_beats_a_pending_save(void **state)
{
  store *s = *state;
  put(s, "b", 1, "a", "1");
  put(s, "c", 1, "a", "1");
  gesso_status saved = GESSO_OK;
  bool done[3] = { false };
  assert_int_equal(gesso_board_persistence_save_debounced(s->p, text("b"), set_status, &saved), GESSO_OK);
  assert_int_equal(gesso_board_persistence_delete(s->p, text("b"), 0, set_flag, &done[0]), GESSO_OK);
  assert_int_equal(gesso_board_persistence_save(s->p, text("c"), set_flag, &done[1]), GESSO_OK); /* may win or not */
  assert_int_equal(gesso_board_persistence_delete(s->p, text("c"), 0, set_flag, &done[2]), GESSO_OK);
  for (int i = 0; i < 3; i++)
    store_wait_for(s, &done[i]);
  assert_int_equal(saved, GESSO_E_DELETED);
  assert_int_equal(store_load(s, "c").result, GESSO_LOAD_DELETED);
  assert_int_equal(store_load(s, "b").result, GESSO_LOAD_DELETED);
  gesso_buffer u = update_set(2, "b", "2");
  assert_int_equal(store_append(s, "b", (gesso_bytes){ u.data, u.len }), GESSO_E_DELETED);
  assert_int_equal(store_save(s, "b"), GESSO_E_DELETED);
  (void)store_close(s);
  store_open(s);
  assert_int_equal(store_load(s, "b").result, GESSO_LOAD_DELETED);
  assert_int_equal(store_append(s, "b", (gesso_bytes){ u.data, u.len }), GESSO_E_DELETED);
  gesso_buffer_free(&u);
}

static void undelete_brings_state_and_journal_back(void **state)
{
  store *s = *state;
  put(s, "b", 1, "a", "1");
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  put(s, "b", 2, "b", "2");
  loaded l = store_load(s, "b");
  uint64_t generation = l.generation;
  gesso_doc_destroy(l.doc);
  assert_int_equal(store_delete(s, "b", 0), GESSO_OK);
  (void)store_close(s);
  store_open(s);
  assert_int_equal(store_undelete(s, "b"), GESSO_OK);
  l = store_load(s, "b");
  assert_int_equal(l.result, GESSO_LOAD_FOUND);
  assert_true(l.generation == generation);
  assert_int_equal(l.update_count, 1);
  assert_true(l.state_len > 0);
  gesso_doc_destroy(l.doc);
}

static void purge_leaves_a_tombstone_and_create_a_new_board(void **state)
{
  store *s = *state;
  gesso_board_info before, after;
  put(s, "b", 1, "a", "1");
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  put(s, "b", 2, "b", "2");
  assert_int_equal(store_show(s, "b", &before), GESSO_OK);
  assert_int_equal(store_delete(s, "b", GESSO_DELETE_PURGE), GESSO_OK);
  assert_int_equal(store_undelete(s, "b"), GESSO_E_DELETED);
  assert_int_equal(store_load(s, "b").result, GESSO_LOAD_DELETED);
  assert_int_equal(store_create(s, "b"), GESSO_OK);
  assert_int_equal(store_show(s, "b", &after), GESSO_OK);
  assert_true(after.number > before.number);
  assert_true(after.generation != before.generation);
  expect_json(s, "b", "{}");
  (void)store_close(s);
  store_open(s);
  expect_json(s, "b", "{}"); /* the journal's old rows are not the new board's */
}

static void an_update_for_the_old_board_does_not_reach_the_new_one(void **state)
{
  store *s = *state;
  put(s, "b", 1, "a", "1");
  loaded l = store_load(s, "b");
  gesso_doc_destroy(l.doc);
  assert_int_equal(store_delete(s, "b", 0), GESSO_OK);
  assert_int_equal(store_create(s, "b"), GESSO_OK);
  gesso_buffer u = update_set(2, "b", "2");
  assert_int_equal(store_append_to(s, "b", l.generation, (gesso_bytes){ u.data, u.len }), GESSO_E_DELETED);
  expect_json(s, "b", "{}");
  gesso_buffer_free(&u);
}

static void delete_and_create_in_one_group_keep_their_order(void **state)
{
  store *s = *state;
  put(s, "b", 1, "old", "1");
  gesso_buffer u = update_set(2, "new", "2"), v = update_set(3, "late", "3");
  bool done[4] = { false };
  assert_int_equal(gesso_board_persistence_append(s->p, text("b"), 0, (gesso_bytes){ v.data, v.len }, 0, NULL,
                                                  set_flag, &done[0]),
                   GESSO_OK);
  assert_int_equal(gesso_board_persistence_delete(s->p, text("b"), 0, set_flag, &done[1]), GESSO_OK);
  assert_int_equal(gesso_board_persistence_create(s->p, text("b"), set_flag, &done[2]), GESSO_OK);
  assert_int_equal(gesso_board_persistence_append(s->p, text("b"), 0, (gesso_bytes){ u.data, u.len }, 0, NULL,
                                                  set_flag, &done[3]),
                   GESSO_OK);
  for (int i = 0; i < 4; i++)
    store_wait_for(s, &done[i]);
  expect_json(s, "b", "{\"new\":\"2\"}");
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  expect_json(s, "b", "{\"new\":\"2\"}");
  (void)store_close(s);
  store_open(s);
  expect_json(s, "b", "{\"new\":\"2\"}");
  gesso_buffer_free(&u);
  gesso_buffer_free(&v);
}

static void bytes_that_are_no_update_are_refused(void **state)
{
  store *s = *state;
  static const uint8_t junk[] = { 0xff, 0xff, 0x00, 0x01 };
  assert_int_not_equal(store_append(s, "b", (gesso_bytes){ junk, sizeof junk }), GESSO_OK);
  assert_int_equal(store_append(s, "b", (gesso_bytes){ NULL, 0 }), GESSO_E_USAGE);
  assert_int_equal(store_load(s, "b").result, GESSO_LOAD_NEVER_EXISTED);
  assert_int_equal(store_stats(s).updates_refused, 2);
}

static void bad_names_are_refused_at_once(void **state)
{
  store *s = *state;
  char longest[GESSO_BOARD_NAME_MAX + 2];
  memset(longest, 'n', sizeof longest);
  longest[GESSO_BOARD_NAME_MAX] = '\0';
  put(s, longest, 1, "a", "1");
  longest[GESSO_BOARD_NAME_MAX] = 'n';
  longest[GESSO_BOARD_NAME_MAX + 1] = '\0';
  assert_int_equal(gesso_board_persistence_save(s->p, text(longest), NULL, NULL), GESSO_E_USAGE);
  assert_int_equal(gesso_board_persistence_save(s->p, text(""), NULL, NULL), GESSO_E_USAGE);
  assert_int_equal(gesso_board_persistence_save(s->p, (gesso_bytes){ (const uint8_t *)"a\0b", 3 }, NULL, NULL),
                   GESSO_E_USAGE);
  assert_int_equal(gesso_board_persistence_save(s->p, text("\xff"), NULL, NULL), GESSO_E_USAGE);
}

typedef struct listed {
  bool done;
  gesso_status status;
  char names[256];
  int more;
} listed;

static void on_list(void *ctx, gesso_status status, const gesso_board_info *const *boards, size_t count, int more)
{
  listed *l = ctx;
  l->done = true;
  l->status = status;
  l->more = more;
  for (size_t i = 0; i < count; i++) {
    strncat(l->names, (const char *)boards[i]->board.data, boards[i]->board.len);
    strcat(l->names, boards[i]->deleted_ms != 0 ? "- " : " ");
  }
}

static void list_goes_page_by_page_in_order_of_names(void **state)
{
  store *s = *state;
  put(s, "b", 1, "a", "1");
  put(s, "a", 1, "a", "1");
  put(s, "c", 1, "a", "1");
  put(s, "d", 1, "a", "1");
  assert_int_equal(store_delete(s, "c", 0), GESSO_OK);
  listed l = { 0 };
  assert_int_equal(gesso_board_persistence_list(s->p, text(""), 2, 0, on_list, &l), GESSO_OK);
  store_wait_for(s, &l.done);
  assert_string_equal(l.names, "a b ");
  assert_int_equal(l.more, 1);
  l = (listed){ 0 };
  assert_int_equal(gesso_board_persistence_list(s->p, text("b"), 2, GESSO_LIST_DELETED, on_list, &l), GESSO_OK);
  store_wait_for(s, &l.done);
  assert_string_equal(l.names, "c- d ");
  assert_int_equal(l.more, 0);
}

static void an_attached_document_is_journalled(void **state)
{
  store *s = *state;
  gesso_doc *doc = gesso_doc_create(NULL);
  assert_int_equal(gesso_board_persistence_attach(s->p, text("b"), 0, doc, NULL, NULL, NULL), GESSO_OK);
  gesso_type m = gesso_doc_root(doc, text("m"), GESSO_MAP);
  gesso_value v = { .kind = GESSO_VALUE_STRING, .bytes = text("1") };
  assert_int_equal(gesso_map_set(doc, m, text("a"), v, NULL), GESSO_OK);
  v.bytes = text("2");
  assert_int_equal(gesso_map_set(doc, m, text("a"), v, NULL), GESSO_OK);
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  v.bytes = text("3");
  assert_int_equal(gesso_map_set(doc, m, text("b"), v, NULL), GESSO_OK);
  assert_int_equal(gesso_board_persistence_detach(s->p, doc), GESSO_OK);
  assert_int_equal(gesso_board_persistence_detach(s->p, doc), GESSO_E_NOTFOUND);
  v.bytes = text("4"); /* no longer attached: not stored */
  assert_int_equal(gesso_map_set(doc, m, text("c"), v, NULL), GESSO_OK);
  gesso_doc_destroy(doc);
  assert_int_equal(store_flush(s), 0);
  char json[4096];
  store_json(s, "b", json);
  assert_non_null(strstr(json, "\"a\":\"2\""));
  assert_non_null(strstr(json, "\"b\":\"3\""));
  assert_null(strstr(json, "\"c\""));
}

static void on_export(void *ctx, gesso_status status, gesso_bytes update, const char *message)
{
  gesso_buffer *out = ctx;
  assert_int_equal(status, GESSO_OK);
  assert_non_null(message);
  out->data = malloc(update.len);
  out->capacity = out->len = update.len;
  memcpy(out->data, update.data, update.len);
}

static void export_holds_state_journal_and_what_is_pending(void **state)
{
  store *s = *state;
  /* The second of two updates of one client waits for the first, which comes last. */
  gesso_doc_options o = { .size = sizeof o, .client_id = 7 };
  gesso_doc *doc = gesso_doc_create(&o);
  gesso_buffer first = { 0 }, second = { 0 }, sv = { 0 };
  gesso_type m = gesso_doc_root(doc, text("m"), GESSO_MAP);
  gesso_value v = { .kind = GESSO_VALUE_STRING, .bytes = text("1") };
  assert_int_equal(gesso_map_set(doc, m, text("a"), v, NULL), GESSO_OK);
  assert_int_equal(gesso_doc_encode_v1(doc, (gesso_bytes){ NULL, 0 }, &first, NULL), GESSO_OK);
  assert_int_equal(gesso_doc_state_vector(doc, &sv), GESSO_OK);
  assert_int_equal(gesso_map_set(doc, m, text("b"), v, NULL), GESSO_OK);
  assert_int_equal(gesso_doc_encode_v1(doc, (gesso_bytes){ sv.data, sv.len }, &second, NULL), GESSO_OK);
  gesso_doc_destroy(doc);

  assert_int_equal(store_append(s, "b", (gesso_bytes){ second.data, second.len }), GESSO_OK);
  assert_int_equal(store_save(s, "b"), GESSO_OK); /* the compacted state must keep what waits */
  expect_json(s, "b", "{}");
  gesso_buffer all = { 0 };
  assert_int_equal(gesso_board_persistence_export(s->p, text("b"), 1, on_export, &all), GESSO_OK);
  while (all.data == NULL)
    (void)gesso_persistence_wait(s->p, -1);
  assert_int_equal(store_append(s, "b", (gesso_bytes){ first.data, first.len }), GESSO_OK);
  char json[4096];
  store_json(s, "b", json);
  assert_non_null(strstr(json, "\"a\":\"1\""));
  assert_non_null(strstr(json, "\"b\":\"1\""));

  doc = gesso_doc_create(NULL);
  gesso_doc_stats st;
  assert_int_equal(gesso_doc_apply_v1(doc, (gesso_bytes){ all.data, all.len }, NULL), GESSO_OK);
  gesso_doc_get_stats(doc, &st);
  assert_int_equal(st.pending_structs, 1);
  gesso_doc_destroy(doc);
  gesso_buffer_free(&all);
  gesso_buffer_free(&first);
  gesso_buffer_free(&second);
  gesso_buffer_free(&sv);
}

/* SQLite takes no value of more than 1e9 bytes: what would grow past that is refused before it is journalled. */
static void a_board_that_could_never_be_folded_again_is_refused_in_time(void **state)
{
  store *s = *state;
  char json[4096];
  gesso_buffer u = update_set(1, "k", "v"), more = update_set(2, "l", "v");
  assert_int_equal(store_append(s, "b", (gesso_bytes){ u.data, u.len }), GESSO_OK);
  assert_int_equal(store_save(s, "b"), GESSO_OK);
  (void)store_close(s);
  store_sql(s, "UPDATE board_states SET len = 999999999"); /* as if it were */
  store_open(s);
  assert_int_equal(store_append(s, "b", (gesso_bytes){ more.data, more.len }), GESSO_E_LIMIT);
  assert_int_equal(store_append(s, "other", (gesso_bytes){ more.data, more.len }), GESSO_OK);
  (void)store_close(s);
  store_sql(s, "UPDATE board_states SET len = NULL");
  store_open(s);
  store_json(s, "b", json);
  assert_string_equal(json, "{\"k\":\"v\"}");
  assert_int_equal(store_append(s, "b", (gesso_bytes){ more.data, more.len }), GESSO_OK);
  gesso_buffer_free(&u);
  gesso_buffer_free(&more);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(load_tells_four_things_apart),
    T(load_makes_no_board),
    T(load_follows_an_append_that_is_still_on_its_way),
    T(updates_come_back_after_reopening_and_after_a_save),
    T(no_id_is_given_twice_even_when_the_journal_is_empty),
    T(one_group_writes_the_updates_of_a_board_as_one_row),
    T(written_comes_before_synced_and_does_not_wait_for_it),
    T(delete_beats_a_pending_save),
    T(undelete_brings_state_and_journal_back),
    T(purge_leaves_a_tombstone_and_create_a_new_board),
    T(an_update_for_the_old_board_does_not_reach_the_new_one),
    T(delete_and_create_in_one_group_keep_their_order),
    T(bytes_that_are_no_update_are_refused),
    T(bad_names_are_refused_at_once),
    T(list_goes_page_by_page_in_order_of_names),
    T(an_attached_document_is_journalled),
    T(export_holds_state_journal_and_what_is_pending),
    T(a_board_that_could_never_be_folded_again_is_refused_in_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
