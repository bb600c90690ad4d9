/* Images in a folder of their own, through the thread that keeps them. */
#include "server/images.h"

#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct world {
  char folder[64];
  gs_loop *loop;
  gs_images *images;
  int answers;
  uint64_t last_id;
  gs_image_answer last;
  uint8_t first_byte;
  size_t len;
} world;

static void answered(void *ctx, uint64_t id, gs_image_answer *answer)
{
  world *w = ctx;
  w->answers++;
  w->last_id = id;
  w->last = *answer;
  w->len = answer->bytes.len;
  w->first_byte = answer->bytes.len != 0 ? answer->bytes.data[0] : 0;
}

static void open_images(world *w, uint64_t total_max)
{
  assert_int_equal(gs_loop_create(NULL, NULL, &w->loop), GESSO_OK);
  w->images = gs_images_create(w->loop, w->folder, total_max);
  assert_non_null(w->images);
}

static void close_images(world *w)
{
  gs_images_stop(w->images);
  gs_loop_destroy(w->loop);
  gs_images_destroy(w->images);
  w->images = NULL;
}

static int setup(void **state)
{
  const char *tmp = getenv("TMPDIR");
  world *w = calloc(1, sizeof *w);
  (void)snprintf(w->folder, sizeof w->folder, "%.30s/gesso-images-XXXXXX", tmp == NULL ? "/tmp" : tmp);
  assert_non_null(mkdtemp(w->folder));
  *state = w;
  return 0;
}

static int teardown(void **state)
{
  world *w = *state;
  char command[128];
  if (w->images != NULL)
    close_images(w);
  (void)snprintf(command, sizeof command, "rm -rf '%s'", w->folder);
  assert_int_equal(system(command), 0);
  free(w);
  return 0;
}

