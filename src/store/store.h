/* The inside of a gesso_persistence: what its threads share.
 *
 *   callers ----> queue ----> storage thread ----> commit ----.----> written
 *      ^                        |     |    ^                  |
 *      |                   load |     |    | folded           v
 *      |                        v     v    |              sync thread ----> synced
 *      |                     reader  folder               checkpoint thread
 *      '---- dispatch <---- done list + eventfd
 *
 * A call becomes a gs_op, which walks from list to list and is freed after its last callback. The
 * payload of an update stays in memory until it is synced, so that it can be written again. */
#ifndef GS_STORE_STORE_H
#define GS_STORE_STORE_H

#include "base/clock.h"
#include "gesso/persistence.h"
#include "store/board.h"
#include "store/hooks.h"
#include "store/lockfile.h"

#include <pthread.h>

typedef enum gs_op_kind {
  /* writes: part of a group, complete when synced */
  GS_OP_APPEND,
  GS_OP_CREATE,
  GS_OP_DELETE,
  GS_OP_UNDELETE,
  /* handled after the group that they arrived with */
  GS_OP_LOAD,
  GS_OP_EXPORT,
  GS_OP_SHOW,
  GS_OP_LIST,
  GS_OP_VERSIONS,
  GS_OP_VERSION_GET,
  GS_OP_VERSION_NAME,    /* with id 0, and VERSION_RESTORE: storage thread -> folder -> storage thread */
  GS_OP_VERSION_RESTORE,
  GS_OP_SAVE,
  GS_OP_SAVE_DEBOUNCED,
  GS_OP_FLUSH,
  GS_OP_READY,
  GS_OP_CLOSE,
  /* made inside */
  GS_OP_FOLD,   /* storage thread -> folder -> storage thread */
  GS_OP_NOTE,   /* only carries callbacks */
  GS_OP_EVENT
} gs_op_kind;

typedef struct gs_done {
  struct gs_done *next;
  gs_op *op;
  bool last; /* the op goes with this callback */
} gs_done;

/* What a worker made of an op. */
typedef struct gs_result {
  gs_board_rows rows;
  gs_built built;
  gesso_board_load load;
  gs_folded folded;
  gs_new_version version;    /* fold: of the state that is replaced; name, restore: of the present one */
  bool has_version;
  gesso_board_version *versions;
  uint32_t version_count, version_cap;
  gesso_buffer bytes;        /* export */
  const char *why;           /* static text */
  /* show and list */
  gesso_board_info *infos;
  const gesso_board_info **info_ptrs;
  uint32_t info_count, info_cap;
  gs_buf names;
  int more;
} gs_result;

struct gs_op {
  gs_op *next;
  gs_op_kind kind;
  uint32_t flags;
  uint64_t arrival;     /* order of calls */
  uint64_t seq;         /* the commit that contains it */
  uint64_t generation;  /* asked for; assigned by the first attempt */
  uint64_t need;        /* save: the fold must reach this journal id. fold: what it reaches.
                           flush: failed_saves before it */
  uint64_t num, epoch;  /* fold: board and life of the database it was made for */
  uint64_t count;       /* flush: boards that failed. list: how many. fold: its part of folding_bytes */
  gesso_status status;
  gesso_status written_status; /* append: what its first callback says */
  bool assigned;        /* generation is not what was asked for, but what an attempt found or made */
  bool committed;       /* once; after a failed sync it is done again all the same */
  bool counted;         /* it holds one of board->unsaved */
  bool written;         /* that completion is out */
  bool back;            /* version_name, version_restore: the folder is through with it */
  bool keep;            /* fold: make a version of the state that is replaced */
  uint64_t id;          /* version_*: which; the one made */
  gs_board *board;      /* storage thread; valid while counted */
  uint64_t *ids;        /* load, export, fold: the board's journal rows */
  uint32_t id_count;
  gs_result *result;
  union {
    gesso_persistence_fn done;
    gesso_load_fn load;
    gesso_export_fn export_;
    gesso_show_fn show;
    gesso_list_fn list;
    gesso_persistence_flush_fn flush;
    gesso_persistence_ready_fn ready;
    gesso_versions_fn versions;
    gesso_version_fn version;
    gesso_restore_fn restore;
  } fn;
  gesso_persistence_fn on_written; /* append */
  void *ctx;
  gs_done first_done, last_done;
  size_t size;          /* of this allocation */
  uint32_t name_len;
  size_t data_len;
  uint8_t bytes[];      /* name, then data */
};

typedef struct gs_attached gs_attached;

