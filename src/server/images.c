#include "server/images.h"

#include "base/buf.h"
#include "net/http.h"
#include "server/limits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct job job;
struct job {
  gs_task task; /* back to the loop */
  job *next;
  gs_images *images;
  gs_image_fn fn;
  void *ctx;
  uint64_t id;
  bool put;
  gs_image_type type;
  char hash[GS_IMAGE_HASH_LEN + 1];
  gesso_buffer bytes; /* put: what to store */
  gs_image_answer answer;
};

struct gs_images {
  gs_loop *loop;
  char *folder; /* <data folder>/images */
  uint64_t total_max;
  _Atomic uint64_t total;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t wake;
  job *first, *last;
  uint32_t count;
  bool stop;
  _Atomic bool silent; /* stopping: no more answers */
  unsigned long temporary;
};

/* ---- kinds ------------------------------------------------------------------------------------ */

static const struct {
  gs_image_type type;
  const char *mime;
} mimes[] = {
  { GS_IMAGE_PNG, "image/png" },   { GS_IMAGE_JPEG, "image/jpeg" }, { GS_IMAGE_GIF, "image/gif" },
  { GS_IMAGE_WEBP, "image/webp" }, { GS_IMAGE_AVIF, "image/avif" }, { GS_IMAGE_SVG, "image/svg+xml" },
};

gs_image_type gs_image_type_of_mime(gesso_bytes content_type)
{
  size_t n = 0;
  while (n < content_type.len && content_type.data[n] != ';' && content_type.data[n] != ' ')
    n++;
  for (size_t i = 0; i < GS_COUNT(mimes); i++)
    if (gs_http_is((gesso_bytes){ content_type.data, n }, mimes[i].mime))
      return mimes[i].type;
  return GS_IMAGE_NONE;
}

const char *gs_image_mime(gs_image_type type)
{
  for (size_t i = 0; i < GS_COUNT(mimes); i++)
    if (mimes[i].type == type)
      return mimes[i].mime;
  return "application/octet-stream";
}

static bool has(gesso_bytes b, size_t at, const char *magic, size_t n)
{
  return b.len >= at + n && memcmp(b.data + at, magic, n) == 0;
}

gs_image_type gs_image_type_of_bytes(gesso_bytes b)
{
  if (has(b, 0, "\x89PNG\r\n\x1a\n", 8))
    return GS_IMAGE_PNG;
  if (has(b, 0, "\xff\xd8\xff", 3))
    return GS_IMAGE_JPEG;
  if (has(b, 0, "GIF87a", 6) || has(b, 0, "GIF89a", 6))
    return GS_IMAGE_GIF;
  if (has(b, 0, "RIFF", 4) && has(b, 8, "WEBP", 4))
    return GS_IMAGE_WEBP;
  if (has(b, 4, "ftypavif", 8) || has(b, 4, "ftypavis", 8))
    return GS_IMAGE_AVIF;
  /* XML may begin with a declaration, comments and a doctype; it is served in a sandbox anyway. */
  size_t head = GS_MIN(b.len, 4096u);
  if (head != 0 && memmem(b.data, head, "<svg", 4) != NULL)
    return GS_IMAGE_SVG;
  return GS_IMAGE_NONE;
}

bool gs_image_hash_ok(gesso_bytes hash)
{
  if (hash.len != GS_IMAGE_HASH_LEN)
    return false;
  for (size_t i = 0; i < hash.len; i++)
    if (!((hash.data[i] >= '0' && hash.data[i] <= '9') || (hash.data[i] >= 'a' && hash.data[i] <= 'f')))
      return false;
  return true;
}

/* ---- files, on the thread --------------------------------------------------------------------- */

static gesso_status status_of_errno(void)
{
  switch (errno) {
  case ENOENT:
    return GESSO_E_NOTFOUND;
  case ENOSPC:
  case EDQUOT:
    return GESSO_E_FULL;
  case ENOMEM:
    return GESSO_E_NOMEM;
  default:
    return GESSO_E_IO;
  }
}

static bool hash_of(gesso_bytes bytes, char hex[GS_IMAGE_HASH_LEN + 1])
{
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned len = 0;
  if (EVP_Digest(bytes.data, bytes.len, digest, &len, EVP_sha256(), NULL) != 1 || len * 2 != GS_IMAGE_HASH_LEN)
    return false;
  for (unsigned i = 0; i < len; i++)
    (void)snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
  return true;
}

static bool hash_matches(gesso_bytes bytes, const char *hex)
{
  char is[GS_IMAGE_HASH_LEN + 1];
  return hash_of(bytes, is) && memcmp(is, hex, GS_IMAGE_HASH_LEN) == 0;
}

