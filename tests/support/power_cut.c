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

/* --- recording --- */

static int file_of(power_disk *d, const char *path)
{
  const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
  if (*name == '\0')
    return -1; /* a temporary file */
  for (int i = 0; i < POWER_FILES; i++) {
    if (d->names[i][0] == '\0')
      (void)snprintf(d->names[i], sizeof d->names[i], "%s", name);
    if (strcmp(d->names[i], name) == 0)
      return i;
  }
  assert(!"more files than expected");
  return -1;
}

static power_event *add(power_disk *d)
{
  if (d->count == d->cap) {
    d->cap = d->cap == 0 ? 4096 : d->cap * 2;
    d->events = realloc(d->events, d->cap * sizeof *d->events);
    assert(d->events != NULL);
  }
  power_event *e = &d->events[d->count++];
  memset(e, 0, sizeof *e);
  return e;
}

/* The number of the operation that a sync has to cover, kept with the thread that syncs. */
static _Thread_local uint64_t sync_covers;

static int before(void *ctx, gs_vfs_event *ev)
{
  power_disk *d = ctx;
  if (ev->op == GS_VFS_SYNC)
    sync_covers = power_operations(d);
  return SQLITE_OK;
}

static void after(void *ctx, const gs_vfs_event *ev, int rc)
{
  power_disk *d = ctx;
  if (rc != SQLITE_OK || ev->op == GS_VFS_OPEN || ev->op == GS_VFS_CLOSE || ev->op == GS_VFS_READ)
    return;
  (void)pthread_mutex_lock(&d->lock);
  int file = file_of(d, ev->path);
  if (file >= 0) {
    power_event *e = add(d);
    e->kind = ev->op == GS_VFS_SYNC ? POWER_SYNC : ev->op == GS_VFS_DELETE ? POWER_DELETE
              : ev->op == GS_VFS_TRUNCATE ? POWER_TRUNCATE : POWER_WRITE;
    e->file = file;
    e->offset = ev->offset;
    e->number = ++d->operations;
    e->covers = sync_covers;
    if (e->kind == POWER_WRITE) {
      e->len = ev->len;
      e->data = malloc(ev->len + 1);
      assert(e->data != NULL);
      memcpy(e->data, ev->data, ev->len);
    }
    d->writes += e->kind == POWER_WRITE;
    d->syncs += e->kind == POWER_SYNC;
  }
  (void)pthread_mutex_unlock(&d->lock);
}

void power_note(power_disk *d, int note, uint64_t value)
{
  (void)pthread_mutex_lock(&d->lock);
  power_event *e = add(d);
  e->kind = POWER_NOTE;
  e->note = note;
  e->value = value;
  (void)pthread_mutex_unlock(&d->lock);
}

uint64_t power_operations(power_disk *d)
{
  (void)pthread_mutex_lock(&d->lock);
  uint64_t n = d->operations;
  (void)pthread_mutex_unlock(&d->lock);
  return n;
}

void power_disk_init(power_disk *d)
{
  memset(d, 0, sizeof *d);
  d->hooks = (gs_vfs_hooks){ .before = before, .after = after, .ctx = d };
  (void)pthread_mutex_init(&d->lock, NULL);
}

void power_disk_finish(power_disk *d)
{
  for (size_t i = 0; i < d->count; i++)
    free(d->events[i].data);
  free(d->events);
  (void)pthread_mutex_destroy(&d->lock);
}

/* --- replaying --- */

typedef struct image {
  uint8_t *data;
  size_t len, cap;
} image;

/* A file during the replay: what is on the disk for certain, and the writes since. */
typedef struct replayed {
  image durable;
  bool synced_once;
  const power_event **pending;
  size_t first, count, cap; /* pending[first .. count) */
} replayed;

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
static void apply(image *im, const power_event *w, size_t from, size_t to)
{
  if (w->kind == POWER_TRUNCATE) {
    image_resize(im, (size_t)w->offset);
    return;
  }
  if (from >= to)
    return;
  if (im->len < (size_t)w->offset + to)
    image_resize(im, (size_t)w->offset + to);
  memcpy(im->data + w->offset + from, w->data + from, to - from);
}

