/* gesso/persistence.h: boards on disk.
 *
 * A data folder holds boards: named documents, each as one compacted state plus a short journal of
 * the updates that arrived since. One process may have the folder open for writing; any number may
 * read it meanwhile.
 *
 *   gesso_persistence_options o = { .size = sizeof o, .folder = "data" };
 *   gesso_persistence *p;
 *   if (gesso_persistence_open(&o, &p, &why) != GESSO_OK) ...
 *   gesso_board_persistence_load(p, name, on_load, room);      // answers later, see below
 *   gesso_board_persistence_append(p, name, 0, update, 0, on_written, on_synced, room);
 *   ... in the event loop, whenever gesso_persistence_poll_fd(p) is readable:
 *   gesso_persistence_dispatch(p);                             // runs on_load, on_written, ...
 *
 * What is promised. An update is `written` once it survives a kill -9 of this process, and `synced`
 * once it survives a power cut. Show it to others after the first, acknowledge it after the second.
 * A board is never opened empty in place of one that cannot be read, and a row that cannot be
 * decoded is kept.
 *
 * No call waits for the disk. Every verb hands its work to the storage threads and returns (a
 * fraction of a millisecond, plus the copy of what it is given); the result arrives through a
 * completion callback. The only call that may wait is gesso_persistence_destroy before the close
 * has completed, and gesso_persistence_wait, whose purpose it is.
 *
 * Threads. Every call may be made from any thread, except that attached documents stay with the
 * thread that owns them (see attach). Callbacks run inside gesso_persistence_dispatch or _wait and
 * nowhere else, so on the thread that calls those; one thread at a time may do so. A callback may
 * make any call here but dispatch, wait and destroy.
 *
 * Order. Work on one board is done in the order in which it was handed in: a load that follows an
 * append sees the update, whatever is being saved at that moment. Every accepted call completes
 * exactly once (append: once for each of its two callbacks, written first). A callback may be NULL.
 *
 * Refused at once. A verb returns a status: GESSO_OK means that it was accepted and will complete.
 * Anything else means that nothing was taken and no callback follows:
 *   USAGE   a bad name, a verb that writes on a read-only handle, a missing argument
 *   FULL    (append, create) the disk is full, or the folder's quota is reached: boards are read-only until there is
 *           room again
 *   LIMIT   (append) too much is waiting for the disk; see queue_bytes_max
 *   CLOSED  after gesso_persistence_close
 *   NOMEM
 *
 * Board names are UTF-8 of 1 to 512 bytes without NUL. `board` arguments and all other input are
 * borrowed for the call only; what callbacks are given is valid until they return. */
#ifndef GESSO_PERSISTENCE_H
#define GESSO_PERSISTENCE_H

#include "gesso/base.h"
#include "gesso/doc.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gesso_persistence gesso_persistence;

enum {
  GESSO_BOARD_NAME_MAX = 512 /* bytes */
};

/* ------------------------------------------------------------------ opening and closing --- */

/* When an update counts as `synced`, which is when it may be acknowledged. */
typedef enum gesso_durability {
  GESSO_DURABILITY_DISK = 0,  /* after the disk confirmed it: survives a power cut */
  GESSO_DURABILITY_OS = 1,    /* after it was written: survives kill -9, not a power cut */
  GESSO_DURABILITY_MEMORY = 2 /* at once: for tests. The folder is written all the same */
} gesso_durability;

enum {
  GESSO_OPEN_READ_ONLY = 1u, /* load, show, list, export and stats; works while another process writes */
  GESSO_OPEN_NO_MIGRATE = 2u, /* an older schema is GESSO_E_VERSION instead of being brought up */
  GESSO_OPEN_NO_HISTORY = 4u  /* no version is made that nobody asked for; those there are stay */
};

