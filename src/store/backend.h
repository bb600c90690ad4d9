/* All that the store asks of a database. SQLite is behind it (sqlite_*.c); whatever comes second
 * implements these functions and nothing else.
 *
 * One writer, which belongs to the storage thread; one sync at a time and one checkpoint at a time,
 * each from a thread of its own while the writer works; any number of readers. */
#ifndef GS_STORE_BACKEND_H
#define GS_STORE_BACKEND_H

#include "store/state.h"
#include "store/version.h"
#include "store/vfs.h"

typedef struct gs_backend gs_backend;

/* What is known of a board without its content. */
typedef struct gs_board_row {
  bool exists;
  uint64_t num, generation;
  int64_t created_ms, updated_ms, deleted_ms, purged_ms; /* the last two: 0 = not */
  bool has_state;
  uint64_t upto, version;
  uint64_t state_bytes, stored_bytes;
  uint64_t aside_rows; /* rows of the board in journal_aside */
  int64_t state_ms;    /* when the state was folded */
  uint64_t history_bytes; /* all versions, as stored */
  int64_t version_ms;  /* of the version made last; 0: none */
} gs_board_row;

/* Called for every journal row in order of id: at opening, and when the index is read again. */
typedef void (*gs_journal_row_fn)(void *ctx, uint64_t id, uint64_t num, uint32_t bytes);

/* `folder` is copied. NULL: no memory. */
gs_backend *gs_backend_create(const gesso_allocator *al, const char *folder, bool read_only,
                              const gs_vfs_hooks *hooks);
void gs_backend_destroy(gs_backend *be);

/* Opens the writer's connection: drops what the kernel believes to be in the log (after a failed sync that is more than
 * the disk has, and the failure may have been an earlier process's), migrates (unless `no_migrate`), empties the
 * write-ahead log into the database so that everything found is on the disk, and walks the journal. *next_id exceeds
 * every journal id and every `upto`. `why`: static text. When it can be read but not written, it
 * answers why not and is open all the same, for readers: see gs_backend_is_open. */
gesso_status gs_backend_open(gs_backend *be, bool no_migrate, gs_journal_row_fn fn, void *ctx, uint64_t *next_id,
                             const char **why);

bool gs_backend_is_open(const gs_backend *be);

/* Closes every connection, readers' included. `last`: also fold the write-ahead log away. Otherwise
 * the log stays as it is, for the next open to recover. */
void gs_backend_close(gs_backend *be, bool last);

/* --- the writer. Between begin and commit; all or nothing --- */
gesso_status gs_backend_begin(gs_backend *be);
gesso_status gs_backend_commit(gs_backend *be);
void gs_backend_rollback(gs_backend *be);

gesso_status gs_backend_find(gs_backend *be, gesso_bytes name, gs_board_row *out);
gesso_status gs_backend_find_number(gs_backend *be, uint64_t num, gesso_buffer *name_out, gs_board_row *out);
gesso_status gs_backend_insert_board(gs_backend *be, gesso_bytes name, uint64_t generation, int64_t now_ms,
                                     uint64_t *num_out);
gesso_status gs_backend_remove_board(gs_backend *be, gesso_bytes name); /* with its state */
gesso_status gs_backend_set_deleted(gs_backend *be, gesso_bytes name, int64_t deleted_ms); /* 0: undelete */
gesso_status gs_backend_purge(gs_backend *be, gesso_bytes name, uint64_t num, int64_t now_ms);
/* The name of a board in the trash since before `before_ms`; NOTFOUND when there is none. */
gesso_status gs_backend_expired(gs_backend *be, int64_t before_ms, gesso_buffer *name_out);

gesso_status gs_backend_put_row(gs_backend *be, uint64_t num, const gs_stored_row *row);
gesso_status gs_backend_put_state(gs_backend *be, gesso_bytes name, const gs_folded *state, uint64_t upto,
                                  uint64_t version, int64_t now_ms);
/* Removes journal rows with id < below. */
gesso_status gs_backend_cut(gs_backend *be, uint64_t below);
/* Moves one row to journal_aside. */
gesso_status gs_backend_set_aside(gs_backend *be, uint64_t id);
/* Gives up to `pages` free pages back to the file system (0: none); *left: how many remain. A
 * transaction of its own. */
