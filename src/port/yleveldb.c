/* y-leveldb: what the server of y-websocket 1 and 2 writes with YPERSISTENCE.
 *
 * LevelDB repairs, compacts and locks what it opens, so a copy is read: table files, which never change, are linked into a
 * temporary folder where the file system can do that, the rest is copied.
 *
 * All updates of a document stand next to each other. A trim writes one large update and deletes the others later; a crash
 * in between leaves both, and applying all is right. */
#include "port/names.h"
#include "port/source.h"

#ifdef GS_WITH_LEVELDB

#include "port/yleveldb_key.h"
#include "wire/any.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <leveldb/c.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct yleveldb {
  gs_port_source s;
  char copy[PATH_MAX]; /* "": none was made */
  leveldb_t *db;
  leveldb_options_t *options;
  leveldb_readoptions_t *look; /* verifies checksums */
  leveldb_iterator_t *at;      /* at the first key that no document has taken yet */
  leveldb_iterator_t *vectors; /* then the index of names: for those that have no update */
  gs_buf name;                 /* of the document of this moment */
  bool inside;                 /* `at` may stand among its keys */
  bool index_only;             /* it has no update */
  uint64_t stray_keys;         /* that are none of y-leveldb's; told at the end, as a document of their own */
  bool stray, stray_told;
} yleveldb;

/* ---- the copy ---------------------------------------------------------------------------------- */

static gesso_status copy_file(const char *from, const char *to, gs_buf *why)
{
  struct stat st;
  int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool ok = in >= 0 && out >= 0 && fstat(in, &st) == 0;
  for (off_t left = ok ? st.st_size : 0; ok && left > 0;) {
    ssize_t n = sendfile(out, in, NULL, (size_t)left);
    ok = n > 0;
    left -= n;
  }
  gesso_status s = ok ? GESSO_OK : gs_port_because(why, GESSO_E_IO, "%s cannot be copied to %s: %s", from, to, strerror(errno));
  if (in >= 0)
    (void)close(in);
  if (out >= 0)
    (void)close(out);
  return s;
}

static bool is_table(const char *name)
{
  size_t n = strlen(name);
  return n > 4 && (strcmp(name + n - 4, ".ldb") == 0 || strcmp(name + n - 4, ".sst") == 0);
}

static bool is_part_of_it(const char *name)
{
  size_t n = strlen(name);
  return is_table(name) || strcmp(name, "CURRENT") == 0 || strncmp(name, "MANIFEST-", 9) == 0 ||
         (n > 4 && strcmp(name + n - 4, ".log") == 0);
}

/* Somebody who has the folder open holds a lock on its file LOCK. */
static bool in_use(const char *folder)
{
  char path[PATH_MAX];
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
  int fd = (size_t)snprintf(path, sizeof path, "%s/LOCK", folder) < sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  bool held = fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  if (fd >= 0)
    (void)close(fd);
  return held;
}

static gesso_status copy_folder(yleveldb *y, const char *folder, gs_buf *why)
{
  const char *tmp = getenv("TMPDIR");
  if (in_use(folder))
    return gs_port_because(why, GESSO_E_BUSY, "a program has it open: stop that server first");
  DIR *dir = opendir(folder);
  if (dir == NULL)
    return gs_port_because(why, GESSO_E_IO, "it cannot be read: %s", strerror(errno));
  gesso_status s = GESSO_OK;
  if ((size_t)snprintf(y->copy, sizeof y->copy, "%s/gesso-leveldb-XXXXXX", tmp != NULL && *tmp != '\0' ? tmp : "/tmp") >=
        sizeof y->copy || mkdtemp(y->copy) == NULL) {
    s = gs_port_because(why, GESSO_E_IO, "no temporary folder can be made: %s", strerror(errno));
    y->copy[0] = '\0';
  }
  for (struct dirent *e; s == GESSO_OK && (e = readdir(dir)) != NULL;) {
    char from[PATH_MAX], to[PATH_MAX];
    if (!is_part_of_it(e->d_name))
      continue;
    if ((size_t)snprintf(from, sizeof from, "%s/%s", folder, e->d_name) >= sizeof from ||
        (size_t)snprintf(to, sizeof to, "%s/%s", y->copy, e->d_name) >= sizeof to)
      s = gs_port_because(why, GESSO_E_LIMIT, "its path is too long");
    else if (!is_table(e->d_name) || link(from, to) != 0)
      s = copy_file(from, to, why);
  }
  (void)closedir(dir);
  return s;
}

static void remove_copy(yleveldb *y)
{
  DIR *dir = y->copy[0] == '\0' ? NULL : opendir(y->copy);
  if (dir == NULL)
    return;
  for (struct dirent *e; (e = readdir(dir)) != NULL;)
    if (e->d_name[0] != '.')
      (void)unlinkat(dirfd(dir), e->d_name, 0);
  (void)closedir(dir);
  (void)rmdir(y->copy);
}