/* Zero in any field means its default. */
typedef struct gesso_persistence_options {
  size_t size;                  /* sizeof(gesso_persistence_options): lets fields be added later */
  const gesso_allocator *alloc; /* NULL: malloc. Called from several threads; outlives the handle */
  const char *folder;           /* path; made (with its parents) when it does not exist */
  uint32_t flags;               /* GESSO_OPEN_* */
  uint32_t durability;          /* gesso_durability */
  uint32_t debounce_ms;         /* quiet time before a debounced save; 5000 */
  uint32_t max_wait_ms;         /* a debounced save waits no longer than this; 30000 */
  uint64_t purge_after_ms;      /* deleted boards can be undeleted for so long; 7 days */
  uint64_t journal_bytes_max;   /* cap of all journals together; max(16 MB, a quarter of all states) */
  uint64_t wal_bytes_max;       /* size past which the write-ahead log is emptied by force; 64 MB. From an
                                   eighth of that on it is copied into the database */
  uint64_t queue_bytes_max;     /* updates in memory that wait for the disk, one larger one aside; 256 MB */
  uint64_t doc_memory_max;      /* memory of one document while it is loaded or folded; 0: no limit */
  uint32_t group_window_us;     /* at least this long between two commits of a busy store; 1000 */
  const char *owner;            /* who writes, for the message to a second writer: "gesso serve" */
  const char *address;          /* where its API answers: "http://127.0.0.1:1234" */
  uint64_t history_keep_ms;     /* versions made by themselves stay so long; 30 days */
  uint32_t history_ratio;       /* ... while a board's history takes at most so many times its state; 10 */
  uint32_t history_pad;
  uint64_t board_bytes_max;     /* quota of a board: once its state and journal take so much on disk, only updates that
                                   delete are taken; no limit */
  uint64_t total_bytes_max;     /* quota of all boards: of gesso.db, history and trash included, the write-ahead log not.
                                   Once it is reached, the trash is emptied and updates are refused (FULL); no limit */
  uint64_t reserve_bytes;       /* updates are refused (FULL) while less than this is left on the disk: it is for what
                                   makes room. 32 MB, or a 128th of the file system if that is less */
} gesso_persistence_options;

/* Opens a data folder: takes the writer's lock (not when read-only) and starts the storage threads,
 * which open and migrate the database. Calls may be made at once; they wait for that. How it went
 * is the completion of gesso_persistence_ready; when it failed, every call completes with that status.
 * Errors: BUSY (another process has the folder open for writing; the message names it and what to do
 * instead), NOTFOUND (read-only, and there is no data folder), IO, USAGE, NOMEM. On failure *out is NULL and `why`
 * (may be NULL) receives a sentence, freed with gesso_buffer_free. */
GESSO_API GESSO_MUST_USE gesso_status gesso_persistence_open(const gesso_persistence_options *options,
                                                             gesso_persistence **out, gesso_buffer *why);

/* `message` is a sentence for people, never NULL, valid until the callback returns. */
typedef void (*gesso_persistence_ready_fn)(void *ctx, gesso_status status, const char *message);

/* Completes when the database is open. OK; VERSION (written by a newer gesso, or by an older one and the
 * handle is read-only or NO_MIGRATE); CORRUPT (not a gesso database); IO. */
GESSO_API GESSO_MUST_USE gesso_status gesso_persistence_ready(gesso_persistence *p, gesso_persistence_ready_fn fn,
                                                              void *ctx);

/* States in the lock file where the writer's API answers, once that is known. */
GESSO_API gesso_status gesso_persistence_set_address(gesso_persistence *p, const char *address);

/* The result of most verbs. */
typedef void (*gesso_persistence_fn)(void *ctx, gesso_status status);

/* `failed_boards`: how many boards hold something that could not be written. */
typedef void (*gesso_persistence_flush_fn)(void *ctx, uint64_t failed_boards);

/* Stops taking work, finishes what was handed in as flush_pending does, closes the database and
 * releases the folder. Updates that could not be written complete with GESSO_E_IO or _FULL; debounced saves that
 * still wait complete with OK (their updates are in the journal). The callback is the last one. */
GESSO_API GESSO_MUST_USE gesso_status gesso_persistence_close(gesso_persistence *p, gesso_persistence_flush_fn fn,
                                                              void *ctx);

/* Frees the handle. At once after the close has completed; otherwise it closes and waits for the
 * disk, and callbacks that were not dispatched never run. NULL is fine. */
GESSO_API void gesso_persistence_destroy(gesso_persistence *p);

/* -------------------------------------------------------------------------- completions --- */

/* A descriptor that is readable whenever gesso_persistence_dispatch has something to do. For poll,
 * epoll, select, asyncio's add_reader. Do not read or close it. */
GESSO_API int gesso_persistence_poll_fd(gesso_persistence *p);

/* Runs the callbacks of everything that has completed. Never waits. Returns how many it ran. */
GESSO_API size_t gesso_persistence_dispatch(gesso_persistence *p);

/* For programs without an event loop: waits up to `timeout_ms` (negative: without end) until
 * something has completed, then dispatches. Returns how many callbacks it ran; 0 is a timeout. */