static void apply_torn(uint64_t *rng, image *im, const power_event *w)
{
  if (w->kind == POWER_TRUNCATE)
    return;
  for (size_t at = 0; at < w->len; at += 512) {
    if (power_random(rng) & 1)
      apply(im, w, at, at + 512 < w->len ? at + 512 : w->len);
  }
}

typedef enum cut_kind { CUT_LOSE_ALL, CUT_KEEP_BEFORE, CUT_KEEP_SOME, CUT_KEEP_ALL } cut_kind;

static void write_image(uint64_t *rng, const replayed *f, const char *name, cut_kind kind, uint64_t moment,
                        const char *folder)
{
  image im = { NULL, 0, 0 };
  bool kept = false;
  image_resize(&im, f->durable.len);
  if (f->durable.len != 0)
    memcpy(im.data, f->durable.data, f->durable.len);
  for (size_t i = f->first; i < f->count; i++) {
    const power_event *w = f->pending[i];
    uint64_t dice = power_random(rng) % 100;
    if (kind == CUT_KEEP_ALL || (kind == CUT_KEEP_BEFORE && w->number < moment) || (kind == CUT_KEEP_SOME && dice < 45)) {
      apply(&im, w, 0, w->len);
      kept = true;
    } else if ((kind == CUT_KEEP_BEFORE && w->number == moment) || (kind == CUT_KEEP_SOME && dice < 60)) {
      apply_torn(rng, &im, w);
      kept = true;
    }
  }
  if (f->synced_once || kept) {
    char path[340];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    assert(out != NULL);
    if (im.len != 0)
      assert(fwrite(im.data, 1, im.len, out) == im.len);
    (void)fclose(out);
  }
  free(im.data);
}

static void cut(const power_disk *d, const power_replay *r, replayed files[POWER_FILES], uint64_t now)
{
  char folder[280];
  uint64_t rng = (r->seed * 2 + 1) * 0x9e3779b97f4a7c15u ^ now * 0xbf58476d1ce4e5b9u, oldest = now;
  (void)snprintf(folder, sizeof folder, "%s/cut", r->base);
  (void)mkdir(folder, 0777);
  (void)power_random(&rng);
  for (int i = 0; i < POWER_FILES; i++)
    if (files[i].first < files[i].count && files[i].pending[files[i].first]->number < oldest)
      oldest = files[i].pending[files[i].first]->number;
  uint64_t moment = oldest + power_random(&rng) % (now - oldest + 1);
  cut_kind kind = (cut_kind)(power_random(&rng) % 4);
  for (int i = 0; i < POWER_FILES && d->names[i][0] != '\0'; i++)
    write_image(&rng, &files[i], d->names[i], kind, moment, folder);
  r->check(r->ctx, folder, now);
}

static void settle(replayed *f, uint64_t upto)
{
  while (f->first < f->count && f->pending[f->first]->number <= upto) {
    const power_event *w = f->pending[f->first++];
    apply(&f->durable, w, 0, w->len);
  }
  f->synced_once = true;
}

static void note_write(replayed *f, const power_event *e)
{
  if (f->first == f->count)
    f->first = f->count = 0;
  if (f->count == f->cap) {
    f->cap = f->cap == 0 ? 256 : f->cap * 2;
    f->pending = realloc(f->pending, f->cap * sizeof *f->pending);
    assert(f->pending != NULL);
  }
  f->pending[f->count++] = e;
}

void power_disk_replay(const power_disk *d, const power_replay *r)
{
  static replayed files[POWER_FILES];
  memset(files, 0, sizeof files);
  for (size_t i = 0; i < d->count; i++) {
    const power_event *e = &d->events[i];
    replayed *f = &files[e->file];
    if (e->kind == POWER_NOTE) {
      r->note(r->ctx, e->note, e->value);
      continue;
    }
    if (e->kind == POWER_SYNC)
      settle(f, e->covers);
    else if (e->kind == POWER_DELETE)
      f->first = f->count = f->durable.len = 0, f->synced_once = false;
    else
      note_write(f, e);
    if (r->wanted(r->ctx, e->number))
      cut(d, r, files, e->number);
  }
  for (int i = 0; i < POWER_FILES; i++) {
    free(files[i].durable.data);
    free(files[i].pending);
  }
}
