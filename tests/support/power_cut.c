#include "power_cut.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

uint64_t power_random(uint64_t *state)
{
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

static power_file *file_of(power_disk *d, const char *path)
{
  const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
  if (*name == '\0')
    return NULL; /* a temporary file */
  for (int i = 0; i < POWER_FILES; i++) {
    power_file *f = &d->files[i];
    if (f->name[0] == '\0')
      (void)snprintf(f->name, sizeof f->name, "%s", name);
    if (strcmp(f->name, name) == 0)
      return f;
  }
  assert(!"more files than expected");
  return NULL;
}

typedef struct image {
  uint8_t *data;
  size_t len, cap;
} image;

static void image_resize(image *im, size_t len)
{
  if (len > im->cap) {
    im->cap = len * 2;
    im->data = realloc(im->data, im->cap);
    assert(im->data != NULL);
  }
  if (len > im->len)
    memset(im->data + im->len, 0, len - im->len);
  im->len = len;
}

/* Applies bytes [from, to) of a write. */
static void apply(image *im, const power_write *w, size_t from, size_t to)
{
  if (w->truncate) {
    image_resize(im, (size_t)w->offset);
    return;
  }
  if (from >= to)
    return;
  if (im->len < (size_t)w->offset + to)
    image_resize(im, (size_t)w->offset + to);
  memcpy(im->data + w->offset + from, w->data + from, to - from);
}

static void apply_torn(power_disk *d, image *im, const power_write *w)
{
  if (w->truncate)
    return;
  for (size_t at = 0; at < w->len; at += 512) {
    if (power_random(&d->rng) & 1)
      apply(im, w, at, at + 512 < w->len ? at + 512 : w->len);
  }
}

typedef enum cut_kind { CUT_LOSE_ALL, CUT_KEEP_BEFORE, CUT_KEEP_SOME, CUT_KEEP_ALL } cut_kind;

static void write_image(power_disk *d, power_file *f, cut_kind kind, uint64_t moment, const char *folder)
{
  image im = { NULL, 0, 0 };
  bool kept = false;
  image_resize(&im, f->durable_len);
  if (f->durable_len != 0)
    memcpy(im.data, f->durable, f->durable_len);
  for (const power_write *w = f->first; w != NULL; w = w->next) {
    uint64_t dice = power_random(&d->rng) % 100;
    if (kind == CUT_KEEP_ALL || (kind == CUT_KEEP_BEFORE && w->number < moment) || (kind == CUT_KEEP_SOME && dice < 45)) {
      apply(&im, w, 0, w->len);
      kept = true;
    } else if ((kind == CUT_KEEP_BEFORE && w->number == moment) || (kind == CUT_KEEP_SOME && dice < 60)) {
      apply_torn(d, &im, w);
      kept = true;
    }
  }
  if (f->synced_once || kept) {
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", folder, f->name);
    FILE *out = fopen(path, "wb");
    assert(out != NULL);
    if (im.len != 0)
      assert(fwrite(im.data, 1, im.len, out) == im.len);
    (void)fclose(out);
  }
  free(im.data);
}

static void cut(power_disk *d)
{
  char folder[240];
  d->on_cut(d->ctx, d->cuts);
  (void)snprintf(folder, sizeof folder, "%s/cut%u", d->folder, d->cuts);
  (void)mkdir(folder, 0777);
  cut_kind kind = (cut_kind)(d->cuts % 4);
  uint64_t oldest = d->operations;
  for (int i = 0; i < POWER_FILES; i++) {
    if (d->files[i].first != NULL && d->files[i].first->number < oldest)
      oldest = d->files[i].first->number;
  }
  uint64_t moment = oldest + power_random(&d->rng) % (d->operations - oldest + 1);
  for (int i = 0; i < POWER_FILES && d->files[i].name[0] != '\0'; i++)
    write_image(d, &d->files[i], kind, moment, folder);
  d->cuts++;
}

/* The number of the operation that a sync has to cover, kept with the thread that syncs. */
static _Thread_local uint64_t sync_covers;

static int before(void *ctx, gs_vfs_event *ev)
{
  power_disk *d = ctx;
  if (ev->op == GS_VFS_SYNC) {
    (void)pthread_mutex_lock(&d->lock);
    sync_covers = d->operations;
    (void)pthread_mutex_unlock(&d->lock);
  }
  return SQLITE_OK;
}

static void settle(power_file *f, uint64_t upto)
{
  image im = { f->durable, f->durable_len, f->durable_cap };
  while (f->first != NULL && f->first->number <= upto) {
    power_write *w = f->first;
    apply(&im, w, 0, w->len);
    f->first = w->next;
    free(w);
  }
  if (f->first == NULL)
    f->last = NULL;
  f->durable = im.data;
  f->durable_len = im.len;
  f->durable_cap = im.cap;
  f->synced_once = true;
}

static void forget(power_file *f)
{
  while (f->first != NULL) {
    power_write *w = f->first;
    f->first = w->next;
    free(w);
  }
  f->last = NULL;
  f->durable_len = 0;
  f->synced_once = false;
}

static void record(power_disk *d, power_file *f, const gs_vfs_event *ev)
{
  size_t len = ev->op == GS_VFS_WRITE ? ev->len : 0;
  power_write *w = malloc(sizeof *w + len);
  assert(w != NULL);
  *w = (power_write){ .truncate = ev->op == GS_VFS_TRUNCATE, .offset = ev->offset, .len = len, .number = d->operations };
  if (len != 0)
    memcpy(w->data, ev->data, len);
  if (f->first == NULL)
    f->first = w;
  else
    f->last->next = w;
  f->last = w;
}

static void after(void *ctx, const gs_vfs_event *ev, int rc)
{
  power_disk *d = ctx;
  if (rc != SQLITE_OK || ev->op == GS_VFS_OPEN || ev->op == GS_VFS_CLOSE || ev->op == GS_VFS_READ)
    return;
  (void)pthread_mutex_lock(&d->lock);
  power_file *f = file_of(d, ev->path);
  if (f != NULL) {
    d->operations++;
    if (ev->op == GS_VFS_SYNC)
      settle(f, sync_covers);
    else if (ev->op == GS_VFS_DELETE)
      forget(f);
    else
      record(d, f, ev);
    if ((d->operations <= d->cut_first || d->operations % d->cut_every == 0) && d->cuts < d->cuts_max)
      cut(d);
  }
  (void)pthread_mutex_unlock(&d->lock);
}

void power_disk_init(power_disk *d, uint64_t seed, const char *folder, uint32_t cut_first,
                     uint32_t cut_every, uint32_t cuts_max)
{
  memset(d, 0, sizeof *d);
  d->hooks = (gs_vfs_hooks){ before, after, d };
  (void)pthread_mutex_init(&d->lock, NULL);
  d->rng = seed * 2 + 1;
  d->cut_first = cut_first;
  d->cut_every = cut_every;
  d->cuts_max = cuts_max;
  (void)snprintf(d->folder, sizeof d->folder, "%s", folder);
}

void power_disk_finish(power_disk *d)
{
  for (int i = 0; i < POWER_FILES; i++) {
    forget(&d->files[i]);
    free(d->files[i].durable);
  }
  (void)pthread_mutex_destroy(&d->lock);
}