GESSO_API size_t gesso_persistence_wait(gesso_persistence *p, int timeout_ms);

/* --------------------------------------------------------------------------------- load --- */

typedef enum gesso_load_result {
  GESSO_LOAD_FOUND = 0,
  GESSO_LOAD_NEVER_EXISTED = 1, /* begin with an empty document; the first append makes the board */
  GESSO_LOAD_DELETED = 2,       /* refuse the visitor: undelete it or create it again first */
  GESSO_LOAD_UNREADABLE = 3     /* refuse the visitor; `status` and `message` say why. Never begin empty */
} gesso_load_result;

typedef struct gesso_board_load {
  gesso_load_result result;
  gesso_status status;        /* OK, NOTFOUND, DELETED, or what made it unreadable: CORRUPT, VERSION,
                                 IO, NOMEM, CLOSED ... */
  const char *message;        /* a sentence, never NULL */
  gesso_bytes board;
  uint64_t generation;        /* of the board; 0 when it does not exist. Never 0 otherwise */
  gesso_bytes state;          /* FOUND: the compacted state, an update of state_version; empty when there is none yet */
  const gesso_bytes *updates; /* FOUND: what was journalled since, updates v1 in order of arrival */
  size_t update_count;
  gesso_doc *doc;             /* FOUND: a document made of all that (the storage thread built it to
                                 verify the bytes). The library's, unless taken */
  uint32_t state_version;     /* encoding of `state`: 1 or 2, for gesso_doc_apply_v1 or _v2 */
  uint32_t full;              /* FOUND: 1 when it has reached its quota; see GESSO_EVENT_BOARD_FULL. Events about the board
                                 that came after the call tell more than this */
} gesso_board_load;

typedef void (*gesso_load_fn)(void *ctx, gesso_board_load *load);

/* The last committed state with its journal, verified: checksums, every update decoded, state vector
 * compared. Makes no board. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_load(gesso_persistence *p, gesso_bytes board,
                                                                   gesso_load_fn fn, void *ctx);

/* Inside the callback: the caller becomes the owner of load->doc, which turns NULL. */
GESSO_API gesso_doc *gesso_board_load_take_doc(gesso_board_load *load);

/* ------------------------------------------------------------------------------- writing --- */

enum {
  /* The caller has decoded the update already (applied it to a document, or got it from one).
   * Without this flag the storage thread decodes it first and refuses what is no update: CORRUPT,
   * TRUNCATED, RANGE, LIMIT from both callbacks. A trusted update that is none makes the board
   * unreadable. */
  GESSO_APPEND_TRUSTED = 1u,
  /* Taken even if the board has reached board_bytes_max: for callers who keep to the quota by GESSO_EVENT_BOARD_FULL,
   * and for whom it would be too late to refuse what was on its way already. */
  GESSO_APPEND_PAST_QUOTA = 2u
};

/* Journals one update v1 of a board. The board is made by the first one.
 * `generation`: of the board that the update is meant for, as load gave it; DELETED when the name
 * means another board by now. 0: whichever board has the name.
 * `on_written`: it survives kill -9. `on_synced`: it survives a power cut. Both get the status:
 *   OK; DELETED (nothing is stored); LIMIT (nothing is stored: the board has reached board_bytes_max, or would exceed
 *   1,000,000,000 bytes, more than SQLite takes as one value); USAGE (the update is empty); CLOSED, IO, FULL (the folder was closed
 *   before the disk took it).
 * While the disk fails, the update is kept in memory and tried again; neither callback runs until
 * it succeeds. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_append(gesso_persistence *p, gesso_bytes board,
                                                                     uint64_t generation, gesso_bytes update,
                                                                     uint32_t flags, gesso_persistence_fn on_written,
                                                                     gesso_persistence_fn on_synced, void *ctx);

/* From now on every update that `doc` emits is journalled as by append, through a subscription of its
 * own (gesso_doc_observe_update). Call it on the thread that owns the document, when the document
 * holds what load gave, or nothing if the board never existed: what it holds by now is not saved.
 * The callbacks (may be NULL) run once for each update. The document must be detached before it is
 * destroyed and before the handle is. An update that waits for missing ones is emitted when they
 * arrive; hand what peers sent to append if it must be safe before that.
 * While updates of an attached document cannot be taken (FULL, LIMIT), they are held in memory all
 * the same, and quotas do not stop them. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_attach(gesso_persistence *p, gesso_bytes board,
                                                                     uint64_t generation, gesso_doc *doc,
                                                                     gesso_persistence_fn on_written,
                                                                     gesso_persistence_fn on_synced, void *ctx);

/* On the document's thread. Updates that were emitted before stay on their way and complete.
 * NOTFOUND when the document is not attached. */