/* What there is no room for: see storage_room.c. */
typedef enum gs_no_room { GS_ROOM_ENOUGH, GS_ROOM_DISK, GS_ROOM_TOTAL } gs_no_room;

typedef enum gs_checkpoint_wish { GS_WISH_NONE, GS_WISH_PASSIVE, GS_WISH_TRUNCATE } gs_checkpoint_wish;

struct gesso_persistence {
  const gesso_allocator *alloc;
  gesso_persistence_options options; /* defaults filled in; the strings are copied below */
  const gs_clock *clock;
  bool read_only;
  gs_lockfile lockfile;
  char owner[128];
  gs_backend *backend;
  int event_fd;

  /* --- under `lock`, which nobody holds while waiting for the disk --- */
  pthread_mutex_t lock;
  pthread_cond_t storage_wake, sync_wake, checkpoint_wake, reader_wake, folder_wake;
  gs_op_list queue;              /* to the storage thread */
  uint64_t arrivals;
  bool poked, closing;
  bool held;                     /* the queue is not looked at: see hooks.h */
  char address[256];
  bool address_changed;          /* the lock file is to be written */
  gs_op *reserved_close;
  gs_op_list unsynced;           /* committed, by seq */
  uint64_t commit_seq, synced_seq;
  bool sync_failed, sync_exit, checkpoint_exit, workers_exit;
  gs_checkpoint_wish wish;
  bool checkpoint_running;
  gs_op_list reader_jobs, folder_jobs;
  bool reader_running;
  gs_done *done_first, *done_last;
  bool closed;                   /* every thread is through with its work */
  gesso_status health;           /* as callers see it */
  gesso_persistence_stats stats;
  gesso_persistence_event_fn event_fn;
  void *event_ctx;
  gs_attached *attached;

  atomic_uint boards_unsaved;

  /* --- the storage thread's own --- */
  gs_boards boards;
  gs_op_list todo;               /* taken from the queue, not committed */
  gs_op_list ready_ops;
  gs_op *close_op;
  bool opened;                   /* the backend is open */
  bool failing;                  /* the last attempt failed and something is held, or it must reopen */
  bool must_reopen;
  bool look_at_boards;           /* rows came, a save was asked for, a fold came back */
  gesso_status open_status;      /* of the first opening; final */
  const char *open_why;
  uint64_t next_id, epoch, marks;
  uint64_t retry_at_ms, backoff_ms;
  uint64_t last_commit_ms, last_commit_us, last_scan_ms, next_due_ms, next_purge_ms;
  gs_no_room no_room;
  uint64_t next_room_ms, room_at_bytes; /* when it is looked for room again; the updates until it was looked last */
  uint64_t sync_failures_seen;
  uint32_t folds_running;
  uint64_t folding_bytes; /* of the boards that are folded */
  uint64_t failed_saves; /* explicit ones, for want of disk or memory */
  gs_buf row_buf;                /* packing rows */
  gs_board *touched;
  int64_t free_pages;

  pthread_t storage_thread, sync_thread, checkpoint_thread, reader_thread, folder_thread;
  bool has_storage_thread, has_sync_thread, has_checkpoint_thread, has_reader_thread, has_folder_thread;
};

static inline gesso_bytes gs_op_name(const gs_op *op)
{
  return (gesso_bytes){ op->bytes, op->name_len };
}

static inline gesso_bytes gs_op_data(const gs_op *op)
{
  return (gesso_bytes){ op->bytes + op->name_len, op->data_len };
}

/* --- op.c: ops, lists, completions --- */
gs_op *gs_op_create(gesso_persistence *p, gs_op_kind kind, gesso_bytes name, gesso_bytes data);
void gs_op_free(gesso_persistence *p, gs_op *op);
gs_result *gs_op_result(gesso_persistence *p, gs_op *op); /* made when there is none; NULL: no memory */
void gs_op_list_push(gs_op_list *list, gs_op *op);
void gs_op_list_push_all(gs_op_list *list, gs_op_list *more); /* `more` is empty afterwards */
gs_op *gs_op_list_pop(gs_op_list *list);
/* Hands the op to dispatch for its last callback. Any thread but under `lock`. */
void gs_op_complete(gesso_persistence *p, gs_op *op);
/* The same for many, with one wake-up. */
void gs_op_complete_all(gesso_persistence *p, gs_op_list *list);
/* append's first callback. */
void gs_ops_written(gesso_persistence *p, const gs_op_list *list);
void gs_emit_event(gesso_persistence *p, gesso_persistence_event_kind kind, gesso_status status, gesso_bytes board,
                   const char *message);
