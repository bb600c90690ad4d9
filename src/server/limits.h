/* Everything that a peer can make grow has its bound here, and a counter in counters.h that tells
 * when it was reached. docs/threat-model.md has the table with what happens at each. */
#ifndef GS_SERVER_LIMITS_H
#define GS_SERVER_LIMITS_H

/* Connections. */
#define GS_LIMIT_CONNECTIONS 20000u
#define GS_LIMIT_MESSAGE_LEN (16u << 20)   /* one WebSocket message; longer: 1009 */
#define GS_LIMIT_SEND_QUEUE_LEN (4u << 20) /* per connection; then its queue is dropped and it is sent the state */
#define GS_LIMIT_EARLY_LEN (GS_LIMIT_MESSAGE_LEN + (256u << 10)) /* per connection, while its board loads */
#define GS_LIMIT_FIRST_FRAME_MS 30000u     /* from the upgrade to the first frame; then 4408 */
#define GS_LIMIT_RESYNC_LEN (2u << 20)     /* states up to this are sent again to a slow reader; past it: 1013 */

/* Boards. */
#define GS_LIMIT_ROOMS 20000u              /* boards in memory; past it newcomers are sent away with 1013 */
#define GS_LIMIT_DOC_MEMORY (1u << 30)     /* one document */
#define GS_ROOM_LINGER_MS 5000u            /* an empty board stays in memory for so long: a reload is quick */
#define GS_ROOM_ENCODED_MS 10000u          /* the encoded state is kept for newcomers at least so long */
#define GS_ROOM_READ_ONLY_MS 1000u         /* writing may fail for so long before boards turn read-only; at once when full */
#define GS_LIMIT_BOARD_STORED_LEN (UINT64_C(256) << 20) /* one board on the disk, unless --board-quota says another */
#define GS_ROOM_RETRY_MS 250u              /* between two attempts to hand over what the store refused */

/* Presence, per board. A whiteboard's presence carries a live gesture, so states are allowed some size. */
#define GS_LIMIT_PRESENCE_IDS 10000u
#define GS_LIMIT_PRESENCE_IDS_PER_CONNECTION 64u
#define GS_LIMIT_PRESENCE_DEPARTED 20000u
#define GS_LIMIT_PRESENCE_CLOCK (UINT64_C(1) << 52) /* who outdoes a stranger's clock must not come to 2^53, which is no number */
#define GS_LIMIT_PRESENCE_STATE_LEN (256u << 10)
#define GS_LIMIT_PRESENCE_STATES_LEN (8u << 20)

/* Clients give up on a connection that was silent for 30 s, whatever pings it got. */
#define GS_KEEP_ALIVE_MS 20000u

/* HTTP API. */
#define GS_LIMIT_JSON_BODY_LEN (64u << 10)
#define GS_LIMIT_IMAGE_LEN (10u << 20)
#define GS_LIMIT_IMAGES_TOTAL_LEN (UINT64_C(4) << 30) /* all images of a data folder */
#define GS_LIMIT_UPLOADS 32u                /* images being received at a time; past it: 413 */
#define GS_LIMIT_IMAGE_JOBS 256u           /* waiting for the disk; past it: 503 */
#define GS_LIMIT_QUEUES_LEN (UINT64_C(1) << 30) /* waiting for all peers together; past it no images and exports: 503 */
#define GS_LIMIT_LIST_BOARDS 1000u         /* boards in one answer */
#define GS_LIMIT_TITLE_LOADS 4u            /* boards read at a time for their titles; visitors' loads wait behind them */
#define GS_LIMIT_TITLE_WAIT_MS 1000u       /* a list is sent without the titles that are not known by then */
#define GS_LIMIT_TITLE_LEN 512u
#define GS_LIMIT_TITLE_BOARD_LEN (8u << 20) /* boards larger than this are listed without reading them */

#endif