GESSO_API gesso_status gesso_board_persistence_detach(gesso_persistence *p, gesso_doc *doc);

/* Folds now: the stored state and the journal become one compacted state, on a worker thread, from
 * what was stored; the live document is not read. Completes when that is synced.
 * OK also when there was nothing to fold; NOTFOUND; DELETED (a delete came before or meanwhile);
 * CORRUPT and the like (the board is unreadable: nothing was changed); IO, FULL, NOMEM (not folded; the
 * updates stay in the journal and it is tried again later); CLOSED. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_save(gesso_persistence *p, gesso_bytes board,
                                                                   gesso_persistence_fn fn, void *ctx);

/* Folds when it is worth it: after debounce_ms without updates, at the latest after max_wait_ms, or
 * when the journal has grown to half of the state (64 KB at least). When the journal holds less than
 * that and less than the state by the end of the wait, the answer is OK without a fold, as the updates are safe
 * in the journal: the fold comes when there is more of it, or within the hour. Appends ask for all this by
 * themselves; the call adds the completion, with the results of save. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_save_debounced(gesso_persistence *p,
                                                                             gesso_bytes board,
                                                                             gesso_persistence_fn fn, void *ctx);

/* Completes when everything that was handed in before it is synced, or has failed in an attempt made
 * after this call: with the number of boards that hold something unwritten. 0: all is safe. Updates
 * that failed stay in memory and are tried again. Saves that run are waited for; debounced saves
 * that wait go on waiting. Calls made meanwhile are accepted. */
GESSO_API GESSO_MUST_USE gesso_status gesso_persistence_flush_pending(gesso_persistence *p,
                                                                      gesso_persistence_flush_fn fn, void *ctx);

/* ----------------------------------------------------------------------- life of a board --- */

/* Makes an empty board. When the name belongs to a deleted one, that is gone for good and the new
 * board has another generation. OK also when the board exists already. `fn` is told when that is synced. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_create(gesso_persistence *p, gesso_bytes board,
                                                                     gesso_persistence_fn fn, void *ctx);

enum {
  GESSO_DELETE_PURGE = 1u /* forget its content at once; there is no undelete */
};

/* Deletes a board: pending saves are cancelled (they complete with DELETED), later appends are
 * refused with DELETED, load says DELETED. Completes when that is synced: OK, NOTFOUND; OK also when it
 * was deleted before. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_delete(gesso_persistence *p, gesso_bytes board,
                                                                     uint32_t flags, gesso_persistence_fn fn,
                                                                     void *ctx);

/* Brings a deleted board back, content and generation included. OK also when it is not deleted; NOTFOUND;
 * DELETED when its content has been purged. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_undelete(gesso_persistence *p, gesso_bytes board,
                                                                       gesso_persistence_fn fn, void *ctx);

/* ------------------------------------------------------------------------------- looking --- */

typedef struct gesso_board_info {
  gesso_bytes board;
  uint64_t generation;
  uint64_t number;          /* never given to another board */
  uint64_t state_bytes;     /* the compacted state as an update, v2 as a rule */
  uint64_t stored_bytes;    /* the same as it lies on disk */
  uint64_t journal_bytes;   /* updates since */
  uint64_t journal_updates; /* rows of them */
  uint64_t version;         /* folds so far */
  int64_t created_ms;       /* since 1970-01-01 UTC */
  int64_t updated_ms;       /* last change; to the last fold when read beside the writer */
  int64_t deleted_ms;       /* 0: not deleted */
  int64_t purged_ms;        /* 0: content not purged */
  uint64_t history_bytes;   /* all its versions, on disk */
} gesso_board_info;

/* `info` is NULL unless status is OK: NOTFOUND, IO, CLOSED. Deleted boards are shown. */
typedef void (*gesso_show_fn)(void *ctx, gesso_status status, const gesso_board_info *info);
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_show(gesso_persistence *p, gesso_bytes board,
                                                                   gesso_show_fn fn, void *ctx);

enum {
  GESSO_LIST_DELETED = 1u /* deleted boards too */
};

/* `more`: there are boards after the last one given. */
typedef void (*gesso_list_fn)(void *ctx, gesso_status status, const gesso_board_info *const *boards,
                              size_t count, int more);