gesso_status gs_backend_vacuum(gs_backend *be, int pages, int64_t *left);

/* Adds a version of the board. NOTFOUND: the base that its bytes refer to has gone. */
gesso_status gs_backend_put_version(gs_backend *be, uint64_t num, const gs_new_version *version, uint64_t *id_out);
/* Changes kind and name. NOTFOUND: the board has no such version. */
gesso_status gs_backend_set_version(gs_backend *be, uint64_t num, uint64_t id, gs_version_kind kind, gesso_bytes name);
gesso_status gs_backend_drop_version(gs_backend *be, uint64_t id);
/* A board with a version, made by itself, older than that; NOTFOUND when there is none. */
gesso_status gs_backend_old_version(gs_backend *be, int64_t before_ms, uint64_t *num_out);

/* --- the writer's connection, inside a transaction or not --- */
/* A board's versions in the order in which they were made. */
typedef gesso_status (*gs_version_row_fn)(void *ctx, const gs_version_row *row, gesso_bytes name);
gesso_status gs_backend_versions(gs_backend *be, uint64_t num, gs_version_row_fn fn, void *ctx);

/* --- the writer's connection, outside a transaction --- */
typedef gesso_status (*gs_list_row_fn)(void *ctx, gesso_bytes name, const gs_board_row *row);
gesso_status gs_backend_list(gs_backend *be, gesso_bytes after, size_t max, bool deleted_too, gs_list_row_fn fn,
                             void *ctx);
/* Walks the journal again (read-only handles, beside a writer). */
gesso_status gs_backend_walk(gs_backend *be, gs_journal_row_fn fn, void *ctx);

typedef struct gs_backend_room {
  uint64_t used_bytes; /* of the database, without pages that are free */
  bool disk_known;
  uint64_t disk_left, disk_size;
} gs_backend_room;
gesso_status gs_backend_get_room(gs_backend *be, gs_backend_room *out);

/* --- any thread --- */
/* The errno with which the system refused the last write: EROFS, EACCES, EPERM; or 0. */
int gs_backend_refusal(gs_backend *be);

/* Makes everything committed so far survive a power cut. Never to be repeated after a failure.
 * CLOSED: there is nothing open to sync. */
gesso_status gs_backend_sync(gs_backend *be);

typedef enum gs_checkpoint_mode { GS_CHECKPOINT_PASSIVE, GS_CHECKPOINT_TRUNCATE } gs_checkpoint_mode;
gesso_status gs_backend_checkpoint(gs_backend *be, gs_checkpoint_mode mode);

typedef struct gs_backend_sizes {
  uint64_t wal_bytes, wal_frames, wal_file_frames, database_bytes, sync_failures;
} gs_backend_sizes;
/* Figures as of the last commit. */
void gs_backend_get_sizes(gs_backend *be, gs_backend_sizes *out);

/* --- readers: each belongs to one thread --- */
typedef struct gs_board_reader gs_board_reader;
gs_board_reader *gs_board_reader_create(gs_backend *be);
/* While the backend is open or closed, before it is destroyed. */
void gs_board_reader_destroy(gs_board_reader *rd);

/* A board's rows as stored. */
typedef struct gs_board_rows {
  const gesso_allocator *alloc;
  gs_board_row board;
  gs_stored_state state;   /* when board.has_state */
  gs_stored_row *rows;     /* id > upto, in order */
  uint32_t row_count, row_cap;
  gs_buf bytes;            /* what all of them point into */
} gs_board_rows;

/* One consistent view of the board. `ids` are the journal rows that it is known to have (of board
 * `num`), at most up to which it is read; when the board has another number by now, or with ids
 * NULL, the journal is searched. CLOSED: the backend is closed at this moment, ask again later. */
gesso_status gs_board_reader_read(gs_board_reader *rd, gesso_bytes name, uint64_t num, const uint64_t *ids,
                                  size_t id_count, gs_board_rows *out);
void gs_board_rows_finish(gs_board_rows *rows);

/* One version, of the board of that name or (empty) number, with the one that its bytes refer to; id 0: the newest
 * that refers to none. NOTFOUND, CLOSED. `out` is to be finished whatever the answer. */
gesso_status gs_board_reader_version(gs_board_reader *rd, gesso_bytes name, uint64_t num, uint64_t id,
                                     gs_version_rows *out);

#endif
