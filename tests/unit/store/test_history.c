/* Versions of boards: which are made, which stay, what they cost, and the way back. */
#include "store_fixture.h"
#include "store/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MINUTE ((int64_t)60 * 1000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

static version_list versions;

static int setup(void **state)
{
  store *s = malloc(sizeof *s);
  store_init(s);
  s->manual_clock = true;
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

static void put_and_save(store *s, const char *board, uint64_t client, const char *key, const char *value)
{
  put(s, board, client, key, value);
  assert_int_equal(store_save(s, board), GESSO_OK);
}

static void expect_json(store *s, const char *board, const char *want)
{
  char json[4096];
  store_json(s, board, json);
  assert_string_equal(json, want);
}

static void expect_version(store *s, const char *board, uint64_t id, const char *want)
{
  char json[4096];
  assert_int_equal(store_version_json(s, board, id, json), GESSO_OK);
  assert_string_equal(json, want);
}

static void restore(store *s, const char *board, uint64_t id, uint64_t *before)
{
  gesso_buffer update;
  assert_int_equal(store_version_restore(s, board, id, &update, before), GESSO_OK);
  if (update.len != 0)
    assert_int_equal(store_append(s, board, (gesso_bytes){ update.data, update.len }), GESSO_OK);
  gesso_buffer_free(&update);
}

/* --- what is kept --- */

static void the_state_before_a_pause_is_kept(void **state)
{
  store *s = *state;
  put_and_save(s, "b", 1, "k", "one");
  store_advance_ms(s, 60 * 1000);
  put_and_save(s, "b", 2, "k", "two");
  store_versions(s, "b", &versions);
  assert_int_equal(versions.count, 0); /* a minute after: nothing to keep yet */
  int64_t then = atomic_load(&s->clock.wall_ms);
  store_advance_ms(s, (uint64_t)(2 * HOUR));
  put_and_save(s, "b", 3, "k", "three");
  store_versions(s, "b", &versions);
  assert_int_equal(versions.count, 1);
  assert_int_equal(versions.v[0].kind, GESSO_VERSION_AUTO);
  assert_int_equal(versions.v[0].created_ms, then);
  expect_version(s, "b", versions.v[0].id, "{\"k\":\"two\"}");
  expect_json(s, "b", "{\"k\":\"three\"}");
}

static void while_it_is_drawn_on_one_is_kept_each_5_minutes(void **state)
{
  store *s = *state;
  char value[16], want[32];
  for (int i = 0; i < 60; i++) { /* 30 minutes, a fold every 30 s */
    (void)snprintf(value, sizeof value, "v%d", i);
    put_and_save(s, "b", (uint64_t)i + 1, "k", value);
    store_advance_ms(s, 30000);
  }
  store_versions(s, "b", &versions);
  assert_in_range(versions.count, 5, 6);
  for (size_t i = 0; i < versions.count; i++) {
    int at = (int)((versions.v[i].created_ms - 1700000000000) / 30000);
    (void)snprintf(want, sizeof want, "{\"k\":\"v%d\"}", at);
    expect_version(s, "b", versions.v[i].id, want);
  }
}

static void a_clock_that_is_set_back_does_not_end_the_history(void **state)
{
  store *s = *state;
  put_and_save(s, "b", 1, "k", "one");
  store_advance_ms(s, (uint64_t)HOUR);
  put_and_save(s, "b", 2, "k", "two");
  store_versions(s, "b", &versions);
  assert_int_equal(versions.count, 1);
  atomic_fetch_sub(&s->clock.wall_ms, 3 * DAY);
  for (int i = 0; i < 4; i++) {
    store_advance_ms(s, (uint64_t)(20 * MINUTE));
    put_and_save(s, "b", (uint64_t)i + 3, "k", "more");
  }
  store_versions(s, "b", &versions);
  assert_in_range(versions.count, 4, 5);
}

static void without_history_none_are_made_by_themselves(void **state)
{
  store *s = *state;
  uint64_t id;
  (void)store_close(s);
  s->options.flags = GESSO_OPEN_NO_HISTORY;
  store_open(s);
  put_and_save(s, "b", 1, "k", "one");
  store_advance_ms(s, (uint64_t)HOUR);
  put_and_save(s, "b", 2, "k", "two");
  store_versions(s, "b", &versions);
  assert_int_equal(versions.count, 0);
  assert_int_equal(store_version_name(s, "b", 0, "mine", &id), GESSO_OK);
  expect_version(s, "b", id, "{\"k\":\"two\"}");
}

/* --- which stay --- */

static void time_thins_them_out(void **state)
{
  (void)state;
  gs_history_policy policy = { (uint64_t)(30 * DAY), 10 };
  enum { MAX = 4000 };
  gs_version_row *rows = calloc(MAX, sizeof *rows);
  size_t n = 0, most = 0;
  int64_t now = 1700000000000, begin = now, last = 0;
  /* Two months, ten hours a day, a fold each 30 s. */
  for (int64_t at = 0; at < 60 * DAY; at += 30000) {
    now = begin + at;
    if (at % DAY > 10 * HOUR || !gs_history_due(last, now - 30000, now))
      continue;
    rows[n] = (gs_version_row){ .id = (uint64_t)at + 1, .created_ms = now - 30000, .bytes = 100 };
    last = rows[n++].created_ms;
    assert_true(n < MAX);
    gs_history_thin(&policy, rows, n, 1000000, now);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
      if (!rows[i].out)
        rows[kept++] = rows[i];
    n = kept;
    most = n > most ? n : most;
  }
  assert_in_range(most, 40, 13 + 25 + 31);
  for (size_t i = 0; i + 1 < n; i++) {
    int64_t age = now - rows[i].created_ms, gap = rows[i + 1].created_ms - rows[i].created_ms;
    assert_true(age <= 30 * DAY && gap > 0);
    if (age > 2 * DAY)
      assert_in_range(gap, 23 * HOUR, 25 * HOUR);
  }
  free(rows);
}

static void what_others_refer_to_leaves_last(void **state)
{
  (void)state;
  gs_history_policy policy = { (uint64_t)DAY, 10 };
  int64_t now = 1700000000000;
  gs_version_row rows[] = {
    { .id = 1, .created_ms = now - 3 * DAY, .bytes = 1000 },
    { .id = 2, .created_ms = now - 2 * DAY, .bytes = 10, .base = 1, .kind = GS_VERSION_NAMED },
    { .id = 3, .created_ms = now - 2 * DAY, .bytes = 10, .base = 1 },
    { .id = 4, .created_ms = now - 2 * DAY, .bytes = 1000 },
  };
  gs_history_thin(&policy, rows, 4, 1000000, now);
  assert_true(!rows[0].out && rows[0].kind == GS_VERSION_BASE);
  assert_true(!rows[1].out && rows[2].out && rows[3].out);
  rows[1].kind = GS_VERSION_AUTO;
  gs_history_thin(&policy, rows, 4, 1000000, now);
  assert_true(rows[0].out && rows[1].out);
}

static void those_that_are_missed_least_make_room(void **state)
{
  (void)state;
  gs_history_policy policy = { (uint64_t)(30 * DAY), 10 };
  int64_t now = 1700000000000;
  gs_version_row rows[20];
  for (int i = 0; i < 20; i++)
    rows[i] = (gs_version_row){ .id = (uint64_t)i + 1, .created_ms = now - (20 - i) * DAY, .bytes = 100000 };
  rows[2].kind = GS_VERSION_NAMED;
  gs_history_thin(&policy, rows, 20, 100000, now);
  int stay = 0;
  for (int i = 0; i < 20; i++)
    stay += !rows[i].out;
  assert_int_equal(stay, 10); /* times 100,000 */
  assert_false(rows[0].out || rows[2].out || rows[18].out || rows[19].out);
  assert_true(rows[1].out); /* two days of twenty between its neighbours */
}

/* A month of a board of 200 shapes, on which 3 people draw four hours a day. */
static void a_month_costs_at_most_ten_states(void **state)
{
  store *s = *state;
  gesso_doc *doc = gesso_doc_create(NULL);
  gesso_type shapes = gesso_doc_root(doc, text("m"), GESSO_MAP);
  uint64_t rng = 88172645463325252u;
  gesso_board_info info;
  uint64_t worst = 0;
  for (int day = 0; day < 30; day++) {
    for (int step = 0; step < 16; step++) { /* 15 minutes each */
      gesso_doc_begin(doc);
      for (int edit = 0; edit < 24; edit++) {
        char key[16], value[160];
        rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
        (void)snprintf(key, sizeof key, "s%u", (unsigned)(rng % 200));
        (void)snprintf(value, sizeof value, "{\"type\":\"rect\",\"x\":%u,\"y\":%u,\"w\":%u,\"h\":%u,\"color\":\"#%06x\"}",
                       (unsigned)(rng >> 8) % 4000, (unsigned)(rng >> 16) % 3000, (unsigned)(rng >> 24) % 500,
                       (unsigned)(rng >> 32) % 500, (unsigned)(rng >> 40) % 0xffffff);
        gesso_value v = { .kind = GESSO_VALUE_JSON, .bytes = text(value) };
        assert_int_equal(gesso_map_set(doc, shapes, text(key), v, NULL), GESSO_OK);
      }
      gesso_buffer update = { 0 };
      assert_int_equal(gesso_doc_commit(doc, &update), GESSO_OK);
      assert_int_equal(store_append(s, "b", (gesso_bytes){ update.data, update.len }), GESSO_OK);
      gesso_buffer_free(&update);
      assert_int_equal(store_save(s, "b"), GESSO_OK);
      store_advance_ms(s, (uint64_t)(15 * MINUTE));
    }
    store_advance_ms(s, (uint64_t)(20 * HOUR));
    assert_int_equal(store_show(s, "b", &info), GESSO_OK);
    worst = GS_MAX(worst, info.history_bytes * 100 / GS_MAX(info.stored_bytes, (uint64_t)6554));
  }
  store_versions(s, "b", &versions);
  assert_int_equal(info.history_bytes, versions.stored_bytes);
  print_message("a state of %llu bytes, %llu on disk: %zu versions take %llu bytes; never more than %llu.%02llu states\n",
                (unsigned long long)info.state_bytes, (unsigned long long)info.stored_bytes, versions.count,
                (unsigned long long)info.history_bytes, (unsigned long long)worst / 100, (unsigned long long)worst % 100);
  assert_true(versions.count >= 15);
  assert_true(atomic_load(&s->clock.wall_ms) - versions.v[0].created_ms > 25 * DAY);
  assert_true(worst <= 1000);
  gesso_doc_destroy(doc);
}

/* --- names --- */

static void a_named_version_stays(void **state)
{
  store *s = *state;
  uint64_t id, again;
  put(s, "b", 1, "k", "one");
  assert_int_equal(store_version_name(s, "b", 0, "first sketch", &id), GESSO_OK);
  put_and_save(s, "b", 2, "k", "two");
  store_advance_ms(s, (uint64_t)(90 * DAY));
  put_and_save(s, "b", 3, "k", "three");
  (void)store_close(s);
  store_open(s);
  store_versions(s, "b", &versions);
  assert_true(versions.count >= 1);
  assert_int_equal(versions.v[0].id, id);
  assert_int_equal(versions.v[0].kind, GESSO_VERSION_NAMED);
  assert_string_equal(versions.names[0], "first sketch");
  expect_version(s, "b", id, "{\"k\":\"one\"}");
  assert_int_equal(store_version_name(s, "b", id, "draft", &again), GESSO_OK);
  assert_int_equal(again, id);
  store_versions(s, "b", &versions);
  assert_string_equal(versions.names[0], "draft");
  assert_int_equal(store_version_name(s, "b", id, "", &again), GESSO_OK);
  store_advance_ms(s, (uint64_t)(2 * HOUR)); /* upkeep: it is older than a month, and nobody's any more */
  for (int i = 0; i < 1000 && versions.count != 0 && versions.v[0].id == id; i++) {
    store_advance_ms(s, 1000);
    (void)store_flush(s);
    store_versions(s, "b", &versions);
  }
  assert_true(versions.count == 0 || versions.v[0].id != id);
}

static void names_are_checked(void **state)
{
  store *s = *state;
  char name[600];
  uint64_t id;
  memset(name, 'x', sizeof name);
  name[513] = '\0';
  put(s, "b", 1, "k", "one");
  assert_int_equal(store_version_name(s, "b", 0, name, NULL), GESSO_E_USAGE);
  assert_int_equal(store_version_name(s, "b", 0, "", NULL), GESSO_E_USAGE);
  assert_int_equal(store_version_name(s, "b", 0, "\xff", NULL), GESSO_E_USAGE);
  assert_int_equal(store_version_name(s, "b", 77, "n", NULL), GESSO_E_NOTFOUND);
  assert_int_equal(store_version_name(s, "none", 0, "n", NULL), GESSO_E_NOTFOUND);
  assert_int_equal(store_version_name(s, "none", 1, "n", NULL), GESSO_E_NOTFOUND);
  for (int i = 0; i < GESSO_VERSIONS_NAMED_MAX; i++)
    assert_int_equal(gesso_board_persistence_version_name(s->p, text("b"), 0, text("n"), NULL, NULL), GESSO_OK);
  assert_int_equal(store_version_name(s, "b", 0, "n", &id), GESSO_E_LIMIT);
}

static void a_deleted_board_keeps_its_history_until_it_is_purged(void **state)
{
  store *s = *state;
  uint64_t id;
  put(s, "b", 1, "k", "one");
  assert_int_equal(store_version_name(s, "b", 0, "n", &id), GESSO_OK);
  assert_int_equal(store_delete(s, "b", 0), GESSO_OK);
  store_versions(s, "b", &versions);
  assert_int_equal(versions.count, 1);
  assert_int_equal(store_version_name(s, "b", 0, "n", NULL), GESSO_E_DELETED);
  assert_int_equal(store_delete(s, "b", GESSO_DELETE_PURGE), GESSO_OK);
  store_versions(s, "b", &versions);
  assert_int_equal(versions.count, 0);
  put(s, "other", 1, "k", "one");
  assert_int_equal(store_version_name(s, "other", 0, "n", NULL), GESSO_OK);
  assert_int_equal(store_delete(s, "other", 0), GESSO_OK);
  assert_int_equal(store_create(s, "other"), GESSO_OK); /* a new board by the same name */
  store_versions(s, "other", &versions);
  assert_int_equal(versions.count, 0);
  (void)store_close(s);
  assert_int_equal(store_sql_int(s, "SELECT count(*) FROM history"), 0);
}

/* --- the way back --- */

static void a_restore_is_an_ordinary_edit_and_can_be_taken_back(void **state)
{
  store *s = *state;
  uint64_t one, before, none_before;
  put(s, "b", 1, "k", "one");
  assert_int_equal(store_version_name(s, "b", 0, "one", &one), GESSO_OK);
  put(s, "b", 2, "k", "two");
  put(s, "b", 3, "l", "more");
  char two[4096];
  store_json(s, "b", two);
  assert_non_null(strstr(two, "\"l\":\"more\""));
  loaded held = store_load(s, "b"); /* somebody has the board open and draws on */
  gesso_buffer update;
  assert_int_equal(store_version_restore(s, "b", one, &update, &before), GESSO_OK);
  assert_true(update.len != 0 && before != 0);
  assert_int_equal(gesso_doc_apply_v1(held.doc, (gesso_bytes){ update.data, update.len }, NULL), GESSO_OK);
  gesso_buffer json = { 0 };
  assert_int_equal(gesso_type_to_json(held.doc, gesso_doc_root(held.doc, text("m"), GESSO_MAP), GESSO_MAP, &json), GESSO_OK);
  assert_int_equal(json.len, 11);
  gesso_buffer_free(&json);
  gesso_doc_destroy(held.doc);
  put(s, "b", 4, "n", "drawn meanwhile");
  assert_int_equal(store_append(s, "b", (gesso_bytes){ update.data, update.len }), GESSO_OK);
  gesso_buffer_free(&update);
  char merged[4096];
  store_json(s, "b", merged);
  assert_non_null(strstr(merged, "\"k\":\"one\""));
  assert_non_null(strstr(merged, "drawn meanwhile"));
  assert_null(strstr(merged, "more"));
  char json_before[4096];
  assert_int_equal(store_version_json(s, "b", before, json_before), GESSO_OK);
  assert_int_equal(strlen(json_before), strlen(two));
  restore(s, "b", before, &none_before);
  store_json(s, "b", merged);
  assert_non_null(strstr(merged, "\"k\":\"two\""));
  assert_non_null(strstr(merged, "more"));
  assert_int_equal(strlen(merged), strlen(two));
  restore(s, "b", before, &none_before); /* nothing left to do */
  assert_int_equal(none_before, 0);
  store_versions(s, "b", &versions);
  assert_int_equal(versions.count, 3);
  assert_int_equal(versions.v[1].kind, GESSO_VERSION_BEFORE_RESTORE);
}

static void restores_of_what_is_not_there_say_so(void **state)
{
  store *s = *state;
  gesso_buffer update;
  uint64_t before;
  put(s, "b", 1, "k", "one");
  assert_int_equal(store_version_restore(s, "b", 5, &update, &before), GESSO_E_NOTFOUND);
  assert_int_equal(store_version_restore(s, "none", 5, &update, &before), GESSO_E_NOTFOUND);
  assert_int_equal(store_version_restore(s, "b", 0, &update, &before), GESSO_E_USAGE);
  uint64_t id;
  assert_int_equal(store_version_name(s, "b", 0, "n", &id), GESSO_OK);
  put(s, "c", 1, "k", "two");
  assert_int_equal(store_version_restore(s, "c", id, &update, &before), GESSO_E_NOTFOUND); /* another board's */
  char json[4096];
  assert_int_equal(store_version_json(s, "c", id, json), GESSO_E_NOTFOUND);
}

/* --- what goes wrong --- */

static void a_damaged_version_is_told_and_hurts_nothing_else(void **state)
{
  store *s = *state;
  uint64_t one, two, before;
  gesso_buffer update;
  char json[4096];
  put(s, "b", 1, "k", "one");
  assert_int_equal(store_version_name(s, "b", 0, "one", &one), GESSO_OK);
  put(s, "b", 2, "k", "two");
  assert_int_equal(store_version_name(s, "b", 0, "two", &two), GESSO_OK);
  (void)store_close(s);
  store_sql(s, "UPDATE history SET data = zeroblob(length(data)) WHERE id = 1");
  store_open(s);
  assert_int_equal(store_version_json(s, "b", one, json), GESSO_E_CORRUPT);
  assert_int_equal(store_version_restore(s, "b", one, &update, &before), GESSO_E_CORRUPT);
  expect_json(s, "b", "{\"k\":\"two\"}");
  put(s, "b", 3, "k", "three");
  assert_int_equal(store_version_name(s, "b", 0, "three", &two), GESSO_OK); /* not by the damaged one */
  expect_version(s, "b", two, "{\"k\":\"three\"}");
}

static void *note_most(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
  size_t *most = ctx;
  *most = new_size > *most ? new_size : *most;
  (void)old_size;
  if (new_size != 0)
    return realloc(ptr, new_size);
  free(ptr);
  return NULL;
}

/* A row of 13 bytes says that it holds 900 MB. */
static void a_length_is_not_believed_beyond_what_its_bytes_can_hold(void **state)
{
  (void)state;
  size_t most = 0;
  const gesso_allocator al = { .ctx = &most, .resize = note_most };
  static const uint32_t claimed = 900000000;
  uint8_t frame[13] = { 0x28, 0xb5, 0x2f, 0xfd, 0xa0 }; /* one segment, its length in 4 bytes; then a block of one 0 */
  memcpy(frame + 5, &claimed, 4);
  memcpy(frame + 9, "\x0b\0\0", 4);
  gs_version_rows rows = { .version = { .id = 2, .enc = GS_ENC_V1 | GS_ENC_ZSTD, .len = claimed, .data = { frame, 13 } } };
  rows.version.hash = XXH3_64bits(frame, 13);
  gesso_buffer out;
  const char *why = NULL;
  assert_int_equal(gs_version_unpack(&al, &rows, &out, &why), GESSO_E_CORRUPT);
  /* The same as a difference to a sound one. */
  rows.base = (gs_stored_version){ .id = 1, .enc = GS_ENC_V1, .len = 2, .hash = XXH3_64bits("\0\0", 2),
                                   .data = { (const uint8_t *)"\0\0", 2 } };
  rows.version.enc = GS_ENC_V1 | GS_ENC_DELTA;
  rows.version.base = 1;
  assert_int_equal(gs_version_unpack(&al, &rows, &out, &why), GESSO_E_CORRUPT);
  assert_true(most < 1000);
}

static void on_named(void *ctx, gesso_status status, uint64_t id)
{
  assert_int_equal(status, GESSO_OK);
  assert_true(id != 0);
  atomic_store((atomic_bool *)ctx, true);
}

static void failing_writes_are_tried_again(void **state)
{
  store *s = *state;
  atomic_bool named = false;
  put_and_save(s, "b", 1, "k", "one");
  atomic_store(&s->disk.fail_writes, 2);
  assert_int_equal(gesso_board_persistence_version_name(s->p, text("b"), 0, text("n"), on_named, &named), GESSO_OK);
  while (!atomic_load(&named)) {
    store_advance_ms(s, 100);
    (void)gesso_persistence_wait(s->p, 5);
  }
  store_versions(s, "b", &versions);
  assert_int_equal(versions.count, 1);
  expect_version(s, "b", versions.v[0].id, "{\"k\":\"one\"}");
}

/* A version that refers to a base, whose base may no longer be listed. */
static void differences_survive_their_base(void **state)
{
  store *s = *state;
  static char value[9000];
  char json[4096], small[40];
  uint64_t x = 88172645463325252u, first, second;
  for (size_t i = 0; i + 1 < sizeof value; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    value[i] = (char)('!' + x % 90);
    value[i] = value[i] == '"' || value[i] == '\\' ? 'q' : value[i];
  }
  put(s, "b", 1, "big", value);
  assert_int_equal(store_version_name(s, "b", 0, "first", &first), GESSO_OK);
  put(s, "b", 2, "k", "two");
  assert_int_equal(store_version_name(s, "b", 0, "second", &second), GESSO_OK);
  (void)store_close(s);
  (void)snprintf(small, sizeof small, "SELECT bytes FROM history WHERE id = %d", (int)second);
  assert_in_range(store_sql_int(s, small), 1, 400);
  store_open(s);
  assert_int_equal(store_version_name(s, "b", first, "", NULL), GESSO_OK); /* now one that time takes away */
  store_advance_ms(s, (uint64_t)(40 * DAY));
  put_and_save(s, "b", 3, "k", "three");
  store_versions(s, "b", &versions);
  for (size_t i = 0; i < versions.count; i++)
    assert_true(versions.v[i].id != first);
  gesso_buffer update;
  uint64_t before;
  assert_int_equal(store_version_restore(s, "b", second, &update, &before), GESSO_OK);
  assert_int_equal(store_append(s, "b", (gesso_bytes){ update.data, update.len }), GESSO_OK);
  gesso_buffer_free(&update);
  assert_int_equal(store_version_json(s, "b", first, json), GESSO_E_NOTFOUND);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(the_state_before_a_pause_is_kept, setup, teardown),
    cmocka_unit_test_setup_teardown(while_it_is_drawn_on_one_is_kept_each_5_minutes, setup, teardown),
    cmocka_unit_test_setup_teardown(a_clock_that_is_set_back_does_not_end_the_history, setup, teardown),
    cmocka_unit_test_setup_teardown(without_history_none_are_made_by_themselves, setup, teardown),
    cmocka_unit_test(time_thins_them_out),
    cmocka_unit_test(what_others_refer_to_leaves_last),
    cmocka_unit_test(those_that_are_missed_least_make_room),
    cmocka_unit_test_setup_teardown(a_month_costs_at_most_ten_states, setup, teardown),
    cmocka_unit_test_setup_teardown(a_named_version_stays, setup, teardown),
    cmocka_unit_test_setup_teardown(names_are_checked, setup, teardown),
    cmocka_unit_test_setup_teardown(a_deleted_board_keeps_its_history_until_it_is_purged, setup, teardown),
    cmocka_unit_test_setup_teardown(a_restore_is_an_ordinary_edit_and_can_be_taken_back, setup, teardown),
    cmocka_unit_test_setup_teardown(restores_of_what_is_not_there_say_so, setup, teardown),
    cmocka_unit_test(a_length_is_not_believed_beyond_what_its_bytes_can_hold),
    cmocka_unit_test_setup_teardown(a_damaged_version_is_told_and_hurts_nothing_else, setup, teardown),
    cmocka_unit_test_setup_teardown(failing_writes_are_tried_again, setup, teardown),
    cmocka_unit_test_setup_teardown(differences_survive_their_base, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