/* Boards in order of their names' bytes, beginning after `after` ({NULL, 0}: with the first), at
 * most `count_max` of them (0, or more than 1000: 1000). */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_list(gesso_persistence *p, gesso_bytes after,
                                                                   size_t count_max, uint32_t flags,
                                                                   gesso_list_fn fn, void *ctx);

/* `update` is empty unless status is OK: the whole board as one update, pending parts included.
 * NOTFOUND, DELETED, and what makes a board unreadable; `message` is a sentence, never NULL. */
typedef void (*gesso_export_fn)(void *ctx, gesso_status status, gesso_bytes update, const char *message);

enum {
  GESSO_EXPORT_V1 = 1,
  GESSO_EXPORT_STORED = 256 /* with a format: as it is stored at the moment, without waiting for updates that cannot be
                               written now */
};

/* `format`: GESSO_EXPORT_V1. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_export(gesso_persistence *p, gesso_bytes board,
                                                                     int format, gesso_export_fn fn, void *ctx);

/* -------------------------------------------------------------------------------- history --- */

/* A board's compacted state is kept as a version before another one replaces it: one for each 5 minutes of
 * activity, and always the last one before a pause of 5 minutes. After an hour one for each hour stays, after a day
 * one for each day, until history_keep_ms is over or the board's history exceeds history_ratio times its state (64 KB
 * at least). Named versions stay. Most are stored as differences to others. The present state is not among them.
 * A board that is deleted keeps its history until it is purged. */

typedef enum gesso_version_kind {
  GESSO_VERSION_AUTO = 0,          /* made by itself */
  GESSO_VERSION_NAMED = 1,
  GESSO_VERSION_BEFORE_RESTORE = 2 /* made by a restore, of what it changed: the way back. Stays history_keep_ms */
} gesso_version_kind;

enum {
  GESSO_VERSION_NAME_MAX = 512,  /* bytes of UTF-8, without NUL */
  GESSO_VERSIONS_NAMED_MAX = 1000 /* of one board */
};

typedef struct gesso_board_version {
  uint64_t id;           /* never given to another version of the folder */
  int64_t created_ms;    /* since 1970-01-01 UTC: when the board was in that state */
  gesso_version_kind kind;
  gesso_bytes name;      /* NAMED */
  uint64_t state_bytes;  /* as an update, v2 as a rule */
  uint64_t stored_bytes; /* on disk, without what it refers to */
} gesso_board_version;

/* `stored_bytes`: what all of them take on disk. NOTFOUND: there is no such board; IO, CLOSED, NOMEM. */
typedef void (*gesso_versions_fn)(void *ctx, gesso_status status, const gesso_board_version *versions, size_t count,
                                  uint64_t stored_bytes);

/* A board's versions, oldest first. Also of a deleted board. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_versions(gesso_persistence *p, gesso_bytes board,
                                                                       gesso_versions_fn fn, void *ctx);

/* One version as update v1, verified as load verifies. NOTFOUND: no such board or version; CORRUPT, VERSION: it
 * cannot be read, and `message` says why. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_version_get(gesso_persistence *p, gesso_bytes board,
                                                                          uint64_t id, gesso_export_fn fn, void *ctx);

/* `id`: of the version that was made or named. */
typedef void (*gesso_version_fn)(void *ctx, gesso_status status, uint64_t id);

/* id 0: keeps the board as it is now as a named version. Otherwise names a version that there is, or gives it another
 * name; with an empty `name` it becomes one like those made by themselves. Completes when that is synced.
 * USAGE: the name is too long or no UTF-8, or empty with id 0; NOTFOUND: no such board or version; DELETED; LIMIT:
 * GESSO_VERSIONS_NAMED_MAX; what makes a board unreadable; IO, FULL, NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_version_name(gesso_persistence *p, gesso_bytes board,
                                                                           uint64_t id, gesso_bytes name,
                                                                           gesso_version_fn fn, void *ctx);

/* `update` is empty when the board reads like the version already. `before`: the version made of what is changed by
 * it (0: none). `message` is a sentence, never NULL. */
typedef void (*gesso_restore_fn)(void *ctx, gesso_status status, gesso_bytes update, uint64_t before,
                                 const char *message);