/* ---- reading ----------------------------------------------------------------------------------- */

static gesso_bytes key_of(const leveldb_iterator_t *it)
{
  size_t n;
  const char *key = leveldb_iter_key(it, &n);
  return (gesso_bytes){ (const uint8_t *)key, n };
}

static gesso_bytes value_of(const leveldb_iterator_t *it)
{
  size_t n;
  const char *value = leveldb_iter_value(it, &n);
  return (gesso_bytes){ (const uint8_t *)value, n };
}

static gesso_status failed(leveldb_iterator_t *it, gs_buf *why)
{
  char *error = NULL;
  leveldb_iter_get_error(it, &error);
  if (error == NULL)
    return GESSO_OK;
  gesso_status s = gs_port_because(why, GESSO_E_CORRUPT, "LevelDB says: %s", error);
  leveldb_free(error);
  return s;
}

static bool same(gesso_bytes a, gesso_bytes b)
{
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* y-websocket's server stores a room under its path. */
static gesso_status take_name(yleveldb *y, gs_port_doc *d, gesso_bytes name)
{
  gs_buf_clear(&y->name);
  gs_buf_write(&y->name, name.data, name.len);
  gs_port_path_name(name, &d->name);
  return y->name.err != GESSO_OK ? y->name.err : d->name.err;
}

static void seek(leveldb_iterator_t *it, gs_ykey_kind kind, const gesso_bytes *name)
{
  gs_buf prefix = gs_buf_make(NULL);
  gs_ykey_prefix(&prefix, kind, name);
  leveldb_iter_seek(it, (const char *)prefix.b.data, prefix.b.len);
  gs_buf_finish(&prefix);
}

/* Is there any key of that name among updates and metadata? */
static bool has_content(yleveldb *y, gesso_bytes name)
{
  gs_ykey key;
  leveldb_iterator_t *it = leveldb_create_iterator(y->db, y->look);
  bool found = false;
  seek(it, GS_YKEY_UPDATE, &name);
  if (leveldb_iter_valid(it) && gs_ykey_parse(key_of(it), &key, NULL) == GESSO_OK)
    found = key.kind == GS_YKEY_UPDATE && same(key.name, name);
  leveldb_iter_destroy(it);
  return found;
}

/* Past all keys of the document of this moment, read or not. */
static void leave(yleveldb *y)
{
  gs_ykey key;
  while (y->inside && leveldb_iter_valid(y->at) && gs_ykey_parse(key_of(y->at), &key, NULL) == GESSO_OK &&
         key.kind != GS_YKEY_VECTOR && same(key.name, gs_buf_bytes(&y->name)))
    leveldb_iter_next(y->at);
  y->inside = false;
}

static gesso_status next(gs_port_source *s, gs_port_doc *d)
{
  yleveldb *y = (yleveldb *)s;
  gs_ykey key;
  leave(y);
  for (; leveldb_iter_valid(y->at); leveldb_iter_next(y->at)) {
    if (gs_ykey_parse(key_of(y->at), &key, NULL) != GESSO_OK) {
      y->stray_keys++;
    } else if (key.kind == GS_YKEY_UPDATE) {
      y->inside = true;
      return take_name(y, d, key.name);
    }
  }
  gesso_status st = failed(y->at, &s->why);
  if (st != GESSO_OK)
    return st;
  for (y->index_only = true; leveldb_iter_valid(y->vectors); leveldb_iter_next(y->vectors)) {
    if (gs_ykey_parse(key_of(y->vectors), &key, NULL) != GESSO_OK || key.kind != GS_YKEY_VECTOR || has_content(y, key.name))
      continue;
    st = take_name(y, d, key.name);
    leveldb_iter_next(y->vectors);
    return st;
  }
  st = failed(y->vectors, &s->why);
  y->stray = st == GESSO_OK && y->stray_keys != 0 && !y->stray_told;
  if (y->stray) {
    y->stray_told = true;
    gs_buf_puts(&d->name, "?");
    return d->name.err;
  }
  return st != GESSO_OK ? st : GESSO_E_NOTFOUND;
}

static void read_metadata(yleveldb *y, gs_port_doc *d, gesso_bytes name)
{
  leveldb_iterator_t *it = leveldb_create_iterator(y->db, y->look);
  gs_ykey key;
  for (seek(it, GS_YKEY_META, &name); leveldb_iter_valid(it); leveldb_iter_next(it)) {
    if (gs_ykey_parse(key_of(it), &key, NULL) != GESSO_OK || key.kind != GS_YKEY_META || !same(key.name, name))
      break;
    gs_buf json = gs_buf_make(NULL);
    gs_reader rd = gs_reader_of(value_of(it));
    bool shown = gs_any_to_json(&rd, &json);
    gs_port_note(d, "its metadata '%.*s' is left out: %.*s", (int)GS_MIN(key.meta.len, 100u), (const char *)key.meta.data,
                 shown ? (int)GS_MIN(json.b.len, 200u) : 1, shown ? (const char *)json.b.data : "?");
    gs_buf_finish(&json);
  }
  leveldb_iter_destroy(it);
}

static void check_vector(yleveldb *y, gs_port_doc *d, gesso_bytes name)
{
  gs_buf key = gs_buf_make(NULL);
  char *error = NULL;
  size_t n = 0;
  gs_ykey_prefix(&key, GS_YKEY_VECTOR, &name);
  char *value = leveldb_get(y->db, y->look, (const char *)key.b.data, key.b.len, &n, &error);
  gs_buf_finish(&key);
  if (error != NULL) {
    gs_port_damage(d, "its state vector: LevelDB says: %s", error);
    leveldb_free(error);
  } else if (value == NULL) {
    gs_port_note(d, "it is not in the index of names: y-leveldb would not list it");
  } else {
    uint64_t clock;
    gesso_bytes vector;
    gesso_error why;
    if (gs_yvector_parse((gesso_bytes){ (const uint8_t *)value, n }, &clock, &vector, &why) != GESSO_OK)
      gs_port_damage(d, "its state vector: byte %zu: %s", why.offset, why.message);
    else
      gs_port_expect(d, vector, "the index of names");
    leveldb_free(value);
  }
}

static void read_it(gs_port_source *s, gs_port_doc *d)
{
  yleveldb *y = (yleveldb *)s;
  gesso_bytes name = gs_buf_bytes(&y->name);
  gs_ykey key;
  if (y->stray) {
    gs_port_damage(d, "%llu keys are none of y-leveldb's", (unsigned long long)y->stray_keys);
    return;
  }
  for (; !y->index_only && leveldb_iter_valid(y->at); leveldb_iter_next(y->at)) {
    if (gs_ykey_parse(key_of(y->at), &key, NULL) != GESSO_OK || key.kind != GS_YKEY_UPDATE || !same(key.name, name))
      break;
    (void)gs_port_apply(d, value_of(y->at), GS_PORT_V1, "update %u", (unsigned)key.clock);
  }
  gs_buf why = gs_buf_make(NULL);
  if (failed(y->at, &why) != GESSO_OK)
    gs_port_damage(d, "%s", gs_port_text(&why));
  gs_buf_finish(&why);
  check_vector(y, d, name);
  read_metadata(y, d, name);
}

static void close_it(gs_port_source *s)
{
  yleveldb *y = (yleveldb *)s;
  if (y->at != NULL)
    leveldb_iter_destroy(y->at);
  if (y->vectors != NULL)
    leveldb_iter_destroy(y->vectors);
  if (y->db != NULL)
    leveldb_close(y->db);
  if (y->look != NULL)
    leveldb_readoptions_destroy(y->look);
  if (y->options != NULL)
    leveldb_options_destroy(y->options);
  remove_copy(y);
  gs_buf_finish(&y->name);
  gs_free(NULL, y, sizeof *y);
}

static const gs_port_reader reader = { next, read_it, close_it };

gesso_status gs_port_open_yleveldb(const char *path, gs_port_source **out, gs_buf *why)
{
  yleveldb *y = GS_NEW(NULL, yleveldb);
  if (y == NULL)
    return gs_port_because(why, GESSO_E_NOMEM, "out of memory");
  y->s = (gs_port_source){ .reader = &reader, .kind = "a y-leveldb folder", .single = false };
  y->name = gs_buf_make(NULL);
  gesso_status s = copy_folder(y, path, why);
  if (s == GESSO_OK) {
    char *error = NULL;
    y->options = leveldb_options_create();
    leveldb_options_set_paranoid_checks(y->options, 1);
    y->look = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(y->look, 1);
    y->db = leveldb_open(y->options, y->copy, &error);
    if (error != NULL) {
      s = gs_port_because(why, GESSO_E_CORRUPT, "LevelDB says: %s", error);
      leveldb_free(error);
    }
  }
  if (s == GESSO_OK) {
    y->at = leveldb_create_iterator(y->db, y->look);
    y->vectors = leveldb_create_iterator(y->db, y->look);
    leveldb_iter_seek_to_first(y->at);
    seek(y->vectors, GS_YKEY_VECTOR, NULL);
  }
  if (s != GESSO_OK) {
    close_it(&y->s);
    return s;
  }
  *out = &y->s;
  return GESSO_OK;
}

#else

gesso_status gs_port_open_yleveldb(const char *path, gs_port_source **out, gs_buf *why)
{
  (void)path;
  (void)out;
  return gs_port_because(why, GESSO_E_USAGE, "it is a y-leveldb folder, and this gesso was built without LevelDB: install "
                         "libleveldb-dev and build again");
}

#endif
