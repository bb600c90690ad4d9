/* A data folder of one test, and the store's asynchronous calls as plain ones: each waits for its
 * completion. The disk and the clock lie when told to. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "gesso/gesso.h"
#include "store/hooks.h"

#include "base/alloc.h"

#include <stdatomic.h>
#include <string.h>

/* cmocka's header wants these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A disk that delays and fails. The lies it may tell: a sync takes as long as it likes; a sync fails, and what was
 * not synced may be lost; writes fail, or the disk is full; a write stops half way. */
typedef struct test_disk {
  gs_vfs_hooks hooks;
  atomic_bool hold_syncs;  /* syncs take until this is false again */
  atomic_int fail_syncs;   /* so many of the next ones fail; negative: all */
  atomic_int fail_writes;  /* the same; with `full` the error is that of a full disk */
  atomic_int_fast64_t room; /* bytes left; negative: as it is */
  atomic_int error;        /* errno of writes that fail */
  atomic_bool full, tear;  /* tear: half of what fails is written all the same */
  atomic_uint writes, syncs, failed_syncs;
} test_disk;

/* A clock that is moved by hand, from any thread. */
typedef struct test_clock {
  gs_clock clock;
  atomic_uint_fast64_t us;
  atomic_int_fast64_t wall_ms;
} test_clock;

typedef struct store {
  char folder[200];
  test_disk disk;
  test_clock clock;
  bool manual_clock;
  gesso_persistence_options options;
  gesso_persistence *p;
} store;

/* Makes a new folder under $TMPDIR; `open` opens it. */
void store_init(store *s);
void store_open(store *s);                  /* asserts that it works */
gesso_status store_try_open(store *s);      /* what ready says */
uint64_t store_close(store *s);             /* the number of boards that failed */
void store_finish(store *s);                /* closes and removes the folder */
void remove_folder(const char *path);           /* with everything in it */
void store_advance_ms(store *s, uint64_t ms);

gesso_bytes text(const char *s);

/* The outcome of the last call. */
typedef struct loaded {
  gesso_load_result result;
  gesso_status status;
  char message[200];
  uint64_t generation;
  size_t state_len, update_count;
  uint32_t full;
  gesso_doc *doc; /* taken; free with gesso_doc_destroy */
} loaded;

loaded store_load(store *s, const char *board);
/* The map "m" of the board as JSON, into `out` (of 4096 bytes); "" when there is no board. */
void store_json(store *s, const char *board, char *out);
gesso_status store_append(store *s, const char *board, gesso_bytes update); /* waits for synced */
gesso_status store_append_to(store *s, const char *board, uint64_t generation, gesso_bytes update);
gesso_status store_save(store *s, const char *board);
gesso_status store_create(store *s, const char *board);
gesso_status store_delete(store *s, const char *board, uint32_t flags);
gesso_status store_undelete(store *s, const char *board);
uint64_t store_flush(store *s);
gesso_status store_show(store *s, const char *board, gesso_board_info *out); /* out->board is cleared */
gesso_persistence_stats store_stats(store *s);


/* A board's versions, oldest first; at most 256 of them. */
typedef struct version_list {
  gesso_status status;
  size_t count;
  uint64_t stored_bytes;
  gesso_board_version v[256]; /* names are cleared ... */
  char names[256][32];        /* ... and here */
} version_list;

void store_versions(store *s, const char *board, version_list *out);
/* The map "m" of a version as JSON, into `out` (of 4096 bytes). */
gesso_status store_version_json(store *s, const char *board, uint64_t id, char *out);
gesso_status store_version_name(store *s, const char *board, uint64_t id, const char *name, uint64_t *id_out);
/* The update of a restore, to be freed. */
gesso_status store_version_restore(store *s, const char *board, uint64_t id, gesso_buffer *update, uint64_t *before);

/* Dispatches until *flag. */
void store_wait_for(store *s, const bool *flag);
void set_flag(void *ctx, gesso_status status); /* a completion: sets the bool at ctx */

/* An update that sets m[key] = value, made by a document of its own that has `client` as its id. */
gesso_buffer update_set(uint64_t client, const char *key, const char *value);
/* The same with a value of `len` bytes that do not become smaller on the disk. */
gesso_buffer update_noise(uint64_t client, const char *key, size_t len);
/* Runs one SQL statement on the folder's database, which nobody may have open. */
void store_sql(const store *s, const char *sql);
int64_t store_sql_int(const store *s, const char *sql);
int64_t store_file_size(const store *s, const char *name); /* 0: there is none */

#endif