/* Makes the update that turns the board's content, as it is stored now, into that of a version: an ordinary
 * transaction of edits by a client of its own, in which what is equal stays untouched (shared types, and so cursors
 * and subscriptions, included). The board itself is not changed: hand the update to whoever has the board open,
 * as if it came from a client, or else to append. What others draw meanwhile is merged with it as ever.
 * Before that the present state is kept as a version, so that a restore of `before` takes it all back.
 * NOTFOUND: no such board or version; DELETED; what makes board or version unreadable; IO, FULL, NOMEM. */
GESSO_API GESSO_MUST_USE gesso_status gesso_board_persistence_version_restore(gesso_persistence *p, gesso_bytes board,
                                                                              uint64_t id, gesso_restore_fn fn,
                                                                              void *ctx);

/* --------------------------------------------------------------------------------- health --- */

enum {
  GESSO_LATENCY_BUCKETS = 16 /* bucket i counts up to 2^i * 64 us; the last one everything longer */
};

typedef struct gesso_persistence_stats {
  size_t size;                 /* set by the caller to sizeof(gesso_persistence_stats) */
  uint32_t durability;         /* gesso_durability */
  uint32_t ready;              /* 1: the database is open */
  gesso_status health;         /* OK; IO or FULL while writes fail */
  uint32_t health_pad;
  uint64_t boards_active;      /* in memory: with a journal or with work to do */
  uint64_t boards_dirty;       /* with updates that no fold contains yet */
  uint64_t boards_unsaved;     /* with updates that are not synced yet */
  uint64_t queue_bytes;        /* updates held in memory until they are synced */
  uint64_t queue_updates;
  uint64_t journal_bytes;      /* live and dead rows on disk */
  uint64_t journal_live_bytes; /* of them, not yet folded */
  uint64_t journal_rows;
  uint64_t journal_bytes_max;
  uint64_t wal_bytes;
  uint64_t wal_bytes_peak;
  uint64_t database_bytes;
  uint64_t updates_appended;   /* since the start, as all below */
  uint64_t updates_bytes;
  uint64_t updates_refused;    /* deleted boards, undecodable bytes */
  uint64_t commits;
  uint64_t syncs;
  uint64_t checkpoints;
  uint64_t folds;
  uint64_t folds_failed;
  uint64_t fold_bytes;         /* compacted states written, as stored */
  uint64_t loads;
  uint64_t loads_unreadable;
  uint64_t write_failures;     /* commits that failed */
  uint64_t sync_failures;
  uint64_t reopens;            /* times the database was reopened after a failure */
  uint64_t commit_us[GESSO_LATENCY_BUCKETS];
  uint64_t sync_us[GESSO_LATENCY_BUCKETS];
  uint64_t used_bytes;         /* of the database, what the quota counts; looked at once a second, if need be */
  uint64_t used_bytes_max;     /* total_bytes_max; 0: no limit. So is the next */
  uint64_t board_bytes_max;
  uint64_t disk_left_bytes;    /* as of then; 0: not known */
  uint64_t boards_filled;      /* times a board reached its quota */
} gesso_persistence_stats;

/* Figures for metrics. Never waits. */
GESSO_API gesso_status gesso_persistence_get_stats(gesso_persistence *p, gesso_persistence_stats *stats);

typedef enum gesso_persistence_event_kind {
  GESSO_EVENT_WRITES_FAIL = 1,  /* status IO or FULL: updates are held, appends refused while FULL */
  GESSO_EVENT_WRITES_WORK = 2,  /* after such a failure: all that was held is synced, and there is room */
  GESSO_EVENT_FOLD_FAILED = 3,  /* `board` could not be folded; its journal stays */
  GESSO_EVENT_ATTACHED_LOST = 4, /* `board` was deleted: updates of the document attached to it are refused */
  GESSO_EVENT_BOARD_FULL = 5,   /* `board` has reached board_bytes_max, or nine tenths of the 1,000,000,000 bytes that a
                                   board can have. A load tells it, too */
  GESSO_EVENT_BOARD_ROOM = 6    /* a fold has brought `board` below that */
} gesso_persistence_event_kind;

typedef struct gesso_persistence_event {
  gesso_persistence_event_kind kind;
  gesso_status status;
  gesso_bytes board;   /* empty where no board is meant */
  const char *message; /* a sentence for the log */
} gesso_persistence_event;

/* What went wrong, or well again, without being asked. One callback a handle; NULL removes it. */
typedef void (*gesso_persistence_event_fn)(void *ctx, const gesso_persistence_event *event);
GESSO_API void gesso_persistence_on_event(gesso_persistence *p, gesso_persistence_event_fn fn, void *ctx);

#ifdef __cplusplus
}
#endif
#endif