static int open_folder(const char *images, const char *name, bool make)
{
  int root = open(images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 && make && errno == ENOENT && mkdir(images, 0777) == 0)
    root = open(images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return -1;
  if (make && mkdirat(root, name, 0777) == 0)
    (void)fsync(root); /* a failure here shows again when the file is synced */
  int dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int saved = errno;
  close(root);
  errno = saved;
  return dir;
}

static bool write_all(int fd, gesso_bytes bytes)
{
  while (bytes.len != 0) {
    ssize_t n = write(fd, bytes.data, bytes.len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return false;
    bytes.data += n;
    bytes.len -= (size_t)n;
  }
  return true;
}

static gesso_status store_file(unsigned long serial, int dir, const char *hash, gesso_bytes bytes)
{
  char temporary[64];
  (void)snprintf(temporary, sizeof temporary, "tmp-%ld-%lu", (long)getpid(), serial);
  int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0)
    return status_of_errno();
  bool ok = write_all(fd, bytes) && fsync(fd) == 0;
  gesso_status s = ok ? GESSO_OK : status_of_errno();
  if (close(fd) != 0 && ok)
    s = status_of_errno();
  if (s == GESSO_OK && (renameat(dir, temporary, dir, hash) != 0 || fsync(dir) != 0))
    s = status_of_errno();
  if (s != GESSO_OK)
    (void)unlinkat(dir, temporary, 0);
  return s;
}

static void do_put(job *j)
{
  gs_images *images = j->images;
  gesso_bytes bytes = { j->bytes.data, j->bytes.len };
  gs_image_answer *a = &j->answer;
  if (gs_image_type_of_bytes(bytes) != j->type || !hash_matches(bytes, j->hash)) {
    a->status = GESSO_E_CORRUPT;
    return;
  }
  char folder[3] = { j->hash[0], j->hash[1], 0 };
  int dir = open_folder(images->folder, folder, true);
  if (dir < 0) {
    a->status = errno == ENOENT ? GESSO_E_IO : status_of_errno();
    return;
  }
  a->existed = faccessat(dir, j->hash, F_OK, 0) == 0;
  if (!a->existed) {
    if (atomic_load(&images->total) + bytes.len > images->total_max)
      a->status = GESSO_E_FULL;
    else
      a->status = store_file(++images->temporary, dir, j->hash, bytes);
    if (a->status == GESSO_OK)
      atomic_fetch_add(&images->total, bytes.len);
  }
  close(dir);
}

static gesso_status read_file(int fd, gesso_buffer *out)
{
  struct stat st;
  if (fstat(fd, &st) != 0)
    return GESSO_E_IO;
  if (st.st_size <= 0 || (uint64_t)st.st_size > GS_LIMIT_IMAGE_LEN)
    return GESSO_E_CORRUPT;
  gs_buf buf = gs_buf_make(NULL);
  if (!gs_buf_room(&buf, (size_t)st.st_size))
    return GESSO_E_NOMEM;
  while (buf.b.len < (size_t)st.st_size) {
    ssize_t n = read(fd, buf.b.data + buf.b.len, (size_t)st.st_size - buf.b.len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0) {
      gs_buf_finish(&buf);
      return GESSO_E_IO;
    }
    buf.b.len += (size_t)n;
  }
  *out = gs_buf_take(&buf);
  return GESSO_OK;
}

static gesso_status get_file(const char *images, const char *hash, gesso_buffer *out, gs_image_type *type)
{
  char folder[3] = { hash[0], hash[1], 0 };
  int dir = open_folder(images, folder, false);
  int fd = dir < 0 ? -1 : openat(dir, hash, O_RDONLY | O_CLOEXEC);
  gesso_status s = fd < 0 ? status_of_errno() : read_file(fd, out);
  if (fd >= 0)
    close(fd);
  if (dir >= 0)
    close(dir);
  *type = gs_image_type_of_bytes((gesso_bytes){ out->data, out->len });
  return s;
}

static void do_get(job *j)
{
  j->answer.status = get_file(j->images->folder, j->hash, &j->answer.bytes, &j->answer.type);
}

gesso_status gs_image_file_put(const char *folder, gesso_bytes bytes, char hash[GS_IMAGE_HASH_LEN + 1])
{
  if (bytes.len > GS_LIMIT_IMAGE_LEN)
    return GESSO_E_LIMIT;
  if (gs_image_type_of_bytes(bytes) == GS_IMAGE_NONE || !hash_of(bytes, hash))
    return GESSO_E_CORRUPT;
  if (folder == NULL)
    return GESSO_OK;
  char images[PATH_MAX], inner[3] = { hash[0], hash[1], 0 };
  if ((size_t)snprintf(images, sizeof images, "%s/images", folder) >= sizeof images)
    return GESSO_E_IO;
  int dir = open_folder(images, inner, true);
  if (dir < 0)
    return status_of_errno();
  gesso_status s = faccessat(dir, hash, F_OK, 0) == 0 ? GESSO_OK : store_file(0, dir, hash, bytes);
  close(dir);
  return s;
}

gesso_status gs_image_file_get(const char *folder, gesso_bytes hash, gesso_buffer *out, gs_image_type *type)
{
  char images[PATH_MAX], name[GS_IMAGE_HASH_LEN + 1] = { 0 };
  *out = (gesso_buffer){ 0 };
  if (!gs_image_hash_ok(hash))
    return GESSO_E_NOTFOUND;
  if ((size_t)snprintf(images, sizeof images, "%s/images", folder) >= sizeof images)
    return GESSO_E_IO;
  memcpy(name, hash.data, GS_IMAGE_HASH_LEN);
  return get_file(images, name, out, type);
}

/* What is there already counts against the quota; what a crash left half done goes. */
static void scan(gs_images *images)
{
  for (unsigned i = 0; i < 256; i++) {
    char name[3];
    (void)snprintf(name, sizeof name, "%02x", i);
    int fd = open_folder(images->folder, name, false);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
      if (fd >= 0)
        close(fd);
      continue;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
      struct stat st;
      if (strncmp(e->d_name, "tmp-", 4) == 0)
        (void)unlinkat(dirfd(dir), e->d_name, 0);
      else if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
        atomic_fetch_add(&images->total, (uint64_t)st.st_size);
    }
    closedir(dir);
  }
}

