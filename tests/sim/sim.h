/* The parts of a simulated world and what they know of each other:
 *
 *   client.c   documents with their y-protocol messages on the way to and from the server
 *   server.c   the server's life: rooms and persistence, as they are shipped; started, stopped, killed
 *   model.c    what must be true: what was shown and what was acknowledged, board by board
 *   day.c      one run: what happens, chosen by the seed, and how it must end
 *   plant.c    bugs that can be switched on, to see that they are found */
#ifndef SIM_H
#define SIM_H

#include "disk.h"
#include "os.h"
#include "trace.h"

#include "gesso/awareness.h"
#include "gesso/events.h"
#include "gesso/persistence.h"
#include "gesso/types.h"
#include "gesso/undo.h"
#include "net/loop.h"
#include "server/rooms.h"
#include "server/session.h"

enum { BOARDS_MAX = 4, CLIENTS_MAX = 8, VERSIONS_MAX = 6 };

/* --- model.c --- */

/* Whether a board is there. An order that was given and not answered leaves it open, until the board is loaded. */
typedef enum fate { ALIVE, DELETED, ANY } fate;
typedef enum order { ORDER_NONE, ORDER_DELETE, ORDER_CREATE, ORDER_UNDELETE } order;

typedef struct board {
  char name[16];
  fate fate;
  order order;              /* on its way */
  gesso_doc *shown;         /* everything that left the server */
  gesso_doc *acked;         /* everything that was acknowledged */
  gesso_doc *trash_shown, *trash_acked; /* of the board that was deleted */
  bool purge;               /* the trash may have been emptied */
  bool restored;            /* an older version was brought back: content may be there again */
  bool audited;             /* in this life of the server */
  bool audit_running;
  const void *room_seen;    /* the room that was compared last */
  gesso_doc *final;         /* not owned: what the next audit has to find, neither less nor more */
  uint64_t versions[VERSIONS_MAX]; /* named ones that must be there */
  uint32_t version_count;
} board;

void model_begin(uint32_t boards);
void model_end(void);
extern board boards[BOARDS_MAX];
extern uint32_t board_count;

gesso_bytes board_name(const board *b);
void model_shown(board *b, gesso_bytes update);
void model_acked(board *b, gesso_bytes update);
/* The answer to an order. */
void model_order_done(board *b, order what, gesso_status status);
/* The server is gone; `lost`: and so may be what was not synced. */
void model_after_crash(bool lost, bool durable);
/* Everything found at the opening is on the disk. */
void model_opened(bool durable);
/* A board that was loaded after a start must hold what it has to hold. */
void model_audit(board *b, gesso_load_result result, gesso_status status, const char *why, gesso_doc *doc);
/* `doc` holds everything that the board showed. */
void model_holds(const char *where, board *b, gesso_doc *doc, gesso_doc *promised);

/* Documents. */
gesso_doc *new_doc(uint64_t client_id);
gesso_doc *copy_doc(gesso_doc *doc);
void take(gesso_doc *doc, gesso_bytes update);
bool same_docs(gesso_doc *a, gesso_doc *b);
bool has_nothing(gesso_doc *doc);

/* --- client.c --- */

typedef struct message {
  struct message *next;
  gs_frame *frame;   /* from the server; or */
  size_t len;        /* ... from the client */
  uint8_t data[];
} message;

typedef struct queue {
  message *first, *last;
  uint32_t count;
} queue;

typedef struct client {
  gs_session session;
  board *board;
  uint64_t id;
  gesso_doc *doc;
  gesso_undo *undo;
  gesso_awareness *presence;
  uint32_t logged;       /* entries "<id>.<n>" that it put into the array "log", n below this */
  uint32_t drags;
  bool online, synced;
  bool paused;           /* the server does not read from it */
  bool gap;              /* its queue was dropped */
  uint16_t code;         /* the server closed the connection with it */
  queue to_server, to_client;
} client;

extern client clients[CLIENTS_MAX];
extern uint32_t client_count;

/* `queue_max`: frames that wait for a client, past which it counts as slow. */
void clients_begin(uint32_t count, uint32_t queue_max);
void clients_end(void);
void client_connect(client *c);
/* `deliver`: what is on its way to the client still arrives. */
void client_disconnect(client *c, bool deliver);
void clients_cut_off(bool deliver); /* all of them: the server is gone */
/* Somebody else with an empty document takes the place. */
void client_replace(client *c);
void client_edit(client *c);
void client_undo(client *c);
void client_point(client *c);      /* moves its cursor: presence */
bool client_hear(client *c);       /* one message from the server */
bool client_send_on(client *c);    /* one message reaches the server */
void client_drain(client *c);      /* a slow one has read everything */
void client_tick(client *c);       /* presence */
/* Nothing is on its way. */
bool client_quiet(const client *c);

/* --- server.c --- */

typedef enum server_state { DOWN, STARTING, UP, STOPPING } server_state;

typedef struct server {
  server_state state;
  uint64_t life;
  disk *disk;
  gs_loop *loop;
  gesso_persistence *store;
  gs_counters counters;
  gs_rooms rooms;
  gs_timer fail_timer;
  bool has_rooms;
  bool was_up;             /* once at least: there is a database */
  bool ready_known, closed;
  gesso_status ready_status;
  uint64_t unwritten;
  uint64_t sync_failures_made_good;
} server;

extern server sv;

void server_begin(const char *folder, const gesso_persistence_options *options);
void server_end(void);         /* it is down */
void server_start(void);       /* from DOWN */
void server_stop(void);        /* from UP, the orderly way; then turns until it is DOWN */
void server_turn(void);        /* one turn of its loop, in any state */
void server_kill(bool power);  /* from any state */
bool server_durable(void);
/* Runs gesso check over a copy of what is on the disk; nobody has it open. */
void server_check(const char *when);

/* Orders to the server, as its API and its tools give them. They do nothing when it is not the time for them. */
void server_order(board *b, order what, bool purge);
void server_save(board *b);
void server_flush(void);
void server_name_version(board *b);
void server_restore_version(board *b);

/* --- day.c --- */

typedef struct day_result {
  uint64_t hash, events, edits, kills, cuts, stops, faults, operations, acks;
} day_result;

void day(uint64_t seed, const char *folder, day_result *out);

/* --- plant.c --- */

typedef enum plant { PLANT_NONE, PLANT_FOLD, PLANT_ACK, PLANT_BROADCAST, PLANT_MISSED, PLANTS } plant;
extern plant planted;
const char *plant_name(plant p);
void plant_begin(void);

#endif