/* Puts it into the storage thread's queue. */
void gs_op_enqueue(gesso_persistence *p, gs_op *op);
/* No longer counted as unsaved work of its board. */
void gs_op_uncount(gesso_persistence *p, gs_op *op);

/* --- persistence.c, attach.c --- */
bool gs_board_name_ok(gesso_bytes name);
gesso_status gs_append(gesso_persistence *p, gesso_bytes board, uint64_t generation, gesso_bytes update, uint32_t flags,
                       bool held, gesso_persistence_fn on_written, gesso_persistence_fn on_synced, void *ctx);
void gs_attached_forget_all(gesso_persistence *p);

/* --- storage.c, storage_group.c, storage_fold.c: the storage thread --- */
void *gs_storage_main(void *p);
/* Finds the op's board and counts the op as unsaved work of it, once. */
gesso_status gs_storage_count(gesso_persistence *p, gs_op *op);
bool gs_storage_has_unsaved(gesso_persistence *p, gesso_bytes name);
/* Brings `row` up to date; needs a transaction or an idle writer. */
gesso_status gs_storage_find(gesso_persistence *p, gs_board *b);
/* Writes everything in `ops` (writes only) in one transaction. OK: committed, ops are on their way.
 * Otherwise nothing is committed and all of them are still in `ops`. */
gesso_status gs_storage_write_group(gesso_persistence *p, gs_op_list *ops);
void gs_storage_failed(gesso_persistence *p, gesso_status status);
/* The op is done but for the sync of what is committed. */
void gs_storage_await_sync(gesso_persistence *p, gs_op_list *ops);
/* A save or save_debounced: waits for a fold, or is done. */
void gs_storage_save(gesso_persistence *p, gs_op *op);
/* A fold came back from the folder. */
gesso_status gs_storage_fold_done(gesso_persistence *p, gs_op *op);
void gs_storage_cancel_saves(gesso_persistence *p, gs_board *b, gesso_status status);
/* Starts what is due, cuts, vacuums, purges. Returns when to look again. */
uint64_t gs_storage_upkeep(gesso_persistence *p, uint64_t now_ms);

/* --- storage_room.c: whether there is room --- */
void gs_storage_set_health(gesso_persistence *p, gesso_status status, const char *why);
/* Writing failed with that status. */
void gs_storage_tell_failure(gesso_persistence *p, gesso_status status);
/* Looks, if it is time to, and sets `no_room`. Returns when to look again. */
uint64_t gs_storage_look_at_room(gesso_persistence *p, uint64_t now_ms);
/* Writing works: health is what `no_room` says. */
void gs_storage_tell_room(gesso_persistence *p);
/* Whether a board of that size is below its quota. Any thread. */
bool gs_board_has_room(const gesso_persistence *p, uint64_t stored_bytes, uint64_t state_bytes, uint64_t journal_bytes);
bool gs_storage_has_room(const gesso_persistence *p, const gs_board *b);
/* Tells when what was true before a change is not any more. */
void gs_storage_weigh(gesso_persistence *p, const gs_board *b, bool had_room);

/* --- storage_history.c: the storage thread's part of versions --- */
/* False: it has to wait, as writing fails. */
bool gs_storage_version_op(gesso_persistence *p, gs_op *op, bool blocked);
/* Versions of the board that do not stay leave; in a transaction. `stored_bytes`: of its state. */
gesso_status gs_storage_thin(gesso_persistence *p, uint64_t num, uint64_t stored_bytes);
/* One board with a version older than they may be is looked after. True: there may be more. */
bool gs_storage_thin_oldest(gesso_persistence *p);
gesso_status gs_storage_versions(gesso_persistence *p, gs_op *op);
/* Sends the op to the folder. */
void gs_storage_send_to_folder(gesso_persistence *p, gs_op *op);
/* What a worker needs to know to find the board's rows. */
gesso_status gs_storage_give_ids(gesso_persistence *p, gs_op *op);

enum { GS_DELETE_EXPIRED = 1u << 16 }; /* delete's flags: only if it is in the trash */

/* --- workers.c: the other threads --- */
void *gs_sync_main(void *p);
void *gs_checkpoint_main(void *p);
void *gs_reader_main(void *p);
void *gs_folder_main(void *p);
void gs_wish_checkpoint(gesso_persistence *p, gs_checkpoint_wish wish);
void gs_count_latency(uint64_t buckets[GESSO_LATENCY_BUCKETS], uint64_t us);

#endif