/* ---- thread and loop -------------------------------------------------------------------------- */

static void free_job(job *j)
{
  gesso_buffer_free(&j->bytes);
  gesso_buffer_free(&j->answer.bytes);
  gs_free(NULL, j, sizeof *j);
}

static void answer(gs_task *task)
{
  job *j = (job *)task;
  if (!atomic_load(&j->images->silent))
    j->fn(j->ctx, j->id, &j->answer);
  free_job(j);
}

static void *work(void *arg)
{
  gs_images *images = arg;
  scan(images);
  pthread_mutex_lock(&images->lock);
  for (;;) {
    while (images->first == NULL && !images->stop)
      pthread_cond_wait(&images->wake, &images->lock);
    job *j = images->first;
    if (j == NULL)
      break;
    images->first = j->next;
    if (images->first == NULL)
      images->last = NULL;
    images->count--;
    pthread_mutex_unlock(&images->lock);
    if (j->put)
      do_put(j);
    else
      do_get(j);
    gesso_buffer_free(&j->bytes);
    gs_loop_post(images->loop, &j->task);
    pthread_mutex_lock(&images->lock);
  }
  pthread_mutex_unlock(&images->lock);
  return NULL;
}

gs_images *gs_images_create(gs_loop *loop, const char *folder, uint64_t total_max)
{
  gs_images *images = GS_NEW(NULL, gs_images);
  if (images == NULL)
    return NULL;
  images->loop = loop;
  images->total_max = total_max;
  if (asprintf(&images->folder, "%s/images", folder) < 0) {
    gs_free(NULL, images, sizeof *images);
    return NULL;
  }
  pthread_mutex_init(&images->lock, NULL);
  pthread_cond_init(&images->wake, NULL);
  if (pthread_create(&images->thread, NULL, work, images) != 0) {
    free(images->folder);
    gs_free(NULL, images, sizeof *images);
    return NULL;
  }
  return images;
}

void gs_images_stop(gs_images *images)
{
  if (images == NULL)
    return;
  atomic_store(&images->silent, true);
  pthread_mutex_lock(&images->lock);
  images->stop = true;
  pthread_cond_signal(&images->wake);
  pthread_mutex_unlock(&images->lock);
  pthread_join(images->thread, NULL);
}

void gs_images_destroy(gs_images *images)
{
  if (images == NULL)
    return;
  pthread_cond_destroy(&images->wake);
  pthread_mutex_destroy(&images->lock);
  free(images->folder);
  gs_free(NULL, images, sizeof *images);
}

static gesso_status submit(gs_images *images, job *j, gesso_bytes hash, gs_image_fn fn, void *ctx, uint64_t id)
{
  j->task.run = answer;
  j->images = images;
  j->fn = fn;
  j->ctx = ctx;
  j->id = id;
  memcpy(j->hash, hash.data, GS_IMAGE_HASH_LEN);
  pthread_mutex_lock(&images->lock);
  bool room = images->count < GS_LIMIT_IMAGE_JOBS;
  if (room) {
    if (images->last != NULL)
      images->last->next = j;
    else
      images->first = j;
    images->last = j;
    images->count++;
    pthread_cond_signal(&images->wake);
  }
  pthread_mutex_unlock(&images->lock);
  if (!room)
    free_job(j);
  return room ? GESSO_OK : GESSO_E_BUSY;
}

gesso_status gs_images_put(gs_images *images, gesso_bytes hash, gs_image_type type, gesso_bytes bytes,
                           gs_image_fn fn, void *ctx, uint64_t id)
{
  job *j = GS_NEW(NULL, job);
  if (j == NULL)
    return GESSO_E_NOMEM;
  gs_buf copy = gs_buf_make(NULL);
  gs_buf_write(&copy, bytes.data, bytes.len);
  if (copy.err != GESSO_OK) {
    free_job(j);
    return GESSO_E_NOMEM;
  }
  j->put = true;
  j->type = type;
  j->bytes = gs_buf_take(&copy);
  return submit(images, j, hash, fn, ctx, id);
}

gesso_status gs_images_get(gs_images *images, gesso_bytes hash, gs_image_fn fn, void *ctx, uint64_t id)
{
  job *j = GS_NEW(NULL, job);
  return j == NULL ? GESSO_E_NOMEM : submit(images, j, hash, fn, ctx, id);
}

uint64_t gs_images_total(const gs_images *images)
{
  return atomic_load(&images->total);
}