static void hash_of(gesso_bytes b, char out[65])
{
  uint8_t digest[32];
  assert_int_equal(EVP_Digest(b.data, b.len, digest, NULL, EVP_sha256(), NULL), 1);
  for (int i = 0; i < 32; i++)
    (void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static gs_image_answer wait_for_answer(world *w)
{
  int before = w->answers;
  while (w->answers == before)
    assert_int_equal(gs_loop_turn(w->loop, 1000), GESSO_OK);
  return w->last;
}

static gs_image_answer put(world *w, const char *hash, gs_image_type type, gesso_bytes b)
{
  assert_int_equal(gs_images_put(w->images, (gesso_bytes){ (const uint8_t *)hash, 64 }, type, b, answered, w, 7), GESSO_OK);
  return wait_for_answer(w);
}

static gs_image_answer get(world *w, const char *hash)
{
  assert_int_equal(gs_images_get(w->images, (gesso_bytes){ (const uint8_t *)hash, 64 }, answered, w, 8), GESSO_OK);
  return wait_for_answer(w);
}

static const uint8_t png[40] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 1, 2, 3 };
static const uint8_t gif[30] = "GIF89a and so on";

static void what_is_put_is_got_also_after_a_restart(void **state)
{
  world *w = *state;
  gesso_bytes b = { png, sizeof png };
  char hash[65];
  hash_of(b, hash);
  open_images(w, 1000);
  assert_int_equal(get(w, hash).status, GESSO_E_NOTFOUND);
  gs_image_answer a = put(w, hash, GS_IMAGE_PNG, b);
  assert_true(a.status == GESSO_OK && !a.existed && w->last_id == 7);
  a = put(w, hash, GS_IMAGE_PNG, b);
  assert_true(a.status == GESSO_OK && a.existed);
  assert_int_equal(gs_images_total(w->images), sizeof png);
  a = get(w, hash);
  assert_true(a.status == GESSO_OK && a.type == GS_IMAGE_PNG && w->len == sizeof png && w->last_id == 8);
  close_images(w);
  open_images(w, 1000);
  assert_int_equal(get(w, hash).status, GESSO_OK);
  assert_int_equal(gs_images_total(w->images), sizeof png);
}

static void only_what_it_says_it_is_gets_in(void **state)
{
  world *w = *state;
  gesso_bytes b = { png, sizeof png };
  char hash[65], other[65];
  hash_of(b, hash);
  hash_of((gesso_bytes){ gif, sizeof gif }, other);
  open_images(w, 1000);
  assert_int_equal(put(w, hash, GS_IMAGE_GIF, b).status, GESSO_E_CORRUPT);
  assert_int_equal(put(w, other, GS_IMAGE_PNG, b).status, GESSO_E_CORRUPT);
  assert_int_equal(get(w, other).status, GESSO_E_NOTFOUND);
  assert_int_equal(gs_images_total(w->images), 0);
}

static void the_quota_holds_and_counts_what_was_there(void **state)
{
  world *w = *state;
  gesso_bytes a = { png, sizeof png }, b = { gif, sizeof gif };
  char first[65], second[65];
  hash_of(a, first);
  hash_of(b, second);
  open_images(w, sizeof png + sizeof gif - 1);
  assert_int_equal(put(w, first, GS_IMAGE_PNG, a).status, GESSO_OK);
  close_images(w);
  open_images(w, sizeof png + sizeof gif - 1);
  assert_int_equal(put(w, second, GS_IMAGE_GIF, b).status, GESSO_E_FULL);
  assert_int_equal(put(w, first, GS_IMAGE_PNG, a).status, GESSO_OK); /* there already */
}

static void leftovers_of_a_crash_are_removed(void **state)
{
  world *w = *state;
  char path[128];
  gesso_bytes b = { png, sizeof png };
  char hash[65];
  hash_of(b, hash);
  open_images(w, 1000);
  assert_int_equal(put(w, hash, GS_IMAGE_PNG, b).status, GESSO_OK);
  close_images(w);
  (void)snprintf(path, sizeof path, "%s/images/%.2s/tmp-1-1", w->folder, hash);
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs("half", f);
  fclose(f);
  open_images(w, 1000);
  assert_int_equal(get(w, hash).status, GESSO_OK); /* after the scan, which comes first */
  assert_int_not_equal(access(path, F_OK), 0);
  assert_int_equal(gs_images_total(w->images), sizeof png);
}

static void answers_after_the_stop_are_not_given(void **state)
{
  world *w = *state;
  gesso_bytes b = { png, sizeof png };
  char hash[65];
  hash_of(b, hash);
  open_images(w, 1000);
  for (int i = 0; i < 5; i++)
    assert_int_equal(gs_images_put(w->images, (gesso_bytes){ (const uint8_t *)hash, 64 }, GS_IMAGE_PNG, b, answered, w, 1),
                     GESSO_OK);
  close_images(w);
  assert_int_equal(w->answers, 0);
}

#define B(s) ((gesso_bytes){ (const uint8_t *)(s), sizeof(s) - 1 })

static void types_are_told_by_name_and_by_bytes(void **state)
{
  (void)state;
  assert_int_equal(gs_image_type_of_mime(B("image/png")), GS_IMAGE_PNG);
  assert_int_equal(gs_image_type_of_mime(B("IMAGE/SVG+XML; charset=utf-8")), GS_IMAGE_SVG);
  assert_int_equal(gs_image_type_of_mime(B("image/tiff")), GS_IMAGE_NONE);
  assert_int_equal(gs_image_type_of_mime(B("text/html")), GS_IMAGE_NONE);
  assert_int_equal(gs_image_type_of_mime((gesso_bytes){ NULL, 0 }), GS_IMAGE_NONE);
  assert_int_equal(gs_image_type_of_bytes(B("\xff\xd8\xff\xe0")), GS_IMAGE_JPEG);
  assert_int_equal(gs_image_type_of_bytes(B("RIFF....WEBPVP8 ")), GS_IMAGE_WEBP);
  assert_int_equal(gs_image_type_of_bytes(B("....ftypavif")), GS_IMAGE_AVIF);
  assert_int_equal(gs_image_type_of_bytes(B("<?xml version='1.0'?><svg/>")), GS_IMAGE_SVG);
  assert_int_equal(gs_image_type_of_bytes(B("RIFF....WAVE")), GS_IMAGE_NONE);
  assert_int_equal(gs_image_type_of_bytes(B("<html>")), GS_IMAGE_NONE);
  assert_int_equal(gs_image_type_of_bytes((gesso_bytes){ NULL, 0 }), GS_IMAGE_NONE);
  for (int t = GS_IMAGE_PNG; t <= GS_IMAGE_SVG; t++) {
    const char *mime = gs_image_mime((gs_image_type)t);
    assert_int_equal(gs_image_type_of_mime((gesso_bytes){ (const uint8_t *)mime, strlen(mime) }), t);
  }
}

#define IMAGE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
  const struct CMUnitTest tests[] = {
    IMAGE_TEST(what_is_put_is_got_also_after_a_restart),
    IMAGE_TEST(only_what_it_says_it_is_gets_in),
    IMAGE_TEST(the_quota_holds_and_counts_what_was_there),
    IMAGE_TEST(leftovers_of_a_crash_are_removed),
    IMAGE_TEST(answers_after_the_stop_are_not_given),
    cmocka_unit_test(types_are_told_by_name_and_by_bytes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
